//! New facts about the cluster.

use std::sync::Arc;

use super::note;
use crate::{
    screen::model::{Model, Tone, Trend},
    session::ClusterView,
};

/// Takes in a view: shown at once, unless the screen is held still. Trends are kept up in either case.
pub(super) fn receive(model: &mut Model, view: Arc<ClusterView>) {
    if model.first_view_at.is_none() {
        model.first_view_at = Some(model.now);
        greet(model, &view);
    }
    model.trends.retain(|id, _| view.nodes.contains_key(id));
    for (id, node) in &view.nodes {
        if let Some(figures) = &node.figures {
            let trend: &mut Trend = model.trends.entry(id.clone()).or_default();
            trend.push(node.read_at, crate::screen::text::whole(figures.ops_per_second));
        }
    }
    model.busiest = model.trends.values().flat_map(|trend| &trend.samples).copied().max().unwrap_or(0);
    model.latest = view;
    if model.frozen_at.is_none() {
        show_latest(model);
    }
}

/// How others reach a cluster that lives in this process: nobody else can say.
fn greet(model: &mut Model, view: &ClusterView) {
    let proxies: Vec<String> = view
        .proxies
        .values()
        .filter_map(|proxy| proxy.record.address.rsplit_once(':'))
        .map(|(_, port)| format!("redis-cli -p {port}"))
        .collect();
    if model.embedded && !proxies.is_empty() {
        let registry = view.registry.endpoints.join(",");
        let text = format!(
            "this cluster lives in this process; clients: {}\nother consoles: redis_console {registry}",
            proxies.join(", ")
        );
        note(model, Tone::Note, &text);
    }
}

/// Shows what came last.
pub(super) fn show_latest(model: &mut Model) {
    // Whoever reads older events keeps reading the same ones while newer come in.
    if model.events_back > 0 {
        let new = model.latest.events.total().saturating_sub(model.shown.events.total());
        model.events_back = model
            .events_back
            .saturating_add(usize::try_from(new).unwrap_or(usize::MAX))
            .min(model.latest.events.len());
    }
    model.shown = Arc::clone(&model.latest);
    model.nodes.refresh(&model.shown);
    model.dirty = true;
}
