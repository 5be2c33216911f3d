//! Values in the forms of RDB: which type byte means which form, and what this node writes.

use std::borrow::Cow;

use super::{
    VERSION, VERSION_OF_EXPIRING_FIELDS, VERSION_OF_LISTPACK_SETS, hash, list, set,
    sink::Sink,
    source::{Fault, Source},
    stream::{self, Form},
    string, zset,
};
use crate::node::{
    keyspace::Content,
    object::{self, Object, Shown},
};

pub(super) const TYPE_STRING: u8 = 0;
const TYPE_LIST: u8 = 1;
const TYPE_SET: u8 = 2;
const TYPE_ZSET: u8 = 3;
const TYPE_HASH: u8 = 4;
const TYPE_ZSET_2: u8 = 5;
/// Values of modules, in an older and a newer form.
pub(super) const MODULES: [u8; 2] = [6, 7];
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
/// No type byte is greater.
pub(super) const LAST: u8 = TYPE_HASH_LISTPACK_EX;
/// What is read.
#[derive(Debug, PartialEq)]
pub enum Restored<'a> {
    /// A string.
    String(Cow<'a, [u8]>),
    /// Anything else.
    Object(Object),
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

/// The type byte of what [`write()`] writes.
pub(super) fn kind(content: Content<'_>) -> u8 {
    match content {
        Content::String(_) => TYPE_STRING,
        Content::List(_) => TYPE_LIST_QUICKLIST_2,
        Content::Hash(hash) if hash.pack().is_some() => TYPE_HASH_LISTPACK,
        Content::Hash(hash) if hash.next_deadline().is_some() => TYPE_HASH_METADATA,
        Content::Hash(_) => TYPE_HASH,
        Content::Set(set) if set.integers().is_some() => TYPE_SET_INTSET,
        Content::Set(_) => TYPE_SET,
        Content::SortedSet(set) if set.pack().is_some() => TYPE_ZSET_LISTPACK,
        Content::SortedSet(_) => TYPE_ZSET_2,
        Content::Stream(_) => TYPE_STREAM_2,
    }
}

/// The version of RDB that knows this value.
pub(super) fn version(content: Content<'_>) -> u16 {
    if kind(content) == TYPE_HASH_METADATA { VERSION_OF_EXPIRING_FIELDS } else { VERSION }
}

/// Appends a value, without its type byte.
pub(super) fn write(out: &mut impl Sink, content: Content<'_>) {
    match content {
        Content::String(value) => string::write(out, value),
        Content::List(list) => list::write(out, list),
        Content::Hash(hash) => match (hash.pack(), hash.next_deadline()) {
            (Some(pack), _) => string::write_bytes(out, pack.as_bytes()),
            (None, Some(first)) => hash::write_expiring(out, hash, first),
            (None, None) => hash::write(out, hash),
        },
        Content::Set(set) => match set.integers() {
            Some(integers) => string::write_bytes(out, integers.as_bytes()),
            None => set::write(out, set),
        },
        Content::SortedSet(set) => match set.pack() {
            Some(pack) => string::write_bytes(out, pack.as_bytes()),
            None => zset::write(out, set),
        },
        Content::Stream(stream) => stream::write(out, stream),
    }
}

/// Appends how many elements a collection has that is written one by one.
pub(super) fn write_count(out: &mut impl Sink, content: Content<'_>) {
    let count = match content {
        Content::Hash(hash) => hash.len(),
        Content::Set(set) => set.len(),
        Content::SortedSet(set) => set.len(),
        Content::String(_) | Content::List(_) | Content::Stream(_) => 0,
    };
    string::write_length(out, count);
}

/// Appends an element of such a collection.
pub(super) fn write_shown(out: &mut impl Sink, shown: Shown<'_>) {
    match shown {
        Shown::Field(field, value) => {
            string::write_bytes(out, field);
            string::write_bytes(out, value);
        }
        Shown::Member(member) => string::write_bytes(out, member),
        Shown::Scored(member, score) => {
            string::write_bytes(out, member);
            out.raw(&score.to_le_bytes());
        }
    }
}

/// Why a value cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// This node does not have the type.
    Type(&'static str),
    /// Nobody knows the type.
    Unknown(u8),
    Fault(Fault),
}

impl From<Fault> for Unreadable {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// Whether a value of this type can be read, before it is.
pub(super) fn ensure_known(kind: u8) -> Result<(), Unreadable> {
    match kind {
        _ if MODULES.contains(&kind) => Err(Unreadable::Type("module value")),
        22 | 23 => Err(Unreadable::Type("hash whose fields expire, from before Redis 7.4")),
        8 => Err(Unreadable::Unknown(kind)),
        0..=LAST => Ok(()),
        _ => Err(Unreadable::Unknown(kind)),
    }
}

/// The version of RDB in which a type byte came up; that of Redis 7.0 for all that are older.
pub(super) fn version_of_kind(kind: u8) -> u16 {
    match kind {
        TYPE_SET_LISTPACK | TYPE_STREAM_3 => VERSION_OF_LISTPACK_SETS,
        TYPE_HASH_METADATA | TYPE_HASH_LISTPACK_EX => VERSION_OF_EXPIRING_FIELDS,
        _ => VERSION,
    }
}

/// The value behind a type byte, which is no string: who reads one knows best where it goes.
pub(super) fn read_object(kind: u8, source: &mut impl Source, forms: Forms) -> Result<Object, Unreadable> {
    Ok(match kind {
        TYPE_LIST => Object::List(list::read_elements(source)?),
        TYPE_LIST_ZIPLIST => Object::List(list::read_ziplist(source)?),
        TYPE_LIST_QUICKLIST => Object::List(list::read_quicklist_of_ziplists(source)?),
        TYPE_LIST_QUICKLIST_2 => Object::List(list::read_quicklist(source)?),
        TYPE_HASH => Object::Hash(hash::read_fields(source, forms.hash)?),
        TYPE_HASH_ZIPMAP => Object::Hash(hash::read_zipmap(source, forms.hash)?),
        TYPE_HASH_ZIPLIST => Object::Hash(hash::read_ziplist(source, forms.hash)?),
        TYPE_HASH_LISTPACK => Object::Hash(hash::read_pack(source, forms.hash)?),
        TYPE_HASH_METADATA => Object::Hash(hash::read_expiring(source, forms.hash)?),
        TYPE_HASH_LISTPACK_EX => Object::Hash(hash::read_expiring_pack(source, forms.hash)?),
        TYPE_SET => Object::Set(set::read_members(source, forms.set)?),
        TYPE_SET_INTSET => Object::Set(set::read_integers(source, forms.set)?),
        TYPE_SET_LISTPACK => Object::Set(set::read_pack(source, forms.set)?),
        TYPE_ZSET => Object::SortedSet(zset::read_text_scores(source, forms.zset)?),
        TYPE_ZSET_2 => Object::SortedSet(zset::read_members(source, forms.zset)?),
        TYPE_ZSET_ZIPLIST => Object::SortedSet(zset::read_ziplist(source, forms.zset)?),
        TYPE_ZSET_LISTPACK => Object::SortedSet(zset::read_pack(source, forms.zset)?),
        TYPE_STREAM => Object::Stream(Box::new(stream::read(source, Form::First)?)),
        TYPE_STREAM_2 => Object::Stream(Box::new(stream::read(source, Form::Second)?)),
        TYPE_STREAM_3 => Object::Stream(Box::new(stream::read(source, Form::Third)?)),
        _ => {
            ensure_known(kind)?;
            return Err(Unreadable::Unknown(kind));
        }
    })
}
