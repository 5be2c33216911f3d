//! What an operator has to know now: one line for each trouble, the heaviest first, each with what to do about it.
//!
//! Pure: from a view and the time to its alarms. Not here: how they are drawn, and what is no trouble (events tell that).

use redis_cluster::{
    cluster::{loss::LossRecord, member::NodeRecord, topology::Phase},
    id::NodeId,
    slot::SLOTS,
    time::Millis,
};

use super::text;
use crate::session::view::{ClusterView, Health, NodeView, PlanState, ProxyView};

/// A proxy may be this late with an epoch before that is a trouble, milliseconds: it looks again every few hundred.
const EPOCH_LATE_MS: i64 = 3_000;
/// Writes may wait so long for a move before that is a trouble, milliseconds: most moves hold them for a few hundred.
const HELD_LONG_MS: i64 = 2_000;
/// A registry that has not answered for so long since it was first asked is a trouble, milliseconds.
const UNANSWERED_AFTER_MS: i64 = 2_000;
/// A plan that failed, and a proxy that went, are told for so long, milliseconds; afterwards only events and `show moves` do.
const FAILED_TOLD_MS: i64 = 600_000;

/// A trouble.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alarm {
    /// What is wrong since when, and what it does to clients.
    pub text: String,
    /// What to do about it.
    pub remedy: String,
}

impl Alarm {
    fn new(text: String, remedy: impl Into<String>) -> Self {
        Self { text, remedy: remedy.into() }
    }
}

/// All troubles as of `now`, the heaviest first: data out of reach, data lost, the registry, writes that wait, plans, routing,
/// and members without data.
#[must_use]
pub fn alarms(view: &ClusterView, now: Millis) -> Vec<Alarm> {
    // One that proxies do not use because its keys are gone is as heavy as one that is down, and is told of once.
    let (kept_out, lost): (Vec<&LossRecord>, Vec<&LossRecord>) =
        view.losses.values().filter(|loss| view.nodes.contains_key(&loss.node)).partition(|loss| loss.stops);
    let of_loss = |loss: &LossRecord| Alarm::new(loss.describe(), loss.remedy());
    let mut alarms: Vec<Alarm> = kept_out.into_iter().map(of_loss).collect();
    let is_kept_out = |id: &NodeId| view.losses.get(id).is_some_and(|loss| loss.stops);
    let mut down: Vec<(&NodeId, &NodeView, usize)> = view
        .nodes
        .iter()
        .filter(|(id, node)| node.error.is_some() && !is_kept_out(id))
        .map(|(id, node)| (id, node, view.slots_of(id)))
        .collect();
    down.sort_by_key(|(_, _, slots)| std::cmp::Reverse(*slots));
    alarms.extend(down.iter().filter(|(_, _, slots)| *slots > 0).map(|&(id, node, slots)| {
        let share = slots as f64 * 100.0 / SLOTS as f64;
        let keys = view.keys_of(id).map_or_else(
            || "its keys".to_owned(),
            |count| format!("{} keys", text::about(count, text::thousands)),
        );
        Alarm::new(
            format!(
                "node {id} down{}: {slots} slots ({share:.1}%), {keys} out of reach",
                since(node.read_at, now)
            ),
            start_again(&node.record),
        )
    }));
    alarms.extend(lost.into_iter().map(of_loss));
    if let Health::Down { since: down_since, error, refused } = &view.registry.health {
        let what = if *refused { "does not let us in" } else { "does not answer" };
        let since = since(*down_since, now);
        alarms.push(Alarm::new(
            format!("etcd {what}{since}: nothing can be added, moved or removed until it does"),
            error.clone(),
        ));
    }
    let asked_at = view.registry.asked_at;
    if view.registry.health == Health::Unknown
        && asked_at != Millis(0)
        && now.0 - asked_at.0 >= UNANSWERED_AFTER_MS
    {
        let text =
            format!("etcd has not answered for{}: nothing is known of the cluster yet", since(asked_at, now));
        alarms.push(Alarm::new(text, view.registry.endpoints.join(", ")));
    }
    let unowned = view.slots_without_owner();
    if view.topology.is_some() && unowned > 0 && !view.nodes.is_empty() && plans_unfinished(view) == 0 {
        let text = format!("{unowned} slots have no owner: their keys cannot be read or written");
        alarms.push(Alarm::new(text, "`show slots` says which; `add` gives them to a node"));
    }
    of_freezes(view, now, &mut alarms);
    let failed = view.plans.last().filter(|plan| now.0 - plan.changed_at.0 < FAILED_TOLD_MS);
    if let Some(plan) = failed
        && let PlanState::Failed(why) = &plan.state
    {
        let text = format!("plan {} `{}` failed{}: {why}", plan.id, plan.words, since(plan.changed_at, now));
        alarms.push(Alarm::new(text, "ask for it again once that is mended"));
    }
    of_proxies(view, now, &mut alarms);
    of_gone_proxies(view, now, &mut alarms);
    alarms.extend(down.iter().filter(|(_, _, slots)| *slots == 0).map(|(id, node, _)| {
        let text = format!("node {id} down{}: it owns no slots", since(node.read_at, now));
        Alarm::new(text, start_again(&node.record))
    }));
    alarms
}

fn plans_unfinished(view: &ClusterView) -> usize {
    view.plans.iter().filter(|plan| !plan.state.is_final()).count()
}

fn of_proxies(view: &ClusterView, now: Millis, alarms: &mut Vec<Alarm>) {
    if !view.nodes.is_empty() && view.proxies.is_empty() && view.registry.health.is_up() {
        let text = "no proxy is registered: clients cannot reach the cluster".to_owned();
        alarms.push(Alarm::new(text, "start `proxy_node ID ADDR ETCD`"));
    }
    // One that does not answer at all is told below, with how far it is behind.
    if let Some(known) = view.topology.as_ref().filter(|known| now.0 - known.seen_at.0 > EPOCH_LATE_MS) {
        let behind = view.proxies.values().filter(|proxy| proxy.error.is_none());
        alarms.extend(behind.filter_map(|proxy| {
            let late = epochs_behind(view, proxy)?;
            let text = format!("proxy {} is {late}{}", proxy.record.id, since(known.seen_at, now));
            Some(Alarm::new(text, "a move waits for it; see its log, or stop it"))
        }));
    }
    if view.moves().is_empty() {
        let answering = view.proxies.iter().filter(|(_, proxy)| proxy.error.is_none());
        let held = answering.filter_map(|(id, proxy)| {
            let held = proxy.figures.as_ref()?.held;
            (held > 0).then_some((id, held))
        });
        alarms.extend(held.map(|(id, held)| {
            let text = format!("proxy {id} holds {held} writes although nothing moves");
            Alarm::new(text, "see its log; stopping it lets clients try again elsewhere")
        }));
    }
    let down = view.proxies.iter().filter(|(_, proxy)| proxy.error.is_some());
    alarms.extend(down.map(|(id, proxy)| {
        let late = epochs_behind(view, proxy).map_or_else(String::new, |late| format!("; it is {late}"));
        let is_waited_for = !late.is_empty() && !view.moves().is_empty();
        let waits = if is_waited_for { ", and a move may wait for it" } else { "" };
        let since = since(proxy.read_at, now);
        let text = format!("proxy {id} down{since}: its clients wait or have gone{late}{waits}");
        Alarm::new(text, format!("start it again at {}", proxy.record.address))
    }));
}

/// Proxies that went without a word, for a while: nobody knows whether they are meant to be back.
fn of_gone_proxies(view: &ClusterView, now: Millis, alarms: &mut Vec<Alarm>) {
    let gone = view
        .gone
        .iter()
        .filter(|(id, gone)| !view.proxies.contains_key(*id) && now.0 - gone.at.0 < FAILED_TOLD_MS);
    alarms.extend(gone.map(|(id, gone)| {
        let why = if gone.shut_out {
            "it did not follow a move and was shut out"
        } else {
            "its lease ended while it did not answer"
        };
        let text = format!("proxy {id} gone{}: {why}; its clients wait or have gone", since(gone.at, now));
        Alarm::new(text, format!("start it again at {}", gone.record.address))
    }));
}

/// `3 behind epoch 118`; `None`: it is not.
fn epochs_behind(view: &ClusterView, proxy: &ProxyView) -> Option<String> {
    let current = view.topology.as_ref()?.topology.epoch;
    let late = current.0.saturating_sub(proxy.record.epoch.0);
    (late > 0).then(|| format!("{late} behind epoch {current}"))
}

/// Moves that hold writes for longer than a move should, with those who have yet to say that they do: it is them it waits for,
/// or its driver.
fn of_freezes(view: &ClusterView, now: Millis, alarms: &mut Vec<Alarm>) {
    let Some(known) = view.topology.as_ref().filter(|known| now.0 - known.seen_at.0 > HELD_LONG_MS) else {
        return;
    };
    let behind: Vec<&str> = view
        .proxies
        .iter()
        .filter(|(_, proxy)| epochs_behind(view, proxy).is_some())
        .map(|(id, _)| id.as_str())
        .collect();
    let waits = match behind.as_slice() {
        [] => "its driver".to_owned(),
        [one] => format!("proxy {one}"),
        more => format!("proxies {}", more.join(", ")),
    };
    let frozen = known.topology.moves.iter().filter(|one| one.phase == Phase::Frozen);
    alarms.extend(frozen.map(|one| {
        let slots: usize = one.slots.iter().map(|range| range.count()).sum();
        let held = since(known.seen_at, now);
        let text = format!("writes to {slots} slots wait{held} for move {} to node {}", one.id, one.to);
        Alarm::new(text, format!("waits for {waits}; lets go by itself at its limit"))
    }));
}

/// ` 12s`; nothing when it was never heard of.
fn since(at: Millis, now: Millis) -> String {
    if at == Millis(0) { String::new() } else { format!(" {}", text::age((now.0 - at.0).max(0))) }
}

fn start_again(record: &NodeRecord) -> String {
    format!("start it again at {}, or `remove {}`", record.address.host_port(), record.id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screen::sample;

    fn texts(view: &ClusterView, now: Millis) -> Vec<String> {
        alarms(view, now).into_iter().map(|alarm| alarm.text).collect()
    }

    #[test]
    fn a_cluster_that_is_well_has_none_and_troubles_come_by_weight() {
        let well = || {
            let mut view = sample::cluster();
            view.topology.as_mut().unwrap().seen_at = sample::NOW;
            let epoch = view.topology.as_ref().unwrap().topology.epoch;
            for proxy in view.proxies.values_mut() {
                proxy.record.epoch = epoch;
            }
            view
        };
        assert_eq!(texts(&well(), sample::NOW), [""; 0]);

        let mut view = well();
        let ids: Vec<NodeId> = view.nodes.keys().cloned().collect();
        for id in [&ids[4], &ids[3]] {
            let node = view.nodes.get_mut(id).unwrap();
            (node.error, node.read_at) = (Some("refused".to_owned()), Millis(sample::NOW.0 - 12_000));
        }
        let loss = br#"{"node":"3","held":500,"now":88,"run_id_before":"a","run_id_after":"b","at_ms":1,
            "seen_by":"proxy p1","times":1}"#;
        let changes = vec![("losses/3".to_owned(), Some(loss.to_vec()))];
        view.apply(crate::session::Change::Keys { revision: 18_343, changes }, sample::NOW);
        view.proxies.values_mut().next().unwrap().error = Some("no answer".to_owned());
        view.registry.health = Health::Down {
            since: Millis(sample::NOW.0 - 4_000),
            error: "refused".to_owned(),
            refused: false,
        };
        // Kept out, and down besides: one trouble.
        let stops = br#"{"node":"5","held":7,"now":0,"run_id_before":"a","run_id_after":"b","at_ms":1,
            "seen_by":"proxy p1","times":1,"stops":true}"#;
        let mut kept_out = view.clone();
        let changes = vec![("losses/5".to_owned(), Some(stops.to_vec()))];
        kept_out.apply(crate::session::Change::Keys { revision: 18_344, changes }, sample::NOW);
        let told = alarms(&kept_out, sample::NOW);
        assert!(
            told[0].text.starts_with("node 5 held 7 keys and came back empty: proxies do not use it"),
            "{told:#?}"
        );
        assert!(told[0].remedy.contains("`ack 5`"), "{told:#?}");
        assert_eq!(told.iter().filter(|alarm| alarm.text.contains("node 5")).count(), 1, "{told:#?}");

        let told = texts(&view, sample::NOW);
        let begins = [
            "node 4 down 12s: 4096 slots (25.0%), 3,120,221 keys out of reach",
            "node 5 down 12s: 84 slots (0.5%), ",
            "node 3 held 500 keys and came back with 88",
            "etcd does not answer 4s",
            "proxy p1 down",
        ];
        assert_eq!(told.len(), begins.len(), "{told:#?}");
        for (text, begin) in told.iter().zip(begins) {
            assert!(text.starts_with(begin), "{begin}: {told:#?}");
        }
    }

    #[test]
    fn a_proxy_may_be_late_for_a_moment_and_a_failed_plan_is_told_for_a_while() {
        let mut view = sample::cluster();
        view.topology.as_mut().unwrap().seen_at = sample::NOW;
        let epoch = view.topology.as_ref().unwrap().topology.epoch;
        for proxy in view.proxies.values_mut() {
            proxy.record.epoch = redis_cluster::id::Epoch(epoch.0 - 1);
        }
        assert_eq!(texts(&view, sample::NOW), [""; 0]);
        let told = texts(&view, Millis(sample::NOW.0 + 3_001));
        assert_eq!(told.len(), view.proxies.len() + 1, "{told:#?}");
        assert!(told[0].starts_with("writes to 608 slots wait 3s for move 7"), "{told:#?}");
        assert!(told[1..].iter().all(|text| text.ends_with("is 1 behind epoch 118 3s")), "{told:#?}");

        let mut plan = view.plans.pop().unwrap();
        (plan.state, plan.changed_at) = (PlanState::Failed("node 5 is full".to_owned()), sample::NOW);
        view.plans.push(plan);
        let told = texts(&view, sample::NOW);
        assert!(told.len() == 1 && told[0].contains("failed 0s: node 5 is full"), "{told:?}");
        view.proxies.clear();
        view.topology.as_mut().unwrap().seen_at = Millis(sample::NOW.0 + FAILED_TOLD_MS);
        let later = texts(&view, Millis(sample::NOW.0 + FAILED_TOLD_MS));
        assert_eq!(later, ["no proxy is registered: clients cannot reach the cluster"]);
    }
}
