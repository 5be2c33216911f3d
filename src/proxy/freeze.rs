//! A freeze never outlasts its deadline. Writes that wait for a move are let go by whoever sees first that it takes too long:
//! before the switch a proxy may end the freeze itself, by a transaction that only one of it and the driver's switch can win;
//! after the switch, or while the registry does not answer, clients get an error instead of waiting.
//!
//! Here: when to act ([`Watchdog`], pure) and the transaction ([`end`]). Not here: who is told (membership).

use crate::cluster::records::{keys, parse, to_json};
use std::time::Duration;

use tokio::time::Instant;

use crate::{
    cluster::{
        plan::{AuditRecord, submit::with_audit},
        registry::{Registry, RegistryError, Txn},
        topology::{Phase, Topology},
    },
    id::{Epoch, ProxyId},
    time::Millis,
};

/// Writes that wait for longer get an error if the registry does not answer.
const ASK_AFTER: Duration = Duration::from_millis(500);
/// For the registry to answer.
pub(super) const ANSWER: Duration = Duration::from_millis(300);
/// Between two questions.
const AGAIN: Duration = Duration::from_millis(300);

/// What is to be done about writes that wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// End the freeze that began in this epoch.
    End(Epoch),
    /// Ask the registry whether it still answers.
    Ask,
}

/// Which phase that holds writes is seen, since when, and what is due.
#[derive(Debug, Default)]
pub(super) struct Watchdog {
    seen: Option<Seen>,
}

#[derive(Debug)]
struct Seen {
    since: Epoch,
    /// When the freeze is over, if it has a deadline and was not switched.
    ends: Option<Instant>,
    next: Instant,
}

impl Watchdog {
    /// Another topology is in use.
    pub(super) fn see(&mut self, topology: &Topology, now: Instant) {
        let held = topology.moves.iter().find(|of| matches!(of.phase, Phase::Frozen | Phase::Switched));
        let Some(held) = held else {
            self.seen = None;
            return;
        };
        if self.seen.as_ref().is_some_and(|seen| seen.since == held.since) {
            return;
        }
        let ends = match (held.phase, held.hold_ms) {
            (Phase::Frozen, Some(hold)) => now.checked_add(Duration::from_millis(hold)),
            _ => None,
        };
        let ask = now + ASK_AFTER;
        self.seen = Some(Seen { since: held.since, ends, next: ends.map_or(ask, |ends| ends.min(ask)) });
    }

    /// When [`Watchdog::act`] wants to be called.
    pub(super) fn due(&self) -> Option<Instant> {
        self.seen.as_ref().map(|seen| seen.next)
    }

    /// What to do at this time, if something is due.
    pub(super) fn act(&mut self, now: Instant) -> Option<Action> {
        let seen = self.seen.as_mut().filter(|seen| now >= seen.next)?;
        let next = now + AGAIN;
        match seen.ends {
            Some(ends) if now >= ends => {
                seen.next = next;
                Some(Action::End(seen.since))
            }
            ends => {
                seen.next = ends.map_or(next, |ends| ends.min(next));
                Some(Action::Ask)
            }
        }
    }
}

/// Ends the freeze that began in this epoch: the source stays the owner. Nothing is done if it is over already.
///
/// # Errors
/// When the registry does not answer.
pub(super) async fn end(registry: &Registry, by: &ProxyId, since: Epoch) -> Result<(), RegistryError> {
    let Some(entry) = registry.get(keys::TOPOLOGY).await? else { return Ok(()) };
    // What is not readable is said where the topology is followed.
    let Ok(old) = parse::<Topology>(&entry) else { return Ok(()) };
    let mut new = old.clone();
    let frozen = new.moves.iter_mut().find(|of| of.phase == Phase::Frozen && of.since == since);
    let Some(frozen) = frozen else { return Ok(()) };
    new.epoch = old.epoch.next();
    (frozen.phase, frozen.since) = (Phase::Aborting, new.epoch);
    let what = format!("move {}: aborting, the freeze took too long", frozen.id);
    let audit = AuditRecord::new(Millis::now(), &format!("proxy {by}"), &what, old.epoch, new.epoch);
    let txn = with_audit(Txn::new(), &audit)
        .if_revision(keys::TOPOLOGY, entry.mod_revision)
        .put(keys::TOPOLOGY, to_json(&new));
    if registry.commit(txn).await?.is_done() {
        tracing::warn!(what, "ended a freeze");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{cluster::topology::SlotMove, slot::SlotRange};

    fn topology(phase: Phase, since: u64, hold_ms: Option<u64>) -> Topology {
        let slots = vec![SlotRange::try_from("7".to_owned()).unwrap()];
        let (from, to) = ("1".parse().unwrap(), "2".parse().unwrap());
        let since = Epoch(since);
        let moving = SlotMove { id: 1, plan: 1, from, to, slots, phase, since, hold_ms };
        Topology { epoch: since, slots: Vec::new(), moves: vec![moving] }
    }

    #[tokio::test(start_paused = true)]
    async fn a_freeze_is_ended_at_its_deadline_and_a_switch_never() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut watchdog = Watchdog::default();
        watchdog.see(&topology(Phase::Planned, 1, Some(400)), at(0));
        assert_eq!((watchdog.due(), watchdog.act(at(9_000))), (None, None));
        watchdog.see(&topology(Phase::Frozen, 2, Some(400)), at(0));
        // The same phase seen again does not begin anew.
        watchdog.see(&topology(Phase::Frozen, 2, Some(400)), at(300));
        assert_eq!((watchdog.due(), watchdog.act(at(399))), (Some(at(400)), None));
        assert_eq!(watchdog.act(at(400)), Some(Action::End(Epoch(2))));
        assert_eq!((watchdog.act(at(500)), watchdog.due()), (None, Some(at(700))));
        assert_eq!(watchdog.act(at(700)), Some(Action::End(Epoch(2))));
        watchdog.see(&topology(Phase::Switched, 3, Some(400)), at(800));
        assert_eq!((watchdog.act(at(1_299)), watchdog.act(at(1_300))), (None, Some(Action::Ask)));
        assert_eq!(watchdog.act(at(9_000)), Some(Action::Ask));
        watchdog.see(&topology(Phase::Open, 4, Some(400)), at(9_000));
        assert_eq!(watchdog.due(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn the_registry_is_asked_during_a_long_freeze_and_one_without_a_deadline() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut watchdog = Watchdog::default();
        watchdog.see(&topology(Phase::Frozen, 2, Some(700)), at(0));
        assert_eq!(watchdog.act(at(500)), Some(Action::Ask));
        assert_eq!(watchdog.due(), Some(at(700)));
        assert_eq!(watchdog.act(at(700)), Some(Action::End(Epoch(2))));
        watchdog.see(&topology(Phase::Frozen, 5, None), at(1_000));
        assert_eq!(
            (watchdog.act(at(1_500)), watchdog.act(at(5_000))),
            (Some(Action::Ask), Some(Action::Ask))
        );
    }
}
