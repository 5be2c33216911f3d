//! Entries for a consumer, of streams on several nodes: `XREADGROUP`. Whether all groups are there is asked first, as Redis does, because
//! entries are handed out only once. Then each stream is read at its node, and all that was handed out is told: an error of one node is told
//! only if no other has given anything, and otherwise the next time.

use std::sync::Arc;

use super::{Around, Ask, Merge, Merged, PartReply, Question, Streams, moved};
use crate::{
    proxy::{gather::Gather, outcome::Outcome, routing::NodeIndex},
    slot::SlotId,
};

/// A stream, and what its node is asked for.
#[derive(Clone, Debug)]
pub(in crate::proxy) struct Part {
    pub(in crate::proxy) node: NodeIndex,
    pub(in crate::proxy) slot: SlotId,
    pub(in crate::proxy) arguments: Arc<[Vec<u8>]>,
}

impl Part {
    fn ask(&self) -> Ask {
        Ask { node: self.node, arguments: Arc::clone(&self.arguments) }
    }
}

/// The first question: whether the groups are there.
#[derive(Debug)]
pub(in crate::proxy) struct Groups {
    parts: Arc<[Part]>,
}

impl Groups {
    /// Of the group of each stream, by the key and its name.
    pub(in crate::proxy) fn question<'a>(
        parts: Arc<[Part]>,
        group: &'a [u8],
        keys: impl Iterator<Item = &'a [u8]>,
    ) -> Question {
        let ask = |(part, key): (&Part, &'a [u8])| Ask::new(part.node, [&b"XPENDING"[..], key, group]);
        let asks = parts.iter().zip(keys).map(ask).collect();
        Question { asks, merge: Box::new(Self { parts }) }
    }
}

impl Merge for Groups {
    fn takes_errors(&self) -> bool {
        true
    }

    fn merge(&self, gather: &Gather, around: &mut Around<'_>, out: &mut Vec<u8>) -> Merged {
        if let Some((part, failed)) =
            self.parts.iter().zip(gather.replies()).find(|(_, reply)| reply.is_error())
        {
            if failed.outcome != Outcome::Answered {
                out.extend_from_slice(failed.bytes);
                return Merged::Done;
            }
            // The node has the words for it, and hands out nothing.
            return Merged::Ask(Question { asks: vec![part.ask()], merge: Box::new(Handed) });
        }
        if self.parts.iter().any(|part| moved::has(around.current, part.node, part.slot)) {
            out.extend_from_slice(moved::ERROR);
            return Merged::Done;
        }
        Merged::Ask(Question { asks: self.parts.iter().map(Part::ask).collect(), merge: Box::new(Handed) })
    }
}

/// What was handed out.
#[derive(Debug)]
struct Handed;

impl Merge for Handed {
    fn takes_errors(&self) -> bool {
        true
    }

    fn merge(&self, gather: &Gather, _: &mut Around<'_>, out: &mut Vec<u8>) -> Merged {
        let given = gather.replies().filter(|reply| !reply.is_error());
        match Streams::reply(given.map(|reply| reply.bytes), gather.version, out) {
            None => Merged::Misfit,
            Some(0) => {
                if let Some(failed) = gather.replies().find(PartReply::is_error) {
                    out.clear();
                    out.extend_from_slice(failed.bytes);
                }
                Merged::Done
            }
            Some(_) => Merged::Done,
        }
    }
}
