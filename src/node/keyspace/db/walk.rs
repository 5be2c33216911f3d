//! Walks over the keys of a database: by chance, by cursor, by slot.

use std::ops::ControlFlow;

use super::{Db, ExpiredOnes, GROUP};
use crate::{
    node::keyspace::{key::Key, record::RecordRef, scan::Cursor, slot::Slot},
    slot::SlotId,
    time::Millis,
};

/// Keys whose expiry makes a mean.
const TTL_SAMPLE: i128 = 256;

impl Db {
    /// A key chosen evenly among all.
    pub fn random(&mut self, now: Millis) -> Option<Vec<u8>> {
        while self.len > 0 {
            let nth = self.random.0.usize(..self.len);
            let (key, expired) = {
                let record = self.nth(nth)?;
                (record.key().to_vec(), record.expiry().is_some_and(|expiry| expiry < now))
            };
            if !expired || self.expired_ones == ExpiredOnes::StaySeen {
                return Some(key);
            }
            self.expired(Key::new(&key));
        }
        None
    }

    fn nth(&self, mut nth: usize) -> Option<RecordRef<'_>> {
        let group = self.groups.iter().position(|&keys| match nth.checked_sub(keys as usize) {
            Some(rest) => {
                nth = rest;
                false
            }
            None => true,
        })?;
        let mut found = None;
        for slot in &self.slots[group * GROUP..][..GROUP] {
            slot.tables(&mut |table| {
                if found.is_none() {
                    match nth.checked_sub(table.len()) {
                        Some(rest) => nth = rest,
                        None => found = table.records().nth(nth),
                    }
                }
            });
            if found.is_some() {
                break;
            }
        }
        found
    }

    /// Visits at least `count` records from the cursor on, all that share a place in the order included, and says where to
    /// go on. Every key that is there from the first call to the last is visited, whatever else comes and goes between
    /// them, and none twice. Costs what it visits and a few microseconds for empty slots.
    pub fn scan(&self, cursor: Cursor, count: usize, visit: &mut dyn FnMut(RecordRef<'_>)) -> Cursor {
        let mut left = count.max(1);
        self.scan_while(cursor, &mut |record| {
            visit(record);
            left = left.saturating_sub(1);
            if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
    }

    /// The same until the visitor breaks, which it then goes on to do for what shares a place with that record.
    pub fn scan_while(
        &self,
        cursor: Cursor,
        visit: &mut dyn FnMut(RecordRef<'_>) -> ControlFlow<()>,
    ) -> Cursor {
        let mut broken = false;
        let mut at = cursor.slot();
        let mut threshold = cursor.threshold();
        while at < self.slots.len() {
            if at.is_multiple_of(GROUP) && self.groups[at / GROUP] == 0 {
                at += GROUP;
                threshold = 0;
                continue;
            }
            let next = self.slots[at].walk(threshold, &mut |record| {
                let flow = visit(record);
                broken |= flow.is_break();
                flow
            });
            if let Some(threshold) = next {
                return Cursor::new(at, threshold);
            }
            at += 1;
            threshold = 0;
            if broken {
                return if self.is_empty_from(at) { Cursor::END } else { Cursor::new(at, 0) };
            }
        }
        Cursor::END
    }

    fn is_empty_from(&self, slot: usize) -> bool {
        let end_of_group = slot.next_multiple_of(GROUP);
        self.slots[slot..end_of_group].iter().all(|slot| slot.len() == 0)
            && self.groups[end_of_group / GROUP..].iter().all(|&keys| keys == 0)
    }

    /// Visits every record, in no particular order.
    pub fn for_each<'a>(&'a self, visit: &mut dyn FnMut(RecordRef<'a>)) {
        for slot in &self.slots {
            slot.tables(&mut |table| table.records().for_each(&mut *visit));
        }
    }

    /// Keys of a slot.
    #[must_use]
    pub fn slot_len(&self, slot: SlotId) -> usize {
        self.slots.get(slot.index()).map_or(0, Slot::len)
    }

    /// Keys of a slot with an expiry.
    #[must_use]
    pub fn slot_expiring(&self, slot: SlotId) -> usize {
        let mut count = 0;
        if let Some(slot) = self.slots.get(slot.index()) {
            slot.tables(&mut |table| count += table.expiring());
        }
        count
    }

    /// Visits every record of a slot.
    pub fn for_each_in_slot<'a>(&'a self, slot: SlotId, visit: &mut dyn FnMut(RecordRef<'a>)) {
        if let Some(slot) = self.slots.get(slot.index()) {
            slot.tables(&mut |table| table.records().for_each(&mut *visit));
        }
    }

    /// How long keys with an expiry have still to live, on average over some hundred of them; `None` without such keys.
    /// Takes a cache miss for each of those, and a glance at every slot when they are few.
    #[must_use]
    pub fn mean_ttl(&self, now: Millis) -> Option<Millis> {
        let (mut sum, mut count) = (0_i128, 0_i128);
        // Where a key belongs is by chance: those of the first slots are as good as any others.
        for slot in &self.slots {
            slot.tables(&mut |table| {
                if table.expiring() > 0 && count < TTL_SAMPLE {
                    for expiry in table.records().filter_map(RecordRef::expiry) {
                        sum += i128::from(expiry.0.saturating_sub(now.0).max(0));
                        count += 1;
                    }
                }
            });
            if count >= TTL_SAMPLE {
                break;
            }
        }
        let mean = sum.checked_div(count)?;
        Some(Millis(i64::try_from(mean).unwrap_or(i64::MAX)))
    }
}
