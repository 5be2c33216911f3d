//! A large sorted set as it was at a moment, shown from the last member on. Behind the place that this has come to, changes are of no
//! matter; before it, members that go are put by, and those that come are passed over.

use std::{cmp::Ordering, collections::BTreeSet};

use super::{Large, Text, order::Member};

/// What a member that is put by takes beside its name, about.
const PER_MEMBER: usize = 64;

/// A member in the order.
#[derive(Clone, Debug)]
struct Placed(Member);

impl Ord for Placed {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.cmp(other.0.score, other.0.name.as_bytes())
    }
}

impl PartialOrd for Placed {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Placed {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Placed {}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Moment {
    /// The last that was shown.
    shown_to: Option<Placed>,
    /// Members that are not there any more, all before it.
    gone: BTreeSet<Placed>,
    /// Members that were not there, all before it.
    come: BTreeSet<Placed>,
}

impl Moment {
    fn was_shown(&self, member: &Placed) -> bool {
        self.shown_to.as_ref().is_some_and(|shown_to| member >= shown_to)
    }

    fn comes(&mut self, member: Placed) {
        if !self.was_shown(&member) && !self.gone.remove(&member) {
            self.come.insert(member);
        }
    }

    fn goes(&mut self, member: Placed) {
        if !self.was_shown(&member) && !self.come.remove(&member) {
            self.gone.insert(member);
        }
    }

    pub(super) fn bytes(&self) -> usize {
        let heap = |members: &BTreeSet<Placed>| -> usize {
            members.iter().map(|member| PER_MEMBER + member.0.name.heap()).sum()
        };
        heap(&self.gone) + heap(&self.come)
    }
}

impl Large {
    /// Puts a member into the order that is not there.
    pub(super) fn insert(&mut self, member: Member) {
        if let Some(moment) = &mut self.moment.0 {
            moment.comes(Placed(member.clone()));
        }
        self.order.insert(member);
    }

    /// A member is about to be taken out of the order.
    #[inline]
    pub(super) fn note_gone(&mut self, score: f64, name: &Text) {
        if let Some(moment) = &mut self.moment.0 {
            moment.goes(Placed(Member { score, name: name.clone() }));
        }
    }

    /// Shows so many members of the moment that were not shown yet. True: that was its end.
    pub(super) fn show_moment(&mut self, members: usize, mut show: impl FnMut(&Member)) -> bool {
        let Some(moment) = self.moment.0.as_deref_mut() else { return true };
        let end = moment.shown_to.as_ref().map_or(self.scores.len(), |shown_to| {
            self.order.rank(shown_to.0.score, shown_to.0.name.as_bytes())
        });
        let mut there =
            end.checked_sub(1).map(|last| self.order.back_from(last)).into_iter().flatten().peekable();
        for _ in 0..members.max(1) {
            let is_gone_next = match (there.peek(), moment.gone.last()) {
                (Some(member), Some(gone)) => gone.0.cmp(member.score, member.name.as_bytes()).is_gt(),
                (None, Some(_)) => true,
                (_, None) => false,
            };
            let member = if is_gone_next {
                moment.gone.pop_last()
            } else {
                there.next().map(|member| Placed(member.clone()))
            };
            let Some(member) = member else {
                self.moment.0 = None;
                return true;
            };
            if is_gone_next || !moment.come.remove(&member) {
                show(&member.0);
            }
            moment.shown_to = Some(member);
        }
        false
    }
}
