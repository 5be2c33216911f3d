//! What is remembered of members: what this proxy heard of each last, and what the registry has (`seen/`, `losses/`), followed
//! so that whoever asks need not. Not here: what follows from it (`cluster::loss`), and who writes it ([`super::losses`]).

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;

use crate::{
    cluster::{
        loss::{Known, LossRecord, SeenRecord},
        plan::Refusal,
        records::{keys, parse},
        registry::{Change, Registry, WatchEvent},
    },
    id::NodeId,
};

/// Records by member; none before they were read.
type Records<R> = Option<BTreeMap<NodeId, R>>;

#[derive(Debug, Default)]
struct Memory {
    heard: BTreeMap<NodeId, SeenRecord>,
    written: Records<SeenRecord>,
    losses: Records<LossRecord>,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Recollection(Mutex<Memory>);

impl Recollection {
    fn lock(&self) -> MutexGuard<'_, Memory> {
        // Records are replaced whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// This proxy heard of a member.
    pub(super) fn hear(&self, seen: &SeenRecord) {
        self.lock().heard.insert(seen.node.clone(), seen.clone());
    }

    /// Who is no member has nothing to be remembered.
    pub(super) fn retain(&self, is_member: impl Fn(&NodeId) -> bool) {
        self.lock().heard.retain(|node, _| is_member(node));
    }

    /// Whether a member may have to be kept out, as far as is known here. Before everything was read nobody can say no.
    pub(super) fn may_keep_out(&self, node: &NodeId) -> bool {
        let memory = self.lock();
        let (Some(written), Some(losses)) = (&memory.written, &memory.losses) else { return true };
        let heard = memory.heard.get(node);
        Known { heard, written: written.get(node), loss: losses.get(node) }.may_keep_out()
    }

    /// Whether a member has a loss that keeps it out, as far as is known here.
    pub(super) fn is_stopped(&self, node: &NodeId) -> bool {
        self.lock().losses.as_ref().and_then(|losses| losses.get(node)).is_some_and(|loss| loss.stops)
    }

    /// What this proxy heard of a member last.
    pub(super) fn heard(&self, node: &NodeId) -> Option<SeenRecord> {
        self.lock().heard.get(node).cloned()
    }
}

/// Follows the registry until the proxy stops.
pub(super) async fn run(recollection: Arc<Recollection>, registry: Registry, stop: CancellationToken) {
    let mut written = registry.watch(keys::SEEN);
    let mut losses = registry.watch(keys::LOSSES);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            event = written.next() => apply(&mut recollection.lock().written, keys::SEEN, event),
            event = losses.next() => apply(&mut recollection.lock().losses, keys::LOSSES, event),
        }
    }
}

fn apply<R: DeserializeOwned>(records: &mut Records<R>, prefix: &str, event: WatchEvent) {
    let changes = match event {
        WatchEvent::Reset { entries, .. } => {
            *records = None;
            entries.into_iter().map(Change::Put).collect()
        }
        WatchEvent::Changed { changes, .. } => changes,
        // Membership tells of it. What was read last is what is known.
        WatchEvent::Down { .. } | WatchEvent::Up => return,
    };
    let records = records.get_or_insert_default();
    for change in changes {
        let Some(Ok(node)) = change.key().strip_prefix(prefix).map(str::parse::<NodeId>) else { continue };
        let record = match &change {
            Change::Put(entry) => {
                parse(entry).inspect_err(|error| tracing::warn!(%error, "what a node held is not known")).ok()
            }
            Change::Deleted { .. } => None,
        };
        match record {
            Some(record) => records.insert(node, record),
            None => records.remove(&node),
        };
    }
}

/// What the registry has of a member now.
///
/// # Errors
/// It does not answer, or its records cannot be read.
pub(super) async fn read(
    registry: &Registry,
    node: &NodeId,
) -> Result<(Option<SeenRecord>, Option<LossRecord>), Refusal> {
    // In this order: both are written at once, so whoever sees the first of a loss sees the second too, unless it was noted.
    let seen = registry.get(&keys::seen(node)).await?;
    let loss = registry.get(&keys::loss(node)).await?;
    Ok((seen.as_ref().map(parse).transpose()?, loss.as_ref().map(parse).transpose()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::registry::{Entry, Revision};

    fn put(key: &str, value: &str) -> Entry {
        let (create_revision, mod_revision) = (Revision(1), Revision(1));
        Entry { key: key.to_owned(), value: value.into(), create_revision, mod_revision, lease: None }
    }

    fn reset(entries: Vec<Entry>) -> WatchEvent {
        WatchEvent::Reset { revision: Revision(1), entries }
    }

    #[test]
    fn nobody_is_passed_over_before_everything_was_read() {
        let recollection = Recollection::default();
        let of = |id: &str| recollection.may_keep_out(&id.parse().unwrap());
        assert!(of("1"));
        let kept = r#"{"node":"2","run_id":"a","keys":7,"at_ms":1,"keeps":true}"#;
        let seen =
            vec![put("seen/2", kept), put("seen/3", &kept.replace("true", "false")), put("seen/4", "x")];
        apply(&mut recollection.lock().written, keys::SEEN, reset(seen));
        assert!(of("1"));
        apply(&mut recollection.lock().losses, keys::LOSSES, reset(Vec::new()));
        assert_eq!([of("1"), of("2"), of("3"), of("4")], [false, true, false, false]);
        let changes = vec![Change::Deleted { key: "seen/2".to_owned() }];
        let changed = WatchEvent::Changed { revision: Revision(2), changes };
        apply(&mut recollection.lock().written, keys::SEEN, changed);
        assert!(!of("2"));

        recollection.hear(&serde_json::from_str(&kept.replace('2', "3")).unwrap());
        assert!(of("3"));
        recollection.retain(|_| false);
        assert!(!of("3"));
    }
}
