//! Requests that go to several nodes: splitting them, collecting the replies, and answering once.

use std::sync::Arc;

use super::{
    Worker,
    client::{Client, Stall},
    lane::Receiver,
    slots::{Key, Slots},
    special::Special,
};
use crate::{
    client::encode_command,
    cluster::slot::SlotId,
    command::{Merge, Spec, keys},
    protocol::{Encoder, Request, Version},
    proxy::{
        merge::{self, Elements, PartReply},
        routing::{NodeIndex, Routing},
        shared::Counters,
    },
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
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    pub(super) node: NodeIndex,
    at: usize,
    len: usize,
    may_have_run: bool,
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
            bytes: &self.bytes[part.at..part.at + part.len],
            may_have_run: part.may_have_run,
        })
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
    pub(super) counters: Counters,
}

/// Finished ones kept for their memory.
const SPARE_MAX: usize = 256;
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
                for (part, &(_, lane, keys)) in (0u16..).zip(&nodes) {
                    let out = self.push(lane, Receiver::Part { gather, part: u32::from(part) });
                    let mut encoder = Encoder::new(out, Version::Resp2);
                    encoder.array(1 + keys * step);
                    encoder.bulk(request.name());
                    for (key, _) in order.iter().enumerate().filter(|&(_, &of)| of == part) {
                        for index in 0..step {
                            encoder.bulk(request.arg(first + key * step + index));
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
            encode_command(self.push(lane, Receiver::Part { gather, part }), arguments);
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
                    encode_command(self.push(lane, Receiver::Part { gather: key, part }), arguments);
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
            self.part_arrived(key, part, &reply, false);
        }
    }

    /// One reply; with the last one the client is answered.
    pub(super) fn part_arrived(&mut self, key: Key, part: u32, reply: &[u8], may_have_run: bool) {
        let Some(gather) = self.gathers.open.get_mut(key) else { return };
        let at = gather.bytes.len();
        gather.bytes.extend_from_slice(reply);
        if let Some(part) = gather.parts.get_mut(part as usize) {
            (part.at, part.len, part.may_have_run) = (at, reply.len(), may_have_run);
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
            out.clear();
            let text = format!("ERR the nodes' replies to {} do not fit together", gather.spec.name);
            Encoder::new(out, gather.version).error(text);
        }
        Some(gather)
    }
}

impl Gather {
    /// Waits for replies of these nodes, and forgets those it had.
    fn expect(&mut self, nodes: impl Iterator<Item = NodeIndex>) {
        self.parts.clear();
        self.bytes.clear();
        self.parts.extend(nodes.map(|node| Part { node, at: 0, len: 0, may_have_run: false }));
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
