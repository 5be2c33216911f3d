//! The thread that makes a journal last: one sync every second, or one for all who wait and do not do it themselves.

use std::{
    sync::{
        Arc,
        atomic::Ordering::{AcqRel, Acquire, Release},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use super::journal::{Policy, Shared};

/// Between looks whether there is something to do that nobody rang for.
const TICK: Duration = Duration::from_millis(100);

/// Between two syncs, or two attempts at what failed.
const SECOND: Duration = Duration::from_secs(1);

/// The thread. Dropping it ends it, with everything synced.
#[derive(Debug)]
pub struct Syncer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Syncer {
    /// Starts it.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(name: &str, shared: &Arc<Shared>) -> std::io::Result<Self> {
        let of_thread = Arc::clone(shared);
        let thread = thread::Builder::new().name(format!("{name}-aof")).spawn(move || of_thread.run())?;
        Ok(Self { shared: Arc::clone(shared), thread: Some(thread) })
    }
}

impl Drop for Syncer {
    fn drop(&mut self) {
        self.shared.signal.lock().ends = true;
        self.shared.bell.notify_one();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that syncs the append-only file ended with a panic");
        }
    }
}

impl Shared {
    fn run(&self) {
        let (mut synced, mut failed) = (Instant::now(), None::<Instant>);
        loop {
            let ends = {
                let mut signal = self.signal.lock();
                if !signal.has_work && !signal.ends {
                    self.bell.wait_for(&mut signal, TICK);
                }
                signal.has_work = false;
                signal.ends
            };
            if ends {
                self.flush();
                return;
            }
            if !self.is_on() || failed.is_some_and(|failed| failed.elapsed() < SECOND) {
                continue;
            }
            match self.policy() {
                Policy::Always => self.commit_all(),
                Policy::EverySecond => {
                    self.write();
                    let is_due = synced.elapsed() >= SECOND && !self.is_resting();
                    if is_due && self.synced() < self.written.load(Acquire) {
                        synced = Instant::now();
                        self.sync();
                    }
                }
                Policy::Never => self.write(),
            }
            failed = self.is_failed().then(Instant::now);
        }
    }

    /// Makes last what was written; `false` if it does not. Writing goes on meanwhile.
    pub(super) fn sync(&self) -> bool {
        let (file, length, position) = {
            let output = self.output.lock();
            let Some(file) = output.file() else { return true };
            (file, output.length(), self.written.load(Acquire))
        };
        self.is_syncing.store(true, Release);
        let result = file.sync();
        self.is_syncing.store(false, Release);
        self.end_postponing();
        match result {
            Ok(()) => {
                let mut output = self.output.lock();
                // It may be the next one by now, which was begun when this one had been synced.
                if output.file().is_some_and(|now| Arc::ptr_eq(&now, &file)) {
                    output.note_synced(length);
                }
                drop(output);
                self.synced.fetch_max(position, AcqRel);
                self.wake();
                true
            }
            Err(error) => {
                if !self.output.lock().take_back(self) {
                    self.is_holed.store(true, Release);
                }
                self.fail("sync", &error);
                false
            }
        }
    }
}
