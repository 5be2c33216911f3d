//! Pages: what ⏎ opens over the overview, one on top of the other, `esc` back to the one before.
//!
//! A page holds what it shows and says what it wants to know; it sends nothing and has no clock. The page on top asks, at
//! most [`ask::RATE`] commands a second; those below it wait. Not here: drawing (`view::pages`), keys (`update::pages`).

pub mod ask;
pub mod big;
pub mod events;
pub mod grid;
pub mod history;
pub mod keys;
pub mod listing;
pub mod monitor;
pub mod node;
pub mod plan;
pub mod proxy;
pub mod slots;
pub mod slowlog;
pub mod transcript;

use redis_cluster::{id::NodeId, protocol::Value, time::Millis};
use tui_input::Input;

use self::{
    ask::{Asks, Heard, Past, Question, Topic},
    big::BigPage,
    events::{EventPage, EventsPage},
    grid::Grid,
    history::{HistoryPage, PastPage},
    keys::{KeysPage, value::ValuePage},
    monitor::MonitorPage,
    node::NodePage,
    plan::PlanPage,
    proxy::ProxyPage,
    slots::SlotsPage,
    slowlog::SlowLogPage,
    transcript::{Transcript, TranscriptPage},
};
use super::{dialog::Change, keymap::Context, theme::Role};
use crate::session::ClusterView;

/// What a page needs from what is known to bring its rows up to date.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// The cluster.
    pub view: &'a ClusterView,
    /// What was typed and answered.
    pub transcript: &'a Transcript,
    /// The wall clock.
    pub now: Millis,
}

/// What the operator wants to change about what is selected; a dialog asks before anything happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Take it away: a key, an element, a client.
    Delete,
    /// Another value.
    Edit,
    /// Another time to live.
    Expire,
    /// Another name.
    Rename,
}

/// A switch of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// By what names are made a tree.
    Separator,
    /// Which type of keys is looked for.
    Type,
    /// Stop looking, or go on.
    More,
    /// How bytes are shown.
    Look,
}

/// What all pages have.
pub trait Content {
    /// For the first line: `node 4`.
    fn title(&self) -> String;
    /// Which keys apply: those of a table whose rows open, unless it has others.
    fn context(&self) -> Context {
        Context::Table
    }
    /// Names of its tabs, and which is shown.
    fn tabs(&self) -> Option<(&'static [&'static str], usize)> {
        None
    }
    /// Shows another tab.
    fn show_tab(&mut self, _tab: usize) {}
    /// The table that is shown.
    fn grid(&self) -> Option<&Grid> {
        None
    }
    /// The same, to change what is selected.
    fn grid_mut(&mut self) -> Option<&mut Grid> {
        None
    }
    /// The text that is shown.
    fn text(&self) -> Option<&Text> {
        None
    }
    /// The same, to scroll it.
    fn text_mut(&mut self) -> Option<&mut Text> {
        None
    }
    /// One line about what is shown: how much, how old, what is missing.
    fn status(&self) -> String {
        String::new()
    }
    /// What an empty table says.
    fn empty(&self) -> &'static str {
        "nothing yet"
    }
    /// What it wants to know, and how often, milliseconds.
    fn wants(&self, _view: &ClusterView) -> Vec<(Topic, i64)> {
        Vec::new()
    }
    /// How to ask about a topic; `None`: nobody can be asked.
    fn question(&self, _topic: &Topic) -> Option<Question> {
        None
    }
    /// An answer.
    fn take(&mut self, _topic: &Topic, _question: &Question, _replies: Vec<Value>, _now: Millis) {}
    /// What the registry knows of the past, to a question that asked for it.
    fn recall(&mut self, _past: Past) {}
    /// Something was changed, or the operator asked: what is known of what is shown may be out of date.
    fn refreshed(&mut self) {}
    /// What `/` types into, and the word before it: the filter of the table, unless the page looks for things itself.
    fn typed(&mut self) -> Option<(&'static str, &mut Input)> {
        self.grid_mut().map(|grid| ("filter> ", &mut grid.filter))
    }
    /// The same, to be drawn.
    fn typing(&self) -> Option<(&'static str, &Input)> {
        self.grid().map(|grid| ("filter> ", &grid.filter))
    }
    /// What is typed there was entered.
    fn entered(&mut self) {}
    /// Turns a switch of the page; true: what was asked before is of no use any more.
    fn turn(&mut self, _what: Turn) -> bool {
        false
    }
    /// Goes to the next window of what is shown, or back; true if there is one.
    fn neighbour(&mut self, _forward: bool) -> bool {
        false
    }
    /// The cluster or the transcript have changed.
    fn know(&mut self, _known: Known<'_>) {}
    /// What opens when the selected row is opened; a page that unfolds rows does that itself.
    fn open(&mut self) -> Option<Kind> {
        None
    }
    /// The dialog for a wish; `Err` says why there is none.
    ///
    /// # Errors
    /// For the operator.
    fn change(&self, _wish: Wish) -> Result<Change, String> {
        Err("nothing here can be changed".to_owned())
    }
    /// The selected thing as text for other programs.
    fn copied(&self) -> Option<String> {
        let row = self.grid()?.selected()?;
        Some(row.cells.iter().map(|cell| cell.text.as_str()).collect::<Vec<_>>().join("\t"))
    }
}

/// A text that is scrolled.
#[derive(Clone, Debug, Default)]
pub struct Text {
    /// Its lines, not escaped; long ones are folded when they are drawn.
    pub lines: Vec<(Role, String)>,
    /// Lines scrolled away at the top.
    pub top: usize,
}

impl Text {
    /// Scrolls, stopping at the ends.
    pub fn scroll(&mut self, rows: isize) {
        self.top = self.top.saturating_add_signed(rows).min(self.lines.len().saturating_sub(1));
    }
}

/// A page by what it is about.
#[derive(Clone, Debug)]
pub enum Kind {
    /// A node.
    Node(Box<NodePage>),
    /// A proxy.
    Proxy(ProxyPage),
    /// A plan and its moves.
    Plan(PlanPage),
    /// Keys.
    Keys(Box<KeysPage>),
    /// The value of a key.
    Value(Box<ValuePage>),
    /// Slots.
    Slots(Box<SlotsPage>),
    /// The biggest keys.
    Big(BigPage),
    /// What a node is asked.
    Monitor(Box<MonitorPage>),
    /// All events.
    Events(EventsPage),
    /// One event.
    Event(EventPage),
    /// The slow logs of all nodes.
    SlowLog(SlowLogPage),
    /// What was typed and answered.
    Transcript(TranscriptPage),
    /// Who did what, by revision.
    History(HistoryPage),
    /// The cluster as it was.
    Past(Box<PastPage>),
}

impl Kind {
    /// What it has in common with others.
    #[must_use]
    pub fn content(&self) -> &dyn Content {
        match self {
            Self::Node(page) => &**page,
            Self::Proxy(page) => page,
            Self::Plan(page) => page,
            Self::Keys(page) => &**page,
            Self::Value(page) => &**page,
            Self::Slots(page) => &**page,
            Self::Big(page) => page,
            Self::Monitor(page) => &**page,
            Self::Events(page) => page,
            Self::Event(page) => page,
            Self::SlowLog(page) => page,
            Self::Transcript(page) => page,
            Self::History(page) => page,
            Self::Past(page) => &**page,
        }
    }

    /// The same, to change it.
    pub fn content_mut(&mut self) -> &mut dyn Content {
        match self {
            Self::Node(page) => &mut **page,
            Self::Proxy(page) => page,
            Self::Plan(page) => page,
            Self::Keys(page) => &mut **page,
            Self::Value(page) => &mut **page,
            Self::Slots(page) => &mut **page,
            Self::Big(page) => page,
            Self::Monitor(page) => &mut **page,
            Self::Events(page) => page,
            Self::Event(page) => page,
            Self::SlowLog(page) => page,
            Self::Transcript(page) => page,
            Self::History(page) => page,
            Self::Past(page) => &mut **page,
        }
    }
}

/// A page and its questions.
#[derive(Clone, Debug)]
pub struct Page {
    /// What it is about.
    pub kind: Kind,
    /// When it asks.
    pub asks: Asks,
}

/// The open pages, the one on top last. Without one the overview is shown.
#[derive(Clone, Debug, Default)]
pub struct Pages {
    stack: Vec<Page>,
}

/// Pages that may lie on top of each other; opening more forgets the lowest.
const DEPTH_MAX: usize = 32;

impl Pages {
    /// The page that is shown.
    #[must_use]
    pub fn top(&self) -> Option<&Page> {
        self.stack.last()
    }

    /// The same, to change it.
    pub fn top_mut(&mut self) -> Option<&mut Page> {
        self.stack.last_mut()
    }

    /// All, the lowest first.
    pub fn iter(&self) -> impl Iterator<Item = &Page> {
        self.stack.iter()
    }

    /// Opens a page over the others.
    pub fn open(&mut self, kind: Kind, known: Known<'_>) {
        if self.stack.len() == DEPTH_MAX {
            self.stack.remove(0);
        }
        self.stack.push(Page { kind, asks: Asks::default() });
        self.know(known);
    }

    /// Closes the page on top; false: there is none.
    pub fn back(&mut self) -> bool {
        let closed = self.stack.pop().is_some();
        // What the one below knew is old.
        if let Some(page) = self.stack.last_mut() {
            page.asks.refresh();
        }
        closed
    }

    /// Closes all.
    pub fn close(&mut self) {
        self.stack.clear();
    }

    /// The cluster or the transcript have changed.
    pub fn know(&mut self, known: Known<'_>) {
        if let Some(page) = self.stack.last_mut() {
            page.kind.content_mut().know(known);
        }
    }

    /// Questions that are due, under numbers from `serial` on.
    pub fn due(&mut self, known: Known<'_>, mut serial: impl FnMut() -> u64) -> Vec<(u64, Question)> {
        let Some(page) = self.stack.last_mut() else { return Vec::new() };
        let content = page.kind.content();
        let mut questions = Vec::new();
        for (topic, _) in content.wants(known.view) {
            if page.asks.due_in(&topic, known.now) != Some(0) {
                continue;
            }
            let Some(question) = content.question(&topic).filter(|question| question.cost() > 0) else {
                continue;
            };
            let number = serial();
            page.asks.asked(topic, number, question.clone(), known.now);
            questions.push((number, question));
        }
        questions
    }

    /// Milliseconds until a question is due; `None`: none will be without an answer.
    #[must_use]
    pub fn due_in(&self, view: &ClusterView, now: Millis) -> Option<i64> {
        let page = self.stack.last()?;
        let wants = page.kind.content().wants(view);
        wants.iter().filter_map(|(topic, _)| page.asks.due_in(topic, now)).min()
    }

    /// An answer came: to whichever page asked.
    pub fn answered(
        &mut self,
        serial: u64,
        result: Result<Heard, String>,
        known: Known<'_>,
        slower: i64,
    ) -> bool {
        for page in self.stack.iter_mut().rev() {
            let every = |topic: &Topic| {
                let wants = page.kind.content().wants(known.view);
                wants.iter().find(|(wanted, _)| wanted == topic).map_or(0, |(_, every)| *every)
            };
            let Some(topic) = page.asks.topic_of(serial) else { continue };
            let every = every(&topic) * slower;
            let error = result.as_ref().err().map(String::as_str);
            // Whoever does not answer is not asked at the speed of a scan.
            let every = if error.is_some() { every.max(1_000) } else { every };
            let question = page.asks.answered(&topic, error, every, known.now);
            match (result, question) {
                (Ok(Heard::Replies(replies)), Some(question)) => {
                    page.kind.content_mut().take(&topic, &question, replies, known.now);
                }
                (Ok(Heard::Past(past)), Some(_)) => page.kind.content_mut().recall(past),
                // Nobody waits for it, or there is none.
                (Ok(_), None) | (Err(_), _) => {}
            }
            return true;
        }
        false
    }
}

/// Which page a digit opens, besides 1 for the overview. 0 is what was before.
#[must_use]
pub fn numbered(digit: u8, selected: Option<&NodeId>) -> Option<Kind> {
    Some(match digit {
        2 => Kind::Node(Box::new(NodePage::new(selected?.clone()))),
        3 => Kind::Keys(Box::default()),
        4 => Kind::Slots(Box::default()),
        7 => Kind::Monitor(Box::new(MonitorPage::new(selected?.clone()))),
        8 => Kind::Big(BigPage::default()),
        5 => Kind::Events(EventsPage::default()),
        6 => Kind::SlowLog(SlowLogPage::default()),
        9 => Kind::Transcript(TranscriptPage::default()),
        0 => Kind::History(HistoryPage::default()),
        _ => return None,
    })
}

/// `k=v` pairs of a line, as `CLIENT LIST` and `INFO` write them.
pub(super) fn pair<'a>(line: &'a str, separator: char, name: &str) -> Option<&'a str> {
    line.split(separator)
        .filter_map(|part| part.split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value)
}
