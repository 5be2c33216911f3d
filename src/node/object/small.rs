//! A collection that is nothing but its bytes: those that Redis has of it, too.

use super::{listpack::Pack, set::Integers};

/// See the module.
#[derive(Clone, Copy, Debug)]
pub enum Small<'a> {
    /// Elements.
    List(Pack<'a>),
    /// Fields and values.
    Hash(Pack<'a>),
    /// Members.
    Set(Pack<'a>),
    /// Members that are integers.
    Integers(Integers<'a>),
    /// Members and scores.
    SortedSet(Pack<'a>),
}

impl<'a> Small<'a> {
    /// The bytes, without what type they are of.
    #[must_use]
    pub fn as_bytes(self) -> &'a [u8] {
        match self {
            Self::List(pack) | Self::Hash(pack) | Self::Set(pack) | Self::SortedSet(pack) => pack.as_bytes(),
            Self::Integers(integers) => integers.as_bytes(),
        }
    }
}
