//! Requests that took long, and where their time went: waiting in the proxy, at the node, or on the way to a client that does not read.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::time::Millis;

/// One request, or several that one kept waiting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::proxy) struct SlowRequest {
    /// When it was answered.
    pub(in crate::proxy) at: Millis,
    /// From being read to being the oldest that its node has to answer: held while a slot moves, behind others on the same
    /// connection, or until there was a connection.
    pub(in crate::proxy) queue: Duration,
    /// From then on to its reply.
    pub(in crate::proxy) node: Duration,
    /// From then on until its client had taken all replies.
    pub(in crate::proxy) write: Duration,
    /// Which node; none: the client took long.
    pub(in crate::proxy) member: Option<String>,
    /// So many more were answered with it, as late.
    pub(in crate::proxy) others: u64,
    /// `IP:PORT`, or empty if it is not known.
    pub(in crate::proxy) client: String,
    /// In quotes.
    pub(in crate::proxy) command: String,
}

impl SlowRequest {
    /// In all.
    pub(in crate::proxy) fn took(&self) -> Duration {
        self.queue + self.node + self.write
    }
}

#[derive(Debug, Default)]
struct Kept {
    /// Newest first, with their numbers.
    entries: VecDeque<(u64, SlowRequest)>,
    next: u64,
}

/// The newest of them. Locked only by who was slow, and by who looks.
#[derive(Debug)]
pub(in crate::proxy) struct SlowLog {
    kept: Mutex<Kept>,
    /// What takes as long is slow; none: nothing is.
    pub(in crate::proxy) threshold: Option<Duration>,
    most: usize,
}

impl SlowLog {
    pub(in crate::proxy) fn new(threshold: Option<Duration>, most: usize) -> Self {
        Self { kept: Mutex::default(), threshold, most }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        // Nothing panics while it holds the lock.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether this is slow.
    #[inline]
    pub(in crate::proxy) fn is_slow(&self, took: Duration) -> bool {
        self.threshold.is_some_and(|threshold| took >= threshold)
    }

    /// Adds one; the oldest beyond the limit is forgotten.
    pub(in crate::proxy) fn add(&self, request: SlowRequest) {
        let mut kept = self.kept();
        let number = kept.next;
        kept.next += 1;
        kept.entries.push_front((number, request));
        kept.entries.truncate(self.most);
    }

    /// Newest first, with numbers that are never used twice.
    pub(in crate::proxy) fn entries(&self) -> Vec<(u64, SlowRequest)> {
        self.kept().entries.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_are_kept() {
        let log = SlowLog::new(Some(Duration::from_millis(10)), 3);
        assert!(log.is_slow(Duration::from_millis(10)) && !log.is_slow(Duration::from_micros(9_999)));
        assert!(!SlowLog::new(None, 3).is_slow(Duration::MAX));
        for at in 0..5 {
            let ms = Duration::from_millis;
            log.add(SlowRequest {
                at: Millis(at),
                queue: ms(1),
                node: ms(2),
                write: ms(4),
                member: None,
                others: 0,
                client: String::new(),
                command: String::new(),
            });
        }
        let entries = log.entries();
        assert_eq!(entries.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [4, 3, 2]);
        assert_eq!(entries[0].1.took(), Duration::from_millis(7));
    }
}
