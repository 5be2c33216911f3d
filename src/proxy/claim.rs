//! The mark of this cluster on its members: set again by every proxy that logs in, since a stock server forgets it when it
//! is started without `aclfile`, and `redis_node` always does. See `cluster::peer::mark`.

use super::roll::Roll;
use crate::cluster::{
    member::Address,
    peer::{Peer, mark::Claim},
};

/// Marks a member as this cluster's.
///
/// # Errors
/// When another cluster has taken it, it is no member any more, or somebody does not answer; the text is for the log.
pub(super) async fn claim(roll: &Roll, address: &Address, peer: &mut Peer) -> Result<(), String> {
    let ours = roll.cluster().await?;
    match peer.claim(&ours, true).await.map_err(|error| error.to_string())? {
        Claim::Ours { others } if others.is_empty() => {}
        Claim::Ours { others } => {
            tracing::error!(%address, ?others, "a node carries the mark of another cluster too");
        }
        Claim::Taken { by } => {
            let by: Vec<String> = by.iter().map(ToString::to_string).collect();
            let by = by.join(" and ");
            let reason =
                format!("it is a node of another cluster by now, {by}; remove it from one of the two");
            // Said at every try, as long as it lasts: the node serves nobody here.
            tracing::error!(%address, reason, "cannot use a node");
            return Err(reason);
        }
    }
    // Afterwards, so that whoever ended its membership in between, and took the mark away before it was set, is seen.
    if roll.members().await?.contains(address) {
        return Ok(());
    }
    peer.unmark(&ours).await.map_err(|error| error.to_string())?;
    Err("it is no member any more".to_owned())
}
