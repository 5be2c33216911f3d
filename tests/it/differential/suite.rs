//! What is compared with redis-server: chosen cases, requests by chance, and whole scans.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use cluster_fixture::Server;
use redis_cluster::{
    command::{Spec, TABLE},
    protocol::{Value, Version},
};

use super::{
    compare::{Exception, agree, is_exact, spec},
    is_in_redis_7_0,
    peer::{Differences, Peer, cases, decode, shown},
    random::{Chance, Pools, request},
    shrink::shrink,
};

const FILES: &[(&str, &str)] = &[
    ("strings", include_str!("cases/strings.txt")),
    ("keys", include_str!("cases/keys.txt")),
    ("expiry", include_str!("cases/expiry.txt")),
    ("databases", include_str!("cases/databases.txt")),
    ("connection", include_str!("cases/connection.txt")),
    ("command-errors", include_str!("cases/command-errors.txt")),
    ("many-keys", include_str!("cases/many-keys.txt")),
    ("lcs", include_str!("cases/lcs.txt")),
    ("lists", include_str!("cases/lists.txt")),
    ("bitmaps", include_str!("cases/bitmaps.txt")),
    ("hashes", include_str!("cases/hashes.txt")),
    ("places", include_str!("cases/places.txt")),
    ("hyperloglogs", include_str!("cases/hyperloglogs.txt")),
    ("sets", include_str!("cases/sets.txt")),
    ("sort", include_str!("cases/sort.txt")),
    ("sorted sets", include_str!("cases/sorted-sets.txt")),
    ("streams", include_str!("cases/streams.txt")),
    ("stream groups", include_str!("cases/stream-groups.txt")),
    ("transactions on one node", include_str!("cases/transactions-on-one-node.txt")),
];

/// One of ours, and redis-server.
pub(super) struct Pair<'a> {
    pub(super) ours: &'a Server,
    pub(super) theirs: &'a Server,
    /// Words in the error with which ours refuses a request that redis-server serves.
    pub(super) refusal: fn(&[Vec<u8>]) -> Option<&'static str>,
    /// Exceptions besides those of every daemon.
    pub(super) exceptions: &'static [Exception],
    /// Commands that are asked by chance.
    pub(super) commands: fn(&Spec) -> bool,
    /// Chosen cases besides those of every daemon.
    pub(super) files: &'static [(&'static str, &'static str)],
    /// Whether a transaction may have keys of several slots.
    pub(super) spans_nodes: bool,
    /// Commands that may be asked by chance between `MULTI` and `EXEC`, if all keys are of one slot.
    pub(super) queued: fn(&[Vec<u8>]) -> bool,
    /// Whether keys of different slots make sense in a command.
    pub(super) together: fn(&Spec) -> bool,
}

/// What a connection has begun.
#[derive(Clone, Copy, Default)]
struct Bound {
    transaction: bool,
    watching: bool,
}

impl Bound {
    /// With this command too.
    fn after(self, spec: &Spec, words: usize) -> Self {
        match spec.name {
            "multi" => Self { transaction: true, ..self },
            "watch" => Self { watching: true, ..self },
            "exec" if self.transaction => Self::default(),
            // With more words it is refused, and ends nothing.
            "discard" if self.transaction && words == 1 => Self::default(),
            "unwatch" if !self.transaction && words == 1 => Self { watching: false, ..self },
            _ => self,
        }
    }

    fn to_one_node(self, pair: &Pair<'_>) -> bool {
        !pair.spans_nodes && (self.transaction || self.watching)
    }

    /// Whether a request can be asked that leads here.
    fn allows(self, pair: &Pair<'_>, spec: &Spec, request: &[Vec<u8>]) -> bool {
        let is_exact = is_exact(spec) && pair.exceptions.iter().all(|(name, ..)| *name != spec.name);
        (!self.transaction || is_exact)
            && (!self.to_one_node(pair) || (pair.queued)(request))
            && !lives_beyond_time(spec, request)
    }
}

/// `RESTORE` of a key that lives longer than time can tell: redis-server 7.0 wraps around and drops it, a node keeps it.
fn lives_beyond_time(spec: &Spec, request: &[Vec<u8>]) -> bool {
    let ttl = request.get(2).and_then(|word| std::str::from_utf8(word).ok()?.parse::<i64>().ok());
    spec.name == "restore" && ttl.is_some_and(|ttl| ttl > i64::MAX / 2)
}

/// Commands that chance may not call, and why.
const NOT_BY_CHANCE: &[(&str, &str)] = &[
    ("eval", "scripts are texts; chosen cases"),
    ("eval_ro", "scripts are texts; chosen cases"),
    ("evalsha", "scripts are texts; chosen cases"),
    ("evalsha_ro", "scripts are texts; chosen cases"),
    ("script", "scripts are texts; chosen cases"),
    ("acl", "users have tests of their own"),
    ("pfselftest", "takes seconds; its own test"),
    ("auth", "there is no password; chosen cases"),
    ("bgrewriteaof", "goes on in the background; tests of its own"),
    ("bgsave", "goes on in the background; tests of its own"),
    ("save", "needs a directory; tests of its own"),
    ("lastsave", "a time of the server"),
    ("blmove", "waits; chosen cases"),
    ("blmpop", "waits; chosen cases"),
    ("blpop", "waits; chosen cases"),
    ("brpop", "waits; chosen cases"),
    ("brpoplpush", "waits; chosen cases"),
    ("bzmpop", "waits; chosen cases"),
    ("bzpopmax", "waits; chosen cases"),
    ("bzpopmin", "waits; chosen cases"),
    ("client", "names and kills connections; chosen cases"),
    ("config", "settings are each server's own; chosen cases"),
    ("debug", "internals"),
    ("hello", "changes what replies look like; chosen cases"),
    ("monitor", "messages come between replies; conversations"),
    ("pfdebug", "internals"),
    ("lolwut", "each server has a picture of its own"),
    ("wait", "waits; chosen cases"),
    ("psubscribe", "messages come between replies; conversations"),
    ("punsubscribe", "more than one reply; conversations"),
    ("ssubscribe", "messages come between replies; conversations"),
    ("subscribe", "messages come between replies; conversations"),
    ("sunsubscribe", "more than one reply; conversations"),
    ("unsubscribe", "more than one reply; conversations"),
    ("quit", "ends the connection"),
    ("reset", "changes what replies look like; chosen cases"),
    ("scan", "cursors are each server's own; a test of its own"),
    ("xautoclaim", "goes by the time; chosen cases"),
    ("xclaim", "goes by the time; chosen cases"),
    ("xpending", "shows times; chosen cases"),
    ("xread", "waits; chosen cases"),
    ("xreadgroup", "waits; chosen cases"),
    ("shutdown", "ends the server"),
    ("sort", "takes a number for none if redis-server met one out of range before; chosen cases"),
    ("sort_ro", "takes a number for none if redis-server met one out of range before; chosen cases"),
    ("spop", "what is left is chance; chosen cases"),
    ("info", "figures of the server"),
    ("command", "compared with the whole table elsewhere"),
    ("latency", "figures of the server"),
    ("slowlog", "figures of the server"),
    ("memory", "figures of the server"),
];

pub(super) fn by_chance(spec: &Spec) -> bool {
    let first = spec.name.split('|').next().unwrap_or_default();
    is_in_redis_7_0(spec.since)
        && NOT_BY_CHANCE.iter().all(|(name, _)| *name != first)
        && !spec.name.ends_with("|help")
}

/// Requests of a round; each round begins with empty servers. `DIFFERENTIAL_ROUNDS` runs more of them.
const REQUESTS: usize = 120;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().expect("a number"))
}

/// A request about a key.
type Look = fn(&[u8]) -> Vec<Vec<u8>>;

/// What shows a key of each type whole.
const LOOKS: &[Look] = &[
    |key| vec![b"GET".to_vec(), key.to_vec()],
    |key| [&b"LRANGE"[..], key, b"0", b"-1"].map(<[u8]>::to_vec).to_vec(),
    |key| vec![b"SMEMBERS".to_vec(), key.to_vec()],
    |key| vec![b"HGETALL".to_vec(), key.to_vec()],
    |key| [&b"ZRANGE"[..], key, b"0", b"-1", b"WITHSCORES"].map(<[u8]>::to_vec).to_vec(),
    |key| [&b"XRANGE"[..], key, b"-", b"+"].map(<[u8]>::to_vec).to_vec(),
];

/// Any server has removed keys by then whose time has come.
const EXPIRED_ARE_GONE: Duration = Duration::from_secs(5);

impl Pair<'_> {
    fn connect(&self, version: Version) -> [Peer; 2] {
        [self.ours, self.theirs].map(|server| Peer::connect(&server.address(), version))
    }

    /// Asks both, or only ours if it has to refuse. Returns whether they agree.
    fn ask(
        &self,
        [ours, theirs]: &mut [Peer; 2],
        request: &[Vec<u8>],
        differences: &mut Differences,
        what: impl std::fmt::Display,
    ) -> bool {
        let mut our = ours.call(request);
        let (same, their) = match (self.refusal)(request) {
            Some(words) => {
                let refused =
                    matches!(decode(&our), Value::Error(_)) && String::from_utf8_lossy(&our).contains(words);
                (refused, words.as_bytes().to_vec())
            }
            None => {
                let mut their = theirs.call(request);
                // A key written with a time that is past counts until the server's next look for such keys.
                let deadline = Instant::now() + EXPIRED_ARE_GONE;
                while spec(request).is_some_and(|spec| spec.name == "dbsize")
                    && our != their
                    && Instant::now() < deadline
                {
                    our = ours.call(request);
                    their = theirs.call(request);
                }
                (agree(request, &our, &their, self.exceptions), their)
            }
        };
        differences.judge(what, same, &our, &their);
        same
    }

    /// The lines of all case files.
    pub(super) fn chosen_cases(&self) {
        self.cases_of(&[FILES, self.files].concat());
    }

    /// The lines of these.
    pub(super) fn cases_of(&self, files: &[(&str, &str)]) {
        let mut differences = Differences::default();
        for version in [Version::Resp2, Version::Resp3] {
            for (file, text) in files {
                let mut peers = self.connect(version);
                for peer in &mut peers {
                    peer.call(&["FLUSHALL"]);
                }
                for (line, arguments) in cases(text) {
                    let what = format_args!("{file}: {line} {version:?}");
                    self.ask(&mut peers, &arguments, &mut differences, what);
                }
            }
        }
        differences.none();
    }

    /// Rounds of requests that a seed decides.
    pub(super) fn requests_by_chance(&self, rounds: usize) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
        let seed = number("DIFFERENTIAL_SEED").unwrap_or(now.as_nanos() as u64);
        let rounds = number("DIFFERENTIAL_ROUNDS").map_or(rounds, |rounds| rounds as usize);
        eprintln!("DIFFERENTIAL_SEED={seed}");
        let specs: Vec<&Spec> =
            TABLE.iter().filter(|spec| by_chance(spec) && (self.commands)(spec)).collect();
        let mut differences = Differences::default();
        for version in [Version::Resp2, Version::Resp3] {
            let mut chance = Chance::new(seed);
            let mut peers = self.connect(version);
            let pools = Pools {
                keys: ["k1", "k2", "k3", "{k1}a", "a", "b\0\r\n"].map(|key| key.as_bytes().to_vec()).into(),
                payloads: payloads(&mut peers[1]),
                now: now.as_secs(),
            };
            let one_slot = Pools {
                keys: ["k1", "{k1}a", "{k1}b"].map(|key| key.as_bytes().to_vec()).into(),
                ..pools.clone()
            };
            let keys = pools.keys.iter().chain(&one_slot.keys[1..]);
            let looked_at: Vec<_> = keys.flat_map(|key| LOOKS.iter().map(move |look| look(key))).collect();
            for round in 0..rounds {
                peers.iter_mut().for_each(begin);
                let mut history = Vec::new();
                let mut bound = Bound::default();
                for step in 0..REQUESTS {
                    // Towards the end, what is there is looked at.
                    let request = match REQUESTS - step {
                        left if left <= looked_at.len() => looked_at[left - 1].clone(),
                        left if left == looked_at.len() + 1 => vec![b"DISCARD".to_vec()],
                        _ => loop {
                            let spec = *chance.pick(specs.as_slice());
                            let bound = bound.after(spec, 1);
                            let any = !bound.to_one_node(self) && ((self.together)(spec) || chance.one_in(4));
                            let request = request(spec, if any { &pools } else { &one_slot }, &mut chance);
                            if bound.allows(self, spec, &request) {
                                break request;
                            }
                        },
                    };
                    if let Some(spec) = spec(&request) {
                        bound = bound.after(spec, request.len());
                    }
                    let same = self.ask(&mut peers, &request, &mut differences, "");
                    history.push(request);
                    if !same {
                        let shown = self.fewest(version, &history).join("\n        ");
                        differences.explain_last(&format!("{version:?} round {round}:\n        {shown}"));
                        break;
                    }
                }
            }
        }
        differences.none();
    }

    /// The fewest requests that end in a difference, as text.
    fn fewest(&self, version: Version, history: &[Vec<Vec<u8>>]) -> Vec<String> {
        let differ = |requests: &[Vec<Vec<u8>>]| {
            let mut peers = self.connect(version);
            peers.iter_mut().for_each(begin);
            let mut unheard = Differences::default();
            let mut same = true;
            for request in requests {
                same = self.ask(&mut peers, request, &mut unheard, "");
            }
            !same
        };
        shrink(history, differ).iter().map(|request| shown(request)).collect()
    }

    /// A whole `SCAN`: the same keys, each at least once.
    pub(super) fn scans_find_the_same_keys(&self) {
        let mut peers = self.connect(Version::Resp2);
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
}

/// A round begins with nothing. A transaction may be open, or keys watched.
pub(super) fn begin(peer: &mut Peer) {
    for request in [&["DISCARD"][..], &["UNWATCH"], &["SELECT", "0"], &["FLUSHALL"]] {
        peer.call(request);
    }
}

/// What redis-server makes of a few values of each type.
fn payloads(redis: &mut Peer) -> Vec<Vec<u8>> {
    let long = "abc ".repeat(100);
    let numbers: String = (0..600).map(|number| format!("{number} ")).collect();
    let words: String = (0..200).map(|number| format!("word{number} {number}.25 ")).collect();
    let scores: String = (0..200).map(|number| format!("{number}.25 word{number} ")).collect();
    let of = |command: &str, values: &[&str]| {
        let requests = values.iter().map(|values| {
            let mut request = vec![command.to_owned(), "payload".to_owned()];
            request.extend(values.split_ascii_whitespace().map(str::to_owned));
            request
        });
        requests.collect::<Vec<_>>()
    };
    let strings = ["", "1", "-200", "70000", "12345678901234567", "text", long.as_str()];
    let strings = strings.iter().map(|value| ["SET", "payload", value].map(str::to_owned).to_vec());
    let others = [
        of("RPUSH", &["1", "a b c", "1 -1 300 70000 5000000000 text", long.as_str()]),
        of("SADD", &["1 2 3", "1 70000 -5000000000", "a b 1", &numbers, &words]),
        of("HSET", &["a 1", "a 1 b text c 3.5", &words]),
        of("ZADD", &["1 a", "1.5 a -inf b 3 c inf d", &scores]),
    ];
    strings
        .chain(others.concat())
        .map(|request| {
            redis.call(&["DEL", "payload"]);
            redis.call(&request);
            let Value::Bulk(payload) = redis.value(&["DUMP", "payload"]) else { panic!("DUMP gives bytes") };
            payload.to_vec()
        })
        .collect()
}

fn scan(peer: &mut Peer, options: &str) -> BTreeSet<Vec<u8>> {
    let mut found = BTreeSet::new();
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
