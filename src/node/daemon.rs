//! A node as the server sees it: workers, gRPC sessions, figures and metrics.

use std::{future::poll_fn, rc::Rc, sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::net::TcpStream;

use super::{
    Node, cron, metrics as node_metrics,
    net::{self, Worker, grpc::GrpcSession},
    state::VERSION,
};
use crate::{
    protocol::Value,
    server::{Addresses, ConnectionCounters, Daemon, Served, WorkerHandle, grpc::v1, metrics},
    slot::SlotRange,
    time::Millis,
};

/// What the connections of one worker thread share.
pub struct NodeWorker(Rc<Worker>);

impl std::fmt::Debug for NodeWorker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("NodeWorker").finish_non_exhaustive()
    }
}

impl Node {
    /// What somebody does who is told of it when it is written, and lasts if that is asked for.
    async fn kept<R>(&self, work: impl FnOnce() -> R) -> R {
        let aof = &self.state.aof.shared;
        let before = aof.appended();
        let done = work();
        if aof.is_on()
            && let Some(position) = aof.after_batch(before, aof.appended())
        {
            poll_fn(|cx| aof.poll_synced(position, cx)).await;
        }
        done
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

    async fn serve(worker: Rc<NodeWorker>, stream: TcpStream, addresses: Addresses) -> Served {
        net::serve(Rc::clone(&worker.0), stream, addresses).await
    }

    fn open_session(self: &Arc<Self>, addresses: Addresses) -> GrpcSession {
        GrpcSession::new(Arc::clone(self), addresses)
    }

    async fn execute(&self, session: &mut GrpcSession, arguments: Vec<Bytes>) -> Value {
        self.kept(|| session.run(&[arguments]).pop().unwrap_or(Value::Null)).await
    }

    async fn execute_all(&self, session: &mut GrpcSession, commands: Vec<Vec<Bytes>>) -> Vec<Value> {
        self.kept(|| session.run(&commands)).await
    }

    async fn delete_if_value(&self, session: &mut GrpcSession, key: Bytes, value: Bytes) -> Value {
        self.kept(|| session.delete_if_value(&key, &value)).await
    }

    async fn figures(&self) -> v1::LiveFigures {
        let now = Millis::now();
        let state = &self.state;
        let (keys, expires, used_memory) = {
            let store = self.store();
            let keyspace = &store.keyspace;
            let databases = (0..keyspace.databases()).map(|index| keyspace.db(index));
            let (keys, expires) =
                databases.fold((0, 0), |(keys, expires), db| (keys + db.len(), expires + db.expiring()));
            (keys, expires, state.used_memory(keyspace))
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
            max_memory: state.config.max_memory(),
            clients: state.connections.connected(),
            version: format!("redis_node {VERSION}"),
            uptime_seconds: state.since.elapsed().as_secs(),
            latency_us: 0,
            error: String::new(),
            errors_per_second: None,
            hit_share: None,
            latency: None,
        };
        v1::LiveFigures { at_ms: now.0.unsigned_abs(), nodes: vec![figures], proxy: None, owned: None }
    }

    fn topology(&self) -> v1::TopologyResponse {
        v1::TopologyResponse::default()
    }

    fn count_keys(&self, slots: &[SlotRange]) -> Option<Vec<v1::DatabaseKeys>> {
        let store = self.store();
        let keyspace = &store.keyspace;
        let count = |index: usize| {
            let db = keyspace.db(index);
            let (mut keys, mut expires) = (0, 0);
            if !db.is_empty() {
                for slot in slots.iter().flat_map(|range| range.iter()) {
                    keys += db.slot_len(slot) as u64;
                    expires += db.slot_expiring(slot) as u64;
                }
            }
            v1::DatabaseKeys { database: u32::try_from(index).unwrap_or(u32::MAX), keys, expires }
        };
        Some((0..keyspace.databases()).map(count).filter(|database| database.keys > 0).collect())
    }

    fn metrics(&self, out: &mut metrics::Text) {
        node_metrics::write(self, out);
    }

    fn ready(&self) -> Result<(), String> {
        if self.state.stop.is_cancelled() {
            return Err("shutting down".into());
        }
        if self.state.persist.is_loading() {
            let (_, total, done, eta) = self.state.persist.progress.figures();
            return Err(format!("loading: {done} of {total} bytes, about {eta} s to go"));
        }
        Ok(())
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
