//! The requests of a worker that went to several nodes: splitting them, and answering once. Not here: what a request waits for
//! ([`crate::proxy::gather`]), how replies merge ([`crate::proxy::merge`]).

use std::{collections::VecDeque, sync::Arc};

use super::{
    Worker,
    client::{Client, Stall},
    upstreams::UpstreamId,
};
use crate::{
    command::{Merge, Spec, keys},
    protocol::{Encoder, Request, Version, encode_command},
    proxy::{
        gather::{Asked, Asker, Gather, KEEP, Purpose, Rule},
        merge::{
            self, Around, Ask, InTurns, Merged, Question,
            in_turns::{Merging, Misfit},
        },
        others::{Errand, Waiter},
        outbox::Outbox,
        outcome::Outcome,
        routing::{NodeIndex, Routing},
        slab::{Key, Slab},
        upstream::{Receiver, Reply},
    },
    slot::SlotId,
};

/// Finished ones kept for their memory.
const SPARE_MAX: usize = 256;
/// Elements in one turn.
const MERGED_PER_TURN: usize = 2048;

/// A large reply that is made in many turns.
#[derive(Debug)]
struct Job {
    gather: Box<Gather>,
    merging: Merging,
    /// Keys count if their slots are before this one.
    before: usize,
}

/// All that are under way, and memory for the next.
#[derive(Debug, Default)]
pub(super) struct Gathers {
    open: Slab<Box<Gather>>,
    /// How many have begun.
    begun: u64,
    /// Those whose last reply has come.
    complete: Vec<Key>,
    jobs: VecDeque<Job>,
    #[expect(clippy::vec_box, reason = "they go back into boxes of the same kind without being copied")]
    spare: Vec<Box<Gather>>,
    merged: Vec<u8>,
    order: Vec<u16>,
    nodes: Vec<(NodeIndex, UpstreamId, usize)>,
}

impl Gathers {
    /// One reply, or why there is none.
    pub(super) fn part_arrived(&mut self, key: Key, part: u32, reply: Reply<'_>, outcome: Outcome) {
        if self.open.get_mut(key).is_some_and(|gather| gather.arrived(part, reply, outcome)) {
            self.complete.push(key);
        }
    }

    /// The number of the next one.
    pub(super) fn begun(&self) -> u64 {
        self.begun
    }

    /// Whether any with a smaller number are not answered yet that may change something, but for those that look for clients that wait.
    pub(super) fn may_change_before(&self, number: u64) -> bool {
        let begun = |gather: &Gather| gather.number < number && matches!(gather.purpose, Purpose::Reply(_));
        self.open.iter().any(|gather| begun(gather) && gather.may_change())
    }

    /// Whether large replies are being made.
    pub(super) fn are_merging(&self) -> bool {
        !self.jobs.is_empty()
    }

    fn open(
        &mut self,
        asker: Asker,
        asked: Asked,
        rule: Rule,
        routing: &Arc<Routing>,
        nodes: impl Iterator<Item = NodeIndex>,
    ) -> (Key, &mut Gather) {
        let mut gather = match self.spare.pop() {
            Some(mut spare) => {
                spare.renew(asker, asked, rule, routing);
                spare
            }
            None => Box::new(Gather::new(asker, asked, rule, routing)),
        };
        gather.expect(nodes);
        gather.number = self.begun;
        self.begun += 1;
        let (key, gather) = self.open.insert_and_get(gather);
        (key, &mut **gather)
    }

    fn keep(&mut self, gather: Box<Gather>) {
        if self.spare.len() < SPARE_MAX && gather.is_small() {
            self.spare.push(gather);
        }
    }
}

impl Worker {
    /// One request per node for a command whose keys are independent of each other.
    pub(super) fn split(
        &mut self,
        client: &mut Client,
        routing: &Arc<Routing>,
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
        let (Some(first), true, Some(rule)) =
            (keys.first(), (request.len() - 1).is_multiple_of(step), Rule::plain(merge))
        else {
            // Redis's own words for MSET with a value missing.
            self.refuse(client, format!("ERR wrong number of arguments for '{}' command", spec.name));
            return Ok(());
        };
        if let Some(slot) = Self::moving_slot(routing, spec.writes(), request, &keys) {
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
                let asker = client.ask();
                let (gather, open) =
                    self.gathers.open(asker, spec.into(), rule, routing, nodes.iter().map(|part| part.0));
                open.set_order(&order);
                let whole = self.whole.clone();
                let now = self.turn.now;
                for (part, &(_, upstream, keys)) in (0u16..).zip(&nodes) {
                    let receiver = Receiver::Part { gather, part: u32::from(part) };
                    let out = self.upstreams.push(upstream, receiver, now);
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
                self.counters.forwarded += nodes.len() as u64;
                Ok(())
            }
        };
        self.gathers.order = order;
        self.gathers.nodes = nodes;
        result
    }

    /// Decides which part has which key, and checks that the connections of all take it: if one does not, none gets it.
    fn split_among(
        &mut self,
        client: &Client,
        routing: &Routing,
        request: &Request<'_>,
        (first, step): (usize, usize),
        order: &mut Vec<u16>,
        nodes: &mut Vec<(NodeIndex, UpstreamId, usize)>,
    ) -> Result<Result<(), Vec<u8>>, Stall> {
        for key in request.args_from(first).step_by(step) {
            let slot = SlotId::of_key(key);
            let Some(owner) = routing.owner(slot) else {
                return Ok(Err(routing.no_owner(slot).into_bytes()));
            };
            let part = match nodes.iter().position(|part| part.0 == owner) {
                Some(part) => part,
                None => {
                    let upstream = self.upstreams.of(owner, client);
                    if let Err(text) = self.upstreams.check(upstream, client, routing, self.turn.now)? {
                        return Ok(Err(text));
                    }
                    nodes.push((owner, upstream, 0));
                    nodes.len() - 1
                }
            };
            nodes[part].2 += 1;
            // There are no more members than that.
            order.push(u16::try_from(part).unwrap_or(u16::MAX));
        }
        Ok(Ok(()))
    }

    /// Waits for replies of these nodes, one part each.
    pub(super) fn open_gather(
        &mut self,
        client: &mut Client,
        spec: &'static Spec,
        rule: Rule,
        routing: &Arc<Routing>,
        nodes: impl Iterator<Item = NodeIndex>,
    ) -> Key {
        self.gathers.open(client.ask(), spec.into(), rule, routing, nodes).0
    }

    /// Asks some nodes the same. The connections to all of them are checked first.
    pub(super) fn scatter(
        &mut self,
        client: &mut Client,
        routing: &Arc<Routing>,
        spec: &'static Spec,
        (nodes, rule): (&[NodeIndex], Rule),
        arguments: &[&[u8]],
    ) -> Result<(), Stall> {
        let upstreams = match self.take_in(client, routing, nodes.iter().copied())? {
            Ok(upstreams) => upstreams,
            Err(text) => {
                self.refuse(client, text);
                return Ok(());
            }
        };
        let (gather, _) = self.gathers.open(client.ask(), spec.into(), rule, routing, nodes.iter().copied());
        for (part, upstream) in (0..).zip(upstreams) {
            let out = self.upstreams.push(upstream, Receiver::Part { gather, part }, self.turn.now);
            encode_command(out.tail(), arguments);
        }
        self.counters.forwarded += nodes.len() as u64;
        Ok(())
    }

    /// The connections to these nodes, if all of them take a request.
    fn take_in(
        &mut self,
        client: &Client,
        routing: &Routing,
        nodes: impl Iterator<Item = NodeIndex>,
    ) -> Result<Result<Vec<UpstreamId>, Vec<u8>>, Stall> {
        let mut upstreams = Vec::new();
        for node in nodes {
            let upstream = self.upstreams.of(node, client);
            if let Err(text) = self.upstreams.check(upstream, client, routing, self.turn.now)? {
                return Ok(Err(text));
            }
            upstreams.push(upstream);
        }
        Ok(Ok(upstreams))
    }

    /// Asks each node what the question has for it.
    pub(super) fn ask(
        &mut self,
        client: &mut Client,
        routing: &Arc<Routing>,
        asked: impl Into<Asked>,
        question: Question,
    ) -> Result<(), Stall> {
        let nodes = question.asks.iter().map(|ask| ask.node);
        let upstreams = match self.take_in(client, routing, nodes.clone())? {
            Ok(upstreams) => upstreams,
            Err(text) => {
                self.refuse(client, text);
                return Ok(());
            }
        };
        let rule = Rule::Own(question.merge);
        let (gather, _) = self.gathers.open(client.ask(), asked.into(), rule, routing, nodes);
        for (part, (upstream, ask)) in (0..).zip(upstreams.into_iter().zip(&question.asks)) {
            let out = self.upstreams.push(upstream, Receiver::Part { gather, part }, self.turn.now);
            encode_command(out.tail(), &ask.arguments);
        }
        self.counters.forwarded += question.asks.len() as u64;
        Ok(())
    }

    /// Looks at keys for a client that waits; nodes are to tell when they change. Who cannot be asked answers with the reason.
    pub(super) fn ask_for_seek(
        &mut self,
        client: &Client,
        (seek, spec): (Key, &'static Spec),
        routing: &Arc<Routing>,
        question: Question,
        told: bool,
    ) {
        let asker = Asker { client: client.key, purpose: Purpose::Look(seek), version: client.version };
        // A look is no request of the client's, however long it takes.
        (self.upstreams.origin, self.upstreams.note, self.looked_at) = (None, None, None);
        let nodes = question.asks.iter().map(|ask| ask.node);
        let (key, _) = self.gathers.open(asker, spec.into(), Rule::Own(question.merge), routing, nodes);
        self.upstreams.tracked = told;
        self.ask_parts(client, routing, key, &question.asks);
        self.upstreams.tracked = false;
    }

    /// A gather goes on with another question to other nodes, over the connections that its client uses.
    fn ask_again(&mut self, mut gather: Box<Gather>, question: Question) {
        let Some(client) = self.clients.take(gather.client) else {
            // Nobody is there to have what would be asked for.
            return self.answer_asker(&gather, b"*-1\r\n");
        };
        if question.merge.waits() && client.hung_up {
            // As in Redis, nothing is waited for on behalf of who is gone.
            let key = client.key;
            self.clients.put_back(client);
            self.close_client(key);
            return self.gathers.keep(gather);
        }
        let routing = Arc::clone(&self.epochs.routing);
        // Another request may have been served meanwhile.
        (self.upstreams.origin, self.upstreams.note, self.looked_at) = (None, None, None);
        gather.ask(question.asks.iter().map(|ask| ask.node), question.merge, &routing);
        let key = self.gathers.open.insert(gather);
        self.ask_parts(&client, &routing, key, &question.asks);
        self.clients.put_back(client);
    }

    /// Asks each node its part. Who cannot be asked answers with the reason.
    fn ask_parts(&mut self, client: &Client, routing: &Routing, key: Key, asks: &[Ask]) {
        let now = self.turn.now;
        for (part, ask) in (0..).zip(asks) {
            let upstream = self.upstreams.of(ask.node, client);
            match self.upstreams.check(upstream, client, routing, now) {
                Ok(Ok(())) | Err(_) => {
                    let out = self.upstreams.push(upstream, Receiver::Part { gather: key, part }, now);
                    encode_command(out.tail(), &ask.arguments);
                    self.counters.forwarded += 1;
                }
                Ok(Err(text)) => {
                    let reply = [b"-", &text[..], b"\r\n"].concat();
                    self.gathers.part_arrived(key, part, Reply::Small(&reply), Outcome::NotRun);
                }
            }
        }
    }

    /// Answers those whose last reply has come.
    pub(super) fn answer_gathers(&mut self) {
        while let Some(key) = self.gathers.complete.pop() {
            let Some(gather) = self.gathers.open.forget(key) else { continue };
            let mut merged = std::mem::take(&mut self.gathers.merged);
            merged.clear();
            let mut around = Around {
                current: &self.epochs.routing,
                shared: &self.shared,
                wall: self.turn.wall,
                random: &mut self.random,
            };
            match gather.finish(&mut around, &mut merged) {
                Merged::Done | Merged::Misfit => self.answer(gather, &merged),
                Merged::Ask(question) => self.ask_again(gather, question),
                Merged::Elsewhere(digests, merge) => self.ask_elsewhere(gather, digests, merge),
                Merged::InTurns(in_turns) => self.begin_merging(gather, in_turns),
            }
            if merged.capacity() <= KEEP {
                self.gathers.merged = merged;
            }
        }
    }

    /// A gather goes on when other proxies have answered.
    fn ask_elsewhere(&mut self, mut gather: Box<Gather>, digests: Vec<String>, merge: Box<dyn merge::Merge>) {
        gather.merge_by(merge);
        let key = self.gathers.open.insert(gather);
        if !self.shared.others.ask(Errand::Find(digests), &self.mailbox, Waiter::Gather(key)) {
            self.gathers.complete.push(key);
        }
    }

    /// Other proxies have answered.
    pub(super) fn go_on_with_gather(&mut self, key: Key) {
        self.gathers.complete.push(key);
        self.answer_gathers();
    }

    fn answer(&mut self, gather: Box<Gather>, reply: &[u8]) {
        self.answer_asker(&gather, reply);
        self.gathers.keep(gather);
    }

    fn answer_asker(&mut self, gather: &Gather, reply: &[u8]) {
        match gather.purpose {
            Purpose::Reply(sequence) => {
                let slots = &self.shared.large_slots;
                self.clients.complete(gather.client, sequence, Reply::Small(reply), slots);
            }
            Purpose::Look(seek) => self.seeks.looked(seek, reply.to_vec()),
        }
    }

    /// Begins to make one reply of large ones while others are served.
    fn begin_merging(&mut self, gather: Box<Gather>, in_turns: InTurns) {
        let replies = gather.shared_replies();
        let found: Option<Vec<_>> =
            replies.iter().map(|reply| Some((reply, (in_turns.elements)(reply)?))).collect();
        let Some(found) = found else {
            let mut reply = Vec::new();
            gather.misfit(&mut reply);
            return self.answer(gather, &reply);
        };
        let merging = Merging::new(in_turns.selection, found.into_iter());
        self.gathers.jobs.push_back(Job { gather, merging, before: in_turns.before });
    }

    /// Goes on with large replies.
    pub(super) fn merge_some(&mut self) {
        let Some(mut job) = self.gathers.jobs.pop_front() else { return };
        let gather = &job.gather;
        let nodes: Vec<NodeIndex> = gather.nodes().collect();
        let owned = |part: usize, slot: SlotId| {
            slot.index() < job.before && gather.routing().owner(slot) == nodes.get(part).copied()
        };
        let reply = match job.merging.step(MERGED_PER_TURN, owned) {
            Ok(None) => return self.gathers.jobs.push_back(job),
            Ok(Some(reply)) => reply,
            Err(Misfit) => {
                let mut reply = Outbox::default();
                gather.misfit(reply.tail());
                reply
            }
        };
        if let Purpose::Reply(sequence) = gather.purpose {
            self.clients.complete_merged(gather.client, sequence, reply);
        }
        job.merging.leave(&mut self.remains);
        job.gather.into_large().for_each(|reply| self.remains.take(reply));
    }
}
