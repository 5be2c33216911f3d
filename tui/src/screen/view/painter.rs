//! Drawing with clipping: nothing here can write outside its area, whatever the terminal's size.

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    text::{Line, Span},
    widgets::{Block, Clear, Widget},
};

use crate::screen::{
    dialog::Field,
    model::Panel,
    text,
    theme::{Role, Theme},
};

/// A piece of a line: a role and its text.
pub(super) type Piece = (Role, String);

/// What a part of the screen stands for, to the mouse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Zone {
    /// A panel of the overview.
    Panel(Panel),
    /// The n-th row of the table of nodes, of the plans, of the proxies; the n-th event from the newest.
    PanelRow(Panel, usize),
    /// The n-th row of the table of the page.
    Row(usize),
    /// A tab of the page.
    Tab(usize),
    /// A text field or button of the dialog.
    Field(Field),
    /// A choice of the palette.
    Choice(usize),
    /// The command line.
    Prompt,
    /// Covers what is below, and stands for nothing.
    Nothing,
}

/// Zones in the order in which they were drawn.
#[derive(Clone, Debug, Default)]
pub struct Hits(Vec<(Rect, Zone)>);

impl Hits {
    /// What is at a place.
    #[must_use]
    pub fn at(&self, column: u16, row: u16) -> Option<Zone> {
        self.0.iter().rev().find(|(area, _)| area.contains((column, row).into())).map(|(_, zone)| *zone)
    }
}

/// A buffer and the theme to draw on it with.
pub(super) struct Painter<'a> {
    pub(super) buffer: &'a mut Buffer,
    pub(super) theme: Theme,
    pub(super) hits: Hits,
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

    /// Says what an area stands for.
    pub(super) fn zone(&mut self, area: Rect, zone: Zone) {
        let area = area.intersection(self.buffer.area);
        if !area.is_empty() {
            self.hits.0.push((area, zone));
        }
    }

    /// Marks a whole row as the selected one.
    pub(super) fn select(&mut self, area: Rect, row: u16) {
        let row = Rect { y: area.y.saturating_add(row), height: u16::from(row < area.height), ..area };
        self.buffer.set_style(row, self.theme.selected_row());
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
        self.zone(area, Zone::Nothing);
        Clear.render(area, self.buffer);
        self.buffer.set_style(area, self.theme.style(Role::Text));
    }

    /// Text of the cluster or of the operator, made harmless.
    pub(super) fn escape(&self, text: &str) -> String {
        text::escape(text, self.theme.charset).into_owned()
    }
}
