//! A request whose keys only a server can tell: one is asked for them (`COMMAND GETKEYS`), then the request goes to their node.

use std::sync::Arc;

use super::{
    Around, Called, Help, Merge, Merged, Question,
    elements::{Elements, string},
    failures, moved,
};
use crate::{
    protocol::Encoder,
    proxy::{
        gather::Gather,
        learned::Known,
        placement::{self, Place},
        routing::NodeIndex,
    },
    slot::SlotId,
};

/// See the module.
#[derive(Debug)]
pub(in crate::proxy) struct Located {
    pub(in crate::proxy) known: Arc<Known>,
    /// Of a subcommand, with its container.
    pub(in crate::proxy) name: Box<str>,
    pub(in crate::proxy) writes: bool,
    pub(in crate::proxy) request: Arc<[Vec<u8>]>,
}

impl Located {
    /// Asks this node.
    pub(in crate::proxy) fn question(self, node: NodeIndex) -> Question {
        let request = Arc::clone(&self.request);
        let words = [&b"COMMAND"[..], b"GETKEYS"].into_iter().chain(request.iter().map(Vec::as_slice));
        Question::new(&[node], words, self)
    }

    /// Where it goes, or what the client is told.
    fn place(&self, keys: &[&[u8]], asked: NodeIndex, around: &Around<'_>) -> Result<NodeIndex, Vec<u8>> {
        let routing = around.current;
        let slots = || keys.iter().map(|key| SlotId::of_key(key));
        if self.writes && slots().any(|slot| routing.holds(slot)) {
            return Err(failures::text(moved::ERROR).to_vec());
        }
        if let Some(slot) = slots().find(|&slot| routing.is_frozen(slot) && !routing.is_certain()) {
            return Err(placement::uncertain(slot).into_bytes());
        }
        match placement::of(routing, slots()) {
            Ok(Place::Nowhere) => Ok(asked),
            Ok(Place::At(node, _)) if self.known.is_lacking(node) => {
                Err(placement::lacking(routing, &self.name, node))
            }
            Ok(Place::At(node, _)) => Ok(node),
            Ok(Place::Apart(apart)) => {
                let [one, other] = [apart.one, apart.other].map(|(at, node)| (keys[at], node));
                Err(placement::refusal(routing, &placement::shown_name(&self.name), one, other))
            }
            Err(slot) => Err(routing.no_owner(slot).into_bytes()),
        }
    }
}

impl Merge for Located {
    fn error(&self, _: &Gather, first: Vec<u8>) -> Vec<u8> {
        let mut text =
            format!("ERR the keys of '{}' cannot be told, nothing was done: ", self.name).into_bytes();
        text.extend_from_slice(&first);
        text
    }

    fn merge(&self, gather: &Gather, around: &mut Around<'_>, out: &mut Vec<u8>) -> Merged {
        let (Some(reply), Some(asked)) = (gather.replies().next(), gather.nodes().next()) else {
            return Merged::Misfit;
        };
        let Some(keys) = Elements::of(reply.bytes) else { return Merged::Misfit };
        let Some(keys) = keys.map(string).collect::<Option<Vec<&[u8]>>>() else { return Merged::Misfit };
        match self.place(&keys, asked, around) {
            Ok(node) => Merged::Ask(Called::question(node, Arc::clone(&self.request), Help::None)),
            Err(text) => {
                Encoder::new(out, gather.version).error(text);
                Merged::Done
            }
        }
    }
}
