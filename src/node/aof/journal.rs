//! From the store to the file. Whoever holds the store appends, so the order of the lock is the order of the log; the bytes are written
//! without it, by whoever is about to tell a client, and made to last by one thread for all clients together.
//!
//! Positions are bytes appended since the journal was opened. What is *written* survives the end of the process, what is *synced* that of
//! the machine. [`super::output`] knows the file, [`super::syncer`] is the thread.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{
            AtomicBool, AtomicU8, AtomicU64,
            Ordering::{AcqRel, Acquire, Relaxed, Release},
        },
    },
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use parking_lot::{Condvar, Mutex};

use super::{
    log::{Log, Wrap},
    output::{Output, Target},
};
use crate::{node::effects::Effects, time::Millis};

/// For so long nothing is written while the disk is busy: a write would wait for it, and with it all clients.
const PATIENCE: Duration = Duration::from_secs(2);

/// Whoever syncs itself keeps all others of its thread waiting for so long at most, but for the first time that it takes longer.
const QUICK: Duration = Duration::from_millis(2);

/// `appendfsync`: when what was written is made to last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// Before a client hears of it.
    Always,
    /// Every second.
    #[default]
    EverySecond,
    /// When the system wants to.
    Never,
}

impl Policy {
    /// What `CONFIG` calls it.
    #[must_use]
    pub fn of_word(word: &str) -> Self {
        match word {
            "always" => Self::Always,
            "no" => Self::Never,
            _ => Self::EverySecond,
        }
    }
}

/// What the store has of a journal: the end at which it grows.
#[derive(Debug)]
pub struct Journal {
    log: Log,
    shared: Arc<Shared>,
}

/// Bytes for one file.
#[derive(Debug, Default)]
pub(super) struct Segment {
    /// The file, if it is another than that of what came before.
    pub(super) file: Option<Arc<dyn Target>>,
    pub(super) bytes: Vec<u8>,
}

/// What everybody else has of it.
#[derive(Debug, Default)]
pub struct Shared {
    is_on: AtomicBool,
    policy: AtomicU8,
    pub(super) queue: Mutex<VecDeque<Segment>>,
    pub(super) output: Mutex<Output>,
    appended: AtomicU64,
    pub(super) written: AtomicU64,
    pub(super) synced: AtomicU64,
    pub(super) is_syncing: AtomicBool,
    postponed: Mutex<Option<Instant>>,
    /// `aof_delayed_fsync`.
    delayed: AtomicU64,
    is_failed: AtomicBool,
    failure: Mutex<String>,
    /// What was written may not last although it was synced later: only a new base makes it whole.
    pub(super) is_holed: AtomicBool,
    waiting: Mutex<Vec<(u64, Waker)>>,
    /// Whoever makes it last, one at a time.
    turn: Mutex<()>,
    /// The last sync took long.
    is_slow: AtomicBool,
    /// `no-appendfsync-on-rewrite`.
    rests: AtomicBool,
    /// A snapshot is being written.
    is_disturbed: AtomicBool,
    pub(super) signal: Mutex<Signal>,
    pub(super) bell: Condvar,
}

/// What the thread is asked for.
#[derive(Debug, Default)]
pub(super) struct Signal {
    pub(super) has_work: bool,
    pub(super) ends: bool,
}

impl Journal {
    /// Of a log that grows in `file`, which has `length` bytes already.
    pub fn open(shared: Arc<Shared>, file: Arc<dyn Target>, length: u64) -> Self {
        shared.queue.lock().clear();
        let appended = shared.appended();
        shared.written.store(appended, Release);
        shared.synced.store(appended, Release);
        shared.output.lock().open(file, length);
        shared.is_on.store(true, Release);
        Self { log: Log::default(), shared }
    }

    /// Adds a unit.
    pub fn append(&mut self, unit: &Effects, wrap: Wrap, stamp: Option<Millis>) {
        let mut queue = self.shared.queue.lock();
        if queue.is_empty() {
            queue.push_back(Segment::default());
        }
        let Some(last) = queue.back_mut() else { return };
        let before = last.bytes.len();
        self.log.write(unit, wrap, stamp, &mut last.bytes);
        let added = last.bytes.len() - before;
        self.shared.appended.fetch_add(added as u64, Release);
    }

    /// What follows is for another file, which is empty.
    pub fn go_on_in(&mut self, file: Arc<dyn Target>) {
        self.log.restart();
        self.shared.queue.lock().push_back(Segment { file: Some(file), bytes: Vec::new() });
        self.shared.ring();
    }

    /// Where it ends now.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.shared.appended()
    }
}

impl Shared {
    /// Whether there is a journal.
    #[inline]
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.is_on.load(Acquire)
    }

    /// There is none any more: what was appended lasts, and nobody waits.
    pub fn close(&self) {
        self.flush();
        self.is_on.store(false, Release);
        self.output.lock().close();
        self.forgive();
        self.wake_all();
    }

    /// `appendfsync`.
    #[must_use]
    pub fn policy(&self) -> Policy {
        match self.policy.load(Relaxed) {
            0 => Policy::EverySecond,
            1 => Policy::Always,
            _ => Policy::Never,
        }
    }

    /// After `appendfsync` was set.
    pub fn set_policy(&self, policy: Policy) {
        let number = match policy {
            Policy::EverySecond => 0,
            Policy::Always => 1,
            Policy::Never => 2,
        };
        self.policy.store(number, Relaxed);
        self.ring();
    }

    /// After `no-appendfsync-on-rewrite` was set.
    pub fn set_rests(&self, rests: bool) {
        self.rests.store(rests, Relaxed);
    }

    /// A snapshot begins to be written, or has been.
    pub fn set_disturbed(&self, disturbed: bool) {
        self.is_disturbed.store(disturbed, Relaxed);
    }

    /// Whether the syncs of every second are left out, because the disk has enough to do.
    pub(super) fn is_resting(&self) -> bool {
        self.rests.load(Relaxed) && self.is_disturbed.load(Relaxed)
    }

    /// Bytes appended.
    #[must_use]
    pub fn appended(&self) -> u64 {
        self.appended.load(Acquire)
    }

    /// Bytes that last.
    #[must_use]
    pub fn synced(&self) -> u64 {
        self.synced.load(Acquire)
    }

    /// Bytes appended that are not written yet.
    #[must_use]
    pub fn unwritten(&self) -> u64 {
        self.appended().saturating_sub(self.written.load(Acquire))
    }

    /// Syncs that took so long that a write could not wait for them any more.
    #[must_use]
    pub fn delayed(&self) -> u64 {
        self.delayed.load(Relaxed)
    }

    /// A sync goes on.
    #[must_use]
    pub fn is_syncing(&self) -> bool {
        self.is_syncing.load(Acquire)
    }

    /// Bytes of the file that it grows in.
    #[must_use]
    pub fn file_length(&self) -> u64 {
        self.output.lock().length()
    }

    /// Whether it cannot be written. Nothing is changed then that could not be kept.
    #[inline]
    #[must_use]
    pub fn is_failed(&self) -> bool {
        self.is_failed.load(Relaxed)
    }

    /// Why it cannot be written.
    #[must_use]
    pub fn failure(&self) -> String {
        self.failure.lock().clone()
    }

    /// Whether the files may lack something that only a new base has. Asking is taking it on.
    #[must_use]
    pub fn take_hole(&self) -> bool {
        self.is_holed.load(Relaxed) && self.is_holed.swap(false, AcqRel)
    }

    /// After a batch that found the journal at `before` and left it at `after`, without the store: what was appended is on its way.
    /// `Some`: no reply leaves before that position is synced.
    #[must_use]
    pub fn after_batch(&self, before: u64, after: u64) -> Option<u64> {
        if self.policy() != Policy::Always {
            self.write_unless_busy();
            return None;
        }
        if self.synced() >= after {
            return None;
        }
        // Who only read is answered while nothing can be kept.
        if before == after && self.is_failed() {
            return None;
        }
        Some(after)
    }

    /// Whether whoever waits is better off when it syncs itself than when it wakes the thread: while syncs are quick, and succeed.
    #[must_use]
    pub fn syncs_at_once(&self) -> bool {
        self.policy() == Policy::Always && !self.is_slow.load(Relaxed) && !self.is_failed() && self.is_on()
    }

    /// Makes it last up to a position at least, with all that was appended by now. Whether it does is to be asked afterwards.
    pub fn commit(&self, position: u64) {
        let _turn = self.turn.lock();
        // Whose turn was before has often done it.
        if self.synced() < position {
            self.write_and_sync();
        }
    }

    /// The same in its turn, until nothing is left that was appended by then.
    pub(super) fn commit_all(&self) {
        let _turn = self.turn.lock();
        while self.synced() < self.appended() && self.write_and_sync() {}
    }

    /// Whether all that could be written lasts.
    fn write_and_sync(&self) -> bool {
        self.write();
        if self.written.load(Acquire) <= self.synced() {
            return false;
        }
        let begun = Instant::now();
        let lasts = self.sync();
        self.is_slow.store(begun.elapsed() > QUICK, Relaxed);
        if lasts {
            self.forgive();
        }
        lasts
    }

    /// Writes what was appended, unless the disk is busy with a sync, and has not been for too long.
    fn write_unless_busy(&self) {
        if self.unwritten() == 0 || self.is_failed() {
            return;
        }
        if self.is_syncing() && self.policy() == Policy::EverySecond {
            let mut postponed = self.postponed.lock();
            let since = *postponed.get_or_insert_with(Instant::now);
            if since.elapsed() < PATIENCE {
                return;
            }
            *postponed = Some(Instant::now());
            drop(postponed);
            self.delayed.fetch_add(1, Relaxed);
            tracing::warn!(
                "syncing the append-only file takes long (is the disk busy?): it is written without waiting for that, which may slow \
                 clients down"
            );
        }
        self.write();
    }

    /// Writes what was appended.
    pub(super) fn write(&self) {
        let mut output = self.output.lock();
        match output.write(self) {
            Ok(()) => {
                // Whether it lasts is another question, where that is asked.
                if self.policy() != Policy::Always {
                    self.forgive();
                }
            }
            Err(error) => self.fail("write", &error),
        }
    }

    /// Nothing is postponed any more.
    pub(super) fn end_postponing(&self) {
        *self.postponed.lock() = None;
    }

    /// Writes and syncs everything.
    pub fn flush(&self) {
        if self.is_on() {
            self.write();
            self.sync();
        }
    }

    pub(super) fn fail(&self, what: &str, error: &std::io::Error) {
        let reason = errno_text(error);
        if !self.is_failed.swap(true, AcqRel) {
            tracing::error!(%error, "cannot {what} the append-only file: writing commands are refused until it can be again");
            // Whoever is to end does not wait for that.
            self.wake_all();
        }
        *self.failure.lock() = reason;
    }

    /// It can be written again.
    pub(super) fn forgive(&self) {
        if self.is_failed() && self.is_failed.swap(false, AcqRel) {
            tracing::info!("the append-only file can be written again");
        }
    }

    /// There is work for the thread.
    pub(super) fn ring(&self) {
        self.signal.lock().has_work = true;
        self.bell.notify_one();
    }

    /// Whether a position is synced; whoever asks is woken when the thread has done it.
    pub fn poll_synced(&self, position: u64, cx: &mut Context<'_>) -> Poll<()> {
        if self.synced() >= position || !self.is_on() {
            return Poll::Ready(());
        }
        if self.policy() == Policy::Always {
            self.ring();
        }
        let mut waiting = self.waiting.lock();
        waiting.push((position, cx.waker().clone()));
        drop(waiting);
        // It may have been synced before it was noted that somebody waits.
        if self.synced() >= position || !self.is_on() { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Wakes those whose position is synced.
    pub(super) fn wake(&self) {
        let synced = self.synced();
        let ready: Vec<_> = self.waiting.lock().extract_if(.., |(position, _)| *position <= synced).collect();
        ready.into_iter().for_each(|(_, waker)| waker.wake());
    }

    fn wake_all(&self) {
        std::mem::take(&mut *self.waiting.lock()).into_iter().for_each(|(_, waker)| waker.wake());
    }
}

/// What C says of an error, which is what clients of Redis know.
fn errno_text(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests;
