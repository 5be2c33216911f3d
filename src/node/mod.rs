//! redis_node: keyspace, data types, expiry, and the server around them. Knows nothing of other nodes.
//!
//! A request's way: `net` reads and parses a batch, [`exec`] runs it under the one lock of the [`store`], handlers in [`commands`] do
//! the work on a [`context::Context`], and the replies go out with one write.
//! There is no global state: a process may run several nodes.

pub mod absence;
mod acl_file;
mod allocator;
pub mod aof;
pub mod blocked;
pub mod caller;
pub mod clients;
pub mod commands;
pub mod config;
pub mod context;
mod cron;
mod daemon;
pub mod effects;
pub mod events;
mod exclusive;
pub mod exec;
pub mod free;
pub mod geo;
mod hashing;
pub mod keyspace;
pub mod latency;
mod metrics;
mod net;
pub mod object;
pub mod pause;
pub mod persist;
pub mod rdb;
pub mod script;
mod slowlog;
pub mod state;
pub mod stats;
pub mod store;
pub mod tracking;
pub mod transaction;
pub mod watch;

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use tokio_util::sync::CancellationToken;

use self::{
    clients::Client,
    config::Config,
    exclusive::{Exclusive, Held},
    persist::Directory,
    state::{DATABASES, NodeState},
    store::Store,
};
use crate::{
    id::NodeId,
    server::{self, BindError, Life, ListenAddress, Running, StartError, files},
    time::Millis,
};

/// While a node is to stop, a script that runs is looked at so often.
const SCRIPT_LOOK: std::time::Duration = std::time::Duration::from_millis(50);

/// A script that took so long may take much longer: whoever has other things to do does not wait for it.
const LONG: std::time::Duration = std::time::Duration::from_millis(2);

/// How to start a node.
#[derive(Clone, Debug)]
pub struct NodeOptions {
    /// As the operator names it.
    pub id: NodeId,
    /// Where clients of all protocols connect; port 0 for any free one.
    pub listen: ListenAddress,
    /// Threads that serve connections, at least 1.
    pub workers: usize,
    /// The process serves nobody else: its limits and its memory are this node's.
    pub owns_process: bool,
    /// A configuration file.
    pub config: Option<PathBuf>,
    /// `CONFIG` parameters that the command line has; they win over the file.
    pub parameters: Vec<(String, String)>,
}

/// Why a node does not start.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Nobody can listen there.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The configuration file cannot be followed.
    #[error(transparent)]
    File(#[from] config::FileError),
    /// A parameter does not take its value.
    #[error("{0}")]
    Parameter(String),
    /// The system refused the thread that frees memory.
    #[error("cannot start the thread that frees memory: {0}")]
    Thread(std::io::Error),
    /// The append-only file cannot be gone on with.
    #[error(transparent)]
    Aof(#[from] aof::StartError),
    /// The directory cannot be used.
    #[error(transparent)]
    Directory(#[from] persist::DirectoryError),
    /// What a process left in it that ended while it wrote cannot be removed.
    #[error("cannot remove temporary files: {0}")]
    Temporary(std::io::Error),
    /// The system refused the threads that read and write files.
    #[error("cannot start the threads that read and write files: {0}")]
    Files(std::io::Error),
    /// The system refused the thread that runs scripts.
    #[error("cannot start the thread that runs scripts: {0}")]
    Aside(std::io::Error),
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
    pub fn store(&self) -> Held<'_, Store> {
        self.store.lock()
    }

    /// The same; `None` while a script has it, and has had it for longer than `busy-reply-threshold`.
    pub fn store_unless_busy(&self) -> Option<Held<'_, Store>> {
        self.store.lock_unless(|| {
            let running = self.state.script.elapsed();
            running.is_some_and(|running| running >= self.state.config.busy_threshold())
        })
    }

    /// The same; `None` while a script has it that takes long: for what can be done later as well.
    fn store_unless_script(&self) -> Option<Held<'_, Store>> {
        self.store.lock_unless(|| self.state.script.elapsed().is_some_and(|running| running >= LONG))
    }

    /// A client has said that it leaves: who has its reply to that and asks others finds no trace of it.
    fn leave(&self, client: &Arc<Client>) {
        if client.is_in_store()
            && let Some(mut store) = self.store_unless_script()
        {
            store.leave(client);
        }
    }

    /// A client is gone.
    fn forget(&self, client: &Arc<Client>) {
        if client.is_in_store() {
            match self.store_unless_script() {
                Some(mut store) => store.forget(client, &self.state, Millis::now()),
                // Housekeeping does it.
                None => self.state.gone().push(Arc::clone(client)),
            }
        }
        // Last: who is not in the list any more has left nothing behind.
        self.state.clients.remove(client);
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
    if let Some(path) = &options.config {
        config.read(path)?;
    }
    for (name, value) in &options.parameters {
        if let Some(reason) = config.preset(name, value).map_err(RunError::Parameter)? {
            tracing::warn!("--{name} {value} is without effect: {reason}");
        }
    }
    let directory = open_directory(&config)?;
    if options.owns_process {
        let room = files::room_for_or_warn(config.max_clients(), 0);
        config.describe("maxclients", &room.to_string()).map_err(RunError::Parameter)?;
    }
    let listeners = server::bind(&options.listen)?;
    let address = listeners.first().and_then(|listener| listener.local_addr().ok());
    let fixed = [
        ("port", address.map_or(0, |address| address.port()).to_string()),
        ("bind", address.map_or(String::new(), |address| address.ip().to_string())),
        ("io-threads", options.workers.max(1).to_string()),
    ];
    for (name, value) in fixed {
        config.describe(name, &value).map_err(RunError::Parameter)?;
    }
    let life = Life::default();
    let mut state =
        NodeState::new(options.id.clone(), config, life.stop_token().clone()).map_err(RunError::Thread)?;
    if let Some(directory) = directory {
        state.persist.set_directory(directory);
    }
    let mut store = Store::new(DATABASES);
    store.keyspace.set_aging(commands::aging(&state.config));
    store.set_events(state.config.events());
    if options.owns_process {
        state.own_process(&store.keyspace);
    }
    let node = Arc::new(Node { state, store: Exclusive::new(store) });
    let name = format!("node-{}", options.id);
    node.state.aside.start(&name, &node).map_err(RunError::Aside)?;
    persist::save::start(&name, &node).map_err(RunError::Files)?;
    persist::start::start(&name, &node, life.clone())?;
    let running = server::start(&name, &node, listeners, options.workers, life)?;
    Ok(NodeHandle { running, node })
}

/// The directory of a node that is to keep its data, locked; it has the save points of Redis then if nobody named others.
fn open_directory(config: &Config) -> Result<Option<Directory>, RunError> {
    let wanted = config.get("dir").unwrap_or_default();
    if wanted.is_empty() {
        if !config.save_points().is_empty() {
            return Err(RunError::Parameter(format!("save: {}", config::NO_DIRECTORY)));
        }
        return Ok(None);
    }
    let directory = Directory::open(std::path::Path::new(&wanted))?;
    directory.remove_temporary().map_err(RunError::Temporary)?;
    config.describe("dir", &directory.path().to_string_lossy()).map_err(RunError::Parameter)?;
    if !config.is_given("save") {
        config.describe("save", config::SAVE_POINTS).map_err(RunError::Parameter)?;
    }
    Ok(Some(directory))
}

impl NodeHandle {
    /// Saves what is to be saved before the node is stopped by a signal; from there on nothing changes.
    ///
    /// # Errors
    /// It cannot be saved: the node goes on as before.
    pub fn save_for_the_end(&self) -> Result<(), persist::SaveError> {
        let mut store = self.node.store();
        commands::save_for_the_end(&mut store, &self.node.state, commands::Ending::Default)
    }

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
        let node = Arc::clone(&self.node);
        let stopped = self.running.stop();
        tokio::pin!(stopped);
        loop {
            tokio::select! {
                () = &mut stopped => break,
                () = tokio::time::sleep(SCRIPT_LOOK) => {}
            }
            // A script that has no end has one now.
            let running = node.state.script.elapsed();
            if running.is_some_and(|running| running >= node.state.config.busy_threshold()) {
                node.state.script.abort();
            }
        }
        node.state.aof.shared.flush();
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
