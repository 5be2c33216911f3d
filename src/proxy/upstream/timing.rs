//! How long the requests of one connection take, without a clock and without anything for each request: of requests that were read in
//! the same turn and are of the same command, one mark is kept. The times are those of turns, which the worker knows anyway.
//!
//! Of some requests more is kept, until they are answered ([`Note`]): of samples, and of those that may take long.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{command::Spec, proxy::observe::Note};

/// What requests in a row are.
#[derive(Clone, Copy, Debug)]
pub(in crate::proxy) struct Origin {
    /// Of this worker; not 0, and another one for each time and command.
    pub(in crate::proxy) number: u64,
    /// When they were read of their client, all of each.
    pub(in crate::proxy) read_at: Instant,
    pub(in crate::proxy) spec: &'static Spec,
}

/// Requests in a row of the same origin, up to the next mark; those without one are not timed.
#[derive(Debug)]
struct Mark {
    origin: Option<Origin>,
    /// The number of the first.
    first: u64,
}

/// Some requests that were answered.
#[derive(Clone, Copy, Debug)]
pub(in crate::proxy) struct Settled {
    pub(in crate::proxy) spec: &'static Spec,
    pub(in crate::proxy) requests: u64,
    /// Each, from the turn it was read in to the one its reply was read in.
    pub(in crate::proxy) took: Duration,
}

/// What is told of requests that were answered.
#[derive(Debug)]
pub(in crate::proxy) enum Told {
    Took(Settled),
    /// One of them by an error, which begins so.
    Failed(Option<&'static Spec>, Vec<u8>),
    /// What was kept of one, and the length of its reply.
    Noted(Arc<Note>, usize),
}

/// As much of an error is kept as its first word needs.
const ERROR_MAX: usize = 64;

/// Something was kept of a request.
#[derive(Debug)]
struct Noted {
    number: u64,
    note: Arc<Note>,
    /// Length of its reply, once it has come.
    reply: usize,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Timing {
    marks: VecDeque<Mark>,
    /// The origin of the last mark; 0: there is none, or no mark.
    current: u64,
    noted: VecDeque<Noted>,
    /// Number of the first noted request without a reply; the largest number if there is none.
    next_noted: u64,
    /// Errors that were not told yet.
    failed: Vec<(Option<&'static Spec>, Vec<u8>)>,
    /// Requests up to here are settled.
    settled: u64,
    /// Since when the oldest request is the node's to answer.
    head_since: Option<Instant>,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            marks: VecDeque::new(),
            current: 0,
            noted: VecDeque::new(),
            next_noted: u64::MAX,
            failed: Vec::new(),
            settled: 0,
            head_since: None,
        }
    }
}

impl Timing {
    /// A request of this number was taken.
    #[inline]
    pub(super) fn take(&mut self, number: u64, origin: Option<&Origin>) {
        let current = origin.map_or(0, |origin| origin.number);
        if self.current != current {
            self.current = current;
            self.marks.push_back(Mark { origin: origin.copied(), first: number });
        }
    }

    /// Something is to be kept of a request of this number.
    pub(super) fn note(&mut self, number: u64, note: &Arc<Note>) {
        self.noted.push_back(Noted { number, note: Arc::clone(note), reply: 0 });
        self.next_noted = self.next_noted.min(number);
    }

    /// The oldest request begins to be sent.
    pub(super) fn begin(&mut self, now: Instant) {
        self.head_since = Some(now);
    }

    /// The request of this number got a reply of so many bytes.
    #[inline]
    pub(super) fn answered(&mut self, number: u64, reply: usize) {
        if number >= self.next_noted {
            self.note_reply(number, reply);
        }
    }

    #[cold]
    fn note_reply(&mut self, number: u64, reply: usize) {
        for noted in &mut self.noted {
            if noted.number == number {
                noted.reply = reply;
            }
        }
        let next = self.noted.iter().find(|noted| noted.number > number);
        self.next_noted = next.map_or(u64::MAX, |noted| noted.number);
    }

    /// The request of this number was answered by an error.
    #[cold]
    pub(super) fn fail(&mut self, number: u64, error: &[u8]) {
        let mark = self.marks.iter().rev().find(|mark| mark.first <= number);
        let spec = mark.and_then(|mark| mark.origin).map(|origin| origin.spec);
        let text = error.get(1..).unwrap_or_default();
        self.failed.push((spec, text[..text.len().min(ERROR_MAX)].to_vec()));
    }

    /// Requests up to this number are answered, of those that were taken up to another. Tells of them, times in their order, and
    /// returns since when the first of them was the node's to answer.
    pub(super) fn settle(
        &mut self,
        (answered, taken): (u64, u64),
        now: Instant,
        tell: &mut impl FnMut(Told),
    ) -> Option<Instant> {
        if answered == self.settled {
            return None;
        }
        for (spec, text) in self.failed.drain(..) {
            tell(Told::Failed(spec, text));
        }
        while let Some(&Mark { origin, first }) = self.marks.front()
            && first <= answered
        {
            let next = self.marks.get(1).map(|next| next.first);
            let last = next.map_or(answered, |next| answered.min(next - 1));
            if let Some(origin) = origin {
                tell(Told::Took(Settled {
                    spec: origin.spec,
                    requests: last - first.max(self.settled + 1) + 1,
                    took: now.saturating_duration_since(origin.read_at),
                }));
            }
            self.settled = last;
            if next.is_none_or(|next| next > answered + 1) {
                break;
            }
            self.marks.pop_front();
        }
        self.settled = answered;
        while self.noted.front().is_some_and(|noted| noted.number <= answered)
            && let Some(Noted { note, reply, .. }) = self.noted.pop_front()
        {
            tell(Told::Noted(note, reply));
        }
        if answered == taken {
            self.marks.clear();
            self.current = 0;
            return self.head_since.take();
        }
        self.head_since.replace(now)
    }

    /// None of those before it will be answered.
    pub(super) fn lose(&mut self, answered: u64) {
        *self = Self { settled: answered, ..Self::default() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::lookup;

    fn origin(number: u64, read_at: Instant, name: &str) -> Option<Origin> {
        Some(Origin { number, read_at, spec: lookup(name.as_bytes()).unwrap() })
    }

    type Times = Vec<(&'static str, u64, u128)>;

    fn settle(timing: &mut Timing, upto: (u64, u64), now: Instant) -> (Times, Option<Instant>) {
        let mut times = Vec::new();
        let head = timing.settle(upto, now, &mut |told| {
            if let Told::Took(settled) = told {
                times.push((settled.spec.name, settled.requests, settled.took.as_millis()));
            }
        });
        (times, head)
    }

    fn noted(timing: &mut Timing, upto: (u64, u64), now: Instant) -> Vec<usize> {
        let mut lengths = Vec::new();
        timing.settle(upto, now, &mut |told| {
            if let Told::Noted(_, length) = told {
                lengths.push(length);
            }
        });
        lengths
    }

    #[test]
    fn requests_of_one_turn_and_command_share_a_mark() {
        let start = Instant::now();
        let later = |ms| start + Duration::from_millis(ms);
        let mut timing = Timing::default();
        timing.take(1, None);
        (2..=5).for_each(|number| timing.take(number, origin(1, start, "get").as_ref()));
        timing.take(6, origin(2, start, "set").as_ref());
        timing.take(7, None);
        timing.take(8, origin(3, later(2), "set").as_ref());
        assert_eq!(timing.marks.len(), 4);
        timing.begin(later(1));
        assert_eq!(settle(&mut timing, (3, 8), later(5)), (vec![("get", 2, 5)], Some(later(1))));
        assert_eq!(settle(&mut timing, (3, 8), later(6)), (vec![], None), "nothing new");
        assert_eq!(settle(&mut timing, (5, 8), later(6)), (vec![("get", 2, 6)], Some(later(5))));
        assert_eq!(settle(&mut timing, (7, 8), later(7)), (vec![("set", 1, 7)], Some(later(6))));
        assert_eq!(settle(&mut timing, (8, 8), later(9)), (vec![("set", 1, 7)], Some(later(7))));
        assert!(timing.marks.is_empty() && timing.head_since.is_none());
        timing.take(9, origin(3, later(2), "set").as_ref());
        timing.begin(later(21));
        assert_eq!(
            settle(&mut timing, (9, 9), later(25)),
            (vec![("set", 1, 23)], Some(later(21))),
            "idle between"
        );
    }

    #[test]
    fn what_is_lost_is_not_timed() {
        let start = Instant::now();
        let mut timing = Timing::default();
        (1..=3).for_each(|number| timing.take(number, origin(1, start, "get").as_ref()));
        timing.note(2, &Arc::new(Note::of_test("get")));
        timing.lose(3);
        timing.take(4, origin(1, start, "get").as_ref());
        assert_eq!(settle(&mut timing, (4, 4), start).0, [("get", 1, 0)]);
        assert!(timing.noted.is_empty());
    }

    #[test]
    fn notes_come_back_with_the_length_of_the_reply() {
        let start = Instant::now();
        let mut timing = Timing::default();
        for number in 1..=4 {
            timing.take(number, origin(1, start, "get").as_ref());
            if number % 2 == 0 {
                timing.note(number, &Arc::new(Note::of_test("get")));
            }
        }
        (1..=3).for_each(|number| timing.answered(number, 10 * number as usize));
        assert!(noted(&mut timing, (1, 4), start).is_empty());
        assert_eq!(noted(&mut timing, (3, 4), start), [20]);
        timing.answered(4, 40);
        assert_eq!(noted(&mut timing, (4, 4), start), [40]);
    }

    #[test]
    fn errors_are_told_with_their_command() {
        let start = Instant::now();
        let mut timing = Timing::default();
        timing.take(1, origin(1, start, "get").as_ref());
        timing.take(2, origin(2, start, "incr").as_ref());
        timing.fail(2, b"-WRONGTYPE of a kind\r\n");
        let mut failed = Vec::new();
        timing.settle((2, 2), start, &mut |told| {
            if let Told::Failed(spec, text) = told {
                failed.push((spec.unwrap().name, String::from_utf8(text).unwrap()));
            }
        });
        assert_eq!(failed, [("incr", "WRONGTYPE of a kind\r\n".to_owned())]);
    }
}
