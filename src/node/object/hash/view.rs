//! Reading a hash, wherever it is.

use super::{Expiring, Field};
use crate::{
    node::object::{
        Element,
        dict::Dict,
        listpack::Pack,
        pairs::{self, Pairs},
    },
    time::Millis,
};

/// A hash that is looked at, wherever it is.
#[derive(Clone, Copy, Debug)]
pub struct HashRef<'a>(View<'a>);

#[derive(Clone, Copy, Debug)]
pub(super) enum View<'a> {
    Packed(Pack<'a>),
    Large(&'a Dict<Field>),
    Expiring(&'a Expiring),
}

impl<'a> From<View<'a>> for HashRef<'a> {
    fn from(view: View<'a>) -> Self {
        Self(view)
    }
}

impl<'a> From<Pack<'a>> for HashRef<'a> {
    fn from(pack: Pack<'a>) -> Self {
        Self(View::Packed(pack))
    }
}

impl<'a> HashRef<'a> {
    /// Fields.
    #[must_use]
    pub fn len(self) -> usize {
        match self.0 {
            View::Packed(pack) => pack.count() / 2,
            View::Large(dict) => dict.len(),
            View::Expiring(expiring) => expiring.hash.len(),
        }
    }

    /// No field.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// What `OBJECT ENCODING` calls its form.
    #[must_use]
    pub fn encoding(self) -> &'static str {
        match self.0 {
            View::Packed(_) => "listpack",
            View::Large(_) => "hashtable",
            View::Expiring(expiring) => match expiring.hash.view().0 {
                View::Packed(_) => "listpackex",
                View::Large(_) | View::Expiring(_) => "hashtable",
            },
        }
    }

    /// All of it, if it is one pack and no field expires.
    #[must_use]
    pub fn pack(self) -> Option<Pack<'a>> {
        match self.0 {
            View::Packed(pack) => Some(pack),
            View::Large(_) => None,
            View::Expiring(_) if self.next_deadline().is_some() => None,
            View::Expiring(expiring) => expiring.hash.view().pack(),
        }
    }

    /// The value of a field.
    #[must_use]
    pub fn get(self, field: &[u8]) -> Option<Element<'a>> {
        match self.0 {
            View::Packed(pack) => pairs::find(pack, Element::of(field)).map(|at| pairs::second(pack, at)),
            View::Large(dict) => dict.get(field).map(|field| field.pair().1),
            View::Expiring(expiring) => expiring.hash.view().get(field),
        }
    }

    /// When a field expires.
    #[must_use]
    pub fn deadline(self, field: &[u8]) -> Option<Millis> {
        match self.0 {
            View::Expiring(expiring) => expiring.deadlines.of(field),
            View::Packed(_) | View::Large(_) => None,
        }
    }

    /// When the next field expires.
    #[must_use]
    pub fn next_deadline(self) -> Option<Millis> {
        match self.0 {
            View::Expiring(expiring) => expiring.deadlines.first(),
            View::Packed(_) | View::Large(_) => None,
        }
    }

    /// A field and its value that chance chooses.
    pub fn random<R>(self, show: impl FnOnce(Element<'_>, Element<'_>) -> R) -> Option<R> {
        match self.0 {
            View::Packed(pack) => {
                let count = pack.count();
                if count == 0 {
                    return None;
                }
                let at = pack.position(2 * fastrand::usize(..count / 2), count);
                Some(show(pack.get(at), pairs::second(pack, at)))
            }
            View::Large(dict) => dict.random().map(|field| {
                let (name, value) = field.pair();
                show(name, value)
            }),
            View::Expiring(expiring) => expiring.hash.view().random(show),
        }
    }

    /// Fields with their values, in no order that anybody may rely on.
    #[must_use]
    pub fn iter(self) -> Box<dyn Iterator<Item = (Element<'a>, Element<'a>)> + 'a> {
        match self.0 {
            View::Packed(pack) => Box::new(Pairs::of(pack)),
            View::Large(dict) => Box::new(dict.iter().map(Field::pair)),
            View::Expiring(expiring) => expiring.hash.view().iter(),
        }
    }

    /// Shows fields from `cursor` on, about `count` of a large hash and all of a small one; returns the cursor for the rest.
    pub fn scan(self, cursor: u64, count: usize, mut show: impl FnMut(Element<'_>, Element<'_>)) -> u64 {
        match self.0 {
            View::Large(dict) => dict.scan(cursor, count, |field| {
                let (name, value) = field.pair();
                show(name, value);
            }),
            View::Packed(pack) => {
                Pairs::of(pack).for_each(|(name, value)| show(name, value));
                0
            }
            View::Expiring(expiring) => expiring.hash.view().scan(cursor, count, show),
        }
    }
}
