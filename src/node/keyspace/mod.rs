//! The data: sixteen databases of 16384 slots, each slot a small table of its own. No I/O and no clock of its own.
//!
//! In reading order: [`record`] is a key with its value in one heap block; `word` a tagged pointer to one; `table` a small
//! hash table of words in the order of their hash; `slot` a table, or a tree of them once a slot is large; [`db`] sixteen
//! thousand slots and what commands do with them; `garbage` what is freed elsewhere; [`scan`] cursors; [`expire`] the cycle that removes what
//! nobody asks for any more; [`eviction`] which key goes when there is no more room; [`aging`] last use and frequency; [`types`] values asked for by type; [`changes`] what happened to keys, for those who listen; [`snapshot`] all keys of a moment, in the form that a file has them; [`key`] where a key belongs.
//!
//! Invariants: no table holds more than some thousand records, so no operation on one key takes longer than a
//! rebuild of that many; what costs time in proportion to something is said where it is declared. `unsafe` is in `record`,
//! `word` and `prefetch` alone.

pub mod aging;
pub mod changes;
pub mod db;
pub mod entry;
pub mod eviction;
pub mod expire;
mod fields;
mod garbage;
pub mod key;
mod prefetch;
pub mod record;
pub mod scan;
mod slot;
pub mod snapshot;
mod table;
#[cfg(test)]
mod tests;
pub mod types;
mod word;

pub use aging::Aging;
pub use changes::{Change, EventClass, Gone};
pub use db::{Access, Db, ExpiredOnes, Stats, Ttl};
pub use entry::Entry;
pub use garbage::Garbage;
pub use key::{Key, Place};
pub use record::{Content, LARGE, Record, RecordRef, Value};
pub use scan::Cursor;
pub use types::{Collection, Guard, WrongType, type_name};

use crate::time::Millis;

/// All databases.
#[derive(Debug)]
pub struct Keyspace {
    databases: Vec<Db>,
    aging: Aging,
    expire: expire::Position,
    pool: eviction::Pool,
    listening: bool,
    other_changes: u64,
}

impl Default for Keyspace {
    fn default() -> Self {
        Self::new(16)
    }
}

impl Keyspace {
    /// Empty databases, numbered from 0.
    #[must_use]
    pub fn new(databases: usize) -> Self {
        let databases = (0..databases).map(|_| Db::default()).collect();
        Self {
            databases,
            aging: Aging::default(),
            expire: expire::Position::default(),
            pool: eviction::Pool::default(),
            listening: false,
            other_changes: 0,
        }
    }

    /// How many databases there are.
    #[must_use]
    pub fn databases(&self) -> usize {
        self.databases.len()
    }

    /// A database.
    ///
    /// # Panics
    /// If there is none of this number: SELECT and its kin check before.
    #[must_use]
    pub fn db(&self, index: usize) -> &Db {
        &self.databases[index]
    }

    /// A database, to be changed.
    ///
    /// # Panics
    /// As [`Keyspace::db`].
    #[must_use]
    pub fn db_mut(&mut self, index: usize) -> &mut Db {
        &mut self.databases[index]
    }

    /// Two different databases.
    ///
    /// # Panics
    /// If they are the same, or one does not exist.
    #[must_use]
    pub fn two_mut(&mut self, first: usize, second: usize) -> (&mut Db, &mut Db) {
        let [first, second] =
            self.databases.get_disjoint_mut([first, second]).expect("two existing databases");
        (first, second)
    }

    /// Exchanges the contents of two databases: every client of one finds itself in the other.
    ///
    /// # Panics
    /// If one does not exist.
    pub fn swap(&mut self, first: usize, second: usize) {
        self.databases.swap(first, second);
    }

    /// Empties all databases; the caller drops what was in them where it disturbs nobody.
    pub fn clear(&mut self) -> Garbage {
        let mut all = Garbage::default();
        self.databases.iter_mut().for_each(|db| all.add(db.clear()));
        all
    }

    /// Takes out values that were overwritten or removed and take long to free, if there are any.
    pub fn take_garbage(&mut self) -> Option<Garbage> {
        let mut bins = self.databases.iter_mut().filter_map(Db::empty_bin);
        let mut all = bins.next()?;
        bins.for_each(|garbage| all.add(garbage));
        Some(all)
    }

    /// LRU or LFU.
    #[must_use]
    pub fn aging(&self) -> Aging {
        self.aging
    }

    /// After `maxmemory-policy`, `lfu-log-factor` or `lfu-decay-time` changed.
    pub fn set_aging(&mut self, aging: Aging) {
        self.aging = aging;
    }

    /// How the keys of a command are looked up: its clock, and whether looking counts as use (`CLIENT NO-TOUCH`).
    #[must_use]
    pub fn access(&self, now: Millis, touch: bool) -> Access {
        Access { now, aging: self.aging, touch }
    }

    /// Bytes that keys, values and tables take.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.databases.iter().map(|db| db.record_bytes() + db.table_bytes()).sum()
    }

    /// Of all databases, since the start.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.databases.iter().map(Db::stats).sum()
    }

    /// What becomes of keys whose time has come.
    pub fn set_expired_ones(&mut self, fate: ExpiredOnes) {
        self.databases.iter_mut().for_each(|db| db.expired_ones = fate);
    }

    /// Whether somebody wants to know what goes by itself; [`Keyspace::take_gone`] tells then.
    pub fn record(&mut self, recording: bool) {
        self.databases.iter_mut().for_each(|db| db.changes.record(recording));
    }

    /// Takes what went by itself, in order for each database.
    pub fn take_gone(&mut self, mut visit: impl FnMut(usize, Gone)) {
        for (index, db) in self.databases.iter_mut().enumerate().filter(|(_, db)| db.changes.has_gone()) {
            db.changes.take_gone().into_iter().for_each(|gone| visit(index, gone));
        }
    }

    /// Whether there may be hashes with fields that expire.
    #[must_use]
    pub fn has_expiring_fields(&self) -> bool {
        self.databases.iter().any(|db| !db.fields.is_empty())
    }

    /// Counts changes of what is no key of one database: functions, whole databases.
    pub fn count_changes(&mut self, changes: u64) {
        self.other_changes += changes;
    }

    /// Changes that commands made since the start to keys of one database, and to what belongs to none.
    #[must_use]
    #[inline]
    pub fn changes_in(&self, database: usize) -> u64 {
        self.databases[database].changes.count + self.other_changes
    }

    /// Whether somebody wants to know what happens to keys; [`Keyspace::drain_changes`] tells then.
    pub fn listen(&mut self, listening: bool) {
        self.listening = listening;
        self.databases.iter_mut().for_each(|db| db.changes.listen(listening));
    }

    /// Something happened that [`Keyspace::drain_changes`] would tell.
    #[must_use]
    pub fn has_changes(&self) -> bool {
        self.listening && self.databases.iter().any(|db| !db.changes.is_empty())
    }

    /// Shows what happened to keys, in order for each database, and forgets it.
    pub fn drain_changes(&mut self, visit: &mut dyn FnMut(usize, Change, &[u8])) {
        for (index, db) in self.databases.iter_mut().enumerate() {
            db.changes.drain(&mut |change, key| visit(index, change, key));
        }
    }

    /// Changes that commands made since the start.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.databases.iter().map(|db| db.changes.count).sum::<u64>() + self.other_changes
    }

    /// Begins to fetch the memory of these keys, all at once rather than one miss after the other. Worth it for a batch of
    /// several commands, just before they run; has no effect that could be seen. `of_collections`: that of values which are
    /// objects of their own, too.
    pub fn prefetch(&self, database: usize, places: &[Place], of_collections: bool) {
        if let Some(db) = self.databases.get(database) {
            db.prefetch(places);
            if of_collections {
                db.prefetch_objects(places);
            }
        }
    }
}
