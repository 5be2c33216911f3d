//! What the one lock of a node guards: the data, and whatever must change together with it.

use std::sync::Arc;

use super::{
    aof::journal::Journal,
    blocked::{Blocked, Waiter},
    caller::{Caller, Origin},
    clients::{BLOCKED, CHANGED, Client, ClientId, Held, MONITOR, PAUSED},
    commands::table::Row,
    effects::Effects,
    events::Wanted,
    keyspace::{Change, EventClass, ExpiredOnes, Key, Keyspace},
    pause::Pause,
    script::{Functions, Scripts},
    state::NodeState,
    tracking::{Sending, Tracking},
    watch::Watched,
};
use crate::{
    command::{Flags, Spec},
    connection::{
        channels::{Channels, Kind},
        monitor,
        pause::Span,
        tracking::Options,
    },
    protocol::{Args, Request},
    time::Millis,
};

/// What is not shown to `MONITOR`.
const HIDDEN: Flags = Flags::of(&[Flags::ADMIN, Flags::SKIP_MONITOR]);

/// See the module. Each part is a pure structure with its own module; who holds the lock runs alone.
#[derive(Debug)]
pub struct Store {
    /// Keys and values.
    pub keyspace: Keyspace,
    /// Keys that transactions depend on.
    pub watched: Watched,
    /// Clients that wait for keys.
    pub blocked: Blocked,
    /// Subscriptions.
    pub channels: Channels<Arc<Client>>,
    /// Who is told of changed keys.
    pub tracking: Tracking,
    /// Which events of keys become messages.
    events: Wanted,
    /// `CLIENT PAUSE`.
    pub pause: Pause,
    /// Who is shown all commands.
    monitors: Vec<Arc<Client>>,
    /// Somebody has to hear of what commands do, or they have to wait: what is neither is let through with one look.
    pub attention: bool,
    /// The data is being read, snapshots fail, or the node ends: commands are asked whether they may run.
    restricted: bool,
    /// Scripts that are kept.
    pub scripts: Scripts,
    /// Functions.
    pub functions: Functions,
    /// There is more than `maxmemory`, and nothing could be done about it when the last command began.
    pub out_of_memory: bool,
    /// Whose command runs.
    pub current: Option<ClientId>,
    /// What commands did, until the journal has it.
    pub effects: Effects,
    /// Keeps what commands do.
    pub(super) journal: Option<Journal>,
}

impl Store {
    /// Empty, with so many databases.
    #[must_use]
    pub fn new(databases: usize) -> Self {
        Self {
            keyspace: Keyspace::new(databases),
            watched: Watched::default(),
            blocked: Blocked::default(),
            channels: Channels::default(),
            tracking: Tracking::default(),
            events: Wanted::default(),
            pause: Pause::default(),
            monitors: Vec::new(),
            attention: false,
            restricted: false,
            scripts: Scripts::default(),
            functions: Functions::default(),
            out_of_memory: false,
            current: None,
            effects: Effects::default(),
            journal: None,
        }
    }

    /// What commands do is kept from here on, or no longer. Gives back what kept it until now.
    pub(super) fn set_journal(&mut self, journal: Option<Journal>) -> Option<Journal> {
        self.keyspace.record(journal.is_some());
        self.effects.hear(journal.is_some());
        std::mem::replace(&mut self.journal, journal)
    }

    /// Whether somebody has to hear of changes.
    fn is_heard(&self) -> bool {
        !self.watched.is_empty()
            || !self.blocked.is_empty()
            || !self.events.is_nothing()
            || !self.tracking.is_empty()
    }

    /// After somebody began or ceased to want to know of changes.
    fn listen(&mut self) {
        let heard = self.is_heard();
        self.keyspace.listen(heard);
        self.attention = heard || !self.monitors.is_empty() || self.pause.is_begun() || self.restricted;
    }

    /// After something about files began or ceased to keep commands from running.
    pub fn note_restrictions(&mut self, node: &NodeState) {
        let persist = &node.persist;
        self.restricted = persist.is_loading() || persist.is_failing() || persist.is_ending();
        self.listen();
    }

    /// A client is shown all commands from here on.
    pub fn monitor(&mut self, caller: &mut Caller) {
        if !caller.monitoring {
            caller.monitoring = true;
            caller.client.note_in_store();
            caller.client.set_flag(MONITOR, true);
            self.monitors.push(Arc::clone(&caller.client));
            self.listen();
        }
    }

    /// A client is shown nothing any more.
    pub fn end_monitor(&mut self, caller: &mut Caller) {
        caller.monitoring = false;
        caller.client.set_flag(MONITOR, false);
        self.monitors.retain(|monitor| monitor.id != caller.client.id);
        self.listen();
    }

    /// Shows a command that ran to those who are shown all.
    pub(super) fn show(&self, spec: &Spec, request: &Request<'_>, caller: &Caller, node: &NodeState) {
        if !spec.flags.has_any(HIDDEN) {
            self.show_now(request, caller, node);
        }
    }

    /// The same, of what is shown before what it does.
    pub(super) fn show_now(&self, request: &Request<'_>, caller: &Caller, node: &NodeState) {
        if self.monitors.is_empty() {
            return;
        }
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let line = match caller.origin {
            Origin::Script => monitor::line(now, caller.database, &"lua", request),
            _ => monitor::line(now, caller.database, &caller.client.addresses.remote, request),
        };
        let (limits, now) = (node.config.output_limits(), Millis::now());
        self.monitors.iter().for_each(|monitor| monitor.deliver(&line, &limits, now));
    }

    /// `CLIENT PAUSE`.
    pub fn begin_pause(&mut self, span: Span) {
        self.pause.begin(span);
        self.keyspace.set_expired_ones(ExpiredOnes::StayHidden);
        self.listen();
    }

    /// `CLIENT UNPAUSE`, or the end of a pause.
    pub fn unpause(&mut self) {
        self.keyspace.set_expired_ones(ExpiredOnes::Go);
        for client in self.pause.end() {
            client.set_flag(PAUSED, false);
            client.wake();
        }
        self.listen();
    }

    /// The next command of a client waits for the end of a pause.
    pub(super) fn wait_for_unpause(&mut self, client: &Arc<Client>) {
        client.note_in_store();
        client.set_flag(PAUSED, true);
        self.pause.wait(client);
    }

    /// After `notify-keyspace-events` was set.
    pub fn set_events(&mut self, events: Wanted) {
        self.events = events;
        self.listen();
    }

    /// A client asks to be told of changed keys.
    pub fn track(&mut self, caller: &mut Caller, options: Options) {
        caller.client.note_in_store();
        caller.tracking = true;
        self.tracking.enable(&caller.client, options);
        self.listen();
    }

    /// A client asks no more.
    pub fn untrack(&mut self, caller: &mut Caller) {
        caller.tracking = false;
        self.tracking.disable(caller.client.id);
        self.listen();
    }

    /// Before a database is emptied.
    pub fn tell_flushed(&mut self, node: &NodeState, now: Millis) {
        if !self.tracking.is_empty() {
            let limits = node.config.output_limits();
            self.tracking.flushed(self.current, Sending { limits: &limits, now, others: &node.clients });
        }
    }

    /// A client subscribes.
    pub fn subscribe(&mut self, kind: Kind, caller: &mut Caller, name: &[u8]) {
        caller.client.note_in_store();
        self.channels.subscribe(kind, &caller.client, name);
        self.count_subscriptions(caller);
    }

    /// A client ends a subscription.
    pub fn unsubscribe(&mut self, kind: Kind, caller: &mut Caller, name: &[u8]) {
        self.channels.unsubscribe(kind, caller.client.id, name);
        self.count_subscriptions(caller);
    }

    /// A client ends all its subscriptions.
    pub fn unsubscribe_all(&mut self, caller: &mut Caller) {
        self.channels.remove(caller.client.id);
        self.count_subscriptions(caller);
    }

    fn count_subscriptions(&self, caller: &mut Caller) {
        let counts = [Kind::Channel, Kind::Pattern, Kind::Shard]
            .map(|kind| self.channels.count(kind, caller.client.id));
        caller.client.set_subscriptions(counts);
        caller.client.set_held(Held::Subscriptions, self.channels.bytes(caller.client.id));
        caller.subscribed = counts.iter().any(|&count| count > 0);
    }

    /// A client watches a key.
    pub fn watch(&mut self, client: &Client, database: usize, key: &[u8]) {
        client.note_in_store();
        self.watched.add(client.id, database, key);
        client.set_held(Held::Watched, self.watched.bytes(client.id));
        self.listen();
    }

    /// A client watches nothing any more.
    pub fn unwatch(&mut self, client: &Client) {
        self.watched.remove(client.id);
        client.set_held(Held::Watched, 0);
        self.listen();
    }

    /// A client waits for one of these keys.
    pub fn block<'k>(
        &mut self,
        caller: Caller,
        row: &'static Row,
        args: Args,
        keys: impl Iterator<Item = &'k [u8]>,
    ) {
        caller.client.note_in_store();
        caller.client.set_flag(BLOCKED, true);
        self.blocked.add(caller, row, args, keys);
        self.listen();
    }

    /// A client waits no longer. Says in what it did, if it did.
    pub(super) fn end_waiting(&mut self, client: &Client) -> Option<Waiter> {
        let waiter = self.blocked.remove(client.id)?;
        client.set_flag(BLOCKED, false);
        self.listen();
        Some(waiter)
    }

    /// Nothing more is for a client: it has said that it leaves, or has gone. What it was served with is still its own.
    pub(super) fn leave(&mut self, client: &Arc<Client>) {
        self.channels.remove(client.id);
        self.tracking.disable(client.id);
        self.pause.forget(client);
        self.monitors.retain(|monitor| monitor.id != client.id);
        self.unwatch(client);
    }

    /// A client is gone: nothing is kept for it, and what it was handed but could not be told of is back.
    pub(super) fn forget(&mut self, client: &Arc<Client>, node: &NodeState, now: Millis) {
        self.leave(client);
        self.end_waiting(client);
        if let Some((database, served)) = client.take_served() {
            let access = self.keyspace.access(now, false);
            if self.effects.is_heard() {
                served.tell_given_back(database, &mut self.effects);
            }
            served.give_back(self.keyspace.db_mut(database), access, &node.config);
            self.settle(node, now);
        }
    }

    /// Tells everybody who has to hear of it what happened to keys.
    pub fn note_changes(&mut self, node: &NodeState, now: Millis) {
        if !self.keyspace.has_changes() {
            return;
        }
        let limits = node.config.output_limits();
        let sending = Sending { limits: &limits, now, others: &node.clients };
        let Self { keyspace, watched, blocked, channels, tracking, events, current, .. } = self;
        keyspace.drain_changes(&mut |database, change, key| {
            let event = match change {
                Change::Event(class, name) => Some((class, name)),
                Change::Created => Some((EventClass::New, "new")),
                Change::Expired => Some((EventClass::Expired, "expired")),
                Change::Written | Change::ExpiryChanged | Change::Removed | Change::Evicted => None,
            };
            if let Some((class, name)) = event {
                events.messages(database, class, name, key, &mut |channel, payload| {
                    channels.publish(channel, payload, &mut |client, message| {
                        client.deliver(message.bytes(client.version()), &limits, now);
                    });
                });
            }
            match change {
                Change::Created | Change::Event(..) => return,
                Change::Written | Change::Removed | Change::Expired | Change::Evicted => {
                    blocked.touch(database, key);
                }
                Change::ExpiryChanged => {}
            }
            for client in watched.touch(database, key) {
                if let Some(client) = node.clients.get(client) {
                    client.set_flag(CHANGED, true);
                }
            }
            if !tracking.is_empty() {
                let by = current.filter(|_| !matches!(change, Change::Expired | Change::Evicted));
                // What is evicted goes before a command runs.
                let current = current.filter(|_| change != Change::Evicted);
                tracking.changed(key, by, current, sending);
            }
        });
    }

    /// Before a database is emptied or changes place: its watched keys that exist, here or in the other, will have changed.
    pub fn touch_watched(&mut self, database: usize, other: Option<usize>, node: &NodeState, now: Millis) {
        for key in self.watched.in_database(database) {
            let exists = |keyspace: &mut Keyspace, database: usize| {
                keyspace.db_mut(database).contains(Key::new(&key), now)
            };
            if exists(&mut self.keyspace, database)
                || other.is_some_and(|other| exists(&mut self.keyspace, other))
            {
                for client in self.watched.touch(database, &key) {
                    if let Some(client) = node.clients.get(client) {
                        client.set_flag(CHANGED, true);
                    }
                }
            }
        }
    }
}
