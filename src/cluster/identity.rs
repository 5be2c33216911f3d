//! Which cluster this is: a name and a random number, so that two clusters called `default` in two registries differ. And
//! the mark by which a member says whose it is.
//!
//! Here: the record `cluster`, the name of the mark, and making either. How a mark is set at a server is in
//! [`peer::mark`](super::peer::mark).

use crate::cluster::records::{keys, parse, to_json};
use std::fmt;

use serde::{Deserialize, Serialize};

use super::{
    peer::fence,
    plan::Refusal,
    registry::{Registry, Txn},
};
use crate::time::Millis;

/// A cluster, told apart from every other one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity {
    /// As the operators call it (`--cluster`).
    pub name: String,
    /// Random; never has a `-`.
    pub id: String,
}

/// Digits of [`Identity::id`]: 64 bits.
const DIGITS: usize = 16;

const PREFIX: &str = "rc-cluster-";

impl Identity {
    /// Of a cluster that has none yet.
    ///
    /// # Panics
    /// If the operating system has no random bytes to give.
    #[must_use]
    pub fn random(name: &str) -> Self {
        Self { name: name.to_owned(), id: fence::secret().chars().take(DIGITS).collect() }
    }

    /// The ACL user that members of this cluster carry. It may do nothing, and is off.
    #[must_use]
    pub fn mark(&self) -> String {
        format!("{PREFIX}{}-{}", self.name, self.id)
    }

    /// Whose mark this ACL user is, if it is one.
    #[must_use]
    pub fn of_mark(user: &str) -> Option<Self> {
        let (name, id) = user.strip_prefix(PREFIX)?.rsplit_once('-')?;
        let valid = !name.is_empty() && !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        valid.then(|| Self { name: name.to_owned(), id: id.to_owned() })
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, self.id)
    }
}

/// `cluster`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterRecord {
    /// [`Identity::id`].
    pub id: String,
    /// Milliseconds since 1970.
    pub created_at_ms: i64,
}

impl ClusterRecord {
    /// Of now.
    #[must_use]
    pub fn new(identity: &Identity) -> Self {
        Self { id: identity.id.clone(), created_at_ms: Millis::now().0 }
    }
}

/// The identity that the registry has; `None` before the first plan.
///
/// # Errors
/// When the registry does not answer, or the record is not readable.
pub async fn find(registry: &Registry) -> Result<Option<Identity>, Refusal> {
    let Some(entry) = registry.get(keys::CLUSTER).await? else { return Ok(None) };
    let record: ClusterRecord = parse(&entry)?;
    Ok(Some(Identity { name: registry.cluster().to_owned(), id: record.id }))
}

/// The identity that the registry has, made now if there is none.
///
/// # Errors
/// As [`find`].
pub async fn ensure(registry: &Registry) -> Result<Identity, Refusal> {
    loop {
        if let Some(identity) = find(registry).await? {
            return Ok(identity);
        }
        let new = Identity::random(registry.cluster());
        let txn = Txn::new().if_absent(keys::CLUSTER).put(keys::CLUSTER, to_json(&ClusterRecord::new(&new)));
        // Whoever was quicker, the next look tells.
        registry.commit(txn).await?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_tells_whose_it_is() {
        let identity = Identity::random("a-b.c");
        assert_eq!(identity.id.len(), DIGITS);
        assert_eq!(Identity::of_mark(&identity.mark()), Some(identity.clone()));
        assert_ne!(identity, Identity::random("a-b.c"));
        for other in
            ["default", "rc-proxy-1-abc", "rc-cluster-", "rc-cluster-a", "rc-cluster--ab", "rc-cluster-a-x"]
        {
            assert_eq!(Identity::of_mark(other), None, "{other}");
        }
    }
}
