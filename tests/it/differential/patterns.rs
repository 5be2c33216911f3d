//! Patterns by chance: `KEYS`, and `CONFIG GET` and `COMMAND LIST` where letters of both cases are the same, beside redis-server.

use std::collections::BTreeSet;

use cluster_fixture::{node, redis_server};
use redis_cluster::protocol::{Value, Version};

use super::{
    peer::{Peer, shown},
    random::Chance,
};

const LETTERS: &[u8] = b"aaabbc*?[]^-\\.Az\x00\x7f\x80\xfe\xff";
/// Letters of names of commands, and what makes patterns of them.
const NAMES: &[u8] = b"abegstxABEGSTXZ[]^-\\**??_|";
const ROUNDS: usize = 40;
const PATTERNS: usize = 120;

fn word(chance: &mut Chance, letters: &[u8], longest: usize) -> Vec<u8> {
    (0..chance.below(longest + 1)).map(|_| *chance.pick(letters)).collect()
}

fn names(value: Value) -> BTreeSet<Vec<u8>> {
    let Value::Array(items) = value else { panic!("no list: {value:?}") };
    items.iter().map(|item| item.as_bytes().expect("bytes").to_vec()).collect()
}

#[test]
fn patterns_mean_the_same() {
    let Some(redis) = redis_server() else { return };
    let node = node("patterns");
    let mut peers = [&node, &redis].map(|server| Peer::connect(&server.address(), Version::Resp2));
    let seed = std::env::var("DIFFERENTIAL_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| u64::from(std::process::id()));
    eprintln!("DIFFERENTIAL_SEED={seed}");
    let mut chance = Chance::new(seed);
    let known = names(peers[0].value(&["COMMAND", "LIST"]));
    for round in 0..ROUNDS {
        for peer in &mut peers {
            peer.call(&["FLUSHALL"]);
        }
        for _ in 0..60 {
            let key = word(&mut chance, LETTERS, 8);
            for peer in &mut peers {
                peer.call(&[b"SET", &key[..], b"v"]);
            }
        }
        for _ in 0..PATTERNS {
            let request = [b"KEYS".to_vec(), word(&mut chance, LETTERS, 9)];
            let [ours, theirs] = peers.each_mut().map(|peer| names(peer.value(&request)));
            assert_eq!(ours, theirs, "round {round}: {}", shown(&request));
        }
        // Commands that this version of redis-server has and the table has not are not the pattern's fault.
        for _ in 0..20 {
            let pattern = word(&mut chance, NAMES, 6);
            let request: Vec<Vec<u8>> =
                [b"COMMAND", &b"LIST"[..], b"FILTERBY", b"PATTERN", &pattern].map(<[u8]>::to_vec).into();
            let [ours, theirs] = peers.each_mut().map(|peer| names(peer.value(&request)));
            let theirs: BTreeSet<_> = theirs.intersection(&known).cloned().collect();
            let listed = names(peers[1].value(&["COMMAND", "LIST"]));
            let ours: BTreeSet<_> = ours.intersection(&listed).cloned().collect();
            assert_eq!(ours, theirs, "round {round}: {}", shown(&request));
        }
    }
}

/// Long keys and patterns made to be slow: the same answer, and one that a client waits for.
#[test]
fn long_patterns_are_answered() {
    let Some(redis) = redis_server() else { return };
    let node = node("patterns");
    let mut peers = [&node, &redis].map(|server| Peer::connect(&server.address(), Version::Resp2));
    let key = vec![b'b'; 30_000];
    for peer in &mut peers {
        peer.call(&[b"SET", &key[..], b"v"]);
    }
    for pattern in [
        [b"*[", &key[..], b"]z"].concat(),
        [b"*[", &key[..], b"]"].concat(),
        [b"[", &key[..1000], b"]*"].concat(),
        [b"*", &b"b".repeat(3000)[..], b"a*"].concat(),
        [b"*", &b"[ab]".repeat(3000)[..], b"*"].concat(),
        [b"*", &b"[ab]".repeat(3000)[..], b"z*"].concat(),
    ] {
        let request = [b"KEYS".to_vec(), pattern];
        let [ours, theirs] = peers.each_mut().map(|peer| names(peer.value(&request)));
        assert_eq!(ours, theirs, "{}", &shown(&request)[..40]);
    }
    // Of these there is no end in sight: `KEYS` says so, `SCAN` comes to its end in more steps.
    let ours = &mut peers[0];
    const MANY: usize = 3;
    for number in 0..MANY {
        let key = [&b"b".repeat(100_000)[..], number.to_string().as_bytes()].concat();
        ours.call(&[b"SET", &key[..], b"v"]);
    }
    let pattern = [b"*", &b"[ab]".repeat(50_000)[..], b"z*"].concat();
    let reply = ours.value(&[b"KEYS", &pattern[..]]);
    let error = reply.as_error().expect("an error");
    assert!(error.starts_with("ERR this pattern takes too long"), "{error}");
    let (mut cursor, mut steps) = (b"0".to_vec(), 0);
    loop {
        let reply = ours.value(&[b"SCAN", &cursor[..], b"COUNT", b"1000", b"MATCH", &pattern]);
        let Value::Array(parts) = &reply else { panic!("{reply:?}") };
        assert_eq!(parts[1], Value::Array(Vec::new()));
        cursor = parts[0].as_bytes().expect("a cursor").to_vec();
        steps += 1;
        if cursor == b"0" {
            break;
        }
    }
    assert!((2..=MANY + 2).contains(&steps), "{steps}");
}
