//! The mark of this cluster on its members: set before the first slot goes to one, taken away when it leaves.

use std::time::Duration;

use super::{DriverError, ledger::Ledger};
use crate::cluster::{
    identity,
    member::NodeRecord,
    peer::{Peer, PeerError, mark::Claim},
};

/// A member that left is not waited for: its mark can be deleted by hand, and says so when it is in the way.
const PATIENCE: Duration = Duration::from_secs(3);

/// Makes a node this cluster's before slots go to it.
///
/// # Errors
/// [`DriverError::Taken`] if another cluster was quicker, [`DriverError::Peer`] if the node does not answer.
pub(super) async fn claim(ledger: &Ledger, node: &NodeRecord, owns_slots: bool) -> Result<(), DriverError> {
    let ours = identity::ensure(&ledger.registry).await?;
    let mut peer = Peer::open(&node.address).await?;
    match peer.claim(&ours, owns_slots).await? {
        Claim::Ours { others } if others.is_empty() => Ok(()),
        Claim::Ours { others } => {
            tracing::error!(node = %node.id, address = %node.address, ?others, "carries the mark of another cluster too");
            Ok(())
        }
        Claim::Taken { by } => {
            let by: Vec<String> = by.iter().map(ToString::to_string).collect();
            Err(DriverError::Taken(format!(
                "node {} at {} is a node of another cluster, {}; remove it there first",
                node.id,
                node.address,
                by.join(" and ")
            )))
        }
    }
}

/// Takes the mark off a node that owns nothing and leaves.
pub(super) async fn release(ledger: &Ledger, node: &NodeRecord) {
    let released = async {
        let Some(ours) = identity::find(&ledger.registry).await? else { return Ok(()) };
        let unmarked = async {
            let mut peer = Peer::open(&node.address).await?;
            peer.unmark(&ours).await
        };
        match tokio::time::timeout(PATIENCE, unmarked).await {
            Ok(unmarked) => Ok(unmarked?),
            Err(_) => Err(DriverError::Peer(PeerError::Timeout {
                address: node.address.to_string(),
                command: "ACL DELUSER".to_owned(),
                after: PATIENCE,
            })),
        }
    };
    if let Err(error) = released.await {
        tracing::warn!(node = %node.id, %error, "the mark of this cluster stays on a node that left");
    }
}
