//! Commands that only read, with keys on several nodes: what each node is asked, so that the proxy can compute the reply of one
//! server of all of them. How it is computed is in [`crate::proxy::merge`].

use std::sync::Arc;

use super::{
    Worker,
    client::{Client, Stall},
};
use crate::{
    command::{Combine, KeyPositions, Spec, Take},
    protocol::Request,
    proxy::{
        merge::{
            Ask, First, Groups, How, HyperLogLogs, Part, Question, Sets, Sorted, SortedSets, Streams,
            Subsequence, Wanted,
        },
        reading::Reading,
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

    /// Sorts what this node has by keys of others, or shows them.
    pub(super) fn sort_over_nodes(
        &mut self,
        client: &mut Client,
        routing: &Arc<Routing>,
        (spec, node, slot): (&'static Spec, NodeIndex, SlotId),
        request: &Request<'_>,
    ) -> Result<(), Stall> {
        match Sorted::question(node, request, spec.writes()) {
            Some(question) => {
                self.ask(client, routing, spec, question)?;
                // What follows must not come before the later steps.
                client.fenced = true;
                Ok(())
            }
            // Its node says what is wrong with it.
            None => self.send_to(client, routing, (node, slot), request),
        }
    }

    /// Takes from keys of several nodes, without waiting. All have owners.
    pub(super) fn take_of_several(
        &mut self,
        client: &mut Client,
        routing: &Arc<Routing>,
        (spec, take): (&'static Spec, Take),
        (request, keys): (&Request<'_>, &KeyPositions),
    ) -> Result<(), Stall> {
        let keys: Vec<(NodeIndex, &[u8])> = keys
            .indices()
            .map(|index| request.arg(index))
            .filter_map(|key| Some((routing.owner(SlotId::of_key(key))?, key)))
            .collect();
        let question = match take {
            Take::Entries => streams(request, &keys),
            Take::Elements | Take::Members => How::of(take, spec, request, keys.len()).map(|how| {
                let wanted = keys.iter().map(|&(node, key)| Wanted { node, key: key.into(), is_next: true });
                First::question(Arc::new(how), wanted.collect(), false)
            }),
        };
        match question {
            Some(question) => self.ask(client, routing, spec, question),
            // Any server knows what is wrong with it.
            None => self.any_node(client, routing, request),
        }
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

/// Entries of streams on several nodes, each read by itself.
pub(super) fn read<'a>(
    parts: Arc<[Part]>,
    reading: &'a Reading,
    keys: impl Iterator<Item = &'a [u8]>,
) -> Question {
    match reading.group() {
        Some(group) => Groups::question(parts, group, keys),
        None => {
            let ask = |part: &Part| Ask { node: part.node, arguments: Arc::clone(&part.arguments) };
            Question { asks: parts.iter().map(ask).collect(), merge: Box::new(Streams) }
        }
    }
}

/// The same for a request; none if a server would say what is wrong with it.
fn streams(request: &Request<'_>, keys: &[(NodeIndex, &[u8])]) -> Option<Question> {
    let first = request.len().checked_sub(2 * keys.len())?;
    let reading = Reading::of(request, (first, keys.len()))?;
    let parts = keys.iter().zip(&reading.ids).map(|(&(node, key), id)| Part {
        node,
        slot: SlotId::of_key(key),
        arguments: reading.arguments(key, id),
    });
    Some(read(parts.collect(), &reading, keys.iter().map(|&(_, key)| key)))
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn the_last_limit_counts() {
        let limit = |line: &str| limit(line.split_ascii_whitespace().map(str::as_bytes));
        assert_eq!((limit(""), limit("LIMIT 3 limit 2")), (Ok(0), Ok(2)));
        assert_eq!(limit("LIMIT"), Err(scores::Invalid::Syntax));
        assert_eq!(limit("LIMIT x"), Err(scores::Invalid::Limit));
    }
}
