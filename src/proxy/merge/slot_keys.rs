//! Keys of one slot, of the node that owns it: `CLUSTER COUNTKEYSINSLOT` and `GETKEYSINSLOT`. Nodes are asked by `SCAN`: our own
//! begin at the slot, a stock server is read to its end. If the slot has changed its owner meanwhile, all begins again there.

use std::collections::BTreeSet;

use super::{Around, Merge, Merged, Question, elements::string, scan::answer};
use crate::{
    protocol::Encoder,
    proxy::{
        gather::Gather,
        routing::{NodeIndex, Routing},
    },
    slot::{CURSOR_HASH_BITS, SlotId},
};

/// Keys that a node looks at in one go.
const COUNT: &[u8] = b"1000";

/// See the module.
#[derive(Clone, Debug)]
pub(in crate::proxy) struct SlotKeys {
    slot: SlotId,
    /// How many are wanted; `None`: only their number.
    wanted: Option<usize>,
    node: NodeIndex,
    /// Without those that `SCAN` gave twice.
    found: BTreeSet<Vec<u8>>,
}

impl SlotKeys {
    /// `None` if nobody owns the slot.
    pub(in crate::proxy) fn question(
        slot: SlotId,
        wanted: Option<usize>,
        routing: &Routing,
    ) -> Option<Question> {
        let node = routing.owner(slot)?;
        // A cursor of our nodes is a slot and where in it; one of a stock server is its own.
        let first = if is_stock(routing, node) { 0 } else { u64::from(slot.get()) << CURSOR_HASH_BITS };
        Some(Self { slot, wanted, node, found: BTreeSet::new() }.ask(first))
    }

    fn ask(self, cursor: u64) -> Question {
        let (node, cursor) = (self.node, cursor.to_string());
        Question::new(&[node], [&b"SCAN"[..], cursor.as_bytes(), b"COUNT", COUNT], self)
    }
}

fn is_stock(routing: &Routing, node: NodeIndex) -> bool {
    routing.member(node).is_some_and(|member| member.is_stock())
}

impl Merge for SlotKeys {
    fn merge(&self, gather: &Gather, around: &mut Around<'_>, out: &mut Vec<u8>) -> Merged {
        let mut encoder = Encoder::new(out, gather.version);
        if around.current.owner(self.slot) != Some(self.node) {
            return match Self::question(self.slot, self.wanted, around.current) {
                Some(question) => Merged::Ask(question),
                None => {
                    encoder.error(around.current.no_owner(self.slot));
                    Merged::Done
                }
            };
        }
        let Some((cursor, keys)) = gather.replies().next().and_then(|reply| answer(reply.bytes)) else {
            return Merged::Misfit;
        };
        let mut next = self.clone();
        let of_slot = |key: &&[u8]| SlotId::of_key(key) == self.slot;
        next.found.extend(keys.filter_map(string).filter(of_slot).map(<[u8]>::to_vec));
        let enough = self.wanted.is_some_and(|wanted| next.found.len() >= wanted);
        let beyond =
            !is_stock(around.current, self.node) && cursor >> CURSOR_HASH_BITS > u64::from(self.slot.get());
        if cursor != 0 && !beyond && !enough {
            return Merged::Ask(next.ask(cursor));
        }
        match self.wanted {
            None => encoder.integer(i64::try_from(next.found.len()).unwrap_or(i64::MAX)),
            Some(wanted) => {
                encoder.array(next.found.len().min(wanted));
                next.found.iter().take(wanted).for_each(|key| encoder.bulk(key));
            }
        }
        Merged::Done
    }
}
