//! The one way to membership: a small client of the etcd v3 API.
//!
//! Here: reads, compare-and-swap transactions, leases and watches below one prefix `/redis-cluster/NAME/`, with a retry layer
//! that outlives dead and frozen endpoints, and an [`embedded`] server of the same API for a single machine.
//! Not here: what the keys mean (`cluster::member`, `cluster::topology`) and who may write them (`cluster::election`).
//!
//! A [`Registry`] may be cloned and used from any number of tokio runtimes. Connections are kept per runtime, and what runs in
//! the background (a lease's keep-alive, a watch) lives on the runtime that created it and ends with it; a lease then counts
//! as lost. No call waits longer than [`CALL_DEADLINE`] per request it sends.

mod access;
pub mod embedded;
mod endpoint;
mod error;
mod etcd;
mod fault;
mod lease;
mod pool;
mod random;
mod scope;
mod txn;
mod watch;

use std::{fmt, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};

use etcd_client::SortOrder;

use self::{access::Credentials, endpoint::Endpoint, pool::Pool, scope::Scope};
pub use self::{
    access::{Access, AccessArguments},
    error::RegistryError,
    lease::{Lease, LeaseId, Liveness},
    txn::{Commit, Txn},
    watch::{Change, Watch, WatchEvent},
};

/// How long one call tries before it fails, over all endpoints.
pub const CALL_DEADLINE: Duration = Duration::from_secs(6);

/// A key of this module's own below the cluster's prefix, which no reader and no watch sees: every transaction that creates
/// its keys puts it, see `etcd::Guard`.
const ONCE: &str = ".once";

/// The number of a change to the store as a whole. Counts up; after a data directory was wiped it begins again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Revision(pub i64);

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A key as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Relative to the cluster's prefix, such as `nodes/1`.
    pub key: String,
    /// What was put.
    pub value: Vec<u8>,
    /// When the key came to be; survives changes of the value, not a delete.
    pub create_revision: Revision,
    /// When the value was last put.
    pub mod_revision: Revision,
    /// The lease whose end deletes the key.
    pub lease: Option<LeaseId>,
}

/// All keys below a prefix, at one revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// Of the whole store when this was read.
    pub revision: Revision,
    /// In the order of their keys.
    pub entries: Vec<Entry>,
}

/// Some of the keys below a prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// In the order that was asked for.
    pub entries: Vec<Entry>,
    /// How many there are in all.
    pub total: u64,
}

/// The keys of one cluster in etcd or in an embedded registry.
#[derive(Clone)]
pub struct Registry {
    inner: Arc<Inner>,
}

struct Inner {
    cluster: String,
    /// `/redis-cluster/NAME/`
    prefix: String,
    pool: Pool,
}

impl Registry {
    /// Checks the endpoints and the name; connects to nothing yet, so it may be called outside a runtime.
    ///
    /// An endpoint is `http://[USER:PASSWORD@]HOST:PORT`, the same with `https://`, or `HOST:PORT`; one string may hold several
    /// with commas.
    ///
    /// # Errors
    /// [`RegistryError::Endpoint`], [`RegistryError::Access`] or [`RegistryError::ClusterName`].
    pub fn open(endpoints: &[String], cluster: &str) -> Result<Self, RegistryError> {
        Self::open_with(endpoints, cluster, &Access::default())
    }

    /// As [`Registry::open`], with a login and certificates.
    ///
    /// # Errors
    /// As [`Registry::open`].
    pub fn open_with(endpoints: &[String], cluster: &str, access: &Access) -> Result<Self, RegistryError> {
        let endpoints = Endpoint::parse_all(endpoints)?;
        let credentials = Credentials::new(access, &endpoints)?;
        let named = (1..=64).contains(&cluster.len())
            && cluster.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'));
        if !named {
            return Err(RegistryError::ClusterName { name: cluster.to_owned() });
        }
        let prefix = format!("/redis-cluster/{cluster}/");
        let pool = Pool::new(endpoints, credentials, prefix.clone());
        Ok(Self { inner: Arc::new(Inner { cluster: cluster.to_owned(), prefix, pool }) })
    }

    /// The cluster's name.
    #[must_use]
    pub fn cluster(&self) -> &str {
        &self.inner.cluster
    }

    /// The endpoints as `http://HOST:PORT`, without their login, in the order given.
    pub fn endpoints(&self) -> impl Iterator<Item = &str> {
        self.inner.pool.endpoints().iter().map(Endpoint::url)
    }

    /// One key, linearizable: it shows every change that was acknowledged before the call.
    ///
    /// # Errors
    /// [`RegistryError::Unavailable`] or [`RegistryError::Refused`].
    pub async fn get(&self, key: &str) -> Result<Option<Entry>, RegistryError> {
        etcd::get(&self.inner, key).await
    }

    /// Whether it answers now: every endpoint is asked at once for what only a leader can vouch for. A refusal is an answer.
    ///
    /// # Errors
    /// [`RegistryError::Unavailable`], when none does within `limit`.
    pub async fn answers(&self, limit: Duration) -> Result<(), RegistryError> {
        etcd::answers(&self.inner, limit).await
    }

    /// All keys that begin with `prefix`, linearizable and at one revision. `""` lists the whole cluster.
    ///
    /// # Errors
    /// [`RegistryError::Unavailable`] or [`RegistryError::Refused`].
    pub async fn list(&self, prefix: &str) -> Result<Listing, RegistryError> {
        etcd::list(&self.inner, CALL_DEADLINE, &Scope::below(prefix)).await
    }

    /// All keys that begin with `prefix`, as they stood at an earlier revision; `None`: the store no longer knows, because its
    /// history was compacted, or it never came so far.
    ///
    /// # Errors
    /// [`RegistryError::Unavailable`] or [`RegistryError::Refused`].
    pub async fn list_at(
        &self,
        prefix: &str,
        revision: Revision,
    ) -> Result<Option<Vec<Entry>>, RegistryError> {
        etcd::list_at(&self.inner, CALL_DEADLINE, &Scope::below(prefix), revision).await
    }

    /// The first of the keys that begin with `prefix`, at most so many, the first one first; linearizable.
    ///
    /// # Errors
    /// [`RegistryError::Unavailable`] or [`RegistryError::Refused`].
    pub async fn first(&self, prefix: &str, at_most: u32) -> Result<Part, RegistryError> {
        etcd::part(&self.inner, prefix, SortOrder::Ascend, at_most).await
    }

    /// The last of the keys that begin with `prefix`, at most so many, the last one first; linearizable.
    ///
    /// # Errors
    /// [`RegistryError::Unavailable`] or [`RegistryError::Refused`].
    pub async fn last(&self, prefix: &str, at_most: u32) -> Result<Part, RegistryError> {
        etcd::part(&self.inner, prefix, SortOrder::Descend, at_most).await
    }

    /// Makes all changes of `txn` at once if all its conditions hold, else none. Never makes them twice, however often it has
    /// to be sent.
    ///
    /// # Errors
    /// [`RegistryError::Unavailable`]: not made. [`RegistryError::Unknown`]: read again before trying again. [`RegistryError::LeaseGone`]: a key was put under a
    /// lease that has ended; not made. [`RegistryError::Refused`]: not made.
    pub async fn commit(&self, txn: Txn) -> Result<Commit, RegistryError> {
        etcd::commit(&self.inner, &txn).await
    }

    /// A new lease, kept alive by a task on the current runtime until it is revoked or dropped.
    ///
    /// `ttl` counts in whole seconds, rounded up; etcd makes very short ones longer.
    ///
    /// # Errors
    /// [`RegistryError::Unavailable`] or [`RegistryError::Refused`].
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub async fn grant(&self, ttl: Duration) -> Result<Lease, RegistryError> {
        lease::grant(&self.inner, ttl).await
    }

    /// Follows all keys that begin with `prefix`, from a task on the current runtime that ends when the [`Watch`] is dropped.
    /// Never fails: what goes wrong is told as [`WatchEvent::Down`], and it goes on trying.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    #[must_use]
    pub fn watch(&self, prefix: &str) -> Watch {
        watch::start(Arc::clone(&self.inner), Scope::below(prefix))
    }

    /// As [`Registry::watch`] of all keys, but for those that begin with `but_for`: they are neither listed nor told of.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    #[must_use]
    pub fn watch_all_but(&self, but_for: &str) -> Watch {
        watch::start(Arc::clone(&self.inner), Scope::below("").but_for(but_for))
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry")
            .field("cluster", &self.inner.cluster)
            .field("endpoints", &self.inner.pool.endpoints())
            .finish()
    }
}

impl Inner {
    /// The key as etcd knows it.
    fn absolute(&self, key: &str) -> Vec<u8> {
        [self.prefix.as_bytes(), key.as_bytes()].concat()
    }

    fn entry(&self, kv: etcd_client::proto::PbKeyValue) -> Option<Entry> {
        Some(Entry {
            key: self.relative(&kv.key)?,
            value: kv.value,
            create_revision: Revision(kv.create_revision),
            mod_revision: Revision(kv.mod_revision),
            lease: LeaseId::from_wire(kv.lease),
        })
    }

    /// `None` for a key that is not text (nobody of us wrote it, and nobody of us can name it), and for [`ONCE`].
    fn relative(&self, key: &[u8]) -> Option<String> {
        let key = key.strip_prefix(self.prefix.as_bytes())?;
        String::from_utf8(key.to_vec()).ok().filter(|key| key != ONCE)
    }
}
