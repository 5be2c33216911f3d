//! The data: sixteen databases of 16384 slots, each slot a small table of its own. No I/O and no clock of its own.

/// All databases.
#[derive(Debug, Default)]
pub struct Keyspace {}
