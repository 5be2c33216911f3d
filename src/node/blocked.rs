//! Clients that wait for a key: in the order in which they came, for each key. Pure: who serves them is told by
//! [`Blocked::next_ready`], and does it under the lock that guards this.

use std::collections::{HashMap, HashSet, VecDeque};

use super::{caller::Caller, clients::ClientId, commands::table::Row};
use crate::protocol::Args;

type Name = (usize, Box<[u8]>);

/// A client that waits, and the command it waits in.
#[derive(Debug)]
pub struct Waiter {
    /// On whose behalf the command runs once it can.
    pub caller: Caller,
    /// The command.
    pub row: &'static Row,
    /// Its arguments.
    pub args: Args,
    keys: Vec<Name>,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Blocked {
    waiters: HashMap<ClientId, Waiter>,
    by_key: HashMap<Name, VecDeque<ClientId>>,
    /// Keys that got something, in that order, each once.
    ready: VecDeque<Name>,
    is_ready: HashSet<Name>,
}

impl Blocked {
    /// Nobody waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiters.is_empty()
    }

    /// How many clients wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.waiters.len()
    }

    /// A client waits for one of these keys of its database.
    pub fn add<'k>(
        &mut self,
        caller: Caller,
        row: &'static Row,
        args: Args,
        keys: impl Iterator<Item = &'k [u8]>,
    ) {
        let client = caller.client.id;
        let mut names: Vec<Name> = Vec::new();
        for key in keys {
            let name: Name = (caller.database, key.into());
            let queue = self.by_key.entry(name.clone()).or_default();
            // A key that is named twice is waited for once.
            if queue.back() != Some(&client) {
                queue.push_back(client);
                names.push(name);
            }
        }
        self.waiters.insert(client, Waiter { caller, row, args, keys: names });
    }

    /// A client waits no longer; gives what it waited in.
    pub fn remove(&mut self, client: ClientId) -> Option<Waiter> {
        let waiter = self.waiters.remove(&client)?;
        for name in &waiter.keys {
            if let Some(queue) = self.by_key.get_mut(name) {
                queue.retain(|&waiting| waiting != client);
                if queue.is_empty() {
                    self.by_key.remove(name);
                }
            }
        }
        Some(waiter)
    }

    /// Whether this client waits.
    #[must_use]
    pub fn is_waiting(&self, client: ClientId) -> bool {
        self.waiters.contains_key(&client)
    }

    /// A key has something now: who waits for it is to be served.
    pub fn touch(&mut self, database: usize, key: &[u8]) {
        let name: Name = (database, key.into());
        if self.by_key.contains_key(&name) && self.is_ready.insert(name.clone()) {
            self.ready.push_back(name);
        }
    }

    /// After databases changed places: every key that is waited for may have something.
    pub fn touch_all(&mut self) {
        let names: Vec<Name> = self.by_key.keys().cloned().collect();
        names.iter().for_each(|(database, key)| self.touch(*database, key));
    }

    /// The next key that has something.
    pub fn next_ready(&mut self) -> Option<(usize, Box<[u8]>)> {
        let name = self.ready.pop_front()?;
        self.is_ready.remove(&name);
        Some(name)
    }

    /// Whether a client waits for what a group of a stream has for it.
    #[must_use]
    pub fn is_in_group(&self, client: ClientId) -> bool {
        self.waiters.get(&client).is_some_and(|waiter| waiter.row.spec.name == "xreadgroup")
    }

    /// Whether one of those who wait for a key does.
    #[must_use]
    pub fn any_in_group(&self, database: usize, key: &[u8]) -> bool {
        let queue = self.by_key.get(&(database, key.into()));
        queue.is_some_and(|queue| queue.iter().any(|&client| self.is_in_group(client)))
    }

    /// Who waits for a key, in the order in which they came, from 0.
    #[must_use]
    pub fn nth(&self, database: usize, key: &[u8], index: usize) -> Option<ClientId> {
        self.by_key.get(&(database, key.into()))?.get(index).copied()
    }

    /// What a client waits in.
    #[must_use]
    pub fn waiter(&self, client: ClientId) -> Option<&Waiter> {
        self.waiters.get(&client)
    }

    /// Takes out what a client waits in, to run it; its place in the queues stays. [`Blocked::resume`] puts it back.
    pub fn suspend(&mut self, client: ClientId) -> Option<Waiter> {
        self.waiters.remove(&client)
    }

    /// See [`Blocked::suspend`].
    pub fn resume(&mut self, waiter: Waiter) {
        self.waiters.insert(waiter.caller.client.id, waiter);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        acl::Acl,
        command::TABLE,
        node::{clients::Clients, commands::table, state::NodeState},
        server::Addresses,
        time::Millis,
    };

    struct World {
        node: NodeState,
        clients: Clients,
        blocked: Blocked,
    }

    impl World {
        fn new() -> Self {
            Self { node: NodeState::default(), clients: Clients::default(), blocked: Blocked::default() }
        }

        fn wait(&mut self, database: usize, keys: &[&str]) -> ClientId {
            let nowhere = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
            let addresses = Addresses { remote: nowhere, local: nowhere };
            let user = Acl::default().default_user().clone();
            let client = self.clients.unlisted(addresses, user, Millis(0));
            let mut caller = Caller::new(&self.node, client);
            caller.database = database;
            let id = caller.client.id;
            let spec = TABLE.iter().find(|spec| spec.name == "blpop").expect("in the table");
            let row = table::row(spec).expect("implemented");
            let keys = keys.iter().map(|key| key.as_bytes());
            self.blocked.add(caller, row, Args::default(), keys);
            id
        }

        fn ready(&mut self) -> Option<(usize, String, Vec<ClientId>)> {
            let (database, key) = self.blocked.next_ready()?;
            let clients = (0..).map_while(|index| self.blocked.nth(database, &key, index)).collect();
            Some((database, String::from_utf8_lossy(&key).into_owned(), clients))
        }
    }

    #[test]
    fn first_come_first_served_for_each_key() {
        let mut world = World::new();
        let first = world.wait(0, &["a", "b", "a"]);
        let second = world.wait(0, &["b"]);
        let third = world.wait(1, &["a"]);
        world.blocked.touch(0, b"c");
        assert_eq!(world.ready(), None);
        world.blocked.touch(0, b"b");
        world.blocked.touch(0, b"a");
        world.blocked.touch(0, b"b");
        assert_eq!(world.ready(), Some((0, "b".into(), vec![first, second])));
        assert!(world.blocked.remove(first).is_some());
        assert_eq!(world.ready(), Some((0, "a".into(), vec![])), "whoever waited is gone meanwhile");
        assert_eq!(world.ready(), None);
        assert!(world.blocked.is_waiting(second) && !world.blocked.is_waiting(first));
        assert!(world.blocked.remove(first).is_none());
        world.blocked.touch_all();
        let mut all = [world.ready(), world.ready()].map(|ready| ready.expect("two keys"));
        all.sort();
        assert_eq!(all, [(0, "b".into(), vec![second]), (1, "a".into(), vec![third])]);
        world.blocked.remove(second);
        world.blocked.remove(third);
        assert!(world.blocked.is_empty() && world.blocked.by_key.is_empty());
    }
}
