//! How long commands take.

use std::time::Instant;

use crate::{command::Spec, node::state::NodeState};

/// Reads the clock when the command changes, not at every command: a pipeline of one command costs two readings.
pub(super) struct Timer {
    since: Instant,
    spec: Option<&'static Spec>,
    calls: u64,
}

impl Timer {
    pub(super) fn start() -> Self {
        Self { since: Instant::now(), spec: None, calls: 0 }
    }

    /// One more call of the command at hand.
    pub(super) fn count(&mut self) {
        self.calls += 1;
    }

    /// Another command (or none) follows: what the one before took is its own.
    pub(super) fn switch(&mut self, node: &NodeState, to: Option<&'static Spec>) {
        if self.spec.map(|spec| spec.index) == to.map(|spec| spec.index) {
            return;
        }
        let Some(before) = self.spec else {
            self.spec = to;
            return;
        };
        let now = Instant::now();
        let stats = node.stats.command(before);
        stats.calls.add(self.calls);
        stats.nanoseconds.add(u64::try_from((now - self.since).as_nanos()).unwrap_or(u64::MAX));
        node.stats.processed.add(self.calls);
        *self = Self { since: now, spec: to, calls: 0 };
    }
}
