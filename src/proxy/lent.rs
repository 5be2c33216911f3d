//! Functions for a member that has none: it joined, or started again empty. It is lent those of another member before it is used,
//! because a transaction cannot be helped any more when it finds that they are not there.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::sync::OnceCell;

use crate::cluster::{
    member::Address,
    peer::{Peer, PeerError},
};

/// Members that are asked, one after the other, until one has functions.
const ASKED_MAX: usize = 16;
/// A member that takes longer is used without; what it lacks it is given when it is called.
const PATIENCE: Duration = Duration::from_secs(1);

/// What members have: looked for once for all that are logged in to together, when the first of them needs it.
#[derive(Clone, Debug)]
pub(super) struct Lender {
    members: Arc<[Address]>,
    functions: Arc<OnceCell<Option<Bytes>>>,
}

impl Lender {
    /// Of these members.
    pub(super) fn new(members: Arc<[Address]>) -> Self {
        Self { members, functions: Arc::default() }
    }

    /// Gives a member what others have, if it has none. Nothing of that is needed to use the member: what goes wrong is logged.
    pub(super) async fn help(&self, peer: &mut Peer) {
        match tokio::time::timeout(PATIENCE, self.try_to_help(peer)).await {
            Ok(Ok(false)) => {}
            Ok(Ok(true)) => {
                tracing::info!(node = %peer.address(), "a node without functions was given those of another");
            }
            Ok(Err(error)) => {
                tracing::warn!(node = %peer.address(), %error, "a node may lack functions until they are called");
            }
            Err(_) => {
                tracing::warn!(node = %peer.address(), "a node may lack functions until they are called: no answer in time");
            }
        }
    }

    /// Whether it was given any.
    async fn try_to_help(&self, peer: &mut Peer) -> Result<bool, PeerError> {
        if peer.has_functions().await? != Some(false) {
            return Ok(false);
        }
        let functions = self.functions.get_or_init(|| find(&self.members)).await;
        let Some(functions) = functions else { return Ok(false) };
        peer.restore_functions(functions).await?;
        Ok(true)
    }
}

/// Those of the first member that has any.
async fn find(members: &[Address]) -> Option<Bytes> {
    for member in members.iter().take(ASKED_MAX) {
        match of_member(member).await {
            Ok(None) => {}
            Ok(functions) => return functions,
            Err(error) => tracing::debug!(%error, "a node does not say which functions it has"),
        }
    }
    None
}

async fn of_member(member: &Address) -> Result<Option<Bytes>, PeerError> {
    let mut peer = Peer::open(member).await?;
    if peer.has_functions().await? == Some(true) { peer.dump_functions().await.map(Some) } else { Ok(None) }
}
