//! How a [`ClusterView`] follows what happens: one pure function from a change to the next view and its events.
//!
//! Not here: I/O, clocks (the time comes with the change).

use redis_cluster::cluster::records::{keys, parse_value};
use std::{collections::BTreeSet, sync::Arc};

use redis_cluster::{
    cluster::{
        Topology,
        loss::LossRecord,
        member::{NodeRecord, ProxyRecord},
    },
    id::{NodeId, ProxyId},
    time::Millis,
};

use super::{
    plans,
    view::{
        ClusterEvent, ClusterView, EventKind, Health, NodeView, PlanState, ProxyFigures, ProxyView, Reading,
        TopologyView,
    },
};

/// While a node's figures are younger than this somebody hears of it, so it is not down, whatever one source says.
const SILENT_AFTER_MS: i64 = 1_500;
/// Readings closer together than this are the same one, told twice.
const SAME_READING_MS: i64 = 100;

/// Something that was learnt.
#[derive(Clone, Debug)]
pub enum Change {
    /// Everything the registry holds, keys relative to the cluster's prefix.
    Reset {
        /// Of the registry.
        revision: u64,
        /// Keys and values.
        entries: Vec<(String, Vec<u8>)>,
    },
    /// Keys of the registry that changed; `None`: deleted.
    Keys {
        /// Of the registry.
        revision: u64,
        /// Keys and values.
        changes: Vec<(String, Option<Vec<u8>>)>,
    },
    /// The registry answers again.
    RegistryUp,
    /// The registry does not answer, or refuses.
    RegistryDown {
        /// Why.
        error: String,
        /// It answers, and does not let us.
        refused: bool,
    },
    /// This console began, or ceased, to drive plans itself.
    Driving(bool),
    /// What one source tells of nodes; there may be several sources.
    Nodes(Vec<(NodeId, Reading)>),
    /// Figures of one proxy, or why there are none.
    Proxy(ProxyId, Result<ProxyFigures, String>),
}

impl ClusterView {
    /// Takes in what was learnt at `now`.
    pub fn apply(&mut self, change: Change, now: Millis) {
        match change {
            Change::Reset { revision, entries } => {
                let first = self.registry.heard_at == Millis(0);
                self.registry_up(now);
                self.registry.revision = revision;
                let quiet = first.then(|| self.events.clone());
                self.forget_absent(&entries, revision, now);
                for (key, value) in entries {
                    self.put(&key, &value, revision, now);
                }
                // What was there before this console is not news.
                if let Some(events) = quiet {
                    self.events = events;
                    let of_members = self.losses.values().filter(|loss| self.nodes.contains_key(&loss.node));
                    let losses: Vec<LossRecord> = of_members.cloned().collect();
                    for loss in losses {
                        self.tell_loss(&loss, revision);
                    }
                }
            }
            Change::Keys { revision, changes } => {
                self.registry_up(now);
                self.registry.revision = revision;
                for (key, value) in changes {
                    match value {
                        Some(value) => self.put(&key, &value, revision, now),
                        None => self.delete(&key, revision, now),
                    }
                }
            }
            Change::RegistryUp => self.registry_up(now),
            Change::RegistryDown { error, refused } => match &mut self.registry.health {
                Health::Down { error: last, refused: was, .. } => (*last, *was) = (error, refused),
                _ => {
                    let what = if refused { "does not let us in" } else { "does not answer" };
                    self.event(now, None, EventKind::Registry, format!("registry {what}: {error}"));
                    self.registry.health = Health::Down { since: now, error, refused };
                }
            },
            Change::Driving(drives) => {
                self.drives_here = drives;
                if drives {
                    let text =
                        "no proxy is alive: this console carries plans out itself, while it waits for them";
                    self.event(now, None, EventKind::Plan, text.to_owned());
                }
            }
            Change::Nodes(figures) => {
                for (id, reading) in figures {
                    self.node_reading(&id, reading, now);
                }
            }
            Change::Proxy(id, figures) => self.proxy_figures(&id, figures, now),
        }
    }

    fn event(&mut self, now: Millis, revision: Option<u64>, kind: EventKind, text: String) {
        self.events.push(ClusterEvent { at: now.0, revision, kind, text });
    }

    fn registry_up(&mut self, now: Millis) {
        self.registry.heard_at = now;
        if let Health::Down { since, .. } = std::mem::replace(&mut self.registry.health, Health::Up) {
            let seconds = (now.0 - since.0).max(0) as f64 / 1000.0;
            self.event(
                now,
                None,
                EventKind::Registry,
                format!("registry answers again after {seconds:.1} s"),
            );
        }
    }

    /// After a gap in the watch: what is no longer there was deleted meanwhile.
    fn forget_absent(&mut self, entries: &[(String, Vec<u8>)], revision: u64, now: Millis) {
        let present: BTreeSet<&str> = entries.iter().map(|(key, _)| key.as_str()).collect();
        let mut known: Vec<String> = Vec::new();
        known.extend(self.nodes.keys().map(keys::node));
        known.extend(self.proxies.keys().map(keys::proxy));
        known.extend(self.plans.iter().map(|plan| plans::key(plan.id)));
        known.extend(self.losses.keys().map(keys::loss));
        known.extend(self.leader.is_some().then(|| keys::LEADER.to_owned()));
        known.extend(self.topology.is_some().then(|| keys::TOPOLOGY.to_owned()));
        for key in known.iter().filter(|key| !present.contains(key.as_str())) {
            self.delete(key, revision, now);
        }
    }

    fn put(&mut self, key: &str, value: &[u8], revision: u64, now: Millis) {
        let result = match key.split_once('/') {
            Some(("nodes", _)) => parse_value(key, value).map(|record| self.put_node(record, revision, now)),
            Some(("proxies", _)) => {
                parse_value(key, value).map(|record| self.put_proxy(record, revision, now))
            }
            Some(("losses", _)) => parse_value(key, value).map(|loss| self.put_loss(loss, revision)),
            Some(("plans", _)) => plans::read(key, value).map(|plan| self.put_plan(plan, revision, now)),
            None if key == keys::TOPOLOGY => {
                parse_value(key, value).map(|topology| self.put_topology(topology, revision, now))
            }
            None if key == keys::LEADER => {
                plans::read_leader(value).map(|leader| self.put_leader(leader, revision, now))
            }
            _ => Ok(()),
        };
        if let Err(error) = result {
            self.event(now, Some(revision), EventKind::Registry, error.to_string());
        }
    }

    fn delete(&mut self, key: &str, revision: u64, now: Millis) {
        match key.split_once('/') {
            Some(("nodes", id)) => {
                if let Some(node) = id.parse().ok().and_then(|id: NodeId| self.nodes.remove(&id)) {
                    let text = format!("node {id} removed ({})", node.record.address);
                    self.event(now, Some(revision), EventKind::Member, text);
                }
            }
            Some(("proxies", id)) => {
                let gone = id.parse().ok().and_then(|id: ProxyId| self.proxies.remove(&id));
                if let Some(proxy) = gone {
                    let text = format!("proxy {} gone: it left, or its lease ended", proxy.record.id);
                    self.event(now, Some(revision), EventKind::Proxy, text);
                }
            }
            Some(("losses", id)) => {
                let noted = id.parse().ok().and_then(|id: NodeId| self.losses.remove(&id));
                if let Some(loss) = noted.filter(|loss| self.nodes.contains_key(&loss.node)) {
                    let text =
                        format!("node {}: an operator took note of {} lost keys", loss.node, loss.lost());
                    self.event(now, Some(revision), EventKind::Loss, text);
                }
            }
            Some(("plans", _)) => self.plans.retain(|plan| plans::key(plan.id) != key),
            None if key == keys::LEADER => self.put_leader(None, revision, now),
            None if key == keys::TOPOLOGY => self.topology = None,
            _ => {}
        }
    }

    fn put_node(&mut self, record: NodeRecord, revision: u64, now: Millis) {
        let id = record.id.clone();
        if let Some(node) = self.nodes.get_mut(&id) {
            if node.record.address != record.address {
                // Figures of another server say nothing about this one.
                node.figures = None;
                node.read_at = Millis(0);
                node.error = None;
            }
            node.record = record;
            return;
        }
        let text = format!("node {id} added  {}  by {}", record.address, record.added_by);
        self.event(now, Some(revision), EventKind::Member, text);
        self.nodes.insert(id, NodeView { record, figures: None, read_at: Millis(0), error: None });
    }

    fn put_loss(&mut self, loss: LossRecord, revision: u64) {
        self.tell_loss(&loss, revision);
        self.losses.insert(loss.node.clone(), loss);
    }

    /// Dated as it was noticed, which may be long ago.
    fn tell_loss(&mut self, loss: &LossRecord, revision: u64) {
        let text = format!("{}; `ack {}` takes note", loss.describe(), loss.node);
        self.event(Millis(loss.at_ms), Some(revision), EventKind::Loss, text);
    }

    fn put_proxy(&mut self, record: ProxyRecord, revision: u64, now: Millis) {
        let id = record.id.clone();
        match self.proxies.get_mut(&id) {
            Some(proxy) if proxy.record.instance == record.instance => proxy.record = record,
            known => {
                let verb = if known.is_some() { "registered anew" } else { "registered" };
                let text = format!("proxy {id} {verb} at {}", record.address);
                self.event(now, Some(revision), EventKind::Proxy, text);
                self.proxies.insert(id, ProxyView { record, figures: None, read_at: Millis(0), error: None });
            }
        }
    }

    fn put_leader(&mut self, leader: Option<ProxyId>, revision: u64, now: Millis) {
        if self.leader == leader {
            return;
        }
        let text = match &leader {
            Some(id) => format!("proxy {id} drives moves"),
            None => "no proxy drives moves".to_owned(),
        };
        self.leader = leader;
        self.event(now, Some(revision), EventKind::Proxy, text);
    }

    fn put_plan(&mut self, mut plan: super::view::PlanView, revision: u64, now: Millis) {
        // A plan that ended says when; of the others this is the first anybody hears.
        if !plan.state.is_final() {
            plan.changed_at = now;
        }
        let known = self.plans.iter().position(|known| known.id == plan.id);
        let before = known.map(|at| self.plans[at].state.clone());
        if before.as_ref() != Some(&plan.state) {
            let text = match &plan.state {
                PlanState::Failed(why) => format!("plan {} `{}` failed: {why}", plan.id, plan.words),
                state => format!("plan {} `{}` {}", plan.id, plan.words, state.word()),
            };
            self.event(now, Some(revision), EventKind::Plan, text);
        }
        match known {
            Some(at) => self.plans[at] = plan,
            None => {
                self.plans.push(plan);
                self.plans.sort_by_key(|plan| plan.id);
                let ended = self.plans.iter().filter(|plan| plan.state.is_final()).count();
                let mut surplus = ended.saturating_sub(plans::ENDED_KEPT);
                self.plans.retain(|plan| {
                    let drop = surplus > 0 && plan.state.is_final();
                    surplus -= usize::from(drop);
                    !drop
                });
            }
        }
    }

    fn put_topology(&mut self, topology: Topology, revision: u64, now: Millis) {
        let before = self.topology.take();
        let old_moves = before.as_ref().map_or(&[][..], |view| &view.topology.moves);
        let mut events = Vec::new();
        for one in &topology.moves {
            let known = old_moves.iter().find(|old| old.id == one.id);
            if known.map(|old| old.phase) != Some(one.phase) {
                let slots: usize = one.slots.iter().map(|range| range.count()).sum();
                let phase = format!("{:?}", one.phase).to_uppercase();
                events.push((
                    EventKind::Move,
                    format!("move {}  {} slots {} → {}  {phase}", one.id, slots, one.from, one.to),
                ));
            }
        }
        for old in old_moves.iter().filter(|old| !topology.moves.iter().any(|one| one.id == old.id)) {
            events.push((EventKind::Move, format!("move {}  {} → {}  finished", old.id, old.from, old.to)));
        }
        if before.as_ref().is_none_or(|view| view.topology.slots != topology.slots) {
            events.push((EventKind::Slots, format!("slots have new owners in epoch {}", topology.epoch)));
        }
        for (kind, text) in events {
            self.event(now, Some(revision), kind, text);
        }
        self.topology = Some(match before {
            Some(view) if view.topology.epoch == topology.epoch => {
                TopologyView { topology: Arc::new(topology), seen_at: view.seen_at }
            }
            _ => TopologyView { topology: Arc::new(topology), seen_at: now },
        });
    }

    fn node_reading(&mut self, id: &NodeId, reading: Reading, now: Millis) {
        let Some(node) = self.nodes.get_mut(id) else { return };
        let mut is_newer = false;
        if let Some((figures, age_ms)) = reading.figures {
            let read_at = Millis(now.0 - age_ms.max(0));
            // The same figures told twice do not become younger, nor those of a source that lags behind another.
            is_newer = node.figures.is_none() || read_at.0 > node.read_at.0 + SAME_READING_MS;
            if is_newer {
                (node.figures, node.read_at) = (Some(figures), read_at);
            }
        }
        let silent_ms = now.0 - node.read_at.0;
        let text = match reading.error {
            None if is_newer && silent_ms < SILENT_AFTER_MS => {
                node.error.take().map(|_| format!("node {id} answers again"))
            }
            // Another source may still hear of it: one that cannot is no outage of the node.
            Some(error) if node.figures.is_none() || silent_ms >= SILENT_AFTER_MS => {
                let text = node.error.is_none().then(|| format!("node {id} does not answer: {error}"));
                node.error = Some(error);
                text
            }
            _ => None,
        };
        if let Some(text) = text {
            self.event(now, None, EventKind::Health, text);
        }
    }

    fn proxy_figures(&mut self, id: &ProxyId, figures: Result<ProxyFigures, String>, now: Millis) {
        let Some(proxy) = self.proxies.get_mut(id) else { return };
        let text = match figures {
            Ok(figures) => {
                proxy.figures = Some(figures);
                proxy.read_at = now;
                proxy.error.take().map(|_| format!("proxy {id} answers again"))
            }
            Err(error) => {
                let text = proxy.error.is_none().then(|| format!("proxy {id} does not answer: {error}"));
                proxy.error = Some(error);
                text
            }
        };
        if let Some(text) = text {
            self.event(now, None, EventKind::Health, text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::view::NodeFigures, *};

    fn node(id: &str, port: u16) -> (String, Vec<u8>) {
        let json = format!(
            r#"{{"id":"{id}","address":"http://10.0.0.1:{port}","added_at_ms":1,"added_by":"ops@bastion"}}"#
        );
        (format!("nodes/{id}"), json.into_bytes())
    }

    fn texts(view: &ClusterView) -> Vec<&str> {
        view.events.iter().map(|event| event.text.as_str()).collect()
    }

    #[test]
    fn what_was_there_first_is_no_event_and_what_comes_and_goes_is() {
        let mut view = ClusterView::new("default", &[], 10);
        view.apply(Change::Reset { revision: 5, entries: vec![node("1", 8001)] }, Millis(100));
        assert!(view.registry.health.is_up() && view.nodes.len() == 1 && view.events.is_empty());

        let (key, value) = node("2", 8002);
        view.apply(Change::Keys { revision: 6, changes: vec![(key, Some(value))] }, Millis(200));
        // A gap: node 1 went meanwhile.
        view.apply(Change::Reset { revision: 9, entries: vec![node("2", 8002)] }, Millis(300));
        assert_eq!(view.nodes.keys().map(NodeId::as_str).collect::<Vec<_>>(), ["2"]);
        assert_eq!(
            texts(&view),
            ["node 2 added  http://10.0.0.1:8002  by ops@bastion", "node 1 removed (http://10.0.0.1:8001)"]
        );
        assert_eq!(view.registry.revision, 9);
    }

    #[test]
    fn figures_are_kept_with_their_age_when_a_node_goes_away() {
        let mut view = ClusterView::new("default", &[], 10);
        view.apply(Change::Reset { revision: 1, entries: vec![node("1", 8001)] }, Millis(1));
        let id: NodeId = "1".parse().unwrap();
        let figures = NodeFigures { keys: 7, ..NodeFigures::default() };
        view.apply(Change::Nodes(vec![(id.clone(), Reading::fresh(figures))]), Millis(1000));
        for at in [2000, 3000] {
            view.apply(Change::Nodes(vec![(id.clone(), Reading::failed("refused".to_owned()))]), Millis(at));
        }
        let node = &view.nodes[&id];
        assert_eq!((node.figures.as_ref().unwrap().keys, node.read_at), (7, Millis(1000)));
        assert_eq!(texts(&view), ["node 1 does not answer: refused"], "told once");
        assert_eq!(view.state_of(&id), super::super::view::NodeState::Down);
    }

    #[test]
    fn figures_are_as_old_as_their_source_says_and_one_blind_source_is_no_outage() {
        let mut view = ClusterView::new("default", &[], 10);
        view.apply(Change::Reset { revision: 1, entries: vec![node("1", 8001)] }, Millis(1));
        let id: NodeId = "1".parse().unwrap();
        let told = |keys, age_ms, error: Option<&str>| {
            let figures = NodeFigures { keys, ..NodeFigures::default() };
            let reading = Reading { figures: Some((figures, age_ms)), error: error.map(str::to_owned) };
            Change::Nodes(vec![(id.clone(), reading)])
        };
        let seen = |view: &ClusterView| {
            let node = &view.nodes[&id];
            (node.figures.as_ref().unwrap().keys, node.read_at.0, node.error.clone())
        };
        view.apply(told(1, 400, None), Millis(10_000));
        assert_eq!(seen(&view), (1, 9_600, None));
        // The same again, a moment later; then another source whose figures are older, and which cannot reach the node.
        view.apply(told(1, 900, None), Millis(10_500));
        view.apply(told(0, 5_000, Some("timed out")), Millis(10_600));
        assert_eq!(seen(&view), (1, 9_600, None));
        assert!(view.events.is_empty());
        // Nobody hears of it any more.
        view.apply(told(1, 1_600, Some("timed out")), Millis(11_200));
        assert_eq!(seen(&view), (1, 9_600, Some("timed out".to_owned())));
        // A source that lags says it was fine.
        view.apply(told(1, 1_700, None), Millis(11_300));
        assert_eq!(seen(&view).2.as_deref(), Some("timed out"));
        view.apply(told(2, 100, None), Millis(12_000));
        assert_eq!(seen(&view), (2, 11_900, None));
        assert_eq!(texts(&view), ["node 1 does not answer: timed out", "node 1 answers again"]);
    }

    #[test]
    fn an_outage_of_the_registry_is_told_once_with_its_length() {
        let mut view = ClusterView::new("default", &[], 10);
        view.apply(Change::Reset { revision: 1, entries: Vec::new() }, Millis(1));
        view.apply(Change::RegistryDown { error: "refused".to_owned(), refused: false }, Millis(1000));
        view.apply(Change::RegistryDown { error: "timed out".to_owned(), refused: true }, Millis(2000));
        assert!(
            matches!(&view.registry.health, Health::Down { since: Millis(1000), error, refused: true } if error == "timed out")
        );
        view.apply(Change::RegistryUp, Millis(3500));
        assert_eq!(texts(&view), ["registry does not answer: refused", "registry answers again after 2.5 s"]);
    }

    #[test]
    fn phases_of_a_move_are_events() {
        let mut view = ClusterView::new("default", &[], 10);
        let topology = |epoch: u64, moves: &str| {
            let json = format!(r#"{{"epoch":{epoch},"slots":[["0-16383","1"]],"moves":[{moves}]}}"#);
            vec![("topology".to_owned(), Some(json.into_bytes()))]
        };
        let one = |phase: &str| {
            format!(r#"{{"id":7,"plan":1,"from":"1","to":"2","slots":["0-99"],"phase":"{phase}","since":2}}"#)
        };
        view.apply(Change::Keys { revision: 1, changes: topology(1, "") }, Millis(1));
        view.apply(Change::Keys { revision: 2, changes: topology(2, &one("FROZEN")) }, Millis(2));
        view.apply(Change::Keys { revision: 3, changes: topology(3, "") }, Millis(3));
        assert_eq!(
            texts(&view),
            [
                "slots have new owners in epoch 1",
                "move 7  100 slots 1 → 2  FROZEN",
                "move 7  1 → 2  finished"
            ]
        );
    }

    #[test]
    fn a_loss_is_told_however_late_the_console_starts_until_it_is_noted() {
        let mut view = ClusterView::new("default", &[], 10);
        let loss = br#"{"node":"1","held":500,"now":0,"run_id_before":"a","run_id_after":"b","at_ms":70,
            "seen_by":"proxy 1","times":1}"#;
        let entries = vec![("losses/1".to_owned(), loss.to_vec()), node("1", 8001)];
        view.apply(Change::Reset { revision: 5, entries }, Millis(100));
        let told =
            "node 1 held 500 keys and came back empty: clients are told nil for the rest; `ack 1` takes note";
        assert_eq!(texts(&view), [told]);
        assert_eq!((view.events.iter().next().unwrap().at, view.losses.len()), (70, 1));
        view.apply(Change::Keys { revision: 6, changes: vec![("losses/1".to_owned(), None)] }, Millis(200));
        assert_eq!(texts(&view)[1], "node 1: an operator took note of 500 lost keys");
        assert!(view.losses.is_empty());
    }

    #[test]
    fn a_value_nobody_can_read_is_an_event_and_changes_nothing() {
        let mut view = ClusterView::new("default", &[], 10);
        let changes = vec![("nodes/1".to_owned(), Some(b"{".to_vec()))];
        view.apply(Change::Keys { revision: 1, changes }, Millis(1));
        assert!(view.nodes.is_empty() && texts(&view)[0].starts_with("nodes/1 is not readable"));
    }
}
