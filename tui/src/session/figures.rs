//! Live figures as a source of changes: a stream from every proxy, and from the nodes themselves while no proxy answers.
//!
//! Each member has a task of its own, so a slow one delays nobody else's figures. Two proxies tell of the nodes, so that one
//! that stops makes no node's figures old. Membership decides which tasks run.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use redis_cluster::{
    client::Connection,
    cluster::member::{Address, Kind},
    id::{NodeId, ProxyId},
    protocol::{Value, info},
    server::grpc::v1::{self, LiveRequest, control_client::ControlClient},
};
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::timeout,
};
use tonic::transport::Endpoint;

use super::{
    update::Change,
    view::{ClusterView, Latency, NodeFigures, ProxyFigures, Reading},
};

/// Between two answers of a member, unless somebody wants them less often. A proxy asks nodes every second: half of that
/// keeps what is shown younger than 2 seconds.
pub(crate) const INTERVAL: Duration = Duration::from_millis(500);
/// So many proxies tell of the nodes.
const WITNESSES: usize = 2;
/// Before a member is asked again that did not answer.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// A member that is so late with its figures does not answer.
const LATE_MAX: Duration = Duration::from_secs(2);
/// For the first answer of a member.
const SILENCE_MAX: Duration = Duration::from_millis(2800);
/// For connecting.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(800);

/// Whom figures come from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Source {
    /// Of itself, and (the first two) of all nodes.
    Proxy { id: ProxyId, address: String, nodes_too: bool },
    /// Of itself: `host:port`.
    Node { id: NodeId, address: String },
    /// Of a stock server, asked with `INFO`.
    Stock { id: NodeId, address: String, login: Option<(String, String)> },
}

/// Keeps the right streams open until nobody takes the changes any more. With another interval they are opened anew.
pub(super) async fn run(
    mut view: watch::Receiver<Arc<ClusterView>>,
    mut interval: watch::Receiver<Duration>,
    changes: mpsc::Sender<Change>,
) {
    let mut running = JoinSet::new();
    // Older proxies report themselves only; then the nodes are asked.
    let silent_on_nodes = Arc::new(AtomicBool::new(false));
    let mut handles: BTreeMap<(Source, Duration), tokio::task::AbortHandle> = BTreeMap::new();
    loop {
        let often = *interval.borrow_and_update();
        let wanted = wanted(&view.borrow_and_update(), silent_on_nodes.load(Ordering::Relaxed));
        handles.retain(|(source, interval), handle| {
            let keep = *interval == often && wanted.contains(source);
            if !keep {
                handle.abort();
            }
            keep
        });
        for source in wanted {
            if let Entry::Vacant(place) = handles.entry((source, often)) {
                let source = place.key().0.clone();
                let following = follow(source, often, changes.clone(), silent_on_nodes.clone());
                place.insert(running.spawn(following));
            }
        }
        tokio::select! {
            changed = view.changed() => if changed.is_err() { return },
            changed = interval.changed() => if changed.is_err() { return },
            () = changes.closed() => return,
            Some(_) = running.join_next() => {}
        }
    }
}

/// Every proxy; the nodes themselves while no proxy reports them.
fn wanted(view: &ClusterView, silent_on_nodes: bool) -> Vec<Source> {
    let answering = view.proxies.iter().filter(|(_, proxy)| proxy.error.is_none()).map(|(id, _)| id);
    let witnesses: Vec<&ProxyId> = answering.take(WITNESSES).collect();
    let mut sources: Vec<Source> = view
        .proxies
        .iter()
        .map(|(id, proxy)| Source::Proxy {
            id: id.clone(),
            address: proxy.record.address.clone(),
            nodes_too: witnesses.contains(&id),
        })
        .collect();
    if witnesses.is_empty() || silent_on_nodes {
        sources.extend(view.nodes.iter().map(|(id, node)| source_of(id, &node.record.address)));
    }
    sources
}

fn source_of(id: &NodeId, address: &Address) -> Source {
    let (id, host_port) = (id.clone(), address.connect_to());
    match address.kind() {
        Kind::Node => Source::Node { id, address: host_port },
        Kind::Stock => {
            let login = address.login().map(|(user, password)| (user.to_owned(), password.to_owned()));
            Source::Stock { id, address: host_port, login }
        }
    }
}

/// Why a source gives no more figures.
enum End {
    /// It did not answer in time.
    Silent(String),
    /// Its connection ended or could not be made, or it answered with an error.
    Failed(String),
    /// Nobody takes the figures any more.
    Unwanted,
}

/// Follows one source, again and again. A connection that had worked and ends is opened again once before the member is
/// said to be down: proxies and nodes that are restarted or reloaded close theirs.
async fn follow(
    source: Source,
    interval: Duration,
    changes: mpsc::Sender<Change>,
    silent_on_nodes: Arc<AtomicBool>,
) {
    loop {
        let mut worked = false;
        let end = match &source {
            Source::Proxy { id, address, nodes_too } => {
                let silent_on_nodes = nodes_too.then_some(&*silent_on_nodes);
                proxy(id, address, interval, silent_on_nodes, &changes, &mut worked).await
            }
            Source::Node { id, address } => node(id, address, interval, &changes, &mut worked).await,
            Source::Stock { id, address, login } => {
                stock(id, address, login.as_ref(), interval, &changes, &mut worked).await
            }
        };
        let error = match end {
            End::Unwanted => return,
            End::Failed(_) if worked => continue,
            End::Silent(error) | End::Failed(error) => error,
        };
        let change = match &source {
            Source::Proxy { id, .. } => Change::Proxy(id.clone(), Err(error)),
            Source::Node { id, .. } | Source::Stock { id, .. } => {
                Change::Nodes(vec![(id.clone(), Reading::failed(error))])
            }
        };
        if changes.send(change).await.is_err() {
            return;
        }
        tokio::time::sleep(RETRY_AFTER).await;
    }
}

/// A member's stream of figures.
struct Live {
    address: String,
    interval: Duration,
    stream: tonic::Streaming<v1::LiveFigures>,
}

impl Live {
    async fn open(address: &str, interval: Duration) -> Result<Self, End> {
        let endpoint = Endpoint::from_shared(format!("http://{address}"))
            .map_err(|error| End::Failed(format!("{address}: {error}")))?
            .connect_timeout(CONNECT_TIMEOUT);
        let silent = || End::Silent(format!("{address}: no answer"));
        let channel = match timeout(SILENCE_MAX, endpoint.connect()).await {
            Ok(Ok(channel)) => channel,
            Ok(Err(error)) => return Err(End::Failed(format!("{address}: {}", root_cause(&error)))),
            Err(_) => return Err(silent()),
        };
        let interval_ms = u32::try_from(interval.as_millis()).unwrap_or(1000);
        let mut client = ControlClient::new(channel);
        match timeout(SILENCE_MAX, client.live(LiveRequest { interval_ms })).await {
            Ok(Ok(response)) => {
                Ok(Self { address: address.to_owned(), interval, stream: response.into_inner() })
            }
            Ok(Err(status)) => Err(End::Failed(format!("{address}: {}", status.message()))),
            Err(_) => Err(silent()),
        }
    }

    async fn next(&mut self) -> Result<v1::LiveFigures, End> {
        let address = &self.address;
        let patience = self.interval + LATE_MAX;
        match timeout(patience, self.stream.message()).await {
            Ok(Ok(Some(figures))) => Ok(figures),
            Ok(Ok(None)) => Err(End::Failed(format!("{address}: closed the stream"))),
            Ok(Err(status)) => Err(End::Failed(format!("{address}: {}", status.message()))),
            Err(_) => Err(End::Silent(format!("{address}: no figures for {:.1} s", patience.as_secs_f64()))),
        }
    }
}

/// tonic says "transport error"; what it comes from says more.
pub(super) fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

/// Follows a proxy until it fails; says why. `worked`: it gave figures.
/// `silent_on_nodes`: given to the proxies whose figures of nodes count; they say whether there are any.
async fn proxy(
    id: &ProxyId,
    address: &str,
    interval: Duration,
    silent_on_nodes: Option<&AtomicBool>,
    changes: &mpsc::Sender<Change>,
    worked: &mut bool,
) -> End {
    let mut live = match Live::open(&reachable_address(address), interval).await {
        Ok(live) => live,
        Err(end) => return end,
    };
    loop {
        let figures = match live.next().await {
            Ok(figures) => figures,
            Err(end) => return end,
        };
        *worked = true;
        let told_at_ms = figures.at_ms;
        let nodes: Vec<_> = figures.nodes.into_iter().filter_map(|node| reading(node, told_at_ms)).collect();
        let owned = figures.owned.map(|owned| owned_keys(owned, told_at_ms));
        if let Some(silent) = silent_on_nodes {
            silent.store(nodes.is_empty(), Ordering::Relaxed);
            if changes.send(Change::Owned(owned)).await.is_err() {
                return End::Unwanted;
            }
        }
        if let Some(own) = figures.proxy
            && changes.send(Change::Proxy(id.clone(), Ok(own.into()))).await.is_err()
        {
            return End::Unwanted;
        }
        if silent_on_nodes.is_some() && !nodes.is_empty() && changes.send(Change::Nodes(nodes)).await.is_err()
        {
            return End::Unwanted;
        }
    }
}

/// A proxy that listens on every address is reached on the loopback one.
pub(crate) fn reachable_address(address: &str) -> String {
    format!("http://{address}")
        .parse::<Address>()
        .map_or_else(|_| address.to_owned(), |parsed| parsed.connect_to())
}

/// Follows a node until it fails; says why.
async fn node(
    id: &NodeId,
    address: &str,
    interval: Duration,
    changes: &mpsc::Sender<Change>,
    worked: &mut bool,
) -> End {
    let mut live = match Live::open(address, interval).await {
        Ok(live) => live,
        Err(end) => return end,
    };
    loop {
        match live.next().await {
            Ok(figures) => {
                *worked = true;
                // A node's own idea of its id is not the registry's; whoever asked it knows.
                let own = figures.nodes.into_iter().next();
                let own = own.map(|own| (id.clone(), Reading::fresh(own.into())));
                if changes.send(Change::Nodes(own.into_iter().collect())).await.is_err() {
                    return End::Unwanted;
                }
            }
            Err(end) => return end,
        }
    }
}

async fn stock(
    id: &NodeId,
    address: &str,
    login: Option<&(String, String)>,
    interval: Duration,
    changes: &mpsc::Sender<Change>,
    worked: &mut bool,
) -> End {
    let mut connection = match Connection::connect(address, CONNECT_TIMEOUT).await {
        Ok(connection) => connection,
        Err(error) => return End::Failed(error.to_string()),
    };
    let silent = || End::Silent(format!("{address}: no answer"));
    if let Some((user, password)) = login {
        let words = [b"AUTH".as_slice(), user.as_bytes(), password.as_bytes()];
        match timeout(SILENCE_MAX, connection.call(&words)).await {
            Ok(Ok(Value::Error(text))) => return End::Failed(String::from_utf8_lossy(&text).into_owned()),
            Ok(Ok(_)) => {}
            Ok(Err(error)) => return End::Failed(error.to_string()),
            Err(_) => return silent(),
        }
    }
    loop {
        let asked = std::time::Instant::now();
        let reply = match timeout(SILENCE_MAX, connection.call(&["INFO"])).await {
            Ok(Ok(reply)) => reply,
            Ok(Err(error)) => return End::Failed(error.to_string()),
            Err(_) => return silent(),
        };
        let Some(text) = reply.as_bytes() else {
            return End::Failed(format!("{address}: INFO gave {reply:?}"));
        };
        *worked = true;
        let mut figures = from_info(&String::from_utf8_lossy(text));
        figures.latency_us = u64::try_from(asked.elapsed().as_micros()).unwrap_or(u64::MAX);
        if changes.send(Change::Nodes(vec![(id.clone(), Reading::fresh(figures))])).await.is_err() {
            return End::Unwanted;
        }
        tokio::time::sleep(interval).await;
    }
}

fn from_info(text: &str) -> NodeFigures {
    let number = |name: &str| info::number(text, name).unwrap_or(0);
    let (keys, expires) = info::databases(text)
        .fold((0, 0), |(keys, expires), database| (keys + database.keys, expires + database.expires));
    NodeFigures {
        keys,
        expires,
        commands: number("total_commands_processed"),
        ops_per_second: number("instantaneous_ops_per_sec") as f64,
        used_memory: number("used_memory"),
        max_memory: number("maxmemory"),
        clients: number("connected_clients"),
        version: info::version(text).unwrap_or_default(),
        uptime_seconds: number("uptime_in_seconds"),
        ..NodeFigures::default()
    }
}

/// What a proxy tells of a node at `told_at_ms` by its clock.
fn reading(figures: v1::NodeFigures, told_at_ms: u64) -> Option<(NodeId, Reading)> {
    let id = figures.id.parse().ok()?;
    let error = (!figures.reachable).then(|| match figures.error.as_str() {
        "" => "does not answer the proxy".to_owned(),
        error => error.to_owned(),
    });
    // Zero: it never answered this proxy.
    let age_ms = (figures.at_ms != 0)
        .then(|| i64::try_from(told_at_ms.saturating_sub(figures.at_ms)).unwrap_or(i64::MAX));
    Some((id, Reading { figures: age_ms.map(|age_ms| (figures.into(), age_ms)), error }))
}

/// What a proxy counted, by `told_at_ms` of its clock, and how old that was then, milliseconds.
fn owned_keys(owned: v1::OwnedKeys, told_at_ms: u64) -> (BTreeMap<NodeId, u64>, i64) {
    let age_ms = i64::try_from(told_at_ms.saturating_sub(owned.at_ms)).unwrap_or(i64::MAX);
    let keys = owned.nodes.into_iter().filter_map(|node| Some((node.id.parse().ok()?, node.keys))).collect();
    (keys, age_ms)
}

impl From<v1::NodeFigures> for NodeFigures {
    fn from(figures: v1::NodeFigures) -> Self {
        Self {
            keys: figures.keys,
            expires: figures.expires,
            commands: figures.commands,
            ops_per_second: figures.ops_per_second,
            used_memory: figures.used_memory,
            max_memory: figures.max_memory,
            clients: figures.clients,
            version: figures.version,
            uptime_seconds: figures.uptime_seconds,
            latency_us: figures.latency_us,
            errors_per_second: figures.errors_per_second,
            hit_share: figures.hit_share,
            latency: figures
                .latency
                .map(|latency| Latency { p50_us: latency.p50_us, p99_us: latency.p99_us }),
        }
    }
}

impl From<v1::ProxyFigures> for ProxyFigures {
    fn from(figures: v1::ProxyFigures) -> Self {
        Self {
            clients: figures.clients,
            commands: figures.commands,
            ops_per_second: figures.ops_per_second,
            epoch: figures.epoch,
            held: figures.held,
            driver: figures.driver,
            version: figures.version,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn info_of_a_stock_server() {
        let figures = from_info(
            "# Server\r\nredis_version:7.0.15\r\nused_memory:1024\r\nused_memory_human:1K\r\nconnected_clients:3\r\n\
             # Keyspace\r\ndb0:keys=5,expires=2,avg_ttl=0\r\ndb3:keys=1,expires=0,avg_ttl=0\r\n",
        );
        assert_eq!((figures.keys, figures.expires, figures.used_memory, figures.clients), (6, 2, 1024, 3));
        assert_eq!(figures.version, "redis 7.0.15");
    }
}
