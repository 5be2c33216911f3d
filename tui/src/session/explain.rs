//! `explain COMMAND…`: where a command would go, and how far that is. Nothing is executed: only PING is sent.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    time::Instant,
};

use redis_cluster::{command::Route, id::NodeId, protocol::Value, slot::SlotId};
use serde_json::Value as Cell;

use super::{
    Session, Table, execute, guard,
    outcome::{Body, Outcome, Status},
};
use crate::language;

/// Key, slot and node; what does not apply is absent.
type Destination = (Option<Vec<u8>>, Option<SlotId>, Option<NodeId>);

pub(super) async fn explain(session: &Session, arguments: &[Vec<u8>]) -> Outcome {
    let Some(spec) = guard::spec_of(arguments) else {
        let name = language::quote_word(&arguments[0]);
        return Outcome::failure(Status::Usage, format!("no Redis command {name}; proxies would refuse it"));
    };
    if !spec.accepts(arguments.len()) {
        let text = format!("wrong number of arguments; usage: {}", spec.syntax());
        return Outcome::failure(Status::Usage, text);
    }
    let note = match spec.route {
        Route::OneNode => "one request, to the node that owns the keys",
        Route::Combined(_) => {
            "one request, to the node that owns the keys; of several nodes the proxy fetches and computes"
        }
        Route::Taken(_) => {
            "one request, to the node that owns the keys; of several nodes the first that has something gives it"
        }
        Route::Split(_) => "one request per node, replies merged in the order of the keys",
        Route::AllNodes(_) => "one request to every node, replies merged",
        Route::Servers(_) => "one request to every member, with slots or without, replies merged",
        Route::Transaction => "kept by the proxy until EXEC, which runs on one node",
        Route::Scripted(_) => "called at the node of its keys; all nodes know the same scripts and functions",
        Route::Channels => "published at one node, heard at all",
        Route::Local => "answered by the proxy itself",
        Route::Refused(why) => {
            return Outcome::failure(Status::Refused, format!("proxies refuse {}: {why}", spec.name));
        }
    };
    let view = session.now();
    let keys = guard::keys_of(arguments);
    let mut rows: Vec<Destination> = keys
        .into_iter()
        .map(|key| {
            let slot = SlotId::of_key(&key);
            (Some(key), Some(slot), view.owner_of(slot).cloned())
        })
        .collect();
    if rows.is_empty() && matches!(spec.route, Route::AllNodes(_) | Route::Servers(_)) {
        rows = view.nodes.keys().map(|id| (None, None, Some(id.clone()))).collect();
    }
    let nodes: std::collections::BTreeSet<_> = rows.iter().filter_map(|(.., node)| node.as_ref()).collect();
    let crosses = spec.route == Route::OneNode && nodes.len() > 1;

    let proxy = time_proxy(session).await;
    let mut node_times = BTreeMap::new();
    for id in rows.iter().filter_map(|(_, _, node)| node.clone()) {
        if let Entry::Vacant(place) = node_times.entry(id) {
            let time = time_node(session, place.key()).await;
            place.insert(time);
        }
    }
    let mut table = Table::new(&["key", ">slot", "node", "address", ">node_ms", "proxy", ">proxy_ms"]);
    for (key, slot, node) in rows {
        let address =
            node.as_ref().and_then(|id| view.nodes.get(id)).map(|node| node.record.address.to_string());
        table.push(vec![
            key.map_or(Cell::Null, |key| language::quote_word(&key).into()),
            slot.map_or(Cell::Null, |slot| slot.get().into()),
            node.as_ref().map_or(Cell::Null, |node| node.as_str().into()),
            address.map_or(Cell::Null, Cell::from),
            node.and_then(|id| node_times[&id]).map_or(Cell::Null, Cell::from),
            proxy.as_ref().map_or(Cell::Null, |(id, _)| id.as_str().into()),
            proxy.as_ref().map_or(Cell::Null, |(_, time)| (*time).into()),
        ]);
    }
    let outcome =
        Outcome::done(Body::Table(table)).with_note(format!("{}: {note}", spec.name.replace('|', " ")));
    if crosses {
        outcome.with_note("its keys are on different nodes: it would fail with CROSSSLOT; use a {hash tag}")
    } else {
        outcome
    }
}

/// Milliseconds with two decimals.
fn milliseconds(since: Instant) -> f64 {
    (since.elapsed().as_secs_f64() * 100_000.0).round() / 100.0
}

async fn time_proxy(session: &Session) -> Option<(redis_cluster::id::ProxyId, f64)> {
    let mut link = session.inner.data.lock().await;
    let view = session.now();
    let ping = [b"PING".to_vec()];
    // The first one may have to connect.
    link.call(&view, session.options(), &ping).await.ok()?;
    let began = Instant::now();
    let (_, proxy) = link.call(&view, session.options(), &ping).await.ok()?;
    Some((proxy, milliseconds(began)))
}

async fn time_node(session: &Session, id: &NodeId) -> Option<f64> {
    let address = session.now().nodes.get(id)?.record.address.clone();
    let began = Instant::now();
    match execute::ask_node(&address, session.options().connect_timeout, &[b"PING".to_vec()]).await {
        Ok(Value::Error(_)) | Err(_) => None,
        Ok(_) => Some(milliseconds(began)),
    }
}
