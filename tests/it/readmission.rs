//! A node that kept its keys on a disk and is started again: with them it is used at once, while it reads them clients are told so, and
//! without them it is not used until somebody says so.

use std::path::Path;

use cluster_fixture::{Server, node, node_with, proxy_with, redis_server_with};
use redis_cluster::{client::Connection, cluster::records::keys, slot::SlotId};

use crate::losses::{Cluster, TIMEOUT, fill};

/// The first key that the first (`false`) or the second of two nodes owns.
fn key_of(second: bool) -> String {
    let of = |key: &String| (SlotId::of_key(key.as_bytes()).get() >= 8192) == second;
    (0..).map(|number| format!("key:{number}")).find(of).unwrap()
}

/// Asks until what is answered is as expected.
async fn answers(server: &Server, words: &[&str], is_expected: impl Fn(&str) -> bool) -> String {
    let deadline = tokio::time::Instant::now() + TIMEOUT;
    let mut connection = Connection::connect(&server.address(), TIMEOUT).await.unwrap();
    loop {
        let reply = connection.call(words).await.unwrap();
        let text = match reply.as_error() {
            Some(error) => error.into_owned(),
            None => String::from_utf8_lossy(reply.as_bytes().unwrap_or(b"nil")).into_owned(),
        };
        if is_expected(&text) {
            return text;
        }
        assert!(tokio::time::Instant::now() < deadline, "{words:?}: {text}\n{}", server.log());
    }
}

/// Of a node with a log in that directory.
fn log_in(directory: &Path) -> [&str; 6] {
    ["--dir", directory.to_str().unwrap(), "--appendonly", "yes", "--save", ""]
}

#[tokio::test]
async fn a_node_that_lost_what_it_kept_is_not_used_until_it_has_it_or_an_operator_says_so() {
    let data = tempfile::tempdir().unwrap();
    let (directory, copy) = (data.path().join("two"), data.path().join("copy"));
    let mut nodes = [node("1"), node_with("2", &log_in(&directory))];
    let addresses = [("1", nodes[0].url()), ("2", nodes[1].url())];
    let Some(mut cluster) = Cluster::start(&addresses).await else { return };
    let held = fill(&cluster.of.proxies[0], 300).await;
    let seen = cluster.knows("2", |seen| seen.keys == held && seen.keeps).await;
    let (first, key) = (key_of(false), key_of(true));
    let (get, set) = (["GET", &key], ["SET", &key, "new"]);

    // With its data it is used without anybody's doing.
    nodes[1].restart();
    for proxy in &cluster.of.proxies {
        answers(proxy, &get, |text| text == "v").await;
    }
    cluster.knows("2", |now| now.run_id != seen.run_id).await;
    assert_eq!(cluster.loss("2").await, None);

    // Its files are gone, and a proxy is killed with it: that one has to know from the registry.
    nodes[1].kill();
    std::fs::rename(&directory, &copy).unwrap();
    cluster.of.proxies[1].kill();
    nodes[1].restart();
    cluster.of.proxies[1].restart();
    let refused = format!("it held {held} keys and came back empty");
    for proxy in &cluster.of.proxies {
        let said = answers(proxy, &get, |text| text.contains(&refused)).await;
        assert!(said.starts_with("CLUSTERDOWN node 2") && said.contains("`ack 2`"), "{said}");
        answers(proxy, &set, |text| text.contains(&refused)).await;
        answers(proxy, &["GET", &first], |text| text == "v").await;
    }
    cluster.knows("2", |now| now.before == held && now.keys == 0).await;
    let loss = cluster.loss("2").await.unwrap();
    assert!(loss.stops && loss.held == held && loss.now == 0, "{loss:?}");
    let warned = cluster.console(&["show", "nodes"]).2;
    assert!(warned.contains("proxies do not use it") && warned.contains("`ack 2`"), "{warned}");
    // A proxy that is told to uses it nevertheless.
    let lenient = proxy_with("9", &cluster.of.etcd.url(), &["--allow-empty"]);
    answers(&lenient, &get, |text| text == "nil").await;
    drop(lenient);

    // Started again it is no less empty. With its files it is used, and there is nothing to take note of.
    nodes[1].restart();
    answers(&cluster.of.proxies[0], &get, |text| text.contains(&refused)).await;
    let mut losses = cluster.registry.watch(keys::LOSSES);
    nodes[1].kill();
    std::fs::remove_dir_all(&directory).unwrap();
    std::fs::rename(&copy, &directory).unwrap();
    nodes[1].restart();
    for proxy in &cluster.of.proxies {
        answers(proxy, &get, |text| text == "v").await;
    }
    while cluster.loss("2").await.is_some() {
        tokio::time::timeout(TIMEOUT, losses.next()).await.expect("the loss ends");
    }
    assert!(cluster.console(&["show", "audit"]).1.contains("node 2 has its keys again"));

    // Empty again, and the operator goes on without.
    nodes[1].kill();
    std::fs::remove_dir_all(&directory).unwrap();
    nodes[1].restart();
    answers(&cluster.of.proxies[0], &get, |text| text.contains(&refused)).await;
    while cluster.loss("2").await.is_none() {
        tokio::time::timeout(TIMEOUT, losses.next()).await.expect("the loss is written down");
    }
    assert_eq!(cluster.console(&["ack", "2"]).0, Some(0));
    for proxy in &cluster.of.proxies {
        answers(proxy, &get, |text| text == "nil").await;
    }
    answers(&cluster.of.proxies[0], &set, |text| text == "OK").await;
    let (status, audit, said) = cluster.console(&["show", "audit"]);
    assert!(audit.contains("ack 2"), "{status:?} {audit} {said}");
}

#[tokio::test]
async fn stock_servers_are_judged_the_same_and_what_a_client_deleted_is_not_missed() {
    let stock = || redis_server_with(&["--appendonly", "yes", "--save", ""]);
    let (Some(mut loses), Some(mut emptied)) = (stock(), stock()) else { return };
    let addresses = [("1", &loses), ("2", &emptied)];
    let addresses = addresses.map(|(id, server)| (id, format!("redis://{}", server.address())));
    let Some(cluster) = Cluster::start(&addresses).await else { return };
    let held = fill(&cluster.of.proxies[0], 300).await;
    cluster.knows("1", |seen| seen.keys > 0 && seen.keeps).await;
    cluster.knows("2", |seen| seen.keys == held && seen.keeps).await;
    answers(&emptied, &["FLUSHALL"], |text| text == "OK").await;
    let before = cluster.knows("2", |seen| seen.keys == 0).await;
    emptied.restart();
    loses.kill();
    std::fs::remove_dir_all(loses.directory().unwrap().join("appendonlydir")).unwrap();
    loses.restart();
    cluster.knows("2", |now| now.run_id != before.run_id).await;
    for proxy in &cluster.of.proxies {
        answers(proxy, &["GET", &key_of(true)], |text| text == "nil").await;
        answers(proxy, &["GET", &key_of(false)], |text| text.contains(" and came back empty")).await;
    }
    assert_eq!(cluster.loss("2").await, None);
}

#[tokio::test]
async fn clients_of_a_node_that_reads_its_files_are_told_so() {
    let data = tempfile::tempdir().unwrap();
    let directory = data.path().to_str().unwrap();
    let options = ["--dir", directory, "--key-load-delay", "2000"];
    let mut nodes = [node("1"), node_with("2", &options)];
    let addresses = [("1", nodes[0].url()), ("2", nodes[1].url())];
    let Some(cluster) = Cluster::start(&addresses).await else { return };
    let held = fill(&cluster.of.proxies[0], 2000).await;
    let seen = cluster.knows("2", |seen| seen.keys == held && seen.keeps).await;
    let key = key_of(true);
    answers(&nodes[1], &["SAVE"], |text| text == "OK").await;
    nodes[1].restart();
    for proxy in &cluster.of.proxies {
        let loading = |text: &str| text == "LOADING Redis is loading the dataset in memory";
        answers(proxy, &["GET", &key], loading).await;
        answers(proxy, &["GET", &key_of(false)], |text| text == "v").await;
    }
    for proxy in &cluster.of.proxies {
        answers(proxy, &["GET", &key], |text| text == "v").await;
    }
    cluster.knows("2", |now| now.run_id != seen.run_id && now.keys == held).await;
    assert_eq!(cluster.loss("2").await, None);
}
