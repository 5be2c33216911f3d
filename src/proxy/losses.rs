//! Members that come back without their keys: noticed from the figures that are asked for anyway, said in the log and the
//! metrics, and written into the registry, where every console finds it (`cluster::loss` has the rule and the records).
//!
//! What a member last held is kept here, and in the registry more coarsely, for proxies that start later. All proxies
//! watch; the registry lets one of them write. Not here: asking (`polls`), and keeping a member out that lost what it kept
//! ([`readmission`](super::readmission)).

use crate::cluster::records::{keys, parse, to_json};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{daemon::Proxy, recollection::Recollection};
use crate::{
    cluster::{
        loss::{self, LossRecord, SeenRecord, Sight},
        plan::{AuditRecord, Refusal, submit::with_audit},
        registry::{Commit, Registry, Revision, Txn},
    },
    id::NodeId,
    protocol::info,
    time::Millis,
};

/// A count that changes all the time is written no more often.
const WRITE_EVERY: Duration = Duration::from_secs(10);

/// What one member said of itself.
#[derive(Clone, Debug)]
pub(super) struct Observation {
    pub(super) node: NodeId,
    pub(super) sight: Sight,
    /// What a member without slots has is nobody's.
    pub(super) owns_slots: bool,
}

/// How many losses this proxy noticed, by node.
#[derive(Debug, Default)]
pub(super) struct Noticed(Mutex<BTreeMap<NodeId, u64>>);

impl Noticed {
    fn counts(&self) -> MutexGuard<'_, BTreeMap<NodeId, u64>> {
        // A count is replaced whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, node: &NodeId) {
        *self.counts().entry(node.clone()).or_default() += 1;
    }

    pub(super) fn of(&self, node: &NodeId) -> u64 {
        self.counts().get(node).copied().unwrap_or(0)
    }
}

/// What a text of `INFO` says of a server's keys; `None` while it is still loading them.
pub(super) fn sight(text: &str) -> Option<Sight> {
    let mut sight = Sight { run_id: String::new(), keys: 0, came_with: 0, keeps: false };
    // Read from a snapshot at the start, where the server says so; keys whose time had come then; and since.
    let (mut loaded, mut expired_then, mut expired) = (None, 0, 0);
    let (mut is_ours, mut appends) = (false, false);
    for (field, value) in info::fields(text) {
        let number = || value.parse::<u64>().unwrap_or(0);
        match field {
            "run_id" => value.clone_into(&mut sight.run_id),
            "loading" | "async_loading" if value != "0" => return None,
            "aof_enabled" => appends = value != "0",
            "rdb_last_load_keys_loaded" => loaded = value.parse::<u64>().ok(),
            "rdb_last_load_keys_expired" => expired_then = number(),
            "expired_keys" => expired = number(),
            // What ours says it does; what a stock server has done, of which 6.2 does not tell how often.
            "persistence_enabled" | "rdb_saves" => sight.keeps |= number() > 0,
            "rdb_last_bgsave_time_sec" => sight.keeps |= value != "-1",
            "redis_cluster_version" => is_ours = true,
            _ => sight.keys += info::database(field, value).map_or(0, |database| database.keys),
        }
    }
    sight.keeps |= appends || loaded.is_some_and(|keys| keys > 0);
    sight.came_with = match loaded {
        // What was read from the log is in no figure.
        _ if appends => sight.keys + expired,
        Some(keys) => keys + expired_then,
        None if is_ours => 0,
        None => sight.keys + expired,
    };
    (!sight.run_id.is_empty()).then_some(sight)
}

/// Follows what the members say until the proxy stops.
pub(super) async fn watch(
    proxy: Arc<Proxy>,
    registry: Registry,
    recollection: Arc<Recollection>,
    mut observations: mpsc::Receiver<Observation>,
    stop: CancellationToken,
) {
    let seen_by = format!("proxy {}", proxy.shared.id);
    let mut keeper = Keeper { seen_by, proxy, registry, recollection, known: BTreeMap::new() };
    let mut changes = keeper.proxy.routing_changes();
    loop {
        let observation = tokio::select! {
            () = stop.cancelled() => return,
            observation = observations.recv() => match observation {
                Some(observation) => observation,
                None => return,
            },
        };
        if changes.has_changed().unwrap_or(false) {
            let routing = Arc::clone(&changes.borrow_and_update());
            let is_member = |id: &NodeId| routing.index_of(id).is_some();
            keeper.known.retain(|id, _| is_member(id));
            keeper.recollection.retain(is_member);
        }
        match stop.run_until_cancelled(keeper.see(&observation)).await {
            None => return,
            Some(Ok(())) => {}
            // The next observation tries again.
            Some(Err(error)) => {
                tracing::debug!(node = %observation.node, %error, "what a node holds was not written down");
            }
        }
    }
}

/// What is remembered of a member.
struct Known {
    last: SeenRecord,
    /// As the registry has it.
    written: Option<SeenRecord>,
    wrote_at: Option<Instant>,
    /// The process whose loss was told already.
    told: String,
}

struct Keeper {
    proxy: Arc<Proxy>,
    registry: Registry,
    recollection: Arc<Recollection>,
    seen_by: String,
    known: BTreeMap<NodeId, Known>,
}

impl Keeper {
    async fn see(&mut self, observation: &Observation) -> Result<(), Refusal> {
        let Observation { node, sight, owns_slots } = observation;
        let sight = if *owns_slots { sight.clone() } else { Sight { keys: 0, ..sight.clone() } };
        if !self.known.contains_key(node) {
            let written = self.written(node).await?.map(|(seen, _)| seen);
            let last = written.clone().unwrap_or_else(|| loss::seen(node, &sight));
            let known = Known { last, written, wrote_at: None, told: String::new() };
            self.known.insert(node.clone(), known);
        }
        self.hear_from_others(node, &sight).await;
        let Some(known) = self.known.get(node) else { return Ok(()) };
        if *owns_slots && let Some(with) = loss::judge(&known.last, &sight) {
            return self.lost(node, &sight, with).await;
        }
        if *owns_slots && sight.came_with > 0 && self.recollection.is_stopped(node) {
            self.mended(node, &sight).await?;
        }
        let Some(known) = self.known.get(node) else { return Ok(()) };
        // What was deleted is missed by nobody: that is written at once, because a proxy that starts judges by it.
        let is_emptied = sight.keys == 0 && known.written.as_ref().is_some_and(|written| written.keys > 0);
        let is_due = known.wrote_at.is_none_or(|wrote| wrote.elapsed() >= WRITE_EVERY)
            || known.last.run_id != sight.run_id
            || is_emptied;
        let is_news = match &known.written {
            Some(written) => loss::differs(written, &sight),
            None => sight.keys > 0,
        };
        if is_due && is_news {
            self.write(node, &sight).await?;
        }
        if let Some(known) = self.known.get_mut(node) {
            known.last = known.last.next(&sight);
            self.recollection.hear(&known.last);
        }
        Ok(())
    }

    /// A member that was kept out has its keys again, or some of them: nobody has to take note of what is not missing.
    async fn mended(&self, node: &NodeId, sight: &Sight) -> Result<(), Refusal> {
        let key = keys::loss(node);
        let Some(entry) = self.registry.get(&key).await? else { return Ok(()) };
        let loss: LossRecord = parse(&entry)?;
        let txn = Txn::new().if_revision(&key, entry.mod_revision);
        let (txn, what) = match loss.mended(sight) {
            None => (txn.delete(&key), format!("node {node} has its keys again ({})", sight.keys)),
            Some(left) => (txn.put(&key, to_json(&left)), left.describe()),
        };
        let epoch = self.proxy.routing().epoch();
        let audit = AuditRecord::new(Millis::now(), &self.seen_by, what.as_str(), epoch, epoch);
        // Another proxy, or an operator, was first: what is left shows at the next look.
        if let Commit::Done { .. } = self.registry.commit(with_audit(txn, &audit)).await? {
            tracing::info!(node = %node, "{what}");
        }
        Ok(())
    }

    /// Of a process that is gone another proxy may have heard later than this one.
    async fn hear_from_others(&mut self, node: &NodeId, sight: &Sight) {
        if self.known.get(node).is_none_or(|known| known.last.run_id == sight.run_id) {
            return;
        }
        // While the registry does not answer, what is known here must do.
        let Ok(Some((seen, _))) = self.written(node).await else { return };
        if let Some(known) = self.known.get_mut(node)
            && (seen.run_id == known.last.run_id || seen.run_id == sight.run_id)
            && let Some(later) = known.last.as_of_others(&seen)
        {
            known.last = later;
        }
    }

    async fn written(&self, node: &NodeId) -> Result<Option<(SeenRecord, Revision)>, Refusal> {
        let Some(entry) = self.registry.get(&keys::seen(node)).await? else { return Ok(None) };
        Ok(Some((parse(&entry)?, entry.mod_revision)))
    }

    /// Writes down what a member holds, unless another proxy just did.
    async fn write(&mut self, node: &NodeId, sight: &Sight) -> Result<(), Refusal> {
        let written = self.written(node).await?;
        let Some(known) = self.known.get_mut(node) else { return Ok(()) };
        let new = match written {
            Some((seen, _)) if !loss::differs(&seen, sight) => seen,
            written => {
                let new = known.last.next(sight);
                let txn = seen_txn(node, written.map(|(_, revision)| revision), &new);
                if let Commit::Conflict { .. } = self.registry.commit(txn).await? {
                    return Ok(());
                }
                new
            }
        };
        if let Some(known) = self.known.get_mut(node) {
            (known.written, known.wrote_at) = (Some(new), Some(Instant::now()));
        }
        Ok(())
    }

    /// Tells of a loss at once, and writes it down once among all proxies.
    async fn lost(&mut self, node: &NodeId, sight: &Sight, with: u64) -> Result<(), Refusal> {
        let written = self.written(node).await;
        if matches!(&written, Ok(None)) && self.known.get(node).is_some_and(|known| known.written.is_some()) {
            // Its membership ended and began anew in between: this is another server.
            self.known.remove(node);
            return Ok(());
        }
        let Some(known) = self.known.get_mut(node) else { return Ok(()) };
        let loss = loss::record(&known.last, sight, with, &self.seen_by);
        if known.told != sight.run_id {
            known.told.clone_from(&sight.run_id);
            self.proxy.losses.add(node);
            tracing::error!(
                node = %node, held = loss.held, now = loss.now, run_id_before = loss.run_id_before,
                run_id_after = loss.run_id_after, "{}", loss.describe()
            );
        }
        let last = known.last.clone();
        // Another proxy was first. It may have known less.
        let judged = |seen: &SeenRecord| {
            let judged_by = SeenRecord { keys: seen.before, ..last.clone() };
            seen.run_id == sight.run_id && loss::judge(&judged_by, sight).is_some()
        };
        let seen = match written? {
            Some((seen, _)) if judged(&seen) => seen,
            written => {
                let seen = last.next(sight);
                let txn = seen_txn(node, written.map(|(_, revision)| revision), &seen);
                let key = keys::loss(node);
                let txn = match self.registry.get(&key).await? {
                    Some(entry) => {
                        let earlier: LossRecord = parse(&entry)?;
                        txn.if_revision(&key, entry.mod_revision).put(&key, to_json(&loss.after(&earlier)))
                    }
                    None => txn.if_absent(&key).put(&key, to_json(&loss)),
                };
                if let Commit::Conflict { .. } = self.registry.commit(txn).await? {
                    return Ok(());
                }
                seen
            }
        };
        if let Some(known) = self.known.get_mut(node) {
            (known.last, known.wrote_at) = (seen.clone(), Some(Instant::now()));
            self.recollection.hear(&seen);
            known.written = Some(seen);
        }
        Ok(())
    }
}

/// Replaces `seen/ID`, as long as the node is a member.
fn seen_txn(node: &NodeId, old: Option<Revision>, new: &SeenRecord) -> Txn {
    let key = keys::seen(node);
    let txn = Txn::new().if_present(keys::node(node));
    match old {
        Some(revision) => txn.if_revision(&key, revision),
        None => txn.if_absent(&key),
    }
    .put(&key, to_json(new))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_says_of_its_keys() {
        let keyspace = "# Keyspace\r\ndb0:keys=3,expires=1,avg_ttl=0\r\ndb2:keys=4,expires=0\r\n";
        let stock =
            format!("run_id:abc\r\nloading:0\r\naof_enabled:0\r\nrdb_last_load_keys_loaded:9\r\n{keyspace}");
        let of_stock = Sight { run_id: "abc".into(), keys: 7, came_with: 9, keeps: true };
        assert_eq!(sight(&stock).as_ref(), Some(&of_stock));
        let appends = stock.replace("aof_enabled:0", "aof_enabled:1");
        assert_eq!(sight(&appends).unwrap().came_with, 7);
        let ours = format!("redis_cluster_version:1\r\nrun_id:abc\r\n{keyspace}");
        assert_eq!(sight(&ours).unwrap(), Sight { came_with: 0, keeps: false, ..of_stock });
        assert!(sight(&format!("persistence_enabled:1\r\n{ours}")).unwrap().keeps);
        assert!(
            !sight(&format!("persistence_enabled:0\r\nrdb_last_bgsave_time_sec:-1\r\n{ours}")).unwrap().keeps
        );
        let expired = "rdb_last_load_keys_loaded:0\r\nrdb_last_load_keys_expired:2\r\nexpired_keys:3\r\n";
        assert_eq!(sight(&format!("{expired}{ours}")).unwrap().came_with, 2);
        assert_eq!(sight(&format!("{expired}{appends}")).unwrap().came_with, 10);
        let old = format!("run_id:abc\r\nrdb_last_bgsave_time_sec:0\r\n{keyspace}");
        let of_old = sight(&old).unwrap();
        assert!(of_old.came_with == 7 && of_old.keeps);
        assert_eq!(sight(&stock.replace("loading:0", "loading:1")), None);
    }
}
