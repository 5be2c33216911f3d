//! What stands under the keys of the registry, put into the view and taken out of it again.

use std::collections::{BTreeMap, BTreeSet};

use redis_cluster::{
    cluster::{
        plan::MoveRecord,
        records::{keys, parse_value},
    },
    id::{NodeId, ProxyId},
    time::Millis,
};

use crate::session::{
    plans,
    view::{ClusterView, EventKind, GoneProxy, PlanState},
};

impl ClusterView {
    /// Takes in what one revision of the registry changed, then tells of each plan once.
    pub(super) fn put_all(
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

    /// After a gap in the watch: what is no longer there was deleted meanwhile.
    pub(super) fn forget_absent(&mut self, entries: &[(String, Vec<u8>)], revision: u64, now: Millis) {
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
                    self.left.insert(proxy.record.id.clone(), (proxy, now));
                }
            }
            Some(("losses", id)) => {
                let noted = id.parse().ok().and_then(|id: NodeId| self.losses.remove(&id));
                if let Some(loss) = noted.filter(|loss| self.nodes.contains_key(&loss.node)) {
                    // One that is kept out may have come back with its keys as well; the audit log says which.
                    let who = if loss.stops { "it has them again, or " } else { "" };
                    let text = format!(
                        "node {}: {who}an operator took note of {} lost keys",
                        loss.node,
                        loss.lost()
                    );
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
}
