//! A password from the terminal, byte for byte, not shown while it is typed.

use std::{
    fs::File,
    io::{self, IsTerminal as _, Write as _},
    os::fd::{AsFd as _, OwnedFd},
};

use rustix::{
    io::Errno,
    termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr},
};

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
struct Hidden {
    terminal: OwnedFd,
    before: Termios,
}

impl Hidden {
    /// Stdin, or the terminal of the session where stdin is something else.
    fn begin() -> io::Result<Self> {
        let stdin = io::stdin();
        let terminal = match stdin.is_terminal() {
            true => stdin.as_fd().try_clone_to_owned()?,
            false => File::options().read(true).write(true).open("/dev/tty")?.into(),
        };
        let before = tcgetattr(&terminal)?;
        let mut hidden = before.clone();
        hidden.local_modes -= LocalModes::ECHO | LocalModes::ICANON | LocalModes::IEXTEN | LocalModes::ISIG;
        hidden.special_codes[rustix::termios::SpecialCodeIndex::VMIN] = 1;
        hidden.special_codes[rustix::termios::SpecialCodeIndex::VTIME] = 0;
        tcsetattr(&terminal, OptionalActions::Now, &hidden)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        // A terminal that is gone has no mode to go back to.
        let _ = tcsetattr(&self.terminal, OptionalActions::Now, &self.before);
        let _ = writeln!(io::stderr());
    }
}

/// What was typed up to the end of the line.
#[derive(Debug, Default)]
struct Typed(Vec<u8>);

impl Typed {
    /// `Some`: it is complete, or given up.
    fn byte(&mut self, byte: u8) -> Option<Result<(), Status>> {
        match byte {
            b'\r' | b'\n' => return Some(Ok(())),
            0x03 => return Some(Err(Status::Interrupted)),
            0x04 if self.0.is_empty() => return Some(Err(Status::Usage)),
            0x15 => self.0.clear(),
            0x08 | 0x7f => self.rub_out(),
            // Other keys than those of characters.
            0x00..0x20 => {}
            byte => self.0.push(byte),
        }
        None
    }

    /// The last character; what is none is bytes.
    fn rub_out(&mut self) {
        let length = self.0.utf8_chunks().last().map_or(0, |chunk| match chunk.invalid() {
            [] => chunk.valid().chars().next_back().map_or(0, char::len_utf8),
            _ => 1,
        });
        self.0.truncate(self.0.len() - length);
    }
}

/// Reads up to the end of the line and nothing beyond it.
fn read(terminal: &OwnedFd) -> Result<Vec<u8>, AskError> {
    let mut typed = Typed::default();
    loop {
        let mut byte = [0];
        match rustix::io::read(terminal, &mut byte) {
            Ok(0) => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
            Ok(_) => match typed.byte(byte[0]) {
                None => {}
                Some(Ok(())) => return Ok(typed.0),
                Some(Err(status)) => return Err(AskError::GivenUp(status)),
            },
            Err(Errno::INTR) => {}
            Err(error) => return Err(io::Error::from(error).into()),
        }
    }
}

/// Asks for it. The prompt is on stderr.
///
/// # Errors
/// [`AskError`].
pub async fn ask(user: &str, signals: &mut Signals) -> Result<Vec<u8>, AskError> {
    // First: somebody may type as soon as there is a prompt.
    let hidden = Hidden::begin()?;
    let mut stderr = io::stderr();
    write!(stderr, "Password of {}: ", crate::language::quote_word(user.as_bytes()))?;
    stderr.flush()?;
    let terminal = hidden.terminal.try_clone()?;
    // Nobody waits for this thread: after a signal the program ends.
    let reading = tokio::task::spawn_blocking(move || read(&terminal));
    tokio::select! {
        read = reading => read.unwrap_or_else(|error| Err(io::Error::other(error).into())),
        status = signals.next() => Err(AskError::GivenUp(status)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_make_a_line() {
        let mut typed = Typed::default();
        for &byte in "x\u{e4}y\u{7f}".as_bytes() {
            assert_eq!(typed.byte(byte), None);
        }
        assert_eq!(typed.byte(b'\r'), Some(Ok(())));
        assert_eq!(typed.0, "x\u{e4}".as_bytes());
        typed.byte(0x7f);
        assert_eq!(typed.0, b"x");
        typed.byte(0x15);
        assert_eq!(typed.0, b"");
        assert_eq!(typed.byte(0x03), Some(Err(Status::Interrupted)));
        assert_eq!(typed.byte(0x04), Some(Err(Status::Usage)));
    }

    #[test]
    fn bytes_stay_and_are_rubbed_out_one_by_one() {
        let mut typed = Typed::default();
        for &byte in b"\xe9a\xc3\xff\x7f" {
            typed.byte(byte);
        }
        assert_eq!(typed.0, b"\xe9a\xc3");
        typed.byte(0x08);
        assert_eq!(typed.0, b"\xe9a");
    }
}
