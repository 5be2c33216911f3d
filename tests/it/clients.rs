//! Client libraries as applications use them: what they see of a node, and through a proxy, is what they see of redis-server.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::PathBuf,
    process::{Command, Stdio},
};

use cluster_fixture::{Cluster, Server, free_port, node, peer, redis_server, redis_server_with, tools};

/// One program with one server behind it.
struct Client {
    program: PathBuf,
    script: &'static str,
    /// Before `node` or `proxy`.
    arguments: &'static [&'static str],
}

impl Client {
    fn command(&self, server: &Server) -> Command {
        let directory = tools("clients").expect("it was looked for");
        let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/it/clients").join(self.script);
        let mut command = Command::new(&self.program);
        command.arg(script).arg(server.port().to_string()).args(self.arguments);
        command.env("PYTHONPATH", directory.join("python")).env("NODE_PATH", directory.join("node_modules"));
        command
    }

    fn says(&self, server: &Server, face: &str) -> String {
        let mut command = self.command(server);
        command.arg(face);
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

    /// The same in cluster mode, beside a Redis Cluster of one server.
    fn sees_the_same_cluster(&self) {
        if tools("clients").is_none() {
            return;
        }
        let bus = free_port().to_string();
        let mut options = vec!["--save", "", "--cluster-enabled", "yes", "--cluster-port", &bus];
        // A server that has met no other does not know its address, and ioredis takes none that is empty.
        options.extend(["--cluster-announce-ip", "127.0.0.1"]);
        let Some(redis) = redis_server_with(&options) else { return };
        let members = vec![node("1"), node("2")];
        let Some(cluster) = Cluster::with_members(members, "http", 1) else { return };
        assert_eq!(self.says(&cluster.proxies[0], "proxy"), self.says(&redis, "node"));
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

#[test]
fn redis_py_cluster() {
    let Some(program) = peer("python3", "python3") else { return };
    for arguments in [&["2"][..], &["3"]] {
        Client { program: program.clone(), script: "redis_py_cluster.py", arguments }.sees_the_same_cluster();
    }
}

#[test]
fn ioredis_cluster() {
    let Some(program) = peer("node", "nodejs") else { return };
    Client { program, script: "ioredis_cluster.js", arguments: &[] }.sees_the_same_cluster();
}

/// A client in cluster mode goes to another proxy when its own dies, and sees nothing of slots that move.
#[test]
fn a_cluster_client_outlives_its_proxy() {
    let (Some(program), Some(_)) = (peer("python3", "python3"), tools("clients")) else { return };
    let Some(mut cluster) = Cluster::of(vec![node("1"), node("2")], 2) else { return };
    cluster.ok(&["add", "1", &cluster.nodes[0].url()]);
    let client = Client { program, script: "cluster_survivor.py", arguments: &[] };
    let mut command = client.command(&cluster.proxies[0]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it runs");
    let mut stdin = child.stdin.take().expect("a pipe");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let mut go_on = || {
        stdin.write_all(b"\n").expect("it reads");
        lines.next().expect("it lives").expect("a line")
    };
    assert!(go_on().ends_with(" 2"), "it knows both proxies");
    cluster.ok(&["add", "2", &cluster.nodes[1].url()]);
    go_on();
    cluster.proxies[0].kill();
    go_on();
    drop(stdin);
    let last = lines.next().expect("it lives").expect("a line");
    assert_eq!(last, "done True []");
    assert!(child.wait().expect("it ends").success());
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
