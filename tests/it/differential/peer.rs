//! A connection that keeps replies as the bytes they came in.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use redis_cluster::protocol::{Value, Version, encode_command, quote};

/// One server, asked one thing at a time.
pub(super) struct Peer {
    stream: TcpStream,
    input: Vec<u8>,
}

/// Longer than any reply takes.
const PATIENCE: Duration = Duration::from_secs(20);

impl Peer {
    pub(super) fn connect(address: &str, version: Version) -> Self {
        let stream = TcpStream::connect(address).expect("the server listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
        stream.set_nodelay(true).expect("nodelay can be set");
        let mut peer = Self { stream, input: Vec::new() };
        if version == Version::Resp3 {
            let hello = peer.value(&["HELLO", "3"]);
            assert!(matches!(hello, Value::Map(_)), "{address} does not speak RESP3: {hello:?}");
        }
        peer
    }

    /// The reply's bytes. What ends the connection counts as an empty reply.
    pub(super) fn call<A: AsRef<[u8]>>(&mut self, arguments: &[A]) -> Vec<u8> {
        self.send(arguments);
        self.receive()
    }

    /// Sends a request and does not wait for the reply.
    pub(super) fn send<A: AsRef<[u8]>>(&mut self, arguments: &[A]) {
        let mut request = Vec::new();
        encode_command(&mut request, arguments);
        self.stream.write_all(&request).expect("the server takes the request");
    }

    /// What comes next; the end of the connection is empty.
    pub(super) fn receive(&mut self) -> Vec<u8> {
        loop {
            if let Some((_, used)) = Value::decode(&self.input).expect("the reply is RESP") {
                let reply: Vec<u8> = self.input.drain(..used).collect();
                return with_their_version(&reply);
            }
            let mut chunk = [0; 64 << 10];
            match self.stream.read(&mut chunk).expect("a reply comes in time") {
                0 => return Vec::new(),
                read => self.input.extend_from_slice(&chunk[..read]),
            }
        }
    }

    /// The reply, decoded.
    pub(super) fn value<A: AsRef<[u8]>>(&mut self, arguments: &[A]) -> Value {
        let reply = self.call(arguments);
        decode(&reply)
    }
}

/// A node says that it is Redis 7.2, whose command set it has; the servers that it is compared with are 7.0.
pub(crate) fn with_their_version(reply: &[u8]) -> Vec<u8> {
    let mut reply = reply.to_vec();
    for (ours, theirs) in
        [(&b"$5\r\n7.2.4\r\n"[..], &b"$6\r\n7.0.15\r\n"[..]), (b"\r\n:459268\r\n", b"\r\n:458767\r\n")]
    {
        while let Some(at) = reply.windows(ours.len()).position(|part| part == ours) {
            reply.splice(at..at + ours.len(), theirs.iter().copied());
        }
    }
    reply
}

/// One whole reply.
pub(super) fn decode(reply: &[u8]) -> Value {
    match Value::decode(reply).expect("the reply is RESP") {
        Some((value, used)) if used == reply.len() => value,
        _ => panic!("not one reply: {:?}", String::from_utf8_lossy(reply)),
    }
}

/// Lines of a case file without comments, as arguments.
pub(super) fn cases(text: &str) -> impl Iterator<Item = (&str, Vec<Vec<u8>>)> {
    text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')).map(|line| {
        let arguments = quote::split(line.as_bytes());
        (line, arguments.unwrap_or_else(|_| panic!("quotes do not match: {line}")))
    })
}

/// A request as redis-cli takes it.
pub(super) fn shown(request: &[Vec<u8>]) -> String {
    request.iter().map(|word| quote::repr(word)).collect::<Vec<_>>().join(" ")
}

/// What differs, all of it shown at once.
#[derive(Default)]
pub(super) struct Differences {
    compared: usize,
    found: Vec<String>,
}

impl Differences {
    pub(super) fn compare<T: PartialEq + std::fmt::Debug>(
        &mut self,
        what: impl std::fmt::Display,
        ours: &T,
        theirs: &T,
    ) {
        self.compared += 1;
        if ours != theirs {
            self.found.push(format!("{what}\n    ours   {ours:?}\n    theirs {theirs:?}"));
        }
    }

    /// Notes a pair of replies that somebody compared.
    pub(super) fn judge(&mut self, what: impl std::fmt::Display, same: bool, ours: &[u8], theirs: &[u8]) {
        self.compared += 1;
        if !same {
            let (ours, theirs) = (quote::repr(ours), quote::repr(theirs));
            self.found.push(format!("{what}\n    ours   {ours}\n    theirs {theirs}"));
        }
    }

    /// Says more about the last difference.
    pub(super) fn explain_last(&mut self, what: &str) {
        if let Some(last) = self.found.last_mut() {
            last.insert_str(0, what);
        }
    }

    /// # Panics
    /// If there are differences, or nothing was compared.
    #[track_caller]
    pub(super) fn none(self) {
        assert!(self.compared > 0, "nothing was compared");
        let (found, compared) = (self.found.len(), self.compared);
        assert!(self.found.is_empty(), "{found} of {compared} differ:\n{}", self.found.join("\n"));
    }
}
