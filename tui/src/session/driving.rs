//! Driving a plan from here, where no proxy is alive to do it: the same driver and the same election, for as long as the
//! operator waits. What is told of it is in the view, so that every face says so.

use std::time::{Duration, Instant};

use redis_cluster::cluster::driver;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{Change, ClusterView, Session};

/// How long a plan waits for a proxy that may be starting just now.
const PATIENCE: Duration = Duration::from_secs(2);
/// For giving the leadership back.
const GOODBYE: Duration = Duration::from_secs(2);

/// Looks after one plan that is waited for. When it is dropped, driving ends.
#[derive(Debug)]
pub(super) struct Stand {
    session: Session,
    identity: String,
    alone_since: Option<Instant>,
    driving: Option<(DropGuard, JoinHandle<()>)>,
}

impl Stand {
    pub(super) fn new(session: &Session, operator: &str) -> Self {
        let identity = format!("console {operator}");
        Self { session: session.clone(), identity, alone_since: None, driving: None }
    }

    /// Ends driving, so that another one may lead at once. True: this console came to drive.
    pub(super) async fn end(self) -> bool {
        let Some((stop, task)) = self.driving else { return false };
        drop(stop);
        // One that does not end in time is ended with its lease.
        let _ = tokio::time::timeout(GOODBYE, task).await;
        true
    }

    /// Begins to drive once nobody else could for a while; `None` while that is not to be waited for. An outage of the
    /// registry says nothing about the proxies.
    pub(super) fn look(&mut self, view: &ClusterView) -> Option<Instant> {
        if self.driving.is_some() || !view.registry.health.is_up() || !view.proxies.is_empty() {
            self.alone_since = None;
            return None;
        }
        let from = *self.alone_since.get_or_insert_with(Instant::now) + PATIENCE;
        if from > Instant::now() {
            return Some(from);
        }
        let stop = CancellationToken::new();
        let inner = &self.session.inner;
        let run = driver::run_until(inner.registry.clone(), self.identity.clone(), stop.clone());
        let changes = inner.changes.clone();
        let task = tokio::spawn(async move {
            // Without a view there is nobody to tell.
            let _ = changes.send(Change::Driving(true)).await;
            run.await;
            let _ = changes.send(Change::Driving(false)).await;
        });
        self.driving = Some((stop.drop_guard(), task));
        None
    }
}
