//! Which clients of a worker may have copies of which keys: who has read them, through which node, and who is told of all keys that begin
//! alike. Pure: nodes and clients are numbers, and whoever asks tells them.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::{routing::NodeIndex, slab::Key};
use crate::slot::SlotId;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Readers {
    /// Clients for whom reads are remembered.
    clients: HashSet<Key>,
    keys: HashMap<Box<[u8]>, Read>,
    /// Who is told of keys that begin so.
    prefixes: BTreeMap<Box<[u8]>, Vec<Key>>,
}

#[derive(Debug)]
struct Read {
    /// Which node remembers that it was read.
    node: NodeIndex,
    clients: Vec<Key>,
}

impl Read {
    /// Those who have read it and want to hear of it.
    fn told(mut self, clients: &HashSet<Key>) -> Vec<Key> {
        self.clients.retain(|client| clients.contains(client));
        self.clients
    }
}

impl Readers {
    /// Reads of a client are remembered from now on.
    pub(super) fn add(&mut self, client: Key) {
        self.clients.insert(client);
    }

    /// A client is told of all keys with these prefixes.
    pub(super) fn add_prefixes<'a>(&mut self, client: Key, prefixes: impl IntoIterator<Item = &'a [u8]>) {
        for prefix in prefixes {
            let clients = self.prefixes.entry(prefix.into()).or_default();
            if !clients.contains(&client) {
                clients.push(client);
            }
        }
    }

    /// A client is told of nothing any more, not even of what it has read. That stands here until it changes: who begins again is told of it, as by
    /// Redis, but not who asks for prefixes then.
    pub(super) fn remove(&mut self, client: Key) {
        self.clients.remove(&client);
        self.prefixes.retain(|_, clients| {
            clients.retain(|&known| known != client);
            !clients.is_empty()
        });
        if self.clients.is_empty() {
            self.keys = HashMap::new();
        }
    }

    /// Whether reads of any client are remembered.
    pub(super) fn are_any(&self) -> bool {
        !self.clients.is_empty()
    }

    /// Whether any client is told by prefixes.
    pub(super) fn have_prefixes(&self) -> bool {
        !self.prefixes.is_empty()
    }

    /// A client reads a key at a node.
    pub(super) fn remember(&mut self, key: &[u8], node: NodeIndex, client: Key) {
        let read = match self.keys.get_mut(key) {
            Some(read) => read,
            None => self.keys.entry(key.into()).or_insert(Read { node, clients: Vec::new() }),
        };
        read.node = node;
        if !read.clients.contains(&client) {
            read.clients.push(client);
        }
    }

    /// A client changes a key itself and does not want to be told.
    pub(super) fn forget(&mut self, key: &[u8], client: Key) {
        if let Some(read) = self.keys.get_mut(key) {
            read.clients.retain(|&known| known != client);
            if read.clients.is_empty() {
                self.keys.remove(key);
            }
        }
    }

    /// A key has changed: who has read it. It is not remembered any more, by the node neither.
    pub(super) fn changed(&mut self, key: &[u8]) -> Vec<Key> {
        self.keys.remove(key).map_or(Vec::new(), |read| read.told(&self.clients))
    }

    /// A node does not remember anything any more: who has read keys there.
    pub(super) fn lost(&mut self, node: NodeIndex) -> Vec<Key> {
        let lost = self.keys.extract_if(|_, read| read.node == node);
        let clients: HashSet<Key> = lost.flat_map(|(_, read)| read.told(&self.clients)).collect();
        clients.into_iter().collect()
    }

    /// Keys that were read at a node which does not own their slot any more, and who has read them.
    pub(super) fn moved(
        &mut self,
        owner: impl Fn(SlotId) -> Option<NodeIndex>,
    ) -> Vec<(Box<[u8]>, Vec<Key>)> {
        let moved = self.keys.extract_if(|key, read| owner(SlotId::of_key(key)) != Some(read.node));
        moved.map(|(key, read)| (key, read.told(&self.clients))).collect()
    }

    /// Clients that are told by prefixes.
    pub(super) fn with_prefixes(&self) -> Vec<Key> {
        let clients: HashSet<Key> = self.prefixes.values().flatten().copied().collect();
        clients.into_iter().collect()
    }

    /// Who is told of which of these keys by prefixes; each prefix by itself.
    pub(super) fn by_prefix<'a>(&self, keys: &[&'a [u8]]) -> Vec<(Key, Vec<&'a [u8]>)> {
        let mut told = Vec::new();
        for (prefix, clients) in &self.prefixes {
            let begin_so: Vec<&[u8]> = keys.iter().copied().filter(|key| key.starts_with(prefix)).collect();
            if !begin_so.is_empty() {
                told.extend(clients.iter().map(|&client| (client, begin_so.clone())));
            }
        }
        told
    }

    /// The fewest prefixes that cover all: nodes take none that begins with another.
    pub(super) fn cover(&self) -> Vec<Box<[u8]>> {
        let mut cover: Vec<Box<[u8]>> = Vec::new();
        // In order, a prefix stands right before those that begin with it.
        for prefix in self.prefixes.keys() {
            if !cover.last().is_some_and(|shorter| prefix.starts_with(shorter)) {
                cover.push(prefix.clone());
            }
        }
        cover
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::slab::Slab;

    fn clients<const N: usize>() -> [Key; N] {
        let mut slab = Slab::default();
        std::array::from_fn(|_| slab.insert(()))
    }

    #[test]
    fn readers_are_told_once() {
        let [a, b] = clients();
        let mut readers = Readers::default();
        readers.add(a);
        readers.add(b);
        readers.remember(b"k", 0, a);
        readers.remember(b"k", 0, b);
        readers.remember(b"k", 0, a);
        assert_eq!(readers.changed(b"k"), [a, b]);
        assert_eq!(readers.changed(b"k"), []);
        readers.remember(b"k", 0, a);
        readers.remember(b"k", 0, b);
        readers.forget(b"k", a);
        assert_eq!(readers.changed(b"k"), [b]);
    }

    #[test]
    fn what_a_node_forgets_and_what_moves_is_known() {
        let [a, b] = clients();
        let mut readers = Readers::default();
        readers.add(a);
        readers.add(b);
        readers.remember(b"x", 0, a);
        readers.remember(b"y", 1, a);
        readers.remember(b"z", 1, b);
        assert_eq!(readers.lost(0), [a]);
        assert_eq!(readers.lost(0), []);
        let slot = SlotId::of_key(b"y");
        let moved = readers.moved(|of| Some(if of == slot { 2 } else { 1 }));
        assert_eq!(moved, [(b"y"[..].into(), vec![a])]);
        assert_eq!(readers.changed(b"z"), [b]);
        readers.remember(b"x", 0, a);
        readers.remove(a);
        readers.remove(b);
        assert!(!readers.are_any() && readers.changed(b"x").is_empty());
    }

    #[test]
    fn who_reads_no_more_is_not_told_of_what_it_read() {
        let [a, b] = clients();
        let mut readers = Readers::default();
        readers.add(a);
        readers.add(b);
        for key in [&b"x"[..], b"y", b"z"] {
            readers.remember(key, 0, a);
            readers.remember(key, 0, b);
        }
        readers.remove(a);
        readers.add_prefixes(a, [&b""[..]]);
        assert_eq!(readers.changed(b"x"), [b], "prefixes tell it already");
        readers.remove(a);
        readers.add(a);
        assert_eq!(readers.changed(b"y"), [a, b], "as Redis does");
        readers.remove(a);
        assert_eq!(readers.lost(0), [b]);
    }

    #[test]
    fn prefixes_are_covered_by_the_fewest() {
        let [a, b] = clients();
        let mut readers = Readers::default();
        readers.add_prefixes(a, [&b"user:"[..], b"item:"]);
        readers.add_prefixes(b, [&b"user:1"[..]]);
        assert_eq!(readers.cover(), [b"item:"[..].into(), b"user:"[..].into()]);
        let told = readers.by_prefix(&[b"user:12", b"user:2", b"other"]);
        assert_eq!(told, [(a, vec![&b"user:12"[..], b"user:2"]), (b, vec![b"user:12"])]);
        readers.add_prefixes(b, [&b""[..]]);
        assert_eq!(readers.cover(), [Box::default()]);
        readers.remove(b);
        assert_eq!(readers.with_prefixes(), [a]);
        readers.remove(a);
        assert!(!readers.have_prefixes() && readers.cover().is_empty());
    }
}
