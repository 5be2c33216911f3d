//! How many keys there are: `DBSIZE`. While slots move, nodes that may hold copies were counted apart.

use super::{Around, Merge, Merged, sum};
use crate::{protocol::Encoder, proxy::gather::Gather};

/// See the module.
#[derive(Debug)]
pub(in crate::proxy) struct KeyCount {
    /// Beside what the nodes say.
    pub(in crate::proxy) counted: i64,
}

impl Merge for KeyCount {
    fn merge(&self, gather: &Gather, _: &mut Around<'_>, out: &mut Vec<u8>) -> Merged {
        let sum = sum::of(gather.replies());
        Merged::when(sum.map(|sum| Encoder::new(out, gather.version).integer(sum + self.counted)))
    }
}
