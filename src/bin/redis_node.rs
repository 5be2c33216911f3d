//! redis_node: one Redis server that knows nothing of the others.

use std::{path::PathBuf, process::ExitCode};

use anyhow::Context as _;
use clap::{Arg, ArgMatches, CommandFactory as _, FromArgMatches as _, Parser};
use redis_cluster::{
    id::NodeId,
    node::{self, NodeOptions, config},
    server::{ListenAddress, abort_on_panic, log, shutdown_signal},
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
                  Example: redis_node 1 0.0.0.0:8001"
)]
struct Arguments {
    /// Name of this node: letters, digits, '.', '_', '-'
    id: NodeId,
    /// Where to listen: HOST:PORT, or :PORT for all interfaces
    #[arg(value_name = "ADDR")]
    address: ListenAddress,
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
const OWN: &[&str] = &["maxclients", "requirepass", "aclfile"];

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

fn run(arguments: Arguments, matches: &ArgMatches) -> anyhow::Result<()> {
    let workers = arguments
        .workers
        .map_or_else(|| std::thread::available_parallelism().map_or(1, usize::from), usize::from);
    let parameters = [
        ("maxclients", arguments.maxclients.map(|clients| clients.to_string())),
        ("requirepass", arguments.requirepass),
        ("aclfile", arguments.aclfile),
    ];
    let parameters = parameters.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    let parameters = parameters.chain(given(matches)).collect();
    let (id, listen, config) = (arguments.id, arguments.address, arguments.config);
    let options = NodeOptions { id, listen, workers, owns_process: true, config, parameters };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let signal = shutdown_signal().context("cannot listen for signals")?;
        let node = node::run(&options)?;
        for address in node.addresses() {
            tracing::info!(id = %options.id, %address, workers, "ready");
        }
        tokio::select! {
            () = node.stopped() => match node.failure() {
                Some(reason) => anyhow::bail!("ended, because {reason}"),
                None => tracing::info!("stopped by a client's SHUTDOWN"),
            },
            name = signal => {
                tracing::info!(signal = name, "stopping");
                node.stop().await;
            }
        }
        Ok(())
    })
}
