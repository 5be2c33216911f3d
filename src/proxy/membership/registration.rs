//! Registering: the one place of a proxy in the registry, and what is in its way. Not here: what is done with it.

use crate::cluster::records::{keys, parse, to_json};
use std::time::{Duration, Instant};

use super::{Membership, PAUSE};
use crate::{
    cluster::{
        member::ProxyRecord,
        peer::fence,
        registry::{Commit, Entry, Lease, RegistryError, Revision, Txn},
    },
    id::Epoch,
    proxy::RunError,
};

/// How long a proxy that died counts as alive.
const LEASE: Duration = Duration::from_secs(10);
/// Beyond its lease, before a registration of the same proxy counts as somebody else's.
const LEASE_SLACK: Duration = Duration::from_secs(5);
/// A machine that does not say its name.
const NO_HOST: &str = "";

/// One registration.
#[derive(Debug)]
pub(super) struct Registration {
    pub(super) lease: Lease,
    pub(super) instance: String,
    pub(super) created: Revision,
}

impl Membership {
    /// Waits for the registry, and, on another machine, for the lease of a proxy of this id and address that died.
    pub(super) async fn register_first(&mut self) -> Result<Registration, RunError> {
        let mut waiting_since: Option<Instant> = None;
        loop {
            match self.register(true).await {
                Ok(Ok(registration)) => return Ok(registration),
                Ok(Err(None)) => continue,
                Ok(Err(Some(other))) => {
                    if waiting_since.is_none() {
                        tracing::info!(
                            host = other.host,
                            "a proxy of this id and address was on another machine: waiting for its lease to end"
                        );
                    }
                    let since = *waiting_since.get_or_insert_with(Instant::now);
                    if other.address != self.address || since.elapsed() > LEASE + LEASE_SLACK {
                        return Err(RunError::IdTaken { id: self.shared.id.clone(), address: other.address });
                    }
                }
                Err(error) if error.is_outage() => {
                    tracing::warn!(%error, "etcd does not answer; trying again");
                }
                Err(error) => return Err(RunError::Registry(error)),
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// One attempt: the registration, or who has the id; nobody if that changed meanwhile.
    pub(super) async fn register(
        &mut self,
        first: bool,
    ) -> Result<Result<Registration, Option<ProxyRecord>>, RegistryError> {
        let key = self.key();
        let lease = self.registry.grant(LEASE).await?;
        let instance: String = fence::secret().chars().take(12).collect();
        self.instances.push(instance.clone());
        let record = self.record(&instance, Epoch::default());
        let txn = Txn::new().if_absent(&key).put_leased(&key, to_json(&record), lease.id());
        let created = match self.registry.commit(txn).await {
            Ok(Commit::Done { revision }) => revision,
            Ok(Commit::Conflict { .. }) => {
                let holder = self.registry.get(&key).await?;
                lease.revoke().await?;
                return match holder {
                    None => Ok(Err(None)),
                    Some(holder) => self.make_way(first, &key, &holder).await.map(Err),
                };
            }
            Err(error) => {
                lease.revoke().await?;
                return Err(error);
            }
        };
        self.logins.become_instance(&instance);
        self.shared.others.become_instance(&instance);
        tracing::info!(instance, "registered");
        Ok(Ok(Registration { lease, instance, created }))
    }

    /// Ends a registration that is in the way: of this process, or, while it starts, of one before it at the same address of the
    /// same machine, which therefore lives no more. Its lease does for a while, and to the driver it may act for so long.
    /// Returns who has the id if it is neither.
    async fn make_way(
        &self,
        first: bool,
        key: &str,
        holder: &Entry,
    ) -> Result<Option<ProxyRecord>, RegistryError> {
        let Ok(record) = parse::<ProxyRecord>(holder) else {
            return Ok(Some(self.record("", Epoch::default())));
        };
        let is_ours = self.instances.contains(&record.instance);
        let is_before =
            first && record.address == self.address && record.host == self.host && self.host != NO_HOST;
        if !is_ours && !is_before {
            return Ok(Some(record));
        }
        let mut txn = Txn::new().if_revision(key, holder.mod_revision).delete(key);
        if let (false, Some(lease)) = (is_ours, holder.lease) {
            txn = txn.put_leased(keys::retired(&record.id, &record.instance), to_json(&record), lease);
        }
        match self.registry.commit(txn).await {
            // Done, changed meanwhile, or ended meanwhile: the next attempt will tell.
            Ok(_) | Err(RegistryError::LeaseGone { .. }) => {
                tracing::info!(instance = record.instance, "replacing an earlier registration of this proxy");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    pub(super) fn key(&self) -> String {
        format!("{}{}", keys::PROXIES, self.shared.id)
    }

    pub(super) fn record(&self, instance: &str, epoch: Epoch) -> ProxyRecord {
        ProxyRecord {
            id: self.shared.id.clone(),
            instance: instance.to_owned(),
            address: self.address.clone(),
            host: self.host.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            epoch,
            draining: self.shared.drain.has_begun(),
        }
    }
}

/// What this machine calls itself.
pub(super) fn host() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_else(|_| NO_HOST.to_owned());
    name.trim().to_owned()
}
