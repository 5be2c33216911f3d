use std::collections::BTreeSet;

use proptest::prelude::*;

use super::{Limits, Set};

const FEW: Limits = Limits { integers: 4, members: 4, length: 8 };

fn set(members: &[&str]) -> Set {
    let mut set = Set::default();
    members.iter().for_each(|member| assert!(set.insert(member.as_bytes(), FEW)));
    set
}

#[test]
fn forms_change_where_redis_changes_them_and_never_back() {
    for (members, encoding) in [
        (&["1", "2", "3", "4"][..], "intset"),
        (&["1", "2", "3", "4", "5"], "hashtable"),
        (&["1", "a"], "listpack"),
        (&["a", "1", "2", "3"], "listpack"),
        (&["a", "1", "2", "3", "4"], "hashtable"),
        (&["1", "2", "3", "4", "a"], "hashtable"),
        (&["a", "longer than 8"], "hashtable"),
        (&["123456789", "a"], "hashtable"),
        (&["01"], "listpack"),
    ] {
        let mut set = set(members);
        assert_eq!(set.view().encoding(), encoding, "{members:?}");
        set.remove(members[0].as_bytes());
        assert_eq!(set.view().encoding(), encoding, "{members:?}");
    }
}

proptest! {
    #[test]
    fn it_is_a_set(
        steps in prop::collection::vec(("[a-c0-9]{0,3}|[a-z]{9}", 0..4_u8), 0..200),
        integers in 0..6_usize, members in 0..40_usize,
    ) {
        let limits = Limits { integers, members, length: 8 };
        let (mut set, mut model) = (Set::default(), BTreeSet::new());
        for (member, what) in steps {
            match what {
                0 | 1 => prop_assert_eq!(set.insert(member.as_bytes(), limits), model.insert(member.into_bytes())),
                2 => {
                    prop_assert_eq!(set.view().contains(member.as_bytes()), model.contains(member.as_bytes()));
                    prop_assert_eq!(set.remove(member.as_bytes()), model.remove(member.as_bytes()));
                }
                _ => {
                    let popped = set.pop(|member| member.to_vec());
                    prop_assert_eq!(popped.is_some(), !model.is_empty());
                    prop_assert!(popped.is_none_or(|member| model.remove(&member)));
                }
            }
            prop_assert_eq!(set.len(), model.len());
        }
        let all: BTreeSet<Vec<u8>> = set.view().iter().map(|member| member.to_vec()).collect();
        prop_assert_eq!(&all, &model);
        let (mut scanned, mut cursor) = (BTreeSet::new(), 0);
        loop {
            cursor = set.view().scan(cursor, 3, |member| { scanned.insert(member.to_vec()); });
            if cursor == 0 {
                break;
            }
        }
        prop_assert_eq!(scanned, model);
    }
}
