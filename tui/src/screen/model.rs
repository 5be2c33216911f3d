//! Everything the screen shows and remembers, as plain data. Changed only by `update`, read only by `view`.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use redis_cluster::{id::NodeId, slot::SLOTS, time::Millis};
use tui_input::Input;

use super::{
    aliases::Aliases,
    dialog::Dialog,
    nodes::NodeTable,
    pages::{Kind, Pages, transcript::Transcript},
    palette::Palette,
    settings::{Place, Queued, Settings},
    text,
    theme::{Charset, Theme},
};
use crate::session::view::{ClusterView, Health, PlanView};

/// Data this old is no longer called live: nodes are asked every second, and told of every half.
pub const STALE_AFTER_MS: i64 = 2_000;
/// A second interrupt within this time leaves.
pub const INTERRUPT_WINDOW_MS: i64 = 2_000;
/// Samples of a trend: one a second. A narrow screen shows the last [`TREND_SHORT`].
pub const TREND_SAMPLES: usize = 120;
/// Samples where there is little room.
pub const TREND_SHORT: usize = 30;
/// Readings that follow sooner are no sample of their own.
const SAMPLE_EVERY_MS: i64 = 700;
/// The same while nobody looks, and figures come seldom; also just after, until they have come again.
pub const STALE_UNFOCUSED_AFTER_MS: i64 = 9_000;
/// How long the figures need to come often again.
const REFOCUS_MS: i64 = 3_000;
/// How long the end of a plan is shown, milliseconds.
const ENDED_SHOWN_MS: i64 = 600_000;
/// Lines of a result that are kept for scrolling.
pub const RESULT_LINES_MAX: usize = 10_000;
/// Bytes of a result that are kept for scrolling.
pub const RESULT_BYTES_MAX: usize = 1 << 20;

/// The whole state.
#[derive(Clone, Debug)]
pub struct Model {
    /// Columns and rows of the terminal.
    pub size: (u16, u16),
    /// Characters and colours.
    pub theme: Theme,
    /// The wall clock as of the last event.
    pub now: Millis,
    /// The cluster lives in this process and ends with it.
    pub embedded: bool,
    /// Leaving is asked about while it holds keys.
    pub asks_to_leave: bool,
    /// What is shown.
    pub shown: Arc<ClusterView>,
    /// What came last; the same unless the screen is held still.
    pub latest: Arc<ClusterView>,
    /// When the first view came; `None`: nothing is known yet.
    pub first_view_at: Option<Millis>,
    /// The terminal says that somebody else has its keys.
    pub unfocused: bool,
    /// When it last said that they are ours again.
    pub refocused_at: Option<Millis>,
    /// Since when the screen is held still.
    pub frozen_at: Option<Millis>,
    /// Commands a second of the last polls, oldest first.
    pub trends: BTreeMap<NodeId, Trend>,
    /// The highest of all samples: what a full bar of a trend stands for.
    pub busiest: u64,
    /// Order, filter and selection of the nodes.
    pub nodes: NodeTable,
    /// Where keys go.
    pub focus: Focus,
    /// Which panel the moving keys act on.
    pub panel: Panel,
    /// The focused panel has the screen for itself.
    pub zoomed: bool,
    /// Pages that are open over the overview.
    pub pages: Pages,
    /// The open palette.
    pub palette: Option<Palette>,
    /// What was typed and what came back.
    pub transcript: Transcript,
    /// Keys of the operator's own.
    pub aliases: Aliases,
    /// Nothing may be changed from here.
    pub read_only: bool,
    /// Rows scrolled away at the newest end of the events.
    pub events_back: usize,
    /// The selected row of the proxies.
    pub proxies_at: usize,
    /// The selected row of the plans.
    pub plans_at: usize,
    /// What is being typed.
    pub line: CommandLine,
    /// What the last command said.
    pub result: ResultArea,
    /// The database that commands run in.
    pub database: u32,
    /// The command that runs.
    pub running: Option<Running>,
    /// Lines that wait for their turn.
    pub queue: VecDeque<Queued>,
    /// They wait until the operator says so: `^C` gave up what ran before them.
    pub held: bool,
    /// What `:words` have set.
    pub settings: Settings,
    /// An open dialog.
    pub dialog: Option<Dialog>,
    /// The help is open; lines scrolled away at its top.
    pub help: Option<usize>,
    /// When `^C` was last pressed without leaving.
    pub interrupted_at: Option<Millis>,
    /// The next number for a run or a probe.
    pub next_serial: u64,
    /// Something to draw has changed.
    pub dirty: bool,
}

/// Where keys go while no dialog is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Focus {
    /// Into the command line.
    Line,
    /// To the tables.
    Nav,
    /// Into the filter of the nodes.
    Filter,
}

/// A panel that rows can be scrolled in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Panel {
    /// Nodes.
    Nodes,
    /// Plans and moves.
    Moves,
    /// Proxies.
    Proxies,
    /// Events.
    Events,
    /// The last result.
    Result,
}

impl Panel {
    /// In the order of the tab key.
    pub const ALL: [Self; 5] = [Self::Nodes, Self::Moves, Self::Proxies, Self::Events, Self::Result];

    /// The next one, or the one before.
    #[must_use]
    pub fn neighbour(self, forward: bool) -> Self {
        let at = Self::ALL.iter().position(|&panel| panel == self).unwrap_or(0);
        let step = if forward { 1 } else { Self::ALL.len() - 1 };
        Self::ALL[(at + step) % Self::ALL.len()]
    }
}

/// The last samples of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trend {
    /// When the newest was read.
    pub read_at: Millis,
    /// Commands a second, oldest first; at most [`TREND_SAMPLES`].
    pub samples: VecDeque<u64>,
}

impl Trend {
    /// Adds a sample unless it was already there.
    pub fn push(&mut self, read_at: Millis, sample: u64) {
        // Two sources that are asked by turns do not make it run twice as fast.
        if read_at.0 - self.read_at.0 < SAMPLE_EVERY_MS {
            return;
        }
        self.read_at = read_at;
        self.samples.push_back(sample);
        while self.samples.len() > TREND_SAMPLES {
            self.samples.pop_front();
        }
    }
}

/// The command line: text, history, completion.
#[derive(Clone, Debug, Default)]
pub struct CommandLine {
    /// What is typed, and the cursor.
    pub input: Input,
    /// Lines that were run, oldest first.
    pub history: Vec<String>,
    /// Which of them is shown, while one is.
    pub history_at: Option<usize>,
    /// What was typed before the history was entered.
    pub draft: String,
    /// Candidates of the tab key, while it is pressed again and again.
    pub completion: Option<Completion>,
    /// The history is searched; what was typed before stays in `input`.
    pub search: Option<Search>,
}

impl CommandLine {
    /// The line that a search has found.
    #[must_use]
    pub fn found(&self) -> Option<&str> {
        let at = self.search.as_ref()?.found?;
        self.history.get(at).map(String::as_str)
    }
}

/// A search through the history.
#[derive(Clone, Debug, Default)]
pub struct Search {
    /// What a line has to contain.
    pub query: Input,
    /// The line that is shown, by its place in the history.
    pub found: Option<usize>,
}

/// Candidates for a word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completion {
    /// Text before the word.
    pub before: String,
    /// What could stand there.
    pub candidates: Vec<String>,
    /// Which one does.
    pub at: usize,
}

/// A command under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Running {
    /// Its number.
    pub run: u64,
    /// As it was typed.
    pub line: String,
    /// Since when.
    pub since: Millis,
    /// It changes the membership: the cluster goes on with it when nobody waits.
    pub is_change: bool,
    /// The line of a file that it is.
    pub source: Option<Place>,
}

/// How a result is meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tone {
    /// Neither.
    #[default]
    Note,
    /// It worked.
    Good,
    /// It did not.
    Bad,
}

/// The result of the last command, escaped.
#[derive(Clone, Debug, Default)]
pub struct ResultArea {
    /// Its lines.
    pub lines: Vec<String>,
    /// The same as rows that fit the screen.
    pub rows: Vec<String>,
    /// How it is meant.
    pub tone: Tone,
    /// How long it took and who answered.
    pub meta: String,
    /// Rows scrolled away at the top.
    pub top: usize,
    /// The line it answers.
    pub echo: String,
}

impl ResultArea {
    /// Text of several lines, for a screen of so many columns; escapes it.
    #[must_use]
    pub fn new(tone: Tone, text: &str, charset: Charset, columns: u16) -> Self {
        let text = text.strip_suffix('\n').unwrap_or(text);
        let kept = &text[..text.floor_char_boundary(RESULT_BYTES_MAX)];
        let mut lines: Vec<String> = kept
            .split('\n')
            .take(RESULT_LINES_MAX)
            .map(|line| text::escape(line.strip_suffix('\r').unwrap_or(line), charset).into_owned())
            .collect();
        let more = text.split('\n').count() - lines.len();
        if more > 0 || kept.len() < text.len() {
            let cut = match more {
                0 => format!("{} more", text::short_bytes((text.len() - kept.len()) as u64)),
                more => format!("{} more {}", text::thousands(more as u64), text::plural(more, "line")),
            };
            lines.push(format!("({cut}; one-shot or script mode prints everything)"));
        }
        let mut result = Self { lines, tone, ..Self::default() };
        result.wrap(columns);
        result
    }

    /// Fits it to a screen of so many columns.
    pub fn wrap(&mut self, columns: u16) {
        // A blank on either side.
        let room = usize::from(columns).saturating_sub(2).max(1);
        self.rows.clear();
        for line in &self.lines {
            let mut rest = line.as_str();
            loop {
                let row = match text::clip(rest, room) {
                    // Wider than the screen: cut when it is drawn.
                    "" => rest,
                    row if row.len() == rest.len() => row,
                    // Between words, unless that leaves much of the row empty.
                    row => match row.rfind(' ') {
                        Some(blank) if blank > room / 2 => &row[..=blank],
                        _ => row,
                    },
                };
                self.rows.push(row.to_owned());
                rest = &rest[row.len()..];
                if rest.is_empty() {
                    break;
                }
            }
        }
        self.top = self.top.min(self.rows.len().saturating_sub(1));
    }
}

/// How up to date the screen is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Liveness {
    /// Nothing has come yet.
    Connecting,
    /// The registry answers and is heard.
    Live,
    /// The registry has not answered for that long, milliseconds.
    Stale(i64),
    /// Held still by the operator at that time.
    Frozen(Millis),
}

impl Model {
    /// Before anything is known.
    #[must_use]
    pub fn new(size: (u16, u16), theme: Theme, now: Millis) -> Self {
        let view = Arc::new(ClusterView::default());
        Self {
            size,
            theme,
            now,
            embedded: false,
            asks_to_leave: false,
            shown: Arc::clone(&view),
            latest: view,
            first_view_at: None,
            unfocused: false,
            refocused_at: None,
            frozen_at: None,
            trends: BTreeMap::new(),
            busiest: 0,
            nodes: NodeTable::default(),
            focus: Focus::Line,
            panel: Panel::Nodes,
            zoomed: false,
            pages: Pages::default(),
            palette: None,
            transcript: Transcript::default(),
            aliases: Aliases::default(),
            read_only: false,
            events_back: 0,
            proxies_at: 0,
            plans_at: 0,
            line: CommandLine::default(),
            result: ResultArea::default(),
            database: 0,
            running: None,
            queue: VecDeque::new(),
            held: false,
            settings: Settings::default(),
            dialog: None,
            help: None,
            interrupted_at: None,
            next_serial: 1,
            dirty: true,
        }
    }

    /// How up to date the screen is.
    #[must_use]
    pub fn liveness(&self) -> Liveness {
        let registry = &self.shown.registry;
        if let Some(at) = self.frozen_at {
            return Liveness::Frozen(at);
        }
        if !self.shown.is_known() {
            return Liveness::Connecting;
        }
        match &registry.health {
            // While it answered, no news meant that nothing had changed.
            Health::Down { since, .. } => Liveness::Stale((self.now.0 - since.0).max(0)),
            _ => Liveness::Live,
        }
    }

    /// When the newest of what is shown was learnt.
    #[must_use]
    pub fn data_at(&self) -> Millis {
        let nodes = self.shown.nodes.values().map(|node| node.read_at);
        let proxies = self.shown.proxies.values().map(|proxy| proxy.read_at);
        nodes.chain(proxies).fold(self.shown.registry.heard_at, Ord::max)
    }

    /// The time that ages count from: the clock, unless the screen is held still.
    #[must_use]
    pub fn as_of(&self) -> Millis {
        self.frozen_at.unwrap_or(self.now)
    }

    /// Figures of this age are old, milliseconds.
    #[must_use]
    pub fn stale_after_ms(&self) -> i64 {
        let just_back = self.refocused_at.is_some_and(|at| self.now.0 - at.0 < REFOCUS_MS);
        if self.unfocused || just_back { STALE_UNFOCUSED_AFTER_MS } else { STALE_AFTER_MS }
    }

    /// How old figures are; `None` if there never were any.
    #[must_use]
    pub fn age_of(&self, read_at: Millis) -> Option<i64> {
        (read_at != Millis(0)).then(|| (self.as_of().0 - read_at.0).max(0))
    }

    /// A fresh number.
    pub fn serial(&mut self) -> u64 {
        let serial = self.next_serial;
        self.next_serial += 1;
        serial
    }

    /// Milliseconds after which time alone changes what is drawn; `None`: never, so no timer is needed.
    #[must_use]
    pub fn redraw_in_ms(&self) -> Option<i64> {
        // Ages are written in whole seconds.
        let second = 1_000;
        let stale_after = self.stale_after_ms();
        let says_how_long = matches!(self.liveness(), Liveness::Stale(_) | Liveness::Connecting);
        if self.running.is_some() || says_how_long {
            return Some(second);
        }
        if self.frozen_at.is_some() {
            return None;
        }
        let nodes = self.shown.nodes.values().map(|node| (node.read_at, node.error.is_some()));
        let proxies = self.shown.proxies.values().map(|proxy| (proxy.read_at, proxy.error.is_some()));
        nodes
            .chain(proxies)
            .filter_map(|(read_at, failed)| {
                let age = self.age_of(read_at)?;
                Some(if failed || age >= stale_after { second } else { stale_after - age })
            })
            .min()
    }

    /// The node that is to be listened to now.
    #[must_use]
    pub fn monitored(&self) -> Option<&NodeId> {
        match &self.pages.top()?.kind {
            Kind::Monitor(page) if page.listens() && self.frozen_at.is_none() => Some(&page.node),
            _ => None,
        }
    }

    /// Milliseconds until the page on top has a question; `None`: it has none, or waits for an answer.
    #[must_use]
    pub fn ask_in_ms(&self) -> Option<i64> {
        let asks = self.frozen_at.is_none();
        asks.then(|| self.pages.due_in(&self.shown, self.now)).flatten()
    }

    /// Plans worth showing: those under way, then those that ended a short time ago, newest first.
    #[must_use]
    pub fn plans_shown(&self) -> Vec<&PlanView> {
        let now = self.as_of();
        let (mut open, mut ended): (Vec<_>, Vec<_>) = self
            .shown
            .plans
            .iter()
            .filter(|plan| !plan.state.is_final() || now.0 - plan.changed_at.0 < ENDED_SHOWN_MS)
            .partition(|plan| !plan.state.is_final());
        ended.sort_by_key(|plan| std::cmp::Reverse(plan.changed_at));
        open.extend(ended.into_iter().take(2));
        open
    }

    /// Slots that some move has not handed over yet, of how many it moves.
    #[must_use]
    pub fn slots_moving(&self) -> usize {
        self.shown
            .moves()
            .iter()
            .flat_map(|one| &one.slots)
            .map(|range| range.count())
            .sum::<usize>()
            .min(SLOTS)
    }
}
