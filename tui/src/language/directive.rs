//! `:words`: what follows them.

use std::{path::PathBuf, time::Duration};

use super::{Command, SyntaxError, parse_words, words};
use crate::format::{Form, TextForm};

/// Something about the console itself.
#[derive(Clone, Debug, PartialEq)]
pub enum Directive {
    /// `:echo`.
    Echo(Vec<Vec<u8>>),
    /// `:set text …`.
    SetText(TextForm),
    /// `:set vars on|off`.
    SetVariables(bool),
    /// `:set format …`.
    SetForm(Form),
    /// `:let NAME VALUE`.
    Let {
        /// Letters, digits and `_`.
        name: String,
        /// Any bytes.
        value: Vec<u8>,
    },
    /// `:source FILE`.
    Source(PathBuf),
    /// `:sleep SECONDS`.
    Sleep(Duration),
    /// `:timing on|off`.
    Timing(bool),
    /// `:assert COMMAND… == VALUE`.
    Assert {
        /// What to run.
        command: Box<Command>,
        /// What its raw reply must be.
        value: Vec<u8>,
    },
    /// `:wait`.
    Wait {
        /// For what.
        what: WaitFor,
        /// At most this long; `None`: as long as it takes.
        timeout: Option<Duration>,
    },
    /// `:on-error stop` is true.
    OnErrorStop(bool),
    /// `:script save FILE`.
    SaveScript(PathBuf),
    /// `:exit [STATUS]`.
    Exit(Option<u8>),
    /// `quit`, `exit`.
    Quit,
    /// `clear`, `:clear`.
    Clear,
}

/// What `:wait` waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitFor {
    /// No move and no plan is under way.
    Moves,
    /// Every proxy has the current epoch.
    Sync,
}

/// A whole line that is about the console though it has no colon: what people type to leave, and to get an empty screen.
pub(super) fn bare(words: &[Vec<u8>]) -> Option<Directive> {
    let [word] = words else { return None };
    match word.to_ascii_lowercase().as_slice() {
        b"quit" | b"exit" => Some(Directive::Quit),
        b"clear" => Some(Directive::Clear),
        _ => None,
    }
}

pub(super) fn parse(all: &[Vec<u8>]) -> Result<Directive, SyntaxError> {
    let (first, arguments) = (&all[0], &all[1..]);
    let Some(word) = words::DIRECTIVES.iter().find(|word| word.name.as_bytes().eq_ignore_ascii_case(first))
    else {
        return Err(SyntaxError::UnknownDirective(String::from_utf8_lossy(first).into_owned()));
    };
    if !word.available {
        return Err(SyntaxError::NotAvailable(word.name));
    }
    let usage = |reason: &str| SyntaxError::Usage { reason: reason.to_owned(), usage: word.usage() };
    let texts: Vec<String> =
        arguments.iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    Ok(match (word.name, texts.as_slice()) {
        (":echo", _) => Directive::Echo(arguments.to_vec()),
        (":set", [name, value]) => set(name, value).ok_or_else(|| usage("no such setting"))?,
        (":let", [name, _]) if is_name(name) => {
            Directive::Let { name: (*name).to_owned(), value: arguments[1].clone() }
        }
        (":let", [_, _]) => return Err(usage("a name has letters, digits and _ only")),
        (":source", [path]) => Directive::Source(PathBuf::from(path)),
        (":sleep", [time]) => Directive::Sleep(seconds(time).ok_or_else(|| usage("not a time"))?),
        (":timing", [value]) => Directive::Timing(on_off(value).ok_or_else(|| usage("on or off?"))?),
        (":assert", [_, .., "==", _]) => {
            let (value, rest) = arguments.split_last().ok_or_else(|| usage("no value"))?;
            let command = parse_words(rest[..rest.len() - 1].to_vec())?;
            if matches!(command, Command::Directive(_)) {
                return Err(usage("only commands have a reply"));
            }
            Directive::Assert { command: Box::new(command), value: value.clone() }
        }
        (":wait", [what, rest @ ..]) if rest.len() <= 1 => {
            let what = match *what {
                "moves" | "rebalance" => WaitFor::Moves,
                "sync" => WaitFor::Sync,
                _ => return Err(usage("nothing to wait for")),
            };
            let timeout = match rest {
                [time] => Some(seconds(time).ok_or_else(|| usage("not a time"))?),
                _ => None,
            };
            Directive::Wait { what, timeout }
        }
        (":on-error", ["stop"]) => Directive::OnErrorStop(true),
        (":on-error", ["go"]) => Directive::OnErrorStop(false),
        (":script", ["save", path]) => Directive::SaveScript(PathBuf::from(path)),
        (":clear", []) => Directive::Clear,
        (":exit", []) => Directive::Exit(None),
        (":exit", [status]) => {
            Directive::Exit(Some(status.parse().map_err(|_| usage("a status is 0 to 255"))?))
        }
        _ => return Err(usage("wrong arguments")),
    })
}

fn set(name: &str, value: &str) -> Option<Directive> {
    match (name, value) {
        ("text", value) => TextForm::from_word(value).map(Directive::SetText),
        ("vars", value) => on_off(value).map(Directive::SetVariables),
        ("format", value) => Form::from_word(value).map(Directive::SetForm),
        _ => None,
    }
}

fn on_off(value: &str) -> Option<bool> {
    match value {
        "on" => Some(true),
        "off" => Some(false),
        _ => None,
    }
}

fn seconds(text: &str) -> Option<Duration> {
    text.parse::<f64>().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::super::parse_line;
    use super::*;

    fn directive(line: &str) -> Result<Directive, SyntaxError> {
        match parse_line(line.as_bytes())?.map(|line| line.command) {
            Some(Command::Directive(directive)) => Ok(directive),
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn every_word_has_a_form_that_is_read() {
        assert_eq!(directive(":echo a b"), Ok(Directive::Echo(vec![b"a".to_vec(), b"b".to_vec()])));
        assert_eq!(directive(":set vars on"), Ok(Directive::SetVariables(true)));
        assert_eq!(directive(":sleep 0.5"), Ok(Directive::Sleep(Duration::from_millis(500))));
        assert_eq!(directive(":on-error stop"), Ok(Directive::OnErrorStop(true)));
        assert_eq!(directive(":exit 3"), Ok(Directive::Exit(Some(3))));
        for leaves in ["quit", "EXIT"] {
            assert_eq!(directive(leaves), Ok(Directive::Quit));
        }
        assert_eq!(directive("clear"), directive(":clear"));
        assert_eq!(
            directive(":wait rebalance 10"),
            Ok(Directive::Wait { what: WaitFor::Moves, timeout: Some(Duration::from_secs(10)) })
        );
        assert_eq!(
            directive(":assert get a == 1"),
            Ok(Directive::Assert {
                command: Box::new(Command::Redis(vec![b"get".to_vec(), b"a".to_vec()])),
                value: b"1".to_vec()
            })
        );
    }

    #[test]
    fn wrong_ones_say_how() {
        for bad in [":sleep soon", ":sleep -1", ":set text loud", ":let a-b 1", ":exit 256", ":assert get a"]
        {
            let error = directive(bad).unwrap_err().to_string();
            assert!(error.contains("usage: :"), "{bad}: {error}");
        }
    }
}
