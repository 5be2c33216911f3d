//! Keys that are asked for most, and requests and replies that are large: of samples, over the last minute or two. Pure: the time is
//! given.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use super::sketch::SpaceSaving;
use crate::slot::{SLOTS, SlotId};

/// One request of so many is looked at, at random distances, so that no rhythm of a client escapes.
pub(in crate::proxy) const SAMPLE: u64 = 64;
/// So old is what is forgotten, at most twice.
const WINDOW: Duration = Duration::from_secs(60);
/// Keys that a worker counts.
const COUNTED: usize = 128;
/// Large ones that a worker remembers.
const LARGE: usize = 16;
/// What has fewer bytes is not large.
const LARGE_FROM: usize = 4 << 10;
/// Longer keys are cut: what begins alike for so long counts as the same.
const KEY_MAX: usize = 256;

/// What was large.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Request,
    Reply,
}

/// A large request or reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Large {
    pub(super) key: Box<[u8]>,
    pub(super) kind: Kind,
    pub(super) command: &'static str,
    pub(super) bytes: usize,
}

#[derive(Debug)]
struct Window {
    since: Instant,
    sampled: u64,
    hot: SpaceSaving,
    /// How often a key of each slot was sampled; nothing before the first.
    slots: Vec<u32>,
    large: Vec<Large>,
}

impl Window {
    fn new(since: Instant) -> Self {
        Self { since, sampled: 0, hot: SpaceSaving::new(COUNTED), slots: Vec::new(), large: Vec::new() }
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(in crate::proxy) struct Keys {
    current: Option<Window>,
    previous: Option<Window>,
}

impl Keys {
    fn current(&mut self, now: Instant) -> &mut Window {
        let is_over =
            self.current.as_ref().is_some_and(|window| now.saturating_duration_since(window.since) >= WINDOW);
        if is_over {
            self.previous = self.current.take();
        }
        self.current.get_or_insert_with(|| Window::new(now))
    }

    /// A request that was chosen at random has this key.
    pub(in crate::proxy) fn sampled<'a>(&mut self, keys: impl Iterator<Item = &'a [u8]>, now: Instant) {
        let window = self.current(now);
        window.sampled += 1;
        window.slots.resize(SLOTS, 0);
        for key in keys {
            window.slots[SlotId::of_key(key).index()] += 1;
            window.hot.add(&key[..key.len().min(KEY_MAX)]);
        }
    }

    /// A request of this key has so many bytes.
    pub(in crate::proxy) fn request(
        &mut self,
        key: &[u8],
        command: &'static str,
        bytes: usize,
        now: Instant,
    ) {
        self.note(key, Kind::Request, command, bytes, now);
    }

    /// A reply about this key has.
    pub(in crate::proxy) fn reply(&mut self, key: &[u8], command: &'static str, bytes: usize, now: Instant) {
        self.note(key, Kind::Reply, command, bytes, now);
    }

    fn note(&mut self, key: &[u8], kind: Kind, command: &'static str, bytes: usize, now: Instant) {
        if bytes < LARGE_FROM {
            return;
        }
        let key = &key[..key.len().min(KEY_MAX)];
        let large = &mut self.current(now).large;
        if let Some(known) = large.iter_mut().find(|large| large.kind == kind && *large.key == *key) {
            if bytes > known.bytes {
                (known.bytes, known.command) = (bytes, command);
            }
            return;
        }
        if large.len() == LARGE {
            let Some(least) = (0..LARGE).min_by_key(|&place| large[place].bytes) else { return };
            if large[least].bytes >= bytes {
                return;
            }
            large.swap_remove(least);
        }
        large.push(Large { key: key.into(), kind, command, bytes });
    }
}

/// What several workers have seen, together.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Seen {
    /// Over so long.
    pub(super) over: Duration,
    pub(super) sampled: u64,
    /// The key, how often it was sampled at most, and by how much that may be too much; most frequent first.
    pub(super) hot: Vec<(Box<[u8]>, u64, u64)>,
    /// Slots of the keys, and how often one of theirs was sampled; those that never were are left out.
    pub(super) slots: Vec<(SlotId, u64)>,
    /// Largest first.
    pub(super) large: Vec<Large>,
}

impl Seen {
    /// How many requests a second so many samples stand for.
    pub(super) fn per_second(&self, samples: u64) -> f64 {
        let seconds = self.over.as_secs_f64().max(1.0);
        (samples * SAMPLE) as f64 / seconds
    }
}

/// What these have seen of late: no longer ago than two windows.
pub(super) fn together<'a>(workers: impl Iterator<Item = &'a Keys>, now: Instant) -> Seen {
    let mut seen = Seen::default();
    let mut hot: BTreeMap<&[u8], (u64, u64)> = BTreeMap::new();
    let mut slots = vec![0; SLOTS];
    let mut large: BTreeMap<(Kind, &[u8]), &Large> = BTreeMap::new();
    let is_fresh = |window: &&Window| now.saturating_duration_since(window.since) < WINDOW * 2;
    for window in workers.flat_map(|keys| [&keys.current, &keys.previous]).flatten().filter(is_fresh) {
        seen.over = seen.over.max(now.saturating_duration_since(window.since));
        seen.sampled += window.sampled;
        for (sum, count) in slots.iter_mut().zip(&window.slots) {
            *sum += u64::from(*count);
        }
        for counted in window.hot.counted() {
            let (count, error) = hot.entry(&counted.key).or_default();
            *count += counted.count;
            *error += counted.error;
        }
        for one in &window.large {
            let known = large.entry((one.kind, &one.key)).or_insert(one);
            if one.bytes > known.bytes {
                *known = one;
            }
        }
    }
    seen.hot = hot.into_iter().map(|(key, (count, error))| (Box::from(key), count, error)).collect();
    seen.hot.sort_by_key(|&(_, count, error)| std::cmp::Reverse((count - error, count)));
    seen.slots = SlotId::all().zip(slots).filter(|(_, count)| *count > 0).collect();
    seen.large = large.into_values().cloned().collect();
    seen.large.sort_by_key(|large| std::cmp::Reverse(large.bytes));
    seen
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(keys: &mut Keys, key: &str, times: usize, now: Instant) {
        (0..times).for_each(|_| keys.sampled([key.as_bytes()].into_iter(), now));
    }

    #[test]
    fn windows_pass() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut keys = Keys::default();
        sample(&mut keys, "old", 9, start);
        sample(&mut keys, "both", 2, at(30));
        sample(&mut keys, "both", 3, at(60));
        let seen = together([&keys].into_iter(), at(90));
        let hot = |key: &str, count| (Box::from(key.as_bytes()), count, 0);
        assert_eq!(seen.hot, [hot("old", 9), hot("both", 5)]);
        let mut slots = [(SlotId::of_key(b"old"), 9), (SlotId::of_key(b"both"), 5)];
        slots.sort();
        assert_eq!(seen.slots, slots);
        assert_eq!((seen.over, seen.sampled), (Duration::from_secs(90), 14));
        assert!((seen.per_second(9) - 9.0 * 64.0 / 90.0).abs() < 1e-9);
        assert_eq!(together([&keys].into_iter(), at(121)).hot, [hot("both", 3)], "the old window is over");
        assert_eq!(together([&keys].into_iter(), at(300)), Seen::default(), "all is over");
    }

    #[test]
    fn workers_are_added_up_and_the_largest_is_kept() {
        let now = Instant::now();
        let mut workers = [Keys::default(), Keys::default()];
        for keys in &mut workers {
            sample(keys, "hot", 3, now);
            (0..100)
                .for_each(|number| keys.reply(format!("k{number}").as_bytes(), "get", 5000 + number, now));
            keys.request(b"k1", "set", 4095, now);
        }
        workers[1].reply(b"k99", "lrange", 9000, now);
        let seen = together(workers.iter(), now);
        assert_eq!(seen.hot, [(Box::from(&b"hot"[..]), 6, 0)]);
        let first = Large { key: Box::from(&b"k99"[..]), kind: Kind::Reply, command: "lrange", bytes: 9000 };
        assert_eq!((seen.large.len(), &seen.large[0]), (LARGE, &first));
        assert_eq!(seen.large.last().map(|large| large.bytes), Some(5084), "of a hundred");
    }
}
