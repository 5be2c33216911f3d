//! The registry as a source of changes: what its watch tells, and whether it answers at all.
//!
//! A watch is silent while nothing changes, and finds out only after a while that nobody is there. So the registry is also asked twice
//! a second, for what only a leader can vouch for.

use std::time::{Duration, Instant};

use redis_cluster::cluster::{
    records::keys,
    registry::{self, Registry, WatchEvent},
};
use tokio::sync::mpsc;

use super::{past, update::Change};

/// Between two questions.
const ASK_EVERY: Duration = Duration::from_millis(500);
/// For an answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);
/// Who has answered and is silent for so long does not answer; two questions were in vain then.
const SILENT_AFTER: Duration = Duration::from_secs(2);

/// Follows the registry until nobody takes the changes any more.
pub(super) async fn run(registry: Registry, changes: mpsc::Sender<Change>) {
    let (answers, answered) = mpsc::channel(1);
    if changes.send(Change::RegistryAsked).await.is_err() {
        return;
    }
    tokio::select! {
        () = ask(&registry, answers) => {}
        () = look_back(&registry, &changes) => {}
        () = follow(&registry, answered, &changes) => {}
    }
}

/// Tells once what was done before, as soon as the registry says it; then there is nothing more to do. That it does not answer, or
/// refuses, is told by the others.
async fn look_back(registry: &Registry, changes: &mpsc::Sender<Change>) {
    let before = loop {
        match past::tail(registry).await {
            Ok(before) => break before,
            Err(_) => tokio::time::sleep(ASK_EVERY).await,
        }
    };
    if changes.send(Change::Past(before.lines)).await.is_ok() {
        changes.closed().await;
    }
}

/// Asks again and again until nobody wants to know.
async fn ask(registry: &Registry, answers: mpsc::Sender<Result<(), String>>) {
    let mut timer = tokio::time::interval(ASK_EVERY);
    timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        timer.tick().await;
        let answer = registry.answers(ANSWER_WITHIN).await.map_err(|error| error.to_string());
        if answers.send(answer).await.is_err() {
            return;
        }
    }
}

async fn follow(
    registry: &Registry,
    mut answered: mpsc::Receiver<Result<(), String>>,
    changes: &mpsc::Sender<Change>,
) {
    // The audit log is the longest part, and nothing that is shown follows it.
    let mut watch = registry.watch_all_but(keys::AUDIT);
    let mut standing = Standing::default();
    loop {
        let (first, second) = tokio::select! {
            event = watch.next() => standing.told(event),
            Some(answer) = answered.recv() => (standing.heard(answer, Instant::now()), None),
        };
        for change in first.into_iter().chain(second) {
            if changes.send(change).await.is_err() {
                return;
            }
        }
    }
}

/// Whether the registry answers, by both sources: it is up when neither says otherwise.
#[derive(Debug, Default)]
struct Standing {
    /// What the watch says against it; the flag: it refuses.
    watch: Option<(String, bool)>,
    /// What asking says against it.
    silent: Option<String>,
    answered_at: Option<Instant>,
}

impl Standing {
    /// What the watch tells is passed on; what comes of a buffer makes nobody answer who does not.
    fn told(&mut self, event: WatchEvent) -> (Option<Change>, Option<Change>) {
        match event {
            WatchEvent::Reset { revision, entries } => {
                let entries = entries.into_iter().map(|entry| (entry.key, entry.value)).collect();
                (Some(Change::Reset { revision: number(revision), entries }), self.down())
            }
            WatchEvent::Changed { revision, changes } => {
                let changes = changes.into_iter().map(|change| match change {
                    registry::Change::Put(entry) => (entry.key, Some(entry.value)),
                    registry::Change::Deleted { key } => (key, None),
                });
                let changes = Change::Keys { revision: number(revision), changes: changes.collect() };
                (Some(changes), self.down())
            }
            WatchEvent::Down { error } => {
                self.watch = Some((error.to_string(), !error.is_outage()));
                (self.down(), None)
            }
            WatchEvent::Up => {
                self.watch = None;
                (self.silent.is_none().then_some(Change::RegistryUp), None)
            }
        }
    }

    fn heard(&mut self, answer: Result<(), String>, now: Instant) -> Option<Change> {
        match answer {
            Ok(()) => {
                self.answered_at = Some(now);
                self.silent = None;
                self.watch.is_none().then_some(Change::RegistryUp)
            }
            Err(error) => {
                // One that never answered may be about to begin; the watch says when that is given up.
                let answered_at = self.answered_at?;
                let was_silent = self.silent.is_some();
                if now.duration_since(answered_at) < SILENT_AFTER {
                    return None;
                }
                self.silent = Some(error);
                if was_silent || self.watch.is_some() { None } else { self.down() }
            }
        }
    }

    fn down(&self) -> Option<Change> {
        let of_watch = self.watch.clone();
        let (error, refused) = of_watch.or_else(|| Some((self.silent.clone()?, false)))?;
        Some(Change::RegistryDown { error, refused })
    }
}

pub(super) fn number(revision: registry::Revision) -> u64 {
    u64::try_from(revision.0).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use redis_cluster::cluster::registry::{RegistryError, Revision};

    use super::*;

    fn is_down(change: &Option<Change>) -> bool {
        matches!(change, Some(Change::RegistryDown { .. }))
    }

    #[test]
    fn it_is_up_when_neither_source_says_otherwise() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let failed = || Err("no answer".to_owned());
        let mut standing = Standing::default();
        // Before it ever answered the watch decides.
        assert!(standing.heard(failed(), at(9_000)).is_none());
        assert!(matches!(standing.heard(Ok(()), at(10_000)), Some(Change::RegistryUp)));
        assert!(standing.heard(failed(), at(11_500)).is_none(), "once is no outage");
        assert!(is_down(&standing.heard(failed(), at(12_500))));
        assert!(standing.heard(failed(), at(13_500)).is_none(), "told once");
        // Something that was on its way.
        let reset = WatchEvent::Reset { revision: Revision(1), entries: Vec::new() };
        let (reset, still) = standing.told(reset);
        assert!(matches!(reset, Some(Change::Reset { .. })) && is_down(&still));
        let error = RegistryError::Unavailable { detail: "gone".to_owned() };
        assert!(is_down(&standing.told(WatchEvent::Down { error }).0));
        assert!(standing.heard(Ok(()), at(20_000)).is_none(), "the watch does not follow yet");
        assert!(matches!(standing.told(WatchEvent::Up).0, Some(Change::RegistryUp)));
        assert!(standing.heard(failed(), at(21_000)).is_none());
    }
}
