//! `SLOWLOG GET`: the newest entries of all members. Each node counts its own entries, so an entry is told by the node's number too,
//! and keeps its number as long as the proxy runs.

use super::super::{Around, Merge, Merged, elements::Elements, sum};
use crate::{
    protocol::Encoder,
    proxy::{gather::Gather, routing::NodeIndex},
};

/// Numbers of nodes are below this.
const NODES: i64 = 1 << NodeIndex::BITS;

/// See the module.
#[derive(Debug)]
pub(in crate::proxy) struct SlowLog {
    /// As many are told; `None`: all.
    pub(in crate::proxy) count: Option<usize>,
}

/// An entry of one node.
#[derive(Debug, PartialEq, Eq)]
struct Slow<'a> {
    at: i64,
    id: i64,
    /// How many fields, the id among them.
    fields: usize,
    /// All behind the id, as they came.
    rest: &'a [u8],
}

fn entry(node: NodeIndex, bytes: &[u8]) -> Option<Slow<'_>> {
    let mut fields = Elements::of(bytes)?;
    let (_, count) = fields.rest();
    let id = sum::integer(fields.next()?)?;
    let (rest, _) = fields.rest();
    let at = sum::integer(fields.next()?)?;
    let id = id.checked_mul(NODES)?.checked_add(i64::from(node))?;
    Some(Slow { at, id, fields: count, rest })
}

impl Merge for SlowLog {
    fn merge(&self, gather: &Gather, _: &mut Around<'_>, out: &mut Vec<u8>) -> Merged {
        let mut slow = Vec::new();
        for (node, reply) in gather.nodes().zip(gather.replies()) {
            let entries = Elements::of(reply.bytes);
            let entries: Option<Vec<Slow<'_>>> =
                entries.and_then(|entries| entries.map(|bytes| entry(node, bytes)).collect());
            let Some(entries) = entries else { return Merged::Misfit };
            slow.extend(entries);
        }
        slow.sort_by_key(|entry| std::cmp::Reverse((entry.at, entry.id)));
        slow.truncate(self.count.unwrap_or(usize::MAX));
        let mut encoder = Encoder::new(out, gather.version);
        encoder.array(slow.len());
        for entry in slow {
            encoder.array(entry.fields);
            encoder.integer(entry.id);
            encoder.raw(entry.rest);
        }
        Merged::Done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_keeps_all_but_its_number() {
        let bytes = b"*3\r\n:5\r\n:1700000000\r\n*1\r\n$4\r\nPING\r\n";
        let slow = entry(2, bytes).unwrap();
        assert_eq!((slow.at, slow.id, slow.fields), (1_700_000_000, 5 * 65536 + 2, 3));
        assert_eq!(slow.rest, b":1700000000\r\n*1\r\n$4\r\nPING\r\n");
        assert_ne!(entry(1, bytes).unwrap().id, slow.id);
        assert_eq!(entry(1, b"*1\r\n$1\r\nx\r\n"), None);
    }
}
