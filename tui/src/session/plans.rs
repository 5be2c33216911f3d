//! Reading `plans/ID` and `leader` of the registry into the view.

use redis_cluster::{cluster::ProxyId, time::Millis};
use serde::Deserialize;

use super::view::{PlanState, PlanView};

/// The registry key of a plan.
pub(super) fn key(id: u64) -> String {
    format!("plans/{id}")
}

#[derive(Deserialize)]
struct Plan {
    id: u64,
    words: String,
    state: String,
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    slots_done: usize,
    #[serde(default)]
    slots_total: usize,
    #[serde(default)]
    keys_done: u64,
    #[serde(default)]
    asked_at_ms: i64,
}

pub(super) fn read(value: &[u8]) -> serde_json::Result<PlanView> {
    let plan: Plan = serde_json::from_slice(value)?;
    let state = match plan.state.to_ascii_lowercase().as_str() {
        "done" => PlanState::Done,
        "failed" => PlanState::Failed(plan.error.unwrap_or_default()),
        "running" => PlanState::Running,
        _ => PlanState::Waiting,
    };
    Ok(PlanView {
        id: plan.id,
        words: plan.words,
        state,
        slots_done: plan.slots_done,
        slots_total: plan.slots_total,
        keys_done: plan.keys_done,
        asked_at: Millis(plan.asked_at_ms),
        changed_at: Millis(plan.asked_at_ms),
    })
}

#[derive(Deserialize)]
struct Leader {
    proxy: ProxyId,
}

pub(super) fn read_leader(value: &[u8]) -> serde_json::Result<ProxyId> {
    serde_json::from_slice::<Leader>(value).map(|leader| leader.proxy)
}
