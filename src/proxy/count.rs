//! How many keys there are while slots move: `DBSIZE` and `INFO keyspace` must not count copies.
//!
//! A node counts everything it holds. During a move one of its two sides also holds keys of slots it does not own: what was
//! staged on the target, or not yet deleted on the source. On that side, and only there, keys are counted by slot: our nodes
//! do it at once, stock servers by a pass of `SCAN` over all their keys. That is too long for a worker, so clients wait for
//! it here; one pass answers all who came before it began.

use std::{sync::Arc, time::Duration};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tonic::{Code, transport::Endpoint};

use super::{
    daemon::Proxy,
    routing::{Login, Member, NodeIndex, Routing},
    worker::Waiting,
};
use crate::slot::SlotRange;
use crate::{
    cluster::peer::{
        Peer, PeerError,
        keys::{SlotSet, Tally},
    },
    id::Epoch,
    server::grpc::v1::{CountKeysRequest, control_client::ControlClient},
};

/// Keys of the databases of one node, or why it did not tell.
pub(super) type Databases = Result<Vec<(u32, Tally)>, String>;

/// What nodes that may hold copies have of their own.
#[derive(Debug)]
pub(super) struct Counted {
    /// By whose table.
    pub(super) epoch: Epoch,
    /// Whether keys with an expiry were counted too.
    pub(super) expires: bool,
    /// By node.
    pub(super) nodes: Vec<(NodeIndex, Databases)>,
}

impl Counted {
    /// What one of these nodes has; `None` for the others: their own figures are true.
    pub(super) fn node(&self, index: NodeIndex) -> Option<&Databases> {
        self.nodes.iter().find(|(node, _)| *node == index).map(|(_, databases)| databases)
    }
}

/// Clients that one count answers.
const AT_ONCE: usize = 10_000;

/// Counts for those who wait, until the proxy stops.
pub(super) async fn run(
    proxy: Arc<Proxy>,
    mut asked: mpsc::UnboundedReceiver<Waiting>,
    stop: CancellationToken,
) {
    loop {
        let mut waiting = Vec::new();
        tokio::select! {
            () = stop.cancelled() => return,
            count = asked.recv_many(&mut waiting, AT_ONCE) => if count == 0 { return },
        }
        let routing = proxy.routing();
        let expires = waiting.iter().any(Waiting::wants_expires);
        let counted = tokio::select! {
            () = stop.cancelled() => return,
            counted = count(&routing, expires, proxy.shared.config.node_timeout) => Arc::new(counted),
        };
        for client in waiting {
            client.tell(&counted);
        }
    }
}

async fn count(routing: &Routing, expires: bool, timeout: Duration) -> Counted {
    let nodes = routing.with_copies().into_iter().filter_map(|index| Some((index, routing.member(index)?)));
    let counts = nodes.map(async |(index, member)| {
        let slots = routing.topology().slots_of(&member.id);
        let databases = of_member(member, &slots, expires, timeout).await;
        (index, databases.map_err(|reason| format!("{}: {reason}", member.label())))
    });
    Counted { epoch: routing.epoch(), expires, nodes: futures::future::join_all(counts).await }
}

async fn of_member(member: &Member, slots: &[SlotRange], expires: bool, timeout: Duration) -> Databases {
    let login = member.access.login()?;
    if !member.is_stock()
        && let Some(databases) = by_slot(login, slots, timeout).await?
    {
        return Ok(databases);
    }
    by_scan(member, login, slots, expires).await.map_err(|error| error.to_string())
}

/// One question to a node of ours; `None` if it is too old to answer it.
pub(super) async fn by_slot(
    login: &Login,
    slots: &[SlotRange],
    timeout: Duration,
) -> Result<Option<Vec<(u32, Tally)>>, String> {
    let endpoint =
        Endpoint::from_shared(format!("http://{}", login.socket)).map_err(|error| error.to_string())?;
    let channel = endpoint.connect_timeout(timeout).timeout(timeout).connect().await;
    let channel = channel.map_err(|error| error.to_string())?;
    let slots = slots.iter().copied().map(String::from).collect();
    match ControlClient::new(channel).count_keys(CountKeysRequest { slots }).await {
        Ok(reply) => {
            let databases = reply.into_inner().databases.into_iter();
            let tally = databases.map(|of| (of.database, Tally { keys: of.keys, expires: of.expires }));
            Ok(Some(tally.collect()))
        }
        Err(status) if status.code() == Code::Unimplemented => Ok(None),
        Err(status) => Err(status.message().to_owned()),
    }
}

/// As the proxy's own user, so that a proxy which was shut out does not go on counting.
async fn by_scan(
    member: &Member,
    login: &Login,
    slots: &[SlotRange],
    expires: bool,
) -> Result<Vec<(u32, Tally)>, PeerError> {
    let mut peer = Peer::open(&member.address).await?;
    peer.log_in(&login.user, &login.secret).await?;
    let slots = SlotSet::new(slots);
    let mut tallies = Vec::new();
    for (database, _) in peer.databases().await? {
        peer.select(database).await?;
        let tally = peer.tally(&slots, expires).await?;
        if tally.keys > 0 {
            tallies.push((database, tally));
        }
    }
    Ok(tallies)
}
