//! How far a connection is, and when to try again.

use std::time::{Duration, Instant};

use super::handshake::Handshake;

/// Why requests cannot be sent to a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::proxy) enum Trouble {
    /// No connection, or no login; in plain words.
    Unreachable(String),
    /// The node's own error to `SELECT` or `HELLO`: passed on as it is.
    Refused(Vec<u8>),
}

/// How far a connection is. `known_bad`: the attempt before failed, so nobody waits for this one.
#[derive(Debug)]
pub(super) enum Link {
    /// Not asked for.
    Idle,
    /// The kernel connects.
    Connecting { deadline: Instant, handshake: Handshake, known_bad: Option<Trouble> },
    /// Logging in.
    Greeting { deadline: Instant, handshake: Handshake, known_bad: Option<Trouble> },
    /// In use.
    Ready,
    /// Failed; tried again at `until`.
    Down { until: Instant, trouble: Trouble },
}

impl Link {
    #[inline]
    pub(super) fn trouble(&self) -> Option<&Trouble> {
        match self {
            Self::Ready | Self::Idle => None,
            Self::Connecting { known_bad, .. } | Self::Greeting { known_bad, .. } => known_bad.as_ref(),
            Self::Down { trouble, .. } => Some(trouble),
        }
    }
}

/// Pauses between attempts, each twice the one before.
#[derive(Clone, Copy, Debug)]
pub(super) struct Backoff(Duration);

impl Backoff {
    const MIN: Duration = Duration::from_millis(50);
    const MAX: Duration = Duration::from_secs(1);

    pub(super) fn next(&mut self) -> Duration {
        let pause = self.0;
        self.0 = (pause * 2).min(Self::MAX);
        pause
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self(Self::MIN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_second() {
        let mut backoff = Backoff::default();
        let pauses: Vec<u128> = (0..7).map(|_| backoff.next().as_millis()).collect();
        assert_eq!(pauses, [50, 100, 200, 400, 800, 1000, 1000]);
    }
}
