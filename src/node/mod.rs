//! redis_node: keyspace, data types, expiry, and the server around them. Knows nothing of other nodes.
//!
//! A request's way: `net` reads and parses a batch, [`exec`] runs it under the one lock of the [`store`], handlers in [`commands`] do
//! the work on a [`context::Context`], and the replies go out with one write.
//! There is no global state: a process may run several nodes.

pub mod absence;
pub mod acl;
pub mod blocked;
pub mod caller;
pub mod clients;
pub mod commands;
pub mod config;
pub mod context;
mod cron;
mod daemon;
mod exclusive;
pub mod exec;
pub mod free;
pub mod keyspace;
pub mod latency;
mod metrics;
mod monitor;
mod net;
pub mod object;
pub mod outbox;
pub mod pause;
pub(crate) mod process;
pub mod pubsub;
pub mod rdb;
pub mod slowlog;
pub mod state;
pub mod stats;
pub mod store;
pub mod tracking;
pub mod transaction;
pub mod watch;

use std::{
    net::SocketAddr,
    sync::{Arc, MutexGuard},
};

use tokio_util::sync::CancellationToken;

use self::{
    clients::Client,
    config::Config,
    exclusive::Exclusive,
    state::{DATABASES, NodeState},
    store::Store,
};
use crate::{
    id::NodeId,
    server::{self, BindError, Life, ListenAddress, Running, StartError},
    time::Millis,
};

/// How to start a node.
#[derive(Clone, Debug)]
pub struct NodeOptions {
    /// As the operator names it.
    pub id: NodeId,
    /// Where clients of all protocols connect; port 0 for any free one.
    pub listen: ListenAddress,
    /// Threads that serve connections, at least 1.
    pub workers: usize,
    /// `CONFIG` parameters other than their defaults.
    pub parameters: Vec<(String, String)>,
}

/// Why a node does not start.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Nobody can listen there.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// A parameter does not take its value.
    #[error("{0}")]
    Parameter(String),
    /// The system refused the thread that frees memory.
    #[error("cannot start the thread that frees memory: {0}")]
    Thread(std::io::Error),
    /// The system refused threads.
    #[error(transparent)]
    Start(#[from] StartError),
}

/// Data and everything around it.
#[derive(Debug)]
pub struct Node {
    /// What is shared besides the data.
    pub state: NodeState,
    store: Exclusive<Store>,
}

impl Node {
    /// The data and what changes with it, for as long as a batch takes.
    pub fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock()
    }

    /// A client is gone.
    fn forget(&self, client: &Arc<Client>) {
        self.state.clients.remove(client);
        if client.is_in_store() {
            self.store().forget(client, &self.state, Millis::now());
        }
    }
}

/// A node that runs on its own threads. Dropping it asks the node to stop.
#[derive(Debug)]
pub struct NodeHandle {
    running: Running,
    node: Arc<Node>,
}

/// Starts a node and returns when it listens.
///
/// # Errors
/// When its address cannot be listened on, a parameter is wrong, or the system refuses threads.
pub fn run(options: &NodeOptions) -> Result<NodeHandle, RunError> {
    let config = Config::default();
    for (name, value) in &options.parameters {
        config.preset(name, value).map_err(RunError::Parameter)?;
    }
    let listeners = server::bind(&options.listen)?;
    let address = listeners.first().and_then(|listener| listener.local_addr().ok());
    let fixed = [
        ("port", address.map_or(0, |address| address.port()).to_string()),
        ("bind", address.map_or(String::new(), |address| address.ip().to_string())),
        ("io-threads", options.workers.max(1).to_string()),
    ];
    for (name, value) in fixed {
        config.preset(name, &value).map_err(RunError::Parameter)?;
    }
    let life = Life::default();
    let state =
        NodeState::new(options.id.clone(), config, life.stop_token().clone()).map_err(RunError::Thread)?;
    let mut store = Store::new(DATABASES);
    store.keyspace.set_aging(commands::aging(&state.config));
    store.set_events(state.config.events());
    let node = Arc::new(Node { state, store: Exclusive::new(store) });
    let name = format!("node-{}", options.id);
    let running = server::start(&name, &node, listeners, options.workers, life)?;
    Ok(NodeHandle { running, node })
}

impl NodeHandle {
    /// Where it listens.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        self.running.addresses()
    }

    /// The node itself.
    #[must_use]
    pub fn node(&self) -> &Arc<Node> {
        &self.node
    }

    /// Cancel it to stop the node.
    #[must_use]
    pub fn stop_token(&self) -> CancellationToken {
        self.running.stop_token()
    }

    /// Asks it to stop and waits until it has: what clients had sent is answered.
    pub async fn stop(self) {
        self.running.stop().await;
    }

    /// Why it could not go on, if that is why it stopped.
    #[must_use]
    pub fn failure(&self) -> Option<&str> {
        self.running.failure()
    }

    /// Waits until it has stopped: [`NodeHandle::stop_token`], `SHUTDOWN` from a client, or a failure.
    pub async fn stopped(&self) {
        self.running.stopped().await;
    }
}
