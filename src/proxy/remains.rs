//! Memory that is no longer needed, given back to the system a little at a time: a block of half a gigabyte takes the kernel
//! tens of milliseconds, during which no client of the thread would be served.

use bytes::Bytes;

/// Smaller blocks are given back at once.
const LARGE: usize = 8 << 20;
/// Of one block, in one turn.
const PER_TURN: usize = 8 << 20;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Remains(Vec<Vec<u8>>);

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
        if buffer.capacity() >= LARGE {
            buffer.clear();
            self.0.push(buffer);
        }
    }

    /// Gives some of it back.
    pub(super) fn give_back_some(&mut self) {
        if let Some(buffer) = self.0.last_mut() {
            let rest = buffer.capacity().saturating_sub(PER_TURN);
            buffer.shrink_to(rest);
            if rest == 0 {
                self.0.pop();
            }
        }
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_block_goes_in_parts_and_only_once_nobody_has_it() {
        let mut remains = Remains::default();
        remains.take(Bytes::from(vec![1; 100]));
        assert!(remains.is_empty());
        let mut buffer = Vec::with_capacity(40 << 20);
        buffer.resize(33 << 20, 1);
        let whole = Bytes::from(buffer);
        let (a, b) = (whole.slice(..20 << 20), whole.slice(10 << 20..));
        drop(whole);
        remains.take(a);
        assert!(remains.is_empty());
        remains.take(b);
        let mut turns = 0;
        while !remains.is_empty() {
            let before = remains.0[0].capacity();
            assert!(before >= 4 << 20, "the whole block is here");
            remains.give_back_some();
            let after = remains.0.first().map_or(0, Vec::capacity);
            assert!(after < before && before - after <= PER_TURN);
            turns += 1;
        }
        assert_eq!(turns, 5);
    }
}
