//! A line of the operator language becomes a [`Command`]. No I/O, no state.
//!
//! A line is an operator word (`add 1 http://…`), a `:word` for the console itself, or a Redis command. Splitting is
//! redis-cli's (`redis_cluster::protocol::quote`). A word of ours never hides a Redis command of the same name that a
//! proxy would accept.

mod directive;
pub mod lines;
mod operator;
pub mod variables;
pub mod words;

use redis_cluster::{
    cluster::member::InvalidAddress,
    command::{self, Route},
    id::InvalidId,
    protocol::quote,
};

pub use directive::{Directive, WaitFor};
pub use operator::{ChangeOptions, Conflict, Operator, PlanRequest, Show};

/// What one line asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// A Redis command, sent through a proxy: name and arguments.
    Redis(Vec<Vec<u8>>),
    /// About the cluster.
    Operator(Operator),
    /// About the console itself.
    Directive(Directive),
}

impl Command {
    /// It means the session itself, so it is no part of what the session did.
    #[must_use]
    pub fn is_about_session(&self) -> bool {
        matches!(
            self,
            Self::Directive(
                Directive::SaveScript(_) | Directive::Exit(_) | Directive::Quit | Directive::Clear
            )
        )
    }
}

/// A line that asks for something.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// How many times: `5 INCR x`.
    pub repeat: u32,
    /// What.
    pub command: Command,
}

/// A line that asks for nothing that can be done. Its display is what the operator reads.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SyntaxError {
    /// See [`quote::Unbalanced`].
    #[error("Invalid argument(s): unbalanced quotes, or a closing quote with something right behind it")]
    Unbalanced,
    /// Redis would silently end the line there.
    #[error("Invalid argument(s): a zero byte; write it as \"\\x00\", in double quotes")]
    ZeroByte,
    /// `0 INCR x`.
    #[error("Invalid redis-cli repeat command option value: a count is 1 to {}", u32::MAX)]
    Repeat,
    /// A word of ours with the wrong things after it.
    #[error("{reason}; usage: {usage}")]
    Usage {
        /// What is wrong.
        reason: String,
        /// How it should be.
        usage: String,
    },
    /// `:nosuch`.
    #[error("unknown word {0:?}; `help` lists them")]
    UnknownDirective(String),
    /// A word that is reserved for a later version.
    #[error("`{0}` is not available in this version")]
    NotAvailable(&'static str),
    /// Not an id.
    #[error(transparent)]
    Id(#[from] InvalidId),
    /// Not an address.
    #[error(transparent)]
    Address(#[from] InvalidAddress),
}

/// Reads one line, without its newline. `None`: blank, or a comment.
///
/// # Errors
/// [`SyntaxError`].
pub fn parse_line(line: &[u8]) -> Result<Option<Line>, SyntaxError> {
    parse_expanded(line, |word| word)
}

/// As [`parse_line`], with each word as `expand` makes it, before it is read as anything.
///
/// # Errors
/// [`SyntaxError`].
pub fn parse_expanded(line: &[u8], expand: impl Fn(Vec<u8>) -> Vec<u8>) -> Result<Option<Line>, SyntaxError> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.trim_ascii_start().first() == Some(&b'#') {
        return Ok(None);
    }
    if line.contains(&0) {
        return Err(SyntaxError::ZeroByte);
    }
    let words = quote::split(line).map_err(|_| SyntaxError::Unbalanced)?;
    let mut words: Vec<Vec<u8>> = words.into_iter().map(expand).collect();
    let repeat = take_repeat(&mut words)?;
    if words.is_empty() {
        return Ok(None);
    }
    Ok(Some(Line { repeat, command: parse_words(words)? }))
}

/// A leading count, where a word follows it.
fn take_repeat(words: &mut Vec<Vec<u8>>) -> Result<u32, SyntaxError> {
    let [first, _, ..] = words.as_slice() else { return Ok(1) };
    let digits = first.strip_prefix(b"-").unwrap_or(first);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Ok(1);
    }
    let count = std::str::from_utf8(first).ok().and_then(|text| text.parse::<u32>().ok());
    let count = count.filter(|&count| count > 0).ok_or(SyntaxError::Repeat)?;
    words.remove(0);
    Ok(count)
}

/// Reads a command that is already split, such as the arguments of the program. Must not be empty.
///
/// # Errors
/// [`SyntaxError`].
pub fn parse_words(words: Vec<Vec<u8>>) -> Result<Command, SyntaxError> {
    let Some(first) = words.first() else {
        return Err(SyntaxError::Usage {
            reason: "no command".to_owned(),
            usage: "COMMAND [ARGUMENT…]".to_owned(),
        });
    };
    if first.first() == Some(&b':') {
        return match directive_alias(first) {
            Some(bare) => operator::parse(bare, &words[1..]).map(Command::Operator),
            None => directive::parse(&words).map(Command::Directive),
        };
    }
    if let Some(directive) = directive::bare(&words) {
        return Ok(Command::Directive(directive));
    }
    match of_ours(&words) {
        Some(word) => operator::parse(word, &words[1..]).map(Command::Operator),
        None => Ok(Command::Redis(words)),
    }
}

/// The word of ours that a command begins with, if it means ours and not Redis's: proxies do not take that one, or, of `watch`, a
/// command follows and not keys, or, of `restore`, no payload can follow.
#[must_use]
pub fn of_ours(words: &[Vec<u8>]) -> Option<&'static words::Word> {
    let (first, rest) = words.split_first()?;
    let named =
        |name: &[u8]| words::OPERATOR.iter().find(|word| word.name.as_bytes().eq_ignore_ascii_case(name));
    let word = named(first)?;
    let watches_command = || {
        word.name == "watch"
            && rest.first().is_none_or(|next| command::lookup(next).is_some() || named(next).is_some())
    };
    // RESTORE has three arguments or more, and a time to live in the second place.
    let restores_directory = || {
        word.name == "restore" && (rest.len() < 3 || rest.iter().take(2).any(|word| word.starts_with(b"--")))
    };
    (!is_accepted_by_proxies(first) || watches_command() || restores_directory()).then_some(word)
}

/// `:watch`, `:explain`: any operator word may carry a colon, which always means ours.
fn directive_alias(first: &[u8]) -> Option<&'static words::Word> {
    words::OPERATOR.iter().find(|word| word.name.as_bytes().eq_ignore_ascii_case(&first[1..]))
}

fn is_accepted_by_proxies(name: &[u8]) -> bool {
    command::lookup(name).is_some_and(|spec| !matches!(spec.route, Route::Refused(_)))
}

/// Bytes as a person types them: bare where that is possible, in quotes otherwise.
#[must_use]
pub fn quote_word(word: &[u8]) -> String {
    match std::str::from_utf8(word) {
        Ok(text)
            if !text.is_empty() && word.iter().all(|&b| b.is_ascii_graphic() && !b"\"'\\".contains(&b)) =>
        {
            text.to_owned()
        }
        _ => quote::repr(word),
    }
}

/// A whole command as a person types it.
#[must_use]
pub fn quote_words<W: AsRef<[u8]>>(words: &[W]) -> String {
    words.iter().map(|word| quote_word(word.as_ref())).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn redis(line: &str) -> Vec<String> {
        match parse_line(line.as_bytes()).unwrap().unwrap().command {
            Command::Redis(words) => words.iter().map(|w| String::from_utf8(w.clone()).unwrap()).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn watch_is_ours_where_a_command_follows() {
        let words = |line: &str| line.split(' ').map(|word| word.as_bytes().to_vec()).collect::<Vec<_>>();
        for line in ["watch dbsize", "WATCH get a", ":watch get a", "watch show nodes"] {
            let parsed = parse_words(words(line));
            assert!(matches!(parsed, Ok(Command::Operator(Operator::Watch(_)))), "{line}: {parsed:?}");
        }
        for line in ["watch key1", "WATCH key1 key2", "multi", "exec"] {
            assert_eq!(parse_words(words(line)), Ok(Command::Redis(words(line))));
        }
        assert!(parse_words(words("watch")).is_err());
    }

    #[test]
    fn files_and_what_becomes_of_keys_that_are_there() {
        let operator = |line: &str| match parse_line(line.as_bytes()).unwrap().unwrap().command {
            Command::Operator(operator) => operator,
            other => panic!("{line}: {other:?}"),
        };
        let import = |conflict| Operator::Import { path: "a b.rdb".into(), conflict };
        assert_eq!(operator("import 'a b.rdb'"), import(Conflict::Stop));
        assert_eq!(operator("import --skip 'a b.rdb'"), import(Conflict::Skip));
        assert_eq!(operator("import 'a b.rdb' --replace"), import(Conflict::Replace));
        assert_eq!(operator("export f --rdb 12"), Operator::Export { path: "f".into(), newer: true });
        assert_eq!(operator("backup d"), Operator::Backup { directory: "d".into(), newer: false });
        let restore = |conflict| Operator::Restore { directory: "d".into(), conflict };
        assert_eq!(operator("restore d"), restore(None));
        assert_eq!(operator("restore d --stop"), restore(Some(Conflict::Stop)));
        assert_eq!(operator(":restore d --skip"), restore(Some(Conflict::Skip)));
        for line in ["restore key 0 payload", "restore key 0 payload REPLACE", "restore key 0 --skip"] {
            assert!(
                matches!(parse_line(line.as_bytes()).unwrap().unwrap().command, Command::Redis(_)),
                "{line}"
            );
        }
        for bad in
            ["import", "import a b", "import a --force", "export a --rdb 11", "backup", "restore --skip"]
        {
            assert!(matches!(parse_line(bad.as_bytes()), Err(SyntaxError::Usage { .. })), "{bad}");
        }
    }

    #[test]
    fn blank_lines_comments_and_line_ends() {
        for nothing in ["", "   ", "\t\r", "# set a b", "   # x"] {
            assert_eq!(parse_line(nothing.as_bytes()), Ok(None), "{nothing:?}");
        }
        assert_eq!(redis("set a 1\r"), ["set", "a", "1"]);
        assert_eq!(redis("set a #1"), ["set", "a", "#1"]);
    }

    #[test]
    fn quotes_as_in_redis_cli() {
        assert_eq!(redis(r#"set "a b" 'c\'d'"#), ["set", "a b", "c'd"]);
        assert_eq!(redis(r#"get key"""#), ["get", "key"]);
        assert_eq!(redis(r#"get "\x41\n""#), ["get", "A\n"]);
        // Only these letters are special behind a backslash, in double quotes only, and only whole bytes behind \x.
        assert_eq!(redis(r#"get "\r\t\b\a\0\q\x4""#), ["get", "\r\t\x08\x070qx4"]);
        assert_eq!(redis(r"get '\n\x41' \n\x41"), ["get", r"\n\x41", r"\n\x41"]);
        assert_eq!(redis(r#"get k"ey" "" ''"#), ["get", "key", "", ""]);
        for bad in [r#"get ""key"#, r#"get "key"x"#, r#"get "key"#, "get 'key"] {
            assert_eq!(parse_line(bad.as_bytes()), Err(SyntaxError::Unbalanced), "{bad}");
        }
        assert_eq!(parse_line(b"set a b\0c"), Err(SyntaxError::ZeroByte));
    }

    #[test]
    fn a_count_repeats_and_must_be_positive() {
        assert_eq!(parse_line(b"5 INCR x").unwrap().unwrap().repeat, 5);
        assert_eq!(parse_line(b"0 INCR x"), Err(SyntaxError::Repeat));
        assert_eq!(parse_line(b"-1 INCR x"), Err(SyntaxError::Repeat));
        assert_eq!(redis("5"), ["5"]);
    }

    #[test]
    fn words_of_ours_in_any_case_and_reserved_ones() {
        let add = parse_line(b"ADD 1 http://h:1").unwrap().unwrap().command;
        assert!(matches!(add, Command::Operator(Operator::Add { .. })), "{add:?}");
        assert_eq!(parse_line(b"rebalance"), Err(SyntaxError::NotAvailable("rebalance")));
        assert!(matches!(parse_line(b":nosuch"), Err(SyntaxError::UnknownDirective(_))));
        assert!(matches!(parse_line(b"remove"), Err(SyntaxError::Usage { .. })));
        assert!(matches!(parse_line(b"add a/b http://h:1"), Err(SyntaxError::Id(_))));
        assert!(matches!(parse_line(b"add 1 nohost"), Err(SyntaxError::Address(_))));
    }

    proptest! {
        #[test]
        fn what_is_quoted_comes_back(words in proptest::collection::vec(any::<Vec<u8>>(), 1..6)) {
            prop_assert_eq!(quote::split(quote_words(&words).as_bytes()).unwrap(), words.clone());
            let all: Vec<String> = words.iter().map(|word| quote::repr(word)).collect();
            prop_assert_eq!(quote::split(all.join(" ").as_bytes()).unwrap(), words);
        }

        #[test]
        fn no_line_panics(line: Vec<u8>) {
            let _ = parse_line(&line);
        }
    }
}
