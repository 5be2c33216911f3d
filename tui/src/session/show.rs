//! `show …`: what the registry and the members say, as tables.

use std::{sync::Arc, time::Duration};

use redis_cluster::{cluster::registry::RegistryError, time::Millis};
use serde_json::Value as Cell;

use super::{
    ClusterView, Session, Table,
    outcome::{Body, Outcome, Status},
};
use crate::language::Show;

/// How long `show` waits for the figures of members that do not answer.
const PATIENCE: Duration = Duration::from_secs(3);

pub(super) async fn show(session: &Session, what: Show) -> Outcome {
    match what {
        Show::Nodes => {
            let there = |view: &ClusterView| {
                view.nodes.values().all(|node| node.figures.is_some() || node.error.is_some())
            };
            Outcome::done(Body::Table(nodes(&*figures(session, there).await)))
        }
        Show::Proxies => {
            let there = |view: &ClusterView| {
                view.proxies.values().all(|proxy| proxy.figures.is_some() || proxy.error.is_some())
            };
            Outcome::done(Body::Table(proxies(&*figures(session, there).await)))
        }
        Show::Slots => Outcome::done(Body::Table(slots(&session.now()))),
        Show::Topology => match &session.now().topology {
            Some(view) => match serde_json::to_string_pretty(&*view.topology) {
                Ok(text) => Outcome::done(Body::Text(text + "\n")),
                Err(error) => Outcome::failure(Status::ErrorReply, format!("topology: {error}")),
            },
            None => Outcome::done(Body::Nothing).with_note("there is no topology yet: no node was added"),
        },
        Show::Moves => documents(session, "moves/").await,
        Show::Audit => documents(session, "audit/").await,
    }
}

/// The view once figures are there, or as it is after a while.
async fn figures(session: &Session, there: impl Fn(&ClusterView) -> bool) -> Arc<ClusterView> {
    session.stream_figures();
    let mut view = session.view();
    // Members that do not answer in time are shown without figures.
    let _ = tokio::time::timeout(PATIENCE, view.wait_for(|view| there(view))).await;
    session.now()
}

fn age(read_at: Millis) -> Cell {
    if read_at == Millis(0) { Cell::Null } else { (Millis::now().0 - read_at.0).max(0).into() }
}

fn rounded(number: f64) -> Cell {
    ((number * 10.0).round() / 10.0).into()
}

fn nodes(view: &ClusterView) -> Table {
    let mut table = Table::new(&[
        "id", "address", "state", ">slots", ">keys", ">ops", ">memory", ">clients", "version", ">age_ms",
        "error",
    ]);
    for (id, node) in &view.nodes {
        let figures = node.figures.as_ref();
        let of = |cell: fn(&super::view::NodeFigures) -> Cell| figures.map_or(Cell::Null, cell);
        table.push(vec![
            id.as_str().into(),
            node.record.address.to_string().into(),
            view.state_of(id).word().into(),
            view.slots_of(id).into(),
            of(|figures| figures.keys.into()),
            of(|figures| rounded(figures.ops_per_second)),
            of(|figures| figures.used_memory.into()),
            of(|figures| figures.clients.into()),
            figures.map_or(node.record.version.as_str(), |figures| figures.version.as_str()).into(),
            age(node.read_at),
            node.error.as_deref().map_or(Cell::Null, Cell::from),
        ]);
    }
    table
}

fn proxies(view: &ClusterView) -> Table {
    let mut table = Table::new(&[
        "id", "address", "state", ">epoch", ">ops", ">clients", ">held", "driver", "version", ">age_ms",
        "error",
    ]);
    for (id, proxy) in &view.proxies {
        let figures = proxy.figures.as_ref();
        let of = |cell: fn(&super::view::ProxyFigures) -> Cell| figures.map_or(Cell::Null, cell);
        let current = view.topology.as_ref().map(|view| view.topology.epoch);
        let state = match (&proxy.error, current) {
            (Some(_), _) => "down",
            (None, Some(epoch)) if proxy.record.epoch < epoch => "behind",
            _ => "up",
        };
        table.push(vec![
            id.as_str().into(),
            proxy.record.address.as_str().into(),
            state.into(),
            proxy.record.epoch.0.into(),
            of(|figures| rounded(figures.ops_per_second)),
            of(|figures| figures.clients.into()),
            of(|figures| figures.held.into()),
            if view.leader.as_ref() == Some(id) { "yes" } else { "no" }.into(),
            proxy.record.version.as_str().into(),
            age(proxy.read_at),
            proxy.error.as_deref().map_or(Cell::Null, Cell::from),
        ]);
    }
    table
}

fn slots(view: &ClusterView) -> Table {
    let mut table = Table::new(&[">first", ">last", ">count", "node", "moving_to", "phase"]);
    let Some(topology) = view.topology.as_ref().map(|view| &view.topology) else { return table };
    for (range, owner) in &topology.slots {
        let mut push = |range: &redis_cluster::cluster::topology::SlotRange, to: Cell, phase: Cell| {
            table.push(vec![
                range.first().get().into(),
                range.last().get().into(),
                range.count().into(),
                owner.as_str().into(),
                to,
                phase,
            ]);
        };
        push(range, Cell::Null, Cell::Null);
        for one in &topology.moves {
            for part in
                one.slots.iter().filter(|part| range.first() <= part.first() && part.last() <= range.last())
            {
                push(part, one.to.as_str().into(), format!("{:?}", one.phase).to_uppercase().into());
            }
        }
    }
    table
}

/// JSON documents below a prefix of the registry, with a column for each member that any of them has.
async fn documents(session: &Session, prefix: &str) -> Outcome {
    let listing = match session.inner.registry.list(prefix).await {
        Ok(listing) => listing,
        Err(error) => return registry_failure(&error),
    };
    let mut table = DocumentTable::default();
    for entry in &listing.entries {
        let name = entry.key.strip_prefix(prefix).unwrap_or(&entry.key);
        table.push(
            name,
            serde_json::from_slice(&entry.value)
                .unwrap_or_else(|_| Cell::String(String::from_utf8_lossy(&entry.value).into_owned())),
        );
    }
    table.sort();
    let mut text = String::new();
    for (_, document) in table.rows {
        text.push_str(&document.to_string());
        text.push('\n');
    }
    Outcome::done(Body::Text(text))
}

#[derive(Default)]
struct DocumentTable {
    rows: Vec<(String, Cell)>,
}

impl DocumentTable {
    fn push(&mut self, name: &str, document: Cell) {
        self.rows.push((name.to_owned(), document));
    }

    /// By number where the names are numbers.
    fn sort(&mut self) {
        self.rows.sort_by(|(a, _), (b, _)| {
            let number = |name: &str| name.parse::<u64>().unwrap_or(u64::MAX);
            number(a).cmp(&number(b)).then_with(|| a.cmp(b))
        });
    }
}

/// What a failed call to the registry is to the operator.
pub(super) fn registry_failure(error: &RegistryError) -> Outcome {
    let status = if error.is_outage() { Status::Unreachable } else { Status::Refused };
    Outcome::failure(status, error.to_string())
}
