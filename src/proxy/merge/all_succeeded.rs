//! OK if no node refused: `MSET`, `FLUSHALL`.

use super::{Around, Merge, Merged};
use crate::{protocol::Encoder, proxy::gather::Gather};

/// See the module.
#[derive(Debug)]
pub(in crate::proxy) struct AllSucceeded;

impl Merge for AllSucceeded {
    fn merge(&self, gather: &Gather, _: &mut Around<'_>, out: &mut Vec<u8>) -> Merged {
        Encoder::new(out, gather.version).ok();
        Merged::Done
    }
}
