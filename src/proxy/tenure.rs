//! Whether this proxy's registration certainly stands: what a slot that may change owner without this proxy's consent depends on.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use crate::cluster::registry::Liveness;

/// So long before the lease may end it is not relied on any more: for what a request takes between the look and its sending,
/// and for clocks that do not run at quite the same speed.
const MARGIN: Duration = Duration::from_secs(1);

/// The lease of the registration that stands, if one does.
#[derive(Debug, Default)]
pub(super) struct Tenure(Mutex<Option<Liveness>>);

impl Tenure {
    pub(super) fn begin(&self, lease: Liveness) {
        *self.lock() = Some(lease);
    }

    /// To be called before the registry is told that a registration ended.
    pub(super) fn end(&self) {
        *self.lock() = None;
    }

    /// Looked at for each request that depends on it, after the request was read: then whatever the answer is, it was true
    /// while the client waited.
    pub(super) fn is_certain(&self) -> bool {
        self.lock().as_ref().is_some_and(|lease| lease.is_certain(MARGIN))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Liveness>> {
        // Replaced whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
