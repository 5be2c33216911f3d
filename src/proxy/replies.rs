//! The replies of one client, put into the order of its requests. Bytes only: no sockets.
//!
//! Nodes answer each at their own pace. A reply whose turn it is goes straight to the output; one that is early is kept
//! aside until those before it have come. Nothing is allocated per request.

use std::collections::VecDeque;

/// The number of a request among those of its client; wraps around.
pub(super) type Sequence = u32;

/// What has become of one request.
#[derive(Clone, Copy, Debug)]
enum Entry {
    /// Its reply is to come.
    Waiting,
    /// Its reply is to come and will be thrown away (`CLIENT REPLY OFF`).
    Muted,
    /// Its reply came early and is kept aside here.
    Ready { at: usize, len: usize },
}

/// Early replies are packed anew when the space they lie in is this large and mostly unused.
const PACK_MIN: usize = 64 << 10;
/// Buffers above this are given back when they are empty.
const KEEP: usize = 256 << 10;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Replies {
    /// Of the oldest request that is not answered.
    head: Sequence,
    entries: VecDeque<Entry>,
    early: Vec<u8>,
    early_used: usize,
    out: Vec<u8>,
    /// Bytes at the front of `out` that are with the kernel.
    sent: usize,
}

impl Replies {
    /// A request whose reply will come.
    #[inline]
    pub(super) fn expect(&mut self, muted: bool) -> Sequence {
        let sequence = self.head.wrapping_add(self.entries.len() as u32);
        self.entries.push_back(if muted { Entry::Muted } else { Entry::Waiting });
        sequence
    }

    /// The reply to a request that was [`Replies::expect`]ed.
    #[inline]
    pub(super) fn complete(&mut self, sequence: Sequence, reply: &[u8]) {
        let index = sequence.wrapping_sub(self.head) as usize;
        match self.entries.get_mut(index) {
            Some(entry @ (Entry::Waiting | Entry::Muted)) => {
                let reply = if matches!(entry, Entry::Muted) { &[] } else { reply };
                if index == 0 {
                    self.out.extend_from_slice(reply);
                    self.entries.pop_front();
                    self.head = self.head.wrapping_add(1);
                    if self.front_is_ready() {
                        self.release();
                    }
                } else {
                    *entry = Entry::Ready { at: self.early.len(), len: reply.len() };
                    self.early.extend_from_slice(reply);
                    self.early_used += reply.len();
                    if self.early.len() > PACK_MIN && self.early_used < self.early.len() / 4 {
                        self.pack();
                    }
                }
            }
            Some(Entry::Ready { .. }) | None => debug_assert!(false, "a reply nobody waits for"),
        }
    }

    /// A request that is answered here and now, by what `write` appends.
    pub(super) fn answer<R>(&mut self, muted: bool, write: impl FnOnce(&mut Vec<u8>) -> R) -> R {
        if self.entries.is_empty() {
            let before = self.out.len();
            let result = write(&mut self.out);
            if muted {
                self.out.truncate(before);
            }
            self.head = self.head.wrapping_add(1);
            return result;
        }
        let at = self.early.len();
        let result = write(&mut self.early);
        if muted {
            self.early.truncate(at);
        }
        let len = self.early.len() - at;
        self.early_used += len;
        self.entries.push_back(Entry::Ready { at, len });
        result
    }

    fn front_is_ready(&self) -> bool {
        matches!(self.entries.front(), Some(Entry::Ready { .. }))
    }

    fn release(&mut self) {
        while let Some(&Entry::Ready { at, len }) = self.entries.front() {
            self.out.extend_from_slice(&self.early[at..at + len]);
            self.early_used -= len;
            self.entries.pop_front();
            self.head = self.head.wrapping_add(1);
        }
        if self.early_used == 0 {
            reclaim(&mut self.early);
            for entry in &mut self.entries {
                if let Entry::Ready { at, .. } = entry {
                    *at = 0;
                }
            }
        }
    }

    fn pack(&mut self) {
        let mut packed = Vec::with_capacity(self.early_used * 2);
        for entry in &mut self.entries {
            if let Entry::Ready { at, len } = entry {
                let from = *at;
                *at = packed.len();
                packed.extend_from_slice(&self.early[from..from + *len]);
            }
        }
        self.early = packed;
    }

    /// Requests that are not answered, or answered early.
    #[inline]
    pub(super) fn in_flight(&self) -> usize {
        self.entries.len()
    }

    /// Bytes kept for the client, sent ones not counted.
    #[inline]
    pub(super) fn buffered(&self) -> usize {
        self.out.len() - self.sent + self.early_used
    }

    /// What is to be sent.
    #[inline]
    pub(super) fn unsent(&self) -> &[u8] {
        &self.out[self.sent..]
    }

    /// The kernel took this many bytes of [`Replies::unsent`].
    #[inline]
    pub(super) fn advance(&mut self, count: usize) {
        self.sent += count;
        if self.sent == self.out.len() {
            reclaim(&mut self.out);
            self.sent = 0;
        } else if self.sent > KEEP && self.sent > self.out.len() / 2 {
            self.out.drain(..self.sent);
            self.sent = 0;
        }
    }

    #[cfg(test)]
    fn output(&self) -> &[u8] {
        &self.out
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

    #[test]
    fn a_reply_out_of_turn_waits() {
        let mut replies = Replies::default();
        let (a, b, c) = (replies.expect(false), replies.expect(false), replies.expect(true));
        replies.complete(c, b"c");
        replies.complete(b, b"b");
        assert_eq!(replies.output(), b"");
        replies.answer(false, |out| out.push(b'd'));
        replies.complete(a, b"a");
        assert_eq!((replies.output(), replies.in_flight()), (&b"abd"[..], 0));
        replies.answer(true, |out| out.push(b'x'));
        replies.advance(1);
        assert_eq!(replies.unsent(), b"bd");
    }

    proptest! {
        /// Whatever the order replies come in, they leave in the order of the requests.
        #[test]
        fn order_is_kept(steps in proptest::collection::vec((0u8..4, any::<prop::sample::Index>()), 1..200), size in 1usize..3000) {
            let mut replies = Replies::default();
            let (mut open, mut expected, mut count) = (Vec::new(), Vec::new(), 0u32);
            let body = |number: u32| number.to_le_bytes().repeat(size);
            for (step, choice) in steps {
                match step {
                    0 => {
                        expected.extend(body(count));
                        replies.answer(false, |out| out.extend(body(count)));
                        count += 1;
                    }
                    1 | 2 => {
                        let muted = step == 2 && count % 5 == 0;
                        open.push((replies.expect(muted), count));
                        if !muted {
                            expected.extend(body(count));
                        }
                        count += 1;
                    }
                    _ if !open.is_empty() => {
                        let (sequence, number) = open.swap_remove(choice.index(open.len()));
                        replies.complete(sequence, &body(number));
                    }
                    _ => {}
                }
                prop_assert!(expected.starts_with(replies.output()));
            }
            for (sequence, number) in open.into_iter().rev() {
                replies.complete(sequence, &body(number));
            }
            prop_assert_eq!(replies.output(), &expected[..]);
            prop_assert_eq!((replies.in_flight(), replies.early_used), (0, 0));
        }
    }
}
