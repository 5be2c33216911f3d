//! Streams: entries in the order of their IDs, in chunks as Redis makes them, and the groups that read them.

mod chunk;
mod group;
mod id;
#[cfg(test)]
mod tests;

pub use chunk::Entry;
pub use group::{Consumer, ConsumerName, Group, Pending};
pub use id::StreamId;

use std::collections::BTreeMap;

use super::{Element, listpack::Listpack};
use chunk::Chunk;

/// How large chunks may get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// `stream-node-max-bytes`; 0 is no limit.
    pub bytes: usize,
    /// `stream-node-max-entries`; 0 is no limit.
    pub entries: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 4096, entries: 100 }
    }
}

/// A chunk is never larger than this, whatever the limits.
const CHUNK_MAX: usize = 1 << 30;

/// What trimming keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// The last so many entries.
    Last(u64),
    /// Entries from this one on.
    From(StreamId),
}

/// How entries are trimmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trim {
    /// What stays.
    pub keep: Keep,
    /// Only whole chunks go.
    pub whole_chunks: bool,
    /// Entries that go at most; 0 is no limit.
    pub limit: u64,
}

/// An entry's pairs are too large together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("ERR Elements are too large to be stored")]
pub struct TooLarge;

/// See the module.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stream {
    chunks: BTreeMap<StreamId, Chunk>,
    groups: BTreeMap<Vec<u8>, Group>,
    length: u64,
    /// The greatest ID there ever was.
    pub last_id: StreamId,
    /// The greatest ID that `XDEL` deleted.
    pub max_deleted: StreamId,
    /// How many entries were ever added.
    pub entries_added: u64,
    chunk_bytes: usize,
    group_bytes: usize,
}

/// What a chunk or a group takes beside what it holds.
const NODE: usize = (size_of::<StreamId>() + size_of::<Chunk>()) * 3 / 2;
const GROUP: usize = (size_of::<Vec<u8>>() + size_of::<Group>()) * 3 / 2;

impl Stream {
    /// Entries.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.length
    }

    /// Some entry is there.
    #[must_use]
    pub fn has_entries(&self) -> bool {
        self.length > 0
    }

    /// A stream is kept without entries too: its last ID and its groups count.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        false
    }

    /// Bytes of memory beside the struct itself.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.chunk_bytes + self.chunks.len() * NODE + self.group_bytes
    }

    /// How many chunks there are: what `XINFO STREAM` calls keys of its radix tree.
    #[must_use]
    pub fn chunk_count(&self) -> usize {
        self.chunks.len()
    }

    /// The chunks with their IDs, as they are serialised.
    pub fn packs(&self) -> impl ExactSizeIterator<Item = (StreamId, &Listpack)> {
        self.chunks.iter().map(|(&id, chunk)| (id, chunk.pack()))
    }

    /// Takes a chunk over from elsewhere, behind the others. `None` if it is not one.
    #[must_use]
    pub fn add_pack(&mut self, id: StreamId, pack: Listpack) -> Option<()> {
        let chunk = Chunk::of_pack(pack, id)?;
        self.chunks
            .last_key_value()
            .is_none_or(|(&last, before)| before.last_slot(last) < id)
            .then_some(())?;
        self.length += chunk.len() as u64;
        self.chunk_bytes += chunk.capacity();
        self.chunks.insert(id, chunk);
        Some(())
    }

    /// Adds an entry whose ID is above the last one.
    ///
    /// # Errors
    /// More than a chunk can hold.
    pub fn add<'f>(
        &mut self,
        id: StreamId,
        pairs: impl ExactSizeIterator<Item = (&'f [u8], &'f [u8])> + Clone,
        limits: Limits,
    ) -> Result<(), TooLarge> {
        let size: usize = pairs.clone().map(|(field, value)| field.len() + value.len()).sum();
        if size > CHUNK_MAX {
            return Err(TooLarge);
        }
        let most = if limits.bytes == 0 { CHUNK_MAX } else { limits.bytes.min(CHUNK_MAX) };
        let last = self.chunks.last_entry().filter(|last| {
            let chunk = last.get();
            chunk.pack().as_bytes().len() + size < most
                && (limits.entries == 0 || chunk.slots() < limits.entries)
        });
        if let Some(mut last) = last {
            let base = *last.key();
            let chunk = last.get_mut();
            let before = chunk.capacity();
            chunk.add(base, id, pairs);
            self.chunk_bytes = self.chunk_bytes + chunk.capacity() - before;
        } else {
            let mut chunk = Chunk::new(pairs.clone().map(|(field, _)| field));
            chunk.add(id, id, pairs);
            self.chunk_bytes += chunk.capacity();
            self.chunks.insert(id, chunk);
        }
        self.length += 1;
        self.entries_added += 1;
        self.last_id = id;
        Ok(())
    }

    /// Entries from `start` to `end`, both included.
    pub fn range(&self, start: StreamId, end: StreamId) -> impl Iterator<Item = Entry<'_>> {
        self.chunks_of(start, end)
            .flat_map(|(&base, chunk)| chunk.entries(base))
            .skip_while(move |entry| entry.id < start)
            .take_while(move |entry| entry.id <= end)
    }

    /// The same from the last one on.
    pub fn range_back(&self, start: StreamId, end: StreamId) -> impl Iterator<Item = Entry<'_>> {
        self.chunks_of(start, end)
            .rev()
            .flat_map(|(&base, chunk)| chunk.entries(base).collect::<Vec<_>>().into_iter().rev())
            .skip_while(move |entry| entry.id > end)
            .take_while(move |entry| entry.id >= start)
    }

    fn chunks_of(
        &self,
        start: StreamId,
        end: StreamId,
    ) -> std::collections::btree_map::Range<'_, StreamId, Chunk> {
        let first = self.chunks.range(..=start).next_back().map_or(start, |(&first, _)| first);
        // Nothing is in a range that ends before it begins.
        self.chunks.range(first..=end.max(first))
    }

    /// One entry.
    #[must_use]
    pub fn get(&self, id: StreamId) -> Option<Entry<'_>> {
        self.range(id, id).next()
    }

    /// The first entry.
    #[must_use]
    pub fn first(&self) -> Option<Entry<'_>> {
        self.range(StreamId::MIN, StreamId::MAX).next()
    }

    /// Whether there is an entry behind this one: what was added last may be gone.
    #[must_use]
    pub fn has_entries_after(&self, id: StreamId) -> bool {
        self.last_id > id && self.last().is_some_and(|entry| entry.id > id)
    }

    /// The last entry.
    #[must_use]
    pub fn last(&self) -> Option<Entry<'_>> {
        self.range_back(StreamId::MIN, StreamId::MAX).next()
    }

    /// Deletes an entry; `false` if it is not there.
    pub fn delete(&mut self, id: StreamId) -> bool {
        let Some((&base, chunk)) = self.chunks.range_mut(..=id).next_back() else { return false };
        if !chunk.delete(base, id) {
            return false;
        }
        if chunk.len() == 0 {
            self.drop_chunk(base);
        }
        self.length -= 1;
        self.max_deleted = self.max_deleted.max(id);
        true
    }

    fn drop_chunk(&mut self, base: StreamId) {
        if let Some(chunk) = self.chunks.remove(&base) {
            self.chunk_bytes -= chunk.capacity();
        }
    }

    /// Takes the oldest entries away; says how many.
    pub fn trim(&mut self, trim: Trim) -> u64 {
        let mut gone = 0;
        while let Some((&base, chunk)) = self.chunks.first_key_value() {
            let entries = chunk.len() as u64;
            let whole = match trim.keep {
                Keep::Last(keep) if self.length <= keep => break,
                Keep::Last(keep) => self.length - entries >= keep,
                Keep::From(id) => chunk.last_slot(base) < id,
            };
            if trim.limit > 0 && gone + entries > trim.limit {
                break;
            }
            if whole {
                self.drop_chunk(base);
                self.length -= entries;
                gone += entries;
                continue;
            }
            if !trim.whole_chunks {
                gone += self.trim_within(base, trim.keep);
            }
            break;
        }
        gone
    }

    fn trim_within(&mut self, base: StreamId, keep: Keep) -> u64 {
        let Some(chunk) = self.chunks.get_mut(&base) else { return 0 };
        let there: std::collections::HashSet<StreamId> = chunk.entries(base).map(|entry| entry.id).collect();
        let mut left = self.length;
        let gone = chunk.delete_while(base, |id| match keep {
            Keep::Last(keep) if left <= keep => false,
            Keep::Last(_) => {
                left -= u64::from(there.contains(&id));
                true
            }
            Keep::From(first) => id < first,
        }) as u64;
        self.length -= gone;
        gone
    }

    /// The groups by name.
    #[must_use]
    pub fn groups(&self) -> &BTreeMap<Vec<u8>, Group> {
        &self.groups
    }

    /// A group.
    #[must_use]
    pub fn group(&self, name: &[u8]) -> Option<&Group> {
        self.groups.get(name)
    }

    /// Works on a group, if it is there.
    pub fn change_group<R>(&mut self, name: &[u8], work: impl FnOnce(&mut Group) -> R) -> Option<R> {
        let group = self.groups.get_mut(name)?;
        let before = group.bytes();
        let result = work(group);
        self.group_bytes = self.group_bytes + group.bytes() - before;
        Some(result)
    }

    /// Adds a group; `false` if there is one of this name.
    pub fn add_group(&mut self, name: &[u8], group: Group) -> bool {
        if self.groups.contains_key(name) {
            return false;
        }
        self.group_bytes += GROUP + name.len() + group.bytes();
        self.groups.insert(name.to_vec(), group);
        true
    }

    /// Removes a group; `false` if there is none of this name.
    pub fn remove_group(&mut self, name: &[u8]) -> bool {
        let Some(group) = self.groups.remove(name) else { return false };
        self.group_bytes -= GROUP + name.len() + group.bytes();
        true
    }

    /// Whether `XDEL` deleted something between these, as far as the two ends of what it deleted tell.
    fn has_tombstones(&self, from: StreamId) -> bool {
        let Some(first) = self.first() else { return false };
        self.max_deleted != StreamId::MIN
            && first.id <= self.max_deleted
            && from.max(first.id) <= self.max_deleted
    }

    /// How many entries were added up to one, if that can be told without counting them.
    #[must_use]
    pub fn entries_up_to(&self, id: StreamId) -> Option<u64> {
        if self.entries_added == 0 {
            return Some(0);
        }
        if self.length == 0 && id < self.last_id {
            return Some(self.entries_added);
        }
        if id != StreamId::MIN && id < self.max_deleted {
            return None;
        }
        if id == self.last_id {
            return Some(self.entries_added);
        }
        if id > self.last_id {
            return None;
        }
        let first = self.first()?.id;
        if self.max_deleted == StreamId::MIN || self.max_deleted < first {
            if id < first {
                return Some(self.entries_added - self.length);
            }
            if id == first {
                return Some(self.entries_added - self.length + 1);
            }
        }
        None
    }

    /// How many entries a group has still to read, if that can be told. Less than none if it was told to have read more than
    /// there ever were.
    #[must_use]
    pub fn lag(&self, group: &Group) -> Option<i64> {
        if self.entries_added == 0 {
            return Some(0);
        }
        let read = match group.entries_read {
            Some(read) if !self.has_tombstones(group.last_id) => read,
            _ => self.entries_up_to(group.last_id)?,
        };
        Some(self.entries_added.wrapping_sub(read).cast_signed())
    }

    /// A group is handed an entry: what it has read is counted on.
    #[must_use]
    pub fn read_after(&self, group: &Group, id: StreamId) -> Option<u64> {
        match group.entries_read {
            Some(read) if !self.has_tombstones(id) => Some(read + 1),
            _ if self.entries_added > 0 => self.entries_up_to(id),
            read => read,
        }
    }
}
