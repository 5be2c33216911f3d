//! A member that comes back without the keys it held: it would answer nil for all of them, and nothing would say so.
//!
//! Here: what the registry remembers of each member (`seen/ID`), how a loss is told from an ordinary restart, its record
//! (`losses/ID`), which stays until the node is removed, has its keys again, or an operator takes note of it, and which losses
//! keep a member from being used ([`Known`]). Not here: asking the members (proxy) and showing it (console).

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
    /// When that was, milliseconds since 1970.
    #[serde(default)]
    pub before_at_ms: i64,
    /// It keeps its keys on a disk, so that it is to have them when it comes back.
    #[serde(default)]
    pub keeps: bool,
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
    /// It kept its keys on a disk and came back with none: it is not used until it has them, or an operator takes note.
    #[serde(default)]
    pub stops: bool,
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
        Self { held, now, times, stops: self.stops || earlier.stops, ..self }
    }

    /// What is left of the loss now that the member is seen so: nothing, if it came with most of its keys this time.
    #[must_use]
    pub fn mended(&self, sight: &Sight) -> Option<Self> {
        let before = SeenRecord {
            node: self.node.clone(),
            run_id: self.run_id_before.clone(),
            keys: self.held,
            at_ms: self.at_ms,
            before: 0,
            before_at_ms: 0,
            keeps: true,
        };
        let now = judge(&before, sight)?;
        Some(Self { now, run_id_after: sight.run_id.clone(), stops: self.stops && now == 0, ..self.clone() })
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
        let outcome = if self.stops {
            "proxies do not use it, because it kept them on a disk"
        } else {
            "clients are told nil for the rest"
        };
        format!(
            "node {} held {} key{} and came back {state}{again}: {outcome}",
            self.node,
            self.held,
            if self.held == 1 { "" } else { "s" }
        )
    }

    /// What to do about it.
    #[must_use]
    pub fn remedy(&self) -> String {
        let node = &self.node;
        if self.stops {
            format!("bring its files back and start it again, or `ack {node}` goes on without them")
        } else {
            format!("`ack {node}` takes note")
        }
    }
}

/// What a member says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sight {
    /// Of its process.
    pub run_id: String,
    /// In all databases, now.
    pub keys: u64,
    /// Keys that its process began with, those among them whose time had come. Of a server that does not say: those it has now,
    /// and those that expired since it began.
    pub came_with: u64,
    /// It keeps its keys on a disk.
    pub keeps: bool,
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
    let with = now.came_with;
    let gone = before.keys.saturating_sub(with);
    let most = with < before.keys / 2 && gone > A_FEW;
    (with == 0 || most).then_some(with)
}

/// Whether a count is worth writing down again.
#[must_use]
pub fn differs(written: &SeenRecord, now: &Sight) -> bool {
    written.run_id != now.run_id
        || written.keeps != now.keeps
        || written.keys.abs_diff(now.keys) * 10 > written.keys
}

/// What is known of a member that is about to be used.
#[derive(Clone, Copy, Debug, Default)]
pub struct Known<'r> {
    /// What this process heard itself, which may be newer than what is written.
    pub heard: Option<&'r SeenRecord>,
    /// What the registry has.
    pub written: Option<&'r SeenRecord>,
    /// The loss that nobody took note of.
    pub loss: Option<&'r LossRecord>,
}

impl Known<'_> {
    /// Whether it may have to be kept out, so that it has to be asked what it came with.
    #[must_use]
    pub fn may_keep_out(&self) -> bool {
        let held = |seen: &SeenRecord| seen.keeps && seen.keys > 0 || seen.before > 0;
        self.loss.is_some_and(|loss| loss.stops)
            || self.heard.is_some_and(held)
            || self.written.is_some_and(held)
    }

    /// How many keys are missing for which it is not to be used, if it is not. What is known has to be of now.
    #[must_use]
    pub fn keeps_out(&self, sight: &Sight) -> Option<u64> {
        if sight.came_with > 0 {
            return None;
        }
        if let Some(loss) = self.loss.filter(|loss| loss.stops) {
            return Some(loss.held);
        }
        let is_same = |seen: &&SeenRecord| seen.run_id == sight.run_id;
        if self.heard.filter(is_same).is_some() {
            return None;
        }
        if let Some(written) = self.written.filter(is_same) {
            // Somebody judged this process, and an operator took note, unless whoever it was knew less.
            let heard = self.heard?;
            let judged_by = heard.as_of_others(written).unwrap_or_else(|| heard.clone());
            if judge(&SeenRecord { keys: written.before, ..judged_by.clone() }, sight).is_some() {
                return None;
            }
            return judge(&judged_by, sight).filter(|_| judged_by.keeps).map(|_| judged_by.keys);
        }
        let before = [self.heard, self.written].into_iter().flatten().max_by_key(|seen| seen.at_ms)?;
        judge(before, sight).filter(|_| before.keeps).map(|_| before.keys)
    }
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
        stops: before.keeps && with == 0,
    }
}

/// `seen/ID` of now.
#[must_use]
pub fn seen(node: &NodeId, now: &Sight) -> SeenRecord {
    SeenRecord {
        node: node.clone(),
        run_id: now.run_id.clone(),
        keys: now.keys,
        at_ms: Millis::now().0,
        before: 0,
        before_at_ms: 0,
        keeps: now.keeps,
    }
}

impl SeenRecord {
    /// Of the same member, as it is now.
    #[must_use]
    pub fn next(&self, now: &Sight) -> Self {
        let (before, before_at_ms) = if self.run_id == now.run_id {
            (self.before, self.before_at_ms)
        } else {
            (self.keys, self.at_ms)
        };
        SeenRecord { before, before_at_ms, ..seen(&self.node, now) }
    }

    /// What others wrote of the same process, or of the one after it, if they heard of this one later.
    #[must_use]
    pub fn as_of_others(&self, written: &Self) -> Option<Self> {
        let (keys, at_ms) = if written.run_id == self.run_id {
            (written.keys, written.at_ms)
        } else {
            (written.before, written.before_at_ms)
        };
        (at_ms > self.at_ms).then(|| Self { keys, at_ms, ..self.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn before(keys: u64) -> SeenRecord {
        SeenRecord {
            node: "1".parse().unwrap(),
            run_id: "a".into(),
            keys,
            at_ms: 0,
            before: 0,
            before_at_ms: 0,
            keeps: false,
        }
    }

    fn now(run_id: &str, keys: u64, came_with: u64) -> Sight {
        Sight { run_id: run_id.into(), keys, came_with, keeps: false }
    }

    #[test]
    fn a_loss_is_another_process_without_most_of_the_keys() {
        for (held, run_id, keys, came_with, lost) in [
            (1000, "b", 0, 0, Some(0)),
            (1, "b", 0, 0, Some(0)),
            (1000, "b", 400, 400, Some(400)),
            (1000, "b", 600, 600, None),
            (12, "b", 3, 3, None),
            (0, "b", 0, 0, None),
            // FLUSHALL.
            (1000, "a", 0, 0, None),
            // It began with all, and clients deleted them since; it began with none, and clients wrote since.
            (1000, "b", 0, 1000, None),
            (1000, "b", 1000, 0, Some(0)),
        ] {
            assert_eq!(judge(&before(held), &now(run_id, keys, came_with)), lost, "{held} {run_id} {keys}");
        }
    }

    #[test]
    fn losses_add_up() {
        let first = record(&before(1000), &now("b", 0, 0), 0, "proxy 1");
        let second = record(&before(5), &now("c", 0, 0), 0, "proxy 2").after(&first);
        assert_eq!((second.held, second.times, second.run_id_after.as_str()), (1000, 2, "c"));
        assert!(second.describe().contains("2 times"), "{}", second.describe());
    }

    fn known<'r>(
        heard: Option<&'r SeenRecord>,
        written: Option<&'r SeenRecord>,
        loss: Option<&'r LossRecord>,
    ) -> Known<'r> {
        Known { heard, written, loss }
    }

    #[test]
    fn who_kept_its_keys_and_comes_with_none_is_kept_out_until_an_operator_takes_note() {
        let kept = SeenRecord { keeps: true, at_ms: 7, ..before(1000) };
        let empty = now("b", 0, 0);
        for known in [known(Some(&kept), None, None), known(None, Some(&kept), None)] {
            assert!(known.may_keep_out());
            assert_eq!(known.keeps_out(&empty), Some(1000));
            assert_eq!(known.keeps_out(&now("b", 5, 5)), None, "it has some");
        }
        // In memory only; it held none; nobody ever heard of it.
        for seen in [before(1000), SeenRecord { keys: 0, ..kept.clone() }] {
            let known = known(Some(&seen), None, None);
            assert!(!known.may_keep_out() && known.keeps_out(&empty).is_none());
        }
        assert!(!Known::default().may_keep_out());

        // Written down, by this proxy or another one.
        let loss = record(&kept, &empty, 0, "proxy 1");
        assert!(loss.stops && loss.remedy().contains("`ack 1`"), "{}", loss.remedy());
        let after = kept.next(&empty);
        for heard in [None, Some(&kept), Some(&after)] {
            let known = known(heard, Some(&after), Some(&loss));
            assert!(known.may_keep_out());
            assert_eq!(known.keeps_out(&empty), Some(1000));
            assert_eq!(
                known.keeps_out(&now("c", 7, 0)),
                Some(1000),
                "started again, and somebody wrote to it"
            );
            // An operator took note.
            assert_eq!(Known { loss: None, ..known }.keeps_out(&empty), None, "{heard:?}");
        }
        // Whoever judged it first knew of no keys, because that was before, or because a client had deleted them since.
        for (before_at_ms, missing) in [(6, Some(1000)), (8, None)] {
            let unaware = SeenRecord { before: 0, before_at_ms, ..after.clone() };
            assert_eq!(known(Some(&kept), Some(&unaware), None).keeps_out(&empty), missing);
        }
        // Emptied by a client, as this proxy heard, or another one.
        let emptied = SeenRecord { keys: 0, at_ms: 8, ..kept.clone() };
        assert_eq!(known(Some(&emptied), Some(&kept), None).keeps_out(&empty), None);
        assert_eq!(known(Some(&kept), Some(&emptied), None).keeps_out(&empty), None);
    }

    #[test]
    fn a_loss_ends_when_the_keys_are_there_again() {
        let kept = SeenRecord { keeps: true, ..before(1000) };
        let loss = record(&kept, &now("b", 0, 0), 0, "proxy 1");
        assert_eq!(loss.mended(&now("c", 0, 0)).map(|left| left.stops), Some(true));
        let left = loss.mended(&now("c", 300, 300)).unwrap();
        assert!(!left.stops && left.lost() == 700, "{left:?}");
        assert_eq!(loss.mended(&now("c", 990, 990)), None);
        // A smaller loss on top of it does not let it in.
        assert!(record(&before(5), &now("c", 0, 0), 0, "proxy 1").after(&loss).stops);
    }

    #[test]
    fn small_changes_are_not_written() {
        assert!(!differs(&before(100), &now("a", 109, 0)));
        assert!(differs(&before(100), &now("a", 111, 0)));
        assert!(differs(&before(0), &now("a", 1, 0)));
        assert!(differs(&before(100), &now("b", 100, 0)));
        assert!(differs(&before(100), &Sight { keeps: true, ..now("a", 100, 0) }));
    }
}
