//! `SUBSCRIBE`, `PUBLISH` and their like. A message is published at one node, that of its channel's slot, and heard on the worker's
//! connections to all nodes ([`super::listeners`]), so it comes once to each subscriber, wherever it was published.

use std::sync::Arc;

use super::{
    Worker,
    client::{Client, Stall},
    tracking::Tracks,
};
use crate::{
    command::Spec,
    connection::{
        channels::{self, Kind},
        output::Lag,
    },
    protocol::{
        Encoder, Request,
        glob::{Case, Glob},
    },
    proxy::{
        merge::{self, Question},
        pushed::{home, too_long},
        routing::{NodeIndex, Routing},
        slab::Key,
        upstream::Receiver,
    },
    slot::SlotId,
};

/// What a client hears without asking.
#[derive(Debug, Default)]
pub(super) struct Hearing {
    /// It has subscriptions.
    pub(super) subscribed: bool,
    /// How far it is behind.
    pub(super) lag: Lag,
    /// It is shown all requests.
    pub(super) monitoring: bool,
    /// Changed keys that it is told of.
    pub(super) tracks: Option<Box<Tracks>>,
    /// Its latest request may wait for others.
    pub(super) waits: bool,
    /// What it is about to be subscribed to.
    pending: Option<Pending>,
}

/// What nodes are being told of.
#[derive(Debug)]
enum Pending {
    /// Names that it is about to be subscribed to.
    Names(Names),
    /// What it has left; and what it is told then.
    Left { number: u64, confirmations: Vec<u8> },
}

/// See [`Pending`].
#[derive(Debug)]
struct Names {
    kind: Kind,
    names: Vec<Box<[u8]>>,
    number: u64,
}

const KINDS: [Kind; 3] = [Kind::Channel, Kind::Pattern, Kind::Shard];

impl Worker {
    /// A command about channels.
    pub(super) fn about_channels(
        &mut self,
        client: &mut Client,
        routing: &Arc<Routing>,
        spec: &'static Spec,
        request: &Request<'_>,
    ) -> Result<(), Stall> {
        match spec.name {
            "subscribe" => self.subscribe(client, routing, Kind::Channel, request),
            "psubscribe" => self.subscribe(client, routing, Kind::Pattern, request),
            "ssubscribe" => self.subscribe(client, routing, Kind::Shard, request),
            "unsubscribe" => self.unsubscribe(client, Kind::Channel, request),
            "punsubscribe" => self.unsubscribe(client, Kind::Pattern, request),
            "sunsubscribe" => self.unsubscribe(client, Kind::Shard, request),
            "publish" => self.publish(client, routing, Kind::Channel, request),
            "spublish" => self.publish(client, routing, Kind::Shard, request),
            _ => self.about_subscribers(client, routing, spec, request),
        }
    }

    /// Goes on when the nodes that can be reached have confirmed what has this number.
    fn wait_for_nodes(
        &mut self,
        client: &mut Client,
        number: u64,
        pending: Pending,
    ) -> Result<Pending, Stall> {
        if self.listeners.have_confirmed(number, &self.upstreams) {
            return Ok(pending);
        }
        self.listeners.wait(number, client.key);
        client.hearing().pending = Some(pending);
        Err(Stall::Listening)
    }

    fn subscribe(
        &mut self,
        client: &mut Client,
        routing: &Routing,
        kind: Kind,
        request: &Request<'_>,
    ) -> Result<(), Stall> {
        if client.info.peer.is_none() {
            self.refuse(client, "ERR a gRPC caller receives no messages: subscribe over RESP");
            return Ok(());
        }
        if client.replies.in_flight() > 0 {
            // Messages must not come before what tells that there will be messages.
            return Err(Stall::Drain);
        }
        let names = match client.hearing().pending.take() {
            Some(Pending::Names(names)) => names,
            Some(Pending::Left { .. }) | None => {
                let slots = request.args_from(1).map(SlotId::of_key);
                let orphan = slots.into_iter().find(|&slot| routing.owner(slot).is_none());
                if let (Kind::Shard, Some(slot)) = (kind, orphan) {
                    return self.refuse_ownerless(client, routing, slot);
                }
                self.want(client.key, routing, kind, request)
            }
        };
        let Pending::Names(names) = self.wait_for_nodes(client, names.number, Pending::Names(names))? else {
            return Ok(());
        };
        let refusal = names.names.iter().find_map(|name| self.listeners.wanted.refusal(kind, name));
        if let Some(refusal) = refusal.map(<[u8]>::to_vec) {
            self.give_up(&names);
            self.refuse(client, refusal);
            return Ok(());
        }
        let mut confirmations = Vec::new();
        let mut encoder = Encoder::new(&mut confirmations, client.version);
        for name in request.args_from(1) {
            if self.listeners.channels.subscribe(kind, &client.key, name)
                && self.listeners.channels.subscribers(kind, name).len() > 1
            {
                self.shared.audience.change(kind, name, 1);
            }
            let count = self.listeners.channels.confirmed(kind, client.key);
            channels::confirm(&mut encoder, kind.subscribed(), Some(name), count);
        }
        self.note_subscriptions(client);
        confirm(client, &confirmations);
        Ok(())
    }

    /// Tells the nodes of names that are new to the client.
    fn want(&mut self, client: Key, routing: &Routing, kind: Kind, request: &Request<'_>) -> Names {
        let mut pending = Names { kind, names: Vec::new(), number: 0 };
        for name in request.args_from(1) {
            let is_subscribed = self.listeners.channels.is_subscribed(kind, client, name);
            if is_subscribed || pending.names.iter().any(|known| **known == *name) {
                continue;
            }
            pending.names.push(name.into());
            let acquired = self.listeners.wanted.acquire(kind, name);
            if acquired.is_new {
                self.begin_hearing(routing, kind, name, acquired.since);
            }
            pending.number = pending.number.max(acquired.since);
        }
        pending
    }

    fn give_up(&mut self, pending: &Names) {
        for name in &pending.names {
            if self.listeners.wanted.release(pending.kind, name) {
                self.end_hearing(pending.kind, name);
            }
        }
    }

    fn unsubscribe(&mut self, client: &mut Client, kind: Kind, request: &Request<'_>) -> Result<(), Stall> {
        let left = match client.hearing.as_mut().and_then(|hearing| hearing.pending.take()) {
            Some(left) => left,
            None => self.begin_leaving(client, kind, request),
        };
        let Pending::Left { number, .. } = left else { return Ok(()) };
        // Nodes do not count it any more when it is told.
        let Pending::Left { confirmations, .. } = self.wait_for_nodes(client, number, left)? else {
            return Ok(());
        };
        confirm(client, &confirmations);
        Ok(())
    }

    fn begin_leaving(&mut self, client: &mut Client, kind: Kind, request: &Request<'_>) -> Pending {
        let names: Vec<Box<[u8]>> = match request.len() {
            1 => self.listeners.channels.names(kind, client.key),
            _ => request.args_from(1).map(Box::from).collect(),
        };
        let (mut number, mut confirmations) = (0, Vec::new());
        let mut encoder = Encoder::new(&mut confirmations, client.version);
        if names.is_empty() {
            let count = self.listeners.channels.confirmed(kind, client.key);
            channels::confirm(&mut encoder, kind.unsubscribed(), None, count);
        }
        for name in names {
            number = number.max(self.leave(client.key, kind, &name));
            let count = self.listeners.channels.confirmed(kind, client.key);
            channels::confirm(&mut encoder, kind.unsubscribed(), Some(&name), count);
        }
        self.note_subscriptions(client);
        Pending::Left { number, confirmations }
    }

    /// A client is not subscribed to this any more, if it was. The number under which nodes are told, or 0.
    fn leave(&mut self, client: Key, kind: Kind, name: &[u8]) -> u64 {
        if !self.listeners.channels.unsubscribe(kind, client, name) {
            return 0;
        }
        if !self.listeners.channels.subscribers(kind, name).is_empty() {
            self.shared.audience.change(kind, name, -1);
        }
        if self.listeners.wanted.release(kind, name) { self.end_hearing(kind, name) } else { 0 }
    }

    /// A client hears nothing any more: it is gone, or wants to begin anew. The number under which nodes are told, or 0.
    pub(super) fn end_all_hearing(&mut self, client: &mut Client) -> u64 {
        if client.hearing.is_some() {
            self.untrack(client);
            self.end_monitoring(client);
        }
        let Some(hearing) = client.hearing.take() else { return 0 };
        if let Some(Pending::Names(names)) = &hearing.pending {
            self.give_up(names);
        }
        let mut number = 0;
        for kind in KINDS {
            for name in self.listeners.channels.names(kind, client.key) {
                number = number.max(self.leave(client.key, kind, &name));
            }
        }
        client.info.set_subscriptions([0; 3]);
        number
    }

    /// The same for a client that is told when it is done.
    pub(super) fn leave_all(&mut self, client: &mut Client) -> Result<(), Stall> {
        let left = match client.hearing.as_mut().and_then(|hearing| hearing.pending.take()) {
            Some(left) => left,
            None => Pending::Left { number: self.end_all_hearing(client), confirmations: Vec::new() },
        };
        if let Pending::Left { number, .. } = left {
            self.wait_for_nodes(client, number, left)?;
        }
        client.hearing = None;
        Ok(())
    }

    fn note_subscriptions(&self, client: &mut Client) {
        let counts = KINDS.map(|kind| self.listeners.channels.count(kind, client.key));
        client.info.set_subscriptions(counts);
        client.hearing().subscribed = counts.iter().any(|&count| count > 0);
    }

    /// To one node. If the client hears it itself, then over the connection that it hears it on: so the message comes in front of the
    /// reply, as from one server.
    fn publish(
        &mut self,
        client: &mut Client,
        routing: &Routing,
        kind: Kind,
        request: &Request<'_>,
    ) -> Result<(), Stall> {
        let (channel, payload) = (request.arg(1), request.arg(2));
        if let Some(text) = too_long(channel, payload) {
            self.refuse(client, text);
            return Ok(());
        }
        let slot = if kind == Kind::Shard { SlotId::of_key(channel) } else { home(channel, payload) };
        let owner = routing.owner(slot);
        let more = self.shared.audience.receivers(kind, channel);
        if self.hears(client, kind, channel)
            && let Some(upstream) = owner.and_then(|owner| self.listeners.ready(owner, &self.upstreams))
        {
            if client.replies.in_flight() > 0 {
                return Err(Stall::Drain);
            }
            client.fenced = true;
            self.pass_on(upstream, published(client, more), request);
            return Ok(());
        }
        // Where it is published does not matter to who hears it.
        let others = if kind == Kind::Shard { &[] } else { routing.owning() };
        let nodes = owner.into_iter().chain(others.iter().copied().filter(|&node| Some(node) != owner));
        let mut refusal = None;
        for node in nodes {
            let upstream = self.upstreams.of(node, client);
            match self.upstreams.check(upstream, client, routing, self.turn.now)? {
                Ok(()) if more == 0 => {
                    self.forward(client, upstream, request);
                    return Ok(());
                }
                Ok(()) => {
                    self.pass_on(upstream, published(client, more), request);
                    return Ok(());
                }
                Err(text) => refusal = refusal.or(Some(text)),
            }
        }
        self.refuse(client, refusal.unwrap_or_else(|| routing.no_owner(slot).into_bytes()));
        Ok(())
    }

    /// Whether a client is subscribed to what is sent to a channel.
    fn hears(&self, client: &Client, kind: Kind, channel: &[u8]) -> bool {
        if !client.is_subscribed() {
            return false;
        }
        let channels = &self.listeners.channels;
        channels.is_subscribed(kind, client.key, channel)
            || kind == Kind::Channel
                && channels
                    .names(Kind::Pattern, client.key)
                    .iter()
                    .any(|pattern| Glob::new(pattern, Case::Exact).matches(channel))
    }

    /// `PUBSUB`.
    fn about_subscribers(
        &mut self,
        client: &mut Client,
        routing: &Arc<Routing>,
        spec: &'static Spec,
        request: &Request<'_>,
    ) -> Result<(), Stall> {
        let nodes: Vec<NodeIndex> = routing.owning().to_vec();
        if nodes.is_empty() {
            return self.refuse_ownerless(client, routing, SlotId::of_key(b""));
        }
        let counts = |kind| merge::Counts { kind, names: request.args_from(2).map(<[u8]>::to_vec).collect() };
        let question = match spec.name {
            // Any node knows Redis's words for it.
            "pubsub|channels" | "pubsub|shardchannels" if request.len() > 3 => {
                return self.any_node(client, routing, request);
            }
            "pubsub|channels" | "pubsub|shardchannels" => Question::new(&nodes, request.args(), merge::Names),
            "pubsub|numpat" => Question::new(&nodes, request.args(), merge::Patterns),
            "pubsub|numsub" => Question::new(&nodes, request.args(), counts(Kind::Channel)),
            "pubsub|shardnumsub" => Question::new(&nodes, request.args(), counts(Kind::Shard)),
            _ => {
                self.unavailable(client, spec, "the proxy has no answer of its own to it");
                return Ok(());
            }
        };
        self.ask(client, routing, spec, question)
    }
}

/// These are replies that are sent also to who wants none.
fn confirm(client: &mut Client, confirmations: &[u8]) {
    client.replies.answer(false, |out| out.extend_from_slice(confirmations));
}

/// Who gets the reply to a message that so many more receive than the node knows.
fn published(client: &mut Client, more: i64) -> Receiver {
    let more = i32::try_from(more).unwrap_or(i32::MAX);
    Receiver::Published { client: client.key, sequence: client.replies.expect(client.muted), more }
}
