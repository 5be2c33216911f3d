//! Which key goes when there is no more room. As in Redis: a few keys are looked at, chosen by chance, and of those looked at lately
//! the one goes that the policy minds least.

use std::ops::ControlFlow;

use super::{Aging, Cursor, Db, EventClass, Key, Keyspace};
use crate::{
    slot::{CURSOR_HASH_BITS, SLOTS, SlotId},
    time::Millis,
};

/// Candidates that are remembered.
const POOL: usize = 16;
/// Where few of the keys expire, so many are passed over for each that is looked for.
const PASSED_OVER: usize = 64;

/// What a policy minds least.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// What was not used for longest, or is used least often, by what keys note.
    Use,
    /// What expires first.
    Ttl,
    /// Any.
    Random,
}

/// `maxmemory-policy`, where it is not `noeviction`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Only keys that expire.
    pub volatile: bool,
    /// Which of them.
    pub order: Order,
}

impl Policy {
    /// By its name; `None` is `noeviction`.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        let (keys, order) = name.split_once('-')?;
        let order = match order {
            "ttl" => Order::Ttl,
            "random" => Order::Random,
            _ => Order::Use,
        };
        Some(Self { volatile: keys == "volatile", order })
    }
}

#[derive(Debug)]
struct Candidate {
    /// The higher, the sooner it goes.
    score: u64,
    database: usize,
    key: Box<[u8]>,
}

/// Candidates, the best last.
#[derive(Debug, Default)]
pub(super) struct Pool {
    candidates: Vec<Candidate>,
    next_database: usize,
}

impl Pool {
    fn offer(&mut self, score: u64, database: usize, key: &[u8]) {
        let at = self.candidates.partition_point(|known| known.score < score);
        if at == 0 && self.candidates.len() == POOL {
            return;
        }
        let known = |known: &Candidate| known.database == database && *known.key == *key;
        if self.candidates.iter().any(known) {
            return;
        }
        self.candidates.insert(at, Candidate { score, database, key: key.into() });
        if self.candidates.len() > POOL {
            self.candidates.remove(0);
        }
    }
}

impl Db {
    /// Shows keys from a place chosen by chance on, about as many as are asked for.
    fn sample(&self, chance: u64, volatile: bool, count: usize, show: &mut dyn FnMut(super::RecordRef<'_>)) {
        let slot = (chance >> 32) as usize % SLOTS;
        let threshold = chance & ((1 << CURSOR_HASH_BITS) - 1);
        let (mut left, mut passes) = (count, count * PASSED_OVER);
        for cursor in [Cursor::new(slot, threshold), Cursor::START] {
            self.scan_while(cursor, &mut |record| {
                if !volatile || record.expiry().is_some() {
                    show(record);
                    left = left.saturating_sub(1);
                }
                passes = passes.saturating_sub(1);
                if left == 0 || passes == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            });
            // Near the end there may be fewer behind the place: the rest is at the beginning.
            if left == 0 || passes == 0 {
                break;
            }
        }
    }
}

impl Db {
    /// Shows the keys that expire of the first slot that has some, from one chosen by chance on. Slots know how many they have, so
    /// that costs a look at each slot, and at the keys of one.
    fn next_expiring(&self, chance: u64, show: &mut dyn FnMut(super::RecordRef<'_>)) {
        let first = (chance >> 32) as usize % SLOTS;
        let mut slots =
            (first..SLOTS).chain(0..first).filter_map(|slot| SlotId::new(u16::try_from(slot).ok()?));
        if let Some(slot) = slots.find(|&slot| self.slot_expiring(slot) > 0) {
            self.for_each_in_slot(slot, &mut |record| {
                if record.expiry().is_some() {
                    show(record);
                }
            });
        }
    }
}

impl Keyspace {
    /// Removes the key that the policy minds least, of `samples` looked at in each database. `false` if there is none that may go.
    pub fn evict(&mut self, policy: Policy, samples: usize, now: Millis) -> bool {
        let mut pool = std::mem::take(&mut self.pool);
        let chosen = match policy.order {
            Order::Random => self.any_key(&mut pool, policy),
            Order::Use | Order::Ttl => self.worst_key(&mut pool, policy, samples, now),
        };
        self.pool = pool;
        let Some((database, key)) = chosen else { return false };
        let db = self.db_mut(database);
        db.remove_evicted(Key::new(&key));
        db.event(EventClass::Evicted, "evicted", &key);
        true
    }

    fn any_key(&mut self, pool: &mut Pool, policy: Policy) -> Option<(usize, Box<[u8]>)> {
        for _ in 0..self.databases() {
            let database = pool.next_database % self.databases();
            pool.next_database = database + 1;
            let db = self.db_mut(database);
            if db.is_empty() || policy.volatile && db.expiring() == 0 {
                continue;
            }
            let (chance, mut found) = (db.chance(), None);
            db.sample(chance, policy.volatile, 1, &mut |record| {
                found.get_or_insert_with(|| Box::from(record.key()));
            });
            if found.is_none() {
                // They are few and far between.
                db.next_expiring(chance, &mut |record| {
                    found.get_or_insert_with(|| Box::from(record.key()));
                });
            }
            if let Some(key) = found {
                return Some((database, key));
            }
        }
        None
    }

    fn worst_key(
        &mut self,
        pool: &mut Pool,
        policy: Policy,
        samples: usize,
        now: Millis,
    ) -> Option<(usize, Box<[u8]>)> {
        let aging = self.aging();
        let score = |record: super::RecordRef<'_>| match (policy.order, aging) {
            (Order::Ttl, _) => u64::MAX - record.expiry().map_or(u64::MAX, |expiry| expiry.0.unsigned_abs()),
            (_, Aging::Lru) => Aging::idle_seconds(record.age(), now).unsigned_abs(),
            (_, Aging::Lfu { .. }) => u64::from(u8::MAX - aging.frequency(record.age(), now)),
        };
        loop {
            let mut keys = 0;
            for database in 0..self.databases() {
                let db = self.db_mut(database);
                let possible = if policy.volatile { db.expiring() } else { db.len() };
                if possible == 0 {
                    continue;
                }
                keys += possible;
                let chance = db.chance();
                let mut seen = 0;
                let mut offer = |record: super::RecordRef<'_>| {
                    seen += 1;
                    pool.offer(score(record), database, record.key());
                };
                db.sample(chance, policy.volatile, samples, &mut offer);
                if seen == 0 {
                    // They are few and far between.
                    db.next_expiring(chance, &mut |record| pool.offer(score(record), database, record.key()));
                }
            }
            if keys == 0 {
                return None;
            }
            // Some may be gone, or no longer expire.
            while let Some(best) = pool.candidates.pop() {
                let is_there = self.db(best.database).is_evictable(Key::new(&best.key), policy.volatile);
                if is_there {
                    return Some((best.database, best.key));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::keyspace::{Ttl, Value};

    fn filled(policy: &str, keys: usize) -> (Keyspace, Policy) {
        let mut keyspace = Keyspace::default();
        for number in 0..keys {
            // The later, the longer unused, and the sooner gone.
            let now = Millis(1_000_000 * 1000 - number as i64 * 1000);
            let access = keyspace.access(now, true);
            let ttl =
                if number % 2 == 0 { Ttl::At(Millis(2_000_000_000 - number as i64)) } else { Ttl::None };
            let key = format!("key:{number}");
            keyspace.db_mut(number % 3).set(Key::new(key.as_bytes()), Value::Int(1), ttl, access);
        }
        (keyspace, Policy::of(policy).expect("evicts"))
    }

    fn keys(keyspace: &Keyspace) -> Vec<usize> {
        let mut numbers = Vec::new();
        for database in 0..3 {
            keyspace.db(database).for_each(&mut |record| {
                let text = std::str::from_utf8(record.key()).unwrap();
                numbers.push(text[4..].parse().unwrap());
            });
        }
        numbers
    }

    #[test]
    fn what_the_policy_minds_least_goes_first() {
        for policy in ["allkeys-lru", "volatile-lru", "volatile-ttl"] {
            let (mut keyspace, policy) = filled(policy, 3000);
            for _ in 0..1000 {
                assert!(keyspace.evict(policy, 5, Millis(1_000_000_000)));
            }
            let left = keys(&keyspace);
            assert_eq!(left.len(), 2000);
            // Of what may go, what is left is mostly the better part: numbers are low.
            let mean = |numbers: &[usize]| numbers.iter().sum::<usize>() as f64 / numbers.len() as f64;
            let may_go: Vec<usize> =
                left.iter().copied().filter(|number| !policy.volatile || number % 2 == 0).collect();
            let best = if policy.volatile { 500.0 } else { 1000.0 };
            assert!(mean(&may_go) < best * 1.3, "{policy:?}: {}", mean(&may_go));
            if policy.volatile {
                assert_eq!(left.iter().filter(|number| **number % 2 == 1).count(), 1500);
            }
        }
    }

    #[test]
    fn it_ends_when_there_is_nothing_that_may_go() {
        for (policy, left) in [("volatile-random", 50), ("volatile-lfu", 50), ("allkeys-random", 0)] {
            let (mut keyspace, policy) = filled(policy, 100);
            let evicted = (0..1000).take_while(|_| keyspace.evict(policy, 5, Millis(0))).count();
            assert_eq!((evicted, keys(&keyspace).len()), (100 - left, left), "{policy:?}");
            assert_eq!(keyspace.stats().evicted, evicted as u64);
        }
        assert_eq!(Policy::of("noeviction"), None);
    }
}
