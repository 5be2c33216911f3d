//! Redis's intset: sorted integers of 16, 32 or 64 bits, byte for byte.
//!
//! ```text
//! | width in bytes u32 | members u32 | member … |      all little endian
//! ```

const HEADER: usize = 8;

/// Integers in order, all as wide as the widest that was ever in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IntSet {
    width: usize,
    /// The members, without the header.
    bytes: Vec<u8>,
}

impl Default for IntSet {
    fn default() -> Self {
        Self { width: 2, bytes: Vec::new() }
    }
}

fn width_of(number: i64) -> usize {
    if i16::try_from(number).is_ok() {
        2
    } else if i32::try_from(number).is_ok() {
        4
    } else {
        8
    }
}

impl IntSet {
    /// Members.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len() / self.width
    }

    /// No member.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Where its numbers begin, for prefetching.
    #[must_use]
    pub fn address(&self) -> *const u8 {
        self.bytes.as_ptr()
    }

    /// Bytes of memory beside the struct itself.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Member `index`, from the smallest.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<i64> {
        let member = self.bytes.get(index * self.width..(index + 1) * self.width)?;
        let negative = member.last().is_some_and(|byte| byte & 0x80 != 0);
        let mut whole = if negative { [0xFF; 8] } else { [0; 8] };
        whole[..self.width].copy_from_slice(member);
        Some(i64::from_le_bytes(whole))
    }

    /// All members, from the smallest.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = i64> + '_ {
        (0..self.len()).map(|index| self.get(index).unwrap_or_default())
    }

    /// The index of a member, or where it would stand.
    fn search(&self, number: i64) -> Result<usize, usize> {
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
    pub fn contains(&self, number: i64) -> bool {
        width_of(number) <= self.width && self.search(number).is_ok()
    }

    /// Adds a member; `false` if it was one.
    pub fn insert(&mut self, number: i64) -> bool {
        let width = width_of(number);
        if width > self.width {
            let members: Vec<i64> = self.iter().collect();
            self.width = width;
            self.bytes.clear();
            for member in members {
                self.bytes.extend_from_slice(&member.to_le_bytes()[..width]);
            }
        }
        let Err(index) = self.search(number) else { return false };
        let at = index * self.width;
        // Some room ahead: one by one each would be moved.
        if self.bytes.capacity() < self.bytes.len() + self.width {
            self.bytes.reserve_exact((self.bytes.len() / 4).max(2 * self.width));
        }
        self.bytes.splice(at..at, number.to_le_bytes()[..self.width].iter().copied());
        true
    }

    /// Takes a member out; `false` if it was none.
    pub fn remove(&mut self, number: i64) -> bool {
        let Ok(index) = self.search(number) else { return false };
        self.bytes.drain(index * self.width..(index + 1) * self.width);
        if self.bytes.capacity() > 2 * self.bytes.len() + 64 {
            self.bytes.shrink_to(self.bytes.len() + self.bytes.len() / 2);
        }
        true
    }

    /// As Redis has it in memory, DUMP and RDB.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEADER + self.bytes.len());
        for number in [self.width, self.len()] {
            out.extend_from_slice(&u32::try_from(number).expect("sets of integers are small").to_le_bytes());
        }
        out.extend_from_slice(&self.bytes);
        out
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
        let set = Self { width, bytes: members.to_vec() };
        set.iter().is_sorted_by(|a, b| a < b).then_some(set)
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
        assert_eq!(set.to_bytes(), b"\x02\0\0\0\x03\0\0\0\x01\0\x02\0\x03\0");
        set.insert(70_000);
        assert_eq!(&set.to_bytes()[..12], b"\x04\0\0\0\x04\0\0\0\x01\0\0\0");
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
                    prop_assert_eq!(set.contains(number), model.contains(&number));
                    prop_assert_eq!(set.remove(number), model.remove(&number));
                }
            }
            prop_assert!(set.iter().eq(model.iter().copied()));
            prop_assert_eq!(IntSet::from_bytes(&set.to_bytes()), Some(set));
        }

        #[test]
        fn any_bytes_are_read_without_harm(bytes: Vec<u8>) {
            let _ = IntSet::from_bytes(&bytes);
        }
    }
}
