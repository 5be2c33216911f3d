//! Members of sets of several nodes: `SUNION`, `SINTER`, `SDIFF`, `SINTERCARD`. Members are compared as they came, without being
//! decoded: nodes write the same string in the same way.

use std::collections::HashSet;

use super::{Around, Merge, Merged, elements::Elements};
use crate::{protocol::Encoder, proxy::gather::Gather, values::scores::Combine as Algebra};

/// See the module. Each node has combined what it has: of a difference, the first reply is what it is taken from.
#[derive(Debug)]
pub(in crate::proxy) struct Sets {
    how: Algebra,
    /// Their number is asked for, up to this one unless it is 0.
    size: Option<usize>,
}

impl Sets {
    pub(in crate::proxy) fn members(how: Algebra) -> Self {
        Self { how, size: None }
    }

    pub(in crate::proxy) fn size(limit: usize) -> Self {
        Self { how: Algebra::Intersection, size: Some(limit) }
    }
}

impl Merge for Sets {
    fn merge(&self, gather: &Gather, _: &mut Around<'_>, out: &mut Vec<u8>) -> Merged {
        let replies: Option<Vec<Elements<'_>>> =
            gather.replies().map(|reply| Elements::of(reply.bytes)).collect();
        let members = replies.map(|replies| combine(self.how, replies));
        Merged::when(members.map(|members| {
            let mut encoder = Encoder::new(out, gather.version);
            match self.size {
                Some(limit) => {
                    let size = if limit == 0 { members.len() } else { members.len().min(limit) };
                    encoder.integer(i64::try_from(size).unwrap_or(i64::MAX));
                }
                None => {
                    encoder.set(members.len());
                    members.into_iter().for_each(|member| encoder.raw(member));
                }
            }
        }))
    }
}

fn combine<'a>(how: Algebra, replies: Vec<Elements<'a>>) -> Vec<&'a [u8]> {
    let mut replies = replies.into_iter();
    let mut members: Vec<&[u8]> = replies.next().into_iter().flatten().collect();
    match how {
        Algebra::Union => {
            let mut known: HashSet<&[u8]> = members.iter().copied().collect();
            members.extend(replies.flatten().filter(|member| known.insert(member)));
        }
        Algebra::Intersection => {
            for reply in replies {
                let others: HashSet<&[u8]> = reply.collect();
                members.retain(|member| others.contains(member));
            }
        }
        Algebra::Difference => {
            let others: HashSet<&[u8]> = replies.flatten().collect();
            members.retain(|member| !others.contains(member));
        }
    }
    members
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_of_three_nodes() {
        let replies: [&[u8]; 3] = [
            b"*3\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n",
            b"~2\r\n$1\r\nb\r\n$1\r\nc\r\n",
            b"*2\r\n$1\r\nc\r\n$1\r\nd\r\n",
        ];
        let of = |how| {
            let members = combine(how, replies.iter().map(|reply| Elements::of(reply).unwrap()).collect());
            let letters = members.into_iter().map(|member| char::from(member[4]));
            letters.collect::<String>()
        };
        assert_eq!(of(Algebra::Union), "abcd");
        assert_eq!(of(Algebra::Intersection), "c");
        assert_eq!(of(Algebra::Difference), "a");
    }
}
