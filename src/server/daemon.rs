//! What a daemon gives the server so that it can be served on one port.

use std::{
    future::Future,
    net::SocketAddr,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use tokio::{net::TcpStream, sync::watch};
use tokio_util::sync::CancellationToken;

use super::{grpc::v1, metrics, sniff::Protocol};
use crate::{protocol::Value, slot::SlotRange, time::Millis};

/// A node or a proxy, as the listener sees it. The RESP loop is the daemon's own and stays on its worker thread, so
/// it need not be `Send`; gRPC calls go through [`Daemon::execute`].
pub trait Daemon: Send + Sync + 'static {
    /// What connections of one worker thread share. Made on that thread, in its runtime, and dropped there.
    type Worker: 'static;
    /// A gRPC caller's connection state: database, user.
    type Session: Send + 'static;

    /// Called once on each worker thread before its first connection; may `tokio::task::spawn_local`.
    fn start_worker(self: &Arc<Self>, handle: WorkerHandle) -> Self::Worker;

    /// Serves one connection until it ends. With the first bytes it reads the loop asks [`super::sniff::sniff`], and
    /// hands the connection back if it does not speak RESP. When [`WorkerHandle::stop`] is cancelled it answers what
    /// it has read and returns.
    fn serve(
        worker: Rc<Self::Worker>,
        stream: TcpStream,
        addresses: Addresses,
    ) -> impl Future<Output = Served> + 'static;

    /// A session for a gRPC caller.
    fn open_session(self: &Arc<Self>, addresses: Addresses) -> Self::Session;

    /// Runs one command; the reply is what a RESP3 client gets. Redis errors are [`Value::Error`].
    fn execute(
        &self,
        session: &mut Self::Session,
        arguments: Vec<Bytes>,
    ) -> impl Future<Output = Value> + Send;

    /// Runs a pipeline: one reply per command, in order.
    fn execute_all(
        &self,
        session: &mut Self::Session,
        commands: Vec<Vec<Bytes>>,
    ) -> impl Future<Output = Vec<Value>> + Send {
        async move {
            let mut replies = Vec::with_capacity(commands.len());
            for arguments in commands {
                replies.push(self.execute(session, arguments).await);
            }
            replies
        }
    }

    /// Deletes a key if it holds exactly this string, atomically: an integer 1 or 0, or an error.
    fn delete_if_value(
        &self,
        session: &mut Self::Session,
        key: Bytes,
        value: Bytes,
    ) -> impl Future<Output = Value> + Send;

    /// The figures of now, for `Control.Live`.
    fn figures(&self) -> impl Future<Output = v1::LiveFigures> + Send;

    /// Changes when the figures say something that whoever follows them should hear at once, before the interval is over;
    /// `None`: nothing ever does.
    fn turns(&self) -> Option<watch::Receiver<u64>> {
        None
    }

    /// The topology this daemon routes by; a node has none.
    fn topology(&self) -> v1::TopologyResponse;

    /// Keys in these slots by database, at one moment; `None` from a proxy, which has no keys of its own.
    fn count_keys(&self, slots: &[SlotRange]) -> Option<Vec<v1::DatabaseKeys>>;

    /// What another proxy of the cluster asks about scripts.
    ///
    /// # Errors
    /// It is not for it to ask, or there is nothing to be asked.
    fn scripts(&self, _: &v1::ScriptsRequest) -> Result<v1::ScriptsResponse, tonic::Status> {
        Err(tonic::Status::unimplemented("a node keeps its scripts for itself; use SCRIPT LOAD"))
    }

    /// Writes all metrics.
    fn metrics(&self, out: &mut metrics::Text);

    /// Whether clients should be sent here.
    ///
    /// # Errors
    /// Why not, for `/readyz`.
    fn ready(&self) -> Result<(), String>;

    /// Connections allowed at once (`maxclients`).
    fn max_clients(&self) -> u64;

    /// Idle time before TCP probes the other end (`tcp-keepalive`); `None`: never.
    fn tcp_keepalive(&self) -> Option<Duration>;

    /// How long connections may take to finish after a stop was asked for.
    fn grace(&self) -> Duration {
        Duration::from_secs(5)
    }

    /// Where the server counts connections.
    fn connections(&self) -> &ConnectionCounters;
}

/// Counts of connections, in INFO's terms.
#[derive(Debug, Default)]
pub struct ConnectionCounters {
    /// Open now.
    pub connected: AtomicU64,
    /// `total_connections_received`.
    pub received: AtomicU64,
    /// `rejected_connections`: over `maxclients`.
    pub rejected: AtomicU64,
    /// Closed because HTTP came where commands should.
    http: AtomicU64,
    /// When that was logged last.
    http_logged: AtomicI64,
}

impl ConnectionCounters {
    /// Open now.
    #[must_use]
    pub fn connected(&self) -> u64 {
        self.connected.load(Relaxed)
    }

    /// Counts a connection that is closed because HTTP came where commands should, and says so: once a minute, so that
    /// who does it cannot fill the log.
    pub fn warn_of_http(&self, client: SocketAddr, now: Millis) {
        let count = self.http.fetch_add(1, Relaxed) + 1;
        let last = self.http_logged.load(Relaxed);
        if (last == 0 || now.0 >= last + HTTP_LOG_INTERVAL.0)
            && self.http_logged.compare_exchange(last, now.0, Relaxed, Relaxed).is_ok()
        {
            tracing::warn!(
                %client,
                so_far = count,
                "Possible SECURITY ATTACK detected: HTTP where Redis commands should be. Somebody may be using a browser \
                 to send commands here (cross protocol scripting). Connection aborted; nothing after it was run"
            );
        }
    }
}

/// Between two warnings of [`ConnectionCounters::warn_of_http`].
const HTTP_LOG_INTERVAL: Millis = Millis(60_000);

/// Both ends of a connection.
#[derive(Clone, Copy, Debug)]
pub struct Addresses {
    /// The client's.
    pub remote: SocketAddr,
    /// Ours.
    pub local: SocketAddr,
}

/// How [`Daemon::serve`] ended.
#[derive(Debug)]
pub enum Served {
    /// The connection is closed.
    Closed,
    /// It speaks another protocol; the server goes on with it.
    NotResp {
        /// The connection.
        stream: TcpStream,
        /// Everything read from it so far.
        read: Vec<u8>,
        /// What [`super::sniff::sniff`] found.
        protocol: Protocol,
    },
}

/// A worker thread, as what runs on it sees it.
#[derive(Clone, Debug)]
pub struct WorkerHandle {
    /// From 0.
    pub index: usize,
    /// Cancelled when the daemon ends: finish what has begun.
    pub stop: CancellationToken,
}
