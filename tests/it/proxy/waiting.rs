//! Commands that wait, through a proxy: served in order and in time, on their way from node to node while slots move, and when who
//! waits goes away.

use redis_cluster::cluster::topology::Phase;

use super::{moving::step, *};

async fn node_of(cluster: &Cluster, node: usize) -> Connection {
    Connection::connect(&cluster.nodes[node - 1].address(), TIMEOUT).await.unwrap()
}

/// Until so many connections wait at a node.
async fn so_many_wait(node: &mut Connection, count: usize) {
    let deadline = Instant::now() + TIMEOUT;
    loop {
        let Value::Bulk(info) = call(node, "INFO clients").await else { panic!("INFO is text") };
        let info = String::from_utf8_lossy(&info).into_owned();
        let found = info.lines().find_map(|line| line.strip_prefix("blocked_clients:")).map(str::to_owned);
        if found.as_deref() == Some(&count.to_string()) {
            return;
        }
        assert!(Instant::now() < deadline, "{found:?} wait, not {count}");
        tokio::task::yield_now().await;
    }
}

async fn send(connection: &mut Connection, line: &str) {
    connection.queue(&line.split(' ').collect::<Vec<_>>());
    connection.flush().await.unwrap();
}

async fn reply(connection: &mut Connection) -> Value {
    tokio::time::timeout(TIMEOUT, connection.read()).await.expect("a reply in time").unwrap()
}

fn bulk(text: &str) -> Value {
    Value::Bulk(text.to_owned().into())
}

pub(super) fn array(words: &[&str]) -> Value {
    Value::Array(words.iter().map(|word| bulk(word)).collect())
}

#[tokio::test]
async fn who_waits_is_served_in_order_and_in_time() {
    for members in [Members::Stock, Members::Ours] {
        let Some(cluster) = Cluster::of(members).await else { return };
        let (mut one, mut two, mut other) =
            (cluster.connect().await, cluster.connect().await, cluster.connect().await);
        let mut node = node_of(&cluster, 1).await;
        let [a, b, far] = [key_of(1, 1), key_of(1, 2), key_of(2, 3)];
        let began = Instant::now();
        assert_eq!(call(&mut one, &format!("BLPOP {a} {b} 0.2")).await, Value::Null);
        assert!((200..5000).contains(&began.elapsed().as_millis()), "{:?}", began.elapsed());
        // Who came first is served first, and what a client sends behind it waits.
        send(&mut one, &format!("BLPOP {b} {a} 0")).await;
        so_many_wait(&mut node, 1).await;
        send(&mut one, "PING").await;
        send(&mut two, &format!("BRPOP {a} 0")).await;
        so_many_wait(&mut node, 2).await;
        call(&mut other, &format!("RPUSH {a} 1 2 3")).await;
        assert_eq!(reply(&mut one).await, array(&[&a, "1"]));
        assert_eq!(reply(&mut one).await, Value::Simple("PONG".into()));
        assert_eq!(reply(&mut two).await, array(&[&a, "3"]));
        // All the others; the connections are used again.
        for (waits, acts, expected) in [
            (format!("BLMOVE {b} {a} LEFT RIGHT 0"), format!("LPUSH {b} x"), bulk("x")),
            (format!("BRPOPLPUSH {b} {a} 0"), format!("LPUSH {b} y"), bulk("y")),
            (format!("BZPOPMIN {b} 0"), format!("ZADD {b} 1 m"), array(&[&b, "m", "1"])),
            (
                format!("BLMPOP 0 1 {b} LEFT COUNT 5"),
                format!("RPUSH {b} p q"),
                Value::Array(vec![bulk(&b), array(&["p", "q"])]),
            ),
            (
                format!("XREAD BLOCK 0 STREAMS {b} $"),
                format!("XADD {b} 1-1 f v"),
                Value::Array(vec![Value::Array(vec![
                    bulk(&b),
                    Value::Array(vec![Value::Array(vec![bulk("1-1"), array(&["f", "v"])])]),
                ])]),
            ),
        ] {
            send(&mut one, &waits).await;
            so_many_wait(&mut node, 1).await;
            call(&mut other, &acts).await;
            assert_eq!(reply(&mut one).await, expected, "{waits}");
        }
        // Errors are those of a server; what would move from node to node is refused, and nothing is taken.
        assert!(error(&call(&mut one, &format!("BLPOP {b} 0")).await).starts_with("WRONGTYPE"));
        assert!(error(&call(&mut one, &format!("BLPOP {a} x")).await).contains("timeout is not a float"));
        let text = error(&call(&mut one, &format!("BLMOVE {a} {far} LEFT LEFT 0")).await);
        assert!(text.starts_with("CROSSSLOT BLMOVE") && text.contains("node 2"), "{text}");
        // Woken by another client.
        let Value::Integer(id) = call(&mut one, "CLIENT ID").await else { panic!("a number") };
        assert_eq!(call(&mut other, &format!("CLIENT UNBLOCK {id}")).await, Value::Integer(0));
        for how in ["", " TIMEOUT"] {
            send(&mut one, &format!("BLPOP {{{a}}}none 0")).await;
            so_many_wait(&mut node, 1).await;
            let Value::Bulk(list) = call(&mut other, &format!("CLIENT LIST ID {id}")).await else {
                panic!("CLIENT LIST is text")
            };
            assert!(String::from_utf8_lossy(&list).contains("flags=b"), "{list:?}");
            assert_eq!(call(&mut other, &format!("CLIENT UNBLOCK {id}{how}")).await, Value::Integer(1));
            assert_eq!(reply(&mut one).await, Value::Null);
        }
        send(&mut one, &format!("XREAD BLOCK 0 STREAMS {b} $")).await;
        so_many_wait(&mut node, 1).await;
        assert_eq!(call(&mut other, &format!("CLIENT UNBLOCK {id} ERROR")).await, Value::Integer(1));
        assert_eq!(error(&reply(&mut one).await), "UNBLOCKED client unblocked via CLIENT UNBLOCK");
        assert!(
            error(&call(&mut other, &format!("CLIENT UNBLOCK {id} WHAT")).await).contains("TIMEOUT or ERROR")
        );
    }
}

#[tokio::test]
async fn no_move_waits_for_who_waits_and_they_go_on_at_the_new_owner() {
    for members in [Members::Stock, Members::Ours] {
        let Some(cluster) = Cluster::of(members).await else { return };
        let mut clients = Vec::new();
        for _ in 0..4 {
            clients.push(cluster.connect().await);
        }
        let (mut source, mut target, mut other) =
            (node_of(&cluster, 1).await, node_of(&cluster, 2).await, cluster.connect().await);
        let (moving, staying) = (key_of(1, 1), key_of(1, 2));
        let slot = SlotId::of_key(moving.as_bytes());
        let [list, stream, empty] = ["list", "stream", "empty"].map(|kind| format!("{{{moving}}}{kind}"));
        call(&mut other, &format!("XADD {stream} 1-1 f v")).await;
        let began = Instant::now();
        send(&mut clients[0], &format!("BLPOP {list} 0")).await;
        send(&mut clients[1], &format!("XREAD BLOCK 0 STREAMS {stream} $")).await;
        send(&mut clients[2], &format!("BLPOP {staying} 0")).await;
        send(&mut clients[3], &format!("BLPOP {empty} 1.5")).await;
        so_many_wait(&mut source, 4).await;
        let mut topology = cluster.topology().await;
        let step = |topology: &mut Topology, phase| step(topology, slots(slot.get(), slot.get()), phase);
        step(&mut topology, Phase::Frozen);
        put(&cluster.registry, "topology", &topology).await;
        // Acknowledged, though clients wait.
        cluster.comes_to(topology.epoch).await;
        // Those who would take something wait at no node; the others do.
        so_many_wait(&mut source, 2).await;
        call(&mut target, &format!("XADD {stream} 1-1 f v")).await;
        topology.assign(&[slots(slot.get(), slot.get())], &id("2"));
        step(&mut topology, Phase::Switched);
        put(&cluster.registry, "topology", &topology).await;
        cluster.comes_to(topology.epoch).await;
        so_many_wait(&mut source, 1).await;
        step(&mut topology, Phase::Open);
        put(&cluster.registry, "topology", &topology).await;
        cluster.comes_to(topology.epoch).await;
        so_many_wait(&mut target, 3).await;
        call(&mut other, &format!("RPUSH {list} element")).await;
        assert_eq!(reply(&mut clients[0]).await, array(&[&list, "element"]));
        call(&mut other, &format!("XADD {stream} 2-1 f w")).await;
        let entry = Value::Array(vec![Value::Array(vec![bulk("2-1"), array(&["f", "w"])])]);
        assert_eq!(
            reply(&mut clients[1]).await,
            Value::Array(vec![Value::Array(vec![bulk(&stream), entry])])
        );
        call(&mut other, &format!("RPUSH {staying} stayed")).await;
        assert_eq!(reply(&mut clients[2]).await, array(&[&staying, "stayed"]));
        assert_eq!(reply(&mut clients[3]).await, Value::Null);
        let waited = began.elapsed().as_millis();
        assert!((1500..10_000).contains(&waited), "{waited} ms");
    }
}

/// An entry that comes while a reader of `$` is on its way is not missed.
#[tokio::test]
async fn what_is_new_is_new_since_the_client_asked() {
    let Some(cluster) = Cluster::of(Members::Stock).await else { return };
    let (mut reader, mut source) = (cluster.connect().await, node_of(&cluster, 1).await);
    let stream = key_of(1, 1);
    let slot = SlotId::of_key(stream.as_bytes());
    send(&mut reader, &format!("XREAD BLOCK 0 STREAMS {stream} $")).await;
    so_many_wait(&mut source, 1).await;
    let mut topology = cluster.topology().await;
    topology.assign(&[slots(slot.get(), slot.get())], &id("2"));
    topology.epoch = topology.epoch.next();
    let mut target = node_of(&cluster, 2).await;
    call(&mut target, &format!("XADD {stream} 1-1 f v")).await;
    put(&cluster.registry, "topology", &topology).await;
    let Value::Array(streams) = reply(&mut reader).await else { panic!("no entries") };
    assert!(format!("{streams:?}").contains("1-1"), "{streams:?}");
}

#[tokio::test]
async fn who_goes_away_takes_nothing_along() {
    const ROUNDS: usize = 40;
    for members in [Members::Stock, Members::Ours] {
        let Some(cluster) = Cluster::of(members).await else { return };
        let (mut node, mut other) = (node_of(&cluster, 1).await, cluster.connect().await);
        let queue = key_of(1, 1);
        for round in 0..ROUNDS {
            let mut client = cluster.connect().await;
            send(&mut client, &format!("BLPOP {queue} 0")).await;
            so_many_wait(&mut node, 1).await;
            drop(client);
            call(&mut other, &format!("RPUSH {queue} {round}")).await;
            so_many_wait(&mut node, 0).await;
            // It is there, or on its way back.
            let deadline = Instant::now() + TIMEOUT;
            while call(&mut other, &format!("LLEN {queue}")).await != Value::Integer(1) {
                assert!(Instant::now() < deadline, "round {round}: the element is lost");
            }
            assert_eq!(call(&mut other, &format!("LPOP {queue}")).await, bulk(&round.to_string()));
        }
    }
}

/// Keys of both nodes: who waits for them waits at none, and goes on where their slots go.
#[tokio::test]
async fn who_waits_for_several_nodes_is_held_up_by_no_move_and_holds_none_up() {
    for members in [Members::Stock, Members::Ours] {
        let Some(cluster) = Cluster::of(members).await else { return };
        let (mut one, mut two, mut reader) =
            (cluster.connect().await, cluster.connect().await, cluster.connect().await);
        let (mut other, mut target) = (cluster.connect().await, node_of(&cluster, 2).await);
        let mut watch = cluster.connect().await;
        let (moving, staying, far) = (key_of(1, 1), key_of(1, 2), key_of(2, 3));
        let slot = SlotId::of_key(moving.as_bytes());
        let stream = format!("{{{moving}}}stream");
        send(&mut one, &format!("BLPOP {moving} {far} 0")).await;
        so_many_wait(&mut watch, 1).await;
        send(&mut two, &format!("BLPOP {staying} {far} 0")).await;
        so_many_wait(&mut watch, 2).await;
        send(&mut reader, &format!("XREAD BLOCK 0 STREAMS {stream} {{{far}}}x $ $")).await;
        so_many_wait(&mut watch, 3).await;
        let mut topology = cluster.topology().await;
        let step = |topology: &mut Topology, phase| step(topology, slots(slot.get(), slot.get()), phase);
        step(&mut topology, Phase::Frozen);
        put(&cluster.registry, "topology", &topology).await;
        cluster.comes_to(topology.epoch).await;
        // The first in the line waits for the move, and the next is served.
        call(&mut other, &format!("RPUSH {far} 1")).await;
        assert_eq!(reply(&mut two).await, array(&[&far, "1"]));
        topology.assign(&[slots(slot.get(), slot.get())], &id("2"));
        step(&mut topology, Phase::Switched);
        put(&cluster.registry, "topology", &topology).await;
        cluster.comes_to(topology.epoch).await;
        step(&mut topology, Phase::Open);
        put(&cluster.registry, "topology", &topology).await;
        cluster.comes_to(topology.epoch).await;
        // All keys are on one node now, which knows who waits.
        so_many_wait(&mut target, 2).await;
        call(&mut other, &format!("RPUSH {moving} 2")).await;
        assert_eq!(reply(&mut one).await, array(&[&moving, "2"]));
        call(&mut other, &format!("XADD {stream} 1-1 f v")).await;
        assert!(format!("{:?}", reply(&mut reader).await).contains("1-1"));
        // On two nodes again.
        let began = Instant::now();
        assert_eq!(call(&mut one, &format!("BLPOP {moving} {staying} 0.3")).await, Value::Null);
        assert!((300..5000).contains(&began.elapsed().as_millis()), "{:?}", began.elapsed());
        call(&mut other, &format!("RPUSH {staying} 3")).await;
        assert_eq!(call(&mut one, &format!("BLPOP {moving} {staying} 0")).await, array(&[&staying, "3"]));
        assert_eq!(call(&mut other, &format!("EXISTS {moving} {staying} {far}")).await, Value::Integer(0));
    }
}

#[tokio::test]
async fn who_waits_for_a_node_that_dies_is_told() {
    let Some(mut cluster) = Cluster::of(Members::Ours).await else { return };
    let (mut one, mut other) = (cluster.connect().await, cluster.connect().await);
    let [near, far] = [key_of(1, 1), key_of(2, 2)];
    send(&mut one, &format!("BLPOP {near} {far} 0")).await;
    so_many_wait(&mut other, 1).await;
    cluster.nodes[1].kill();
    let text = error(&reply(&mut one).await);
    assert!(text.contains("node 2"), "{text}");
    cluster.nodes[1].restart();
    // A sign is heard again.
    let deadline = Instant::now() + TIMEOUT;
    loop {
        send(&mut one, &format!("BLPOP {near} {far} 1")).await;
        let told = reply(&mut one).await;
        if told == Value::Null {
            break;
        }
        assert!(told.as_error().is_some() && Instant::now() < deadline, "{told:?}");
    }
    send(&mut one, &format!("BLPOP {near} {far} 0")).await;
    so_many_wait(&mut other, 1).await;
    call(&mut other, &format!("RPUSH {far} x")).await;
    assert_eq!(reply(&mut one).await, array(&[&far, "x"]));
}
