//! proxy_node: makes the nodes of a cluster look like one Redis.

use std::{num::NonZeroUsize, process::ExitCode, time::Duration};

use anyhow::Context as _;
use clap::Parser;
use redis_cluster::{
    cluster::registry::AccessArguments,
    connection::output,
    id::ProxyId,
    protocol::number::parse_memory,
    proxy::{self, ProxyOptions},
    server::{ListenAddress, Signals, abort_on_panic, files, log},
};

/// See doc/decisions/0006-allocator.md.
#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Connections to nodes that there should be room for: each thread has some to each node, and how many nodes there will be nobody knows.
const TO_NODES: u64 = 1 << 16;

/// A stateless proxy for a cluster of Redis nodes: RESP, gRPC and HTTP (/metrics, /healthz, /readyz) on one port.
#[derive(Debug, Parser)]
#[command(version, after_help = "Example: proxy_node 1 0.0.0.0:7001 http://localhost:2379")]
struct Arguments {
    /// Name of this proxy: letters, digits, '.', '_', '-'
    id: ProxyId,
    /// Where to listen: HOST:PORT, or :PORT for all interfaces
    #[arg(value_name = "ADDR")]
    address: ListenAddress,
    /// etcd: one URL, or several with commas
    #[arg(value_name = "ETCD", required = true)]
    etcd: Vec<String>,
    /// Name of the cluster in etcd
    #[arg(long, value_name = "NAME", default_value = "default")]
    cluster: String,
    /// HOST:PORT that clients and consoles reach this proxy by [default: ADDR]
    #[arg(long, value_name = "HOST:PORT")]
    advertise: Option<String>,
    /// Threads that serve clients [default: one for each core]
    #[arg(long, value_name = "N")]
    workers: Option<NonZeroUsize>,
    /// Client connections at once
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    maxclients: u64,
    /// Bytes that a client may have sent of a request that is not complete: 1gb, 64mb …
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    client_query_buffer_limit: Option<u64>,
    /// What may wait for clients that do not read, as in redis.conf: "normal 256mb 64mb 60 pubsub 32mb 8mb 60"; 0 is no limit
    #[arg(long, value_name = "CLASS HARD SOFT SECONDS", value_parser = output_limits)]
    client_output_buffer_limit: Option<output::Limits>,
    /// Bytes of all clients' buffers together; beyond it the largest are closed. 0: no limit
    #[arg(long, value_name = "BYTES", value_parser = bytes, default_value = "0")]
    maxmemory_clients: u64,
    /// Connections of each thread to each node, beside up to three for what is large or may take long
    #[arg(long, value_name = "N", default_value = "1")]
    connections_per_node: NonZeroUsize,
    /// Milliseconds after which a node that owes a reply is given up
    #[arg(long, value_name = "MS", default_value_t = 5000, value_parser = clap::value_parser!(u64).range(10..))]
    node_timeout: u64,
    /// The same while the node is at work on what may take long (scripts, KEYS, SORT, combining sets …)
    #[arg(long, value_name = "MS", default_value_t = 60_000, value_parser = clap::value_parser!(u64).range(10..))]
    slow_timeout: u64,
    /// Milliseconds from when it says that it drains (registry, /readyz, gRPC health) to when it lets nobody in any more: for
    /// load balancers to notice
    #[arg(long, value_name = "MS", default_value_t = 0)]
    drain_delay: u64,
    /// Milliseconds that clients have, when it drains, to come to the end of what they do
    #[arg(long, value_name = "MS", default_value_t = 10_000)]
    drain_timeout: u64,
    /// Password that clients must give
    #[arg(long, value_name = "PASSWORD", env = "REDIS_PASSWORD", hide_env_values = true)]
    requirepass: Option<String>,
    /// Microseconds from which on a request is slow, waiting included: INFO slowrequests shows it; -1: none is
    #[arg(long, value_name = "US", default_value_t = 10_000, allow_negative_numbers = true, value_parser = clap::value_parser!(i64).range(-1..))]
    slowlog_log_slower_than: i64,
    /// The latest so many slow requests are kept
    #[arg(long, value_name = "N", default_value_t = 128, value_parser = clap::value_parser!(u16).range(..=10_000))]
    slowlog_max_len: u16,
    /// Use a node, too, that kept its keys on a disk and came back without any: clients are told nil for them
    #[arg(long)]
    allow_empty: bool,
    /// What to log: error, warn, info, debug or trace
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    log_level: tracing::Level,
    // Last: what follows would stand under its heading.
    #[command(flatten)]
    access: AccessArguments,
}

/// As in redis.conf.
fn bytes(text: &str) -> Result<u64, String> {
    let bytes = parse_memory(text.as_bytes()).and_then(|bytes| u64::try_from(bytes).ok());
    bytes.ok_or_else(|| "bytes, with kb, mb or gb behind if you like: 64mb".to_owned())
}

/// The same, for several classes.
fn output_limits(text: &str) -> Result<output::Limits, String> {
    let limits = output::Limits::default().updated(text.as_bytes());
    limits.map_err(|reason| format!("{reason} It is CLASS HARD SOFT SECONDS, CLASS normal or pubsub"))
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    log::start(arguments.log_level);
    abort_on_panic();
    match run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> anyhow::Result<()> {
    let mut options = ProxyOptions::new(arguments.id, arguments.address, arguments.etcd);
    options.access = arguments.access.access();
    options.cluster = arguments.cluster;
    options.advertise = arguments.advertise;
    if let Some(workers) = arguments.workers {
        options.workers = workers;
    }
    options.max_clients = files::room_for_or_warn(arguments.maxclients, TO_NODES);
    if let Some(limit) = arguments.client_query_buffer_limit {
        options.limits.query_buffer = usize::try_from(limit).unwrap_or(usize::MAX);
    }
    if let Some(limits) = arguments.client_output_buffer_limit {
        options.limits.output = limits;
    }
    options.limits.memory = arguments.maxmemory_clients;
    options.connections_per_node = arguments.connections_per_node;
    options.node_timeout = Duration::from_millis(arguments.node_timeout);
    options.slow_timeout = Duration::from_millis(arguments.slow_timeout);
    options.drain_delay = Duration::from_millis(arguments.drain_delay);
    options.drain_timeout = Duration::from_millis(arguments.drain_timeout);
    options.password = arguments.requirepass;
    options.slow_after = u64::try_from(arguments.slowlog_log_slower_than).ok().map(Duration::from_micros);
    options.slow_kept = usize::from(arguments.slowlog_max_len);
    options.allows_empty = arguments.allow_empty;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut signals = Signals::listen().context("cannot listen for signals")?;
        let mut proxy = proxy::run(&options)?;
        for address in proxy.addresses() {
            tracing::info!(id = %options.id, %address, workers = options.workers, "listening");
        }
        let mut stopping = tokio::select! {
            registered = proxy.registered() => { registered?; None }
            name = signals.next() => Some(name),
        };
        if stopping.is_none() {
            stopping = tokio::select! {
                name = signals.next() => Some(name),
                () = proxy.stopped() => None,
            };
        }
        if let Some(name) = stopping {
            tracing::info!(signal = name, "draining; a second signal ends it at once");
        }
        let failure = tokio::select! {
            failure = proxy.stop() => failure,
            name = signals.next() => {
                tracing::warn!(signal = name, "ending at once");
                return Ok(());
            }
        };
        failure.map_or(Ok(()), |reason| Err(anyhow::anyhow!("ended, because {reason}")))
    })
}
