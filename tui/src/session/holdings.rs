//! Whose keys are whose: what members hold, without the copies that a move has made and not yet deleted.
//!
//! Pure: from a view to counts. Not here: how counts come into the view (`update`).

use std::collections::BTreeMap;

use redis_cluster::{
    cluster::topology::{Phase, SlotMove},
    id::NodeId,
    time::Millis,
};

use super::view::ClusterView;

/// Keys by owner while slots move, all counted by one table of slots by one proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owned {
    /// When, by this machine's clock.
    pub at: Millis,
    /// Of the nodes that could be counted.
    pub keys: BTreeMap<NodeId, u64>,
}

/// A number of keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    /// So many.
    pub keys: u64,
    /// Otherwise about as many, or some of those asked have never said.
    pub exact: bool,
}

impl ClusterView {
    /// Keys in the slots that a node owns, as it last said; `None`: it never did.
    ///
    /// What a node holds is what it owns, unless it takes part in a move: then the proxies' count is taken, and where they cannot
    /// count (a stock server, no proxy) the copies are left out that the move's journal knows of.
    #[must_use]
    pub fn keys_of(&self, node: &NodeId) -> Option<Count> {
        let held = self.nodes.get(node)?.figures.as_ref()?.keys;
        if let Some(&keys) = self.owned.as_ref().and_then(|owned| owned.keys.get(node)) {
            return Some(Count { keys, exact: true });
        }
        let moves = || self.moves().iter().filter(|one| one.from == *node || one.to == *node);
        let copies: u64 = moves().filter(|one| has_copies(one) == node).map(|one| self.copies(one.id)).sum();
        Some(Count { keys: held.saturating_sub(copies), exact: moves().next().is_none() })
    }

    /// Keys of the whole cluster, each slot's at its owner; `None`: no node has said yet.
    #[must_use]
    pub fn keys(&self) -> Option<Count> {
        let counts: Vec<Option<Count>> = self.nodes.keys().map(|id| self.keys_of(id)).collect();
        if !counts.is_empty() && counts.iter().all(Option::is_none) {
            return None;
        }
        let exact = counts.iter().all(|count| count.is_some_and(|count| count.exact));
        // A node that has just gone had these when all were counted; those who got them tell with the next count.
        let gone =
            self.owned.iter().flat_map(|owned| &owned.keys).filter(|(id, _)| !self.nodes.contains_key(*id));
        let keys = counts.iter().flatten().map(|count| count.keys).sum::<u64>()
            + gone.map(|(_, keys)| keys).sum::<u64>();
        Some(Count { keys, exact })
    }

    /// Keys of some nodes, each slot's at its owner; `None`: none of them has said yet.
    #[must_use]
    pub fn keys_of_all<'a>(&self, nodes: impl Iterator<Item = &'a NodeId>) -> Option<Count> {
        let counts: Vec<Option<Count>> = nodes.map(|id| self.keys_of(id)).collect();
        let known = counts.iter().flatten();
        (!counts.iter().all(Option::is_none)).then(|| Count {
            keys: known.map(|count| count.keys).sum(),
            exact: counts.iter().all(|count| count.is_some_and(|count| count.exact)),
        })
    }

    /// Keys that the nodes hold, copies included; `None`: some node has not said yet.
    #[must_use]
    pub fn keys_held(&self) -> Option<u64> {
        self.nodes.values().map(|node| node.figures.as_ref().map(|figures| figures.keys)).sum()
    }

    /// Copies that a move has made and not deleted, as its journal says.
    fn copies(&self, id: u64) -> u64 {
        self.journal.get(&id).map_or(0, |record| record.keys.saturating_sub(record.deleted))
    }
}

/// The side of a move that does not own its slots.
fn has_copies(one: &SlotMove) -> &NodeId {
    match one.phase {
        Phase::Planned | Phase::Frozen | Phase::Aborting => &one.to,
        Phase::Switched | Phase::Open => &one.from,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::screen::sample;

    fn id(text: &str) -> NodeId {
        text.parse().unwrap()
    }

    #[test]
    fn copies_count_at_neither_side_of_a_move() {
        let mut view = sample::cluster();
        view.owned = None;
        let move_of = |view: &mut ClusterView, phase, keys, deleted| {
            let known = view.topology.as_mut().unwrap();
            Arc::make_mut(&mut known.topology).moves[0].phase = phase;
            let record = Arc::make_mut(view.journal.get_mut(&7).unwrap());
            (record.keys, record.deleted) = (keys, deleted);
        };
        // Move 7 of the sample goes from 2 to 5; nobody counts by slot.
        let (two, five) = (3_054_880, 67_246);
        for (phase, keys, deleted, expected) in [
            (Phase::Planned, 0, 0, (two, five)),
            (Phase::Frozen, 7_000, 0, (two, five - 7_000)),
            (Phase::Switched, 9_000, 0, (two - 9_000, five)),
            (Phase::Open, 9_000, 4_000, (two - 5_000, five)),
            (Phase::Aborting, 7_000, 7_000, (two, five)),
        ] {
            move_of(&mut view, phase, keys, deleted);
            let of = |node| view.keys_of(&id(node)).unwrap();
            assert_eq!((of("2").keys, of("5").keys), expected, "{phase:?}");
            assert!(!of("2").exact && !of("5").exact && of("1").exact && !view.keys().unwrap().exact);
        }
        // Somebody does.
        let keys = BTreeMap::from([(id("2"), 100), (id("5"), 20)]);
        view.owned = Some(Owned { at: sample::NOW, keys });
        assert_eq!(view.keys_of(&id("5")), Some(Count { keys: 20, exact: true }));
        let others = 3_121_004 + 3_118_762 + 3_120_221;
        assert_eq!(view.keys(), Some(Count { keys: others + 120, exact: true }));
    }

    #[test]
    fn what_was_never_said_is_no_zero() {
        let mut view = sample::cluster();
        view.owned = None;
        view.nodes.get_mut(&id("1")).unwrap().figures = None;
        assert_eq!(
            (view.keys_of(&id("1")), view.keys().unwrap().exact, view.keys_held()),
            (None, false, None)
        );
        for node in view.nodes.values_mut() {
            node.figures = None;
        }
        assert_eq!(view.keys(), None);
        view.nodes.clear();
        assert_eq!(view.keys(), Some(Count { keys: 0, exact: true }));
    }
}
