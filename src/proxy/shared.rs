//! What all threads of one proxy share: settings, the list of clients, counters.

use std::{
    num::NonZeroUsize,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::sync::mpsc;

use super::{
    audience::Audience,
    clients::{ClientInfo, Clients},
    drain::Drain,
    large::LargeSlots,
    learned::Commands,
    limits::ClientLimits,
    lines::Lines,
    observe::{Cut, SlowLog, Traffic},
    others::Others,
    pause::Pause,
    scripts::Scripts,
    siblings::Siblings,
    slow_nodes::SlowNodes,
    users::Users,
    worker::{Message, Waiting},
};
use crate::{id::ProxyId, server::ConnectionCounters, time::Millis};

/// Settings of the data path.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    /// Connections of each worker to each node, for each database and RESP version in use; spare ones not counted.
    pub(super) connections_per_node: NonZeroUsize,
    /// A node that owes a reply for longer is given up.
    pub(super) node_timeout: Duration,
    /// The same where the node is at work on what may take long.
    pub(super) slow_timeout: Duration,
    /// For a new connection to a node, login included.
    pub(super) connect_timeout: Duration,
    /// So long clients have when the proxy drains.
    pub(super) drain_timeout: Duration,
}

/// What a worker counts; its own copy is plain, this one is for readers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counters {
    /// Requests served, errors included.
    pub(super) commands: u64,
    /// Requests and parts of requests sent to nodes.
    pub(super) forwarded: u64,
    /// Requests answered with an error of the proxy's own.
    pub(super) errors: u64,
    /// Clients whose writes wait for a slot move, now.
    pub(super) held: u64,
    /// Clients that wait for keys of several nodes, or until clients are no longer paused, now: no node counts those.
    pub(super) waiting: u64,
    /// What was taken for a client that had gone, and is where it was again.
    pub(super) returned: u64,
    /// The same where it could not go back, or nobody knows.
    pub(super) unreturned: u64,
}

#[derive(Debug, Default)]
struct Published {
    commands: AtomicU64,
    forwarded: AtomicU64,
    errors: AtomicU64,
    held: AtomicU64,
    waiting: AtomicU64,
    returned: AtomicU64,
    unreturned: AtomicU64,
}

/// What a worker tells of itself.
#[derive(Debug, Default)]
pub(super) struct WorkerFigures {
    /// Its counters, published once a turn.
    counters: Published,
    /// The requests that pass through it.
    pub(super) traffic: Traffic,
}

impl WorkerFigures {
    pub(super) fn publish(&self, counters: &Counters) {
        self.counters.commands.store(counters.commands, Relaxed);
        self.counters.forwarded.store(counters.forwarded, Relaxed);
        self.counters.errors.store(counters.errors, Relaxed);
        self.counters.held.store(counters.held, Relaxed);
        self.counters.waiting.store(counters.waiting, Relaxed);
        self.counters.returned.store(counters.returned, Relaxed);
        self.counters.unreturned.store(counters.unreturned, Relaxed);
    }

    pub(super) fn read(&self) -> Counters {
        Counters {
            commands: self.counters.commands.load(Relaxed),
            forwarded: self.counters.forwarded.load(Relaxed),
            errors: self.counters.errors.load(Relaxed),
            held: self.counters.held.load(Relaxed),
            waiting: self.counters.waiting.load(Relaxed),
            returned: self.counters.returned.load(Relaxed),
            unreturned: self.counters.unreturned.load(Relaxed),
        }
    }
}

/// How many clients of each worker are shown all requests.
#[derive(Debug)]
pub(super) struct Monitors {
    all: AtomicUsize,
    by_worker: Vec<AtomicUsize>,
}

impl Monitors {
    pub(super) fn new(workers: usize) -> Self {
        Self { all: AtomicUsize::new(0), by_worker: (0..workers).map(|_| AtomicUsize::new(0)).collect() }
    }

    pub(super) fn add(&self, worker: usize) {
        self.by_worker[worker].fetch_add(1, Relaxed);
        self.all.fetch_add(1, Relaxed);
    }

    pub(super) fn remove(&self, worker: usize) {
        self.all.fetch_sub(1, Relaxed);
        self.by_worker[worker].fetch_sub(1, Relaxed);
    }

    /// Whether there are any.
    #[inline]
    pub(super) fn are_any(&self) -> bool {
        self.all.load(Relaxed) > 0
    }

    /// Whether a worker has some.
    pub(super) fn has(&self, worker: usize) -> bool {
        self.by_worker[worker].load(Relaxed) > 0
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) id: ProxyId,
    /// `--cluster`.
    pub(super) cluster: String,
    /// Of this start of the proxy, as `INFO` shows it.
    pub(super) run_id: String,
    /// `--maxclients`.
    pub(super) max_clients: u64,
    pub(super) config: Settings,
    pub(super) port: u16,
    /// `host:port` that others reach it by.
    pub(super) address: String,
    /// Whether the operator said so.
    pub(super) is_advertised: bool,
    /// All proxies.
    pub(super) siblings: Siblings,
    pub(super) started: Millis,
    pub(super) clients: Clients,
    pub(super) workers: Vec<std::sync::Arc<WorkerFigures>>,
    /// How to reach each worker; set once, before the first connection.
    pub(super) mailboxes: std::sync::OnceLock<Vec<std::sync::Arc<super::worker::Mailbox>>>,
    pub(super) connections: ConnectionCounters,
    /// Clients that wait for all keys to be counted while slots move.
    pub(super) counts: mpsc::UnboundedSender<Waiting>,
    pub(super) large_slots: LargeSlots,
    /// Sources of scripts.
    pub(super) scripts: Scripts,
    /// Commands that the table does not have.
    pub(super) learned: Commands,
    /// `CLIENT PAUSE`.
    pub(super) pause: Pause,
    /// The other proxies.
    pub(super) others: Others,
    /// Who may do what.
    pub(super) users: Users,
    /// Clients that nodes do not count.
    pub(super) audience: Audience,
    pub(super) monitors: Monitors,
    /// What clients may take up.
    pub(super) limits: ClientLimits,
    /// Who was cut off for taking more.
    /// Nodes that are at work on what may take long.
    pub(super) slow_nodes: SlowNodes,
    /// Whether the proxy is about to end.
    pub(super) drain: Drain,
    /// Requests that took long.
    pub(super) slow: SlowLog,
    /// Who waits for keys of several nodes.
    pub(super) lines: Mutex<Lines>,
}

impl Shared {
    pub(super) fn lines(&self) -> MutexGuard<'_, Lines> {
        // Nothing in it is left half done.
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many clients were cut off for this reason.
    pub(super) fn were_cut(&self, why: Cut) -> u64 {
        self.workers.iter().map(|worker| worker.traffic.were_cut(why)).sum()
    }

    /// Sums of all workers.
    pub(super) fn counters(&self) -> Counters {
        self.workers.iter().map(|worker| worker.read()).fold(Counters::default(), |sum, one| Counters {
            commands: sum.commands + one.commands,
            forwarded: sum.forwarded + one.forwarded,
            errors: sum.errors + one.errors,
            held: sum.held + one.held,
            waiting: sum.waiting + one.waiting,
            returned: sum.returned + one.returned,
            unreturned: sum.unreturned + one.unreturned,
        })
    }

    /// Closes a client, on its worker.
    pub(super) fn kill(&self, client: &ClientInfo) {
        client.killed.store(true, Relaxed);
        if let Some(mailbox) = self.mailboxes().get(client.worker) {
            mailbox.send(Message::Killed);
        }
    }

    /// Workers by number; none before the proxy runs.
    pub(super) fn mailboxes(&self) -> &[std::sync::Arc<super::worker::Mailbox>] {
        self.mailboxes.get().map_or(&[], Vec::as_slice)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Of a proxy that does not run.
    pub(in crate::proxy) fn shared(counts: mpsc::UnboundedSender<Waiting>) -> Shared {
        let second = Duration::from_secs(1);
        Shared {
            id: "1".parse().expect("an id"),
            cluster: "default".to_owned(),
            run_id: String::new(),
            max_clients: 1,
            config: Settings {
                connections_per_node: NonZeroUsize::MIN,
                node_timeout: second,
                slow_timeout: second,
                connect_timeout: second,
                drain_timeout: second,
            },
            port: 0,
            address: String::new(),
            is_advertised: false,
            siblings: Siblings::default(),
            started: Millis(0),
            clients: Clients::default(),
            workers: Vec::new(),
            mailboxes: std::sync::OnceLock::new(),
            connections: ConnectionCounters::default(),
            counts,
            large_slots: LargeSlots::default(),
            scripts: Scripts::default(),
            learned: Commands::new().0,
            pause: Pause::default(),
            others: Others::new().0,
            users: Users::new(None, mpsc::unbounded_channel().0),
            audience: Audience::default(),
            monitors: Monitors::new(0),
            limits: ClientLimits::default(),
            slow_nodes: SlowNodes::default(),
            drain: Drain::default(),
            slow: SlowLog::new(None, 0),
            lines: Mutex::default(),
        }
    }
}
