//! Figures that one thread writes and any thread reads: numbers that grow, times by size, error replies by code.
//!
//! Adding is a load and a store and no bus lock, so they may stand where every request passes. Two writers of one figure would lose
//! some of it: each thread has its own, and who shows them adds them up.

use std::{
    array,
    collections::BTreeMap,
    ops::AddAssign,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

/// A number that grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds; by one thread at a time.
    #[inline]
    pub fn add(&self, more: u64) {
        self.0.store(self.0.load(Relaxed) + more, Relaxed);
    }

    /// The number now.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }

    /// Puts another number in its place: of what goes up and down, or to begin anew.
    pub fn set(&self, number: u64) {
        self.0.store(number, Relaxed);
    }
}

/// Upper bounds of the buckets, in nanoseconds and as Prometheus's label `le` has them, in seconds.
pub const BOUNDS: [(u64, &str); 15] = [
    (50_000, "0.00005"),
    (100_000, "0.0001"),
    (250_000, "0.00025"),
    (500_000, "0.0005"),
    (1_000_000, "0.001"),
    (2_500_000, "0.0025"),
    (5_000_000, "0.005"),
    (10_000_000, "0.01"),
    (25_000_000, "0.025"),
    (50_000_000, "0.05"),
    (100_000_000, "0.1"),
    (250_000_000, "0.25"),
    (1_000_000_000, "1"),
    (2_500_000_000, "2.5"),
    (10_000_000_000, "10"),
];
/// The last is for what is longer than all bounds.
const BUCKETS: usize = BOUNDS.len() + 1;

/// How times are spread.
#[derive(Debug, Default)]
pub struct Histogram {
    buckets: [Counter; BUCKETS],
    nanoseconds: Counter,
}

impl Histogram {
    /// So many took so long each; by one thread at a time.
    pub fn record(&self, each: Duration, count: u64) {
        let nanoseconds = u64::try_from(each.as_nanos()).unwrap_or(u64::MAX);
        let bucket = BOUNDS.partition_point(|&(bound, _)| bound < nanoseconds);
        self.buckets[bucket].add(count);
        self.nanoseconds.add(nanoseconds.saturating_mul(count));
    }

    /// As it is now.
    #[must_use]
    pub fn read(&self) -> Spread {
        Spread {
            buckets: array::from_fn(|index| self.buckets[index].get()),
            nanoseconds: self.nanoseconds.get(),
        }
    }
}

/// What a [`Histogram`] held, or several together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spread {
    buckets: [u64; BUCKETS],
    nanoseconds: u64,
}

impl Spread {
    /// How many up to each of [`BOUNDS`].
    pub fn up_to(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        let mut sum = 0;
        BOUNDS.iter().zip(&self.buckets).map(move |(&(_, label), count)| {
            sum += count;
            (label, sum)
        })
    }

    /// How many in all.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// What came to it after it was as `before`.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        Self {
            buckets: array::from_fn(|index| self.buckets[index].saturating_sub(before.buckets[index])),
            nanoseconds: self.nanoseconds.saturating_sub(before.nanoseconds),
        }
    }

    /// The time that so many of a hundred did not exceed, as if those of a bucket were spread evenly over it; `None`: there are none.
    #[must_use]
    pub fn percentile(&self, percent: u64) -> Option<Duration> {
        let count = self.count();
        let rank = (u128::from(count) * u128::from(percent.min(100))).div_ceil(100).max(1);
        let (mut below, mut from) = (0, 0);
        for (bucket, &inside) in self.buckets.iter().enumerate() {
            // Nobody knows how much longer than the last bound they took.
            let to = BOUNDS.get(bucket).map_or(from, |&(bound, _)| bound);
            if inside > 0 && below + u128::from(inside) >= rank {
                let part = u128::from(to - from) * (rank - below) / u128::from(inside);
                return Some(Duration::from_nanos(from + u64::try_from(part).unwrap_or(u64::MAX)));
            }
            (below, from) = (below + u128::from(inside), to);
        }
        None
    }

    /// Seconds in all.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        self.nanoseconds as f64 / 1e9
    }
}

impl AddAssign for Spread {
    fn add_assign(&mut self, other: Self) {
        for (bucket, more) in self.buckets.iter_mut().zip(other.buckets) {
            *bucket += more;
        }
        self.nanoseconds = self.nanoseconds.saturating_add(other.nanoseconds);
    }
}

/// Error replies by code, the first word; any thread may count.
#[derive(Debug, Default)]
pub struct Codes(Mutex<BTreeMap<String, u64>>);

impl Codes {
    /// Distinct codes that are counted; scripts could otherwise invent them without end.
    const MAX: usize = 128;

    /// Counts one, without the `-`.
    pub fn add(&self, text: &[u8]) {
        let end = text.iter().position(|&byte| matches!(byte, b' ' | b'\r' | b'\n')).unwrap_or(text.len());
        let code = String::from_utf8_lossy(&text[..end]);
        let mut codes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = codes.get_mut(&*code) {
            *count += 1;
        } else if codes.len() < Self::MAX {
            codes.insert(code.into_owned(), 1);
        }
    }

    /// As they are now.
    #[must_use]
    pub fn read(&self) -> BTreeMap<String, u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Begins anew.
    pub fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_by_code() {
        let codes = Codes::default();
        for text in [&b"ERR syntax error\r\n"[..], b"WRONGTYPE Operation", b"ERR"] {
            codes.add(text);
        }
        assert_eq!(
            codes.read().into_iter().collect::<Vec<_>>(),
            [("ERR".into(), 2), ("WRONGTYPE".into(), 1)]
        );
        (0..1000).for_each(|number| codes.add(format!("E{number}").as_bytes()));
        assert_eq!(codes.read().len(), Codes::MAX);
        codes.clear();
        assert!(codes.read().is_empty());
    }

    #[test]
    fn times_are_in_the_bucket_that_still_holds_them() {
        let histogram = Histogram::default();
        histogram.record(Duration::from_micros(100), 3);
        histogram.record(Duration::from_nanos(100_001), 2);
        histogram.record(Duration::from_secs(60), 1);
        let mut spread = histogram.read();
        assert_eq!(
            spread.up_to().take(3).collect::<Vec<_>>(),
            [("0.00005", 0), ("0.0001", 3), ("0.00025", 5)]
        );
        assert_eq!((spread.up_to().last(), spread.count()), (Some(("10", 5)), 6));
        assert!((spread.seconds() - 60.0005).abs() < 1e-6);
        spread += histogram.read();
        assert_eq!(spread.count(), 12);
    }

    #[test]
    fn percentiles_are_within_their_bucket_and_of_what_came_since() {
        let histogram = Histogram::default();
        assert_eq!(histogram.read().percentile(50), None);
        histogram.record(Duration::from_secs(1), 500);
        let before = histogram.read();
        histogram.record(Duration::from_micros(60), 98);
        histogram.record(Duration::from_micros(900), 1);
        histogram.record(Duration::from_secs(60), 1);
        let spread = histogram.read().since(&before);
        let micros = |percent| spread.percentile(percent).map(|time| time.as_micros());
        assert_eq!((micros(0), micros(49), micros(98)), (Some(50), Some(75), Some(100)));
        assert_eq!((micros(99), micros(100)), (Some(1_000), Some(10_000_000)));
        assert_eq!(spread.count(), 100);
    }

    #[test]
    fn bounds_say_the_same_in_both_units() {
        for (nanoseconds, label) in BOUNDS {
            let seconds: f64 = label.parse().unwrap();
            assert!((seconds * 1e9 - nanoseconds as f64).abs() < 1.0, "{label}");
        }
        assert!(BOUNDS.is_sorted());
    }
}
