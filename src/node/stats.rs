//! What a node counts about its work, in INFO's terms. Written only by who holds the keyspace; read by anybody.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use super::latency::Times;
use crate::{
    command::{Spec, TABLE},
    server::counts::{Codes, Counter},
};

/// Of one command.
#[derive(Debug, Default)]
pub struct CommandStats {
    /// Times it ran.
    pub calls: Counter,
    /// Time in it.
    pub nanoseconds: Counter,
    /// How that time is spread; the calls of a run that was timed together count as equally long.
    pub times: Times,
    /// Times it was refused before it ran.
    pub rejected: Counter,
    /// Times it ran and answered with an error.
    pub failed: Counter,
}

/// Of a node.
#[derive(Debug)]
pub struct Stats {
    /// By [`Spec::index`].
    commands: Box<[CommandStats]>,
    /// Replies by error code.
    errors: Codes,
    /// `total_commands_processed`.
    pub processed: Counter,
    /// `total_error_replies`.
    pub error_replies: Counter,
    /// `evicted_clients`.
    pub evicted_clients: Counter,
    /// Bytes from clients.
    pub input: Counter,
    /// Bytes to clients.
    pub output: Counter,
    /// `read` calls that gave something.
    pub reads: Counter,
    /// Batches of replies.
    pub writes: Counter,
    /// Rates of late.
    pub rates: Rates,
}

impl Default for Stats {
    fn default() -> Self {
        Self {
            commands: TABLE.iter().map(|_| CommandStats::default()).collect(),
            errors: Codes::default(),
            processed: Counter::default(),
            error_replies: Counter::default(),
            evicted_clients: Counter::default(),
            input: Counter::default(),
            output: Counter::default(),
            reads: Counter::default(),
            writes: Counter::default(),
            rates: Rates::default(),
        }
    }
}

impl Stats {
    /// Of one command.
    #[must_use]
    pub fn command(&self, spec: &Spec) -> &CommandStats {
        &self.commands[usize::from(spec.index)]
    }

    /// A command was called so many times, which together took so long.
    pub fn ran(&self, spec: &Spec, took: Duration, calls: u64, keep_times: bool) {
        let stats = self.command(spec);
        stats.calls.add(calls);
        stats.nanoseconds.add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
        if let (true, Ok(divisor @ 1..)) = (keep_times, u32::try_from(calls)) {
            stats.times.record(took / divisor, calls);
        }
        self.processed.add(calls);
    }

    /// Of all commands that were ever called or refused.
    pub fn commands(&self) -> impl Iterator<Item = (&'static Spec, &CommandStats)> {
        TABLE.iter().zip(&self.commands).filter(|(_, stats)| {
            stats.calls.get() != 0 || stats.rejected.get() != 0 || stats.failed.get() != 0
        })
    }

    /// Counts an error reply by its first word; without the `-`.
    pub fn error(&self, text: &[u8]) {
        self.error_replies.add(1);
        self.errors.add(text);
    }

    /// Replies by error code.
    #[must_use]
    pub fn errors(&self) -> BTreeMap<String, u64> {
        self.errors.read()
    }

    /// `CONFIG RESETSTAT`.
    pub fn reset(&self) {
        for stats in &self.commands {
            for counter in [&stats.calls, &stats.nanoseconds, &stats.rejected, &stats.failed] {
                counter.set(0);
            }
            stats.times.reset();
        }
        self.errors.clear();
        for counter in [
            &self.processed,
            &self.error_replies,
            &self.evicted_clients,
            &self.input,
            &self.output,
            &self.reads,
            &self.writes,
        ] {
            counter.set(0);
        }
    }
}

/// Samples of the last seconds, so that "now" is neither a single moment nor the whole life.
#[derive(Debug, Default)]
pub struct Rates {
    samples: Mutex<Samples>,
}

/// What is sampled.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rate {
    /// Commands per second.
    pub commands: f64,
    /// Bytes per second from clients.
    pub input: f64,
    /// Bytes per second to clients.
    pub output: f64,
}

#[derive(Debug, Default)]
struct Samples {
    last: Option<[u64; 3]>,
    ring: [[f64; 3]; RING],
    next: usize,
}

/// As many as Redis averages over.
const RING: usize = 16;

impl Stats {
    /// Takes a sample; `elapsed` since the one before.
    pub fn sample(&self, elapsed: Duration) {
        let now = [self.processed.get(), self.input.get(), self.output.get()];
        let mut samples = self.rates.samples.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(last) = samples.last {
            let seconds = elapsed.as_secs_f64().max(1e-3);
            let at = samples.next;
            for (index, (now, last)) in now.into_iter().zip(last).enumerate() {
                samples.ring[at][index] = now.saturating_sub(last) as f64 / seconds;
            }
            samples.next = (at + 1) % RING;
        }
        samples.last = Some(now);
    }

    /// The mean of the last samples.
    #[must_use]
    pub fn rate(&self) -> Rate {
        let samples = self.rates.samples.lock().unwrap_or_else(PoisonError::into_inner);
        let mean = |index: usize| samples.ring.iter().map(|sample| sample[index]).sum::<f64>() / RING as f64;
        Rate { commands: mean(0), input: mean(1), output: mean(2) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_means() {
        let stats = Stats::default();
        stats.sample(Duration::from_millis(100));
        for _ in 0..RING {
            stats.processed.add(50);
            stats.sample(Duration::from_millis(100));
        }
        assert!((stats.rate().commands - 500.0).abs() < 1e-6);
    }
}
