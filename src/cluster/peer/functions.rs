//! Functions of a member, as a whole: what one has, another can be given. Servers before 7.0 have none.

use bytes::Bytes;

use super::{Peer, PeerError};
use crate::protocol::Value;

impl Peer {
    /// Whether it has any functions; `None` if it cannot have any.
    ///
    /// # Errors
    /// See [`PeerError`].
    pub async fn has_functions(&mut self) -> Result<Option<bool>, PeerError> {
        match self.call(&["FUNCTION", "LIST"]).await {
            Ok(Value::Array(libraries)) => Ok(Some(!libraries.is_empty())),
            Ok(other) => Err(self.unexpected("FUNCTION LIST", &other)),
            Err(PeerError::Refused { error, .. }) if error.starts_with("ERR unknown command") => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// All of them, for another member.
    ///
    /// # Errors
    /// See [`PeerError`].
    pub async fn dump_functions(&mut self) -> Result<Bytes, PeerError> {
        match self.call(&["FUNCTION", "DUMP"]).await? {
            Value::Bulk(payload) => Ok(payload),
            other => Err(self.unexpected("FUNCTION DUMP", &other)),
        }
    }

    /// Takes over what another member has. Whoever was quicker with the same is no error.
    ///
    /// # Errors
    /// See [`PeerError`].
    pub async fn restore_functions(&mut self, payload: &[u8]) -> Result<(), PeerError> {
        match self.ok(&[&b"FUNCTION"[..], b"RESTORE", payload]).await {
            Err(PeerError::Refused { error, .. }) if error.contains("already exists") => Ok(()),
            other => other,
        }
    }
}
