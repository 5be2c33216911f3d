//! Points in time: as Redis counts them ([`Millis`]), and on a clock that nobody sets and that runs while the machine or this
//! process sleeps ([`Uptime`]).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};

/// Milliseconds: since 1970 when it is a point in time, otherwise a length of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Millis(pub i64);

impl Millis {
    /// The wall clock. Only the outermost layers call this; everything else is given `now`.
    #[must_use]
    pub fn now() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    /// Whole seconds, rounded down.
    #[must_use]
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }
}

/// A point in time on the machine's own clock: it counts from the start of the machine, nobody sets it, and it goes on while
/// the machine is suspended (`CLOCK_BOOTTIME`), as the clocks of others do. What decides whether a lease may still be relied on
/// must be read on such a clock: [`std::time::Instant`] stands still during a suspension.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uptime(Duration);

impl Uptime {
    /// Now. Some tens of nanoseconds.
    #[must_use]
    pub fn now() -> Self {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        const CLOCK: ClockId = ClockId::Boottime;
        // Of the systems that have no such clock, macOS counts sleep in its monotonic one.
        #[cfg(not(any(target_os = "linux", target_os = "android")))]
        const CLOCK: ClockId = ClockId::Monotonic;
        let now = clock_gettime(CLOCK);
        Self(Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or(0)))
    }

    /// How long ago `earlier` was; zero if it is still to come.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl std::ops::Add<Duration> for Uptime {
    type Output = Self;
    fn add(self, after: Duration) -> Self {
        Self(self.0 + after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uptime_goes_forward() {
        let first = Uptime::now();
        let later = first + Duration::from_millis(5);
        assert!(Uptime::now() >= first);
        assert_eq!((later.since(first), first.since(later)), (Duration::from_millis(5), Duration::ZERO));
    }
}
