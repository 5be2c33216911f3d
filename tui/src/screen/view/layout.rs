//! What is drawn where, from the size of the terminal and how much there is to show.

use ratatui::layout::Rect;

use crate::screen::model::{Model, Panel};

/// How much decoration there is room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// 100 columns and more.
    Boxes,
    /// 60 to 99 columns.
    Rules,
    /// Narrower, or fewer than 16 rows: one list.
    Compact,
    /// Below 20×5: the command line and a word.
    Tiny,
}

/// The areas; those that do not fit are empty.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Areas {
    pub(super) header: Rect,
    /// Of the height that was asked for, if there is room.
    pub(super) alarms: Rect,
    /// The open page, instead of what follows up to the events.
    pub(super) page: Rect,
    pub(super) nodes: Rect,
    pub(super) slots: Rect,
    pub(super) moves: Rect,
    pub(super) proxies: Rect,
    pub(super) events: Rect,
    pub(super) prompt: Rect,
    pub(super) hint: Rect,
    pub(super) result: Rect,
    pub(super) footer: Rect,
}

impl Style {
    pub(super) fn of((columns, rows): (u16, u16)) -> Self {
        match (columns, rows) {
            (..20, _) | (_, ..5) => Self::Tiny,
            (..60, _) | (_, ..16) => Self::Compact,
            (..100, _) => Self::Rules,
            _ => Self::Boxes,
        }
    }
}

/// Hands out rows: first to what is never dropped, then panel by panel.
struct Rows {
    left: u16,
}

impl Rows {
    /// All of `wanted` or nothing.
    fn whole(&mut self, wanted: u16) -> u16 {
        let got = if wanted <= self.left { wanted } else { 0 };
        self.left -= got;
        got
    }

    /// As much of `wanted` as is left.
    fn some(&mut self, wanted: u16) -> u16 {
        let got = wanted.min(self.left);
        self.left -= got;
        got
    }
}

/// Rows as a `u16`, for counts that may be anything.
fn rows(count: usize) -> u16 {
    u16::try_from(count).unwrap_or(u16::MAX)
}

pub(super) fn areas(model: &Model, screen: Rect, alarms: u16) -> Areas {
    let style = Style::of((screen.width, screen.height));
    match style {
        Style::Tiny => {
            let prompt =
                Rect { y: screen.bottom().saturating_sub(1), height: screen.height.min(1), ..screen };
            let header = Rect { height: screen.height.saturating_sub(1).min(1), ..screen };
            Areas { header, prompt, ..Areas::default() }
        }
        Style::Compact | Style::Boxes | Style::Rules if model.pages.top().is_some() => {
            page(model, screen, style, alarms)
        }
        Style::Boxes | Style::Rules if model.zoomed => zoomed(model, screen, alarms),
        Style::Compact => compact(model, screen, alarms),
        Style::Boxes | Style::Rules => full(model, screen, style == Style::Boxes, alarms),
    }
}

/// The focused panel has all that the others have else.
fn zoomed(model: &Model, screen: Rect, alarms: u16) -> Areas {
    let mut left = Rows { left: screen.height };
    let (header, prompt, hint, footer) = (left.some(1), left.some(1), left.some(1), left.some(1));
    let alarms = left.some(alarms);
    let result = match model.panel {
        Panel::Result => left.left,
        _ => left.some(result_rows(model, screen)),
    };
    let field: Field = match model.panel {
        Panel::Nodes | Panel::Result => |areas| &mut areas.nodes,
        Panel::Moves => |areas| &mut areas.moves,
        Panel::Proxies => |areas| &mut areas.proxies,
        Panel::Events => |areas| &mut areas.events,
    };
    let panel = left.left.saturating_sub(if model.panel == Panel::Result { result } else { 0 });
    stack(
        screen,
        Areas::default(),
        &[
            (|areas| &mut areas.header, header),
            (|areas| &mut areas.alarms, alarms),
            (field, panel),
            (|areas| &mut areas.prompt, prompt),
            (|areas| &mut areas.hint, hint),
            (|areas| &mut areas.result, result),
            (|areas| &mut areas.footer, footer),
        ],
    )
}

fn page(model: &Model, screen: Rect, style: Style, alarms: u16) -> Areas {
    let mut left = Rows { left: screen.height };
    let (header, prompt, footer) = (left.some(1), left.some(1), left.some(1));
    let hint = if style == Style::Compact { 0 } else { left.some(1) };
    let alarms = left.some(alarms);
    // A page is looked at longer than a result: that gets a third at most.
    let result = left.some(result_rows(model, screen));
    let page = left.left;
    stack(
        screen,
        Areas::default(),
        &[
            (|areas| &mut areas.header, header),
            (|areas| &mut areas.alarms, alarms),
            (|areas| &mut areas.page, page),
            (|areas| &mut areas.prompt, prompt),
            (|areas| &mut areas.hint, hint),
            (|areas| &mut areas.result, result),
            (|areas| &mut areas.footer, footer),
        ],
    )
}

fn result_rows(model: &Model, screen: Rect) -> u16 {
    let share = if model.panel == Panel::Result { screen.height / 2 } else { screen.height / 3 };
    // What was typed stands above its reply.
    let echo = usize::from(
        !model.result.echo.is_empty() && Style::of((screen.width, screen.height)) != Style::Compact,
    );
    rows(model.result.rows.len() + echo).clamp(1, share.max(1))
}

fn compact(model: &Model, screen: Rect, alarms: u16) -> Areas {
    let mut left = Rows { left: screen.height };
    let (header, prompt) = (left.some(1), left.some(1));
    let mut nodes = left.some(1);
    let mut result = left.some(1);
    let footer = left.some(1);
    let alarms = left.some(alarms);
    // The head of the table, then up to three of its rows, before anything else gets one.
    nodes += left.some(rows(model.nodes.rows.len()).clamp(1, 3));
    let moves = left.some(u16::from(!model.shown.moves().is_empty() || unfinished(model)));
    result += left.some(result_rows(model, screen) - 1);
    let events = left.some(u16::from(!model.shown.events.is_empty()));
    nodes += left.left;
    stack(
        screen,
        Areas::default(),
        &[
            (|areas| &mut areas.header, header),
            (|areas| &mut areas.alarms, alarms),
            (|areas| &mut areas.nodes, nodes),
            (|areas| &mut areas.moves, moves),
            (|areas| &mut areas.events, events),
            (|areas| &mut areas.prompt, prompt),
            (|areas| &mut areas.result, result),
            (|areas| &mut areas.footer, footer),
        ],
    )
}

/// A plan that is not finished.
pub(super) fn unfinished(model: &Model) -> bool {
    model.shown.plans.iter().any(|plan| !plan.state.is_final())
}

fn full(model: &Model, screen: Rect, boxed: bool, alarms: u16) -> Areas {
    let frame = if boxed { 2 } else { 1 };
    let mut left = Rows { left: screen.height };
    let (header, prompt, hint, footer) = (left.some(1), left.some(1), left.some(1), left.some(1));
    let alarms = left.some(alarms);
    let result = left.some(result_rows(model, screen));

    // Title row, rows, sum.
    let node_rows = rows(model.nodes.rows.len()).max(1);
    let all_nodes = node_rows.saturating_add(frame + 2);
    let mut nodes = left.some(all_nodes.min(frame + 2 + 4));
    let focused = |panel| model.panel == panel;

    let busy = !model.shown.moves().is_empty() || unfinished(model);
    let all_proxies = rows(model.shown.proxies.len()).max(1).saturating_add(frame + 2);
    let all_moves = super::moves::rows(model).saturating_add(frame);
    let side_by_side = all_proxies.max(all_moves).min(frame + 8);
    let (mut moves, mut proxies, mut slots, mut events) = (0, 0, 0, 0);
    // The focused panel is kept longest; the others are dropped from the last to the first.
    if focused(Panel::Events) {
        events = left.whole(frame + 3);
    }
    if boxed {
        moves = left.whole(side_by_side.min(frame + 4));
        proxies = moves;
    } else {
        if focused(Panel::Proxies) {
            proxies = left.whole(all_proxies.min(frame + 5));
        }
        if busy {
            moves = left.whole(all_moves.min(frame + 4));
        }
    }
    slots = slots.max(left.whole(if boxed { 4 } else { 2 }));
    if !boxed && proxies == 0 && left.left >= all_proxies.min(frame + 5) + frame + 2 {
        proxies = left.whole(all_proxies.min(frame + 5));
    }
    if events == 0 {
        events = left.whole(frame + 2);
    }
    nodes += left.some(all_nodes.saturating_sub(nodes));
    if boxed && moves > 0 {
        let more = left.some(side_by_side.saturating_sub(moves));
        moves += more;
        proxies += more;
    }
    if events > 0 {
        events += left.left;
    } else {
        nodes += left.left;
    }

    let mut areas = stack(
        screen,
        Areas::default(),
        &[
            (|areas| &mut areas.header, header),
            (|areas| &mut areas.alarms, alarms),
            (|areas| &mut areas.nodes, nodes),
            (|areas| &mut areas.slots, slots),
            (|areas| &mut areas.moves, moves),
            (|areas| &mut areas.proxies, if boxed { 0 } else { proxies }),
            (|areas| &mut areas.events, events),
            (|areas| &mut areas.prompt, prompt),
            (|areas| &mut areas.hint, hint),
            (|areas| &mut areas.result, result),
            (|areas| &mut areas.footer, footer),
        ],
    );
    if boxed {
        let width = areas.moves.width / 2;
        areas.proxies = Rect { x: areas.moves.x + width, width: areas.moves.width - width, ..areas.moves };
        areas.moves.width = width;
    }
    areas
}

type Field = fn(&mut Areas) -> &mut Rect;

/// Areas of these heights, one below the other.
fn stack(screen: Rect, mut areas: Areas, heights: &[(Field, u16)]) -> Areas {
    let mut y = screen.y;
    for &(field, height) in heights {
        let height = height.min(screen.bottom().saturating_sub(y));
        *field(&mut areas) = Rect { x: screen.x, y, width: screen.width, height };
        y += height;
    }
    areas
}
