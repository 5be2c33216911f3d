//! Who owns which slot, and which slots are on the move. One value in the registry: every change of routing is one
//! transaction, one watch event, one epoch.

use serde::{Deserialize, Serialize};

use crate::{
    id::{Epoch, NodeId},
    slot::{SLOTS, SlotId, SlotRange},
};

/// How far a move is. What proxies do in each phase: `resharding` in doc/.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Phase {
    /// Accepted; the source owns the slots and nothing is held.
    Planned,
    /// The source owns the slots; proxies hold writes to them.
    Frozen,
    /// The target owns the slots; proxies read there and still hold writes.
    Switched,
    /// The target owns the slots; writes run. The source still has copies.
    Open,
    /// Given up before the switch; the source owns the slots, the target's copies are wiped.
    Aborting,
}

/// Slots on their way from one node to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlotMove {
    /// Of the journal entry `moves/ID`.
    pub id: u64,
    /// The plan it belongs to.
    pub plan: u64,
    /// Who has the keys now.
    pub from: NodeId,
    /// Who will.
    pub to: NodeId,
    /// Which slots.
    pub slots: Vec<SlotRange>,
    /// How far it is.
    pub phase: Phase,
    /// The epoch in which it came to this phase: what proxies acknowledge.
    pub since: Epoch,
    /// How long writes may be held before the switch, milliseconds: a proxy that has waited for so long ends the freeze itself.
    /// Without it nobody does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold_ms: Option<u64>,
}

/// The routing of the whole cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Topology {
    /// Counts changes.
    pub epoch: Epoch,
    /// Who owns what; ordered, without overlap. Slots in no range have no owner.
    pub slots: Vec<(SlotRange, NodeId)>,
    /// Under way.
    #[serde(default)]
    pub moves: Vec<SlotMove>,
}

impl Topology {
    /// One entry per slot.
    #[must_use]
    pub fn owners(&self) -> Vec<Option<&NodeId>> {
        let mut owners = vec![None; SLOTS];
        for (range, owner) in &self.slots {
            for slot in range.iter() {
                owners[slot.index()] = Some(owner);
            }
        }
        owners
    }

    /// The slots of one node.
    #[must_use]
    pub fn slots_of(&self, node: &NodeId) -> Vec<SlotRange> {
        self.slots.iter().filter(|(_, owner)| owner == node).map(|(range, _)| *range).collect()
    }

    /// Gives slots to a node, whoever had them. The epoch stays; whoever commits the change counts it.
    pub fn assign(&mut self, slots: &[SlotRange], node: &NodeId) {
        let mut owners: Vec<Option<NodeId>> =
            self.owners().into_iter().map(Option::<&NodeId>::cloned).collect();
        for slot in slots.iter().flat_map(|range| range.iter()) {
            owners[slot.index()] = Some(node.clone());
        }
        self.slots.clear();
        for slot in SlotId::all() {
            let Some(owner) = &owners[slot.index()] else { continue };
            match self.slots.last_mut() {
                Some((range, last)) if last == owner && range.last().get() + 1 == slot.get() => {
                    range.extend_to(slot);
                }
                _ => self.slots.push((SlotRange::from(slot), owner.clone())),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_readable_and_comes_back() {
        let mut topology = Topology::default();
        let all = SlotRange::cover(SlotId::all());
        topology.assign(&all, &"1".parse().unwrap());
        topology.assign(&[SlotRange::try_from("7".to_owned()).unwrap()], &"2".parse().unwrap());
        let json = serde_json::to_string(&topology).unwrap();
        assert_eq!(json, r#"{"epoch":0,"slots":[["0-6","1"],["7","2"],["8-16383","1"]],"moves":[]}"#);
        assert_eq!(serde_json::from_str::<Topology>(&json).unwrap(), topology);
        assert_eq!(topology.slots_of(&"1".parse().unwrap()).iter().map(|r| r.count()).sum::<usize>(), 16383);
    }
}
