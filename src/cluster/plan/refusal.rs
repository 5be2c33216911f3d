//! Why a plan is not accepted: what, where, and what to do about it.

use super::PlanId;
use crate::cluster::records::Unreadable;
use crate::{
    cluster::{
        identity::Identity,
        member::Address,
        peer::PeerError,
        registry::{RegistryError, Revision},
    },
    id::{NodeId, ProxyId},
};

/// `1 key`, `2 keys`.
pub(super) fn counted(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn listed(clusters: &[Identity]) -> String {
    clusters.iter().map(Identity::to_string).collect::<Vec<_>>().join(" and ")
}

fn marks(clusters: &[Identity]) -> String {
    clusters.iter().map(Identity::mark).collect::<Vec<_>>().join(" ")
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
    /// A proxy, of this cluster or another one.
    #[error("{address} is {proxy}, not a node; give the address of a redis_node or of a Redis server")]
    IsProxy {
        /// The address asked for.
        address: Address,
        /// `proxy 2 of cluster default`.
        proxy: String,
    },
    /// Another cluster uses it.
    #[error(
        "{address} is a node of another cluster, {}; remove it there first. If that cluster is gone for good, tell the \
         server to forget it: ACL DELUSER {}",
        listed(by),
        marks(by)
    )]
    OtherCluster {
        /// The address asked for.
        address: Address,
        /// Whose marks it carries.
        by: Vec<Identity>,
    },
    /// Joining would hide the keys it has.
    #[error(
        "{address} holds {}, which would be lost in a cluster that already has slots elsewhere{hint}; \
         empty it first, or use --force to delete what it holds",
        counted(*keys, "key")
    )]
    NotEmpty {
        /// The address asked for.
        address: Address,
        /// In all databases, without what is known to be copies.
        keys: u64,
        /// What may be known of them.
        hint: String,
    },
    /// It was a member, and its keys were given up.
    #[error(
        "{address} holds {} which node {node} had as their owner until plan {plan} gave them up: the cluster went on \
         without them, and to join it they are deleted. Copy what you want to keep from there first, then empty it, or use \
         --force to delete what it holds",
        counted(*keys, "key")
    )]
    GivenUp {
        /// The address asked for.
        address: Address,
        /// In all databases.
        keys: u64,
        /// As which node it was a member.
        node: NodeId,
        /// The removal.
        plan: PlanId,
    },
    /// What it holds may be this cluster's own, so that --force would delete it.
    #[error(
        "{address} holds {} that may be this cluster's own: {reason}. Nothing is deleted while that is not known. If they \
         are not wanted, empty the server yourself (FLUSHALL) and add it then",
        counted(*keys, "key")
    )]
    MaybeOurs {
        /// The address asked for.
        address: Address,
        /// In all databases.
        keys: u64,
        /// Why one might think so.
        reason: String,
    },
    /// Not a member.
    #[error("there is no node {id}; members are: {members}")]
    UnknownNode {
        /// Which id.
        id: NodeId,
        /// Those there are.
        members: String,
    },
    /// Not registered.
    #[error("there is no proxy {id}; registered are: {proxies}")]
    UnknownProxy {
        /// Which id.
        id: ProxyId,
        /// Those there are.
        proxies: String,
    },
    /// Clients would have none.
    #[error("proxy {id} is the only one that clients can use; start another one first, or use --force")]
    LastProxy {
        /// Which id.
        id: ProxyId,
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
    /// Whoever drives was asked, because the node cannot be reached from here.
    #[error("{0}")]
    Elsewhere(String),
    /// A record that is not what it should be.
    #[error(transparent)]
    Record(#[from] Unreadable),
    /// The registry.
    #[error(transparent)]
    Registry(#[from] RegistryError),
}
