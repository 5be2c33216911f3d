//! A proxy that ends in order: whose requests are finished, who is told, and how soon.

use std::{
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use cluster_fixture::{console, proxy_with, said};
use redis_cluster::server::grpc::v1::{self, redis_client::RedisClient};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tonic::transport::Endpoint;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use super::*;

/// Reads to the end of the stream, which comes in time and without an error.
async fn rest(stream: &mut tokio::net::TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    let read = tokio::time::timeout(TIMEOUT, stream.read_to_end(&mut all)).await;
    read.expect("the connection is closed").expect("and not reset");
    all
}

/// Sends, and expects exactly this.
async fn talk(stream: &mut tokio::net::TcpStream, words: &str, expected: &str) {
    stream.write_all(words.as_bytes()).await.unwrap();
    let mut reply = vec![0; expected.len()];
    tokio::time::timeout(TIMEOUT, stream.read_exact(&mut reply)).await.unwrap().unwrap();
    assert_eq!(String::from_utf8_lossy(&reply), expected, "{words:?}");
}

async fn get(stream: &mut tokio::net::TcpStream, path: &str) -> String {
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).await.unwrap();
    let (mut text, mut byte) = (Vec::new(), [0]);
    while !text.ends_with(b"\r\n\r\n") {
        tokio::time::timeout(TIMEOUT, stream.read_exact(&mut byte)).await.unwrap().unwrap();
        text.push(byte[0]);
    }
    let text = String::from_utf8(text).unwrap();
    let length =
        text.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap()];
    stream.read_exact(&mut body).await.unwrap();
    text.lines().next().unwrap().to_owned() + "\n" + &String::from_utf8(body).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_runs_is_finished_and_everybody_is_told() {
    let Some(cluster) = Cluster::of(Members::Ours).await else { return };
    let mut proxy = proxy_with("2", &cluster.etcd.url(), &["--drain-delay", "1500"]);
    cluster.proxy_comes_to("2", Epoch(1)).await;
    let connect = async || tokio::net::TcpStream::connect(proxy.address()).await.unwrap();
    let [mut idle, mut hears, mut waits, mut queues, mut sends, mut http] = [
        connect().await,
        connect().await,
        connect().await,
        connect().await,
        connect().await,
        connect().await,
    ];
    let [queued, list] = [key_of(1, 1), key_of(2, 2)];
    talk(&mut idle, "PING\r\n", "+PONG\r\n").await;
    talk(&mut hears, "SUBSCRIBE c\r\n", "*3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n").await;
    waits.write_all(format!("BLPOP {list} 0\r\n").as_bytes()).await.unwrap();
    talk(&mut queues, &format!("MULTI\r\nINCR {queued}\r\n"), "+OK\r\n+QUEUED\r\n").await;
    talk(&mut sends, &format!("SET {queued}x ok\r\n*3\r\n$3\r\nSET\r\n"), "+OK\r\n").await;
    assert!(get(&mut http, "/readyz").await.starts_with("HTTP/1.1 200"));
    let channel = Endpoint::from_shared(proxy.url()).unwrap().connect().await.unwrap();
    let mut health = HealthClient::new(channel.clone());
    let mut watched =
        health.watch(HealthCheckRequest { service: "redis.v1.Redis".to_owned() }).await.unwrap().into_inner();
    assert_eq!(watched.message().await.unwrap().unwrap().status(), ServingStatus::Serving);
    let (commands, stream) = tokio::sync::mpsc::channel(8);
    let stream = futures::stream::unfold(stream, async |mut stream| Some((stream.recv().await?, stream)));
    let mut replies = RedisClient::new(channel).execute_stream(stream).await.unwrap().into_inner();
    let command = v1::Command { arguments: vec!["PING".into()], database: 0 };
    commands.send(command).await.unwrap();
    assert!(replies.message().await.unwrap().is_some());

    let began = Instant::now();
    proxy.signal("TERM");
    // It says so first, and goes on serving.
    let draining = async || {
        let entry = cluster.registry.get("proxies/2").await.unwrap().expect("registered to the end");
        serde_json::from_slice::<ProxyRecord>(&entry.value).unwrap()
    };
    while !draining().await.draining {
        assert!(began.elapsed() < TIMEOUT, "{}", proxy.log());
    }
    let ready = get(&mut http, "/readyz").await;
    assert!(ready.starts_with("HTTP/1.1 503") && ready.contains("drains"), "{ready}");
    talk(&mut connect().await, "PING\r\n", "+PONG\r\n").await;
    assert_eq!(watched.message().await.unwrap().unwrap().status(), ServingStatus::NotServing);
    // Then everybody goes who is between two requests.
    assert_eq!(rest(&mut idle).await, b"");
    assert_eq!(rest(&mut hears).await, b"");
    assert_eq!(rest(&mut waits).await, b"", "nothing came, and nothing was taken");
    assert!(began.elapsed() >= Duration::from_millis(1400), "{:?}", began.elapsed());
    let ended = replies.message().await.unwrap_err();
    assert_eq!(ended.code(), tonic::Code::Unavailable, "{ended:?}");
    assert!(tokio::net::TcpStream::connect(proxy.address()).await.is_err(), "nobody is let in any more");
    // Whoever is in the middle of something is not: and meanwhile the proxy follows the topology like any other.
    let mut topology = cluster.topology().await;
    topology.epoch = Epoch(2);
    put(&cluster.registry, "topology", &topology).await;
    cluster.proxy_comes_to("2", Epoch(2)).await;
    let key = format!("{queued}x");
    let last = format!("${}\r\n{key}\r\n$2\r\nhi\r\nGET {queued}", key.len());
    sends.write_all(last.as_bytes()).await.unwrap();
    assert_eq!(
        rest(&mut sends).await,
        b"+OK\r\n",
        "what was begun is finished, what comes behind it is not begun"
    );
    queues.write_all(b"EXEC\r\n").await.unwrap();
    assert_eq!(rest(&mut queues).await, b"*1\r\n:1\r\n");
    assert!(proxy.wait(TIMEOUT).success(), "{}", proxy.log());
    eprintln!("it ended {:?} after the signal", began.elapsed());
    assert_eq!(cluster.registry.get("proxies/2").await.unwrap(), None);
    let mut other = cluster.connect().await;
    assert_eq!(call(&mut other, &format!("GET {key}")).await, Value::Bulk("hi".into()));
    assert_eq!(
        call(&mut other, &format!("RPUSH {list} a")).await,
        Value::Integer(1),
        "nobody waits any more"
    );
    assert_eq!(call(&mut other, &format!("LLEN {list}")).await, Value::Integer(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_ends_within_the_bound_whatever_clients_do() {
    let Some(cluster) = Cluster::of(Members::Ours).await else { return };
    let mut proxy = proxy_with("2", &cluster.etcd.url(), &["--drain-timeout", "500"]);
    cluster.proxy_comes_to("2", Epoch(1)).await;
    let mut stream = tokio::net::TcpStream::connect(proxy.address()).await.unwrap();
    talk(&mut stream, "MULTI\r\n", "+OK\r\n").await;
    // And one that never reads.
    let mut deaf = Connection::connect(&proxy.address(), TIMEOUT).await.unwrap();
    let large = "x".repeat(8 << 20);
    deaf.call(&["SET", "k", &large]).await.unwrap();
    for _ in 0..20 {
        deaf.queue(&["GET", "k"]);
    }
    deaf.flush().await.unwrap();
    let began = Instant::now();
    proxy.signal("TERM");
    assert!(proxy.wait(TIMEOUT).success());
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(450) && took < Duration::from_secs(4), "{took:?}");
}

/// What a client of two proxies does: it goes to the other one when its connection ends, and to nothing else does it object.
struct Client {
    proxies: [String; 2],
    key: String,
    /// Acknowledged.
    count: i64,
    closed: Arc<AtomicU64>,
}

impl Client {
    async fn connect(&self, turn: usize) -> Connection {
        let began = Instant::now();
        for at in turn.. {
            if let Ok(connection) = Connection::connect(&self.proxies[at % 2], TIMEOUT).await {
                return connection;
            }
            assert!(began.elapsed() < TIMEOUT, "no proxy lets a client in");
        }
        unreachable!("one of them is there")
    }

    async fn run(mut self, first: usize, stop: Arc<AtomicBool>) -> i64 {
        let mut turn = first;
        let mut connection = self.connect(turn).await;
        while !stop.load(Ordering::Relaxed) {
            if self.ask(&mut connection, turn).await.is_err() {
                self.closed.fetch_add(1, Ordering::Relaxed);
                turn += 1;
                // What was not answered has not run.
                connection = loop {
                    let mut connection = self.connect(turn).await;
                    let Ok(value) = connection.call(&["GET", &self.key]).await else { continue };
                    let found = value
                        .as_bytes()
                        .map_or(0, |text| std::str::from_utf8(text).unwrap().parse().unwrap());
                    assert_eq!(found, self.count, "{}: {value:?}", self.key);
                    break connection;
                };
            }
        }
        self.count
    }

    async fn ask(&mut self, connection: &mut Connection, turn: usize) -> Result<(), ()> {
        let key = self.key.clone();
        match (turn + self.count as usize) % 3 {
            0 => {
                let reply = connection.call(&["INCR", &key]).await.map_err(drop)?;
                self.count += 1;
                assert_eq!(reply, Value::Integer(self.count));
            }
            1 => {
                for _ in 0..10 {
                    connection.queue(&["INCR", &key]);
                }
                connection.flush().await.map_err(drop)?;
                for _ in 0..10 {
                    let reply = connection.read().await.map_err(drop)?;
                    self.count += 1;
                    assert_eq!(reply, Value::Integer(self.count));
                }
            }
            _ => {
                let asked = connection.call(&["MULTI"]).await.map_err(drop)?;
                assert_eq!(asked, Value::Simple("OK".into()));
                let queued = connection.call(&["INCR", &key]).await.map_err(drop)?;
                assert_eq!(queued, Value::Simple("QUEUED".into()));
                let reply = connection.call(&["EXEC"]).await.map_err(drop)?;
                self.count += 1;
                assert_eq!(reply, Value::Array(vec![Value::Integer(self.count)]));
            }
        }
        Ok(())
    }
}

/// Clients see no error, and no request ran that was not answered. `DRAINS=100` for a longer look.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_of_two_proxies_see_nothing_but_closed_connections() {
    let Some(mut cluster) = Cluster::of(Members::Ours).await else { return };
    let mut second = proxy("2", &cluster.etcd.url());
    cluster.proxy_comes_to("2", Epoch(1)).await;
    let drains = std::env::var("DRAINS").map_or(4, |text| text.parse().expect("DRAINS is a number"));
    let stop = Arc::new(AtomicBool::new(false));
    let closed = Arc::new(AtomicU64::new(0));
    let clients: Vec<_> = (0..12)
        .map(|number| {
            let client = Client {
                proxies: [cluster.proxy.address(), second.address()],
                key: key_of(1 + number % 2, number),
                count: 0,
                closed: Arc::clone(&closed),
            };
            tokio::spawn(client.run(number / 2, Arc::clone(&stop)))
        })
        .collect();
    let mut longest = Duration::ZERO;
    for round in 0..drains {
        let (id, proxy) = if round % 2 == 0 { ("2", &mut second) } else { ("1", &mut cluster.proxy) };
        let began = Instant::now();
        proxy.signal("TERM");
        assert!(proxy.wait(TIMEOUT).success(), "{}", proxy.log());
        longest = longest.max(began.elapsed());
        proxy.restart();
        cluster.proxy_comes_to(id, Epoch(1)).await;
    }
    stop.store(true, Ordering::Relaxed);
    let mut total = 0;
    for client in clients {
        total += client.await.expect("no client saw anything else");
    }
    let closed = closed.load(Ordering::Relaxed);
    eprintln!(
        "{drains} drains, {total} requests, {closed} connections closed, the longest drain took {longest:?}"
    );
    assert!(closed > 0 && total > 0);
    assert!(longest < Duration::from_secs(5), "{longest:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_console_drains_a_proxy_and_the_other_drives_on() {
    let Some(mut cluster) =
        cluster_fixture::Cluster::with_members(vec![cluster_fixture::node("1")], "http", 2)
    else {
        return;
    };
    let registry = Registry::open(&[cluster.etcd.url()], "default").unwrap();
    let leader = async || Election::leader(&registry).await.unwrap().map(|leader| leader.identity);
    let deadline = Instant::now() + TIMEOUT;
    let drives = loop {
        match leader().await.as_deref() {
            Some("proxy 1") => break 1,
            Some("proxy 2") => break 2,
            _ => assert!(Instant::now() < deadline, "nobody drives"),
        }
    };
    let other = 3 - drives;
    let (id, stays) = (drives.to_string(), other.to_string());
    let (code, text) = cluster.status(&["drain", "proxy", "9"]);
    assert!(code != Some(0) && text.contains("there is no proxy 9; registered are: 1, 2"), "{text}");
    // In the middle of something, so that it is seen draining.
    let mut stream = tokio::net::TcpStream::connect(cluster.proxies[drives - 1].address()).await.unwrap();
    talk(&mut stream, "MULTI\r\n", "+OK\r\n").await;
    let asked = Instant::now();
    cluster.ok(&["drain", "proxy", &id, "--no-wait"]);
    while leader().await != Some(format!("proxy {other}")) {
        assert!(asked.elapsed() < TIMEOUT, "nobody else drives");
    }
    eprintln!("another proxy drives {:?} after the drain was asked for", asked.elapsed());
    assert!(asked.elapsed() < Duration::from_secs(4), "its lease was not waited for: {:?}", asked.elapsed());
    let shown = cluster.ok(&["show", "proxies", "--json"]);
    assert!(shown.contains("draining"), "{shown}");
    let (code, text) = cluster.status(&["drain", "proxy", &stays]);
    assert!(code != Some(0) && text.contains("is the only one that clients can use"), "{text}");
    let waiting = std::thread::spawn({
        let mut command: Command = console();
        command.arg(cluster.etcd.url()).args(["drain", "proxy", &id]);
        move || command.output().unwrap()
    });
    talk(&mut stream, "EXEC\r\n", "*0\r\n").await;
    assert!(cluster.proxies[drives - 1].wait(TIMEOUT).success());
    let output = waiting.join().unwrap();
    // It may have been gone before it was asked again.
    let text = said(&output);
    assert!(
        text.contains("has drained and ended") || text.contains(&format!("there is no proxy {id}")),
        "{text}"
    );
    assert!(!cluster.ok(&["show", "proxies", "--json"]).contains("draining"));
    assert!(cluster.ok(&["show", "audit", "--json"]).contains(&format!("drain proxy {id}")));
}
