//! What was slow, newest first: the slow logs of all nodes, and what passed through the proxies, with where its time went.

use std::collections::BTreeMap;

use redis_cluster::{
    id::{NodeId, ProxyId},
    protocol::Value,
    time::Millis,
};

use super::{
    Content, Kind, Known,
    ask::{Question, Topic},
    events::EventPage,
    grid::{Cell, Column, Grid, Row, column},
    listing::Listing,
    node::text_of,
};
use crate::{
    language::quote_words,
    screen::{text, theme::Role},
    session::{
        ClusterView, Target,
        passing::{self, SlowRequest},
    },
};

/// Between two looks at a member's.
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
    column("SEEN BY", 14, false, 10),
    column("TOOK", 7, true, 10),
    column("WAITED", 7, true, 7),
    column("NODE", 7, true, 8),
    column("TAKEN", 7, true, 6),
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
    /// As a row of its node's page.
    #[must_use]
    pub fn row_of_a_node(&self) -> Row {
        Row::new(
            self.id.to_string(),
            vec![
                Cell::number(self.at.0 as f64, text::clock(self.at)),
                Cell::number(self.took_us as f64, text::duration_us(self.took_us)),
                Cell::text(&self.client),
                Cell::text(&self.name),
                Cell::text(&self.command),
            ],
        )
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

/// A row of the page.
#[derive(Clone, Debug)]
enum Slow {
    AtNode(Entry),
    /// With the time that it waited in front of the node, and behind it.
    AtProxy(ProxyId, SlowRequest),
}

impl Slow {
    fn row(&self) -> Row {
        let time = |us: u64| Cell::number(us as f64, text::duration_us(us));
        match self {
            Self::AtNode(entry) => Row::new(
                format!("node {} {}", entry.node, entry.id),
                vec![
                    Cell::number(entry.at.0 as f64, text::clock(entry.at)),
                    Cell::text(format!("node {}", entry.node)),
                    time(entry.took_us),
                    Cell::default(),
                    Cell::default(),
                    Cell::default(),
                    Cell::text(&entry.client),
                    Cell::text(&entry.name),
                    Cell::text(&entry.command),
                ],
            ),
            Self::AtProxy(proxy, request) => Row::new(
                format!("proxy {proxy} {}", request.number),
                vec![
                    Cell::number(request.at.0 as f64, text::clock(request.at)),
                    Cell::text(format!("proxy {proxy}")),
                    time(request.took_us),
                    time(request.queue_us),
                    time(request.node_us),
                    time(request.write_us),
                    Cell::text(&request.client),
                    Cell::default(),
                    Cell::text(&request.command),
                ],
            ),
        }
    }

    fn opened(&self) -> EventPage {
        match self {
            Self::AtNode(entry) => entry.opened(),
            Self::AtProxy(proxy, request) => {
                let time = text::duration_us;
                let node = match request.node.as_str() {
                    "" => "the node".to_owned(),
                    id => format!("node {id}"),
                };
                let line = |words: String| (Role::Quiet, words);
                let mut lines = vec![
                    line(format!(
                        "{}  took {}  by {}",
                        text::clock(request.at),
                        time(request.took_us),
                        request.client
                    )),
                    line(format!(
                        "{:>8}  until it was the oldest that {node} had to answer",
                        time(request.queue_us)
                    )),
                    line(format!("{:>8}  from then on to the reply of {node}", time(request.node_us))),
                    line(format!("{:>8}  until the client had taken all replies", time(request.write_us))),
                ];
                if request.others > 0 {
                    lines.push(line(format!("{} more were answered with it, as late", request.others)));
                }
                lines.push((Role::Text, String::new()));
                lines.push((Role::Text, request.command.clone()));
                EventPage::of_text(format!("slow request through proxy {proxy}"), lines)
            }
        }
    }
}

/// The page.
#[derive(Clone, Debug)]
pub struct SlowLogPage {
    of_nodes: BTreeMap<NodeId, Vec<Entry>>,
    of_proxies: BTreeMap<ProxyId, Vec<SlowRequest>>,
    /// Nodes and proxies that could tell.
    members: (usize, usize),
    entries: Listing<Slow>,
}

impl Default for SlowLogPage {
    fn default() -> Self {
        Self {
            of_nodes: BTreeMap::new(),
            of_proxies: BTreeMap::new(),
            members: (0, 0),
            entries: Listing::new(OF_ALL).sorted_by(0),
        }
    }
}

impl SlowLogPage {
    fn arrange(&mut self) {
        let of_nodes = self.of_nodes.values().flatten().cloned().map(Slow::AtNode);
        let of_proxies = self.of_proxies.iter().flat_map(|(proxy, requests)| {
            requests.iter().map(|request| Slow::AtProxy(proxy.clone(), request.clone()))
        });
        let with_row = |slow: Slow| {
            let row = slow.row();
            (slow, row)
        };
        let rows: Vec<_> = of_nodes.chain(of_proxies).map(with_row).collect();
        self.entries.set(rows);
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
        let (nodes, proxies) = self.members;
        let (of_nodes, of_proxies) = (self.of_nodes.len(), self.of_proxies.len());
        format!("{of_nodes} of {nodes} nodes and {of_proxies} of {proxies} proxies told theirs")
    }

    fn empty(&self) -> &'static str {
        "nothing was slow (`node ID config get slowlog-log-slower-than`, `--slowlog-log-slower-than` of a proxy say what is)"
    }

    fn wants(&self, view: &ClusterView) -> Vec<(Topic, i64)> {
        let nodes = view.nodes.keys().map(|id| Topic::SlowLog(id.clone()));
        let proxies = view.proxies.keys().map(|id| Topic::Passing(id.clone()));
        nodes.chain(proxies).map(|topic| (topic, EVERY_MS)).collect()
    }

    fn question(&self, topic: &Topic) -> Option<Question> {
        match topic {
            Topic::SlowLog(node) => {
                Some(Question::one(Target::Node(node.clone()), &["SLOWLOG", "GET", ENTRIES]))
            }
            Topic::Passing(proxy) => {
                Some(Question::one(Target::Proxy(proxy.clone()), &["INFO", passing::SLOW]))
            }
            _ => None,
        }
    }

    fn take(&mut self, topic: &Topic, _question: &Question, replies: Vec<Value>, _now: Millis) {
        match (topic, replies.first()) {
            (Topic::SlowLog(node), Some(reply)) => {
                self.of_nodes.insert(node.clone(), entries(node, reply));
            }
            (Topic::Passing(proxy), reply) => {
                self.of_proxies.insert(proxy.clone(), passing::slow_requests(&text_of(reply)));
            }
            _ => return,
        }
        self.arrange();
    }

    fn know(&mut self, known: Known<'_>) {
        let (nodes, proxies) = (&known.view.nodes, &known.view.proxies);
        self.members = (nodes.len(), proxies.len());
        self.of_nodes.retain(|id, _| nodes.contains_key(id));
        self.of_proxies.retain(|id, _| proxies.contains_key(id));
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
        let topic = Topic::Passing("p1".parse().unwrap());
        let question = page.question(&topic).unwrap();
        let text = "slow0:at_ms=40000,took_us=12000,queue_us=10,node_us=11000,write_us=990,node=1,others=2,\
                    client=h:9,command=get big\r\n";
        page.take(&topic, &question, vec![bulk(text)], Millis(0));
        let shown: Vec<(String, String)> = page
            .entries
            .grid()
            .shown(0, 9)
            .map(|row| (row.cells[1].text.clone(), row.cells[8].text.clone()))
            .collect();
        let expected = [
            ("node 1", "keys \"a b\""),
            ("proxy p1", "get big"),
            ("node 2", "smembers y"),
            ("node 1", "sort x"),
        ];
        assert_eq!(shown, expected.map(|(node, command)| (node.to_owned(), command.to_owned())));
        let Some(Kind::Event(opened)) = page.open() else { panic!("an entry opens") };
        assert_eq!(opened.title(), "slow command at node 1");
        assert!(opened.text().unwrap().lines.iter().any(|(_, line)| line == "keys \"a b\""));
        page.entries.grid_mut().select(1);
        let Some(Kind::Event(opened)) = page.open() else { panic!("a request opens") };
        let lines: Vec<&str> = opened.text().unwrap().lines.iter().map(|(_, line)| line.as_str()).collect();
        assert!(lines.contains(&"    11ms  from then on to the reply of node 1"), "{lines:?}");
        assert!(lines.contains(&"2 more were answered with it, as late") && lines.contains(&"get big"));
    }
}
