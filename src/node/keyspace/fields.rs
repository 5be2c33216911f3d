//! Hashes with fields that expire, in the order of their next ones.
//!
//! What is here is found again by its key, so a key may be here that has gone or holds something else by now: it is
//! forgotten when it is due. None is here twice.

use std::{
    collections::{BTreeSet, HashMap},
    ops::ControlFlow,
    sync::Arc,
};

use super::{
    Db, ExpiredOnes, Keyspace,
    changes::{Change, EventClass},
    key::{Key, Place},
    record::RecordRef,
};
use crate::{node::object::Object, time::Millis};

/// Fields that are taken out of one hash before others have their turn.
const FIELDS_PER_TURN: usize = 1024;

/// What malloc and the two collections keep of a key beside its name.
const PER_KEY: usize = 96;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Due {
    of: HashMap<Arc<[u8]>, Millis>,
    order: BTreeSet<(Millis, Arc<[u8]>)>,
    /// Of the keys.
    bytes: usize,
}

impl Due {
    /// A hash has this next deadline. It is left where it is if it is looked at before that: who moves a deadline away
    /// again and again is looked at once for each time that it had.
    fn note(&mut self, key: &[u8], deadline: Millis) {
        match self.of.get_key_value(key) {
            Some((_, before)) if *before <= deadline => {}
            Some((name, before)) => {
                let name = Arc::clone(name);
                self.order.remove(&(*before, Arc::clone(&name)));
                self.of.insert(Arc::clone(&name), deadline);
                self.order.insert((deadline, name));
            }
            None => {
                let name: Arc<[u8]> = Arc::from(key);
                self.bytes += name.len();
                self.of.insert(Arc::clone(&name), deadline);
                self.order.insert((deadline, name));
            }
        }
    }

    fn forget(&mut self, key: &[u8]) {
        if let Some((name, deadline)) = self.of.remove_entry(key) {
            self.bytes -= name.len();
            self.order.remove(&(deadline, name));
        }
    }

    /// The first that is to be looked at.
    fn pop_before(&mut self, now: Millis) -> Option<Arc<[u8]>> {
        if self.order.first()?.0 >= now {
            return None;
        }
        let (_, name) = self.order.pop_first()?;
        self.of.remove(&name);
        self.bytes -= name.len();
        Some(name)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.of.is_empty()
    }

    /// Bytes of memory.
    pub(super) fn bytes(&self) -> usize {
        self.of.len() * PER_KEY + self.bytes
    }
}

/// When the next field of a record expires.
fn next_deadline(record: RecordRef<'_>) -> Option<Millis> {
    match record.object()? {
        Object::Hash(hash) => hash.view().next_deadline(),
        _ => None,
    }
}

impl Db {
    /// Whether there is a hash with a field that expires.
    pub(super) fn has_expiring_fields(&self) -> bool {
        self.fields.of.keys().any(|name| {
            let key = Key::new(name);
            let Some(slot) = self.slots.get(key.place.slot.index()) else { return false };
            let (table, tag) = slot.table(key.place.hash);
            table.find(tag, key.bytes).is_some_and(|at| next_deadline(table.at(at)).is_some())
        })
    }

    /// A hash came, or its fields expire at other times.
    pub(super) fn note_fields(&mut self, place: Place, at: usize) {
        let record = self.record_at(place, at);
        if let Some(deadline) = next_deadline(record) {
            let key = record.key().to_vec();
            self.fields.note(&key, deadline);
        }
    }

    /// The same of a record that has just been put under its key.
    pub(super) fn note_fields_of(fields: &mut Due, record: RecordRef<'_>) {
        if let Some(deadline) = next_deadline(record) {
            fields.note(record.key(), deadline);
        }
    }

    /// A record has gone.
    pub(super) fn forget_fields_of(&mut self, record: RecordRef<'_>) {
        if next_deadline(record).is_some() {
            self.fields.forget(record.key());
        }
    }

    /// Takes fields out of a hash whose time has come; `false` if the key has gone with the last of them.
    pub(super) fn expire_fields(&mut self, key: Key<'_>, at: usize, now: Millis, most: usize) -> bool {
        self.keep(key);
        let before = self.record_at(key.place, at).size();
        if self.expired_ones == ExpiredOnes::StaySeen {
            return true;
        }
        let (mut gone, recording) = (Vec::<Box<[u8]>>::new(), self.changes.is_recording());
        let Some(Object::Hash(hash)) = self.object_at(key.place, at) else { return true };
        let expired = hash.expire(now, most, &mut |field| {
            if recording {
                gone.push(field.into());
            }
        });
        let is_empty = hash.is_empty();
        if expired == 0 {
            return true;
        }
        let after = self.record_at(key.place, at).size();
        self.recount(before, after);
        self.stats.expired_fields += expired as u64;
        gone.iter().for_each(|field| self.changes.report_field(key.bytes, field));
        if is_empty {
            self.discard(key);
            self.changes.note(Change::Removed, key.bytes);
        } else {
            self.changes.note(Change::Written, key.bytes);
        }
        self.event(EventClass::Hash, "hexpired", key.bytes);
        if is_empty {
            self.event(EventClass::Generic, "del", key.bytes);
        }
        !is_empty
    }

    /// Looks at the first hash that is due; `None` if none is. How many fields it lost.
    fn expire_fields_of_next(&mut self, now: Millis) -> Option<u64> {
        let name = self.fields.pop_before(now)?;
        let before = self.stats.expired_fields;
        let key = Key::new(&name);
        let (table, tag) = self.slots.get(key.place.slot.index())?.table(key.place.hash);
        if let Some(at) = table.find(tag, key.bytes)
            && self.expire_fields(key, at, now, FIELDS_PER_TURN)
        {
            self.note_fields(key.place, at);
        }
        Some(self.stats.expired_fields - before)
    }
}

impl Keyspace {
    /// Takes fields out of hashes whose time has come, about `budget` of them; `false` if there are more.
    pub fn expire_fields_cycle(&mut self, now: Millis, budget: usize) -> bool {
        let mut left = budget as u64;
        let finished =
            self.databases.iter_mut().filter(|db| db.expired_ones == ExpiredOnes::Go).try_for_each(|db| {
                while let Some(expired) = db.expire_fields_of_next(now) {
                    left = left.saturating_sub(expired.max(1));
                    if left == 0 {
                        return ControlFlow::Break(());
                    }
                }
                ControlFlow::Continue(())
            });
        finished.is_continue()
    }
}
