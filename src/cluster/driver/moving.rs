//! One move, phase by phase. Each call brings it one phase further, from what the registry says; so a new leader goes on
//! where the last one stopped.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::{
    DriverError, barrier,
    ledger::{Ledger, Versioned},
};
use crate::{
    cluster::{
        id::NodeId,
        member::NodeRecord,
        peer::{
            Peer,
            fence::{driver_user, secret},
            keys::{Clocks, Copied, Listing, SlotSet},
        },
        plan::{MoveRecord, PlanId, PlanRecord, keys, to_json},
        registry::Txn,
        topology::{Phase, SlotMove, Topology},
    },
    time::Millis,
};

#[derive(Debug)]
pub(super) enum Advance {
    Going,
    Done,
    Aborted { plan: u64, reason: String },
}

/// How often progress is written down.
const REPORT: Duration = Duration::from_millis(500);

/// Keys whose whole value is compared before the switch, beside the count of all.
const SAMPLE: usize = 256;

/// How far two reads of a TTL, one after the other, may be apart.
const TTL_TOLERANCE_MS: i64 = 2_000;

/// How long a source that does not answer is waited for where the move can no longer go back.
const SOURCE_PATIENCE: Duration = Duration::from_secs(5);

/// Brings move `id` to its next phase.
pub(super) async fn advance(
    ledger: &Ledger,
    topology: Versioned<Topology>,
    id: u64,
) -> Result<Advance, DriverError> {
    let Some(slot_move) = topology.value.moves.iter().find(|slot_move| slot_move.id == id).cloned() else {
        return Ok(Advance::Going);
    };
    let journal = ledger.read::<MoveRecord>(&keys::slot_move(id)).await?;
    let Some(journal) = journal else {
        return Err(DriverError::Verify(format!("the journal of move {id} is gone from the registry")));
    };
    let mut moving = Moving { ledger, topology, slot_move, journal, reported: Instant::now() };
    let advanced = match moving.slot_move.phase {
        Phase::Planned => moving.freeze().await,
        Phase::Frozen => moving.copy_and_switch().await,
        Phase::Switched => moving.open().await,
        Phase::Open => return moving.reap().await,
        Phase::Aborting => return moving.clean_up().await,
    };
    match advanced {
        Ok(()) => Ok(Advance::Going),
        // Before the switch the source still owns everything: let go.
        Err(error) if error.is_of_the_move() && moving.slot_move.phase != Phase::Switched => {
            moving.abort(&error.to_string()).await?;
            Ok(Advance::Going)
        }
        Err(error) => Err(error),
    }
}

struct Moving<'a> {
    ledger: &'a Ledger,
    topology: Versioned<Topology>,
    slot_move: SlotMove,
    journal: Versioned<MoveRecord>,
    reported: Instant,
}

impl Moving<'_> {
    /// Nobody may write to the slots from the epoch of this change on.
    async fn freeze(&mut self) -> Result<(), DriverError> {
        // Not reachable is better known before anybody waits.
        let (mut source, mut target) =
            (self.connect(&self.slot_move.from).await?, self.connect(&self.slot_move.to).await?);
        source.info("server").await?;
        target.info("server").await?;
        self.enter(Phase::Frozen, "frozen", |_| {}).await
    }

    async fn copy_and_switch(&mut self) -> Result<(), DriverError> {
        let frozen = Instant::now();
        let proxies = barrier::wait(self.ledger, self.slot_move.since).await?;
        let live = proxies.all(self.slot_move.since)?;
        let mut source = self.connect(&self.slot_move.from).await?;
        let mut target = self.connect(&self.slot_move.to).await?;
        let fenced = source.fence_proxies(&live).await?;
        if !fenced.is_empty() {
            tracing::warn!(node = %self.slot_move.from, ?fenced, "fenced");
            source.forget_users(&fenced).await?;
        }
        let slots = SlotSet::new(&self.slot_move.slots);
        // What an earlier try, or an earlier owner, left behind.
        target.wipe(&slots).await?;
        let clocks = Clocks { source: source.clock().await?, target: target.clock().await? };
        let mut verify = Verify::default();
        let mut copied = Copied::default();
        for (database, _) in source.databases().await? {
            source.select(database).await?;
            target.select(database).await?;
            let mut listing = Listing::new(&slots, &source);
            while let Some(page) = listing.next(&mut source).await? {
                if page.is_empty() {
                    continue;
                }
                let part = source.copy_to(&mut target, &page, clocks).await?;
                copied.keys += part.keys;
                copied.bytes += part.bytes;
                verify.sample(database, &page);
                self.report(copied).await?;
            }
        }
        let verified = verify.run(&mut source, &mut target, &slots).await?;
        let epoch = self.topology.value.epoch.next();
        let journal = &mut self.journal.value;
        (journal.keys, journal.bytes) = (copied.keys, copied.bytes);
        journal.verified_keys = Some(verified.keys);
        journal.verified_values = verified.values;
        journal.epoch = Some(epoch);
        tracing::info!(
            id = self.slot_move.id,
            keys = copied.keys,
            ms = frozen.elapsed().as_millis(),
            "copied"
        );
        let (to, ranges) = (self.slot_move.to.clone(), self.slot_move.slots.clone());
        self.enter(Phase::Switched, "switched", |new| new.assign(&ranges, &to)).await
    }

    /// Writes go on, at the target, once nobody can use the source any more.
    async fn open(&mut self) -> Result<(), DriverError> {
        let proxies = barrier::wait(self.ledger, self.slot_move.since).await?;
        if !proxies.missing.is_empty() {
            tracing::warn!(missing = ?proxies.missing, "fencing proxies that live but do not follow");
        }
        self.fence_source(&proxies.acknowledged).await?;
        self.journal.value.freeze_ms = self.journal.value.frozen_at_ms.map(|frozen| Millis::now().0 - frozen);
        self.enter(Phase::Open, "open", |_| {}).await
    }

    /// A source that cannot be reached is not waited for without end: proxies that are registered have acknowledged, and
    /// any other was fenced before the copy or holds its writes.
    async fn fence_source(&self, live: &[String]) -> Result<(), DriverError> {
        let started = Instant::now();
        loop {
            let fenced = async {
                let mut source = self.connect(&self.slot_move.from).await?;
                let users = source.fence_proxies(live).await?;
                Ok::<_, DriverError>(source.forget_users(&users).await?)
            };
            match fenced.await {
                Ok(()) => return Ok(()),
                Err(error) if error.is_of_the_move() => {
                    tracing::warn!(%error, "cannot fence the source");
                    if started.elapsed() > SOURCE_PATIENCE {
                        return Ok(());
                    }
                    tokio::time::sleep(super::PAUSE).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// The source's copies go.
    async fn reap(&mut self) -> Result<Advance, DriverError> {
        let slots = SlotSet::new(&self.slot_move.slots);
        let reaped = async {
            let mut source = self.connect(&self.slot_move.from).await?;
            Ok::<_, DriverError>(source.wipe(&slots).await?)
        };
        match reaped.await {
            Ok(_) => {}
            // Hidden by every proxy, and wiped before these slots ever come back to that node.
            Err(error) if error.is_of_the_move() => {
                let note = format!("copies left on node {}: {error}", self.slot_move.from);
                tracing::warn!(note, "not reaped");
                self.journal.value.reason = Some(note);
            }
            Err(error) => return Err(error),
        }
        let plan_key = keys::plan(PlanId(self.slot_move.plan));
        let mut also = Txn::new();
        if let Some(mut plan) = self.ledger.read::<PlanRecord>(&plan_key).await? {
            plan.value.slots_moved +=
                self.slot_move.slots.iter().map(|range| range.count() as u64).sum::<u64>();
            plan.value.keys_moved += self.journal.value.keys;
            also = Ledger::replace(also, &plan_key, plan.revision, &plan.value);
        }
        self.leave("done", also).await?;
        Ok(Advance::Done)
    }

    async fn abort(&mut self, reason: &str) -> Result<(), DriverError> {
        tracing::warn!(id = self.slot_move.id, reason, "move aborted");
        self.journal.value.reason = Some(reason.to_owned());
        self.enter(Phase::Aborting, "aborting", |_| {}).await
    }

    /// What was copied goes; the source has everything.
    async fn clean_up(&mut self) -> Result<Advance, DriverError> {
        let slots = SlotSet::new(&self.slot_move.slots);
        let wiped = async {
            let mut target = self.connect(&self.slot_move.to).await?;
            Ok::<_, DriverError>(target.wipe(&slots).await?)
        };
        match wiped.await {
            Ok(_) => {}
            // Hidden by every proxy, and wiped before the next try.
            Err(error) if error.is_of_the_move() => tracing::warn!(%error, "copies left on the target"),
            Err(error) => return Err(error),
        }
        let reason = self.journal.value.reason.clone().unwrap_or_default();
        self.leave("aborted", Txn::new()).await?;
        Ok(Advance::Aborted { plan: self.slot_move.plan, reason })
    }

    /// Commits the next phase, with the journal.
    async fn enter(
        &mut self,
        phase: Phase,
        state: &str,
        change: impl FnOnce(&mut Topology),
    ) -> Result<(), DriverError> {
        state.clone_into(&mut self.journal.value.state);
        self.journal.value.term = self.ledger.term();
        if phase == Phase::Frozen {
            self.journal.value.frozen_at_ms = Some(Millis::now().0);
        }
        let id = self.slot_move.id;
        let also =
            Ledger::replace(Txn::new(), &keys::slot_move(id), self.journal.revision, &self.journal.value);
        let what = format!("move {id}: {state}");
        let advance = |new: &mut Topology| {
            change(new);
            let epoch = new.epoch;
            if let Some(slot_move) = new.moves.iter_mut().find(|slot_move| slot_move.id == id) {
                (slot_move.phase, slot_move.since) = (phase, epoch);
            }
        };
        self.topology = self.ledger.change_topology(&self.topology, &what, also, advance).await?;
        self.slot_move.phase = phase;
        self.journal.revision = self.topology.revision;
        Ok(())
    }

    /// Takes the move out of the topology; its journal becomes the receipt.
    async fn leave(&mut self, state: &str, also: Txn) -> Result<(), DriverError> {
        state.clone_into(&mut self.journal.value.state);
        self.journal.value.ended_at_ms = Some(Millis::now().0);
        let id = self.slot_move.id;
        let also = Ledger::replace(also, &keys::slot_move(id), self.journal.revision, &self.journal.value);
        let what = format!("move {id}: {state}");
        let change = |new: &mut Topology| new.moves.retain(|slot_move| slot_move.id != id);
        self.ledger.change_topology(&self.topology, &what, also, change).await.map(drop)
    }

    async fn report(&mut self, copied: Copied) -> Result<(), DriverError> {
        if self.reported.elapsed() < REPORT {
            return Ok(());
        }
        self.reported = Instant::now();
        let journal = &mut self.journal;
        (journal.value.keys, journal.value.bytes) = (copied.keys, copied.bytes);
        let key = keys::slot_move(self.slot_move.id);
        let txn = match journal.revision {
            Some(revision) => Txn::new().if_revision(&key, revision),
            None => Txn::new().if_absent(&key),
        };
        journal.revision = Some(self.ledger.commit(txn.put(&key, to_json(&journal.value))).await?);
        Ok(())
    }

    /// A connection that dies with this driver's term.
    async fn connect(&self, node: &NodeId) -> Result<Peer, DriverError> {
        let record = self.ledger.read::<NodeRecord>(&keys::node(node)).await?;
        let Some(record) = record else { return Err(DriverError::NotAMember(node.clone())) };
        let mut peer = Peer::open(&record.value.address).await?;
        let (user, password) = (driver_user(self.ledger.term()), secret());
        peer.make_user(&user, &password).await?;
        let older = peer.fence_drivers(self.ledger.term()).await?;
        peer.forget_users(&older).await?;
        // After making the user, so that a driver which slept in between learns that it is deposed.
        self.ledger.still_leads().await?;
        peer.log_in(&user, &password).await?;
        Ok(peer)
    }
}

#[derive(Debug, Default)]
struct Verify {
    sample: Vec<(u32, Bytes)>,
    seen: usize,
}

struct Verified {
    keys: u64,
    values: u64,
}

impl Verify {
    /// Keeps some keys of each page, spread over all pages.
    fn sample(&mut self, database: u32, page: &[Bytes]) {
        for key in page {
            self.seen += 1;
            if self.sample.len() < SAMPLE {
                self.sample.push((database, key.clone()));
            } else if self.seen.is_multiple_of(SAMPLE) {
                let at = (self.seen / SAMPLE) % SAMPLE;
                self.sample[at] = (database, key.clone());
            }
        }
    }

    /// Counts the keys of the slots on both sides, and compares the sample.
    async fn run(
        self,
        source: &mut Peer,
        target: &mut Peer,
        slots: &SlotSet,
    ) -> Result<Verified, DriverError> {
        let mut verified = Verified { keys: 0, values: 0 };
        let databases = source.databases().await?;
        for (database, _) in &databases {
            source.select(*database).await?;
            target.select(*database).await?;
            let (mut here, mut there) = (source.count(slots).await?, target.count(slots).await?);
            if here != there {
                // Keys that expired between the two counts are gone from both by now.
                (here, there) = (source.count(slots).await?, target.count(slots).await?);
            }
            if here != there {
                return Err(DriverError::Verify(format!(
                    "database {database}: {here} keys at {} but {there} at {}",
                    source.address(),
                    target.address()
                )));
            }
            verified.keys += here;
        }
        let mut selected = None;
        for (database, key) in self.sample {
            if selected != Some(database) {
                source.select(database).await?;
                target.select(database).await?;
                selected = Some(database);
            }
            match source.same_on(target, &key, TTL_TOLERANCE_MS).await? {
                None => {}
                Some(true) => verified.values += 1,
                Some(false) => {
                    return Err(DriverError::Verify(format!(
                        "key {} of database {database} differs between {} and {}",
                        crate::protocol::quote::repr(&key),
                        source.address(),
                        target.address()
                    )));
                }
            }
        }
        Ok(verified)
    }
}
