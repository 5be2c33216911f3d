//! Going through a set.

use super::Integers;
use crate::node::object::{
    Element, Text,
    dict::Dict,
    listpack::{Elements, Pack},
};

/// Members of a set, in no order that anybody may rely on.
pub struct Iter<'a>(Form<'a>);

enum Form<'a> {
    Integers { integers: Integers<'a>, next: usize },
    Packed(Elements<'a>),
    Large(Box<dyn Iterator<Item = &'a Text> + 'a>),
}

impl<'a> Iter<'a> {
    pub(super) fn integers(integers: Integers<'a>) -> Self {
        Self(Form::Integers { integers, next: 0 })
    }

    pub(super) fn packed(pack: Pack<'a>) -> Self {
        Self(Form::Packed(pack.elements()))
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
            Form::Packed(elements) => elements.next(),
            Form::Large(members) => members.next().map(|member| Element::Bytes(member.as_bytes())),
        }
    }
}
