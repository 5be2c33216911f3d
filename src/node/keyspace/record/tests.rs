use super::*;
use proptest::prelude::*;

#[test]
fn a_small_pair_takes_88_bytes() {
    let record = Record::new(&[b'k'; 16], Value::Bytes(&[b'v'; 64]), None, 0);
    assert_eq!(record.as_ref().size(), 88);
}

#[test]
fn overwriting_needs_a_fitting_block() {
    let mut record = Record::new(b"key", Value::Bytes(&[1; 100]), Some(Millis(7)), 9);
    assert!(record.as_mut().overwrite(Value::Bytes(&[2; 99])));
    assert_eq!(record.as_ref().value(), Value::Bytes(&[2; 99]));
    assert!(!record.as_mut().overwrite(Value::Bytes(&[3; 20])), "would waste most of the block");
    assert!(!record.as_mut().overwrite(Value::Bytes(&[3; 200])), "does not fit");
    assert_eq!(record.as_ref().value(), Value::Bytes(&[2; 99]));
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
        assert_eq!(record.as_ref().value(), Value::Bytes(&expected));
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
        prop_assert_eq!(record.as_ref().value(), view(&first));
        prop_assert_eq!(record.as_ref().expiry(), expiry.map(Millis));
        let overwritten = record.as_mut().overwrite(view(&second));
        let value = if overwritten { &second } else { &first };
        prop_assert_eq!(record.as_ref().value(), view(value));
        let record = record.with_expiry(later.map(Millis)).with_key(b"other");
        prop_assert_eq!(record.as_ref().value(), view(value));
        prop_assert_eq!(record.as_ref().expiry(), later.map(Millis));
        prop_assert_eq!(record.as_ref().key(), b"other");
        prop_assert_eq!(record.as_ref().age(), age);
    }
}
