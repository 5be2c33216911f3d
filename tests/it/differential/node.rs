//! `redis_node` beside redis-server: chosen cases, and requests by chance.

use std::time::{SystemTime, UNIX_EPOCH};

use cluster_fixture::{node, redis_server};
use redis_cluster::{
    command::{Spec, TABLE},
    node::commands::is_implemented,
    protocol::{Value, Version, quote},
};

use super::{
    compare::agree,
    peer::{Differences, Peer, cases, shown},
    random::{Chance, Pools, request},
};

const FILES: &[(&str, &str)] = &[
    ("strings", include_str!("cases/strings.txt")),
    ("keys", include_str!("cases/keys.txt")),
    ("expiry", include_str!("cases/expiry.txt")),
    ("databases", include_str!("cases/databases.txt")),
    ("connection", include_str!("cases/connection.txt")),
    ("command-errors", include_str!("cases/command-errors.txt")),
    ("lcs", include_str!("cases/lcs.txt")),
];

#[test]
fn chosen_cases() {
    let Some(redis) = redis_server() else { return };
    let node = node("differential");
    let mut differences = Differences::default();
    for version in [Version::Resp2, Version::Resp3] {
        for (file, text) in FILES {
            let (mut ours, mut theirs) =
                (Peer::connect(&node.address(), version), Peer::connect(&redis.address(), version));
            ours.call(&["FLUSHALL"]);
            theirs.call(&["FLUSHALL"]);
            for (line, arguments) in cases(text) {
                let (ours, theirs) = (ours.call(&arguments), theirs.call(&arguments));
                differences.judge(
                    format_args!("{file}: {line} {version:?}"),
                    agree(&arguments, &ours, &theirs),
                    &ours,
                    &theirs,
                );
            }
        }
    }
    differences.none();
}

/// Commands that chance may not call, and why.
const NOT_BY_CHANCE: &[(&str, &str)] = &[
    ("acl", "users are configured, not compared"),
    ("auth", "there is no password; chosen cases"),
    ("client", "names and kills connections; chosen cases"),
    ("config", "settings are each server's own; chosen cases"),
    ("debug", "internals"),
    ("hello", "changes what replies look like; chosen cases"),
    ("quit", "ends the connection"),
    ("reset", "changes what replies look like; chosen cases"),
    ("scan", "cursors are each server's own; a test of its own"),
    ("shutdown", "ends the server"),
    ("info", "figures of the server"),
    ("command", "compared with the whole table elsewhere"),
    ("latency", "figures of the server"),
    ("slowlog", "figures of the server"),
    ("memory", "figures of the server"),
];

fn by_chance(spec: &Spec) -> bool {
    let first = spec.name.split('|').next().unwrap_or_default();
    is_implemented(spec)
        && NOT_BY_CHANCE.iter().all(|(name, _)| *name != first)
        && !spec.name.ends_with("|help")
}

/// Rounds, each beginning with empty servers, and requests of a round. `DIFFERENTIAL_ROUNDS` runs more of them.
const ROUNDS: usize = 150;
const REQUESTS: usize = 80;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().expect("a number"))
}

#[test]
fn requests_by_chance() {
    let Some(redis) = redis_server() else { return };
    let node = node("differential");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    let seed = number("DIFFERENTIAL_SEED").unwrap_or(now.as_nanos() as u64);
    let rounds = number("DIFFERENTIAL_ROUNDS").map_or(ROUNDS, |rounds| rounds as usize);
    eprintln!("DIFFERENTIAL_SEED={seed}");
    let specs: Vec<&Spec> = TABLE.iter().filter(|spec| by_chance(spec)).collect();
    let mut differences = Differences::default();
    for version in [Version::Resp2, Version::Resp3] {
        let mut chance = Chance::new(seed);
        let (mut ours, mut theirs) =
            (Peer::connect(&node.address(), version), Peer::connect(&redis.address(), version));
        let pools = Pools {
            keys: ["k1", "k2", "k3", "{k1}a", "a", "b\0\r\n"].map(|key| key.as_bytes().to_vec()).into(),
            payloads: payloads(&mut theirs),
            now: now.as_secs(),
        };
        for round in 0..rounds {
            for peer in [&mut ours, &mut theirs] {
                peer.call(&["SELECT", "0"]);
                peer.call(&["FLUSHALL"]);
            }
            let mut history = Vec::new();
            for step in 0..REQUESTS {
                // Towards the end, what is there is looked at.
                let request = match REQUESTS - step {
                    left if left <= pools.keys.len() => {
                        vec![b"GET".to_vec(), pools.keys[left - 1].clone()]
                    }
                    _ => {
                        let spec = *chance.pick(specs.as_slice());
                        request(spec, &pools, &mut chance)
                    }
                };
                let (ours, theirs) = (ours.call(&request), theirs.call(&request));
                let same = agree(&request, &ours, &theirs);
                history.push(shown(&request));
                differences.judge(
                    format_args!("{version:?} round {round}:\n        {}", related(&history, &request)),
                    same,
                    &ours,
                    &theirs,
                );
                if !same {
                    break;
                }
            }
        }
    }
    differences.none();
}

/// The requests of the round that name an argument of the last one, or change the database.
fn related(history: &[String], last: &[Vec<u8>]) -> String {
    let names: Vec<String> = last.iter().skip(1).map(|word| quote::repr(word)).collect();
    let about = |line: &&String| {
        names.is_empty()
            || names.iter().any(|name| line.contains(name.as_str()))
            || ["select", "flush", "swapdb"].iter().any(|word| line.to_lowercase().contains(word))
    };
    history.iter().filter(about).cloned().collect::<Vec<_>>().join("\n        ")
}

/// What redis-server makes of a few strings.
fn payloads(redis: &mut Peer) -> Vec<Vec<u8>> {
    let long = "abc ".repeat(100);
    ["", "1", "-200", "70000", "12345678901234567", "text", long.as_str()]
        .iter()
        .map(|value| {
            redis.call(&["SET", "payload", value]);
            let Value::Bulk(payload) = redis.value(&["DUMP", "payload"]) else { panic!("DUMP gives bytes") };
            payload.to_vec()
        })
        .collect()
}

/// `DUMP` of either server is taken by `RESTORE` of the other.
#[test]
fn payloads_of_both_are_read_by_both() {
    let Some(redis) = redis_server() else { return };
    let node = node("differential");
    let mut peers =
        [Peer::connect(&node.address(), Version::Resp2), Peer::connect(&redis.address(), Version::Resp2)];
    let mut differences = Differences::default();
    let incompressible: Vec<u8> =
        (0..5000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    for value in [
        b"".to_vec(),
        b"0".into(),
        b"-1".into(),
        b"127".into(),
        b"128".into(),
        b"-32769".into(),
        b"2147483648".into(),
        b"9223372036854775807".into(),
        b"007".into(),
        b"3.5".into(),
        vec![b'x'; 20],
        vec![b'x'; 21],
        vec![b'x'; 63],
        vec![b'x'; 64],
        vec![0; 16_383],
        vec![0; 16_384],
        b"abc".repeat(30_000),
        incompressible,
    ] {
        for (from, to) in [(0, 1), (1, 0)] {
            peers[from].call(&[b"SET".to_vec(), b"k".into(), value.clone()]);
            let Value::Bulk(payload) = peers[from].value(&["DUMP", "k"]) else { panic!("DUMP gives bytes") };
            let restored = peers[to].value(&[
                b"RESTORE".to_vec(),
                b"k".into(),
                b"0".into(),
                payload.to_vec(),
                b"REPLACE".into(),
            ]);
            let got = peers[to].value(&["GET", "k"]);
            let what = format!("{} bytes from {from} to {to}", value.len());
            differences.compare(&what, &restored, &Value::Simple("OK".into()));
            differences.compare(&what, &got, &Value::Bulk(value.clone().into()));
        }
    }
    differences.none();
}

/// A whole `SCAN`: the same keys, each at least once.
#[test]
fn scans_find_the_same_keys() {
    let Some(redis) = redis_server() else { return };
    let node = node("differential");
    let mut peers =
        [Peer::connect(&node.address(), Version::Resp2), Peer::connect(&redis.address(), Version::Resp2)];
    let mut differences = Differences::default();
    for at in 0..2000 {
        for peer in &mut peers {
            peer.call(&["SET", &format!("key:{at}"), "v"]);
        }
    }
    for options in [
        "",
        "COUNT 1",
        "COUNT 1000",
        "MATCH *7",
        "MATCH key:1?? COUNT 100",
        "TYPE string",
        "TYPE list MATCH *",
        "MATCH nothing",
        "TYPE nosuch",
    ] {
        let [ours, theirs] = [0, 1].map(|peer| scan(&mut peers[peer], options));
        differences.compare(options, &ours, &theirs);
    }
    differences.none();
}

fn scan(peer: &mut Peer, options: &str) -> std::collections::BTreeSet<Vec<u8>> {
    let mut found = std::collections::BTreeSet::new();
    let mut cursor = "0".to_owned();
    loop {
        let mut request = vec!["SCAN".to_owned(), cursor];
        request.extend(options.split_whitespace().map(str::to_owned));
        let reply = peer.value(&request);
        let Value::Array(parts) = &reply else { panic!("SCAN {options}: {reply:?}") };
        let [next, Value::Array(keys)] = parts.as_slice() else { panic!("SCAN {options}: {reply:?}") };
        found.extend(keys.iter().map(|key| key.as_bytes().expect("a key").to_vec()));
        cursor = String::from_utf8_lossy(next.as_bytes().expect("a cursor")).into_owned();
        if cursor == "0" {
            return found;
        }
    }
}
