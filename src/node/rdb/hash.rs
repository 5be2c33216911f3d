//! Hashes as Redis serialises them: the pack of a small one, else fields and values one after the other.

use super::{
    list,
    sink::Sink,
    source::{Fault, Source},
    string,
};
use crate::{
    node::object::{Element, Hash, HashRef, hash::Limits, listpack::Listpack},
    time::Millis,
};

/// Appends a hash that is no pack.
pub(super) fn write(out: &mut impl Sink, hash: HashRef<'_>) {
    string::write_length(out, hash.len());
    for (field, value) in hash.iter() {
        field.with(|field| string::write_bytes(out, field));
        value.with(|value| string::write_bytes(out, value));
    }
}

/// Fields and values, each a string.
pub(super) fn read_fields(source: &mut impl Source, limits: Limits) -> Result<Hash, Fault> {
    let count = source.length()?;
    let (mut hash, mut field) = (Hash::default(), Vec::new());
    for _ in 0..count {
        add(&mut hash, source, &mut field, limits)?;
    }
    not_empty(hash)
}

/// Reads a field and its value; `field` has its name then.
fn add(hash: &mut Hash, source: &mut impl Source, field: &mut Vec<u8>, limits: Limits) -> Result<(), Fault> {
    field.clear();
    field.extend_from_slice(&source.string()?);
    if hash.set(field, &source.string()?, limits) { Ok(()) } else { Err(TWICE) }
}

const TWICE: Fault = Fault::Bad("a field is there twice");

fn not_empty(hash: Hash) -> Result<Hash, Fault> {
    if hash.is_empty() { Err(Fault::Empty) } else { Ok(hash) }
}

/// Appends a hash with fields that expire, the first of them at `first`, as 7.4 does:
///
/// ```text
/// | first deadline, 8 bytes | fields | (length: 0 or deadline - first + 1 | field | value) …
/// ```
pub(super) fn write_expiring(out: &mut impl Sink, hash: HashRef<'_>, first: Millis) {
    out.raw(&first.0.to_le_bytes());
    string::write_length(out, hash.len());
    for (field, value) in hash.iter() {
        let after = field.with(|field| hash.deadline(field)).map_or(0, |deadline| deadline.0 - first.0 + 1);
        string::write_length(out, usize::try_from(after).expect("none is before the first"));
        field.with(|field| string::write_bytes(out, field));
        value.with(|value| string::write_bytes(out, value));
    }
}

/// See [`write_expiring`].
pub(super) fn read_expiring(source: &mut impl Source, limits: Limits) -> Result<Hash, Fault> {
    let first = i64::from_le_bytes(source.array()?);
    let count = source.length()?;
    let (mut hash, mut field) = (Hash::default(), Vec::new());
    for _ in 0..count {
        let after = i64::try_from(source.length()?).map_err(|_| NO_TIME)?;
        add(&mut hash, source, &mut field, limits)?;
        if after > 0 {
            let deadline = after.checked_add(first).and_then(|time| time.checked_sub(1)).ok_or(NO_TIME)?;
            hash.set_deadline(&field, Millis(deadline));
        }
    }
    not_empty(hash)
}

const NO_TIME: Fault = Fault::Bad("a field has no possible time");

/// A listpack of fields, values and deadlines or 0 behind the first deadline, since 7.4.
pub(super) fn read_expiring_pack(source: &mut impl Source, limits: Limits) -> Result<Hash, Fault> {
    source.array::<8>()?;
    let pack = list::read_listpack(source)?;
    let mut hash = Hash::default();
    let mut at = pack.first();
    while at != pack.end() {
        let value_at = pack.next(at);
        let deadline_at = if value_at == pack.end() { value_at } else { pack.next(value_at) };
        if deadline_at == pack.end() {
            return Err(NO_TIME);
        }
        let [field, value, deadline] = [at, value_at, deadline_at].map(|at| pack.get(at));
        let Element::Int(deadline @ 0..) = deadline else { return Err(NO_TIME) };
        let (field, value) = (field.to_vec(), value.to_vec());
        if !hash.set(&field, &value, limits) {
            return Err(TWICE);
        }
        if deadline > 0 {
            hash.set_deadline(&field, Millis(deadline));
        }
        at = pack.next(deadline_at);
    }
    not_empty(hash)
}

/// One listpack, since 7.0.
pub(super) fn read_pack(source: &mut impl Source, limits: Limits) -> Result<Hash, Fault> {
    of_pack(list::read_listpack(source)?, limits)
}

fn of_pack(pack: Listpack, limits: Limits) -> Result<Hash, Fault> {
    if pack.first() == pack.end() {
        return Err(Fault::Empty);
    }
    Hash::of_pack(pack, limits).ok_or(Fault::Bad("a field without a value, or twice"))
}

/// One ziplist, from before 7.0.
pub(super) fn read_ziplist(source: &mut impl Source, limits: Limits) -> Result<Hash, Fault> {
    of_pack(list::read_ziplist_as_pack(source)?, limits)
}

/// A zipmap, from before 2.6:
///
/// ```text
/// | fields, 254 if more than it can say | length | field | length | free | value | free bytes … | 0xFF |
/// length: one byte below 254, or 254 and four
/// ```
pub(super) fn read_zipmap(source: &mut impl Source, limits: Limits) -> Result<Hash, Fault> {
    let pack = pack_of_zipmap(&source.string()?).ok_or(Fault::Bad("a damaged zipmap"))?;
    of_pack(pack, limits)
}

fn pack_of_zipmap(map: &[u8]) -> Option<Listpack> {
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
    let mut map = map.get(1..)?;
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
    (map.len() == 1).then_some(pack)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads all of it.
    fn read_all<'i>(
        mut input: &'i [u8],
        read: impl FnOnce(&mut &'i [u8], Limits) -> Result<Hash, Fault>,
    ) -> Result<Hash, Fault> {
        let hash = read(&mut input, Limits::default())?;
        assert!(input.is_empty());
        Ok(hash)
    }

    #[test]
    fn what_is_written_is_read() {
        let mut hash = Hash::default();
        for number in 0..600 {
            hash.set(format!("f{number}").as_bytes(), number.to_string().as_bytes(), Limits::default());
        }
        assert_eq!(hash.view().encoding(), "hashtable");
        let mut out = Vec::new();
        write(&mut out, hash.view());
        assert_eq!(read_all(&out, read_fields), Ok(hash));
        assert_eq!(read_all(b"\x02\x01a\x01b\x01a\x01c", read_fields), Err(TWICE));
        assert_eq!(read_all(b"\x00", read_fields), Err(Fault::Empty));
    }

    #[test]
    fn zipmaps_of_very_old_servers_are_read() {
        let mut input = Vec::new();
        string::write_bytes(&mut input, b"\x02\x03foo\x03\x00bar\x05hello\x05\x02world\0\0\xff");
        let hash = read_all(&input, read_zipmap).expect("a zipmap");
        assert_eq!(hash.len(), 2);
        assert_eq!(hash.view().get(b"hello").map(|value| value.to_vec()), Some(b"world".to_vec()));
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
        write_expiring(&mut out, hash.view(), Millis(1_900_000_000_000));
        assert_eq!(read_all(&out, read_expiring), Ok(hash.clone()));
        for cut in 0..out.len() {
            assert_eq!(read_all(&out[..cut], read_expiring), Err(Fault::Ended), "{cut}");
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
        assert_eq!(read_all(&out, read_expiring_pack), Ok(hash));
        let mut out = vec![0; 8];
        pack.remove(pack.position(8, 9), 1);
        string::write_bytes(&mut out, pack.as_bytes());
        assert_eq!(read_all(&out, read_expiring_pack), Err(NO_TIME));
    }
}
