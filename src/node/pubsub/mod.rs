//! Channels: who is subscribed to which, and what they are sent. Pure: messages go into the outboxes of clients, which whoever holds the
//! lock fills. [`events`] are the messages about keys, `notify-keyspace-events`.

pub mod events;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use super::clients::{Client, ClientId, held_name};
use crate::protocol::{
    Encoder, Version,
    glob::{Case, Glob},
};

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

/// See the module.
#[derive(Debug, Default)]
pub struct Channels {
    channels: BTreeMap<Box<[u8]>, Vec<Arc<Client>>>,
    shards: BTreeMap<Box<[u8]>, Vec<Arc<Client>>>,
    patterns: BTreeMap<Box<[u8]>, Pattern>,
    clients: HashMap<ClientId, Subscriptions>,
}

#[derive(Debug)]
struct Pattern {
    glob: Glob,
    subscribers: Vec<Arc<Client>>,
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
struct Message<'a> {
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

    fn for_version(&mut self, version: Version) -> &[u8] {
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

impl Channels {
    /// Nobody is subscribed to anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.clients.is_empty()
    }

    /// A client subscribes. `false` if it was subscribed.
    pub fn subscribe(&mut self, kind: Kind, client: &Arc<Client>, name: &[u8]) -> bool {
        let subscriptions = self.clients.entry(client.id).or_default();
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
        subscribers.push(Arc::clone(client));
        true
    }

    /// A client ends a subscription. `false` if it was not subscribed.
    pub fn unsubscribe(&mut self, kind: Kind, client: ClientId, name: &[u8]) -> bool {
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

    fn leave(&mut self, kind: Kind, client: ClientId, name: &[u8]) {
        fn remove(subscribers: &mut Vec<Arc<Client>>, client: ClientId) -> bool {
            subscribers.retain(|subscriber| subscriber.id != client);
            subscribers.is_empty()
        }
        match kind {
            Kind::Channel => {
                if self.channels.get_mut(name).is_some_and(|subscribers| remove(subscribers, client)) {
                    self.channels.remove(name);
                }
            }
            Kind::Shard => {
                if self.shards.get_mut(name).is_some_and(|subscribers| remove(subscribers, client)) {
                    self.shards.remove(name);
                }
            }
            Kind::Pattern => {
                if self.patterns.get_mut(name).is_some_and(|pattern| remove(&mut pattern.subscribers, client))
                {
                    self.patterns.remove(name);
                }
            }
        }
    }

    /// A client is gone.
    pub fn remove(&mut self, client: ClientId) {
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
    pub fn bytes(&self, client: ClientId) -> usize {
        self.clients.get(&client).map_or(0, |subscriptions| subscriptions.bytes)
    }

    /// What a client is subscribed to.
    #[must_use]
    pub fn names(&self, kind: Kind, client: ClientId) -> Vec<Box<[u8]>> {
        let names = self.clients.get(&client).map(|subscriptions| match kind {
            Kind::Channel => &subscriptions.channels,
            Kind::Pattern => &subscriptions.patterns,
            Kind::Shard => &subscriptions.shards,
        });
        names.into_iter().flatten().cloned().collect()
    }

    /// How many subscriptions of a kind a client has.
    #[must_use]
    pub fn count(&self, kind: Kind, client: ClientId) -> usize {
        self.clients.get(&client).map_or(0, |subscriptions| subscriptions.count(kind))
    }

    /// Sends a message to a channel and says how many received it. `deliver` puts it into the outbox of each.
    pub fn publish(
        &self,
        channel: &[u8],
        payload: &[u8],
        deliver: &mut dyn FnMut(&Arc<Client>, &[u8]),
    ) -> usize {
        let mut receivers = 0;
        let mut send = |message: &mut Message<'_>, subscribers: &[Arc<Client>]| {
            for client in subscribers {
                deliver(client, message.for_version(client.version()));
            }
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
        deliver: &mut dyn FnMut(&Arc<Client>, &[u8]),
    ) -> usize {
        let Some(subscribers) = self.shards.get(channel) else { return 0 };
        let mut message = Message::new("smessage", None, channel, payload);
        for client in subscribers {
            deliver(client, message.for_version(client.version()));
        }
        subscribers.len()
    }

    /// Names of channels, or of shard channels, that have subscribers.
    pub fn active(&self, kind: Kind) -> impl Iterator<Item = &[u8]> {
        let channels = if kind == Kind::Shard { &self.shards } else { &self.channels };
        channels.keys().map(|name| &**name)
    }

    /// How many are subscribed to a channel, or a shard channel; patterns do not count.
    #[must_use]
    pub fn subscribers(&self, kind: Kind, name: &[u8]) -> usize {
        let channels = if kind == Kind::Shard { &self.shards } else { &self.channels };
        channels.get(name).map_or(0, Vec::len)
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
    use crate::{node::acl::Acl, node::clients::Clients, server::Addresses, time::Millis};

    fn client(clients: &Clients) -> Arc<Client> {
        let nowhere = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
        let addresses = Addresses { remote: nowhere, local: nowhere };
        clients.unlisted(addresses, Acl::default().default_user().clone(), Millis(0))
    }

    #[test]
    fn messages_reach_those_who_are_subscribed() {
        let (clients, mut channels) = (Clients::default(), Channels::default());
        let [a, b] = [client(&clients), client(&clients)];
        b.set_version(Version::Resp3);
        assert!(channels.subscribe(Kind::Channel, &a, b"news"));
        assert!(!channels.subscribe(Kind::Channel, &a, b"news"));
        assert!(channels.subscribe(Kind::Channel, &b, b"news"));
        assert!(channels.subscribe(Kind::Pattern, &a, b"n*"));
        assert!(channels.subscribe(Kind::Shard, &a, b"news"));
        assert_eq!(
            [Kind::Channel, Kind::Pattern, Kind::Shard].map(|kind| channels.count(kind, a.id)),
            [1, 1, 1]
        );
        let mut sent = Vec::new();
        let received = channels
            .publish(b"news", b"hi", &mut |to, bytes| sent.push((to.id, bytes.escape_ascii().to_string())));
        assert_eq!(received, 3);
        let tail = r"$4\r\nnews\r\n$2\r\nhi\r\n";
        assert_eq!(
            sent,
            [
                (a.id, format!(r"*3\r\n$7\r\nmessage\r\n{tail}")),
                (b.id, format!(r">3\r\n$7\r\nmessage\r\n{tail}")),
                (a.id, format!(r"*4\r\n$8\r\npmessage\r\n$2\r\nn*\r\n{tail}")),
            ]
        );
        let mut shard = 0;
        assert_eq!(channels.publish_to_shard(b"news", b"hi", &mut |_, _| shard += 1), 1);
        assert_eq!(shard, 1);
        assert_eq!(channels.subscribers(Kind::Channel, b"news"), 2);
        assert!(channels.unsubscribe(Kind::Channel, a.id, b"news"));
        assert!(!channels.unsubscribe(Kind::Channel, a.id, b"news"));
        channels.remove(a.id);
        assert_eq!(channels.publish(b"news", b"hi", &mut |_, _| ()), 1);
        channels.remove(b.id);
        assert!(
            channels.is_empty()
                && channels.patterns() == 0
                && channels.active(Kind::Channel).next().is_none()
        );
    }
}
