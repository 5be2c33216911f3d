//! The hash of keys, fields and members: rapidhash v3, keyed by words that each process draws for itself.
//!
//! Whoever knows the words makes as many keys with one hash as they like; see `doc/decisions/0007-secret-hash.md`. They are the same
//! for all nodes in a process and never change, so they are no state. What depends on them must not outlive the process: an order told
//! to somebody carries [`tag`], or is known to be of this process.

use std::sync::LazyLock;

use rapidhash::v3::{RapidSecrets, rapidhash_v3_inline};

static SECRETS: LazyLock<RapidSecrets> =
    LazyLock::new(|| RapidSecrets { seed: random(), secrets: std::array::from_fn(|_| random()) });
static TAG: LazyLock<u64> = LazyLock::new(random);

fn random() -> u64 {
    getrandom::u64().expect("the operating system gives random bytes")
}

/// The hash of these bytes in this process.
#[must_use]
#[inline]
pub fn hash(bytes: &[u8]) -> u64 {
    rapidhash_v3_inline::<true, false, false>(bytes, &SECRETS)
}

/// A number that tells this process's hashes from those of others. It says nothing about them.
#[must_use]
pub(crate) fn tag() -> u64 {
    *TAG
}

#[cfg(test)]
pub(crate) mod flood {
    //! Keys made by somebody who knows rapidhash and its published words.

    use std::collections::HashSet;

    use rapidhash::v3::{DEFAULT_RAPID_SECRETS, rapidhash_v3};

    /// Keys of one slot with one hash, if the words are those that are published.
    pub(crate) fn keys(count: u64) -> impl Iterator<Item = Vec<u8>> {
        // The word before the last is combined with the length and a secret word, then multiplied with what is made of all others.
        let word = DEFAULT_RAPID_SECRETS.secrets[1] ^ 32;
        (0..count).map(move |number| {
            let mut key = b"{one-slot-for-a}".to_vec();
            key.extend_from_slice(&word.to_le_bytes());
            key.extend_from_slice(&number.to_le_bytes());
            key
        })
    }

    #[test]
    fn they_would_all_collide_and_do_not() {
        let published: HashSet<u64> = keys(10_000).map(|key| rapidhash_v3(&key)).collect();
        assert_eq!(published.len(), 1);
        let ours: HashSet<u64> = keys(10_000).map(|key| super::hash(&key)).collect();
        assert_eq!(ours.len(), 10_000);
    }
}
