//! Replies that wait to be sent: bytes, and between them large values that are shared with whoever keeps them rather than copied.

use bytes::Bytes;

use super::{Encoder, Mark, Version};

/// See the module.
#[derive(Debug, Default)]
pub struct Output {
    bytes: Vec<u8>,
    pieces: Pieces,
}

impl From<Vec<u8>> for Output {
    fn from(bytes: Vec<u8>) -> Self {
        Self { bytes, pieces: Pieces::default() }
    }
}

/// Values that are not copied.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    /// Each in front of the byte at this place, in order.
    pub(super) list: Vec<(usize, Bytes)>,
    /// Bytes of all of them.
    pub(super) len: usize,
}

impl Output {
    /// All bytes, shared ones included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len() + self.pieces.len
    }

    /// Nothing to send.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Where the next reply will begin.
    #[must_use]
    pub fn mark(&self) -> Mark {
        Mark::at(self.bytes.len(), self.pieces.list.len())
    }

    /// Whether there are values in it that were not copied.
    #[must_use]
    pub fn is_sharing(&self) -> bool {
        !self.pieces.list.is_empty()
    }

    /// Bytes of its own memory.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Forgets everything and keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.pieces.list.clear();
        self.pieces.len = 0;
    }

    /// Makes room for so many bytes.
    pub fn reserve(&mut self, room: usize) {
        self.bytes.reserve(room);
    }

    /// Has the system find the memory for the bytes `from` to `to` of the room now, rather than at the first write to each page.
    pub fn touch(&mut self, from: usize, to: usize) {
        const PAGE: usize = 4096;
        let room = self.bytes.spare_capacity_mut();
        for page in room[from..to.max(from)].iter_mut().step_by(PAGE) {
            page.write(0);
        }
    }

    /// Writes replies to its end.
    pub fn encoder(&mut self, version: Version) -> Encoder<'_> {
        Encoder::sharing(&mut self.bytes, &mut self.pieces, version)
    }

    /// The bytes from `from` on that lie in one piece; empty at the end.
    #[must_use]
    pub fn piece(&self, from: usize) -> &[u8] {
        // Few values are large, so there are few of them to walk past.
        let mut shared_before = 0;
        for (at, shared) in &self.pieces.list {
            let begins = at + shared_before;
            if from < begins {
                return &self.bytes[from - shared_before..*at];
            }
            if from < begins + shared.len() {
                return &shared[from - begins..];
            }
            shared_before += shared.len();
        }
        &self.bytes[from - shared_before..]
    }

    /// All bytes from `from` on.
    #[must_use]
    pub fn copy_from(&self, from: usize) -> Vec<u8> {
        let mut all = Vec::with_capacity(self.len() - from);
        while from + all.len() < self.len() {
            all.extend_from_slice(self.piece(from + all.len()));
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::encode::SHARED_MIN;

    fn value(byte: u8) -> Bytes {
        Bytes::from(vec![byte; SHARED_MIN])
    }

    fn pieces(output: &Output) -> Vec<u8> {
        let whole = output.copy_from(0);
        for from in [0, 1, 7, 9, whole.len() / 2, whole.len() - 1] {
            let piece = output.piece(from);
            assert!(!piece.is_empty());
            assert_eq!(piece, &whole[from..from + piece.len()]);
        }
        assert!(output.piece(whole.len()).is_empty());
        whole
    }

    #[test]
    fn shared_values_lie_where_they_were_written() {
        let mut output = Output::default();
        output.encoder(Version::Resp2).shared(&value(b'a'));
        let mut encoder = output.encoder(Version::Resp2);
        let mark = encoder.mark();
        encoder.integer(1);
        encoder.shared(&value(b'b'));
        encoder.insert(mark, b":0\r\n");
        assert!(encoder.since(mark).starts_with(b":0\r\n:1\r\n$65536\r\n"));
        let mut plain = Vec::new();
        let mut encoder = Encoder::new(&mut plain, Version::Resp2);
        encoder.bulk(value(b'a'));
        encoder.integer(0);
        encoder.integer(1);
        encoder.bulk(value(b'b'));
        assert_eq!(pieces(&output), plain);
        output.encoder(Version::Resp2).truncate(mark);
        assert_eq!(output.len(), output.copy_from(0).len());
        assert!(plain.starts_with(&output.copy_from(0)));
        output.clear();
        assert!(output.is_empty() && output.piece(0).is_empty());
    }

    #[test]
    fn what_does_not_fit_is_counted() {
        let mut output = Output::default();
        let mut encoder = output.encoder(Version::Resp2);
        let mark = encoder.mark();
        encoder.set_limit(100);
        encoder.bulk(vec![b'x'; 90]);
        assert_eq!(encoder.room_missing(), 0);
        encoder.bulk(vec![b'x'; 90]);
        let missing = encoder.room_missing();
        assert!(missing > 90);
        encoder.truncate(mark);
        output.reserve(100 + missing);
        output.touch(0, 100);
        output.touch(100, 100 + missing);
        assert!(output.is_empty() && output.capacity() >= 190);
    }

    #[test]
    fn small_values_are_copied() {
        let mut output = Output::default();
        output.encoder(Version::Resp3).shared(&Bytes::from_static(b"small"));
        assert_eq!(output.piece(0), b"$5\r\nsmall\r\n");
    }
}
