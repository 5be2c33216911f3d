//! The keyspace as a whole against a model: a standard map and a clock that tests turn.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use proptest::prelude::*;

use super::*;
use crate::node::hashing;

/// A database as anybody would write it down.
#[derive(Default)]
struct Model(HashMap<Vec<u8>, (Vec<u8>, Option<i64>)>);

impl Model {
    fn live(&self, key: &[u8], now: Millis) -> Option<&(Vec<u8>, Option<i64>)> {
        self.0.get(key).filter(|(_, expiry)| expiry.is_none_or(|expiry| expiry >= now.0))
    }
}

#[derive(Clone, Debug)]
enum Step {
    Set(u8, Vec<u8>, Option<u16>),
    SetKeepingTtl(u8, Vec<u8>),
    Append(u8, Vec<u8>),
    Cut(u8, u8),
    Expire(u8, Option<u16>),
    Remove(u8),
    Rename(u8, u8),
    Read(u8),
    Wait(u16),
    Cycle(u16),
    Random,
    Clear,
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        3 => prop::collection::vec(any::<u8>(), 0..100),
        2 => any::<i64>().prop_map(|number| number.to_string().into_bytes()),
        1 => (200usize..70_000).prop_map(|len| vec![b'v'; len]),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (any::<u8>(), value(), any::<Option<u16>>()).prop_map(|(k, v, t)| Step::Set(k, v, t)),
        2 => (any::<u8>(), value()).prop_map(|(k, v)| Step::SetKeepingTtl(k, v)),
        3 => (any::<u8>(), value()).prop_map(|(k, v)| Step::Append(k, v)),
        1 => (any::<u8>(), any::<u8>()).prop_map(|(k, n)| Step::Cut(k, n)),
        2 => (any::<u8>(), any::<Option<u16>>()).prop_map(|(k, t)| Step::Expire(k, t)),
        3 => any::<u8>().prop_map(Step::Remove),
        2 => (any::<u8>(), any::<u8>()).prop_map(|(a, b)| Step::Rename(a, b)),
        3 => any::<u8>().prop_map(Step::Read),
        2 => any::<u16>().prop_map(Step::Wait),
        1 => any::<u16>().prop_map(Step::Cycle),
        1 => Just(Step::Random),
        1 => Just(Step::Clear),
    ]
}

/// Bytes of all tables and keys with an expiry, counted one by one.
fn tables(db: &Db) -> (usize, usize) {
    let (mut bytes, mut expiring) = (size_of_val(&*db.slots), 0);
    for slot in &db.slots {
        slot.tables(&mut |table| {
            bytes += table.ring_size();
            expiring += table.records().filter(|record| record.expiry().is_some()).count();
        });
    }
    (bytes, expiring)
}

/// Some keys share a slot by their hash tag.
fn name(key: u8) -> Vec<u8> {
    if key < 128 { format!("key:{key}") } else { format!("{{tag}}:{key}") }.into_bytes()
}

fn text(value: Value<'_>) -> Vec<u8> {
    match value {
        Value::Int(number) => number.to_string().into_bytes(),
        Value::Bytes(bytes) => bytes.to_vec(),
        Value::Shared(bytes) => bytes.to_vec(),
    }
}

fn run(steps: Vec<Step>) -> Result<(), TestCaseError> {
    let mut keyspace = Keyspace::new(2);
    let mut model = Model::default();
    let mut now = Millis(1_000_000);
    for step in steps {
        let access = keyspace.access(now, true);
        let at = |ttl: u16| Millis(now.0 + 1 + i64::from(ttl));
        let db = keyspace.db_mut(1);
        match step {
            Step::Set(key, value, ttl) => {
                let ttl = ttl.map(at);
                let expiry = ttl.map_or(Ttl::None, Ttl::At);
                db.set(Key::new(&name(key)), Value::of_string(&value), expiry, access);
                model.0.insert(name(key), (value, ttl.map(|ttl| ttl.0)));
            }
            Step::SetKeepingTtl(key, value) => {
                db.set(Key::new(&name(key)), Value::of_string(&value), Ttl::Keep, access);
                let expiry = model.live(&name(key), now).and_then(|(_, expiry)| *expiry);
                model.0.insert(name(key), (value, expiry));
            }
            Step::Append(key, more) => {
                if let Some(mut entry) = db.write(Key::new(&name(key)), access) {
                    let old = text(entry.string().expect("all are strings")).len();
                    entry.edit(old + more.len(), |bytes| bytes[old..].copy_from_slice(&more));
                }
                if model.live(&name(key), now).is_some() {
                    model.0.entry(name(key)).and_modify(|(value, _)| value.extend_from_slice(&more));
                }
            }
            Step::Cut(key, len) => {
                if let Some(mut entry) = db.write(Key::new(&name(key)), access) {
                    entry.edit(usize::from(len), |_| {});
                }
                if model.live(&name(key), now).is_some() {
                    model.0.entry(name(key)).and_modify(|(value, _)| value.resize(usize::from(len), 0));
                }
            }
            Step::Expire(key, ttl) => {
                let expiry = ttl.map(at);
                if let Some(mut entry) = db.write(Key::new(&name(key)), access) {
                    entry.set_expiry(expiry);
                }
                if model.live(&name(key), now).is_some() {
                    model.0.entry(name(key)).and_modify(|(_, old)| *old = expiry.map(|expiry| expiry.0));
                }
            }
            Step::Remove(key) => {
                let removed = db.remove(Key::new(&name(key)), now);
                prop_assert_eq!(
                    removed.map(|record| text(record.as_ref().string().expect("all are strings"))),
                    model.live(&name(key), now).map(|(value, _)| value.clone())
                );
                model.0.remove(&name(key));
            }
            Step::Rename(from, to) => {
                if let Some(record) = db.remove(Key::new(&name(from)), now) {
                    db.put(record.with_key(&name(to)));
                }
                let live = model.live(&name(from), now).cloned();
                model.0.remove(&name(from));
                if let Some(live) = live {
                    model.0.insert(name(to), live);
                }
            }
            Step::Read(key) => {
                let read = db.read(Key::new(&name(key)), access);
                prop_assert_eq!(
                    read.map(|record| (
                        text(record.string().expect("all are strings")),
                        record.expiry().map(|expiry| expiry.0)
                    )),
                    model.live(&name(key), now).cloned()
                );
            }
            Step::Wait(millis) => now.0 += i64::from(millis),
            Step::Cycle(budget) => {
                let cycle = keyspace.expire_cycle(now, usize::from(budget));
                if !cycle.unfinished {
                    // What was left may have begun before this moment; a whole round has not.
                    keyspace.expire_cycle(now, usize::MAX);
                    model.0.retain(|_, (_, expiry)| expiry.is_none_or(|expiry| expiry >= now.0));
                    prop_assert_eq!(keyspace.db(1).len(), model.0.len());
                }
            }
            Step::Random => {
                let key = db.random(now);
                let any = model.0.keys().any(|key| model.live(key, now).is_some());
                prop_assert_eq!(key.is_some(), any);
                prop_assert!(key.is_none_or(|key| model.live(&key, now).is_some()));
            }
            Step::Clear => {
                drop(db.clear());
                model.0.clear();
            }
        }
        let db = keyspace.db(1);
        let (mut records, mut bytes) = (BTreeMap::new(), 0);
        db.for_each(&mut |record| {
            bytes += record.size();
            records.insert(
                record.key().to_vec(),
                (text(record.string().expect("all are strings")), record.expiry().map(|at| at.0)),
            );
        });
        prop_assert_eq!(records.len(), db.len());
        prop_assert_eq!(db.record_bytes(), bytes);
        prop_assert_eq!((db.table_bytes(), db.expiring()), tables(db));
        records.retain(|_, (_, expiry)| expiry.is_none_or(|expiry| expiry >= now.0));
        let live: BTreeMap<_, _> = model
            .0
            .iter()
            .filter(|(key, _)| model.live(key, now).is_some())
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect();
        prop_assert_eq!(records, live);
        prop_assert!(keyspace.db(0).is_empty());
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn behaves_as_a_map_with_expiries(steps in prop::collection::vec(step(), 1..120)) {
        run(steps)?;
    }

    /// Keys come and go between the calls, in bulk, so that tables grow, split, shrink and merge under the cursor.
    #[test]
    fn a_scan_sees_every_key_that_stays_and_ends(
        kept in 1u32..2000,
        waves in prop::collection::vec((0u32..10_000, any::<bool>()), 1..6),
        count in 1usize..500,
        tagged: bool,
    ) {
        let name = |kind: char, number: u32| {
            if tagged { format!("{{t}}{kind}{number}") } else { format!("{kind}{number}") }.into_bytes()
        };
        let mut keyspace = Keyspace::new(1);
        let access = keyspace.access(Millis(0), true);
        let db = keyspace.db_mut(0);
        for number in 0..kept {
            db.set(Key::new(&name('k', number)), Value::Int(0), Ttl::None, access);
        }
        let (mut seen, mut cursor, mut guests, mut waves) = (BTreeSet::new(), Cursor::START, 0, waves.into_iter());
        let mut last = None;
        loop {
            cursor = db.scan(cursor, count, &mut |record| {
                if record.key().contains(&b'k') {
                    assert!(seen.insert(record.key().to_vec()), "a key that stays is visited once");
                }
            });
            if cursor == Cursor::END {
                break;
            }
            prop_assert!(last.replace(cursor.number()).is_none_or(|last| last < cursor.number()));
            prop_assert!(cursor.number() < 1 << 53);
            if let Some((size, add)) = waves.next() {
                let target = if add { guests + size } else { guests.saturating_sub(size) };
                for number in guests..target {
                    db.set(Key::new(&name('g', number)), Value::Int(0), Ttl::None, access);
                }
                for number in target..guests {
                    prop_assert!(db.remove(Key::new(&name('g', number)), Millis(0)).is_some());
                }
                guests = target;
            }
        }
        prop_assert_eq!(seen.len(), kept as usize);
        prop_assert_eq!(db.len(), (kept + guests) as usize);
    }
}

#[test]
fn a_cursor_goes_on_in_another_keyspace() {
    let access = Keyspace::new(1).access(Millis(0), true);
    let fill = |count: u32| {
        let mut keyspace = Keyspace::new(1);
        for number in 0..count {
            keyspace.db_mut(0).set(Key::new(number.to_string().as_bytes()), Value::Int(0), Ttl::None, access);
        }
        keyspace
    };
    // A node, and one with the same keys that grew in other steps among many others.
    let (first, mut second) = (fill(5000), fill(100_000));
    for number in 5000..100_000 {
        second.db_mut(0).remove(Key::new(number.to_string().as_bytes()), Millis(0)).expect("it was set");
    }
    let (mut seen, mut cursor, mut nodes) =
        (BTreeSet::new(), Cursor::START, [&first, &second].into_iter().cycle());
    loop {
        let node = nodes.next().expect("a cycle does not end");
        cursor = node.db(0).scan(cursor, 7, &mut |record| {
            seen.insert(record.key().to_vec());
        });
        if cursor == Cursor::END {
            break;
        }
    }
    assert_eq!(seen.len(), 5000);
}

#[test]
fn foreign_cursors_end() {
    let mut keyspace = Keyspace::new(1);
    let access = keyspace.access(Millis(0), true);
    assert_eq!(keyspace.db(0).scan(Cursor::from_number(12345), 10, &mut |_| {}), Cursor::END);
    keyspace.db_mut(0).set(Key::new(b"a"), Value::Int(1), Ttl::None, access);
    for number in [u64::MAX, 1 << 53, (16384 << 39) | 5] {
        assert_eq!(keyspace.db(0).scan(Cursor::from_number(number), 10, &mut |_| {}), Cursor::END);
    }
}

#[test]
fn the_cycle_removes_within_its_budget_and_goes_on() {
    let mut keyspace = Keyspace::new(16);
    let access = keyspace.access(Millis(0), true);
    for number in 0..20_000i64 {
        let ttl = if number % 2 == 0 { Ttl::At(Millis(number)) } else { Ttl::None };
        keyspace.db_mut(3).set(Key::new(number.to_string().as_bytes()), Value::Int(0), ttl, access);
    }
    assert_eq!(keyspace.db(3).expiring(), 10_000);
    let (mut calls, mut expired) = (0, 0);
    loop {
        let cycle = keyspace.expire_cycle(Millis(10_000), 500);
        assert!(cycle.expired <= 600, "budget of 500 and the rest of a table");
        expired += cycle.expired;
        calls += 1;
        assert!(calls < 1000, "a round ends");
        if !cycle.unfinished {
            break;
        }
    }
    assert!(calls > 10);
    assert_eq!(expired, 5000, "those before 10000");
    assert_eq!((keyspace.db(3).len(), keyspace.stats().expired), (15_000, 5000));
    // Nothing is due: a call looks at slots only.
    assert_eq!(
        keyspace.expire_cycle(Millis(10_000), 40_000),
        expire::Cycle { expired: 0, unfinished: false }
    );
}

#[test]
fn reads_count_and_make_younger_writes_do_not_count() {
    let mut keyspace = Keyspace::new(1);
    let (early, late) = (keyspace.access(Millis(1000), true), keyspace.access(Millis(90_000), true));
    let db = keyspace.db_mut(0);
    let key = Key::new(b"k");
    assert!(db.read(key, early).is_none());
    db.set(key, Value::Bytes(b"v"), Ttl::None, early);
    let idle = |db: &mut Db| Aging::idle_seconds(db.peek(key, late).expect("set").age(), Millis(91_000));
    assert_eq!(idle(db), 90);
    db.read(key, Access { touch: false, ..late });
    assert_eq!(idle(db), 90);
    db.read(key, late);
    assert_eq!(idle(db), 1);
    db.write(key, late);
    assert_eq!(keyspace.stats(), Stats { hits: 5, misses: 1, expired: 0, expired_fields: 0, evicted: 0 });
}

#[test]
fn the_mean_time_to_live_is_of_keys_that_have_one() {
    let mut keyspace = Keyspace::new(1);
    let access = keyspace.access(Millis(0), true);
    let db = keyspace.db_mut(0);
    assert_eq!(db.mean_ttl(Millis(0)), None);
    for number in 0..5000_u32 {
        let ttl =
            if number % 2 == 0 { Ttl::None } else { Ttl::At(Millis(1000 + i64::from(number % 4) * 1000)) };
        db.set(Key::new(&number.to_le_bytes()), Value::Int(0), ttl, access);
    }
    // Half of them live for 2 s, half for 4 s; some hundred were looked at.
    let mean = db.mean_ttl(Millis(0)).unwrap().0;
    assert!((2800..3200).contains(&mean), "{mean}");
    assert_eq!(db.mean_ttl(Millis(5000)), Some(Millis(0)));
}

#[test]
fn a_key_lives_to_the_end_of_its_millisecond() {
    let mut keyspace = Keyspace::new(1);
    let access = keyspace.access(Millis(0), true);
    let db = keyspace.db_mut(0);
    db.set(Key::new(b"k"), Value::Int(1), Ttl::At(Millis(10)), access);
    assert!(db.contains(Key::new(b"k"), Millis(10)));
    assert!(!db.contains(Key::new(b"k"), Millis(11)));
    assert_eq!((db.len(), db.stats().expired), (0, 1));
}

/// A hundred thousand keys that somebody made who knows the hash, but not the words that key it, cost what others cost. By counting,
/// since time says little: `farthest` is how many cells are read to find the record that takes longest.
#[test]
fn keys_made_to_collide_are_found_like_others() {
    let mut keyspace = Keyspace::new(1);
    let access = keyspace.access(Millis(0), true);
    let db = keyspace.db_mut(0);
    for key in hashing::flood::keys(100_000) {
        db.set(Key::new(&key), Value::Int(0), Ttl::None, access);
    }
    let slot = db.slots.iter().find(|slot| slot.len() > 0).expect("keys");
    assert_eq!(slot.len(), 100_000, "all of one slot");
    let (mut largest, mut farthest) = (0, 0);
    slot.tables(&mut |table| {
        largest = largest.max(table.len());
        farthest = farthest.max(table.farthest());
    });
    assert!(largest <= 8192, "a table of {largest}: it could not be split");
    assert!(farthest < 300, "{farthest} cells from where it belongs");
}
