//! The biggest keys, by looking at one after the other as `SCAN` gives them, slowly: the longer it runs, the surer it is.

use redis_cluster::{protocol::Value, time::Millis};

use super::{
    Content, Kind, Known, Turn, Wish,
    ask::{Question, Topic, command},
    grid::{Cell, Column, Grid, Row, column},
    keys::{self, value::ValuePage},
};
use crate::{
    screen::{dialog::Change, keymap::Context, text},
    session::{ClusterView, Target},
};

/// Keys that are kept: the biggest of those looked at.
const KEPT: usize = 200;
/// Keys for one `SCAN`, about.
const COUNT: &str = "50";
/// Keys that are asked about at once.
const AT_ONCE: usize = 20;
const COUNT_EVERY_MS: i64 = 10_000;
/// Commands that tell of one key.
const COMMANDS: usize = 2;

const COLUMNS: &[Column] =
    &[column("BYTES", 14, true, 10), column("TYPE", 8, false, 8), column("KEY", 300, false, 9)];

/// The page.
#[derive(Clone, Debug)]
pub struct BigPage {
    cursor: Option<Vec<u8>>,
    is_paused: bool,
    waiting: Vec<Vec<u8>>,
    looked: u64,
    bytes: u64,
    total: Option<u64>,
    biggest: Vec<(u64, String, Vec<u8>)>,
    grid: Grid,
}

impl Default for BigPage {
    fn default() -> Self {
        Self {
            cursor: Some(b"0".to_vec()),
            is_paused: false,
            waiting: Vec::new(),
            looked: 0,
            bytes: 0,
            total: None,
            biggest: Vec::new(),
            grid: Grid::new(COLUMNS),
        }
    }
}

impl BigPage {
    fn arrange(&mut self) {
        self.biggest.sort_by(|a, b| b.cmp(a));
        self.biggest.dedup_by(|a, b| a.2 == b.2);
        self.biggest.truncate(KEPT);
        let rows = self.biggest.iter().map(|(size, kind, key)| {
            let cells = vec![
                Cell::number(*size as f64, text::thousands(*size)),
                Cell::text(kind),
                Cell::text(keys::name(key)),
            ];
            Row::new(key.clone(), cells)
        });
        self.grid.set(rows.collect());
    }
}

impl Content for BigPage {
    fn title(&self) -> String {
        "big keys".to_owned()
    }

    fn context(&self) -> Context {
        Context::Sample
    }

    fn grid(&self) -> Option<&Grid> {
        Some(&self.grid)
    }

    fn grid_mut(&mut self) -> Option<&mut Grid> {
        Some(&mut self.grid)
    }

    fn empty(&self) -> &'static str {
        "no key was looked at yet"
    }

    fn status(&self) -> String {
        let total = self.total.map(|total| format!(" of {}", text::short_count(total))).unwrap_or_default();
        let how = match (&self.cursor, self.is_paused) {
            (None, _) if self.waiting.is_empty() => ", all",
            (_, true) => ", held: n goes on",
            _ => "",
        };
        let mean = self.bytes.checked_div(self.looked).unwrap_or(0);
        format!(
            "looked at {}{total}{how}  {} bytes a key",
            text::thousands(self.looked),
            text::thousands(mean)
        )
    }

    fn wants(&self, _view: &ClusterView) -> Vec<(Topic, i64)> {
        let mut wants = vec![(Topic::Count, COUNT_EVERY_MS)];
        if !self.is_paused && !self.waiting.is_empty() {
            wants.push((Topic::Details, 0));
        } else if !self.is_paused && self.cursor.is_some() {
            wants.push((Topic::Scan, 0));
        }
        wants
    }

    fn question(&self, topic: &Topic) -> Option<Question> {
        let commands = match topic {
            Topic::Count => vec![command(&["DBSIZE"])],
            Topic::Scan => {
                let mut scan = vec![b"SCAN".to_vec(), self.cursor.clone()?];
                scan.extend(command(&["COUNT", COUNT]));
                vec![scan]
            }
            Topic::Details => {
                let about = |key: &Vec<u8>| {
                    [
                        vec![b"MEMORY".to_vec(), b"USAGE".to_vec(), key.clone()],
                        vec![b"TYPE".to_vec(), key.clone()],
                    ]
                };
                self.waiting.iter().take(AT_ONCE).flat_map(about).collect()
            }
            _ => return None,
        };
        Some(Question::of(Target::Cluster, commands))
    }

    fn take(&mut self, topic: &Topic, question: &Question, replies: Vec<Value>, _now: Millis) {
        match (topic, replies.first()) {
            (Topic::Count, Some(reply)) => self.total = reply.as_i64().map(i64::unsigned_abs),
            (Topic::Scan, Some(Value::Array(parts))) => {
                let [next, Value::Array(names)] = parts.as_slice() else { return };
                self.waiting.extend(names.iter().filter_map(Value::as_bytes).map(<[u8]>::to_vec));
                self.cursor = next.as_bytes().filter(|cursor| *cursor != b"0").map(<[u8]>::to_vec);
            }
            (Topic::Details, Some(_)) => {
                let asked = question.commands().chunks(COMMANDS).zip(replies.chunks(COMMANDS));
                for (asked, told) in asked {
                    let (Some(key), [size, kind]) = (asked.first().and_then(|words| words.last()), told)
                    else {
                        continue;
                    };
                    let Some(size) = size.as_i64().map(i64::unsigned_abs) else { continue };
                    let kind = String::from_utf8_lossy(kind.as_bytes().unwrap_or_default()).into_owned();
                    (self.looked, self.bytes) = (self.looked + 1, self.bytes + size);
                    self.biggest.push((size, kind, key.clone()));
                }
                let done = (question.commands().len() / COMMANDS).min(self.waiting.len());
                self.waiting.drain(..done);
                self.arrange();
            }
            _ => {}
        }
    }

    fn know(&mut self, _known: Known<'_>) {}

    fn turn(&mut self, what: Turn) -> bool {
        if what == Turn::More {
            self.is_paused = !self.is_paused;
        }
        false
    }

    fn open(&mut self) -> Option<Kind> {
        Some(Kind::Value(Box::new(ValuePage::new(self.grid.selected()?.id.clone()))))
    }

    fn change(&self, _wish: Wish) -> Result<Change, String> {
        Err("enter opens the key; what is shown there can be changed".to_owned())
    }

    fn copied(&self) -> Option<String> {
        Some(keys::name(&self.grid.selected()?.id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_biggest_of_all_that_were_looked_at_are_kept() {
        let mut page = BigPage::default();
        let names: Vec<Value> = (0..300).map(|at| Value::Bulk(format!("k{at}").into())).collect();
        let question = page.question(&Topic::Scan).unwrap();
        let reply = Value::Array(vec![Value::Bulk("0".into()), Value::Array(names)]);
        page.take(&Topic::Scan, &question, vec![reply], Millis(0));
        let view = ClusterView::default();
        while page.wants(&view).iter().any(|(topic, _)| *topic == Topic::Details) {
            let question = page.question(&Topic::Details).unwrap();
            assert!(question.commands().len() <= AT_ONCE * COMMANDS);
            let replies = question.commands().chunks(COMMANDS).flat_map(|about| {
                let key = String::from_utf8_lossy(&about[1][1]).into_owned();
                let size: i64 = key[1..].parse().unwrap();
                [Value::Integer(size * 10), Value::Simple("string".into())]
            });
            let replies = replies.collect();
            page.take(&Topic::Details, &question, replies, Millis(0));
        }
        assert_eq!((page.looked, page.grid.len()), (300, KEPT));
        assert_eq!(page.copied().as_deref(), Some("k299"));
        assert!(page.status().starts_with("looked at 300, all"), "{}", page.status());
    }
}
