//! How a [`ClusterView`] follows what happens: one pure function from a change to the next view and its events.
//!
//! Here: what can be learnt, and the registry's health. What stands in the registry is put in its place by `registry`, members by
//! `members`, plans and routing by `journal`. Not here: I/O, clocks (the time comes with the change).

mod journal;
mod members;
mod registry;

use std::collections::BTreeMap;

use redis_cluster::{
    cluster::loss::LossRecord,
    id::{NodeId, ProxyId},
    time::Millis,
};

use super::{
    holdings::Owned,
    past::AuditLine,
    transfer::meter::Transfer,
    view::{ClusterEvent, ClusterView, EventKind, Health, ProxyFigures, Reading},
};

/// A count by owner is true for so long while slots move. Of two proxies one sees a moment earlier that nothing moves any more.
const OWNED_FOR_MS: i64 = 1_500;

/// Something that was learnt.
#[derive(Clone, Debug)]
pub enum Change {
    /// Everything the registry holds, keys relative to the cluster's prefix.
    Reset {
        /// Of the registry.
        revision: u64,
        /// Keys and values.
        entries: Vec<(String, Vec<u8>)>,
    },
    /// Keys of the registry that changed; `None`: deleted.
    Keys {
        /// Of the registry.
        revision: u64,
        /// Keys and values.
        changes: Vec<(String, Option<Vec<u8>>)>,
    },
    /// What was done before this console began, oldest first: the audit log.
    Past(Vec<AuditLine>),
    /// The registry is asked for the first time.
    RegistryAsked,
    /// The registry answers.
    RegistryUp,
    /// The registry does not answer, or refuses.
    RegistryDown {
        /// Why.
        error: String,
        /// It answers, and does not let us.
        refused: bool,
    },
    /// This console began, or ceased, to drive plans itself.
    Driving(bool),
    /// How far an import or export is.
    Transfer(Transfer),
    /// What one source tells of nodes; there may be several sources.
    Nodes(Vec<(NodeId, Reading)>),
    /// Keys by owner as a proxy counted them, and how long before it told, milliseconds; `None`: it sees nothing move.
    Owned(Option<(BTreeMap<NodeId, u64>, i64)>),
    /// Figures of one proxy, or why there are none.
    Proxy(ProxyId, Result<ProxyFigures, String>),
}

impl ClusterView {
    /// Takes in what was learnt at `now`.
    pub fn apply(&mut self, change: Change, now: Millis) {
        match change {
            Change::Reset { revision, entries } => {
                let first = self.registry.heard_at == Millis(0);
                self.registry_up(now);
                (self.registry.revision, self.registry.heard_at) = (revision, now);
                let quiet = first.then(|| self.events.clone());
                self.forget_absent(&entries, revision, now);
                self.put_all(entries.into_iter().map(|(key, value)| (key, Some(value))), revision, now);
                // What was there before this console is not news.
                if let Some(events) = quiet {
                    self.events = events;
                    let of_members = self.losses.values().filter(|loss| self.nodes.contains_key(&loss.node));
                    let losses: Vec<LossRecord> = of_members.cloned().collect();
                    for loss in losses {
                        self.tell_loss(&loss, revision);
                    }
                }
            }
            Change::Keys { revision, changes } => {
                self.registry_up(now);
                self.registry.revision = revision;
                self.put_all(changes, revision, now);
            }
            Change::Past(lines) => {
                let told = lines.iter().filter(|line| !line.is_a_step()).map(|line| ClusterEvent {
                    at: line.at.0,
                    revision: Some(line.revision),
                    kind: EventKind::Audit,
                    text: format!("{}  by {}", line.what, line.by),
                    plan: None,
                });
                self.events.precede(told);
            }
            Change::RegistryAsked => self.registry.asked_at = now,
            Change::RegistryUp if self.registry.health == Health::Unknown => {}
            Change::RegistryUp => self.registry_up(now),
            Change::RegistryDown { error, refused } => match &mut self.registry.health {
                Health::Down { error: last, refused: was, .. } => (*last, *was) = (error, refused),
                _ => {
                    let what = if refused { "does not let us in" } else { "does not answer" };
                    self.event(now, None, EventKind::Registry, format!("registry {what}: {error}"));
                    // For as long as nothing was heard; it is asked all the time.
                    let heard_at = Some(self.registry.heard_at).filter(|&at| at != Millis(0));
                    let since = heard_at.unwrap_or(self.registry.asked_at);
                    self.registry.health = Health::Down { since, error, refused };
                }
            },
            Change::Transfer(transfer) => self.transfer = Some(transfer),
            Change::Driving(drives) => {
                self.drives_here = drives;
                if drives {
                    let text =
                        "no proxy is alive: this console carries plans out itself, while it waits for them";
                    self.event(now, None, EventKind::Plan, text.to_owned());
                }
            }
            Change::Nodes(figures) => {
                for (id, reading) in figures {
                    self.node_reading(&id, reading, now);
                }
            }
            Change::Owned(None) => {
                self.owned = self.owned.take().filter(|old| now.0 - old.at.0 < OWNED_FOR_MS);
            }
            Change::Owned(Some((keys, age_ms))) => {
                let at = Millis(now.0 - age_ms.max(0));
                if self.owned.as_ref().is_none_or(|old| old.at < at) {
                    self.owned = Some(Owned { at, keys });
                }
            }
            Change::Proxy(id, figures) => self.proxy_figures(&id, figures, now),
        }
    }

    fn event(&mut self, now: Millis, revision: Option<u64>, kind: EventKind, text: String) {
        self.events.push(ClusterEvent { at: now.0, revision, kind, text, plan: None });
    }

    fn registry_up(&mut self, now: Millis) {
        // What answers and was not read yet has told nothing.
        if self.registry.heard_at != Millis(0) {
            self.registry.heard_at = now;
        }
        if let Health::Down { since, .. } = std::mem::replace(&mut self.registry.health, Health::Up) {
            let seconds = (now.0 - since.0).max(0) as f64 / 1000.0;
            self.event(
                now,
                None,
                EventKind::Registry,
                format!("registry answers again after {seconds:.1} s"),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn node(id: &str, port: u16) -> (String, Vec<u8>) {
        let json = format!(
            r#"{{"id":"{id}","address":"http://10.0.0.1:{port}","added_at_ms":1,"added_by":"ops@bastion"}}"#
        );
        (format!("nodes/{id}"), json.into_bytes())
    }

    pub(super) fn texts(view: &ClusterView) -> Vec<&str> {
        view.events.iter().map(|event| event.text.as_str()).collect()
    }

    #[test]
    fn what_was_there_first_is_no_event_and_what_comes_and_goes_is() {
        let mut view = ClusterView::new("default", &[], 10);
        view.apply(Change::Reset { revision: 5, entries: vec![node("1", 8001)] }, Millis(100));
        assert!(view.registry.health.is_up() && view.nodes.len() == 1 && view.events.is_empty());

        let (key, value) = node("2", 8002);
        view.apply(Change::Keys { revision: 6, changes: vec![(key, Some(value))] }, Millis(200));
        // A gap: node 1 went meanwhile.
        view.apply(Change::Reset { revision: 9, entries: vec![node("2", 8002)] }, Millis(300));
        assert_eq!(view.nodes.keys().map(NodeId::as_str).collect::<Vec<_>>(), ["2"]);
        assert_eq!(
            texts(&view),
            ["node 2 added  http://10.0.0.1:8002  by ops@bastion", "node 1 removed (http://10.0.0.1:8001)"]
        );
        assert_eq!(view.registry.revision, 9);
    }

    #[test]
    fn an_outage_of_the_registry_is_told_once_with_its_length() {
        let mut view = ClusterView::new("default", &[], 10);
        view.apply(Change::Reset { revision: 1, entries: Vec::new() }, Millis(1));
        view.apply(Change::RegistryDown { error: "refused".to_owned(), refused: false }, Millis(1000));
        view.apply(Change::RegistryDown { error: "timed out".to_owned(), refused: true }, Millis(2000));
        assert!(
            matches!(&view.registry.health, Health::Down { since: Millis(1), error, refused: true } if error == "timed out")
        );
        view.apply(Change::RegistryUp, Millis(3500));
        assert_eq!(texts(&view), ["registry does not answer: refused", "registry answers again after 3.5 s"]);
    }

    #[test]
    fn a_value_nobody_can_read_is_an_event_and_changes_nothing() {
        let mut view = ClusterView::new("default", &[], 10);
        let changes = vec![("nodes/1".to_owned(), Some(b"{".to_vec()))];
        view.apply(Change::Keys { revision: 1, changes }, Millis(1));
        assert!(view.nodes.is_empty() && texts(&view)[0].starts_with("nodes/1 is not readable"));
    }
}
