//! The proxy as the listener and the gRPC services see it.

use std::{
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use bytes::Bytes;
use tokio::{net::TcpStream, sync::oneshot};
use tokio_util::sync::CancellationToken;

use super::{
    local::LocalClient,
    routing::{Access, Routing},
    shared::Shared,
    worker::{Message, Port, stream::Stream},
};
use crate::{
    protocol::Value,
    server::{
        ConnectionCounters, Daemon, Peer, Served, WorkerHandle,
        grpc::v1,
        metrics::{self, Kind},
        sniff::{Protocol, Sniff, sniff},
    },
    time::Millis,
};

/// Of the first bytes of a connection, at once.
const FIRST_READ: usize = 16 << 10;

/// See the module.
#[derive(Debug)]
pub(super) struct Proxy {
    shared: Arc<Shared>,
    routing: Arc<ArcSwap<Routing>>,
    max_clients: u64,
    next: AtomicUsize,
}

impl Proxy {
    pub(super) fn new(shared: Arc<Shared>, routing: Arc<ArcSwap<Routing>>, max_clients: u64) -> Self {
        Self { shared, routing, max_clients, next: AtomicUsize::new(0) }
    }

    /// Workers take turns.
    fn port(&self) -> Option<Arc<Port>> {
        let ports = self.shared.ports();
        ports.get(self.next.fetch_add(1, Relaxed) % ports.len().max(1)).cloned()
    }
}

/// What the listener's thread needs of the proxy.
#[derive(Debug)]
pub(super) struct Front {
    proxy: Arc<Proxy>,
    stop: CancellationToken,
}

impl Daemon for Proxy {
    type Worker = Front;
    type Session = LocalClient;

    fn start_worker(self: &Arc<Self>, handle: WorkerHandle) -> Front {
        Front { proxy: Arc::clone(self), stop: handle.stop }
    }

    /// Looks at the first bytes here; a connection that speaks RESP then lives on a worker of the proxy's own.
    async fn serve(front: Rc<Front>, stream: TcpStream, peer: Peer) -> Served {
        let mut read = Vec::with_capacity(FIRST_READ);
        loop {
            let ready = tokio::select! {
                () = front.stop.cancelled() => return Served::Closed,
                ready = stream.readable() => ready,
            };
            if ready.is_err() {
                return Served::Closed;
            }
            match stream.try_read_buf(&mut read) {
                Ok(0) => return Served::Closed,
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => continue,
                Err(_) => return Served::Closed,
            }
            match sniff(&read) {
                Sniff::NeedMore => {}
                Sniff::Is(Protocol::Resp) => break,
                Sniff::Is(protocol) => return Served::NotResp { stream, read, protocol },
            }
        }
        let stream = match stream.into_std() {
            Ok(stream) => Stream::Tcp(mio::net::TcpStream::from_std(stream)),
            Err(error) => {
                tracing::warn!(%error, client = %peer.remote, "cannot hand a connection over");
                return Served::Closed;
            }
        };
        let (ended, end) = oneshot::channel();
        if let Some(port) = front.proxy.port() {
            let peer = Some((peer.remote, peer.local));
            port.send(Message::Connection { stream, read, peer, ended: Some(ended) });
            // Ends when the worker drops the connection.
            let _ = end.await;
        }
        Served::Closed
    }

    fn open_session(self: &Arc<Self>, _peer: Peer) -> LocalClient {
        LocalClient::new(self.port())
    }

    async fn execute(&self, session: &mut LocalClient, arguments: Vec<Bytes>) -> Value {
        session.call(&[arguments]).await.pop().unwrap_or(Value::Null)
    }

    async fn execute_all(&self, session: &mut LocalClient, commands: Vec<Vec<Bytes>>) -> Vec<Value> {
        session.call(&commands).await
    }

    async fn delete_if_value(&self, _session: &mut LocalClient, _key: Bytes, _value: Bytes) -> Value {
        Value::Error("ERR deleting by value is not available through a proxy yet".into())
    }

    async fn figures(&self) -> v1::LiveFigures {
        let counters = self.shared.counters();
        v1::LiveFigures {
            at_ms: u64::try_from(Millis::now().0).unwrap_or_default(),
            nodes: Vec::new(),
            proxy: Some(v1::ProxyFigures {
                id: self.shared.id.to_string(),
                clients: self.shared.connections.connected(),
                commands: counters.commands,
                ops_per_second: 0.0,
                epoch: self.routing.load().epoch().0,
                held: counters.held,
                driver: false,
                version: env!("CARGO_PKG_VERSION").to_owned(),
            }),
        }
    }

    fn topology(&self) -> v1::TopologyResponse {
        let routing = self.routing.load();
        v1::TopologyResponse {
            epoch: routing.epoch().0,
            json: serde_json::to_string(routing.topology())
                .expect("a topology of numbers and strings is always JSON"),
        }
    }

    fn metrics(&self, out: &mut metrics::Text) {
        let counters = self.shared.counters();
        let connections = &self.shared.connections;
        out.one(Kind::Gauge, "redis_proxy_connected_clients", "Open connections.", connections.connected());
        out.one(
            Kind::Counter,
            "redis_proxy_connections_received_total",
            "Connections accepted.",
            connections.received.load(Relaxed),
        );
        out.one(
            Kind::Counter,
            "redis_proxy_connections_rejected_total",
            "Connections over the limit.",
            connections.rejected.load(Relaxed),
        );
        out.one(Kind::Counter, "redis_proxy_commands_total", "Requests served.", counters.commands);
        out.one(Kind::Counter, "redis_proxy_forwarded_total", "Requests sent to nodes.", counters.forwarded);
        out.one(
            Kind::Counter,
            "redis_proxy_errors_total",
            "Requests answered with an error of the proxy's own.",
            counters.errors,
        );
        out.one(
            Kind::Gauge,
            "redis_proxy_held_clients",
            "Clients whose writes wait for a slot move.",
            counters.held,
        );
        let routing = self.routing.load();
        out.one(Kind::Gauge, "redis_proxy_topology_epoch", "Epoch it routes by.", routing.epoch().0);
        let mut family = out.family(
            Kind::Gauge,
            "redis_proxy_node_logged_in",
            "Whether the proxy may make connections to a node.",
        );
        for (_, member) in routing.members() {
            let ready = u8::from(matches!(member.access, Access::Ready(_)));
            family.sample(&[("node", member.id.as_str())], ready);
        }
    }

    fn ready(&self) -> Result<(), String> {
        let routing = self.routing.load();
        if !routing.is_known() {
            return Err("the topology was not read from etcd yet".to_owned());
        }
        if routing.owning().is_empty() {
            return Err("no node owns slots; add one with redis_console".to_owned());
        }
        Ok(())
    }

    fn max_clients(&self) -> u64 {
        self.max_clients
    }

    fn tcp_keepalive(&self) -> Option<Duration> {
        Some(Duration::from_secs(300))
    }

    fn connections(&self) -> &ConnectionCounters {
        &self.shared.connections
    }
}

/// Asks members for their figures, for `Control.Live`.
pub(super) async fn poll_members(_proxy: Arc<Proxy>, stop: CancellationToken) {
    stop.cancelled().await;
}
