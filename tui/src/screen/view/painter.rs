//! Drawing with clipping: nothing here can write outside its area, whatever the terminal's size.

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    text::{Line, Span},
    widgets::{Block, Clear, Widget},
};

use crate::screen::{
    text,
    theme::{Role, Theme},
};

/// A piece of a line: a role and its text.
pub(super) type Piece = (Role, String);

/// A buffer and the theme to draw on it with.
pub(super) struct Painter<'a> {
    pub(super) buffer: &'a mut Buffer,
    pub(super) theme: Theme,
}

impl Painter<'_> {
    /// One line of text at a row of an area, clipped to it.
    pub(super) fn line(&mut self, area: Rect, row: u16, pieces: &[Piece]) {
        let y = area.y.saturating_add(row);
        if row >= area.height || !self.buffer.area.contains((area.x, y).into()) {
            return;
        }
        let spans: Vec<Span<'_>> =
            pieces.iter().map(|(role, text)| Span::styled(text.as_str(), self.theme.style(*role))).collect();
        let width = area.width.min(self.buffer.area.right().saturating_sub(area.x));
        self.buffer.set_line(area.x, y, &Line::from(spans), width);
    }

    /// The same with more text at the right end, if there is room for both.
    pub(super) fn line_with_end(&mut self, area: Rect, row: u16, pieces: &[Piece], end: &[Piece]) {
        self.line(area, row, pieces);
        let width_of = |pieces: &[Piece]| pieces.iter().map(|(_, text)| text::width(text)).sum::<usize>();
        let (start, wanted) = (width_of(pieces), width_of(end));
        let Some(at) = usize::from(area.width).checked_sub(wanted).filter(|&at| wanted > 0 && at >= start)
        else {
            return;
        };
        let at = text::cells(at);
        self.line(Rect { x: area.x + at, width: area.width - at, ..area }, row, end);
    }

    /// Reverses a whole row.
    pub(super) fn select(&mut self, area: Rect, row: u16) {
        let row = Rect { y: area.y.saturating_add(row), height: u16::from(row < area.height), ..area };
        self.buffer.set_style(row, self.theme.style(Role::Selected));
    }

    /// A panel's frame: a box, or a rule with the title in it. Returns what is inside.
    pub(super) fn panel(&mut self, area: Rect, boxed: bool, title: &[Piece], end: &[Piece]) -> Rect {
        let area = area.intersection(self.buffer.area);
        if area.is_empty() {
            return Rect::default();
        }
        let inner = if boxed {
            let block = Block::bordered()
                .border_set(self.theme.charset.border())
                .border_style(self.theme.style(Role::Frame));
            let inner = block.inner(area);
            block.render(area, self.buffer);
            inner
        } else {
            let rule = self.theme.charset.glyphs().rule.repeat(area.width.into());
            self.line(area, 0, &[(Role::Frame, rule)]);
            Rect { y: area.y + 1, height: area.height - 1, ..area }
        };
        let titles =
            Rect { x: area.x + 1, width: area.width.saturating_sub(2), height: 1, ..area }.intersection(area);
        self.line_with_end(titles, 0, title, end);
        inner
    }

    /// Wipes an area for something that covers what is below.
    pub(super) fn clear(&mut self, area: Rect) {
        let area = area.intersection(self.buffer.area);
        Clear.render(area, self.buffer);
        self.buffer.set_style(area, self.theme.style(Role::Text));
    }

    /// Text of the cluster or of the operator, made harmless.
    pub(super) fn escape(&self, text: &str) -> String {
        text::escape(text, self.theme.charset).into_owned()
    }
}
