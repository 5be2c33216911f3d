//! `MULTI`: commands that a client has queued for its `EXEC`.

use super::{commands::table::Row, pause};
use crate::protocol::Args;

/// See the module.
#[derive(Debug, Default)]
pub struct Transaction {
    queue: Vec<(&'static Row, Args)>,
    aborted: bool,
    memory: usize,
}

impl Transaction {
    /// A command more.
    pub fn queue(&mut self, row: &'static Row, args: Args) {
        self.memory += args.memory() + size_of::<(&Row, Args)>();
        self.queue.push((row, args));
    }

    /// A command was refused: `EXEC` will run nothing.
    pub fn abort(&mut self) {
        self.aborted = true;
    }

    /// Whether a command was refused.
    #[must_use]
    pub fn is_aborted(&self) -> bool {
        self.aborted
    }

    /// Whether one of the commands may change something that others hear of.
    #[must_use]
    pub fn may_change(&self) -> bool {
        self.queue.iter().any(|(row, _)| pause::may_change(row.spec))
    }

    /// How many commands are queued.
    #[must_use]
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// None is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Bytes of memory that the queue takes.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.memory
    }

    /// The commands, to be run.
    #[must_use]
    pub fn into_queue(self) -> Vec<(&'static Row, Args)> {
        self.queue
    }
}
