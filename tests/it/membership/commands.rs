//! Commands that are given twice, and a console that carries its plan out itself.

use cluster_fixture::within;
use redis_cluster::cluster::{records::to_json, registry::Txn};

use super::*;

use crate::driving::ended;

#[tokio::test]
async fn a_command_that_is_done_says_so() {
    let Some(cluster) = Cluster::start() else { return };
    let (nodes, _proxy) = ([node("1"), node("2")], proxy("1", &cluster.of.etcd.url()));
    for id in ["1", "2"] {
        let url = nodes[usize::from(id == "2")].url();
        assert_eq!(cluster.of.status(&["add", id, &url]).0, Some(0));
        let epoch = cluster.registry.get(keys::TOPOLOGY).await.unwrap();
        for words in
            [&["add", id, &url][..], &["add", id, &url, "--json"], &["add", id, &url, "--if-rev", "1"]]
        {
            let (status, said) = cluster.of.status(words);
            assert!(status == Some(0) && said.contains("is a member already"), "{words:?}: {said}");
        }
        let (status, said) = cluster.of.status(&["plan", "add", id, &url]);
        assert!(status == Some(0) && said.contains("nothing to do"), "{said}");
        assert_eq!(cluster.registry.get(keys::TOPOLOGY).await.unwrap(), epoch);
    }
    assert_eq!(cluster.of.status(&["add", "1", &nodes[1].url()]).0, Some(4));
    assert_eq!(cluster.of.status(&["remove", "2"]).0, Some(0));
    for words in [&["remove", "2"][..], &["remove", "2", "--json"], &["remove", "2", "--force"]] {
        let (status, said) = cluster.of.status(words);
        assert!(
            status == Some(0) && said.contains("was removed by plan 3; nothing to do"),
            "{words:?}: {said}"
        );
    }
    let (status, said) = cluster.of.status(&["remove", "9"]);
    assert!(status == Some(4) && said.contains("there is no node 9"), "{said}");
}

#[tokio::test]
async fn a_waiting_console_drives_where_no_proxy_is() {
    let Some(cluster) = Cluster::start() else { return };
    let nodes = [node("1"), node("2")];
    for (id, server) in ["1", "2"].iter().zip(&nodes) {
        let (status, said) = cluster.of.status(&["add", id, &server.url()]);
        assert_eq!(status, Some(0), "{said}");
        assert!(said.contains("no proxy is alive: this console carries the plan out itself"), "{said}");
        // Somebody else may lead at once.
        assert_eq!(driver::leader(&cluster.registry).await.unwrap(), None);
        if *id == "1" {
            for number in 0..200 {
                call(server, &format!("SET key:{number} v")).await;
            }
        }
    }
    let (status, said) = cluster.of.status(&["remove", "1"]);
    assert_eq!(status, Some(0), "{said}");
    assert_eq!(call(&nodes[1], "DBSIZE").await.as_i64(), Some(200));

    // Given up half-way, the plan waits, and a proxy goes on with it.
    let mut interrupted = console();
    nodes[1].signal("STOP");
    let plan = Txn::new().put(
        "nodes/1",
        to_json(&serde_json::json!({
            "id": "1", "address": nodes[0].url(), "added_at_ms": 1, "added_by": "test"
        })),
    );
    cluster.registry.commit(plan).await.unwrap();
    let record = serde_json::json!({
        "id": 4, "do": "add", "node": "1", "state": "accepted", "created_at_ms": 1, "by": "test", "words": "add 1",
        "epoch": 1, "slots_moved": 0, "slots_total": 8192, "keys_moved": 0
    });
    cluster.registry.commit(Txn::new().put("plans/00000004", to_json(&record))).await.unwrap();
    let mut child = interrupted
        .arg(cluster.of.etcd.url())
        .args(["add", "1", &nodes[0].url()])
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut leader = cluster.registry.watch("leader");
    while driver::leader(&cluster.registry)
        .await
        .unwrap()
        .is_none_or(|leader| !leader.identity.starts_with("console "))
    {
        tokio::time::timeout(TIMEOUT, leader.next()).await.expect("the console drives");
    }
    let pid = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let mut status = None;
    assert!(within(TIMEOUT, || {
        status = child.try_wait().unwrap();
        status.is_some()
    }));
    let mut said = String::new();
    std::io::Read::read_to_string(&mut child.stderr.take().unwrap(), &mut said).unwrap();
    assert_eq!(status.unwrap().code(), Some(130), "{said}");
    assert!(said.contains("goes on when a proxy is alive"), "{said}");
    nodes[1].signal("CONT");
    let _proxy = proxy("1", &cluster.of.etcd.url());
    let done = tokio::time::timeout(TIMEOUT * 2, ended(&cluster.registry, PlanId(4)));
    assert_eq!(done.await.unwrap().state, PlanState::Done);
}
