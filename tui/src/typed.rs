//! Typed text that may be any bytes.
//!
//! Whoever edits lines edits characters. A byte that is no part of one travels as a character of its own, a *stand-in*
//! from the private use of plane 16, and becomes that byte again when the line is run. So do the bytes of characters
//! that would steer the terminal they are shown on, and those of the stand-ins themselves: every line comes back as it
//! was typed.

use std::borrow::Cow;

use crate::format::harmless;

/// The stand-in of byte `0x80`; that of `0xff` is the last.
const FIRST: char = '\u{10f780}';

/// The byte that a character stands for, if it is a stand-in.
#[must_use]
pub fn byte_of(character: char) -> Option<u8> {
    u32::from(character).checked_sub(u32::from(FIRST) - 0x80).and_then(|byte| match u8::try_from(byte) {
        Ok(byte @ 0x80..) => Some(byte),
        _ => None,
    })
}

fn stand_in(byte: u8) -> char {
    char::from_u32(u32::from(FIRST) - 0x80 + u32::from(byte)).unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// The bytes of a line.
#[must_use]
pub fn bytes(line: &str) -> Cow<'_, [u8]> {
    if !line.chars().any(|character| byte_of(character).is_some()) {
        return line.as_bytes().into();
    }
    let mut bytes = Vec::with_capacity(line.len());
    for character in line.chars() {
        match byte_of(character) {
            Some(byte) => bytes.push(byte),
            None => bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    bytes.into()
}

/// The line with a sign of the same width in place of each stand-in.
#[must_use]
pub fn shown(line: &str) -> Cow<'_, str> {
    if !line.chars().any(|character| byte_of(character).is_some()) {
        return line.into();
    }
    line.chars().map(|c| if byte_of(c).is_some() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// Makes characters of what a terminal sends.
#[derive(Debug, Default)]
pub struct Decoder {
    /// The beginning of a character.
    partial: Vec<u8>,
}

impl Decoder {
    /// Appends what these bytes say, as UTF-8.
    pub fn push(&mut self, typed: &[u8], out: &mut Vec<u8>) {
        let pending = std::mem::take(&mut self.partial);
        let all = if pending.is_empty() { Cow::Borrowed(typed) } else { [&pending, typed].concat().into() };
        let mut chunks = all.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            for character in chunk.valid().chars() {
                let mut buffer = [0; 4];
                let encoded = character.encode_utf8(&mut buffer).as_bytes();
                // Control characters of ASCII are keys.
                let is_text =
                    character.is_ascii() || !harmless::steers(character) && byte_of(character).is_none();
                if is_text { out.extend_from_slice(encoded) } else { stand_in_for(encoded, out) }
            }
            if chunks.peek().is_none() && is_beginning(chunk.invalid()) {
                self.partial = chunk.invalid().to_vec();
            } else {
                stand_in_for(chunk.invalid(), out);
            }
        }
    }

    /// More bytes may make a character of the last ones.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        !self.partial.is_empty()
    }

    /// No more came: what there is of a character are bytes.
    pub fn flush(&mut self, out: &mut Vec<u8>) {
        stand_in_for(&std::mem::take(&mut self.partial), out);
    }
}

fn is_beginning(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_err_and(|error| error.error_len().is_none())
}

fn stand_in_for(bytes: &[u8], out: &mut Vec<u8>) {
    for &byte in bytes {
        out.extend_from_slice(stand_in(byte).encode_utf8(&mut [0; 4]).as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decoded(pieces: &[&[u8]]) -> String {
        let (mut decoder, mut out) = (Decoder::default(), Vec::new());
        for piece in pieces {
            decoder.push(piece, &mut out);
        }
        decoder.flush(&mut out);
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn characters_stay_and_bytes_get_stand_ins() {
        assert_eq!(decoded(&["é名\r\x1b[A".as_bytes()]), "é名\r\x1b[A");
        assert_eq!(decoded(&[b"\xc3", b"\xa9"]), "é");
        let line = decoded(&[b"caf\xe9 x\r"]);
        assert_eq!((line.chars().count(), shown(&line).as_ref()), (7, "caf\u{fffd} x\r"));
        assert_eq!(*bytes(&line), *b"caf\xe9 x\r");
    }

    #[test]
    fn what_steers_is_bytes_too() {
        for steers in ["\u{9b}2J", "\u{202e}x", "\u{10f7e9}"] {
            let line = decoded(&[steers.as_bytes()]);
            assert!(!line.contains(steers), "{line:?}");
            assert_eq!(*bytes(&line), *steers.as_bytes());
        }
    }

    proptest! {
        #[test]
        fn every_line_comes_back(pieces: Vec<Vec<u8>>) {
            let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
            let line = decoded(&pieces);
            prop_assert_eq!(bytes(&line).into_owned(), pieces.concat());
            prop_assert!(!shown(&line).chars().any(|c| byte_of(c).is_some()));
        }
    }
}
