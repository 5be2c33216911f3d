//! A proxy: what it says of itself, and its clients.

use std::collections::VecDeque;

use redis_cluster::{id::ProxyId, protocol::Value, time::Millis};

use super::{
    Content, Known, Text, Wish,
    ask::{Question, Topic},
    grid::Grid,
    node::{CLIENTS, rows_of_clients, text_of},
};
use crate::{
    screen::{dialog::Change, keymap::Context, text, theme::Role},
    session::{ClusterView, Target},
};

/// Samples of its trend.
const SAMPLES: usize = 120;
/// Figures that follow sooner are no sample of their own.
const SAMPLE_EVERY_MS: i64 = 900;
const TABS: &[&str] = &["overview", "clients"];
const CLIENTS_MS: i64 = 2_000;

/// A proxy.
#[derive(Clone, Debug)]
pub struct ProxyPage {
    /// Which.
    pub id: ProxyId,
    /// Commands a second, oldest first.
    pub samples: VecDeque<u64>,
    sampled_at: Millis,
    tab: usize,
    overview: Text,
    clients: Grid,
}

impl ProxyPage {
    /// Nothing known yet.
    #[must_use]
    pub fn new(id: ProxyId) -> Self {
        Self {
            id,
            samples: VecDeque::new(),
            sampled_at: Millis(0),
            tab: 0,
            overview: Text::default(),
            clients: Grid::new(CLIENTS),
        }
    }
}

fn overview(id: &ProxyId, view: &ClusterView, now: Millis) -> Vec<(Role, String)> {
    let Some(proxy) = view.proxies.get(id) else {
        return vec![(Role::Bad, "it is not registered any more".to_owned())];
    };
    let line = |name: &str, value: String| (Role::Text, format!("{}{value}", text::left(name, 12)));
    let current = view.topology.as_ref().map_or(0, |known| known.topology.epoch.0);
    let mut lines = vec![
        line("address", proxy.record.address.clone()),
        line("host", proxy.record.host.clone()),
        line("version", proxy.record.version.clone()),
        line("instance", proxy.record.instance.clone()),
    ];
    if let Some(error) = &proxy.error {
        lines.push((Role::Bad, format!("{}{error}", text::left("trouble", 12))));
    }
    if let Some(figures) = &proxy.figures {
        let epoch = figures.epoch.max(proxy.record.epoch.0);
        let late = current.saturating_sub(epoch);
        let behind = if late == 0 { "current".to_owned() } else { format!("{late} behind {current}") };
        lines.extend([
            line("age", text::age(now.0 - proxy.read_at.0)),
            line("epoch", format!("{epoch} ({behind})")),
            line("op/s", text::thousands(text::whole(figures.ops_per_second))),
            line("commands", text::thousands(figures.commands)),
            line("clients", text::thousands(figures.clients)),
            line("writes held", text::thousands(figures.held)),
            line(
                "moves",
                if figures.driver { "it drives them".to_owned() } else { "another drives them".to_owned() },
            ),
        ]);
    }
    lines.push((Role::Text, String::new()));
    let name = format!("proxy {id} ");
    let events = view.events.iter().rev().filter(|event| format!("{} ", event.text).contains(&name));
    lines.extend(events.take(50).map(|event| {
        let at = text::clock(Millis(event.at));
        (super::events::role_of(event.kind), format!("{at}  {}", event.text))
    }));
    lines
}

impl Content for ProxyPage {
    fn title(&self) -> String {
        format!("proxy {}", self.id)
    }

    fn context(&self) -> Context {
        if self.tab == 0 { Context::Proxy } else { Context::ProxyClients }
    }

    fn tabs(&self) -> Option<(&'static [&'static str], usize)> {
        Some((TABS, self.tab))
    }

    fn show_tab(&mut self, tab: usize) {
        self.tab = tab % TABS.len();
    }

    fn grid(&self) -> Option<&Grid> {
        (self.tab == 1).then_some(&self.clients)
    }

    fn grid_mut(&mut self) -> Option<&mut Grid> {
        (self.tab == 1).then_some(&mut self.clients)
    }

    fn text(&self) -> Option<&Text> {
        (self.tab == 0).then_some(&self.overview)
    }

    fn text_mut(&mut self) -> Option<&mut Text> {
        (self.tab == 0).then_some(&mut self.overview)
    }

    fn wants(&self, _view: &ClusterView) -> Vec<(Topic, i64)> {
        if self.tab == 1 { vec![(Topic::Clients, CLIENTS_MS)] } else { Vec::new() }
    }

    fn question(&self, topic: &Topic) -> Option<Question> {
        (*topic == Topic::Clients).then(|| Question::one(Target::Proxy(self.id.clone()), &["CLIENT", "LIST"]))
    }

    fn take(&mut self, topic: &Topic, _question: &Question, replies: Vec<Value>, _now: Millis) {
        if *topic == Topic::Clients {
            self.clients.set(rows_of_clients(&text_of(replies.first())));
        }
    }

    fn know(&mut self, known: Known<'_>) {
        self.overview.lines = overview(&self.id, known.view, known.now);
        let Some(proxy) = known.view.proxies.get(&self.id) else { return };
        if let Some(figures) = proxy.figures.as_ref().filter(|_| proxy.error.is_none())
            && proxy.read_at.0 - self.sampled_at.0 >= SAMPLE_EVERY_MS
        {
            self.sampled_at = proxy.read_at;
            self.samples.push_back(text::whole(figures.ops_per_second));
            while self.samples.len() > SAMPLES {
                self.samples.pop_front();
            }
        }
    }

    fn change(&self, _wish: Wish) -> Result<Change, String> {
        Err("a proxy's clients are closed through a connection to it: redis-cli CLIENT KILL".to_owned())
    }
}
