//! Noticing that the terminal is gone.
//!
//! crossterm's reader spins at full speed after a hang-up that kills nobody (no controlling terminal, SIGHUP ignored by
//! a parent), and the event loop never hears of it. So a thread of our own waits, without cost, for the kernel to say
//! so.

use std::{
    io::{self, PipeReader, PipeWriter},
    os::fd::{AsFd, OwnedFd},
    process,
    sync::Arc,
    thread,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
};
use tokio::sync::Notify;

/// What a shell reports for a process that SIGHUP ended.
pub(super) const HUNG_UP: u8 = 129;
/// The event loop and whoever called it have this long to end in order.
const GRACE: Timespec = Timespec { tv_sec: 5, tv_nsec: 0 };

/// The watching thread; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct Watchdog {
    _stop: PipeWriter,
}

impl Watchdog {
    /// Watches the terminal on standard input; `hung_up` is told, and if nothing follows from that the process ends.
    ///
    /// # Errors
    /// No descriptors or no threads are left.
    pub(super) fn start(hung_up: Arc<Notify>) -> io::Result<Self> {
        let terminal = io::stdin().as_fd().try_clone_to_owned()?;
        let (stopped, stop) = io::pipe()?;
        thread::Builder::new().name("hang-up".to_owned()).spawn(move || {
            if wait(&terminal, &stopped) {
                hung_up.notify_one();
                let mut fds = [PollFd::new(&stopped, PollFlags::empty())];
                if matches!(poll(&mut fds, Some(&GRACE)), Ok(0)) {
                    process::exit(HUNG_UP.into());
                }
            }
        })?;
        Ok(Self { _stop: stop })
    }
}

/// True when the terminal hung up, false when the watch is over.
fn wait(terminal: &OwnedFd, stopped: &PipeReader) -> bool {
    let gone = PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL;
    loop {
        // No events are asked for: only what the kernel reports unasked.
        let mut fds = [PollFd::new(terminal, PollFlags::empty()), PollFd::new(stopped, PollFlags::empty())];
        match poll(&mut fds, None) {
            Err(Errno::INTR) => {}
            Err(_) => return false,
            Ok(_) if fds[1].revents().intersects(gone) => return false,
            Ok(_) if fds[0].revents().intersects(gone) => return true,
            Ok(_) => {}
        }
    }
}
