//! Hashes: a listpack of fields and values while they are few and short, else a table. When some of the fields expire, their
//! times are kept beside it, so that other hashes pay nothing for that.

mod deadlines;
#[cfg(test)]
mod tests;
mod view;

use super::{
    Element, Small, Text,
    dict::{Dict, Entry},
    listpack::Listpack,
    moment::{Show, Shown},
    pairs::{self, Pairs},
};
use crate::time::Millis;
use deadlines::Deadlines;
pub use view::HashRef;
use view::View;

/// Up to where a hash is one pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// `hash-max-listpack-entries`.
    pub fields: usize,
    /// `hash-max-listpack-value`, bytes of a field or a value.
    pub length: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { fields: 512, length: 64 }
    }
}

/// A hash of one's own, to be changed. See the module.
#[derive(Clone, Debug)]
pub struct Hash(Form);

#[derive(Clone, Debug)]
enum Form {
    Packed(Listpack),
    Large(Box<Dict<Field>>),
    /// Of these two, and stays so when no field expires any more.
    Expiring(Box<Expiring>),
}

#[derive(Clone, Debug, Default)]
struct Expiring {
    hash: Hash,
    deadlines: Deadlines,
}

/// A field of a large hash.
#[derive(Clone, Debug)]
struct Field {
    name: Text,
    value: Text,
}

impl Entry for Field {
    fn key(&self) -> &[u8] {
        self.name.as_bytes()
    }

    fn heap(&self) -> usize {
        self.name.heap() + self.value.heap()
    }
}

impl Field {
    fn pair(&self) -> (Element<'_>, Element<'_>) {
        (Element::Bytes(self.name.as_bytes()), Element::Bytes(self.value.as_bytes()))
    }
}

impl Default for Hash {
    fn default() -> Self {
        Self(Form::Packed(Listpack::default()))
    }
}

impl From<Listpack> for Hash {
    fn from(pack: Listpack) -> Self {
        Self(Form::Packed(pack))
    }
}

impl PartialEq for Hash {
    /// The same fields with the same values, which expire at the same times, however they are kept.
    fn eq(&self, other: &Self) -> bool {
        if self.deadlines() != other.deadlines() {
            return false;
        }
        let (hash, other) = (self.view(), other.view());
        let has = |(field, value): (Element<'_>, Element<'_>)| {
            field.with(|field| other.get(field).is_some_and(|other| other.to_vec() == value.to_vec()))
        };
        hash.len() == other.len() && hash.iter().all(has)
    }
}

impl Hash {
    /// Looks at it.
    #[must_use]
    pub fn view(&self) -> HashRef<'_> {
        HashRef::from(match &self.0 {
            Form::Packed(pack) => View::Packed(pack.view()),
            Form::Large(dict) => View::Large(dict),
            Form::Expiring(expiring) => View::Expiring(expiring),
        })
    }

    /// An empty one in memory that was something else's.
    #[must_use]
    pub fn new_in(memory: Vec<u8>) -> Self {
        Self::from(Listpack::new_in(memory))
    }

    /// A copy of a small one in memory that was something else's; `None` if that is no hash.
    #[must_use]
    pub fn copy_in(small: Small<'_>, memory: Vec<u8>) -> Option<Self> {
        match small {
            Small::Hash(pack) => Some(Self::from(Listpack::copy_in(pack, memory))),
            Small::List(_) | Small::Set(_) | Small::Integers(_) | Small::SortedSet(_) => None,
        }
    }

    /// It, if it is one pack and its fields never expired.
    #[must_use]
    pub fn small(&self) -> Option<Small<'_>> {
        match &self.0 {
            Form::Packed(pack) => Some(Small::Hash(pack.view())),
            Form::Large(_) | Form::Expiring(_) => None,
        }
    }

    /// The memory of such a one.
    #[must_use]
    pub fn into_memory(self) -> Option<Vec<u8>> {
        match self.0 {
            Form::Packed(pack) => Some(pack.into_bytes()),
            Form::Large(_) | Form::Expiring(_) => None,
        }
    }

    /// Of a pack that came from elsewhere; `None` if it is no hash.
    #[must_use]
    pub fn of_pack(pack: Listpack, limits: Limits) -> Option<Self> {
        if !pairs::is_well_formed(pack.view()) {
            return None;
        }
        let fits = |element: Element<'_>| element.text_len() <= limits.length;
        let small = pack.count() / 2 <= limits.fields
            && Pairs::of(pack.view()).all(|(field, value)| fits(field) && fits(value));
        let mut hash = Self(Form::Packed(pack));
        if !small {
            hash.make_large();
        }
        Some(hash)
    }

    /// Fields.
    #[must_use]
    pub fn len(&self) -> usize {
        self.view().len()
    }

    /// No field: such a hash is not kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Where what it holds begins, for prefetching.
    #[must_use]
    pub fn address(&self) -> *const u8 {
        match &self.0 {
            Form::Packed(pack) => pack.as_bytes().as_ptr(),
            Form::Large(large) => (&raw const **large).cast(),
            Form::Expiring(expiring) => (&raw const **expiring).cast(),
        }
    }

    /// Bytes of memory beside the struct itself.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match &self.0 {
            Form::Packed(pack) => pack.capacity(),
            Form::Large(dict) => size_of::<Dict<Field>>() + dict.bytes(),
            Form::Expiring(expiring) => {
                size_of::<Expiring>() + expiring.hash.bytes() + expiring.deadlines.bytes()
            }
        }
    }

    /// Gives a field a value, and lets it live as long as it did; `true` if it was not there.
    pub fn update(&mut self, field: &[u8], value: &[u8], limits: Limits) -> bool {
        match &mut self.0 {
            Form::Expiring(expiring) => expiring.hash.set(field, value, limits),
            Form::Packed(_) | Form::Large(_) => self.set(field, value, limits),
        }
    }

    /// Gives a field a value, and lets it live for ever; `true` if it was not there.
    pub fn set(&mut self, field: &[u8], value: &[u8], limits: Limits) -> bool {
        if let Form::Expiring(expiring) = &mut self.0 {
            expiring.deadlines.remove(field);
            return expiring.hash.set(field, value, limits);
        }
        if let Form::Packed(pack) = &mut self.0 {
            if field.len() <= limits.length && value.len() <= limits.length {
                if let Some(at) = pairs::find(pack.view(), Element::of(field)) {
                    pack.replace(pack.next(at), Element::of(value));
                    // The limit may have been lowered since.
                    if pack.count() / 2 > limits.fields {
                        self.make_large();
                    }
                    return false;
                }
                if pack.count() / 2 < limits.fields {
                    pack.insert(pack.end(), Element::of(field));
                    pack.insert(pack.end(), Element::of(value));
                    return true;
                }
            }
            self.make_large();
        }
        let Form::Large(dict) = &mut self.0 else { return false };
        if dict.change(field, |field| field.value = Text::from(value)).is_some() {
            return false;
        }
        dict.insert(Field { name: Text::from(field), value: Text::from(value) });
        true
    }

    /// Takes a field out; `false` if it was not there.
    pub fn remove(&mut self, field: &[u8]) -> bool {
        match &mut self.0 {
            Form::Packed(pack) => match pairs::find(pack.view(), Element::of(field)) {
                Some(at) => {
                    pack.remove(at, 2);
                    true
                }
                None => false,
            },
            Form::Large(dict) => dict.remove(field).is_some(),
            Form::Expiring(expiring) => {
                expiring.deadlines.remove(field);
                expiring.hash.remove(field)
            }
        }
    }

    /// Those of fields that expire, if there are any.
    fn deadlines(&self) -> Option<&Deadlines> {
        match &self.0 {
            Form::Expiring(expiring) => {
                Some(&expiring.deadlines).filter(|deadlines| deadlines.first().is_some())
            }
            Form::Packed(_) | Form::Large(_) => None,
        }
    }

    /// When the next field expires.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Millis> {
        self.deadlines()?.first()
    }

    /// Lets a field expire that is there.
    pub fn set_deadline(&mut self, field: &[u8], deadline: Millis) {
        if !matches!(self.0, Form::Expiring(_)) {
            let hash = std::mem::take(self);
            self.0 = Form::Expiring(Box::new(Expiring { hash, deadlines: Deadlines::default() }));
        }
        if let Form::Expiring(expiring) = &mut self.0 {
            debug_assert!(expiring.hash.view().get(field).is_some(), "only what is there expires");
            expiring.deadlines.set(field, deadline);
        }
    }

    /// Lets a field live for ever; `false` if it does already.
    pub fn persist(&mut self, field: &[u8]) -> bool {
        match &mut self.0 {
            Form::Expiring(expiring) => expiring.deadlines.remove(field).is_some(),
            Form::Packed(_) | Form::Large(_) => false,
        }
    }

    /// Takes out fields whose time has come, `most` of them, and shows their names; how many that were.
    pub fn expire(&mut self, now: Millis, most: usize, show: &mut dyn FnMut(&[u8])) -> usize {
        let Form::Expiring(expiring) = &mut self.0 else { return 0 };
        let Expiring { hash, deadlines } = &mut **expiring;
        let due = std::iter::from_fn(|| deadlines.pop_before(now)).take(most);
        due.map(|field| {
            show(&field);
            hash.remove(&field)
        })
        .count()
    }

    /// The table, if it is one.
    fn table(&self) -> Option<&Dict<Field>> {
        match &self.0 {
            Form::Packed(_) => None,
            Form::Large(dict) => Some(dict),
            Form::Expiring(expiring) => expiring.hash.table(),
        }
    }

    fn table_mut(&mut self) -> Option<&mut Dict<Field>> {
        match &mut self.0 {
            Form::Packed(_) => None,
            Form::Large(dict) => Some(dict),
            Form::Expiring(expiring) => expiring.hash.table_mut(),
        }
    }

    /// See [`moment`](super::moment), as for what follows. There is none of fields that expire.
    pub(super) fn can_have_moment(&self) -> bool {
        self.table().is_some() && self.next_deadline().is_none()
    }

    pub(super) fn begin_moment(&mut self) {
        if let Some(dict) = self.table_mut() {
            dict.begin_moment();
        }
    }

    pub(super) fn has_moment(&self) -> bool {
        self.table().is_some_and(Dict::has_moment)
    }

    pub(super) fn show_moment(&mut self, fields: usize, show: Show<'_>) -> bool {
        let shown = |field: &Field| show(Shown::Field(field.name.as_bytes(), field.value.as_bytes()));
        self.table_mut().is_none_or(|dict| dict.show_moment(fields, shown))
    }

    pub(super) fn forget_moment(&mut self) {
        if let Some(dict) = self.table_mut() {
            dict.forget_moment();
        }
    }

    pub(super) fn moment_bytes(&self) -> usize {
        self.table().map_or(0, Dict::moment_bytes)
    }

    fn make_large(&mut self) {
        let mut dict = Dict::default();
        for (field, value) in self.view().iter() {
            let [name, value] = [field, value].map(Text::of);
            dict.insert(Field { name, value });
        }
        self.0 = Form::Large(Box::new(dict));
    }
}
