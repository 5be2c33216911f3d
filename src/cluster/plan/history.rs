//! What the registry remembers of a server that is no member: whether the keys that lie on it are copies, which every owner
//! has too, or were given up. Pure: plans and receipts in, an answer out.
//!
//! A server is known for certain by the run id of its process alone. Another process at the same address may be the same
//! server, started again, or any other one; of it only a hint can be given.

use super::{Goal, MoveRecord, PlanId, PlanRecord, PlanState};
use crate::{id::NodeId, slot::SlotRange};

/// What lies on a server, as far as is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Past {
    /// Nothing is known of it.
    Unknown,
    /// It never owned a slot, or gave all it had away. What it has in these slots are copies that could not be wiped.
    Copies {
        /// Moves left them there.
        slots: Vec<SlotRange>,
    },
    /// It owned slots, and the cluster gave up what it had in them.
    GivenUp {
        /// As which node.
        node: NodeId,
        /// By which removal.
        plan: PlanId,
    },
    /// It is at the address of a server that once was a member, or was to become one.
    SameAddress {
        /// As which node.
        node: NodeId,
        /// The last plan that was about it.
        plan: PlanId,
    },
}

/// The past of a server that is no member now.
#[must_use]
pub fn of_server(plans: &[PlanRecord], moves: &[MoveRecord], run_id: &str, address: &str) -> Past {
    let last = |about: &dyn Fn(&PlanRecord) -> bool| {
        plans.iter().filter(|plan| plan.ended() && about(plan)).max_by_key(|plan| plan.id)
    };
    let of_process = |plan: &PlanRecord| {
        plan.server.as_ref().is_some_and(|server| !run_id.is_empty() && server.run_id == run_id)
    };
    if let Some(plan) = last(&of_process) {
        let node = plan.goal.node();
        // A later removal of the same node that did not see which process it was.
        let removed = last(&|later| {
            later.id > plan.id && later.goal.node() == node && matches!(later.goal, Goal::Remove { .. })
        });
        return of_plan(removed.unwrap_or(plan), moves);
    }
    let of_address = |plan: &PlanRecord| plan.server.as_ref().is_some_and(|server| server.address == address);
    match last(&of_address) {
        Some(plan) => Past::SameAddress { node: plan.goal.node().clone(), plan: plan.id },
        None => Past::Unknown,
    }
}

/// What the plan left on its node, which is no member after it.
fn of_plan(plan: &PlanRecord, moves: &[MoveRecord]) -> Past {
    let foreign = plan.server.as_ref().is_none_or(|server| server.foreign_keys > 0);
    match (&plan.goal, &plan.state) {
        (Goal::Remove { node, abandon: true }, PlanState::Done) => {
            Past::GivenUp { node: node.clone(), plan: plan.id }
        }
        (Goal::Remove { node, abandon: false }, PlanState::Done) => {
            Past::Copies { slots: left_on(node, moves) }
        }
        (Goal::Add { node }, PlanState::Failed { .. }) if plan.slots_moved == 0 && !foreign => {
            Past::Copies { slots: left_on(node, moves) }
        }
        // It still was a member then, or keys of others lay there from the beginning.
        _ => Past::Unknown,
    }
}

/// Slots in which moves may have left copies on the node: given away and not wiped, or brought in part and not kept.
fn left_on(node: &NodeId, moves: &[MoveRecord]) -> Vec<SlotRange> {
    let left = moves.iter().filter(|receipt| {
        let not_reaped = receipt.from == *node
            && receipt.state == "done"
            && receipt.reason.as_deref().is_some_and(|reason| reason.starts_with(COPIES_LEFT));
        not_reaped || receipt.to == *node && receipt.state == "aborted"
    });
    SlotRange::cover(left.flat_map(|receipt| receipt.slots.iter().flat_map(|range| range.iter())))
}

/// How the note of a receipt begins whose source could not be wiped.
pub const COPIES_LEFT: &str = "copies left on node";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{cluster::plan::ServerRecord, id::Epoch};

    fn plan(id: u64, goal: Goal, state: PlanState, run_id: &str) -> PlanRecord {
        let server = ServerRecord { address: "h:1".into(), run_id: run_id.into(), foreign_keys: 0 };
        PlanRecord {
            id: PlanId(id),
            goal,
            state,
            created_at_ms: 0,
            by: String::new(),
            words: String::new(),
            epoch: Epoch(0),
            slots_moved: 0,
            slots_total: 0,
            keys_moved: 0,
            keys_expected: None,
            given_up: None,
            ended_at_ms: None,
            server: Some(server),
        }
    }

    fn add() -> Goal {
        Goal::Add { node: "2".parse().unwrap() }
    }

    fn remove(abandon: bool) -> Goal {
        Goal::Remove { node: "2".parse().unwrap(), abandon }
    }

    fn failed() -> PlanState {
        PlanState::Failed { reason: String::new() }
    }

    fn receipt(from: &str, to: &str, slots: &str, state: &str, reason: &str) -> MoveRecord {
        let json = format!(
            r#"{{"id":1,"plan":1,"from":"{from}","to":"{to}","slots":["{slots}"],"state":"{state}","started_at_ms":0,
                "keys":0,"bytes":0,"term":1,"reason":"{reason}"}}"#
        );
        serde_json::from_str(&json).unwrap()
    }

    #[test]
    fn copies_are_told_from_what_was_given_up() {
        let moves = [
            receipt("1", "2", "0-9", "aborted", "x"),
            receipt("2", "1", "20-29", "done", "copies left on node 2: gone"),
            receipt("2", "1", "40", "done", ""),
            receipt("1", "3", "50", "aborted", ""),
        ];
        let copies = Past::Copies {
            slots: ["0-9", "20-29"].map(|range| SlotRange::try_from(range.to_owned()).unwrap()).to_vec(),
        };
        let given_up = Past::GivenUp { node: "2".parse().unwrap(), plan: PlanId(2) };
        let first = plan(1, add(), failed(), "a");
        assert_eq!(of_server(std::slice::from_ref(&first), &moves, "a", "h:1"), copies);
        let done = plan(1, add(), PlanState::Done, "a");
        let left = plan(2, remove(false), PlanState::Done, "a");
        assert_eq!(of_server(&[done.clone(), left], &moves, "a", "h:1"), copies);
        let forced = plan(2, remove(true), PlanState::Done, "a");
        assert_eq!(of_server(&[done.clone(), forced], &moves, "a", "h:1"), given_up);
        // The removal did not know the process any more.
        let forced = plan(2, remove(true), PlanState::Done, "");
        assert_eq!(of_server(&[first.clone(), forced], &moves, "a", "h:1"), given_up);
        // Nothing is known to be a copy where it is not certain.
        let mut with_foreign = first.clone();
        with_foreign.server.as_mut().unwrap().foreign_keys = 1;
        assert_eq!(of_server(&[with_foreign], &moves, "a", "h:1"), Past::Unknown);
        let mut in_part = first.clone();
        in_part.slots_moved = 5;
        assert_eq!(of_server(&[in_part], &moves, "a", "h:1"), Past::Unknown);
        let again = Past::SameAddress { node: "2".parse().unwrap(), plan: PlanId(1) };
        assert_eq!(of_server(std::slice::from_ref(&first), &moves, "b", "h:1"), again);
        assert_eq!(of_server(&[first], &moves, "b", "h:2"), Past::Unknown);
    }
}
