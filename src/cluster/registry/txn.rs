//! A transaction, before it is sent.

use super::{LeaseId, Revision};

/// What became of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Commit {
    /// All changes were made.
    Done {
        /// The revision they made.
        revision: Revision,
    },
    /// A condition did not hold; nothing was changed.
    Conflict {
        /// Of the store when it was checked.
        revision: Revision,
    },
}

impl Commit {
    /// All changes were made.
    #[must_use]
    pub fn is_done(self) -> bool {
        matches!(self, Self::Done { .. })
    }

    /// The revision of either outcome.
    #[must_use]
    pub fn revision(self) -> Revision {
        match self {
            Self::Done { revision } | Self::Conflict { revision } => revision,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    Absent(String),
    Present(String),
    Modified(String, Revision),
    Created(String, Revision),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Put { key: String, value: Vec<u8>, lease: Option<LeaseId> },
    Delete { key: String },
}

impl Change {
    pub(super) fn key(&self) -> &str {
        match self {
            Self::Put { key, .. } | Self::Delete { key } => key,
        }
    }
}

/// Changes, and the conditions under which they are made. Keys are relative to the cluster's prefix; a key may be changed
/// once, and there may be at most 120 conditions and changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "a transaction does nothing before it is committed"]
pub struct Txn {
    pub(super) conditions: Vec<Condition>,
    pub(super) changes: Vec<Change>,
}

impl Txn {
    /// No conditions, no changes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Only if the key does not exist.
    pub fn if_absent(mut self, key: impl Into<String>) -> Self {
        self.conditions.push(Condition::Absent(key.into()));
        self
    }

    /// Only if the key exists.
    pub fn if_present(mut self, key: impl Into<String>) -> Self {
        self.conditions.push(Condition::Present(key.into()));
        self
    }

    /// Only if the value is the one that was read at [`Entry::mod_revision`](super::Entry::mod_revision).
    pub fn if_revision(mut self, key: impl Into<String>, mod_revision: Revision) -> Self {
        self.conditions.push(Condition::Modified(key.into(), mod_revision));
        self
    }

    /// Only if the key is the one that was created at [`Entry::create_revision`](super::Entry::create_revision), whatever
    /// its value.
    pub fn if_created(mut self, key: impl Into<String>, create_revision: Revision) -> Self {
        self.conditions.push(Condition::Created(key.into(), create_revision));
        self
    }

    /// Puts a value.
    pub fn put(mut self, key: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        self.changes.push(Change::Put { key: key.into(), value: value.into(), lease: None });
        self
    }

    /// Puts a value that goes when the lease ends.
    pub fn put_leased(mut self, key: impl Into<String>, value: impl Into<Vec<u8>>, lease: LeaseId) -> Self {
        self.changes.push(Change::Put { key: key.into(), value: value.into(), lease: Some(lease) });
        self
    }

    /// Deletes a key; one that does not exist is no conflict.
    pub fn delete(mut self, key: impl Into<String>) -> Self {
        self.changes.push(Change::Delete { key: key.into() });
        self
    }

    /// True if making the changes makes one of the conditions false for ever, so that a second sending can do nothing,
    /// whatever others did in between: no key comes back to a revision that it had.
    pub(super) fn runs_once(&self) -> bool {
        self.conditions.iter().any(|condition| match condition {
            Condition::Modified(_, Revision(0)) | Condition::Created(_, Revision(0)) => false,
            Condition::Modified(key, _) => self.puts(key) || self.deletes(key),
            Condition::Created(key, _) => self.deletes(key),
            Condition::Absent(_) | Condition::Present(_) => false,
        })
    }

    fn puts(&self, wanted: &str) -> bool {
        self.changes.iter().any(|change| matches!(change, Change::Put { key, .. } if key == wanted))
    }

    fn deletes(&self, wanted: &str) -> bool {
        self.changes.iter().any(|change| matches!(change, Change::Delete { key } if key == wanted))
    }

    /// The keys it changes, for messages.
    pub(super) fn describe(&self) -> String {
        let keys: Vec<&str> = self.changes.iter().map(Change::key).collect();
        match keys.as_slice() {
            [] => "nothing".to_owned(),
            [first, second, third, rest @ ..] if !rest.is_empty() => {
                format!("{first}, {second}, {third} and {} more", rest.len())
            }
            keys => keys.join(", "),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_transactions_can_be_sent_twice() {
        let r = Revision(7);
        assert!(Txn::new().if_revision("a", r).put("a", "1").runs_once());
        assert!(Txn::new().if_revision("a", r).delete("a").runs_once());
        assert!(Txn::new().if_created("a", r).delete("a").put("b", "1").runs_once());
        assert!(!Txn::new().put("a", "1").runs_once());
        assert!(!Txn::new().if_present("a").put("a", "1").runs_once());
        assert!(!Txn::new().if_created("leader", r).put("a", "1").runs_once());
        assert!(!Txn::new().if_absent("a").put("b", "1").runs_once());
        assert!(!Txn::new().if_absent("a").delete("a").runs_once());
        // The guard is spent by the delete of another key only if that key is guarded.
        assert!(!Txn::new().if_created("a", r).delete("b").runs_once());
        // Others may delete the key again, or create it again, and the condition holds as before.
        assert!(!Txn::new().if_absent("a").put("a", "1").runs_once());
        assert!(!Txn::new().if_revision("a", Revision(0)).put("a", "1").runs_once());
        assert!(!Txn::new().if_present("a").delete("a").runs_once());
    }

    #[test]
    fn messages_name_the_keys() {
        assert_eq!(Txn::new().put("a", "").delete("b").describe(), "a, b");
        let many = ["a", "b", "c", "d", "e"].iter().fold(Txn::new(), |txn, key| txn.put(*key, ""));
        assert_eq!(many.describe(), "a, b, c and 2 more");
    }
}
