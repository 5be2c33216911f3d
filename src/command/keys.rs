//! Where the keys of a request are, and what the command does to them.
//!
//! Rules and their order are those of Redis 7.0 (`COMMAND GETKEYSANDFLAGS`): the key specifications of the row, and for
//! the few commands whose options decide where or how, code. Never allocates.

use super::{Flags, KeyFlags, Spec};
use crate::protocol::{Request, number::parse_i64};

/// One place where a command has keys.
#[derive(Clone, Copy, Debug)]
pub struct KeySpec {
    /// What happens to them.
    pub flags: KeyFlags,
    /// Where they begin.
    pub search: Search,
    /// How many they are, from there.
    pub find: Find,
    /// A remark for `COMMAND INFO`, or empty.
    pub notes: &'static str,
}

/// Where keys begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Search {
    /// At this argument.
    Index(usize),
    /// After this word, searched from an argument; a negative number counts from the end and searches backwards.
    Keyword(&'static str, i32),
    /// Only code can tell.
    Unknown,
}

/// Which arguments are keys, from where the search ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Find {
    /// Every `step`, as far as `last` arguments on; negative `last`: that far from the end of the request, or, with a
    /// `limit` above 1, of its part that is the rest divided by `limit`.
    Range {
        /// Distance of the last key from the first, or from the end.
        last: i32,
        /// Distance between keys.
        step: usize,
        /// 0, or what fraction of the rest are keys.
        limit: usize,
    },
    /// Argument `count` holds their number, they begin at argument `first`.
    Count {
        /// Distance from where the search ended.
        count: usize,
        /// Distance from where the search ended.
        first: usize,
        /// Distance between keys.
        step: usize,
    },
    /// Only code can tell.
    Unknown,
}

impl KeySpec {
    const fn new(flags: &[KeyFlags], search: Search, find: Find) -> Self {
        Self { flags: KeyFlags::of(flags), search, find, notes: "" }
    }

    /// A remark for `COMMAND INFO`.
    pub(super) const fn notes(self, notes: &'static str) -> Self {
        Self { notes, ..self }
    }
}

const ONE: Find = Find::Range { last: 0, step: 1, limit: 0 };

/// Argument `index` is a key.
pub(super) const fn at(index: usize, flags: &[KeyFlags]) -> KeySpec {
    KeySpec::new(flags, Search::Index(index), ONE)
}

/// Keys from argument `index` to `last` (see [`Find::Range`]), every `step`.
pub(super) const fn range(index: usize, last: i32, step: usize, flags: &[KeyFlags]) -> KeySpec {
    KeySpec::new(flags, Search::Index(index), Find::Range { last, step, limit: 0 })
}

/// Argument `index` is a number, and that many keys follow.
pub(super) const fn counted(index: usize, flags: &[KeyFlags]) -> KeySpec {
    KeySpec::new(flags, Search::Index(index), Find::Count { count: 0, first: 1, step: 1 })
}

/// One key after `word`.
pub(super) const fn after(word: &'static str, from: i32, flags: &[KeyFlags]) -> KeySpec {
    KeySpec::new(flags, Search::Keyword(word, from), ONE)
}

/// The first half of what follows `word`.
pub(super) const fn half_after(word: &'static str, from: i32, flags: &[KeyFlags]) -> KeySpec {
    KeySpec::new(flags, Search::Keyword(word, from), Find::Range { last: -1, step: 1, limit: 2 })
}

/// Everything that follows `word`.
pub(super) const fn all_after(word: &'static str, from: i32, flags: &[KeyFlags]) -> KeySpec {
    KeySpec::new(flags, Search::Keyword(word, from), Find::Range { last: -1, step: 1, limit: 0 })
}

/// Keys that only code finds.
pub(super) const fn unknown(flags: &[KeyFlags]) -> KeySpec {
    KeySpec::new(flags, Search::Unknown, Find::Unknown)
}

/// Commands whose options decide where their keys are, or what happens to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ByCode {
    /// `SET`: reads only with `GET`.
    Set,
    /// `BITFIELD`: changes nothing if all its parts are `GET`.
    Bitfield,
    /// `SORT`: `STORE` anywhere among the options.
    Sort,
    /// `SORT_RO`: one key.
    SortRo,
    /// `MIGRATE`: one key, or those after `KEYS`.
    Migrate,
}

/// Equally spaced keys with the same flags.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Run {
    first: u32,
    last: u32,
    step: u32,
    flags: KeyFlags,
}

/// Key specifications a command has at most.
pub(super) const SPECS_MAX: usize = 4;

/// The arguments of a request that are keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeyPositions {
    runs: [Run; SPECS_MAX],
    used: usize,
}

/// The arguments do not fit the command's syntax, so its keys cannot be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("ERR Invalid arguments specified for command")]
pub struct InvalidArguments;

impl KeyPositions {
    fn push(&mut self, first: usize, last: usize, step: usize, flags: KeyFlags) {
        // Arguments are counted in 32 bits: see `protocol::Limits`.
        let [first, last, step] =
            [first, last, step].map(|index| u32::try_from(index).expect("fewer arguments than that"));
        self.runs[self.used] = Run { first, last, step, flags };
        self.used += 1;
    }

    /// Argument indices and what happens to the key, in the order of the specifications.
    pub fn iter(&self) -> impl Iterator<Item = (usize, KeyFlags)> + Clone + '_ {
        self.runs[..self.used].iter().flat_map(|run| {
            (run.first..=run.last).step_by(run.step as usize).map(|index| (index as usize, run.flags))
        })
    }

    /// Argument indices.
    pub fn indices(&self) -> impl Iterator<Item = usize> + Clone + '_ {
        self.iter().map(|(index, _)| index)
    }

    /// Keys.
    #[must_use]
    pub fn len(&self) -> usize {
        self.runs[..self.used].iter().map(|run| ((run.last - run.first) / run.step) as usize + 1).sum()
    }

    /// Whether there is no key.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.used == 0
    }

    /// Distance between keys; 1 if there are none. Of the first specification, where there are several.
    #[must_use]
    pub fn step(&self) -> usize {
        self.runs[..self.used].first().map_or(1, |run| run.step as usize)
    }

    /// The first key's argument.
    #[must_use]
    pub fn first(&self) -> Option<usize> {
        self.runs[..self.used].first().map(|run| run.first as usize)
    }
}

/// What a range that begins behind the last argument means: `PFMERGE dest` is a command, and merges nothing into `dest`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum EmptyRange {
    /// It has no keys; those of other ranges are all there are.
    IsNone,
    /// As for `COMMAND GETKEYS`.
    IsInvalid,
}

/// The keys of a request whose arity was checked. `NOT_KEY` places (channels of shards) are left out.
///
/// # Errors
/// When an option or a count leads past the end, or a count is not a number. No server runs such a request.
pub fn positions(spec: &Spec, request: &Request<'_>) -> Result<KeyPositions, InvalidArguments> {
    find(spec, request, EmptyRange::IsNone)
}

/// The argument that is the only key of a request whose arity was checked, for a command that can have no other: what [`positions`]
/// would say, without looking for it. It is asked for each request of the plainest kind.
#[inline]
#[must_use]
pub fn sole(spec: &Spec) -> Option<usize> {
    match (spec.keys_by_code, spec.keys) {
        (None, [KeySpec { flags, search: Search::Index(index), find: ONE, .. }])
            if !flags.has(KeyFlags::NOT_KEY) =>
        {
            Some(*index)
        }
        (Some(ByCode::Set), _) => Some(1),
        _ => None,
    }
}

/// What `COMMAND GETKEYS` answers: as [`positions`], but Redis lists no keys at all where it expects more than there are.
///
/// # Errors
/// As [`positions`], and when a range of keys is empty.
pub fn listed(spec: &Spec, request: &Request<'_>) -> Result<KeyPositions, InvalidArguments> {
    find(spec, request, EmptyRange::IsInvalid)
}

/// What [`positions`] would say of a command with these specifications, at most [`SPECS_MAX`].
pub(super) fn found(specs: &[KeySpec], request: &Request<'_>) -> Result<KeyPositions, InvalidArguments> {
    by_specs(specs, request, EmptyRange::IsNone)
}

fn find(spec: &Spec, request: &Request<'_>, empty: EmptyRange) -> Result<KeyPositions, InvalidArguments> {
    match spec.keys_by_code {
        None => match by_specs(spec.keys, request, empty) {
            Err(InvalidArguments) if names_none(spec, request) => Ok(KeyPositions::default()),
            found => found,
        },
        Some(ByCode::Set) => {
            let reads = request
                .args_from(3)
                .any(|word| word.eq_ignore_ascii_case(b"get") || word.eq_ignore_ascii_case(b"ifeq"));
            let flags = if reads {
                KeyFlags::of(&[KeyFlags::RW, KeyFlags::ACCESS, KeyFlags::UPDATE])
            } else {
                KeyFlags::of(&[KeyFlags::OW, KeyFlags::UPDATE])
            };
            Ok(single(1, flags))
        }
        Some(ByCode::Bitfield) => {
            let flags = if bitfield_only_reads(request) {
                KeyFlags::of(&[KeyFlags::RO, KeyFlags::ACCESS])
            } else {
                KeyFlags::of(&[KeyFlags::RW, KeyFlags::ACCESS, KeyFlags::UPDATE])
            };
            Ok(single(1, flags))
        }
        Some(ByCode::SortRo) => Ok(single(1, KeyFlags::of(&[KeyFlags::RO, KeyFlags::ACCESS]))),
        Some(ByCode::Sort) => Ok(sort(request)),
        Some(ByCode::Migrate) => migrate(request),
    }
}

/// Whether a script or a function is called with no keys, in so many words.
fn names_none(spec: &Spec, request: &Request<'_>) -> bool {
    spec.flags.has(Flags::NO_MANDATORY_KEYS) && request.get(2) == Some(b"0")
}

fn single(index: usize, flags: KeyFlags) -> KeyPositions {
    let mut keys = KeyPositions::default();
    keys.push(index, index, 1, flags);
    keys
}

fn by_specs(
    specs: &[KeySpec],
    request: &Request<'_>,
    empty: EmptyRange,
) -> Result<KeyPositions, InvalidArguments> {
    let len = request.len();
    let mut keys = KeyPositions::default();
    for spec in specs {
        if spec.flags.has(KeyFlags::NOT_KEY) {
            continue;
        }
        let start = match spec.search {
            Search::Index(index) => index,
            Search::Keyword(word, from) => match keyword(request, word, from) {
                Some(start) => start,
                None => continue,
            },
            Search::Unknown => return Err(InvalidArguments),
        };
        let (first, last, step) = match spec.find {
            Find::Range { last, step, limit } => {
                let end = match usize::try_from(last) {
                    Ok(distance) => Some(start + distance),
                    Err(_) if limit <= 1 => len.checked_add_signed(last as isize),
                    Err(_) => {
                        let part = len.checked_sub(start).ok_or(InvalidArguments)? / limit;
                        (start + part).checked_add_signed(last as isize)
                    }
                };
                (start, end.ok_or(InvalidArguments)?, step)
            }
            Find::Count { count, first, step } => {
                let number = request.get(start + count).and_then(parse_i64).ok_or(InvalidArguments)?;
                let number = usize::try_from(number).ok().filter(|&number| number <= len);
                let distance =
                    number.and_then(|number| number.checked_sub(1)).ok_or(InvalidArguments)? * step;
                (start + first, start + first + distance, step)
            }
            Find::Unknown => return Err(InvalidArguments),
        };
        if empty == EmptyRange::IsNone && first == len && last + 1 == first {
            continue;
        }
        if last >= len || last < first {
            return Err(InvalidArguments);
        }
        keys.push(first, last, step, spec.flags);
    }
    Ok(keys)
}

/// The argument after `word`. The last argument is not looked at: nothing could follow it.
fn keyword(request: &Request<'_>, word: &str, from: i32) -> Option<usize> {
    let is_word = |&index: &usize| request.arg(index).eq_ignore_ascii_case(word.as_bytes());
    match usize::try_from(from) {
        Ok(from) => (from..request.len().saturating_sub(1)).find(is_word),
        Err(_) => {
            let from = request.len().checked_add_signed(from as isize)?;
            (2..=from).rev().find(is_word)
        }
    }
    .map(|index| index + 1)
}

fn bitfield_only_reads(request: &Request<'_>) -> bool {
    let mut at = 2;
    while at < request.len() {
        let word = request.arg(at);
        let left = request.len() - at - 1;
        if word.eq_ignore_ascii_case(b"get") && left >= 2 {
            at += 3;
        } else if (word.eq_ignore_ascii_case(b"set") || word.eq_ignore_ascii_case(b"incrby")) && left >= 3 {
            return false;
        } else if word.eq_ignore_ascii_case(b"overflow") && left >= 1 {
            at += 2;
        } else {
            // A syntax error; Redis then assumes the worst.
            return false;
        }
    }
    true
}

/// The key, and that of the last `STORE`, wherever it stands among the options.
fn sort(request: &Request<'_>) -> KeyPositions {
    let mut keys = single(1, KeyFlags::of(&[KeyFlags::RO, KeyFlags::ACCESS]));
    let mut stored = None;
    let mut at = 2;
    while at < request.len() {
        let word = request.arg(at);
        if word.eq_ignore_ascii_case(b"limit") {
            at += 2;
        } else if word.eq_ignore_ascii_case(b"get") || word.eq_ignore_ascii_case(b"by") {
            at += 1;
        } else if word.eq_ignore_ascii_case(b"store") && at + 1 < request.len() {
            stored = Some(at + 1);
        }
        at += 1;
    }
    if let Some(index) = stored {
        keys.push(index, index, 1, KeyFlags::of(&[KeyFlags::OW, KeyFlags::UPDATE]));
    }
    keys
}

fn migrate(request: &Request<'_>) -> Result<KeyPositions, InvalidArguments> {
    let (mut first, mut last) = (3, 3);
    let mut at = 6;
    // As the last word, KEYS names none.
    while at + 1 < request.len() {
        let word = request.arg(at);
        if word.eq_ignore_ascii_case(b"keys") {
            if !request.arg(3).is_empty() {
                return Err(InvalidArguments);
            }
            (first, last) = (at + 1, request.len() - 1);
            break;
        }
        at += if word.eq_ignore_ascii_case(b"auth") {
            2
        } else if word.eq_ignore_ascii_case(b"auth2") {
            3
        } else {
            1
        };
    }
    let mut keys = KeyPositions::default();
    keys.push(first, last, 1, KeyFlags::of(&[KeyFlags::RW, KeyFlags::ACCESS, KeyFlags::DELETE]));
    Ok(keys)
}

/// Whether first, last and step cannot describe these places.
pub(super) const fn movable(specs: &[KeySpec]) -> bool {
    let mut at = 0;
    while at < specs.len() {
        if !matches!((specs[at].search, specs[at].find), (Search::Index(_), Find::Range { .. })) {
            return true;
        }
        at += 1;
    }
    false
}

/// First key, last key, step: the first places joined as far as they are evenly spaced.
pub(super) fn legacy(specs: &[KeySpec]) -> (i32, i32, i32) {
    let mut legacy: Option<(i32, i32, i32)> = None;
    for spec in specs {
        let (Search::Index(index), Find::Range { last, step, limit: 0 }) = (spec.search, spec.find) else {
            continue;
        };
        let (Ok(first), Ok(step)) = (i32::try_from(index), i32::try_from(step)) else { continue };
        let end = if last >= 0 { first + last } else { last };
        match &mut legacy {
            None => legacy = Some((first, end, step)),
            // Another place right after the last one.
            Some((_, previous, 1)) if *previous >= 0 && step == 1 && *previous == first - 1 => {
                *previous = end;
            }
            Some(_) => break,
        }
    }
    legacy.unwrap_or((0, 0, 0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        command::lookup,
        protocol::{Batch, Limits, encode_command},
    };

    /// Found keys, and those of `COMMAND GETKEYS`.
    fn keys(line: &str) -> [Result<Vec<usize>, InvalidArguments>; 2] {
        let words: Vec<&str> = line.split(' ').collect();
        let mut bytes = Vec::new();
        encode_command(&mut bytes, &words);
        let mut batch = Batch::default();
        batch.parse(&bytes, &Limits::default()).unwrap();
        let (spec, request) = (lookup(words[0].as_bytes()).unwrap(), batch.get(0, &bytes));
        [positions, listed].map(|find| find(spec, &request).map(|keys| keys.indices().collect()))
    }

    #[test]
    fn every_key_of_a_request_that_runs_is_found() {
        // The source of a merge may be missing, and it runs all the same: where it runs must not be left to chance.
        assert_eq!(keys("pfmerge to"), [Ok(vec![1]), Err(InvalidArguments)]);
        for (line, expected) in [
            ("pfmerge to a b", vec![1, 2, 3]),
            ("mset a 1 b 2", vec![1, 3]),
            ("blpop a b 0", vec![1, 2]),
            ("zunionstore to 2 a b weights 1 2", vec![1, 3, 4]),
            ("xread count 1 streams a b 0 0", vec![4, 5]),
        ] {
            let mut found = keys(line);
            found.iter_mut().flatten().for_each(|keys| keys.sort_unstable());
            assert_eq!(found, [Ok(expected.clone()), Ok(expected)], "{line}");
        }
    }

    /// Each row, with the fewest arguments it takes and with more.
    #[test]
    fn the_sole_key_is_what_would_be_found() {
        let mut plain = 0;
        for spec in crate::command::TABLE.iter().filter(|spec| !spec.name.contains('|')) {
            let Some(sole) = sole(spec) else { continue };
            plain += 1;
            let least = usize::from(spec.arity.unsigned_abs());
            for len in [least, least + 3] {
                let line = format!("{}{}", spec.name, " 1".repeat(len - 1));
                assert_eq!(keys(&line), [Ok(vec![sole]), Ok(vec![sole])], "{line}");
            }
        }
        assert!(plain > 100, "of {plain} commands it is known");
    }

    #[test]
    fn what_no_server_runs_has_no_keys() {
        for line in
            ["zunionstore to 3 a b", "zunionstore to x a", "xread count 1 streams a", "eval return -1 a"]
        {
            assert_eq!(keys(line), [Err(InvalidArguments), Err(InvalidArguments)], "{line}");
        }
    }
}
