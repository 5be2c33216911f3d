//! Housekeeping: what a node does without being asked.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{Node, clients::Signal};
use crate::time::Millis;

/// Between looks for idle clients.
const IDLE_CHECK: Duration = Duration::from_secs(1);

/// Records that one hold of the lock looks at: some 100 microseconds.
const EXPIRE_BUDGET: usize = 1000;

/// Runs until the node stops, and tells its clients then.
pub(super) async fn run(node: Arc<Node>) {
    let stop = node.state.stop.clone();
    let (mut sampled, mut checked) = (Instant::now(), Instant::now());
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            () = tokio::time::sleep(node.state.config.tick()) => {}
        }
        expire(&node).await;
        let now = Instant::now();
        node.state.stats.sample(now - sampled);
        sampled = now;
        if now - checked >= IDLE_CHECK {
            checked = now;
            close_idle(&node, Millis::now());
        }
    }
    node.state.clients.send_all(Signal::Drain);
}

/// Removes keys whose time has come: in short holds of the lock, and for at most a quarter of the time.
async fn expire(node: &Node) {
    let deadline = Instant::now() + node.state.config.tick() / 4;
    let budget = EXPIRE_BUDGET * usize::try_from(node.state.config.expire_effort()).unwrap_or(1);
    loop {
        let cycle = node.keyspace().expire_cycle(Millis::now(), budget);
        if !cycle.unfinished || Instant::now() >= deadline {
            return;
        }
        tokio::task::yield_now().await;
    }
}

/// `timeout`.
fn close_idle(node: &Node, now: Millis) {
    let timeout = node.state.config.idle_timeout();
    if timeout == 0 {
        return;
    }
    for client in node.state.clients.all() {
        if now.0 - client.last_active().0 > timeout {
            tracing::debug!(client = %client.peer.remote, "closed: idle");
            client.send(Signal::Kill);
        }
    }
}
