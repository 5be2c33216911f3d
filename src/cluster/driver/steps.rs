//! What to do next: finish the move under way, else go on with the oldest plan.

use crate::cluster::records::{keys, to_json};
use std::time::{Duration, Instant};

use super::{
    DriverError,
    access::{connect, empty},
    claim, giving_up,
    ledger::{Ledger, Versioned},
    moving,
    pace::Pace,
    tidy,
};
use crate::{
    cluster::{
        election::Leadership,
        member::{Kind, NodeRecord},
        peer::Peer,
        plan::{
            Goal, MoveRecord, PlanId, PlanRecord, PlanState,
            balance::{Transfer, transfers},
            submit,
        },
        registry::{Registry, Txn},
        topology::{Phase, SlotMove, Topology},
    },
    id::NodeId,
    protocol::info,
    slot::SLOTS,
    time::Millis,
};

/// For the givers to say how many keys they have.
const ESTIMATE: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    Made,
    NothingToDo,
}

/// One term of one leader.
#[derive(Debug)]
pub(super) struct Driver {
    ledger: Ledger,
    pace: Pace,
    /// The plan that `pace` is of.
    paced: Option<PlanId>,
    /// The move under way is being aborted for the last time.
    hopeless: bool,
}

impl Driver {
    pub(super) fn new(registry: Registry, leadership: Leadership, identity: String) -> Self {
        Self {
            ledger: Ledger::new(registry, leadership, identity),
            pace: Pace::default(),
            paced: None,
            hopeless: false,
        }
    }

    /// One change of the cluster, from what the registry says now.
    pub(super) async fn step(&mut self) -> Result<Progress, DriverError> {
        let topology = self.ledger.topology().await?;
        if let Some(under_way) = topology.value.moves.first() {
            let id = under_way.id;
            return self.advance(topology, id).await;
        }
        let plans = self.ledger.all::<PlanRecord>(keys::PLANS).await?;
        let Some(plan) = plans.into_iter().find(|plan| !plan.value.ended()) else {
            tidy::prune_audit(&self.ledger).await?;
            return Ok(Progress::NothingToDo);
        };
        let id = plan.value.id;
        if self.paced.replace(id) != Some(id) {
            self.pace = Pace::default();
        }
        match self.go_on(topology, plan).await {
            Err(error) if error.is_for_good() => {
                self.fail(id, error.to_string()).await?;
                Ok(Progress::Made)
            }
            Err(error) if error.is_of_the_move() => {
                tracing::warn!(plan = %id, %error, "a plan does not go on");
                if self.pace.failed(Instant::now()) {
                    self.fail(id, error.to_string()).await?;
                } else {
                    tokio::time::sleep(super::PAUSE).await;
                }
                Ok(Progress::Made)
            }
            other => other,
        }
    }

    /// Brings a move to its next phase; a failure of the move itself is written down and makes way for another try.
    async fn advance(&mut self, topology: Versioned<Topology>, id: u64) -> Result<Progress, DriverError> {
        match moving::advance(&self.ledger, &mut self.pace, topology, id).await {
            Ok(moving::Advance::Going | moving::Advance::Done) => {}
            Ok(moving::Advance::Hopeless) => self.hopeless = true,
            Ok(moving::Advance::Aborted { plan, reason, hopeless }) => {
                if std::mem::take(&mut self.hopeless) || hopeless {
                    self.fail(PlanId(plan), reason).await?;
                } else {
                    tokio::time::sleep(super::PAUSE).await;
                }
            }
            Err(error) => return Err(error),
        }
        Ok(Progress::Made)
    }

    /// The plan is given up. A node that it was to add and that came to own nothing is no member any more.
    async fn fail(&self, plan: PlanId, reason: String) -> Result<(), DriverError> {
        let key = keys::plan(plan);
        let Some(mut record) = self.ledger.read::<PlanRecord>(&key).await? else { return Ok(()) };
        tracing::error!(%plan, reason, "plan given up");
        record.value.state = PlanState::Failed { reason };
        record.value.ended_at_ms = Some(Millis::now().0);
        let failed = Ledger::replace(Txn::new(), &key, record.revision, &record.value);
        let topology = self.ledger.topology().await?;
        let leaves = match &record.value.goal {
            Goal::Add { node } if topology.value.slots_of(node).is_empty() => {
                self.ledger.read::<NodeRecord>(&keys::node(node)).await?
            }
            Goal::Add { .. } | Goal::Remove { .. } => None,
        };
        let Some(node) = leaves else { return self.ledger.commit(failed).await.map(drop) };
        let id = &node.value.id;
        let what = format!("node {id} is no member: it has no slots (plan {plan} failed)");
        let gone = forget(Ledger::remove(failed, &keys::node(id), node.revision), id);
        claim::release(&self.ledger, &node.value).await;
        self.ledger.change_topology(&topology, &what, gone, |_| {}).await.map(drop)
    }

    /// Makes the node this cluster's before slots go to it.
    async fn claim(&self, node: Option<&NodeRecord>, topology: &Topology) -> Result<(), DriverError> {
        let Some(node) = node else { return Ok(()) };
        let owns = !topology.slots_of(&node.id).is_empty();
        claim::claim(&self.ledger, node, owns).await
    }

    /// The next move of a plan, or its end.
    async fn go_on(
        &mut self,
        topology: Versioned<Topology>,
        plan: Versioned<PlanRecord>,
    ) -> Result<Progress, DriverError> {
        let nodes = self.ledger.all::<NodeRecord>(keys::NODES).await?;
        let members: Vec<NodeId> = nodes.iter().map(|node| node.value.id.clone()).collect();
        let goal = &plan.value.goal;
        if let Goal::Remove { node, abandon: true } = goal {
            return giving_up::step(&self.ledger, topology, &plan, &nodes, node).await;
        }
        let left = transfers(&topology.value, &members, goal);
        let Some(next) = left.first() else { return self.finish(topology, plan).await };
        self.claim(nodes.iter().map(|node| &node.value).find(|node| node.id == next.to), &topology.value)
            .await?;
        let total = plan.value.slots_moved + left.iter().map(|transfer| transfer.count() as u64).sum::<u64>();
        let Some(from) = &next.from else { return self.assign(topology, plan, next, total).await };
        let giver = nodes.iter().map(|node| &node.value).find(|node| node.id == *from);
        let Some(giver) = giver else { return Err(DriverError::NotAMember(from.clone())) };
        let (limit, hold) = self.batch(&topology.value, giver).await?;
        let slots = next.first(limit);
        let id = self.next_move_id().await?;
        let count: usize = slots.iter().map(|range| range.count()).sum();
        let record = MoveRecord {
            id,
            plan: plan.value.id,
            from: from.clone(),
            to: next.to.clone(),
            slots: slots.clone(),
            state: "planned".into(),
            started_at_ms: Millis::now().0,
            ended_at_ms: None,
            keys: 0,
            bytes: 0,
            counted_at_ms: None,
            deleted: 0,
            verified_keys: None,
            verified_values: 0,
            frozen_at_ms: None,
            freeze_ms: None,
            epoch: None,
            term: self.ledger.term(),
            reason: None,
        };
        let mut running = PlanRecord { state: PlanState::Running, slots_total: total, ..plan.value.clone() };
        if plan.value.state == PlanState::Accepted {
            running.keys_expected = expected_keys(&topology.value, &nodes, &left).await;
        }
        let plan_key = keys::plan(plan.value.id);
        let also = Ledger::replace(Txn::new(), &plan_key, plan.revision, &running);
        let also = also.if_absent(keys::slot_move(id)).put(keys::slot_move(id), to_json(&record));
        let what = format!("move {id}: {count} slots {from} -> {} (plan {})", next.to, plan.value.id);
        let start = |new: &mut Topology| {
            new.moves.push(SlotMove {
                id,
                plan: plan.value.id.0,
                from: from.clone(),
                to: next.to.clone(),
                slots,
                phase: Phase::Planned,
                since: new.epoch,
                hold_ms: Some(u64::try_from(hold.as_millis()).unwrap_or(u64::MAX)),
            });
        };
        self.ledger.change_topology(&topology, &what, also, start).await?;
        Ok(Progress::Made)
    }

    /// How many slots a move from this node takes, and how long it may hold writes to them. A stock server has no index by
    /// slot: one pass over its keys must do for all of them.
    async fn batch(&self, topology: &Topology, giver: &NodeRecord) -> Result<(usize, Duration), DriverError> {
        let mut peer = Peer::open(&giver.address).await?;
        let keys = peer.key_count().await?;
        if giver.address.kind() == Kind::Stock {
            let memory = peer.info("memory").await?;
            let bytes = info::number(&memory, "used_memory").unwrap_or(0);
            return Ok((SLOTS, self.pace.hold_of_stock(keys, bytes)));
        }
        let slots: usize = topology.slots_of(&giver.id).iter().map(|range| range.count()).sum();
        Ok((self.pace.slots(slots as u64, keys), self.pace.hold()))
    }

    async fn next_move_id(&self) -> Result<u64, DriverError> {
        let moves = self.ledger.registry.list(keys::MOVES).await?;
        Ok(moves.entries.iter().filter_map(|entry| keys::number(&entry.key)).max().unwrap_or(0) + 1)
    }

    /// Slots nobody owned: there is nothing to copy, and nobody to wait for. Where a cluster begins, its first node brings its
    /// keys along; at any other time what lies there are copies.
    async fn assign(
        &self,
        topology: Versioned<Topology>,
        plan: Versioned<PlanRecord>,
        transfer: &Transfer,
        total: u64,
    ) -> Result<Progress, DriverError> {
        if !topology.value.slots.is_empty() {
            let mut peer = connect(&self.ledger, &transfer.to).await?;
            empty(&self.ledger, &mut peer, &transfer.slots).await?;
        }
        let mut record = plan.value;
        record.state = PlanState::Running;
        record.slots_moved += transfer.count() as u64;
        record.slots_total = total;
        let also = Ledger::replace(Txn::new(), &keys::plan(record.id), plan.revision, &record);
        let what = format!("{} free slots -> {} (plan {})", transfer.count(), transfer.to, record.id);
        let change = |new: &mut Topology| new.assign(&transfer.slots, &transfer.to);
        self.ledger.change_topology(&topology, &what, also, change).await?;
        Ok(Progress::Made)
    }

    /// The goal is reached.
    async fn finish(
        &self,
        topology: Versioned<Topology>,
        plan: Versioned<PlanRecord>,
    ) -> Result<Progress, DriverError> {
        let mut record = plan.value;
        record.state = PlanState::Done;
        record.ended_at_ms = Some(Millis::now().0);
        let also = Ledger::replace(Txn::new(), &keys::plan(record.id), plan.revision, &record);
        let (also, what) = match &record.goal {
            Goal::Add { node } => (also, format!("node {node} has its share (plan {})", record.id)),
            Goal::Remove { node, .. } => (
                forget(also.delete(keys::node(node)), node),
                format!("node {node} is no longer a member (plan {})", record.id),
            ),
        };
        let leaves = match &record.goal {
            Goal::Remove { node, .. } => self.ledger.read::<NodeRecord>(&keys::node(node)).await?,
            Goal::Add { .. } => None,
        };
        // Before the plan ends, so that whoever waits for it may give the node to another cluster at once.
        if let Some(node) = leaves {
            claim::release(&self.ledger, &node.value).await;
        }
        self.ledger.change_topology(&topology, &what, also, |_| {}).await?;
        Ok(Progress::Made)
    }
}

/// For those who watch: a giver that does not answer at once fails the plan later, where that is told.
async fn expected_keys(
    topology: &Topology,
    nodes: &[Versioned<NodeRecord>],
    left: &[Transfer],
) -> Option<u64> {
    let nodes: Vec<&NodeRecord> = nodes.iter().map(|node| &node.value).collect();
    tokio::time::timeout(ESTIMATE, submit::expected(topology, &nodes, left)).await.ok().flatten()
}

/// What is remembered of a member goes with it.
pub(super) fn forget(txn: Txn, node: &NodeId) -> Txn {
    txn.delete(keys::seen(node)).delete(keys::loss(node))
}
