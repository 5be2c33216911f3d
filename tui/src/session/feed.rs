//! The registry's watch as a source of changes.

use redis_cluster::cluster::registry::{self, Registry, WatchEvent};
use tokio::sync::mpsc;

use super::update::Change;

/// Follows the registry until nobody takes the changes any more.
pub(super) async fn run(registry: Registry, changes: mpsc::Sender<Change>) {
    let mut watch = registry.watch("");
    loop {
        let change = match watch.next().await {
            WatchEvent::Reset { revision, entries } => Change::Reset {
                revision: number(revision),
                entries: entries.into_iter().map(|entry| (entry.key, entry.value)).collect(),
            },
            WatchEvent::Changed { revision, changes } => Change::Keys {
                revision: number(revision),
                changes: changes
                    .into_iter()
                    .map(|change| match change {
                        registry::Change::Put(entry) => (entry.key, Some(entry.value)),
                        registry::Change::Deleted { key } => (key, None),
                    })
                    .collect(),
            },
            WatchEvent::Down { error } => {
                Change::RegistryDown { error: error.to_string(), refused: !error.is_outage() }
            }
            WatchEvent::Up => Change::RegistryUp,
        };
        if changes.send(change).await.is_err() {
            return;
        }
    }
}

pub(super) fn number(revision: registry::Revision) -> u64 {
    u64::try_from(revision.0).unwrap_or(0)
}
