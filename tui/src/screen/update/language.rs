//! `:words` on the screen: settings, files of lines, and lines that wait.

use std::path::{Path, PathBuf};

use super::{dialogs, line, note};
use crate::{
    format::{counted, harmless},
    language::{Command, Directive},
    screen::{
        event::{Effect, Effects},
        model::{Model, Tone},
        settings::{Place, Queued},
    },
    session::Status,
};

/// Files that may source one another.
const DEPTH_MAX: usize = 16;

/// Does what a word says, or starts it.
pub(super) fn begin(
    model: &mut Model,
    line: Queued,
    directive: Directive,
    repeat: u32,
    effects: &mut Effects,
) {
    if let Some(said) = model.settings.set(&directive) {
        return note(model, Tone::Good, &said);
    }
    match directive {
        Directive::Quit => dialogs::leave(model, Status::Done, effects),
        Directive::Exit(status) => effects.push(Effect::Quit(status.map_or(Status::Done, Status::Chosen))),
        Directive::Echo(words) => note(model, Tone::Note, &harmless::line(&words.join(&b' '))),
        Directive::Clear => {
            model.result = Default::default();
            model.dirty = true;
        }
        Directive::Source(path) => source(model, line, path, effects),
        Directive::SaveScript(path) => {
            let lines = model.settings.typed.clone();
            let run = line::wait_for(model, line, false);
            effects.push(Effect::SaveScript { run, path, lines });
        }
        other => line::start(model, line, Command::Directive(other), repeat, effects),
    }
}

fn source(model: &mut Model, line: Queued, path: PathBuf, effects: &mut Effects) {
    let depth = line.source.as_ref().map_or(0, |place| place.depth);
    if depth >= DEPTH_MAX {
        note(model, Tone::Bad, &format!("files source one another more than {DEPTH_MAX} deep"));
        return failed(model);
    }
    let run = line::wait_for(model, line, false);
    effects.push(Effect::Source { run, path });
}

/// Lines of a file come in front of whatever waits.
pub(super) fn sourced(
    model: &mut Model,
    run: u64,
    path: &Path,
    result: Result<Vec<(u64, String)>, String>,
    effects: &mut Effects,
) {
    let Some(running) = model.running.take_if(|running| running.run == run) else { return };
    model.dirty = true;
    match result {
        Ok(lines) => {
            let depth = running.source.map_or(0, |place| place.depth) + 1;
            for (number, text) in lines.into_iter().rev() {
                let source = Some(Place { path: path.to_owned(), line: number, depth });
                model.queue.push_front(Queued { text, source });
            }
        }
        Err(error) => {
            note(model, Tone::Bad, &error);
            failed(model);
        }
    }
    line::run_next(model, effects);
}

/// A line failed: after `:on-error stop` those behind it are not run.
pub(super) fn failed(model: &mut Model) {
    if model.settings.stop_on_error && !model.queue.is_empty() {
        let dropped = std::mem::take(&mut model.queue).len();
        let dropped = counted(dropped as u64, "waiting line");
        model.result.meta = format!("{dropped} dropped  {}", model.result.meta);
    }
}

/// Lines that were held back go on.
pub(super) fn release(model: &mut Model, effects: &mut Effects) {
    model.held = false;
    line::run_next(model, effects);
}

/// Lines that were held back are forgotten; true if there were any.
pub(super) fn drop_held(model: &mut Model) -> bool {
    if !std::mem::take(&mut model.held) || model.queue.is_empty() {
        return false;
    }
    let dropped = std::mem::take(&mut model.queue).len();
    note(model, Tone::Note, &format!("{} dropped", counted(dropped as u64, "waiting line")));
    true
}
