//! Nothing acknowledged is lost, whoever dies or sleeps while slots move under writes.
//!
//! Writers count up keys of their own through both proxies and remember what was acknowledged. A write whose outcome is
//! unknown may or may not show; an acknowledged one must. Faults: kill -9 of the console, a proxy, etcd; SIGSTOP of a proxy.

use std::{
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use cluster_fixture::{Server, console, etcd, node, proxy, within};
use redis_cluster::{client::Connection, protocol::Value};

const WRITERS: usize = 6;
const KEYS: usize = 50;

/// What one writer knows of one of its keys.
#[derive(Clone, Copy, Default)]
struct Known {
    acknowledged: u64,
    attempted: u64,
}

struct Chaos {
    etcd: Server,
    nodes: Vec<Server>,
    proxies: Vec<Server>,
    stop: Arc<AtomicBool>,
    written: Arc<AtomicU64>,
    writers: Vec<tokio::task::JoinHandle<Vec<Known>>>,
}

impl Chaos {
    async fn start() -> Option<Self> {
        let etcd = etcd()?;
        let nodes = vec![node("1"), node("2")];
        let proxies = vec![proxy("1", &etcd.url()), proxy("2", &etcd.url())];
        let mut chaos =
            Self { etcd, nodes, proxies, stop: Arc::default(), written: Arc::default(), writers: Vec::new() };
        for (id, server) in ["1", "2"].iter().zip(&chaos.nodes) {
            assert_eq!(chaos.console(&["add", id, &server.url()]).await, Some(0));
        }
        let addresses: Vec<String> = chaos.proxies.iter().map(Server::address).collect();
        for writer in 0..WRITERS {
            let (addresses, stop, written) =
                (addresses.clone(), Arc::clone(&chaos.stop), Arc::clone(&chaos.written));
            chaos.writers.push(tokio::spawn(write(writer, addresses, stop, written)));
        }
        chaos.progress().await;
        Some(chaos)
    }

    async fn console(&self, words: &[&str]) -> Option<i32> {
        let mut command = tokio::process::Command::from(console());
        command.arg(self.etcd.url()).args(words).stdin(Stdio::null());
        let output = tokio::time::timeout(Duration::from_secs(90), command.output()).await;
        let output = output.unwrap_or_else(|_| panic!("{words:?} does not end")).unwrap();
        eprintln!("{words:?}: {} {}", output.status, String::from_utf8_lossy(&output.stderr));
        output.status.code()
    }

    /// Until the writers have had some more writes acknowledged.
    async fn progress(&self) {
        let goal = self.written.load(Ordering::Relaxed) + 2000;
        let written = Arc::clone(&self.written);
        let reached = tokio::task::spawn_blocking(move || {
            within(Duration::from_secs(60), || written.load(Ordering::Relaxed) >= goal)
        });
        assert!(reached.await.unwrap(), "no writes are acknowledged any more");
    }

    /// Stops the writers and looks whether every acknowledged write is there, through every proxy.
    async fn verify(mut self) {
        self.progress().await;
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Vec::new();
        for writer in self.writers.drain(..) {
            all.push(writer.await.unwrap());
        }
        for proxy in &self.proxies {
            let mut connection = Connection::connect(&proxy.address(), Duration::from_secs(5)).await.unwrap();
            for (writer, known) in all.iter().enumerate() {
                for (key, known) in known.iter().enumerate() {
                    let reply = connection.call(&["GET", &name(writer, key)]).await.unwrap();
                    let value = match &reply {
                        Value::Null => 0,
                        other => other.as_i64().unwrap_or_else(|| panic!("{other:?}")) as u64,
                    };
                    assert!(
                        (known.acknowledged..=known.attempted).contains(&value),
                        "{}: {value} is there, {} was acknowledged, {} attempted",
                        name(writer, key),
                        known.acknowledged,
                        known.attempted
                    );
                }
            }
        }
    }
}

fn name(writer: usize, key: usize) -> String {
    format!("writer:{writer}:key:{key}")
}

/// Counts keys up in turn until told to stop; after an error, through the other proxy. A key whose last write may still
/// be on its way is not written again, because nothing orders writes over two connections: a fresh one takes its place.
async fn write(
    writer: usize,
    addresses: Vec<String>,
    stop: Arc<AtomicBool>,
    written: Arc<AtomicU64>,
) -> Vec<Known> {
    let mut known = vec![Known::default(); KEYS];
    let mut in_use: Vec<usize> = (0..KEYS).collect();
    let mut connection: Option<Connection> = None;
    let (mut proxy, mut turn) = (writer, 0);
    while !stop.load(Ordering::Relaxed) {
        let Some(open) = connection.as_mut() else {
            proxy += 1;
            connection =
                Connection::connect(&addresses[proxy % addresses.len()], Duration::from_secs(1)).await.ok();
            continue;
        };
        turn = (turn + 1) % KEYS;
        let key = in_use[turn];
        known[key].attempted += 1;
        let command = ["SET".to_owned(), name(writer, key), known[key].attempted.to_string()];
        let reply = tokio::time::timeout(PATIENCE, open.call(&command)).await;
        match reply {
            Ok(Ok(Value::Simple(_))) => {
                known[key].acknowledged = known[key].attempted;
                written.fetch_add(1, Ordering::Relaxed);
                continue;
            }
            Ok(Ok(Value::Error(error))) if error.starts_with(b"CLUSTERDOWN") => continue,
            Ok(Ok(Value::Error(_))) => {}
            Ok(Ok(other)) => panic!("{other:?}"),
            Ok(Err(_)) | Err(_) => connection = None,
        }
        in_use[turn] = known.len();
        known.push(Known::default());
    }
    known
}

/// How long a writer waits for a reply before it goes to the other proxy: longer than a lease, so than any move held up by
/// a dead one.
const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn removing_and_adding_under_writes() {
    let Some(chaos) = Chaos::start().await else { return };
    for _ in 0..2 {
        assert_eq!(chaos.console(&["remove", "2"]).await, Some(0));
        chaos.progress().await;
        assert_eq!(chaos.console(&["add", "2", &chaos.nodes[1].url()]).await, Some(0));
        chaos.progress().await;
    }
    chaos.verify().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_console_is_killed_during_a_remove() {
    let Some(chaos) = Chaos::start().await else { return };
    let mut command = tokio::process::Command::from(console());
    let mut child = command.arg(chaos.etcd.url()).args(["remove", "2"]).stdin(Stdio::null()).spawn().unwrap();
    tokio::time::timeout(Duration::from_millis(40), child.wait()).await.ok();
    child.kill().await.unwrap();
    // Said again it joins the plan under way, or finds that the node is gone.
    let again = chaos.console(&["remove", "2"]).await;
    assert!(matches!(again, Some(0 | 4)), "{again:?}");
    chaos.verify().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proxy_is_killed_during_a_remove() {
    let Some(mut chaos) = Chaos::start().await else { return };
    let (removed, ()) = tokio::join!(chaos_remove(&chaos), async {
        tokio::time::sleep(Duration::from_millis(30)).await;
        std::process::Command::new("kill")
            .args(["-9", &chaos.proxies[0].pid().to_string()])
            .status()
            .unwrap();
    });
    assert_eq!(removed, Some(0));
    chaos.proxies[0].restart();
    chaos.verify().await;
}

async fn chaos_remove(chaos: &Chaos) -> Option<i32> {
    chaos.console(&["remove", "2"]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn etcd_is_killed_during_a_remove_and_comes_back() {
    let Some(mut chaos) = Chaos::start().await else { return };
    let url = chaos.etcd.url();
    let remove = tokio::spawn(async move {
        let mut command = tokio::process::Command::from(console());
        command.arg(url).args(["remove", "2"]).stdin(Stdio::null()).status().await.unwrap().code()
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    chaos.etcd.restart();
    let removed = tokio::time::timeout(Duration::from_secs(90), remove).await.unwrap().unwrap();
    if removed != Some(0) {
        // The console gave up while etcd was away: said again it ends.
        let again = chaos.console(&["remove", "2"]).await;
        assert!(matches!(again, Some(0 | 4)), "{again:?}");
    }
    chaos.verify().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proxy_sleeps_through_a_remove_and_wakes() {
    let Some(chaos) = Chaos::start().await else { return };
    chaos.proxies[0].signal("STOP");
    assert_eq!(chaos.console(&["remove", "2"]).await, Some(0));
    chaos.proxies[0].signal("CONT");
    chaos.verify().await;
}
