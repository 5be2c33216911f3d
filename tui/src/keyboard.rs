//! The terminal's keyboard for those who understand UTF-8 only.
//!
//! The line editor ends on a byte that is none, and the full screen's reader takes the next keys for the rest of a
//! character. So both read from a pseudo-terminal that stands in place of stdin, and a thread brings there what is typed,
//! made characters of by [`Decoder`]. While nobody [`listen`]s the terminal has the mode it had before, and what is
//! typed stays in it: Ctrl-C is a signal again.
//!
//! Stdin is the process's, so there is one keyboard. Where no pseudo-terminal is to be had, stdin is read as it is.

use std::{
    io::{self, Write as _},
    os::fd::{AsFd as _, OwnedFd},
    sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError},
    thread,
    time::Duration,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::{Mode, OFlags, fcntl_setfl, open},
    io::Errno,
    process::{Signal, kill_current_process_group},
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{InputModes, LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr},
};

use crate::typed::Decoder;

/// The beginning of a character is taken for one so long. Wrong only in how it is shown: the bytes are the same.
const PATIENCE: Duration = Duration::from_millis(50);
/// Bytes that wait for a reader; the rest waits in the terminal.
const WAITING_MAX: usize = 64 << 10;
const CHUNK: usize = 4096;

static KEYBOARD: OnceLock<Option<Keyboard>> = OnceLock::new();
/// How often this process went on after it had been stopped.
static CONTINUED: (Mutex<u64>, Condvar) = (Mutex::new(0), Condvar::new());

struct Keyboard {
    terminal: OwnedFd,
    /// While somebody listens: the mode the terminal had before.
    before: Mutex<Option<Termios>>,
    /// Wakes the thread up.
    bell: io::PipeWriter,
}

/// The reader's end.
struct Relay {
    /// Of the pseudo-terminal.
    master: OwnedFd,
    bell: io::PipeReader,
    decoder: Decoder,
    waiting: Vec<u8>,
}

/// Puts the pseudo-terminal in place of stdin, if that was not done already.
pub fn install() {
    keyboard();
}

/// The terminal gives every key from now on, to whoever reads stdin.
///
/// # Errors
/// The terminal is gone.
pub fn listen() -> io::Result<()> {
    match keyboard() {
        Some(keyboard) => keyboard.listen(),
        None => Ok(()),
    }
}

/// The terminal has the mode again that it had before [`listen`]; true unless it had it already. From any thread.
pub fn pause() -> bool {
    KEYBOARD.get().is_some_and(|keyboard| keyboard.as_ref().is_some_and(Keyboard::pause))
}

/// Gives the terminal to the shell until it lets this process go on. Blocks; somebody has to tell [`continued`].
///
/// # Errors
/// The terminal is gone.
pub fn suspend() -> io::Result<()> {
    let times = || CONTINUED.0.lock().unwrap_or_else(PoisonError::into_inner);
    let before = *times();
    pause();
    // Not SIGTSTP: in an orphaned process group that one is thrown away. The whole group, as the terminal does it.
    kill_current_process_group(Signal::STOP)?;
    // This thread may run on for a moment, until the signal has reached all of them.
    drop(CONTINUED.1.wait_while(times(), |now| *now == before));
    listen()
}

/// SIGCONT has come.
pub fn continued() {
    *CONTINUED.0.lock().unwrap_or_else(PoisonError::into_inner) += 1;
    CONTINUED.1.notify_all();
}

fn keyboard() -> Option<&'static Keyboard> {
    let installed = KEYBOARD.get_or_init(|| match Keyboard::install() {
        Ok((keyboard, relay)) => {
            // It looks for the keyboard, which is not there before this returns.
            thread::Builder::new().name("keyboard".to_owned()).spawn(move || relay.run()).ok()?;
            Some(keyboard)
        }
        Err(error) => {
            tracing::debug!(%error, "no pseudo-terminal: stdin is read as it is");
            None
        }
    });
    installed.as_ref()
}

impl Keyboard {
    fn install() -> io::Result<(Self, Relay)> {
        let terminal = io::stdin().as_fd().try_clone_to_owned()?;
        let mut mode = tcgetattr(&terminal)?;
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY)?;
        grantpt(&master)?;
        unlockpt(&master)?;
        let name = ptsname(&master, Vec::new())?;
        let reader = open(name, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty())?;
        // With the terminal's own special characters: the line editor asks for them.
        mode.make_raw();
        tcsetattr(&reader, OptionalActions::Now, &mode)?;
        fcntl_setfl(&master, OFlags::NONBLOCK)?;
        let (rung, bell) = io::pipe()?;
        rustix::stdio::dup2_stdin(&reader)?;
        let relay = Relay { master, bell: rung, decoder: Decoder::default(), waiting: Vec::new() };
        Ok((Self { terminal, before: Mutex::new(None), bell }, relay))
    }

    fn before(&self) -> MutexGuard<'_, Option<Termios>> {
        // A mode is there as a whole or not at all.
        self.before.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn listen(&self) -> io::Result<()> {
        let mut before = self.before();
        // Also for who listens already: a shell may have had the terminal meanwhile.
        let mode = tcgetattr(&self.terminal)?;
        let mut keys = mode.clone();
        keys.input_modes -= InputModes::BRKINT
            | InputModes::ICRNL
            | InputModes::INPCK
            | InputModes::ISTRIP
            | InputModes::IXON;
        keys.local_modes -= LocalModes::ECHO | LocalModes::ICANON | LocalModes::IEXTEN | LocalModes::ISIG;
        keys.special_codes[rustix::termios::SpecialCodeIndex::VMIN] = 1;
        keys.special_codes[rustix::termios::SpecialCodeIndex::VTIME] = 0;
        tcsetattr(&self.terminal, OptionalActions::Now, &keys)?;
        before.get_or_insert(mode);
        drop(before);
        (&self.bell).write_all(b"l")
    }

    fn pause(&self) -> bool {
        let Some(mode) = self.before().take() else { return false };
        // A terminal that is gone has no mode to go back to.
        tcsetattr(&self.terminal, OptionalActions::Now, &mode).is_ok()
    }
}

impl Relay {
    /// Ends with the terminal; whoever reads is hung up then.
    fn run(mut self) {
        let Some(keyboard) = KEYBOARD.wait() else { return };
        // Only a terminal that is gone fails.
        while self.step(keyboard).is_ok() {}
    }

    fn step(&mut self, keyboard: &Keyboard) -> Result<(), Errno> {
        let gone = PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL;
        let wants = |wanted: bool, event| if wanted { event } else { PollFlags::empty() };
        let listens = keyboard.before().is_some() && self.waiting.len() < WAITING_MAX;
        let mut fds = [
            PollFd::new(&keyboard.terminal, wants(listens, PollFlags::IN)),
            PollFd::new(&self.bell, PollFlags::IN),
            PollFd::new(&self.master, wants(!self.waiting.is_empty(), PollFlags::OUT)),
        ];
        let patience = Timespec { tv_sec: 0, tv_nsec: PATIENCE.subsec_nanos().into() };
        let ready = match poll(&mut fds, self.decoder.is_waiting().then_some(&patience)) {
            Err(Errno::INTR) => return Ok(()),
            ready => ready?,
        };
        let [typed, rung, _] = fds.map(|fd| fd.revents());
        let mut chunk = [0; CHUNK];
        if rung.intersects(PollFlags::IN) {
            rustix::io::read(&self.bell, &mut chunk)?;
        }
        if ready == 0 {
            self.decoder.flush(&mut self.waiting);
        }
        if typed.intersects(PollFlags::IN) {
            // Held while it is read: without keys there would be a line to wait for.
            let before = keyboard.before();
            if before.is_some() {
                match rustix::io::read(&keyboard.terminal, &mut chunk) {
                    Ok(0) => return Err(Errno::PIPE),
                    Ok(length) => self.decoder.push(&chunk[..length], &mut self.waiting),
                    Err(Errno::INTR | Errno::AGAIN) => {}
                    Err(error) => return Err(error),
                }
            }
        } else if typed.intersects(gone) {
            return Err(Errno::PIPE);
        }
        if !self.waiting.is_empty() {
            match rustix::io::write(&self.master, &self.waiting) {
                Ok(length) => drop(self.waiting.drain(..length)),
                Err(Errno::INTR | Errno::AGAIN) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
