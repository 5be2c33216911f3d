//! How long commands take.
//!
//! The clock costs a tenth of what a GET in a pipeline does. So commands that cannot take long are timed in runs of the same command, and
//! their time is shared out evenly; others, and one that comes alone, are timed one by one, which the slow log needs.

use std::time::{Duration, Instant};

use crate::{command::Spec, node::state::NodeState};

/// See the module.
pub(super) struct Timer {
    since: Instant,
    /// Nothing has run since `since`.
    is_fresh: bool,
    /// The run under way.
    run: Option<&'static Spec>,
    calls: u64,
}

impl Timer {
    pub(super) fn start() -> Self {
        Self { since: Instant::now(), is_fresh: true, run: None, calls: 0 }
    }

    /// A quick command follows: it belongs to the run of its like, or begins one.
    pub(super) fn begin_quick(&mut self, node: &NodeState, spec: &'static Spec) {
        if self.run.is_none_or(|run| run.index != spec.index) {
            self.end_run(node);
            self.run = Some(spec);
        }
        self.is_fresh = false;
    }

    /// It ran.
    pub(super) fn count_quick(&mut self) {
        self.calls += 1;
    }

    /// A command follows that is timed by itself.
    pub(super) fn begin(&mut self, node: &NodeState) {
        self.end_run(node);
        if !self.is_fresh {
            self.since = Instant::now();
            self.is_fresh = true;
        }
    }

    /// It ran: for how long.
    pub(super) fn lap(&mut self) -> Duration {
        let now = Instant::now();
        let took = now - self.since;
        (self.since, self.is_fresh) = (now, true);
        took
    }

    /// The run under way is over, if there is one.
    pub(super) fn end_run(&mut self, node: &NodeState) {
        let Some(spec) = self.run.take() else { return };
        let (took, calls) = (self.lap(), std::mem::take(&mut self.calls));
        node.stats.ran(spec, took, calls, node.config.keeps_times());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::lookup;

    #[test]
    fn runs_are_shared_out_and_others_are_timed_alone() {
        let node = NodeState::default();
        let [get, set] = ["get", "set"].map(|name| lookup(name.as_bytes()).expect("in the table"));
        let mut timer = Timer::start();
        for spec in [get, get, set, get] {
            timer.begin_quick(&node, spec);
            timer.count_quick();
        }
        timer.begin(&node);
        let took = timer.lap();
        timer.end_run(&node);
        assert_eq!(node.stats.command(get).calls.get(), 3);
        assert_eq!(node.stats.command(set).calls.get(), 1);
        assert_eq!(node.stats.processed.get(), 4);
        assert!(node.stats.command(get).nanoseconds.get() > 0 && took < Duration::from_secs(60));
    }
}
