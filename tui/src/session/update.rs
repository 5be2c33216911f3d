//! How a [`ClusterView`] follows what happens: one pure function from a change to the next view and its events.
//!
//! Not here: I/O, clocks (the time comes with the change).

use redis_cluster::cluster::records::{keys, parse_value};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use redis_cluster::{
    cluster::{
        Topology,
        loss::LossRecord,
        member::{NodeRecord, ProxyRecord},
        plan::MoveRecord,
    },
    id::{NodeId, ProxyId},
    time::Millis,
};

use super::{
    headway::headway,
    holdings::Owned,
    past::AuditLine,
    plans,
    transfer::meter::Transfer,
    view::{
        ClusterEvent, ClusterView, EventKind, GoneProxy, Health, NodeView, PlanState, PlanView, ProxyFigures,
        ProxyView, Reading, TopologyView,
    },
};

/// While a node's figures are younger than this somebody hears of it, so it is not down, whatever one source says.
const SILENT_AFTER_MS: i64 = 1_500;
/// Readings closer together than this are the same one, told twice.
const SAME_READING_MS: i64 = 100;
/// A count by owner is true for so long while slots move. Of two proxies one sees a moment earlier that nothing moves any more.
const OWNED_FOR_MS: i64 = 1_500;

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
    /// What was done before this console began, oldest first: the audit log.
    Past(Vec<AuditLine>),
    /// The registry is asked for the first time.
    RegistryAsked,
    /// The registry answers.
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
    /// How far an import or export is.
    Transfer(Transfer),
    /// What one source tells of nodes; there may be several sources.
    Nodes(Vec<(NodeId, Reading)>),
    /// Keys by owner as a proxy counted them, and how long before it told, milliseconds; `None`: it sees nothing move.
    Owned(Option<(BTreeMap<NodeId, u64>, i64)>),
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
                (self.registry.revision, self.registry.heard_at) = (revision, now);
                let quiet = first.then(|| self.events.clone());
                self.forget_absent(&entries, revision, now);
                self.put_all(entries.into_iter().map(|(key, value)| (key, Some(value))), revision, now);
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
                self.put_all(changes, revision, now);
            }
            Change::Past(lines) => {
                let told = lines.iter().filter(|line| !line.is_a_step()).map(|line| ClusterEvent {
                    at: line.at.0,
                    revision: Some(line.revision),
                    kind: EventKind::Audit,
                    text: format!("{}  by {}", line.what, line.by),
                    plan: None,
                });
                self.events.precede(told);
            }
            Change::RegistryAsked => self.registry.asked_at = now,
            Change::RegistryUp if self.registry.health == Health::Unknown => {}
            Change::RegistryUp => self.registry_up(now),
            Change::RegistryDown { error, refused } => match &mut self.registry.health {
                Health::Down { error: last, refused: was, .. } => (*last, *was) = (error, refused),
                _ => {
                    let what = if refused { "does not let us in" } else { "does not answer" };
                    self.event(now, None, EventKind::Registry, format!("registry {what}: {error}"));
                    // For as long as nothing was heard; it is asked all the time.
                    let heard_at = Some(self.registry.heard_at).filter(|&at| at != Millis(0));
                    let since = heard_at.unwrap_or(self.registry.asked_at);
                    self.registry.health = Health::Down { since, error, refused };
                }
            },
            Change::Transfer(transfer) => self.transfer = Some(transfer),
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
            Change::Owned(None) => {
                self.owned = self.owned.take().filter(|old| now.0 - old.at.0 < OWNED_FOR_MS);
            }
            Change::Owned(Some((keys, age_ms))) => {
                let at = Millis(now.0 - age_ms.max(0));
                if self.owned.as_ref().is_none_or(|old| old.at < at) {
                    self.owned = Some(Owned { at, keys });
                }
            }
            Change::Proxy(id, figures) => self.proxy_figures(&id, figures, now),
        }
    }

    fn event(&mut self, now: Millis, revision: Option<u64>, kind: EventKind, text: String) {
        self.events.push(ClusterEvent { at: now.0, revision, kind, text, plan: None });
    }

    /// Takes in what one revision of the registry changed, then tells of each plan once.
    fn put_all(
        &mut self,
        changes: impl IntoIterator<Item = (String, Option<Vec<u8>>)>,
        revision: u64,
        now: Millis,
    ) {
        let mut touched = BTreeMap::new();
        for (key, value) in changes {
            match value {
                Some(value) => self.put(&key, &value, revision, now, &mut touched),
                None => self.delete(&key, revision, now),
            }
        }
        for (id, before) in touched {
            self.tell_plan(id, before.as_ref(), revision, now);
        }
        // A plan that is known comes before its moves in no order.
        let plans: BTreeSet<u64> = self.plans.iter().map(|plan| plan.id).collect();
        self.journal.retain(|_, record| plans.contains(&record.plan.0));
    }

    fn registry_up(&mut self, now: Millis) {
        // What answers and was not read yet has told nothing.
        if self.registry.heard_at != Millis(0) {
            self.registry.heard_at = now;
        }
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
        known.extend(self.journal.keys().map(|id| keys::slot_move(*id)));
        known.extend(self.losses.keys().map(keys::loss));
        known.extend(self.leader.is_some().then(|| keys::LEADER.to_owned()));
        known.extend(self.topology.is_some().then(|| keys::TOPOLOGY.to_owned()));
        for key in known.iter().filter(|key| !present.contains(key.as_str())) {
            self.delete(key, revision, now);
        }
    }

    /// `touched`: plans that there is news of, with the state in which each was before.
    fn put(
        &mut self,
        key: &str,
        value: &[u8],
        revision: u64,
        now: Millis,
        touched: &mut BTreeMap<u64, Option<PlanState>>,
    ) {
        let result = match key.split_once('/') {
            Some(("nodes", _)) => parse_value(key, value).map(|record| self.put_node(record, revision, now)),
            Some(("proxies", _)) => {
                parse_value(key, value).map(|record| self.put_proxy(record, revision, now))
            }
            Some(("retired", _)) => parse_value(key, value).map(|record| self.put_gone(record, true, now)),
            Some(("losses", _)) => parse_value(key, value).map(|loss| self.put_loss(loss, revision)),
            Some(("plans", _)) => plans::read(key, value).map(|plan| {
                let (id, before) = (plan.id, self.put_plan(plan, now));
                touched.entry(id).or_insert(before);
            }),
            Some(("moves", _)) => parse_value(key, value).map(|record: MoveRecord| {
                let plan = record.plan.0;
                self.put_move(record, revision, now);
                let state = self.plans.iter().find(|known| known.id == plan).map(|known| known.state.clone());
                touched.entry(plan).or_insert(state);
            }),
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
                    let is_shut_out =
                        |gone: &GoneProxy| gone.shut_out && gone.record.instance == proxy.record.instance;
                    if !self.gone.get(&proxy.record.id).is_some_and(is_shut_out) {
                        self.gone.remove(&proxy.record.id);
                        // One that drains said that it would go.
                        if proxy.error.is_some() && !proxy.record.draining {
                            self.put_gone(proxy.record.clone(), false, now);
                        }
                    }
                    let id = &proxy.record.id;
                    let text = match proxy.record.draining {
                        true => format!("proxy {id} gone: it has drained"),
                        false => format!("proxy {id} gone: it left, or its lease ended"),
                    };
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
            Some(("moves", _)) => {
                self.journal.retain(|id, _| keys::slot_move(*id) != key);
            }
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

    /// One that is registered, by now, under another instance is not gone.
    fn put_gone(&mut self, record: ProxyRecord, shut_out: bool, now: Millis) {
        if self.proxies.get(&record.id).is_none_or(|proxy| proxy.record.instance == record.instance) {
            self.gone.insert(record.id.clone(), GoneProxy { record, at: now, shut_out });
        }
    }

    fn put_proxy(&mut self, record: ProxyRecord, revision: u64, now: Millis) {
        let id = record.id.clone();
        if self.gone.get(&id).is_some_and(|gone| gone.record.instance != record.instance) {
            self.gone.remove(&id);
        }
        match self.proxies.get_mut(&id) {
            Some(proxy) if proxy.record.instance == record.instance => {
                let begins = record.draining && !proxy.record.draining;
                proxy.record = record;
                if begins {
                    self.event(now, Some(revision), EventKind::Proxy, format!("proxy {id} drains"));
                }
            }
            known => {
                let verb = if known.is_some() { "registered anew" } else { "registered" };
                let text = format!("proxy {id} {verb} at {}", record.address);
                self.event(now, Some(revision), EventKind::Proxy, text);
                // One that lost its lease and is back at its place was heard of a moment ago; it is no stranger.
                let before = self.proxies.remove(&id).filter(|known| known.record.address == record.address);
                let proxy = match before {
                    Some(known) => ProxyView { record, ..known },
                    None => ProxyView { record, figures: None, read_at: Millis(0), error: None },
                };
                self.proxies.insert(id, proxy);
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

    /// Gives the state in which the plan was before.
    fn put_plan(&mut self, mut plan: PlanView, now: Millis) -> Option<PlanState> {
        // A plan that ended says when; of the others this is the first anybody hears.
        if !plan.state.is_final() {
            plan.changed_at = now;
        }
        let known = self.plans.iter().position(|known| known.id == plan.id);
        let before = known.map(|at| self.plans[at].state.clone());
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
        before
    }

    /// What becomes of a plan is one line, which counts up while it runs and is the newest again when it ends.
    fn tell_plan(&mut self, id: u64, before: Option<&PlanState>, revision: u64, now: Millis) {
        let Some(plan) = self.plans.iter().find(|plan| plan.id == id) else { return };
        let ends = plan.state.is_final();
        if ends && before == Some(&plan.state) {
            return;
        }
        let text = plans::line(plan, &headway(self, plan));
        let (kind, plan) = (EventKind::Plan, Some(id));
        let event = ClusterEvent { at: now.0, revision: Some(revision), kind, text, plan };
        if ends { self.events.conclude(event) } else { self.events.count_up(event) }
    }

    /// The phases of a move are in its journal; only one that is given up is news of its own.
    fn put_move(&mut self, record: MoveRecord, revision: u64, now: Millis) {
        let known = self.journal.get(&record.id);
        if record.state == "aborted" && known.is_none_or(|known| known.state != record.state) {
            let why = record.reason.as_deref().unwrap_or("no reason was written down");
            let text = format!("move {}  {} → {}  aborted: {why}", record.id, record.from, record.to);
            self.event(now, Some(revision), EventKind::Move, text);
        }
        self.journal.insert(record.id, Arc::new(record));
    }

    fn put_topology(&mut self, topology: Topology, revision: u64, now: Millis) {
        let before = self.topology.take();
        let is_of_a_plan = self.plans.iter().any(|plan| !plan.state.is_final());
        if !is_of_a_plan && before.as_ref().is_none_or(|view| view.topology.slots != topology.slots) {
            let text = format!("slots have new owners in epoch {}", topology.epoch);
            self.event(now, Some(revision), EventKind::Slots, text);
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
                // One that drains has said that it will not; its row shows the error all the same.
                let is_news = proxy.error.is_none() && !proxy.record.draining;
                let text = is_news.then(|| format!("proxy {id} does not answer: {error}"));
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
            matches!(&view.registry.health, Health::Down { since: Millis(1), error, refused: true } if error == "timed out")
        );
        view.apply(Change::RegistryUp, Millis(3500));
        assert_eq!(texts(&view), ["registry does not answer: refused", "registry answers again after 3.5 s"]);
    }

    #[test]
    fn a_plan_is_one_line_that_counts_up_and_is_the_newest_when_it_ends() {
        let mut view = ClusterView::new("default", &[], 10);
        let mut revision = 0;
        let mut put = |view: &mut ClusterView, changes: &[(&str, String)], at| {
            revision += 1;
            let changes = changes
                .iter()
                .map(|(key, value)| ((*key).to_owned(), Some(value.clone().into_bytes())))
                .collect();
            view.apply(Change::Keys { revision, changes }, Millis(at));
        };
        let plan = |state: &str, slots: u64, keys: u64| {
            let json = format!(
                r#"{{"id":1,"do":"add","node":"2",{state},"created_at_ms":0,"by":"ops","words":"add 2 http://h:1",
                   "epoch":1,"slots_moved":{slots},"slots_total":8192,"keys_moved":{keys}}}"#
            );
            ("plans/00000001", json)
        };
        let one = |state: &str, keys: u64, more: &str| {
            let json = format!(
                r#"{{"id":7,"plan":1,"from":"1","to":"2","slots":["0-99"],"state":"{state}","started_at_ms":1000,
                   "keys":{keys},"bytes":2048,"counted_at_ms":2000,"term":1{more}}}"#
            );
            ("moves/00000007", json)
        };
        let topology = r#"{"epoch":2,"slots":[["0-16383","1"]]}"#.to_owned();
        put(&mut view, &[plan(r#""state":"accepted""#, 0, 0)], 10);
        put(
            &mut view,
            &[plan(r#""state":"running""#, 0, 0), one("planned", 0, ""), ("topology", topology)],
            20,
        );
        put(&mut view, &[one("frozen", 30, "")], 30);
        assert_eq!(texts(&view), ["plan 1 `add 2 http://h:1` running: 0 of 8192 slots, 30 keys"]);
        assert_eq!((view.events.iter().next().unwrap().at, view.events.total()), (10, 1));
        put(
            &mut view,
            &[node("9", 1)].map(|(key, json)| {
                ("nodes/9", {
                    assert_eq!(key, "nodes/9");
                    String::from_utf8(json).unwrap()
                })
            }),
            40,
        );
        put(
            &mut view,
            &[one("aborted", 30, r#","reason":"node 2 sleeps""#), plan(r#""state":"running""#, 0, 0)],
            50,
        );
        assert_eq!(texts(&view)[2], "move 7  1 → 2  aborted: node 2 sleeps");
        let receipt = one("done", 50, r#","epoch":3,"verified_keys":50,"freeze_ms":190"#);
        put(&mut view, &[receipt, plan(r#""state":"done","ended_at_ms":60"#, 8192, 50)], 60);
        let done = "plan 1 `add 2 http://h:1` done: 8192 slots, 50 keys, 2048 bytes in 1.0 s, writes held for 190 ms at most";
        assert_eq!((texts(&view)[2], view.events.len(), view.events.total()), (done, 3, 4));
        // Read again after an outage it is no news.
        put(&mut view, &[plan(r#""state":"done","ended_at_ms":60"#, 8192, 50)], 70);
        assert_eq!(view.events.total(), 4);
    }

    #[test]
    fn one_that_drains_is_no_news_when_it_goes() {
        let mut view = ClusterView::new("default", &[], 10);
        let mut revision = 0;
        let mut put = |view: &mut ClusterView, value: Option<&str>| {
            revision += 1;
            let changes = vec![("proxies/1".to_owned(), value.map(|json| json.as_bytes().to_vec()))];
            view.apply(Change::Keys { revision, changes }, Millis(10));
        };
        let record = r#"{"id":"1","instance":"a","address":"h:1","host":"h","version":"1","epoch":1}"#;
        put(&mut view, Some(record));
        put(&mut view, Some(&record.replace('}', r#","draining":true}"#)));
        let silent = Err("refused".to_owned());
        view.apply(Change::Proxy("1".parse().unwrap(), silent), Millis(11));
        assert_eq!(view.proxies[&"1".parse().unwrap()].error.as_deref(), Some("refused"));
        put(&mut view, None);
        assert_eq!(
            texts(&view),
            ["proxy 1 registered at h:1", "proxy 1 drains", "proxy 1 gone: it has drained"]
        );
        assert!(view.gone.is_empty());
    }

    #[test]
    fn a_proxy_that_registers_anew_at_its_place_keeps_what_was_heard_of_it() {
        let mut view = ClusterView::new("default", &[], 10);
        let register = |view: &mut ClusterView, instance: &str, port: u16| {
            let json = format!(
                r#"{{"id":"1","instance":"{instance}","address":"h:{port}","version":"1","epoch":1}}"#
            );
            let changes = vec![("proxies/1".to_owned(), Some(json.into_bytes()))];
            view.apply(Change::Keys { revision: 1, changes }, Millis(50));
        };
        let id: ProxyId = "1".parse().unwrap();
        register(&mut view, "a", 1);
        view.apply(Change::Proxy(id.clone(), Ok(ProxyFigures::default())), Millis(100));
        register(&mut view, "b", 1);
        assert_eq!((view.proxies[&id].read_at, view.proxies[&id].figures.is_some()), (Millis(100), true));
        register(&mut view, "c", 2);
        assert_eq!((view.proxies[&id].read_at, view.proxies[&id].figures.is_some()), (Millis(0), false));
        assert_eq!(texts(&view)[1..], ["proxy 1 registered anew at h:1", "proxy 1 registered anew at h:2"]);
    }

    #[test]
    fn a_proxy_that_went_without_a_word_is_gone_until_it_is_back() {
        let mut view = ClusterView::new("default", &[], 10);
        let record = |instance: &str| {
            let json =
                format!(r#"{{"id":"1","instance":"{instance}","address":"h:1","version":"1","epoch":1}}"#);
            Some(json.into_bytes())
        };
        let keys = |view: &mut ClusterView, changes: &[(&str, Option<Vec<u8>>)], at| {
            let changes = changes.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
            view.apply(Change::Keys { revision: 1, changes }, Millis(at));
        };
        let id: ProxyId = "1".parse().unwrap();
        keys(&mut view, &[("proxies/1", record("a"))], 10);
        // Of its own accord.
        keys(&mut view, &[("proxies/1", None)], 20);
        assert!(view.gone.is_empty());
        // Shut out, in either order of the transaction.
        for changes in [
            [("proxies/1", None), ("retired/1-a", record("a"))],
            [("retired/1-a", record("a")), ("proxies/1", None)],
        ] {
            keys(&mut view, &[("proxies/1", record("a"))], 30);
            keys(&mut view, &changes, 40);
            assert_eq!(view.gone.get(&id).map(|gone| (gone.at, gone.shut_out)), Some((Millis(40), true)));
            // Back under another instance, whose old one is retired in the same transaction.
            keys(&mut view, &[("retired/1-a", record("a")), ("proxies/1", record("b"))], 50);
            assert!(view.gone.is_empty());
            keys(&mut view, &[("proxies/1", None)], 60);
            assert!(view.gone.is_empty());
        }
        // Its lease ended while it did not answer.
        keys(&mut view, &[("proxies/1", record("c"))], 70);
        view.apply(Change::Proxy(id.clone(), Err("no answer".to_owned())), Millis(80));
        keys(&mut view, &[("proxies/1", None)], 90);
        assert_eq!(view.gone.get(&id).map(|gone| (gone.at, gone.shut_out)), Some((Millis(90), false)));
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
