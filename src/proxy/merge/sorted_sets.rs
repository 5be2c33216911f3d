//! Members of sorted sets, and of sets, of several nodes: `ZUNION`, `ZINTER`, `ZDIFF`, `ZINTERCARD`. Scores are aggregated in Redis's
//! order, because the sum of three depends on it. A reply is for one key: its members with their scores.

use std::collections::HashMap;

use super::{
    Around, Merge, Merged,
    elements::{Elements, string},
};
use crate::{
    protocol::{Encoder, Version, number::parse_f64},
    proxy::gather::Gather,
    values::scores::{Combine as Algebra, Invalid, Options, not_nan},
};

/// See the module.
#[derive(Debug)]
pub(in crate::proxy) struct SortedSets {
    how: Algebra,
    counts: bool,
    /// Looked at after the keys, as in Redis: a wrong type is told before a wrong word.
    options: Result<Options, Invalid>,
}

impl SortedSets {
    pub(in crate::proxy) fn members(how: Algebra, options: Result<Options, Invalid>) -> Self {
        Self { how, counts: false, options }
    }

    pub(in crate::proxy) fn size(options: Result<Options, Invalid>) -> Self {
        Self { how: Algebra::Intersection, counts: true, options }
    }
}

type Scored<'a> = (&'a [u8], f64);

impl Merge for SortedSets {
    fn merge(&self, gather: &Gather, _: &mut Around<'_>, out: &mut Vec<u8>) -> Merged {
        let mut encoder = Encoder::new(out, gather.version);
        let options = match &self.options {
            Ok(options) => options,
            Err(error) => {
                encoder.error(error.to_string());
                return Merged::Done;
            }
        };
        let sets: Option<Vec<Vec<Scored<'_>>>> =
            gather.replies().map(|reply| scored(reply.bytes, gather.version)).collect();
        let members = sets.map(|sets| combine(self.how, sets, options));
        Merged::when(members.map(|members| {
            if self.counts {
                let size = if options.limit == 0 { members.len() } else { members.len().min(options.limit) };
                encoder.integer(i64::try_from(size).unwrap_or(i64::MAX));
                return;
            }
            let paired = options.scores && gather.version == Version::Resp3;
            encoder.array(if options.scores && !paired { 2 * members.len() } else { members.len() });
            for (member, score) in members {
                if paired {
                    encoder.array(2);
                }
                encoder.bulk(member);
                if options.scores {
                    encoder.double(score);
                }
            }
        }))
    }
}

/// The members of one reply `WITHSCORES`: pairs in RESP3, one after the other in RESP2.
fn scored(reply: &[u8], version: Version) -> Option<Vec<Scored<'_>>> {
    let mut elements = Elements::of(reply)?;
    let mut members = Vec::new();
    while let Some(element) = elements.next() {
        let (member, score) = match version {
            Version::Resp2 => (element, elements.next()?),
            Version::Resp3 => {
                let mut pair = Elements::of(element)?;
                (pair.next()?, pair.next()?)
            }
        };
        let score = score.strip_prefix(b",").map(<[u8]>::trim_ascii_end).or_else(|| string(score))?;
        members.push((string(member)?, parse_f64(score)?));
    }
    Some(members)
}

fn combine<'a>(how: Algebra, sets: Vec<Vec<Scored<'a>>>, options: &Options) -> Vec<Scored<'a>> {
    let mut inputs: Vec<(Vec<Scored<'a>>, f64)> =
        sets.into_iter().zip(options.weights.iter().copied()).collect();
    if how != Algebra::Difference {
        inputs.sort_by_key(|(set, _)| set.len());
    }
    let mut inputs = inputs.into_iter();
    let Some((first, weight)) = inputs.next() else { return Vec::new() };
    let mut members: Vec<Scored<'a>> = match how {
        Algebra::Union => {
            let mut union: HashMap<&[u8], f64> =
                first.into_iter().map(|(member, score)| (member, not_nan(weight * score))).collect();
            for (set, weight) in inputs {
                for (member, score) in set {
                    let score = not_nan(weight * score);
                    union
                        .entry(member)
                        .and_modify(|known| *known = options.aggregate.of(*known, score))
                        .or_insert(score);
                }
            }
            union.into_iter().collect()
        }
        Algebra::Intersection => {
            let mut members: Vec<Scored<'_>> =
                first.into_iter().map(|(member, score)| (member, not_nan(weight * score))).collect();
            for (set, weight) in inputs {
                let set: HashMap<&[u8], f64> = set.into_iter().collect();
                members.retain_mut(|(member, total)| {
                    let score = set.get(member);
                    if let Some(score) = score {
                        *total = options.aggregate.of(*total, not_nan(weight * score));
                    }
                    score.is_some()
                });
            }
            members
        }
        Algebra::Difference => {
            let others: HashMap<&[u8], f64> = inputs.flat_map(|(set, _)| set).collect();
            first.into_iter().filter(|(member, _)| !others.contains_key(member)).collect()
        }
    };
    // Zeros of both signs are equal; nothing is not a number.
    members.sort_unstable_by(|a, b| (a.1 + 0.0).total_cmp(&(b.1 + 0.0)).then_with(|| a.0.cmp(b.0)));
    members
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::values::scores::Form;

    #[test]
    fn both_forms_of_scores() {
        let expected: Vec<Scored<'_>> = vec![(b"a", 1.5), (b"b", f64::INFINITY)];
        let two = b"*4\r\n$1\r\na\r\n$3\r\n1.5\r\n$1\r\nb\r\n$3\r\ninf\r\n";
        assert_eq!(scored(two, Version::Resp2).unwrap(), expected);
        let three = b"*2\r\n*2\r\n$1\r\na\r\n,1.5\r\n*2\r\n$1\r\nb\r\n,inf\r\n";
        assert_eq!(scored(three, Version::Resp3).unwrap(), expected);
        assert_eq!(scored(b"*1\r\n$1\r\na\r\n", Version::Resp2), None);
    }

    #[test]
    fn scores_are_weighed_and_aggregated() {
        let a: Vec<Scored<'_>> = vec![(b"x", 1.0), (b"y", 2.0)];
        let b: Vec<Scored<'_>> = vec![(b"y", 5.0)];
        let combined = |how, line: &str| {
            let words: Vec<&[u8]> = line.split_ascii_whitespace().map(str::as_bytes).collect();
            let options = Options::parse(words.into_iter(), 2, how, Form::Reply).unwrap();
            let members = combine(how, vec![a.clone(), b.clone()], &options);
            members.iter().map(|(name, score)| format!("{}{score}", char::from(name[0]))).collect::<String>()
        };
        assert_eq!(combined(Algebra::Union, "WEIGHTS 10 1"), "x10y25");
        assert_eq!(combined(Algebra::Union, "WEIGHTS inf 1 AGGREGATE MIN"), "y5xinf");
        assert_eq!(combined(Algebra::Intersection, "AGGREGATE MAX"), "y5");
        assert_eq!(combined(Algebra::Difference, ""), "x1");
    }
}
