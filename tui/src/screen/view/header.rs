//! The first row: which cluster, what of it works, and how old all this is.

use ratatui::layout::Rect;

use super::{Painter, Style, painter::Piece};
use crate::{
    screen::{
        model::{Liveness, Model},
        text,
        theme::Role,
    },
    session::view::{Health, NodeState},
};

pub(super) fn too_small(painter: &mut Painter<'_>, area: Rect, alarms: usize) {
    let said = match alarms {
        0 => (Role::Warning, "window too small".to_owned()),
        alarms => (Role::Bad, format!("ALARM {alarms}")),
    };
    painter.line(area, 0, &[said]);
}

pub(super) fn draw(model: &Model, painter: &mut Painter<'_>, area: Rect, style: Style, alarms: usize) {
    let live = liveness(model, alarms);
    let live_width = text::width(&live.1) + 2;
    let room = usize::from(area.width).saturating_sub(live_width);
    let separator = match style {
        Style::Compact => "  ".to_owned(),
        _ => format!(" {} ", model.theme.charset.glyphs().separator),
    };
    // Most important first; what has no room is left out, never cut in the middle.
    let mut pieces: Vec<Piece> = vec![(Role::Text, " ".to_owned())];
    let mut used = 1;
    for (at, part) in parts(model, painter, style).into_iter().enumerate() {
        let gap = if at == 0 { 0 } else { text::width(&separator) };
        let width: usize = part.iter().map(|(_, text)| text::width(text)).sum();
        if used + gap + width > room {
            continue;
        }
        if gap > 0 {
            pieces.push((Role::Frame, separator.clone()));
        }
        used += gap + width;
        pieces.extend(part);
    }
    painter.line_with_end(area, 0, &pieces, &[live, (Role::Text, " ".to_owned())]);
}

fn liveness(model: &Model, alarms: usize) -> Piece {
    match model.liveness() {
        Liveness::Connecting => (Role::Warning, "CONNECTING".to_owned()),
        Liveness::Live if alarms > 0 => (Role::Bad, format!("ALARM {alarms}")),
        Liveness::Live => (Role::Good, format!("LIVE {}", text::clock(model.data_at()))),
        Liveness::Stale(ms) => (Role::Bad, format!("STALE {}", text::age(ms))),
        Liveness::Frozen(at) => (Role::Warning, format!("FROZEN {}", text::clock(at))),
    }
}

fn parts(model: &Model, painter: &Painter<'_>, style: Style) -> Vec<Vec<Piece>> {
    let view = &model.shown;
    let full = style == Style::Boxes;
    let glyphs = model.theme.charset.glyphs();
    let quiet = |text: &str| (Role::Text, text.to_owned());
    let count = |name: &str, short: &str, up: usize, all: usize| {
        let role = if up == all { Role::Text } else { Role::Bad };
        vec![quiet(&format!("{} ", if full { name } else { short })), (role, format!("{up}/{all}"))]
    };

    let registry_name = match model.embedded {
        true if full => "embedded registry",
        true => "registry",
        false => "etcd",
    };
    let registry = match &view.registry.health {
        Health::Unknown => vec![quiet(registry_name), (Role::Quiet, format!(" {} asking", glyphs.unknown))],
        Health::Up => vec![
            quiet(registry_name),
            (Role::Good, format!(" {}", glyphs.up)),
            quiet(&format!(" {}{}", if full { "rev " } else { "r" }, view.registry.revision)),
        ],
        Health::Down { since, refused, .. } => {
            let age = text::age(model.as_of().0 - since.0);
            let what = if *refused { "refuses" } else { "down" };
            vec![quiet(registry_name), (Role::Bad, format!(" {} {what} {age}", glyphs.down))]
        }
    };
    let up = view
        .nodes
        .keys()
        .filter(|id| !matches!(view.state_of(id), NodeState::Down | NodeState::Unknown))
        .count();
    let proxies_up =
        view.proxies.values().filter(|proxy| proxy.error.is_none() && proxy.figures.is_some()).count();
    let keys = match view.keys() {
        Some(count) if full => text::about(count, text::thousands),
        Some(count) => text::about(count, text::short_count),
        None => glyphs.unknown.to_owned(),
    };
    let many = view.keys().is_none_or(|count| count.keys != 1);
    let rate = view.ops_per_second().map(|rate| text::short_count(text::whole(rate)));
    let rate = rate.unwrap_or_else(|| glyphs.unknown.to_owned());
    let name = if view.cluster.is_empty() { "redis_console" } else { &view.cluster };
    let mut first = vec![(Role::Title, painter.escape(&text::shorten(name, 24)))];
    if full && !view.cluster.is_empty() {
        first.insert(0, quiet("redis_console  "));
    }
    if model.read_only {
        first.push((Role::Warning, " READ-ONLY".to_owned()));
    }
    let mut parts = vec![first, registry];
    if view.is_known() {
        parts.extend([
            count("nodes", "nodes", up, view.nodes.len()),
            count("proxies", "prx", proxies_up, view.proxies.len()),
            vec![quiet(&format!("{keys} {}", if many { "keys" } else { "key" }))],
            vec![quiet(&format!("{rate} op/s"))],
        ]);
        if let Some(known) = &view.topology {
            parts.push(vec![quiet(&format!("epoch {}", known.topology.epoch))]);
        }
    }
    parts
}
