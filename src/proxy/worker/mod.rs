//! One thread of the data path: its clients, its connections to nodes, and everything between.
//!
//! A turn of the loop is: wait for sockets; read each ready client once and put its requests into the lanes of their
//! nodes; read each ready lane once and put its replies into the outputs of their clients; then write each lane and each
//! client that has something once. So many small requests of many clients become one write to each node, and nothing on
//! the way is locked, shared with another thread, or allocated per request.
//!
//! What is large must not keep others waiting: a socket that would take more than its share of a turn goes on in the next
//! one ([`client::Share`], `again`), large requests and replies are passed on in the memory they came in, take lanes of
//! their own, and are merged a few elements at a time.
//!
//! Here: the turn, messages, and epochs. Sockets of clients are in [`clients`], those of nodes in [`lanes`] and [`receive`]; what a request
//! means is in [`dispatch`], [`gather`] and [`local`]. Not
//! here: the registry; the table of routes comes from outside, ready made.

mod client;
mod clients;
mod config;
mod dispatch;
mod endpoint;
mod gather;
mod lane;
mod lanes;
pub(super) mod local;
mod port;
mod receive;
mod slots;
mod special;
pub(super) mod stream;

use std::{
    io,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use bytes::Bytes;
use mio::{Events, Poll, Token, Waker};
use tokio::sync::mpsc;

pub(super) use self::port::{Message, Port, Report, Waiting};
use self::{
    client::{Client, Stall},
    lane::Lane,
    slots::{Key, Slots},
};
use super::{
    remains::Remains,
    routing::{Draining, Routing},
    shared::Shared,
};
use crate::{id::Epoch, time::Millis};

/// What is read from one socket at once.
const READ: usize = 128 << 10;
/// How often timeouts are looked at while something is under way.
const TICK: Duration = Duration::from_millis(50);
/// Reads of one node in one turn, before the others get theirs.
const READS_PER_TURN: usize = 4;

const LANE_BIT: usize = 1 << (usize::BITS - 1);
/// No client and no lane has this number.
const WAKER: Token = Token(LANE_BIT - 1);

/// What a lane must have done before an epoch is acknowledged.
#[derive(Clone, Copy, Debug)]
struct Drain {
    lane: u32,
    /// Answered so many requests.
    taken: u64,
    /// And nothing that it ever sent can still run unseen.
    settled: bool,
}

/// See the module.
pub(super) struct Worker {
    index: usize,
    shared: Arc<Shared>,
    port: Arc<Port>,
    reports: mpsc::UnboundedSender<Report>,
    poll: Poll,
    now: Instant,
    wall: Millis,
    scratch: Vec<u8>,
    /// The number of this turn.
    turn: u64,
    /// What the requests being served were parsed from, if it is large and may be passed on without being copied.
    whole: Option<Bytes>,
    routing: Arc<Routing>,
    /// Nobody could tell held writes when to go on.
    registry_silent: bool,
    clients: Slots<Box<Client>>,
    lanes: Vec<Lane>,
    /// Lanes by node, then by database, version and number.
    lane_of: Vec<Box<[u32]>>,
    dirty_lanes: Vec<u32>,
    dirty_clients: Vec<Key>,
    /// Clients to go on with in this turn.
    resume: Vec<Key>,
    /// Clients whose writes wait for a slot move.
    held: Vec<Key>,
    /// Sockets to go on with in the next turn: their share of this one is used up.
    again: Vec<Token>,
    remains: Remains,
    /// When it is forgotten where there are large values.
    forget_large: Instant,
    /// By number of a lane among those to a node: how many a large reply keeps busy.
    clogged: Vec<u32>,
    /// An epoch to acknowledge.
    draining: Option<(Epoch, Vec<Drain>)>,
    next_tick: Instant,
    gathers: gather::Gathers,
    random: fastrand::Rng,
    stopping: bool,
}

impl Worker {
    /// A worker and the way to reach it.
    ///
    /// # Errors
    /// When the system gives no poller.
    pub(super) fn new(
        index: usize,
        shared: Arc<Shared>,
        reports: mpsc::UnboundedSender<Report>,
    ) -> io::Result<(Self, Arc<Port>)> {
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), WAKER)?;
        let port = Arc::new(Port::new(waker));
        let now = Instant::now();
        let ordinary_lanes = shared.config.connections_per_node.get();
        let worker = Self {
            index,
            shared,
            port: Arc::clone(&port),
            reports,
            poll,
            now,
            wall: Millis::now(),
            scratch: vec![0; READ],
            turn: 0,
            whole: None,
            routing: Arc::new(Routing::unknown()),
            registry_silent: false,
            clients: Slots::default(),
            lanes: Vec::new(),
            lane_of: Vec::new(),
            dirty_lanes: Vec::new(),
            dirty_clients: Vec::new(),
            resume: Vec::new(),
            held: Vec::new(),
            again: Vec::new(),
            remains: Remains::default(),
            forget_large: now,
            clogged: vec![0; ordinary_lanes + lanes::SPARE_LANES],
            draining: None,
            next_tick: now,
            gathers: gather::Gathers::default(),
            random: fastrand::Rng::new(),
            stopping: false,
        };
        Ok((worker, port))
    }

    /// Serves until it is told to stop and has answered everything.
    ///
    /// # Errors
    /// When the system does not let it wait for its sockets.
    pub(super) fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(1024);
        loop {
            match self.poll.poll(&mut events, self.timeout()) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            self.turn += 1;
            self.now = Instant::now();
            self.wall = Millis::now();
            let again = std::mem::take(&mut self.again);
            for event in &events {
                let token = event.token();
                if token == WAKER {
                    self.take_messages();
                } else if token.0 & LANE_BIT != 0 {
                    self.lane_event((token.0 & !LANE_BIT) as u32, event.is_writable());
                } else {
                    self.client_event(token.0 as u32, event);
                }
            }
            for token in again {
                if token.0 & LANE_BIT != 0 {
                    self.continue_lane((token.0 & !LANE_BIT) as u32);
                } else if let Some(key) = self.clients.current(token.0 as u32) {
                    self.continue_client(key);
                }
            }
            self.merge_some();
            self.remains.give_back_some();
            self.settle();
            if self.now >= self.next_tick {
                self.tick();
                self.next_tick = self.now + TICK;
                self.settle();
            }
            self.acknowledge();
            self.gathers.counters.held = self.held.len() as u64;
            self.shared.workers[self.index].publish(&self.gathers.counters);
            if self.stopping && self.clients.keys().is_empty() {
                return Ok(());
            }
        }
    }

    fn timeout(&self) -> Option<Duration> {
        if !self.again.is_empty() || self.is_merging() || !self.remains.is_empty() {
            return Some(Duration::ZERO);
        }
        let busy = !self.held.is_empty()
            || self.draining.is_some()
            || self.stopping
            || self.lanes.iter().any(Lane::needs_time);
        busy.then_some(TICK)
    }

    fn take_messages(&mut self) {
        for message in self.port.take() {
            match message {
                Message::Connection { stream, read, peer, ended } => {
                    self.add_client(stream, &read, peer, ended);
                }
                Message::Routing(routing) => self.apply(routing),
                Message::Registry { silent } => {
                    self.registry_silent = silent;
                    if silent {
                        self.resume.append(&mut self.held);
                    }
                }
                Message::Counted { client, counted } => {
                    if let Some(waiting) = self.clients.get_mut(client)
                        && waiting.stall == Some(Stall::Counting)
                    {
                        waiting.counted = Some(counted);
                        self.resume.push(client);
                    }
                }
                Message::Killed => {
                    for key in self.clients.keys() {
                        let killed = self.clients.get_mut(key).is_some_and(|c| c.info.killed.load(Relaxed));
                        if killed {
                            self.close_client(key);
                        }
                    }
                }
                Message::Stop => {
                    self.stopping = true;
                    for key in self.clients.keys() {
                        if let Some(client) = self.clients.get_mut(key) {
                            client.end();
                        }
                        self.dirty_client(key);
                    }
                }
            }
        }
    }

    /// Routes by another table from the next request on.
    fn apply(&mut self, routing: Arc<Routing>) {
        self.routing = routing;
        let routing = Arc::clone(&self.routing);
        self.update_lanes(&routing);
        let drains: Vec<Draining> = routing.draining().collect();
        let barrier = (0u32..).zip(&self.lanes).filter_map(|(index, lane)| {
            let drain = drains.iter().find(|drain| drain.node == lane.node)?;
            Some(Drain { lane: index, taken: lane.taken, settled: drain.writes })
        });
        self.draining = Some((routing.epoch(), barrier.collect()));
        self.resume.append(&mut self.held);
    }

    /// Reports an epoch once everything older has been answered by the nodes that slots leave.
    fn acknowledge(&mut self) {
        let Some((epoch, barrier)) = &self.draining else { return };
        let drained = barrier.iter().all(|drain| {
            let lane = &self.lanes[drain.lane as usize];
            lane.answered >= drain.taken && (lane.is_settled() || !drain.settled)
        });
        if drained {
            let report = Report::Applied { worker: self.index, epoch: *epoch };
            self.draining = None;
            // Nobody listens any more when the proxy ends.
            let _ = self.reports.send(report);
        }
    }

    /// Writes everything there is to write, and goes on with who waited for that.
    fn settle(&mut self) {
        loop {
            for index in std::mem::take(&mut self.dirty_lanes) {
                self.flush_lane(index);
            }
            let mut dirty = std::mem::take(&mut self.dirty_clients);
            for key in dirty.drain(..) {
                self.flush_client(key);
            }
            if self.dirty_clients.is_empty() {
                self.dirty_clients = dirty;
            }
            let resume = std::mem::take(&mut self.resume);
            if resume.is_empty() && self.dirty_lanes.is_empty() && self.dirty_clients.is_empty() {
                return;
            }
            for key in resume {
                self.resume_client(key);
            }
        }
    }
}
