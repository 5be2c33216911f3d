//! Sets as Redis serialises them: an intset, else members one after the other, which servers of all versions read.

use super::string;
use crate::node::object::{
    Set,
    listpack::Listpack,
    set::{IntSet, Limits},
};

/// Appends a set that is no intset.
pub(super) fn write(out: &mut Vec<u8>, set: &Set) {
    string::write_length(out, set.len());
    set.iter().for_each(|member| member.with(|member| string::write_bytes(out, member)));
}

/// Members, each a string.
pub(super) fn read_members(input: &[u8], limits: Limits) -> Option<(Set, &[u8])> {
    let (count, mut rest) = string::read_length(input)?;
    let mut set = Set::default();
    for _ in 0..count {
        let (member, behind) = string::read(rest)?;
        if !set.insert(&member, limits) {
            return None;
        }
        rest = behind;
    }
    (!set.is_empty()).then_some((set, rest))
}

/// An intset.
pub(super) fn read_integers(input: &[u8], limits: Limits) -> Option<(Set, &[u8])> {
    let (bytes, rest) = string::read(input)?;
    let integers = IntSet::from_bytes(&bytes)?;
    if integers.len() <= limits.integers {
        return (!integers.is_empty()).then(|| (Set::from(integers), rest));
    }
    let mut set = Set::default();
    for number in integers.iter() {
        set.insert(itoa::Buffer::new().format(number).as_bytes(), limits);
    }
    Some((set, rest))
}

/// A listpack, since 7.2.
pub(super) fn read_pack(input: &[u8], limits: Limits) -> Option<(Set, &[u8])> {
    let (bytes, rest) = string::read(input)?;
    let pack = Listpack::from_bytes(bytes.into_owned()).ok()?;
    let (mut set, mut at) = (Set::default(), pack.first());
    while at < pack.end() {
        if !pack.get(at).with(|member| set.insert(member, limits)) {
            return None;
        }
        at = pack.next(at);
    }
    (!set.is_empty()).then_some((set, rest))
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
        write(&mut out, &set);
        assert_eq!(read_members(&out, Limits::default()), Some((set, &b""[..])));
        assert_eq!(read_members(b"\x02\x01a\x01a", Limits::default()), None, "a member twice");
        assert_eq!(read_members(b"\x00", Limits::default()), None);
    }
}
