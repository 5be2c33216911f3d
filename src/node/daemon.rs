//! A node as the server sees it: workers, gRPC sessions, figures and metrics.

use std::{rc::Rc, sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::net::TcpStream;

use super::{
    Node, cron,
    dispatch::{Execution, Plan},
    keyspace::Keyspace,
    metrics as node_metrics,
    serve::{self, Worker},
    session::Session,
    state::VERSION,
};
use crate::{
    cluster::topology::SlotRange,
    protocol::{Batch, Limits, Value, Version, encode_command},
    server::{ConnectionCounters, Daemon, Peer, Served, WorkerHandle, grpc::v1, metrics},
    time::Millis,
};

/// What the connections of one worker thread share.
pub struct NodeWorker(Rc<Worker>);

impl std::fmt::Debug for NodeWorker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("NodeWorker").finish_non_exhaustive()
    }
}

/// A gRPC caller's session.
#[derive(Debug)]
pub struct GrpcSession {
    node: Arc<Node>,
    session: Session,
}

impl Drop for GrpcSession {
    fn drop(&mut self) {
        self.node.state.clients.remove(&self.session.client);
    }
}

impl GrpcSession {
    /// Runs commands as pipelines under one lock each; the replies are RESP3.
    fn run(&mut self, commands: &[Vec<Bytes>]) -> Vec<Value> {
        let node = Arc::clone(&self.node);
        let mut replies = Vec::with_capacity(commands.len());
        while replies.len() < commands.len() && !self.session.closing {
            let rest = &commands[replies.len()..];
            let done = self.run_locked(&mut node.keyspace(), rest);
            replies.extend(done);
        }
        replies.resize_with(commands.len(), closed);
        replies
    }

    /// Runs as many of these commands as fit into one batch of replies.
    fn run_locked(&mut self, keyspace: &mut Keyspace, commands: &[Vec<Bytes>]) -> Vec<Value> {
        let mut input = Vec::new();
        for arguments in commands {
            encode_command(&mut input, arguments);
        }
        // Messages have limits of their own.
        let limits =
            Limits { bulk: usize::MAX, arguments: usize::MAX, refuse_http: false, ..Limits::default() };
        let mut batch = Batch::default();
        if let Err(error) = batch.parse(&input, &limits) {
            let text = error.reply().unwrap_or_else(|| error.to_string().into_bytes());
            return commands.iter().map(|_| Value::Error(text.clone().into())).collect();
        }
        let mut plan = Plan::default();
        plan.make(&batch, &input, 0);
        let now = Millis::now();
        self.session.client.note(now, 0, 0);
        let mut execution = Execution { node: &self.node.state, keyspace, session: &mut self.session, now };
        let mut output = Vec::new();
        execution.run(&mut plan, &batch, &input, 0, &mut output);
        let mut replies = Vec::with_capacity(commands.len());
        decode_all(&output, &mut replies);
        replies
    }

    /// Reads, compares and deletes while nobody else can write.
    fn delete_if_value(&mut self, key: Bytes, value: &Bytes) -> Value {
        let node = Arc::clone(&self.node);
        let mut keyspace = node.keyspace();
        let get = vec![Bytes::from_static(b"GET"), key.clone()];
        match self.run_locked(&mut keyspace, &[get]).pop().unwrap_or_else(closed) {
            Value::Bulk(held) if held == *value => {
                let delete = vec![Bytes::from_static(b"DEL"), key];
                self.run_locked(&mut keyspace, &[delete]).pop().unwrap_or_else(closed)
            }
            Value::Bulk(_) | Value::Null => Value::Integer(0),
            other => other,
        }
    }
}

fn closed() -> Value {
    Value::Error(Bytes::from_static(b"ERR the connection was closed by CLIENT KILL or QUIT"))
}

/// Our own encoder wrote them, so they are whole.
fn decode_all(mut output: &[u8], replies: &mut Vec<Value>) {
    while !output.is_empty() {
        match Value::decode(output) {
            Ok(Some((value, used))) => {
                replies.push(value);
                output = &output[used..];
            }
            other => {
                tracing::error!(?other, "a reply is not RESP");
                return;
            }
        }
    }
}

impl Daemon for Node {
    type Worker = NodeWorker;
    type Session = GrpcSession;

    fn start_worker(self: &Arc<Self>, handle: WorkerHandle) -> NodeWorker {
        if handle.index == 0 {
            tokio::task::spawn_local(cron::run(Arc::clone(self)));
        }
        NodeWorker(Rc::new(Worker::new(Arc::clone(self))))
    }

    async fn serve(worker: Rc<NodeWorker>, stream: TcpStream, peer: Peer) -> Served {
        serve::serve(Rc::clone(&worker.0), stream, peer).await
    }

    fn open_session(self: &Arc<Self>, peer: Peer) -> GrpcSession {
        let state = &self.state;
        let client = state.clients.add(peer, Arc::clone(state.acl.default_user()), Millis::now());
        let mut session = Session::new(state, client);
        session.set_version(Version::Resp3);
        session.answers_all = true;
        GrpcSession { node: Arc::clone(self), session }
    }

    async fn execute(&self, session: &mut GrpcSession, arguments: Vec<Bytes>) -> Value {
        session.run(&[arguments]).pop().unwrap_or(Value::Null)
    }

    async fn execute_all(&self, session: &mut GrpcSession, commands: Vec<Vec<Bytes>>) -> Vec<Value> {
        session.run(&commands)
    }

    async fn delete_if_value(&self, session: &mut GrpcSession, key: Bytes, value: Bytes) -> Value {
        session.delete_if_value(key, &value)
    }

    async fn figures(&self) -> v1::LiveFigures {
        let now = Millis::now();
        let state = &self.state;
        let (keys, expires, used_memory) = {
            let keyspace = self.keyspace();
            let databases = (0..keyspace.databases()).map(|index| keyspace.db(index));
            let (keys, expires) =
                databases.fold((0, 0), |(keys, expires), db| (keys + db.len(), expires + db.expiring()));
            (keys, expires, state.used_memory(&keyspace))
        };
        let figures = v1::NodeFigures {
            id: state.id.to_string(),
            reachable: true,
            at_ms: now.0.unsigned_abs(),
            keys: keys as u64,
            expires: expires as u64,
            commands: state.stats.processed.get(),
            ops_per_second: state.stats.rate().commands,
            used_memory,
            max_memory: 0,
            clients: state.connections.connected(),
            version: VERSION.to_owned(),
            uptime_seconds: state.since.elapsed().as_secs(),
            latency_us: 0,
            error: String::new(),
        };
        v1::LiveFigures { at_ms: now.0.unsigned_abs(), nodes: vec![figures], proxy: None }
    }

    fn topology(&self) -> v1::TopologyResponse {
        v1::TopologyResponse::default()
    }

    fn count_keys(&self, slots: &[SlotRange]) -> Option<Vec<v1::DatabaseKeys>> {
        let keyspace = self.keyspace();
        let count = |index: usize| {
            let db = keyspace.db(index);
            let (mut keys, mut expires) = (0, 0);
            if !db.is_empty() {
                for slot in slots.iter().flat_map(|range| range.iter()) {
                    keys += db.slot_len(slot) as u64;
                    expires += db.slot_expiring(slot) as u64;
                }
            }
            v1::DatabaseKeys { database: index as u32, keys, expires }
        };
        Some((0..keyspace.databases()).map(count).filter(|database| database.keys > 0).collect())
    }

    fn metrics(&self, out: &mut metrics::Text) {
        node_metrics::write(self, out);
    }

    fn ready(&self) -> Result<(), String> {
        if self.state.stop.is_cancelled() { Err("shutting down".into()) } else { Ok(()) }
    }

    fn max_clients(&self) -> u64 {
        self.state.config.max_clients()
    }

    fn tcp_keepalive(&self) -> Option<Duration> {
        self.state.config.tcp_keepalive()
    }

    fn connections(&self) -> &ConnectionCounters {
        &self.state.connections
    }
}
