//! Faults that lose keys, or would bring lost ones back, with the driver killed on the way: what was deleted stays deleted, a server
//! is a node of one cluster, and a node that comes back empty is told of. There is no history of writers here, because keys are lost
//! with the nodes that held them; what must be there, or must not, is said by each test.

use redis_cluster::{cluster::loss::LossRecord, slot::SlotId};

use super::*;

/// A cluster in an etcd that others may use too.
struct Party {
    registry: Registry,
    etcd: String,
    name: &'static str,
    proxies: [Server; 2],
}

impl Party {
    fn start(etcd: &str, name: &'static str) -> Self {
        let proxies = ["1", "2"].map(|id| proxy_with(id, etcd, &["--cluster", name]));
        let registry = Registry::open(&[etcd.to_owned()], name).unwrap();
        Self { registry, etcd: etcd.to_owned(), name, proxies }
    }

    fn console(&self, words: &[&str]) -> tokio::process::Command {
        let mut command = tokio::process::Command::from(console());
        command.args(["--cluster", self.name, &self.etcd]).args(words);
        command.stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    /// Says it until it is done.
    async fn done(&self, words: &[&str]) {
        let deadline = tokio::time::Instant::now() + TIMEOUT;
        loop {
            let output = self.console(words).output().await.unwrap();
            if output.status.success() {
                return;
            }
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(tokio::time::Instant::now() < deadline, "{words:?}: {said}");
        }
    }

    /// Waits until what is watched changes.
    async fn changes(watch: &mut Watch) {
        while entries(tokio::time::timeout(TIMEOUT, watch.next()).await.expect("it changes")).is_empty() {}
    }

    async fn members(&self) -> usize {
        self.registry.list(keys::NODES).await.unwrap().entries.len()
    }
}

async fn connect(server: &Server) -> Connection {
    Connection::connect(&server.address(), Duration::from_secs(10)).await.unwrap()
}

/// Asks many things at once; the replies in order.
async fn ask(connection: &mut Connection, requests: impl Iterator<Item = Vec<String>>) -> Vec<Value> {
    let requests: Vec<_> = requests.collect();
    requests.iter().for_each(|request| connection.queue(request));
    connection.flush().await.unwrap();
    let mut replies = Vec::new();
    for _ in requests {
        replies.push(connection.read().await.unwrap());
    }
    replies
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deleted_keys_stay_deleted_when_a_node_is_given_up_and_the_driver_dies() {
    let Some(etcd) = etcd() else { return };
    let mut party = Party::start(&etcd.url(), "default");
    let mut nodes = ["1", "2"].map(node);
    party.done(&["add", "1", &nodes[0].url()]).await;
    party.done(&["add", "2", &nodes[1].url()]).await;
    let topology = party.registry.get(keys::TOPOLOGY).await.unwrap().unwrap();
    let topology: Topology = serde_json::from_slice(&topology.value).unwrap();
    let given_up = topology.slots_of(&"2".parse().unwrap());
    let all: Vec<String> = (0..3000).map(|number| format!("k{number}")).collect();
    let (of_two, of_one): (Vec<&String>, Vec<&String>) = all.iter().partition(|key| {
        let slot = SlotId::of_key(key.as_bytes());
        given_up.iter().any(|range| range.first() <= slot && slot <= range.last())
    });
    assert!(of_two.len() > 1000 && of_one.len() > 1000);
    let mut proxy = connect(&party.proxies[0]).await;
    ask(&mut proxy, all.iter().map(|key| words(&["SET", key, "v"]))).await;
    ask(&mut proxy, of_two.iter().map(|key| words(&["DEL", key]))).await;
    // What an earlier move left on the survivor: the same keys, as they were before they were deleted.
    let mut survivor = connect(&nodes[0]).await;
    ask(&mut survivor, of_two.iter().map(|key| words(&["SET", key, "old"]))).await;
    drop(proxy);

    nodes[1].kill();
    let dies = driver_of(&party.registry).await;
    let mut plans = party.registry.watch(keys::TOPOLOGY);
    let mut removal = party.console(&["remove", "2", "--force"]).spawn().unwrap();
    Party::changes(&mut plans).await;
    party.proxies[dies].kill();
    party.proxies[dies].restart();
    tokio::time::timeout(TIMEOUT, removal.wait()).await.expect("the console ends").unwrap();
    party.done(&["remove", "2", "--force"]).await;

    for proxy in &party.proxies {
        let mut proxy = connect(proxy).await;
        let deadline = tokio::time::Instant::now() + TIMEOUT;
        // A proxy that was restarted takes a moment to serve.
        while !matches!(proxy.call(&["GET", "k0"]).await.unwrap(), Value::Bulk(_) | Value::Null) {
            assert!(tokio::time::Instant::now() < deadline, "it does not serve");
        }
        let returned = ask(&mut proxy, of_two.iter().map(|key| words(&["GET", key]))).await;
        assert_eq!(
            returned.iter().filter(|value| **value != Value::Null).count(),
            0,
            "deleted keys came back"
        );
        let kept = ask(&mut proxy, of_one.iter().map(|key| words(&["GET", key]))).await;
        assert!(kept.iter().all(|value| *value == Value::Bulk("v".into())), "own keys are gone");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_is_a_node_of_one_cluster_also_when_both_drivers_die() {
    let Some(etcd) = etcd() else { return };
    let mut parties = ["one", "two"].map(|name| Party::start(&etcd.url(), name));
    let wanted = node("1");
    let mut asked = Vec::new();
    for party in &parties {
        driver_of(&party.registry).await;
        asked.push(party.console(&["add", "1", &wanted.url()]).spawn().unwrap());
    }
    for party in &mut parties {
        let dies = driver_of(&party.registry).await;
        party.proxies[dies].kill();
        party.proxies[dies].restart();
    }
    for mut asked in asked {
        tokio::time::timeout(TIMEOUT, asked.wait()).await.expect("the console ends").unwrap();
    }
    // Whoever asks again: one has it, the other is refused and says whose it is.
    let mut outcomes = Vec::new();
    for party in &parties {
        let deadline = tokio::time::Instant::now() + TIMEOUT;
        outcomes.push(loop {
            let output = party.console(&["add", "1", &wanted.url()]).output().await.unwrap();
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            if output.status.success() || said.contains("another cluster") {
                break output.status.success();
            }
            assert!(tokio::time::Instant::now() < deadline, "{said}");
        });
    }
    assert_eq!(outcomes.iter().filter(|joined| **joined).count(), 1, "{outcomes:?}");
    for (party, joined) in parties.iter().zip(outcomes) {
        assert_eq!(party.members().await, usize::from(joined), "a ghost member in {}", party.name);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_comes_back_empty_is_told_although_the_driver_died_with_it() {
    let Some(etcd) = etcd() else { return };
    let mut party = Party::start(&etcd.url(), "default");
    let mut nodes = ["1", "2"].map(node);
    party.done(&["add", "1", &nodes[0].url()]).await;
    party.done(&["add", "2", &nodes[1].url()]).await;
    let mut seen = party.registry.watch(keys::SEEN);
    let mut proxy = connect(&party.proxies[0]).await;
    ask(&mut proxy, (0..1000).map(|number| words(&["SET", &format!("key:{number}"), "v"]))).await;
    // The registry knows what the node holds before it is lost.
    let held = |entries: Vec<Entry>| {
        entries.iter().any(|entry| {
            let record: serde_json::Value = serde_json::from_slice(&entry.value).unwrap();
            entry.key.ends_with('2') && record["keys"].as_u64().is_some_and(|keys| keys > 400)
        })
    };
    while !held(entries(tokio::time::timeout(TIMEOUT, seen.next()).await.expect("it is counted"))) {}
    let dies = driver_of(&party.registry).await;
    let mut losses = party.registry.watch(keys::LOSSES);
    party.proxies[dies].kill();
    nodes[1].restart();
    party.proxies[dies].restart();
    let loss: LossRecord = loop {
        let found = entries(tokio::time::timeout(TIMEOUT, losses.next()).await.expect("somebody says so"));
        if let Some(entry) = found.iter().find(|entry| entry.key.ends_with('2')) {
            break serde_json::from_slice(&entry.value).unwrap();
        }
    };
    assert!(loss.held > 400, "{loss:?}");
    let output = party.console(&["show", "nodes"]).output().await.unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("warning: node 2 held"), "{said}");
}
