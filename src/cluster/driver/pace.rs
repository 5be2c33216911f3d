//! How much one move takes, how long it may hold writes, and when a plan whose moves fail is given up. Pure: times are
//! arguments.
//!
//! Writes to the slots of a move wait while it copies, so a move takes as many keys as are copied in about [`COPY`]: twice as
//! many after one that took less, half as many after one that took twice as long. One that was late because of its copy is tried
//! again with less; one that cannot get smaller, because a single slot holds so much, or that was late for what every move
//! takes (round trips, acknowledgements, transactions), with more time.

use std::time::{Duration, Instant};

use crate::cluster::peer::keys::Copied;

/// What a copy should take.
const COPY: Duration = Duration::from_millis(150);
/// How long writes may be held before the switch, to begin with.
const HOLD: Duration = Duration::from_millis(500);
/// Proxies that are slow to follow get no more than this.
const FOLLOW_MAX: Duration = Duration::from_secs(4);
/// A freeze that would need more is not tried.
const HOLD_MAX: Duration = Duration::from_secs(60);
/// Keys of the first move, and bounds of all.
const KEYS: u64 = 5_000;
const KEYS_MAX: u64 = 20_000;
/// Fewer take hardly less: most of it is what every move takes. Unless they are large.
const KEYS_MIN: u64 = 500;
const LARGE_KEYS_MIN: u64 = 16;
/// Bytes of a copy from which on its keys are large.
const LARGE: u64 = 8 << 20;
/// A late move is tried again with so much less.
const LESS: u64 = 4;
/// Moves that may fail in a row, and for how long they must have, before their plan is given up.
const TRIES: u32 = 3;
const TROUBLE: Duration = Duration::from_secs(10);
/// A stock server has no index by slot: all that it gives to one node is one move, and takes what that takes. At least so
/// much is expected of a copy: keys per second, bytes per second.
const STOCK_KEYS: u64 = 2_000;
const STOCK_BYTES: u64 = 10_000_000;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pace {
    keys: u64,
    hold: Duration,
    failures: u32,
    failing_since: Option<Instant>,
}

impl Default for Pace {
    fn default() -> Self {
        Self { keys: KEYS, hold: HOLD, failures: 0, failing_since: None }
    }
}

impl Pace {
    /// Slots for one move out of `slots` that hold `keys`; at least one.
    pub(super) fn slots(&self, slots: u64, keys: u64) -> usize {
        let per_move = slots.saturating_mul(self.keys) / keys.max(1);
        usize::try_from(per_move.clamp(1, slots.max(1))).unwrap_or(usize::MAX)
    }

    /// How long the next move may hold writes.
    pub(super) fn hold(&self) -> Duration {
        self.hold
    }

    /// How long a move may hold writes that takes everything a stock server has: keys, and bytes of memory.
    pub(super) fn hold_of_stock(&self, keys: u64, bytes: u64) -> Duration {
        let copying =
            Duration::from_millis(keys * 1000 / STOCK_KEYS + bytes.saturating_mul(1000) / STOCK_BYTES);
        self.hold + copying
    }

    /// A move came to its end, which copied this in `copying`, out of the `whole` time up to the switch.
    pub(super) fn done(&mut self, copied: Copied, copying: Duration, whole: Duration) {
        (self.failures, self.failing_since) = (0, None);
        // Where everything is slow the next one will be too.
        self.hold = (whole * 2).clamp(HOLD, self.hold);
        if copying > COPY * 2 {
            self.keys = (self.keys / 2).max(least(copied));
        } else if copying < COPY && copied.keys >= self.keys / 2 {
            self.keys = (self.keys * 2).min(KEYS_MAX);
        }
    }

    /// A move of so many slots was not done in time, and had copied this in `copying`. True: give its plan up.
    pub(super) fn late(&mut self, slots: usize, copied: Copied, copying: Duration) -> bool {
        let least = least(copied);
        if slots > 1 && self.keys > least && copying > self.hold / 4 {
            self.keys = (self.keys / LESS).max(least);
        } else {
            self.hold *= 2;
        }
        self.hold > HOLD_MAX
    }

    /// Proxies that live did not acknowledge the freeze in time: they get more of it, and when that is as much as they get it
    /// counts as a failure. True: give its plan up.
    pub(super) fn not_followed(&mut self, now: Instant) -> bool {
        if self.hold < FOLLOW_MAX {
            self.hold = (self.hold * 2).min(FOLLOW_MAX);
            return false;
        }
        self.failed(now)
    }

    /// A move failed for another reason. True: give its plan up.
    pub(super) fn failed(&mut self, now: Instant) -> bool {
        self.failures += 1;
        let since = *self.failing_since.get_or_insert(now);
        self.failures >= TRIES && now.duration_since(since) >= TROUBLE
    }
}

/// Keys that a move has at least, where these are like the others.
fn least(copied: Copied) -> u64 {
    if copied.bytes >= LARGE { LARGE_KEYS_MIN } else { KEYS_MIN }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn millis(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    fn copied(keys: u64, bytes: u64) -> Copied {
        Copied { keys, bytes }
    }

    #[test]
    fn moves_are_as_large_as_can_be_copied_in_time() {
        let mut pace = Pace::default();
        assert_eq!(pace.slots(16384, 1_000_000), 81);
        assert_eq!((pace.slots(100, 0), pace.slots(100, 10), pace.slots(1, 1 << 40)), (100, 100, 1));
        pace.done(copied(5_000, 500_000), millis(301), millis(400));
        assert_eq!(pace.keys, 2_500);
        pace.done(copied(2_400, 240_000), millis(200), millis(300));
        assert_eq!(pace.keys, 2_500);
        for _ in 0..5 {
            pace.done(copied(pace.keys, 500_000), millis(20), millis(50));
        }
        assert_eq!(pace.keys, KEYS_MAX);
        pace.done(copied(3, 300), millis(1), millis(20));
        assert_eq!(pace.keys, KEYS_MAX, "three keys tell nothing");
    }

    #[test]
    fn late_moves_get_smaller_and_then_more_time() {
        let mut pace = Pace::default();
        let mut moves = Vec::new();
        while !pace.late(pace.slots(16384, 16384 * 5_000), copied(3_000, 300_000), HOLD) {
            moves.push(pace.hold.as_millis());
            assert!(moves.len() < 50);
        }
        assert_eq!(
            moves,
            [1000, 2000, 4000, 8000, 16000, 32000],
            "one slot of five thousand keys gets no smaller"
        );
        let small = |pace: &mut Pace, bytes| {
            while pace.hold() == HOLD {
                assert!(!pace.late(100, copied(400, bytes), HOLD));
            }
            pace.keys
        };
        assert_eq!(small(&mut Pace::default(), 40_000), KEYS_MIN);
        assert_eq!(small(&mut Pace::default(), 400 << 20), LARGE_KEYS_MIN);
    }

    #[test]
    fn where_everything_is_slow_moves_get_time_and_not_smaller() {
        let mut pace = Pace::default();
        assert!(!pace.late(8192, copied(0, 0), millis(30)));
        assert_eq!((pace.keys, pace.hold()), (KEYS, HOLD * 2));
        pace.done(copied(3_000, 300_000), millis(190), millis(600));
        assert_eq!((pace.keys, pace.hold()), (KEYS, HOLD * 2));
        pace.done(copied(5_000, 500_000), millis(150), millis(180));
        assert_eq!((pace.keys, pace.hold()), (KEYS, HOLD));
        for _ in 0..20 {
            pace.done(copied(pace.keys, 100 * pace.keys), millis(400), millis(900));
        }
        assert_eq!(pace.keys, KEYS_MIN, "a move does not shrink to nothing for what every one takes");
    }

    #[test]
    fn a_plan_is_given_up_after_some_tries_and_some_time() {
        let (mut pace, start) = (Pace::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        assert!(!pace.failed(at(0)) && !pace.failed(at(1)) && !pace.failed(at(2)) && !pace.failed(at(9)));
        assert!(pace.failed(at(10)));
        pace.done(Copied::default(), Duration::ZERO, Duration::ZERO);
        let gives_up = (0..3).map(|_| pace.not_followed(at(50))).collect::<Vec<_>>();
        assert_eq!((gives_up, pace.hold(), pace.failures), (vec![false; 3], FOLLOW_MAX, 0));
        assert!(!pace.not_followed(at(51)) && pace.failures == 1);
        pace.done(copied(KEYS, 0), COPY, COPY);
        assert_eq!(pace.hold(), HOLD);
        assert!(!pace.failed(at(100)) && !pace.failed(at(130)));
        assert!(pace.failed(at(131)));
    }

    #[test]
    fn a_stock_server_gets_the_time_that_all_its_keys_take() {
        let pace = Pace::default();
        assert_eq!(pace.hold_of_stock(0, 0), HOLD);
        assert_eq!(pace.hold_of_stock(1_000_000, 200_000_000), HOLD + Duration::from_secs(520));
    }
}
