//! What movers rely on: a `PING` on a tracking connection is answered behind the report of every change that was acknowledged before it
//! was sent, whichever thread serves whom. Stock servers give the same, and are asked too.

use std::{
    thread,
    time::{Duration, Instant},
};

use cluster_fixture::{Server, node_with, redis_server};
use redis_cluster::{client::Connection, protocol::Value};

const TIMEOUT: Duration = Duration::from_secs(20);
const WRITES: usize = 3000;

async fn connect(server: &Server) -> Connection {
    Connection::connect(&server.address(), TIMEOUT).await.unwrap()
}

/// Writes, asks, and reads what comes before the answer, so many times.
async fn barrier_holds(server: &Server, name: &str, broadcast: bool) {
    let (mut writer, mut tracker) = (connect(server).await, connect(server).await);
    tracker.call(&["HELLO", "3"]).await.unwrap();
    let ask =
        if broadcast { &["CLIENT", "TRACKING", "ON", "BCAST"][..] } else { &["CLIENT", "TRACKING", "ON"] };
    tracker.call(ask).await.unwrap();
    for number in 0..WRITES {
        let key = format!("{name}:{number}");
        if !broadcast {
            assert_eq!(tracker.call(&["GET", &key]).await.unwrap(), Value::Null);
        }
        let written = match number % 3 {
            0 => writer.call(&["SET", &key, "v"]).await.unwrap(),
            1 => writer.call(&["RPUSH", &key, "v"]).await.unwrap(),
            _ => writer.call(&["INCR", &key]).await.unwrap(),
        };
        assert!(!matches!(written, Value::Error(_)), "{written:?}");
        tracker.queue(&["PING"]);
        tracker.flush().await.unwrap();
        let mut told = false;
        loop {
            match tracker.read().await.unwrap() {
                Value::Simple(pong) => {
                    assert_eq!(pong, "PONG");
                    break;
                }
                Value::Push(parts) => {
                    let [_, Value::Array(keys)] = parts.as_slice() else { panic!("{parts:?}") };
                    told |= keys.iter().any(|told| told.as_bytes() == Some(key.as_bytes()));
                }
                other => panic!("{other:?}"),
            }
        }
        assert!(
            told,
            "{key} was written and acknowledged, and the PING behind it was answered before it was told"
        );
    }
}

/// Readers and writers on all threads at once.
fn on_all_threads(server: &Server) {
    let deadline = Instant::now() + 6 * TIMEOUT;
    thread::scope(|scope| {
        for (name, broadcast) in [("a", true), ("b", true), ("c", false), ("d", false)] {
            scope.spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(barrier_holds(server, name, broadcast));
            });
        }
    });
    assert!(Instant::now() < deadline);
}

#[test]
fn what_was_acknowledged_is_told_before_a_later_ping_is_answered() {
    on_all_threads(&node_with("1", &["--workers", "4"]));
}

#[test]
fn also_by_redis_server() {
    let Some(redis) = redis_server() else { return };
    on_all_threads(&redis);
}
