//! One command of any kind in a face without a screen: run, shown, counted. Shared by one-shot, script and line editor.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use redis_cluster::protocol::Value;

use crate::{
    format::{Form, counted},
    language::{Command, Directive, Line, Operator, SyntaxError, variables::Variables},
    output::Output,
    progress,
    session::{Body, Outcome, Session, Status, transfer::meter::Transfer},
};

/// Between two runs of a command that is watched.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);
/// Errors that the summary repeats.
const ERRORS_LISTED: usize = 10;

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
    /// Between two runs of a command that is watched.
    pub watch_interval: Duration,
    /// How often the next `watch` runs its command; `None`: until Ctrl-C.
    watch_runs: Option<u64>,
    /// What was typed in this session, where somebody types.
    typed: Option<Vec<u8>>,
    /// An import or export runs, or was given up.
    is_transferring: bool,
    variables: Variables,
    commands: u64,
    errors: u64,
    listed: Vec<String>,
    /// The line of a script that was answered last.
    answered: Option<(String, u64)>,
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
            watch_interval: WATCH_INTERVAL,
            watch_runs: None,
            typed: None,
            is_transferring: false,
            variables: Variables::default(),
            commands: 0,
            errors: 0,
            listed: Vec::new(),
            answered: None,
            status: Status::Done,
        }
    }

    /// How everything so far went.
    #[must_use]
    pub fn status(&self) -> Status {
        self.status
    }

    /// Reads a line, with variables in it once `:set vars on`.
    ///
    /// # Errors
    /// [`SyntaxError`].
    pub fn parse(&self, line: &[u8]) -> Result<Option<Line>, SyntaxError> {
        self.variables.parse(line)
    }

    /// How often a face runs this command that was asked for so many times: `watch` counts by itself, and without a
    /// count it does not end.
    pub fn times(&mut self, command: &Command, asked: impl Into<u64>) -> u64 {
        let asked = asked.into();
        if matches!(command, Command::Operator(Operator::Watch(_))) {
            self.watch_runs = (asked > 1).then_some(asked);
            return 1;
        }
        asked
    }

    /// From now on lines that are run are kept for `:script save`.
    pub fn record_lines(&mut self) {
        self.typed = Some(Vec::new());
    }

    /// Keeps a line, if lines are kept and it does something to be done again.
    pub fn record(&mut self, command: &Command, line: &[u8]) {
        let is_about_session = command.is_about_session();
        if let Some(typed) = &mut self.typed
            && !is_about_session
        {
            typed.extend_from_slice(line);
            typed.push(b'\n');
        }
    }

    fn note_answered(&mut self, place: Option<(&str, u64)>) {
        let Some((source, line)) = place else { return };
        match &mut self.answered {
            Some((known, last)) if known == source => *last = line,
            answered => *answered = Some((source.to_owned(), line)),
        }
    }

    /// Shows how far it came when a signal or `--timeout` ended it; the status to leave with.
    pub fn cut_off(&mut self, status: Status, limit: Option<Duration>) -> Status {
        // What was answered was paid for. Of a reader that is gone, `status` says enough.
        let _ = self.output.flush();
        let why = match (status, limit) {
            (Status::TimedOut, Some(limit)) => format!("gave up after {} s", limit.as_secs_f64()),
            (Status::Interrupted, _) => "interrupted".to_owned(),
            _ => return status,
        };
        let how_far = match &self.answered {
            Some((source, line)) => {
                format!("{source} is answered up to line {line}; what was sent after that")
            }
            None => "what was sent".to_owned(),
        };
        if let Some(left) = self.take_transfer() {
            self.output.message(&format!("redis_console: {why}: {left}"));
            self.summarize();
            return status;
        }
        let plans = self.plans_go_on();
        self.output.message(&format!("redis_console: {why}; {how_far} may still run, and {plans}"));
        self.summarize();
        status
    }

    /// How far an import or export was that has just been given up.
    pub fn take_transfer(&mut self) -> Option<String> {
        let was = std::mem::take(&mut self.is_transferring);
        self.session.last_transfer().filter(|_| was).as_ref().map(Transfer::left)
    }

    /// What becomes of plans when nobody waits for them here.
    #[must_use]
    pub fn plans_go_on(&self) -> &'static str {
        let view = self.session.now();
        if view.proxies.is_empty() && view.plans.iter().any(|plan| !plan.state.is_final()) {
            "the accepted plan goes on when a proxy is alive, or when the same is asked for again"
        } else {
            "accepted plans go on in the cluster"
        }
    }

    /// Counts and shows what became of a command. `place` is `stdin:7` in a script. True: a script goes on.
    ///
    /// # Errors
    /// When stdout cannot be written.
    pub fn report(&mut self, outcome: &Outcome, place: Option<(&str, u64)>) -> Result<bool, Status> {
        self.commands += 1;
        self.note_answered(place);
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
        let commands = counted(self.commands, "command");
        let summary = format!("{} of {commands} failed{more}", self.errors);
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
            Directive::Quit => Ok(Next::Exit(self.status)),
            Directive::Clear => {
                self.output.clear();
                Ok(Next::Continue)
            }
            directive @ (Directive::Assert { .. } | Directive::Wait { .. }) => {
                let outcome = self.execute(Command::Directive(directive)).await;
                let goes_on = self.report(&outcome, place)?;
                Ok(self.next(goes_on))
            }
            Directive::SaveScript(path) => {
                let outcome = self.save_script(&path);
                let goes_on = self.report(&outcome, place)?;
                Ok(self.next(goes_on))
            }
            // Among documents it is one.
            Directive::Echo(words) if matches!(self.output.formatter.form, Form::Json | Form::QuotedJson) => {
                let text = Value::Bulk(words.join(&b' ').into());
                self.output.outcome(&Outcome::reply(text), None)?;
                Ok(Next::Continue)
            }
            Directive::Echo(words) => {
                self.output.line(&words.join(&b' '))?;
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
            Directive::SetVariables(on) => self.variables.expands = on,
            Directive::Let { name, value } => self.variables.set(name, value),
            Directive::Timing(on) => self.timing = on,
            Directive::OnErrorStop(on) => self.stop_on_error = on,
            // The others do something and were handled before.
            Directive::Echo(_)
            | Directive::Source(_)
            | Directive::Sleep(_)
            | Directive::Assert { .. }
            | Directive::Wait { .. }
            | Directive::SaveScript(_)
            | Directive::Quit
            | Directive::Clear
            | Directive::Exit(_) => {}
        }
    }

    /// Runs a command; words of ours with progress.
    async fn execute(&mut self, command: Command) -> Outcome {
        match command {
            Command::Operator(operator) if operator.is_transfer() => {
                let session = self.session.clone();
                self.is_transferring = true;
                let running = session.execute(Command::Operator(operator));
                let outcome = progress::follow(&session, &mut self.output, running).await;
                self.is_transferring = false;
                outcome
            }
            Command::Operator(Operator::Add { .. } | Operator::Remove { .. } | Operator::Sync)
            | Command::Directive(Directive::Wait { .. }) => {
                let session = self.session.clone();
                let running = session.execute(command);
                progress::follow(&session, &mut self.output, running).await
            }
            command => self.session.execute(command).await,
        }
    }

    fn save_script(&self, path: &Path) -> Outcome {
        match &self.typed {
            Some(typed) => save_script(path, typed),
            None => Outcome::failure(Status::Usage, "only faces for people keep what was typed"),
        }
    }

    /// Again and again, until it ran often enough or Ctrl-C ends the future.
    async fn watch(&mut self, command: Command, place: Option<(&str, u64)>) -> Result<Next, Status> {
        let runs = self.watch_runs.take();
        let mut done = 0;
        loop {
            let outcome = self.session.execute(command.clone()).await;
            let goes_on = self.report(&outcome, place)?;
            self.output.flush()?;
            if !goes_on {
                return Ok(Next::Exit(self.status));
            }
            done += 1;
            if runs.is_some_and(|runs| done >= runs) {
                return Ok(Next::Continue);
            }
            tokio::time::sleep(self.watch_interval).await;
        }
    }
}

/// Writes the lines of a session to a new file, which nobody else may read.
#[must_use]
pub fn save_script(path: &Path, typed: &[u8]) -> Outcome {
    let created = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    match created.and_then(|mut file| file.write_all(typed)) {
        Ok(()) => {
            let lines = counted(typed.iter().filter(|&&byte| byte == b'\n').count() as u64, "line");
            Outcome::done(Body::Nothing).with_note(format!("{lines} in {}", path.display()))
        }
        Err(error) => Outcome::failure(Status::Refused, format!("{}: {error}", path.display())),
    }
}

/// A line that is no command, as an outcome.
#[must_use]
pub fn syntax_error(error: &SyntaxError) -> Outcome {
    Outcome::failure(Status::Usage, error.to_string())
}
