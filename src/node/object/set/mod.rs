//! Sets: integers in order while all members are integers and few, a listpack while they are few and short, else a table.

mod intset;
mod iter;
#[cfg(test)]
mod tests;

pub use intset::IntSet;
pub use iter::Iter;

use super::{
    Element, Text,
    dict::{Dict, Entry},
    listpack::Listpack,
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

/// See the module.
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

impl PartialEq for Set {
    /// The same members, however they are kept.
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().all(|member| member.with(|member| other.contains(member)))
    }
}

/// Where an element stands in a pack.
fn find(pack: &Listpack, wanted: Element<'_>) -> Option<usize> {
    let mut at = pack.first();
    while at < pack.end() {
        if pack.get(at) == wanted {
            return Some(at);
        }
        at = pack.next(at);
    }
    None
}

impl Set {
    /// Members.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.0 {
            Form::Integers(integers) => integers.len(),
            Form::Packed(pack) => pack.count(),
            Form::Large(dict) => dict.len(),
        }
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
            Form::Integers(integers) => integers.address(),
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

    /// What `OBJECT ENCODING` calls its form.
    #[must_use]
    pub fn encoding(&self) -> &'static str {
        match &self.0 {
            Form::Integers(_) => "intset",
            Form::Packed(_) => "listpack",
            Form::Large(_) => "hashtable",
        }
    }

    /// All members as an intset, if that is how they are kept.
    #[must_use]
    pub fn integers(&self) -> Option<&IntSet> {
        match &self.0 {
            Form::Integers(integers) => Some(integers),
            Form::Packed(_) | Form::Large(_) => None,
        }
    }

    /// Whether it is a member.
    #[must_use]
    pub fn contains(&self, member: &[u8]) -> bool {
        match (&self.0, Element::of(member)) {
            (Form::Integers(integers), Element::Int(number)) => integers.contains(number),
            (Form::Integers(_), Element::Bytes(_)) => false,
            (Form::Packed(pack), element) => find(pack, element).is_some(),
            (Form::Large(dict), _) => dict.get(member).is_some(),
        }
    }

    /// Adds a member; `false` if it was one.
    pub fn insert(&mut self, member: &[u8], limits: Limits) -> bool {
        let element = Element::of(member);
        match (&mut self.0, element) {
            (Form::Integers(integers), Element::Int(number)) => {
                let added = integers.insert(number);
                if added && integers.len() > limits.integers {
                    self.make_large();
                }
                return added;
            }
            (Form::Integers(integers), Element::Bytes(_)) => {
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
                if find(pack, element).is_some() {
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
            (Form::Packed(pack), element) => match find(pack, element) {
                Some(at) => {
                    pack.remove(at, 1);
                    true
                }
                None => false,
            },
            (Form::Large(dict), _) => dict.remove(member).is_some(),
        }
    }

    fn make_large(&mut self) {
        let mut dict = Dict::default();
        for member in self.iter() {
            member.with(|member| dict.insert(Text::from(member)));
        }
        self.0 = Form::Large(Box::new(dict));
    }

    /// A member that chance chooses, shown to `show`.
    pub fn random<R>(&self, show: impl FnOnce(Element<'_>) -> R) -> Option<R> {
        match &self.0 {
            Form::Integers(integers) if integers.is_empty() => None,
            Form::Integers(integers) => {
                integers.get(fastrand::usize(..integers.len())).map(|number| show(Element::Int(number)))
            }
            Form::Packed(pack) if pack.count() == 0 => None,
            Form::Packed(pack) => {
                let count = pack.count();
                Some(show(pack.get(pack.position(fastrand::usize(..count), count))))
            }
            Form::Large(dict) => dict.random().map(|member| show(Element::Bytes(member.as_bytes()))),
        }
    }

    /// Takes a member out that chance chooses, and shows it.
    pub fn pop<R>(&mut self, show: impl FnOnce(Element<'_>) -> R) -> Option<R> {
        match &mut self.0 {
            Form::Large(dict) => dict.remove_random().map(|member| show(Element::Bytes(member.as_bytes()))),
            Form::Integers(_) | Form::Packed(_) => {
                let member = self.random(|member| member.to_vec())?;
                self.remove(&member);
                Some(show(Element::of(&member)))
            }
        }
    }

    /// All members, in no order that anybody may rely on.
    #[must_use]
    pub fn iter(&self) -> Iter<'_> {
        match &self.0 {
            Form::Integers(integers) => Iter::integers(integers),
            Form::Packed(pack) => Iter::packed(pack),
            Form::Large(dict) => Iter::large(dict),
        }
    }

    /// Shows members from `cursor` on, about `count` of a large set and all of a small one; returns the cursor for the rest.
    pub fn scan(&self, cursor: u64, count: usize, mut show: impl FnMut(Element<'_>)) -> u64 {
        match &self.0 {
            Form::Large(dict) => dict.scan(cursor, count, |member| show(Element::Bytes(member.as_bytes()))),
            Form::Integers(_) | Form::Packed(_) => {
                self.iter().for_each(show);
                0
            }
        }
    }
}
