//! The sections of all nodes, added up: `INFO` ([`crate::proxy::info`]).

use std::sync::Arc;

use super::{Around, Merge, Merged};
use crate::{
    protocol::Encoder,
    proxy::{count::Counted, gather::Gather, info, routing::NodeIndex},
};

/// See the module.
#[derive(Debug)]
pub(in crate::proxy) struct Info {
    /// Asked for, lower case.
    pub(in crate::proxy) sections: Vec<Vec<u8>>,
    /// The true numbers of keys of nodes that hold copies, while slots move.
    pub(in crate::proxy) counted: Option<Arc<Counted>>,
}

impl Merge for Info {
    fn merge(&self, gather: &Gather, around: &mut Around<'_>, out: &mut Vec<u8>) -> Merged {
        let parts: Vec<(NodeIndex, &[u8])> = gather
            .nodes()
            .zip(gather.replies())
            .filter_map(|(node, reply)| Some((node, info::text_of(reply.bytes)?)))
            .collect();
        let counted = self.counted.as_deref();
        let text = info::merge(around.shared, gather.routing(), &self.sections, &parts, counted, around.wall);
        Encoder::new(out, gather.version).verbatim("txt", text);
        Merged::Done
    }
}
