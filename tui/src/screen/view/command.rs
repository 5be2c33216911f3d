//! The command line with its hint, its result, and the footer of keys.

use ratatui::layout::Rect;

use super::{Painter, Style, painter::Piece};
use crate::assist;
use crate::screen::{
    keymap,
    model::{Focus, INTERRUPT_WINDOW_MS, Model, Panel, Tone},
    text,
    theme::Role,
    update::context,
};

/// Draws the line that is typed into; returns where the cursor stands.
pub(super) fn prompt(model: &Model, painter: &mut Painter<'_>, area: Rect) -> Option<(u16, u16)> {
    if area.is_empty() {
        return None;
    }
    let view = &model.shown;
    let searched = model.line.search.as_ref().filter(|_| model.focus == Focus::Line);
    let (prompt, input) = match (model.focus, searched) {
        (_, Some(search)) => ("search> ".to_owned(), &search.query),
        (Focus::Filter, _) => {
            let typed = model.pages.top().and_then(|page| page.kind.content().typing());
            let (prompt, input) = typed.unwrap_or(("filter> ", &model.nodes.filter));
            (prompt.to_owned(), input)
        }
        (Focus::Line | Focus::Nav, None) => {
            let name = if view.cluster.is_empty() { "redis" } else { &view.cluster };
            let database = match model.database {
                0 => String::new(),
                number => format!("[{number}]"),
            };
            (format!("{}{database}> ", text::shorten(name, 16)), &model.line.input)
        }
    };
    let mut prompt = painter.escape(&prompt);
    // Half of a narrow line is for typing.
    if text::width(&prompt) * 2 > usize::from(area.width) {
        prompt = "> ".to_owned();
    }
    let room = usize::from(area.width).saturating_sub(text::width(&prompt));
    // What is found needs room too.
    let room = if searched.is_some() { (room / 3).max(1) } else { room };
    let (shown, column) = window(painter, input.value(), input.cursor(), room);
    let found = match (searched, model.line.found()) {
        (None, _) => String::new(),
        (Some(search), None) if search.query.value().is_empty() => {
            "  type a part of an earlier line".to_owned()
        }
        (Some(_), None) => "  no line of the history contains that".to_owned(),
        (Some(_), Some(line)) => {
            format!("  {} {}", model.theme.charset.glyphs().arrow, painter.escape(line))
        }
    };
    let focus = if model.focus == Focus::Nav { Role::Quiet } else { Role::Text };
    let cursor = (area.x + text::cells(text::width(&prompt) + column), area.y);
    painter.line(area, 0, &[(Role::Prompt, prompt), (focus, shown), (Role::Quiet, found)]);
    (model.focus != Focus::Nav).then_some(cursor)
}

/// The part of a typed line around its cursor that fits, escaped, and the cursor's column in it.
pub(super) fn window(painter: &Painter<'_>, value: &str, cursor: usize, room: usize) -> (String, usize) {
    let split = value.char_indices().nth(cursor).map_or(value.len(), |(at, _)| at);
    let before = painter.escape(&value[..split]);
    let after = painter.escape(&value[split..]);
    let room = room.saturating_sub(1);
    let column = text::width(&before);
    if column <= room {
        return (format!("{before}{}", text::clip(&after, room + 1 - column)), column);
    }
    let kept = text::skip(&before, column - room);
    let column = text::width(kept);
    (format!("{kept}{}", text::clip(&after, room + 1 - column)), column)
}

/// What runs, or what the typed command wants.
pub(super) fn hint(model: &Model, painter: &mut Painter<'_>, area: Rect) {
    if area.is_empty() {
        return;
    }
    let indent = "        ".to_owned();
    if let Some(running) = &model.running {
        let age = text::age(model.now.0 - running.since.0);
        let line = painter.escape(&running.line);
        let stop = if running.is_change { "^c stops waiting, the cluster goes on" } else { "^c gives up" };
        let mut waiting = String::new();
        if !model.queue.is_empty() {
            waiting = format!("  {} more waiting", model.queue.len());
        }
        if let Some(transfer) = model.latest.transfer.as_ref().filter(|transfer| !transfer.ended) {
            let line = painter.escape(&transfer.line(model.now));
            let what = [(Role::Warning, format!("{indent}{line}{waiting}"))];
            return painter.line_with_end(area, 0, &what, &[(Role::Quiet, format!("{stop} "))]);
        }
        let line = text::shorten(&line, usize::from(area.width) / 2).into_owned();
        let what = [(Role::Warning, format!("{indent}running {line}  {age}{waiting}"))];
        return painter.line_with_end(area, 0, &what, &[(Role::Quiet, format!("{stop} "))]);
    }
    if model.held
        && let Some(next) = model.queue.front()
    {
        let count = model.queue.len();
        let lines = format!("{indent}{count} {} held back: ", text::plural(count, "line"));
        let room = usize::from(area.width).saturating_sub(text::width(&lines) + 30);
        let next = text::shorten(&painter.escape(&next.text), room).into_owned();
        let what = [(Role::Warning, lines), (Role::Text, next)];
        let enter = keymap::label(keymap::Action::Enter, context(model), model.theme.charset);
        let keys = format!("{enter} runs them, ^c drops them ");
        return painter.line_with_end(area, 0, &what, &[(Role::Quiet, keys)]);
    }
    if let Some(completion) = &model.line.completion {
        let mut line: Vec<Piece> = vec![(Role::Text, indent)];
        // The chosen one is always among those shown.
        let from = completion.at.saturating_sub(3);
        for (at, word) in completion.candidates.iter().enumerate().skip(from).take(32) {
            let role = if at == completion.at { Role::Selected } else { Role::Quiet };
            line.push((role, painter.escape(word)));
            line.push((Role::Text, "  ".to_owned()));
        }
        return painter.line(area, 0, &line);
    }
    let Some(hint) = assist::hint(model.line.input.value(), &model.latest) else { return };
    let mut end: Vec<Piece> = Vec::new();
    match &hint.problem {
        Some(problem) => end.push((Role::Warning, format!("{} ", painter.escape(problem)))),
        None if !hint.target.is_empty() => {
            let target = text::own(&hint.target, model.theme.charset);
            end.push((Role::Quiet, format!("{} ", painter.escape(&target))));
        }
        None => {}
    }
    // The target is worth more than the tail of a long syntax.
    let end_width: usize = end.iter().map(|(_, text)| text::width(text)).sum();
    let room = usize::from(area.width).saturating_sub(end_width + indent.len() + 2);
    let syntax = painter.escape(&hint.syntax);
    let syntax = if room >= 16 { text::shorten(&syntax, room).into_owned() } else { syntax };
    painter.line_with_end(area, 0, &[(Role::Text, indent), (Role::Quiet, syntax)], &end);
}

/// What the last command said, below what it was. While the next one runs this is the past, and looks like it.
pub(super) fn result(model: &Model, painter: &mut Painter<'_>, area: Rect, style: Style) {
    if area.is_empty() {
        return;
    }
    let result = &model.result;
    if let Some(running) = model.running.as_ref().filter(|_| style == Style::Compact) {
        let line = painter.escape(&running.line);
        let age = text::age(model.now.0 - running.since.0);
        return painter.line(area, 0, &[(Role::Warning, format!("{age} {line}"))]);
    }
    if result.rows.is_empty() {
        return;
    }
    let is_past = model.running.is_some();
    let role = match result.tone {
        _ if is_past => Role::Quiet,
        Tone::Note => Role::Quiet,
        Tone::Good => Role::Text,
        Tone::Bad => Role::Bad,
    };
    let has_echo = !result.echo.is_empty() && area.height > 1;
    let height = usize::from(area.height) - usize::from(has_echo);
    let top = result.top.min(result.rows.len().saturating_sub(height));
    let shown = &result.rows[top..result.rows.len().min(top + height)];
    let mut end = result.meta.clone();
    if shown.len() < result.rows.len() {
        let focus = if model.panel == Panel::Result { "[result] " } else { "" };
        end = format!(
            "{focus}{}-{} of {} lines, pgup/pgdn  {end}",
            top + 1,
            top + shown.len(),
            text::thousands(result.rows.len() as u64)
        );
    }
    let end = painter.escape(end.trim_end());
    let end = [(Role::Quiet, format!("  {end} "))];
    let mut rows: Vec<Vec<Piece>> = Vec::with_capacity(shown.len() + 1);
    if has_echo {
        let room = usize::from(area.width).saturating_sub(text::width(&end[0].1) + 3);
        let echo = painter.escape(&result.echo);
        let before = if is_past { "before: " } else { "" };
        let echo = text::shorten(&format!("{before}{echo}"), room).into_owned();
        rows.push(vec![(Role::Key, " > ".to_owned()), (Role::Quiet, echo)]);
    }
    rows.extend(shown.iter().map(|line| vec![(role, format!(" {line}"))]));
    for (row, line) in rows.iter().enumerate() {
        match row {
            0 => painter.line_with_end(area, 0, line, &end),
            _ => painter.line(area, text::cells(row), line),
        }
    }
}

/// The mode, and the keys of it that fit.
pub(super) fn footer(model: &Model, painter: &mut Painter<'_>, area: Rect) {
    if area.is_empty() {
        return;
    }
    let mode = match (model.help.is_some(), model.dialog.is_some(), model.focus) {
        (false, false, _) if model.palette.is_some() => "GO TO",
        (true, ..) => "HELP",
        (_, true, _) => "ASK",
        (.., Focus::Line) if model.line.search.is_some() => "SEARCH",
        (.., Focus::Line) => "CMD",
        (.., Focus::Nav) => "NAV",
        (.., Focus::Filter) => "FILTER",
    };
    let mut line: Vec<Piece> = vec![(Role::Title, format!(" [{mode}]"))];
    let mut used = mode.len() + 3;
    let mut push = |pieces: Vec<Piece>| {
        let width: usize = pieces.iter().map(|(_, text)| text::width(text)).sum();
        if used + width < usize::from(area.width) {
            used += width;
            line.extend(pieces);
        }
    };
    let leaving = model.interrupted_at.is_some_and(|at| model.now.0 - at.0 <= INTERRUPT_WINDOW_MS);
    if leaving {
        push(vec![(Role::Key, " ^c".to_owned()), (Role::Warning, " again leaves ".to_owned())]);
    }
    for (key, word) in keymap::hints(context(model), model.theme.charset) {
        push(vec![(Role::Key, format!(" {key}")), (Role::Quiet, format!(" {word} "))]);
    }
    painter.line(area, 0, &line);
}
