//! Everything that can be seen to be wrong with a node before it joins or leaves.
//!
//! A server that is used by somebody else, that cannot be fenced, or whose keys may be this cluster's own is refused before
//! anything is written; `--force` overrides none of that. It deletes what lies on a server only where that is known to be
//! nobody's of this cluster, or was given up by an operator.

use super::{
    AddRequest, GivenUp, MoveRecord, Refusal, RemoveRequest, ServerRecord,
    history::{self, Past},
    situation::Situation,
};
use crate::cluster::records::{keys, parse};
use crate::{
    cluster::{
        member::{NodeRecord, ProxyRecord},
        peer::{Peer, PeerError, keys::SlotSet},
        registry::Registry,
    },
    id::NodeId,
    protocol::info,
    slot::{SLOTS, SlotId, SlotRange},
    time::Millis,
};

/// A node that may join.
pub(super) struct Fit {
    pub(super) server: ServerRecord,
    pub(super) version: String,
}

/// The oldest version with all that members are asked (`SETUSER &*`, among others).
const OLDEST: (u32, u32) = (6, 2);

/// Everything that can be seen to be wrong with a node before it joins.
pub(super) async fn check_new_node(
    registry: &Registry,
    situation: &Situation,
    request: &AddRequest,
) -> Result<Fit, Refusal> {
    let address = &request.address;
    let unfit = |reason: String| Refusal::Unfit { address: address.clone(), reason };
    let unreachable =
        |source: PeerError| Refusal::Unreachable { address: address.clone(), source: Box::new(source) };
    if let Some(node) =
        others(situation, request).find(|node| node.address.connect_to() == address.connect_to())
    {
        return Err(taken(request, node));
    }
    let mut peer = match Peer::open(address).await {
        Ok(peer) => peer,
        Err(error) => {
            return Err(is_known_proxy(registry, request).await?.unwrap_or_else(|| unreachable(error)));
        }
    };
    let info = peer.info("server").await.map_err(unreachable)?;
    if let Some(id) = info::field(&info, "proxy_id") {
        let cluster = info::field(&info, "proxy_cluster").map(|name| format!(" of cluster {name}"));
        let proxy = format!("proxy {id}{}", cluster.unwrap_or_default());
        return Err(Refusal::IsProxy { address: address.clone(), proxy });
    }
    let run_id = info::field(&info, "run_id").unwrap_or_default();
    let unasked = known_under_another_name(situation, request, run_id).await?;
    if info::field(&info, "redis_mode") == Some("cluster") {
        return Err(unfit("it runs in Redis Cluster mode; start it with cluster-enabled no".into()));
    }
    let replication = peer.info("replication").await.map_err(unreachable)?;
    if info::field(&replication, "role") == Some("slave") {
        return Err(unfit("it is a replica; add its master, or make it one with REPLICAOF NO ONE".into()));
    }
    let version = peer.version().await.map_err(unreachable)?;
    if info::field(&info, "redis_version").is_some_and(is_too_old) {
        return Err(unfit(format!(
            "{version} is too old, Redis {}.{} is the oldest that can be used",
            OLDEST.0, OLDEST.1
        )));
    }
    peer.try_fence().await.map_err(|error| {
        let what = "proxies and drivers that no longer count could not be shut out of it";
        unfit(format!(
            "{what} ({error}); this login needs ACL and CLIENT KILL, see Security in doc/operations.md"
        ))
    })?;
    let marks = peer.marks().await.map_err(unreachable)?;
    let (ours, theirs): (Vec<_>, Vec<_>) =
        marks.into_iter().partition(|mark| Some(mark) == situation.identity.as_ref());
    let owns = situation.owned_by(&request.id) > 0;
    let serves_us = owns && !ours.is_empty();
    if !theirs.is_empty() && !serves_us {
        return Err(Refusal::OtherCluster { address: address.clone(), by: theirs });
    }
    let mut server =
        ServerRecord { address: address.connect_to(), run_id: run_id.to_owned(), foreign_keys: 0 };
    let keys = peer.key_count().await.map_err(unreachable)?;
    // Its own keys, or, where nobody has a slot yet, those that the cluster begins with.
    if keys > 0 && !owns && !situation.topology.slots.is_empty() {
        let moves = registry.list(keys::MOVES).await?;
        let moves: Vec<MoveRecord> = moves.entries.iter().map(parse).collect::<Result<_, _>>()?;
        let past = history::of_server(&situation.plans, &moves, run_id, &server.address);
        let held = Held { keys, past, carries_our_mark: !ours.is_empty(), unasked };
        server.foreign_keys = held.judge(request, &mut peer).await?;
    }
    Ok(Fit { server, version })
}

fn others<'a>(situation: &'a Situation, request: &'a AddRequest) -> impl Iterator<Item = &'a NodeRecord> {
    situation.nodes.values().filter(|node| node.id != request.id)
}

fn taken(request: &AddRequest, node: &NodeRecord) -> Refusal {
    Refusal::AddressTaken { address: request.address.clone(), id: node.id.clone() }
}

/// A proxy with a password tells nobody what it is; the registry knows those of this cluster.
async fn is_known_proxy(registry: &Registry, request: &AddRequest) -> Result<Option<Refusal>, Refusal> {
    let proxies = registry.list(keys::PROXIES).await?;
    for entry in &proxies.entries {
        let proxy: ProxyRecord = parse(entry)?;
        if proxy.address == request.address.host_port() || proxy.address == request.address.connect_to() {
            let proxy = format!("proxy {} of cluster {}", proxy.id, registry.cluster());
            return Ok(Some(Refusal::IsProxy { address: request.address.clone(), proxy }));
        }
    }
    Ok(None)
}

/// The same server may be known under another name of its machine: then its run id is a member's, as the registry has it
/// or as the member says. Returns the owners of slots that could not be asked.
async fn known_under_another_name(
    situation: &Situation,
    request: &AddRequest,
    run_id: &str,
) -> Result<Vec<NodeId>, Refusal> {
    let mut unasked = Vec::new();
    for node in others(situation, request) {
        if situation.run_ids_of(node).any(|known| known == run_id) {
            return Err(taken(request, node));
        }
        let asked = async {
            let mut member = Peer::open(&node.address).await?;
            member.info("server").await
        };
        match asked.await {
            Ok(info) if !run_id.is_empty() && info::field(&info, "run_id") == Some(run_id) => {
                return Err(taken(request, node));
            }
            Ok(_) => {}
            // It may be this very server, started again under another name.
            Err(_) if situation.owned_by(&node.id) > 0 => unasked.push(node.id.clone()),
            Err(_) => {}
        }
    }
    Ok(unasked)
}

fn is_too_old(version: &str) -> bool {
    let mut numbers = version.split('.').map(str::parse::<u32>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor) < OLDEST,
        // What has no number is not judged by it.
        _ => false,
    }
}

/// Keys on a server that wants to join a cluster whose slots have owners.
struct Held {
    keys: u64,
    past: Past,
    carries_our_mark: bool,
    /// Members that own slots, and do not answer.
    unasked: Vec<NodeId>,
}

impl Held {
    /// How many of them are neither copies nor anybody's of this cluster, if they may go.
    async fn judge(self, request: &AddRequest, peer: &mut Peer) -> Result<u64, Refusal> {
        let (address, keys) = (request.address.clone(), self.keys);
        let mut hint = String::new();
        let mut foreign = keys;
        match self.past {
            Past::Copies { slots } => {
                let unreachable =
                    |source| Refusal::Unreachable { address: address.clone(), source: Box::new(source) };
                foreign = outside(peer, &slots).await.map_err(unreachable)?;
                if foreign == 0 {
                    return Ok(0);
                }
                hint = " (copies that moves left there are not counted)".to_owned();
            }
            Past::GivenUp { .. } if request.force => return Ok(keys),
            Past::GivenUp { node, plan } => return Err(Refusal::GivenUp { address, keys, node, plan }),
            Past::Unknown | Past::SameAddress { .. } if self.carries_our_mark => {
                let reason = "it carries this cluster's mark, but the registry does not know why".to_owned();
                return Err(Refusal::MaybeOurs { address, keys, reason });
            }
            Past::SameAddress { node, plan } => {
                hint = format!(
                    " (plan {plan} was about node {node} at the same address, but this server was started since, so \
                     nobody knows whether they are left from then)"
                );
            }
            Past::Unknown => {}
        }
        if let Some(node) = self.unasked.first() {
            let reason = format!(
                "node {node} owns slots and cannot be reached, and might be this server under another address; start \
                 node {node} again, or remove it"
            );
            return Err(Refusal::MaybeOurs { address, keys, reason });
        }
        if request.force { Ok(foreign) } else { Err(Refusal::NotEmpty { address, keys: foreign, hint }) }
    }
}

/// Keys in all databases that are not in these slots.
async fn outside(peer: &mut Peer, slots: &[SlotRange]) -> Result<u64, PeerError> {
    let mut inside = vec![false; SLOTS];
    for slot in slots.iter().flat_map(|range| range.iter()) {
        inside[slot.index()] = true;
    }
    let rest = SlotSet::new(&SlotRange::cover(SlotId::all().filter(|slot| !inside[slot.index()])));
    let mut keys = 0;
    for (database, _) in peer.databases().await? {
        peer.select(database).await?;
        keys += peer.count(&rest).await?;
    }
    Ok(keys)
}

/// A node that may leave.
pub(super) struct Leaving {
    /// Its keys must be given up for it, and that was asked for.
    pub(super) abandon: bool,
    /// If so: how many, as far as anybody knows.
    pub(super) given_up: Option<GivenUp>,
    pub(super) server: ServerRecord,
}

/// Whether a node's keys must be given up for it to leave, and whether that was asked for.
pub(super) async fn check_leaving_node(
    situation: &Situation,
    request: &RemoveRequest,
) -> Result<Leaving, Refusal> {
    let Some(node) = situation.nodes.get(&request.id) else {
        let members = situation.nodes.keys().map(NodeId::as_str).collect::<Vec<_>>().join(", ");
        let members = if members.is_empty() { "none".to_owned() } else { members };
        return Err(Refusal::UnknownNode { id: request.id.clone(), members });
    };
    let asked = async {
        let mut peer = Peer::open(&node.address).await?;
        let run_id = info::field(&peer.info("server").await?, "run_id").unwrap_or_default().to_owned();
        Ok::<_, PeerError>((run_id, peer.key_count().await?))
    }
    .await;
    let known = || situation.run_ids_of(node).next().unwrap_or_default().to_owned();
    let (run_id, counted) = match asked {
        Ok((run_id, keys)) => (run_id, Ok(keys)),
        Err(error) => (known(), Err(error)),
    };
    let server = ServerRecord { address: node.address.connect_to(), run_id, foreign_keys: 0 };
    let slots = situation.owned_by(&request.id);
    let is_last = situation.nodes.len() == 1;
    let given_up = match &counted {
        Ok(keys) => Some(GivenUp { keys: *keys, heard_at_ms: Millis::now().0 }),
        Err(_) => {
            situation.seen.get(&request.id).map(|seen| GivenUp { keys: seen.keys, heard_at_ms: seen.at_ms })
        }
    };
    let abandon = match counted {
        _ if slots == 0 => false,
        Err(_) if request.force => true,
        Err(source) => {
            return Err(Refusal::NodeUnreachable { id: request.id.clone(), slots, source: Box::new(source) });
        }
        Ok(0) if is_last => true,
        Ok(_) if is_last && request.force => true,
        Ok(keys) if is_last => return Err(Refusal::LastNode { id: request.id.clone(), keys }),
        Ok(_) => false,
    };
    Ok(Leaving { abandon, given_up: given_up.filter(|_| abandon), server })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        for (version, old) in
            [("6.0.16", true), ("5.0", true), ("6.2.0", false), ("7.0.15", false), ("255", false)]
        {
            assert_eq!(is_too_old(version), old, "{version}");
        }
    }
}
