//! Nodes that are at work on what may take long, for all workers: while a node is, it may serve nobody else, and is not dead.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::routing::NodeIndex;

/// When each was last seen at it. Written once a tick while there are any, read when a reply is late.
#[derive(Debug, Default)]
pub(super) struct SlowNodes(Mutex<HashMap<NodeIndex, Instant>>);

impl SlowNodes {
    pub(super) fn note(&self, node: NodeIndex, now: Instant) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let last = seen.entry(node).or_insert(now);
        *last = now.max(*last);
    }

    /// Whether it was, not longer ago than this.
    pub(super) fn noted_within(&self, node: NodeIndex, limit: Duration, now: Instant) -> bool {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.get(&node).is_some_and(|last| now.saturating_duration_since(*last) <= limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_counts_as_slow_for_a_while() {
        let (nodes, start) = (SlowNodes::default(), Instant::now());
        let second = Duration::from_secs(1);
        assert!(!nodes.noted_within(3, second, start));
        nodes.note(3, start + second);
        nodes.note(3, start);
        assert!(nodes.noted_within(3, second, start + second * 2));
        assert!(!nodes.noted_within(3, second, start + second * 3));
        assert!(!nodes.noted_within(4, second, start + second));
    }
}
