//! How large replies of several nodes become one, a few elements at a time: others are served in between, and elements
//! that are large themselves are not copied. Bytes in, bytes out. Small replies are merged at once (the other files here).

use bytes::Bytes;

use super::elements::{Elements, string};
use crate::{
    protocol::{Encoder, Version, frame::FrameScanner},
    proxy::{outbox::Outbox, remains::Remains},
    slot::SlotId,
};

/// Which elements, in which order.
#[derive(Debug)]
pub(in crate::proxy) enum Selection {
    /// One per key: this reply has the next one.
    ByKey(Vec<u16>),
    /// All keys that their node owns, reply by reply. In front of the array comes `before`.
    Owned { before: Vec<u8> },
}

/// Bytes after which the others get their turn.
const BYTES_PER_STEP: usize = 1 << 20;

/// The replies do not have the elements they should have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::proxy) struct Misfit;

/// The elements of one reply that are still to come.
#[derive(Debug)]
struct Source {
    reply: Bytes,
    at: usize,
    left: usize,
}

impl Source {
    /// The next element and what was before it.
    fn next(&mut self) -> Result<Option<std::ops::Range<usize>>, Misfit> {
        if self.left == 0 {
            return Ok(None);
        }
        let frame = FrameScanner::default().scan(&self.reply[self.at..]).ok().flatten().ok_or(Misfit)?;
        let start = self.at;
        (self.at, self.left) = (start + frame.len, self.left - 1);
        Ok(Some(start..self.at))
    }
}

/// See the module.
#[derive(Debug)]
pub(in crate::proxy) struct Merging {
    selection: Selection,
    sources: Vec<Source>,
    /// The next key, or the reply under way.
    next: usize,
    taken: usize,
    out: Outbox,
}

impl Merging {
    /// Begins with array replies; `elements` are those of each.
    pub(in crate::proxy) fn new<'a>(
        selection: Selection,
        replies: impl Iterator<Item = (&'a Bytes, Elements<'a>)>,
    ) -> Self {
        let sources = replies
            .map(|(reply, elements)| {
                let (rest, left) = elements.rest();
                let reply = reply.slice_ref(rest);
                Source { reply, at: 0, left }
            })
            .collect();
        let mut out = Outbox::default();
        if let Selection::ByKey(order) = &selection {
            Encoder::new(out.tail(), Version::Resp2).array(order.len());
        }
        Self { selection, sources, next: 0, taken: 0, out }
    }

    /// Memory of the replies, once they are merged.
    pub(in crate::proxy) fn leave(self, remains: &mut Remains) {
        self.sources.into_iter().for_each(|source| remains.take(source.reply));
        self.out.abandon(remains);
    }

    /// Goes on for up to so many elements; the merged reply when it is complete.
    ///
    /// # Errors
    /// The replies do not fit together.
    pub(in crate::proxy) fn step(
        &mut self,
        elements: usize,
        owned: impl Fn(usize, SlotId) -> bool,
    ) -> Result<Option<Outbox>, Misfit> {
        let before = self.out.len();
        for _ in 0..elements {
            if self.out.len() - before >= BYTES_PER_STEP {
                break;
            }
            match &self.selection {
                Selection::ByKey(order) => {
                    let Some(&index) = order.get(self.next) else {
                        return Ok(Some(std::mem::take(&mut self.out)));
                    };
                    let source = self.sources.get_mut(usize::from(index)).ok_or(Misfit)?;
                    let element = source.next()?.ok_or(Misfit)?;
                    self.out.push_part(&source.reply, &source.reply[element]);
                    self.next += 1;
                }
                Selection::Owned { before } => {
                    let Some(source) = self.sources.get_mut(self.next) else {
                        let mut head = before.clone();
                        Encoder::new(&mut head, Version::Resp2).array(self.taken);
                        self.out.push_front(head.into());
                        return Ok(Some(std::mem::take(&mut self.out)));
                    };
                    let Some(element) = source.next()? else {
                        self.next += 1;
                        continue;
                    };
                    let element = &source.reply[element];
                    if string(element).is_some_and(|key| owned(self.next, SlotId::of_key(key))) {
                        self.out.push_part(&source.reply, element);
                        self.taken += 1;
                    }
                }
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn array(elements: &[Vec<u8>]) -> Bytes {
        let mut bytes = Vec::new();
        let mut encoder = Encoder::new(&mut bytes, Version::Resp2);
        encoder.array(elements.len());
        for element in elements {
            encoder.bulk(element);
        }
        bytes.into()
    }

    fn merging(selection: Selection, replies: &[Bytes]) -> Merging {
        Merging::new(selection, replies.iter().map(|reply| (reply, Elements::of(reply).unwrap())))
    }

    /// All steps, none of which does more than it may.
    fn merged(
        mut merging: Merging,
        step: usize,
        owned: impl Fn(usize, SlotId) -> bool,
    ) -> Result<Vec<u8>, Misfit> {
        loop {
            let before = merging.out.len();
            if let Some(out) = merging.step(step, &owned)? {
                return Ok(out.to_vec());
            }
            assert!(merging.out.len() - before <= step * 10_020);
        }
    }

    fn element(number: usize) -> Vec<u8> {
        vec![b'a' + (number % 26) as u8; if number.is_multiple_of(7) { 10_000 } else { number % 50 }]
    }

    #[test]
    fn elements_come_back_in_the_order_of_the_keys() {
        let order: Vec<u16> = (0..1000).map(|number| (number * number % 3) as u16).collect();
        let all: Vec<Vec<u8>> = (0..1000).map(element).collect();
        let of = |part: u16| {
            let mine = all.iter().zip(&order).filter(|(_, of)| **of == part);
            array(&mine.map(|(element, _)| element.clone()).collect::<Vec<_>>())
        };
        let replies = [of(0), of(1), of(2)];
        for step in [1, 17, 5000] {
            let merging = merging(Selection::ByKey(order.clone()), &replies);
            assert!(merged(merging, step, |_, _| false).unwrap() == array(&all));
        }
        let short = merging(Selection::ByKey([&order[..], &[0]].concat()), &replies);
        assert_eq!(merged(short, 100, |_, _| false), Err(Misfit));
    }

    #[test]
    fn keys_that_their_node_does_not_own_are_left_out() {
        let all: Vec<Vec<u8>> = (0..500).map(|number| format!("key{number}").into_bytes()).collect();
        let replies = [array(&all), array(&all[..100]), array(&[])];
        let owned = |part: usize, slot: SlotId| slot.index() % 2 == part;
        let is = |key: &&Vec<u8>, part: usize| SlotId::of_key(key).index() % 2 == part;
        let mut expected: Vec<Vec<u8>> = all.iter().filter(|key| is(key, 0)).cloned().collect();
        expected.extend(all[..100].iter().filter(|key| is(key, 1)).cloned());
        for step in [1, 64, 5000] {
            let merging = merging(Selection::Owned { before: b"*2\r\n$1\r\n0\r\n".to_vec() }, &replies);
            let found = merged(merging, step, owned).unwrap();
            assert!(found == [b"*2\r\n$1\r\n0\r\n", &array(&expected)[..]].concat());
        }
    }

    #[test]
    fn a_large_element_is_not_copied() {
        let replies = [array(&[vec![b'x'; 4 << 20]])];
        let mut merging = merging(Selection::ByKey(vec![0]), &replies);
        let out = loop {
            if let Some(out) = merging.step(10, |_, _| false).unwrap() {
                break out;
            }
        };
        assert_eq!(out.len(), replies[0].len());
        assert!(out.pieces().any(|piece| replies[0].as_ptr_range().contains(&piece.as_ptr())));
    }
}
