//! Values as Redis serialises them: the payloads of DUMP and RESTORE, in which stock servers and this node exchange keys.
//!
//! A payload is a type byte, the value in the form of an RDB file, two bytes of version and eight of CRC64, both little
//! endian. Written as Redis 7.0 does, byte for byte; read in every form that versions up to that one write strings.

pub mod crc64;
mod list;
pub mod lzf;
pub mod string;

use std::borrow::Cow;

use super::{keyspace::Content, object::Object};
use crc64::crc64;

/// RDB version of Redis 7.0.
pub const VERSION: u16 = 10;
/// Version and checksum at the end of a payload.
const FOOTER: usize = 10;
const TYPE_STRING: u8 = 0;
const TYPE_LIST: u8 = 1;
const TYPE_LIST_ZIPLIST: u8 = 10;
const TYPE_LIST_QUICKLIST: u8 = 14;
const TYPE_LIST_QUICKLIST_2: u8 = 18;

/// Why a payload cannot become a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    /// Made by a newer server, or damaged.
    #[error("ERR DUMP payload version or checksum are wrong")]
    Footer,
    /// The checksum is right but the content is not.
    #[error("ERR Bad data format")]
    Format,
    /// A type that this node does not have.
    #[error("ERR this node cannot RESTORE a {0}: it has strings and lists only")]
    Type(&'static str),
}

/// What a payload becomes.
#[derive(Debug, PartialEq)]
pub enum Restored<'a> {
    /// A string.
    String(Cow<'a, [u8]>),
    /// Anything else.
    Object(Object),
}

/// The payload of DUMP.
#[must_use]
pub fn dump(content: Content<'_>) -> Vec<u8> {
    let mut payload = Vec::new();
    match content {
        Content::String(value) => {
            payload.push(TYPE_STRING);
            string::write(&mut payload, value);
        }
        Content::List(list) => {
            payload.push(TYPE_LIST_QUICKLIST_2);
            list::write(&mut payload, list);
        }
    }
    payload.extend_from_slice(&VERSION.to_le_bytes());
    let checksum = crc64(&payload);
    payload.extend_from_slice(&checksum.to_le_bytes());
    payload
}

/// The value in the payload of RESTORE.
///
/// # Errors
/// See [`PayloadError`].
pub fn restore(payload: &[u8]) -> Result<Restored<'_>, PayloadError> {
    let body_len = payload.len().checked_sub(FOOTER).ok_or(PayloadError::Footer)?;
    let (signed, checksum) = payload.split_at(payload.len() - 8);
    let version = u16::from_le_bytes([payload[body_len], payload[body_len + 1]]);
    if version > VERSION || crc64(signed).to_le_bytes() != checksum {
        return Err(PayloadError::Footer);
    }
    let (&kind, body) = payload[..body_len].split_first().ok_or(PayloadError::Format)?;
    let list = match kind {
        TYPE_STRING => {
            let string = string::read(body).map(|(string, _)| Restored::String(string));
            return string.ok_or(PayloadError::Format);
        }
        TYPE_LIST => list::read_elements(body),
        TYPE_LIST_ZIPLIST => list::read_ziplist(body),
        TYPE_LIST_QUICKLIST => list::read_quicklist_of_ziplists(body),
        TYPE_LIST_QUICKLIST_2 => list::read_quicklist(body),
        _ => return Err(type_name(kind).map_or(PayloadError::Format, PayloadError::Type)),
    };
    list.map(|(list, _)| Restored::Object(Object::List(list))).ok_or(PayloadError::Format)
}

/// What the other type bytes stand for.
fn type_name(kind: u8) -> Option<&'static str> {
    Some(match kind {
        2 | 11 => "set",
        3 | 5 | 12 | 17 => "sorted set",
        4 | 9 | 13 | 16 => "hash",
        6 | 7 => "module value",
        15 | 19 => "stream",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::keyspace::Value;
    use proptest::prelude::*;

    /// Payloads that redis-server 7.0.15 gave.
    #[test]
    fn payloads_of_redis() {
        for (value, payload) in [
            (Value::Int(5), "\\x00\\xc0\\x05\\x0a\\x00"),
            (Value::Int(-1), "\\x00\\xc0\\xff\\x0a\\x00"),
            (Value::Int(300), "\\x00\\xc1\\x2c\\x01\\x0a\\x00"),
            (Value::Int(100_000), "\\x00\\xc2\\xa0\\x86\\x01\\x00\\x0a\\x00"),
            (Value::Int(5_000_000_000), "\\x00\\x0a5000000000\\x0a\\x00"),
            (Value::Bytes(b"hello"), "\\x00\\x05hello\\x0a\\x00"),
            (Value::Bytes(&[b'a'; 40]), "\\x00\\xc3\\x09\\x28\\x01aa\\xe0\\x1b\\x00\\x01aa\\x0a\\x00"),
        ] {
            let dumped = dump(Content::String(value));
            let mut expected = Vec::new();
            let mut rest = payload.as_bytes();
            while let Some((&byte, after)) = rest.split_first() {
                if byte == b'\\' {
                    expected
                        .push(u8::from_str_radix(std::str::from_utf8(&after[1..3]).unwrap(), 16).unwrap());
                    rest = &after[3..];
                } else {
                    expected.push(byte);
                    rest = after;
                }
            }
            assert_eq!(
                dumped[..dumped.len() - 8].escape_ascii().to_string(),
                expected.escape_ascii().to_string()
            );
        }
    }

    #[test]
    fn other_types_are_named() {
        let mut payload = vec![13, 0];
        payload.extend_from_slice(&VERSION.to_le_bytes());
        payload.extend_from_slice(&crc64(&payload).to_le_bytes());
        assert_eq!(restore(&payload), Err(PayloadError::Type("hash")));
    }

    proptest! {
        #[test]
        fn restores_what_it_dumped(bytes in prop::collection::vec(prop_oneof![Just(b'a'), any::<u8>()], 0..500)) {
            let payload = dump(Content::String(Value::of_string(&bytes)));
            prop_assert_eq!(restore(&payload).unwrap(), Restored::String(Cow::Borrowed(&bytes)));
            for at in 0..payload.len() {
                let mut damaged = payload.clone();
                damaged[at] ^= 0x10;
                prop_assert_eq!(restore(&damaged), Err(PayloadError::Footer));
            }
        }

        #[test]
        fn any_content_is_read_without_harm(kind in 0_u8..20, body: Vec<u8>) {
            let mut payload = vec![kind];
            payload.extend_from_slice(&body);
            payload.extend_from_slice(&VERSION.to_le_bytes());
            payload.extend_from_slice(&crc64(&payload).to_le_bytes());
            let _ = restore(&payload);
        }
    }
}
