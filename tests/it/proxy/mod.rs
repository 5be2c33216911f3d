//! A proxy in front of two members, stock servers or our own: what clients see. Here: the cluster that these tests use, and
//! a proxy at rest. What is seen while slots move is in [`moving`], while nodes are away in [`outage`], the proxy's place in
//! etcd in [`registration`], what it shows of itself in [`observing`].

mod channels;
mod crowd;
mod draining;
mod grpc;
mod large;
mod learned;
mod limits;
mod moving;
mod observing;
mod outage;
mod pausing;
mod registration;
mod scanning;
mod scripts;
mod servers;
mod sharing;
mod slow;
mod tracking;
mod transactions;
mod users;
mod waiting;

use std::{
    collections::BTreeSet,
    io::{Read as _, Write as _},
    net::TcpStream,
    time::{Duration, Instant},
};

use cluster_fixture::{Server, etcd, node, proxy, redis_server};
use redis_cluster::{
    client::Connection,
    cluster::{
        Topology,
        election::{Election, Leadership},
        member::{NodeRecord, ProxyRecord},
        registry::{Lease, Registry, Txn},
    },
    id::{Epoch, NodeId},
    protocol::Value,
    slot::{SLOTS, SlotId, SlotRange},
};

const TIMEOUT: Duration = Duration::from_secs(20);

/// What the members are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Members {
    Stock,
    Ours,
}

/// Two members with half of the slots each, etcd, and a proxy in front. No proxy drives: the test holds the leadership, so
/// that the topology is what it says.
pub(crate) struct Cluster {
    registry: Registry,
    pub(crate) proxy: Server,
    of: cluster_fixture::Cluster,
    _leadership: (Lease, Leadership),
}

impl std::ops::Deref for Cluster {
    type Target = cluster_fixture::Cluster;

    fn deref(&self) -> &Self::Target {
        &self.of
    }
}

impl std::ops::DerefMut for Cluster {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.of
    }
}

impl Cluster {
    async fn start() -> Option<Self> {
        Self::of(Members::Stock).await
    }

    pub(crate) async fn of(members: Members) -> Option<Self> {
        match members {
            Members::Stock => Self::with(vec![redis_server()?, redis_server()?], "redis").await,
            Members::Ours => Self::with(vec![node("1"), node("2")], "http").await,
        }
    }

    /// These two are the members.
    async fn with(nodes: Vec<Server>, scheme: &str) -> Option<Self> {
        let of = cluster_fixture::Cluster::of(nodes, 0)?;
        let registry = Registry::open(&[of.etcd.url()], "default").unwrap();
        let lease = registry.grant(Duration::from_secs(60)).await.unwrap();
        let leadership = Election::campaign(&registry, "the test", &lease).await.unwrap();
        for (id, node) in ["1", "2"].iter().zip(&of.nodes) {
            let record = NodeRecord {
                id: id.parse().unwrap(),
                address: format!("{scheme}://{}", node.address()).parse().unwrap(),
                added_at_ms: 0,
                added_by: "test".to_owned(),
                run_id: String::new(),
                version: String::new(),
            };
            put(&registry, &format!("nodes/{id}"), &record).await;
        }
        let mut topology = Topology { epoch: Epoch(1), ..Topology::default() };
        topology.assign(&[slots(0, 8191)], &id("1"));
        topology.assign(&[slots(8192, SLOTS as u16 - 1)], &id("2"));
        put(&registry, "topology", &topology).await;
        let proxy = proxy("1", &of.etcd.url());
        let cluster = Self { registry, proxy, of, _leadership: (lease, leadership) };
        cluster.comes_to(Epoch(1)).await;
        Some(cluster)
    }

    async fn connect(&self) -> Connection {
        Connection::connect(&self.proxy.address(), TIMEOUT).await.unwrap()
    }

    async fn topology(&self) -> Topology {
        serde_json::from_slice(&self.registry.get("topology").await.unwrap().unwrap().value).unwrap()
    }

    /// Until the proxy has acknowledged an epoch.
    async fn comes_to(&self, epoch: Epoch) {
        self.proxy_comes_to("1", epoch).await;
    }

    async fn proxy_comes_to(&self, id: &str, epoch: Epoch) {
        let deadline = Instant::now() + TIMEOUT;
        loop {
            let entry = self.registry.get(&format!("proxies/{id}")).await.unwrap();
            let record: Option<ProxyRecord> =
                entry.map(|entry| serde_json::from_slice(&entry.value).unwrap());
            if record.as_ref().is_some_and(|record| record.epoch >= epoch) {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "epoch {epoch} is not acknowledged: {record:?}\n{}",
                self.proxy.log()
            );
            tokio::task::yield_now().await;
        }
    }
}

async fn put(registry: &Registry, key: &str, value: &impl serde::Serialize) {
    let commit = registry.commit(Txn::new().put(key, serde_json::to_vec(value).unwrap())).await.unwrap();
    assert!(commit.is_done());
}

fn id(text: &str) -> NodeId {
    text.parse().unwrap()
}

fn slots(first: u16, last: u16) -> SlotRange {
    SlotRange::new(SlotId::new(first).unwrap(), SlotId::new(last).unwrap()).unwrap()
}

/// A key on node 1 or 2.
fn key_of(node: usize, number: usize) -> String {
    (0..)
        .map(|salt| format!("k{number}-{salt}"))
        .find(|key| SlotId::of_key(key.as_bytes()).index() / 8192 == node - 1)
        .unwrap()
}

async fn call(connection: &mut Connection, line: &str) -> Value {
    connection.call(&line.split(' ').collect::<Vec<_>>()).await.unwrap()
}

fn error(value: &Value) -> String {
    value.as_error().unwrap_or_else(|| panic!("no error: {value:?}")).into_owned()
}

#[tokio::test]
async fn many_nodes_answer_as_one() {
    let (Some(cluster), Some(single)) = (Cluster::start().await, redis_server()) else { return };
    let mut ours = cluster.connect().await;
    let mut redis = Connection::connect(&single.address(), TIMEOUT).await.unwrap();
    let mut lines: Vec<String> = [
        "PING",
        "PING hello",
        "ECHO x",
        "GET nothing",
        "SET a 1",
        "INCR a",
        "GET a",
        "APPEND b xyz",
        "STRLEN b",
        "MSET a 1 b 2 c 3 d 4 e 5",
        "MGET a b c d e nothing a",
        "EXISTS a b c nothing a",
        "TOUCH a b nothing",
        "LPUSH list 1 2 3",
        "MGET a list b",
        "LRANGE list 0 -1",
        "GET list",
        "DEL a b nothing",
        "UNLINK c d e list",
        "MSET a",
        "MSET a 1 b",
        "GET",
        "FROBNICATE x y",
        "CLIENT FROBNICATE",
        "SELECT 1",
        "SET in1 1",
        "DBSIZE",
        "SELECT 0",
        "GET in1",
        "SELECT 99",
        "SELECT x",
        "DBSIZE",
        "SET {t}a 1",
        "SET {t}b 2",
        "RENAME {t}a {t}c",
        "SINTERSTORE {t}x {t}y {t}z",
        "CLIENT SETNAME me",
        "CLIENT GETNAME",
        "CLIENT SETNAME a\nb",
        "COMMAND COUNT x",
        "OBJECT ENCODING {t}c",
        "EVAL return{KEYS[1],ARGV[1]} 1 k v",
        "FLUSHALL",
        "DBSIZE",
    ]
    .map(str::to_owned)
    .to_vec();
    for number in 0..300 {
        lines.push(match number % 5 {
            0 => format!("SET key{number} value{number}"),
            1 => format!("MGET key{} key{} key{} nothing", number - 1, number / 2, number / 5 * 5),
            2 => format!("MSET m{number} 1 m{} 2 m{} 3", number + 1, number + 2),
            3 => format!("DEL m{} m{} key{}", number - 1, number + 7, number / 3),
            _ => format!("EXISTS key{} m{} key0 key5 key10", number / 5 * 5, number - 2),
        });
    }
    // One by one, then all at once.
    for line in &lines {
        let expected = call(&mut redis, line).await;
        assert_eq!(call(&mut ours, line).await, expected, "{line}");
    }
    for connection in [&mut redis, &mut ours] {
        for line in &lines {
            connection.queue(&line.split(' ').collect::<Vec<_>>());
        }
        connection.flush().await.unwrap();
    }
    for line in &lines {
        assert_eq!(ours.read().await.unwrap(), redis.read().await.unwrap(), "{line}, pipelined");
    }
    // RESP3 has connections of its own to the nodes.
    call(&mut ours, "HELLO 3").await;
    call(&mut redis, "HELLO 3").await;
    for line in ["HSET h a 1 b 2", "HGETALL h", "SADD s 1", "SMEMBERS s", "MGET nothing h a", "GET nothing"] {
        let expected = call(&mut redis, line).await;
        assert_eq!(call(&mut ours, line).await, expected, "{line}");
    }
}

#[tokio::test]
async fn what_a_proxy_cannot_do_is_said() {
    let Some(cluster) = Cluster::start().await else { return };
    let mut ours = cluster.connect().await;
    let [one, other] = [0, 1].map(|at| cluster.nodes[at].address());
    assert_eq!(
        error(&call(&mut ours, "RENAME a b").await),
        format!(
            "CROSSSLOT RENAME needs all its keys on one node: \"a\" is on node 2 ({other}), \"b\" on node 1 ({one}); nothing \
             was done, give the keys a common {{tag}}"
        )
    );
    assert_eq!(call(&mut ours, "EVAL return(1) 0").await, Value::Integer(1));
    for line in ["SWAPDB 0 1", "SCRIPT DEBUG NO"] {
        let text = error(&call(&mut ours, line).await);
        let name = line.split(' ').next().unwrap().to_lowercase();
        assert!(
            text.starts_with(&format!("ERR '{name}")) && text.contains("through a proxy yet: "),
            "{text}"
        );
    }
    // The connection is as good as before.
    assert_eq!(call(&mut ours, "PING").await, Value::Simple("PONG".into()));
    assert_eq!(error(&call(&mut ours, "SCAN x").await), "ERR invalid cursor");
}

#[tokio::test]
async fn scan_keys_dbsize_and_randomkey_see_all_nodes() {
    let Some(cluster) = Cluster::start().await else { return };
    let mut ours = cluster.connect().await;
    let expected: BTreeSet<String> = (0..2000).map(|number| format!("key:{number}")).collect();
    for key in &expected {
        ours.queue(&["SET", key, "x"]);
    }
    ours.flush().await.unwrap();
    for _ in &expected {
        assert_eq!(ours.read().await.unwrap(), Value::Simple("OK".into()));
    }
    // A copy of a move that is not done: not the node's own, so nobody sees it.
    let mut node = Connection::connect(&cluster.nodes[0].address(), TIMEOUT).await.unwrap();
    let foreign = key_of(2, 1);
    call(&mut node, &format!("SET {foreign} copy")).await;
    let strings = |value: &Value| -> Vec<String> {
        let Value::Array(elements) = value else { panic!("{value:?}") };
        elements.iter().map(|key| String::from_utf8(key.as_bytes().unwrap().to_vec()).unwrap()).collect()
    };
    let (mut seen, mut cursor) = (BTreeSet::new(), "0".to_owned());
    loop {
        let reply = call(&mut ours, &format!("SCAN {cursor} COUNT 50")).await;
        let Value::Array(parts) = &reply else { panic!("{reply:?}") };
        seen.extend(strings(&parts[1]));
        cursor = String::from_utf8(parts[0].as_bytes().unwrap().to_vec()).unwrap();
        assert!(cursor.parse::<i64>().is_ok(), "{cursor}");
        if cursor == "0" {
            break;
        }
    }
    assert_eq!(seen, expected);
    let keys: BTreeSet<String> = strings(&call(&mut ours, "KEYS *").await).into_iter().collect();
    assert_eq!(keys, expected);
    for _ in 0..50 {
        let key = call(&mut ours, "RANDOMKEY").await;
        assert!(expected.contains(std::str::from_utf8(key.as_bytes().unwrap()).unwrap()));
    }
    let info = call(&mut ours, "INFO").await;
    let info = String::from_utf8(info.as_bytes().unwrap().to_vec()).unwrap();
    assert!(info.contains("# Server") && info.contains("db0:keys=2001,"), "{info}");
    assert_eq!(call(&mut ours, "FLUSHALL").await, Value::Simple("OK".into()));
    assert_eq!(call(&mut ours, "DBSIZE").await, Value::Integer(0));
    assert_eq!(call(&mut node, "DBSIZE").await, Value::Integer(0));
}

#[tokio::test]
async fn garbage_is_survived() {
    let Some(cluster) = Cluster::start().await else { return };
    let seed = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\nhello\r\n*4\r\n$4\r\nMGET\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\nGET k\r\n\
                 *2\r\n$4\r\nSCAN\r\n$1\r\n0\r\n*2\r\n$5\r\nHELLO\r\n$1\r\n3\r\n";
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    let mut before = 0;
    for round in 0..10_500 {
        // By then buffers and connections are what they are going to be.
        if round == 500 {
            before = cluster.proxy.resident();
        }
        let mut bytes = seed.to_vec();
        for _ in 0..=random(6) {
            let at = random(bytes.len().max(1)).min(bytes.len().saturating_sub(1));
            if bytes.is_empty() {
                break;
            }
            match random(4) {
                0 => bytes[at] = random(256) as u8,
                1 => drop(bytes.remove(at)),
                2 => bytes.insert(at, b"0123456789$*\r\n-"[random(15)]),
                _ => bytes.truncate(at + 1),
            }
        }
        let mut stream = TcpStream::connect(("127.0.0.1", cluster.proxy.port())).unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
        // The proxy may have closed it already.
        let _ = stream.write_all(&bytes);
        let _ = stream.read(&mut [0; 256]);
    }
    let back = || cluster.proxy.resident() < before + (8 << 20);
    assert!(cluster_fixture::within(TIMEOUT, back), "{before} -> {}", cluster.proxy.resident());
    let mut ours = cluster.connect().await;
    for node in [1, 2] {
        let key = key_of(node, 7);
        assert_eq!(call(&mut ours, &format!("SET {key} alive")).await, Value::Simple("OK".into()));
        assert_eq!(call(&mut ours, &format!("GET {key}")).await, Value::Bulk("alive".into()));
    }
}
