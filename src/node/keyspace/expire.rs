//! Removing keys whose time has come and that nobody looks up.
//!
//! Every table knows when its next key expires, as a lower bound. The cycle goes round all slots and opens only tables that
//! are due, so keys far from their end cost it a glance at their slot, and databases without keys nothing; a table it opens
//! tells its next time exactly. The server calls it some ten times a second; each call ends after a budget and the next goes
//! on there.
//!
//! A million keys that expire in the same millisecond are gone after 2.4 s, while the 99th percentile of a client's GET goes
//! from 0.14 to 0.36 ms (redis-server 7.0 in the same run: 4.9 s, 0.16 to 3.7 ms; two busy cores, one worker thread).

use std::ops::ControlFlow;

use super::{Db, Keyspace};
use crate::time::Millis;

/// Slots looked at cost little beside records.
const SLOTS_PER_UNIT: usize = 16;

/// Where the next call goes on.
#[derive(Debug, Default)]
pub(super) struct Position {
    database: usize,
    slot: usize,
    hash: u64,
}

/// What a call did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cycle {
    /// Keys removed.
    pub expired: usize,
    /// The budget ended before the last database did: there may be more to remove, call again soon.
    pub unfinished: bool,
}

impl Keyspace {
    /// Goes on with the round through all databases and removes what has expired, until its end or until about `budget`
    /// records were looked at (a record is a cache miss, 0.1 µs; a slot without anything to do costs a sixteenth).
    pub fn expire_cycle(&mut self, now: Millis, budget: usize) -> Cycle {
        let mut left = budget.saturating_mul(SLOTS_PER_UNIT);
        let mut expired = 0;
        let position = &mut self.expire;
        while let Some(db) = self.databases.get_mut(position.database) {
            while position.slot < db.slots.len() && !db.is_empty() {
                let Db { slots, changes, bin, totals, ahead, .. } = db;
                let slot = &mut slots[position.slot];
                let (before, mut bytes) = (slot.len(), 0);
                let stopped = slot.sweep(position.hash, totals, &mut |table| {
                    if left == 0 {
                        return ControlFlow::Break(());
                    }
                    left -= 1;
                    if table.next_expiry() < now {
                        left = left.saturating_sub(table.len() * SLOTS_PER_UNIT);
                        bytes += table.remove_expired(now, &mut |mut record| {
                            Db::keep_removed(ahead, &mut record);
                            changes.report_expired(record.as_ref().key());
                            bin.discard(record);
                        });
                    }
                    ControlFlow::Continue(())
                });
                let removed = before - slot.len();
                if removed > 0 {
                    db.count_removed(position.slot, removed, bytes);
                    db.stats.expired += removed as u64;
                    expired += removed;
                }
                if let Some(hash) = stopped {
                    position.hash = hash;
                    return Cycle { expired, unfinished: true };
                }
                position.slot += 1;
                position.hash = 0;
            }
            *position = Position { database: position.database + 1, slot: 0, hash: 0 };
        }
        *position = Position::default();
        Cycle { expired, unfinished: false }
    }
}
