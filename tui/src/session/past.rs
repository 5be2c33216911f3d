//! The registry as it was: the audit log with the revision of each line, and who owned what at one of them.
//!
//! Not here: which of that is asked for (`screen::pages::history`).

use redis_cluster::{
    cluster::{
        plan::AuditRecord,
        records::{keys, parse},
        registry::{Entry, Registry, RegistryError, Revision},
    },
    time::Millis,
};

use super::{ClusterView, Session, update::Change};

/// Lines of the audit log that are read, the newest: when a console begins, and again and again while its page is open.
const READ: u32 = 1_000;

/// The newest lines of the audit log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditTail {
    /// Oldest first.
    pub lines: Vec<AuditLine>,
    /// How many the registry has in all.
    pub total: u64,
}

/// Who did what, and at which revision of the registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditLine {
    /// The cluster was so from this revision on.
    pub revision: u64,
    /// When, by the clock of whoever did it.
    pub at: Millis,
    /// `user@host` of a console, or the program that did it.
    pub by: String,
    /// The words, or what was done.
    pub what: String,
    /// Of the topology, before and after.
    pub epochs: [u64; 2],
}

impl AuditLine {
    /// A program did it in the course of a plan, whose own line tells of it.
    #[must_use]
    pub fn is_a_step(&self) -> bool {
        self.what.starts_with("move ")
    }
}

/// Reads the newest lines, and no more.
pub(super) async fn tail(registry: &Registry) -> Result<AuditTail, RegistryError> {
    let newest = registry.last(keys::AUDIT, READ).await?;
    Ok(AuditTail { lines: newest.entries.iter().rev().filter_map(line).collect(), total: newest.total })
}

/// The line of an entry; `None` for what nobody can read.
fn line(entry: &Entry) -> Option<AuditLine> {
    let record: AuditRecord = parse(entry).ok()?;
    Some(AuditLine {
        revision: super::feed::number(entry.create_revision),
        at: Millis(record.at_ms),
        by: record.by,
        what: record.what,
        epochs: [record.epoch_before.0, record.epoch_after.0],
    })
}

impl Session {
    /// The newest lines of the audit log.
    ///
    /// # Errors
    /// When the registry does not answer, or refuses; the text is for the operator.
    pub async fn audit(&self) -> Result<AuditTail, String> {
        tail(&self.inner.registry).await.map_err(|error| error.to_string())
    }

    /// Members and routing at an earlier revision; `None`: the registry no longer knows.
    ///
    /// # Errors
    /// As [`Session::audit`].
    pub async fn as_of(&self, revision: u64) -> Result<Option<ClusterView>, String> {
        let Ok(at) = i64::try_from(revision).map(Revision) else { return Ok(None) };
        let mut entries = Vec::new();
        for prefix in [keys::NODES, keys::TOPOLOGY] {
            let listed = self.inner.registry.list_at(prefix, at).await.map_err(|error| error.to_string())?;
            let Some(listed) = listed else { return Ok(None) };
            entries.extend(listed.into_iter().map(|entry| (entry.key, entry.value)));
        }
        let mut view = ClusterView::new(&self.options().cluster, &[], 0);
        view.apply(Change::Reset { revision, entries }, Millis::now());
        Ok(Some(view))
    }
}
