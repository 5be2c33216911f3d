//! The connections on which a worker hears what nodes send without being asked: one to every member, for all clients of the worker
//! together, as long as one of them wants to hear something; and one more while clients are told of all keys with a prefix, because
//! messages do not say which of the two they are of. What is said on them is said to all at once, and said again to whoever was
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
    tracking::Changed,
    upstreams::{UpstreamId, Upstreams, label},
};
use crate::{
    connection::channels::{Channels, Kind, Subscriber},
    protocol::encode_command,
    proxy::{
        pushed::{Pushed, key_of_event},
        readers::Readers,
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

pub(super) const KINDS: [Kind; 3] = [Kind::Channel, Kind::Pattern, Kind::Shard];

impl Subscriber for Key {
    type Id = Self;

    fn id(&self) -> Self {
        *self
    }
}

/// What is heard on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Ear {
    /// Messages of channels, and that a key has changed which somebody has read.
    Messages,
    /// That a key has changed which begins with a prefix.
    Prefixes,
}

const EARS: [Ear; 2] = [Ear::Messages, Ear::Prefixes];

/// Which connection.
pub(super) type Place = (NodeIndex, Ear);

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
    /// Which clients may have copies of which keys.
    pub(super) readers: Readers,
    /// What nodes have told, and clients not yet.
    pub(super) changes: Vec<(Place, Changed)>,
    /// The prefixes that nodes were told, and the number under which they were.
    prefixes: (Vec<Box<[u8]>>, u64),
    all: BTreeMap<Place, Listener>,
    /// Clients that go on when what has this number is confirmed.
    waiting: Vec<(u64, Key)>,
    /// Somebody waits for keys of several nodes.
    pub(super) seeking: bool,
    /// Since when nobody needs them, by what is heard on them.
    unneeded: [Option<Instant>; 2],
}

impl Listeners {
    /// Whether any are open, or are to be.
    pub(super) fn are_open(&self) -> bool {
        !self.all.is_empty()
    }

    fn are_needed(&self, ear: Ear) -> bool {
        match ear {
            Ear::Messages => !self.wanted.is_empty() || self.readers.are_any() || self.seeking,
            Ear::Prefixes => self.readers.have_prefixes(),
        }
    }

    /// The number under which nodes were told of prefixes.
    pub(super) fn said_of_prefixes(&self) -> u64 {
        self.prefixes.1
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
        let upstream = self.all.get(&(node, Ear::Messages))?.upstream;
        upstreams.upstream(upstream).is_ready().then_some(upstream)
    }

    /// What is heard on a connection to a node.
    fn place(&self, id: UpstreamId, node: NodeIndex) -> Option<Place> {
        let is_it = |place: &Place| self.all.get(place).is_some_and(|listener| listener.upstream == id);
        EARS.map(|ear| (node, ear)).into_iter().find(is_it)
    }

    /// What a node sent without being asked, for those whom it is for.
    pub(super) fn hear(
        &mut self,
        message: &Reply<'_>,
        (id, node, routing): (UpstreamId, NodeIndex, &Routing),
        clients: &mut Clients,
        now: Millis,
    ) {
        match Pushed::of(message.bytes()) {
            Pushed::Message { kind, name, channel, payload } => {
                if is_of_a_copy(channel, payload, node, routing) {
                    return;
                }
                for &client in self.channels.subscribers(kind, name) {
                    clients.tell(client, message, now);
                }
            }
            Pushed::Changed(keys) => {
                if let Some(place) = self.place(id, node) {
                    let keys = keys.map(|keys| keys.into_iter().map(Box::from).collect());
                    self.changes.push((place, keys));
                }
            }
            Pushed::Other => {}
        }
    }

    /// The answer to what was said.
    pub(super) fn answered(
        &mut self,
        (id, node): (UpstreamId, NodeIndex),
        reply: &Reply<'_>,
        routing: &Routing,
    ) {
        let place = self.place(id, node);
        let Some(listener) = place.and_then(|place| self.all.get_mut(&place)) else { return };
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
        EARS.into_iter().for_each(|ear| self.listen_for(ear, routing));
    }

    fn listen_for(&mut self, ear: Ear, routing: &Routing) {
        if !self.listeners.are_needed(ear) {
            return;
        }
        for (node, member) in routing.members() {
            if !matches!(member.access, Access::Ready(_)) {
                continue;
            }
            let place = (node, ear);
            let id = match self.listeners.all.get(&place) {
                Some(listener) => listener.upstream,
                None => {
                    let upstream = self.upstreams.listen(node);
                    let said = self.turn.now;
                    let (outstanding, shards) = (Outstanding::default(), HashSet::new());
                    let listener = Listener { upstream, outstanding, shards, said };
                    self.listeners.all.insert(place, listener);
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
        let gone: Vec<Place> =
            self.listeners.all.keys().copied().filter(|&(node, _)| routing.member(node).is_none()).collect();
        for place in gone {
            let id = self.listeners.all.get(&place).map(|listener| listener.upstream);
            if let Some(id) = id.filter(|&id| self.upstreams.upstream(id).is_quiet()) {
                self.close_upstream(id);
            }
            self.listeners.all.remove(&place);
        }
        self.listen(routing);
        let places: Vec<Place> = self.listeners.all.keys().copied().collect();
        for (node, _) in places.into_iter().filter(|&(_, ear)| ear == Ear::Messages) {
            self.follow_shards(node, routing);
        }
        self.tell_moved(routing);
        self.resume_listening();
    }

    /// A node is subscribed to the shard channels of its slots, and of those that come to it or leave it.
    fn follow_shards(&mut self, node: NodeIndex, routing: &Routing) {
        let Self { listeners, upstreams, .. } = self;
        let place = (node, Ear::Messages);
        let Some(listener) = listeners.all.get_mut(&place) else { return };
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
        self.say(place, number, |out| {
            encode_names(out, Kind::Shard.subscribed(), more.iter().map(|name| &**name));
            encode_names(out, Kind::Shard.unsubscribed(), less.iter().map(|name| &**name));
        });
    }

    /// Somebody wants to hear what nobody wanted before.
    pub(super) fn begin_hearing(&mut self, routing: &Routing, kind: Kind, name: &[u8], number: u64) {
        self.listen(routing);
        for place in self.whom_to_tell(routing, kind, name) {
            self.say(place, number, |out| encode_names(out, kind.subscribed(), [name].into_iter()));
        }
        if kind == Kind::Shard {
            for node in routing.hearing(SlotId::of_key(name)) {
                if let Some(listener) = self.listeners.all.get_mut(&(node, Ear::Messages)) {
                    listener.shards.insert(name.into());
                }
            }
        }
    }

    /// Nobody wants to hear it any more. The number under which nodes are told.
    pub(super) fn end_hearing(&mut self, kind: Kind, name: &[u8]) -> u64 {
        let routing = Arc::clone(&self.epochs.routing);
        let number = self.listeners.wanted.next();
        for place in self.whom_to_tell(&routing, kind, name) {
            self.say(place, number, |out| encode_names(out, kind.unsubscribed(), [name].into_iter()));
        }
        if kind == Kind::Shard {
            self.listeners.all.values_mut().for_each(|listener| {
                listener.shards.remove(name);
            });
        }
        number
    }

    fn whom_to_tell(&self, routing: &Routing, kind: Kind, name: &[u8]) -> Vec<Place> {
        let places = self.listeners.all.keys().copied().filter(|&(_, ear)| ear == Ear::Messages);
        match kind {
            Kind::Channel | Kind::Pattern => places.collect(),
            Kind::Shard => {
                let hearing = routing.hearing(SlotId::of_key(name));
                places.filter(|(node, _)| hearing.contains(node)).collect()
            }
        }
    }

    /// Nodes are listened to for changes of keys, and told of the prefixes that are wanted now.
    pub(super) fn listen_for_changes(&mut self) {
        let routing = Arc::clone(&self.epochs.routing);
        self.listen(&routing);
        let prefixes = self.listeners.readers.cover();
        if prefixes == self.listeners.prefixes.0 || prefixes.is_empty() {
            return;
        }
        let number = self.listeners.wanted.next();
        self.listeners.prefixes = (prefixes, number);
        let places: Vec<Place> = self.listeners.all.keys().copied().collect();
        for place in places.into_iter().filter(|&(_, ear)| ear == Ear::Prefixes) {
            self.say_prefixes(place, number);
        }
    }

    /// All prefixes at once: a node takes none away, and no change may be missed in between.
    fn say_prefixes(&mut self, place: Place, number: u64) {
        let Some(listener) = self.listeners.all.get_mut(&place) else { return };
        if !self.upstreams.upstream(listener.upstream).is_ready() {
            return;
        }
        let mut on = vec![&b"CLIENT"[..], b"TRACKING", b"ON", b"BCAST"];
        on.extend(self.listeners.prefixes.0.iter().flat_map(|prefix| [&b"PREFIX"[..], prefix]));
        for words in [&[&b"MULTI"[..]][..], &[b"CLIENT", b"TRACKING", b"OFF"], &on, &[b"EXEC"]] {
            listener.outstanding.said(number);
            let out = self.upstreams.push(listener.upstream, Receiver::Listener, self.turn.now);
            encode_command(out.tail(), words);
        }
        self.say(place, number, |_| ());
    }

    /// Says something to a node, if it can be said now; with a question behind it whose answer confirms it.
    fn say(&mut self, place: Place, number: u64, write: impl FnOnce(&mut Vec<u8>)) {
        let Some(listener) = self.listeners.all.get_mut(&place) else { return };
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
        let node = self.upstreams.upstream(id).node;
        let Some(place) = self.listeners.place(id, node) else { return };
        if let Some(listener) = self.listeners.all.get_mut(&place) {
            listener.outstanding.forget();
        }
        match place.1 {
            Ear::Messages => self.say_all(node),
            Ear::Prefixes => {
                self.say_prefixes(place, Outstanding::ALL);
                self.tell_all_by_prefix();
            }
        }
        self.upstreams.remember_for(node, self.listeners.ready(node, &self.upstreams));
        // What was looked at before is not remembered for it.
        self.seek_again(None);
    }

    fn say_all(&mut self, node: NodeIndex) {
        let Self { listeners, epochs, .. } = self;
        let place = (node, Ear::Messages);
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
        if let Some(listener) = listeners.all.get_mut(&place) {
            listener.shards = shards;
        }
        self.say(place, Outstanding::ALL, |out| out.extend_from_slice(&said));
    }

    /// A connection is of no more use, for now.
    pub(super) fn listener_gone(&mut self, id: UpstreamId) {
        let node = self.upstreams.upstream(id).node;
        let Some(place) = self.listeners.place(id, node) else { return };
        if let Some(listener) = self.listeners.all.get_mut(&place) {
            listener.outstanding.forget();
            listener.shards.clear();
        }
        match place.1 {
            Ear::Messages => {
                self.upstreams.remember_for(node, None);
                self.forget_reads(node);
            }
            Ear::Prefixes => self.tell_all_by_prefix(),
        }
        self.resume_listening();
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
        self.listeners.seeking = !self.seeks.is_empty();
        for ear in EARS {
            let is_idle = !self.listeners.are_needed(ear);
            let since = &mut self.listeners.unneeded[ear as usize];
            *since = is_idle.then(|| since.unwrap_or(now));
            if since.is_some_and(|since| late(since, KEEP)) {
                let places = self.listeners.all.keys().copied().filter(|place| place.1 == ear);
                for place in places.collect::<Vec<_>>() {
                    if let Some(listener) = self.listeners.all.remove(&place) {
                        self.close_upstream(listener.upstream);
                    }
                }
            }
        }
        let number = self.listeners.wanted.last();
        let silent = |listener: &Listener| listener.outstanding.is_empty() && late(listener.said, HEARTBEAT);
        let places = self.listeners.all.iter().filter(|(_, listener)| silent(listener));
        let places: Vec<Place> = places.map(|(&place, _)| place).collect();
        for place in places {
            self.say(place, number, |_| ());
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
