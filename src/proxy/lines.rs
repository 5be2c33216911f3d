//! Who of the proxy's clients waits for which keys of several nodes, and who of them is next. Pure: clients are numbers, and whoever asks
//! says that something has changed.
//!
//! A line is of one key for those who take the same kind of thing. The one who has waited longest tries; behind it nobody does, so an
//! element that comes costs one attempt, and not as many as there are clients. Readers of streams take nothing from each other: all try.

use std::collections::BTreeMap;

use super::slab::Key;
use crate::command::Take;

/// How many have begun to wait before: who has the smaller number has waited longer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Arrival(u64);

/// Who waits: the thread, and which of its requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Who {
    pub(super) worker: usize,
    pub(super) seek: Key,
}

/// Who stands in a line, from its front.
type Line = BTreeMap<Arrival, Who>;

/// One place to stand: what is taken, from which key of which database.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    key: Box<[u8]>,
    database: u8,
    take: Take,
}

impl Place {
    pub(super) fn new(key: &[u8], database: u8, take: Take) -> Self {
        Self { key: key.into(), database, take }
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Lines {
    lines: BTreeMap<Place, Line>,
    last: Arrival,
}

impl Lines {
    /// Of one who comes now.
    pub(super) fn arrive(&mut self) -> Arrival {
        self.last = Arrival(self.last.0 + 1);
        self.last
    }

    pub(super) fn join(&mut self, place: &Place, arrival: Arrival, who: Who) {
        self.lines.entry(place.clone()).or_default().insert(arrival, who);
    }

    /// Who is next now, because the one who leaves was: it has heard of none of the changes that the other has.
    pub(super) fn leave(&mut self, place: &Place, arrival: Arrival) -> Option<Who> {
        let was_next = place.take != Take::Entries && self.is_next(place, arrival);
        let line = self.lines.get_mut(place)?;
        line.remove(&arrival);
        let next = line.first_key_value().map(|(_, who)| *who);
        if next.is_none() {
            self.lines.remove(place);
        }
        next.filter(|_| was_next)
    }

    /// Who is to try now.
    fn next(&self, place: &Place) -> impl Iterator<Item = Who> + '_ {
        let all = place.take == Take::Entries;
        let line = self.lines.get(place).into_iter().flat_map(BTreeMap::values);
        line.take(if all { usize::MAX } else { 1 }).copied()
    }

    /// Whether it is the turn of who came then.
    pub(super) fn is_next(&self, place: &Place, arrival: Arrival) -> bool {
        let first = || self.lines.get(place).and_then(|line| line.first_key_value());
        place.take == Take::Entries || first().is_some_and(|(first, _)| *first == arrival)
    }

    /// Who is to try when a key has changed, in whichever database.
    pub(super) fn changed(&self, key: &[u8]) -> Vec<Who> {
        let from = Place { key: key.into(), database: 0, take: Take::Elements };
        let places = self.lines.range(from..).map(|(place, _)| place).take_while(|place| *place.key == *key);
        places.flat_map(|place| self.next(place)).collect()
    }

    /// Who is to try when any key may have changed.
    pub(super) fn all(&self) -> Vec<Who> {
        self.lines.keys().flat_map(|place| self.next(place)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::slab::Slab;

    #[test]
    fn the_one_who_has_waited_longest_is_next() {
        let mut slab = Slab::default();
        let [a, b, c] = std::array::from_fn(|worker| Who { worker, seek: slab.insert(()) });
        let [first, second, third] = [1, 2, 3].map(Arrival);
        let place = |key: &str, take| Place::new(key.as_bytes(), 0, take);
        let (x, y) = (place("x", Take::Elements), place("y", Take::Elements));
        let mut lines = Lines::default();
        lines.join(&x, second, b);
        lines.join(&x, first, a);
        lines.join(&y, second, b);
        lines.join(&place("x", Take::Members), third, c);
        lines.join(&Place::new(b"x", 7, Take::Elements), third, c);
        assert_eq!(lines.changed(b"x"), [a, c, c]);
        assert_eq!(lines.changed(b"y"), [b]);
        assert!(lines.changed(b"").is_empty());
        assert_eq!(lines.all(), [a, c, c, b]);
        assert!(lines.is_next(&x, first) && !lines.is_next(&x, second) && lines.is_next(&y, second));
        assert_eq!(lines.leave(&x, first), Some(b));
        assert_eq!(lines.changed(b"x"), [b, c, c]);
        lines.join(&x, first, a);
        assert_eq!(lines.leave(&x, second), None, "it was not its turn");
        assert_eq!((lines.leave(&x, first), lines.leave(&y, second)), (None, None));
        assert!(lines.changed(b"y").is_empty() && lines.arrive() < lines.arrive());
    }

    #[test]
    fn all_readers_of_a_stream_are_next() {
        let mut slab = Slab::default();
        let [a, b] = std::array::from_fn(|worker| Who { worker, seek: slab.insert(()) });
        let stream = Place::new(b"s", 0, Take::Entries);
        let mut lines = Lines::default();
        lines.join(&stream, Arrival(1), a);
        lines.join(&stream, Arrival(2), b);
        assert_eq!(lines.changed(b"s"), [a, b]);
        assert!(lines.is_next(&stream, Arrival(2)));
        assert_eq!((lines.leave(&stream, Arrival(1)), lines.leave(&stream, Arrival(2))), (None, None));
        assert!(lines.all().is_empty());
    }
}
