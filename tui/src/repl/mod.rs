//! The line editor: history, completion, hints, and a question before membership changes.
//!
//! rustyline blocks, so it has a thread of its own ([`editor`]); everything else stays here. Ctrl-C while a command runs
//! gives that command up and nothing else.

mod editor;
mod helper;

use std::time::{Duration, Instant};

use crate::{
    arguments::Arguments,
    language::{self, Command, Operator, PlanRequest},
    runner::{Next, Runner, syntax_error},
    script::{self, Source},
    session::{Session, Status, view::EventKind},
    signals::Signals,
};
use editor::{Editor, Read};

/// A second Ctrl-C within this time leaves.
const TWICE: Duration = Duration::from_secs(2);

/// Reads and runs lines until the operator leaves.
pub async fn run(mut runner: Runner, arguments: &Arguments, signals: &mut Signals) -> Status {
    let session = runner.session.clone();
    session.stream_figures();
    let mut editor = match Editor::start(session.clone(), arguments.typed.no_color) {
        Ok(editor) => editor,
        Err(error) => {
            runner.output.message(&format!("redis_console: no line editor: {error}"));
            return Status::ErrorReply;
        }
    };
    tokio::select! {
        looked = session.first_look() => if let Err(error) = looked { runner.output.message(&error) },
        _ = signals.next() => {}
    }
    let news = editor.printer().map(|printer| tokio::spawn(tell_news(session.clone(), printer)));
    let status = talk(&mut runner, arguments, signals, &mut editor).await;
    if let Some(news) = news {
        news.abort();
    }
    match (status, runner.output.flush()) {
        (_, Err(status)) | (Err(status), Ok(())) | (Ok(status), Ok(())) => status,
    }
}

async fn talk(
    runner: &mut Runner,
    arguments: &Arguments,
    signals: &mut Signals,
    editor: &mut Editor,
) -> Result<Status, Status> {
    let prompt = format!("{}> ", arguments.typed.cluster);
    let mut interrupted: Option<Instant> = None;
    loop {
        let read = tokio::select! {
            read = editor.read(&prompt, true) => read,
            status = signals.next() => return Ok(status),
        };
        let line = match read {
            Read::Line(line) => line,
            Read::End => return Ok(Status::Done),
            Read::Interrupted if interrupted.is_some_and(|before| before.elapsed() < TWICE) => {
                return Ok(Status::Interrupted);
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
            next = one_line(runner, arguments, editor, &line) => Some(next?),
            status = signals.next() => match status {
                Status::Interrupted => None,
                status => return Ok(status),
            }
        };
        match outcome {
            Some(Next::Exit(status)) => return Ok(status),
            Some(Next::Continue | Next::Source(_)) => {}
            None => {
                interrupted = Some(Instant::now());
                runner.output.message(
                    "given up; what was sent may still run, and accepted plans go on in the cluster",
                );
            }
        }
        runner.output.flush()?;
    }
}

async fn one_line(
    runner: &mut Runner,
    arguments: &Arguments,
    editor: &mut Editor,
    line: &str,
) -> Result<Next, Status> {
    let parsed = match language::parse_line(line.as_bytes()) {
        Ok(None) => return Ok(Next::Continue),
        Ok(Some(parsed)) => parsed,
        Err(error) => {
            runner.report(&syntax_error(&error), None)?;
            return Ok(Next::Continue);
        }
    };
    let mut command = parsed.command;
    arguments.amend(&mut command);
    if let Command::Redis(words) = command {
        if let [word] = words.as_slice()
            && (word.eq_ignore_ascii_case(b"quit") || word.eq_ignore_ascii_case(b"exit"))
        {
            return Ok(Next::Exit(Status::Done));
        }
        command = Command::Redis(runner.expand(words));
    }
    if !arguments.typed.yes && !confirmed(runner, editor, &command).await? {
        runner.output.message("nothing was changed");
        return Ok(Next::Continue);
    }
    for _ in 0..parsed.repeat {
        match runner.run(command.clone(), None).await? {
            // An error is shown; the operator decides.
            Next::Continue => {}
            Next::Exit(Status::Chosen(status)) => return Ok(Next::Exit(Status::Chosen(status))),
            Next::Exit(status) => {
                let is_exit = matches!(command, Command::Directive(language::Directive::Exit(_)));
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

/// Shows what a change of membership would do and asks. The id is typed for a removal.
async fn confirmed(runner: &mut Runner, editor: &mut Editor, command: &Command) -> Result<bool, Status> {
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
    Ok(match editor.read(&question, false).await {
        Read::Line(line) => {
            let line = line.trim();
            line == answer || (answer == "y" && matches!(line.to_ascii_lowercase().as_str(), "y" | "yes"))
        }
        Read::End | Read::Interrupted | Read::Failed(_) => false,
    })
}

/// Prints what happens in the cluster above the prompt, a whole line at a time.
async fn tell_news(session: Session, mut printer: impl rustyline::ExternalPrinter + Send) {
    let mut view = session.view();
    let mut told = session.now().events.total();
    while view.changed().await.is_ok() {
        let now = view.borrow_and_update().clone();
        let new = now.events.total().saturating_sub(told);
        told = now.events.total();
        let new = usize::try_from(new).unwrap_or(usize::MAX);
        let skipped = now.events.len().saturating_sub(new);
        for event in now.events.iter().skip(skipped) {
            // Moves have a progress line of their own.
            if matches!(event.kind, EventKind::Move | EventKind::Slots) {
                continue;
            }
            if printer.print(format!("-- {}: {}\n", event.kind.word(), event.text)).is_err() {
                return;
            }
        }
    }
}
