//! How many keys each member owns while slots move: its copies are left out, and a slot that changes its owner between two
//! counts is neither counted twice nor left out. So the sum of all is true at every moment.
//!
//! All members are counted at once by one table of slots, and again if the table has changed meanwhile. That is for those
//! who watch; clients that ask for the number of keys have an answer of their own (`count`), stock servers included.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{
    count::by_slot,
    daemon::Proxy,
    routing::{Access, Member, Routing},
};
use crate::{server::grpc::v1, slot::SlotRange, time::Millis};

/// Between two counts.
const INTERVAL: Duration = Duration::from_secs(1);
/// So long after the last change of owners every member has been asked again for all it holds.
const SETTLED_AFTER: Duration = Duration::from_secs(3);
/// For a member to answer.
const PATIENCE: Duration = Duration::from_millis(500);
/// Owners that change as often as this during one count are counted at the next turn.
const TRIES: usize = 5;

/// Counts whenever slots move, until the proxy stops.
pub(super) async fn run(proxy: Arc<Proxy>, stop: CancellationToken) {
    let mut changes = proxy.routing_changes();
    let mut owners: Vec<_> = proxy.routing().topology().slots.clone();
    let mut moved: Option<Instant> = None;
    while !stop.is_cancelled() {
        let routing = Arc::clone(&changes.borrow_and_update());
        if !routing.topology().moves.is_empty() || routing.topology().slots != owners {
            owners.clone_from(&routing.topology().slots);
            moved = Some(Instant::now());
        }
        moved = moved.filter(|moved| moved.elapsed() < SETTLED_AFTER);
        if moved.is_none() {
            proxy.live.counted(None);
            tokio::select! {
                () = stop.cancelled() => return,
                changed = changes.changed() => if changed.is_err() { return },
            }
            continue;
        }
        // The last count stands until there is a better one.
        if let Some(Some(owned)) = stop.run_until_cancelled(count(&proxy)).await {
            proxy.live.counted(Some(owned));
        }
        stop.run_until_cancelled(tokio::time::sleep(INTERVAL)).await;
    }
}

/// `None`: owners changed faster than that.
async fn count(proxy: &Proxy) -> Option<v1::OwnedKeys> {
    for _ in 0..TRIES {
        let routing = proxy.routing();
        let nodes = of_all(&routing).await;
        // A source deletes its copies only after this proxy has another table, so what was counted by this one was there.
        if proxy.routing().topology().slots == routing.topology().slots {
            return Some(v1::OwnedKeys { at_ms: Millis::now().0.unsigned_abs(), nodes });
        }
    }
    None
}

/// Members that do not answer, or cannot count by slot, are left out.
async fn of_all(routing: &Routing) -> Vec<v1::NodeKeys> {
    let counts = routing.members().map(async |(_, member)| {
        let keys = of_member(member, &routing.topology().slots_of(&member.id)).await?;
        Some(v1::NodeKeys { id: member.id.to_string(), keys })
    });
    futures::future::join_all(counts).await.into_iter().flatten().collect()
}

async fn of_member(member: &Member, slots: &[SlotRange]) -> Option<u64> {
    let Access::Ready(login) = &member.access else { return None };
    if slots.is_empty() {
        return Some(0);
    }
    if member.is_stock() {
        return None;
    }
    let counted = tokio::time::timeout(PATIENCE, by_slot(login, slots, PATIENCE)).await;
    match counted {
        Ok(Ok(databases)) => Some(databases?.iter().map(|(_, tally)| tally.keys).sum()),
        Ok(Err(error)) => {
            tracing::debug!(node = %member.id, error, "its keys were not counted");
            None
        }
        Err(_) => None,
    }
}
