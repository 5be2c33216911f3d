//! Requests that go to several nodes: splitting them, collecting the replies, and answering once.

use std::{collections::VecDeque, sync::Arc};

use bytes::Bytes;

use super::{
    Worker,
    client::{Client, Stall},
    lane::Receiver,
    slots::{Key, Slots},
    special::Special,
};
use crate::{
    command::{Merge, Spec, keys},
    protocol::{Encoder, Request, Version, encode_command},
    proxy::{
        merge::{self, Elements, PartReply},
        merging::{Merging, Misfit, Selection},
        outbox::Outbox,
        routing::{NodeIndex, Routing},
        shared::Counters,
    },
    slot::{SLOTS, SlotId},
};

/// What is done with the replies when all are there.
#[derive(Debug)]
pub(super) enum Rule {
    /// As the table says.
    Merge(Merge),
    /// The command's own rule.
    Special(Special),
}

/// The reply of one node.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) node: NodeIndex,
    at: usize,
    len: usize,
    /// Where it is, if it is large.
    large: Option<Bytes>,
    may_have_run: bool,
}

/// A reply as it comes from a lane.
#[derive(Debug)]
pub(super) enum Reply<'a> {
    /// To be copied.
    Small(&'a [u8]),
    /// To be kept in the memory it came in.
    Large(Bytes),
}

/// A large reply that is made in many turns.
#[derive(Debug)]
struct Job {
    gather: Box<Gather>,
    merging: Merging,
    /// Keys of these slots only.
    below: usize,
}

/// One request at several nodes.
#[derive(Debug)]
pub(super) struct Gather {
    pub(super) client: Key,
    pub(super) sequence: u32,
    pub(super) version: Version,
    pub(super) database: u8,
    pub(super) spec: &'static Spec,
    /// The table the nodes were asked by.
    routing: Arc<Routing>,
    pub(super) rule: Rule,
    pub(super) parts: Vec<Part>,
    remaining: usize,
    /// The replies, one behind the other as they came.
    bytes: Vec<u8>,
    /// Which part has each key.
    order: Vec<u16>,
}

impl Gather {
    pub(super) fn replies(&self) -> impl Iterator<Item = PartReply<'_>> + Clone {
        self.parts.iter().map(|part| PartReply {
            bytes: part.large.as_deref().unwrap_or(&self.bytes[part.at..part.at + part.len]),
            may_have_run: part.may_have_run,
        })
    }

    /// Whether merging all replies at once would keep others waiting.
    pub(super) fn is_large(&self) -> bool {
        self.replies().map(|reply| reply.bytes.len()).sum::<usize>() > MERGED_AT_ONCE
    }
}

/// All that are under way, and memory for the next.
#[derive(Debug, Default)]
pub(super) struct Gathers {
    open: Slots<Box<Gather>>,
    #[expect(clippy::vec_box, reason = "they go back into boxes of the same kind without being copied")]
    spare: Vec<Box<Gather>>,
    merged: Vec<u8>,
    order: Vec<u16>,
    nodes: Vec<(NodeIndex, u32, usize)>,
    /// Parts that failed before they were sent.
    late: Vec<(Key, u32, Vec<u8>)>,
    jobs: VecDeque<Job>,
    pub(super) counters: Counters,
}

/// Finished ones kept for their memory.
const SPARE_MAX: usize = 256;
/// Replies of more bytes are merged in many turns.
const MERGED_AT_ONCE: usize = 256 << 10;
/// Elements in one turn.
const MERGED_PER_TURN: usize = 2048;
/// Larger buffers are not kept.
const KEEP: usize = 64 << 10;

impl Worker {
    /// One request per node for a command whose keys are independent of each other.
    pub(super) fn split(
        &mut self,
        client: &mut Client,
        routing: &Routing,
        spec: &'static Spec,
        merge: Merge,
        request: &Request<'_>,
    ) -> Result<(), Stall> {
        let keys = match keys::positions(spec, request) {
            Ok(keys) => keys,
            Err(error) => {
                self.refuse(client, error.to_string());
                return Ok(());
            }
        };
        let step = keys.step();
        let (Some(first), true) = (keys.first(), (request.len() - 1).is_multiple_of(step)) else {
            // Redis's own words for MSET with a value missing.
            self.refuse(client, format!("ERR wrong number of arguments for '{}' command", spec.name));
            return Ok(());
        };
        if let Some(slot) = Self::moving_slot(routing, spec, request, &keys) {
            if spec.writes() {
                return self.hold(client, slot);
            }
            if self.refuse_uncertain(client, routing, slot) {
                return Ok(());
            }
        }
        let mut order = std::mem::take(&mut self.gathers.order);
        let mut nodes = std::mem::take(&mut self.gathers.nodes);
        order.clear();
        nodes.clear();
        let outcome = self.split_among(client, routing, request, (first, step), &mut order, &mut nodes);
        let result = match outcome {
            Err(stall) => Err(stall),
            Ok(Err(text)) => {
                self.refuse(client, text);
                Ok(())
            }
            Ok(Ok(())) if nodes.len() == 1 => {
                self.forward(client, nodes[0].1, request);
                Ok(())
            }
            Ok(Ok(())) => {
                let gather = self.open_gather(
                    client,
                    spec,
                    Rule::Merge(merge),
                    nodes.iter().map(|part| part.0),
                    &order,
                );
                let whole = self.whole.clone();
                for (part, &(_, lane, keys)) in (0u16..).zip(&nodes) {
                    let out = self.push(lane, Receiver::Part { gather, part: u32::from(part) });
                    let mut encoder = Encoder::new(out.tail(), Version::Resp2);
                    encoder.array(1 + keys * step);
                    encoder.bulk(request.name());
                    for (key, _) in order.iter().enumerate().filter(|&(_, &of)| of == part) {
                        let at = first + key * step;
                        match (request.raw_args(at, at + step), &whole) {
                            (Some(raw), Some(whole)) => out.push_part(whole, raw),
                            (Some(raw), None) => out.tail().extend_from_slice(raw),
                            (None, _) => {
                                let mut encoder = Encoder::new(out.tail(), Version::Resp2);
                                request.args_from(at).take(step).for_each(|argument| encoder.bulk(argument));
                            }
                        }
                    }
                }
                self.gathers.counters.forwarded += nodes.len() as u64;
                Ok(())
            }
        };
        self.gathers.order = order;
        self.gathers.nodes = nodes;
        result
    }

    /// Decides which part has which key, and checks that all their lanes take it: if one does not, none gets it.
    fn split_among(
        &mut self,
        client: &Client,
        routing: &Routing,
        request: &Request<'_>,
        (first, step): (usize, usize),
        order: &mut Vec<u16>,
        nodes: &mut Vec<(NodeIndex, u32, usize)>,
    ) -> Result<Result<(), Vec<u8>>, Stall> {
        for key in request.args_from(first).step_by(step) {
            let slot = SlotId::of_key(key);
            let Some(owner) = routing.owner(slot) else {
                return Ok(Err(routing.no_owner(slot).into_bytes()));
            };
            let part = match nodes.iter().position(|part| part.0 == owner) {
                Some(part) => part,
                None => {
                    let lane = self.lane_for(owner, client);
                    if let Err(text) = self.check_lane(lane, client)? {
                        return Ok(Err(text));
                    }
                    nodes.push((owner, lane, 0));
                    nodes.len() - 1
                }
            };
            nodes[part].2 += 1;
            order.push(part as u16);
        }
        Ok(Ok(()))
    }

    /// Sends the same arguments to some nodes. The lanes of all of them are checked first.
    pub(super) fn scatter(
        &mut self,
        client: &mut Client,
        spec: &'static Spec,
        rule: Rule,
        nodes: &[NodeIndex],
        arguments: &[&[u8]],
    ) -> Result<(), Stall> {
        let mut lanes = Vec::with_capacity(nodes.len());
        for &node in nodes {
            let lane = self.lane_for(node, client);
            if let Err(text) = self.check_lane(lane, client)? {
                self.refuse(client, text);
                return Ok(());
            }
            lanes.push(lane);
        }
        let gather = self.open_gather(client, spec, rule, nodes.iter().copied(), &[]);
        for (part, lane) in (0..).zip(lanes) {
            encode_command(self.push(lane, Receiver::Part { gather, part }).tail(), arguments);
        }
        self.gathers.counters.forwarded += nodes.len() as u64;
        Ok(())
    }

    fn open_gather(
        &mut self,
        client: &mut Client,
        spec: &'static Spec,
        rule: Rule,
        nodes: impl Iterator<Item = NodeIndex>,
        order: &[u16],
    ) -> Key {
        let Receiver::Client { client: key, sequence } = client.expect() else {
            unreachable!("a client expects replies for itself");
        };
        let mut gather = self.gathers.spare.pop().unwrap_or_else(|| {
            Box::new(Gather {
                client: key,
                sequence,
                version: client.version,
                database: client.database,
                spec,
                routing: Arc::clone(&self.routing),
                rule: Rule::Merge(Merge::Sum),
                parts: Vec::new(),
                remaining: 0,
                bytes: Vec::new(),
                order: Vec::new(),
            })
        });
        (gather.client, gather.sequence, gather.spec) = (key, sequence, spec);
        (gather.version, gather.database) = (client.version, client.database);
        gather.routing.clone_from(&self.routing);
        gather.rule = rule;
        gather.order.extend_from_slice(order);
        gather.expect(nodes);
        self.gathers.open.insert(gather)
    }

    /// A gather that goes on with another question to other nodes. Their lanes are those of its client.
    pub(super) fn ask_again(&mut self, mut gather: Box<Gather>, nodes: &[NodeIndex], arguments: &[&[u8]]) {
        let Some(client) = self.clients.take(gather.client) else { return };
        gather.expect(nodes.iter().copied());
        gather.routing.clone_from(&self.routing);
        let key = self.gathers.open.insert(gather);
        for (part, &node) in (0..).zip(nodes) {
            let lane = self.lane_for(node, &client);
            match self.check_lane(lane, &client) {
                Ok(Ok(())) | Err(_) => {
                    encode_command(self.push(lane, Receiver::Part { gather: key, part }).tail(), arguments);
                    self.gathers.counters.forwarded += 1;
                }
                Ok(Err(text)) => {
                    let reply = [b"-", &text[..], b"\r\n"].concat();
                    self.gathers.late.push((key, part, reply));
                }
            }
        }
        self.clients.put_back(client.key, client);
        for (key, part, reply) in std::mem::take(&mut self.gathers.late) {
            self.part_arrived(key, part, Reply::Small(&reply), false);
        }
    }

    /// One reply; with the last one the client is answered.
    pub(super) fn part_arrived(&mut self, key: Key, part: u32, reply: Reply<'_>, may_have_run: bool) {
        let Some(gather) = self.gathers.open.get_mut(key) else { return };
        if let Some(part) = gather.parts.get_mut(part as usize) {
            part.may_have_run = may_have_run;
            match reply {
                Reply::Small(reply) => {
                    (part.at, part.len) = (gather.bytes.len(), reply.len());
                    gather.bytes.extend_from_slice(reply);
                }
                Reply::Large(reply) => part.large = Some(reply),
            }
        }
        gather.remaining -= 1;
        if gather.remaining > 0 {
            return;
        }
        let Some(gather) = self.gathers.open.forget(key) else { return };
        let mut merged = std::mem::take(&mut self.gathers.merged);
        merged.clear();
        if let Some(gather) = self.finish(gather, &mut merged) {
            if let Some(client) = self.clients.get_mut(gather.client) {
                client.replies.complete(gather.sequence, &merged);
            }
            self.dirty_client(gather.client);
            self.gathers.keep(gather);
        }
        if merged.capacity() <= KEEP {
            self.gathers.merged = merged;
        }
    }

    /// Makes one reply of all; `None` if the gather asked something else instead.
    fn finish(&mut self, gather: Box<Gather>, out: &mut Vec<u8>) -> Option<Box<Gather>> {
        let routing = Arc::clone(&gather.routing);
        let label = |index: usize| {
            let node = gather.parts[index].node;
            routing.member(node).map_or_else(|| "a removed node".to_owned(), |member| member.label())
        };
        let error = merge::error_of(gather.spec.name, gather.spec.writes(), &gather.replies(), label);
        let mut encoder = Encoder::new(out, gather.version);
        if let Some(text) = error {
            encoder.error(text);
            return Some(gather);
        }
        if gather.is_large() && matches!(gather.rule, Rule::Merge(Merge::ByKey)) {
            let selection = Selection::ByKey(gather.order.clone());
            return self.merge_in_turns(gather, out, selection, SLOTS, |reply| Elements::of(reply));
        }
        let done = match &gather.rule {
            Rule::Merge(Merge::Sum) => merge::sum(gather.replies()).map(|sum| encoder.integer(sum)),
            Rule::Merge(Merge::AllSucceeded) => {
                encoder.ok();
                Some(())
            }
            Rule::Merge(Merge::ByKey) => {
                let parts: Option<Vec<Elements<'_>>> =
                    gather.replies().map(|reply| Elements::of(reply.bytes)).collect();
                parts.and_then(|mut parts| merge::by_key(&gather.order, &mut parts, out))
            }
            Rule::Merge(Merge::Special) => None,
            Rule::Special(_) => return self.finish_special(gather, &routing, out),
        };
        if done.is_none() {
            gather.misfit(out);
        }
        Some(gather)
    }

    /// Makes one reply of large ones while others are served: of what `elements` finds in each. Keys count if their slots are
    /// `below`.
    pub(super) fn merge_in_turns(
        &mut self,
        gather: Box<Gather>,
        out: &mut Vec<u8>,
        selection: Selection,
        below: usize,
        elements: impl Fn(&[u8]) -> Option<Elements<'_>>,
    ) -> Option<Box<Gather>> {
        let replies: Vec<Bytes> = gather
            .parts
            .iter()
            .zip(gather.replies())
            .map(|(part, reply)| part.large.clone().unwrap_or_else(|| Bytes::copy_from_slice(reply.bytes)))
            .collect();
        let found: Option<Vec<_>> = replies.iter().map(|reply| Some((reply, elements(reply)?))).collect();
        let Some(found) = found else {
            gather.misfit(out);
            return Some(gather);
        };
        let merging = Merging::new(selection, found.into_iter());
        self.gathers.jobs.push_back(Job { gather, merging, below });
        None
    }

    /// Goes on with large replies.
    pub(super) fn merge_some(&mut self) {
        let Some(mut job) = self.gathers.jobs.pop_front() else { return };
        let Gather { routing, parts, client, sequence, .. } = &*job.gather;
        let owned = |part: usize, slot: SlotId| {
            slot.index() < job.below && routing.owner(slot) == parts.get(part).map(|part| part.node)
        };
        let reply = match job.merging.step(MERGED_PER_TURN, owned) {
            Ok(None) => return self.gathers.jobs.push_back(job),
            Ok(Some(reply)) => reply,
            Err(Misfit) => {
                let mut reply = Outbox::default();
                job.gather.misfit(reply.tail());
                reply
            }
        };
        let (client, sequence) = (*client, *sequence);
        if let Some(client) = self.clients.get_mut(client) {
            client.replies.complete_large(sequence, reply);
        }
        self.dirty_client(client);
        job.merging.leave(&mut self.remains);
        job.gather.parts.into_iter().filter_map(|part| part.large).for_each(|reply| self.remains.take(reply));
    }

    /// Whether large replies are being made.
    pub(super) fn is_merging(&self) -> bool {
        !self.gathers.jobs.is_empty()
    }
}

impl Gather {
    /// The error reply, when the nodes' replies make no sense together.
    fn misfit(&self, out: &mut Vec<u8>) {
        out.clear();
        let text = format!("ERR the nodes' replies to {} do not fit together", self.spec.name);
        Encoder::new(out, self.version).error(text);
    }

    /// Waits for replies of these nodes, and forgets those it had.
    fn expect(&mut self, nodes: impl Iterator<Item = NodeIndex>) {
        self.parts.clear();
        self.bytes.clear();
        self.parts.extend(nodes.map(|node| Part { node, at: 0, len: 0, large: None, may_have_run: false }));
        self.remaining = self.parts.len();
    }
}

impl Gathers {
    fn keep(&mut self, mut gather: Box<Gather>) {
        if self.spare.len() < SPARE_MAX && gather.bytes.capacity() <= KEEP && gather.order.capacity() <= KEEP
        {
            gather.parts.clear();
            gather.bytes.clear();
            gather.order.clear();
            gather.rule = Rule::Merge(Merge::Sum);
            self.spare.push(gather);
        }
    }
}
