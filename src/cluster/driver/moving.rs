//! One move, phase by phase, from what the registry says; so a new leader goes on where the last one stopped. The argument for
//! each step is in doc/resharding.md. Not here: comparing the two sides ([`super::verify`]), who is waited for
//! ([`super::barrier`]), how much is moved at a time ([`super::pace`]).

use crate::cluster::records::{keys, to_json};
use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::{Duration, Instant},
};

use super::{
    DriverError,
    access::{connect, empty, empty_counting, fence},
    barrier::{self, Barrier, Who},
    ledger::{Ledger, Versioned},
    pace::Pace,
    verify::Verify,
};
use crate::{
    cluster::{
        peer::{
            Peer,
            keys::{Clocks, Copied, Listing, SlotSet},
        },
        plan::{MoveRecord, PlanId, PlanRecord, history::COPIES_LEFT},
        registry::Txn,
        topology::{Phase, SlotMove, Topology},
    },
    id::NodeId,
    time::Millis,
};

#[derive(Debug)]
pub(super) enum Advance {
    Going,
    Done,
    /// It is being aborted, and its plan is to be given up afterwards.
    Hopeless,
    Aborted {
        plan: u64,
        reason: String,
        hopeless: bool,
    },
}

/// What is said of a reason that did not go away.
const TRIED: &str = " (tried again and again)";

/// How often progress is written down.
const REPORT: Duration = Duration::from_millis(500);

/// A proxy that has not acknowledged a plan's move for so long is shut out before anything is held.
pub(super) const READY: Duration = Duration::from_secs(2);

/// A proxy that has not followed a switch for so long is shut out; acknowledging it takes some milliseconds. Where the registry
/// is slow it has three times as long as the freeze took to be acknowledged.
const FOLLOW: Duration = Duration::from_millis(200);
const FOLLOW_MAX: Duration = Duration::from_millis(600);

/// For setting a fence, before the registry is looked at again: whoever was missing may have come.
const FENCE: Duration = Duration::from_secs(1);

/// Reads from before a switch are answered or given up by then: longer than a proxy waits for a node.
const READS_END: Duration = Duration::from_secs(10);

/// Brings move `id` on: from PLANNED or SWITCHED as far as nobody's writes are held any more, else one phase.
pub(super) async fn advance(
    ledger: &Ledger,
    pace: &mut Pace,
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
    let mut moving = Moving {
        ledger,
        pace,
        topology,
        slot_move,
        journal,
        barrier: Barrier::new(ledger),
        reported: Instant::now(),
        copying: Duration::ZERO,
        copied: Copied::default(),
        follow: FOLLOW,
    };
    // Boxed: all that a phase waits for is in its future, and a future within another is on the stack.
    let advanced = match moving.slot_move.phase {
        Phase::Planned => Box::pin(moving.carry_over()).await,
        Phase::Frozen => Err(DriverError::Interrupted { term: moving.journal.value.term }),
        Phase::Switched => Box::pin(moving.open()).await,
        Phase::Open => return Box::pin(moving.reap()).await,
        Phase::Aborting => return Box::pin(moving.clean_up()).await,
    };
    match advanced {
        Ok(()) => Ok(Advance::Going),
        // Before the switch the source still owns everything: let go.
        Err(error) if error.is_of_the_move() && moving.slot_move.phase != Phase::Switched => {
            let give_up = moving.failed(&error);
            let mut reason = error.to_string();
            if give_up && !error.is_for_good() {
                reason.push_str(TRIED);
            }
            moving.abort(&reason).await?;
            Ok(if give_up { Advance::Hopeless } else { Advance::Going })
        }
        Err(error) => Err(error),
    }
}

struct Moving<'a> {
    ledger: &'a Ledger,
    pace: &'a mut Pace,
    topology: Versioned<Topology>,
    slot_move: SlotMove,
    journal: Versioned<MoveRecord>,
    barrier: Barrier<'a>,
    reported: Instant,
    /// What the copy itself has taken, without what every move takes.
    copying: Duration,
    /// So far.
    copied: Copied,
    /// How long a switch may take to be acknowledged.
    follow: Duration,
}

/// Both sides of a move, as this term's user.
struct Sides {
    source: Peer,
    target: Peer,
}

impl Moving<'_> {
    /// From PLANNED to OPEN: everything that can be done before writes are held is done first.
    async fn carry_over(&mut self) -> Result<(), DriverError> {
        let mut sides = Sides {
            source: connect(self.ledger, &self.slot_move.from).await?,
            target: connect(self.ledger, &self.slot_move.to).await?,
        };
        sides.source.info("server").await?;
        sides.target.info("server").await?;
        self.ready(&mut sides).await?;
        // What an earlier try, or an earlier owner, left behind. Nobody but a driver writes there before the switch, and
        // older drivers are shut out.
        empty(self.ledger, &mut sides.target, &self.slot_move.slots).await?;
        let slots = SlotSet::new(&self.slot_move.slots);
        let frozen = Instant::now();
        self.enter(Phase::Frozen, "frozen", |_| {}).await?;
        let hold = Duration::from_millis(self.slot_move.hold_ms.unwrap_or(u64::MAX / 2));
        // The rest is for the switch: proxies end the freeze when the whole of it is over.
        let deadline = tokio::time::Instant::from_std(frozen) + hold * 4 / 5;
        let copied = tokio::time::timeout_at(deadline, self.copy(&mut sides, &slots, deadline)).await;
        let copied = copied.map_err(|_| DriverError::Late { hold })??;
        self.switch(copied).await?;
        let took = frozen.elapsed();
        tracing::info!(id = self.slot_move.id, keys = copied.keys, ms = took.as_millis(), "copied");
        self.pace.done(copied, self.copying, took);
        self.open().await
    }

    /// Who does not answer now would only be waited for later, with writes held. A fence is safe at any time.
    async fn ready(&mut self, sides: &mut Sides) -> Result<(), DriverError> {
        let since = self.slot_move.since;
        let roll = self.barrier.wait(since, Who::Registered, READY).await?;
        let behind = roll.late(since);
        if behind.is_empty() {
            return Ok(());
        }
        tracing::warn!(behind = barrier::labels(&behind), "shutting out proxies that do not follow");
        for registration in behind {
            self.ledger.expel(registration).await?;
        }
        fence(self.ledger, &mut sides.source).await?;
        fence(self.ledger, &mut sides.target).await
    }

    /// Everything under the freeze: writes have ended, nobody else can write, the keys are copied and compared.
    async fn copy(
        &mut self,
        Sides { source, target }: &mut Sides,
        slots: &SlotSet,
        deadline: tokio::time::Instant,
    ) -> Result<Copied, DriverError> {
        let since = self.slot_move.since;
        // Shorter than the time for all, so that it is known what took it.
        let patience = deadline.duration_since(tokio::time::Instant::now()) * 3 / 4;
        let asked = Instant::now();
        let roll = self.barrier.wait(since, Who::Registered, patience).await?;
        self.follow = (asked.elapsed() * 3).clamp(FOLLOW, FOLLOW_MAX);
        let behind = roll.late(since);
        if !behind.is_empty() {
            let behind = barrier::labels(&behind);
            return Err(DriverError::Barrier(format!(
                "epoch {since} was not acknowledged in time: {behind}"
            )));
        }
        // Whoever has not acknowledged the freeze is not registered, and shut out now.
        fence(self.ledger, source).await?;
        let clocks = Clocks { source: source.clock().await?, target: target.clock().await? };
        let mut verify = Verify::default();
        let mut copied = Copied::default();
        let stall = self.pace.hold();
        let began = Instant::now();
        for (database, _) in source.databases().await? {
            source.select(database).await?;
            target.select(database).await?;
            let mut listing = Listing::new(slots, source);
            loop {
                let page = async {
                    let Some(page) = listing.next(source).await? else { return Ok(None) };
                    let part = source.copy_to(target, &page, clocks).await?;
                    Ok::<_, DriverError>(Some((page, part)))
                };
                // One of the two sides sleeps, or a key is larger than fits.
                let page = tokio::time::timeout(stall, page).await;
                let Some((page, part)) = page.map_err(|_| DriverError::Late { hold: stall })?? else { break };
                copied.keys += part.keys;
                copied.bytes += part.bytes;
                verify.sample(database, &page);
                (self.copying, self.copied) = (began.elapsed(), copied);
                self.report(copied).await?;
            }
        }
        let verified = verify.run(source, target, slots).await?;
        self.copying = began.elapsed();
        let journal = &mut self.journal.value;
        journal.verified_keys = Some(verified.keys);
        journal.verified_values = verified.values;
        Ok(copied)
    }

    /// The one transaction that changes the owner.
    async fn switch(&mut self, copied: Copied) -> Result<(), DriverError> {
        let journal = &mut self.journal.value;
        note(journal, copied);
        journal.epoch = Some(self.topology.value.epoch.next());
        let (to, ranges) = (self.slot_move.to.clone(), self.slot_move.slots.clone());
        self.enter(Phase::Switched, "switched", |new| new.assign(&ranges, &to)).await
    }

    /// Writes go on, at the target, once nobody can ask the source any more: every proxy has acknowledged the switch, or is
    /// shut out at the source, or its lease has ended. There is no patience that stands for one of the three.
    async fn open(&mut self) -> Result<(), DriverError> {
        let since = self.slot_move.since;
        let mut fenced = BTreeSet::new();
        let mut roll = self.barrier.wait(since, Who::AllBut(&fenced), self.follow).await?;
        loop {
            let behind = roll.behind(since, &fenced);
            if behind.is_empty() {
                break;
            }
            tracing::warn!(behind = barrier::labels(&behind), "shutting out proxies that do not follow");
            for registration in &behind {
                self.ledger.expel(registration).await?;
            }
            let users: Vec<String> = behind.iter().map(|registration| registration.user()).collect();
            match self.fence_source().await {
                Ok(()) => fenced.extend(users),
                Err(error) if error.is_of_the_move() => {
                    tracing::warn!(%error, "cannot fence the source; waiting for it, or for the leases to end");
                }
                Err(error) => return Err(error),
            }
            roll = self.barrier.wait(since, Who::AllBut(&fenced), self.follow).await?;
        }
        self.journal.value.freeze_ms = self.journal.value.frozen_at_ms.map(|frozen| Millis::now().0 - frozen);
        self.enter(Phase::Open, "open", |_| {}).await
    }

    async fn fence_source(&self) -> Result<(), DriverError> {
        let fence = async {
            let mut source = connect(self.ledger, &self.slot_move.from).await?;
            fence(self.ledger, &mut source).await
        };
        tokio::time::timeout(FENCE, fence).await.map_err(|_| DriverError::Late { hold: FENCE })?
    }

    /// The source's copies go.
    async fn reap(&mut self) -> Result<Advance, DriverError> {
        let since = self.slot_move.since;
        // Reads that were sent before the switch are answered from the source's copies: they end first, or are shut out. So are
        // those of a proxy whose lease has ended: it sends none, but what it sent may still lie with a source that slept.
        let roll = self.barrier.wait(since, Who::Registered, READS_END).await?;
        for registration in roll.late(since) {
            tracing::warn!(behind = registration.label(), "shutting out a proxy that does not follow");
            self.ledger.expel(registration).await?;
        }
        match self.delete_copies(&self.slot_move.from.clone()).await {
            Ok(()) => {}
            // Hidden by every proxy, and wiped before these slots ever come back to that node.
            Err(error) if error.is_of_the_move() => {
                let note = format!("{COPIES_LEFT} {}: {error}", self.slot_move.from);
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

    /// Counts a failure. True: the plan is to be given up.
    fn failed(&mut self, error: &DriverError) -> bool {
        match error {
            error if error.is_for_good() => true,
            DriverError::Late { .. } => {
                let slots = self.slot_move.slots.iter().map(|range| range.count()).sum();
                self.pace.late(slots, self.copied, self.copying)
            }
            DriverError::Barrier(_) => self.pace.not_followed(Instant::now()),
            _ => self.pace.failed(Instant::now()),
        }
    }

    async fn abort(&mut self, reason: &str) -> Result<(), DriverError> {
        tracing::warn!(id = self.slot_move.id, reason, "move aborted");
        self.journal.value.reason = Some(reason.to_owned());
        self.enter(Phase::Aborting, "aborting", |_| {}).await
    }

    /// What was copied goes; the source has everything.
    async fn clean_up(&mut self) -> Result<Advance, DriverError> {
        match self.delete_copies(&self.slot_move.to.clone()).await {
            Ok(()) => {}
            // Hidden by every proxy, and wiped before the next try.
            Err(error) if error.is_of_the_move() => tracing::warn!(%error, "copies left on the target"),
            Err(error) => return Err(error),
        }
        let journal = &mut self.journal.value;
        let by_a_proxy = journal.reason.is_none();
        let mut reason =
            journal.reason.get_or_insert_with(|| "a proxy ended the freeze: it took too long".into()).clone();
        let hold = Duration::from_millis(self.slot_move.hold_ms.unwrap_or(0));
        let hopeless = by_a_proxy && self.failed(&DriverError::Late { hold });
        if hopeless {
            reason.push_str(TRIED);
        }
        self.leave("aborted", Txn::new()).await?;
        Ok(Advance::Aborted { plan: self.slot_move.plan, reason, hopeless })
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
        (self.slot_move.phase, self.slot_move.since) = (phase, self.topology.value.epoch);
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

    /// The side that does not own the slots gives up what it has of them. Where that takes long, how far it is is written
    /// down.
    async fn delete_copies(&mut self, side: &NodeId) -> Result<(), DriverError> {
        let deleted = AtomicU64::new(0);
        let (ledger, slots) = (self.ledger, self.slot_move.slots.clone());
        let mut deleting = std::pin::pin!(async {
            let mut peer = connect(ledger, side).await?;
            empty_counting(ledger, &mut peer, &slots, &deleted).await
        });
        loop {
            if let Ok(done) = tokio::time::timeout(REPORT, &mut deleting).await {
                self.journal.value.deleted = deleted.load(Relaxed);
                return done;
            }
            self.journal.value.deleted = deleted.load(Relaxed);
            self.write_journal().await?;
        }
    }

    async fn report(&mut self, copied: Copied) -> Result<(), DriverError> {
        if self.reported.elapsed() < REPORT {
            return Ok(());
        }
        self.reported = Instant::now();
        note(&mut self.journal.value, copied);
        self.write_journal().await
    }

    async fn write_journal(&mut self) -> Result<(), DriverError> {
        let journal = &mut self.journal;
        let key = keys::slot_move(self.slot_move.id);
        let txn = match journal.revision {
            Some(revision) => Txn::new().if_revision(&key, revision),
            None => Txn::new().if_absent(&key),
        };
        journal.revision = Some(self.ledger.commit(txn.put(&key, to_json(&journal.value))).await?);
        Ok(())
    }
}

/// What was copied by now.
fn note(journal: &mut MoveRecord, copied: Copied) {
    (journal.keys, journal.bytes) = (copied.keys, copied.bytes);
    journal.counted_at_ms = Some(Millis::now().0);
}
