//! A command that waits: for what, and how long at most.

use std::{future::Future as _, pin::Pin, task::Context, time::Duration};

use tokio::time::Sleep;

use crate::{
    node::{
        Node,
        clients::{BLOCKED, PAUSED, RUNNING},
        script::aside::Return,
    },
    time::Millis,
};

/// For what a command waits, and how long at most.
pub(super) struct Waiting {
    /// The flag that says that it still does.
    pub(super) flag: u32,
    pub(super) limit: Option<Pin<Box<Sleep>>>,
    /// It waits for the journal to last up to here.
    pub(super) until_synced: Option<u64>,
    /// Where the caller comes back from a command that runs aside.
    pub(super) back: Option<Return>,
}

impl Waiting {
    /// For a key, or for the journal.
    pub(super) fn for_key(limit: Option<Duration>, until_synced: Option<u64>) -> Self {
        let limit = limit.map(|limit| Box::pin(tokio::time::sleep(limit)));
        Self { flag: BLOCKED, limit, until_synced, back: None }
    }

    /// For the end of a command that runs aside.
    pub(super) fn for_aside(back: Return) -> Self {
        Self { flag: RUNNING, limit: None, until_synced: None, back: Some(back) }
    }

    /// For the end of a pause.
    pub(super) fn for_unpause(until: Millis) -> Self {
        let limit = until.0.saturating_sub(Millis::now().0).max(0).unsigned_abs();
        let limit = Box::pin(tokio::time::sleep(Duration::from_millis(limit)));
        Self { flag: PAUSED, limit: Some(limit), until_synced: None, back: None }
    }

    pub(super) fn is_over(&mut self, node: &Node, cx: &mut Context<'_>) -> bool {
        let synced = self.until_synced.map(|position| node.state.aof.shared.poll_synced(position, cx));
        if synced.is_some_and(|synced| synced.is_ready()) {
            return true;
        }
        self.limit.as_mut().is_some_and(|sleep| sleep.as_mut().poll(cx).is_ready())
    }
}
