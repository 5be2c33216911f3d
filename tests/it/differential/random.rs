//! Requests by chance, from the argument syntax in the command table: mostly well-formed, about few keys, with the
//! values at which code tends to be wrong.

use redis_cluster::command::{Arg, ArgKind, Spec};

use super::is_in_redis_7_0;

/// SplitMix64: a seed is all it takes to repeat a run.
pub(super) struct Chance(u64);

impl Chance {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// From 0 to `limit`, `limit` excluded.
    pub(super) fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    /// True in one of `n` cases.
    pub(super) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub(super) fn pick<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len())]
    }
}

/// Values that arguments take.
#[derive(Clone)]
pub(super) struct Pools {
    /// Names of keys.
    pub(super) keys: Vec<Vec<u8>>,
    /// What `DUMP` gave, for `RESTORE`.
    pub(super) payloads: Vec<Vec<u8>>,
    /// Unix time in seconds.
    pub(super) now: u64,
}

const STRINGS: &[&str] = &[
    "",
    "0",
    "1",
    "-1",
    "7",
    "10",
    "42",
    "007",
    "3.5",
    "-2.25",
    "1e3",
    "5.0e-3",
    "inf",
    "nan",
    " 1",
    "1 ",
    "abc",
    "hello world",
    "ohmytext",
    "mynewtext",
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775808",
    "10000",
    "9999",
    "a string of forty-four bytes is the longest..",
    "a string of 45 bytes and more is not embedded any more",
];
const SMALL: &[&str] = &["0", "1", "2", "3", "5", "10", "-1", "-2", "-5"];
const INTEGERS: &[&str] = &[
    "100",
    "1000000",
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775808",
    "9223372036854775",
    "",
    "abc",
    "1.5",
    " 1",
    "+1",
    "01",
    "-0",
];
const NO_TIMES: &[&str] = &[
    "0",
    "-1",
    "",
    "abc",
    "1.5",
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775",
    "9223372036854775808",
];
const DOUBLES: &[&str] = &[
    "0",
    "1",
    "-1",
    "0.1",
    "3.0e2",
    "-5.5",
    "1e-7",
    "1e17",
    "123456789.123456789",
    "1e400",
    "inf",
    "-inf",
    "nan",
    "abc",
    "",
    " 1",
    "0x10",
    "1e308",
    "5e-324",
];
const PATTERNS: &[&str] = &["*", "k*", "?1", "k?", "[ab]*", "[^k]*", "*1", "\\k1", "", "[", "k[1-2]"];

/// A request of the command.
pub(super) fn request(spec: &Spec, pools: &Pools, chance: &mut Chance) -> Vec<Vec<u8>> {
    let mut words: Vec<Vec<u8>> = spec.name.split('|').map(|word| any_case(word, chance)).collect();
    let name_words = words.len();
    spec.args.iter().for_each(|arg| push(arg, pools, chance, &mut words));
    if chance.one_in(12) {
        damage(&mut words, name_words, chance);
    }
    words
}

fn any_case(word: &str, chance: &mut Chance) -> Vec<u8> {
    if chance.one_in(2) { word.to_ascii_uppercase().into() } else { word.to_ascii_lowercase().into() }
}

fn push(arg: &Arg, pools: &Pools, chance: &mut Chance, words: &mut Vec<Vec<u8>>) {
    if arg.optional && !chance.one_in(3) {
        return;
    }
    let times = if arg.multiple { 1 + chance.below(3) } else { 1 };
    for time in 0..times {
        match arg.token.filter(|_| time == 0 || arg.multiple_token) {
            // An id from the clock is never the same twice.
            Some("*") => words.push(format!("{}-{}", chance.below(50), chance.below(5)).into()),
            Some(token) => words.push(any_case(token, chance)),
            None => {}
        }
        match arg.kind {
            ArgKind::Token => {}
            ArgKind::OneOf(choices) => {
                let known: Vec<&Arg> =
                    choices.iter().filter(|arg| arg.since.is_none_or(is_in_redis_7_0)).collect();
                push(known[chance.below(known.len())], pools, chance, words);
            }
            ArgKind::Block(parts) => parts.iter().for_each(|part| push(part, pools, chance, words)),
            _ => words.push(value(arg, pools, chance)),
        }
    }
}

fn value(arg: &Arg, pools: &Pools, chance: &mut Chance) -> Vec<u8> {
    let text = |text: &&str| text.as_bytes().to_vec();
    match arg.kind {
        ArgKind::Key => chance.pick(&pools.keys).clone(),
        ArgKind::Pattern => text(chance.pick(PATTERNS)),
        // Places that searches find.
        ArgKind::Double if matches!(arg.name, "longitude" | "latitude") && !chance.one_in(6) => {
            format!("{}", chance.below(160_000) as f64 / 1000.0 - 80.0).into()
        }
        ArgKind::Double if matches!(arg.name, "radius" | "width" | "height") && !chance.one_in(6) => {
            let size = 10_usize.pow(chance.below(5) as u32);
            format!("{}", chance.below(size * 5)).into()
        }
        ArgKind::Double => text(chance.pick(DOUBLES)),
        // A time to live: long enough that nothing expires between the two servers, or no time at all.
        ArgKind::Integer if matches!(arg.name, "seconds" | "milliseconds" | "ttl") => match chance.below(4) {
            // RESTORE adds to the clock without looking; in Redis that overflows, and the key is gone at once.
            0 if arg.name == "ttl" => text(chance.pick(&NO_TIMES[..5])),
            0 => text(chance.pick(NO_TIMES)),
            // Never the same twice, or GT and LT would depend on which millisecond it is.
            _ => (100_000 + chance.below(900_000)).to_string().into(),
        },
        ArgKind::Integer if chance.one_in(6) => text(chance.pick(INTEGERS)),
        ArgKind::Integer => text(chance.pick(SMALL)),
        ArgKind::UnixTime => match chance.below(5) {
            0 => text(chance.pick(SMALL)),
            1 => text(chance.pick(INTEGERS)),
            2 => pools.now.saturating_sub(1000).to_string().into(),
            3 => (pools.now + 1000).to_string().into(),
            _ => ((pools.now + 1000) * 1000).to_string().into(),
        },
        _ if arg.name == "encoding" && !chance.one_in(6) => {
            let width = 1 + chance.below(64);
            format!("{}{width}", if chance.one_in(2) { 'i' } else { 'u' }).into()
        }
        _ if arg.name == "operation" && !chance.one_in(6) => text(chance.pick(&["AND", "or", "XOR", "NOT"])),
        _ if arg.name == "serialized-value" && !chance.one_in(4) => chance.pick(&pools.payloads).clone(),
        _ if chance.one_in(8) => (0..chance.below(70)).map(|_| chance.next() as u8).collect(),
        _ => text(chance.pick(STRINGS)),
    }
}

/// One argument less, more, twice, or another. Never a short time to live: it might end between the two servers.
fn damage(words: &mut Vec<Vec<u8>>, from: usize, chance: &mut Chance) {
    let lasts = |word: &str| word.parse::<u32>().map_or(true, |number| number == 0 || number > 5000);
    let other = loop {
        let word = chance.pick(STRINGS);
        if lasts(word) {
            break word.as_bytes().to_vec();
        }
    };
    let at = from + chance.below(words.len() - from + 1);
    match chance.below(4) {
        0 if at < words.len() => drop(words.remove(at)),
        1 if at < words.len() => words.insert(at, words[at].clone()),
        2 if at < words.len() => words[at] = other,
        _ => words.insert(at, other),
    }
}
