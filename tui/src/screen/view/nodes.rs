//! The table of nodes. Only the rows that fit are looked at.

use std::collections::BTreeMap;

use ratatui::layout::Rect;
use redis_cluster::{id::NodeId, slot::SLOTS};

use super::{Painter, Style, Zone, painter::Piece, title_role};
use crate::{
    screen::{
        model::{Model, Panel, TREND_SAMPLES, TREND_SHORT},
        text,
        theme::{Charset, Role},
    },
    session::{
        ClusterView,
        view::{Latency, NodeState, NodeView},
    },
};

/// What a column shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cell {
    Id,
    Letter,
    Address,
    State,
    Slots,
    Share,
    Keys,
    ShortKeys,
    Ops,
    Trend,
    Age,
    Memory,
    MemoryShare,
    Gauge,
    Ping,
    Clients,
    Version,
    Uptime,
    Errors,
    Hits,
    Median,
    Slowest,
}

/// A column: what, heading, columns, numbers to the right, and what is dropped first when there is no room.
struct Column {
    cell: Cell,
    title: &'static str,
    width: usize,
    right: bool,
    keep: u8,
}

const fn column(cell: Cell, title: &'static str, width: usize, right: bool, keep: u8) -> Column {
    Column { cell, title, width, right, keep }
}

/// The letters that stand for a node in the slot strip, by its place among the ids: A to Z, then AA, AB and so on.
pub(super) fn letters(place: usize) -> String {
    let mut letters = String::new();
    let mut rest = place + 1;
    while rest > 0 {
        let digit = (rest - 1) % 26;
        letters.insert(0, char::from(b'A' + u8::try_from(digit).unwrap_or_default()));
        rest = (rest - 1) / 26;
    }
    letters
}

/// Places of the nodes among the ids.
pub(super) fn places(view: &ClusterView) -> BTreeMap<&NodeId, usize> {
    view.nodes.keys().enumerate().map(|(place, id)| (id, place)).collect()
}

fn is_old(model: &Model, node: &NodeView) -> bool {
    node.error.is_some() || model.age_of(node.read_at).is_none_or(|age| age >= model.stale_after_ms())
}

fn columns(model: &Model, style: Style, room: usize, visible: &[NodeId]) -> Vec<Column> {
    let nodes = &model.shown.nodes;
    let shown = || visible.iter().filter_map(|id| nodes.get(id).map(|node| (id, node)));
    let longest = |width: &dyn Fn(&NodeId, &NodeView) -> usize| {
        shown().map(|(id, node)| width(id, node)).max().unwrap_or(0)
    };
    let id = longest(&|id, _| id.as_str().len()).clamp(2, 12);
    let letters = letters(nodes.len().saturating_sub(1)).len();
    let address = longest(&|_, node| text::width(&node.record.address.host_port())).clamp(7, 30);
    // Ages matter as soon as one figure is old; then they take the place of the trend.
    let old = nodes.values().any(|node| is_old(model, node));
    let trend = |title, width| {
        if old {
            column(Cell::Age, "AGE", 6, false, 95)
        } else {
            column(Cell::Trend, title, width, false, 45)
        }
    };
    let mut columns = match style {
        Style::Boxes => vec![
            column(Cell::Id, "ID", id, false, 100),
            column(Cell::Letter, "", letters, false, 60),
            column(Cell::Address, "ADDRESS", address, false, 70),
            column(Cell::State, "STATE", 10, false, 100),
            column(Cell::Slots, "SLOTS", 6, true, 50),
            column(Cell::Share, "%", 6, true, 55),
            column(Cell::Keys, "KEYS", 13, true, 90),
            column(Cell::Ops, "OPS/S", 6, true, 80),
            match room {
                WIDEST.. => trend("TREND 2m", TREND_SAMPLES / 2),
                WIDE.. => trend("TREND 60s", TREND_SAMPLES / 4),
                _ => trend("TREND 30s", 10),
            },
            column(Cell::Memory, "MEM", 6, true, 65),
            column(Cell::MemoryShare, "", 5, true, 40),
            column(Cell::Gauge, "", 10, false, 35),
            column(Cell::Ping, "PING", 6, true, 62),
            column(Cell::Median, "P50", 6, true, 33),
            column(Cell::Slowest, "P99", 6, true, 61),
            column(Cell::Hits, "HIT", 5, true, 34),
            column(Cell::Errors, "ERR/S", 6, true, 38),
            column(Cell::Clients, "CONN", 5, true, 58),
            column(Cell::Uptime, "UP", 6, true, 31),
            column(Cell::Version, "VERSION", 14, false, 30),
        ],
        Style::Rules => vec![
            column(Cell::Id, "ID", id, false, 100),
            column(Cell::Letter, "", letters, false, 60),
            column(Cell::Address, "ADDRESS", address, false, 70),
            column(Cell::State, "STATE", 10, false, 100),
            column(Cell::Share, "SLOTS", 6, true, 55),
            column(Cell::Keys, "KEYS", 12, true, 90),
            column(Cell::Ops, "OPS/S", 6, true, 80),
            column(Cell::Memory, "MEM", 5, true, 65),
            column(Cell::Ping, "PING", 6, true, 62),
            trend("TREND", 6),
        ],
        Style::Compact | Style::Tiny => vec![
            column(Cell::Id, "ID", id, false, 100),
            column(Cell::State, "STATE", 10, false, 99),
            column(Cell::ShortKeys, "KEYS", 7, true, 90),
            column(Cell::Ops, "OPS/S", 6, true, 80),
            if old {
                column(Cell::Age, "AGE", 6, false, 95)
            } else {
                column(Cell::Ping, "PING", 6, true, 62)
            },
        ],
    };
    // A gauge needs a limit to be measured against.
    if nodes.values().all(|node| node.figures.as_ref().is_none_or(|figures| figures.max_memory == 0)) {
        columns.retain(|column| !matches!(column.cell, Cell::MemoryShare | Cell::Gauge));
    }
    while columns.len() > 1 && columns.iter().map(|column| column.width + 1).sum::<usize>() > room {
        let Some(drop) = columns.iter().map(|column| column.keep).min() else { break };
        columns.retain(|column| column.keep != drop);
    }
    columns
}

pub(super) fn draw(model: &Model, painter: &mut Painter<'_>, area: Rect, style: Style) {
    if area.is_empty() {
        return;
    }
    let table = &model.nodes;
    let inner = if style == Style::Compact { area } else { frame(model, painter, area, style) };
    let sum_rows = u16::from(style != Style::Compact && inner.height > 2);
    let head_rows = u16::from(inner.height > 1);
    let height = inner.height.saturating_sub(head_rows + sum_rows);
    let top = table.top(height.into());
    let visible = &table.rows[top..table.rows.len().min(top + usize::from(height))];
    let columns = columns(model, style, usize::from(inner.width).saturating_sub(2), visible);

    if head_rows > 0 {
        let mut head = vec![(Role::Text, "  ".to_owned())];
        for column in &columns {
            head.push((Role::Title, cell(column, column.title)));
        }
        painter.line(inner, 0, &head);
    }
    let places = places(&model.shown);
    for (row, id) in visible.iter().enumerate() {
        let Some(node) = model.shown.nodes.get(id) else { continue };
        let selected = table.selected.as_ref() == Some(id);
        let cursor = if selected { model.theme.charset.glyphs().cursor } else { " " };
        let mut pieces: Vec<Piece> = vec![(Role::Text, text::left(cursor, 2))];
        for column in &columns {
            let (role, text) = value(model, column, id, node, places.get(id).copied().unwrap_or(0));
            pieces.push((role, cell(column, &painter.escape(&text))));
        }
        let row = text::cells(row) + head_rows;
        painter.line(inner, row, &pieces);
        painter.zone(
            Rect { y: inner.y + row, height: 1, ..inner },
            Zone::PanelRow(Panel::Nodes, top + usize::from(row - head_rows)),
        );
        if selected && model.focus != super::super::model::Focus::Line {
            painter.select(inner, row);
        }
    }
    if table.rows.is_empty() {
        painter.line(inner, head_rows, &[(Role::Quiet, format!("  {}", empty(model)))]);
    }
    if sum_rows > 0 && !table.rows.is_empty() {
        sum(model, painter, inner, &columns, visible.len() < table.rows.len());
    }
}

/// Why there are no rows, and what to do about it.
fn empty(model: &Model) -> &'static str {
    if !model.shown.is_known() {
        "waiting for the registry"
    } else if model.shown.nodes.is_empty() {
        "no nodes yet; type: add 1 http://HOST:PORT"
    } else {
        "no node matches the filter (esc clears it)"
    }
}

fn frame(model: &Model, painter: &mut Painter<'_>, area: Rect, style: Style) -> Rect {
    let table = &model.nodes;
    let glyphs = model.theme.charset.glyphs();
    let title = match model.liveness() {
        super::super::model::Liveness::Stale(ms) => format!(
            " Nodes ({}) {} membership as of {} ago ",
            model.shown.nodes.len(),
            glyphs.rule,
            text::age(ms)
        ),
        _ => format!(" Nodes ({}) ", model.shown.nodes.len()),
    };
    let filter = match table.filter.value() {
        "" => glyphs.none.to_owned(),
        filter => painter.escape(filter),
    };
    let end = format!(
        " sort: {} {}   filter: {} ",
        table.sort.word(),
        glyphs.sorted[usize::from(table.reverse)],
        text::shorten(&filter, 20)
    );
    painter.panel(
        area,
        style == Style::Boxes,
        &[(title_role(model, Panel::Nodes), title)],
        &[(Role::Quiet, end)],
    )
}

/// A column's text in its width, with the blank behind it.
fn cell(column: &Column, text: &str) -> String {
    let mut cell =
        if column.right { text::right(text, column.width) } else { text::left(text, column.width) };
    cell.push(' ');
    cell
}

fn state(model: &Model, id: &NodeId) -> Piece {
    let glyphs = model.theme.charset.glyphs();
    let state = model.shown.state_of(id);
    // Nodes that were members before take slots too, when another one leaves.
    let is_added = model
        .shown
        .plans
        .iter()
        .filter(|plan| !plan.state.is_final())
        .any(|plan| plan.words.split_whitespace().take(2).eq(["add", id.as_str()]));
    let word = match state {
        NodeState::Joining if !is_added => "taking",
        // It answers, and not with what it held.
        NodeState::Up if model.shown.losses.contains_key(id) => {
            return (Role::Bad, format!("{} lost", glyphs.up));
        }
        state => state.word(),
    };
    let (role, glyph) = match state {
        NodeState::Unknown => (Role::Quiet, glyphs.unknown),
        NodeState::Up => (Role::Good, glyphs.up),
        NodeState::Joining | NodeState::Donating => (Role::Warning, glyphs.changing),
        NodeState::Down => (Role::Bad, glyphs.down),
    };
    (role, format!("{glyph} {word}"))
}

fn value(model: &Model, column: &Column, id: &NodeId, node: &NodeView, place: usize) -> Piece {
    let charset = model.theme.charset;
    let old = is_old(model, node);
    let role = if old { Role::Stale } else { Role::Text };
    let none = || (Role::Quiet, charset.glyphs().none.to_owned());
    let slots = model.nodes.slots.get(id).copied().unwrap_or(0);
    // What a node held is still worth knowing when it is away, in brackets; what it did each second is not.
    let held = |text: String| (role, if old { format!("({text})") } else { text });
    let figures = node.figures.as_ref();
    match column.cell {
        Cell::Id => (Role::Title, id.to_string()),
        Cell::Letter => (Role::Owner(place), letters(place)),
        Cell::Address => (role, node.record.address.host_port()),
        Cell::State => state(model, id),
        Cell::Slots => (Role::Text, slots.to_string()),
        Cell::Share => (Role::Text, text::percent(slots as u64, SLOTS as u64, charset)),
        Cell::Age => match model.age_of(node.read_at) {
            Some(age) => (role, text::age(age)),
            None => none(),
        },
        cell => {
            let (Some(figures), Some(keys)) = (figures, model.shown.keys_of(id)) else { return none() };
            match cell {
                Cell::Keys => held(text::about(keys, text::thousands)),
                Cell::ShortKeys => held(text::about(keys, text::short_count)),
                _ if old => none(),
                Cell::Memory => (Role::Text, text::short_bytes(figures.used_memory)),
                Cell::Ops => (Role::Text, text::short_count(text::whole(figures.ops_per_second))),
                Cell::MemoryShare if figures.max_memory > 0 => {
                    (Role::Text, format!("{}%", figures.used_memory.saturating_mul(100) / figures.max_memory))
                }
                Cell::Gauge if figures.max_memory > 0 => {
                    let [left, right] = charset.glyphs().gauge_ends;
                    let gauge =
                        text::gauge(figures.used_memory, figures.max_memory, column.width - 2, charset);
                    (Role::Quiet, format!("{left}{gauge}{right}"))
                }
                Cell::Ping if figures.latency_us > 0 => (Role::Text, text::duration_us(figures.latency_us)),
                Cell::Clients => (Role::Text, figures.clients.to_string()),
                Cell::Trend => (Role::Owner(place), trend(model, id, column.width)),
                Cell::Uptime => {
                    let seconds = i64::try_from(figures.uptime_seconds).unwrap_or(i64::MAX / 1_000);
                    (Role::Text, text::age(seconds * 1_000))
                }
                Cell::Version => (Role::Text, figures.version.clone()),
                Cell::Errors => figures.errors_per_second.map_or_else(none, |rate| {
                    let role = if rate > 0.0 { Role::Warning } else { Role::Text };
                    (role, text::rate(rate))
                }),
                Cell::Hits => figures
                    .hit_share
                    .map_or_else(none, |share| (Role::Text, format!("{:.0}%", share * 100.0))),
                Cell::Median => latency(node, |latency| latency.p50_us).unwrap_or_else(none),
                Cell::Slowest => latency(node, |latency| latency.p99_us).unwrap_or_else(none),
                _ => none(),
            }
        }
    }
}

fn latency(node: &NodeView, which: fn(Latency) -> u64) -> Option<Piece> {
    node.latency().map(|latency| (Role::Text, text::duration_us(which(latency))))
}

/// Columns of the screen that leave room for a trend of a minute, for versions and for how long nodes are up.
const WIDE: usize = 150;
/// The same for two minutes.
const WIDEST: usize = 230;

/// The last seconds against the busiest node. A narrow column has bars, each the mean of its samples; a wide one a column of dots for each
/// sample.
fn trend(model: &Model, id: &NodeId, width: usize) -> String {
    let charset = model.theme.charset;
    let is_wide = width >= TREND_SAMPLES / 4;
    let shown = if is_wide { width * 2 } else { TREND_SHORT };
    let samples = model.trends.get(id).map(|trend| &trend.samples);
    let samples: Vec<u64> = samples
        .map(|samples| samples.iter().skip(samples.len().saturating_sub(shown)).copied().collect())
        .unwrap_or_default();
    if is_wide && charset == Charset::Unicode {
        return text::braille(&samples, width, model.busiest);
    }
    let per_bar = shown.div_ceil(width.max(1));
    let means: Vec<u64> = samples
        .rchunks(per_bar)
        .map(|samples| samples.iter().sum::<u64>() / samples.len() as u64)
        .collect::<Vec<_>>()
        .into_iter()
        .rev()
        .collect();
    text::sparkline(&means, width, model.busiest, charset)
}

fn sum(model: &Model, painter: &mut Painter<'_>, inner: Rect, columns: &[Column], cut: bool) {
    let view = &model.shown;
    let glyphs = model.theme.charset.glyphs();
    // With a filter the sum is of the rows that pass it.
    let rows = &model.nodes.rows;
    let is_filtered = !model.nodes.filter.value().is_empty();
    let nodes = || rows.iter().filter_map(|id| view.nodes.get(id));
    let figures = || nodes().filter_map(|node| node.figures.as_ref());
    let slots: usize = rows.iter().filter_map(|id| model.nodes.slots.get(id)).sum();
    let known = nodes().all(|node| node.figures.is_some() && node.error.is_none());
    let sum_of_keys = if is_filtered { view.keys_of_all(rows.iter()) } else { view.keys() };
    let ops: f64 = nodes()
        .filter(|node| node.error.is_none())
        .filter_map(|node| node.figures.as_ref())
        .map(|figures| figures.ops_per_second)
        .sum();
    let keys = |form: fn(u64) -> String| match sum_of_keys {
        Some(count) if known => text::about(count, form),
        Some(count) => format!("({})", text::about(count, form)),
        None => glyphs.none.to_owned(),
    };
    let mut line: Vec<Piece> = vec![(Role::Text, "  ".to_owned())];
    for column in columns {
        let text = match column.cell {
            Cell::Id => glyphs.sum.to_owned(),
            Cell::Address if cut => {
                let at = model.nodes.position().map_or(0, |at| at + 1);
                format!("{at} of {} {}", model.nodes.rows.len(), text::plural(model.nodes.rows.len(), "node"))
            }
            Cell::Address if is_filtered => format!("{} of {} nodes", rows.len(), view.nodes.len()),
            Cell::Address => format!("{} {}", view.nodes.len(), text::plural(view.nodes.len(), "node")),
            Cell::Slots => slots.to_string(),
            Cell::Share => text::percent(slots as u64, SLOTS as u64, model.theme.charset),
            Cell::Keys => keys(text::thousands),
            Cell::ShortKeys => keys(text::short_count),
            Cell::Ops => text::short_count(text::whole(ops)),
            Cell::Memory => text::short_bytes(figures().map(|figures| figures.used_memory).sum()),
            Cell::Clients => figures().map(|figures| figures.clients).sum::<u64>().to_string(),
            Cell::Letter
            | Cell::State
            | Cell::Trend
            | Cell::Age
            | Cell::MemoryShare
            | Cell::Gauge
            | Cell::Version
            | Cell::Uptime
            | Cell::Hits
            | Cell::Median
            | Cell::Slowest
            | Cell::Ping => String::new(),
            Cell::Errors => {
                let rates: Vec<f64> = figures().filter_map(|figures| figures.errors_per_second).collect();
                if rates.is_empty() { String::new() } else { text::rate(rates.iter().sum()) }
            }
        };
        line.push((Role::Quiet, cell(column, &text)));
    }
    painter.line(inner, inner.height - 1, &line);
}
