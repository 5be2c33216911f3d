//! One request at several nodes: which parts are answered, and with the last of them, what the client is to be told. Pure: whom the
//! parts are sent to and whom the reply goes to is the worker's ([`super::worker`]).

use std::sync::Arc;

use bytes::Bytes;

use super::{
    merge::{AllSucceeded, Around, ByKey, Merge, Merged, Sum, failures},
    outcome::Outcome,
    routing::{NodeIndex, Routing},
    slab::Key,
    upstream::Reply,
};
use crate::{
    command::{self, Spec},
    protocol::{Encoder, Version},
};

/// Replies of more bytes are merged in many turns.
const MERGED_AT_ONCE: usize = 256 << 10;
/// Larger buffers are not kept.
pub(super) const KEEP: usize = 64 << 10;

/// The reply of one node to its part of a request.
#[derive(Clone, Copy, Debug)]
pub(super) struct PartReply<'a> {
    /// As it came, or the error that says why it did not.
    pub(super) bytes: &'a [u8],
    pub(super) outcome: Outcome,
}

impl PartReply<'_> {
    pub(super) fn is_error(&self) -> bool {
        matches!(self.bytes.first(), Some(b'-' | b'!'))
    }
}

#[derive(Clone, Debug)]
struct Part {
    node: NodeIndex,
    at: usize,
    len: usize,
    /// Where it is, if it is large.
    large: Option<Bytes>,
    outcome: Outcome,
}

/// How the replies become one.
#[derive(Debug)]
pub(super) enum Rule {
    /// As the table says, and as many requests at once do.
    Plain(&'static dyn Merge),
    /// With what belongs to this request.
    Own(Box<dyn Merge>),
}

impl Rule {
    /// For a command whose keys are independent of each other; none for those that are asked of all nodes in a way of their own.
    pub(super) fn plain(merge: command::Merge) -> Option<Self> {
        match merge {
            command::Merge::ByKey => Some(Self::Plain(&ByKey)),
            command::Merge::Sum => Some(Self::Plain(&Sum)),
            command::Merge::AllSucceeded => Some(Self::Plain(&AllSucceeded)),
            command::Merge::Keys
            | command::Merge::Scan
            | command::Merge::RandomKey
            | command::Merge::KeyCount
            | command::Merge::Info
            | command::Merge::Acknowledged => None,
        }
    }

    fn get(&self) -> &dyn Merge {
        match self {
            Self::Plain(merge) => *merge,
            Self::Own(merge) => &**merge,
        }
    }
}

/// What a reply is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// The client's request of this sequence.
    Reply(u32),
    /// A look at keys of several nodes, for a client that waits.
    Look(Key),
}

/// Who asked, and how it wants to be answered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asker {
    pub(super) client: Key,
    pub(super) purpose: Purpose,
    pub(super) version: Version,
}

/// What the nodes are asked for, as far as errors are about it.
#[derive(Clone, Debug)]
pub(super) enum Asked {
    /// A command of the table.
    Row(&'static Spec),
    /// One that nodes have taught.
    Learned {
        /// Its name.
        name: Box<str>,
        /// Whether it may have changed something.
        writes: bool,
    },
}

impl Asked {
    fn name(&self) -> &str {
        match self {
            Self::Row(spec) => spec.name,
            Self::Learned { name, .. } => name,
        }
    }

    /// Whether it matters which nodes have done it.
    fn changes(&self) -> bool {
        match self {
            Self::Row(spec) => match spec.route {
                // What is combined is only read.
                command::Route::Combined(_) => false,
                command::Route::Servers(servers) => servers.changes(),
                _ => spec.writes(),
            },
            Self::Learned { writes, .. } => *writes,
        }
    }
}

impl From<&'static Spec> for Asked {
    fn from(spec: &'static Spec) -> Self {
        Self::Row(spec)
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Gather {
    pub(super) client: Key,
    pub(super) purpose: Purpose,
    pub(super) version: Version,
    asked: Asked,
    /// How many had begun before it, of all of its worker.
    pub(super) number: u64,
    /// The table the nodes were asked by.
    routing: Arc<Routing>,
    rule: Rule,
    parts: Vec<Part>,
    remaining: usize,
    /// The replies, one behind the other as they came.
    bytes: Vec<u8>,
    /// Which part has each key.
    order: Vec<u16>,
}

impl Gather {
    /// For the replies of no node yet.
    pub(super) fn new(asker: Asker, asked: Asked, rule: Rule, routing: &Arc<Routing>) -> Self {
        Self {
            client: asker.client,
            purpose: asker.purpose,
            version: asker.version,
            asked,
            number: 0,
            routing: Arc::clone(routing),
            rule,
            parts: Vec::new(),
            remaining: 0,
            bytes: Vec::new(),
            order: Vec::new(),
        }
    }

    /// The same in the memory of one that is done.
    pub(super) fn renew(&mut self, asker: Asker, asked: Asked, rule: Rule, routing: &Arc<Routing>) {
        (self.client, self.purpose, self.version) = (asker.client, asker.purpose, asker.version);
        (self.asked, self.rule) = (asked, rule);
        self.routing.clone_from(routing);
        self.order.clear();
        self.expect(std::iter::empty());
    }

    /// Whether it may change something.
    pub(super) fn may_change(&self) -> bool {
        self.asked.changes()
    }

    /// Whether its memory is worth keeping for another.
    pub(super) fn is_small(&self) -> bool {
        self.bytes.capacity() <= KEEP && self.order.capacity() <= KEEP
    }

    /// Which part has each key.
    pub(super) fn set_order(&mut self, order: &[u16]) {
        self.order.extend_from_slice(order);
    }

    /// Waits for replies of these nodes, and forgets those it had.
    pub(super) fn expect(&mut self, nodes: impl Iterator<Item = NodeIndex>) {
        self.parts.clear();
        self.bytes.clear();
        let part = |node| Part { node, at: 0, len: 0, large: None, outcome: Outcome::NotRun };
        self.parts.extend(nodes.map(part));
        self.remaining = self.parts.len();
    }

    /// Goes on with another question.
    pub(super) fn ask(
        &mut self,
        nodes: impl Iterator<Item = NodeIndex>,
        merge: Box<dyn Merge>,
        routing: &Arc<Routing>,
    ) {
        self.expect(nodes);
        self.rule = Rule::Own(merge);
        self.routing.clone_from(routing);
    }

    /// Its replies are merged in another way, now that something else is known.
    pub(super) fn merge_by(&mut self, merge: Box<dyn Merge>) {
        self.rule = Rule::Own(merge);
    }

    /// One reply. True: it was the last.
    pub(super) fn arrived(&mut self, part: u32, reply: Reply<'_>, outcome: Outcome) -> bool {
        if let Some(part) = self.parts.get_mut(part as usize) {
            part.outcome = outcome;
            match reply {
                Reply::Small(reply) => {
                    (part.at, part.len) = (self.bytes.len(), reply.len());
                    self.bytes.extend_from_slice(reply);
                }
                Reply::Large(reply) => part.large = Some(reply),
            }
        }
        self.remaining -= 1;
        self.remaining == 0
    }

    /// What is to be told, once all have answered.
    pub(super) fn finish(&self, around: &mut Around<'_>, out: &mut Vec<u8>) -> Merged {
        let label = |index| self.label(index);
        let changes = self.asked.changes();
        if !self.rule.get().takes_errors()
            && let Some(text) = failures::error_of(self.asked.name(), changes, &self.replies(), label)
        {
            Encoder::new(out, self.version).error(self.rule.get().error(self, text));
            return Merged::Done;
        }
        let merged = self.rule.get().merge(self, around, out);
        if matches!(merged, Merged::Misfit) {
            self.misfit(out);
        }
        merged
    }

    /// The error when the replies make no sense together.
    pub(super) fn misfit(&self, out: &mut Vec<u8>) {
        out.clear();
        let text = format!("ERR the nodes' replies to {} do not fit together", self.asked.name());
        Encoder::new(out, self.version).error(text);
    }

    pub(super) fn replies(&self) -> impl Iterator<Item = PartReply<'_>> + Clone {
        self.parts.iter().map(|part| PartReply {
            bytes: part.large.as_deref().unwrap_or(&self.bytes[part.at..part.at + part.len]),
            outcome: part.outcome,
        })
    }

    /// Names the node of a part.
    pub(super) fn label(&self, part: usize) -> String {
        let member = self.routing.member(self.parts[part].node);
        member.map_or_else(|| "a removed node".to_owned(), |member| member.label())
    }

    /// Who was asked, in the order of the replies.
    pub(super) fn nodes(&self) -> impl Iterator<Item = NodeIndex> + '_ {
        self.parts.iter().map(|part| part.node)
    }

    /// Which part has each key.
    pub(super) fn order(&self) -> &[u16] {
        &self.order
    }

    /// The table the nodes were asked by.
    pub(super) fn routing(&self) -> &Routing {
        &self.routing
    }

    /// Whether merging all replies at once would keep others waiting.
    pub(super) fn is_large(&self) -> bool {
        self.replies().map(|reply| reply.bytes.len()).sum::<usize>() > MERGED_AT_ONCE
    }

    /// The replies, to be kept.
    pub(super) fn shared_replies(&self) -> Vec<Bytes> {
        self.parts
            .iter()
            .zip(self.replies())
            .map(|(part, reply)| part.large.clone().unwrap_or_else(|| Bytes::copy_from_slice(reply.bytes)))
            .collect()
    }

    /// Large replies, when they are needed no more.
    pub(super) fn into_large(self) -> impl Iterator<Item = Bytes> {
        self.parts.into_iter().filter_map(|part| part.large)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        command,
        proxy::{slab::Slab, tenure::Tenure},
    };

    fn asker() -> Asker {
        Asker { client: Slab::default().insert(()), purpose: Purpose::Reply(5), version: Version::Resp2 }
    }

    fn gather(command: &[u8], nodes: u16) -> Gather {
        let spec = command::lookup(command).unwrap();
        let command::Route::Split(merge) = spec.route else { panic!("it is not split") };
        let routing = Arc::new(Routing::new(
            crate::cluster::topology::Topology::default(),
            Vec::new(),
            Tenure::default(),
        ));
        let mut gather = Gather::new(asker(), spec.into(), Rule::plain(merge).unwrap(), &routing);
        gather.expect(0..nodes);
        gather
    }

    /// What the client is told; `None` if that takes many turns.
    fn finish(gather: &Gather) -> Option<String> {
        let (counts, _) = tokio::sync::mpsc::unbounded_channel();
        let shared = crate::proxy::shared::tests::shared(counts);
        let routing = Arc::clone(&gather.routing);
        let mut random = fastrand::Rng::with_seed(1);
        let mut around =
            Around { current: &routing, shared: &shared, wall: crate::time::Millis(0), random: &mut random };
        let mut out = Vec::new();
        match gather.finish(&mut around, &mut out) {
            Merged::Done | Merged::Misfit => Some(String::from_utf8(out).unwrap()),
            Merged::InTurns(_) => None,
            other => panic!("{other:?}"),
        }
    }

    fn answered(gather: &mut Gather, part: u32, reply: &[u8]) -> bool {
        gather.arrived(part, Reply::Small(reply), Outcome::Answered)
    }

    #[test]
    fn it_is_complete_with_the_last_part_in_whatever_order() {
        let mut gather = gather(b"mget", 3);
        gather.set_order(&[0, 1, 2, 1]);
        assert!(!answered(&mut gather, 2, b"*1\r\n$1\r\nc\r\n"));
        assert!(!answered(&mut gather, 0, b"*1\r\n$-1\r\n"));
        assert!(answered(&mut gather, 1, b"*2\r\n$1\r\nb\r\n$1\r\nd\r\n"));
        assert_eq!(finish(&gather).unwrap(), "*4\r\n$-1\r\n$1\r\nb\r\n$1\r\nc\r\n$1\r\nd\r\n");
    }

    #[test]
    fn one_that_goes_on_forgets_what_it_had() {
        let mut gather = gather(b"del", 2);
        answered(&mut gather, 0, b":1\r\n");
        answered(&mut gather, 1, b":2\r\n");
        assert_eq!(finish(&gather).unwrap(), ":3\r\n");
        let routing = Arc::clone(&gather.routing);
        gather.ask(std::iter::once(4), Box::new(Sum), &routing);
        assert_eq!(gather.nodes().collect::<Vec<_>>(), [4]);
        assert!(answered(&mut gather, 0, b":40\r\n"));
        assert_eq!(finish(&gather).unwrap(), ":40\r\n");
    }

    #[test]
    fn a_part_whose_outcome_is_unknown_is_told_before_all_others() {
        let mut gather = gather(b"mset", 3);
        answered(&mut gather, 0, b"+OK\r\n");
        gather.arrived(1, Reply::Small(b"-CLUSTERDOWN away\r\n"), Outcome::NotRun);
        gather.arrived(2, Reply::Small(b"-ERR lost\r\n"), Outcome::Unknown);
        assert_eq!(
            finish(&gather).unwrap(),
            "-ERR MSET ran on some nodes only; a removed node answered: ERR lost\r\n"
        );
    }

    #[test]
    fn replies_that_do_not_fit_are_an_error() {
        let mut few = gather(b"mget", 2);
        few.set_order(&[0, 1, 1]);
        answered(&mut few, 0, b"*1\r\n$1\r\na\r\n");
        answered(&mut few, 1, b"*1\r\n$1\r\nb\r\n");
        let text = finish(&few).unwrap();
        assert!(text.starts_with("-ERR the nodes' replies to mget do not fit together"), "{text}");
        let mut wrong = gather(b"exists", 1);
        answered(&mut wrong, 0, b"+what\r\n");
        assert!(finish(&wrong).unwrap().starts_with("-ERR the nodes' replies to exists"));
    }

    #[test]
    fn what_is_large_is_merged_in_many_turns() {
        let mut gather = gather(b"mget", 2);
        gather.set_order(&[0, 1]);
        let mut large = format!("*1\r\n${MERGED_AT_ONCE}\r\n").into_bytes();
        large.resize(large.len() + MERGED_AT_ONCE, b'x');
        large.extend_from_slice(b"\r\n");
        answered(&mut gather, 0, b"*1\r\n$1\r\na\r\n");
        gather.arrived(1, Reply::Large(large.into()), Outcome::Answered);
        assert!(gather.is_large());
        assert_eq!(finish(&gather), None);
        assert_eq!(gather.shared_replies().len(), 2);
        assert_eq!(gather.into_large().count(), 1);
    }
}
