use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{Hash, Limits};
use crate::time::Millis;

#[test]
fn forms_change_where_redis_changes_them_and_never_back() {
    let limits = Limits { fields: 2, length: 8 };
    for (fields, encoding) in [
        (&[("a", "1"), ("b", "2")][..], "listpack"),
        (&[("a", "1"), ("b", "2"), ("c", "3")], "hashtable"),
        (&[("a", "longer than 8")], "hashtable"),
        (&[("longer than 8", "1")], "hashtable"),
    ] {
        let mut hash = Hash::default();
        fields
            .iter()
            .for_each(|(field, value)| assert!(hash.set(field.as_bytes(), value.as_bytes(), limits)));
        assert_eq!(hash.view().encoding(), encoding, "{fields:?}");
        hash.remove(fields[0].0.as_bytes());
        assert_eq!(hash.view().encoding(), encoding, "{fields:?}");
    }
}

proptest! {
    #[test]
    fn it_is_a_map(
        steps in prop::collection::vec(("[a-c0-9]{0,3}|[a-z]{9}", "[a-z0-9]{0,10}", any::<bool>()), 0..200),
        fields in 0..40_usize,
    ) {
        let limits = Limits { fields, length: 8 };
        let (mut hash, mut model) = (Hash::default(), BTreeMap::new());
        for (field, value, set) in steps {
            if set {
                let created = hash.set(field.as_bytes(), value.as_bytes(), limits);
                prop_assert_eq!(created, model.insert(field.into_bytes(), value.into_bytes()).is_none());
            } else {
                let value = hash.view().get(field.as_bytes()).map(|value| value.to_vec());
                prop_assert_eq!(value.as_ref(), model.get(field.as_bytes()));
                prop_assert_eq!(hash.remove(field.as_bytes()), model.remove(field.as_bytes()).is_some());
            }
            prop_assert_eq!(hash.len(), model.len());
        }
        let all: BTreeMap<_, _> = hash.view().iter().map(|(field, value)| (field.to_vec(), value.to_vec())).collect();
        prop_assert_eq!(&all, &model);
        let (mut scanned, mut cursor) = (BTreeMap::new(), 0);
        loop {
            cursor = hash.view().scan(cursor, 3, |field, value| { scanned.insert(field.to_vec(), value.to_vec()); });
            if cursor == 0 {
                break;
            }
        }
        prop_assert_eq!(&scanned, &model);
        if let Some(field) = hash.view().random(|field, _| field.to_vec()) {
            prop_assert!(model.contains_key(&field));
        }
    }
}

#[test]
fn fields_expire_in_the_order_of_their_times() {
    for limits in [Limits::default(), Limits { fields: 0, length: 0 }] {
        let mut hash = Hash::default();
        for field in 0..10_u8 {
            hash.set(&[b'a' + field], b"v", limits);
        }
        assert_eq!((hash.next_deadline(), hash.expire(Millis(i64::MAX), 9, &mut |_| ())), (None, 0));
        for (field, at) in [(b"c", 30), (b"b", 20), (b"a", 20), (b"d", 40), (b"e", 50), (b"d", 10)] {
            hash.set_deadline(field, Millis(at));
        }
        assert_eq!(hash.view().encoding(), if limits.fields == 0 { "hashtable" } else { "listpackex" });
        assert_eq!((hash.next_deadline(), hash.view().deadline(b"d")), (Some(Millis(10)), Some(Millis(10))));
        assert!(hash.view().pack().is_none(), "its times are not in the pack");
        // At its time a field is still there.
        assert_eq!(hash.expire(Millis(10), 9, &mut |_| ()), 0);
        assert_eq!((hash.expire(Millis(21), 2, &mut |_| ()), hash.len()), (2, 8));
        assert_eq!((hash.expire(Millis(21), 2, &mut |_| ()), hash.len()), (1, 7));
        assert!(
            hash.view().get(b"a").is_none()
                && hash.view().get(b"b").is_none()
                && hash.view().get(b"d").is_none()
        );
        // A new value has no time, a changed one keeps it.
        hash.update(b"c", b"w", limits);
        assert_eq!(hash.view().deadline(b"c"), Some(Millis(30)));
        hash.set(b"c", b"x", limits);
        assert_eq!((hash.view().deadline(b"c"), hash.next_deadline()), (None, Some(Millis(50))));
        assert!(hash.persist(b"e") && !hash.persist(b"e") && !hash.persist(b"none"));
        assert_eq!((hash.next_deadline(), hash.len()), (None, 7));
        hash.set_deadline(b"f", Millis(1));
        let other = hash.clone();
        assert!(hash.remove(b"f") && hash.next_deadline().is_none());
        assert_ne!(hash, other);
    }
}
