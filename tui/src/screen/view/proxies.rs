//! The table of proxies, and whether all of them route by the current topology.

use ratatui::layout::Rect;

use super::{Painter, Zone, is_focused, painter::Piece, title_role};
use crate::{
    screen::{
        model::{Model, Panel},
        text,
        theme::Role,
    },
    session::view::ProxyView,
};

/// How long a new epoch takes to reach every proxy when nothing is wrong.
const SPREADING_MS: i64 = 1_000;

pub(super) fn draw(model: &Model, painter: &mut Painter<'_>, area: Rect, boxed: bool) {
    if area.is_empty() {
        return;
    }
    let proxies = &model.shown.proxies;
    let title = format!(" Proxies ({}) ", proxies.len());
    let inner = painter.panel(area, boxed, &[(title_role(model, Panel::Proxies), title)], &[]);
    if !model.shown.is_known() {
        return painter.line(inner, 0, &[(Role::Quiet, " not known yet".to_owned())]);
    }
    if proxies.is_empty() {
        let text = " none is registered; start one: proxy_node ID ADDRESS ETCD".to_owned();
        return painter.line(inner, 0, &[(Role::Warning, text)]);
    }
    let id = proxies.keys().map(|id| id.as_str().len()).max().unwrap_or(2).clamp(2, 12);
    let address =
        proxies.values().map(|proxy| text::width(&proxy.record.address)).max().unwrap_or(7).clamp(7, 22);
    let fixed = id + address + 3;
    let wide = usize::from(inner.width) >= fixed + 38;
    let mut head =
        format!("  {} {} STATE      OPS/S  EPOCH", text::left("ID", id), text::left("ADDRESS", address));
    if wide {
        head.push_str("  CONN");
    }
    painter.line(inner, 0, &[(Role::Title, head)]);
    let lag = lagging(model);
    let lag_rows = u16::from(inner.height > 2);
    let height = usize::from(inner.height.saturating_sub(1 + lag_rows));
    let top = model.proxies_at.saturating_sub(height / 2).min(proxies.len().saturating_sub(height));
    for (row, (name, proxy)) in proxies.iter().skip(top).take(height).enumerate() {
        let drives = model.shown.leader.as_ref() == Some(name);
        let (role, mut word, age) = state(model, proxy);
        // Behind the figures where there is room, else in place of the word that it is well.
        let has_place = usize::from(inner.width) >= fixed + if wide { 38 } else { 32 };
        if drives && role == Role::Good && !has_place {
            word = format!("{} driver", model.theme.charset.glyphs().up);
        }
        let none = model.theme.charset.glyphs().none;
        let figures = proxy.figures.as_ref().filter(|_| age.is_none());
        let ops = figures.map_or_else(
            || none.to_owned(),
            |figures| text::short_count(text::whole(figures.ops_per_second)),
        );
        let clients = figures.map_or_else(|| none.to_owned(), |figures| figures.clients.to_string());
        let mut line: Vec<Piece> = vec![
            (Role::Title, format!("  {} ", text::left(name.as_str(), id))),
            (Role::Text, format!("{} ", text::left(&painter.escape(&proxy.record.address), address))),
            (role, text::left(&word, 9)),
            (Role::Text, format!(" {} {}", text::right(&ops, 6), text::right(&epoch(proxy).to_string(), 6))),
        ];
        if wide {
            line.push((Role::Text, format!(" {}", text::right(&clients, 5))));
        }
        match age {
            Some(age) => line.push((Role::Stale, format!("  {}", text::age(age)))),
            None if drives && has_place => line.push((Role::Quiet, "  driver".to_owned())),
            None => {}
        }
        let at = top + row;
        let row = text::cells(row) + 1;
        painter.line(inner, row, &line);
        painter.zone(Rect { y: inner.y + row, height: 1, ..inner }, Zone::PanelRow(Panel::Proxies, at));
        if at == model.proxies_at && is_focused(model, Panel::Proxies) {
            painter.select(inner, row);
        }
    }
    if lag_rows > 0 {
        painter.line(inner, inner.height - 1, &[lag]);
    }
}

/// What it routes by: its own word where it answers, else what it last registered.
fn epoch(proxy: &ProxyView) -> u64 {
    let own = proxy.figures.as_ref().map(|figures| figures.epoch).filter(|_| proxy.error.is_none());
    own.unwrap_or(0).max(proxy.record.epoch.0)
}

/// Role, word, and the age of the figures where they are old.
fn state(model: &Model, proxy: &ProxyView) -> (Role, String, Option<i64>) {
    let glyphs = model.theme.charset.glyphs();
    let current = model.shown.topology.as_ref().map_or(0, |known| known.topology.epoch.0);
    let age = model.age_of(proxy.read_at);
    if proxy.error.is_some() {
        return (Role::Bad, format!("{} down", glyphs.down), Some(age.unwrap_or(0)));
    }
    match age {
        None => (Role::Quiet, format!("{} unknown", glyphs.unknown), None),
        Some(age) if age >= model.stale_after_ms() => {
            (Role::Stale, format!("{} silent", glyphs.unknown), Some(age))
        }
        Some(_) if epoch(proxy) < current && !is_spreading(model) => {
            (Role::Warning, format!("{} behind", glyphs.warning), None)
        }
        Some(_) => (Role::Good, format!("{} up", glyphs.up), None),
    }
}

/// The epoch is so new that no proxy is late with it yet.
fn is_spreading(model: &Model) -> bool {
    model.shown.topology.as_ref().is_some_and(|known| model.as_of().0 - known.seen_at.0 < SPREADING_MS)
}

fn lagging(model: &Model) -> Piece {
    let Some(known) = &model.shown.topology else { return (Role::Quiet, String::new()) };
    let current = known.topology.epoch.0;
    let behind: Vec<String> = model
        .shown
        .proxies
        .iter()
        .filter(|(_, proxy)| epoch(proxy) < current)
        .map(|(id, proxy)| format!("{id} by {}", current - epoch(proxy)))
        .collect();
    if behind.is_empty() {
        return (Role::Quiet, format!("  all on epoch {current}"));
    }
    if is_spreading(model) {
        return (Role::Quiet, format!("  epoch {current} is new"));
    }
    let age = text::age(model.as_of().0 - known.seen_at.0);
    (Role::Warning, format!("  epoch {current} is {age} old; behind: {}", behind.join(", ")))
}
