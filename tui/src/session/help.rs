//! `help`: from the table of our words and the command table.

use std::collections::BTreeSet;

use redis_cluster::command::{self, Route, Spec, TABLE};

use super::outcome::{Body, Outcome, Status};
use crate::language::words::{self, Word};

/// The list, or what there is to say about one word, one Redis command or one `@group` of them.
pub(super) fn answer(asked: Option<&str>) -> Outcome {
    match asked {
        None => Outcome::done(Body::Text(list())),
        Some(asked) => match about(asked) {
            Some(text) => Outcome::done(Body::Text(text)),
            None => Outcome::failure(Status::ErrorReply, unknown(asked)),
        },
    }
}

fn about(asked: &str) -> Option<String> {
    if let Some(group) = asked.strip_prefix('@') {
        return about_group(group);
    }
    if let Some(found) = words::find(asked.as_bytes()) {
        return Some(about_word(found));
    }
    let mut parts = asked.split_whitespace();
    let command = parts.next().and_then(|name| command::lookup(name.as_bytes()));
    let spec = command
        .and_then(|command| parts.try_fold(command, |container, part| container.subcommand(part.as_bytes())));
    spec.map(about_command).or_else(|| words::find_bare(asked).map(about_word))
}

/// A group as `COMMAND DOCS` names it, with redis-cli's underscore or a hyphen.
fn about_group(name: &str) -> Option<String> {
    let plain = |name: &str| name.to_ascii_lowercase().replace('_', "-");
    let of_group = |spec: &&Spec| plain(spec.group.name()) == plain(name) && !spec.internal;
    let mut text = String::new();
    for spec in TABLE.iter().filter(of_group).filter(|spec| spec.subcommands().is_empty()) {
        text.push_str(&format!("  {:<52} {}\n", spec.syntax(), spec.summary));
    }
    (!text.is_empty()).then_some(text)
}

/// So many changed letters may be a slip of the finger.
const SLIPS: usize = 2;
/// More suggestions than these help nobody.
const SUGGESTIONS: usize = 5;

fn unknown(asked: &str) -> String {
    if asked.starts_with('@') {
        let groups: BTreeSet<String> = TABLE.iter().map(|spec| format!("@{}", spec.group.name())).collect();
        let groups: Vec<String> = groups.into_iter().collect();
        return format!("no group {asked:?}; there are {}", groups.join(" "));
    }
    let lower = asked.to_ascii_lowercase();
    let ours = words::OPERATOR.iter().chain(words::DIRECTIVES).filter(|word| word.available);
    let names = ours
        .map(|word| word.name.to_owned())
        .chain(TABLE.iter().filter(|spec| !spec.internal).map(|spec| spec.name.replace('|', " ")))
        .chain(TABLE.iter().map(|spec| format!("@{}", spec.group.name())));
    let mut near: Vec<(usize, String)> = names
        .map(|name| (strsim::osa_distance(&lower, name.trim_start_matches([':', '@'])), name))
        .filter(|(slips, name)| *slips <= SLIPS.min(lower.len() / 2) || name.starts_with(&lower))
        .collect();
    near.sort();
    near.dedup_by(|a, b| a.1 == b.1);
    let near: Vec<String> = near.into_iter().take(SUGGESTIONS).map(|(_, name)| name).collect();
    match near.split_last() {
        None => format!("no word and no Redis command {asked:?}; `help` lists the words"),
        Some((last, [])) => format!("no word and no Redis command {asked:?}; did you mean {last}?"),
        Some((last, others)) => {
            format!("no word and no Redis command {asked:?}; did you mean {} or {last}?", others.join(", "))
        }
    }
}

fn list() -> String {
    let mut text = String::from("Words about the cluster:\n");
    push(&mut text, words::OPERATOR);
    text.push_str("\nWords for the console:\n");
    push(&mut text, words::DIRECTIVES);
    text.push_str(
        "\nAnything else is a Redis command, sent through a proxy: `help set`, `help client list`, `help @list`.\n\
         A count before a command repeats it: `5 INCR x`. A line that begins with # is a comment.\n",
    );
    text
}

fn push(text: &mut String, words: &[Word]) {
    for word in words.iter().filter(|word| word.available) {
        text.push_str(&format!("  {:<52} {}\n", word.usage(), word.summary));
    }
}

fn about_word(word: &Word) -> String {
    let missing = if word.available { "" } else { "  (not available in this version)" };
    format!("{}\n  {}{missing}\n", word.usage(), word.summary)
}

fn about_command(spec: &Spec) -> String {
    let mut text = format!("{}\n  {}\n", spec.syntax(), spec.summary);
    text.push_str(&format!("  since {}, {}", spec.since, spec.group.name()));
    if !spec.complexity.is_empty() {
        text.push_str(&format!(", {}", spec.complexity));
    }
    text.push('\n');
    if let Some(deprecated) = spec.deprecated {
        text.push_str(&format!("  deprecated since {}: {}\n", deprecated.since, deprecated.instead));
    }
    let route = match spec.route {
        Route::OneNode => "goes to the node that owns its keys".to_owned(),
        Route::Combined(_) => {
            "goes to the node that owns its keys, or is computed of what several have".to_owned()
        }
        Route::Taken(_) => {
            "goes to the node that owns its keys, or to the first of several that has something".to_owned()
        }
        Route::Split(_) => "is split over the nodes that own its keys".to_owned(),
        Route::AllNodes(_) => "goes to every node".to_owned(),
        Route::Servers(_) => "goes to every member, with slots or without".to_owned(),
        Route::Transaction => "is kept by the proxy until EXEC, which runs on one node".to_owned(),
        Route::Scripted(_) => "is about scripts and functions, which all nodes know".to_owned(),
        Route::Channels => "is published at one node, and heard at all".to_owned(),
        Route::Local => "is answered by the proxy".to_owned(),
        Route::Refused(why) => format!("is refused by proxies: {why}"),
    };
    text.push_str(&format!("  through a proxy it {route}\n"));
    if !spec.subcommands().is_empty() {
        let words: Vec<&str> = spec.subcommands().iter().map(Spec::word).collect();
        text.push_str(&format!("  subcommands: {}\n", words.join(", ")));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn list_word_command_and_neither() {
        let text = |asked| match answer(asked) {
            Outcome { body: Body::Text(text), status: Status::Done, .. } => text,
            outcome => outcome.error_text().map(|text| format!("{:?}: {text}", outcome.status)).unwrap(),
        };
        let list = text(None);
        assert!(words::OPERATOR.iter().filter(|w| w.available).all(|w| list.contains(&w.usage())), "{list}");
        assert!(text(Some("add")).contains("add ID"));
        assert!(text(Some("timing")).starts_with(":timing on|off"));
        assert!(text(Some("set")).starts_with("SET key value"));
        assert!(text(Some("client list")).starts_with("CLIENT LIST"));
        assert!(text(Some("@string")).contains("  GETRANGE key start end"));
        assert!(text(Some("@sorted_set")).contains("  ZADD key"));
        for (asked, expected) in [
            ("gte", "did you mean get"),
            ("remvoe", "did you mean remove?"),
            ("strnig", "@string"),
            ("client lsit", "did you mean client list"),
            ("qwertyuiop", "`help` lists"),
            ("@strings", "no group"),
            ("get nosuch", "no word"),
        ] {
            let said = text(Some(asked));
            assert!(said.starts_with("ErrorReply: ") && said.contains(expected), "{asked}: {said}");
        }
    }
}
