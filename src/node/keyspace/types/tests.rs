//! Collections in a database against plain ones, while they grow out of their blocks and shrink into them again.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use proptest::prelude::*;

use super::*;
use crate::node::{
    keyspace::{Keyspace, record::SMALL_MAX},
    object::{
        Element, Hash, List, Set, SortedSet, Stream, hash,
        list::{End, Fill},
        set, zset,
    },
};

#[derive(Clone, Debug)]
enum Plain {
    Hash(BTreeMap<Vec<u8>, Vec<u8>>),
    List(VecDeque<Vec<u8>>),
    Set(BTreeSet<Vec<u8>>),
    SortedSet(BTreeMap<Vec<u8>, u8>),
}

/// What is done to one of four keys of each type; `name` is a field or a member.
#[derive(Clone, Debug)]
enum Step {
    Put { key: u8, name: u8, len: u8, score: u8 },
    Take { key: u8, name: u8 },
    Touch(u8),
    Expire(u8, bool),
    Delete(u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0..16_u8, 0..40_u8, 0..64_u8, 0..9_u8)
            .prop_map(|(key, name, len, score)| Step::Put { key, name, len, score }),
        6 => (0..16_u8, 0..40_u8).prop_map(|(key, name)| Step::Take { key, name }),
        1 => (0..16_u8).prop_map(Step::Touch),
        1 => (0..16_u8, any::<bool>()).prop_map(|(key, expires)| Step::Expire(key, expires)),
        1 => (0..16_u8).prop_map(Step::Delete),
    ]
}

/// Half of the members of sets are integers, so that there are intsets; a set of a higher key has others as well.
fn name(key: u8, name: u8) -> Vec<u8> {
    if key / 4 < 2 { name.to_string().into_bytes() } else { format!("name:{name}").into_bytes() }
}

fn nothing(key: u8) -> Plain {
    match key % 4 {
        0 => Plain::Hash(BTreeMap::new()),
        1 => Plain::List(VecDeque::new()),
        2 => Plain::Set(BTreeSet::new()),
        _ => Plain::SortedSet(BTreeMap::new()),
    }
}

impl Plain {
    fn is_empty(&self) -> bool {
        match self {
            Self::Hash(fields) => fields.is_empty(),
            Self::List(elements) => elements.is_empty(),
            Self::Set(members) => members.is_empty(),
            Self::SortedSet(members) => members.is_empty(),
        }
    }

    fn equals(&self, content: Content<'_>) -> bool {
        let owned = |element: Element<'_>| element.to_vec();
        match (self, content) {
            (Self::Hash(fields), Content::Hash(hash)) => {
                let found: BTreeMap<_, _> =
                    hash.iter().map(|(field, value)| (owned(field), owned(value))).collect();
                hash.len() == found.len() && found == *fields
            }
            (Self::List(elements), Content::List(list)) => {
                list.len() == elements.len()
                    && list.iter(0, End::Right).map(owned).eq(elements.iter().cloned())
            }
            (Self::Set(members), Content::Set(set)) => {
                let found: BTreeSet<_> = set.iter().map(owned).collect();
                set.len() == found.len() && found == *members
            }
            (Self::SortedSet(members), Content::SortedSet(set)) => {
                let found: BTreeMap<_, _> =
                    set.iter().map(|(name, score)| (owned(name), score as u8)).collect();
                set.len() == found.len() && found == *members
            }
            _ => false,
        }
    }
}

/// Puts something in; whether that changed anything.
fn put(
    db: &mut Db,
    key: Key<'_>,
    plain: &mut Plain,
    access: Access,
    (name, len, score): (Vec<u8>, u8, u8),
) -> bool {
    let value = vec![b'v'; len.into()];
    let changed = match plain {
        Plain::Hash(fields) => {
            let mut hash = db.get_or_create::<Hash>(key, access).unwrap();
            hash.set(&name, &value, hash::Limits::default());
            fields.insert(name, value);
            1
        }
        Plain::List(elements) => {
            db.get_or_create::<List>(key, access).unwrap().push(End::Left, &name, Fill::default());
            elements.push_front(name);
            1
        }
        Plain::Set(members) => {
            let mut set = db.get_or_create::<Set>(key, access).unwrap();
            members.insert(name.clone());
            set.count_changes(|set| usize::from(set.insert(&name, set::Limits::default())))
        }
        Plain::SortedSet(members) => {
            let mut set = db.get_or_create::<SortedSet>(key, access).unwrap();
            members.insert(name.clone(), score);
            set.count_changes(|set| {
                usize::from(set.put(&name, score.into(), zset::Limits::default()) != zset::Put::Same)
            })
        }
    };
    changed > 0
}

/// Takes something out; whether it was there.
fn take(db: &mut Db, key: Key<'_>, plain: &mut Plain, access: Access, name: &[u8]) -> bool {
    let (changed, expected) = match plain {
        Plain::Hash(fields) => (
            db.write_collection::<Hash>(key, access)
                .unwrap()
                .map_or(0, |mut hash| hash.count_changes(|hash| usize::from(hash.remove(name)))),
            fields.remove(name).is_some(),
        ),
        Plain::List(elements) => (
            db.write_collection::<List>(key, access).unwrap().map_or(0, |mut list| {
                list.count_changes(|list| usize::from(list.pop(End::Right, |_| ()).is_some()))
            }),
            elements.pop_back().is_some(),
        ),
        Plain::Set(members) => (
            db.write_collection::<Set>(key, access)
                .unwrap()
                .map_or(0, |mut set| set.count_changes(|set| usize::from(set.remove(name)))),
            members.remove(name),
        ),
        Plain::SortedSet(members) => (
            db.write_collection::<SortedSet>(key, access)
                .unwrap()
                .map_or(0, |mut set| set.count_changes(|set| usize::from(set.remove(name).is_some()))),
            members.remove(name).is_some(),
        ),
    };
    assert_eq!(changed > 0, expected);
    expected
}

/// Where a value has to be; between the two limits it may be in either place.
fn is_where_it_belongs(record: RecordRef<'_>) -> bool {
    match (record.small(), record.object()) {
        (Some(small), None) => small.as_bytes().len() <= SMALL_MAX,
        (None, Some(object)) => object.small().is_none_or(|small| small.as_bytes().len() > SMALL_MAX / 2),
        _ => false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]
    #[test]
    fn collections_are_what_was_put_into_them(steps in prop::collection::vec(step(), 0..600)) {
        let mut keyspace = Keyspace::new(1);
        let access = keyspace.access(Millis(1), true);
        let mut model: HashMap<u8, Plain> = HashMap::new();
        for step in steps {
            let before = keyspace.changes();
            let db = keyspace.db_mut(0);
            let (Step::Put { key: number, .. } | Step::Take { key: number, .. } | Step::Touch(number)
                | Step::Expire(number, _) | Step::Delete(number)) = step;
            let bytes = format!("key:{number}").into_bytes();
            let key = Key::new(&bytes);
            let plain = model.entry(number).or_insert_with(|| nothing(number));
            let changed = match step {
                Step::Put { name: field, len, score, .. } => put(db, key, plain, access, (name(number, field), len, score)),
                Step::Take { name: field, .. } => take(db, key, plain, access, &name(number, field)),
                Step::Touch(_) => {
                    // Looking at it to change it, and not changing it; as another type it is refused.
                    prop_assert_eq!(db.write_collection::<Stream>(key, access).is_err(), !plain.is_empty());
                    false
                }
                Step::Expire(_, expires) => db
                    .write(key, access)
                    .map(|mut entry| entry.set_expiry(expires.then_some(Millis(1000))))
                    .is_some(),
                Step::Delete(_) => {
                    *plain = nothing(number);
                    db.delete(key, access.now)
                }
            };
            let record = db.peek(key, access);
            prop_assert_eq!(record.is_none(), plain.is_empty());
            if let Some(record) = record {
                prop_assert!(plain.equals(record.content()), "{record:?} is not {plain:?}");
                prop_assert!(is_where_it_belongs(record), "{record:?}");
            }
            prop_assert_eq!(keyspace.changes() - before, u64::from(changed));
        }
        let mut records = 0;
        keyspace.db(0).for_each(&mut |record| records += record.size());
        prop_assert_eq!(keyspace.db(0).record_bytes(), records);
    }
}
