//! In which slots there are large values, as far as this proxy has seen some go by. A hint and no more: requests for such a
//! slot take a connection on which a large reply keeps nobody else waiting. Forgotten now and then, because nobody tells
//! when a value is gone.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::slot::{SLOTS, SlotId};

/// See the module.
#[derive(Debug)]
pub(super) struct LargeSlots([AtomicU64; SLOTS / 64]);

impl Default for LargeSlots {
    fn default() -> Self {
        Self(std::array::from_fn(|_| AtomicU64::new(0)))
    }
}

impl LargeSlots {
    /// A large value of this slot was seen.
    pub(super) fn note(&self, slot: SlotId) {
        self.0[slot.index() / 64].fetch_or(1 << (slot.index() % 64), Relaxed);
    }

    #[inline]
    pub(super) fn has(&self, slot: SlotId) -> bool {
        self.0[slot.index() / 64].load(Relaxed) >> (slot.index() % 64) & 1 != 0
    }

    pub(super) fn forget(&self) {
        for word in &self.0 {
            word.store(0, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_remembered_until_all_are_forgotten() {
        let slots = LargeSlots::default();
        let [a, b] = [63, 64].map(|index| SlotId::new(index).unwrap());
        slots.note(a);
        assert_eq!((slots.has(a), slots.has(b)), (true, false));
        slots.forget();
        assert!(!slots.has(a));
    }
}
