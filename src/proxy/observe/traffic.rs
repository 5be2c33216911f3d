//! How many requests pass through one worker, by command and by node, how they end and how long they take.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::keys::Keys;
use crate::{
    command::{Group, Spec, TABLE},
    proxy::routing::NodeIndex,
    server::counts::{Codes, Counter, Histogram},
};

/// Families of commands.
pub(super) const FAMILIES: usize = Group::Cluster as usize + 1;

/// Why a client was cut off that did not ask for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::proxy) enum Cut {
    /// It does not read its replies, or what it wants to hear.
    OutputBuffer,
    /// It sends a request without an end.
    QueryBuffer,
    /// The buffers of all took too much, and it had most.
    Memory,
    /// It speaks HTTP where commands should be.
    Http,
    /// Somebody asked for it, by `CLIENT KILL`.
    Killed,
}

impl Cut {
    /// All, with their labels.
    pub(in crate::proxy) const ALL: [(Self, &'static str); 5] = [
        (Self::OutputBuffer, "output_buffer"),
        (Self::QueryBuffer, "query_buffer"),
        (Self::Memory, "memory"),
        (Self::Http, "http"),
        (Self::Killed, "killed"),
    ];
}

/// Of one command.
#[derive(Debug)]
struct OfCommand {
    requests: Counter,
    errors: Counter,
}

/// Of one node.
#[derive(Debug, Default)]
pub(in crate::proxy) struct OfNode {
    /// Requests and parts of requests that were sent, the proxy's own included.
    pub(in crate::proxy) sent: Counter,
    pub(in crate::proxy) answered: Counter,
    /// Of those that were answered: by an error.
    pub(in crate::proxy) errors: Counter,
    pub(in crate::proxy) codes: Codes,
    /// The connection was lost: surely not run.
    pub(in crate::proxy) not_run: Counter,
    /// The same: nobody can tell.
    pub(in crate::proxy) unknown: Counter,
    pub(in crate::proxy) times: Histogram,
    pub(in crate::proxy) input: Counter,
    pub(in crate::proxy) output: Counter,
    /// Attempts to connect, and connections that failed or broke.
    pub(in crate::proxy) attempts: Counter,
    pub(in crate::proxy) failures: Counter,
    /// Connections that are in use, that are being made, and that wait to be tried again.
    pub(in crate::proxy) ready: Counter,
    pub(in crate::proxy) connecting: Counter,
    pub(in crate::proxy) down: Counter,
}

/// See the module.
#[derive(Debug)]
pub(in crate::proxy) struct Traffic {
    /// By [`Spec::index`].
    commands: Box<[OfCommand]>,
    /// By [`Group`].
    families: [Histogram; FAMILIES],
    /// Kept for ever, as the numbers of nodes are: one that comes back goes on.
    nodes: Mutex<BTreeMap<NodeIndex, Arc<OfNode>>>,
    /// Errors of the proxy's own.
    pub(in crate::proxy) refusals: Codes,
    /// Bytes from clients and to them.
    pub(in crate::proxy) input: Counter,
    pub(in crate::proxy) output: Counter,
    /// By [`Cut`].
    cut: [Counter; Cut::ALL.len()],
    /// Requests beyond the threshold.
    pub(in crate::proxy) slow: Counter,
    keys: Mutex<Keys>,
}

impl Default for Traffic {
    fn default() -> Self {
        let of_command = |_: &Spec| OfCommand { requests: Counter::default(), errors: Counter::default() };
        Self {
            commands: TABLE.iter().map(of_command).collect(),
            families: Default::default(),
            nodes: Mutex::default(),
            refusals: Codes::default(),
            input: Counter::default(),
            output: Counter::default(),
            cut: Default::default(),
            slow: Counter::default(),
            keys: Mutex::default(),
        }
    }
}

impl Traffic {
    /// A request of a command was served.
    #[inline]
    pub(in crate::proxy) fn served(&self, spec: &Spec) {
        self.commands[usize::from(spec.index)].requests.add(1);
    }

    /// A node answered one by an error.
    pub(in crate::proxy) fn failed(&self, spec: &Spec) {
        self.commands[usize::from(spec.index)].errors.add(1);
    }

    /// So many of a command took so long each.
    pub(in crate::proxy) fn took(&self, spec: &Spec, each: Duration, count: u64) {
        self.families[spec.group as usize].record(each, count);
    }

    pub(in crate::proxy) fn cut(&self, why: Cut) {
        self.cut[why as usize].add(1);
    }

    fn nodes(&self) -> MutexGuard<'_, BTreeMap<NodeIndex, Arc<OfNode>>> {
        // Nothing panics while it holds the lock.
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Of a node, for who keeps them.
    pub(in crate::proxy) fn node(&self, index: NodeIndex) -> Arc<OfNode> {
        Arc::clone(self.nodes().entry(index).or_default())
    }

    /// Of a node, if this worker ever had to do with it.
    pub(super) fn known_node(&self, index: NodeIndex) -> Option<Arc<OfNode>> {
        self.nodes().get(&index).cloned()
    }

    /// Sampled keys.
    pub(in crate::proxy) fn keys(&self) -> MutexGuard<'_, Keys> {
        // Nothing panics while it holds the lock.
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Requests and errors of the commands that were ever served, by their place in the table.
    pub(super) fn commands(&self) -> impl Iterator<Item = (usize, u64, u64)> + '_ {
        let all = self.commands.iter().enumerate();
        all.map(|(spec, of)| (spec, of.requests.get(), of.errors.get())).filter(|of| of.1 > 0)
    }

    /// By [`Group`].
    pub(super) fn families(&self) -> &[Histogram; FAMILIES] {
        &self.families
    }

    /// How many were cut off for this reason.
    pub(in crate::proxy) fn were_cut(&self, why: Cut) -> u64 {
        self.cut[why as usize].get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_of_cuts_are_in_their_order() {
        for (place, (cut, _)) in Cut::ALL.iter().enumerate() {
            assert_eq!(*cut as usize, place);
        }
    }
}
