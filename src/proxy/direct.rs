//! Requests that go to a node past the workers, so that a freeze can wait for those that were begun before it.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Direct {
    state: Mutex<State>,
    ended: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// Counts tables of routes.
    turn: u64,
    /// Requests under way, by the turn in which they began.
    running: BTreeMap<u64, usize>,
}

/// A request is under way until this is dropped.
#[derive(Debug)]
pub(super) struct Permit<'a> {
    of: &'a Direct,
    turn: u64,
}

impl Direct {
    /// Begins a request. To be taken before the table of routes is looked at.
    pub(super) fn begin(&self) -> Permit<'_> {
        let mut state = self.lock();
        let turn = state.turn;
        *state.running.entry(turn).or_default() += 1;
        Permit { of: self, turn }
    }

    /// Another table is in use. Returns the number to wait for with [`Direct::drained`].
    pub(super) fn turn(&self) -> u64 {
        let mut state = self.lock();
        state.turn += 1;
        state.turn
    }

    /// Waits until every request that began before this turn has ended.
    pub(super) async fn drained(&self, turn: u64) {
        loop {
            let ended = self.ended.notified();
            tokio::pin!(ended);
            ended.as_mut().enable();
            if self.lock().running.range(..turn).next().is_none() {
                return;
            }
            ended.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing in here can panic half way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        let mut state = self.of.lock();
        if let Some(count) = state.running.get_mut(&self.turn) {
            *count -= 1;
            if *count == 0 {
                state.running.remove(&self.turn);
            }
        }
        drop(state);
        self.of.ended.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures::FutureExt as _;

    use super::*;

    #[test]
    fn a_turn_waits_for_what_began_before_it_only() {
        let direct = Direct::default();
        let (first, second) = (direct.begin(), direct.begin());
        let turn = direct.turn();
        let later = direct.begin();
        let mut drained = pin!(direct.drained(turn));
        assert!(drained.as_mut().now_or_never().is_none());
        drop(first);
        assert!(drained.as_mut().now_or_never().is_none());
        drop(second);
        assert!(drained.as_mut().now_or_never().is_some(), "what came later is not waited for");
        let next = direct.turn();
        assert!(direct.drained(next).now_or_never().is_none());
        drop(later);
        assert!(direct.drained(next).now_or_never().is_some());
    }
}
