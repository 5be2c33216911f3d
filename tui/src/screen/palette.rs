//! The palette: everything one can go to or do, found by a few letters of its name. A `:word` is typed here too.

use tui_input::Input;

use super::{
    keymap::{Action, BINDINGS, Context},
    theme::Charset,
};
use crate::{language::words, session::ClusterView};

/// The open palette.
#[derive(Clone, Debug, Default)]
pub struct Palette {
    /// What is typed.
    pub input: Input,
    /// Which of the choices is selected.
    pub selected: usize,
}

/// Something that can be chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// What is looked for.
    pub name: String,
    /// A few words about it.
    pub about: String,
    /// The key that does the same; empty: none does.
    pub key: String,
    /// What it does.
    pub does: Does,
}

/// What a choice does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Does {
    /// As the key.
    Action(Action),
    /// Opens a node.
    Node(redis_cluster::id::NodeId),
    /// Opens a proxy.
    Proxy(redis_cluster::id::ProxyId),
    /// Goes into the command line, to be completed there.
    Type(String),
}

/// All choices of a context.
fn all(context: Context, charset: Charset, view: &ClusterView) -> Vec<Choice> {
    let mut choices: Vec<Choice> = BINDINGS
        .iter()
        .filter(|binding| binding.applies(context) && is_choice(binding.action))
        .map(|binding| Choice {
            name: binding.help.to_owned(),
            about: String::new(),
            key: binding.label(charset),
            does: Does::Action(binding.action),
        })
        .collect();
    choices.extend(view.nodes.iter().map(|(id, node)| Choice {
        name: format!("node {id}"),
        about: node.record.address.to_string(),
        key: String::new(),
        does: Does::Node(id.clone()),
    }));
    choices.extend(view.proxies.iter().map(|(id, proxy)| Choice {
        name: format!("proxy {id}"),
        about: proxy.record.address.clone(),
        key: String::new(),
        does: Does::Proxy(id.clone()),
    }));
    let words = words::DIRECTIVES.iter().chain(words::OPERATOR).filter(|word| word.available);
    choices.extend(words.map(|word| Choice {
        name: word.usage(),
        about: word.summary.to_owned(),
        key: String::new(),
        does: Does::Type(format!("{} ", word.name)),
    }));
    choices
}

/// Moving about needs no palette.
fn is_choice(action: Action) -> bool {
    !matches!(
        action,
        Action::Down
            | Action::Up
            | Action::HalfDown
            | Action::HalfUp
            | Action::PageDown
            | Action::PageUp
            | Action::Top
            | Action::Bottom
            | Action::Previous
            | Action::Palette
            | Action::Interrupt
    )
}

/// Letters of the query in this order, the better the closer together and the nearer to the beginning; `None`: not all of them.
fn score(name: &str, query: &str) -> Option<usize> {
    let name = name.to_lowercase();
    if let Some(at) = name.find(query) {
        return Some(at);
    }
    let mut rest = name.char_indices();
    let mut last = 0;
    for wanted in query.chars().filter(|character| *character != ' ') {
        last = rest.find(|(_, character)| *character == wanted)?.0;
    }
    Some(1_000 + last)
}

/// What could be meant, the likeliest first.
#[must_use]
pub fn choices(query: &str, context: Context, charset: Charset, view: &ClusterView) -> Vec<Choice> {
    let query = query.trim().to_lowercase();
    let mut found: Vec<(usize, Choice)> = all(context, charset, view)
        .into_iter()
        .filter_map(|choice| {
            let bare = choice.name.strip_prefix(':').unwrap_or(&choice.name);
            // Where one can go comes before what one would have to type.
            let later = if matches!(choice.does, Does::Type(_)) { 500 } else { 0 };
            Some((score(bare, &query)? + later, choice))
        })
        .collect();
    found.sort_by_key(|(score, _)| *score);
    found.into_iter().map(|(_, choice)| choice).collect()
}

/// The line of the language that was typed, where it is one: `set text utf8` of `:set text utf8`.
#[must_use]
pub fn typed_line(query: &str) -> Option<String> {
    let word = query.split_whitespace().next()?;
    let known = words::find_bare(word).is_some();
    // A bare word that is a choice of its own name has nothing behind it yet.
    (known && query.trim().len() > word.len()).then(|| format!(":{}", query.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screen::sample;

    #[test]
    fn a_few_letters_find_what_is_meant() {
        let view = sample::cluster();
        let first = |query: &str| {
            let found = choices(query, Context::Nav, Charset::Unicode, &view);
            found.into_iter().next().map(|choice| choice.does)
        };
        assert_eq!(first("slow"), Some(Does::Action(Action::Show(6))));
        assert_eq!(first("node 4"), Some(Does::Node("4".parse().unwrap())));
        assert_eq!(first("p2"), Some(Does::Proxy("p2".parse().unwrap())));
        assert_eq!(first("timing"), Some(Does::Type(":timing ".to_owned())));
        assert_eq!(first("whttpd"), Some(Does::Action(Action::Show(9))));
        assert_eq!(first("no such thing"), None);
        assert_eq!(typed_line("set text utf8").as_deref(), Some(":set text utf8"));
        assert_eq!((typed_line("set"), typed_line("slow log")), (None, None));
    }
}
