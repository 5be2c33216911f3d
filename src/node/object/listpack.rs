//! Redis's listpack: a sequence of strings and integers in one block of bytes, readable from both ends.
//!
//! ```text
//! | total bytes u32 | elements u16, 0xFFFF if more than it can say | entry … | 0xFF |
//! entry: | kind and length or number | bytes | length of the two before, 7 bits a byte, read from its end |
//! ```
//!
//! Strings that are canonical decimals of 64 bits are kept as integers. The format is that of `listpack.c`, because `DUMP` payloads and
//! RDB files carry these bytes as they are.

use crate::{node::allocator, protocol::number::parse_i64};

const HEADER: usize = 6;
const END: u8 = 0xFF;
/// Memory of up to so many bytes is not given back while there are any elements: what small collections are changed in is used again.
pub(super) const KEPT: usize = 1024;
/// The most that is written around an element's bytes: five for kind and length, five for the length behind.
const FRAME_MAX: usize = 10;

/// One element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element<'a> {
    /// A string that is the canonical decimal of this number.
    Int(i64),
    /// Any other.
    Bytes(&'a [u8]),
}

impl<'a> Element<'a> {
    /// As it would be kept.
    #[must_use]
    pub fn of(bytes: &'a [u8]) -> Self {
        match bytes {
            [b'-' | b'0'..=b'9', ..] if bytes.len() <= 20 => {
                parse_i64(bytes).map_or(Self::Bytes(bytes), Self::Int)
            }
            _ => Self::Bytes(bytes),
        }
    }

    /// Runs `with` on its bytes.
    pub fn with<R>(self, with: impl FnOnce(&[u8]) -> R) -> R {
        match self {
            Self::Int(number) => with(itoa::Buffer::new().format(number).as_bytes()),
            Self::Bytes(bytes) => with(bytes),
        }
    }

    /// Its bytes.
    #[must_use]
    pub fn to_vec(&self) -> Vec<u8> {
        self.with(<[u8]>::to_vec)
    }

    /// Bytes of its text.
    #[must_use]
    pub fn text_len(self) -> usize {
        self.with(<[u8]>::len)
    }

    /// Bytes it takes in a pack.
    #[must_use]
    pub fn size(self) -> usize {
        let head = match self {
            Self::Int(0..=127) => 1,
            Self::Int(-4096..=4095) => 2,
            Self::Int(-0x8000..=0x7FFF) => 3,
            Self::Int(-0x80_0000..=0x7F_FFFF) => 4,
            Self::Int(-0x8000_0000..=0x7FFF_FFFF) => 5,
            Self::Int(_) => 9,
            Self::Bytes(bytes) => bytes.len() + string_header(bytes.len()),
        };
        head + back_len(head)
    }

    fn write(self, out: &mut Vec<u8>) {
        let start = out.len();
        match self {
            Self::Int(number) => write_int(out, number),
            Self::Bytes(bytes) => {
                match bytes.len() {
                    len @ 0..=63 => out.push(0x80 | low_byte(len)),
                    len @ 64..=4095 => out.extend_from_slice(&[0xE0 | low_byte(len >> 8), low_byte(len)]),
                    len => {
                        out.push(0xF0);
                        let len =
                            u32::try_from(len).expect("a pack is below 4 GiB, and its elements with it");
                        out.extend_from_slice(&len.to_le_bytes());
                    }
                }
                out.extend_from_slice(bytes);
            }
        }
        write_back_len(out, out.len() - start);
    }
}

/// The lowest eight bits.
fn low_byte(number: usize) -> u8 {
    number.to_le_bytes()[0]
}

fn string_header(len: usize) -> usize {
    match len {
        0..=63 => 1,
        64..=4095 => 2,
        _ => 5,
    }
}

fn write_int(out: &mut Vec<u8>, number: i64) {
    let bytes = number.to_le_bytes();
    match number {
        0..=127 => out.push(bytes[0]),
        -4096..=4095 => out.extend_from_slice(&[0xC0 | bytes[1] & 0x1F, bytes[0]]),
        -0x8000..=0x7FFF => out.extend_from_slice(&[0xF1, bytes[0], bytes[1]]),
        -0x80_0000..=0x7F_FFFF => out.extend_from_slice(&[0xF2, bytes[0], bytes[1], bytes[2]]),
        -0x8000_0000..=0x7FFF_FFFF => {
            out.push(0xF3);
            out.extend_from_slice(&bytes[..4]);
        }
        _ => {
            out.push(0xF4);
            out.extend_from_slice(&bytes);
        }
    }
}

/// Bytes that an entry's length takes behind it. The bounds are those of Redis, one short of what fits.
fn back_len(len: usize) -> usize {
    match len {
        0..=127 => 1,
        128..16_383 => 2,
        16_383..2_097_151 => 3,
        2_097_151..268_435_455 => 4,
        _ => 5,
    }
}

fn write_back_len(out: &mut Vec<u8>, len: usize) {
    let bytes = back_len(len);
    for index in (0..bytes).rev() {
        let more = if index + 1 == bytes { 0 } else { 0x80 };
        out.push(low_byte(len >> (7 * index)) & 0x7F | more);
    }
}

/// A pack is not what its bytes say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a listpack")]
pub struct Malformed;

/// A pack that is looked at, wherever its bytes are. A position is where an entry begins, or the end.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Pack<'a>(&'a [u8]);

impl<'a> Pack<'a> {
    /// Of the bytes of a [`Listpack`], which are not looked at again.
    pub(crate) fn of_bytes(bytes: &'a [u8]) -> Self {
        debug_assert_eq!(check(bytes), Ok(()));
        Self(bytes)
    }

    /// The pack itself.
    #[must_use]
    pub fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// How many elements there are. Counts them when there are 65535 or more.
    #[must_use]
    pub fn count(self) -> usize {
        match u16::from_le_bytes([self.0[4], self.0[5]]) {
            u16::MAX => {
                let (mut at, mut count) = (self.first(), 0);
                while at < self.end() {
                    at = self.next(at);
                    count += 1;
                }
                count
            }
            count => usize::from(count),
        }
    }

    /// Where the first entry begins.
    #[must_use]
    pub fn first(self) -> usize {
        HEADER
    }

    /// Behind the last entry.
    #[must_use]
    pub fn end(self) -> usize {
        self.0.len() - 1
    }

    /// Where the entry behind the one at `at` begins.
    #[must_use]
    pub fn next(self, at: usize) -> usize {
        let len = entry_len(&self.0[at..]).expect("a position is that of an entry");
        at + len + back_len(len)
    }

    /// Where the entry before `at` begins; there is one.
    #[must_use]
    pub fn previous(self, at: usize) -> usize {
        let (len, bytes) = read_back_len(&self.0[..at]).expect("an entry ends here");
        at - bytes - len
    }

    /// The element at `at`.
    #[must_use]
    pub fn get(self, at: usize) -> Element<'a> {
        read(&self.0[at..]).expect("a position is that of an entry")
    }

    /// The position of element `index`, of `count`.
    #[must_use]
    pub fn position(self, index: usize, count: usize) -> usize {
        if index <= count / 2 {
            (0..index).fold(self.first(), |at, _| self.next(at))
        } else {
            (index..count).fold(self.end(), |at, _| self.previous(at))
        }
    }

    /// Its elements, in order.
    pub(super) fn elements(self) -> Elements<'a> {
        Elements { pack: self, at: self.first() }
    }
}

/// Going through a pack.
#[derive(Clone, Debug)]
pub(super) struct Elements<'a> {
    pack: Pack<'a>,
    at: usize,
}

impl<'a> Iterator for Elements<'a> {
    type Item = Element<'a>;

    fn next(&mut self) -> Option<Element<'a>> {
        (self.at < self.pack.end()).then(|| {
            let element = self.pack.get(self.at);
            self.at = self.pack.next(self.at);
            element
        })
    }
}

impl std::fmt::Debug for Pack<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.elements()).finish()
    }
}

/// A pack of one's own, to be changed. See the module.
#[derive(Clone, PartialEq, Eq)]
pub struct Listpack(Vec<u8>);

impl Default for Listpack {
    fn default() -> Self {
        Self::new_in(Vec::with_capacity(16))
    }
}

impl From<Pack<'_>> for Listpack {
    fn from(pack: Pack<'_>) -> Self {
        Self(pack.0.to_vec())
    }
}

impl Listpack {
    /// An empty one in memory that was something else's.
    #[must_use]
    pub fn new_in(mut memory: Vec<u8>) -> Self {
        memory.clear();
        memory.extend_from_slice(&[7, 0, 0, 0, 0, 0, END]);
        Self(memory)
    }

    /// A copy in memory that was something else's.
    #[must_use]
    pub fn copy_in(pack: Pack<'_>, mut memory: Vec<u8>) -> Self {
        memory.clear();
        memory.extend_from_slice(pack.0);
        Self(memory)
    }

    /// Takes over bytes that came from elsewhere.
    ///
    /// # Errors
    /// When they are not a listpack, whole and in every entry.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, Malformed> {
        check(&bytes)?;
        Ok(Self(bytes))
    }

    /// Its memory.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// Looks at it.
    #[must_use]
    pub fn view(&self) -> Pack<'_> {
        Pack(&self.0)
    }

    /// The pack itself.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Bytes of memory.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.0.capacity()
    }

    /// See [`Pack::count`].
    #[must_use]
    pub fn count(&self) -> usize {
        self.view().count()
    }

    /// See [`Pack::first`].
    #[must_use]
    pub fn first(&self) -> usize {
        self.view().first()
    }

    /// See [`Pack::end`].
    #[must_use]
    pub fn end(&self) -> usize {
        self.view().end()
    }

    /// See [`Pack::next`].
    #[must_use]
    pub fn next(&self, at: usize) -> usize {
        self.view().next(at)
    }

    /// See [`Pack::previous`].
    #[must_use]
    pub fn previous(&self, at: usize) -> usize {
        self.view().previous(at)
    }

    /// See [`Pack::get`].
    #[must_use]
    pub fn get(&self, at: usize) -> Element<'_> {
        self.view().get(at)
    }

    /// See [`Pack::position`].
    #[must_use]
    pub fn position(&self, index: usize, count: usize) -> usize {
        self.view().position(index, count)
    }

    /// Makes room for so many bytes more, and for no more than the allocator gives anyway: there may be millions of small packs.
    fn grow(&mut self, added: usize) {
        let needed = self.0.len() + added;
        if needed > self.0.capacity() {
            self.0.reserve_exact(allocator::usable(needed) - self.0.len());
        }
    }

    /// Puts an element in front of the one at `at`, or at the end.
    pub fn insert(&mut self, at: usize, element: Element<'_>) {
        let added = element.size();
        self.grow(added);
        if at == self.end() {
            self.0.pop();
            element.write(&mut self.0);
            self.0.push(END);
        } else {
            let mut entry = Vec::with_capacity(added.min(64));
            element.write(&mut entry);
            self.0.splice(at..at, entry);
        }
        self.changed(1, 0);
    }

    /// Puts another element in place of the one at `at`.
    pub fn replace(&mut self, at: usize, element: Element<'_>) {
        let end = self.next(at);
        let mut entry = Vec::with_capacity(element.size());
        element.write(&mut entry);
        self.grow(entry.len().saturating_sub(end - at));
        self.0.splice(at..end, entry);
        self.changed(0, 0);
    }

    /// Takes `count` elements out, from `at` on.
    pub fn remove(&mut self, at: usize, count: usize) {
        let end = (0..count).fold(at, |at, _| self.next(at));
        self.0.drain(at..end);
        if self.0.capacity() > (2 * self.0.len()).max(KEPT) {
            self.0.shrink_to(self.0.len() + self.0.len() / 2);
        }
        self.changed(0, count);
    }

    /// Moves everything from `at` on into a pack of its own.
    #[must_use]
    pub fn split(&mut self, at: usize) -> Self {
        let mut bytes = Vec::with_capacity(HEADER + self.0.len() - at);
        bytes.extend_from_slice(&[0, 0, 0, 0, 0xFF, 0xFF]);
        bytes.extend_from_slice(&self.0[at..]);
        let mut rest = Self(bytes);
        rest.recount();
        self.0.truncate(at);
        self.0.push(END);
        self.recount();
        rest
    }

    /// Puts the elements of `other` behind these.
    pub fn append(&mut self, other: &Self) {
        self.0.pop();
        self.grow(other.0.len() - HEADER);
        self.0.extend_from_slice(&other.0[HEADER..]);
        self.recount();
    }

    fn recount(&mut self) {
        self.0[4..HEADER].copy_from_slice(&[0xFF, 0xFF]);
        let count = self.count();
        self.set_count(count);
        self.changed(0, 0);
    }

    fn set_count(&mut self, count: usize) {
        let count = u16::try_from(count).unwrap_or(u16::MAX);
        self.0[4..HEADER].copy_from_slice(&count.to_le_bytes());
    }

    /// Writes the header anew.
    fn changed(&mut self, added: usize, removed: usize) {
        let total = u32::try_from(self.0.len()).expect("packs are kept below 4 GiB");
        self.0[..4].copy_from_slice(&total.to_le_bytes());
        match u16::from_le_bytes([self.0[4], self.0[5]]) {
            // It cannot say how many: count them once there may be few enough again.
            u16::MAX if removed > 0 => {
                let count = self.count();
                self.set_count(count);
            }
            u16::MAX => {}
            count => self.set_count(usize::from(count) + added - removed),
        }
    }
}

impl std::fmt::Debug for Listpack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.view().fmt(f)
    }
}

/// Bytes an entry has before the length behind it.
fn entry_len(bytes: &[u8]) -> Option<usize> {
    Some(match *bytes.first()? {
        0..=0x7F => 1,
        head @ 0x80..=0xBF => 1 + usize::from(head & 0x3F),
        0xC0..=0xDF => 2,
        head @ 0xE0..=0xEF => 2 + (usize::from(head & 0x0F) << 8 | usize::from(*bytes.get(1)?)),
        0xF0 => {
            let len: [u8; 4] = bytes.get(1..5)?.try_into().ok()?;
            5_usize.checked_add(usize::try_from(u32::from_le_bytes(len)).ok()?)?
        }
        0xF1 => 3,
        0xF2 => 4,
        0xF3 => 5,
        0xF4 => 9,
        0xF5..=END => return None,
    })
}

fn read(bytes: &[u8]) -> Option<Element<'_>> {
    let head = *bytes.first()?;
    let len = entry_len(bytes)?;
    let body = bytes.get(..len)?;
    /// Little-endian and signed, of up to eight bytes.
    fn int(bytes: &[u8]) -> i64 {
        let negative = bytes.last().is_some_and(|&byte| byte & 0x80 != 0);
        let mut whole = if negative { [0xFF; 8] } else { [0; 8] };
        whole[..bytes.len()].copy_from_slice(bytes);
        i64::from_le_bytes(whole)
    }
    Some(match head {
        0..=0x7F => Element::Int(i64::from(head)),
        0x80..=0xBF => Element::Bytes(&body[1..]),
        0xC0..=0xDF => {
            let high = if head & 0x10 == 0 { head & 0x1F } else { head | 0xE0 };
            Element::Int(int(&[body[1], high]))
        }
        0xE0..=0xEF => Element::Bytes(&body[2..]),
        0xF0 => Element::Bytes(&body[5..]),
        _ => Element::Int(int(&body[1..])),
    })
}

/// The length of the entry that ends where `before` does, and how many bytes say so.
fn read_back_len(before: &[u8]) -> Option<(usize, usize)> {
    let mut len = 0;
    for (index, &byte) in before.iter().rev().enumerate().take(5) {
        len |= usize::from(byte & 0x7F) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((len, index + 1));
        }
    }
    None
}

/// Checks bytes that came from elsewhere: header, every entry, and what stands behind every entry.
///
/// # Errors
/// When anything is not as this module would write it.
pub fn check(bytes: &[u8]) -> Result<(), Malformed> {
    let (Some(header), Some(&END)) = (bytes.get(..HEADER), bytes.get(HEADER..).and_then(<[u8]>::last)) else {
        return Err(Malformed);
    };
    let total = u32::from_le_bytes([header[0], header[1], header[2], header[3]]);
    if usize::try_from(total) != Ok(bytes.len()) {
        return Err(Malformed);
    }
    let end = bytes.len() - 1;
    let (mut at, mut count) = (HEADER, 0_usize);
    while at < end {
        let len = entry_len(&bytes[at..end]).ok_or(Malformed)?;
        let behind = at.checked_add(len).filter(|&behind| behind < end).ok_or(Malformed)?;
        let next = behind + back_len(len);
        if next > end || read_back_len(&bytes[..next]) != Some((len, back_len(len))) {
            return Err(Malformed);
        }
        (at, count) = (next, count + 1);
    }
    let said = u16::from_le_bytes([header[4], header[5]]);
    if said != u16::MAX && usize::from(said) != count {
        return Err(Malformed);
    }
    Ok(())
}

/// Whether an element fits beside `len` bytes of others without the pack outgrowing 4 GiB.
#[must_use]
pub fn fits(len: usize, element: usize) -> bool {
    len.checked_add(element)
        .and_then(|sum| sum.checked_add(FRAME_MAX))
        .is_some_and(|sum| u32::try_from(sum).is_ok())
}

#[cfg(test)]
mod tests;
