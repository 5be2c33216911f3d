//! Sets of bytes: what one element of a pattern stands for.

use std::collections::HashMap;

use super::Case;

/// A set of bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Class([u64; 4]);

impl Class {
    fn add(&mut self, byte: u8) {
        self.0[usize::from(byte >> 6)] |= 1 << (byte & 63);
    }

    /// The byte as a pattern's letter: both cases of it, if case is ignored.
    fn add_letter(&mut self, byte: u8, case: Case) {
        self.add(byte);
        if case == Case::Ignored {
            self.add(byte.to_ascii_lowercase());
            self.add(byte.to_ascii_uppercase());
        }
    }

    /// Redis compares the ends of a range as signed characters, and folds case after it has put them in order.
    fn add_range(&mut self, ends: [u8; 2], case: Case) {
        let [mut low, mut high] = ends.map(u8::cast_signed);
        if low > high {
            std::mem::swap(&mut low, &mut high);
        }
        let fold = |byte: i8| match case {
            Case::Exact => byte,
            Case::Ignored => byte.cast_unsigned().to_ascii_lowercase().cast_signed(),
        };
        for byte in u8::MIN..=u8::MAX {
            if (fold(low)..=fold(high)).contains(&fold(byte.cast_signed())) {
                self.add(byte);
            }
        }
    }

    fn has(&self, byte: u8) -> bool {
        self.0[usize::from(byte >> 6)] >> (byte & 63) & 1 != 0
    }

    /// The only member, if there is one.
    fn only(&self) -> Option<u8> {
        let mut members = (u8::MIN..=u8::MAX).filter(|&byte| self.has(byte));
        members.next().filter(|_| members.next().is_none())
    }
}

/// A class, from after its bracket, and how many bytes it takes. One that is not closed ends with the pattern.
pub(super) fn parse(pattern: &[u8], case: Case) -> (Class, usize) {
    let negated = pattern.first() == Some(&b'^');
    let mut at = usize::from(negated);
    let mut class = Class::default();
    loop {
        match &pattern[at..] {
            [] => break,
            // An escaped member is compared as it is, in either case.
            [b'\\', member, ..] => {
                class.add(*member);
                at += 2;
            }
            [b']', ..] => {
                at += 1;
                break;
            }
            [first, b'-', last, ..] => {
                class.add_range([*first, *last], case);
                at += 3;
            }
            [member, ..] => {
                class.add_letter(*member, case);
                at += 1;
            }
        }
    }
    if negated {
        class.0 = class.0.map(|word| !word);
    }
    (class, at)
}

/// The element that matches any byte; those below it are bytes, those above it [`Classes`].
pub(super) const ANY: u32 = 256;

/// The classes of a pattern, each once, by the number of their element.
#[derive(Debug, Default)]
pub(super) struct Classes {
    sets: Vec<Class>,
    numbers: HashMap<Class, u32>,
}

impl Classes {
    /// The element of a literal.
    pub(super) fn byte(&mut self, byte: u8, case: Case) -> u32 {
        if case == Case::Exact || !byte.is_ascii_alphabetic() {
            return u32::from(byte);
        }
        let mut class = Class::default();
        class.add_letter(byte, case);
        self.number(class)
    }

    /// The element of a class.
    pub(super) fn number(&mut self, class: Class) -> u32 {
        if let Some(byte) = class.only() {
            return u32::from(byte);
        }
        let next = ANY + 1 + u32::try_from(self.sets.len()).expect("fewer classes than bytes of a pattern");
        *self.numbers.entry(class).or_insert_with(|| {
            self.sets.push(class);
            next
        })
    }

    /// Whether an element matches a byte.
    #[inline]
    pub(super) fn has(&self, element: u32, byte: u8) -> bool {
        match element.checked_sub(ANY + 1) {
            None => element == u32::from(byte) || element == ANY,
            Some(index) => self.sets[index as usize].has(byte),
        }
    }
}
