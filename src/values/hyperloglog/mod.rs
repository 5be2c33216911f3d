//! HyperLogLogs: strings that estimate how many distinct elements were counted, byte for byte as Redis keeps them.
//!
//! Pure: bytes in, bytes out. A header of 16 bytes - `HYLL`, the encoding, three zero bytes, the last estimate in little endian
//! with its highest bit set once it is out of date - and 16384 registers of 6 bits: all of them (dense), or runs of equal ones
//! ([`sparse`]). Estimated as Otmar Ertl describes, arXiv:1702.01284; hashed by MurmurHash64A.

mod sparse;

const REGISTERS: usize = 1 << 14;
const HEADER: usize = 16;
/// Bytes of one with all registers.
pub const DENSE_LEN: usize = HEADER + REGISTERS * 6 / 8;
const DENSE: u8 = 0;
const SPARSE: u8 = 1;
/// Bits of a hash that a register does not come from.
const RANKS: usize = 64 - 14;

/// It says that it is a HyperLogLog, and is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("INVALIDOBJ Corrupted HLL object detected")]
pub struct Corrupt;

/// The largest value of each register of several.
pub type Registers = [u8; REGISTERS];

/// Registers of nothing.
#[must_use]
pub fn no_registers() -> Box<Registers> {
    vec![0; REGISTERS].into_boxed_slice().try_into().expect("so many registers")
}

/// Nothing counted.
#[must_use]
pub fn empty() -> Vec<u8> {
    let mut bytes = b"HYLL\x01\0\0\0\0\0\0\0\0\0\0\0".to_vec();
    sparse::push_zeros(&mut bytes, REGISTERS);
    bytes
}

/// Whether a string is one, as far as its header and length say.
#[must_use]
pub fn is_valid(bytes: &[u8]) -> bool {
    bytes.len() >= HEADER
        && bytes.starts_with(b"HYLL")
        && bytes[4] <= SPARSE
        && (bytes[4] != DENSE || bytes.len() == DENSE_LEN)
}

/// Whether all registers are there by themselves.
#[must_use]
pub fn is_dense(bytes: &[u8]) -> bool {
    bytes[4] == DENSE
}

/// The last estimate, if nothing was counted since.
#[must_use]
pub fn cached(bytes: &[u8]) -> Option<u64> {
    let cached = bytes[8..HEADER].try_into().map(u64::from_le_bytes).ok()?;
    (cached >> 63 == 0).then_some(cached)
}

/// Keeps an estimate.
pub fn set_cached(bytes: &mut [u8], estimate: u64) {
    bytes[8..HEADER].copy_from_slice(&estimate.to_le_bytes());
}

/// The last estimate is out of date.
pub fn forget_cached(bytes: &mut [u8]) {
    bytes[HEADER - 1] |= 1 << 7;
}

/// The register of an element, and the value that it has at least once the element is counted.
#[must_use]
#[expect(clippy::cast_possible_truncation, reason = "14 bits, and at most 51")]
pub fn register_of(element: &[u8]) -> (usize, u8) {
    let hash = murmur(element, 0xadc8_3b19);
    // There is always a bit to end at.
    let ranks = hash >> 14 | 1 << RANKS;
    ((hash % REGISTERS as u64) as usize, ranks.trailing_zeros() as u8 + 1)
}

/// The value of a register of a dense one.
#[must_use]
pub fn dense_register(bytes: &[u8], index: usize) -> u8 {
    let (at, shift) = (HEADER + index * 6 / 8, index * 6 % 8);
    let pair = u16::from_le_bytes([bytes[at], bytes.get(at + 1).copied().unwrap_or(0)]);
    (pair >> shift & 63).to_le_bytes()[0]
}

/// Raises a register of a dense one; says whether it was lower.
pub fn raise_dense(bytes: &mut [u8], index: usize, value: u8) -> bool {
    if dense_register(bytes, index) >= value {
        return false;
    }
    let (at, shift) = (HEADER + index * 6 / 8, index * 6 % 8);
    let set = |byte: &mut u8, mask: u8, bits: u8| *byte = *byte & !mask | bits;
    let ([mask, mask_of_next], [bits, bits_of_next]) =
        ((63_u16 << shift).to_le_bytes(), (u16::from(value) << shift).to_le_bytes());
    set(&mut bytes[at], mask, bits);
    // The last register ends with its byte.
    if let Some(next) = bytes.get_mut(at + 1) {
        set(next, mask_of_next, bits_of_next);
    }
    true
}

/// Raises a register, in a form that takes at most `most` bytes if it is sparse; says whether it was lower.
///
/// # Errors
/// The runs do not add up; whatever was raised before stays so.
pub fn raise(bytes: &mut Vec<u8>, index: usize, value: u8, most: usize) -> Result<bool, Corrupt> {
    if is_dense(bytes) {
        return Ok(raise_dense(bytes, index, value));
    }
    match sparse::raise(bytes, index, value, most)? {
        sparse::Raised::Done(lower) => Ok(lower),
        sparse::Raised::NoRoom => {
            make_dense(bytes)?;
            Ok(raise_dense(bytes, index, value))
        }
    }
}

/// From runs to all registers by themselves.
///
/// # Errors
/// The runs do not add up.
pub fn make_dense(bytes: &mut Vec<u8>) -> Result<(), Corrupt> {
    if is_dense(bytes) {
        return Ok(());
    }
    let mut registers = no_registers();
    merge(bytes, &mut registers)?;
    bytes.truncate(HEADER);
    bytes[4] = DENSE;
    bytes.resize(DENSE_LEN, 0);
    for (index, &value) in registers.iter().enumerate().filter(|(_, value)| **value > 0) {
        raise_dense(bytes, index, value);
    }
    Ok(())
}

/// The runs of a sparse one, as `PFDEBUG DECODE` shows them.
#[must_use]
pub fn shown(bytes: &[u8]) -> String {
    sparse::shown(bytes.get(HEADER..).unwrap_or_default())
}

/// Raises `registers` to those of a HyperLogLog.
///
/// # Errors
/// The runs do not add up.
pub fn merge(bytes: &[u8], registers: &mut Registers) -> Result<(), Corrupt> {
    if is_dense(bytes) {
        for (index, register) in registers.iter_mut().enumerate() {
            *register = (*register).max(dense_register(bytes, index));
        }
        return Ok(());
    }
    let mut at = 0;
    for (value, run) in sparse::runs(&bytes[HEADER..]) {
        for register in registers.get_mut(at..at + run).ok_or(Corrupt)? {
            *register = (*register).max(value);
        }
        at += run;
    }
    if at == REGISTERS { Ok(()) } else { Err(Corrupt) }
}

/// How many distinct elements were counted.
#[must_use]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "positive; an infinite share gives zero"
)]
pub fn estimate(registers: &Registers) -> u64 {
    const ALPHA_INFINITY: f64 = 0.721_347_520_444_481_7;
    let mut histogram = [0_u32; 64];
    registers.iter().for_each(|&value| histogram[usize::from(value & 63)] += 1);
    let all = REGISTERS as f64;
    let mut sum = all * tau((all - f64::from(histogram[RANKS + 1])) / all);
    for &count in histogram[1..=RANKS].iter().rev() {
        sum = (sum + f64::from(count)) * 0.5;
    }
    sum += all * sigma(f64::from(histogram[0]) / all);
    (ALPHA_INFINITY * all * all / sum).round() as u64
}

#[expect(clippy::float_cmp, reason = "until it changes no more")]
fn tau(mut x: f64) -> f64 {
    if x == 0.0 || x == 1.0 {
        return 0.0;
    }
    let (mut y, mut z) = (1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let before = z;
        y *= 0.5;
        z -= (1.0 - x).powi(2) * y;
        if before == z {
            return z / 3.0;
        }
    }
}

#[expect(clippy::float_cmp, reason = "until it changes no more")]
fn sigma(mut x: f64) -> f64 {
    if x == 1.0 {
        return f64::INFINITY;
    }
    let (mut y, mut z) = (1.0, x);
    loop {
        x *= x;
        let before = z;
        z += x * y;
        y += y;
        if before == z {
            return z;
        }
    }
}

/// MurmurHash64A by Austin Appleby, of bytes in little endian.
fn murmur(bytes: &[u8], seed: u64) -> u64 {
    const MULTIPLIER: u64 = 0xc6a4_a793_5bd1_e995;
    const SHIFT: u32 = 47;
    let mut hash = seed ^ (bytes.len() as u64).wrapping_mul(MULTIPLIER);
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        let mut word = u64::from_le_bytes(*word).wrapping_mul(MULTIPLIER);
        word ^= word >> SHIFT;
        hash = (hash ^ word.wrapping_mul(MULTIPLIER)).wrapping_mul(MULTIPLIER);
    }
    if !rest.is_empty() {
        let mut word = [0; 8];
        word[..rest.len()].copy_from_slice(rest);
        hash = (hash ^ u64::from_le_bytes(word)).wrapping_mul(MULTIPLIER);
    }
    hash = (hash ^ hash >> SHIFT).wrapping_mul(MULTIPLIER);
    hash ^ hash >> SHIFT
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The oracle is an array of registers.
    #[test]
    fn registers_are_those_of_an_array_in_either_form() {
        for most in [0, 100, 3000, usize::MAX] {
            let (mut log, mut array) = (empty(), no_registers());
            for number in 0..6000_u32 {
                let (index, value) = register_of(&number.to_le_bytes());
                let lower = array[index] < value;
                array[index] = array[index].max(value);
                assert_eq!(raise(&mut log, index, value, most), Ok(lower), "{number} within {most}");
                assert!(is_valid(&log));
            }
            let mut found = no_registers();
            merge(&log, &mut found).expect("whole");
            assert!(found == array, "within {most}");
            let estimate = estimate(&found);
            assert!((5850..6150).contains(&estimate), "{estimate}");
        }
    }

    #[test]
    fn what_does_not_add_up_is_corrupt() {
        let mut short = empty();
        short.pop();
        assert_eq!(merge(&short, &mut no_registers()), Err(Corrupt));
        let mut long = empty();
        long.push(0);
        assert_eq!(merge(&long, &mut no_registers()), Err(Corrupt));
        let mut none = empty()[..HEADER].to_vec();
        assert_eq!(raise(&mut none, 7, 1, 3000), Err(Corrupt));
        assert_eq!(make_dense(&mut none), Err(Corrupt));
    }

    #[test]
    fn the_last_estimate_is_kept_until_something_changes() {
        let mut log = empty();
        assert_eq!(cached(&log), Some(0));
        forget_cached(&mut log);
        assert_eq!(cached(&log), None);
        set_cached(&mut log, 42);
        assert_eq!(cached(&log), Some(42));
    }
}
