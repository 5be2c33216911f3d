//! Strings in RDB form: a length and bytes, a small integer, or compressed bytes.

use std::borrow::Cow;

use super::{super::keyspace::Value, lzf};

const INT8: u8 = 0xC0;
const INT16: u8 = 0xC1;
const INT32: u8 = 0xC2;
const LZF: u8 = 0xC3;
/// Longer decimals are not tried as integers.
const INTEGER_TEXT_MAX: usize = 11;
/// Shorter strings are not tried to be compressed.
const COMPRESS_MIN: usize = 21;

/// Appends a string.
pub fn write(out: &mut Vec<u8>, value: Value<'_>) {
    match value {
        Value::Int(number) if write_integer(out, number) => {}
        Value::Int(number) => write_plain(out, itoa::Buffer::new().format(number).as_bytes()),
        Value::Shared(bytes) => write_bytes(out, bytes),
        Value::Bytes(bytes) => write_bytes(out, bytes),
    }
}

/// Appends a string in the shortest of its forms.
pub fn write_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    let integer =
        if bytes.len() <= INTEGER_TEXT_MAX { crate::protocol::number::parse_i64(bytes) } else { None };
    if integer.is_some_and(|number| write_integer(out, number)) || write_compressed(out, bytes) {
        return;
    }
    write_plain(out, bytes);
}

fn write_plain(out: &mut Vec<u8>, bytes: &[u8]) {
    write_length(out, bytes.len());
    out.extend_from_slice(bytes);
}

fn write_integer(out: &mut Vec<u8>, number: i64) -> bool {
    if let Ok(small) = i8::try_from(number) {
        out.push(INT8);
        out.extend_from_slice(&small.to_le_bytes());
    } else if let Ok(small) = i16::try_from(number) {
        out.push(INT16);
        out.extend_from_slice(&small.to_le_bytes());
    } else if let Ok(small) = i32::try_from(number) {
        out.push(INT32);
        out.extend_from_slice(&small.to_le_bytes());
    } else {
        return false;
    }
    true
}

fn write_compressed(out: &mut Vec<u8>, bytes: &[u8]) -> bool {
    if bytes.len() < COMPRESS_MIN {
        return false;
    }
    let Some(compressed) = lzf::compress(bytes, bytes.len() - 4) else { return false };
    out.push(LZF);
    write_length(out, compressed.len());
    write_length(out, bytes.len());
    out.extend_from_slice(&compressed);
    true
}

/// A length in 6, 14, 32 or 64 bits, big endian.
pub(super) fn write_length(out: &mut Vec<u8>, length: usize) {
    match u16::try_from(length) {
        Ok(length @ 0..=0x3F) => out.push((length & 0x3F) as u8),
        Ok(length @ 0x40..=0x3FFF) => out.extend_from_slice(&(0x4000 | length).to_be_bytes()),
        _ => match u32::try_from(length) {
            Ok(length) => {
                out.push(0x80);
                out.extend_from_slice(&length.to_be_bytes());
            }
            Err(_) => {
                out.push(0x81);
                out.extend_from_slice(&(length as u64).to_be_bytes());
            }
        },
    }
}

pub(super) fn read_length(input: &[u8]) -> Option<(usize, &[u8])> {
    let (&first, rest) = input.split_first()?;
    Some(match (first >> 6, first) {
        (0, _) => (usize::from(first), rest),
        (1, _) => {
            let (&low, rest) = rest.split_first()?;
            (usize::from(first & 0x3F) << 8 | usize::from(low), rest)
        }
        (2, 0x80) => {
            let (length, rest) = rest.split_first_chunk()?;
            (u32::from_be_bytes(*length) as usize, rest)
        }
        (2, 0x81) => {
            let (length, rest) = rest.split_first_chunk()?;
            (usize::try_from(u64::from_be_bytes(*length)).ok()?, rest)
        }
        _ => return None,
    })
}

/// The string at the beginning of `input`, and what follows it.
#[must_use]
pub fn read(input: &[u8]) -> Option<(Cow<'_, [u8]>, &[u8])> {
    let integer = |number: i64, rest| Some((Cow::Owned(number.to_string().into_bytes()), rest));
    match input {
        [INT8, byte, rest @ ..] => integer(i64::from(*byte as i8), rest),
        [INT16, a, b, rest @ ..] => integer(i64::from(i16::from_le_bytes([*a, *b])), rest),
        [INT32, a, b, c, d, rest @ ..] => integer(i64::from(i32::from_le_bytes([*a, *b, *c, *d])), rest),
        [LZF, rest @ ..] => {
            let (compressed_len, rest) = read_length(rest)?;
            let (len, rest) = read_length(rest)?;
            let (compressed, rest) = rest.split_at_checked(compressed_len)?;
            Some((Cow::Owned(lzf::decompress(compressed, len)?), rest))
        }
        _ => {
            let (len, rest) = read_length(input)?;
            let (bytes, rest) = rest.split_at_checked(len)?;
            Some((Cow::Borrowed(bytes), rest))
        }
    }
}
