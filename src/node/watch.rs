//! `WATCH`: which clients want to know whether which keys change before their `EXEC`.

use std::collections::{HashMap, HashSet};

use super::clients::ClientId;
use crate::connection::held_name;

type Name = (usize, Box<[u8]>);

/// Watched keys and their watchers.
#[derive(Debug, Default)]
pub struct Watched {
    /// By database and key, the clients that watch it.
    keys: HashMap<Name, HashSet<ClientId>>,
    clients: HashMap<ClientId, Watch>,
}

#[derive(Debug, Default)]
struct Watch {
    keys: HashSet<Name>,
    /// That they take.
    bytes: usize,
    changed: bool,
}

impl Watched {
    /// Nobody watches anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.clients.is_empty()
    }

    /// A client watches one more key.
    pub fn add(&mut self, client: ClientId, database: usize, key: &[u8]) {
        let name: Name = (database, key.into());
        let watch = self.clients.entry(client).or_default();
        if watch.keys.insert(name.clone()) {
            watch.bytes += held_name(key);
            self.keys.entry(name).or_default().insert(client);
        }
    }

    /// A client watches nothing any more.
    pub fn remove(&mut self, client: ClientId) {
        let Some(watch) = self.clients.remove(&client) else { return };
        for name in watch.keys {
            if let Some(watchers) = self.keys.get_mut(&name) {
                watchers.remove(&client);
                if watchers.is_empty() {
                    self.keys.remove(&name);
                }
            }
        }
    }

    /// A key has changed. Says who must know.
    pub fn touch(&mut self, database: usize, key: &[u8]) -> impl Iterator<Item = ClientId> {
        // Looking up takes an owned key, and nobody pays for it who does not live with watchers.
        let watchers = if self.keys.is_empty() { None } else { self.keys.get(&(database, key.into())) };
        for client in watchers.into_iter().flatten() {
            if let Some(watch) = self.clients.get_mut(client) {
                watch.changed = true;
            }
        }
        watchers.into_iter().flatten().copied()
    }

    /// Whether a key that the client watches has changed.
    #[must_use]
    pub fn has_changed(&self, client: ClientId) -> bool {
        self.clients.get(&client).is_some_and(|watch| watch.changed)
    }

    /// Bytes that the keys take which a client watches.
    #[must_use]
    pub fn bytes(&self, client: ClientId) -> usize {
        self.clients.get(&client).map_or(0, |watch| watch.bytes)
    }

    /// The keys that a client watches.
    #[must_use]
    pub fn of(&self, client: ClientId) -> Vec<(usize, Box<[u8]>)> {
        self.clients.get(&client).map_or(Vec::new(), |watch| watch.keys.iter().cloned().collect())
    }

    /// The watched keys of a database.
    #[must_use]
    pub fn in_database(&self, database: usize) -> Vec<Box<[u8]>> {
        self.keys.keys().filter(|(of, _)| *of == database).map(|(_, key)| key.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_who_watch_a_key_know_that_it_changed() {
        let mut watched = Watched::default();
        watched.add(1, 0, b"a");
        watched.add(1, 0, b"a");
        watched.add(1, 3, b"b");
        watched.add(2, 0, b"a");
        let touch = |watched: &mut Watched, database, key: &[u8]| {
            let mut told: Vec<ClientId> = watched.touch(database, key).collect();
            told.sort_unstable();
            told
        };
        assert_eq!(touch(&mut watched, 0, b"b"), [0; 0]);
        assert_eq!(touch(&mut watched, 3, b"b"), [1]);
        assert!(watched.has_changed(1) && !watched.has_changed(2) && !watched.has_changed(3));
        assert_eq!(touch(&mut watched, 0, b"a"), [1, 2]);
        assert!(watched.has_changed(2));
        assert_eq!(watched.of(1).len(), 2);
        assert_eq!(watched.in_database(0), [Box::from(&b"a"[..])]);
        watched.remove(1);
        assert!(!watched.has_changed(1) && watched.in_database(3).is_empty());
        assert_eq!(touch(&mut watched, 0, b"a"), [2]);
        watched.remove(2);
        assert!(watched.is_empty() && watched.keys.is_empty());
    }
}
