//! Clusters made by hand, for tests of what is drawn and of how keys are answered.

use std::{collections::BTreeMap, sync::Arc};

use redis_cluster::{
    cluster::{
        Topology,
        member::{NodeRecord, ProxyRecord},
        plan::{MoveRecord, PlanId},
        topology::{Phase, SlotMove},
    },
    id::{Epoch, NodeId},
    slot::{SlotId, SlotRange},
    time::Millis,
};

use super::{
    event::{Event, Plan, Share},
    model::Model,
    theme::{Charset, Ground, Theme},
    update::update,
};
use crate::session::{
    holdings::Owned,
    view::{
        ClusterEvent, ClusterView, EventKind, EventLog, Health, Latency, NodeFigures, NodeView, PlanState,
        PlanView, ProxyFigures, ProxyView, RegistryView, TopologyView,
    },
};

/// 14:02:11 UTC on some day.
pub(crate) const NOW: Millis = Millis(1_790_000_000_000 - 1_790_000_000_000 % 86_400_000 + 50_531_000);

fn id(text: &str) -> NodeId {
    text.parse().unwrap()
}

fn range(first: u16, last: u16) -> SlotRange {
    SlotRange::new(SlotId::new(first).unwrap(), SlotId::new(last).unwrap()).unwrap()
}

fn node(number: usize, keys: u64, ops: f64, latency_us: u64) -> (NodeId, NodeView) {
    let figures = NodeFigures {
        keys,
        expires: keys / 10,
        commands: 1_000_000,
        ops_per_second: ops,
        used_memory: keys * 1_400,
        max_memory: 8 << 30,
        clients: 48,
        version: "redis 7.0.15".to_owned(),
        uptime_seconds: 3_600,
        latency_us,
        errors_per_second: Some(if number == 4 { 2.4 } else { 0.0 }),
        hit_share: Some(0.97),
        latency: Some(Latency { p50_us: latency_us / 3, p99_us: latency_us }),
    };
    let record = NodeRecord {
        id: id(&number.to_string()),
        address: format!("http://10.0.0.{}:8001", 10 + number).parse().unwrap(),
        added_at_ms: NOW.0 - 86_400_000,
        added_by: "ops@bastion".to_owned(),
        version: "redis 7.0.15".to_owned(),
        run_id: String::new(),
    };
    let read_at = Millis(NOW.0 - 400);
    let latency = figures.latency.map(|latency| (latency, read_at));
    let view = NodeView { record, figures: Some(figures), read_at, latency, error: None };
    (view.record.id.clone(), view)
}

fn proxy(number: usize, ops: f64, epoch: u64) -> ProxyView {
    let record = ProxyRecord {
        id: format!("p{number}").parse().unwrap(),
        instance: "1f".to_owned(),
        address: format!("10.0.0.{}:6379", 20 + number),
        host: String::new(),
        version: "0.1.0".to_owned(),
        epoch: Epoch(epoch),
        draining: false,
    };
    let figures = ProxyFigures {
        clients: 300 + number as u64,
        commands: 5_000_000,
        ops_per_second: ops,
        epoch,
        held: if number == 1 { 3 } else { 0 },
        driver: number == 1,
        version: "0.1.0".to_owned(),
    };
    ProxyView { record, figures: Some(figures), read_at: Millis(NOW.0 - 300), error: None }
}

/// A move that was done, and the one under way.
fn journal() -> BTreeMap<u64, Arc<MoveRecord>> {
    let record = |number, slots, keys: u64, began_ago| MoveRecord {
        id: number,
        plan: PlanId(3),
        from: id("2"),
        to: id("5"),
        slots: vec![slots],
        state: "frozen".to_owned(),
        started_at_ms: NOW.0 - began_ago,
        ended_at_ms: None,
        keys,
        bytes: keys * 1_100,
        counted_at_ms: Some(NOW.0 - began_ago / 10),
        deleted: 0,
        verified_keys: None,
        verified_values: 0,
        frozen_at_ms: Some(NOW.0 - began_ago / 2),
        freeze_ms: None,
        epoch: None,
        term: 2,
        reason: None,
    };
    let done = MoveRecord {
        state: "done".to_owned(),
        ended_at_ms: Some(NOW.0 - 900),
        deleted: 66_000,
        verified_keys: Some(66_000),
        verified_values: 256,
        freeze_ms: Some(190),
        epoch: Some(Epoch(115)),
        ..record(6, range(8108, 8191), 66_000, 10_000)
    };
    [done, record(7, range(7500, 8107), 1_246, 800)].map(|record| (record.id, Arc::new(record))).into()
}

/// Five nodes, three proxies, and a node that is being filled.
pub(crate) fn cluster() -> ClusterView {
    let topology = Topology {
        epoch: Epoch(118),
        slots: vec![
            (range(0, 4095), id("1")),
            (range(4096, 8107), id("2")),
            (range(8108, 8191), id("5")),
            (range(8192, 12287), id("3")),
            (range(12288, 16383), id("4")),
        ],
        moves: vec![SlotMove {
            id: 7,
            plan: 3,
            from: id("2"),
            to: id("5"),
            slots: vec![range(7500, 8107)],
            phase: Phase::Frozen,
            since: Epoch(117),
            hold_ms: None,
        }],
    };
    let mut events = EventLog::new(100);
    for (ago, kind, revision, text) in [
        (2_959_000, EventKind::Proxy, Some(18_101), "proxy p2 registered at 10.0.0.22:6379"),
        (20_000, EventKind::Member, Some(18_259), "node 5 added, http://10.0.0.15:8001, by ops@bastion"),
        (13_000, EventKind::Health, None, "node 4 answers again after 2.1 s"),
        (1_000, EventKind::Move, Some(18_342), "608 slots 2 → 5 frozen"),
    ] {
        events.push(ClusterEvent { at: NOW.0 - ago, revision, kind, text: text.to_owned(), plan: None });
    }
    ClusterView {
        gone: BTreeMap::new(),
        left: BTreeMap::new(),
        cluster: "prod-a".to_owned(),
        drives_here: false,
        transfer: None,
        losses: BTreeMap::new(),
        registry: RegistryView {
            endpoints: vec!["http://localhost:2379".to_owned()],
            health: Health::Up,
            asked_at: Millis(NOW.0 - 3_000_000),
            revision: 18_342,
            heard_at: Millis(NOW.0 - 200),
        },
        topology: Some(TopologyView { topology: Arc::new(topology), seen_at: Millis(NOW.0 - 1_000) }),
        nodes: [
            node(1, 3_121_004, 61_800.0, 1_200),
            node(2, 3_054_880, 44_000.0, 2_900),
            node(3, 3_118_762, 39_700.0, 1_100),
            node(4, 3_120_221, 38_100.0, 48_000),
            node(5, 67_246, 600.0, 1_000),
        ]
        .into(),
        proxies: [(1, 62_000.0, 118), (2, 61_700.0, 118), (3, 60_500.0, 116)]
            .map(|(number, ops, epoch)| proxy(number, ops, epoch))
            .map(|proxy| (proxy.record.id.clone(), proxy))
            .into(),
        leader: Some("p1".parse().unwrap()),
        plans: vec![PlanView {
            id: 3,
            words: "add 5 http://10.0.0.15:8001".to_owned(),
            state: PlanState::Running,
            slots_done: 84,
            slots_total: 3277,
            keys_done: 66_000,
            keys_expected: Some(2_496_000),
            gives_up: false,
            given_up: None,
            asked_at: Millis(NOW.0 - 20_000),
            changed_at: Millis(NOW.0 - 1_000),
        }],
        journal: journal(),
        owned: Some(Owned {
            at: Millis(NOW.0 - 300),
            keys: [(2, 3_054_880), (5, 66_000)].map(|(number, keys)| (id(&number.to_string()), keys)).into(),
        }),
        events,
    }
}

/// Half of a node's slots to either of two others, planned for [`cluster`].
pub(super) fn plan(from: &str, to: [&str; 2]) -> Plan {
    let view = cluster();
    let share = |to: &str, slots, keys| Share { from: Some(id(from)), to: id(to), slots, keys: Some(keys) };
    Plan {
        epoch: 118,
        revision: 18_340,
        shares: vec![share(to[0], 1338, 1_018_300), share(to[1], 1337, 1_017_900)],
        warnings: Vec::new(),
        members: view.nodes.keys().cloned().collect(),
    }
}

/// A cluster of many nodes.
pub(super) fn large(nodes: usize) -> ClusterView {
    let width = 16_384 / nodes;
    let slots = (0..nodes).map(|at| {
        let last = if at + 1 == nodes { 16_383 } else { (at + 1) * width - 1 };
        (range((at * width) as u16, last as u16), id(&(at + 1).to_string()))
    });
    let topology = Topology { epoch: Epoch(9), slots: slots.collect(), ..Topology::default() };
    let mut view = cluster();
    view.topology = Some(TopologyView { topology: Arc::new(topology), seen_at: NOW });
    view.nodes = (1..=nodes).map(|number| node(number, number as u64, number as f64, 300)).collect();
    view.plans.clear();
    view
}

/// The registry, a proxy and a node do not answer any more.
pub(super) fn broken() -> ClusterView {
    let mut view = cluster();
    view.registry.health = Health::Down {
        since: Millis(NOW.0 - 42_000),
        error: "connection refused".to_owned(),
        refused: false,
    };
    view.registry.heard_at = Millis(NOW.0 - 42_000);
    let node = view.nodes.get_mut(&id("4")).unwrap();
    node.error = Some("10.0.0.14:8001: connection refused".to_owned());
    node.read_at = Millis(NOW.0 - 42_000);
    let proxy = view.proxies.values_mut().last().unwrap();
    proxy.error = Some("10.0.0.23:6379: no answer within 800 ms".to_owned());
    proxy.read_at = Millis(NOW.0 - 40_000);
    if let Some(known) = &mut view.topology {
        Arc::make_mut(&mut known.topology).moves.clear();
    }
    view.plans.clear();
    view
}

/// A screen on which a view has arrived, with a few samples of every trend.
pub(super) fn model(size: (u16, u16), charset: Charset, view: &ClusterView) -> Model {
    let mut model =
        Model::new(size, Theme { charset, color: true, greys: true, ground: Ground::Unknown }, NOW);
    for second in 0..9i64 {
        let mut view = view.clone();
        for node in view.nodes.values_mut().filter(|node| node.error.is_none()) {
            node.read_at = Millis(node.read_at.0 - 9_000 + second * 1_000);
            if let Some(figures) = &mut node.figures {
                figures.ops_per_second *= 0.6 + 0.05 * second as f64;
            }
        }
        update(&mut model, Event::View(Arc::new(view)));
    }
    update(&mut model, Event::View(Arc::new(view.clone())));
    model
}
