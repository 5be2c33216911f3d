//! The thread that edits lines.

use std::{
    io::{self, Write as _},
    os::unix::fs::DirBuilderExt as _,
    path::Path,
    thread,
};

use rustyline::{
    Cmd, ColorMode, CompletionType, ConditionalEventHandler, Config, Editor as LineEditor, Event,
    EventContext, EventHandler, ExternalPrinter, KeyEvent, RepeatCount, error::ReadlineError,
    history::FileHistory,
};
use tokio::sync::{mpsc, oneshot};

use super::helper::Helper;
use crate::{assist::is_secret, format::harmless, keyboard, language::lines, paths, session::Session, typed};

/// The prompt while a quote is open.
pub(super) const CONTINUATION: &str = "...> ";

/// Lines that are kept.
const HISTORY_MAX: usize = 10_000;

/// What was typed.
#[derive(Debug)]
pub(super) enum Read {
    Line(Vec<u8>),
    /// Ctrl-D.
    End,
    /// Ctrl-C.
    Interrupted,
    Failed(String),
}

struct Request {
    prompt: String,
    /// Answers to questions are not.
    is_command: bool,
    answer: oneshot::Sender<Read>,
}

/// The thread, as seen from outside.
pub(super) struct Editor {
    requests: mpsc::Sender<Request>,
    printer: Option<Box<dyn ExternalPrinter + Send>>,
}

/// A boxed printer is a printer.
pub(super) struct Printer(Box<dyn ExternalPrinter + Send>);

impl ExternalPrinter for Printer {
    /// Lines; what they say comes from others.
    fn print(&mut self, text: String) -> rustyline::Result<()> {
        self.0.print(harmless::text(text.as_bytes()).into_owned())
    }
}

/// Ctrl-Z: the shell gets the terminal in the mode it had, and the line is there again afterwards.
struct Suspend;

impl ConditionalEventHandler for Suspend {
    fn handle(&self, _: &Event, _: RepeatCount, _: bool, _: &EventContext<'_>) -> Option<Cmd> {
        // Without a terminal there is nobody to give it to: the line editor finds that out by itself.
        let show = |marks: &[u8]| io::stdout().write_all(marks).and_then(|()| io::stdout().flush());
        let _ = show(b"\x1b[?2004l").and_then(|()| keyboard::suspend()).and_then(|()| show(b"\x1b[?2004h"));
        Some(Cmd::Repaint)
    }
}

/// rustyline, as it is used here.
type Lines = LineEditor<Helper, FileHistory>;

impl Editor {
    pub(super) fn start(session: Session, no_color: bool) -> rustyline::Result<Self> {
        let no_color = no_color || std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let config = Config::builder()
            .max_history_size(HISTORY_MAX)?
            .history_ignore_dups(true)?
            .history_ignore_space(true)
            .auto_add_history(false)
            .completion_type(CompletionType::List)
            .completion_show_all_if_ambiguous(true)
            .color_mode(if no_color { ColorMode::Disabled } else { ColorMode::Enabled })
            .build();
        // The line editor remembers what stdin is.
        keyboard::install();
        let mut editor: Lines = LineEditor::with_config(config)?;
        editor.bind_sequence(KeyEvent::ctrl('Z'), EventHandler::Conditional(Box::new(Suspend)));
        editor.set_helper(Some(Helper {
            session,
            runtime: tokio::runtime::Handle::current(),
            continues: false,
        }));
        let history = paths::history_file();
        if let Some(file) = &history {
            // One that is not there yet is an empty one.
            let _ = editor.load_history(file);
        }
        let printer = editor.create_external_printer().ok();
        let (requests, mut incoming) = mpsc::channel::<Request>(1);
        thread::spawn(move || {
            while let Some(request) = incoming.blocking_recv() {
                let line = keyboard::listen()
                    .map_err(ReadlineError::from)
                    .and_then(|()| read(&mut editor, &request));
                keyboard::pause();
                let read = match line {
                    Ok(line) => {
                        for command in lines::commands(&line).into_iter().filter(|_| request.is_command) {
                            remember(&mut editor, history.as_deref(), command);
                        }
                        Read::Line(line)
                    }
                    Err(ReadlineError::Eof) => Read::End,
                    Err(ReadlineError::Interrupted) => Read::Interrupted,
                    Err(error) => Read::Failed(error.to_string()),
                };
                if request.answer.send(read).is_err() {
                    return;
                }
            }
        });
        Ok(Self {
            requests,
            printer: printer.map(|printer| Box::new(printer) as Box<dyn ExternalPrinter + Send>),
        })
    }

    /// For what happens while a line is edited; once.
    pub(super) fn printer(&mut self) -> Option<Printer> {
        self.printer.take().map(Printer)
    }

    pub(super) async fn read(&mut self, prompt: &str, is_command: bool) -> Read {
        let (answer, read) = oneshot::channel();
        let request = Request { prompt: prompt.to_owned(), is_command, answer };
        if self.requests.send(request).await.is_err() {
            return Read::Failed("the line editor has ended".to_owned());
        }
        read.await.unwrap_or_else(|_| Read::Failed("the line editor has ended".to_owned()))
    }
}

/// One command, or those of a paste: a line, and those after it as long as a quote is open.
fn read(editor: &mut Lines, request: &Request) -> rustyline::Result<Vec<u8>> {
    let mut line = typed::bytes(&editor.readline(&request.prompt)?).into_owned();
    while request.is_command && lines::is_open(&line) {
        continues(editor, true);
        let more = editor.readline(CONTINUATION);
        continues(editor, false);
        line.push(b'\n');
        line.extend_from_slice(&typed::bytes(&match more {
            // The end of half a command is none of the console.
            Err(ReadlineError::Eof) => return Err(ReadlineError::Interrupted),
            more => more?,
        }));
    }
    Ok(line)
}

fn continues(editor: &mut Lines, it_does: bool) {
    if let Some(helper) = editor.helper_mut() {
        helper.continues = it_does;
    }
}

/// Keeps a line for the arrow keys and for later sessions, unless it holds a password.
fn remember(editor: &mut Lines, file: Option<&Path>, line: &[u8]) {
    let line = lines::on_one_line(line);
    let line = String::from_utf8_lossy(&line);
    if line.trim().is_empty() || is_secret(&line) {
        return;
    }
    // A full disk or a read-only home costs the history, not the session.
    let _ = editor.add_history_entry(line.as_ref());
    if let Some(file) = file
        && make_directory(file).is_ok()
    {
        let _ = editor.append_history(file);
    }
}

/// For the owner only.
fn make_directory(file: &Path) -> io::Result<()> {
    match file.parent() {
        Some(directory) => std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory),
        None => Ok(()),
    }
}
