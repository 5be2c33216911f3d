//! What moves: plans with their progress, and each move's phase.

use ratatui::layout::Rect;
use redis_cluster::cluster::plan::GivenUp;

use super::{Painter, Style, Zone, is_focused, painter::Piece, title_role};
use crate::{
    screen::{
        model::{Model, Panel},
        pages::plan::phase,
        text,
        theme::Role,
    },
    session::{
        headway::{Headway, headway},
        view::{PlanState, PlanView},
    },
};

/// Rows that everything would take.
pub(super) fn rows(model: &Model) -> u16 {
    let plans: usize = model.plans_shown().iter().map(|plan| 1 + details(plan)).sum();
    u16::try_from(plans + model.shown.moves().len()).unwrap_or(u16::MAX).max(1)
}

/// Rows below the first: how far it is, what it has moved, or why it failed.
fn details(plan: &PlanView) -> usize {
    match plan.state {
        PlanState::Waiting => 0,
        PlanState::Running if plan.gives_up => 1,
        PlanState::Running => 3,
        PlanState::Done | PlanState::Failed(_) => 1,
    }
}

pub(super) fn draw(model: &Model, painter: &mut Painter<'_>, area: Rect, style: Style) {
    if area.is_empty() {
        return;
    }
    if style == Style::Compact {
        let line = compact(model, painter);
        return painter.line(area, 0, &line);
    }
    let held: u64 = model
        .shown
        .proxies
        .values()
        .filter_map(|proxy| proxy.figures.as_ref())
        .map(|figures| figures.held)
        .sum();
    let end = match held {
        0 => Vec::new(),
        1 => vec![(Role::Warning, " 1 write held ".to_owned())],
        held => vec![(Role::Warning, format!(" {} writes held ", text::thousands(held)))],
    };
    let inner = painter.panel(
        area,
        style == Style::Boxes,
        &[(title_role(model, Panel::Moves), " Moves ".to_owned())],
        &end,
    );
    let mut lines: Vec<Vec<Piece>> = Vec::new();
    let mut plans = Vec::new();
    for plan in model.plans_shown() {
        plans.push(text::cells(lines.len()));
        lines.push(headline(model, painter, plan));
        let width = usize::from(inner.width);
        let so_far = headway(&model.shown, plan);
        match &plan.state {
            PlanState::Running | PlanState::Done if plan.gives_up => {
                let text = format!("   its keys are given up: {}", GivenUp::describe(plan.given_up));
                lines.push(vec![(Role::Warning, text::shorten(&text, width).into_owned())]);
            }
            PlanState::Running => {
                lines.push(progress(model, plan, &so_far, width));
                lines.push(fitting(&moved(plan, &so_far), width));
                lines.push(receipt(model, &so_far));
            }
            PlanState::Done => {
                let mut parts = moved(plan, &so_far);
                parts.insert(0, slots_text(plan.slots_done));
                if so_far.took_ms > 0 {
                    let took = text::duration_us(so_far.took_ms.unsigned_abs().saturating_mul(1_000));
                    parts.insert(2, format!("in {took}"));
                }
                let mut line = fitting(&parts, width);
                let receipt = receipt(model, &so_far);
                let used: usize = line.iter().chain(&receipt).map(|(_, text)| text::width(text)).sum();
                if used < width {
                    line.extend(receipt);
                }
                lines.push(line);
            }
            PlanState::Failed(reason) => {
                let reason = painter.escape(reason);
                let room = width.saturating_sub(3);
                lines.push(vec![(Role::Bad, format!("   {}", text::shorten(&reason, room)))]);
            }
            PlanState::Waiting => {}
        }
    }
    lines.extend(model.shown.moves().iter().map(|one| {
        let arrow = model.theme.charset.glyphs().arrow;
        let slots: usize = one.slots.iter().map(|range| range.count()).sum();
        vec![
            (Role::Text, painter.escape(&format!(" {}{arrow}{}  ", one.from, one.to))),
            (Role::Warning, phase(one.phase).to_owned()),
            (Role::Text, format!("  {}  since epoch {}", slots_text(slots), one.since)),
        ]
    }));
    if lines.is_empty() {
        let text = if model.shown.is_known() { " no slots are moving" } else { " not known yet" };
        lines.push(vec![(Role::Quiet, text.to_owned())]);
    }
    for (row, line) in lines.iter().take(inner.height.into()).enumerate() {
        painter.line(inner, text::cells(row), line);
    }
    for (at, row) in plans.into_iter().enumerate().filter(|(_, row)| *row < inner.height) {
        painter.zone(Rect { y: inner.y + row, height: 1, ..inner }, Zone::PanelRow(Panel::Moves, at));
        if at == model.plans_at && is_focused(model, Panel::Moves) {
            painter.select(inner, row);
        }
    }
}

fn slots_text(slots: usize) -> String {
    format!("{} {}", text::thousands(slots as u64), text::plural(slots, "slot"))
}

fn headline(model: &Model, painter: &Painter<'_>, plan: &PlanView) -> Vec<Piece> {
    let role = match plan.state {
        PlanState::Done => Role::Good,
        PlanState::Failed(_) => Role::Bad,
        PlanState::Waiting | PlanState::Running => Role::Warning,
    };
    let age = text::age(model.as_of().0 - plan.changed_at.0);
    let mut line = vec![
        (Role::Title, format!(" #{} {}", plan.id, painter.escape(&plan.words))),
        (Role::Text, "  ".to_owned()),
        (role, plan.state.word().to_owned()),
    ];
    match &plan.state {
        PlanState::Failed(_) | PlanState::Done => line.push((Role::Quiet, format!(" {age} ago"))),
        PlanState::Waiting => line.push((Role::Quiet, format!(" for {age}"))),
        PlanState::Running => {}
    }
    line
}

/// How far, and how long it will take.
fn progress(model: &Model, plan: &PlanView, so_far: &Headway, width: usize) -> Vec<Piece> {
    let [left, right] = model.theme.charset.glyphs().gauge_ends;
    let (done, total) = (plan.slots_done as u64, plan.slots_total as u64);
    let charset = model.theme.charset;
    let time = so_far.left_ms.map(|ms| format!("  {} left", text::age(ms))).unwrap_or_default();
    let figures = format!(" {}  {done}/{total} slots{time}", text::percent(done, total, charset));
    let gauge = width.saturating_sub(text::width(&figures) + 4).min(30);
    vec![
        (Role::Text, format!(" {left}")),
        (Role::Warning, text::gauge(done, total, gauge, charset)),
        (Role::Text, format!("{right}{figures}")),
    ]
}

/// What was moved, and what that meant for writes; the first parts matter most.
fn moved(plan: &PlanView, so_far: &Headway) -> Vec<String> {
    let under_way = !plan.state.is_final();
    let expected = plan.keys_expected.filter(|_| under_way);
    let expected = expected.map(|keys| format!("/~{}", text::short_count(keys))).unwrap_or_default();
    let keys = if under_way { text::short_count(so_far.keys) } else { text::thousands(so_far.keys) };
    let mut parts = vec![format!("{keys}{expected} {}", text::plural(so_far.keys, "key"))];
    parts.extend(so_far.longest_hold_ms.map(|ms| {
        format!("writes held {} at most", text::duration_us(ms.unsigned_abs().saturating_mul(1_000)))
    }));
    let rate = so_far.keys_per_second.filter(|_| under_way);
    parts.extend(rate.map(|rate| format!("{}/s", text::short_count(text::whole(rate)))));
    if so_far.bytes > 0 {
        parts.push(text::short_bytes(so_far.bytes));
    }
    parts
}

/// As many parts as there is room for.
fn fitting(parts: &[String], width: usize) -> Vec<Piece> {
    let mut line = String::new();
    for part in parts {
        if text::width(&line) + text::width(part) + 2 <= width {
            line.push_str("  ");
            line.push_str(part);
        }
    }
    vec![(Role::Text, line)]
}

/// That nothing was lost on the way. The driver counts the keys at both sides of each move, with writes held, and gives the
/// move up where the two differ: so what has changed its owner was there in full.
fn receipt(model: &Model, so_far: &Headway) -> Vec<Piece> {
    let glyphs = model.theme.charset.glyphs();
    match so_far.counted {
        _ if so_far.switched == 0 => Vec::new(),
        Some(keys) => {
            let (keys, word) = (text::thousands(keys), text::plural(keys, "key"));
            vec![
                (Role::Good, format!("  {} ", glyphs.passed)),
                (Role::Text, format!("{keys} {word} given = taken, counted at both sides")),
            ]
        }
        None => vec![(Role::Quiet, format!("  {} not counted at both sides", glyphs.unknown))],
    }
}

fn compact(model: &Model, painter: &Painter<'_>) -> Vec<Piece> {
    let Some(plan) = model.plans_shown().into_iter().next() else {
        let slots = slots_text(model.slots_moving());
        return vec![(Role::Warning, format!("{slots} moving"))];
    };
    // The address of an `add` is long, and the id says enough.
    let words: Vec<&str> = plan.words.split_whitespace().take(2).collect();
    let share = text::percent(plan.slots_done as u64, plan.slots_total as u64, model.theme.charset);
    let so_far = headway(&model.shown, plan);
    // That it runs is said by what is left.
    let state = match so_far.left_ms {
        Some(_) => String::new(),
        None => format!(" {}", plan.state.word()),
    };
    let left = so_far.left_ms.map(|ms| format!(" {} left", text::age(ms))).unwrap_or_default();
    vec![
        (Role::Title, format!("#{} {}", plan.id, painter.escape(&words.join(" ")))),
        (Role::Warning, state),
        (Role::Text, format!(" {share} {} keys{left}", text::short_count(so_far.keys))),
    ]
}
