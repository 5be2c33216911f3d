//! How a daemon ends: asked to, or because a part of it did that it cannot do without.
//!
//! A worker that ends leaves its connections, and those dealt to it later, without an answer for ever. So whoever starts a
//! thread of a daemon gives it a [`Guard`]: if the thread ends before the daemon was asked to, in whatever way, the daemon ends.

use std::sync::{Arc, OnceLock};

use tokio_util::sync::CancellationToken;

/// Shared by all parts of one daemon.
#[derive(Clone, Debug, Default)]
pub struct Life {
    stop: CancellationToken,
    failure: Arc<OnceLock<String>>,
}

impl Life {
    /// Cancelled when the daemon is to end, for whatever reason.
    #[must_use]
    pub fn stop_token(&self) -> &CancellationToken {
        &self.stop
    }

    /// Ends the daemon: it cannot go on, because of `reason`. Said once, for the first reason.
    pub fn fail(&self, reason: impl Into<String>) {
        let reason = reason.into();
        if self.failure.set(reason.clone()).is_ok() {
            tracing::error!(reason, "cannot go on: the daemon stops");
        }
        self.stop.cancel();
    }

    /// Why it could not go on, if that is why it ended.
    #[must_use]
    pub fn failure(&self) -> Option<&str> {
        self.failure.get().map(String::as_str)
    }

    /// To be held by a part of the daemon for as long as it runs.
    #[must_use]
    pub fn guard(&self, part: impl Into<String>) -> Guard {
        Guard { life: self.clone(), part: part.into() }
    }
}

/// Ends the daemon when it is dropped before the daemon was asked to end.
#[derive(Debug)]
pub struct Guard {
    life: Life,
    part: String,
}

impl Drop for Guard {
    fn drop(&mut self) {
        if !self.life.stop.is_cancelled() {
            self.life.fail(format!("{} ended, which should not have happened", self.part));
        }
    }
}

/// From now on the first panic of any thread ends the process, after its message (and the backtrace that `RUST_BACKTRACE` asks
/// for): what a command has changed half must not be served. For the mains of daemons, in every build profile.
pub fn abort_on_panic() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        report(info);
        eprintln!("the process ends here, so that nothing half-changed is served; please report this");
        std::process::abort();
    }));
}

/// A daemon's `run_id`: 40 hexadecimal digits that no other start of any daemon has; unique, not secret.
///
/// # Panics
/// If the operating system has no random bytes to give.
#[must_use]
pub fn run_id() -> String {
    let mut bytes = [0; 20];
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_that_ends_early_ends_the_daemon() {
        let life = Life::default();
        let worker = life.clone();
        let ended = std::thread::spawn(move || {
            let _guard = worker.guard("worker 3");
            panic!("boom");
        });
        assert!(ended.join().is_err());
        assert!(life.stop_token().is_cancelled());
        assert_eq!(life.failure(), Some("worker 3 ended, which should not have happened"));
        life.fail("something else");
        assert!(
            life.failure().is_some_and(|reason| reason.starts_with("worker 3")),
            "the first reason stays"
        );
    }

    #[test]
    fn after_a_stop_everything_may_end() {
        let life = Life::default();
        let guard = life.guard("worker 3");
        life.stop_token().cancel();
        drop(guard);
        assert_eq!(life.failure(), None);
    }
}
