use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::node::object::{
    Hash, List,
    list::{End, Fill},
};

fn string(record: &Record) -> Value<'_> {
    record.as_ref().string().expect("a string")
}

/// Large ones are shared, which is not what is asked here.
fn flat(value: Value<'_>) -> Value<'_> {
    match value {
        Value::Shared(bytes) => Value::Bytes(bytes),
        value => value,
    }
}

#[test]
fn a_large_string_is_kept_where_it_is() {
    let bytes = Bytes::from(vec![b'v'; LARGE]);
    let record = Record::new(b"key", Value::Shared(&bytes), None, 1);
    assert_eq!(string(&record), Value::Shared(&bytes));
    let record = record.with_expiry(Some(Millis(5))).with_key(b"other");
    let Value::Shared(held) = string(&record) else { panic!("no longer shared") };
    assert_eq!(held.as_ptr(), bytes.as_ptr());
    let copy = record.as_ref().to_record_as(b"copy");
    drop(record);
    let Value::Shared(held) = string(&copy) else { panic!("copied") };
    assert_eq!((held.as_ptr(), copy.as_ref().expiry()), (bytes.as_ptr(), Some(Millis(5))));
    assert!(copy.as_ref().size() > LARGE);
    drop(copy);
    assert!(bytes.try_into_mut().is_ok(), "all records have let go of it");
}

#[test]
fn a_list_moves_with_its_record_and_is_freed_with_it() {
    let mut list = List::default();
    list.push(End::Left, &[b'e'; SMALL_MAX], Fill::default());
    let mut record = Record::of_object(b"key", Object::List(list), None, 1);
    assert!(record.as_ref().small().is_none(), "too large to be in the block");
    assert!(record.as_ref().string().is_none());
    assert!(!record.as_mut().overwrite(Value::Int(5)));
    if let Some(Object::List(list)) = record.as_mut().object() {
        list.push(End::Left, b"another", Fill::default());
    }
    let record = record.with_expiry(Some(Millis(9)));
    let copy = record.as_ref().to_record_as(b"copy");
    drop(record);
    let Content::List(list) = copy.as_ref().content() else { panic!("not a list") };
    assert_eq!(list.len(), 2);
}

#[test]
fn a_small_pair_takes_a_chunk_of_96_bytes() {
    let record = Record::new(&[b'k'; 16], Value::Bytes(&[b'v'; 64]), None, 0);
    assert_eq!(record.as_ref().size(), 96);
}

/// A hash of so many fields, each of sixteen bytes with its value.
fn hash(fields: u8) -> Hash {
    let mut hash = Hash::default();
    for field in b'a'..b'a' + fields {
        hash.set(&[field; 6], b"value1", crate::node::object::hash::Limits::default());
    }
    hash
}

fn is_hash(record: &Record, expected: &Hash) -> bool {
    let Content::Hash(hash) = record.as_ref().content() else { return false };
    hash.pack().is_some() && hash.pack() == expected.view().pack()
}

#[test]
fn a_small_hash_is_in_the_block_whatever_becomes_of_its_record() {
    let five = hash(5);
    let record = Record::of_object(&[b'k'; 16], Object::Hash(five.clone()), None, 1);
    assert!(record.as_ref().small().is_some() && record.as_ref().object().is_none());
    assert!(record.as_ref().string().is_none());
    assert_eq!(record.as_ref().size(), 112, "8 of header, 16 of key and 87 of fields");
    let copy = record.as_ref().to_record_as(b"copy").with_expiry(Some(Millis(5))).with_key(b"other");
    assert!(is_hash(&copy, &five) && is_hash(&record, &five));
    assert_eq!((copy.as_ref().key(), copy.as_ref().expiry()), (&b"other"[..], Some(Millis(5))));
}

#[test]
fn a_small_hash_is_overwritten_where_it_is_if_it_fits() {
    let (five, six, seven) = (hash(5), hash(6), hash(7));
    let mut record = Record::of_object(b"key", Object::Hash(five.clone()), Some(Millis(7)), 9);
    // 8 of header, 8 of expiry, 3 of key and 87 of fields are 106 of 112.
    assert!(!record.as_mut().overwrite_small(six.small().unwrap()), "does not fit");
    let mut record = Record::of_object(b"key", Object::Hash(six), Some(Millis(7)), 9);
    assert!(record.as_mut().overwrite_small(five.small().unwrap()) && is_hash(&record, &five));
    assert!(!record.as_mut().overwrite_small(hash(1).small().unwrap()), "would waste most of the block");
    assert_eq!((record.as_ref().expiry(), record.as_ref().age()), (Some(Millis(7)), 9));
    // Another type in its place, and back.
    assert!(record.as_mut().overwrite(Value::Bytes(&[b'v'; 87])));
    assert_eq!(string(&record), Value::Bytes(&[b'v'; 87]));
    assert!(record.as_mut().overwrite_small(five.small().unwrap()) && is_hash(&record, &five));
    // What is an object has no bytes in the block to write over.
    let mut record = Record::boxed(b"key", Object::Hash(seven), None, 9);
    assert!(!record.as_mut().overwrite_small(five.small().unwrap()));
}

#[test]
#[should_panic(expected = "only bytes in the block")]
fn the_bytes_of_a_small_hash_are_no_string() {
    let mut record = Record::of_object(b"key", Object::Hash(hash(1)), None, 0);
    record.as_mut().bytes_mut()[0] = 0;
}

#[test]
fn what_is_set_again_to_a_value_of_its_length_stays_where_it_is() {
    for len in 0..4096 {
        let value = vec![b'v'; len];
        let mut record = Record::new(b"key:000000000001", Value::Bytes(&value), None, 0);
        assert!(record.as_mut().overwrite(Value::Bytes(&value)), "{len} bytes");
    }
}

#[test]
fn overwriting_needs_a_fitting_block() {
    let mut record = Record::new(b"key", Value::Bytes(&[1; 100]), Some(Millis(7)), 9);
    assert!(record.as_mut().overwrite(Value::Bytes(&[2; 99])));
    assert_eq!(string(&record), Value::Bytes(&[2; 99]));
    assert!(!record.as_mut().overwrite(Value::Bytes(&[3; 20])), "would waste most of the block");
    assert!(!record.as_mut().overwrite(Value::Bytes(&[3; 200])), "does not fit");
    assert_eq!(string(&record), Value::Bytes(&[2; 99]));
    assert_eq!((record.as_ref().expiry(), record.as_ref().age()), (Some(Millis(7)), 9));
}

#[test]
fn strings_grow_from_short_to_long_and_on() {
    let mut record = Record::new(b"key", Value::Bytes(b"ab"), None, 1);
    let mut expected = b"ab".to_vec();
    while expected.len() < 300_000 {
        let len = expected.len() + expected.len() / 3 + 1;
        if !record.as_mut().resize(len) {
            record = record.grown(len);
            assert!(record.as_mut().resize(len));
        }
        expected.resize(len, 0);
        *expected.last_mut().unwrap() = len as u8;
        *record.as_mut().bytes_mut().last_mut().unwrap() = len as u8;
        assert_eq!(string(&record), Value::Bytes(&expected));
    }
    assert_eq!(record.as_ref().key(), b"key");
}

fn values() -> impl Strategy<Value = Result<i64, Vec<u8>>> {
    prop_oneof![
        any::<i64>().prop_map(Ok),
        prop::collection::vec(any::<u8>(), 0..300).prop_map(Err),
        (65_500usize..65_600).prop_map(|len| Err(vec![b'x'; len])),
    ]
}

fn view(value: &Result<i64, Vec<u8>>) -> Value<'_> {
    value.as_ref().map_or_else(|bytes| Value::Bytes(bytes), |&number| Value::Int(number))
}

proptest! {
    #[test]
    fn gives_back_what_went_in(
        key in prop::collection::vec(any::<u8>(), 0..300),
        first in values(), second in values(),
        expiry: Option<i64>, later: Option<i64>, age in 0u32..1 << AGE_BITS,
    ) {
        let mut record = Record::new(&key, view(&first), expiry.map(Millis), age);
        prop_assert_eq!(record.as_ref().key(), &key[..]);
        prop_assert_eq!(flat(string(&record)), view(&first));
        prop_assert_eq!(record.as_ref().expiry(), expiry.map(Millis));
        let overwritten = record.as_mut().overwrite(view(&second));
        let value = if overwritten { &second } else { &first };
        prop_assert_eq!(flat(string(&record)), view(value));
        let record = record.with_expiry(later.map(Millis)).with_key(b"other");
        prop_assert_eq!(flat(string(&record)), view(value));
        prop_assert_eq!(record.as_ref().expiry(), later.map(Millis));
        prop_assert_eq!(record.as_ref().key(), b"other");
        prop_assert_eq!(record.as_ref().age(), age);
    }
}
