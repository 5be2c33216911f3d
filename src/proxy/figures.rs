//! Live figures: of the proxy itself, and of every member, asked for with `INFO` on a connection of its own.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use futures::future::join_all;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{
    daemon::Proxy,
    losses::{Observation, sight},
    routing::{Access, Member},
};
use crate::{
    client::Connection,
    cluster::{election::Election, loss::Sight, registry::Registry},
    id::NodeId,
    protocol::{Value, info},
    server::grpc::v1,
    time::Millis,
};

/// Between two polls.
const INTERVAL: Duration = Duration::from_secs(1);
/// A member that takes longer counts as not reachable.
const PATIENCE: Duration = Duration::from_secs(2);
/// The registry is asked who drives once in this many polls.
const LEADER_EVERY: u32 = 5;

/// What was seen last.
#[derive(Debug, Default)]
pub(super) struct Live {
    seen: Mutex<Seen>,
    drives: AtomicBool,
}

#[derive(Debug, Default)]
struct Seen {
    nodes: BTreeMap<NodeId, v1::NodeFigures>,
    /// Of this proxy: commands at the last poll, and per second since the one before.
    commands: u64,
    per_second: f64,
}

impl Live {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        // Figures are replaced whole.
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The figures of now; those of members are of the last poll.
pub(super) fn now(proxy: &Proxy) -> v1::LiveFigures {
    let counters = proxy.shared.counters();
    let seen = proxy.live.seen();
    v1::LiveFigures {
        at_ms: Millis::now().0.unsigned_abs(),
        nodes: seen.nodes.values().cloned().collect(),
        proxy: Some(v1::ProxyFigures {
            id: proxy.shared.id.to_string(),
            clients: proxy.shared.connections.connected(),
            commands: counters.commands,
            ops_per_second: seen.per_second,
            epoch: proxy.routing().epoch().0,
            held: counters.held,
            driver: proxy.live.drives.load(Relaxed),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }),
    }
}

/// Asks all members again and again, until the proxy stops.
pub(super) async fn poll(
    proxy: Arc<Proxy>,
    registry: Registry,
    observations: watch::Sender<Vec<Observation>>,
    stop: CancellationToken,
) {
    let mut connections: BTreeMap<NodeId, Connection> = BTreeMap::new();
    let mut timer = tokio::time::interval(INTERVAL);
    timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let identity = format!("proxy {}", proxy.shared.id);
    let mut last = Instant::now();
    for round in 0u32.. {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = timer.tick() => {}
        }
        if round.is_multiple_of(LEADER_EVERY)
            && let Ok(leader) = Election::leader(&registry).await
        {
            proxy.live.drives.store(leader.is_some_and(|leader| leader.identity == identity), Relaxed);
        }
        let routing = proxy.routing();
        let polls = routing.members().map(|(_, member)| {
            let connection = connections.remove(&member.id);
            ask(Arc::clone(member), connection)
        });
        let answers = join_all(polls).await;
        let elapsed = last.elapsed().as_secs_f64().max(0.001);
        last = Instant::now();
        let commands = proxy.shared.counters().commands;
        let mut seen = proxy.live.seen();
        seen.per_second = (commands - seen.commands.min(commands)) as f64 / elapsed;
        seen.commands = commands;
        let mut nodes = BTreeMap::new();
        let mut observed = Vec::new();
        for (id, connection, answer) in answers {
            let before = seen.nodes.get(&id);
            let figures = match answer {
                Ok((mut figures, sight)) => {
                    observed.extend(sight.map(|sight| Observation {
                        owns_slots: routing.topology().slots.iter().any(|(_, owner)| *owner == id),
                        node: id.clone(),
                        sight,
                    }));
                    if let Some(before) = before.filter(|before| before.reachable) {
                        let seconds = figures.at_ms.saturating_sub(before.at_ms).max(1) as f64 / 1000.0;
                        let more = figures.commands.saturating_sub(before.commands);
                        figures.ops_per_second = more as f64 / seconds;
                    }
                    figures
                }
                Err(error) => v1::NodeFigures {
                    id: id.to_string(),
                    reachable: false,
                    ops_per_second: 0.0,
                    error,
                    ..before.cloned().unwrap_or_default()
                },
            };
            if let Some(connection) = connection {
                connections.insert(id.clone(), connection);
            }
            nodes.insert(id, figures);
        }
        seen.nodes = nodes;
        drop(seen);
        observations.send_replace(observed);
    }
}

/// Its figures, and what it says of its keys.
type Said = (v1::NodeFigures, Option<Sight>);

type Answer = (NodeId, Option<Connection>, Result<Said, String>);

/// Asks one member, over the connection there is or a new one.
async fn ask(member: Arc<Member>, connection: Option<Connection>) -> Answer {
    let id = member.id.clone();
    match tokio::time::timeout(PATIENCE, try_ask(&member, connection)).await {
        Ok(Ok((connection, said))) => (id, Some(connection), Ok(said)),
        Ok(Err(error)) => (id, None, Err(error)),
        Err(_) => (id, None, Err(format!("no answer within {PATIENCE:?}"))),
    }
}

async fn try_ask(member: &Member, connection: Option<Connection>) -> Result<(Connection, Said), String> {
    let login = match &member.access {
        Access::Ready(login) => login,
        Access::Closed(reason) => return Err(reason.clone()),
    };
    let mut connection = match connection {
        Some(connection) => connection,
        None => {
            let mut connection =
                Connection::connect(&login.socket.to_string(), PATIENCE).await.map_err(|e| e.to_string())?;
            let reply = connection.call(&["AUTH", &login.user, &login.secret]).await;
            if let Some(error) = reply.map_err(|error| error.to_string())?.as_error() {
                return Err(error.into_owned());
            }
            connection
        }
    };
    let asked = Instant::now();
    let reply = connection.call(&["INFO"]).await.map_err(|error| error.to_string())?;
    let latency = asked.elapsed();
    if let Some(error) = reply.as_error() {
        return Err(error.into_owned());
    }
    let Value::Bulk(text) = &reply else { return Err("INFO answered no text".to_owned()) };
    let text = String::from_utf8_lossy(text);
    let mut figures = read(&text);
    figures.id = member.id.to_string();
    figures.at_ms = Millis::now().0.unsigned_abs();
    figures.latency_us = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
    Ok((connection, (figures, sight(&text))))
}

/// The figures in a text of `INFO`.
fn read(text: &str) -> v1::NodeFigures {
    let mut figures = v1::NodeFigures { reachable: true, ..v1::NodeFigures::default() };
    for (field, value) in info::fields(text) {
        let number = || value.trim().parse().unwrap_or_default();
        match field {
            "redis_version" if figures.version.is_empty() => figures.version = format!("redis {value}"),
            "valkey_version" => figures.version = format!("valkey {value}"),
            "uptime_in_seconds" => figures.uptime_seconds = number(),
            "connected_clients" => figures.clients = number(),
            "used_memory" => figures.used_memory = number(),
            "maxmemory" => figures.max_memory = number(),
            "total_commands_processed" => figures.commands = number(),
            "instantaneous_ops_per_sec" => figures.ops_per_second = value.trim().parse().unwrap_or_default(),
            _ => {
                if let Some(database) = info::database(field, value) {
                    figures.keys += database.keys;
                    figures.expires += database.expires;
                }
            }
        }
    }
    figures
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_from_info() {
        let figures = read(
            "# Server\r\nredis_version:7.0.15\r\nuptime_in_seconds:9\r\n# Memory\r\nused_memory:100\r\nmaxmemory:0\r\n\
             # Stats\r\ntotal_commands_processed:77\r\n# Keyspace\r\ndb0:keys=3,expires=1,avg_ttl=0\r\ndb2:keys=4,expires=0\r\n",
        );
        assert_eq!((figures.keys, figures.expires, figures.commands, figures.used_memory), (7, 1, 77, 100));
        assert_eq!((figures.version.as_str(), figures.uptime_seconds), ("redis 7.0.15", 9));
    }
}
