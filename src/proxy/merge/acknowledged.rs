//! `WAIT` and `WAITAOF`: how many replicas, and files, have what was written before, at the node that has the fewest.
//!
//! A server counts for a connection what that has written, and clients of a proxy share connections. But what it counts for is where its data was when
//! the connection's last command had run, whoever had written. So a `PING` comes first, when all of the client's writes have been answered: what is counted then has
//! everything of it. A server that waits serves nothing else on that connection, so it is asked for a moment, again and again. Each time it counts for where its data was the time
//! before: that may be too few, if replicas are behind by more than such a moment, and never too many.

use super::{Around, Ask, Merge, Merged, Question, elements::Elements, sum::integer};
use crate::{
    protocol::{Encoder, Request, number::parse_i64},
    proxy::{
        gather::Gather,
        routing::{NodeIndex, Routing},
    },
    time::Millis,
};

/// How long servers wait at once, milliseconds.
const MOMENT: i64 = 50;

/// See the module.
#[derive(Clone, Debug)]
pub(in crate::proxy) struct Acknowledged {
    name: Vec<u8>,
    /// Of files and replicas, or of replicas alone.
    wanted: Vec<i64>,
    /// None: for ever.
    until: Option<Millis>,
    asked_at: Millis,
    /// Whether replies to `PING` stand before those that count.
    greeted: bool,
}

impl Acknowledged {
    /// For a request; none if any server says what is wrong with it.
    pub(in crate::proxy) fn of(request: &Request<'_>, now: Millis) -> Option<Self> {
        let numbers = request.args_from(1).map(parse_i64).collect::<Option<Vec<i64>>>()?;
        let (&timeout, wanted) = numbers.split_last()?;
        if timeout < 0 {
            return None;
        }
        let until = (timeout > 0).then(|| Millis(now.0.saturating_add(timeout)));
        let name = request.name().to_vec();
        Some(Self { name, wanted: wanted.to_vec(), until, asked_at: now, greeted: true })
    }

    /// Asks all nodes that own slots.
    pub(in crate::proxy) fn question(mut self, routing: &Routing, now: Millis, greets: bool) -> Question {
        (self.asked_at, self.greeted) = (now, greets);
        let left = self.until.map_or(MOMENT, |until| until.0.saturating_sub(now.0));
        let mut words = vec![self.name.clone()];
        words.extend(
            self.wanted.iter().chain([&left.clamp(1, MOMENT)]).map(|number| number.to_string().into_bytes()),
        );
        let ask = |&node: &NodeIndex| {
            let greeting = greets.then(|| Ask::new(node, [&b"PING"[..]]));
            greeting.into_iter().chain([Ask { node, arguments: words.clone().into() }])
        };
        Question { asks: routing.owning().iter().flat_map(ask).collect(), merge: Box::new(self) }
    }

    fn is_enough(&self, counted: &[i64]) -> bool {
        counted.iter().zip(&self.wanted).all(|(counted, wanted)| counted >= wanted)
    }

    /// Whether more can come: there is time, and no server has said too few without waiting, as one does that has no replicas at all.
    fn may_become_more(&self, now: Millis) -> bool {
        let has_waited = now.0 - self.asked_at.0 >= MOMENT / 2;
        has_waited && self.until.is_none_or(|until| now < until)
    }
}

impl Merge for Acknowledged {
    fn waits(&self) -> bool {
        true
    }

    fn merge(&self, gather: &Gather, around: &mut Around<'_>, out: &mut Vec<u8>) -> Merged {
        let step = if self.greeted { 2 } else { 1 };
        let replies = gather.replies().skip(step - 1).step_by(step).map(|reply| numbers(reply.bytes));
        let Some(counted) =
            replies.collect::<Option<Vec<_>>>().and_then(|all| fewest(&all, self.wanted.len()))
        else {
            return Merged::Misfit;
        };
        if !self.is_enough(&counted) && self.may_become_more(around.wall) {
            let is_same = gather.routing().epoch() == around.current.epoch();
            return Merged::Ask(self.clone().question(around.current, around.wall, !is_same));
        }
        let mut reply = Encoder::new(out, gather.version);
        match counted.as_slice() {
            [replicas] => reply.integer(*replicas),
            counted => {
                reply.array(counted.len());
                counted.iter().for_each(|&number| reply.integer(number));
            }
        }
        Merged::Done
    }
}

/// An integer, or an array of them.
fn numbers(reply: &[u8]) -> Option<Vec<i64>> {
    match integer(reply) {
        Some(number) => Some(vec![number]),
        None => Elements::of(reply)?.map(integer).collect(),
    }
}

/// The smallest at each place.
fn fewest(all: &[Vec<i64>], places: usize) -> Option<Vec<i64>> {
    if all.iter().any(|numbers| numbers.len() != places) {
        return None;
    }
    (0..places).map(|place| all.iter().map(|numbers| numbers[place]).min()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Args;

    fn of(line: &str) -> Option<Acknowledged> {
        let words: Vec<&str> = line.split(' ').collect();
        let args = Args::of(&words).expect("small");
        Acknowledged::of(&args.request().expect("a name"), Millis(1000))
    }

    #[test]
    fn what_makes_no_sense_is_left_to_a_server() {
        assert!(of("WAIT 1 100").is_some() && of("WAITAOF 1 2 0").is_some());
        for line in ["WAIT x 100", "WAIT 1 x", "WAIT 1 -1"] {
            assert!(of(line).is_none(), "{line}");
        }
    }

    #[test]
    fn the_node_with_the_fewest_counts() {
        assert_eq!(numbers(b":3\r\n"), Some(vec![3]));
        assert_eq!(numbers(b"*2\r\n:1\r\n:0\r\n"), Some(vec![1, 0]));
        assert_eq!(numbers(b"+OK\r\n"), None);
        assert_eq!(fewest(&[vec![1, 3], vec![2, 0]], 2), Some(vec![1, 0]));
        assert_eq!(fewest(&[vec![1], vec![2, 0]], 2), None);
        assert_eq!(fewest(&[], 1), None);
    }

    #[test]
    fn it_goes_on_until_there_are_enough_or_no_more_can_come() {
        let wait = of("WAIT 2 100").expect("numbers");
        assert!(wait.is_enough(&[2]) && !wait.is_enough(&[1]));
        let more = |wait: &Acknowledged, at| wait.may_become_more(Millis(at));
        // At once: nobody has waited for anybody.
        assert_eq!([more(&wait, 1001), more(&wait, 1050), more(&wait, 1100)], [false, true, false]);
        let for_ever = of("WAIT 2 0").expect("numbers");
        assert!(more(&for_ever, 99_000));
    }
}
