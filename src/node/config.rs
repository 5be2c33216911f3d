//! `CONFIG`: the parameters of a node, their types and bounds, and those that the hot path reads.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use super::{
    keyspace::eviction::Policy,
    object::{hash, list::Fill, set, stream, zset},
    outbox,
    pubsub::events::Wanted,
    rdb::Forms,
};
use crate::protocol::{
    BUFFER_MAX, Limits,
    number::{parse_i64, parse_memory},
};

/// What values a parameter takes.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Bool,
    Integer {
        min: i64,
        max: i64,
    },
    /// Bytes, with units such as `1gb`.
    Memory {
        min: i64,
        max: i64,
    },
    /// The same, or a part of `maxmemory` such as `5%`.
    MemoryOrPercent,
    /// Bytes of what a client sends.
    Buffer,
    Choice(&'static [&'static str]),
    /// Letters of [`Wanted`].
    Events,
    /// Some of the classes of [`outbox::Limits`].
    OutputLimits,
    /// Numbers from 0 to 100.
    Percentiles,
    Text,
}

/// Who may change a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Access {
    /// `CONFIG SET`.
    Settable,
    /// Only the command line, or nobody.
    Fixed,
    /// Settable in Redis; here to the one value it has. The text says why.
    Only(&'static str),
}

#[derive(Debug)]
struct Parameter {
    name: &'static str,
    kind: Kind,
    access: Access,
    default: &'static str,
    /// Shown only to those who know its name.
    hidden: bool,
}

const fn settable(name: &'static str, kind: Kind, default: &'static str) -> Parameter {
    Parameter { name, kind, access: Access::Settable, default, hidden: false }
}

const fn fixed(name: &'static str, default: &'static str) -> Parameter {
    Parameter { name, kind: Kind::Text, access: Access::Fixed, default, hidden: false }
}

const fn hidden(name: &'static str, default: &'static str) -> Parameter {
    Parameter { name, kind: Kind::Text, access: Access::Fixed, default, hidden: true }
}

/// Tools set what they rely on, often to the value it has.
const fn only(name: &'static str, kind: Kind, value: &'static str, reason: &'static str) -> Parameter {
    Parameter { name, kind, access: Access::Only(reason), default: value, hidden: false }
}

const NO_REPLICAS: &str = "this server has no replicas yet";
const AT_START: &str = "this server takes it at its start";
const NO_PERSISTENCE: &str = "this server has no persistence yet";
const INT: i64 = i32::MAX as i64;
const LIST_FILL: Kind = Kind::Integer { min: i32::MIN as i64, max: INT };
/// Parameters with two names.
const ALIASES: &[(&str, &str)] = &[
    ("busy-reply-threshold", "lua-time-limit"),
    ("hash-max-listpack-entries", "hash-max-ziplist-entries"),
    ("hash-max-listpack-value", "hash-max-ziplist-value"),
    ("list-max-listpack-size", "list-max-ziplist-size"),
    ("zset-max-listpack-entries", "zset-max-ziplist-entries"),
    ("zset-max-listpack-value", "zset-max-ziplist-value"),
];
const SIZE: Kind = Kind::Integer { min: 0, max: i64::MAX };
const POLICIES: &[&str] = &[
    "volatile-lru",
    "volatile-lfu",
    "volatile-random",
    "volatile-ttl",
    "allkeys-lru",
    "allkeys-lfu",
    "allkeys-random",
    "noeviction",
];

/// All parameters, by name. Those that say how a node is not (no persistence, no cluster mode) are fixed: clients and
/// tools ask for them.
const PARAMETERS: &[Parameter] = &[
    settable("acl-pubsub-default", Kind::Choice(&["allchannels", "resetchannels"]), "resetchannels"),
    fixed("aclfile", ""),
    settable("acllog-max-len", SIZE, "128"),
    settable("active-expire-effort", Kind::Integer { min: 1, max: 10 }, "1"),
    only("aof-use-rdb-preamble", Kind::Bool, "yes", NO_PERSISTENCE),
    only("appendfsync", Kind::Choice(&["everysec", "always", "no"]), "everysec", NO_PERSISTENCE),
    only("appendonly", Kind::Bool, "no", NO_PERSISTENCE),
    only("bind", Kind::Text, "", AT_START),
    settable("busy-reply-threshold", SIZE, "5000"),
    settable(
        "client-output-buffer-limit",
        Kind::OutputLimits,
        "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60",
    ),
    settable("client-query-buffer-limit", Kind::Buffer, "1073741824"),
    fixed("cluster-enabled", "no"),
    fixed("daemonize", "no"),
    fixed("databases", "16"),
    fixed("dbfilename", ""),
    fixed("dir", ""),
    only("dynamic-hz", Kind::Bool, "no", "this server has one frequency"),
    fixed("enable-debug-command", "no"),
    settable("hash-max-listpack-entries", SIZE, "512"),
    settable("hash-max-listpack-value", SIZE, "64"),
    settable("hash-max-ziplist-entries", SIZE, "512"),
    settable("hash-max-ziplist-value", SIZE, "64"),
    settable("hll-sparse-max-bytes", Kind::Memory { min: 0, max: i64::MAX }, "3000"),
    settable("hz", Kind::Integer { min: 1, max: 500 }, "10"),
    fixed("io-threads", "1"),
    hidden("key-load-delay", "0"),
    settable("latency-monitor-threshold", Kind::Integer { min: 0, max: i64::MAX }, "0"),
    settable("latency-tracking", Kind::Bool, "yes"),
    settable("latency-tracking-info-percentiles", Kind::Percentiles, "50 99 99.9"),
    settable("lazyfree-lazy-expire", Kind::Bool, "no"),
    settable("lazyfree-lazy-server-del", Kind::Bool, "no"),
    settable("lazyfree-lazy-user-del", Kind::Bool, "no"),
    settable("lazyfree-lazy-user-flush", Kind::Bool, "no"),
    settable("lfu-decay-time", Kind::Integer { min: 0, max: INT }, "1"),
    settable("lfu-log-factor", Kind::Integer { min: 0, max: INT }, "10"),
    settable("list-compress-depth", Kind::Integer { min: 0, max: INT }, "0"),
    settable("list-max-listpack-size", LIST_FILL, "-2"),
    settable("list-max-ziplist-size", LIST_FILL, "-2"),
    fixed("logfile", ""),
    only("loglevel", Kind::Text, "notice", AT_START),
    settable("lua-time-limit", SIZE, "5000"),
    only("masterauth", Kind::Text, "", NO_REPLICAS),
    only("masteruser", Kind::Text, "", NO_REPLICAS),
    settable("maxclients", Kind::Integer { min: 1, max: u32::MAX as i64 }, "10000"),
    settable("maxmemory", Kind::Memory { min: 0, max: i64::MAX }, "0"),
    only("maxmemory-clients", Kind::MemoryOrPercent, "0", "this server does not evict clients yet"),
    settable("maxmemory-eviction-tenacity", Kind::Integer { min: 0, max: 100 }, "10"),
    settable("maxmemory-policy", Kind::Choice(POLICIES), "noeviction"),
    settable("maxmemory-samples", Kind::Integer { min: 1, max: INT }, "5"),
    settable("min-replicas-max-lag", Kind::Integer { min: 0, max: INT }, "10"),
    settable("min-replicas-to-write", Kind::Integer { min: 0, max: INT }, "0"),
    settable("notify-keyspace-events", Kind::Events, ""),
    only(
        "port",
        Kind::Text,
        "0",
        "Unable to listen on this port: this server takes its address at its start",
    ),
    only("protected-mode", Kind::Bool, "no", "this server has no protected mode"),
    settable("proto-max-bulk-len", Kind::Buffer, "536870912"),
    only("repl-backlog-size", Kind::Memory { min: 1, max: i64::MAX }, "1048576", NO_REPLICAS),
    only("repl-ping-replica-period", Kind::Text, "10", NO_REPLICAS),
    only("repl-timeout", Kind::Text, "60", NO_REPLICAS),
    fixed("replicaof", ""),
    settable("requirepass", Kind::Text, ""),
    only("save", Kind::Text, "", NO_PERSISTENCE),
    settable("set-max-intset-entries", SIZE, "512"),
    settable("set-max-listpack-entries", SIZE, "128"),
    settable("set-max-listpack-value", SIZE, "64"),
    fixed("slaveof", ""),
    settable("slowlog-log-slower-than", Kind::Integer { min: -1, max: i64::MAX }, "10000"),
    settable("slowlog-max-len", Kind::Integer { min: 0, max: i64::MAX }, "128"),
    settable("stream-node-max-bytes", SIZE, "4096"),
    settable("stream-node-max-entries", SIZE, "100"),
    fixed("supervised", "no"),
    fixed("tcp-backlog", "4096"),
    settable("tcp-keepalive", Kind::Integer { min: 0, max: INT }, "300"),
    settable("timeout", Kind::Integer { min: 0, max: INT }, "0"),
    settable("tracking-table-max-keys", Kind::Integer { min: 0, max: i64::MAX }, "1000000"),
    fixed("unixsocket", ""),
    settable("zset-max-listpack-entries", SIZE, "128"),
    settable("zset-max-listpack-value", SIZE, "64"),
    settable("zset-max-ziplist-entries", SIZE, "128"),
    settable("zset-max-ziplist-value", SIZE, "64"),
];

fn find(name: &[u8]) -> Option<usize> {
    PARAMETERS.iter().position(|parameter| parameter.name.as_bytes().eq_ignore_ascii_case(name))
}

/// Sets a parameter, under its other name too.
fn put(values: &mut [String], index: usize, value: String) {
    let name = PARAMETERS[index].name;
    let other = ALIASES.iter().find_map(|&(a, b)| match name {
        _ if name == a => Some(b),
        _ if name == b => Some(a),
        _ => None,
    });
    if let Some(other) = other.and_then(|other| find(other.as_bytes())) {
        values[other].clone_from(&value);
    }
    values[index] = value;
}

impl Parameter {
    /// A value as it is shown.
    fn shown(&self, value: &str) -> String {
        match self.kind {
            Kind::Events => Wanted::parse(value.as_bytes()).unwrap_or_default().shown(),
            _ => value.to_owned(),
        }
    }

    /// The value as it is kept after `current`, or what is wrong with it in Redis's words.
    fn parse(&self, value: &[u8], current: &str) -> Result<String, String> {
        let text = || String::from_utf8_lossy(value).into_owned();
        let within = |number: i64, min: i64, max: i64| {
            if (min..=max).contains(&number) {
                Ok(number.to_string())
            } else {
                Err(format!("argument must be between {min} and {max} inclusive"))
            }
        };
        match self.kind {
            Kind::Bool => match value.to_ascii_lowercase().as_slice() {
                b"yes" => Ok("yes".into()),
                b"no" => Ok("no".into()),
                _ => Err("argument must be 'yes' or 'no'".into()),
            },
            // Redis brings it into its bounds without a word.
            Kind::Integer { min, max } if self.name == "hz" => match parse_i64(value) {
                Some(number) if (0..=INT).contains(&number) => Ok(number.clamp(min, max).to_string()),
                Some(_) => Err(format!("argument must be between 0 and {INT} inclusive")),
                None => Err("argument couldn't be parsed into an integer".into()),
            },
            Kind::Integer { min, max } => {
                let number = parse_i64(value).ok_or("argument couldn't be parsed into an integer")?;
                within(number, min, max)
            }
            Kind::Buffer => {
                let number = parse_memory(value).ok_or("argument must be a memory value")?;
                let most = i64::try_from(BUFFER_MAX).unwrap_or(i64::MAX);
                match within(number, 1 << 20, i64::MAX) {
                    Ok(_) if number > most => Err(format!("this server takes at most {most}")),
                    checked => checked,
                }
            }
            Kind::Memory { min, max } => {
                within(parse_memory(value).ok_or("argument must be a memory value")?, min, max)
            }
            Kind::MemoryOrPercent => match value.strip_suffix(b"%") {
                Some(percent) => match parse_i64(percent) {
                    Some(0..=100) => Ok(text()),
                    Some(101..) => Err("percentage argument must be less or equal to 100".into()),
                    _ => Err("argument must be a memory or percent value".into()),
                },
                None => {
                    let bytes = parse_memory(value).ok_or("argument must be a memory or percent value")?;
                    within(bytes, 0, i64::MAX)
                }
            },
            Kind::Choice(choices) => choices
                .iter()
                .find(|choice| choice.as_bytes().eq_ignore_ascii_case(value))
                .map(|&choice| choice.to_owned())
                .ok_or_else(|| format!("argument(s) must be one of the following: {}", choices.join(", "))),
            Kind::Events => Wanted::parse(value)
                .map(Wanted::letters)
                .ok_or_else(|| "Invalid event class character. Use 'Ag$lshzxeKEtmdn'.".to_owned()),
            Kind::OutputLimits => {
                let current = outbox::Limits::default().updated(current.as_bytes())?;
                Ok(current.updated(value)?.to_string())
            }
            Kind::Percentiles => percentiles(&text()),
            Kind::Text => Ok(text()),
        }
    }
}

/// Numbers from 0 to 100, written as Redis writes them.
fn percentiles(text: &str) -> Result<String, String> {
    let number = |word: &str| {
        let number: f64 =
            word.parse().map_err(|_| "Invalid latency-tracking-info-percentiles parameters".to_owned())?;
        if (0.0..=100.0).contains(&number) {
            Ok(number.to_string())
        } else {
            Err("latency-tracking-info-percentiles parameters should sit between [0.0,100.0]".to_owned())
        }
    };
    Ok(text.split_ascii_whitespace().map(number).collect::<Result<Vec<_>, _>>()?.join(" "))
}

/// The parameters of one node.
#[derive(Debug)]
pub struct Config {
    values: Mutex<Vec<String>>,
    hot: Hot,
}

/// Copies that are read without a lock.
#[derive(Debug, Default)]
struct Hot {
    bulk: AtomicUsize,
    query_buffer: AtomicUsize,
    max_clients: AtomicU64,
    keepalive: AtomicU64,
    timeout: AtomicI64,
    hz: AtomicU64,
    effort: AtomicU64,
    max_memory: AtomicU64,
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
    output: Mutex<outbox::Limits>,
}

impl Default for Config {
    fn default() -> Self {
        let config = Self {
            values: Mutex::new(PARAMETERS.iter().map(|parameter| parameter.default.to_owned()).collect()),
            hot: Hot::default(),
        };
        config.refresh(&config.values());
        config
    }
}

impl Config {
    fn values(&self) -> MutexGuard<'_, Vec<String>> {
        self.values.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A value as `CONFIG GET` shows it.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<String> {
        find(name.as_bytes()).map(|index| self.values()[index].clone())
    }

    /// Parameters whose name fits a pattern, by name; hidden ones only where the pattern is their name.
    pub fn matching(&self, fits: impl Fn(&str) -> bool, is_name: bool) -> Vec<(&'static str, String)> {
        let values = self.values();
        PARAMETERS
            .iter()
            .zip(values.iter())
            .filter(|(parameter, _)| fits(parameter.name) && (is_name || !parameter.hidden))
            .map(|(parameter, value)| (parameter.name, parameter.shown(value)))
            .collect()
    }

    /// What the command line says; also of fixed parameters.
    ///
    /// # Errors
    /// When there is no such parameter or it does not take the value.
    pub fn preset(&self, name: &str, value: &str) -> Result<(), String> {
        let index = find(name.as_bytes()).ok_or_else(|| format!("no parameter {name}"))?;
        let mut values = self.values();
        let value = PARAMETERS[index]
            .parse(value.as_bytes(), &values[index])
            .map_err(|reason| format!("{name}: {reason}"))?;
        put(&mut values, index, value);
        self.refresh(&values);
        Ok(())
    }

    /// `CONFIG SET`: all pairs or none. Returns the names that were set.
    ///
    /// # Errors
    /// The text of Redis, code first.
    pub fn set<'a>(
        &self,
        pairs: impl Iterator<Item = (&'a [u8], &'a [u8])>,
    ) -> Result<Vec<&'static str>, Vec<u8>> {
        let mut changes: Vec<(usize, String)> = Vec::new();
        let mut first_failure = None;
        let mut values = self.values();
        for (name, value) in pairs {
            let Some(index) = find(name) else {
                return Err(
                    [b"ERR Unknown option or number of arguments for CONFIG SET - '", name, b"'"].concat()
                );
            };
            let parameter = &PARAMETERS[index];
            let checked = if parameter.access == Access::Fixed {
                Err("can't set immutable config".to_owned())
            } else if changes.iter().any(|(known, _)| *known == index) {
                Err("duplicate parameter".to_owned())
            } else {
                parameter.parse(value, &values[index]).and_then(|value| match parameter.access {
                    Access::Only(reason) if value != values[index] => {
                        Err(format!("{reason}: only '{}' is possible", values[index]))
                    }
                    _ => Ok(value),
                })
            };
            match checked {
                Ok(value) => changes.push((index, value)),
                // An unknown name further on is reported first, as in Redis.
                Err(reason) => {
                    first_failure.get_or_insert((parameter.name, reason));
                }
            }
        }
        if let Some((name, reason)) = first_failure {
            let text = format!("ERR CONFIG SET failed (possibly related to argument '{name}') - {reason}");
            return Err(text.into_bytes());
        }
        let names = changes.iter().map(|(index, _)| PARAMETERS[*index].name).collect();
        for (index, value) in changes {
            put(&mut values, index, value);
        }
        self.refresh(&values);
        Ok(names)
    }

    fn refresh(&self, values: &[String]) {
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
        let keeps = find(b"latency-tracking").is_some_and(|index| values[index] == "yes");
        hot.keeps_times.store(keeps, Relaxed);
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
        hot.needs_replicas
            .store(number("min-replicas-to-write") > 0 && number("min-replicas-max-lag") > 0, Relaxed);
        hot.guards.store(self.needs_replicas() || self.max_memory() != 0, Relaxed);
        let output = find(b"client-output-buffer-limit").map_or("", |index| &values[index]);
        let output = outbox::Limits::default().updated(output.as_bytes()).unwrap_or_default();
        *hot.output.lock().unwrap_or_else(PoisonError::into_inner) = output;
    }

    /// `maxmemory`; 0 is no limit.
    #[must_use]
    #[inline]
    pub fn max_memory(&self) -> u64 {
        self.hot.max_memory.load(Relaxed)
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
    pub fn output_limits(&self) -> outbox::Limits {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn set(config: &Config, pairs: &[(&str, &str)]) -> Result<Vec<&'static str>, String> {
        config
            .set(pairs.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())))
            .map_err(|text| String::from_utf8(text).unwrap())
    }

    #[test]
    fn every_default_is_a_value_of_its_parameter() {
        assert!(PARAMETERS.is_sorted_by_key(|parameter| parameter.name));
        for parameter in PARAMETERS {
            assert_eq!(
                parameter.parse(parameter.default.as_bytes(), parameter.default).as_deref(),
                Ok(parameter.default)
            );
        }
    }

    #[test]
    fn what_a_client_sends_has_room_in_32_bits() {
        let config = Config::default();
        for name in ["proto-max-bulk-len", "client-query-buffer-limit"] {
            assert_eq!(set(&config, &[(name, "3gb")]).unwrap(), [name]);
            let refused = set(&config, &[(name, "4gb")]).unwrap_err();
            assert!(refused.ends_with(&format!("this server takes at most {BUFFER_MAX}")), "{refused}");
            assert!(set(&config, &[(name, "1")]).unwrap_err().contains("argument must be between 1048576"));
        }
        assert_eq!(config.limits().bulk, 3 << 30);
    }

    #[test]
    fn all_or_nothing() {
        let config = Config::default();
        set(&config, &[("MaxClients", "5"), ("proto-max-bulk-len", "2mb")]).unwrap();
        assert_eq!((config.max_clients(), config.limits().bulk), (5, 2 << 20));
        for (pairs, expected) in [
            (&[("foo", "bar")][..], "ERR Unknown option or number of arguments for CONFIG SET - 'foo'"),
            (&[("timeout", "9"), ("databases", "5")], "'databases') - can't set immutable config"),
            (&[("timeout", "9"), ("timeout", "9")], "'timeout') - duplicate parameter"),
            (&[("timeout", "x")], "argument couldn't be parsed into an integer"),
            (&[("timeout", "-1")], "argument must be between 0 and 2147483647 inclusive"),
            (&[("proto-max-bulk-len", "1.5gb")], "argument must be a memory value"),
            (&[("maxclients", "0"), ("foo", "bar")], "CONFIG SET - 'foo'"),
            (&[("timeout", "9"), ("save", "60 1")], "'save') - this server has no persistence yet: only ''"),
            (&[("client-output-buffer-limit", "normal 1 2")], "Wrong number of arguments in buffer limit"),
            (&[("maxmemory-clients", "1gb")], "this server does not evict clients yet: only '0' is possible"),
            (&[("maxmemory-clients", "200%")], "percentage argument must be less or equal to 100"),
            (&[("appendonly", "maybe")], "argument must be 'yes' or 'no'"),
        ] {
            let error = set(&config, pairs).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
        assert_eq!(config.idle_timeout(), 0);
        set(&config, &[("save", ""), ("maxmemory", "0mb"), ("appendonly", "NO")]).unwrap();
    }
}
