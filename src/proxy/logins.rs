//! Logging in to the members, as the user of this registration: the user is made at the member first, and the registry
//! asked afterwards whether the proxy is still registered, so that a fence set in between is never undone unseen. A member
//! without functions is lent some then ([`super::lent`]), before it is used, and one that lost the keys it kept is kept out
//! ([`super::readmission`]). Also the numbers that members have within this process. Not here: when to register, and what to do with a
//! table of routes.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};

use tokio::{sync::Semaphore, task::JoinSet};

use super::{
    claim::claim,
    lent::Lender,
    membership::until,
    readmission::{Readmission, Refused},
    roll::Roll,
    routing::{Access, Login, Member, NodeIndex},
};
use crate::{
    cluster::{
        member::{Address, NodeRecord},
        peer::{Peer, fence},
        registry::Registry,
        topology::Topology,
    },
    id::{NodeId, ProxyId},
};

/// So many logins are under way at once: more would only make each other late.
const AT_ONCE: usize = 128;
/// For one login, once it begins.
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
    roll: Arc<Roll>,
    id: ProxyId,
    /// Members ever seen, by their number.
    members: Vec<Arc<Member>>,
    numbers: HashMap<(NodeId, Address), NodeIndex>,
    user: String,
    previous_user: String,
    secret: String,
    pending: JoinSet<LoggedIn>,
    turns: Arc<Semaphore>,
    /// Whose login is under way, and whether it was wanted once more since it began: then what it finds may be of before.
    under_way: HashMap<NodeIndex, bool>,
    retry_at: Option<tokio::time::Instant>,
    readmission: Readmission,
}

impl Logins {
    pub(super) fn new(registry: Registry, id: ProxyId, readmission: Readmission) -> Self {
        Self {
            roll: Arc::new(Roll::new(registry, id.clone())),
            id,
            members: Vec::new(),
            numbers: HashMap::new(),
            user: String::new(),
            previous_user: String::new(),
            secret: String::new(),
            pending: JoinSet::new(),
            turns: Arc::new(Semaphore::new(AT_ONCE)),
            under_way: HashMap::new(),
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
        self.under_way.clear();
    }

    /// Whether logins are under way.
    pub(super) fn is_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Begins the logins that are missing.
    pub(super) fn begin(&mut self, nodes: &BTreeMap<NodeId, NodeRecord>, topology: &Topology) {
        let missing: Vec<NodeIndex> = nodes.values().filter_map(|node| self.missing(node)).collect();
        if missing.is_empty() {
            return;
        }
        let lender = Lender::new(nodes.values().map(|node| node.address.clone()).collect());
        let owners: HashSet<&NodeId> = topology.slots.iter().map(|(_, owner)| owner).collect();
        for index in missing {
            // What a member without slots has is nobody's.
            let owns_slots = owners.contains(&self.member(index).id);
            self.spawn(index, owns_slots, lender.clone());
        }
    }

    /// The number of a member that is to be logged in to; it gets one if it has none.
    fn missing(&mut self, node: &NodeRecord) -> Option<NodeIndex> {
        let name = (node.id.clone(), node.address.clone());
        let index = match self.numbers.get(&name) {
            Some(&index) => index,
            None => {
                // Beyond that many joins it stays without.
                let index =
                    NodeIndex::try_from(self.members.len()).ok().filter(|&index| index < NodeIndex::MAX)?;
                let (id, address) = name.clone();
                let access = Access::Closed("not logged in yet".to_owned());
                self.members.push(Arc::new(Member { id, address, access }));
                self.numbers.insert(name, index);
                index
            }
        };
        if matches!(&self.member(index).access, Access::Ready(login) if login.user == self.user) {
            return None;
        }
        if let Some(wanted_again) = self.under_way.get_mut(&index) {
            *wanted_again = true;
            return None;
        }
        Some(index)
    }

    fn member(&self, index: NodeIndex) -> &Arc<Member> {
        &self.members[usize::from(index)]
    }

    fn spawn(&mut self, index: NodeIndex, owns_slots: bool, lender: Lender) {
        self.under_way.insert(index, false);
        let readmission = owns_slots.then(|| self.readmission.clone());
        let (roll, proxy, member) = (Arc::clone(&self.roll), self.id.clone(), Arc::clone(self.member(index)));
        let (user, previous, secret) = (self.user.clone(), self.previous_user.clone(), self.secret.clone());
        let turns = Arc::clone(&self.turns);
        self.pending.spawn(async move {
            let _turn = turns.acquire().await.expect("nobody closes it");
            let login = async {
                let (socket, mut peer) = reach(&roll, &member.address).await?;
                if let Some(readmission) = readmission {
                    readmission.pass(&member.id, &mut peer).await?;
                }
                log_in(&roll, &proxy, &mut peer, (&user, &previous, &secret)).await?;
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

    /// Waits until a login has ended, well or not; asks members again that did not let the proxy in. Tells whether that member is to be treated
    /// in another way than before. May be dropped and called again.
    pub(super) async fn next(&mut self, nodes: &BTreeMap<NodeId, NodeRecord>, topology: &Topology) -> bool {
        loop {
            tokio::select! {
                Some(login) = self.pending.join_next() => {
                    if let Ok(login) = login
                        && login.user == self.user
                    {
                        return self.ended(login, nodes, topology);
                    }
                }
                () = until(self.retry_at) => {
                    self.retry_at = None;
                    self.begin(nodes, topology);
                }
            }
        }
    }

    /// Whether the member is to be treated in another way than before.
    fn ended(&mut self, login: LoggedIn, nodes: &BTreeMap<NodeId, NodeRecord>, topology: &Topology) -> bool {
        let wanted_again = self.under_way.remove(&login.index).unwrap_or(false);
        let member = &self.members[usize::from(login.index)];
        let access = match (login.outcome, &member.access) {
            (Ok(socket), _) => Access::Ready(Login { socket, user: login.user, secret: self.secret.clone() }),
            (Err(_), _) if wanted_again => {
                self.begin(nodes, topology);
                return false;
            }
            (Err(refused), before) => {
                self.retry_at.get_or_insert_with(|| tokio::time::Instant::now() + PAUSE);
                // A user of before may still be good, but not where nobody is to go on.
                let (closed, is_for_all) = match refused {
                    Refused::Loading => (Access::Loading, true),
                    Refused::Empty(reason) => (Access::Closed(reason), true),
                    Refused::Other(reason) => (Access::Closed(reason), false),
                };
                if *before == closed || matches!(before, Access::Ready(_)) && !is_for_all {
                    return false;
                }
                if let Err(reason) = closed.login() {
                    let Member { id, address, .. } = &**member;
                    tracing::warn!(node = %id, %address, reason, "cannot log in to a node");
                }
                closed
            }
        };
        let Member { id, address, .. } = &**member;
        let member = Member { id: id.clone(), address: address.clone(), access };
        self.members[usize::from(login.index)] = Arc::new(member);
        true
    }

    /// By their numbers; those that are no members any more leave a gap.
    pub(super) fn members(&self, nodes: &BTreeMap<NodeId, NodeRecord>) -> Vec<Option<Arc<Member>>> {
        let is_member =
            |member: &&Arc<Member>| nodes.get(&member.id).is_some_and(|node| node.address == member.address);
        self.members.iter().map(|member| Some(member).filter(is_member).cloned()).collect()
    }
}

/// Connects to a member, and marks it as this cluster's.
async fn reach(roll: &Roll, address: &Address) -> Result<(SocketAddr, Peer), Refused> {
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
    claim(roll, address, &mut peer).await?;
    Ok((socket, peer))
}

/// Makes the user at a node, and only then asks the registry whether the proxy is still who it was.
async fn log_in(
    roll: &Roll,
    id: &ProxyId,
    peer: &mut Peer,
    (user, previous, secret): (&str, &str, &str),
) -> Result<(), String> {
    peer.make_user(user, secret).await.map_err(|error| error.to_string())?;
    if roll.registered().await?.as_deref() != Some(user) {
        return Err("this proxy's registration has ended".to_owned());
    }
    if let Err(error) = peer.forget_registrations(id, &[user, previous]).await {
        tracing::debug!(%error, "users of earlier registrations stay");
    }
    Ok(())
}
