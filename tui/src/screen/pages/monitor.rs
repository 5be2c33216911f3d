//! What a node is asked right now (`MONITOR`), and which keys that is about most. It costs the node, so it ends by itself.

use std::collections::{BTreeMap, VecDeque};

use redis_cluster::{id::NodeId, protocol::quote, time::Millis};

use super::{
    Content, Kind, Known, Turn,
    events::EventPage,
    grid::{Cell, Column, Grid, Row, column},
    keys,
};
use crate::{
    screen::{keymap::Context, text, theme::Role},
    session::keys_of,
};

/// Lines that are kept.
const KEPT: usize = 1_000;
/// Keys that are counted; of more than these the rare ones are forgotten.
const KEYS_MAX: usize = 20_000;
/// How long it listens before the operator is asked whether it shall go on.
const LISTENS_MS: i64 = 60_000;
const TABS: &[&str] = &["commands", "hot keys", "by kind"];

const LINES: &[Column] = &[
    column("TIME", 16, false, 8),
    column("DB", 3, true, 3),
    column("CLIENT", 22, false, 5),
    column("COMMAND", 400, false, 10),
];
const COUNTS: &[Column] =
    &[column("TIMES", 10, true, 10), column("SHARE", 6, true, 8), column("WHAT", 300, false, 9)];

/// The page.
#[derive(Clone, Debug)]
pub struct MonitorPage {
    /// Which node is listened to.
    pub node: NodeId,
    tab: usize,
    began_at: Option<Millis>,
    is_stopped: bool,
    seen: u64,
    skipped: u64,
    trouble: Option<String>,
    lines: VecDeque<(u64, String)>,
    keys: BTreeMap<Vec<u8>, u64>,
    kinds: BTreeMap<Vec<u8>, u64>,
    grid: Grid,
    counts: Grid,
}

impl MonitorPage {
    /// Begins to listen.
    #[must_use]
    pub fn new(node: NodeId) -> Self {
        Self {
            node,
            tab: 0,
            began_at: None,
            is_stopped: false,
            seen: 0,
            skipped: 0,
            trouble: None,
            lines: VecDeque::new(),
            keys: BTreeMap::new(),
            kinds: BTreeMap::new(),
            grid: Grid::new(LINES),
            counts: Grid::new(COUNTS).sorted_by(0),
        }
    }

    /// It wants to hear more.
    #[must_use]
    pub fn listens(&self) -> bool {
        !self.is_stopped && self.trouble.is_none()
    }

    /// Lines came, and how many more were skipped; or why there will be none.
    pub fn heard(&mut self, heard: Result<(Vec<String>, u64), String>, now: Millis) {
        let (lines, skipped) = match heard {
            Ok(heard) => heard,
            Err(error) => {
                self.trouble = Some(error);
                return;
            }
        };
        let began_at = *self.began_at.get_or_insert(now);
        self.skipped += skipped;
        for line in lines {
            self.seen += 1;
            if let Some((_, words)) = parsed(&line) {
                for key in keys_of(&words) {
                    *self.keys.entry(key).or_default() += 1;
                }
                if let Some(name) = words.first() {
                    *self.kinds.entry(name.to_ascii_uppercase()).or_default() += 1;
                }
            }
            self.lines.push_back((self.seen, line));
        }
        while self.lines.len() > KEPT {
            self.lines.pop_front();
        }
        while self.keys.len() > KEYS_MAX {
            let rare = self.keys.values().copied().min().unwrap_or(0);
            self.keys.retain(|_, count| *count > rare);
        }
        self.is_stopped |= now.0 - began_at.0 >= LISTENS_MS;
        self.arrange();
    }

    fn arrange(&mut self) {
        if self.tab > 0 {
            let counts = if self.tab == 1 { &self.keys } else { &self.kinds };
            let all: u64 = counts.values().sum();
            let rows = counts.iter().map(|(name, &count)| {
                let share = count as f64 * 100.0 / all.max(1) as f64;
                let cells = vec![
                    Cell::number(count as f64, text::thousands(count)),
                    Cell::number(share, format!("{share:.1}%")),
                    Cell::text(keys::name(name)),
                ];
                Row::new(name.clone(), cells)
            });
            return self.counts.set(rows.collect());
        }
        let rows = self.lines.iter().rev().map(|(number, line)| {
            let cells = match parsed(line) {
                Some(([time, database, client], words)) => {
                    let seconds = time.parse::<f64>().unwrap_or(0.0);
                    let fraction = time.split_once('.').map_or("", |(_, fraction)| fraction);
                    let at = text::clock(Millis(text::whole(seconds * 1000.0).cast_signed()));
                    let at = format!("{}.{fraction}", at.trim_end_matches('Z'));
                    vec![
                        Cell::text(at),
                        Cell::text(database),
                        Cell::text(client),
                        Cell::text(crate::language::quote_words(&words)),
                    ]
                }
                None => vec![Cell::default(), Cell::default(), Cell::default(), Cell::text(line)],
            };
            Row::new(number.to_string(), cells)
        });
        self.grid.set(rows.collect());
    }
}

/// `1700000000.123456 [0 127.0.0.1:5000] "get" "a"`: time, database, client; and the words.
fn parsed(line: &str) -> Option<([&str; 3], Vec<Vec<u8>>)> {
    let (time, rest) = line.split_once(" [")?;
    let (source, command) = rest.split_once("] ")?;
    let (database, client) = source.split_once(' ')?;
    Some(([time, database, client], quote::split(command.as_bytes()).ok()?))
}

impl Content for MonitorPage {
    fn title(&self) -> String {
        format!("monitor of node {}", self.node)
    }

    fn context(&self) -> Context {
        Context::Monitor
    }

    fn tabs(&self) -> Option<(&'static [&'static str], usize)> {
        Some((TABS, self.tab))
    }

    fn show_tab(&mut self, tab: usize) {
        self.tab = tab % TABS.len();
        self.arrange();
    }

    fn grid(&self) -> Option<&Grid> {
        Some(if self.tab == 0 { &self.grid } else { &self.counts })
    }

    fn grid_mut(&mut self) -> Option<&mut Grid> {
        Some(if self.tab == 0 { &mut self.grid } else { &mut self.counts })
    }

    fn empty(&self) -> &'static str {
        "nobody asks it anything"
    }

    fn status(&self) -> String {
        if let Some(error) = &self.trouble {
            return format!("no more: {error}  n tries again");
        }
        let skipped = match self.skipped {
            0 => String::new(),
            skipped => format!(", {} more skipped", text::thousands(skipped)),
        };
        let how = match (self.is_stopped, self.began_at) {
            (true, _) => "held: n goes on",
            (false, None) => "connecting",
            (false, Some(_)) => "listening, a minute at most",
        };
        format!("{} heard{skipped}  {how}", text::thousands(self.seen))
    }

    fn know(&mut self, _known: Known<'_>) {}

    fn turn(&mut self, what: Turn) -> bool {
        if what == Turn::More {
            let listened = self.listens();
            (self.is_stopped, self.began_at, self.trouble) = (listened, None, None);
        }
        false
    }

    fn open(&mut self) -> Option<Kind> {
        match self.tab {
            0 => {
                let number: u64 = std::str::from_utf8(&self.grid.selected()?.id).ok()?.parse().ok()?;
                let (_, line) = self.lines.iter().find(|(at, _)| *at == number)?;
                let lines = vec![(Role::Text, line.clone())];
                Some(Kind::Event(EventPage::of_text("a command".to_owned(), lines)))
            }
            1 => Some(Kind::Value(Box::new(keys::value::ValuePage::new(self.counts.selected()?.id.clone())))),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_listed_their_keys_counted_and_it_ends_by_itself() {
        let mut page = MonitorPage::new("1".parse().unwrap());
        let line = |command: &str| format!("1700000000.000001 [0 127.0.0.1:5000] {command}");
        let lines = ["\"get\" \"a\"", "\"mset\" \"a\" \"1\" \"b c\" \"2\"", "\"ping\""].map(line);
        page.heard(Ok((lines.to_vec(), 7)), Millis(1_000));
        let first =
            page.grid.selected().unwrap().cells.iter().map(|cell| cell.text.clone()).collect::<Vec<_>>();
        assert_eq!(first, ["22:13:20.000001", "0", "127.0.0.1:5000", "ping"]);
        assert_eq!(page.status(), "3 heard, 7 more skipped  listening, a minute at most");
        page.show_tab(1);
        let hot: Vec<String> = page.counts.shown(0, 9).map(|row| row.cells[2].text.clone()).collect();
        assert_eq!(hot, ["a", "b c"]);
        page.heard(Ok((Vec::new(), 0)), Millis(1_000 + LISTENS_MS));
        assert!(!page.listens());
        page.turn(Turn::More);
        assert!(page.listens());
        page.heard(Err("closed".to_owned()), Millis(200_000));
        assert!(!page.listens() && page.status().contains("closed"));
        for number in 0..KEPT + 9 {
            page.heard(Ok((vec![line(&format!("\"get\" \"{number}\""))], 0)), Millis(300_000));
        }
        assert_eq!(page.lines.len(), KEPT);
    }
}
