//! `PUBSUB`: what nodes know of subscribers, with the clients of this proxy in the place of its connections.

use std::collections::BTreeSet;

use super::{
    Around, Merge, Merged,
    elements::{Elements, string},
    sum::integer,
};
use crate::{connection::channels::Kind, protocol::Encoder, proxy::gather::Gather, slot::SlotId};

/// Names, each once: `CHANNELS` and `SHARDCHANNELS`.
#[derive(Debug)]
pub(in crate::proxy) struct Names;

impl Merge for Names {
    fn merge(&self, gather: &Gather, _: &mut Around<'_>, out: &mut Vec<u8>) -> Merged {
        let mut names = BTreeSet::new();
        for reply in gather.replies() {
            let Some(elements) = Elements::of(reply.bytes) else { return Merged::Misfit };
            for element in elements {
                let Some(name) = string(element) else { return Merged::Misfit };
                names.insert(name);
            }
        }
        let mut encoder = Encoder::new(out, gather.version);
        encoder.array(names.len());
        names.into_iter().for_each(|name| encoder.bulk(name));
        Merged::Done
    }
}

/// How many patterns there are: `NUMPAT`. Every proxy subscribes at every node, so the node that knows most knows all of them.
#[derive(Debug)]
pub(in crate::proxy) struct Patterns;

impl Merge for Patterns {
    fn merge(&self, gather: &Gather, _: &mut Around<'_>, out: &mut Vec<u8>) -> Merged {
        let counts: Option<Vec<i64>> = gather.replies().map(|reply| integer(reply.bytes)).collect();
        let most = counts.map(|counts| counts.into_iter().max().unwrap_or_default());
        Merged::when(most.map(|most| Encoder::new(out, gather.version).integer(most)))
    }
}

/// How many are subscribed to each name: `NUMSUB` and `SHARDNUMSUB`.
#[derive(Debug)]
pub(in crate::proxy) struct Counts {
    pub(in crate::proxy) kind: Kind,
    pub(in crate::proxy) names: Vec<Vec<u8>>,
}

impl Merge for Counts {
    fn merge(&self, gather: &Gather, around: &mut Around<'_>, out: &mut Vec<u8>) -> Merged {
        let Some(replies) = gather.replies().map(|reply| counts(reply.bytes)).collect::<Option<Vec<_>>>()
        else {
            return Merged::Misfit;
        };
        if replies.iter().any(|counts| counts.len() != self.names.len()) {
            return Merged::Misfit;
        }
        let nodes: Vec<_> = gather.nodes().collect();
        let mut encoder = Encoder::new(out, gather.version);
        encoder.array(2 * self.names.len());
        for (index, name) in self.names.iter().enumerate() {
            let of_nodes = replies.iter().map(|counts| counts[index]);
            let connections = match self.kind {
                Kind::Channel | Kind::Pattern => connections(of_nodes),
                Kind::Shard => {
                    let owner = gather.routing().owner(SlotId::of_key(name));
                    nodes.iter().position(|&node| Some(node) == owner).map_or(0, |at| replies[at][index])
                }
            };
            let clients = connections + around.shared.audience.of(self.kind, name);
            encoder.bulk(name);
            encoder.integer(clients.max(0));
        }
        Merged::Done
    }
}

/// The numbers in a reply of names and numbers.
fn counts(reply: &[u8]) -> Option<Vec<i64>> {
    Elements::of(reply)?.skip(1).step_by(2).map(integer).collect()
}

/// Connections with a subscription, of which those of proxies are at every node and others at one: the fewest that a node has are
/// of proxies, if at one of the nodes there are no others.
fn connections(of_nodes: impl Iterator<Item = i64> + Clone) -> i64 {
    let of_proxies = of_nodes.clone().min().unwrap_or_default();
    of_proxies + of_nodes.map(|count| count - of_proxies).sum::<i64>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_of_proxies_count_once() {
        assert_eq!(connections([2, 2, 2].into_iter()), 2);
        assert_eq!(connections([2, 5, 3].into_iter()), 2 + 3 + 1);
        assert_eq!(connections([].into_iter()), 0);
        assert_eq!(counts(b"*4\r\n$1\r\na\r\n:3\r\n$1\r\nb\r\n:0\r\n"), Some(vec![3, 0]));
        assert_eq!(counts(b"*2\r\n$1\r\na\r\n$1\r\nb\r\n"), None);
        assert_eq!(counts(b":1\r\n"), None);
    }
}
