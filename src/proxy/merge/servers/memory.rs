//! `MEMORY STATS`: bytes and keys of all members are added. What is a proportion is the mean of theirs, by the memory that each uses.

use std::collections::BTreeMap;

use super::{
    super::{Around, Merge, Merged},
    name, pairs, pairs_of,
};
use crate::{
    protocol::{Encoder, Value},
    proxy::gather::Gather,
};

/// See the module.
#[derive(Debug)]
pub(in crate::proxy) struct Memory;

/// A figure of one node or of several.
#[derive(Clone, Debug, PartialEq)]
enum Figure {
    Sum(i64),
    /// The sum of each times its weight, and the sum of weights.
    Mean(f64, f64),
    /// Of a database.
    Group(BTreeMap<String, i64>),
}

/// Integers that are proportions.
const PROPORTIONS: [&str; 1] = ["keys.bytes-per-key"];

fn figure(name: &str, value: Value, weight: f64) -> Option<Figure> {
    let proportion = |share: f64| Figure::Mean(share * weight, weight);
    Some(match value {
        Value::Integer(number) if PROPORTIONS.contains(&name) => proportion(number as f64),
        Value::Integer(number) => Figure::Sum(number),
        Value::Double(share) => proportion(share),
        Value::Bulk(text) => proportion(std::str::from_utf8(&text).ok()?.parse().ok()?),
        group => {
            let pairs = pairs_of(group)?.into_iter();
            Figure::Group(
                pairs
                    .map(|(key, value)| Some((super::name(&key)?, value.as_i64()?)))
                    .collect::<Option<_>>()?,
            )
        }
    })
}

/// Names in the order of the node.
fn figures(reply: &[u8]) -> Option<Vec<(String, Figure)>> {
    let pairs = pairs(reply)?;
    let used = pairs.iter().find(|(key, _)| key.as_bytes() == Some(b"total.allocated"));
    let weight = used.and_then(|(_, value)| value.as_i64())? as f64;
    let named = |(key, value)| {
        let name = name(&key)?;
        let figure = figure(&name, value, weight)?;
        Some((name, figure))
    };
    pairs.into_iter().map(named).collect()
}

impl Figure {
    /// `None` if they are of different kinds.
    fn add(&mut self, more: Self) -> Option<()> {
        match (self, more) {
            (Self::Sum(sum), Self::Sum(more)) => *sum = sum.checked_add(more)?,
            (Self::Mean(sum, weights), Self::Mean(more, weight)) => {
                *sum += more;
                *weights += weight;
            }
            (Self::Group(group), Self::Group(more)) => {
                for (name, value) in more {
                    *group.entry(name).or_default() += value;
                }
            }
            _ => return None,
        }
        Some(())
    }

    fn tell(self, name: &str, encoder: &mut Encoder<'_>) {
        match self {
            Self::Sum(sum) => encoder.integer(sum),
            Self::Mean(sum, weights) => {
                let mean = if weights == 0.0 { 0.0 } else { sum / weights };
                if PROPORTIONS.contains(&name) {
                    #[expect(
                        clippy::cast_possible_truncation,
                        reason = "a mean of integers is between them"
                    )]
                    encoder.integer(mean.round() as i64);
                } else {
                    encoder.double(mean);
                }
            }
            Self::Group(group) => {
                encoder.map(group.len());
                for (name, value) in group {
                    encoder.bulk(name);
                    encoder.integer(value);
                }
            }
        }
    }
}

/// `None` if they have other kinds of figures under the same name.
fn add_up(nodes: Vec<Vec<(String, Figure)>>) -> Option<Vec<(String, Figure)>> {
    let mut all: Vec<(String, Figure)> = Vec::new();
    for (name, figure) in nodes.into_iter().flatten() {
        match all.iter_mut().find(|(known, _)| *known == name) {
            Some((_, sum)) => sum.add(figure)?,
            None => all.push((name, figure)),
        }
    }
    Some(all)
}

impl Merge for Memory {
    fn merge(&self, gather: &Gather, _: &mut Around<'_>, out: &mut Vec<u8>) -> Merged {
        let nodes: Option<Vec<_>> = gather.replies().map(|reply| figures(reply.bytes)).collect();
        Merged::when(nodes.and_then(add_up).map(|all| {
            let mut encoder = Encoder::new(out, gather.version);
            encoder.map(all.len());
            for (name, figure) in all {
                encoder.bulk(&name);
                figure.tell(&name, &mut encoder);
            }
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Version;

    #[test]
    fn bytes_are_added_and_proportions_are_means() {
        let one = figures(
            b"*8\r\n$15\r\ntotal.allocated\r\n:100\r\n$15\r\npeak.percentage\r\n$2\r\n80\r\n\
              $18\r\nkeys.bytes-per-key\r\n:10\r\n$4\r\ndb.0\r\n*2\r\n$1\r\nm\r\n:5\r\n",
        );
        let other = figures(
            b"%4\r\n$15\r\ntotal.allocated\r\n:300\r\n$15\r\npeak.percentage\r\n,40\r\n\
              $18\r\nkeys.bytes-per-key\r\n:30\r\n$4\r\ndb.0\r\n%1\r\n$1\r\nm\r\n:6\r\n",
        );
        let all = add_up(vec![one.unwrap(), other.unwrap()]).unwrap();
        let mut out = Vec::new();
        for (name, figure) in all {
            figure.tell(&name, &mut Encoder::new(&mut out, Version::Resp3));
        }
        assert_eq!(out, b":400\r\n,50\r\n:25\r\n%1\r\n$1\r\nm\r\n:11\r\n");
        assert_eq!(figures(b"*2\r\n$1\r\na\r\n:1\r\n"), None, "without its weight");
    }
}
