//! Large memory that is no longer needed. The largest block is kept for a moment: where one large value went by, the next is not
//! far, and finding fresh memory takes the kernel longer than the copying. The rest is given back a little at a time: a block
//! of half a gigabyte takes tens of milliseconds, during which no client of the thread would be served.

use std::time::{Duration, Instant};

use bytes::Bytes;

/// Smaller blocks are given back at once, and not kept.
const LARGE: usize = 8 << 20;
/// Of one block, in one turn.
const PER_TURN: usize = 8 << 20;
/// A larger block is not kept.
const KEPT_MAX: usize = 128 << 20;
/// How long.
const KEPT_FOR: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Remains {
    going: Vec<Vec<u8>>,
    kept: Vec<u8>,
    kept_since: Option<Instant>,
}

impl Remains {
    /// Takes what may be the last handle of its memory.
    pub(super) fn take(&mut self, bytes: Bytes) {
        if bytes.len() < LARGE {
            return;
        }
        // Whoever else has a part of it gives it back later.
        if let Ok(mut bytes) = bytes.try_into_mut() {
            // An empty one becomes a vector without being copied.
            bytes.clear();
            self.take_vec(bytes.into());
        }
    }

    /// Takes a buffer.
    pub(super) fn take_vec(&mut self, mut buffer: Vec<u8>) {
        if buffer.capacity() < LARGE {
            return;
        }
        buffer.clear();
        if buffer.capacity() <= KEPT_MAX && buffer.capacity() > self.kept.capacity() {
            std::mem::swap(&mut buffer, &mut self.kept);
            self.kept_since = None;
        }
        if buffer.capacity() > 0 {
            self.going.push(buffer);
        }
    }

    /// An empty buffer for so many bytes that are to come: memory that is there already, or none yet.
    pub(super) fn reuse(&mut self, wanted: usize) -> Vec<u8> {
        if wanted < LARGE || self.kept.capacity() / 4 > wanted {
            return Vec::new();
        }
        self.kept_since = None;
        std::mem::take(&mut self.kept)
    }

    /// Gives some of it back.
    pub(super) fn give_back_some(&mut self, now: Instant) {
        if self.kept.capacity() > 0 && now.duration_since(*self.kept_since.get_or_insert(now)) >= KEPT_FOR {
            self.going.push(std::mem::take(&mut self.kept));
            self.kept_since = None;
        }
        if let Some(buffer) = self.going.last_mut() {
            let rest = buffer.capacity().saturating_sub(PER_TURN);
            buffer.shrink_to(rest);
            if rest == 0 {
                self.going.pop();
            }
        }
    }

    /// Whether there is something to do in the next turn.
    #[inline]
    pub(super) fn needs_turn(&self) -> bool {
        !self.going.is_empty()
    }

    /// Whether there will be something to do in a while.
    #[inline]
    pub(super) fn needs_time(&self) -> bool {
        self.kept.capacity() > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_block_goes_in_parts_and_only_once_nobody_has_it() {
        let (mut remains, start) = (Remains::default(), Instant::now());
        remains.take(Bytes::from(vec![1; 100]));
        assert!(!remains.needs_time() && !remains.needs_turn());
        let mut buffer = Vec::with_capacity(40 << 20);
        buffer.resize(33 << 20, 1);
        let whole = Bytes::from(buffer);
        let (a, b) = (whole.slice(..20 << 20), whole.slice(10 << 20..));
        drop(whole);
        remains.take(a);
        assert!(!remains.needs_time());
        remains.take(b);
        remains.give_back_some(start);
        assert!(remains.needs_time() && !remains.needs_turn(), "it is kept at first");
        remains.give_back_some(start + KEPT_FOR);
        let mut turns = 1;
        while remains.needs_turn() {
            let before = remains.going[0].capacity();
            assert!(before >= 4 << 20, "the whole block is here");
            remains.give_back_some(start + KEPT_FOR);
            let after = remains.going.first().map_or(0, Vec::capacity);
            assert!(after < before && before - after <= PER_TURN);
            turns += 1;
        }
        assert_eq!(turns, 5);
    }

    #[test]
    fn the_largest_block_is_used_again() {
        let mut remains = Remains::default();
        let blocks = [LARGE, 4 * LARGE, 2 * LARGE, KEPT_MAX + 1].map(Vec::<u8>::with_capacity);
        let largest = blocks[1].as_ptr();
        blocks.into_iter().for_each(|block| remains.take_vec(block));
        assert_eq!(remains.going.len(), 3);
        assert_eq!(remains.reuse(LARGE - 1).capacity(), 0, "nothing large is wanted");
        let again = remains.reuse(LARGE);
        assert_eq!((again.as_ptr(), again.len()), (largest, 0));
        assert_eq!(remains.reuse(LARGE).capacity(), 0, "it is gone");
    }
}
