//! Requests out of a byte stream, as ranges of the caller's buffer: no argument is copied.
//!
//! [`Batch::parse`] takes everything complete in the buffer at once, because the servers execute a whole pipeline
//! under one lock. It is incremental: a request that is not complete yet is continued where parsing stopped, so a
//! bulk string that arrives in a thousand reads is scanned once.

use std::borrow::Cow;

use super::quote;

/// What a client may send, and how much of it. The defaults are those of Redis.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// `proto-max-bulk-len`, bytes.
    pub bulk: usize,
    /// Arguments of one multibulk request.
    pub arguments: usize,
    /// Bytes of an inline request, and of a length line.
    pub inline: usize,
    /// `client-query-buffer-limit`: bytes a client may have sent without completing a request.
    pub query_buffer: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bulk: 512 << 20, arguments: 1024 * 1024, inline: 64 << 10, query_buffer: 1 << 30 }
    }
}

/// Why a byte stream is not RESP. The text is the one Redis answers with before it closes the connection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("ERR Protocol error: {0}")]
pub struct ProtocolError(pub Cow<'static, str>);

/// Where one argument lies in the buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    start: u32,
    len: u32,
}

impl Span {
    fn of(self, buffer: &[u8]) -> &[u8] {
        let start = self.start as usize;
        &buffer[start..start + self.len as usize]
    }
}

/// One request: a command name and its arguments. Never empty.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    buffer: &'a [u8],
    spans: &'a [Span],
}

impl<'a> Request<'a> {
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
    state: State,
}

#[derive(Clone, Copy, Debug)]
struct Parsed {
    first_span: u32,
    end_span: u32,
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

/// Longest `*` or `$` line before Redis gives up on it.
const LENGTH_LINE_MAX: usize = 64 << 10;

impl Batch {
    /// Reads on in `buffer` until it ends or breaks the protocol. Requests complete before an error stay usable.
    ///
    /// # Errors
    /// The text Redis sends before it closes the connection.
    pub fn parse(&mut self, buffer: &[u8], limits: &Limits) -> Result<(), ProtocolError> {
        loop {
            match self.state {
                State::Start => match buffer.get(self.position) {
                    None => return Ok(()),
                    Some(b'*') => {
                        let Some((line, next)) =
                            length_line(buffer, self.position, "too big mbulk count string")?
                        else {
                            return Ok(());
                        };
                        let count = super::number::parse_i64(line)
                            .filter(|&count| count <= limits.arguments as i64)
                            .ok_or(ProtocolError("invalid multibulk length".into()))?;
                        self.position = next;
                        match usize::try_from(count) {
                            Ok(remaining @ 1..) => self.state = State::BulkHeader { remaining },
                            // An empty request is skipped without a reply.
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
                        Some(&other) => {
                            return Err(ProtocolError(
                                format!("expected '$', got '{}'", char::from(other)).into(),
                            ));
                        }
                    }
                    let Some((line, next)) = length_line(buffer, self.position, "too big bulk count string")?
                    else {
                        return Ok(());
                    };
                    let length = super::number::parse_i64(line)
                        .and_then(|length| usize::try_from(length).ok())
                        .filter(|&length| length <= limits.bulk)
                        .ok_or(ProtocolError("invalid bulk length".into()))?;
                    self.position = next;
                    self.state = State::BulkBody { remaining, length };
                }
                State::BulkBody { remaining, length } => {
                    // Redis does not look at the two bytes after the argument either.
                    let end = self.position + length + 2;
                    if buffer.len() < end {
                        return Ok(());
                    }
                    self.spans.push(Span { start: self.position as u32, len: length as u32 });
                    self.position = end;
                    if remaining > 1 {
                        self.state = State::BulkHeader { remaining: remaining - 1 };
                    } else {
                        self.complete(false);
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
                return Err(ProtocolError("too big inline request".into()));
            }
            return Ok(false);
        };
        let line = rest[..end].strip_suffix(b"\r").unwrap_or(&rest[..end]);
        let arguments =
            quote::split(line).map_err(|_| ProtocolError("unbalanced quotes in request".into()))?;
        self.position += end + 1;
        if arguments.is_empty() {
            self.consumed = self.position;
            return Ok(true);
        }
        for argument in arguments {
            self.spans.push(Span { start: self.inline.len() as u32, len: argument.len() as u32 });
            self.inline.extend_from_slice(&argument);
        }
        self.complete(true);
        Ok(true)
    }

    fn complete(&mut self, inline: bool) {
        let first_span = self.requests.last().map_or(0, |request| request.end_span);
        self.requests.push(Parsed { first_span, end_span: self.spans.len() as u32, inline });
        self.consumed = self.position;
        self.state = State::Start;
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
    pub fn get<'a>(&'a self, index: usize, buffer: &'a [u8]) -> Request<'a> {
        let request = self.requests[index];
        Request {
            buffer: if request.inline { &self.inline } else { buffer },
            spans: &self.spans[request.first_span as usize..request.end_span as usize],
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
            span.start -= self.consumed as u32;
        }
        self.requests.clear();
        self.inline.clear();
        self.position -= self.consumed;
        self.consumed = 0;
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

/// The line from the byte after `start` to CR LF, and where the next one begins; `None` while it is not complete.
fn length_line<'a>(
    buffer: &'a [u8],
    start: usize,
    too_long: &'static str,
) -> Result<Option<(&'a [u8], usize)>, ProtocolError> {
    let rest = &buffer[start + 1..];
    match memchr::memchr(b'\r', rest) {
        Some(end) if end + 1 < rest.len() => Ok(Some((&rest[..end], start + 1 + end + 2))),
        None if rest.len() > LENGTH_LINE_MAX => Err(ProtocolError(too_long.into())),
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(bytes: &[u8]) -> Vec<Vec<Vec<u8>>> {
        let mut batch = Batch::default();
        batch.parse(bytes, &Limits::default()).unwrap();
        batch.requests(bytes).map(|request| request.args().map(<[u8]>::to_vec).collect()).collect()
    }

    #[test]
    fn pipelines_of_all_forms() {
        assert_eq!(
            words(
                b"*2\r\n$3\r\nGET\r\n$1\r\na\r\n*0\r\n\r\nset \"k\\x41\" 'v'\r\n*1\r\n$4\r\nPING\r\n*1\r\n$1"
            ),
            [
                vec![b"GET".to_vec(), b"a".to_vec()],
                vec![b"set".to_vec(), b"kA".to_vec(), b"v".to_vec()],
                vec![b"PING".to_vec()]
            ]
        );
    }

    #[test]
    fn a_request_may_arrive_byte_by_byte() {
        let stream = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\nhello\r\nping\r\n*1\r\n$4\r\nquit\r\n";
        let (mut batch, mut buffer, mut seen) = (Batch::default(), Vec::new(), Vec::new());
        for &byte in stream {
            buffer.push(byte);
            batch.parse(&buffer, &Limits::default()).unwrap();
            seen.extend(batch.requests(&buffer).map(|request| request.args().collect::<Vec<_>>().concat()));
            buffer.drain(..batch.consumed());
            batch.reset();
        }
        assert_eq!(seen, [b"SETkhello".to_vec(), b"ping".to_vec(), b"quit".to_vec()]);
        assert!(buffer.is_empty());
    }
}
