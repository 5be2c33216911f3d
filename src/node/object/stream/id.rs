//! Names of entries: milliseconds and a number within the millisecond.

use std::fmt;

/// The name of an entry; later entries have greater ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId {
    /// Milliseconds since 1970, or whatever the client says.
    pub ms: u64,
    /// Tells those of one millisecond apart.
    pub seq: u64,
}

impl StreamId {
    /// No entry has it: the first one has 0-1 or more.
    pub const MIN: Self = Self { ms: 0, seq: 0 };
    /// The last one that there can be.
    pub const MAX: Self = Self { ms: u64::MAX, seq: u64::MAX };

    /// The one after it, if there is one.
    #[must_use]
    pub fn next(self) -> Option<Self> {
        match self.seq.checked_add(1) {
            Some(seq) => Some(Self { seq, ..self }),
            None => Some(Self { ms: self.ms.checked_add(1)?, seq: 0 }),
        }
    }

    /// The one before it, if there is one.
    #[must_use]
    pub fn previous(self) -> Option<Self> {
        match self.seq.checked_sub(1) {
            Some(seq) => Some(Self { seq, ..self }),
            None => Some(Self { ms: self.ms.checked_sub(1)?, seq: u64::MAX }),
        }
    }

    /// As the key of a chunk in an RDB file: both numbers, big endian.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 16] {
        ((u128::from(self.ms) << 64) | u128::from(self.seq)).to_be_bytes()
    }

    /// See [`StreamId::to_bytes`].
    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        let [ms, seq] = [&bytes[..8], &bytes[8..]]
            .map(|half| half.iter().fold(0, |number, &byte| number << 8 | u64::from(byte)));
        Self { ms, seq }
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.ms, self.seq)
    }
}
