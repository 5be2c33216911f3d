//! Several connections to a server, which send each other messages and wake each other: what each of them receives, in order. Node,
//! and proxy, beside redis-server.

use std::time::{Duration, Instant};

use cluster_fixture::{Cluster, Server, node, redis_server};
use redis_cluster::protocol::{Value, Version, quote};

use super::{
    connections::without_ids,
    peer::{Differences, Peer},
};

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(10);

const SCRIPTS: &[(&str, &str)] = &[
    ("blocking", include_str!("conversations/blocking.txt")),
    ("waiting-at-several", include_str!("conversations/waiting-at-several.txt")),
    ("pubsub", include_str!("conversations/pubsub.txt")),
    ("pubsub-transactions", include_str!("conversations/pubsub-transactions.txt")),
    ("events", include_str!("conversations/events.txt")),
    ("tracking", include_str!("conversations/tracking.txt")),
    ("tracking-through-proxies", include_str!("conversations/tracking-through-proxies.txt")),
    ("monitor", include_str!("conversations/monitor.txt")),
    ("observe", include_str!("conversations/observe.txt")),
    ("pause", include_str!("conversations/pause.txt")),
    ("acl", include_str!("conversations/acl.txt")),
    ("acl-through-proxies", include_str!("conversations/acl-through-proxies.txt")),
];

/// Those that a proxy has with its clients too.
const THROUGH_A_PROXY: &[&str] =
    &["waiting-at-several", "pubsub", "tracking-through-proxies", "monitor", "pause", "acl-through-proxies"];

/// The connections of a script to one server, by their letters.
struct Party<'a> {
    server: &'a Server,
    version: Version,
    peers: Vec<(char, Peer)>,
    control: Peer,
}

impl<'a> Party<'a> {
    fn new(server: &'a Server, version: Version) -> Self {
        let mut control = Peer::connect(&server.address(), Version::Resp2);
        control.call(&["FLUSHALL"]);
        control.call(&["CONFIG", "SET", "notify-keyspace-events", ""]);
        Self { server, version, peers: Vec::new(), control }
    }

    fn peer(&mut self, name: char) -> &mut Peer {
        if let Some(at) = self.peers.iter().position(|(known, _)| *known == name) {
            return &mut self.peers[at].1;
        }
        self.peers.push((name, Peer::connect(&self.server.address(), self.version)));
        &mut self.peers.last_mut().expect("just added").1
    }

    /// Waits until a field of INFO has this value.
    fn wait_for(&mut self, field: &str, value: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let Value::Bulk(info) = self.control.value(&["INFO"]) else { panic!("INFO gives text") };
            let info = String::from_utf8_lossy(&info).into_owned();
            let found = info.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
            if found == Some(value) {
                return;
            }
            assert!(Instant::now() < deadline, "{field} is {found:?}, not {value}");
            std::thread::yield_now();
        }
    }
}

/// Runs a script on both servers:
///
/// - `a> words` sends a command on connection `a` and compares the reply,
/// - `a! words` sends it and goes on,
/// - `a# ACL LOG words` compares what was denied, without the time and the client,
/// - `a@ SLOWLOG words` compares which commands took long,
/// - `a%` compares what `MONITOR` shows on `a`, without time and address,
/// - `a<` compares what comes next on `a`, `a~` does not, where it is each server's own,
/// - `a= ID` takes the number of connection `a` where later lines say `$a`,
/// - `wait field value` waits until INFO says so.
fn converse(
    name: &str,
    script: &str,
    version: Version,
    servers: [&Server; 2],
    differences: &mut Differences,
) {
    let mut parties = servers.map(|server| Party::new(server, version));
    let mut ids: Vec<(char, [String; 2])> = Vec::new();
    for line in script.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')) {
        eprintln!("{name} {version:?}: {line}");
        if let Some(condition) = line.strip_prefix("wait ") {
            let (field, value) = condition.split_once(' ').expect("a field and a value");
            parties.iter_mut().for_each(|party| party.wait_for(field, value));
            continue;
        }
        let mut letters = line.chars();
        let (who, act) = (letters.next().expect("a connection"), letters.next().expect("an act"));
        let words = quote::split(letters.as_str().trim().as_bytes()).expect("quotes match");
        let said: Vec<Vec<u8>> = parties
            .iter_mut()
            .enumerate()
            .map(|(at, party)| {
                let words: Vec<Vec<u8>> = words
                    .iter()
                    .map(|word| match ids.iter().find(|(id, _)| *word == format!("${id}").as_bytes()) {
                        Some((_, ids)) => ids[at].clone().into_bytes(),
                        None => word.clone(),
                    })
                    .collect();
                let peer = party.peer(who);
                match act {
                    '>' => peer.call(&words),
                    '<' => peer.receive(),
                    '@' => slow(&peer.value(&words)),
                    '#' => denied(&peer.value(&words)),
                    '%' => shown_by_monitor(&peer.receive()),
                    '~' => {
                        assert!(!peer.receive().is_empty(), "{line}: closed");
                        Vec::new()
                    }
                    '=' => {
                        let Value::Integer(id) = peer.value(&["CLIENT", "ID"]) else { panic!("no number") };
                        id.to_string().into_bytes()
                    }
                    '!' => {
                        peer.send(&words);
                        Vec::new()
                    }
                    other => panic!("{other} is no act: {line}"),
                }
            })
            .collect();
        if act == '=' {
            let texts = [0, 1].map(|at| String::from_utf8(said[at].clone()).expect("digits"));
            ids.push((who, texts));
        } else {
            differences.compare(
                format!("{name} {version:?}: {line}"),
                &quote::repr(&without_ids(&said[0])),
                &quote::repr(&without_ids(&said[1])),
            );
        }
    }
}

/// The commands of `SLOWLOG GET`.
fn slow(log: &Value) -> Vec<u8> {
    let Value::Array(entries) = log else { panic!("{log:?} is no log") };
    let shown = entries.iter().map(|entry| match entry {
        Value::Array(fields) => format!("{:?}", fields[3]),
        other => panic!("{other:?} is no entry"),
    });
    shown.collect::<Vec<_>>().join("\n").into_bytes()
}

/// Entries of `ACL LOG` without the time and the line of the client.
fn denied(log: &Value) -> Vec<u8> {
    let Value::Array(entries) = log else { panic!("{log:?} is no log") };
    let shown = entries.iter().map(|entry| match entry {
        Value::Map(fields) => format!("{:?}", &fields[..fields.len() - 2]),
        Value::Array(words) => format!("{:?}", &words[..words.len() - 4]),
        other => panic!("{other:?} is no entry"),
    });
    shown.collect::<Vec<_>>().join("\n").into_bytes()
}

/// A line of `MONITOR` from the database on, the client's address left out.
fn shown_by_monitor(line: &[u8]) -> Vec<u8> {
    let line = String::from_utf8_lossy(line);
    let (before, command) = line.split_once("] ").unwrap_or_else(|| panic!("{line} is no line of MONITOR"));
    let (time, client) = before.split_once(" [").expect("a client in brackets");
    assert!(time.starts_with('+') && time.len() == "+1339518083.107412".len(), "{time}");
    let database = client.split(' ').next().expect("a database");
    format!("{database} {command}").into_bytes()
}

#[test]
fn a_node_says_the_same_to_each() {
    let Some(redis) = redis_server() else { return };
    let node = node("conversations");
    let mut differences = Differences::default();
    for version in [Version::Resp2, Version::Resp3] {
        for (name, script) in SCRIPTS {
            converse(name, script, version, [&node, &redis], &mut differences);
        }
    }
    differences.none();
}

#[test]
fn a_proxy_says_the_same_to_each() {
    let Some(redis) = redis_server() else { return };
    let Some(ours) = Cluster::with_members(vec![node("1"), node("2")], "http", 1) else { return };
    let (Some(one), Some(other)) = (redis_server(), redis_server()) else { return };
    let Some(stock) = Cluster::with_members(vec![one, other], "redis", 1) else { return };
    let mut differences = Differences::default();
    for cluster in [&ours, &stock] {
        for version in [Version::Resp2, Version::Resp3] {
            for (name, script) in SCRIPTS.iter().filter(|(name, _)| THROUGH_A_PROXY.contains(name)) {
                converse(name, script, version, [&cluster.proxies[0], &redis], &mut differences);
            }
        }
    }
    differences.none();
}
