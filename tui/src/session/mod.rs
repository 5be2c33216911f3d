//! The connection to a cluster that all faces share: what is known of it ([`ClusterView`]), and running commands.
//!
//! One task owns the view and publishes every change; sources (the registry's watch, streams of figures) only send it
//! [`update::Change`]s. Numbers that replace one another travel in a `watch` channel: a slow reader sees the latest.
//! Nothing here draws, prints, or ends the program: a cluster that is away is a view that says so.

mod alive;
mod ask;
mod data;
mod directive;
mod drain;
mod driving;
mod execute;
mod explain;
mod feed;
mod figures;
mod guard;
pub mod headway;
mod help;
pub mod holdings;
mod monitor;
mod operations;
pub mod outcome;
pub mod passing;
pub mod past;
mod pipeline;
mod plans;
mod show;
pub mod transfer;
pub mod update;
pub mod view;

use redis_cluster::cluster::records::keys;
use std::{
    pin::Pin,
    sync::{
        Arc, Once,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use redis_cluster::{
    cluster::{
        plan::Preview,
        registry::{Access, Registry, RegistryError},
    },
    time::Millis,
};
use tokio::sync::{Mutex, mpsc, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

pub use ask::Target;
pub(crate) use figures::INTERVAL as FIGURES_INTERVAL;
pub(crate) use guard::keys_of;
pub use outcome::{Body, Outcome, Status, Table};
pub use pipeline::Pipeline;
pub(crate) use show::timestamp;
pub use update::Change;
pub use view::ClusterView;

use crate::language::{ChangeOptions, Command, PlanRequest};
use view::Health;

/// How to reach a cluster.
#[derive(Clone, Debug)]
pub struct Options {
    /// Of etcd, such as `http://localhost:2379`.
    pub endpoints: Vec<String>,
    /// Its name in the registry.
    pub cluster: String,
    /// Login and certificates for etcd.
    pub access: Access,
    /// Refuse whatever changes data or membership.
    pub read_only: bool,
    /// For connecting, and for the first answer of the registry.
    pub connect_timeout: Duration,
    /// Login at proxies; user and password.
    pub login: Option<(String, Vec<u8>)>,
    /// Speak RESP3 with proxies.
    pub resp3: bool,
    /// Number of the database to begin with.
    pub database: u32,
    /// Events that the view keeps.
    pub events_kept: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            endpoints: vec!["http://localhost:2379".to_owned()],
            cluster: "default".to_owned(),
            access: Access::default(),
            read_only: false,
            connect_timeout: Duration::from_secs(5),
            login: None,
            resp3: false,
            database: 0,
            events_kept: 10_000,
        }
    }
}

/// Why nothing is known of the registry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct NotSeen {
    /// For the operator.
    text: String,
    /// It answered, and refused.
    refused: bool,
}

impl From<NotSeen> for Outcome {
    fn from(error: NotSeen) -> Self {
        Self::failure(if error.refused { Status::Refused } else { Status::Unreachable }, error.text)
    }
}

/// Starts nodes in this process, for `add ID` without an address. Only an embedded cluster can.
pub trait StartsNodes: Send + Sync + std::fmt::Debug {
    /// Starts a node on a free port and returns its address.
    ///
    /// # Errors
    /// When it cannot be started; the text is for the operator.
    fn start_node(&self, id: &str) -> Result<redis_cluster::cluster::member::Address, String>;

    /// Whether what they hold is there again when this process is started again.
    fn keeps_keys(&self) -> bool;

    /// Ends a node that it started and that did not become a member; nothing for other addresses.
    fn stop_node(&self, address: &redis_cluster::cluster::member::Address);
}

/// A handle to the connection; clones share it. It closes when the last one is dropped.
#[derive(Clone, Debug)]
pub struct Session {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    options: Options,
    registry: Registry,
    view: watch::Receiver<Arc<ClusterView>>,
    changes: mpsc::Sender<Change>,
    /// The last import or export, as soon as it has ended: the view hears of that a moment later.
    last_transfer: watch::Sender<Option<transfer::meter::Transfer>>,
    figures: Once,
    figures_interval: watch::Sender<Duration>,
    data: Mutex<data::Link>,
    idle: ask::Idle,
    database: Arc<AtomicU32>,
    starter: Option<Arc<dyn StartsNodes>>,
    ended: CancellationToken,
    _ends_tasks: DropGuard,
}

/// Whoever presses the tab key does not wait longer for names of keys.
const KEYS_PATIENCE: Duration = Duration::from_millis(300);

/// Changes that may wait for the task that owns the view; a source that is faster waits.
const CHANGES_WAITING: usize = 1024;

impl Session {
    /// Begins to follow a cluster, and returns at once: the view fills as answers come in.
    ///
    /// # Errors
    /// When an endpoint or the cluster's name cannot be one.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn open(options: Options) -> Result<Self, RegistryError> {
        Self::open_with(options, None)
    }

    /// As [`Session::open`], with somebody who can start nodes.
    ///
    /// # Errors
    /// As [`Session::open`].
    pub fn open_with(options: Options, starter: Option<Arc<dyn StartsNodes>>) -> Result<Self, RegistryError> {
        let registry = Registry::open_with(&options.endpoints, &options.cluster, &options.access)?;
        let endpoints: Vec<String> = registry.endpoints().map(str::to_owned).collect();
        let view = ClusterView::new(&options.cluster, &endpoints, options.events_kept);
        let (publish, receiver) = watch::channel(Arc::new(view.clone()));
        let database = Arc::new(AtomicU32::new(options.database));
        let data = Mutex::new(data::Link::new(Arc::clone(&database)));
        let (changes, incoming) = mpsc::channel(CHANGES_WAITING);
        let ended = CancellationToken::new();
        tokio::spawn(ended.clone().run_until_cancelled_owned(follow(view, incoming, publish)));
        tokio::spawn(ended.clone().run_until_cancelled_owned(feed::run(registry.clone(), changes.clone())));
        Ok(Self {
            inner: Arc::new(Inner {
                options,
                registry,
                view: receiver,
                changes,
                last_transfer: watch::Sender::new(None),
                figures: Once::new(),
                figures_interval: watch::Sender::new(figures::INTERVAL),
                data,
                idle: ask::Idle::default(),
                database,
                starter,
                ended: ended.clone(),
                _ends_tasks: ended.drop_guard(),
            }),
        })
    }

    /// What is known, and a wake-up whenever that changes.
    #[must_use]
    pub fn view(&self) -> watch::Receiver<Arc<ClusterView>> {
        self.inner.view.clone()
    }

    /// What is known now.
    #[must_use]
    pub fn now(&self) -> Arc<ClusterView> {
        self.inner.view.borrow().clone()
    }

    /// How far the last import or export came, once it has ended or was given up.
    #[must_use]
    pub fn last_transfer(&self) -> Option<transfer::meter::Transfer> {
        self.inner.last_transfer.borrow().clone()
    }

    /// How it was opened.
    #[must_use]
    pub fn options(&self) -> &Options {
        &self.inner.options
    }

    /// The database that commands run in.
    #[must_use]
    pub fn database(&self) -> u32 {
        self.inner.database.load(Ordering::Relaxed)
    }

    /// Begins to stream live figures into the view, for faces that show them; more calls do nothing.
    pub fn stream_figures(&self) {
        self.inner.figures.call_once(|| {
            let interval = self.inner.figures_interval.subscribe();
            let figures = figures::run(self.view(), interval, self.inner.changes.clone());
            tokio::spawn(self.inner.ended.clone().run_until_cancelled_owned(figures));
        });
    }

    /// How often every member gives its figures from now on, twice a second until then.
    pub fn set_figures_interval(&self, interval: Duration) {
        self.inner.figures_interval.send_if_modified(|now| std::mem::replace(now, interval) != interval);
    }

    /// Waits until the registry was heard of for the first time.
    ///
    /// # Errors
    /// When it refuses, or does not answer within [`Options::connect_timeout`].
    pub async fn first_look(&self) -> Result<Arc<ClusterView>, NotSeen> {
        let mut view = self.view();
        let known = view.wait_for(|view| view.registry.health != Health::Unknown);
        match tokio::time::timeout(self.inner.options.connect_timeout, known).await {
            Ok(Ok(view)) => match &view.registry.health {
                Health::Down { error, refused, .. } if view.proxies.is_empty() => {
                    Err(NotSeen { text: error.clone(), refused: *refused })
                }
                _ => Ok(view.clone()),
            },
            Ok(Err(_)) => Err(NotSeen { text: "the session has ended".to_owned(), refused: false }),
            Err(_) => {
                let endpoints = self.inner.registry.endpoints().collect::<Vec<_>>().join(", ");
                let waited = self.inner.options.connect_timeout.as_secs_f64();
                let text = format!("etcd at {endpoints} does not answer (waited {waited} s)");
                Err(NotSeen { text, refused: false })
            }
        }
    }

    /// Waits until the view shows every plan that the registry has by now, also one that was made a moment ago.
    ///
    /// # Errors
    /// When the registry does not answer; the text is for the operator.
    pub async fn know_plans(&self) -> Result<(), String> {
        let plans = self.inner.registry.list(keys::PLANS).await.map_err(|error| error.to_string())?;
        let newest = plans.entries.iter().map(|entry| feed::number(entry.mod_revision)).max().unwrap_or(0);
        let mut view = self.view();
        let known = view.wait_for(|view| view.registry.revision >= newest).await;
        known.map(drop).map_err(|_| "the session has ended".to_owned())
    }

    /// What a change of membership with these options would do, for faces that show a plan in their own way. Changes
    /// nothing.
    ///
    /// # Errors
    /// Why it would be refused, or that the registry does not answer; the text is for the operator.
    pub async fn preview(&self, request: PlanRequest, options: ChangeOptions) -> Result<Preview, String> {
        self.first_look().await.map_err(|error| error.to_string())?;
        operations::preview(self, request, options).await.map_err(|refusal| refusal.to_string())
    }

    /// The cluster runs in this process, and its keys end with it.
    #[must_use]
    pub fn is_fleeting(&self) -> bool {
        self.inner.starter.as_ref().is_some_and(|starter| !starter.keeps_keys())
    }

    /// Some names of keys that begin with `prefix`, if they can be found quickly: at most a few `SCAN`s and
    /// [`KEYS_PATIENCE`].
    pub async fn keys_like(&self, prefix: &[u8]) -> Vec<Vec<u8>> {
        let (view, database) = (self.now(), self.database());
        let looking = data::keys_like(&view, &self.inner.options, database, prefix);
        tokio::time::timeout(KEYS_PATIENCE, looking).await.unwrap_or_default()
    }

    /// Runs one command to its end. Dropping the future gives it up: a Redis command that was sent may still run.
    pub fn execute(&self, command: Command) -> Pin<Box<dyn Future<Output = Outcome> + Send + '_>> {
        Box::pin(async move {
            let began = std::time::Instant::now();
            let mut outcome = execute::run(self, command).await;
            outcome.took = began.elapsed();
            outcome
        })
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
