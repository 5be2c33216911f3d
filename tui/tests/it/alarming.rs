//! What goes wrong while slots move, and what comes back without its keys: each is made to happen, and the alarm row says it with
//! its weight and what to do.

use std::time::Duration;

use cluster_fixture::node;
use redis_cluster::{
    cluster::{
        records::keys,
        registry::{Registry, WatchEvent},
        topology::Phase,
    },
    time::Millis,
};
use redis_console::{
    screen::alarms::{Alarm, alarms},
    session::{ClusterView, Status},
};

use crate::truth::{Watched, all_well, parsed};

/// Longer than any of these takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

fn told(view: &ClusterView) -> Vec<Alarm> {
    alarms(view, Millis::now())
}

impl Watched {
    /// Sets so many keys through a proxy, and waits until the console counts them.
    async fn fill(&self, keys: u64) {
        let address = self.of.proxies[1].address();
        let mut client =
            redis_cluster::client::Connection::connect(&address, Duration::from_secs(5)).await.unwrap();
        (0..keys).for_each(|number| client.queue(&["SET", &format!("key:{number}"), "value"]));
        client.flush().await.unwrap();
        for _ in 0..keys {
            client.read().await.unwrap();
        }
        let all = |view: &ClusterView| view.keys().is_some_and(|count| count.keys == keys && count.exact);
        self.until("all keys", PATIENCE, |_| {}, all).await;
    }

    async fn until_alarm(&self, what: &str, is_it: impl Fn(&[Alarm]) -> bool) -> Vec<Alarm> {
        self.until(what, PATIENCE, |_| {}, |view| is_it(&told(view))).await;
        told(&self.session.now())
    }

    async fn until_quiet(&self) {
        let quiet = |view: &ClusterView| all_well(view) && view.moves().is_empty() && told(view).is_empty();
        self.until("nothing is wrong any more", PATIENCE, |_| {}, quiet).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_comes_back_empty_is_the_heaviest_alarm_until_somebody_takes_note() {
    let Some(mut watched) = Watched::start().await else { return };
    watched.fill(3_000).await;
    // Some proxy knows what it held: of a node that nobody has asked yet nobody can say that it lost anything.
    let registry = Registry::open(&[watched.of.etcd.url()], "default").unwrap();
    let mut seen = registry.watch(&keys::seen(&"2".parse().unwrap()));
    let known = async {
        loop {
            match seen.next().await {
                WatchEvent::Changed { .. } => return,
                WatchEvent::Reset { entries, .. } if !entries.is_empty() => return,
                WatchEvent::Reset { .. } | WatchEvent::Up | WatchEvent::Down { .. } => {}
            }
        }
    };
    tokio::time::timeout(PATIENCE, known).await.expect("a proxy writes down what node 2 holds");
    // Nodes of these tests write nothing down.
    tokio::task::block_in_place(|| watched.of.nodes[1].restart());
    let is_lost = |alarm: &Alarm| {
        alarm.text.starts_with("node 2 held ") && alarm.text.contains(" keys and came back empty")
    };
    // For a moment it may be down as well.
    let alarms = watched.until_alarm("it is empty", |alarms| alarms.first().is_some_and(is_lost)).await;
    assert!(alarms[0].remedy.contains("`ack 2`"), "{alarms:#?}");
    let noted = watched.session.execute(parsed("ack 2")).await;
    assert_eq!(noted.status, Status::Done, "{noted:?}");
    watched.until_quiet().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn proxies_that_sleep_while_slots_move_are_told_and_so_are_writes_that_wait() {
    let Some(watched) = Watched::start().await else { return };
    watched.fill(3_000).await;
    // One that only follows: moves go on without it, and its lease has yet to end.
    let driver = watched.session.now().leader.clone().expect("somebody drives");
    let sleeper =
        watched.session.now().proxies.values().find(|proxy| proxy.record.id != driver).cloned().unwrap();
    let server =
        |address: &str| watched.of.proxies.iter().find(|server| server.address() == address).unwrap();
    server(&sleeper.record.address).signal("STOP");
    assert_eq!(watched.session.execute(parsed("remove 3 --no-wait")).await.status, Status::Done);
    let begin = format!("proxy {} ", sleeper.record.id);
    let is_left_behind = |alarm: &Alarm| {
        let says = alarm.text.contains(" behind epoch ") || alarm.text.contains(" was shut out");
        alarm.text.starts_with(&begin) && says && alarm.remedy.contains(&sleeper.record.address)
    };
    watched.until_alarm("it is left behind", |alarms| alarms.iter().any(is_left_behind)).await;
    server(&sleeper.record.address).signal("CONT");
    let moved =
        |view: &ClusterView| view.nodes.len() == 2 && view.moves().is_empty() && told(view).is_empty();
    watched.until("node 3 has gone", PATIENCE, |_| {}, moved).await;

    // All of them, while one of their moves holds writes: it stays so until they are back.
    let mut view = watched.session.view();
    let third = node("4");
    let added = watched.session.execute(parsed(&format!("add 4 {} --no-wait", third.url()))).await;
    assert_eq!(added.status, Status::Done, "{added:?}");
    let is_frozen = |view: &ClusterView| view.moves().iter().any(|one| one.phase == Phase::Frozen);
    loop {
        tokio::time::timeout(PATIENCE, view.wait_for(|view| is_frozen(view)))
            .await
            .expect("a move freezes")
            .unwrap();
        watched.of.proxies.iter().for_each(|server| server.signal("STOP"));
        // The freeze may have ended as they fell asleep; then it is the next one.
        let stays = tokio::time::timeout(Duration::from_millis(500), view.wait_for(|view| !is_frozen(view)));
        if stays.await.is_err() {
            break;
        }
        watched.of.proxies.iter().for_each(|server| server.signal("CONT"));
    }
    let waits = |alarm: &Alarm| alarm.text.starts_with("writes to ") && alarm.text.contains(" to node 4");
    let alarms = watched.until_alarm("writes wait", |alarms| alarms.iter().any(waits)).await;
    assert!(waits(&alarms[0]), "before those who are waited for: {alarms:#?}");
    watched.of.proxies.iter().for_each(|server| server.signal("CONT"));
    let settled =
        |view: &ClusterView| view.nodes.len() == 3 && view.moves().is_empty() && told(view).is_empty();
    watched.until("node 4 has its slots", PATIENCE, |_| {}, settled).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_fails_is_told_and_leaves_no_member_that_was_never_one() {
    let Some(watched) = Watched::start().await else { return };
    watched.fill(3_000).await;
    let mut target = node("4");
    let added = watched.session.execute(parsed(&format!("add 4 {} --no-wait", target.url()))).await;
    assert_eq!(added.status, Status::Done, "{added:?}");
    tokio::task::block_in_place(|| target.kill());
    let failed = |alarm: &Alarm| alarm.text.contains("add 4 ") && alarm.text.contains(" failed");
    let alarms = watched.until_alarm("the plan failed", |alarms| alarms.iter().any(failed)).await;
    let alarm = alarms.iter().find(|alarm| failed(alarm)).unwrap();
    assert!(!alarm.remedy.is_empty(), "{alarm:?}");
    let gone = |view: &ClusterView| all_well(view) && view.slots_without_owner() == 0;
    watched.until("node 4 is no member, and all others are well", PATIENCE, |_| {}, gone).await;
    assert_eq!(watched.session.execute(parsed("get key:7")).await.status, Status::Done);
}
