//! The script that runs, as those see it who cannot take the lock that it holds.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use super::Digest;

/// What runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// A script.
    Script {
        /// What it is called.
        digest: Digest,
        /// What its code is kept under.
        number: i64,
    },
    /// A function.
    Function {
        /// As it was registered.
        name: String,
        /// What its code is kept under.
        number: i64,
        /// How many libraries and functions there are.
        counts: (usize, usize),
    },
}

impl What {
    /// As errors call it.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Script { digest, .. } => digest.as_str(),
            Self::Function { name, .. } => name,
        }
    }
}

/// A function that runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Called {
    /// Its name.
    pub name: String,
    /// The request.
    pub command: Vec<Vec<u8>>,
    /// How many libraries and functions there are.
    pub counts: (usize, usize),
}

/// See the module. What every script needs is not kept by a lock.
#[derive(Debug)]
pub struct Running {
    began: Instant,
    /// Milliseconds after `began`, and one; 0: none runs.
    since: AtomicU64,
    killed: AtomicBool,
    has_written: AtomicBool,
    is_function: AtomicBool,
    /// A function, not a script.
    called: Mutex<Option<Called>>,
}

impl Default for Running {
    fn default() -> Self {
        Self {
            began: Instant::now(),
            since: AtomicU64::new(0),
            killed: AtomicBool::new(false),
            has_written: AtomicBool::new(false),
            is_function: AtomicBool::new(false),
            called: Mutex::default(),
        }
    }
}

/// Why a script goes on although somebody wants it to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotKilled {
    /// There is none.
    NotBusy,
    /// It has written: to stop in the middle would leave half of it.
    HasWritten,
    /// It is a script, and a function was to be ended.
    IsScript,
    /// It is a function, and a script was to be ended.
    IsFunction,
}

impl Running {
    fn clock(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX - 1) + 1
    }

    /// One begins.
    pub(super) fn begin(&self, what: &What, command: impl FnOnce() -> Vec<Vec<u8>>) {
        if let What::Function { name, counts, .. } = what {
            let called = Called { name: name.clone(), command: command(), counts: *counts };
            *self.called.lock().unwrap_or_else(PoisonError::into_inner) = Some(called);
            self.is_function.store(true, Relaxed);
        }
        self.killed.store(false, Relaxed);
        self.has_written.store(false, Relaxed);
        self.since.store(self.clock(), Relaxed);
    }

    /// It has ended.
    pub(super) fn end(&self) {
        self.since.store(0, Relaxed);
        if self.is_function.swap(false, Relaxed) {
            *self.called.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
    }

    /// It has changed something.
    pub(super) fn wrote(&self) {
        self.has_written.store(true, Relaxed);
    }

    /// Whether it has changed something.
    pub(super) fn has_written(&self) -> bool {
        self.has_written.load(Relaxed)
    }

    /// Whether it is to end now.
    pub(super) fn is_killed(&self) -> bool {
        self.killed.load(Relaxed)
    }

    /// For how long the script runs already; `None`: none does.
    #[must_use]
    pub fn elapsed(&self) -> Option<Duration> {
        let since = self.since.load(Relaxed);
        (since != 0).then(|| Duration::from_millis(self.clock().saturating_sub(since)))
    }

    /// The function that runs, if it is one.
    #[must_use]
    pub fn called(&self) -> Option<Called> {
        self.called.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether what runs is a function.
    #[must_use]
    pub fn is_function(&self) -> bool {
        self.is_function.load(Relaxed)
    }

    /// Ends the script, or the function, soon.
    ///
    /// # Errors
    /// Why it goes on.
    pub fn kill(&self, function: bool) -> Result<(), NotKilled> {
        if self.elapsed().is_none() {
            return Err(NotKilled::NotBusy);
        }
        if self.has_written.load(Relaxed) {
            return Err(NotKilled::HasWritten);
        }
        match (function, self.is_function()) {
            (true, false) => return Err(NotKilled::IsScript),
            (false, true) => return Err(NotKilled::IsFunction),
            _ => {}
        }
        self.killed.store(true, Relaxed);
        Ok(())
    }

    /// Ends the script soon, whatever it has done: the node ends with it.
    pub fn abort(&self) {
        self.killed.store(true, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_has_not_written_is_killed() {
        let running = Running::default();
        let script = What::Script { digest: Digest::of(b""), number: 1 };
        assert_eq!((running.kill(false), running.elapsed()), (Err(NotKilled::NotBusy), None));
        running.begin(&script, Vec::new);
        assert!(running.elapsed().is_some() && !running.is_killed());
        assert_eq!(running.kill(false), Ok(()));
        assert!(running.is_killed());
        running.end();
        running.begin(&script, Vec::new);
        running.wrote();
        assert_eq!((running.kill(false), running.is_killed()), (Err(NotKilled::HasWritten), false));
        running.end();
        running.begin(&What::Function { name: "f".to_owned(), number: 1, counts: (1, 1) }, || {
            vec![b"FCALL".to_vec()]
        });
        assert_eq!(running.called().unwrap().command, [b"FCALL".to_vec()]);
        assert_eq!((running.kill(false), running.kill(true)), (Err(NotKilled::IsFunction), Ok(())));
        running.end();
        assert_eq!(running.called(), None);
    }
}
