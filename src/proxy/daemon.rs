//! The proxy as the listener and the gRPC services see it.

use std::{
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    net::TcpStream,
    sync::{oneshot, watch},
};
use tokio_util::sync::CancellationToken;

use super::{
    figures::{self, Live},
    local::LocalClient,
    losses::Noticed,
    observe, others,
    routing::Routing,
    shared::Shared,
    worker::{Mailbox, Message, stream::Stream},
};
use crate::{
    client,
    protocol::Value,
    server::{
        Addresses, ConnectionCounters, Daemon, Served, WorkerHandle,
        counts::Counter,
        grpc::v1,
        metrics,
        sniff::{Protocol, Sniff, sniff},
    },
    slot::SlotRange,
};

/// How long clients wait for a proxy that starts to have read the topology.
pub(super) const STARTUP: Duration = Duration::from_secs(2);
/// Idle time before clients are probed.
pub(super) const TCP_KEEPALIVE: Duration = Duration::from_secs(300);
/// Of the first bytes of a connection, at once.
const FIRST_READ: usize = 16 << 10;

/// See the module.
#[derive(Debug)]
pub(super) struct Proxy {
    pub(super) shared: Arc<Shared>,
    /// The table in use.
    routing: watch::Sender<Arc<Routing>>,
    pub(super) live: Live,
    /// Members that came back without their keys.
    pub(super) losses: Noticed,
    /// Tables that were put to use; the thread of the registry counts.
    pub(super) applied: Counter,
    next: AtomicUsize,
}

impl Proxy {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let (routing, _) = watch::channel(Arc::new(Routing::unknown()));
        Self {
            shared,
            routing,
            live: Live::default(),
            losses: Noticed::default(),
            applied: Counter::default(),
            next: AtomicUsize::new(0),
        }
    }

    /// Waits for the first table, and for the users, so that the first clients of a proxy that starts do not see errors; not for long, because
    /// the registry may be away.
    async fn until_known(&self) {
        let mut changes = self.routing_changes();
        // Without it they get errors that say so.
        let known = async {
            let _ = changes.wait_for(|routing| routing.is_known()).await;
            self.shared.users.until_known().await;
        };
        let _ = tokio::time::timeout(STARTUP, known).await;
    }

    /// The table in use.
    pub(super) fn routing(&self) -> Arc<Routing> {
        Arc::clone(&self.routing.borrow())
    }

    /// Tells of every change of the table.
    pub(super) fn routing_changes(&self) -> watch::Receiver<Arc<Routing>> {
        self.routing.subscribe()
    }

    /// Puts another table to use, everywhere.
    pub(super) fn publish(&self, routing: &Arc<Routing>) {
        self.routing.send_replace(Arc::clone(routing));
        self.applied.add(1);
        for mailbox in self.shared.mailboxes() {
            mailbox.send(Message::Routing(Arc::clone(routing)));
        }
    }

    /// Workers take turns.
    fn mailbox(&self) -> Option<Arc<Mailbox>> {
        let mailboxes = self.shared.mailboxes();
        mailboxes.get(self.next.fetch_add(1, Relaxed) % mailboxes.len().max(1)).cloned()
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
    async fn serve(front: Rc<Front>, stream: TcpStream, addresses: Addresses) -> Served {
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
        front.proxy.until_known().await;
        let stream = match stream.into_std() {
            Ok(stream) => Stream::Tcp(mio::net::TcpStream::from_std(stream)),
            Err(error) => {
                tracing::warn!(%error, client = %addresses.remote, "cannot hand a connection over");
                return Served::Closed;
            }
        };
        let (ended, end) = oneshot::channel();
        if let Some(mailbox) = front.proxy.mailbox() {
            let peer = Some((addresses.remote, addresses.local));
            mailbox.send(Message::Connection { stream, read, peer, ended: Some(ended) });
            // Ends when the worker drops the connection.
            let _ = end.await;
        }
        Served::Closed
    }

    fn open_session(self: &Arc<Self>, _addresses: Addresses) -> LocalClient {
        LocalClient::new(self.mailbox())
    }

    async fn execute(&self, session: &mut LocalClient, arguments: Vec<Bytes>) -> Value {
        session.call(&[arguments]).await.pop().unwrap_or(Value::Null)
    }

    async fn execute_all(&self, session: &mut LocalClient, commands: Vec<Vec<Bytes>>) -> Vec<Value> {
        session.call(&commands).await
    }

    async fn delete_if_value(&self, session: &mut LocalClient, key: Bytes, value: Bytes) -> Value {
        let Ok(reply) = client::delete_if_value(session, &key, &value).await;
        reply
    }

    async fn figures(&self) -> v1::LiveFigures {
        figures::now(self)
    }

    fn turns(&self) -> Option<watch::Receiver<u64>> {
        Some(self.live.turns())
    }

    fn topology(&self) -> v1::TopologyResponse {
        let routing = self.routing();
        v1::TopologyResponse {
            epoch: routing.epoch().0,
            json: serde_json::to_string(routing.topology())
                .expect("a topology of numbers and strings is always JSON"),
        }
    }

    fn count_keys(&self, _slots: &[SlotRange]) -> Option<Vec<v1::DatabaseKeys>> {
        None
    }

    fn scripts(&self, request: &v1::ScriptsRequest) -> Result<v1::ScriptsResponse, tonic::Status> {
        others::answer(&self.shared, request)
    }

    fn metrics(&self, out: &mut metrics::Text) {
        observe::metrics::write(self, out);
    }

    fn ready(&self) -> Result<(), String> {
        if self.shared.drain.has_begun() {
            return Err("the proxy drains: it is about to end".to_owned());
        }
        let routing = self.routing();
        if !routing.is_known() {
            return Err("the topology was not read from etcd yet".to_owned());
        }
        if routing.owning().is_empty() {
            return Err("no node owns slots; add one with redis_console".to_owned());
        }
        observe::unreachable(&self.shared, &routing).map_or(Ok(()), Err)
    }

    fn max_clients(&self) -> u64 {
        self.shared.max_clients
    }

    fn tcp_keepalive(&self) -> Option<Duration> {
        Some(TCP_KEEPALIVE)
    }

    fn grace(&self) -> Duration {
        self.shared.config.drain_timeout
    }

    fn connections(&self) -> &ConnectionCounters {
        &self.shared.connections
    }
}
