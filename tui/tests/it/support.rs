//! A real etcd, with a real redis-server registered as the proxy: all the faces need, with replies that are Redis's.

use std::{
    io::Write as _,
    process::{Command, Output, Stdio},
    time::Duration,
};

use cluster_fixture::{Server, console, etcd, node, redis_server};
use redis_cluster::{
    cluster::{
        member::ProxyRecord,
        records::{keys, to_json},
        registry::{Registry, Txn},
    },
    id::Epoch,
};

/// etcd and a redis-server that stands where a proxy would.
pub(crate) struct Stage {
    pub(crate) etcd: Server,
    pub(crate) redis: Server,
}

/// What the console did.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
    pub(crate) code: Option<i32>,
}

impl Ran {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.stdout).expect("stdout is UTF-8")
    }
}

/// `None`, after saying so, where etcd or redis-server is not installed.
pub(crate) fn stage() -> Option<Stage> {
    let (etcd, redis) = (etcd()?, redis_server()?);
    let stage = Stage { etcd, redis };
    stage.register("1", &stage.redis.address());
    Some(stage)
}

impl Stage {
    /// Puts a proxy's record into the registry.
    pub(crate) fn register(&self, id: &str, address: &str) {
        let record = ProxyRecord {
            id: id.parse().expect("an id"),
            instance: "test".to_owned(),
            address: address.to_owned(),
            host: String::new(),
            version: "test".to_owned(),
            epoch: Epoch(0),
            draining: false,
        };
        let registry = Registry::open(&[self.etcd.url()], "default").expect("an endpoint");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let key = keys::proxy(&record.id);
        runtime.block_on(registry.commit(Txn::new().put(key, to_json(&record)))).expect("etcd answers");
    }

    /// The console with these arguments behind ETCD.
    pub(crate) fn console(&self, arguments: &[&str]) -> Command {
        let mut command = console();
        command.arg(self.etcd.url()).args(arguments).env_remove("TERM");
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        run(self.console(arguments), b"")
    }

    pub(crate) fn script(&self, arguments: &[&str], lines: &[u8]) -> Ran {
        run(self.console(arguments), lines)
    }
}

/// etcd, one proxy, one node that is a member, and one that is not yet.
pub(crate) struct Cluster {
    pub(crate) of: cluster_fixture::Cluster,
    pub(crate) home: tempfile::TempDir,
}

impl Cluster {
    pub(crate) fn start() -> Option<Self> {
        let of = cluster_fixture::Cluster::of(vec![node("1"), node("2")], 1)?;
        let cluster = Self { of, home: tempfile::tempdir().unwrap() };
        let added = cluster.run(&["add", "1", &cluster.of.nodes[0].url()]);
        assert_eq!(added.code, Some(0), "{added:?}");
        let sync = cluster.run(&["sync"]);
        assert_eq!(sync.code, Some(0), "{sync:?}");
        Some(cluster)
    }

    /// The console with these words behind ETCD, and these lines on stdin.
    pub(crate) fn script(&self, words: &[&str], lines: &[u8]) -> Ran {
        run(self.of.command(words), lines)
    }

    pub(crate) fn run(&self, words: &[&str]) -> Ran {
        self.script(words, b"")
    }
}

/// Runs a command with this on stdin.
pub(crate) fn run(mut command: Command, stdin: &[u8]) -> Ran {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut pipe = child.stdin.take().expect("a pipe");
    let bytes = stdin.to_vec();
    let writer = std::thread::spawn(move || {
        // A program that ends early does not read everything.
        let _ = pipe.write_all(&bytes);
    });
    let Output { status, stdout, stderr } = child.wait_with_output().expect("the program ends");
    writer.join().expect("the writer");
    Ran { stdout, stderr: String::from_utf8_lossy(&stderr).into_owned(), code: status.code() }
}

/// Long enough for anything that works.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
