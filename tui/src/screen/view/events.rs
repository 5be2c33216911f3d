//! What happened, newest first.

use ratatui::layout::Rect;
use redis_cluster::time::Millis;

use super::{Painter, Style, Zone, is_focused, painter::Piece, title_role};
use crate::{
    screen::{
        model::{Model, Panel},
        pages::events::role_of,
        text,
        theme::Role,
    },
    session::view::ClusterEvent,
};

pub(super) fn draw(model: &Model, painter: &mut Painter<'_>, area: Rect, style: Style) {
    if area.is_empty() {
        return;
    }
    let log = &model.shown.events;
    let inner = if style == Style::Compact {
        area
    } else {
        let mut end = String::new();
        if model.events_back > 0 {
            end = format!(" {} newer above ", text::thousands(model.events_back as u64));
        }
        if log.dropped() > 0 {
            end.push_str(&format!(" {} older dropped ", text::thousands(log.dropped())));
        }
        let title = [(title_role(model, Panel::Events), " Events ".to_owned())];
        painter.panel(area, style == Style::Boxes, &title, &[(Role::Quiet, end)])
    };
    if log.is_empty() {
        return painter.line(inner, 0, &[(Role::Quiet, " nothing has happened yet".to_owned())]);
    }
    let shown = log.iter().rev().skip(model.events_back).take(inner.height.into());
    for (row, event) in shown.enumerate() {
        let [about, (role, text)] = line(model, painter, event, style);
        let room = usize::from(inner.width).saturating_sub(text::width(&about.1));
        let text = text::shorten(&text, room).into_owned();
        let at = model.events_back + row;
        let row = text::cells(row);
        painter.line(inner, row, &[about, (role, text)]);
        painter.zone(Rect { y: inner.y + row, height: 1, ..inner }, Zone::PanelRow(Panel::Events, at));
        if at == model.events_back && is_focused(model, Panel::Events) {
            painter.select(inner, row);
        }
    }
}

fn line(model: &Model, painter: &Painter<'_>, event: &ClusterEvent, style: Style) -> [Piece; 2] {
    let role = role_of(event.kind);
    let none = model.theme.charset.glyphs().none;
    let text = painter.escape(&text::own(&event.text, model.theme.charset));
    let at = text::moment(Millis(event.at), model.as_of());
    let kind = text::left(event.kind.word(), 8);
    match style {
        Style::Boxes => {
            let revision =
                event.revision.map_or_else(|| none.to_owned(), |revision| format!("rev {revision}"));
            [(Role::Quiet, format!(" {at}  {}  {kind}  ", text::left(&revision, 10))), (role, text)]
        }
        Style::Rules => [(Role::Quiet, format!(" {at} {kind} ")), (role, text)],
        Style::Compact | Style::Tiny => [(Role::Quiet, format!("{at} ")), (role, text)],
    }
}
