//! Arrays whose elements belong to the keys, in the order of the keys: `MGET`.

use super::{Around, InTurns, Merge, Merged, elements::Elements, in_turns::Selection};
use crate::{
    protocol::{Encoder, Version},
    proxy::gather::Gather,
    slot::SLOTS,
};

/// See the module.
#[derive(Debug)]
pub(in crate::proxy) struct ByKey;

impl Merge for ByKey {
    fn merge(&self, gather: &Gather, _: &mut Around<'_>, out: &mut Vec<u8>) -> Merged {
        if gather.is_large() {
            let selection = Selection::ByKey(gather.order().to_vec());
            return Merged::InTurns(InTurns {
                selection,
                before: SLOTS,
                elements: |reply| Elements::of(reply),
            });
        }
        let parts: Option<Vec<Elements<'_>>> =
            gather.replies().map(|reply| Elements::of(reply.bytes)).collect();
        Merged::when(parts.and_then(|mut parts| by_key(gather.order(), &mut parts, out)))
    }
}

/// `order` names the part that has the next one. `None` if a node answered with too few.
fn by_key(order: &[u16], parts: &mut [Elements<'_>], out: &mut Vec<u8>) -> Option<()> {
    Encoder::new(out, Version::Resp2).array(order.len());
    for &part in order {
        out.extend_from_slice(parts.get_mut(usize::from(part))?.next()?);
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_come_back_in_the_order_of_the_keys() {
        let a = b"*2\r\n$1\r\na\r\n$-1\r\n";
        let b = b"*1\r\n$5\r\nb\r\nbb\r\n";
        let mut out = Vec::new();
        let mut parts = [Elements::of(a).unwrap(), Elements::of(b).unwrap()];
        by_key(&[0, 1, 0], &mut parts, &mut out).unwrap();
        assert_eq!(out, b"*3\r\n$1\r\na\r\n$5\r\nb\r\nbb\r\n$-1\r\n");
        let mut parts = [Elements::of(a).unwrap()];
        assert_eq!(by_key(&[0, 0, 0], &mut parts, &mut out), None);
    }
}
