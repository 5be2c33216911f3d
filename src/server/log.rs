//! What a daemon logs, and where: one line for each event, to stderr.

use std::io::IsTerminal as _;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::{filter::Targets, layer::SubscriberExt as _, util::SubscriberInitExt as _};

/// Our own crates, by the beginnings of their targets.
const OURS: [&str; 4] = ["redis_cluster", "redis_node", "proxy_node", "redis_console"];

/// Starts logging for the process. `level` is for what we have to say; the libraries below are heard when they warn, and
/// only with `trace` in full: what HTTP/2 does with its frames says nothing about a cluster.
///
/// # Panics
/// If something else logs already.
pub fn start(level: tracing::Level) {
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false);
    tracing_subscriber::registry().with(lines).with(filter(level)).init();
}

fn filter(level: tracing::Level) -> Targets {
    let libraries = match level {
        tracing::Level::TRACE => LevelFilter::TRACE,
        tracing::Level::ERROR => LevelFilter::ERROR,
        _ => LevelFilter::WARN,
    };
    Targets::new().with_default(libraries).with_targets(OURS.map(|target| (target, level)))
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn debug_is_about_us() {
        let debug = filter(Level::DEBUG);
        assert!(debug.would_enable("redis_cluster::proxy::membership", &Level::DEBUG));
        assert!(debug.would_enable("proxy_node", &Level::DEBUG));
        for library in ["h2::codec::framed_read", "tonic::transport", "hyper_util::client"] {
            assert!(!debug.would_enable(library, &Level::INFO) && debug.would_enable(library, &Level::WARN));
        }
        assert!(filter(Level::TRACE).would_enable("h2::codec::framed_read", &Level::TRACE));
        assert!(!filter(Level::ERROR).would_enable("h2::codec::framed_read", &Level::WARN));
    }
}
