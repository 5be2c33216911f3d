//! Who calls a command, and what it was told about how: database, protocol, rights. Nothing of a socket is here, because a
//! transaction calls commands too, and so does what comes over gRPC.

use std::sync::Arc;

use super::{
    acl::{Acl, User},
    clients::{Client, Clients},
    state::NodeState,
};
use crate::{connection::Replies, protocol::Version, server::Peer, time::Millis};

/// On whose behalf a command runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Origin {
    /// It came from a client just now.
    #[default]
    Client,
    /// A client queued it, and `EXEC` runs it.
    Transaction,
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
    /// `CLIENT REPLY`.
    pub replies: Replies,
    /// Every command must be answered, and in RESP3: it is a gRPC caller's.
    pub answers_all: bool,
    /// Who runs the command.
    pub origin: Origin,
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
            replies: Replies::On,
            answers_all: false,
            origin: Origin::Client,
            client,
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
        let peer = Peer { remote: nowhere, local: nowhere };
        let client = Clients::default().unlisted(peer, Arc::clone(acl.default_user()), Millis(0));
        Self::with(&acl, client)
    }
}
