//! What moves: plans with their progress, and each move's phase.

use ratatui::layout::Rect;

use super::{Painter, Style, Zone, is_focused, painter::Piece, title_role};
use crate::{
    screen::{
        model::{Model, Panel},
        pages::plan::phase,
        text,
        theme::Role,
    },
    session::view::{PlanState, PlanView},
};

/// Rows that everything would take.
pub(super) fn rows(model: &Model) -> u16 {
    let plans: usize =
        model.plans_shown().iter().map(|plan| if has_detail(&plan.state) { 2 } else { 1 }).sum();
    u16::try_from(plans + model.shown.moves().len()).unwrap_or(u16::MAX).max(1)
}

/// A second row says how far it is, or why it failed.
fn has_detail(state: &PlanState) -> bool {
    matches!(state, PlanState::Running | PlanState::Failed(_))
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
        match &plan.state {
            PlanState::Running => lines.push(progress(model, plan, width)),
            PlanState::Failed(reason) => {
                let reason = painter.escape(reason);
                let room = width.saturating_sub(3);
                lines.push(vec![(Role::Bad, format!("   {}", text::shorten(&reason, room)))]);
            }
            PlanState::Waiting | PlanState::Done => {}
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
        lines.push(vec![(Role::Quiet, " no slots are moving".to_owned())]);
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

fn progress(model: &Model, plan: &PlanView, width: usize) -> Vec<Piece> {
    let [left, right] = model.theme.charset.glyphs().gauge_ends;
    let (done, total) = (plan.slots_done as u64, plan.slots_total as u64);
    let charset = model.theme.charset;
    let figures = format!(
        " {}  {done}/{} slots  {} keys",
        text::percent(done, total, charset),
        total,
        text::thousands(plan.keys_done)
    );
    let gauge = width.saturating_sub(text::width(&figures) + 4).min(30);
    vec![
        (Role::Text, format!(" {left}")),
        (Role::Warning, text::gauge(done, total, gauge, charset)),
        (Role::Text, format!("{right}{figures}")),
    ]
}

fn compact(model: &Model, painter: &Painter<'_>) -> Vec<Piece> {
    let Some(plan) = model.plans_shown().into_iter().next() else {
        let slots = slots_text(model.slots_moving());
        return vec![(Role::Warning, format!("{slots} moving"))];
    };
    // The address of an `add` is long, and the id says enough.
    let words: Vec<&str> = plan.words.split_whitespace().take(2).collect();
    let share = text::percent(plan.slots_done as u64, plan.slots_total as u64, model.theme.charset);
    vec![
        (Role::Title, format!("#{} {}", plan.id, painter.escape(&words.join(" ")))),
        (Role::Warning, format!(" {}", plan.state.word())),
        (Role::Text, format!(" {share} {} keys", text::short_count(plan.keys_done))),
    ]
}
