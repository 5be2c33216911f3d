//! Sorted sets as Redis serialises them: the pack of a small one, else members with binary scores, the last one first.

use super::{list, string};
use crate::{
    node::object::{
        SortedSet,
        listpack::Listpack,
        zset::{Limits, Put},
    },
    protocol::number::parse_f64,
};

/// Appends a sorted set that is no pack.
pub(super) fn write(out: &mut Vec<u8>, set: &SortedSet) {
    string::write_length(out, set.len());
    // From the last one on: each is the first then, which costs a skip list least.
    for (member, score) in set.range(0..set.len(), true) {
        member.with(|member| string::write_bytes(out, member));
        out.extend_from_slice(&score.to_le_bytes());
    }
}

fn read_with(
    input: &[u8],
    limits: Limits,
    score: impl Fn(&[u8]) -> Option<(f64, &[u8])>,
) -> Option<(SortedSet, &[u8])> {
    let (count, mut rest) = string::read_length(input)?;
    let mut set = SortedSet::default();
    for _ in 0..count {
        let (member, behind) = string::read(rest)?;
        let (score, behind) = score(behind)?;
        if score.is_nan() || set.put(&member, score, limits) != Put::Added {
            return None;
        }
        rest = behind;
    }
    (!set.is_empty()).then_some((set, rest))
}

/// Members with binary scores, since 3.2.
pub(super) fn read_members(input: &[u8], limits: Limits) -> Option<(SortedSet, &[u8])> {
    read_with(input, limits, |input| {
        let (score, rest) = input.split_first_chunk::<8>()?;
        Some((f64::from_le_bytes(*score), rest))
    })
}

/// Members with scores as text: a length, or 253 to 255 for what is no number.
pub(super) fn read_text_scores(input: &[u8], limits: Limits) -> Option<(SortedSet, &[u8])> {
    read_with(input, limits, |input| match input.split_first()? {
        (253, _) => None,
        (254, rest) => Some((f64::INFINITY, rest)),
        (255, rest) => Some((f64::NEG_INFINITY, rest)),
        (&len, rest) => {
            let (text, rest) = rest.split_at_checked(usize::from(len))?;
            Some((parse_f64(text)?, rest))
        }
    })
}

/// One listpack, since 7.0.
pub(super) fn read_pack(input: &[u8], limits: Limits) -> Option<(SortedSet, &[u8])> {
    let (bytes, rest) = string::read(input)?;
    let pack = Listpack::from_bytes(bytes.into_owned()).ok()?;
    Some((SortedSet::of_pack(pack, limits)?, rest))
}

/// One ziplist, from before 7.0.
pub(super) fn read_ziplist(input: &[u8], limits: Limits) -> Option<(SortedSet, &[u8])> {
    let (bytes, rest) = string::read(input)?;
    Some((SortedSet::of_pack(list::pack_of_ziplist(&bytes)?, limits)?, rest))
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
        write(&mut out, &set);
        assert_eq!(read_members(&out, Limits::default()), Some((set, &b""[..])));
        assert_eq!(read_members(b"\x00", Limits::default()), None);
        let (text, rest) =
            read_text_scores(b"\x02\x01a\x031.5\x01b\xfe", Limits::default()).expect("text scores");
        assert!(rest.is_empty());
        assert_eq!((text.score(b"a"), text.score(b"b")), (Some(1.5), Some(f64::INFINITY)));
    }
}
