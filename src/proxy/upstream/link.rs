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

/// Pauses between attempts, each up to twice the one before, and by chance between half of that and all: many that lost the same node do not
/// come back at the same moment.
#[derive(Clone, Debug)]
pub(super) struct Backoff {
    longest: Duration,
    random: fastrand::Rng,
}

impl Backoff {
    const MIN: Duration = Duration::from_millis(50);
    const MAX: Duration = Duration::from_secs(1);

    pub(super) fn next(&mut self) -> Duration {
        let longest = self.longest;
        self.longest = (longest * 2).min(Self::MAX);
        longest.mul_f64(0.5 + self.random.f64() / 2.0)
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self { longest: Self::MIN, random: fastrand::Rng::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_a_second_and_are_not_the_same() {
        let mut backoffs = [Backoff::default(), Backoff::default()];
        let mut differ = false;
        for longest in [50, 100, 200, 400, 800, 1000, 1000] {
            let pauses = backoffs.each_mut().map(|backoff| backoff.next().as_micros());
            for pause in pauses {
                assert!((longest * 500..=longest * 1000).contains(&pause), "{pause} of {longest} ms");
            }
            differ |= pauses[0] != pauses[1];
        }
        assert!(differ);
    }
}
