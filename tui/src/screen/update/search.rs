//! `^R`: the newest line of the history that contains what is typed, then older ones.

use ratatui::crossterm::event::KeyEvent;
use tui_input::Input;

use super::{line, navigation::type_into};
use crate::screen::{
    event::Effects,
    keymap::Action,
    model::{CommandLine, Focus, Model, Search},
};

pub(super) fn open(model: &mut Model) {
    model.focus = Focus::Line;
    model.line.completion = None;
    model.line.search = Some(Search::default());
}

pub(super) fn press(model: &mut Model, action: Option<Action>, key: KeyEvent, effects: &mut Effects) {
    match action {
        Some(Action::Back) => model.line.search = None,
        Some(Action::HistoryBack) => step(&mut model.line, true),
        Some(Action::HistoryForward) => step(&mut model.line, false),
        Some(Action::Complete) => drop(accept(&mut model.line)),
        Some(Action::Enter) if accept(&mut model.line) => line::submit(model, effects),
        other => {
            let changed =
                model.line.search.as_mut().is_some_and(|search| type_into(&mut search.query, other, key));
            if changed {
                restart(&mut model.line);
            }
        }
    }
}

/// Looks again from the newest line: what is looked for has changed.
pub(super) fn restart(line: &mut CommandLine) {
    if let Some(search) = &mut line.search {
        search.found = None;
        step(line, true);
    }
}

/// Ends the search with the line that was found; false, and it goes on, if there is none.
fn accept(line: &mut CommandLine) -> bool {
    let Some(found) = line.found().map(str::to_owned) else { return false };
    line.input = Input::new(found);
    line.search = None;
    line.history_at = None;
    true
}

/// To the next line, older or newer, that matches and is not the same as the one that is shown.
fn step(line: &mut CommandLine, older: bool) {
    let shown = line.found().map(str::to_owned);
    let Some(search) = &mut line.search else { return };
    let query = search.query.value();
    if query.is_empty() {
        return;
    }
    // As commands, a search in small letters is for any case.
    let any_case = !query.chars().any(char::is_uppercase);
    let matches = |text: &str| match any_case {
        true => text.to_lowercase().contains(query),
        false => text.contains(query),
    };
    let is_next = |at: &usize| {
        line.history.get(*at).is_some_and(|text| matches(text) && Some(text.as_str()) != shown.as_deref())
    };
    let next = match (search.found, older) {
        (None, _) => (0..line.history.len()).rev().find(is_next),
        (Some(found), true) => (0..found).rev().find(is_next),
        (Some(found), false) => (found + 1..line.history.len()).find(is_next),
    };
    search.found = next.or(search.found);
}
