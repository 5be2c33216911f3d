//! A question of several steps, between two of which a slot got another owner or began to move: what was to be asked next may not be asked.

use crate::{
    proxy::routing::{NodeIndex, Routing},
    slot::SlotId,
};

/// What is told then. Nothing has been done.
pub(in crate::proxy) const ERROR: &[u8] =
    b"-TRYAGAIN slots moved while the nodes were asked; nothing was done, try again\r\n";

/// Whether this node may not change keys of the slot any more.
pub(in crate::proxy) fn has(routing: &Routing, node: NodeIndex, slot: SlotId) -> bool {
    routing.holds(slot) || routing.owner(slot) != Some(node)
}
