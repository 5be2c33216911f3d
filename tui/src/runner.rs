//! One command of any kind in a face without a screen: run, shown, counted. Shared by one-shot, script and line editor.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use crate::{
    format::{self, Form, Formatter, TextForm},
    language::{Command, Directive, Operator, SyntaxError, WaitFor},
    output::Output,
    progress,
    session::{Body, Outcome, Session, Status, view::PlanState},
};

/// Between two runs of a command that is watched.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);
/// Errors that the summary repeats.
const ERRORS_LISTED: usize = 10;
/// `:wait sync` asks anew so often while proxies are behind.
const RETRY: Duration = Duration::from_millis(50);

/// What the face should do next.
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    /// Go on.
    Continue,
    /// Run the lines of this file.
    Source(PathBuf),
    /// Leave.
    Exit(Status),
}

/// Runs commands, and remembers what they set and how they went.
#[derive(Debug)]
pub struct Runner {
    /// The cluster.
    pub session: Session,
    /// Where replies go.
    pub output: Output,
    /// End at the first error.
    pub stop_on_error: bool,
    /// Print how long each command took.
    pub timing: bool,
    /// `${NAME}` stands for a variable.
    pub expands: bool,
    variables: BTreeMap<String, Vec<u8>>,
    commands: u64,
    errors: u64,
    listed: Vec<String>,
    status: Status,
}

impl Runner {
    /// Nothing has run yet.
    #[must_use]
    pub fn new(session: Session, output: Output) -> Self {
        Self {
            session,
            output,
            stop_on_error: false,
            timing: false,
            expands: false,
            variables: BTreeMap::new(),
            commands: 0,
            errors: 0,
            listed: Vec::new(),
            status: Status::Done,
        }
    }

    /// How everything so far went.
    #[must_use]
    pub fn status(&self) -> Status {
        self.status
    }

    /// Puts variables into words.
    #[must_use]
    pub fn expand(&self, words: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
        if !self.expands || self.variables.is_empty() {
            return words;
        }
        words.into_iter().map(|word| self.expand_word(&word)).collect()
    }

    fn expand_word(&self, word: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(word.len());
        let mut rest = word;
        while let Some(start) = rest.windows(2).position(|pair| pair == b"${") {
            let Some(length) = rest[start + 2..].iter().position(|&byte| byte == b'}') else { break };
            let name = std::str::from_utf8(&rest[start + 2..start + 2 + length]).unwrap_or_default();
            out.extend_from_slice(&rest[..start]);
            match self.variables.get(name) {
                Some(value) => out.extend_from_slice(value),
                None => out.extend_from_slice(&rest[start..start + 3 + length]),
            }
            rest = &rest[start + 3 + length..];
        }
        out.extend_from_slice(rest);
        out
    }

    /// Counts and shows what became of a command. `place` is `stdin:7` in a script. True: a script goes on.
    ///
    /// # Errors
    /// When stdout cannot be written.
    pub fn report(&mut self, outcome: &Outcome, place: Option<(&str, u64)>) -> Result<bool, Status> {
        self.commands += 1;
        if outcome.status != Status::Done {
            self.errors += 1;
            self.status = self.status.worse(outcome.status);
            if let Some((source, line)) = place
                && self.listed.len() < ERRORS_LISTED
            {
                let text = outcome.error_text().unwrap_or_default();
                self.listed.push(format!("{source}:{line}: {text}"));
            }
        }
        self.output.outcome(outcome, place.map(|(_, line)| line))?;
        if self.timing {
            let at = place.map(|(source, line)| format!("{source}:{line}: ")).unwrap_or_default();
            let took = format!("{at}{:.3} ms", outcome.took.as_secs_f64() * 1000.0);
            self.output.message(&took);
        }
        // A script whose cluster is gone would only repeat itself.
        let lost = matches!(outcome.status, Status::Unreachable | Status::TimedOut | Status::Interrupted);
        Ok(outcome.status == Status::Done || !(self.stop_on_error || lost))
    }

    /// The summary of a script, on stderr; nothing when all went well.
    pub fn summarize(&mut self) {
        if self.errors == 0 {
            return;
        }
        for line in std::mem::take(&mut self.listed) {
            self.output.message(&line);
        }
        let more = self.errors.saturating_sub(ERRORS_LISTED as u64);
        let more = if more > 0 { format!(" ({more} more not listed)") } else { String::new() };
        let summary = format!("{} of {} commands failed{more}", self.errors, self.commands);
        self.output.message(&summary);
    }

    /// Runs one command to its end and reports it.
    ///
    /// # Errors
    /// When stdout cannot be written.
    pub async fn run(&mut self, command: Command, place: Option<(&str, u64)>) -> Result<Next, Status> {
        let directive = match command {
            Command::Directive(directive) => directive,
            Command::Operator(Operator::Watch(watched)) => return self.watch(*watched, place).await,
            command => {
                let outcome = self.execute(command).await;
                let goes_on = self.report(&outcome, place)?;
                return Ok(self.next(goes_on));
            }
        };
        match directive {
            Directive::Source(path) => Ok(Next::Source(path)),
            Directive::Exit(status) => Ok(Next::Exit(status.map_or(self.status, Status::Chosen))),
            Directive::Assert { command, value } => {
                let outcome = self.assert(*command, &value).await;
                let goes_on = self.report(&outcome, place)?;
                Ok(self.next(goes_on))
            }
            Directive::Wait { what, timeout } => {
                let outcome = self.wait(what, timeout).await;
                let goes_on = self.report(&outcome, place)?;
                Ok(self.next(goes_on))
            }
            Directive::Echo(words) => {
                let mut line = self.expand(words).join(&b' ');
                line.push(b'\n');
                self.output.data(&line)?;
                Ok(Next::Continue)
            }
            Directive::Sleep(time) => {
                self.output.flush()?;
                tokio::time::sleep(time).await;
                Ok(Next::Continue)
            }
            setting => {
                self.set(setting);
                Ok(Next::Continue)
            }
        }
    }

    fn next(&self, goes_on: bool) -> Next {
        if goes_on { Next::Continue } else { Next::Exit(self.status) }
    }

    fn set(&mut self, setting: Directive) {
        match setting {
            Directive::SetText(text) => self.output.formatter.text = text,
            Directive::SetForm(form) => self.output.formatter.form = form,
            Directive::SetVariables(on) => self.expands = on,
            Directive::Let { name, value } => {
                let value = if self.expands { self.expand_word(&value) } else { value };
                self.variables.insert(name, value);
            }
            Directive::Timing(on) => self.timing = on,
            Directive::OnErrorStop(on) => self.stop_on_error = on,
            // The others do something and were handled before.
            Directive::Echo(_)
            | Directive::Source(_)
            | Directive::Sleep(_)
            | Directive::Assert { .. }
            | Directive::Wait { .. }
            | Directive::Exit(_) => {}
        }
    }

    /// Runs a command; words of ours with progress.
    async fn execute(&mut self, command: Command) -> Outcome {
        match command {
            Command::Operator(Operator::Add { .. } | Operator::Remove { .. } | Operator::Sync) => {
                let session = self.session.clone();
                let running = session.execute(command);
                progress::follow(&session, &mut self.output, running).await
            }
            command => self.session.execute(command).await,
        }
    }

    /// Again and again until Ctrl-C ends the future.
    async fn watch(&mut self, command: Command, place: Option<(&str, u64)>) -> Result<Next, Status> {
        loop {
            let outcome = self.session.execute(command.clone()).await;
            let goes_on = self.report(&outcome, place)?;
            self.output.flush()?;
            if !goes_on {
                return Ok(Next::Exit(self.status));
            }
            tokio::time::sleep(WATCH_INTERVAL).await;
        }
    }

    /// The reply in its raw form must be the value.
    async fn assert(&mut self, command: Command, value: &[u8]) -> Outcome {
        let outcome = self.execute(command).await;
        let mut raw = Vec::new();
        match &outcome.body {
            Body::Reply(reply) => format::plain::raw(&mut raw, reply, b"\n"),
            Body::Table(table) => Formatter::new(Form::Raw, TextForm::Escaped).table(&mut raw, table),
            Body::Text(text) => raw.extend_from_slice(text.as_bytes()),
            Body::Failure(_) if outcome.status != Status::Done => return outcome,
            Body::Nothing | Body::Failure(_) => {}
        }
        if raw.trim_ascii_end() == value.trim_ascii_end() {
            return Outcome { took: outcome.took, ..Outcome::done(Body::Nothing) };
        }
        let repr = redis_cluster::protocol::quote::repr;
        let text = format!("assertion failed: the reply is {}, not {}", repr(&raw), repr(value));
        Outcome { took: outcome.took, ..Outcome::failure(Status::ErrorReply, text) }
    }

    async fn wait(&mut self, what: WaitFor, timeout: Option<Duration>) -> Outcome {
        let session = self.session.clone();
        let waiting = async {
            match what {
                WaitFor::Moves => wait_for_moves(&session).await,
                WaitFor::Sync => loop {
                    let outcome = session.execute(Command::Operator(Operator::Sync)).await;
                    if outcome.status != Status::TimedOut {
                        return outcome;
                    }
                    tokio::time::sleep(RETRY).await;
                },
            }
        };
        let bounded = async {
            match timeout {
                None => waiting.await,
                Some(limit) => tokio::time::timeout(limit, waiting).await.unwrap_or_else(|_| {
                    Outcome::failure(Status::TimedOut, format!("not yet after {} s", limit.as_secs_f64()))
                }),
            }
        };
        progress::follow(&session, &mut self.output, bounded).await
    }
}

async fn wait_for_moves(session: &Session) -> Outcome {
    if let Err(error) = session.first_look().await {
        return Outcome::failure(Status::Unreachable, error);
    }
    let mut view = session.view();
    let idle =
        view.wait_for(|view| view.moves().is_empty() && view.plans.iter().all(|plan| plan.state.is_final()));
    let last = match idle.await {
        Ok(view) => view.plans.last().map(|plan| (plan.id, plan.state.clone())),
        Err(_) => return Outcome::failure(Status::Unreachable, "the session has ended"),
    };
    match last {
        Some((id, PlanState::Failed(why))) => {
            Outcome::done(Body::Nothing).with_note(format!("the last plan, {id}, failed: {why}"))
        }
        _ => Outcome::done(Body::Nothing),
    }
}

/// A line that is no command, as an outcome.
#[must_use]
pub fn syntax_error(error: &SyntaxError) -> Outcome {
    Outcome::failure(Status::Usage, error.to_string())
}
