//! A member's keys by slot: listing, copying to another member, deleting, comparing. All of it pipelined, and paced by
//! the slower of the two sides: no more than one page of SCAN is under way.

use std::{
    collections::HashSet,
    hash::{BuildHasher as _, RandomState},
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use bytes::Bytes;

use super::{Clock, Peer, PeerError};
use crate::{
    protocol::{Value, quote},
    slot::{CURSOR_HASH_BITS, SLOTS, SlotId, SlotRange},
    time::Millis,
};

/// How errors begin that mean that a server does not know the form of a value.
const UNREADABLE: [&[u8]; 2] = [b"ERR DUMP payload version or checksum are wrong", b"ERR Bad data format"];

/// A set of slots to ask for membership.
#[derive(Clone, Debug)]
pub struct SlotSet {
    ranges: Vec<SlotRange>,
    contains: Vec<bool>,
}

impl SlotSet {
    /// The slots of these ranges.
    #[must_use]
    pub fn new(ranges: &[SlotRange]) -> Self {
        let mut contains = vec![false; SLOTS];
        for slot in ranges.iter().flat_map(|range| range.iter()) {
            contains[slot.index()] = true;
        }
        Self { ranges: SlotRange::cover(ranges.iter().flat_map(|range| range.iter())), contains }
    }

    /// Whether the key's slot is one of them.
    #[must_use]
    pub fn holds(&self, key: &[u8]) -> bool {
        self.contains[SlotId::of_key(key).index()]
    }
}

/// The clocks of the two sides of a copy.
#[derive(Clone, Copy, Debug)]
pub struct Clocks {
    /// Of the member the keys come from.
    pub source: Clock,
    /// Of the member they go to.
    pub target: Clock,
}

/// What was copied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Copied {
    /// Keys.
    pub keys: u64,
    /// Bytes of their DUMP payloads.
    pub bytes: u64,
}

/// What a pass over the keys of some slots counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Keys.
    pub keys: u64,
    /// Those of them with an expiry; 0 if it was not asked for.
    pub expires: u64,
}

/// Keys that SCAN is asked for at a time.
const PAGE: &str = "512";

/// Where a listing of keys is.
#[derive(Debug)]
pub struct Listing<'a> {
    slots: &'a SlotSet,
    cursor: u64,
    /// Of a server that scans by slot: which of the ranges.
    range: usize,
    done: bool,
}

impl<'a> Listing<'a> {
    /// From the beginning of the selected database.
    #[must_use]
    pub fn new(slots: &'a SlotSet, peer: &Peer) -> Self {
        let mut listing = Self { slots, cursor: 0, range: 0, done: slots.ranges.is_empty() };
        if peer.scans_by_slot() && !listing.done {
            listing.cursor = cursor_of(slots.ranges[0].first());
        }
        listing
    }

    /// The next keys of the slots; `None` at the end. A key may come twice, as SCAN has it.
    ///
    /// # Errors
    /// See [`PeerError`].
    pub async fn next(&mut self, peer: &mut Peer) -> Result<Option<Vec<Bytes>>, PeerError> {
        if self.done {
            return Ok(None);
        }
        let reply = peer.call(&["SCAN", &self.cursor.to_string(), "COUNT", PAGE]).await?;
        let Value::Array(parts) = &reply else { return Err(peer.unexpected("SCAN", &reply)) };
        let [cursor, Value::Array(found)] = &parts[..] else { return Err(peer.unexpected("SCAN", &reply)) };
        let cursor = cursor.as_bytes().and_then(|text| std::str::from_utf8(text).ok()?.parse::<u64>().ok());
        let Some(cursor) = cursor else { return Err(peer.unexpected("SCAN", &reply)) };
        let keys = found.iter().filter_map(|key| match key {
            Value::Bulk(key) if self.slots.holds(key) => Some(key.clone()),
            _ => None,
        });
        let keys = keys.collect();
        self.advance(cursor, peer.scans_by_slot());
        Ok(Some(keys))
    }

    fn advance(&mut self, cursor: u64, by_slot: bool) {
        self.cursor = cursor;
        self.done = cursor == 0;
        if !by_slot || self.done {
            return;
        }
        // Skip to the range that the cursor is in or before.
        while let Some(range) = self.slots.ranges.get(self.range) {
            if cursor < cursor_of(range.first()) {
                self.cursor = cursor_of(range.first());
                return;
            }
            if cursor >> CURSOR_HASH_BITS <= u64::from(range.last().get()) {
                return;
            }
            self.range += 1;
        }
        self.done = true;
    }
}

fn cursor_of(slot: SlotId) -> u64 {
    u64::from(slot.get()) << CURSOR_HASH_BITS
}

impl Peer {
    /// Uses a database for what follows.
    ///
    /// # Errors
    /// See [`PeerError`].
    pub async fn select(&mut self, database: u32) -> Result<(), PeerError> {
        self.ok(&["SELECT", &database.to_string()]).await
    }

    /// How many keys of the slots the selected database holds.
    ///
    /// # Errors
    /// See [`PeerError`].
    pub async fn count(&mut self, slots: &SlotSet) -> Result<u64, PeerError> {
        self.tally(slots, false).await.map(|tally| tally.keys)
    }

    /// How many keys of the slots the selected database holds, and, if asked for, how many of them with an expiry. One
    /// pass of SCAN; keys that come or go meanwhile may or may not be counted, others are counted once.
    ///
    /// # Errors
    /// See [`PeerError`].
    pub async fn tally(&mut self, slots: &SlotSet, expiring: bool) -> Result<Tally, PeerError> {
        let mut tally = Tally::default();
        let mut listing = Listing::new(slots, self);
        // SCAN may return a key twice: 16 bytes are kept of each, not the key.
        let hashers = [RandomState::new(), RandomState::new()];
        let mut seen = HashSet::new();
        while let Some(mut keys) = listing.next(self).await? {
            keys.retain(|key| seen.insert(hashers.each_ref().map(|hasher| hasher.hash_one(key))));
            tally.keys += keys.len() as u64;
            if !expiring {
                continue;
            }
            for key in &keys {
                self.queue(&[&b"PTTL"[..], key]);
            }
            self.flush().await?;
            for _ in &keys {
                tally.expires += u64::from(self.reply("PTTL").await?.as_i64().is_some_and(|left| left >= 0));
            }
        }
        Ok(tally)
    }

    /// Deletes every key of the slots from all databases, and adds up in `deleted` how many, as it goes.
    ///
    /// # Errors
    /// See [`PeerError`].
    pub async fn wipe(&mut self, slots: &SlotSet, deleted: &AtomicU64) -> Result<(), PeerError> {
        for (database, _) in self.databases().await? {
            self.select(database).await?;
            let mut listing = Listing::new(slots, self);
            while let Some(keys) = listing.next(self).await? {
                if keys.is_empty() {
                    continue;
                }
                let command = [&[Bytes::from_static(b"UNLINK")], &keys[..]].concat();
                deleted.fetch_add(self.integer(&command).await?.unsigned_abs(), Relaxed);
            }
        }
        Ok(())
    }

    /// Copies these keys of the selected database, where they still exist, to the same database of `target`, with their
    /// expiry as a point in time `target`'s clock agrees on. What `target` had under these keys is replaced.
    ///
    /// # Errors
    /// See [`PeerError`]; some keys may have been copied.
    pub async fn copy_to(
        &mut self,
        target: &mut Self,
        keys: &[Bytes],
        clocks: Clocks,
    ) -> Result<Copied, PeerError> {
        let expiry = if self.has_pexpiretime { "PEXPIRETIME" } else { "PTTL" };
        for key in keys {
            // The expiry first: a key that is gone when it is dumped is not copied at all. A transaction would make the
            // two one, but writes to these keys are held, and an expiry can only let the key vanish.
            self.queue(&[expiry.as_bytes(), key]);
            self.queue(&[&b"DUMP"[..], key]);
        }
        // A TTL is counted from when it was asked for, so that it never becomes longer on the way.
        let asked = Millis::now();
        self.flush().await?;
        let mut copied = Copied::default();
        let mut sent = Vec::with_capacity(keys.len());
        for key in keys {
            let expires = self.reply(expiry).await?;
            let payload = match self.reply("DUMP").await? {
                Value::Bulk(payload) => payload,
                Value::Null => continue,
                other => return Err(self.unexpected("DUMP", &other)),
            };
            let deadline = match expires.as_i64() {
                Some(-1) => 0,
                Some(at @ 0..) if self.has_pexpiretime => (at + clocks.source.to(clocks.target)).max(1),
                Some(left @ 0..) => (asked.0 + left + Clock::OURS.to(clocks.target)).max(1),
                // It was gone, and somebody who does not go through a proxy made it anew.
                _ => continue,
            };
            copied.keys += 1;
            copied.bytes += payload.len() as u64;
            let deadline = deadline.to_string();
            target.queue(&[&b"RESTORE"[..], key, deadline.as_bytes(), &payload, b"REPLACE", b"ABSTTL"]);
            sent.push(key);
        }
        target.flush().await?;
        for key in sent {
            if let Value::Error(error) = target.raw_reply("RESTORE").await? {
                return Err(target.does_not_take(key, &error));
            }
        }
        Ok(copied)
    }

    /// What an error reply to `RESTORE` means.
    fn does_not_take(&self, key: &[u8], error: &[u8]) -> PeerError {
        if !UNREADABLE.iter().any(|words| error.starts_with(words)) {
            return self.refused("RESTORE", error);
        }
        PeerError::Untaken {
            address: self.address.to_string(),
            key: quote::repr(key),
            error: String::from_utf8_lossy(error).into_owned(),
        }
    }

    /// Whether each of these keys of the selected database is the same on `other`: type, TTL within `tolerance_ms`, and the
    /// whole value of a string or the length of a collection. `None` if it is gone on both.
    ///
    /// # Errors
    /// See [`PeerError`].
    pub async fn same_on(
        &mut self,
        other: &mut Self,
        keys: &[Bytes],
        tolerance_ms: i64,
    ) -> Result<Vec<Option<bool>>, PeerError> {
        let (mine, theirs) = (self.facts(keys).await?, other.facts(keys).await?);
        let same = mine.into_iter().zip(theirs).map(|pair| match pair {
            (None, None) => None,
            (Some(mine), Some(theirs)) => {
                let ttl = match (mine.ttl_ms, theirs.ttl_ms) {
                    (None, None) => true,
                    (Some(mine), Some(theirs)) => (mine - theirs).abs() <= tolerance_ms,
                    _ => false,
                };
                Some(ttl && mine.kind == theirs.kind && mine.content == theirs.content)
            }
            // It may have expired between the two questions.
            (Some(only), None) | (None, Some(only)) => {
                Some(only.ttl_ms.is_some_and(|left| left <= tolerance_ms))
            }
        });
        Ok(same.collect())
    }

    /// In two round trips for all of them.
    async fn facts(&mut self, keys: &[Bytes]) -> Result<Vec<Option<Facts>>, PeerError> {
        for key in keys {
            self.queue(&[&b"TYPE"[..], key]);
        }
        self.flush().await?;
        let mut kinds = Vec::with_capacity(keys.len());
        for _ in keys {
            let reply = self.reply("TYPE").await?;
            let kind = reply.as_bytes().map(Bytes::copy_from_slice);
            kinds.push(kind.ok_or_else(|| self.unexpected("TYPE", &reply))?);
        }
        for (key, kind) in keys.iter().zip(&kinds) {
            let ask: &[u8] = match &kind[..] {
                b"string" => b"GET",
                b"list" => b"LLEN",
                b"hash" => b"HLEN",
                b"set" => b"SCARD",
                b"zset" => b"ZCARD",
                b"stream" => b"XLEN",
                // Gone, or a module's type: its existence is all that can be asked.
                _ => b"EXISTS",
            };
            self.queue(&[ask, key]);
            self.queue(&[&b"PTTL"[..], key]);
        }
        self.flush().await?;
        let mut facts = Vec::with_capacity(keys.len());
        for kind in kinds {
            let content = self.reply("the length of a key").await?;
            let reply = self.reply("PTTL").await?;
            let ttl = reply.as_i64().ok_or_else(|| self.unexpected("PTTL", &reply))?;
            let exists = ttl != -2 && kind != "none";
            facts.push(exists.then(|| Facts { kind, content, ttl_ms: (ttl >= 0).then_some(ttl) }));
        }
        Ok(facts)
    }
}

struct Facts {
    kind: Bytes,
    content: Value,
    ttl_ms: Option<i64>,
}
