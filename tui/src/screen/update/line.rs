//! The command line: editing, history, completion, running what was typed, showing what came back.

use ratatui::crossterm::event::KeyEvent;
use tui_input::Input;

use super::{dialogs, language, navigation, note, pages, search};
use crate::{
    assist,
    language::{Command, Line, Operator, lines},
    screen::{
        dialog::{Dialog, Field},
        event::{Effect, Effects, Finished},
        keymap::Action,
        model::{CommandLine, Completion, Focus, Model, Panel, ResultArea, Running, Tone},
        pages::transcript::Entry,
        settings::Queued,
        text,
    },
    session::Status,
    typed,
};

/// Bytes of a paste that are taken; more than any command that a person writes.
const PASTE_MAX: usize = 1 << 20;

pub(super) fn press(model: &mut Model, action: Option<Action>, key: KeyEvent, effects: &mut Effects) {
    if action != Some(Action::Complete) {
        model.line.completion = None;
    }
    match action {
        Some(Action::Enter) => submit(model, effects),
        Some(Action::Complete) => complete(model, effects),
        Some(Action::HistoryBack) => history(model, true),
        Some(Action::HistoryForward) => history(model, false),
        Some(Action::PageDown) => navigation::scroll_result(model, 5),
        Some(Action::PageUp) => navigation::scroll_result(model, -5),
        Some(Action::Back) => model.focus = Focus::Nav,
        Some(Action::Search) => search::open(model),
        Some(Action::Filter) => model.focus = Focus::Filter,
        Some(Action::Help) => model.help = Some(0),
        Some(Action::Quit) => dialogs::leave(model, Status::Done, effects),
        other => {
            if navigation::type_into(&mut model.line.input, other, key) {
                model.line.history_at = None;
            }
        }
    }
}

fn history(model: &mut Model, back: bool) {
    let line = &mut model.line;
    let next = match (line.history_at, back) {
        (None, true) => line.history.len().checked_sub(1),
        (None, false) => return,
        (Some(at), true) => Some(at.saturating_sub(1)),
        (Some(at), false) => Some(at + 1).filter(|&at| at < line.history.len()),
    };
    if line.history_at.is_none() {
        line.draft = line.input.value().to_owned();
    }
    let text = match next {
        Some(at) => line.history[at].clone(),
        None => std::mem::take(&mut line.draft),
    };
    line.history_at = next;
    line.input = Input::new(text);
}

fn complete(model: &mut Model, effects: &mut Effects) {
    let line = &mut model.line;
    let completion = match line.completion.take() {
        Some(mut completion) => {
            completion.at = (completion.at + 1) % completion.candidates.len();
            completion
        }
        None => {
            // What stands behind the cursor would be lost, so nothing is completed in the middle of a line.
            if line.input.cursor() != line.input.value().chars().count() {
                return;
            }
            let found = assist::complete(line.input.value(), &model.latest);
            if let Some(sought) = found.sought {
                let line = line.input.value().to_owned();
                return effects.push(Effect::Find { line, sought });
            }
            if found.candidates.is_empty() {
                return;
            }
            Completion { before: found.before, candidates: found.candidates, at: 0 }
        }
    };
    fill_in(line, completion);
}

/// Names of keys or files came for a line; it may have changed since.
pub(super) fn found(model: &mut Model, asked: &str, names: Vec<Vec<u8>>) {
    if model.line.input.value() != asked || model.line.completion.is_some() {
        return;
    }
    let found = assist::complete(asked, &model.latest).with_names(names);
    if !found.candidates.is_empty() {
        fill_in(&mut model.line, Completion { before: found.before, candidates: found.candidates, at: 0 });
        model.dirty = true;
    }
}

fn fill_in(line: &mut CommandLine, completion: Completion) {
    let word = &completion.candidates[completion.at];
    // Behind a directory the path goes on.
    let blank = if completion.candidates.len() == 1 && !word.ends_with('/') { " " } else { "" };
    line.input = Input::new(format!("{}{word}{blank}", completion.before));
    line.completion = (completion.candidates.len() > 1).then_some(completion);
}

/// Text that came in one piece. Several lines are run only after a question.
pub(super) fn paste(model: &mut Model, pasted: &str, effects: &mut Effects) {
    model.dirty = true;
    if pasted.len() > PASTE_MAX {
        let size = text::short_bytes(pasted.len() as u64);
        return note(model, Tone::Bad, &format!("a paste of {size} is not taken; run a file with -f FILE"));
    }
    let lines = pasted_lines(pasted);
    let input = match &mut model.dialog {
        Some(dialog) => match dialog {
            Dialog::Add(add) => match add.field {
                Field::Id => Some(&mut add.id),
                Field::Address => Some(&mut add.address),
                _ => None,
            },
            // An id is typed, not pasted: it is there to make one look.
            Dialog::Remove(_) | Dialog::Paste(_) | Dialog::Leave(_) | Dialog::Bring(_) => None,
            Dialog::Change(change) if change.field == Field::Command => Some(&mut change.command),
            Dialog::Change(_) => None,
        },
        None if model.help.is_some() => None,
        None if model.focus == Focus::Filter => Some(&mut model.nodes.filter),
        None if lines.len() > 1 => {
            model.line.search = None;
            return dialogs::open_paste(model, lines);
        }
        None if model.focus == Focus::Line && model.line.search.is_some() => {
            model.line.search.as_mut().map(|search| &mut search.query)
        }
        None => {
            model.focus = Focus::Line;
            model.line.history_at = None;
            model.line.completion = None;
            Some(&mut model.line.input)
        }
    };
    if let (Some(input), Some(first)) = (input, lines.first()) {
        let cursor = input.cursor();
        let typed: Vec<char> = input.value().chars().collect();
        let insert: Vec<char> = first.chars().map(|c| if c == '\t' { ' ' } else { c }).collect();
        let value: String = typed[..cursor].iter().chain(&insert).chain(&typed[cursor..]).collect();
        *input = Input::new(value).with_cursor(cursor + insert.len());
    }
    model.nodes.refresh(&model.shown);
    search::restart(&mut model.line);
    dialogs::refresh(model, effects);
}

/// The commands of a paste.
fn pasted_lines(pasted: &str) -> Vec<String> {
    let pasted = pasted.replace("\r\n", "\n").replace('\r', "\n");
    lines::commands(&typed::bytes(&pasted)).into_iter().map(lines::as_text).collect()
}

/// Runs what is typed, or puts it behind what runs.
pub(super) fn submit(model: &mut Model, effects: &mut Effects) {
    let text = lines::as_text(&typed::bytes(model.line.input.value()));
    model.line.input.reset();
    model.line.history_at = None;
    if text.trim().is_empty() {
        return language::release(model, effects);
    }
    if model.line.history.last() != Some(&text) && !assist::is_secret(&text) {
        model.line.history.push(text.clone());
        effects.push(Effect::Remember(text.clone()));
    }
    // In front of lines that are held back: they wait for a word of their own.
    if model.held {
        model.queue.push_front(text.into());
        return run_one(model, effects);
    }
    model.queue.push_back(text.into());
    run_next(model, effects);
}

/// Runs waiting lines until one has to be waited for.
pub(super) fn run_next(model: &mut Model, effects: &mut Effects) {
    while !model.held && model.running.is_none() && model.dialog.is_none() && !model.queue.is_empty() {
        run_one(model, effects);
    }
}

/// Runs the first of the waiting lines.
fn run_one(model: &mut Model, effects: &mut Effects) {
    if model.running.is_some() || model.dialog.is_some() {
        return;
    }
    let Some(queued) = model.queue.pop_front() else { return };
    match model.settings.variables.parse(queued.text.as_bytes()) {
        Ok(None) => {}
        Ok(Some(parsed)) => begin(model, queued, parsed, effects),
        Err(error) => {
            let at = queued.source.as_ref().map(|place| format!("{place}: ")).unwrap_or_default();
            note(model, Tone::Bad, &format!("{at}{error}"));
            model.result.echo = queued.text;
            language::failed(model);
        }
    }
}

/// A parsed line: what changes the membership asks first, what is about the screen is done here, the rest runs.
fn begin(model: &mut Model, queued: Queued, line: Line, effects: &mut Effects) {
    if queued.source.is_none() && !line.command.is_about_session() && !assist::is_secret(&queued.text) {
        model.settings.typed.extend_from_slice(queued.text.as_bytes());
        model.settings.typed.push(b'\n');
    }
    match line.command {
        // Where nothing may be changed nothing is asked either: the session says no.
        Command::Operator(operator) if !model.read_only && dialogs::asks(&operator) => {
            dialogs::open_for(model, &operator, effects);
        }
        Command::Directive(directive) => language::begin(model, queued, directive, line.repeat, effects),
        command => start(model, queued, command, line.repeat, effects),
    }
}

/// Starts a command that needs no question, or one that a dialog has asked about.
pub(super) fn start(model: &mut Model, line: Queued, command: Command, repeat: u32, effects: &mut Effects) {
    let is_change = is_change(&command);
    let run = wait_for(model, line, is_change);
    effects.push(Effect::Run { run, command, repeat, formatter: model.settings.formatter() });
}

/// From now on something runs, under this number.
pub(super) fn wait_for(model: &mut Model, line: Queued, is_change: bool) -> u64 {
    let run = model.serial();
    model.running = Some(Running { run, line: line.text, since: model.now, is_change, source: line.source });
    model.dirty = true;
    run
}

/// It changes who is a member, and goes on without whoever asked for it.
pub(crate) fn is_change(command: &Command) -> bool {
    matches!(
        command,
        Command::Operator(Operator::Add { .. } | Operator::Remove { .. } | Operator::DrainProxy { .. })
    )
}

/// Shows what a command gave so far; it goes on.
pub(super) fn progress(model: &mut Model, progress: &Finished) {
    let Some(line) =
        model.running.as_ref().filter(|running| running.run == progress.run).map(|r| r.line.clone())
    else {
        return;
    };
    let top = model.result.top;
    show(model, progress, line);
    // Whoever has scrolled down in a watched reply stays there.
    model.result.top = top.min(model.result.rows.len().saturating_sub(1));
}

pub(super) fn finished(model: &mut Model, finished: &Finished, effects: &mut Effects) {
    let Some(running) = model.running.take_if(|running| running.run == finished.run) else { return };
    show(model, finished, running.line.clone());
    model.transcript.push(Entry {
        at: model.now,
        line: running.line,
        reply: finished.text.clone(),
        tone: model.result.tone,
        took_us: finished.took_us,
        via: finished.via.clone(),
    });
    if let (Some(place), false) = (&running.source, finished.ok) {
        model.result.meta = format!("{place}  {}", model.result.meta);
    }
    if model.panel == Panel::Result {
        model.panel = Panel::Nodes;
    }
    if !finished.ok {
        language::failed(model);
    }
    run_next(model, effects);
    // What it changed may be on the page.
    pages::refresh(model, effects);
}

fn show(model: &mut Model, finished: &Finished, line: String) {
    model.database = finished.database;
    let tone = if finished.ok { Tone::Good } else { Tone::Bad };
    let mut result = ResultArea::new(tone, &finished.text, model.theme.charset, model.size.0);
    result.echo = line;
    let took = if model.settings.timing { text::duration_us(finished.took_us) } else { String::new() };
    result.meta = [took.as_str(), finished.via.as_str()]
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join("  ");
    model.result = result;
    model.dirty = true;
}
