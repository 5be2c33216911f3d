//! How a worker and the threads around it talk: messages in, reports out. Not here: what is done about them.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use mio::Waker;
use tokio::sync::oneshot;

use super::{stream::Stream, tracking::Changed};
use crate::{
    acl::User,
    id::Epoch,
    proxy::{
        count::Counted,
        learned::Lesson,
        others::{Answered, Waiter},
        pause::Ticket,
        routing::{NodeIndex, Routing},
        slab::Key,
        users,
    },
};

/// What others tell a worker.
#[derive(Debug)]
pub(in crate::proxy) enum Message {
    /// A connection that speaks RESP, and what was read from it already.
    Connection {
        stream: Stream,
        read: Vec<u8>,
        peer: Option<(SocketAddr, SocketAddr)>,
        ended: Option<oneshot::Sender<()>>,
    },
    /// Another table of routes.
    Routing(Arc<Routing>),
    /// Whether the registry does not answer while writes wait for it.
    Registry { silent: bool },
    /// What a client waits for.
    Counted { client: Key, counted: Arc<Counted> },
    /// A client need not wait any longer.
    Unblock { id: u64, error: bool },
    /// It is the turn of one that waits for keys of several nodes.
    Look { seek: Key },
    /// Requests that other workers' clients have sent, for those who are shown them.
    Shown(Bytes),
    /// Keys that have changed, for a client in the place of another worker's.
    Changed { client: Key, changed: Changed },
    /// What a client wanted of the users is done, or cannot be.
    UsersChanged { client: Key, changed: users::Changed },
    /// Members have said what they know of a command.
    Learned { client: Key, lesson: Lesson },
    /// Other proxies have answered what was asked of them.
    OthersAnswered { waiter: Waiter, answered: Answered },
    /// A user was removed.
    UserGone(Arc<User>),
    /// A user may have lost channels.
    ChannelsLost(Arc<User>),
    /// Clients are paused, and somebody waits for what has begun.
    Paused(Arc<Ticket>),
    /// What had begun is answered, on all threads.
    Settled { client: Key },
    /// Clients are no longer paused.
    Unpaused,
    /// Look who was killed.
    Killed,
    /// The proxy drains: clients go, each when it is between two requests.
    Leave,
    /// Close who is still here, then end.
    Stop,
    /// End, whatever is still under way.
    Abandon,
}

/// What a worker tells.
#[derive(Debug)]
pub(in crate::proxy) enum Report {
    /// It routes by this epoch, and nothing of an older one is under way where it matters.
    Applied { worker: usize, epoch: Epoch },
    /// A node does not let this user in any more.
    LoginRefused { user: String, reason: String, node: NodeIndex },
}

/// Where messages to a worker go.
#[derive(Debug)]
pub(in crate::proxy) struct Mailbox {
    inbox: Mutex<Vec<Message>>,
    waker: Waker,
}

impl Mailbox {
    pub(super) fn new(waker: Waker) -> Self {
        Self { inbox: Mutex::default(), waker }
    }

    /// What has been sent since.
    pub(super) fn take(&self) -> Vec<Message> {
        std::mem::take(&mut *self.inbox.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(in crate::proxy) fn send(&self, message: Message) {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner).push(message);
        if let Err(error) = self.waker.wake() {
            tracing::error!(%error, "cannot wake a worker");
        }
    }
}

/// A client that goes on when all keys have been counted.
#[derive(Debug)]
pub(in crate::proxy) struct Waiting {
    pub(super) mailbox: Arc<Mailbox>,
    pub(super) client: Key,
    pub(super) expires: bool,
}

impl Waiting {
    /// Whether it needs to know how many keys have an expiry.
    pub(in crate::proxy) fn wants_expires(&self) -> bool {
        self.expires
    }

    pub(in crate::proxy) fn tell(self, counted: &Arc<Counted>) {
        self.mailbox.send(Message::Counted { client: self.client, counted: Arc::clone(counted) });
    }
}
