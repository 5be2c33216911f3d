//! How a proxy gets on with its nodes, over all workers: whether it reaches any at all, as clients should not be sent to one that is cut
//! off, and how long a node takes.

use crate::{
    proxy::{
        routing::{NodeIndex, Routing},
        shared::Shared,
    },
    server::counts::Spread,
};

/// How long a node took, of all that was ever sent to it.
pub(in crate::proxy) fn times(shared: &Shared, index: NodeIndex) -> Spread {
    let mut sum = Spread::default();
    for of in shared.workers.iter().filter_map(|worker| worker.traffic.known_node(index)) {
        sum += of.times.read();
    }
    sum
}

/// Why no node that owns slots can be asked, if none can. A connection that is being made, or that nobody has needed yet, may be good.
pub(in crate::proxy) fn unreachable(shared: &Shared, routing: &Routing) -> Option<String> {
    let mut labels = Vec::new();
    for &index in routing.owning() {
        let member = routing.member(index)?;
        match member.access.login() {
            Err(reason) => labels.push(format!("{}: {reason}", member.label())),
            Ok(_) => {
                let figures = || shared.workers.iter().filter_map(|worker| worker.traffic.known_node(index));
                let is_down =
                    figures().any(|of| of.down.get() > 0) && figures().all(|of| of.ready.get() == 0);
                if !is_down {
                    return None;
                }
                labels.push(format!("{} is unreachable", member.label()));
            }
        }
    }
    Some(format!("no node can be asked: {}", labels.join("; ")))
}
