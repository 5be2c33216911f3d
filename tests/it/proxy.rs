//! A proxy in front of two stock servers: what clients see, and what they see while things break and move.

use std::{
    collections::BTreeSet,
    io::{Read as _, Write as _},
    net::TcpStream,
    time::{Duration, Instant},
};

use cluster_fixture::{Server, etcd, proxy, redis_server};
use redis_cluster::{
    client::Connection,
    cluster::{
        NodeId, SlotId, Topology,
        id::Epoch,
        member::{NodeRecord, ProxyRecord},
        registry::{Registry, Txn},
        slot::SLOTS,
        topology::{Phase, SlotMove, SlotRange},
    },
    protocol::Value,
};

const TIMEOUT: Duration = Duration::from_secs(20);

/// Two stock servers with half of the slots each, etcd, and a proxy in front.
struct Cluster {
    registry: Registry,
    nodes: [Server; 2],
    proxy: Server,
    etcd: Server,
}

impl Cluster {
    async fn start() -> Option<Self> {
        let (etcd, nodes) = (etcd()?, [redis_server()?, redis_server()?]);
        let registry = Registry::open(&[etcd.url()], "default").unwrap();
        for (id, node) in ["1", "2"].iter().zip(&nodes) {
            let record = NodeRecord {
                id: id.parse().unwrap(),
                address: format!("redis://{}", node.address()).parse().unwrap(),
                added_at_ms: 0,
                added_by: "test".to_owned(),
                version: String::new(),
            };
            put(&registry, &format!("nodes/{id}"), &record).await;
        }
        let mut topology = Topology { epoch: Epoch(1), ..Topology::default() };
        topology.assign(&[slots(0, 8191)], &id("1"));
        topology.assign(&[slots(8192, SLOTS as u16 - 1)], &id("2"));
        put(&registry, "topology", &topology).await;
        let proxy = proxy("1", &etcd.url());
        let cluster = Self { registry, nodes, proxy, etcd };
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
        let deadline = Instant::now() + TIMEOUT;
        loop {
            let entry = self.registry.get("proxies/1").await.unwrap();
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
    assert_eq!(
        error(&call(&mut ours, "RENAME a b").await),
        "CROSSSLOT Keys in request don't hash to the same slot"
    );
    for line in ["WATCH a", "SUBSCRIBE c", "BLPOP a 1", "EVAL return(1) 0", "CONFIG SET hz 1", "MULTI"] {
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
async fn a_dead_node_is_felt_by_its_slots_only_and_comes_back() {
    let Some(mut cluster) = Cluster::start().await else { return };
    let mut ours = cluster.connect().await;
    let (one, two) = (key_of(1, 1), key_of(2, 1));
    assert_eq!(call(&mut ours, &format!("MSET {one} 1 {two} 2")).await, Value::Simple("OK".into()));
    cluster.nodes[1].kill();
    let refused = format!(
        "CLUSTERDOWN node 2 (127.0.0.1:{}) is unreachable: connection refused; nothing was done",
        cluster.nodes[1].port()
    );
    let deadline = Instant::now() + TIMEOUT;
    loop {
        let text = error(&call(&mut ours, &format!("GET {two}")).await);
        if text == refused {
            break;
        }
        let known = text.contains("it may or may not have run") || text.ends_with("nothing was done");
        assert!(known && Instant::now() < deadline, "{text}");
    }
    let asked = Instant::now();
    for _ in 0..100 {
        assert_eq!(call(&mut ours, &format!("GET {one}")).await, Value::Bulk("1".into()));
        error(&call(&mut ours, &format!("MSET {one} x {two} y")).await);
    }
    assert!(asked.elapsed() < Duration::from_secs(5), "errors come at once");
    assert_eq!(
        call(&mut ours, &format!("GET {one}")).await,
        Value::Bulk("1".into()),
        "all or nothing was sent"
    );
    cluster.nodes[1].restart();
    let deadline = Instant::now() + TIMEOUT;
    while call(&mut ours, &format!("SET {two} again")).await != Value::Simple("OK".into()) {
        assert!(Instant::now() < deadline, "{}", cluster.proxy.log());
    }
    assert_eq!(
        call(&mut ours, &format!("MGET {one} {two}")).await.clone(),
        Value::Array(vec![Value::Bulk("1".into()), Value::Bulk("again".into()),])
    );
}

#[tokio::test]
async fn writes_to_slots_on_the_move_wait_and_go_to_the_new_owner() {
    let Some(cluster) = Cluster::start().await else { return };
    let (mut ours, mut reader) = (cluster.connect().await, cluster.connect().await);
    let (moving, staying) = (key_of(1, 1), key_of(1, 2));
    let slot = SlotId::of_key(moving.as_bytes());
    assert_ne!(slot, SlotId::of_key(staying.as_bytes()));
    call(&mut ours, &format!("SET {moving} old")).await;
    let mut topology = cluster.topology().await;
    let step = |topology: &mut Topology, phase| {
        topology.epoch = topology.epoch.next();
        topology.moves = vec![SlotMove {
            id: 1,
            plan: 1,
            from: id("1"),
            to: id("2"),
            slots: vec![slots(slot.get(), slot.get())],
            phase,
            since: topology.epoch,
        }];
    };
    step(&mut topology, Phase::Frozen);
    put(&cluster.registry, "topology", &topology).await;
    cluster.comes_to(topology.epoch).await;
    // The write waits, and what its client sends behind it; others and reads go on.
    ours.queue(&["SET", &moving, "new"]);
    ours.queue(&["GET", &moving]);
    ours.flush().await.unwrap();
    assert_eq!(call(&mut reader, &format!("GET {moving}")).await, Value::Bulk("old".into()));
    assert_eq!(call(&mut reader, &format!("SET {staying} x")).await, Value::Simple("OK".into()));
    let text = error(&call(&mut reader, "FLUSHALL").await);
    assert!(text.contains("move 1 from node 1 to node 2"), "{text}");
    let early = tokio::time::timeout(Duration::from_millis(300), ours.read()).await;
    assert!(early.is_err(), "answered while frozen: {early:?}");
    // The key is copied, the owner changes.
    let mut target = Connection::connect(&cluster.nodes[1].address(), TIMEOUT).await.unwrap();
    call(&mut target, &format!("SET {moving} copied")).await;
    topology.assign(&[slots(slot.get(), slot.get())], &id("2"));
    step(&mut topology, Phase::Switched);
    put(&cluster.registry, "topology", &topology).await;
    cluster.comes_to(topology.epoch).await;
    assert_eq!(call(&mut reader, &format!("GET {moving}")).await, Value::Bulk("copied".into()));
    step(&mut topology, Phase::Open);
    put(&cluster.registry, "topology", &topology).await;
    assert_eq!(
        tokio::time::timeout(TIMEOUT, ours.read()).await.unwrap().unwrap(),
        Value::Simple("OK".into())
    );
    assert_eq!(ours.read().await.unwrap(), Value::Bulk("new".into()));
    assert_eq!(call(&mut target, &format!("GET {moving}")).await, Value::Bulk("new".into()));
}

#[tokio::test]
async fn without_etcd_traffic_goes_on_and_held_writes_are_told() {
    let Some(mut cluster) = Cluster::start().await else { return };
    let mut ours = cluster.connect().await;
    let (moving, staying) = (key_of(1, 1), key_of(2, 2));
    let slot = SlotId::of_key(moving.as_bytes());
    let mut topology = cluster.topology().await;
    topology.epoch = topology.epoch.next();
    topology.moves = vec![SlotMove {
        id: 1,
        plan: 1,
        from: id("1"),
        to: id("2"),
        slots: vec![slots(slot.get(), slot.get())],
        phase: Phase::Frozen,
        since: topology.epoch,
    }];
    put(&cluster.registry, "topology", &topology).await;
    cluster.comes_to(topology.epoch).await;
    cluster.etcd.kill();
    ours.queue(&["SET", &moving, "x"]);
    ours.flush().await.unwrap();
    let mut other = cluster.connect().await;
    assert_eq!(call(&mut other, &format!("SET {staying} x")).await, Value::Simple("OK".into()));
    let reply = tokio::time::timeout(Duration::from_secs(60), ours.read()).await.unwrap().unwrap();
    assert!(
        error(&reply).contains("is being moved and etcd is unreachable; nothing was written"),
        "{reply:?}"
    );
    assert_eq!(call(&mut other, &format!("GET {staying}")).await, Value::Bulk("x".into()));
}

#[tokio::test]
async fn an_id_is_held_by_one_proxy() {
    let Some(cluster) = Cluster::start().await else { return };
    let port = cluster_fixture::free_port();
    let output = std::process::Command::new(cluster_fixture::binary("proxy_node"))
        .args(["1", &format!("127.0.0.1:{port}"), &cluster.etcd.url()])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("proxy id 1 is held by another proxy"), "{text}");
    let second = proxy("2", &cluster.etcd.url());
    let mut through_first = cluster.connect().await;
    let mut through_second = Connection::connect(&second.address(), TIMEOUT).await.unwrap();
    call(&mut through_first, "SET shared 1").await;
    let deadline = Instant::now() + TIMEOUT;
    while call(&mut through_second, "GET shared").await != Value::Bulk("1".into()) {
        assert!(Instant::now() < deadline, "{}", second.log());
    }
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

#[tokio::test]
async fn grpc_through_a_proxy() {
    use redis_cluster::server::grpc::v1::{
        DeleteRequest, GetRequest, LiveRequest, SetRequest, TopologyRequest, control_client::ControlClient,
        redis_client::RedisClient,
    };
    let Some(cluster) = Cluster::start().await else { return };
    let channel =
        tonic::transport::Endpoint::from_shared(cluster.proxy.url()).unwrap().connect().await.unwrap();
    let mut data = RedisClient::new(channel.clone());
    for node in [1, 2] {
        let key = bytes::Bytes::from(key_of(node, 3));
        let set = SetRequest { key: key.clone(), value: "right".into(), ..SetRequest::default() };
        assert!(data.set(set).await.unwrap().into_inner().done);
        for (value, deleted) in [("wrong", false), ("right", true), ("right", false)] {
            let delete = DeleteRequest { key: key.clone(), if_value: Some(value.into()), database: 0 };
            assert_eq!(data.delete(delete).await.unwrap().into_inner().deleted, deleted, "{value}");
        }
        let get = GetRequest { key, database: 0 };
        assert_eq!(data.get(get).await.unwrap().into_inner().value, None);
    }
    let mut control = ControlClient::new(channel);
    let topology = control.topology(TopologyRequest {}).await.unwrap().into_inner();
    assert_eq!(serde_json::from_str::<Topology>(&topology.json).unwrap(), cluster.topology().await);
    let mut live = control.live(LiveRequest { interval_ms: 100 }).await.unwrap().into_inner();
    let seen = async {
        loop {
            let figures = live.message().await.unwrap().unwrap();
            if figures.nodes.len() == 2 && figures.nodes.iter().all(|node| node.reachable) {
                return figures;
            }
        }
    };
    let figures = tokio::time::timeout(TIMEOUT, seen).await.expect("both nodes are reachable");
    assert!(
        figures.nodes.iter().all(|node| node.version.starts_with("redis ") && node.latency_us > 0),
        "{figures:?}"
    );
    assert_eq!(figures.proxy.unwrap().epoch, 1);
}
