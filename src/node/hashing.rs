//! The hash of keys, fields and members.

use rapidhash::v3::{RapidSecrets, rapidhash_v3_inline};

/// Fixed, so that every node orders the keys of a slot alike and a SCAN cursor means the same on each.
const SECRETS: RapidSecrets = RapidSecrets::seed_cpp(0);

/// rapidhash v3.
#[must_use]
pub fn hash(bytes: &[u8]) -> u64 {
    rapidhash_v3_inline::<true, false, false>(bytes, &SECRETS)
}
