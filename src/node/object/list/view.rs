//! Reading a list, wherever it is.

use super::{End, Groups, Iter, chunk::ChunkRef};
use crate::node::object::{Element, listpack::Pack};

/// A list that is looked at, wherever it is.
#[derive(Clone, Copy, Debug)]
pub struct ListRef<'a>(pub(super) View<'a>);

#[derive(Clone, Copy, Debug)]
pub(super) enum View<'a> {
    Packed(ChunkRef<'a>),
    Large(&'a Groups),
}

impl<'a> From<View<'a>> for ListRef<'a> {
    fn from(view: View<'a>) -> Self {
        Self(view)
    }
}

impl<'a> From<Pack<'a>> for ListRef<'a> {
    fn from(pack: Pack<'a>) -> Self {
        Self(View::Packed(ChunkRef::from(pack)))
    }
}

impl<'a> ListRef<'a> {
    /// Elements.
    #[must_use]
    pub fn len(self) -> usize {
        match self.0 {
            View::Packed(chunk) => chunk.len,
            View::Large(groups) => groups.len(),
        }
    }

    /// No element.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// All of it, if it is one pack.
    #[must_use]
    pub fn pack(self) -> Option<Pack<'a>> {
        match self.0 {
            View::Packed(chunk) => Some(chunk.pack),
            View::Large(_) => None,
        }
    }

    /// The chunks, in order.
    pub fn packs(self) -> impl Iterator<Item = Pack<'a>> {
        let (one, many) = match self.0 {
            View::Packed(chunk) => (Some(chunk), None),
            View::Large(groups) => (None, Some(groups.chunks())),
        };
        let many = many.into_iter().flatten().map(super::Chunk::view);
        one.into_iter().chain(many).filter(|chunk| chunk.len > 0).map(|chunk| chunk.pack)
    }

    /// The element at `index`, counted from the head.
    #[must_use]
    pub fn get(self, index: usize) -> Option<Element<'a>> {
        self.iter(index, End::Right).next()
    }

    /// The elements from `index` on, towards `to`.
    #[must_use]
    pub fn iter(self, index: usize, to: End) -> Iter<'a> {
        Iter::new(self.0, index, to)
    }
}
