//! Reading a set, wherever it is.

use super::{Integers, Iter};
use crate::node::object::{Element, Text, dict::Dict, listpack::Pack};

/// A set that is looked at, wherever it is.
#[derive(Clone, Copy, Debug)]
pub struct SetRef<'a>(pub(super) View<'a>);

#[derive(Clone, Copy, Debug)]
pub(super) enum View<'a> {
    Integers(Integers<'a>),
    Packed(Pack<'a>),
    Large(&'a Dict<Text>),
}

impl<'a> From<View<'a>> for SetRef<'a> {
    fn from(view: View<'a>) -> Self {
        Self(view)
    }
}

impl<'a> From<Integers<'a>> for SetRef<'a> {
    fn from(integers: Integers<'a>) -> Self {
        Self(View::Integers(integers))
    }
}

impl<'a> From<Pack<'a>> for SetRef<'a> {
    fn from(pack: Pack<'a>) -> Self {
        Self(View::Packed(pack))
    }
}

impl<'a> SetRef<'a> {
    /// Members.
    #[must_use]
    pub fn len(self) -> usize {
        match self.0 {
            View::Integers(integers) => integers.len(),
            View::Packed(pack) => pack.count(),
            View::Large(dict) => dict.len(),
        }
    }

    /// No member.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// What `OBJECT ENCODING` calls its form.
    #[must_use]
    pub fn encoding(self) -> &'static str {
        match self.0 {
            View::Integers(_) => "intset",
            View::Packed(_) => "listpack",
            View::Large(_) => "hashtable",
        }
    }

    /// All members as an intset, if that is how they are kept.
    #[must_use]
    pub fn integers(self) -> Option<Integers<'a>> {
        match self.0 {
            View::Integers(integers) => Some(integers),
            View::Packed(_) | View::Large(_) => None,
        }
    }

    /// All members as a pack, if that is how they are kept.
    #[must_use]
    pub fn pack(self) -> Option<Pack<'a>> {
        match self.0 {
            View::Packed(pack) => Some(pack),
            View::Integers(_) | View::Large(_) => None,
        }
    }

    /// Whether it is a member.
    #[must_use]
    pub fn contains(self, member: &[u8]) -> bool {
        match (self.0, Element::of(member)) {
            (View::Integers(integers), Element::Int(number)) => integers.contains(number),
            (View::Integers(_), Element::Bytes(_)) => false,
            (View::Packed(pack), element) => find(pack, element).is_some(),
            (View::Large(dict), _) => dict.get(member).is_some(),
        }
    }

    /// A member that chance chooses, shown to `show`.
    pub fn random<R>(self, show: impl FnOnce(Element<'_>) -> R) -> Option<R> {
        match self.0 {
            View::Integers(integers) if integers.is_empty() => None,
            View::Integers(integers) => {
                integers.get(fastrand::usize(..integers.len())).map(|number| show(Element::Int(number)))
            }
            View::Packed(pack) if pack.count() == 0 => None,
            View::Packed(pack) => {
                let count = pack.count();
                Some(show(pack.get(pack.position(fastrand::usize(..count), count))))
            }
            View::Large(dict) => dict.random().map(|member| show(Element::Bytes(member.as_bytes()))),
        }
    }

    /// All members, in no order that anybody may rely on.
    #[must_use]
    pub fn iter(self) -> Iter<'a> {
        match self.0 {
            View::Integers(integers) => Iter::integers(integers),
            View::Packed(pack) => Iter::packed(pack),
            View::Large(dict) => Iter::large(dict),
        }
    }

    /// Shows members from `cursor` on, about `count` of a large set and all of a small one; returns the cursor for the rest.
    pub fn scan(self, cursor: u64, count: usize, mut show: impl FnMut(Element<'_>)) -> u64 {
        match self.0 {
            View::Large(dict) => dict.scan(cursor, count, |member| show(Element::Bytes(member.as_bytes()))),
            View::Integers(_) | View::Packed(_) => {
                self.iter().for_each(show);
                0
            }
        }
    }
}

/// Where an element stands in a pack.
pub(super) fn find(pack: Pack<'_>, wanted: Element<'_>) -> Option<usize> {
    let mut at = pack.first();
    while at < pack.end() {
        if pack.get(at) == wanted {
            return Some(at);
        }
        at = pack.next(at);
    }
    None
}
