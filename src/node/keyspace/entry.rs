//! One existing key that a command changes.

use bytes::Bytes;

use super::{
    changes::{Change, Changes},
    garbage::Bin,
    record::{LARGE, Record, RecordRef, Value},
    table::{Table, Totals},
};
use crate::{
    node::object::{Object, Small},
    time::Millis,
};

/// An existing key: its value and expiry may change, its presence not.
#[derive(Debug)]
pub struct Entry<'a> {
    table: &'a mut Table,
    at: usize,
    totals: &'a mut Totals,
    changes: &'a mut Changes,
    /// For values that are replaced.
    bin: &'a mut Bin,
}

impl<'a> Entry<'a> {
    pub(super) fn new(
        table: &'a mut Table,
        at: usize,
        totals: &'a mut Totals,
        changes: &'a mut Changes,
        bin: &'a mut Bin,
    ) -> Self {
        Self { table, at, totals, changes, bin }
    }

    fn report(&mut self, change: Change) {
        self.changes.report(change, self.table.at(self.at).key());
    }

    /// Looks at it.
    #[must_use]
    pub fn record(&self) -> RecordRef<'_> {
        self.table.at(self.at)
    }

    /// The value, if it is a string.
    #[must_use]
    pub fn string(&self) -> Option<Value<'_>> {
        self.record().string()
    }

    /// When it expires.
    #[must_use]
    pub fn expiry(&self) -> Option<Millis> {
        self.record().expiry()
    }

    /// Gives it another value; its expiry stays.
    pub fn set_value(&mut self, value: Value<'_>) {
        self.replace_value(value);
        self.report(Change::Written);
    }

    fn replace_value(&mut self, value: Value<'_>) {
        if !self.table.at_mut(self.at).overwrite(value) {
            let old = self.record();
            let record = Record::new(old.key(), value, old.expiry(), old.age());
            self.replace(record);
        }
    }

    /// Gives it another value and expiry.
    pub fn set(&mut self, value: Value<'_>, expiry: Option<Millis>) {
        if self.expiry().is_some() == expiry.is_some() && self.table.at_mut(self.at).overwrite(value) {
            self.replace_expiry(expiry);
        } else {
            let old = self.record();
            let record = Record::new(old.key(), value, expiry, old.age());
            self.replace(record);
        }
        self.report(Change::Written);
    }

    /// Changes when it expires.
    pub fn set_expiry(&mut self, expiry: Option<Millis>) {
        self.replace_expiry(expiry);
        self.report(Change::ExpiryChanged);
    }

    fn replace_expiry(&mut self, expiry: Option<Millis>) {
        if self.expiry().is_some() == expiry.is_some() {
            self.table.set_expiry(self.at, expiry);
        } else {
            self.counted(|table, at| table.set_expiry(at, expiry));
        }
    }

    /// Puts another record with the same key in its place.
    fn replace(&mut self, record: Record) {
        let mut old = None;
        self.counted(|table, at| old = Some(table.replace(at, record)));
        if let Some(old) = old {
            self.bin.discard(old);
        }
    }

    /// Puts a small collection in place of the value.
    pub(super) fn put_small(&mut self, small: Small<'_>) {
        if !self.table.at_mut(self.at).overwrite_small(small) {
            let old = self.record();
            let record = Record::of_small(old.key(), small, old.expiry(), old.age());
            self.replace(record);
        }
    }

    /// Puts an object in place of the value.
    pub(super) fn put_object(&mut self, object: Object) {
        let old = self.record();
        let record = Record::of_object(old.key(), object, old.expiry(), old.age());
        self.replace(record);
    }

    /// Puts what an object is, if it is small, into the block.
    pub(super) fn move_into_block(&mut self) {
        let old = self.record();
        if let Some(small) = old.object().and_then(Object::small) {
            let record = Record::of_small(old.key(), small, old.expiry(), old.age());
            self.replace(record);
        }
    }

    /// A change that may give the record another block.
    fn counted(&mut self, change: impl FnOnce(&mut Table, usize)) {
        let before = self.record().size();
        self.totals.follow(self.table, |table| change(table, self.at));
        self.totals.records = self.totals.records - before + self.record().size();
    }

    /// Sets the bits of [`aging`](super::aging).
    pub fn set_age(&mut self, age: u32) {
        self.table.at_mut(self.at).set_age(age);
    }

    /// Edits a string, as one of `len` bytes: cut, or filled up with zero bytes. Growing often costs O(1) per byte. A large string is
    /// edited where it is, unless a reply that is on its way has a part in it: then it is copied once.
    ///
    /// # Panics
    /// If the value is not a string.
    pub fn edit(&mut self, len: usize, change: impl FnOnce(&mut [u8])) {
        let held = match self.string().expect("only strings are edited") {
            Value::Int(number) => {
                self.replace_value(Value::Bytes(itoa::Buffer::new().format(number).as_bytes()));
                None
            }
            Value::Bytes(bytes) if len >= LARGE => Some(bytes.to_vec()),
            Value::Bytes(_) => None,
            Value::Shared(_) => Some(self.take_large()),
        };
        match held {
            Some(bytes) => self.edit_large(bytes, len, change),
            None => self.edit_in_block(len, change),
        }
        self.report(Change::Written);
    }

    /// The bytes of a large string, which the record does without from here on.
    fn take_large(&mut self) -> Vec<u8> {
        let mut taken = Bytes::new();
        self.counted(|table, at| {
            if let Some(Object::String(bytes)) = table.at_mut(at).object() {
                taken = std::mem::take(bytes);
            }
        });
        match taken.try_into_mut() {
            Ok(bytes) => bytes.into(),
            Err(shared) => shared.to_vec(),
        }
    }

    fn edit_large(&mut self, mut bytes: Vec<u8>, len: usize, change: impl FnOnce(&mut [u8])) {
        if bytes.capacity() < len {
            // A mebibyte at a time, as in Redis; the system moves pages then, not bytes.
            bytes.reserve_exact(len + (len / 2).min(1 << 20) - bytes.len());
        }
        bytes.resize(len, 0);
        change(&mut bytes);
        let value = Bytes::from(bytes);
        let old = self.record();
        let mut record = Record::new(old.key(), Value::Shared(&value), old.expiry(), old.age());
        record.as_mut().set_edited();
        self.replace(record);
    }

    fn edit_in_block(&mut self, len: usize, change: impl FnOnce(&mut [u8])) {
        let old = self.record();
        let cut = match old.string() {
            Some(Value::Bytes(bytes)) if len < bytes.len() => {
                Some(Record::new(old.key(), Value::Bytes(&bytes[..len]), old.expiry(), old.age()))
            }
            _ => None,
        };
        if let Some(cut) = cut {
            self.replace(cut);
        } else if !self.table.at_mut(self.at).resize(len) {
            self.counted(|table, at| table.grow(at, len));
            let resized = self.table.at_mut(self.at).resize(len);
            debug_assert!(resized, "grown to fit");
        }
        let mut record = self.table.at_mut(self.at);
        record.set_edited();
        change(record.bytes_mut());
    }
}
