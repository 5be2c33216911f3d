//! No part of the library names one below it: the order is that of the code map in doc/architecture.md.
//!
//! Read is the text of the sources, without comments: paths that begin with `crate`, and `super` as often as it takes to leave
//! a layer. In-file tests count too: a test that needs a lower layer is a test of that layer. Programs (src/bin) may name all.
//! A path in a string is taken for code, as is a comment behind an odd number of quotes: that is noticed when it fails, while
//! nothing that is code is overlooked for it.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Each may name itself and those before it.
const LAYERS: [&str; 13] = [
    "time",
    "id",
    "slot",
    "protocol",
    "values",
    "command",
    "acl",
    "connection",
    "client",
    "cluster",
    "server",
    "node",
    "proxy",
];

/// Which name no other of them, wherever they stand.
const STRANGERS: [&str; 2] = ["node", "proxy"];

/// What is wrong with naming `name` in `layer`.
fn broken_rule(layer: &str, name: &str) -> Option<String> {
    let place = |name| LAYERS.iter().position(|&known| known == name);
    let Some(named) = place(name) else {
        return Some(format!("{layer} names crate::{name}, which is no layer: a path begins with its layer"));
    };
    if layer == "node" && name == "cluster" {
        return Some("a node knows nothing of other nodes".into());
    }
    if layer != name && STRANGERS.contains(&layer) && STRANGERS.contains(&name) {
        return Some(format!("{layer} names {name}: they do not know each other"));
    }
    let own = place(layer).unwrap_or_else(|| panic!("src/{layer} is no layer of {LAYERS:?}"));
    (named > own)
        .then(|| format!("{layer} names {name}: a layer knows only those above it, and {name} is below"))
}

/// A line without its comment.
fn code_of(line: &str) -> &str {
    let comment = line.match_indices("//").map(|(at, _)| &line[..at]).find(|before| {
        before.chars().next_back().is_none_or(char::is_whitespace)
            && before.matches('"').count().is_multiple_of(2)
    });
    comment.unwrap_or(line)
}

fn is_of_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

/// The names a path goes on with at `from`, and where they stand: one, or one for each item of a group.
fn heads(code: &str, from: usize) -> Vec<(usize, &str)> {
    let word_at = |at: usize| (at, code[at..].split(|letter| !is_of_word(letter)).next().unwrap_or_default());
    if !code[from..].starts_with('{') {
        return vec![word_at(from)];
    }
    let (mut heads, mut depth, mut begins) = (Vec::new(), 0, false);
    for (at, letter) in code[from..].char_indices() {
        match letter {
            '{' => {
                depth += 1;
                begins = depth == 1;
            }
            '}' if depth == 1 => break,
            '}' => depth -= 1,
            ',' => begins = depth == 1,
            _ if begins && !letter.is_whitespace() => {
                heads.push(word_at(from + at));
                begins = false;
            }
            _ => {}
        }
    }
    heads
}

/// What a source of `layer`, so many modules below the root, does against the rules: line and rule.
fn violations(layer: &str, modules: usize, source: &str) -> Vec<(usize, String)> {
    let code = source.lines().map(code_of).collect::<Vec<_>>().join("\n");
    let starts = |word: &'static str| {
        let whole = |at: &usize| !code[..*at].ends_with(is_of_word);
        code.match_indices(word).map(|(at, _)| at).filter(whole).collect::<Vec<_>>()
    };
    let mut named = Vec::new();
    for at in starts("crate::") {
        named.extend(heads(&code, at + "crate::".len()));
    }
    for at in starts("super::") {
        let rest = code[at..].trim_start_matches("super::");
        let path = code.len() - rest.len();
        if (path - at) / "super::".len() >= modules {
            // Inside an inline module it may not have left the layer, and names something of its own.
            named.extend(heads(&code, path).into_iter().filter(|(_, name)| LAYERS.contains(name)));
        }
    }
    let mut broken: Vec<_> = named
        .into_iter()
        .filter_map(|(at, name)| Some((code[..at].matches('\n').count() + 1, broken_rule(layer, name)?)))
        .collect();
    broken.sort();
    broken
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

/// Every source below `directory`, relative to src/.
fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("the sources are there") {
        let path = entry.expect("a directory can be read").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path.strip_prefix(root().join("src")).expect("it is below").to_owned());
        }
    }
}

#[test]
fn no_layer_names_one_below_it() {
    let mut files = Vec::new();
    sources(&root().join("src"), &mut files);
    files.retain(|file| !file.starts_with("bin") && file != Path::new("lib.rs"));
    files.sort();
    let mut broken = Vec::new();
    for file in files {
        let mut modules: Vec<_> = file.with_extension("").iter().map(ToOwned::to_owned).collect();
        modules.pop_if(|last| last == "mod");
        let layer = modules[0].to_str().expect("modules have names of letters");
        let source = fs::read_to_string(root().join("src").join(&file)).expect("a source can be read");
        for (line, rule) in violations(layer, modules.len(), &source) {
            broken.push(format!("src/{}:{line}: {rule}", file.display()));
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn the_layers_are_those_of_the_library_and_of_its_map() {
    let library = fs::read_to_string(root().join("src/lib.rs")).expect("a library has a root");
    let mut modules: Vec<_> = library
        .lines()
        .filter_map(|line| line.strip_prefix("pub mod ").or(line.strip_prefix("mod "))?.strip_suffix(';'))
        .collect();
    let mut layers = LAYERS.to_vec();
    modules.sort_unstable();
    layers.sort_unstable();
    assert_eq!(modules, layers, "src/lib.rs against this test");

    let map = fs::read_to_string(root().join("doc/architecture.md")).expect("the architecture is described");
    let rows = map.lines().filter_map(|line| line.strip_prefix("| `src/")?.split('|').next());
    let order: Vec<_> = rows
        .flat_map(|cell| cell.split(['`', ',', ' ']))
        .map(|word| word.trim_start_matches("src/").trim_end_matches(".rs"))
        .filter(|word| !word.is_empty() && *word != "bin")
        .collect();
    assert_eq!(order, LAYERS, "the code map of doc/architecture.md against this test");
}

#[test]
fn what_breaks_a_rule_is_found() {
    let found = |layer, modules, source: &str| -> Vec<usize> {
        violations(layer, modules, source).into_iter().map(|(line, _)| line).collect()
    };
    let group = "use std::io;\nuse crate::{\n    protocol::Value,\n    proxy::{claim, client},\n    time::Millis,\n};\n";
    assert_eq!(found("cluster", 2, group), [4]);
    assert_eq!(found("proxy", 2, group), [0; 0]);
    assert_eq!(found("node", 2, group), [4], "node and proxy do not know each other");
    assert_eq!(found("proxy", 2, "fn f() -> crate::node::Node { g::<crate::server::Peer>() }"), [1]);
    assert_eq!(found("protocol", 1, "\n    let x = crate::client::f(); // not before the rest"), [2]);
    assert_eq!(found("protocol", 1, "let x = \"http://\"; crate::client::f();"), [1]);
    assert_eq!(found("protocol", 1, "//! [`crate::proxy`]\nlet x = 1; // crate::proxy"), [0; 0]);
    assert_eq!(found("client", 3, "use super::super::super::node;"), [1]);
    assert_eq!(found("client", 3, "use super::super::node;\nuse super::super::super::protocol;"), [0; 0]);
    assert_eq!(found("client", 1, "use super::{time, server::{Life}};\nmod tests { use super::*; }"), [1]);
    assert_eq!(
        found("proxy", 1, "use crate::*;\nuse my_crate::x;\nuse crate::router;"),
        [1, 3],
        "unheard of"
    );
}
