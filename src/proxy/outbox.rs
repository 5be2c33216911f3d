//! Bytes on their way to a socket, in the order they were put in. Bytes only: the socket is whatever is given.
//!
//! What is small is appended to the last piece, as to any buffer. What is large becomes a piece of its own, in the memory it
//! came in. No piece is copied, moved up or grown after that, however slowly the other side reads: each byte is touched
//! once on its way in and once by the kernel.

use std::{
    collections::VecDeque,
    io::{self, IoSlice, Write},
};

use bytes::Bytes;

use super::{remains::Remains, worker::stream::retry};

/// From this size on, bytes that came in more than one read are passed on in the memory they came in.
pub(super) const LARGE: usize = 64 << 10;
/// Parts of such bytes that are worth a piece; shorter ones are copied.
pub(super) const SHARED_MIN: usize = 4 << 10;
/// A piece that is written to is closed at this length.
const PIECE: usize = 256 << 10;
/// Buffers above this are given back when they are empty.
const KEEP: usize = 256 << 10;
/// Given to the kernel at once: others wait while it copies.
const WRITE_MAX: usize = 1 << 20;
const SLICES_MAX: usize = 64;

/// What a write left to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    /// Nothing.
    All,
    /// The rest, as soon as the kernel says that it takes more.
    Blocked,
    /// The rest, at any time: it was too much for one turn.
    More,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    /// Closed pieces, which come before `last`.
    pieces: VecDeque<Bytes>,
    pieces_len: usize,
    last: Vec<u8>,
    /// Bytes at the front that are with the kernel; fewer than the first piece has.
    sent: usize,
    /// Pieces that were sent, for who gives their memory back.
    spent: Vec<Bytes>,
}

impl Outbox {
    /// Where to append what is small.
    #[inline]
    pub(super) fn tail(&mut self) -> &mut Vec<u8> {
        if self.last.len() >= PIECE {
            self.close(Vec::with_capacity(PIECE));
        }
        &mut self.last
    }

    /// Ends the last piece.
    #[cold]
    fn close(&mut self, next: Vec<u8>) {
        let full = std::mem::replace(&mut self.last, next);
        self.pieces_len += full.len();
        self.pieces.push_back(full.into());
    }

    /// Appends without copying.
    pub(super) fn push(&mut self, piece: Bytes) {
        if piece.is_empty() {
            return;
        }
        if !self.last.is_empty() {
            self.close(Vec::new());
        }
        self.pieces_len += piece.len();
        self.pieces.push_back(piece);
    }

    /// Appends a part of `whole`, copied if it is small.
    pub(super) fn push_part(&mut self, whole: &Bytes, part: &[u8]) {
        if part.len() >= SHARED_MIN {
            self.push(whole.slice_ref(part));
        } else {
            self.tail().extend_from_slice(part);
        }
    }

    /// Puts bytes before all others, of which none has been sent.
    pub(super) fn push_front(&mut self, piece: Bytes) {
        debug_assert_eq!(self.sent, 0);
        if !piece.is_empty() {
            self.pieces_len += piece.len();
            self.pieces.push_front(piece);
        }
    }

    /// Appends all of another, of which nothing has been sent.
    pub(super) fn append(&mut self, other: Self) {
        debug_assert_eq!(other.sent, 0);
        for piece in other.pieces {
            self.push(piece);
        }
        if other.last.len() >= SHARED_MIN {
            self.push(other.last.into());
        } else {
            self.tail().extend_from_slice(&other.last);
        }
    }

    /// Bytes to be sent.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.pieces_len + self.last.len() - self.sent
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Writes once, and not more than others can wait for.
    ///
    /// # Errors
    /// The socket's.
    #[inline]
    pub(super) fn send(&mut self, socket: &mut impl Write) -> io::Result<Sent> {
        if !self.pieces.is_empty() {
            return self.send_pieces(socket);
        }
        let unsent = &self.last[self.sent..];
        if unsent.is_empty() {
            return Ok(Sent::All);
        }
        let offered = &unsent[..unsent.len().min(WRITE_MAX)];
        let count = retry(|| socket.write(offered))?;
        Ok(self.was_sent(count, offered.len()))
    }

    fn send_pieces(&mut self, socket: &mut impl Write) -> io::Result<Sent> {
        let mut slices = [IoSlice::new(&[]); SLICES_MAX];
        let (mut used, mut offered, mut skip) = (0, 0, self.sent);
        for piece in self.pieces.iter().map(|piece| &piece[..]).chain([&self.last[..]]) {
            if used == SLICES_MAX || offered == WRITE_MAX {
                break;
            }
            let piece = &piece[std::mem::take(&mut skip)..];
            let piece = &piece[..piece.len().min(WRITE_MAX - offered)];
            slices[used] = IoSlice::new(piece);
            (used, offered) = (used + 1, offered + piece.len());
        }
        let count = retry(|| socket.write_vectored(&slices[..used]))?;
        Ok(self.was_sent(count, offered))
    }

    /// The kernel took `count` of the bytes it was offered, or none.
    #[inline]
    fn was_sent(&mut self, count: Option<usize>, offered: usize) -> Sent {
        let Some(count) = count else { return Sent::Blocked };
        self.sent += count;
        while let Some(first) = self.pieces.front() {
            if self.sent < first.len() {
                break;
            }
            self.sent -= first.len();
            self.pieces_len -= first.len();
            self.spent.extend(self.pieces.pop_front());
        }
        if self.pieces.is_empty() && self.sent == self.last.len() {
            self.sent = 0;
            reclaim(&mut self.last);
            return Sent::All;
        }
        if count < offered { Sent::Blocked } else { Sent::More }
    }

    /// Memory of pieces that were sent goes to the others that are no longer needed.
    #[inline]
    pub(super) fn leave(&mut self, remains: &mut Remains) {
        if !self.spent.is_empty() {
            self.spent.drain(..).for_each(|piece| remains.take(piece));
        }
    }

    /// Memory of all pieces, sent or not, which nobody wants any more.
    pub(super) fn abandon(self, remains: &mut Remains) {
        self.spent.into_iter().chain(self.pieces).for_each(|piece| remains.take(piece));
    }

    #[cfg(test)]
    pub(super) fn pieces(&self) -> impl Iterator<Item = &Bytes> {
        self.pieces.iter()
    }

    #[cfg(test)]
    pub(super) fn to_vec(&self) -> Vec<u8> {
        let mut all: Vec<u8> = Vec::new();
        for piece in &self.pieces {
            all.extend_from_slice(piece);
        }
        all.extend_from_slice(&self.last);
        all.split_off(self.sent)
    }
}

/// Empties a buffer, and gives its memory back if it grew large.
pub(super) fn reclaim(buffer: &mut Vec<u8>) {
    if buffer.capacity() > KEEP {
        *buffer = Vec::new();
    } else {
        buffer.clear();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Takes as much at a time as it is told, and counts what it was offered.
    #[derive(Default)]
    struct Socket {
        takes: usize,
        taken: Vec<u8>,
        offered_max: usize,
    }

    impl Write for Socket {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.offered_max = self.offered_max.max(bytes.len());
            if self.takes == 0 {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            let count = bytes.len().min(self.takes);
            self.taken.extend_from_slice(&bytes[..count]);
            Ok(count)
        }

        fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
            self.write(&slices.iter().map(|slice| &slice[..]).collect::<Vec<_>>().concat())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_large_piece_stays_in_its_memory() {
        let large = Bytes::from(vec![b'x'; 8 << 20]);
        let mut outbox = Outbox::default();
        outbox.tail().extend_from_slice(b"before");
        outbox.push(large.slice(..));
        outbox.tail().extend_from_slice(b"behind");
        assert_eq!(outbox.pieces[1].as_ptr(), large.as_ptr());
        let mut socket = Socket { takes: 1000, ..Socket::default() };
        while socket.taken.len() < 4 << 20 {
            assert_eq!(outbox.send(&mut socket).unwrap(), Sent::Blocked);
        }
        assert_eq!(outbox.pieces[0].as_ptr(), large.as_ptr());
        assert!(socket.offered_max <= WRITE_MAX);
        socket.takes = usize::MAX;
        assert_eq!(outbox.send(&mut socket).unwrap(), Sent::More);
        while outbox.send(&mut socket).unwrap() != Sent::All {}
        assert_eq!(socket.taken, [b"before", &large[..], b"behind"].concat());
    }

    /// A reader that takes little at a time makes nobody copy what it has not read.
    #[test]
    fn small_ones_close_into_pieces_that_do_not_move() {
        let mut outbox = Outbox::default();
        let mut socket = Socket { takes: 10, ..Socket::default() };
        let mut first = None;
        for _ in 0..(1 << 20) / 16 {
            outbox.tail().extend_from_slice(b"0123456789abcdef");
            assert_ne!(outbox.send(&mut socket).unwrap(), Sent::More);
            if let (None, Some(piece)) = (first, outbox.pieces.front()) {
                first = Some(piece.as_ptr());
                assert_eq!(piece.len(), PIECE);
            }
        }
        assert!(outbox.pieces.len() <= 5);
        assert!(outbox.pieces.iter().all(|piece| piece.len() == PIECE));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn what_goes_in_comes_out(
            steps in proptest::collection::vec((0u8..6, 0usize..300_000, any::<u8>()), 1..40),
        ) {
            let (mut outbox, mut expected, mut socket) = (Outbox::default(), Vec::new(), Socket::default());
            for (step, size, byte) in steps {
                let bytes = vec![byte; size];
                match step {
                    0 | 1 => outbox.tail().extend_from_slice(&bytes),
                    2 => outbox.push(bytes.clone().into()),
                    3 => {
                        let mut other = Outbox::default();
                        other.tail().extend_from_slice(&bytes);
                        other.push_front(Bytes::from(bytes.clone()));
                        expected.extend_from_slice(&bytes);
                        outbox.append(other);
                    }
                    _ => {
                        socket.takes = size;
                        let sent = outbox.send(&mut socket).unwrap();
                        prop_assert_eq!(sent == Sent::All, outbox.is_empty());
                        continue;
                    }
                }
                expected.extend_from_slice(&bytes);
                prop_assert_eq!(outbox.len(), expected.len() - socket.taken.len());
            }
            socket.takes = usize::MAX;
            while outbox.send(&mut socket).unwrap() != Sent::All {}
            prop_assert_eq!(socket.taken, expected);
        }
    }
}
