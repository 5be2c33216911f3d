//! What is freed where it disturbs nobody.

use super::{record::Record, slot::Slot};

/// What was in databases. Dropping it takes time in proportion: about a second for ten million keys, and as long as the system
/// takes for the memory of large values; so not on a thread that serves clients.
#[derive(Debug, Default)]
#[must_use = "drop it where it disturbs nobody"]
pub struct Garbage {
    pub(super) slots: Vec<Vec<Slot>>,
    pub(super) records: Vec<Record>,
    pub(super) keys: usize,
}

impl Garbage {
    /// Keys and values in it.
    #[must_use]
    pub fn objects(&self) -> usize {
        self.keys + self.records.len()
    }

    /// Tables of a database.
    pub(super) fn of_slots(slots: Vec<Slot>) -> Self {
        let keys = slots.iter().map(Slot::len).sum();
        Self { slots: vec![slots], keys, ..Self::default() }
    }

    /// One key and its value.
    pub(super) fn of_record(record: Record) -> Self {
        Self { records: vec![record], ..Self::default() }
    }

    /// Adds other garbage.
    pub fn add(&mut self, mut other: Self) {
        self.slots.append(&mut other.slots);
        self.records.append(&mut other.records);
        self.keys += other.keys;
    }
}

/// A value of so many bytes is not freed while others wait for the keyspace.
const COSTLY: usize = 256 << 10;

/// Old values that are not freed at once.
#[derive(Debug, Default)]
pub(super) struct Bin {
    pub(super) thrown: Vec<Record>,
    /// A snapshot has yet to write what is left of them.
    pub(super) kept: Vec<Record>,
}

impl Bin {
    /// Frees a record, or keeps it for whoever has the time.
    pub(super) fn discard(&mut self, record: Record) {
        let Some(object) = record.as_ref().object() else { return };
        if object.has_moment() {
            self.kept.push(record);
        } else if object.bytes() >= COSTLY {
            self.thrown.push(record);
        }
    }
}
