//! One command from the program's arguments.

use std::{io::Read as _, path::Path};

use crate::{
    arguments::{Arguments, FromStdin},
    language::{Command, Directive, Operator},
    runner::{Next, Runner, syntax_error},
    script::{self, Source},
    session::{Outcome, Status},
};

/// Runs the command; the status is of the worst of its repetitions.
pub async fn run(runner: &mut Runner, arguments: &Arguments) -> Status {
    let ended = attempt(runner, arguments).await;
    match (ended, runner.output.flush()) {
        (_, Err(status)) | (Err(status), Ok(())) => status,
        (Ok(status), Ok(())) => status,
    }
}

async fn attempt(runner: &mut Runner, arguments: &Arguments) -> Result<Status, Status> {
    let command = match command(arguments).await {
        Ok(command) => command,
        Err(outcome) => {
            runner.report(&outcome, None)?;
            return Ok(outcome.status);
        }
    };
    let mut done = 0;
    let repeat = match &command {
        Command::Directive(Directive::Exit(_) | Directive::Quit) => Some(1),
        Command::Operator(Operator::Watch(_)) => {
            if !arguments.typed.interval.is_zero() {
                runner.watch_interval = arguments.typed.interval;
            }
            Some(runner.times(&command, arguments.repeat.unwrap_or(1)))
        }
        _ => arguments.repeat,
    };
    while repeat.is_none_or(|times| done < times) {
        if done > 0 && !arguments.typed.interval.is_zero() {
            runner.output.flush()?;
            tokio::time::sleep(arguments.typed.interval).await;
        }
        done += 1;
        match runner.run(command.clone(), None).await? {
            Next::Continue => {}
            Next::Exit(status) => return Ok(status),
            Next::Source(path) => return Ok(script::run(runner, arguments, Source::File(path)).await),
        }
        if arguments.typed.stop_on_error && runner.status() != Status::Done {
            break;
        }
    }
    Ok(runner.status())
}

/// What was asked for, with what `-x`, `-X` and `--eval` read.
async fn command(arguments: &Arguments) -> Result<Command, Outcome> {
    let words = arguments.command.clone().unwrap_or_default();
    if let Some(path) = &arguments.typed.eval {
        return Ok(Command::Redis(eval(path, words)?));
    }
    let words = match &arguments.stdin {
        None => words,
        Some(from) => with_stdin(words, from).await?,
    };
    arguments.command(words).map_err(|error| syntax_error(&error))
}

/// `--eval FILE KEY… , ARG…` as EVAL has it.
fn eval(path: &Path, words: Vec<Vec<u8>>) -> Result<Vec<Vec<u8>>, Outcome> {
    let script = std::fs::read(path)
        .map_err(|error| Outcome::failure(Status::Usage, format!("{}: {error}", path.display())))?;
    let keys = words.iter().position(|word| word == b",").unwrap_or(words.len());
    let mut command = vec![b"EVAL".to_vec(), script, keys.to_string().into_bytes()];
    command.extend(words.into_iter().enumerate().filter(|(at, _)| *at != keys).map(|(_, word)| word));
    Ok(command)
}

/// Puts all of stdin into the command.
async fn with_stdin(mut words: Vec<Vec<u8>>, from: &FromStdin) -> Result<Vec<Vec<u8>>, Outcome> {
    // On a thread of its own: whoever is asked to type may press Ctrl-C instead.
    let read = tokio::task::spawn_blocking(|| {
        let mut value = Vec::new();
        std::io::stdin().lock().read_to_end(&mut value).map(|_| value)
    });
    let read = read.await.unwrap_or_else(|error| Err(std::io::Error::other(error)));
    let mut value =
        read.map_err(|error| Outcome::failure(Status::Usage, format!("cannot read stdin: {error}")))?;
    if from.chomp && value.last() == Some(&b'\n') {
        value.pop();
    }
    match &from.tag {
        None => words.push(value),
        Some(tag) => match words.iter_mut().skip(1).find(|word| *word == tag) {
            Some(word) => *word = value,
            None => {
                let text = format!("no argument is {}", crate::language::quote_word(tag));
                return Err(Outcome::failure(Status::Usage, text));
            }
        },
    }
    Ok(words)
}
