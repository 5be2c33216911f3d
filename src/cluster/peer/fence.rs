//! ACL users as a fence. Every proxy registration and every driver term logs in to the members as a user of its own;
//! turning the user off and killing its connections makes sure that one which sleeps, or lost its lease, can do nothing
//! more there, whenever it wakes up.
//!
//! A user is made only by its own owner, before first use, and its owner then asks the registry whether it is still
//! registered (see `proxy` and `driver`). So a fence set in between is never undone unseen.

use super::{Peer, PeerError};
use crate::{id::ProxyId, protocol::Value};

/// The user of one registration of a proxy.
#[must_use]
pub fn proxy_user(id: &ProxyId, instance: &str) -> String {
    format!("{PROXY_PREFIX}{id}-{instance}")
}

/// The user of one driver term.
#[must_use]
pub fn driver_user(term: u64) -> String {
    format!("{DRIVER_PREFIX}{term}")
}

/// A password nobody can guess: 128 bits of the operating system's randomness in hexadecimal.
///
/// # Panics
/// If the operating system has none to give.
#[must_use]
pub fn secret() -> String {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

const PROXY_PREFIX: &str = "rc-proxy-";
const DRIVER_PREFIX: &str = "rc-driver-";

impl Peer {
    /// Makes a user that may do everything, with this password.
    ///
    /// # Errors
    /// See [`PeerError`].
    pub async fn make_user(&mut self, user: &str, password: &str) -> Result<(), PeerError> {
        let password = format!(">{password}");
        self.ok(&["ACL", "SETUSER", user, "reset", "on", &password, "~*", "&*", "+@all"]).await
    }

    /// Goes on as this user.
    ///
    /// # Errors
    /// When it does not exist, is off, or has another password.
    pub async fn log_in(&mut self, user: &str, password: &str) -> Result<(), PeerError> {
        self.ok(&["AUTH", user, password]).await
    }

    /// All users that are of proxies, of any registration.
    ///
    /// # Errors
    /// See [`PeerError`].
    pub async fn proxy_users(&mut self) -> Result<Vec<String>, PeerError> {
        let mut users = self.users().await?;
        users.retain(|user| user.starts_with(PROXY_PREFIX));
        Ok(users)
    }

    /// Turns off the driver users of all terms before `term` and kills their connections. Returns whom it shut out.
    ///
    /// # Errors
    /// See [`PeerError`]; then nobody may rely on the fence.
    pub async fn fence_drivers(&mut self, term: u64) -> Result<Vec<String>, PeerError> {
        let mut older = self.users().await?;
        older.retain(|user| {
            let of_term = user.strip_prefix(DRIVER_PREFIX).and_then(|number| number.parse::<u64>().ok());
            of_term.is_some_and(|of_term| of_term < term)
        });
        self.shut_out(&older).await?;
        Ok(older)
    }

    /// Turns users off and kills their connections.
    ///
    /// # Errors
    /// See [`PeerError`]; then nobody may rely on the fence.
    pub async fn shut_out(&mut self, users: &[String]) -> Result<(), PeerError> {
        for user in users {
            self.ok(&["ACL", "SETUSER", user, "off"]).await?;
            // Connections already gone are as good as killed: the reply is how many there were.
            self.call(&["CLIENT", "KILL", "USER", user]).await?;
        }
        Ok(())
    }

    /// All ACL users.
    ///
    /// # Errors
    /// See [`PeerError`].
    pub(super) async fn users(&mut self) -> Result<Vec<String>, PeerError> {
        let reply = self.call(&["ACL", "USERS"]).await?;
        let Value::Array(users) = &reply else { return Err(self.unexpected("ACL USERS", &reply)) };
        let users = users.iter().filter_map(|user| std::str::from_utf8(user.as_bytes()?).ok());
        Ok(users.map(str::to_owned).collect())
    }

    /// Forgets the users of a proxy's earlier registrations, all but `keep`.
    ///
    /// # Errors
    /// See [`PeerError`].
    pub async fn forget_registrations(&mut self, id: &ProxyId, keep: &[&str]) -> Result<(), PeerError> {
        let mut old = self.users().await?;
        let prefix = format!("{PROXY_PREFIX}{id}-");
        // An instance has no '-': the users of proxy `1-2` are not those of proxy `1`.
        let is_of_id = |user: &str| user.strip_prefix(&prefix).is_some_and(|rest| !rest.contains('-'));
        old.retain(|user| is_of_id(user) && !keep.contains(&user.as_str()));
        self.forget_users(&old).await
    }

    /// Forgets users that were shut out: a user that does not exist is refused as one that is off.
    ///
    /// # Errors
    /// See [`PeerError`].
    pub async fn forget_users(&mut self, users: &[String]) -> Result<(), PeerError> {
        if !users.is_empty() {
            let command: Vec<&str> =
                ["ACL", "DELUSER"].into_iter().chain(users.iter().map(String::as_str)).collect();
            self.integer(&command).await?;
        }
        Ok(())
    }
}
