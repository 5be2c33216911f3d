//! What a member lacks that joined, or started again empty: functions, and the setting which events of keys are told of. It is lent those of another
//! member before it is used. A transaction cannot be helped any more when it finds that a function is not there, and who is subscribed
//! to events would not notice that those of some keys do not come.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::sync::OnceCell;

use crate::cluster::{
    member::Address,
    peer::{Peer, PeerError},
};

/// Members that are asked, one after the other, until all is found.
const ASKED_MAX: usize = 16;
/// A member that takes longer is used without; functions that it lacks it is given when one is called.
const PATIENCE: Duration = Duration::from_secs(1);

/// What members have: looked for once for all that are logged in to together, when the first of them needs it.
#[derive(Clone, Debug)]
pub(super) struct Lender {
    members: Arc<[Address]>,
    found: Arc<OnceCell<Found>>,
}

/// What the first members had that have any.
#[derive(Debug, Default)]
struct Found {
    functions: Option<Bytes>,
    /// Letters of `notify-keyspace-events`.
    events: Option<String>,
}

impl Lender {
    /// Of these members.
    pub(super) fn new(members: Arc<[Address]>) -> Self {
        Self { members, found: Arc::default() }
    }

    /// Gives a member what others have, if it has none. Nothing of that is needed to use the member: what goes wrong is logged.
    pub(super) async fn help(&self, peer: &mut Peer) {
        let lent = tokio::time::timeout(PATIENCE, async {
            self.lend_functions(peer).await?;
            self.lend_events(peer).await
        });
        match lent.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(node = %peer.address(), %error, "a node may lack functions until they are called, and events of keys");
            }
            Err(_) => {
                tracing::warn!(
                    node = %peer.address(),
                    "a node may lack functions until they are called, and events of keys: no answer in time"
                );
            }
        }
    }

    async fn found(&self) -> &Found {
        self.found.get_or_init(|| find(&self.members)).await
    }

    async fn lend_functions(&self, peer: &mut Peer) -> Result<(), PeerError> {
        if peer.has_functions().await? == Some(false)
            && let Some(functions) = &self.found().await.functions
        {
            peer.restore_functions(functions).await?;
            tracing::info!(node = %peer.address(), "a node without functions was given those of another");
        }
        Ok(())
    }

    async fn lend_events(&self, peer: &mut Peer) -> Result<(), PeerError> {
        if peer.events().await?.is_empty()
            && let Some(events) = &self.found().await.events
        {
            peer.set_events(events).await?;
            tracing::info!(node = %peer.address(), events, "a node tells of the same events of keys as another");
        }
        Ok(())
    }
}

/// Of the first members that have any.
async fn find(members: &[Address]) -> Found {
    let mut found = Found::default();
    for member in members.iter().take(ASKED_MAX) {
        if let Err(error) = look(member, &mut found).await {
            tracing::debug!(%error, "a node does not say which functions it has, or which events it tells of");
        }
        if found.functions.is_some() && found.events.is_some() {
            break;
        }
    }
    found
}

async fn look(member: &Address, found: &mut Found) -> Result<(), PeerError> {
    let mut peer = Peer::open(member).await?;
    if found.functions.is_none() && peer.has_functions().await? == Some(true) {
        found.functions = Some(peer.dump_functions().await?);
    }
    if found.events.is_none() {
        found.events = Some(peer.events().await?).filter(|events| !events.is_empty());
    }
    Ok(())
}
