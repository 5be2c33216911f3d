//! Carries plans out: one process at a time, elected through the registry, moves slots between members.
//!
//! Everything the driver knows it reads from the registry, so the next one goes on where the last one died. Every write
//! is a transaction that also checks that it still leads. Phases and their order: doc/resharding.md.
//! Here: leading ([`run`], [`run_until`]), taking over from a driver that is silent ([`relief`]), choosing the
//! next step ([`steps`]), whose a member is ([`claim`]), one move ([`moving`]), a node that is given up ([`giving_up`]), waiting
//! for proxies ([`barrier`]), deleting what is too old ([`tidy`]). Not here: what proxies do in each phase (proxy), how keys are copied (peer).

mod access;
mod barrier;
mod claim;
mod foreground;
mod giving_up;
mod ledger;
mod moving;
mod pace;
mod relief;
#[cfg(test)]
mod simulation;
mod steps;
mod tidy;
mod verify;

use crate::cluster::records::{Unreadable, keys};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

pub use foreground::run_until;

use super::{
    election::{Election, ElectionError, LeaderRecord, Leadership},
    peer::PeerError,
    plan::Refusal,
    registry::{Registry, RegistryError, WatchEvent},
};
use crate::id::NodeId;

/// How long a driver may sleep before another one takes over.
const LEASE: Duration = Duration::from_secs(5);

/// Between two tries when something outside is in the way.
const PAUSE: Duration = Duration::from_secs(1);

/// Why the driver stopped what it did.
#[derive(Debug, thiserror::Error)]
pub enum DriverError {
    /// Somebody else leads by now, or nobody.
    #[error("no longer the leader")]
    Deposed,
    /// A record was changed by somebody else since it was read; it has to be read again.
    #[error("the registry was changed meanwhile")]
    Overtaken,
    /// The registry does not answer, or holds what it should not.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// A record is not readable.
    #[error("{0}")]
    Record(Box<Refusal>),
    /// A member did not do what it was asked.
    #[error(transparent)]
    Peer(#[from] PeerError),
    /// Proxies that live, but did not come along in time.
    #[error("{0}")]
    Barrier(String),
    /// The copy took longer than writes may be held.
    #[error("not done within {hold:?}")]
    Late {
        /// It had so much.
        hold: Duration,
    },
    /// A freeze whose driver did not live to see its end.
    #[error("the driver of term {term} did not finish the freeze")]
    Interrupted {
        /// Of that driver.
        term: u64,
    },
    /// The two sides of a move are not the same.
    #[error("{0}")]
    Verify(String),
    /// A member of a move is not in the registry.
    #[error("node {0} is not a member")]
    NotAMember(NodeId),
    /// A node that another cluster uses.
    #[error("{0}")]
    Taken(String),
}

impl DriverError {
    /// Whether the move itself is at fault, rather than the registry or the leadership.
    fn is_of_the_move(&self) -> bool {
        match self {
            Self::Peer(_)
            | Self::Barrier(_)
            | Self::Late { .. }
            | Self::Interrupted { .. }
            | Self::Verify(_)
            | Self::NotAMember(_)
            | Self::Taken(_) => true,
            Self::Deposed | Self::Overtaken | Self::Registry(_) | Self::Record(_) => false,
        }
    }
}

impl DriverError {
    /// Whether trying again changes nothing.
    const fn is_for_good(&self) -> bool {
        matches!(self, Self::Taken(_) | Self::Peer(PeerError::Untaken { .. }))
    }
}

impl From<Unreadable> for DriverError {
    fn from(record: Unreadable) -> Self {
        Self::Record(Box::new(record.into()))
    }
}

impl From<Refusal> for DriverError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Registry(error) => Self::Registry(error),
            other => Self::Record(Box::new(other)),
        }
    }
}

/// Stands for leader and, as long as it leads, carries out every plan there is. Never returns; drop it to stop.
///
/// `identity` is for people: `proxy 1`, `console ops@bastion`.
pub async fn run(registry: Registry, identity: String) {
    run_until(registry, identity, CancellationToken::new()).await;
}

/// Carries plans out until something forces this driver to stop.
async fn lead(registry: &Registry, leadership: &Leadership, identity: &str) -> DriverError {
    let mut plans = registry.watch(keys::PLANS);
    let mut driver = steps::Driver::new(registry.clone(), leadership.clone(), identity.to_owned());
    loop {
        match driver.step().await {
            Ok(steps::Progress::Made) => {}
            Ok(steps::Progress::NothingToDo) => match plans.next().await {
                WatchEvent::Down { .. }
                | WatchEvent::Up
                | WatchEvent::Reset { .. }
                | WatchEvent::Changed { .. } => {}
            },
            Err(DriverError::Overtaken) => {}
            Err(DriverError::Registry(error)) if error.is_outage() => {
                tracing::warn!(identity, %error, "waiting for the registry");
                tokio::time::sleep(PAUSE).await;
            }
            Err(error) => return error,
        }
    }
}

/// Who drives now, for screens.
///
/// # Errors
/// When the registry does not answer.
pub async fn leader(registry: &Registry) -> Result<Option<LeaderRecord>, ElectionError> {
    Election::leader(registry).await
}
