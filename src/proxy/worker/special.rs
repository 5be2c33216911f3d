//! Commands over all nodes, whose replies merge by a rule of their own. Keys of slots that the answering node does not own
//! (copies of a move that is not done) are left out.

use std::sync::Arc;

use super::{
    Waiting, Worker,
    client::{Client, Stall},
    gather::{Gather, Rule},
};
use crate::{
    command::{Merge, Spec},
    protocol::{Encoder, Request, Version, number::parse_i64},
    proxy::{
        count::Counted,
        info,
        merge::{self, Elements},
        merging::Selection,
        routing::{NodeIndex, Routing},
        scan::{self, Ask, Cursor, Next},
    },
    slot::{SLOTS, SlotId},
};

/// What is done with replies, beyond what the table's rules can say.
#[derive(Debug)]
pub(super) enum Special {
    /// `KEYS`: all arrays in one.
    Keys,
    /// `SCAN`: one node's answer with our cursor.
    Scan { ask: Ask, options: Vec<Vec<u8>>, count: u64 },
    /// `RANDOMKEY`: first how many keys each node has, then a key of one.
    RandomKey { sizes: Vec<u64>, tries: u32 },
    /// `INFO`: the sections of all nodes, added up; with the true numbers of keys of nodes that hold copies.
    Info { sections: Vec<Vec<u8>>, counted: Option<Arc<Counted>> },
    /// `DBSIZE` while slots move: beside what the other nodes say, so many keys.
    DbSize { counted: i64 },
}

/// Keys that are not the node's own, before `RANDOMKEY` gives up: only while nearly all keys of all nodes are copies.
const RANDOM_TRIES: u32 = 128;
/// `SCAN` without `COUNT`.
const COUNT: u64 = 10;

impl Worker {
    /// To every node that owns slots; writes to every member, so that no copy survives.
    pub(super) fn all_nodes(
        &mut self,
        client: &mut Client,
        routing: &Routing,
        spec: &'static Spec,
        merge: Merge,
        request: &Request<'_>,
    ) -> Result<(), Stall> {
        if spec.name == "info" {
            let sections = request.args_from(1).map(<[u8]>::to_ascii_lowercase).collect();
            return self.info(client, routing, spec, sections, request);
        }
        if routing.owning().is_empty() {
            let first = SlotId::of_key(b"");
            self.refuse(client, routing.no_owner(first));
            return Ok(());
        }
        let arguments: Vec<&[u8]> = request.args().collect();
        if let Some(slot) = routing.any_frozen()
            && !spec.writes()
            && self.refuse_uncertain(client, routing, slot)
        {
            return Ok(());
        }
        if spec.name.starts_with("flush") {
            if let Some(moving) = routing.topology().moves.first() {
                self.refuse(
                    client,
                    format!(
                        "ERR {} is refused while slots move (move {} from node {} to node {}); nothing was deleted, \
                         try again when it is done",
                        spec.name.to_ascii_uppercase(),
                        moving.id,
                        moving.from,
                        moving.to
                    ),
                );
                return Ok(());
            }
            let members: Vec<NodeIndex> = routing.members().map(|(index, _)| index).collect();
            return self.scatter(client, spec, Rule::Merge(merge), &members, &arguments);
        }
        match spec.name {
            "scan" => self.scan(client, routing, spec, request),
            "dbsize" if !routing.topology().moves.is_empty() => self.dbsize(client, routing, spec),
            "keys" => self.scatter(client, spec, Rule::Special(Special::Keys), routing.owning(), &arguments),
            "randomkey" => {
                let rule = Rule::Special(Special::RandomKey { sizes: Vec::new(), tries: 0 });
                self.scatter(client, spec, rule, routing.owning(), &[b"DBSIZE"])
            }
            _ if merge != Merge::Special => {
                self.scatter(client, spec, Rule::Merge(merge), routing.owning(), &arguments)
            }
            _ => {
                self.unavailable(client, spec, "its replies of several nodes have no common form");
                Ok(())
            }
        }
    }

    fn info(
        &mut self,
        client: &mut Client,
        routing: &Routing,
        spec: &'static Spec,
        sections: Vec<Vec<u8>>,
        request: &Request<'_>,
    ) -> Result<(), Stall> {
        let moving = !routing.topology().moves.is_empty() && info::wants(&sections, "keyspace");
        let counted = if moving { Some(self.counted(client, routing, true)?) } else { None };
        // A node that does not answer must not hide the others: it is left out, and said so.
        let mut reachable = Vec::new();
        for &node in routing.owning() {
            let lane = self.lane_for(node, client);
            if self.check_lane(lane, client)?.is_ok() {
                reachable.push(node);
            }
        }
        if reachable.is_empty() {
            let text = info::merge(&self.shared, routing, &sections, &[], None, self.wall);
            client.reply(|reply| reply.verbatim("txt", text));
            return Ok(());
        }
        let arguments: Vec<&[u8]> = request.args().collect();
        self.scatter(client, spec, Rule::Special(Special::Info { sections, counted }), &reachable, &arguments)
    }

    /// Nodes that may hold copies are counted by slot, the others asked.
    fn dbsize(&mut self, client: &mut Client, routing: &Routing, spec: &'static Spec) -> Result<(), Stall> {
        let counted = self.counted(client, routing, false)?;
        let mut keys = 0;
        for (_, databases) in &counted.nodes {
            match databases {
                Ok(databases) => {
                    let here = databases.iter().filter(|(of, _)| *of == u32::from(client.database));
                    keys += here.map(|(_, tally)| tally.keys).sum::<u64>();
                }
                Err(reason) => {
                    self.refuse(client, format!("ERR the keys of a node cannot be counted: {reason}"));
                    return Ok(());
                }
            }
        }
        let keys = i64::try_from(keys).unwrap_or(i64::MAX);
        let others: Vec<NodeIndex> =
            routing.owning().iter().copied().filter(|&node| counted.node(node).is_none()).collect();
        if others.is_empty() {
            client.reply(|reply| reply.integer(keys));
            return Ok(());
        }
        self.scatter(client, spec, Rule::Special(Special::DbSize { counted: keys }), &others, &[b"DBSIZE"])
    }

    /// What nodes that may hold copies have of their own, by this table of routes. The client waits for it, after all it
    /// has asked before was answered.
    fn counted(
        &mut self,
        client: &mut Client,
        routing: &Routing,
        expires: bool,
    ) -> Result<Arc<Counted>, Stall> {
        let counted = client.counted.take();
        if let Some(counted) = counted.filter(|of| of.epoch == routing.epoch() && (of.expires || !expires)) {
            return Ok(counted);
        }
        if client.replies.in_flight() > 0 {
            return Err(Stall::Drain);
        }
        let waiting = Waiting { port: Arc::clone(&self.port), client: client.key, expires };
        // Who counts ends with the proxy.
        let _ = self.shared.counts.send(waiting);
        Err(Stall::Counting)
    }

    fn scan(
        &mut self,
        client: &mut Client,
        routing: &Routing,
        spec: &'static Spec,
        request: &Request<'_>,
    ) -> Result<(), Stall> {
        let Some(cursor) = Cursor::parse(request.arg(1)) else {
            self.refuse(client, "ERR invalid cursor");
            return Ok(());
        };
        let Some(ask) = cursor.ask(routing) else {
            client.reply(|reply| {
                reply.array(2);
                reply.bulk("0");
                reply.array(0);
            });
            return Ok(());
        };
        let options: Vec<Vec<u8>> = request.args_from(2).map(<[u8]>::to_vec).collect();
        let count = options
            .chunks_exact(2)
            .rfind(|option| option[0].eq_ignore_ascii_case(b"count"))
            .and_then(|option| parse_i64(&option[1]))
            .and_then(|count| u64::try_from(count).ok())
            .unwrap_or(COUNT);
        let cursor = ask.cursor.to_string();
        let mut arguments: Vec<&[u8]> = vec![b"SCAN", cursor.as_bytes()];
        arguments.extend(request.args_from(2));
        let rule = Rule::Special(Special::Scan { ask, options, count });
        self.scatter(client, spec, rule, &[ask.node], &arguments)
    }

    /// See [`Worker::finish`].
    pub(super) fn finish_special(
        &mut self,
        mut gather: Box<Gather>,
        routing: &Routing,
        out: &mut Vec<u8>,
    ) -> Option<Box<Gather>> {
        let version = gather.version;
        let rule = std::mem::replace(&mut gather.rule, Rule::Merge(Merge::Special));
        let Rule::Special(special) = rule else { return Some(gather) };
        let done = match special {
            Special::Keys if gather.is_large() => {
                let selection = Selection::Owned { before: Vec::new() };
                return self.merge_in_turns(gather, out, selection, SLOTS, |reply| Elements::of(reply));
            }
            Special::Keys => merge_keys(&gather, routing, version, out),
            Special::DbSize { counted } => merge::sum(gather.replies()).map(|sum| {
                Encoder::new(out, version).integer(sum + counted);
            }),
            Special::Info { sections, counted } => {
                let parts: Vec<(NodeIndex, &[u8])> = gather
                    .replies()
                    .zip(&gather.parts)
                    .filter_map(|(reply, part)| Some((part.node, info::text_of(reply.bytes)?)))
                    .collect();
                let text =
                    info::merge(&self.shared, routing, &sections, &parts, counted.as_deref(), self.wall);
                Encoder::new(out, version).verbatim("txt", text);
                Some(())
            }
            Special::Scan { ask, options, count } => {
                return self.finish_scan(gather, routing, (ask, options, count), out);
            }
            Special::RandomKey { sizes, tries } => {
                return self.finish_random_key(gather, out, (sizes, tries));
            }
        };
        if done.is_none() {
            out.clear();
            Encoder::new(out, version).error("ERR a node's reply has an unexpected form");
        }
        Some(gather)
    }

    fn finish_scan(
        &mut self,
        mut gather: Box<Gather>,
        routing: &Routing,
        (ask, options, count): (Ask, Vec<Vec<u8>>, u64),
        out: &mut Vec<u8>,
    ) -> Option<Box<Gather>> {
        let version = gather.version;
        let answer = gather.replies().next().and_then(|reply| {
            let mut elements = Elements::of(reply.bytes)?;
            let answered: u64 = std::str::from_utf8(merge::string(elements.next()?)?).ok()?.parse().ok()?;
            Some((answered, Elements::of(elements.next()?)?))
        });
        let Some((answered, keys)) = answer else {
            Encoder::new(out, version).error("ERR a node's reply to SCAN has an unexpected form");
            return Some(gather);
        };
        match ask.next(answered, routing) {
            Next::Cursor(cursor) if gather.is_large() => {
                let mut before = b"*2\r\n".to_vec();
                Encoder::new(&mut before, version).bulk(cursor.to_string());
                let selection = Selection::Owned { before };
                self.merge_in_turns(gather, out, selection, ask.before, |reply| {
                    Elements::of(Elements::of(reply)?.nth(1)?)
                })
            }
            Next::Cursor(cursor) => {
                // By the table the node was asked with: if the slot has moved since, this is still its answer.
                let mine = |slot: SlotId| routing.owner(slot) == Some(ask.node) && slot.index() < ask.before;
                let keys: Vec<&[u8]> = merge::owned_keys(keys, mine).collect();
                let mut encoder = Encoder::new(out, version);
                encoder.array(2);
                encoder.bulk(cursor.to_string());
                encoder.array(keys.len());
                for key in keys {
                    out.extend_from_slice(key);
                }
                Some(gather)
            }
            Next::AskMore => {
                let current = Arc::clone(&self.routing);
                let Some(ask) = ask.again(&current) else {
                    Encoder::new(out, version).error("ERR all nodes were removed during SCAN");
                    return Some(gather);
                };
                let more = count.saturating_mul(4).max(COUNT * 4);
                let (cursor, size) = (ask.cursor.to_string(), more.to_string());
                let asked = options.clone();
                let mut arguments: Vec<&[u8]> = vec![b"SCAN", cursor.as_bytes()];
                arguments.extend(asked.iter().map(Vec::as_slice));
                // The last COUNT counts.
                arguments.extend([&b"COUNT"[..], size.as_bytes()]);
                gather.rule = Rule::Special(Special::Scan { ask, options, count: more });
                self.ask_again(gather, &[ask.node], &arguments);
                None
            }
            Next::TooLarge => {
                let label = routing.member(ask.node).map_or_else(String::new, |member| member.label());
                Encoder::new(out, version).error(format!(
                    "ERR {label} answered SCAN with cursor {answered}; a proxy has room for cursors below {}: scan that \
                     server itself",
                    scan::STOCK_CURSOR_END
                ));
                Some(gather)
            }
        }
    }

    fn finish_random_key(
        &mut self,
        mut gather: Box<Gather>,
        out: &mut Vec<u8>,
        (sizes, tries): (Vec<u64>, u32),
    ) -> Option<Box<Gather>> {
        let routing = Arc::clone(&self.routing);
        let version = gather.version;
        let asked = gather.parts.first().map(|part| part.node);
        let sizes = if tries == 0 {
            gather
                .replies()
                .map(|reply| merge::sum(std::iter::once(reply)).and_then(|size| u64::try_from(size).ok()))
                .map(Option::unwrap_or_default)
                .collect()
        } else {
            let key = gather.replies().next().map(|reply| reply.bytes);
            let owned = key.filter(|key| {
                merge::string(key).is_some_and(|key| routing.owner(SlotId::of_key(key)) == asked)
            });
            if let Some(key) = owned {
                out.extend_from_slice(key);
                return Some(gather);
            }
            sizes
        };
        let total: u64 = sizes.iter().sum();
        if total == 0 || tries >= RANDOM_TRIES || routing.owning().len() != sizes.len() {
            Encoder::new(out, version).null();
            return Some(gather);
        }
        let mut point = self.random.u64(..total);
        let chosen = sizes.iter().position(|&size| {
            let here = point < size;
            point = point.saturating_sub(size);
            here
        });
        let Some(&node) = chosen.and_then(|chosen| routing.owning().get(chosen)) else {
            Encoder::new(out, version).null();
            return Some(gather);
        };
        gather.rule = Rule::Special(Special::RandomKey { sizes, tries: tries + 1 });
        self.ask_again(gather, &[node], &[b"RANDOMKEY"]);
        None
    }
}

fn merge_keys(gather: &Gather, routing: &Routing, version: Version, out: &mut Vec<u8>) -> Option<()> {
    let mut keys = Vec::new();
    for (reply, part) in gather.replies().zip(&gather.parts) {
        let owned = |slot| routing.owner(slot) == Some(part.node);
        keys.extend(merge::owned_keys(Elements::of(reply.bytes)?, owned));
    }
    Encoder::new(out, version).array(keys.len());
    for key in keys {
        out.extend_from_slice(key);
    }
    Some(())
}
