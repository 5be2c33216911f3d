//! One thread of the data path: its clients, its connections to nodes, and everything between.
//!
//! A turn of the loop is: wait for sockets; read each ready client once and put its requests into the lanes of their
//! nodes; read each ready lane once and put its replies into the outputs of their clients; then write each lane and each
//! client that has something once. So many small requests of many clients become one write to each node, and nothing on
//! the way is locked, shared with another thread, or allocated per request.
//!
//! Here: sockets, time, and who waits for what. What a request means is in [`dispatch`], [`gather`] and [`local`]. Not
//! here: the registry; the table of routes comes from outside, ready made.

mod client;
mod client_command;
mod config;
mod dispatch;
mod gather;
mod lane;
mod lanes;
pub(super) mod local;
mod slots;
mod special;
pub(super) mod stream;

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use mio::{Events, Interest, Poll, Token, Waker};
use tokio::sync::{mpsc, oneshot};

use self::{
    client::{Client, Mute, Stall},
    lane::Lane,
    slots::{Key, Slots},
    stream::Stream,
};
use super::{
    routing::{NodeIndex, Routing},
    shared::Shared,
};
use crate::{
    cluster::id::Epoch,
    protocol::{Batch, Limits, Version},
    time::Millis,
};

/// What is read from one socket at once.
const READ: usize = 128 << 10;
/// How often timeouts are looked at while something is under way.
const TICK: Duration = Duration::from_millis(50);
/// Reads of one socket in one turn, before the others get theirs.
const READS_PER_TURN: usize = 16;

const LANE_BIT: usize = 1 << (usize::BITS - 1);
/// No client and no lane has this number.
const WAKER: Token = Token(LANE_BIT - 1);

/// What others tell a worker.
#[derive(Debug)]
pub(super) enum Message {
    /// A connection that speaks RESP, and what was read from it already.
    Connection {
        stream: Stream,
        read: Vec<u8>,
        peer: Option<(SocketAddr, SocketAddr)>,
        ended: Option<oneshot::Sender<()>>,
    },
    /// Another table of routes.
    Routing(Arc<Routing>),
    /// Since when the registry has not answered; `None` while it does.
    Registry { down_since: Option<Instant> },
    /// Look who was killed.
    Killed,
    /// Answer what was read, then end.
    Stop,
}

/// What a worker tells.
#[derive(Debug)]
pub(super) enum Report {
    /// It routes by this epoch, and nothing of an older one is under way where it matters.
    Applied { worker: usize, epoch: Epoch },
    /// A node does not let this user in any more.
    LoginRefused { user: String, reason: String, node: NodeIndex },
}

/// Where to send messages to a worker.
#[derive(Debug)]
pub(super) struct Port {
    inbox: Mutex<Vec<Message>>,
    waker: Waker,
}

impl Port {
    pub(super) fn send(&self, message: Message) {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner).push(message);
        if let Err(error) = self.waker.wake() {
            tracing::error!(%error, "cannot wake a worker");
        }
    }
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
    routing: Arc<Routing>,
    registry_down_since: Option<Instant>,
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
    /// Sockets that may have more to read.
    again: Vec<Token>,
    /// An epoch to acknowledge once these lanes have answered that many requests.
    draining: Option<(Epoch, Vec<(u32, u64)>)>,
    next_tick: Instant,
    gathers: gather::Gathers,
    random_state: std::hash::RandomState,
    randoms: u64,
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
        let port = Arc::new(Port { inbox: Mutex::default(), waker });
        let now = Instant::now();
        let worker = Self {
            index,
            shared,
            port: Arc::clone(&port),
            reports,
            poll,
            now,
            wall: Millis::now(),
            scratch: vec![0; READ],
            routing: Arc::new(Routing::unknown()),
            registry_down_since: None,
            clients: Slots::default(),
            lanes: Vec::new(),
            lane_of: Vec::new(),
            dirty_lanes: Vec::new(),
            dirty_clients: Vec::new(),
            resume: Vec::new(),
            held: Vec::new(),
            again: Vec::new(),
            draining: None,
            next_tick: now,
            gathers: gather::Gathers::default(),
            random_state: std::hash::RandomState::new(),
            randoms: 0,
            stopping: false,
        };
        Ok((worker, port))
    }

    /// Serves until it is told to stop and has answered everything.
    pub(super) fn run(mut self) {
        let mut events = Events::with_capacity(1024);
        loop {
            match self.poll.poll(&mut events, self.timeout()) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    tracing::error!(%error, worker = self.index, "cannot wait for sockets: the worker ends");
                    return;
                }
            }
            self.now = Instant::now();
            self.wall = Millis::now();
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
            for token in std::mem::take(&mut self.again) {
                if token.0 & LANE_BIT != 0 {
                    self.read_lane((token.0 & !LANE_BIT) as u32);
                } else if let Some(key) = self.clients.current(token.0 as u32) {
                    self.read_client(key);
                }
            }
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
                return;
            }
        }
    }

    fn timeout(&self) -> Option<Duration> {
        if !self.again.is_empty() {
            return Some(Duration::ZERO);
        }
        let busy = !self.held.is_empty()
            || self.draining.is_some()
            || self.stopping
            || self.lanes.iter().any(Lane::needs_time);
        busy.then_some(TICK)
    }

    fn take_messages(&mut self) {
        let messages = std::mem::take(&mut *self.port.inbox.lock().unwrap_or_else(PoisonError::into_inner));
        for message in messages {
            match message {
                Message::Connection { stream, read, peer, ended } => {
                    self.add_client(stream, &read, peer, ended);
                }
                Message::Routing(routing) => self.apply(routing),
                Message::Registry { down_since } => self.registry_down_since = down_since,
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
                            client.closing = true;
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
        let sources: Vec<NodeIndex> = routing.draining().collect();
        let barrier = (0u32..)
            .zip(&self.lanes)
            .filter(|(_, lane)| sources.contains(&lane.node))
            .map(|(index, lane)| (index, lane.taken))
            .collect();
        self.draining = Some((routing.epoch(), barrier));
        self.resume.append(&mut self.held);
    }

    /// Reports an epoch once everything older has been answered by the nodes that slots leave.
    fn acknowledge(&mut self) {
        let Some((epoch, barrier)) = &self.draining else { return };
        let drained = barrier.iter().all(|&(index, taken)| {
            let lane = &self.lanes[index as usize];
            lane.answered >= taken && lane.is_settled()
        });
        if drained {
            let report = Report::Applied { worker: self.index, epoch: *epoch };
            self.draining = None;
            // Nobody listens any more when the proxy ends.
            let _ = self.reports.send(report);
        }
    }

    // Clients.

    fn add_client(
        &mut self,
        mut stream: Stream,
        read: &[u8],
        peer: Option<(SocketAddr, SocketAddr)>,
        ended: Option<oneshot::Sender<()>>,
    ) {
        let key = self.clients.insert_with(|key| {
            let info = self.shared.clients.add(peer, self.index, self.wall);
            Box::new(Client {
                key,
                stream: Stream::Closed,
                info,
                input: Vec::new(),
                batch: Batch::default(),
                next: 0,
                replies: super::replies::Replies::default(),
                version: Version::Resp2,
                database: 0,
                authenticated: self.shared.password.is_none(),
                mute: Mute::No,
                muted: false,
                stall: None,
                unread: false,
                dirty: false,
                closing: self.stopping,
                broken: None,
                _ended: ended,
            })
        });
        let both = Interest::READABLE | Interest::WRITABLE;
        if let Err(error) = self.poll.registry().register(&mut stream, Token(key.index as usize), both) {
            tracing::warn!(%error, "cannot watch a client");
            self.close_client(key);
            return;
        }
        let Some(mut client) = self.clients.take(key) else { return };
        client.stream = stream;
        if !read.is_empty() {
            self.feed(&mut client, read);
        }
        self.clients.put_back(key, client);
        // What came before it was watched makes no event.
        self.read_client(key);
        self.dirty_client(key);
    }

    fn client_event(&mut self, index: u32, event: &mio::event::Event) {
        let Some(key) = self.clients.current(index) else { return };
        if event.is_error() {
            self.close_client(key);
            return;
        }
        if event.is_writable() && self.clients.get_mut(key).is_some_and(|c| !c.replies.unsent().is_empty()) {
            self.dirty_client(key);
        }
        if event.is_readable() || event.is_read_closed() {
            if event.is_read_closed()
                && let Some(client) = self.clients.get_mut(key)
            {
                client.unread = true;
            }
            self.read_client(key);
        }
    }

    /// Reads once, or to the end if it was closed.
    fn read_client(&mut self, key: Key) {
        let Some(mut client) = self.clients.take(key) else { return };
        let mut scratch = std::mem::take(&mut self.scratch);
        let to_the_end = std::mem::take(&mut client.unread);
        let mut reads = 0;
        let alive = loop {
            if client.stall.is_some() || client.closing {
                client.unread = true;
                break true;
            }
            if reads == READS_PER_TURN {
                client.unread = to_the_end;
                self.again.push(Token(key.index as usize));
                break true;
            }
            reads += 1;
            match client.stream.read(&mut scratch) {
                Ok(None) => break true,
                Ok(Some(0)) => {
                    // It may still read what it has asked for.
                    client.closing = true;
                    if !client.is_done() {
                        self.mark_dirty(&mut client);
                    }
                    break !client.is_done();
                }
                Ok(Some(count)) => {
                    self.feed(&mut client, &scratch[..count]);
                    if count < scratch.len() && !to_the_end {
                        break true;
                    }
                }
                Err(_) => break false,
            }
        };
        self.scratch = scratch;
        self.clients.put_back(key, client);
        if !alive {
            self.close_client(key);
        }
    }

    /// New bytes of a client that is not stalled.
    fn feed(&mut self, client: &mut Client, bytes: &[u8]) {
        if client.input.is_empty() {
            self.parse(client, bytes);
        } else {
            let mut input = std::mem::take(&mut client.input);
            input.extend_from_slice(bytes);
            self.parse(client, &input);
            // Serving copied what is left of it.
            if client.input.is_empty() && input.capacity() <= READ {
                input.clear();
                client.input = input;
            }
        }
    }

    fn parse(&mut self, client: &mut Client, buffer: &[u8]) {
        let limits = Limits::default();
        let limits = if client.authenticated { limits } else { limits.unauthenticated() };
        client.broken = client.batch.parse(buffer, &limits).err();
        if buffer.len() - client.batch.consumed() > limits.query_buffer {
            tracing::warn!(
                client = client.info.address(),
                "closing a client that sends a request without an end"
            );
            client.closing = true;
            return;
        }
        self.serve(client, buffer);
    }

    /// Serves the complete requests of a batch from where it stopped, and keeps what is not used.
    fn serve(&mut self, client: &mut Client, buffer: &[u8]) {
        let batch = std::mem::take(&mut client.batch);
        let routing = Arc::clone(&self.routing);
        let was_authenticated = client.authenticated;
        self.mark_dirty(client);
        while client.next < batch.len() && !client.closing {
            if client.stall.is_none() {
                client.begin();
            }
            let request = batch.get(client.next, buffer);
            match self.request(client, &routing, &request) {
                Ok(()) => {
                    client.stall = None;
                    client.next += 1;
                }
                Err(stall) => {
                    if stall == Stall::Held {
                        self.held.push(client.key);
                    }
                    client.stall = Some(stall);
                    break;
                }
            }
        }
        client.batch = batch;
        client.info.last_seen.store(self.wall.0, Relaxed);
        if client.stall.is_some() {
            client.input = buffer.to_vec();
            return;
        }
        client.next = 0;
        let rest = &buffer[client.batch.consumed()..];
        client.input.extend_from_slice(rest);
        client.batch.reset();
        if let Some(error) = client.broken.take() {
            if client.authenticated && !was_authenticated {
                // It was read with the limits of a stranger.
                client.batch.restart();
                let input = std::mem::take(&mut client.input);
                return self.parse(client, &input);
            }
            client.muted = false;
            client.error(error.reply());
            client.closing = true;
        }
        client.info.buffers.0.store(client.input.len() as u64, Relaxed);
    }

    /// Goes on with a client that was stalled.
    fn resume_client(&mut self, key: Key) {
        let Some(mut client) = self.clients.take(key) else { return };
        if client.stall.is_some() {
            let input = std::mem::take(&mut client.input);
            self.serve(&mut client, &input);
        }
        let unread = client.unread && client.stall.is_none();
        self.clients.put_back(key, client);
        if unread {
            self.read_client(key);
        }
        self.dirty_client(key);
    }

    fn dirty_client(&mut self, key: Key) {
        if let Some(client) = self.clients.get_mut(key)
            && !client.dirty
        {
            client.dirty = true;
            self.dirty_clients.push(key);
        }
    }

    fn mark_dirty(&mut self, client: &mut Client) {
        if !client.dirty {
            client.dirty = true;
            self.dirty_clients.push(client.key);
        }
    }

    fn close_client(&mut self, key: Key) {
        if let Some(client) = self.clients.forget(key) {
            self.shared.clients.remove(client.info.id);
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

    fn flush_client(&mut self, key: Key) {
        let Some(client) = self.clients.get_mut(key) else { return };
        client.dirty = false;
        let unsent = client.replies.unsent();
        let mut alive = true;
        if !unsent.is_empty() {
            match client.stream.write(unsent) {
                Ok(Some(count)) => client.replies.advance(count),
                Ok(None) => {}
                Err(_) => alive = false,
            }
            client.info.buffers.1.store(client.replies.buffered() as u64, Relaxed);
        }
        if !alive || client.is_done() {
            self.close_client(key);
        } else if client.may_resume() {
            self.resume.push(key);
        }
    }
}
