//! A program in a pseudo-terminal, with a terminal emulator at the other end: type, look, wait for what appears.

use std::{
    io::{Read as _, Write as _},
    num::NonZeroU16,
    sync::{Arc, Condvar, Mutex},
    thread,
    time::{Duration, Instant},
};

use portable_pty::{Child, CommandBuilder, ExitStatus, MasterPty, PtySize, native_pty_system};

/// Longer than anything takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

struct Shared {
    parser: vt100::Parser,
    raw: Vec<u8>,
    ended: bool,
}

/// The program and its terminal.
pub(crate) struct Pty {
    master: Box<dyn MasterPty + Send>,
    input: Box<dyn std::io::Write + Send>,
    child: Box<dyn Child + Send + Sync>,
    shared: Arc<(Mutex<Shared>, Condvar)>,
}

fn cells(size: u16) -> NonZeroU16 {
    NonZeroU16::new(size.max(2)).unwrap()
}

impl Pty {
    /// Starts a program on a terminal of this size.
    pub(crate) fn start(command: CommandBuilder, columns: u16, rows: u16) -> Self {
        let size = PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).unwrap();
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let parser = vt100::Parser::new(cells(rows), cells(columns), 0);
        let shared = Arc::new((Mutex::new(Shared { parser, raw: Vec::new(), ended: false }), Condvar::new()));
        let mut output = pair.master.try_clone_reader().unwrap();
        let input = pair.master.take_writer().unwrap();
        let sink = Arc::clone(&shared);
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            loop {
                let read = output.read(&mut bytes).unwrap_or(0);
                // Poisoned by a test that failed while it looked.
                let Ok(mut shared) = sink.0.lock() else { return };
                shared.parser.process(&bytes[..read]);
                shared.raw.extend_from_slice(&bytes[..read]);
                shared.ended = read == 0;
                sink.1.notify_all();
                if read == 0 {
                    return;
                }
            }
        });
        Self { master: pair.master, input, child, shared }
    }

    /// Waits until the screen is as it should be.
    #[track_caller]
    pub(crate) fn wait(&self, what: &str, mut is_so: impl FnMut(&vt100::Screen) -> bool) -> String {
        let deadline = Instant::now() + PATIENCE;
        let (lock, changed) = &*self.shared;
        let mut shared = lock.lock().unwrap();
        loop {
            if is_so(shared.parser.screen()) {
                return shared.parser.screen().contents();
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "no {what} on\n{}", shared.parser.screen().contents());
            assert!(
                !shared.ended,
                "the program ended without {what}:\n{}",
                shared.parser.screen().contents()
            );
            shared = changed.wait_timeout(shared, left).unwrap().0;
        }
    }

    /// Waits for a text anywhere on the screen.
    #[track_caller]
    pub(crate) fn wait_text(&self, text: &str) -> String {
        self.wait(&format!("{text:?}"), |screen| screen.contents().contains(text))
    }

    /// Waits until a line editor waits too. Before that the terminal still edits lines itself, and Ctrl-D would be lost.
    #[track_caller]
    pub(crate) fn wait_prompt(&self) {
        self.wait("an empty prompt", |screen| {
            let text = screen.contents();
            text.lines()
                .rfind(|line| !line.trim().is_empty())
                .is_some_and(|line| line.trim_end() == "default>")
        });
    }

    /// Where the cursor is: row and column.
    pub(crate) fn cursor(&self) -> (u16, u16) {
        self.shared.0.lock().unwrap().parser.screen().cursor_position()
    }

    /// Types.
    pub(crate) fn send(&mut self, text: &str) {
        self.send_bytes(text.as_bytes());
    }

    /// Types what no UTF-8 says.
    pub(crate) fn send_bytes(&mut self, bytes: &[u8]) {
        self.input.write_all(bytes).unwrap();
        self.input.flush().unwrap();
    }

    /// Pastes, on a terminal that marks what is pasted.
    pub(crate) fn paste(&mut self, text: &str) {
        self.send(&format!("\x1b[200~{text}\x1b[201~"));
    }

    /// Another size, for the program and for the emulator.
    pub(crate) fn resize(&mut self, columns: u16, rows: u16) {
        self.shared.0.lock().unwrap().parser.screen_mut().set_size(cells(rows), cells(columns));
        let size = PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 };
        self.master.resize(size).unwrap();
    }

    /// Ends the program with a signal.
    pub(crate) fn signal(&self, signal: &str) {
        let pid = self.pid().to_string();
        assert!(std::process::Command::new("kill").args(["-s", signal, &pid]).status().unwrap().success());
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.process_id().unwrap()
    }

    /// Waits for the end of the program.
    #[track_caller]
    pub(crate) fn end(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "the program does not end");
            thread::yield_now();
        }
    }

    /// Everything the program wrote, for what an emulator does not show.
    pub(crate) fn raw(&self) -> String {
        String::from_utf8_lossy(&self.shared.0.lock().unwrap().raw).into_owned()
    }
}

impl Drop for Pty {
    fn drop(&mut self) {
        // Already gone in most tests.
        let _ = self.child.kill();
    }
}
