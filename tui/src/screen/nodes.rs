//! The table of nodes: which rows, in which order, which one is selected. Drawing it is `view::nodes`.

use std::{cmp::Ordering, collections::BTreeMap};

use redis_cluster::id::NodeId;
use tui_input::Input;

use crate::session::ClusterView;

/// What rows can be sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Column {
    /// Natural order: 1, 2, 10.
    #[default]
    Id,
    /// Its word.
    State,
    /// Slots owned.
    Slots,
    /// Keys held.
    Keys,
    /// Commands a second.
    Ops,
    /// Bytes used.
    Memory,
    /// Round trip of the last poll.
    Ping,
    /// Connections.
    Clients,
}

impl Column {
    const ALL: [Self; 8] =
        [Self::Id, Self::State, Self::Slots, Self::Keys, Self::Ops, Self::Memory, Self::Ping, Self::Clients];

    /// Its name in the title of the table.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::State => "state",
            Self::Slots => "slots",
            Self::Keys => "keys",
            Self::Ops => "ops/s",
            Self::Memory => "mem",
            Self::Ping => "ping",
            Self::Clients => "conn",
        }
    }

    /// The next one; after the last the first.
    #[must_use]
    pub fn next(self) -> Self {
        let at = Self::ALL.iter().position(|&column| column == self).unwrap_or(0);
        Self::ALL[(at + 1) % Self::ALL.len()]
    }
}

/// Order, filter, selection, and what one pass over the cluster tells about all nodes.
#[derive(Clone, Debug, Default)]
pub struct NodeTable {
    /// What rows are sorted by.
    pub sort: Column,
    /// Largest first.
    pub reverse: bool,
    /// Only rows with this text in id, address or state.
    pub filter: Input,
    /// The rows, in order.
    pub rows: Vec<NodeId>,
    /// The selected one.
    pub selected: Option<NodeId>,
    /// Slots owned, for nodes that own any.
    pub slots: BTreeMap<NodeId, usize>,
}

impl NodeTable {
    /// Computes rows and order again; the selection stays with its node, or goes to the nearest row.
    pub fn refresh(&mut self, view: &ClusterView) {
        self.slots.clear();
        for (range, owner) in view.topology.iter().flat_map(|known| &known.topology.slots) {
            *self.slots.entry(owner.clone()).or_default() += range.count();
        }
        let before = self.position();
        let filter = self.filter.value().to_lowercase();
        self.rows = view
            .nodes
            .iter()
            .filter(|(id, node)| {
                filter.is_empty()
                    || id.as_str().to_lowercase().contains(&filter)
                    || node.record.address.to_string().to_lowercase().contains(&filter)
                    || view.state_of(id).word().contains(&filter)
            })
            .map(|(id, _)| id.clone())
            .collect();
        self.order(view);
        if self.position().is_none() {
            self.selected =
                self.rows.get(before.unwrap_or(0).min(self.rows.len().saturating_sub(1))).cloned();
        }
    }

    fn order(&mut self, view: &ClusterView) {
        // Rows without a figure come last in either direction: they have nothing to compare.
        let number = |id: &NodeId| -> Option<u64> {
            let figures = view.nodes.get(id)?.figures.as_ref();
            match self.sort {
                Column::Id | Column::State => None,
                Column::Slots => Some(self.slots.get(id).copied().unwrap_or(0) as u64),
                Column::Keys => view.keys_of(id).map(|count| count.keys),
                Column::Ops => figures.map(|figures| super::text::whole(figures.ops_per_second)),
                Column::Memory => figures.map(|figures| figures.used_memory),
                Column::Ping => figures.map(|figures| figures.latency_us).filter(|&us| us > 0),
                Column::Clients => figures.map(|figures| figures.clients),
            }
        };
        let turned = |order: Ordering| if self.reverse { order.reverse() } else { order };
        let mut rows = std::mem::take(&mut self.rows);
        match self.sort {
            Column::Id => rows.sort_by(|a, b| turned(a.cmp(b))),
            Column::State => rows.sort_by_cached_key(|id| view.state_of(id).word()),
            _ => rows.sort_by(|a, b| match (number(a), number(b)) {
                (Some(a), Some(b)) => turned(a.cmp(&b)),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (None, None) => Ordering::Equal,
            }),
        }
        if self.sort == Column::State && self.reverse {
            rows.reverse();
        }
        self.rows = rows;
    }

    /// The row of the selection.
    #[must_use]
    pub fn position(&self) -> Option<usize> {
        let selected = self.selected.as_ref()?;
        self.rows.iter().position(|id| id == selected)
    }

    /// Moves the selection by rows, stopping at the ends.
    pub fn select_by(&mut self, rows: isize) {
        let at = self.position().unwrap_or(0).saturating_add_signed(rows);
        self.selected = self.rows.get(at.min(self.rows.len().saturating_sub(1))).cloned();
    }

    /// First row to draw so that the selection is within `height` rows, near the middle when there are more.
    #[must_use]
    pub fn top(&self, height: usize) -> usize {
        let last_top = self.rows.len().saturating_sub(height);
        self.position().unwrap_or(0).saturating_sub(height / 2).min(last_top)
    }
}
