//! How a proxy ends in order: first it says so, to the registry, to load balancers, to other proxies that would drive; then nobody new is let in;
//! then clients go, each when it is between two requests; its registration ends last.
//!
//! As long as it is registered it follows the topology, holds writes and acknowledges epochs like any other proxy. So a move
//! that begins meanwhile neither waits for it nor shuts it out, and what runs is finished. Here: the order and the times. Not here: which
//! clients may go ([`super::worker`]), the record ([`super::announce`]).

use std::{future::Future, time::Duration};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{shared::Shared, worker::Message};

/// For the registry to be told; without it, everything else goes on.
const TELL: Duration = Duration::from_secs(1);
/// Beyond the time that clients have, for what nobody waits for any more: elements that go back, connections at nodes.
const LAST: Duration = Duration::from_secs(1);

/// How far it is, for all parts of the proxy.
#[derive(Debug, Default)]
pub(super) struct Drain {
    begun: CancellationToken,
    told: CancellationToken,
}

/// How long it may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    /// From when it is said that it drains to when nobody new is let in.
    pub(super) delay: Duration,
    /// For clients to come to the end of what they do.
    pub(super) timeout: Duration,
}

impl Drain {
    /// From here on the proxy is about to end.
    pub(super) fn begin(&self) {
        self.begun.cancel();
    }

    pub(super) fn has_begun(&self) -> bool {
        self.begun.is_cancelled()
    }

    /// Cancelled when it has begun.
    pub(super) fn begun(&self) -> &CancellationToken {
        &self.begun
    }

    /// Cancelled when the registry says so.
    pub(super) fn told(&self) -> &CancellationToken {
        &self.told
    }
}

/// What ends in this order.
pub(super) struct Parts {
    /// The listener and its connections: cancelled to let nobody in any more.
    pub(super) stop: CancellationToken,
    /// When they have ended.
    pub(super) served: CancellationToken,
    /// Closed when all workers have ended.
    pub(super) workers: mpsc::Receiver<()>,
    /// Everything else: the registration last.
    pub(super) gone: CancellationToken,
}

/// Waits until the proxy is to end, by [`Drain::begin`] or at once by `stop`, and ends it.
pub(super) async fn run(shared: std::sync::Arc<Shared>, times: Times, mut parts: Parts) {
    let (drain, stop) = (&shared.drain, &parts.stop);
    tokio::select! {
        () = stop.cancelled() => {}
        () = drain.begun.cancelled() => {
            until_stopped(stop, TELL, drain.told.cancelled()).await;
            until_stopped(stop, times.delay, std::future::pending()).await;
        }
    }
    drain.begin();
    stop.cancel();
    let tell = |message: fn() -> Message| {
        for mailbox in shared.mailboxes() {
            mailbox.send(message());
        }
    };
    tell(|| Message::Leave);
    if tokio::time::timeout(times.timeout, parts.served.cancelled()).await.is_err() {
        tracing::warn!(after = ?times.timeout, "closing clients that did not come to an end in time");
    }
    tell(|| Message::Stop);
    // Nobody sends anything: it closes.
    if tokio::time::timeout(LAST, parts.workers.recv()).await.is_err() {
        tracing::warn!("not waiting any longer for nodes that owe replies");
        tell(|| Message::Abandon);
    }
    parts.gone.cancel();
}

/// Waits for this, but not for longer, and not when it is to stop at once.
async fn until_stopped(stop: &CancellationToken, limit: Duration, what: impl Future<Output = ()>) {
    // Whichever it was, the next thing is the same.
    let _ = tokio::time::timeout(limit, stop.run_until_cancelled(what)).await;
}
