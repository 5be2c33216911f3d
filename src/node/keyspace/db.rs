//! One database: 16384 slots, and what commands do with keys. Walks over them: [`walk`].

mod walk;

use super::{
    aging::Aging,
    changes::{Change, Changes, EventClass},
    entry::Entry,
    fields::Due,
    garbage::{Bin, Garbage},
    key::{Key, Place},
    record::{Record, RecordRef, Value},
    slot::Slot,
    snapshot::Ahead,
    table::Totals,
};
use crate::{node::object::Object, slot::SLOTS, time::Millis};

/// Slots are counted in groups, so that empty stretches are skipped and the n-th key is found quickly.
const GROUP: usize = 128;

/// How a command looks keys up.
#[derive(Clone, Copy, Debug)]
pub struct Access {
    /// The command's clock.
    pub now: Millis,
    /// What a use of a key writes down.
    pub aging: Aging,
    /// Whether looking counts as use.
    pub touch: bool,
}

/// What happens to the expiry of a key that is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ttl {
    /// It stays.
    Keep,
    /// There is none.
    None,
    /// At this time.
    At(Millis),
}

/// Counters since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Reads of keys that were there.
    pub hits: u64,
    /// Reads of keys that were not.
    pub misses: u64,
    /// Keys removed because their time had come.
    pub expired: u64,
    /// Keys removed because there was no more room.
    pub evicted: u64,
    /// Fields of hashes removed because their time had come.
    pub expired_fields: u64,
}

impl std::iter::Sum for Stats {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |sum, one| Self {
            hits: sum.hits + one.hits,
            misses: sum.misses + one.misses,
            expired: sum.expired + one.expired,
            evicted: sum.evicted + one.evicted,
            expired_fields: sum.expired_fields + one.expired_fields,
        })
    }
}

/// One database.
#[derive(Debug, Default)]
pub struct Db {
    /// None before the first key.
    pub(super) slots: Vec<Slot>,
    /// Keys in each group of slots.
    groups: Vec<u32>,
    len: usize,
    pub(super) totals: Totals,
    pub(super) stats: Stats,
    pub(super) changes: Changes,
    pub(super) bin: Bin,
    pub(super) fields: Due,
    /// What a snapshot has yet to write of it.
    pub(super) ahead: Option<Box<Ahead>>,
    random: Random,
    /// In which small collections are changed, one after the other.
    pub(super) memory: Vec<u8>,
    /// What becomes of keys and fields whose time has come.
    pub(super) expired_ones: ExpiredOnes,
}

/// What becomes of keys and fields whose time has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ExpiredOnes {
    /// Whoever comes upon them takes them out.
    #[default]
    Go,
    /// They are not there, and stay nevertheless: nothing is to change that others hear of.
    StayHidden,
    /// They are there: what a journal does to them was done before their time had come.
    StaySeen,
}

/// Seeded by the operating system: by itself the generator would look at a clock, and a keyspace reads none.
#[derive(Debug)]
struct Random(fastrand::Rng);

impl Default for Random {
    fn default() -> Self {
        Self(fastrand::Rng::with_seed(getrandom::u64().expect("the operating system gives random bytes")))
    }
}

impl Db {
    /// Keys, expired ones included that nobody looked up and the cycle has not reached yet.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// No keys.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Since the start.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.stats
    }

    /// Counts again from there: what was counted since is to be done once more.
    pub fn set_stats(&mut self, stats: Stats) {
        self.stats = stats;
    }

    /// Keys with an expiry.
    #[must_use]
    pub fn expiring(&self) -> usize {
        self.totals.expiring
    }

    /// Finds a key; removes it instead if its time has come.
    fn find(&mut self, key: Key<'_>, now: Millis) -> Option<usize> {
        let (table, tag) = self.slots.get(key.place.slot.index())?.table(key.place.hash);
        let at = table.find(tag, key.bytes)?;
        if table.at(at).expiry().is_some_and(|expiry| expiry < now) {
            match self.expired_ones {
                ExpiredOnes::Go => self.expired(key),
                ExpiredOnes::StayHidden => {}
                ExpiredOnes::StaySeen => return Some(at),
            }
            return None;
        }
        Some(at)
    }

    /// Takes a key out whose time has come.
    fn expired(&mut self, key: Key<'_>) {
        self.discard(key);
        self.stats.expired += 1;
        self.changes.report_expired(key.bytes);
    }

    /// A cell that [`Db::find`] found.
    pub(super) fn entry(&mut self, place: Place, at: usize) -> Entry<'_> {
        let (table, _) = self.slots[place.slot.index()].table_mut(place.hash);
        Entry::new(table, at, &mut self.totals, &mut self.changes, &mut self.bin)
    }

    /// The record in a cell that was found.
    pub(super) fn record_at(&self, place: Place, at: usize) -> RecordRef<'_> {
        self.slots[place.slot.index()].table(place.hash).0.at(at)
    }

    /// The object in a cell that was found, to be changed; [`Db::recount`] follows.
    pub(super) fn object_at(&mut self, place: Place, at: usize) -> Option<&mut Object> {
        self.slots[place.slot.index()].table_mut(place.hash).0.at_mut(at).into_object()
    }

    /// A record has another size.
    pub(super) fn recount(&mut self, before: usize, after: usize) {
        self.totals.records = self.totals.records - before + after;
    }

    /// Gives what a command does to a key its name.
    #[inline]
    pub fn event(&mut self, class: EventClass, name: &'static str, key: &[u8]) {
        self.changes.note(Change::Event(class, name), key);
    }

    fn touch(&mut self, place: Place, at: usize, access: Access) {
        if access.touch {
            let random = if access.aging == Aging::Lru { 0 } else { self.random.0.u64(..) };
            let mut entry = self.entry(place, at);
            let (age, touched) =
                (entry.record().age(), access.aging.touched(entry.record().age(), access.now, random));
            if age != touched {
                entry.set_age(touched);
            }
        }
    }

    /// Looks a key up to read it: counted as hit or miss, and as use.
    pub fn read(&mut self, key: Key<'_>, access: Access) -> Option<RecordRef<'_>> {
        let at = self.find_to_read(key, access)?;
        Some(self.record_at(key.place, at))
    }

    /// The cell of a key that is to be read: counted as hit or miss, and as use.
    pub(super) fn find_to_read(&mut self, key: Key<'_>, access: Access) -> Option<usize> {
        let Some(at) = self.find(key, access.now) else {
            self.stats.misses += 1;
            self.changes.note(Change::Event(EventClass::Miss, "keymiss"), key.bytes);
            return None;
        };
        self.stats.hits += 1;
        self.touch(key.place, at, access);
        Some(at)
    }

    /// Looks a key up without using it (TYPE, TTL, OBJECT): counted as hit or miss.
    pub fn peek(&mut self, key: Key<'_>, access: Access) -> Option<RecordRef<'_>> {
        self.read(key, Access { touch: false, ..access })
    }

    /// Looks a key up to change it: counted as use.
    pub fn write(&mut self, key: Key<'_>, access: Access) -> Option<Entry<'_>> {
        let at = self.find_to_write(key, access)?;
        Some(self.entry(key.place, at))
    }

    /// The cell of a key that is to be changed: counted as use.
    pub(super) fn find_to_write(&mut self, key: Key<'_>, access: Access) -> Option<usize> {
        let at = self.find(key, access.now)?;
        self.keep(key);
        self.touch(key.place, at, access);
        Some(at)
    }

    /// Whether a key is there; not counted at all.
    pub fn contains(&mut self, key: Key<'_>, now: Millis) -> bool {
        self.find(key, now).is_some()
    }

    /// Gives a key this value, whether it was there or not.
    pub fn set(&mut self, key: Key<'_>, value: Value<'_>, ttl: Ttl, access: Access) {
        let expiry = match ttl {
            Ttl::At(expiry) => Some(expiry),
            Ttl::Keep | Ttl::None => None,
        };
        match self.find(key, access.now) {
            Some(at) => {
                self.keep(key);
                // A new value is a new object: it is as young as one, unless how often its key is used counts.
                self.touch(
                    key.place,
                    at,
                    Access { touch: access.touch || access.aging == Aging::Lru, ..access },
                );
                let mut entry = self.entry(key.place, at);
                match ttl {
                    Ttl::Keep => entry.set_value(value),
                    Ttl::None | Ttl::At(_) => entry.set(value, expiry),
                }
            }
            None => {
                self.add(key.place, Record::new(key.bytes, value, expiry, access.aging.initial(access.now)));
                self.changes.note(Change::Created, key.bytes);
                self.changes.report(Change::Written, key.bytes);
            }
        }
    }

    /// Changes that commands made here since the start.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.changes.count
    }

    /// What was done since there were `before` changes counts as so many, however many keys it took.
    pub fn count_as(&mut self, before: u64, changes: usize) {
        self.changes.count = before + changes as u64;
    }

    /// Adds an empty string whose key is not there, to be edited at once: that is the one change.
    pub fn create(&mut self, key: Key<'_>, access: Access) {
        self.add(
            key.place,
            Record::new(key.bytes, Value::Bytes(b""), None, access.aging.initial(access.now)),
        );
        self.changes.note(Change::Created, key.bytes);
    }

    /// Puts a record under its key, in place of what is there.
    pub fn put(&mut self, record: Record) {
        let key = Key::new(record.as_ref().key());
        let place = key.place;
        if !self.discard(key) {
            self.changes.note(Change::Created, key.bytes);
        }
        self.changes.report(Change::Written, key.bytes);
        self.add(place, record);
    }

    /// Takes a record from a file, of which nobody is told; `false` if its key is there and is not to be replaced.
    pub fn load(&mut self, record: Record, replaces: bool) -> bool {
        let key = Key::new(record.as_ref().key());
        let place = key.place;
        let is_there = self.slots.get(place.slot.index()).is_some_and(|slot| {
            let (table, tag) = slot.table(place.hash);
            table.find(tag, key.bytes).is_some()
        });
        if is_there && !replaces {
            return false;
        }
        if is_there {
            self.discard(key);
        }
        self.add(place, record);
        true
    }

    /// Adds a record whose key is not there.
    pub(super) fn add(&mut self, place: Place, record: Record) {
        if self.slots.is_empty() {
            self.slots.resize_with(SLOTS, Slot::default);
            self.groups.resize(SLOTS / GROUP, 0);
        }
        if self.expired_ones == ExpiredOnes::StayHidden {
            // It may be there, and its time have come.
            self.discard(Key::new(record.as_ref().key()));
        }
        self.keep(Key::with_place(record.as_ref().key(), place));
        let slot = place.slot.index();
        self.totals.records += record.as_ref().size();
        Self::note_fields_of(&mut self.fields, record.as_ref());
        self.slots[slot].insert(place.hash, record, &mut self.totals);
        self.groups[slot / GROUP] += 1;
        self.len += 1;
    }

    /// Takes a key out for good; `false` if it was not there.
    pub(super) fn discard(&mut self, key: Key<'_>) -> bool {
        let Some(record) = self.take(key) else { return false };
        self.bin.discard(record);
        true
    }

    /// Takes out what was not freed because it takes long.
    pub(super) fn empty_bin(&mut self) -> Option<Garbage> {
        (!self.bin.thrown.is_empty())
            .then(|| Garbage { records: std::mem::take(&mut self.bin.thrown), ..Garbage::default() })
    }

    /// Removes a key; `false` if it was not there or its time had come.
    pub fn delete(&mut self, key: Key<'_>, now: Millis) -> bool {
        let Some(record) = self.take_living(key, now) else { return false };
        self.bin.discard(record);
        true
    }

    pub(super) fn take(&mut self, key: Key<'_>) -> Option<Record> {
        self.keep(key);
        let slot = key.place.slot.index();
        let record = self.slots.get_mut(slot)?.remove(key.place.hash, key.bytes, &mut self.totals)?;
        self.count_removed(slot, 1, record.as_ref().size());
        self.forget_fields_of(record.as_ref());
        Some(record)
    }

    /// After records of a slot were taken out of its tables; `bytes` is their size.
    pub(super) fn count_removed(&mut self, slot: usize, keys: usize, bytes: usize) {
        self.groups[slot / GROUP] -= u32::try_from(keys).expect("no more than were counted");
        self.len -= keys;
        self.totals.records -= bytes;
    }

    /// Takes a key out, to be put elsewhere; `None` if it was not there or its time had come.
    pub fn remove(&mut self, key: Key<'_>, now: Millis) -> Option<Record> {
        let mut record = self.take_living(key, now)?;
        self.keep_moved(&mut record);
        Some(record)
    }

    fn take_living(&mut self, key: Key<'_>, now: Millis) -> Option<Record> {
        let record = self.take(key)?;
        if record.as_ref().expiry().is_some_and(|expiry| expiry < now)
            && self.expired_ones != ExpiredOnes::StaySeen
        {
            self.stats.expired += 1;
            self.changes.report_expired(key.bytes);
            self.bin.discard(record);
            return None;
        }
        self.changes.report(Change::Removed, key.bytes);
        Some(record)
    }

    /// Takes a key out because there is no more room.
    pub(super) fn remove_evicted(&mut self, key: Key<'_>) {
        if self.discard(key) {
            self.stats.evicted += 1;
            self.changes.report_evicted(key.bytes);
        }
    }

    /// Whether a key is there, and expires if that is asked for.
    pub(super) fn is_evictable(&self, key: Key<'_>, volatile: bool) -> bool {
        let Some(slot) = self.slots.get(key.place.slot.index()) else { return false };
        let (table, tag) = slot.table(key.place.hash);
        table.find(tag, key.bytes).is_some_and(|at| !volatile || table.at(at).expiry().is_some())
    }

    /// A number by chance.
    pub(super) fn chance(&mut self) -> u64 {
        self.random.0.u64(..)
    }

    /// Empties the database; its counters go on.
    pub fn clear(&mut self) -> Garbage {
        self.groups = Vec::new();
        self.totals = Totals::default();
        self.fields = Due::default();
        self.changes.count += self.len as u64;
        let (mut keys, records) = (std::mem::take(&mut self.len), std::mem::take(&mut self.bin.thrown));
        if self.keep_emptied() {
            keys = 0;
        }
        Garbage { slots: vec![std::mem::take(&mut self.slots)], records, keys }
    }

    /// Bytes of tables, without the records.
    #[must_use]
    pub fn table_bytes(&self) -> usize {
        size_of_val(&*self.slots) + self.totals.rings + self.fields.bytes()
    }

    /// Bytes that the allocator gave for the records.
    #[must_use]
    pub fn record_bytes(&self) -> usize {
        self.totals.records
    }
}
