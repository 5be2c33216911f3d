//! `WATCH`: which clients want to know whether which keys change before their `EXEC`.

use std::collections::HashMap;

use super::clients::ClientId;

type Name = (usize, Box<[u8]>);

/// Watched keys and their watchers.
#[derive(Debug, Default)]
pub struct Watched {
    /// By database and key, the clients that watch it.
    keys: HashMap<Name, Vec<ClientId>>,
    clients: HashMap<ClientId, Watch>,
}

#[derive(Debug, Default)]
struct Watch {
    keys: Vec<Name>,
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
        let watch = self.clients.entry(client).or_default();
        if watch.keys.iter().any(|(known, name)| *known == database && **name == *key) {
            return;
        }
        let name: Name = (database, key.into());
        watch.keys.push(name.clone());
        self.keys.entry(name).or_default().push(client);
    }

    /// A client watches nothing any more.
    pub fn remove(&mut self, client: ClientId) {
        let Some(watch) = self.clients.remove(&client) else { return };
        for name in watch.keys {
            if let Some(watchers) = self.keys.get_mut(&name) {
                watchers.retain(|&watcher| watcher != client);
                if watchers.is_empty() {
                    self.keys.remove(&name);
                }
            }
        }
    }

    /// A key has changed. Says who must know.
    pub fn touch(&mut self, database: usize, key: &[u8]) -> &[ClientId] {
        // Looking up takes an owned key; there are few of them, as long as somebody watches.
        let Some(watchers) = self.keys.get(&(database, key.into())) else { return &[] };
        for client in watchers {
            if let Some(watch) = self.clients.get_mut(client) {
                watch.changed = true;
            }
        }
        watchers
    }

    /// Whether a key that the client watches has changed.
    #[must_use]
    pub fn has_changed(&self, client: ClientId) -> bool {
        self.clients.get(&client).is_some_and(|watch| watch.changed)
    }

    /// The keys that a client watches.
    #[must_use]
    pub fn of(&self, client: ClientId) -> Vec<(usize, Box<[u8]>)> {
        self.clients.get(&client).map_or(Vec::new(), |watch| watch.keys.clone())
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
        assert_eq!(watched.touch(0, b"b"), &[] as &[ClientId]);
        assert_eq!(watched.touch(3, b"b"), &[1]);
        assert!(watched.has_changed(1) && !watched.has_changed(2) && !watched.has_changed(3));
        assert_eq!(watched.touch(0, b"a"), &[1, 2]);
        assert!(watched.has_changed(2));
        assert_eq!(watched.of(1).len(), 2);
        assert_eq!(watched.in_database(0), [Box::from(&b"a"[..])]);
        watched.remove(1);
        assert!(!watched.has_changed(1) && watched.in_database(3).is_empty());
        assert_eq!(watched.touch(0, b"a"), &[2]);
        watched.remove(2);
        assert!(watched.is_empty() && watched.keys.is_empty());
    }
}
