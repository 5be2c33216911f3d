//! Scripts and functions through a proxy: what all nodes know, and one that was not there.

use super::{waiting::array, *};

const SCRIPT: &str = "return{KEYS[1],ARGV[1]}";
/// Of no script.
const UNKNOWN: &str = "0123456789012345678901234567890123456789";

fn ok() -> Value {
    Value::Simple("OK".into())
}

/// The digest that the servers have for it.
async fn load(connection: &mut Connection) -> String {
    let Value::Bulk(digest) = call(connection, &format!("SCRIPT LOAD {SCRIPT}")).await else {
        panic!("SCRIPT LOAD gives a digest")
    };
    String::from_utf8(digest.to_vec()).unwrap()
}

#[tokio::test]
async fn a_node_that_lacks_a_script_is_given_it() {
    for members in [Members::Stock, Members::Ours] {
        let Some(cluster) = Cluster::of(members).await else { return };
        let mut ours = cluster.connect().await;
        let keys = [key_of(1, 1), key_of(2, 1)];
        let digest = load(&mut ours).await;
        for node in &cluster.nodes {
            let mut node = Connection::connect(&node.address(), TIMEOUT).await.unwrap();
            let known = call(&mut node, &format!("SCRIPT EXISTS {digest}")).await;
            assert_eq!(known, Value::Array(vec![Value::Integer(1)]));
            // As if it had started again.
            assert_eq!(call(&mut node, "SCRIPT FLUSH").await, ok());
        }
        assert_eq!(
            call(&mut ours, &format!("SCRIPT EXISTS {digest} {UNKNOWN}")).await,
            Value::Array(vec![Value::Integer(1), Value::Integer(0)])
        );
        for key in &keys {
            let called = call(&mut ours, &format!("EVALSHA {digest} 1 {key} x")).await;
            assert_eq!(called, array(&[key, "x"]));
        }
        assert!(
            error(&call(&mut ours, &format!("EVALSHA {UNKNOWN} 1 {} x", keys[0])).await)
                .starts_with("NOSCRIPT")
        );
        // In a transaction too; and a script that was only run.
        for node in &cluster.nodes {
            let mut node = Connection::connect(&node.address(), TIMEOUT).await.unwrap();
            assert_eq!(call(&mut node, "SCRIPT FLUSH").await, ok());
        }
        call(&mut ours, "MULTI").await;
        call(&mut ours, &format!("EVALSHA {digest} 1 {} x", keys[1])).await;
        assert_eq!(call(&mut ours, "EXEC").await, Value::Array(vec![array(&[&keys[1], "x"])]));
        assert_eq!(call(&mut ours, &format!("EVAL return(7) 1 {}", keys[0])).await, Value::Integer(7));
        let mut node = Connection::connect(&cluster.nodes[0].address(), TIMEOUT).await.unwrap();
        let Value::Bulk(seven) = call(&mut node, "SCRIPT LOAD return(7)").await else { panic!("a digest") };
        let seven = String::from_utf8(seven.to_vec()).unwrap();
        assert_eq!(call(&mut ours, &format!("EVALSHA {seven} 1 {}", keys[1])).await, Value::Integer(7));
        // What is flushed is forgotten.
        assert_eq!(call(&mut ours, "SCRIPT FLUSH").await, ok());
        let text = error(&call(&mut ours, &format!("EVALSHA {digest} 1 {} x", keys[0])).await);
        assert!(text.starts_with("NOSCRIPT"), "{text}");
        assert!(error(&call(&mut ours, "SCRIPT KILL").await).starts_with("NOTBUSY"));
        let text = error(&call(&mut ours, &format!("EVAL return(1) 2 {} {}", keys[0], keys[1])).await);
        assert!(text.starts_with("CROSSSLOT EVAL needs"), "{text}");
    }
}

#[tokio::test]
async fn a_node_that_lacks_functions_is_lent_them() {
    const LIBRARY: &str = "#!lua name=l\nredis.register_function('f',function(keys,args)return args[1]end)";
    for members in [Members::Stock, Members::Ours] {
        let Some(cluster) = Cluster::of(members).await else { return };
        let mut ours = cluster.connect().await;
        let loaded = ours.call(&["FUNCTION", "LOAD", LIBRARY]).await.unwrap();
        assert_eq!(loaded, Value::Bulk("l".into()));
        let mut node = Connection::connect(&cluster.nodes[1].address(), TIMEOUT).await.unwrap();
        assert_eq!(call(&mut node, "FUNCTION FLUSH").await, ok());
        for at in [1, 2] {
            assert_eq!(
                call(&mut ours, &format!("FCALL f 1 {} x", key_of(at, 1))).await,
                Value::Bulk("x".into())
            );
        }
        let text = error(&call(&mut ours, &format!("FCALL none 1 {}", key_of(1, 1))).await);
        assert_eq!(text, "ERR Function not found");
        let Value::Array(libraries) = call(&mut ours, "FUNCTION LIST").await else { panic!("libraries") };
        assert_eq!(libraries.len(), 1);
        assert!(matches!(call(&mut ours, "FUNCTION STATS").await, Value::Array(_)));
        assert_eq!(call(&mut ours, "FUNCTION DELETE l").await, ok());
        let text = error(&call(&mut ours, &format!("FCALL f 1 {}", key_of(2, 1))).await);
        assert_eq!(text, "ERR Function not found");
        let text = error(&call(&mut ours, "FUNCTION DELETE l").await);
        assert_eq!(text, "ERR Library not found");
    }
}

/// Who is subscribed to events of keys does not miss those of a node that has forgotten the setting.
#[tokio::test]
async fn a_node_that_starts_again_tells_of_the_same_events() {
    let Some(mut cluster) = Cluster::start().await else { return };
    let mut ours = cluster.connect().await;
    assert_eq!(call(&mut ours, "CONFIG SET notify-keyspace-events Kg").await, ok());
    cluster.nodes[1].restart();
    let mut node = Connection::connect(&cluster.nodes[1].address(), TIMEOUT).await.unwrap();
    let deadline = Instant::now() + TIMEOUT;
    // It is not in use before it has it.
    loop {
        let served = call(&mut ours, &format!("SET {} v", key_of(2, 1))).await;
        if served == ok() {
            break;
        }
        assert!(Instant::now() < deadline, "{served:?}");
        tokio::task::yield_now().await;
    }
    let Value::Array(pair) = call(&mut node, "CONFIG GET notify-keyspace-events").await else {
        panic!("no pair")
    };
    assert_eq!(pair[1], Value::Bulk("gK".into()));
}

/// It blocks its own connection, and nobody who asks for its end.
#[tokio::test]
async fn a_script_without_an_end_is_stopped() {
    let Some(cluster) = Cluster::of(Members::Stock).await else { return };
    let (mut ours, mut other) = (cluster.connect().await, cluster.connect().await);
    let mut node = Connection::connect(&cluster.nodes[0].address(), TIMEOUT).await.unwrap();
    call(&mut node, "CONFIG SET busy-reply-threshold 1").await;
    ours.queue(&["EVAL", "while true do end", "1", &key_of(1, 1)]);
    ours.flush().await.unwrap();
    let deadline = Instant::now() + TIMEOUT;
    while call(&mut other, "SCRIPT KILL").await != ok() {
        assert!(Instant::now() < deadline, "it cannot be stopped");
    }
    let text = error(&ours.read().await.unwrap());
    assert!(text.contains("killed by user"), "{text}");
}

/// A node at work on a script lets in who ends it, in either form of replies and any database.
#[tokio::test(flavor = "multi_thread")]
async fn a_script_without_an_end_is_killed_through_a_proxy() {
    for members in [Members::Stock, Members::Ours] {
        let Some(cluster) = Cluster::of(members).await else { return };
        let set = call(&mut cluster.connect().await, "CONFIG SET busy-reply-threshold 100").await;
        assert_eq!(set, ok());
        for (version, database) in [("2", "0"), ("3", "0"), ("2", "9"), ("3", "9")] {
            let mut runs = cluster.connect().await;
            runs.queue(&["EVAL", "while true do end", "1", &key_of(1, 1)]);
            runs.flush().await.unwrap();
            let mut node = Connection::connect(&cluster.nodes[0].address(), TIMEOUT).await.unwrap();
            let told = async { while call(&mut node, "GET k").await.as_error().is_none() {} };
            tokio::time::timeout(TIMEOUT, told).await.unwrap();
            let mut kills = cluster.connect().await;
            call(&mut kills, &format!("HELLO {version}")).await;
            assert_eq!(call(&mut kills, &format!("SELECT {database}")).await, ok());
            let killed = call(&mut kills, "SCRIPT KILL").await;
            assert_eq!(
                killed,
                ok(),
                "{members:?} RESP{version} database {database}\n{}",
                cluster.proxy.log()
            );
            assert!(error(&runs.read().await.unwrap()).contains("Script killed by user"));
            // What went over the connection that was made for it is not done in another database.
            assert_eq!(call(&mut kills, &format!("SET where {database}")).await, ok());
            call(&mut kills, "WATCH where").await;
            assert_eq!(call(&mut kills, "GET where").await, Value::Bulk(database.to_owned().into()));
            call(&mut kills, "UNWATCH").await;
        }
    }
}
