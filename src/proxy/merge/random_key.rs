//! A key of the cluster: `RANDOMKEY`. First the nodes say how many keys they have, then one of them, chosen by that, gives a key; it
//! is asked again while what it gives is a copy of a move that is not done.

use super::{Around, Merge, Merged, Question, elements::string, sum};
use crate::{protocol::Encoder, proxy::gather::Gather, slot::SlotId};

/// Keys that are not the node's own, before it gives up: only while nearly all keys of all nodes are copies.
const TRIES: u32 = 128;

/// See the module.
#[derive(Debug, Default)]
pub(in crate::proxy) struct RandomKey {
    /// Keys of each node, once it is known.
    sizes: Option<Vec<u64>>,
    tries: u32,
}

impl Merge for RandomKey {
    fn merge(&self, gather: &Gather, around: &mut Around<'_>, out: &mut Vec<u8>) -> Merged {
        let routing = around.current;
        let sizes: Vec<u64> = match &self.sizes {
            None => {
                let size = |reply| sum::integer(reply).and_then(|size| u64::try_from(size).ok());
                gather.replies().map(|reply| size(reply.bytes).unwrap_or_default()).collect()
            }
            Some(sizes) => {
                let asked = gather.nodes().next();
                let key = gather.replies().next().map(|reply| reply.bytes);
                let owned =
                    |key: &&[u8]| string(key).is_some_and(|key| routing.owner(SlotId::of_key(key)) == asked);
                if let Some(key) = key.filter(owned) {
                    out.extend_from_slice(key);
                    return Merged::Done;
                }
                sizes.clone()
            }
        };
        let total: u64 = sizes.iter().sum();
        let node = if total == 0 || self.tries >= TRIES || routing.owning().len() != sizes.len() {
            None
        } else {
            let chosen = weighted(&sizes, around.random.u64(..total));
            chosen.and_then(|chosen| routing.owning().get(chosen))
        };
        match node {
            Some(&node) => {
                let merge = Self { sizes: Some(sizes), tries: self.tries + 1 };
                Merged::Ask(Question::new(&[node], [&b"RANDOMKEY"[..]], merge))
            }
            None => {
                Encoder::new(out, gather.version).null();
                Merged::Done
            }
        }
    }
}

/// Whose share a point of the sum lies in.
fn weighted(sizes: &[u64], mut point: u64) -> Option<usize> {
    sizes.iter().position(|&size| {
        let here = point < size;
        point = point.saturating_sub(size);
        here
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_more_keys_is_chosen_more_often() {
        let chosen: Vec<_> = (0..6).map(|point| weighted(&[0, 1, 0, 3, 2], point)).collect();
        assert_eq!(chosen, [1, 3, 3, 3, 4, 4].map(Some));
        assert_eq!(weighted(&[1, 2], 3), None);
    }
}
