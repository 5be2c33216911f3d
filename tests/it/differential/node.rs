//! `redis_node` beside redis-server.

use cluster_fixture::{node, redis_server};
use redis_cluster::{
    node::commands::table::is_implemented,
    protocol::{Value, Version},
};

use super::{
    peer::{Differences, Peer},
    suite::Pair,
};

/// Nothing is refused that redis-server serves, and any two keys may meet in a command.
fn pair<'a>(ours: &'a cluster_fixture::Server, theirs: &'a cluster_fixture::Server) -> Pair<'a> {
    Pair {
        ours,
        theirs,
        refusal: |_| None,
        exceptions: &[],
        files: &[
            ("transactions", include_str!("cases/transactions.txt")),
            ("scripts", include_str!("cases/scripts.txt")),
            ("script-libraries", include_str!("cases/script-libraries.txt")),
            ("functions", include_str!("cases/functions.txt")),
            ("memory", include_str!("cases/memory.txt")),
            ("acl", include_str!("cases/acl.txt")),
        ],
        spans_nodes: true,
        queued: |_| true,
        commands: is_implemented,
        together: |_| true,
    }
}

#[test]
fn chosen_cases() {
    let Some(redis) = redis_server() else { return };
    pair(&node("differential"), &redis).chosen_cases();
}

#[test]
fn requests_by_chance() {
    let Some(redis) = redis_server() else { return };
    pair(&node("differential"), &redis).requests_by_chance(150);
}

#[test]
fn scans_find_the_same_keys() {
    let Some(redis) = redis_server() else { return };
    pair(&node("differential"), &redis).scans_find_the_same_keys();
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

/// The same for lists, short and long, with packs of all sizes; where both were made alike the payload is the same too.
#[test]
fn lists_of_both_are_read_by_both() {
    let Some(redis) = redis_server() else { return };
    let node = node("differential");
    let mut peers =
        [Peer::connect(&node.address(), Version::Resp2), Peer::connect(&redis.address(), Version::Resp2)];
    let mut differences = Differences::default();
    for (fill, count, len) in [
        ("-2", 1, 3),
        ("-2", 70_000, 1),
        ("-2", 5000, 20),
        ("3", 100, 5),
        ("-5", 3000, 300),
        ("-1", 50, 9000),
        ("1", 9, 64),
    ] {
        for peer in &mut peers {
            peer.call(&["DEL", "k"]);
            peer.call(&["CONFIG", "SET", "list-max-listpack-size", fill]);
            let elements: Vec<Vec<u8>> = (0..count)
                .map(|at| if at % 3 == 0 { at.to_string().into() } else { vec![b'a' + (at % 26) as u8; len] })
                .collect();
            for elements in elements.chunks(1000) {
                let mut request = vec![b"RPUSH".to_vec(), b"k".into()];
                request.extend_from_slice(elements);
                peer.call(&request);
            }
        }
        let what = format!("{count} elements of {len} bytes, list-max-listpack-size {fill}");
        let dumps = [0, 1].map(|from| peers[from].value(&["DUMP", "k"]));
        differences.compare(format!("DUMP of {what}"), &dumps[0], &dumps[1]);
        for (from, to) in [(0, 1), (1, 0)] {
            let Value::Bulk(payload) = &dumps[from] else { panic!("DUMP gives bytes") };
            let request =
                [b"RESTORE".to_vec(), b"copy".into(), b"0".into(), payload.to_vec(), b"REPLACE".into()];
            let restored = peers[to].value(&request);
            differences.compare(&what, &restored, &Value::Simple("OK".into()));
            let [got, expected] =
                [(to, "copy"), (from, "k")].map(|(peer, key)| peers[peer].value(&["LRANGE", key, "0", "-1"]));
            differences.compare(&what, &got, &expected);
        }
    }
    differences.none();
}

/// The same for hashes, sets and sorted sets, small and large. Small ones, made alike, have the same payload.
#[test]
fn collections_of_both_are_read_by_both() {
    let Some(redis) = redis_server() else { return };
    let node = node("differential");
    let mut peers =
        [Peer::connect(&node.address(), Version::Resp2), Peer::connect(&redis.address(), Version::Resp2)];
    let mut differences = Differences::default();
    for (command, look) in
        [("HSET", &["HGETALL"][..]), ("SADD", &["SMEMBERS"]), ("ZADD", &["ZRANGE", "0", "-1", "WITHSCORES"])]
    {
        for (count, integers) in
            [(1, false), (5, true), (100, false), (500, true), (3000, false), (3000, true)]
        {
            let elements: Vec<String> = (0..count)
                .flat_map(|at| {
                    let name = if integers { (at * 7919 - 5000).to_string() } else { format!("name {at}") };
                    match command {
                        "HSET" => vec![name, (at * 3).to_string()],
                        "ZADD" => vec![(f64::from(at % 97) / 4.0).to_string(), name],
                        _ => vec![name],
                    }
                })
                .collect();
            for peer in &mut peers {
                peer.call(&["DEL", "k"]);
                for elements in elements.chunks(1000) {
                    let mut request = vec![command.to_owned(), "k".to_owned()];
                    request.extend_from_slice(elements);
                    peer.call(&request);
                }
            }
            let what = format!("{command} of {count}, integers: {integers}");
            let dumps = [0, 1].map(|from| peers[from].value(&["DUMP", "k"]));
            // A small set of strings has no pack in 7.0, and large ones have an order of their own.
            let is_small = match command {
                "HSET" => count <= 500,
                "ZADD" => count <= 100,
                _ => integers && count <= 500,
            };
            if is_small {
                differences.compare(format!("DUMP of {what}"), &dumps[0], &dumps[1]);
            }
            for (from, to) in [(0, 1), (1, 0)] {
                let Value::Bulk(payload) = &dumps[from] else { panic!("DUMP gives bytes") };
                let request =
                    [b"RESTORE".to_vec(), b"copy".into(), b"0".into(), payload.to_vec(), b"REPLACE".into()];
                let restored = peers[to].value(&request);
                differences.compare(&what, &restored, &Value::Simple("OK".into()));
                let shown = [(to, "copy"), (from, "k")].map(|(peer, key)| {
                    let request = [&look[..1], &[key], &look[1..]].concat();
                    let Value::Array(elements) = peers[peer].value(&request) else { panic!("an array") };
                    let mut elements: Vec<String> =
                        elements.iter().map(|element| format!("{element:?}")).collect();
                    elements.sort();
                    elements
                });
                assert_eq!(shown[0], shown[1], "{what} from {from} to {to}");
            }
        }
    }
    differences.none();
}
