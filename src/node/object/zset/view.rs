//! Reading a sorted set, wherever it is.

use std::ops::Range;

use super::{Large, LexRange, Member, ScoreRange};
use crate::{
    node::object::{
        Element,
        listpack::Pack,
        pairs::{self, Pairs},
    },
    protocol::number,
};

/// A sorted set that is looked at, wherever it is.
#[derive(Clone, Copy, Debug)]
pub struct SortedSetRef<'a>(View<'a>);

#[derive(Clone, Copy, Debug)]
pub(super) enum View<'a> {
    Packed(Pack<'a>),
    Large(&'a Large),
}

impl<'a> From<View<'a>> for SortedSetRef<'a> {
    fn from(view: View<'a>) -> Self {
        Self(view)
    }
}

impl<'a> From<Pack<'a>> for SortedSetRef<'a> {
    fn from(pack: Pack<'a>) -> Self {
        Self(View::Packed(pack))
    }
}

/// The score that an element of a pack is.
pub(super) fn score_of(element: Element<'_>) -> f64 {
    match element {
        Element::Int(number) => number as f64,
        Element::Bytes(text) => number::parse_f64(text).unwrap_or(f64::NAN),
    }
}

impl<'a> SortedSetRef<'a> {
    /// Members.
    #[must_use]
    pub fn len(self) -> usize {
        match self.0 {
            View::Packed(pack) => pack.count() / 2,
            View::Large(large) => large.scores.len(),
        }
    }

    /// No member.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// What `OBJECT ENCODING` calls its form.
    #[must_use]
    pub fn encoding(self) -> &'static str {
        match self.0 {
            View::Packed(_) => "listpack",
            View::Large(_) => "skiplist",
        }
    }

    /// All of it, if it is one pack.
    #[must_use]
    pub fn pack(self) -> Option<Pack<'a>> {
        match self.0 {
            View::Packed(pack) => Some(pack),
            View::Large(_) => None,
        }
    }

    /// The score of a member.
    #[must_use]
    pub fn score(self, member: &[u8]) -> Option<f64> {
        match self.0 {
            View::Packed(pack) => {
                pairs::find(pack, Element::of(member)).map(|at| score_of(pairs::second(pack, at)))
            }
            View::Large(large) => large.scores.get(member).map(|member| member.score),
        }
    }

    /// How many members stand before this one, and its score.
    #[must_use]
    pub fn rank(self, member: &[u8]) -> Option<(usize, f64)> {
        match self.0 {
            View::Packed(pack) => {
                let wanted = Element::of(member);
                let found = Pairs::of(pack).enumerate().find(|(_, (name, _))| *name == wanted);
                found.map(|(rank, (_, score))| (rank, score_of(score)))
            }
            View::Large(large) => {
                let score = large.scores.get(member)?.score;
                Some((large.order.rank(score, member), score))
            }
        }
    }

    /// How many members a test holds for; it holds for a beginning of the order.
    fn count_before(self, is_before: impl Fn(f64, &[u8]) -> bool) -> usize {
        match self.0 {
            View::Packed(pack) => Pairs::of(pack)
                .take_while(|(name, score)| name.with(|name| is_before(score_of(*score), name)))
                .count(),
            View::Large(large) => {
                large.order.count_before(|member| is_before(member.score, member.name.as_bytes()))
            }
        }
    }

    /// The ranks of the members whose scores are in a range.
    #[must_use]
    pub fn ranks_by_score(self, range: &ScoreRange) -> Range<usize> {
        let start = self.count_before(|score, _| range.is_before(score));
        start..self.count_before(|score, _| !range.is_behind(score)).max(start)
    }

    /// The ranks of the members whose names are in a range; all scores are the same, else nobody knows which they are.
    #[must_use]
    pub fn ranks_by_name(self, range: &LexRange) -> Range<usize> {
        let start = self.count_before(|_, name| range.is_before(name));
        start..self.count_before(|_, name| !range.is_behind(name)).max(start)
    }

    /// Members with these ranks, in order or from the last to the first.
    #[must_use]
    pub fn range(
        self,
        ranks: Range<usize>,
        backwards: bool,
    ) -> Box<dyn Iterator<Item = (Element<'a>, f64)> + 'a> {
        let count = ranks.len();
        match self.0 {
            View::Packed(pack) => {
                let pairs = Pairs::of(pack).map(|(name, score)| (name, score_of(score)));
                let part = pairs.skip(ranks.start).take(count);
                if backwards {
                    let part: Vec<_> = part.collect();
                    Box::new(part.into_iter().rev())
                } else {
                    Box::new(part)
                }
            }
            View::Large(large) => {
                if backwards {
                    match ranks.end.checked_sub(1) {
                        Some(last) if count > 0 => {
                            Box::new(large.order.back_from(last).take(count).map(Member::pair))
                        }
                        _ => Box::new(std::iter::empty()),
                    }
                } else {
                    Box::new(large.order.forth_from(ranks.start).take(count).map(Member::pair))
                }
            }
        }
    }

    /// All members in order.
    #[must_use]
    pub fn iter(self) -> Box<dyn Iterator<Item = (Element<'a>, f64)> + 'a> {
        self.range(0..self.len(), false)
    }

    /// A member and its score that chance chooses.
    pub fn random<R>(self, show: impl FnOnce(Element<'_>, f64) -> R) -> Option<R> {
        match self.0 {
            View::Packed(pack) => {
                let count = pack.count();
                if count == 0 {
                    return None;
                }
                let at = pack.position(2 * fastrand::usize(..count / 2), count);
                Some(show(pack.get(at), score_of(pairs::second(pack, at))))
            }
            View::Large(large) => large.scores.random().map(|member| {
                let (name, score) = member.pair();
                show(name, score)
            }),
        }
    }

    /// Shows members from `cursor` on, about `count` of a large set and all of a small one; returns the cursor for the rest.
    pub fn scan(self, cursor: u64, count: usize, mut show: impl FnMut(Element<'_>, f64)) -> u64 {
        match self.0 {
            View::Large(large) => large.scores.scan(cursor, count, |member| {
                let (name, score) = member.pair();
                show(name, score);
            }),
            View::Packed(_) => {
                self.iter().for_each(|(name, score)| show(name, score));
                0
            }
        }
    }
}
