//! All parameters: what values they take, and who may change them.

use crate::{
    connection::output,
    node::events::Wanted,
    protocol::{
        BUFFER_MAX,
        number::{parse_i64, parse_memory},
        quote,
    },
};

/// What values a parameter takes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
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
    /// Some of the classes of [`output::Limits`].
    OutputLimits,
    /// Numbers from 0 to 100.
    Percentiles,
    /// Pairs of seconds and changes.
    SavePoints,
    Text,
}

/// Who may change a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// `CONFIG SET`.
    Settable,
    /// Nobody: it says how this server is.
    Fixed,
    /// The command line and the configuration file.
    AtStart,
    /// Settable in Redis; here to the one value it has. The text says why.
    Only(&'static str),
    /// Settable, and kept for whoever asks; what it is about is not there or not tuned here, and nobody's data depends on it.
    Moot,
}

#[derive(Debug)]
pub(super) struct Parameter {
    pub(super) name: &'static str,
    kind: Kind,
    pub(super) access: Access,
    pub(super) default: &'static str,
    /// Shown only to those who know its name.
    pub(super) hidden: bool,
}

const fn settable(name: &'static str, kind: Kind, default: &'static str) -> Parameter {
    Parameter { name, kind, access: Access::Settable, default, hidden: false }
}

const fn fixed(name: &'static str, default: &'static str) -> Parameter {
    Parameter { name, kind: Kind::Text, access: Access::Fixed, default, hidden: false }
}

const fn hidden(name: &'static str, kind: Kind, default: &'static str) -> Parameter {
    Parameter { name, kind, access: Access::AtStart, default, hidden: true }
}

const fn at_start(name: &'static str, kind: Kind, default: &'static str) -> Parameter {
    Parameter { name, kind, access: Access::AtStart, default, hidden: false }
}

const fn moot(name: &'static str, kind: Kind, default: &'static str) -> Parameter {
    Parameter { name, kind, access: Access::Moot, default, hidden: false }
}

/// Tools set what they rely on, often to the value it has.
const fn only(name: &'static str, kind: Kind, value: &'static str, reason: &'static str) -> Parameter {
    Parameter { name, kind, access: Access::Only(reason), default: value, hidden: false }
}

const NO_REPLICAS: &str = "this server has no replicas yet";
const AT_START: &str = "this server takes it at its start";
const NO_TLS: &str = "this server has no TLS yet";
const CRASH: &str = "this server ends with its last words in the log, and no more";
const DEFRAG: &str = "this server does not move what it holds";
const INT: i64 = i32::MAX as i64;
const LIST_FILL: Kind = Kind::Integer { min: i32::MIN as i64, max: INT };
/// Parameters with two names.
pub(super) const ALIASES: &[(&str, &str)] = &[
    ("busy-reply-threshold", "lua-time-limit"),
    ("cluster-replica-no-failover", "cluster-slave-no-failover"),
    ("cluster-replica-validity-factor", "cluster-slave-validity-factor"),
    ("hash-max-listpack-entries", "hash-max-ziplist-entries"),
    ("hash-max-listpack-value", "hash-max-ziplist-value"),
    ("list-max-listpack-size", "list-max-ziplist-size"),
    ("min-replicas-max-lag", "min-slaves-max-lag"),
    ("min-replicas-to-write", "min-slaves-to-write"),
    ("repl-ping-replica-period", "repl-ping-slave-period"),
    ("replica-announce-ip", "slave-announce-ip"),
    ("replica-announce-port", "slave-announce-port"),
    ("replica-ignore-maxmemory", "slave-ignore-maxmemory"),
    ("replica-lazy-flush", "slave-lazy-flush"),
    ("replica-priority", "slave-priority"),
    ("replica-read-only", "slave-read-only"),
    ("replica-serve-stale-data", "slave-serve-stale-data"),
    ("zset-max-listpack-entries", "zset-max-ziplist-entries"),
    ("zset-max-listpack-value", "zset-max-ziplist-value"),
];
/// A class, two sizes and a time.
const OUTPUT_LIMIT_WORDS: usize = 4;
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
pub(super) const PARAMETERS: &[Parameter] = &[
    settable("acl-pubsub-default", Kind::Choice(&["allchannels", "resetchannels"]), "resetchannels"),
    at_start("aclfile", Kind::Text, ""),
    settable("acllog-max-len", SIZE, "128"),
    moot("active-defrag-cycle-max", Kind::Integer { min: 1, max: 99 }, "25"),
    moot("active-defrag-cycle-min", Kind::Integer { min: 1, max: 99 }, "1"),
    moot("active-defrag-ignore-bytes", Kind::Memory { min: 0, max: i64::MAX }, "104857600"),
    moot("active-defrag-max-scan-fields", Kind::Integer { min: 1, max: INT }, "1000"),
    moot("active-defrag-threshold-lower", Kind::Integer { min: 0, max: 1000 }, "10"),
    moot("active-defrag-threshold-upper", Kind::Integer { min: 0, max: 1000 }, "100"),
    settable("active-expire-effort", Kind::Integer { min: 1, max: 10 }, "1"),
    only("activedefrag", Kind::Bool, "no", DEFRAG),
    moot("activerehashing", Kind::Bool, "yes"),
    fixed("always-show-logo", "no"),
    settable("aof-disable-auto-gc", Kind::Bool, "no"),
    settable("aof-load-truncated", Kind::Bool, "yes"),
    settable("aof-rewrite-incremental-fsync", Kind::Bool, "yes"),
    settable("aof-timestamp-enabled", Kind::Bool, "no"),
    settable("aof-use-rdb-preamble", Kind::Bool, "yes"),
    fixed("aof_rewrite_cpulist", ""),
    at_start("appenddirname", Kind::Text, "appendonlydir"),
    at_start("appendfilename", Kind::Text, "appendonly.aof"),
    settable("appendfsync", Kind::Choice(&["everysec", "always", "no"]), "everysec"),
    settable("appendonly", Kind::Bool, "no"),
    settable("auto-aof-rewrite-min-size", Kind::Memory { min: 0, max: i64::MAX }, "67108864"),
    settable("auto-aof-rewrite-percentage", Kind::Integer { min: 0, max: INT }, "100"),
    fixed("bgsave_cpulist", ""),
    only("bind", Kind::Text, "", AT_START),
    only("bind-source-addr", Kind::Text, "", AT_START),
    fixed("bio_cpulist", ""),
    settable("busy-reply-threshold", SIZE, "5000"),
    settable(
        "client-output-buffer-limit",
        Kind::OutputLimits,
        "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60",
    ),
    settable("client-query-buffer-limit", Kind::Buffer, "1073741824"),
    moot("cluster-allow-pubsubshard-when-down", Kind::Bool, "yes"),
    moot("cluster-allow-reads-when-down", Kind::Bool, "no"),
    moot("cluster-allow-replica-migration", Kind::Bool, "yes"),
    moot("cluster-announce-bus-port", Kind::Integer { min: 0, max: 65535 }, "0"),
    moot("cluster-announce-hostname", Kind::Text, ""),
    moot("cluster-announce-ip", Kind::Text, ""),
    moot("cluster-announce-port", Kind::Integer { min: 0, max: 65535 }, "0"),
    moot("cluster-announce-tls-port", Kind::Integer { min: 0, max: 65535 }, "0"),
    fixed("cluster-config-file", "nodes.conf"),
    fixed("cluster-enabled", "no"),
    moot("cluster-link-sendbuf-limit", Kind::Memory { min: 0, max: i64::MAX }, "0"),
    moot("cluster-migration-barrier", Kind::Integer { min: 0, max: INT }, "1"),
    moot("cluster-node-timeout", Kind::Integer { min: 0, max: INT }, "15000"),
    fixed("cluster-port", "0"),
    moot("cluster-preferred-endpoint-type", Kind::Text, "ip"),
    moot("cluster-replica-no-failover", Kind::Bool, "no"),
    moot("cluster-replica-validity-factor", Kind::Integer { min: 0, max: INT }, "10"),
    moot("cluster-require-full-coverage", Kind::Bool, "yes"),
    moot("cluster-slave-no-failover", Kind::Bool, "no"),
    moot("cluster-slave-validity-factor", Kind::Integer { min: 0, max: INT }, "10"),
    only("crash-log-enabled", Kind::Bool, "no", CRASH),
    only("crash-memcheck-enabled", Kind::Bool, "no", CRASH),
    fixed("daemonize", "no"),
    fixed("databases", "16"),
    at_start("dbfilename", Kind::Text, "dump.rdb"),
    at_start("dir", Kind::Text, ""),
    fixed("disable-thp", "yes"),
    only("dynamic-hz", Kind::Bool, "no", "this server has one frequency"),
    at_start("enable-debug-command", Kind::Choice(&["no", "local", "yes"]), "no"),
    fixed("enable-module-command", "no"),
    fixed("enable-protected-configs", "no"),
    settable("hash-max-listpack-entries", SIZE, "512"),
    settable("hash-max-listpack-value", SIZE, "64"),
    settable("hash-max-ziplist-entries", SIZE, "512"),
    settable("hash-max-ziplist-value", SIZE, "64"),
    settable("hll-sparse-max-bytes", Kind::Memory { min: 0, max: i64::MAX }, "3000"),
    settable("hz", Kind::Integer { min: 1, max: 500 }, "10"),
    only("ignore-warnings", Kind::Text, "", "this server warns of what it finds"),
    fixed("io-threads", "1"),
    only("io-threads-do-reads", Kind::Bool, "yes", AT_START),
    moot("jemalloc-bg-thread", Kind::Bool, "yes"),
    hidden("key-load-delay", Kind::Integer { min: 0, max: INT }, "0"),
    settable("latency-monitor-threshold", Kind::Integer { min: 0, max: i64::MAX }, "0"),
    settable("latency-tracking", Kind::Bool, "yes"),
    settable("latency-tracking-info-percentiles", Kind::Percentiles, "50 99 99.9"),
    settable("lazyfree-lazy-eviction", Kind::Bool, "no"),
    settable("lazyfree-lazy-expire", Kind::Bool, "no"),
    settable("lazyfree-lazy-server-del", Kind::Bool, "no"),
    settable("lazyfree-lazy-user-del", Kind::Bool, "no"),
    settable("lazyfree-lazy-user-flush", Kind::Bool, "no"),
    settable("lfu-decay-time", Kind::Integer { min: 0, max: INT }, "1"),
    settable("lfu-log-factor", Kind::Integer { min: 0, max: INT }, "10"),
    settable("list-compress-depth", Kind::Integer { min: 0, max: INT }, "0"),
    settable("list-max-listpack-size", LIST_FILL, "-2"),
    settable("list-max-ziplist-size", LIST_FILL, "-2"),
    only("locale-collate", Kind::Text, "", "this server compares bytes"),
    fixed("logfile", ""),
    only("loglevel", Kind::Text, "notice", AT_START),
    settable("lua-time-limit", SIZE, "5000"),
    only("masterauth", Kind::Text, "", NO_REPLICAS),
    only("masteruser", Kind::Text, "", NO_REPLICAS),
    settable("maxclients", Kind::Integer { min: 1, max: u32::MAX as i64 }, "10000"),
    settable("maxmemory", Kind::Memory { min: 0, max: i64::MAX }, "0"),
    settable("maxmemory-clients", Kind::MemoryOrPercent, "0"),
    settable("maxmemory-eviction-tenacity", Kind::Integer { min: 0, max: 100 }, "10"),
    settable("maxmemory-policy", Kind::Choice(POLICIES), "noeviction"),
    settable("maxmemory-samples", Kind::Integer { min: 1, max: INT }, "5"),
    settable("min-replicas-max-lag", Kind::Integer { min: 0, max: INT }, "10"),
    settable("min-replicas-to-write", Kind::Integer { min: 0, max: INT }, "0"),
    settable("min-slaves-max-lag", Kind::Integer { min: 0, max: INT }, "10"),
    settable("min-slaves-to-write", Kind::Integer { min: 0, max: INT }, "0"),
    settable("no-appendfsync-on-rewrite", Kind::Bool, "no"),
    settable("notify-keyspace-events", Kind::Events, ""),
    only("oom-score-adj", Kind::Text, "no", "this server leaves that to whoever starts it"),
    moot("oom-score-adj-values", Kind::Text, "0 200 800"),
    fixed("pidfile", ""),
    only(
        "port",
        Kind::Text,
        "0",
        "Unable to listen on this port: this server takes its address at its start",
    ),
    only("proc-title-template", Kind::Text, "", "this server does not change its title"),
    only("propagation-error-behavior", Kind::Text, "ignore", NO_REPLICAS),
    only("protected-mode", Kind::Bool, "no", "this server has no protected mode"),
    settable("proto-max-bulk-len", Kind::Buffer, "536870912"),
    moot("rdb-del-sync-files", Kind::Bool, "no"),
    settable("rdb-save-incremental-fsync", Kind::Bool, "yes"),
    at_start("rdbchecksum", Kind::Bool, "yes"),
    settable("rdbcompression", Kind::Bool, "yes"),
    moot("repl-backlog-size", Kind::Memory { min: 1, max: i64::MAX }, "1048576"),
    moot("repl-backlog-ttl", Kind::Integer { min: 0, max: INT }, "3600"),
    moot("repl-disable-tcp-nodelay", Kind::Bool, "no"),
    moot("repl-diskless-load", Kind::Text, "disabled"),
    moot("repl-diskless-sync", Kind::Bool, "yes"),
    moot("repl-diskless-sync-delay", Kind::Integer { min: 0, max: INT }, "5"),
    moot("repl-diskless-sync-max-replicas", Kind::Integer { min: 0, max: INT }, "0"),
    moot("repl-ping-replica-period", Kind::Integer { min: 1, max: INT }, "10"),
    moot("repl-ping-slave-period", Kind::Integer { min: 1, max: INT }, "10"),
    moot("repl-timeout", Kind::Integer { min: 1, max: INT }, "60"),
    moot("replica-announce-ip", Kind::Text, ""),
    moot("replica-announce-port", Kind::Integer { min: 0, max: 65535 }, "0"),
    moot("replica-announced", Kind::Bool, "yes"),
    moot("replica-ignore-disk-write-errors", Kind::Bool, "no"),
    moot("replica-ignore-maxmemory", Kind::Bool, "yes"),
    moot("replica-lazy-flush", Kind::Bool, "no"),
    moot("replica-priority", Kind::Integer { min: 0, max: INT }, "100"),
    moot("replica-read-only", Kind::Bool, "yes"),
    moot("replica-serve-stale-data", Kind::Bool, "yes"),
    only("replicaof", Kind::Text, "", NO_REPLICAS),
    settable("requirepass", Kind::Text, ""),
    moot("sanitize-dump-payload", Kind::Text, "no"),
    settable("save", Kind::SavePoints, ""),
    fixed("server_cpulist", ""),
    settable("set-max-intset-entries", SIZE, "512"),
    settable("set-max-listpack-entries", SIZE, "128"),
    settable("set-max-listpack-value", SIZE, "64"),
    fixed("set-proc-title", "no"),
    only("shutdown-on-sigint", Kind::Text, "default", "this server answers what it has read and ends"),
    only("shutdown-on-sigterm", Kind::Text, "default", "this server answers what it has read and ends"),
    moot("shutdown-timeout", Kind::Integer { min: 0, max: INT }, "10"),
    moot("slave-announce-ip", Kind::Text, ""),
    moot("slave-announce-port", Kind::Integer { min: 0, max: 65535 }, "0"),
    moot("slave-ignore-maxmemory", Kind::Bool, "yes"),
    moot("slave-lazy-flush", Kind::Bool, "no"),
    moot("slave-priority", Kind::Integer { min: 0, max: INT }, "100"),
    moot("slave-read-only", Kind::Bool, "yes"),
    moot("slave-serve-stale-data", Kind::Bool, "yes"),
    only("slaveof", Kind::Text, "", NO_REPLICAS),
    settable("slowlog-log-slower-than", Kind::Integer { min: -1, max: i64::MAX }, "10000"),
    settable("slowlog-max-len", Kind::Integer { min: 0, max: i64::MAX }, "128"),
    fixed("socket-mark-id", "0"),
    settable("stop-writes-on-bgsave-error", Kind::Bool, "yes"),
    settable("stream-node-max-bytes", SIZE, "4096"),
    settable("stream-node-max-entries", SIZE, "100"),
    fixed("supervised", "no"),
    fixed("syslog-enabled", "no"),
    fixed("syslog-facility", "local0"),
    fixed("syslog-ident", "redis"),
    fixed("tcp-backlog", "4096"),
    settable("tcp-keepalive", Kind::Integer { min: 0, max: INT }, "300"),
    settable("timeout", Kind::Integer { min: 0, max: INT }, "0"),
    only("tls-auth-clients", Kind::Text, "yes", NO_TLS),
    only("tls-ca-cert-dir", Kind::Text, "", NO_TLS),
    only("tls-ca-cert-file", Kind::Text, "", NO_TLS),
    only("tls-cert-file", Kind::Text, "", NO_TLS),
    only("tls-ciphers", Kind::Text, "", NO_TLS),
    only("tls-ciphersuites", Kind::Text, "", NO_TLS),
    only("tls-client-cert-file", Kind::Text, "", NO_TLS),
    only("tls-client-key-file", Kind::Text, "", NO_TLS),
    only("tls-client-key-file-pass", Kind::Text, "", NO_TLS),
    only("tls-cluster", Kind::Bool, "no", NO_TLS),
    only("tls-dh-params-file", Kind::Text, "", NO_TLS),
    only("tls-key-file", Kind::Text, "", NO_TLS),
    only("tls-key-file-pass", Kind::Text, "", NO_TLS),
    only("tls-port", Kind::Text, "0", NO_TLS),
    only("tls-prefer-server-ciphers", Kind::Bool, "no", NO_TLS),
    only("tls-protocols", Kind::Text, "", NO_TLS),
    only("tls-replication", Kind::Bool, "no", NO_TLS),
    only("tls-session-cache-size", Kind::Text, "20480", NO_TLS),
    only("tls-session-cache-timeout", Kind::Text, "300", NO_TLS),
    only("tls-session-caching", Kind::Bool, "yes", NO_TLS),
    settable("tracking-table-max-keys", Kind::Integer { min: 0, max: i64::MAX }, "1000000"),
    fixed("unixsocket", ""),
    fixed("unixsocketperm", "0"),
    settable("zset-max-listpack-entries", SIZE, "128"),
    settable("zset-max-listpack-value", SIZE, "64"),
    settable("zset-max-ziplist-entries", SIZE, "128"),
    settable("zset-max-ziplist-value", SIZE, "64"),
];

/// Parameters that are about a process and where it runs: a configuration file that was written for another server may have
/// them, and nothing is lost when they are not followed.
const OF_SURROUNDINGS: &[&str] = &[
    "activedefrag",
    "always-show-logo",
    "aof_rewrite_cpulist",
    "bgsave_cpulist",
    "bind",
    "bio_cpulist",
    "cluster-config-file",
    "crash-log-enabled",
    "crash-memcheck-enabled",
    "daemonize",
    "disable-thp",
    "dynamic-hz",
    "io-threads",
    "io-threads-do-reads",
    "locale-collate",
    "logfile",
    "loglevel",
    "oom-score-adj",
    "pidfile",
    "port",
    "proc-title-template",
    "protected-mode",
    "server_cpulist",
    "set-proc-title",
    "shutdown-on-sigint",
    "shutdown-on-sigterm",
    "supervised",
    "syslog-enabled",
    "syslog-facility",
    "syslog-ident",
    "tcp-backlog",
    "unixsocketperm",
];

impl Parameter {
    /// Why it has only the value it has, if so.
    pub(super) const fn only_value(&self) -> Option<&'static str> {
        match self.access {
            Access::Fixed => Some("its value is fixed in this server"),
            Access::Only(reason) => Some(reason),
            Access::Settable | Access::AtStart | Access::Moot => None,
        }
    }

    /// Whether it is of [`OF_SURROUNDINGS`].
    pub(super) fn is_of_surroundings(&self) -> bool {
        OF_SURROUNDINGS.contains(&self.name)
    }

    /// Whether a line of a file may have several values of it.
    pub(super) fn takes_many(&self) -> bool {
        matches!(self.kind, Kind::OutputLimits | Kind::Percentiles | Kind::SavePoints)
            || ["bind", "oom-score-adj-values", "replicaof", "slaveof"].contains(&self.name)
    }

    /// A value as lines of a file.
    pub(super) fn lines(&self, value: &str) -> Vec<Vec<u8>> {
        self.lines_of_text(value).into_iter().map(String::into_bytes).collect()
    }

    fn lines_of_text(&self, value: &str) -> Vec<String> {
        let name = self.name;
        match self.kind {
            Kind::OutputLimits => {
                let words: Vec<String> = value.split(' ').map(with_unit).collect();
                words.chunks(OUTPUT_LIMIT_WORDS).map(|class| format!("{name} {}", class.join(" "))).collect()
            }
            Kind::Memory { .. } | Kind::Buffer => vec![format!("{name} {}", with_unit(value))],
            _ if self.takes_many() && !value.is_empty() => vec![format!("{name} {value}")],
            _ if !value.is_empty()
                && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._%".contains(&byte)) =>
            {
                vec![format!("{name} {value}")]
            }
            _ => vec![format!("{name} {}", quote::repr(self.shown(value).as_bytes()))],
        }
    }

    /// A value as it is shown.
    pub(super) fn shown(&self, value: &str) -> String {
        match self.kind {
            Kind::Events => Wanted::parse(value.as_bytes()).unwrap_or_default().shown(),
            _ => value.to_owned(),
        }
    }

    /// The value as it is kept after `current`, or what is wrong with it in Redis's words.
    pub(super) fn parse(&self, value: &[u8], current: &str) -> Result<String, String> {
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
                let current = output::Limits::default().updated(current.as_bytes())?;
                Ok(current.updated(value)?.to_string())
            }
            Kind::Percentiles => percentiles(&text()),
            Kind::SavePoints => save_points(&text()),
            Kind::Text if self.name == "dbfilename" && (value.is_empty() || value.contains(&b'/')) => {
                Err("dbfilename can't be a path, just a filename".to_owned())
            }
            Kind::Text => Ok(text()),
        }
    }
}

/// Bytes with the largest unit that has no rest.
fn with_unit(bytes: &str) -> String {
    let Some(number) = parse_i64(bytes.as_bytes()).filter(|number| *number != 0) else {
        return bytes.to_owned();
    };
    [(1 << 30, "gb"), (1 << 20, "mb"), (1 << 10, "kb")]
        .into_iter()
        .find(|(unit, _)| number % unit == 0)
        .map_or_else(|| bytes.to_owned(), |(unit, name)| format!("{}{name}", number / unit))
}

/// Pairs of numbers: seconds, of which there is one at least, and changes.
fn save_points(text: &str) -> Result<String, String> {
    const WRONG: &str = "Invalid save parameters";
    let numbers: Option<Vec<i64>> =
        text.split_ascii_whitespace().map(|word| parse_i64(word.as_bytes())).collect();
    let numbers = numbers.filter(|numbers| numbers.len().is_multiple_of(2)).ok_or(WRONG)?;
    if numbers.chunks(2).any(|pair| pair[0] < 1 || pair[1] < 0) {
        return Err(WRONG.to_owned());
    }
    Ok(numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))
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
