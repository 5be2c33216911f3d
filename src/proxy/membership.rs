//! The proxy's place in the registry: registered under a lease, following the topology, acknowledging epochs.
//!
//! Order matters (doc/resharding.md): the proxy registers first and reads the topology afterwards; it makes its user at a
//! node first and asks the registry afterwards whether it is still registered. So no freeze and no fence can pass between
//! the two unseen. An epoch is acknowledged when all workers route by it and have nothing older under way at the nodes
//! that slots leave. When the registry is away, traffic goes on with the last topology.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{sync::mpsc, task::JoinSet};
use tokio_util::sync::CancellationToken;

use super::{
    RunError,
    announce::Announcer,
    daemon::Proxy,
    routing::{Access, Login, Member, NodeIndex, Routing},
    shared::Shared,
    worker::{Message, Report},
};
use crate::cluster::{
    id::{Epoch, NodeId, ProxyId},
    member::{Address, NodeRecord, ProxyRecord},
    peer::{Peer, fence},
    plan::keys,
    registry::{Change, Commit, Entry, Lease, Registry, RegistryError, Revision, Txn, WatchEvent},
    topology::Topology,
};

/// How long a proxy that died counts as alive.
const LEASE: Duration = Duration::from_secs(10);
/// Beyond its lease, before a registration of the same proxy counts as somebody else's.
const LEASE_SLACK: Duration = Duration::from_secs(5);
/// Between attempts when the registry does not answer, or a node does not let the proxy in.
const PAUSE: Duration = Duration::from_secs(1);
/// A new topology is put to use without nodes that take longer to log in to.
const LOGIN_GRACE: Duration = Duration::from_millis(500);
/// For one node's login.
const LOGIN_TIMEOUT: Duration = Duration::from_secs(3);

/// One registration.
#[derive(Debug)]
struct Registration {
    lease: Lease,
    instance: String,
    created: Revision,
}

/// What ends a registration.
enum Ended {
    /// The proxy stops.
    Stopped,
    /// It has to register anew, and why.
    Lost(String),
}

/// What became of a login.
struct LoggedIn {
    index: NodeIndex,
    user: String,
    outcome: Result<SocketAddr, String>,
}

/// See the module.
pub(super) struct Membership {
    registry: Registry,
    proxy: Arc<Proxy>,
    shared: Arc<Shared>,
    /// `host:port` for clients.
    address: String,
    reports: mpsc::UnboundedReceiver<Report>,
    stop: CancellationToken,
    topology: Topology,
    nodes: BTreeMap<NodeId, NodeRecord>,
    /// Members ever seen, by their index.
    numbered: Vec<(NodeId, Address)>,
    access: Vec<Access>,
    user: String,
    previous_user: String,
    secret: String,
    logins: JoinSet<LoggedIn>,
    retry_logins_at: Option<tokio::time::Instant>,
    /// There is something to put to use, at the latest then.
    publish_by: Option<tokio::time::Instant>,
    seen: Seen,
    applied: Vec<Epoch>,
}

/// Which parts of the registry were read.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    topology: bool,
    nodes: bool,
}

impl Membership {
    pub(super) fn new(
        registry: Registry,
        proxy: Arc<Proxy>,
        address: String,
        reports: mpsc::UnboundedReceiver<Report>,
        stop: CancellationToken,
    ) -> Self {
        let shared = Arc::clone(&proxy.shared);
        let workers = shared.workers.len();
        Self {
            registry,
            proxy,
            shared,
            address,
            reports,
            stop,
            topology: Topology::default(),
            nodes: BTreeMap::new(),
            numbered: Vec::new(),
            access: Vec::new(),
            user: String::new(),
            previous_user: String::new(),
            secret: String::new(),
            logins: JoinSet::new(),
            retry_logins_at: None,
            publish_by: None,
            seen: Seen::default(),
            applied: vec![Epoch::default(); workers],
        }
    }

    /// Registers, and tells so; then follows the registry until the proxy stops.
    pub(super) async fn run(mut self, registered: tokio::sync::oneshot::Sender<Result<(), RunError>>) {
        let stop = self.stop.clone();
        let first = tokio::select! {
            () = stop.cancelled() => return,
            first = self.register_first() => first,
        };
        let mut registration = match first {
            Ok(registration) => {
                // Whoever started the proxy may have lost interest.
                let _ = registered.send(Ok(()));
                registration
            }
            Err(error) => {
                let _ = registered.send(Err(error));
                return;
            }
        };
        loop {
            match self.follow(&registration).await {
                Ended::Stopped => {
                    if let Err(error) = registration.lease.revoke().await {
                        tracing::warn!(%error, "the registration stays until its lease ends");
                    }
                    return;
                }
                Ended::Lost(reason) => {
                    tracing::warn!(%reason, "registering anew");
                    // The key of this registration must be gone before the next can be made.
                    if let Err(error) = registration.lease.revoke().await {
                        tracing::warn!(%error, "the old registration stays until its lease ends");
                    }
                }
            }
            registration = loop {
                tokio::select! {
                    () = stop.cancelled() => return,
                    result = self.register() => match result {
                        Ok(Ok(registration)) => break registration,
                        Ok(Err(other)) => {
                            tracing::error!(holder = other.address, "another proxy has this id now");
                        }
                        Err(error) => tracing::warn!(%error, "cannot register; traffic goes on"),
                    },
                }
                tokio::time::sleep(PAUSE).await;
            };
        }
    }

    /// Waits for the registry, and for the lease of a proxy of this id that died.
    async fn register_first(&mut self) -> Result<Registration, RunError> {
        let mut waiting_since: Option<Instant> = None;
        let mut told = false;
        loop {
            match self.register().await {
                Ok(Ok(registration)) => return Ok(registration),
                Ok(Err(other)) => {
                    let since = *waiting_since.get_or_insert_with(Instant::now);
                    if other.address != self.address || since.elapsed() > LEASE + LEASE_SLACK {
                        return Err(RunError::IdTaken { id: self.shared.id.clone(), address: other.address });
                    }
                    if !told {
                        tracing::info!(
                            "a proxy of this id and address was here before: waiting for its lease to end"
                        );
                        told = true;
                    }
                }
                Err(error) if error.is_outage() => {
                    tracing::warn!(%error, "etcd does not answer; trying again");
                }
                Err(error) => return Err(RunError::Registry(error)),
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// One attempt: the registration, or who has the id.
    async fn register(&mut self) -> Result<Result<Registration, ProxyRecord>, RegistryError> {
        let key = self.key();
        let lease = self.registry.grant(LEASE).await?;
        let instance: String = fence::secret().chars().take(12).collect();
        let record = self.record(&instance, Epoch::default());
        let txn = Txn::new().if_absent(&key).put_leased(&key, json(&record), lease.id());
        let created = match self.registry.commit(txn).await {
            Ok(Commit::Done { revision }) => revision,
            Ok(Commit::Conflict { .. }) => {
                let holder = self.registry.get(&key).await?;
                lease.revoke().await?;
                let holder = holder.and_then(|entry| serde_json::from_slice(&entry.value).ok());
                // Gone in between, or unreadable: the next attempt will tell.
                return Ok(Err(holder.unwrap_or_else(|| self.record("", Epoch::default()))));
            }
            Err(error) => {
                lease.revoke().await?;
                return Err(error);
            }
        };
        self.previous_user = std::mem::replace(&mut self.user, fence::proxy_user(&self.shared.id, &instance));
        self.secret = fence::secret();
        tracing::info!(instance, "registered");
        Ok(Ok(Registration { lease, instance, created }))
    }

    fn key(&self) -> String {
        format!("{}{}", keys::PROXIES, self.shared.id)
    }

    fn record(&self, instance: &str, epoch: Epoch) -> ProxyRecord {
        ProxyRecord {
            id: self.shared.id.clone(),
            instance: instance.to_owned(),
            address: self.address.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            epoch,
        }
    }

    /// Until the registration ends.
    async fn follow(&mut self, registration: &Registration) -> Ended {
        let record = self.record(&registration.instance, Epoch::default());
        let mut announcer =
            Announcer::start(self.registry.clone(), record, registration.lease.id(), registration.created);
        self.seen = Seen::default();
        self.applied.fill(Epoch::default());
        self.logins = JoinSet::new();
        let mut topology = self.registry.watch(keys::TOPOLOGY);
        let mut nodes = self.registry.watch(keys::NODES);
        let lost = registration.lease.lost();
        tokio::pin!(lost);
        let stop = self.stop.clone();
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ended::Stopped,
                () = &mut lost => return Ended::Lost("the lease ended".to_owned()),
                () = announcer.lost() => return Ended::Lost("the registration is gone".to_owned()),
                event = topology.next() => self.topology_event(event),
                event = nodes.next() => self.nodes_event(event),
                Some(login) = self.logins.join_next() => {
                    if let Ok(login) = login {
                        self.logged_in(login);
                    }
                }
                () = until(self.retry_logins_at) => {
                    self.retry_logins_at = None;
                    self.log_in();
                }
                () = until(self.publish_by) => self.publish().await,
                Some(report) = self.reports.recv() => match report {
                    Report::Applied { worker, epoch } => {
                        self.applied[worker] = epoch;
                        announcer.announce(self.applied.iter().copied().min().unwrap_or_default());
                    }
                    Report::LoginRefused { user, reason, node } if user == self.user => {
                        let node = self.proxy.routing().member(node).map_or_else(String::new, |m| m.label());
                        return Ended::Lost(format!("{node} refused the login: {reason}"));
                    }
                    Report::LoginRefused { .. } => {}
                },
            }
        }
    }

    fn topology_event(&mut self, event: WatchEvent) {
        let value = match event {
            WatchEvent::Reset { entries, .. } => {
                self.seen.topology = true;
                let entry = entries.into_iter().find(|entry| entry.key == keys::TOPOLOGY);
                Some(entry.map(|entry| entry.value))
            }
            WatchEvent::Changed { changes, .. } => changes
                .into_iter()
                .filter(|change| change.key() == keys::TOPOLOGY)
                .map(|change| match change {
                    Change::Put(entry) => Some(entry.value),
                    Change::Deleted { .. } => None,
                })
                .next_back(),
            WatchEvent::Down { error } => {
                tracing::warn!(%error, "etcd does not answer; traffic goes on with the last topology");
                self.tell(|| Message::Registry { down_since: Some(Instant::now()) });
                None
            }
            WatchEvent::Up => {
                self.tell(|| Message::Registry { down_since: None });
                None
            }
        };
        match value {
            None => return,
            Some(None) => self.topology = Topology::default(),
            Some(Some(value)) => match serde_json::from_slice(&value) {
                Ok(topology) => self.topology = topology,
                Err(error) => {
                    tracing::error!(%error, "the topology in etcd is unreadable; routing by the last one");
                    return;
                }
            },
        }
        self.changed();
    }

    fn nodes_event(&mut self, event: WatchEvent) {
        match event {
            WatchEvent::Reset { entries, .. } => {
                self.seen.nodes = true;
                self.nodes =
                    entries.iter().filter_map(node_record).map(|node| (node.id.clone(), node)).collect();
            }
            WatchEvent::Changed { changes, .. } => {
                for change in changes {
                    match change {
                        Change::Put(entry) => {
                            if let Some(node) = node_record(&entry) {
                                self.nodes.insert(node.id.clone(), node);
                            }
                        }
                        Change::Deleted { key } => {
                            if let Some(Ok(id)) = key.strip_prefix(keys::NODES).map(str::parse) {
                                self.nodes.remove(&id);
                            }
                        }
                    }
                }
            }
            // The other watch tells.
            WatchEvent::Down { .. } | WatchEvent::Up => return,
        }
        self.changed();
    }

    /// Something was read: log in where needed, then put it to use.
    fn changed(&mut self) {
        if !(self.seen.topology && self.seen.nodes) {
            return;
        }
        for node in self.nodes.values() {
            let member = (node.id.clone(), node.address.clone());
            if !self.numbered.contains(&member) {
                self.numbered.push(member);
                self.access.push(Access::Closed("not logged in yet".to_owned()));
            }
        }
        self.log_in();
        let now = tokio::time::Instant::now();
        let by = if self.logins.is_empty() { now } else { now + LOGIN_GRACE };
        self.publish_by = Some(self.publish_by.map_or(by, |before| before.min(by)));
    }

    /// Begins the logins that are missing.
    fn log_in(&mut self) {
        for (index, (id, address)) in self.numbered.iter().enumerate() {
            let is_member = self.nodes.get(id).is_some_and(|node| node.address == *address);
            let is_open = matches!(&self.access[index], Access::Ready(login) if login.user == self.user);
            if !is_member || is_open {
                continue;
            }
            let Ok(index) = NodeIndex::try_from(index) else { continue };
            let (registry, id, address) = (self.registry.clone(), self.shared.id.clone(), address.clone());
            let (user, previous, secret) =
                (self.user.clone(), self.previous_user.clone(), self.secret.clone());
            self.logins.spawn(async move {
                let login = log_in(&registry, &id, &address, (&user, &previous, &secret));
                let outcome = match tokio::time::timeout(LOGIN_TIMEOUT, login).await {
                    Ok(outcome) => outcome,
                    Err(_) => Err(format!("no login within {LOGIN_TIMEOUT:?}")),
                };
                LoggedIn { index, user, outcome }
            });
        }
    }

    fn logged_in(&mut self, login: LoggedIn) {
        if login.user != self.user {
            return;
        }
        let access = &mut self.access[usize::from(login.index)];
        match login.outcome {
            Ok(socket) => {
                let ready = Login { socket, user: login.user, secret: self.secret.clone() };
                *access = Access::Ready(ready);
            }
            Err(reason) => {
                // A user of before may still be good.
                if let Access::Closed(before) = access {
                    if *before != reason {
                        let (id, address) = &self.numbered[usize::from(login.index)];
                        tracing::warn!(node = %id, %address, reason, "cannot log in to a node");
                    }
                    *access = Access::Closed(reason);
                }
                self.retry_logins_at.get_or_insert_with(|| tokio::time::Instant::now() + PAUSE);
            }
        }
        if self.logins.is_empty() || self.publish_by.is_none() {
            self.publish_by = Some(tokio::time::Instant::now());
        }
    }

    /// Gives the workers a new table.
    async fn publish(&mut self) {
        self.publish_by = None;
        let members = self
            .numbered
            .iter()
            .zip(&self.access)
            .map(|((id, address), access)| {
                let is_member = self.nodes.get(id).is_some_and(|node| node.address == *address);
                is_member.then(|| {
                    Arc::new(Member { id: id.clone(), address: address.clone(), access: access.clone() })
                })
            })
            .collect();
        let routing = Arc::new(Routing::new(self.topology.clone(), members));
        tracing::debug!(epoch = %routing.epoch(), "routing by");
        self.proxy.publish(routing).await;
    }

    fn tell(&self, message: impl Fn() -> Message) {
        for port in self.shared.ports() {
            port.send(message());
        }
    }
}

/// Makes the user at a node, and only then asks the registry whether the proxy is still who it was.
async fn log_in(
    registry: &Registry,
    id: &ProxyId,
    address: &Address,
    (user, previous, secret): (&str, &str, &str),
) -> Result<SocketAddr, String> {
    let endpoint = address.connect_to();
    let socket = tokio::net::lookup_host(&endpoint)
        .await
        .map_err(|error| error.to_string())?
        .next()
        .ok_or_else(|| format!("{endpoint} has no address"))?;
    let mut peer = Peer::open(address).await.map_err(|error| error.to_string())?;
    peer.make_user(user, secret).await.map_err(|error| error.to_string())?;
    if let Err(error) = peer.forget_registrations(id, &[user, previous]).await {
        tracing::debug!(%error, "users of earlier registrations stay");
    }
    let registered =
        registry.get(&format!("{}{id}", keys::PROXIES)).await.map_err(|error| error.to_string())?;
    let record: Option<ProxyRecord> = registered.and_then(|entry| serde_json::from_slice(&entry.value).ok());
    let is_ours = record.is_some_and(|record| fence::proxy_user(&record.id, &record.instance) == user);
    if is_ours { Ok(socket) } else { Err("this proxy's registration has ended".to_owned()) }
}

fn node_record(entry: &Entry) -> Option<NodeRecord> {
    match serde_json::from_slice(&entry.value) {
        Ok(record) => Some(record),
        Err(error) => {
            tracing::error!(key = entry.key, %error, "a node's record in etcd is unreadable and left out");
            None
        }
    }
}

fn json(record: &ProxyRecord) -> Vec<u8> {
    serde_json::to_vec(record).expect("a record of strings and numbers is always JSON")
}

async fn until(time: Option<tokio::time::Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}
