//! All keys of all nodes in one array: `KEYS`. Copies of a move that is not done, whose slots their node does not own, are left out.

use super::{
    Around, InTurns, Merge, Merged,
    elements::{Elements, owned_keys},
    in_turns::Selection,
};
use crate::{
    protocol::{Encoder, Version},
    proxy::gather::Gather,
    slot::SLOTS,
};

/// See the module.
#[derive(Debug)]
pub(in crate::proxy) struct Keys;

impl Merge for Keys {
    fn merge(&self, gather: &Gather, _: &mut Around<'_>, out: &mut Vec<u8>) -> Merged {
        if gather.is_large() {
            let selection = Selection::Owned { before: Vec::new() };
            return Merged::InTurns(InTurns {
                selection,
                before: SLOTS,
                elements: |reply| Elements::of(reply),
            });
        }
        Merged::when(all(gather, out))
    }
}

fn all(gather: &Gather, out: &mut Vec<u8>) -> Option<()> {
    let mut keys = Vec::new();
    for (reply, node) in gather.replies().zip(gather.nodes()) {
        let owned = |slot| gather.routing().owner(slot) == Some(node);
        keys.extend(owned_keys(Elements::of(reply.bytes)?, owned));
    }
    Encoder::new(out, Version::Resp2).array(keys.len());
    for key in keys {
        out.extend_from_slice(key);
    }
    Some(())
}
