//! Help while a line is typed: what can follow, what the command wants, and where it would go. From the tables only.

use std::collections::BTreeSet;

use redis_cluster::{
    command::{self, Route, Spec, TABLE, keys},
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
        Route::Transaction => return Ok("→ one node, at EXEC".to_owned()),
        Route::Local => return Ok("→ the proxy answers".to_owned()),
        Route::OneSlot | Route::Split(_) | Route::Refused(_) => {}
    }
    let Ok(args) = Args::of(words) else { return Ok(String::new()) };
    let Some(request) = args.request() else { return Ok(String::new()) };
    if let Route::Refused(reason) = spec.route_for(&request) {
        return Err(format!("not through a proxy: {reason}"));
    }
    let Ok(positions) = keys::positions(spec, &request) else { return Ok(String::new()) };
    let slots: BTreeSet<SlotId> =
        positions.indices().map(|index| SlotId::of_key(request.arg(index))).collect();
    let owners: BTreeSet<Option<&NodeId>> = slots.iter().map(|&slot| view.owner_of(slot)).collect();
    let slots: Vec<SlotId> = slots.into_iter().collect();
    Ok(match (slots.as_slice(), owners.first()) {
        ([], _) | (_, None) => String::new(),
        ([slot], Some(Some(owner))) => format!("→ slot {slot} → node {owner}"),
        ([slot], Some(None)) => format!("→ slot {slot}, which no node owns"),
        (several, Some(_)) if spec.route == Route::OneSlot => {
            return Err(format!("keys in {} slots; give them one {{tag}}", several.len()));
        }
        (several, Some(_)) => {
            let nodes = owners.iter().flatten().count();
            format!("→ {} slots → {nodes} node{}", several.len(), if nodes == 1 { "" } else { "s" })
        }
    })
}

/// What stands before the last word of a line, and what that word can become; sorted.
#[must_use]
pub fn complete(line: &str, view: &ClusterView) -> (String, Vec<String>) {
    let at = line.rfind(' ').map_or(0, |blank| blank + 1);
    let (before, typed) = line.split_at(at);
    let earlier: Vec<String> = before.split_whitespace().map(str::to_ascii_lowercase).collect();
    let mut earlier: Vec<&str> = earlier.iter().map(String::as_str).collect();
    // These stand before a whole command.
    while let [first, rest @ ..] = earlier.as_slice() {
        let skipped = match *first {
            "explain" | ":explain" | "watch" | ":watch" | "help" => rest,
            "node" | ":node" if !rest.is_empty() => &rest[1..],
            _ => break,
        };
        earlier = skipped.to_vec();
    }
    let upper = typed.chars().next().is_some_and(|first| first.is_ascii_uppercase());
    let lower = typed.to_ascii_lowercase();
    let candidates: BTreeSet<String> = following(&earlier, view)
        .into_iter()
        .filter(|word| word.to_ascii_lowercase().starts_with(&lower))
        .map(|word| if upper { word.to_ascii_uppercase() } else { word })
        .collect();
    (before.to_owned(), candidates.into_iter().collect())
}

/// Words that can follow these.
fn following(earlier: &[&str], view: &ClusterView) -> Vec<String> {
    let ids = || view.nodes.keys().map(ToString::to_string).collect();
    let fixed = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
    match earlier {
        [] => {
            let ours = words::OPERATOR.iter().chain(words::DIRECTIVES).filter(|word| word.available);
            let redis = TABLE.iter().filter(|spec| spec.container().is_none() && !spec.internal);
            ours.map(|word| word.name.to_owned()).chain(redis.map(|spec| spec.name.to_owned())).collect()
        }
        ["remove" | ":remove" | "ack" | ":ack" | "node" | ":node"] | ["plan" | ":plan", "remove"] => ids(),
        ["show" | ":show"] => fixed(&Show::ALL.map(|(name, _)| name)),
        ["plan" | ":plan"] => fixed(&["add", "remove"]),
        [container] => command::lookup(container.as_bytes()).map_or_else(Vec::new, |spec| {
            spec.subcommands().iter().map(|sub| sub.word().to_owned()).collect()
        }),
        _ => Vec::new(),
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
        assert_eq!(complete("show n", &view), ("show ".to_owned(), vec!["nodes".to_owned()]));
        assert_eq!(complete("remove ", &view).1.len(), view.nodes.len());
        assert!(complete("INCRB", &view).1.contains(&"INCRBY".to_owned()));
        assert!(complete("client se", &view).1.contains(&"setname".to_owned()));
        assert!(complete("explain incrb", &view).1.contains(&"incrby".to_owned()));
        assert!(complete("get ", &view).1.is_empty());
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
