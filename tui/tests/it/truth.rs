//! What the console says while members stop, hang and come back: each fault is told in time, and ages nobody else's figures.

use std::time::{Duration, Instant};

use cluster_fixture::{Server, node};
use redis_cluster::{id::NodeId, time::Millis};
use redis_console::{
    language::{Command, parse_line},
    screen::alarms::alarms,
    session::{ClusterView, Options, Session, headway::headway, holdings::Count, view::Health},
};

/// Within this an operator hears that a member stopped, and that it answers again.
const TOLD_WITHIN: Duration = Duration::from_secs(3);
/// Figures of members that answer are never older, milliseconds.
const TRUE_TO_MS: i64 = 2_000;
/// What this machine, with a whole cluster and other tests on it, may need on top.
const SLACK: Duration = Duration::from_secs(1);

/// Three nodes with keys, two proxies, and a console that watches.
pub(crate) struct Watched {
    pub(crate) of: cluster_fixture::Cluster,
    pub(crate) session: Session,
}

impl Watched {
    pub(crate) async fn start() -> Option<Self> {
        let nodes = ["1", "2", "3"].map(node).into();
        let of = tokio::task::block_in_place(|| cluster_fixture::Cluster::with_members(nodes, "http", 2))?;
        let session =
            Session::open(Options { endpoints: vec![of.etcd.url()], ..Options::default() }).unwrap();
        session.stream_figures();
        let watched = Self { of, session };
        watched.until("figures of all", Duration::from_secs(20), |_| {}, all_well).await;
        Some(watched)
    }

    pub(crate) async fn until(
        &self,
        what: &str,
        patience: Duration,
        meanwhile: impl Fn(&ClusterView),
        done: impl Fn(&ClusterView) -> bool,
    ) -> Duration {
        until(&self.session, what, patience, meanwhile, done).await
    }
}

/// Waits until the view is so, and looks at what is true meanwhile ten times a second, as a screen does.
async fn until(
    session: &Session,
    what: &str,
    patience: Duration,
    meanwhile: impl Fn(&ClusterView),
    done: impl Fn(&ClusterView) -> bool,
) -> Duration {
    let began = Instant::now();
    let mut looks = tokio::time::interval(Duration::from_millis(100));
    loop {
        looks.tick().await;
        let view = session.now();
        if done(&view) {
            return began.elapsed();
        }
        meanwhile(&view);
        let events: Vec<_> = view.events.iter().map(|event| &event.text).collect();
        assert!(began.elapsed() < patience, "not within {patience:?}: {what}; {events:?}");
    }
}

pub(crate) fn all_well(view: &ClusterView) -> bool {
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

/// What goes wrong.
#[derive(Clone, Copy, Debug)]
enum Who {
    Node,
    Proxy(usize),
    Etcd,
}

#[derive(Clone, Copy, Debug)]
enum How {
    /// It sleeps, and wakes up.
    Stopped,
    /// It dies, and is started again.
    Killed,
}

impl Watched {
    fn server(&mut self, who: Who) -> &mut Server {
        match who {
            Who::Node => &mut self.of.nodes[1],
            Who::Proxy(at) => &mut self.of.proxies[at],
            Who::Etcd => &mut self.of.etcd,
        }
    }

    /// Makes it happen, and gives the times until it is told and until it is told to be over. Meanwhile all others are true.
    async fn suffer(&mut self, who: Who, how: How) -> [Duration; 2] {
        let what = format!("{who:?} {how:?}");
        let server = self.server(who);
        let address = server.address();
        tokio::task::block_in_place(|| match how {
            How::Stopped => server.signal("STOP"),
            How::Killed => server.kill(),
        });
        let of_address = |view: &ClusterView| {
            let found = view.proxies.iter().find(|(_, proxy)| proxy.record.address == address);
            found.map(|(id, proxy)| (id.as_str().to_owned(), proxy.error.is_some()))
        };
        let proxy = match who {
            Who::Proxy(_) => Some(of_address(&self.session.now()).expect("it is registered").0),
            Who::Node | Who::Etcd => None,
        };
        let node = matches!(who, Who::Node).then_some("2");
        let others = |view: &ClusterView| others_are_true(view, node, proxy.as_deref());
        let told = |view: &ClusterView| match who {
            Who::Node => view.nodes[&id("2")].error.is_some(),
            // It may also lose its lease meanwhile: then it is gone, which says as much.
            Who::Proxy(_) => of_address(view).is_none_or(|(_, failed)| failed),
            Who::Etcd => matches!(view.registry.health, Health::Down { .. }),
        };
        let limit = TOLD_WITHIN + SLACK;
        let until_told = self.until(&format!("{what} is told"), limit, others, told).await;
        if matches!(who, Who::Node) {
            let kept = &self.session.now().nodes[&id("2")];
            assert!(
                kept.figures.is_some() && age(kept.read_at) >= 1_000,
                "the last figures, with their age: {kept:?}"
            );
        }
        let server = self.server(who);
        tokio::task::block_in_place(|| match how {
            How::Stopped => server.signal("CONT"),
            How::Killed => server.restart(),
        });
        let over = |view: &ClusterView| {
            let node = &view.nodes[&id("2")];
            let ops = node.figures.as_ref().map_or(0.0, |figures| figures.ops_per_second);
            assert!(ops < 200.0, "nobody asks it but proxies: {ops}");
            all_well(view) && view.registry.health.is_up()
        };
        let until_over = self.until(&format!("{what} is told to be over"), limit, others, over).await;
        [until_told, until_over]
    }
}

fn id(text: &str) -> NodeId {
    text.parse().unwrap()
}

/// `TRUTH_TIMES=20` for the figures of doc/console.md, with `--nocapture`.
#[tokio::test(flavor = "multi_thread")]
async fn whatever_stops_is_told_in_time_ages_only_itself_and_so_is_its_return() {
    let Some(mut watched) = Watched::start().await else { return };
    let times = std::env::var("TRUTH_TIMES").map_or(1, |times| times.parse().expect("a number"));
    for who in [Who::Node, Who::Proxy(0), Who::Proxy(1), Who::Etcd] {
        for how in [How::Stopped, How::Killed] {
            let mut took = Vec::new();
            for _ in 0..times {
                took.push(watched.suffer(who, how).await);
            }
            let range = |at: usize| {
                let seconds = || took.iter().map(|of: &[Duration; 2]| of[at].as_secs_f64());
                (seconds().fold(f64::INFINITY, f64::min), seconds().fold(0.0, f64::max))
            };
            let ((first, last), (soonest, latest)) = (range(0), range(1));
            eprintln!(
                "{who:?} {how:?}: told after {first:.1} to {last:.1} s, its return after {soonest:.1} to {latest:.1} s"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_etcd_without_a_leader_is_told_and_so_is_one_that_was_never_there() {
    let Some(program) = cluster_fixture::etcd_binary("3.5").or_else(|| cluster_fixture::etcd_binary("3.4"))
    else {
        return;
    };
    let members = tokio::task::block_in_place(|| cluster_fixture::etcd_cluster(&program, 3));
    let endpoints: Vec<String> = members.iter().map(Server::url).collect();
    let session = Session::open(Options { endpoints, ..Options::default() }).unwrap();
    let is_up = |view: &ClusterView| view.is_known() && view.registry.health.is_up();
    let is_down = |view: &ClusterView| matches!(view.registry.health, Health::Down { .. });
    let limit = TOLD_WITHIN + SLACK;
    until(&session, "it is known", Duration::from_secs(20), |_| {}, is_up).await;
    for member in &members[..2] {
        member.signal("STOP");
    }
    until(&session, "there is no leader", limit, |_| {}, is_down).await;
    // Who comes now knows nothing, and says so.
    let late = Session::open(Options { endpoints: vec![members[2].url()], ..Options::default() }).unwrap();
    let in_time = Duration::from_millis(3_500);
    let unknown = |view: &ClusterView| {
        let told = alarms(view, Millis::now());
        told.iter().any(|alarm| alarm.text.starts_with("etcd ")) && !view.is_known()
    };
    until(&late, "a console that comes late says so", in_time, |_| {}, unknown).await;
    for member in &members[..2] {
        member.signal("CONT");
    }
    let elected = Duration::from_secs(10);
    until(&session, "there is one again", elected, |_| {}, is_up).await;
    until(&late, "and the other hears of it", elected, |_| {}, is_up).await;
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

pub(crate) fn parsed(line: &str) -> Command {
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
