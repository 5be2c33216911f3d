//! Commands that only read, with keys on several nodes: what each node is asked, so that the proxy can compute the reply of one
//! server of all of them. How it is computed is in [`crate::proxy::merge`].

use std::sync::Arc;

use super::{
    Worker,
    client::{Client, Stall},
};
use crate::{
    command::{Combine, KeyPositions, Spec},
    protocol::Request,
    proxy::{
        merge::{Ask, HyperLogLogs, Question, Sets, SortedSets, Streams, Subsequence},
        routing::{NodeIndex, Routing},
    },
    slot::SlotId,
    values::{
        scores::{self, Combine as Algebra, Form},
        subsequence,
    },
};

impl Worker {
    /// Asks the nodes for what `combine` needs. All keys have owners.
    pub(super) fn combine(
        &mut self,
        client: &mut Client,
        routing: &Arc<Routing>,
        spec: &'static Spec,
        combine: Combine,
        (request, keys): (&Request<'_>, &KeyPositions),
    ) -> Result<(), Stall> {
        let keys: Vec<(NodeIndex, &[u8])> = keys
            .indices()
            .map(|index| request.arg(index))
            .filter_map(|key| Some((routing.owner(SlotId::of_key(key))?, key)))
            .collect();
        // What follows the keys of `ZUNION numkeys key ...`.
        let options = || request.args_from(2 + keys.len());
        let question = match combine {
            Combine::Sets(how) => sets(&keys, how, Sets::members(how)),
            Combine::SetsSize => match limit(options()) {
                Ok(limit) => sets(&keys, Algebra::Intersection, Sets::size(limit)),
                Err(error) => {
                    self.refuse(client, error.to_string());
                    return Ok(());
                }
            },
            Combine::SortedSets(how) => {
                let options = scores::Options::parse(options(), keys.len(), how, Form::Reply);
                sorted_sets(&keys, SortedSets::members(how, options))
            }
            Combine::SortedSetsSize => {
                let options =
                    scores::Options::parse(options(), keys.len(), Algebra::Intersection, Form::Count);
                sorted_sets(&keys, SortedSets::size(options))
            }
            Combine::HyperLogLogs => one_by_one(&keys, HyperLogLogs, |key| [&b"GET"[..], key]),
            Combine::Subsequence => {
                let options = subsequence::Options::parse(request.args_from(3));
                one_by_one(&keys, Subsequence { options }, |key| [&b"GET"[..], key])
            }
            Combine::Streams => match streams(request, &keys) {
                Some(question) => question,
                // Any server knows what is wrong with it.
                None => return self.any_node(client, routing, request),
            },
        };
        self.ask(client, routing, spec, question)
    }
}

/// Each key by itself.
fn one_by_one<'a, const N: usize>(
    keys: &[(NodeIndex, &'a [u8])],
    merge: impl crate::proxy::merge::Merge + 'static,
    arguments: impl Fn(&'a [u8]) -> [&'a [u8]; N],
) -> Question {
    let asks = keys.iter().map(|&(node, key)| Ask::new(node, arguments(key))).collect();
    Question { asks, merge: Box::new(merge) }
}

/// Sets and sorted sets alike, with scores.
fn sorted_sets(keys: &[(NodeIndex, &[u8])], merge: SortedSets) -> Question {
    one_by_one(keys, merge, |key| [b"ZUNION", b"1", key, b"WITHSCORES"])
}

/// Each node combines what it has; the node of the first key comes first.
fn sets(keys: &[(NodeIndex, &[u8])], how: Algebra, merge: Sets) -> Question {
    let mut by_node: Vec<(NodeIndex, Vec<&[u8]>)> = Vec::new();
    for &(node, key) in keys {
        match by_node.iter_mut().find(|known| known.0 == node) {
            Some(known) => known.1.push(key),
            None => by_node.push((node, vec![key])),
        }
    }
    let asks = by_node.into_iter().enumerate().map(|(place, (node, keys))| {
        let name: &[u8] = match how {
            Algebra::Intersection => b"SINTER",
            Algebra::Difference if place == 0 => b"SDIFF",
            Algebra::Union | Algebra::Difference => b"SUNION",
        };
        Ask::new(node, std::iter::once(name).chain(keys))
    });
    Question { asks: asks.collect(), merge: Box::new(merge) }
}

/// `[LIMIT limit]` of `SINTERCARD`; 0 is none. The last one counts.
fn limit<'a>(mut words: impl Iterator<Item = &'a [u8]>) -> Result<usize, scores::Invalid> {
    let mut limit = 0;
    while let Some(word) = words.next() {
        let value = words.next().filter(|_| word.eq_ignore_ascii_case(b"limit"));
        limit = scores::limit(value.ok_or(scores::Invalid::Syntax)?)?;
    }
    Ok(limit)
}

/// `XREAD [COUNT count] STREAMS key … id …`, each stream by itself; none if it is something else.
fn streams(request: &Request<'_>, keys: &[(NodeIndex, &[u8])]) -> Option<Question> {
    let ids = request.len().checked_sub(keys.len())?;
    let words = ids.checked_sub(keys.len() + 1)?;
    let count = match words {
        1 => None,
        3 if request.arg(1).eq_ignore_ascii_case(b"count") => Some(request.arg(2)),
        _ => return None,
    };
    let asks = keys.iter().zip(request.args_from(ids)).map(|(&(node, key), id)| {
        let count = count.into_iter().flat_map(|count| [&b"COUNT"[..], count]);
        let words = std::iter::once(&b"XREAD"[..]).chain(count).chain([&b"STREAMS"[..], key, id]);
        Ask::new(node, words)
    });
    Some(Question { asks: asks.collect(), merge: Box::new(Streams) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Args;

    fn shown(question: &Question) -> Vec<String> {
        let words = |ask: &Ask| String::from_utf8(ask.arguments.join(&b' ')).expect("text");
        question.asks.iter().map(|ask| format!("{}: {}", ask.node, words(ask))).collect()
    }

    #[test]
    fn each_node_combines_its_own_sets() {
        let keys: [(NodeIndex, &[u8]); 4] = [(1, b"a"), (0, b"b"), (1, b"c"), (2, b"d")];
        let asked = |how| shown(&sets(&keys, how, Sets::members(how)));
        assert_eq!(asked(Algebra::Difference), ["1: SDIFF a c", "0: SUNION b", "2: SUNION d"]);
        assert_eq!(asked(Algebra::Intersection), ["1: SINTER a c", "0: SINTER b", "2: SINTER d"]);
        assert_eq!(asked(Algebra::Union), ["1: SUNION a c", "0: SUNION b", "2: SUNION d"]);
    }

    #[test]
    fn streams_keep_their_ids() {
        let question = |words: &[&str]| {
            let args = Args::of(words).expect("small");
            streams(&args.request().expect("a name"), &[(0, b"a"), (1, b"b")])
        };
        let asked = question(&["XREAD", "COUNT", "2", "STREAMS", "a", "b", "0", "$"]).expect("whole");
        assert_eq!(shown(&asked), ["0: XREAD COUNT 2 STREAMS a 0", "1: XREAD COUNT 2 STREAMS b $"]);
        let asked = question(&["XREAD", "STREAMS", "a", "b", "0", "1-1"]).expect("whole");
        assert_eq!(shown(&asked), ["0: XREAD STREAMS a 0", "1: XREAD STREAMS b 1-1"]);
        assert!(question(&["XREAD", "WHAT", "2", "STREAMS", "a", "b", "0", "$"]).is_none());
        assert!(question(&["XREAD", "COUNT", "2", "COUNT", "1", "STREAMS", "a", "b", "0", "$"]).is_none());
    }

    #[test]
    fn the_last_limit_counts() {
        let limit = |line: &str| limit(line.split_ascii_whitespace().map(str::as_bytes));
        assert_eq!((limit(""), limit("LIMIT 3 limit 2")), (Ok(0), Ok(2)));
        assert_eq!(limit("LIMIT"), Err(scores::Invalid::Syntax));
        assert_eq!(limit("LIMIT x"), Err(scores::Invalid::Limit));
    }
}
