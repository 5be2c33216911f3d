//! The clients of a node, seen from other connections: `CLIENT LIST`, `CLIENT KILL`, idle time-outs, the end.
//!
//! A client's own worker notes what it does with plain stores; nobody waits for anybody.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicI64, AtomicU8, AtomicU16, AtomicU32, AtomicU64, AtomicUsize, Ordering},
    },
    task::Waker,
};

use futures::task::AtomicWaker;

use super::caller::Served;
use crate::{
    acl::User,
    command::{Spec, TABLE},
    connection::{
        channels::Subscriber,
        output::{Class, Lag, Limits},
    },
    protocol::{Encoder, Version},
    server::Addresses,
    time::Millis,
};

/// Numbers a client for ever; never used twice in a process.
pub type ClientId = u64;

impl Subscriber for Arc<Client> {
    type Id = ClientId;

    fn id(&self) -> ClientId {
        self.id
    }
}

/// A connected client.
#[derive(Debug)]
pub struct Client {
    /// `id`.
    pub id: ClientId,
    /// Both ends.
    pub addresses: Addresses,
    /// When it connected.
    pub created: Millis,
    signal: AtomicU8,
    waker: AtomicWaker,
    /// The waker is not there, or may not be.
    unwatched: AtomicBool,
    active: AtomicI64,
    command: AtomicU16,
    database: AtomicU8,
    version: AtomicU8,
    flags: AtomicU32,
    query: AtomicUsize,
    query_free: AtomicUsize,
    /// Replies that wait for the client to read.
    unsent: AtomicUsize,
    /// Bytes in `outbox`, to be looked at without its lock.
    messages: AtomicUsize,
    outbox: Mutex<Outbox>,
    in_registry: AtomicBool,
    /// The store keeps something for it.
    in_store: AtomicBool,
    /// Commands that wait for `EXEC`, -1 outside of a transaction, and bytes they take.
    queued: AtomicI64,
    queue_memory: AtomicUsize,
    /// Channels, patterns, shard channels.
    subscriptions: [AtomicUsize; 3],
    /// Bytes that the store holds for it, by [`Held`].
    held: [AtomicUsize; 3],
    /// Who is told of changed keys in its place: 0 itself, -1 nobody is told.
    redirect: AtomicI64,
    served: Mutex<Option<(usize, Served)>>,
    labels: Mutex<Labels>,
}

/// What others have for a client, and since when there is too much of it.
#[derive(Debug, Default)]
struct Outbox {
    bytes: Vec<u8>,
    lag: Lag,
}

/// What a client calls itself, and who it is.
#[derive(Clone, Debug)]
pub struct Labels {
    /// `CLIENT SETNAME`.
    pub name: Vec<u8>,
    /// `CLIENT SETINFO LIB-NAME`.
    pub library: Vec<u8>,
    /// `CLIENT SETINFO LIB-VER`.
    pub library_version: Vec<u8>,
    /// Whom it logged in as.
    pub user: Arc<User>,
}

/// What the store holds for a client as long as it is there.
#[derive(Clone, Copy, Debug)]
pub enum Held {
    /// Names of channels and patterns.
    Subscriptions,
    /// Names of watched keys.
    Watched,
    /// Prefixes that it is told of.
    Prefixes,
}

/// What a connection is asked to do from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Nothing.
    None,
    /// Send what is answered, then close: the node stops.
    Drain,
    /// Close. Nothing of it runs any more.
    Kill,
}

/// `CLIENT NO-EVICT`.
pub const NO_EVICT: u32 = 1;
/// `CLIENT NO-TOUCH`.
pub const NO_TOUCH: u32 = 2;
/// The connection closes after its replies were sent.
pub const CLOSING: u32 = 4;
/// Between `MULTI` and `EXEC`.
pub const MULTI: u32 = 8;
/// Waits in a command.
pub const BLOCKED: u32 = 16;
/// A key that it watches has changed.
pub const CHANGED: u32 = 32;
/// Has subscriptions.
pub const PUBSUB: u32 = 64;
/// Is told of changed keys.
pub const TRACKING: u32 = 128;
/// Of keys by their beginnings.
pub const BROADCAST: u32 = 256;
/// Would be, if the client were there that is to be told instead.
pub const BROKEN_REDIRECT: u32 = 512;
/// Its next command waits because clients are paused.
pub const PAUSED: u32 = 1024;
/// Is shown all commands.
pub const MONITOR: u32 = 2048;
/// Its command runs aside.
pub const RUNNING: u32 = 4096;

/// The letters of flags, in the order in which Redis shows them.
const LETTERS: &[(u32, char)] = &[
    (MONITOR, 'O'),
    (PUBSUB, 'P'),
    (MULTI, 'x'),
    (BLOCKED | PAUSED, 'b'),
    (TRACKING, 't'),
    (BROKEN_REDIRECT, 'R'),
    (BROADCAST, 'B'),
    (CHANGED, 'd'),
    (CLOSING, 'c'),
    (KILLED, 'A'),
    (NO_EVICT, 'e'),
    (NO_TOUCH, 'T'),
];
/// Told by the signal, not kept as a flag.
const KILLED: u32 = 1 << 31;

const NO_COMMAND: u16 = u16::MAX;

impl Client {
    /// What it is asked to do. Read under the keyspace lock this is exact: who was killed under it runs nothing more.
    #[must_use]
    pub fn signal(&self) -> Signal {
        match self.signal.load(Ordering::Acquire) {
            0 => Signal::None,
            1 => Signal::Drain,
            _ => Signal::Kill,
        }
    }

    /// Asks it to end; the stronger signal stays.
    pub fn send(&self, signal: Signal) {
        self.signal.fetch_max(signal as u8, Ordering::AcqRel);
        self.wake();
    }

    /// Whom to wake when something is delivered or asked. To be called before looking for either, each time: waking takes the waker.
    pub fn watch(&self, waker: &Waker) {
        if self.unwatched.load(Ordering::Acquire) {
            self.unwatched.store(false, Ordering::Release);
            self.waker.register(waker);
        }
    }

    /// Has its connection look what there is for it.
    pub fn wake(&self) {
        self.unwatched.store(true, Ordering::Release);
        self.waker.wake();
    }

    /// At a batch: what the connection does. Its input is in a buffer of the worker now.
    pub fn note(&self, now: Millis, query: usize, query_free: usize) {
        self.active.store(now.0, Ordering::Relaxed);
        self.set_query(query, query_free);
    }

    /// Bytes of input that wait for the rest of a request, and the room beside them.
    pub fn set_query(&self, query: usize, query_free: usize) {
        self.query.store(query, Ordering::Relaxed);
        self.query_free.store(query_free, Ordering::Relaxed);
    }

    /// The command it is in.
    pub fn set_command(&self, spec: &Spec) {
        self.command.store(spec.index, Ordering::Relaxed);
    }

    /// Bytes of replies that the client has not taken.
    pub fn set_unsent(&self, bytes: usize) {
        self.unsent.store(bytes, Ordering::Relaxed);
    }

    /// Bytes that wait for the client to read.
    fn waiting(&self) -> usize {
        self.unsent.load(Ordering::Relaxed) + self.messages.load(Ordering::Relaxed)
    }

    /// Sends it replies that it did not ask for now. Whoever calls this holds the lock of the store: that is what gives messages and
    /// replies one order. A client that lets too much wait is closed.
    pub fn deliver(&self, message: &[u8], limits: &Limits, now: Millis) {
        {
            let mut outbox = self.outbox();
            outbox.bytes.extend_from_slice(message);
            self.messages.store(outbox.bytes.len(), Ordering::Release);
        }
        self.check_lag(limits, now);
        self.wake();
    }

    /// Closes it if it lets more wait than its class may.
    pub fn check_lag(&self, limits: &Limits, now: Millis) {
        let waiting = self.waiting();
        if self.outbox().lag.is_too_much(waiting, limits.of(self.class()), now) {
            tracing::warn!(client = %self.addresses.remote, bytes = waiting, "closed: client-output-buffer-limit reached");
            self.send(Signal::Kill);
        }
    }

    /// What limits its output, and `TYPE` of `CLIENT LIST`.
    #[must_use]
    pub fn class(&self) -> Class {
        if self.has_flag(PUBSUB) { Class::PubSub } else { Class::Normal }
    }

    /// Whether one of the flag constants of this module is set.
    #[must_use]
    pub fn has_flag(&self, flag: u32) -> bool {
        self.flags.load(Ordering::Relaxed) & flag != 0
    }

    /// Bytes that the store holds for it in some way.
    pub fn set_held(&self, held: Held, bytes: usize) {
        self.held[held as usize].store(bytes, Ordering::Relaxed);
    }

    /// How many channels, patterns and shard channels it is subscribed to.
    pub fn set_subscriptions(&self, counts: [usize; 3]) {
        for (known, count) in self.subscriptions.iter().zip(counts) {
            known.store(count, Ordering::Relaxed);
        }
        self.set_flag(PUBSUB, counts.iter().any(|&count| count > 0));
    }

    /// Who is told of changed keys in its place, if it is told of any.
    pub fn set_redirect(&self, redirect: Option<Option<ClientId>>) {
        let shown = redirect.map_or(-1, |to| to.map_or(0, |to| i64::try_from(to).unwrap_or(i64::MAX)));
        self.redirect.store(shown, Ordering::Relaxed);
    }

    /// What it is answered in.
    #[must_use]
    pub fn version(&self) -> Version {
        if self.version.load(Ordering::Relaxed) == 3 { Version::Resp3 } else { Version::Resp2 }
    }

    /// Whether something was delivered that it has not been sent.
    #[must_use]
    pub fn has_messages(&self) -> bool {
        self.messages.load(Ordering::Acquire) > 0
    }

    /// What was delivered, to be sent. Whoever calls this holds the lock of the store.
    pub fn take_messages(&self, reply: &mut Encoder<'_>) {
        let mut outbox = self.outbox();
        reply.raw(&outbox.bytes);
        outbox.bytes = Vec::new();
        self.messages.store(0, Ordering::Release);
    }

    fn outbox(&self) -> MutexGuard<'_, Outbox> {
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The store keeps something for it that is to be forgotten with it.
    pub fn note_in_store(&self) {
        self.in_store.store(true, Ordering::Relaxed);
    }

    /// See [`Client::note_in_store`].
    #[must_use]
    pub fn is_in_store(&self) -> bool {
        self.in_store.load(Ordering::Relaxed)
    }

    /// How many commands wait for `EXEC`, and bytes that they take; `None` outside of a transaction.
    pub fn set_queued(&self, count: Option<usize>, memory: usize) {
        self.queued
            .store(count.map_or(-1, |count| i64::try_from(count).unwrap_or(i64::MAX)), Ordering::Relaxed);
        self.queue_memory.store(memory, Ordering::Relaxed);
    }

    /// What was taken from a list of a database for this client while it waited, until it is known to have been told.
    pub fn set_served(&self, served: Option<(usize, Served)>) {
        *self.served() = served;
    }

    /// Takes that, to give it back or to forget it.
    pub fn take_served(&self) -> Option<(usize, Served)> {
        self.served().take()
    }

    fn served(&self) -> MutexGuard<'_, Option<(usize, Served)>> {
        self.served.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// After `SELECT`.
    pub fn set_database(&self, database: usize) {
        self.database.store(u8::try_from(database).unwrap_or(u8::MAX), Ordering::Relaxed);
    }

    /// After `HELLO`.
    pub fn set_version(&self, version: Version) {
        self.version.store(if version == Version::Resp3 { 3 } else { 2 }, Ordering::Relaxed);
    }

    /// Sets or clears one of the flag constants of this module.
    pub fn set_flag(&self, flag: u32, on: bool) {
        if on {
            self.flags.fetch_or(flag, Ordering::Relaxed);
        } else {
            self.flags.fetch_and(!flag, Ordering::Relaxed);
        }
    }

    /// What it calls itself, to read or to change.
    pub fn labels(&self) -> MutexGuard<'_, Labels> {
        self.labels.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When it last sent something.
    #[must_use]
    pub fn last_active(&self) -> Millis {
        Millis(self.active.load(Ordering::Relaxed))
    }

    /// Bytes of memory its buffers take, about.
    #[must_use]
    pub fn memory(&self) -> usize {
        let labels = {
            let labels = self.labels();
            labels.name.len() + labels.library.len() + labels.library_version.len()
        };
        self.query.load(Ordering::Relaxed)
            + self.query_free.load(Ordering::Relaxed)
            + self.waiting()
            + self.queue_memory.load(Ordering::Relaxed)
            + self.held.iter().map(|bytes| bytes.load(Ordering::Relaxed)).sum::<usize>()
            + labels
            + size_of::<Self>()
    }

    /// Its line of `CLIENT LIST`, without a line end.
    #[must_use]
    pub fn describe(&self, now: Millis) -> Vec<u8> {
        let flags = self.flags.load(Ordering::Relaxed);
        let flags = flags
            | match self.signal() {
                Signal::None => 0,
                Signal::Drain => CLOSING,
                Signal::Kill => KILLED,
            };
        let mut letters: String =
            LETTERS.iter().filter(|(flag, _)| flags & flag != 0).map(|(_, letter)| letter).collect();
        if letters.is_empty() {
            letters.push('N');
        }
        let [channels, patterns, shards] =
            self.subscriptions.each_ref().map(|count| count.load(Ordering::Relaxed));
        let multi = self.queued.load(Ordering::Relaxed);
        let multi_memory = self.queue_memory.load(Ordering::Relaxed);
        let (query, query_free) =
            (self.query.load(Ordering::Relaxed), self.query_free.load(Ordering::Relaxed));
        let output = self.waiting();
        let command = self.command.load(Ordering::Relaxed);
        let command = TABLE.get(usize::from(command)).map_or("NULL", |spec| spec.name);
        let memory = self.memory();
        let labels = self.labels();
        let mut line = format!(
            "id={} addr={} laddr={} fd=-1 name=",
            self.id, self.addresses.remote, self.addresses.local
        )
        .into_bytes();
        line.extend_from_slice(&labels.name);
        line.extend_from_slice(
            format!(
                " age={} idle={} flags={letters} db={} sub={channels} psub={patterns} ssub={shards} multi={multi} qbuf={query} \
                 qbuf-free={query_free} argv-mem=0 multi-mem={multi_memory} rbs=0 rbp=0 obl={output} oll=0 omem={output} \
                 tot-mem={memory} events={} cmd={command} user=",
                (now.0 - self.created.0).max(0) / 1000,
                (now.0 - self.active.load(Ordering::Relaxed)).max(0) / 1000,
                self.database.load(Ordering::Relaxed),
                if output == 0 { "r" } else { "rw" },
            )
            .as_bytes(),
        );
        line.extend_from_slice(labels.user.name());
        line.extend_from_slice(
            format!(
                " redir={} resp={} lib-name=",
                self.redirect.load(Ordering::Relaxed),
                self.version.load(Ordering::Relaxed)
            )
            .as_bytes(),
        );
        line.extend_from_slice(&labels.library);
        line.extend_from_slice(b" lib-ver=");
        line.extend_from_slice(&labels.library_version);
        line
    }
}

/// All connected clients.
#[derive(Debug, Default)]
pub struct Clients {
    next: AtomicU64,
    connected: Mutex<BTreeMap<ClientId, Arc<Client>>>,
}

impl Clients {
    fn connected(&self) -> MutexGuard<'_, BTreeMap<ClientId, Arc<Client>>> {
        self.connected.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A client that is not in the list: for tests and for what runs in the node's own name.
    #[must_use]
    pub fn unlisted(&self, addresses: Addresses, user: Arc<User>, now: Millis) -> Arc<Client> {
        Arc::new(Client {
            id: self.next.fetch_add(1, Ordering::Relaxed) + 1,
            addresses,
            created: now,
            signal: AtomicU8::new(0),
            waker: AtomicWaker::new(),
            unwatched: AtomicBool::new(true),
            active: AtomicI64::new(now.0),
            command: AtomicU16::new(NO_COMMAND),
            database: AtomicU8::new(0),
            version: AtomicU8::new(2),
            flags: AtomicU32::new(0),
            query: AtomicUsize::new(0),
            query_free: AtomicUsize::new(0),
            unsent: AtomicUsize::new(0),
            messages: AtomicUsize::new(0),
            outbox: Mutex::default(),
            in_registry: AtomicBool::new(false),
            in_store: AtomicBool::new(false),
            queued: AtomicI64::new(-1),
            queue_memory: AtomicUsize::new(0),
            subscriptions: [const { AtomicUsize::new(0) }; 3],
            held: [const { AtomicUsize::new(0) }; 3],
            redirect: AtomicI64::new(-1),
            served: Mutex::default(),
            labels: Mutex::new(Labels {
                name: Vec::new(),
                library: Vec::new(),
                library_version: Vec::new(),
                user,
            }),
        })
    }

    /// Enters a client; [`Clients::remove`] takes it out.
    #[must_use]
    pub fn add(&self, addresses: Addresses, user: Arc<User>, now: Millis) -> Arc<Client> {
        let client = self.unlisted(addresses, user, now);
        client.in_registry.store(true, Ordering::Relaxed);
        self.connected().insert(client.id, Arc::clone(&client));
        client
    }

    /// Takes a client out.
    pub fn remove(&self, client: &Client) {
        if client.in_registry.load(Ordering::Relaxed) {
            self.connected().remove(&client.id);
        }
    }

    /// One client.
    #[must_use]
    pub fn get(&self, id: ClientId) -> Option<Arc<Client>> {
        self.connected().get(&id).cloned()
    }

    /// All clients, oldest first.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Client>> {
        self.connected().values().cloned().collect()
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.connected().len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// To all of them.
    pub fn send_all(&self, signal: Signal) {
        for client in self.all() {
            client.send(signal);
        }
    }

    /// The largest input and output buffers of all clients, bytes.
    #[must_use]
    pub fn largest_buffers(&self) -> (usize, usize) {
        self.connected().values().fold((0, 0), |(input, output), client| {
            (input.max(client.query.load(Ordering::Relaxed)), output.max(client.waiting()))
        })
    }

    /// Bytes that all clients take, about.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.connected().values().map(|client| client.memory()).sum()
    }

    /// `maxmemory-clients`: closes those that take most until all take no more than `limit` bytes, and returns how many.
    /// Those with `CLIENT NO-EVICT` count and stay, as in Redis.
    pub fn evict(&self, limit: usize) -> u64 {
        let mut total = 0;
        let mut largest: Vec<(usize, Arc<Client>)> = Vec::new();
        for client in self.connected().values().filter(|client| client.signal() != Signal::Kill) {
            let memory = client.memory();
            total += memory;
            if client.flags.load(Ordering::Relaxed) & NO_EVICT == 0 {
                largest.push((memory, Arc::clone(client)));
            }
        }
        if total <= limit {
            return 0;
        }
        largest.sort_unstable_by_key(|(memory, _)| std::cmp::Reverse(*memory));
        let mut evicted = 0;
        for (memory, client) in largest {
            if total <= limit {
                break;
            }
            tracing::warn!(client = %client.addresses.remote, memory, total, limit, "closed: maxmemory-clients reached");
            client.send(Signal::Kill);
            total -= memory;
            evicted += 1;
        }
        evicted
    }
}
