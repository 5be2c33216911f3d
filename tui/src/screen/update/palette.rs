//! The palette: typing, choosing, doing.

use ratatui::crossterm::event::KeyEvent;
use tui_input::Input;

use super::{dialogs, navigation, page_context, pages};
use crate::screen::{
    event::Effects,
    keymap::Action,
    model::{Focus, Model},
    pages::{Kind, node::NodePage, proxy::ProxyPage},
    palette::{Choice, Does, Palette, choices, typed_line},
};

pub(super) fn open(model: &mut Model) {
    model.palette = Some(Palette::default());
}

pub(super) fn press(model: &mut Model, action: Option<Action>, key: KeyEvent, effects: &mut Effects) {
    let Some(mut palette) = model.palette.take() else { return };
    match action {
        Some(Action::Back) => return,
        Some(Action::Down) => palette.selected = palette.selected.saturating_add(1),
        Some(Action::Up) => palette.selected = palette.selected.saturating_sub(1),
        Some(Action::Enter) => return choose(model, &palette, effects),
        other => {
            if navigation::type_into(&mut palette.input, other, key) {
                palette.selected = 0;
            }
        }
    }
    let last = found(model, &palette).len().saturating_sub(1);
    palette.selected = palette.selected.min(last);
    model.palette = Some(palette);
}

/// A click on a choice is that choice.
pub(super) fn click(model: &mut Model, at: usize, effects: &mut Effects) {
    if let Some(mut palette) = model.palette.take() {
        palette.selected = at;
        choose(model, &palette, effects);
    }
}

fn found(model: &Model, palette: &Palette) -> Vec<Choice> {
    choices(palette.input.value(), page_context(model), model.theme.charset, &model.shown)
}

fn choose(model: &mut Model, palette: &Palette, effects: &mut Effects) {
    if let Some(line) = typed_line(palette.input.value()) {
        return dialogs::run_line(model, line, effects);
    }
    let Some(choice) = found(model, palette).into_iter().nth(palette.selected) else { return };
    match choice.does {
        Does::Action(action) => super::act(model, Some(action), effects),
        Does::Node(id) => {
            model.nodes.selected = Some(id.clone());
            pages::open(model, Kind::Node(Box::new(NodePage::new(id))), effects);
        }
        Does::Proxy(id) => pages::open(model, Kind::Proxy(ProxyPage::new(id)), effects),
        Does::Type(line) => {
            model.focus = Focus::Line;
            model.line.input = Input::new(line);
        }
    }
}
