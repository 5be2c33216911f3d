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
    thread::{self, ThreadId},
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

use super::{model::Model, view};

/// The screen has the terminal: what a panic has to know, whichever thread it happens on.
static ACTIVE: AtomicBool = AtomicBool::new(false);
static HOOK: Once = Once::new();
/// The thread that draws, and where panics of other threads are reported.
static WATCHED: Mutex<Option<Watched>> = Mutex::new(None);

struct Watched {
    drawing: ThreadId,
    reports: tokio::sync::mpsc::UnboundedSender<String>,
}

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
}

impl Screen {
    /// Takes the terminal over. Panics of other threads go to `reports` as one line each, not over the screen.
    ///
    /// # Errors
    /// Standard output is no terminal, or it cannot be written to.
    pub(super) fn enter(reports: tokio::sync::mpsc::UnboundedSender<String>) -> io::Result<Self> {
        // Whether colours are used is decided by our theme; crossterm's own way loses bold and reverse with NO_COLOR.
        force_color_output(true);
        HOOK.call_once(install_hook);
        *WATCHED.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(Watched { drawing: thread::current().id(), reports });
        let bytes = FrameBytes::default();
        let terminal = Terminal::new(CrosstermBackend::new(bytes.clone()))?;
        let mut screen = Self { terminal, bytes };
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
        enable_raw_mode()?;
        let mut out = Vec::new();
        out.queue(EnterAlternateScreen)?.queue(EnableBracketedPaste)?.queue(EnableFocusChange)?;
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

    /// Columns and rows.
    ///
    /// # Errors
    /// The terminal does not say.
    pub(super) fn size(&self) -> io::Result<(u16, u16)> {
        let size = self.terminal.size()?;
        Ok((size.width, size.height))
    }

    /// Draws the model: what changed, as one write.
    ///
    /// # Errors
    /// The terminal is gone.
    pub(super) fn paint(&mut self, model: &Model) -> io::Result<()> {
        let mut bytes = self.bytes.clone();
        bytes.queue(BeginSynchronizedUpdate)?;
        self.terminal.draw(|frame| view::draw(model, frame))?;
        bytes.queue(EndSynchronizedUpdate)?;
        write_out(&self.bytes.take())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        restore();
        *WATCHED.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
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
    let mut out = Vec::new();
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

/// A panic of the drawing thread gives the terminal back before its message is printed; one of any other thread must
/// not print over the screen, nor end it: it is written to a file and the screen says where.
fn install_hook() {
    let previous = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if !ACTIVE.load(Ordering::SeqCst) {
            return previous(info);
        }
        let report = write_report(info);
        let watched = WATCHED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(watched) = watched.as_ref().filter(|watched| watched.drawing != thread::current().id()) {
            let what = info.payload_as_str().unwrap_or("panic");
            let line = match &report {
                Some(path) => format!("a background task failed: {what}; report in {}", path.display()),
                None => format!("a background task failed: {what}"),
            };
            if watched.reports.send(line).is_ok() {
                return;
            }
        }
        drop(watched);
        restore();
        previous(info);
        if let Some(path) = report {
            eprintln!("report: {}", path.display());
        }
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
    let text = format!("redis_console {version}\n{info}\n\n{}\n", Backtrace::force_capture());
    std::fs::write(&path, text).ok()?;
    Some(path)
}
