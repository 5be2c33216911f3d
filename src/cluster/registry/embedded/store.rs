//! Keys with their history, in memory: what etcd calls MVCC. No I/O.
//!
//! A change is an event; all events of one request have the next revision. The events are what the file keeps and what
//! watches are told; applying them again in order gives the same store.

use std::{
    collections::{BTreeMap, VecDeque},
    ops::Bound,
};

use etcd_client::{
    EventType,
    proto::{PbEvent, PbKeyValue},
};

/// History beyond either limit is compacted to half of it.
const MAX_HISTORY: usize = 10_000;
const MAX_HISTORY_BYTES: usize = 16 << 20;

/// One value of a key, or its absence from then on.
#[derive(Clone, Debug)]
struct Version {
    revision: i64,
    /// `None`: deleted.
    kv: Option<PbKeyValue>,
}

impl Version {
    fn size(&self) -> usize {
        self.kv.as_ref().map_or(0, prost::Message::encoded_len)
    }
}

/// All events of one revision.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Committed {
    pub(super) revision: i64,
    pub(super) events: Vec<PbEvent>,
    size: usize,
}

/// The revision that was asked for is not to be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RevisionError {
    Compacted,
    Future,
}

/// A key, or a half-open range of keys, in etcd's encoding: no end is one key, an end of one zero byte is all from `start`.
#[derive(Clone, Debug)]
pub(super) struct KeyRange {
    start: Vec<u8>,
    end: End,
}

type Bounds<'a> = (Bound<&'a [u8]>, Bound<&'a [u8]>);

#[derive(Clone, Debug)]
enum End {
    Single,
    Open,
    Before(Vec<u8>),
}

impl KeyRange {
    pub(super) fn new(start: Vec<u8>, end: Vec<u8>) -> Self {
        let end = match end.as_slice() {
            [] => End::Single,
            [0] => End::Open,
            _ => End::Before(end),
        };
        Self { start, end }
    }

    pub(super) fn contains(&self, key: &[u8]) -> bool {
        match &self.end {
            End::Single => key == self.start,
            End::Open => key >= self.start.as_slice(),
            End::Before(end) => key >= self.start.as_slice() && key < end.as_slice(),
        }
    }

    /// `None` if it holds no key at all, which `BTreeMap::range` would not take.
    fn bounds(&self) -> Option<Bounds<'_>> {
        let start = Bound::Included(self.start.as_slice());
        match &self.end {
            End::Single => Some((start, Bound::Included(&self.start))),
            End::Open => Some((start, Bound::Unbounded)),
            End::Before(end) => (self.start < *end).then_some((start, Bound::Excluded(end.as_slice()))),
        }
    }
}

/// Keys, revisions, history.
#[derive(Debug)]
pub(super) struct Store {
    revision: i64,
    /// Reads below it are refused; 0 when nothing was compacted yet.
    compacted: i64,
    keys: BTreeMap<Vec<u8>, Vec<Version>>,
    history: VecDeque<Committed>,
    history_bytes: usize,
    /// Of the keys as they stand.
    live_bytes: usize,
}

impl Default for Store {
    /// Empty, at revision 1 as a new etcd.
    fn default() -> Self {
        Self {
            revision: 1,
            compacted: 0,
            keys: BTreeMap::new(),
            history: VecDeque::new(),
            history_bytes: 0,
            live_bytes: 0,
        }
    }
}

impl Store {
    /// The state at a revision without the history before it.
    pub(super) fn restore(revision: i64, kvs: Vec<PbKeyValue>) -> Self {
        let live_bytes = kvs.iter().map(prost::Message::encoded_len).sum();
        let keys = kvs
            .into_iter()
            .map(|kv| (kv.key.clone(), vec![Version { revision: kv.mod_revision, kv: Some(kv) }]))
            .collect();
        let compacted = if revision > 1 { revision } else { 0 };
        Self { revision, compacted, keys, live_bytes, ..Self::default() }
    }

    pub(super) fn revision(&self) -> i64 {
        self.revision
    }

    pub(super) fn compacted(&self) -> i64 {
        self.compacted
    }

    /// The key as it stands, changes of a transaction under way included.
    pub(super) fn current(&self, key: &[u8]) -> Option<&PbKeyValue> {
        self.keys.get(key)?.last()?.kv.as_ref()
    }

    /// The keys in a range, in order, as they stand.
    pub(super) fn range<'a>(&'a self, range: &'a KeyRange) -> impl Iterator<Item = &'a PbKeyValue> {
        self.range_at(range, i64::MAX)
    }

    /// As they stood at a revision that [`Store::check`] let pass.
    pub(super) fn range_at<'a>(
        &'a self,
        range: &'a KeyRange,
        revision: i64,
    ) -> impl Iterator<Item = &'a PbKeyValue> {
        range
            .bounds()
            .into_iter()
            .flat_map(|bounds| self.keys.range::<[u8], _>(bounds))
            .filter_map(move |(_, versions)| at(versions, revision))
    }

    pub(super) fn check(&self, revision: i64) -> Result<(), RevisionError> {
        if revision < self.compacted {
            Err(RevisionError::Compacted)
        } else if revision > self.revision {
            Err(RevisionError::Future)
        } else {
            Ok(())
        }
    }

    /// The key before an event, for watches that want it.
    pub(super) fn before(&self, event: &PbEvent) -> Option<PbKeyValue> {
        let kv = event.kv.as_ref()?;
        at(self.keys.get(&kv.key)?, kv.mod_revision - 1).cloned()
    }

    /// The event that puts a value at `revision`; not yet applied.
    pub(super) fn put_event(&self, revision: i64, key: Vec<u8>, value: Vec<u8>, lease: i64) -> PbEvent {
        let (create_revision, version) =
            self.current(&key).map_or((revision, 1), |kv| (kv.create_revision, kv.version + 1));
        let kv = PbKeyValue { key, create_revision, mod_revision: revision, version, value, lease };
        PbEvent { r#type: EventType::Put as i32, kv: Some(kv), prev_kv: None }
    }

    /// The event that deletes a key at `revision`; not yet applied.
    pub(super) fn delete_event(revision: i64, key: Vec<u8>) -> PbEvent {
        let kv = PbKeyValue { key, mod_revision: revision, ..PbKeyValue::default() };
        PbEvent { r#type: EventType::Delete as i32, kv: Some(kv), prev_kv: None }
    }

    /// Applies one event of a revision that [`Store::commit`] will close.
    pub(super) fn apply(&mut self, event: &PbEvent) {
        let Some(kv) = &event.kv else { return };
        let deleted = event.r#type == EventType::Delete as i32;
        let version = Version { revision: kv.mod_revision, kv: (!deleted).then(|| kv.clone()) };
        let versions = self.keys.entry(kv.key.clone()).or_default();
        let before = versions.last().map_or(0, Version::size);
        self.live_bytes = self.live_bytes - before + version.size();
        match versions.last_mut() {
            // Put and deleted within one transaction: the later counts.
            Some(last) if last.revision == version.revision => *last = version,
            _ => versions.push(version),
        }
    }

    /// Makes the applied events the newest revision. The caller sees to it that there is at least one.
    pub(super) fn commit(&mut self, revision: i64, events: Vec<PbEvent>) -> &Committed {
        self.revision = revision;
        let size = events.iter().map(prost::Message::encoded_len).sum();
        self.history_bytes += size;
        self.history.push_back(Committed { revision, events, size });
        &self.history[self.history.len() - 1]
    }

    /// The revision up to which history should go, when there is too much of it.
    pub(super) fn excess(&self) -> Option<i64> {
        if self.history.len() <= MAX_HISTORY && self.history_bytes <= MAX_HISTORY_BYTES {
            return None;
        }
        let mut bytes = 0;
        let keep = self
            .history
            .iter()
            .rev()
            .take(MAX_HISTORY / 2)
            .take_while(|committed| {
                bytes += committed.size;
                bytes <= MAX_HISTORY_BYTES / 2
            })
            .count();
        // Never the newest: somebody may be about to read it.
        let keep = keep.max(1);
        self.history.get(self.history.len() - keep).map(|committed| committed.revision)
    }

    /// Forgets what was superseded before `revision`, which itself stays readable.
    pub(super) fn compact(&mut self, revision: i64) -> Result<(), RevisionError> {
        if revision <= self.compacted {
            return Err(RevisionError::Compacted);
        }
        if revision > self.revision {
            return Err(RevisionError::Future);
        }
        self.compacted = revision;
        while let Some(oldest) = self.history.front().filter(|oldest| oldest.revision < revision) {
            self.history_bytes -= oldest.size;
            self.history.pop_front();
        }
        self.keys.retain(|_, versions| {
            let superseded =
                versions.partition_point(|version| version.revision <= revision).saturating_sub(1);
            versions.drain(..superseded);
            if versions.first().is_some_and(|first| first.kv.is_none() && first.revision < revision) {
                versions.remove(0);
            }
            !versions.is_empty()
        });
        Ok(())
    }

    /// What is kept of the history, from `revision` on.
    pub(super) fn history(&self, revision: i64) -> impl Iterator<Item = &Committed> {
        let start = self.history.partition_point(|committed| committed.revision < revision);
        self.history.range(start..)
    }

    /// The oldest state that is still known, and its revision: the history from there on leads to the present.
    pub(super) fn base(&self) -> (i64, Vec<PbKeyValue>) {
        let revision = self.history.front().map_or(self.revision, |oldest| oldest.revision - 1);
        let all = KeyRange::new(vec![0], vec![0]);
        (revision, self.range_at(&all, revision).cloned().collect())
    }

    /// Bytes of the keys as they stand and of their history.
    pub(super) fn size(&self) -> usize {
        self.live_bytes + self.history_bytes
    }
}

fn at(versions: &[Version], revision: i64) -> Option<&PbKeyValue> {
    let newer = versions.partition_point(|version| version.revision <= revision);
    versions[..newer].last()?.kv.as_ref()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(store: &mut Store, key: &str, value: &str) {
        let revision = store.revision() + 1;
        let event = store.put_event(revision, key.into(), value.into(), 0);
        store.apply(&event);
        store.commit(revision, vec![event]);
    }

    fn delete(store: &mut Store, key: &str) {
        let revision = store.revision() + 1;
        let event = Store::delete_event(revision, key.into());
        store.apply(&event);
        store.commit(revision, vec![event]);
    }

    fn values(store: &Store, revision: i64) -> String {
        let all = KeyRange::new(vec![0], vec![0]);
        let pairs: Vec<String> = store
            .range_at(&all, revision)
            .map(|kv| format!("{}={}", String::from_utf8_lossy(&kv.key), String::from_utf8_lossy(&kv.value)))
            .collect();
        pairs.join(" ")
    }

    fn example() -> Store {
        let mut store = Store::default();
        put(&mut store, "a", "1");
        put(&mut store, "b", "1");
        put(&mut store, "a", "2");
        delete(&mut store, "b");
        put(&mut store, "b", "3");
        store
    }

    #[test]
    fn every_revision_can_be_read() {
        let store = example();
        let states: Vec<String> = (1..=6).map(|revision| values(&store, revision)).collect();
        assert_eq!(states, ["", "a=1", "a=1 b=1", "a=2 b=1", "a=2", "a=2 b=3"]);
        let b = store.current(b"b").unwrap();
        assert_eq!((b.create_revision, b.mod_revision, b.version), (6, 6, 1));
        let a = store.current(b"a").unwrap();
        assert_eq!((a.create_revision, a.mod_revision, a.version), (2, 4, 2));
    }

    #[test]
    fn compaction_keeps_the_present_and_its_revision() {
        for revision in 2..=6 {
            let mut store = example();
            let before: Vec<String> = (revision..=6).map(|at| values(&store, at)).collect();
            store.compact(revision).unwrap();
            assert_eq!((revision..=6).map(|at| values(&store, at)).collect::<Vec<_>>(), before);
            assert_eq!(store.check(revision - 1), Err(RevisionError::Compacted));
            assert_eq!(store.compact(revision), Err(RevisionError::Compacted));
            assert_eq!(store.history(0).next().unwrap().revision, revision);
        }
        assert_eq!(example().compact(7), Err(RevisionError::Future));
    }

    #[test]
    fn base_and_history_lead_to_the_present() {
        for compacted in [None, Some(3), Some(6)] {
            let mut store = example();
            if let Some(revision) = compacted {
                store.compact(revision).unwrap();
            }
            let (revision, kvs) = store.base();
            let mut again = Store::restore(revision, kvs);
            for committed in store.history(0) {
                committed.events.iter().for_each(|event| again.apply(event));
                again.commit(committed.revision, committed.events.clone());
            }
            assert_eq!((again.revision(), values(&again, 6)), (6, "a=2 b=3".to_owned()), "{compacted:?}");
            assert_eq!(again.size(), store.size(), "{compacted:?}");
        }
    }

    #[test]
    fn history_is_bounded() {
        let mut store = Store::default();
        for number in 0..=MAX_HISTORY {
            put(&mut store, "a", &number.to_string());
        }
        let excess = store.excess().unwrap();
        store.compact(excess).unwrap();
        assert_eq!(store.history(0).count(), MAX_HISTORY / 2);
        assert_eq!(store.excess(), None);
        assert_eq!(store.current(b"a").unwrap().value, MAX_HISTORY.to_string().into_bytes());
    }

    #[test]
    fn ranges() {
        let range = |start: &str, end: &[u8]| KeyRange::new(start.into(), end.to_vec());
        let store = example();
        for (range, keys) in [
            (range("a", b""), 1),
            (range("a", b"b"), 1),
            (range("a", b"c"), 2),
            (range("b", b"a"), 0),
            (range("a", b"a"), 0),
            (range("b", b"\0"), 1),
            (range("\0", b"\0"), 2),
        ] {
            assert_eq!(store.range(&range).count(), keys, "{range:?}");
        }
    }
}
