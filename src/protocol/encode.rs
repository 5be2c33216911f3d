//! Replies into a byte vector, in RESP2 or RESP3, and the requests of those who ask.

/// Which RESP a client speaks (`HELLO 2|3`). RESP3 types are written in their RESP2 form to a RESP2 client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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
    version: Version,
}

impl<'a> Encoder<'a> {
    /// Writes to the end of `out`.
    pub fn new(out: &'a mut Vec<u8>, version: Version) -> Self {
        Self { out, version }
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

    /// The bytes written so far, everything before included.
    #[must_use]
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        self.out
    }

    /// `+OK`.
    pub fn ok(&mut self) {
        self.out.extend_from_slice(b"+OK\r\n");
    }

    /// A status; CR and LF become spaces.
    pub fn simple(&mut self, text: &str) {
        self.line(b'+', text.as_bytes());
    }

    /// An error with its code first (`ERR …`); CR and LF become spaces, as in Redis.
    pub fn error(&mut self, text: impl AsRef<[u8]>) {
        self.line(b'-', text.as_ref());
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
        self.out.reserve(bytes.len() + 24);
        self.length(b'$', bytes.len());
        self.out.extend_from_slice(bytes);
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
