//! One listener for RESP, gRPC and HTTP; limits, metrics and the gRPC services that node and proxy share.
//!
//! A daemon implements [`Daemon`]; [`start`] gives it worker threads and connections. Everything about bytes on the
//! one port is here: telling the protocols apart ([`sniff`]), HTTP endpoints and gRPC ([`http`], [`grpc`]), metrics
//! text ([`metrics`]) and what is counted for it ([`counts`]), what the system says of the process ([`process`]), how a daemon ends ([`Life`]), and what the process logs ([`log`]). Not here: what a command means, and the RESP loop itself, which node and proxy each write for
//! their own concurrency.

pub mod counts;
pub mod daemon;
pub mod durable;
pub mod files;
pub mod grpc;
pub mod http;
mod life;
pub mod listener;
pub mod log;
pub mod metrics;
pub mod prefixed;
pub mod process;
mod signals;
pub mod sniff;
pub mod supervisor;
mod workers;

pub use daemon::{Addresses, ConnectionCounters, Daemon, Served, WorkerHandle};
pub use life::{Guard, Life, abort_on_panic, run_id};
pub use listener::{BindError, ListenAddress, bind};
pub use signals::{Signals, shutdown_signal};
pub use workers::{Running, StartError, start};
