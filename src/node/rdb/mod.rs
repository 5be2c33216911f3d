//! Values as Redis serialises them: the payloads of DUMP and RESTORE, in which stock servers and this node exchange keys.
//!
//! A payload is a type byte, the value in the form of an RDB file, two bytes of version and eight of CRC64, both little
//! endian. Written as Redis 7.0 does, byte for byte; read in every form that versions up to that one write strings.

pub mod crc64;
mod hash;
mod list;
pub mod lzf;
mod set;
mod stream;
pub mod string;
mod zset;

use std::borrow::Cow;

use super::{
    keyspace::Content,
    object::{self, Object},
};
use crc64::crc64;

/// RDB version of Redis 7.0: what is written, as far as it knows the types.
pub const VERSION: u16 = 10;
/// RDB version of Redis 7.4, of hashes with fields that expire.
const VERSION_OF_EXPIRING_FIELDS: u16 = 12;
/// RDB version of Redis 8.0: what is read, as far as the types are known.
pub const NEWEST: u16 = 12;
/// Version and checksum at the end of a payload.
const FOOTER: usize = 10;
const TYPE_STRING: u8 = 0;
const TYPE_LIST: u8 = 1;
const TYPE_SET: u8 = 2;
const TYPE_ZSET: u8 = 3;
const TYPE_HASH: u8 = 4;
const TYPE_ZSET_2: u8 = 5;
const TYPE_HASH_ZIPMAP: u8 = 9;
const TYPE_LIST_ZIPLIST: u8 = 10;
const TYPE_SET_INTSET: u8 = 11;
const TYPE_ZSET_ZIPLIST: u8 = 12;
const TYPE_HASH_ZIPLIST: u8 = 13;
const TYPE_LIST_QUICKLIST: u8 = 14;
const TYPE_STREAM: u8 = 15;
const TYPE_HASH_LISTPACK: u8 = 16;
const TYPE_ZSET_LISTPACK: u8 = 17;
const TYPE_LIST_QUICKLIST_2: u8 = 18;
const TYPE_STREAM_2: u8 = 19;
const TYPE_SET_LISTPACK: u8 = 20;
const TYPE_STREAM_3: u8 = 21;
const TYPE_HASH_METADATA: u8 = 24;
const TYPE_HASH_LISTPACK_EX: u8 = 25;
/// Stands in front of the source of a library of functions.
const FUNCTION: u8 = 245;

/// Why a payload cannot become a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    /// Made by a newer server, or damaged.
    #[error("ERR DUMP payload version or checksum are wrong")]
    Footer,
    /// The checksum is right but the content is not.
    #[error("ERR Bad data format")]
    Format,
    /// Something else than functions.
    #[error("ERR given type is not a function")]
    NoFunction,
    /// A function that cannot be read.
    #[error("ERR failed loading the given functions payload")]
    BrokenFunction,
    /// A type that this node does not have.
    #[error("ERR this node cannot RESTORE a {0}")]
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
    let mut version = VERSION;
    match content {
        Content::String(value) => {
            payload.push(TYPE_STRING);
            string::write(&mut payload, value);
        }
        Content::List(list) => {
            payload.push(TYPE_LIST_QUICKLIST_2);
            list::write(&mut payload, list);
        }
        Content::Hash(hash) => match hash.pack() {
            Some(pack) => {
                payload.push(TYPE_HASH_LISTPACK);
                string::write_bytes(&mut payload, pack.as_bytes());
            }
            None => match hash.next_deadline() {
                Some(first) => {
                    payload.push(TYPE_HASH_METADATA);
                    hash::write_expiring(&mut payload, hash, first);
                    version = VERSION_OF_EXPIRING_FIELDS;
                }
                None => {
                    payload.push(TYPE_HASH);
                    hash::write(&mut payload, hash);
                }
            },
        },
        Content::Set(set) => match set.integers() {
            Some(integers) => {
                payload.push(TYPE_SET_INTSET);
                string::write_bytes(&mut payload, &integers.to_bytes());
            }
            None => {
                payload.push(TYPE_SET);
                set::write(&mut payload, set);
            }
        },
        Content::SortedSet(set) => match set.pack() {
            Some(pack) => {
                payload.push(TYPE_ZSET_LISTPACK);
                string::write_bytes(&mut payload, pack.as_bytes());
            }
            None => {
                payload.push(TYPE_ZSET_2);
                zset::write(&mut payload, set);
            }
        },
        Content::Stream(stream) => {
            payload.push(TYPE_STREAM_2);
            stream::write(&mut payload, stream);
        }
    }
    sign(&mut payload, version);
    payload
}

/// The payload of FUNCTION DUMP, of the sources of libraries.
#[must_use]
pub fn dump_functions<'s>(sources: impl Iterator<Item = &'s [u8]>) -> Vec<u8> {
    let mut payload = Vec::new();
    for source in sources {
        payload.push(FUNCTION);
        string::write_bytes(&mut payload, source);
    }
    sign(&mut payload, VERSION);
    payload
}

/// The sources in the payload of FUNCTION RESTORE.
///
/// # Errors
/// The text of the reply.
pub fn restore_functions(payload: &[u8]) -> Result<Vec<Cow<'_, [u8]>>, PayloadError> {
    let (mut body, mut sources) = (signed(payload)?, Vec::new());
    while let Some((&kind, after)) = body.split_first() {
        if kind != FUNCTION {
            return Err(PayloadError::NoFunction);
        }
        let (source, rest) = string::read(after).ok_or(PayloadError::BrokenFunction)?;
        sources.push(source);
        body = rest;
    }
    Ok(sources)
}

fn sign(payload: &mut Vec<u8>, version: u16) {
    payload.extend_from_slice(&version.to_le_bytes());
    let checksum = crc64(payload);
    payload.extend_from_slice(&checksum.to_le_bytes());
}

/// What stands in front of version and checksum, if they are right.
fn signed(payload: &[u8]) -> Result<&[u8], PayloadError> {
    let body_len = payload.len().checked_sub(FOOTER).ok_or(PayloadError::Footer)?;
    let (signed, checksum) = payload.split_at(payload.len() - 8);
    let version = u16::from_le_bytes([payload[body_len], payload[body_len + 1]]);
    if version > NEWEST || crc64(signed).to_le_bytes() != checksum {
        return Err(PayloadError::Footer);
    }
    Ok(&payload[..body_len])
}

/// How long collections stay in their compact form.
#[derive(Clone, Copy, Debug, Default)]
pub struct Forms {
    /// Of hashes.
    pub hash: object::hash::Limits,
    /// Of sets.
    pub set: object::set::Limits,
    /// Of sorted sets.
    pub zset: object::zset::Limits,
}

/// The value in the payload of RESTORE.
///
/// # Errors
/// See [`PayloadError`].
pub fn restore(payload: &[u8], forms: Forms) -> Result<Restored<'_>, PayloadError> {
    let (&kind, body) = signed(payload)?.split_first().ok_or(PayloadError::Format)?;
    let object = match kind {
        TYPE_STRING => {
            let string = string::read(body).map(|(string, _)| Restored::String(string));
            return string.ok_or(PayloadError::Format);
        }
        TYPE_LIST => list::read_elements(body).map(|(list, _)| Object::List(list)),
        TYPE_LIST_ZIPLIST => list::read_ziplist(body).map(|(list, _)| Object::List(list)),
        TYPE_LIST_QUICKLIST => list::read_quicklist_of_ziplists(body).map(|(list, _)| Object::List(list)),
        TYPE_LIST_QUICKLIST_2 => list::read_quicklist(body).map(|(list, _)| Object::List(list)),
        TYPE_HASH => hash::read_fields(body, forms.hash).map(|(hash, _)| Object::Hash(hash)),
        TYPE_HASH_ZIPMAP => hash::read_zipmap(body, forms.hash).map(|(hash, _)| Object::Hash(hash)),
        TYPE_HASH_ZIPLIST => hash::read_ziplist(body, forms.hash).map(|(hash, _)| Object::Hash(hash)),
        TYPE_HASH_LISTPACK => hash::read_pack(body, forms.hash).map(|(hash, _)| Object::Hash(hash)),
        TYPE_HASH_METADATA => hash::read_expiring(body, forms.hash).map(|(hash, _)| Object::Hash(hash)),
        TYPE_HASH_LISTPACK_EX => {
            hash::read_expiring_pack(body, forms.hash).map(|(hash, _)| Object::Hash(hash))
        }
        TYPE_SET => set::read_members(body, forms.set).map(|(set, _)| Object::Set(set)),
        TYPE_SET_INTSET => set::read_integers(body, forms.set).map(|(set, _)| Object::Set(set)),
        TYPE_SET_LISTPACK => set::read_pack(body, forms.set).map(|(set, _)| Object::Set(set)),
        TYPE_ZSET => zset::read_text_scores(body, forms.zset).map(|(set, _)| Object::SortedSet(set)),
        TYPE_ZSET_2 => zset::read_members(body, forms.zset).map(|(set, _)| Object::SortedSet(set)),
        TYPE_ZSET_ZIPLIST => zset::read_ziplist(body, forms.zset).map(|(set, _)| Object::SortedSet(set)),
        TYPE_ZSET_LISTPACK => zset::read_pack(body, forms.zset).map(|(set, _)| Object::SortedSet(set)),
        TYPE_STREAM => {
            stream::read(body, stream::Form::First).map(|(stream, _)| Object::Stream(Box::new(stream)))
        }
        TYPE_STREAM_2 => {
            stream::read(body, stream::Form::Second).map(|(stream, _)| Object::Stream(Box::new(stream)))
        }
        TYPE_STREAM_3 => {
            stream::read(body, stream::Form::Third).map(|(stream, _)| Object::Stream(Box::new(stream)))
        }
        _ => return Err(type_name(kind).map_or(PayloadError::Format, PayloadError::Type)),
    };
    object.map(Restored::Object).ok_or(PayloadError::Format)
}

/// What the other type bytes stand for.
fn type_name(kind: u8) -> Option<&'static str> {
    Some(match kind {
        6 | 7 => "module value",
        22 | 23 => "hash whose fields expire, from before Redis 7.4",
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
        let mut payload = vec![7, 0];
        payload.extend_from_slice(&VERSION.to_le_bytes());
        payload.extend_from_slice(&crc64(&payload).to_le_bytes());
        assert_eq!(restore(&payload, Forms::default()), Err(PayloadError::Type("module value")));
    }

    proptest! {
        #[test]
        fn restores_what_it_dumped(bytes in prop::collection::vec(prop_oneof![Just(b'a'), any::<u8>()], 0..500)) {
            let payload = dump(Content::String(Value::of_string(&bytes)));
            prop_assert_eq!(restore(&payload, Forms::default()).unwrap(), Restored::String(Cow::Borrowed(&bytes)));
            for at in 0..payload.len() {
                let mut damaged = payload.clone();
                damaged[at] ^= 0x10;
                prop_assert_eq!(restore(&damaged, Forms::default()), Err(PayloadError::Footer));
            }
        }

        #[test]
        fn any_content_is_read_without_harm(kind in 0_u8..26, body: Vec<u8>) {
            let mut payload = vec![kind];
            payload.extend_from_slice(&body);
            payload.extend_from_slice(&VERSION.to_le_bytes());
            payload.extend_from_slice(&crc64(&payload).to_le_bytes());
            let _ = restore(&payload, Forms::default());
        }
    }
}
