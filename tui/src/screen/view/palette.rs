//! The palette, over the upper middle of the screen.

use ratatui::layout::Rect;

use super::{Painter, Zone, command::window, painter::Piece};
use crate::screen::{
    model::Model,
    palette::{Palette, choices, typed_line},
    text,
    theme::Role,
    update::page_context,
};

const WIDTH: u16 = 78;
const CHOICES: u16 = 12;

pub(super) fn draw(
    model: &Model,
    palette: &Palette,
    painter: &mut Painter<'_>,
    screen: Rect,
) -> Option<(u16, u16)> {
    let width = WIDTH.min(screen.width);
    let boxed = screen.width >= 60 && screen.height >= 12;
    let frame = if boxed { 2 } else { 1 };
    let height = (CHOICES + 1 + frame).min(screen.height);
    let area = Rect {
        x: screen.x + (screen.width - width) / 2,
        y: screen.y + (screen.height - height) / 4,
        width,
        height,
    };
    painter.clear(area);
    let title = [(Role::Title, " Go to, do, or :word ".to_owned())];
    let inner = painter.panel(area, boxed, &title, &[(Role::Quiet, " esc closes ".to_owned())]);
    let room = usize::from(inner.width).saturating_sub(3);
    let (shown, column) = window(painter, palette.input.value(), palette.input.cursor(), room);
    painter.line(inner, 0, &[(Role::Prompt, " : ".to_owned()), (Role::Text, shown)]);

    let choices = choices(palette.input.value(), page_context(model), model.theme.charset, &model.shown);
    let rows = usize::from(inner.height.saturating_sub(1));
    let top = palette.selected.saturating_sub(rows.saturating_sub(1));
    if let Some(line) = typed_line(palette.input.value()) {
        let said = vec![(Role::Quiet, " runs  ".to_owned()), (Role::Text, painter.escape(&line))];
        painter.line(inner, 1, &said);
    } else {
        if choices.is_empty() {
            painter.line(inner, 1, &[(Role::Quiet, " nothing is called that".to_owned())]);
        }
        for (row, (at, choice)) in choices.iter().enumerate().skip(top).take(rows).enumerate() {
            let name =
                text::left(&painter.escape(&text::own(&choice.name, model.theme.charset)), 34.min(room));
            let about = painter.escape(&text::own(&choice.about, model.theme.charset));
            let about = text::shorten(&about, room.saturating_sub(36)).into_owned();
            let line: Vec<Piece> = vec![(Role::Text, format!(" {name} ")), (Role::Quiet, about)];
            let row = text::cells(row) + 1;
            painter.line_with_end(inner, row, &line, &[(Role::Key, format!("{} ", choice.key))]);
            painter.zone(Rect { y: inner.y + row, height: 1, ..inner }, Zone::Choice(at));
            if at == palette.selected {
                painter.select(inner, row);
            }
        }
    }
    Some((inner.x + text::cells(3 + column), inner.y))
}
