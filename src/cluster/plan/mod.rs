//! What operators ask for and what became of it: the records of `plans/`, `moves/` and `audit/`, the arithmetic of who
//! gives which slots to whom ([`balance`]), handing in a plan ([`submit`]) and what is looked at before (`check`,
//! [`history`]), also from elsewhere ([`questions`]).
//!
//! Not here: carrying a plan out (the driver).

pub mod balance;
mod check;
pub mod history;
pub mod questions;
pub mod refusal;
mod situation;
pub mod submit;

use serde::{Deserialize, Serialize};

use crate::{
    id::{Epoch, NodeId},
    slot::SlotRange,
    time::Millis,
};

pub use {
    refusal::Refusal,
    submit::{
        AddRequest, Preview, RemoveRequest, Submitted, preview_add, preview_remove, submit_add, submit_remove,
    },
};

/// The number of a plan: its key is `plans/NUMBER`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PlanId(pub u64);

impl std::fmt::Display for PlanId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "lowercase")]
pub enum Goal {
    /// The node, already a member, gets its fair share of the slots.
    Add {
        /// Which node.
        node: NodeId,
    },
    /// The node gives all its slots away and stops being a member.
    Remove {
        /// Which node.
        node: NodeId,
        /// Its keys are given up: it is unreachable, or the last one.
        #[serde(default)]
        abandon: bool,
    },
}

impl Goal {
    /// The node it is about.
    #[must_use]
    pub fn node(&self) -> &NodeId {
        match self {
            Self::Add { node } | Self::Remove { node, .. } => node,
        }
    }
}

/// How far a plan is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum PlanState {
    /// In the registry; the driver will come to it.
    Accepted,
    /// The driver is at it.
    Running,
    /// Finished.
    Done,
    /// Given up; what was moved before stays moved, nothing is lost.
    Failed {
        /// Why, for the operator.
        reason: String,
    },
}

/// `plans/ID`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanRecord {
    /// The same as in the key.
    pub id: PlanId,
    /// What is to be done.
    #[serde(flatten)]
    pub goal: Goal,
    /// How far it is.
    #[serde(flatten)]
    pub state: PlanState,
    /// Milliseconds since 1970.
    pub created_at_ms: i64,
    /// `user@host`.
    pub by: String,
    /// The operator's own words.
    pub words: String,
    /// The topology it was made for.
    pub epoch: Epoch,
    /// Slots moved so far.
    pub slots_moved: u64,
    /// Slots to be moved in all.
    pub slots_total: u64,
    /// Keys moved so far.
    pub keys_moved: u64,
    /// Keys in all slots that it moves, about, as their owners said when it began; `None`: not begun, or one did not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys_expected: Option<u64>,
    /// Of a node whose keys are given up; `None` there: nobody ever heard how many they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub given_up: Option<GivenUp>,
    /// When it ended, milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at_ms: Option<i64>,
    /// The node's server when the plan was accepted: what is left on it afterwards is known by this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<ServerRecord>,
}

/// A server as a plan found it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerRecord {
    /// `host:port`.
    pub address: String,
    /// Of the process, as it was last heard; empty if it never was.
    pub run_id: String,
    /// Keys it held that were not known to be copies of this cluster's.
    #[serde(default)]
    pub foreign_keys: u64,
}

/// Keys that go with a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GivenUp {
    /// In all databases, when the node was last heard to say.
    pub keys: u64,
    /// When that was, milliseconds since 1970.
    pub heard_at_ms: i64,
}

impl GivenUp {
    /// How many keys that are, for people.
    #[must_use]
    pub fn describe(given_up: Option<Self>) -> String {
        match given_up {
            Some(Self { keys, .. }) => format!("{} when it was last heard", refusal::counted(keys, "key")),
            None => "how many they are was never heard".to_owned(),
        }
    }
}

impl PlanRecord {
    /// Done or failed.
    #[must_use]
    pub fn ended(&self) -> bool {
        matches!(self.state, PlanState::Done | PlanState::Failed { .. })
    }
}

/// `moves/ID`: the journal of a move while it runs, its receipt afterwards.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MoveRecord {
    /// The same as in the key.
    pub id: u64,
    /// The plan it belongs to.
    pub plan: PlanId,
    /// Who had the slots.
    pub from: NodeId,
    /// Who has them now, if it ended well.
    pub to: NodeId,
    /// Which slots.
    pub slots: Vec<SlotRange>,
    /// What happened last, in a word: the phase, `done` or `aborted`.
    pub state: String,
    /// Milliseconds since 1970.
    pub started_at_ms: i64,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at_ms: Option<i64>,
    /// Keys copied.
    pub keys: u64,
    /// Bytes of their DUMP payloads.
    pub bytes: u64,
    /// When these two were counted, milliseconds since 1970 by the driver's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counted_at_ms: Option<i64>,
    /// Of these keys, how many copies were deleted again at the side that does not own the slots.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub deleted: u64,
    /// Keys on both sides when counted under the freeze.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified_keys: Option<u64>,
    /// Keys whose value was compared in full.
    #[serde(default)]
    pub verified_values: u64,
    /// When writes to the slots began to wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frozen_at_ms: Option<i64>,
    /// How long writes to the slots waited, milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub freeze_ms: Option<i64>,
    /// Of the switch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<Epoch>,
    /// The term of the driver that wrote this.
    pub term: u64,
    /// Why it was aborted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives references")]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// So many lines of the audit log are kept; the driver deletes older ones when it has nothing else to do.
pub const AUDIT_KEPT: u64 = 10_000;

/// `audit/N`: who did what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditRecord {
    /// Milliseconds since 1970.
    pub at_ms: i64,
    /// `user@host` of the console, or `driver PROXY`.
    pub by: String,
    /// The words, or what the driver did.
    pub what: String,
    /// The topology before.
    pub epoch_before: Epoch,
    /// And after; the same when it was not changed by this.
    pub epoch_after: Epoch,
}

impl AuditRecord {
    /// An entry of now.
    #[must_use]
    pub fn new(now: Millis, by: &str, what: impl Into<String>, before: Epoch, after: Epoch) -> Self {
        Self { at_ms: now.0, by: by.to_owned(), what: what.into(), epoch_before: before, epoch_after: after }
    }
}
