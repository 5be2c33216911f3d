//! Lists as Redis serialises them. Written in the form of 7.0, a quicklist of listpacks; read in all older ones too.

use super::{
    sink::Sink,
    source::{Fault, Source},
    string,
};
use crate::node::object::{
    Element, List, ListRef,
    list::{End, Fill},
    listpack::Listpack,
};

/// A quicklist's node that is one element without a pack around it.
const PLAIN: usize = 1;
const PACKED: usize = 2;

/// Appends a list.
pub(super) fn write(out: &mut impl Sink, list: ListRef<'_>) {
    string::write_length(out, list.packs().count());
    for pack in list.packs() {
        string::write_length(out, PACKED);
        string::write_bytes(out, pack.as_bytes());
    }
}

/// One string that is a listpack.
pub(super) fn read_listpack(source: &mut impl Source) -> Result<Listpack, Fault> {
    Listpack::from_bytes(source.string()?.into_owned()).map_err(|_| Fault::Bad("a damaged listpack"))
}

/// A quicklist of listpacks: what [`write()`] writes, or redis-server since 7.0.
pub(super) fn read_quicklist(source: &mut impl Source) -> Result<List, Fault> {
    let count = source.length()?;
    let mut packs = Vec::new();
    for _ in 0..count {
        packs.push(match source.length()? {
            PACKED => read_listpack(source)?,
            PLAIN => {
                let mut pack = Listpack::default();
                pack.insert(pack.end(), Element::of(&source.string()?));
                pack
            }
            _ => return Err(Fault::Bad("a node of a list of an unknown kind")),
        });
    }
    not_empty(List::of_packs(packs))
}

/// Elements one after the other, each a string: from before 2.0, or anybody who writes simple payloads.
pub(super) fn read_elements(source: &mut impl Source) -> Result<List, Fault> {
    let count = source.length()?;
    let mut list = List::default();
    for _ in 0..count {
        list.push(End::Right, &source.string()?, Fill::default());
    }
    not_empty(list)
}

/// One ziplist, from before 3.2.
pub(super) fn read_ziplist(source: &mut impl Source) -> Result<List, Fault> {
    let mut list = List::default();
    push_ziplist(&mut list, &source.string()?).ok_or(NO_ZIPLIST)?;
    not_empty(list)
}

/// A quicklist of ziplists, from before 7.0.
pub(super) fn read_quicklist_of_ziplists(source: &mut impl Source) -> Result<List, Fault> {
    let count = source.length()?;
    let mut list = List::default();
    for _ in 0..count {
        push_ziplist(&mut list, &source.string()?).ok_or(NO_ZIPLIST)?;
    }
    not_empty(list)
}

/// One string that is a ziplist, as a listpack.
pub(super) fn read_ziplist_as_pack(source: &mut impl Source) -> Result<Listpack, Fault> {
    pack_of_ziplist(&source.string()?).ok_or(NO_ZIPLIST)
}

const NO_ZIPLIST: Fault = Fault::Bad("a damaged ziplist");

/// An empty list is no key.
fn not_empty(list: List) -> Result<List, Fault> {
    if list.is_empty() { Err(Fault::Empty) } else { Ok(list) }
}

/// Shows the elements of a ziplist:
///
/// ```text
/// | bytes u32 | place of the last u32 | elements u16 | entry … | 0xFF |
/// entry: | length of the one before: 1 byte, or 0xFE and 4 | kind and length or number | bytes |
/// ```
fn each_of_ziplist(ziplist: &[u8], mut each: impl FnMut(Element<'_>)) -> Option<()> {
    const HEADER: usize = 10;
    let total = u32::from_le_bytes(ziplist.get(..4)?.try_into().ok()?);
    if usize::try_from(total) != Ok(ziplist.len()) {
        return None;
    }
    let mut rest = ziplist.get(HEADER..)?;
    loop {
        let (&first, mut behind) = rest.split_first()?;
        if first == 0xFF {
            return behind.is_empty().then_some(());
        }
        if first == 0xFE {
            behind = behind.get(4..)?;
        }
        let (element, behind) = ziplist_element(behind)?;
        each(element);
        rest = behind;
    }
}

fn push_ziplist(list: &mut List, ziplist: &[u8]) -> Option<()> {
    each_of_ziplist(ziplist, |element| element.with(|bytes| list.push(End::Right, bytes, Fill::default())))
}

fn pack_of_ziplist(ziplist: &[u8]) -> Option<Listpack> {
    let mut pack = Listpack::default();
    each_of_ziplist(ziplist, |element| {
        element.with(|bytes| pack.insert(pack.end(), Element::of(bytes)));
    })?;
    Some(pack)
}

fn ziplist_element(entry: &[u8]) -> Option<(Element<'_>, &[u8])> {
    let (&kind, rest) = entry.split_first()?;
    let text = |len: usize, rest: &'_ [u8]| -> Option<(usize, usize)> {
        (rest.len() >= len).then_some((entry.len() - rest.len(), len))
    };
    let (start, len) = match kind >> 6 {
        0 => text(usize::from(kind & 0x3F), rest)?,
        1 => text(usize::from(kind & 0x3F) << 8 | usize::from(*rest.first()?), rest.get(1..)?)?,
        2 => {
            let (len, rest) = rest.split_first_chunk::<4>()?;
            text(usize::try_from(u32::from_be_bytes(*len)).ok()?, rest)?
        }
        _ => {
            let bytes = match kind {
                0xC0 => 2,
                0xD0 => 4,
                0xE0 => 8,
                0xF0 => 3,
                0xFE => 1,
                0xF1..=0xFD => return Some((Element::Int(i64::from(kind & 0x0F) - 1), rest)),
                _ => return None,
            };
            let (number, rest) = rest.split_at_checked(bytes)?;
            let mut whole = if number.last()? & 0x80 == 0 { [0; 8] } else { [0xFF; 8] };
            whole[..bytes].copy_from_slice(number);
            return Some((Element::Int(i64::from_le_bytes(whole)), rest));
        }
    };
    Some((Element::Bytes(&entry[start..start + len]), &entry[start + len..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn elements(list: &List) -> Vec<String> {
        list.view().iter(0, End::Right).map(|element| element.to_vec().escape_ascii().to_string()).collect()
    }

    #[test]
    fn ziplists_of_old_servers_are_read() {
        // What redis-server 6.2 has for RPUSH l a 5 -7 1000 100000 5000000000 "" and 70 times x.
        let mut entries = Vec::new();
        for entry in [
            &b"\x00\x01a"[..],
            b"\x03\xf6",
            b"\x02\xfe\xf9",
            b"\x03\xc0\xe8\x03",
            b"\x04\xf0\xa0\x86\x01",
            b"\x05\xe0\x00\xf2\x05\x2a\x01\x00\x00\x00",
            b"\x0a\x00",
            b"\x02\x40\x46",
        ] {
            entries.extend_from_slice(entry);
        }
        entries.extend_from_slice(&[b'x'; 70]);
        let total = u32::try_from(10 + entries.len() + 1).unwrap();
        let mut ziplist = total.to_le_bytes().to_vec();
        ziplist.extend_from_slice(&[0, 0, 0, 0, 8, 0]);
        ziplist.extend_from_slice(&entries);
        ziplist.push(0xFF);
        let mut input = Vec::new();
        string::write_bytes(&mut input, &ziplist);
        let mut rest = input.as_slice();
        let list = read_ziplist(&mut rest).expect("a ziplist");
        assert!(rest.is_empty());
        let long = "x".repeat(70);
        assert_eq!(elements(&list), ["a", "5", "-7", "1000", "100000", "5000000000", "", &long]);
        let mut quicklist = vec![2];
        quicklist.extend_from_slice(&input);
        quicklist.extend_from_slice(&input);
        assert_eq!(read_quicklist_of_ziplists(&mut quicklist.as_slice()).expect("two of them").len(), 16);
        for cut in 0..ziplist.len() {
            assert!(push_ziplist(&mut List::default(), &ziplist[..cut]).is_none());
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let mut list = List::default();
        for number in 0..5000 {
            list.push(End::Right, format!("element {number}").as_bytes(), Fill::default());
        }
        let mut out = Vec::new();
        write(&mut out, list.view());
        let mut rest = out.as_slice();
        let read = read_quicklist(&mut rest).expect("just written");
        assert!(rest.is_empty());
        assert_eq!(elements(&read), elements(&list));
        assert_eq!(read_quicklist(&mut &[0][..]), Err(Fault::Empty));
        let mut plain = vec![1, 1];
        string::write_bytes(&mut plain, b"plain");
        assert_eq!(elements(&read_quicklist(&mut plain.as_slice()).expect("a plain node")), ["plain"]);
        assert_eq!(elements(&read_elements(&mut &b"\x02\x01a\x01b"[..]).expect("two elements")), ["a", "b"]);
    }
}
