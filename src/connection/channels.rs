//! Channels: who is subscribed to which, what they are told of that, and what messages look like. Pure: what a subscriber is, and how
//! bytes come to it, is the daemon's.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt,
    hash::Hash,
};

use super::held_name;
use crate::{
    command::Spec,
    protocol::{
        Encoder, Version,
        glob::{Case, Glob},
    },
};

/// What a client of RESP2 with subscriptions may run: its connection carries nothing else.
const OF_SUBSCRIBERS: [&str; 9] = [
    "ping",
    "psubscribe",
    "punsubscribe",
    "quit",
    "reset",
    "ssubscribe",
    "subscribe",
    "sunsubscribe",
    "unsubscribe",
];

/// Why a client of RESP2 with subscriptions may not run a command, if it may not.
#[must_use]
pub fn refusal(spec: &Spec) -> Option<String> {
    (!OF_SUBSCRIBERS.contains(&spec.name)).then(|| refusal_of(spec.name))
}

/// The same for a command of this name, which is none of those that it may run.
#[must_use]
pub fn refusal_of(name: &str) -> String {
    format!(
        "ERR Can't execute '{name}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context"
    )
}

/// A connection that can be subscribed to something.
pub trait Subscriber: Clone + fmt::Debug {
    /// What tells it from others.
    type Id: Copy + fmt::Debug + Eq + Hash;

    /// See [`Subscriber::Id`].
    fn id(&self) -> Self::Id;
}

/// What is subscribed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `SUBSCRIBE`: a channel by its name.
    Channel,
    /// `PSUBSCRIBE`: all channels that a pattern matches.
    Pattern,
    /// `SSUBSCRIBE`: a shard channel, which has a slot like a key.
    Shard,
}

impl Kind {
    /// What the confirmation of a subscription is called.
    #[must_use]
    pub fn subscribed(self) -> &'static str {
        match self {
            Self::Channel => "subscribe",
            Self::Pattern => "psubscribe",
            Self::Shard => "ssubscribe",
        }
    }

    /// What the confirmation of its end is called.
    #[must_use]
    pub fn unsubscribed(self) -> &'static str {
        match self {
            Self::Channel => "unsubscribe",
            Self::Pattern => "punsubscribe",
            Self::Shard => "sunsubscribe",
        }
    }
}

/// Tells a client that it is subscribed to something, or is not any more; without a name, that it was subscribed to nothing.
pub fn confirm(reply: &mut Encoder<'_>, event: &str, name: Option<&[u8]>, count: i64) {
    reply.push(3);
    reply.bulk(event);
    match name {
        Some(name) => reply.bulk(name),
        None => reply.null(),
    }
    reply.integer(count);
}

/// See the module.
#[derive(Debug)]
pub struct Channels<S: Subscriber> {
    channels: BTreeMap<Box<[u8]>, Vec<S>>,
    shards: BTreeMap<Box<[u8]>, Vec<S>>,
    patterns: BTreeMap<Box<[u8]>, Pattern<S>>,
    clients: HashMap<S::Id, Subscriptions>,
}

#[derive(Debug)]
struct Pattern<S> {
    glob: Glob,
    subscribers: Vec<S>,
}

impl<S: Subscriber> Default for Channels<S> {
    fn default() -> Self {
        Self {
            channels: BTreeMap::new(),
            shards: BTreeMap::new(),
            patterns: BTreeMap::new(),
            clients: HashMap::new(),
        }
    }
}

/// What one client is subscribed to.
#[derive(Debug, Default)]
struct Subscriptions {
    channels: BTreeSet<Box<[u8]>>,
    patterns: BTreeSet<Box<[u8]>>,
    shards: BTreeSet<Box<[u8]>>,
    /// That the names take.
    bytes: usize,
}

impl Subscriptions {
    fn of(&mut self, kind: Kind) -> &mut BTreeSet<Box<[u8]>> {
        match kind {
            Kind::Channel => &mut self.channels,
            Kind::Pattern => &mut self.patterns,
            Kind::Shard => &mut self.shards,
        }
    }

    fn count(&self, kind: Kind) -> usize {
        match kind {
            Kind::Channel => self.channels.len(),
            Kind::Pattern => self.patterns.len(),
            Kind::Shard => self.shards.len(),
        }
    }

    fn is_empty(&self) -> bool {
        self.channels.is_empty() && self.patterns.is_empty() && self.shards.is_empty()
    }
}

/// One message, in both versions of the protocol; each is written when the first client needs it.
#[derive(Debug)]
pub struct Message<'a> {
    kind: &'static str,
    parts: [&'a [u8]; 3],
    skipped: usize,
    encoded: [Option<Vec<u8>>; 2],
}

impl<'a> Message<'a> {
    fn new(kind: &'static str, pattern: Option<&'a [u8]>, channel: &'a [u8], payload: &'a [u8]) -> Self {
        let skipped = usize::from(pattern.is_none());
        Self { kind, parts: [pattern.unwrap_or_default(), channel, payload], skipped, encoded: [None, None] }
    }

    /// As a client of this version receives it.
    pub fn bytes(&mut self, version: Version) -> &[u8] {
        let (kind, parts) = (self.kind, &self.parts[self.skipped..]);
        self.encoded[usize::from(version == Version::Resp3)].get_or_insert_with(|| {
            let mut bytes = Vec::new();
            let mut encoder = Encoder::new(&mut bytes, version);
            encoder.push(1 + parts.len());
            encoder.bulk(kind);
            parts.iter().for_each(|part| encoder.bulk(part));
            bytes
        })
    }
}

impl<S: Subscriber> Channels<S> {
    /// Nobody is subscribed to anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.clients.is_empty()
    }

    /// A client subscribes. `false` if it was subscribed.
    pub fn subscribe(&mut self, kind: Kind, client: &S, name: &[u8]) -> bool {
        let subscriptions = self.clients.entry(client.id()).or_default();
        if !subscriptions.of(kind).insert(name.into()) {
            return false;
        }
        subscriptions.bytes += held_name(name);
        let subscribers = match kind {
            Kind::Channel => self.channels.entry(name.into()).or_default(),
            Kind::Shard => self.shards.entry(name.into()).or_default(),
            Kind::Pattern => {
                let new = || Pattern { glob: Glob::new(name, Case::Exact), subscribers: Vec::new() };
                &mut self.patterns.entry(name.into()).or_insert_with(new).subscribers
            }
        };
        subscribers.push(client.clone());
        true
    }

    /// A client ends a subscription. `false` if it was not subscribed.
    pub fn unsubscribe(&mut self, kind: Kind, client: S::Id, name: &[u8]) -> bool {
        let Some(subscriptions) = self.clients.get_mut(&client) else { return false };
        if !subscriptions.of(kind).remove(name) {
            return false;
        }
        subscriptions.bytes -= held_name(name);
        if subscriptions.is_empty() {
            self.clients.remove(&client);
        }
        self.leave(kind, client, name);
        true
    }

    fn leave(&mut self, kind: Kind, client: S::Id, name: &[u8]) {
        let remove = |subscribers: &mut Vec<S>| {
            subscribers.retain(|subscriber| subscriber.id() != client);
            subscribers.is_empty()
        };
        match kind {
            Kind::Channel => {
                if self.channels.get_mut(name).is_some_and(&remove) {
                    self.channels.remove(name);
                }
            }
            Kind::Shard => {
                if self.shards.get_mut(name).is_some_and(&remove) {
                    self.shards.remove(name);
                }
            }
            Kind::Pattern => {
                if self.patterns.get_mut(name).is_some_and(|pattern| remove(&mut pattern.subscribers)) {
                    self.patterns.remove(name);
                }
            }
        }
    }

    /// A client is gone.
    pub fn remove(&mut self, client: S::Id) {
        let Some(subscriptions) = self.clients.remove(&client) else { return };
        for (kind, names) in [
            (Kind::Channel, subscriptions.channels),
            (Kind::Pattern, subscriptions.patterns),
            (Kind::Shard, subscriptions.shards),
        ] {
            names.iter().for_each(|name| self.leave(kind, client, name));
        }
    }

    /// Bytes that the names take that a client is subscribed to.
    #[must_use]
    pub fn bytes(&self, client: S::Id) -> usize {
        self.clients.get(&client).map_or(0, |subscriptions| subscriptions.bytes)
    }

    /// What a client is subscribed to.
    #[must_use]
    pub fn names(&self, kind: Kind, client: S::Id) -> Vec<Box<[u8]>> {
        let names = self.clients.get(&client).map(|subscriptions| match kind {
            Kind::Channel => &subscriptions.channels,
            Kind::Pattern => &subscriptions.patterns,
            Kind::Shard => &subscriptions.shards,
        });
        names.into_iter().flatten().cloned().collect()
    }

    /// Whether a client is subscribed to it.
    #[must_use]
    pub fn is_subscribed(&self, kind: Kind, client: S::Id, name: &[u8]) -> bool {
        self.clients.get(&client).is_some_and(|subscriptions| match kind {
            Kind::Channel => subscriptions.channels.contains(name),
            Kind::Pattern => subscriptions.patterns.contains(name),
            Kind::Shard => subscriptions.shards.contains(name),
        })
    }

    /// How many subscriptions of a kind a client has.
    #[must_use]
    pub fn count(&self, kind: Kind, client: S::Id) -> usize {
        self.clients.get(&client).map_or(0, |subscriptions| subscriptions.count(kind))
    }

    /// Sends a message to a channel and says how many received it. `deliver` puts it into the outbox of each.
    pub fn publish(
        &self,
        channel: &[u8],
        payload: &[u8],
        deliver: &mut dyn FnMut(&S, &mut Message<'_>),
    ) -> usize {
        let mut receivers = 0;
        let mut send = |message: &mut Message<'_>, subscribers: &[S]| {
            subscribers.iter().for_each(|client| deliver(client, message));
            receivers += subscribers.len();
        };
        if let Some(subscribers) = self.channels.get(channel) {
            send(&mut Message::new("message", None, channel, payload), subscribers);
        }
        for (name, pattern) in &self.patterns {
            if pattern.glob.matches(channel) {
                send(&mut Message::new("pmessage", Some(name), channel, payload), &pattern.subscribers);
            }
        }
        receivers
    }

    /// The same for a shard channel.
    pub fn publish_to_shard(
        &self,
        channel: &[u8],
        payload: &[u8],
        deliver: &mut dyn FnMut(&S, &mut Message<'_>),
    ) -> usize {
        let Some(subscribers) = self.shards.get(channel) else { return 0 };
        let mut message = Message::new("smessage", None, channel, payload);
        subscribers.iter().for_each(|client| deliver(client, &mut message));
        subscribers.len()
    }

    /// Names of channels, or of shard channels, that have subscribers.
    pub fn active(&self, kind: Kind) -> impl Iterator<Item = &[u8]> {
        let channels = if kind == Kind::Shard { &self.shards } else { &self.channels };
        channels.keys().map(|name| &**name)
    }

    /// Who is subscribed to a channel by its name, to this pattern, or to a shard channel.
    #[must_use]
    pub fn subscribers(&self, kind: Kind, name: &[u8]) -> &[S] {
        let subscribers = match kind {
            Kind::Channel => self.channels.get(name),
            Kind::Shard => self.shards.get(name),
            Kind::Pattern => self.patterns.get(name).map(|pattern| &pattern.subscribers),
        };
        subscribers.map_or(&[], Vec::as_slice)
    }

    /// The number in a confirmation: shard channels are counted by themselves.
    #[must_use]
    pub fn confirmed(&self, kind: Kind, client: S::Id) -> i64 {
        let count = match kind {
            Kind::Shard => self.count(Kind::Shard, client),
            Kind::Channel | Kind::Pattern => {
                self.count(Kind::Channel, client) + self.count(Kind::Pattern, client)
            }
        };
        i64::try_from(count).unwrap_or(i64::MAX)
    }

    /// How many patterns there are.
    #[must_use]
    pub fn patterns(&self) -> usize {
        self.patterns.len()
    }

    /// How many clients have subscriptions.
    #[must_use]
    pub fn clients(&self) -> usize {
        self.clients.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Debug)]
    struct Client(char, Version);

    impl Subscriber for Client {
        type Id = char;

        fn id(&self) -> char {
            self.0
        }
    }

    #[test]
    fn messages_reach_those_who_are_subscribed() {
        let mut channels = Channels::default();
        let (a, b) = (Client('a', Version::Resp2), Client('b', Version::Resp3));
        assert!(channels.subscribe(Kind::Channel, &a, b"news"));
        assert!(!channels.subscribe(Kind::Channel, &a, b"news"));
        assert!(channels.subscribe(Kind::Channel, &b, b"news"));
        assert!(channels.subscribe(Kind::Pattern, &a, b"n*"));
        assert!(channels.subscribe(Kind::Shard, &a, b"news"));
        assert_eq!(
            [Kind::Channel, Kind::Pattern, Kind::Shard].map(|kind| channels.count(kind, 'a')),
            [1, 1, 1]
        );
        assert_eq!([Kind::Channel, Kind::Shard].map(|kind| channels.confirmed(kind, 'a')), [2, 1]);
        let mut sent = Vec::new();
        let received = channels.publish(b"news", b"hi", &mut |to, message| {
            sent.push((to.0, message.bytes(to.1).escape_ascii().to_string()));
        });
        assert_eq!(received, 3);
        let tail = r"$4\r\nnews\r\n$2\r\nhi\r\n";
        assert_eq!(
            sent,
            [
                ('a', format!(r"*3\r\n$7\r\nmessage\r\n{tail}")),
                ('b', format!(r">3\r\n$7\r\nmessage\r\n{tail}")),
                ('a', format!(r"*4\r\n$8\r\npmessage\r\n$2\r\nn*\r\n{tail}")),
            ]
        );
        let mut shard = 0;
        assert_eq!(channels.publish_to_shard(b"news", b"hi", &mut |_, _| shard += 1), 1);
        assert_eq!(shard, 1);
        assert_eq!(channels.subscribers(Kind::Channel, b"news").len(), 2);
        assert!(channels.unsubscribe(Kind::Channel, 'a', b"news"));
        assert!(!channels.unsubscribe(Kind::Channel, 'a', b"news"));
        channels.remove('a');
        assert_eq!(channels.publish(b"news", b"hi", &mut |_, _| ()), 1);
        channels.remove('b');
        assert!(
            channels.is_empty()
                && channels.patterns() == 0
                && channels.active(Kind::Channel).next().is_none()
        );
    }
}
