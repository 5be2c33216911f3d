//! One thread of the data path: its clients, its connections to nodes, and everything between.
//!
//! A turn of the loop is: wait for sockets; read each ready client once and put its requests into the connections to
//! their nodes; read each of those once and put its replies into the outputs of their clients; then write each of both that has
//! something once. So many small requests of many clients become one write to each node, and nothing on
//! the way is locked, shared with another thread, or allocated per request.
//!
//! What is large must not keep others waiting: a socket that would take more than its share of a turn goes on in the next
//! one ([`client::Share`], `again`), large requests and replies are passed on in the memory they came in, take connections
//! of their own, and are merged a few elements at a time.
//!
//! Here: the turn, and messages. [`clients`], [`upstreams`], [`gathers`], [`waits`], [`listeners`] and [`epochs`] own what is theirs; what a
//! request means is in [`dispatch`], [`combine`], [`everywhere`], [`transactions`], [`scripts`], [`channels`], [`tracking`], [`monitors`], [`users`], [`learned`], [`pausing`] and [`local`]; what is seen of it, in [`watching`]; how clients go when the proxy drains, in [`leaving`], or because they take up too much, in [`limits`]. Not here: the registry; the table of routes comes from outside, ready made.

mod channels;
mod client;
mod clients;
mod cluster_mode;
mod combine;
pub(super) mod config;
mod debug;
mod dispatch;
mod endpoint;
mod epochs;
mod everywhere;
mod gathers;
mod learned;
mod leaving;
mod limits;
mod listeners;
pub(super) mod local;
mod mailbox;
mod monitors;
mod pausing;
mod scripts;
mod servers;
pub(super) mod stream;
mod tracking;
mod transactions;
mod upstreams;
mod users;
mod waits;
mod watching;

use std::{
    io,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use bytes::Bytes;
use mio::{Events, Poll, Token, Waker};
use tokio::sync::mpsc;

pub(super) use self::mailbox::{Mailbox, Message, Report, Waiting};
use self::{
    client::Stall,
    clients::Clients,
    epochs::Epochs,
    gathers::Gathers,
    listeners::{HEARTBEAT, Listeners},
    pausing::Begun,
    upstreams::{UpstreamId, Upstreams},
    waits::{Seeks, Waits},
};
use super::{
    observe::Cut,
    remains::Remains,
    routing::Routing,
    shared::{Counters, Shared, WorkerFigures},
    slab::Key,
};
use crate::{command::Spec, time::Millis};

/// What is read from one socket at once.
const READ: usize = 128 << 10;
/// How often timeouts are looked at while something is under way.
const TICK: Duration = Duration::from_millis(50);
/// Reads of one node in one turn, before the others get theirs.
const READS_PER_TURN: usize = 4;

/// No client and no connection to a node has this number.
const WAKER: Token = Token(u32::MAX as usize);

/// How far it is on its way to the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Serving,
    /// Clients go.
    Leaving,
    /// Everybody is gone but who is served for the proxy itself.
    Stopping,
    /// Whatever is still under way is nobody's concern.
    Abandoned,
}

/// One turn of the loop.
#[derive(Debug)]
struct Turn {
    number: u64,
    now: Instant,
    wall: Millis,
    /// Sockets to go on with in the next turn: their share of this one is used up.
    again: Vec<Token>,
}

/// See the module.
pub(super) struct Worker {
    index: usize,
    shared: Arc<Shared>,
    figures: Arc<WorkerFigures>,
    mailbox: Arc<Mailbox>,
    reports: mpsc::UnboundedSender<Report>,
    poll: Poll,
    turn: Turn,
    scratch: Vec<u8>,
    /// What the requests being served were parsed from, if it is large and may be passed on without being copied.
    whole: Option<Bytes>,
    epochs: Epochs,
    clients: Clients,
    upstreams: Upstreams,
    gathers: Gathers,
    listeners: Listeners,
    waits: Waits,
    seeks: Seeks,
    /// Clients that are shown all requests, and what is to be shown.
    monitors: Vec<Key>,
    shown: Vec<u8>,
    /// Who has paused clients and waits for what had begun.
    begun: Vec<Begun>,
    remains: Remains,
    counters: Counters,
    next_tick: Instant,
    /// Time passing may change something: so it may after every turn, until a tick has looked.
    needs_time: bool,
    next_look: Instant,
    random: fastrand::Rng,
    /// The request to be sampled next, counted by `counters.commands`.
    sample_at: u64,
    /// Requests of the batch being served need no look as long as they are of this command.
    looked_at: Option<&'static Spec>,
    /// How many origins requests have had.
    origins: u64,
    seen_scripts: scripts::Seen,
    stage: Stage,
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
    ) -> io::Result<(Self, Arc<Mailbox>)> {
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), WAKER)?;
        let mailbox = Arc::new(Mailbox::new(waker));
        let now = Instant::now();
        let figures = Arc::clone(&shared.workers[index]);
        let upstreams =
            Upstreams::new(Arc::clone(&shared), Arc::clone(&figures), poll.registry().try_clone()?, now);
        let clients = Clients::new(shared.limits.output);
        let worker = Self {
            index,
            shared,
            figures,
            mailbox: Arc::clone(&mailbox),
            reports,
            poll,
            turn: Turn { number: 0, now, wall: Millis::now(), again: Vec::new() },
            scratch: vec![0; READ],
            whole: None,
            epochs: Epochs::new(),
            clients,
            upstreams,
            gathers: Gathers::default(),
            listeners: Listeners::default(),
            waits: Waits::default(),
            seeks: Seeks::default(),
            monitors: Vec::new(),
            shown: Vec::new(),
            begun: Vec::new(),
            remains: Remains::default(),
            counters: Counters::default(),
            next_tick: now,
            needs_time: false,
            next_look: now,
            random: fastrand::Rng::new(),
            sample_at: 0,
            looked_at: None,
            origins: 0,
            seen_scripts: scripts::Seen::default(),
            stage: Stage::Serving,
        };
        Ok((worker, mailbox))
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
            let again = std::mem::take(&mut self.turn.again);
            self.turn.number += 1;
            self.needs_time = true;
            (self.turn.now, self.turn.wall) = (Instant::now(), Millis::now());
            for event in &events {
                match (event.token(), UpstreamId::of(event.token())) {
                    (WAKER, _) => self.take_messages(),
                    (_, Some(upstream)) => self.upstream_event(upstream, event.is_writable()),
                    (token, None) => self.client_event(token.0, event),
                }
            }
            for token in again {
                if let Some(upstream) = UpstreamId::of(token) {
                    self.continue_upstream(upstream);
                } else if let Some(key) = self.clients.current(token.0) {
                    self.continue_client(key);
                }
            }
            self.merge_some();
            self.remains.give_back_some(self.turn.now);
            self.end_late_seeks();
            self.resume_paused();
            self.settle();
            if self.turn.now >= self.next_tick {
                self.tick();
                self.next_tick = self.turn.now + TICK;
                self.settle();
                // Here and not in every turn: with many nodes it takes longer than the rest of a turn.
                self.needs_time = self.upstreams.need_time() || self.clients.need_time();
            }
            self.settle_begun();
            if let Some(epoch) = self.epochs.drained(&self.upstreams) {
                // Nobody listens any more when the proxy ends.
                let _ = self.reports.send(Report::Applied { worker: self.index, epoch });
            }
            self.counters.held = self.clients.held() as u64;
            self.counters.waiting = (self.seeks.waiting() + self.clients.paused()) as u64;
            self.figures.publish(&self.counters);
            self.upstreams.count_links();
            match self.stage {
                Stage::Serving | Stage::Leaving => {}
                Stage::Stopping => {
                    let is_done = self.clients.are_gone() && self.waits.is_empty() && self.seeks.is_empty();
                    if is_done {
                        return Ok(());
                    }
                }
                Stage::Abandoned => return Ok(()),
            }
        }
    }

    fn timeout(&self) -> Option<Duration> {
        if !self.turn.again.is_empty() || self.gathers.are_merging() || self.remains.needs_turn() {
            return Some(Duration::ZERO);
        }
        let busy = self.clients.held() > 0
            || self.epochs.is_draining()
            || self.stage != Stage::Serving
            || self.remains.needs_time()
            || self.needs_time
            || self.index == 0 && self.shared.limits.memory > 0
            || self.waits.are_ending();
        let ending = self.seeks.first_end().map(|end| end.saturating_duration_since(self.turn.now));
        let ending = ending.into_iter().chain(self.pause_left()).min();
        if busy {
            return Some(ending.map_or(TICK, |ending| ending.min(TICK)));
        }
        let listening = self.listeners.are_open().then_some(HEARTBEAT);
        let waiting = (!self.waits.is_empty()).then(|| self.probe_every());
        listening.into_iter().chain(waiting).chain(ending).min()
    }

    fn take_messages(&mut self) {
        for message in self.mailbox.take() {
            match message {
                Message::Connection { stream, read, peer, ended } => {
                    self.add_client(stream, &read, peer, ended);
                }
                Message::Routing(routing) => self.apply(routing),
                Message::Registry { silent } => {
                    self.epochs.registry_silent = silent;
                    if silent {
                        self.clients.resume_held();
                    }
                }
                Message::Counted { client, counted } => {
                    if let Some(waiting) = self.clients.get_mut(client)
                        && waiting.stall == Some(Stall::Counting)
                    {
                        waiting.counted = Some(counted);
                        self.clients.resume_one(client);
                    }
                }
                Message::Paused(ticket) => self.note_begun(ticket),
                Message::Settled { client } => self.has_settled(client),
                Message::Unpaused => self.resume_paused(),
                Message::Shown(lines) => self.take_shown(&lines),
                Message::Changed { client, changed } => self.tell_redirected(client, &changed),
                Message::Killed => {
                    for key in self.clients.keys() {
                        let killed = self.clients.get_mut(key).is_some_and(|c| c.info.killed.load(Relaxed));
                        if killed {
                            self.figures.traffic.cut(Cut::Killed);
                            self.close_client(key);
                        }
                    }
                }
                Message::Learned { client, lesson } => self.has_learned(client, lesson),
                Message::UsersChanged { client, changed } => self.users_changed(client, changed),
                Message::OthersAnswered { waiter, answered } => self.others_answered(waiter, answered),
                Message::UserGone(user) => self.user_gone(&user),
                Message::ChannelsLost(user) => self.channels_lost(&user),
                Message::Look { seek } => self.seeks.make_due(seek),
                Message::Unblock { id, error } => self.unblock_own(id, error),
                Message::Leave => self.let_go(),
                Message::Stop => self.close_all(),
                Message::Abandon => self.stage = Stage::Abandoned,
            }
        }
    }

    /// Routes by another table from the next request on.
    fn apply(&mut self, routing: Arc<Routing>) {
        self.epochs.routing = Arc::clone(&routing);
        self.update_upstreams(&routing);
        self.listen_by(&routing);
        let spared = self.end_moved_waits(&routing);
        self.epochs.begin(routing, &self.upstreams, &spared);
        self.clients.resume_held();
    }

    /// Writes everything there is to write, and goes on with who waited for that.
    fn settle(&mut self) {
        loop {
            self.go_on_seeking();
            self.send_shown();
            for upstream in self.upstreams.take_dirty() {
                self.flush_upstream(upstream);
            }
            for key in self.clients.take_dirty() {
                self.flush_client(key);
            }
            let resume = self.clients.take_resumed();
            let is_settled = !self.upstreams.has_dirty() && !self.clients.has_dirty();
            if resume.is_empty() && is_settled && !self.seeks.have_work() {
                return;
            }
            for key in resume {
                self.resume_client(key);
            }
        }
    }
}
