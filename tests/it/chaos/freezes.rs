//! How long moves hold writes, as the registry saw it: from a freeze to the end of the hold. Only printed: how long it takes
//! depends on what else the machine does.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use redis_cluster::cluster::{
    Topology,
    registry::{Watch, WatchEvent},
    topology::Phase,
};

use super::entries;

/// Ends when it is dropped.
pub(super) struct Freezes {
    longest_ms: Arc<AtomicU64>,
    task: tokio::task::JoinHandle<()>,
}

impl Freezes {
    /// From now on.
    pub(super) fn watch(topology: Watch) -> Self {
        let longest_ms = Arc::new(AtomicU64::new(0));
        let task = tokio::spawn(follow(topology, Arc::clone(&longest_ms)));
        Self { longest_ms, task }
    }

    pub(super) fn longest(&self) -> Duration {
        Duration::from_millis(self.longest_ms.load(Ordering::Relaxed))
    }
}

impl Drop for Freezes {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn follow(mut topology: Watch, longest_ms: Arc<AtomicU64>) {
    let mut began: Option<Instant> = None;
    loop {
        let event = topology.next().await;
        if matches!(event, WatchEvent::Down { .. } | WatchEvent::Up) {
            continue;
        }
        for entry in entries(event) {
            let topology: Topology = serde_json::from_slice(&entry.value).unwrap();
            let held =
                topology.moves.iter().any(|moving| matches!(moving.phase, Phase::Frozen | Phase::Switched));
            match (held, began) {
                (true, None) => began = Some(Instant::now()),
                (false, Some(since)) => {
                    let took = u64::try_from(since.elapsed().as_millis()).unwrap();
                    longest_ms.fetch_max(took, Ordering::Relaxed);
                    began = None;
                }
                (true, Some(_)) | (false, None) => {}
            }
        }
    }
}
