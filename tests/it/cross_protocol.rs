//! HTTP sent to the port by somebody who was led to: no line of it may run, on a node or through a proxy.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

use cluster_fixture::{Server, node, redis_server, within};
use redis_cluster::{client::Connection, protocol::Value};

use crate::proxy::{Cluster, Members};

const TIMEOUT: Duration = Duration::from_secs(20);

/// Request lines and headers that end a connection; those that Redis knows too come first.
const HEADS: [&str; 16] = [
    "POST / HTTP/1.1 x\r\n",
    "post\r\n",
    "Host: localhost:6379\r\n",
    "hOST:\r\n",
    "*1\r\n$4\r\nPoSt\r\n",
    "*2\r\n$5\r\nHost:\r\n$1\r\nx\r\n",
    "PUT / HTTP/1.1\r\nHost: x\r\n\r\n",
    "PUT / HTTP/1.1\r\n\r\n",
    "PATCH /a?b=c HTTP/1.0\n",
    "DELETE / HTTP/1.1\r\n",
    "BREW /pot HTTP/1.1\r\n",
    "put / http/1.1\r\n",
    "get /metrics HTTP/1.1\r\n",
    "PUT / HTTP/2\r\n",
    "GET /metrics HTTP/2\r\n",
    "PUT /\"'quotes HTTP/1.1\r\n",
];
const KNOWN_TO_REDIS: usize = 6;

/// Sends these parts one after the other, and reads until the server closes.
fn answer(server: &Server, parts: &[&[u8]]) -> Vec<u8> {
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream.set_read_timeout(Some(TIMEOUT)).unwrap();
    stream.set_nodelay(true).unwrap();
    for part in parts {
        // It may have closed already.
        let _ = stream.write_all(part);
    }
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Err(error) if error.kind() != ErrorKind::ConnectionReset => panic!("{error}"),
        _ => answer,
    }
}

async fn call(server: &Server, words: &[&str]) -> Value {
    Connection::connect(&server.address(), TIMEOUT).await.unwrap().call(words).await.unwrap()
}

async fn nothing_of_it_runs(server: &Server) {
    let body = "Content-Length: 100\r\n\r\nSET owned 1\r\n*3\r\n$3\r\nSET\r\n$5\r\nowned\r\n$1\r\n2\r\n";
    for head in HEADS {
        let whole = format!("{head}{body}");
        let mut seen = vec![answer(server, &[whole.as_bytes()])];
        // Split over reads, in the line, in the body; and as a later request of a connection that spoke RESP.
        for cut in [1, head.len() - 1, head.len(), head.len() + 25] {
            let (first, rest) = whole.as_bytes().split_at(cut);
            seen.push(answer(server, &[first, rest]));
        }
        seen.push(answer(server, &[b"\r\n\r\n", whole.as_bytes()]));
        for seen in &seen {
            assert!(seen.is_empty(), "{head:?}: {}", seen.escape_ascii());
        }
        let after = answer(server, &[b"*1\r\n$4\r\nPING\r\n", whole.as_bytes()]);
        // What was asked for in the same read is lost with the connection, as in Redis.
        assert!(after.is_empty() || after == b"+PONG\r\n", "{head:?}: {}", after.escape_ascii());
        assert_eq!(call(server, &["GET", "owned"]).await, Value::Null, "{head:?}");
    }
    // Requests of the server's own HTTP side: answered, in HTTP, and not run either.
    let served = answer(
        server,
        &[b"POST /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 13\r\n\r\nSET owned 1\r\n"],
    );
    assert!(served.starts_with(b"HTTP/1.1 404"), "{}", served.escape_ascii());
    assert_eq!(call(server, &["GET", "owned"]).await, Value::Null);
    let logged = || server.log().matches("Possible SECURITY ATTACK detected").count();
    assert!(within(TIMEOUT, || logged() > 0), "{}", server.log());
    assert_eq!(logged(), 1, "{}", server.log());
    assert!(server.log().contains("client=127.0.0.1:"), "{}", server.log());
    // These words are values like others.
    assert_eq!(answer(server, &[b"ECHO 'HTTP/1.1'\r\nQUIT\r\n"]), b"$8\r\nHTTP/1.1\r\n+OK\r\n");
    assert_eq!(call(server, &["ECHO", "POST / HTTP/1.1"]).await, Value::Bulk("POST / HTTP/1.1".into()));
}

#[test]
fn redis_closes_without_a_word_too() {
    let Some(redis) = redis_server() else { return };
    for head in &HEADS[..KNOWN_TO_REDIS] {
        assert_eq!(answer(&redis, &[head.as_bytes(), b"PING\r\n"]), b"", "{head:?}");
    }
}

#[tokio::test]
async fn a_node_runs_nothing_of_it() {
    nothing_of_it_runs(&node("1")).await;
}

#[tokio::test]
async fn a_proxy_runs_nothing_of_it() {
    let Some(cluster) = Cluster::of(Members::Ours).await else { return };
    nothing_of_it_runs(&cluster.proxy).await;
}
