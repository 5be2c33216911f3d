//! Asking the processor for memory before it is needed.

use super::{db::Db, key::Place, record::RecordRef};

/// Fetches the cache line of `address` into the nearest cache, without waiting. Any address is allowed.
#[expect(unsafe_code, reason = "the prefetch instruction takes a raw pointer")]
fn prefetch<T>(address: *const T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch is a hint; it never faults, whatever the address, and reads nothing the program can see.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(address.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}

impl Db {
    /// See [`Keyspace::prefetch`](super::Keyspace::prefetch).
    pub(super) fn prefetch(&self, places: &[Place]) {
        // Each step needs the memory that the step before asked for; between them lie those of all other keys.
        if self.slots.is_empty() {
            return;
        }
        for place in places {
            prefetch(&raw const self.slots[place.slot.index()]);
        }
        for place in places {
            let (table, tag) = self.slots[place.slot.index()].table(place.hash);
            prefetch(table.cell_address(tag));
        }
        for place in places {
            let (table, tag) = self.slots[place.slot.index()].table(place.hash);
            let record = table.record_address(tag);
            prefetch(record);
            prefetch(record.wrapping_add(64));
        }
    }

    /// After [`Db::prefetch`], for values that are collections: the rest of the block, or the object and then what it holds.
    pub(super) fn prefetch_objects(&self, places: &[Place]) {
        if self.slots.is_empty() {
            return;
        }
        let near = |place: &Place| {
            let (table, tag) = self.slots[place.slot.index()].table(place.hash);
            table.near(tag)
        };
        let small = |place: &Place| near(place).and_then(RecordRef::small);
        for small in places.iter().filter_map(small) {
            // Its beginning came with the record's.
            small.as_bytes().chunks(64).skip(1).for_each(|line| prefetch(line.as_ptr()));
        }
        let object = |place: &Place| near(place).and_then(RecordRef::object);
        places.iter().filter_map(object).for_each(|object| prefetch(&raw const *object));
        places.iter().filter_map(object).for_each(|object| prefetch(object.address()));
    }
}
