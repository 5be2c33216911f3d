//! `replay FILE`: a recording of the full screen, shown again at its own pace or faster.
//!
//! Keys: space holds it still, `q`, `esc` and Ctrl-C leave. What nobody did anything in for long is shortened. Pure: reading the
//! file; the rest is the terminal.

use std::{
    io::{self, IsTerminal as _, Write as _},
    path::Path,
    time::Duration,
};

use futures::StreamExt as _;
use ratatui::crossterm::{
    QueueableCommand as _,
    cursor::Show,
    event::{Event, EventStream, KeyCode, KeyEventKind, KeyModifiers},
    terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode},
};
use serde_json::Value;
use tokio::time::{Instant, sleep_until};

use crate::session::Status;

/// A pause takes no longer than this, before the speed.
const PAUSE_MAX: Duration = Duration::from_secs(3);

/// A recording.
#[derive(Clone, Debug, PartialEq)]
pub struct Recording {
    /// Columns and rows of the terminal at first.
    pub size: (u16, u16),
    /// What happened, in order.
    pub frames: Vec<Frame>,
}

/// Something that happened, and how long after what was before; long pauses are shortened.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    /// Since the one before.
    pub after: Duration,
    /// What it was.
    pub what: What,
}

/// What happens in a recording.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// This was written to the terminal.
    Output(String),
    /// The terminal got another size: columns and rows.
    Size(u16, u16),
}

/// Reads an asciicast of version 2; marks and what was typed are left out.
///
/// # Errors
/// It is none; for the operator.
pub fn read(text: &str) -> Result<Recording, String> {
    let mut lines = text.lines().zip(1..);
    let header = lines.next().and_then(|(line, _)| serde_json::from_str::<Value>(line).ok());
    let number = |name: &str| header.as_ref()?.get(name)?.as_u64();
    if number("version") != Some(2) {
        return Err("it is no recording (an asciicast of version 2 begins with its header)".to_owned());
    }
    let cells = |name: &str, usual| number(name).and_then(|cells| cells.try_into().ok()).unwrap_or(usual);
    let size = (cells("width", 80), cells("height", 24));
    let (mut frames, mut before) = (Vec::new(), 0.0);
    for (line, number) in lines.filter(|(line, _)| !line.trim().is_empty()) {
        // The last line of a program that was killed may be half of one.
        let Ok(Value::Array(event)) = serde_json::from_str::<Value>(line) else {
            if number == text.lines().count() {
                break;
            }
            return Err(format!("line {number} is no event"));
        };
        let [at, kind, data] = event.as_slice() else { return Err(format!("line {number} is no event")) };
        let (Some(at), Some(kind), Some(data)) = (at.as_f64(), kind.as_str(), data.as_str()) else {
            continue;
        };
        let size = || {
            let (columns, rows) = data.split_once('x')?;
            Some(What::Size(columns.parse().ok()?, rows.parse().ok()?))
        };
        let what = match kind {
            "o" => Some(What::Output(data.to_owned())),
            "r" => size(),
            _ => None,
        };
        let Some(what) = what else { continue };
        let after = Duration::try_from_secs_f64((at - before).max(0.0)).unwrap_or(PAUSE_MAX);
        before = at;
        frames.push(Frame { after: after.min(PAUSE_MAX), what });
    }
    Ok(Recording { size, frames })
}

/// Gives the terminal back.
struct Restore;

impl Drop for Restore {
    fn drop(&mut self) {
        let mut out = io::stdout().lock();
        // Nobody is left to tell.
        let _ = out.queue(LeaveAlternateScreen).and_then(|out| out.queue(Show)).and_then(io::Write::flush);
        let _ = disable_raw_mode();
    }
}

fn write(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Shows the recording until it is left.
///
/// # Errors
/// The file is no recording, or standard output no terminal; for the operator.
pub async fn run(path: &Path, speed: f64) -> Result<Status, String> {
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    let recording = read(&text)?;
    if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
        return Err("replay wants a terminal; the file is an asciicast, for other players too".to_owned());
    }
    play(&recording.frames, speed).await.map_err(|error| error.to_string())
}

async fn play(frames: &[Frame], speed: f64) -> io::Result<Status> {
    let _restore = Restore;
    enable_raw_mode()?;
    io::stdout().lock().queue(EnterAlternateScreen)?.flush()?;
    let mut keys = EventStream::new();
    let mut frames = frames.iter().peekable();
    let mut held = false;
    let mut due = Instant::now();
    loop {
        let next = frames.peek().filter(|_| !held);
        tokio::select! { biased;
            key = keys.next() => match key {
                Some(Ok(Event::Key(key))) if key.kind != KeyEventKind::Release => match key.code {
                    KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => {
                        return Ok(Status::Interrupted);
                    }
                    KeyCode::Char('q') | KeyCode::Esc => return Ok(Status::Done),
                    KeyCode::Char(' ') => {
                        held = !held;
                        due = Instant::now();
                    }
                    _ => {}
                },
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Ok(Status::HungUp),
            },
            () = sleep_until(due), if next.is_some() => {
                // This terminal has the size that it has.
                if let Some(Frame { what: What::Output(text), .. }) = frames.next() {
                    write(text)?;
                }
                due += frames.peek().map_or(Duration::ZERO, |frame| frame.after.div_f64(speed));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_is_read_with_its_pauses_and_what_was_cut_off_at_the_end_is_none() {
        let tape = "{\"version\":2,\"width\":80,\"height\":24}\n[0.5,\"o\",\"a\"]\n[0.6,\"r\",\"90x30\"]\n\
                    [1.0,\"o\",\"b\"]\n[3600.0,\"o\",\"c\"]\n[3601.0,\"o";
        let recording = read(tape).unwrap();
        assert_eq!(recording.size, (80, 24));
        let output = |text: &str| What::Output(text.to_owned());
        let frames: Vec<_> =
            recording.frames.into_iter().map(|frame| (frame.what, frame.after.as_millis())).collect();
        let expected =
            [(output("a"), 500), (What::Size(90, 30), 100), (output("b"), 400), (output("c"), 3_000)];
        assert_eq!(frames, expected);
        assert!(read("set a 1\n").unwrap_err().contains("no recording"));
        assert!(read("{\"version\":2}\nx\n[1,\"o\",\"a\"]\n").unwrap_err().contains("line 2"));
    }
}
