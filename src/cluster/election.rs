//! Who drives: one leader at a time, elected by a key under a lease.
//!
//! `leader` holds who leads and in which term, and goes with the leader's lease; `term` counts the elections and stays. A
//! leader adds [`Leadership::guard`] to every transaction it makes, so one that slept past its lease and wakes is refused by
//! the registry, whatever it believes. Not here: what a leader does (driver, mover).

use crate::cluster::records::{keys, parse, to_json};
use std::fmt;

use serde::{Deserialize, Serialize};

use super::registry::{
    Change, Commit, Entry, Lease, LeaseId, Liveness, Registry, RegistryError, Revision, Txn, WatchEvent,
};

/// Under the leader's lease.
const LEADER: &str = keys::LEADER;

/// The number of the last election, without a lease.
const TERM: &str = keys::TERM;

/// The number of an election; each has the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Term(pub u64);

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The value of `leader`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaderRecord {
    /// Who, such as `proxy 1`.
    pub identity: String,
    /// Since which election.
    pub term: Term,
}

/// Why a campaign ended without a win.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ElectionError {
    /// The candidate's own lease ended: it needs a new one to stand again.
    #[error("lease {lease} ended before {identity} was elected")]
    LeaseLost {
        /// The candidate.
        identity: String,
        /// Its lease.
        lease: LeaseId,
    },
    /// A key of the election holds something that no candidate wrote.
    #[error("key {key} holds {value:?} instead of {expected}; delete it to let an election begin anew")]
    Invalid {
        /// Relative to the cluster's prefix.
        key: &'static str,
        /// What is there.
        value: String,
        /// What should be.
        expected: &'static str,
    },
    /// The registry did not answer, or refused.
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

/// The election of one cluster.
#[derive(Debug)]
pub struct Election;

impl Election {
    /// Who leads now, if anybody does. Does not wait for an election.
    ///
    /// # Errors
    /// When the registry does not answer, or `leader` is not a [`LeaderRecord`].
    pub async fn leader(registry: &Registry) -> Result<Option<LeaderRecord>, ElectionError> {
        registry.get(LEADER).await?.map(|entry| record(&entry)).transpose()
    }

    /// Ends the leadership of `term`, whoever holds it, so that another one can be elected before its lease ends. Safe at any
    /// time: everything that leader still writes is refused by its guard. False if it does not lead any more.
    ///
    /// # Errors
    /// When the registry does not answer, or `leader` is not a [`LeaderRecord`].
    pub async fn depose(registry: &Registry, term: Term) -> Result<bool, ElectionError> {
        let Some(entry) = registry.get(LEADER).await? else { return Ok(false) };
        if record(&entry)?.term != term {
            return Ok(false);
        }
        let txn = Txn::new().if_created(LEADER, entry.create_revision).delete(LEADER);
        Ok(registry.commit(txn).await?.is_done())
    }

    /// Waits until `identity` leads, for as long as its lease lives; an outage of the registry is waited out.
    ///
    /// # Errors
    /// [`ElectionError::LeaseLost`], [`ElectionError::Invalid`], or [`ElectionError::Registry`] if the registry refuses.
    pub async fn campaign(
        registry: &Registry,
        identity: &str,
        lease: &Lease,
    ) -> Result<Leadership, ElectionError> {
        let lost = || ElectionError::LeaseLost { identity: identity.to_owned(), lease: lease.id() };
        tokio::select! {
            biased;
            () = lease.lost() => Err(lost()),
            won = stand(registry, identity, lease) => match won {
                Err(ElectionError::Registry(RegistryError::LeaseGone { .. })) => Err(lost()),
                won => won,
            },
        }
    }
}

/// Tries, waits until the leader is gone, and tries again.
async fn stand(registry: &Registry, identity: &str, lease: &Lease) -> Result<Leadership, ElectionError> {
    let mut watch = registry.watch(LEADER);
    loop {
        // The first event is a reset, and after an outage there is one more than is needed: each is a reason to look.
        match watch.next().await {
            WatchEvent::Down { .. } => continue,
            WatchEvent::Up | WatchEvent::Reset { .. } | WatchEvent::Changed { .. } => {}
        }
        loop {
            match attempt(registry, identity, lease).await {
                Ok(Attempt::Won(leadership)) => return Ok(leadership),
                Ok(Attempt::Taken) => break,
                // Somebody else was quicker, or the outcome is not known: look again.
                Ok(Attempt::Conflict) => {}
                Err(ElectionError::Registry(error)) if error.is_outage() => {
                    tracing::debug!(identity, %error, "campaign waits for the registry");
                }
                Err(error) => return Err(error),
            }
        }
    }
}

enum Attempt {
    Won(Leadership),
    Taken,
    Conflict,
}

async fn attempt(registry: &Registry, identity: &str, lease: &Lease) -> Result<Attempt, ElectionError> {
    if let Some(entry) = registry.get(LEADER).await? {
        // Ours if an attempt succeeded without our hearing of it.
        return if entry.lease == Some(lease.id()) {
            let term = record(&entry)?.term;
            Ok(Attempt::Won(Leadership::new(registry, lease, term, entry.create_revision)))
        } else {
            Ok(Attempt::Taken)
        };
    }
    let last = registry.get(TERM).await?;
    let (term, counted) = match &last {
        Some(entry) => (Term(number(entry)?.0 + 1), entry.mod_revision),
        None => (Term(1), Revision(0)),
    };
    let value = to_json(&LeaderRecord { identity: identity.to_owned(), term });
    let txn = Txn::new()
        .if_absent(LEADER)
        .if_revision(TERM, counted)
        .put_leased(LEADER, value, lease.id())
        .put(TERM, term.to_string());
    match registry.commit(txn).await? {
        Commit::Done { revision } => Ok(Attempt::Won(Leadership::new(registry, lease, term, revision))),
        Commit::Conflict { .. } => Ok(Attempt::Conflict),
    }
}

fn record(entry: &Entry) -> Result<LeaderRecord, ElectionError> {
    parse(entry).map_err(|_| ElectionError::Invalid {
        key: LEADER,
        value: String::from_utf8_lossy(&entry.value).into_owned(),
        expected: r#"{"identity":TEXT,"term":NUMBER}"#,
    })
}

fn number(entry: &Entry) -> Result<Term, ElectionError> {
    let text = String::from_utf8_lossy(&entry.value);
    text.trim().parse().map(Term).map_err(|_| ElectionError::Invalid {
        key: TERM,
        value: text.into_owned(),
        expected: "a number",
    })
}

/// Won, and valid until [`lost`](Self::lost). Letting go of it does not resign: the lease does, or [`Leadership::resign`].
#[derive(Clone, Debug)]
pub struct Leadership {
    registry: Registry,
    lease: Liveness,
    term: Term,
    created: Revision,
}

impl Leadership {
    fn new(registry: &Registry, lease: &Lease, term: Term, created: Revision) -> Self {
        Self { registry: registry.clone(), lease: lease.liveness(), term, created }
    }

    /// Which election was won.
    #[must_use]
    pub fn term(&self) -> Term {
        self.term
    }

    /// Adds the condition that this leadership still stands.
    pub fn guard(&self, txn: Txn) -> Txn {
        txn.if_created(LEADER, self.created)
    }

    /// False once the lease may have ended, at once after waking from a sleep too. A guard is still needed: the answer may
    /// be old before it is used.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.lease.is_alive()
    }

    /// Resolves when the lease may have ended or somebody deleted `leader`. Cancel safe, but each call follows the key anew:
    /// pin one future rather than calling it in a loop.
    pub fn lost(&self) -> impl Future<Output = ()> + Send + use<> {
        let (registry, lease, created) = (self.registry.clone(), self.lease.clone(), self.created);
        async move {
            let mut watch = registry.watch(LEADER);
            let deposed = async {
                loop {
                    let stands = match watch.next().await {
                        WatchEvent::Reset { entries, .. } => entries
                            .iter()
                            .any(|entry| entry.key == LEADER && entry.create_revision == created),
                        WatchEvent::Changed { changes, .. } => !changes
                            .iter()
                            .any(|change| matches!(change, Change::Deleted { key } if key == LEADER)),
                        WatchEvent::Down { .. } | WatchEvent::Up => true,
                    };
                    if !stands {
                        return;
                    }
                }
            };
            tokio::select! {
                () = lease.lost() => {}
                () = deposed => {}
            }
        }
    }

    /// Makes way for the next leader; the lease lives on.
    ///
    /// # Errors
    /// When the registry does not answer; the lease then makes way when it ends.
    pub async fn resign(self) -> Result<(), RegistryError> {
        // A conflict means that somebody else leads already.
        self.registry.commit(self.guard(Txn::new()).delete(LEADER)).await.map(drop)
    }
}
