//! From nothing to a working cluster with the three real binaries and real etcd, as the README tells it.

use std::{
    io::Write,
    process::{Command, Stdio},
};

use cluster_fixture::{Cluster, Server, console, node, said};

/// Two nodes, no members yet, and two proxies.
fn start() -> Option<Cluster> {
    Cluster::of(vec![node("1"), node("2")], 2)
}

fn redis_cli(server: &Server, words: &[&str]) -> Option<String> {
    let program = cluster_fixture::peer("redis-cli", "redis-tools")?;
    let output = Command::new(program).args(["-p", &server.port().to_string()]).args(words).output().unwrap();
    Some(String::from_utf8(output.stdout).unwrap())
}

#[test]
fn the_lines_of_the_readme() {
    let Some(mut cluster) = start() else { return };
    for (id, server) in ["1", "2"].iter().zip(&cluster.nodes) {
        cluster.ok(&["add", id, &format!("http://0.0.0.0:{}", server.port())]);
    }
    cluster.ok(&["set", "key1", "value1"]);
    assert_eq!(cluster.ok(&["get", "key1"]), "value1\n");
    cluster.ok(&["delete", "key1", "another"]);
    assert_eq!(cluster.ok(&["get", "key1"]), "value1\n");
    cluster.ok(&["delete", "key1", "value1"]);
    assert_eq!(cluster.ok(&["get", "key1"]), "\n");

    let mut script =
        console().arg(cluster.etcd.url()).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    script.stdin.take().unwrap().write_all(b"set a 1\nincr a\nget a\n").unwrap();
    let output = script.wait_with_output().unwrap();
    assert_eq!((output.status.code(), &output.stdout[..]), (Some(0), &b"OK\n2\n2\n"[..]));

    let nodes = cluster.ok(&["show", "nodes"]);
    for server in &cluster.nodes {
        assert!(nodes.contains(&server.port().to_string()) && nodes.contains("8192"), "{nodes}");
    }

    for number in 0..500 {
        let reply = redis_cli(&cluster.proxies[0], &["set", &format!("key:{number}"), "v"]);
        let Some(reply) = reply else { return };
        assert_eq!(reply, "OK\n");
    }
    assert_eq!(redis_cli(&cluster.proxies[1], &["get", "key:7"]).unwrap(), "v\n");
    assert_eq!(redis_cli(&cluster.proxies[1], &["dbsize"]).unwrap(), "501\n");
    let on_node_2: u64 = redis_cli(&cluster.nodes[1], &["dbsize"]).unwrap().trim().parse().unwrap();
    assert!((100..400).contains(&on_node_2), "{on_node_2}");

    cluster.ok(&["remove", "2"]);
    assert_eq!(redis_cli(&cluster.nodes[0], &["dbsize"]).unwrap(), "501\n");
    assert_eq!(redis_cli(&cluster.nodes[1], &["dbsize"]).unwrap(), "0\n");
    assert_eq!(redis_cli(&cluster.proxies[1], &["dbsize"]).unwrap(), "501\n");
    let refused = cluster.run(&["remove", "1"]);
    assert_eq!(refused.status.code(), Some(4), "{}", said(&refused));
    assert_eq!(
        cluster.run(&["add", "1", &format!("http://127.0.0.1:{}", cluster.nodes[1].port())]).status.code(),
        Some(4)
    );

    // Ended as asked, with nothing left behind in the registry.
    for proxy in &mut cluster.proxies {
        proxy.signal("TERM");
        assert!(proxy.wait(std::time::Duration::from_secs(10)).success());
    }
    let proxies = cluster.ok(&["show", "proxies", "--json"]);
    assert!(!proxies.contains("instance"), "{proxies}");
}

#[test]
fn redis_benchmark_runs_clean() {
    let Some(cluster) = start() else { return };
    let Some(benchmark) = cluster_fixture::peer("redis-benchmark", "redis-tools") else { return };
    for (id, server) in ["1", "2"].iter().zip(&cluster.nodes) {
        cluster.ok(&["add", id, &server.url()]);
    }
    for server in [&cluster.proxies[0], &cluster.nodes[0]] {
        let output = Command::new(&benchmark)
            .args([
                "-p",
                &server.port().to_string(),
                "-t",
                "set,get,incr,mset",
                "-n",
                "20000",
                "-r",
                "1000",
                "-P",
                "16",
                "-q",
            ])
            .output()
            .unwrap();
        let said = said(&output);
        assert!(output.status.success(), "{said}");
        assert!(!said.contains("ERR") && !said.contains("rror") && !said.contains("WARN"), "{said}");
        assert!(said.contains("requests per second"), "{said}");
    }
}

#[tokio::test]
async fn a_client_library_sees_one_redis() {
    use redis::AsyncCommands as _;
    let Some(cluster) = start() else { return };
    for (id, server) in ["1", "2"].iter().zip(&cluster.nodes) {
        cluster.ok(&["add", id, &server.url()]);
    }
    let client = redis::Client::open(format!("redis://{}", cluster.proxies[0].address())).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let keys: Vec<String> = (0..100).map(|number| format!("key:{number}")).collect();
    let pairs: Vec<(&String, u32)> = keys.iter().zip(0..).collect();
    () = connection.mset(&pairs).await.unwrap();
    let values: Vec<u32> = connection.mget(&keys).await.unwrap();
    assert_eq!(values, (0..100).collect::<Vec<_>>());
    let (a, b): (u32, u32) =
        redis::pipe().incr("key:1", 10).incr("key:2", 10).query_async(&mut connection).await.unwrap();
    assert_eq!((a, b), (11, 12));
    let mut found = std::collections::HashSet::new();
    {
        let mut scan = connection.scan_match::<_, String>("key:*").await.unwrap();
        while let Some(key) = scan.next_item().await {
            found.insert(key.unwrap());
        }
    }
    assert_eq!(found.len(), 100);
    let deleted: u32 = connection.del(&keys).await.unwrap();
    assert_eq!(deleted, 100);
}

#[tokio::test]
async fn the_first_client_may_send_a_long_pipeline_at_once() {
    let Some(cluster) = start() else { return };
    for (id, server) in ["1", "2"].iter().zip(&cluster.nodes) {
        cluster.ok(&["add", id, &server.url()]);
    }
    let proxy = cluster.proxies[1].address();
    let mut connection =
        redis_cluster::client::Connection::connect(&proxy, std::time::Duration::from_secs(5)).await.unwrap();
    let value = "v".repeat(200);
    for number in 0..5000 {
        connection.queue(&["SET", &format!("key:{number}"), &value]);
    }
    connection.flush().await.unwrap();
    for _ in 0..5000 {
        assert_eq!(connection.read().await.unwrap(), redis_cluster::protocol::Value::Simple("OK".into()));
    }
    assert_eq!(connection.call(&["DBSIZE"]).await.unwrap().as_i64(), Some(5000));
}
