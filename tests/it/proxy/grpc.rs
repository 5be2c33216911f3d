//! gRPC through a proxy.

use redis_cluster::server::grpc::v1::{
    CountKeysRequest, DeleteRequest, GetRequest, LiveRequest, SetRequest, TopologyRequest,
    control_client::ControlClient, redis_client::RedisClient,
};
use tonic::transport::{Channel, Endpoint};

use super::*;

async fn channel(server: &Server) -> Channel {
    Endpoint::from_shared(server.url()).unwrap().connect().await.unwrap()
}

#[tokio::test]
async fn grpc_through_a_proxy() {
    let Some(cluster) = Cluster::start().await else { return };
    let channel = channel(&cluster.proxy).await;
    let mut data = RedisClient::new(channel.clone());
    for node in [1, 2] {
        let key = bytes::Bytes::from(key_of(node, 3));
        let set = SetRequest { key: key.clone(), value: "right".into(), ..SetRequest::default() };
        assert!(data.set(set).await.unwrap().into_inner().done);
        for (value, deleted) in [("wrong", false), ("right", true), ("right", false)] {
            let delete = DeleteRequest { key: key.clone(), if_value: Some(value.into()), database: 0 };
            assert_eq!(data.delete(delete).await.unwrap().into_inner().deleted, deleted, "{value}");
        }
        let get = GetRequest { key, database: 0 };
        assert_eq!(data.get(get).await.unwrap().into_inner().value, None);
    }
    let mut control = ControlClient::new(channel);
    let topology = control.topology(TopologyRequest {}).await.unwrap().into_inner();
    assert_eq!(serde_json::from_str::<Topology>(&topology.json).unwrap(), cluster.topology().await);
    let mut live = control.live(LiveRequest { interval_ms: 100 }).await.unwrap().into_inner();
    let seen = async {
        loop {
            let figures = live.message().await.unwrap().unwrap();
            if figures.nodes.len() == 2 && figures.nodes.iter().all(|node| node.reachable) {
                return figures;
            }
        }
    };
    let figures = tokio::time::timeout(TIMEOUT, seen).await.expect("both nodes are reachable");
    assert!(
        figures.nodes.iter().all(|node| node.version.starts_with("redis ") && node.latency_us > 0),
        "{figures:?}"
    );
    assert_eq!(figures.proxy.unwrap().epoch, 1);
}

/// Deleters that expect one value race with each other and with a writer of another one.
async fn delete_if_value_is_atomic(members: Members) {
    let Some(cluster) = Cluster::of(members).await else { return };
    let other = proxy("2", &cluster.etcd.url());
    cluster.proxy_comes_to("2", Epoch(1)).await;
    let deleters = [&cluster.proxy, &other, &cluster.proxy, &other];
    let mut data = Vec::new();
    for proxy in deleters {
        data.push(RedisClient::new(channel(proxy).await));
    }
    let (mut ours, mut writer) = (cluster.connect().await, cluster.connect().await);
    let (mut deleted_first, mut written_first) = (0, 0);
    for round in 0..60 {
        let key = key_of(1 + round % 2, round);
        call(&mut ours, &format!("SET {key} expected")).await;
        let request = DeleteRequest {
            key: bytes::Bytes::from(key.clone()),
            if_value: Some("expected".into()),
            database: 0,
        };
        let deletes = data.iter_mut().map(|data| data.delete(request.clone()));
        let write = async {
            if round % 3 > 0 {
                call(&mut writer, &format!("SET {key} another")).await;
            }
        };
        let (replies, ()) = tokio::join!(futures::future::join_all(deletes), write);
        let deleted = replies.into_iter().filter(|reply| reply.as_ref().unwrap().get_ref().deleted).count();
        let left = call(&mut ours, &format!("GET {key}")).await;
        if round % 3 == 0 {
            assert_eq!((deleted, left), (1, Value::Null), "one of them deletes it");
        } else {
            assert!(deleted <= 1, "{deleted}");
            assert_eq!(left, Value::Bulk("another".into()), "deleted by somebody who expected another value");
            deleted_first += deleted;
            written_first += 1 - deleted;
        }
    }
    eprintln!("{members:?}: deleted first {deleted_first} times, written first {written_first} times");
    if members == Members::Ours {
        return;
    }
    // No string at all.
    call(&mut ours, "RPUSH list expected").await;
    let list = DeleteRequest { key: "list".into(), if_value: Some("expected".into()), database: 0 };
    let status = data[0].delete(list).await.unwrap_err();
    assert!(status.message().contains("WRONGTYPE"), "{status:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn delete_if_value_is_atomic_on_our_nodes() {
    delete_if_value_is_atomic(Members::Ours).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn delete_if_value_is_atomic_on_stock_servers() {
    delete_if_value_is_atomic(Members::Stock).await;
}

#[tokio::test]
async fn a_node_counts_keys_by_slot() {
    let Some(cluster) = Cluster::of(Members::Ours).await else { return };
    let mut ours = cluster.connect().await;
    for number in 0..100 {
        call(&mut ours, &format!("SET {} v", key_of(1, number))).await;
    }
    call(&mut ours, &format!("EXPIRE {} 1000", key_of(1, 7))).await;
    let mut control = ControlClient::new(channel(&cluster.nodes[0]).await);
    let ask =
        |slots: &[&str]| CountKeysRequest { slots: slots.iter().map(|&text| text.to_owned()).collect() };
    let all = control.count_keys(ask(&["0-8191"])).await.unwrap().into_inner().databases;
    assert_eq!(all.iter().map(|of| (of.database, of.keys, of.expires)).collect::<Vec<_>>(), [(0, 100, 1)]);
    let mut parts = 0;
    for slots in ["0", "1-4000", "4001-8191"] {
        let databases = control.count_keys(ask(&[slots])).await.unwrap().into_inner().databases;
        parts += databases.iter().map(|of| of.keys).sum::<u64>();
    }
    assert_eq!(parts, 100);
    assert_eq!(
        control.count_keys(ask(&["9000-8000"])).await.unwrap_err().code(),
        tonic::Code::InvalidArgument
    );
    let mut proxy = ControlClient::new(channel(&cluster.proxy).await);
    assert_eq!(proxy.count_keys(ask(&["0"])).await.unwrap_err().code(), tonic::Code::Unimplemented);
}

/// `google.rpc.Status` has Redis's code and whether the command may have run, in a form that libraries of other languages read.
#[tokio::test]
async fn errors_say_what_and_whether_it_may_have_run() {
    let Some(mut cluster) = Cluster::of(Members::Ours).await else { return };
    let mut data = RedisClient::new(channel(&cluster.proxy).await);
    let list = key_of(2, 5);
    call(&mut cluster.connect().await, &format!("RPUSH {list} a")).await;
    let request = GetRequest { key: list.clone().into(), database: 0 };
    let says = |status: &tonic::Status, word: &str| {
        status.details().windows(word.len()).any(|part| part == word.as_bytes())
    };
    let status = data.get(request.clone()).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::FailedPrecondition, "{status:?}");
    for word in ["type.googleapis.com/google.rpc.ErrorInfo", "WRONGTYPE", "redis.v1", "no"] {
        assert!(says(&status, word), "{word}: {status:?}");
    }
    let wrong = GetRequest { key: list.into(), database: 99 };
    assert_eq!(data.get(wrong).await.unwrap_err().code(), tonic::Code::InvalidArgument);
    // The trace of a caller is in what is logged about its calls.
    cluster.nodes[1].kill();
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7";
    let deadline = Instant::now() + TIMEOUT;
    loop {
        let mut traced = tonic::Request::new(request.clone());
        traced.metadata_mut().insert("traceparent", format!("00-{trace}-01").parse().unwrap());
        let status = data.get(traced).await.unwrap_err();
        if status.code() == tonic::Code::Unavailable {
            assert!(
                says(&status, "CLUSTERDOWN") && status.message().contains("nothing was done"),
                "{status:?}"
            );
            break;
        }
        // It was sent, and the node was gone.
        assert_eq!(status.code(), tonic::Code::Unknown, "{status:?}");
        assert!(says(&status, "unknown") && Instant::now() < deadline, "{status:?}");
    }
    let logged =
        || cluster.proxy.log().lines().any(|line| line.contains(trace) && line.contains("a call failed"));
    assert!(cluster_fixture::within(TIMEOUT, logged), "{}", cluster.proxy.log());
}

/// What grpcurl does first: it asks which services there are, and what their messages are like.
#[tokio::test]
async fn services_are_listed() {
    use tonic_reflection::pb::v1::{
        ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
        server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
    };
    let Some(cluster) = Cluster::start().await else { return };
    let mut reflection = ServerReflectionClient::new(channel(&cluster.proxy).await);
    let ask = |message| ServerReflectionRequest { host: String::new(), message_request: Some(message) };
    let questions = [
        ask(MessageRequest::ListServices(String::new())),
        ask(MessageRequest::FileContainingSymbol("redis.v1.Redis".to_owned())),
    ];
    let answers = reflection.server_reflection_info(futures::stream::iter(questions)).await.unwrap();
    let mut answers = answers.into_inner();
    let answer = answers.message().await.unwrap().unwrap().message_response;
    let Some(MessageResponse::ListServicesResponse(list)) = answer else { panic!("{answer:?}") };
    let names: Vec<&str> = list.service.iter().map(|service| service.name.as_str()).collect();
    for name in ["redis.v1.Redis", "redis.v1.Control", "grpc.health.v1.Health"] {
        assert!(names.contains(&name), "{names:?}");
    }
    let answer = answers.message().await.unwrap().unwrap().message_response;
    assert!(
        matches!(&answer, Some(MessageResponse::FileDescriptorResponse(files)) if !files.file_descriptor_proto.is_empty())
    );
}
