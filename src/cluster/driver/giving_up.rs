//! A node leaves without its keys, because its operator chose so. Its slots come to the others empty.
//!
//! In two steps, so that no two nodes ever answer for one slot: first nobody owns the slots, which every proxy has to
//! acknowledge; then those who get them are emptied of what they hold there (copies of earlier moves) and own them.

use crate::cluster::records::keys;
use std::collections::BTreeSet;

use super::{
    DriverError,
    access::{connect, empty, fence},
    barrier::{self, Barrier, Who},
    claim,
    ledger::{Ledger, Versioned},
    moving::READY,
    steps::{Progress, forget},
};
use crate::{
    cluster::{
        member::NodeRecord,
        plan::{GivenUp, PlanRecord, PlanState, balance::transfers},
        registry::Txn,
        topology::Topology,
    },
    id::NodeId,
    time::Millis,
};

/// For a node that is given up, to be shut from proxies in case it lives.
const REACH: std::time::Duration = std::time::Duration::from_secs(1);

pub(super) async fn step(
    ledger: &Ledger,
    topology: Versioned<Topology>,
    plan: &Versioned<PlanRecord>,
    members: &[Versioned<NodeRecord>],
    node: &NodeId,
) -> Result<Progress, DriverError> {
    if topology.value.slots_of(node).is_empty() {
        hand_out(ledger, topology, plan, members, node).await
    } else {
        detach(ledger, topology, plan, node).await
    }
}

/// Nobody owns the node's slots any more.
async fn detach(
    ledger: &Ledger,
    topology: Versioned<Topology>,
    plan: &Versioned<PlanRecord>,
    node: &NodeId,
) -> Result<Progress, DriverError> {
    let running = PlanRecord { state: PlanState::Running, ..plan.value.clone() };
    let also = Ledger::replace(Txn::new(), &keys::plan(running.id), plan.revision, &running);
    let keys = GivenUp::describe(running.given_up);
    let what = format!(
        "the slots of node {node} have no owner, its keys are given up: {keys} (plan {})",
        running.id
    );
    let change = |new: &mut Topology| new.slots.retain(|(_, owner)| owner != node);
    ledger.change_topology(&topology, &what, also, change).await?;
    Ok(Progress::Made)
}

/// The slots without an owner go to those that stay, or to nobody if none does.
async fn hand_out(
    ledger: &Ledger,
    topology: Versioned<Topology>,
    plan: &Versioned<PlanRecord>,
    members: &[Versioned<NodeRecord>],
    node: &NodeId,
) -> Result<Progress, DriverError> {
    let epoch = topology.value.epoch;
    let mut fenced = BTreeSet::new();
    let mut barrier = Barrier::new(ledger);
    loop {
        let roll = barrier.wait(epoch, Who::AllBut(&fenced), READY).await?;
        let behind = roll.behind(epoch, &fenced);
        if behind.is_empty() {
            break;
        }
        tracing::warn!(behind = barrier::labels(&behind), "shutting out proxies that do not follow");
        for registration in &behind {
            ledger.expel(registration).await?;
        }
        let users: Vec<String> = behind.iter().map(|registration| registration.user()).collect();
        let shut = async {
            let mut peer = connect(ledger, node).await?;
            fence(ledger, &mut peer).await
        };
        match tokio::time::timeout(REACH, shut).await {
            Ok(Ok(())) => fenced.extend(users),
            Ok(Err(error)) if !error.is_of_the_move() => return Err(error),
            // It is given up because it does not answer: then the leases of those proxies must end.
            Ok(Err(_)) | Err(_) => {}
        }
    }
    let stay: Vec<NodeId> = members.iter().map(|of| of.value.id.clone()).filter(|id| id != node).collect();
    let mut record = plan.value.clone();
    record.state = PlanState::Done;
    record.ended_at_ms = Some(Millis::now().0);
    record.slots_moved = record.slots_total;
    let gifts = transfers(&topology.value, &stay, &record.goal);
    for gift in &gifts {
        let mut peer = connect(ledger, &gift.to).await?;
        let wiped = empty(ledger, &mut peer, &gift.slots).await?;
        if wiped > 0 {
            tracing::warn!(node = %gift.to, keys = wiped, "deleted copies of an earlier move");
        }
    }
    let also = Ledger::replace(Txn::new(), &keys::plan(record.id), plan.revision, &record);
    let also = forget(also.delete(keys::node(node)), node);
    let keys = GivenUp::describe(record.given_up);
    let what =
        format!("node {node} is no longer a member, its keys are given up: {keys} (plan {})", record.id);
    let change = |new: &mut Topology| {
        for gift in &gifts {
            new.assign(&gift.slots, &gift.to);
        }
    };
    ledger.change_topology(&topology, &what, also, change).await?;
    // Last: it is given up because it does not answer, and nobody waits for its mark.
    if let Some(left) = members.iter().find(|of| of.value.id == *node) {
        claim::release(ledger, &left.value).await;
    }
    Ok(Progress::Made)
}
