//! Nothing acknowledged is lost, whoever dies or sleeps in whichever phase of a move, under writes.
//!
//! Each fault waits for its moment in the registry (or at the node that is copied to or deleted from), not for a time. The
//! clusters of one kind of fault run side by side, because most of the time they wait for leases to end. What writers know
//! and what must be there in the end is in [`history`].

mod combined;
mod freezes;
mod history;
mod losing;
mod registers;
mod relay;
mod stale;

use redis_cluster::cluster::records::keys;
use std::{process::Stdio, time::Duration};

use cluster_fixture::{Server, console, etcd, node, proxy_with};
use redis_cluster::{
    client::Connection,
    cluster::{
        Topology, driver,
        registry::{Change, Entry, Registry, Watch, WatchEvent},
        topology::Phase,
    },
    protocol::Value,
    time::Millis,
};

use self::{
    freezes::Freezes,
    history::{History, LONG_MS, expires_between},
    registers::Registers,
    relay::Relay,
};

/// Keys that nobody writes to during the faults; half of them move.
const KEYS: usize = 6000;
/// One in so many of them has an expiry.
const EXPIRING: usize = 5;
/// For what takes some seconds, on a machine that is busy with the other clusters.
const TIMEOUT: Duration = Duration::from_secs(120);

/// When in a move something happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Moment {
    Planned,
    Frozen,
    /// Frozen, and the target has some of the keys.
    Copying,
    Switched,
    Open,
    /// Open, and the source has lost some of the keys.
    Reaping,
}

/// Longer than a hold may last, shorter than proxies wait for a node.
const NAP: Duration = Duration::from_secs(2);

const MOMENTS: [Moment; 6] =
    [Moment::Planned, Moment::Frozen, Moment::Copying, Moment::Switched, Moment::Open, Moment::Reaping];

impl Moment {
    fn phase(self) -> Phase {
        match self {
            Self::Planned => Phase::Planned,
            Self::Frozen | Self::Copying => Phase::Frozen,
            Self::Switched => Phase::Switched,
            Self::Open | Self::Reaping => Phase::Open,
        }
    }
}

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// The proxy that drives is killed and started again.
    KillDriver,
    /// The other proxy is killed and started again.
    KillOther,
    /// The proxy that drives sleeps until the move is done by another.
    StopDriver,
    /// The other proxy sleeps until the move is done without it.
    StopOther,
    /// The other proxy is cut off from etcd until the move is done without it.
    CutOther,
    /// The node that gives the slots sleeps for a while.
    StopSource,
    /// The node that gets them does.
    StopTarget,
}

/// Two nodes, the first of them a member with all keys, and two proxies.
struct Chaos {
    registry: Registry,
    etcd: String,
    name: String,
    nodes: [Server; 2],
    proxies: [Server; 2],
    /// Between each proxy and etcd.
    wires: [Relay; 2],
    history: History,
    /// Between which times the keys that nobody writes to were written.
    written: (i64, i64),
}

impl Chaos {
    /// A cluster of its own in this etcd.
    async fn start(etcd: &str, name: &str) -> Self {
        let address = etcd.trim_start_matches("http://").to_owned();
        let wires = [Relay::to(address.clone()).await, Relay::to(address).await];
        let proxies = [0, 1].map(|of| proxy_with(["1", "2"][of], &wires[of].url(), &["--cluster", name]));
        let nodes = ["1", "2"].map(node);
        let registry = Registry::open(&[etcd.to_owned()], name).unwrap();
        let history = History::begin(&proxies.each_ref().map(Server::address));
        let etcd = etcd.to_owned();
        let mut chaos =
            Self { registry, etcd, name: name.to_owned(), nodes, proxies, wires, history, written: (0, 0) };
        chaos.done(&["add", "1", &chaos.nodes[0].url()], None).await;
        let mut connection =
            Connection::connect(&chaos.proxies[0].address(), Duration::from_secs(5)).await.unwrap();
        for number in 0..KEYS {
            let (key, value, expiry) = (format!("key:{number}"), number.to_string(), LONG_MS.to_string());
            let command = ["SET", &key, &value, "PX", &expiry];
            connection.queue(if number % EXPIRING == 0 { &command[..] } else { &command[..3] });
        }
        chaos.written.0 = Millis::now().0;
        connection.flush().await.unwrap();
        for _ in 0..KEYS {
            assert_eq!(connection.read().await.unwrap(), Value::Simple("OK".into()));
        }
        chaos.written.1 = Millis::now().0;
        chaos.history.progress().await;
        chaos
    }

    fn console(&self, words: &[&str]) -> tokio::process::Command {
        let mut command = tokio::process::Command::from(console());
        command.args(["--cluster", &self.name, &self.etcd]).args(words);
        command.stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    /// Runs a console command to its end.
    async fn run(&self, words: &[&str]) -> Option<i32> {
        let output = tokio::time::timeout(TIMEOUT, self.console(words).output()).await;
        let output = output.unwrap_or_else(|_| panic!("{words:?} does not end")).unwrap();
        if !output.status.success() {
            eprintln!("{words:?}: {} {}", output.status, String::from_utf8_lossy(&output.stderr));
        }
        output.status.code()
    }

    /// Until a change is made that ended with `code` when it was asked for. The console gives up when etcd does not answer
    /// (3), as it may on a busy disk: said again it joins the plan under way, or finds that it is done.
    async fn done(&self, words: &[&str], code: Option<i32>) {
        let mut code = match code {
            Some(code) => Some(code),
            None => self.run(words).await,
        };
        while code == Some(3) {
            code = self.run(words).await;
        }
        assert_eq!(code, Some(0), "{words:?}");
    }

    /// As [`Chaos::done`], where faults may also have ended the plan: then it is asked for again.
    async fn in_the_end(&self, words: &[&str], mut code: Option<i32>) {
        let deadline = tokio::time::Instant::now() + TIMEOUT;
        while code != Some(0) {
            assert!(tokio::time::Instant::now() < deadline, "{words:?}: {code:?}");
            code = self.run(words).await;
        }
    }

    /// Which proxy drives, once one does.
    async fn driver(&self) -> usize {
        driver_of(&self.registry).await
    }

    /// Returns when the next move to node 2 has come to this moment. To be called before the plan is made.
    async fn comes_to(&self, topology: Watch, moment: Moment) {
        let source = if moment == Moment::Reaping { self.key_count(0).await } else { 0 };
        self.phase_comes(topology, moment.phase()).await;
        match moment {
            Moment::Copying => while self.key_count(1).await == 0 {},
            Moment::Reaping => while self.key_count(0).await + 300 > source {},
            Moment::Planned | Moment::Frozen | Moment::Switched | Moment::Open => {}
        }
    }

    /// Returns when a move is in this phase. The watch must have been begun before the plan was made.
    async fn phase_comes(&self, mut topology: Watch, phase: Phase) {
        loop {
            let event = tokio::time::timeout(TIMEOUT, topology.next()).await;
            let event = event.unwrap_or_else(|_| panic!("no move comes to {phase:?}"));
            let is_there = entries(event).iter().any(|entry| {
                let topology: Topology = serde_json::from_slice(&entry.value).unwrap();
                topology.moves.iter().any(|moving| moving.phase == phase)
            });
            if is_there {
                return;
            }
        }
    }

    /// Of one node, asked directly.
    async fn key_count(&self, node: usize) -> i64 {
        let mut connection =
            Connection::connect(&self.nodes[node].address(), Duration::from_secs(5)).await.unwrap();
        connection.call(&["DBSIZE"]).await.unwrap().as_i64().unwrap()
    }

    /// Where the move is, for the log: it may have gone on since.
    async fn found(&self) -> String {
        match self.registry.get(keys::TOPOLOGY).await {
            Ok(Some(entry)) => {
                let topology: Topology = serde_json::from_slice(&entry.value).unwrap();
                topology.moves.first().map_or("no move".to_owned(), |moving| format!("{:?}", moving.phase))
            }
            other => format!("{other:?}"),
        }
    }

    /// Adds node 2 with one fault on the way, waits until that is done, and looks at everything.
    async fn add_with(mut self, fault: Fault, moment: Moment) {
        let driver = self.driver().await;
        let at = match fault {
            Fault::KillDriver | Fault::StopDriver => driver,
            _ => 1 - driver,
        };
        let registers = Registers::begin(&self.proxies.each_ref().map(Server::address));
        let freezes = Freezes::watch(self.registry.watch(keys::TOPOLOGY));
        let topology = self.registry.watch(keys::TOPOLOGY);
        let mut add = self.console(&["add", "2", &self.nodes[1].url()]).spawn().unwrap();
        self.comes_to(topology, moment).await;
        match fault {
            Fault::KillDriver | Fault::KillOther => self.proxies[at].kill(),
            Fault::StopDriver | Fault::StopOther => self.proxies[at].signal("STOP"),
            Fault::CutOther => self.wires[at].cut(),
            Fault::StopSource => self.nodes[0].signal("STOP"),
            Fault::StopTarget => self.nodes[1].signal("STOP"),
        }
        eprintln!("{fault:?} at {moment:?}: found {}", self.found().await);
        if matches!(fault, Fault::KillDriver | Fault::KillOther) {
            self.proxies[at].restart();
        }
        if matches!(fault, Fault::StopSource | Fault::StopTarget) {
            // The length of the fault, not a wait for anything.
            tokio::time::sleep(NAP).await;
            self.nodes[usize::from(fault == Fault::StopTarget)].signal("CONT");
        }
        let status = tokio::time::timeout(TIMEOUT, add.wait()).await;
        let status = status.unwrap_or_else(|_| panic!("{fault:?} at {moment:?}: add does not end"));
        let status = status.unwrap().code();
        self.in_the_end(&["add", "2", &self.nodes[1].url()], status).await;
        if matches!(fault, Fault::StopDriver | Fault::StopOther) {
            self.history.progress().await;
            self.proxies[at].signal("CONT");
        }
        if fault == Fault::CutOther {
            self.history.progress().await;
            self.wires[at].heal();
        }
        eprintln!(
            "{fault:?} at {moment:?}: the longest hold lasted {:?}, the longest acknowledged write {:?}",
            freezes.longest(),
            registers.longest()
        );
        registers.end().await;
        self.verify().await;
    }

    /// Every key is there, through both proxies, and nothing twice.
    async fn verify(self) {
        self.history.progress().await;
        let proxies = self.proxies.each_ref().map(Server::address);
        for proxy in &proxies {
            let mut connection = self.connected(proxy).await;
            for number in 0..KEYS {
                connection.queue(&["GET", &format!("key:{number}")]);
            }
            for number in (0..KEYS).step_by(EXPIRING) {
                connection.queue(&["PTTL", &format!("key:{number}")]);
            }
            let asked = Millis::now().0;
            connection.flush().await.unwrap();
            for number in 0..KEYS {
                let value = connection.read().await.unwrap();
                assert_eq!(value.as_i64(), Some(number as i64), "key:{number} through {proxy}: {value:?}");
            }
            for number in (0..KEYS).step_by(EXPIRING) {
                let pttl = connection.read().await.unwrap().as_i64().unwrap();
                let (from, to) = (self.written.0 + LONG_MS, self.written.1 + LONG_MS);
                let same = expires_between(pttl, asked, Millis::now().0, from, to);
                assert!(
                    same,
                    "key:{number} through {proxy}: PTTL {pttl} at {asked}, written {:?}",
                    self.written
                );
            }
        }
        self.history.verify(&proxies).await;
    }

    /// A connection to a proxy that serves: one that was started again, or slept, may have to wait for its old lease.
    async fn connected(&self, proxy: &str) -> Connection {
        let mut connection = Connection::connect(proxy, Duration::from_secs(5)).await.unwrap();
        let deadline = tokio::time::Instant::now() + TIMEOUT;
        while let Value::Error(error) = connection.call(&["DBSIZE"]).await.unwrap() {
            assert!(tokio::time::Instant::now() < deadline, "{proxy}: {}", String::from_utf8_lossy(&error));
        }
        connection
    }
}

/// Which of the proxies 1 and 2 drives, once one does.
async fn driver_of(registry: &Registry) -> usize {
    let mut leader = registry.watch("leader");
    loop {
        if let Some(leader) = driver::leader(registry).await.unwrap() {
            return if leader.identity == "proxy 1" { 0 } else { 1 };
        }
        tokio::time::timeout(TIMEOUT, leader.next()).await.expect("somebody drives");
    }
}

/// What an event puts.
fn entries(event: WatchEvent) -> Vec<Entry> {
    match event {
        WatchEvent::Reset { entries, .. } => entries,
        WatchEvent::Changed { changes, .. } => changes
            .into_iter()
            .filter_map(|change| match change {
                Change::Put(entry) => Some(entry),
                Change::Deleted { .. } => None,
            })
            .collect(),
        WatchEvent::Down { .. } | WatchEvent::Up => Vec::new(),
    }
}

/// One cluster for each moment, side by side.
async fn at_each(fault: Fault, moments: &[Moment]) {
    let Some(etcd) = etcd() else { return };
    let mut clusters = Vec::new();
    for &moment in moments {
        // One after the other: starting is the hardest on the machine.
        let cluster = Chaos::start(&etcd.url(), &format!("{fault:?}-{moment:?}")).await;
        let run = tokio::spawn(cluster.add_with(fault, moment));
        // To see how long holds last on a machine that does nothing else.
        if std::env::var_os("CHAOS_ONE_BY_ONE").is_some() {
            run.await.unwrap();
        } else {
            clusters.push(run);
        }
    }
    for cluster in clusters {
        cluster.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_driver_is_killed_in_each_phase() {
    at_each(Fault::KillDriver, &MOMENTS).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_proxy_is_killed_in_each_phase() {
    at_each(Fault::KillOther, &MOMENTS).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proxy_sleeps_across_the_switch() {
    let before = [Moment::Planned, Moment::Frozen, Moment::Copying];
    tokio::join!(at_each(Fault::StopOther, &before), at_each(Fault::StopDriver, &before));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proxy_is_cut_off_in_each_phase() {
    at_each(Fault::CutOther, &MOMENTS).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_sleeps_in_each_phase() {
    let till_open = [Moment::Planned, Moment::Copying, Moment::Switched];
    tokio::join!(at_each(Fault::StopSource, &till_open), at_each(Fault::StopTarget, &till_open));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn etcd_is_killed_in_each_phase_and_comes_back() {
    let Some(mut etcd) = etcd() else { return };
    let chaos = Chaos::start(&etcd.url(), "default").await;
    for moment in MOMENTS {
        let topology = chaos.registry.watch(keys::TOPOLOGY);
        let mut add = chaos.console(&["add", "2", &chaos.nodes[1].url()]).spawn().unwrap();
        chaos.comes_to(topology, moment).await;
        etcd.restart();
        eprintln!("etcd at {moment:?}: found {}", chaos.found().await);
        let added = tokio::time::timeout(TIMEOUT, add.wait()).await.unwrap().unwrap();
        chaos.done(&["add", "2", &chaos.nodes[1].url()], added.code()).await;
        chaos.history.progress().await;
        chaos.done(&["remove", "2"], None).await;
    }
    chaos.verify().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_console_is_killed_in_each_phase() {
    let Some(etcd) = etcd() else { return };
    let chaos = Chaos::start(&etcd.url(), "default").await;
    for moment in MOMENTS {
        let topology = chaos.registry.watch(keys::TOPOLOGY);
        let mut add = chaos.console(&["add", "2", &chaos.nodes[1].url()]).spawn().unwrap();
        chaos.comes_to(topology, moment).await;
        add.kill().await.unwrap();
        eprintln!("console at {moment:?}: found {}", chaos.found().await);
        // Said again it joins the plan under way, or finds that the node is a member.
        assert_eq!(chaos.run(&["add", "2", &chaos.nodes[1].url()]).await, Some(0));
        chaos.done(&["remove", "2"], None).await;
    }
    chaos.verify().await;
}
