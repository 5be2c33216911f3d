//! Rules of users by chance, and what they allow of requests by chance. Node beside redis-server.

use std::time::{SystemTime, UNIX_EPOCH};

use cluster_fixture::{node, redis_server};
use redis_cluster::{
    command::{Acl, Spec, TABLE, keys},
    protocol::{Args, Value, Version, quote},
};

use super::{
    is_in_redis_7_0,
    peer::{Differences, Peer, shown},
    random::{Chance, Pools, request},
};

/// Users, and requests that each of them would send.
const USERS: usize = 300;
const REQUESTS: usize = 20;

const PATTERNS: &[&str] = &["*", "a", "k*", "k1", "?", "[ab]*", "{k1}?", "**", ""];
const OTHERS: &[&str] = &[
    "+@all",
    "-@all",
    "allcommands",
    "nocommands",
    "~*",
    "allkeys",
    "resetkeys",
    "&*",
    "allchannels",
    "resetchannels",
    "on",
    "off",
    "nopass",
    "resetpass",
    ">p",
    "<p",
    "sanitize-payload",
    "skip-sanitize-payload",
    "reset",
    "clearselectors",
    "nosuch",
    "",
    ")",
    "(",
    "(+get",
    "~a)",
    "%rr~x",
    "%x~x",
];
const FIRST_ARGS: &[&str] =
    &["select|0", "get|k1", "config|get", "debug|x", "nosuch|x", "client|list|x", "get|"];
/// Here a node is stricter, where Redis 7.0 does not see a key that the command changes.
const STRICTER: &[&str] = &["georadius", "georadiusbymember", "migrate", "pfmerge"];

struct Words<'a> {
    chance: Chance,
    specs: Vec<&'static Spec>,
    pools: &'a Pools,
}

impl Words<'_> {
    fn rule(&mut self, inner: bool) -> String {
        let chance = &mut self.chance;
        let spec = *chance.pick(&self.specs);
        let pattern = *chance.pick(PATTERNS);
        let sign = *chance.pick(&["+", "-"]);
        match chance.below(16) {
            0..6 => format!("+{}", spec.name),
            6 | 7 => format!("-{}", spec.name.to_uppercase()),
            8 | 9 => format!("{sign}@{}", chance.pick(Acl::all_names())),
            10 => format!("~{pattern}"),
            11 => format!("{}{pattern}", chance.pick(&["%R~", "%W~", "%rw~"])),
            12 => format!("&{pattern}"),
            13 => format!("{sign}{}", chance.pick(FIRST_ARGS)),
            14 if !inner => {
                let rules = (0..self.chance.below(4)).map(|_| self.rule(true)).collect::<Vec<_>>();
                format!("({})", rules.join(" "))
            }
            _ => (*chance.pick(OTHERS)).to_owned(),
        }
    }

    fn setuser(&mut self) -> Vec<String> {
        let rules = (0..=self.chance.below(6)).map(|_| self.rule(false)).collect::<Vec<_>>();
        ["ACL", "SETUSER", "u"].map(str::to_owned).into_iter().chain(rules).collect()
    }

    fn dryrun(&mut self) -> Vec<Vec<u8>> {
        let mut words = ["ACL", "DRYRUN", "u"].map(|word| word.as_bytes().to_vec()).to_vec();
        words.extend(self.request());
        words
    }

    /// One whose keys can be told. Redis has a second look at others, and takes `+1` for a number of keys, which the command does not.
    fn request(&mut self) -> Vec<Vec<u8>> {
        loop {
            let spec = *self.chance.pick(&self.specs);
            let words = request(spec, self.pools, &mut self.chance);
            let args = Args::of(&words).expect("small");
            if keys::positions(spec, &args.request().expect("a name")).is_ok() {
                return words;
            }
        }
    }
}

/// What `ACL GETUSER` shows, single commands in one order and without those that redis-server does not have.
fn user(reply: &Value) -> String {
    match reply {
        Value::Array(parts) => format!("[{}]", parts.iter().map(user).collect::<Vec<_>>().join(", ")),
        Value::Bulk(text) if text.starts_with(b"+@all") || text.starts_with(b"-@all") => {
            let text = String::from_utf8_lossy(text).into_owned();
            let is_newer = |rule: &&str| {
                TABLE.iter().any(|spec| spec.name == &rule[1..] && !is_in_redis_7_0(spec.since))
            };
            let mut rules: Vec<&str> = text.split(' ').filter(|rule| !is_newer(rule)).collect();
            rules.sort_unstable();
            rules.join(" ")
        }
        other => format!("{other:?}"),
    }
}

#[test]
fn rules_by_chance() {
    let Some(redis) = redis_server() else { return };
    let node = node("acl-rules");
    let seed = std::env::var("DIFFERENTIAL_SEED").ok().map(|seed| seed.parse().expect("a number"));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    let seed: u64 = seed.unwrap_or(now.as_nanos() as u64);
    eprintln!("DIFFERENTIAL_SEED={seed}");
    let pools = Pools {
        keys: ["k1", "k2", "{k1}a", "a", "b", ""].map(|key| key.as_bytes().to_vec()).into(),
        payloads: vec![b"payload".to_vec()],
        now: now.as_secs(),
    };
    let is_compared = |spec: &&Spec| is_in_redis_7_0(spec.since) && !STRICTER.contains(&spec.name);
    let mut words =
        Words { chance: Chance::new(seed), specs: TABLE.iter().filter(is_compared).collect(), pools: &pools };
    let mut peers = [&node, &redis].map(|server| Peer::connect(&server.address(), Version::Resp2));
    let mut differences = Differences::default();
    for _ in 0..USERS {
        if words.chance.one_in(4) {
            peers.iter_mut().for_each(|peer| drop(peer.call(&["ACL", "DELUSER", "u"])));
        }
        let rules = words.setuser();
        let [ours, theirs] = peers.each_mut().map(|peer| quote::repr(&peer.call(&rules)));
        differences.compare(format!("{rules:?}"), &ours, &theirs);
        let [ours, theirs] = peers.each_mut().map(|peer| user(&peer.value(&["ACL", "GETUSER", "u"])));
        differences.compare(format!("GETUSER after {rules:?}"), &ours, &theirs);
        for _ in 0..REQUESTS {
            let request = words.dryrun();
            let [ours, theirs] = peers.each_mut().map(|peer| quote::repr(&peer.call(&request)));
            differences.compare(format!("{} after {rules:?}", shown(&request)), &ours, &theirs);
        }
    }
    differences.none();
}
