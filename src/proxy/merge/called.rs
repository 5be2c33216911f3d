//! A script or a function that was called at a node which does not know it: it is given what it lacks, and called again. Such an error
//! says for certain that nothing ran.

use std::sync::Arc;

use super::{Around, Ask, Merge, Merged, Question, elements::string};
use crate::proxy::{gather::Gather, outcome::Outcome, routing::NodeIndex, scripts};

/// What a node is given that lacks something.
#[derive(Clone, Debug)]
pub(in crate::proxy) enum Help {
    /// The source of the script; whether other proxies were asked for it.
    Script { asked: bool },
    /// All functions of this node.
    Functions(NodeIndex),
    /// Nothing more.
    None,
}

/// The reply to a call: that of the last part.
#[derive(Debug)]
pub(in crate::proxy) struct Called {
    request: Arc<[Vec<u8>]>,
    help: Help,
}

impl Called {
    pub(in crate::proxy) fn question(node: NodeIndex, request: Arc<[Vec<u8>]>, help: Help) -> Question {
        let ask = Ask { node, arguments: Arc::clone(&request) };
        Question { asks: vec![ask], merge: Box::new(Self { request, help }) }
    }

    /// The call again, after `gift`.
    fn again(&self, node: NodeIndex, gift: Ask) -> Question {
        let mut question = Self::question(node, Arc::clone(&self.request), Help::None);
        question.asks.insert(0, gift);
        question
    }
}

impl Merge for Called {
    fn takes_errors(&self) -> bool {
        true
    }

    fn merge(&self, gather: &Gather, around: &mut Around<'_>, out: &mut Vec<u8>) -> Merged {
        let Some((node, reply)) = gather.nodes().zip(gather.replies()).last() else { return Merged::Misfit };
        // When slots have moved meanwhile, it is for the client to ask again.
        let may_ask =
            reply.outcome == Outcome::Answered && gather.routing().epoch() == around.current.epoch();
        match &self.help {
            Help::Script { asked } if may_ask && reply.bytes.starts_with(b"-NOSCRIPT") => {
                let digest = self.request.get(1).map_or(&b""[..], Vec::as_slice);
                if let Some(source) = around.shared.scripts.source(digest) {
                    let gift = Ask::new(node, [&b"SCRIPT"[..], b"LOAD", &source]);
                    return Merged::Ask(self.again(node, gift));
                }
                if let Some(digest) = scripts::digest(digest).filter(|_| !asked) {
                    let help = Help::Script { asked: true };
                    let merge = Self { request: Arc::clone(&self.request), help };
                    return Merged::Elsewhere(vec![digest], Box::new(merge));
                }
                out.extend_from_slice(reply.bytes);
            }
            Help::Functions(lender) if may_ask && reply.bytes.starts_with(b"-ERR Function not found") => {
                let ask = Ask::new(*lender, [&b"FUNCTION"[..], b"DUMP"]);
                let call = Self { request: Arc::clone(&self.request), help: Help::None };
                let refusal = reply.bytes.to_vec();
                return Merged::Ask(Question {
                    asks: vec![ask],
                    merge: Box::new(Lent { call, node, refusal }),
                });
            }
            Help::Script { .. } | Help::Functions(_) | Help::None => out.extend_from_slice(reply.bytes),
        }
        Merged::Done
    }
}

/// The functions of another node.
#[derive(Debug)]
struct Lent {
    call: Called,
    node: NodeIndex,
    /// What the client is told if there are none.
    refusal: Vec<u8>,
}

impl Merge for Lent {
    fn takes_errors(&self) -> bool {
        true
    }

    fn merge(&self, gather: &Gather, around: &mut Around<'_>, out: &mut Vec<u8>) -> Merged {
        let payload = gather.replies().next().and_then(|reply| string(reply.bytes));
        match payload.filter(|_| gather.routing().epoch() == around.current.epoch()) {
            Some(payload) => {
                let gift = Ask::new(self.node, [&b"FUNCTION"[..], b"RESTORE", payload, b"REPLACE"]);
                Merged::Ask(self.call.again(self.node, gift))
            }
            None => {
                out.extend_from_slice(&self.refusal);
                Merged::Done
            }
        }
    }
}
