//! The line editor: history, completion, hints, and a question before membership changes.
//!
//! rustyline blocks, so it has a thread of its own ([`editor`]); everything else stays here. Where nothing may be redrawn
//! the terminal's own editing has to do ([`plain`]). Ctrl-C while a command runs gives that command up and nothing else.

mod editor;
mod helper;
mod plain;

use std::{
    collections::VecDeque,
    io::{self, Write as _},
    panic,
    time::{Duration, Instant},
};

use rustix::process::Signal;
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    arguments::Arguments,
    assist::is_secret,
    format::{counted, harmless},
    keyboard,
    language::{Command, Conflict, Directive, Operator, PlanRequest, lines},
    runner::{Next, Runner, syntax_error},
    script::{self, Source},
    session::{ClusterView, Session, Status, view::EventKind},
    signals::Signals,
};
use editor::{Editor, Read};
use plain::PlainReader;

/// Lines that wait, shown when the one before them is given up.
const LINES_SHOWN: usize = 10;
/// A second Ctrl-C within this time leaves.
const TWICE: Duration = Duration::from_secs(2);

/// What reads lines.
enum Reader {
    Edited(Editor),
    Plain(PlainReader),
}

impl Reader {
    async fn read(&mut self, prompt: &str, is_command: bool) -> Read {
        match self {
            Self::Edited(editor) => editor.read(prompt, is_command).await,
            Self::Plain(reader) => reader.read(prompt, is_command).await,
        }
    }
}

/// The terminal is as it was when this is dropped: a signal ends the console in the middle of a line too. So does a panic, which
/// ends the process without dropping anything.
struct TerminalMode;

impl TerminalMode {
    fn keep() -> Self {
        let previous = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            Self::restore();
            previous(info);
        }));
        Self
    }

    fn restore() {
        if keyboard::pause() {
            // Below the line, and without the marks around what is pasted.
            let _ = io::stdout().write_all(b"\x1b[?2004l\r\n").and_then(|()| io::stdout().flush());
        }
    }
}

impl Drop for TerminalMode {
    fn drop(&mut self) {
        Self::restore();
    }
}

/// Reads and runs lines until the operator leaves. `plain`: with nothing but whole lines.
pub async fn run(mut runner: Runner, arguments: &Arguments, plain: bool, signals: &mut Signals) -> Status {
    let session = runner.session.clone();
    session.stream_figures();
    runner.record_lines();
    let mut printer = None;
    let continued = match signal(SignalKind::from_raw(Signal::CONT.as_raw())) {
        Ok(signal) => signal,
        Err(error) => {
            runner.output.message(&format!("redis_console: cannot listen for signals: {error}"));
            return Status::ErrorReply;
        }
    };
    let continued = tokio::spawn(tell_continued(continued));
    let mut reader = if plain {
        Reader::Plain(PlainReader::start())
    } else {
        match Editor::start(session.clone(), arguments.typed.no_color) {
            Ok(mut editor) => {
                printer = editor.printer();
                Reader::Edited(editor)
            }
            Err(error) => {
                runner.output.message(&format!("redis_console: no line editor: {error}"));
                return Status::ErrorReply;
            }
        }
    };
    tokio::select! {
        looked = session.first_look() => if let Err(error) = looked { runner.output.message(&error.to_string()) },
        _ = signals.next() => {}
    }
    let _restored = (!plain).then(TerminalMode::keep);
    let news = printer.map(|printer| tokio::spawn(tell_news(session.clone(), printer)));
    let status = talk(&mut runner, arguments, signals, &mut reader).await;
    if let Some(news) = news {
        news.abort();
    }
    continued.abort();
    match (status, runner.output.flush()) {
        (_, Err(status)) | (Err(status), Ok(())) | (Ok(status), Ok(())) => status,
    }
}

async fn talk(
    runner: &mut Runner,
    arguments: &Arguments,
    signals: &mut Signals,
    reader: &mut Reader,
) -> Result<Status, Status> {
    // Commands of one paste, run one after the other.
    let mut waiting: VecDeque<Vec<u8>> = VecDeque::new();
    let mut interrupted: Option<Instant> = None;
    let mut told = runner.session.now().events.total();
    loop {
        let prompt = prompt(&arguments.typed.cluster, runner.session.database());
        let is_plain = matches!(reader, Reader::Plain(_));
        if is_plain {
            // Nothing may come between the prompt and what is typed.
            for line in news(&runner.session.now(), &mut told) {
                runner.output.message(&line);
            }
        }
        let read = if let Some(line) = waiting.pop_front() {
            runner.output.flush()?;
            plain::show(&format!("{prompt}{}\n", harmless::line(&lines::on_one_line(&line))));
            Read::Line(line)
        } else {
            let reading = reader.read(&prompt, true);
            tokio::pin!(reading);
            loop {
                let status = tokio::select! {
                    read = &mut reading => break read,
                    status = signals.next() => status,
                };
                match status {
                    // The terminal has dropped the line already.
                    Status::Interrupted if is_plain => {
                        plain::show("\n");
                        break Read::Interrupted;
                    }
                    // A key to the line editor: this one came before it was ready, or from elsewhere.
                    Status::Interrupted if interrupted.is_none_or(|before| before.elapsed() >= TWICE) => {
                        interrupted = Some(Instant::now());
                    }
                    status => return Ok(status),
                }
            }
        };
        let line = match read {
            Read::Line(text) => {
                let mut commands = lines::commands(&text).into_iter().map(<[u8]>::to_vec);
                match (commands.next(), commands.len()) {
                    (None, _) => continue,
                    (Some(line), 0) => line,
                    (Some(line), _) => {
                        waiting.push_back(line);
                        waiting.extend(commands);
                        continue;
                    }
                }
            }
            // Nobody can be asked where input has ended for good.
            Read::End if is_plain || may_leave(runner, arguments, reader).await => return Ok(Status::Done),
            Read::End => continue,
            Read::Interrupted if interrupted.is_some_and(|before| before.elapsed() < TWICE) => {
                if may_leave(runner, arguments, reader).await {
                    return Ok(Status::Interrupted);
                }
                interrupted = None;
                continue;
            }
            Read::Interrupted => {
                interrupted = Some(Instant::now());
                runner.output.message("(Ctrl-C again, Ctrl-D or :exit leaves)");
                continue;
            }
            Read::Failed(error) => {
                runner.output.message(&error);
                return Ok(Status::HungUp);
            }
        };
        let outcome = tokio::select! {
            biased;
            next = one_line(runner, arguments, reader, &line) => Some(next?),
            status = signals.next() => match status {
                Status::Interrupted => None,
                status => return Ok(status),
            }
        };
        match outcome {
            Some(Next::Exit(status)) => {
                // A chosen status is a program's.
                if matches!(status, Status::Chosen(_)) || may_leave(runner, arguments, reader).await {
                    return Ok(status);
                }
            }
            Some(Next::Continue | Next::Source(_)) => interrupted = None,
            None => {
                interrupted = Some(Instant::now());
                runner.output.flush()?;
                let left = runner.take_transfer();
                let left = left
                    .unwrap_or_else(|| format!("what was sent may still run, and {}", runner.plans_go_on()));
                runner.output.message(&format!("given up; {left}"));
                if !waiting.is_empty() && !go_on(runner, reader, &waiting).await {
                    waiting.clear();
                }
            }
        }
        runner.output.flush()?;
    }
}

/// Whether the lines behind one that was given up are run; they are shown.
async fn go_on(runner: &mut Runner, reader: &mut Reader, waiting: &VecDeque<Vec<u8>>) -> bool {
    for line in waiting.iter().take(LINES_SHOWN) {
        let line = lines::on_one_line(line);
        runner.output.message(&format!("  waits: {}", harmless::line(&line)));
    }
    if waiting.len() > LINES_SHOWN {
        runner.output.message(&format!("  and {} more", waiting.len() - LINES_SHOWN));
    }
    let lines = counted(waiting.len() as u64, "waiting line");
    let read = reader.read(&format!("run the {lines}? [y/N] "), false).await;
    matches!(&read, Read::Line(line) if is_yes(line))
}

/// Keys in the memory of this process end with it: that is asked about, unless `--yes`.
async fn may_leave(runner: &mut Runner, arguments: &Arguments, reader: &mut Reader) -> bool {
    if arguments.typed.yes || !runner.session.is_fleeting() {
        return true;
    }
    let what = match runner.session.now().keys_held() {
        Some(0) => return true,
        Some(keys) => counted(keys, "key"),
        None => "keys perhaps".to_owned(),
    };
    let question = format!("this cluster lives in this process, and {what} with it; leave? [y/N] ");
    match reader.read(&question, false).await {
        Read::Line(line) => is_yes(&line),
        // Whoever ends input twice means it.
        Read::End | Read::Failed(_) => true,
        Read::Interrupted => false,
    }
}

fn is_yes(line: &[u8]) -> bool {
    let line = line.trim_ascii();
    line.eq_ignore_ascii_case(b"y") || line.eq_ignore_ascii_case(b"yes")
}

/// As redis-cli's: with the number of the database unless it is 0.
fn prompt(cluster: &str, database: u32) -> String {
    if database == 0 { format!("{cluster}> ") } else { format!("{cluster}[{database}]> ") }
}

async fn one_line(
    runner: &mut Runner,
    arguments: &Arguments,
    reader: &mut Reader,
    line: &[u8],
) -> Result<Next, Status> {
    let parsed = match runner.parse(line) {
        Ok(None) => return Ok(Next::Continue),
        Ok(Some(parsed)) => parsed,
        Err(error) => {
            runner.report(&syntax_error(&error), None)?;
            return Ok(Next::Continue);
        }
    };
    let mut command = parsed.command;
    arguments.amend(&mut command);
    if command == Command::Directive(Directive::Quit) {
        return Ok(Next::Exit(Status::Done));
    }
    if !arguments.typed.yes && !says_yes(&command) && !confirmed(runner, reader, &command).await? {
        runner.output.message("nothing was changed");
        return Ok(Next::Continue);
    }
    if !is_secret(&String::from_utf8_lossy(line)) {
        runner.record(&command, &lines::on_one_line(line));
    }
    for _ in 0..runner.times(&command, parsed.repeat) {
        match runner.run(command.clone(), None).await? {
            // An error is shown; the operator decides.
            Next::Continue => {}
            Next::Exit(Status::Chosen(status)) => return Ok(Next::Exit(Status::Chosen(status))),
            Next::Exit(status) => {
                let is_exit = matches!(command, Command::Directive(Directive::Exit(_)));
                return Ok(if is_exit { Next::Exit(status) } else { Next::Continue });
            }
            Next::Source(path) => {
                script::run(runner, arguments, Source::File(path)).await;
            }
        }
        runner.output.flush()?;
    }
    Ok(Next::Continue)
}

/// The line itself says that nothing is asked.
fn says_yes(command: &Command) -> bool {
    matches!(
        command,
        Command::Operator(
            Operator::Add { options, .. } | Operator::Remove { options, .. } | Operator::DrainProxy { options, .. }
        ) if options.yes
    )
}

/// Shows what a change of membership would do and asks. The id is typed for a removal.
async fn confirmed(runner: &mut Runner, reader: &mut Reader, command: &Command) -> Result<bool, Status> {
    let (request, question, answer) = match command {
        Command::Operator(Operator::Add { id, address, .. }) => {
            let request = address.clone().map(|address| PlanRequest::Add { id: id.clone(), address });
            (request, format!("add node {id}? [y/N] "), "y".to_owned())
        }
        Command::Operator(Operator::Remove { id, options, .. }) => {
            // What a dry run refuses may be what --force is for.
            let request = (!options.force).then(|| PlanRequest::Remove { id: id.clone() });
            (request, format!("type the id to remove node {id}: "), id.as_str().to_owned())
        }
        Command::Operator(Operator::DrainProxy { id, .. }) => {
            (None, format!("end proxy {id} in order? [y/N] "), "y".to_owned())
        }
        Command::Operator(Operator::Import { path, conflict }) => {
            (None, question_of(&format!("import {}", path.display()), Some(*conflict)), "y".to_owned())
        }
        Command::Operator(Operator::Restore { directory, conflict }) => {
            (None, question_of(&format!("restore {}", directory.display()), *conflict), "y".to_owned())
        }
        _ => return Ok(true),
    };
    if let Some(request) = request {
        let plan = runner.session.execute(Command::Operator(Operator::Plan(request))).await;
        runner.report(&plan, None)?;
        runner.output.flush()?;
        if plan.status != Status::Done {
            return Ok(false);
        }
    }
    Ok(match reader.read(&question, false).await {
        Read::Line(line) => line.trim_ascii() == answer.as_bytes() || (answer == "y" && is_yes(&line)),
        Read::End | Read::Interrupted | Read::Failed(_) => false,
    })
}

/// Says what becomes of keys that are there.
fn question_of(words: &str, conflict: Option<Conflict>) -> String {
    let keys = match conflict {
        None => "only if the cluster is empty",
        Some(Conflict::Stop) => "it stops at the first key that is there",
        Some(Conflict::Skip) => "keys that are there stay as they are",
        Some(Conflict::Replace) => "keys that are there are REPLACED",
    };
    format!("{words}: {keys}; go on? [y/N] ")
}

/// Whoever gave the terminal away takes it back.
async fn tell_continued(mut signal: tokio::signal::unix::Signal) {
    while signal.recv().await.is_some() {
        keyboard::continued();
    }
}

/// Prints what happens in the cluster above the prompt, a whole line at a time.
async fn tell_news(session: Session, mut printer: impl rustyline::ExternalPrinter + Send) {
    let mut view = session.view();
    let mut told = session.now().events.total();
    while view.changed().await.is_ok() {
        let now = view.borrow_and_update().clone();
        for line in news(&now, &mut told) {
            if printer.print(line + "\n").is_err() {
                return;
            }
        }
    }
}

/// What happened after `told` events, which is brought up to date.
fn news(view: &ClusterView, told: &mut u64) -> Vec<String> {
    let new = view.events.total().saturating_sub(*told);
    *told = view.events.total();
    let skipped = view.events.len().saturating_sub(usize::try_from(new).unwrap_or(usize::MAX));
    // Moves have a progress line of their own.
    let told = view
        .events
        .iter()
        .skip(skipped)
        .filter(|event| !matches!(event.kind, EventKind::Move | EventKind::Slots));
    told.map(|event| format!("-- {}: {}", event.kind.word(), event.text)).collect()
}

#[cfg(test)]
mod tests {
    use portable_pty::{CommandBuilder, PtySize, native_pty_system};

    use super::*;

    /// Tells the child of the test below that it is one.
    const CHILD: &str = "REDIS_CONSOLE_TEST_LINE_PANIC";

    /// Not a test by itself: a panic of another thread while a line is read, in a process and a terminal of its own.
    #[test]
    fn child() {
        if std::env::var_os(CHILD).is_none() {
            return;
        }
        redis_cluster::server::abort_on_panic();
        let _restored = TerminalMode::keep();
        keyboard::listen().unwrap();
        let ended = std::thread::spawn(|| panic!("boom behind the line")).join();
        unreachable!("the process has ended before: {ended:?}");
    }

    #[test]
    fn a_panic_behind_a_line_leaves_the_terminal_as_it_was() {
        let pair = native_pty_system().openpty(PtySize { rows: 24, cols: 80, ..PtySize::default() }).unwrap();
        let settings = || format!("{:?}", pair.master.get_termios());
        let before = settings();
        let mut command = CommandBuilder::new(std::env::current_exe().unwrap());
        command.args(["--exact", "--nocapture", "repl::tests::child"]);
        command.env(CHILD, "1");
        let mut child = pair.slave.spawn_command(command).unwrap();
        let mut reader = pair.master.try_clone_reader().unwrap();
        let written = std::thread::spawn(move || {
            let mut written = Vec::new();
            // A terminal whose last user has gone reads as an error.
            let _ = io::Read::read_to_end(&mut reader, &mut written);
            String::from_utf8_lossy(&written).into_owned()
        });
        let status = child.wait().unwrap();
        assert_eq!(settings(), before);
        drop(pair);
        let written = written.join().unwrap();
        assert!(!status.success(), "{written}");
        assert!(written.find("\x1b[?2004l") < written.find("boom behind the line"), "{written:?}");
        assert!(written.contains("boom behind the line"), "{written:?}");
    }
}
