//! Asking a proxy to end in order, from afar: `drains/ID`. Not here: what it does then (proxy).
//!
//! The registry is the way, because whoever may write there may send every key elsewhere anyway; a call to the proxy would need
//! rights of its own. The request is for one registration and goes with its lease, so a proxy that is started again
//! is not asked again.

use serde::{Deserialize, Serialize};

use super::{
    member::ProxyRecord,
    plan::{AuditRecord, Refusal, submit},
    records::{keys, parse, to_json},
    registry::{Commit, Registry, Txn},
    topology::Topology,
};
use crate::{id::ProxyId, time::Millis};

/// `drains/ID`, under the lease of the proxy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrainRecord {
    /// The same as in the key.
    pub proxy: ProxyId,
    /// Of the registration that is to end.
    pub instance: String,
    /// `user@host` of who asks.
    pub by: String,
    /// Milliseconds since 1970.
    pub at_ms: i64,
}

/// Asks a proxy to end in order. Returns its record, whose instance is gone from `proxies/` when it has.
///
/// # Errors
/// [`Refusal::UnknownProxy`]; [`Refusal::LastProxy`] without `force`; what the registry says.
pub async fn ask(
    registry: &Registry,
    id: &ProxyId,
    force: bool,
    by: &str,
    words: &str,
) -> Result<ProxyRecord, Refusal> {
    let key = keys::proxy(id);
    loop {
        let entries = registry.list(keys::PROXIES).await?.entries;
        let records = entries.iter().map(parse::<ProxyRecord>).collect::<Result<Vec<_>, _>>()?;
        let Some(at) = records.iter().position(|record| record.id == *id) else {
            return Err(Refusal::UnknownProxy { id: id.clone(), proxies: listed(&records) });
        };
        let others = records.iter().filter(|record| record.id != *id && !record.draining);
        if others.count() == 0 && !force {
            return Err(Refusal::LastProxy { id: id.clone() });
        }
        let (entry, record) = (&entries[at], &records[at]);
        let Some(lease) = entry.lease else {
            // Nobody registers without one: it was put there by hand, and no process is behind it.
            return Err(Refusal::UnknownProxy { id: id.clone(), proxies: listed(&records) });
        };
        let now = Millis::now();
        let drain = DrainRecord {
            proxy: id.clone(),
            instance: record.instance.clone(),
            by: by.to_owned(),
            at_ms: now.0,
        };
        let topology = registry.get(keys::TOPOLOGY).await?;
        let epoch = topology.as_ref().map_or(Ok(Topology::default()), parse)?.epoch;
        let audit = AuditRecord::new(now, by, words.to_owned(), epoch, epoch);
        let txn = Txn::new().if_created(&key, entry.create_revision);
        let txn = txn.put_leased(keys::drain(id), to_json(&drain), lease);
        // Otherwise it registered anew meanwhile, or is gone.
        if let Commit::Done { .. } = registry.commit(submit::with_audit(txn, &audit)).await? {
            return Ok(record.clone());
        }
    }
}

fn listed(records: &[ProxyRecord]) -> String {
    if records.is_empty() {
        return "none".to_owned();
    }
    records.iter().map(|record| record.id.as_str()).collect::<Vec<_>>().join(", ")
}
