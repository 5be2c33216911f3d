//! What a proxy sees of the requests that pass through it: how many and how long ([`traffic`]), which were slow and where their time went
//! ([`slow`]), which keys are asked for most and which are large ([`keys`], by sampling, with the [`sketch`]), and how all of that is
//! shown, as metrics ([`metrics`]) and in `INFO` ([`sections`]).
//!
//! Each worker writes its own figures, readers add them up. Where every request passes there is no lock, no clock and no allocation;
//! times are those of a worker's turns ([`super::upstream`]'s marks). Not here: figures of members (`polls`).

mod keys;
pub(super) mod metrics;
mod note;
mod reach;
pub(super) mod sections;
mod sketch;
mod slow;
mod traffic;

pub(super) use self::{
    keys::SAMPLE,
    note::Note,
    reach::{times, unreachable},
    slow::{SlowLog, SlowRequest},
    traffic::{Cut, OfNode, Traffic},
};
