//! The rows below the first one, there only while something is wrong.

use ratatui::layout::Rect;

use super::{Painter, Style, painter::Piece};
use crate::screen::{alarms::Alarm, text, theme::Role};

/// How many rows they get on a screen of so many.
pub(super) fn rows(alarms: &[Alarm], screen_rows: u16) -> u16 {
    let most = if screen_rows >= 30 { 3 } else { 1 };
    u16::try_from(alarms.len()).unwrap_or(u16::MAX).min(most)
}

pub(super) fn draw(alarms: &[Alarm], painter: &mut Painter<'_>, area: Rect, style: Style) {
    let glyphs = painter.theme.charset.glyphs();
    let width = usize::from(area.width);
    for (row, alarm) in (0..area.height).zip(alarms) {
        let more = alarms.len() - usize::from(area.height);
        let end = match more {
            0 => String::new(),
            more if row + 1 == area.height => format!(" +{more} "),
            _ => String::new(),
        };
        let room = width.saturating_sub(text::width(&end) + 3);
        let what = painter.escape(&alarm.text);
        let what = text::shorten(&what, room).into_owned();
        let left = room.saturating_sub(text::width(&what) + 3);
        let remedy = painter.escape(&alarm.remedy);
        let mut pieces: Vec<Piece> = vec![(Role::Bad, format!(" {} {what}", glyphs.warning))];
        // Whole or, where it is long, most of it: half a sentence helps nobody.
        if style != Style::Compact && left >= text::width(&remedy).min(24) {
            pieces.push((Role::Text, format!(" {} {}", glyphs.arrow, text::shorten(&remedy, left))));
        }
        painter.line_with_end(area, row, &pieces, &[(Role::Bad, end)]);
    }
}
