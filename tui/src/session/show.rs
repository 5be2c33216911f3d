//! `show …`: what the registry and the members say, as tables.

use redis_cluster::cluster::records::{keys, parse};
use std::{sync::Arc, time::Duration};

use redis_cluster::{
    cluster::{
        loss::LossRecord,
        plan::{AuditRecord, MoveRecord},
        registry::RegistryError,
    },
    time::Millis,
};
use serde_json::Value as Cell;

use super::{
    ClusterView, Session, Table,
    outcome::{Body, Outcome, Status},
    passing,
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
            let view = figures(session, there).await;
            let outcome = Outcome::done(Body::Table(nodes(&view)));
            losses(&view).fold(outcome, |outcome, loss| {
                outcome.with_note(format!(
                    "warning: {} (noticed {} by {}); {}",
                    loss.describe(),
                    timestamp(loss.at_ms),
                    loss.seen_by,
                    loss.remedy()
                ))
            })
        }
        Show::Proxies => {
            let there = |view: &ClusterView| {
                view.proxies.values().all(|proxy| proxy.figures.is_some() || proxy.error.is_some())
            };
            Outcome::done(Body::Table(proxies(&*figures(session, there).await)))
        }
        Show::Slots => Outcome::done(Body::Table(slots(&session.now()))),
        Show::Topology => match &session.now().topology {
            Some(view) => match serde_json::to_value(&*view.topology) {
                Ok(document) => Outcome::done(Body::Document(document)),
                Err(error) => Outcome::failure(Status::ErrorReply, format!("topology: {error}")),
            },
            None => Outcome::done(Body::Nothing).with_note("there is no topology yet: no node was added"),
        },
        Show::Moves => moves(session).await,
        Show::Audit => audit(session).await,
        Show::Slow => passing::slow(session).await,
        Show::HotKeys => passing::hot_keys(session).await,
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
        "id",
        "address",
        "state",
        ">slots",
        ">keys",
        ">ops",
        ">memory",
        ">clients",
        "version",
        ">age_ms",
        "error",
        ">lost",
        "lost_at",
        ">errors",
        ">hit_percent",
        ">p50_us",
        ">p99_us",
    ]);
    for (id, node) in &view.nodes {
        let loss = view.losses.get(id);
        let figures = node.figures.as_ref();
        let of = |cell: fn(&super::view::NodeFigures) -> Cell| figures.map_or(Cell::Null, cell);
        table.push(vec![
            id.as_str().into(),
            node.record.address.to_string().into(),
            view.state_of(id).word().into(),
            view.slots_of(id).into(),
            view.keys_of(id).map_or(Cell::Null, |count| count.keys.into()),
            of(|figures| rounded(figures.ops_per_second)),
            of(|figures| figures.used_memory.into()),
            of(|figures| figures.clients.into()),
            figures.map_or(node.record.version.as_str(), |figures| figures.version.as_str()).into(),
            age(node.read_at),
            node.error.as_deref().map_or(Cell::Null, Cell::from),
            loss.map_or(Cell::Null, |loss| loss.lost().into()),
            loss.map_or(Cell::Null, |loss| timestamp(loss.at_ms).into()),
            of(|figures| figures.errors_per_second.map_or(Cell::Null, rounded)),
            of(|figures| figures.hit_share.map_or(Cell::Null, |share| rounded(share * 100.0))),
            node.latency().map_or(Cell::Null, |latency| latency.p50_us.into()),
            node.latency().map_or(Cell::Null, |latency| latency.p99_us.into()),
        ]);
    }
    table
}

/// Of members: what a node lost that was removed meanwhile is nobody's concern.
fn losses(view: &ClusterView) -> impl Iterator<Item = &LossRecord> {
    view.losses.values().filter(|loss| view.nodes.contains_key(&loss.node))
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
            // It lets nobody in any more, consoles included.
            _ if proxy.record.draining => "draining",
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
            (view.leader.as_ref() == Some(id)).into(),
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
        let mut push = |range: &redis_cluster::slot::SlotRange, to: Cell, phase: Cell| {
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

/// The journal of moves, oldest first.
async fn moves(session: &Session) -> Outcome {
    let records: Vec<MoveRecord> = match records(session, keys::MOVES).await {
        Ok(records) => records,
        Err(outcome) => return outcome,
    };
    let mut table = Table::new(&[
        ">id",
        ">plan",
        "from",
        "to",
        ">slots",
        "state",
        "started",
        ">took_ms",
        ">keys",
        ">bytes",
        ">verified",
        ">freeze_ms",
        ">epoch",
        "reason",
    ]);
    for record in records {
        table.push(vec![
            record.id.into(),
            record.plan.0.into(),
            record.from.as_str().into(),
            record.to.as_str().into(),
            record.slots.iter().map(|range| range.count()).sum::<usize>().into(),
            record.state.into(),
            timestamp(record.started_at_ms).into(),
            record.ended_at_ms.map_or(Cell::Null, |ended| (ended - record.started_at_ms).into()),
            record.keys.into(),
            record.bytes.into(),
            record.verified_keys.map_or(Cell::Null, Cell::from),
            record.freeze_ms.map_or(Cell::Null, Cell::from),
            record.epoch.map_or(Cell::Null, |epoch| epoch.0.into()),
            record.reason.map_or(Cell::Null, Cell::from),
        ]);
    }
    Outcome::done(Body::Table(table))
}

/// Who did what, oldest first.
async fn audit(session: &Session) -> Outcome {
    let records: Vec<AuditRecord> = match records(session, keys::AUDIT).await {
        Ok(records) => records,
        Err(outcome) => return outcome,
    };
    let mut table = Table::new(&["at", "by", ">epoch_before", ">epoch_after", "what"]);
    for record in records {
        table.push(vec![
            timestamp(record.at_ms).into(),
            record.by.into(),
            record.epoch_before.0.into(),
            record.epoch_after.0.into(),
            record.what.into(),
        ]);
    }
    Outcome::done(Body::Table(table))
}

/// Records below a prefix of the registry, in the order of their keys.
async fn records<T: serde::de::DeserializeOwned>(session: &Session, prefix: &str) -> Result<Vec<T>, Outcome> {
    let listing = session.inner.registry.list(prefix).await.map_err(|error| registry_failure(&error))?;
    let parsed = listing
        .entries
        .iter()
        .map(|entry| parse(entry).map_err(|error| Outcome::failure(Status::ErrorReply, error.to_string())));
    parsed.collect()
}

/// `2026-11-22T19:26:09Z`.
pub(crate) fn timestamp(at_ms: i64) -> String {
    let (days, second) = (at_ms.div_euclid(86_400_000), at_ms.rem_euclid(86_400_000) / 1000);
    // Days since 1970 to a date, by eras of 400 years that begin on 1 March (Hinnant, "chrono-compatible low-level date
    // algorithms").
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", second / 3600, second / 60 % 60, second % 60)
}

/// What a failed call to the registry is to the operator.
pub(super) fn registry_failure(error: &RegistryError) -> Outcome {
    let status = if error.is_outage() { Status::Unreachable } else { Status::Refused };
    Outcome::failure(status, error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps() {
        for (at_ms, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400_000, "2000-02-29T00:00:00Z"),
            (1_795_375_569_999, "2026-11-22T19:26:09Z"),
            (-1, "1969-12-31T23:59:59Z"),
        ] {
            assert_eq!(timestamp(at_ms), text);
        }
    }
}
