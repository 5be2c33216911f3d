//! When fields of a hash expire: by their names, and in the order of their times.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use crate::time::Millis;

/// What malloc and the two collections keep of a field beside its name: two pointers with length, two times, the count of
/// references, and room that is not used.
const PER_FIELD: usize = 96;

/// The fields of a hash that expire.
#[derive(Clone, Debug, Default)]
pub(super) struct Deadlines {
    of: HashMap<Arc<[u8]>, Millis>,
    order: BTreeSet<(Millis, Arc<[u8]>)>,
    /// Of the names.
    bytes: usize,
}

impl PartialEq for Deadlines {
    fn eq(&self, other: &Self) -> bool {
        self.order == other.order
    }
}

impl Deadlines {
    pub(super) fn of(&self, field: &[u8]) -> Option<Millis> {
        self.of.get(field).copied()
    }

    /// The next one.
    pub(super) fn first(&self) -> Option<Millis> {
        self.order.first().map(|(deadline, _)| *deadline)
    }

    /// Bytes of memory.
    pub(super) fn bytes(&self) -> usize {
        self.bytes + self.of.len() * PER_FIELD
    }

    pub(super) fn set(&mut self, field: &[u8], deadline: Millis) {
        let name = match self.of.get_key_value(field) {
            Some((name, before)) => {
                let name = Arc::clone(name);
                self.order.remove(&(*before, Arc::clone(&name)));
                name
            }
            None => {
                self.bytes += field.len();
                Arc::from(field)
            }
        };
        self.of.insert(Arc::clone(&name), deadline);
        self.order.insert((deadline, name));
    }

    /// The field does not expire any more; when it would have.
    pub(super) fn remove(&mut self, field: &[u8]) -> Option<Millis> {
        let (name, deadline) = self.of.remove_entry(field)?;
        self.bytes -= name.len();
        self.order.remove(&(deadline, name));
        Some(deadline)
    }

    /// Takes out a field whose time has come.
    pub(super) fn pop_before(&mut self, now: Millis) -> Option<Arc<[u8]>> {
        if self.first()? >= now {
            return None;
        }
        let (_, name) = self.order.pop_first()?;
        self.of.remove(&name);
        self.bytes -= name.len();
        Some(name)
    }
}
