//! Lists: one listpack while it is small, then chunks of listpack in groups whose lengths are counted.
//!
//! An element is pushed and taken in constant time. To find one by index costs a walk over groups, over the chunks of one group and
//! within one chunk: with chunks of 8 KiB and 128 chunks a group, ten million short elements are some two hundred
//! groups. No operation on one element touches more than one group.

mod chunk;
mod groups;
mod iter;
#[cfg(test)]
mod tests;
mod view;

use chunk::Chunk;
use groups::Groups;
pub use iter::Iter;
pub use view::ListRef;
use view::View;

use super::{Element, Small, listpack::Listpack};

/// Which end of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// `L`: the head.
    Left,
    /// `R`: the tail.
    Right,
}

/// How much a chunk holds: `list-max-listpack-size`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fill(i32);

/// Whatever the number of elements, a chunk with a limit on it is no larger.
const SAFETY_LIMIT: usize = 8 << 10;

impl Default for Fill {
    fn default() -> Self {
        Self(-2)
    }
}

impl Fill {
    /// From the parameter: elements if positive, -1 to -5 for 4 to 64 KiB. As in Redis other numbers mean the
    /// nearest of these, and 0 means 1.
    #[must_use]
    pub fn new(parameter: i32) -> Self {
        Self(if parameter == 0 { 1 } else { parameter.clamp(-5, 1 << 15) })
    }

    /// Whether a chunk of `count` elements may have `bytes` bytes.
    fn allows(self, count: usize, bytes: usize) -> bool {
        match usize::try_from(self.0) {
            Ok(most) => count <= most && bytes <= SAFETY_LIMIT,
            Err(_) => bytes <= (4 << 10) << (self.0.unsigned_abs() - 1),
        }
    }
}

/// A list of one's own, to be changed. See the module.
#[derive(Clone, Debug)]
pub struct List(Form);

#[derive(Clone, Debug)]
enum Form {
    /// All of it is one chunk.
    Packed(Chunk),
    /// More than one chunk holds; it never becomes one again.
    Large(Box<Groups>),
}

impl PartialEq for List {
    /// The same elements, however they are kept.
    fn eq(&self, other: &Self) -> bool {
        let (list, other) = (self.view(), other.view());
        list.len() == other.len() && list.iter(0, End::Right).eq(other.iter(0, End::Right))
    }
}

impl Default for List {
    fn default() -> Self {
        Self(Form::Packed(Chunk::default()))
    }
}

impl From<Listpack> for List {
    fn from(pack: Listpack) -> Self {
        Self(Form::Packed(Chunk::from(pack)))
    }
}

impl List {
    /// Looks at it.
    #[must_use]
    pub fn view(&self) -> ListRef<'_> {
        ListRef::from(match &self.0 {
            Form::Packed(chunk) => View::Packed(chunk.view()),
            Form::Large(groups) => View::Large(groups),
        })
    }

    /// An empty one in memory that was something else's.
    #[must_use]
    pub fn new_in(memory: Vec<u8>) -> Self {
        Self::from(Listpack::new_in(memory))
    }

    /// A copy of a small one in memory that was something else's; `None` if that is no list.
    #[must_use]
    pub fn copy_in(small: Small<'_>, memory: Vec<u8>) -> Option<Self> {
        match small {
            Small::List(pack) => Some(Self::from(Listpack::copy_in(pack, memory))),
            Small::Hash(_) | Small::Set(_) | Small::Integers(_) | Small::SortedSet(_) => None,
        }
    }

    /// It, if it is one pack.
    #[must_use]
    pub fn small(&self) -> Option<Small<'_>> {
        match &self.0 {
            Form::Packed(chunk) => Some(Small::List(chunk.pack().view())),
            Form::Large(_) => None,
        }
    }

    /// Its memory, if it is one pack.
    #[must_use]
    pub fn into_memory(self) -> Option<Vec<u8>> {
        match self.0 {
            Form::Packed(chunk) => Some(chunk.into_bytes()),
            Form::Large(_) => None,
        }
    }

    /// Of chunks that came from elsewhere, none of them empty.
    #[must_use]
    pub fn of_packs(packs: Vec<Listpack>) -> Self {
        let mut chunks: Vec<Chunk> = packs
            .into_iter()
            .map(Chunk::from)
            .filter(|chunk| chunk.len() > 0)
            .flat_map(Chunk::in_parts)
            .collect();
        match chunks.len() {
            0 => Self::default(),
            1 => Self(Form::Packed(chunks.remove(0))),
            _ => Self(Form::Large(Box::new(chunks.into_iter().collect()))),
        }
    }

    /// Elements.
    #[must_use]
    pub fn len(&self) -> usize {
        self.view().len()
    }

    /// No element: such a list is not kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Where what it holds begins, for prefetching.
    #[must_use]
    pub fn address(&self) -> *const u8 {
        match &self.0 {
            Form::Packed(chunk) => chunk.pack().as_bytes().as_ptr(),
            Form::Large(groups) => (&raw const **groups).cast(),
        }
    }

    /// Bytes of memory beside the struct itself.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match &self.0 {
            Form::Packed(chunk) => chunk.capacity(),
            Form::Large(groups) => groups.bytes(),
        }
    }

    fn large(&mut self) -> &mut Groups {
        if let Form::Packed(chunk) = &mut self.0 {
            let groups = std::iter::once(std::mem::take(chunk)).collect();
            self.0 = Form::Large(Box::new(groups));
        }
        match &mut self.0 {
            Form::Large(groups) => groups,
            Form::Packed(_) => unreachable!("made large above"),
        }
    }

    /// Adds an element at an end.
    pub fn push(&mut self, end: End, value: &[u8], fill: Fill) {
        let element = Element::of(value);
        if let Form::Packed(chunk) = &mut self.0
            && chunk.has_room(element, fill)
        {
            return chunk.push(end, element);
        }
        self.large().push(end, element, fill);
    }

    /// Takes the element at an end out and shows it.
    pub fn pop<R>(&mut self, end: End, show: impl FnOnce(Element<'_>) -> R) -> Option<R> {
        match &mut self.0 {
            Form::Packed(chunk) => chunk.pop(end, show),
            Form::Large(groups) => groups.pop(end, show),
        }
    }

    /// Puts another element at `index`; `false` if there is none.
    pub fn set(&mut self, index: usize, value: &[u8], fill: Fill) -> bool {
        if index >= self.len() {
            return false;
        }
        let element = Element::of(value);
        if let Form::Packed(chunk) = &mut self.0
            && chunk.has_room(element, fill)
        {
            chunk.set(index, element);
        } else {
            self.large().set(index, element, fill);
        }
        true
    }

    /// Puts an element in front of the one at `index`, or at the end.
    pub fn insert(&mut self, index: usize, value: &[u8], fill: Fill) {
        let element = Element::of(value);
        if let Form::Packed(chunk) = &mut self.0
            && chunk.has_room(element, fill)
        {
            return chunk.insert(index, element);
        }
        self.large().insert(index, element, fill);
    }

    /// Takes `count` elements out, from `index` on.
    pub fn remove(&mut self, index: usize, count: usize) {
        match &mut self.0 {
            Form::Packed(chunk) => chunk.remove(index, count),
            Form::Large(groups) => groups.remove(index, count),
        }
    }

    /// Takes out what equals `value`, at most `most` of it, from the head on or from the tail. Says how many.
    pub fn remove_equal(&mut self, value: &[u8], most: usize, from: End) -> usize {
        let element = Element::of(value);
        match &mut self.0 {
            Form::Packed(chunk) => chunk.remove_equal(element, most, from),
            Form::Large(groups) => groups.remove_equal(element, most, from),
        }
    }
}
