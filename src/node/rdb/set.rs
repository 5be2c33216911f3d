//! Sets as Redis serialises them: an intset, else members one after the other, which servers of all versions read.

use super::{
    list,
    sink::Sink,
    source::{Fault, Source},
    string,
};
use crate::node::object::{
    Set, SetRef,
    set::{IntSet, Limits},
};

/// Appends a set that is no intset.
pub(super) fn write(out: &mut impl Sink, set: SetRef<'_>) {
    string::write_length(out, set.len());
    set.iter().for_each(|member| member.with(|member| string::write_bytes(out, member)));
}

/// Members, each a string.
pub(super) fn read_members(source: &mut impl Source, limits: Limits) -> Result<Set, Fault> {
    let count = source.length()?;
    let mut set = Set::default();
    for _ in 0..count {
        if !set.insert(&source.string()?, limits) {
            return Err(TWICE);
        }
    }
    not_empty(set)
}

const TWICE: Fault = Fault::Bad("a member is there twice");

fn not_empty(set: Set) -> Result<Set, Fault> {
    if set.is_empty() { Err(Fault::Empty) } else { Ok(set) }
}

/// An intset.
pub(super) fn read_integers(source: &mut impl Source, limits: Limits) -> Result<Set, Fault> {
    let integers = IntSet::from_bytes(&source.string()?).ok_or(Fault::Bad("a damaged intset"))?;
    let members = integers.view();
    if members.len() <= limits.integers {
        return not_empty(Set::from(integers));
    }
    let mut set = Set::default();
    for number in members.iter() {
        set.insert(itoa::Buffer::new().format(number).as_bytes(), limits);
    }
    not_empty(set)
}

/// A listpack, since 7.2.
pub(super) fn read_pack(source: &mut impl Source, limits: Limits) -> Result<Set, Fault> {
    let pack = list::read_listpack(source)?;
    let (mut set, mut at) = (Set::default(), pack.first());
    while at < pack.end() {
        if !pack.get(at).with(|member| set.insert(member, limits)) {
            return Err(TWICE);
        }
        at = pack.next(at);
    }
    not_empty(set)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut set = Set::default();
        for number in 0..600 {
            set.insert(format!("m{number}").as_bytes(), Limits::default());
        }
        let mut out = Vec::new();
        write(&mut out, set.view());
        let read = |mut input: &[u8]| {
            let set = read_members(&mut input, Limits::default())?;
            assert!(input.is_empty());
            Ok(set)
        };
        assert_eq!(read(&out), Ok(set));
        assert_eq!(read(b"\x02\x01a\x01a"), Err(TWICE));
        assert_eq!(read(b"\x00"), Err(Fault::Empty));
        assert_eq!(read(b"\x02\x01a"), Err(Fault::Ended));
    }
}
