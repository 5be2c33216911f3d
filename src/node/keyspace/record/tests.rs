use super::*;
use proptest::prelude::*;

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
    list.push(crate::node::object::list::End::Left, b"element", crate::node::object::list::Fill::default());
    let mut record = Record::of_object(b"key", Box::new(Object::List(list)), None, 1);
    assert!(record.as_ref().string().is_none());
    assert!(!record.as_mut().overwrite(Value::Int(5)));
    if let Some(Object::List(list)) = record.as_mut().object() {
        list.push(
            crate::node::object::list::End::Left,
            b"another",
            crate::node::object::list::Fill::default(),
        );
    }
    let record = record.with_expiry(Some(Millis(9)));
    let copy = record.as_ref().to_record_as(b"copy");
    drop(record);
    let Content::List(list) = copy.as_ref().content() else { panic!("not a list") };
    assert_eq!(list.len(), 2);
}

#[test]
fn a_small_pair_takes_88_bytes() {
    let record = Record::new(&[b'k'; 16], Value::Bytes(&[b'v'; 64]), None, 0);
    assert_eq!(record.as_ref().size(), 88);
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
