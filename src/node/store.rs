//! What the one lock of a node guards: the data, and whatever must change together with it.

use super::keyspace::Keyspace;

/// See the module. Each part is a pure structure with its own module; who holds the lock runs alone.
#[derive(Debug)]
pub struct Store {
    /// Keys and values.
    pub keyspace: Keyspace,
}

impl Store {
    /// Empty, with so many databases.
    #[must_use]
    pub fn new(databases: usize) -> Self {
        Self { keyspace: Keyspace::new(databases) }
    }
}
