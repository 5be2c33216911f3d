//! What all connections of a node share besides the data: configuration, clients, users, statistics.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use tokio_util::sync::CancellationToken;

use super::{
    acl_file, allocator,
    aof::Aof,
    clients::{Client, Clients},
    config::{Config, Users},
    exec::memory::NO_REPLICAS,
    free::Freer,
    keyspace::{self, Keyspace},
    latency::Monitor,
    persist::{MISCONF, Persist},
    script::{Running, aside::Aside},
    slowlog::SlowLog,
    stats::Stats,
};
use crate::{
    acl::Acl,
    command::{Flags, Spec},
    id::NodeId,
    protocol::Request,
    server::ConnectionCounters,
    time::Millis,
};

/// Databases of a node.
pub const DATABASES: usize = 16;
/// Of this program.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Milliseconds for which what the allocator said counts, when something is to be evicted.
const MEASURED: u64 = 100;

/// Milliseconds between two looks at how much all clients take, while they are busy.
const CLIENTS_LOOK: u64 = 10;

/// Shared state.
#[derive(Debug)]
pub struct NodeState {
    /// As the operator named it.
    pub id: NodeId,
    /// 40 hexadecimal digits, new at every start.
    pub run_id: String,
    /// `master_replid`: the history of changes that a replica would go on with.
    replication_id: Mutex<String>,
    /// When it started.
    pub started: Millis,
    /// The same, on a clock that only goes forward.
    pub since: Instant,
    /// `CONFIG`.
    pub config: Config,
    /// Connected clients.
    pub clients: Clients,
    /// Users.
    pub acl: Acl,
    /// What is kept on disk.
    pub persist: Persist,
    /// What was done.
    pub stats: Stats,
    /// The script that runs.
    pub script: Arc<Running>,
    /// `DEBUG SET-ACTIVE-EXPIRE 0`: keys go only when they are looked at.
    pub expires_lazily: AtomicBool,
    /// `DEBUG PAUSE-CRON 1`: nothing happens by itself.
    pub cron_paused: AtomicBool,
    /// `DEBUG SET-DISABLE-DENY-SCRIPTS 1`: scripts may call everything.
    pub scripts_call_all: AtomicBool,
    /// Where scripts run that may take long.
    pub aside: Aside,
    /// Clients that are gone, and that the store has yet to forget: a script had it.
    gone: Mutex<Vec<Arc<Client>>>,
    /// Counters of the keyspace at the last `CONFIG RESETSTAT`: it goes on counting.
    keyspace_base: Mutex<keyspace::Stats>,
    peak_memory: AtomicU64,
    /// What clients took when it was last looked at.
    client_memory: AtomicU64,
    /// What the allocator gave out beyond what is counted, if the process is this node's alone.
    uncounted: AtomicI64,
    owns_memory: bool,
    /// When that was looked at, milliseconds since the start.
    measured_at: AtomicU64,
    startup_memory: AtomicU64,
    /// When [`NodeState::limit_clients`] last did, milliseconds since the start.
    clients_looked_at: AtomicU64,
    slow_log: Mutex<SlowLog>,
    monitor: Mutex<Monitor>,
    /// Keeps what commands change.
    pub aof: Arc<Aof>,
    /// Frees what takes long.
    pub freer: Freer,
    /// Connections of all protocols.
    pub connections: ConnectionCounters,
    /// Cancelled to end the node.
    pub stop: CancellationToken,
}

impl NodeState {
    /// Of a node that starts now.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn new(id: NodeId, config: Config, stop: CancellationToken) -> std::io::Result<Self> {
        let acl = Acl::default();
        acl.set_all_channels(config.allows_all_channels());
        acl.set_default_password(config.get("requirepass").unwrap_or_default().as_bytes());
        load_users(&acl, &config).map_err(|errors| {
            let errors = String::from_utf8_lossy(&errors);
            std::io::Error::new(std::io::ErrorKind::InvalidData, format!("cannot read the users: {errors}"))
        })?;
        Ok(Self {
            freer: Freer::start(&format!("node-{id}"))?,
            id,
            run_id: crate::server::run_id(),
            replication_id: Mutex::new(crate::server::run_id()),
            started: Millis::now(),
            since: Instant::now(),
            config,
            clients: Clients::default(),
            acl,
            persist: Persist::default(),
            stats: Stats::default(),
            script: Arc::default(),
            expires_lazily: AtomicBool::new(false),
            cron_paused: AtomicBool::new(false),
            scripts_call_all: AtomicBool::new(false),
            aside: Aside::default(),
            gone: Mutex::default(),
            keyspace_base: Mutex::default(),
            slow_log: Mutex::default(),
            monitor: Mutex::default(),
            aof: Arc::default(),
            peak_memory: AtomicU64::new(0),
            client_memory: AtomicU64::new(0),
            uncounted: AtomicI64::new(0),
            owns_memory: false,
            measured_at: AtomicU64::new(0),
            startup_memory: AtomicU64::new(0),
            clients_looked_at: AtomicU64::new(0),
            connections: ConnectionCounters::default(),
            stop,
        })
    }

    /// Whether the data is saved when the node ends, if nobody says otherwise.
    #[must_use]
    pub fn saves_at_end(&self) -> bool {
        self.persist.directory().is_some() && !self.config.save_points().is_empty()
    }

    /// Why nothing may be written now: snapshots fail that somebody relies on, or replicas are wanted.
    #[must_use]
    pub fn refuses_writes(&self) -> Option<&'static str> {
        if self.persist.is_failing() && self.config.stops_writes() {
            return Some(MISCONF);
        }
        self.config.needs_replicas().then_some(NO_REPLICAS)
    }

    /// Clients that are gone, and that the store has yet to forget.
    pub fn gone(&self) -> MutexGuard<'_, Vec<Arc<Client>>> {
        self.gone.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Commands that took long.
    pub fn slow_log(&self) -> MutexGuard<'_, SlowLog> {
        self.slow_log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A command ran, and took so long.
    pub fn ran(&self, spec: &Spec, request: &Request<'_>, took: Duration, now: Millis, client: &Client) {
        self.stats.ran(spec, took, 1, self.config.keeps_times());
        self.note_slow(if spec.flags.has(Flags::FAST) { "fast-command" } else { "command" }, took, now);
        if took >= self.config.slow_threshold() && !spec.flags.has(Flags::SKIP_SLOWLOG) {
            let who = (client.addresses.remote.to_string(), client.labels().name.clone());
            self.slow_log().add(request, took, now, who, self.config.slow_most());
        }
    }

    /// Something took so long: a spike, if that is too long.
    pub fn note_slow(&self, event: &'static str, took: Duration, now: Millis) {
        if self.config.latency_threshold().is_some_and(|threshold| took >= threshold) {
            self.monitor().add(event, now, took);
        }
    }

    /// Spikes of events.
    pub fn monitor(&self) -> MutexGuard<'_, Monitor> {
        self.monitor.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The process serves nobody else: what its allocator gave out is this node's, if that is jemalloc. To be called before it serves.
    pub fn own_process(&mut self, keyspace: &Keyspace) {
        self.owns_memory = cfg!(feature = "jemalloc");
        self.startup_memory.store(self.used_memory(keyspace), Relaxed);
    }

    /// `used_memory`: what the allocator gave out, or in a process with others, bytes of the data and of what clients have sent
    /// and not yet read. Looks at every client; what it finds may be a new peak.
    pub fn used_memory(&self, keyspace: &Keyspace) -> u64 {
        let clients = self.clients.memory() as u64;
        self.client_memory.store(clients, Relaxed);
        if self.owns_memory {
            let counted = keyspace.bytes() as u64 + clients;
            let more = allocator::figures().allocated.cast_signed() - counted.cast_signed();
            // What waits to be freed is no reason to evict anything.
            let more = if self.freer.pending() > 0 { more.min(self.uncounted.load(Relaxed)) } else { more };
            self.uncounted.store(more, Relaxed);
            self.measured_at.store(self.running(), Relaxed);
        }
        let used = self.estimate(keyspace);
        self.peak_memory.fetch_max(used, Relaxed);
        used
    }

    /// Milliseconds since the start.
    fn running(&self) -> u64 {
        u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Whether there is more than `maxmemory`, also by what the allocator says now or has said of late: for who is about to evict.
    pub fn is_really_over_memory(&self, keyspace: &Keyspace) -> bool {
        let is_over = self.is_over_memory(keyspace);
        if !is_over || !self.owns_memory || self.running() < self.measured_at.load(Relaxed) + MEASURED {
            return is_over;
        }
        self.used_memory(keyspace);
        self.is_over_memory(keyspace)
    }

    /// The same from what was counted since.
    #[inline]
    fn estimate(&self, keyspace: &Keyspace) -> u64 {
        (keyspace.bytes() as u64 + self.client_memory.load(Relaxed))
            .saturating_add_signed(self.uncounted.load(Relaxed))
    }

    /// Whether the process serves nobody else, and its allocator is jemalloc.
    #[must_use]
    pub const fn owns_memory(&self) -> bool {
        self.owns_memory
    }

    /// `used_memory_startup`.
    #[must_use]
    pub fn startup_memory(&self) -> u64 {
        self.startup_memory.load(Relaxed)
    }

    /// Keeps to `maxmemory-clients`: now, or after a client did something, at most every [`CLIENTS_LOOK`] unless it takes much
    /// of that.
    pub fn limit_clients(&self, after: Option<&Client>) {
        let Some(limit) = self.config.client_memory_limit() else { return };
        let time = self.running();
        let is_large = after.is_none_or(|client| client.memory() > limit / 4);
        if !is_large && time < self.clients_looked_at.load(Relaxed) + CLIENTS_LOOK {
            return;
        }
        self.clients_looked_at.store(time, Relaxed);
        self.stats.evicted_clients.add(self.clients.evict(limit));
    }

    /// The users, for the configuration file.
    #[must_use]
    pub fn users_to_write(&self) -> Users {
        let trivial = Acl::default();
        trivial.set_default_password(self.config.get("requirepass").unwrap_or_default().as_bytes());
        let lines = self.acl.lines();
        Users { are_default: lines == trivial.lines(), lines }
    }

    /// `master_replid`.
    #[must_use]
    pub fn replication_id(&self) -> String {
        self.replication_id.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// `DEBUG CHANGE-REPL-ID`.
    pub fn change_replication_id(&self) {
        *self.replication_id.lock().unwrap_or_else(PoisonError::into_inner) = crate::server::run_id();
    }

    /// Whether there is more than `maxmemory`. What clients take is what it was when it was last looked at.
    #[inline]
    pub fn is_over_memory(&self, keyspace: &Keyspace) -> bool {
        let most = self.config.max_memory();
        most != 0 && self.estimate(keyspace) > most
    }

    /// `used_memory_peak`: the most that [`NodeState::used_memory`] has found.
    #[must_use]
    pub fn peak_memory(&self) -> u64 {
        self.peak_memory.load(Relaxed)
    }

    /// Hits, misses and expired keys since the start or the last `CONFIG RESETSTAT`.
    #[must_use]
    pub fn keyspace_stats(&self, keyspace: &Keyspace) -> keyspace::Stats {
        let base = self.keyspace_base.lock().unwrap_or_else(PoisonError::into_inner);
        let now = keyspace.stats();
        keyspace::Stats {
            hits: now.hits - base.hits,
            misses: now.misses - base.misses,
            expired: now.expired - base.expired,
            evicted: now.evicted - base.evicted,
            expired_fields: now.expired_fields - base.expired_fields,
        }
    }

    /// `CONFIG RESETSTAT`.
    pub fn reset_stats(&self, keyspace: &Keyspace) {
        *self.keyspace_base.lock().unwrap_or_else(PoisonError::into_inner) = keyspace.stats();
        self.stats.reset();
        self.freer.reset();
        self.connections.received.store(0, Relaxed);
        self.connections.rejected.store(0, Relaxed);
    }
}

/// The users that there are from the start. As in Redis, files have the last word on all of them, the default one too.
fn load_users(acl: &Acl, config: &Config) -> Result<(), Vec<u8>> {
    let lines = config.user_lines();
    match config.acl_file() {
        Some(_) if !lines.is_empty() => {
            Err(b"there are users in the configuration file, and an ACL file as well: keep them in one of the two".to_vec())
        }
        Some(path) => acl_file::load(acl, &path).map(drop),
        None => lines.iter().try_for_each(|lines| acl.load_lines(&lines.text, &lines.path)),
    }
}

impl Default for NodeState {
    /// Of a node that nobody serves, for tests.
    fn default() -> Self {
        let id = "test".parse().unwrap_or_else(|_| unreachable!("a valid id"));
        Self::new(id, Config::default(), CancellationToken::new()).expect("a thread")
    }
}
