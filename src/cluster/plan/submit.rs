//! Handing in a plan: everything that can be known to be wrong is refused here, with nothing changed.

use serde::{Deserialize, Serialize};

use super::{
    AuditRecord, GivenUp, Goal, PlanId, PlanState, Refusal,
    balance::{Transfer, transfers},
    check::{Fit, Leaving, check_leaving_node, check_new_node},
    refusal::counted,
    situation::Situation,
};
use crate::cluster::records::{keys, to_json};
use crate::{
    cluster::{
        member::{Address, NodeRecord},
        peer::Peer,
        registry::{Commit, Registry, Revision, Txn},
        topology::Topology,
    },
    id::{Epoch, NodeId},
    time::Millis,
};

/// What `add` was told.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AddRequest {
    /// The new node's id.
    pub id: NodeId,
    /// Where it listens.
    pub address: Address,
    /// Keys it holds already are given up.
    pub force: bool,
    /// Refuse if topology or membership changed after this revision.
    pub if_revision: Option<Revision>,
    /// `user@host`.
    pub by: String,
    /// The operator's own words, for the audit log.
    pub words: String,
}

/// What `remove` was told.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RemoveRequest {
    /// Which node.
    pub id: NodeId,
    /// Its keys are given up if they cannot be moved.
    pub force: bool,
    /// Refuse if topology or membership changed after this revision.
    pub if_revision: Option<Revision>,
    /// `user@host`.
    pub by: String,
    /// The operator's own words, for the audit log.
    pub words: String,
}

/// What a plan would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preview {
    /// What is asked for.
    pub goal: Goal,
    /// The topology it was made for.
    pub epoch: Epoch,
    /// For `--if-rev`.
    pub revision: Revision,
    /// Who gives how much to whom, with an estimate of the keys (from the share of the giver's slots).
    pub transfers: Vec<(Transfer, Option<u64>)>,
    /// What the operator should know.
    pub warnings: Vec<String>,
}

/// Adds an audit entry to a transaction. Its number is the time in microseconds, so entries sort as they happened.
pub(crate) fn with_audit(txn: Txn, audit: &AuditRecord) -> Txn {
    let micros =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_micros();
    let key = keys::audit(u64::try_from(micros).unwrap_or(u64::MAX));
    txn.if_absent(&key).put(key, to_json(audit))
}

/// How often a plan is prepared anew because somebody else changed the cluster meanwhile.
const TRIES: usize = 8;

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Submitted {
    /// The driver does it, or did: follow this plan.
    Plan(PlanId),
    /// The cluster is as it was asked to be. Nothing was changed.
    NothingToDo(String),
}

/// Makes a node a member and asks the driver to give it its share of slots. Asked again while that plan is under way, it
/// answers with the same plan; after it, that there is nothing to do.
///
/// # Errors
/// [`Refusal`]; nothing was changed, except after [`RegistryError::Unknown`](super::super::registry::RegistryError::Unknown).
pub async fn submit_add(registry: &Registry, request: &AddRequest) -> Result<Submitted, Refusal> {
    for _ in 0..TRIES {
        let situation = Situation::read(registry).await?;
        let goal = Goal::Add { node: request.id.clone() };
        let Fit { server, version } = match wanted_add(registry, &situation, request, &goal).await? {
            Wanted::New(fit) => fit,
            Wanted::UnderWay(plan) => return Ok(Submitted::Plan(plan)),
            Wanted::Done(words) => return Ok(Submitted::NothingToDo(words)),
        };
        let run_id = server.run_id.clone();
        let (id, mut txn) = situation.txn(&goal, server, None, &request.by, &request.words);
        let key = keys::node(&request.id);
        txn = if situation.nodes.contains_key(&request.id) {
            txn.if_present(key)
        } else {
            let node = NodeRecord {
                id: request.id.clone(),
                address: request.address.clone(),
                added_at_ms: Millis::now().0,
                added_by: request.by.clone(),
                version,
                run_id,
            };
            // What another server held under this id is no measure for this one.
            let txn = txn.delete(keys::seen(&request.id)).delete(keys::loss(&request.id));
            txn.if_absent(&key).put(key, to_json(&node))
        };
        if let Commit::Done { .. } = registry.commit(txn).await? {
            return Ok(Submitted::Plan(id));
        }
    }
    Err(Refusal::Busy)
}

enum Wanted<T> {
    New(T),
    UnderWay(PlanId),
    Done(String),
}

async fn wanted_add(
    registry: &Registry,
    situation: &Situation,
    request: &AddRequest,
    goal: &Goal,
) -> Result<Wanted<Fit>, Refusal> {
    if let Some(node) = situation.nodes.get(&request.id) {
        if !same_place(&node.address, &request.address) {
            return Err(Refusal::IdTaken { id: request.id.clone(), address: node.address.clone() });
        }
        match situation.under_way(&request.id) {
            Some(plan) if plan.goal == *goal => return Ok(Wanted::UnderWay(plan.id)),
            Some(plan) => return Err(under_way(plan)),
            // An earlier plan failed before the node had its share: this one goes on.
            None if !transfers(&situation.topology, &situation.members_and(&request.id), goal).is_empty() => {
            }
            None => {
                let words =
                    format!("node {} is a member already, at {}; nothing to do", node.id, node.address);
                return Ok(Wanted::Done(words));
            }
        }
    }
    situation.unchanged_since(request.if_revision)?;
    check_new_node(registry, situation, request).await.map(Wanted::New)
}

/// Whether two addresses lead to one server with one login: `0.0.0.0` and `127.0.0.1` are the same.
fn same_place(one: &Address, other: &Address) -> bool {
    one.connect_to() == other.connect_to() && one.kind() == other.kind() && one.login() == other.login()
}

fn under_way(plan: &super::PlanRecord) -> Refusal {
    Refusal::UnderWay { plan: plan.id, id: plan.goal.node().clone(), words: plan.words.clone() }
}

/// Asks the driver to move a node's keys away and to end its membership. Asked again while that plan is under way, it
/// answers with the same plan; after it, that there is nothing to do.
///
/// # Errors
/// [`Refusal`]; nothing was changed, except after [`RegistryError::Unknown`](super::super::registry::RegistryError::Unknown).
pub async fn submit_remove(registry: &Registry, request: &RemoveRequest) -> Result<Submitted, Refusal> {
    for _ in 0..TRIES {
        let situation = Situation::read(registry).await?;
        let leaving = match wanted_remove(&situation, request).await? {
            Wanted::New(leaving) => leaving,
            Wanted::UnderWay(plan) => return Ok(Submitted::Plan(plan)),
            Wanted::Done(words) => return Ok(Submitted::NothingToDo(words)),
        };
        let goal = Goal::Remove { node: request.id.clone(), abandon: leaving.abandon };
        let (id, txn) = situation.txn(&goal, leaving.server, leaving.given_up, &request.by, &request.words);
        if let Commit::Done { .. } = registry.commit(txn.if_present(keys::node(&request.id))).await? {
            return Ok(Submitted::Plan(id));
        }
    }
    Err(Refusal::Busy)
}

async fn wanted_remove(situation: &Situation, request: &RemoveRequest) -> Result<Wanted<Leaving>, Refusal> {
    if let Some(plan) = situation.under_way(&request.id) {
        return match plan.goal {
            Goal::Remove { .. } => Ok(Wanted::UnderWay(plan.id)),
            Goal::Add { .. } => Err(under_way(plan)),
        };
    }
    if !situation.nodes.contains_key(&request.id)
        && let Some(plan) = situation.last_plan_of(&request.id)
        && matches!((&plan.goal, &plan.state), (Goal::Remove { .. }, PlanState::Done))
    {
        let words = format!("node {} was removed by plan {}; nothing to do", request.id, plan.id);
        return Ok(Wanted::Done(words));
    }
    situation.unchanged_since(request.if_revision)?;
    check_leaving_node(situation, request).await.map(Wanted::New)
}

/// What [`submit_add`] would do, with the same refusals.
///
/// # Errors
/// [`Refusal`].
pub async fn preview_add(registry: &Registry, request: &AddRequest) -> Result<Preview, Refusal> {
    let situation = Situation::read(registry).await?;
    let goal = Goal::Add { node: request.id.clone() };
    let mut warnings = Vec::new();
    match wanted_add(registry, &situation, request, &goal).await? {
        Wanted::New(fit) if fit.server.foreign_keys > 0 && !situation.topology.slots.is_empty() => {
            let keys = counted(fit.server.foreign_keys, "key");
            warnings.push(format!("{} holds {keys}, which will be deleted", request.address));
        }
        Wanted::New(_) => {}
        Wanted::UnderWay(plan) => warnings.push(format!("plan {plan} does that already")),
        Wanted::Done(words) => warnings.push(words),
    }
    if request.address.is_wildcard() {
        warnings.push(format!(
            "{} is a wildcard address: proxies and consoles on other machines cannot use it",
            request.address
        ));
    }
    Ok(preview(situation, goal, warnings).await)
}

/// What [`submit_remove`] would do, with the same refusals.
///
/// # Errors
/// [`Refusal`].
pub async fn preview_remove(registry: &Registry, request: &RemoveRequest) -> Result<Preview, Refusal> {
    let situation = Situation::read(registry).await?;
    let mut warnings = Vec::new();
    let (mut abandon, mut given_up) = (false, None);
    match wanted_remove(&situation, request).await? {
        Wanted::New(leaving) => (abandon, given_up) = (leaving.abandon, leaving.given_up),
        Wanted::UnderWay(plan) => warnings.push(format!("plan {plan} does that already")),
        Wanted::Done(words) => warnings.push(words),
    }
    if abandon {
        let keys = GivenUp::describe(given_up);
        warnings.push(format!("the keys of node {} are given up: {keys}", request.id));
    }
    Ok(preview(situation, Goal::Remove { node: request.id.clone(), abandon }, warnings).await)
}

async fn preview(situation: Situation, goal: Goal, warnings: Vec<String>) -> Preview {
    let mut estimated = Vec::new();
    for transfer in transfers(&situation.topology, &situation.members_and(goal.node()), &goal) {
        let keys = match transfer.from.as_ref().and_then(|from| situation.nodes.get(from)) {
            Some(node) => estimate(&situation.topology, node, &transfer).await,
            None => None,
        };
        estimated.push((transfer, keys));
    }
    Preview {
        goal,
        epoch: situation.topology.epoch,
        revision: situation.latest,
        transfers: estimated,
        warnings,
    }
}

/// Keys in all of these transfers; `None` if one of the givers does not answer.
pub(crate) async fn expected(
    topology: &Topology,
    nodes: &[&NodeRecord],
    transfers: &[Transfer],
) -> Option<u64> {
    let mut keys = 0;
    for transfer in transfers {
        // What nobody owned has no keys.
        let Some(from) = &transfer.from else { continue };
        let node = nodes.iter().find(|node| node.id == *from)?;
        keys += estimate(topology, node, transfer).await?;
    }
    Some(keys)
}

/// Keys in a transfer, if the giver's keys are spread evenly over its slots; `None` if it does not answer.
async fn estimate(topology: &Topology, node: &NodeRecord, transfer: &Transfer) -> Option<u64> {
    let keys = Peer::open(&node.address).await.ok()?.key_count().await.ok()?;
    let slots: usize = topology.slots_of(&node.id).iter().map(|range| range.count()).sum();
    Some(keys * transfer.count() as u64 / (slots as u64).max(1))
}
