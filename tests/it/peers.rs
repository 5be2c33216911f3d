//! The peers that other tests compare with are what these tests think they are.

use cluster_fixture::{etcd, redis_server};
use redis_cluster::{client::Connection, protocol::Value};
use std::time::Duration;

#[tokio::test]
async fn a_real_redis_answers_and_comes_back_after_a_kill() {
    let Some(mut redis) = redis_server() else { return };
    for _ in 0..2 {
        let mut connection = Connection::connect(&redis.address(), Duration::from_secs(5)).await.unwrap();
        assert_eq!(connection.call(&["PING"]).await.unwrap(), Value::Simple("PONG".into()));
        redis.restart();
        assert!(connection.call(&["PING"]).await.is_err());
    }
}

#[test]
fn a_real_etcd_listens() {
    let Some(etcd) = etcd() else { return };
    assert!(cluster_fixture::within(Duration::from_secs(10), || etcd
        .log()
        .contains("ready to serve client requests")));
}
