//! The signals that end a daemon.

use std::{future::Future, io};

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Resolves with the name of the first SIGTERM or SIGINT; they no longer end the process by themselves once this has
/// returned. Needs a tokio runtime.
///
/// # Errors
/// When the system refuses the handlers.
pub fn shutdown_signal() -> io::Result<impl Future<Output = &'static str>> {
    let mut signals = Signals::listen()?;
    Ok(async move { signals.next().await })
}

/// SIGTERM and SIGINT, for who may not end at the first one.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// From here on they do not end the process by themselves.
    ///
    /// # Errors
    /// The system does not allow to listen.
    pub fn listen() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// The name of the next one.
    pub async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
