//! Hash slots, as Redis Cluster counts them: CRC16 (XMODEM) of the key or of its `{hash tag}`, modulo 16384.
//! Source: the Redis Cluster specification, "Keys distribution model".

use std::fmt;

use serde::{Deserialize, Serialize};

/// Slots of a cluster.
pub const SLOTS: usize = 16384;
const LAST: u16 = 16383;

/// A `SCAN` cursor of our nodes is a slot above this many bits of the hash from which on its keys were not visited: below
/// 2^53 with the slot's 14, because clients of JavaScript, Lua and others keep it as a double.
pub const CURSOR_HASH_BITS: u32 = 39;

/// One of 16384.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SlotId(u16);

impl SlotId {
    /// The slot numbered `number`, if there is one.
    #[must_use]
    pub const fn new(number: u16) -> Option<Self> {
        if (number as usize) < SLOTS { Some(Self(number)) } else { None }
    }

    /// The slot of a key.
    #[must_use]
    pub fn of_key(key: &[u8]) -> Self {
        Self(crc16(hash_tag(key)) & LAST)
    }

    /// 0 to 16383.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }

    /// For indexing.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    /// Every slot, in order.
    pub fn all() -> impl DoubleEndedIterator<Item = Self> + ExactSizeIterator {
        (0..=LAST).map(Self)
    }
}

impl fmt::Display for SlotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The part of a key that decides its slot: between the first `{` and the first `}` after it, unless that is empty.
#[must_use]
pub fn hash_tag(key: &[u8]) -> &[u8] {
    let Some(open) = memchr::memchr(b'{', key) else { return key };
    let tag = &key[open + 1..];
    match memchr::memchr(b'}', tag) {
        None | Some(0) => key,
        Some(close) => &tag[..close],
    }
}

/// `TABLES[k][b]`: the CRC of byte `b` followed by `k` zero bytes, so that eight bytes fold in one step.
static TABLES: [[u16; 256]; 8] = tables();

const fn tables() -> [[u16; 256]; 8] {
    let mut tables = [[0u16; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = ((byte as u64 & 0xFF) as u16) << 8;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 0x8000 != 0 { (crc << 1) ^ 0x1021 } else { crc << 1 };
            bit += 1;
        }
        tables[0][byte] = crc;
        byte += 1;
    }
    let mut k = 1;
    while k < 8 {
        let mut byte = 0;
        while byte < 256 {
            let before = tables[k - 1][byte];
            tables[k][byte] = (before << 8) ^ tables[0][(before >> 8) as usize];
            byte += 1;
        }
        k += 1;
    }
    tables
}

/// CRC-16/XMODEM: polynomial 0x1021, nothing reflected, initial value 0.
#[must_use]
pub fn crc16(bytes: &[u8]) -> u16 {
    let mut crc = 0u16;
    let mut chunks = bytes.chunks_exact(8);
    for chunk in &mut chunks {
        let [high, low] = crc.to_be_bytes();
        crc = TABLES[7][usize::from(chunk[0] ^ high)]
            ^ TABLES[6][usize::from(chunk[1] ^ low)]
            ^ TABLES[5][usize::from(chunk[2])]
            ^ TABLES[4][usize::from(chunk[3])]
            ^ TABLES[3][usize::from(chunk[4])]
            ^ TABLES[2][usize::from(chunk[5])]
            ^ TABLES[1][usize::from(chunk[6])]
            ^ TABLES[0][usize::from(chunk[7])];
    }
    for &byte in chunks.remainder() {
        crc = (crc << 8) ^ TABLES[0][usize::from((crc >> 8) as u8 ^ byte)];
    }
    crc
}

/// Slots `first` to `last`, both included. Written `"0-5460"` or `"7"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SlotRange {
    first: SlotId,
    last: SlotId,
}

impl SlotRange {
    /// `None` unless `first` ≤ `last`.
    #[must_use]
    pub fn new(first: SlotId, last: SlotId) -> Option<Self> {
        (first <= last).then_some(Self { first, last })
    }

    /// The first slot.
    #[must_use]
    pub fn first(self) -> SlotId {
        self.first
    }

    /// The last slot, included.
    #[must_use]
    pub fn last(self) -> SlotId {
        self.last
    }

    /// Makes it end with a later slot.
    pub(crate) fn extend_to(&mut self, last: SlotId) {
        debug_assert!(self.last <= last, "ranges grow");
        self.last = last;
    }

    /// How many slots; never none.
    #[must_use]
    pub fn count(self) -> usize {
        self.last.index() - self.first.index() + 1
    }

    /// Every slot of the range.
    pub fn iter(self) -> impl DoubleEndedIterator<Item = SlotId> {
        (self.first.get()..=self.last.get()).filter_map(SlotId::new)
    }

    /// The fewest ranges that hold these slots.
    #[must_use]
    pub fn cover(slots: impl IntoIterator<Item = SlotId>) -> Vec<Self> {
        let mut slots: Vec<SlotId> = slots.into_iter().collect();
        slots.sort_unstable();
        slots.dedup();
        slots
            .chunk_by(|a, b| a.get() + 1 == b.get())
            .filter_map(|run| Self::new(*run.first()?, *run.last()?))
            .collect()
    }
}

impl From<SlotId> for SlotRange {
    /// Of one slot.
    fn from(slot: SlotId) -> Self {
        Self { first: slot, last: slot }
    }
}

/// Text that is not `FIRST-LAST` or `SLOT` within 0 to 16383.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("slot range {0:?}: use FIRST-LAST or SLOT, 0 to 16383")]
pub struct InvalidRange(String);

impl TryFrom<String> for SlotRange {
    type Error = InvalidRange;
    fn try_from(text: String) -> Result<Self, InvalidRange> {
        let parse = |part: &str| part.parse().ok().and_then(SlotId::new);
        let (first, last) = text.split_once('-').unwrap_or((&text, &text));
        match (parse(first), parse(last)) {
            (Some(first), Some(last)) => Self::new(first, last).ok_or(InvalidRange(text)),
            _ => Err(InvalidRange(text)),
        }
    }
}

impl From<SlotRange> for String {
    fn from(range: SlotRange) -> Self {
        if range.first == range.last {
            range.first.to_string()
        } else {
            format!("{}-{}", range.first, range.last)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bitwise(bytes: &[u8]) -> u16 {
        bytes.iter().fold(0, |crc: u16, &byte| {
            (0..8).fold(crc ^ (u16::from(byte) << 8), |crc, _| {
                if crc & 0x8000 != 0 { (crc << 1) ^ 0x1021 } else { crc << 1 }
            })
        })
    }

    #[test]
    fn check_value_of_xmodem() {
        assert_eq!(crc16(b"123456789"), 0x31C3);
    }

    #[test]
    fn slots_redis_cluster_gives() {
        for (key, slot) in [("key1", 9189), ("foo", 12182), ("", 0), ("{user1000}.following", 3443)] {
            assert_eq!(SlotId::of_key(key.as_bytes()).get(), slot, "{key}");
        }
    }

    #[test]
    fn hash_tags() {
        for (key, tag) in [
            ("foo{}{bar}", "foo{}{bar}"),
            ("foo{{bar}}zap", "{bar"),
            ("foo{bar}{zap}", "bar"),
            ("{a", "{a"),
            ("a}b{c}", "c"),
        ] {
            assert_eq!(hash_tag(key.as_bytes()), tag.as_bytes());
        }
    }

    #[test]
    fn ranges_outside_are_refused() {
        for bad in ["", "16384", "5-4", "a-b", "1-2-3", "-1"] {
            assert!(SlotRange::try_from(bad.to_owned()).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn folding_eight_bytes_is_the_bitwise_crc(bytes: Vec<u8>) {
            prop_assert_eq!(crc16(&bytes), bitwise(&bytes));
        }
    }
}
