//! Redis's intset: sorted integers of 16, 32 or 64 bits, byte for byte.
//!
//! ```text
//! | width in bytes u32 | members u32 | member … |      all little endian
//! ```

use crate::node::{allocator, object::listpack::KEPT};

const HEADER: usize = 8;

fn width_of(number: i64) -> usize {
    if i16::try_from(number).is_ok() {
        2
    } else if i32::try_from(number).is_ok() {
        4
    } else {
        8
    }
}

/// Integers in order that are looked at, wherever their bytes are; all as wide as the widest that was ever in it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Integers<'a>(&'a [u8]);

impl<'a> Integers<'a> {
    /// Of the bytes of an [`IntSet`], which are not looked at again.
    pub(crate) fn of_bytes(bytes: &'a [u8]) -> Self {
        debug_assert!(IntSet::from_bytes(bytes).is_some());
        Self(bytes)
    }

    fn width(self) -> usize {
        usize::from(self.0[0])
    }

    /// The intset itself, as Redis has it in memory, DUMP and RDB.
    #[must_use]
    pub fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// Members.
    #[must_use]
    pub fn len(self) -> usize {
        (self.0.len() - HEADER) / self.width()
    }

    /// No member.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0.len() == HEADER
    }

    /// Member `index`, from the smallest.
    #[must_use]
    pub fn get(self, index: usize) -> Option<i64> {
        let width = self.width();
        let member = self.0[HEADER..].get(index * width..(index + 1) * width)?;
        let negative = member.last().is_some_and(|byte| byte & 0x80 != 0);
        let mut whole = if negative { [0xFF; 8] } else { [0; 8] };
        whole[..width].copy_from_slice(member);
        Some(i64::from_le_bytes(whole))
    }

    /// All members, from the smallest.
    pub fn iter(self) -> impl ExactSizeIterator<Item = i64> + use<'a> {
        (0..self.len()).map(move |index| self.get(index).unwrap_or_default())
    }

    /// The index of a member, or where it would stand.
    fn search(self, number: i64) -> Result<usize, usize> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            match self.get(middle).map(|member| member.cmp(&number)) {
                Some(std::cmp::Ordering::Less) => low = middle + 1,
                Some(std::cmp::Ordering::Equal) => return Ok(middle),
                _ => high = middle,
            }
        }
        Err(low)
    }

    /// Whether it is a member.
    #[must_use]
    pub fn contains(self, number: i64) -> bool {
        width_of(number) <= self.width() && self.search(number).is_ok()
    }
}

impl std::fmt::Debug for Integers<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

/// A set of integers of one's own, to be changed.
#[derive(Clone, PartialEq, Eq)]
pub struct IntSet(Vec<u8>);

impl Default for IntSet {
    fn default() -> Self {
        Self::new_in(Vec::new())
    }
}

impl IntSet {
    /// An empty one in memory that was something else's.
    #[must_use]
    pub fn new_in(mut memory: Vec<u8>) -> Self {
        memory.clear();
        memory.extend_from_slice(&[2, 0, 0, 0, 0, 0, 0, 0]);
        Self(memory)
    }

    /// A copy in memory that was something else's.
    #[must_use]
    pub fn copy_in(integers: Integers<'_>, mut memory: Vec<u8>) -> Self {
        memory.clear();
        memory.extend_from_slice(integers.0);
        Self(memory)
    }

    /// Its memory.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// Looks at it.
    #[must_use]
    pub fn view(&self) -> Integers<'_> {
        Integers(&self.0)
    }

    /// Bytes of memory.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.0.capacity()
    }

    /// Adds a member; `false` if it was one.
    pub fn insert(&mut self, number: i64) -> bool {
        let (width, wanted) = (self.view().width(), width_of(number));
        if wanted > width {
            self.widen(wanted);
        }
        let width = width.max(wanted);
        let Err(index) = self.view().search(number) else { return false };
        let needed = self.0.len() + width;
        if self.0.capacity() < needed {
            // Some room ahead: one by one each would be moved.
            let room = needed + (self.0.len() - HEADER) / 4;
            self.0.reserve_exact(allocator::usable(room) - self.0.len());
        }
        let at = HEADER + index * width;
        self.0.splice(at..at, number.to_le_bytes()[..width].iter().copied());
        self.write_len();
        true
    }

    fn widen(&mut self, width: usize) {
        let members: Vec<i64> = self.view().iter().collect();
        self.0.truncate(HEADER);
        self.0.reserve_exact(members.len() * width);
        self.0[0] = width.to_le_bytes()[0];
        for member in members {
            self.0.extend_from_slice(&member.to_le_bytes()[..width]);
        }
    }

    /// Takes a member out; `false` if it was none.
    pub fn remove(&mut self, number: i64) -> bool {
        let Ok(index) = self.view().search(number) else { return false };
        let width = self.view().width();
        self.0.drain(HEADER + index * width..HEADER + (index + 1) * width);
        if self.0.capacity() > (2 * self.0.len()).max(KEPT) {
            self.0.shrink_to(self.0.len() + self.0.len() / 2);
        }
        self.write_len();
        true
    }

    fn write_len(&mut self) {
        let len = u32::try_from(self.view().len()).expect("sets of integers are small");
        self.0[4..HEADER].copy_from_slice(&len.to_le_bytes());
    }

    /// From bytes that came from elsewhere; `None` if they are no intset, whole and in order.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (header, members) = bytes.split_at_checked(HEADER)?;
        let number =
            |at: usize| usize::try_from(u32::from_le_bytes(header.get(at..at + 4)?.try_into().ok()?)).ok();
        let (width, len) = (number(0)?, number(4)?);
        if !matches!(width, 2 | 4 | 8) || Some(members.len()) != len.checked_mul(width) {
            return None;
        }
        Integers(bytes).iter().is_sorted_by(|a, b| a < b).then(|| Self(bytes.to_vec()))
    }
}

impl std::fmt::Debug for IntSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.view().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn bytes_of_redis() {
        // What redis-server 7.0 has for SADD s 1 2 3, and after SADD s 70000.
        let mut set = IntSet::default();
        for number in [3, 1, 2] {
            set.insert(number);
        }
        assert_eq!(set.view().as_bytes(), b"\x02\0\0\0\x03\0\0\0\x01\0\x02\0\x03\0");
        set.insert(70_000);
        assert_eq!(&set.view().as_bytes()[..12], b"\x04\0\0\0\x04\0\0\0\x01\0\0\0");
        assert_eq!(IntSet::from_bytes(b"\x02\0\0\0\x02\0\0\0\x02\0\x01\0"), None, "not in order");
        assert_eq!(IntSet::from_bytes(b"\x03\0\0\0\0\0\0\0"), None, "no such width");
    }

    proptest! {
        #[test]
        fn it_is_a_sorted_set(steps in prop::collection::vec((prop_oneof![-50..50_i64, any::<i64>()], any::<bool>()), 0..300)) {
            let (mut set, mut model) = (IntSet::default(), std::collections::BTreeSet::new());
            for (number, insert) in steps {
                if insert {
                    prop_assert_eq!(set.insert(number), model.insert(number));
                } else {
                    prop_assert_eq!(set.view().contains(number), model.contains(&number));
                    prop_assert_eq!(set.remove(number), model.remove(&number));
                }
            }
            prop_assert!(set.view().iter().eq(model.iter().copied()));
            prop_assert_eq!(IntSet::from_bytes(set.view().as_bytes()), Some(set));
        }

        #[test]
        fn any_bytes_are_read_without_harm(bytes: Vec<u8>) {
            let _ = IntSet::from_bytes(&bytes);
        }
    }
}
