//! Hashes as Redis serialises them: the pack of a small one, else fields and values one after the other.

use super::{list, string};
use crate::{
    node::object::{Element, Hash, hash::Limits, listpack::Listpack},
    time::Millis,
};

/// Appends a hash that is no pack.
pub(super) fn write(out: &mut Vec<u8>, hash: &Hash) {
    string::write_length(out, hash.len());
    for (field, value) in hash.iter() {
        field.with(|field| string::write_bytes(out, field));
        value.with(|value| string::write_bytes(out, value));
    }
}

/// Fields and values, each a string.
pub(super) fn read_fields(input: &[u8], limits: Limits) -> Option<(Hash, &[u8])> {
    let (count, mut rest) = string::read_length(input)?;
    let mut hash = Hash::default();
    for _ in 0..count {
        let (field, behind) = string::read(rest)?;
        let (value, behind) = string::read(behind)?;
        if !hash.set(&field, &value, limits) {
            return None;
        }
        rest = behind;
    }
    (!hash.is_empty()).then_some((hash, rest))
}

/// Appends a hash with fields that expire, the first of them at `first`, as 7.4 does:
///
/// ```text
/// | first deadline, 8 bytes | fields | (length: 0 or deadline - first + 1 | field | value) …
/// ```
pub(super) fn write_expiring(out: &mut Vec<u8>, hash: &Hash, first: Millis) {
    out.extend_from_slice(&first.0.to_le_bytes());
    string::write_length(out, hash.len());
    for (field, value) in hash.iter() {
        let after = field.with(|field| hash.deadline(field)).map_or(0, |deadline| deadline.0 - first.0 + 1);
        string::write_length(out, usize::try_from(after).expect("none is before the first"));
        field.with(|field| string::write_bytes(out, field));
        value.with(|value| string::write_bytes(out, value));
    }
}

/// See [`write_expiring`].
pub(super) fn read_expiring(input: &[u8], limits: Limits) -> Option<(Hash, &[u8])> {
    let (first, rest) = input.split_first_chunk::<8>()?;
    let first = i64::from_le_bytes(*first);
    let (count, mut rest) = string::read_length(rest)?;
    let mut hash = Hash::default();
    for _ in 0..count {
        let (after, behind) = string::read_length(rest)?;
        let (field, behind) = string::read(behind)?;
        let (value, behind) = string::read(behind)?;
        if !hash.set(&field, &value, limits) {
            return None;
        }
        if after > 0 {
            let deadline = i64::try_from(after).ok()?.checked_add(first)?.checked_sub(1)?;
            hash.set_deadline(&field, Millis(deadline));
        }
        rest = behind;
    }
    (!hash.is_empty()).then_some((hash, rest))
}

/// A listpack of fields, values and deadlines or 0 behind the first deadline, since 7.4.
pub(super) fn read_expiring_pack(input: &[u8], limits: Limits) -> Option<(Hash, &[u8])> {
    let (_, rest) = input.split_first_chunk::<8>()?;
    let (bytes, rest) = string::read(rest)?;
    let pack = Listpack::from_bytes(bytes.into_owned()).ok()?;
    let mut hash = Hash::default();
    let mut at = pack.first();
    while at != pack.end() {
        let value_at = pack.next(at);
        let deadline_at = if value_at == pack.end() { value_at } else { pack.next(value_at) };
        if deadline_at == pack.end() {
            return None;
        }
        let [field, value, deadline] = [at, value_at, deadline_at].map(|at| pack.get(at));
        let Element::Int(deadline @ 0..) = deadline else { return None };
        let (field, value) = (field.to_vec(), value.to_vec());
        if !hash.set(&field, &value, limits) {
            return None;
        }
        if deadline > 0 {
            hash.set_deadline(&field, Millis(deadline));
        }
        at = pack.next(deadline_at);
    }
    (!hash.is_empty()).then_some((hash, rest))
}

/// One listpack, since 7.0.
pub(super) fn read_pack(input: &[u8], limits: Limits) -> Option<(Hash, &[u8])> {
    let (bytes, rest) = string::read(input)?;
    let pack = Listpack::from_bytes(bytes.into_owned()).ok()?;
    Some((Hash::of_pack(pack, limits)?, rest))
}

/// One ziplist, from before 7.0.
pub(super) fn read_ziplist(input: &[u8], limits: Limits) -> Option<(Hash, &[u8])> {
    let (bytes, rest) = string::read(input)?;
    Some((Hash::of_pack(list::pack_of_ziplist(&bytes)?, limits)?, rest))
}

/// A zipmap, from before 2.6:
///
/// ```text
/// | fields, 254 if more than it can say | length | field | length | free | value | free bytes … | 0xFF |
/// length: one byte below 254, or 254 and four
/// ```
pub(super) fn read_zipmap(input: &[u8], limits: Limits) -> Option<(Hash, &[u8])> {
    fn length(map: &[u8]) -> Option<(usize, &[u8])> {
        match map.split_first()? {
            (&len @ 0..=253, rest) => Some((usize::from(len), rest)),
            (254, rest) => {
                let (len, rest) = rest.split_first_chunk::<4>()?;
                Some((usize::try_from(u32::from_le_bytes(*len)).ok()?, rest))
            }
            _ => None,
        }
    }
    let (bytes, rest) = string::read(input)?;
    let mut map = bytes.get(1..)?;
    let mut pack = Listpack::default();
    while map.first()? != &0xFF {
        let (len, behind) = length(map)?;
        let (field, behind) = behind.split_at_checked(len)?;
        let (len, behind) = length(behind)?;
        let (&free, behind) = behind.split_first()?;
        let (value, behind) = behind.split_at_checked(len)?;
        map = behind.get(usize::from(free)..)?;
        pack.insert(pack.end(), Element::of(field));
        pack.insert(pack.end(), Element::of(value));
    }
    (map.len() == 1).then_some(())?;
    Some((Hash::of_pack(pack, limits)?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut hash = Hash::default();
        for number in 0..600 {
            hash.set(format!("f{number}").as_bytes(), number.to_string().as_bytes(), Limits::default());
        }
        assert_eq!(hash.encoding(), "hashtable");
        let mut out = Vec::new();
        write(&mut out, &hash);
        assert_eq!(read_fields(&out, Limits::default()), Some((hash, &b""[..])));
        assert_eq!(read_fields(b"\x02\x01a\x01b\x01a\x01c", Limits::default()), None, "a field twice");
        assert_eq!(read_fields(b"\x00", Limits::default()), None);
    }

    #[test]
    fn zipmaps_of_very_old_servers_are_read() {
        let mut input = Vec::new();
        string::write_bytes(&mut input, b"\x02\x03foo\x03\x00bar\x05hello\x05\x02world\0\0\xff");
        let (hash, rest) = read_zipmap(&input, Limits::default()).expect("a zipmap");
        assert!(rest.is_empty());
        assert_eq!(hash.len(), 2);
        assert_eq!(hash.get(b"hello").map(|value| value.to_vec()), Some(b"world".to_vec()));
    }

    #[test]
    fn fields_that_expire_are_read_in_both_forms() {
        let limits = Limits::default();
        let mut hash = Hash::default();
        for field in [b"a0", b"a1", b"a2"] {
            hash.set(field, b"v", limits);
        }
        hash.set_deadline(b"a0", Millis(1_900_000_000_000));
        hash.set_deadline(b"a2", Millis(1_900_000_005_000));
        let mut out = Vec::new();
        write_expiring(&mut out, &hash, Millis(1_900_000_000_000));
        assert_eq!(read_expiring(&out, limits), Some((hash.clone(), &b""[..])));
        for cut in 0..out.len() {
            assert_eq!(read_expiring(&out[..cut], limits), None, "{cut}");
        }

        let mut pack = Listpack::default();
        let elements = [("a0", 1_900_000_000_000), ("a1", 0), ("a2", 1_900_000_005_000)];
        for (field, deadline) in elements {
            pack.insert(pack.end(), Element::of(field.as_bytes()));
            pack.insert(pack.end(), Element::of(b"v"));
            pack.insert(pack.end(), Element::Int(deadline));
        }
        let mut out = 1_900_000_000_000_i64.to_le_bytes().to_vec();
        string::write_bytes(&mut out, pack.as_bytes());
        assert_eq!(read_expiring_pack(&out, limits), Some((hash, &b""[..])));
        let mut out = vec![0; 8];
        pack.remove(pack.position(8, 9), 1);
        string::write_bytes(&mut out, pack.as_bytes());
        assert_eq!(read_expiring_pack(&out, limits), None, "a field without a time");
    }
}
