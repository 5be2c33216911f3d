//! How the replies of several nodes become one. Bytes in, bytes out.
//!
//! Errors: a request that only reads, or that failed everywhere, answers with the first error in the order of its keys
//! (a part whose outcome is unknown counts as first). A request that writes and failed at some nodes only says so, and at
//! which: it begins with `ERR`, because the words that promise "nothing was done" would be false.

use crate::{
    protocol::{Encoder, Value, Version, frame::FrameScanner, number::parse_i64},
    slot::SlotId,
};

/// The reply of one node to its part of a request.
#[derive(Clone, Copy, Debug)]
pub(super) struct PartReply<'a> {
    /// As it came.
    pub(super) bytes: &'a [u8],
    /// Whether the node may have run it; false if it was never sent.
    pub(super) may_have_run: bool,
}

impl PartReply<'_> {
    pub(super) fn is_error(&self) -> bool {
        matches!(self.bytes.first(), Some(b'-' | b'!'))
    }

    /// Sent, and then the connection was lost.
    fn is_unknown(&self) -> bool {
        self.is_error()
            && self.may_have_run
            && contains(self.bytes, b"connection lost after the command was sent")
    }

    /// The error without its type and end.
    fn text(&self) -> &[u8] {
        let body = match self.bytes.first() {
            Some(b'!') => {
                self.bytes.iter().position(|&byte| byte == b'\n').map_or(self.bytes, |at| &self.bytes[at..])
            }
            _ => self.bytes,
        };
        body.strip_prefix(b"-").unwrap_or(body).trim_ascii()
    }
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    memchr::memmem::find(haystack, needle).is_some()
}

/// The one error that some of the parts make, if any failed. `label` names the node of a part.
pub(super) fn error_of<'a>(
    name: &str,
    writes: bool,
    parts: &(impl Iterator<Item = PartReply<'a>> + Clone),
    label: impl Fn(usize) -> String,
) -> Option<Vec<u8>> {
    let failed = || parts.clone().enumerate().filter(|(_, part)| part.is_error());
    let first = failed().find(|(_, part)| part.is_unknown()).or_else(|| failed().next());
    let (index, part) = first?;
    let all_failed = parts.clone().all(|part| part.is_error());
    if !writes || all_failed && (part.is_unknown() || failed().count() == 1) {
        return Some(part.text().to_vec());
    }
    if all_failed && !failed().any(|(_, part)| part.is_unknown()) {
        return Some(part.text().to_vec());
    }
    let upper = name.to_ascii_uppercase();
    let mut text = format!("ERR {upper} ran on some nodes only; {} answered: ", label(index)).into_bytes();
    text.extend_from_slice(part.text());
    Some(text)
}

/// Integers, added.
pub(super) fn sum<'a>(parts: impl Iterator<Item = PartReply<'a>>) -> Option<i64> {
    parts.map(|part| parse_i64(part.bytes.strip_prefix(b":")?.trim_ascii_end())).sum()
}

/// The elements of an array reply, each as it came.
#[derive(Clone, Debug)]
pub(super) struct Elements<'a> {
    rest: &'a [u8],
    left: usize,
}

impl<'a> Elements<'a> {
    /// `None` if the reply is no array (or set, or push).
    pub(super) fn of(reply: &'a [u8]) -> Option<Self> {
        let (kind, rest) = reply.split_first()?;
        let end = memchr::memchr(b'\r', rest)?;
        if !matches!(kind, b'*' | b'~' | b'>') {
            return None;
        }
        let left = usize::try_from(parse_i64(&rest[..end])?).ok()?;
        Some(Self { rest: rest.get(end + 2..)?, left })
    }

    /// The bytes from the next element on, and how many elements there are.
    pub(super) fn rest(&self) -> (&'a [u8], usize) {
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
pub(super) fn string(element: &[u8]) -> Option<&[u8]> {
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

/// One element per key, in the order of the keys: `order` names the part that has the next one. `None` if a node answered
/// with too few.
pub(super) fn by_key(order: &[u16], parts: &mut [Elements<'_>], out: &mut Vec<u8>) -> Option<()> {
    Encoder::new(out, Version::Resp2).array(order.len());
    for &part in order {
        out.extend_from_slice(parts.get_mut(usize::from(part))?.next()?);
    }
    Some(())
}

/// The keys in `elements` whose slot satisfies `owned`, each as it came.
pub(super) fn owned_keys<'a>(
    elements: Elements<'a>,
    owned: impl Fn(SlotId) -> bool,
) -> impl Iterator<Item = &'a [u8]> {
    elements.filter(move |element| string(element).is_some_and(|key| owned(SlotId::of_key(key))))
}

/// A value of a reply, when its bytes are not enough.
pub(super) fn value(reply: &[u8]) -> Option<Value> {
    Value::decode(reply).ok().flatten().map(|(value, _)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(bytes: &[u8], may_have_run: bool) -> PartReply<'_> {
        PartReply { bytes, may_have_run }
    }

    const LOST: &[u8] =
        b"-ERR node 2: connection lost after the command was sent (x); it may or may not have run\r\n";

    fn error(writes: bool, parts: &[PartReply<'_>]) -> Option<String> {
        error_of("mset", writes, &parts.iter().copied(), |index| format!("node {index}"))
            .map(|text| String::from_utf8(text).unwrap())
    }

    #[test]
    fn the_error_that_promises_nothing_was_done_is_only_told_when_it_is_true() {
        let ok = part(b"+OK\r\n", true);
        let down = part(b"-CLUSTERDOWN node 1 is unreachable\r\n", false);
        let oom = part(b"-OOM full\r\n", true);
        let lost = part(LOST, true);
        assert_eq!(error(true, &[ok, ok]), None);
        assert_eq!(error(true, &[down, down]).unwrap(), "CLUSTERDOWN node 1 is unreachable");
        assert_eq!(error(true, &[oom, down]).unwrap(), "OOM full");
        assert_eq!(
            error(true, &[ok, down]).unwrap(),
            "ERR MSET ran on some nodes only; node 1 answered: CLUSTERDOWN node 1 is unreachable"
        );
        for parts in [[oom, lost], [lost, down], [ok, lost]] {
            let text = error(true, &parts).unwrap();
            assert!(text.starts_with("ERR ") && text.contains("may or may not have run"), "{text}");
        }
        assert_eq!(error(false, &[ok, down]).unwrap(), "CLUSTERDOWN node 1 is unreachable");
    }

    #[test]
    fn elements_come_back_in_the_order_of_the_keys() {
        let a = b"*2\r\n$1\r\na\r\n$-1\r\n";
        let b = b"*1\r\n$5\r\nb\r\nbb\r\n";
        let mut out = Vec::new();
        let mut parts = [Elements::of(a).unwrap(), Elements::of(b).unwrap()];
        by_key(&[0, 1, 0], &mut parts, &mut out).unwrap();
        assert_eq!(out, b"*3\r\n$1\r\na\r\n$5\r\nb\r\nbb\r\n$-1\r\n");
        let mut parts = [Elements::of(a).unwrap()];
        assert_eq!(by_key(&[0, 0, 0], &mut parts, &mut out), None);
    }

    #[test]
    fn sums_and_strings() {
        assert_eq!(sum([part(b":3\r\n", true), part(b":4\r\n", true)].into_iter()), Some(7));
        assert_eq!(sum([part(b":3\r\n", true), part(b"+x\r\n", true)].into_iter()), None);
        assert_eq!(string(b"$3\r\nabc\r\n"), Some(&b"abc"[..]));
        assert_eq!(string(b":3\r\n"), None);
        let all = Elements::of(b"*2\r\n$1\r\na\r\n$1\r\nb\r\n").unwrap();
        let slot = SlotId::of_key(b"b");
        assert_eq!(owned_keys(all, |of| of == slot).collect::<Vec<_>>(), [b"$1\r\nb\r\n"]);
    }
}
