//! Fields of hashes that expire, and what newer servers have that the one to compare with has not: replies as the command
//! reference and the tests of Redis 7.4 and 8.0 have them.

use std::{process::Stdio, time::Duration};

use cluster_fixture::{Server, console, etcd, node, proxy, redis_server};
use redis_cluster::{
    client::Connection,
    protocol::{Value, quote},
    time::Millis,
};

const TIMEOUT: Duration = Duration::from_secs(20);

async fn connect(server: &Server) -> Connection {
    Connection::connect(&server.address(), TIMEOUT).await.unwrap()
}

/// A reply as one line.
fn line(value: &Value) -> String {
    match value {
        Value::Null => "nil".to_owned(),
        Value::Integer(number) => number.to_string(),
        Value::Array(elements) => {
            format!("[{}]", elements.iter().map(line).collect::<Vec<_>>().join(" "))
        }
        other => match (other.as_error(), other.as_bytes()) {
            (Some(error), _) => format!("({error})"),
            (None, Some(bytes)) => String::from_utf8_lossy(bytes).into_owned(),
            (None, None) => format!("{other:?}"),
        },
    }
}

async fn ask(connection: &mut Connection, request: &str) -> String {
    let words = quote::split(request.as_bytes()).unwrap();
    line(&connection.call(&words).await.unwrap())
}

/// Requests, and what each of them is answered.
async fn converse(connection: &mut Connection, lines: &str) {
    for line in lines.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (request, expected) = line.split_once(" => ").unwrap_or_else(|| panic!("no reply: {line}"));
        assert_eq!(ask(connection, request).await, expected, "{request}");
    }
}

#[tokio::test]
async fn replies_are_those_of_newer_servers() {
    let server = node("fields");
    let mut connection = connect(&server).await;
    converse(&mut connection, include_str!("hash_fields/replies.txt")).await;
    converse(&mut connection, "CONFIG SET hash-max-listpack-entries 0 => OK\nFLUSHALL => OK").await;
    converse(&mut connection, include_str!("hash_fields/replies.txt")).await;
}

#[tokio::test]
async fn events_say_what_happened() {
    let server = node("fields");
    let (mut connection, mut listener) = (connect(&server).await, connect(&server).await);
    ask(&mut connection, "CONFIG SET notify-keyspace-events KEA").await;
    ask(&mut listener, "SUBSCRIBE __keyspace@0__:h").await;
    for (request, events) in [
        ("HSETEX h EX 100 FIELDS 2 a 1 b 2", &["hset", "hexpire"][..]),
        ("HSET h c 3", &["hset"]),
        ("HPERSIST h FIELDS 2 a c", &["hpersist"]),
        ("HPERSIST h FIELDS 1 a", &[]),
        ("HEXPIRE h 100 FIELDS 2 a none", &["hexpire"]),
        ("HEXPIRE h 10 GT FIELDS 2 a none", &[]),
        ("HGETEX h PERSIST FIELDS 1 a", &["hpersist"]),
        ("HGETEX h EX 10 FIELDS 1 a", &["hexpire"]),
        ("HGETEX h FIELDS 1 a", &[]),
        ("HPEXPIREAT h 1 FIELDS 1 a", &["hdel"]),
        ("HGETDEL h FIELDS 2 b c", &["hdel", "del"]),
        ("HSETEX h PX 30 FIELDS 1 a 1", &["hset", "hexpire", "hexpired", "del"]),
    ] {
        ask(&mut connection, request).await;
        for event in events {
            let message = tokio::time::timeout(TIMEOUT, listener.read()).await.expect(event).unwrap();
            assert_eq!(line(&message), format!("[message __keyspace@0__:h {event}]"), "{request}");
        }
    }
    // Nothing else came.
    ask(&mut connection, "SET h x").await;
    assert_eq!(line(&listener.read().await.unwrap()), "[message __keyspace@0__:h set]");
}

/// Nobody looks at them: fields go all the same, and keys with their last field.
#[tokio::test]
async fn fields_go_that_nobody_looks_at() {
    let server = node("fields");
    let mut connection = connect(&server).await;
    for number in 0..500 {
        ask(&mut connection, &format!("HSETEX gone:{number} PX 20 FIELDS 2 a 1 b 2")).await;
        ask(&mut connection, &format!("HSET stays:{number} c 3")).await;
        ask(&mut connection, &format!("HSETEX stays:{number} PX 20 FIELDS 2 a 1 b 2")).await;
    }
    // Some move on, are written over, or have gone before.
    for number in 0..50 {
        ask(&mut connection, &format!("RENAME stays:{number} moved:{number}")).await;
        ask(&mut connection, &format!("SET stays:{number} text")).await;
        ask(&mut connection, &format!("DEL stays:{}", number + 50)).await;
    }
    let deadline = tokio::time::Instant::now() + TIMEOUT;
    loop {
        let info = connection.call(&["INFO", "all"]).await.unwrap();
        let text = String::from_utf8_lossy(info.as_bytes().unwrap()).into_owned();
        let expired = redis_cluster::protocol::info::number(&text, "expired_subkeys").unwrap();
        // Those that were written over or deleted may have been sooner than their fields' time, or not.
        if ask(&mut connection, "DBSIZE").await == "500" && expired >= 2 * (500 + 350) {
            break;
        }
        assert!(tokio::time::Instant::now() < deadline, "{text}");
    }
    for key in ["moved:0", "moved:49", "stays:499"] {
        assert_eq!(ask(&mut connection, &format!("HGETALL {key}")).await, "[c 3]");
    }
}

/// With its times a hash goes to another node and comes back.
#[tokio::test]
async fn times_are_in_payloads() {
    let servers = [node("one"), node("two")];
    let (mut one, mut two) = (connect(&servers[0]).await, connect(&servers[1]).await);
    let at = Millis::now().0 + 1_000_000;
    for fields in [3, 1_000] {
        for field in 0..fields {
            ask(&mut one, &format!("HSET h f{field} v{field}")).await;
        }
        ask(&mut one, &format!("HPEXPIREAT h {at} FIELDS 1 f1")).await;
        ask(&mut one, &format!("HPEXPIREAT h {} FIELDS 1 f2", at + 5)).await;
        let payload = one.call(&["DUMP", "h"]).await.unwrap();
        let restore: [&[u8]; 5] = [b"RESTORE", b"h", b"0", payload.as_bytes().unwrap(), b"REPLACE"];
        assert_eq!(line(&two.call(&restore).await.unwrap()), "OK");
        let times = ask(&mut two, "HPEXPIRETIME h FIELDS 3 f0 f1 f2").await;
        assert_eq!(times, format!("[-1 {at} {}]", at + 5));
        assert_eq!(ask(&mut two, "HLEN h").await, fields.to_string());
        ask(&mut two, "COPY h copy REPLACE").await;
        assert_eq!(ask(&mut two, "HPEXPIRETIME copy FIELDS 1 f1").await, format!("[{at}]"));
    }
}

/// Slots with such hashes move while fields expire: what lives is there with its time, and what is over is gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn times_move_with_their_slots() {
    const HASHES: usize = 2_000;
    let (Some(etcd), Some(stock)) = (etcd(), redis_server()) else { return };
    let proxy = proxy("1", &etcd.url());
    let nodes = [node("1"), node("2")];
    let console = async |words: &[&str]| {
        let mut command = tokio::process::Command::from(console());
        let output = command.arg(etcd.url()).args(words).stdin(Stdio::null()).output().await.unwrap();
        (
            output.status.success(),
            String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned(),
        )
    };
    let (done, text) = console(&["add", "1", &format!("http://{}", nodes[0].address())]).await;
    assert!(done, "{text}");
    let mut client = connect(&proxy).await;
    let at = Millis::now().0 + 10_000_000;
    for number in 0..HASHES {
        client.queue(&["HSET", &format!("h{number}"), "stays", "1", "later", "2", "soon", "3"]);
        client.queue(&["HPEXPIREAT", &format!("h{number}"), &at.to_string(), "FIELDS", "1", "later"]);
        let soon = (number % 1_000).to_string();
        client.queue(&["HPEXPIRE", &format!("h{number}"), &soon, "FIELDS", "1", "soon"]);
    }
    client.flush().await.unwrap();
    for _ in 0..HASHES {
        assert_eq!(client.read().await.unwrap(), Value::Integer(3));
        assert_eq!(line(&client.read().await.unwrap()), "[1]");
        assert!(matches!(line(&client.read().await.unwrap()).as_str(), "[1]" | "[2]"));
    }
    let (done, text) = console(&["add", "2", &format!("http://{}", nodes[1].address())]).await;
    assert!(done, "{text}");
    let look = async |client: &mut Connection| {
        for number in 0..HASHES {
            client.queue(&["HPEXPIRETIME", &format!("h{number}"), "FIELDS", "2", "stays", "later"]);
        }
        client.flush().await.unwrap();
        for number in 0..HASHES {
            assert_eq!(line(&client.read().await.unwrap()), format!("[-1 {at}]"), "h{number}");
        }
    };
    look(&mut client).await;
    let deadline = tokio::time::Instant::now() + TIMEOUT;
    while ask(&mut client, "HLEN h999").await != "2" {
        assert!(tokio::time::Instant::now() < deadline);
    }
    for server in &nodes {
        let size: usize = ask(&mut connect(server).await, "DBSIZE").await.parse().unwrap();
        assert!(size > HASHES / 3, "{size}");
    }
    // A server that knows no such fields takes none: the plan says so, and all is where it was.
    let (done, text) = console(&["add", "3", &format!("redis://{}", stock.address())]).await;
    assert!(!done, "{text}");
    assert!(text.contains("cannot take the value of \"h") && text.contains("fields expire"), "{text}");
    assert!(!text.contains("again and again"), "{text}");
    look(&mut client).await;
    assert_eq!(ask(&mut connect(&stock).await, "DBSIZE").await, "0");
}
