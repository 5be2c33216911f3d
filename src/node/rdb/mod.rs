//! Values as Redis serialises them: the payloads of DUMP and RESTORE, in which stock servers and this node exchange keys.
//!
//! A payload is a type byte, the value in the form of an RDB file, two bytes of version and eight of CRC64, both little
//! endian. Written as Redis 7.0 does, byte for byte; read in every form that versions from 2.8 to 7.4 write.
//!
//! [`value`] knows the forms of values, one module for each type, over a [`source`] and a [`sink`]; [`mod@file`] is what whole files
//! consist of. No I/O here but that of the readers and writers that a file is given, and no clock.

pub mod crc64;
pub mod file;
mod hash;
mod list;
pub mod lzf;
mod set;
mod sink;
mod source;
mod stream;
mod string;
mod value;
mod zset;

pub use sink::Draft;
pub use source::Fault;
pub use value::{Forms, Restored};

use std::borrow::Cow;

use super::keyspace::Content;
use crc64::crc64;
use sink::Payload;
use source::Source as _;
use value::Unreadable;

/// RDB version of Redis 7.0: what is written, as far as it knows the types.
pub const VERSION: u16 = 10;
/// RDB version of Redis 7.2, of sets in listpacks and of consumers that were active.
const VERSION_OF_LISTPACK_SETS: u16 = 11;
/// RDB version of Redis 7.4, of hashes with fields that expire.
const VERSION_OF_EXPIRING_FIELDS: u16 = 12;
/// RDB version of Redis 8.0: what is read, as far as the types are known.
pub const NEWEST: u16 = 12;
/// Version and checksum at the end of a payload.
const FOOTER: usize = 10;
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

impl From<Unreadable> for PayloadError {
    fn from(unreadable: Unreadable) -> Self {
        match unreadable {
            Unreadable::Type(name) => Self::Type(name),
            Unreadable::Unknown(_) | Unreadable::Fault(_) => Self::Format,
        }
    }
}

/// The payload of DUMP.
#[must_use]
pub fn dump(content: Content<'_>) -> Vec<u8> {
    let mut payload = Payload::default();
    payload.bytes.push(value::kind(content));
    value::write(&mut payload, content);
    let mut bytes = payload.bytes;
    sign(&mut bytes, value::version(content));
    bytes
}

/// The same with `rdbcompression no`.
#[must_use]
pub fn dump_uncompressed(content: Content<'_>) -> Vec<u8> {
    let mut bytes = vec![value::kind(content)];
    value::write(&mut bytes, content);
    sign(&mut bytes, value::version(content));
    bytes
}

/// The payload of FUNCTION DUMP, of the sources of libraries.
#[must_use]
pub fn dump_functions<'s>(sources: impl Iterator<Item = &'s [u8]>) -> Vec<u8> {
    let mut payload = Payload::default();
    for source in sources {
        payload.bytes.push(FUNCTION);
        string::write_bytes(&mut payload, source);
    }
    let mut bytes = payload.bytes;
    sign(&mut bytes, VERSION);
    bytes
}

/// The sources in the payload of FUNCTION RESTORE.
///
/// # Errors
/// The text of the reply.
pub fn restore_functions(payload: &[u8]) -> Result<Vec<Cow<'_, [u8]>>, PayloadError> {
    let (mut body, mut sources) = (signed(payload)?, Vec::new());
    while let Ok(kind) = body.byte() {
        if kind != FUNCTION {
            return Err(PayloadError::NoFunction);
        }
        sources.push(Cow::Owned(body.string().map_err(|_| PayloadError::BrokenFunction)?.into_owned()));
    }
    Ok(sources)
}

/// A value as a server serialised it: a file takes it as it is, unread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dumped<'p> {
    kind: u8,
    value: &'p [u8],
}

impl<'p> Dumped<'p> {
    /// What is in a payload of DUMP whose version and checksum are right.
    ///
    /// # Errors
    /// See [`PayloadError`]; also for what only a server with a certain module reads.
    pub fn of(payload: &'p [u8]) -> Result<Self, PayloadError> {
        let (&kind, value) = signed(payload)?.split_first().ok_or(PayloadError::Format)?;
        value::ensure_known(kind).map_err(PayloadError::from)?;
        Ok(Self { kind, value })
    }

    /// The first version of RDB that has this form of a value, at least that of Redis 7.0.
    #[must_use]
    pub fn version(&self) -> u16 {
        value::version_of_kind(self.kind)
    }
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

/// The value in the payload of RESTORE.
///
/// # Errors
/// See [`PayloadError`].
pub fn restore(payload: &[u8], forms: Forms) -> Result<Restored<'static>, PayloadError> {
    let (&kind, mut body) = signed(payload)?.split_first().ok_or(PayloadError::Format)?;
    if kind == value::TYPE_STRING {
        let string = body.string().map_err(|_| PayloadError::Format)?;
        return Ok(Restored::String(Cow::Owned(string.into_owned())));
    }
    value::read_object(kind, &mut body, forms).map(Restored::Object).map_err(PayloadError::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::keyspace::Value;
    use proptest::prelude::*;
    use std::borrow::Cow;

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
