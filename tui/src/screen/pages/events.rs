//! Events: all of them as a table, and one with its whole text.

use redis_cluster::time::Millis;

use super::{
    Content, Kind, Known, Text,
    grid::{Cell, Column, Grid, Row, column},
    listing::Listing,
    plan::PlanPage,
};
use crate::{
    screen::{keymap::Context, text, theme::Role},
    session::view::{ClusterEvent, EventKind},
};

const COLUMNS: &[Column] = &[
    column("TIME", 12, false, 9),
    column("REVISION", 9, true, 4),
    column("KIND", 8, false, 8),
    column("WHAT", 400, false, 10),
];

/// How an event looks.
#[must_use]
pub fn role_of(kind: EventKind) -> Role {
    match kind {
        EventKind::Loss => Role::Bad,
        EventKind::Health | EventKind::Registry => Role::Warning,
        EventKind::Member | EventKind::Proxy | EventKind::Move | EventKind::Slots | EventKind::Plan => {
            Role::Text
        }
        EventKind::Audit => Role::Quiet,
    }
}

/// All events, newest first.
#[derive(Clone, Debug)]
pub struct EventsPage {
    events: Listing<ClusterEvent>,
    version: Option<u64>,
    preceding: usize,
    dropped: u64,
}

impl Default for EventsPage {
    fn default() -> Self {
        Self { events: Listing::new(COLUMNS), version: None, preceding: 0, dropped: 0 }
    }
}

impl Content for EventsPage {
    fn title(&self) -> String {
        "events".to_owned()
    }

    fn grid(&self) -> Option<&Grid> {
        Some(self.events.grid())
    }

    fn grid_mut(&mut self) -> Option<&mut Grid> {
        Some(self.events.grid_mut())
    }

    fn status(&self) -> String {
        let older = if self.dropped > 0 {
            format!(", {} older dropped", text::thousands(self.dropped))
        } else {
            String::new()
        };
        let before = match self.preceding {
            0 => String::new(),
            before => format!(", {} before (audit)", text::thousands(before as u64)),
        };
        let since = self.events.things().len().saturating_sub(self.preceding);
        format!("{} since this console began{before}{older}", text::thousands(since as u64))
    }

    fn know(&mut self, known: Known<'_>) {
        let log = &known.view.events;
        if self.version == Some(log.version()) {
            return;
        }
        let total = log.total() + log.preceding() as u64;
        self.version = Some(log.version());
        (self.dropped, self.preceding) = (log.dropped(), log.preceding());
        let rows = log.iter().rev().zip(0..).map(|(event, back)| {
            let number = total - 1 - back;
            let cells = vec![
                Cell::number(event.at as f64, text::moment(Millis(event.at), known.now)),
                event
                    .revision
                    .map(|revision| Cell::number(revision as f64, revision.to_string()))
                    .unwrap_or_default(),
                Cell::text(event.kind.word()),
                Cell::text(&event.text),
            ];
            let row = Row { role: role_of(event.kind), ..Row::new(number.to_string(), cells) };
            (event.clone(), row)
        });
        self.events.set(rows);
    }

    fn open(&mut self) -> Option<Kind> {
        self.events.selected().map(opened)
    }
}

/// What an event opens: the line of a plan has its moves behind it, any other one is shown whole.
#[must_use]
pub fn opened(event: &ClusterEvent) -> Kind {
    match event.plan {
        Some(plan) => Kind::Plan(PlanPage::new(plan)),
        None => Kind::Event(EventPage::new(event.clone())),
    }
}

/// One text as a page: an event, a slow command, a reply.
#[derive(Clone, Debug)]
pub struct EventPage {
    title: String,
    text: Text,
}

impl EventPage {
    /// An event.
    #[must_use]
    pub fn new(event: ClusterEvent) -> Self {
        let revision = event.revision.map(|revision| format!("  at revision {revision}")).unwrap_or_default();
        Self::of_text(
            format!("event of {}", text::clock(Millis(event.at))),
            vec![
                (Role::Quiet, format!("{}  {}{revision}", text::clock(Millis(event.at)), event.kind.word())),
                (Role::Text, String::new()),
                (role_of(event.kind), event.text),
            ],
        )
    }

    /// Any text.
    #[must_use]
    pub fn of_text(title: String, lines: Vec<(Role, String)>) -> Self {
        Self { title, text: Text { lines, top: 0 } }
    }
}

impl Content for EventPage {
    fn title(&self) -> String {
        self.title.clone()
    }

    fn context(&self) -> Context {
        Context::Text
    }

    fn text(&self) -> Option<&Text> {
        Some(&self.text)
    }

    fn text_mut(&mut self) -> Option<&mut Text> {
        Some(&mut self.text)
    }

    fn copied(&self) -> Option<String> {
        let lines = self.text.lines.iter().map(|(_, line)| line.as_str());
        Some(lines.collect::<Vec<_>>().join("\n"))
    }
}
