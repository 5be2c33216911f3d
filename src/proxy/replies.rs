//! The replies of one client, put into the order of its requests. Bytes only: no sockets.
//!
//! Nodes answer each at their own pace. A reply whose turn it is goes straight to the output; one that is early is kept
//! aside until those before it have come. Nothing is allocated per request.

use std::{
    collections::{HashMap, VecDeque},
    io::{self, Write},
};

use super::{
    outbox::{Outbox, Sent, reclaim},
    remains::Remains,
};

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
    /// It is large, and kept aside in the memory it came in.
    Large,
}

/// Early replies are packed anew when the space they lie in is this large and mostly unused.
const PACK_MIN: usize = 64 << 10;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Replies {
    /// Of the oldest request that is not answered.
    head: Sequence,
    entries: VecDeque<Entry>,
    early: Vec<u8>,
    /// Bytes of `early` that are still to be sent.
    early_used: usize,
    /// Large ones that came early.
    large: HashMap<Sequence, Outbox>,
    large_len: usize,
    out: Outbox,
}

impl Replies {
    /// A request whose reply will come.
    #[inline]
    pub(super) fn expect(&mut self, muted: bool) -> Sequence {
        let sequence = self.head.wrapping_add(u32::try_from(self.entries.len()).expect("a few thousand"));
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
                    self.out.tail().extend_from_slice(reply);
                    self.answered();
                } else {
                    *entry = Entry::Ready { at: self.early.len(), len: reply.len() };
                    self.early.extend_from_slice(reply);
                    self.early_used += reply.len();
                    if self.early.len() > PACK_MIN && self.early_used < self.early.len() / 4 {
                        self.pack();
                    }
                }
            }
            Some(Entry::Ready { .. } | Entry::Large) | None => {
                debug_assert!(false, "a reply nobody waits for");
            }
        }
    }

    /// The same for a reply that is not copied.
    pub(super) fn complete_large(&mut self, sequence: Sequence, reply: Outbox) {
        let index = sequence.wrapping_sub(self.head) as usize;
        match self.entries.get_mut(index) {
            Some(Entry::Muted) => self.complete(sequence, &[]),
            Some(Entry::Waiting) if index == 0 => {
                self.out.append(reply);
                self.answered();
            }
            Some(entry @ Entry::Waiting) => {
                *entry = Entry::Large;
                self.large_len += reply.len();
                self.large.insert(sequence, reply);
            }
            Some(Entry::Ready { .. } | Entry::Large) | None => {
                debug_assert!(false, "a reply nobody waits for");
            }
        }
    }

    /// A request that is answered here and now, by what `write` appends.
    pub(super) fn answer<R>(&mut self, muted: bool, write: impl FnOnce(&mut Vec<u8>) -> R) -> R {
        if self.entries.is_empty() {
            let out = self.out.tail();
            let before = out.len();
            let result = write(out);
            if muted {
                out.truncate(before);
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

    /// A request that is answered here and now, by a reply that is not copied.
    pub(super) fn answer_large(&mut self, muted: bool, reply: Outbox) {
        let sequence = self.expect(muted);
        self.complete_large(sequence, reply);
    }

    /// The reply to the oldest request is in the output: those behind it that came early may follow.
    #[inline]
    fn answered(&mut self) {
        self.entries.pop_front();
        self.head = self.head.wrapping_add(1);
        if matches!(self.entries.front(), Some(Entry::Ready { .. } | Entry::Large)) {
            self.release();
        }
    }

    fn release(&mut self) {
        loop {
            match self.entries.front() {
                // Where an empty one lies may be outdated.
                Some(&Entry::Ready { len: 0, .. }) => {}
                Some(&Entry::Ready { at, len }) => {
                    self.out.tail().extend_from_slice(&self.early[at..at + len]);
                    self.early_used -= len;
                }
                Some(Entry::Large) => {
                    if let Some(reply) = self.large.remove(&self.head) {
                        self.large_len -= reply.len();
                        self.out.append(reply);
                    }
                }
                Some(Entry::Waiting | Entry::Muted) | None => break,
            }
            self.entries.pop_front();
            self.head = self.head.wrapping_add(1);
        }
        if self.early_used == 0 {
            reclaim(&mut self.early);
        }
    }

    fn pack(&mut self) {
        let mut packed = Vec::with_capacity(self.early_used * 2);
        for entry in &mut self.entries {
            if let Entry::Ready { at, len: len @ 1.. } = entry {
                let from = *at;
                *at = packed.len();
                packed.extend_from_slice(&self.early[from..from + *len]);
            }
        }
        self.early = packed;
    }

    /// Where to append what is no reply; it comes between two of them.
    #[inline]
    pub(super) fn beside(&mut self) -> &mut Outbox {
        &mut self.out
    }

    /// Requests that are not answered, or answered early.
    #[inline]
    pub(super) fn in_flight(&self) -> usize {
        self.entries.len()
    }

    /// Bytes kept for the client, sent ones not counted.
    #[inline]
    pub(super) fn buffered(&self) -> usize {
        self.out.len() + self.early_used + self.large_len
    }

    /// Bytes that can be sent now.
    #[inline]
    pub(super) fn unsent(&self) -> usize {
        self.out.len()
    }

    /// Whether something is to be sent.
    #[inline]
    pub(super) fn has_output(&self) -> bool {
        !self.out.is_empty()
    }

    /// Memory of what was sent.
    #[inline]
    pub(super) fn leave(&mut self, remains: &mut Remains) {
        self.out.leave(remains);
    }

    /// All memory, when the client is gone.
    pub(super) fn abandon(self, remains: &mut Remains) {
        self.out.abandon(remains);
        self.large.into_values().for_each(|reply| reply.abandon(remains));
    }

    /// Writes once.
    ///
    /// # Errors
    /// The socket's.
    #[inline]
    pub(super) fn send(&mut self, socket: &mut impl Write) -> io::Result<Sent> {
        self.out.send(socket)
    }

    #[cfg(test)]
    fn output(&self) -> Vec<u8> {
        self.out.to_vec()
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
        assert_eq!((&replies.output()[..], replies.in_flight()), (&b"abd"[..], 0));
        replies.answer(true, |out| out.push(b'x'));
        assert_eq!(replies.send(&mut &mut [0; 1][..]).unwrap(), Sent::Blocked);
        assert_eq!(replies.output(), b"bd");
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
                        if number % 3 == 0 {
                            let mut large = Outbox::default();
                            large.push(body(number).into());
                            replies.complete_large(sequence, large);
                        } else {
                            replies.complete(sequence, &body(number));
                        }
                    }
                    _ => {}
                }
                prop_assert!(expected.starts_with(&replies.output()));
            }
            for (sequence, number) in open.into_iter().rev() {
                replies.complete(sequence, &body(number));
            }
            prop_assert_eq!(&replies.output(), &expected);
            prop_assert_eq!((replies.in_flight(), replies.buffered()), (0, expected.len()));
        }
    }
}
