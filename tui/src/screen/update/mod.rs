//! How the model changes: one event in, effects out. No I/O and no clock, so a screen can be replayed and tested.

mod data;
mod dialogs;
mod language;
mod line;
mod mouse;
mod navigation;
mod pages;
#[cfg(test)]
mod pages_tests;
mod palette;
mod search;
#[cfg(test)]
mod tests;

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use redis_cluster::time::Millis;

use super::{
    dialog::Dialog,
    event::{Effect, Effects, Event},
    keymap::{self, Action, Context},
    model::{Focus, INTERRUPT_WINDOW_MS, Model, Panel, ResultArea, Tone},
    text,
};
use crate::{format::counted, session::Status};

/// Applies an event.
pub fn update(model: &mut Model, event: Event) -> Effects {
    let mut effects = Effects::new();
    match event {
        Event::Clock(now) => {
            tick(model, now);
            pages::ask(model, &mut effects);
        }
        Event::Key(key) if key.kind != KeyEventKind::Release => press(model, key, &mut effects),
        Event::Key(_) => {}
        Event::Mouse(mouse, zone) => {
            model.dirty = true;
            model.interrupted_at = None;
            mouse::act(model, mouse, zone, &mut effects);
        }
        Event::Paste(text) => line::paste(model, &text, &mut effects),
        Event::Resize(columns, rows) => {
            model.size = (columns, rows);
            model.result.wrap(columns);
            model.dirty = true;
        }
        Event::Focus(ours) => focus(model, ours, &mut effects),
        Event::View(view) => {
            data::receive(model, view);
            pages::know(model);
            dialogs::refresh(model, &mut effects);
        }
        Event::Progress(progress) => line::progress(model, &progress),
        Event::Finished(finished) => line::finished(model, &finished, &mut effects),
        Event::Sourced { run, path, result } => {
            language::sourced(model, run, &path, result, &mut effects);
        }
        Event::Probed { serial, result } => dialogs::probed(model, serial, result),
        Event::Previewed { serial, result } => dialogs::previewed(model, serial, result),
        Event::Found { line, names } => line::found(model, &line, names),
        Event::Monitored { node, heard } => pages::monitored(model, &node, heard),
        Event::Answered { serial, result } => pages::answered(model, serial, result, &mut effects),
        Event::Interrupt => interrupt(model, &mut effects),
        Event::Trouble(text) => note(model, Tone::Bad, &text),
    }
    effects
}

/// Nobody looks at a terminal without focus closely: figures need not come every second.
fn focus(model: &mut Model, ours: bool, effects: &mut Effects) {
    // Terminals also report the focus that they had all along.
    if model.unfocused != ours {
        return;
    }
    model.unfocused = !ours;
    model.refocused_at = ours.then_some(model.now);
    effects.push(Effect::Follow { seldom: !ours });
}

/// Marks the model for painting if the time that passed can be seen.
fn tick(model: &mut Model, now: Millis) {
    let seen = |at: Millis| at.seconds();
    if model.redraw_in_ms().is_some_and(|ms| ms <= 1_000) && seen(now) != seen(model.now) {
        model.dirty = true;
    }
    let was = model.redraw_in_ms();
    model.now = now;
    if was.is_some_and(|ms| ms > 1_000) && model.redraw_in_ms().is_some_and(|ms| ms <= 1_000) {
        model.dirty = true;
    }
    if model.interrupted_at.is_some_and(|at| now.0 - at.0 > INTERRUPT_WINDOW_MS) {
        model.interrupted_at = None;
    }
}

/// Where keys go now.
#[must_use]
pub fn context(model: &Model) -> Context {
    if model.help.is_some() {
        return Context::Help;
    }
    if model.dialog.is_some() {
        return Context::Dialog;
    }
    if model.palette.is_some() {
        return Context::Palette;
    }
    match model.focus {
        Focus::Nav => page_context(model),
        Focus::Filter => Context::Filter,
        Focus::Line if model.line.search.is_some() => Context::Search,
        Focus::Line if model.line.input.value().is_empty() => Context::EmptyLine,
        Focus::Line => Context::Line,
    }
}

/// Where keys go that act on what is shown: the page on top, or the overview.
#[must_use]
pub fn page_context(model: &Model) -> Context {
    model.pages.top().map_or(Context::Nav, |page| page.kind.content().context())
}

/// Does what a key says to what is shown.
fn act(model: &mut Model, action: Option<Action>, effects: &mut Effects) {
    match model.pages.top() {
        Some(_) => pages::act(model, action, effects),
        None => navigation::act(model, action, effects),
    }
}

fn press(model: &mut Model, key: KeyEvent, effects: &mut Effects) {
    model.dirty = true;
    let context = context(model);
    let action = keymap::action(context, key);
    if action.is_none()
        && let Some(meant) = model.aliases.meant(context, key)
    {
        return press(model, meant, effects);
    }
    // Terminals send Alt with a key as Esc and the key: where the pair means nothing it was two keys, pressed quickly.
    if action.is_none() && key.modifiers.contains(KeyModifiers::ALT) {
        press(model, KeyEvent::new(KeyCode::Esc, KeyModifiers::NONE), effects);
        return press(
            model,
            KeyEvent { modifiers: key.modifiers.difference(KeyModifiers::ALT), ..key },
            effects,
        );
    }
    match action {
        Some(Action::Interrupt) => return interrupt(model, effects),
        Some(Action::Suspend) => return effects.push(Effect::Suspend),
        Some(Action::Redraw) => return effects.push(Effect::Redraw),
        _ => model.interrupted_at = None,
    }
    match context {
        Context::Help => help(model, action),
        Context::Dialog => dialogs::press(model, action, key, effects),
        Context::Palette => palette::press(model, action, key, effects),
        Context::Filter if model.pages.top().is_some() => {
            pages::filter(model, action, key, effects);
        }
        Context::Filter => navigation::filter(model, action, key),
        Context::Search => search::press(model, action, key, effects),
        Context::Line | Context::EmptyLine => line::press(model, action, key, effects),
        Context::Nav
        | Context::Node
        | Context::NodeTable
        | Context::Clients
        | Context::Config
        | Context::Proxy
        | Context::ProxyClients
        | Context::Table
        | Context::Keys
        | Context::Value
        | Context::Sample
        | Context::Monitor
        | Context::Past
        | Context::Slots
        | Context::Text => act(model, action, effects),
    }
}

/// `^C`: stops what runs, or clears what is typed; again within two seconds it leaves.
fn interrupt(model: &mut Model, effects: &mut Effects) {
    model.dirty = true;
    if model.interrupted_at.take().is_some_and(|at| model.now.0 - at.0 <= INTERRUPT_WINDOW_MS) {
        effects.extend(model.running.take().map(|running| Effect::Cancel { run: running.run }));
        return dialogs::leave(model, Status::Interrupted, effects);
    }
    // What was pasted and not run yet: the key means that, and leaving is another matter.
    if matches!(model.dialog, Some(Dialog::Paste(_) | Dialog::Leave(_))) {
        return dialogs::close(model, effects);
    }
    if model.running.is_none() && language::drop_held(model) {
        return;
    }
    model.interrupted_at = Some(model.now);
    if let Some(running) = model.running.take() {
        effects.push(Effect::Cancel { run: running.run });
        let mut text = if running.is_change {
            format!(
                "no longer waiting for `{}`; the cluster goes on with it once it is accepted",
                running.line
            )
        } else {
            format!("gave up `{}`; whether it ran is not known", running.line)
        };
        if !model.queue.is_empty() {
            model.held = true;
            // The next one is about the lines.
            model.interrupted_at = None;
            text.push_str(&format!("; {} held back", counted(model.queue.len() as u64, "waiting line")));
        }
        return note(model, Tone::Bad, &text);
    }
    model.dialog = None;
    model.help = None;
    model.palette = None;
    model.line.input.reset();
    model.line.completion = None;
    model.line.search = None;
    note(model, Tone::Note, "^C again within 2 s leaves");
}

/// Shows a line of our own where results are.
fn note(model: &mut Model, tone: Tone, text: &str) {
    model.result =
        ResultArea::new(tone, &text::own(text, model.theme.charset), model.theme.charset, model.size.0);
    if model.panel == Panel::Result {
        model.panel = Panel::Nodes;
    }
    model.dirty = true;
}

fn help(model: &mut Model, action: Option<Action>) {
    let Some(top) = model.help else { return };
    let page = usize::from(model.size.1).saturating_sub(4).max(1);
    model.help = match action {
        Some(Action::Back | Action::Quit) => None,
        Some(Action::Down) => Some(top.saturating_add(1)),
        Some(Action::Up) => Some(top.saturating_sub(1)),
        Some(Action::PageDown) => Some(top.saturating_add(page)),
        Some(Action::PageUp) => Some(top.saturating_sub(page)),
        _ => Some(top),
    };
    // The drawn end is known to the view only; a bound keeps the number sane.
    model.help = model.help.map(|top| top.min(keymap::BINDINGS.len() * 2));
}
