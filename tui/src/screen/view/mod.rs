//! Drawing: reads the model, writes cells. No state, no I/O; the same model and size give the same screen.

mod alarms;
mod command;
mod dialog;
mod events;
mod header;
mod help;
mod layout;
mod moves;
mod nodes;
mod pages;
mod painter;
mod palette;
mod proxies;
mod slots;
#[cfg(test)]
mod tests;

use ratatui::{Frame, layout::Position};

pub use self::painter::{Hits, Zone};
use self::{layout::Style, painter::Painter};
use super::{
    model::{Model, Panel},
    theme::Role,
};

/// Draws everything; returns what the mouse can hit, later ones over earlier ones.
pub fn draw(model: &Model, frame: &mut Frame<'_>) -> Hits {
    let screen = frame.area();
    let style = Style::of((screen.width, screen.height));
    let boxed = style == Style::Boxes;
    let troubles = super::alarms::alarms(&model.shown, model.as_of());
    let areas = layout::areas(model, screen, alarms::rows(&troubles, screen.height));
    let mut painter = Painter { buffer: frame.buffer_mut(), theme: model.theme, hits: Hits::default() };
    painter.buffer.set_style(screen, model.theme.style(Role::Text));

    let mut cursor = command::prompt(model, &mut painter, areas.prompt);
    if style == Style::Tiny {
        header::too_small(&mut painter, areas.header, troubles.len());
    } else {
        header::draw(model, &mut painter, areas.header, style, troubles.len());
        alarms::draw(&troubles, &mut painter, areas.alarms, style);
        if let Some(page) = model.pages.top() {
            pages::draw(model, page, &mut painter, areas.page, style);
        }
        for (area, panel) in [
            (areas.nodes, Panel::Nodes),
            (areas.moves, Panel::Moves),
            (areas.proxies, Panel::Proxies),
            (areas.events, Panel::Events),
            (areas.result, Panel::Result),
        ] {
            painter.zone(area, Zone::Panel(panel));
        }
        painter.zone(areas.prompt, Zone::Prompt);
        nodes::draw(model, &mut painter, areas.nodes, style);
        slots::draw(model, &mut painter, areas.slots, boxed);
        moves::draw(model, &mut painter, areas.moves, style);
        proxies::draw(model, &mut painter, areas.proxies, boxed);
        events::draw(model, &mut painter, areas.events, style);
        command::hint(model, &mut painter, areas.hint);
        command::result(model, &mut painter, areas.result, style);
        command::footer(model, &mut painter, areas.footer);
        if let Some(palette) = &model.palette {
            cursor = palette::draw(model, palette, &mut painter, screen);
        }
        if model.dialog.is_some() {
            cursor = dialog::draw(model, &mut painter, screen);
        }
        if let Some(top) = model.help {
            help::draw(model, &mut painter, screen, top);
            cursor = None;
        }
    }
    let hits = std::mem::take(&mut painter.hits);
    if let Some(cursor) = cursor.filter(|cursor| screen.contains(Position::from(*cursor))) {
        frame.set_cursor_position(cursor);
    }
    hits
}

/// Keys act on this panel.
fn is_focused(model: &Model, panel: Panel) -> bool {
    model.focus == super::model::Focus::Nav && model.panel == panel
}

/// How the title of a panel looks: the focused one stands out.
fn title_role(model: &Model, panel: Panel) -> Role {
    if is_focused(model, panel) { Role::Selected } else { Role::Title }
}
