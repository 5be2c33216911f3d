//! `CLIENT TRACKING`: who is told that a key it may have a copy of has changed. Pure: what is to be sent is put into the outboxes of
//! clients, which whoever holds the lock fills; what it looks like is in [`crate::connection::tracking`].
//!
//! In the default mode a table knows which client read which key; in broadcasting mode clients name beginnings of keys. Databases do
//! not matter, as in Redis: a key of the same name in another one counts too.

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use super::clients::{BROADCAST, BROKEN_REDIRECT, Client, ClientId, Held, PUBSUB, TRACKING};
use crate::{
    connection::{
        held_name,
        output::Limits,
        tracking::{self, Options, Payload, Receiver},
    },
    time::Millis,
};

/// A client that is told.
#[derive(Debug)]
struct Tracked {
    client: Arc<Client>,
    options: Options,
    /// After `CLIENT CACHING`, for the next command.
    caching: bool,
    broken_redirect: bool,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Tracking {
    clients: HashMap<ClientId, Tracked>,
    /// Who read a key in the default mode.
    keys: HashMap<Box<[u8]>, HashSet<ClientId>>,
    prefixes: BTreeMap<Box<[u8]>, Prefix>,
    /// Of the client whose command runs: sent behind its reply. `None` is all keys.
    own: Vec<Option<Box<[u8]>>>,
}

#[derive(Debug, Default)]
struct Prefix {
    clients: Vec<ClientId>,
    /// Keys that changed, and who changed them last.
    changed: BTreeMap<Box<[u8]>, Option<ClientId>>,
}

/// Where and when something is sent.
#[derive(Clone, Copy, Debug)]
pub struct Sending<'a> {
    /// What a client may let wait.
    pub limits: &'a Limits,
    /// The clock.
    pub now: Millis,
    /// Other clients, to which messages may be redirected.
    pub others: &'a super::clients::Clients,
}

/// What a client's state is.
#[derive(Debug)]
pub struct State<'a> {
    /// What it asked for.
    pub options: &'a Options,
    /// `CLIENT CACHING` is in force.
    pub caching: bool,
    /// Its messages cannot be redirected any more.
    pub broken_redirect: bool,
}

impl Tracking {
    /// Nobody is told of anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.clients.is_empty()
    }

    /// Clients that are told.
    #[must_use]
    pub fn clients(&self) -> usize {
        self.clients.len()
    }

    /// Keys in the table, how often they are in it, and prefixes.
    #[must_use]
    pub fn totals(&self) -> [usize; 3] {
        [self.keys.len(), self.keys.values().map(HashSet::len).sum(), self.prefixes.len()]
    }

    /// What a client asked for, if it did.
    #[must_use]
    pub fn state(&self, client: ClientId) -> Option<State<'_>> {
        self.clients.get(&client).map(|tracked| State {
            options: &tracked.options,
            caching: tracked.caching,
            broken_redirect: tracked.broken_redirect,
        })
    }

    /// A client asks to be told; prefixes are added to those it has.
    pub fn enable(&mut self, client: &Arc<Client>, options: Options) {
        let before = self.clients.get(&client.id).map(|tracked| &tracked.options);
        let options = options.after(before);
        if options.broadcast {
            for prefix in &options.prefixes {
                let clients = &mut self.prefixes.entry(prefix.clone()).or_default().clients;
                if !clients.contains(&client.id) {
                    clients.push(client.id);
                }
            }
        }
        client.set_flag(TRACKING, true);
        client.set_flag(BROADCAST, options.broadcast);
        client.set_flag(BROKEN_REDIRECT, false);
        client.set_redirect(Some(options.redirect));
        client.set_held(Held::Prefixes, options.prefixes.iter().map(|prefix| held_name(prefix)).sum());
        let caching = self.clients.get(&client.id).is_some_and(|tracked| tracked.caching);
        let tracked = Tracked { client: Arc::clone(client), options, caching, broken_redirect: false };
        self.clients.insert(client.id, tracked);
    }

    /// A client is told no more. What it read stays in the table until it changes.
    pub fn disable(&mut self, client: ClientId) {
        let Some(tracked) = self.clients.remove(&client) else { return };
        tracked.client.set_flag(TRACKING | BROADCAST | BROKEN_REDIRECT, false);
        tracked.client.set_redirect(None);
        tracked.client.set_held(Held::Prefixes, 0);
        for prefix in &tracked.options.prefixes {
            if let Some(known) = self.prefixes.get_mut(prefix) {
                known.clients.retain(|&other| other != client);
                if known.clients.is_empty() {
                    self.prefixes.remove(prefix);
                }
            }
        }
        if self.clients.is_empty() {
            self.keys = HashMap::new();
        }
    }

    /// `CLIENT CACHING`.
    pub fn set_caching(&mut self, client: ClientId, caching: bool) {
        if let Some(tracked) = self.clients.get_mut(&client) {
            tracked.caching = caching;
        }
    }

    /// Whether what the client reads now is to be remembered.
    #[must_use]
    pub fn remembers(&self, client: ClientId) -> bool {
        self.clients.get(&client).is_some_and(|tracked| tracked.options.remembers(tracked.caching))
    }

    /// After `tracking-table-max-keys` was set: no more than so many keys are remembered. 0 is no limit.
    pub fn limit(&mut self, most: usize, sending: Sending<'_>) {
        while most > 0 && self.keys.len() > most {
            let Some(other) = self.keys.keys().next().cloned() else { return };
            self.tell_readers(&other, None, None, sending);
        }
    }

    /// A client has read a key. At most `most` keys are remembered: others are forgotten for it, which is told like a change.
    pub fn remember(&mut self, client: ClientId, key: &[u8], most: usize, sending: Sending<'_>) {
        self.keys.entry(key.into()).or_default().insert(client);
        while most > 0 && self.keys.len() > most {
            let Some(other) = self.keys.keys().find(|other| ***other != *key).cloned() else { return };
            self.tell_readers(&other, None, None, sending);
        }
    }

    /// A key has changed, by the command of `by` or by itself; `current` is whose command runs, who is told behind its reply.
    pub fn changed(
        &mut self,
        key: &[u8],
        by: Option<ClientId>,
        current: Option<ClientId>,
        sending: Sending<'_>,
    ) {
        for (prefix, known) in &mut self.prefixes {
            if key.starts_with(prefix) {
                known.changed.insert(key.into(), by);
            }
        }
        self.tell_readers(key, by, current, sending);
    }

    fn tell_readers(
        &mut self,
        key: &[u8],
        by: Option<ClientId>,
        current: Option<ClientId>,
        sending: Sending<'_>,
    ) {
        for reader in self.keys.remove(key).into_iter().flatten() {
            let Some(tracked) = self.clients.get(&reader).filter(|tracked| !tracked.options.broadcast) else {
                continue;
            };
            if Some(reader) != current {
                self.send(reader, Payload::Keys(&[key]), sending);
            } else if !(tracked.options.no_loop && Some(reader) == by) {
                self.own.push(Some(key.into()));
            }
        }
    }

    /// All keys are gone, by the command of `by`.
    pub fn flushed(&mut self, by: Option<ClientId>, sending: Sending<'_>) {
        self.keys = HashMap::new();
        let all: Vec<ClientId> = self.clients.keys().copied().collect();
        for client in all {
            if Some(client) == by {
                self.own.push(None);
            } else {
                self.send(client, Payload::Everything, sending);
            }
        }
    }

    /// Something is to be sent behind the reply of the command that ran.
    #[must_use]
    pub fn has_own(&self) -> bool {
        !self.own.is_empty()
    }

    /// Sends that.
    pub fn send_own(&mut self, client: ClientId, sending: Sending<'_>) {
        for key in std::mem::take(&mut self.own) {
            match key {
                Some(key) => self.send(client, Payload::Keys(&[&key]), sending),
                None => self.send(client, Payload::Everything, sending),
            }
        }
    }

    /// Something is to be broadcast.
    #[must_use]
    pub fn has_broadcast(&self) -> bool {
        self.prefixes.values().any(|prefix| !prefix.changed.is_empty())
    }

    /// Tells those who broadcasting is for what has changed since the last time, each prefix in one message.
    pub fn broadcast(&mut self, sending: Sending<'_>) {
        let mut messages: Vec<(ClientId, Vec<Box<[u8]>>)> = Vec::new();
        for prefix in self.prefixes.values_mut().filter(|prefix| !prefix.changed.is_empty()) {
            let changed = std::mem::take(&mut prefix.changed);
            for &client in &prefix.clients {
                let no_loop = self.clients.get(&client).is_some_and(|tracked| tracked.options.no_loop);
                let is_told = |by: &Option<ClientId>| !(no_loop && *by == Some(client));
                let keys: Vec<Box<[u8]>> =
                    changed.iter().filter(|(_, by)| is_told(by)).map(|(key, _)| key.clone()).collect();
                if !keys.is_empty() {
                    messages.push((client, keys));
                }
            }
        }
        for (client, keys) in messages {
            let keys: Vec<&[u8]> = keys.iter().map(|key| &**key).collect();
            self.send(client, Payload::Keys(&keys), sending);
        }
    }

    /// Puts a message into the outbox of a client, or of that to which its messages are redirected.
    fn send(&mut self, client: ClientId, payload: Payload<'_>, sending: Sending<'_>) {
        let Some(tracked) = self.clients.get_mut(&client) else { return };
        let (target, redirected) = match tracked.options.redirect {
            None => (Arc::clone(&tracked.client), false),
            Some(redirect) => match sending.others.get(redirect) {
                Some(target) => (target, true),
                None => {
                    tracked.broken_redirect = true;
                    tracked.client.set_flag(BROKEN_REDIRECT, true);
                    if let Some(message) = tracking::redirect_broken(tracked.client.version(), redirect) {
                        tracked.client.deliver(&message, sending.limits, sending.now);
                    }
                    return;
                }
            },
        };
        let receiver =
            Receiver { version: target.version(), subscribed: target.has_flag(PUBSUB), redirected };
        if let Some(message) = tracking::invalidate(receiver, payload) {
            target.deliver(&message, sending.limits, sending.now);
        }
    }
}
