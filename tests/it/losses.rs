//! A node that comes back without the keys it held: who says so, to whom, and until when.

use std::time::Duration;

use cluster_fixture::{Server, node, redis_server_with, within};
use redis_cluster::{
    client::Connection,
    cluster::{
        loss::{LossRecord, SeenRecord},
        records::keys,
        registry::Registry,
    },
    slot::SlotId,
};

pub(crate) const TIMEOUT: Duration = Duration::from_secs(30);

pub(crate) struct Cluster {
    pub(crate) registry: Registry,
    pub(crate) of: cluster_fixture::Cluster,
}

impl Cluster {
    pub(crate) async fn start(nodes: &[(&str, String)]) -> Option<Self> {
        let of = cluster_fixture::Cluster::of(Vec::new(), 2)?;
        let registry = Registry::open(&[of.etcd.url()], "default").unwrap();
        let cluster = Self { registry, of };
        for (id, address) in nodes {
            assert_eq!(cluster.console(&["add", id, address]).0, Some(0));
        }
        Some(cluster)
    }

    /// A console command: its status, stdout and stderr.
    pub(crate) fn console(&self, words: &[&str]) -> (Option<i32>, String, String) {
        let output = self.of.run(words);
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    }

    /// Waits until the registry knows what the node holds.
    pub(crate) async fn knows(&self, node: &str, holds: impl Fn(&SeenRecord) -> bool) -> SeenRecord {
        let mut watch = self.registry.watch(keys::SEEN);
        loop {
            if let Some(entry) = self.registry.get(&format!("{}{node}", keys::SEEN)).await.unwrap() {
                let seen: SeenRecord = serde_json::from_slice(&entry.value).unwrap();
                if holds(&seen) {
                    return seen;
                }
            }
            let log = || self.of.proxies[0].log();
            tokio::time::timeout(TIMEOUT, watch.next()).await.unwrap_or_else(|_| panic!("{}", log()));
        }
    }

    pub(crate) async fn loss(&self, node: &str) -> Option<LossRecord> {
        let entry = self.registry.get(&format!("{}{node}", keys::LOSSES)).await.unwrap()?;
        Some(serde_json::from_slice(&entry.value).unwrap())
    }

    /// How often each proxy noticed a loss of a node; once every proxy knows the node.
    async fn noticed(&self, node: &str) -> Vec<u64> {
        let name = format!("redis_proxy_node_losses_total{{node=\"{node}\"}} ");
        let mut noticed = Vec::new();
        for proxy in &self.of.proxies {
            let deadline = tokio::time::Instant::now() + TIMEOUT;
            let count = loop {
                let text = http_get(&proxy.address(), "/metrics").await;
                if let Some(count) = text.lines().find_map(|line| line.strip_prefix(&name)) {
                    break count.parse().unwrap();
                }
                assert!(tokio::time::Instant::now() < deadline, "{text}");
            };
            noticed.push(count);
        }
        noticed
    }
}

async fn http_get(address: &str, path: &str) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    text
}

/// Writes keys by a proxy; how many of them the second of two nodes holds then.
pub(crate) async fn fill(server: &Server, keys: usize) -> u64 {
    let mut connection = Connection::connect(&server.address(), TIMEOUT).await.unwrap();
    for number in 0..keys {
        connection.queue(&["SET", &format!("key:{number}"), "v"]);
    }
    connection.flush().await.unwrap();
    for _ in 0..keys {
        assert!(connection.read().await.unwrap().as_error().is_none());
    }
    let of_second = |key: &usize| SlotId::of_key(format!("key:{key}").as_bytes()).get() >= 8192;
    (0..keys).filter(of_second).count() as u64
}

#[tokio::test]
async fn a_node_that_comes_back_empty_is_told_until_an_operator_takes_note() {
    let mut nodes = [node("1"), node("2")];
    let addresses = [("1", nodes[0].url()), ("2", nodes[1].url())];
    let Some(mut cluster) = Cluster::start(&addresses).await else { return };
    let held = fill(&cluster.of.proxies[0], 1000).await;
    let seen = cluster.knows("2", |seen| seen.keys == held).await;

    // All proxies at once, so that nobody remembers, and the node.
    for proxy in &mut cluster.of.proxies {
        proxy.kill();
    }
    nodes[1].restart();
    for proxy in &mut cluster.of.proxies {
        proxy.restart();
    }
    let again = cluster.knows("2", |now| now.run_id != seen.run_id).await;
    let loss = cluster.loss("2").await.unwrap();
    assert_eq!((loss.held, loss.now, loss.times), (seen.keys, 0, 1));
    assert_eq!((&loss.run_id_before, &loss.run_id_after), (&seen.run_id, &again.run_id));
    assert!(within(TIMEOUT, || cluster
        .of
        .proxies
        .iter()
        .any(|proxy| proxy.log().contains("came back empty"))));
    assert!(cluster.noticed("2").await.iter().sum::<u64>() >= 1);
    assert_eq!(cluster.noticed("1").await, [0, 0]);

    // Noticed while it runs, too; both proxies saw it, one of them wrote.
    fill(&cluster.of.proxies[0], 1000).await;
    cluster.knows("2", |seen| seen.run_id == again.run_id && seen.keys == held).await;
    nodes[1].restart();
    cluster.knows("2", |now| now.run_id != again.run_id).await;
    let loss = cluster.loss("2").await.unwrap();
    assert_eq!((loss.held, loss.times), (seen.keys, 2));

    let (status, table, notes) = cluster.console(&["show", "nodes", "--json"]);
    assert_eq!(status, Some(0));
    let rows: Vec<serde_json::Value> =
        table.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((rows[0]["lost"].as_u64(), rows[1]["lost"].as_u64()), (None, Some(seen.keys)), "{table}");
    assert!(rows[1]["lost_at"].as_str().is_some_and(|at| at.ends_with('Z')), "{table}");
    assert!(notes.contains("warning: node 2 held") && notes.contains("`ack 2`"), "{notes}");
    assert!(
        cluster.console(&["show", "nodes", "--no-raw"]).1.contains("lost_at") || table.contains("lost_at")
    );

    assert_eq!(cluster.console(&["--read-only", "ack", "2"]).0, Some(4));
    let (status, _, said) = cluster.console(&["ack", "2"]);
    assert!(status == Some(0) && said.contains("noted"), "{said}");
    assert_eq!(cluster.loss("2").await, None);
    let (status, _, said) = cluster.console(&["ack", "2"]);
    assert!(status == Some(0) && said.contains("nothing to do"), "{said}");
    assert_eq!(cluster.console(&["ack", "9"]).0, Some(4));
    assert!(cluster.console(&["show", "audit"]).1.contains("ack 2"));
    assert!(!cluster.console(&["show", "nodes"]).2.contains("warning"));
}

#[tokio::test]
async fn an_ordinary_restart_says_nothing() {
    let empty = node("1");
    let options = ["--save", "3600 100000", "--appendonly", "no"];
    let Some(stock) = redis_server_with(&options) else { return };
    let addresses = [("1", empty.url()), ("2", format!("redis://{}", stock.address()))];
    let Some(cluster) = Cluster::start(&addresses).await else { return };
    let (mut empty, mut stock) = (empty, stock);
    let seen = |keys: u64| move |seen: &SeenRecord| seen.keys == keys;
    // Only the stock server holds something.
    let mut connection = Connection::connect(&cluster.of.proxies[0].address(), TIMEOUT).await.unwrap();
    let mut held = 0;
    for number in 0..200 {
        let key = format!("key:{number}");
        if SlotId::of_key(key.as_bytes()).get() >= 8192 {
            connection.call(&["SET", &key, "v"]).await.unwrap();
            held += 1;
        }
    }
    let topology = cluster.registry.get(keys::TOPOLOGY).await.unwrap().unwrap();
    let topology: redis_cluster::cluster::Topology = serde_json::from_slice(&topology.value).unwrap();
    assert_eq!(topology.slots[1].1.as_str(), "2", "{topology:?}");
    let before = cluster.knows("2", seen(held)).await;
    let mut direct = Connection::connect(&stock.address(), TIMEOUT).await.unwrap();
    assert!(direct.call(&["SAVE"]).await.unwrap().as_error().is_none());
    empty.restart();
    stock.restart();
    let after = cluster.knows("2", |now| now.run_id != before.run_id).await;
    assert_eq!(after.keys, held);
    // Deleted by somebody, in the same process.
    let mut direct = Connection::connect(&stock.address(), TIMEOUT).await.unwrap();
    direct.call(&["FLUSHALL"]).await.unwrap();
    cluster.knows("2", seen(0)).await;
    stock.restart();
    cluster.knows("2", |now| now.run_id != after.run_id).await;
    assert!(cluster.registry.list(keys::LOSSES).await.unwrap().entries.is_empty());
    for id in ["1", "2"] {
        assert_eq!(cluster.noticed(id).await, [0, 0]);
    }

    // A stock server that comes back without its dump.
    let deadline = tokio::time::Instant::now() + TIMEOUT;
    let mut connection = Connection::connect(&cluster.of.proxies[0].address(), TIMEOUT).await.unwrap();
    let key = (0..).map(|number| format!("key:{number}"));
    let key = key.into_iter().find(|key| SlotId::of_key(key.as_bytes()).get() >= 8192);
    let key = key.unwrap();
    while connection.call(&["SET", &key, "v"]).await.unwrap().as_error().is_some() {
        assert!(tokio::time::Instant::now() < deadline);
    }
    let held = cluster.knows("2", seen(1)).await;
    stock.kill();
    let dump = stock.directory().unwrap().join("dump.rdb");
    if dump.exists() {
        std::fs::remove_file(dump).unwrap();
    }
    stock.restart();
    cluster.knows("2", |now| now.run_id != held.run_id).await;
    let loss = cluster.loss("2").await.unwrap();
    assert_eq!((loss.held, loss.now), (1, 0));
}
