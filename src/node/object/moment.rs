//! Large collections as they were at a moment, shown piece by piece while they go on changing: what a snapshot needs so that nobody
//! waits for a collection of millions.
//!
//! Whoever begins a moment shows all of it, or forgets it. Meanwhile a change first puts by what it changes and was not shown yet: a
//! segment of a table, a member of a sorted set. Without a moment a change costs a branch. Not here: when a moment begins
//! (`keyspace::snapshot`), and what becomes of what is shown (`rdb`).

use super::Object;

/// A collection of fewer elements is not worth it: it is copied in a tenth of a millisecond.
const MANY: usize = 1024;

/// An element.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Shown<'a> {
    /// A field of a hash and its value.
    Field(&'a [u8], &'a [u8]),
    /// A member of a set.
    Member(&'a [u8]),
    /// A member of a sorted set and its score. They come from the last one on.
    Scored(&'a [u8], f64),
}

/// Who is shown the elements.
pub(super) type Show<'s> = &'s mut dyn FnMut(Shown<'_>);

/// What belongs to a moment of one collection: copies of that have none.
#[derive(Debug)]
pub(super) struct Held<T>(pub(super) Option<Box<T>>);

impl<T> Default for Held<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T> Clone for Held<T> {
    fn clone(&self) -> Self {
        Self(None)
    }
}

impl Object {
    /// Whether the collection is large and can have a moment; a hash whose fields expire cannot, nor can lists and streams, which
    /// are few blocks of bytes.
    #[must_use]
    pub fn is_worth_a_moment(&self) -> bool {
        match self {
            Self::Hash(hash) => hash.len() >= MANY && hash.can_have_moment(),
            Self::Set(set) => set.len() >= MANY && set.can_have_moment(),
            Self::SortedSet(set) => set.len() >= MANY && set.can_have_moment(),
            Self::String(_) | Self::List(_) | Self::Stream(_) => false,
        }
    }

    /// Begins one there.
    pub fn begin_moment(&mut self) {
        match self {
            Self::Hash(hash) => hash.begin_moment(),
            Self::Set(set) => set.begin_moment(),
            Self::SortedSet(set) => set.begin_moment(),
            Self::String(_) | Self::List(_) | Self::Stream(_) => {}
        }
    }

    /// Whether one has begun and is not at its end.
    #[must_use]
    pub fn has_moment(&self) -> bool {
        match self {
            Self::Hash(hash) => hash.has_moment(),
            Self::Set(set) => set.has_moment(),
            Self::SortedSet(set) => set.has_moment(),
            Self::String(_) | Self::List(_) | Self::Stream(_) => false,
        }
    }

    /// Shows about so many elements of the moment that were not shown yet. True: that was its end.
    pub fn show_moment(&mut self, elements: usize, show: Show<'_>) -> bool {
        match self {
            Self::Hash(hash) => hash.show_moment(elements, show),
            Self::Set(set) => set.show_moment(elements, show),
            Self::SortedSet(set) => set.show_moment(elements, show),
            Self::String(_) | Self::List(_) | Self::Stream(_) => true,
        }
    }

    /// Ends a moment whose rest nobody needs.
    pub fn forget_moment(&mut self) {
        match self {
            Self::Hash(hash) => hash.forget_moment(),
            Self::Set(set) => set.forget_moment(),
            Self::SortedSet(set) => set.forget_moment(),
            Self::String(_) | Self::List(_) | Self::Stream(_) => {}
        }
    }

    /// Bytes of what was put by.
    #[must_use]
    pub fn moment_bytes(&self) -> usize {
        match self {
            Self::Hash(hash) => hash.moment_bytes(),
            Self::Set(set) => set.moment_bytes(),
            Self::SortedSet(set) => set.moment_bytes(),
            Self::String(_) | Self::List(_) | Self::Stream(_) => 0,
        }
    }
}
