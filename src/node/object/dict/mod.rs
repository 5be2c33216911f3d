//! The hash table of large collections: members by their bytes.
//!
//! Extendible hashing: a directory, indexed by the first bits of a member's place, points to segments of at most some
//! hundred entries. A segment that is full becomes two, neighbours that have few entries become one: no step moves more than
//! one segment's entries, besides the directory, which is four bytes for each fifty entries or so and doubles rarely.
//!
//! In a segment entries stand side by side, in no order, each with one byte of its hash in an array of its own; a member is
//! found by looking for that byte. So nearly all memory is entries, and one by chance is one by index.
//!
//! The *place* of a member is its hash, turned so that the bits a segment looks at are none of the directory's. A scan goes by
//! places, which never change: what is there from its beginning to its end is seen, however the table grows and shrinks. Another process
//! has other places, so a cursor says whose it is.

mod moment;
mod segment;
#[cfg(test)]
mod tests;

use moment::Moment;
use segment::Segment;

use super::moment::Held;
use crate::node::hashing::{self, hash};

/// What a table keeps.
pub trait Entry: Clone {
    /// What it is found by.
    fn key(&self) -> &[u8];
    /// Bytes of memory beside the struct itself.
    fn heap(&self) -> usize;
}

/// Entries of a segment; one more makes two of it.
const FULL: usize = 128;
/// Two neighbours with so many together become one.
const FEW: usize = 32;
/// The directory has no more cells than so many for each segment: members with the same hash are not told apart by a larger
/// one, and their segment grows instead.
const CELLS_PER_SEGMENT: usize = 16;

/// See the module.
#[derive(Clone, Debug)]
pub struct Dict<E> {
    /// Segments by the first `bits` bits of a place.
    directory: Vec<u32>,
    bits: u32,
    segments: Vec<Segment<E>>,
    len: usize,
    /// Bytes of entries and their arrays.
    heap: usize,
    moment: Held<Moment<E>>,
}

impl<E> Default for Dict<E> {
    fn default() -> Self {
        Self {
            directory: vec![0],
            bits: 0,
            segments: vec![Segment::new(0)],
            len: 0,
            heap: 0,
            moment: Held::default(),
        }
    }
}

/// The place of a member with this hash.
fn place(hash: u64) -> u64 {
    hash.rotate_left(32)
}

/// Bits of a place that a cursor carries. More segments than so many bits tell apart would be 2^34 entries.
const CURSOR_BITS: u32 = 28;
/// Bits of [`hashing::tag`] above those: all in all below 2^53, because clients of JavaScript, Lua and others keep a cursor as a double.
const TAG_BITS: u32 = 24;

/// A place as a cursor carries it.
fn rounded(place: u64) -> u64 {
    place >> (u64::BITS - CURSOR_BITS)
}

/// Where a scan goes on, as a client is told.
fn cursor(rounded: u64) -> u64 {
    let tag = hashing::tag() >> (u64::BITS - TAG_BITS);
    tag << CURSOR_BITS | rounded
}

/// Where a client's cursor says to go on. One that another process gave means nothing here: all begins again, so that nothing is missed.
fn read_cursor(number: u64) -> u64 {
    let rounded = number & ((1 << CURSOR_BITS) - 1);
    if cursor(rounded) == number { rounded } else { 0 }
}

/// The byte that a segment keeps of a hash.
fn tag(hash: u64) -> u8 {
    hash.to_le_bytes()[0]
}

impl<E: Entry> Dict<E> {
    /// Entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// No entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes of memory beside the struct itself.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.heap
            + self.directory.capacity() * size_of::<u32>()
            + self.segments.capacity() * size_of::<Segment<E>>()
    }

    fn cell(&self, place: u64) -> usize {
        place.checked_shr(u64::BITS - self.bits).map_or(0, |cell| usize::try_from(cell).unwrap_or(0))
    }

    fn segment_of(&self, hash: u64) -> usize {
        self.directory[self.cell(place(hash))] as usize
    }

    /// The entry of a key.
    #[must_use]
    pub fn get(&self, key: &[u8]) -> Option<&E> {
        let hash = hash(key);
        let segment = &self.segments[self.segment_of(hash)];
        segment.find(tag(hash), key).map(|at| segment.entry(at))
    }

    /// Changes the entry of a key in place; its key stays. `None`: there is none.
    pub fn change<R>(&mut self, key: &[u8], change: impl FnOnce(&mut E) -> R) -> Option<R> {
        let hash = hash(key);
        let at = self.segment_of(hash);
        let index = self.segments[at].find(tag(hash), key)?;
        self.put_by(at);
        let entry = self.segments[at].entry_mut(index);
        let before = entry.heap();
        let result = change(entry);
        self.heap = self.heap + entry.heap() - before;
        Some(result)
    }

    /// Puts an entry in that is not there yet. [`Dict::get`] tells.
    pub fn insert(&mut self, entry: E) {
        let hash = hash(entry.key());
        let mut at = self.segment_of(hash);
        while self.segments[at].len() >= FULL && self.split(at, hash) {
            at = self.segment_of(hash);
        }
        self.put_by(at);
        let segment = &mut self.segments[at];
        let before = segment.bytes();
        self.heap += entry.heap();
        segment.push(tag(hash), entry);
        self.heap = self.heap + segment.bytes() - before;
        self.len += 1;
    }

    /// Takes the entry of a key out.
    pub fn remove(&mut self, key: &[u8]) -> Option<E> {
        let hash = hash(key);
        let at = self.segment_of(hash);
        let index = self.segments[at].find(tag(hash), key)?;
        Some(self.take(at, index))
    }

    /// Takes an entry out that chance chooses.
    pub fn remove_random(&mut self) -> Option<E> {
        let (at, index) = self.random_index()?;
        Some(self.take(at, index))
    }

    fn take(&mut self, at: usize, index: usize) -> E {
        self.put_by(at);
        let segment = &mut self.segments[at];
        let before = segment.bytes();
        let entry = segment.remove(index);
        self.heap = self.heap + segment.bytes() - before - entry.heap();
        self.len -= 1;
        if self.segments[at].len() <= FEW / 2 {
            self.merge(at, place(hash(entry.key())));
        }
        entry
    }

    /// An entry that chance chooses, all with the same chance.
    #[must_use]
    pub fn random(&self) -> Option<&E> {
        let (at, index) = self.random_index()?;
        Some(self.segments[at].entry(index))
    }

    fn random_index(&self) -> Option<(usize, usize)> {
        if self.is_empty() {
            return None;
        }
        // As if each segment had as many places as the fullest: those that are empty are drawn again.
        let most = if self.segments.len() == 1 { self.len } else { FULL };
        loop {
            let at = fastrand::usize(..self.segments.len());
            let len = self.segments[at].len();
            let index = fastrand::usize(..most.max(len));
            if index < len {
                return Some((at, index));
            }
        }
    }

    /// All entries, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &E> {
        self.segments.iter().flat_map(Segment::iter)
    }

    /// Shows entries by place, from the cursor on, at least `count` of them; returns the cursor for the rest, 0 at the end.
    pub fn scan(&self, from: u64, count: usize, mut show: impl FnMut(&E)) -> u64 {
        let mut left = count.max(1);
        let mut from = read_cursor(from);
        loop {
            let first = from << (u64::BITS - CURSOR_BITS);
            let segment = &self.segments[self.directory[self.cell(first)] as usize];
            let places = segment.iter().map(|entry| rounded(place(hash(entry.key()))));
            let mut found: Vec<(u64, usize)> = places.zip(0..).filter(|&(place, _)| place >= from).collect();
            found.sort_unstable();
            let mut last = None;
            for (place, index) in found {
                // Those with the same place are shown together: a cursor could not tell them apart.
                if left == 0 && last != Some(place) {
                    return cursor(place);
                }
                show(segment.entry(index));
                left = left.saturating_sub(1);
                last = Some(place);
            }
            // The first place behind the segment.
            let size = 1_u64 << CURSOR_BITS.saturating_sub(segment.bits());
            from = (from & !(size - 1)) + size;
            if from >> CURSOR_BITS != 0 {
                return 0;
            }
            if left == 0 {
                return cursor(from);
            }
        }
    }

    /// Makes two of a full segment; `false` if that would take too large a directory.
    fn split(&mut self, at: usize, hash: u64) -> bool {
        if self.segments[at].bits() == self.bits {
            if self.directory.len() * 2 > (self.segments.len() * CELLS_PER_SEGMENT).max(64) {
                return false;
            }
            self.directory = self.directory.iter().flat_map(|&segment| [segment; 2]).collect();
            self.bits += 1;
        }
        self.put_by(at);
        let segment = &mut self.segments[at];
        let before = segment.bytes();
        let upper = segment.split(|entry| place(hashing::hash(entry.key())));
        self.heap = self.heap + segment.bytes() + upper.bytes() - before;
        let bits = upper.bits();
        let index = u32::try_from(self.segments.len()).expect("memory ends before this");
        self.segments.push(upper);
        // The cells of the old segment are side by side; the second half is the new one's.
        let cells = 1_usize << (self.bits - (bits - 1));
        let first = self.cell(place(hash)) & !(cells - 1);
        self.directory[first + cells / 2..first + cells].fill(index);
        true
    }

    /// Makes one of a segment with few entries and its neighbour, if that has few as well.
    fn merge(&mut self, at: usize, place: u64) {
        let bits = self.segments[at].bits();
        if bits == 0 {
            return;
        }
        let cells = 1_usize << (self.bits - bits);
        let first = self.cell(place) & !(cells - 1);
        let other = self.directory[first ^ cells] as usize;
        let both = self.segments[at].len() + self.segments[other].len();
        if self.segments[other].bits() != bits || both > FEW {
            return;
        }
        self.put_by(at);
        self.put_by(other);
        let before = self.segments[at].bytes() + self.segments[other].bytes();
        let (kept, gone) = if at < other { (at, other) } else { (other, at) };
        let taken = std::mem::replace(&mut self.segments[gone], Segment::new(bits));
        self.segments[kept].absorb(taken);
        self.heap = self.heap + self.segments[kept].bytes() - before;
        let start = first & !cells;
        self.directory[start..start + 2 * cells].fill(u32::try_from(kept).expect("it was one"));
        self.drop_segment(gone);
        while self.bits > 0 && self.directory.len() > 4 * self.segments.len() && self.halve_directory() {}
    }

    /// Takes an empty segment out of the array; the last one gets its index.
    fn drop_segment(&mut self, gone: usize) {
        self.put_by(self.segments.len() - 1);
        self.segments.swap_remove(gone);
        if self.segments.capacity() > 4 * self.segments.len() {
            self.segments.shrink_to(2 * self.segments.len());
        }
        let Some(moved) = self.segments.get(gone) else { return };
        let cells = 1_usize << (self.bits - moved.bits());
        // An empty segment has no entry that says where it is; then its index is looked for.
        let old = u32::try_from(self.segments.len()).expect("it was one");
        let first = match moved.iter().next() {
            Some(entry) => self.cell(place(hash(entry.key()))) & !(cells - 1),
            None => self.directory.iter().position(|&segment| segment == old).unwrap_or(0),
        };
        self.directory[first..first + cells].fill(u32::try_from(gone).expect("it was one"));
    }

    /// Half of it is enough where no segment needs the last bit.
    fn halve_directory(&mut self) -> bool {
        let unneeded = self.directory.chunks_exact(2).all(|pair| pair[0] == pair[1]);
        if unneeded {
            self.directory = self.directory.chunks_exact(2).map(|pair| pair[0]).collect();
            self.bits -= 1;
        }
        unneeded
    }
}
