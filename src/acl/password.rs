//! Passwords, of which only SHA-256 hashes are kept.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

const LEN: usize = 32;

/// SHA-256 of a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hash([u8; LEN]);

impl Hash {
    /// Of a password as a client gives it.
    pub(super) fn of(password: &[u8]) -> Self {
        Self(Sha256::digest(password).into())
    }

    /// As it is shown; Redis takes digits and lower case letters only.
    pub(super) fn from_hex(text: &[u8]) -> Option<Self> {
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Some(byte - b'0'),
            b'a'..=b'f' => Some(byte - b'a' + 10),
            _ => None,
        };
        let mut hash = [0; LEN];
        if text.len() != 2 * LEN {
            return None;
        }
        for (byte, pair) in hash.iter_mut().zip(text.chunks_exact(2)) {
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Some(Self(hash))
    }

    /// 64 hexadecimal digits.
    pub(super) fn to_hex(self) -> String {
        self.0.iter().fold(String::with_capacity(2 * LEN), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    }

    /// Whether both are the same, in a time that does not depend on where they differ.
    pub(super) fn is(self, other: Self) -> bool {
        self.0.iter().zip(other.0).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_and_back() {
        let hash = Hash::of(b"secret");
        let text = hash.to_hex();
        assert_eq!(text, "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b");
        assert!(Hash::from_hex(text.as_bytes()).is_some_and(|same| same.is(hash)));
        assert!(!hash.is(Hash::of(b"other")));
        for wrong in [&text[1..], &text.to_uppercase(), ""] {
            assert_eq!(Hash::from_hex(wrong.as_bytes()), None);
        }
    }
}
