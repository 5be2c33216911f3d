//! A node's connections: what comes back byte for byte, and what does not come back at all.

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpStream},
    time::Duration,
};

use cluster_fixture::{Server, node, redis_server, within};
use redis_cluster::{
    client::Connection,
    protocol::{Value, encode_command},
};

const TIMEOUT: Duration = Duration::from_secs(20);

fn connect(server: &Server) -> TcpStream {
    let address = SocketAddr::from(([127, 0, 0, 1], server.port()));
    let stream = TcpStream::connect_timeout(&address, TIMEOUT).unwrap();
    stream.set_read_timeout(Some(TIMEOUT)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// What a server answers until it closes; a reset counts as a close.
fn read_to_close(stream: &mut TcpStream) -> Vec<u8> {
    let (mut answer, mut buffer) = (Vec::new(), [0; 16 << 10]);
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return answer,
            Ok(count) => answer.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return answer,
            Err(error) => panic!("{error}; so far {:?}", String::from_utf8_lossy(&answer)),
        }
    }
}

/// Everything a server answers to these bytes and the end of the stream.
fn answer(server: &Server, input: &[u8]) -> Vec<u8> {
    let mut stream = connect(server);
    // A server that has already closed does not take the rest.
    let _ = stream.write_all(input);
    let _ = stream.shutdown(Shutdown::Write);
    read_to_close(&mut stream)
}

/// Sends without ending the stream: the server has to close by itself.
fn answer_until_it_closes(server: &Server, input: &[u8]) -> Vec<u8> {
    let mut stream = connect(server);
    let _ = stream.write_all(input);
    read_to_close(&mut stream)
}

fn command(words: &[&str]) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_command(&mut bytes, words);
    bytes
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

async fn client(server: &Server) -> Connection {
    Connection::connect(&server.address(), TIMEOUT).await.unwrap()
}

#[test]
fn protocol_errors_are_those_of_redis_and_close() {
    let Some(redis) = redis_server() else { return };
    let node = node("1");
    let long_line = [b"*".to_vec(), vec![b'1'; 70_000]].concat();
    let long_inline = vec![b'a'; 70_000];
    for input in [
        &b"*x\r\n"[..],
        b"*99999999999\r\n",
        b"*1\r\n+OK\r\n",
        b"*1\r\n$x\r\n",
        b"*1\r\n$-5\r\n",
        b"*1\r\n$99999999999\r\n",
        b"PING\r\n*1\r\nfoo\r\n",
        b"set k \"unbalanced\r\n",
        b"get 'a'b\r\n",
        &long_line,
        &long_inline,
        b"PING\r\nQUIT\r\nPING\r\n",
    ] {
        let (ours, theirs) = (answer_until_it_closes(&node, input), answer_until_it_closes(&redis, input));
        assert_eq!(text(&ours), text(&theirs), "to {:?}", text(&input[..input.len().min(60)]));
        assert!(!ours.is_empty());
    }
}

#[test]
fn pipelines_are_answered_in_order_however_they_arrive() {
    let node = node("1");
    let mut input = Vec::new();
    let mut expected = Vec::new();
    for number in 0..500 {
        input.extend(command(&["ECHO", &format!("value-{number}")]));
        input.extend_from_slice(b"PING\r\n");
        let word = format!("value-{number}");
        expected.extend_from_slice(format!("${}\r\n{word}\r\n+PONG\r\n", word.len()).as_bytes());
    }
    assert_eq!(text(&answer(&node, &input)), text(&expected));
    let mut stream = connect(&node);
    let sample = &input[..600];
    for byte in sample {
        stream.write_all(&[*byte]).unwrap();
    }
    stream.write_all(&input[600..]).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(text(&read_to_close(&mut stream)), text(&expected));
}

#[test]
fn a_large_argument_and_a_reader_that_does_not_read() {
    let node = node("1");
    let value = "x".repeat(24 << 20);
    let mut stream = connect(&node);
    stream.write_all(&command(&["SET", "big", &value])).unwrap();
    // Forty times as much as the node may keep for a client; none of it is read yet.
    stream.write_all(&command(&["GET", "big"]).repeat(40)).unwrap();
    assert_eq!(answer(&node, b"PING\r\n"), b"+PONG\r\n", "another client is served meanwhile");
    let resident = node.resident();
    assert!(resident < 400 << 20, "{resident} bytes while a client does not read");
    stream.shutdown(Shutdown::Write).unwrap();
    let mut total = 0;
    let mut buffer = vec![0; 1 << 20];
    loop {
        match stream.read(&mut buffer).unwrap() {
            0 => break,
            count => total += count,
        }
    }
    let header = format!("${}\r\n", value.len()).len();
    assert_eq!(total, 5 + 40 * (header + value.len() + 2));
}

/// xorshift64*: the same inputs in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % end
    }
}

fn mutated(random: &mut Random) -> Vec<u8> {
    const WORDS: [&[&str]; 8] = [
        &["PING"],
        &["ECHO", "words"],
        &["SET", "key", "value"],
        &["GET", "key"],
        &["MSET", "a", "1", "b", "2"],
        &["DEL", "a", "key"],
        &["STRLEN", "b"],
        &["EXISTS", "key", "a"],
    ];
    let mut bytes = Vec::new();
    for _ in 0..=random.below(4) {
        bytes.extend(command(WORDS[random.below(WORDS.len())]));
    }
    for _ in 0..random.below(5) {
        let at = random.below(bytes.len());
        match random.below(4) {
            // Redis looks for line ends with functions that stop at NUL.
            0 => bytes[at] = 1 + random.below(255) as u8,
            1 => drop(bytes.remove(at)),
            2 => bytes.insert(at, b"*$\r\n0123456789-\"' "[random.below(18)]),
            _ => bytes.truncate(at + 1),
        }
        if bytes.is_empty() {
            bytes.push(b'*');
        }
    }
    // Redis says what is wrong with a line when it is complete, we when it is seen.
    bytes.extend_from_slice(b"\r\n\r\n");
    bytes
}

/// Where the node answers otherwise on purpose: HTTP, on the same port.
fn is_http(answer: &[u8]) -> bool {
    answer.starts_with(b"HTTP/1.1")
}

#[test]
fn ten_thousand_mutated_inputs() {
    let Some(redis) = redis_server() else { return };
    let node = node("1");
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for _ in 0..500 {
        answer(&node, &mutated(&mut random));
    }
    answer(&node, b"FLUSHALL\r\n");
    let before = node.resident();
    for round in 0..10_000 {
        let input = mutated(&mut random);
        let ours = answer(&node, &input);
        let theirs = answer(&redis, &input);
        assert!(
            ours == theirs || is_http(&ours),
            "round {round}, to {:?}:\n{:?}\nredis:\n{:?}",
            text(&input),
            text(&ours),
            text(&theirs)
        );
    }
    assert_eq!(answer(&node, b"PING\r\n"), b"+PONG\r\n");
    assert!(within(TIMEOUT, || node.resident() < before + (8 << 20)), "{before} -> {}", node.resident());
}

#[tokio::test]
async fn limits_and_idle_clients() {
    let node = node("1");
    let mut admin = client(&node).await;
    let ok = Value::Simple("OK".into());
    assert_eq!(admin.call(&["CONFIG", "SET", "maxclients", "2"]).await.unwrap(), ok);
    let _second = client(&node).await;
    let mut third = connect(&node);
    assert_eq!(text(&read_to_close(&mut third)), "-ERR max number of clients reached\r\n");
    assert_eq!(admin.call(&["CONFIG", "SET", "maxclients", "100", "timeout", "1"]).await.unwrap(), ok);
    let mut silent = connect(&node);
    assert_eq!(read_to_close(&mut silent), b"", "closed after a second without a word");
}

#[tokio::test]
async fn a_user_is_fenced() {
    let node = node("1");
    let mut admin = client(&node).await;
    let ok = Value::Simple("OK".into());
    let user = ["ACL", "SETUSER", "proxy", "on", ">secret", "~*", "&*", "+@all"];
    assert_eq!(admin.call(&user).await.unwrap(), ok);
    let mut proxy = client(&node).await;
    assert_eq!(proxy.call(&["AUTH", "proxy", "secret"]).await.unwrap(), ok);
    assert_eq!(proxy.call(&["SET", "k", "1"]).await.unwrap(), ok);
    assert_eq!(admin.call(&["ACL", "SETUSER", "proxy", "off"]).await.unwrap(), ok);
    assert_eq!(admin.call(&["CLIENT", "KILL", "USER", "proxy"]).await.unwrap(), Value::Integer(1));
    assert!(proxy.call(&["SET", "k", "2"]).await.is_err());
    let mut again = client(&node).await;
    let refused = again.call(&["AUTH", "proxy", "secret"]).await.unwrap();
    assert_eq!(refused.as_error().unwrap(), "WRONGPASS invalid username-password pair or user is disabled.");
    assert_eq!(admin.call(&["GET", "k"]).await.unwrap(), Value::Bulk("1".into()));
}

#[test]
fn sigterm_answers_what_was_read_and_exits_0() {
    let mut node = node("1");
    let mut idle = connect(&node);
    assert_eq!(answer(&node, b"SET k v\r\n"), b"+OK\r\n");
    node.signal("TERM");
    assert_eq!(read_to_close(&mut idle), b"");
    assert_eq!(node.wait(TIMEOUT).code(), Some(0));
}

#[test]
fn shutdown_ends_the_node() {
    let mut node = node("1");
    assert_eq!(answer(&node, b"SHUTDOWN NOSAVE\r\n"), b"");
    assert_eq!(node.wait(TIMEOUT).code(), Some(0));
}

#[test]
fn a_busy_port_and_bad_arguments_are_explained() {
    let node = node("1");
    let run = |arguments: &[&str]| {
        let output = std::process::Command::new(cluster_fixture::binary("redis_node"))
            .args(arguments)
            .output()
            .unwrap();
        (output.status.code(), text(&output.stderr))
    };
    let (code, message) = run(&["2", &node.address()]);
    assert!(code == Some(1) && message.contains("address in use by another process"), "{message}");
    let (code, message) = run(&["a/b", ":0"]);
    assert!(code == Some(2) && message.contains("1 to 32 letters"), "{message}");
    let (code, message) = run(&["1", "8001"]);
    assert!(code == Some(2) && message.contains("HOST:PORT"), "{message}");
}

/// Input is read into buffers of the workers: a client has none of its own before half a request waits for the rest.
#[test]
fn an_idle_client_takes_no_buffer() {
    let node = node("1");
    let ask = |stream: &mut TcpStream, words: &[&str]| {
        stream.write_all(&command(words)).unwrap();
        let (mut answer, mut buffer) = (Vec::new(), [0; 16 << 10]);
        while !answer.ends_with(b"\r\n") {
            let count = stream.read(&mut buffer).unwrap();
            assert_ne!(count, 0, "closed");
            answer.extend_from_slice(&buffer[..count]);
        }
        text(&answer)
    };
    let (mut idle, mut other) = (connect(&node), connect(&node));
    let id = ask(&mut idle, &["CLIENT", "ID"]);
    let id = id.trim_start_matches(':').trim_end();
    let mut shown =
        |what: &str| within(TIMEOUT, || ask(&mut other, &["CLIENT", "LIST", "ID", id]).contains(what));
    assert!(shown(" qbuf=0 qbuf-free=0 "), "an idle client keeps a buffer");
    let request = command(&["ECHO", &"x".repeat(100)]);
    idle.write_all(&request[..50]).unwrap();
    assert!(shown(" qbuf=50 "), "half a request is nowhere");
    idle.write_all(&request[50..]).unwrap();
    assert!(shown(" qbuf=0 qbuf-free=0 "), "the buffer of a request that is done is kept");
}
