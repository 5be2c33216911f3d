//! Integers, added: `DEL`, `EXISTS`, `TOUCH`.

use super::{Around, Merge, Merged};
use crate::{
    protocol::{Encoder, number::parse_i64},
    proxy::gather::{Gather, PartReply},
};

/// See the module.
#[derive(Debug)]
pub(in crate::proxy) struct Sum;

impl Merge for Sum {
    fn merge(&self, gather: &Gather, _: &mut Around<'_>, out: &mut Vec<u8>) -> Merged {
        Merged::when(of(gather.replies()).map(|sum| Encoder::new(out, gather.version).integer(sum)))
    }
}

/// The sum of integer replies; `None` if one is none.
pub(super) fn of<'a>(parts: impl Iterator<Item = PartReply<'a>>) -> Option<i64> {
    parts.map(|part| integer(part.bytes)).sum()
}

/// An integer reply.
pub(in crate::proxy) fn integer(reply: &[u8]) -> Option<i64> {
    parse_i64(reply.strip_prefix(b":")?.trim_ascii_end())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::outcome::Outcome;

    #[test]
    fn integers_are_added_and_nothing_else_is() {
        let part = |bytes| PartReply { bytes, outcome: Outcome::Answered };
        assert_eq!(of([part(b":3\r\n"), part(b":4\r\n")].into_iter()), Some(7));
        assert_eq!(of([part(b":3\r\n"), part(b"+x\r\n")].into_iter()), None);
    }
}
