//! Requests out of a byte stream, as ranges of the caller's buffer: no argument is copied.
//!
//! [`Batch::parse`] takes everything complete in the buffer at once, because the servers execute a whole pipeline
//! under one lock. It is incremental: a request that is not complete yet is continued where parsing stopped, so a
//! bulk string that arrives in a thousand reads is scanned once.

use bytes::Bytes;

use super::{foreign, number, quote};

/// What a client may send, and how much of it. The defaults are those of Redis.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// `proto-max-bulk-len`, bytes.
    pub bulk: usize,
    /// Arguments of one multibulk request. Redis took 1,048,576 until 7.0 raised it to the largest `int`.
    pub arguments: usize,
    /// Bytes of an inline request, and of a length line.
    pub inline: usize,
    /// `client-query-buffer-limit`: bytes a client may have sent without completing a request.
    pub query_buffer: usize,
    /// Whether what looks like HTTP breaks the protocol: on every socket, which a browser may be made to write to.
    pub refuse_http: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bulk: 512 << 20,
            arguments: 1024 * 1024,
            inline: 64 << 10,
            query_buffer: 1 << 30,
            refuse_http: true,
        }
    }
}

impl Limits {
    /// Before a client has logged in where it must: it can send `AUTH` and `HELLO`, and little else.
    #[must_use]
    pub fn unauthenticated(self) -> Self {
        Self {
            bulk: self.bulk.min(UNAUTHENTICATED_BULK),
            arguments: self.arguments.min(UNAUTHENTICATED_ARGUMENTS),
            ..self
        }
    }
}

const UNAUTHENTICATED_BULK: usize = 16 << 10;
const UNAUTHENTICATED_ARGUMENTS: usize = 10;

/// Why a byte stream is not RESP. The text is the one Redis answers with before it closes the connection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProtocolError {
    /// The number after `*`.
    #[error("ERR Protocol error: invalid multibulk length")]
    MultibulkLength,
    /// More arguments than a client may send before it has logged in.
    #[error("ERR Protocol error: unauthenticated multibulk length")]
    UnauthenticatedMultibulkLength,
    /// A `*` line that does not end.
    #[error("ERR Protocol error: too big mbulk count string")]
    MultibulkLineTooLong,
    /// Something else where `$` must stand.
    #[error("ERR Protocol error: expected '$', got '{}'", char::from(*.0))]
    ExpectedBulk(u8),
    /// The number after `$`.
    #[error("ERR Protocol error: invalid bulk length")]
    BulkLength,
    /// A longer argument than a client may send before it has logged in.
    #[error("ERR Protocol error: unauthenticated bulk length")]
    UnauthenticatedBulkLength,
    /// A `$` line that does not end.
    #[error("ERR Protocol error: too big bulk count string")]
    BulkLineTooLong,
    /// An inline line that does not end.
    #[error("ERR Protocol error: too big inline request")]
    InlineTooLong,
    /// Quotes of an inline line that do not end, or end inside a word.
    #[error("ERR Protocol error: unbalanced quotes in request")]
    UnbalancedQuotes,
    /// No RESP at all: the connection is closed at once, without a reply and with those not sent yet.
    #[error("looks like HTTP: Redis's protocol does not begin like this, and what follows may be an attack")]
    Http,
}

impl ProtocolError {
    /// The error reply, as raw bytes: a wrong byte is quoted as it came. `None`: nobody there reads replies.
    #[must_use]
    pub fn reply(&self) -> Option<Vec<u8>> {
        match self {
            Self::Http => None,
            Self::ExpectedBulk(byte) => {
                Some([b"ERR Protocol error: expected '$', got '", &[*byte][..], b"'"].concat())
            }
            other => Some(other.to_string().into_bytes()),
        }
    }
}

/// Where one argument lies in the buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    start: u32,
    len: u32,
}

impl Span {
    /// `None` past 4 GiB.
    pub(super) fn new(start: usize, len: usize) -> Option<Self> {
        let end = start.checked_add(len).and_then(|end| u32::try_from(end).ok())?;
        let start = u32::try_from(start).ok()?;
        Some(Self { start, len: end - start })
    }

    fn of(self, buffer: &[u8]) -> &[u8] {
        let start = self.start as usize;
        &buffer[start..start + self.len as usize]
    }
}

/// Buffers that requests are read from are shorter: places in them are kept in 32 bits. `proto-max-bulk-len` and
/// `client-query-buffer-limit` can be no larger, with room for one more read.
pub const BUFFER_MAX: usize = (u32::MAX as usize) - (16 << 20);

/// One request: a command name and its arguments. Never empty.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    buffer: &'a [u8],
    spans: &'a [Span],
    raw: Option<&'a [u8]>,
    /// The memory that `buffer` is, if arguments may be kept in it.
    owner: Option<&'a Bytes>,
}

impl<'a> Request<'a> {
    /// These parts of `buffer`, of which there is at least one.
    pub(super) fn of_spans(buffer: &'a [u8], spans: &'a [Span]) -> Self {
        debug_assert!(!spans.is_empty(), "a request has a name");
        Self { buffer, spans, raw: None, owner: None }
    }

    /// Arguments, the command name included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Never: a request has at least its name.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// The command name as it was sent.
    #[must_use]
    pub fn name(&self) -> &'a [u8] {
        self.arg(0)
    }

    /// Argument `index`, where 0 is the name.
    ///
    /// # Panics
    /// Past [`Request::len`]; commands check their arity first.
    #[must_use]
    pub fn arg(&self, index: usize) -> &'a [u8] {
        self.spans[index].of(self.buffer)
    }

    /// Argument `index`, if there is one.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<&'a [u8]> {
        self.spans.get(index).map(|span| span.of(self.buffer))
    }

    /// The same request, whose arguments may be kept in `owner`, the memory that its buffer is.
    #[must_use]
    pub fn owned_by(self, owner: &'a Bytes) -> Self {
        // Arguments of inline requests lie elsewhere.
        let is_same = std::ptr::eq(self.buffer.as_ptr_range().start, owner.as_ptr_range().start);
        Self { owner: is_same.then_some(owner), ..self }
    }

    /// Argument `index` to be kept where it lies; `None` if it cannot be, or if that would keep more memory that is not its own.
    #[must_use]
    pub fn shared(&self, index: usize) -> Option<Bytes> {
        let (owner, argument) = (self.owner?, self.arg(index));
        (owner.len() / 2 <= argument.len()).then(|| owner.slice_ref(argument))
    }

    /// The request as it came, to be sent on unchanged; `None` for an inline request.
    #[must_use]
    pub fn raw(&self) -> Option<&'a [u8]> {
        self.raw
    }

    /// Arguments `first` to `end` as they came, their length lines included; `None` for an inline request.
    ///
    /// # Panics
    /// If there is none of them, `first` is 0 or `end` past [`Request::len`].
    #[must_use]
    pub fn raw_args(&self, first: usize, end: usize) -> Option<&'a [u8]> {
        let behind = |index: usize| {
            let span = self.spans[index];
            span.start as usize + span.len as usize + 2
        };
        self.raw.map(|_| &self.buffer[behind(first - 1)..behind(end - 1)])
    }

    /// The arguments from `first` on as a request of their own, if there are any: for commands about commands.
    #[must_use]
    pub fn tail(&self, first: usize) -> Option<Self> {
        let spans = self.spans.get(first..).filter(|spans| !spans.is_empty())?;
        Some(Self { spans, raw: None, ..*self })
    }

    /// All arguments from `first` on.
    pub fn args_from(&self, first: usize) -> impl ExactSizeIterator<Item = &'a [u8]> + Clone + use<'a> {
        let buffer = self.buffer;
        self.spans.get(first..).unwrap_or_default().iter().map(move |span| span.of(buffer))
    }

    /// All arguments, the name included.
    pub fn args(&self) -> impl ExactSizeIterator<Item = &'a [u8]> + Clone + use<'a> {
        self.args_from(0)
    }
}

/// The complete requests at the beginning of a buffer, and how far the one after them has been read.
///
/// The buffer stays the caller's. After the requests were used: drop [`Batch::consumed`] bytes from its front, call
/// [`Batch::reset`], append what arrives, and call [`Batch::parse`] with the whole buffer again.
#[derive(Debug, Default)]
pub struct Batch {
    spans: Vec<Span>,
    requests: Vec<Parsed>,
    /// Unquoted arguments of inline requests, which are not ranges of the buffer.
    inline: Vec<u8>,
    consumed: usize,
    /// Where to go on reading.
    position: usize,
    /// Where the request under way began.
    begun: usize,
    state: State,
}

/// A place in a buffer that [`Batch::parse`] has seen to be short enough, or in what was made of one and is no longer.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "checked once for all places, in Batch::parse")]
fn narrow(place: usize) -> u32 {
    debug_assert!(u32::try_from(place).is_ok());
    place as u32
}

#[derive(Clone, Copy, Debug)]
struct Parsed {
    first_span: u32,
    end_span: u32,
    start: u32,
    end: u32,
    inline: bool,
}

/// What the next byte belongs to.
#[derive(Clone, Copy, Debug, Default)]
enum State {
    #[default]
    Start,
    /// `$` and a length, with this many arguments to come.
    BulkHeader { remaining: usize },
    /// The bytes of an argument, with this many to come, this one included.
    BulkBody { remaining: usize, length: usize },
}

/// Memory for more arguments is given back after use.
const SPANS_KEPT: usize = 64 << 10;

/// Longest `*` or `$` line before Redis gives up on it.
const LENGTH_LINE_MAX: usize = 64 << 10;

impl Batch {
    /// Reads on in `buffer` until it ends or breaks the protocol. Requests complete before an error stay usable.
    ///
    /// # Errors
    /// The text Redis sends before it closes the connection.
    pub fn parse(&mut self, buffer: &[u8], limits: &Limits) -> Result<(), ProtocolError> {
        assert!(u32::try_from(buffer.len()).is_ok(), "limits keep buffers below BUFFER_MAX and one read");
        loop {
            match self.state {
                State::Start => match buffer.get(self.position) {
                    None => return Ok(()),
                    Some(b'*') => {
                        let line = Line {
                            limit: limits.arguments,
                            free: UNAUTHENTICATED_ARGUMENTS,
                            errors: &MULTIBULK,
                        };
                        let Some((count, next)) = line.read(buffer, self.position)? else { return Ok(()) };
                        self.begun = self.position;
                        self.position = next;
                        match usize::try_from(count) {
                            Ok(remaining @ 1..) => self.state = State::BulkHeader { remaining },
                            // No request at all: skipped without a reply.
                            _ => self.consumed = next,
                        }
                    }
                    Some(_) => {
                        if !self.parse_inline(buffer, limits)? {
                            return Ok(());
                        }
                    }
                },
                State::BulkHeader { remaining } => {
                    match buffer.get(self.position) {
                        None => return Ok(()),
                        Some(b'$') => {}
                        // Redis says so when the line is complete, and not before.
                        Some(&other) => {
                            let line = &buffer[self.position..];
                            return match memchr::memchr(b'\r', line) {
                                Some(end) if end + 1 < line.len() => Err(ProtocolError::ExpectedBulk(other)),
                                None if line.len() > LENGTH_LINE_MAX => Err(ProtocolError::BulkLineTooLong),
                                _ => Ok(()),
                            };
                        }
                    }
                    let line = Line { limit: limits.bulk, free: UNAUTHENTICATED_BULK, errors: &BULK };
                    let Some((length, next)) = line.read(buffer, self.position)? else { return Ok(()) };
                    let length = usize::try_from(length).map_err(|_| ProtocolError::BulkLength)?;
                    self.position = next;
                    self.state = State::BulkBody { remaining, length };
                }
                State::BulkBody { remaining, length } => {
                    // Redis does not look at the two bytes after the argument either.
                    let end = self.position + length + 2;
                    if buffer.len() < end {
                        return Ok(());
                    }
                    self.spans.push(Span { start: narrow(self.position), len: narrow(length) });
                    self.position = end;
                    if remaining > 1 {
                        self.state = State::BulkHeader { remaining: remaining - 1 };
                    } else {
                        self.complete(false, buffer, limits)?;
                    }
                }
            }
        }
    }

    /// One inline request; false when its line is not complete yet.
    fn parse_inline(&mut self, buffer: &[u8], limits: &Limits) -> Result<bool, ProtocolError> {
        let rest = &buffer[self.position..];
        let Some(end) = memchr::memchr(b'\n', rest) else {
            if rest.len() > limits.inline {
                return Err(ProtocolError::InlineTooLong);
            }
            return Ok(false);
        };
        let line = rest[..end].strip_suffix(b"\r").unwrap_or(&rest[..end]);
        if limits.refuse_http && foreign::is_http_request_line(line) {
            return Err(ProtocolError::Http);
        }
        let arguments = quote::split(line).map_err(|_| ProtocolError::UnbalancedQuotes)?;
        self.position += end + 1;
        if arguments.is_empty() {
            self.consumed = self.position;
            return Ok(true);
        }
        for argument in arguments {
            self.spans.push(Span { start: narrow(self.inline.len()), len: narrow(argument.len()) });
            self.inline.extend_from_slice(&argument);
        }
        self.complete(true, buffer, limits)?;
        Ok(true)
    }

    fn complete(&mut self, inline: bool, buffer: &[u8], limits: &Limits) -> Result<(), ProtocolError> {
        let first_span = self.requests.last().map_or(0, |request| request.end_span);
        let name = self.spans[first_span as usize].of(if inline { &self.inline } else { buffer });
        if limits.refuse_http && foreign::is_http_command(name) {
            self.spans.truncate(first_span as usize);
            return Err(ProtocolError::Http);
        }
        self.requests.push(Parsed {
            first_span,
            end_span: narrow(self.spans.len()),
            start: narrow(self.begun),
            end: narrow(self.position),
            inline,
        });
        self.consumed = self.position;
        self.state = State::Start;
        Ok(())
    }

    /// Complete requests.
    #[must_use]
    pub fn len(&self) -> usize {
        self.requests.len()
    }

    /// Whether no request is complete.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }

    /// Request `index` of [`Batch::len`], in the buffer that was parsed.
    ///
    /// # Panics
    /// If there is no such request.
    #[must_use]
    #[inline]
    pub fn get<'a>(&'a self, index: usize, buffer: &'a [u8]) -> Request<'a> {
        let request = self.requests[index];
        Request {
            buffer: if request.inline { &self.inline } else { buffer },
            spans: &self.spans[request.first_span as usize..request.end_span as usize],
            raw: (!request.inline).then(|| &buffer[request.start as usize..request.end as usize]),
            owner: None,
        }
    }

    /// The complete requests, in the buffer that was parsed.
    pub fn requests<'a>(&'a self, buffer: &'a [u8]) -> impl ExactSizeIterator<Item = Request<'a>> {
        (0..self.len()).map(move |index| self.get(index, buffer))
    }

    /// Bytes of the buffer that the complete requests cover.
    #[must_use]
    pub fn consumed(&self) -> usize {
        self.consumed
    }

    /// Forgets the complete requests, after the caller dropped their [`Batch::consumed`] bytes from the buffer's front.
    pub fn reset(&mut self) {
        let kept = self.requests.last().map_or(0, |request| request.end_span) as usize;
        self.spans.drain(..kept);
        for span in &mut self.spans {
            span.start -= narrow(self.consumed);
        }
        self.requests.clear();
        self.inline.clear();
        if self.spans.is_empty() && self.spans.capacity() > SPANS_KEPT {
            self.spans = Vec::new();
        }
        self.position -= self.consumed;
        self.begun = self.begun.saturating_sub(self.consumed);
        self.consumed = 0;
    }

    /// Forgets everything, also what was read of the request after the complete ones; keeps its memory.
    pub fn restart(&mut self) {
        self.spans.clear();
        self.requests.clear();
        self.inline.clear();
        (self.consumed, self.position, self.state) = (0, 0, State::Start);
    }

    /// A hint for the next read: bytes missing to complete the argument under way, 0 if unknown.
    #[must_use]
    pub fn missing(&self, buffered: usize) -> usize {
        match self.state {
            State::BulkBody { length, .. } => (self.position + length + 2).saturating_sub(buffered),
            State::Start | State::BulkHeader { .. } => 0,
        }
    }
}

/// A `*` or `$` line: what its number may be, and how it fails.
struct Line {
    limit: usize,
    /// What everyone may send: a limit as low as this is the one before login, and the error says so.
    free: usize,
    errors: &'static LineErrors,
}

struct LineErrors {
    invalid: ProtocolError,
    unauthenticated: ProtocolError,
    too_long: ProtocolError,
}

static MULTIBULK: LineErrors = LineErrors {
    invalid: ProtocolError::MultibulkLength,
    unauthenticated: ProtocolError::UnauthenticatedMultibulkLength,
    too_long: ProtocolError::MultibulkLineTooLong,
};

static BULK: LineErrors = LineErrors {
    invalid: ProtocolError::BulkLength,
    unauthenticated: ProtocolError::UnauthenticatedBulkLength,
    too_long: ProtocolError::BulkLineTooLong,
};

impl Line {
    /// The number after the type byte at `start`, and where the next line begins; `None` while it is not complete.
    #[inline]
    fn read(&self, buffer: &[u8], start: usize) -> Result<Option<(i64, usize)>, ProtocolError> {
        // Almost every line is one to five digits: read those without searching for the end first.
        let mut number = 0;
        for (read, &byte) in buffer[start + 1..].iter().take(6).enumerate() {
            if byte.is_ascii_digit() {
                number = number * 10 + i64::from(byte - b'0');
                if number == 0 {
                    break;
                }
            } else if byte == b'\r'
                && read > 0
                && buffer.len() > start + read + 2
                && usize::try_from(number).is_ok_and(|number| number <= self.limit)
            {
                return Ok(Some((number, start + read + 3)));
            } else {
                break;
            }
        }
        self.read_any(buffer, start)
    }

    #[cold]
    fn read_any(&self, buffer: &[u8], start: usize) -> Result<Option<(i64, usize)>, ProtocolError> {
        let rest = &buffer[start + 1..];
        let end = match memchr::memchr(b'\r', rest) {
            Some(end) if end + 1 < rest.len() => end,
            None if rest.len() > LENGTH_LINE_MAX => return Err(self.errors.too_long.clone()),
            _ => return Ok(None),
        };
        let number = number::parse_i64(&rest[..end]).ok_or_else(|| self.errors.invalid.clone())?;
        if usize::try_from(number).is_ok_and(|number| number > self.limit) {
            let before_login = self.limit <= self.free;
            return Err(
                if before_login { &self.errors.unauthenticated } else { &self.errors.invalid }.clone()
            );
        }
        // Redis does not look at the byte after CR either.
        Ok(Some((number, start + 1 + end + 2)))
    }
}

#[cfg(test)]
mod tests;
