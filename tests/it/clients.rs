//! Client libraries as applications use them: what they see of a node, and through a proxy, is what they see of redis-server.

use std::{path::PathBuf, process::Command};

use cluster_fixture::{Cluster, Server, node, peer, redis_server, tools};

/// One program with one server behind it.
struct Client {
    program: PathBuf,
    script: &'static str,
    /// Before `node` or `proxy`.
    arguments: &'static [&'static str],
}

impl Client {
    fn says(&self, server: &Server, face: &str) -> String {
        let directory = tools("clients").expect("it was looked for");
        let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/it/clients").join(self.script);
        let mut command = Command::new(&self.program);
        command.arg(script).arg(server.port().to_string()).args(self.arguments).arg(face);
        command.env("PYTHONPATH", directory.join("python")).env("NODE_PATH", directory.join("node_modules"));
        let output = command.output().expect("it runs");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let trouble = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.contains("\ndone "), "{face}: {said}\n{trouble}");
        said
    }

    fn sees_the_same(&self) {
        let (Some(_), Some(redis)) = (tools("clients"), redis_server()) else { return };
        let members = vec![node("1"), node("2")];
        let Some(cluster) = Cluster::with_members(members, "http", 1) else { return };
        let ours = node("client");
        assert_eq!(self.says(&ours, "node"), self.says(&redis, "node"));
        assert_eq!(self.says(&cluster.proxies[0], "proxy"), self.says(&redis, "proxy"));
    }
}

#[test]
fn redis_py() {
    let Some(program) = peer("python3", "python3") else { return };
    for arguments in [&["2"][..], &["3"]] {
        Client { program: program.clone(), script: "redis_py.py", arguments }.sees_the_same();
    }
}

#[test]
fn ioredis() {
    let Some(program) = peer("node", "nodejs") else { return };
    Client { program, script: "ioredis.js", arguments: &[] }.sees_the_same();
}

/// Its queues wait with BRPOP, results come by pub/sub, chords are counted in transactions, control is broadcast.
#[test]
fn celery() {
    let Some(program) = peer("python3", "python3") else { return };
    Client { program, script: "celery_worker.py", arguments: &[] }.sees_the_same();
}

/// Its queues are scripts, streams, and workers that wait with BZPOPMIN.
#[test]
fn bullmq() {
    let Some(program) = peer("node", "nodejs") else { return };
    Client { program, script: "bullmq.js", arguments: &[] }.sees_the_same();
}
