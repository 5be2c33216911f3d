//! Memory for a long reply, found before the lock is taken for it, some at a time: to find it all takes the system longer than to
//! write the reply.

use super::turn::TURN;
use crate::protocol::Output;

/// See the module.
pub(super) struct Room {
    pub(super) output: Output,
    /// Bytes that are needed, and how many of them are there.
    needed: usize,
    found: usize,
}

impl Room {
    pub(super) fn new(needed: usize) -> Self {
        let mut output = Output::default();
        output.reserve(needed);
        Self { output, needed, found: 0 }
    }

    pub(super) fn is_complete(&self) -> bool {
        self.found == self.needed
    }

    /// Finds more; says how much.
    pub(super) fn find_more(&mut self) -> usize {
        let to = self.needed.min(self.found + TURN);
        self.output.touch(self.found, to);
        to - std::mem::replace(&mut self.found, to)
    }
}
