//! Where a face without a screen writes: data to stdout, messages to stderr.

use std::io::{self, IsTerminal as _, Write as _};

use crate::{
    format::{Form, Formatter, harmless, json},
    session::{Body, Outcome, Status},
};

/// Data waits here until so many bytes are together, or somebody waits for them.
const BUFFER: usize = 64 << 10;

/// A reply that took so long says so to people, as in redis-cli.
const SLOW: std::time::Duration = std::time::Duration::from_millis(500);

/// Data to stdout, messages to stderr.
#[derive(Debug)]
pub struct Output {
    /// How replies are written.
    pub formatter: Formatter,
    /// Nothing is ever redrawn.
    pub plain: bool,
    waiting: Vec<u8>,
    live: bool,
}

impl Output {
    /// Nothing written yet.
    #[must_use]
    pub fn new(formatter: Formatter) -> Self {
        Self { formatter, plain: false, waiting: Vec::new(), live: false }
    }

    /// Writes a command's outcome. With a `line` it is of a script: every command gives something on stdout, so that
    /// replies and lines stay aligned. Notes go to stderr.
    ///
    /// # Errors
    /// When stdout cannot be written.
    pub fn outcome(&mut self, outcome: &Outcome, line: Option<u64>) -> Result<(), Status> {
        let (formatter, out) = (&self.formatter, &mut self.waiting);
        match &outcome.body {
            Body::Nothing => {}
            Body::Reply(value) => formatter.reply(out, value, outcome.verbatim, line),
            Body::Table(table) => formatter.table(out, table),
            Body::Text(text) => match formatter.form {
                Form::Json | Form::QuotedJson => {
                    json::text_of(out, text.trim_end());
                    out.push(b'\n');
                }
                Form::Tty | Form::Raw | Form::Csv => {
                    out.extend_from_slice(harmless::text(text.as_bytes()).as_bytes());
                }
            },
            Body::Document(document) => formatter.document(out, document),
            Body::Failure(text) => match (line, formatter.form) {
                (_, Form::Json | Form::QuotedJson) => {
                    json::error(out, text, line);
                    out.push(b'\n');
                }
                (Some(_), _) => {
                    let reply = redis_cluster::protocol::Value::Error(format!("ERR {text}").into());
                    formatter.reply(out, &reply, false, line);
                }
                (None, _) => {}
            },
        }
        let is_reply = matches!(outcome.body, Body::Reply(_));
        if is_reply && formatter.form == Form::Tty && outcome.took >= SLOW {
            out.extend_from_slice(format!("({:.2}s)\n", outcome.took.as_secs_f64()).as_bytes());
        }
        if line.is_none()
            && let Body::Failure(text) = &outcome.body
        {
            self.message(text);
        }
        for note in &outcome.notes {
            self.message(note);
        }
        if self.waiting.len() >= BUFFER { self.flush() } else { Ok(()) }
    }

    /// Writes a line of text to stdout: its bytes, or for people what of them may reach a terminal.
    ///
    /// # Errors
    /// When stdout cannot be written.
    pub fn line(&mut self, bytes: &[u8]) -> Result<(), Status> {
        match self.formatter.form {
            Form::Tty => self.waiting.extend_from_slice(harmless::line(bytes).as_bytes()),
            Form::Raw | Form::Csv | Form::Json | Form::QuotedJson => self.waiting.extend_from_slice(bytes),
        }
        self.waiting.push(b'\n');
        if self.waiting.len() >= BUFFER { self.flush() } else { Ok(()) }
    }

    /// An empty screen, where there is one.
    pub fn clear(&mut self) {
        if self.formatter.form == Form::Tty && !self.plain && io::stdout().is_terminal() {
            // The screen, what has scrolled off it, and the cursor to its corner.
            self.waiting.extend_from_slice(b"\x1b[H\x1b[2J\x1b[3J");
        }
    }

    /// Everything written so far reaches whoever reads.
    ///
    /// # Errors
    /// [`Status::BrokenPipe`] when nobody does any more.
    pub fn flush(&mut self) -> Result<(), Status> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        self.end_live();
        let mut stdout = io::stdout().lock();
        let written = stdout.write_all(&self.waiting).and_then(|()| stdout.flush());
        self.waiting.clear();
        // What is kept for the next time should not be as big as the biggest reply.
        self.waiting.shrink_to(BUFFER);
        written.map_err(|error| {
            if error.kind() == io::ErrorKind::BrokenPipe {
                Status::BrokenPipe
            } else {
                self.message(&format!("cannot write: {error}"));
                Status::ErrorReply
            }
        })
    }

    /// A line for the operator.
    pub fn message(&mut self, text: &str) {
        self.end_live();
        // Without a stderr there is nobody to tell.
        let _ = writeln!(io::stderr().lock(), "{}", harmless::text(text.as_bytes()));
    }

    /// Whether [`Output::live`] makes sense: somebody looks at stderr, and it can be redrawn.
    #[must_use]
    pub fn can_redraw(&self) -> bool {
        !self.plain && io::stderr().is_terminal()
    }

    /// A line for the operator that the next one replaces; only where [`Output::can_redraw`].
    pub fn live(&mut self, text: &str) {
        let _ = write!(io::stderr().lock(), "\r\x1b[K{}", harmless::line(text.as_bytes()));
        self.live = true;
    }

    fn end_live(&mut self) {
        if std::mem::take(&mut self.live) {
            let _ = write!(io::stderr().lock(), "\r\x1b[K");
        }
    }
}
