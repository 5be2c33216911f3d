//! Replies taken apart as far as a merge needs: the elements of arrays, each as it came.

use crate::{
    protocol::{Value, frame::FrameScanner, number::parse_i64},
    slot::SlotId,
};

/// The elements of an array reply, each as it came.
#[derive(Clone, Debug)]
pub(in crate::proxy) struct Elements<'a> {
    rest: &'a [u8],
    left: usize,
}

impl<'a> Elements<'a> {
    /// `None` if the reply is no array (or set, or push).
    pub(in crate::proxy) fn of(reply: &'a [u8]) -> Option<Self> {
        let (kind, rest) = reply.split_first()?;
        let end = memchr::memchr(b'\r', rest)?;
        if !matches!(kind, b'*' | b'~' | b'>') {
            return None;
        }
        let left = usize::try_from(parse_i64(&rest[..end])?).ok()?;
        Some(Self { rest: rest.get(end + 2..)?, left })
    }

    /// The bytes from the next element on, and how many elements there are.
    pub(in crate::proxy) fn rest(&self) -> (&'a [u8], usize) {
        (self.rest, self.left)
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        self.left = self.left.checked_sub(1)?;
        let frame = FrameScanner::default().scan(self.rest).ok().flatten()?;
        let (element, rest) = self.rest.split_at(frame.len);
        self.rest = rest;
        Some(element)
    }
}

/// The bytes of a bulk or simple string.
pub(in crate::proxy) fn string(element: &[u8]) -> Option<&[u8]> {
    let (kind, rest) = element.split_first()?;
    let end = memchr::memchr(b'\r', rest)?;
    match kind {
        b'+' => Some(&rest[..end]),
        b'$' => {
            let length = usize::try_from(parse_i64(&rest[..end])?).ok()?;
            rest.get(end + 2..end + 2 + length)
        }
        _ => None,
    }
}

/// The keys in `elements` whose slot satisfies `owned`, each as it came.
pub(in crate::proxy) fn owned_keys<'a>(
    elements: Elements<'a>,
    owned: impl Fn(SlotId) -> bool,
) -> impl Iterator<Item = &'a [u8]> {
    elements.filter(move |element| string(element).is_some_and(|key| owned(SlotId::of_key(key))))
}

/// A value of a reply, when its bytes are not enough.
pub(in crate::proxy) fn value(reply: &[u8]) -> Option<Value> {
    Value::decode(reply).ok().flatten().map(|(value, _)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_and_keys() {
        assert_eq!(string(b"$3\r\nabc\r\n"), Some(&b"abc"[..]));
        assert_eq!(string(b":3\r\n"), None);
        let all = Elements::of(b"*2\r\n$1\r\na\r\n$1\r\nb\r\n").unwrap();
        let slot = SlotId::of_key(b"b");
        assert_eq!(owned_keys(all, |of| of == slot).collect::<Vec<_>>(), [b"$1\r\nb\r\n"]);
    }
}
