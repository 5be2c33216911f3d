//! Channels through proxies: what is published anywhere comes once to every subscriber of every proxy, also while nodes die and slots
//! move.

use cluster_fixture::within;
use redis_cluster::cluster::topology::Phase;

use super::{moving::step, *};

/// A client that is subscribed, in RESP3.
struct Subscriber(Connection);

impl Subscriber {
    async fn of(proxy: &Server, subscription: &str) -> Self {
        let mut connection = Connection::connect(&proxy.address(), TIMEOUT).await.unwrap();
        call(&mut connection, "HELLO 3").await;
        let count = subscription.split(' ').count() - 1;
        connection.queue(&subscription.split(' ').collect::<Vec<_>>());
        connection.flush().await.unwrap();
        for number in 1..=count {
            let Value::Push(words) = connection.read().await.unwrap() else { panic!("no confirmation") };
            assert_eq!(words[2].as_i64(), Some(number as i64));
        }
        Self(connection)
    }

    /// The payload of the next message.
    async fn next(&mut self) -> String {
        match tokio::time::timeout(TIMEOUT, self.0.read()).await.expect("a message comes").unwrap() {
            Value::Push(words) => text(words.last().unwrap()),
            other => panic!("{other:?} is no message"),
        }
    }

    /// The next messages up to this one.
    async fn until(&mut self, last: &str) -> Vec<String> {
        let mut seen = Vec::new();
        loop {
            let message = self.next().await;
            if message == last {
                return seen;
            }
            seen.push(message);
        }
    }
}

fn text(value: &Value) -> String {
    String::from_utf8(value.as_bytes().unwrap().to_vec()).unwrap()
}

async fn integer(connection: &mut Connection, line: &str) -> i64 {
    let reply = call(connection, line).await;
    reply.as_i64().unwrap_or_else(|| panic!("{line}: {reply:?}"))
}

async fn connect(server: &Server) -> Connection {
    Connection::connect(&server.address(), TIMEOUT).await.unwrap()
}

/// Names of channels with their home on node 1 and on node 2.
fn channels() -> [String; 2] {
    [1, 2].map(|node| key_of(node, 0))
}

async fn everybody_hears_everything_once(members: Members) {
    let Some(cluster) = Cluster::of(members).await else { return };
    let other = proxy("2", &cluster.etcd.url());
    cluster.proxy_comes_to("2", Epoch(1)).await;
    let proxies = [&cluster.proxy, &other];
    let [one, two] = channels();
    let mut subscribers = Vec::new();
    for proxy in proxies {
        for _ in 0..3 {
            subscribers.push(Subscriber::of(proxy, &format!("SUBSCRIBE {one} {two}")).await);
        }
        subscribers.push(Subscriber::of(proxy, "PSUBSCRIBE k0-*").await);
    }
    // At each proxy and each node, at the home of the channel and elsewhere.
    let mut expected = Vec::new();
    for (at, server) in proxies.into_iter().chain(&cluster.nodes).enumerate() {
        let mut publisher = connect(server).await;
        for channel in [&one, &two] {
            for number in 0..20 {
                let message = format!("{at}-{number}");
                let received = integer(&mut publisher, &format!("PUBLISH {channel} {message}")).await;
                assert!(received > 0, "{message}");
                expected.push(message);
            }
        }
    }
    let mut publisher = connect(proxies[0]).await;
    call(&mut publisher, &format!("PUBLISH {one} end-1")).await;
    call(&mut publisher, &format!("PUBLISH {two} end-2")).await;
    expected.sort_unstable();
    for subscriber in &mut subscribers {
        let mut seen = subscriber.until("end-1").await;
        let (mut ends, mut number) = (seen.iter().filter(|message| *message == "end-2").count(), 0);
        while ends == 0 {
            let message = subscriber.next().await;
            ends += usize::from(message == "end-2");
            seen.push(message);
            number += 1;
            assert!(number < 1000, "end-2 does not come");
        }
        seen.retain(|message| message != "end-2");
        seen.sort_unstable();
        assert_eq!(seen, expected);
    }
    // Who left hears nothing, and the nodes are not asked any more.
    drop(subscribers);
    let mut node = connect(&cluster.nodes[0]).await;
    let deadline = Instant::now() + TIMEOUT;
    while call(&mut node, "PUBSUB CHANNELS").await != Value::Array(Vec::new()) {
        assert!(Instant::now() < deadline, "nodes are still subscribed to");
    }
    assert_eq!(integer(&mut publisher, &format!("PUBLISH {one} nobody")).await, 0);
}

#[tokio::test]
async fn everybody_hears_everything_once_of_our_nodes() {
    everybody_hears_everything_once(Members::Ours).await;
}

#[tokio::test]
async fn everybody_hears_everything_once_of_stock_servers() {
    everybody_hears_everything_once(Members::Stock).await;
}

#[tokio::test]
async fn clients_are_counted_and_not_the_connections_of_the_proxy() {
    let Some(cluster) = Cluster::of(Members::Ours).await else { return };
    let mut ours = cluster.connect().await;
    let [one, two] = channels();
    let mut subscribers = Vec::new();
    for _ in 0..5 {
        subscribers.push(Subscriber::of(&cluster.proxy, &format!("SUBSCRIBE {one} {two}")).await);
        subscribers.push(Subscriber::of(&cluster.proxy, &format!("PSUBSCRIBE {one} k0-*")).await);
        subscribers.push(Subscriber::of(&cluster.proxy, &format!("SSUBSCRIBE {two}")).await);
    }
    // A client of a node counts too, where it is.
    let mut direct = Subscriber::of(&cluster.nodes[0], &format!("SUBSCRIBE {one}")).await;
    for _ in 0..2 {
        assert_eq!(integer(&mut ours, &format!("PUBLISH {one} x")).await, 5 + 10 + 1);
        assert_eq!(integer(&mut ours, &format!("PUBLISH {two} x")).await, 5 + 5);
        assert_eq!(integer(&mut ours, &format!("SPUBLISH {two} x")).await, 5);
        assert_eq!(integer(&mut ours, &format!("SPUBLISH {one} x")).await, 0);
        assert_eq!(
            call(&mut ours, &format!("PUBSUB NUMSUB {one} {two} none")).await,
            Value::Array(vec![
                Value::Bulk(one.clone().into()),
                Value::Integer(6),
                Value::Bulk(two.clone().into()),
                Value::Integer(5),
                Value::Bulk("none".into()),
                Value::Integer(0),
            ])
        );
        assert_eq!(
            call(&mut ours, &format!("PUBSUB SHARDNUMSUB {two}")).await,
            Value::Array(vec![Value::Bulk(two.clone().into()), Value::Integer(5)])
        );
        assert_eq!(integer(&mut ours, "PUBSUB NUMPAT").await, 2);
        // Through another thread of the proxy, perhaps.
        ours = cluster.connect().await;
    }
    assert_eq!(direct.next().await, "x");
    let list = call(&mut ours, "CLIENT LIST TYPE pubsub").await;
    assert_eq!(text(&list).lines().filter(|line| line.contains(" flags=P ")).count(), 15, "{list:?}");
    assert_eq!(integer(&mut ours, "CLIENT KILL TYPE pubsub").await, 15);
    let deadline = Instant::now() + TIMEOUT;
    while integer(&mut ours, &format!("PUBLISH {one} x")).await != 1 {
        assert!(Instant::now() < deadline, "the dead are counted");
    }
}

/// Publishes numbers at a proxy until told to stop, and says how many; each must have been received by `receivers`.
async fn publish_until(
    stop: &std::sync::atomic::AtomicBool,
    proxy: &Server,
    command: &str,
    channel: &str,
) -> usize {
    let mut publisher = connect(proxy).await;
    let mut sent = 0;
    while !stop.load(std::sync::atomic::Ordering::Relaxed) {
        assert!(integer(&mut publisher, &format!("{command} {channel} {sent}")).await > 0, "{sent}");
        sent += 1;
    }
    call(&mut publisher, &format!("{command} {channel} end")).await;
    sent
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shard_channels_move_with_their_slots_unnoticed() {
    let Some(cluster) = Cluster::of(Members::Ours).await else { return };
    let other = proxy("2", &cluster.etcd.url());
    cluster.proxy_comes_to("2", Epoch(1)).await;
    let channel = key_of(1, 3);
    let slot = SlotId::of_key(channel.as_bytes());
    let range = slots(slot.get(), slot.get());
    let mut subscribers = [
        Subscriber::of(&cluster.proxy, &format!("SSUBSCRIBE {channel}")).await,
        Subscriber::of(&other, &format!("SSUBSCRIBE {channel}")).await,
    ];
    let stop = std::sync::atomic::AtomicBool::new(false);
    let moves = async {
        let mut topology = cluster.topology().await;
        for phase in [Phase::Planned, Phase::Frozen, Phase::Switched, Phase::Open] {
            if phase == Phase::Switched {
                topology.assign(&[range], &id("2"));
            }
            step(&mut topology, range, phase);
            put(&cluster.registry, "topology", &topology).await;
            cluster.comes_to(topology.epoch).await;
            cluster.proxy_comes_to("2", topology.epoch).await;
        }
        topology.epoch = topology.epoch.next();
        topology.moves.clear();
        put(&cluster.registry, "topology", &topology).await;
        cluster.comes_to(topology.epoch).await;
        cluster.proxy_comes_to("2", topology.epoch).await;
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    };
    let (sent, ()) = tokio::join!(publish_until(&stop, &other, "SPUBLISH", &channel), moves);
    // Each once; the last of the old owner may be overtaken by the first of the new one.
    let expected: Vec<usize> = (0..sent).collect();
    for subscriber in &mut subscribers {
        let seen = subscriber.until("end").await;
        let mut seen: Vec<usize> = seen.iter().map(|number| number.parse().unwrap()).collect();
        seen.sort_unstable();
        assert_eq!(seen, expected);
    }
    let shards = |server: &Server| {
        let address = server.address();
        async move {
            let mut node = Connection::connect(&address, TIMEOUT).await.unwrap();
            call(&mut node, "PUBSUB SHARDCHANNELS").await
        }
    };
    let deadline = Instant::now() + TIMEOUT;
    while shards(&cluster.nodes[0]).await != Value::Array(Vec::new()) {
        assert!(Instant::now() < deadline, "the old owner is still subscribed to");
    }
    assert_eq!(shards(&cluster.nodes[1]).await, Value::Array(vec![Value::Bulk(channel.into())]));
}

#[tokio::test]
async fn a_node_that_dies_is_listened_to_again_and_others_publish_in_its_place() {
    let Some(mut cluster) = Cluster::of(Members::Ours).await else { return };
    let [_, two] = channels();
    let mut subscriber = Subscriber::of(&cluster.proxy, &format!("SUBSCRIBE {two}")).await;
    let mut shard = Subscriber::of(&cluster.proxy, &format!("SSUBSCRIBE {two}")).await;
    let mut publisher = cluster.connect().await;
    cluster.nodes[1].kill();
    let deadline = Instant::now() + TIMEOUT;
    let mut number = 0;
    loop {
        // Until it is known that the node is gone, nobody can tell whether it was published.
        let reply = call(&mut publisher, &format!("PUBLISH {two} lost-{number}")).await;
        if reply == Value::Integer(1) {
            break;
        }
        assert!(error(&reply).contains("node 2") && Instant::now() < deadline, "{reply:?}");
        number += 1;
    }
    assert_eq!(subscriber.next().await, format!("lost-{number}"), "it was published elsewhere");
    // A subscription does not wait for who cannot be reached.
    let mut late = Subscriber::of(&cluster.proxy, &format!("SUBSCRIBE {two} other")).await;
    let reply = call(&mut publisher, &format!("SPUBLISH {two} x")).await;
    assert!(error(&reply).starts_with("CLUSTERDOWN node 2"), "{reply:?}");
    cluster.nodes[1].restart();
    let mut node = None;
    assert!(within(TIMEOUT, || {
        node = std::net::TcpStream::connect(("127.0.0.1", cluster.nodes[1].port())).ok();
        node.is_some()
    }));
    let mut node = connect(&cluster.nodes[1]).await;
    // All threads of the proxy, which the other node knows, are back.
    let deadline = Instant::now() + TIMEOUT;
    let mut other = connect(&cluster.nodes[0]).await;
    let count = format!("PUBSUB NUMSUB {two}");
    let everybody = call(&mut other, &count).await;
    while call(&mut node, &count).await != everybody {
        assert!(Instant::now() < deadline, "{}", cluster.proxy.log());
    }
    assert!(integer(&mut node, &format!("PUBLISH {two} back")).await > 0);
    assert_eq!(subscriber.next().await, "back");
    assert_eq!(late.next().await, "back");
    while integer(&mut node, &format!("SPUBLISH {two} again")).await == 0 {
        assert!(Instant::now() < deadline, "{}", cluster.proxy.log());
    }
    assert_eq!(shard.next().await, "again");
}

#[tokio::test]
async fn who_does_not_read_is_cut_and_others_are_not() {
    let Some(cluster) = Cluster::of(Members::Ours).await else { return };
    let mut good = Subscriber::of(&cluster.proxy, "SUBSCRIBE flood").await;
    let lazy = Subscriber::of(&cluster.proxy, "SUBSCRIBE flood").await;
    let mut publisher = cluster.connect().await;
    let payload = "x".repeat(1 << 20);
    let mut received = 2;
    for number in 0..200 {
        received = integer(&mut publisher, &format!("PUBLISH flood {payload}")).await;
        assert_eq!(good.next().await.len(), payload.len(), "{number}");
        if received == 1 {
            break;
        }
    }
    assert_eq!(received, 1, "more than 32 MiB wait for a client: {}", cluster.proxy.log());
    drop(lazy);
}

#[tokio::test]
async fn events_of_keys_come_from_all_nodes_but_not_of_copies() {
    let Some(cluster) = Cluster::of(Members::Ours).await else { return };
    let mut ours = cluster.connect().await;
    let set = "CONFIG SET notify-keyspace-events KEA";
    assert_eq!(call(&mut ours, set).await, Value::Simple("OK".into()));
    let shown = call(&mut ours, "CONFIG GET notify-keyspace-events").await;
    let expected = ["notify-keyspace-events", "AKE"].map(|word| Value::Bulk(word.into()));
    assert_eq!(shown, Value::Array(expected.into()));
    let mut subscriber = Subscriber::of(&cluster.proxy, "PSUBSCRIBE __keyevent@0__:*").await;
    let (one, two) = (key_of(1, 1), key_of(2, 1));
    for key in [&one, &two] {
        call(&mut ours, &format!("SET {key} x")).await;
        assert_eq!(subscriber.next().await, *key);
    }
    let slot = SlotId::of_key(one.as_bytes());
    let mut topology = cluster.topology().await;
    step(&mut topology, slots(slot.get(), slot.get()), Phase::Frozen);
    put(&cluster.registry, "topology", &topology).await;
    cluster.comes_to(topology.epoch).await;
    // The copy is made, and goes again.
    let mut target = connect(&cluster.nodes[1]).await;
    call(&mut target, &format!("SET {one} copy")).await;
    call(&mut target, &format!("DEL {one}")).await;
    call(&mut ours, &format!("SET {two} y")).await;
    assert_eq!(subscriber.next().await, two);
}

#[tokio::test]
async fn a_new_member_is_listened_to() {
    let Some(cluster) = Cluster::of(Members::Ours).await else { return };
    let mut subscriber = Subscriber::of(&cluster.proxy, "PSUBSCRIBE *").await;
    let third = node("3");
    let record = NodeRecord {
        id: id("3"),
        address: format!("http://{}", third.address()).parse().unwrap(),
        added_at_ms: 0,
        added_by: "test".to_owned(),
        run_id: String::new(),
        version: String::new(),
    };
    put(&cluster.registry, "nodes/3", &record).await;
    let mut direct = connect(&third).await;
    let deadline = Instant::now() + TIMEOUT;
    while integer(&mut direct, "PUBLISH c hello").await == 0 {
        assert!(Instant::now() < deadline, "{}", cluster.proxy.log());
        tokio::task::yield_now().await;
    }
    assert_eq!(subscriber.next().await, "hello");
}

#[tokio::test]
async fn messages_are_published_from_transactions_too() {
    let Some(cluster) = Cluster::of(Members::Ours).await else { return };
    let mut subscriber = Subscriber::of(&cluster.proxy, "SUBSCRIBE c").await;
    let mut ours = cluster.connect().await;
    for line in ["MULTI", "SET k v", "PUBLISH c told"] {
        call(&mut ours, line).await;
    }
    assert_eq!(
        call(&mut ours, "EXEC").await,
        Value::Array(vec![Value::Simple("OK".into()), Value::Integer(1)])
    );
    assert_eq!(subscriber.next().await, "told");
    call(&mut ours, "MULTI").await;
    let text = error(&call(&mut ours, "SUBSCRIBE c").await);
    assert!(text.contains("not available inside MULTI"), "{text}");
}

#[tokio::test]
async fn a_message_that_would_cut_whoever_hears_it_is_refused() {
    let Some(cluster) = Cluster::of(Members::Ours).await else { return };
    let mut subscriber = Subscriber::of(&cluster.proxy, "SUBSCRIBE news").await;
    let mut publisher = connect(&cluster.proxy).await;
    let (long, most) = ("x".repeat(33 << 20), "x".repeat(31 << 20));
    let refused = publisher.call(&["PUBLISH", "news", &long]).await.unwrap();
    assert!(error(&refused).contains("nothing was published"), "{refused:?}");
    call(&mut publisher, "MULTI").await;
    let refused = publisher.call(&["SPUBLISH", "news", &long]).await.unwrap();
    assert!(error(&refused).contains("nothing was published"), "{refused:?}");
    assert!(error(&call(&mut publisher, "EXEC").await).starts_with("EXECABORT"));
    assert_eq!(publisher.call(&["PUBLISH", "news", &most]).await.unwrap().as_i64(), Some(1));
    assert_eq!(subscriber.next().await, most);
    assert_eq!(integer(&mut publisher, "PUBLISH news next").await, 1);
    assert_eq!(subscriber.next().await, "next");
}
