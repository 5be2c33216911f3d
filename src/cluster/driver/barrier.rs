//! Which proxies have come to an epoch, and who may still act by an older one.
//!
//! The rule that everything rests on is [`Roll::behind`]: a registration that stands, or that ended before its own lease did,
//! and that has neither acknowledged the epoch nor been shut out at the node, may still send something there. No timeout makes
//! it safe; see doc/resharding.md. Not here: what a phase does about those that are behind ([`super::moving`]).

use crate::cluster::records::{keys, parse};
use std::{collections::BTreeSet, time::Duration};

use tokio::time::Instant;

use super::{DriverError, ledger::Ledger};
use crate::{
    cluster::{
        member::ProxyRecord,
        peer::fence::proxy_user,
        registry::{LeaseId, Revision, Watch, WatchEvent},
    },
    id::Epoch,
};

/// One registration of a proxy, as the registry knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Registration {
    pub(super) record: ProxyRecord,
    pub(super) place: Place,
}

/// Where a registration stands in the registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In `proxies/`: created then, under this lease.
    Registered { created: Revision, lease: Option<LeaseId> },
    /// In `retired/`: somebody ended it, and the proxy may not know yet.
    Retired,
}

impl Registration {
    /// Its ACL user at the members.
    pub(super) fn user(&self) -> String {
        proxy_user(&self.record.id, &self.record.instance)
    }

    /// For messages.
    pub(super) fn label(&self) -> String {
        let ProxyRecord { id, address, epoch, .. } = &self.record;
        match self.place {
            Place::Registered { .. } => format!("proxy {id} at {address} is at epoch {epoch}"),
            Place::Retired => format!("an earlier registration of proxy {id} at {address}"),
        }
    }
}

/// All registrations whose lease may live.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Roll {
    pub(super) registrations: Vec<Registration>,
}

/// Who has to have come to an epoch.
#[derive(Clone, Copy, Debug)]
pub(super) enum Who<'a> {
    /// Those whose registration stands: all others are shut out afterwards, before anything relies on it.
    Registered,
    /// Everybody who may still act, but for these users who were shut out already.
    AllBut(&'a BTreeSet<String>),
}

impl Roll {
    /// Those whose registration stands and that have not acknowledged the epoch.
    pub(super) fn late(&self, epoch: Epoch) -> Vec<&Registration> {
        let standing = self.registrations.iter().filter(|of| matches!(of.place, Place::Registered { .. }));
        standing.filter(|of| of.record.epoch < epoch).collect()
    }

    /// Those of them that have not.
    pub(super) fn missing(&self, epoch: Epoch, who: Who<'_>) -> Vec<&Registration> {
        match who {
            Who::Registered => self.late(epoch),
            Who::AllBut(fenced) => self.behind(epoch, fenced),
        }
    }

    /// Those that may still act by an epoch before this one: neither have they acknowledged it, nor were they shut out. A
    /// registration that is not on the roll has ended by its own lease, and its proxy knows that by its own clock.
    pub(super) fn behind(&self, epoch: Epoch, fenced: &BTreeSet<String>) -> Vec<&Registration> {
        let behind = self.registrations.iter().filter(|registration| {
            let acknowledged =
                matches!(registration.place, Place::Registered { .. }) && registration.record.epoch >= epoch;
            !acknowledged && !fenced.contains(&registration.user())
        });
        behind.collect()
    }

    /// Whether this ACL user is of a registration that stands.
    pub(super) fn has_registered(&self, user: &str) -> bool {
        let mut standing =
            self.registrations.iter().filter(|of| matches!(of.place, Place::Registered { .. }));
        standing.any(|registration| registration.user() == user)
    }
}

/// Names of registrations, for messages.
pub(super) fn labels(registrations: &[&Registration]) -> String {
    registrations.iter().map(|registration| registration.label()).collect::<Vec<_>>().join(", ")
}

/// The roll of now. `proxies/` is read first: a registration goes from there to `retired/`, so none is missed on its way.
pub(super) async fn look(ledger: &Ledger) -> Result<Roll, DriverError> {
    let mut roll = Roll::default();
    for entry in ledger.registry.list(keys::PROXIES).await?.entries {
        let place = Place::Registered { created: entry.create_revision, lease: entry.lease };
        roll.registrations.push(Registration { record: parse(&entry)?, place });
    }
    for record in ledger.all::<ProxyRecord>(keys::RETIRED).await? {
        roll.registrations.push(Registration { record: record.value, place: Place::Retired });
    }
    Ok(roll)
}

/// Follows the registrations, over the phases of a move: a stream that is opened while writes are held costs time.
pub(super) struct Barrier<'a> {
    ledger: &'a Ledger,
    watch: Watch,
}

impl<'a> Barrier<'a> {
    pub(super) fn new(ledger: &'a Ledger) -> Self {
        Self { ledger, watch: ledger.registry.watch(keys::PROXIES) }
    }

    /// Waits until nobody of these is missing at `epoch`, or patience ends; the caller decides what those mean that still are.
    pub(super) async fn wait(
        &mut self,
        epoch: Epoch,
        who: Who<'_>,
        patience: Duration,
    ) -> Result<Roll, DriverError> {
        let deadline = Instant::now() + patience;
        loop {
            let roll = look(self.ledger).await?;
            if roll.missing(epoch, who).is_empty() {
                return Ok(roll);
            }
            loop {
                match tokio::time::timeout_at(deadline, self.watch.next()).await {
                    Ok(WatchEvent::Down { .. } | WatchEvent::Up) => {}
                    Ok(WatchEvent::Reset { .. } | WatchEvent::Changed { .. }) => break,
                    Err(_) => return look(self.ledger).await,
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registration(instance: &str, epoch: u64, place: Place) -> Registration {
        let record = ProxyRecord {
            id: "1".parse().unwrap(),
            instance: instance.to_owned(),
            address: "127.0.0.1:7001".to_owned(),
            host: String::new(),
            version: String::new(),
            epoch: Epoch(epoch),
            draining: false,
        };
        Registration { record, place }
    }

    #[test]
    fn behind_are_all_that_neither_acknowledged_nor_were_shut_out() {
        let registered = Place::Registered { created: Revision(5), lease: None };
        let roll = Roll {
            registrations: vec![
                registration("follows", 7, registered),
                registration("late", 6, registered),
                registration("ended", 7, Place::Retired),
            ],
        };
        let behind = |fenced: &[&str]| {
            let fenced = fenced.iter().map(|instance| format!("rc-proxy-1-{instance}")).collect();
            let behind = roll.behind(Epoch(7), &fenced);
            behind.iter().map(|of| of.record.instance.clone()).collect::<Vec<_>>()
        };
        assert_eq!(
            behind(&[]),
            ["late", "ended"],
            "what a registration acknowledged counts only while it stands"
        );
        assert_eq!(
            roll.late(Epoch(7)).len(),
            1,
            "only a registration that stands is waited for before the fence"
        );
        assert_eq!(behind(&["late"]), ["ended"]);
        assert_eq!(behind(&["ended", "late"]), [""; 0]);
        let standing =
            ["follows", "late", "ended"].map(|of| roll.has_registered(&format!("rc-proxy-1-{of}")));
        assert_eq!(standing, [true, true, false]);
    }
}
