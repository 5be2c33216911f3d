//! `ACL SETUSER` and `ACL DELUSER` in the registry. Rules are applied to what stands there, not to what this proxy has heard of it, so
//! that changes through several proxies add up.

use std::collections::BTreeSet;

use crate::{
    acl::{DEFAULT, edited},
    cluster::{
        records::{keys, parse, to_json},
        registry::{Commit, Entry, Registry, RegistryError, Revision, Txn},
        users::{UserRecord, key},
    },
    time::Millis,
};

/// Bytes of the rules of one user: etcd takes no request above 1.5 MB.
const RULES_MAX: usize = 1 << 20;
/// Users that are removed in one transaction.
const AT_ONCE: usize = 50;
/// How often a user may be changed by others at the same moment.
const ATTEMPTS: usize = 20;

/// What is to become of the users.
#[derive(Debug)]
pub(in crate::proxy) enum Change {
    /// `ACL SETUSER`.
    Set {
        /// Who.
        name: Vec<u8>,
        /// Rules.
        words: Vec<Vec<u8>>,
    },
    /// `ACL DELUSER`.
    Remove {
        /// Who.
        names: Vec<Vec<u8>>,
    },
}

/// What was done.
#[derive(Clone, Copy, Debug)]
pub(super) struct Done {
    /// The change of the registry; none if there was nothing to change.
    pub(super) revision: Option<Revision>,
    /// Users that were removed, if any were to be.
    pub(super) removed: Option<i64>,
}

/// Who changes what where.
#[derive(Clone, Debug)]
pub(super) struct Author {
    pub(super) registry: Registry,
    /// `proxy 1`.
    pub(super) by: String,
    /// The line of the default user, as long as the registry has none.
    pub(super) default: Vec<u8>,
}

impl Author {
    /// Makes a change.
    ///
    /// # Errors
    /// The reply, code first.
    pub(super) async fn make(self, change: Change) -> Result<Done, Vec<u8>> {
        match change {
            Change::Set { name, words } => self.set(&name, &words).await,
            Change::Remove { names } => self.remove(names.into_iter().collect()).await,
        }
    }

    async fn set(&self, name: &[u8], words: &[Vec<u8>]) -> Result<Done, Vec<u8>> {
        let key = key(name);
        for _ in 0..ATTEMPTS {
            let entry = self.registry.get(&key).await.map_err(|error| failed(&error))?;
            let line = match &entry {
                Some(entry) => Some(line_of(entry)?),
                None => (name == DEFAULT).then(|| self.default.clone()),
            };
            let line = edited(line.as_deref(), name, words.iter().map(Vec::as_slice))?;
            if line.len() > RULES_MAX {
                return Err(format!(
                    "ERR the rules of a user may have {RULES_MAX} bytes, these have {}; nothing was changed",
                    line.len()
                )
                .into_bytes());
            }
            let record = UserRecord::new(line, Millis::now(), self.by.clone());
            let txn = match &entry {
                Some(entry) => Txn::new().if_revision(&key, entry.mod_revision),
                None => Txn::new().if_absent(&key),
            };
            match self
                .registry
                .commit(txn.put(&key, to_json(&record)))
                .await
                .map_err(|error| failed(&error))?
            {
                Commit::Done { revision } => return Ok(Done { revision: Some(revision), removed: None }),
                Commit::Conflict { .. } => {}
            }
        }
        Err(busy())
    }

    async fn remove(&self, names: BTreeSet<Vec<u8>>) -> Result<Done, Vec<u8>> {
        let keys: BTreeSet<String> = names.iter().map(|name| key(name)).collect();
        let mut done = Done { revision: None, removed: Some(0) };
        for _ in 0..ATTEMPTS {
            let listing = self.registry.list(keys::ACL).await.map_err(|error| failed(&error))?;
            let there: Vec<Entry> =
                listing.entries.into_iter().filter(|entry| keys.contains(&entry.key)).take(AT_ONCE).collect();
            if there.is_empty() {
                return Ok(done);
            }
            let txn = there.iter().fold(Txn::new(), |txn, entry| {
                txn.if_revision(&entry.key, entry.mod_revision).delete(&entry.key)
            });
            if let Commit::Done { revision } =
                self.registry.commit(txn).await.map_err(|error| failed(&error))?
            {
                done.revision = Some(revision);
                done.removed = done.removed.map(|removed| removed + i64::try_from(there.len()).unwrap_or(0));
            }
        }
        Err(busy())
    }
}

fn busy() -> Vec<u8> {
    b"ERR others change these users at the same moment; try again".to_vec()
}

fn line_of(entry: &Entry) -> Result<Vec<u8>, Vec<u8>> {
    let line = parse::<UserRecord>(entry).and_then(|record| record.line(&entry.key));
    line.map_err(|error| format!("ERR users were not changed: {error}").into_bytes())
}

fn failed(error: &RegistryError) -> Vec<u8> {
    let (outcome, advice) = match error {
        RegistryError::Unknown { .. } => {
            ("users may have been changed", "look at ACL LIST before trying again")
        }
        _ => ("users were not changed", "the last known ones stay in force"),
    };
    let reason = error.to_string().replace(['\r', '\n'], " ");
    format!("ERR {outcome}, {advice}: {reason}").into_bytes()
}
