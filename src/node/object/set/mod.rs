//! Sets: integers in order while all members are integers and few, a listpack while they are few and short, else a table.

mod intset;
mod iter;
#[cfg(test)]
mod tests;
mod view;

pub use intset::{IntSet, Integers};
pub use iter::Iter;
pub use view::SetRef;
use view::{View, find};

use super::{
    Element, Small, Text,
    dict::{Dict, Entry},
    listpack::Listpack,
    moment::{Show, Shown},
};

/// Up to where a set is kept in a small form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// `set-max-intset-entries`.
    pub integers: usize,
    /// `set-max-listpack-entries`.
    pub members: usize,
    /// `set-max-listpack-value`, bytes.
    pub length: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { integers: 512, members: 128, length: 64 }
    }
}

/// A set of one's own, to be changed. See the module.
#[derive(Clone, Debug)]
pub struct Set(Form);

#[derive(Clone, Debug)]
enum Form {
    Integers(IntSet),
    Packed(Listpack),
    Large(Box<Dict<Text>>),
}

impl Entry for Text {
    fn key(&self) -> &[u8] {
        self.as_bytes()
    }

    fn heap(&self) -> usize {
        Text::heap(self)
    }
}

impl Default for Set {
    fn default() -> Self {
        Self(Form::Integers(IntSet::default()))
    }
}

impl From<IntSet> for Set {
    fn from(integers: IntSet) -> Self {
        Self(Form::Integers(integers))
    }
}

impl From<Listpack> for Set {
    fn from(pack: Listpack) -> Self {
        Self(Form::Packed(pack))
    }
}

/// A copy.
impl From<SetRef<'_>> for Set {
    fn from(set: SetRef<'_>) -> Self {
        Self(match set.0 {
            View::Integers(integers) => Form::Integers(IntSet::copy_in(integers, Vec::new())),
            View::Packed(pack) => Form::Packed(Listpack::from(pack)),
            View::Large(dict) => Form::Large(Box::new(dict.clone())),
        })
    }
}

impl PartialEq for Set {
    /// The same members, however they are kept.
    fn eq(&self, other: &Self) -> bool {
        let (set, other) = (self.view(), other.view());
        set.len() == other.len() && set.iter().all(|member| member.with(|member| other.contains(member)))
    }
}

impl Set {
    /// Looks at it.
    #[must_use]
    pub fn view(&self) -> SetRef<'_> {
        SetRef::from(match &self.0 {
            Form::Integers(integers) => View::Integers(integers.view()),
            Form::Packed(pack) => View::Packed(pack.view()),
            Form::Large(dict) => View::Large(dict),
        })
    }

    /// An empty one in memory that was something else's.
    #[must_use]
    pub fn new_in(memory: Vec<u8>) -> Self {
        Self::from(IntSet::new_in(memory))
    }

    /// A copy of a small one in memory that was something else's; `None` if that is no set.
    #[must_use]
    pub fn copy_in(small: Small<'_>, memory: Vec<u8>) -> Option<Self> {
        match small {
            Small::Set(pack) => Some(Self::from(Listpack::copy_in(pack, memory))),
            Small::Integers(integers) => Some(Self::from(IntSet::copy_in(integers, memory))),
            Small::List(_) | Small::Hash(_) | Small::SortedSet(_) => None,
        }
    }

    /// It, if it is an intset or one pack.
    #[must_use]
    pub fn small(&self) -> Option<Small<'_>> {
        match &self.0 {
            Form::Integers(integers) => Some(Small::Integers(integers.view())),
            Form::Packed(pack) => Some(Small::Set(pack.view())),
            Form::Large(_) => None,
        }
    }

    /// The memory of such a one.
    #[must_use]
    pub fn into_memory(self) -> Option<Vec<u8>> {
        match self.0 {
            Form::Integers(integers) => Some(integers.into_bytes()),
            Form::Packed(pack) => Some(pack.into_bytes()),
            Form::Large(_) => None,
        }
    }

    /// Members.
    #[must_use]
    pub fn len(&self) -> usize {
        self.view().len()
    }

    /// No member: such a set is not kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Where what it holds begins, for prefetching.
    #[must_use]
    pub fn address(&self) -> *const u8 {
        match &self.0 {
            Form::Integers(integers) => integers.view().as_bytes().as_ptr(),
            Form::Packed(pack) => pack.as_bytes().as_ptr(),
            Form::Large(large) => (&raw const **large).cast(),
        }
    }

    /// Bytes of memory beside the struct itself.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match &self.0 {
            Form::Integers(integers) => integers.capacity(),
            Form::Packed(pack) => pack.capacity(),
            Form::Large(dict) => size_of::<Dict<Text>>() + dict.bytes(),
        }
    }

    /// Adds a member; `false` if it was one.
    pub fn insert(&mut self, member: &[u8], limits: Limits) -> bool {
        let element = Element::of(member);
        match (&mut self.0, element) {
            (Form::Integers(integers), Element::Int(number)) => {
                let added = integers.insert(number);
                if added && integers.view().len() > limits.integers {
                    self.make_large();
                }
                return added;
            }
            (Form::Integers(integers), Element::Bytes(_)) => {
                let integers = integers.view();
                // The widest is at one of the ends.
                let ends =
                    [integers.get(0), integers.len().checked_sub(1).and_then(|last| integers.get(last))];
                let longest = ends.into_iter().flatten().map(|end| Element::Int(end).text_len()).max();
                if integers.len() < limits.members
                    && member.len() <= limits.length
                    && longest.is_none_or(|longest| longest <= limits.length)
                {
                    let mut pack = Listpack::default();
                    integers.iter().for_each(|number| pack.insert(pack.end(), Element::Int(number)));
                    pack.insert(pack.end(), element);
                    self.0 = Form::Packed(pack);
                    return true;
                }
                self.make_large();
            }
            (Form::Packed(pack), element) => {
                if find(pack.view(), element).is_some() {
                    return false;
                }
                if pack.count() < limits.members && member.len() <= limits.length {
                    pack.insert(pack.end(), element);
                    return true;
                }
                self.make_large();
            }
            (Form::Large(_), _) => {}
        }
        let Form::Large(dict) = &mut self.0 else { return false };
        if dict.get(member).is_some() {
            return false;
        }
        dict.insert(Text::from(member));
        true
    }

    /// Takes a member out; `false` if it was none.
    pub fn remove(&mut self, member: &[u8]) -> bool {
        match (&mut self.0, Element::of(member)) {
            (Form::Integers(integers), Element::Int(number)) => integers.remove(number),
            (Form::Integers(_), Element::Bytes(_)) => false,
            (Form::Packed(pack), element) => match find(pack.view(), element) {
                Some(at) => {
                    pack.remove(at, 1);
                    true
                }
                None => false,
            },
            (Form::Large(dict), _) => dict.remove(member).is_some(),
        }
    }

    /// See [`moment`](super::moment), as for what follows.
    pub(super) fn can_have_moment(&self) -> bool {
        matches!(self.0, Form::Large(_))
    }

    pub(super) fn begin_moment(&mut self) {
        if let Form::Large(dict) = &mut self.0 {
            dict.begin_moment();
        }
    }

    pub(super) fn has_moment(&self) -> bool {
        matches!(&self.0, Form::Large(dict) if dict.has_moment())
    }

    pub(super) fn show_moment(&mut self, members: usize, show: Show<'_>) -> bool {
        let Form::Large(dict) = &mut self.0 else { return true };
        dict.show_moment(members, |member| show(Shown::Member(member.as_bytes())))
    }

    pub(super) fn forget_moment(&mut self) {
        if let Form::Large(dict) = &mut self.0 {
            dict.forget_moment();
        }
    }

    pub(super) fn moment_bytes(&self) -> usize {
        if let Form::Large(dict) = &self.0 { dict.moment_bytes() } else { 0 }
    }

    fn make_large(&mut self) {
        let mut dict = Dict::default();
        for member in self.view().iter() {
            member.with(|member| dict.insert(Text::from(member)));
        }
        self.0 = Form::Large(Box::new(dict));
    }

    /// Takes a member out that chance chooses, and shows it.
    pub fn pop<R>(&mut self, show: impl FnOnce(Element<'_>) -> R) -> Option<R> {
        match &mut self.0 {
            Form::Large(dict) => dict.remove_random().map(|member| show(Element::Bytes(member.as_bytes()))),
            Form::Integers(_) | Form::Packed(_) => {
                let member = self.view().random(|member| member.to_vec())?;
                self.remove(&member);
                Some(show(Element::of(&member)))
            }
        }
    }
}
