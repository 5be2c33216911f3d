//! `help`: from the table of our words and the command table.

use redis_cluster::command::{self, Route, Spec};

use crate::language::words::{self, Word};

/// The list, or what there is to say about one word or Redis command.
pub(super) fn text(word: Option<&str>) -> String {
    let Some(word) = word else { return list() };
    if let Some(found) = words::find(word.as_bytes()) {
        return about_word(found);
    }
    let mut parts = word.split_whitespace();
    let spec = parts.next().and_then(|name| command::lookup(name.as_bytes()));
    let spec = match (spec, parts.next()) {
        (Some(spec), Some(sub)) => spec.subcommand(sub.as_bytes()),
        (spec, _) => spec,
    };
    spec.map_or_else(
        || format!("no word and no Redis command {word:?}; `help` lists the words\n"),
        about_command,
    )
}

fn list() -> String {
    let mut text = String::from("Words about the cluster:\n");
    push(&mut text, words::OPERATOR);
    text.push_str("\nWords for the console:\n");
    push(&mut text, words::DIRECTIVES);
    text.push_str(
        "\nAnything else is a Redis command, sent through a proxy: `help set`, `help client list`.\n\
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
        Route::OneSlot => "goes to the node that owns its keys' slot".to_owned(),
        Route::Split(_) => "is split over the nodes that own its keys".to_owned(),
        Route::AllNodes(_) => "goes to every node".to_owned(),
        Route::Transaction => "is kept by the proxy until EXEC, which runs on one node".to_owned(),
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
        let list = text(None);
        assert!(words::OPERATOR.iter().filter(|w| w.available).all(|w| list.contains(&w.usage())), "{list}");
        assert!(text(Some("add")).contains("add ID"));
        assert!(text(Some("set")).starts_with("SET key value"));
        assert!(text(Some("client list")).starts_with("CLIENT LIST"));
        assert!(text(Some("nosuch")).contains("no word and no Redis command"));
    }
}
