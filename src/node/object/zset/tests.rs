use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{LexBound, LexRange, Limits, Put, ScoreBound, ScoreRange, Shown, SortedSet};

#[test]
fn forms_change_where_redis_changes_them_and_never_back() {
    let limits = Limits { members: 2, length: 8 };
    for (members, encoding) in
        [(&["a", "b"][..], "listpack"), (&["a", "b", "c"], "skiplist"), (&["longer than 8"], "skiplist")]
    {
        let mut set = SortedSet::default();
        members.iter().for_each(|member| assert_eq!(set.put(member.as_bytes(), 1.5, limits), Put::Added));
        assert_eq!(set.view().encoding(), encoding, "{members:?}");
        set.remove(members[0].as_bytes());
        assert_eq!(set.view().encoding(), encoding, "{members:?}");
    }
}

#[test]
fn a_moment_is_shown_from_the_last_member_on_whatever_changes_meanwhile() {
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..20 {
        let mut set = SortedSet::default();
        let mut change = |set: &mut SortedSet, times: usize| {
            for _ in 0..times {
                let (name, score) = (random.u16(..600).to_string(), f64::from(random.u8(..5)));
                match random.u8(..5) {
                    0 | 1 => {
                        set.remove(name.as_bytes());
                    }
                    _ => {
                        set.put(name.as_bytes(), score, Limits { members: 2, length: 8 });
                    }
                }
            }
        };
        change(&mut set, 2000);
        let mut expected: Vec<_> = set.view().iter().map(|(name, score)| (name.to_vec(), score)).collect();
        expected.reverse();
        assert!(set.can_have_moment() && !set.has_moment());
        set.begin_moment();
        let mut shown = Vec::new();
        while !set.show_moment(7, &mut |element| {
            let Shown::Scored(name, score) = element else { panic!("{element:?}") };
            shown.push((name.to_vec(), score));
        }) {
            change(&mut set, 5);
            assert_eq!((set.has_moment(), set.clone().has_moment()), (true, false));
        }
        assert_eq!(shown, expected);
        assert_eq!((set.has_moment(), set.moment_bytes()), (false, 0));
    }
}

proptest! {
    #[test]
    fn it_is_an_ordered_map(
        steps in prop::collection::vec(("[a-d0-9]{1,3}|[a-z]{9}", -5..5_i32, 0..5_u8), 0..300),
        members in 0..300_usize,
        bounds in (-6..6_i32, -6..6_i32, any::<bool>(), any::<bool>()),
    ) {
        let limits = Limits { members, length: 8 };
        let (mut set, mut model) = (SortedSet::default(), BTreeMap::<Vec<u8>, f64>::new());
        for (name, score, what) in steps {
            let (name, score) = (name.as_bytes(), f64::from(score) / 2.0);
            if what < 4 {
                let put = match model.insert(name.to_vec(), score) {
                    None => Put::Added,
                    Some(before) if before == score => Put::Same,
                    Some(_) => Put::Changed,
                };
                prop_assert_eq!(set.put(name, score, limits), put);
            } else {
                prop_assert_eq!(set.remove(name), model.remove(name));
            }
        }
        let mut ordered: Vec<(f64, Vec<u8>)> = model.iter().map(|(name, score)| (*score, name.clone())).collect();
        ordered.sort_by(|a, b| a.partial_cmp(b).unwrap());
        let all: Vec<_> = set.view().iter().map(|(name, score)| (score, name.to_vec())).collect();
        prop_assert_eq!(&all, &ordered);
        for (rank, (score, name)) in ordered.iter().enumerate() {
            prop_assert_eq!(set.view().rank(name), Some((rank, *score)));
            prop_assert_eq!(set.view().score(name), Some(*score));
        }
        let (min, max, exclude_min, exclude_max) = bounds;
        let bound = |score: i32, exclusive| ScoreBound { score: f64::from(score) / 2.0, exclusive };
        let range = ScoreRange { min: bound(min, exclude_min), max: bound(max, exclude_max) };
        let is_in = |score: f64| !range.is_before(score) && !range.is_behind(score);
        let within: Vec<_> = ordered.iter().filter(|(score, _)| is_in(*score)).cloned().collect();
        let ranks = set.view().ranks_by_score(&range);
        let found: Vec<_> = set.view().range(ranks.clone(), false).map(|(name, score)| (score, name.to_vec())).collect();
        prop_assert_eq!(&found, &within);
        let mut back: Vec<_> = set.view().range(ranks.clone(), true).map(|(name, score)| (score, name.to_vec())).collect();
        back.reverse();
        prop_assert_eq!(&back, &within);
        prop_assert_eq!(set.remove_ranks(ranks), within.len());
        prop_assert_eq!(set.len(), ordered.len() - within.len());
        let first = set.view().iter().next().map(|(name, score)| (name.to_vec(), score));
        prop_assert_eq!(set.pop(false), first);
    }

    #[test]
    fn names_of_one_score(names in prop::collection::btree_set("[a-d]{1,3}", 0..60), min in "[a-d]{0,2}", max in "[a-d]{0,2}", members in 0..70_usize) {
        let mut set = SortedSet::default();
        for name in &names {
            set.put(name.as_bytes(), 0.0, Limits { members, length: 8 });
        }
        let range = LexRange { min: LexBound::Inclusive(min.clone().into()), max: LexBound::Exclusive(max.clone().into()) };
        let found: Vec<Vec<u8>> = set.view().range(set.view().ranks_by_name(&range), false).map(|(name, _)| name.to_vec()).collect();
        let expected: Vec<Vec<u8>> = names.iter().filter(|name| **name >= min && **name < max).map(|name| name.clone().into_bytes()).collect();
        prop_assert_eq!(found, expected);
    }
}
