//! Transactions through a proxy: what they may span, what `WATCH` notices while slots move and nodes die, and what a client
//! leaves that goes away.

use redis_cluster::cluster::topology::Phase;

use super::{moving::step, *};

/// Two keys of one node with different slots.
fn two_of(node: usize) -> [String; 2] {
    [key_of(node, 1), key_of(node, 2)]
}

async fn commands(cluster: &Cluster, node: usize) -> Connection {
    Connection::connect(&cluster.nodes[node - 1].address(), TIMEOUT).await.unwrap()
}

/// How many clients of a node watch or have queued something, the proxy's among them.
async fn flags_of_clients(node: &mut Connection) -> String {
    let Value::Bulk(list) = call(node, "CLIENT LIST").await else { panic!("CLIENT LIST is text") };
    let list = String::from_utf8_lossy(&list).into_owned();
    list.lines().filter_map(|line| line.split(' ').find_map(|field| field.strip_prefix("flags="))).collect()
}

#[tokio::test]
async fn keys_of_one_node_are_enough_and_those_of_two_are_refused_before_anything_is_done() {
    for members in [Members::Stock, Members::Ours] {
        let Some(cluster) = Cluster::of(members).await else { return };
        let mut ours = cluster.connect().await;
        let [a, b] = two_of(1);
        let far = key_of(2, 3);
        assert_eq!(call(&mut ours, "MULTI").await, Value::Simple("OK".into()));
        for line in
            [format!("SET {a} 1"), format!("SET {b} 2"), format!("MGET {a} {b}"), format!("BLPOP {a}x 0")]
        {
            let reply = call(&mut ours, &line).await;
            // The last key may be of the other node: then that is refused.
            if line.starts_with("BLPOP") && reply != Value::Simple("QUEUED".into()) {
                assert!(error(&reply).starts_with("CROSSSLOT"), "{reply:?}");
                continue;
            }
            assert_eq!(reply, Value::Simple("QUEUED".into()), "{line}");
        }
        call(&mut ours, "DISCARD").await;
        call(&mut ours, "MULTI").await;
        call(&mut ours, &format!("SET {a} 1")).await;
        call(&mut ours, &format!("SET {b} 2")).await;
        call(&mut ours, &format!("MGET {a} {b}")).await;
        let ok = Value::Simple("OK".into());
        let both = Value::Array(vec![Value::Bulk("1".into()), Value::Bulk("2".into())]);
        assert_eq!(call(&mut ours, "EXEC").await, Value::Array(vec![ok.clone(), ok, both]));
        call(&mut ours, "MULTI").await;
        call(&mut ours, &format!("SET {a} never")).await;
        let text = error(&call(&mut ours, &format!("SET {far} never")).await);
        assert!(
            text.starts_with("CROSSSLOT") && text.contains("node 1") && text.contains("node 2"),
            "{text}"
        );
        let text = error(&call(&mut ours, "EXEC").await);
        assert!(text.starts_with("EXECABORT"), "{text}");
        assert_eq!(call(&mut ours, &format!("GET {a}")).await, Value::Bulk("1".into()));
        // What has no place on one node says so, and ends it too.
        call(&mut ours, "MULTI").await;
        let text = error(&call(&mut ours, "DBSIZE").await);
        assert!(text.contains("not available inside MULTI"), "{text}");
        assert!(error(&call(&mut ours, "EXEC").await).starts_with("EXECABORT"));
        // A list of clients shows it.
        call(&mut ours, "MULTI").await;
        call(&mut ours, &format!("GET {a}")).await;
        let mut other = cluster.connect().await;
        let Value::Bulk(list) = call(&mut other, "CLIENT LIST").await else { panic!("CLIENT LIST is text") };
        let list = String::from_utf8_lossy(&list).into_owned();
        assert!(list.contains("flags=x") && list.contains(" multi=1 "), "{list}");
    }
}

#[tokio::test]
async fn what_is_watched_is_noticed_whoever_changes_it() {
    for members in [Members::Stock, Members::Ours] {
        let Some(cluster) = Cluster::of(members).await else { return };
        let (mut ours, mut other) = (cluster.connect().await, cluster.connect().await);
        let [a, b] = two_of(1);
        call(&mut ours, &format!("SET {a} 1")).await;
        for (change, expected) in [
            (format!("GET {a}"), Value::Array(vec![Value::Bulk("1".into())])),
            (format!("SET {b} x"), Value::Array(vec![Value::Bulk("1".into())])),
            (format!("SET {a} 1"), Value::Null),
        ] {
            // In one write: nothing may overtake WATCH, or be overtaken by EXEC.
            ours.queue(&["SET", &a, "1"]);
            ours.queue(&["WATCH", &a]);
            ours.queue(&["GET", &a]);
            ours.flush().await.unwrap();
            ours.read().await.unwrap();
            assert_eq!(ours.read().await.unwrap(), Value::Simple("OK".into()));
            ours.read().await.unwrap();
            call(&mut other, &change).await;
            ours.queue(&["MULTI"]);
            ours.queue(&["GET", &a]);
            ours.queue(&["EXEC"]);
            ours.queue(&["SET", &b, "after"]);
            ours.flush().await.unwrap();
            ours.read().await.unwrap();
            ours.read().await.unwrap();
            assert_eq!(ours.read().await.unwrap(), expected, "{change}");
            ours.read().await.unwrap();
        }
        // Two nodes cannot be watched at once.
        call(&mut ours, &format!("WATCH {a}")).await;
        let text = error(&call(&mut ours, &format!("WATCH {}", key_of(2, 1))).await);
        assert!(text.starts_with("CROSSSLOT"), "{text}");
        let text = error(&call(&mut ours, "SELECT 1").await);
        assert!(text.contains("UNWATCH first"), "{text}");
        call(&mut ours, "UNWATCH").await;
        assert_eq!(call(&mut ours, "SELECT 1").await, Value::Simple("OK".into()));
    }
}

/// The connection that watched is used by the next client, and nothing is left on it.
#[tokio::test]
async fn a_client_that_leaves_leaves_nothing_watched() {
    let Some(cluster) = Cluster::of(Members::Ours).await else { return };
    let [a, b] = two_of(1);
    let mut direct = commands(&cluster, 1).await;
    let mut connections = BTreeSet::new();
    for round in 0..20 {
        let mut leaving = cluster.connect().await;
        call(&mut leaving, &format!("WATCH {a}")).await;
        if round % 2 == 0 {
            call(&mut leaving, "MULTI").await;
            call(&mut leaving, &format!("SET {a} never")).await;
        }
        drop(leaving);
        let mut ours = cluster.connect().await;
        call(&mut ours, &format!("WATCH {b}")).await;
        call(&mut direct, &format!("SET {a} {round}")).await;
        call(&mut ours, "MULTI").await;
        call(&mut ours, &format!("GET {a}")).await;
        let expected = Value::Array(vec![Value::Bulk(round.to_string().into())]);
        assert_eq!(call(&mut ours, "EXEC").await, expected, "round {round}");
        let Value::Bulk(list) = call(&mut direct, "CLIENT LIST").await else { panic!("CLIENT LIST is text") };
        connections.insert(String::from_utf8_lossy(&list).lines().count());
    }
    assert!(connections.last().unwrap() - connections.first().unwrap() <= 2, "{connections:?}");
    assert!(!flags_of_clients(&mut direct).await.contains('x'));
    // Nobody watches any more: after a while the connection for it is closed, although nobody asks the proxy anything.
    let deadline = Instant::now() + TIMEOUT;
    let fewest = *connections.first().unwrap();
    loop {
        let Value::Bulk(list) = call(&mut direct, "CLIENT LIST").await else { panic!("CLIENT LIST is text") };
        if String::from_utf8_lossy(&list).lines().count() < fewest {
            break;
        }
        assert!(Instant::now() < deadline, "{fewest} at first, {}", String::from_utf8_lossy(&list));
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn after_a_move_what_was_watched_counts_as_changed() {
    let Some(cluster) = Cluster::start().await else { return };
    let mut ours = cluster.connect().await;
    let key = key_of(1, 1);
    let slot = SlotId::of_key(key.as_bytes());
    let moving = slots(slot.get(), slot.get());
    call(&mut ours, &format!("SET {key} old")).await;
    call(&mut ours, &format!("WATCH {key}")).await;
    let mut topology = cluster.topology().await;
    step(&mut topology, moving, Phase::Frozen);
    put(&cluster.registry, "topology", &topology).await;
    cluster.comes_to(topology.epoch).await;
    call(&mut ours, "MULTI").await;
    call(&mut ours, &format!("SET {key} never")).await;
    assert_eq!(call(&mut ours, "EXEC").await, Value::Null);
    // A transaction that writes waits until the move is done, one that reads does not.
    let mut reader = cluster.connect().await;
    call(&mut reader, "MULTI").await;
    call(&mut reader, &format!("GET {key}")).await;
    assert_eq!(call(&mut reader, "EXEC").await, Value::Array(vec![Value::Bulk("old".into())]));
    for words in [&["MULTI"][..], &["APPEND", &key, "+new"], &["EXEC"], &["GET", &key]] {
        ours.queue(words);
    }
    ours.flush().await.unwrap();
    assert_eq!(ours.read().await.unwrap(), Value::Simple("OK".into()));
    assert_eq!(ours.read().await.unwrap(), Value::Simple("QUEUED".into()));
    let early = tokio::time::timeout(Duration::from_millis(300), ours.read()).await;
    assert!(early.is_err(), "answered while frozen: {early:?}");
    let mut target = commands(&cluster, 2).await;
    call(&mut target, &format!("SET {key} copied")).await;
    topology.assign(&[moving], &id("2"));
    for phase in [Phase::Switched, Phase::Open] {
        step(&mut topology, moving, phase);
        put(&cluster.registry, "topology", &topology).await;
    }
    assert_eq!(ours.read().await.unwrap(), Value::Array(vec![Value::Integer(10)]));
    assert_eq!(ours.read().await.unwrap(), Value::Bulk("copied+new".into()));
}

#[tokio::test]
async fn when_its_node_dies_what_was_watched_counts_as_changed() {
    let Some(mut cluster) = Cluster::of(Members::Ours).await else { return };
    let mut ours = cluster.connect().await;
    let key = key_of(1, 1);
    call(&mut ours, &format!("WATCH {key}")).await;
    call(&mut ours, "MULTI").await;
    call(&mut ours, &format!("SET {key} never")).await;
    cluster.nodes[0].kill();
    cluster.nodes[0].restart();
    // Until the proxy has seen it die, its answer could only be that the node cannot be reached.
    let deadline = Instant::now() + TIMEOUT;
    loop {
        match call(&mut ours, "EXEC").await {
            Value::Null => break,
            other => {
                let text = error(&other);
                assert!(text.contains("unreachable") || text.contains("connection lost"), "{text}");
            }
        }
        assert!(Instant::now() < deadline);
        call(&mut ours, &format!("WATCH {key}")).await;
        call(&mut ours, "MULTI").await;
        call(&mut ours, &format!("SET {key} never")).await;
    }
}
