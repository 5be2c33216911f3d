//! The users of the cluster, at one proxy: what they may do is read from the registry ([`follow`]) and changed there ([`change`]);
//! every proxy enforces it by itself. What rules mean is in [`crate::acl`], what a client is told in [`super::worker`].
//!
//! Nobody may do anything before the users have been read once. From then on the last known ones stay in force, whatever becomes of
//! the registry. The default user is that of the registry; as long as there is none in it, it may do everything, with the password
//! of `--requirepass` if the proxy was given one.

mod change;
mod follow;

use std::sync::Arc;

use tokio::sync::{mpsc, watch};

pub(super) use self::{change::Change, follow::run};
use super::{slab::Key, worker::Mailbox};
use crate::acl::{Acl, User};

/// A client that waits until what it wants of the users is so.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) mailbox: Arc<Mailbox>,
    pub(super) client: Key,
    pub(super) change: Change,
}

/// What has become of it: users that were removed, if any were to be; or an error, code first.
pub(super) type Changed = Result<Option<i64>, Vec<u8>>;

/// See the module.
#[derive(Debug)]
pub(super) struct Users {
    pub(super) acl: Acl,
    known: watch::Sender<bool>,
    /// `--requirepass`.
    password: Option<String>,
    wanted: mpsc::UnboundedSender<Wanted>,
    /// Who calls in the name of the proxy itself.
    own: Arc<User>,
}

impl Users {
    pub(super) fn new(password: Option<String>, wanted: mpsc::UnboundedSender<Wanted>) -> Self {
        let users = Self {
            acl: Acl::default(),
            known: watch::Sender::new(false),
            password,
            wanted,
            own: Arc::new(User::of_everything()),
        };
        users.forget_default();
        users
    }

    /// The default user is what the proxy was told at its start. Returns whether its clients may have lost channels.
    fn forget_default(&self) -> bool {
        self.acl.reset_default(self.password.as_deref().unwrap_or_default().as_bytes())
    }

    /// Whether they have been read.
    pub(super) fn are_known(&self) -> bool {
        *self.known.borrow()
    }

    /// Waits until they are.
    pub(super) async fn until_known(&self) {
        // It is not dropped while somebody looks at it.
        let _ = self.known.subscribe().wait_for(|known| *known).await;
    }

    fn have_been_read(&self) {
        self.known.send_replace(true);
    }

    /// Whether a connection must log in before it may do anything.
    pub(super) fn must_log_in(&self) -> bool {
        !self.are_known() || self.acl.login_required()
    }

    /// Asks for a change; its client hears of it.
    pub(super) fn want(&self, wanted: Wanted) {
        // Who carries it out ends with the proxy.
        let _ = self.wanted.send(wanted);
    }

    /// Who calls in the name of the proxy itself.
    pub(super) fn own(&self) -> &Arc<User> {
        &self.own
    }

    /// Whether it is the user of its name, and not one that was removed.
    pub(super) fn is_current(&self, user: &Arc<User>) -> bool {
        let current = |current: &Arc<User>| Arc::ptr_eq(current, user);
        current(&self.own) || self.acl.user(user.name()).is_some_and(|of_name| current(&of_name))
    }
}
