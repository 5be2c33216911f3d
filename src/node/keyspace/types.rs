//! Values asked for by their type, so that `WRONGTYPE` comes from one place.

use std::{
    marker::PhantomData,
    ops::{Deref, DerefMut},
};

use super::{
    changes::Change,
    db::{Access, Db},
    entry::Entry,
    fields,
    key::Key,
    record::{Content, Record, RecordRef, Value},
};
use crate::{
    node::object::{Hash, List, Object, Set, SortedSet, Stream},
    time::Millis,
};

/// The key holds a value of another type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("WRONGTYPE Operation against a key holding the wrong kind of value")]
pub struct WrongType;

/// What `TYPE` calls a value.
#[must_use]
pub fn type_name(content: Content<'_>) -> &'static str {
    match content {
        Content::String(_) => "string",
        Content::List(_) => "list",
        Content::Hash(_) => "hash",
        Content::Set(_) => "set",
        Content::SortedSet(_) => "zset",
        Content::Stream(_) => "stream",
    }
}

/// A value that is a collection of its own.
pub trait Collection: Default {
    /// It, if it is of this type.
    fn of(object: &Object) -> Option<&Self>;
    /// It, if it is of this type, to be changed.
    fn of_mut(object: &mut Object) -> Option<&mut Self>;
    /// As it is kept.
    fn into_object(self) -> Object;
    /// Such a collection is not kept.
    fn is_empty(&self) -> bool;
    /// Something in it is to be taken out before anybody looks at it.
    fn is_due(&self, now: Millis) -> bool;
}

macro_rules! collections {
    ($($type:ident: $is_due:expr),*) => {$(
        impl Collection for $type {
            fn of(object: &Object) -> Option<&Self> {
                match object {
                    Object::$type(value) => Some(value),
                    _ => None,
                }
            }

            fn of_mut(object: &mut Object) -> Option<&mut Self> {
                match object {
                    Object::$type(value) => Some(value),
                    _ => None,
                }
            }

            fn into_object(self) -> Object {
                Object::$type(self.into())
            }

            fn is_empty(&self) -> bool {
                $type::is_empty(self)
            }

            fn is_due(&self, now: Millis) -> bool {
                let is_due: fn(&Self, Millis) -> bool = $is_due;
                is_due(self, now)
            }
        }
    )*};
}

collections!(
    Hash: fields::is_due,
    List: |_, _| false,
    Set: |_, _| false,
    SortedSet: |_, _| false,
    Stream: |_, _| false
);

fn collection<C: Collection>(record: RecordRef<'_>) -> Result<&C, WrongType> {
    record.object().and_then(C::of).ok_or(WrongType)
}

impl Db {
    /// Looks a string up to read it: counted as hit or miss, and as use.
    ///
    /// # Errors
    /// The key holds something else.
    #[inline]
    pub fn read_string(&mut self, key: Key<'_>, access: Access) -> Result<Option<Value<'_>>, WrongType> {
        self.read(key, access).map(|record| record.string().ok_or(WrongType)).transpose()
    }

    /// Looks a string up to change it: counted as use.
    ///
    /// # Errors
    /// The key holds something else.
    pub fn write_string(&mut self, key: Key<'_>, access: Access) -> Result<Option<Entry<'_>>, WrongType> {
        match self.write(key, access) {
            Some(entry) if entry.string().is_none() => Err(WrongType),
            entry => Ok(entry),
        }
    }

    /// Looks a collection up to read it: counted as hit or miss, and as use.
    ///
    /// # Errors
    /// The key holds something else.
    pub fn read_collection<C: Collection>(
        &mut self,
        key: Key<'_>,
        access: Access,
    ) -> Result<Option<&C>, WrongType> {
        let Some(at) = self.find_to_read(key, access) else { return Ok(None) };
        if !self.without_due::<C>(key, at, access.now)? {
            return Ok(None);
        }
        collection(self.record_at(key.place, at)).map(Some)
    }

    /// Takes out of a collection what is due; `false` if it has gone with that.
    fn without_due<C: Collection>(
        &mut self,
        key: Key<'_>,
        at: usize,
        now: Millis,
    ) -> Result<bool, WrongType> {
        let is_due = collection::<C>(self.record_at(key.place, at))?.is_due(now);
        Ok(!is_due || self.expire_fields(key, at, now, usize::MAX))
    }

    /// A collection that was found a moment ago: not counted as anything. `None` also where something else is.
    #[must_use]
    pub fn collection<C: Collection>(&self, key: Key<'_>) -> Option<&C> {
        let (table, tag) = self.slots.get(key.place.slot.index())?.table(key.place.hash);
        let at = table.find(tag, key.bytes)?;
        collection(self.record_at(key.place, at)).ok()
    }

    /// Looks a collection up to change it: counted as use.
    ///
    /// # Errors
    /// The key holds something else.
    pub fn write_collection<'a, C: Collection>(
        &'a mut self,
        key: Key<'a>,
        access: Access,
    ) -> Result<Option<Guard<'a, C>>, WrongType> {
        match self.find_to_write(key, access) {
            Some(at) if self.without_due::<C>(key, at, access.now)? => self.guard(key, at, false).map(Some),
            _ => Ok(None),
        }
    }

    /// The same, and an empty one where there is none.
    ///
    /// # Errors
    /// The key holds something else.
    pub fn get_or_create<'a, C: Collection>(
        &'a mut self,
        key: Key<'a>,
        access: Access,
    ) -> Result<Guard<'a, C>, WrongType> {
        if let Some(at) = self.find_to_write(key, access)
            && self.without_due::<C>(key, at, access.now)?
        {
            return self.guard(key, at, false);
        }
        let object = Box::new(C::default().into_object());
        self.add(key.place, Record::of_object(key.bytes, object, None, access.aging.initial(access.now)));
        let at = self.find_to_write(key, access).expect("added a moment ago");
        self.guard(key, at, true)
    }

    fn guard<'a, C: Collection>(
        &'a mut self,
        key: Key<'a>,
        at: usize,
        created: bool,
    ) -> Result<Guard<'a, C>, WrongType> {
        let record = self.record_at(key.place, at);
        collection::<C>(record)?;
        let before = record.size();
        Ok(Guard { db: self, key, at, before, changed: false, created, of: PhantomData })
    }
}

/// A collection that a command works on. When it is done, what was changed is counted and reported, and an empty collection is removed.
#[derive(Debug)]
pub struct Guard<'a, C: Collection> {
    db: &'a mut Db,
    key: Key<'a>,
    /// The cell, which stays the same while the guard has the database.
    at: usize,
    /// Bytes before.
    before: usize,
    changed: bool,
    created: bool,
    of: PhantomData<C>,
}

impl<C: Collection> Guard<'_, C> {
    /// Works on the collection and returns how much that changed. Nobody is told of one that stays as it is.
    pub fn count_changes(&mut self, work: impl FnOnce(&mut C) -> usize) -> usize {
        let changed = self.changed;
        let count = work(self);
        self.changed = changed || count > 0;
        count
    }
}

impl<C: Collection> Deref for Guard<'_, C> {
    type Target = C;

    fn deref(&self) -> &C {
        let record = self.db.record_at(self.key.place, self.at);
        collection(record).expect("its type was seen when the guard was made")
    }
}

impl<C: Collection> DerefMut for Guard<'_, C> {
    fn deref_mut(&mut self) -> &mut C {
        self.changed = true;
        let object = self.db.object_at(self.key.place, self.at);
        object.and_then(C::of_mut).expect("its type was seen when the guard was made")
    }
}

impl<C: Collection> Drop for Guard<'_, C> {
    fn drop(&mut self) {
        let empty = self.is_empty();
        let after = self.db.record_at(self.key.place, self.at).size();
        self.db.recount(self.before, after);
        if empty {
            self.db.discard(self.key);
            if !self.created {
                self.db.changes.report(Change::Removed, self.key.bytes);
            }
            return;
        }
        if self.changed {
            self.db.note_fields(self.key.place, self.at);
        }
        if self.created {
            self.db.changes.note(Change::Created, self.key.bytes);
            self.db.changes.report(Change::Written, self.key.bytes);
        } else if self.changed {
            self.db.changes.report(Change::Written, self.key.bytes);
        }
    }
}
