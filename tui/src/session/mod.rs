//! The connection to a cluster that all faces share: what is known of it ([`ClusterView`]), and running commands.
//!
//! One task owns the view and publishes every change; sources (the registry's watch, streams of figures) only send it
//! [`update::Change`]s. Numbers that replace one another travel in a `watch` channel: a slow reader sees the latest.
//! Nothing here draws, prints, or ends the program: a cluster that is away is a view that says so.

mod data;
mod execute;
pub mod outcome;
mod plans;
pub mod update;
pub mod view;

use std::{sync::Arc, time::Duration};

use redis_cluster::time::Millis;
use tokio::sync::{Mutex, mpsc, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

pub use outcome::{Body, Outcome, Status, Table};
pub use update::Change;
pub use view::ClusterView;

use crate::language::Command;

/// How to reach a cluster.
#[derive(Clone, Debug)]
pub struct Options {
    /// Of etcd, such as `http://localhost:2379`.
    pub endpoints: Vec<String>,
    /// Its name in the registry.
    pub cluster: String,
    /// Refuse whatever changes data or membership.
    pub read_only: bool,
    /// For connecting, and for the first answer of the registry.
    pub connect_timeout: Duration,
    /// Login at proxies; user and password.
    pub login: Option<(String, String)>,
    /// Events that the view keeps.
    pub events_kept: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            endpoints: vec!["http://localhost:2379".to_owned()],
            cluster: "default".to_owned(),
            read_only: false,
            connect_timeout: Duration::from_secs(5),
            login: None,
            events_kept: 10_000,
        }
    }
}

/// A handle to the connection; clones share it. It closes when the last one is dropped.
#[derive(Clone, Debug)]
pub struct Session {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    options: Options,
    view: watch::Receiver<Arc<ClusterView>>,
    data: Mutex<data::Link>,
    _ends_tasks: DropGuard,
}

/// Changes that may wait for the task that owns the view; a source that is faster waits.
const CHANGES_WAITING: usize = 1024;

impl Session {
    /// Begins to follow a cluster. Returns at once; the view fills as answers come in.
    pub fn open(options: Options) -> Self {
        let view = ClusterView::new(&options.cluster, &options.endpoints, options.events_kept);
        let (publish, receiver) = watch::channel(Arc::new(view.clone()));
        let (_changes, incoming) = mpsc::channel(CHANGES_WAITING);
        let ended = CancellationToken::new();
        tokio::spawn(follow(view, incoming, publish));
        let data = Mutex::new(data::Link::default());
        Self { inner: Arc::new(Inner { options, view: receiver, data, _ends_tasks: ended.drop_guard() }) }
    }

    /// What is known, and a wake-up whenever that changes.
    #[must_use]
    pub fn view(&self) -> watch::Receiver<Arc<ClusterView>> {
        self.inner.view.clone()
    }

    /// How it was opened.
    #[must_use]
    pub fn options(&self) -> &Options {
        &self.inner.options
    }

    /// Runs one command to its end. Dropping the future gives it up: a Redis command that was sent may still run.
    pub async fn execute(&self, command: Command) -> Outcome {
        let began = std::time::Instant::now();
        let mut outcome = execute::run(self, command).await;
        outcome.took = began.elapsed();
        outcome
    }
}

/// Owns the view: takes in all changes that wait, then publishes once.
async fn follow(
    mut view: ClusterView,
    mut incoming: mpsc::Receiver<Change>,
    publish: watch::Sender<Arc<ClusterView>>,
) {
    let mut changes = Vec::new();
    while incoming.recv_many(&mut changes, CHANGES_WAITING).await > 0 {
        let now = Millis::now();
        for change in changes.drain(..) {
            view.apply(change, now);
        }
        if publish.send(Arc::new(view.clone())).is_err() {
            return;
        }
    }
}
