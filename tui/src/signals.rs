//! Signals that end the program, as its exit status.
//!
//! A face takes a signal and ends in order. One that cannot, because it waits for a reader that does not read, is ended
//! by the task here: at the second signal, or [`GRACE`] after SIGTERM and SIGHUP.

use std::{io, time::Duration};

use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
};

use crate::session::Status;

/// How long a face gets after SIGTERM or SIGHUP; the longest way out is that of an embedded cluster.
const GRACE: Duration = Duration::from_secs(5);

/// SIGINT, SIGTERM and SIGHUP; they no longer end the process by themselves.
#[derive(Debug)]
pub struct Signals {
    waiting: mpsc::Receiver<Status>,
}

impl Signals {
    /// Takes the signals over until this value is dropped.
    ///
    /// # Errors
    /// When the system refuses.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn listen() -> io::Result<Self> {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut hang_up = signal(SignalKind::hangup())?;
        let (sender, waiting) = mpsc::channel(1);
        tokio::spawn(async move {
            loop {
                let status = tokio::select! {
                    _ = interrupt.recv() => Status::Interrupted,
                    _ = terminate.recv() => Status::Terminated,
                    _ = hang_up.recv() => Status::HungUp,
                    () = sender.closed() => return,
                };
                match sender.try_send(status) {
                    Ok(()) => {}
                    Err(mpsc::error::TrySendError::Closed(_)) => return,
                    // The one before was not even taken: nobody is there to end in order.
                    Err(mpsc::error::TrySendError::Full(_)) => exit(status),
                }
                if status != Status::Interrupted {
                    tokio::spawn(async move {
                        tokio::time::sleep(GRACE).await;
                        exit(status);
                    });
                }
            }
        });
        Ok(Self { waiting })
    }

    /// The next one. Cancel safe.
    pub async fn next(&mut self) -> Status {
        match self.waiting.recv().await {
            Some(status) => status,
            // The task above lives as long as this receiver.
            None => std::future::pending().await,
        }
    }
}

fn exit(status: Status) -> ! {
    std::process::exit(i32::from(status.code()))
}
