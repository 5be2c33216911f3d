//! The proxy's place in the registry: registered under a lease, following the topology, acknowledging epochs. Logging in to
//! the members is in [`logins`](super::logins), registering in [`registration`].
//!
//! Order matters (doc/resharding.md): the proxy registers first and reads the topology afterwards; it makes its user at a
//! node first and asks the registry afterwards whether it is still registered. So no freeze and no fence can pass between
//! the two unseen. An epoch is acknowledged when all workers route by it and have nothing older under way at the nodes
//! that slots leave. When the registry is away, traffic goes on with the last topology.

mod registration;

use crate::cluster::records::{keys, parse, parse_value};
use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokio::{sync::mpsc, task::JoinSet};
use tokio_util::sync::CancellationToken;

use self::registration::Registration;
use super::{
    RunError,
    announce::Announcer,
    daemon::{Proxy, STARTUP},
    freeze::{self, Action, Watchdog},
    logins::Logins,
    readmission::Readmission,
    routing::Routing,
    shared::Shared,
    tenure::Tenure,
    worker::{Message, Report},
};
use crate::{
    cluster::{
        drain::DrainRecord,
        member::NodeRecord,
        registry::{Change, Entry, Registry, Revision, WatchEvent},
        topology::Topology,
    },
    id::{Epoch, NodeId},
};

/// Between attempts when the registry does not answer.
const PAUSE: Duration = Duration::from_secs(1);
/// A new topology is put to use without nodes that take longer to log in to, or to be heard of.
const LOGIN_GRACE: Duration = Duration::from_millis(500);
/// The first topology waits no longer for nodes: as long as clients wait for it.
const FIRST: Duration = STARTUP;
/// Nodes that are logged in to later are put to use so long after the first of them: each table costs the more, the more nodes there are.
const LATE_LOGINS: Duration = Duration::from_millis(50);

/// What ends a registration.
enum Ended {
    /// The proxy stops.
    Stopped,
    /// It has to register anew, and why.
    Lost(String),
}

/// See the module.
pub(super) struct Membership {
    registry: Registry,
    proxy: Arc<Proxy>,
    shared: Arc<Shared>,
    /// `host:port` for clients.
    address: String,
    /// What the machine calls itself.
    host: String,
    /// Of all registrations of this process.
    instances: Vec<String>,
    reports: mpsc::UnboundedReceiver<Report>,
    stop: CancellationToken,
    topology: Topology,
    nodes: BTreeMap<NodeId, NodeRecord>,
    logins: Logins,
    /// There is something to put to use, at the latest then.
    publish_by: Option<tokio::time::Instant>,
    /// As long as there is no table at all: the first is put off while nodes are being logged in to, but not beyond this.
    first_by: Option<tokio::time::Instant>,
    seen: Seen,
    /// By every worker.
    applied: Vec<Epoch>,
    watchdog: Watchdog,
    /// Whether the registry answered.
    asked: JoinSet<bool>,
}

/// Which parts of the registry were read.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    topology: bool,
    nodes: bool,
}

impl Seen {
    fn all(self) -> bool {
        self.topology && self.nodes
    }
}

impl Membership {
    pub(super) fn new(
        registry: Registry,
        proxy: Arc<Proxy>,
        address: String,
        reports: mpsc::UnboundedReceiver<Report>,
        readmission: Readmission,
        stop: CancellationToken,
    ) -> Self {
        let shared = Arc::clone(&proxy.shared);
        let workers = shared.workers.len();
        let logins = Logins::new(registry.clone(), shared.id.clone(), readmission);
        Self {
            registry,
            proxy,
            shared,
            address,
            host: registration::host(),
            instances: Vec::new(),
            reports,
            stop,
            topology: Topology::default(),
            nodes: BTreeMap::new(),
            logins,
            publish_by: None,
            first_by: None,
            seen: Seen::default(),
            applied: vec![Epoch::default(); workers],
            watchdog: Watchdog::default(),
            asked: JoinSet::new(),
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
            let ended = self.follow(&registration).await;
            match ended {
                Ended::Stopped => {
                    match tokio::time::timeout(PAUSE, registration.lease.revoke()).await {
                        Ok(Ok(())) => {}
                        Ok(Err(error)) => {
                            tracing::warn!(%error, "the registration stays until its lease ends");
                        }
                        Err(_) => {
                            tracing::warn!(
                                "etcd does not answer: the registration stays until its lease ends"
                            );
                        }
                    }
                    return;
                }
                Ended::Lost(reason) => {
                    tracing::warn!(%reason, "registering anew");
                    // Nothing here relies on it from now on. An etcd that is away is not waited for: what it still has of this process is known as such.
                    let revoked = tokio::time::timeout(PAUSE, registration.lease.revoke()).await;
                    if !matches!(revoked, Ok(Ok(()))) {
                        tracing::warn!("the old registration stays until its lease ends, or is replaced");
                    }
                }
            }
            registration = loop {
                tokio::select! {
                    () = stop.cancelled() => return,
                    result = self.register(false) => match result {
                        Ok(Ok(registration)) => break registration,
                        Ok(Err(Some(other))) => {
                            tracing::error!(holder = other.address, "another proxy has this id now");
                        }
                        // It changed while it was looked at.
                        Ok(Err(None)) => continue,
                        Err(error) => tracing::warn!(%error, "cannot register; traffic goes on"),
                    },
                }
                tokio::time::sleep(PAUSE).await;
            };
        }
    }

    /// Until the registration ends.
    async fn follow(&mut self, registration: &Registration) -> Ended {
        let record = self.record(&registration.instance, Epoch::default());
        let mut announcer = Announcer::start(
            self.registry.clone(),
            record,
            registration.lease.id(),
            registration.created,
            self.shared.drain.told().clone(),
        );
        let tenure = Tenure::of(registration.lease.liveness());
        // What was read under another registration is not put to use under this one.
        self.seen = Seen::default();
        self.publish_by = None;
        self.applied.fill(Epoch::default());
        self.logins.forget_pending();
        let mut topology = self.registry.watch(keys::TOPOLOGY);
        let mut nodes = self.registry.watch(keys::NODES);
        let key = self.key();
        let mut own = self.registry.watch(&key);
        let mut drains = self.registry.watch(&keys::drain(&self.shared.id));
        let begun = self.shared.drain.begun().clone();
        let mut drains_already = begun.is_cancelled();
        let lost = registration.lease.lost();
        tokio::pin!(lost);
        let stop = self.stop.clone();
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ended::Stopped,
                () = &mut lost => return Ended::Lost("the lease ended".to_owned()),
                () = announcer.lost() => return Ended::Lost("the registration is gone".to_owned()),
                event = own.next() => if is_gone(&event, &key, registration.created) {
                    return Ended::Lost("the registration was ended by another process".to_owned());
                },
                event = drains.next() => self.drain_event(event, &registration.instance),
                () = begun.cancelled(), if !drains_already => {
                    drains_already = true;
                    announcer.drain();
                }
                event = topology.next() => self.topology_event(event),
                event = nodes.next() => self.nodes_event(event),
                changed = self.logins.next(&self.nodes, &self.topology) => self.login_ended(changed),
                () = until(self.publish_by) => {
                    self.publish(tenure.clone());
                    announcer.announce(self.newest());
                }
                () = until(self.watchdog.due()) => self.look_after_held_writes(),
                Some(answered) = self.asked.join_next() => {
                    let silent = !matches!(answered, Ok(true));
                    self.tell(|| Message::Registry { silent });
                }
                Some(report) = self.reports.recv() => match report {
                    Report::Applied { worker, epoch } => {
                        self.applied[worker] = epoch;
                        announcer.announce(self.newest());
                    }
                    Report::LoginRefused { user, reason, node } if user == self.logins.user() => {
                        let node = self.proxy.routing().member(node).map_or_else(String::new, |m| m.label());
                        return Ended::Lost(format!("{node} refused the login: {reason}"));
                    }
                    Report::LoginRefused { .. } => {}
                },
            }
        }
    }

    /// The epoch that everything in this proxy has come to.
    fn newest(&self) -> Epoch {
        self.applied.iter().copied().min().unwrap_or_default()
    }

    /// Ends a freeze that takes too long, or asks the registry whether anybody could still tell when to go on.
    fn look_after_held_writes(&mut self) {
        let Some(action) = self.watchdog.act(tokio::time::Instant::now()) else { return };
        let (registry, id) = (self.registry.clone(), self.shared.id.clone());
        self.asked.spawn(async move {
            let answer = async {
                match action {
                    Action::End(since) => freeze::end(&registry, &id, since).await,
                    Action::Ask => registry.get(keys::TOPOLOGY).await.map(drop),
                }
            };
            match tokio::time::timeout(freeze::ANSWER, answer).await {
                Ok(Ok(())) => true,
                Ok(Err(error)) => {
                    tracing::warn!(%error, "writes to moving slots are refused");
                    false
                }
                Err(_) => {
                    tracing::warn!("etcd does not answer: writes to moving slots are refused");
                    false
                }
            }
        });
    }

    /// Somebody asks this registration to end.
    fn drain_event(&self, event: WatchEvent, instance: &str) {
        let entries = match event {
            WatchEvent::Reset { entries, .. } => entries,
            WatchEvent::Changed { changes, .. } => changes
                .into_iter()
                .filter_map(|change| match change {
                    Change::Put(entry) => Some(entry),
                    Change::Deleted { .. } => None,
                })
                .collect(),
            WatchEvent::Down { .. } | WatchEvent::Up => return,
        };
        // The watch is of a prefix: `proxies/1` and `proxies/10`.
        for entry in entries.iter().filter(|entry| entry.key == keys::drain(&self.shared.id)) {
            match parse::<DrainRecord>(entry) {
                Ok(record) if record.instance == instance => {
                    tracing::info!(by = record.by, "asked to drain");
                    self.shared.drain.begin();
                }
                Ok(_) => {}
                Err(error) => tracing::error!(%error, "cannot tell whether to drain"),
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
                None
            }
            WatchEvent::Up => {
                tracing::info!("etcd answers again");
                None
            }
        };
        match value {
            None => return,
            Some(None) => self.topology = Topology::default(),
            Some(Some(value)) => match parse_value(keys::TOPOLOGY, &value) {
                Ok(topology) => self.topology = topology,
                Err(error) => {
                    tracing::error!(%error, "routing by the last topology");
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
        if !self.seen.all() {
            return;
        }
        self.logins.begin(&self.nodes, &self.topology);
        let now = tokio::time::Instant::now();
        if !self.proxy.routing().is_known() {
            self.first_by.get_or_insert(now + FIRST);
        }
        let by = if self.is_complete() { now } else { now + LOGIN_GRACE };
        self.publish_by = Some(self.publish_by.map_or(by, |before| before.min(by)));
    }

    /// A node is to be put to use, or does not let this proxy in; or it is as it was, and what was waited for may be complete.
    fn login_ended(&mut self, changed: bool) {
        if !self.seen.all() || !changed && self.publish_by.is_none() {
            return;
        }
        let now = tokio::time::Instant::now();
        if self.is_complete() {
            self.publish_by = Some(now);
        } else if let Some(latest) = self.first_by {
            self.publish_by = Some(latest.min(now + LOGIN_GRACE));
        } else {
            self.publish_by.get_or_insert(now + LATE_LOGINS);
        }
    }

    /// Whether nothing is missing to use what was read. Topology and nodes are two watches, and what one transaction changed
    /// in both may be heard from one of them first.
    fn is_complete(&self) -> bool {
        !self.logins.is_pending()
            && self.topology.slots.iter().all(|(_, owner)| self.nodes.contains_key(owner))
    }

    /// Puts a new table to use.
    fn publish(&mut self, tenure: Tenure) {
        (self.publish_by, self.first_by) = (None, None);
        let members = self.logins.members(&self.nodes);
        let routing = Arc::new(Routing::new(self.topology.clone(), members, tenure));
        tracing::debug!(epoch = %routing.epoch(), "routing by");
        // It was heard of now, whatever an earlier question found.
        self.tell(|| Message::Registry { silent: false });
        self.watchdog.see(&self.topology, tokio::time::Instant::now());
        self.proxy.publish(&routing);
    }

    fn tell(&self, message: impl Fn() -> Message) {
        for mailbox in self.shared.mailboxes() {
            mailbox.send(message());
        }
    }
}

/// Whether the event says that our registration, which began at `created`, is no more.
fn is_gone(event: &WatchEvent, key: &str, created: Revision) -> bool {
    match event {
        WatchEvent::Reset { entries, .. } => {
            !entries.iter().any(|entry| entry.key == key && entry.create_revision == created)
        }
        WatchEvent::Changed { changes, .. } => changes.iter().any(|change| match change {
            Change::Put(entry) => entry.key == key && entry.create_revision != created,
            Change::Deleted { key: deleted } => deleted == key,
        }),
        WatchEvent::Down { .. } | WatchEvent::Up => false,
    }
}

fn node_record(entry: &Entry) -> Option<NodeRecord> {
    match parse(entry) {
        Ok(record) => Some(record),
        Err(error) => {
            tracing::error!(%error, "a node is left out");
            None
        }
    }
}

/// At that time, or never.
pub(super) async fn until(time: Option<tokio::time::Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}
