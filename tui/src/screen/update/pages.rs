//! Keys on an open page, and its questions. What a page changes runs as a line of the language, after its dialog.

use ratatui::crossterm::event::KeyEvent;
use redis_cluster::id::NodeId;

use super::{navigation, note};
use crate::screen::{
    dialog::Dialog,
    event::{Effect, Effects},
    keymap::Action,
    model::{Focus, Model, Tone},
    pages::{
        Kind, Known, Pages, Wish,
        ask::{self, Heard, Topic},
        grid::Grid,
        node::NodePage,
        numbered,
    },
};

/// More than this is not given to a clipboard: terminals drop what is longer.
const COPY_MAX: usize = 74 << 10;

fn known(model: &Model) -> Known<'_> {
    Known { view: &model.shown, transcript: &model.transcript, now: model.now }
}

/// Changes the pages with what is known.
fn with_pages<T>(model: &mut Model, change: impl FnOnce(&mut Pages, Known<'_>) -> T) -> T {
    let mut pages = std::mem::take(&mut model.pages);
    let result = change(&mut pages, known(model));
    model.pages = pages;
    result
}

/// Opens a page over what is shown.
pub(super) fn open(model: &mut Model, kind: Kind, effects: &mut Effects) {
    with_pages(model, |pages, known| pages.open(kind, known));
    model.dirty = true;
    ask(model, effects);
}

/// Opens the page of a digit; 1 is the overview.
pub(super) fn show(model: &mut Model, digit: u8, effects: &mut Effects) {
    let kind = numbered(digit, model.nodes.selected.as_ref());
    if kind.is_none() && digit != 1 {
        return note(model, Tone::Bad, "no node is selected");
    }
    model.pages.close();
    model.zoomed = false;
    model.dirty = true;
    if let Some(kind) = kind {
        open(model, kind, effects);
    }
}

/// Brings the page on top up to date with what is known.
pub(super) fn know(model: &mut Model) {
    with_pages(model, Pages::know);
}

/// Sends the questions that are due, unless the screen is held still.
pub(super) fn ask(model: &mut Model, effects: &mut Effects) {
    if model.frozen_at.is_some() || model.pages.top().is_none() {
        return;
    }
    let mut next = model.next_serial;
    let questions = with_pages(model, |pages, known| {
        pages.due(known, || {
            next += 1;
            next - 1
        })
    });
    model.next_serial = next;
    effects.extend(questions.into_iter().map(|(serial, question)| Effect::Ask { serial, question }));
}

/// An answer to a question.
pub(super) fn answered(model: &mut Model, serial: u64, result: Result<Heard, String>, effects: &mut Effects) {
    let slower = if model.unfocused { ask::UNFOCUSED_FACTOR } else { 1 };
    if with_pages(model, |pages, known| pages.answered(serial, result, known, slower)) {
        model.dirty = true;
        ask(model, effects);
    }
}

/// A node that is listened to was asked something.
pub(super) fn monitored(model: &mut Model, node: &NodeId, heard: Result<(Vec<String>, u64), String>) {
    let now = model.now;
    if let Some(Kind::Monitor(page)) = model.pages.top_mut().map(|page| &mut page.kind)
        && page.node == *node
    {
        page.heard(heard, now);
        model.dirty = true;
    }
}

/// What was run may have changed what a page shows.
pub(super) fn refresh(model: &mut Model, effects: &mut Effects) {
    if let Some(page) = model.pages.top_mut() {
        page.asks.refresh();
        page.kind.content_mut().refreshed();
    }
    know(model);
    ask(model, effects);
}

pub(super) fn act(model: &mut Model, action: Option<Action>, effects: &mut Effects) {
    let page = isize::from(i16::try_from(model.size.1).unwrap_or(i16::MAX)).max(8) - 6;
    match action {
        Some(Action::Down) => scroll(model, 1),
        Some(Action::Up) => scroll(model, -1),
        Some(Action::HalfDown) => scroll(model, page / 2),
        Some(Action::HalfUp) => scroll(model, -page / 2),
        Some(Action::PageDown) => scroll(model, page),
        Some(Action::PageUp) => scroll(model, -page),
        Some(Action::Top) => scroll(model, isize::MIN + 1),
        Some(Action::Bottom) => scroll(model, isize::MAX),
        Some(Action::Next) => turn(model, true, effects),
        Some(Action::Previous) => turn(model, false, effects),
        Some(Action::Open) => open_selected(model, effects),
        Some(Action::Neighbour(forward)) => neighbour(model, forward, effects),
        Some(Action::Filter) => model.focus = Focus::Filter,
        Some(Action::Sort) => with_grid(model, Grid::sort_by_next),
        Some(Action::SortReverse) => with_grid(model, |grid| {
            grid.reverse = !grid.reverse;
            grid.refresh();
        }),
        Some(Action::Delete) => change(model, Wish::Delete),
        Some(Action::Change) => change(model, Wish::Edit),
        Some(Action::Expire) => change(model, Wish::Expire),
        Some(Action::Rename) => change(model, Wish::Rename),
        Some(Action::Turn(what)) => {
            if let Some(page) = model.pages.top_mut()
                && page.kind.content_mut().turn(what)
            {
                page.asks.forget(&Topic::Scan);
            }
            ask(model, effects);
        }
        Some(Action::Copy) => copy(model, effects),
        Some(Action::Refresh) => refresh(model, effects),
        Some(Action::Back | Action::Quit) => back(model, effects),
        other => navigation::anywhere(model, other, effects),
    }
}

fn back(model: &mut Model, effects: &mut Effects) {
    let filtered = model.pages.top().and_then(|page| page.kind.content().grid());
    if filtered.is_some_and(|grid| !grid.filter.value().is_empty()) {
        return with_grid(model, |grid| {
            grid.filter.reset();
            grid.refresh();
        });
    }
    model.pages.back();
    know(model);
    ask(model, effects);
}

fn with_grid(model: &mut Model, change: impl FnOnce(&mut Grid)) {
    if let Some(grid) = model.pages.top_mut().and_then(|page| page.kind.content_mut().grid_mut()) {
        change(grid);
    }
}

fn scroll(model: &mut Model, rows: isize) {
    let Some(page) = model.pages.top_mut() else { return };
    let content = page.kind.content_mut();
    if let Some(grid) = content.grid_mut() {
        grid.select_by(rows);
    } else if let Some(text) = content.text_mut() {
        text.scroll(rows);
    }
}

fn turn(model: &mut Model, forward: bool, effects: &mut Effects) {
    if let Some(page) = model.pages.top_mut()
        && let Some((tabs, at)) = page.kind.content().tabs()
    {
        let step = if forward { 1 } else { tabs.len() - 1 };
        page.kind.content_mut().show_tab((at + step) % tabs.len());
    }
    know(model);
    ask(model, effects);
}

/// Shows a tab by its number.
pub(super) fn show_tab(model: &mut Model, tab: usize, effects: &mut Effects) {
    if let Some(page) = model.pages.top_mut() {
        page.kind.content_mut().show_tab(tab);
    }
    know(model);
    ask(model, effects);
}

fn open_selected(model: &mut Model, effects: &mut Effects) {
    let opened = model.pages.top_mut().and_then(|page| page.kind.content_mut().open());
    match opened {
        Some(kind) => open(model, kind, effects),
        None => ask(model, effects),
    }
}

/// A click on a row selects it; on the selected one it opens it.
pub(super) fn click(model: &mut Model, at: usize, effects: &mut Effects) {
    let was = model.focus == Focus::Nav;
    model.focus = Focus::Nav;
    let Some(grid) = model.pages.top_mut().and_then(|page| page.kind.content_mut().grid_mut()) else {
        return;
    };
    let opens = was && grid.position() == at;
    grid.select(at);
    if opens {
        open_selected(model, effects);
    }
}

/// The next part of what is shown; of a node the next node, with the same tab.
fn neighbour(model: &mut Model, forward: bool, effects: &mut Effects) {
    if let Some(page) = model.pages.top_mut()
        && page.kind.content_mut().neighbour(forward)
    {
        // An answer that is under way is about another part.
        page.asks.forget(&Topic::Value);
        return ask(model, effects);
    }
    let Some(Kind::Node(page)) = model.pages.top().map(|page| &page.kind) else { return };
    let nodes: Vec<_> = model.shown.nodes.keys().collect();
    let Some(at) = nodes.iter().position(|id| **id == page.id) else { return };
    let step = if forward { 1 } else { nodes.len() - 1 };
    let mut next = NodePage::new(nodes[(at + step) % nodes.len()].clone());
    next.tab = page.tab;
    model.nodes.selected = Some(next.id.clone());
    model.pages.back();
    open(model, Kind::Node(Box::new(next)), effects);
}

fn change(model: &mut Model, wish: Wish) {
    let Some(page) = model.pages.top() else { return };
    if model.read_only {
        return note(model, Tone::Bad, "this console is read-only (--read-only)");
    }
    match page.kind.content().change(wish) {
        Ok(change) => model.dialog = Some(Dialog::Change(change)),
        Err(why) => note(model, Tone::Bad, &why),
    }
}

/// Gives the selected row, or the last reply, to the terminal's clipboard.
pub(super) fn copy(model: &mut Model, effects: &mut Effects) {
    let copied = match model.pages.top() {
        Some(page) => page.kind.content().copied(),
        None => navigation::copied(model),
    };
    let Some(text) = copied.filter(|text| !text.is_empty()) else {
        return note(model, Tone::Bad, "there is nothing to copy here");
    };
    if text.len() > COPY_MAX {
        let size = crate::screen::text::short_bytes(text.len() as u64);
        return note(model, Tone::Bad, &format!("{size} is more than terminals take (74K)"));
    }
    let size = crate::format::counted(text.len() as u64, "byte");
    note(model, Tone::Note, &format!("{size} given to the terminal's clipboard (OSC 52)"));
    effects.push(Effect::Copy(text));
}

/// Keys that are typed into what a page looks for.
pub(super) fn filter(model: &mut Model, action: Option<Action>, key: KeyEvent, effects: &mut Effects) {
    if let Some(page) = model.pages.top_mut() {
        let content = page.kind.content_mut();
        if let Some((_, input)) = content.typed() {
            match action {
                Some(Action::Enter) => {}
                Some(Action::Back) => input.reset(),
                other => {
                    navigation::type_into(input, other, key);
                }
            }
        }
        if matches!(action, Some(Action::Enter | Action::Back)) {
            content.entered();
            page.asks.forget(&Topic::Scan);
            model.focus = Focus::Nav;
        }
    }
    with_grid(model, Grid::refresh);
    ask(model, effects);
}
