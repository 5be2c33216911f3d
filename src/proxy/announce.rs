//! Writes into a proxy's record the epoch it has come to, for the driver to see, and that it drains, for everybody else.

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
    said: watch::Sender<Said>,
    lost: CancellationToken,
    task: AbortHandle,
}

/// What the record is to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Said {
    epoch: Epoch,
    draining: bool,
}

impl Announcer {
    /// `drained` is cancelled when the record says that the proxy drains.
    pub(super) fn start(
        registry: Registry,
        record: ProxyRecord,
        lease: LeaseId,
        created: Revision,
        drained: CancellationToken,
    ) -> Self {
        let (said, to_say) = watch::channel(Said { epoch: record.epoch, draining: record.draining });
        if record.draining {
            drained.cancel();
        }
        let lost = CancellationToken::new();
        let task =
            tokio::spawn(announce(registry, record, (lease, created), to_say, (lost.clone(), drained)));
        Self { said, lost, task: task.abort_handle() }
    }

    /// Every worker has come to this epoch.
    pub(super) fn announce(&self, epoch: Epoch) {
        self.said.send_if_modified(|said| {
            let later = epoch > said.epoch;
            said.epoch = epoch.max(said.epoch);
            later
        });
    }

    /// The proxy is about to end.
    pub(super) fn drain(&self) {
        self.said.send_if_modified(|said| !std::mem::replace(&mut said.draining, true));
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
    mut to_say: watch::Receiver<Said>,
    (lost, drained): (CancellationToken, CancellationToken),
) {
    let key = keys::proxy(&record.id);
    while to_say.changed().await.is_ok() {
        loop {
            Said { epoch: record.epoch, draining: record.draining } = *to_say.borrow_and_update();
            let value = to_json(&record);
            let txn = Txn::new().if_created(&key, created).put_leased(&key, value, lease);
            match registry.commit(txn).await {
                Ok(Commit::Done { .. }) => {
                    if record.draining {
                        drained.cancel();
                    }
                    break;
                }
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
