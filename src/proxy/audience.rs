//! How many more clients of this proxy are subscribed than its workers are for them. A node counts connections, and a worker has one for
//! all its clients: what a node counts and this together is what one Redis would count.

use std::{
    collections::HashMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use crate::{
    connection::channels::Kind,
    protocol::glob::{Case, Glob},
};

/// See the module. All workers of a proxy share it; it is empty, and costs one load, while no worker has two clients for a name.
#[derive(Debug, Default)]
pub(super) struct Audience {
    names: AtomicUsize,
    more: Mutex<ByKind>,
}

type ByKind = [HashMap<Box<[u8]>, More>; 3];

#[derive(Debug)]
struct More {
    clients: i64,
    /// Of a pattern.
    glob: Option<Glob>,
}

impl Audience {
    /// A worker has so many more clients for a name, or less.
    pub(super) fn change(&self, kind: Kind, name: &[u8], by: i64) {
        let mut more = self.more.lock().unwrap_or_else(PoisonError::into_inner);
        let names = &mut more[kind as usize];
        let glob = || (kind == Kind::Pattern).then(|| Glob::new(name, Case::Exact));
        let entry = names.entry(name.into()).or_insert_with(|| More { clients: 0, glob: glob() });
        entry.clients += by;
        if entry.clients == 0 {
            names.remove(name);
        }
        self.names.store(more.iter().map(HashMap::len).sum(), Relaxed);
    }

    fn more(&self) -> Option<MutexGuard<'_, ByKind>> {
        let is_empty = self.names.load(Relaxed) == 0;
        (!is_empty).then(|| self.more.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// How many more are subscribed to a channel by its name.
    pub(super) fn of(&self, kind: Kind, name: &[u8]) -> i64 {
        let Some(more) = self.more() else { return 0 };
        more[kind as usize].get(name).map_or(0, |more| more.clients)
    }

    /// How many more receive a message, each as often as it does.
    pub(super) fn receivers(&self, kind: Kind, channel: &[u8]) -> i64 {
        let Some(more) = self.more() else { return 0 };
        let by_name = more[kind as usize].get(channel).map_or(0, |more| more.clients);
        if kind == Kind::Shard {
            return by_name;
        }
        let matches = |more: &&More| more.glob.as_ref().is_some_and(|glob| glob.matches(channel));
        let patterns = more[Kind::Pattern as usize].values();
        by_name + patterns.filter(matches).map(|more| more.clients).sum::<i64>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_is_who_receives() {
        let audience = Audience::default();
        assert_eq!(audience.receivers(Kind::Channel, b"news"), 0);
        audience.change(Kind::Channel, b"news", 2);
        audience.change(Kind::Pattern, b"n*", 3);
        audience.change(Kind::Pattern, b"x*", 5);
        audience.change(Kind::Shard, b"news", 7);
        assert_eq!(audience.receivers(Kind::Channel, b"news"), 5);
        assert_eq!(audience.receivers(Kind::Channel, b"nobody"), 3);
        assert_eq!(audience.receivers(Kind::Shard, b"news"), 7);
        assert_eq!(audience.receivers(Kind::Shard, b"n*"), 0, "patterns are of no shard channel");
        assert_eq!(audience.of(Kind::Channel, b"news"), 2);
        audience.change(Kind::Channel, b"news", -2);
        assert_eq!(audience.of(Kind::Channel, b"news"), 0);
        assert_eq!(audience.receivers(Kind::Channel, b"news"), 3);
    }
}
