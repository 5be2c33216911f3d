//! Values asked for by their type, so that `WRONGTYPE` comes from one place.

mod collection;
mod guard;
#[cfg(test)]
mod tests;

pub use collection::Collection;
pub use guard::Guard;
use guard::Held;

use super::{
    db::{Access, Db},
    entry::Entry,
    key::Key,
    record::{Content, RecordRef, Value},
};
use crate::time::Millis;

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

fn collection<C: Collection>(record: RecordRef<'_>) -> Result<C::Ref<'_>, WrongType> {
    C::read(record.content()).ok_or(WrongType)
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
    ) -> Result<Option<C::Ref<'_>>, WrongType> {
        let Some(at) = self.find_to_read(key, access) else { return Ok(None) };
        if !self.without_due::<C>(key, at, access.now)? {
            return Ok(None);
        }
        collection::<C>(self.record_at(key.place, at)).map(Some)
    }

    /// Takes out of a collection what is due; `false` if it has gone with that.
    fn without_due<C: Collection>(
        &mut self,
        key: Key<'_>,
        at: usize,
        now: Millis,
    ) -> Result<bool, WrongType> {
        let is_due = C::is_due(collection::<C>(self.record_at(key.place, at))?, now);
        Ok(!is_due || self.expire_fields(key, at, now, usize::MAX))
    }

    /// A collection that was found a moment ago: not counted as anything. `None` also where something else is.
    #[must_use]
    pub fn collection<C: Collection>(&self, key: Key<'_>) -> Option<C::Ref<'_>> {
        let (table, tag) = self.slots.get(key.place.slot.index())?.table(key.place.hash);
        let at = table.find(tag, key.bytes)?;
        collection::<C>(self.record_at(key.place, at)).ok()
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
            Some(at) if self.without_due::<C>(key, at, access.now)? => self.guard(key, at).map(Some),
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
            return self.guard(key, at);
        }
        let new = C::new_in(std::mem::take(&mut self.memory));
        let held = Held::New(new, access.aging.initial(access.now));
        Ok(Guard::new(self, key, held))
    }

    fn guard<'a, C: Collection>(&'a mut self, key: Key<'a>, at: usize) -> Result<Guard<'a, C>, WrongType> {
        let record = self.slots[key.place.slot.index()].table(key.place.hash).0.at(at);
        let held = match record.small() {
            Some(small) => {
                let copy = C::copy_in(small, std::mem::take(&mut self.memory));
                Held::Copy(copy.ok_or(WrongType)?, at)
            }
            None => {
                record.object().and_then(C::of).ok_or(WrongType)?;
                Held::Object { at, before: record.size() }
            }
        };
        Ok(Guard::new(self, key, held))
    }
}
