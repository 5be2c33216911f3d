//! What stands in the registry: the keys, and records to JSON and back. Console, driver and proxies read and write through this, so
//! that nobody spells a key of its own. Not here: what records mean.

use serde::{Serialize, de::DeserializeOwned};

use super::registry::Entry;

/// Where records live, relative to the cluster's prefix.
pub mod keys {
    use crate::{
        cluster::plan::PlanId,
        id::{NodeId, ProxyId},
    };

    /// The routing of the whole cluster.
    pub const TOPOLOGY: &str = "topology";
    /// Who drives: [`LeaderRecord`](crate::cluster::election::LeaderRecord).
    pub const LEADER: &str = "leader";
    /// The term of whoever drives or drove last, a bare number. Stays when leaders go.
    pub const TERM: &str = "term";
    /// All members.
    pub const NODES: &str = "nodes/";
    /// All live proxies.
    pub const PROXIES: &str = "proxies/";
    /// Registrations of proxies that were ended by somebody else, each for as long as its own lease lives: until then that proxy
    /// may believe that it is registered.
    pub const RETIRED: &str = "retired/";
    /// Proxies that are asked to end in order: [`DrainRecord`](crate::cluster::drain::DrainRecord), each for as long as its proxy
    /// is registered.
    pub const DRAINS: &str = "drains/";
    /// All plans.
    pub const PLANS: &str = "plans/";
    /// Who this cluster is: [`ClusterRecord`](crate::cluster::identity::ClusterRecord).
    pub const CLUSTER: &str = "cluster";
    /// What members last held: [`SeenRecord`](crate::cluster::loss::SeenRecord).
    pub const SEEN: &str = "seen/";
    /// Members that came back without their keys: [`LossRecord`](crate::cluster::loss::LossRecord).
    pub const LOSSES: &str = "losses/";
    /// All moves.
    pub const MOVES: &str = "moves/";
    /// What consoles want whoever drives to look at: [`Question`](crate::cluster::plan::questions::Question), as long as they ask.
    pub const QUESTIONS: &str = "questions/";
    /// What was found: [`Answer`](crate::cluster::plan::questions::Answer).
    pub const ANSWERS: &str = "answers/";
    /// Users of the whole cluster: [`UserRecord`](crate::cluster::users::UserRecord).
    pub const ACL: &str = "acl/";
    /// The audit log.
    pub const AUDIT: &str = "audit/";

    /// `nodes/ID`.
    #[must_use]
    pub fn node(id: &NodeId) -> String {
        format!("{NODES}{id}")
    }

    /// `seen/ID`.
    #[must_use]
    pub fn seen(id: &NodeId) -> String {
        format!("{SEEN}{id}")
    }

    /// `losses/ID`.
    #[must_use]
    pub fn loss(id: &NodeId) -> String {
        format!("{LOSSES}{id}")
    }

    /// `questions/ID`.
    #[must_use]
    pub fn question(id: &str) -> String {
        format!("{QUESTIONS}{id}")
    }

    /// `answers/ID`.
    #[must_use]
    pub fn answer(id: &str) -> String {
        format!("{ANSWERS}{id}")
    }

    /// `proxies/ID`.
    #[must_use]
    pub fn proxy(id: &ProxyId) -> String {
        format!("{PROXIES}{id}")
    }

    /// `drains/ID`.
    #[must_use]
    pub fn drain(id: &ProxyId) -> String {
        format!("{DRAINS}{id}")
    }

    /// `retired/ID-INSTANCE`.
    #[must_use]
    pub fn retired(id: &ProxyId, instance: &str) -> String {
        format!("{RETIRED}{id}-{instance}")
    }

    /// `plans/ID`, sorting as numbers do.
    #[must_use]
    pub fn plan(id: PlanId) -> String {
        format!("{PLANS}{:08}", id.0)
    }

    /// `moves/ID`, sorting as numbers do.
    #[must_use]
    pub fn slot_move(id: u64) -> String {
        format!("{MOVES}{id:08}")
    }

    /// `audit/N`, sorting as numbers do.
    #[must_use]
    pub fn audit(number: u64) -> String {
        format!("{AUDIT}{number:08}")
    }

    /// The number at the end of a `plans/`, `moves/` or `audit/` key.
    #[must_use]
    pub fn number(key: &str) -> Option<u64> {
        key.rsplit('/').next()?.parse().ok()
    }
}

/// A record that was written by something else, or by a newer version.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key} is not readable ({reason}); is a newer version in use?")]
pub struct Unreadable {
    /// Where it stands.
    pub key: String,
    /// What is wrong with it.
    pub reason: String,
}

/// A record as it stands in the registry.
#[must_use]
pub fn to_json<T: Serialize>(record: &T) -> Vec<u8> {
    serde_json::to_vec(record).expect("records are plain data with string keys")
}

/// The record of an entry.
///
/// # Errors
/// It is no such record.
pub fn parse<T: DeserializeOwned>(entry: &Entry) -> Result<T, Unreadable> {
    parse_value(&entry.key, &entry.value)
}

/// The same of a key and its value.
///
/// # Errors
/// It is no such record.
pub fn parse_value<T: DeserializeOwned>(key: &str, value: &[u8]) -> Result<T, Unreadable> {
    serde_json::from_slice(value)
        .map_err(|error| Unreadable { key: key.to_owned(), reason: error.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::{plan::PlanId, topology::Topology};

    #[test]
    fn records_come_back_and_what_is_none_says_where_it_stands() {
        let topology = Topology::default();
        assert_eq!(parse_value::<Topology>(keys::TOPOLOGY, &to_json(&topology)), Ok(topology));
        let error = parse_value::<Topology>(keys::TOPOLOGY, b"{").unwrap_err().to_string();
        assert!(
            error.starts_with("topology is not readable (") && error.ends_with("newer version in use?"),
            "{error}"
        );
    }

    #[test]
    fn keys_sort_as_their_numbers_do() {
        assert!(keys::plan(PlanId(9)) < keys::plan(PlanId(10)));
        assert_eq!(keys::number(&keys::slot_move(12)), Some(12));
        assert_eq!(keys::number(keys::LEADER), None);
    }
}
