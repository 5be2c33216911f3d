//! Before a member is logged in to: whether it came back without the keys that it kept on a disk. Then it is not used as if nothing
//! were lost; clients are told, until it comes back with its keys or an operator takes note. Every member that was started anew
//! passes here, because it does not know the proxy's user any more. What counts: `cluster::loss`.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::{
    losses::{Observation, sight},
    recollection::{self, Recollection},
};
use crate::{
    cluster::{loss::Known, peer::Peer, registry::Registry},
    id::NodeId,
};

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Readmission {
    registry: Registry,
    recollection: Arc<Recollection>,
    observations: mpsc::Sender<Observation>,
    allows_empty: bool,
}

/// Why a member is not logged in to.
#[derive(Debug)]
pub(super) enum Refused {
    /// It reads its files, and says so.
    Loading,
    /// It lost its keys: nobody is to use it, whoever is logged in there already.
    Empty(String),
    /// Anything else; who is logged in may go on.
    Other(String),
}

impl From<String> for Refused {
    fn from(reason: String) -> Self {
        Self::Other(reason)
    }
}

impl Readmission {
    /// `allows_empty`: whoever comes back is used, with or without keys.
    pub(super) fn new(
        registry: Registry,
        recollection: Arc<Recollection>,
        observations: mpsc::Sender<Observation>,
        allows_empty: bool,
    ) -> Self {
        Self { registry, recollection, observations, allows_empty }
    }

    /// Whether a member that owns slots may be used. Nothing is asked about one that never kept anything, and the registry only about
    /// one that has no keys.
    ///
    /// # Errors
    /// It may not, or nobody knows.
    pub(super) async fn pass(&self, node: &NodeId, peer: &mut Peer) -> Result<(), Refused> {
        if self.allows_empty || !self.recollection.may_keep_out(node) {
            return Ok(());
        }
        let text = peer.info("default").await.map_err(|error| error.to_string())?;
        let Some(sight) = sight(&text) else { return Err(Refused::Loading) };
        let missing = if sight.came_with > 0 {
            None
        } else {
            let read = recollection::read(&self.registry, node).await.map_err(|error| error.to_string())?;
            let heard = self.recollection.heard(node);
            let known = Known { heard: heard.as_ref(), written: read.0.as_ref(), loss: read.1.as_ref() };
            known.keeps_out(&sight)
        };
        // Nobody else asks a member that is not used what it holds, and of one that is used this is what clients begin with. Full: it
        // is said again.
        let _ = self.observations.try_send(Observation { node: node.clone(), sight, owns_slots: true });
        match missing {
            None => Ok(()),
            Some(keys) => Err(Refused::Empty(format!(
                "it held {keys} key{} and came back empty; bring its files back and start it again, or say `ack {node}` in redis_console \
                 to go on without them",
                if keys == 1 { "" } else { "s" }
            ))),
        }
    }
}
