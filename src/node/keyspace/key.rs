//! Where a key belongs: its slot, and the hash that orders the keys of a slot.

pub use crate::node::hashing::hash;
use crate::slot::SlotId;

/// Slot and hash of a key. Computed from the key alone, so it can be done before the keyspace is locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The hash slot.
    pub slot: SlotId,
    /// Orders the keys of a slot.
    pub hash: u64,
}

impl Place {
    /// Of these bytes.
    #[must_use]
    pub fn of(key: &[u8]) -> Self {
        Self { slot: SlotId::of_key(key), hash: hash(key) }
    }
}

/// A key with its place.
#[derive(Clone, Copy, Debug)]
pub struct Key<'a> {
    /// The key itself.
    pub bytes: &'a [u8],
    /// Where it belongs.
    pub place: Place,
}

impl<'a> Key<'a> {
    /// Computes the place.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, place: Place::of(bytes) }
    }

    /// With a place computed earlier from the same bytes.
    #[must_use]
    pub fn with_place(bytes: &'a [u8], place: Place) -> Self {
        debug_assert_eq!(place, Place::of(bytes), "the place of another key");
        Self { bytes, place }
    }
}

impl<'a> From<&'a [u8]> for Key<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self::new(bytes)
    }
}
