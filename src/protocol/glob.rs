//! Globs as `KEYS`, `SCAN MATCH` and `CONFIG GET` read them: `*`, `?`, `[a-z]`, `[^…]`, `\` before any byte; with Redis's answers
//! for malformed patterns too.
//!
//! A pattern is compiled once and matched against many keys, under the lock of a node. So whatever a client sends, a match
//! takes time in proportion to the key, or for a long run between two stars to the product of both lengths by 64; what it took
//! beyond the former is counted ([`Glob::spent`]), so that commands can stop in time.

mod class;
mod run;

use std::cell::Cell;

use self::{
    class::{ANY, Classes},
    run::{PATIENCE, Run},
};

/// Letters of which case are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Case {
    /// None: keys and channels.
    Exact,
    /// ASCII letters of both cases: names of commands and settings.
    Ignored,
}

/// Runs of a pattern that nobody writes by hand any more.
const MANY_RUNS: usize = 32;

/// A compiled pattern.
#[derive(Debug)]
pub struct Glob {
    classes: Classes,
    /// Before the first star, or the whole pattern.
    prefix: Run,
    /// `None`: there is no star.
    starred: Option<Starred>,
    /// Bytes that match have at least.
    shortest: usize,
    spent: Cell<u64>,
}

#[derive(Debug)]
struct Starred {
    /// Between stars; none is empty.
    middle: Vec<Run>,
    /// After the last star.
    suffix: Run,
}

impl Glob {
    /// Reads a pattern; there is none that is wrong.
    #[must_use]
    pub fn new(pattern: &[u8], case: Case) -> Self {
        let mut classes = Classes::default();
        let mut runs = vec![Vec::new()];
        let mut at = 0;
        while let Some(element) = element(pattern, &mut at, case, &mut classes) {
            match (element, runs.last_mut()) {
                (Element::Star, _) => runs.push(Vec::new()),
                (Element::One(one), Some(run)) => run.push(one),
                (Element::One(_), None) => unreachable!("there is always a run"),
            }
        }
        let shortest = runs.iter().map(Vec::len).sum();
        let many = runs.len() > MANY_RUNS;
        let mut runs = runs.into_iter().map(|run| Run::new(run, many));
        let prefix = runs.next().unwrap_or_default();
        let starred = runs.next_back().map(|suffix| {
            let middle = runs.filter(|run| run.len() > 0).collect();
            Starred { middle, suffix }
        });
        Self { classes, prefix, starred, shortest, spent: Cell::new(0) }
    }

    /// Whether `text` matches. Redis's functions decide that `*` matches an empty text before they ask; here, as there, only an
    /// empty pattern does.
    #[must_use]
    pub fn matches(&self, text: &[u8]) -> bool {
        if text.len() < self.shortest {
            return false;
        }
        let Some(Starred { middle, suffix }) = &self.starred else {
            return text.len() == self.shortest && self.prefix.is_at(text, &self.classes);
        };
        if text.is_empty() || !self.prefix.is_at(text, &self.classes) {
            return false;
        }
        // The length was compared: prefix and suffix do not overlap.
        let end = text.len() - suffix.len();
        if !suffix.is_at(&text[end..], &self.classes) {
            return false;
        }
        let mut patience = PATIENCE * text.len();
        let mut rest = &text[self.prefix.len()..end];
        middle.iter().all(|run| {
            // The leftmost place leaves the most to what follows.
            let found = run.find(rest, &self.classes, &mut patience, &self.spent);
            if let Some(place) = found {
                rest = &rest[place + run.len()..];
            }
            found.is_some()
        })
    }

    /// Steps that all matches so far took beyond a few per byte of their texts: 0 unless somebody takes pains.
    #[must_use]
    pub fn spent(&self) -> u64 {
        self.spent.get()
    }
}

/// Whether one `text` matches `pattern`.
#[must_use]
pub fn matches(pattern: &[u8], text: &[u8], case: Case) -> bool {
    Glob::new(pattern, case).matches(text)
}

/// What stands in a pattern.
enum Element {
    Star,
    /// One byte of a text, by its number in [`Classes`].
    One(u32),
}

/// The element that begins at `at`, which moves behind it; `None` at the end.
fn element(pattern: &[u8], at: &mut usize, case: Case, classes: &mut Classes) -> Option<Element> {
    let (one, length) = match pattern.get(*at..)? {
        [] => return None,
        [b'*', ..] => {
            *at += 1;
            return Some(Element::Star);
        }
        [b'?', ..] => (ANY, 1),
        [b'[', inner @ ..] => {
            let (class, length) = class::parse(inner, case);
            (classes.number(class), 1 + length)
        }
        [b'\\', escaped, ..] => (classes.byte(*escaped, case), 2),
        [literal, ..] => (classes.byte(*literal, case), 1),
    };
    *at += length;
    Some(Element::One(one))
}

#[cfg(test)]
mod tests;
