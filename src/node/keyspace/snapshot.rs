//! A point in time of all databases, written down while they go on changing.
//!
//! A walk goes over the tables in the order of hashes, a slice at a time, and knows how far it has come. A key that is about to change
//! and that the walk has not reached is written ahead, as it is then, and passed over later; so is a key that comes anew, of which
//! there is nothing to write. A database that is emptied gives its tables to the walk. So what is written is what there was when the
//! snapshot began, whatever happens meanwhile. While there is none, a change costs one branch.
//!
//! Costs: a slice is bounded, but for one value: a large collection is written in one piece, and so is one that is changed before the walk
//! reaches it (some 100 ns for each element). What is written ahead stays in memory until the next slice takes it, at most once
//! the data; the names of changed keys that the walk has not reached stay too.

use std::{collections::HashSet, ops::ControlFlow};

use super::{
    Garbage, Keyspace,
    db::Db,
    key::{Key, Place},
    record::RecordRef,
    slot::{self, Slot},
};
use crate::node::rdb::{
    Draft,
    file::{Used, write_entry},
};

/// What a slice may cost: as many bytes of draft, with this much more for each record and each slot that is looked at.
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

    fn write(&mut self, record: RecordRef<'_>) {
        write_entry(&mut self.draft, record, self.used);
        self.written += 1;
    }

    /// Goes on until the budget is used up; whether that was the end.
    fn walk(&mut self, slots: &[Slot]) -> bool {
        let mut left = SLICE;
        while let Some(slot) = slots.get(self.position.0) {
            let Self { draft, done, names, used, written, .. } = self;
            let next = slot.walk(self.position.1, &mut |record| {
                let before = draft.len();
                if done.is_empty() || !done.remove(record.key()) {
                    write_entry(draft, record, *used);
                    *written += 1;
                } else {
                    *names -= record.key().len();
                }
                left = left.saturating_sub(draft.len() - before + RECORD);
                if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            });
            if let Some(threshold) = next {
                self.position.1 = threshold;
                return false;
            }
            self.position = (self.position.0 + 1, 0);
            left = left.saturating_sub(SLOT);
            if left == 0 {
                break;
            }
        }
        self.position.0 >= slots.len()
    }

    fn bytes(&self) -> usize {
        self.draft.len() + self.names + self.done.len() * PER_NAME
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
        if let Some(slot) = self.slots.get(key.place.slot.index()) {
            let (table, tag) = slot.table(key.place.hash);
            if let Some(at) = table.find(tag, key.bytes) {
                ahead.write(table.at(at));
            }
        }
        ahead.pass_over(key.bytes);
    }

    /// A record was taken out.
    #[inline]
    pub(super) fn keep_removed(ahead: &mut Option<Box<Ahead>>, record: RecordRef<'_>) {
        if let Some(ahead) = ahead {
            let key = Key::new(record.key());
            if ahead.wants(key) {
                ahead.write(record);
                ahead.pass_over(key.bytes);
            }
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
        for (database, db) in self.databases.iter_mut().enumerate() {
            db.ahead = None;
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
                used,
                written: 0,
            }));
        }
        outline
    }

    /// Goes on with the snapshot, through the databases in the order of their numbers. Takes some hundred microseconds, and as long
    /// as it takes to write the last value.
    pub fn snapshot_slice(&mut self) -> Slice {
        let mut slice = Slice { is_last: true, ..Slice::default() };
        let part_of = |db: &Db| db.ahead.as_ref().map_or(usize::MAX, |ahead| ahead.database);
        let mut parts: Vec<&mut Db> = self.databases.iter_mut().filter(|db| db.ahead.is_some()).collect();
        parts.sort_by_key(|db| part_of(db));
        for (index, db) in parts.into_iter().enumerate() {
            let Db { ahead: part, slots, .. } = db;
            let Some(ahead) = part.as_deref_mut() else { continue };
            let mut is_done = false;
            if index == 0 {
                let emptied = ahead.emptied.take();
                is_done = ahead.walk(emptied.as_deref().unwrap_or(slots));
                ahead.emptied = emptied;
            }
            slice.is_last &= is_done;
            slice.keys += std::mem::take(&mut ahead.written);
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
        for ahead in self.databases.iter_mut().filter_map(|db| db.ahead.take()) {
            if let Some(emptied) = ahead.emptied {
                garbage.add(Garbage::of_slots(emptied));
            }
        }
        garbage
    }

    /// Bytes of memory that are kept for a snapshot and would not be there without it.
    #[must_use]
    pub fn snapshot_bytes(&self) -> usize {
        self.databases.iter().filter_map(|db| db.ahead.as_ref()).map(|ahead| ahead.bytes()).sum()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::{
        node::{
            keyspace::{Access, Aging, Ttl, Value},
            object::{Hash, hash::Limits},
            rdb::{self, Forms, Restored, file},
        },
        time::Millis,
    };

    type Model = BTreeMap<(usize, Vec<u8>), Vec<u8>>;

    const DATABASES: usize = 3;

    fn model(keyspace: &Keyspace) -> Model {
        let mut model = Model::new();
        for database in 0..keyspace.databases() {
            keyspace.db(database).for_each(&mut |record| {
                let value = [rdb::dump(record.content()), format!("{:?}", record.expiry()).into_bytes()];
                model.insert((database, record.key().to_vec()), value.concat());
            });
        }
        model
    }

    /// What a file holds that was made of the slices.
    fn read(slices: &[(usize, Draft)]) -> Model {
        let settings = file::Settings { has_expiring_fields: true, compresses: false, sums: false };
        let mut writer = file::Writer::new(Vec::new(), settings).expect("memory takes all");
        for (database, draft) in slices {
            writer.select(*database).expect("as above");
            writer.draft(draft).expect("as above");
        }
        let bytes = writer.finish().expect("as above");
        let mut reader = file::Reader::new(bytes.as_slice(), Forms::default(), true).expect("a header");
        let mut model = Model::new();
        while let Some(item) = reader.next().expect("whole") {
            let file::Item::Entry(entry) = item else { continue };
            let record = match entry.value {
                Restored::String(text) => {
                    super::super::Record::new(entry.key, Value::of_string(&text), None, 0)
                }
                Restored::Object(object) => super::super::Record::of_object(entry.key, object, None, 0),
            };
            let value =
                [rdb::dump(record.as_ref().content()), format!("{:?}", entry.expiry).into_bytes()].concat();
            let twice = model.insert((entry.database, entry.key.to_vec()), value);
            assert!(twice.is_none(), "{:?} twice", entry.key.escape_ascii().to_string());
        }
        model
    }

    fn access(now: i64) -> Access {
        Access { now: Millis(now), aging: Aging::Lru, touch: true }
    }

    /// Something that changes keys, by all the ways there are.
    fn change(keyspace: &mut Keyspace, random: &mut fastrand::Rng, keys: u32, now: i64) {
        let name = random.u32(..keys).to_string();
        let (key, db) = (Key::new(name.as_bytes()), random.usize(..DATABASES));
        let access = access(now);
        match random.u32(..100) {
            0 => drop(keyspace.db_mut(db).clear()),
            1 => drop(keyspace.clear()),
            2 if db > 0 => keyspace.swap(0, db),
            3 => drop(keyspace.expire_cycle(Millis(now), 300)),
            4..15 => drop(keyspace.db_mut(db).delete(key, access.now)),
            15..25 => {
                if let Some(mut entry) = keyspace.db_mut(db).write(key, access) {
                    entry.set_expiry(Some(Millis(now + i64::from(random.u32(..50)))));
                }
            }
            25..50 => {
                if let Ok(mut hash) = keyspace.db_mut(db).get_or_create::<Hash>(key, access) {
                    let field = random.u32(..9).to_string();
                    hash.set(field.as_bytes(), b"v", Limits::default());
                    if field == "3" {
                        hash.set_deadline(b"3", Millis(now + 20));
                    }
                }
            }
            50..60 => drop(keyspace.db_mut(db).read_collection::<Hash>(key, access)),
            60..65 => drop(keyspace.expire_fields_cycle(Millis(now), 10)),
            65..70 => {
                if let Some(record) = keyspace.db_mut(db).remove(key, access.now) {
                    keyspace.db_mut((db + 1) % DATABASES).put(record);
                }
            }
            _ => {
                let ttl = if random.bool() { Ttl::None } else { Ttl::At(Millis(now + 30)) };
                let value = vec![b'x'; random.usize(..300)];
                keyspace.db_mut(db).set(key, Value::Bytes(&value), ttl, access);
            }
        }
    }

    #[test]
    fn it_is_what_there_was_when_it_began_whatever_happens_meanwhile() {
        for seed in 0..24 {
            let mut random = fastrand::Rng::with_seed(seed);
            let mut keyspace = Keyspace::new(DATABASES);
            let keys = [40, 3000][random.usize(..2)];
            let mut now = 0;
            for _ in 0..4 * keys {
                change(&mut keyspace, &mut random, keys, now);
                now += i64::from(random.u32(..40) == 0);
            }
            let expected = model(&keyspace);
            let outline = keyspace.begin_snapshot(Used::Unsaid);
            assert_eq!(outline.parts.iter().map(|part| part.keys).sum::<usize>(), expected.len());
            let (mut drafts, mut written) = (Vec::new(), 0);
            loop {
                for _ in 0..random.u32(..200) {
                    change(&mut keyspace, &mut random, keys, now);
                    now += i64::from(random.u32(..40) == 0);
                }
                let slice = keyspace.snapshot_slice();
                drafts.extend(slice.drafts);
                written += slice.keys;
                if slice.is_last {
                    break;
                }
            }
            assert_eq!(
                (read(&drafts), written),
                (expected, outline.parts.iter().map(|part| part.keys as u64).sum()),
                "seed {seed}"
            );
            assert_eq!(keyspace.snapshot_bytes(), 0);
        }
    }

    #[test]
    fn what_is_abandoned_leaves_nothing() {
        let mut keyspace = Keyspace::new(DATABASES);
        for number in 0..1000_u32 {
            keyspace.db_mut(0).set(Key::new(&number.to_le_bytes()), Value::Int(1), Ttl::None, access(0));
        }
        keyspace.begin_snapshot(Used::Unsaid);
        assert!(keyspace.db_mut(0).delete(Key::new(&7_u32.to_le_bytes()), Millis(0)));
        assert!(keyspace.snapshot_bytes() > 0);
        assert_eq!(keyspace.clear().objects(), 0, "the snapshot has them");
        drop(keyspace.abandon_snapshot());
        assert_eq!(keyspace.snapshot_bytes(), 0);
        assert!(keyspace.snapshot_slice().is_last);
    }
}
