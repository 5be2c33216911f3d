//! Many chunks: a deque of groups, each a deque of chunks, with the elements of every group counted.

use std::collections::VecDeque;

use super::{Chunk, End, Fill};
use crate::node::object::Element;

/// Chunks of a group; one more makes two groups of it.
const GROUP_MAX: usize = 128;

/// See the module. No chunk and no group in it is empty.
#[derive(Debug, Default)]
pub(super) struct Groups {
    groups: VecDeque<Group>,
    len: usize,
    /// Of all chunks.
    bytes: usize,
    chunks: usize,
}

#[derive(Clone, Debug, Default)]
struct Group {
    chunks: VecDeque<Chunk>,
    len: usize,
}

impl Group {
    fn of(chunk: Chunk) -> Self {
        Self { len: chunk.len(), chunks: VecDeque::from([chunk]) }
    }
}

/// Where an element is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) group: usize,
    pub(super) chunk: usize,
    /// Within the chunk.
    pub(super) index: usize,
}

impl FromIterator<Chunk> for Groups {
    fn from_iter<I: IntoIterator<Item = Chunk>>(chunks: I) -> Self {
        let mut groups = Self::default();
        for chunk in chunks {
            groups.add(End::Right, chunk);
        }
        groups
    }
}

impl Clone for Groups {
    /// A copy has no spare room, so it takes other memory than what it is of.
    fn clone(&self) -> Self {
        self.chunks().cloned().collect()
    }
}

impl Groups {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes + self.chunks * size_of::<Chunk>() + self.groups.capacity() * size_of::<Group>()
    }

    pub(super) fn chunks(&self) -> impl Iterator<Item = &Chunk> {
        self.groups.iter().flat_map(|group| &group.chunks)
    }

    /// The chunk at a place.
    pub(super) fn chunk(&self, place: Place) -> Option<&Chunk> {
        self.groups.get(place.group)?.chunks.get(place.chunk)
    }

    /// The first place of the next chunk.
    pub(super) fn next_chunk(&self, place: Place) -> Option<Place> {
        let next = Place { chunk: place.chunk + 1, index: 0, ..place };
        if self.chunk(next).is_some() {
            return Some(next);
        }
        let next = Place { group: place.group + 1, chunk: 0, index: 0 };
        self.chunk(next).map(|_| next)
    }

    /// The last place of the chunk before.
    pub(super) fn previous_chunk(&self, place: Place) -> Option<Place> {
        let (group, chunk) = match place.chunk.checked_sub(1) {
            Some(chunk) => (place.group, chunk),
            None => {
                let group = place.group.checked_sub(1)?;
                (group, self.groups[group].chunks.len() - 1)
            }
        };
        Some(Place { group, chunk, index: self.groups[group].chunks[chunk].len() - 1 })
    }

    /// Where element `index` is; walks from the nearer end.
    pub(super) fn locate(&self, index: usize) -> Option<Place> {
        if index >= self.len {
            return None;
        }
        let (group, mut index) = if index < self.len / 2 {
            let mut left = index;
            let group = self.groups.iter().position(|group| match left.checked_sub(group.len) {
                Some(rest) => {
                    left = rest;
                    false
                }
                None => true,
            })?;
            (group, left)
        } else {
            let mut behind = self.len;
            let group = self.groups.iter().rposition(|group| {
                behind -= group.len;
                behind <= index
            })?;
            (group, index - behind)
        };
        for (chunk, held) in self.groups[group].chunks.iter().enumerate() {
            match index.checked_sub(held.len()) {
                Some(rest) => index = rest,
                None => return Some(Place { group, chunk, index }),
            }
        }
        None
    }

    /// Adds a chunk at an end.
    fn add(&mut self, end: End, chunk: Chunk) {
        self.len += chunk.len();
        self.bytes += chunk.capacity();
        self.chunks += 1;
        let group = match end {
            End::Left => self.groups.front_mut(),
            End::Right => self.groups.back_mut(),
        };
        match (group.filter(|group| group.chunks.len() < GROUP_MAX), end) {
            (Some(group), End::Left) => {
                group.len += chunk.len();
                group.chunks.push_front(chunk);
            }
            (Some(group), End::Right) => {
                group.len += chunk.len();
                group.chunks.push_back(chunk);
            }
            (None, End::Left) => self.groups.push_front(Group::of(chunk)),
            (None, End::Right) => self.groups.push_back(Group::of(chunk)),
        }
    }

    /// Changes a chunk, and counts what that changes. Takes it out if it is empty afterwards.
    fn change<R>(&mut self, place: Place, change: impl FnOnce(&mut Chunk) -> R) -> R {
        let group = &mut self.groups[place.group];
        let chunk = &mut group.chunks[place.chunk];
        let (len, bytes) = (chunk.len(), chunk.capacity());
        let result = change(chunk);
        group.len = group.len - len + chunk.len();
        self.len = self.len - len + chunk.len();
        self.bytes = self.bytes - bytes + chunk.capacity();
        if chunk.len() == 0 {
            self.bytes -= chunk.capacity();
            self.chunks -= 1;
            group.chunks.remove(place.chunk);
            if group.chunks.is_empty() {
                self.groups.remove(place.group);
            }
        }
        result
    }

    /// Puts chunks behind the one at `place`. What is behind it, and it too, may be in another group afterwards.
    fn insert_behind<const N: usize>(&mut self, place: Place, chunks: [Chunk; N]) {
        let group = &mut self.groups[place.group];
        for (offset, chunk) in chunks.into_iter().enumerate() {
            self.len += chunk.len();
            self.bytes += chunk.capacity();
            self.chunks += 1;
            group.len += chunk.len();
            group.chunks.insert(place.chunk + 1 + offset, chunk);
        }
        if group.chunks.len() > GROUP_MAX {
            let chunks = group.chunks.split_off(GROUP_MAX / 2);
            let len = chunks.iter().map(Chunk::len).sum();
            group.len -= len;
            self.groups.insert(place.group + 1, Group { chunks, len });
        }
    }

    fn end(&self, end: End) -> Option<Place> {
        match end {
            End::Left => self.locate(0),
            End::Right => self.locate(self.len.checked_sub(1)?),
        }
    }

    pub(super) fn push(&mut self, end: End, element: Element<'_>, fill: Fill) {
        let place = self.end(end);
        match place {
            Some(place) if self.chunk(place).is_some_and(|chunk| chunk.has_room(element, fill)) => {
                self.change(place, |chunk| chunk.push(end, element));
            }
            _ => self.add(end, Chunk::of(element)),
        }
    }

    pub(super) fn pop<R>(&mut self, end: End, show: impl FnOnce(Element<'_>) -> R) -> Option<R> {
        let place = self.end(end)?;
        self.change(place, |chunk| chunk.pop(end, show))
    }

    pub(super) fn set(&mut self, index: usize, element: Element<'_>, fill: Fill) {
        let Some(place) = self.locate(index) else { return };
        if self.chunk(place).is_some_and(|chunk| chunk.has_room(element, fill) || chunk.len() == 1) {
            self.change(place, |chunk| chunk.set(place.index, element));
        } else {
            // It may be much larger than what was there.
            self.remove(index, 1);
            self.insert(index, element, fill);
        }
    }

    pub(super) fn insert(&mut self, index: usize, element: Element<'_>, fill: Fill) {
        let Some(place) = self.locate(index) else { return self.push(End::Right, element, fill) };
        if self.chunk(place).is_some_and(|chunk| chunk.has_room(element, fill)) {
            self.change(place, |chunk| chunk.insert(place.index, element));
        } else if place.index == 0 {
            // In front of a full chunk: at the end of the one before, if there is room, or between the two.
            match self.previous_chunk(place) {
                None => self.push(End::Left, element, fill),
                Some(before) => {
                    if self.chunk(before).is_some_and(|chunk| chunk.has_room(element, fill)) {
                        self.change(before, |chunk| chunk.push(End::Right, element));
                    } else {
                        self.insert_behind(before, [Chunk::of(element)]);
                    }
                }
            }
        } else {
            let rest = self.change(place, |chunk| chunk.split(place.index));
            if self.chunk(place).is_some_and(|chunk| chunk.has_room(element, fill)) {
                self.change(place, |chunk| chunk.push(End::Right, element));
                self.insert_behind(place, [rest]);
            } else {
                self.insert_behind(place, [Chunk::of(element), rest]);
            }
        }
    }

    pub(super) fn remove(&mut self, index: usize, count: usize) {
        let mut left = count.min(self.len.saturating_sub(index));
        while let Some(place) = self.locate(index).filter(|_| left > 0) {
            let group = &self.groups[place.group];
            if place.chunk == 0 && place.index == 0 && group.len <= left {
                // A whole group.
                left -= group.len;
                self.len -= group.len;
                self.chunks -= group.chunks.len();
                self.bytes -= group.chunks.iter().map(Chunk::capacity).sum::<usize>();
                self.groups.remove(place.group);
                continue;
            }
            let here = left.min(group.chunks[place.chunk].len() - place.index);
            self.change(place, |chunk| chunk.remove(place.index, here));
            left -= here;
        }
        if count < self.len
            && let Some(place) = self.locate(index)
        {
            self.merge_around(place);
        }
    }

    /// Joins a chunk with its neighbours in its group where they have become small.
    fn merge_around(&mut self, place: Place) {
        for first in [Some(place.chunk), place.chunk.checked_sub(1)].into_iter().flatten() {
            let chunks = &mut self.groups[place.group].chunks;
            let both = first..(first + 2).min(chunks.len());
            let mut both = chunks.range_mut(both);
            let (Some(chunk), Some(next)) = (both.next(), both.next()) else { continue };
            let before = chunk.capacity() + next.capacity();
            if chunk.merge(next) {
                self.bytes = self.bytes - before + chunk.capacity();
                self.chunks -= 1;
                chunks.remove(first + 1);
            }
        }
    }

    pub(super) fn remove_equal(&mut self, element: Element<'_>, most: usize, from: End) -> usize {
        let mut removed = 0;
        let mut next = self.end(from);
        while let Some(place) = next.filter(|_| removed < most) {
            let (groups, chunks) = (self.groups.len(), self.groups[place.group].chunks.len());
            removed += self.change(place, |chunk| chunk.remove_equal(element, most - removed, from));
            let group_gone = self.groups.len() < groups;
            let chunk_gone = group_gone || self.groups[place.group].chunks.len() < chunks;
            next = match from {
                // What followed has moved to where the empty one was.
                End::Left if chunk_gone => {
                    let here = Place { index: 0, ..place };
                    let of_next_group =
                        Place { group: place.group + usize::from(!group_gone), chunk: 0, index: 0 };
                    [here, of_next_group].into_iter().find(|&place| self.chunk(place).is_some())
                }
                End::Left => self.next_chunk(place),
                End::Right => self.previous_chunk(place),
            };
        }
        removed
    }

    #[cfg(test)]
    pub(super) fn check(&self) {
        assert_eq!(self.len, self.groups.iter().map(|group| group.len).sum::<usize>());
        assert_eq!(self.chunks, self.groups.iter().map(|group| group.chunks.len()).sum::<usize>());
        assert_eq!(self.bytes, self.chunks().map(Chunk::capacity).sum::<usize>());
        for group in &self.groups {
            assert_eq!(group.len, group.chunks.iter().map(Chunk::len).sum::<usize>());
            assert!(!group.chunks.is_empty() && group.chunks.len() <= GROUP_MAX);
            assert!(group.chunks.iter().all(|chunk| chunk.len() > 0 && chunk.len() == chunk.pack().count()));
        }
    }
}
