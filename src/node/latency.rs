//! `LATENCY`: what was slow of late, by event ([`Monitor`]), and how the times of each command are spread ([`Times`]).

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use hdrhistogram::Histogram;

use crate::time::Millis;

/// Spikes that are kept of an event, as Redis keeps them.
const SPIKES_MAX: usize = 160;
/// A longer time counts as this: a second, as in Redis.
const LONGEST: u64 = 1_000_000_000;

/// An event that took longer than `latency-monitor-threshold`. Of one second there is one, the worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spike {
    /// Unix time, seconds.
    pub at: i64,
    /// Milliseconds.
    pub took: u64,
}

#[derive(Debug, Default)]
struct Event {
    spikes: VecDeque<Spike>,
    worst: u64,
}

/// The spikes of all events.
#[derive(Debug, Default)]
pub struct Monitor(BTreeMap<&'static str, Event>);

impl Monitor {
    /// An event was slow.
    pub fn add(&mut self, event: &'static str, now: Millis, took: Duration) {
        let took = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let event = self.0.entry(event).or_default();
        event.worst = event.worst.max(took);
        match event.spikes.back_mut() {
            Some(last) if last.at == now.seconds() => last.took = last.took.max(took),
            _ => event.spikes.push_back(Spike { at: now.seconds(), took }),
        }
        if event.spikes.len() > SPIKES_MAX {
            event.spikes.pop_front();
        }
    }

    /// The last spike of each event, and its worst in milliseconds.
    pub fn latest(&self) -> impl Iterator<Item = (&'static str, Spike, u64)> {
        self.0.iter().filter_map(|(name, event)| Some((*name, *event.spikes.back()?, event.worst)))
    }

    /// Spikes of an event, the oldest first; none if there is no such event.
    #[must_use]
    pub fn history(&self, event: &[u8]) -> Option<(Vec<Spike>, u64)> {
        let (_, event) = self.0.iter().find(|(name, _)| name.as_bytes() == event)?;
        Some((event.spikes.iter().copied().collect(), event.worst))
    }

    /// Forgets these events, or all; says how many there were.
    pub fn reset<'a>(&mut self, events: impl ExactSizeIterator<Item = &'a [u8]>) -> usize {
        let before = self.0.len();
        if events.len() == 0 {
            self.0.clear();
        }
        for event in events {
            self.0.retain(|name, _| name.as_bytes() != event);
        }
        before - self.0.len()
    }
}

/// How the times of one command are spread; takes memory from the first time on (some 25 KB).
#[derive(Debug, Default)]
pub struct Times(Mutex<Option<Box<Histogram<u64>>>>);

impl Times {
    fn lock(&self) -> MutexGuard<'_, Option<Box<Histogram<u64>>>> {
        // A histogram is whole at any time.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// So many calls took so long each.
    pub fn record(&self, each: Duration, calls: u64) {
        let nanoseconds = u64::try_from(each.as_nanos()).unwrap_or(u64::MAX).clamp(1, LONGEST);
        let mut times = self.lock();
        let times = times.get_or_insert_with(|| {
            Box::new(Histogram::new_with_bounds(1, LONGEST, 2).expect("the bounds are in order"))
        });
        times.saturating_record_n(nanoseconds, calls);
    }

    /// Microseconds that so many per cent of the calls took at most; `None` before the first.
    #[must_use]
    pub fn percentile(&self, percent: f64) -> Option<f64> {
        let times = self.lock();
        Some(times.as_ref()?.value_at_percentile(percent) as f64 / 1000.0)
    }

    /// Calls, and how many of them took up to so many microseconds, in steps that double; only steps with calls.
    #[must_use]
    pub fn steps(&self) -> Option<(u64, Vec<(u64, u64)>)> {
        const FIRST: u64 = 1024;
        let times = self.lock();
        let times = times.as_ref()?;
        let (mut steps, mut counted) = (Vec::new(), 0);
        for step in times.iter_log(FIRST, 2.0) {
            let calls = step.count_since_last_iteration();
            counted += calls;
            if calls > 0 {
                steps.push((times.highest_equivalent(step.value_iterated_to()) / 1000, counted));
            }
        }
        Some((times.len(), steps))
    }

    /// Forgets all.
    pub fn reset(&self) {
        *self.lock() = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(monitor: &mut Monitor, at: i64, took: u64) {
        monitor.add("command", Millis(at * 1000 + 5), Duration::from_millis(took));
    }

    #[test]
    fn of_one_second_the_worst_is_kept() {
        let mut monitor = Monitor::default();
        for (at, took) in [(1, 20), (1, 50), (1, 30), (2, 10)] {
            add(&mut monitor, at, took);
        }
        let spikes = vec![Spike { at: 1, took: 50 }, Spike { at: 2, took: 10 }];
        assert_eq!(monitor.history(b"command"), Some((spikes, 50)));
        assert_eq!(monitor.latest().collect::<Vec<_>>(), [("command", Spike { at: 2, took: 10 }, 50)]);
        (3..1000).for_each(|at| add(&mut monitor, at, 1));
        let (spikes, worst) = monitor.history(b"command").unwrap();
        assert_eq!((spikes.len(), spikes[0].at, worst), (SPIKES_MAX, 1000 - 160, 50));
        assert_eq!(monitor.history(b"other"), None);
        let none: [&[u8]; 0] = [];
        assert_eq!(monitor.reset([&b"other"[..]].into_iter()), 0);
        assert_eq!(monitor.reset(none.into_iter()), 1);
        assert_eq!(monitor.latest().count(), 0);
    }

    #[test]
    fn times_are_spread_over_steps_that_double() {
        let times = Times::default();
        assert_eq!((times.steps(), times.percentile(50.0)), (None, None));
        times.record(Duration::from_nanos(900), 90);
        times.record(Duration::from_micros(3), 9);
        times.record(Duration::from_secs(5), 1);
        let (calls, steps) = times.steps().unwrap();
        assert_eq!(calls, 100);
        assert_eq!(steps[..2], [(1, 90), (4, 99)]);
        assert_eq!(steps[2].1, 100);
        assert!((times.percentile(50.0).unwrap() - 0.9).abs() < 0.01);
        assert!((times.percentile(100.0).unwrap() - 1e6).abs() < 1e4, "a second and more");
        times.reset();
        assert_eq!(times.steps(), None);
    }
}
