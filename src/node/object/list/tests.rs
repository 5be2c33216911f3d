//! Against a deque of strings.

use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;

type Model = VecDeque<Vec<u8>>;

fn check(list: &List, model: &Model) {
    if let Form::Large(groups) = &list.0 {
        groups.check();
    }
    assert_eq!(list.len(), model.len());
    let forward: Vec<_> = list.view().iter(0, End::Right).map(|element| element.to_vec()).collect();
    assert!(forward.iter().eq(model), "{forward:?} is not {model:?}");
    if let Some(last) = model.len().checked_sub(1) {
        let backward: Vec<_> = list.view().iter(last, End::Left).map(|element| element.to_vec()).collect();
        assert!(backward.iter().eq(model.iter().rev()));
    }
    for index in [0, model.len() / 3, model.len() / 2, model.len().saturating_sub(1), model.len()] {
        assert_eq!(list.view().get(index).map(|element| element.to_vec()).as_ref(), model.get(index));
    }
}

fn remove_equal(model: &mut Model, value: &[u8], most: usize, from: End) -> usize {
    let mut found: Vec<usize> = (0..model.len()).filter(|&index| model[index] == value).collect();
    if from == End::Right {
        found.reverse();
    }
    found.truncate(most);
    found.sort_unstable();
    found.iter().rev().for_each(|&index| drop(model.remove(index)));
    found.len()
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        6 => (0_i64..40).prop_map(|number| number.to_string().into_bytes()),
        3 => (0_usize..100).prop_map(|len| vec![b'v'; len]),
        1 => (0_usize..12_000).prop_map(|len| vec![b'w'; len]),
    ]
}

#[derive(Clone, Debug)]
enum Act {
    Push(End, Vec<u8>, usize),
    Pop(End, usize),
    Set(prop::sample::Index, Vec<u8>),
    Insert(prop::sample::Index, Vec<u8>),
    Remove(prop::sample::Index, prop::sample::Index),
    RemoveEqual(Vec<u8>, usize, End),
}

fn act() -> impl Strategy<Value = Act> {
    let end = || prop_oneof![Just(End::Left), Just(End::Right)];
    let index = any::<prop::sample::Index>;
    prop_oneof![
        4 => (end(), value(), 1_usize..60).prop_map(|(end, value, count)| Act::Push(end, value, count)),
        2 => (end(), 1_usize..20).prop_map(|(end, count)| Act::Pop(end, count)),
        2 => (index(), value()).prop_map(|(index, value)| Act::Set(index, value)),
        3 => (index(), value()).prop_map(|(index, value)| Act::Insert(index, value)),
        1 => (index(), index()).prop_map(|(index, count)| Act::Remove(index, count)),
        1 => (value(), 0_usize..30, end()).prop_map(|(value, most, end)| Act::RemoveEqual(value, most, end)),
    ]
}

proptest! {
    #[test]
    fn behaves_like_a_deque(fill in prop_oneof![Just(-1), Just(-2), Just(1), Just(3), Just(40)], acts in proptest::collection::vec(act(), 1..60)) {
        let fill = Fill::new(fill);
        let (mut list, mut model) = (List::default(), Model::new());
        for act in acts {
            match act {
                Act::Push(end, value, count) => for _ in 0..count {
                    list.push(end, &value, fill);
                    if end == End::Left { model.push_front(value.clone()) } else { model.push_back(value.clone()) }
                },
                Act::Pop(end, count) => for _ in 0..count {
                    let expected = if end == End::Left { model.pop_front() } else { model.pop_back() };
                    prop_assert_eq!(list.pop(end, |element| element.to_vec()), expected);
                },
                Act::Set(index, value) => {
                    let index = index.index(model.len() + 1);
                    prop_assert_eq!(list.set(index, &value, fill), index < model.len());
                    if let Some(held) = model.get_mut(index) { *held = value }
                }
                Act::Insert(index, value) => {
                    let index = index.index(model.len() + 1);
                    list.insert(index, &value, fill);
                    model.insert(index, value);
                }
                Act::Remove(index, count) => {
                    let index = index.index(model.len() + 1);
                    let count = count.index(model.len() - index + 1);
                    list.remove(index, count);
                    model.drain(index..index + count);
                }
                Act::RemoveEqual(value, most, end) => {
                    prop_assert_eq!(list.remove_equal(&value, most, end), remove_equal(&mut model, &value, most, end));
                }
            }
            check(&list, &model);
        }
        let packs: Vec<_> = list.view().packs().map(Listpack::from).collect();
        check(&List::of_packs(packs), &model);
    }
}

#[test]
fn many_groups_and_back() {
    let fill = Fill::new(2);
    let (mut list, mut model) = (List::default(), Model::new());
    for number in 0..2000 {
        let value = format!("value {number}").into_bytes();
        list.push(End::Right, &value, fill);
        model.push_back(value);
    }
    assert!(list.small().is_none());
    check(&list, &model);
    for number in 0..1000 {
        let (index, value) = (number * 7 % model.len(), format!("inserted {number}").into_bytes());
        list.insert(index, &value, fill);
        model.insert(index, value);
    }
    check(&list, &model);
    list.remove(100, 2000);
    model.drain(100..2100);
    check(&list, &model);
    while list.pop(End::Left, |_| ()).is_some() {}
    assert!(list.is_empty() && list.small().is_none());
    check(&list, &Model::new());
    assert_eq!(list.view().packs().count(), 0);
}

#[test]
fn chunks_are_as_large_as_the_parameter_says() {
    for (parameter, chunks) in [(-1, 28), (-2, 14), (-5, 2), (10, 1000), (0, 10_000), (-9, 2)] {
        let mut list = List::default();
        for number in 0..10_000 {
            list.push(End::Right, format!("value{number:05}").as_bytes(), Fill::new(parameter));
        }
        let held = list.view().packs().count();
        assert!(held.abs_diff(chunks) <= chunks / 5 + 2, "{parameter}: {held} chunks");
    }
}

#[test]
fn a_huge_pack_from_elsewhere_is_taken_in_parts() {
    let mut pack = crate::node::object::listpack::Listpack::default();
    let model: Model = (0..100_000).map(|number: u32| number.to_string().into_bytes()).collect();
    model.iter().for_each(|value| pack.insert(pack.end(), Element::of(value)));
    let list = List::of_packs(vec![pack]);
    assert!(list.view().packs().all(|pack| pack.as_bytes().len() <= SAFETY_LIMIT));
    check(&list, &model);
}
