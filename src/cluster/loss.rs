//! A member that comes back without the keys it held: it would answer nil for all of them, and nothing would say so.
//!
//! Here: what the registry remembers of each member (`seen/ID`), how a loss is told from an ordinary restart, and its record
//! (`losses/ID`), which stays until the node is removed or an operator takes note of it. Not here: asking the members (proxy)
//! and showing it (console).

use crate::cluster::records::{keys, parse};
use serde::{Deserialize, Serialize};

use super::{
    plan::{AuditRecord, Refusal, submit},
    registry::{Commit, Registry, Txn},
    topology::Topology,
};
use crate::{id::NodeId, time::Millis};

/// `seen/ID`: what a member last was heard to hold. Written when its process changes, and now and then when its keys do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenRecord {
    /// The same as in the key.
    pub node: NodeId,
    /// Of its process.
    pub run_id: String,
    /// In all databases.
    pub keys: u64,
    /// When it said so, milliseconds since 1970.
    pub at_ms: i64,
    /// What the process before it held last, as far as whoever wrote this knew. By that it was judged.
    #[serde(default)]
    pub before: u64,
}

/// `losses/ID`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LossRecord {
    /// The same as in the key.
    pub node: NodeId,
    /// Keys it held when it was last heard of before. Of several losses that nobody took note of, the greatest.
    pub held: u64,
    /// Keys it came back with.
    pub now: u64,
    /// Of the process that held them.
    pub run_id_before: String,
    /// Of the process that came back, at the last loss.
    pub run_id_after: String,
    /// When the last loss was noticed, milliseconds since 1970.
    pub at_ms: i64,
    /// Who noticed, such as `proxy 1`.
    pub seen_by: String,
    /// How often, since an operator last took note.
    pub times: u32,
}

impl LossRecord {
    /// Keys that are gone.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.held.saturating_sub(self.now)
    }

    /// The same loss, on top of one that nobody took note of.
    #[must_use]
    pub fn after(self, earlier: &Self) -> Self {
        let times = earlier.times.saturating_add(1);
        let (held, now) =
            if earlier.lost() > self.lost() { (earlier.held, earlier.now) } else { (self.held, self.now) };
        Self { held, now, times, ..self }
    }

    /// One line for people.
    #[must_use]
    pub fn describe(&self) -> String {
        let again = if self.times > 1 {
            format!(" ({} times, the greatest loss is told)", self.times)
        } else {
            String::new()
        };
        let state = match self.now {
            0 => "empty".to_owned(),
            now => format!("with {now}"),
        };
        format!(
            "node {} held {} key{} and came back {state}{again}: clients are told nil for the rest",
            self.node,
            self.held,
            if self.held == 1 { "" } else { "s" }
        )
    }
}

/// What a member says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sight {
    /// Of its process.
    pub run_id: String,
    /// In all databases, now.
    pub keys: u64,
    /// Keys it began with, where it says so. What clients did since is in `keys` already.
    pub began_with: Option<u64>,
}

/// Fewer keys than this may go in a restart (they expire, or were deleted since it was last asked) without a word.
const A_FEW: u64 = 10;

/// The keys it came back with, if it came back without most of what it held. The same process may hold as few keys as it
/// likes: somebody deleted them.
#[must_use]
pub fn judge(before: &SeenRecord, now: &Sight) -> Option<u64> {
    if before.run_id == now.run_id || before.keys == 0 {
        return None;
    }
    let with = now.began_with.unwrap_or(now.keys);
    let gone = before.keys.saturating_sub(with);
    let most = with < before.keys / 2 && gone > A_FEW;
    (with == 0 || most).then_some(with)
}

/// Whether a count is worth writing down again.
#[must_use]
pub fn differs(written: &SeenRecord, now: &Sight) -> bool {
    written.run_id != now.run_id || written.keys.abs_diff(now.keys) * 10 > written.keys
}

/// What became of taking note.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Noted {
    /// Nobody is told of this loss any more.
    Loss(Box<LossRecord>),
    /// There was none.
    Nothing,
}

/// Takes note of a loss: it is shown no longer.
///
/// # Errors
/// [`Refusal::UnknownNode`], or what the registry says.
pub async fn acknowledge(
    registry: &Registry,
    node: &NodeId,
    by: &str,
    words: &str,
) -> Result<Noted, Refusal> {
    loop {
        let nodes = registry.list(keys::NODES).await?;
        let Some(entry) = registry.get(&keys::loss(node)).await? else {
            let ids: Vec<&str> =
                nodes.entries.iter().filter_map(|entry| entry.key.strip_prefix(keys::NODES)).collect();
            if ids.contains(&node.as_str()) {
                return Ok(Noted::Nothing);
            }
            let members = if ids.is_empty() { "none".to_owned() } else { ids.join(", ") };
            return Err(Refusal::UnknownNode { id: node.clone(), members });
        };
        let loss: LossRecord = parse(&entry)?;
        let topology = registry.get(keys::TOPOLOGY).await?;
        let epoch = topology.as_ref().map_or(Ok(Topology::default()), parse)?.epoch;
        let what = format!("{words} ({} keys lost)", loss.lost());
        let audit = AuditRecord::new(Millis::now(), by, what, epoch, epoch);
        let txn = Txn::new().if_revision(keys::loss(node), entry.mod_revision).delete(keys::loss(node));
        if let Commit::Done { .. } = registry.commit(submit::with_audit(txn, &audit)).await? {
            return Ok(Noted::Loss(Box::new(loss)));
        }
    }
}

/// A new record of a loss.
#[must_use]
pub fn record(before: &SeenRecord, now: &Sight, with: u64, seen_by: &str) -> LossRecord {
    LossRecord {
        node: before.node.clone(),
        held: before.keys,
        now: with,
        run_id_before: before.run_id.clone(),
        run_id_after: now.run_id.clone(),
        at_ms: Millis::now().0,
        seen_by: seen_by.to_owned(),
        times: 1,
    }
}

/// `seen/ID` of now.
#[must_use]
pub fn seen(node: &NodeId, now: &Sight, before: u64) -> SeenRecord {
    SeenRecord {
        node: node.clone(),
        run_id: now.run_id.clone(),
        keys: now.keys,
        at_ms: Millis::now().0,
        before,
    }
}

impl SeenRecord {
    /// Of the same member, as it is now.
    #[must_use]
    pub fn next(&self, now: &Sight) -> Self {
        let before = if self.run_id == now.run_id { self.before } else { self.keys };
        seen(&self.node, now, before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn before(keys: u64) -> SeenRecord {
        SeenRecord { node: "1".parse().unwrap(), run_id: "a".into(), keys, at_ms: 0, before: 0 }
    }

    fn now(run_id: &str, keys: u64, began_with: Option<u64>) -> Sight {
        Sight { run_id: run_id.into(), keys, began_with }
    }

    #[test]
    fn a_loss_is_another_process_without_most_of_the_keys() {
        for (held, run_id, keys, began_with, lost) in [
            (1000, "b", 0, None, Some(0)),
            (1, "b", 0, None, Some(0)),
            (1000, "b", 400, None, Some(400)),
            (1000, "b", 600, None, None),
            (12, "b", 3, None, None),
            (0, "b", 0, None, None),
            // FLUSHALL.
            (1000, "a", 0, None, None),
            // It began with all, and clients deleted them since; it began with none, and clients wrote since.
            (1000, "b", 0, Some(1000), None),
            (1000, "b", 1000, Some(0), Some(0)),
        ] {
            assert_eq!(judge(&before(held), &now(run_id, keys, began_with)), lost, "{held} {run_id} {keys}");
        }
    }

    #[test]
    fn losses_add_up() {
        let first = record(&before(1000), &now("b", 0, None), 0, "proxy 1");
        let second = record(&before(5), &now("c", 0, None), 0, "proxy 2").after(&first);
        assert_eq!((second.held, second.times, second.run_id_after.as_str()), (1000, 2, "c"));
        assert!(second.describe().contains("2 times"), "{}", second.describe());
    }

    #[test]
    fn small_changes_are_not_written() {
        assert!(!differs(&before(100), &now("a", 109, None)));
        assert!(differs(&before(100), &now("a", 111, None)));
        assert!(differs(&before(0), &now("a", 1, None)));
        assert!(differs(&before(100), &now("b", 100, None)));
    }
}
