//! Waiting until every live proxy routes by an epoch.

use std::time::Duration;

use super::{DriverError, ledger::Ledger};
use crate::cluster::{
    id::Epoch, member::ProxyRecord, peer::fence::proxy_user, plan::keys, registry::WatchEvent,
};

/// How long a proxy that lives may take to acknowledge. One that died is gone from the registry sooner.
const PATIENCE: Duration = Duration::from_secs(15);

/// Whom the barrier found.
#[derive(Debug, Default)]
pub(super) struct Proxies {
    /// ACL users of those that acknowledged.
    pub(super) acknowledged: Vec<String>,
    /// Those that did not, with the epoch they are at.
    pub(super) missing: Vec<String>,
}

/// Waits until all registered proxies have acknowledged `epoch`, or patience ends; the caller decides what a missing
/// one means. A proxy that is not registered is not waited for: it must be fenced.
pub(super) async fn wait(ledger: &Ledger, epoch: Epoch) -> Result<Proxies, DriverError> {
    let mut watch = ledger.registry.watch(keys::PROXIES);
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let event = tokio::time::timeout_at(deadline, watch.next()).await;
        if let Ok(WatchEvent::Down { .. } | WatchEvent::Up) = event {
            continue;
        }
        let proxies = look(ledger, epoch).await?;
        if proxies.missing.is_empty() || event.is_err() {
            return Ok(proxies);
        }
    }
}

async fn look(ledger: &Ledger, epoch: Epoch) -> Result<Proxies, DriverError> {
    let mut proxies = Proxies::default();
    for record in ledger.all::<ProxyRecord>(keys::PROXIES).await? {
        let proxy = record.value;
        if proxy.epoch >= epoch {
            proxies.acknowledged.push(proxy_user(&proxy.id, &proxy.instance));
        } else {
            proxies
                .missing
                .push(format!("proxy {} at {} is at epoch {}", proxy.id, proxy.address, proxy.epoch));
        }
    }
    Ok(proxies)
}

impl Proxies {
    /// All of them, or an error that names those that are missing.
    pub(super) fn all(self, epoch: Epoch) -> Result<Vec<String>, DriverError> {
        if self.missing.is_empty() {
            return Ok(self.acknowledged);
        }
        let missing = self.missing.join(", ");
        Err(DriverError::Barrier(format!(
            "epoch {epoch} was not acknowledged within {PATIENCE:?}: {missing}"
        )))
    }
}
