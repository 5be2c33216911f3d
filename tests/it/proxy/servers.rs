//! Commands about servers through a proxy: all members have a part in the answer, and it is one that a single server could give.

use redis_cluster::command::Route;

use super::*;

fn integer(value: &Value) -> i64 {
    value.as_i64().unwrap_or_else(|| panic!("{value:?} is no number"))
}

fn array(value: Value) -> Vec<Value> {
    match value {
        Value::Array(values) => values,
        other => panic!("{other:?} is no array"),
    }
}

fn text(value: &Value) -> String {
    String::from_utf8_lossy(value.as_bytes().unwrap_or_else(|| panic!("{value:?} is no text"))).into_owned()
}

/// The pairs of a map in either protocol.
fn pairs(reply: Value) -> Vec<(String, Value)> {
    match reply {
        Value::Map(pairs) => pairs.into_iter().map(|(name, value)| (text(&name), value)).collect(),
        other => array(other).chunks(2).map(|pair| (text(&pair[0]), pair[1].clone())).collect(),
    }
}

fn field(reply: Value, name: &str) -> Value {
    let pairs = pairs(reply);
    let found = pairs.iter().find(|(of, _)| of == name);
    found.unwrap_or_else(|| panic!("no {name} in {pairs:?}")).1.clone()
}

async fn of_node(cluster: &Cluster, node: usize) -> Connection {
    Connection::connect(&cluster.nodes[node - 1].address(), TIMEOUT).await.unwrap()
}

#[tokio::test]
async fn one_node_is_asked_what_it_says_of_itself() {
    let Some(cluster) = Cluster::start().await else { return };
    let mut ours = cluster.connect().await;
    for version in ["HELLO 2", "HELLO 3"] {
        call(&mut ours, version).await;
        for node in [1, 2] {
            let port = format!("tcp_port:{}", cluster.nodes[node - 1].port());
            let all = text(&call(&mut ours, &format!("INFO Node:{node}")).await);
            assert!(all.contains(&port) && all.contains("# Keyspace"), "{all}");
            let server = text(&call(&mut ours, &format!("INFO node:{node} server")).await);
            assert!(server.contains(&port) && !server.contains("# Keyspace"), "{server}");
        }
    }
    let refused = error(&call(&mut ours, "INFO node:9").await);
    assert_eq!(refused, "ERR there is no node \"9\" in this cluster: it has 1, 2");
}

/// How many replicas have it: of the node that has the fewest.
#[tokio::test]
async fn replicas_are_counted_for_what_a_client_has_written() {
    for members in [Members::Stock, Members::Ours] {
        let Some(cluster) = Cluster::of(members).await else { return };
        let mut ours = cluster.connect().await;
        for (line, expected) in [
            ("WAIT 0 0", Value::Integer(0)),
            ("WAIT 1 30", Value::Integer(0)),
            ("WAIT x 30", Value::Error("ERR value is not an integer or out of range".into())),
            ("WAIT 1 x", Value::Error("ERR timeout is not an integer or out of range".into())),
            ("WAIT 1 -1", Value::Error("ERR timeout is negative".into())),
        ] {
            assert_eq!(call(&mut ours, line).await, expected, "{line} {members:?}");
        }
    }
    let Some(cluster) = Cluster::start().await else { return };
    let (Some(one), Some(two)) = (redis_server(), redis_server()) else { return };
    let mut ours = cluster.connect().await;
    for (replica, node, expected) in [(&one, 1, 0), (&two, 2, 1)] {
        let mut of = of_node(&cluster, node).await;
        let mut replica = Connection::connect(&replica.address(), TIMEOUT).await.unwrap();
        call(&mut replica, &format!("REPLICAOF 127.0.0.1 {}", cluster.nodes[node - 1].port())).await;
        let deadline = Instant::now() + TIMEOUT;
        while !text(&call(&mut of, "INFO replication").await).contains("state=online") {
            assert!(Instant::now() < deadline, "no replica comes");
            tokio::task::yield_now().await;
        }
        for node in [1, 2] {
            ours.queue(&["SET", &key_of(node, 1), "v"]);
        }
        ours.queue(&["WAIT", &expected.to_string(), "20000"]);
        ours.queue(&["PING"]);
        ours.flush().await.unwrap();
        let mut replies = Vec::new();
        for _ in 0..4 {
            replies.push(ours.read().await.unwrap());
        }
        assert_eq!(replies[2..], [Value::Integer(expected), Value::Simple("PONG".into())], "{replies:?}");
    }
}

#[tokio::test]
async fn slow_commands_of_all_nodes_are_one_log() {
    for members in [Members::Stock, Members::Ours] {
        let Some(cluster) = Cluster::of(members).await else { return };
        let mut ours = cluster.connect().await;
        call(&mut ours, "CONFIG SET slowlog-max-len 1000 slowlog-log-slower-than 0").await;
        assert_eq!(call(&mut ours, "SLOWLOG RESET").await, Value::Simple("OK".into()));
        for number in 1..=4 {
            for node in [1, 2] {
                call(&mut ours, &format!("SET {} slow{number}", key_of(node, number))).await;
            }
        }
        call(&mut ours, "CONFIG SET slowlog-log-slower-than -1").await;
        let all = array(call(&mut ours, "SLOWLOG GET -1").await);
        assert_eq!(integer(&call(&mut ours, "SLOWLOG LEN").await), i64::try_from(all.len()).unwrap());
        let entries: Vec<Vec<Value>> = all.into_iter().map(array).collect();
        let ids: BTreeSet<i64> = entries.iter().map(|entry| integer(&entry[0])).collect();
        assert_eq!(ids.len(), entries.len(), "{entries:?}");
        assert!(entries.iter().map(|entry| integer(&entry[1])).is_sorted_by(|one, next| one >= next));
        let sets = entries.iter().filter(|entry| text(&array(entry[3].clone())[0]) == "SET").count();
        assert_eq!(sets, 8);
        assert_eq!(array(call(&mut ours, "SLOWLOG GET 3").await).len(), 3);
        assert!(error(&call(&mut ours, "SLOWLOG GET -2").await).contains("greater than or equal to -1"));
    }
}

#[tokio::test]
async fn settings_are_changed_at_all_nodes_or_at_none() {
    for members in [Members::Stock, Members::Ours] {
        let Some(cluster) = Cluster::of(members).await else { return };
        let mut ours = cluster.connect().await;
        assert_eq!(call(&mut ours, "CONFIG SET maxmemory 100mb").await, Value::Simple("OK".into()));
        assert_eq!(text(&field(call(&mut ours, "CONFIG GET maxmemory").await, "maxmemory")), "104857600");
        // Refused by both, in the words of a server.
        let refused = error(&call(&mut ours, "CONFIG SET maxmemory nosuch").await);
        assert_eq!(
            refused,
            error(&call(&mut of_node(&cluster, 1).await, "CONFIG SET maxmemory nosuch").await)
        );
        // Refused by one.
        let mut second = of_node(&cluster, 2).await;
        for user in
            array(call(&mut second, "ACL USERS").await).iter().map(text).filter(|user| user != "default")
        {
            call(&mut second, &format!("ACL SETUSER {user} -config|set")).await;
        }
        let refused = error(&call(&mut ours, "CONFIG SET maxmemory 200mb").await);
        assert!(refused.contains("CONFIG SET was refused by node 2"), "{refused}");
        assert!(refused.ends_with("the others have their old values again"), "{refused}");
        for node in [1, 2] {
            let mut node = of_node(&cluster, node).await;
            assert_eq!(text(&field(call(&mut node, "CONFIG GET maxmemory").await, "maxmemory")), "104857600");
        }
        // What differs is not shown; what is the proxy's own is, and is not changed.
        call(&mut second, "CONFIG SET maxmemory 300mb").await;
        assert_eq!(pairs(call(&mut ours, "CONFIG GET maxmemory").await), []);
        let port = text(&field(call(&mut ours, "CONFIG GET port").await, "port"));
        assert_eq!(port, cluster.proxy.port().to_string());
        let own = error(&call(&mut ours, "CONFIG SET maxmemory 1gb port 1").await);
        assert!(own.contains("argument 'port'"), "{own}");
        assert_eq!(pairs(call(&mut ours, "CONFIG GET requirepass").await), []);
    }
}

#[tokio::test]
async fn figures_and_snapshots_are_of_all_nodes() {
    for members in [Members::Stock, Members::Ours] {
        let Some(mut cluster) = Cluster::of(members).await else { return };
        let mut ours = cluster.connect().await;
        call(&mut ours, "CONFIG RESETSTAT").await;
        for number in 1..=3 {
            for node in [1, 2] {
                call(&mut ours, &format!("SET {} x", key_of(node, number))).await;
            }
        }
        assert_eq!(integer(&field(call(&mut ours, "MEMORY STATS").await, "keys.count")), 6);
        let set = field(call(&mut ours, "LATENCY HISTOGRAM set").await, "set");
        assert_eq!(integer(&field(set, "calls")), 6);
        for line in ["MEMORY DOCTOR", "LATENCY DOCTOR"] {
            let told = text(&call(&mut ours, line).await);
            assert!(told.contains("# node 1 (") && told.contains("# node 2 ("), "{told}");
        }
        assert!(error(&call(&mut ours, "LATENCY GRAPH nosuch").await).contains("No samples available"));
        assert_eq!(call(&mut ours, "LATENCY LATEST").await, Value::Array(Vec::new()));
        assert_eq!(integer(&call(&mut ours, "LATENCY RESET").await), 0);
        let files = call(&mut ours, "SAVE").await;
        if members == Members::Stock {
            assert_eq!(files, Value::Simple("OK".into()));
            assert_eq!(call(&mut ours, "BGSAVE").await, Value::Simple("Background saving started".into()));
        } else {
            assert_eq!(error(&files), "ERR this node was started without --dir: it writes no files");
        }
        let saved = [
            integer(&call(&mut of_node(&cluster, 1).await, "LASTSAVE").await),
            integer(&call(&mut of_node(&cluster, 2).await, "LASTSAVE").await),
        ];
        assert_eq!(integer(&call(&mut ours, "LASTSAVE").await), saved[0].min(saved[1]));
        assert_eq!(array(call(&mut ours, "ROLE").await)[0], Value::Bulk("master".into()));
        // Whoever has a part in the answer and is away is named; settings are those of the others.
        cluster.nodes[1].kill();
        let away = error(&call(&mut ours, "SLOWLOG LEN").await);
        assert!(away.contains("node 2"), "{away}");
        let kept = text(&field(call(&mut ours, "CONFIG GET maxmemory").await, "maxmemory"));
        assert_eq!(kept, "0");
    }
}

/// What is about keys goes to who owns slots, what is about servers to all members; nothing writes by both ways.
#[test]
fn what_is_about_servers_has_no_keys() {
    let servers = redis_cluster::command::TABLE.iter().filter(|spec| matches!(spec.route, Route::Servers(_)));
    assert!(servers.clone().count() > 15);
    for spec in servers {
        assert!(!spec.writes() && spec.keys.is_empty(), "{}", spec.name);
    }
}

/// What nodes do not allow is not allowed through a proxy, and what stops a server is refused before it is sent.
#[tokio::test]
async fn debugging_goes_to_the_value_or_to_all_servers_where_they_allow_it() {
    let of_nodes = |allowed: &str| {
        let node = |id: &str| cluster_fixture::node_with(id, &["--enable-debug-command", allowed]);
        cluster_fixture::Cluster::with_members(vec![node("1"), node("2")], "http", 1)
    };
    let (Some(open), Some(closed)) = (of_nodes("yes"), of_nodes("no")) else { return };
    let mut client = Connection::connect(&open.proxies[0].address(), TIMEOUT).await.unwrap();
    for number in 0..4 {
        let key = key_of(1 + number % 2, number);
        call(&mut client, &format!("SADD {key} 1 2 3")).await;
        let object = call(&mut client, &format!("DEBUG OBJECT {key}")).await;
        assert!(text(&object).contains("encoding:intset"), "{object:?}");
        let asked = format!("DEBUG DIGEST-VALUE {key}");
        let digest = call(&mut client, &asked).await;
        let mut of_nodes = Vec::new();
        for node in &open.nodes {
            let mut at_node = Connection::connect(&node.address(), TIMEOUT).await.unwrap();
            of_nodes.push(call(&mut at_node, &asked).await);
        }
        assert!(of_nodes[0] != of_nodes[1] && of_nodes.contains(&digest), "{digest:?} {of_nodes:?}");
    }
    assert_eq!(call(&mut client, "DEBUG SET-ACTIVE-EXPIRE 1").await, Value::Simple("OK".into()));
    assert_eq!(call(&mut client, "DEBUG PROTOCOL integer").await, Value::Integer(12345));
    for line in ["DEBUG SEGFAULT", "DEBUG PANIC", "DEBUG POPULATE 10", "DEBUG PROTOCOL push", "DEBUG DIGEST"]
    {
        let refusal = error(&call(&mut client, line).await);
        assert!(refusal.contains("not available through a proxy"), "{line}: {refusal}");
    }
    assert_eq!(call(&mut client, "DBSIZE").await, Value::Integer(4), "all nodes are there");
    let mut client = Connection::connect(&closed.proxies[0].address(), TIMEOUT).await.unwrap();
    for line in ["DEBUG SLEEP 0", "DEBUG OBJECT k", "DEBUG PROTOCOL integer"] {
        let refusal = error(&call(&mut client, line).await);
        assert!(refusal.contains("DEBUG command not allowed"), "{line}: {refusal}");
    }
}
