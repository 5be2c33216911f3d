//! The other protocols on a node's port: HTTP endpoints and gRPC.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

use bytes::Bytes;
use cluster_fixture::{Server, node};
use redis_cluster::server::grpc::v1::{
    Command, DeleteRequest, GetRequest, LiveRequest, SetRequest, control_client::ControlClient,
    redis_client::RedisClient, reply,
};
use tonic::{Code, transport::Channel};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

fn get(server: &Server, path: &str) -> String {
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

async fn channel(server: &Server) -> Channel {
    Channel::from_shared(server.url()).unwrap().connect().await.unwrap()
}

#[test]
fn endpoints() {
    let node = node("1");
    assert!(get(&node, "/healthz").starts_with("HTTP/1.1 200 OK"));
    assert!(get(&node, "/readyz").contains("ready"));
    assert!(get(&node, "/nothing").starts_with("HTTP/1.1 404"));
    let metrics = get(&node, "/metrics");
    assert!(metrics.contains("content-type: text/plain; version=0.0.4"), "{metrics}");
    let body = metrics.split_once("\r\n\r\n").unwrap().1;
    let mut typed = std::collections::HashSet::new();
    for line in body.lines().filter(|line| line.contains(' ')) {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            assert!(typed.insert(rest.split(' ').next().unwrap().to_owned()), "twice: {line}");
        } else if line.starts_with("redis_") {
            let name = line.split(['{', ' ']).next().unwrap();
            assert!(typed.contains(name), "no TYPE before {line}");
            assert!(line.rsplit(' ').next().unwrap().parse::<f64>().is_ok(), "{line}");
        }
    }
    assert!(typed.contains("redis_commands_processed_total"));
}

#[tokio::test]
async fn typed_calls() {
    let node = node("1");
    let mut redis = RedisClient::new(channel(&node).await);
    let key = Bytes::from_static(b"key");
    let set = SetRequest { key: key.clone(), value: "v1".into(), ..SetRequest::default() };
    assert!(redis.set(set.clone()).await.unwrap().into_inner().done);
    let only_new = SetRequest { condition: 1, ..set };
    assert!(!redis.set(only_new).await.unwrap().into_inner().done);
    let get = GetRequest { key: key.clone(), database: 0 };
    assert_eq!(redis.get(get.clone()).await.unwrap().into_inner().value.unwrap(), "v1");
    let elsewhere = GetRequest { database: 3, ..get.clone() };
    assert!(redis.get(elsewhere).await.unwrap().into_inner().value.is_none());
    let nowhere = GetRequest { database: 16, ..get.clone() };
    assert_eq!(redis.get(nowhere).await.unwrap_err().code(), Code::InvalidArgument);
    let delete = |value: &'static str| DeleteRequest {
        key: key.clone(),
        if_value: Some(Bytes::from_static(value.as_bytes())),
        database: 0,
    };
    assert!(!redis.delete(delete("other")).await.unwrap().into_inner().deleted);
    assert!(redis.delete(delete("v1")).await.unwrap().into_inner().deleted);
    assert!(redis.get(get).await.unwrap().into_inner().value.is_none());
}

#[tokio::test]
async fn a_stream_keeps_its_connection_state() {
    let node = node("1");
    let mut redis = RedisClient::new(channel(&node).await);
    let words = ["SELECT 5", "SET k 1", "INCR k", "NOSUCH", "CLIENT REPLY OFF", "GET k"];
    let commands = words.map(|line| Command {
        arguments: line.split(' ').map(|word| Bytes::copy_from_slice(word.as_bytes())).collect(),
        database: 0,
    });
    let mut replies = redis.execute_stream(tokio_stream::iter(commands)).await.unwrap().into_inner();
    let mut seen = Vec::new();
    while let Some(reply) = replies.message().await.unwrap() {
        seen.push(reply.value.unwrap());
    }
    assert_eq!(seen.len(), words.len());
    assert_eq!(seen[2], reply::Value::Integer(2));
    assert!(
        matches!(&seen[3], reply::Value::Error(text) if text.starts_with("ERR unknown command 'NOSUCH'"))
    );
    assert!(matches!(&seen[4], reply::Value::Error(_)));
    assert_eq!(seen[5], reply::Value::Bulk("2".into()));
}

#[tokio::test]
async fn figures_health_and_reflection() {
    let node = node("n1");
    let channel = channel(&node).await;
    let set = SetRequest { key: "k".into(), value: "v".into(), ..SetRequest::default() };
    RedisClient::new(channel.clone()).set(set).await.unwrap();
    let mut live = ControlClient::new(channel.clone())
        .live(LiveRequest { interval_ms: 100 })
        .await
        .unwrap()
        .into_inner();
    for _ in 0..2 {
        let figures = live.message().await.unwrap().unwrap();
        assert_eq!(figures.nodes[0].id, "n1");
        let (used, keys) = (figures.nodes[0].used_memory, figures.nodes[0].keys);
        assert!(figures.nodes[0].reachable && used > 0 && keys == 1, "{used} bytes of {keys} keys");
    }
    let health = HealthClient::new(channel.clone()).check(HealthCheckRequest::default()).await.unwrap();
    assert_eq!(health.into_inner().status, 1);
}

#[tokio::test]
async fn a_password_is_asked_for() {
    let node = node("1");
    let mut redis = RedisClient::new(channel(&node).await);
    let command =
        Command { arguments: ["CONFIG", "SET", "requirepass", "pw"].map(Bytes::from).into(), database: 0 };
    redis.execute(command).await.unwrap();
    let get = GetRequest { key: "k".into(), database: 0 };
    assert_eq!(redis.get(get.clone()).await.unwrap_err().code(), Code::Unauthenticated);
    let mut request = tonic::Request::new(get);
    request.metadata_mut().insert("password", "pw".parse().unwrap());
    assert!(redis.get(request).await.unwrap().into_inner().value.is_none());
}
