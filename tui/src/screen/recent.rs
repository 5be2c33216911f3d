//! What happened last on the screen, for the report of a crash: kinds of events and their numbers, no keys, no values, nothing typed.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

use redis_cluster::time::Millis;

use super::event::Event;

/// So many are kept.
const KEPT: usize = 200;

/// A panic may happen on any thread, so they are where all can reach them.
static LAST: Mutex<VecDeque<String>> = Mutex::new(VecDeque::new());

/// Takes note of an event.
pub(super) fn note(event: &Event, now: Millis) {
    let line = format!("{} {}", now.0, describe(event));
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    if last.len() == KEPT {
        last.pop_front();
    }
    last.push_back(line);
}

/// The last events, oldest first, a line each. Nothing if whoever panicked was just writing one.
pub(super) fn report() -> String {
    let Ok(last) = LAST.try_lock() else { return String::new() };
    last.iter().map(|line| format!("{line}\n")).collect()
}

fn describe(event: &Event) -> String {
    match event {
        Event::Clock(_) => "clock".to_owned(),
        // Which key may be a letter of a password.
        Event::Key(_) => "key".to_owned(),
        Event::Mouse(mouse, zone) => format!("mouse {mouse:?} at {zone:?}"),
        Event::Paste(text) => format!("paste of {} bytes", text.len()),
        Event::Resize(columns, rows) => format!("resize to {columns}x{rows}"),
        Event::Focus(ours) => format!("focus {ours}"),
        Event::View(view) => format!(
            "view: revision {}, {} nodes, {} proxies, {} events",
            view.registry.revision,
            view.nodes.len(),
            view.proxies.len(),
            view.events.total()
        ),
        Event::Progress(finished) => {
            format!("progress of run {}: {} bytes", finished.run, finished.text.len())
        }
        Event::Finished(finished) => format!(
            "run {} finished: ok {}, {} bytes, {} us",
            finished.run,
            finished.ok,
            finished.text.len(),
            finished.took_us
        ),
        Event::Sourced { run, result, .. } => format!("file of run {run} read: ok {}", result.is_ok()),
        Event::Probed { serial, result } => format!("probe {serial}: ok {}", result.is_ok()),
        Event::Previewed { serial, result } => format!("preview {serial}: ok {}", result.is_ok()),
        Event::Found { names, .. } => format!("{} names found", names.len()),
        Event::Answered { serial, result } => format!("answer {serial}: ok {}", result.is_ok()),
        Event::Monitored { node, heard } => format!("monitor of node {node}: ok {}", heard.is_ok()),
        Event::Interrupt => "interrupt".to_owned(),
        Event::Trouble(_) => "trouble".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

    use super::*;

    #[test]
    fn what_is_typed_stands_in_no_report() {
        note(&Event::Key(KeyEvent::new(KeyCode::Char('s'), KeyModifiers::NONE)), Millis(7));
        note(&Event::Paste("auth secret".to_owned()), Millis(8));
        let report = report();
        assert!(report.contains("7 key\n8 paste of 11 bytes\n") && !report.contains("secret"), "{report}");
    }
}
