//! Which events of keys a member tells of: what one has been told to, another can be.

use super::{Peer, PeerError};
use crate::protocol::Value;

const SETTING: &str = "notify-keyspace-events";

impl Peer {
    /// Letters of the events it tells of; empty if of none.
    ///
    /// # Errors
    /// See [`PeerError`].
    pub async fn events(&mut self) -> Result<String, PeerError> {
        let reply = self.call(&["CONFIG", "GET", SETTING]).await?;
        match &reply {
            Value::Array(pair) if pair.len() == 2 => {
                let letters = pair[1].as_bytes().map(String::from_utf8_lossy);
                letters.map_or_else(
                    || Err(self.unexpected("CONFIG GET", &reply)),
                    |letters| Ok(letters.into_owned()),
                )
            }
            other => Err(self.unexpected("CONFIG GET", other)),
        }
    }

    /// Lets it tell of these.
    ///
    /// # Errors
    /// See [`PeerError`].
    pub async fn set_events(&mut self, letters: &str) -> Result<(), PeerError> {
        self.ok(&["CONFIG", "SET", SETTING, letters]).await
    }
}
