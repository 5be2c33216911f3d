//! Clients that wait for elements and go away: whatever they were or were not told, every element is delivered once or still there.

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, TcpStream},
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    thread,
    time::{Duration, Instant},
};

use cluster_fixture::{Cluster, Server, node};
use redis_cluster::protocol::{Value, encode_command};

const PATIENCE: Duration = Duration::from_secs(20);

struct Peer(TcpStream, Vec<u8>);

impl Peer {
    fn connect(server: &Server) -> Self {
        let stream = TcpStream::connect(server.address()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self(stream, Vec::new())
    }

    fn send(&mut self, words: &[&str]) {
        let mut bytes = Vec::new();
        encode_command(&mut bytes, words);
        self.0.write_all(&bytes).unwrap();
    }

    /// The next reply; `None` when the server has closed.
    fn receive(&mut self) -> Option<Value> {
        loop {
            if let Some((value, used)) = Value::decode(&self.1).unwrap() {
                self.1.drain(..used);
                return Some(value);
            }
            let mut chunk = [0; 4096];
            match self.0.read(&mut chunk) {
                Ok(0) => return None,
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return None,
                Ok(read) => self.1.extend_from_slice(&chunk[..read]),
                Err(error) => panic!("no reply: {error}"),
            }
        }
    }

    fn ask(&mut self, words: &[&str]) -> Value {
        self.send(words);
        self.receive().expect("the connection stays")
    }

    fn number(&mut self, words: &[&str]) -> i64 {
        match self.ask(words) {
            Value::Integer(number) => number,
            other => panic!("{words:?} gave {other:?}"),
        }
    }
}

fn texts(value: &Value) -> Vec<String> {
    let Value::Array(values) = value else { panic!("{value:?} is no array") };
    values
        .iter()
        .map(|value| String::from_utf8_lossy(value.as_bytes().expect("a string")).into_owned())
        .collect()
}

/// How a client ends in the moment in which it is served.
#[derive(Clone, Copy)]
enum Fate {
    /// `CLIENT KILL` from another connection.
    Killed,
    /// It says that it sends no more, which a server takes for its end.
    HalfClosed,
    /// `CLIENT UNBLOCK`.
    Unblocked,
}

/// Serves and ends so many clients, one after the other, and accounts for every element.
fn serve_and_end(server: &Server, queue: &str, rounds: usize) {
    let (mut producer, mut killer) = (Peer::connect(server), Peer::connect(server));
    let mut delivered = Vec::new();
    for round in 0..rounds {
        let fate = [Fate::Killed, Fate::HalfClosed, Fate::Unblocked][round % 3];
        let mut client = Peer::connect(server);
        let id = client.number(&["CLIENT", "ID"]).to_string();
        match round % 4 {
            0 => client.send(&["BLPOP", queue, "0"]),
            1 => client.send(&["BRPOP", "nothing", queue, "0"]),
            2 => client.send(&["BLMPOP", "0", "1", queue, "LEFT", "COUNT", "3"]),
            _ => client.send(&["BLMOVE", queue, "moved", "LEFT", "RIGHT", "0"]),
        }
        // The two go to the server at once: which is first is decided there.
        let element = format!("{queue}:{round}");
        if round % 2 == 0 {
            producer.send(&["RPUSH", queue, &element]);
        }
        match fate {
            Fate::Killed => killer.send(&["CLIENT", "KILL", "ID", &id]),
            Fate::HalfClosed => client.0.shutdown(Shutdown::Write).unwrap(),
            Fate::Unblocked => killer.send(&["CLIENT", "UNBLOCK", &id]),
        }
        if round % 2 == 1 {
            producer.send(&["RPUSH", queue, &element]);
        }
        producer.receive().expect("the producer stays");
        if !matches!(fate, Fate::HalfClosed) {
            killer.receive().expect("the killer stays");
        }
        if matches!(fate, Fate::Unblocked) {
            // It may not have waited yet when it was to be unblocked.
            client.0.shutdown(Shutdown::Write).unwrap();
        }
        while let Some(reply) = client.receive() {
            match &reply {
                Value::Array(parts) => match parts.as_slice() {
                    [_, Value::Array(_)] => delivered.extend(texts(&parts[1])),
                    [_, element] => delivered
                        .extend(element.as_bytes().map(|bytes| String::from_utf8_lossy(bytes).into_owned())),
                    other => panic!("{other:?}"),
                },
                // A moved element is in the other list, whoever was told.
                Value::Bulk(_) | Value::Null => {}
                other => panic!("{other:?}"),
            }
        }
    }
    let mut all = delivered;
    for list in [queue, "moved"] {
        all.extend(texts(&producer.ask(&["LRANGE", list, "0", "-1"])));
    }
    all.retain(|element| element.starts_with(&format!("{queue}:")));
    all.sort_unstable();
    let mut expected: Vec<String> = (0..rounds).map(|round| format!("{queue}:{round}")).collect();
    expected.sort_unstable();
    assert_eq!(all.len(), expected.len());
    assert_eq!(all, expected);
}

#[test]
fn ten_thousand_clients_go_away_as_they_are_served() {
    let node = node("1");
    thread::scope(|scope| {
        for queue in ["a", "b", "c", "d"] {
            let node = &node;
            scope.spawn(move || serve_and_end(node, queue, 2500));
        }
    });
    let mut peer = Peer::connect(&node);
    let Value::Bulk(info) = peer.ask(&["INFO", "clients"]) else { panic!("INFO gives text") };
    assert!(String::from_utf8_lossy(&info).contains("\r\nblocked_clients:0\r\n"), "somebody still waits");
}

// === keys of several nodes ===

const ELEMENTS: usize = 10_000;
const PRODUCERS: usize = 4;
const CONSUMERS: usize = 12;
/// Lists on all nodes.
const QUEUES: usize = 8;

fn queue(number: usize) -> String {
    format!("queue:{}", number % QUEUES)
}

/// What is shared by those who push, those who wait and who ends those.
#[derive(Default)]
struct Market {
    pushed: AtomicUsize,
    taken: Mutex<Vec<String>>,
    /// Numbers of clients that may be ended.
    waiting: Mutex<Vec<(usize, i64)>>,
    is_over: AtomicBool,
}

/// Waits at lists of several nodes until all is over; comes again when it was ended.
fn consume(market: &Market, proxies: &[Server], consumer: usize) {
    for life in consumer.. {
        let proxy = life % proxies.len();
        let mut client = Peer::connect(&proxies[proxy]);
        let id = client.number(&["CLIENT", "ID"]);
        market.waiting.lock().unwrap().push((proxy, id));
        for request in life.. {
            if market.is_over.load(SeqCst) {
                return;
            }
            let queues = [request, request + 3, request + 6].map(queue);
            let [a, b, c] = [0, 1, 2].map(|at| queues[at].as_str());
            match request % 3 {
                0 => client.send(&["BLPOP", a, b, c, "0.3"]),
                1 => client.send(&["BRPOP", b, c, a, "0.3"]),
                _ => client.send(&["BLMPOP", "0.3", "3", c, a, b, "LEFT", "COUNT", "3"]),
            }
            let elements = match client.receive() {
                None => break,
                Some(Value::Null) => continue,
                Some(Value::Array(parts)) => match parts.as_slice() {
                    [_, Value::Array(_)] => texts(&parts[1]),
                    [_, _] => texts(&Value::Array(parts[1..].to_vec())),
                    other => panic!("{other:?}"),
                },
                Some(other) => panic!("{other:?}"),
            };
            market.taken.lock().unwrap().extend(elements);
        }
    }
}

/// Ends clients while there is something to take.
fn end_consumers(market: &Market, proxies: &[Server]) {
    let mut killers: Vec<Peer> = proxies.iter().map(Peer::connect).collect();
    while market.pushed.load(SeqCst) < ELEMENTS {
        let next = market.waiting.lock().unwrap().pop();
        match next {
            Some((proxy, id)) => {
                killers[proxy].ask(&["CLIENT", "KILL", "ID", &id.to_string()]);
            }
            None => thread::yield_now(),
        }
    }
}

#[test]
fn no_element_is_lost_or_given_twice_though_clients_go_and_slots_move() {
    let Some(cluster) = Cluster::with_members(vec![node("1"), node("2")], "http", 2) else { return };
    let third = node("3");
    let market = Market::default();
    let proxies = &cluster.proxies;
    thread::scope(|scope| {
        for consumer in 0..CONSUMERS {
            let market = &market;
            scope.spawn(move || consume(market, proxies, consumer));
        }
        scope.spawn(|| end_consumers(&market, proxies));
        for producer in 0..PRODUCERS {
            let market = &market;
            scope.spawn(move || {
                let mut peer = Peer::connect(&proxies[producer % proxies.len()]);
                for number in (producer..ELEMENTS).step_by(PRODUCERS) {
                    let side = if number % 2 == 0 { "LPUSH" } else { "RPUSH" };
                    peer.number(&[side, &queue(number / PRODUCERS), &format!("element:{number}")]);
                    market.pushed.fetch_add(1, SeqCst);
                }
            });
        }
        cluster.ok(&["add", "3", &format!("http://{}", third.address())]);
        cluster.ok(&["remove", "3"]);
        // All is pushed, and all is taken.
        let deadline = Instant::now() + 3 * PATIENCE;
        let is_done = || market.taken.lock().unwrap().len() >= ELEMENTS;
        while !is_done() && Instant::now() < deadline {
            thread::yield_now();
        }
        market.is_over.store(true, SeqCst);
    });
    let mut all = market.taken.into_inner().unwrap();
    let mut peer = Peer::connect(&proxies[0]);
    for number in 0..QUEUES {
        assert_eq!(peer.number(&["LLEN", &queue(number)]), 0);
    }
    all.sort_unstable();
    let mut expected: Vec<String> = (0..ELEMENTS).map(|number| format!("element:{number}")).collect();
    expected.sort_unstable();
    assert_eq!(all.len(), expected.len());
    assert!(all == expected, "an element came twice, and another not at all");
}
