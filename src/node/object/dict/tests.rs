use std::collections::{HashMap, HashSet};

use proptest::prelude::*;

use super::{Dict, Entry};
use crate::node::{hashing, object::Text};

#[derive(Clone, Debug)]
struct Pair(Text, u64);

impl Entry for Pair {
    fn key(&self) -> &[u8] {
        self.0.as_bytes()
    }

    fn heap(&self) -> usize {
        self.0.heap()
    }
}

fn pair(key: &str, value: u64) -> Pair {
    Pair(Text::from(key.as_bytes()), value)
}

/// Bytes counted entry by entry.
fn counted(dict: &Dict<Pair>) -> usize {
    let segments: usize = dict.segments.iter().map(super::Segment::bytes).sum();
    segments + dict.iter().map(Entry::heap).sum::<usize>()
}

fn check(dict: &Dict<Pair>) {
    assert_eq!(dict.heap, counted(dict));
    assert_eq!(dict.iter().count(), dict.len());
    for entry in dict.iter() {
        assert!(dict.get(entry.key()).is_some());
    }
}

#[test]
fn a_moment_is_shown_whole_whatever_changes_meanwhile() {
    let mut random = fastrand::Rng::with_seed(7);
    for most in [300, 20_000] {
        let mut dict: Dict<Pair> = Dict::default();
        let mut change = |dict: &mut Dict<Pair>, times: usize, grows: bool| {
            for _ in 0..times {
                let (key, value) = (random.u64(..most).to_string(), random.u64(..));
                if random.bool() == grows && random.bool() {
                    dict.remove(key.as_bytes());
                } else if dict.change(key.as_bytes(), |pair| pair.1 = value).is_none() {
                    dict.insert(pair(&key, value));
                }
            }
        };
        change(&mut dict, 20_000, true);
        for grows in [false, true, false] {
            let expected: HashMap<Vec<u8>, u64> =
                dict.iter().map(|pair| (pair.key().to_vec(), pair.1)).collect();
            dict.begin_moment();
            let mut shown = HashMap::new();
            while !dict.show_moment(10, |pair| {
                assert!(shown.insert(pair.key().to_vec(), pair.1).is_none(), "twice");
            }) {
                change(&mut dict, 100, grows);
                assert_eq!((dict.has_moment(), dict.clone().has_moment()), (true, false));
            }
            assert_eq!(shown, expected);
            assert_eq!((dict.has_moment(), dict.moment_bytes()), (false, 0));
            check(&dict);
            // Shrinks as well.
            while dict.len() > 50 && grows {
                dict.remove_random();
            }
        }
    }
}

#[test]
fn it_grows_and_shrinks_and_finds_everything() {
    let mut dict = Dict::default();
    for number in 0..50_000 {
        dict.insert(pair(&format!("member:{number}"), number));
    }
    check(&dict);
    let full = dict.bytes();
    assert!(full < 50_000 * 45, "{full} bytes");
    for number in 0..50_000 {
        assert_eq!(dict.get(format!("member:{number}").as_bytes()).unwrap().1, number);
        if number >= 100 {
            assert_eq!(dict.remove(format!("member:{number}").as_bytes()).unwrap().1, number);
        }
    }
    check(&dict);
    assert_eq!(dict.len(), 100);
    assert!(dict.bytes() < full / 20, "{} of {full} bytes are left", dict.bytes());
    for _ in 0..100 {
        assert!(dict.remove_random().is_some());
    }
    assert!(dict.remove_random().is_none() && dict.random().is_none());
    assert!(dict.segments.len() <= 4 && dict.directory.len() <= 16, "{}", dict.directory.len());
}

#[test]
fn chance_is_fair_also_after_most_is_gone() {
    let mut dict = Dict::default();
    for number in 0..10_000 {
        dict.insert(pair(&number.to_string(), number));
    }
    for number in 100..10_000_u64 {
        dict.remove(number.to_string().as_bytes());
    }
    let mut seen = HashMap::new();
    for _ in 0..20_000 {
        *seen.entry(dict.random().unwrap().1).or_insert(0) += 1;
    }
    assert_eq!(seen.len(), 100);
    assert!(seen.values().all(|&times| (100..320).contains(&times)), "{seen:?}");
}

#[test]
fn members_of_one_place_make_a_large_segment_and_no_large_directory() {
    // Nobody finds such members by chance: places are what a segment splits by, so they are made directly.
    let mut segment = super::Segment::new(40);
    for number in 0..1000_u64 {
        segment.push(7, pair(&number.to_string(), number));
    }
    assert_eq!(segment.find(7, b"999"), Some(999));
    let mut dict: Dict<Pair> = Dict::default();
    for number in 0..300_000_u64 {
        dict.insert(pair(&number.to_string(), number));
    }
    assert!(dict.directory.len() <= super::CELLS_PER_SEGMENT * dict.segments.len());
}

/// By counting, since time says little: to find a member is to look at one segment.
#[test]
fn members_made_to_collide_are_spread_like_others() {
    let mut dict: Dict<Text> = Dict::default();
    for key in hashing::flood::keys(100_000) {
        dict.insert(Text::from(&key[..]));
    }
    let longest = dict.segments.iter().map(super::Segment::len).max();
    assert!(longest <= Some(super::FULL), "{longest:?} entries in one segment");
    assert!(hashing::flood::keys(100_000).all(|key| dict.get(&key).is_some()));
}

#[test]
fn a_cursor_fits_a_double_and_that_of_another_process_begins_again() {
    let mut dict = Dict::default();
    (0..10_000).for_each(|number| dict.insert(pair(&number.to_string(), number)));
    let (mut cursor, mut calls, mut seen) = (0, 0, HashSet::new());
    loop {
        cursor = dict.scan(cursor, 100, |entry| assert!(seen.insert(entry.1), "shown twice"));
        calls += 1;
        assert!(cursor < 1 << 53);
        if cursor == 0 {
            break;
        }
        // The same place, as another process would have told it.
        let foreign = cursor ^ 1 << super::CURSOR_BITS;
        let mut first = None;
        dict.scan(foreign, 1, |entry| first = first.or(Some(entry.1)));
        let mut expected = None;
        dict.scan(0, 1, |entry| expected = expected.or(Some(entry.1)));
        assert_eq!(first, expected);
    }
    assert!(seen.len() == 10_000 && calls > 50, "{} {calls}", seen.len());
}

proptest! {
    #[test]
    fn it_is_a_map(steps in prop::collection::vec((0..400_u64, any::<bool>()), 0..2000)) {
        let (mut dict, mut model) = (Dict::default(), HashMap::new());
        for (number, insert) in steps {
            let key = number.to_string();
            if insert {
                if dict.change(key.as_bytes(), |entry: &mut Pair| entry.1 += 1).is_none() {
                    dict.insert(pair(&key, 0));
                }
                model.entry(key).and_modify(|value| *value += 1).or_insert(0);
            } else {
                prop_assert_eq!(dict.remove(key.as_bytes()).map(|entry| entry.1), model.remove(&key));
            }
        }
        check(&dict);
        prop_assert_eq!(dict.len(), model.len());
        for (key, value) in model {
            prop_assert_eq!(dict.get(key.as_bytes()).map(|entry| entry.1), Some(value));
        }
    }

    #[test]
    fn a_scan_sees_what_is_there_all_the_time(
        stay in prop::collection::hash_set(0..3000_u64, 0..500),
        changes in prop::collection::vec((3000..9000_u64, any::<bool>()), 0..4000),
        count in 1..50_usize,
    ) {
        let mut dict = Dict::default();
        stay.iter().for_each(|number| dict.insert(pair(&number.to_string(), *number)));
        let (mut seen, mut cursor) = (HashSet::new(), 0);
        let mut changes = changes.into_iter();
        loop {
            cursor = dict.scan(cursor, count, |entry| { seen.insert(entry.1); });
            if cursor == 0 {
                break;
            }
            for (number, insert) in changes.by_ref().take(200) {
                let key = number.to_string();
                if !insert {
                    dict.remove(key.as_bytes());
                } else if dict.get(key.as_bytes()).is_none() {
                    dict.insert(pair(&key, number));
                }
            }
        }
        prop_assert!(stay.is_subset(&seen));
    }
}
