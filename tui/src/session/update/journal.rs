//! Plans, the moves that carry them out, and the routing that comes of them.

use std::sync::Arc;

use redis_cluster::{
    cluster::{Topology, plan::MoveRecord},
    time::Millis,
};

use crate::session::{
    headway::headway,
    plans,
    view::{ClusterEvent, ClusterView, EventKind, PlanState, PlanView, TopologyView},
};

impl ClusterView {
    /// Gives the state in which the plan was before.
    pub(super) fn put_plan(&mut self, mut plan: PlanView, now: Millis) -> Option<PlanState> {
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
    pub(super) fn tell_plan(&mut self, id: u64, before: Option<&PlanState>, revision: u64, now: Millis) {
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
    pub(super) fn put_move(&mut self, record: MoveRecord, revision: u64, now: Millis) {
        let known = self.journal.get(&record.id);
        if record.state == "aborted" && known.is_none_or(|known| known.state != record.state) {
            let why = record.reason.as_deref().unwrap_or("no reason was written down");
            let text = format!("move {}  {} → {}  aborted: {why}", record.id, record.from, record.to);
            self.event(now, Some(revision), EventKind::Move, text);
        }
        self.journal.insert(record.id, Arc::new(record));
    }

    pub(super) fn put_topology(&mut self, topology: Topology, revision: u64, now: Millis) {
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
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            Change,
            tests::{node, texts},
        },
        *,
    };

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
}
