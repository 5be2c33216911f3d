//! Signals that end the program, as its exit status.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::session::Status;

/// SIGINT, SIGTERM and SIGHUP; they no longer end the process by themselves.
#[derive(Debug)]
pub struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl Signals {
    /// Takes the signals over.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn listen() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// The next one. Cancel safe.
    pub async fn next(&mut self) -> Status {
        tokio::select! {
            _ = self.interrupt.recv() => Status::Interrupted,
            _ = self.terminate.recv() => Status::Terminated,
            _ = self.hang_up.recv() => Status::HungUp,
        }
    }
}
