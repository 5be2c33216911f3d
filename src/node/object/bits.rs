//! Bits of strings, the highest of each byte first.

/// Bits that are set.
#[must_use]
pub fn count(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let words: u64 = words.iter().map(|word| u64::from(u64::from_ne_bytes(*word).count_ones())).sum();
    words + rest.iter().map(|byte| u64::from(byte.count_ones())).sum::<u64>()
}

/// One bit; beyond the end all are 0.
#[must_use]
pub fn get(bytes: &[u8], at: u64) -> bool {
    let byte = usize::try_from(at / 8).ok().and_then(|at| bytes.get(at));
    byte.is_some_and(|byte| byte >> (7 - at % 8) & 1 == 1)
}

/// Sets or clears one bit of a string that has it.
pub fn set(bytes: &mut [u8], at: u64, on: bool) {
    let mask = 0x80 >> (at % 8);
    if let Some(byte) = usize::try_from(at / 8).ok().and_then(|at| bytes.get_mut(at)) {
        *byte = if on { *byte | mask } else { *byte & !mask };
    }
}

/// Bits that are set from one to another, that one included.
#[must_use]
pub fn count_between(bytes: &[u8], first: u64, last: u64) -> u64 {
    let (Ok(from), Ok(to)) = (usize::try_from(first / 8), usize::try_from(last / 8)) else { return 0 };
    let Some(part) = bytes.get(from..=to) else { return 0 };
    let outside = |byte: u8, mask: u8| u64::from((byte & mask).count_ones());
    let before = outside(part[0], !(0xFF >> (first % 8)));
    let behind = outside(part[part.len() - 1], 0x7F >> (last % 8));
    count(part) - before - behind
}

/// The first bit from one to another, that one included, that is set or clear.
#[must_use]
pub fn find(bytes: &[u8], on: bool, first: u64, last: u64) -> Option<u64> {
    let (from, to) = (usize::try_from(first / 8).ok()?, usize::try_from(last / 8).ok()?);
    let skipped = if on { 0x00 } else { 0xFF };
    let wanted = |byte: u8| if on { byte } else { !byte };
    let part = bytes.get(from..=to)?;
    // The first byte may begin in its middle.
    let head = wanted(part[0]) & 0xFF >> (first % 8);
    let at = if head != 0 {
        first - first % 8 + u64::from(head.leading_zeros())
    } else {
        let rest = &part[1..];
        let (words, tail) = rest.as_chunks::<8>();
        let equal = words.iter().take_while(|word| **word == [skipped; 8]).count() * 8;
        let more = rest[equal..].iter().take_while(|byte| **byte == skipped).count();
        let index = equal + more;
        debug_assert!(index <= rest.len() && tail.len() < 8);
        let byte = *rest.get(index)?;
        (from + 1 + index) as u64 * 8 + u64::from(wanted(byte).leading_zeros())
    };
    (at <= last).then_some(at)
}

/// An integer in the bits of a string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// With a sign.
    pub signed: bool,
    /// 1 to 64 bits, unsigned ones at most 63.
    pub width: u32,
}

/// What becomes of a number that does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overflow {
    /// Only the lowest bits are kept.
    Wrap,
    /// The nearest number that fits.
    Saturate,
    /// None is kept.
    Fail,
}

impl Field {
    /// The number at a place, as 64 bits; unsigned ones are below 2^63.
    #[must_use]
    pub fn read(self, bytes: &[u8], at: u64) -> i64 {
        let raw =
            (at..at + u64::from(self.width)).fold(0_u64, |raw, at| raw << 1 | u64::from(get(bytes, at)));
        self.interpreted(raw)
    }

    /// Puts the lowest bits of a number at a place of a string that has it.
    pub fn write(self, bytes: &mut [u8], at: u64, number: i64) {
        for bit in 0..self.width {
            set(bytes, at + u64::from(bit), number >> (self.width - 1 - bit) & 1 == 1);
        }
    }

    /// The lowest bits as a number.
    fn interpreted(self, raw: u64) -> i64 {
        let unused = 64 - self.width;
        let shifted = (raw << unused).cast_signed();
        if self.signed { shifted >> unused } else { (shifted.cast_unsigned() >> unused).cast_signed() }
    }

    /// A number as it is kept; `None`: it does not fit and nothing is.
    #[must_use]
    pub fn fitted(self, number: i128, overflow: Overflow) -> Option<i64> {
        let (min, max) = if self.signed {
            (-(1_i128 << (self.width - 1)), (1_i128 << (self.width - 1)) - 1)
        } else {
            (0, (1_i128 << self.width) - 1)
        };
        let kept = match overflow {
            _ if (min..=max).contains(&number) => number,
            Overflow::Wrap => {
                let low = u64::try_from(number & i128::from(u64::MAX)).unwrap_or_default();
                return Some(self.interpreted(low));
            }
            Overflow::Saturate => number.clamp(min, max),
            Overflow::Fail => return None,
        };
        i64::try_from(kept).ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn bits_one_by_one(bytes in prop::collection::vec(prop_oneof![Just(0_u8), Just(0xFF), any::<u8>()], 1..80), a in 0..640_u64, b in 0..640_u64, on: bool) {
            let end = bytes.len() as u64 * 8 - 1;
            let (first, last) = (a.min(b).min(end), a.max(b).min(end));
            let between: Vec<u64> = (first..=last).filter(|&at| get(&bytes, at)).collect();
            prop_assert_eq!(count_between(&bytes, first, last), between.len() as u64);
            let expected = (first..=last).find(|&at| get(&bytes, at) == on);
            prop_assert_eq!(find(&bytes, on, first, last), expected);
            let mut changed = bytes.clone();
            set(&mut changed, first, on);
            prop_assert_eq!(get(&changed, first), on);
            prop_assert_eq!(count(&changed) + u64::from(get(&bytes, first)), count(&bytes) + u64::from(on));
        }

        #[test]
        fn numbers_come_back(number: i64, width in 1..=64_u32, signed: bool, at in 0..100_u64) {
            let field = Field { signed, width: if signed { width } else { width.min(63) } };
            let kept = field.fitted(i128::from(number), Overflow::Wrap).unwrap();
            let mut bytes = vec![0x5A; 24];
            field.write(&mut bytes, at, kept);
            prop_assert_eq!(field.read(&bytes, at), kept);
            match field.fitted(i128::from(number), Overflow::Fail) {
                Some(same) => prop_assert!(same == number && kept == number),
                None => prop_assert!(field.fitted(i128::from(number), Overflow::Saturate).unwrap() != number),
            }
        }
    }
}
