//! Sorted sets as Redis serialises them: the pack of a small one, else members with binary scores, the last one first.

use super::{
    list,
    sink::Sink,
    source::{Fault, Source},
    string,
};
use crate::{
    node::object::{
        SortedSet, SortedSetRef,
        listpack::Listpack,
        zset::{Limits, Put},
    },
    protocol::number::parse_f64,
};

/// Appends a sorted set that is no pack.
pub(super) fn write(out: &mut impl Sink, set: SortedSetRef<'_>) {
    string::write_length(out, set.len());
    // From the last one on: each is the first then, which costs a skip list least.
    for (member, score) in set.range(0..set.len(), true) {
        member.with(|member| string::write_bytes(out, member));
        out.raw(&score.to_le_bytes());
    }
}

fn read_with<S: Source>(
    source: &mut S,
    limits: Limits,
    score: impl Fn(&mut S) -> Result<f64, Fault>,
) -> Result<SortedSet, Fault> {
    let count = source.length()?;
    let (mut set, mut member) = (SortedSet::default(), Vec::new());
    for _ in 0..count {
        member.clear();
        member.extend_from_slice(&source.string()?);
        let score = score(source)?;
        if score.is_nan() {
            return Err(NO_SCORE);
        }
        if set.put(&member, score, limits) != Put::Added {
            return Err(Fault::Bad("a member is there twice"));
        }
    }
    if set.is_empty() { Err(Fault::Empty) } else { Ok(set) }
}

const NO_SCORE: Fault = Fault::Bad("a score that is no number");

/// Members with binary scores, since 3.2.
pub(super) fn read_members(source: &mut impl Source, limits: Limits) -> Result<SortedSet, Fault> {
    read_with(source, limits, |source| Ok(f64::from_le_bytes(source.array()?)))
}

/// Members with scores as text: a length, or 253 to 255 for what is no number.
pub(super) fn read_text_scores(source: &mut impl Source, limits: Limits) -> Result<SortedSet, Fault> {
    read_with(source, limits, |source| match source.byte()? {
        253 => Err(NO_SCORE),
        254 => Ok(f64::INFINITY),
        255 => Ok(f64::NEG_INFINITY),
        len => parse_f64(source.take(usize::from(len))?).ok_or(NO_SCORE),
    })
}

/// One listpack, since 7.0.
pub(super) fn read_pack(source: &mut impl Source, limits: Limits) -> Result<SortedSet, Fault> {
    of_pack(list::read_listpack(source)?, limits)
}

fn of_pack(pack: Listpack, limits: Limits) -> Result<SortedSet, Fault> {
    if pack.first() == pack.end() {
        return Err(Fault::Empty);
    }
    SortedSet::of_pack(pack, limits).ok_or(Fault::Bad("members without scores, twice, or in no order"))
}

/// One ziplist, from before 7.0.
pub(super) fn read_ziplist(source: &mut impl Source, limits: Limits) -> Result<SortedSet, Fault> {
    of_pack(list::read_ziplist_as_pack(source)?, limits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut set = SortedSet::default();
        for number in 0..600 {
            set.put(format!("m{number}").as_bytes(), f64::from(number) / 3.0, Limits::default());
        }
        let mut out = Vec::new();
        write(&mut out, set.view());
        let limits = Limits::default();
        let mut input = out.as_slice();
        assert_eq!((read_members(&mut input, limits), input.len()), (Ok(set), 0));
        assert_eq!(read_members(&mut &b"\x00"[..], limits), Err(Fault::Empty));
        let mut input = &b"\x02\x01a\x031.5\x01b\xfe"[..];
        let text = read_text_scores(&mut input, limits).expect("text scores");
        assert!(input.is_empty());
        assert_eq!((text.view().score(b"a"), text.view().score(b"b")), (Some(1.5), Some(f64::INFINITY)));
    }
}
