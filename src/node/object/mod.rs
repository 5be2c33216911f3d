//! Values that are no short strings: pure structures, no I/O, no clock, no keyspace.
//!
//! Each type is one that is owned and changed, as [`struct@Hash`], and one that is looked at, as [`HashRef`]: a small collection lies in its key's
//! block, where nothing owns it by itself ([`Small`]). [`listpack`] is Redis's packed sequence of small elements, byte for byte; [`list`] lists
//! made of such packs. How many bytes a value takes is always known without counting.

pub mod bits;
pub mod dict;
pub mod hash;
pub mod list;
pub mod listpack;
mod moment;
mod pairs;
pub mod set;
mod small;
pub mod stream;
mod text;
pub mod zset;

pub use hash::{Hash, HashRef};
pub use list::{List, ListRef};
pub use listpack::Element;
pub use moment::Shown;
pub use set::{Set, SetRef};
pub use small::Small;
pub use stream::Stream;
pub use text::Text;
pub use zset::{SortedSet, SortedSetRef};

use bytes::Bytes;

/// A value outside of its key's block.
#[derive(Clone, Debug, PartialEq)]
pub enum Object {
    /// A large string, which replies may share.
    String(Bytes),
    /// A list.
    List(List),
    /// A hash.
    Hash(Hash),
    /// A set.
    Set(Set),
    /// A sorted set.
    SortedSet(SortedSet),
    /// A stream; it is much larger than the others, and there are few.
    Stream(Box<Stream>),
}

impl Object {
    /// Where what it holds begins, for prefetching.
    #[must_use]
    pub fn address(&self) -> *const u8 {
        match self {
            Self::String(bytes) => bytes.as_ptr(),
            Self::List(list) => list.address(),
            Self::Hash(hash) => hash.address(),
            Self::Set(set) => set.address(),
            Self::SortedSet(set) => set.address(),
            Self::Stream(stream) => (&raw const **stream).cast(),
        }
    }

    /// It, if it is of a form that may lie in a block.
    #[must_use]
    pub fn small(&self) -> Option<Small<'_>> {
        match self {
            Self::String(_) | Self::Stream(_) => None,
            Self::List(list) => list.small(),
            Self::Hash(hash) => hash.small(),
            Self::Set(set) => set.small(),
            Self::SortedSet(set) => set.small(),
        }
    }

    /// Bytes of memory, this enum included.
    #[must_use]
    pub fn bytes(&self) -> usize {
        size_of::<Self>()
            + match self {
                Self::String(bytes) => bytes.len(),
                Self::List(list) => list.bytes(),
                Self::Hash(hash) => hash.bytes(),
                Self::Set(set) => set.bytes(),
                Self::SortedSet(set) => set.bytes(),
                Self::Stream(stream) => stream.bytes(),
            }
    }
}
