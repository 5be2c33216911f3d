//! Who calls a command, and what it was told about how: database, protocol, rights. Nothing of a socket is here, because a
//! transaction calls commands too, and so does what comes over gRPC.

use std::{sync::Arc, time::Duration};

use super::{
    acl::{Acl, User},
    clients::{CHANGED, Client, Clients, MULTI},
    keyspace::{Access, Db, Key},
    object::{
        List,
        list::{End, Fill},
    },
    state::NodeState,
    store::Store,
    transaction::Transaction,
};
use crate::{connection::Replies, protocol::Version, server::Addresses, time::Millis};

/// On whose behalf a command runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Origin {
    /// It came from a client just now.
    #[default]
    Client,
    /// A client queued it, and `EXEC` runs it.
    Transaction,
    /// A client waited in it for a key, which has something now.
    Unblocked,
}

/// What a client that waited was handed, until it is known to have got it.
#[derive(Debug)]
pub struct Served {
    /// From which list of its database.
    pub key: Box<[u8]>,
    /// From which end of it.
    pub end: End,
    /// In the order in which they were taken.
    pub elements: Vec<Vec<u8>>,
}

impl Served {
    /// The client is gone: it is as if it had not been served.
    pub(super) fn give_back(self, db: &mut Db, access: Access, fill: Fill) {
        // Whoever put a value of another type there meanwhile has taken the place of the list.
        if let Ok(mut list) = db.get_or_create::<List>(Key::new(&self.key), access) {
            self.elements.iter().rev().for_each(|element| list.push(self.end, element, fill));
        }
    }
}

/// See the module.
#[derive(Debug)]
pub struct Caller {
    /// `SELECT`ed database; change it with [`Caller::select`].
    pub database: usize,
    /// What replies are written in.
    pub version: Version,
    /// Whose rights it has.
    pub user: Arc<User>,
    /// Logged in, or no password was required.
    pub authenticated: bool,
    /// `CLIENT NO-TOUCH`: reading leaves access times alone.
    pub no_touch: bool,
    /// Is shown all commands, and may not touch keys: Redis counts it among the replicas.
    pub monitoring: bool,
    /// Is told when keys change that it read.
    pub tracking: bool,
    /// Has subscriptions, which leaves little else to a client of RESP2.
    pub subscribed: bool,
    /// `CLIENT REPLY`.
    pub replies: Replies,
    /// Every command must be answered, and in RESP3: it is a gRPC caller's.
    pub answers_all: bool,
    /// Who runs the command.
    pub origin: Origin,
    /// The key for which the command was woken, see [`Origin::Unblocked`].
    pub woken_by: Option<Box<[u8]>>,
    /// What the command took, see [`Origin::Unblocked`].
    pub served: Option<Served>,
    /// For how long a command that waits does so at most.
    pub patience: Option<Duration>,
    /// After `MULTI`: what is queued.
    pub transaction: Option<Box<Transaction>>,
    /// What others see of it.
    pub client: Arc<Client>,
}

impl Caller {
    /// Of a new connection.
    #[must_use]
    pub fn new(node: &NodeState, client: Arc<Client>) -> Self {
        Self::with(&node.acl, client)
    }

    fn with(acl: &Acl, client: Arc<Client>) -> Self {
        Self {
            database: 0,
            version: Version::Resp2,
            user: Arc::clone(acl.default_user()),
            authenticated: !acl.login_required(),
            no_touch: false,
            monitoring: false,
            tracking: false,
            subscribed: false,
            replies: Replies::On,
            answers_all: false,
            origin: Origin::Client,
            woken_by: None,
            served: None,
            patience: None,
            transaction: None,
            client,
        }
    }

    /// The transaction is over, and with it what was watched.
    pub fn end_transaction(&mut self, store: &mut Store) -> Option<Box<Transaction>> {
        store.unwatch(&self.client);
        self.client.set_flag(MULTI | CHANGED, false);
        self.client.set_queued(None, 0);
        self.transaction.take()
    }

    /// The same caller, for a command that waits while its connection does.
    #[must_use]
    pub fn waiting(&self) -> Self {
        Self {
            user: Arc::clone(&self.user),
            client: Arc::clone(&self.client),
            woken_by: None,
            served: None,
            transaction: None,
            ..*self
        }
    }

    /// `SELECT`.
    pub fn select(&mut self, database: usize) {
        self.database = database;
        self.client.set_database(database);
    }

    /// `HELLO`.
    pub fn set_version(&mut self, version: Version) {
        self.version = version;
        self.client.set_version(version);
    }

    /// `AUTH`.
    pub fn log_in(&mut self, user: Arc<User>) {
        self.client.labels().user = Arc::clone(&user);
        self.user = user;
        self.authenticated = true;
    }
}

impl Default for Caller {
    /// Nobody in particular, for tests.
    fn default() -> Self {
        let nowhere = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
        let acl = Acl::default();
        let addresses = Addresses { remote: nowhere, local: nowhere };
        let client = Clients::default().unlisted(addresses, Arc::clone(acl.default_user()), Millis(0));
        Self::with(&acl, client)
    }
}
