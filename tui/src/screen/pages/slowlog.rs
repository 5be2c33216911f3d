//! The slow logs of all nodes as one, newest first.

use std::collections::BTreeMap;

use redis_cluster::{id::NodeId, protocol::Value, time::Millis};

use super::{
    Content, Kind, Known,
    ask::{Question, Topic},
    events::EventPage,
    grid::{Cell, Column, Grid, Row, column},
    listing::Listing,
};
use crate::{
    language::quote_words,
    screen::{text, theme::Role},
    session::{ClusterView, Target},
};

/// Between two looks at a node's slow log.
const EVERY_MS: i64 = 3_000;
const ENTRIES: &str = "128";

/// Columns where the node is known.
pub const OF_A_NODE: &[Column] = &[
    column("TIME", 9, false, 9),
    column("TOOK", 7, true, 10),
    column("CLIENT", 22, false, 4),
    column("NAME", 12, false, 3),
    column("COMMAND", 200, false, 10),
];
const OF_ALL: &[Column] = &[
    column("TIME", 9, false, 9),
    column("NODE", 8, false, 10),
    column("TOOK", 7, true, 10),
    column("CLIENT", 22, false, 4),
    column("NAME", 12, false, 3),
    column("COMMAND", 200, false, 10),
];

/// A command that took long.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    node: NodeId,
    id: i64,
    at: Millis,
    took_us: u64,
    command: String,
    client: String,
    name: String,
}

impl Entry {
    fn cells(&self) -> Vec<Cell> {
        vec![
            Cell::number(self.at.0 as f64, text::clock(self.at)),
            Cell::number(self.took_us as f64, text::duration_us(self.took_us)),
            Cell::text(&self.client),
            Cell::text(&self.name),
            Cell::text(&self.command),
        ]
    }

    /// As a row of its node's page.
    #[must_use]
    pub fn row_of_a_node(&self) -> Row {
        Row::new(format!("{} {}", self.node, self.id), self.cells())
    }

    fn row(&self) -> Row {
        let mut row = self.row_of_a_node();
        row.cells.insert(1, Cell::text(self.node.to_string()));
        row
    }

    /// With all of its text.
    #[must_use]
    pub fn opened(&self) -> EventPage {
        let (at, took) = (text::clock(self.at), text::duration_us(self.took_us));
        EventPage::of_text(
            format!("slow command at node {}", self.node),
            vec![
                (Role::Quiet, format!("{at}  took {took}  by {} {}", self.client, self.name)),
                (Role::Text, String::new()),
                (Role::Text, self.command.clone()),
            ],
        )
    }
}

/// What `SLOWLOG GET` told of a node.
#[must_use]
pub fn entries(node: &NodeId, reply: &Value) -> Vec<Entry> {
    let Value::Array(entries) = reply else { return Vec::new() };
    let text = |value: Option<&Value>| {
        value.and_then(Value::as_bytes).map(String::from_utf8_lossy).unwrap_or_default().into_owned()
    };
    let entry = |entry: &Value| {
        let Value::Array(parts) = entry else { return None };
        let [id, at, took, Value::Array(words), ..] = parts.as_slice() else { return None };
        let words: Vec<&[u8]> = words.iter().filter_map(Value::as_bytes).collect();
        Some(Entry {
            node: node.clone(),
            id: id.as_i64()?,
            at: Millis(at.as_i64()?.saturating_mul(1_000)),
            took_us: took.as_i64()?.unsigned_abs(),
            command: quote_words(&words),
            client: text(parts.get(4)),
            name: text(parts.get(5)),
        })
    };
    entries.iter().filter_map(entry).collect()
}

/// The page.
#[derive(Clone, Debug)]
pub struct SlowLogPage {
    of_nodes: BTreeMap<NodeId, Vec<Entry>>,
    members: usize,
    entries: Listing<Entry>,
}

impl Default for SlowLogPage {
    fn default() -> Self {
        Self { of_nodes: BTreeMap::new(), members: 0, entries: Listing::new(OF_ALL).sorted_by(0) }
    }
}

impl Content for SlowLogPage {
    fn title(&self) -> String {
        "slow log".to_owned()
    }

    fn grid(&self) -> Option<&Grid> {
        Some(self.entries.grid())
    }

    fn grid_mut(&mut self) -> Option<&mut Grid> {
        Some(self.entries.grid_mut())
    }

    fn status(&self) -> String {
        format!("{} of {} nodes told theirs", self.of_nodes.len(), self.members)
    }

    fn empty(&self) -> &'static str {
        "no node has a slow command (`node ID config get slowlog-log-slower-than` says what is slow)"
    }

    fn wants(&self, view: &ClusterView) -> Vec<(Topic, i64)> {
        view.nodes.keys().map(|id| (Topic::SlowLog(id.clone()), EVERY_MS)).collect()
    }

    fn question(&self, topic: &Topic) -> Option<Question> {
        let Topic::SlowLog(node) = topic else { return None };
        Some(Question::one(Target::Node(node.clone()), &["SLOWLOG", "GET", ENTRIES]))
    }

    fn take(&mut self, topic: &Topic, _question: &Question, replies: Vec<Value>, _now: Millis) {
        if let (Topic::SlowLog(node), Some(reply)) = (topic, replies.first()) {
            self.of_nodes.insert(node.clone(), entries(node, reply));
            let entries = self.of_nodes.values().flatten();
            self.entries.set(entries.map(|entry| (entry.clone(), entry.row())));
        }
    }

    fn know(&mut self, known: Known<'_>) {
        self.members = known.view.nodes.len();
        self.of_nodes.retain(|id, _| known.view.nodes.contains_key(id));
    }

    fn open(&mut self) -> Option<Kind> {
        Some(Kind::Event(self.entries.selected()?.opened()))
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn logs_of_nodes_become_one_by_time() {
        let bulk = |text: &str| Value::Bulk(Bytes::copy_from_slice(text.as_bytes()));
        let entry = |id: i64, at: i64, words: &[&str]| {
            Value::Array(vec![
                Value::Integer(id),
                Value::Integer(at),
                Value::Integer(12_000),
                Value::Array(words.iter().map(|word| bulk(word)).collect()),
                bulk("10.0.0.9:1"),
                bulk("app"),
            ])
        };
        let mut page = SlowLogPage::default();
        let mut tell = |node: &str, entries: Vec<Value>| {
            let topic = Topic::SlowLog(node.parse().unwrap());
            let question = page.question(&topic).unwrap();
            page.take(&topic, &question, vec![Value::Array(entries)], Millis(0));
        };
        tell("1", vec![entry(3, 50, &["keys", "a b"]), entry(2, 10, &["sort", "x"])]);
        tell("2", vec![entry(9, 30, &["smembers", "y"])]);
        let shown: Vec<(String, String)> = page
            .entries
            .grid()
            .shown(0, 9)
            .map(|row| (row.cells[1].text.clone(), row.cells[5].text.clone()))
            .collect();
        let expected = [("1", "keys \"a b\""), ("2", "smembers y"), ("1", "sort x")];
        assert_eq!(shown, expected.map(|(node, command)| (node.to_owned(), command.to_owned())));
        let Some(Kind::Event(opened)) = page.open() else { panic!("an entry opens") };
        assert_eq!(opened.title(), "slow command at node 1");
        assert!(opened.text().unwrap().lines.iter().any(|(_, line)| line == "keys \"a b\""));
    }
}
