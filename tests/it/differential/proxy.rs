//! `proxy_node` in front of two nodes, beside one redis-server: the slots must not show, but for what is refused.

use std::process::Stdio;

use cluster_fixture::{Server, console, etcd, node, proxy, redis_server};
use redis_cluster::{
    client::encode_command,
    cluster::SlotId,
    command::{Route, keys, resolve},
    protocol::{Batch, Limits, Value, Version},
    proxy::answers,
};

use super::{
    compare::{Exception, Rule},
    peer::Peer,
    suite::Pair,
};

/// Two nodes with half of the slots each, and a proxy.
struct Cluster {
    proxy: Server,
    nodes: [Server; 2],
    _etcd: Server,
}

impl Cluster {
    fn start() -> Option<Self> {
        let etcd = etcd()?;
        let nodes = [node("1"), node("2")];
        let proxy = proxy("1", &etcd.url());
        for (id, node) in ["1", "2"].iter().zip(&nodes) {
            let mut add = console();
            add.arg(etcd.url()).args(["add", id, &node.url()]).stdin(Stdio::null());
            let output = add.output().expect("the console runs");
            assert!(output.status.success(), "add {id}: {}", String::from_utf8_lossy(&output.stderr));
        }
        Some(Self { proxy, nodes, _etcd: etcd })
    }

    fn beside<'a>(&'a self, redis: &'a Server) -> Pair<'a> {
        Pair {
            ours: &self.proxy,
            theirs: redis,
            refusal,
            exceptions: EXCEPTIONS,
            together: |spec| spec.route != Route::OneSlot,
        }
    }
}

const EXCEPTIONS: &[Exception] =
    &[("config|get", Rule::Kind, "most settings are each node's own, and the proxy has none of that name")];

/// What a proxy says instead of serving a request, by the command table. Malformed requests are not refused: they get the
/// errors of redis-server.
fn refusal(request: &[Vec<u8>]) -> Option<&'static str> {
    let mut bytes = Vec::new();
    encode_command(&mut bytes, request);
    let mut batch = Batch::default();
    batch.parse(&bytes, &Limits::default()).expect("a request");
    let request = batch.get(0, &bytes);
    let spec = resolve(&request).ok()?;
    match spec.route_for(&request) {
        Route::Refused(reason) => Some(reason),
        Route::Local if !answers(spec) => Some("not available through a proxy yet"),
        Route::OneSlot => {
            let keys = keys::positions(spec, &request).ok()?;
            let mut slots = keys.indices().map(|at| SlotId::of_key(request.arg(at)));
            let first = slots.next()?;
            slots.any(|slot| slot != first).then_some("CROSSSLOT Keys in request don't hash to the same slot")
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
fn scans_find_the_same_keys() {
    let (Some(cluster), Some(redis)) = (Cluster::start(), redis_server()) else { return };
    cluster.beside(&redis).scans_find_the_same_keys();
    // It was about two nodes.
    for node in &cluster.nodes {
        let size = Peer::connect(&node.address(), Version::Resp2).value(&["DBSIZE"]);
        assert!(matches!(size, Value::Integer(1..2000)), "{size:?}");
    }
}
