//! Going through a set.

use super::IntSet;
use crate::node::object::{Element, Text, dict::Dict, listpack::Listpack};

/// Members of a set, in no order that anybody may rely on.
pub struct Iter<'a>(Form<'a>);

enum Form<'a> {
    Integers { integers: &'a IntSet, next: usize },
    Packed { pack: &'a Listpack, at: usize },
    Large(Box<dyn Iterator<Item = &'a Text> + 'a>),
}

impl<'a> Iter<'a> {
    pub(super) fn integers(integers: &'a IntSet) -> Self {
        Self(Form::Integers { integers, next: 0 })
    }

    pub(super) fn packed(pack: &'a Listpack) -> Self {
        Self(Form::Packed { pack, at: pack.first() })
    }

    pub(super) fn large(dict: &'a Dict<Text>) -> Self {
        Self(Form::Large(Box::new(dict.iter())))
    }
}

impl<'a> Iterator for Iter<'a> {
    type Item = Element<'a>;

    fn next(&mut self) -> Option<Element<'a>> {
        match &mut self.0 {
            Form::Integers { integers, next } => {
                let number = integers.get(*next)?;
                *next += 1;
                Some(Element::Int(number))
            }
            Form::Packed { pack, at } => (*at < pack.end()).then(|| {
                let element = pack.get(*at);
                *at = pack.next(*at);
                element
            }),
            Form::Large(members) => members.next().map(|member| Element::Bytes(member.as_bytes())),
        }
    }
}
