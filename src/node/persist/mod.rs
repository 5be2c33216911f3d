//! What a node keeps on disk: its directory, snapshots of the data as RDB files, and reading them at the start.
//!
//! [`Directory`] is the one place where files are opened and replaced; [`save`] writes a snapshot, at once or in the background; [`load`]
//! reads one, [`check`] says what one holds, [`start`] has the data read when the node starts. Which bytes a file has is the matter of [`rdb::file`](super::rdb::file), what a snapshot is of
//! [`keyspace::snapshot`](super::keyspace::snapshot). Not here: commands.
//!
//! A node that was given no directory writes nothing: `save` is empty and cannot be set, as with `save ""` in Redis.

pub mod check;
mod directory;
pub mod load;
pub mod save;
pub(in crate::node) mod start;

use std::{
    sync::{
        Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use tokio_util::sync::CancellationToken;

pub(in crate::node) use directory::Synced;
pub use directory::{Directory, DirectoryError};
pub use save::SaveError;

use super::keyspace::Keyspace;
use crate::time::Millis;

/// What commands that write are told while snapshots fail.
pub const MISCONF: &str = "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk. \
     Commands that may modify the data set are disabled, because this instance is configured to report errors during writes if RDB \
     snapshotting fails (stop-writes-on-bgsave-error option). Please check the Redis logs for details about the RDB error.";

/// What commands are told that need the data while it is being read.
pub const LOADING: &str = "LOADING Redis is loading the dataset in memory";

/// What commands are told that come after the last snapshot of a node that ends.
pub const ENDING: &str = "ERR this node is shutting down: its data is saved, and nothing can change any more";

/// Time between two attempts of the housekeeping when snapshots fail.
const RETRY: Duration = Duration::from_secs(5);

/// `save`: a snapshot is due when so many changes are so old.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SavePoint {
    /// Seconds since the last snapshot.
    pub seconds: u64,
    /// Changes since then.
    pub changes: u64,
}

/// Of snapshots.
#[derive(Clone, Debug)]
pub struct Figures {
    /// Counts up with each snapshot that begins: whoever writes an earlier one has to stop.
    generation: u64,
    /// When the last good one was begun, or the node started.
    pub last_save: Millis,
    /// Changes of the keyspace until then.
    pub changes_then: u64,
    /// One that is being written in the background.
    pub running: Option<Running>,
    /// Whether the last one was good.
    pub last_ok: bool,
    /// How long the last one in the background took.
    pub last_took: Option<Duration>,
    last_attempt: Option<Instant>,
    /// One is to be begun when no other runs.
    is_scheduled: bool,
    /// Good ones.
    pub saves: u64,
    /// The most memory that the last one in the background took beside the data.
    pub last_held: usize,
    /// Keys that were read at the start.
    pub loaded: u64,
    /// Keys that were not, because their time had come.
    pub expired: u64,
}

/// A snapshot in the background.
#[derive(Clone, Copy, Debug)]
pub struct Running {
    /// When it began.
    pub since: Instant,
    /// Keys that it has to write.
    pub keys: u64,
    /// Keys that it has written.
    pub written: u64,
    /// The most memory that it took beside the data.
    pub held: usize,
    /// It becomes a base of the append-only log.
    pub is_base: bool,
}

/// How far reading the data has come.
#[derive(Debug, Default)]
pub struct Progress {
    active: AtomicBool,
    /// When it began.
    begun: OnceLock<(Millis, Instant)>,
    /// Bytes of the file, or of all files.
    total: AtomicU64,
    /// Bytes that were read.
    done: AtomicU64,
    /// When the log last said how far it is.
    told: Mutex<Option<Instant>>,
}

/// Between two lines of the log about how far it is.
const TELL_EVERY: Duration = Duration::from_secs(5);

impl Progress {
    fn begin(&self, total: u64) {
        self.total.store(total, Relaxed);
        // Set once: a node reads its data at its start.
        self.begun.get_or_init(|| (Millis::now(), Instant::now()));
        self.active.store(true, Relaxed);
    }

    /// So many bytes are to be read.
    pub(in crate::node) fn set_total(&self, total: u64) {
        self.total.store(total, Relaxed);
    }

    /// So many bytes were read.
    pub(in crate::node) fn advance(&self, done: u64) {
        self.done.store(done, Relaxed);
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.get_or_insert_with(Instant::now).elapsed() >= TELL_EVERY {
            *told = Some(Instant::now());
            let (_, total, done, eta) = self.figures();
            tracing::info!(bytes = done, of = total, seconds_to_go = eta, "loading");
        }
    }

    /// When it began, bytes of all, bytes that were read, and seconds that it will still take.
    #[must_use]
    pub fn figures(&self) -> (Millis, u64, u64, u64) {
        let (at, since) = self.begun.get().copied().unwrap_or((Millis(0), Instant::now()));
        let (total, done) = (self.total.load(Relaxed), self.done.load(Relaxed));
        let left = total.saturating_sub(done);
        let eta = since.elapsed().as_secs_f64() * left as f64 / done.max(1) as f64;
        (
            at,
            total,
            done,
            if done == 0 { 1 } else { Duration::try_from_secs_f64(eta).map_or(0, |eta| eta.as_secs()) },
        )
    }
}

/// See the module. Part of a node's shared state.
#[derive(Debug)]
pub struct Persist {
    directory: OnceLock<Directory>,
    jobs: save::Jobs,
    figures: Mutex<Figures>,
    /// Reading the data at the start.
    pub progress: Progress,
    failing: AtomicBool,
    ending: AtomicBool,
    /// Cancelled once the data is there.
    loaded: CancellationToken,
}

impl Default for Persist {
    fn default() -> Self {
        let figures = Figures {
            generation: 0,
            last_save: Millis::now(),
            changes_then: 0,
            running: None,
            last_ok: true,
            last_took: None,
            last_attempt: None,
            is_scheduled: false,
            saves: 0,
            last_held: 0,
            loaded: 0,
            expired: 0,
        };
        Self {
            directory: OnceLock::new(),
            jobs: save::Jobs::default(),
            figures: Mutex::new(figures),
            progress: Progress::default(),
            failing: AtomicBool::new(false),
            ending: AtomicBool::new(false),
            loaded: CancellationToken::new(),
        }
    }
}

impl Persist {
    /// Gives the node its directory, before it serves.
    pub fn set_directory(&self, directory: Directory) {
        // Nobody gives it two.
        let _ = self.directory.set(directory);
    }

    /// Where the data is kept, if it is.
    #[must_use]
    pub fn directory(&self) -> Option<&Directory> {
        self.directory.get()
    }

    fn lock(&self) -> MutexGuard<'_, Figures> {
        self.figures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What there is to say of snapshots.
    #[must_use]
    pub fn figures(&self) -> Figures {
        self.lock().clone()
    }

    /// Whether the node's file is being written in the background.
    #[must_use]
    pub fn is_saving(&self) -> bool {
        self.lock().running.is_some_and(|running| !running.is_base)
    }

    /// Whether a snapshot is being written in the background, for whatever.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.lock().running.is_some()
    }

    /// The node's file is to be written as soon as nothing else is.
    pub fn schedule(&self) {
        self.lock().is_scheduled = true;
    }

    /// Whether the data is being read.
    #[must_use]
    #[inline]
    pub fn is_loading(&self) -> bool {
        self.progress.active.load(Relaxed)
    }

    /// Waits until all data is there that is to be read at the start.
    pub async fn loaded(&self) {
        self.loaded.cancelled().await;
    }

    /// Whether the last snapshot in the background failed.
    #[must_use]
    #[inline]
    pub fn is_failing(&self) -> bool {
        self.failing.load(Relaxed)
    }

    /// Whether the last snapshot of this process is written.
    #[must_use]
    #[inline]
    pub fn is_ending(&self) -> bool {
        self.ending.load(Relaxed)
    }

    /// Nothing is to change from here on; or again, if the end did not come.
    pub fn set_ending(&self, ending: bool) {
        self.ending.store(ending, Relaxed);
    }

    /// What there is now is what the file has.
    pub fn note_unchanged(&self, keyspace: &Keyspace) {
        self.lock().changes_then = keyspace.changes();
    }

    /// Whether one of these says that a snapshot is due.
    fn is_due(&self, points: &[SavePoint], changes: u64, now: Millis) -> bool {
        let figures = self.lock();
        let changes = changes.saturating_sub(figures.changes_then);
        let seconds = u64::try_from(now.seconds() - figures.last_save.seconds()).unwrap_or(0);
        let waits = !figures.last_ok && figures.last_attempt.is_some_and(|at| at.elapsed() < RETRY);
        figures.running.is_none()
            && !waits
            && points.iter().any(|point| changes >= point.changes && seconds > point.seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_is_due_when_enough_changes_are_old_enough() {
        let persist = Persist::default();
        let start = persist.figures().last_save;
        let points = [SavePoint { seconds: 60, changes: 100 }, SavePoint { seconds: 3600, changes: 1 }];
        let after = |seconds: i64| Millis(start.0 + seconds * 1000);
        for (changes, seconds, due) in [
            (0, 9999, false),
            (1, 3600, false),
            (1, 3602, true),
            (99, 62, false),
            (100, 60, false),
            (100, 62, true),
        ] {
            assert_eq!(persist.is_due(&points, changes, after(seconds)), due, "{changes} in {seconds} s");
        }
        persist.lock().changes_then = 90;
        assert!(!persist.is_due(&points, 100, after(100)), "ten are new");
        (persist.lock().last_ok, persist.lock().last_attempt) = (false, Some(Instant::now()));
        assert!(!persist.is_due(&points, 9999, after(9999)), "it failed a moment ago");
    }
}
