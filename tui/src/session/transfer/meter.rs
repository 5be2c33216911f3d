//! How far a transfer is: counted where the work is done, published a few times a second, and kept in the view when it is over or
//! given up, for whoever has to say how far it came.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use crate::{
    format::counted,
    session::{Change, Session},
};
use redis_cluster::time::Millis;

/// Between two publications.
const INTERVAL: Duration = Duration::from_millis(200);
/// Cells of the bar.
const BAR: usize = 20;

/// A transfer as faces show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// The command: `import FILE`.
    pub words: String,
    /// Keys that are through.
    pub keys: u64,
    /// Keys in all, as far as known.
    pub keys_total: u64,
    /// Bytes of values that are through.
    pub bytes: u64,
    /// When it began.
    pub began: Millis,
    /// What is left of it if it ends now.
    pub remains: &'static str,
    /// Nobody works on it any more.
    pub ended: bool,
}

impl Transfer {
    /// One line, with a bar.
    #[must_use]
    pub fn line(&self, now: Millis) -> String {
        let seconds = (now.0 - self.began.0).max(1).cast_unsigned();
        let rate = self.keys.saturating_mul(1000) / seconds;
        let done = self.keys.min(self.keys_total);
        let percent = (done * 100).checked_div(self.keys_total).unwrap_or(0);
        let filled = usize::try_from(percent).unwrap_or(0) * BAR / 100;
        let left = match (self.keys_total - done).checked_div(rate) {
            Some(left) => format!(", {left} s left"),
            None => String::new(),
        };
        format!(
            "{} [{}{}] {percent} %, {} of {}, {rate} keys/s, {:.1} MiB{left}",
            self.words,
            "#".repeat(filled),
            ".".repeat(BAR - filled),
            self.keys,
            counted(self.keys_total, "key"),
            mebibytes(self.bytes),
        )
    }

    /// What an interrupted one leaves behind.
    #[must_use]
    pub fn left(&self) -> String {
        format!(
            "{} came to {} of {}; {}",
            self.words,
            self.keys,
            counted(self.keys_total, "key"),
            self.remains
        )
    }
}

#[expect(clippy::cast_precision_loss, reason = "shown with one decimal")]
fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// Counts, and publishes for as long as it lives.
pub(super) struct Meter {
    keys: AtomicU64,
    keys_total: AtomicU64,
    bytes: AtomicU64,
    start: Transfer,
    session: Session,
}

impl Meter {
    pub(super) fn new(words: String, remains: &'static str, session: &Session) -> Self {
        let (keys, keys_total, bytes) = (0, 0, 0);
        let start = Transfer { words, keys, keys_total, bytes, began: Millis::now(), remains, ended: false };
        Self { keys: 0.into(), keys_total: 0.into(), bytes: 0.into(), start, session: session.clone() }
    }

    pub(super) fn expect(&self, keys: u64) {
        self.keys_total.store(keys, Ordering::Relaxed);
    }

    pub(super) fn add(&self, keys: u64, bytes: usize) {
        self.keys.fetch_add(keys, Ordering::Relaxed);
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn keys(&self) -> u64 {
        self.keys.load(Ordering::Relaxed)
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Milliseconds since it began.
    pub(super) fn took(&self) -> i64 {
        Millis::now().0 - self.start.began.0
    }

    /// Waits for the work, and publishes how far it is meanwhile.
    pub(super) async fn follow<T>(&self, work: impl Future<Output = T>) -> T {
        let mut ticks = tokio::time::interval(INTERVAL);
        tokio::pin!(work);
        loop {
            tokio::select! {
                biased;
                done = &mut work => return done,
                _ = ticks.tick() => self.publish(false),
            }
        }
    }

    fn publish(&self, ended: bool) {
        let (keys, keys_total) = (self.keys(), self.keys_total.load(Ordering::Relaxed));
        let now = Transfer { keys, keys_total, bytes: self.bytes(), ended, ..self.start.clone() };
        // Where many changes wait, the next tick tells the same and more.
        let _ = self.session.inner.changes.try_send(Change::Transfer(now.clone()));
        if ended {
            self.session.inner.last_transfer.send_replace(Some(now));
        }
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        self.publish(true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_bar_rate_and_time_left() {
        let transfer = Transfer {
            words: "import f".to_owned(),
            keys: 500,
            keys_total: 1000,
            bytes: 3 << 19,
            began: Millis(1000),
            remains: "r",
            ended: false,
        };
        let line = "import f [##########..........] 50 %, 500 of 1000 keys, 250 keys/s, 1.5 MiB, 2 s left";
        assert_eq!(transfer.line(Millis(3000)), line);
        // More came than there were at the beginning, and nothing is known yet.
        assert!(Transfer { keys: 1200, ..transfer.clone() }.line(Millis(3000)).contains("100 %, 1200 of"));
        assert!(
            Transfer { keys: 0, keys_total: 0, ..transfer }.line(Millis(0)).contains("] 0 %, 0 of 0 keys")
        );
    }
}
