//! The connections of a worker to the nodes: which one a request takes. Their sockets are in [`sockets`]; what happens on them, and who is told,
//! in [`events`]. Not here: what a connection is ([`crate::proxy::upstream`]).

mod events;
mod sockets;

use std::{
    collections::HashMap,
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use mio::{Registry, Token, net::TcpStream};

use super::client::{Client, Stall};
use crate::{
    protocol::{Request, Version},
    proxy::{
        observe::{Note, OfNode},
        outbox::Outbox,
        routing::{Access, NodeIndex, Routing},
        shared::{Shared, WorkerFigures},
        slab::Key,
        transaction::Use,
        upstream::{BACKLOG_MAX, Origin, Purpose, Receiver, Trouble, Upstream},
    },
    slot::SlotId,
};

/// Databases that a proxy has.
pub(super) const DATABASES: u8 = 16;
/// Connections to a node beyond the ordinary ones, made when they are needed: the first for large requests and for clients who
/// get large replies, the second for others while a large reply keeps their own busy, the third for what may take long.
const SPARE: usize = 3;
/// A request of this size on its way keeps those behind it waiting for longer than another connection takes.
const LARGE_REQUEST: usize = 256 << 10;
/// What so many arguments ask for takes long, or its reply does, whatever they are.
const MANY_ARGUMENTS: usize = 1000;
/// How long it is remembered in which slots there are large values.
const FORGET_LARGE: Duration = Duration::from_secs(600);

/// Clients of a worker that may have a connection to one node for themselves: nodes let in some thousands in all.
const DEDICATED_MAX: usize = 1000;
/// A connection that belongs to nobody for so long is closed.
const LEFT_OVER: Duration = Duration::from_secs(10);

const NOBODY: UpstreamId = UpstreamId(u32::MAX);
const TOKEN_BIT: usize = 1 << (usize::BITS - 1);

/// Which connection, within a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct UpstreamId(u32);

impl UpstreamId {
    /// What its socket is called in the poller.
    fn token(self) -> Token {
        Token(self.0 as usize | TOKEN_BIT)
    }

    /// The connection whose socket is called so, if it is not a client's.
    pub(super) fn of(token: Token) -> Option<Self> {
        let index = u32::try_from(token.0 & !TOKEN_BIT).ok()?;
        (token.0 & TOKEN_BIT != 0).then_some(Self(index))
    }
}

/// A connection and its socket.
#[derive(Debug)]
struct Connected {
    upstream: Upstream,
    socket: Option<TcpStream>,
    /// Clients that are not read until the backlog is shorter.
    waiters: Vec<Key>,
    /// A large reply is on its way.
    clogged: bool,
    /// Since when it belongs to nobody, if it is dedicated.
    free_since: Instant,
    /// On the list of those to be flushed.
    dirty: bool,
    /// On the list of those to go on with in the next turn.
    again: bool,
    /// Of its node.
    figures: Arc<OfNode>,
    /// Requests taken that are counted there.
    counted: u64,
}

impl Connected {
    /// Counts what was taken since the last time.
    fn note_sent(&mut self) {
        let taken = self.upstream.taken();
        self.figures.sent.add(taken - self.counted);
        self.counted = taken;
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Upstreams {
    all: Vec<Connected>,
    /// By node, then by purpose and number.
    by_place: Vec<Box<[UpstreamId]>>,
    /// How many belong to one client each, by node.
    given: HashMap<NodeIndex, usize>,
    /// Those that are dedicated, and to nobody now.
    free: HashMap<(NodeIndex, Purpose), Vec<UpstreamId>>,
    dirty: Vec<UpstreamId>,
    /// By number among those to a node: how many a large reply keeps busy.
    clogged: Vec<u32>,
    /// When it is forgotten where there are large values.
    forget_large: Instant,
    /// Nodes are to remember what the request reads that is sent now.
    pub(super) tracked: bool,
    /// One could not be told to.
    pub(super) untracked: bool,
    /// Connections at nodes that are told of what is remembered.
    remembered_for: HashMap<NodeIndex, i64>,
    /// What the request is that is being served.
    pub(super) origin: Option<Origin>,
    /// What is to be kept of it until it is answered.
    pub(super) note: Option<Arc<Note>>,
    /// Connections began or ended that are not counted yet.
    links_changed: bool,
    figures: Arc<WorkerFigures>,
    shared: Arc<Shared>,
    registry: Registry,
}

/// Whether others should not have to wait behind a request.
fn is_large(request: &Request<'_>) -> bool {
    request.len() >= MANY_ARGUMENTS || request.raw().is_some_and(|raw| raw.len() >= LARGE_REQUEST)
}

// === which one ===

impl Upstreams {
    pub(super) fn new(
        shared: Arc<Shared>,
        figures: Arc<WorkerFigures>,
        registry: Registry,
        now: Instant,
    ) -> Self {
        let ordinary = shared.config.connections_per_node.get();
        Self {
            all: Vec::new(),
            by_place: Vec::new(),
            given: HashMap::new(),
            free: HashMap::new(),
            dirty: Vec::new(),
            clogged: vec![0; ordinary + SPARE],
            forget_large: now + FORGET_LARGE,
            tracked: false,
            untracked: false,
            remembered_for: HashMap::new(),
            origin: None,
            note: None,
            links_changed: false,
            figures,
            shared,
            registry,
        }
    }

    /// The one for large requests and replies.
    fn for_large(&self) -> usize {
        self.clogged.len() - SPARE
    }

    /// The one for what may take long.
    fn for_slow(&self) -> usize {
        self.clogged.len() - 1
    }

    /// The one for a client's requests to a node; made if there is none.
    #[inline]
    pub(super) fn of(&mut self, node: NodeIndex, client: &Client) -> UpstreamId {
        let purpose = Purpose { database: client.database, version: client.version };
        let place = self.place(purpose, client.upstream);
        if let Some(places) = self.by_place.get(usize::from(node))
            && places[place] != NOBODY
        {
            return places[place];
        }
        self.make(node, purpose, client.upstream)
    }

    #[inline]
    fn place(&self, purpose: Purpose, number: usize) -> usize {
        let version = usize::from(purpose.version == Version::Resp3);
        (usize::from(purpose.database) * 2 + version) * self.clogged.len() + number
    }

    #[cold]
    fn make(&mut self, node: NodeIndex, purpose: Purpose, number: usize) -> UpstreamId {
        let per_node = self.clogged.len() * usize::from(DATABASES) * 2;
        while self.by_place.len() <= usize::from(node) {
            self.by_place.push(vec![NOBODY; per_node].into_boxed_slice());
        }
        let id = self.add(Upstream::new(node, purpose, Use::Shared { number }));
        let place = self.place(purpose, number);
        self.by_place[usize::from(node)][place] = id;
        id
    }

    fn add(&mut self, upstream: Upstream) -> UpstreamId {
        let id = UpstreamId(u32::try_from(self.all.len()).expect("fewer than there are file descriptors"));
        let figures = self.figures.traffic.node(upstream.node);
        self.all.push(Connected {
            upstream,
            socket: None,
            waiters: Vec::new(),
            clogged: false,
            free_since: self.forget_large,
            dirty: false,
            again: false,
            figures,
            counted: 0,
        });
        id
    }

    /// One to hear a node on.
    pub(super) fn listen(&mut self, node: NodeIndex) -> UpstreamId {
        let purpose = Purpose { database: 0, version: Version::Resp3 };
        self.add(Upstream::new(node, purpose, Use::Listener))
    }

    /// One that belongs to a client until it is released; none if the node has given enough of them away.
    pub(super) fn dedicate(&mut self, node: NodeIndex, client: &Client) -> Option<UpstreamId> {
        let given = self.given.entry(node).or_default();
        if *given >= DEDICATED_MAX {
            return None;
        }
        *given += 1;
        let purpose = Purpose { database: client.database, version: client.version };
        let usage = Use::Dedicated { to: Some(client.key) };
        Some(match self.free.get_mut(&(node, purpose)).and_then(Vec::pop) {
            Some(id) => {
                let upstream = &mut self.all[id.0 as usize].upstream;
                upstream.enters_busy = false;
                if upstream.is_ready() && upstream.is_quiet() && upstream.id().is_none() {
                    // Made while its node was busy: nobody could end it there.
                    self.close(id);
                }
                self.all[id.0 as usize].upstream.usage = usage;
                id
            }
            None => self.add(Upstream::new(node, purpose, usage)),
        })
    }

    /// A connection just dedicated is for what may be asked of a busy node.
    pub(super) fn enter_busy(&mut self, id: UpstreamId) {
        self.all[id.0 as usize].upstream.enters_busy = true;
    }

    /// Nobody's any more; it may be used again at once, because all that is sent on it is done in order.
    pub(super) fn release(&mut self, id: UpstreamId, now: Instant) {
        let connected = &mut self.all[id.0 as usize];
        connected.upstream.usage = Use::Dedicated { to: None };
        connected.free_since = now;
        let node = connected.upstream.node;
        let place = (node, connected.upstream.purpose);
        self.free.entry(place).or_default().push(id);
        if let Some(given) = self.given.get_mut(&node) {
            *given -= 1;
        }
    }

    /// The client a connection belongs to, if it is dedicated to one.
    fn owner(&self, id: UpstreamId) -> Option<Key> {
        match self.upstream(id).usage {
            Use::Dedicated { to } => to,
            Use::Shared { .. } | Use::Listener => None,
        }
    }

    /// Whether a connection belongs to nobody for so long that it is to be closed.
    fn is_left_over(&self, id: UpstreamId, now: Instant) -> bool {
        let connected = &self.all[id.0 as usize];
        matches!(connected.upstream.usage, Use::Dedicated { to: None })
            && connected.upstream.is_ready()
            && connected.upstream.is_quiet()
            && now.saturating_duration_since(connected.free_since) >= LEFT_OVER
    }

    /// Which connections a client's requests take, one at every node. While something is under way it keeps to them, because only
    /// what goes the same way stays in order.
    #[inline]
    pub(super) fn choose(
        &mut self,
        client: &mut Client,
        takes_long: bool,
        request: &Request<'_>,
        in_flight: usize,
    ) -> Result<(), Stall> {
        let is_large = is_large(request);
        let (large, slow) = (self.for_large(), self.for_slow());
        if in_flight > 0 {
            let is_elsewhere = takes_long && client.upstream != slow
                || is_large && ![large, slow].contains(&client.upstream);
            return if is_elsewhere { Err(Stall::Drain) } else { Ok(()) };
        }
        let home = client.key.index() % large;
        client.upstream = if takes_long {
            slow
        } else if is_large || client.is_heavy() {
            large
        } else if self.clogged[home] == 0 {
            home
        } else {
            (0..large).find(|&number| self.clogged[number] == 0).unwrap_or(large + 1)
        };
        Ok(())
    }

    /// The same once it is known which slot a request is for: where there are large values, a large reply may come.
    #[inline]
    pub(super) fn choose_by_slot(&self, client: &mut Client, slot: SlotId, request: &Request<'_>) {
        client.slot = Some(slot);
        if client.replies.in_flight() > 0 || client.upstream == self.for_slow() {
            return;
        }
        let large = self.for_large();
        if client.upstream != large {
            if self.shared.large_slots.has(slot) {
                client.upstream = large;
            }
        } else if request.raw().is_some_and(|raw| raw.len() >= LARGE_REQUEST) {
            self.shared.large_slots.note(slot);
        }
    }

    /// Whether a connection takes a request now; otherwise the client waits, or is told why not.
    #[inline]
    pub(super) fn check(
        &mut self,
        id: UpstreamId,
        client: &Client,
        routing: &Routing,
        now: Instant,
    ) -> Result<Result<(), Vec<u8>>, Stall> {
        let connected = &mut self.all[id.0 as usize];
        if connected.upstream.backlog() > BACKLOG_MAX {
            connected.waiters.push(client.key);
            return Err(Stall::Backlog);
        }
        if connected.upstream.is_ready() {
            return Ok(Ok(()));
        }
        Ok(self.check_slowly(id, routing, now))
    }

    #[cold]
    fn check_slowly(&mut self, id: UpstreamId, routing: &Routing, now: Instant) -> Result<(), Vec<u8>> {
        if self.upstream(id).is_idle() {
            // Nobody waits on an idle one: there is nothing to be told to anyone else.
            let _nobody = self.connect(id, routing, now);
        }
        let upstream = self.upstream(id);
        upstream.trouble().map_or(Ok(()), |trouble| Err(unsent(trouble, &label(routing, upstream.node))))
    }

    /// Takes a request for a connection that was checked; its bytes are to be appended to what is returned.
    #[inline]
    pub(super) fn push(&mut self, id: UpstreamId, receiver: Receiver, now: Instant) -> &mut Outbox {
        self.push_block(id, receiver, 0, now)
    }

    /// The same for several commands that are one request: so many replies come before the one that is meant.
    #[inline]
    pub(super) fn push_block(
        &mut self,
        id: UpstreamId,
        receiver: Receiver,
        skip: u32,
        now: Instant,
    ) -> &mut Outbox {
        self.mark_dirty(id);
        let upstream = &mut self.all[id.0 as usize].upstream;
        match receiver {
            Receiver::Client { .. } | Receiver::Part { .. } | Receiver::Published { .. } => {
                upstream.announce(self.origin.as_ref(), self.note.as_ref());
            }
            // What waits for others says nothing of its node, nor does what the proxy asks for itself.
            Receiver::Wait { .. }
            | Receiver::Returned(_)
            | Receiver::Listener
            | Receiver::Pushed
            | Receiver::Nobody => {
                upstream.announce(None, None);
            }
        }
        if self.tracked {
            match self.remembered_for.get(&upstream.node) {
                Some(&listener) => return upstream.push_tracked(receiver, skip, listener, now),
                None => self.untracked = true,
            }
        }
        upstream.push(receiver, skip, now)
    }

    /// What a node remembers is told to this connection, or to none.
    pub(super) fn remember_for(&mut self, node: NodeIndex, listener: Option<UpstreamId>) {
        match listener.and_then(|id| self.upstream(id).id()) {
            Some(number) => self.remembered_for.insert(node, number),
            None => self.remembered_for.remove(&node),
        };
    }

    /// The same for a request that may wait.
    pub(super) fn push_patient(&mut self, id: UpstreamId, receiver: Receiver, now: Instant) -> &mut Outbox {
        self.mark_dirty(id);
        let upstream = &mut self.all[id.0 as usize].upstream;
        upstream.announce(None, None);
        upstream.push_patient(receiver, now)
    }

    /// The first ordinary connection to a node; it is made before anybody needs it.
    pub(super) fn ordinary(&mut self, node: NodeIndex) -> UpstreamId {
        let known = self.by_place.get(usize::from(node)).map_or(NOBODY, |places| places[0]);
        let purpose = Purpose { database: 0, version: Version::Resp2 };
        if known == NOBODY { self.make(node, purpose, 0) } else { known }
    }

    /// The first ordinary connection to a node for what the proxy itself does in a database.
    pub(super) fn for_itself(&mut self, node: NodeIndex, database: u8) -> UpstreamId {
        let purpose = Purpose { database, version: Version::Resp2 };
        let place = self.place(purpose, 0);
        let known = self.by_place.get(usize::from(node)).map_or(NOBODY, |places| places[place]);
        if known == NOBODY { self.make(node, purpose, 0) } else { known }
    }

    /// Whether a connection takes what the proxy itself asks, now.
    pub(super) fn takes(&mut self, id: UpstreamId, routing: &Routing, now: Instant) -> bool {
        let upstream = self.upstream(id);
        upstream.backlog() <= BACKLOG_MAX
            && (upstream.is_ready() || self.check_slowly(id, routing, now).is_ok())
    }

    /// Its number at its node, once it is ready.
    pub(super) fn connection_id(&self, id: UpstreamId) -> Option<i64> {
        self.upstream(id).id()
    }

    #[inline]
    fn mark_dirty(&mut self, id: UpstreamId) {
        let connected = &mut self.all[id.0 as usize];
        if !connected.dirty {
            connected.dirty = true;
            self.dirty.push(id);
        }
    }

    /// Those that have something to be written.
    pub(super) fn take_dirty(&mut self) -> Vec<UpstreamId> {
        std::mem::take(&mut self.dirty)
    }

    pub(super) fn has_dirty(&self) -> bool {
        !self.dirty.is_empty()
    }

    /// One of them, to look at.
    pub(super) fn upstream(&self, id: UpstreamId) -> &Upstream {
        &self.all[id.0 as usize].upstream
    }

    /// All there are now.
    fn ids(&self) -> impl Iterator<Item = UpstreamId> + use<> {
        (0..).map(UpstreamId).take(self.all.len())
    }

    /// All of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = (UpstreamId, &Upstream)> {
        (0..).map(UpstreamId).zip(self.all.iter().map(|connected| &connected.upstream))
    }

    /// Whether time passing may change something about any.
    pub(super) fn need_time(&self) -> bool {
        // What is left over is closed after a while.
        let is_free =
            |upstream: &Upstream| upstream.usage == Use::Dedicated { to: None } && upstream.is_ready();
        self.all.iter().any(|connected| connected.upstream.needs_time() || is_free(&connected.upstream))
    }

    /// Notes nodes that are at work on what may take long, for all workers.
    fn note_slow(&self, now: Instant) {
        let slow = Use::Shared { number: self.for_slow() };
        for Connected { upstream, .. } in &self.all {
            if upstream.usage == slow && upstream.is_ready() && !upstream.is_quiet() {
                self.shared.slow_nodes.note(upstream.node, now);
            }
        }
    }

    /// How long a reply may take on a connection: longer where the node is at work on what may take long, because it may serve
    /// nobody else meanwhile.
    fn patience(&self, id: UpstreamId, now: Instant) -> Duration {
        let config = &self.shared.config;
        let upstream = self.upstream(id);
        // What was asked for behind it is answered soon after.
        let is_late = upstream.waits_for(now) > config.node_timeout;
        if is_late && self.shared.slow_nodes.noted_within(upstream.node, config.node_timeout, now) {
            config.slow_timeout.max(config.node_timeout)
        } else {
            config.node_timeout
        }
    }

    /// Keeps count of connections that a large reply keeps busy.
    fn note_clogging(&mut self, id: UpstreamId) {
        let connected = &mut self.all[id.0 as usize];
        let clogged = connected.upstream.is_receiving_much();
        if clogged != connected.clogged
            && let Use::Shared { number } = connected.upstream.usage
        {
            connected.clogged = clogged;
            let count = &mut self.clogged[number];
            *count = if clogged { *count + 1 } else { *count - 1 };
        }
    }
}

// === figures ===

impl Upstreams {
    /// A connection can be used.
    fn is_made(&mut self) {
        self.links_changed = true;
    }

    /// Counts connections by their state anew, if one of them has changed.
    pub(super) fn count_links(&mut self) {
        if !std::mem::take(&mut self.links_changed) {
            return;
        }
        let mut counts: HashMap<NodeIndex, (&OfNode, [u64; 3])> = HashMap::new();
        for Connected { upstream, figures, .. } in &self.all {
            let (_, [ready, connecting, down]) = counts.entry(upstream.node).or_insert((&**figures, [0; 3]));
            if upstream.is_ready() {
                *ready += 1;
            } else if upstream.is_down() {
                *down += 1;
            } else if !upstream.is_idle() {
                *connecting += 1;
            }
        }
        for (figures, [ready, connecting, down]) in counts.into_values() {
            figures.ready.set(ready);
            figures.connecting.set(connecting);
            figures.down.set(down);
        }
    }
}

impl Upstreams {
    /// Connections that are asked for before anybody needs them.
    fn expected(&mut self, routing: &Routing) -> Vec<UpstreamId> {
        let purpose = Purpose { database: 0, version: Version::Resp2 };
        let mut ids = Vec::new();
        for &node in routing.owning() {
            if !matches!(routing.member(node).map(|member| &member.access), Some(Access::Ready(_))) {
                continue;
            }
            for number in 0..self.for_large() {
                let known = self.by_place.get(usize::from(node)).map_or(NOBODY, |places| places[number]);
                ids.push(if known == NOBODY { self.make(node, purpose, number) } else { known });
            }
        }
        ids
    }
}

/// The error for a request that did not run, without type and end.
fn unsent(trouble: &Trouble, label: &str) -> Vec<u8> {
    match trouble {
        Trouble::Unreachable(reason) => {
            format!("CLUSTERDOWN {label} is unreachable: {reason}; nothing was done").into_bytes()
        }
        Trouble::Refused(reply) => reply.strip_prefix(b"-").unwrap_or(reply).trim_ascii_end().to_vec(),
    }
}

/// How errors name a node.
pub(super) fn label(routing: &Routing, node: NodeIndex) -> String {
    routing.member(node).map_or_else(|| "a node that was removed".to_owned(), |member| member.label())
}

/// What the system said, without its number.
fn plain(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        io::ErrorKind::ConnectionReset => "connection reset".to_owned(),
        io::ErrorKind::BrokenPipe => "connection broken".to_owned(),
        io::ErrorKind::TimedOut => "connection timed out".to_owned(),
        _ => error.to_string(),
    }
}
