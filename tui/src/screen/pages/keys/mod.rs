//! The key browser: keys as a tree, found by `SCAN` and nothing else, and what is known of those on the screen.
//!
//! It works in the database that commands run in, through a proxy. Values are `value`.

mod facts;
mod shown;
mod tree;
pub mod value;

use std::collections::{BTreeMap, BTreeSet};

use redis_cluster::{protocol::Value, slot::SlotId, time::Millis};
use tui_input::Input;

use self::{facts::Facts, tree::Row as TreeRow, value::ValuePage};
use super::{
    Content, Kind, Known, Wish,
    ask::{Question, Topic, command},
    grid::{Cell, Column, Grid, Row, column},
};
use crate::{
    screen::{dialog::Change, keymap::Context, text, theme::Role},
    session::{ClusterView, Target},
};

/// Names that are kept: enough to browse, little enough to hold.
const KEYS_MAX: usize = 100_000;
/// Keys that the cluster looks at for one `SCAN`.
const COUNT: &str = "1000";
/// Between two `SCAN`s, besides what the rate allows.
const SCAN_EVERY_MS: i64 = 20;
const COUNT_EVERY_MS: i64 = 10_000;
/// Rows around the selected one that are asked about.
const ROWS: usize = 48;
/// Of these so many at once.
const AT_ONCE: usize = 8;
const SEPARATORS: &[u8] = b":/.|-_";
const TYPES: &[&str] = &["any", "string", "hash", "list", "set", "zset", "stream"];

const COLUMNS: &[Column] = &[
    column("KEY", 90, false, 10),
    column("TYPE", 8, false, 9),
    column("TTL", 7, true, 8),
    column("SIZE", 7, true, 7),
    column("ENCODING", 10, false, 4),
];

/// The page.
#[derive(Clone, Debug)]
pub struct KeysPage {
    pattern: Input,
    kind: usize,
    separator: u8,
    keys: Vec<Vec<u8>>,
    facts: BTreeMap<Vec<u8>, Facts>,
    open: BTreeSet<Vec<u8>>,
    cursor: Option<Vec<u8>>,
    is_paused: bool,
    scans: u64,
    total: Option<u64>,
    /// Only keys of this slot.
    slot: Option<SlotId>,
    now: Millis,
    grid: Grid,
}

impl Default for KeysPage {
    fn default() -> Self {
        Self {
            pattern: Input::default(),
            kind: 0,
            separator: SEPARATORS[0],
            keys: Vec::new(),
            facts: BTreeMap::new(),
            open: BTreeSet::new(),
            cursor: Some(b"0".to_vec()),
            is_paused: false,
            scans: 0,
            total: None,
            slot: None,
            now: Millis(0),
            grid: Grid::new(COLUMNS),
        }
    }
}

/// A row's id: a branch and a key may have the same name.
const BRANCH: u8 = 1;
const KEY: u8 = 0;

fn id_of(kind: u8, name: &[u8]) -> Vec<u8> {
    let mut id = vec![kind];
    id.extend_from_slice(name);
    id
}

/// A name as tables show it: text where it is text.
pub(in crate::screen) fn name(key: &[u8]) -> String {
    String::from_utf8(key.to_vec()).unwrap_or_else(|_| redis_cluster::protocol::quote::repr(key))
}

impl KeysPage {
    /// Only keys of one slot.
    #[must_use]
    pub fn of_slot(slot: SlotId) -> Self {
        Self { slot: Some(slot), ..Self::default() }
    }

    /// Begins to look anew: what is looked for has changed.
    fn restart(&mut self) {
        self.keys.clear();
        self.facts.clear();
        (self.cursor, self.is_paused, self.scans) = (Some(b"0".to_vec()), false, 0);
        self.arrange();
    }

    /// What `MATCH` gets: a part of a name unless it is a pattern already.
    fn matches(&self) -> Option<Vec<u8>> {
        let typed = crate::typed::bytes(self.pattern.value());
        if typed.is_empty() {
            return None;
        }
        let is_pattern = typed.iter().any(|byte| b"*?[".contains(byte));
        Some(if is_pattern { typed.to_vec() } else { [b"*", &*typed, b"*"].concat() })
    }

    fn arrange(&mut self) {
        let rows = tree::rows(&self.keys, &self.open, self.separator)
            .into_iter()
            .map(|row| match row {
                TreeRow::Branch { prefix, depth, keys, is_open } => {
                    let sign = if is_open { "-" } else { "+" };
                    let cells = vec![
                        Cell::text(format!("{}{sign} {}", "  ".repeat(depth), name(prefix))),
                        Cell::default(),
                        Cell::default(),
                        Cell::number(keys as f64, text::short_count(keys as u64)),
                        Cell::text("keys"),
                    ];
                    Row { role: Role::Title, ..Row::new(id_of(BRANCH, prefix), cells) }
                }
                TreeRow::Leaf { key, depth } => {
                    let mut cells = vec![Cell::text(format!("{}  {}", "  ".repeat(depth), name(key)))];
                    cells.extend(self.facts.get(key).map(Facts::cells).unwrap_or_default());
                    Row::new(id_of(KEY, key), cells)
                }
            })
            .collect();
        self.grid.set(rows);
    }

    fn selected(&self) -> Option<(u8, &[u8])> {
        let (kind, name) = self.grid.selected()?.id.split_first()?;
        Some((*kind, name))
    }

    /// Keys on the screen of which nothing is known, then those of which it was told too long ago.
    fn unknown(&self) -> Vec<&[u8]> {
        let shown = || {
            let rows = self.grid.shown(self.grid.top(ROWS), ROWS).filter_map(|row| row.id.split_first());
            rows.filter(|(kind, _)| **kind == KEY).map(|(_, key)| key)
        };
        let is_old = |key: &&[u8]| self.facts.get(*key).is_some_and(|facts| facts.is_old(self.now));
        let unknown = shown().filter(|key| !self.facts.contains_key(*key));
        unknown.chain(shown().filter(is_old)).take(AT_ONCE).collect()
    }

    fn scanned(&mut self, reply: &Value) {
        let Value::Array(parts) = reply else { return };
        let [next, Value::Array(names)] = parts.as_slice() else { return };
        self.scans += 1;
        let found = names.iter().filter_map(Value::as_bytes);
        let found = found.filter(|key| self.slot.is_none_or(|slot| SlotId::of_key(key) == slot));
        self.keys.extend(found.map(<[u8]>::to_vec));
        self.keys.sort_unstable();
        self.keys.dedup();
        self.cursor = next.as_bytes().filter(|cursor| *cursor != b"0").map(<[u8]>::to_vec);
        if self.keys.len() >= KEYS_MAX {
            self.is_paused = true;
            self.keys.truncate(KEYS_MAX);
        }
        self.arrange();
    }
}

impl Content for KeysPage {
    fn title(&self) -> String {
        self.slot.map_or_else(|| "keys".to_owned(), |slot| format!("keys of slot {slot}"))
    }

    fn context(&self) -> Context {
        Context::Keys
    }

    fn grid(&self) -> Option<&Grid> {
        Some(&self.grid)
    }

    fn grid_mut(&mut self) -> Option<&mut Grid> {
        Some(&mut self.grid)
    }

    fn empty(&self) -> &'static str {
        if self.cursor.is_some() && !self.is_paused { "looking for keys" } else { "no key is called that" }
    }

    fn typed(&mut self) -> Option<(&'static str, &mut Input)> {
        Some(("match> ", &mut self.pattern))
    }

    fn typing(&self) -> Option<(&'static str, &Input)> {
        Some(("match> ", &self.pattern))
    }

    fn entered(&mut self) {
        self.restart();
    }

    fn status(&self) -> String {
        let looked = self.scans.saturating_mul(1_000);
        let of = match (self.cursor.is_none(), self.total) {
            (true, _) => "all looked at".to_owned(),
            (false, Some(total)) => {
                format!("looked at {} of {}", text::short_count(looked.min(total)), text::short_count(total))
            }
            (false, None) => "looking".to_owned(),
        };
        let paused = if self.is_paused { ", held: n goes on" } else { "" };
        let pattern = self.matches().map(|pattern| format!("match {}  ", name(&pattern))).unwrap_or_default();
        let kind = if self.kind > 0 { format!("type {}  ", TYPES[self.kind]) } else { String::new() };
        let found = text::thousands(self.keys.len() as u64);
        format!("{pattern}{kind}{found} found, {of}{paused}  tree by {}", char::from(self.separator))
    }

    fn wants(&self, _view: &ClusterView) -> Vec<(Topic, i64)> {
        let mut wants = vec![(Topic::Details, 0)];
        if self.cursor.is_some() && !self.is_paused {
            wants.push((Topic::Scan, SCAN_EVERY_MS));
        }
        wants.push((Topic::Count, COUNT_EVERY_MS));
        wants
    }

    fn question(&self, topic: &Topic) -> Option<Question> {
        let commands = match topic {
            Topic::Scan => {
                let mut scan = vec![b"SCAN".to_vec(), self.cursor.clone()?];
                if let Some(pattern) = self.matches() {
                    scan.extend([b"MATCH".to_vec(), pattern]);
                }
                scan.extend(command(&["COUNT", COUNT]));
                if self.kind > 0 {
                    scan.extend(command(&["TYPE", TYPES[self.kind]]));
                }
                vec![scan]
            }
            Topic::Details => self.unknown().into_iter().flat_map(Facts::questions).collect(),
            Topic::Count => vec![command(&["DBSIZE"])],
            _ => return None,
        };
        Some(Question::of(Target::Cluster, commands))
    }

    fn take(&mut self, topic: &Topic, question: &Question, replies: Vec<Value>, now: Millis) {
        match topic {
            Topic::Scan => {
                if let Some(reply) = replies.first() {
                    self.scanned(reply);
                }
            }
            Topic::Count => self.total = replies.first().and_then(Value::as_i64).map(i64::unsigned_abs),
            Topic::Details => {
                for (asked, told) in
                    question.commands().chunks(Facts::COMMANDS).zip(replies.chunks(Facts::COMMANDS))
                {
                    let Some(key) = asked.first().and_then(|command| command.last()) else { continue };
                    match Facts::of(told, now) {
                        Some(facts) => drop(self.facts.insert(key.clone(), facts)),
                        // It is gone meanwhile.
                        None => self.keys.retain(|other| other != key),
                    }
                }
                self.arrange();
            }
            _ => {}
        }
    }

    fn know(&mut self, known: Known<'_>) {
        self.now = known.now;
    }

    fn refreshed(&mut self) {
        self.facts.clear();
    }

    fn open(&mut self) -> Option<Kind> {
        let (kind, name) = self.selected()?;
        let name = name.to_vec();
        if kind == KEY {
            return Some(Kind::Value(Box::new(ValuePage::new(name))));
        }
        if !self.open.remove(&name) {
            self.open.insert(name);
        }
        self.arrange();
        None
    }

    fn turn(&mut self, what: super::Turn) -> bool {
        match what {
            super::Turn::Separator => {
                let at = SEPARATORS.iter().position(|&byte| byte == self.separator).unwrap_or(0);
                self.separator = SEPARATORS[(at + 1) % SEPARATORS.len()];
                self.arrange();
                false
            }
            super::Turn::Type => {
                self.kind = (self.kind + 1) % TYPES.len();
                self.restart();
                true
            }
            super::Turn::More => {
                // Those that are kept make room for others.
                if self.is_paused && self.keys.len() >= KEYS_MAX {
                    self.keys.clear();
                    self.facts.clear();
                }
                self.is_paused = !self.is_paused;
                self.arrange();
                false
            }
            super::Turn::Look => false,
        }
    }

    fn change(&self, wish: Wish) -> Result<Change, String> {
        match self.selected() {
            Some((KEY, key)) => match wish {
                Wish::Edit => Err("enter opens the key; E changes what is selected there".to_owned()),
                wish => Ok(facts::change(key, self.facts.get(key), wish)),
            },
            Some(_) => Err("these are several keys; open the branch and choose one".to_owned()),
            None => Err("no key is selected".to_owned()),
        }
    }

    fn copied(&self) -> Option<String> {
        self.selected().map(|(_, key)| name(key))
    }
}
