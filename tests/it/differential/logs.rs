//! The append-only files of redis-server and of our node: the same requests leave the same bytes, and each reads what the other wrote.

use std::{
    fs::{self, File},
    io::{Read as _, Seek as _, SeekFrom},
    path::{Path, PathBuf},
};

use cluster_fixture::{Server, node_with, redis_server_with, within};
use redis_cluster::{
    command::{Spec, TABLE},
    node::{
        aof::reader::{self, Piece},
        commands::table::is_implemented,
    },
    protocol::{Value, Version},
};

use super::{
    peer::{Differences, Peer, cases, shown},
    random::{Chance, Pools, request},
    suite::{begin, by_chance},
};

/// As the servers are started, but for the directory.
const OPTIONS: &[&str] = &[
    "--appendonly",
    "yes",
    "--appendfsync",
    "no",
    "--auto-aof-rewrite-percentage",
    "0",
    "--enable-debug-command",
    "yes",
];

/// Longer than loading takes.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(20);

/// Times of both in one request are no farther apart.
const APART: i64 = 5000;
/// What is larger than this is taken for a time.
const TIME: i64 = 1_000_000_000_000;

/// A server and the end of its log.
struct Logged {
    peer: Peer,
    address: String,
    log: PathBuf,
    read: u64,
}

impl Logged {
    fn of(server: &Server, directory: &Path, version: Version) -> Self {
        let log = directory.join("appendonlydir/appendonly.aof.1.incr.aof");
        let mut peer = Peer::connect(&server.address(), version);
        // Once it answers, the log is there.
        peer.call(&["DEBUG", "SET-ACTIVE-EXPIRE", "0"]);
        let read = fs::metadata(&log).expect("it keeps a log").len();
        Self { peer, address: server.address(), log, read }
    }

    fn call(&mut self, request: &[Vec<u8>]) {
        // QUIT is answered before the connection ends.
        if self.peer.call(request).is_empty() || request[0].eq_ignore_ascii_case(b"quit") {
            self.peer = Peer::connect(&self.address, Version::Resp2);
        }
    }

    /// The requests that were logged since this was asked the last time.
    fn logged(&mut self) -> Vec<Vec<Vec<u8>>> {
        let mut file = File::open(&self.log).unwrap();
        file.seek(SeekFrom::Start(self.read)).unwrap();
        let mut bytes = Vec::new();
        self.read += file.read_to_end(&mut bytes).unwrap() as u64;
        let (mut rest, mut requests) = (&bytes[..], Vec::new());
        while !rest.is_empty() {
            let Ok(Piece::Request(args, length)) = reader::next(rest) else {
                panic!("{}: {:?}", self.log.display(), String::from_utf8_lossy(rest));
            };
            requests.push(args.request().unwrap().args().map(<[u8]>::to_vec).collect());
            rest = &rest[length..];
        }
        requests
    }
}

/// The same bytes, or the same time but for a moment.
fn is_same(ours: &[u8], theirs: &[u8]) -> bool {
    let time = |word: &[u8]| {
        let digits = word.split(|&byte| byte == b'-').next()?;
        std::str::from_utf8(digits).ok()?.parse::<i64>().ok().filter(|&time| time > TIME)
    };
    ours == theirs
        || time(ours).zip(time(theirs)).is_some_and(|(ours, theirs)| ours.abs_diff(theirs) < APART as u64)
}

fn are_same(ours: &[Vec<Vec<u8>>], theirs: &[Vec<Vec<u8>>]) -> bool {
    ours.len() == theirs.len()
        && ours.iter().zip(theirs).all(|(ours, theirs)| {
            ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(ours, theirs)| is_same(ours, theirs))
        })
}

fn ours(directory: &Path) -> Server {
    let directory = directory.to_str().unwrap();
    node_with("log", &[&["--dir", directory], OPTIONS].concat())
}

fn text(requests: &[Vec<Vec<u8>>]) -> Vec<String> {
    requests.iter().map(|request| shown(request)).collect()
}

/// Sends a request to both; whether it left the same in both logs.
fn ask(pair: &mut [Logged; 2], request: &[Vec<u8>], differences: &mut Differences) -> bool {
    for one in &mut *pair {
        one.call(request);
    }
    let [ours, theirs] = pair.each_mut().map(Logged::logged);
    let same = are_same(&ours, &theirs);
    if same {
        differences.compare("", &0, &0);
    } else {
        differences.compare(shown(request), &text(&ours), &text(&theirs));
    }
    same
}

const FILES: &[&str] = &[
    include_str!("cases/strings.txt"),
    include_str!("cases/expiry.txt"),
    include_str!("cases/keys.txt"),
    include_str!("cases/hashes.txt"),
    include_str!("cases/lists.txt"),
    include_str!("cases/sets.txt"),
    include_str!("cases/sorted-sets.txt"),
    include_str!("cases/streams.txt"),
    include_str!("cases/stream-groups.txt"),
    include_str!("cases/bitmaps.txt"),
    include_str!("cases/hyperloglogs.txt"),
    include_str!("cases/places.txt"),
    include_str!("cases/sort.txt"),
    include_str!("cases/databases.txt"),
    include_str!("cases/transactions.txt"),
    include_str!("cases/functions.txt"),
    include_str!("cases/scripts.txt"),
];

/// What leaves the members of a set to chance.
fn is_random(request: &[Vec<u8>]) -> bool {
    request.iter().any(|word| word.eq_ignore_ascii_case(b"spop"))
}

#[test]
fn the_same_requests_leave_the_same_log() {
    let Some(redis) = redis_server_with(OPTIONS) else { return };
    let directory = tempfile::tempdir().unwrap();
    let node = ours(directory.path());
    let mut differences = Differences::default();
    let mut pair = [
        Logged::of(&node, directory.path(), Version::Resp2),
        Logged::of(&redis, redis.directory().unwrap(), Version::Resp2),
    ];
    for file in FILES {
        pair.iter_mut().for_each(|one| begin(&mut one.peer));
        for (_, request) in cases(file).filter(|(_, request)| !is_random(request)) {
            ask(&mut pair, &request, &mut differences);
        }
    }
    by_chance_too(&mut pair, &mut differences);
    differences.none();
}

fn by_chance_too(pair: &mut [Logged; 2], differences: &mut Differences) {
    const ROUNDS: usize = 40;
    const REQUESTS: usize = 40;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let seed = std::env::var("DIFFERENTIAL_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or(now.as_nanos() as u64);
    let rounds = std::env::var("LOG_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(ROUNDS);
    eprintln!("DIFFERENTIAL_SEED={seed}");
    let mut chance = Chance::new(seed);
    // WATCH takes out what has expired, where redis-server only looks.
    let is_asked = |spec: &&Spec| by_chance(spec) && is_implemented(spec) && spec.name != "watch";
    let specs: Vec<&Spec> = TABLE.iter().filter(is_asked).collect();
    let pools = Pools {
        keys: ["k1", "k2", "k3", "a"].map(|key| key.as_bytes().to_vec()).into(),
        payloads: Vec::from([b"\x00\x01x\x0a\x00\x00".to_vec()]),
        now: now.as_secs(),
    };
    for _ in 0..rounds {
        pair.iter_mut().for_each(|one| begin(&mut one.peer));
        let mut history = Vec::new();
        for _ in 0..REQUESTS {
            let spec = *chance.pick(specs.as_slice());
            let request = request(spec, &pools, &mut chance);
            history.push(shown(&request));
            if !ask(pair, &request, differences) {
                differences.explain_last(&format!("{}\n    then ", history.join("\n    ")));
                break;
            }
        }
        // Whoever is in a transaction is not in the next round.
        pair.iter_mut().for_each(|one| drop(one.peer.call(&["RESET"])));
    }
}

/// Everything but what only chance or a newer Redis knows.
fn fill(address: &str) {
    for file in FILES {
        let mut peer = Peer::connect(address, Version::Resp2);
        for (_, request) in cases(file).filter(|(line, _)| !line.to_ascii_lowercase().contains("flush")) {
            if peer.call(&request).is_empty() || request[0].eq_ignore_ascii_case(b"quit") {
                peer = Peer::connect(address, Version::Resp2);
            }
        }
    }
    let mut peer = Peer::connect(address, Version::Resp2);
    peer.call(&["SET", "a key that stays", "1", "PX", "100000000"]);
    peer.call(&["DEBUG", "SET-ACTIVE-EXPIRE", "0"]);
}

fn digest(address: &str) -> Value {
    let mut peer = Peer::connect(address, Version::Resp2);
    // redis-server shows what it has while it loads.
    assert!(within(PATIENCE, || peer.call(&["PING"]) == b"+PONG\r\n"));
    peer.value(&["DEBUG", "DIGEST"])
}

fn copy(from: &Path, to: &Path) {
    let name = "appendonlydir";
    fs::create_dir(to.join(name)).unwrap();
    for entry in fs::read_dir(from.join(name)).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(name).join(entry.file_name())).unwrap();
    }
}

#[test]
fn each_reads_what_the_other_wrote() {
    let Some(mut redis) = redis_server_with(OPTIONS) else { return };
    let directory = tempfile::tempdir().unwrap();
    let mut node = ours(directory.path());
    for server in [&node, &redis] {
        fill(&server.address());
    }
    let [of_node, of_redis] = [&node, &redis].map(|server| digest(&server.address()));
    node.kill();
    redis.kill();
    let copied = tempfile::tempdir().unwrap();
    copy(redis.directory().unwrap(), copied.path());
    assert_eq!(digest(&ours(copied.path()).address()), of_redis, "ours from theirs");
    let theirs = redis.directory().unwrap();
    fs::remove_dir_all(theirs.join("appendonlydir")).unwrap();
    copy(directory.path(), theirs);
    redis.restart();
    assert_eq!(digest(&redis.address()), of_node, "theirs from ours");
    node.restart();
    assert_eq!(digest(&node.address()), of_node, "ours from ours");
}
