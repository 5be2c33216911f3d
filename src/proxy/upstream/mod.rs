//! One connection to one node, as a machine over bytes and given times: what it says, what it was answered, when it is given up.
//! Without sockets: [`super::worker`] has those.
//!
//! Requests of many clients go out in one write, replies come back in the order of the requests. A connection has one RESP version
//! and one database for all its life: the form of a reply and the meaning of a key depend on them, and a `SELECT` between requests
//! that failed would send the next one into the wrong database.
//!
//! [`link`] is how far the connection is, [`handshake`] what it says first, [`timing`] how long requests take.

mod handshake;
mod link;
#[cfg(test)]
mod tests;
mod timing;

use std::{
    collections::VecDeque,
    io::{self, Write},
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;

use self::{
    handshake::{Greeted, Handshake},
    link::Link,
    timing::Timing,
};
pub(super) use self::{
    link::Trouble,
    timing::{Origin, Settled, Told},
};
use super::{
    observe::Note,
    outbox::{LARGE, Outbox, Sent},
    outcome::Outcome,
    remains::Remains,
    routing::{Access, Login, NodeIndex},
    slab::Key,
    transaction::Use,
};
use crate::protocol::{Version, encode_command, frame::FrameScanner};

/// Requests that wait for a node to read them, bytes; beyond it clients of this connection are not read.
pub(super) const BACKLOG_MAX: usize = 16 << 20;

/// A reply of this size on its way keeps those behind it waiting for longer than another connection takes.
const CLOGS: usize = 512 << 10;

/// Who gets a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Receiver {
    /// A client, for its request of this sequence.
    Client { client: Key, sequence: u32 },
    /// A part of a request that went to several nodes.
    Part { gather: Key, part: u32 },
    /// A client, for a message that was published: so many more receive it than the node counts.
    Published { client: Key, sequence: u32, more: i32 },
    /// The worker itself, for what it said on a connection that it hears messages on.
    Listener,
    /// The same, for what nobody asked for.
    Pushed,
    /// A request that may wait: its reply, or what comes before it about the stream in one of its arguments.
    Wait { wait: Key, argument: u32 },
    /// What goes back because nobody was there to have it.
    Returned(Key),
    /// It is not looked at.
    Nobody,
}

/// A request that is not answered: who gets the reply and where in the stream it began.
#[derive(Clone, Copy, Debug)]
struct Tag {
    receiver: Receiver,
    start: u64,
    /// Replies that come before the one that is meant.
    skip: u32,
}

/// A reply as it comes from a node.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reply<'a> {
    /// To be copied.
    Small(&'a [u8]),
    /// To be kept in the memory it came in.
    Large(Bytes),
}

impl Reply<'_> {
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Self::Small(bytes) => bytes,
            Self::Large(bytes) => bytes,
        }
    }
}

/// Which connections to a node a request may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Purpose {
    /// Selected.
    pub(super) database: u8,
    /// Of the replies.
    pub(super) version: Version,
}

/// A connection as the node knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Known {
    id: i64,
    user: String,
}

/// Why a connection is of no more use.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// The node does not know the user, or not any more; in its words.
    Login(String),
    /// Anything else.
    Other(Trouble),
}

impl Failure {
    fn nonsense(what: &str) -> Self {
        Self::Other(Trouble::Unreachable(what.to_owned()))
    }
}

/// What passing time asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// The node does not answer.
    GiveUp(Trouble),
    /// Another attempt.
    Connect,
    /// Nobody needs it, or it is logged in as who the proxy was before.
    Close,
}

/// What a connection leaves that was given up: who waits for replies, and what became of each request.
#[derive(Debug)]
pub(super) struct Lost {
    tags: VecDeque<Tag>,
    /// What began before this place in the stream was sent, at least in part.
    sent_to: u64,
    pub(super) trouble: Trouble,
}

impl Lost {
    /// Who waits.
    pub(super) fn receivers(&self) -> impl Iterator<Item = (Receiver, Outcome)> + '_ {
        self.tags.iter().map(|tag| {
            let was_sent = tag.start < self.sent_to;
            (tag.receiver, if was_sent { Outcome::Unknown } else { Outcome::NotRun })
        })
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Upstream {
    pub(super) node: NodeIndex,
    pub(super) purpose: Purpose,
    pub(super) usage: Use,
    link: Link,
    /// Requests, from stream position `base` on.
    out: Outbox,
    base: u64,
    tags: VecDeque<Tag>,
    /// The beginning of a reply that is not complete.
    partial: Vec<u8>,
    scanner: FrameScanner,
    /// Since when the oldest request waits, or the last reply came.
    waiting_since: Option<Instant>,
    /// The request under way may take as long as it likes.
    is_patient: bool,
    /// For what may be asked of a busy node, and for nothing else while its number is unknown.
    pub(super) enters_busy: bool,
    backoff: link::Backoff,
    /// This connection at the node, and one that broke with requests under way.
    known: Option<Known>,
    stale: Option<Known>,
    user: String,
    /// The connection that the node tells of what was read on this one.
    remembers_for: Option<i64>,
    /// Requests taken and requests answered, ever.
    taken: u64,
    answered: u64,
    timing: Timing,
}

impl Upstream {
    pub(super) fn new(node: NodeIndex, purpose: Purpose, usage: Use) -> Self {
        Self {
            node,
            purpose,
            usage,
            link: Link::Idle,
            out: Outbox::default(),
            base: 0,
            tags: VecDeque::new(),
            partial: Vec::new(),
            scanner: FrameScanner::default(),
            waiting_since: None,
            is_patient: false,
            enters_busy: false,
            backoff: link::Backoff::default(),
            known: None,
            stale: None,
            user: String::new(),
            remembers_for: None,
            taken: 0,
            answered: 0,
            timing: Timing::default(),
        }
    }

    // === how far it is ===

    /// Whether requests go to the node at once.
    #[inline]
    pub(super) fn is_ready(&self) -> bool {
        matches!(self.link, Link::Ready)
    }

    /// Whether nobody has asked for it yet.
    pub(super) fn is_idle(&self) -> bool {
        matches!(self.link, Link::Idle)
    }

    /// Whether the kernel is still connecting.
    pub(super) fn is_connecting(&self) -> bool {
        matches!(self.link, Link::Connecting { .. })
    }

    /// Why a request cannot be taken now, if it cannot. Without a connection yet, requests wait for it.
    pub(super) fn trouble(&self) -> Option<&Trouble> {
        self.link.trouble()
    }

    /// Whether time passing may change something about it.
    pub(super) fn needs_time(&self) -> bool {
        match self.link {
            Link::Idle => false,
            Link::Connecting { .. } | Link::Greeting { .. } | Link::Down { .. } => true,
            Link::Ready => self.waiting_since.is_some(),
        }
    }

    /// Whether nobody waits for a reply.
    pub(super) fn is_quiet(&self) -> bool {
        self.tags.is_empty()
    }

    /// Whether nothing that was ever sent to the node on this connection or one before can still be run by it unseen.
    pub(super) fn is_settled(&self) -> bool {
        self.stale.is_none()
    }

    /// Whether what is under way waits for others to act.
    pub(super) fn is_patient(&self) -> bool {
        self.is_patient
    }

    /// How long the oldest request has waited by now, or nothing has come.
    pub(super) fn waits_for(&self, now: Instant) -> Duration {
        self.waiting_since.map_or(Duration::ZERO, |since| now.duration_since(since))
    }

    /// Requests taken, ever.
    pub(super) fn taken(&self) -> u64 {
        self.taken
    }

    /// Requests answered, ever.
    pub(super) fn answered(&self) -> u64 {
        self.answered
    }

    /// Bytes that the node has not taken.
    #[inline]
    pub(super) fn backlog(&self) -> usize {
        self.out.len()
    }

    /// Whether a reply is under way that is large, by what it says or by what has come of it.
    pub(super) fn is_receiving_much(&self) -> bool {
        self.partial.len().max(self.scanner.wanted()) >= CLOGS
    }

    // === beginning and ending ===

    /// The kernel is asked for a connection: the next is [`Upstream::opened`] or [`Upstream::lose`].
    pub(super) fn connect(&mut self, login: &Login, timeout: Duration, now: Instant) {
        let known_bad = self.trouble().cloned();
        self.user.clone_from(&login.user);
        let handshake =
            Handshake::new(login, self.purpose, self.stale.as_ref()).entering_busy(self.enters_busy);
        self.link = Link::Connecting { deadline: now + timeout, handshake, known_bad };
    }

    /// The kernel has connected it. What to say first: a few hundred bytes, into an empty socket buffer.
    pub(super) fn opened(&mut self) -> Vec<u8> {
        match std::mem::replace(&mut self.link, Link::Idle) {
            Link::Connecting { deadline, mut handshake, known_bad } => {
                let said = handshake.take_words();
                self.link = Link::Greeting { deadline, handshake, known_bad };
                said
            }
            other => {
                self.link = other;
                Vec::new()
            }
        }
    }

    /// Ends a connection that nobody waits for; the next request makes a new one.
    pub(super) fn close(&mut self) {
        debug_assert!(self.tags.is_empty());
        self.known = None;
        self.remembers_for = None;
        self.link = Link::Idle;
    }

    /// Gives the connection up until later.
    pub(super) fn lose(&mut self, trouble: Trouble, now: Instant) -> Lost {
        let sent_to = self.base;
        let tags = std::mem::take(&mut self.tags);
        // What is said on a listener changes nothing at the node.
        let may_run = self.usage != Use::Listener && self.is_ready();
        if may_run && tags.front().is_some_and(|tag| tag.start < sent_to) {
            // The node may still have them in its socket buffer: they count as running until it is known that
            // the connection is gone there too.
            self.stale = self.known.take();
        }
        self.known = None;
        self.remembers_for = None;
        self.link = Link::Down { until: now + self.backoff.next(), trouble: trouble.clone() };
        self.base += self.out.len() as u64;
        self.out = Outbox::default();
        self.partial = Vec::new();
        self.scanner = FrameScanner::default();
        self.waiting_since = None;
        self.is_patient = false;
        self.answered += tags.len() as u64;
        self.timing.lose(self.answered);
        Lost { tags, sent_to, trouble }
    }

    /// Another user is to be used from now on. True: it is to be closed now, because it is logged in as the one before.
    pub(super) fn change_login(&mut self, login: &Login, now: Instant) -> bool {
        if login.user == self.user {
            return false;
        }
        if let Link::Down { until, .. } = &mut self.link {
            *until = now;
            self.backoff = link::Backoff::default();
        }
        self.is_ready() && self.is_quiet()
    }

    /// What is to be done because of the time. `access`: how the node is reached now; none: it is no member any more.
    pub(super) fn due(&self, access: Option<&Access>, reply_timeout: Duration, now: Instant) -> Option<Due> {
        match &self.link {
            Link::Connecting { deadline, .. } | Link::Greeting { deadline, .. } => {
                let trouble = || Trouble::Unreachable("no answer to a connection attempt".to_owned());
                (now >= *deadline).then(|| Due::GiveUp(trouble()))
            }
            Link::Down { until, .. } => {
                let due = if access.is_some() { Due::Connect } else { Due::Close };
                (now >= *until).then_some(due)
            }
            Link::Ready if self.tags.is_empty() => {
                let is_other_user = match access {
                    Some(Access::Ready(login)) => login.user != self.user,
                    Some(Access::Loading | Access::Closed(_)) => false,
                    None => true,
                };
                is_other_user.then_some(Due::Close)
            }
            Link::Ready => {
                let late = self.waiting_since.is_some_and(|since| now.duration_since(since) > reply_timeout);
                let reason = || format!("no reply within {} ms", reply_timeout.as_millis());
                late.then(|| Due::GiveUp(Trouble::Unreachable(reason())))
            }
            Link::Idle => None,
        }
    }

    /// The user it is logged in as, or about to be.
    pub(super) fn user(&self) -> &str {
        &self.user
    }

    /// Whether it waits to be tried again.
    pub(super) fn is_down(&self) -> bool {
        matches!(self.link, Link::Down { .. })
    }

    // === requests ===

    /// What the request is that comes next, and what is to be kept of it.
    #[inline]
    pub(super) fn announce(&mut self, origin: Option<&Origin>, note: Option<&Arc<Note>>) {
        let number = self.taken + 1;
        self.timing.take(number, origin);
        if let Some(note) = note {
            self.timing.note(number, note);
        }
    }

    /// Tells what became of requests since the last time; returns since when the first of them was the node's to answer.
    pub(super) fn settle(&mut self, now: Instant, tell: &mut impl FnMut(Told)) -> Option<Instant> {
        self.timing.settle((self.answered, self.taken), now, tell)
    }

    /// Takes a request; its bytes are to be appended to what is returned. It may be several commands at once, of which only the last
    /// reply is meant: those before it are skipped.
    #[inline]
    pub(super) fn push(&mut self, receiver: Receiver, skip: u32, now: Instant) -> &mut Outbox {
        if self.tags.is_empty() {
            self.waiting_since = Some(now);
        }
        self.taken += 1;
        self.tags.push_back(Tag { receiver, start: self.base + self.out.len() as u64, skip });
        &mut self.out
    }

    /// The same for a request that waits for others to act: no reply is no reason to give the connection up.
    pub(super) fn push_patient(&mut self, receiver: Receiver, now: Instant) -> &mut Outbox {
        self.push(receiver, 0, now);
        self.is_patient = true;
        self.waiting_since = None;
        &mut self.out
    }

    /// The number of this connection at the node, once it is ready.
    pub(super) fn id(&self) -> Option<i64> {
        self.known.as_ref().filter(|_| self.is_ready()).map(|known| known.id)
    }

    /// The same for a request that reads what the node is to remember for `listener`. If the node does not know that connection any more, it
    /// remembers nothing; but then the loss of that connection is noticed too.
    pub(super) fn push_tracked(
        &mut self,
        receiver: Receiver,
        skip: u32,
        listener: i64,
        now: Instant,
    ) -> &mut Outbox {
        let is_new = self.remembers_for.replace(listener) != Some(listener);
        let out = self.push(receiver, skip + 1 + u32::from(is_new), now);
        if is_new {
            let listener = listener.to_string();
            encode_command(out.tail(), &["CLIENT", "TRACKING", "ON", "OPTIN", "REDIRECT", &listener]);
        }
        encode_command(out.tail(), &["CLIENT", "CACHING", "YES"]);
        out
    }

    /// Whether the node remembers what was read on it.
    pub(super) fn is_remembered(&self) -> bool {
        self.remembers_for.is_some()
    }

    /// Writes once.
    ///
    /// # Errors
    /// The connection broke.
    pub(super) fn send(&mut self, socket: &mut impl Write, now: Instant) -> io::Result<Sent> {
        if !self.is_ready() {
            return Ok(Sent::All);
        }
        let before = self.out.len();
        let sent = self.out.send(socket)?;
        let count = (before - self.out.len()) as u64;
        if count > 0 {
            if self.tags.front().is_some_and(|oldest| oldest.start >= self.base) {
                self.timing.begin(now);
            }
            // While the node takes a long request there is no reply to wait for. What follows it does not count: a node that
            // answers nothing any more has room in its socket for a while.
            let oldest_ends = self.tags.get(1).map_or(self.base + before as u64, |next| next.start);
            if self.base < oldest_ends && self.waiting_since.is_some() {
                self.waiting_since = Some(now);
            }
            self.base += count;
        }
        Ok(sent)
    }

    /// Memory of what was sent.
    #[inline]
    pub(super) fn leave(&mut self, remains: &mut Remains) {
        self.out.leave(remains);
    }

    // === replies ===

    /// Cuts what the node sent into replies and deals them out. Memory for a large one comes from `remains`.
    ///
    /// # Errors
    /// The connection is of no more use.
    pub(super) fn receive(
        &mut self,
        bytes: &[u8],
        now: Instant,
        remains: &mut Remains,
        deliver: &mut impl FnMut(Receiver, Reply<'_>),
    ) -> Result<(), Failure> {
        if self.partial.is_empty() {
            let used = self.deal(bytes, deliver)?;
            self.note_progress(now);
            if used < bytes.len() {
                if self.partial.capacity() == 0 {
                    self.partial = remains.reuse(self.scanner.wanted());
                }
                self.partial.extend_from_slice(&bytes[used..]);
            }
            return Ok(());
        }
        let mut partial = std::mem::take(&mut self.partial);
        partial.extend_from_slice(bytes);
        let frame = self.scanner.scan(&partial).map_err(|error| Failure::nonsense(&error.to_string()))?;
        self.partial = match frame {
            None => partial,
            Some(frame) if frame.len < LARGE => {
                self.take_reply(frame.kind, Reply::Small(&partial[..frame.len]), deliver)?;
                let used = self.deal(&partial[frame.len..], deliver)?;
                partial.drain(..frame.len + used);
                partial
            }
            Some(frame) => {
                // It is passed on in this memory; what was read beyond it is less than one read.
                let mut whole = Bytes::from(partial);
                let reply = whole.split_to(frame.len);
                self.take_reply(frame.kind, Reply::Large(reply), deliver)?;
                let used = self.deal(&whole, deliver)?;
                whole[used..].to_vec()
            }
        };
        self.note_progress(now);
        Ok(())
    }

    fn note_progress(&mut self, now: Instant) {
        self.is_patient &= !self.tags.is_empty();
        self.waiting_since = (!self.tags.is_empty() && !self.is_patient).then_some(now);
    }

    /// Deals out the complete replies at the front of `buffer`; returns how long they are.
    fn deal(
        &mut self,
        buffer: &[u8],
        deliver: &mut impl FnMut(Receiver, Reply<'_>),
    ) -> Result<usize, Failure> {
        let mut at = 0;
        loop {
            let frame = self.scanner.scan(&buffer[at..]);
            let Some(frame) = frame.map_err(|error| Failure::nonsense(&error.to_string()))? else {
                return Ok(at);
            };
            let reply = &buffer[at..at + frame.len];
            at += frame.len;
            self.take_reply(frame.kind, Reply::Small(reply), deliver)?;
        }
    }

    #[inline]
    fn take_reply(
        &mut self,
        kind: u8,
        reply: Reply<'_>,
        deliver: &mut impl FnMut(Receiver, Reply<'_>),
    ) -> Result<(), Failure> {
        if kind == b'>' {
            if self.usage == Use::Listener {
                deliver(Receiver::Pushed, reply);
            }
            return Ok(());
        }
        if !self.is_ready() {
            return self.take_greeting(reply.bytes());
        }
        match self.tags.front_mut() {
            Some(tag) if tag.skip > 0 => {
                tag.skip -= 1;
                return Ok(());
            }
            // A subscription has no reply but an error; what it is followed by has one.
            Some(Tag { receiver: Receiver::Listener, .. }) if kind == b'-' => {
                deliver(Receiver::Listener, reply);
                return Ok(());
            }
            Some(_) | None => {}
        }
        let Some(tag) = self.tags.pop_front() else {
            return Err(Failure::nonsense("it sent a reply that nobody asked for"));
        };
        self.answered += 1;
        self.timing.answered(self.answered, reply.bytes().len());
        if matches!(kind, b'-' | b'!') {
            self.timing.fail(self.answered, reply.bytes());
        }
        deliver(tag.receiver, reply);
        Ok(())
    }

    #[cold]
    fn take_greeting(&mut self, reply: &[u8]) -> Result<(), Failure> {
        let Link::Greeting { handshake, .. } = &mut self.link else {
            return Err(Failure::nonsense("it spoke before it was spoken to"));
        };
        match handshake.greeted(reply)? {
            Greeted::Nothing => {}
            Greeted::Settled => self.stale = None,
            Greeted::Id(id) => self.known = Some(Known { id, user: self.user.clone() }),
        }
        if handshake.is_done() {
            self.backoff = link::Backoff::default();
            self.link = Link::Ready;
        }
        Ok(())
    }
}
