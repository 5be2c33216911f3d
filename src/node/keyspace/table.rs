//! A small hash table of records, in the order of their tags.
//!
//! Open addressing with linear probing over a ring of [`Word`]s. The home of a record is `tag * cells / 2^16`, which
//! rises with the tag, and a cell never holds a record that comes after its neighbour on the way round: the order Robin
//! Hood hashing keeps. So walking the ring from the home of a tag visits records in the order of their tags, whatever
//! the size of the ring: that is what SCAN's cursors need. Deletion shifts the followers back, so there are no tombstones.
//!
//! A tag is 16 bits of the hash, chosen by [`slot`](super::slot), which also keeps tables small enough for 16
//! bits to tell nearly all keys apart and for growth never to be felt. The key itself is read to be sure.

use std::ops::ControlFlow;

use super::{
    record::{Record, RecordMut, RecordRef},
    word::Word,
};
use crate::{node::allocator, time::Millis};

/// What all tables of a database add up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Totals {
    /// Bytes of records.
    pub(super) records: usize,
    /// Bytes of rings.
    pub(super) rings: usize,
    /// Keys with an expiry.
    pub(super) expiring: usize,
}

impl Totals {
    /// Changes a table, and what it adds to rings and expiries. Records are counted by who has them at hand.
    #[inline]
    pub(super) fn follow<R>(&mut self, table: &mut Table, change: impl FnOnce(&mut Table) -> R) -> R {
        let (rings, expiring) = (self.rings - table.ring_size(), self.expiring - table.expiring());
        let result = change(table);
        (self.rings, self.expiring) = (rings + table.ring_size(), expiring + table.expiring());
        result
    }
}

/// Records with the same tag are in no particular order.
#[derive(Debug)]
pub(super) struct Table {
    cells: Box<[Word]>,
    len: u32,
    /// Records with an expiry.
    expiring: u32,
    /// No record expires before; `i64::MAX` if none does.
    next_expiry: i64,
}

impl Default for Table {
    fn default() -> Self {
        Self { cells: Box::default(), len: 0, expiring: 0, next_expiry: i64::MAX }
    }
}

/// Growing by a sixth wastes little. Where the allocator's next block is an eighth larger or more, that one is filled.
fn larger(cells: usize) -> usize {
    let block_for = |cells: usize| allocator::usable(cells * size_of::<Word>()) / size_of::<Word>();
    let next = block_for(cells + 1);
    if next >= cells + cells / 8 { next } else { block_for(cells + cells / 6 + 1) }
}

/// Records that may be in so many cells: all while the ring fits in a cache line, then nine tenths.
fn limit(cells: usize) -> usize {
    if cells <= 7 { cells } else { cells * 9 / 10 }
}

fn home(tag: u16, cells: usize) -> usize {
    (usize::from(tag) * cells) >> 16
}

impl Table {
    pub(super) fn len(&self) -> usize {
        self.len as usize
    }

    pub(super) fn expiring(&self) -> usize {
        self.expiring as usize
    }

    /// No record expires before.
    pub(super) fn next_expiry(&self) -> Millis {
        Millis(self.next_expiry)
    }

    /// Bytes of the ring.
    pub(super) fn ring_size(&self) -> usize {
        size_of_val(&*self.cells)
    }

    /// How far cell `at` is from where its record would rather be.
    fn distance(&self, at: usize) -> usize {
        let cells = self.cells.len();
        let home = home(self.cells[at].tag(), cells);
        if at >= home { at - home } else { at + cells - home }
    }

    fn next(&self, at: usize) -> usize {
        if at + 1 == self.cells.len() { 0 } else { at + 1 }
    }

    /// The first cell worth reading for `tag`.
    pub(super) fn cell_address(&self, tag: u16) -> *const u8 {
        self.cells.get(home(tag, self.cells.len())).map_or(std::ptr::null(), |cell| (&raw const *cell).cast())
    }

    /// The first cell with `tag` within what a cache line or two hold; further away it is not worth looking ahead.
    fn near_cell(&self, tag: u16) -> Option<&Word> {
        let cells = self.cells.len();
        let from = home(tag, cells);
        let near = self.cells.get(from..cells.min(from + 8)).unwrap_or_default();
        near.iter().find(|cell| cell.tag() == tag)
    }

    /// The first record with `tag`, for prefetching.
    pub(super) fn record_address(&self, tag: u16) -> *const u8 {
        self.near_cell(tag).map_or(std::ptr::null(), Word::address)
    }

    /// The same, to be looked at: it is likely to be the one that is wanted.
    pub(super) fn near(&self, tag: u16) -> Option<RecordRef<'_>> {
        self.near_cell(tag).and_then(Word::record)
    }

    pub(super) fn find(&self, tag: u16, key: &[u8]) -> Option<usize> {
        let cells = self.cells.len();
        let mut at = home(tag, cells);
        for distance in 0..cells {
            let cell = &self.cells[at];
            if cell.tag() == tag {
                if cell.record()?.key() == key {
                    return Some(at);
                }
            } else if cell.is_empty() || self.distance(at) < distance {
                return None;
            }
            at = self.next(at);
        }
        None
    }

    /// The record in a cell given by [`Table::find`].
    pub(super) fn at(&self, at: usize) -> RecordRef<'_> {
        self.cells[at].record().expect("found there")
    }

    /// The record in a cell given by [`Table::find`]. Its expiry is changed by [`Table::set_expiry`] only.
    pub(super) fn at_mut(&mut self, at: usize) -> RecordMut<'_> {
        self.cells[at].record_mut().expect("found there")
    }

    /// Adds a record whose key is not in the table.
    pub(super) fn insert(&mut self, tag: u16, record: Record) {
        if self.len() >= limit(self.cells.len()) {
            self.rebuild(larger(self.cells.len()));
        }
        if let Some(expiry) = record.as_ref().expiry() {
            self.expiring += 1;
            self.next_expiry = self.next_expiry.min(expiry.0);
        }
        self.len += 1;
        self.place(Word::new(record, tag));
    }

    /// Puts a word where it belongs; there is room.
    fn place(&mut self, mut word: Word) {
        let cells = self.cells.len();
        let mut at = home(word.tag(), cells);
        let mut distance = 0;
        // From the first record that comes later in the order on, everybody moves up by one.
        let mut moving = false;
        while !self.cells[at].is_empty() {
            let other = self.distance(at);
            if moving || other < distance || (other == distance && self.cells[at].tag() > word.tag()) {
                std::mem::swap(&mut self.cells[at], &mut word);
                moving = true;
            }
            distance += 1;
            at = self.next(at);
        }
        self.cells[at] = word;
    }

    /// Moves everything to a ring of another size.
    fn rebuild(&mut self, cells: usize) {
        let mut ring = Vec::with_capacity(cells);
        ring.resize_with(cells, Word::default);
        let old = std::mem::replace(&mut self.cells, ring.into_boxed_slice());
        for word in old {
            if !word.is_empty() {
                self.place(word);
            }
        }
    }

    /// Takes out the record of a cell given by [`Table::find`].
    pub(super) fn remove(&mut self, at: usize) -> Record {
        let record = self.cells[at].take().expect("found there");
        self.len -= 1;
        self.forget_expiry(record.as_ref().expiry());
        let mut hole = at;
        loop {
            let next = self.next(hole);
            if self.cells[next].is_empty() || self.distance(next) == 0 {
                break;
            }
            self.cells.swap(hole, next);
            hole = next;
        }
        let cells = self.cells.len();
        if self.len == 0 {
            *self = Self::default();
        } else if self.len() * 2 < cells && cells > 7 {
            self.rebuild((self.len() * 5 / 4 + 1) | 1);
        }
        record
    }

    fn forget_expiry(&mut self, expiry: Option<Millis>) {
        if expiry.is_some() {
            self.expiring -= 1;
            if self.expiring == 0 {
                self.next_expiry = i64::MAX;
            }
        }
    }

    /// Puts another record with the same key in a cell given by [`Table::find`]; returns the old one.
    pub(super) fn replace(&mut self, at: usize, record: Record) -> Record {
        let tag = self.cells[at].tag();
        let old = self.cells[at].take().expect("found there");
        debug_assert_eq!(old.as_ref().key(), record.as_ref().key());
        self.forget_expiry(old.as_ref().expiry());
        if let Some(expiry) = record.as_ref().expiry() {
            self.expiring += 1;
            self.next_expiry = self.next_expiry.min(expiry.0);
        }
        self.cells[at] = Word::new(record, tag);
        old
    }

    /// Changes when the record of a cell expires; its block changes only if it had none or has none after.
    pub(super) fn set_expiry(&mut self, at: usize, expiry: Option<Millis>) {
        let old = self.at(at).expiry();
        if old.is_none() && expiry.is_none() {
            return;
        }
        self.forget_expiry(old);
        if let Some(expiry) = expiry {
            self.expiring += 1;
            self.next_expiry = self.next_expiry.min(expiry.0);
        }
        self.rewrite(at, |record| record.with_expiry(expiry));
    }

    /// Gives the string of a cell room for `len` bytes.
    pub(super) fn grow(&mut self, at: usize, len: usize) {
        self.rewrite(at, |record| record.grown(len));
    }

    fn rewrite(&mut self, at: usize, change: impl FnOnce(Record) -> Record) {
        let tag = self.cells[at].tag();
        let record = self.cells[at].take().expect("found there");
        self.cells[at] = Word::new(change(record), tag);
    }

    /// Cells from the first record of the order on, with their index.
    fn ordered_from(&self, tag: u16) -> impl Iterator<Item = (usize, &Word)> {
        let cells = self.cells.len();
        let start = home(tag, cells);
        // A record whose home is behind its cell was pushed over the end: it belongs behind the last cell.
        let wrapped = move |at: usize, cell: &Word| home(cell.tag(), cells) > at;
        let ring = self
            .cells
            .get(start..)
            .unwrap_or_default()
            .iter()
            .enumerate()
            .map(move |(at, cell)| (at + start, cell));
        ring.filter(move |&(at, cell)| !cell.is_empty() && cell.tag() >= tag && !wrapped(at, cell)).chain(
            self.cells
                .iter()
                .enumerate()
                .take_while(|(_, cell)| !cell.is_empty())
                .take_while(move |&(at, cell)| wrapped(at, cell))
                .filter(move |(_, cell)| cell.tag() >= tag),
        )
    }

    /// Visits records in the order of their tags from `tag` on, until told to stop with `None`; a run of equal tags is
    /// always visited to its end. Returns the tag to go on with, `None` after the last record.
    pub(super) fn walk(
        &self,
        tag: u16,
        visit: &mut dyn FnMut(RecordRef<'_>) -> ControlFlow<()>,
    ) -> Option<u16> {
        let mut stop_after = None;
        for (_, cell) in self.ordered_from(tag) {
            if stop_after.is_some_and(|last| last != cell.tag()) {
                return Some(cell.tag());
            }
            if visit(cell.record().expect("only full cells are visited")).is_break() {
                stop_after = Some(cell.tag());
            }
        }
        None
    }

    /// All records, in no particular order.
    pub(super) fn records(&self) -> impl Iterator<Item = RecordRef<'_>> {
        self.cells.iter().filter_map(Word::record)
    }

    /// All records, taken out.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = Record> + use<> {
        std::mem::take(self).cells.into_iter().filter_map(|mut cell| cell.take())
    }

    /// Takes out what has expired at `now` (a key still lives in the millisecond of its expiry) and learns when the next
    /// record does. Gives what it removes, and returns the bytes of that.
    pub(super) fn remove_expired(&mut self, now: Millis, give: &mut dyn FnMut(Record)) -> usize {
        let (mut at, mut bytes) = (0, 0);
        let mut next_expiry = i64::MAX;
        while at < self.cells.len() {
            match self.cells[at].record().and_then(RecordRef::expiry) {
                Some(expiry) if expiry < now => {
                    let cells = self.cells.len();
                    let record = self.remove(at);
                    bytes += record.as_ref().size();
                    give(record);
                    if self.cells.len() != cells {
                        // The ring was rebuilt smaller: begin again, the rest is soon done.
                        (at, next_expiry) = (0, i64::MAX);
                    }
                }
                expiry => {
                    next_expiry = next_expiry.min(expiry.map_or(i64::MAX, |expiry| expiry.0));
                    at += 1;
                }
            }
        }
        self.next_expiry = next_expiry;
        bytes
    }

    /// How far the record that takes longest to find is from where it would rather be.
    #[cfg(test)]
    pub(super) fn farthest(&self) -> usize {
        let full = (0..self.cells.len()).filter(|&at| !self.cells[at].is_empty());
        full.map(|at| self.distance(at)).max().unwrap_or(0)
    }

    #[cfg(test)]
    pub(super) fn check(&self) {
        let full: Vec<usize> = (0..self.cells.len()).filter(|&at| !self.cells[at].is_empty()).collect();
        assert_eq!(full.len(), self.len());
        for &at in &full {
            let distance = self.distance(at);
            for back in 1..=distance {
                let before = (at + self.cells.len() - back) % self.cells.len();
                assert!(!self.cells[before].is_empty(), "a gap between a record and its home");
            }
            if distance > 0 {
                let before = (at + self.cells.len() - 1) % self.cells.len();
                let d = self.distance(before);
                assert!(
                    d + 1 > distance
                        || (d + 1 == distance && self.cells[before].tag() <= self.cells[at].tag()),
                    "out of order"
                );
            }
        }
        let expiries: Vec<i64> =
            self.records().filter_map(RecordRef::expiry).map(|expiry| expiry.0).collect();
        assert_eq!(expiries.len(), self.expiring());
        assert!(expiries.iter().all(|&expiry| expiry >= self.next_expiry));
        assert!(self.expiring != 0 || self.next_expiry == i64::MAX);
        let tags: Vec<u16> = self.ordered_from(0).map(|(_, cell)| cell.tag()).collect();
        assert!(tags.is_sorted() && tags.len() == self.len());
    }
}

#[cfg(test)]
mod tests {
    use super::{super::record::Value, *};
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn record(key: u32) -> Record {
        Record::new(
            &key.to_le_bytes(),
            Value::Int(0),
            key.is_multiple_of(3).then_some(Millis(i64::from(key))),
            0,
        )
    }

    #[test]
    fn records_of_one_tag_are_far_from_where_they_belong() {
        let mut table = Table::default();
        (0..1000).for_each(|key| table.insert(7, record(key)));
        assert_eq!(table.farthest(), 999);
    }

    /// Few distinct tags at both ends, so that runs collide and wrap round.
    fn tag(key: u32) -> u16 {
        match key % 4 {
            0 => u16::MAX - (key % 7) as u16,
            1 => (key % 5) as u16,
            _ => (key.wrapping_mul(2_654_435_761) >> 16) as u16,
        }
    }

    proptest! {
        #[test]
        fn keeps_order_through_insertions_and_removals(
            steps in prop::collection::vec((any::<bool>(), 0u32..120), 0..400), from: u16, now in 0i64..120,
        ) {
            let mut table = Table::default();
            let mut model = BTreeMap::new();
            for (insert, key) in steps {
                let found = table.find(tag(key), &key.to_le_bytes());
                prop_assert_eq!(found.is_some(), model.contains_key(&key));
                match (insert, found) {
                    (true, None) => {
                        table.insert(tag(key), record(key));
                        model.insert(key, ());
                    }
                    (false, Some(at)) => {
                        let removed = table.remove(at);
                        prop_assert_eq!(removed.as_ref().key(), &key.to_le_bytes());
                        model.remove(&key);
                    }
                    _ => {}
                }
                table.check();
            }
            let mut walked = Vec::new();
            prop_assert_eq!(table.walk(from, &mut |record| {
                walked.push(u32::from_le_bytes(record.key().try_into().unwrap()));
                ControlFlow::Continue(())
            }), None);
            prop_assert!(walked.iter().map(|&key| tag(key)).is_sorted());
            walked.sort_unstable();
            let expected: Vec<u32> = model.keys().copied().filter(|&key| tag(key) >= from).collect();
            prop_assert_eq!(walked, expected);
            let mut shown = Vec::new();
            table.remove_expired(Millis(now), &mut |record| {
                shown.push(u32::from_le_bytes(record.as_ref().key().try_into().unwrap()));
            });
            shown.sort_unstable();
            let gone: Vec<u32> =
                model.keys().copied().filter(|&key| key % 3 == 0 && i64::from(key) < now).collect();
            prop_assert_eq!(shown, gone);
            table.check();
            let left: Vec<u32> =
                model.keys().copied().filter(|&key| key % 3 != 0 || i64::from(key) >= now).collect();
            prop_assert_eq!(table.len(), left.len());
            for key in left {
                prop_assert!(table.find(tag(key), &key.to_le_bytes()).is_some());
            }
        }
    }
}
