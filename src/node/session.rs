//! One client connection as commands see it.

use std::sync::Arc;

use super::{
    acl::{Acl, User},
    clients::{Client, Clients},
    state::NodeState,
};
use crate::{connection::Replies, protocol::Version, server::Peer, time::Millis};

/// State of a connection.
#[derive(Debug)]
pub struct Session {
    /// `SELECT`ed database; change it with [`Session::select`].
    pub database: usize,
    /// What replies are written in.
    pub version: Version,
    /// Whose rights it has.
    pub user: Arc<User>,
    /// Logged in, or needed not when it connected.
    pub authenticated: bool,
    /// `CLIENT NO-TOUCH`: reading leaves access times alone.
    pub no_touch: bool,
    /// `CLIENT REPLY`.
    pub replies: Replies,
    /// Close once the replies are sent.
    pub closing: bool,
    /// Every command must be answered: it is a gRPC caller's.
    pub answers_all: bool,
    /// What other connections see of it.
    pub client: Arc<Client>,
}

impl Session {
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
            closing: false,
            answers_all: false,
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

    /// Nothing more is executed; the connection closes once its replies are sent.
    pub fn close(&mut self) {
        self.closing = true;
        self.client.set_flag(super::clients::CLOSING, true);
    }
}

impl Default for Session {
    /// Of nobody, for tests.
    fn default() -> Self {
        let nowhere = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
        let acl = Acl::default();
        let peer = Peer { remote: nowhere, local: nowhere };
        let client = Clients::default().unlisted(peer, Arc::clone(acl.default_user()), Millis(0));
        Self::with(&acl, client)
    }
}
