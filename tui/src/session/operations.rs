//! Changes of membership, and waiting for them: `add`, `remove`, `plan`, `sync`.
//!
//! The console checks what it can see, writes one transaction, and watches; the driver does the work.

use std::time::Duration;

use redis_cluster::{
    client::{ClientError, Connection},
    cluster::{
        Epoch, NodeId, SlotId, Topology,
        member::{Address, NodeRecord},
        registry::{Commit, Txn},
        topology::SlotRange,
    },
    protocol::Value,
    time::Millis,
};

use super::{
    Session,
    execute::unknown_node,
    outcome::{Body, Outcome, Status},
    show::registry_failure,
};
use crate::language::PlanRequest;

/// How long `sync` waits by itself.
const SYNC_PATIENCE: Duration = Duration::from_secs(10);

pub(super) async fn add(session: &Session, id: NodeId, address: Option<Address>, _wait: bool) -> Outcome {
    let view = session.now();
    if view.nodes.contains_key(&id) {
        let text = format!("node {id} is a member already ({})", view.nodes[&id].record.address);
        return Outcome::failure(Status::Refused, text);
    }
    let address = match address {
        Some(address) => address,
        None => match &session.inner.starter {
            Some(starter) => match starter.start_node(id.as_str()) {
                Ok(address) => address,
                Err(error) => return Outcome::failure(Status::Refused, error),
            },
            None => {
                let usage = "only an embedded cluster starts nodes by itself; use add ID http://HOST:PORT";
                return Outcome::failure(Status::Usage, usage);
            }
        },
    };
    if let Some((other, _)) =
        view.nodes.iter().find(|(_, node)| node.record.address.connect_to() == address.connect_to())
    {
        return Outcome::failure(Status::Refused, format!("{address} is node {other} already"));
    }
    let version = match probe(&address, session.options().connect_timeout).await {
        Ok(version) => version,
        Err(error) => return Outcome::failure(Status::Refused, format!("{error}; nothing was changed")),
    };
    let mut outcome = first(session, &id, &address, version).await;
    if address.is_wildcard() {
        outcome = outcome.with_note(format!(
            "warning: {address} means \"this machine\" on every machine: proxies elsewhere cannot reach node {id}; \
             use an address that they can"
        ));
    }
    outcome
}

/// The server's name and version, if one listens that the cluster can use.
async fn probe(address: &Address, timeout: Duration) -> Result<String, String> {
    let failed = |error: ClientError| format!("no server can be used there: {error}");
    let mut connection = Connection::connect(&address.connect_to(), timeout).await.map_err(failed)?;
    if let Some((user, password)) = address.login() {
        let reply = connection.call(&["AUTH", user, password]).await.map_err(failed)?;
        if let Some(error) = reply.as_error() {
            return Err(format!("{address} refused the login: {error}"));
        }
    }
    let asked = tokio::time::timeout(timeout, connection.call(&["INFO", "server"])).await;
    let reply = asked.map_err(|_| format!("{address} does not answer"))?.map_err(failed)?;
    if let Some(error) = reply.as_error() {
        return Err(format!("{address} answered: {error}"));
    }
    let info = String::from_utf8_lossy(reply.as_bytes().unwrap_or_default()).into_owned();
    let version = info.lines().find_map(|line| line.strip_prefix("redis_version:")).map(str::trim);
    version
        .map(|version| format!("redis {version}"))
        .ok_or_else(|| format!("{address} is not a Redis server"))
}

/// The first node owns all slots: there is nothing to move.
async fn first(session: &Session, id: &NodeId, address: &Address, version: String) -> Outcome {
    let registry = &session.inner.registry;
    let record = NodeRecord {
        id: id.clone(),
        address: address.clone(),
        added_at_ms: Millis::now().0,
        added_by: operator(),
        version,
    };
    let current = match registry.get("topology").await {
        Ok(current) => current,
        Err(error) => return registry_failure(&error),
    };
    if current.is_some() {
        return Outcome::failure(
            Status::Refused,
            "moving slots to a new node is not available in this version",
        );
    }
    let mut topology = Topology { epoch: Epoch(1), ..Topology::default() };
    topology.assign(&SlotRange::cover(SlotId::all()), id);
    let (Ok(record), Ok(topology)) = (serde_json::to_vec(&record), serde_json::to_vec(&topology)) else {
        return Outcome::failure(Status::Refused, "the records cannot be written as JSON");
    };
    let key = format!("nodes/{id}");
    let txn = Txn::new().if_absent(&*key).if_absent("topology").put(key, record).put("topology", topology);
    match registry.commit(txn).await {
        Ok(Commit::Done { .. }) => Outcome::done(Body::Reply(Value::Simple("OK".into())))
            .with_note(format!("node {id} added: it owns all 16384 slots")),
        Ok(Commit::Conflict { .. }) => Outcome::failure(
            Status::Refused,
            "somebody else changed the cluster at the same time; nothing was changed by this command",
        ),
        Err(error) => registry_failure(&error),
    }
}

/// `user@host`, for the records.
fn operator() -> String {
    let user =
        std::env::var("USER").or_else(|_| std::env::var("LOGNAME")).unwrap_or_else(|_| "unknown".to_owned());
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    format!("{user}@{}", if host.trim().is_empty() { "localhost" } else { host.trim() })
}

pub(super) async fn remove(session: &Session, id: NodeId, _force: bool, _wait: bool) -> Outcome {
    let view = session.now();
    if !view.nodes.contains_key(&id) {
        return unknown_node(&view, &id);
    }
    Outcome::failure(Status::Refused, "moving slots away is not available in this version")
}

pub(super) async fn dry_run(session: &Session, request: PlanRequest) -> Outcome {
    let view = session.now();
    match request {
        PlanRequest::Remove { id } if !view.nodes.contains_key(&id) => unknown_node(&view, &id),
        PlanRequest::Add { .. } | PlanRequest::Remove { .. } => {
            Outcome::failure(Status::Usage, "dry runs are not available in this version")
        }
    }
}

/// Waits until every proxy has the current epoch.
pub(super) async fn sync(session: &Session) -> Outcome {
    let mut view = session.view();
    let behind = |view: &super::ClusterView| -> Vec<String> {
        let Some(epoch) = view.topology.as_ref().map(|view| view.topology.epoch) else { return Vec::new() };
        let late = view.proxies.iter().filter(|(_, proxy)| proxy.record.epoch < epoch);
        late.map(|(id, proxy)| format!("proxy {id} has epoch {} of {epoch}", proxy.record.epoch)).collect()
    };
    let waited = tokio::time::timeout(SYNC_PATIENCE, view.wait_for(|view| behind(view).is_empty())).await;
    let in_step = matches!(waited, Ok(Ok(_)));
    drop(waited);
    let view = session.now();
    if !in_step {
        let text = format!("after {} s still behind: {}", SYNC_PATIENCE.as_secs(), behind(&view).join(", "));
        return Outcome::failure(Status::TimedOut, text);
    }
    let epoch = view.topology.as_ref().map_or(Epoch(0), |view| view.topology.epoch);
    let note = format!("{} proxies have epoch {epoch}", view.proxies.len());
    Outcome::done(Body::Reply(Value::Simple("OK".into()))).with_note(note)
}
