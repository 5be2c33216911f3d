//! `proxy_node` in front of two nodes, ours or stock, beside one redis-server: the slots must not show, but for what is
//! refused.

use cluster_fixture::{Server, node, redis_server};
use redis_cluster::{
    command::{
        Group, KeyPositions, Route, Scripted, Servers, Spec,
        by_pattern::{only_reads, patterns},
        keys, resolve,
    },
    node::commands::table::is_implemented,
    protocol::{Batch, Limits, Value, Version, encode_command},
    proxy::{answers, is_of_the_cluster},
    slot::{SLOTS, SlotId},
};

use super::{
    compare::{Exception, Rule},
    peer::Peer,
    suite::Pair,
};

/// Two nodes with half of the slots each, and a proxy.
struct Cluster(cluster_fixture::Cluster);

impl Cluster {
    fn start() -> Option<Self> {
        cluster_fixture::Cluster::with_members(vec![node("1"), node("2")], "http", 1).map(Self)
    }

    fn stock() -> Option<Self> {
        let nodes = vec![redis_server()?, redis_server()?];
        cluster_fixture::Cluster::with_members(nodes, "redis", 1).map(Self)
    }

    fn beside<'a>(&'a self, redis: &'a Server) -> Pair<'a> {
        Pair {
            ours: &self.0.proxies[0],
            theirs: redis,
            refusal,
            exceptions: EXCEPTIONS,
            commands: |spec| is_implemented(spec) && !is_of_redis_cluster(spec),
            files: &[("several nodes", include_str!("cases/several-nodes.txt"))],
            spans_nodes: false,
            queued: of_one_slot,
            together: |spec| !matches!(spec.route, Route::OneNode | Route::Transaction),
        }
    }
}

const EXCEPTIONS: &[Exception] =
    &[("config|get", Rule::Kind, "most settings are each node's own, and the proxy has none of that name")];

/// One redis-server says that it is no cluster. Programs compare these with a Redis Cluster (`clients`).
fn is_of_redis_cluster(spec: &Spec) -> bool {
    spec.group == Group::Cluster
}

/// The second node has the second half.
fn node_of(slot: SlotId) -> usize {
    slot.index() / (SLOTS / 2)
}

/// Between two stock servers.
const STOCK_EXCEPTIONS: &[Exception] = &[
    ("hgetall", Rule::Unordered, HASH_TABLE),
    ("hkeys", Rule::Unordered, HASH_TABLE),
    ("hvals", Rule::Unordered, HASH_TABLE),
    ("hrandfield", Rule::Kind, "any fields"),
    ("sdiff", Rule::Unordered, HASH_TABLE),
    ("sinter", Rule::Unordered, HASH_TABLE),
    ("smembers", Rule::Unordered, HASH_TABLE),
    ("srandmember", Rule::Kind, "any members"),
    ("sunion", Rule::Unordered, HASH_TABLE),
    ("xinfo|consumers", Rule::Kind, "times since"),
    ("xinfo|stream", Rule::Kind, "times since"),
    ("xpending", Rule::Kind, "times since"),
    ("zrandmember", Rule::Kind, "any members"),
];

const HASH_TABLE: &str = "order of a hash table, whose seed is each server's own";

/// Commands that leave two stock servers with different data, or that are about the server and not its data.
const NOT_ON_STOCK: &[(&str, &str)] = &[
    ("spop", "any members"),
    ("sort", "takes a number for none if the server met one out of range before"),
    ("sort_ro", "takes a number for none if the server met one out of range before"),
    ("hscan", "cursors and order are each server's own"),
    ("sscan", "cursors and order are each server's own"),
    ("zscan", "cursors and order are each server's own"),
    ("xautoclaim", "depends on how many milliseconds went by"),
    ("xclaim", "depends on how many milliseconds went by"),
    ("eval", "scripts are made by hand"),
    ("eval_ro", "scripts are made by hand"),
    ("evalsha", "scripts are made by hand"),
    ("evalsha_ro", "scripts are made by hand"),
    ("lolwut", "a picture of a version"),
    ("pfdebug", "internals"),
    ("lastsave", "the time"),
];

/// What a stock server behind the proxy serves or the proxy refuses: all of Redis.
fn on_stock(spec: &Spec) -> bool {
    !is_of_redis_cluster(spec)
        && NOT_ON_STOCK.iter().all(|(name, _)| *name != spec.name)
        && spec.subcommands().is_empty()
}

/// Whether a request can be a part of a transaction whose keys are of one slot.
fn of_one_slot(request: &[Vec<u8>]) -> bool {
    if refusal(request).is_some() {
        return false;
    }
    let mut bytes = Vec::new();
    encode_command(&mut bytes, request);
    let mut batch = Batch::default();
    batch.parse(&bytes, &Limits::default()).expect("a request");
    let request = batch.get(0, &bytes);
    let Ok(spec) = resolve(&request) else { return true };
    let goes_to_one = matches!(
        spec.route,
        Route::OneNode
            | Route::Combined(_)
            | Route::Taken(_)
            | Route::Split(_)
            | Route::Scripted(Scripted::Source | Scripted::Digest | Scripted::Function)
            | Route::Transaction
    );
    let one = SlotId::of_key(b"k1");
    let keys = keys::positions(spec, &request);
    let fits = |keys: KeyPositions| keys.indices().all(|at| SlotId::of_key(request.arg(at)) == one);
    let reads_elsewhere = spec.reads_by_pattern()
        && patterns(&request).any(|(_, slot)| slot.map(node_of) != Some(node_of(one)));
    goes_to_one && !reads_elsewhere && keys.is_ok_and(fits)
}

/// What a proxy says instead of serving a request, by the command table. Malformed requests are not refused: they get the
/// errors of redis-server.
fn refusal(request: &[Vec<u8>]) -> Option<&'static str> {
    let mut bytes = Vec::new();
    encode_command(&mut bytes, request);
    let mut batch = Batch::default();
    batch.parse(&bytes, &Limits::default()).expect("a request");
    let request = batch.get(0, &bytes);
    let spec = resolve(&request).ok()?;
    match spec.route {
        Route::Servers(Servers::Set)
            if request.args_from(2).step_by(2).any(|name| !is_of_the_cluster(name)) =>
        {
            Some("possibly related to argument")
        }
        Route::Refused(reason) => Some(reason),
        Route::Local if !answers(spec) => Some("not available through a proxy yet"),
        Route::OneNode | Route::Scripted(_) => {
            let keys = keys::positions(spec, &request).ok()?;
            let slots = keys.indices().map(|at| Some(SlotId::of_key(request.arg(at))));
            let by_pattern = (spec.reads_by_pattern() && !only_reads(spec, &request))
                .then(|| patterns(&request).map(|(_, slot)| slot));
            // Of a pattern without a tag nobody knows.
            let mut nodes = slots.chain(by_pattern.into_iter().flatten()).map(|slot| slot.map(node_of));
            let first = nodes.next()?;
            nodes.any(|node| node != first).then_some("CROSSSLOT")
        }
        _ => None,
    }
}

#[test]
fn chosen_cases() {
    let (Some(cluster), Some(redis)) = (Cluster::start(), redis_server()) else { return };
    cluster.beside(&redis).chosen_cases();
}

#[test]
fn requests_by_chance() {
    let (Some(cluster), Some(redis)) = (Cluster::start(), redis_server()) else { return };
    cluster.beside(&redis).requests_by_chance(100);
}

#[test]
fn chosen_cases_on_stock_servers() {
    let (Some(cluster), Some(redis)) = (Cluster::stock(), redis_server()) else { return };
    let several = &[("several nodes", include_str!("cases/several-nodes.txt"))];
    cluster.beside(&redis).cases_of(several);
}

/// Lists, hashes, sets, sorted sets, streams and the rest, with stock servers behind the proxy: the same bytes as from one,
/// and what spans several nodes, waits, subscribes or is a transaction refused with its reason.
#[test]
fn all_types_on_stock_servers_by_chance() {
    let (Some(cluster), Some(redis)) = (Cluster::stock(), redis_server()) else { return };
    let pair = Pair { exceptions: STOCK_EXCEPTIONS, commands: on_stock, ..cluster.beside(&redis) };
    pair.requests_by_chance(30);
    let typed = Pair { commands: |spec| on_stock(spec) && is_of_a_type(spec), ..pair };
    typed.requests_by_chance(120);
    // Most of it makes sense, and what has not by chance so far does some time.
    let mut missing = never_without_error(&cluster);
    for _ in 0..20 {
        if missing.is_empty() {
            break;
        }
        typed.requests_by_chance(60);
        missing = never_without_error(&cluster);
    }
    assert_eq!(missing, [""; 0]);
    // Nothing was written where it is not looked for: the proxy shows only keys of slots that a node owns.
    let keys = Peer::connect(&cluster.0.proxies[0].address(), Version::Resp2).value(&["KEYS", "*"]);
    let Value::Array(shown) = keys else { panic!("{keys:?}") };
    let held = cluster.0.nodes.iter().map(|node| {
        let size = Peer::connect(&node.address(), Version::Resp2).value(&["DBSIZE"]);
        size.as_i64().and_then(|size| usize::try_from(size).ok()).expect("a number of keys")
    });
    assert_eq!(shown.len(), held.clone().sum::<usize>(), "{shown:?} {held:?}");
}

/// Commands of each type that have only failed so far. It is about both nodes.
fn never_without_error(cluster: &Cluster) -> Vec<&'static str> {
    let mut served = String::new();
    for node in &cluster.0.nodes {
        let info = Peer::connect(&node.address(), Version::Resp2).call(&["INFO", "commandstats"]);
        let info = String::from_utf8_lossy(&info).into_owned();
        assert!(info.contains("cmdstat_zadd:"), "{info}");
        served.push_str(&info);
    }
    let mut families = vec!["lpush", "hset", "sadd", "zadd", "xadd", "pfadd", "geoadd", "setbit"];
    families.retain(|family| {
        let mut lines = served.lines().filter_map(|line| line.strip_prefix(&format!("cmdstat_{family}:")));
        !lines.any(|line| {
            let figure = |name: &str| line.split(',').find_map(|pair| pair.strip_prefix(name));
            figure("calls=") != figure("failed_calls=")
        })
    });
    families
}

/// What is about one of Redis's types other than strings, or about any key.
fn is_of_a_type(spec: &Spec) -> bool {
    matches!(
        spec.group,
        Group::Generic
            | Group::List
            | Group::Hash
            | Group::Set
            | Group::SortedSet
            | Group::Stream
            | Group::Hyperloglog
            | Group::Geo
            | Group::Bitmap
    )
}

#[test]
fn scans_find_the_same_keys() {
    let (Some(cluster), Some(redis)) = (Cluster::start(), redis_server()) else { return };
    cluster.beside(&redis).scans_find_the_same_keys();
    // It was about two nodes.
    for node in &cluster.0.nodes {
        let size = Peer::connect(&node.address(), Version::Resp2).value(&["DBSIZE"]);
        assert!(matches!(size, Value::Integer(1..2000)), "{size:?}");
    }
}
