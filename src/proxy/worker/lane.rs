//! One connection to one node, shared by all clients of a worker: requests of many go out in one write, replies come
//! back in the order of the requests.
//!
//! A lane has one RESP version and one database for all its life: the form of a reply and the meaning of a key depend on
//! them, and a `SELECT` between requests that failed would send the next one into the wrong database.

use std::{
    collections::VecDeque,
    io::{self, Read as _, Write as _},
    time::{Duration, Instant},
};

use mio::net::TcpStream;

use super::{slots::Key, stream::retry};
use crate::{
    protocol::{Value, Version, encode_command, frame::FrameScanner},
    proxy::{
        outbox::{Outbox, Sent},
        remains::Remains,
        routing::{Login, NodeIndex},
    },
};

/// Requests that wait for a node to read them, bytes; beyond it clients of this lane are not read.
pub(super) const BACKLOG_MAX: usize = 16 << 20;
const BACKOFF_MIN: Duration = Duration::from_millis(50);
const BACKOFF_MAX: Duration = Duration::from_secs(1);

/// A reply of this size on its way keeps those behind it waiting for longer than another connection takes.
const CLOGS: usize = 512 << 10;

/// Who gets a reply.
#[derive(Clone, Copy, Debug)]
pub(super) enum Receiver {
    /// A client, for its request of this sequence.
    Client { client: Key, sequence: u32 },
    /// A part of a request that went to several nodes.
    Part { gather: Key, part: u32 },
}

/// A request that is not answered: who gets the reply and where in the stream it began.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tag {
    pub(super) receiver: Receiver,
    start: u64,
}

/// Why requests cannot be sent to a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// No connection, or no login; in plain words.
    Unreachable(String),
    /// The node's own error to `SELECT` or `HELLO`: passed on as it is.
    Refused(Vec<u8>),
}

/// How far a connection is.
#[derive(Debug)]
pub(super) enum State {
    /// Not asked for.
    Idle,
    /// The kernel connects. `known_bad`: the attempt before failed, so nobody waits for this one.
    Connecting { stream: TcpStream, deadline: Instant, known_bad: Option<Trouble> },
    /// Logging in.
    Greeting { stream: TcpStream, deadline: Instant, step: usize, known_bad: Option<Trouble> },
    /// In use.
    Ready { stream: TcpStream },
    /// Failed; tried again at `until`.
    Down { until: Instant, trouble: Trouble },
}

/// What a new connection says first, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Greeting {
    Auth,
    Kill,
    Hello,
    Select,
    Id,
}

/// A connection as the node knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Connection {
    id: i64,
    user: String,
}

/// A greeting that went wrong.
#[derive(Debug)]
pub(super) enum GreetingError {
    /// The node does not know the user, or not any more.
    Login(String),
    /// Anything else.
    Other(Trouble),
}

/// See the module.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) node: NodeIndex,
    pub(super) database: u8,
    pub(super) version: Version,
    pub(super) state: State,
    /// Among those to its node with its version and database.
    pub(super) number: usize,
    /// Requests, from stream position `base` on.
    out: Outbox,
    base: u64,
    pub(super) tags: VecDeque<Tag>,
    /// The beginning of a reply that is not complete.
    pub(super) partial: Vec<u8>,
    pub(super) scanner: FrameScanner,
    /// A large reply is on its way.
    pub(super) clogged: bool,
    pub(super) dirty: bool,
    /// On the list of those to go on with in the next turn.
    pub(super) again: bool,
    /// Clients that are not read until the backlog is shorter.
    pub(super) waiters: Vec<Key>,
    /// Since when the oldest request waits, or the last reply came.
    pub(super) waiting_since: Option<Instant>,
    backoff: Duration,
    greeting: Vec<u8>,
    greetings: Vec<Greeting>,
    /// This connection's id at the node, and of one that broke with requests under way.
    connection: Option<Connection>,
    stale: Option<Connection>,
    user: String,
    /// Requests taken and requests answered, ever.
    pub(super) taken: u64,
    pub(super) answered: u64,
}

impl Lane {
    pub(super) fn new(node: NodeIndex, database: u8, version: Version, number: usize) -> Self {
        Self {
            node,
            database,
            version,
            state: State::Idle,
            number,
            out: Outbox::default(),
            base: 0,
            tags: VecDeque::new(),
            partial: Vec::new(),
            scanner: FrameScanner::default(),
            clogged: false,
            dirty: false,
            again: false,
            waiters: Vec::new(),
            waiting_since: None,
            backoff: BACKOFF_MIN,
            greeting: Vec::new(),
            greetings: Vec::new(),
            connection: None,
            stale: None,
            user: String::new(),
            taken: 0,
            answered: 0,
        }
    }

    /// Takes a request; its bytes are to be appended to what is returned.
    #[inline]
    pub(super) fn push(&mut self, receiver: Receiver, now: Instant) -> &mut Outbox {
        if self.tags.is_empty() {
            self.waiting_since = Some(now);
        }
        self.taken += 1;
        self.tags.push_back(Tag { receiver, start: self.base + self.out.len() as u64 });
        &mut self.out
    }

    /// Bytes that the node has not taken.
    pub(super) fn backlog(&self) -> usize {
        self.out.len()
    }

    /// Whether a reply is under way that is large, by what it says or by what has come of it.
    pub(super) fn is_receiving_much(&self) -> bool {
        self.partial.len().max(self.scanner.wanted()) >= CLOGS
    }

    /// Why a request cannot be taken now, if it cannot. Without a connection yet, requests wait for it.
    #[inline]
    pub(super) fn trouble(&self) -> Option<&Trouble> {
        match &self.state {
            State::Ready { .. } | State::Idle => None,
            State::Connecting { known_bad, .. } | State::Greeting { known_bad, .. } => known_bad.as_ref(),
            State::Down { trouble, .. } => Some(trouble),
        }
    }

    /// Whether nothing that was ever sent to the node on this lane can still be run by it unseen.
    pub(super) fn is_settled(&self) -> bool {
        self.stale.is_none()
    }

    /// Writes once.
    ///
    /// # Errors
    /// The connection broke.
    pub(super) fn flush(&mut self, now: Instant) -> io::Result<Sent> {
        let State::Ready { stream } = &mut self.state else { return Ok(Sent::All) };
        let before = self.out.len();
        let sent = self.out.send(stream)?;
        let count = (before - self.out.len()) as u64;
        if count > 0 {
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

    /// Reads once: bytes, `None` if there are none now; 0 at the end.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        match &mut self.state {
            State::Ready { stream } | State::Greeting { stream, .. } => retry(|| stream.read(buffer)),
            State::Idle | State::Connecting { .. } | State::Down { .. } => Ok(None),
        }
    }

    /// Begins a connection; the caller registers the stream.
    pub(super) fn connect(
        &mut self,
        login: &Login,
        timeout: Duration,
        now: Instant,
    ) -> io::Result<&mut TcpStream> {
        let known_bad = self.trouble().cloned();
        let stream = TcpStream::connect(login.socket)?;
        self.greeting.clear();
        self.greetings.clear();
        let out = &mut self.greeting;
        login.encode(out);
        self.greetings.push(Greeting::Auth);
        if let Some(stale) = &self.stale {
            encode_command(out, &["CLIENT", "KILL", "ID", &stale.id.to_string(), "USER", &stale.user]);
            self.greetings.push(Greeting::Kill);
        }
        if self.version == Version::Resp3 {
            encode_command(out, &["HELLO", "3"]);
            self.greetings.push(Greeting::Hello);
        }
        if self.database != 0 {
            encode_command(out, &["SELECT", &self.database.to_string()]);
            self.greetings.push(Greeting::Select);
        }
        encode_command(out, &["CLIENT", "ID"]);
        self.greetings.push(Greeting::Id);
        self.user.clone_from(&login.user);
        self.state = State::Connecting { stream, deadline: now + timeout, known_bad };
        match &mut self.state {
            State::Connecting { stream, .. } => Ok(stream),
            _ => unreachable!("set above"),
        }
    }

    /// The kernel has news of the attempt: says hello if it succeeded.
    ///
    /// # Errors
    /// It failed.
    pub(super) fn connected(&mut self) -> io::Result<()> {
        let State::Connecting { stream, .. } = &self.state else { return Ok(()) };
        if let Some(error) = stream.take_error()? {
            return Err(error);
        }
        match stream.peer_addr() {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotConnected => return Ok(()),
            Err(error) => return Err(error),
        }
        let State::Connecting { stream, deadline, known_bad } =
            std::mem::replace(&mut self.state, State::Idle)
        else {
            return Ok(());
        };
        stream.set_nodelay(true)?;
        self.state = State::Greeting { stream, deadline, step: 0, known_bad };
        let State::Greeting { stream, .. } = &mut self.state else { return Ok(()) };
        // A few hundred bytes into an empty socket buffer.
        let count = retry(|| stream.write(&self.greeting))?;
        if count == Some(self.greeting.len()) {
            Ok(())
        } else {
            Err(io::Error::new(io::ErrorKind::WriteZero, "the node does not take the login"))
        }
    }

    /// The reply to the next greeting; true when it was the last.
    pub(super) fn greeted(&mut self, reply: &[u8]) -> Result<bool, GreetingError> {
        let State::Greeting { step, .. } = &mut self.state else { return Ok(true) };
        let greeting = self.greetings[*step];
        *step += 1;
        let last = *step == self.greetings.len();
        let value =
            Value::decode(reply).ok().flatten().map(|(value, _)| value).ok_or_else(|| {
                GreetingError::Other(Trouble::Unreachable("it answered nonsense".to_owned()))
            })?;
        if let Some(text) = value.as_error() {
            match greeting {
                // A user that was deleted took its connections along.
                Greeting::Kill if text.contains("No such user") => self.stale = None,
                Greeting::Kill => {}
                Greeting::Auth => return Err(GreetingError::Login(text.into_owned())),
                Greeting::Hello | Greeting::Select | Greeting::Id => {
                    return Err(GreetingError::Other(Trouble::Refused(reply.to_vec())));
                }
            }
        }
        match greeting {
            // 1: ended now; 0: it had ended before.
            Greeting::Kill if value.as_i64().is_some() => self.stale = None,
            Greeting::Id => {
                self.connection = value.as_i64().map(|id| Connection { id, user: self.user.clone() });
            }
            Greeting::Kill | Greeting::Auth | Greeting::Hello | Greeting::Select => {}
        }
        if last {
            self.backoff = BACKOFF_MIN;
            if let State::Greeting { stream, .. } = std::mem::replace(&mut self.state, State::Idle) {
                self.state = State::Ready { stream };
            }
        }
        Ok(last)
    }

    /// The user it is logged in as, or about to be.
    pub(super) fn user(&self) -> &str {
        &self.user
    }

    /// Closes a connection that nobody waits for; the next request makes a new one.
    pub(super) fn close(&mut self) {
        debug_assert!(self.tags.is_empty());
        self.connection = None;
        self.state = State::Idle;
    }

    /// Gives the connection up until later. Returns the requests under way, and which of them was the first that the node
    /// has not seen a byte of.
    pub(super) fn fail(&mut self, trouble: Trouble, now: Instant) -> (VecDeque<Tag>, u64) {
        let sent_to = self.base;
        let was_ready = matches!(self.state, State::Ready { .. });
        let tags = std::mem::take(&mut self.tags);
        if was_ready && tags.front().is_some_and(|tag| tag.start < sent_to) {
            // The node may still have them in its socket buffer: they count as running until it is known that
            // the connection is gone there too.
            self.stale = self.connection.take();
        }
        self.connection = None;
        self.state = State::Down { until: now + self.backoff, trouble };
        self.backoff = (self.backoff * 2).min(BACKOFF_MAX);
        self.base += self.out.len() as u64;
        self.out = Outbox::default();
        self.partial = Vec::new();
        self.scanner = FrameScanner::default();
        self.waiting_since = None;
        self.answered += tags.len() as u64;
        (tags, sent_to)
    }

    /// Tries again at once, whatever the backoff says: something has changed.
    pub(super) fn retry_now(&mut self, now: Instant) {
        if let State::Down { until, .. } = &mut self.state {
            *until = now;
            self.backoff = BACKOFF_MIN;
        }
    }
}

impl Tag {
    /// Whether the node may have seen it, when bytes up to `sent_to` were written.
    pub(super) fn was_sent(&self, sent_to: u64) -> bool {
        self.start < sent_to
    }
}
