//! Who gives which slots to whom. Pure: the same topology and members always give the same answer, so a plan can be
//! carried on by another driver from nothing but the topology.

use serde::{Deserialize, Serialize};

use std::collections::BTreeMap;

use super::Goal;
use crate::{
    cluster::topology::Topology,
    id::NodeId,
    slot::{SLOTS, SlotId, SlotRange},
};

/// Slots that change owner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transfer {
    /// Who has them; `None`: nobody, so there is nothing to copy.
    pub from: Option<NodeId>,
    /// Who gets them.
    pub to: NodeId,
    /// Ascending, never empty.
    pub slots: Vec<SlotRange>,
}

impl Transfer {
    /// How many slots.
    #[must_use]
    pub fn count(&self) -> usize {
        self.slots.iter().map(|range| range.count()).sum()
    }

    /// The first `limit` of its slots.
    #[must_use]
    pub fn first(&self, limit: usize) -> Vec<SlotRange> {
        SlotRange::cover(self.slots.iter().flat_map(|range| range.iter()).take(limit))
    }
}

/// What is left to do for a goal, in a good order; nothing when it is reached. `members` are all nodes of the
/// registry, the goal's node included.
#[must_use]
pub fn transfers(topology: &Topology, members: &[NodeId], goal: &Goal) -> Vec<Transfer> {
    let owned = slots_by_owner(topology);
    match goal {
        Goal::Add { node } => towards(topology, &owned, members, node),
        Goal::Remove { node, .. } => away_from(topology, &owned, members, node),
    }
}

fn slots_by_owner(topology: &Topology) -> BTreeMap<&NodeId, Vec<SlotId>> {
    let mut owned: BTreeMap<&NodeId, Vec<SlotId>> = BTreeMap::new();
    for (range, owner) in &topology.slots {
        owned.entry(owner).or_default().extend(range.iter());
    }
    owned
}

/// Slots without an owner, and from each member what it has above its fair share, its last slots first.
fn towards(
    topology: &Topology,
    owned: &BTreeMap<&NodeId, Vec<SlotId>>,
    members: &[NodeId],
    node: &NodeId,
) -> Vec<Transfer> {
    let mut transfers = Vec::new();
    let unowned = without_owner(topology);
    let mut have = owned.get(node).map_or(0, Vec::len) + unowned.len();
    if !unowned.is_empty() {
        transfers.push(Transfer { from: None, to: node.clone(), slots: SlotRange::cover(unowned) });
    }
    let share = SLOTS / members.len().max(1);
    let mut donors: BTreeMap<&NodeId, usize> = owned
        .iter()
        .filter(|(owner, _)| **owner != node)
        .map(|(owner, slots)| (*owner, slots.len()))
        .collect();
    while have < share {
        // The richest gives one; of equals, the last in order.
        let Some((_, left)) = donors.iter_mut().max_by_key(|(_, left)| **left).filter(|(_, left)| **left > 0)
        else {
            break;
        };
        *left -= 1;
        have += 1;
    }
    for (donor, keeps) in donors {
        let slots = &owned[donor][keeps..];
        if !slots.is_empty() {
            transfers.push(Transfer {
                from: Some(donor.clone()),
                to: node.clone(),
                slots: SlotRange::cover(slots.iter().copied()),
            });
        }
    }
    transfers
}

fn without_owner(topology: &Topology) -> Vec<SlotId> {
    let owners = topology.owners();
    SlotId::all().filter(|slot| owners[slot.index()].is_none()).collect()
}

/// Everything the node has, and what nobody has, to the others so that they end as even as possible.
fn away_from(
    topology: &Topology,
    owned: &BTreeMap<&NodeId, Vec<SlotId>>,
    members: &[NodeId],
    node: &NodeId,
) -> Vec<Transfer> {
    let free = (None, without_owner(topology));
    let own = (Some(node), owned.get(node).cloned().unwrap_or_default());
    let mut counts: BTreeMap<&NodeId, usize> = members
        .iter()
        .filter(|member| *member != node)
        .map(|member| (member, owned.get(member).map_or(0, Vec::len)))
        .collect();
    let mut transfers = Vec::new();
    for (from, slots) in [free, own] {
        let mut gets: BTreeMap<&NodeId, usize> = BTreeMap::new();
        for _ in &slots {
            let Some((poorest, count)) = counts.iter_mut().min_by_key(|(_, count)| **count) else {
                return Vec::new();
            };
            *count += 1;
            *gets.entry(poorest).or_default() += 1;
        }
        let mut rest = &slots[..];
        transfers.extend(gets.into_iter().map(|(to, count)| {
            let (part, after) = rest.split_at(count);
            rest = after;
            Transfer { from: from.cloned(), to: to.clone(), slots: SlotRange::cover(part.iter().copied()) }
        }));
    }
    transfers
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn id(name: &str) -> NodeId {
        name.parse().unwrap()
    }

    fn counts(topology: &Topology) -> Vec<usize> {
        slots_by_owner(topology).values().map(Vec::len).collect()
    }

    /// Carries a goal out in batches, as the driver does, asking again after each.
    fn carry_out(topology: &mut Topology, members: &[NodeId], goal: &Goal, batch: usize) {
        for _ in 0..=SLOTS {
            let left = transfers(topology, members, goal);
            let Some(next) = left.first() else { return };
            let slots = next.first(batch);
            let owners = topology.owners();
            assert!(
                slots
                    .iter()
                    .flat_map(|range| range.iter())
                    .all(|slot| owners[slot.index()] == next.from.as_ref())
            );
            topology.assign(&slots, &next.to);
        }
        panic!("does not end");
    }

    #[test]
    fn three_nodes_come_and_one_goes() {
        let mut topology = Topology::default();
        let members = [id("1"), id("2"), id("3")];
        for end in 1..=3 {
            let goal = Goal::Add { node: members[end - 1].clone() };
            carry_out(&mut topology, &members[..end], &goal, 1000);
        }
        assert_eq!(counts(&topology), [5462, 5461, 5461]);
        let goal = Goal::Remove { node: id("2"), abandon: false };
        carry_out(&mut topology, &members, &goal, SLOTS);
        assert_eq!(counts(&topology), [8192, 8192]);
    }

    #[test]
    fn the_last_node_has_nobody_to_give_to() {
        let mut topology = Topology::default();
        topology.assign(&SlotRange::cover(SlotId::all()), &id("1"));
        assert_eq!(transfers(&topology, &[id("1")], &Goal::Remove { node: id("1"), abandon: false }), []);
    }

    #[test]
    fn slots_of_a_node_that_was_given_up_are_shared_out() {
        let mut topology = Topology::default();
        let members = [id("1"), id("2"), id("3")];
        for end in 1..=3 {
            carry_out(&mut topology, &members[..end], &Goal::Add { node: members[end - 1].clone() }, SLOTS);
        }
        topology.slots.retain(|(_, owner)| *owner != id("2"));
        for abandon in [true, false] {
            let goal = Goal::Remove { node: id("2"), abandon };
            let gifts = transfers(&topology, &members, &goal);
            assert!(gifts.iter().all(|gift| gift.from.is_none()));
            let mut after = topology.clone();
            carry_out(&mut after, &members, &goal, SLOTS);
            assert_eq!(counts(&after), [8192, 8192]);
        }
        assert_eq!(transfers(&topology, &[id("2")], &Goal::Remove { node: id("2"), abandon: true }), []);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(8))]
        #[test]
        fn every_slot_keeps_an_owner_and_shares_stay_even(steps in prop::collection::vec((0usize..6, any::<bool>()), 1..12), batch in 300usize..9000) {
            let (mut topology, mut members) = (Topology::default(), Vec::<NodeId>::new());
            for (which, add) in steps {
                let node = id(&which.to_string());
                let known = members.contains(&node);
                if add && !known {
                    members.push(node.clone());
                    carry_out(&mut topology, &members, &Goal::Add { node }, batch);
                } else if !add && known && members.len() > 1 {
                    carry_out(&mut topology, &members, &Goal::Remove { node: node.clone(), abandon: false }, batch);
                    members.retain(|member| *member != node);
                    prop_assert!(topology.slots_of(&node).is_empty());
                }
                if !members.is_empty() {
                    prop_assert_eq!(counts(&topology).iter().sum::<usize>(), SLOTS);
                    let counts = counts(&topology);
                    prop_assert!(counts.iter().max().unwrap() - counts.iter().min().unwrap() <= members.len());
                }
            }
        }
    }
}
