//! `maxmemory` of a node: keys go for what is written, and only those that may.

use std::time::Duration;

use cluster_fixture::{Server, node_with};
use redis_cluster::{client::Connection, protocol::Value};

const TIMEOUT: Duration = Duration::from_secs(20);
/// Keys that are written, of some hundred bytes each.
const KEYS: usize = 50_000;
/// Bytes that there may be beyond what an empty node has.
const ROOM: u64 = 2 << 20;

async fn connect(server: &Server) -> Connection {
    Connection::connect(&server.address(), TIMEOUT).await.unwrap()
}

async fn field(connection: &mut Connection, name: &str) -> u64 {
    let info = connection.call(&["INFO", "all"]).await.unwrap();
    let text = String::from_utf8_lossy(info.as_bytes().unwrap()).into_owned();
    let value =
        redis_cluster::protocol::info::field(&text, name).unwrap_or_else(|| panic!("{name} in {text}"));
    value.parse().unwrap()
}

/// A node with a limit, filled with keys of which every second one expires; what the last one of them was answered.
async fn filled(policy: &str) -> (Server, Connection, u64, Value) {
    let server = node_with("memory", &[]);
    let mut connection = connect(&server).await;
    // The tables of an empty database are not there yet.
    connection.call(&["SET", "first", "x"]).await.unwrap();
    let most = field(&mut connection, "used_memory").await + ROOM;
    let set = ["CONFIG", "SET", "maxmemory", &most.to_string(), "maxmemory-policy", policy];
    assert_eq!(connection.call(&set).await.unwrap(), Value::Simple("OK".into()));
    let value = "v".repeat(100);
    let mut last = Value::Null;
    for number in 0..KEYS {
        let key = format!("key:{number}");
        let mut request = vec!["SET", &key, &value];
        if number % 2 == 0 {
            request.extend(["EX", "10000"]);
        }
        last = connection.call(&request).await.unwrap();
        if last.as_error().is_some() {
            break;
        }
    }
    (server, connection, most, last)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_written_last_is_there_and_what_was_before_has_gone() {
    let (_server, mut connection, most, last) = filled("allkeys-lru").await;
    assert_eq!(last, Value::Simple("OK".into()));
    assert!(field(&mut connection, "evicted_keys").await > 1000);
    // On a busy machine a command does not get to the end of it, and housekeeping does the rest.
    let deadline = tokio::time::Instant::now() + TIMEOUT;
    let mut used = field(&mut connection, "used_memory").await;
    while used > most + most / 50 {
        assert!(tokio::time::Instant::now() < deadline, "{used} of {most}");
        used = field(&mut connection, "used_memory").await;
    }
    assert!(used > most / 2, "{used} of {most}");
    let newest = format!("key:{}", KEYS - 1);
    assert_eq!(connection.call(&["EXISTS", &newest]).await.unwrap(), Value::Integer(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_not_go_stays_until_nothing_more_is_taken() {
    let (_server, mut connection, _, last) = filled("volatile-ttl").await;
    let error = last.as_error().map(std::borrow::Cow::into_owned);
    assert_eq!(error.as_deref(), Some("OOM command not allowed when used memory > 'maxmemory'."));
    let keys = connection.call(&["DBSIZE"]).await.unwrap();
    let Value::Integer(keys) = keys else { panic!("{keys:?}") };
    let evicted = i64::try_from(field(&mut connection, "evicted_keys").await).unwrap();
    assert!(keys > 1000 && evicted > 1000, "{keys} {evicted}");
    // All that is left does not expire, and can be read and deleted.
    assert_eq!(connection.call(&["EXISTS", "key:1"]).await.unwrap(), Value::Integer(1));
    assert_eq!(connection.call(&["EXISTS", "key:0"]).await.unwrap(), Value::Integer(0));
    assert_eq!(connection.call(&["DEL", "key:1"]).await.unwrap(), Value::Integer(1));
    // With another policy there is room again.
    connection.call(&["CONFIG", "SET", "maxmemory-policy", "allkeys-random"]).await.unwrap();
    assert_eq!(connection.call(&["SET", "more", "x"]).await.unwrap(), Value::Simple("OK".into()));
}
