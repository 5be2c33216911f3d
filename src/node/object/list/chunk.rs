//! One listpack with its length.

use super::{End, Fill};
use crate::node::object::{
    Element,
    listpack::{self, Listpack, Pack},
};

/// Elements that lie together.
#[derive(Clone, Debug, Default)]
pub(super) struct Chunk {
    pack: Listpack,
    len: usize,
}

/// The same, looked at.
#[derive(Clone, Copy, Debug)]
pub(super) struct ChunkRef<'a> {
    pub(super) pack: Pack<'a>,
    pub(super) len: usize,
}

impl<'a> From<Pack<'a>> for ChunkRef<'a> {
    fn from(pack: Pack<'a>) -> Self {
        Self { pack, len: pack.count() }
    }
}

impl From<Listpack> for Chunk {
    fn from(pack: Listpack) -> Self {
        let len = pack.count();
        Self { pack, len }
    }
}

impl Chunk {
    /// The same elements in chunks that are not larger than any of ours: one that came from elsewhere may be of any size, and every
    /// change within it would cost as much.
    pub(super) fn in_parts(self) -> Vec<Self> {
        const LARGEST: usize = 64 << 10;
        if self.pack.as_bytes().len() <= LARGEST || self.len == 1 {
            return vec![self];
        }
        let fill = Fill::default();
        let (mut parts, mut at) = (vec![Self::default()], self.pack.first());
        while at < self.pack.end() {
            let element = self.pack.get(at);
            match parts.last_mut().filter(|part| part.has_room(element, fill)) {
                Some(part) => part.push(End::Right, element),
                None => parts.push(Self::of(element)),
            }
            at = self.pack.next(at);
        }
        parts
    }

    pub(super) fn view(&self) -> ChunkRef<'_> {
        ChunkRef { pack: self.pack.view(), len: self.len }
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.pack.into_bytes()
    }

    /// Of one element.
    pub(super) fn of(element: Element<'_>) -> Self {
        let mut chunk = Self::default();
        chunk.push(End::Right, element);
        chunk
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn capacity(&self) -> usize {
        self.pack.capacity()
    }

    pub(super) fn pack(&self) -> &Listpack {
        &self.pack
    }

    /// Whether one more element may be here. The first may always: it has to be somewhere. What it adds is estimated as Redis
    /// does, so that both make the same chunks of the same elements.
    pub(super) fn has_room(&self, element: Element<'_>, fill: Fill) -> bool {
        const ESTIMATE: usize = 8;
        let (bytes, added) = (self.pack.as_bytes().len(), element.text_len());
        listpack::fits(bytes, added) && (self.len == 0 || fill.allows(self.len + 1, bytes + added + ESTIMATE))
    }

    fn position(&self, index: usize) -> usize {
        self.pack.position(index, self.len)
    }

    pub(super) fn push(&mut self, end: End, element: Element<'_>) {
        let at = match end {
            End::Left => self.pack.first(),
            End::Right => self.pack.end(),
        };
        self.pack.insert(at, element);
        self.len += 1;
    }

    pub(super) fn pop<R>(&mut self, end: End, show: impl FnOnce(Element<'_>) -> R) -> Option<R> {
        if self.len == 0 {
            return None;
        }
        let at = match end {
            End::Left => self.pack.first(),
            End::Right => self.pack.previous(self.pack.end()),
        };
        let shown = show(self.pack.get(at));
        self.pack.remove(at, 1);
        self.len -= 1;
        Some(shown)
    }

    pub(super) fn set(&mut self, index: usize, element: Element<'_>) {
        self.pack.replace(self.position(index), element);
    }

    pub(super) fn insert(&mut self, index: usize, element: Element<'_>) {
        self.pack.insert(self.position(index), element);
        self.len += 1;
    }

    pub(super) fn remove(&mut self, index: usize, count: usize) {
        self.pack.remove(self.position(index), count);
        self.len -= count;
    }

    /// Keeps the first `index` elements and gives the others.
    pub(super) fn split(&mut self, index: usize) -> Self {
        let pack = self.pack.split(self.position(index));
        let rest = Self { pack, len: self.len - index };
        self.len = index;
        rest
    }

    /// Takes in the elements of the chunk behind it, if both together are at most half full.
    pub(super) fn merge(&mut self, next: &Self) -> bool {
        let bytes = self.pack.as_bytes().len() + next.pack.as_bytes().len();
        let fits = Fill::default().allows(self.len + next.len, 2 * bytes);
        if fits {
            self.pack.append(&next.pack);
            self.len += next.len;
        }
        fits
    }

    pub(super) fn remove_equal(&mut self, element: Element<'_>, most: usize, from: End) -> usize {
        let mut removed = 0;
        match from {
            End::Left => {
                let mut at = self.pack.first();
                while at < self.pack.end() && removed < most {
                    if self.pack.get(at) == element {
                        self.pack.remove(at, 1);
                        removed += 1;
                    } else {
                        at = self.pack.next(at);
                    }
                }
            }
            End::Right => {
                let mut at = self.pack.end();
                while at > self.pack.first() && removed < most {
                    at = self.pack.previous(at);
                    if self.pack.get(at) == element {
                        self.pack.remove(at, 1);
                        removed += 1;
                    }
                }
            }
        }
        self.len -= removed;
        removed
    }
}
