//! One node's answer to `SCAN` with our cursor in the place of its own ([`crate::proxy::scan`]). Keys of slots that the node does not
//! own, or that come another time, are left out.

use super::{
    Around, InTurns, Merge, Merged, Question,
    elements::{Elements, owned_keys, string},
    in_turns::Selection,
};
use crate::{
    protocol::{Encoder, Request, number::parse_i64},
    proxy::{
        gather::Gather,
        routing::NodeIndex,
        scan::{Ask, Next, STOCK_CURSOR_END},
    },
    slot::SlotId,
};

/// `SCAN` without `COUNT`.
const COUNT: u64 = 10;

/// See the module.
#[derive(Clone, Debug)]
pub(in crate::proxy) struct Scan {
    ask: Ask,
    options: Vec<Vec<u8>>,
    count: u64,
}

impl Scan {
    /// What a client's request asks of whom.
    pub(in crate::proxy) fn question(ask: Ask, request: &Request<'_>) -> Question {
        let options: Vec<Vec<u8>> = request.args_from(2).map(<[u8]>::to_vec).collect();
        let count = options
            .chunks_exact(2)
            .rfind(|option| option[0].eq_ignore_ascii_case(b"count"))
            .and_then(|option| parse_i64(&option[1]))
            .and_then(|count| u64::try_from(count).ok())
            .unwrap_or(COUNT);
        Self { ask, options, count }.ask(&[])
    }

    /// Asks with its options and some more, of which the last counts.
    fn ask(self, more: &[&[u8]]) -> Question {
        let node: NodeIndex = self.ask.node;
        let cursor = self.ask.cursor.to_string();
        let options = self.options.clone();
        let words = [&b"SCAN"[..], cursor.as_bytes()];
        let words = words.into_iter().chain(options.iter().map(Vec::as_slice)).chain(more.iter().copied());
        Question::new(&[node], words, self)
    }
}

impl Merge for Scan {
    fn merge(&self, gather: &Gather, around: &mut Around<'_>, out: &mut Vec<u8>) -> Merged {
        let (routing, ask) = (gather.routing(), &self.ask);
        let answer = gather.replies().next().and_then(|reply| answer(reply.bytes));
        let Some((answered, keys)) = answer else { return Merged::Misfit };
        match ask.next(answered, routing) {
            Next::Cursor(cursor) if gather.is_large() => {
                let mut before = b"*2\r\n".to_vec();
                Encoder::new(&mut before, gather.version).bulk(cursor.to_string());
                Merged::InTurns(InTurns {
                    selection: Selection::Owned { before },
                    before: ask.before,
                    elements: |reply| Elements::of(Elements::of(reply)?.nth(1)?),
                })
            }
            Next::Cursor(cursor) => {
                // By the table the node was asked with: if the slot has moved since, this is still its answer.
                let mine = |slot: SlotId| routing.owner(slot) == Some(ask.node) && slot.index() < ask.before;
                let keys: Vec<&[u8]> = owned_keys(keys, mine).collect();
                let mut encoder = Encoder::new(out, gather.version);
                encoder.array(2);
                encoder.bulk(cursor.to_string());
                encoder.array(keys.len());
                for key in keys {
                    out.extend_from_slice(key);
                }
                Merged::Done
            }
            Next::AskMore => {
                let Some(ask) = ask.again(around.current) else {
                    Encoder::new(out, gather.version).error("ERR all nodes were removed during SCAN");
                    return Merged::Done;
                };
                let count = self.count.saturating_mul(4).max(COUNT * 4);
                let size = count.to_string();
                let again = Self { ask, options: self.options.clone(), count };
                Merged::Ask(again.ask(&[b"COUNT", size.as_bytes()]))
            }
            Next::TooLarge => {
                let label = routing.member(ask.node).map_or_else(String::new, |member| member.label());
                Encoder::new(out, gather.version).error(format!(
                    "ERR {label} answered SCAN with cursor {answered}; a proxy has room for cursors below \
                     {STOCK_CURSOR_END}: scan that server itself"
                ));
                Merged::Done
            }
        }
    }
}

/// The node's cursor and its keys.
pub(super) fn answer(reply: &[u8]) -> Option<(u64, Elements<'_>)> {
    let mut elements = Elements::of(reply)?;
    let cursor = std::str::from_utf8(string(elements.next()?)?).ok()?.parse().ok()?;
    Some((cursor, Elements::of(elements.next()?)?))
}
