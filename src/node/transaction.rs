//! `MULTI`: commands that a client has queued for its `EXEC`.

use super::commands::table::Row;
use crate::{
    command::{Flags, Group},
    protocol::{Args, Request},
};

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

    /// What is queued.
    pub fn requests(&self) -> impl Iterator<Item = (&'static Row, Request<'_>)> {
        self.queue.iter().filter_map(|(row, args)| Some((*row, args.request()?)))
    }

    /// Whether one of the commands runs a script.
    #[must_use]
    pub fn has_scripts(&self) -> bool {
        self.queue.iter().any(|(row, _)| row.spec.group == Group::Scripting)
    }

    /// Whether one of the commands writes.
    #[must_use]
    pub fn writes(&self) -> bool {
        self.queue.iter().any(|(row, _)| row.spec.flags.has(Flags::WRITE))
    }

    /// Whether one of the commands may need more memory.
    #[must_use]
    pub fn needs_memory(&self) -> bool {
        self.queue.iter().any(|(row, _)| row.spec.flags.has(Flags::DENYOOM))
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
