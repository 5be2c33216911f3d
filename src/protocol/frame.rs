//! Where a reply ends, without looking at what it says: so that a proxy forwards replies as the bytes they are.
//!
//! [`FrameScanner`] is resumable: a reply that arrives in a thousand reads is scanned once. Nesting costs no stack,
//! because all that is needed is how many elements are still to come. Not here: values ([`super::Value`]).

/// A complete reply at the front of a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Bytes, attributes in front included.
    pub len: usize,
    /// The type byte of the reply itself, behind its attributes: `>` is out-of-band, `-` and `!` are errors.
    pub kind: u8,
}

/// The bytes are not RESP; the connection they came on is of no more use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a RESP reply: {0}")]
pub struct InvalidFrame(&'static str);

/// Finds the end of one reply after the other.
///
/// The buffer stays the caller's: it begins with the reply under way, and is given whole at every call, with what
/// arrived appended. After a [`Frame`] the caller goes on behind it, in the same buffer or another.
#[derive(Clone, Debug)]
pub struct FrameScanner {
    /// Bytes of the reply under way that need no second look.
    scanned: usize,
    /// Elements still to come, the reply itself included; 0 between replies.
    remaining: u64,
    /// Type byte of the reply under way, 0 while only attributes were seen.
    kind: u8,
    /// Elements that belong to the attributes in front.
    attributes: u64,
    /// How long the buffer must be for the string under way to be complete, if it was seen to begin.
    wanted: usize,
}

impl Default for FrameScanner {
    fn default() -> Self {
        Self { scanned: 0, remaining: 1, kind: 0, attributes: 0, wanted: 0 }
    }
}

/// More elements than any server sends; beyond it a length is an error rather than an endless wait.
const ELEMENTS_MAX: u64 = u32::MAX as u64;

/// `proto-max-bulk-len` cannot be set beyond this.
const BULK_MAX: i64 = i64::MAX / 2;

impl FrameScanner {
    /// The reply at the front of `buffer`, or `None` while it is not complete.
    ///
    /// # Errors
    /// When no continuation of the bytes is a reply.
    #[inline]
    pub fn scan(&mut self, buffer: &[u8]) -> Result<Option<Frame>, InvalidFrame> {
        loop {
            let Some(&kind) = buffer.get(self.scanned) else { return Ok(None) };
            let Some((number, mut next)) = line(kind, buffer, self.scanned + 1)? else { return Ok(None) };
            let mut children = 0;
            match kind {
                b'$' | b'!' | b'=' if number >= 0 => {
                    // The line is read again when the body is complete; it is a few bytes.
                    next += usize::try_from(number).map_err(|_| InvalidFrame("string too long"))? + 2;
                    if buffer.len() < next {
                        self.wanted = next;
                        return Ok(None);
                    }
                }
                b'*' | b'~' | b'>' | b'%' | b'|' if number > 0 => {
                    let pairs = matches!(kind, b'%' | b'|');
                    children = number.unsigned_abs() * if pairs { 2 } else { 1 };
                }
                _ => {}
            }
            if kind == b'|' {
                // The value that it describes is still to come.
                if self.kind == 0 {
                    self.attributes += children;
                }
                children += 1;
            } else if self.attributes > 0 && self.kind == 0 {
                self.attributes = self.attributes - 1 + children;
            } else if self.kind == 0 {
                self.kind = kind;
            }
            self.scanned = next;
            self.remaining = self.remaining - 1 + children;
            if self.remaining > ELEMENTS_MAX {
                return Err(InvalidFrame("too many elements"));
            }
            if self.remaining == 0 {
                let frame = Frame { len: next, kind: self.kind };
                *self = Self::default();
                return Ok(Some(frame));
            }
        }
    }

    /// How long the buffer must get, at least, to hold the reply under way; 0 if nothing is known of it.
    #[must_use]
    pub fn wanted(&self) -> usize {
        self.wanted
    }

    /// Whether the bytes seen so far begin a reply that is not complete.
    #[must_use]
    pub fn is_midway(&self) -> bool {
        self.scanned > 0
    }
}

/// The line of an element, whose type byte stands before `start`: its number, where its kind has one, and where the
/// next line begins. `None` while it is not complete.
#[inline]
fn line(kind: u8, buffer: &[u8], start: usize) -> Result<Option<(i64, usize)>, InvalidFrame> {
    match kind {
        b'$' | b'*' | b'!' | b'=' | b'~' | b'>' | b'%' | b'|' => length(buffer, start),
        b'+' | b'-' | b':' | b'_' | b'#' | b',' | b'(' => {
            let Some(end) = memchr::memchr(b'\r', &buffer[start..]) else { return Ok(None) };
            let next = start + end + 2;
            Ok((next <= buffer.len()).then_some((0, next)))
        }
        _ => Err(InvalidFrame("unknown type byte")),
    }
}

#[inline]
fn length(buffer: &[u8], start: usize) -> Result<Option<(i64, usize)>, InvalidFrame> {
    let mut number: i64 = 0;
    let (negative, digits) = match buffer.get(start) {
        Some(b'-') => (true, start + 1),
        _ => (false, start),
    };
    let mut at = digits;
    loop {
        match buffer.get(at) {
            None => return Ok(None),
            Some(digit @ b'0'..=b'9') => {
                number = number * 10 + i64::from(digit - b'0');
                if number > BULK_MAX / 16 {
                    return Err(InvalidFrame("length out of range"));
                }
            }
            Some(b'\r') if at > digits => {
                let next = at + 2;
                return Ok((next <= buffer.len()).then_some((if negative { -1 } else { number }, next)));
            }
            Some(_) => return Err(InvalidFrame("bad length")),
        }
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::protocol::Value;

    fn frames(bytes: &[u8]) -> Vec<Frame> {
        let (mut scanner, mut found, mut at) = (FrameScanner::default(), Vec::new(), 0);
        while let Some(frame) = scanner.scan(&bytes[at..]).unwrap() {
            at += frame.len;
            found.push(frame);
        }
        assert_eq!(at, bytes.len());
        found
    }

    #[test]
    fn every_type_ends_where_it_ends() {
        for (bytes, kind) in [
            (&b"+OK\r\n"[..], b'+'),
            (b"-ERR no\r\n", b'-'),
            (b":-12\r\n", b':'),
            (b"$-1\r\n", b'$'),
            (b"$0\r\n\r\n", b'$'),
            (b"$4\r\na\r\nb\r\n", b'$'),
            (b"*-1\r\n", b'*'),
            (b"*0\r\n", b'*'),
            (b"*2\r\n*1\r\n:1\r\n$1\r\nx\r\n", b'*'),
            (b"%1\r\n+k\r\n*2\r\n_\r\n#t\r\n", b'%'),
            (b"~2\r\n,1.5\r\n(123\r\n", b'~'),
            (b"=7\r\ntxt:abc\r\n", b'='),
            (b"!5\r\nERR x\r\n", b'!'),
            (b">2\r\n+invalidate\r\n*1\r\n$1\r\nk\r\n", b'>'),
            (b"|1\r\n+ttl\r\n*2\r\n:1\r\n:2\r\n$1\r\nv\r\n", b'$'),
            (b"|0\r\n:7\r\n", b':'),
        ] {
            assert_eq!(frames(bytes), [Frame { len: bytes.len(), kind }], "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn what_is_not_resp_is_refused() {
        for bytes in
            [&b"HTTP/1.1 400\r\n"[..], b"$x\r\n", b"$\r\n", b"*--1\r\n", b"$99999999999999999999\r\n"]
        {
            assert!(FrameScanner::default().scan(bytes).is_err(), "{}", bytes.escape_ascii());
        }
    }

    /// Any reply a server may send, as bytes.
    fn reply() -> impl Strategy<Value = Vec<u8>> {
        let scalar = prop_oneof![
            "[a-zA-Z ]{0,12}".prop_map(|text| format!("+{text}\r\n").into_bytes()),
            "[A-Z]{1,8} [a-z ]{0,12}".prop_map(|text| format!("-{text}\r\n").into_bytes()),
            any::<i64>().prop_map(|number| format!(":{number}\r\n").into_bytes()),
            proptest::collection::vec(any::<u8>(), 0..40)
                .prop_map(|body| { [format!("${}\r\n", body.len()).as_bytes(), &body, b"\r\n"].concat() }),
            Just(b"$-1\r\n".to_vec()),
            Just(b"_\r\n".to_vec()),
            Just(b"#f\r\n".to_vec()),
            Just(b",3.25\r\n".to_vec()),
            Just(b"=6\r\nmkd:#h\r\n".to_vec()),
        ];
        scalar.prop_recursive(4, 32, 5, |inner| {
            (prop_oneof![Just('*'), Just('~'), Just('>'), Just('%'), Just('|')], 0usize..5, inner.clone())
                .prop_flat_map(move |(kind, count, last)| {
                    let elements = if matches!(kind, '%' | '|') { count * 2 } else { count };
                    proptest::collection::vec(inner.clone(), elements).prop_map(move |parts| {
                        let mut bytes = format!("{kind}{count}\r\n").into_bytes();
                        bytes.extend(parts.concat());
                        if kind == '|' {
                            bytes.extend(&last);
                        }
                        bytes
                    })
                })
        })
    }

    /// Every byte is looked at once: what lies before the element under way may be anything by then.
    #[test]
    fn what_was_scanned_is_not_looked_at_again() {
        let element = b"$5\r\nhello\r\n";
        let stream =
            [&b"*1000\r\n"[..], &element.repeat(998), b"$100000\r\n", &[b'x'; 100_002], b":1\r\n"].concat();
        let (mut scanner, mut buffer) = (FrameScanner::default(), Vec::new());
        for piece in stream.chunks(777) {
            buffer.extend_from_slice(piece);
            let done = scanner.scan(&buffer).unwrap();
            assert_eq!(done.is_some(), buffer.len() == stream.len());
            buffer[..scanner.scanned].fill(b'?');
        }
    }

    #[test]
    fn a_string_that_is_not_complete_says_how_much_is_missing() {
        let mut scanner = FrameScanner::default();
        assert_eq!(scanner.scan(b"*2\r\n:1\r\n$1000\r\nabc"), Ok(None));
        assert_eq!(scanner.wanted(), 4 + 4 + 7 + 1002);
        let whole = [&b"*2\r\n:1\r\n$1000\r\n"[..], &[b'x'; 1002]].concat();
        assert!(scanner.scan(&whole).unwrap().is_some());
        assert_eq!(scanner.wanted(), 0);
    }

    proptest! {
        #[test]
        fn ends_agree_with_the_decoder(replies in proptest::collection::vec(reply(), 1..6), step in 1usize..40) {
            let stream = replies.concat();
            let mut scanner = FrameScanner::default();
            let (mut at, mut have, mut ends) = (0, 0, Vec::new());
            while at < stream.len() {
                match scanner.scan(&stream[at..have]).unwrap() {
                    Some(frame) => {
                        let (_, used) = Value::decode(&stream[at..]).unwrap().expect("complete");
                        prop_assert_eq!(frame.len, used);
                        at += frame.len;
                        ends.push(at);
                    }
                    None => {
                        prop_assert!(have < stream.len(), "complete, but no frame");
                        have = (have + step).min(stream.len());
                    }
                }
            }
            prop_assert_eq!(ends.len(), replies.len());
        }

        #[test]
        fn any_bytes_are_survived(bytes: Vec<u8>) {
            let mut scanner = FrameScanner::default();
            let mut at = 0;
            while let Ok(Some(frame)) = scanner.scan(&bytes[at..]) {
                prop_assert!(frame.len > 0);
                at += frame.len;
                prop_assert!(at <= bytes.len());
            }
        }
    }
}
