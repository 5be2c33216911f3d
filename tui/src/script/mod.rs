//! Script mode: lines from stdin or a file, one after the other. Lines are bytes; no history, no completion, no editing.
//!
//! Redis commands are sent together as long as nothing depends on their order with something else. One thing is on
//! stdout for each command; what failed is summed up on stderr.

mod lines;

use std::{fs::File, future::Future, io, path::PathBuf, pin::Pin};

use crate::{
    arguments::Arguments,
    language::{Command, SyntaxError},
    runner::{Next, Runner, syntax_error},
    session::{Outcome, Pipeline, Status},
};
use lines::{Lines, Now};

/// Files that may source one another.
const DEPTH_MAX: usize = 16;
/// A command as big as this is sent alone: with others before it, both ends could wait for the other to read.
const ALONE: usize = 16 << 10;

/// Where the lines come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Standard input.
    Stdin,
    /// A file.
    File(PathBuf),
}

impl Source {
    fn name(&self) -> String {
        match self {
            Self::Stdin => "stdin".to_owned(),
            Self::File(path) => path.display().to_string(),
        }
    }

    fn open(&self) -> io::Result<Lines> {
        Ok(match self {
            Self::Stdin => Lines::read(io::stdin()),
            Self::File(path) => Lines::read(File::open(path)?),
        })
    }
}

/// Runs all lines; the status is of the worst of them.
pub async fn run(runner: &mut Runner, arguments: &Arguments, source: Source) -> Status {
    runner.stop_on_error = arguments.typed.stop_on_error;
    let ended = Script { arguments, source, depth: 0 }.run(runner).await;
    let flushed = runner.output.flush();
    let status = match (ended, flushed) {
        (_, Err(status)) | (Err(status), Ok(())) => return status,
        (Ok(status), Ok(())) => status.unwrap_or(runner.status()),
    };
    runner.summarize();
    status
}

struct Script<'a> {
    arguments: &'a Arguments,
    source: Source,
    depth: usize,
}

impl<'a> Script<'a> {
    /// `Ok(Some)`: something said that it is enough. `Err`: nobody reads any more.
    async fn run(&self, runner: &mut Runner) -> Result<Option<Status>, Status> {
        let name = self.source.name();
        let mut lines = match self.source.open() {
            Ok(lines) => lines,
            Err(error) => {
                let outcome = Outcome::failure(Status::Usage, format!("{name}: {error}"));
                let goes_on = runner.report(&outcome, (self.depth > 0).then_some((name.as_str(), 0)))?;
                return Ok((!goes_on).then(|| runner.status()));
            }
        };
        let mut pipeline = Pipeline::new(runner.session.clone());
        let mut number = 0;
        loop {
            let line = match lines.now() {
                Now::Line(line) => line,
                Now::Nothing => {
                    if let Some(status) = drain(runner, &mut pipeline, &name).await? {
                        return Ok(Some(status));
                    }
                    runner.output.flush()?;
                    lines.more().await;
                    continue;
                }
                Now::End => break,
            };
            number += 1;
            if let Some(status) = self.line(runner, &mut pipeline, &name, number, &line).await? {
                return Ok(Some(status));
            }
        }
        if let Some(status) = drain(runner, &mut pipeline, &name).await? {
            return Ok(Some(status));
        }
        if let Some(error) = lines.error() {
            let outcome = Outcome::failure(Status::Usage, format!("cannot read on: {error}"));
            runner.report(&outcome, Some((&name, number + 1)))?;
        }
        Ok(None)
    }

    async fn line(
        &self,
        runner: &mut Runner,
        pipeline: &mut Pipeline,
        name: &str,
        number: u64,
        line: &[u8],
    ) -> Result<Option<Status>, Status> {
        let parsed = match runner.parse(line) {
            Ok(None) => return Ok(None),
            Ok(Some(parsed)) => parsed,
            Err(error) => return fail(runner, pipeline, name, number, &error).await,
        };
        let mut command = parsed.command;
        self.arguments.amend(&mut command);
        if let Command::Redis(words) = command {
            let alone =
                runner.stop_on_error || runner.timing || words.iter().map(Vec::len).sum::<usize>() >= ALONE;
            for _ in 0..parsed.repeat {
                if alone && let Some(status) = drain(runner, pipeline, name).await? {
                    return Ok(Some(status));
                }
                if let Err(refused) = pipeline.add(number, words.clone()) {
                    if let Some(status) = drain(runner, pipeline, name).await? {
                        return Ok(Some(status));
                    }
                    if !runner.report(&refused, Some((name, number)))? {
                        return Ok(Some(runner.status()));
                    }
                }
                if (alone || pipeline.is_full())
                    && let Some(status) = drain(runner, pipeline, name).await?
                {
                    return Ok(Some(status));
                }
            }
            return Ok(None);
        }
        if let Some(status) = drain(runner, pipeline, name).await? {
            return Ok(Some(status));
        }
        for _ in 0..runner.times(&command, parsed.repeat) {
            runner.output.flush()?;
            match runner.run(command.clone(), Some((name, number))).await? {
                Next::Continue => {}
                Next::Exit(status) => return Ok(Some(status)),
                Next::Source(path) if self.depth + 1 < DEPTH_MAX => {
                    let inner = Script {
                        arguments: self.arguments,
                        source: Source::File(path),
                        depth: self.depth + 1,
                    };
                    let running: Pin<Box<dyn Future<Output = _> + '_>> = Box::pin(inner.run(runner));
                    if let Some(status) = running.await? {
                        return Ok(Some(status));
                    }
                }
                Next::Source(_) => {
                    let text = format!("files source one another more than {DEPTH_MAX} deep");
                    runner.report(&Outcome::failure(Status::Usage, text), Some((name, number)))?;
                    return Ok(Some(runner.status()));
                }
            }
        }
        Ok(None)
    }
}

async fn fail(
    runner: &mut Runner,
    pipeline: &mut Pipeline,
    name: &str,
    number: u64,
    error: &SyntaxError,
) -> Result<Option<Status>, Status> {
    if let Some(status) = drain(runner, pipeline, name).await? {
        return Ok(Some(status));
    }
    let goes_on = runner.report(&syntax_error(error), Some((name, number)))?;
    Ok((!goes_on).then(|| runner.status()))
}

/// Sends what waits and shows the replies. `Some`: it is enough.
async fn drain(runner: &mut Runner, pipeline: &mut Pipeline, name: &str) -> Result<Option<Status>, Status> {
    if pipeline.is_empty() {
        return Ok(None);
    }
    let mut reported: Result<bool, Status> = Ok(true);
    let ran = pipeline
        .run(|line, _, outcome| {
            reported = runner.report(&outcome, Some((name, line)));
            matches!(reported, Ok(true))
        })
        .await;
    if let Err((line, outcome)) = ran {
        reported = runner.report(&outcome, Some((name, line)));
    }
    Ok((!reported?).then(|| runner.status()))
}
