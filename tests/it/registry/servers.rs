//! What the contract runs against: each a process of its own, so that each can be stopped, frozen and killed.

use std::{net::SocketAddr, path::PathBuf, process::Command};

use cluster_fixture::Server;
use redis_cluster::cluster::registry::{
    Registry,
    embedded::{self, Storage},
};

/// Tells a copy of this test program to be an embedded registry, on this address.
const SERVE: &str = "REGISTRY_TEST_SERVE";
/// In this directory; in memory if it is not set.
const DIRECTORY: &str = "REGISTRY_TEST_DIRECTORY";

/// Which server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Etcd34,
    Etcd35,
    EmbeddedFile,
    EmbeddedMemory,
}

impl Kind {
    pub(super) fn keeps_data(self) -> bool {
        self != Self::EmbeddedMemory
    }
}

/// A running server.
pub(super) struct Peer {
    pub(super) kind: Kind,
    pub(super) server: Server,
}

impl Peer {
    /// `None`, said aloud, when it is not installed.
    pub(super) fn start(kind: Kind) -> Option<Self> {
        let server = match kind {
            Kind::Etcd34 => cluster_fixture::etcd_at(&cluster_fixture::etcd_binary("3.4")?),
            Kind::Etcd35 => cluster_fixture::etcd_at(&cluster_fixture::etcd_binary("3.5")?),
            Kind::EmbeddedFile => embedded_process(Some(tempfile::tempdir().unwrap())),
            Kind::EmbeddedMemory => embedded_process(None),
        };
        Some(Self { kind, server })
    }

    pub(super) fn registry(&self) -> Registry {
        open(&[self.server.url()])
    }

    /// Stops every thread of it where it is.
    pub(super) fn freeze(&self) {
        freeze(&self.server);
    }

    /// Lets it go on.
    pub(super) fn thaw(&self) {
        self.server.signal("CONT");
    }

    /// Kills it, deletes everything it had stored, and starts it again.
    pub(super) fn wipe(&mut self) {
        self.server.kill();
        if let Some(directory) = self.server.directory() {
            for entry in std::fs::read_dir(directory).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) }
                    .unwrap();
            }
        }
        self.server.restart();
    }

    /// The client underneath, for what the registry does not offer.
    pub(super) async fn client(&self) -> etcd_client::Client {
        etcd_client::Client::connect([self.server.url()], None).await.unwrap()
    }
}

/// Stops every thread of a server where it is.
pub(super) fn freeze(server: &Server) {
    server.signal("STOP");
    // The signal is on its way when `kill` returns; a request may still be answered until it is there.
    let tasks = format!("/proc/{}/task", server.pid());
    let stopped = || {
        std::fs::read_dir(&tasks).unwrap().all(|task| {
            let stat = std::fs::read_to_string(task.unwrap().path().join("stat")).unwrap_or_default();
            // "PID (NAME) STATE ..."
            stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'))
        })
    };
    assert!(cluster_fixture::within(std::time::Duration::from_secs(5), stopped), "not stopped");
}

pub(super) fn open(urls: &[String]) -> Registry {
    Registry::open(urls, "test").unwrap()
}

fn embedded_process(directory: Option<tempfile::TempDir>) -> Server {
    let port = cluster_fixture::free_port();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "registry::servers::serve_embedded", "--ignored", "--nocapture"])
        .env(SERVE, format!("127.0.0.1:{port}"));
    if let Some(directory) = &directory {
        command.env(DIRECTORY, directory.path());
    }
    Server::start("embedded registry", command, port, directory)
}

/// Not a test: what the process of [`embedded_process`] runs.
#[tokio::test]
#[ignore = "serves when another test starts it"]
async fn serve_embedded() {
    let Ok(address) = std::env::var(SERVE) else { return };
    let address: SocketAddr = address.parse().unwrap();
    let storage = std::env::var_os(DIRECTORY)
        .map_or(Storage::Memory, |directory| Storage::Directory(PathBuf::from(directory)));
    let listener = tokio::net::TcpListener::bind(address).await.unwrap();
    let _handle = embedded::serve(listener, storage).await.unwrap();
    std::future::pending::<()>().await;
}
