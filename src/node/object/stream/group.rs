//! Consumer groups: who was handed which entry and has not said that it is dealt with.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::StreamId;
use crate::time::Millis;

/// The name of a consumer, which its pending entries share.
pub type ConsumerName = Arc<[u8]>;

/// An entry that a consumer was handed.
#[derive(Clone, Debug, PartialEq)]
pub struct Pending {
    /// By whom it is held.
    pub consumer: ConsumerName,
    /// When it was last handed out.
    pub delivered: Millis,
    /// How often it was.
    pub count: u64,
}

/// Somebody who reads for a group.
#[derive(Clone, Debug, PartialEq)]
pub struct Consumer {
    /// When it last asked for something.
    pub seen: Millis,
    /// When it last got something, if it ever did.
    pub active: Option<Millis>,
    pub(super) pending: BTreeSet<StreamId>,
}

impl Consumer {
    /// The entries it holds, from the first.
    #[must_use]
    pub fn pending(&self) -> &BTreeSet<StreamId> {
        &self.pending
    }
}

/// See the module.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// The last entry that was handed out.
    pub last_id: StreamId,
    /// How many entries were read, if it is known.
    pub entries_read: Option<u64>,
    pending: BTreeMap<StreamId, Pending>,
    consumers: BTreeMap<ConsumerName, Consumer>,
    /// Bytes of the consumers' names.
    names: usize,
}

impl Group {
    /// A group that has read up to an entry.
    #[must_use]
    pub fn new(last_id: StreamId, entries_read: Option<u64>) -> Self {
        let (pending, consumers) = Default::default();
        Self { last_id, entries_read, pending, consumers, names: 0 }
    }

    /// Bytes of memory on the heap, about.
    #[must_use]
    pub fn bytes(&self) -> usize {
        /// An entry is in two trees, whose nodes are two thirds full.
        const PENDING: usize = (2 * size_of::<StreamId>() + size_of::<Pending>()) * 3 / 2;
        const CONSUMER: usize = (size_of::<ConsumerName>() + size_of::<Consumer>()) * 3 / 2;
        self.pending.len() * PENDING + self.consumers.len() * CONSUMER + self.names
    }

    /// All pending entries, from the first.
    #[must_use]
    pub fn pending(&self) -> &BTreeMap<StreamId, Pending> {
        &self.pending
    }

    /// All consumers by name.
    #[must_use]
    pub fn consumers(&self) -> &BTreeMap<ConsumerName, Consumer> {
        &self.consumers
    }

    /// A consumer, to set its times.
    pub fn consumer_mut(&mut self, name: &[u8]) -> Option<&mut Consumer> {
        self.consumers.get_mut(name)
    }

    /// Adds a consumer; `false` if it was there.
    pub fn add_consumer(&mut self, name: &[u8], seen: Millis) -> bool {
        if self.consumers.contains_key(name) {
            return false;
        }
        self.names += name.len() + 2 * size_of::<usize>();
        self.consumers.insert(name.into(), Consumer { seen, active: None, pending: BTreeSet::new() });
        true
    }

    /// Removes a consumer and forgets what it holds; says how many entries that were.
    pub fn remove_consumer(&mut self, name: &[u8]) -> Option<usize> {
        let consumer = self.consumers.remove(name)?;
        self.names -= name.len() + 2 * size_of::<usize>();
        for id in &consumer.pending {
            self.pending.remove(id);
        }
        Some(consumer.pending.len())
    }

    /// A consumer, which is there, holds an entry from now on, whoever held it before.
    pub fn hand(&mut self, id: StreamId, consumer: &[u8], delivered: Millis, count: u64) {
        let Some((name, _)) = self.consumers.get_key_value(consumer) else { return };
        let pending = Pending { consumer: Arc::clone(name), delivered, count };
        if let Some(before) = self.pending.insert(id, pending)
            && let Some(holder) = self.consumers.get_mut(&before.consumer)
        {
            holder.pending.remove(&id);
        }
        if let Some(holder) = self.consumers.get_mut(consumer) {
            holder.pending.insert(id);
        }
    }

    /// An entry is handed to its holder once more.
    pub fn again(&mut self, id: StreamId, now: Millis) {
        if let Some(pending) = self.pending.get_mut(&id) {
            pending.delivered = now;
            pending.count += 1;
        }
    }

    /// An entry is dealt with; `false` if it was not pending.
    pub fn acknowledge(&mut self, id: StreamId) -> bool {
        let Some(pending) = self.pending.remove(&id) else { return false };
        if let Some(holder) = self.consumers.get_mut(&pending.consumer) {
            holder.pending.remove(&id);
        }
        true
    }
}
