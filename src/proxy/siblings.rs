//! The proxies of the cluster as they are registered, this one among them, but for those that are about to end: what cluster-mode clients are told of
//! ([`super::cluster_mode`]). While the registry does not answer, those it last told of.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio_util::sync::CancellationToken;

use super::shared::Shared;
use crate::{
    cluster::{
        member::ProxyRecord,
        records::{keys, parse},
        registry::{Change, Entry, Registry, WatchEvent},
    },
    id::ProxyId,
};

/// Addresses by id.
type Addresses = Arc<BTreeMap<ProxyId, String>>;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Siblings(Mutex<Addresses>);

impl Siblings {
    fn lock(&self) -> MutexGuard<'_, Addresses> {
        // Nothing panics while it is held; the map is whole either way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All that are registered now.
    pub(super) fn all(&self) -> Addresses {
        Arc::clone(&self.lock())
    }

    fn replace(&self, entries: &[Entry]) {
        *self.lock() = Arc::new(entries.iter().filter_map(record).collect());
    }

    fn put(&self, entry: &Entry) {
        let Some((id, address)) = record(entry) else { return self.remove(&entry.key) };
        let mut all = self.lock();
        // Proxies write their record at every epoch, mostly with the same address.
        if all.get(&id) != Some(&address) {
            Arc::make_mut(&mut all).insert(id, address);
        }
    }

    fn remove(&self, key: &str) {
        if let Some(Ok(id)) = key.strip_prefix(keys::PROXIES).map(str::parse::<ProxyId>) {
            Arc::make_mut(&mut self.lock()).remove(&id);
        }
    }
}

/// `None` if nobody is to connect there.
fn record(entry: &Entry) -> Option<(ProxyId, String)> {
    match parse::<ProxyRecord>(entry) {
        Ok(record) if record.draining => None,
        Ok(record) => Some((record.id, record.address)),
        Err(error) => {
            tracing::warn!(%error, "clients in cluster mode are not told of this proxy");
            None
        }
    }
}

/// Follows the registry until the proxy stops.
pub(super) async fn run(shared: Arc<Shared>, registry: Registry, stop: CancellationToken) {
    let mut watch = registry.watch(keys::PROXIES);
    while let Some(event) = stop.run_until_cancelled(watch.next()).await {
        match event {
            WatchEvent::Reset { entries, .. } => shared.siblings.replace(&entries),
            WatchEvent::Changed { changes, .. } => {
                for change in &changes {
                    match change {
                        Change::Put(entry) => shared.siblings.put(entry),
                        Change::Deleted { key } => shared.siblings.remove(key),
                    }
                }
            }
            // Membership tells of it.
            WatchEvent::Down { .. } | WatchEvent::Up => {}
        }
    }
}
