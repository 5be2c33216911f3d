//! One existing key that a command changes.

use super::{
    record::{Record, RecordRef, Value},
    table::Table,
};
use crate::time::Millis;

/// An existing key: its value and expiry may change, its presence not.
#[derive(Debug)]
pub struct Entry<'a> {
    table: &'a mut Table,
    at: usize,
    /// Bytes of all records of the database.
    bytes: &'a mut usize,
}

impl<'a> Entry<'a> {
    pub(super) fn new(table: &'a mut Table, at: usize, bytes: &'a mut usize) -> Self {
        Self { table, at, bytes }
    }

    /// Looks at it.
    #[must_use]
    pub fn record(&self) -> RecordRef<'_> {
        self.table.at(self.at)
    }

    /// The value.
    #[must_use]
    pub fn value(&self) -> Value<'_> {
        self.record().value()
    }

    /// When it expires.
    #[must_use]
    pub fn expiry(&self) -> Option<Millis> {
        self.record().expiry()
    }

    /// Gives it another value; its expiry stays.
    pub fn set_value(&mut self, value: Value<'_>) {
        if !self.table.at_mut(self.at).overwrite(value) {
            let old = self.record();
            let record = Record::new(old.key(), value, old.expiry(), old.age());
            self.counted(|table, at| drop(table.replace(at, record)));
        }
    }

    /// Gives it another value and expiry.
    pub fn set(&mut self, value: Value<'_>, expiry: Option<Millis>) {
        if self.expiry().is_some() == expiry.is_some() && self.table.at_mut(self.at).overwrite(value) {
            self.set_expiry(expiry);
        } else {
            let old = self.record();
            let record = Record::new(old.key(), value, expiry, old.age());
            self.counted(|table, at| drop(table.replace(at, record)));
        }
    }

    /// Changes when it expires.
    pub fn set_expiry(&mut self, expiry: Option<Millis>) {
        if self.expiry().is_some() == expiry.is_some() {
            self.table.set_expiry(self.at, expiry);
        } else {
            self.counted(|table, at| table.set_expiry(at, expiry));
        }
    }

    /// A change that may give the record another block.
    fn counted(&mut self, change: impl FnOnce(&mut Table, usize)) {
        let before = self.record().size();
        change(self.table, self.at);
        *self.bytes = *self.bytes - before + self.record().size();
    }

    /// Sets the bits of [`aging`](super::aging).
    pub fn set_age(&mut self, age: u32) {
        self.table.at_mut(self.at).set_age(age);
    }

    /// Edits the value as a string of `len` bytes: cut, or filled up with zero bytes. Growing often costs O(1) per byte.
    pub fn edit(&mut self, len: usize, change: impl FnOnce(&mut [u8])) {
        if let Value::Int(number) = self.value() {
            self.set_value(Value::Bytes(itoa::Buffer::new().format(number).as_bytes()));
        }
        let old = self.record();
        let cut = match old.value() {
            Value::Bytes(bytes) if len < bytes.len() => {
                Some(Record::new(old.key(), Value::Bytes(&bytes[..len]), old.expiry(), old.age()))
            }
            _ => None,
        };
        if let Some(cut) = cut {
            self.counted(|table, at| drop(table.replace(at, cut)));
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
