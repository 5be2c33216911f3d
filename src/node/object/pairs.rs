//! A listpack of pairs: field and value of a small hash, member and score of a small sorted set.

use super::{Element, listpack::Pack};

/// Where the pair begins whose first element this is.
pub(super) fn find(pack: Pack<'_>, wanted: Element<'_>) -> Option<usize> {
    let mut at = pack.first();
    while at < pack.end() {
        if pack.get(at) == wanted {
            return Some(at);
        }
        at = pack.next(pack.next(at));
    }
    None
}

/// The second element of the pair that begins at `at`.
pub(super) fn second(pack: Pack<'_>, at: usize) -> Element<'_> {
    pack.get(pack.next(at))
}

/// Pairs of a pack, in order.
#[derive(Clone, Debug)]
pub(super) struct Pairs<'a> {
    pack: Pack<'a>,
    at: usize,
}

impl<'a> Pairs<'a> {
    pub(super) fn of(pack: Pack<'a>) -> Self {
        Self { pack, at: pack.first() }
    }
}

impl<'a> Iterator for Pairs<'a> {
    type Item = (Element<'a>, Element<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.pack.end() {
            return None;
        }
        let behind = self.pack.next(self.at);
        let pair = (self.pack.get(self.at), self.pack.get(behind));
        self.at = self.pack.next(behind);
        Some(pair)
    }
}

/// Whether a pack that came from elsewhere is made of pairs whose first elements differ.
pub(super) fn is_well_formed(pack: Pack<'_>) -> bool {
    let count = pack.count();
    let mut seen = std::collections::HashSet::new();
    count > 0 && count.is_multiple_of(2) && Pairs::of(pack).all(|(first, _)| seen.insert(first.to_vec()))
}
