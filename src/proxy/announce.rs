//! Writes the epoch a proxy has come to into its record, for the driver to see.

use crate::cluster::records::{keys, to_json};
use std::time::Duration;

use tokio::{sync::watch, task::AbortHandle};
use tokio_util::sync::CancellationToken;

use crate::{
    cluster::{
        member::ProxyRecord,
        registry::{Commit, LeaseId, Registry, RegistryError, Revision, Txn},
    },
    id::Epoch,
};

const PAUSE: Duration = Duration::from_millis(500);

/// A task that writes the newest epoch, as long as the registration is the one it was started for. Dropping it ends it.
#[derive(Debug)]
pub(super) struct Announcer {
    newest: watch::Sender<Epoch>,
    lost: CancellationToken,
    task: AbortHandle,
}

impl Announcer {
    pub(super) fn start(registry: Registry, record: ProxyRecord, lease: LeaseId, created: Revision) -> Self {
        let (newest, epochs) = watch::channel(record.epoch);
        let lost = CancellationToken::new();
        let task = tokio::spawn(announce(registry, record, (lease, created), epochs, lost.clone()));
        Self { newest, lost, task: task.abort_handle() }
    }

    /// Every worker has come to this epoch.
    pub(super) fn announce(&self, epoch: Epoch) {
        self.newest.send_if_modified(|newest| {
            let later = epoch > *newest;
            *newest = epoch.max(*newest);
            later
        });
    }

    /// Waits until the record turns out to be gone.
    pub(super) async fn lost(&mut self) {
        self.lost.cancelled().await;
    }
}

impl Drop for Announcer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn announce(
    registry: Registry,
    mut record: ProxyRecord,
    (lease, created): (LeaseId, Revision),
    mut epochs: watch::Receiver<Epoch>,
    lost: CancellationToken,
) {
    let key = keys::proxy(&record.id);
    while epochs.changed().await.is_ok() {
        loop {
            record.epoch = *epochs.borrow_and_update();
            let value = to_json(&record);
            let txn = Txn::new().if_created(&key, created).put_leased(&key, value, lease);
            match registry.commit(txn).await {
                Ok(Commit::Done { .. }) => break,
                Ok(Commit::Conflict { .. }) | Err(RegistryError::LeaseGone { .. }) => {
                    lost.cancel();
                    return;
                }
                Err(error) => {
                    tracing::warn!(%error, epoch = %record.epoch, "cannot acknowledge an epoch; trying again");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }
}
