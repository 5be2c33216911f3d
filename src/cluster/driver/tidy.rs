//! What has become too old: the oldest lines of the audit log go when there is nothing else to do.

use super::{DriverError, ledger::Ledger};
use crate::cluster::{plan::AUDIT_KEPT, records::keys, registry::Txn};

/// Lines that go in one transaction.
const AT_ONCE: u32 = 100;

/// Deletes lines until no more than [`AUDIT_KEPT`] are left.
pub(super) async fn prune_audit(ledger: &Ledger) -> Result<(), DriverError> {
    prune(ledger, AUDIT_KEPT).await
}

async fn prune(ledger: &Ledger, kept: u64) -> Result<(), DriverError> {
    loop {
        let oldest = ledger.registry.first(keys::AUDIT, AT_ONCE).await?;
        let surplus = usize::try_from(oldest.total.saturating_sub(kept)).unwrap_or(usize::MAX);
        let doomed = oldest.entries.iter().take(surplus);
        let txn = doomed.fold(Txn::new(), |txn, line| txn.delete(&line.key));
        if txn == Txn::new() {
            return Ok(());
        }
        ledger.commit(txn).await?;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::cluster::{
        election::Election,
        registry::{
            Registry,
            embedded::{self, Storage},
        },
    };

    #[tokio::test]
    async fn the_newest_lines_stay_and_only_a_leader_deletes() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let store = embedded::serve(listener, Storage::Memory).await.unwrap();
        let registry = Registry::open(&[store.url().to_owned()], "default").unwrap();
        for hundred in 0..3 {
            let lines = (0..100).map(|number| keys::audit(hundred * 100 + number));
            let txn = lines.fold(Txn::new(), |txn, key| txn.put(key, "{}"));
            assert!(registry.commit(txn.put("nodes/1", "{}")).await.unwrap().is_done());
        }
        let lease = registry.grant(Duration::from_secs(60)).await.unwrap();
        let leadership = Election::campaign(&registry, "a test", &lease).await.unwrap();
        let term = leadership.term();
        let ledger = Ledger::new(registry.clone(), leadership, "a test".to_owned());

        prune(&ledger, 300).await.unwrap();
        assert_eq!(registry.first(keys::AUDIT, 1).await.unwrap().total, 300);
        prune(&ledger, 70).await.unwrap();
        let left = registry.list(keys::AUDIT).await.unwrap().entries;
        assert_eq!((left.len(), left[0].key.as_str()), (70, keys::audit(230).as_str()));
        assert!(registry.get("nodes/1").await.unwrap().is_some());

        assert!(Election::depose(&registry, term).await.unwrap());
        assert!(matches!(prune(&ledger, 7).await, Err(DriverError::Deposed)));
        assert_eq!(registry.first(keys::AUDIT, 1).await.unwrap().total, 70);
    }
}
