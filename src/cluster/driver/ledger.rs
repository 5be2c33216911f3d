//! The driver's writes: each checks that it still leads, and that the record is the one it read.

use crate::cluster::records::{keys, parse, to_json};
use serde::{Serialize, de::DeserializeOwned};

use super::{
    DriverError,
    barrier::{Place, Registration},
};
use crate::{
    cluster::{
        election::Leadership,
        plan::{AuditRecord, submit},
        registry::{Commit, Registry, RegistryError, Revision, Txn},
        topology::Topology,
    },
    time::Millis,
};

/// The registry in the hands of one leader.
#[derive(Clone, Debug)]
pub(super) struct Ledger {
    pub(super) registry: Registry,
    leadership: Leadership,
    identity: String,
}

/// A record with the revision that a change of it must name.
#[derive(Clone, Debug)]
pub(super) struct Versioned<T> {
    pub(super) value: T,
    /// `None`: there is no such record yet.
    pub(super) revision: Option<Revision>,
}

impl Ledger {
    pub(super) fn new(registry: Registry, leadership: Leadership, identity: String) -> Self {
        Self { registry, leadership, identity }
    }

    pub(super) fn term(&self) -> u64 {
        self.leadership.term().0
    }

    /// Asks the registry, not the clock.
    pub(super) async fn still_leads(&self) -> Result<(), DriverError> {
        self.commit(Txn::new()).await.map(drop)
    }

    /// # Errors
    /// [`DriverError::Deposed`] if this driver does not lead any more, [`DriverError::Overtaken`] if it does but the record was
    /// changed by somebody else: a proxy that ended a freeze, an operator that handed a plan in.
    pub(super) async fn commit(&self, txn: Txn) -> Result<Revision, DriverError> {
        match self.registry.commit(self.leadership.guard(txn)).await? {
            Commit::Done { revision } => Ok(revision),
            Commit::Conflict { .. } => match self.registry.commit(self.leadership.guard(Txn::new())).await? {
                Commit::Done { .. } => Err(DriverError::Overtaken),
                Commit::Conflict { .. } => Err(DriverError::Deposed),
            },
        }
    }

    /// Ends a proxy's registration before its lease does. Until that has ended too, the registration stays known as one whose
    /// proxy may not have heard of it. What the proxy had begun to log in to is then refused by the proxy itself.
    pub(super) async fn expel(&self, registration: &Registration) -> Result<(), DriverError> {
        let Place::Registered { created, lease } = registration.place else { return Ok(()) };
        let record = &registration.record;
        let key = keys::proxy(&record.id);
        let txn = Txn::new().if_created(&key, created).delete(&key);
        let txn = match lease {
            Some(lease) => {
                txn.put_leased(keys::retired(&record.id, &record.instance), to_json(record), lease)
            }
            None => txn,
        };
        match self.commit(txn).await {
            // It went by itself, or its lease has ended.
            Err(DriverError::Overtaken | DriverError::Registry(RegistryError::LeaseGone { .. })) => Ok(()),
            other => other.map(drop),
        }
    }

    pub(super) async fn read<T: DeserializeOwned>(
        &self,
        key: &str,
    ) -> Result<Option<Versioned<T>>, DriverError> {
        let Some(entry) = self.registry.get(key).await? else { return Ok(None) };
        Ok(Some(Versioned { value: parse(&entry)?, revision: Some(entry.mod_revision) }))
    }

    pub(super) async fn all<T: DeserializeOwned>(
        &self,
        prefix: &str,
    ) -> Result<Vec<Versioned<T>>, DriverError> {
        let listing = self.registry.list(prefix).await?;
        let records = listing
            .entries
            .iter()
            .map(|entry| Ok(Versioned { value: parse(entry)?, revision: Some(entry.mod_revision) }));
        records.collect()
    }

    pub(super) async fn topology(&self) -> Result<Versioned<Topology>, DriverError> {
        let none = || Versioned { value: Topology::default(), revision: None };
        Ok(self.read(keys::TOPOLOGY).await?.unwrap_or_else(none))
    }

    /// Replaces a record as part of `txn`.
    pub(super) fn replace<T: Serialize>(txn: Txn, key: &str, old: Option<Revision>, new: &T) -> Txn {
        match old {
            Some(revision) => txn.if_revision(key, revision),
            None => txn.if_absent(key),
        }
        .put(key, to_json(new))
    }

    /// Deletes a record as part of `txn`.
    pub(super) fn remove(txn: Txn, key: &str, old: Option<Revision>) -> Txn {
        match old {
            Some(revision) => txn.if_revision(key, revision),
            None => txn.if_absent(key),
        }
        .delete(key)
    }

    /// Commits the next topology, made by `change`, with its audit entry and what else belongs to it.
    pub(super) async fn change_topology(
        &self,
        old: &Versioned<Topology>,
        what: &str,
        also: Txn,
        change: impl FnOnce(&mut Topology),
    ) -> Result<Versioned<Topology>, DriverError> {
        let mut new = old.value.clone();
        new.epoch = new.epoch.next();
        change(&mut new);
        let by = format!("driver {}", self.identity);
        let audit = AuditRecord::new(Millis::now(), &by, what, old.value.epoch, new.epoch);
        let txn = Self::replace(submit::with_audit(also, &audit), keys::TOPOLOGY, old.revision, &new);
        let revision = self.commit(txn).await?;
        tracing::info!(epoch = %new.epoch, what, "topology");
        Ok(Versioned { value: new, revision: Some(revision) })
    }
}
