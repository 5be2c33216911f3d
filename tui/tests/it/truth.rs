//! What the console says while members stop, hang and come back: each fault is told in time, and ages nobody else's figures.

use std::time::{Duration, Instant};

use cluster_fixture::node;
use redis_cluster::{id::NodeId, time::Millis};
use redis_console::{
    language::{Command, parse_line},
    session::{ClusterView, Options, Session, headway::headway, holdings::Count},
};

/// Within this an operator hears that a member stopped, and that it answers again.
const TOLD_WITHIN: Duration = Duration::from_secs(3);
/// Figures of members that answer are never older, milliseconds.
const TRUE_TO_MS: i64 = 2_000;
/// What this machine, with a whole cluster and other tests on it, may need on top.
const SLACK: Duration = Duration::from_secs(1);
/// Each fault is made so often.
const TIMES: usize = 3;

/// Three nodes with keys, two proxies, and a console that watches.
struct Watched {
    of: cluster_fixture::Cluster,
    session: Session,
}

impl Watched {
    async fn start() -> Option<Self> {
        let nodes = ["1", "2", "3"].map(node).into();
        let of = tokio::task::block_in_place(|| cluster_fixture::Cluster::with_members(nodes, "http", 2))?;
        let session =
            Session::open(Options { endpoints: vec![of.etcd.url()], ..Options::default() }).unwrap();
        session.stream_figures();
        let watched = Self { of, session };
        watched.until("figures of all", Duration::from_secs(20), |_| {}, all_well).await;
        Some(watched)
    }

    /// Waits until the view is so, and looks at what is true meanwhile ten times a second, as a screen does.
    async fn until(
        &self,
        what: &str,
        patience: Duration,
        meanwhile: impl Fn(&ClusterView),
        done: impl Fn(&ClusterView) -> bool,
    ) -> Duration {
        let began = Instant::now();
        let mut looks = tokio::time::interval(Duration::from_millis(100));
        loop {
            looks.tick().await;
            let view = self.session.now();
            if done(&view) {
                return began.elapsed();
            }
            meanwhile(&view);
            let events: Vec<_> = view.events.iter().map(|event| &event.text).collect();
            assert!(began.elapsed() < patience, "not within {patience:?}: {what}; {events:?}");
        }
    }
}

fn all_well(view: &ClusterView) -> bool {
    let nodes = view.nodes.values().all(|node| node.figures.is_some() && node.error.is_none());
    let proxies = view.proxies.values().all(|proxy| proxy.figures.is_some() && proxy.error.is_none());
    view.nodes.len() == 3 && view.proxies.len() == 2 && nodes && proxies
}

fn age(read_at: Millis) -> i64 {
    Millis::now().0 - read_at.0
}

/// Everybody but one has fresh figures and no error.
fn others_are_true(view: &ClusterView, node: Option<&str>, proxy: Option<&str>) {
    let limit = TRUE_TO_MS + i64::try_from(SLACK.as_millis()).unwrap();
    for (id, one) in view.nodes.iter().filter(|(id, _)| Some(id.as_str()) != node) {
        assert!(
            one.error.is_none() && age(one.read_at) <= limit,
            "node {id}: {} ms, {:?}",
            age(one.read_at),
            one.error
        );
    }
    for (id, one) in view.proxies.iter().filter(|(id, _)| Some(id.as_str()) != proxy) {
        assert!(
            one.error.is_none() && age(one.read_at) <= limit,
            "proxy {id}: {} ms, {:?}",
            age(one.read_at),
            one.error
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_node_is_told_ages_only_itself_and_makes_up_no_rate() {
    let Some(watched) = Watched::start().await else { return };
    let id: NodeId = "2".parse().unwrap();
    let server = &watched.of.nodes[1];
    for _ in 0..TIMES {
        server.signal("STOP");
        let down = |view: &ClusterView| view.nodes[&id].error.is_some();
        let others = |view: &ClusterView| others_are_true(view, Some("2"), None);
        watched.until("node 2 is told to be down", TOLD_WITHIN + SLACK, others, down).await;
        let kept = watched.session.now().nodes[&id].clone();
        assert!(
            kept.figures.is_some() && age(kept.read_at) >= 1_000,
            "the last true figures, with their age: {kept:?}"
        );
        server.signal("CONT");
        let up = |view: &ClusterView| {
            others_are_true(view, Some("2"), None);
            let node = &view.nodes[&id];
            let ops = node.figures.as_ref().map_or(0.0, |figures| figures.ops_per_second);
            assert!(ops < 200.0, "nobody asks it but proxies: {ops}");
            node.error.is_none()
        };
        watched.until("node 2 is told to be up", TOLD_WITHIN + SLACK, |_| {}, up).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_proxy_ages_no_node_whichever_it_is() {
    let Some(watched) = Watched::start().await else { return };
    for at in 0..watched.of.proxies.len() {
        let server = &watched.of.proxies[at];
        let address = server.address();
        let find = |view: &ClusterView| {
            let found = view.proxies.iter().find(|(_, proxy)| proxy.record.address == address);
            found.map(|(id, proxy)| (id.as_str().to_owned(), proxy.error.is_some()))
        };
        let (id, _) = find(&watched.session.now()).expect("it is registered");
        for _ in 0..TIMES {
            server.signal("STOP");
            let others = |view: &ClusterView| others_are_true(view, None, Some(&id));
            // It may also lose its lease meanwhile: then it is gone, which says as much.
            let told = |view: &ClusterView| find(view).is_none_or(|(_, failed)| failed);
            watched.until("the proxy is told to be down", TOLD_WITHIN + SLACK, others, told).await;
            server.signal("CONT");
            let patience = TOLD_WITHIN + SLACK;
            watched.until("the proxy is told to be up", patience, others, all_well).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_node_is_told_with_figures_of_their_age_also_by_a_one_shot() {
    let Some(mut watched) = Watched::start().await else { return };
    let id: NodeId = "3".parse().unwrap();
    tokio::task::block_in_place(|| watched.of.nodes[2].kill());
    let others = |view: &ClusterView| others_are_true(view, Some("3"), None);
    let down = |view: &ClusterView| view.nodes[&id].error.is_some();
    watched.until("node 3 is told to be down", TOLD_WITHIN + SLACK, others, down).await;
    let rows = tokio::task::block_in_place(|| watched.of.ok(&["--json", "show", "nodes"]));
    let mut rows = rows.lines().map(|row| serde_json::from_str::<serde_json::Value>(row).unwrap());
    let row = rows.find(|row| row["id"] == "3").unwrap();
    assert!(row["state"] == "down" && row["keys"].is_u64(), "what a proxy last knew is shown: {row}");
    // The figures are the proxy's, of before the kill; the one-shot itself took no part in reading them.
    assert!(row["age_ms"].as_i64().is_some_and(|age| age >= 1_500), "{row}");
}

#[tokio::test(flavor = "multi_thread")]
async fn while_slots_move_every_key_counts_once_and_a_plan_is_one_line() {
    const KEYS: u64 = 12_000;
    let Some(watched) = Watched::start().await else { return };
    let address = watched.of.proxies[1].address();
    let mut client =
        redis_cluster::client::Connection::connect(&address, Duration::from_secs(5)).await.unwrap();
    for number in 0..KEYS {
        client.queue(&["SET", &format!("key:{number}"), "value"]);
    }
    client.flush().await.unwrap();
    for _ in 0..KEYS {
        client.read().await.unwrap();
    }
    let all = Some(Count { keys: KEYS, exact: true });
    watched.until("all keys", Duration::from_secs(10), |_| {}, |view| view.keys() == all).await;
    // Nothing is written meanwhile.
    let counts = |view: &ClusterView| {
        assert_eq!(view.keys(), all, "{:?} {:?}", view.moves(), view.owned);
    };
    watched.session.execute(parsed("remove 3 --no-wait")).await;
    let gone = |view: &ClusterView| view.nodes.len() == 2 && view.moves().is_empty();
    watched.until("node 3 has gone", Duration::from_secs(60), counts, gone).await;
    // Who counts sees a moment later that it is over.
    let settled = |view: &ClusterView| view.owned.is_none();
    watched.until("nothing moves any more", Duration::from_secs(10), counts, settled).await;
    let view = watched.session.now();
    counts(&view);

    let plan = view.plans.last().unwrap();
    let so_far = headway(&view, plan);
    assert!(so_far.switched >= 2 && so_far.left_ms.is_none(), "{so_far:?}");
    assert!((1..KEYS).contains(&so_far.keys) && so_far.counted == Some(so_far.keys), "{so_far:?}");
    // An estimate, by slots.
    assert!(plan.keys_expected.is_some_and(|keys| keys.abs_diff(so_far.keys) < 10), "{plan:?}");
    let lines: Vec<_> = view.events.iter().filter(|event| event.plan == Some(plan.id)).collect();
    assert!(lines.len() == 1 && lines[0].text.contains("` done: "), "{lines:?}");
    assert!(!view.events.iter().any(|event| event.text.contains("new owners")), "{:?}", view.events);
}

fn parsed(line: &str) -> Command {
    parse_line(line.as_bytes()).unwrap().unwrap().command
}

/// What a command that only reads, and one to a node, may take while one of those asked is stopped.
const ANSWERED_WITHIN: Duration = Duration::from_secs(12);

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_proxy_delays_a_read_and_a_stopped_node_a_question_but_not_for_ever() {
    let Some(watched) = Watched::start().await else { return };
    tokio::task::block_in_place(|| watched.of.ok(&["set", "k", "v"]));
    let execute = |line: &str| watched.session.execute(parsed(line));
    // Whichever of them the session has chosen for its commands.
    let first = execute("get k").await.via.expect("a proxy answered");
    let record = watched.session.now().proxies[&first].record.clone();
    let server = watched.of.proxies.iter().find(|server| server.address() == record.address).unwrap();
    server.signal("STOP");
    let outcome = tokio::time::timeout(ANSWERED_WITHIN, execute("get k")).await.expect("in time");
    assert!(outcome.via.as_ref().is_some_and(|via| *via != first), "{outcome:?}");
    assert_eq!(outcome.status, redis_console::session::Status::Done, "{outcome:?}");
    server.signal("CONT");

    let node = &watched.of.nodes[2];
    node.signal("STOP");
    let outcome = tokio::time::timeout(ANSWERED_WITHIN, execute("node 3 ping")).await.expect("in time");
    node.signal("CONT");
    assert_eq!(outcome.status, redis_console::session::Status::Unreachable, "{outcome:?}");
    assert!(outcome.error_text().unwrap().contains("node 3: "), "{outcome:?}");
}
