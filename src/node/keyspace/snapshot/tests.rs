use std::collections::BTreeMap;

use super::*;
use crate::{
    node::{
        keyspace::{Access, Aging, Content, Ttl, Value},
        object::{Hash, Set, SortedSet, hash, set, zset},
        rdb::{self, Forms, Restored, file},
    },
    time::Millis,
};

type Model = BTreeMap<(usize, Vec<u8>), Vec<u8>>;

const DATABASES: usize = 3;

/// A value as text; tables have no order.
fn text(content: Content<'_>, expiry: Option<Millis>) -> Vec<u8> {
    let mut elements: Vec<String> = match content {
        Content::Hash(hash) => {
            hash.iter().map(|(field, value)| format!("{:?} {:?}", field.to_vec(), value.to_vec())).collect()
        }
        Content::Set(set) => set.iter().map(|member| format!("{:?}", member.to_vec())).collect(),
        Content::SortedSet(set) => {
            set.iter().map(|(member, score)| format!("{:?} {score}", member.to_vec())).collect()
        }
        Content::String(_) | Content::List(_) | Content::Stream(_) => {
            vec![rdb::dump(content).escape_ascii().to_string()]
        }
    };
    elements.sort_unstable();
    format!("{elements:?} {expiry:?}").into_bytes()
}

fn model(keyspace: &Keyspace) -> Model {
    let mut model = Model::new();
    for database in 0..keyspace.databases() {
        keyspace.db(database).for_each(&mut |record| {
            model.insert((database, record.key().to_vec()), text(record.content(), record.expiry()));
        });
    }
    model
}

/// What a file holds that was made of the slices.
fn read(slices: &[(usize, Draft)]) -> Model {
    let settings = file::Settings { has_expiring_fields: true, compresses: false, sums: false };
    let mut writer = file::Writer::new(Vec::new(), settings).expect("memory takes all");
    let mut selected = None;
    for (database, draft) in slices {
        // A value may go on in the next.
        if selected.replace(*database) != Some(*database) {
            writer.select(*database).expect("as above");
        }
        writer.draft(draft).expect("as above");
    }
    let bytes = writer.finish().expect("as above");
    let mut reader = file::Reader::new(bytes.as_slice(), Forms::default(), true).expect("a header");
    let mut model = Model::new();
    while let Some(item) = reader.next().expect("whole") {
        let file::Item::Entry(entry) = item else { continue };
        let record = match entry.value {
            Restored::String(text) => super::super::Record::new(entry.key, Value::of_string(&text), None, 0),
            Restored::Object(object) => super::super::Record::of_object(entry.key, object, None, 0),
        };
        let value = text(record.as_ref().content(), entry.expiry);
        let twice = model.insert((entry.database, entry.key.to_vec()), value);
        assert!(twice.is_none(), "{:?} twice", entry.key.escape_ascii().to_string());
    }
    model
}

fn access(now: i64) -> Access {
    Access { now: Millis(now), aging: Aging::Lru, touch: true }
}

/// Names of three large collections: a hash, a set and a sorted set.
const LARGE: [&str; 3] = ["hash", "set", "zset"];
/// Elements of these, at most. Half of them are there.
const ELEMENTS: u32 = 6000;

/// Changes a large collection, or what stands under its name, by all the ways there are.
fn change_large(keyspace: &mut Keyspace, random: &mut fastrand::Rng, now: i64) {
    let (which, db) = (random.usize(..3), random.usize(..DATABASES));
    let (key, access) = (Key::new(LARGE[which].as_bytes()), access(now));
    match random.u32(..400) {
        0 => {
            keyspace.db_mut(db).delete(key, access.now);
        }
        1 => keyspace.db_mut(db).set(key, Value::Int(1), Ttl::None, access),
        2 => {
            if let Some(record) = keyspace.db_mut(db).remove(key, access.now) {
                keyspace.db_mut((db + 1) % DATABASES).put(record);
            }
        }
        3 => {
            if let Some(mut entry) = keyspace.db_mut(db).write(key, access) {
                entry.set_expiry(Some(Millis(now + i64::from(random.u32(..3)))));
            }
        }
        4 => {
            let copy = keyspace.db_mut(db).read(key, access).map(|record| record.to_record_as(b"copy"));
            copy.into_iter().for_each(|copy| keyspace.db_mut(db).put(copy));
        }
        _ => {
            let name = random.u32(..ELEMENTS).to_string();
            let (name, goes, value) = (name.as_bytes(), random.u32(..5) < 3, random.u8(..9));
            let db = keyspace.db_mut(db);
            if let Ok(mut hash) = db.get_or_create::<Hash>(Key::new(LARGE[0].as_bytes()), access) {
                if goes {
                    hash.remove(name);
                } else {
                    hash.set(name, &[value], hash::Limits::default());
                }
            }
            if let Ok(mut set) = db.get_or_create::<Set>(Key::new(LARGE[1].as_bytes()), access) {
                if goes {
                    set.remove(name);
                } else {
                    set.insert(name, set::Limits::default());
                }
                if value == 0 {
                    set.pop(|_| ());
                }
            }
            if let Ok(mut set) = db.get_or_create::<SortedSet>(Key::new(LARGE[2].as_bytes()), access) {
                if goes {
                    set.remove(name);
                } else {
                    set.put(name, f64::from(value), zset::Limits::default());
                }
                if value == 0 {
                    set.pop(goes);
                }
            }
        }
    }
}

fn fill_large(keyspace: &mut Keyspace, random: &mut fastrand::Rng) {
    for db in 0..DATABASES {
        for _ in 0..ELEMENTS {
            let name = random.u32(..ELEMENTS).to_string();
            let (db, name) = (keyspace.db_mut(db), name.as_bytes());
            let [hash, set, zset] = LARGE.map(|name| Key::new(name.as_bytes()));
            db.get_or_create::<Hash>(hash, access(0)).unwrap().set(name, name, hash::Limits::default());
            db.get_or_create::<Set>(set, access(0)).unwrap().insert(name, set::Limits::default());
            let score = f64::from(random.u8(..9));
            let mut zset = db.get_or_create::<SortedSet>(zset, access(0)).unwrap();
            zset.put(name, score, zset::Limits::default());
        }
    }
}

/// Something that changes keys, by all the ways there are.
fn change(keyspace: &mut Keyspace, random: &mut fastrand::Rng, keys: u32, now: i64) {
    let name = random.u32(..keys).to_string();
    let (key, db) = (Key::new(name.as_bytes()), random.usize(..DATABASES));
    let access = access(now);
    match random.u32(..100) {
        0 => drop(keyspace.db_mut(db).clear()),
        1 => drop(keyspace.clear()),
        2 if db > 0 => keyspace.swap(0, db),
        3 => drop(keyspace.expire_cycle(Millis(now), 300)),
        4..15 => drop(keyspace.db_mut(db).delete(key, access.now)),
        15..25 => {
            if let Some(mut entry) = keyspace.db_mut(db).write(key, access) {
                entry.set_expiry(Some(Millis(now + i64::from(random.u32(..50)))));
            }
        }
        25..50 => {
            if let Ok(mut hash) = keyspace.db_mut(db).get_or_create::<Hash>(key, access) {
                let field = random.u32(..9).to_string();
                hash.set(field.as_bytes(), b"v", hash::Limits::default());
                if field == "3" {
                    hash.set_deadline(b"3", Millis(now + 20));
                }
            }
        }
        50..60 => drop(keyspace.db_mut(db).read_collection::<Hash>(key, access)),
        60..65 => drop(keyspace.expire_fields_cycle(Millis(now), 10)),
        65..70 => {
            if let Some(record) = keyspace.db_mut(db).remove(key, access.now) {
                keyspace.db_mut((db + 1) % DATABASES).put(record);
            }
        }
        _ => {
            let ttl = if random.bool() { Ttl::None } else { Ttl::At(Millis(now + 30)) };
            let value = vec![b'x'; random.usize(..300)];
            keyspace.db_mut(db).set(key, Value::Bytes(&value), ttl, access);
        }
    }
}

#[test]
fn it_is_what_there_was_when_it_began_whatever_happens_meanwhile() {
    for seed in 0..24 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut keyspace = Keyspace::new(DATABASES);
        let keys = [40, 3000][random.usize(..2)];
        let mut now = 0;
        for _ in 0..4 * keys {
            change(&mut keyspace, &mut random, keys, now);
            now += i64::from(random.u32(..40) == 0);
        }
        let expected = model(&keyspace);
        let outline = keyspace.begin_snapshot(Used::Unsaid);
        assert_eq!(outline.parts.iter().map(|part| part.keys).sum::<usize>(), expected.len());
        let (mut drafts, mut written) = (Vec::new(), 0);
        loop {
            for _ in 0..random.u32(..200) {
                change(&mut keyspace, &mut random, keys, now);
                now += i64::from(random.u32(..40) == 0);
            }
            let slice = keyspace.snapshot_slice();
            drafts.extend(slice.drafts);
            written += slice.keys;
            if slice.is_last {
                break;
            }
        }
        assert_eq!(
            (read(&drafts), written),
            (expected, outline.parts.iter().map(|part| part.keys as u64).sum()),
            "seed {seed}"
        );
        assert_eq!(keyspace.snapshot_bytes(), 0);
    }
}

#[test]
fn large_collections_are_what_they_were_when_it_began_whatever_happens_meanwhile() {
    for seed in 0..6 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut keyspace = Keyspace::new(DATABASES);
        fill_large(&mut keyspace, &mut random);
        let keys = 20;
        let mut now = 1;
        for _ in 0..100 {
            change(&mut keyspace, &mut random, keys, now);
        }
        let expected = model(&keyspace);
        keyspace.begin_snapshot(Used::Unsaid);
        let (mut drafts, mut written, mut most) = (Vec::new(), 0, 0);
        // Until it is written, or is given up.
        let gives_up = seed == 5;
        loop {
            for _ in 0..random.u32(..60) {
                change_large(&mut keyspace, &mut random, now);
                now += i64::from(random.u32(..40) == 0);
            }
            if random.u32(..4) == 0 {
                change(&mut keyspace, &mut random, keys, now);
            }
            if gives_up && random.u32(..20) == 0 {
                break;
            }
            let slice = keyspace.snapshot_slice();
            most = most.max(slice.drafts.iter().map(|(_, draft)| draft.len()).max().unwrap_or(0));
            drafts.extend(slice.drafts);
            written += slice.keys;
            if slice.is_last {
                break;
            }
        }
        drop(keyspace.abandon_snapshot());
        assert_eq!(keyspace.snapshot_bytes(), 0);
        let mut moments = 0;
        for database in 0..DATABASES {
            keyspace.db(database).for_each(&mut |record| {
                moments += usize::from(record.object().is_some_and(Object::has_moment));
            });
        }
        assert_eq!(moments, 0);
        if !gives_up {
            assert_eq!((read(&drafts), written), (expected.clone(), expected.len() as u64), "seed {seed}");
            assert!(most < 3 * SLICE, "{most}");
        }
    }
}

#[test]
fn what_is_abandoned_leaves_nothing() {
    let mut keyspace = Keyspace::new(DATABASES);
    for number in 0..1000_u32 {
        keyspace.db_mut(0).set(Key::new(&number.to_le_bytes()), Value::Int(1), Ttl::None, access(0));
    }
    keyspace.begin_snapshot(Used::Unsaid);
    assert!(keyspace.db_mut(0).delete(Key::new(&7_u32.to_le_bytes()), Millis(0)));
    assert!(keyspace.snapshot_bytes() > 0);
    assert_eq!(keyspace.clear().objects(), 0, "the snapshot has them");
    drop(keyspace.abandon_snapshot());
    assert_eq!(keyspace.snapshot_bytes(), 0);
    assert!(keyspace.snapshot_slice().is_last);
}
