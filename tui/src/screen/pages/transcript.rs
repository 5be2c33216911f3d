//! What was typed here, what came back, how long that took and who answered.

use std::{collections::VecDeque, sync::Arc};

use redis_cluster::time::Millis;

use super::{
    Content, Kind, Known,
    events::EventPage,
    grid::{Cell, Column, Grid, Row, column},
    listing::Listing,
};
use crate::screen::{model::Tone, text, theme::Role};

/// Commands that are kept.
const ENTRIES_MAX: usize = 1_000;
/// Bytes of all replies that are kept.
const BYTES_MAX: usize = 4 << 20;

const COLUMNS: &[Column] = &[
    column("TIME", 9, false, 8),
    column("COMMAND", 48, false, 10),
    column("TOOK", 7, true, 6),
    column("BY", 10, false, 5),
    column("REPLY", 400, false, 9),
];

/// A command and its reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// When the reply came.
    pub at: Millis,
    /// As it was typed.
    pub line: String,
    /// What came back.
    pub reply: String,
    /// How it is meant.
    pub tone: Tone,
    /// Microseconds.
    pub took_us: u64,
    /// Who answered; empty: nobody was asked.
    pub via: String,
}

/// The last commands.
#[derive(Clone, Debug, Default)]
pub struct Transcript {
    entries: VecDeque<Arc<Entry>>,
    bytes: usize,
    total: u64,
}

impl Transcript {
    /// Adds one; the oldest are forgotten where there are too many or too much of them.
    pub fn push(&mut self, entry: Entry) {
        self.bytes += entry.reply.len() + entry.line.len();
        self.entries.push_back(Arc::new(entry));
        self.total += 1;
        while self.entries.len() > ENTRIES_MAX || (self.bytes > BYTES_MAX && self.entries.len() > 1) {
            let Some(oldest) = self.entries.pop_front() else { break };
            self.bytes -= oldest.reply.len() + oldest.line.len();
        }
    }

    /// The last one.
    #[must_use]
    pub fn last(&self) -> Option<&Entry> {
        self.entries.back().map(AsRef::as_ref)
    }

    /// How many are kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Nothing ran yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

/// The page: newest first.
#[derive(Clone, Debug)]
pub struct TranscriptPage {
    entries: Listing<Arc<Entry>>,
    total: Option<u64>,
}

impl Default for TranscriptPage {
    fn default() -> Self {
        Self { entries: Listing::new(COLUMNS), total: None }
    }
}

impl Content for TranscriptPage {
    fn title(&self) -> String {
        "transcript".to_owned()
    }

    fn grid(&self) -> Option<&Grid> {
        Some(self.entries.grid())
    }

    fn grid_mut(&mut self) -> Option<&mut Grid> {
        Some(self.entries.grid_mut())
    }

    fn empty(&self) -> &'static str {
        "nothing was run here yet"
    }

    fn know(&mut self, known: Known<'_>) {
        if self.total == Some(known.transcript.total) {
            return;
        }
        let total = known.transcript.total;
        self.total = Some(total);
        let rows = known.transcript.entries.iter().rev().zip(0..).map(|(entry, back)| {
            let lines = entry.reply.lines().count();
            let first = entry.reply.lines().next().unwrap_or_default();
            let reply = if lines > 1 { format!("{first} (+{} lines)", lines - 1) } else { first.to_owned() };
            let cells = vec![
                Cell::number(entry.at.0 as f64, text::clock(entry.at)),
                Cell::text(&entry.line),
                Cell::number(entry.took_us as f64, text::duration_us(entry.took_us)),
                Cell::text(&entry.via),
                Cell::text(reply),
            ];
            let role = if entry.tone == Tone::Bad { Role::Bad } else { Role::Text };
            (Arc::clone(entry), Row { role, ..Row::new((total - back).to_string(), cells) })
        });
        self.entries.set(rows);
    }

    fn open(&mut self) -> Option<Kind> {
        let entry = self.entries.selected()?;
        let role = if entry.tone == Tone::Bad { Role::Bad } else { Role::Text };
        let took = text::duration_us(entry.took_us);
        let mut lines = vec![
            (Role::Title, format!("> {}", entry.line)),
            (Role::Quiet, format!("{}  {took}  {}", text::clock(entry.at), entry.via)),
            (Role::Text, String::new()),
        ];
        lines.extend(entry.reply.lines().map(|line| (role, line.to_owned())));
        Some(Kind::Event(EventPage::of_text(format!("reply of {}", text::clock(entry.at)), lines)))
    }

    fn copied(&self) -> Option<String> {
        Some(self.entries.selected()?.reply.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{screen::pages::Pages, session::ClusterView};

    fn entry(line: &str, reply: &str) -> Entry {
        let (at, line, reply) = (Millis(0), line.to_owned(), reply.to_owned());
        Entry { at, line, reply, tone: Tone::Good, took_us: 800, via: "proxy p1".to_owned() }
    }

    #[test]
    fn the_newest_is_first_and_what_is_kept_is_bounded() {
        let mut transcript = Transcript::default();
        for at in 0..ENTRIES_MAX + 5 {
            transcript.push(entry(&format!("get {at}"), "one\ntwo"));
        }
        assert_eq!(transcript.len(), ENTRIES_MAX);
        let view = ClusterView::default();
        let mut pages = Pages::default();
        let known = Known { view: &view, transcript: &transcript, now: Millis(0) };
        pages.open(Kind::Transcript(TranscriptPage::default()), known);
        let page = pages.top_mut().unwrap().kind.content_mut();
        assert_eq!(page.grid().unwrap().selected().unwrap().cells[1].text, "get 1004");
        page.grid_mut().unwrap().select(2);
        assert_eq!(page.copied().as_deref(), Some("one\ntwo"));
        let Some(Kind::Event(opened)) = page.open() else { panic!("it opens") };
        assert_eq!(opened.text().unwrap().lines[0].1, "> get 1002");
        transcript.push(entry("big", &"x".repeat(BYTES_MAX)));
        assert_eq!((transcript.len(), transcript.last().unwrap().line.as_str()), (1, "big"));
    }
}
