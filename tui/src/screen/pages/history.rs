//! Time travel: who changed the cluster, when and in which words; and the cluster as it was after any of these changes.
//!
//! The audit log is the index, the registry's own history the rest: as far back as that has not been compacted.

use std::{collections::BTreeMap, sync::Arc};

use redis_cluster::{id::NodeId, slot::SLOTS};

use super::{
    Content, Kind, Known,
    ask::{Past, Question, Request, Topic},
    grid::{Cell, Column, Grid, Row, column},
    listing::Listing,
};
use crate::{
    screen::{keymap::Context, text, theme::Role},
    session::{
        ClusterView,
        past::{AuditLine, AuditTail},
        timestamp,
    },
};

/// Between two looks at the audit log, which grows by a few lines a day.
const EVERY_MS: i64 = 10_000;

const OF_CHANGES: &[Column] = &[
    column("WHEN", 20, false, 9),
    column("REVISION", 9, true, 7),
    column("EPOCH", 11, true, 5),
    column("BY", 24, false, 6),
    column("WHAT", 400, false, 10),
];

/// Who did what, newest first.
#[derive(Clone, Debug)]
pub struct HistoryPage {
    /// Places in `lines`.
    changes: Listing<usize>,
    lines: Arc<[AuditLine]>,
    /// That the registry has.
    total: u64,
}

impl Default for HistoryPage {
    fn default() -> Self {
        Self { changes: Listing::new(OF_CHANGES), lines: Arc::default(), total: 0 }
    }
}

impl Content for HistoryPage {
    fn title(&self) -> String {
        "history".to_owned()
    }

    fn grid(&self) -> Option<&Grid> {
        Some(self.changes.grid())
    }

    fn grid_mut(&mut self) -> Option<&mut Grid> {
        Some(self.changes.grid_mut())
    }

    fn status(&self) -> String {
        let (shown, total) = (text::thousands(self.lines.len() as u64), text::thousands(self.total));
        let changes = if self.total > self.lines.len() as u64 {
            format!("the last {shown} of {total} changes")
        } else {
            format!("{shown} changes")
        };
        format!("{changes}, enter: the cluster after one")
    }

    fn empty(&self) -> &'static str {
        "nothing was ever changed"
    }

    fn wants(&self, _view: &ClusterView) -> Vec<(Topic, i64)> {
        vec![(Topic::Main, EVERY_MS)]
    }

    fn question(&self, _topic: &Topic) -> Option<Question> {
        Some(Question::past(Request::Audit))
    }

    fn recall(&mut self, past: Past) {
        let Past::Audit(AuditTail { lines, total }) = past else { return };
        (self.lines, self.total) = (lines.into(), total);
        let rows = self.lines.iter().enumerate().rev().map(|(at, line)| {
            let [before, after] = line.epochs;
            let epoch = if before == after { after.to_string() } else { format!("{before} -> {after}") };
            let cells = vec![
                Cell::number(line.at.0 as f64, timestamp(line.at.0)),
                Cell::number(line.revision as f64, line.revision.to_string()),
                Cell::number(after as f64, epoch),
                Cell::text(&line.by),
                Cell::text(&line.what),
            ];
            // What a person said stands out among what came of it.
            let role = if line.is_a_step() { Role::Quiet } else { Role::Text };
            (at, Row { role, ..Row::new(at.to_string(), cells) })
        });
        self.changes.set(rows);
    }

    fn open(&mut self) -> Option<Kind> {
        let at = self.changes.selected()?;
        Some(Kind::Past(Box::new(PastPage::new(Arc::clone(&self.lines), *at))))
    }
}

const OF_MEMBERS: &[Column] = &[
    column("ID", 12, false, 10),
    column("SLOTS", 6, true, 9),
    column("SHARE", 6, true, 5),
    column("NOW", 11, true, 8),
    column("ADDRESS", 30, false, 6),
    column("ADDED BY", 24, false, 4),
    column("RANGES", 400, false, 7),
];

/// The cluster after one of the changes.
#[derive(Clone, Debug)]
pub struct PastPage {
    lines: Arc<[AuditLine]>,
    at: usize,
    /// `Some(None)`: the registry no longer knows.
    was: Option<Option<Box<ClusterView>>>,
    /// Slots of each member now.
    now: BTreeMap<NodeId, usize>,
    grid: Grid,
}

impl PastPage {
    /// After the n-th of these changes.
    #[must_use]
    pub fn new(lines: Arc<[AuditLine]>, at: usize) -> Self {
        Self { lines, at, was: None, now: BTreeMap::new(), grid: Grid::new(OF_MEMBERS) }
    }

    /// The cluster as it was, once it is known.
    #[must_use]
    pub fn was(&self) -> Option<&ClusterView> {
        self.was.as_ref()?.as_deref()
    }

    fn line(&self) -> Option<&AuditLine> {
        self.lines.get(self.at)
    }

    fn arrange(&mut self) {
        let Some(was) = self.was() else { return self.grid.set(Vec::new()) };
        let row = |id: &NodeId| {
            let node = was.nodes.get(id);
            let slots = was.slots_of(id);
            let (now, change) = match (node, self.now.get(id)) {
                (_, None) => ("gone".to_owned(), Role::Warning),
                (Some(_), Some(&now)) if now == slots => (now.to_string(), Role::Text),
                (_, Some(&now)) => (format!("{now}"), Role::Warning),
            };
            let ranges = was.topology.iter().flat_map(|known| &known.topology.slots);
            let ranges = ranges.filter(|(_, owner)| owner == id).map(|(range, _)| String::from(*range));
            let cells = vec![
                Cell::text(id.as_str()),
                match node {
                    Some(_) => Cell::number(slots as f64, slots.to_string()),
                    None => Cell::text("no member"),
                },
                Cell::number(slots as f64, format!("{:.1}%", slots as f64 * 100.0 / SLOTS as f64)),
                Cell::text(now),
                Cell::text(node.map_or_else(String::new, |node| node.record.address.to_string())),
                Cell::text(node.map_or("", |node| node.record.added_by.as_str())),
                Cell::text(ranges.collect::<Vec<_>>().join(" ")),
            ];
            Row { role: change, ..Row::new(id.as_str(), cells) }
        };
        // Members of then, and those that came later.
        let later = self.now.keys().filter(|id| !was.nodes.contains_key(*id));
        let rows = was.nodes.keys().chain(later).map(row).collect();
        self.grid.set(rows);
    }
}

impl Content for PastPage {
    fn title(&self) -> String {
        self.line().map_or_else(String::new, |line| format!("as of revision {}", line.revision))
    }

    fn context(&self) -> Context {
        Context::Past
    }

    fn grid(&self) -> Option<&Grid> {
        Some(&self.grid)
    }

    fn grid_mut(&mut self) -> Option<&mut Grid> {
        Some(&mut self.grid)
    }

    fn status(&self) -> String {
        let Some(line) = self.line() else { return String::new() };
        let place = format!("change {} of {}", self.at + 1, self.lines.len());
        format!("{}  {}  by {}  {place}", timestamp(line.at.0), line.what, line.by)
    }

    fn empty(&self) -> &'static str {
        match &self.was {
            None => "asking the registry",
            Some(None) => "the registry no longer knows this revision: its history was compacted since",
            Some(Some(_)) => "there was no node",
        }
    }

    /// Once: what was does not change.
    fn wants(&self, _view: &ClusterView) -> Vec<(Topic, i64)> {
        if self.was.is_none() { vec![(Topic::Main, 0)] } else { Vec::new() }
    }

    fn question(&self, _topic: &Topic) -> Option<Question> {
        Some(Question::past(Request::AsOf(self.line()?.revision)))
    }

    fn recall(&mut self, past: Past) {
        if let Past::AsOf(revision, was) = past
            && self.line().is_some_and(|line| line.revision == revision)
        {
            self.was = Some(was);
            self.arrange();
        }
    }

    fn neighbour(&mut self, forward: bool) -> bool {
        let next = if forward { self.at.checked_add(1) } else { self.at.checked_sub(1) };
        let Some(next) = next.filter(|next| *next < self.lines.len()) else { return false };
        (self.at, self.was) = (next, None);
        self.arrange();
        true
    }

    fn know(&mut self, known: Known<'_>) {
        let now: BTreeMap<NodeId, usize> =
            known.view.nodes.keys().map(|id| (id.clone(), known.view.slots_of(id))).collect();
        if now != self.now {
            self.now = now;
            self.arrange();
        }
    }
}

#[cfg(test)]
mod tests {
    use redis_cluster::time::Millis;

    use super::*;
    use crate::screen::{pages::transcript::Transcript, sample};

    fn line(revision: u64, what: &str) -> AuditLine {
        AuditLine {
            revision,
            at: Millis(sample::NOW.0 - 1_000),
            by: "ops@bastion".to_owned(),
            what: what.to_owned(),
            epochs: [1, 2],
        }
    }

    #[test]
    fn a_change_opens_into_the_cluster_after_it_beside_the_one_of_now() {
        let mut page = HistoryPage::default();
        let lines = vec![line(3, "add 1 http://h:1 (plan 1)"), line(9, "move 1: done"), line(12, "remove 7")];
        page.recall(Past::Audit(AuditTail { lines, total: 1_003 }));
        assert!(page.status().starts_with("the last 3 of 1,003 changes"), "{}", page.status());
        assert_eq!(page.changes.grid().selected().unwrap().cells[4].text, "remove 7", "newest first");
        page.changes.grid_mut().select(1);
        let Some(Kind::Past(mut past)) = page.open() else { panic!("a change opens") };
        let now = sample::cluster();
        let transcript = Transcript::default();
        let known = Known { view: &now, transcript: &transcript, now: sample::NOW };
        past.know(known);
        let asked = past.question(&Topic::Main).unwrap();
        assert_eq!((asked.request, past.title().as_str()), (Request::AsOf(9), "as of revision 9"));
        // Of then: node 5 was no member, and node 9 was one.
        let mut was = now.clone();
        let five = was.nodes.remove(&"5".parse().unwrap()).unwrap();
        was.nodes.insert("9".parse().unwrap(), five);
        past.recall(Past::AsOf(12, None));
        assert!(past.was().is_none() && !past.wants(&now).is_empty(), "the answer to another question");
        past.recall(Past::AsOf(9, Some(Box::new(was))));
        let cell = |id: &str, at: usize| {
            let rows: Vec<_> = past.grid.shown(0, 9).collect();
            let row = rows.iter().find(|row| row.cells[0].text == id).unwrap();
            (row.cells[at].text.clone(), row.role)
        };
        assert_eq!(cell("1", 3), ("4096".to_owned(), Role::Text));
        assert_eq!(cell("9", 3), ("gone".to_owned(), Role::Warning));
        assert_eq!(cell("5", 1), ("no member".to_owned(), Role::Warning));
        assert_eq!(cell("1", 6).0, "0-4095");
        assert!(past.wants(&now).is_empty());
        // The one before, which the registry has forgotten; before that there is none.
        assert!(past.neighbour(false) && past.grid.is_empty() && !past.wants(&now).is_empty());
        past.recall(Past::AsOf(3, None));
        assert!(past.empty().contains("compacted") && !past.neighbour(false));
    }
}
