//! Lines from a terminal that can only append, or for somebody who wants no more than that: the terminal's own editing,
//! no history, no hints.

use std::{
    io::{self, BufRead as _, IsTerminal as _, Write as _},
    thread,
};

use tokio::sync::mpsc;

use super::editor::{CONTINUATION, Read};
use crate::language::lines;

/// A thread that waits for lines, as seen from outside.
pub(super) struct PlainReader {
    lines: mpsc::Receiver<io::Result<Vec<u8>>>,
}

impl PlainReader {
    pub(super) fn start() -> Self {
        let (sender, lines) = mpsc::channel(1);
        thread::spawn(move || {
            let mut stdin = io::stdin().lock();
            loop {
                let mut line = Vec::new();
                let read = match stdin.read_until(b'\n', &mut line) {
                    Ok(0) => return,
                    Ok(_) => {
                        line.pop_if(|byte| *byte == b'\n');
                        Ok(line)
                    }
                    Err(error) => Err(error),
                };
                let failed = read.is_err();
                if sender.blocking_send(read).is_err() || failed {
                    return;
                }
            }
        });
        Self { lines }
    }

    /// Cancel safe, apart from the prompt.
    pub(super) async fn read(&mut self, prompt: &str, is_command: bool) -> Read {
        show(prompt);
        let mut whole = Vec::new();
        loop {
            match self.lines.recv().await {
                Some(Ok(line)) => whole.extend_from_slice(&line),
                Some(Err(error)) => return Read::Failed(error.to_string()),
                None => {
                    // The terminal shows nothing for Ctrl-D.
                    show("\n");
                    return Read::End;
                }
            }
            if !is_command || !lines::is_open(&whole) {
                return Read::Line(whole);
            }
            whole.push(b'\n');
            show(CONTINUATION);
        }
    }
}

/// Where somebody looks, and not into the data.
pub(super) fn show(text: &str) {
    // Without a terminal there is nobody to ask.
    let _ = if io::stdout().is_terminal() {
        let mut stdout = io::stdout().lock();
        stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush())
    } else {
        io::stderr().lock().write_all(text.as_bytes())
    };
}
