//! The help, drawn from the key table: what is not in the table is not advertised.

use ratatui::layout::Rect;

use super::{Painter, painter::Piece};
use crate::screen::{
    keymap::{BINDINGS, Context, Group},
    model::Model,
    text,
    theme::Role,
    update::page_context,
};

/// Columns of one entry, the keys included.
const ENTRY: usize = 38;
const KEYS: usize = 13;

pub(super) fn draw(model: &Model, painter: &mut Painter<'_>, screen: Rect, top: usize) {
    let width = screen.width.min(120);
    let across = (usize::from(width).saturating_sub(4) / ENTRY).max(1);
    let columns = columns(model, across, page_context(model));
    let tallest = columns.iter().map(Vec::len).max().unwrap_or(0);
    let intro = [
        "only the keys under CHANGE change the cluster, and each of them asks first",
        "the mouse selects, opens and scrolls; with shift it selects text, as with --no-mouse",
    ];
    let height = u16::try_from(tallest + intro.len() + 3).unwrap_or(u16::MAX).min(screen.height);
    let area = Rect {
        x: screen.x + (screen.width - width) / 2,
        y: screen.y + (screen.height - height) / 2,
        width,
        height,
    };
    painter.clear(area);
    let boxed = screen.width >= 60;
    let of = model.pages.top().map_or("overview".to_owned(), |page| page.kind.content().title());
    let title = format!(" Help: {} ", painter.escape(&of));
    let end = [(Role::Quiet, " esc closes ".to_owned())];
    let inner = painter.panel(area, boxed, &[(Role::Title, title)], &end);

    let mut lines: Vec<Vec<Piece>> =
        intro.iter().map(|line| vec![(Role::Quiet, format!(" {line}"))]).collect();
    lines.push(Vec::new());
    for row in 0..tallest {
        let mut line: Vec<Piece> = vec![(Role::Text, " ".to_owned())];
        for column in &columns {
            match column.get(row) {
                Some(pieces) => line.extend(pieces.iter().cloned()),
                None => line.push((Role::Text, " ".repeat(ENTRY))),
            }
        }
        lines.push(line);
    }
    let room = usize::from(inner.height);
    let top = top.min(lines.len().saturating_sub(room));
    for (row, line) in lines.iter().skip(top).take(room).enumerate() {
        painter.line(inner, text::cells(row), line);
    }
    let hidden = lines.len().saturating_sub(top + room);
    if hidden > 0 && area.height > 1 {
        let more = format!(" {hidden} more lines, pgdn ");
        let bottom =
            Rect { y: area.bottom() - 1, height: 1, x: area.x + 1, width: area.width.saturating_sub(2) };
        painter.line(bottom, 0, &[(Role::Key, more)]);
    }
}

/// The entries as columns of about the same height; a group is never torn apart.
fn columns(model: &Model, across: usize, page: Context) -> Vec<Vec<Vec<Piece>>> {
    let charset = model.theme.charset;
    let contexts =
        [page, Context::Line, Context::EmptyLine, Context::Filter, Context::Dialog, Context::Search];
    let groups: Vec<Vec<Vec<Piece>>> = Group::ALL
        .iter()
        .map(|&group| {
            let mut lines = vec![vec![(Role::Title, text::left(group.title(), ENTRY))]];
            // Keys of the help itself are in its frame.
            let of_group = BINDINGS.iter().filter(|binding| {
                binding.group == group && contexts.iter().any(|&context| binding.applies(context))
            });
            for binding in of_group {
                lines.push(vec![
                    (Role::Key, text::left(&binding.label(charset), KEYS)),
                    (Role::Text, text::left(binding.help, ENTRY - KEYS)),
                ]);
            }
            lines.push(vec![(Role::Text, " ".repeat(ENTRY))]);
            lines
        })
        .collect();
    let mut columns: Vec<Vec<Vec<Piece>>> = vec![Vec::new(); across];
    // The longest group first, each to the shortest column.
    let mut order: Vec<usize> = (0..groups.len()).collect();
    order.sort_by_key(|&at| std::cmp::Reverse(groups[at].len()));
    for at in order {
        if let Some(column) = columns.iter_mut().min_by_key(|column| column.len()) {
            column.extend(groups[at].iter().cloned());
        }
    }
    columns
}
