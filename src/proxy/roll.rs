//! Who counts by the registry, as of now: what every login asks after what it did at its member, so that nobody who ended a membership or
//! a registration in between is overlooked. Not here: what is done at members ([`super::logins`], [`super::claim`]).

use std::{collections::HashSet, sync::Arc};

use super::fresh::Fresh;
use crate::{
    cluster::{
        identity::{self, Identity},
        member::{Address, NodeRecord, ProxyRecord},
        peer::fence,
        records::{keys, parse},
        registry::Registry,
    },
    id::ProxyId,
};

/// An answer, or why there is none; for the log.
type Answer<T> = Result<T, String>;

/// See the module.
#[derive(Debug)]
pub(super) struct Roll {
    registry: Registry,
    id: ProxyId,
    cluster: Fresh<Answer<Identity>>,
    members: Fresh<Answer<Arc<HashSet<Address>>>>,
    registered: Fresh<Answer<Option<String>>>,
}

impl Roll {
    /// As this proxy asks.
    pub(super) fn new(registry: Registry, id: ProxyId) -> Self {
        Self {
            registry,
            id,
            cluster: Fresh::default(),
            members: Fresh::default(),
            registered: Fresh::default(),
        }
    }

    /// Which cluster this is.
    pub(super) async fn cluster(&self) -> Answer<Identity> {
        let find = || async { identity::ensure(&self.registry).await.map_err(|error| error.to_string()) };
        self.cluster.get(find).await
    }

    /// Where members are.
    pub(super) async fn members(&self) -> Answer<Arc<HashSet<Address>>> {
        let find = || async {
            let nodes = self.registry.list(keys::NODES).await.map_err(|error| error.to_string())?;
            let readable = nodes.entries.iter().filter_map(|entry| parse::<NodeRecord>(entry).ok());
            Ok(Arc::new(readable.map(|node| node.address).collect()))
        };
        self.members.get(find).await
    }

    /// The user of the registration that this proxy has, if it has one.
    pub(super) async fn registered(&self) -> Answer<Option<String>> {
        let find = || async {
            let entry = self.registry.get(&keys::proxy(&self.id)).await.map_err(|error| error.to_string())?;
            let record: Option<ProxyRecord> = entry.and_then(|entry| parse(&entry).ok());
            Ok(record.map(|record| fence::proxy_user(&record.id, &record.instance)))
        };
        self.registered.get(find).await
    }
}
