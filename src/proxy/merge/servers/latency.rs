//! `LATENCY` of all members, as if the same had happened to one server.

use std::collections::BTreeMap;

use super::{
    super::{Around, Merge, Merged, elements::Elements, elements::string, sum},
    name, pairs, pairs_of,
};
use crate::{protocol::Encoder, proxy::gather::Gather};

/// Spikes of an event that are remembered.
const REMEMBERED: usize = 160;

/// `LATENCY LATEST`: of each event the last spike of all, and the worst.
#[derive(Debug)]
pub(in crate::proxy) struct Latest;

/// Its last spike, when and how long, and the worst one.
type Event = (i64, i64, i64);

fn event(bytes: &[u8]) -> Option<(Vec<u8>, Event)> {
    let mut fields = Elements::of(bytes)?;
    let name = string(fields.next()?)?.to_vec();
    let mut number = || sum::integer(fields.next()?);
    Some((name, (number()?, number()?, number()?)))
}

impl Merge for Latest {
    fn merge(&self, gather: &Gather, _: &mut Around<'_>, out: &mut Vec<u8>) -> Merged {
        let mut events: BTreeMap<Vec<u8>, Event> = BTreeMap::new();
        for reply in gather.replies() {
            let found: Option<Vec<_>> = Elements::of(reply.bytes).and_then(|all| all.map(event).collect());
            let Some(found) = found else { return Merged::Misfit };
            for (name, (at, took, worst)) in found {
                let known = events.entry(name).or_default();
                (known.0, known.1) = (known.0, known.1).max((at, took));
                known.2 = known.2.max(worst);
            }
        }
        let mut encoder = Encoder::new(out, gather.version);
        encoder.array(events.len());
        for (name, (at, took, worst)) in events {
            encoder.array(4);
            encoder.bulk(name);
            [at, took, worst].iter().for_each(|&number| encoder.integer(number));
        }
        Merged::Done
    }
}

/// `LATENCY HISTORY`: of each second the worst spike.
#[derive(Debug)]
pub(in crate::proxy) struct History;

fn spike(bytes: &[u8]) -> Option<(i64, i64)> {
    let mut fields = Elements::of(bytes)?.map(sum::integer);
    Some((fields.next()??, fields.next()??))
}

impl Merge for History {
    fn merge(&self, gather: &Gather, _: &mut Around<'_>, out: &mut Vec<u8>) -> Merged {
        let mut seconds: BTreeMap<i64, i64> = BTreeMap::new();
        for reply in gather.replies() {
            let found: Option<Vec<_>> = Elements::of(reply.bytes).and_then(|all| all.map(spike).collect());
            let Some(found) = found else { return Merged::Misfit };
            for (at, took) in found {
                let worst = seconds.entry(at).or_default();
                *worst = took.max(*worst);
            }
        }
        let forgotten = seconds.len().saturating_sub(REMEMBERED);
        let mut encoder = Encoder::new(out, gather.version);
        encoder.array(seconds.len() - forgotten);
        for (at, took) in seconds.into_iter().skip(forgotten) {
            encoder.array(2);
            encoder.integer(at);
            encoder.integer(took);
        }
        Merged::Done
    }
}

/// `LATENCY HISTOGRAM`: calls of all members, and how many of them took at most so long.
#[derive(Debug)]
pub(in crate::proxy) struct Histograms;

/// Calls, and how many of them took at most so many microseconds: steps without more calls than the one before are left out.
type Histogram = (i64, BTreeMap<i64, i64>);

fn histograms(reply: &[u8]) -> Option<Vec<(String, Histogram)>> {
    let histogram = |value| {
        let mut fields = pairs_of(value)?.into_iter();
        let calls = fields.next()?.1.as_i64()?;
        let steps = pairs_of(fields.next()?.1)?;
        let steps: Option<_> =
            steps.iter().map(|(upto, calls)| Some((upto.as_i64()?, calls.as_i64()?))).collect();
        Some((calls, steps?))
    };
    pairs(reply)?.into_iter().map(|(command, value)| Some((name(&command)?, histogram(value)?))).collect()
}

/// Both are cumulative, so a step that one lacks is its last one before.
fn add((calls, steps): &mut Histogram, (more_calls, more): &Histogram) {
    let upto =
        |steps: &BTreeMap<i64, i64>, step| steps.range(..=step).next_back().map_or(0, |(_, &calls)| calls);
    let all: Vec<i64> = steps.keys().chain(more.keys()).copied().collect();
    *steps = all.into_iter().map(|step| (step, upto(steps, step) + upto(more, step))).collect();
    *calls += more_calls;
}

impl Merge for Histograms {
    fn merge(&self, gather: &Gather, _: &mut Around<'_>, out: &mut Vec<u8>) -> Merged {
        let mut commands: BTreeMap<String, Histogram> = BTreeMap::new();
        for reply in gather.replies() {
            let Some(found) = histograms(reply.bytes) else { return Merged::Misfit };
            found.iter().for_each(|(name, more)| add(commands.entry(name.clone()).or_default(), more));
        }
        let mut encoder = Encoder::new(out, gather.version);
        encoder.map(commands.len());
        for (name, (calls, steps)) in commands {
            encoder.bulk(name);
            encoder.map(2);
            encoder.bulk("calls");
            encoder.integer(calls);
            encoder.bulk("histogram_usec");
            encoder.map(steps.len());
            for (upto, calls) in steps {
                encoder.integer(upto);
                encoder.integer(calls);
            }
        }
        Merged::Done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_that_one_node_lacks_are_those_before() {
        let mut one: Histogram = (10, BTreeMap::from([(1, 4), (8, 10)]));
        add(&mut one, &(5, BTreeMap::from([(2, 3), (16, 5)])));
        assert_eq!(one, (15, BTreeMap::from([(1, 4), (2, 7), (8, 13), (16, 15)])));
    }

    #[test]
    fn a_histogram_is_read_in_both_forms() {
        let expected = vec![("get".to_owned(), (3, BTreeMap::from([(1, 2), (4, 3)])))];
        let array = b"*2\r\n$3\r\nget\r\n*4\r\n$5\r\ncalls\r\n:3\r\n$14\r\nhistogram_usec\r\n*4\r\n:1\r\n:2\r\n:4\r\n:3\r\n";
        let map = b"%1\r\n$3\r\nget\r\n%2\r\n$5\r\ncalls\r\n:3\r\n$14\r\nhistogram_usec\r\n%2\r\n:1\r\n:2\r\n:4\r\n:3\r\n";
        assert_eq!(histograms(array).unwrap(), expected);
        assert_eq!(histograms(map).unwrap(), expected);
    }

    #[test]
    fn events_and_spikes() {
        let latest = event(b"*4\r\n$7\r\ncommand\r\n:100\r\n:7\r\n:9\r\n").unwrap();
        assert_eq!(latest, (b"command".to_vec(), (100, 7, 9)));
        assert_eq!(spike(b"*2\r\n:100\r\n:7\r\n"), Some((100, 7)));
        assert_eq!(spike(b"*1\r\n:100\r\n"), None);
    }
}
