//! A whole cluster in this process, for one machine with nothing installed: registry, three nodes, two proxies, all on
//! the loopback interface. The same code as the daemons, started by the same functions.
//!
//! Other programs can join: `etcdctl`, a second console, a proxy started by hand.

use redis_cluster::cluster::records::{Unreadable, keys, parse, to_json};
use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    num::NonZeroUsize,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use redis_cluster::{
    cluster::{
        Topology,
        member::{Address, NodeRecord, ProxyRecord},
        registry::{
            Commit, Registry, RegistryError, Txn,
            embedded::{self, EmbeddedError, Storage},
        },
    },
    id::{Epoch, NodeId, ProxyId},
    node::{self, NodeHandle, NodeOptions},
    proxy::{self, ProxyOptions},
    server::ListenAddress,
    slot::{SLOTS, SlotId, SlotRange},
    time::Millis,
};
use tokio::net::{TcpListener, TcpStream};

use crate::session::{ClusterView, StartsNodes};

/// Where etcd listens by default.
const REGISTRY_PORT: u16 = 2379;
/// Of the first node; the others have the next free ones.
const NODE_PORT: u16 = 8001;
/// Of the first proxy.
const PROXY_PORT: u16 = 7001;
/// Ports that are tried, one after the other.
const PORTS_TRIED: u16 = 100;
const NODES: usize = 3;
const PROXIES: usize = 2;
/// How long everything gets to end in order.
const GRACE: Duration = Duration::from_secs(3);

/// Why there is no embedded cluster.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Its registry.
    #[error(transparent)]
    Embedded(#[from] EmbeddedError),
    /// A call to its registry.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// No free port.
    #[error("no port of {first} to {last} on 127.0.0.1 is free for {what}: {source}")]
    NoPort {
        /// For what.
        what: String,
        /// The first that was tried.
        first: u16,
        /// The last.
        last: u16,
        /// What the last said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A node.
    #[error("node {id}: {source}")]
    Node {
        /// Which.
        id: NodeId,
        /// What happened.
        source: node::RunError,
    },
    /// A proxy.
    #[error("proxy {id}: {source}")]
    Proxy {
        /// Which.
        id: ProxyId,
        /// What happened.
        source: proxy::RunError,
    },
    /// Something in the registry that this program did not write.
    #[error(transparent)]
    Record(#[from] Unreadable),
    /// What a node kept that is no member any more is in the way of a new one.
    #[error("cannot set aside {}, which a node kept that is no member any more: {source}", path.display())]
    Aside {
        /// Its directory.
        path: PathBuf,
        /// What happened.
        source: io::Error,
    },
    /// Another process was faster.
    #[error("somebody else founded a cluster here at the same time")]
    Founded,
}

/// The cluster. It ends with this value; [`Embedded::stop`] ends it in order.
#[derive(Debug)]
pub struct Embedded {
    registry: embedded::Handle,
    nodes: Arc<Nodes>,
    proxies: Vec<proxy::Handle>,
    directory: Option<PathBuf>,
}

/// The nodes of this process.
#[derive(Debug)]
struct Nodes {
    running: Mutex<Vec<NodeHandle>>,
    /// Where they keep their keys, if they do: `nodes/ID-PORT` of the cluster's directory for each.
    directory: Option<PathBuf>,
}

impl Embedded {
    /// Starts it. With a directory the registry is kept there, and what the nodes hold in append-only files; members that it
    /// knows from the last time start again with their keys.
    ///
    /// # Errors
    /// When the directory is in use, or something cannot start.
    pub async fn start(cluster: &str, directory: Option<&Path>) -> Result<Self, StartError> {
        let storage = directory.map_or(Storage::Memory, |path| Storage::Directory(path.to_owned()));
        let served = embedded::serve(listen().await?, storage).await?;
        let registry = Registry::open(&[served.url().to_owned()], cluster)?;
        let directory_of_nodes = directory.map(|path| path.join("nodes"));
        let nodes = Arc::new(Nodes { running: Mutex::default(), directory: directory_of_nodes });
        let known = registry.list(keys::NODES).await?;
        if known.entries.is_empty() {
            found(&registry, &nodes).await?;
        }
        for entry in &known.entries {
            let record: NodeRecord = parse(entry)?;
            nodes.start_again(&record)?;
        }
        let mut proxies = Vec::new();
        for number in 1..=PROXIES {
            proxies.push(start_proxy(&registry, served.url(), cluster, number).await?);
        }
        Ok(Self { registry: served, nodes, proxies, directory: directory.map(Path::to_owned) })
    }

    /// For [`crate::session::Options::endpoints`].
    #[must_use]
    pub fn url(&self) -> &str {
        self.registry.url()
    }

    /// Who starts more nodes.
    #[must_use]
    pub fn starter(&self) -> Arc<dyn StartsNodes> {
        self.nodes.clone()
    }

    /// Waits until the proxies can be used.
    ///
    /// # Errors
    /// When one of them cannot.
    pub async fn ready(&mut self) -> Result<(), StartError> {
        for (index, proxy) in self.proxies.iter_mut().enumerate() {
            proxy
                .registered()
                .await
                .map_err(|source| StartError::Proxy { id: proxy_id(index + 1), source })?;
        }
        Ok(())
    }

    /// Whether every proxy of this process routes by the current topology.
    #[must_use]
    pub fn is_ready(&self, view: &ClusterView) -> bool {
        let Some(current) = &view.topology else { return false };
        (1..=PROXIES).all(|number| {
            view.proxies
                .get(&proxy_id(number))
                .is_some_and(|proxy| proxy.record.epoch >= current.topology.epoch)
        })
    }

    /// Lines for the operator: how each part is reached, and what is not kept.
    #[must_use]
    pub fn describe(&self) -> Vec<String> {
        let ports = |addresses: Vec<Option<&SocketAddr>>| {
            let ports: Vec<String> =
                addresses.into_iter().flatten().map(|address| address.port().to_string()).collect();
            ports.join(", ")
        };
        let nodes = self.nodes.running.lock().unwrap_or_else(PoisonError::into_inner);
        let first =
            self.proxies.first().and_then(|proxy| proxy.addresses().first()).map_or(0, SocketAddr::port);
        let kept = match &self.directory {
            None => "nothing is kept when it ends (--dir DIR keeps it)".to_owned(),
            Some(path) => format!("{} keeps members, slots and keys", path.display()),
        };
        vec![
            format!(
                "embedded cluster: registry {}, nodes on ports {}, proxies on ports {}",
                self.url(),
                ports(nodes.iter().map(|node| node.addresses().first()).collect()),
                ports(self.proxies.iter().map(|proxy| proxy.addresses().first()).collect()),
            ),
            format!("reach it with `redis-cli -p {first}` or `redis_console {}`; {kept}", self.url()),
        ]
    }

    /// Ends everything in order: proxies leave the registry, nodes answer what they have, the registry's file is closed.
    pub async fn stop(self) {
        let in_order = async {
            for proxy in self.proxies {
                proxy.stop().await;
            }
            let nodes =
                std::mem::take(&mut *self.nodes.running.lock().unwrap_or_else(PoisonError::into_inner));
            for node in nodes {
                node.stop().await;
            }
            // What it acknowledged is on the disk already.
            let _ = self.registry.stop().await;
        };
        // Whatever is not through by then ends with the process.
        let _ = tokio::time::timeout(GRACE, in_order).await;
    }
}

/// The registry's port, or the next free one.
async fn listen() -> Result<TcpListener, StartError> {
    let last = REGISTRY_PORT + PORTS_TRIED;
    let mut port = REGISTRY_PORT;
    loop {
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await {
            Ok(listener) => return Ok(listener),
            Err(_) if port < last => port += 1,
            Err(source) => {
                let source: Box<dyn std::error::Error + Send + Sync> = source.into();
                return Err(StartError::NoPort {
                    what: "the registry".to_owned(),
                    first: REGISTRY_PORT,
                    last,
                    source,
                });
            }
        }
    }
}

fn node_id(number: usize) -> NodeId {
    number.to_string().parse().expect("a number is a valid id")
}

fn proxy_id(number: usize) -> ProxyId {
    number.to_string().parse().expect("a number is a valid id")
}

/// The first nodes of a new cluster. There are no keys yet, so the slots are given out in one transaction.
async fn found(registry: &Registry, nodes: &Nodes) -> Result<(), StartError> {
    let mut topology = Topology { epoch: Epoch(1), ..Topology::default() };
    let mut txn = Txn::new().if_absent(keys::TOPOLOGY);
    for number in 1..=NODES {
        let id = node_id(number);
        let address = nodes.start_on_free_port(&id)?;
        let first = SLOTS * (number - 1) / NODES;
        let last = SLOTS * number / NODES;
        topology.assign(&SlotRange::cover(SlotId::all().skip(first).take(last - first)), &id);
        let record = NodeRecord {
            id: id.clone(),
            address,
            added_at_ms: Millis::now().0,
            added_by: "embedded cluster".to_owned(),
            version: String::new(),
            run_id: String::new(),
        };
        txn = txn.if_absent(keys::node(&id)).put(keys::node(&id), to_json(&record));
    }
    match registry.commit(txn.put(keys::TOPOLOGY, to_json(&topology))).await? {
        Commit::Done { .. } => Ok(()),
        Commit::Conflict { .. } => Err(StartError::Founded),
    }
}

impl Nodes {
    fn start(&self, id: &NodeId, port: u16) -> Result<Address, node::RunError> {
        let workers = std::thread::available_parallelism().map_or(1, NonZeroUsize::get).min(2);
        let listen = ListenAddress::loopback(port);
        // Every write is with the system before it is answered, and on the disk within a second.
        let parameters = self.kept_in(id, port).map_or_else(Vec::new, |directory| {
            let directory = directory.to_string_lossy().into_owned();
            let set = [("dir", directory), ("appendonly", "yes".to_owned()), ("save", String::new())];
            set.map(|(name, value)| (name.to_owned(), value)).into()
        });
        let options =
            NodeOptions { id: id.clone(), listen, workers, owns_process: false, config: None, parameters };
        let handle = node::run(&options)?;
        let port = handle.addresses().first().map_or(port, SocketAddr::port);
        self.running.lock().unwrap_or_else(PoisonError::into_inner).push(handle);
        Ok(format!("http://127.0.0.1:{port}").parse().expect("a port of the loopback address is an address"))
    }

    /// The directory of a node. Ports are part of its name: after `remove 3` and `add 3` there may be two of that id.
    fn kept_in(&self, id: &NodeId, port: u16) -> Option<PathBuf> {
        Some(self.directory.as_ref()?.join(format!("{id}-{port}")))
    }

    /// A new member begins with nothing. What a former one of the same name kept is given another name, and stays.
    fn set_aside(&self, id: &NodeId, port: u16) -> Result<(), StartError> {
        let Some(path) = self.kept_in(id, port) else { return Ok(()) };
        let old = path.with_file_name(format!("{id}-{port}.until-{}", Millis::now().0));
        match std::fs::rename(&path, old) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(StartError::Aside { path, source })
            }
            _ => Ok(()),
        }
    }

    fn start_on_free_port(&self, id: &NodeId) -> Result<Address, StartError> {
        let last = NODE_PORT + PORTS_TRIED;
        let mut port = NODE_PORT;
        loop {
            // A node opens its directory before it listens: no directories for ports that others have.
            if port < last && std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_err() {
                port += 1;
                continue;
            }
            self.set_aside(id, port)?;
            match self.start(id, port) {
                Ok(address) => return Ok(address),
                Err(node::RunError::Bind(_)) if port < last => port += 1,
                Err(node::RunError::Bind(source)) => {
                    let what = format!("node {id}");
                    return Err(StartError::NoPort { what, first: NODE_PORT, last, source: source.into() });
                }
                Err(source) => return Err(StartError::Node { id: id.clone(), source }),
            }
        }
    }

    /// A member from the last time, where it was. Members elsewhere look after themselves.
    fn start_again(&self, record: &NodeRecord) -> Result<(), StartError> {
        if record.address.host() != "127.0.0.1" {
            return Ok(());
        }
        match self.start(&record.id, record.address.port()) {
            Ok(_) => Ok(()),
            Err(source) => Err(StartError::Node { id: record.id.clone(), source }),
        }
    }
}

impl StartsNodes for Nodes {
    fn keeps_keys(&self) -> bool {
        self.directory.is_some()
    }

    fn start_node(&self, id: &str) -> Result<Address, String> {
        let id: NodeId = id.parse().map_err(|error: redis_cluster::id::InvalidId| error.to_string())?;
        self.start_on_free_port(&id).map_err(|error| error.to_string())
    }

    fn stop_node(&self, address: &Address) {
        let is_it = |node: &NodeHandle| {
            let port = node.addresses().first().map(SocketAddr::port);
            address.host() == "127.0.0.1" && port == Some(address.port())
        };
        // Dropping a handle stops its node.
        self.running.lock().unwrap_or_else(PoisonError::into_inner).retain(|node| !is_it(node));
    }
}

async fn start_proxy(
    registry: &Registry,
    url: &str,
    cluster: &str,
    number: usize,
) -> Result<proxy::Handle, StartError> {
    let id = proxy_id(number);
    forget_dead(registry, &id).await?;
    let last = PROXY_PORT + PORTS_TRIED;
    let mut port = PROXY_PORT;
    loop {
        let options = ProxyOptions {
            cluster: cluster.to_owned(),
            workers: NonZeroUsize::MIN,
            ..ProxyOptions::new(id.clone(), ListenAddress::loopback(port), vec![url.to_owned()])
        };
        match proxy::run(&options) {
            Ok(handle) => return Ok(handle),
            Err(proxy::RunError::Bind(_)) if port < last => port += 1,
            Err(proxy::RunError::Bind(source)) => {
                let what = format!("proxy {id}");
                return Err(StartError::NoPort { what, first: PROXY_PORT, last, source: source.into() });
            }
            Err(source) => return Err(StartError::Proxy { id, source }),
        }
    }
}

/// A proxy of the last time that was killed left its record behind, under a lease that has not ended yet.
async fn forget_dead(registry: &Registry, id: &ProxyId) -> Result<(), StartError> {
    let key = keys::proxy(id);
    let Some(entry) = registry.get(&key).await? else { return Ok(()) };
    let Ok(record) = parse::<ProxyRecord>(&entry) else { return Ok(()) };
    let refused = match TcpStream::connect(&record.address).await {
        Ok(_) => false,
        Err(error) => error.kind() == io::ErrorKind::ConnectionRefused,
    };
    if refused {
        registry.commit(Txn::new().if_revision(&*key, entry.mod_revision).delete(&*key)).await?;
    }
    Ok(())
}
