//! Where each slot's requests go: the topology and the members, made into one immutable table per change.

use std::{
    collections::{HashMap, HashSet},
    net::SocketAddr,
    sync::Arc,
};

use super::tenure::Tenure;
use crate::{
    cluster::{
        member::{Address, Kind},
        topology::{Phase, SlotMove, Topology},
    },
    id::{Epoch, NodeId},
    protocol::encode_command,
    slot::{SLOTS, SlotId},
};

/// Which member, within one proxy process. The same member at the same address keeps its number; numbers are not used again.
pub(super) type NodeIndex = u16;

/// No member owns the slot.
const NOBODY: NodeIndex = NodeIndex::MAX;

/// Whether a member may be spoken to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// Log in with this, on any new connection.
    Ready(Login),
    /// It reads its files. Clients are told in its own words, because it cannot: it does not know the proxy's user yet.
    Loading,
    /// Not yet, or not any more, and why.
    Closed(String),
}

impl Access {
    /// How to log in, or why nobody can.
    pub(super) fn login(&self) -> Result<&Login, &str> {
        match self {
            Self::Ready(login) => Ok(login),
            Self::Loading => Err("it is loading its data"),
            Self::Closed(reason) => Err(reason),
        }
    }
}

/// A user at a node and where the node is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Login {
    /// Resolved address.
    pub(super) socket: SocketAddr,
    /// Name at the node; of this registration of the proxy.
    pub(super) user: String,
    /// Only ever sent to nodes.
    pub(super) secret: String,
}

impl Login {
    /// Appends `AUTH user secret`.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        encode_command(out, &["AUTH", &self.user, &self.secret]);
    }
}

/// A member as the data path sees it.
#[derive(Clone, Debug)]
pub(super) struct Member {
    /// As the operator named it.
    pub(super) id: NodeId,
    /// Where it is, in the operator's words.
    pub(super) address: Address,
    /// Whether and how to connect.
    pub(super) access: Access,
}

impl Member {
    /// `node 2 (127.0.0.1:8002)`: how errors name it.
    pub(super) fn label(&self) -> String {
        format!("node {} ({})", self.id, self.address.host_port())
    }

    /// A server of another make.
    pub(super) fn is_stock(&self) -> bool {
        self.address.kind() == Kind::Stock
    }
}

/// What a move has to do with a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hold {
    No,
    /// Writes wait. The owner may change without this proxy hearing of it, once it has acknowledged this.
    Frozen,
    /// Writes wait.
    Switched,
}

/// Requests that must have left a node before an epoch may be acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Draining {
    pub(super) node: NodeIndex,
    /// Also those of connections that broke: a write among them may still run, a read hurts nobody.
    pub(super) writes: bool,
}

/// One epoch's answers.
#[derive(Debug)]
pub(super) struct Routing {
    topology: Topology,
    owners: Box<[NodeIndex; SLOTS]>,
    held: Option<Box<[Hold; SLOTS]>>,
    members: Vec<Option<Arc<Member>>>,
    by_id: HashMap<NodeId, NodeIndex>,
    owning: Vec<NodeIndex>,
    known: bool,
    tenure: Tenure,
}

impl Routing {
    /// Before the registry was read.
    pub(super) fn unknown() -> Self {
        let mut routing = Self::new(Topology::default(), Vec::new(), Tenure::default());
        routing.known = false;
        routing
    }

    /// `members` by their index.
    pub(super) fn new(topology: Topology, members: Vec<Option<Arc<Member>>>, tenure: Tenure) -> Self {
        let numbered = (0..).zip(&members);
        let by_id: HashMap<NodeId, NodeIndex> =
            numbered.filter_map(|(index, member)| Some((member.as_ref()?.id.clone(), index))).collect();
        let mut owners = Box::new([NOBODY; SLOTS]);
        let mut owning: Vec<NodeIndex> = Vec::new();
        let mut owns = vec![false; members.len()];
        for (range, id) in &topology.slots {
            let Some(&index) = by_id.get(id) else { continue };
            if !std::mem::replace(&mut owns[usize::from(index)], true) {
                owning.push(index);
            }
            for slot in range.iter() {
                owners[slot.index()] = index;
            }
        }
        owning.sort_by(|a, b| {
            let id = |index: &NodeIndex| members[usize::from(*index)].as_ref().map(|member| &member.id);
            id(a).cmp(&id(b))
        });
        let mut held: Option<Box<[Hold; SLOTS]>> = None;
        for moving in &topology.moves {
            let hold = match moving.phase {
                Phase::Frozen => Hold::Frozen,
                Phase::Switched => Hold::Switched,
                Phase::Planned | Phase::Open | Phase::Aborting => continue,
            };
            let held = held.get_or_insert_with(|| Box::new([Hold::No; SLOTS]));
            for slot in moving.slots.iter().flat_map(|range| range.iter()) {
                held[slot.index()] = hold;
            }
        }
        Self { topology, owners, held, members, by_id, owning, known: true, tenure }
    }

    /// The topology it was made of.
    pub(super) fn topology(&self) -> &Topology {
        &self.topology
    }

    /// Of the topology.
    pub(super) fn epoch(&self) -> Epoch {
        self.topology.epoch
    }

    /// Whether the registry was read yet.
    pub(super) fn is_known(&self) -> bool {
        self.known
    }

    /// Who answers for a slot.
    #[inline]
    pub(super) fn owner(&self, slot: SlotId) -> Option<NodeIndex> {
        let owner = self.owners[slot.index()];
        (owner != NOBODY).then_some(owner)
    }

    /// Whether writes to the slot must wait.
    #[inline]
    pub(super) fn holds(&self, slot: SlotId) -> bool {
        self.held.as_ref().is_some_and(|held| held[slot.index()] != Hold::No)
    }

    /// Whether the slot may have changed its owner unless this proxy is certainly registered.
    #[inline]
    pub(super) fn is_frozen(&self, slot: SlotId) -> bool {
        self.held.as_ref().is_some_and(|held| held[slot.index()] == Hold::Frozen)
    }

    /// Whether the registration that this was read under certainly stands.
    pub(super) fn is_certain(&self) -> bool {
        self.tenure.is_certain()
    }

    /// How long that registration certainly stands.
    pub(super) fn lease_left(&self) -> std::time::Duration {
        self.tenure.left()
    }

    /// The first slot that may have changed its owner unless this proxy is certainly registered, if there is one.
    pub(super) fn any_frozen(&self) -> Option<SlotId> {
        self.held.as_ref()?;
        let frozen = self.topology.moves.iter().find(|moving| moving.phase == Phase::Frozen)?;
        frozen.slots.first().map(|range| range.first())
    }

    /// The first slot to which writes must wait, if there is one.
    pub(super) fn any_held(&self) -> Option<SlotId> {
        self.held.as_ref()?;
        let slots = self.topology.moves.iter().filter_map(|moving| moving.slots.first());
        slots.map(|range| range.first()).find(|&slot| self.holds(slot))
    }

    /// Whether writes to any slot must wait.
    #[inline]
    pub(super) fn holds_any(&self) -> bool {
        self.held.is_some()
    }

    /// The member of this number, while it is one.
    pub(super) fn member(&self, index: NodeIndex) -> Option<&Arc<Member>> {
        self.members.get(usize::from(index))?.as_ref()
    }

    /// The number of a member.
    pub(super) fn index_of(&self, id: &NodeId) -> Option<NodeIndex> {
        self.by_id.get(id).copied()
    }

    /// Members by their numbers.
    pub(super) fn members(&self) -> impl Iterator<Item = (NodeIndex, &Arc<Member>)> {
        (0..).zip(&self.members).filter_map(|(index, member)| Some((index, member.as_ref()?)))
    }

    /// Members that own slots, in the order of their ids.
    pub(super) fn owning(&self) -> &[NodeIndex] {
        &self.owning
    }

    /// Members that may hold copies of keys whose slots they do not own, while slots move: the other side of each move.
    /// Only of those that own slots, because only they are asked about all keys.
    pub(super) fn with_copies(&self) -> Vec<NodeIndex> {
        let other_side = |moving: &SlotMove| match moving.phase {
            Phase::Planned | Phase::Frozen | Phase::Aborting => self.index_of(&moving.to),
            Phase::Switched | Phase::Open => self.index_of(&moving.from),
        };
        let others: HashSet<NodeIndex> = self.topology.moves.iter().filter_map(other_side).collect();
        self.owning.iter().copied().filter(|node| others.contains(node)).collect()
    }

    /// Members that hear the shard channels of a slot: its owner, and while it moves the other side too, so that nothing is missed
    /// in between.
    pub(super) fn hearing(&self, slot: SlotId) -> Vec<NodeIndex> {
        let mut nodes: Vec<NodeIndex> = self.owner(slot).into_iter().collect();
        let has_slot = |moving: &&SlotMove| {
            moving.slots.iter().any(|range| range.first() <= slot && slot <= range.last())
        };
        for moving in self.topology.moves.iter().filter(has_slot) {
            for side in [&moving.from, &moving.to].into_iter().filter_map(|id| self.index_of(id)) {
                if !nodes.contains(&side) {
                    nodes.push(side);
                }
            }
        }
        nodes
    }

    /// What must have been answered by the sources of moves before the epoch may be acknowledged: writes before the keys are
    /// copied, reads before the copies are deleted.
    pub(super) fn draining(&self) -> impl Iterator<Item = Draining> + '_ {
        self.topology.moves.iter().filter_map(|moving| {
            let writes = match moving.phase {
                Phase::Frozen => true,
                Phase::Open => false,
                Phase::Planned | Phase::Switched | Phase::Aborting => return None,
            };
            Some(Draining { node: self.index_of(&moving.from)?, writes })
        })
    }

    /// The error for a slot without an owner: nothing was done.
    pub(super) fn no_owner(&self, slot: SlotId) -> String {
        if !self.known {
            return "CLUSTERDOWN This proxy has not read the topology from etcd yet".to_owned();
        }
        let range =
            self.topology.slots.iter().find(|(range, _)| range.first() <= slot && slot <= range.last());
        match range {
            Some((_, id)) => format!(
                "CLUSTERDOWN Hash slot {slot} belongs to node {id}, which is not a member; see nodes/ in etcd"
            ),
            None => format!("CLUSTERDOWN Hash slot {slot} has no owner; add a node with redis_console"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slot::SlotRange;

    fn member(id: &str) -> Option<Arc<Member>> {
        Some(Arc::new(Member {
            id: id.parse().unwrap(),
            address: format!("redis://127.0.0.1:70{id:0>2}").parse().unwrap(),
            access: Access::Closed("not connected".to_owned()),
        }))
    }

    fn range(text: &str) -> SlotRange {
        text.to_owned().try_into().unwrap()
    }

    fn slot(number: u16) -> SlotId {
        SlotId::new(number).unwrap()
    }

    #[test]
    fn owners_holds_and_reasons() {
        let moving = SlotMove {
            id: 1,
            plan: 1,
            from: "10".parse().unwrap(),
            to: "2".parse().unwrap(),
            slots: vec![range("100-110")],
            phase: Phase::Frozen,
            since: Epoch(7),
            hold_ms: None,
        };
        let mut topology = Topology { epoch: Epoch(7), slots: Vec::new(), moves: vec![moving] };
        topology.assign(&[range("0-200")], &"10".parse().unwrap());
        topology.assign(&[range("300-400")], &"2".parse().unwrap());
        topology.assign(&[range("500")], &"gone".parse().unwrap());
        let routing = Routing::new(topology, vec![member("10"), None, member("2")], Tenure::default());
        assert_eq!(
            (routing.owner(slot(150)), routing.owner(slot(300)), routing.owner(slot(250))),
            (Some(0), Some(2), None)
        );
        assert_eq!(
            (routing.holds(slot(100)), routing.holds(slot(99)), routing.holds_any()),
            (true, false, true)
        );
        assert_eq!(routing.owning(), [2, 0]);
        assert_eq!(routing.draining().collect::<Vec<_>>(), [Draining { node: 0, writes: true }]);
        assert!(routing.is_frozen(slot(110)) && !routing.is_frozen(slot(111)));
        assert_eq!((routing.any_frozen(), routing.any_held()), (Some(slot(100)), Some(slot(100))));
        assert_eq!(routing.with_copies(), [2], "before the switch the target has copies");
        assert_eq!((routing.hearing(slot(100)), routing.hearing(slot(99))), (vec![0, 2], vec![0]));
        assert_eq!((routing.hearing(slot(300)), routing.hearing(slot(250))), (vec![2], vec![]));
        assert!(routing.no_owner(slot(250)).starts_with("CLUSTERDOWN Hash slot 250 has no owner"));
        assert!(routing.no_owner(slot(500)).contains("belongs to node gone"));
        assert!(Routing::unknown().no_owner(slot(1)).contains("has not read the topology"));
        assert_eq!(routing.member(2).unwrap().label(), "node 2 (127.0.0.1:7002)");
    }
}
