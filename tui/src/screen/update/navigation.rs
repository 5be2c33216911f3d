//! Keys on the tables: selection, order, filter, freezing, opening dialogs and leaving.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use tui_input::{Input, InputRequest};

use super::{data, dialogs, note, pages, palette, search};
use crate::screen::{
    event::Effects,
    keymap::Action,
    model::{Focus, Model, Panel, Tone},
    pages::{Kind, events, node::NodePage, plan::PlanPage, proxy::ProxyPage, transcript::TranscriptPage},
};
use crate::{language::ChangeOptions, session::Status};

pub(super) fn act(model: &mut Model, action: Option<Action>, effects: &mut Effects) {
    let page = isize::from(i16::try_from(model.size.1).unwrap_or(i16::MAX)).max(4) / 2;
    match action {
        Some(Action::Down) => scroll(model, 1),
        Some(Action::Up) => scroll(model, -1),
        Some(Action::HalfDown) => scroll(model, page / 2),
        Some(Action::HalfUp) => scroll(model, -page / 2),
        Some(Action::PageDown) => scroll(model, page),
        Some(Action::PageUp) => scroll(model, -page),
        Some(Action::Top) => scroll(model, isize::MIN + 1),
        Some(Action::Bottom) => scroll(model, isize::MAX),
        Some(Action::Next) => model.panel = model.panel.neighbour(true),
        Some(Action::Previous) => model.panel = model.panel.neighbour(false),
        Some(Action::Sort) => {
            model.nodes.sort = model.nodes.sort.next();
            model.nodes.refresh(&model.shown);
        }
        Some(Action::SortReverse) => {
            model.nodes.reverse = !model.nodes.reverse;
            model.nodes.refresh(&model.shown);
        }
        Some(Action::Filter) => model.focus = Focus::Filter,
        Some(Action::Open) => open(model, effects),
        Some(Action::Zoom) => model.zoomed = !model.zoomed,
        Some(Action::Copy) => pages::copy(model, effects),
        Some(Action::Add | Action::Remove) if model.read_only => {
            note(model, Tone::Bad, "this console is read-only (--read-only)");
        }
        Some(Action::Add) => dialogs::open_add(model, effects),
        Some(Action::Remove) => match model.nodes.selected.clone() {
            Some(id) => dialogs::open_remove(model, id, ChangeOptions::default(), effects),
            None => note(model, Tone::Bad, "no node is selected"),
        },
        Some(Action::Back) => back(model),
        Some(Action::Quit) => dialogs::leave(model, Status::Done, effects),
        other => anywhere(model, other, effects),
    }
}

/// Keys that mean the same on the overview and on every page.
pub(super) fn anywhere(model: &mut Model, action: Option<Action>, effects: &mut Effects) {
    match action {
        Some(Action::Show(digit)) => pages::show(model, digit, effects),
        Some(Action::Palette) => palette::open(model),
        Some(Action::Freeze) => {
            model.frozen_at = match model.frozen_at {
                Some(_) => None,
                None => Some(model.now),
            };
            if model.frozen_at.is_none() {
                data::show_latest(model);
            }
        }
        Some(Action::Help) => model.help = Some(0),
        Some(Action::Search) => search::open(model),
        Some(Action::Type) => model.focus = Focus::Line,
        _ => {}
    }
}

/// Opens what is selected in the focused panel.
fn open(model: &mut Model, effects: &mut Effects) {
    let kind = match model.panel {
        Panel::Nodes => model.nodes.selected.clone().map(|id| Kind::Node(Box::new(NodePage::new(id)))),
        Panel::Moves => selected_plan(model).map(|plan| Kind::Plan(PlanPage::new(plan))),
        Panel::Proxies => {
            model.shown.proxies.keys().nth(model.proxies_at).map(|id| Kind::Proxy(ProxyPage::new(id.clone())))
        }
        Panel::Events => {
            let event = model.shown.events.iter().rev().nth(model.events_back);
            event.map(events::opened)
        }
        Panel::Result => Some(Kind::Transcript(TranscriptPage::default())),
    };
    match kind {
        Some(kind) => pages::open(model, kind, effects),
        None => note(model, Tone::Bad, "nothing is selected"),
    }
}

/// The selected plan of those that are shown.
fn selected_plan(model: &Model) -> Option<u64> {
    model.plans_shown().get(model.plans_at).map(|plan| plan.id)
}

/// What is selected on the overview, as text.
pub(super) fn copied(model: &Model) -> Option<String> {
    match model.panel {
        Panel::Nodes => {
            let id = model.nodes.selected.as_ref()?;
            Some(format!("{id}\t{}", model.shown.nodes.get(id)?.record.address))
        }
        Panel::Moves => {
            let plan = selected_plan(model)?;
            model.shown.plans.iter().find(|one| one.id == plan).map(|plan| plan.words.clone())
        }
        Panel::Proxies => {
            let (id, proxy) = model.shown.proxies.iter().nth(model.proxies_at)?;
            Some(format!("{id}\t{}", proxy.record.address))
        }
        Panel::Events => {
            model.shown.events.iter().rev().nth(model.events_back).map(|event| event.text.clone())
        }
        Panel::Result => model.transcript.last().map(|entry| entry.reply.clone()),
    }
}

/// Undoes one thing: a scrolled or grown panel first, then the filter.
fn back(model: &mut Model) {
    if std::mem::take(&mut model.zoomed) {
        return;
    }
    if model.panel != Panel::Nodes {
        model.panel = Panel::Nodes;
        model.events_back = 0;
        model.proxies_at = 0;
        model.plans_at = 0;
        model.result.top = 0;
    } else if !model.nodes.filter.value().is_empty() {
        model.nodes.filter.reset();
        model.nodes.refresh(&model.shown);
    } else {
        model.result = Default::default();
    }
}

/// The selected row of the focused panel.
pub(super) fn selected(model: &Model) -> Option<usize> {
    match model.panel {
        Panel::Nodes => model.nodes.position(),
        Panel::Moves => Some(model.plans_at),
        Panel::Proxies => Some(model.proxies_at),
        Panel::Events => Some(model.events_back),
        Panel::Result => None,
    }
}

/// Selects a row of the focused panel.
pub(super) fn select(model: &mut Model, at: usize) {
    match model.panel {
        Panel::Nodes => model.nodes.selected = model.nodes.rows.get(at).cloned(),
        Panel::Moves => model.plans_at = at,
        Panel::Proxies => model.proxies_at = at,
        Panel::Events => model.events_back = at,
        Panel::Result => {}
    }
}

/// Moves within the focused panel; positive: towards its end.
fn scroll(model: &mut Model, rows: isize) {
    match model.panel {
        Panel::Nodes => model.nodes.select_by(rows),
        Panel::Proxies => {
            let last = model.shown.proxies.len().saturating_sub(1);
            model.proxies_at = model.proxies_at.saturating_add_signed(rows).min(last);
        }
        Panel::Moves => {
            let last = model.plans_shown().len().saturating_sub(1);
            model.plans_at = model.plans_at.saturating_add_signed(rows).min(last);
        }
        // Newest first on the screen: further down is further back.
        Panel::Events => {
            let last = model.shown.events.len().saturating_sub(1);
            model.events_back = model.events_back.saturating_add_signed(rows).min(last);
        }
        Panel::Result => scroll_result(model, rows),
    }
}

pub(super) fn scroll_result(model: &mut Model, rows: isize) {
    let last = model.result.rows.len().saturating_sub(1);
    model.result.top = model.result.top.saturating_add_signed(rows).min(last);
}

pub(super) fn filter(model: &mut Model, action: Option<Action>, key: KeyEvent) {
    match action {
        Some(Action::Enter) => model.focus = Focus::Nav,
        Some(Action::Back) => {
            model.nodes.filter.reset();
            model.focus = Focus::Nav;
        }
        other => {
            type_into(&mut model.nodes.filter, other, key);
        }
    }
    model.nodes.refresh(&model.shown);
}

/// Longest line that can be typed, characters.
const TYPED_MAX: usize = 64 * 1024;

/// A key for a line of text; true if it changed the text.
pub(super) fn type_into(input: &mut Input, action: Option<Action>, key: KeyEvent) -> bool {
    let request = match (action, key.code) {
        (Some(Action::Edit(request)), _) => request,
        (None, KeyCode::Char(character))
            if !key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT)
                && !character.is_control()
                && input.value().len() < TYPED_MAX =>
        {
            InputRequest::InsertChar(character)
        }
        _ => return false,
    };
    input.handle(request).is_some_and(|changed| changed.value)
}
