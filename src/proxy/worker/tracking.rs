//! `CLIENT TRACKING` through a proxy. What a client reads, nodes remember for the connection that it was read on, and tell the
//! listener; here is known which clients have read it. Whatever may keep a change from being heard counts as one: a connection that is lost,
//! a slot that moves, a read while a node is not listened to. So a client may be told too much, and never too little.
//!
//! Not here: the table ([`crate::proxy::readers`]), what is asked for and what messages look like ([`crate::connection::tracking`]).

use std::sync::atomic::Ordering::Relaxed;

use super::{
    Message, Worker,
    client::{Client, Stall},
    listeners::Ear,
};
use crate::{
    command::{Acl, Flags, Route, Spec, keys},
    connection::tracking::{self, Change, Options, Payload, Receiver},
    protocol::Request,
    proxy::{
        clients::{BROADCAST, BROKEN_REDIRECT, TRACKS},
        placement::{self, Place},
        routing::{NodeIndex, Routing},
        slab::Key,
    },
    slot::SlotId,
};

/// What a client is told of.
#[derive(Debug)]
pub(super) struct Tracks {
    pub(super) options: Options,
    /// After `CLIENT CACHING`, for the next command.
    pub(super) caching: bool,
    pub(super) broken_redirect: bool,
    /// It was told that everything has changed, and has asked for nothing since.
    clean: bool,
}

/// Keys that have changed; none: all.
pub(super) type Changed = Option<Vec<Box<[u8]>>>;

/// How a request of a client that tracks keys is sent.
#[derive(Debug, Default)]
struct Reading {
    /// Nodes are to remember what is read.
    tracked: bool,
    /// These keys may not be remembered by any: they count as changed once they are read.
    forgotten: Vec<Box<[u8]>>,
}

impl Worker {
    /// `CLIENT TRACKING`.
    pub(super) fn track(&mut self, client: &mut Client, request: &Request<'_>) -> Result<(), Stall> {
        let before = client.tracks().map(|tracks| tracks.options.clone());
        let is_client = |id| self.shared.clients.get(id).is_some();
        let receives_messages = client.info.peer.is_some();
        let change = match tracking::change(request, before.as_ref(), &is_client, receives_messages) {
            Ok(change) => change,
            Err(refused) => {
                self.refuse(client, refused.0);
                return Ok(());
            }
        };
        match change {
            Change::Off => self.untrack(client),
            Change::On(options) => {
                let options = options.after(before.as_ref());
                if options.broadcast {
                    let prefixes = options.prefixes.iter().map(|prefix| &**prefix);
                    self.listeners.readers.add_prefixes(client.key, prefixes);
                } else {
                    self.listeners.readers.add(client.key);
                }
                // What follows is remembered, or told of, only if nodes know that.
                self.listen_for_changes();
                let number = self.listeners.said_of_prefixes();
                if !self.listeners.have_confirmed(number, &self.upstreams) {
                    self.listeners.wait(number, client.key);
                    return Err(Stall::Listening);
                }
                client.info.mark(TRACKS, true);
                client.info.mark(BROADCAST, options.broadcast);
                client.info.mark(BROKEN_REDIRECT, false);
                let redirect = options.redirect.map_or(0, |id| i64::try_from(id).unwrap_or(i64::MAX));
                client.info.redirect.store(redirect, Relaxed);
                let caching = client.tracks().is_some_and(|tracks| tracks.caching);
                let tracks = Tracks { options, caching, broken_redirect: false, clean: false };
                client.hearing().tracks = Some(Box::new(tracks));
            }
        }
        client.ok();
        Ok(())
    }

    /// `CLIENT CACHING`.
    pub(super) fn set_caching(&mut self, client: &mut Client, request: &Request<'_>) {
        let options = client.tracks().map(|tracks| &tracks.options);
        if let Err(refused) = tracking::check_caching(options, request.arg(2)) {
            self.refuse(client, refused.0);
            return;
        }
        if let Some(tracks) = client.tracks_mut() {
            tracks.caching = true;
        }
        client.ok();
    }

    /// A client is told of nothing any more.
    pub(super) fn untrack(&mut self, client: &mut Client) {
        self.listeners.readers.remove(client.key);
        if client.tracks().is_none() {
            return;
        }
        client.hearing().tracks = None;
        client.info.mark(TRACKS | BROADCAST | BROKEN_REDIRECT, false);
        client.info.redirect.store(-1, Relaxed);
        self.listen_for_changes();
    }

    /// Runs a request of a client that hears something.
    pub(super) fn run_for_listener(
        &mut self,
        client: &mut Client,
        routing: &std::sync::Arc<Routing>,
        spec: &'static Spec,
        request: &Request<'_>,
    ) -> Result<(), Stall> {
        if client.tracks().is_none() {
            return self.serve_by_table(client, routing, spec, request);
        }
        let waits = client.hearing.as_ref().is_some_and(|hearing| hearing.waits);
        if client.replies.in_flight() > 0 && (waits || spec.waits(request)) {
            // What it has read before may change while it waits.
            return Err(Stall::Drain);
        }
        let reading = self.begin_reading(client, routing, spec, request);
        let errors = self.counters.errors;
        client.hearing().waits = spec.waits(request);
        self.upstreams.tracked = reading.tracked;
        let result = self.serve_by_table(client, routing, spec, request);
        self.upstreams.tracked = false;
        let was_forgotten = std::mem::take(&mut self.upstreams.untracked);
        if result.is_err() || self.counters.errors > errors {
            return result;
        }
        if was_forgotten && reading.forgotten.is_empty() {
            let keys = read_keys(spec, request).map(Box::from).collect();
            self.tell_client(client, Some(keys));
        } else if !reading.forgotten.is_empty() {
            self.tell_client(client, Some(reading.forgotten));
        }
        if let Some(tracks) = client.tracks_mut() {
            tracks.clean = false;
        }
        self.end_caching(client, spec);
        Ok(())
    }

    /// Remembers what a request reads; forgets what it writes, for who does not want to hear of that.
    fn begin_reading(
        &mut self,
        client: &Client,
        routing: &Routing,
        spec: &'static Spec,
        request: &Request<'_>,
    ) -> Reading {
        let mut reading = Reading::default();
        let Some(tracks) = client.tracks() else { return reading };
        let remembers = tracks.options.remembers(tracks.caching);
        if spec.name == "exec" {
            // Its keys were remembered when they were queued.
            reading.tracked = remembers && client.transaction.is_some();
            return reading;
        }
        if tracks.options.no_loop && spec.writes() {
            read_keys(spec, request).for_each(|key| self.listeners.readers.forget(key, client.key));
        }
        // What waits reads what is new: nobody keeps that.
        if remembers && reads(spec) && !spec.waits(request) {
            let slots = || read_keys(spec, request).map(SlotId::of_key);
            let together = matches!(placement::of(routing, slots()), Ok(Place::At(..)));
            // A script that a node lacks is called once more, after it was sent.
            let is_script = spec.acl.has(Acl::SCRIPTING);
            if !is_script && (together || matches!(spec.route, Route::Split(_))) {
                self.remember(client.key, routing, read_keys(spec, request));
                reading.tracked = true;
            } else {
                reading.forgotten = read_keys(spec, request).map(Box::from).collect();
            }
        }
        reading
    }

    /// A client has asked for keys in a way that no node remembers: they count as changed once they are read.
    pub(super) fn forget_read(&mut self, client: &mut Client, keys: Changed) {
        let remembers = client.tracks().is_some_and(|tracks| tracks.options.remembers(tracks.caching));
        if remembers && keys.as_ref().is_none_or(|keys| !keys.is_empty()) {
            self.tell_client(client, keys);
        }
        let is_queued = client.transaction.is_some();
        if let Some(tracks) = client.tracks_mut() {
            tracks.clean = false;
            tracks.caching &= is_queued;
        }
    }

    /// Remembers what a queued command will read.
    pub(super) fn remember_queued(
        &mut self,
        client: &Client,
        routing: &Routing,
        spec: &'static Spec,
        request: &Request<'_>,
    ) {
        if reads(spec) {
            self.remember_queued_keys(client, routing, read_keys(spec, request));
        }
    }

    /// The same for a command that is known to read these keys.
    pub(super) fn remember_queued_keys<'a>(
        &mut self,
        client: &Client,
        routing: &Routing,
        keys: impl Iterator<Item = &'a [u8]>,
    ) {
        if client.tracks().is_some_and(|tracks| tracks.options.remembers(tracks.caching)) {
            self.remember(client.key, routing, keys);
        }
    }

    fn remember<'a>(&mut self, client: Key, routing: &Routing, keys: impl Iterator<Item = &'a [u8]>) {
        for key in keys {
            if let Some(node) = routing.owner(SlotId::of_key(key)) {
                self.listeners.readers.remember(key, node, client);
            }
        }
    }

    /// `CLIENT CACHING` is about one command, or one transaction.
    fn end_caching(&self, client: &mut Client, spec: &Spec) {
        let is_over = client.transaction.is_none() && !spec.name.starts_with("client");
        if let Some(tracks) = client.tracks_mut()
            && is_over
        {
            tracks.caching = false;
        }
    }

    // === telling ===

    /// What nodes have told since the last time.
    pub(super) fn tell_changes(&mut self) {
        for ((node, ear), changed) in std::mem::take(&mut self.listeners.changes) {
            match (ear, changed) {
                (Ear::Messages, Some(keys)) => {
                    for key in keys {
                        self.seek_again(Some(&key));
                        for client in self.listeners.readers.changed(&key) {
                            self.tell_changed(client, Some(vec![key.clone()]));
                        }
                    }
                }
                (Ear::Messages, None) => self.forget_reads(node),
                (Ear::Prefixes, Some(keys)) => {
                    let keys: Vec<&[u8]> = keys.iter().map(|key| &**key).collect();
                    for (client, keys) in self.listeners.readers.by_prefix(&keys) {
                        self.tell_changed(client, Some(keys.into_iter().map(Box::from).collect()));
                    }
                }
                (Ear::Prefixes, None) => self.tell_all_by_prefix(),
            }
        }
    }

    /// A node does not remember any more what was read there, or has nothing any more.
    pub(super) fn forget_reads(&mut self, node: NodeIndex) {
        self.seek_again(None);
        for client in self.listeners.readers.lost(node) {
            self.tell_changed(client, None);
        }
    }

    /// Changes of keys with prefixes may have been missed.
    pub(super) fn tell_all_by_prefix(&mut self) {
        for client in self.listeners.readers.with_prefixes() {
            self.tell_changed(client, None);
        }
    }

    /// Slots have other owners, who do not remember what was read before.
    pub(super) fn tell_moved(&mut self, routing: &Routing) {
        for (key, clients) in self.listeners.readers.moved(|slot| routing.owner(slot)) {
            for client in clients {
                self.tell_changed(client, Some(vec![key.clone()]));
            }
        }
    }

    fn tell_changed(&mut self, key: Key, changed: Changed) {
        if let Some(mut client) = self.clients.take(key) {
            self.tell_client(&mut client, changed);
            self.clients.put_back(client);
            self.clients.touch(key);
        }
    }

    /// Tells a client, or whom it has named in its place.
    fn tell_client(&mut self, client: &mut Client, changed: Changed) {
        let id = client.info.id;
        let Some(tracks) = client.tracks_mut() else { return };
        if changed.is_none() && std::mem::replace(&mut tracks.clean, true) {
            return;
        }
        let Some(redirect) = tracks.options.redirect else {
            return tell(client, &changed, false);
        };
        match self.shared.clients.get(redirect) {
            Some(target) if target.id == id => tell(client, &changed, true),
            Some(target) if target.worker == self.index => self.tell_redirected(target.key, &changed),
            Some(target) => {
                if let Some(mailbox) = self.shared.mailboxes().get(target.worker) {
                    mailbox.send(Message::Changed { client: target.key, changed });
                }
            }
            None => {
                tracks.broken_redirect = true;
                client.info.mark(BROKEN_REDIRECT, true);
                if let Some(message) = tracking::redirect_broken(client.version, redirect) {
                    client.tell_behind(&message);
                }
            }
        }
    }

    /// Tells a client what another one has asked for.
    pub(super) fn tell_redirected(&mut self, key: Key, changed: &Changed) {
        if let Some(client) = self.clients.get_mut(key) {
            tell(client, changed, true);
            self.clients.touch(key);
        }
    }
}

fn tell(client: &mut Client, changed: &Changed, redirected: bool) {
    let to = Receiver { version: client.version, subscribed: client.is_subscribed(), redirected };
    let keys: Option<Vec<&[u8]>> = changed.as_ref().map(|keys| keys.iter().map(|key| &**key).collect());
    let payload = keys.as_ref().map_or(Payload::Everything, |keys| Payload::Keys(keys));
    if let Some(message) = tracking::invalidate(to, payload) {
        client.tell_behind(&message);
    }
}

/// Whether nodes remember the keys of a command as read.
fn reads(spec: &Spec) -> bool {
    spec.flags.has(Flags::READONLY) || spec.acl.has(Acl::SCRIPTING)
}

/// The keys that a request names.
fn read_keys<'a>(spec: &'static Spec, request: &Request<'a>) -> impl Iterator<Item = &'a [u8]> {
    let keys = keys::positions(spec, request).ok();
    let at: Vec<usize> = keys.map_or(Vec::new(), |keys| keys.indices().collect());
    at.into_iter().map(|index| request.arg(index)).collect::<Vec<_>>().into_iter()
}
