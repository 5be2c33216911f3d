//! A node: what it says of itself (`INFO`), its clients, slow log, configuration and commands. Each tab asks for itself
//! while it is shown.

use std::collections::{BTreeMap, VecDeque};

use redis_cluster::{
    id::NodeId,
    protocol::{Value, info},
    time::Millis,
};

use super::{
    Content, Kind, Known, Wish,
    ask::{Question, Topic},
    events::EventPage,
    grid::{Cell, Column, Grid, Row, column},
    listing::Listing,
    pair,
    slowlog::{self, Entry},
};
use crate::{
    language::{quote_word, quote_words},
    screen::{dialog::Change, keymap::Context, text, theme::Role},
    session::{ClusterView, Target},
};

/// Samples of a trend, one a second.
pub const SAMPLES: usize = 120;
const OFTEN_MS: i64 = 1_000;
const SELDOM_MS: i64 = 5_000;
const CONFIG_MS: i64 = 10_000;
const LONGEST_SLOW_LOG: &str = "128";

/// What is shown of a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tab {
    /// Trends and the figures that matter most.
    #[default]
    Overview,
    /// All of `INFO`.
    Info,
    /// Its connections.
    Clients,
    /// Its slow log.
    SlowLog,
    /// Its configuration.
    Config,
    /// Commands by kind.
    Commands,
}

const TABS: [Tab; 6] = [Tab::Overview, Tab::Info, Tab::Clients, Tab::SlowLog, Tab::Config, Tab::Commands];
const TAB_NAMES: &[&str] = &["overview", "info", "clients", "slow log", "config", "commands"];

const INFO: &[Column] = &[column("FIELD", 34, false, 9), column("VALUE", 200, false, 10)];
const CONFIG: &[Column] = &[column("PARAMETER", 38, false, 9), column("VALUE", 200, false, 10)];
pub(super) const CLIENTS: &[Column] = &[
    column("ID", 7, true, 9),
    column("ADDRESS", 22, false, 10),
    column("NAME", 14, false, 5),
    column("USER", 10, false, 3),
    column("AGE", 6, true, 7),
    column("IDLE", 6, true, 8),
    column("DB", 3, true, 2),
    column("MEM", 6, true, 6),
    column("LAST COMMAND", 20, false, 8),
];
const COMMANDS: &[Column] = &[
    column("COMMAND", 24, false, 10),
    column("CALLS", 12, true, 9),
    column("CALLS/S", 8, true, 8),
    column("MEAN", 8, true, 7),
    column("P50", 8, true, 4),
    column("P99", 8, true, 6),
    column("SHARE", 6, true, 5),
    column("FAILED", 8, true, 3),
    column("REJECTED", 8, true, 2),
];

/// What a node did in a second, and held at its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    /// Commands a second.
    pub ops: u64,
    /// Bytes.
    pub memory: u64,
    /// Connections.
    pub clients: u64,
    /// Reads that found their key, percent; `None`: there were no reads.
    pub hits: Option<u64>,
    /// Bytes a second in and out.
    pub network: u64,
}

/// Counters of one moment, by the node's own clock.
#[derive(Clone, Copy, Debug, Default)]
struct Counters {
    at_us: u64,
    commands: u64,
    hits: u64,
    misses: u64,
    network: u64,
}

/// A node.
#[derive(Clone, Debug)]
pub struct NodePage {
    /// Which.
    pub id: NodeId,
    /// What is shown.
    pub tab: Tab,
    /// The last `INFO`.
    pub info: String,
    /// The last samples, oldest first.
    pub samples: VecDeque<Sample>,
    /// What happened to it, newest first.
    pub events: Vec<EventPage>,
    before: Option<Counters>,
    calls_before: (u64, BTreeMap<String, u64>),
    fields: Grid,
    clients: Grid,
    slow: Listing<Entry>,
    config: Grid,
    commands: Grid,
}

impl NodePage {
    /// Nothing known yet.
    #[must_use]
    pub fn new(id: NodeId) -> Self {
        Self {
            id,
            tab: Tab::default(),
            info: String::new(),
            samples: VecDeque::new(),
            events: Vec::new(),
            before: None,
            calls_before: (0, BTreeMap::new()),
            fields: Grid::new(INFO),
            clients: Grid::new(CLIENTS),
            slow: Listing::new(slowlog::OF_A_NODE),
            config: Grid::new(CONFIG),
            commands: Grid::new(COMMANDS).sorted_by(2),
        }
    }

    fn read_info(&mut self, text: String) {
        let number = |name| info::number(&text, name).unwrap_or(0);
        let now = Counters {
            at_us: number("server_time_usec"),
            commands: number("total_commands_processed"),
            hits: number("keyspace_hits"),
            misses: number("keyspace_misses"),
            network: number("total_net_input_bytes") + number("total_net_output_bytes"),
        };
        // Rates are by the node's own clock; one that was started anew begins anew.
        if let Some(before) = self.before.replace(now).filter(|before| before.commands <= now.commands)
            && now.at_us > before.at_us
        {
            let seconds = (now.at_us - before.at_us) as f64 / 1e6;
            let rate = |now: u64, before: u64| text::whole(now.saturating_sub(before) as f64 / seconds);
            let hits = now.hits.saturating_sub(before.hits);
            let reads = hits + now.misses.saturating_sub(before.misses);
            self.samples.push_back(Sample {
                ops: rate(now.commands, before.commands),
                memory: number("used_memory"),
                clients: number("connected_clients"),
                hits: (hits * 100).checked_div(reads),
                network: rate(now.network, before.network),
            });
            while self.samples.len() > SAMPLES {
                self.samples.pop_front();
            }
        }
        self.fields.set(rows_of_info(&text));
        self.info = text;
    }

    fn read_commands(&mut self, text: &str) {
        let at_us = info::number(text, "server_time_usec").unwrap_or(0);
        let (before_us, before) = std::mem::take(&mut self.calls_before);
        let seconds = (before_us > 0 && at_us > before_us).then(|| (at_us - before_us) as f64 / 1e6);
        let mut calls = BTreeMap::new();
        let stats: Vec<(String, &str)> = info::fields(text)
            .filter_map(|(field, value)| Some((field.strip_prefix("cmdstat_")?.to_owned(), value)))
            .collect();
        let figure = |value: &str, name: &str| {
            pair(value, ',', name).and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0)
        };
        let total: f64 = stats.iter().map(|(_, value)| figure(value, "usec")).sum();
        let mut rows = Vec::new();
        for (name, value) in stats {
            let count = text::whole(figure(value, "calls"));
            let rate = seconds.zip(before.get(&name)).map(|(seconds, before)| {
                let rate = count.saturating_sub(*before) as f64 / seconds;
                Cell::number(rate, text::short_count(text::whole(rate.round())))
            });
            let latency = info::field(text, &format!("latency_percentiles_usec_{name}"));
            let percentile = |which: &str| {
                let us = latency.and_then(|latency| pair(latency, ',', which)?.parse::<f64>().ok());
                us.map(|us| Cell::number(us, text::duration_us(text::whole(us.round())))).unwrap_or_default()
            };
            let mean = figure(value, "usec_per_call");
            let share = figure(value, "usec") * 100.0 / total.max(1.0);
            let counted = |name: &str| {
                let number = figure(value, name);
                Cell::number(number, text::thousands(text::whole(number)))
            };
            let mut row = Row::new(
                name.clone(),
                vec![
                    Cell::text(name.replace('|', " ").to_uppercase()),
                    Cell::number(count as f64, text::thousands(count)),
                    rate.unwrap_or_default(),
                    Cell::number(mean, text::duration_us(text::whole(mean.round()))),
                    percentile("p50"),
                    percentile("p99"),
                    Cell::number(share, format!("{share:.1}%")),
                    counted("failed_calls"),
                    counted("rejected_calls"),
                ],
            );
            if figure(value, "failed_calls") + figure(value, "rejected_calls") > 0.0 {
                row.role = Role::Warning;
            }
            rows.push(row);
            calls.insert(name, count);
        }
        self.calls_before = (at_us, calls);
        self.commands.set(rows);
    }
}

fn rows_of_info(text: &str) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut section = String::new();
    for line in info::lines(text) {
        rows.push(match line {
            info::Line::Section(name) => {
                name.clone_into(&mut section);
                let cells = vec![Cell::text(format!("# {name}")), Cell::default()];
                Row { role: Role::Title, ..Row::new(format!("# {name}"), cells) }
            }
            info::Line::Field(field, value) => {
                Row::new(format!("{section} {field}"), vec![Cell::text(field), Cell::text(value)])
            }
        });
    }
    rows
}

pub(super) fn rows_of_clients(list: &str) -> Vec<Row> {
    list.lines()
        .filter(|line| !line.is_empty())
        .map(|line| {
            let field = |name| pair(line, ' ', name).unwrap_or_default();
            let number = |name| field(name).parse::<f64>().unwrap_or(0.0);
            let seconds = |name| field(name).parse::<i64>().unwrap_or(0);
            let time = |name| Cell::number(number(name), text::age(seconds(name).saturating_mul(1_000)));
            let memory = number("tot-mem");
            Row::new(
                field("id"),
                vec![
                    Cell::number(number("id"), field("id")),
                    Cell::text(field("addr")),
                    Cell::text(field("name")),
                    Cell::text(field("user")),
                    time("age"),
                    time("idle"),
                    Cell::number(number("db"), field("db")),
                    Cell::number(memory, text::short_bytes(text::whole(memory))),
                    Cell::text(field("cmd").replace('|', " ")),
                ],
            )
        })
        .collect()
}

/// Text of a reply; an error's words too, so that they are seen.
pub(super) fn text_of(value: Option<&Value>) -> String {
    match value {
        Some(Value::Error(text)) => format!("# {}", String::from_utf8_lossy(text)),
        other => {
            other.and_then(Value::as_bytes).map(String::from_utf8_lossy).unwrap_or_default().into_owned()
        }
    }
}

/// Names and values of `CONFIG GET`, in either protocol.
fn pairs(value: &Value) -> Vec<(String, String)> {
    let word = |value: &Value| value.as_bytes().map(String::from_utf8_lossy).unwrap_or_default().into_owned();
    match value {
        Value::Map(pairs) => pairs.iter().map(|(name, value)| (word(name), word(value))).collect(),
        Value::Array(words) => words.chunks_exact(2).map(|pair| (word(&pair[0]), word(&pair[1]))).collect(),
        _ => Vec::new(),
    }
}

impl Content for NodePage {
    fn title(&self) -> String {
        format!("node {}", self.id)
    }

    fn context(&self) -> Context {
        match self.tab {
            Tab::Overview => Context::Node,
            Tab::Info | Tab::SlowLog | Tab::Commands => Context::NodeTable,
            Tab::Clients => Context::Clients,
            Tab::Config => Context::Config,
        }
    }

    fn tabs(&self) -> Option<(&'static [&'static str], usize)> {
        Some((TAB_NAMES, TABS.iter().position(|&tab| tab == self.tab).unwrap_or(0)))
    }

    fn show_tab(&mut self, tab: usize) {
        self.tab = TABS[tab % TABS.len()];
    }

    fn grid(&self) -> Option<&Grid> {
        match self.tab {
            Tab::Overview => None,
            Tab::Info => Some(&self.fields),
            Tab::Clients => Some(&self.clients),
            Tab::SlowLog => Some(self.slow.grid()),
            Tab::Config => Some(&self.config),
            Tab::Commands => Some(&self.commands),
        }
    }

    fn grid_mut(&mut self) -> Option<&mut Grid> {
        match self.tab {
            Tab::Overview => None,
            Tab::Info => Some(&mut self.fields),
            Tab::Clients => Some(&mut self.clients),
            Tab::SlowLog => Some(self.slow.grid_mut()),
            Tab::Config => Some(&mut self.config),
            Tab::Commands => Some(&mut self.commands),
        }
    }

    fn wants(&self, _view: &ClusterView) -> Vec<(Topic, i64)> {
        // The trends go on behind every tab.
        let mut wants = vec![(Topic::Main, OFTEN_MS)];
        match self.tab {
            Tab::Overview | Tab::Info => {}
            Tab::Clients => wants.push((Topic::Clients, OFTEN_MS)),
            Tab::SlowLog => wants.push((Topic::SlowLog(self.id.clone()), SELDOM_MS)),
            Tab::Config => wants.push((Topic::Config, CONFIG_MS)),
            Tab::Commands => wants.push((Topic::Commands, OFTEN_MS)),
        }
        wants
    }

    fn question(&self, topic: &Topic) -> Option<Question> {
        let words: &[&str] = match topic {
            Topic::Main => &["INFO"],
            Topic::Clients => &["CLIENT", "LIST"],
            Topic::SlowLog(_) => &["SLOWLOG", "GET", LONGEST_SLOW_LOG],
            Topic::Config => &["CONFIG", "GET", "*"],
            Topic::Commands => &["INFO", "server", "commandstats", "latencystats"],
            Topic::Scan
            | Topic::Details
            | Topic::Value
            | Topic::Count
            | Topic::Slots(_)
            | Topic::Passing(_) => return None,
        };
        Some(Question::one(Target::Node(self.id.clone()), words))
    }

    fn take(&mut self, topic: &Topic, _question: &Question, replies: Vec<Value>, _now: Millis) {
        let reply = replies.first();
        match topic {
            Topic::Main => self.read_info(text_of(reply)),
            Topic::Clients => self.clients.set(rows_of_clients(&text_of(reply))),
            Topic::SlowLog(node) => {
                let entries = reply.map(|reply| slowlog::entries(node, reply)).unwrap_or_default();
                self.slow.set(entries.into_iter().map(|entry| {
                    let row = entry.row_of_a_node();
                    (entry, row)
                }));
            }
            Topic::Config => {
                let rows = reply.map(pairs).unwrap_or_default().into_iter().map(|(name, value)| {
                    // A password is nobody's to read over a shoulder.
                    let hidden = name.ends_with("pass") || name.ends_with("auth");
                    let value = if hidden && !value.is_empty() { "(set)".to_owned() } else { value };
                    Row::new(name.clone(), vec![Cell::text(name), Cell::text(value)])
                });
                let mut rows: Vec<Row> = rows.collect();
                rows.sort_by(|a, b| a.id.cmp(&b.id));
                self.config.set(rows);
            }
            Topic::Commands => self.read_commands(&text_of(reply)),
            Topic::Scan
            | Topic::Details
            | Topic::Value
            | Topic::Count
            | Topic::Slots(_)
            | Topic::Passing(_) => {}
        }
    }

    fn know(&mut self, known: Known<'_>) {
        let name = format!("node {} ", self.id);
        let about = |text: &str| format!("{text} ").contains(&name);
        let events = known.view.events.iter().rev().filter(|event| about(&event.text));
        self.events = events.take(50).map(|event| EventPage::new(event.clone())).collect();
    }

    fn open(&mut self) -> Option<Kind> {
        match self.tab {
            Tab::SlowLog => Some(Kind::Event(self.slow.selected()?.opened())),
            _ => None,
        }
    }

    fn change(&self, wish: Wish) -> Result<Change, String> {
        let selected = self.grid().and_then(Grid::selected);
        match (self.tab, wish, selected) {
            (Tab::Clients, Wish::Delete, Some(row)) => {
                let cell = |at: usize| row.cells.get(at).map_or("", |cell| cell.text.as_str());
                let about = vec![
                    ("Node".to_owned(), self.id.to_string()),
                    ("Client".to_owned(), format!("{} {}", cell(1), cell(2))),
                    ("Last".to_owned(), cell(8).to_owned()),
                ];
                let id = String::from_utf8_lossy(&row.id).into_owned();
                let command = format!("node {} client kill id {id}", self.id);
                Ok(Change::new("Close a client's connection", about, command, "Close it"))
            }
            (Tab::Config, Wish::Edit, Some(row)) => {
                let name = String::from_utf8_lossy(&row.id).into_owned();
                let value = row.cells.get(1).map_or("", |cell| cell.text.as_str());
                let about =
                    vec![("Node".to_owned(), self.id.to_string()), ("Now".to_owned(), value.to_owned())];
                let words = quote_words(&["config", "set", &name]);
                let command = format!("node {} {words} {}", self.id, quote_word(value.as_bytes()));
                Ok(Change::new("Change a parameter", about, command, "Change it"))
            }
            (Tab::Clients | Tab::Config, _, None) => Err("no row is selected".to_owned()),
            (Tab::Clients, ..) => Err("D closes the client's connection".to_owned()),
            (Tab::Config, ..) => Err("E changes the parameter".to_owned()),
            _ => Err("nothing here can be changed; see the tabs clients and config".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn page() -> NodePage {
        NodePage::new("4".parse().unwrap())
    }

    fn told(page: &mut NodePage, topic: &Topic, text: &str) {
        let question = page.question(topic).unwrap();
        page.take(topic, &question, vec![Value::Bulk(Bytes::copy_from_slice(text.as_bytes()))], Millis(0));
    }

    #[test]
    fn rates_are_by_the_nodes_own_clock_and_begin_anew_with_it() {
        let mut page = page();
        let info = |at: u64, commands: u64, hits: u64| {
            format!(
                "# Server\r\nserver_time_usec:{at}\r\n# Stats\r\ntotal_commands_processed:{commands}\r\n\
                 keyspace_hits:{hits}\r\nkeyspace_misses:0\r\nused_memory:9\r\nconnected_clients:2\r\n"
            )
        };
        told(&mut page, &Topic::Main, &info(1_000_000, 100, 0));
        assert!(page.samples.is_empty());
        told(&mut page, &Topic::Main, &info(3_000_000, 500, 4));
        let expected = Sample { ops: 200, memory: 9, clients: 2, hits: Some(100), network: 0 };
        assert_eq!(page.samples.back(), Some(&expected));
        told(&mut page, &Topic::Main, &info(4_000_000, 3, 0));
        assert_eq!(page.samples.len(), 1, "it was started anew");
        told(&mut page, &Topic::Main, &info(5_000_000, 13, 0));
        assert_eq!(page.samples.back().map(|sample| (sample.ops, sample.hits)), Some((10, None)));
        page.show_tab(1);
        let grid = page.grid().unwrap();
        assert_eq!((grid.total(), grid.selected().unwrap().cells[0].text.as_str()), (8, "# Server"));
    }

    #[test]
    fn clients_and_parameters_are_changed_by_a_command_that_is_shown() {
        let mut page = page();
        page.show_tab(2);
        told(
            &mut page,
            &Topic::Clients,
            "id=7 addr=10.0.0.9:5000 laddr=x name=app age=65 idle=3 db=0 tot-mem=2048 cmd=client|list user=default\n",
        );
        let change = page.change(Wish::Delete).unwrap();
        assert_eq!(change.command.value(), "node 4 client kill id 7");
        assert!(page.change(Wish::Edit).is_err());
        page.show_tab(4);
        let words = ["maxmemory", "0", "save", "3600 1", "requirepass", "secret"];
        let words = words.map(|word| Value::Bulk(Bytes::from_static(word.as_bytes())));
        let question = page.question(&Topic::Config).unwrap();
        page.take(&Topic::Config, &question, vec![Value::Array(words.to_vec())], Millis(0));
        let grid = page.grid_mut().unwrap();
        assert!(!grid.shown(0, 9).any(|row| row.cells[1].text.contains("secret")));
        grid.select_id(b"save");
        assert_eq!(page.change(Wish::Edit).unwrap().command.value(), "node 4 config set save \"3600 1\"");
    }

    #[test]
    fn commands_have_rates_and_percentiles() {
        let mut page = page();
        page.show_tab(5);
        let text = |at: u64, calls: u64| {
            format!(
                "# Server\r\nserver_time_usec:{at}\r\n# Commandstats\r\n\
                 cmdstat_config|get:calls={calls},usec=40,usec_per_call=2.00,rejected_calls=0,failed_calls=1\r\n\
                 # Latencystats\r\nlatency_percentiles_usec_config|get:p50=1.003,p99=1900.5,p99.9=2000\r\n"
            )
        };
        told(&mut page, &Topic::Commands, &text(1_000_000, 10));
        told(&mut page, &Topic::Commands, &text(2_000_000, 60));
        let row: Vec<&str> =
            page.commands.selected().unwrap().cells.iter().map(|cell| cell.text.as_str()).collect();
        assert_eq!(row, ["CONFIG GET", "60", "50", "2us", "1us", "1.9ms", "100.0%", "1", "0"]);
    }
}
