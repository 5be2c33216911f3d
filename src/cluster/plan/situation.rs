//! The cluster as a plan is made for it: what the registry said when the operator asked.

use crate::cluster::records::{keys, parse, to_json};
use std::collections::BTreeMap;

use super::{
    AuditRecord, GivenUp, Goal, PlanId, PlanRecord, PlanState, Refusal, ServerRecord, balance::transfers,
    submit::with_audit,
};
use crate::{
    cluster::{
        identity::{self, ClusterRecord, Identity},
        loss::SeenRecord,
        member::NodeRecord,
        registry::{Registry, Revision, Txn},
        topology::Topology,
    },
    id::NodeId,
    time::Millis,
};

/// The cluster as a plan is made for it.
pub(super) struct Situation {
    pub(super) cluster: String,
    pub(super) identity: Option<Identity>,
    pub(super) topology: Topology,
    pub(super) topology_revision: Option<Revision>,
    pub(super) nodes: BTreeMap<NodeId, NodeRecord>,
    pub(super) plans: Vec<PlanRecord>,
    /// What each member last was heard to be.
    pub(super) seen: BTreeMap<NodeId, SeenRecord>,
    pub(super) latest: Revision,
}

impl Situation {
    pub(super) async fn read(registry: &Registry) -> Result<Self, Refusal> {
        let topology = registry.get(keys::TOPOLOGY).await?;
        let nodes = registry.list(keys::NODES).await?;
        let plans = registry.list(keys::PLANS).await?;
        let seen = registry.list(keys::SEEN).await?;
        let revisions = nodes.entries.iter().chain(&topology).map(|entry| entry.mod_revision);
        Ok(Self {
            cluster: registry.cluster().to_owned(),
            identity: identity::find(registry).await?,
            seen: seen
                .entries
                .iter()
                .map(|entry| parse::<SeenRecord>(entry).map(|seen| (seen.node.clone(), seen)))
                .collect::<Result<_, _>>()?,
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

    pub(super) fn unchanged_since(&self, asked: Option<Revision>) -> Result<(), Refusal> {
        match asked {
            Some(asked) if self.latest > asked => Err(Refusal::Changed { asked, now: self.latest }),
            _ => Ok(()),
        }
    }

    pub(super) fn under_way(&self, node: &NodeId) -> Option<&PlanRecord> {
        self.plans.iter().find(|plan| !plan.ended() && plan.goal.node() == node)
    }

    pub(super) fn members_and(&self, node: &NodeId) -> Vec<NodeId> {
        let mut members: Vec<NodeId> = self.nodes.keys().cloned().collect();
        if !members.contains(node) {
            members.push(node.clone());
        }
        members
    }

    pub(super) fn owned_by(&self, node: &NodeId) -> usize {
        self.topology.slots_of(node).iter().map(|range| range.count()).sum()
    }

    /// The last plan about a node.
    pub(super) fn last_plan_of(&self, node: &NodeId) -> Option<&PlanRecord> {
        self.plans.iter().filter(|plan| plan.goal.node() == node).max_by_key(|plan| plan.id)
    }

    /// The run ids by which a member may be known without asking it.
    pub(super) fn run_ids_of<'a>(&'a self, node: &'a NodeRecord) -> impl Iterator<Item = &'a str> {
        let seen = self.seen.get(&node.id).map(|seen| seen.run_id.as_str());
        seen.into_iter().chain([node.run_id.as_str()]).filter(|run_id| !run_id.is_empty())
    }

    /// The plan's record and audit entry, on the condition that the topology is still this one; and the cluster's identity,
    /// if it has none yet.
    pub(super) fn txn(
        &self,
        goal: &Goal,
        server: ServerRecord,
        given_up: Option<GivenUp>,
        by: &str,
        words: &str,
    ) -> (PlanId, Txn) {
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
            keys_expected: None,
            given_up,
            ended_at_ms: None,
            server: Some(server),
        };
        let audit = AuditRecord::new(now, by, format!("{words} (plan {id})"), plan.epoch, plan.epoch);
        let txn = Txn::new().if_absent(keys::plan(id)).put(keys::plan(id), to_json(&plan));
        let txn = with_audit(txn, &audit);
        let txn = match self.topology_revision {
            Some(revision) => txn.if_revision(keys::TOPOLOGY, revision),
            None => txn.if_absent(keys::TOPOLOGY),
        };
        let txn = match &self.identity {
            Some(_) => txn,
            None => {
                let new = ClusterRecord::new(&Identity::random(&self.cluster));
                txn.if_absent(keys::CLUSTER).put(keys::CLUSTER, to_json(&new))
            }
        };
        (id, txn)
    }
}
