//! Worker threads, and the acceptor that deals connections out to them.
//!
//! A connection stays on the thread it was given to. The acceptor has a thread of its own and does nothing but
//! accept, so a burst of connections is never behind a busy worker's batch.

use std::{
    io,
    net::{SocketAddr, TcpListener, TcpStream},
    rc::Rc,
    sync::{Arc, atomic::Ordering::Relaxed},
    thread::{self, JoinHandle},
    time::Duration,
};

use socket2::{SockRef, TcpKeepalive};
use tokio::{
    runtime,
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use super::{
    daemon::{Addresses, ConnectionCounters, Daemon, Served, WorkerHandle},
    http::Endpoints,
    life::Life,
};

/// Before accepting again after the process ran out of file descriptors: closing one is all that helps.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(50);

/// What the operating system refused when the threads were started.
#[derive(Debug, thiserror::Error)]
#[error("cannot start {what}: {source}")]
pub struct StartError {
    what: String,
    source: io::Error,
}

/// A daemon being served. Dropping it asks it to stop and does not wait.
#[derive(Debug)]
pub struct Running {
    addresses: Vec<SocketAddr>,
    life: Life,
    stopped: CancellationToken,
    acceptor: Option<JoinHandle<()>>,
}

impl Running {
    /// Where it listens.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Cancel it to stop the daemon: no new connections, what was read is answered, then all ends.
    #[must_use]
    pub fn stop_token(&self) -> CancellationToken {
        self.life.stop_token().clone()
    }

    /// Asks it to stop and waits until it has.
    pub async fn stop(self) {
        self.life.stop_token().cancel();
        self.stopped().await;
    }

    /// Cancelled when it has stopped.
    #[must_use]
    pub fn end_token(&self) -> CancellationToken {
        self.stopped.clone()
    }

    /// Why it could not go on, if that is why it stopped.
    #[must_use]
    pub fn failure(&self) -> Option<&str> {
        self.life.failure()
    }

    /// Waits until it has stopped, for whatever reason.
    pub async fn stopped(&self) {
        self.stopped.cancelled().await;
    }

    /// Asks it to stop and blocks until it has.
    pub fn stop_blocking(mut self) {
        self.life.stop_token().cancel();
        if let Some(acceptor) = self.acceptor.take() {
            // A panic of the thread was printed when it happened.
            let _ = acceptor.join();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.life.stop_token().cancel();
    }
}

struct Connection {
    stream: TcpStream,
    addresses: Addresses,
}

/// Serves a daemon on listening sockets with `workers` threads (at least one) named after `name`. The daemon
/// may end its `life` itself too; if one of the threads ends before that, so does the daemon.
///
/// # Errors
/// When threads or their runtimes cannot be made.
pub fn start<D: Daemon>(
    name: &str,
    daemon: &Arc<D>,
    listeners: Vec<TcpListener>,
    workers: usize,
    life: Life,
) -> Result<Running, StartError> {
    let failed = |what: &str| {
        let what = what.to_owned();
        move |source| StartError { what, source }
    };
    let addresses = listeners
        .iter()
        .map(TcpListener::local_addr)
        .collect::<io::Result<Vec<_>>>()
        .map_err(failed("the listener"))?;
    let stopped = CancellationToken::new();
    let mut senders = Vec::with_capacity(workers.max(1));
    let mut threads = Vec::with_capacity(workers.max(1));
    // If a later thread cannot start, this ends those before it.
    let unfinished = life.stop_token().clone().drop_guard();
    for index in 0..workers.max(1) {
        let runtime = runtime_builder();
        let (sender, receiver) = unbounded_channel();
        let (daemon, handle) = (Arc::clone(daemon), WorkerHandle { index, stop: life.stop_token().clone() });
        let life = life.clone();
        let thread = thread::Builder::new()
            .name(format!("{name}-{index}"))
            .spawn(move || work(&daemon, runtime, handle, &life, receiver))
            .map_err(failed("a worker thread"))?;
        senders.push(sender);
        threads.push(thread);
    }
    let runtime = runtime_builder().build().map_err(failed("the acceptor's runtime"))?;
    let acceptor = thread::Builder::new()
        .name(format!("{name}-accept"))
        .spawn({
            let (daemon, life, stopped) = (Arc::clone(daemon), life.clone(), stopped.clone());
            move || {
                let _ends = stopped.drop_guard();
                let guard = life.guard("the thread that accepts connections");
                runtime.block_on(accept_all(&*daemon, listeners, senders, &life));
                drop(guard);
                for thread in threads {
                    let _ = thread.join();
                }
            }
        })
        .map_err(failed("the acceptor thread"))?;
    unfinished.disarm();
    Ok(Running { addresses, life, stopped, acceptor: Some(acceptor) })
}

fn runtime_builder() -> runtime::Builder {
    let mut builder = runtime::Builder::new_current_thread();
    builder.enable_all();
    builder
}

/// Until `stop`; then the dropped senders tell the workers that nobody comes any more.
async fn accept_all<D: Daemon>(
    daemon: &D,
    listeners: Vec<TcpListener>,
    workers: Vec<UnboundedSender<Connection>>,
    life: &Life,
) {
    let workers = &workers;
    let next = std::cell::Cell::new(0);
    let next = &next;
    let accepting = futures::future::join_all(listeners.into_iter().map(async |listener| {
        let listener = match tokio::net::TcpListener::from_std(listener) {
            Ok(listener) => listener,
            Err(error) => return life.fail(format!("cannot watch the listening socket: {error}")),
        };
        loop {
            match accept(&listener).await {
                Ok(connection) => {
                    if let Some(connection) = admit(daemon, connection) {
                        let index = next.get();
                        next.set((index + 1) % workers.len());
                        if workers[index].send(connection).is_err() {
                            daemon.connections().connected.fetch_sub(1, Relaxed);
                        }
                    }
                }
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_BACKOFF).await;
                }
            }
        }
    }));
    tokio::select! {
        () = life.stop_token().cancelled() => {}
        _ = accepting => {}
    }
}

async fn accept(listener: &tokio::net::TcpListener) -> io::Result<Connection> {
    let (stream, remote) = listener.accept().await?;
    // The connection's own thread watches it.
    let stream = stream.into_std()?;
    let local = stream.local_addr()?;
    Ok(Connection { stream, addresses: Addresses { remote, local } })
}

/// The client went away before it was accepted: nothing is wrong here.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::NotConnected
            | io::ErrorKind::Interrupted
    )
}

fn admit<D: Daemon>(daemon: &D, connection: Connection) -> Option<Connection> {
    let counters = daemon.connections();
    if counters.connected.fetch_add(1, Relaxed) >= daemon.max_clients() {
        counters.connected.fetch_sub(1, Relaxed);
        counters.rejected.fetch_add(1, Relaxed);
        // Like Redis: if it does not fit into an empty socket buffer, so be it.
        let _ = io::Write::write(&mut &connection.stream, b"-ERR max number of clients reached\r\n");
        return None;
    }
    counters.received.fetch_add(1, Relaxed);
    let socket = SockRef::from(&connection.stream);
    if let Err(error) = configure(&socket, daemon.tcp_keepalive()) {
        tracing::debug!(%error, client = %connection.addresses.remote, "socket options");
    }
    Some(connection)
}

fn configure(socket: &SockRef<'_>, keepalive: Option<Duration>) -> io::Result<()> {
    socket.set_tcp_nodelay(true)?;
    if let Some(idle) = keepalive {
        // As Redis does: three probes within one more interval.
        let interval = (idle / 3).max(Duration::from_secs(1));
        socket.set_tcp_keepalive(
            &TcpKeepalive::new().with_time(idle).with_interval(interval).with_retries(3),
        )?;
    }
    Ok(())
}

/// One worker thread, from start to end.
fn work<D: Daemon>(
    daemon: &Arc<D>,
    mut builder: runtime::Builder,
    handle: WorkerHandle,
    life: &Life,
    connections: UnboundedReceiver<Connection>,
) {
    let _guard = life.guard(format!("worker {}", handle.index));
    // A local runtime cannot move between threads, so it is made on this one.
    let runtime = match builder.build_local(runtime::LocalOptions::default()) {
        Ok(runtime) => runtime,
        Err(error) => {
            return life.fail(format!("worker {} has no runtime: {error}", handle.index));
        }
    };
    runtime.block_on(serve_all(daemon, handle, life, connections));
}

async fn serve_all<D: Daemon>(
    daemon: &Arc<D>,
    handle: WorkerHandle,
    life: &Life,
    mut incoming: UnboundedReceiver<Connection>,
) {
    let stop = handle.stop.clone();
    let endpoints = Endpoints::new(daemon, stop.clone());
    let worker = Rc::new(daemon.start_worker(handle));
    let mut serving = JoinSet::new();
    loop {
        tokio::select! {
            connection = incoming.recv() => {
                let Some(connection) = connection else { break };
                let counted = Counted(Arc::clone(daemon));
                let (worker, endpoints) = (Rc::clone(&worker), endpoints.clone());
                serving.spawn_local(async move {
                    serve_one::<D>(worker, endpoints, connection).await;
                    drop(counted);
                });
            }
            Some(ended) = serving.join_next() => report(ended, life),
        }
    }
    let drained = async {
        while let Some(ended) = serving.join_next().await {
            report(ended, life);
        }
    };
    if tokio::time::timeout(daemon.grace(), drained).await.is_err() {
        tracing::warn!(connections = serving.len(), "closing connections that did not finish in time");
    }
}

/// A panic ends the process, or where it does not, the daemon: what it left half-changed is not for others.
fn report(ended: Result<(), tokio::task::JoinError>, life: &Life) {
    if let Err(error) = ended
        && error.is_panic()
    {
        life.fail(format!("a connection's task panicked: {error}"));
    }
}

/// One connection in [`ConnectionCounters::connected`].
struct Counted<D: Daemon>(Arc<D>);

impl<D: Daemon> Drop for Counted<D> {
    fn drop(&mut self) {
        let counters: &ConnectionCounters = self.0.connections();
        counters.connected.fetch_sub(1, Relaxed);
    }
}

async fn serve_one<D: Daemon>(worker: Rc<D::Worker>, endpoints: Endpoints, connection: Connection) {
    let Connection { stream, addresses } = connection;
    let stream = match tokio::net::TcpStream::from_std(stream) {
        Ok(stream) => stream,
        Err(error) => return tracing::warn!(%error, client = %addresses.remote, "cannot watch a connection"),
    };
    match D::serve(worker, stream, addresses).await {
        Served::Closed => {}
        Served::NotResp { stream, read, protocol } => {
            endpoints.serve(stream, read, protocol, addresses).await;
        }
    }
}
