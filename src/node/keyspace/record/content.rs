//! What a record can hold, as commands see it and as it lies in the block.

use bytes::Bytes;

use super::{
    LARGE,
    shape::{INT, SMALL, SMALL_HASH, SMALL_INTEGERS, SMALL_LIST, SMALL_SET, SMALL_SORTED_SET},
};
use crate::node::object::{
    HashRef, ListRef, Object, SetRef, Small, SortedSetRef, Stream, listpack::Pack, set::Integers,
};

/// A string as commands see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// A string that is the canonical decimal of this number, kept as the number.
    Int(i64),
    /// Any other string.
    Bytes(&'a [u8]),
    /// A large one, in memory that others may keep too.
    Shared(&'a Bytes),
}

/// A value of any type.
#[derive(Clone, Copy, Debug)]
pub enum Content<'a> {
    /// A string.
    String(Value<'a>),
    /// A list.
    List(ListRef<'a>),
    /// A hash.
    Hash(HashRef<'a>),
    /// A set.
    Set(SetRef<'a>),
    /// A sorted set.
    SortedSet(SortedSetRef<'a>),
    /// A stream.
    Stream(&'a Stream),
}

impl<'a> Value<'a> {
    /// A string in the form it is kept in: a number if Redis would keep it as one.
    #[must_use]
    pub fn of_string(bytes: &'a [u8]) -> Self {
        // 20 digits and sign at most; most values are told from numbers by their length or first byte.
        match bytes {
            [b'-' | b'0'..=b'9', ..] if bytes.len() <= 20 => {
                crate::protocol::number::parse_i64(bytes).map_or(Self::Bytes(bytes), Self::Int)
            }
            _ => Self::Bytes(bytes),
        }
    }

    /// The object that a large string becomes.
    pub(super) fn large(self) -> Option<Object> {
        match self {
            Self::Bytes(bytes) if bytes.len() >= LARGE => Some(Object::String(Bytes::copy_from_slice(bytes))),
            Self::Shared(bytes) if bytes.len() >= LARGE => Some(Object::String(bytes.clone())),
            Self::Int(_) | Self::Bytes(_) | Self::Shared(_) => None,
        }
    }

    /// What goes into the block of a record.
    pub(super) fn stored(&self) -> Stored<'_> {
        match self {
            Self::Int(number) => Stored { flags: INT, bytes: StoredBytes::Word(number.to_ne_bytes()) },
            Self::Bytes(bytes) => Stored { flags: 0, bytes: StoredBytes::Slice(bytes) },
            Self::Shared(bytes) => Stored { flags: 0, bytes: StoredBytes::Slice(bytes) },
        }
    }
}

/// The bytes of a value in a block, and the flags that say what they are.
pub(super) struct Stored<'a> {
    pub(super) flags: u8,
    pub(super) bytes: StoredBytes<'a>,
}

pub(super) enum StoredBytes<'a> {
    Word([u8; 8]),
    Slice(&'a [u8]),
}

impl<'a> Stored<'a> {
    pub(super) fn small(small: Small<'a>) -> Self {
        let flags = match small {
            Small::List(_) => SMALL_LIST,
            Small::Hash(_) => SMALL_HASH,
            Small::Set(_) => SMALL_SET,
            Small::Integers(_) => SMALL_INTEGERS,
            Small::SortedSet(_) => SMALL_SORTED_SET,
        };
        Self { flags, bytes: StoredBytes::Slice(small.as_bytes()) }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        match &self.bytes {
            StoredBytes::Word(word) => word,
            StoredBytes::Slice(slice) => slice,
        }
    }
}

/// The collection that these bytes of a block are; `None` if the flags are those of something else.
pub(super) fn small(flags: u8, bytes: &[u8]) -> Option<Small<'_>> {
    Some(match flags & SMALL {
        SMALL_LIST => Small::List(Pack::of_bytes(bytes)),
        SMALL_HASH => Small::Hash(Pack::of_bytes(bytes)),
        SMALL_SET => Small::Set(Pack::of_bytes(bytes)),
        SMALL_INTEGERS => Small::Integers(Integers::of_bytes(bytes)),
        SMALL_SORTED_SET => Small::SortedSet(Pack::of_bytes(bytes)),
        _ => return None,
    })
}

impl<'a> From<Small<'a>> for Content<'a> {
    fn from(small: Small<'a>) -> Self {
        match small {
            Small::List(pack) => Self::List(pack.into()),
            Small::Hash(pack) => Self::Hash(pack.into()),
            Small::Set(pack) => Self::Set(pack.into()),
            Small::Integers(integers) => Self::Set(integers.into()),
            Small::SortedSet(pack) => Self::SortedSet(pack.into()),
        }
    }
}

impl<'a> From<&'a Object> for Content<'a> {
    fn from(object: &'a Object) -> Self {
        match object {
            Object::String(bytes) => Self::String(Value::Shared(bytes)),
            Object::List(list) => Self::List(list.view()),
            Object::Hash(hash) => Self::Hash(hash.view()),
            Object::Set(set) => Self::Set(set.view()),
            Object::SortedSet(set) => Self::SortedSet(set.view()),
            Object::Stream(stream) => Self::Stream(stream),
        }
    }
}
