//! What rustyline asks while a line is typed.

use std::borrow::Cow;

use rustyline::{
    Context, Helper as LineHelper, Result,
    completion::Completer,
    highlight::{CmdKind, Highlighter},
    hint::Hinter,
    validate::Validator,
};

use crate::{
    assist::{self, Sought},
    files,
    format::harmless,
    session::Session,
    typed,
};

/// Answers from the tables and from what is known of the cluster.
pub(super) struct Helper {
    pub(super) session: Session,
    /// To ask for names of keys from the thread that reads lines.
    pub(super) runtime: tokio::runtime::Handle,
    /// The line goes on with one that was typed before: what stands here is inside quotes.
    pub(super) continues: bool,
}

impl LineHelper for Helper {}

// An open quote gets a prompt of its own, which a validator could not give: see `Editor`.
impl Validator for Helper {}

impl Completer for Helper {
    type Candidate = String;

    fn complete(&self, line: &str, pos: usize, _: &Context<'_>) -> Result<(usize, Vec<String>)> {
        if self.continues {
            return Ok((pos, Vec::new()));
        }
        let mut completions = assist::complete(&line[..pos], &self.session.now());
        match completions.sought.take() {
            Some(Sought::Key(prefix)) => {
                let keys = self.runtime.block_on(self.session.keys_like(&prefix));
                completions = completions.with_names(keys);
            }
            Some(Sought::File(prefix)) => completions = completions.with_names(files::names_like(&prefix)),
            None => {}
        }
        Ok((completions.before.len(), completions.candidates))
    }
}

impl Hinter for Helper {
    type Hint = String;

    fn hint(&self, line: &str, pos: usize, _: &Context<'_>) -> Option<String> {
        if self.continues || pos < line.len() || line.is_empty() {
            return None;
        }
        let hint = assist::hint(line, &self.session.now())?;
        let rest = remaining(&hint.syntax, line);
        let about = hint.problem.unwrap_or(hint.target);
        let blank = if line.ends_with(' ') { "" } else { " " };
        let text =
            [rest.as_str(), about.as_str()].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>();
        (!text.is_empty())
            .then(|| format!("{blank}{}", harmless::line(typed::shown(&text.join("   ")).as_bytes())))
    }
}

impl Highlighter for Helper {
    fn highlight<'l>(&self, line: &'l str, _: usize) -> Cow<'l, str> {
        typed::shown(line)
    }

    fn highlight_char(&self, line: &str, _: usize, _: CmdKind) -> bool {
        matches!(typed::shown(line), Cow::Owned(_))
    }

    fn highlight_hint<'h>(&self, hint: &'h str) -> Cow<'h, str> {
        format!("\x1b[2m{hint}\x1b[22m").into()
    }
}

/// The part of a command's syntax that was not typed yet.
fn remaining(syntax: &str, line: &str) -> String {
    let typed = line.split_whitespace().count();
    let parts = parts(syntax);
    let repeats = parts.iter().position(|part| part.contains("...") || part.contains('…'));
    let skip = repeats.map_or(typed, |at| typed.min(at));
    parts.into_iter().skip(skip).collect::<Vec<_>>().join(" ")
}

/// Words of a syntax; what is in brackets is one.
fn parts(syntax: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut depth, mut start) = (0usize, 0);
    for (at, character) in syntax.char_indices() {
        match character {
            '[' | '<' => depth += 1,
            ']' | '>' => depth = depth.saturating_sub(1),
            ' ' if depth == 0 => {
                parts.push(&syntax[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&syntax[start..]);
    parts.retain(|part| !part.is_empty());
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_still_to_be_typed() {
        let syntax = "SET key value [NX | XX] [GET]";
        assert_eq!(remaining(syntax, "set"), "key value [NX | XX] [GET]");
        assert_eq!(remaining(syntax, "set a "), "value [NX | XX] [GET]");
        assert_eq!(remaining(syntax, "set a 1 nx get x"), "");
        assert_eq!(remaining("DEL key [key ...]", "del a b c"), "[key ...]");
    }
}
