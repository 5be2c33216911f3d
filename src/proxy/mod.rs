//! The proxy: makes any number of plain Redis servers look like one to any client.
//!
//! In reading order: [`routing`] (the table of routes, one per topology), [`placement`] (where a request's keys are), [`worker`] (one thread of the data path: clients and
//! batching), [`upstream`] (a connection to a node) and [`outcome`], [`transaction`], [`gather`] and [`merge`] (many replies into one),
//! [`info`], [`scan`], [`scripts`] and [`count`] (what some merges need), [`replies`] (putting replies into order), [`outbox`] (what waits for a socket),
//! [`wanted`], [`pushed`], [`audience`] and [`readers`] (what is heard of nodes without asking, and by whom), [`remains`] (large memory that is done with),
//! [`put_back`] (what nobody waits for any more), [`cluster_mode`] and [`siblings`] (what clients of a Redis Cluster are told), [`drain`] (how it ends), [`large`] (where large values are), [`slow_nodes`] (which nodes take long), [`limits`] (what clients may take up), [`pause`] (when they wait), [`slab`] (things by number), [`membership`],
//! [`users`] (who may do what), [`others`] (the other proxies), [`learned`] (commands that only nodes know), [`logins`], [`readmission`], [`recollection`], [`lent`], [`claim`], [`roll`], [`fresh`], [`announce`], [`freeze`] and [`tenure`] (the registry), [`daemon`], [`figures`] and [`losses`] (what the
//! listener and gRPC see), [`observe`] (what is seen of the requests that pass through), [`local`] (gRPC calls as clients of a worker). Not here: what a command is (`command`), slot arithmetic
//! and moves (`cluster`), protocols on the
//! port (`server`). Nothing is global to the process: several proxies may run in one.

mod announce;
mod audience;
mod claim;
mod clients;
mod cluster_mode;
mod count;
mod daemon;
mod drain;
mod figures;
mod freeze;
mod fresh;
mod gather;
mod info;
mod large;
mod learned;
mod lent;
mod limits;
mod lines;
mod local;
mod logins;
mod losses;
mod membership;
mod merge;
mod observe;
mod others;
mod outbox;
mod outcome;
mod owned;
mod pause;
mod placement;
mod polls;
mod pushed;
mod put_back;
mod readers;
mod reading;
mod readmission;
mod recollection;
mod remains;
mod replies;
mod roll;
mod routing;
mod scan;
mod scripts;
mod shared;
mod siblings;
mod slab;
mod slow_nodes;
mod tenure;
mod transaction;
mod upstream;
mod users;
mod wanted;
mod worker;

use std::{
    io,
    net::SocketAddr,
    num::NonZeroUsize,
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

pub use limits::ClientLimits;
pub use worker::{config::is_of_the_cluster, local::answers};

use self::{
    daemon::Proxy,
    membership::Membership,
    readmission::Readmission,
    recollection::Recollection,
    shared::{Settings, Shared, WorkerFigures},
    worker::Worker,
};
use crate::{
    cluster::{
        driver,
        registry::{Access, Registry, RegistryError},
    },
    id::ProxyId,
    server::{self, BindError, Life, ListenAddress, Running, StartError},
    time::Millis,
};

/// Everything a proxy may be told.
#[derive(Clone, Debug)]
pub struct ProxyOptions {
    /// As the operator names it; one live proxy per id.
    pub id: ProxyId,
    /// Where to listen.
    pub listen: ListenAddress,
    /// `host:port` that others reach it by; by default where it listens.
    pub advertise: Option<String>,
    /// etcd endpoints.
    pub endpoints: Vec<String>,
    /// Login and certificates for etcd.
    pub access: Access,
    /// Which cluster in etcd.
    pub cluster: String,
    /// Threads of the data path.
    pub workers: NonZeroUsize,
    /// Client connections at once.
    pub max_clients: u64,
    /// What clients may take up of its memory.
    pub limits: ClientLimits,
    /// Connections of each worker to each node (for each database and RESP version in use); up to three more are made for
    /// what is large or may take long.
    pub connections_per_node: NonZeroUsize,
    /// A node that owes a reply for longer is given up.
    pub node_timeout: Duration,
    /// The same where the node is at work on what may take long.
    pub slow_timeout: Duration,
    /// Password of the default user, if it needs one and the registry does not say otherwise.
    pub password: Option<String>,
    /// Whether it stands for election as the driver of slot moves.
    pub drives: bool,
    /// A node is used, too, that kept its keys on a disk and came back without any.
    pub allows_empty: bool,
    /// From when it says that it drains to when it lets nobody in any more.
    pub drain_delay: Duration,
    /// So long clients have, when it drains, to come to the end of what they do.
    pub drain_timeout: Duration,
    /// Requests that take as long are shown by `INFO slowrequests`; none: no request is.
    pub slow_after: Option<Duration>,
    /// The latest so many of them.
    pub slow_kept: usize,
}

impl ProxyOptions {
    /// The defaults.
    #[must_use]
    pub fn new(id: ProxyId, listen: ListenAddress, endpoints: Vec<String>) -> Self {
        Self {
            id,
            listen,
            advertise: None,
            endpoints,
            access: Access::default(),
            cluster: "default".to_owned(),
            workers: thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            max_clients: 10_000,
            limits: ClientLimits::default(),
            connections_per_node: NonZeroUsize::MIN,
            node_timeout: Duration::from_secs(5),
            slow_timeout: Duration::from_secs(60),
            password: None,
            drives: true,
            allows_empty: false,
            drain_delay: Duration::ZERO,
            drain_timeout: Duration::from_secs(10),
            slow_after: Some(Duration::from_millis(10)),
            slow_kept: 128,
        }
    }
}

/// Why a proxy did not start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Nobody can listen there.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// No threads.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The system refused something.
    #[error("cannot start {what}: {source}")]
    System {
        /// What.
        what: &'static str,
        /// Its words.
        source: io::Error,
    },
    /// etcd endpoints or the cluster's name are wrong, or etcd refused.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// Another proxy lives under this id.
    #[error(
        "proxy id {id} is held by another proxy at {address}, which is alive; stop it or choose another id"
    )]
    IdTaken {
        /// The id.
        id: ProxyId,
        /// Where the other one is.
        address: String,
    },
    /// The thread that follows the registry ended.
    #[error("the proxy stopped before it was registered")]
    Stopped,
}

/// A running proxy. Dropping it asks it to stop and does not wait.
#[derive(Debug)]
pub struct Handle {
    shared: Arc<Shared>,
    server: Running,
    life: Life,
    registered: Option<oneshot::Receiver<Result<(), RunError>>>,
    threads: Vec<JoinHandle<()>>,
}

impl Handle {
    /// Where it listens.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        self.server.addresses()
    }

    /// Waits until it is registered. It serves before, with errors that say so.
    ///
    /// # Errors
    /// When the id is taken or etcd refuses; the proxy has to be stopped then.
    pub async fn registered(&mut self) -> Result<(), RunError> {
        match self.registered.take() {
            Some(registered) => registered.await.unwrap_or(Err(RunError::Stopped)),
            None => Ok(()),
        }
    }

    /// Drains it: says so, lets nobody in any more, finishes what runs, and leaves the registry, in the times of its options. Returns why it
    /// could not go on, if it was ending already.
    pub async fn stop(mut self) -> Option<String> {
        self.shared.drain.begin();
        self.server.stopped().await;
        let threads = std::mem::take(&mut self.threads);
        // Threads are joined where blocking is allowed.
        let joined = tokio::task::spawn_blocking(move || {
            for thread in threads {
                // A panic of the thread was printed when it happened.
                let _ = thread.join();
            }
        });
        let _ = joined.await;
        self.life.failure().map(str::to_owned)
    }

    /// Waits until it has stopped by itself, which it does only when it cannot go on.
    pub async fn stopped(&self) {
        self.server.stopped().await;
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.life.stop_token().cancel();
    }
}

/// Starts a proxy on threads of its own: workers, the listener, the registry's follower, the driver of slot moves.
///
/// # Errors
/// When the address, the endpoints or the system do not allow it. That the id is taken shows later, in
/// [`Handle::registered`].
pub fn run(options: &ProxyOptions) -> Result<Handle, RunError> {
    let registry = Registry::open_with(&options.endpoints, &options.cluster, &options.access)?;
    let listeners = server::bind(&options.listen)?;
    let system = |what| move |source| RunError::System { what, source };
    let local = listeners[0].local_addr().map_err(system("the listener"))?;
    let address = options.advertise.clone().unwrap_or_else(|| match options.listen.to_string() {
        text if text.ends_with(":0") => local.to_string(),
        text => text,
    });
    let life = Life::default();
    let stop = life.stop_token().clone();
    // If something below cannot start, this ends what was started before it.
    let unfinished = stop.clone().drop_guard();
    let (counts, waiting) = mpsc::unbounded_channel();
    let (wanted, changes) = mpsc::unbounded_channel();
    let (others, errands) = others::Others::new();
    let (learned, questions) = learned::Commands::new();
    let shared = Arc::new(Shared {
        id: options.id.clone(),
        cluster: options.cluster.clone(),
        run_id: server::run_id(),
        max_clients: options.max_clients,
        config: Settings {
            connections_per_node: options.connections_per_node,
            node_timeout: options.node_timeout,
            slow_timeout: options.slow_timeout,
            connect_timeout: CONNECT_TIMEOUT.min(options.node_timeout),
            drain_timeout: options.drain_timeout,
        },
        port: local.port(),
        address: address.clone(),
        is_advertised: options.advertise.is_some(),
        siblings: siblings::Siblings::default(),
        started: Millis::now(),
        clients: clients::Clients::default(),
        workers: (0..options.workers.get()).map(|_| Arc::new(WorkerFigures::default())).collect(),
        mailboxes: std::sync::OnceLock::new(),
        connections: server::ConnectionCounters::default(),
        counts,
        large_slots: large::LargeSlots::default(),
        scripts: scripts::Scripts::default(),
        learned,
        pause: pause::Pause::default(),
        others,
        users: users::Users::new(options.password.clone(), wanted),
        audience: audience::Audience::default(),
        monitors: shared::Monitors::new(options.workers.get()),
        limits: options.limits.clone(),
        slow_nodes: slow_nodes::SlowNodes::default(),
        drain: drain::Drain::default(),
        slow: observe::SlowLog::new(options.slow_after, options.slow_kept),
        lines: std::sync::Mutex::default(),
    });
    let (reports_in, reports) = mpsc::unbounded_channel();
    let mut threads = Vec::new();
    let mut mailboxes = Vec::new();
    // Each worker has one end; nothing is ever sent.
    let (works, workers) = mpsc::channel(1);
    for index in 0..options.workers.get() {
        let (worker, mailbox) =
            Worker::new(index, Arc::clone(&shared), reports_in.clone()).map_err(system("a worker"))?;
        mailboxes.push(mailbox);
        let thread = thread::Builder::new()
            .name(format!("proxy-{}-{index}", options.id))
            .spawn({
                let (life, works) = (life.clone(), works.clone());
                move || {
                    let _works = works;
                    let _guard = life.guard(format!("worker {index}"));
                    if let Err(error) = worker.run() {
                        life.fail(format!("worker {index} cannot wait for sockets: {error}"));
                    }
                }
            })
            .map_err(system("a worker thread"))?;
        threads.push(thread);
    }
    drop(works);
    // Nobody else sets them.
    let _ = shared.mailboxes.set(mailboxes);
    let proxy = Arc::new(Proxy::new(Arc::clone(&shared)));
    let server = server::start(&format!("proxy-{}-net", options.id), &proxy, listeners, 1, life.clone())?;
    let (registered_in, registered) = oneshot::channel();
    // What clients may need to the end.
    let gone = CancellationToken::new();
    let (observed, observations) = mpsc::channel(OBSERVATIONS_WAITING);
    let recollection = Arc::new(Recollection::default());
    let memory = recollection::run(Arc::clone(&recollection), registry.clone(), gone.clone());
    let readmission =
        Readmission::new(registry.clone(), Arc::clone(&recollection), observed.clone(), options.allows_empty);
    let membership =
        Membership::new(registry.clone(), Arc::clone(&proxy), address, reports, readmission, gone.clone());
    let poller = polls::run(Arc::clone(&proxy), observed, gone.clone());
    let own_count = figures::count(Arc::clone(&proxy), gone.clone());
    let driver_watch = figures::follow_driver(Arc::clone(&proxy), registry.clone(), gone.clone());
    let losses =
        losses::watch(Arc::clone(&proxy), registry.clone(), recollection, observations, gone.clone());
    let counter = count::run(Arc::clone(&proxy), waiting, gone.clone());
    let owned = owned::run(Arc::clone(&proxy), gone.clone());
    let others = others::run(Arc::clone(&shared), registry.clone(), errands, gone.clone());
    let users = users::run(Arc::clone(&shared), registry.clone(), changes, gone.clone());
    let learned = learned::run(Arc::clone(&proxy), questions, gone.clone());
    let siblings = siblings::run(Arc::clone(&shared), registry.clone(), gone.clone());
    threads.push(on_thread(&life, &format!("proxy-{}-registry", options.id), async move {
        // Without a registration the proxy is not wanted: `registered` said why, and whoever waits for it ends the proxy.
        tokio::join!(
            membership.run(registered_in),
            poller,
            own_count,
            driver_watch,
            losses,
            memory,
            counter,
            owned,
            users,
            others,
            learned,
            siblings
        );
    })?);
    if options.drives {
        let identity = format!("proxy {}", options.id);
        let (stop, shared) = (stop.clone(), Arc::clone(&shared));
        threads.push(on_thread(&life, &format!("proxy-{}-driver", options.id), async move {
            // Whoever is about to end lets others lead at once: what it has begun goes on there.
            driver::run_until(registry, identity, shared.drain.begun().clone()).await;
            stop.cancelled().await;
        })?);
    }
    let times = drain::Times { delay: options.drain_delay, timeout: options.drain_timeout };
    let parts = drain::Parts { stop, served: server.end_token(), workers, gone };
    threads.push(on_thread(
        &life,
        &format!("proxy-{}-end", options.id),
        drain::run(Arc::clone(&shared), times, parts),
    )?);
    unfinished.disarm();
    Ok(Handle { shared, server, life, registered: Some(registered), threads })
}

/// What members said of their keys may wait so long a line for the registry; more is dropped and said again.
const OBSERVATIONS_WAITING: usize = 1024;
/// For a new connection to a node.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// A thread with a runtime for one future, which is not to end before the proxy.
fn on_thread(
    life: &Life,
    name: &str,
    future: impl Future<Output = ()> + Send + 'static,
) -> Result<JoinHandle<()>, RunError> {
    let failed = |source| RunError::System { what: "a thread", source };
    let guard = life.guard(format!("the thread {name}"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || {
            runtime.block_on(future);
            drop(guard);
        })
        .map_err(failed)
}
