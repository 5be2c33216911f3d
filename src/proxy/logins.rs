//! Logging in to the members, as the user of this registration: the user is made at the member first, and the registry
//! asked afterwards whether the proxy is still registered, so that a fence set in between is never undone unseen. A member
//! without functions is lent some then ([`super::lent`]), before it is used, and one that lost the keys it kept is kept out
//! ([`super::readmission`]). Also the numbers that members have within this process. Not here: when to register, and what to do with a
//! table of routes.

use crate::cluster::records::{keys, parse};
use std::{collections::BTreeMap, net::SocketAddr, sync::Arc, time::Duration};

use tokio::task::JoinSet;

use super::{
    claim::claim,
    lent::Lender,
    membership::until,
    readmission::{Readmission, Refused},
    routing::{Access, Login, Member, NodeIndex},
};
use crate::{
    cluster::{
        member::{Address, NodeRecord, ProxyRecord},
        peer::{Peer, fence},
        registry::Registry,
        topology::Topology,
    },
    id::{NodeId, ProxyId},
};

/// For one login.
const TIMEOUT: Duration = Duration::from_secs(3);
/// Before a member that did not let the proxy in is asked again.
const PAUSE: Duration = Duration::from_secs(1);

/// What became of a login.
#[derive(Debug)]
struct LoggedIn {
    index: NodeIndex,
    user: String,
    outcome: Result<SocketAddr, Refused>,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Logins {
    registry: Registry,
    id: ProxyId,
    /// Members ever seen, by their index.
    numbered: Vec<(NodeId, Address)>,
    access: Vec<Access>,
    user: String,
    previous_user: String,
    secret: String,
    pending: JoinSet<LoggedIn>,
    retry_at: Option<tokio::time::Instant>,
    readmission: Readmission,
}

impl Logins {
    pub(super) fn new(registry: Registry, id: ProxyId, readmission: Readmission) -> Self {
        Self {
            registry,
            id,
            numbered: Vec::new(),
            access: Vec::new(),
            user: String::new(),
            previous_user: String::new(),
            secret: String::new(),
            pending: JoinSet::new(),
            retry_at: None,
            readmission,
        }
    }

    /// Another registration: another user with another secret.
    pub(super) fn become_instance(&mut self, instance: &str) {
        self.previous_user = std::mem::replace(&mut self.user, fence::proxy_user(&self.id, instance));
        self.secret = fence::secret();
    }

    /// Of this registration.
    pub(super) fn user(&self) -> &str {
        &self.user
    }

    /// Gives up what was begun for a registration before.
    pub(super) fn forget_pending(&mut self) {
        self.pending = JoinSet::new();
    }

    /// Whether logins are under way.
    pub(super) fn is_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Begins the logins that are missing.
    pub(super) fn begin(&mut self, nodes: &BTreeMap<NodeId, NodeRecord>, topology: &Topology) {
        for node in nodes.values() {
            let member = (node.id.clone(), node.address.clone());
            if !self.numbered.contains(&member) {
                self.numbered.push(member);
                self.access.push(Access::Closed("not logged in yet".to_owned()));
            }
        }
        let lender = Lender::new(nodes.values().map(|node| node.address.clone()).collect());
        for (index, (id, address)) in self.numbered.iter().enumerate() {
            let is_open = matches!(&self.access[index], Access::Ready(login) if login.user == self.user);
            if !is_member(nodes, id, address) || is_open {
                continue;
            }
            let Ok(index) = NodeIndex::try_from(index) else { continue };
            // What a member without slots has is nobody's.
            let owns_slots = topology.slots.iter().any(|(_, owner)| owner == id);
            let readmission = owns_slots.then(|| self.readmission.clone());
            let (registry, proxy, address) = (self.registry.clone(), self.id.clone(), address.clone());
            let (node, lender) = (id.clone(), lender.clone());
            let (user, previous, secret) =
                (self.user.clone(), self.previous_user.clone(), self.secret.clone());
            self.pending.spawn(async move {
                let login = async {
                    let (socket, mut peer) = reach(&registry, &address).await?;
                    if let Some(readmission) = readmission {
                        readmission.pass(&node, &mut peer).await?;
                    }
                    log_in(&registry, &proxy, &mut peer, (&user, &previous, &secret)).await?;
                    Ok((socket, peer))
                };
                let outcome = match tokio::time::timeout(TIMEOUT, login).await {
                    Ok(Ok((socket, mut peer))) => {
                        lender.help(&mut peer).await;
                        Ok(socket)
                    }
                    Ok(Err(refused)) => Err(refused),
                    Err(_) => Err(Refused::Other(format!("no login within {TIMEOUT:?}"))),
                };
                LoggedIn { index, user, outcome }
            });
        }
    }

    /// Waits until a login has ended, well or not; asks members again that did not let the proxy in. May be dropped and
    /// called again.
    pub(super) async fn next(&mut self, nodes: &BTreeMap<NodeId, NodeRecord>, topology: &Topology) {
        loop {
            tokio::select! {
                Some(login) = self.pending.join_next() => {
                    if let Ok(login) = login
                        && login.user == self.user
                    {
                        self.ended(login);
                        return;
                    }
                }
                () = until(self.retry_at) => {
                    self.retry_at = None;
                    self.begin(nodes, topology);
                }
            }
        }
    }

    fn ended(&mut self, login: LoggedIn) {
        let access = &mut self.access[usize::from(login.index)];
        match login.outcome {
            Ok(socket) => {
                let ready = Login { socket, user: login.user, secret: self.secret.clone() };
                *access = Access::Ready(ready);
            }
            Err(refused) => {
                // A user of before may still be good, but not where nobody is to go on.
                let (closed, is_for_all) = match refused {
                    Refused::Loading => (Access::Loading, true),
                    Refused::Empty(reason) => (Access::Closed(reason), true),
                    Refused::Other(reason) => (Access::Closed(reason), false),
                };
                if (is_for_all || !matches!(access, Access::Ready(_))) && *access != closed {
                    let (id, address) = &self.numbered[usize::from(login.index)];
                    if let Err(reason) = closed.login() {
                        tracing::warn!(node = %id, %address, reason, "cannot log in to a node");
                    }
                    *access = closed;
                }
                self.retry_at.get_or_insert_with(|| tokio::time::Instant::now() + PAUSE);
            }
        }
    }

    /// By their numbers; those that are no members any more leave a gap.
    pub(super) fn members(&self, nodes: &BTreeMap<NodeId, NodeRecord>) -> Vec<Option<Arc<Member>>> {
        let members = self.numbered.iter().zip(&self.access).map(|((id, address), access)| {
            is_member(nodes, id, address).then(|| {
                Arc::new(Member { id: id.clone(), address: address.clone(), access: access.clone() })
            })
        });
        members.collect()
    }
}

fn is_member(nodes: &BTreeMap<NodeId, NodeRecord>, id: &NodeId, address: &Address) -> bool {
    nodes.get(id).is_some_and(|node| node.address == *address)
}

/// Connects to a member, and marks it as this cluster's.
async fn reach(registry: &Registry, address: &Address) -> Result<(SocketAddr, Peer), Refused> {
    let endpoint = address.connect_to();
    let socket = tokio::net::lookup_host(&endpoint)
        .await
        .map_err(|error| error.to_string())?
        .next()
        .ok_or_else(|| format!("{endpoint} has no address"))?;
    let mut peer = Peer::open(address).await.map_err(|error| match error.is_loading() {
        true => Refused::Loading,
        false => Refused::Other(error.to_string()),
    })?;
    claim(registry, address, &mut peer).await?;
    Ok((socket, peer))
}

/// Makes the user at a node, and only then asks the registry whether the proxy is still who it was.
async fn log_in(
    registry: &Registry,
    id: &ProxyId,
    peer: &mut Peer,
    (user, previous, secret): (&str, &str, &str),
) -> Result<(), String> {
    peer.make_user(user, secret).await.map_err(|error| error.to_string())?;
    let registered =
        registry.get(&format!("{}{id}", keys::PROXIES)).await.map_err(|error| error.to_string())?;
    let record: Option<ProxyRecord> = registered.and_then(|entry| parse(&entry).ok());
    let is_ours = record.is_some_and(|record| fence::proxy_user(&record.id, &record.instance) == user);
    if !is_ours {
        return Err("this proxy's registration has ended".to_owned());
    }
    if let Err(error) = peer.forget_registrations(id, &[user, previous]).await {
        tracing::debug!(%error, "users of earlier registrations stay");
    }
    Ok(())
}
