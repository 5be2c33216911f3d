//! The client connections of a proxy, all workers together: what `CLIENT LIST` shows and `CLIENT KILL` ends.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicI64, AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering::Relaxed},
    },
};

use super::slab::Key;
use crate::{acl::User, command::TABLE, time::Millis};

/// A client is shown all requests.
pub(super) const MONITORS: u8 = 1 << 0;
/// A client is told of changed keys.
pub(super) const TRACKS: u8 = 1 << 1;
/// Whom it has named to be told in its place is gone.
pub(super) const BROKEN_REDIRECT: u8 = 1 << 2;
/// It is told of all keys with a prefix.
pub(super) const BROADCAST: u8 = 1 << 3;

/// Its next request waits because clients are paused.
pub(super) const PAUSED: u8 = 1 << 4;
/// The last command of a client is none of the table: [`Names::learned`] has it.
const LEARNED: u16 = u16::MAX - 1;

/// What is shown of one connection. Its worker writes it, anyone reads it.
#[derive(Debug)]
pub(super) struct ClientInfo {
    /// From 1, never used again.
    pub(super) id: u64,
    /// Both ends; `None` for callers within the process.
    pub(super) peer: Option<(SocketAddr, SocketAddr)>,
    /// Which worker serves it.
    pub(super) worker: usize,
    /// Its number there.
    pub(super) key: Key,
    /// [`MONITORS`] and its like.
    marks: AtomicU8,
    /// Who is told of changed keys in its place; 0: nobody; -1: it is not told.
    pub(super) redirect: AtomicI64,
    created: Millis,
    /// When its last requests came, milliseconds since 1970.
    pub(super) last_seen: AtomicI64,
    /// Place of its last command in the table; beyond the table: none yet.
    pub(super) last_command: AtomicU16,
    /// Selected.
    pub(super) database: AtomicU8,
    /// 2 or 3.
    pub(super) protocol: AtomicU8,
    /// Bytes of requests not complete, and of replies not sent.
    pub(super) buffers: (AtomicU64, AtomicU64),
    /// Channels, patterns, shard channels that it is subscribed to.
    subscriptions: [AtomicU32; 3],
    /// Commands between `MULTI` and `EXEC`; -1 without `MULTI`.
    queued: AtomicI64,
    /// Its worker is to close it.
    pub(super) killed: AtomicBool,
    /// It waits for others to act.
    pub(super) waits: AtomicBool,
    /// Who it is.
    user: Mutex<Arc<User>>,
    /// What it calls itself.
    pub(super) names: Mutex<Names>,
}

/// What a client calls itself.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    /// `CLIENT SETNAME`.
    pub(super) name: String,
    /// `CLIENT SETINFO LIB-NAME`.
    pub(super) library: String,
    /// `CLIENT SETINFO LIB-VER`.
    pub(super) library_version: String,
    /// `CLIENT NO-EVICT` and `NO-TOUCH`: accepted and shown; a proxy evicts nobody and keeps no keys.
    pub(super) no_evict: bool,
    /// See `no_evict`.
    pub(super) no_touch: bool,
    /// The last command, if the table does not have it.
    learned: String,
}

impl ClientInfo {
    /// Its last command is one that nodes have taught.
    pub(super) fn note_learned(&self, name: &str) {
        name.clone_into(&mut self.names().learned);
        self.last_command.store(LEARNED, Relaxed);
    }

    /// How many commands wait for `EXEC`, if any can.
    pub(super) fn set_queued(&self, queued: Option<u32>) {
        self.queued.store(queued.map_or(-1, i64::from), Relaxed);
    }

    /// Notes, or notes no more, what it is.
    pub(super) fn mark(&self, marks: u8, on: bool) {
        if on {
            self.marks.fetch_or(marks, Relaxed);
        } else {
            self.marks.fetch_and(!marks, Relaxed);
        }
    }

    /// Of each kind.
    pub(super) fn set_subscriptions(&self, counts: [usize; 3]) {
        for (shown, count) in self.subscriptions.iter().zip(counts) {
            shown.store(u32::try_from(count).unwrap_or(u32::MAX), Relaxed);
        }
    }

    /// Whether it has any.
    pub(super) fn is_subscribed(&self) -> bool {
        self.subscriptions.iter().any(|count| count.load(Relaxed) > 0)
    }

    /// Names, to read or change.
    pub(super) fn names(&self) -> MutexGuard<'_, Names> {
        // Nothing panics while it holds the lock; strings are whole either way.
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes of its buffers.
    pub(super) fn memory(&self) -> u64 {
        self.buffers.0.load(Relaxed) + self.buffers.1.load(Relaxed)
    }

    /// Who it is.
    pub(super) fn user(&self) -> Arc<User> {
        Arc::clone(&self.user.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// It has logged in as somebody else.
    pub(super) fn set_user(&self, user: &Arc<User>) {
        self.user.lock().unwrap_or_else(PoisonError::into_inner).clone_from(user);
    }

    /// `IP:PORT` of the client.
    pub(super) fn address(&self) -> String {
        self.peer.map_or_else(|| "grpc:0".to_owned(), |(remote, _)| remote.to_string())
    }

    /// `IP:PORT` of ours.
    pub(super) fn local_address(&self) -> String {
        self.peer.map_or_else(|| "grpc:0".to_owned(), |(_, local)| local.to_string())
    }

    /// One line of `CLIENT LIST`, without its end; the fields of Redis 7.0 that a proxy can fill.
    pub(super) fn line(&self, now: Millis) -> String {
        let names = self.names();
        let command = match self.last_command.load(Relaxed) {
            LEARNED => &names.learned,
            index => TABLE.get(usize::from(index)).map_or("NULL", |spec| spec.name),
        };
        let queued = self.queued.load(Relaxed);
        let (marks, waits) = (self.marks.load(Relaxed), self.waits.load(Relaxed));
        let wishes = [
            (marks & MONITORS > 0, 'O'),
            (self.is_subscribed(), 'P'),
            (queued >= 0, 'x'),
            (waits || marks & PAUSED > 0, 'b'),
            (marks & TRACKS > 0, 't'),
            (marks & BROKEN_REDIRECT > 0, 'R'),
            (marks & BROADCAST > 0, 'B'),
            (names.no_evict, 'e'),
            (names.no_touch, 'T'),
        ];
        let flags: String = wishes.iter().filter(|wish| wish.0).map(|wish| wish.1).collect();
        let flags = if flags.is_empty() { "N" } else { &flags };
        let [channels, patterns, shards] = self.subscriptions.each_ref().map(|count| count.load(Relaxed));
        format!(
            "id={} addr={} laddr={} fd=-1 name={} age={} idle={} flags={flags} db={} sub={channels} psub={patterns} ssub={shards} multi={queued} \
             qbuf={} qbuf-free=0 argv-mem=0 multi-mem=0 rbs=0 rbp=0 obl=0 oll=0 omem={} tot-mem={} events=r cmd={command} \
             user={} redir={} resp={} lib-name={} lib-ver={}",
            self.id,
            self.address(),
            self.local_address(),
            names.name,
            (now.0 - self.created.0).max(0) / 1000,
            (now.0 - self.last_seen.load(Relaxed)).max(0) / 1000,
            self.database.load(Relaxed),
            self.buffers.0.load(Relaxed),
            self.buffers.1.load(Relaxed),
            self.memory(),
            String::from_utf8_lossy(self.user().name()),
            self.redirect.load(Relaxed),
            self.protocol.load(Relaxed),
            names.library,
            names.library_version,
        )
    }
}

/// What clients have, together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sum {
    /// Clients with subscriptions.
    pub(super) subscribed: u64,
    /// Clients that wait for others to act.
    pub(super) waiting: u64,
    /// Bytes of requests not complete, and of replies not sent.
    pub(super) input: u64,
    pub(super) output: u64,
}

/// All of them, by id.
#[derive(Debug, Default)]
pub(super) struct Clients {
    open: Mutex<BTreeMap<u64, Arc<ClientInfo>>>,
    last_id: AtomicU64,
}

impl Clients {
    fn open(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<ClientInfo>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new connection on a worker.
    pub(super) fn add(
        &self,
        peer: Option<(SocketAddr, SocketAddr)>,
        (worker, key): (usize, Key),
        user: &Arc<User>,
        now: Millis,
    ) -> Arc<ClientInfo> {
        let info = Arc::new(ClientInfo {
            id: self.last_id.fetch_add(1, Relaxed) + 1,
            peer,
            worker,
            key,
            marks: AtomicU8::new(0),
            redirect: AtomicI64::new(-1),
            created: now,
            last_seen: AtomicI64::new(now.0),
            last_command: AtomicU16::new(u16::MAX),
            database: AtomicU8::new(0),
            protocol: AtomicU8::new(2),
            buffers: (AtomicU64::new(0), AtomicU64::new(0)),
            subscriptions: Default::default(),
            queued: AtomicI64::new(-1),
            killed: AtomicBool::new(false),
            waits: AtomicBool::new(false),
            user: Mutex::new(Arc::clone(user)),
            names: Mutex::default(),
        });
        self.open().insert(info.id, Arc::clone(&info));
        info
    }

    /// It is closed.
    pub(super) fn remove(&self, id: u64) {
        self.open().remove(&id);
    }

    /// One from the network.
    pub(super) fn get(&self, id: u64) -> Option<Arc<ClientInfo>> {
        self.open().get(&id).filter(|client| client.peer.is_some()).cloned()
    }

    /// Those from the network, by id.
    pub(super) fn list(&self) -> Vec<Arc<ClientInfo>> {
        self.open().values().filter(|client| client.peer.is_some()).cloned().collect()
    }

    /// Those from the network, added up. Looks at each of them.
    pub(super) fn sum(&self) -> Sum {
        let mut sum = Sum::default();
        for client in self.open().values().filter(|client| client.peer.is_some()) {
            sum.subscribed += u64::from(client.is_subscribed());
            sum.waiting += u64::from(client.waits.load(Relaxed));
            sum.input += client.buffers.0.load(Relaxed);
            sum.output += client.buffers.1.load(Relaxed);
        }
        sum
    }

    /// How many are told of changed keys. Looks at each of them.
    pub(super) fn tracking(&self) -> usize {
        self.open().values().filter(|client| client.marks.load(Relaxed) & TRACKS > 0).count()
    }
}
