//! Values as code wants them: typed, and where every command looks at them, without a lock.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use super::{Config, find};
use crate::{
    connection::output,
    node::{
        events::Wanted,
        keyspace::eviction::Policy,
        object::{hash, list::Fill, set, stream, zset},
        persist::SavePoint,
        rdb::Forms,
    },
    protocol::Limits,
};

/// Copies that are read without a lock.
#[derive(Debug, Default)]
pub(super) struct Hot {
    bulk: AtomicUsize,
    query_buffer: AtomicUsize,
    max_clients: AtomicU64,
    keepalive: AtomicU64,
    timeout: AtomicI64,
    hz: AtomicU64,
    effort: AtomicU64,
    max_memory: AtomicU64,
    client_memory: AtomicUsize,
    needs_replicas: AtomicBool,
    guards: AtomicBool,
    lfu: AtomicBool,
    lfu_log_factor: AtomicI64,
    lfu_decay_time: AtomicI64,
    list_fill: AtomicI64,
    hash_fields: AtomicUsize,
    hash_length: AtomicUsize,
    set_integers: AtomicUsize,
    set_members: AtomicUsize,
    set_length: AtomicUsize,
    zset_members: AtomicUsize,
    hll_sparse_bytes: AtomicUsize,
    zset_length: AtomicUsize,
    stream_bytes: AtomicUsize,
    stream_entries: AtomicUsize,
    tracked_keys: AtomicUsize,
    slow_micros: AtomicU64,
    slow_most: AtomicUsize,
    keeps_times: AtomicBool,
    latency_millis: AtomicU64,
    frees_expired_lazily: AtomicBool,
    frees_evicted_lazily: AtomicBool,
    frees_deleted_lazily: AtomicBool,
    notes_times: AtomicBool,
    compresses: AtomicBool,
    output: Mutex<output::Limits>,
}

impl Config {
    pub(super) fn refresh(&self, values: &[String]) {
        let number = |name: &str| {
            find(name.as_bytes()).and_then(|index| values[index].parse::<i64>().ok()).unwrap_or_default()
        };
        let size = |name| usize::try_from(number(name)).unwrap_or(usize::MAX);
        let hot = &self.hot;
        hot.bulk.store(size("proto-max-bulk-len"), Relaxed);
        hot.query_buffer.store(size("client-query-buffer-limit"), Relaxed);
        hot.max_clients.store(number("maxclients").unsigned_abs(), Relaxed);
        hot.keepalive.store(number("tcp-keepalive").unsigned_abs(), Relaxed);
        hot.timeout.store(number("timeout"), Relaxed);
        hot.hz.store(number("hz").unsigned_abs().max(1), Relaxed);
        hot.effort.store(number("active-expire-effort").unsigned_abs(), Relaxed);
        hot.lfu_log_factor.store(number("lfu-log-factor"), Relaxed);
        hot.lfu_decay_time.store(number("lfu-decay-time"), Relaxed);
        let slow = u64::try_from(number("slowlog-log-slower-than")).unwrap_or(u64::MAX);
        hot.slow_micros.store(slow, Relaxed);
        hot.slow_most.store(size("slowlog-max-len"), Relaxed);
        hot.latency_millis.store(number("latency-monitor-threshold").unsigned_abs(), Relaxed);
        let is_yes = |name: &[u8]| find(name).is_some_and(|index| values[index] == "yes");
        hot.keeps_times.store(is_yes(b"latency-tracking"), Relaxed);
        hot.frees_expired_lazily.store(is_yes(b"lazyfree-lazy-expire"), Relaxed);
        hot.frees_evicted_lazily.store(is_yes(b"lazyfree-lazy-eviction"), Relaxed);
        hot.frees_deleted_lazily.store(is_yes(b"lazyfree-lazy-user-del"), Relaxed);
        hot.notes_times.store(is_yes(b"aof-timestamp-enabled"), Relaxed);
        hot.compresses.store(is_yes(b"rdbcompression"), Relaxed);
        hot.tracked_keys.store(size("tracking-table-max-keys"), Relaxed);
        hot.list_fill.store(number("list-max-listpack-size"), Relaxed);
        hot.hash_fields.store(size("hash-max-listpack-entries"), Relaxed);
        hot.hash_length.store(size("hash-max-listpack-value"), Relaxed);
        hot.set_integers.store(size("set-max-intset-entries"), Relaxed);
        hot.set_members.store(size("set-max-listpack-entries"), Relaxed);
        hot.set_length.store(size("set-max-listpack-value"), Relaxed);
        hot.hll_sparse_bytes.store(size("hll-sparse-max-bytes"), Relaxed);
        hot.zset_members.store(size("zset-max-listpack-entries"), Relaxed);
        hot.zset_length.store(size("zset-max-listpack-value"), Relaxed);
        hot.stream_bytes.store(size("stream-node-max-bytes"), Relaxed);
        hot.stream_entries.store(size("stream-node-max-entries"), Relaxed);
        let policy = find(b"maxmemory-policy").map_or("", |index| &values[index]);
        hot.lfu.store(policy.ends_with("lfu"), Relaxed);
        hot.max_memory.store(number("maxmemory").unsigned_abs(), Relaxed);
        let clients = find(b"maxmemory-clients").map_or("", |index| &values[index]);
        let clients = match clients.strip_suffix('%') {
            // Its last digits do not matter.
            Some(percent) => number("maxmemory") / 100 * percent.parse().unwrap_or(0),
            None => clients.parse().unwrap_or(0),
        };
        hot.client_memory.store(usize::try_from(clients).unwrap_or(0), Relaxed);
        hot.needs_replicas
            .store(number("min-replicas-to-write") > 0 && number("min-replicas-max-lag") > 0, Relaxed);
        hot.guards.store(self.needs_replicas() || self.max_memory() != 0, Relaxed);
        let output = find(b"client-output-buffer-limit").map_or("", |index| &values[index]);
        let output = output::Limits::default().updated(output.as_bytes()).unwrap_or_default();
        *hot.output.lock().unwrap_or_else(PoisonError::into_inner) = output;
    }

    /// `maxmemory`; 0 is no limit.
    #[must_use]
    #[inline]
    pub fn max_memory(&self) -> u64 {
        self.hot.max_memory.load(Relaxed)
    }

    /// `maxmemory-clients` in bytes, if there is such a limit. A part of `maxmemory` is none while that is none.
    #[must_use]
    #[inline]
    pub fn client_memory_limit(&self) -> Option<usize> {
        Some(self.hot.client_memory.load(Relaxed)).filter(|&limit| limit != 0)
    }

    /// `lazyfree-lazy-expire`: what a journal is told of keys that expire. How they are freed does not depend on it.
    #[must_use]
    pub fn frees_expired_lazily(&self) -> bool {
        self.hot.frees_expired_lazily.load(Relaxed)
    }

    /// `lazyfree-lazy-eviction`: the same of evicted keys.
    #[must_use]
    pub fn frees_evicted_lazily(&self) -> bool {
        self.hot.frees_evicted_lazily.load(Relaxed)
    }

    /// `lazyfree-lazy-user-del`: the same of keys that commands take away.
    #[must_use]
    pub fn frees_deleted_lazily(&self) -> bool {
        self.hot.frees_deleted_lazily.load(Relaxed)
    }

    /// `rdbcompression`.
    #[must_use]
    pub fn compresses(&self) -> bool {
        self.hot.compresses.load(Relaxed)
    }

    /// `aof-timestamp-enabled`.
    #[must_use]
    pub fn notes_times(&self) -> bool {
        self.hot.notes_times.load(Relaxed)
    }

    /// Whether [`Config::max_memory`] or [`Config::needs_replicas`] may keep a command from running.
    #[must_use]
    #[inline]
    pub fn guards(&self) -> bool {
        self.hot.guards.load(Relaxed)
    }

    /// `min-replicas-to-write`: there are none, so nothing is written if it wants one.
    #[must_use]
    #[inline]
    pub fn needs_replicas(&self) -> bool {
        self.hot.needs_replicas.load(Relaxed)
    }

    /// `save`.
    #[must_use]
    pub fn save_points(&self) -> Vec<SavePoint> {
        let text = self.get("save").unwrap_or_default();
        let numbers: Vec<u64> = text.split_ascii_whitespace().filter_map(|word| word.parse().ok()).collect();
        numbers.chunks_exact(2).map(|pair| SavePoint { seconds: pair[0], changes: pair[1] }).collect()
    }

    /// `key-load-delay`.
    #[must_use]
    pub fn load_delay(&self) -> Duration {
        let micros = self.get("key-load-delay").and_then(|value| value.parse().ok());
        Duration::from_micros(micros.unwrap_or(0))
    }

    /// Whether nothing may be written while snapshots fail: `stop-writes-on-bgsave-error`, if there are to be any.
    #[must_use]
    pub fn stops_writes(&self) -> bool {
        self.get("stop-writes-on-bgsave-error").is_some_and(|value| value == "yes")
            && !self.save_points().is_empty()
    }

    /// `maxmemory-policy`, `maxmemory-samples`, and how long one command may evict, by `maxmemory-eviction-tenacity`.
    #[must_use]
    pub fn eviction(&self) -> (Option<Policy>, usize, Duration) {
        let policy = self.get("maxmemory-policy").and_then(|name| Policy::of(&name));
        let number = |name| self.get(name).and_then(|text| text.parse::<u32>().ok()).unwrap_or_default();
        let time = match number("maxmemory-eviction-tenacity") {
            tenacity @ 0..=10 => Duration::from_micros(50 * u64::from(tenacity)),
            // Redis's curve: 15 percent more for each, up to two minutes.
            tenacity @ 11..=99 => {
                let micros = 500.0 * 1.15_f64.powi(i32::try_from(tenacity - 10).unwrap_or(0));
                Duration::from_secs_f64(micros / 1e6)
            }
            _ => Duration::MAX,
        };
        (policy, usize::try_from(number("maxmemory-samples")).unwrap_or(5).max(1), time)
    }

    /// What a client may send.
    #[must_use]
    pub fn limits(&self) -> Limits {
        Limits {
            bulk: self.hot.bulk.load(Relaxed),
            query_buffer: self.hot.query_buffer.load(Relaxed),
            ..Limits::default()
        }
    }

    /// Bytes that a string may grow to: `proto-max-bulk-len`, which a client could send at once.
    #[must_use]
    pub fn max_string(&self) -> usize {
        self.hot.bulk.load(Relaxed)
    }

    /// `slowlog-log-slower-than`; the longest there is for never.
    #[must_use]
    pub fn slow_threshold(&self) -> Duration {
        Duration::from_micros(self.hot.slow_micros.load(Relaxed))
    }

    /// `latency-tracking`.
    #[must_use]
    pub fn keeps_times(&self) -> bool {
        self.hot.keeps_times.load(Relaxed)
    }

    /// `latency-monitor-threshold`, if anything is watched.
    #[must_use]
    pub fn latency_threshold(&self) -> Option<Duration> {
        Some(self.hot.latency_millis.load(Relaxed)).filter(|&millis| millis > 0).map(Duration::from_millis)
    }

    /// `latency-tracking-info-percentiles`, as they are written.
    #[must_use]
    pub fn percentiles(&self) -> Vec<String> {
        let text = self.get("latency-tracking-info-percentiles").unwrap_or_default();
        text.split_ascii_whitespace().map(str::to_owned).collect()
    }

    /// `slowlog-max-len`.
    #[must_use]
    pub fn slow_most(&self) -> usize {
        self.hot.slow_most.load(Relaxed)
    }

    /// `aclfile`, if there is one.
    #[must_use]
    pub fn acl_file(&self) -> Option<String> {
        self.get("aclfile").filter(|path| !path.is_empty())
    }

    /// `acllog-max-len`.
    #[must_use]
    pub fn acl_log_most(&self) -> usize {
        self.get("acllog-max-len").and_then(|most| most.parse().ok()).unwrap_or_default()
    }

    /// `acl-pubsub-default`: whether new users may use all channels.
    #[must_use]
    pub fn allows_all_channels(&self) -> bool {
        self.get("acl-pubsub-default").is_some_and(|default| default == "allchannels")
    }

    /// `tracking-table-max-keys`; 0 is no limit.
    #[must_use]
    pub fn tracked_keys(&self) -> usize {
        self.hot.tracked_keys.load(Relaxed)
    }

    /// `list-max-listpack-size`.
    #[must_use]
    pub fn list_fill(&self) -> Fill {
        Fill::new(i32::try_from(self.hot.list_fill.load(Relaxed)).unwrap_or_default())
    }

    /// `busy-reply-threshold`; 0 is for ever.
    #[must_use]
    pub fn busy_threshold(&self) -> Duration {
        let millis = self.get("busy-reply-threshold").and_then(|millis| millis.parse().ok()).unwrap_or(0);
        if millis == 0 { Duration::MAX } else { Duration::from_millis(millis) }
    }

    /// `hash-max-listpack-…`.
    #[must_use]
    pub fn hash_limits(&self) -> hash::Limits {
        let (fields, length) = (&self.hot.hash_fields, &self.hot.hash_length);
        hash::Limits { fields: fields.load(Relaxed), length: length.load(Relaxed) }
    }

    /// `set-max-…`.
    #[must_use]
    pub fn set_limits(&self) -> set::Limits {
        let Hot { set_integers, set_members, set_length, .. } = &self.hot;
        set::Limits {
            integers: set_integers.load(Relaxed),
            members: set_members.load(Relaxed),
            length: set_length.load(Relaxed),
        }
    }

    /// `hll-sparse-max-bytes`.
    #[must_use]
    pub fn hll_sparse_bytes(&self) -> usize {
        self.hot.hll_sparse_bytes.load(Relaxed)
    }

    /// `zset-max-listpack-…`.
    #[must_use]
    pub fn zset_limits(&self) -> zset::Limits {
        let (members, length) = (&self.hot.zset_members, &self.hot.zset_length);
        zset::Limits { members: members.load(Relaxed), length: length.load(Relaxed) }
    }

    /// How long collections stay compact.
    #[must_use]
    pub fn forms(&self) -> Forms {
        Forms { hash: self.hash_limits(), set: self.set_limits(), zset: self.zset_limits() }
    }

    /// `stream-node-max-…`.
    #[must_use]
    pub fn stream_limits(&self) -> stream::Limits {
        let (bytes, entries) = (&self.hot.stream_bytes, &self.hot.stream_entries);
        stream::Limits { bytes: bytes.load(Relaxed), entries: entries.load(Relaxed) }
    }

    /// `notify-keyspace-events`.
    #[must_use]
    pub fn events(&self) -> Wanted {
        Wanted::parse(self.get("notify-keyspace-events").unwrap_or_default().as_bytes()).unwrap_or_default()
    }

    /// `client-output-buffer-limit`.
    #[must_use]
    pub fn output_limits(&self) -> output::Limits {
        *self.hot.output.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `maxclients`.
    #[must_use]
    pub fn max_clients(&self) -> u64 {
        self.hot.max_clients.load(Relaxed)
    }

    /// `tcp-keepalive`; 0 is never.
    #[must_use]
    pub fn tcp_keepalive(&self) -> Option<Duration> {
        Some(self.hot.keepalive.load(Relaxed)).filter(|&seconds| seconds != 0).map(Duration::from_secs)
    }

    /// `timeout` in milliseconds: idle clients are closed after it; 0 is never.
    #[must_use]
    pub fn idle_timeout(&self) -> i64 {
        self.hot.timeout.load(Relaxed) * 1000
    }

    /// Between two rounds of housekeeping.
    #[must_use]
    pub fn tick(&self) -> Duration {
        Duration::from_millis(1000 / self.hot.hz.load(Relaxed))
    }

    /// `active-expire-effort`, 1 to 10.
    #[must_use]
    pub fn expire_effort(&self) -> u64 {
        self.hot.effort.load(Relaxed)
    }

    /// Whether keys count how often they are used instead of when (`maxmemory-policy` ends in `lfu`).
    #[must_use]
    pub fn lfu(&self) -> bool {
        self.hot.lfu.load(Relaxed)
    }

    /// `lfu-log-factor` and `lfu-decay-time` (minutes).
    #[must_use]
    pub fn lfu_shape(&self) -> (i64, i64) {
        (self.hot.lfu_log_factor.load(Relaxed), self.hot.lfu_decay_time.load(Relaxed))
    }
}
