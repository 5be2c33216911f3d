//! Any sequence of changes leaves the keyspace with what a plain map has: the records are laid out by hand.
#![no_main]

use std::collections::HashMap;

use libfuzzer_sys::{arbitrary, arbitrary::Arbitrary, fuzz_target};
use redis_cluster::{
    node::keyspace::{Access, Aging, Cursor, Db, Key, Ttl, Value},
    time::Millis,
};

#[derive(Arbitrary, Debug)]
enum Change {
    Set(u8, Vec<u8>),
    SetLong(u8, u16),
    Number(u8, i64),
    Expire(u8, Option<u8>),
    Edit(u8, u16, u8),
    Remove(u8),
    Tick(u8),
    Clear,
}

type Model = HashMap<Vec<u8>, (Vec<u8>, Option<i64>)>;

/// Few keys, so that they meet again; some of them long, and all in one slot.
fn key(number: u8) -> Vec<u8> {
    let mut key = format!("{{slot}}:{}", number % 32).into_bytes();
    key.resize(key.len() + if number % 3 == 0 { 300 } else { 0 }, b'k');
    key
}

fn bytes(value: Value<'_>) -> Vec<u8> {
    match value {
        Value::Int(number) => number.to_string().into_bytes(),
        Value::Bytes(bytes) => bytes.to_vec(),
        Value::Shared(bytes) => bytes.to_vec(),
    }
}

fuzz_target!(|changes: Vec<Change>| {
    let (mut db, mut model, mut now) = (Db::default(), Model::new(), 1);
    for change in changes {
        let access = Access { now: Millis(now), aging: Aging::default(), touch: true };
        model.retain(|_, (_, expiry)| expiry.is_none_or(|at| at > now));
        let set = |db: &mut Db, model: &mut Model, number: u8, value: Vec<u8>| {
            db.set(Key::new(&key(number)), Value::of_string(&value), Ttl::None, access);
            model.insert(key(number), (value, None));
        };
        match change {
            Change::Set(number, value) => set(&mut db, &mut model, number, value),
            Change::SetLong(number, len) => {
                set(&mut db, &mut model, number, vec![b'v'; usize::from(len) * 2])
            }
            Change::Number(number, value) => set(&mut db, &mut model, number, value.to_string().into_bytes()),
            Change::Expire(number, after) => {
                let at = after.map(|after| now + 1 + i64::from(after));
                let key = key(number);
                if let Some(mut entry) = db.write(Key::new(&key), access) {
                    entry.set_expiry(at.map(Millis));
                    model.get_mut(&key).expect("the model has what the keyspace has").1 = at;
                }
            }
            Change::Edit(number, len, byte) => {
                let key = key(number);
                if let Some(mut entry) = db.write(Key::new(&key), access) {
                    let len = usize::from(len).max(entry.string().map_or(0, |value| bytes(value).len()));
                    entry.edit(len, |value| value.iter_mut().skip(1).step_by(7).for_each(|old| *old = byte));
                    let value = &mut model.get_mut(&key).expect("the model has what the keyspace has").0;
                    value.resize(len, 0);
                    value.iter_mut().skip(1).step_by(7).for_each(|old| *old = byte);
                }
            }
            Change::Remove(number) => {
                let removed = db.remove(Key::new(&key(number)), access.now).is_some();
                assert_eq!(removed, model.remove(&key(number)).is_some());
            }
            Change::Tick(millis) => now += i64::from(millis),
            Change::Clear => {
                drop(db.clear());
                model.clear();
            }
        }
    }
    model.retain(|_, (_, expiry)| expiry.is_none_or(|at| at > now));
    let access = Access { now: Millis(now), aging: Aging::default(), touch: false };
    for number in 0..96 {
        let found = db
            .read(Key::new(&key(number)), access)
            .map(|record| (bytes(record.string().expect("all are strings")), record.expiry().map(|at| at.0)));
        assert_eq!(found, model.get(&key(number)).cloned());
    }
    let (mut cursor, mut seen) = (Cursor::from_number(0), 0);
    loop {
        cursor = db.scan(cursor, 3, &mut |record| {
            assert!(model.contains_key(record.key()) || record.expiry().is_some_and(|at| at.0 <= now));
            seen += 1;
        });
        if cursor.number() == 0 {
            break;
        }
    }
    assert!(seen >= model.len());
});
