//! Where an iteration over all keys stands.

use crate::slot::{CURSOR_HASH_BITS, SLOTS};

/// A slot and the upper 39 bits of the hash from which on its keys were not visited yet: a number below 2^53 that means the
/// same at any time in this process. In another one hashes differ, and what is left of the slot with them: whoever goes on there
/// does so at the slot's beginning. 0 is both the beginning and the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor(u64);

impl Cursor {
    /// The beginning, as the same number means.
    pub const START: Self = Self(0);
    /// Everything was visited.
    pub const END: Self = Self(0);

    pub(super) fn new(slot: usize, threshold: u64) -> Self {
        if slot < SLOTS { Self((slot as u64) << CURSOR_HASH_BITS | threshold) } else { Self::END }
    }

    /// From a client. A number that no cursor has lies behind the last slot.
    #[must_use]
    pub fn from_number(number: u64) -> Self {
        Self(number)
    }

    /// For a client.
    #[must_use]
    pub fn number(self) -> u64 {
        self.0
    }

    /// Maybe past the last.
    pub(super) fn slot(self) -> usize {
        (self.0 >> CURSOR_HASH_BITS) as usize
    }

    pub(super) fn threshold(self) -> u64 {
        self.0 & ((1 << CURSOR_HASH_BITS) - 1)
    }
}
