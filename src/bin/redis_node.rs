//! redis_node: one Redis server that knows nothing of the others.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context as _;
use clap::{Arg, ArgMatches, CommandFactory as _, FromArgMatches as _, Parser};
use redis_cluster::{
    id::NodeId,
    node::{self, NodeHandle, NodeOptions, config, persist},
    server::{ListenAddress, Signals, abort_on_panic, log, supervisor},
};

/// See doc/decisions/0006-allocator.md.
#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// A complete standalone Redis server: RESP, gRPC and HTTP (/metrics, /healthz, /readyz) on one port.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "Every parameter of CONFIG is an option too, such as --maxmemory 1gb --maxmemory-policy allkeys-lru.\n\n\
                  Examples: redis_node 1 0.0.0.0:8001\n          redis_node 1 0.0.0.0:8001 --dir /var/lib/redis"
)]
struct Arguments {
    /// Name of this node: letters, digits, '.', '_', '-'
    #[arg(required_unless_present = "check")]
    id: Option<NodeId>,
    /// Where to listen: HOST:PORT, or :PORT for all interfaces
    #[arg(value_name = "ADDR", required_unless_present = "check")]
    address: Option<ListenAddress>,
    /// Keep the data in this directory: read at the start, saved as `save` says [default: keep it in memory only]
    #[arg(long, value_name = "DIR")]
    dir: Option<String>,
    /// Say what a snapshot, an append-only file or its manifest holds and where it breaks (exit code 1), instead of serving
    #[arg(long, value_name = "FILE", exclusive = true)]
    check: Option<PathBuf>,
    /// Threads that serve connections [default: one for each core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    workers: Option<u16>,
    /// Parameters of CONFIG, one on a line, as in redis.conf; options here win over it
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Connections at once [default: 10000]
    #[arg(long, value_name = "N")]
    maxclients: Option<u32>,
    /// Password of the default user
    #[arg(long, value_name = "PASSWORD", env = "REDIS_PASSWORD", hide_env_values = true)]
    requirepass: Option<String>,
    /// Where the users are kept: read at the start and by ACL LOAD, written by ACL SAVE
    #[arg(long, value_name = "FILE")]
    aclfile: Option<String>,
    /// What to log: error, warn, info, debug or trace
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    log_level: tracing::Level,
}

fn main() -> ExitCode {
    let matches = command().get_matches();
    let arguments = Arguments::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    if let Some(file) = &arguments.check {
        return check(file);
    }
    log::start(arguments.log_level);
    abort_on_panic();
    match run(arguments, &matches) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Parameters that have an option of their own above.
const OWN: &[&str] = &["dir", "maxclients", "requirepass", "aclfile"];

/// The options above, and one for each parameter.
fn command() -> clap::Command {
    let parameters = config::names().filter(|(name, _)| !OWN.contains(name)).map(|(name, takes_many)| {
        let option = Arg::new(name).long(name).value_name("VALUE").hide(true).allow_negative_numbers(true);
        if takes_many { option.num_args(1..) } else { option }
    });
    Arguments::command().args(parameters)
}

/// Parameters that were given as options.
fn given(matches: &ArgMatches) -> impl Iterator<Item = (String, String)> {
    config::names().filter(|(name, _)| !OWN.contains(name)).filter_map(|(name, _)| {
        let words: Vec<&str> = matches.get_many::<String>(name)?.map(String::as_str).collect();
        Some((name.to_owned(), words.join(" ")))
    })
}

fn check(file: &Path) -> ExitCode {
    let report = persist::check::check(file);
    // Where nobody reads, the exit code says it.
    let written = write!(std::io::stdout(), "{report}");
    if written.is_ok() && report.is_whole() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn run(arguments: Arguments, matches: &ArgMatches) -> anyhow::Result<()> {
    let workers = arguments
        .workers
        .map_or_else(|| std::thread::available_parallelism().map_or(1, usize::from), usize::from);
    let parameters = [
        ("dir", arguments.dir),
        ("maxclients", arguments.maxclients.map(|clients| clients.to_string())),
        ("requirepass", arguments.requirepass),
        ("aclfile", arguments.aclfile),
    ];
    let parameters = parameters.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    let parameters = parameters.chain(given(matches)).collect();
    let (Some(id), Some(listen)) = (arguments.id, arguments.address) else {
        anyhow::bail!("a node needs an ID and an ADDR");
    };
    let config = arguments.config;
    let options = NodeOptions { id, listen, workers, owns_process: true, config, parameters };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut signals = Signals::listen().context("cannot listen for signals")?;
        let node = node::run(&options)?;
        match until_the_end(&node, &options, &mut signals).await? {
            Some(signal) => {
                tracing::info!(signal, "stopping");
                told(supervisor::notify_stopping());
                node.stop().await;
            }
            None => tracing::info!("stopped by a client's SHUTDOWN"),
        }
        Ok(())
    })
}

/// Serves until a signal ends it, which is returned, or a client's SHUTDOWN.
async fn until_the_end(
    node: &NodeHandle,
    options: &NodeOptions,
    signals: &mut Signals,
) -> anyhow::Result<Option<&'static str>> {
    let loaded = async {
        node.node().state.persist.loaded().await;
        for address in node.addresses() {
            tracing::info!(id = %options.id, %address, workers = options.workers, "ready");
        }
        told(supervisor::notify_ready());
        std::future::pending::<()>().await;
    };
    tokio::pin!(loaded);
    loop {
        let signal = tokio::select! {
            () = &mut loaded => continue,
            () = node.stopped() => match node.failure() {
                Some(reason) => anyhow::bail!("ended, because {reason}"),
                None => return Ok(None),
            },
            name = signals.next() => name,
        };
        match node.save_for_the_end() {
            Ok(()) => return Ok(Some(signal)),
            Err(error) => tracing::error!(
                signal, %error, "the data cannot be saved, so this node goes on: SHUTDOWN NOSAVE ends it without"
            ),
        }
    }
}

fn told(result: std::io::Result<()>) {
    if let Err(error) = result {
        tracing::warn!(%error, "cannot tell NOTIFY_SOCKET");
    }
}
