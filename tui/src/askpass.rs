//! A password from the terminal, not shown while it is typed.

use std::io::{self, Write as _};

use crossterm::{
    event::{Event, EventStream, KeyCode, KeyEvent, KeyEventKind, KeyModifiers},
    terminal,
};
use futures::StreamExt as _;

use crate::{session::Status, signals::Signals};

/// Why there is no password.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// There is no terminal, or it is gone.
    #[error("--askpass needs a terminal ({0}); in scripts use REDISCLI_AUTH or --password-file")]
    Terminal(#[from] io::Error),
    /// Ctrl-C, Ctrl-D or a signal.
    #[error("no password was given")]
    GivenUp(Status),
}

/// The terminal shows nothing and hands over every key, Ctrl-C too, until this is dropped.
struct Hidden;

impl Hidden {
    fn begin() -> io::Result<Self> {
        terminal::enable_raw_mode()?;
        Ok(Self)
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        // A terminal that is gone has no mode to go back to.
        let _ = terminal::disable_raw_mode();
        let _ = writeln!(io::stderr());
    }
}

/// What was typed up to the end of the line.
#[derive(Debug, Default)]
struct Typed(String);

impl Typed {
    /// `Some`: it is complete, or given up.
    fn key(&mut self, key: KeyEvent) -> Option<Result<(), Status>> {
        if key.kind == KeyEventKind::Release {
            return None;
        }
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Enter => return Some(Ok(())),
            KeyCode::Char('c') if control => return Some(Err(Status::Interrupted)),
            KeyCode::Char('d') if control && self.0.is_empty() => return Some(Err(Status::Usage)),
            KeyCode::Char('j' | 'm') if control => return Some(Ok(())),
            KeyCode::Char('u') if control => self.0.clear(),
            KeyCode::Char('h') if control => drop(self.0.pop()),
            KeyCode::Backspace => drop(self.0.pop()),
            KeyCode::Char(character) if !control => self.0.push(character),
            _ => {}
        }
        None
    }
}

/// Asks for it. The prompt is on stderr.
///
/// # Errors
/// [`AskError`].
pub async fn ask(user: &str, signals: &mut Signals) -> Result<String, AskError> {
    // First: somebody may type as soon as there is a prompt.
    let _hidden = Hidden::begin()?;
    let mut stderr = io::stderr();
    write!(stderr, "Password of {}: ", crate::language::quote_word(user.as_bytes()))?;
    stderr.flush()?;
    let mut events = EventStream::new();
    let mut typed = Typed::default();
    loop {
        let event = tokio::select! {
            event = events.next() => event.unwrap_or_else(|| Err(io::ErrorKind::UnexpectedEof.into()))?,
            status = signals.next() => return Err(AskError::GivenUp(status)),
        };
        match event {
            Event::Key(key) => match typed.key(key) {
                None => {}
                Some(Ok(())) => return Ok(typed.0),
                Some(Err(status)) => return Err(AskError::GivenUp(status)),
            },
            Event::Paste(text) => typed.0.push_str(text.trim_end_matches(['\r', '\n'])),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(typed: &mut Typed, code: KeyCode, modifiers: KeyModifiers) -> Option<Result<(), Status>> {
        typed.key(KeyEvent::new(code, modifiers))
    }

    #[test]
    fn keys_make_a_line() {
        let mut typed = Typed::default();
        for character in "x\u{e4}y".chars() {
            assert_eq!(press(&mut typed, KeyCode::Char(character), KeyModifiers::NONE), None);
        }
        press(&mut typed, KeyCode::Backspace, KeyModifiers::NONE);
        assert_eq!(press(&mut typed, KeyCode::Enter, KeyModifiers::NONE), Some(Ok(())));
        assert_eq!(typed.0, "x\u{e4}");
        press(&mut typed, KeyCode::Char('u'), KeyModifiers::CONTROL);
        assert_eq!(typed.0, "");
        assert_eq!(
            press(&mut typed, KeyCode::Char('c'), KeyModifiers::CONTROL),
            Some(Err(Status::Interrupted))
        );
        assert_eq!(press(&mut typed, KeyCode::Char('d'), KeyModifiers::CONTROL), Some(Err(Status::Usage)));
    }
}
