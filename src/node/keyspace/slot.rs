//! The keys of one slot: one table, or a tree of tables once there are many.
//!
//! A slot of ordinary size is one [`Table`]. Keys with a common hash tag all live in one slot, which may then hold
//! millions; past [`SPLIT_AT`] records a table becomes sixteen, by the next four bits of the hash. So no table is ever
//! large enough for rebuilding it to be felt, and a table's 16-bit tags always tell nearly all of its keys apart.
//!
//! The tag of a record at depth `d` is the 16 bits of its hash after the first `4 d`. Order by branch, then by tag, is
//! the order of the hash: shape and history of a slot do not matter to a cursor.

use std::ops::ControlFlow;

use super::{
    key,
    record::{Record, RecordRef},
    table::{Table, Totals},
};
use crate::slot::CURSOR_HASH_BITS;

/// Records at which a table splits: rebuilding so many costs about a millisecond.
const SPLIT_AT: usize = 8192;
/// Records at which a branch becomes a table again.
const MERGE_AT: usize = SPLIT_AT / 4;
/// A table this deep does not split: its tags are among the last of the bits that a cursor carries. A slot has room for
/// eight thousand million keys before that.
const DEPTH_MAX: u32 = (CURSOR_HASH_BITS - TAG_BITS) / 4;
const TAG_BITS: u32 = 16;
/// Bits of the hash that a cursor does not carry.
const DROPPED: u32 = 64 - CURSOR_HASH_BITS;

/// The bits of a hash that a cursor carries.
pub(super) fn threshold(hash: u64) -> u64 {
    hash >> DROPPED
}

/// See the module.
#[derive(Debug)]
pub(super) enum Slot {
    Leaf(Table),
    Branch(Box<Branch>),
}

/// Sixteen parts by four bits of the hash.
#[derive(Debug)]
pub(super) struct Branch {
    children: [Slot; 16],
    len: usize,
}

const _: () = assert!(size_of::<Slot>() == 32, "two slots per cache line, none across two");

impl Default for Slot {
    fn default() -> Self {
        Self::Leaf(Table::default())
    }
}

fn tag(hash: u64, depth: u32) -> u16 {
    (hash >> (48 - 4 * depth) & 0xFFFF) as u16
}

fn child(hash: u64, depth: u32) -> usize {
    (hash >> (60 - 4 * depth) & 15) as usize
}

impl Slot {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Leaf(table) => table.len(),
            Self::Branch(branch) => branch.len,
        }
    }

    /// The table that has or would have a key with this hash, and the key's tag there.
    pub(super) fn table(&self, hash: u64) -> (&Table, u16) {
        let (mut slot, mut depth) = (self, 0);
        loop {
            match slot {
                Self::Leaf(table) => return (table, tag(hash, depth)),
                Self::Branch(branch) => slot = &branch.children[child(hash, depth)],
            }
            depth += 1;
        }
    }

    /// As [`Slot::table`], to change records but not how many there are.
    pub(super) fn table_mut(&mut self, hash: u64) -> (&mut Table, u16) {
        let (mut slot, mut depth) = (self, 0);
        loop {
            match slot {
                Self::Leaf(table) => return (table, tag(hash, depth)),
                Self::Branch(branch) => slot = &mut branch.children[child(hash, depth)],
            }
            depth += 1;
        }
    }

    /// Adds a record whose key is not there.
    pub(super) fn insert(&mut self, hash: u64, record: Record, totals: &mut Totals) {
        self.insert_below(hash, record, 0, totals);
    }

    fn insert_below(&mut self, hash: u64, record: Record, depth: u32, totals: &mut Totals) {
        match self {
            Self::Leaf(table) if table.len() < SPLIT_AT || depth == DEPTH_MAX => {
                totals.follow(table, |table| table.insert(tag(hash, depth), record));
                return;
            }
            Self::Leaf(table) => {
                let records = totals.follow(table, Table::drain);
                let mut branch = Branch { children: Default::default(), len: SPLIT_AT };
                for record in records {
                    let hash = key::hash(record.as_ref().key());
                    branch.children[child(hash, depth)].insert_below(hash, record, depth + 1, totals);
                }
                *self = Self::Branch(Box::new(branch));
            }
            Self::Branch(_) => {}
        }
        if let Self::Branch(branch) = self {
            branch.len += 1;
            branch.children[child(hash, depth)].insert_below(hash, record, depth + 1, totals);
        }
    }

    /// Takes out the record of a key.
    pub(super) fn remove(&mut self, hash: u64, key: &[u8], totals: &mut Totals) -> Option<Record> {
        self.remove_below(hash, key, 0, totals)
    }

    fn remove_below(&mut self, hash: u64, key: &[u8], depth: u32, totals: &mut Totals) -> Option<Record> {
        match self {
            Self::Leaf(table) => {
                let at = table.find(tag(hash, depth), key)?;
                Some(totals.follow(table, |table| table.remove(at)))
            }
            Self::Branch(branch) => {
                let record =
                    branch.children[child(hash, depth)].remove_below(hash, key, depth + 1, totals)?;
                branch.len -= 1;
                self.merge_if_small(depth, totals);
                Some(record)
            }
        }
    }

    fn merge_if_small(&mut self, depth: u32, totals: &mut Totals) {
        let Self::Branch(branch) = self else { return };
        if branch.len > MERGE_AT {
            return;
        }
        let mut table = Table::default();
        for child in &mut branch.children {
            child.tables_mut(&mut |part| {
                for record in totals.follow(part, Table::drain) {
                    let tag = tag(key::hash(record.as_ref().key()), depth);
                    totals.follow(&mut table, |table| table.insert(tag, record));
                }
            });
        }
        *self = Self::Leaf(table);
    }

    /// All tables, in order.
    pub(super) fn tables<'a>(&'a self, visit: &mut dyn FnMut(&'a Table)) {
        match self {
            Self::Leaf(table) => visit(table),
            Self::Branch(branch) => branch.children.iter().for_each(|child| child.tables(visit)),
        }
    }

    fn tables_mut(&mut self, visit: &mut dyn FnMut(&mut Table)) {
        match self {
            Self::Leaf(table) => visit(table),
            Self::Branch(branch) => branch.children.iter_mut().for_each(|child| child.tables_mut(visit)),
        }
    }

    /// Lets `visit` remove records from tables, from the one that has hash `from` on, until it breaks. Returns where to
    /// go on: the hash with which the table begins at which it broke.
    pub(super) fn sweep(
        &mut self,
        from: u64,
        totals: &mut Totals,
        visit: &mut dyn FnMut(&mut Table) -> ControlFlow<()>,
    ) -> Option<u64> {
        self.sweep_below(from, 0, totals, visit)
    }

    fn sweep_below(
        &mut self,
        from: u64,
        depth: u32,
        totals: &mut Totals,
        visit: &mut dyn FnMut(&mut Table) -> ControlFlow<()>,
    ) -> Option<u64> {
        match self {
            Self::Leaf(table) => totals.follow(table, visit).is_break().then_some(prefix(from, depth)),
            Self::Branch(branch) => {
                let first = child(from, depth);
                let mut stopped = None;
                for index in first..16 {
                    let from = if index == first { from } else { child_start(from, depth, index) };
                    let before = branch.children[index].len();
                    stopped = branch.children[index].sweep_below(from, depth + 1, totals, visit);
                    branch.len -= before - branch.children[index].len();
                    if stopped.is_some() {
                        break;
                    }
                }
                self.merge_if_small(depth, totals);
                stopped
            }
        }
    }

    /// Visits records in the order of their hash, from the 39-bit `threshold` on, until told to break (then the run of
    /// records that cannot be told apart by a threshold is visited to its end). Returns the threshold to go on with.
    pub(super) fn walk(
        &self,
        threshold: u64,
        visit: &mut dyn FnMut(RecordRef<'_>) -> ControlFlow<()>,
    ) -> Option<u64> {
        // A table that groups more coarsely than the threshold was made by may begin with records before it.
        let mut visit_rest = |record: RecordRef<'_>| {
            if threshold != 0 && key::hash(record.key()) >> DROPPED < threshold {
                return ControlFlow::Continue(());
            }
            visit(record)
        };
        Some(self.walk_below(threshold << DROPPED, 0, &mut visit_rest)? >> DROPPED)
    }

    fn walk_below(
        &self,
        from: u64,
        depth: u32,
        visit: &mut dyn FnMut(RecordRef<'_>) -> ControlFlow<()>,
    ) -> Option<u64> {
        match self {
            Self::Leaf(table) => {
                let next = table.walk(tag(from, depth), visit)?;
                Some(prefix(from, depth) | u64::from(next) << (48 - 4 * depth))
            }
            Self::Branch(branch) => {
                let first = child(from, depth);
                let mut stopped = false;
                for index in first..16 {
                    let from = if index == first { from } else { child_start(from, depth, index) };
                    if stopped && branch.children[index].len() > 0 {
                        return Some(from);
                    }
                    if stopped {
                        continue;
                    }
                    let mut note = |record: RecordRef<'_>| {
                        let flow = visit(record);
                        stopped |= flow.is_break();
                        flow
                    };
                    if let Some(next) = branch.children[index].walk_below(from, depth + 1, &mut note) {
                        return Some(next);
                    }
                }
                None
            }
        }
    }
}

/// The first `4 depth` bits.
fn prefix(hash: u64, depth: u32) -> u64 {
    hash & !(u64::MAX.checked_shr(4 * depth).unwrap_or(0))
}

/// The lowest hash below child `index` of the branch at `depth` that has `hash`.
fn child_start(hash: u64, depth: u32, index: usize) -> u64 {
    prefix(hash, depth) | (index as u64) << (60 - 4 * depth)
}

#[cfg(test)]
mod tests {
    use super::{super::record::Value, *};

    fn fill(slot: &mut Slot, keys: std::ops::Range<u32>) -> Totals {
        let mut totals = Totals::default();
        for number in keys {
            let key = number.to_string();
            let expiry = number.is_multiple_of(3).then_some(crate::time::Millis(i64::MAX));
            let record = Record::new(key.as_bytes(), Value::Int(0), expiry, 0);
            slot.insert(key::hash(key.as_bytes()), record, &mut totals);
        }
        totals
    }

    /// What the tables really have.
    fn counted(slot: &Slot) -> (usize, usize) {
        let (mut rings, mut expiring) = (0, 0);
        slot.tables(&mut |table| {
            rings += table.ring_size();
            expiring += table.records().filter(|record| record.expiry().is_some()).count();
        });
        (rings, expiring)
    }

    fn walk_all(slot: &Slot, at_once: usize) -> Vec<Vec<u8>> {
        let (mut keys, mut threshold) = (Vec::new(), 0);
        loop {
            let end = keys.len() + at_once;
            let next = slot.walk(threshold, &mut |record| {
                keys.push(record.key().to_vec());
                if keys.len() >= end { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            });
            match next {
                Some(next) => {
                    assert!(next > threshold, "a cursor that does not move");
                    threshold = next;
                }
                None => return keys,
            }
        }
    }

    #[test]
    fn splits_merges_and_walks_in_hash_order() {
        let mut slot = Slot::default();
        let count = 200_000;
        let mut totals = fill(&mut slot, 0..count);
        assert_eq!((totals.rings, totals.expiring), counted(&slot));
        assert!(matches!(slot, Slot::Branch(_)));
        assert_eq!(slot.len(), count as usize);
        for at_once in [1, 10, 100_000] {
            let keys = walk_all(&slot, at_once);
            assert_eq!(keys.len(), count as usize, "each exactly once");
            // Two levels of branches and a tag; those that share these bits are in no order.
            assert!(keys.iter().map(|key| key::hash(key) >> 40).is_sorted());
        }
        for number in 0..count {
            let key = number.to_string();
            let removed = slot.remove(key::hash(key.as_bytes()), key.as_bytes(), &mut totals);
            let removed = removed.expect("it is there");
            assert_eq!(removed.as_ref().key(), key.as_bytes());
            assert_eq!(slot.len(), (count - number - 1) as usize);
            if number.is_multiple_of(9_999) {
                assert_eq!((totals.rings, totals.expiring), counted(&slot));
            }
        }
        assert_eq!(totals, Totals::default());
        assert!(matches!(slot, Slot::Leaf(_)));
    }

    #[test]
    fn a_threshold_means_the_same_in_slots_of_other_shapes() {
        let (mut large, mut small) = (Slot::default(), Slot::default());
        fill(&mut large, 0..100_000);
        fill(&mut small, 0..500);
        let mut seen = 0;
        let threshold = small.walk(0, &mut |_| {
            seen += 1;
            if seen == 200 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        let threshold = threshold.expect("300 are left");
        let expected =
            (0..100_000u32).filter(|n| key::hash(n.to_string().as_bytes()) >> DROPPED >= threshold).count();
        let mut rest = 0;
        assert_eq!(
            large.walk(threshold, &mut |_| {
                rest += 1;
                ControlFlow::Continue(())
            }),
            None
        );
        assert_eq!(rest, expected);
    }

    #[test]
    fn a_sweep_goes_on_where_it_broke() {
        let mut slot = Slot::default();
        let mut totals = fill(&mut slot, 0..50_000);
        let (mut from, mut tables, mut seen) = (Some(0), 0, 0);
        while let Some(start) = from {
            let mut visited = 0;
            from = slot.sweep(start, &mut totals, &mut |table| {
                if visited == 1 {
                    return ControlFlow::Break(());
                }
                visited += 1;
                tables += 1;
                seen += table.len();
                ControlFlow::Continue(())
            });
        }
        assert_eq!((tables, seen), (16, 50_000));
    }
}
