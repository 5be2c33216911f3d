//! The signals that end a daemon.

use std::{future::Future, io};

use tokio::signal::unix::{SignalKind, signal};

/// Resolves with the name of the first SIGTERM or SIGINT; they no longer end the process by themselves once this has
/// returned. Needs a tokio runtime.
///
/// # Errors
/// When the system refuses the handlers.
pub fn shutdown_signal() -> io::Result<impl Future<Output = &'static str>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        }
    })
}
