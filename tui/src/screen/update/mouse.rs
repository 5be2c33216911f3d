//! The mouse: a click selects what it hits, a click on what is selected opens it, the wheel scrolls what it is over.

use super::{dialogs, navigation, pages, palette};
use crate::screen::{
    event::{Effects, Mouse},
    keymap::Action,
    model::{Focus, Model, Panel},
    view::Zone,
};

/// Rows that one notch of the wheel scrolls.
const NOTCH: usize = 3;

pub(super) fn act(model: &mut Model, mouse: Mouse, zone: Option<Zone>, effects: &mut Effects) {
    match mouse {
        Mouse::Click => click(model, zone, effects),
        Mouse::Up | Mouse::Down => {
            let action = if mouse == Mouse::Up { Action::Up } else { Action::Down };
            wheel(model, action, zone, effects);
        }
    }
}

fn wheel(model: &mut Model, action: Action, zone: Option<Zone>, effects: &mut Effects) {
    if model.help.is_some() {
        return super::help(model, Some(action));
    }
    if model.dialog.is_some() || model.palette.is_some() {
        return;
    }
    if let Some(Zone::Panel(panel) | Zone::PanelRow(panel, _)) = zone {
        focus(model, panel);
    }
    for _ in 0..NOTCH {
        super::act(model, Some(action), effects);
    }
}

fn focus(model: &mut Model, panel: Panel) {
    model.panel = panel;
    model.focus = Focus::Nav;
}

fn click(model: &mut Model, zone: Option<Zone>, effects: &mut Effects) {
    match zone {
        None | Some(Zone::Nothing) => {}
        Some(Zone::Prompt) if model.dialog.is_none() && model.help.is_none() => model.focus = Focus::Line,
        Some(Zone::Prompt) => {}
        Some(Zone::Panel(panel)) => focus(model, panel),
        Some(Zone::PanelRow(panel, at)) => {
            let was =
                (model.focus == Focus::Nav && model.panel == panel).then(|| navigation::selected(model));
            focus(model, panel);
            navigation::select(model, at);
            if was == Some(Some(at)) {
                super::act(model, Some(Action::Open), effects);
            }
        }
        Some(Zone::Row(at)) => pages::click(model, at, effects),
        Some(Zone::Tab(at)) => {
            model.focus = Focus::Nav;
            pages::show_tab(model, at, effects);
        }
        Some(Zone::Field(field)) => dialogs::click(model, field, effects),
        Some(Zone::Choice(at)) => palette::click(model, at, effects),
    }
}
