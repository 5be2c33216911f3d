//! What a worker wants to hear of the nodes for its clients, and how much of it a node has confirmed. Pure: who says it to whom is the
//! worker's.
//!
//! Each name that is new has a number, greater than all before it. What is said to a node is confirmed in the order it was said, so
//! a node has heard of a name when nothing with this number or a smaller one is outstanding there.

use std::collections::{HashMap, VecDeque};

use crate::connection::channels::Kind;

/// Names by kind, with their numbers.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    names: [HashMap<Box<[u8]>, Want>; 3],
    last: u64,
}

#[derive(Debug)]
struct Want {
    since: u64,
    /// Clients that are subscribed to it, or are about to be.
    clients: usize,
    /// A node does not let this proxy subscribe to it; in its words.
    refused: Option<Vec<u8>>,
}

/// What became of a wish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Acquired {
    /// The number of the name.
    pub(super) since: u64,
    /// Nobody wanted it before: the nodes are to be told.
    pub(super) is_new: bool,
}

impl Wanted {
    /// One more client wants to hear it.
    pub(super) fn acquire(&mut self, kind: Kind, name: &[u8]) -> Acquired {
        if let Some(want) = self.names[kind as usize].get_mut(name) {
            want.clients += 1;
            return Acquired { since: want.since, is_new: false };
        }
        self.last += 1;
        let want = Want { since: self.last, clients: 1, refused: None };
        self.names[kind as usize].insert(name.into(), want);
        Acquired { since: self.last, is_new: true }
    }

    /// One client less does. True: nobody does any more.
    pub(super) fn release(&mut self, kind: Kind, name: &[u8]) -> bool {
        let names = &mut self.names[kind as usize];
        let Some(want) = names.get_mut(name) else { return false };
        want.clients -= 1;
        let is_last = want.clients == 0;
        if is_last {
            names.remove(name);
        }
        is_last
    }

    /// Nobody wants anything.
    pub(super) fn is_empty(&self) -> bool {
        self.names.iter().all(HashMap::is_empty)
    }

    /// All names of a kind.
    pub(super) fn names(&self, kind: Kind) -> impl Iterator<Item = &[u8]> {
        self.names[kind as usize].keys().map(|name| &**name)
    }

    /// The greatest number so far.
    pub(super) fn last(&self) -> u64 {
        self.last
    }

    /// A number greater than all before it, for something that is said beside names.
    pub(super) fn next(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    /// A node refused what was said under this number.
    pub(super) fn refuse(&mut self, since: u64, text: &[u8]) {
        let wants = self.names.iter_mut().flat_map(HashMap::values_mut);
        wants.filter(|want| want.since == since).for_each(|want| want.refused = Some(text.to_vec()));
    }

    /// Why a name is not heard, if a node has refused it.
    pub(super) fn refusal(&self, kind: Kind, name: &[u8]) -> Option<&[u8]> {
        self.names[kind as usize].get(name)?.refused.as_deref()
    }
}

/// What was said to one node on the connection that it has now, and is not confirmed; by number.
#[derive(Debug, Default)]
pub(super) struct Outstanding(VecDeque<u64>);

impl Outstanding {
    /// Of what is said once more on a new connection, all names together: nobody is confirmed before it.
    pub(super) const ALL: u64 = 0;

    /// Something is said.
    pub(super) fn said(&mut self, number: u64) {
        self.0.push_back(number);
    }

    /// The oldest of it is confirmed.
    pub(super) fn confirmed(&mut self) {
        self.0.pop_front();
    }

    /// The oldest of it.
    pub(super) fn oldest(&self) -> Option<u64> {
        self.0.front().copied()
    }

    /// Nothing is.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The connection is gone.
    pub(super) fn forget(&mut self) {
        self.0.clear();
    }

    /// The number from which on nothing is confirmed.
    pub(super) fn bound(&self) -> u64 {
        self.oldest().unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_client_and_the_last_one_make_the_difference() {
        let mut wanted = Wanted::default();
        assert_eq!(wanted.acquire(Kind::Channel, b"a"), Acquired { since: 1, is_new: true });
        assert_eq!(wanted.acquire(Kind::Pattern, b"a"), Acquired { since: 2, is_new: true });
        assert_eq!(wanted.acquire(Kind::Channel, b"a"), Acquired { since: 1, is_new: false });
        assert_eq!(wanted.names(Kind::Channel).collect::<Vec<_>>(), [b"a"]);
        assert!(!wanted.release(Kind::Channel, b"a"));
        assert!(wanted.release(Kind::Channel, b"a"));
        assert!(!wanted.release(Kind::Channel, b"a"), "nobody wanted it");
        assert!(!wanted.is_empty());
        assert!(wanted.release(Kind::Pattern, b"a"));
        assert!(wanted.is_empty());
        assert_eq!(wanted.acquire(Kind::Channel, b"a"), Acquired { since: 3, is_new: true });
    }

    #[test]
    fn a_refusal_is_of_all_names_that_were_said_together() {
        let mut wanted = Wanted::default();
        let [a, b] = [&b"a"[..], b"b"].map(|name| wanted.acquire(Kind::Shard, name).since);
        wanted.refuse(b, b"ERR no");
        assert_eq!(wanted.refusal(Kind::Shard, b"a"), None);
        assert_eq!(wanted.refusal(Kind::Shard, b"b"), Some(&b"ERR no"[..]));
        assert!(a < b);
    }

    #[test]
    fn what_is_confirmed_is_what_was_said_before_the_oldest_that_is_not() {
        let mut outstanding = Outstanding::default();
        assert_eq!(outstanding.bound(), u64::MAX);
        outstanding.said(4);
        outstanding.said(7);
        assert_eq!(outstanding.bound(), 4);
        outstanding.confirmed();
        assert_eq!(outstanding.bound(), 7);
        outstanding.forget();
        assert!(outstanding.is_empty());
        // On a new connection all has to be said again.
        outstanding.said(Outstanding::ALL);
        outstanding.said(8);
        assert_eq!(outstanding.bound(), 0);
    }
}
