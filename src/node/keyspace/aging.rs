//! How long a key was not used, or how often it was: the 24 bits of a record that `OBJECT IDLETIME` and `FREQ` show.
//!
//! Under LRU they are seconds of the clock, wrapping after 194 days. Under LFU the upper 16 bits are minutes of the
//! clock and the lower 8 a logarithmic counter that time wears down. Both as in Redis, so that `RESTORE … IDLETIME|FREQ` carries
//! over. Changing the policy leaves old bits to be read the new way, as Redis does.

use super::record::AGE_BITS;
use crate::time::Millis;

const CLOCK_MASK: i64 = (1 << AGE_BITS) - 1;
/// A new key's counter, so that it is not the first to be thought unused.
const LFU_INITIAL: u8 = 5;

/// Which of the two, from `maxmemory-policy`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Aging {
    /// When it was used last.
    #[default]
    Lru,
    /// How often it was used.
    Lfu {
        /// `lfu-log-factor`: the higher, the more uses for the counter to rise.
        log_factor: u32,
        /// `lfu-decay-time`: minutes for the counter to fall by one; 0 never.
        decay_minutes: u32,
    },
}

fn minutes(now: Millis) -> u32 {
    (now.seconds().div_euclid(60) & 0xFFFF) as u32
}

fn seconds(now: Millis) -> u32 {
    (now.seconds() & CLOCK_MASK) as u32
}

impl Aging {
    /// For a key that has just come.
    #[must_use]
    pub fn initial(self, now: Millis) -> u32 {
        match self {
            Self::Lru => seconds(now),
            Self::Lfu { .. } => Self::with_frequency(LFU_INITIAL, now),
        }
    }

    /// Of a key that comes with a history; what the policy in force cannot use is dropped.
    #[must_use]
    pub fn restored(self, idle_seconds: Option<i64>, frequency: Option<u8>, now: Millis) -> u32 {
        match (self, frequency, idle_seconds) {
            (Self::Lfu { .. }, Some(frequency), _) => Self::with_frequency(frequency, now),
            (Self::Lru, _, Some(idle)) => Self::with_idle_seconds(idle, now),
            _ => self.initial(now),
        }
    }

    /// For a key used again; `random` decides whether the counter rises.
    #[must_use]
    pub fn touched(self, age: u32, now: Millis, random: u64) -> u32 {
        match self {
            Self::Lru => seconds(now),
            Self::Lfu { log_factor, .. } => {
                let counter = self.frequency(age, now);
                let above = u64::from(counter.saturating_sub(LFU_INITIAL));
                // Rises with probability 1 / (above * factor + 1).
                let rises = counter < u8::MAX && random.is_multiple_of(above * u64::from(log_factor) + 1);
                Self::with_frequency(counter + u8::from(rises), now)
            }
        }
    }

    /// The counter, worn down by the time since the last use.
    #[must_use]
    pub fn frequency(self, age: u32, now: Millis) -> u8 {
        let [counter, ..] = age.to_le_bytes();
        let Self::Lfu { decay_minutes, .. } = self else { return counter };
        let elapsed = minutes(now).wrapping_sub(age >> 8) & 0xFFFF;
        let worn = elapsed.checked_div(decay_minutes).unwrap_or(0);
        counter.saturating_sub(u8::try_from(worn).unwrap_or(u8::MAX))
    }

    /// Bits that say this counter.
    #[must_use]
    pub fn with_frequency(counter: u8, now: Millis) -> u32 {
        minutes(now) << 8 | u32::from(counter)
    }

    /// Seconds since the last use.
    #[must_use]
    pub fn idle_seconds(age: u32, now: Millis) -> i64 {
        (now.seconds() - i64::from(age)) & CLOCK_MASK
    }

    /// Bits that say last used so many seconds ago.
    #[must_use]
    pub fn with_idle_seconds(idle: i64, now: Millis) -> u32 {
        (now.seconds().wrapping_sub(idle) & CLOCK_MASK) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_time_survives_the_wrap_of_the_clock() {
        let start = Millis(((1 << 24) - 5) * 1000);
        let age = Aging::Lru.initial(start);
        assert_eq!(Aging::idle_seconds(age, Millis(start.0 + 10_000)), 10);
        assert_eq!(Aging::idle_seconds(Aging::with_idle_seconds(77, start), start), 77);
    }

    #[test]
    fn counters_rise_slower_and_wear_down() {
        let lfu = Aging::Lfu { log_factor: 10, decay_minutes: 1 };
        let start = Millis(1_000_000_000_000);
        let mut age = lfu.initial(start);
        assert_eq!(lfu.frequency(age, start), 5);
        for random in 0..1000u32 {
            age = lfu.touched(age, start, super::super::key::hash(&[random as u8, (random >> 8) as u8]));
        }
        let risen = lfu.frequency(age, start);
        assert!((10..40).contains(&risen), "{risen}");
        assert_eq!(lfu.frequency(age, Millis(start.0 + 3 * 60_000)), risen - 3);
        assert_eq!(lfu.frequency(age, Millis(start.0 + 600 * 60_000)), 0);
    }
}
