//! Commands about the connection, many in a row: what one of them leaves behind shows in the replies to the next. Node and proxy
//! beside redis-server, with a password and without.

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, TcpStream},
    time::Duration,
};

use cluster_fixture::{Server, node, node_with, proxy_with, redis_server};
use redis_cluster::protocol::{Value, Version, encode_command, quote};

use super::with_their_version;

use super::{peer::Peer, random::Chance};
use crate::proxy::{Cluster, Members};

const TIMEOUT: Duration = Duration::from_secs(20);

const REQUESTS: &[&str] = &[
    "ping",
    "PING x",
    "ping a b",
    "echo x",
    "echo",
    "select 0",
    "select 5",
    "select 05",
    "select 16",
    "select -1",
    "select x",
    "select 99999999999",
    "client getname",
    "client setname me",
    "client setname \"a b\"",
    "client setname \"\"",
    "client reply on",
    "client reply off",
    "client reply skip",
    "CLIENT REPLY SKIP",
    "client reply nosuch",
    "client no-evict on",
    "client no-evict x",
    "client trackinginfo",
    "client getredir",
    "client list type master",
    "client list type nosuch",
    "client list id 99999999",
    "client list id -1",
    "client list id 0 x",
    "client list id",
    "client kill nosuch:1",
    "client kill id 0",
    "client kill type pubsub",
    "client kill user nosuch",
    "client kill user default addr 1.1.1.1:1",
    "client kill skipme x",
    "client kill id 99999999 laddr x type normal",
    "client kill id",
    "reset",
    "RESET",
    "hello",
    "hello 2",
    "hello 3",
    "hello 3",
    "hello 4",
    "hello x",
    "hello 3 auth default pw",
    "hello 3 auth default wrong",
    "hello 3 auth default pw nosuch",
    "hello 3 auth default RIGHT NOSUCH",
    "hello 2 setname n",
    "hello 3 setname \"a b\"",
    "hello 3 setname n auth default pw",
    "hello 3 auth default pw setname n x",
    "hello 3 auth default",
    "auth pw",
    "auth pw",
    "auth wrong",
    "auth default pw",
    "auth nosuch pw",
    "auth a b c",
    "auth",
    "quit",
    "get nothing",
];

/// Everything that is answered to these requests, sent at once.
fn answer(server: &Server, requests: &[&str]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for line in requests {
        encode_command(&mut bytes, &quote::split(line.as_bytes()).expect("balanced"));
    }
    let mut stream = TcpStream::connect(server.address()).expect("it listens");
    stream.set_read_timeout(Some(TIMEOUT)).expect("a timeout");
    stream.write_all(&bytes).expect("it reads");
    stream.shutdown(Shutdown::Write).expect("the end of requests");
    let mut answer = Vec::new();
    // A server that has closed after QUIT resets what was not read of the rest.
    let _ = stream.read_to_end(&mut answer);
    without_ids(&with_their_version(&answer))
}

/// The number of the connection in `HELLO` is each server's own.
pub(super) fn without_ids(answer: &[u8]) -> Vec<u8> {
    const FIELD: &[u8] = b"$2\r\nid\r\n:";
    let mut kept = Vec::new();
    let mut rest = answer;
    while let Some(at) = rest.windows(FIELD.len()).position(|window| window == FIELD) {
        let (before, after) = rest.split_at(at + FIELD.len());
        kept.extend_from_slice(before);
        rest = &after[after.iter().take_while(|byte| byte.is_ascii_digit()).count()..];
    }
    kept.extend_from_slice(rest);
    kept
}

fn same(ours: &Server, theirs: &Server, requests: &[&str]) {
    let [our, their] = [ours, theirs].map(|server| answer(server, requests));
    assert_eq!(
        our.escape_ascii().to_string(),
        their.escape_ascii().to_string(),
        "\n{}\n",
        requests.join("\n")
    );
}

fn sequences(ours: &Server, theirs: &Server, rounds: usize) {
    let seed = std::env::var("DIFFERENTIAL_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| u64::from(std::process::id()));
    eprintln!("DIFFERENTIAL_SEED={seed}");
    same(ours, theirs, &["client reply skip", "reset", "ping"]);
    same(ours, theirs, &["hello 3 auth default RIGHT NOSUCH", "ping"]);
    same(ours, theirs, &["hello 3 auth default pw nosuch", "ping", "hello"]);
    same(ours, theirs, &["client reply off", "reset", "ping", "client reply skip", "ping", "ping"]);
    let mut chance = Chance::new(seed);
    for _ in 0..rounds {
        let mut requests: Vec<&str> = (0..1 + chance.below(14)).map(|_| *chance.pick(REQUESTS)).collect();
        requests.extend(["client reply on", "echo end"]);
        same(ours, theirs, &requests);
    }
}

fn redis_with_password() -> Option<Server> {
    let redis = redis_server()?;
    let set = Peer::connect(&redis.address(), Version::Resp2).value(&["CONFIG", "SET", "requirepass", "pw"]);
    assert_eq!(set, Value::Simple("OK".into()));
    Some(redis)
}

#[test]
fn a_node_keeps_the_same() {
    let (Some(open), Some(closed)) = (redis_server(), redis_with_password()) else { return };
    sequences(&node("1"), &open, 400);
    sequences(&node_with("1", &["--requirepass", "pw"]), &closed, 400);
}

#[tokio::test]
async fn a_proxy_keeps_the_same() {
    let (Some(open), Some(closed)) = (redis_server(), redis_with_password()) else { return };
    let Some(cluster) = Cluster::of(Members::Ours).await else { return };
    sequences(&cluster.proxy, &open, 400);
    let protected = proxy_with("2", &cluster.etcd.url(), &["--requirepass", "pw"]);
    sequences(&protected, &closed, 400);
}

/// Commands that redis-server 7.0 does not have, and settings that are a daemon's own: a proxy's are those of a node.
#[tokio::test]
async fn a_proxy_says_what_a_node_says() {
    let Some(cluster) = Cluster::of(Members::Ours).await else { return };
    for requests in [
        &["client setinfo lib-name x", "client setinfo LIB-VER \"a b\"", "client setinfo nosuch x"][..],
        &["client no-touch on", "client no-touch x", "client no-touch off"],
        &["config get maxmemory", "config get MaxMemory-policy", "config get databases", "config get save"],
        &["config get appendonly", "config get nosuch", "config get cluster-enabled", "config get timeout"],
        &["config get notify-keyspace-events", "config get maxmemor?", "config get tcp-keepalive"],
    ] {
        same(&cluster.proxy, &cluster.nodes[0], requests);
    }
    for server in [&cluster.proxy, &cluster.nodes[0]] {
        // What a library says of itself is no state of the connection that RESET takes back.
        let line = answer(
            server,
            &[
                "client setinfo lib-name lib",
                "client setinfo lib-ver 1",
                "client setname me",
                "reset",
                "client info",
            ],
        );
        let line = String::from_utf8_lossy(&line).into_owned();
        assert!(line.contains("lib-name=lib lib-ver=1") && line.contains(" name= "), "{line}");
        let [first, second] = [(); 2].map(|()| run_id(server));
        assert_eq!(first, second);
        assert!(first.len() == 40 && first.bytes().all(|byte| byte.is_ascii_hexdigit()), "{first:?}");
    }
    assert_ne!(run_id(&cluster.proxy), run_id(&cluster.nodes[0]));
}

fn run_id(server: &Server) -> String {
    let info = String::from_utf8(answer(server, &["info server"])).expect("text");
    info.lines().find_map(|line| line.strip_prefix("run_id:")).expect("a run_id").trim().to_owned()
}
