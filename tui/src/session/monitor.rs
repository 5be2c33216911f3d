//! Listening to what a node is asked (`MONITOR`): in batches, and no more than anybody can read.

use std::time::Duration;

use redis_cluster::{id::NodeId, protocol::Value};
use tokio::{
    sync::mpsc,
    time::{Instant, timeout_at},
};

use super::{Session, Target};

/// Lines are handed on so often.
const BATCH: Duration = Duration::from_millis(200);
/// So many of a batch; the rest is only counted.
const LINES_MAX: usize = 400;

impl Session {
    /// Listens until nobody takes the lines any more, or the node does not go on; says why. Each batch comes with the number
    /// of lines that were left out.
    pub async fn monitor(&self, node: &NodeId, lines: mpsc::Sender<(Vec<String>, u64)>) -> String {
        let mut connection = match self.connect_to(&Target::Node(node.clone())).await {
            Ok(connection) => connection,
            Err(error) => return error,
        };
        match connection.call(&["MONITOR"]).await {
            Ok(Value::Error(text)) => return String::from_utf8_lossy(&text).into_owned(),
            Ok(_) => {}
            Err(error) => return error.to_string(),
        }
        loop {
            let (mut batch, mut skipped) = (Vec::new(), 0);
            let end = Instant::now() + BATCH;
            // A node that is never silent must not keep the batch open.
            while Instant::now() < end {
                match timeout_at(end, connection.read()).await {
                    Err(_) => break,
                    Ok(Err(error)) => return error.to_string(),
                    Ok(Ok(_)) if batch.len() >= LINES_MAX => skipped += 1,
                    Ok(Ok(line)) => {
                        let line = line.as_bytes().unwrap_or_default();
                        batch.push(String::from_utf8_lossy(line).into_owned());
                    }
                }
            }
            // An empty one too: it tells that time has passed.
            if lines.send((batch, skipped)).await.is_err() {
                return "nobody listens".to_owned();
            }
        }
    }
}
