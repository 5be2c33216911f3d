//! A collection while somebody changes it.
//!
//! A small one lies in its key's block, where nothing can grow. It is changed as a copy, in memory that one after the other uses, and goes back
//! into the block if it fits there; that is cheaper than an allocation, and nothing larger than [`SMALL_MAX`] is copied.

use std::ops::{Deref, DerefMut};

use super::Collection;
use crate::node::{
    keyspace::{
        changes::Change,
        db::Db,
        key::{Key, Place},
        record::{Record, SMALL_MAX},
    },
    object::Object,
};

/// Memory of more than so many bytes is not kept for the next small collection.
const MEMORY_MAX: usize = 4 * SMALL_MAX;

/// A collection that a command works on. When it is done, what was changed is counted and reported, and an empty collection is removed.
#[derive(Debug)]
pub struct Guard<'a, C: Collection> {
    db: &'a mut Db,
    key: Key<'a>,
    held: Held<C>,
    changed: bool,
    /// As how many changes it counts; as one if nobody says.
    counted: Option<usize>,
}

/// Where the collection is while somebody works on it. Its cell stays the same for as long.
#[derive(Debug)]
pub(super) enum Held<C> {
    /// Nowhere yet. With it the age that its key gets.
    New(C, u32),
    /// In the block of the record in this cell: here is a copy, which goes there.
    Copy(C, usize),
    /// It is the object of the record in this cell, which had this size.
    Object { at: usize, before: usize },
    /// It was put where it belongs, and the guard is gone.
    Done,
}

impl<'a, C: Collection> Guard<'a, C> {
    pub(super) fn new(db: &'a mut Db, key: Key<'a>, held: Held<C>) -> Self {
        Self { db, key, held, changed: false, counted: None }
    }

    /// Works on the collection and returns how much that changed. Nobody is told of one that stays as it is.
    pub fn count_changes(&mut self, work: impl FnOnce(&mut C) -> usize) -> usize {
        let changed = self.changed;
        let count = work(self);
        self.changed = changed || count > 0;
        self.counts_as(self.counted.unwrap_or(0) + count);
        count
    }

    /// What is done counts as so many changes.
    pub fn counts_as(&mut self, changes: usize) {
        self.counted = Some(changes);
    }

    /// Tells what was done; `removed` if nothing is left.
    fn report(&mut self, created: bool, removed: bool) {
        let (key, before) = (self.key.bytes, self.db.changes());
        if removed {
            self.db.changes.report(Change::Removed, key);
        } else if created || self.changed {
            if created {
                self.db.changes.note(Change::Created, key);
            }
            self.db.changes.report(Change::Written, key);
        } else {
            return;
        }
        if let Some(counted) = self.counted {
            self.db.count_as(before, counted);
        }
    }
}

impl<C: Collection> Deref for Guard<'_, C> {
    type Target = C;

    fn deref(&self) -> &C {
        match &self.held {
            Held::New(collection, _) | Held::Copy(collection, _) => collection,
            Held::Object { at, .. } => {
                let object = self.db.record_at(self.key.place, *at).object();
                object.and_then(C::of).expect("its type was seen when the guard was made")
            }
            Held::Done => unreachable!("only while the guard is dropped"),
        }
    }
}

impl<C: Collection> DerefMut for Guard<'_, C> {
    fn deref_mut(&mut self) -> &mut C {
        self.changed = true;
        match &mut self.held {
            Held::New(collection, _) | Held::Copy(collection, _) => collection,
            Held::Object { at, .. } => {
                let object = self.db.object_at(self.key.place, *at);
                object.and_then(C::of_mut).expect("its type was seen when the guard was made")
            }
            Held::Done => unreachable!("only while the guard is dropped"),
        }
    }
}

impl<C: Collection> Drop for Guard<'_, C> {
    fn drop(&mut self) {
        let (key, place) = (self.key, self.key.place);
        let is_empty = self.is_empty();
        match std::mem::replace(&mut self.held, Held::Done) {
            Held::New(new, _) if is_empty => self.db.reuse(new.into_memory()),
            Held::New(new, age) => {
                self.db.add_collection(key, new, age);
                self.report(true, false);
            }
            Held::Copy(copy, _) if is_empty => {
                self.db.reuse(copy.into_memory());
                self.db.discard(key);
                self.report(false, true);
            }
            Held::Copy(copy, at) if self.changed => {
                self.db.put_back(place, at, copy);
                self.db.note_fields(place, at);
                self.report(false, false);
            }
            Held::Copy(copy, _) => self.db.reuse(copy.into_memory()),
            Held::Object { at, before } => {
                let after = self.db.record_at(place, at).size();
                self.db.recount(before, after);
                if is_empty {
                    self.db.discard(key);
                } else if self.changed {
                    self.db.note_fields(place, at);
                    self.db.pack_in(place, at);
                }
                self.report(false, is_empty);
            }
            Held::Done => {}
        }
    }
}

impl Db {
    /// Remembers memory in which a small collection was changed: the next is changed there.
    fn reuse(&mut self, memory: Option<Vec<u8>>) {
        if let Some(memory) = memory.filter(|memory| memory.capacity() <= MEMORY_MAX) {
            self.memory = memory;
        }
    }

    /// Adds a collection whose key is not there.
    fn add_collection<C: Collection>(&mut self, key: Key<'_>, new: C, age: u32) {
        match new.small().filter(|small| small.as_bytes().len() <= SMALL_MAX) {
            Some(small) => {
                self.add(key.place, Record::of_small(key.bytes, small, None, age));
                self.reuse(new.into_memory());
            }
            None => self.add(key.place, Record::of_object(key.bytes, new.into_object(), None, age)),
        }
    }

    /// Puts a changed copy in place of the small collection that it is of.
    fn put_back<C: Collection>(&mut self, place: Place, at: usize, copy: C) {
        let mut entry = self.entry(place, at);
        match copy.small().filter(|small| small.as_bytes().len() <= SMALL_MAX) {
            Some(small) => {
                entry.put_small(small);
                self.reuse(copy.into_memory());
            }
            None => entry.put_object(copy.into_object()),
        }
    }

    /// An object that is much smaller than it has to be goes into the block.
    fn pack_in(&mut self, place: Place, at: usize) {
        let small = self.record_at(place, at).object().and_then(Object::small);
        if small.is_some_and(|small| small.as_bytes().len() <= SMALL_MAX / 2) {
            self.entry(place, at).move_into_block();
        }
    }
}
