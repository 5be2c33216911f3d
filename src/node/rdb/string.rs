//! Strings in RDB form: a length and bytes, a small integer, or compressed bytes.

use std::borrow::Cow;

use super::{
    super::keyspace::Value,
    lzf,
    sink::Sink,
    source::{Fault, Source},
};

const INT8: u8 = 0xC0;
const INT16: u8 = 0xC1;
const INT32: u8 = 0xC2;
pub(super) const LZF: u8 = 0xC3;
/// Longer decimals are not tried as integers.
const INTEGER_TEXT_MAX: usize = 11;
/// Shorter strings are not tried to be compressed.
const COMPRESS_MIN: usize = 21;

/// Appends a string.
pub(super) fn write(out: &mut impl Sink, value: Value<'_>) {
    match value {
        Value::Int(number) if write_integer(out, number) => {}
        Value::Int(number) => write_plain(out, itoa::Buffer::new().format(number).as_bytes()),
        Value::Shared(bytes) if bytes.len() >= COMPRESS_MIN => out.shared(bytes),
        Value::Shared(bytes) => write_bytes(out, bytes),
        Value::Bytes(bytes) => write_bytes(out, bytes),
    }
}

/// Appends a string in the shortest of its forms.
pub(super) fn write_bytes(out: &mut impl Sink, bytes: &[u8]) {
    if bytes.len() >= COMPRESS_MIN {
        return out.text(bytes);
    }
    let integer =
        if bytes.len() <= INTEGER_TEXT_MAX { crate::protocol::number::parse_i64(bytes) } else { None };
    if !integer.is_some_and(|number| write_integer(out, number)) {
        write_plain(out, bytes);
    }
}

/// Appends a string as it is.
pub(super) fn write_plain(out: &mut impl Sink, bytes: &[u8]) {
    write_length(out, bytes.len());
    out.raw(bytes);
}

/// Appends a string of `len` bytes that was compressed.
pub(super) fn write_compressed(out: &mut impl Sink, compressed: &[u8], len: usize) {
    out.raw(&[LZF]);
    write_length(out, compressed.len());
    write_length(out, len);
    out.raw(compressed);
}

fn write_integer(out: &mut impl Sink, number: i64) -> bool {
    if let Ok(small) = i8::try_from(number) {
        out.raw(&[INT8, small.cast_unsigned()]);
    } else if let Ok(small) = i16::try_from(number) {
        let [a, b] = small.to_le_bytes();
        out.raw(&[INT16, a, b]);
    } else if let Ok(small) = i32::try_from(number) {
        let [a, b, c, d] = small.to_le_bytes();
        out.raw(&[INT32, a, b, c, d]);
    } else {
        return false;
    }
    true
}

/// A length in 6, 14, 32 or 64 bits, big endian.
pub(super) fn write_length(out: &mut impl Sink, length: usize) {
    match u16::try_from(length) {
        Ok(length @ 0..=0x3F) => out.raw(&[(length & 0x3F) as u8]),
        Ok(length @ 0x40..=0x3FFF) => out.raw(&(0x4000 | length).to_be_bytes()),
        _ => match u32::try_from(length) {
            Ok(length) => {
                let [a, b, c, d] = length.to_be_bytes();
                out.raw(&[0x80, a, b, c, d]);
            }
            Err(_) => {
                out.raw(&[0x81]);
                out.raw(&(length as u64).to_be_bytes());
            }
        },
    }
}

/// What a length's first byte announces.
enum Announced {
    Length(usize),
    /// A string that is none of so many bytes; the first byte again.
    Special(u8),
}

fn announced<S: Source + ?Sized>(source: &mut S) -> Result<Announced, Fault> {
    let first = source.byte()?;
    let length = match (first >> 6, first) {
        (0, _) => usize::from(first),
        (1, _) => usize::from(first & 0x3F) << 8 | usize::from(source.byte()?),
        (2, 0x80) => u32::from_be_bytes(source.array()?) as usize,
        (2, 0x81) => usize::try_from(u64::from_be_bytes(source.array()?))
            .map_err(|_| Fault::Bad("a length that no machine of this kind can have"))?,
        (2, _) => return Err(Fault::Bad("a length of an unknown form")),
        _ => return Ok(Announced::Special(first)),
    };
    Ok(Announced::Length(length))
}

pub(super) fn read_length<S: Source + ?Sized>(source: &mut S) -> Result<usize, Fault> {
    match announced(source)? {
        Announced::Length(length) => Ok(length),
        Announced::Special(_) => Err(Fault::Bad("a string where a number should be")),
    }
}

/// The string that comes next.
pub(super) fn read<S: Source + ?Sized>(source: &mut S) -> Result<Cow<'_, [u8]>, Fault> {
    let number = match announced(source)? {
        Announced::Length(len) => return source.take(len).map(Cow::Borrowed),
        Announced::Special(INT8) => i64::from(i8::from_le_bytes(source.array()?)),
        Announced::Special(INT16) => i64::from(i16::from_le_bytes(source.array()?)),
        Announced::Special(INT32) => i64::from(i32::from_le_bytes(source.array()?)),
        Announced::Special(LZF) => {
            let (compressed, len) = (source.length()?, source.length()?);
            let string = lzf::decompress(source.take(compressed)?, len);
            return string.map(Cow::Owned).ok_or(Fault::Bad("a string whose compressed bytes are damaged"));
        }
        Announced::Special(_) => return Err(Fault::Bad("a string of an unknown form")),
    };
    Ok(Cow::Owned(itoa::Buffer::new().format(number).as_bytes().to_vec()))
}
