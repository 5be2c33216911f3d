//! On which node the keys of a request are, and what a client is told whose keys are on several where one node must have them
//! all. Whatever makes such requests possible begins here: nothing else decides it.

use super::routing::{NodeIndex, Routing};
use crate::{protocol::quote, slot::SlotId};

/// Where keys are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// There is none.
    Nowhere,
    /// All on this node; the slot is that of the first.
    At(NodeIndex, SlotId),
    /// On several nodes.
    Apart(Apart),
}

/// Two keys on different nodes: their places among all, and where they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Apart {
    pub(super) one: (usize, NodeIndex),
    pub(super) other: (usize, NodeIndex),
}

/// Where the keys of these slots are, in their order; or a slot that has no owner.
#[inline]
pub(super) fn of(routing: &Routing, slots: impl Iterator<Item = SlotId>) -> Result<Place, SlotId> {
    let mut slots = slots.enumerate();
    let Some((_, first)) = slots.next() else { return Ok(Place::Nowhere) };
    let node = routing.owner(first).ok_or(first)?;
    let mut last = first;
    for (at, slot) in slots {
        if slot != last {
            let owner = routing.owner(slot).ok_or(slot)?;
            if owner != node {
                return Ok(Place::Apart(Apart { one: (0, node), other: (at, owner) }));
            }
            last = slot;
        }
    }
    Ok(Place::At(node, first))
}

/// A command as the beginning of a sentence: `CONFIG GET`.
pub(super) fn shown_name(name: &str) -> String {
    name.replace('|', " ").to_ascii_uppercase()
}

/// Nobody may be asked about a slot.
pub(super) fn uncertain(slot: SlotId) -> String {
    format!("CLUSTERDOWN slot {slot} may have moved: this proxy has no contact with etcd; try another proxy")
}

/// The refusal of a command that the node it would go to does not have, though another has it. It begins as Redis's own does, because
/// clients look for that.
pub(super) fn lacking(routing: &Routing, name: &str, node: NodeIndex) -> Vec<u8> {
    let label = label(routing, node);
    format!("ERR unknown command '{name}': {label} does not have it, though other nodes do; nothing was done")
        .into_bytes()
}

fn label(routing: &Routing, node: NodeIndex) -> String {
    routing.member(node).map_or_else(|| "a removed node".to_owned(), |of| of.label())
}

/// Bytes of a key that errors show.
const SHOWN_MAX: usize = 64;

/// The refusal of what one node would have to do. `what` is who is refused, as the beginning of a sentence: `RENAME`.
pub(super) fn refusal(
    routing: &Routing,
    what: &str,
    (one, node): (&[u8], NodeIndex),
    (other, other_node): (&[u8], NodeIndex),
) -> Vec<u8> {
    format!(
        "CROSSSLOT {what} needs all its keys on one node: {} is on {}, {} on {}; nothing was done, give the keys a \
         common {{tag}}",
        shown(one),
        label(routing, node),
        shown(other),
        label(routing, other_node)
    )
    .into_bytes()
}

/// The same for a key on another node than those that are watched.
pub(super) fn refusal_of_watched(
    routing: &Routing,
    watched: NodeIndex,
    (key, node): (&[u8], NodeIndex),
) -> Vec<u8> {
    format!(
        "CROSSSLOT a transaction needs all its keys on one node: those that are watched are on {}, {} is on {}; give the keys \
         a common {{tag}}",
        label(routing, watched),
        shown(key),
        label(routing, node)
    )
    .into_bytes()
}

fn shown(key: &[u8]) -> String {
    match key.get(..SHOWN_MAX) {
        Some(beginning) if key.len() > SHOWN_MAX => quote::repr(beginning) + "...",
        _ => quote::repr(key),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        cluster::topology::Topology,
        proxy::{
            routing::{Access, Member},
            tenure::Tenure,
        },
        slot::SlotRange,
    };

    fn routing() -> Routing {
        let member = |id: &str| {
            let address = format!("redis://127.0.0.1:700{id}").parse().unwrap();
            Some(Arc::new(Member { id: id.parse().unwrap(), address, access: Access::Closed(String::new()) }))
        };
        let range = |text: &str| SlotRange::try_from(text.to_owned()).unwrap();
        let mut topology = Topology::default();
        topology.assign(&[range("0-99")], &"1".parse().unwrap());
        topology.assign(&[range("100-199")], &"2".parse().unwrap());
        Routing::new(topology, vec![member("1"), member("2")], Tenure::default())
    }

    #[test]
    fn different_slots_of_one_node_are_one_place() {
        let routing = routing();
        let place = |slots: &[u16]| of(&routing, slots.iter().map(|&slot| SlotId::new(slot).unwrap()));
        assert_eq!(place(&[]), Ok(Place::Nowhere));
        assert_eq!(place(&[5]), Ok(Place::At(0, SlotId::new(5).unwrap())));
        assert_eq!(place(&[150, 120, 150]), Ok(Place::At(1, SlotId::new(150).unwrap())));
        let apart = Apart { one: (0, 0), other: (2, 1) };
        assert_eq!(place(&[1, 2, 150, 3]), Ok(Place::Apart(apart)));
        assert_eq!(place(&[1, 900, 150]), Err(SlotId::new(900).unwrap()));
    }

    #[test]
    fn the_refusal_names_keys_and_nodes() {
        let long = [b'x'; 70];
        let text = refusal(&routing(), "RENAME", (b"a\n", 0), (&long, 1));
        assert_eq!(
            String::from_utf8(text).unwrap(),
            format!(
                "CROSSSLOT RENAME needs all its keys on one node: \"a\\n\" is on node 1 (127.0.0.1:7001), \
                 \"{}\"... on node 2 (127.0.0.1:7002); nothing was done, give the keys a common {{tag}}",
                "x".repeat(64)
            )
        );
    }
}
