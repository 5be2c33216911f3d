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
mod painter;
mod proxies;
mod slots;
#[cfg(test)]
mod tests;

use ratatui::{Frame, layout::Position};

use self::{layout::Style, painter::Painter};
use super::{
    model::{Model, Panel},
    theme::Role,
};

/// Draws everything.
pub fn draw(model: &Model, frame: &mut Frame<'_>) {
    let screen = frame.area();
    let style = Style::of((screen.width, screen.height));
    let boxed = style == Style::Boxes;
    let troubles = super::alarms::alarms(&model.shown, model.as_of());
    let areas = layout::areas(model, screen, alarms::rows(&troubles, screen.height));
    let mut painter = Painter { buffer: frame.buffer_mut(), theme: model.theme };
    painter.buffer.set_style(screen, model.theme.style(Role::Text));

    let mut cursor = command::prompt(model, &mut painter, areas.prompt);
    if style == Style::Tiny {
        header::too_small(&mut painter, areas.header, troubles.len());
    } else {
        header::draw(model, &mut painter, areas.header, style, troubles.len());
        alarms::draw(&troubles, &mut painter, areas.alarms, style);
        nodes::draw(model, &mut painter, areas.nodes, style);
        slots::draw(model, &mut painter, areas.slots, boxed);
        moves::draw(model, &mut painter, areas.moves, style);
        proxies::draw(model, &mut painter, areas.proxies, boxed);
        events::draw(model, &mut painter, areas.events, style);
        command::hint(model, &mut painter, areas.hint);
        command::result(model, &mut painter, areas.result);
        command::footer(model, &mut painter, areas.footer);
        if model.dialog.is_some() {
            cursor = dialog::draw(model, &mut painter, screen);
        }
        if let Some(top) = model.help {
            help::draw(model, &mut painter, screen, top);
            cursor = None;
        }
    }
    if let Some(cursor) = cursor.filter(|cursor| screen.contains(Position::from(*cursor))) {
        frame.set_cursor_position(cursor);
    }
}

/// How the title of a panel looks: the focused one stands out.
fn title_role(model: &Model, panel: Panel) -> Role {
    let keys_on_tables = model.focus == super::model::Focus::Nav;
    if keys_on_tables && model.panel == panel { Role::Selected } else { Role::Title }
}

/// `14:02:11Z`: the time of day in UTC, which is the same for everybody who looks at the cluster.
fn clock(at: redis_cluster::time::Millis) -> String {
    let second = at.seconds().rem_euclid(86_400);
    format!("{:02}:{:02}:{:02}Z", second / 3600, second / 60 % 60, second % 60)
}
