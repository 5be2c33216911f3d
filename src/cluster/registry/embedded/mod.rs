//! An in-process server of the part of the etcd v3 API that a cluster needs, for a single machine with nothing installed.
//!
//! KV, Watch and Lease, so that the same client code and `etcdctl` work on it; no second member, no users, no TLS. The state
//! is kept in memory and, given a directory, in one file of it: a change is answered when it is on the disk. Leases survive a
//! restart and begin anew. A fleet runs on etcd.

mod core;
mod engine;
mod file;
mod hub;
mod requests;
mod services;
mod store;

use std::{
    io,
    net::SocketAddr,
    path::PathBuf,
    time::{Duration, Instant},
};

use etcd_client::proto::{PbClusterServer, PbKvServer, PbLeaseServer, PbMaintenanceServer, PbWatchServer};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::transport::{Server, server::TcpIncoming};

use self::{
    core::{Core, OutOfOrder},
    engine::{Engine, EngineThread},
    file::LogFile,
    services::Services,
};
use super::random::random;

/// Clients that are gone without a word are noticed after this time.
const KEEP_ALIVE: Duration = Duration::from_secs(30);

/// Connections that do not end by themselves are cut after this time.
const GRACE: Duration = Duration::from_secs(2);

/// Where the state is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Storage {
    /// Nowhere: it ends with the server.
    Memory,
    /// In the file `registry` of this directory, which is created if need be and locked while the server runs.
    Directory(PathBuf),
}

/// Why the embedded registry does not start, or stopped to write.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    /// Somebody else has the directory.
    #[error("{directory} is in use by another embedded registry: stop that one, or use another directory")]
    Locked {
        /// Which.
        directory: PathBuf,
    },
    /// The file cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// What happened.
        source: io::Error,
    },
    /// The file is damaged, and more follows after the damage.
    #[error("{path} is damaged at byte {offset}: restore it from a copy, or move it away to begin anew")]
    Corrupt {
        /// Which.
        path: PathBuf,
        /// Where the damaged frame begins.
        offset: usize,
    },
    /// The file is whole but makes no sense.
    #[error("{path} holds record {record} in the wrong place: it was not written by this program")]
    Order {
        /// Which.
        path: PathBuf,
        /// Counted from 0.
        record: usize,
    },
    /// The listener or a thread.
    #[error("embedded registry: {0}")]
    Start(#[source] io::Error),
}

/// A running server. Dropping it stops it without waiting.
#[derive(Debug)]
pub struct Handle {
    address: SocketAddr,
    url: String,
    stop: DropGuard,
    server: JoinHandle<Result<(), tonic::transport::Error>>,
    engine: EngineThread,
}

/// Serves on `listener` from tasks of the current runtime and one thread. When this returns, it answers.
///
/// # Errors
/// When the directory is in use, or its file cannot be read, written or understood.
pub async fn serve(listener: TcpListener, storage: Storage) -> Result<Handle, EmbeddedError> {
    let address = listener.local_addr().map_err(EmbeddedError::Start)?;
    let (core, file) = tokio::task::spawn_blocking(|| open(storage))
        .await
        .map_err(|error| EmbeddedError::Start(io::Error::other(error)))??;
    let (engine, thread) = Engine::start(core, file).map_err(EmbeddedError::Start)?;
    let stop = CancellationToken::new();
    let url = format!("http://{address}");
    let services = Services { engine, stop: stop.clone(), url: url.clone() };
    let server = Server::builder()
        .http2_keepalive_interval(Some(KEEP_ALIVE))
        .add_service(PbKvServer::new(services.clone()))
        .add_service(PbWatchServer::new(services.clone()))
        .add_service(PbLeaseServer::new(services.clone()))
        .add_service(PbClusterServer::new(services.clone()))
        .add_service(PbMaintenanceServer::new(services))
        .serve_with_incoming_shutdown(
            TcpIncoming::from(listener).with_nodelay(Some(true)),
            stop.clone().cancelled_owned(),
        );
    Ok(Handle { address, url, stop: stop.drop_guard(), server: tokio::spawn(server), engine: thread })
}

fn open(storage: Storage) -> Result<(Core, Option<LogFile>), EmbeddedError> {
    let now = Instant::now();
    match storage {
        Storage::Memory => Ok((Core::new(random(), now), None)),
        Storage::Directory(directory) => {
            let (mut file, records) = LogFile::open(&directory)?;
            let core = match Core::replay(records, now)
                .map_err(|OutOfOrder(record)| EmbeddedError::Order { path: file.path().to_owned(), record })?
            {
                Some(core) => core,
                None => {
                    let core = Core::new(random(), now);
                    file.append(core.snapshot())?;
                    core
                }
            };
            Ok((core, Some(file)))
        }
    }
}

impl Handle {
    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://HOST:PORT`, for [`Registry::open`](super::Registry::open).
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Ends watches, finishes requests under way, and gives the directory free.
    ///
    /// # Errors
    /// When the server had failed.
    pub async fn stop(self) -> Result<(), EmbeddedError> {
        drop(self.stop);
        let mut server = self.server;
        let failed = |error| EmbeddedError::Start(io::Error::other(error));
        match tokio::time::timeout(GRACE, &mut server).await {
            Ok(Ok(served)) => served.map_err(|error| EmbeddedError::Start(io::Error::other(error)))?,
            Ok(Err(error)) => return Err(failed(error)),
            Err(_) => server.abort(),
        }
        let engine = self.engine;
        tokio::task::spawn_blocking(move || engine.stop())
            .await
            .map_err(failed)?
            .map_err(|_| EmbeddedError::Start(io::Error::other("its thread panicked")))
    }
}
