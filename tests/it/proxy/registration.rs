//! The proxy's place in etcd: ids, restarts, endpoints that are dead, passwords.

use std::process::Stdio;

use cluster_fixture::{console, etcd_cluster, node_with, proxy_with};
use redis_cluster::cluster::{registry::Txn, topology::Phase};

use super::*;

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
async fn a_proxy_that_was_killed_comes_back_under_its_id() {
    let Some(mut cluster) = Cluster::start().await else { return };
    let instance = async |cluster: &Cluster| {
        let entry = cluster.registry.get("proxies/1").await.unwrap()?;
        Some(serde_json::from_slice::<ProxyRecord>(&entry.value).unwrap().instance)
    };
    let before = instance(&cluster).await;
    assert!(before.is_some());
    call(&mut cluster.connect().await, "SET k v").await;
    // Asked to end, it leaves the registry, and the next one need not wait.
    cluster.proxy.signal("TERM");
    assert!(cluster.proxy.wait(TIMEOUT).success());
    assert_eq!(instance(&cluster).await, None);
    cluster.proxy.restart();
    cluster.comes_to(Epoch(1)).await;
    let second = instance(&cluster).await;
    assert_ne!(second, before);
    assert_eq!(call(&mut cluster.connect().await, "GET k").await, Value::Bulk("v".into()));
    // Killed, it takes over from itself; that the one before is dead is not certain before its lease has ended.
    cluster.proxy.restart();
    let deadline = Instant::now() + TIMEOUT;
    while [None, second.clone()].contains(&instance(&cluster).await) {
        assert!(Instant::now() < deadline, "{}", cluster.proxy.log());
    }
    let retired = cluster.registry.list("retired/").await.unwrap().entries;
    let retired: Vec<&str> = retired.iter().map(|entry| entry.key.as_str()).collect();
    assert_eq!(retired, [format!("retired/1-{}", second.unwrap())], "nobody waited for the lease");
    cluster.comes_to(Epoch(1)).await;
    assert_eq!(call(&mut cluster.connect().await, "GET k").await, Value::Bulk("v".into()));
    // Users of earlier registrations are gone from the nodes.
    let mut node = Connection::connect(&cluster.nodes[0].address(), TIMEOUT).await.unwrap();
    let Value::Array(users) = call(&mut node, "ACL USERS").await else { panic!("ACL USERS") };
    let proxies = users.iter().filter(|user| user.as_bytes().unwrap().starts_with(b"rc-proxy-1-"));
    assert!(proxies.count() <= 2, "{users:?}");
}

#[tokio::test]
async fn a_proxy_outlives_an_outage_that_is_longer_than_its_lease() {
    let Some(mut cluster) = Cluster::start().await else { return };
    call(&mut cluster.connect().await, "SET k v").await;
    cluster.etcd.kill();
    let told = |cluster: &Cluster| cluster.proxy.log().contains("registering anew");
    assert!(cluster_fixture::within(TIMEOUT, || told(&cluster)), "{}", cluster.proxy.log());
    // Traffic does not need etcd.
    assert_eq!(call(&mut cluster.connect().await, "GET k").await, Value::Bulk("v".into()));
    cluster.etcd.restart();
    cluster.comes_to(Epoch(1)).await;
    let log = cluster.proxy.log();
    assert!(!log.contains("another proxy has this id now"), "{log}");
    // And later moves hold writes, as if nothing had been.
    let (key, mut topology) = (key_of(1, 1), cluster.topology().await);
    let slot = SlotId::of_key(key.as_bytes()).get();
    super::moving::step(&mut topology, slots(slot, slot), Phase::Frozen);
    put(&cluster.registry, "topology", &topology).await;
    cluster.comes_to(topology.epoch).await;
    let mut client = cluster.connect().await;
    client.queue(&["SET", &key, "x"]);
    client.flush().await.unwrap();
    let early = tokio::time::timeout(Duration::from_millis(1500), client.read()).await;
    assert!(early.is_err(), "answered while frozen: {early:?}");
    super::moving::step(&mut topology, slots(slot, slot), Phase::Aborting);
    put(&cluster.registry, "topology", &topology).await;
    let reply = tokio::time::timeout(TIMEOUT, client.read()).await.unwrap().unwrap();
    assert_eq!(reply, Value::Simple("OK".into()));
}

#[tokio::test]
async fn a_proxy_that_is_expelled_registers_anew() {
    let Some(cluster) = Cluster::start().await else { return };
    let entry = cluster.registry.get("proxies/1").await.unwrap().unwrap();
    cluster.registry.commit(Txn::new().delete("proxies/1")).await.unwrap();
    let deadline = Instant::now() + TIMEOUT;
    loop {
        let now = cluster.registry.get("proxies/1").await.unwrap();
        if now.is_some_and(|now| now.create_revision > entry.create_revision) {
            break;
        }
        assert!(Instant::now() < deadline, "{}", cluster.proxy.log());
    }
    cluster.comes_to(Epoch(1)).await;
}

/// Runs a console command against some endpoints.
async fn run(endpoints: &str, words: &[&str]) -> String {
    let mut command = tokio::process::Command::from(console());
    let output = command.arg(endpoints).args(words).stdin(Stdio::null()).output().await.unwrap();
    assert!(output.status.success(), "{words:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn the_first_endpoint_may_be_dead() {
    let Some(etcd) = etcd() else { return };
    let endpoints = format!("http://127.0.0.1:{},{}", cluster_fixture::free_port(), etcd.url());
    let (node, proxy) = (node("1"), proxy("1", &endpoints));
    run(&endpoints, &["add", "1", &node.url()]).await;
    run(&endpoints, &["set", "k", "v"]).await;
    let mut connection = Connection::connect(&proxy.address(), TIMEOUT).await.unwrap();
    assert_eq!(call(&mut connection, "GET k").await, Value::Bulk("v".into()));
}

#[tokio::test]
async fn one_of_three_etcd_members_dies() {
    let Some(program) = cluster_fixture::peer("etcd", "etcd-server") else { return };
    let mut members = etcd_cluster(&program, 3);
    // Only while there is a leader.
    let served = |member: &Server| member.log().matches("ready to serve client requests").count();
    for member in &members {
        assert!(cluster_fixture::within(TIMEOUT, || served(member) > 0), "no leader:\n{}", member.log());
    }
    let endpoints = members.iter().map(Server::url).collect::<Vec<_>>().join(",");
    let nodes = [node("1"), node("2")];
    let proxies = [proxy("1", &endpoints), proxy("2", &endpoints)];
    run(&endpoints, &["add", "1", &nodes[0].url()]).await;
    let mut connection = Connection::connect(&proxies[0].address(), TIMEOUT).await.unwrap();
    for number in 0..500 {
        assert_eq!(call(&mut connection, &format!("SET k{number} v")).await, Value::Simple("OK".into()));
    }
    for member in &mut members {
        let before = served(member);
        member.kill();
        run(&endpoints, &["add", "2", &nodes[1].url()]).await;
        assert_eq!(call(&mut connection, "DBSIZE").await, Value::Integer(500));
        run(&endpoints, &["remove", "2"]).await;
        assert_eq!(call(&mut connection, "DBSIZE").await, Value::Integer(500));
        member.restart();
        assert!(cluster_fixture::within(TIMEOUT, || served(member) > before), "{}", member.log());
    }
}

#[tokio::test]
async fn passwords_of_nodes_and_of_the_proxy() {
    let Some(etcd) = etcd() else { return };
    let nodes = ["1", "2"].map(|id| node_with(id, &["--requirepass", "of-nodes"]));
    let proxy = proxy_with("1", &etcd.url(), &["--requirepass", "of-proxies"]);
    let bare = tokio::process::Command::from(console())
        .arg(etcd.url())
        .args(["add", "1", &nodes[0].url()])
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&bare.stderr).into_owned();
    assert!(!bare.status.success() && said.contains("NOAUTH"), "{said}");
    for (id, node) in ["1", "2"].iter().zip(&nodes) {
        let added = run(&etcd.url(), &["add", id, &format!("http://:of-nodes@{}", node.address())]).await;
        assert!(!added.contains("of-nodes"), "{added}");
    }
    let mut connection = Connection::connect(&proxy.address(), TIMEOUT).await.unwrap();
    for line in ["GET k", "DBSIZE", "MGET a b"] {
        assert_eq!(error(&call(&mut connection, line).await), "NOAUTH Authentication required.");
    }
    let reply = connection.call(&["AUTH", "of-nodes"]).await.unwrap();
    assert_eq!(error(&reply), "WRONGPASS invalid username-password pair or user is disabled.");
    assert_eq!(connection.call(&["AUTH", "of-proxies"]).await.unwrap(), Value::Simple("OK".into()));
    for number in 0..100 {
        assert_eq!(call(&mut connection, &format!("SET k{number} v")).await, Value::Simple("OK".into()));
    }
    assert_eq!(call(&mut connection, "DBSIZE").await, Value::Integer(100));
    run(&etcd.url(), &["remove", "2"]).await;
    assert_eq!(call(&mut connection, "DBSIZE").await, Value::Integer(100));
    assert!(!proxy.log().contains("of-nodes") && !proxy.log().contains("of-proxies"));
}
