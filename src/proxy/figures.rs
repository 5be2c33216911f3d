//! Live figures: of the proxy itself, and of every member as it was last asked (`polls`).

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use tokio::{sync::watch, time::MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::daemon::Proxy;
use crate::{
    cluster::{election::Election, registry::Registry},
    id::NodeId,
    server::grpc::v1,
    time::Millis,
};

/// Between two counts of this proxy's own commands.
const INTERVAL: Duration = Duration::from_secs(1);
/// The registry is asked so often who drives.
const LEADER_EVERY: Duration = Duration::from_secs(5);

/// What was seen last.
#[derive(Debug, Default)]
pub(super) struct Live {
    seen: Mutex<Seen>,
    drives: AtomicBool,
    /// How often a member stopped answering or answered again: who follows the figures hears of that at once.
    turns: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Seen {
    nodes: BTreeMap<NodeId, v1::NodeFigures>,
    /// Of this proxy: commands a second, as last counted.
    per_second: f64,
    /// While slots move.
    owned: Option<v1::OwnedKeys>,
}

impl Live {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        // Figures are replaced whole.
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether this proxy drives, by the last look.
    pub(super) fn is_driver(&self) -> bool {
        self.drives.load(Relaxed)
    }

    /// Wakes up when a member stops answering, or answers again.
    pub(super) fn turns(&self) -> watch::Receiver<u64> {
        self.turns.subscribe()
    }

    /// Takes in what a member said, or why it said nothing; the figures it gave before are then kept with their time.
    pub(super) fn heard(&self, id: &NodeId, said: Result<v1::NodeFigures, String>) {
        let turned = {
            let mut seen = self.seen();
            let before = seen.nodes.remove(id);
            let was_reachable = before.as_ref().map(|before| before.reachable);
            let figures = match said {
                Ok(figures) => figures,
                Err(error) => v1::NodeFigures {
                    id: id.to_string(),
                    reachable: false,
                    ops_per_second: 0.0,
                    error,
                    ..before.unwrap_or_default()
                },
            };
            let turned = was_reachable != Some(figures.reachable);
            seen.nodes.insert(id.clone(), figures);
            turned
        };
        if turned {
            self.turns.send_modify(|turns| *turns += 1);
        }
    }

    /// Takes in what members hold of their own; `None`: nothing moves, all they hold is theirs.
    pub(super) fn counted(&self, owned: Option<v1::OwnedKeys>) {
        self.seen().owned = owned;
    }

    /// Forgets a node that is no member any more.
    pub(super) fn forget(&self, id: &NodeId) {
        self.seen().nodes.remove(id);
    }
}

/// The figures of now; those of members are of the last poll.
pub(super) fn now(proxy: &Proxy) -> v1::LiveFigures {
    let counters = proxy.shared.counters();
    let seen = proxy.live.seen();
    v1::LiveFigures {
        at_ms: Millis::now().0.unsigned_abs(),
        nodes: seen.nodes.values().cloned().collect(),
        owned: seen.owned.clone(),
        proxy: Some(v1::ProxyFigures {
            id: proxy.shared.id.to_string(),
            clients: proxy.shared.connections.connected(),
            commands: counters.commands,
            ops_per_second: seen.per_second,
            epoch: proxy.routing().epoch().0,
            held: counters.held,
            driver: proxy.live.is_driver(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }),
    }
}

/// Counts this proxy's own commands until it stops. The time between two counts is taken from the clock, not from the
/// timer, so a proxy that was stopped for a while tells no rate that never was.
pub(super) async fn count(proxy: Arc<Proxy>, stop: CancellationToken) {
    let mut timer = tokio::time::interval(INTERVAL);
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut last, mut counted) = (Instant::now(), proxy.shared.counters().commands);
    while stop.run_until_cancelled(timer.tick()).await.is_some() {
        let elapsed = last.elapsed();
        if elapsed < INTERVAL / 2 {
            continue;
        }
        let commands = proxy.shared.counters().commands;
        proxy.live.seen().per_second = commands.saturating_sub(counted) as f64 / elapsed.as_secs_f64();
        (last, counted) = (Instant::now(), commands);
    }
}

/// Asks the registry who drives until the proxy stops. Apart from all other figures: a registry that hangs ages nothing
/// but this.
pub(super) async fn follow_driver(proxy: Arc<Proxy>, registry: Registry, stop: CancellationToken) {
    let mut timer = tokio::time::interval(LEADER_EVERY);
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let identity = format!("proxy {}", proxy.shared.id);
    while stop.run_until_cancelled(timer.tick()).await.is_some() {
        // A registry that does not answer is told by whoever needs it; until then the last answer stands.
        if let Some(Ok(leader)) = stop.run_until_cancelled(Election::leader(&registry)).await {
            proxy.live.drives.store(leader.is_some_and(|leader| leader.identity == identity), Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_that_goes_silent_keeps_its_figures_and_their_time() {
        let live = Live::default();
        let id: NodeId = "1".parse().unwrap();
        let mut turns = live.turns();
        let figures =
            v1::NodeFigures { reachable: true, keys: 7, at_ms: 1_000, ..v1::NodeFigures::default() };
        live.heard(&id, Ok(figures.clone()));
        assert!(turns.has_changed().unwrap());
        turns.mark_unchanged();
        live.heard(&id, Ok(v1::NodeFigures { at_ms: 2_000, ..figures }));
        assert!(!turns.has_changed().unwrap(), "nothing turned");
        for _ in 0..2 {
            live.heard(&id, Err("refused".to_owned()));
        }
        assert_eq!(*turns.borrow_and_update(), 2, "told once");
        let kept = live.seen().nodes[&id].clone();
        assert_eq!(
            (kept.reachable, kept.keys, kept.at_ms, kept.error.as_str()),
            (false, 7, 2_000, "refused")
        );
        live.forget(&id);
        assert!(live.seen().nodes.is_empty());
    }
}
