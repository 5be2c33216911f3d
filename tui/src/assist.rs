//! Help while a line is typed: what can follow, what the command wants, and where it would go. From the tables only.

use std::collections::BTreeSet;

use redis_cluster::{
    command::{self, Arg, ArgKind, Route, Scripted, Spec, TABLE, keys},
    id::NodeId,
    protocol::{Args, quote},
    slot::SlotId,
};

use crate::{
    format::harmless,
    language::{
        self, Show,
        words::{self, Word},
    },
    session::ClusterView,
    typed,
};

/// What the hint line says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hint {
    /// How the command is written.
    pub syntax: String,
    /// Where it would go, or one line about it.
    pub target: String,
    /// Why it cannot run as it stands.
    pub problem: Option<String>,
}

/// What to say about a line; `None` while there is nothing to say.
#[must_use]
pub fn hint(line: &str, view: &ClusterView) -> Option<Hint> {
    let Ok(typed) = quote::split(&typed::bytes(line)) else {
        return Some(Hint { problem: Some("an open quote".to_owned()), ..Hint::default() });
    };
    let ends_in_blank = line.ends_with(' ');
    let mut words = typed.as_slice();
    if let [first, _, ..] = words
        && first.iter().all(u8::is_ascii_digit)
    {
        words = &words[1..];
    }
    let (first, rest) = words.split_first()?;
    if first.first() == Some(&b'#') {
        return None;
    }
    if let Some(word) = ours(words) {
        // `explain` and `watch` take a command: show that one's hint as soon as there is one.
        if matches!(word.name, "explain" | "watch") && !rest.is_empty() {
            return redis(rest, view);
        }
        if let ("node", [id, command, ..]) = (word.name, rest) {
            let syntax = command::lookup(command).map(Spec::syntax)?;
            let target = format!("→ node {} directly", harmless::line(id));
            return Some(Hint { syntax, target, problem: None });
        }
        return Some(Hint { syntax: word.usage(), target: word.summary.to_owned(), problem: None });
    }
    if rest.is_empty() && !ends_in_blank && command::lookup(first).is_none() {
        return None;
    }
    redis(words, view)
}

/// A word of ours that the line means.
fn ours(line: &[Vec<u8>]) -> Option<&'static Word> {
    match line.first()?.strip_prefix(b":") {
        Some(bare) => words::find(&line[0]).or_else(|| words::find(bare)),
        None => language::of_ours(line),
    }
    .filter(|word| word.available)
}

fn redis(words: &[Vec<u8>], view: &ClusterView) -> Option<Hint> {
    let (first, rest) = words.split_first()?;
    let Some(command) = command::lookup(first) else {
        let problem = Some(format!("no command {}", quote::repr(first)));
        return Some(Hint { problem, ..Hint::default() });
    };
    let spec = rest.first().and_then(|word| command.subcommand(word)).unwrap_or(command);
    if spec.index == command.index && !command.subcommands().is_empty() {
        let names: Vec<_> = command.subcommands().iter().map(|sub| sub.word().to_ascii_uppercase()).collect();
        return Some(Hint {
            syntax: format!("{} {}", command.name.to_ascii_uppercase(), names.join("|")),
            target: String::new(),
            problem: None,
        });
    }
    let mut hint = Hint { syntax: spec.syntax(), ..Hint::default() };
    if let Route::Refused(reason) = spec.route {
        hint.problem = Some(format!("not through a proxy: {reason}"));
    } else if spec.accepts(words.len()) {
        hint.target = target(spec, words, view).unwrap_or_else(|problem| {
            hint.problem = Some(problem);
            String::new()
        });
    } else {
        hint.target = spec.summary.to_owned();
    }
    Some(hint)
}

/// Slot and node of a complete command.
fn target(spec: &Spec, words: &[Vec<u8>], view: &ClusterView) -> Result<String, String> {
    match spec.route {
        Route::AllNodes(_) => return Ok("→ all nodes".to_owned()),
        Route::Servers(_) => return Ok("→ all members".to_owned()),
        Route::Transaction => return Ok("→ one node, at EXEC".to_owned()),
        Route::Scripted(Scripted::Show) => return Ok("→ any node".to_owned()),
        Route::Channels => return Ok("→ channels, heard at all nodes".to_owned()),
        Route::Local => return Ok("→ the proxy answers".to_owned()),
        Route::Refused(reason) => return Err(format!("not through a proxy: {reason}")),
        Route::OneNode | Route::Combined(_) | Route::Taken(_) | Route::Split(_) | Route::Scripted(_) => {}
    }
    let Ok(args) = Args::of(words) else { return Ok(String::new()) };
    let Some(request) = args.request() else { return Ok(String::new()) };
    let Ok(positions) = keys::positions(spec, &request) else { return Ok(String::new()) };
    let slots: BTreeSet<SlotId> =
        positions.indices().map(|index| SlotId::of_key(request.arg(index))).collect();
    let owners: BTreeSet<Option<&NodeId>> = slots.iter().map(|&slot| view.owner_of(slot)).collect();
    let slots: Vec<SlotId> = slots.into_iter().collect();
    Ok(match (slots.as_slice(), owners.first()) {
        ([], _) | (_, None) => String::new(),
        ([slot], Some(Some(owner))) => format!("→ slot {slot} → node {owner}"),
        ([slot], Some(None)) => format!("→ slot {slot}, which no node owns"),
        (_, Some(_)) if matches!(spec.route, Route::OneNode | Route::Scripted(_)) && owners.len() > 1 => {
            return Err(format!("keys on {} nodes; give them one {{tag}}", owners.len()));
        }
        (several, Some(_)) => {
            let nodes = owners.iter().flatten().count();
            format!("→ {} slots → {nodes} node{}", several.len(), if nodes == 1 { "" } else { "s" })
        }
    })
}

/// What can stand in the place of the last word of a line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Completions {
    /// The line before that word.
    pub before: String,
    /// What the word can become; sorted.
    pub candidates: Vec<String>,
    /// What has to be looked for besides.
    pub sought: Option<Sought>,
}

/// Names that no table has; what is typed of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sought {
    /// Keys of the cluster.
    Key(Vec<u8>),
    /// Files and directories of this machine.
    File(Vec<u8>),
}

impl Completions {
    /// With what was found among the candidates.
    #[must_use]
    pub fn with_names(mut self, names: impl IntoIterator<Item = Vec<u8>>) -> Self {
        self.candidates.extend(names.into_iter().map(|name| language::quote_word(&name)));
        self.candidates.sort();
        self.candidates.dedup();
        self
    }
}

/// What can stand in the place of the last word of a line.
#[must_use]
pub fn complete(line: &str, view: &ClusterView) -> Completions {
    let at = line.rfind(' ').map_or(0, |blank| blank + 1);
    let (before, typed) = line.split_at(at);
    let nothing = || Completions { before: before.to_owned(), ..Completions::default() };
    // What stands before is run as it is: words in quotes are one.
    let Ok(earlier) = quote::split(before.as_bytes()) else { return nothing() };
    let mut earlier = earlier.as_slice();
    if let [count, _, ..] = earlier
        && count.iter().all(u8::is_ascii_digit)
    {
        earlier = &earlier[1..];
    }
    // These stand before a whole command.
    let mut is_help = false;
    while let Some((word, rest)) = earlier.split_first() {
        earlier = match word.to_ascii_lowercase().strip_prefix(b":").unwrap_or(&word.to_ascii_lowercase()) {
            b"explain" | b"watch" | b"assert" => rest,
            b"help" => {
                is_help = true;
                rest
            }
            b"node" if !rest.is_empty() => &rest[1..],
            _ => break,
        };
    }
    let upper = typed.chars().next().is_some_and(|first| first.is_ascii_uppercase());
    let lower = typed.to_ascii_lowercase();
    let candidates: BTreeSet<String> = following(earlier, typed, view)
        .into_iter()
        .filter(|word| word.to_ascii_lowercase().starts_with(&lower))
        .map(|word| if upper { word.to_ascii_uppercase() } else { word })
        .collect();
    let typed_bytes = || typed::bytes(typed).into_owned();
    let sought = if is_help {
        None
    } else if stands_for_file(earlier, typed) {
        Some(Sought::File(typed_bytes()))
    } else {
        stands_for_key(earlier, typed).then(|| Sought::Key(typed_bytes()))
    };
    Completions { before: before.to_owned(), candidates: candidates.into_iter().collect(), sought }
}

/// Whether a word behind these would be a path: of words of ours that take one, wherever their option stands.
fn stands_for_file(earlier: &[Vec<u8>], typed: &str) -> bool {
    if typed.starts_with("--") || typed.contains(['"', '\'']) {
        return false;
    }
    let Some((first, rest)) = earlier.split_first() else { return false };
    let first = first.to_ascii_lowercase();
    match (first.strip_prefix(b":").unwrap_or(&first), rest) {
        (b"source", []) => first.starts_with(b":"),
        (b"script", [save]) => first.starts_with(b":") && save.eq_ignore_ascii_case(b"save"),
        (b"import" | b"restore", [] | [_]) | (b"export" | b"backup", [] | [_, _]) => {
            let is_ours = first.starts_with(b":") || language::of_ours(earlier).is_some();
            is_ours && rest.first().is_none_or(|option| option.starts_with(b"--"))
        }
        _ => false,
    }
}

/// The command that these words begin with, or the subcommand.
fn command_of(words: &[Vec<u8>]) -> Option<&'static Spec> {
    let (first, rest) = words.split_first()?;
    let command = command::lookup(first)?;
    Some(rest.first().and_then(|word| command.subcommand(word)).unwrap_or(command))
}

/// Whether a word behind these would be a key.
fn stands_for_key(earlier: &[Vec<u8>], typed: &str) -> bool {
    let Some(spec) = command_of(earlier) else {
        return matches!(earlier, [word] if matches!(language::of_ours(earlier).map(|w| w.name), Some("delete")) && !word.is_empty());
    };
    // A quote that is open is no name yet.
    if typed.contains(['"', '\'']) {
        return false;
    }
    let word = if typed.is_empty() { b"x".to_vec() } else { typed.as_bytes().to_vec() };
    let at = earlier.len();
    let Ok(args) = Args::of(earlier.iter().chain([&word]).collect::<Vec<_>>().as_slice()) else {
        return false;
    };
    let Some(request) = args.request() else { return false };
    keys::positions(spec, &request).is_ok_and(|found| found.indices().any(|index| index == at))
}

/// Words that can follow these.
fn following(earlier: &[Vec<u8>], typed: &str, view: &ClusterView) -> Vec<String> {
    let (nothing_typed, typed_option) = (typed.is_empty(), typed.starts_with('-'));
    let ids = || view.nodes.keys().map(ToString::to_string).collect();
    let fixed = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
    let words: Vec<String> =
        earlier.iter().map(|word| String::from_utf8_lossy(word).to_ascii_lowercase()).collect();
    let words: Vec<&str> =
        words.iter().enumerate().map(|(at, w)| if at == 0 { w.trim_start_matches(':') } else { w }).collect();
    match words.as_slice() {
        [] => {
            let ours = words::OPERATOR.iter().chain(words::DIRECTIVES).filter(|word| word.available);
            let redis = TABLE.iter().filter(|spec| spec.container().is_none() && !spec.internal);
            ours.map(|word| word.name.to_owned()).chain(redis.map(|spec| spec.name.to_owned())).collect()
        }
        ["remove" | "ack" | "node"] | ["plan", "remove"] => ids(),
        ["remove", _, ..] | ["add", _, _, ..] => fixed(&["--force", "--no-wait", "--if-rev", "--yes"]),
        ["drain"] => fixed(&["proxy"]),
        ["drain", "proxy"] => view.proxies.keys().map(ToString::to_string).collect(),
        ["drain", "proxy", _, ..] => fixed(&["--force", "--no-wait", "--yes"]),
        ["import" | "restore"] if typed_option && language::of_ours(earlier).is_some() => {
            fixed(&["--skip", "--replace", "--stop"])
        }
        ["export" | "backup"] if typed_option => fixed(&["--rdb"]),
        ["import" | "restore", _] if language::of_ours(earlier).is_some() => {
            fixed(&["--skip", "--replace", "--stop"])
        }
        ["export" | "backup", _] => fixed(&["--rdb"]),
        ["export" | "backup", _, "--rdb"] => fixed(&["10", "12"]),
        ["show"] => fixed(&Show::ALL.map(|(name, _)| name)),
        ["plan"] => fixed(&["add", "remove"]),
        ["set"] if earlier[0].first() == Some(&b':') => fixed(&["text", "vars", "format"]),
        ["set", "text"] if earlier[0].first() == Some(&b':') => fixed(&["escaped", "utf8", "both"]),
        ["set", "format"] if earlier[0].first() == Some(&b':') => fixed(&["tty", "raw", "csv", "json"]),
        ["set", "vars"] if earlier[0].first() == Some(&b':') => fixed(&["on", "off"]),
        ["timing"] => fixed(&["on", "off"]),
        ["on-error"] => fixed(&["stop", "go"]),
        ["wait"] if earlier[0].first() == Some(&b':') => fixed(&["moves", "sync"]),
        ["script"] if earlier[0].first() == Some(&b':') => fixed(&["save"]),
        _ => of_redis(earlier, nothing_typed),
    }
}

/// Subcommands, and option words that were not given yet.
fn of_redis(earlier: &[Vec<u8>], nothing_typed: bool) -> Vec<String> {
    let Some(spec) = command_of(earlier) else { return Vec::new() };
    if let ([_], false) = (earlier, spec.subcommands().is_empty()) {
        return spec.subcommands().iter().map(|sub| sub.word().to_owned()).collect();
    }
    // As many words as always stand in front; behind them options begin.
    let name = if spec.container().is_some() { 2 } else { 1 };
    let leading = spec.args.iter().take_while(|arg| !arg.optional && arg.token.is_none()).count();
    let given = earlier.len().saturating_sub(name);
    let mut tokens = Vec::new();
    spec.args.iter().for_each(|arg| collect_tokens(arg, &mut tokens));
    if given < leading {
        // One of several words may stand first, such as in BITOP AND.
        tokens.clear();
        if let Some(arg) = spec.args.get(given) {
            collect_tokens(arg, &mut tokens);
        }
    }
    let used = |token: &str| {
        earlier[name.min(earlier.len())..].iter().any(|word| word.eq_ignore_ascii_case(token.as_bytes()))
    };
    // Whoever types small letters goes on so.
    let small = !nothing_typed && earlier[0].iter().all(|byte| !byte.is_ascii_uppercase());
    tokens
        .into_iter()
        .filter(|token| !token.is_empty() && !used(token))
        .map(|token| if small { token.to_ascii_lowercase() } else { token.to_owned() })
        .collect()
}

fn collect_tokens(arg: &Arg, tokens: &mut Vec<&'static str>) {
    tokens.extend(arg.token);
    if let ArgKind::OneOf(parts) | ArgKind::Block(parts) = arg.kind {
        parts.iter().for_each(|part| collect_tokens(part, tokens));
    }
}

/// The line holds a password, so it is not kept.
#[must_use]
pub fn is_secret(line: &str) -> bool {
    // As it is run; what is not balanced is not run, and still not to be kept.
    let words: Vec<String> = match quote::split(line.as_bytes()) {
        Ok(words) => words.iter().map(|word| String::from_utf8_lossy(word).to_ascii_lowercase()).collect(),
        Err(_) => line.split_whitespace().map(str::to_ascii_lowercase).collect(),
    };
    let mut words: Vec<&str> = words.iter().map(String::as_str).collect();
    if words.len() > 1 && words[0].bytes().all(|byte| byte.is_ascii_digit()) {
        words.remove(0);
    }
    let has = |word: &str| words.contains(&word);
    match words.as_slice() {
        [_, ..] if words.iter().any(|word| word.contains("://") && word.contains('@')) => true,
        ["auth", ..] | ["acl", "setuser" | "getuser" | "deluser", ..] => true,
        ["hello", ..] | ["migrate", ..] => has("auth") || has("auth2"),
        ["config", "set", rest @ ..] => {
            rest.iter().any(|word| word.contains("pass") || word.ends_with("auth"))
        }
        [":let", name, ..] => ["pass", "secret", "auth", "token"].iter().any(|word| name.contains(word)),
        ["node" | "explain" | "watch" | ":node" | ":explain" | ":watch", rest @ ..] => {
            rest.iter().enumerate().any(|(at, _)| is_secret(&crate::language::quote_words(&rest[at..])))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screen::sample;
    use proptest::prelude::*;

    #[test]
    fn hints_say_where_a_key_goes() {
        let view = sample::cluster();
        let hint = hint("set key1 value1", &view).unwrap();
        assert!(hint.syntax.starts_with("SET key value"), "{}", hint.syntax);
        assert_eq!(hint.target, "→ slot 9189 → node 3");
        assert_eq!(super::hint("mget a b c", &view).unwrap().target, "→ 3 slots → 3 nodes");
        assert_eq!(super::hint("dbsize", &view).unwrap().target, "→ all nodes");
        assert!(super::hint("add 6", &view).unwrap().syntax.starts_with("add ID"));
        assert!(super::hint("set \"a", &view).unwrap().problem.is_some());
        assert!(super::hint("nosuch x", &view).unwrap().problem.is_some());
        assert_eq!(super::hint("", &view), None);
        assert_eq!(super::hint("nos", &view), None);
    }

    #[test]
    fn completion() {
        let view = sample::cluster();
        let words = |line: &str| complete(line, &view).candidates;
        assert_eq!(complete("show n", &view).before, "show ");
        assert_eq!(words("show n"), ["nodes"]);
        assert_eq!(words("remove ").len(), view.nodes.len());
        assert_eq!(words("remove 1 --f"), ["--force"]);
        assert!(words("INCRB").contains(&"INCRBY".to_owned()));
        assert!(words("client se").contains(&"setname".to_owned()));
        assert!(words("explain incrb").contains(&"incrby".to_owned()));
        assert!(words("get ").is_empty());
        assert_eq!(words("set a b e"), ["ex", "exat"]);
        assert_eq!(words("set 'a b' c EX"), ["EX", "EXAT"]);
        assert!(words("set a b ").contains(&"KEEPTTL".to_owned()) && words("set a ").is_empty());
        assert!(!words("set a b nx ").contains(&"NX".to_owned()));
        assert_eq!(words(":set form"), ["format"]);
    }

    #[test]
    fn places_of_keys() {
        let view = sample::cluster();
        let key = |line: &str| match complete(line, &view).sought {
            Some(Sought::Key(key)) => Some(String::from_utf8(key).unwrap()),
            _ => None,
        };
        for (line, expected) in [
            ("get us", Some("us")),
            ("get ", Some("")),
            ("set us", Some("us")),
            ("set a us", None),
            ("mget a b us", Some("us")),
            ("explain get us", Some("us")),
            ("node 1 get us", Some("us")),
            ("delete us", Some("us")),
            ("help get us", None),
            ("3 get us", Some("us")),
            ("get 'us", None),
            ("ping us", None),
        ] {
            assert_eq!(key(line).as_deref(), expected, "{line}");
        }
        let found = complete("get us", &view).with_names([b"user:1".to_vec(), b"us er".to_vec()]);
        assert_eq!(found.candidates, ["\"us er\"", "user:1"]);
    }

    #[test]
    fn places_of_files() {
        let view = sample::cluster();
        let file = |line: &str| match complete(line, &view).sought {
            Some(Sought::File(file)) => Some(String::from_utf8(file).unwrap()),
            _ => None,
        };
        for (line, expected) in [
            ("import du", Some("du")),
            ("import --skip du", Some("du")),
            ("import dump.rdb ", None),
            ("import --sk", None),
            ("export /tmp/", Some("/tmp/")),
            ("backup --rdb 12 b", Some("b")),
            ("backup --rdb 1", None),
            ("restore ", Some("")),
            ("restore k 0 ", None),
            (":source s", Some("s")),
            (":script save s", Some("s")),
            (":script s", None),
            ("source s", None),
            ("help import ", None),
        ] {
            assert_eq!(file(line).as_deref(), expected, "{line}");
        }
    }

    #[test]
    fn lines_with_passwords_are_known() {
        for secret in [
            "AUTH x",
            "hello 3 auth u p",
            "config set requirepass x",
            "acl setuser a >b",
            "node 3 auth x",
            "add 3 redis://u:p@h:1",
        ] {
            assert!(is_secret(secret), "{secret}");
        }
        assert!(!is_secret("set auth 1") && !is_secret("config get maxmemory") && !is_secret(""));
    }

    proptest! {
        #[test]
        fn no_line_panics(line in "[a-z :\"'\\\\{}0-9#]{0,40}") {
            let view = sample::cluster();
            let _ = (hint(&line, &view), complete(&line, &view), is_secret(&line));
        }
    }
}
