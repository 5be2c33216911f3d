//! Handing in a plan: everything that can be known to be wrong is refused here, with nothing changed.

use std::collections::BTreeMap;

use super::{
    AuditRecord, Goal, PlanId, PlanRecord, PlanState,
    balance::{Transfer, transfers},
    keys, to_json,
};
use crate::{
    cluster::{
        id::{Epoch, NodeId},
        member::{Address, NodeRecord},
        peer::{Peer, PeerError, field_of},
        registry::{Commit, Entry, Registry, RegistryError, Revision, Txn},
        topology::Topology,
    },
    time::Millis,
};

/// What `add` was told.
#[derive(Clone, Debug)]
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
#[derive(Clone, Debug)]
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

/// `1 key`, `2 keys`.
fn counted(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// Why a plan was not accepted. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The id is a member's.
    #[error("node {id} is already a member, at {address}; choose another id, or remove it first")]
    IdTaken {
        /// Which id.
        id: NodeId,
        /// The member's address.
        address: Address,
    },
    /// The same server under another id.
    #[error("{address} is already a member, as node {id}")]
    AddressTaken {
        /// The address asked for.
        address: Address,
        /// The member's id.
        id: NodeId,
    },
    /// It does not answer.
    #[error("cannot reach {address}: {source}; is it running, and can this machine reach it?")]
    Unreachable {
        /// The address asked for.
        address: Address,
        /// What happened.
        source: Box<PeerError>,
    },
    /// It answers, but cannot be a member.
    #[error("{address} cannot be a member: {reason}")]
    Unfit {
        /// The address asked for.
        address: Address,
        /// Why.
        reason: String,
    },
    /// Joining would hide the keys it has.
    #[error(
        "{address} holds {}, which would be lost in a cluster that already has slots elsewhere; \
         empty it first, or use --force to delete what it holds",
        counted(*keys, "key")
    )]
    NotEmpty {
        /// The address asked for.
        address: Address,
        /// In all databases.
        keys: u64,
    },
    /// Not a member.
    #[error("there is no node {id}; members are: {members}")]
    UnknownNode {
        /// Which id.
        id: NodeId,
        /// Those there are.
        members: String,
    },
    /// Its keys have nowhere to go.
    #[error(
        "node {id} is the last one and holds {}, which would be lost; add another node first, or use --force",
        counted(*keys, "key")
    )]
    LastNode {
        /// Which id.
        id: NodeId,
        /// In all databases.
        keys: u64,
    },
    /// Its keys cannot be read.
    #[error(
        "node {id} owns {} and cannot be reached, so its keys cannot be moved: {source}; start it again, or use \
         --force to give its keys up",
        counted(*slots as u64, "slot")
    )]
    NodeUnreachable {
        /// Which id.
        id: NodeId,
        /// It owns.
        slots: usize,
        /// What happened.
        source: Box<PeerError>,
    },
    /// Another plan for the same node has not ended.
    #[error("plan {plan} for node {id} is still under way: {words}")]
    UnderWay {
        /// Which plan.
        plan: PlanId,
        /// For which node.
        id: NodeId,
        /// Its words.
        words: String,
    },
    /// The cluster is not the one the operator looked at.
    #[error("the cluster changed at revision {now}, after revision {asked}: look again before you decide")]
    Changed {
        /// `--if-rev`.
        asked: Revision,
        /// The later change.
        now: Revision,
    },
    /// Somebody else changes the cluster all the time.
    #[error("the cluster kept changing while this was being prepared; try again")]
    Busy,
    /// A record that is not what it should be.
    #[error("registry key {key} is not readable: {reason}")]
    Record {
        /// Which key.
        key: String,
        /// Why.
        reason: String,
    },
    /// The registry.
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

/// What a plan would do.
#[derive(Clone, Debug)]
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

/// The cluster as a plan is made for it.
struct Situation {
    topology: Topology,
    topology_revision: Option<Revision>,
    nodes: BTreeMap<NodeId, NodeRecord>,
    plans: Vec<PlanRecord>,
    latest: Revision,
}

/// Reads a JSON record.
pub(crate) fn parse<T: serde::de::DeserializeOwned>(entry: &Entry) -> Result<T, Refusal> {
    serde_json::from_slice(&entry.value)
        .map_err(|error| Refusal::Record { key: entry.key.clone(), reason: error.to_string() })
}

impl Situation {
    async fn read(registry: &Registry) -> Result<Self, Refusal> {
        let topology = registry.get(keys::TOPOLOGY).await?;
        let nodes = registry.list(keys::NODES).await?;
        let plans = registry.list(keys::PLANS).await?;
        let revisions = nodes.entries.iter().chain(&topology).map(|entry| entry.mod_revision);
        Ok(Self {
            latest: revisions.max().unwrap_or_default(),
            topology_revision: topology.as_ref().map(|entry| entry.mod_revision),
            topology: topology.as_ref().map_or(Ok(Topology::default()), parse)?,
            nodes: nodes
                .entries
                .iter()
                .map(|entry| parse::<NodeRecord>(entry).map(|node| (node.id.clone(), node)))
                .collect::<Result<_, _>>()?,
            plans: plans.entries.iter().map(parse).collect::<Result<_, _>>()?,
        })
    }

    fn unchanged_since(&self, asked: Option<Revision>) -> Result<(), Refusal> {
        match asked {
            Some(asked) if self.latest > asked => Err(Refusal::Changed { asked, now: self.latest }),
            _ => Ok(()),
        }
    }

    fn under_way(&self, node: &NodeId) -> Option<&PlanRecord> {
        self.plans.iter().find(|plan| !plan.ended() && plan.goal.node() == node)
    }

    fn members_and(&self, node: &NodeId) -> Vec<NodeId> {
        let mut members: Vec<NodeId> = self.nodes.keys().cloned().collect();
        if !members.contains(node) {
            members.push(node.clone());
        }
        members
    }

    /// The plan's record and audit entry, on the condition that the topology is still this one.
    fn txn(&self, goal: &Goal, by: &str, words: &str) -> (PlanId, Txn) {
        let id = PlanId(self.plans.iter().map(|plan| plan.id.0).max().unwrap_or(0) + 1);
        let now = Millis::now();
        let left = transfers(&self.topology, &self.members_and(goal.node()), goal);
        let plan = PlanRecord {
            id,
            goal: goal.clone(),
            state: PlanState::Accepted,
            created_at_ms: now.0,
            by: by.to_owned(),
            words: words.to_owned(),
            epoch: self.topology.epoch,
            slots_moved: 0,
            slots_total: left.iter().map(|transfer| transfer.count() as u64).sum(),
            keys_moved: 0,
            ended_at_ms: None,
        };
        let audit = AuditRecord::new(now, by, format!("{words} (plan {id})"), plan.epoch, plan.epoch);
        let txn = Txn::new().if_absent(keys::plan(id)).put(keys::plan(id), to_json(&plan));
        let txn = with_audit(txn, &audit);
        let txn = match self.topology_revision {
            Some(revision) => txn.if_revision(keys::TOPOLOGY, revision),
            None => txn.if_absent(keys::TOPOLOGY),
        };
        (id, txn)
    }
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

/// Makes a node a member and asks the driver to give it its share of slots. Asked again while that plan is under way, it
/// answers with the same plan.
///
/// # Errors
/// [`Refusal`]; nothing was changed, except after [`RegistryError::Unknown`].
pub async fn submit_add(registry: &Registry, request: &AddRequest) -> Result<PlanId, Refusal> {
    for _ in 0..TRIES {
        let situation = Situation::read(registry).await?;
        situation.unchanged_since(request.if_revision)?;
        let goal = Goal::Add { node: request.id.clone() };
        let known = situation.nodes.get(&request.id);
        if let Some(node) = known {
            if node.address != request.address {
                return Err(Refusal::IdTaken { id: request.id.clone(), address: node.address.clone() });
            }
            match situation.under_way(&request.id) {
                Some(plan) if plan.goal == goal => return Ok(plan.id),
                Some(plan) => return Err(under_way(plan)),
                // An earlier plan failed before the node had its share: this one goes on.
                None if !transfers(&situation.topology, &situation.members_and(&request.id), &goal)
                    .is_empty() => {}
                None => {
                    return Err(Refusal::IdTaken { id: request.id.clone(), address: node.address.clone() });
                }
            }
        }
        let version = check_new_node(&situation, request).await?;
        let (id, mut txn) = situation.txn(&goal, &request.by, &request.words);
        if known.is_none() {
            let node = NodeRecord {
                id: request.id.clone(),
                address: request.address.clone(),
                added_at_ms: Millis::now().0,
                added_by: request.by.clone(),
                version,
            };
            txn = txn.if_absent(keys::node(&request.id)).put(keys::node(&request.id), to_json(&node));
        }
        if let Commit::Done { .. } = registry.commit(txn).await? {
            return Ok(id);
        }
    }
    Err(Refusal::Busy)
}

fn under_way(plan: &PlanRecord) -> Refusal {
    Refusal::UnderWay { plan: plan.id, id: plan.goal.node().clone(), words: plan.words.clone() }
}

/// Everything that can be seen to be wrong with a node before it joins. Returns its version.
async fn check_new_node(situation: &Situation, request: &AddRequest) -> Result<String, Refusal> {
    let address = &request.address;
    let others = || situation.nodes.values().filter(|node| node.id != request.id);
    let taken = |node: &NodeRecord| Refusal::AddressTaken { address: address.clone(), id: node.id.clone() };
    if let Some(node) = others().find(|node| node.address.connect_to() == address.connect_to()) {
        return Err(taken(node));
    }
    let unreachable =
        |source: PeerError| Refusal::Unreachable { address: address.clone(), source: Box::new(source) };
    let unfit = |reason: String| Refusal::Unfit { address: address.clone(), reason };
    let mut peer = Peer::open(address).await.map_err(unreachable)?;
    let server = peer.info("server").await.map_err(unreachable)?;
    // The same server may be known under another name of its machine.
    let run_id = field_of(&server, "run_id");
    for node in others() {
        // A member that is away cannot be asked; its address was compared above.
        let Ok(mut member) = Peer::open(&node.address).await else { continue };
        let Ok(info) = member.info("server").await else { continue };
        if run_id.is_some() && field_of(&info, "run_id") == run_id {
            return Err(taken(node));
        }
    }
    if field_of(&server, "redis_mode") == Some("cluster") {
        return Err(unfit("it runs in Redis Cluster mode; start it with cluster-enabled no".into()));
    }
    let replication = peer.info("replication").await.map_err(unreachable)?;
    if field_of(&replication, "role") == Some("slave") {
        return Err(unfit("it is a replica; add its master, or make it one with REPLICAOF NO ONE".into()));
    }
    let keys = peer.key_count().await.map_err(unreachable)?;
    if keys > 0 && !situation.topology.slots.is_empty() && !request.force {
        let owns = !situation.topology.slots_of(&request.id).is_empty();
        if !owns {
            return Err(Refusal::NotEmpty { address: address.clone(), keys });
        }
    }
    peer.version().await.map_err(unreachable)
}

/// Asks the driver to move a node's keys away and to end its membership. Asked again while that plan is under way, it
/// answers with the same plan.
///
/// # Errors
/// [`Refusal`]; nothing was changed, except after [`RegistryError::Unknown`].
pub async fn submit_remove(registry: &Registry, request: &RemoveRequest) -> Result<PlanId, Refusal> {
    for _ in 0..TRIES {
        let situation = Situation::read(registry).await?;
        situation.unchanged_since(request.if_revision)?;
        if let Some(plan) = situation.under_way(&request.id) {
            return match plan.goal {
                Goal::Remove { .. } => Ok(plan.id),
                Goal::Add { .. } => Err(under_way(plan)),
            };
        }
        let abandon = check_leaving_node(&situation, request).await?;
        let goal = Goal::Remove { node: request.id.clone(), abandon };
        let (id, txn) = situation.txn(&goal, &request.by, &request.words);
        if let Commit::Done { .. } = registry.commit(txn.if_present(keys::node(&request.id))).await? {
            return Ok(id);
        }
    }
    Err(Refusal::Busy)
}

/// Whether a node's keys must be given up for it to leave, and whether that was asked for.
async fn check_leaving_node(situation: &Situation, request: &RemoveRequest) -> Result<bool, Refusal> {
    let Some(node) = situation.nodes.get(&request.id) else {
        let members = situation.nodes.keys().map(NodeId::as_str).collect::<Vec<_>>().join(", ");
        let members = if members.is_empty() { "none".to_owned() } else { members };
        return Err(Refusal::UnknownNode { id: request.id.clone(), members });
    };
    let slots: usize = situation.topology.slots_of(&request.id).iter().map(|range| range.count()).sum();
    if slots == 0 {
        return Ok(false);
    }
    let counted = match Peer::open(&node.address).await {
        Ok(mut peer) => peer.key_count().await,
        Err(error) => Err(error),
    };
    match counted {
        Err(_) if request.force => Ok(true),
        Err(source) => {
            Err(Refusal::NodeUnreachable { id: request.id.clone(), slots, source: Box::new(source) })
        }
        Ok(0) if situation.nodes.len() == 1 => Ok(true),
        Ok(_) if situation.nodes.len() == 1 && request.force => Ok(true),
        Ok(keys) if situation.nodes.len() == 1 => Err(Refusal::LastNode { id: request.id.clone(), keys }),
        Ok(_) => Ok(false),
    }
}

/// What [`submit_add`] would do, with the same refusals.
///
/// # Errors
/// [`Refusal`].
pub async fn preview_add(registry: &Registry, request: &AddRequest) -> Result<Preview, Refusal> {
    let situation = Situation::read(registry).await?;
    situation.unchanged_since(request.if_revision)?;
    if let Some(node) = situation.nodes.get(&request.id) {
        return Err(Refusal::IdTaken { id: request.id.clone(), address: node.address.clone() });
    }
    check_new_node(&situation, request).await?;
    let mut warnings = Vec::new();
    if request.address.is_wildcard() {
        warnings.push(format!(
            "{} is a wildcard address: proxies and consoles on other machines cannot use it",
            request.address
        ));
    }
    Ok(preview(situation, Goal::Add { node: request.id.clone() }, warnings).await)
}

/// What [`submit_remove`] would do, with the same refusals.
///
/// # Errors
/// [`Refusal`].
pub async fn preview_remove(registry: &Registry, request: &RemoveRequest) -> Result<Preview, Refusal> {
    let situation = Situation::read(registry).await?;
    situation.unchanged_since(request.if_revision)?;
    let abandon = check_leaving_node(&situation, request).await?;
    let warnings =
        abandon.then(|| format!("the keys of node {} are given up", request.id)).into_iter().collect();
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

/// Keys in a transfer, if the giver's keys are spread evenly over its slots; `None` if it does not answer.
async fn estimate(topology: &Topology, node: &NodeRecord, transfer: &Transfer) -> Option<u64> {
    let keys = Peer::open(&node.address).await.ok()?.key_count().await.ok()?;
    let slots: usize = topology.slots_of(&node.id).iter().map(|range| range.count()).sum();
    Some(keys * transfer.count() as u64 / (slots as u64).max(1))
}
