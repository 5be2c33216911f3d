//! Sorted sets: a listpack of members and scores in their order while they are few and short, else a table of scores beside a
//! tree of the order.
//!
//! Whatever is asked for by score, name or position is a range of ranks first.

mod moment;
mod order;
mod range;
#[cfg(test)]
mod tests;
mod view;

use std::ops::Range;

use moment::Moment;
pub use order::Member;
use order::Order;
pub use range::{LexBound, LexRange, ScoreBound, ScoreRange};
pub use view::SortedSetRef;
use view::{View, score_of};

use super::{
    Element, Small, Text,
    dict::{Dict, Entry},
    listpack::Listpack,
    moment::{Held, Show, Shown},
    pairs::{self, Pairs},
};
use crate::protocol::number;

/// Up to where a sorted set is one pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// `zset-max-listpack-entries`.
    pub members: usize,
    /// `zset-max-listpack-value`, bytes of a member.
    pub length: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { members: 128, length: 64 }
    }
}

/// A sorted set of one's own, to be changed. See the module.
#[derive(Clone, Debug)]
pub struct SortedSet(Form);

#[derive(Clone, Debug)]
enum Form {
    Packed(Listpack),
    Large(Box<Large>),
}

#[derive(Clone, Debug, Default)]
struct Large {
    scores: Dict<Member>,
    order: Order,
    moment: Held<Moment>,
}

impl Entry for Member {
    fn key(&self) -> &[u8] {
        self.name.as_bytes()
    }

    fn heap(&self) -> usize {
        self.name.heap()
    }
}

/// What became of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// It was not there.
    Added,
    /// It had another score.
    Changed,
    /// It had this score.
    Same,
}

impl Default for SortedSet {
    fn default() -> Self {
        Self(Form::Packed(Listpack::default()))
    }
}

impl PartialEq for SortedSet {
    /// The same members with the same scores, however they are kept.
    fn eq(&self, other: &Self) -> bool {
        let pairs =
            |set: &Self| set.view().iter().map(|(name, score)| (name.to_vec(), score)).collect::<Vec<_>>();
        self.len() == other.len() && pairs(self) == pairs(other)
    }
}

/// Whole scores below this stand in a pack as integers, as Redis has it.
const WHOLE: f64 = (i64::MAX / 2) as f64;

/// A score as it stands in a pack.
fn with_score<R>(score: f64, with: impl FnOnce(Element<'_>) -> R) -> R {
    if score.abs() <= WHOLE && score.fract() == 0.0 {
        return with(Element::Int(number::whole(score)));
    }
    with(Element::Bytes(number::format_double(score).as_bytes()))
}

impl From<Listpack> for SortedSet {
    fn from(pack: Listpack) -> Self {
        Self(Form::Packed(pack))
    }
}

impl SortedSet {
    /// Looks at it.
    #[must_use]
    pub fn view(&self) -> SortedSetRef<'_> {
        SortedSetRef::from(match &self.0 {
            Form::Packed(pack) => View::Packed(pack.view()),
            Form::Large(large) => View::Large(large),
        })
    }

    /// An empty one in memory that was something else's.
    #[must_use]
    pub fn new_in(memory: Vec<u8>) -> Self {
        Self::from(Listpack::new_in(memory))
    }

    /// A copy of a small one in memory that was something else's; `None` if that is no sorted set.
    #[must_use]
    pub fn copy_in(small: Small<'_>, memory: Vec<u8>) -> Option<Self> {
        match small {
            Small::SortedSet(pack) => Some(Self::from(Listpack::copy_in(pack, memory))),
            Small::List(_) | Small::Hash(_) | Small::Set(_) | Small::Integers(_) => None,
        }
    }

    /// It, if it is one pack.
    #[must_use]
    pub fn small(&self) -> Option<Small<'_>> {
        match &self.0 {
            Form::Packed(pack) => Some(Small::SortedSet(pack.view())),
            Form::Large(_) => None,
        }
    }

    /// Its memory, if it is one pack.
    #[must_use]
    pub fn into_memory(self) -> Option<Vec<u8>> {
        match self.0 {
            Form::Packed(pack) => Some(pack.into_bytes()),
            Form::Large(_) => None,
        }
    }

    /// Of a pack that came from elsewhere; `None` if it is no sorted set.
    #[must_use]
    pub fn of_pack(pack: Listpack, limits: Limits) -> Option<Self> {
        let mut last: Option<(f64, Vec<u8>)> = None;
        let in_order = Pairs::of(pack.view()).all(|(name, score)| {
            let this = (score_of(score), name.to_vec());
            let fits = !this.0.is_nan()
                && last.as_ref().is_none_or(|last| last.0 < this.0 || last.0 == this.0 && last.1 < this.1);
            last = Some(this);
            fits
        });
        if !pairs::is_well_formed(pack.view()) || !in_order {
            return None;
        }
        let small = pack.count() / 2 <= limits.members
            && Pairs::of(pack.view()).all(|(name, _)| name.text_len() <= limits.length);
        let mut set = Self(Form::Packed(pack));
        if !small {
            set.make_large();
        }
        Some(set)
    }

    /// Members.
    #[must_use]
    pub fn len(&self) -> usize {
        self.view().len()
    }

    /// No member: such a set is not kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Where what it holds begins, for prefetching.
    #[must_use]
    pub fn address(&self) -> *const u8 {
        match &self.0 {
            Form::Packed(pack) => pack.as_bytes().as_ptr(),
            Form::Large(large) => (&raw const **large).cast(),
        }
    }

    /// Bytes of memory beside the struct itself.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match &self.0 {
            Form::Packed(pack) => pack.capacity(),
            Form::Large(large) => size_of::<Large>() + large.scores.bytes() + large.order.bytes(),
        }
    }

    /// Gives a member a score, which is not NaN.
    pub fn put(&mut self, member: &[u8], score: f64, limits: Limits) -> Put {
        debug_assert!(!score.is_nan());
        if let Form::Packed(pack) = &mut self.0 {
            if let Some(at) = pairs::find(pack.view(), Element::of(member)) {
                if score_of(pairs::second(pack.view(), at)) == score {
                    return Put::Same;
                }
                pack.remove(at, 2);
                insert_packed(pack, member, score);
                return Put::Changed;
            }
            if pack.count() / 2 < limits.members && member.len() <= limits.length {
                insert_packed(pack, member, score);
                return Put::Added;
            }
            self.make_large();
        }
        let Form::Large(large) = &mut self.0 else { return Put::Same };
        let name = Text::from(member);
        match large.scores.change(member, |known| std::mem::replace(&mut known.score, score)) {
            Some(before) if before == score => Put::Same,
            Some(before) => {
                large.note_gone(before, &name);
                large.order.remove(before, member);
                large.insert(Member { score, name });
                Put::Changed
            }
            None => {
                large.scores.insert(Member { score, name: name.clone() });
                large.insert(Member { score, name });
                Put::Added
            }
        }
    }

    /// Takes a member out; its score if it was there.
    pub fn remove(&mut self, member: &[u8]) -> Option<f64> {
        match &mut self.0 {
            Form::Packed(pack) => {
                let at = pairs::find(pack.view(), Element::of(member))?;
                let score = score_of(pairs::second(pack.view(), at));
                pack.remove(at, 2);
                Some(score)
            }
            Form::Large(large) => {
                let member = large.scores.remove(member)?;
                large.note_gone(member.score, &member.name);
                large.order.remove(member.score, member.name.as_bytes());
                Some(member.score)
            }
        }
    }

    /// See [`moment`](super::moment), as for what follows.
    pub(super) fn can_have_moment(&self) -> bool {
        matches!(self.0, Form::Large(_))
    }

    pub(super) fn begin_moment(&mut self) {
        if let Form::Large(large) = &mut self.0 {
            large.moment.0 = Some(Box::default());
        }
    }

    pub(super) fn has_moment(&self) -> bool {
        matches!(&self.0, Form::Large(large) if large.moment.0.is_some())
    }

    pub(super) fn show_moment(&mut self, members: usize, show: Show<'_>) -> bool {
        let Form::Large(large) = &mut self.0 else { return true };
        large.show_moment(members, |member| show(Shown::Scored(member.name.as_bytes(), member.score)))
    }

    pub(super) fn forget_moment(&mut self) {
        if let Form::Large(large) = &mut self.0 {
            large.moment.0 = None;
        }
    }

    pub(super) fn moment_bytes(&self) -> usize {
        let Form::Large(large) = &self.0 else { return 0 };
        large.moment.0.as_ref().map_or(0, |moment| moment.bytes())
    }

    fn make_large(&mut self) {
        let mut large = Large::default();
        for (name, score) in self.view().iter() {
            let name = Text::of(name);
            large.scores.insert(Member { score, name: name.clone() });
            large.order.insert(Member { score, name });
        }
        self.0 = Form::Large(Box::new(large));
    }

    /// Takes out the members with these ranks; says how many those were.
    pub fn remove_ranks(&mut self, ranks: Range<usize>) -> usize {
        let count = ranks.end.min(self.len()).saturating_sub(ranks.start);
        if let Form::Packed(pack) = &mut self.0 {
            if count > 0 {
                let elements = pack.count();
                pack.remove(pack.position(2 * ranks.start, elements), 2 * count);
            }
            return count;
        }
        let gone: Vec<Vec<u8>> = self.view().range(ranks, false).map(|(name, _)| name.to_vec()).collect();
        for member in &gone {
            self.remove(member);
        }
        gone.len()
    }

    /// Takes the first member out, or the last.
    pub fn pop(&mut self, last: bool) -> Option<(Vec<u8>, f64)> {
        let rank = if last { self.len().checked_sub(1)? } else { 0 };
        let (name, score) =
            self.view().range(rank..rank + 1, false).next().map(|(name, score)| (name.to_vec(), score))?;
        self.remove_ranks(rank..rank + 1);
        Some((name, score))
    }
}

impl Member {
    fn pair(&self) -> (Element<'_>, f64) {
        (Element::Bytes(self.name.as_bytes()), self.score)
    }
}

/// Puts a member that is not there into its place.
fn insert_packed(pack: &mut Listpack, member: &[u8], score: f64) {
    let mut at = pack.first();
    while at < pack.end() {
        let other = score_of(pairs::second(pack.view(), at));
        if other > score || other == score && pack.get(at).with(|name| name > member) {
            break;
        }
        at = pack.next(pack.next(at));
    }
    pack.insert(at, Element::of(member));
    let behind = pack.next(at);
    with_score(score, |score| pack.insert(behind, score));
}
