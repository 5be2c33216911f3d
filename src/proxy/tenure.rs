//! The registration under which a table of routes was read, and whether it certainly stands: what a slot that may change owner
//! without this proxy's consent depends on.

use std::time::Duration;

use crate::cluster::registry::Liveness;

/// So long before the lease may end it is not relied on any more: for what a request takes between the look and its sending,
/// and for clocks that do not run at quite the same speed.
const MARGIN: Duration = Duration::from_secs(1);

/// A table keeps the one it was read under: a later registration says nothing of what an earlier one has missed.
#[derive(Clone, Debug, Default)]
pub(super) struct Tenure(Option<Liveness>);

impl Tenure {
    /// Of the registration with this lease.
    pub(super) fn of(lease: Liveness) -> Self {
        Self(Some(lease))
    }

    /// Looked at for each request that depends on it, after the request was read: then whatever the answer is, it was true
    /// while the client waited.
    pub(super) fn is_certain(&self) -> bool {
        self.0.as_ref().is_some_and(|lease| lease.is_certain(MARGIN))
    }

    /// How long it certainly stands; nothing is taken off.
    pub(super) fn left(&self) -> Duration {
        self.0.as_ref().map(Liveness::remaining).unwrap_or_default()
    }
}
