//! Which table of routes a worker goes by, and what must have been answered before it says so.

use std::sync::Arc;

use super::upstreams::{UpstreamId, Upstreams};
use crate::{
    id::Epoch,
    proxy::routing::{Draining, Routing},
};

/// What a connection must have done before an epoch is acknowledged.
#[derive(Clone, Copy, Debug)]
struct Drain {
    upstream: UpstreamId,
    /// Answered so many requests.
    taken: u64,
    /// And nothing that it ever sent can still run unseen.
    settled: bool,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Epochs {
    pub(super) routing: Arc<Routing>,
    /// Nobody could tell held writes when to go on.
    pub(super) registry_silent: bool,
    /// An epoch to acknowledge.
    draining: Option<(Epoch, Vec<Drain>)>,
}

impl Epochs {
    pub(super) fn new() -> Self {
        Self { routing: Arc::new(Routing::unknown()), registry_silent: false, draining: None }
    }

    /// Routes by another table from now on; its epoch is acknowledged when what was sent by older ones is answered where it matters.
    /// `spared`: connections whose requests have nothing to do with what moves.
    pub(super) fn begin(&mut self, routing: Arc<Routing>, upstreams: &Upstreams, spared: &[UpstreamId]) {
        let drains: Vec<Draining> = routing.draining().collect();
        let barrier = upstreams.iter().filter_map(|(id, upstream)| {
            let drain = drains.iter().find(|drain| drain.node == upstream.node && !spared.contains(&id))?;
            Some(Drain { upstream: id, taken: upstream.taken(), settled: drain.writes })
        });
        self.draining = Some((routing.epoch(), barrier.collect()));
        self.routing = routing;
    }

    /// Whether an epoch waits to be acknowledged.
    pub(super) fn is_draining(&self) -> bool {
        self.draining.is_some()
    }

    /// The epoch to acknowledge now: everything older has been answered by the nodes that slots leave.
    pub(super) fn drained(&mut self, upstreams: &Upstreams) -> Option<Epoch> {
        let (epoch, barrier) = self.draining.as_ref()?;
        let drained = barrier.iter().all(|drain| {
            let upstream = upstreams.upstream(drain.upstream);
            upstream.answered() >= drain.taken && (upstream.is_settled() || !drain.settled)
        });
        let epoch = *epoch;
        drained.then(|| {
            self.draining = None;
            epoch
        })
    }
}
