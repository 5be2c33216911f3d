//! Hashes: a listpack of fields and values while they are few and short, else a table.

#[cfg(test)]
mod tests;

use super::{
    Element, Text,
    dict::{Dict, Entry},
    listpack::Listpack,
    pairs::{self, Pairs},
};

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

/// See the module.
#[derive(Clone, Debug)]
pub struct Hash(Form);

#[derive(Clone, Debug)]
enum Form {
    Packed(Listpack),
    Large(Box<Dict<Field>>),
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

impl PartialEq for Hash {
    /// The same fields with the same values, however they are kept.
    fn eq(&self, other: &Self) -> bool {
        let has = |(field, value): (Element<'_>, Element<'_>)| {
            field.with(|field| other.get(field).is_some_and(|other| other.to_vec() == value.to_vec()))
        };
        self.len() == other.len() && self.iter().all(has)
    }
}

impl Hash {
    /// Of a pack that came from elsewhere; `None` if it is no hash.
    #[must_use]
    pub fn of_pack(pack: Listpack, limits: Limits) -> Option<Self> {
        if !pairs::is_well_formed(&pack) {
            return None;
        }
        let fits = |element: Element<'_>| element.text_len() <= limits.length;
        let small = pack.count() / 2 <= limits.fields
            && Pairs::of(&pack).all(|(field, value)| fits(field) && fits(value));
        let mut hash = Self(Form::Packed(pack));
        if !small {
            hash.make_large();
        }
        Some(hash)
    }

    /// Fields.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.0 {
            Form::Packed(pack) => pack.count() / 2,
            Form::Large(dict) => dict.len(),
        }
    }

    /// No field: such a hash is not kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of memory beside the struct itself.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match &self.0 {
            Form::Packed(pack) => pack.capacity(),
            Form::Large(dict) => size_of::<Dict<Field>>() + dict.bytes(),
        }
    }

    /// What `OBJECT ENCODING` calls its form.
    #[must_use]
    pub fn encoding(&self) -> &'static str {
        match &self.0 {
            Form::Packed(_) => "listpack",
            Form::Large(_) => "hashtable",
        }
    }

    /// All of it, if it is one pack.
    #[must_use]
    pub fn pack(&self) -> Option<&Listpack> {
        match &self.0 {
            Form::Packed(pack) => Some(pack),
            Form::Large(_) => None,
        }
    }

    /// The value of a field.
    #[must_use]
    pub fn get(&self, field: &[u8]) -> Option<Element<'_>> {
        match &self.0 {
            Form::Packed(pack) => pairs::find(pack, Element::of(field)).map(|at| pairs::second(pack, at)),
            Form::Large(dict) => dict.get(field).map(|field| field.pair().1),
        }
    }

    /// Gives a field a value; `true` if it was not there.
    pub fn set(&mut self, field: &[u8], value: &[u8], limits: Limits) -> bool {
        if let Form::Packed(pack) = &mut self.0 {
            if field.len() <= limits.length && value.len() <= limits.length {
                if let Some(at) = pairs::find(pack, Element::of(field)) {
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
            Form::Packed(pack) => match pairs::find(pack, Element::of(field)) {
                Some(at) => {
                    pack.remove(at, 2);
                    true
                }
                None => false,
            },
            Form::Large(dict) => dict.remove(field).is_some(),
        }
    }

    fn make_large(&mut self) {
        let mut dict = Dict::default();
        for (field, value) in self.iter() {
            let [name, value] = [field, value].map(Text::of);
            dict.insert(Field { name, value });
        }
        self.0 = Form::Large(Box::new(dict));
    }

    /// A field and its value that chance chooses.
    pub fn random<R>(&self, show: impl FnOnce(Element<'_>, Element<'_>) -> R) -> Option<R> {
        match &self.0 {
            Form::Packed(pack) => {
                let count = pack.count();
                if count == 0 {
                    return None;
                }
                let at = pack.position(2 * fastrand::usize(..count / 2), count);
                Some(show(pack.get(at), pairs::second(pack, at)))
            }
            Form::Large(dict) => dict.random().map(|field| {
                let (name, value) = field.pair();
                show(name, value)
            }),
        }
    }

    /// Fields with their values, in no order that anybody may rely on.
    #[must_use]
    pub fn iter(&self) -> Box<dyn Iterator<Item = (Element<'_>, Element<'_>)> + '_> {
        match &self.0 {
            Form::Packed(pack) => Box::new(Pairs::of(pack)),
            Form::Large(dict) => Box::new(dict.iter().map(Field::pair)),
        }
    }

    /// Shows fields from `cursor` on, about `count` of a large hash and all of a small one; returns the cursor for the rest.
    pub fn scan(&self, cursor: u64, count: usize, mut show: impl FnMut(Element<'_>, Element<'_>)) -> u64 {
        match &self.0 {
            Form::Large(dict) => dict.scan(cursor, count, |field| {
                let (name, value) = field.pair();
                show(name, value);
            }),
            Form::Packed(pack) => {
                Pairs::of(pack).for_each(|(name, value)| show(name, value));
                0
            }
        }
    }
}
