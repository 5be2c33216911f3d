//! Commands that the table does not have, as a module or a newer server would have them. Stock servers whose commands were renamed are such:
//! they describe under the new name where the keys are, and the proxy has never heard of it.

use cluster_fixture::redis_server_with;

use super::*;

/// What both members call some commands.
const RENAMED: &[(&str, &str)] = &[
    ("ZADD", "X.PUT"),
    ("ZRANGE", "X.LIST"),
    ("ZUNIONSTORE", "X.MERGE"),
    ("DBSIZE", "X.COUNT"),
    ("FLUSHDB", "X.CLEAR"),
    ("SORT", "X.ORDER"),
    ("BLPOP", "X.WAIT"),
    ("SWAPDB", "X.SWAP"),
    ("LATENCY", "X.TIMES"),
];
/// What one of them calls another one.
const OF_ONE: (&str, &str) = ("GETDEL", "X.TAKE");

fn renamed(more: &[(&str, &str)]) -> Option<Server> {
    let mut options = vec!["--save", "", "--appendonly", "no"];
    for (name, other) in RENAMED.iter().chain(more) {
        options.extend(["--rename-command", name, other]);
    }
    redis_server_with(&options)
}

/// Two members, of which the second lacks a command, a proxy, and a server like the first.
async fn start() -> Option<(Cluster, Server)> {
    let nodes = vec![renamed(&[OF_ONE])?, renamed(&[])?];
    Some((Cluster::with(nodes, "redis").await?, renamed(&[OF_ONE])?))
}

#[tokio::test]
async fn what_nodes_know_a_proxy_learns() {
    let Some((cluster, single)) = start().await else { return };
    let mut ours = cluster.connect().await;
    let mut redis = Connection::connect(&single.address(), TIMEOUT).await.unwrap();
    let lines = [
        "X.PUT {a}1 1 x 2 y",
        "x.put {b}1 1 x 3 z",
        "X.PUT {b}2 1 y 5 z",
        "X.PUT {c}1 1 x",
        "X.LIST {a}1 0 -1 WITHSCORES",
        "X.List {c}1 0 -1",
        "X.MERGE {b}3 2 {b}1 {b}2",
        "X.LIST {b}3 0 -1 WITHSCORES",
        // No server runs it.
        "X.MERGE {b}3 5 {b}1",
        "X.COUNT",
        "X.PUT {a}1 x y",
        "GET {a}1",
        "NO.SUCH a b",
        "client|list",
        "RPUSH {l}1 3 1 2",
        "X.ORDER {l}1",
        "X.ORDER {l}1 DESC STORE {l}2",
        "LRANGE {l}2 0 -1",
        "MULTI",
        "X.PUT {t}1 1 x",
        "X.LIST {t}1 0 -1",
        "EXEC",
        "MULTI",
        "NO.SUCH",
        "X.PUT {t}1 1 x",
        "EXEC",
        "X.CLEAR",
        "X.COUNT",
        "X.TIMES RESET",
    ];
    for version in ["HELLO 2", "HELLO 3"] {
        for connection in [&mut ours, &mut redis] {
            call(connection, version).await;
        }
        for line in lines {
            let expected = call(&mut redis, line).await;
            assert_eq!(call(&mut ours, line).await, expected, "{line}");
        }
        // What is sent behind a request whose keys a node has to tell comes behind it.
        for connection in [&mut redis, &mut ours] {
            for line in &lines[14..18] {
                connection.queue(&line.split(' ').collect::<Vec<_>>());
            }
            connection.flush().await.unwrap();
        }
        for line in &lines[14..18] {
            assert_eq!(ours.read().await.unwrap(), redis.read().await.unwrap(), "{line}, pipelined");
        }
    }
    call(&mut ours, "X.COUNT").await;
    let mut other = cluster.connect().await;
    let list = call(&mut other, "CLIENT LIST").await;
    assert!(String::from_utf8_lossy(list.as_bytes().unwrap()).contains("cmd=x.count"), "{list:?}");
}

#[tokio::test]
async fn what_cannot_be_done_is_said_with_the_reason() {
    let Some((cluster, _)) = start().await else { return };
    let mut ours = cluster.connect().await;
    let [one, other] = [1, 2].map(|node| key_of(node, 0));
    assert_eq!(call(&mut ours, &format!("SET {one} v")).await, Value::Simple("OK".into()));
    assert_eq!(call(&mut ours, &format!("X.TAKE {one}")).await, Value::Bulk("v".into()));
    let lacking = format!(
        "ERR unknown command 'x.take': node 2 ({}) does not have it, though other nodes do; nothing was done",
        cluster.nodes[1].address()
    );
    assert_eq!(error(&call(&mut ours, &format!("X.TAKE {other}")).await), lacking);
    for (line, expected) in [
        (format!("X.MERGE {one} 1 {other}"), "CROSSSLOT X.MERGE needs all its keys on one node"),
        (format!("X.ORDER {one} STORE {other}"), "CROSSSLOT X.ORDER needs all its keys on one node"),
        ("X.PUT k".to_owned(), "ERR wrong number of arguments for 'x.put' command"),
        ("X.TIMES NOSUCH".to_owned(), "ERR unknown subcommand 'NOSUCH'. Try X.TIMES HELP."),
        (
            format!("X.WAIT {one} 0"),
            "ERR 'x.wait' is not available through a proxy yet: it may wait for others",
        ),
        ("X.SWAP 0 1".to_owned(), "ERR 'x.swap' is not available through a proxy yet: it writes"),
        (
            "X.TIMES DOCTOR".to_owned(),
            "ERR 'x.times doctor' is not available through a proxy yet: the node says that spreading it",
        ),
    ] {
        let text = error(&call(&mut ours, &line).await);
        assert!(text.starts_with(expected), "{line}: {text}");
    }
    call(&mut ours, "MULTI").await;
    for line in ["X.COUNT", "X.ORDER k"] {
        let text = error(&call(&mut ours, line).await);
        assert!(text.contains("is not available inside MULTI through a proxy: "), "{line}: {text}");
    }
    let text = error(&call(&mut ours, "EXEC").await);
    assert!(text.starts_with("EXECABORT"), "{text}");
}

#[tokio::test]
async fn users_may_run_it_by_its_categories() {
    let Some((cluster, _)) = start().await else { return };
    let mut ours = cluster.connect().await;
    assert_eq!(call(&mut ours, "X.PUT mine 1 x").await, Value::Integer(1));
    call(&mut ours, "ACL SETUSER reader on nopass ~mine +@all -@write").await;
    assert_eq!(call(&mut ours, "AUTH reader x").await, Value::Simple("OK".into()));
    assert_eq!(call(&mut ours, "X.LIST mine 0 -1").await, Value::Array(vec![Value::Bulk("x".into())]));
    for (line, expected) in [
        ("X.PUT mine 1 x", "NOPERM this user has no permissions to run the 'x.put' command"),
        (
            "X.LIST yours 0 -1",
            "NOPERM this user has no permissions to access one of the keys used as arguments",
        ),
    ] {
        assert_eq!(error(&call(&mut ours, line).await), expected);
    }
    call(&mut ours, "MULTI").await;
    assert_eq!(call(&mut ours, "X.LIST mine 0 -1").await, Value::Simple("QUEUED".into()));
    let mut admin = cluster.connect().await;
    call(&mut admin, "ACL SETUSER reader -@read").await;
    let text = error(&call(&mut ours, "EXEC").await);
    assert!(text.starts_with("EXECABORT"), "{text}");
}

#[tokio::test]
async fn a_node_that_starts_again_is_asked_again() {
    let directory = tempfile::tempdir().unwrap();
    let names = directory.path().join("names.conf");
    std::fs::write(&names, "rename-command ZADD X.PUT\n").unwrap();
    let include = names.to_str().unwrap();
    let options = ["--save", "", "--appendonly", "no", "--include", include];
    let (Some(one), Some(two)) = (redis_server_with(&options), redis_server_with(&options)) else { return };
    let Some(mut cluster) = Cluster::with(vec![one, two], "redis").await else { return };
    let mut ours = cluster.connect().await;
    assert_eq!(call(&mut ours, "X.PUT k 1 x").await, Value::Integer(1));
    let text = error(&call(&mut ours, "X.PUT k").await);
    assert_eq!(text, "ERR wrong number of arguments for 'x.put' command");
    // What was said is believed for longer than this test takes, but not of a process that has ended.
    std::fs::write(&names, "rename-command STRLEN X.PUT\n").unwrap();
    cluster.nodes.iter_mut().for_each(Server::restart);
    let deadline = Instant::now() + TIMEOUT;
    while call(&mut ours, "X.PUT k").await != Value::Integer(0) {
        assert!(Instant::now() < deadline, "it is not asked for again\n{}", cluster.proxy.log());
        tokio::task::yield_now().await;
    }
}
