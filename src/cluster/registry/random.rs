//! Numbers that differ: lease ids, and jitter so that many clients do not come back at once.

use std::time::Duration;

/// From the operating system, so that what other machines choose differs too.
pub(super) fn random() -> u64 {
    getrandom::u64().expect("the operating system gives random bytes")
}

/// Grows from 50 ms to 2 s with each attempt; the upper half is random.
pub(super) fn backoff(attempt: u32) -> Duration {
    let full = (50_u64 << attempt.min(6)).min(2000);
    Duration::from_millis(full / 2 + fastrand::u64(..=full / 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_is_bounded() {
        for attempt in [0, 1, 5, 6, 40, u32::MAX] {
            let wait = backoff(attempt);
            assert!(
                (Duration::from_millis(25)..=Duration::from_secs(2)).contains(&wait),
                "{attempt}: {wait:?}"
            );
        }
    }
}
