//! What the console knows of a cluster, as plain data: each fact with the time it was learnt.
//!
//! Here: the data and how to read it. Not here: how it is kept up to date (`update`), or any I/O. A view can be built
//! by hand, so that screens are tested without a network.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use redis_cluster::{
    cluster::{
        Topology,
        loss::LossRecord,
        member::{NodeRecord, ProxyRecord},
        plan::{GivenUp, MoveRecord},
        topology::SlotMove,
    },
    id::{NodeId, ProxyId},
    slot::{SLOTS, SlotId},
    time::Millis,
};

use super::{holdings::Owned, transfer::meter::Transfer};

/// The cluster as far as it is known. Times are wall-clock milliseconds since 1970 at this machine.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClusterView {
    /// Name of the cluster (`--cluster`).
    pub cluster: String,
    /// etcd, or the embedded registry.
    pub registry: RegistryView,
    /// The routing, once it was seen.
    pub topology: Option<TopologyView>,
    /// Members by id.
    pub nodes: BTreeMap<NodeId, NodeView>,
    /// Proxies that hold a lease, by id.
    pub proxies: BTreeMap<ProxyId, ProxyView>,
    /// Proxies that went without a word, until they are back.
    pub gone: BTreeMap<ProxyId, GoneProxy>,
    /// Proxies whose registration went, and when: one that is back a moment later is no stranger.
    pub left: BTreeMap<ProxyId, (ProxyView, Millis)>,
    /// The proxy that drives moves, while one is elected.
    pub leader: Option<ProxyId>,
    /// This console drives them, because no proxy is alive.
    pub drives_here: bool,
    /// Nodes that came back without keys they held, until an operator takes note.
    pub losses: BTreeMap<NodeId, LossRecord>,
    /// What operators asked for and is not finished, oldest first, then a few that just ended.
    pub plans: Vec<PlanView>,
    /// Moves of these plans by their numbers, as their journals say.
    pub journal: BTreeMap<u64, Arc<MoveRecord>>,
    /// While slots move: what belongs to whom, if a proxy has counted.
    pub owned: Option<Owned>,
    /// The last import or export of this console: how far it is, or was when it ended.
    pub transfer: Option<Transfer>,
    /// What happened, oldest first.
    pub events: EventLog,
}

/// The registry's health.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RegistryView {
    /// As they were given.
    pub endpoints: Vec<String>,
    /// Whether it answers.
    pub health: Health,
    /// When it was asked for the first time.
    pub asked_at: Millis,
    /// Of the last change that was seen.
    pub revision: u64,
    /// When anything was last heard from it.
    pub heard_at: Millis,
}

/// Whether somebody answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Health {
    /// Not asked yet.
    #[default]
    Unknown,
    /// It answers.
    Up,
    /// It does not.
    Down {
        /// From when on.
        since: Millis,
        /// Why.
        error: String,
        /// It answers, and does not let us.
        refused: bool,
    },
}

impl Health {
    /// It answers.
    #[must_use]
    pub fn is_up(&self) -> bool {
        matches!(self, Self::Up)
    }
}

/// The routing and when it was seen.
#[derive(Clone, Debug, PartialEq)]
pub struct TopologyView {
    /// As it stands in the registry.
    pub topology: Arc<Topology>,
    /// When this epoch was first seen.
    pub seen_at: Millis,
}

/// A node: what the registry says, and its last figures.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeView {
    /// From the registry.
    pub record: NodeRecord,
    /// The last that were read; kept when the node stops answering.
    pub figures: Option<NodeFigures>,
    /// When the node measured `figures`, by this machine's clock; zero while there are none.
    pub read_at: Millis,
    /// How long its requests took, and when that was heard: of several proxies some may have asked it nothing.
    pub latency: Option<(Latency, Millis)>,
    /// Why nobody gets figures of it any more; `None` while somebody does.
    pub error: Option<String>,
}

/// Figures of a node.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub struct NodeFigures {
    /// In all databases, copies of a move included: [`ClusterView::keys_of`] leaves them out.
    pub keys: u64,
    /// Of these, how many have a time to live.
    pub expires: u64,
    /// Commands since it started.
    pub commands: u64,
    /// Commands a second.
    pub ops_per_second: f64,
    /// Bytes.
    pub used_memory: u64,
    /// Bytes; zero: no limit.
    pub max_memory: u64,
    /// Connections.
    pub clients: u64,
    /// Such as `redis 7.0.15`.
    pub version: String,
    /// Since it started.
    pub uptime_seconds: u64,
    /// Round trip of the poll, microseconds; zero when the node reported itself.
    pub latency_us: u64,
    /// Error replies a second; `None`: nobody says.
    pub errors_per_second: Option<f64>,
    /// Of the reads of the last second or so, the share that found its key; `None`: there were none, or nobody says.
    pub hit_share: Option<f64>,
    /// Of the requests of the last seconds; `None`: there were none, or nobody says.
    pub latency: Option<Latency>,
}

/// How long a node took for its requests, as a proxy in front of it sees that: with the way there and back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Latency {
    /// Half of them took no longer, microseconds.
    pub p50_us: u64,
    /// Of a hundred, 99 took no longer.
    pub p99_us: u64,
}

impl NodeView {
    /// How long its requests take, by what was heard just before its last figures.
    #[must_use]
    pub fn latency(&self) -> Option<Latency> {
        self.latency.filter(|(_, at)| self.read_at.0 - at.0 < LATENCY_FOR_MS).map(|(latency, _)| latency)
    }
}

/// What was heard of a node's requests is shown for so long after it.
const LATENCY_FOR_MS: i64 = 3_000;

/// What a source tells of a node.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reading {
    /// The last figures that the source has, and how long before it told them it had read them, milliseconds by its own
    /// clock: clocks of different machines need not agree.
    pub figures: Option<(NodeFigures, i64)>,
    /// Why the source's last attempt got none.
    pub error: Option<String>,
}

impl Reading {
    /// Figures of this moment.
    #[must_use]
    pub fn fresh(figures: NodeFigures) -> Self {
        Self { figures: Some((figures, 0)), error: None }
    }

    /// No figures, and why.
    #[must_use]
    pub fn failed(error: String) -> Self {
        Self { figures: None, error: Some(error) }
    }
}

/// A proxy: what the registry says, and its last figures.
#[derive(Clone, Debug, PartialEq)]
pub struct ProxyView {
    /// From the registry.
    pub record: ProxyRecord,
    /// The last that were read; kept when the proxy stops answering.
    pub figures: Option<ProxyFigures>,
    /// When `figures` were read; zero while there are none.
    pub read_at: Millis,
    /// Why the last attempt to read figures failed; `None` when it did not.
    pub error: Option<String>,
}

impl ProxyView {
    /// Whom to ask first: the lowest.
    pub(super) fn rank(&self) -> u8 {
        match (&self.error, self.record.draining) {
            (None, false) => 0,
            // It may be gone at any moment.
            (None, true) => 1,
            (Some(_), _) => 2,
        }
    }
}

/// A proxy that did not leave of its own accord.
#[derive(Clone, Debug, PartialEq)]
pub struct GoneProxy {
    /// As it was registered.
    pub record: ProxyRecord,
    /// When its registration went.
    pub at: Millis,
    /// It did not follow a move, which shut it out; else its lease ended while it did not answer.
    pub shut_out: bool,
}

/// Figures of a proxy.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub struct ProxyFigures {
    /// Client connections.
    pub clients: u64,
    /// Commands since it started.
    pub commands: u64,
    /// Commands a second.
    pub ops_per_second: f64,
    /// Epoch of the topology it routes by.
    pub epoch: u64,
    /// Writes that wait for a move.
    pub held: u64,
    /// It drives moves.
    pub driver: bool,
    /// Of the program.
    pub version: String,
}

/// What an operator asked for, and how far it is.
#[derive(Clone, Debug, PartialEq)]
pub struct PlanView {
    /// Of `plans/ID`.
    pub id: u64,
    /// In the operator's words: `add 5 http://10.0.0.15:8001`.
    pub words: String,
    /// How far it is.
    pub state: PlanState,
    /// Slots that arrived.
    pub slots_done: usize,
    /// Slots to move in all.
    pub slots_total: usize,
    /// Keys that were moved, by the moves that have ended; [`headway`](super::headway::headway) knows more.
    pub keys_done: u64,
    /// Keys to move in all, about, as their owners said when it began.
    pub keys_expected: Option<u64>,
    /// It gives a node's keys up.
    pub gives_up: bool,
    /// How many these are, if anybody ever heard.
    pub given_up: Option<GivenUp>,
    /// When it was asked for.
    pub asked_at: Millis,
    /// When its state or progress last changed.
    pub changed_at: Millis,
}

/// How far a plan is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlanState {
    /// In the registry; no driver has begun.
    Waiting,
    /// A driver works on it.
    Running,
    /// Finished as asked.
    Done,
    /// Given up; why.
    Failed(String),
}

impl PlanState {
    /// Nothing more will happen.
    #[must_use]
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Done | Self::Failed(_))
    }

    /// One word for tables.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed(_) => "failed",
        }
    }
}

/// What a node is doing, in one word. A worse one hides a better one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum NodeState {
    /// No figures yet.
    Unknown,
    /// It answers.
    Up,
    /// Slots come to it, or will: it is new.
    Joining,
    /// Slots leave it.
    Donating,
    /// The last poll got no answer.
    Down,
}

impl NodeState {
    /// As tables show it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Up => "up",
            Self::Joining => "joining",
            Self::Donating => "donating",
            Self::Down => "down",
        }
    }
}

impl ClusterView {
    /// A view of nothing yet.
    #[must_use]
    pub fn new(cluster: &str, endpoints: &[String], events_kept: usize) -> Self {
        Self {
            cluster: cluster.to_owned(),
            registry: RegistryView { endpoints: endpoints.to_vec(), ..RegistryView::default() },
            events: EventLog::new(events_kept),
            ..Self::default()
        }
    }

    /// The registry has been read. Before that nothing is known, which is not the same as that there is nothing.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.registry.heard_at != Millis(0)
    }

    /// Moves that are not finished.
    #[must_use]
    pub fn moves(&self) -> &[SlotMove] {
        self.topology.as_ref().map_or(&[], |view| &view.topology.moves)
    }

    /// How many slots a node owns.
    #[must_use]
    pub fn slots_of(&self, node: &NodeId) -> usize {
        self.topology.as_ref().map_or(0, |view| {
            view.topology
                .slots
                .iter()
                .filter(|(_, owner)| owner == node)
                .map(|(range, _)| range.count())
                .sum()
        })
    }

    /// Who owns a slot.
    #[must_use]
    pub fn owner_of(&self, slot: SlotId) -> Option<&NodeId> {
        let slots = &self.topology.as_ref()?.topology.slots;
        let at = slots.partition_point(|(range, _)| range.last() < slot);
        slots.get(at).filter(|(range, _)| range.first() <= slot).map(|(_, owner)| owner)
    }

    /// Slots that nobody owns; all of them before the first node is added.
    #[must_use]
    pub fn slots_without_owner(&self) -> usize {
        let owned: usize = self
            .topology
            .as_ref()
            .map_or(0, |view| view.topology.slots.iter().map(|(range, _)| range.count()).sum());
        SLOTS - owned
    }

    /// What a node is doing.
    #[must_use]
    pub fn state_of(&self, node: &NodeId) -> NodeState {
        let Some(view) = self.nodes.get(node) else { return NodeState::Unknown };
        if view.error.is_some() {
            NodeState::Down
        } else if self.moves().iter().any(|one| &one.to == node) {
            NodeState::Joining
        } else if self.moves().iter().any(|one| &one.from == node) {
            NodeState::Donating
        } else if view.figures.is_some() {
            NodeState::Up
        } else if self.topology.is_some() && self.slots_of(node) == 0 {
            // Just added: nobody has asked it yet, and nothing of it is missed.
            NodeState::Joining
        } else {
            NodeState::Unknown
        }
    }

    /// Commands a second that clients give: what all proxies that answer were asked, without what moves and this console
    /// ask nodes themselves. `None`: none answers.
    #[must_use]
    pub fn ops_per_second(&self) -> Option<f64> {
        let answering = self.proxies.values().filter(|proxy| proxy.error.is_none());
        let rates =
            answering.filter_map(|proxy| proxy.figures.as_ref()).map(|figures| figures.ops_per_second);
        rates.reduce(|all, one| all + one)
    }
}

/// What an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum EventKind {
    /// A node was added or removed.
    Member,
    /// A proxy came, went, or became the driver.
    Proxy,
    /// A move came to another phase.
    Move,
    /// Slots have another owner.
    Slots,
    /// A plan was made or ended.
    Plan,
    /// A member stopped or began answering.
    Health,
    /// A member came back without its keys, or an operator took note of that.
    Loss,
    /// The registry stopped or began answering.
    Registry,
    /// It was done before this console began.
    Audit,
}

impl EventKind {
    /// As lists show it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Member => "member",
            Self::Proxy => "proxy",
            Self::Move => "move",
            Self::Slots => "slots",
            Self::Plan => "plan",
            Self::Health => "health",
            Self::Loss => "loss",
            Self::Registry => "registry",
            Self::Audit => "audit",
        }
    }
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct ClusterEvent {
    /// When it was seen here, milliseconds since 1970.
    pub at: i64,
    /// Revision of the registry, where it came from there.
    pub revision: Option<u64>,
    /// What it is about.
    pub kind: EventKind,
    /// One line of plain text.
    pub text: String,
    /// The plan it tells of, where it is the one line of a plan.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan: Option<u64>,
}

/// The latest events, and how many older ones were dropped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventLog {
    kept: usize,
    events: VecDeque<Arc<ClusterEvent>>,
    dropped: u64,
    told: u64,
    preceding: usize,
    version: u64,
}

impl EventLog {
    /// Keeps the last `kept` events.
    #[must_use]
    pub fn new(kept: usize) -> Self {
        Self { kept, events: VecDeque::new(), dropped: 0, told: 0, preceding: 0, version: 0 }
    }

    /// Adds the newest.
    pub fn push(&mut self, event: ClusterEvent) {
        self.told += 1;
        self.version += 1;
        self.events.push_back(Arc::new(event));
        while self.events.len() > self.kept {
            self.events.pop_front();
            self.preceding = self.preceding.saturating_sub(1);
            self.dropped += 1;
        }
    }

    /// Puts what happened before all this in front, oldest first, as far as there is room. It is no news.
    pub fn precede(&mut self, before: impl DoubleEndedIterator<Item = ClusterEvent>) {
        for event in before.rev().take(self.kept.saturating_sub(self.events.len())) {
            self.events.push_front(Arc::new(event));
            self.preceding += 1;
        }
        self.version += 1;
    }

    /// How many of those that are kept happened before.
    #[must_use]
    pub fn preceding(&self) -> usize {
        self.preceding
    }

    /// Puts a plan's line in the place of the one there is; without one it is the newest.
    pub fn count_up(&mut self, event: ClusterEvent) {
        match self.events.iter_mut().rev().find(|old| old.plan.is_some() && old.plan == event.plan) {
            Some(old) => {
                *old = Arc::new(ClusterEvent { at: old.at, ..event });
                self.version += 1;
            }
            None => self.push(event),
        }
    }

    /// Makes a plan's line the newest.
    pub fn conclude(&mut self, event: ClusterEvent) {
        self.events.retain(|old| old.plan.is_none() || old.plan != event.plan);
        self.push(event);
    }

    /// Oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &ClusterEvent> + ExactSizeIterator {
        self.events.iter().map(AsRef::as_ref)
    }

    /// How many are kept now.
    #[must_use]
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// Nothing happened yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// How many older ones are no longer kept.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Another one whenever anything in it has changed.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }

    /// How many there were in all, without those of before: events after an earlier count are the new ones.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.told
    }
}
