//! The command line: editing, history, completion, running what was typed, showing what came back.

use ratatui::crossterm::event::KeyEvent;
use tui_input::Input;

use super::{dialogs, navigation, note, search};
use crate::{
    assist,
    format::harmless,
    language::{self, Command, Directive, Operator, lines},
    screen::{
        dialog::{Dialog, Field},
        event::{Effect, Effects, Finished},
        keymap::Action,
        model::{Completion, Focus, Model, Panel, ResultArea, Running, Tone},
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
        Some(Action::Complete) => complete(model),
        Some(Action::HistoryBack) => history(model, true),
        Some(Action::HistoryForward) => history(model, false),
        Some(Action::PageDown) => navigation::scroll_result(model, 5),
        Some(Action::PageUp) => navigation::scroll_result(model, -5),
        Some(Action::Back) => model.focus = Focus::Nav,
        Some(Action::Search) => search::open(model),
        Some(Action::Filter) => model.focus = Focus::Filter,
        Some(Action::Help) => model.help = Some(0),
        Some(Action::Quit) => effects.push(Effect::Quit(Status::Done)),
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

fn complete(model: &mut Model) {
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
            let (before, candidates) = assist::complete(line.input.value(), &model.latest);
            if candidates.is_empty() {
                return;
            }
            Completion { before, candidates, at: 0 }
        }
    };
    let blank = if completion.candidates.len() == 1 { " " } else { "" };
    line.input = Input::new(format!("{}{}{blank}", completion.before, completion.candidates[completion.at]));
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
            Dialog::Remove(_) | Dialog::Paste(_) => None,
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
    lines::commands(&typed::bytes(&pasted)).into_iter().map(one_line).collect()
}

/// A command as text: one that is no UTF-8 or has line breaks is written with quotes.
fn one_line(command: &[u8]) -> String {
    String::from_utf8_lossy(&lines::on_one_line(command)).into_owned()
}

/// Runs what is typed, or puts it behind what runs.
pub(super) fn submit(model: &mut Model, effects: &mut Effects) {
    let text = one_line(&typed::bytes(model.line.input.value()));
    model.line.input.reset();
    model.line.history_at = None;
    if text.trim().is_empty() {
        return;
    }
    if model.line.history.last() != Some(&text) && !assist::is_secret(&text) {
        model.line.history.push(text.clone());
        effects.push(Effect::Remember(text.clone()));
    }
    model.queue.push_back(text);
    run_next(model, effects);
}

/// Runs waiting lines until one has to be waited for.
pub(super) fn run_next(model: &mut Model, effects: &mut Effects) {
    while model.running.is_none() && model.dialog.is_none() {
        let Some(text) = model.queue.pop_front() else { return };
        match language::parse_line(text.as_bytes()) {
            Ok(None) => {}
            Ok(Some(parsed)) => begin(model, text, parsed, effects),
            Err(error) => {
                note(model, Tone::Bad, &error.to_string());
                model.result.echo = text;
            }
        }
    }
}

/// A parsed line: what changes the membership asks first, what is about the screen is done here, the rest runs.
fn begin(model: &mut Model, text: String, line: language::Line, effects: &mut Effects) {
    match &line.command {
        Command::Operator(operator @ (Operator::Add { .. } | Operator::Remove { .. })) => {
            dialogs::open_for(model, operator, effects);
        }
        Command::Directive(Directive::Exit(status)) => {
            effects.push(Effect::Quit(status.map_or(Status::Done, Status::Chosen)));
        }
        Command::Directive(Directive::Echo(words)) => {
            note(model, Tone::Note, &harmless::line(&words.join(&b' ')));
        }
        _ => start(model, text, line.command, line.repeat, effects),
    }
}

/// Starts a command that needs no question, or one that a dialog has asked about.
pub(super) fn start(model: &mut Model, line: String, command: Command, repeat: u32, effects: &mut Effects) {
    let run = model.serial();
    let is_change = is_change(&command);
    model.running = Some(Running { run, line, since: model.now, is_change });
    model.dirty = true;
    effects.push(Effect::Run { run, command, repeat });
}

/// It changes who is a member.
pub(crate) fn is_change(command: &Command) -> bool {
    matches!(command, Command::Operator(Operator::Add { .. } | Operator::Remove { .. }))
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
    show(model, finished, running.line);
    if model.panel == Panel::Result {
        model.panel = Panel::Nodes;
    }
    run_next(model, effects);
}

fn show(model: &mut Model, finished: &Finished, line: String) {
    model.database = finished.database;
    let tone = if finished.ok { Tone::Good } else { Tone::Bad };
    let mut result = ResultArea::new(tone, &finished.text, model.theme.charset, model.size.0);
    result.echo = line;
    result.meta = match finished.via.as_str() {
        "" => text::duration_us(finished.took_us),
        via => format!("{}  {via}", text::duration_us(finished.took_us)),
    };
    model.result = result;
    model.dirty = true;
}
