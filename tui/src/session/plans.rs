//! Reading `plans/ID` and `leader` of the registry into the view.

use redis_cluster::{
    cluster::{
        election::LeaderRecord,
        plan::{self, PlanId, PlanRecord},
        records::{Unreadable, keys, parse_value},
    },
    id::ProxyId,
    time::Millis,
};

use super::view::{PlanState, PlanView};

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
        asked_at: Millis(record.created_at_ms),
        changed_at: Millis(changed),
    })
}

/// `None`: a leader that is not a proxy, such as a console that drives in the foreground.
pub(super) fn read_leader(value: &[u8]) -> Result<Option<ProxyId>, Unreadable> {
    let record: LeaderRecord = parse_value(keys::LEADER, value)?;
    Ok(record.identity.strip_prefix("proxy ").and_then(|id| id.parse().ok()))
}
