//! Scripts that came through another proxy, and functions of a node that was not there: what the whole cluster knows.

use redis_cluster::{
    cluster::member::ProxyRecord,
    server::grpc::v1::{ScriptsRequest, control_client::ControlClient},
};

use super::{waiting::array, *};

const BOTH: [Members; 2] = [Members::Stock, Members::Ours];
const LIBRARY: &str = "#!lua name=l\nredis.register_function('f',function(keys,args)return args[1]end)";

fn ok() -> Value {
    Value::Simple("OK".into())
}

async fn at(server: &Server) -> Connection {
    Connection::connect(&server.address(), TIMEOUT).await.unwrap()
}

/// As if the nodes had started again.
async fn flush_nodes(cluster: &Cluster) {
    for node in &cluster.nodes {
        assert_eq!(call(&mut at(node).await, "SCRIPT FLUSH").await, ok());
    }
}

/// The digest that a server of its own gives.
async fn digest(redis: &Server, script: &str) -> String {
    match call(&mut at(redis).await, &format!("SCRIPT LOAD {script}")).await {
        Value::Bulk(digest) => String::from_utf8(digest.to_vec()).unwrap(),
        other => panic!("{other:?} is no digest"),
    }
}

#[tokio::test]
async fn a_script_that_came_through_another_proxy_is_found() {
    for members in BOTH {
        let (Some(cluster), Some(redis)) = (Cluster::of(members).await, redis_server()) else { return };
        let second = proxy("2", &cluster.etcd.url());
        cluster.proxy_comes_to("2", Epoch(1)).await;
        let (mut here, mut there) = (cluster.connect().await, at(&second).await);
        let keys = [key_of(1, 1), key_of(2, 1)];
        // It ran at node 1, through the other proxy.
        let script = "return{KEYS[1]}";
        let known = digest(&redis, script).await;
        call(&mut there, &format!("EVAL {script} 1 {}", keys[0])).await;
        assert_eq!(call(&mut here, &format!("EVALSHA {known} 1 {}", keys[1])).await, array(&[&keys[1]]));
        // SCRIPT EXISTS and transactions ask as well.
        let (listed, queued) = ("return(1)", "return{KEYS[1],1}");
        let unknown = "0123456789012345678901234567890123456789";
        call(&mut there, &format!("EVAL {listed} 1 {}", keys[0])).await;
        assert_eq!(
            call(&mut here, &format!("SCRIPT EXISTS {} {unknown}", digest(&redis, listed).await)).await,
            Value::Array(vec![Value::Integer(1), Value::Integer(0)])
        );
        call(&mut there, &format!("EVAL {queued} 1 {}", keys[0])).await;
        let queued = digest(&redis, queued).await.to_ascii_uppercase();
        for command in
            ["MULTI".to_owned(), format!("EVALSHA {queued} 1 {}", keys[1]), format!("GET {}", keys[1])]
        {
            call(&mut here, &command).await;
        }
        let called = Value::Array(vec![Value::Bulk(keys[1].clone().into()), Value::Integer(1)]);
        assert_eq!(call(&mut here, "EXEC").await, Value::Array(vec![called, Value::Null]));
        let text = error(&call(&mut here, &format!("EVALSHA {unknown} 1 {}", keys[1])).await);
        assert!(text.starts_with("NOSCRIPT"), "{text}");
        // What one has loaded all know, whatever becomes of it.
        let loaded = "return(2)";
        let loaded = match call(&mut there, &format!("SCRIPT LOAD {loaded}")).await {
            Value::Bulk(digest) => String::from_utf8(digest.to_vec()).unwrap(),
            other => panic!("{other:?} is no digest"),
        };
        let deadline = Instant::now() + TIMEOUT;
        loop {
            // Until this proxy has been told: it is asked itself, as the other one asks it.
            let entry = cluster.registry.get("proxies/1").await.unwrap().unwrap();
            let record: ProxyRecord = serde_json::from_slice(&entry.value).unwrap();
            let mut control =
                ControlClient::connect(format!("http://{}", cluster.proxy.address())).await.unwrap();
            let wanted = vec![loaded.clone()];
            let request = ScriptsRequest { instance: record.instance, wanted, ..ScriptsRequest::default() };
            // Who does not know whom it asks is told nothing.
            let stranger = ScriptsRequest { instance: "x".to_owned(), ..request.clone() };
            let refused = control.scripts(stranger).await.unwrap_err();
            assert_eq!(refused.code(), tonic::Code::PermissionDenied);
            if control.scripts(request).await.unwrap().into_inner().sources == [&b"return(2)"[..]] {
                break;
            }
            assert!(Instant::now() < deadline, "it was not told");
        }
        // Flushed is flushed, at all proxies.
        assert_eq!(call(&mut here, "SCRIPT FLUSH").await, ok());
        for connection in [&mut here, &mut there] {
            for digest in [&known, &loaded] {
                let text = error(&call(connection, &format!("EVALSHA {digest} 1 {}", keys[1])).await);
                assert!(text.starts_with("NOSCRIPT"), "{text}");
            }
        }
    }
}

#[tokio::test]
async fn a_proxy_that_outlives_another_has_its_scripts() {
    let Some(cluster) = Cluster::start().await else { return };
    let mut second = proxy("2", &cluster.etcd.url());
    cluster.proxy_comes_to("2", Epoch(1)).await;
    let (mut here, mut there) = (cluster.connect().await, at(&second).await);
    let Value::Bulk(digest) = call(&mut there, "SCRIPT LOAD return(3)").await else { panic!("a digest") };
    let digest = String::from_utf8(digest.to_vec()).unwrap();
    let key = key_of(2, 1);
    // One that sleeps would bring scripts back when it wakes up.
    second.signal("STOP");
    let text = error(&call(&mut here, "SCRIPT FLUSH").await);
    assert!(text.contains("not flushed, because proxy 2 ("), "{text}");
    assert_eq!(call(&mut here, &format!("EVALSHA {digest} 1 {key}")).await, Value::Integer(3));
    second.signal("CONT");
    call(&mut there, "PING").await;
    assert_eq!(call(&mut there, "SCRIPT LOAD return(3)").await, Value::Bulk(digest.clone().into()));
    // One that is dead does not; what it was given the others have.
    let deadline = Instant::now() + TIMEOUT;
    loop {
        flush_nodes(&cluster).await;
        second.signal("STOP");
        let reply = call(&mut here, &format!("EVALSHA {digest} 1 {key}")).await;
        second.signal("CONT");
        if reply == Value::Integer(3) {
            break;
        }
        assert!(Instant::now() < deadline, "{reply:?}");
    }
    second.kill();
    flush_nodes(&cluster).await;
    assert_eq!(call(&mut here, &format!("EVALSHA {digest} 1 {key}")).await, Value::Integer(3));
    assert_eq!(call(&mut here, "SCRIPT FLUSH").await, ok());
    assert!(error(&call(&mut here, &format!("EVALSHA {digest} 1 {key}")).await).starts_with("NOSCRIPT"));
}

/// In a transaction nobody can help any more.
async fn calls_in_a_transaction(connection: &mut Connection, key: &str) -> bool {
    let commands = ["MULTI".to_owned(), format!("FCALL f 1 {key} x"), format!("EXISTS {key}")];
    for command in &commands {
        let reply = call(connection, command).await;
        if let Some(text) = reply.as_error() {
            assert!(!text.contains("Function not found"), "{text}");
        }
    }
    let reply = call(connection, "EXEC").await;
    if let Some(text) = reply.as_error() {
        assert!(!text.contains("Function not found"), "{text}");
        return false;
    }
    assert_eq!(reply, Value::Array(vec![Value::Bulk("x".into()), Value::Integer(0)]));
    true
}

#[tokio::test]
async fn a_node_that_started_again_empty_has_functions_before_it_is_used() {
    for members in BOTH {
        let Some(mut cluster) = Cluster::of(members).await else { return };
        let mut ours = cluster.connect().await;
        ours.call(&["FUNCTION", "LOAD", LIBRARY]).await.unwrap();
        cluster.nodes[1].kill();
        cluster.nodes[1].restart();
        let deadline = Instant::now() + TIMEOUT;
        while !calls_in_a_transaction(&mut ours, &key_of(2, 1)).await {
            assert!(Instant::now() < deadline, "{}", cluster.proxy.log());
        }
    }
}

#[tokio::test]
async fn a_node_that_joins_has_functions_before_its_first_slot() {
    for members in BOTH {
        let Some(cluster) = Cluster::of(members).await else { return };
        let (third, scheme) = match members {
            Members::Stock => (redis_server(), "redis"),
            Members::Ours => (Some(node("3")), "http"),
        };
        let Some(third) = third else { return };
        let mut ours = cluster.connect().await;
        ours.call(&["FUNCTION", "LOAD", LIBRARY]).await.unwrap();
        let record = NodeRecord {
            id: id("3"),
            address: format!("{scheme}://{}", third.address()).parse().unwrap(),
            added_at_ms: 0,
            added_by: "test".to_owned(),
            run_id: String::new(),
            version: String::new(),
        };
        put(&cluster.registry, "nodes/3", &record).await;
        let mut topology = cluster.topology().await;
        topology.epoch = Epoch(2);
        topology.assign(&[slots(8192, SLOTS as u16 - 1)], &id("3"));
        put(&cluster.registry, "topology", &topology).await;
        cluster.comes_to(Epoch(2)).await;
        let deadline = Instant::now() + TIMEOUT;
        while !calls_in_a_transaction(&mut ours, &key_of(2, 1)).await {
            assert!(Instant::now() < deadline, "{}", cluster.proxy.log());
        }
    }
}
