//! New facts about the cluster.

use std::sync::Arc;

use crate::{
    screen::model::{Model, Trend},
    session::ClusterView,
};

/// Takes in a view: shown at once, unless the screen is held still. Trends are kept up in either case.
pub(super) fn receive(model: &mut Model, view: Arc<ClusterView>) {
    if model.first_view_at.is_none() {
        model.first_view_at = Some(model.now);
    }
    model.trends.retain(|id, _| view.nodes.contains_key(id));
    for (id, node) in &view.nodes {
        if let Some(figures) = &node.figures {
            let trend: &mut Trend = model.trends.entry(id.clone()).or_default();
            trend.push(node.read_at, figures.ops_per_second.max(0.0) as u64);
        }
    }
    model.busiest = model.trends.values().flat_map(|trend| &trend.samples).copied().max().unwrap_or(0);
    model.latest = view;
    if model.frozen_at.is_none() {
        show_latest(model);
    }
}

/// Shows what came last.
pub(super) fn show_latest(model: &mut Model) {
    // Whoever reads older events keeps reading the same ones while newer come in.
    if model.events_back > 0 {
        let new = model.latest.events.total().saturating_sub(model.shown.events.total());
        model.events_back = model.events_back.saturating_add(new as usize).min(model.latest.events.len());
    }
    model.shown = Arc::clone(&model.latest);
    model.nodes.refresh(&model.shown);
    model.dirty = true;
}
