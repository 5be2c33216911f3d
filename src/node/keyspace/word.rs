//! A table's cell: eight bytes that are empty or own a [`Record`], with 16 bits of the key's hash beside the pointer.
//!
//! Heap addresses use 47 bits on x86-64 and 48 on AArch64 (more only for a program that asks for it), so the upper 16
//! bits of a pointer are free. The pointer keeps its provenance: tags go on and off with `map_addr`.

use std::{fmt, ptr::NonNull};

use super::record::{Record, RecordMut, RecordRef};

const TAG_SHIFT: u32 = usize::BITS - 16;
const ADDRESS: usize = (1 << TAG_SHIFT) - 1;

const _: () = assert!(usize::BITS == 64, "pointers are tagged in bits 48 to 63");

/// An empty cell, or a record and its tag.
#[derive(Default)]
pub(super) struct Word(Option<NonNull<u8>>);

#[expect(unsafe_code, reason = "a word is an owned Record")]
// SAFETY: a word owns its record, and records may change threads.
unsafe impl Send for Word {}
#[expect(unsafe_code, reason = "a word is an owned Record")]
// SAFETY: shared access to a record only reads.
unsafe impl Sync for Word {}

#[expect(unsafe_code, reason = "lends and gives back the record whose pointer it tagged")]
impl Word {
    /// # Panics
    /// If the allocator hands out addresses above 2^48.
    pub(super) fn new(record: Record, tag: u16) -> Self {
        let block = record.into_raw();
        assert!(block.addr().get() <= ADDRESS, "heap address {block:p} leaves no room for a tag");
        Self(Some(block.map_addr(|address| address | usize::from(tag) << TAG_SHIFT)))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// 0 for an empty cell too.
    pub(super) fn tag(&self) -> u16 {
        self.0.map_or(0, |block| (block.addr().get() as u64 >> TAG_SHIFT & 0xFFFF) as u16)
    }

    fn block(&self) -> Option<NonNull<u8>> {
        NonNull::new(self.0?.as_ptr().map_addr(|address| address & ADDRESS))
    }

    /// Where the record begins, for prefetching; null if empty.
    pub(super) fn address(&self) -> *const u8 {
        self.block().map_or(std::ptr::null(), |block| block.as_ptr())
    }

    pub(super) fn record(&self) -> Option<RecordRef<'_>> {
        // SAFETY: without its tag the pointer is the one `Record::into_raw` gave; the record lives in this word, and
        // the borrow of the word keeps it unchanged.
        Some(unsafe { RecordRef::from_raw(self.block()?) })
    }

    pub(super) fn record_mut(&mut self) -> Option<RecordMut<'_>> {
        // SAFETY: as above, with an exclusive borrow.
        Some(unsafe { RecordMut::from_raw(self.block()?) })
    }

    /// Empties the cell.
    pub(super) fn take(&mut self) -> Option<Record> {
        let block = self.block();
        self.0 = None;
        // SAFETY: the pointer is the one `Record::into_raw` gave, and the word has just forgotten it.
        Some(unsafe { Record::from_raw(block?) })
    }
}

impl Drop for Word {
    fn drop(&mut self) {
        drop(self.take());
    }
}

impl fmt::Debug for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.record().fmt(f)
    }
}
