//! The terminal while the screen has it: taken over on entering, given back on every way out.

use std::{
    backtrace::Backtrace,
    io::{self, Write},
    panic::{self, PanicHookInfo},
    path::PathBuf,
    sync::{
        Arc, Mutex, Once, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use ratatui::{
    Terminal,
    backend::CrosstermBackend,
    crossterm::{
        QueueableCommand,
        cursor::Show,
        event::{DisableBracketedPaste, DisableFocusChange, EnableBracketedPaste, EnableFocusChange},
        style::force_color_output,
        terminal::{
            BeginSynchronizedUpdate, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen,
            disable_raw_mode, enable_raw_mode,
        },
    },
    layout::Rect,
};

use super::{
    model::Model,
    recent,
    tape::Tape,
    view::{self, Hits, Zone},
};
use crate::{format::json::base64, keyboard};

/// The screen has the terminal: what a panic has to know, whichever thread it happens on.
static ACTIVE: AtomicBool = AtomicBool::new(false);
/// Buttons and wheel, in the form without limits to the size; not every movement: nobody needs to be woken up for those.
const MOUSE_ON: &[u8] = b"\x1b[?1000h\x1b[?1006h";
const MOUSE_OFF: &[u8] = b"\x1b[?1006l\x1b[?1000l";
static HOOK: Once = Once::new();

/// Bytes of a frame, kept together so that a frame is one write.
#[derive(Clone, Debug, Default)]
struct FrameBytes(Arc<Mutex<Vec<u8>>>);

impl FrameBytes {
    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Write for FrameBytes {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    /// The backend flushes in the middle of a frame; [`Screen::paint`] writes at its end.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The terminal in raw mode on its other screen. Dropping it gives the terminal back.
pub(super) struct Screen {
    terminal: Terminal<CrosstermBackend<FrameBytes>>,
    bytes: FrameBytes,
    /// The mouse is ours; else the terminal selects text with it.
    mouse: bool,
    hits: Hits,
    tape: Option<Tape>,
}

impl Screen {
    /// Takes the terminal over.
    ///
    /// # Errors
    /// Standard output is no terminal, or it cannot be written to.
    pub(super) fn enter(mouse: bool, tape: Option<Tape>) -> io::Result<Self> {
        // Whether colours are used is decided by our theme; crossterm's own way loses bold and reverse with NO_COLOR.
        force_color_output(true);
        HOOK.call_once(install_hook);
        let bytes = FrameBytes::default();
        let terminal = Terminal::new(CrosstermBackend::new(bytes.clone()))?;
        let mut screen = Self { terminal, bytes, mouse, hits: Hits::default(), tape };
        screen.resume()?;
        Ok(screen)
    }

    /// Takes the terminal over again after [`Screen::leave`].
    ///
    /// # Errors
    /// The terminal cannot be written to.
    pub(super) fn resume(&mut self) -> io::Result<()> {
        // Set first: half of what follows has to be undone too.
        ACTIVE.store(true, Ordering::SeqCst);
        keyboard::listen()?;
        enable_raw_mode()?;
        let mut out = Vec::new();
        out.queue(EnterAlternateScreen)?.queue(EnableBracketedPaste)?.queue(EnableFocusChange)?;
        if self.mouse {
            out.extend_from_slice(MOUSE_ON);
        }
        write_out(&out)?;
        self.redraw()
    }

    /// Gives the terminal back for a while.
    pub(super) fn leave(&mut self) {
        restore();
    }

    /// Forgets what the terminal shows: the next frame writes every cell.
    ///
    /// # Errors
    /// The terminal cannot be asked for its size.
    pub(super) fn redraw(&mut self) -> io::Result<()> {
        // `clear` asks the terminal where its cursor is and fails when it does not say; resizing only wipes.
        let size = self.terminal.size()?;
        self.terminal.resize(Rect::new(0, 0, size.width, size.height))
    }

    /// Gives a text to the terminal's clipboard (OSC 52); terminals that do not allow it ignore it.
    ///
    /// # Errors
    /// The terminal is gone.
    pub(super) fn copy(&mut self, text: &str) -> io::Result<()> {
        write_out(format!("\x1b]52;c;{}\x07", base64(text.as_bytes())).as_bytes())
    }

    /// Columns and rows.
    ///
    /// # Errors
    /// The terminal does not say.
    pub(super) fn size(&self) -> io::Result<(u16, u16)> {
        let size = self.terminal.size()?;
        Ok((size.width, size.height))
    }

    /// What the last frame has at a place.
    pub(super) fn zone_at(&self, column: u16, row: u16) -> Option<Zone> {
        self.hits.at(column, row)
    }

    /// Draws the model: what changed, as one write.
    ///
    /// # Errors
    /// The terminal is gone.
    /// A recording that cannot go on ends; why is told once.
    pub(super) fn paint(&mut self, model: &Model) -> io::Result<Option<io::Error>> {
        let mut bytes = self.bytes.clone();
        bytes.queue(BeginSynchronizedUpdate)?;
        let hits = &mut self.hits;
        self.terminal.draw(|frame| *hits = view::draw(model, frame))?;
        bytes.queue(EndSynchronizedUpdate)?;
        let frame = self.bytes.take();
        write_out(&frame)?;
        let trouble = self.tape.as_mut().and_then(|tape| tape.frame(model.size, &frame).err());
        if trouble.is_some() {
            self.tape = None;
        }
        Ok(trouble)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        restore();
    }
}

/// Columns and rows of the terminal that standard output is.
///
/// # Errors
/// It is none.
pub(super) fn size() -> io::Result<(u16, u16)> {
    ratatui::crossterm::terminal::size()
}

fn write_out(bytes: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)?;
    out.flush()
}

/// Gives the terminal back; any number of times, from any thread. Errors are ignored: there is nobody left to tell.
pub(super) fn restore() {
    if !ACTIVE.swap(false, Ordering::SeqCst) {
        return;
    }
    // First: what is typed as soon as the shell's screen is there again is for the shell.
    keyboard::pause();
    let mut out = MOUSE_OFF.to_vec();
    let queued = (|| -> io::Result<()> {
        out.queue(EndSynchronizedUpdate)?
            .queue(DisableFocusChange)?
            .queue(DisableBracketedPaste)?
            .queue(LeaveAlternateScreen)?
            .queue(Show)?;
        Ok(())
    })();
    let _ = queued.and_then(|()| write_out(&out));
    let _ = disable_raw_mode();
}

/// A panic of any thread gives the terminal back and says where the report is before its message is printed and the process
/// ends ([`redis_cluster::server::abort_on_panic`]): behind the screen there may be a whole cluster.
fn install_hook() {
    let previous = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if ACTIVE.load(Ordering::SeqCst) {
            let report = write_report(info);
            restore();
            if let Some(path) = report {
                eprintln!("report: {}", path.display());
            }
        }
        previous(info);
    }));
}

/// Writes what is known of a panic where state belongs; `None` if that is not possible.
fn write_report(info: &PanicHookInfo<'_>) -> Option<PathBuf> {
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/state"));
    let state = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from).or_else(home)?;
    let directory = state.join("redis_console");
    std::fs::create_dir_all(&directory).ok()?;
    let path = directory.join(format!("crash-{}.txt", redis_cluster::time::Millis::now().0));
    let version = env!("CARGO_PKG_VERSION");
    let text = format!(
        "redis_console {version}\n{info}\n\n{}\n\nlast events, milliseconds since 1970:\n{}",
        Backtrace::force_capture(),
        recent::report()
    );
    std::fs::write(&path, text).ok()?;
    Some(path)
}

#[cfg(test)]
mod tests {
    use std::thread;

    use portable_pty::{CommandBuilder, PtySize, native_pty_system};

    use super::*;

    /// Tells the child of a test which panic is wanted.
    const WANTED: &str = "REDIS_CONSOLE_TEST_PANIC";

    /// Not a test by itself: what the tests below run in a process and a terminal of its own.
    #[test]
    fn child() {
        let Ok(wanted) = std::env::var(WANTED) else { return };
        redis_cluster::server::abort_on_panic();
        let _screen = Screen::enter(true, None).unwrap();
        recent::note(&super::super::event::Event::Interrupt, redis_cluster::time::Millis(7));
        if wanted == "drawing" {
            panic!("boom while drawing");
        }
        let ended = thread::spawn(|| panic!("boom behind the screen")).join();
        unreachable!("the process has ended before: {ended:?}");
    }

    /// What such a child wrote, its exit status, and the reports it left; its terminal is as it was.
    fn panics(wanted: &str) -> (String, u32, Vec<String>) {
        let state = tempfile::tempdir().unwrap();
        let pair = native_pty_system().openpty(PtySize { rows: 24, cols: 80, ..PtySize::default() }).unwrap();
        let settings = || format!("{:?}", pair.master.get_termios());
        let before = settings();
        let mut command = CommandBuilder::new(std::env::current_exe().unwrap());
        command.args(["--exact", "--nocapture", "screen::terminal::tests::child"]);
        command.env(WANTED, wanted);
        command.env("XDG_STATE_HOME", state.path());
        let mut child = pair.slave.spawn_command(command).unwrap();
        let mut reader = pair.master.try_clone_reader().unwrap();
        let written = thread::spawn(move || {
            let mut written = Vec::new();
            // A terminal whose last user has gone reads as an error.
            let _ = io::Read::read_to_end(&mut reader, &mut written);
            String::from_utf8_lossy(&written).into_owned()
        });
        let status = child.wait().unwrap().exit_code();
        assert_eq!(settings(), before);
        drop(pair);
        let reports = std::fs::read_dir(state.path().join("redis_console")).unwrap();
        let reports = reports.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap()).collect();
        (written.join().unwrap(), status, reports)
    }

    fn the_terminal_is_given_back_first(wanted: &str, words: &str) -> u32 {
        let (written, status, reports) = panics(wanted);
        let back = written.find("\x1b[?1049l").expect("the terminal was given back");
        let spoke = written.find(words).expect("the panic is told");
        assert!(back < spoke, "{written:?}");
        for mode in ["1049", "2004", "1004", "1000", "1006"] {
            assert_eq!(written.matches(&format!("\x1b[?{mode}h")).count(), 1, "{mode}: {written:?}");
            assert_eq!(written.matches(&format!("\x1b[?{mode}l")).count(), 1, "{mode}: {written:?}");
        }
        assert!(written.contains("report: "), "{written:?}");
        let tells = |report: &String| report.contains(words) && report.contains("\n7 interrupt\n");
        assert!(matches!(&reports[..], [report] if tells(report)), "{reports:?}");
        status
    }

    #[test]
    fn a_panic_while_drawing_gives_the_terminal_back_before_it_speaks() {
        assert_ne!(the_terminal_is_given_back_first("drawing", "boom while drawing"), 0);
    }

    #[test]
    fn a_panic_behind_the_screen_ends_the_process_and_gives_the_terminal_back() {
        assert_ne!(the_terminal_is_given_back_first("behind", "boom behind the screen"), 0);
    }
}
