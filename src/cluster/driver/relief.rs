//! Standing for leader, and taking over before a lease ends while clients wait.
//!
//! After a switch writes are held until the driver opens the slots. A driver that dies or sleeps there would hold them until its
//! lease ends. So a candidate that sees a switch stand for too long deposes the leader, which is safe at any time: a leader is
//! refused by the registry, and shut out by its successor at the members. Before the switch nobody is deposed: there the
//! freeze ends at its deadline by itself.

use crate::cluster::records::{keys, parse};
use std::{collections::HashMap, time::Duration};

use tokio::time::Instant;

use crate::{
    cluster::{
        election::{Election, ElectionError, Leadership, Term},
        registry::{Change, Lease, Registry, WatchEvent},
        topology::{Phase, Topology},
    },
    id::Epoch,
};

/// A driver that lives opens slots in some tens of milliseconds after the switch. Where the registry is slow, everything before
/// the switch took longer too: it has twice as long as that.
const PATIENCE: Duration = Duration::from_millis(300);
const PATIENCE_FIRST_MAX: Duration = Duration::from_secs(1);

/// Each time that a switch outlives its driver it is given twice as long, so that a slow registry does not make drivers depose
/// one another for ever.
const PATIENCE_MAX: Duration = Duration::from_secs(10);

/// Waits until `identity` leads, as [`Election::campaign`] does.
pub(super) async fn campaign(
    registry: &Registry,
    identity: &str,
    lease: &Lease,
) -> Result<Leadership, ElectionError> {
    tokio::select! {
        won = Election::campaign(registry, identity, lease) => won,
        never = relieve(registry) => match never {},
    }
}

async fn relieve(registry: &Registry) -> std::convert::Infallible {
    let mut topology = registry.watch(keys::TOPOLOGY);
    let mut patience: HashMap<Epoch, Duration> = HashMap::new();
    let mut held: Option<Held> = None;
    let mut frozen: Option<Instant> = None;
    loop {
        let event = match &held {
            None => Some(topology.next().await),
            Some(held) => tokio::time::timeout_at(held.until, topology.next()).await.ok(),
        };
        if let Some(event) = event {
            if let Some((phase, since)) = held_in(&event) {
                let now = Instant::now();
                let took = frozen.map_or(Duration::ZERO, |frozen| now.duration_since(frozen));
                frozen = (phase == Some(Phase::Frozen)).then_some(now);
                let switched = since.filter(|_| phase == Some(Phase::Switched));
                held = switched.map(|since| {
                    let first = (took * 2).clamp(PATIENCE, PATIENCE_FIRST_MAX);
                    let wait = *patience.entry(since).or_insert(first);
                    Held { since, term: None, until: now + wait }
                });
                patience.retain(|since, _| switched == Some(*since));
            }
            continue;
        }
        // Its time is over: whoever led while it ran is silent.
        let Some(held) = &mut held else { continue };
        let wait = patience.entry(held.since).or_insert(PATIENCE);
        // Otherwise an election is under way, or the registry is away.
        if let Ok(Some(leader)) = Election::leader(registry).await {
            if held.term.is_some_and(|term| term != leader.term) {
                *wait = (*wait * 2).min(PATIENCE_MAX);
            } else if let Ok(true) = Election::depose(registry, leader.term).await {
                tracing::warn!(silent = leader.identity, "deposed: writes wait for a switch to be opened");
            }
            held.term = Some(leader.term);
        }
        held.until = Instant::now() + *wait;
    }
}

/// A switch that waits to be opened.
struct Held {
    /// Its epoch.
    since: Epoch,
    /// Who led when it was looked at last.
    term: Option<Term>,
    until: Instant,
}

/// The phase of the move that holds writes and the epoch in which it began, if one does; `None` if the event does not tell.
fn held_in(event: &WatchEvent) -> Option<(Option<Phase>, Option<Epoch>)> {
    let value = match event {
        WatchEvent::Reset { entries, .. } => entries.iter().find(|entry| entry.key == keys::TOPOLOGY),
        WatchEvent::Changed { changes, .. } => {
            let puts = changes.iter().rev().map(|change| match change {
                Change::Put(entry) if entry.key == keys::TOPOLOGY => Some(entry),
                Change::Put(_) | Change::Deleted { .. } => None,
            });
            Some(puts.flatten().next()?)
        }
        WatchEvent::Down { .. } | WatchEvent::Up => return None,
    };
    let topology: Option<Topology> = value.and_then(|entry| parse(entry).ok());
    let held = topology.iter().flat_map(|topology| &topology.moves).find(|slot_move| {
        // Without a deadline nobody acts in place of the driver.
        matches!(slot_move.phase, Phase::Frozen | Phase::Switched) && slot_move.hold_ms.is_some()
    });
    Some((held.map(|slot_move| slot_move.phase), held.map(|slot_move| slot_move.since)))
}
