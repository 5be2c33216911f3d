//! The mark of a cluster on its members: an ACL user that is off and may do nothing, `rc-cluster-NAME-ID`. Every server
//! that can be fenced can carry it, and it outlives neither a restart without `aclfile` nor `ACL DELUSER`; so everybody who
//! logs in sets it again.
//!
//! Set first, look afterwards: of two clusters that reach for one server at the same time, at least one sees the other.
//! Also whether a server can be fenced at all ([`Peer::try_fence`]). Not here: what a cluster is (`cluster::identity`).

use super::{Peer, PeerError, fence};
use crate::cluster::identity::Identity;

/// What a server says when a cluster claims it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// It carries our mark. The others it carries too were there for no good reason.
    Ours {
        /// Marks of other clusters.
        others: Vec<Identity>,
    },
    /// It is another cluster's.
    Taken {
        /// Whose.
        by: Vec<Identity>,
    },
}

impl Peer {
    /// The clusters whose marks it carries.
    ///
    /// # Errors
    /// See [`PeerError`].
    pub async fn marks(&mut self) -> Result<Vec<Identity>, PeerError> {
        let users = self.users().await?;
        Ok(users.iter().filter_map(|user| Identity::of_mark(user)).collect())
    }

    /// Sets our mark if nobody else's is there. A server that carries both is ours where `keep`: it serves keys of this
    /// cluster already, and to leave it would help nobody.
    ///
    /// # Errors
    /// See [`PeerError`].
    pub async fn claim(&mut self, ours: &Identity, keep: bool) -> Result<Claim, PeerError> {
        let before = self.marks().await?;
        let was_ours = before.contains(ours);
        if !was_ours && !before.is_empty() {
            return Ok(Claim::Taken { by: before });
        }
        if !was_ours {
            self.ok(&["ACL", "SETUSER", &ours.mark(), "reset"]).await?;
        }
        let mut others = self.marks().await?;
        others.retain(|other| other != ours);
        if others.is_empty() || keep && was_ours {
            return Ok(Claim::Ours { others });
        }
        self.unmark(ours).await?;
        Ok(Claim::Taken { by: others })
    }

    /// Takes the mark away.
    ///
    /// # Errors
    /// See [`PeerError`].
    pub async fn unmark(&mut self, identity: &Identity) -> Result<(), PeerError> {
        self.forget_users(&[identity.mark()]).await
    }

    /// Does once, with a user that nobody has, what a fence needs; leaves nothing behind.
    ///
    /// # Errors
    /// See [`PeerError`]: the server, or this login, does not allow it.
    pub async fn try_fence(&mut self) -> Result<(), PeerError> {
        let user = format!("rc-probe-{}", &fence::secret()[..12]);
        // The rights of the users that proxies and drivers make, but nobody can log in as this one.
        self.ok(&["ACL", "SETUSER", &user, "reset", "~*", "&*", "+@all"]).await?;
        let tried = async {
            self.call(&["ACL", "USERS"]).await?;
            self.call(&["CLIENT", "KILL", "USER", &user]).await.map(drop)
        }
        .await;
        let forgotten = self.integer(&["ACL", "DELUSER", &user]).await;
        tried.and(forgotten.map(drop))
    }
}
