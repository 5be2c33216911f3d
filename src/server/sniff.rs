//! Which protocol a connection speaks, from its first bytes. A pure function: no socket, no clock.
//!
//! Nobody waits for the sniffer: the first byte decides, unless it begins an HTTP method, and then the first byte
//! that is not of the method does. `GET key` is an inline Redis command, so such a line is waited for to its end.

/// What a connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// RESP2, RESP3 or inline commands.
    Resp,
    /// HTTP/1.0 or HTTP/1.1.
    Http1,
    /// HTTP/2 with prior knowledge: gRPC.
    Http2,
}

/// What the first bytes say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sniff {
    /// They could still be more than one.
    NeedMore,
    /// Certain.
    Is(Protocol),
}

/// What an HTTP/2 client sends first, as far as it differs from anything else.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n";
/// Methods that the endpoints answer, or refuse in HTTP's own words.
const METHODS: [&[u8]; 4] = [b"GET ", b"HEAD ", b"POST ", b"OPTIONS "];
/// A longer first line is no request to our endpoints; as an inline command it goes on.
const LINE_MAX: usize = 8 << 10;

/// Looks at everything a client has sent so far.
#[must_use]
pub fn sniff(bytes: &[u8]) -> Sniff {
    let Some(&first) = bytes.first() else { return Sniff::NeedMore };
    if !matches!(first, b'P' | b'G' | b'H' | b'O') {
        return Sniff::Is(Protocol::Resp);
    }
    if bytes.starts_with(PREFACE) {
        return Sniff::Is(Protocol::Http2);
    }
    if PREFACE.starts_with(bytes) || METHODS.iter().any(|method| method.starts_with(bytes)) {
        return Sniff::NeedMore;
    }
    if !METHODS.iter().any(|method| bytes.starts_with(method)) {
        return Sniff::Is(Protocol::Resp);
    }
    match memchr::memchr(b'\n', &bytes[..bytes.len().min(LINE_MAX)]) {
        Some(end) => {
            let line = bytes[..end].strip_suffix(b"\r").unwrap_or(&bytes[..end]);
            let http = line.ends_with(b" HTTP/1.1") || line.ends_with(b" HTTP/1.0");
            Sniff::Is(if http { Protocol::Http1 } else { Protocol::Resp })
        }
        None if bytes.len() >= LINE_MAX => Sniff::Is(Protocol::Resp),
        None => Sniff::NeedMore,
    }
}

#[cfg(test)]
mod tests {
    use super::{Protocol::*, Sniff::*, *};

    #[test]
    fn first_bytes() {
        for (bytes, expected) in [
            (&b""[..], NeedMore),
            (b"*", Is(Resp)),
            (b"s", Is(Resp)),
            (b"\r\n", Is(Resp)),
            (b"P", NeedMore),
            (b"PI", Is(Resp)),
            (b"PING\r\n", Is(Resp)),
            (b"PRI * HTTP/2.0\r\n", Is(Http2)),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Is(Http2)),
            (b"PRI * HTTP/2.0", NeedMore),
            (b"PRI * HTTP/3", Is(Resp)),
            (b"PO", NeedMore),
            (b"POST /x HTTP/1.1\r\n", Is(Http1)),
            (b"G", NeedMore),
            (b"GETEX k\r\n", Is(Resp)),
            (b"GET key\r\n", Is(Resp)),
            (b"GET key", NeedMore),
            (b"GET /metrics HTTP/1.1\r\n", Is(Http1)),
            (b"GET /metrics HTTP/1.0\n", Is(Http1)),
            (b"GET /metrics HTTP/1.1", NeedMore),
            (b"GET /metrics HTTP/2\r\n", Is(Resp)),
            (b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n", Is(Http1)),
            (b"HELLO 3\r\n", Is(Resp)),
            (b"HE", NeedMore),
            (b"OPTIONS * HTTP/1.1\r\n", Is(Http1)),
            (b"OBJECT FREQ k\r\n", Is(Resp)),
            (b"get /metrics HTTP/1.1\r\n", Is(Resp)),
        ] {
            assert_eq!(sniff(bytes), expected, "{:?}", String::from_utf8_lossy(bytes));
        }
        let mut long = b"GET ".to_vec();
        long.resize(LINE_MAX, b'x');
        assert_eq!(sniff(&long), Is(Resp));
    }

    #[test]
    fn more_bytes_never_change_a_decision() {
        for whole in [
            &b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n"[..],
            b"GET key\r\nPING\r\n",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        ] {
            let mut decided = None;
            for end in 0..=whole.len() {
                match (sniff(&whole[..end]), decided) {
                    (Is(now), Some(before)) => assert_eq!(now, before),
                    (Is(now), None) => decided = Some(now),
                    (NeedMore, Some(_)) => panic!("undecided again at {end}"),
                    (NeedMore, None) => {}
                }
            }
            assert!(decided.is_some());
        }
    }
}
