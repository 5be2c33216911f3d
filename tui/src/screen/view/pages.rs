//! An open page: its title with where one is, tabs, then its table, its text, or the trends of a node.

use ratatui::layout::Rect;
use redis_cluster::{protocol::info, slot::SLOTS};

use super::{
    Painter, Style, Zone,
    nodes::{letters, places},
    painter::Piece,
    slots,
};
use crate::screen::{
    model::{Focus, Model},
    pages::{
        Content, Kind, Page, Text,
        ask::Topic,
        grid::{Column, Grid},
        node::{NodePage, Sample, Tab},
    },
    text,
    theme::Role,
};

pub(super) fn draw(model: &Model, page: &Page, painter: &mut Painter<'_>, area: Rect, style: Style) {
    if area.is_empty() {
        return;
    }
    let content = page.kind.content();
    let title = painter.escape(&format!(" {} ", breadcrumb(model)));
    let room = usize::from(area.width).saturating_sub(text::width(&title) + 4);
    let (role, state) = state(model, page);
    let state = text::shorten(&painter.escape(&state), room).into_owned();
    let end = if state.is_empty() { Vec::new() } else { vec![(role, format!(" {state} "))] };
    let boxed = style == Style::Boxes;
    let mut inner = painter.panel(area, boxed, &[(Role::Title, title)], &end);
    if let Some((tabs, at)) = content.tabs() {
        let mut line: Vec<Piece> = vec![(Role::Text, " ".to_owned())];
        let mut x = inner.x + 1;
        for (number, name) in tabs.iter().enumerate() {
            let role = if number == at { Role::Selected } else { Role::Quiet };
            let name = format!(" {name} ");
            let width = text::cells(text::width(&name));
            painter.zone(Rect { x, y: inner.y, width, height: 1 }, Zone::Tab(number));
            x += width;
            line.push((role, name));
        }
        painter.line(inner, 0, &line);
        inner = below(inner, 1);
    }
    match (&page.kind, content.grid(), content.text()) {
        (Kind::Node(node), None, _) => overview(model, node, painter, inner, style),
        (Kind::Past(past), Some(grid), _) => {
            let mut inner = inner;
            if let Some(was) = past.was().filter(|_| inner.height > 6) {
                slots::line(was, painter, inner);
                inner = below(inner, 2);
            }
            table(model, content, grid, painter, inner);
        }
        (Kind::Slots(page), Some(grid), _) => {
            let mut inner = inner;
            if inner.height > 12 {
                if page.range().count() == SLOTS {
                    slots::line(&model.shown, painter, inner);
                    inner = below(inner, 1);
                }
                slots::heat(page, model.theme.charset, painter, inner);
                inner = below(inner, 2);
            }
            table(model, content, grid, painter, inner);
        }
        (_, Some(grid), _) => table(model, content, grid, painter, inner),
        (_, _, Some(text)) => {
            let inner = match &page.kind {
                Kind::Proxy(proxy) if inner.height > 20 => {
                    let samples: Vec<u64> = proxy.samples.iter().copied().collect();
                    let chart = Rect { height: 6, ..inner };
                    let label = |value| text::short_count(value);
                    trend(model, painter, chart, "op/s, clients'", &samples, None, &label);
                    below(inner, 7)
                }
                _ => inner,
            };
            prose(painter, text, inner);
        }
        (_, None, None) => {}
    }
}

fn below(area: Rect, rows: u16) -> Rect {
    let rows = rows.min(area.height);
    Rect { y: area.y + rows, height: area.height - rows, ..area }
}

/// Where one is: the titles of all open pages.
fn breadcrumb(model: &Model) -> String {
    let arrow = model.theme.charset.glyphs().inside;
    let titles: Vec<String> = model.pages.iter().map(|page| page.kind.content().title()).collect();
    titles.join(&format!(" {arrow} "))
}

/// How old what is shown is, or who does not answer since when.
fn state(model: &Model, page: &Page) -> (Role, String) {
    let content = page.kind.content();
    let wants = content.wants(&model.shown);
    let mut troubles =
        page.asks.troubles().filter(|(topic, _)| wants.iter().any(|(wanted, _)| wanted == *topic));
    if let Some((topic, trouble)) = troubles.next() {
        let since = text::age(model.as_of().0 - trouble.since.0);
        let old = page
            .asks
            .heard_at(topic)
            .map_or(String::new(), |at| format!("figures are {} old; ", text::age(model.as_of().0 - at.0)));
        let more = troubles.count();
        let more = if more > 0 { format!(" (and {more} more)") } else { String::new() };
        return (Role::Bad, format!("{old}no answer for {since}: {}{more}", trouble.error));
    }
    let mut words = content.status();
    // How many there are in all is asked seldom, and nobody reads the hour from it.
    let figures = wants.iter().filter(|(topic, _)| *topic != Topic::Count);
    if let Some(oldest) = figures.filter_map(|(topic, _)| page.asks.heard_at(topic)).min() {
        let age = model.as_of().0 - oldest.0;
        // Within a second nobody needs to be told.
        if age >= crate::screen::model::STALE_AFTER_MS {
            words = format!("{words}  {} old", text::age(age)).trim_start().to_owned();
        }
    } else if !wants.is_empty() {
        words = format!("{words}  asking").trim_start().to_owned();
    }
    if let Some(grid) = content.grid() {
        let glyphs = model.theme.charset.glyphs();
        if let Some(sort) = grid.sort.and_then(|column| grid.columns.get(column)) {
            let way = glyphs.sorted[usize::from(grid.reverse)];
            words = format!("{words}  sort: {} {way}", sort.title.to_lowercase()).trim_start().to_owned();
        }
        let filter = grid.filter.value();
        if !filter.is_empty() {
            words = format!("{words}  filter: {filter} ({} of {})", grid.len(), grid.total());
        }
    }
    (Role::Quiet, text::own(&words, model.theme.charset).into_owned())
}

/// Width of each column for the rows that are shown, without those that have no room.
fn fit<'a>(
    grid: &'a Grid,
    rows: &[&crate::screen::pages::grid::Row],
    room: usize,
) -> Vec<(usize, &'a Column, usize)> {
    let last = grid.columns.len().saturating_sub(1);
    let mut columns: Vec<(usize, &Column, usize)> = grid
        .columns
        .iter()
        .enumerate()
        .map(|(at, column)| {
            let widest =
                rows.iter().filter_map(|row| row.cells.get(at)).map(|cell| text::width(&cell.text)).max();
            (at, column, widest.unwrap_or(0).max(text::width(column.title)).min(column.width))
        })
        .collect();
    // Of the last column a part is enough.
    let needed = |columns: &[(usize, &Column, usize)]| -> usize {
        columns.iter().map(|&(at, _, width)| 1 + if at == last { width.min(20) } else { width }).sum()
    };
    while columns.len() > 1 && needed(&columns) > room {
        let Some(least) = columns.iter().map(|(_, column, _)| column.keep).min() else { break };
        columns.retain(|(_, column, _)| column.keep != least);
    }
    // Text takes what is left; figures stay with their heading.
    if let Some(at) = columns.iter().position(|(at, column, _)| *at == last && !column.right) {
        let others: usize =
            columns.iter().filter(|(at, ..)| *at != last).map(|(_, _, width)| width + 1).sum();
        columns[at].2 = room.saturating_sub(others + 1).max(1);
    }
    columns
}

fn table(model: &Model, content: &dyn Content, grid: &Grid, painter: &mut Painter<'_>, area: Rect) {
    let head = u16::from(area.height > 2);
    let height = usize::from(area.height.saturating_sub(head));
    let top = grid.top(height);
    let rows: Vec<_> = grid.shown(top, height).collect();
    let columns = fit(grid, &rows, usize::from(area.width).saturating_sub(2));
    let cell = |column: &Column, width: usize, text: &str| {
        let text = if column.right { text::right(text, width) } else { text::left(text, width) };
        format!("{text} ")
    };
    if head > 0 {
        let mut line: Vec<Piece> = vec![(Role::Text, " ".to_owned())];
        line.extend(
            columns.iter().map(|(_, column, width)| (Role::Title, cell(column, *width, column.title))),
        );
        painter.line(area, 0, &line);
    }
    if rows.is_empty() {
        let text =
            if grid.total() > 0 { "no row matches the filter (esc clears it)" } else { content.empty() };
        return painter.line(area, head, &[(Role::Quiet, format!("  {text}"))]);
    }
    for (at, row) in rows.iter().enumerate() {
        let mut line: Vec<Piece> = vec![(Role::Text, " ".to_owned())];
        for (place, column, width) in &columns {
            let text = row.cells.get(*place).map_or("", |cell| cell.text.as_str());
            line.push((
                row.role,
                cell(column, *width, &painter.escape(&text::own(text, model.theme.charset))),
            ));
        }
        let y = text::cells(at) + head;
        painter.line(area, y, &line);
        painter.zone(Rect { y: area.y + y, height: 1, ..area }, Zone::Row(top + at));
        if top + at == grid.position() && model.focus != Focus::Line {
            painter.select(area, y);
        }
    }
}

/// Lines folded to the width.
fn prose(painter: &mut Painter<'_>, text: &Text, area: Rect) {
    let room = usize::from(area.width).saturating_sub(2).max(1);
    let mut row = 0;
    for (role, line) in text.lines.iter().skip(text.top) {
        let line = painter.escape(line);
        let mut rest = line.as_str();
        loop {
            if row >= area.height {
                return;
            }
            let part = match text::clip(rest, room) {
                "" => rest,
                part => part,
            };
            painter.line(area, row, &[(*role, format!(" {part}"))]);
            row += 1;
            rest = &rest[part.len()..];
            if rest.is_empty() {
                break;
            }
        }
    }
}

/// The trends of a node, its figures, its slots, and what happened to it.
fn overview(model: &Model, page: &NodePage, painter: &mut Painter<'_>, area: Rect, style: Style) {
    debug_assert_eq!(page.tab, Tab::Overview, "the other tabs have tables");
    let mut lines = identity(model, page, painter, usize::from(area.width).saturating_sub(1));
    let facts = text::cells(lines.len());
    let charts = charts(page);
    let across: u16 = if style == Style::Boxes { 2 } else { 1 };
    let wanted = text::cells(charts.len().div_ceil(usize::from(across)));
    // Facts first, then as many trends as there is room for.
    let room = area.height.saturating_sub(facts + 1);
    let height = (room / wanted.max(1)).clamp(0, 6);
    let height = if height < 3 && across == 1 { 3.min(room) } else { height };
    for (row, line) in lines.drain(..).enumerate() {
        painter.line(area, text::cells(row), &line);
    }
    let rest = below(area, facts);
    let mut used = 0;
    if height >= 2 {
        for (at, (title, samples, highest, label)) in charts.iter().enumerate() {
            let (column, row) = (text::cells(at) % across, text::cells(at) / across);
            if (row + 1) * height > rest.height {
                break;
            }
            let width = rest.width / across;
            let chart = Rect { x: rest.x + column * width, y: rest.y + row * height, width, height };
            trend(model, painter, chart, title, samples, *highest, label);
            used = (row + 1) * height;
        }
    }
    let rest = below(rest, used);
    for (row, event) in page.events.iter().take(rest.height.into()).enumerate() {
        let Some(Text { lines, .. }) = event.text() else { continue };
        let [(_, when), .., (role, what)] = lines.as_slice() else { continue };
        let what = painter.escape(&text::own(what, model.theme.charset));
        let when = text::left(when.split(' ').next().unwrap_or_default(), 10);
        painter.line(rest, text::cells(row), &[(Role::Quiet, format!(" {when} ")), (*role, what)]);
    }
}

type Chart = (&'static str, Vec<u64>, Option<u64>, fn(u64) -> String);

fn charts(page: &NodePage) -> Vec<Chart> {
    let of = |figure: fn(&Sample) -> u64| page.samples.iter().map(figure).collect::<Vec<u64>>();
    let hits = page.samples.iter().map(|sample| sample.hits.unwrap_or(0)).collect();
    vec![
        ("op/s", of(|sample| sample.ops), None, text::short_count),
        ("memory", of(|sample| sample.memory), None, text::short_bytes),
        ("clients", of(|sample| sample.clients), None, text::short_count),
        ("reads that hit, %", hits, Some(100), |percent| percent.to_string()),
        ("network, bytes/s", of(|sample| sample.network), None, text::short_bytes),
    ]
}

/// A trend: its name and newest figure, then bars, the newest at the right end.
fn trend(
    model: &Model,
    painter: &mut Painter<'_>,
    area: Rect,
    title: &str,
    samples: &[u64],
    highest: Option<u64>,
    label: &dyn Fn(u64) -> String,
) {
    let width = usize::from(area.width).saturating_sub(10);
    if area.height < 2 || width < 4 {
        return;
    }
    let charset = model.theme.charset;
    let newest = samples.last().map_or_else(|| charset.glyphs().none.to_owned(), |&newest| label(newest));
    let most = highest.unwrap_or_else(|| samples.iter().copied().max().unwrap_or(0)).max(1);
    painter.line(area, 0, &[(Role::Quiet, format!(" {title}  ")), (Role::Title, newest)]);
    let rows = area.height - 1;
    for row in 0..rows {
        let scale = match row {
            0 => label(most),
            _ if row + 1 == rows => "0".to_owned(),
            _ => String::new(),
        };
        // Each row shows its part of the height.
        let floor = most as u128 * u128::from(rows - 1 - row) / u128::from(rows);
        let part = (most as u128).div_ceil(u128::from(rows));
        let bars: Vec<u64> = samples
            .iter()
            .map(|&sample| u64::try_from(u128::from(sample).saturating_sub(floor).min(part)).unwrap_or(0))
            .collect();
        let line = text::bars(&bars, width, u64::try_from(part).unwrap_or(1), row + 1 < rows, charset);
        let scale = text::right(&scale, 6);
        painter.line(area, row + 1, &[(Role::Quiet, format!(" {scale} ")), (Role::Good, line)]);
    }
}

fn identity(model: &Model, page: &NodePage, painter: &Painter<'_>, width: usize) -> Vec<Vec<Piece>> {
    let view = &model.shown;
    let Some(node) = view.nodes.get(&page.id) else {
        return vec![vec![(Role::Bad, " it is no member any more".to_owned())]];
    };
    let field = |name| info::field(&page.info, name).unwrap_or("?").to_owned();
    let number = |name| info::number(&page.info, name).unwrap_or(0);
    let place = places(&model.shown).get(&page.id).copied().unwrap_or(0);
    let mut lines: Vec<Vec<Piece>> = Vec::new();
    lines.push(vec![
        (Role::Owner(place), format!(" {} ", letters(place))),
        (Role::Title, painter.escape(&node.record.address.to_string())),
        (Role::Text, format!("  {}", view.state_of(&page.id).word())),
    ]);
    if let Some(error) = &node.error {
        lines.push(vec![(Role::Bad, format!(" {}", painter.escape(error)))]);
    }
    let mut facts: Vec<String> = Vec::new();
    if !page.info.is_empty() {
        let uptime = text::age(i64::try_from(number("uptime_in_seconds")).unwrap_or(i64::MAX / 1000) * 1000);
        let databases = info::databases(&page.info);
        let (keys, expires) = databases
            .fold((0, 0), |(keys, expires), database| (keys + database.keys, expires + database.expires));
        let limit = match number("maxmemory") {
            0 => "no limit".to_owned(),
            limit => format!("of {} ({}%)", text::short_bytes(limit), number("used_memory") * 100 / limit),
        };
        facts.extend([
            format!("{} {}", field("redis_mode"), field("redis_version")),
            format!("pid {}", field("process_id")),
            format!("up {uptime}"),
            format!("keys {}", text::thousands(keys)),
            format!("with a time to live {}", text::thousands(expires)),
            format!("memory {} {limit}", text::short_bytes(number("used_memory"))),
            format!("peak {}", text::short_bytes(number("used_memory_peak"))),
            format!("fragmentation {}", field("mem_fragmentation_ratio")),
        ]);
        facts.extend(
            [
                ("clients", "connected_clients"),
                ("blocked", "blocked_clients"),
                ("evicted", "evicted_keys"),
                ("expired", "expired_keys"),
                ("errors", "total_error_replies"),
                ("rejected", "rejected_connections"),
            ]
            .map(|(name, of)| format!("{name} {}", text::thousands(number(of)))),
        );
    }
    let ranges = view.topology.iter().flat_map(|known| &known.topology.slots);
    let ranges = ranges.filter(|(_, owner)| *owner == page.id).map(|(range, _)| String::from(*range));
    facts.push(format!("slots {}", text::thousands(view.slots_of(&page.id) as u64)));
    facts.extend(ranges.take(RANGES_SHOWN));
    lines.extend(flow(&facts, width).into_iter().map(|line| vec![(Role::Text, painter.escape(&line))]));
    lines
}

/// Ranges of slots that the overview of a node lists; `show slots` has all.
const RANGES_SHOWN: usize = 24;

/// Short texts side by side, on as many lines as they need.
fn flow(facts: &[String], width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for fact in facts {
        match lines.last_mut() {
            Some(line) if text::width(line) + 2 + text::width(fact) <= width => {
                line.push_str("  ");
                line.push_str(fact);
            }
            _ => lines.push(format!(" {fact}")),
        }
    }
    lines
}
