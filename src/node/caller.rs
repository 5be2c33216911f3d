//! Who calls a command, and what it was told about how: database, protocol, rights. Nothing of a socket is here, because a
//! transaction calls commands too, and so does what comes over gRPC.

use std::{sync::Arc, time::Duration};

use super::{
    clients::{CHANGED, Client, Clients, MULTI},
    config::Config,
    effects::Effects,
    keyspace::{Access, Db, Key},
    object::{List, SortedSet, list::End},
    script::aside::Return,
    state::NodeState,
    store::Store,
    transaction::Transaction,
};
use crate::{
    acl::{Acl, User},
    connection::Replies,
    protocol::{Version, number::format_double},
    server::Addresses,
    time::Millis,
};

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
    /// A script calls it.
    Script,
    /// It came from a client, and runs where it keeps nobody else waiting.
    Aside,
    /// It is read from a journal: what it does was done before.
    Load,
}

/// What a client that waited was handed, until it is known to have got it.
#[derive(Debug)]
pub struct Served {
    /// From which key of its database.
    pub key: Box<[u8]>,
    /// What.
    pub taken: Taken,
}

/// What was taken from a key.
#[derive(Debug)]
pub enum Taken {
    /// Elements of a list.
    Elements {
        /// From which end of it.
        end: End,
        /// In the order in which they were taken.
        elements: Vec<Vec<u8>>,
    },
    /// Members of a sorted set, with their scores.
    Members(Vec<(Vec<u8>, f64)>),
}

impl Served {
    /// That a journal was told that it was taken is to be told away again.
    pub(super) fn tell_given_back(&self, database: usize, effects: &mut Effects) {
        let mut words: Vec<&[u8]> = Vec::new();
        match &self.taken {
            Taken::Elements { end, elements } => {
                words.extend([if *end == End::Left { &b"LPUSH"[..] } else { b"RPUSH" }, &self.key]);
                words.extend(elements.iter().rev().map(Vec::as_slice));
                effects.tell(database, &words);
            }
            Taken::Members(members) => {
                let scores: Vec<String> = members.iter().map(|(_, score)| format_double(*score)).collect();
                words.extend([&b"ZADD"[..], &self.key, b"NX"]);
                for ((name, _), score) in members.iter().zip(&scores) {
                    words.extend([score.as_bytes(), name]);
                }
                effects.tell(database, &words);
            }
        }
    }

    /// The client is gone: it is as if it had not been served.
    pub(super) fn give_back(self, db: &mut Db, access: Access, config: &Config) {
        let key = Key::new(&self.key);
        // Whoever put a value of another type there meanwhile has taken the place of what was there.
        match self.taken {
            Taken::Elements { end, elements } => {
                if let Ok(mut list) = db.get_or_create::<List>(key, access) {
                    let fill = config.list_fill();
                    elements.iter().rev().for_each(|element| list.push(end, element, fill));
                }
            }
            Taken::Members(members) => {
                if let Ok(mut set) = db.get_or_create::<SortedSet>(key, access) {
                    for (name, score) in members {
                        // Whoever came meanwhile under this name has another score, which counts.
                        if set.view().score(&name).is_none() {
                            set.put(&name, score, config.zset_limits());
                        }
                    }
                }
            }
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
    /// `WAITAOF`: it waits until the journal lasts up to here.
    pub until_synced: Option<u64>,
    /// What it watches is to be let go of first.
    pub lets_go: bool,
    /// After `MULTI`: what is queued.
    pub transaction: Option<Box<Transaction>>,
    /// This stands for a caller whose command runs aside.
    pub away: Option<Return>,
    /// What others see of it.
    pub client: Arc<Client>,
}

impl Caller {
    /// Of a new connection.
    #[must_use]
    pub fn new(node: &NodeState, client: Arc<Client>) -> Self {
        Self::with(&node.acl, client)
    }

    /// Of no connection: it may do everything, and nobody hears of it.
    #[must_use]
    pub(super) fn of_nobody(node: &NodeState) -> Self {
        let nowhere = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
        let addresses = Addresses { remote: nowhere, local: nowhere };
        // The default user may have been taken rights away.
        let user = Arc::clone(Acl::default().default_user());
        Self {
            authenticated: true,
            ..Self::with(&node.acl, node.clients.unlisted(addresses, user, Millis::now()))
        }
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
            until_synced: None,
            lets_go: false,
            transaction: None,
            away: None,
            client,
        }
    }

    /// `MULTI`.
    pub fn begin_transaction(&mut self) {
        self.transaction = Some(Box::default());
        self.client.set_flag(MULTI, true);
        self.client.set_queued(Some(0), 0);
    }

    /// The transaction is over; what was watched is let go of before anything else runs.
    pub fn end_transaction_later(&mut self) {
        self.client.set_flag(MULTI, false);
        self.client.set_queued(None, 0);
        self.transaction = None;
        self.lets_go = true;
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
            away: None,
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
