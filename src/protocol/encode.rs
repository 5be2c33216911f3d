//! Replies into a byte vector, in RESP2 or RESP3, and the requests of those who ask.

use bytes::Bytes;

use super::output::Pieces;

/// From so many bytes on, a value that can be shared is worth a write of its own.
pub const SHARED_MIN: usize = 64 << 10;
/// The most that is written around the bytes of a string.
const BULK_FRAME: usize = 24;

/// Which RESP a client speaks (`HELLO 2|3`). RESP3 types are written in their RESP2 form to a RESP2 client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Version {
    /// The default of every new connection.
    #[default]
    Resp2,
    /// After `HELLO 3`.
    Resp3,
}

/// Appends replies to a buffer. Aggregates are written as a length, then that many elements.
#[derive(Debug)]
pub struct Encoder<'a> {
    out: &'a mut Vec<u8>,
    /// Where large values may be kept as they are.
    pieces: Option<&'a mut Pieces>,
    version: Version,
    /// The most that `out` may hold; strings beyond are counted instead of written.
    limit: usize,
    /// Bytes that were only counted.
    missing: usize,
}

/// A place between replies, see [`Encoder::mark`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    bytes: usize,
    pieces: usize,
}

impl Mark {
    pub(super) fn at(bytes: usize, pieces: usize) -> Self {
        Self { bytes, pieces }
    }
}

impl<'a> Encoder<'a> {
    /// Writes to the end of `out`.
    pub fn new(out: &'a mut Vec<u8>, version: Version) -> Self {
        Self { out, pieces: None, version, limit: usize::MAX, missing: 0 }
    }

    /// Writes to the end of an [`Output`](super::Output).
    pub(super) fn sharing(out: &'a mut Vec<u8>, pieces: &'a mut Pieces, version: Version) -> Self {
        Self { out, pieces: Some(pieces), version, limit: usize::MAX, missing: 0 }
    }

    /// The same place, for a part of the reply that another writes.
    #[must_use]
    pub fn reborrow(&mut self) -> Encoder<'_> {
        Encoder {
            out: self.out,
            pieces: self.pieces.as_deref_mut(),
            version: self.version,
            limit: usize::MAX,
            missing: 0,
        }
    }

    /// What the client speaks.
    #[must_use]
    pub fn version(&self) -> Version {
        self.version
    }

    /// After `HELLO`.
    pub fn set_version(&mut self, version: Version) {
        self.version = version;
    }

    /// Bytes in the buffer, large values that are shared left out.
    #[expect(clippy::len_without_is_empty, reason = "whether there is a reply is told by marks")]
    #[must_use]
    pub fn len(&self) -> usize {
        self.out.len()
    }

    /// Strings that would make the buffer longer than this are counted and not written; [`Encoder::room_missing`] tells.
    pub fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// Bytes that were not written because of the limit: the reply is of no use if there are any.
    #[must_use]
    pub fn room_missing(&self) -> usize {
        self.missing
    }

    /// Where the next reply will begin.
    #[must_use]
    pub fn mark(&self) -> Mark {
        Mark { bytes: self.out.len(), pieces: self.pieces.as_ref().map_or(0, |pieces| pieces.list.len()) }
    }

    /// Forgets what was written since `mark`.
    pub fn truncate(&mut self, mark: Mark) {
        self.out.truncate(mark.bytes);
        if let Some(pieces) = &mut self.pieces {
            pieces.len -= pieces.list.drain(mark.pieces..).map(|(_, bytes)| bytes.len()).sum::<usize>();
        }
    }

    /// Forgets what was written from `mark` to `end`.
    pub fn remove(&mut self, mark: Mark, end: Mark) {
        if end == self.mark() {
            return self.truncate(mark);
        }
        self.out.drain(mark.bytes..end.bytes);
        if let Some(pieces) = &mut self.pieces {
            let removed = pieces.list.drain(mark.pieces..end.pieces);
            pieces.len -= removed.map(|(_, bytes)| bytes.len()).sum::<usize>();
            let shift = end.bytes - mark.bytes;
            pieces.list[mark.pieces..].iter_mut().for_each(|(at, _)| *at -= shift);
        }
    }

    /// The bytes written since `mark`, large values that are shared left out: enough to tell what kind of reply it is.
    #[must_use]
    pub fn since(&self, mark: Mark) -> &[u8] {
        &self.out[mark.bytes..]
    }

    /// Puts replies in front of what was written since `mark`.
    pub fn insert(&mut self, mark: Mark, replies: &[u8]) {
        self.out.splice(mark.bytes..mark.bytes, replies.iter().copied());
        if let Some(pieces) = &mut self.pieces {
            pieces.list[mark.pieces..].iter_mut().for_each(|(at, _)| *at += replies.len());
        }
    }

    /// Puts the head of an aggregate in front of what was written since `mark`: for those whose length is known after them.
    pub fn insert_head(&mut self, mark: Mark, head: impl FnOnce(&mut Encoder<'_>)) {
        let mut bytes = Vec::with_capacity(16);
        head(&mut Encoder::new(&mut bytes, self.version));
        self.insert(mark, &bytes);
    }

    /// Appends what is in RESP already.
    pub fn raw(&mut self, replies: &[u8]) {
        self.out.extend_from_slice(replies);
    }

    /// `+OK`.
    pub fn ok(&mut self) {
        self.out.extend_from_slice(b"+OK\r\n");
    }

    /// A status; CR and LF become spaces.
    pub fn simple(&mut self, text: &str) {
        self.line(b'+', text.as_bytes());
    }

    /// An error with its code first (`ERR …`); CR and LF become spaces, or nothing at the end, as in Redis.
    pub fn error(&mut self, text: impl AsRef<[u8]>) {
        let text = text.as_ref();
        let end = text.iter().rposition(|byte| !matches!(byte, b'\r' | b'\n')).map_or(0, |last| last + 1);
        self.line(b'-', &text[..end]);
    }

    fn line(&mut self, kind: u8, text: &[u8]) {
        self.out.push(kind);
        self.out.extend(text.iter().map(|&byte| if matches!(byte, b'\r' | b'\n') { b' ' } else { byte }));
        self.out.extend_from_slice(b"\r\n");
    }

    fn header(&mut self, kind: u8, number: i64) {
        self.out.push(kind);
        self.out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
        self.out.extend_from_slice(b"\r\n");
    }

    fn length(&mut self, kind: u8, length: usize) {
        self.header(kind, i64::try_from(length).unwrap_or(i64::MAX));
    }

    /// An integer.
    pub fn integer(&mut self, value: i64) {
        self.header(b':', value);
    }

    /// A string of any bytes.
    pub fn bulk(&mut self, bytes: impl AsRef<[u8]>) {
        let bytes = bytes.as_ref();
        if self.out.len() + bytes.len() > self.limit {
            // Its header and the two line ends.
            self.missing += bytes.len() + BULK_FRAME;
            return;
        }
        self.out.reserve(bytes.len() + BULK_FRAME);
        self.length(b'$', bytes.len());
        self.out.extend_from_slice(bytes);
        self.out.extend_from_slice(b"\r\n");
    }

    /// A string that somebody keeps: a large one is not copied, but sent from where it is.
    pub fn shared(&mut self, bytes: &Bytes) {
        if bytes.len() < SHARED_MIN || self.pieces.is_none() {
            return self.bulk(bytes);
        }
        self.length(b'$', bytes.len());
        if let Some(pieces) = &mut self.pieces {
            pieces.len += bytes.len();
            pieces.list.push((self.out.len(), bytes.clone()));
        }
        self.out.extend_from_slice(b"\r\n");
    }

    /// No value: `_` or the null bulk string of RESP2.
    pub fn null(&mut self) {
        self.out.extend_from_slice(match self.version {
            Version::Resp2 => b"$-1\r\n",
            Version::Resp3 => b"_\r\n",
        });
    }

    /// No array: `_` or the null array of RESP2.
    pub fn null_array(&mut self) {
        self.out.extend_from_slice(match self.version {
            Version::Resp2 => b"*-1\r\n",
            Version::Resp3 => b"_\r\n",
        });
    }

    /// Begins an array of `length` elements.
    pub fn array(&mut self, length: usize) {
        self.length(b'*', length);
    }

    /// Begins a map of `pairs`; to RESP2 a flat array of twice as many.
    pub fn map(&mut self, pairs: usize) {
        match self.version {
            Version::Resp2 => self.length(b'*', pairs * 2),
            Version::Resp3 => self.length(b'%', pairs),
        }
    }

    /// Begins a set of `length` elements; to RESP2 an array.
    pub fn set(&mut self, length: usize) {
        let kind = if self.version == Version::Resp3 { b'~' } else { b'*' };
        self.length(kind, length);
    }

    /// Begins attributes of the reply that follows, which RESP2 does not have.
    pub fn attribute(&mut self, pairs: usize) {
        self.length(b'|', pairs);
    }

    /// Begins out-of-band data; to RESP2 an array.
    pub fn push(&mut self, length: usize) {
        let kind = if self.version == Version::Resp3 { b'>' } else { b'*' };
        self.length(kind, length);
    }

    /// A truth value; to RESP2 1 or 0.
    pub fn boolean(&mut self, value: bool) {
        match self.version {
            Version::Resp2 => self.integer(i64::from(value)),
            Version::Resp3 => self.out.extend_from_slice(if value { b"#t\r\n" } else { b"#f\r\n" }),
        }
    }

    /// A double; to RESP2 its text as a bulk string.
    pub fn double(&mut self, value: f64) {
        let text = super::number::format_double(value);
        match self.version {
            Version::Resp2 => self.bulk(text),
            Version::Resp3 => self.line(b',', text.as_bytes()),
        }
    }

    /// Digits of a number of any size; to RESP2 as a bulk string.
    pub fn big_number(&mut self, digits: impl AsRef<[u8]>) {
        match self.version {
            Version::Resp2 => self.bulk(digits),
            Version::Resp3 => self.line(b'(', digits.as_ref()),
        }
    }

    /// Text with a three-letter format (`txt`, `mkd`); to RESP2 a bulk string.
    pub fn verbatim(&mut self, format: &str, text: impl AsRef<[u8]>) {
        let text = text.as_ref();
        match self.version {
            Version::Resp2 => self.bulk(text),
            Version::Resp3 => {
                self.length(b'=', text.len() + 4);
                self.out.extend_from_slice(format.as_bytes());
                self.out.push(b':');
                self.out.extend_from_slice(text);
                self.out.extend_from_slice(b"\r\n");
            }
        }
    }
}

/// Appends a command as an array of bulk strings.
pub fn encode_command<A: AsRef<[u8]>>(out: &mut Vec<u8>, arguments: &[A]) {
    let mut encoder = Encoder::new(out, Version::Resp2);
    encoder.array(arguments.len());
    for argument in arguments {
        encoder.bulk(argument);
    }
}
