//! The order of a large sorted set: a B+ tree of three levels whose counts give ranks.
//!
//! Leaves of at most a hundred members or so stand in groups of at most a hundred leaves, groups in one array. A member is found by
//! three binary searches, its rank by adding the counts of the groups before it and of the leaves before it in its group:
//! ten million members are some thousand groups. No change moves more than one leaf and one group's array.

use super::super::Text;

/// Members of a leaf; one more makes two of it.
const LEAF: usize = 96;
/// Leaves of a group; one more makes two of it.
const GROUP: usize = 128;

/// A member with its score.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    /// Never NaN.
    pub score: f64,
    /// Its name.
    pub name: Text,
}

impl Member {
    /// Compared with another place in the order.
    pub(super) fn cmp(&self, score: f64, name: &[u8]) -> std::cmp::Ordering {
        // -0 and 0 are the same score.
        self.score
            .partial_cmp(&score)
            .unwrap_or(std::cmp::Ordering::Equal)
            .then_with(|| self.name.as_bytes().cmp(name))
    }
}

#[derive(Clone, Debug, Default)]
struct Group {
    leaves: Vec<Vec<Member>>,
    len: usize,
}

impl Group {
    fn first(&self) -> Option<&Member> {
        self.leaves.first().and_then(|leaf| leaf.first())
    }

    fn bytes(&self) -> usize {
        self.leaves.capacity() * size_of::<Vec<Member>>()
    }
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub(super) struct Order {
    groups: Vec<Group>,
    len: usize,
    /// Bytes of leaves, of their arrays, and of long names.
    heap: usize,
}

/// Where a member stands.
#[derive(Clone, Copy, Debug)]
struct At {
    group: usize,
    leaf: usize,
    index: usize,
}

impl Order {
    /// Bytes of memory beside the struct itself.
    #[must_use]
    pub(super) fn bytes(&self) -> usize {
        self.heap + self.groups.capacity() * size_of::<Group>()
    }

    /// The first place where `is_before` no longer holds, of a test that holds for a beginning of the order.
    fn partition(&self, is_before: impl Fn(&Member) -> bool) -> At {
        let before = |first: Option<&Member>| first.is_some_and(&is_before);
        let group = self.groups.partition_point(|group| before(group.first())).saturating_sub(1);
        let Some(leaves) = self.groups.get(group).map(|group| &group.leaves) else {
            return At { group: 0, leaf: 0, index: 0 };
        };
        let leaf = leaves.partition_point(|leaf| before(leaf.first())).saturating_sub(1);
        let index = leaves.get(leaf).map_or(0, |leaf| leaf.partition_point(&is_before));
        At { group, leaf, index }
    }

    /// How many members `is_before` holds for; it holds for a beginning of the order.
    #[must_use]
    pub(super) fn count_before(&self, is_before: impl Fn(&Member) -> bool) -> usize {
        let at = self.partition(is_before);
        let groups: usize = self.groups.iter().take(at.group).map(|group| group.len).sum();
        let leaves: usize = self
            .groups
            .get(at.group)
            .map_or(0, |group| group.leaves.iter().take(at.leaf).map(Vec::len).sum());
        groups + leaves + at.index
    }

    /// How many members stand before this one.
    #[must_use]
    pub(super) fn rank(&self, score: f64, name: &[u8]) -> usize {
        self.count_before(|member| member.cmp(score, name).is_lt())
    }

    /// Adds a member that is not there.
    pub(super) fn insert(&mut self, member: Member) {
        let at = self.partition(|other| other.cmp(member.score, member.name.as_bytes()).is_lt());
        if self.groups.is_empty() {
            self.groups.push(Group::default());
        }
        let group = &mut self.groups[at.group];
        let before = group.bytes();
        if group.leaves.is_empty() {
            group.leaves.push(Vec::new());
        }
        self.heap += member.name.heap();
        let leaf = &mut group.leaves[at.leaf];
        let leaf_before = leaf.capacity();
        if leaf.len() == leaf.capacity() {
            leaf.reserve_exact(leaf.len().clamp(4, LEAF / 4));
        }
        leaf.insert(at.index, member);
        let mut leaf_after = leaf.capacity();
        group.len += 1;
        self.len += 1;
        if leaf.len() > LEAF {
            // Those that come in order leave full leaves behind.
            let split = if at.index + 1 == leaf.len() { LEAF } else { LEAF / 2 };
            let mut upper = Vec::with_capacity(LEAF / 2 + LEAF / 4);
            upper.extend(leaf.drain(split..));
            leaf.shrink_to(split + LEAF / 4);
            leaf_after = leaf.capacity() + upper.capacity();
            group.leaves.insert(at.leaf + 1, upper);
        }
        self.heap = self.heap + (leaf_after * size_of::<Member>()) + group.bytes()
            - leaf_before * size_of::<Member>()
            - before;
        if group.leaves.len() > GROUP {
            let split = if at.leaf + 2 == group.leaves.len() { GROUP } else { GROUP / 2 };
            let before = group.bytes();
            let leaves = group.leaves.split_off(split);
            let len = leaves.iter().map(Vec::len).sum();
            group.len -= len;
            let upper = Group { leaves, len };
            self.heap = self.heap + group.bytes() + upper.bytes() - before;
            self.groups.insert(at.group + 1, upper);
        }
    }

    /// Takes a member out; `false` if it is not there.
    pub(super) fn remove(&mut self, score: f64, name: &[u8]) -> bool {
        let mut at = self.partition(|other| other.cmp(score, name).is_lt());
        let Some(group) = self.groups.get(at.group) else { return false };
        // Behind the last of a leaf is the first of the next.
        if group.leaves.get(at.leaf).is_some_and(|leaf| at.index == leaf.len()) {
            at = self.next_leaf(at);
        }
        let Some(group) = self.groups.get_mut(at.group) else { return false };
        let before = group.bytes();
        let Some(leaf) = group.leaves.get_mut(at.leaf) else { return false };
        if leaf.get(at.index).is_none_or(|member| !member.cmp(score, name).is_eq()) {
            return false;
        }
        let capacity = leaf.capacity();
        let gone = leaf.remove(at.index);
        group.len -= 1;
        self.len -= 1;
        if leaf.capacity() > 2 * leaf.len() + LEAF / 2 {
            leaf.shrink_to(leaf.len() + LEAF / 4);
        }
        let mut now = leaf.capacity();
        if leaf.is_empty() {
            now = 0;
            group.leaves.remove(at.leaf);
        } else if leaf.len() < LEAF / 8 && at.leaf + 1 < group.leaves.len() {
            let next = group.leaves[at.leaf + 1].len();
            if next + group.leaves[at.leaf].len() <= LEAF / 2 {
                let other = group.leaves.remove(at.leaf + 1);
                let before_append = group.leaves[at.leaf].capacity();
                let other_capacity = other.capacity();
                group.leaves[at.leaf].extend(other);
                now = now + group.leaves[at.leaf].capacity() - before_append;
                self.heap -= other_capacity * size_of::<Member>();
            }
        }
        if group.leaves.capacity() > 2 * group.leaves.len() + GROUP / 2 {
            group.leaves.shrink_to(group.leaves.len() + GROUP / 4);
        }
        self.heap = self.heap + now * size_of::<Member>() + group.bytes()
            - capacity * size_of::<Member>()
            - before
            - gone.name.heap();
        if group.leaves.is_empty() {
            self.heap -= group.bytes();
            self.groups.remove(at.group);
        }
        true
    }

    fn next_leaf(&self, at: At) -> At {
        match self.groups.get(at.group) {
            Some(group) if at.leaf + 1 < group.leaves.len() => At { leaf: at.leaf + 1, index: 0, ..at },
            _ => At { group: at.group + 1, leaf: 0, index: 0 },
        }
    }

    /// Where the member of a rank stands.
    fn at_rank(&self, rank: usize) -> Option<At> {
        let mut left = rank;
        for (number, group) in self.groups.iter().enumerate() {
            if left >= group.len {
                left -= group.len;
                continue;
            }
            for (leaf, members) in group.leaves.iter().enumerate() {
                if left < members.len() {
                    return Some(At { group: number, leaf, index: left });
                }
                left -= members.len();
            }
        }
        None
    }

    /// Members from a rank on, in order.
    pub(super) fn forth_from(&self, rank: usize) -> impl Iterator<Item = &Member> {
        let at = self.at_rank(rank).unwrap_or(At { group: self.groups.len(), leaf: 0, index: 0 });
        let groups = self.groups.get(at.group..).unwrap_or_default().iter();
        groups.enumerate().flat_map(move |(number, group)| {
            let first = if number == 0 { at.leaf } else { 0 };
            group.leaves[first..].iter().enumerate().flat_map(move |(leaf, members)| {
                let from = if number == 0 && leaf == 0 { at.index } else { 0 };
                members[from..].iter()
            })
        })
    }

    /// Members from a rank on, backwards.
    pub(super) fn back_from(&self, rank: usize) -> impl Iterator<Item = &Member> {
        let at = self.at_rank(rank);
        let groups = at.map_or(&[][..], |at| &self.groups[..=at.group]);
        let last_group = groups.len().saturating_sub(1);
        let at = at.unwrap_or(At { group: 0, leaf: 0, index: 0 });
        groups.iter().enumerate().rev().flat_map(move |(number, group)| {
            let leaves = if number == last_group { &group.leaves[..=at.leaf] } else { &group.leaves[..] };
            let last_leaf = leaves.len().saturating_sub(1);
            leaves.iter().enumerate().rev().flat_map(move |(leaf, members)| {
                let is_first = number == last_group && leaf == last_leaf;
                let members = if is_first { &members[..=at.index] } else { &members[..] };
                members.iter().rev()
            })
        })
    }

    #[cfg(test)]
    fn counted(&self) -> usize {
        let leaves = self.groups.iter().flat_map(|group| &group.leaves);
        let members: usize = leaves.clone().map(|leaf| leaf.capacity() * size_of::<Member>()).sum();
        let names: usize = leaves.flatten().map(|member| member.name.heap()).sum();
        members + names + self.groups.iter().map(Group::bytes).sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn member(score: i64, name: &str) -> Member {
        Member { score: score as f64, name: Text::from(name.as_bytes()) }
    }

    #[test]
    fn many_in_order_and_at_random() {
        for turn in [|number: i64| number, |number: i64| number * 7919 % 60_013] {
            let mut order = Order::default();
            for number in 0..60_000 {
                let score = turn(number);
                order.insert(member(score, &score.to_string()));
            }
            assert_eq!((order.len, order.heap), (60_000, order.counted()));
            assert!(order.groups.len() > 3);
            assert!(order.bytes() < 60_000 * 48, "{} bytes", order.bytes());
            let scores: Vec<f64> = order.forth_from(0).map(|member| member.score).collect();
            assert!(scores.is_sorted() && scores.len() == 60_000);
            for rank in [0, 1, 95, 96, 12_287, 12_288, 59_999] {
                let found = order.forth_from(rank).next().unwrap();
                assert_eq!(order.rank(found.score, found.name.as_bytes()), rank);
            }
            let back: Vec<f64> = order.back_from(59_999).map(|member| -member.score).collect();
            assert!(back.is_sorted() && back.len() == 60_000);
            for score in scores {
                assert!(order.remove(score, format!("{score}").as_bytes()));
            }
            assert_eq!((order.len, order.heap, order.groups.len()), (0, 0, 0));
        }
    }

    proptest! {
        #[test]
        fn it_is_an_ordered_set(steps in prop::collection::vec((-20..20_i64, "[a-d]{0,3}|[a-z]{30}", 0..3_u8), 0..900)) {
            let (mut order, mut model) = (Order::default(), BTreeSet::new());
            for (score, name, what) in steps {
                let key = (score, name.clone().into_bytes());
                if what < 2 {
                    if model.insert(key) {
                        order.insert(member(score, &name));
                    }
                } else {
                    prop_assert_eq!(order.remove(score as f64, name.as_bytes()), model.remove(&key));
                }
            }
            prop_assert_eq!((order.len, order.heap), (model.len(), order.counted()));
            let all: Vec<_> = order.forth_from(0).map(|m| (m.score as i64, m.name.as_bytes().to_vec())).collect();
            prop_assert!(all.iter().eq(model.iter()));
            for (rank, (score, name)) in model.iter().enumerate() {
                prop_assert_eq!(order.rank(*score as f64, name), rank);
                prop_assert!(order.forth_from(rank).count() == model.len() - rank);
                prop_assert!(order.back_from(rank).count() == rank + 1);
            }
        }
    }
}
