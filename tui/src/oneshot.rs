//! One command from the program's arguments.

use std::io::Read as _;

use crate::{
    arguments::{Arguments, FromStdin},
    language::{Command, Directive, Operator},
    runner::{Next, Runner, syntax_error},
    script::{self, Source},
    session::{Outcome, Status},
};

/// Runs the command; the status is of the worst of its repetitions.
pub async fn run(runner: &mut Runner, arguments: &Arguments, words: Vec<Vec<u8>>) -> Status {
    let ended = attempt(runner, arguments, words).await;
    match (ended, runner.output.flush()) {
        (_, Err(status)) | (Err(status), Ok(())) => status,
        (Ok(status), Ok(())) => status,
    }
}

async fn attempt(runner: &mut Runner, arguments: &Arguments, words: Vec<Vec<u8>>) -> Result<Status, Status> {
    let words = match &arguments.stdin {
        None => words,
        Some(from) => match with_stdin(words, from) {
            Ok(words) => words,
            Err(outcome) => {
                runner.report(&outcome, None)?;
                return Ok(outcome.status);
            }
        },
    };
    let command = match arguments.command(words) {
        Ok(command) => command,
        Err(error) => {
            runner.report(&syntax_error(&error), None)?;
            return Ok(Status::Usage);
        }
    };
    let mut done = 0;
    // `watch` repeats by itself.
    let repeat = match command {
        Command::Operator(Operator::Watch(_)) | Command::Directive(Directive::Exit(_)) => Some(1),
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

/// Puts all of stdin into the command.
fn with_stdin(mut words: Vec<Vec<u8>>, from: &FromStdin) -> Result<Vec<Vec<u8>>, Outcome> {
    let mut value = Vec::new();
    if let Err(error) = std::io::stdin().lock().read_to_end(&mut value) {
        return Err(Outcome::failure(Status::Usage, format!("cannot read stdin: {error}")));
    }
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
