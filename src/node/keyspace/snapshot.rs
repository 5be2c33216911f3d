//! A point in time of all databases, written down while they go on changing.
//!
//! A walk goes over the tables in the order of hashes, a slice at a time, and knows how far it has come. A key that is about to change
//! and that the walk has not reached is written ahead, as it is then, and passed over later; so is a key that comes anew, of which
//! there is nothing to write. A database that is emptied gives its tables to the walk. So what is written is what there was when the
//! snapshot began, whatever happens meanwhile. While there is none, a change costs one branch.
//!
//! Large collections are written in pieces ([`large`]).
//!
//! Costs: a slice is bounded, but for one value of those that are written at once: a list, a stream, a hash whose fields expire. What is
//! written ahead stays in memory until a slice takes it, at most once the data; the names of changed keys that the walk has not
//! reached stay too.

mod large;
#[cfg(test)]
mod tests;

use std::{collections::HashSet, ops::ControlFlow};

use self::large::Larges;
use super::{
    Garbage, Keyspace,
    db::Db,
    garbage::Bin,
    key::{Key, Place},
    record::{Record, RecordMut},
    slot::{self, Slot},
};
use crate::node::{
    object::Object,
    rdb::{
        Draft,
        file::{Used, write_entry},
    },
};

/// What a slice may cost: as many bytes of draft, with this much more for each record or element and each slot that is looked at.
const SLICE: usize = 64 << 10;
const RECORD: usize = 64;
const SLOT: usize = 8;

/// What a key takes in a set beside its name.
const PER_NAME: usize = 48;

/// Of one database, while it is not written down to its end.
#[derive(Debug)]
pub(super) struct Ahead {
    /// Its number when the snapshot began: it may have been exchanged with another since.
    database: usize,
    /// Where the walk goes on: a slot, and the upper bits of a hash.
    position: (usize, u64),
    /// Keys that the walk is to pass over.
    done: HashSet<Box<[u8]>>,
    /// Bytes of their names.
    names: usize,
    /// The tables, if the database was emptied since.
    emptied: Option<Vec<Slot>>,
    draft: Draft,
    larges: Larges,
    /// Pieces of these.
    pieces: Draft,
    used: Used,
    written: u64,
}

impl Ahead {
    /// Whether a key there is to be written before it changes.
    fn wants(&self, key: Key<'_>) -> bool {
        self.emptied.is_none() && !self.is_past(key.place) && !self.done.contains(key.bytes)
    }

    fn is_past(&self, place: Place) -> bool {
        (place.slot.index(), slot::threshold(place.hash)) < self.position
    }

    fn pass_over(&mut self, name: &[u8]) {
        self.names += name.len();
        self.done.insert(name.into());
    }

    fn write(&mut self, mut record: RecordMut<'_>) {
        if !self.larges.open(&mut record, self.used) {
            write_entry(&mut self.draft, record.as_ref(), self.used);
            self.written += 1;
        }
    }

    /// Goes on until the budget is used up; whether that was the end.
    fn go_on(&mut self, slots: &mut [Slot], bin: &mut Bin, garbage: &mut Garbage) -> bool {
        if self.larges.is_empty() {
            self.walk(slots);
        } else {
            let Self { larges, pieces, .. } = self;
            self.written += larges.write_pieces(pieces, (SLICE, RECORD), slots, bin, garbage);
        }
        self.position.0 >= slots.len() && self.larges.is_empty()
    }

    fn walk(&mut self, slots: &mut [Slot]) {
        let (mut left, mut large) = (SLICE, Vec::<Box<[u8]>>::new());
        while let Some(slot) = slots.get(self.position.0) {
            let Self { draft, done, names, used, written, .. } = self;
            let next = slot.walk(self.position.1, &mut |record| {
                let before = draft.len();
                if !done.is_empty() && done.remove(record.key()) {
                    *names -= record.key().len();
                } else if record.object().is_some_and(Object::is_worth_a_moment) {
                    large.push(record.key().into());
                } else {
                    write_entry(draft, record, *used);
                    *written += 1;
                }
                left = left.saturating_sub(draft.len() - before + RECORD);
                if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            });
            if let Some(threshold) = next {
                self.position.1 = threshold;
                break;
            }
            self.position = (self.position.0 + 1, 0);
            left = left.saturating_sub(SLOT);
            if left == 0 {
                break;
            }
        }
        for name in large {
            if let Some(mut record) = large::find_mut(slots, &name) {
                self.larges.open(&mut record, self.used);
            }
        }
    }

    fn bytes(&self) -> usize {
        self.draft.len() + self.pieces.len() + self.names + self.done.len() * PER_NAME
    }
}

impl Db {
    /// A key is about to change, to come or to go.
    #[inline]
    pub(super) fn keep(&mut self, key: Key<'_>) {
        if self.ahead.is_some() {
            self.write_ahead(key);
        }
    }

    #[cold]
    fn write_ahead(&mut self, key: Key<'_>) {
        let Some(ahead) = self.ahead.as_deref_mut().filter(|ahead| ahead.wants(key)) else { return };
        if let Some(record) = large::find_mut(&mut self.slots, key.bytes) {
            ahead.write(record);
        }
        ahead.pass_over(key.bytes);
    }

    /// A record was taken out.
    #[inline]
    pub(super) fn keep_removed(ahead: &mut Option<Box<Ahead>>, record: &mut Record) {
        if let Some(ahead) = ahead
            && ahead.wants(Key::new(record.as_ref().key()))
        {
            ahead.write(record.as_mut());
            ahead.pass_over(record.as_ref().key());
        }
    }

    /// A record was taken out, and is about to get another key.
    #[inline]
    pub(super) fn keep_moved(&mut self, record: &mut Record) {
        if let Some(ahead) = &mut self.ahead {
            ahead.larges.close(record);
        }
    }

    /// The database is emptied: whether the snapshot took its tables.
    pub(super) fn keep_emptied(&mut self) -> bool {
        match self.ahead.as_deref_mut() {
            Some(ahead) if ahead.emptied.is_none() => {
                ahead.emptied = Some(std::mem::take(&mut self.slots));
                true
            }
            _ => false,
        }
    }
}

/// A database that is part of a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its number.
    pub database: usize,
    /// Its keys.
    pub keys: usize,
    /// Those that expire.
    pub expiring: usize,
}

/// What a snapshot consists of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outline {
    /// The databases that are not empty.
    pub parts: Vec<Part>,
    /// Some of the hashes have fields that expire.
    pub has_expiring_fields: bool,
}

/// A step of the walk.
#[derive(Debug, Default)]
pub struct Slice {
    /// Keys as a file has them, with the number of their database.
    pub drafts: Vec<(usize, Draft)>,
    /// How many.
    pub keys: u64,
    /// There is no more.
    pub is_last: bool,
    /// Tables that are needed no longer.
    pub garbage: Garbage,
}

impl Keyspace {
    /// Begins a snapshot of what there is now. One that was begun before ends without having been written.
    pub fn begin_snapshot(&mut self, used: Used) -> Outline {
        let mut outline = Outline::default();
        drop(self.abandon_snapshot());
        for (database, db) in self.databases.iter_mut().enumerate() {
            if db.is_empty() {
                continue;
            }
            outline.parts.push(Part { database, keys: db.len(), expiring: db.expiring() });
            outline.has_expiring_fields |= db.has_expiring_fields();
            db.ahead = Some(Box::new(Ahead {
                database,
                position: (0, 0),
                done: HashSet::new(),
                names: 0,
                emptied: None,
                draft: Draft::default(),
                larges: Larges::default(),
                pieces: Draft::default(),
                used,
                written: 0,
            }));
        }
        outline
    }

    /// Goes on with the snapshot, through the databases in the order of their numbers. Takes some hundred microseconds, and as long
    /// as it takes to write the last value that is written at once.
    pub fn snapshot_slice(&mut self) -> Slice {
        let mut slice = Slice { is_last: true, ..Slice::default() };
        let part_of = |db: &Db| db.ahead.as_ref().map_or(usize::MAX, |ahead| ahead.database);
        let mut parts: Vec<&mut Db> = self.databases.iter_mut().filter(|db| db.ahead.is_some()).collect();
        parts.sort_by_key(|db| part_of(db));
        for (index, db) in parts.into_iter().enumerate() {
            let Db { ahead: part, slots, bin, .. } = db;
            let Some(ahead) = part.as_deref_mut() else { continue };
            let mut is_done = false;
            if index == 0 {
                let mut emptied = ahead.emptied.take();
                is_done = ahead.go_on(emptied.as_deref_mut().unwrap_or(slots), bin, &mut slice.garbage);
                ahead.emptied = emptied;
            }
            slice.is_last &= is_done;
            slice.keys += std::mem::take(&mut ahead.written);
            if !ahead.pieces.is_empty() {
                slice.drafts.push((ahead.database, std::mem::take(&mut ahead.pieces)));
            }
            if ahead.larges.is_amid() {
                // What was written ahead, here and in other databases, waits until the value is whole.
                break;
            }
            if !ahead.draft.is_empty() {
                slice.drafts.push((ahead.database, std::mem::take(&mut ahead.draft)));
            }
            if is_done && let Some(emptied) = part.take().and_then(|ahead| ahead.emptied) {
                slice.garbage.add(Garbage::of_slots(emptied));
            }
        }
        slice
    }

    /// Ends a snapshot before its end.
    pub fn abandon_snapshot(&mut self) -> Garbage {
        let mut garbage = Garbage::default();
        for db in &mut self.databases {
            let Db { ahead, slots, bin, .. } = db;
            let Some(mut ahead) = ahead.take() else { continue };
            let tables = ahead.emptied.as_deref_mut().unwrap_or(slots);
            ahead.larges.forget(tables, bin, &mut garbage);
            if let Some(emptied) = ahead.emptied {
                garbage.add(Garbage::of_slots(emptied));
            }
        }
        garbage
    }

    /// Bytes of memory that are kept for a snapshot and would not be there without it.
    #[must_use]
    pub fn snapshot_bytes(&self) -> usize {
        let of = |db: &Db| {
            db.ahead.as_ref().map_or(0, |ahead| {
                ahead.bytes() + ahead.larges.bytes(ahead.emptied.as_deref().unwrap_or(&db.slots), &db.bin)
            })
        };
        self.databases.iter().map(of).sum()
    }
}
