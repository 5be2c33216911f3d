//! The connections on which a worker hears what nodes send without being asked: one to every member, for all clients of the worker
//! together, as long as one of them wants to hear something. What is said on them is said to all at once, and said again to whoever was
//! away; a client that waits for its subscription goes on when all nodes that can be reached have confirmed it.
//!
//! Not here: what clients ask for ([`super::channels`]), and what is wanted by how many ([`crate::proxy::wanted`]).

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    Worker,
    clients::Clients,
    upstreams::{UpstreamId, Upstreams, label},
};
use crate::{
    connection::channels::{Channels, Kind, Subscriber},
    protocol::encode_command,
    proxy::{
        pushed::{Pushed, key_of_event},
        routing::{Access, NodeIndex, Routing},
        slab::Key,
        upstream::{Receiver, Reply},
        wanted::{Outstanding, Wanted},
    },
    slot::SlotId,
    time::Millis,
};

/// How often a node that says nothing is asked whether it is still there.
pub(super) const HEARTBEAT: Duration = Duration::from_secs(1);
/// Connections that nobody needs are kept for so long.
const KEEP: Duration = Duration::from_secs(10);
/// Names in one command.
const NAMES_AT_ONCE: usize = 1000;

const KINDS: [Kind; 3] = [Kind::Channel, Kind::Pattern, Kind::Shard];

impl Subscriber for Key {
    type Id = Self;

    fn id(&self) -> Self {
        *self
    }
}

/// The connection to one node.
#[derive(Debug)]
struct Listener {
    upstream: UpstreamId,
    outstanding: Outstanding,
    /// Shard channels that it is subscribed to.
    shards: HashSet<Box<[u8]>>,
    /// When something was said on it for the last time.
    said: Instant,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Listeners {
    /// Which clients are subscribed to what.
    pub(super) channels: Channels<Key>,
    pub(super) wanted: Wanted,
    all: BTreeMap<NodeIndex, Listener>,
    /// Clients that go on when what has this number is confirmed.
    waiting: Vec<(u64, Key)>,
    /// Since when nobody needs them.
    unneeded: Option<Instant>,
}

impl Listeners {
    /// Whether any are open, or are to be.
    pub(super) fn are_open(&self) -> bool {
        !self.all.is_empty()
    }

    fn are_needed(&self) -> bool {
        !self.wanted.is_empty()
    }

    /// Whether all nodes that can be reached have confirmed what has this number.
    pub(super) fn have_confirmed(&self, number: u64, upstreams: &Upstreams) -> bool {
        number < self.bound(upstreams)
    }

    /// The number from which on something is not confirmed by a node that can be reached.
    fn bound(&self, upstreams: &Upstreams) -> u64 {
        let bound = |listener: &Listener| {
            let upstream = upstreams.upstream(listener.upstream);
            match (upstream.is_ready(), upstream.trouble()) {
                (true, _) => listener.outstanding.bound(),
                // Nothing is heard of it, and nothing can be: it is told when it is back.
                (false, Some(_)) => u64::MAX,
                (false, None) => 0,
            }
        };
        self.all.values().map(bound).min().unwrap_or(u64::MAX)
    }

    /// A client waits until all have confirmed what has this number.
    pub(super) fn wait(&mut self, number: u64, client: Key) {
        self.waiting.push((number, client));
    }

    /// The connection to a node, if it is in use.
    pub(super) fn ready(&self, node: NodeIndex, upstreams: &Upstreams) -> Option<UpstreamId> {
        let upstream = self.all.get(&node)?.upstream;
        upstreams.upstream(upstream).is_ready().then_some(upstream)
    }

    fn by_upstream(&mut self, id: UpstreamId, upstreams: &Upstreams) -> Option<&mut Listener> {
        self.all.get_mut(&upstreams.upstream(id).node).filter(|listener| listener.upstream == id)
    }

    /// What a node sent without being asked, for those whom it is for.
    pub(super) fn hear(
        &mut self,
        message: &Reply<'_>,
        (node, routing): (NodeIndex, &Routing),
        clients: &mut Clients,
        now: Millis,
    ) {
        let Pushed::Message { kind, name, channel, payload } = Pushed::of(message.bytes()) else { return };
        if is_of_a_copy(channel, payload, node, routing) {
            return;
        }
        for &client in self.channels.subscribers(kind, name) {
            clients.tell(client, message, now);
        }
    }

    /// The answer to what was said.
    pub(super) fn answered(&mut self, node: NodeIndex, reply: &Reply<'_>, routing: &Routing) {
        let Some(listener) = self.all.get_mut(&node) else { return };
        if let Some(error) = reply.bytes().strip_prefix(b"-") {
            let error = error.trim_ascii_end();
            tracing::warn!(
                node = label(routing, node),
                error = %String::from_utf8_lossy(error),
                "a node refuses a subscription"
            );
            if let Some(number) = listener.outstanding.oldest() {
                self.wanted.refuse(number, error);
            }
            return;
        }
        listener.outstanding.confirmed();
    }
}

/// While slots move, nodes tell of copies too, whose slots they do not own: that is no news of the key.
fn is_of_a_copy(channel: &[u8], payload: &[u8], node: NodeIndex, routing: &Routing) -> bool {
    if routing.topology().moves.is_empty() {
        return false;
    }
    let key = key_of_event(channel, payload);
    key.is_some_and(|key| routing.owner(SlotId::of_key(key)) != Some(node))
}

impl Worker {
    /// Begins to listen to all members, if somebody wants to hear something.
    pub(super) fn listen(&mut self, routing: &Routing) {
        if !self.listeners.are_needed() {
            return;
        }
        self.listeners.unneeded = None;
        for (node, member) in routing.members() {
            if !matches!(member.access, Access::Ready(_)) {
                continue;
            }
            let id = match self.listeners.all.get(&node) {
                Some(listener) => listener.upstream,
                None => {
                    let upstream = self.upstreams.listen(node);
                    let said = self.turn.now;
                    let (outstanding, shards) = (Outstanding::default(), HashSet::new());
                    let listener = Listener { upstream, outstanding, shards, said };
                    self.listeners.all.insert(node, listener);
                    upstream
                }
            };
            if self.upstreams.upstream(id).is_idle() {
                self.connect_upstream(id, routing);
            }
        }
    }

    /// Another table of routes: other members, and other owners of shard channels.
    pub(super) fn listen_by(&mut self, routing: &Routing) {
        let gone: Vec<NodeIndex> =
            self.listeners.all.keys().copied().filter(|&node| routing.member(node).is_none()).collect();
        for node in gone {
            if let Some(listener) = self.listeners.all.remove(&node)
                && self.upstreams.upstream(listener.upstream).is_quiet()
            {
                self.upstreams.close(listener.upstream);
            }
        }
        self.listen(routing);
        let nodes: Vec<NodeIndex> = self.listeners.all.keys().copied().collect();
        for node in nodes {
            self.follow_shards(node, routing);
        }
        self.resume_listening();
    }

    /// A node is subscribed to the shard channels of its slots, and of those that come to it or leave it.
    fn follow_shards(&mut self, node: NodeIndex, routing: &Routing) {
        let Self { listeners, upstreams, .. } = self;
        let Some(listener) = listeners.all.get_mut(&node) else { return };
        if !upstreams.upstream(listener.upstream).is_ready() {
            return;
        }
        let belongs = |name: &[u8]| routing.hearing(SlotId::of_key(name)).contains(&node);
        let names = listeners.wanted.names(Kind::Shard).filter(|name| !listener.shards.contains(*name));
        let more: Vec<Box<[u8]>> = names.filter(|name| belongs(name)).map(Box::from).collect();
        let less: Vec<Box<[u8]>> = listener.shards.extract_if(|name| !belongs(name)).collect();
        listener.shards.extend(more.iter().cloned());
        if more.is_empty() && less.is_empty() {
            return;
        }
        let number = listeners.wanted.next();
        self.say(node, number, |out| {
            encode_names(out, Kind::Shard.subscribed(), more.iter().map(|name| &**name));
            encode_names(out, Kind::Shard.unsubscribed(), less.iter().map(|name| &**name));
        });
    }

    /// Somebody wants to hear what nobody wanted before.
    pub(super) fn begin_hearing(&mut self, routing: &Routing, kind: Kind, name: &[u8], number: u64) {
        self.listen(routing);
        for node in self.whom_to_tell(routing, kind, name) {
            self.say(node, number, |out| encode_names(out, kind.subscribed(), [name].into_iter()));
        }
        if kind == Kind::Shard {
            for node in routing.hearing(SlotId::of_key(name)) {
                if let Some(listener) = self.listeners.all.get_mut(&node) {
                    listener.shards.insert(name.into());
                }
            }
        }
    }

    /// Nobody wants to hear it any more. The number under which nodes are told.
    pub(super) fn end_hearing(&mut self, kind: Kind, name: &[u8]) -> u64 {
        let routing = Arc::clone(&self.epochs.routing);
        let number = self.listeners.wanted.next();
        for node in self.whom_to_tell(&routing, kind, name) {
            self.say(node, number, |out| encode_names(out, kind.unsubscribed(), [name].into_iter()));
        }
        if kind == Kind::Shard {
            self.listeners.all.values_mut().for_each(|listener| {
                listener.shards.remove(name);
            });
        }
        if !self.listeners.are_needed() {
            self.listeners.unneeded = Some(self.turn.now);
        }
        number
    }

    fn whom_to_tell(&self, routing: &Routing, kind: Kind, name: &[u8]) -> Vec<NodeIndex> {
        let nodes = self.listeners.all.keys().copied();
        match kind {
            Kind::Channel | Kind::Pattern => nodes.collect(),
            Kind::Shard => {
                let hearing = routing.hearing(SlotId::of_key(name));
                nodes.filter(|node| hearing.contains(node)).collect()
            }
        }
    }

    /// Says something to a node, if it can be said now; with a question behind it whose answer confirms it.
    fn say(&mut self, node: NodeIndex, number: u64, write: impl FnOnce(&mut Vec<u8>)) {
        let Some(listener) = self.listeners.all.get_mut(&node) else { return };
        if !self.upstreams.upstream(listener.upstream).is_ready() {
            return;
        }
        listener.outstanding.said(number);
        listener.said = self.turn.now;
        let out = self.upstreams.push(listener.upstream, Receiver::Listener, self.turn.now);
        write(out.tail());
        encode_command(out.tail(), &["PING"]);
    }

    /// A connection is in use: it is told everything.
    pub(super) fn listener_ready(&mut self, id: UpstreamId) {
        let Self { listeners, upstreams, epochs, .. } = self;
        let node = upstreams.upstream(id).node;
        let Some(listener) = listeners.by_upstream(id, upstreams) else { return };
        listener.outstanding.forget();
        let belongs = |name: &&[u8]| epochs.routing.hearing(SlotId::of_key(name)).contains(&node);
        let mut said = Vec::new();
        let mut shards = HashSet::new();
        for kind in KINDS {
            let names = listeners.wanted.names(kind);
            let names: Vec<&[u8]> =
                if kind == Kind::Shard { names.filter(belongs).collect() } else { names.collect() };
            for names in names.chunks(NAMES_AT_ONCE) {
                encode_names(&mut said, kind.subscribed(), names.iter().copied());
            }
            if kind == Kind::Shard {
                shards.extend(names.into_iter().map(Box::from));
            }
        }
        if let Some(listener) = listeners.all.get_mut(&node) {
            listener.shards = shards;
        }
        self.say(node, Outstanding::ALL, |out| out.extend_from_slice(&said));
    }

    /// A connection is of no more use, for now.
    pub(super) fn listener_gone(&mut self, id: UpstreamId) {
        if let Some(listener) = self.listeners.by_upstream(id, &self.upstreams) {
            listener.outstanding.forget();
            listener.shards.clear();
            self.resume_listening();
        }
    }

    /// Goes on with clients whose subscriptions are confirmed.
    pub(super) fn resume_listening(&mut self) {
        let Self { listeners, upstreams, clients, .. } = self;
        if listeners.waiting.is_empty() {
            return;
        }
        let bound = listeners.bound(upstreams);
        listeners.waiting.retain(|&(number, client)| {
            let waits = number >= bound;
            if !waits {
                clients.resume_one(client);
            }
            waits
        });
    }

    /// Nodes that have been silent are asked whether they are there; connections that nobody needs any more are closed.
    pub(super) fn tick_listeners(&mut self) {
        let now = self.turn.now;
        let late = |since: Instant, most| now.saturating_duration_since(since) >= most;
        if self.listeners.unneeded.is_some_and(|since| late(since, KEEP)) && !self.listeners.are_needed() {
            self.listeners.unneeded = None;
            for listener in std::mem::take(&mut self.listeners.all).into_values() {
                self.close_upstream(listener.upstream);
            }
        }
        let number = self.listeners.wanted.last();
        let silent = |listener: &Listener| listener.outstanding.is_empty() && late(listener.said, HEARTBEAT);
        let nodes: Vec<NodeIndex> = self
            .listeners
            .all
            .iter()
            .filter(|(_, listener)| silent(listener))
            .map(|(&node, _)| node)
            .collect();
        for node in nodes {
            self.say(node, number, |_| ());
        }
    }
}

/// A command with these names; nothing without any.
fn encode_names<'a>(out: &mut Vec<u8>, command: &'a str, names: impl Iterator<Item = &'a [u8]>) {
    let mut words = vec![command.as_bytes()];
    words.extend(names);
    if words.len() > 1 {
        encode_command(out, &words);
    }
}
