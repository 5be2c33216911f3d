//! Entries with the same first bits of their place.

use super::Entry;

/// Room is made for so many entries at a time.
const STEP: usize = 16;

/// See the module. The tag of an entry has its index.
#[derive(Clone, Debug)]
pub(super) struct Segment<E> {
    tags: Vec<u8>,
    entries: Vec<E>,
    bits: u32,
}

impl<E> Segment<E> {
    /// None yet, of those that share `bits` bits.
    pub(super) fn new(bits: u32) -> Self {
        Self { tags: Vec::new(), entries: Vec::new(), bits }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Bits of their places that all share.
    pub(super) fn bits(&self) -> u32 {
        self.bits
    }

    /// Bytes of the arrays.
    pub(super) fn bytes(&self) -> usize {
        self.tags.capacity() + self.entries.capacity() * size_of::<E>()
    }

    pub(super) fn entry(&self, at: usize) -> &E {
        &self.entries[at]
    }

    pub(super) fn entry_mut(&mut self, at: usize) -> &mut E {
        &mut self.entries[at]
    }

    pub(super) fn iter(&self) -> std::slice::Iter<'_, E> {
        self.entries.iter()
    }

    pub(super) fn push(&mut self, tag: u8, entry: E) {
        if self.entries.len() == self.entries.capacity() {
            // The first few one by one: many tables stay small.
            let more = self.entries.len().clamp(4, STEP);
            self.entries.reserve_exact(more);
            self.tags.reserve_exact(more);
        }
        self.tags.push(tag);
        self.entries.push(entry);
    }

    pub(super) fn remove(&mut self, at: usize) -> E {
        self.tags.swap_remove(at);
        let entry = self.entries.swap_remove(at);
        if self.entries.capacity() > self.entries.len() + 2 * STEP {
            self.entries.shrink_to(self.entries.len() + STEP);
            self.tags.shrink_to(self.tags.len() + STEP);
        }
        entry
    }

    /// Keeps the lower half of the places and returns the upper one.
    pub(super) fn split(&mut self, place: impl Fn(&E) -> u64) -> Self {
        let bit = 1_u64 << (u64::BITS - 1 - self.bits);
        self.bits += 1;
        let (mut lower, mut upper) = (Self::new(self.bits), Self::new(self.bits));
        let half = self.len() / 2 + STEP;
        for segment in [&mut lower, &mut upper] {
            segment.entries.reserve_exact(half);
            segment.tags.reserve_exact(half);
        }
        for (tag, entry) in self.tags.drain(..).zip(self.entries.drain(..)) {
            let half = if place(&entry) & bit == 0 { &mut lower } else { &mut upper };
            half.push(tag, entry);
        }
        *self = lower;
        upper
    }

    /// Takes in all entries of the neighbour; both were halves of what this is now.
    pub(super) fn absorb(&mut self, other: Self) {
        self.bits -= 1;
        self.tags.extend(other.tags);
        self.entries.extend(other.entries);
    }
}

impl<E: Entry> Segment<E> {
    /// Where the entry of a key is.
    pub(super) fn find(&self, tag: u8, key: &[u8]) -> Option<usize> {
        memchr::memchr_iter(tag, &self.tags).find(|&at| self.entries[at].key() == key)
    }
}
