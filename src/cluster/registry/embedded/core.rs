//! Store, leases and watchers as one state machine: requests and the time in; answers, records for the file and messages
//! for watchers out. No I/O, no clock.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use etcd_client::proto::{PbEvent, PbResponseHeader};
use tonic::Status;

use super::{
    file::{Base, Commit, Grant, Record},
    hub::Hub,
    store::{KeyRange, Store},
};

/// One lease.
#[derive(Debug)]
pub(super) struct Lease {
    pub(super) ttl: Duration,
    pub(super) expires: Instant,
    pub(super) keys: BTreeSet<Vec<u8>>,
}

/// The number of a record that cannot follow the ones before it.
#[derive(Debug)]
pub(super) struct OutOfOrder(pub(super) usize);

/// Everything the server knows.
#[derive(Debug)]
pub(super) struct Core {
    /// Drawn when the registry was created: another one, or a wiped one, has another.
    pub(super) cluster_id: u64,
    pub(super) store: Store,
    pub(super) leases: BTreeMap<i64, Lease>,
    pub(super) hub: Hub,
    /// When the request at hand was taken up.
    pub(super) now: Instant,
    /// Not yet in the file.
    records: Vec<Record>,
}

impl Core {
    pub(super) fn new(cluster_id: u64, now: Instant) -> Self {
        Self {
            cluster_id,
            store: Store::default(),
            leases: BTreeMap::new(),
            hub: Hub::default(),
            now,
            records: Vec::new(),
        }
    }

    /// What the records of a file lead to. Leases begin anew with their full time: their owners may not have been able to
    /// reach us while we were away.
    pub(super) fn replay(records: Vec<Record>, now: Instant) -> Result<Option<Self>, OutOfOrder> {
        let mut records = records.into_iter();
        let Some(first) = records.next() else { return Ok(None) };
        let Some(base) = first.base else { return Err(OutOfOrder(0)) };
        let mut core = Self::new(base.cluster_id, now);
        core.store = Store::restore(base.revision, base.kvs);
        for grant in base.leases {
            core.arm(grant);
        }
        for (number, record) in records.enumerate() {
            let out_of_order = || OutOfOrder(number + 1);
            if let Some(commit) = record.commit {
                if commit.revision != core.store.revision() + 1 {
                    return Err(out_of_order());
                }
                commit.events.iter().for_each(|event| core.store.apply(event));
                core.store.commit(commit.revision, commit.events);
            } else if let Some(grant) = record.grant {
                core.arm(grant);
            } else if let Some(id) = record.revoke {
                core.leases.remove(&id);
            } else if let Some(revision) = record.compact {
                core.store.compact(revision).map_err(|_| out_of_order())?;
            } else {
                return Err(out_of_order());
            }
        }
        let all = KeyRange::new(vec![0], vec![0]);
        for kv in core.store.range(&all).filter(|kv| kv.lease != 0) {
            if let Some(lease) = core.leases.get_mut(&kv.lease) {
                lease.keys.insert(kv.key.clone());
            }
        }
        Ok(Some(core))
    }

    /// Records that lead to this state by the shortest way that keeps the history.
    pub(super) fn snapshot(&self) -> Vec<Record> {
        let (revision, kvs) = self.store.base();
        let leases =
            self.leases.iter().map(|(id, lease)| Grant { id: *id, ttl: seconds(lease.ttl) }).collect();
        let base = Base { cluster_id: self.cluster_id, revision, kvs, leases };
        let mut records = vec![Record { base: Some(base), ..Record::default() }];
        records.extend(self.store.history(0).map(|committed| {
            let commit = Commit { revision: committed.revision, events: committed.events.clone() };
            Record { commit: Some(commit), ..Record::default() }
        }));
        let restored = if revision > 1 { revision } else { 0 };
        if self.store.compacted() > restored {
            records.push(Record { compact: Some(self.store.compacted()), ..Record::default() });
        }
        records
    }

    /// What has happened since the last call, for the file.
    pub(super) fn take_records(&mut self) -> Vec<Record> {
        std::mem::take(&mut self.records)
    }

    pub(super) fn header(&self) -> Option<PbResponseHeader> {
        Some(PbResponseHeader {
            cluster_id: self.cluster_id,
            member_id: self.cluster_id,
            revision: self.store.revision(),
            raft_term: 1,
        })
    }

    /// Changes made together; nothing is seen of them before [`Writer::finish`].
    pub(super) fn write(&mut self) -> Writer<'_> {
        Writer { revision: self.store.revision() + 1, events: Vec::new(), core: self }
    }

    /// Forgets history up to `revision`, unless it is forgotten already or still to come.
    pub(super) fn compact(&mut self, revision: i64) -> Result<(), Status> {
        self.store.compact(revision).map_err(super::requests::revision_status)?;
        self.records.push(Record { compact: Some(revision), ..Record::default() });
        Ok(())
    }

    /// A new lease; the caller has checked that the id is free.
    pub(super) fn grant(&mut self, id: i64, ttl: Duration) {
        let grant = Grant { id, ttl: seconds(ttl) };
        self.arm(grant);
        self.records.push(Record { grant: Some(grant), ..Record::default() });
    }

    fn arm(&mut self, grant: Grant) {
        let ttl = Duration::from_secs(grant.ttl.unsigned_abs());
        let lease = Lease { ttl, expires: self.now + ttl, keys: BTreeSet::new() };
        self.leases.insert(grant.id, lease);
    }

    /// Ends a lease and deletes its keys in one revision; false if there is none.
    pub(super) fn revoke(&mut self, id: i64) -> bool {
        let Some(lease) = self.leases.remove(&id) else { return false };
        let mut writer = self.write();
        for key in lease.keys {
            writer.delete(key);
        }
        writer.finish();
        self.records.push(Record { revoke: Some(id), ..Record::default() });
        true
    }

    /// Ends what has run out by now, and tells when the next lease does.
    pub(super) fn expire(&mut self) -> Option<Instant> {
        let expired: Vec<i64> =
            self.leases.iter().filter(|(_, lease)| lease.expires <= self.now).map(|(id, _)| *id).collect();
        for id in expired {
            tracing::debug!(lease = id, "lease ran out");
            self.revoke(id);
        }
        self.leases.values().map(|lease| lease.expires).min()
    }

    /// Forgets old history when there is too much.
    pub(super) fn trim(&mut self) {
        if let Some(revision) = self.store.excess()
            && let Err(error) = self.compact(revision)
        {
            tracing::debug!(revision, %error, "history was not trimmed");
        }
    }

    /// Which lease a key is under is kept twice: in the key, and in the lease.
    fn attach(&mut self, event: &PbEvent) {
        let Some(kv) = &event.kv else { return };
        let before = self.store.current(&kv.key).map_or(0, |kv| kv.lease);
        if before != kv.lease {
            if let Some(lease) = self.leases.get_mut(&before) {
                lease.keys.remove(&kv.key);
            }
            if let Some(lease) = self.leases.get_mut(&kv.lease) {
                lease.keys.insert(kv.key.clone());
            }
        }
    }
}

fn seconds(ttl: Duration) -> i64 {
    i64::try_from(ttl.as_secs()).unwrap_or(i64::MAX)
}

/// Collects the events of one revision. Its changes are in the store at once, so that later operations of a transaction see
/// them; it cannot fail, so what must be checked is checked before.
pub(super) struct Writer<'a> {
    pub(super) core: &'a mut Core,
    revision: i64,
    events: Vec<PbEvent>,
}

impl Writer<'_> {
    pub(super) fn put(&mut self, key: Vec<u8>, value: Vec<u8>, lease: i64) {
        let event = self.core.store.put_event(self.revision, key, value, lease);
        self.apply(event);
    }

    /// The key must exist.
    pub(super) fn delete(&mut self, key: Vec<u8>) {
        let event = Store::delete_event(self.revision, key);
        self.apply(event);
    }

    fn apply(&mut self, event: PbEvent) {
        self.core.attach(&event);
        self.core.store.apply(&event);
        self.events.push(event);
    }

    /// Makes the revision, if anything changed.
    pub(super) fn finish(self) {
        if self.events.is_empty() {
            return;
        }
        let commit = Commit { revision: self.revision, events: self.events.clone() };
        self.core.records.push(Record { commit: Some(commit), ..Record::default() });
        self.core.store.commit(self.revision, self.events);
        let header = self.core.header();
        self.core.hub.notify(&self.core.store, self.revision, header);
    }
}
