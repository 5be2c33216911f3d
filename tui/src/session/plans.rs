//! Reading `plans/ID` and `leader` of the registry into the view.

use redis_cluster::{
    cluster::{
        election::LeaderRecord,
        plan::{self, GivenUp, Goal, PlanId, PlanRecord},
        records::{Unreadable, keys, parse_value},
    },
    id::ProxyId,
    time::Millis,
};

use super::{
    headway::Headway,
    view::{PlanState, PlanView},
};
use crate::format::counted;

/// Plans that have ended are kept in the view up to this many.
pub(super) const ENDED_KEPT: usize = 20;

/// The registry key of a plan.
pub(super) fn key(id: u64) -> String {
    keys::plan(PlanId(id))
}

pub(super) fn read(key: &str, value: &[u8]) -> Result<PlanView, Unreadable> {
    let record: PlanRecord = parse_value(key, value)?;
    let changed = record.ended_at_ms.unwrap_or(record.created_at_ms);
    Ok(PlanView {
        id: record.id.0,
        state: match record.state {
            plan::PlanState::Accepted => PlanState::Waiting,
            plan::PlanState::Running => PlanState::Running,
            plan::PlanState::Done => PlanState::Done,
            plan::PlanState::Failed { reason } => PlanState::Failed(reason),
        },
        words: record.words,
        slots_done: usize::try_from(record.slots_moved).unwrap_or(usize::MAX),
        slots_total: usize::try_from(record.slots_total).unwrap_or(usize::MAX),
        keys_done: record.keys_moved,
        keys_expected: record.keys_expected,
        gives_up: matches!(record.goal, Goal::Remove { abandon: true, .. }),
        given_up: record.given_up,
        asked_at: Millis(record.created_at_ms),
        changed_at: Millis(changed),
    })
}

/// What is told of a plan.
pub(super) fn line(plan: &PlanView, so_far: &Headway) -> String {
    let PlanView { id, words, slots_done, slots_total, .. } = plan;
    let begin = format!("plan {id} `{words}`");
    let given_up = || {
        format!("{begin} {}: its keys are given up, {}", plan.state.word(), GivenUp::describe(plan.given_up))
    };
    match &plan.state {
        PlanState::Failed(why) => format!("{begin} failed: {why}"),
        PlanState::Waiting => format!("{begin} waiting"),
        PlanState::Running | PlanState::Done if plan.gives_up => given_up(),
        PlanState::Running => {
            format!("{begin} running: {slots_done} of {slots_total} slots, {}", counted(so_far.keys, "key"))
        }
        PlanState::Done => {
            let (slots, keys) = (counted(*slots_done as u64, "slot"), counted(so_far.keys, "key"));
            let bytes = counted(so_far.bytes, "byte");
            let took = so_far.took_ms as f64 / 1_000.0;
            let held = so_far.longest_hold_ms.map(|ms| format!(", writes held for {ms} ms at most"));
            format!("{begin} done: {slots}, {keys}, {bytes} in {took:.1} s{}", held.unwrap_or_default())
        }
    }
}

/// `None`: a leader that is not a proxy, such as a console that drives in the foreground.
pub(super) fn read_leader(value: &[u8]) -> Result<Option<ProxyId>, Unreadable> {
    let record: LeaderRecord = parse_value(keys::LEADER, value)?;
    Ok(record.identity.strip_prefix("proxy ").and_then(|id| id.parse().ok()))
}
