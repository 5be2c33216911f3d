//! Client-side caching through proxies: nobody keeps what has changed, whatever happens to nodes and slots in between. And `MONITOR`,
//! which hears of others too.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicBool, Ordering},
};

use redis_cluster::cluster::topology::Phase;

use super::{moving::step, *};

/// A client that keeps what it reads until it is told.
struct Cache {
    connection: Connection,
    kept: HashMap<String, Value>,
    /// Times that it was told that everything has changed.
    emptied: usize,
}

impl Cache {
    async fn of(proxy: &Server, tracking: &str) -> Self {
        let mut connection = Connection::connect(&proxy.address(), TIMEOUT).await.unwrap();
        call(&mut connection, "HELLO 3").await;
        assert_eq!(call(&mut connection, tracking).await, Value::Simple("OK".into()));
        Self { connection, kept: HashMap::new(), emptied: 0 }
    }

    fn told(&mut self, message: &[Value]) {
        assert_eq!(message[0].as_bytes(), Some(&b"invalidate"[..]), "{message:?}");
        match &message[1] {
            Value::Array(keys) => {
                for key in keys {
                    let key = std::str::from_utf8(key.as_bytes().unwrap()).unwrap();
                    self.kept.remove(key);
                }
            }
            Value::Null => {
                self.kept.clear();
                self.emptied += 1;
            }
            other => panic!("{other:?}"),
        }
    }

    async fn ask(&mut self, line: &str) -> Value {
        self.connection.queue(&line.split(' ').collect::<Vec<_>>());
        self.connection.flush().await.unwrap();
        loop {
            match self.connection.read().await.unwrap() {
                Value::Push(message) => self.told(&message),
                reply => return reply,
            }
        }
    }

    async fn get(&mut self, key: &str) -> Value {
        if let Some(value) = self.kept.get(key) {
            return value.clone();
        }
        let value = self.ask(&format!("GET {key}")).await;
        if value.as_error().is_none() {
            self.kept.insert(key.to_owned(), value.clone());
        }
        value
    }

    /// Waits until it is told something.
    async fn listen(&mut self) {
        match tokio::time::timeout(TIMEOUT, self.connection.read()).await.expect("it is told").unwrap() {
            Value::Push(message) => self.told(&message),
            other => panic!("{other:?} was not asked for"),
        }
    }
}

#[tokio::test]
async fn a_node_that_dies_or_a_slot_that_moves_counts_as_a_change() {
    let Some(mut cluster) = Cluster::of(Members::Ours).await else { return };
    let (one, two) = (key_of(1, 1), key_of(2, 1));
    let mut cache = Cache::of(&cluster.proxy, "CLIENT TRACKING on").await;
    let mut prefixes = Cache::of(&cluster.proxy, "CLIENT TRACKING on BCAST PREFIX k1 PREFIX x").await;
    for key in [&one, &two] {
        assert_eq!(cache.get(key).await, Value::Null);
    }
    let slot = SlotId::of_key(one.as_bytes());
    let range = slots(slot.get(), slot.get());
    let mut topology = cluster.topology().await;
    step(&mut topology, range, Phase::Frozen);
    put(&cluster.registry, "topology", &topology).await;
    cluster.comes_to(topology.epoch).await;
    topology.assign(&[range], &id("2"));
    step(&mut topology, range, Phase::Switched);
    put(&cluster.registry, "topology", &topology).await;
    // Told before anybody can write to the new owner.
    cache.listen().await;
    assert_eq!(cache.kept.keys().collect::<Vec<_>>(), [&two]);
    step(&mut topology, range, Phase::Open);
    put(&cluster.registry, "topology", &topology).await;
    cluster.comes_to(topology.epoch).await;
    assert_eq!(cache.get(&one).await, Value::Null);
    let mut writer = cluster.connect().await;
    call(&mut writer, &format!("SET {one} new")).await;
    cache.listen().await;
    assert_eq!(cache.kept.keys().collect::<Vec<_>>(), [&two]);
    prefixes.kept.insert(one.clone(), Value::Null);
    while !prefixes.kept.is_empty() {
        prefixes.listen().await;
    }
    prefixes.kept.insert(two.clone(), Value::Null);
    cluster.nodes[1].kill();
    cache.listen().await;
    assert!(cache.kept.is_empty() && cache.emptied == 1);
    prefixes.listen().await;
    assert!(prefixes.kept.is_empty() && prefixes.emptied == 1);
    cluster.nodes[1].restart();
    let deadline = Instant::now() + TIMEOUT;
    while cache.get(&two).await != Value::Null {
        assert!(Instant::now() < deadline, "{}", cluster.proxy.log());
    }
    while call(&mut writer, &format!("SET {two} back")).await != Value::Simple("OK".into()) {
        assert!(Instant::now() < deadline, "{}", cluster.proxy.log());
    }
    while cache.kept.contains_key(&two) {
        cache.listen().await;
    }
    assert_eq!(cache.get(&two).await, Value::Bulk("back".into()));
}

#[tokio::test]
async fn who_is_told_in_the_place_of_another_may_be_on_any_thread() {
    let Some(cluster) = Cluster::of(Members::Ours).await else { return };
    let mut writer = cluster.connect().await;
    for number in 0..6 {
        let mut target = cluster.connect().await;
        call(&mut target, "HELLO 3").await;
        let number_of_target = call(&mut target, "CLIENT ID").await.as_i64().unwrap();
        let key = key_of(1 + number % 2, number);
        let mut reader = cluster.connect().await;
        call(&mut reader, &format!("CLIENT TRACKING on REDIRECT {number_of_target}")).await;
        assert_eq!(call(&mut reader, &format!("GET {key}")).await, Value::Null);
        call(&mut writer, &format!("SET {key} x")).await;
        let told = tokio::time::timeout(TIMEOUT, target.read()).await.expect("it is told").unwrap();
        let keys = Value::Array(vec![Value::Bulk(key.into())]);
        assert_eq!(told, Value::Push(vec![Value::Bulk("invalidate".into()), keys]));
        let line = call(&mut reader, "CLIENT INFO").await;
        let line = String::from_utf8(line.as_bytes().unwrap().to_vec()).unwrap();
        assert!(
            line.contains(" flags=t ") && line.contains(&format!(" redir={number_of_target} ")),
            "{line}"
        );
    }
}

#[tokio::test]
async fn monitors_are_shown_the_requests_of_all_threads() {
    let Some(cluster) = Cluster::of(Members::Ours).await else { return };
    let mut monitor = cluster.connect().await;
    assert_eq!(call(&mut monitor, "MONITOR").await, Value::Simple("OK".into()));
    for number in 0..20 {
        let mut client = cluster.connect().await;
        call(&mut client, &format!("SET k{number} v")).await;
        let Value::Simple(line) = monitor.read().await.unwrap() else { panic!("no line") };
        let line = String::from_utf8(line.to_vec()).unwrap();
        assert!(line.ends_with(&format!("\"SET\" \"k{number}\" \"v\"")), "{line}");
    }
    let mut client = cluster.connect().await;
    let list = call(&mut client, "CLIENT LIST").await;
    let list = String::from_utf8(list.as_bytes().unwrap().to_vec()).unwrap();
    assert_eq!(list.lines().filter(|line| line.contains(" flags=O ")).count(), 1, "{list}");
}

/// Keys are written through one proxy and kept by clients of another while a node joins; in the end nobody keeps an old value.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_keeps_what_has_changed_while_slots_move() {
    const KEYS: usize = 400;
    let members = vec![node("1"), node("2"), node("3")];
    let Some(cluster) = cluster_fixture::Cluster::of(members, 2) else { return };
    for id in ["1", "2"] {
        cluster.ok(&[
            "add",
            id,
            &format!("http://{}", cluster.nodes[id.parse::<usize>().unwrap() - 1].address()),
        ]);
    }
    let done = AtomicBool::new(false);
    let write = async {
        let mut writer = Connection::connect(&cluster.proxies[0].address(), TIMEOUT).await.unwrap();
        let mut random = fastrand::Rng::with_seed(1);
        let mut number = 0;
        while !done.load(Ordering::Relaxed) {
            let reply = call(&mut writer, &format!("SET k{} {number}", random.usize(..KEYS))).await;
            assert_eq!(reply, Value::Simple("OK".into()));
            number += 1;
        }
    };
    let read = async |tracking: &str| {
        let mut cache = Cache::of(&cluster.proxies[1], tracking).await;
        let (mut random, mut asked) = (fastrand::Rng::with_seed(2), 0);
        while !done.load(Ordering::Relaxed) {
            let key = format!("k{}", random.usize(..KEYS));
            let value = cache.get(&key).await;
            assert!(value.as_error().is_none(), "{value:?}");
            asked += 1;
            if asked % 16 == 0 {
                cache.ask("PING").await;
            }
        }
        cache
    };
    let change = async {
        let address = format!("http://{}", cluster.nodes[2].address());
        let mut command = tokio::process::Command::from(cluster.command(&["add", "3", &address]));
        let output = command.output().await.unwrap();
        assert!(output.status.success(), "{output:?}");
        done.store(true, Ordering::Relaxed);
    };
    let ((), (), plain, prefixes) =
        tokio::join!(write, change, read("CLIENT TRACKING on"), read("CLIENT TRACKING on BCAST PREFIX k"));
    let mut truth = Connection::connect(&cluster.proxies[0].address(), TIMEOUT).await.unwrap();
    for mut cache in [plain, prefixes] {
        let deadline = Instant::now() + TIMEOUT;
        loop {
            cache.ask("PING").await;
            let mut stale = Vec::new();
            for (key, kept) in &cache.kept {
                if call(&mut truth, &format!("GET {key}")).await != *kept {
                    stale.push(key.clone());
                }
            }
            if stale.is_empty() {
                break;
            }
            assert!(Instant::now() < deadline, "kept for ever: {stale:?}");
        }
    }
}
