//! How a driver gets to a member, and keeps others from it.

use std::sync::atomic::AtomicU64;

use super::{DriverError, barrier, ledger::Ledger};
use crate::cluster::records::keys;
use crate::slot::SlotRange;
use crate::{
    cluster::{
        member::NodeRecord,
        peer::{
            Peer,
            fence::{driver_user, secret},
            keys::SlotSet,
        },
    },
    id::NodeId,
};

/// A connection that dies with this driver's term. Drivers of earlier terms are shut out of the member by it.
pub(super) async fn connect(ledger: &Ledger, node: &NodeId) -> Result<Peer, DriverError> {
    let record = ledger.read::<NodeRecord>(&keys::node(node)).await?;
    let Some(record) = record else { return Err(DriverError::NotAMember(node.clone())) };
    let mut peer = Peer::open(&record.value.address).await?;
    let (user, password) = (driver_user(ledger.term()), secret());
    peer.make_user(&user, &password).await?;
    let older = peer.fence_drivers(ledger.term()).await?;
    peer.forget_users(&older).await?;
    // After making the user, so that a driver which slept in between learns that it is deposed.
    ledger.still_leads().await?;
    peer.log_in(&user, &password).await?;
    Ok(peer)
}

/// Shuts whoever is not registered out of this member.
pub(super) async fn fence(ledger: &Ledger, peer: &mut Peer) -> Result<(), DriverError> {
    // In this order: a proxy registers before it makes its user, so a user without a registration has lost it.
    let users = peer.proxy_users().await?;
    let roll = barrier::look(ledger).await?;
    let stale: Vec<String> = users.into_iter().filter(|user| !roll.has_registered(user)).collect();
    if !stale.is_empty() {
        tracing::warn!(node = %peer.address(), ?stale, "fenced");
        peer.shut_out(&stale).await?;
        peer.forget_users(&stale).await?;
    }
    Ok(())
}

/// Deletes what a member has of slots that it does not own. Reads from when it did may still lie in the socket of one that
/// slept, and must not be answered from what is left: whoever is not registered is shut out first.
pub(super) async fn empty(ledger: &Ledger, peer: &mut Peer, slots: &[SlotRange]) -> Result<u64, DriverError> {
    let deleted = AtomicU64::new(0);
    empty_counting(ledger, peer, slots, &deleted).await?;
    Ok(deleted.into_inner())
}

/// The same, for who wants to know meanwhile how many keys were deleted.
pub(super) async fn empty_counting(
    ledger: &Ledger,
    peer: &mut Peer,
    slots: &[SlotRange],
    deleted: &AtomicU64,
) -> Result<(), DriverError> {
    fence(ledger, peer).await?;
    Ok(peer.wipe(&SlotSet::new(slots), deleted).await?)
}
