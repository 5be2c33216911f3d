//! Slots: stretches with owner and keys; a stretch opens into its slots, a slot into its keys.

use std::collections::BTreeMap;

use redis_cluster::{
    id::NodeId,
    protocol::Value,
    slot::{SLOTS, SlotId, SlotRange},
    time::Millis,
};

use super::{
    Content, Kind, Known,
    ask::{Question, Topic},
    grid::{Cell, Column, Grid, Row, column},
    keys::KeysPage,
    listing::Listing,
};
use crate::{
    screen::{text, theme::Role},
    session::{ClusterView, Target},
};

/// Slots of a stretch.
const STRETCH: usize = 128;
/// Stretches that a node is asked about at once.
const AT_ONCE: usize = 16;
/// Counts are made anew after this time.
const OLD_MS: i64 = 5_000;
/// Cells of the bar beside a count.
const BAR: usize = 30;

const COLUMNS: &[Column] = &[
    column("SLOTS", 11, false, 10),
    column("OWNER", 12, false, 9),
    column("STATE", 22, false, 5),
    column("KEYS", 13, true, 8),
    column("SHARE", 6, true, 4),
    column("HEAT", 40, false, 3),
];

/// Slots next to each other, of one owner.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stretch {
    range: SlotRange,
    owner: Option<NodeId>,
    state: String,
}

/// The page.
#[derive(Clone, Debug)]
pub struct SlotsPage {
    range: SlotRange,
    stretches: Listing<Stretch>,
    keys: BTreeMap<SlotRange, (u64, Millis)>,
    now: Millis,
}

impl Default for SlotsPage {
    fn default() -> Self {
        Self::of(
            SlotRange::cover(SlotId::all()).into_iter().next().unwrap_or_else(|| SlotId::of_key(b"").into()),
        )
    }
}

impl SlotsPage {
    /// Of a part of the slots.
    #[must_use]
    pub fn of(range: SlotRange) -> Self {
        Self { range, stretches: Listing::new(COLUMNS), keys: BTreeMap::new(), now: Millis(0) }
    }

    /// Keys of each stretch, in order; `None`: not counted yet.
    pub fn heat(&self) -> impl Iterator<Item = (SlotRange, Option<u64>)> {
        self.stretches
            .things()
            .iter()
            .map(|stretch| (stretch.range, self.keys.get(&stretch.range).map(|(keys, _)| *keys)))
    }

    fn stretches(&self, view: &ClusterView) -> Vec<Stretch> {
        let step = if self.range.count() > STRETCH { STRETCH } else { 1 };
        let mut stretches: Vec<Stretch> = Vec::new();
        for slot in self.range.iter() {
            let owner = view.owner_of(slot);
            let moving = view
                .moves()
                .iter()
                .find(|one| one.slots.iter().any(|range| (range.first()..=range.last()).contains(&slot)));
            let state = match (moving, owner.map(|owner| view.nodes.get(owner))) {
                (_, None) => "no owner".to_owned(),
                (_, Some(node)) if node.is_none_or(|node| node.error.is_some()) => "owner down".to_owned(),
                (Some(one), _) => format!("moving to {}", one.to),
                (None, _) => String::new(),
            };
            match stretches.last_mut() {
                Some(last)
                    if last.owner.as_ref() == owner && last.state == state && slot.index() % step != 0 =>
                {
                    last.range = SlotRange::new(last.range.first(), slot).unwrap_or(last.range);
                }
                _ => stretches.push(Stretch { range: slot.into(), owner: owner.cloned(), state }),
            }
        }
        stretches
    }

    fn arrange(&mut self, stretches: Vec<Stretch>) {
        let keys_of = |stretch: &Stretch| self.keys.get(&stretch.range).map(|(keys, _)| *keys);
        let most = stretches.iter().filter_map(keys_of).max().unwrap_or(0);
        let sum: u64 = stretches.iter().filter_map(keys_of).sum();
        let row = |stretch: Stretch| {
            let keys = keys_of(&stretch);
            let number = |keys: u64| Cell::number(keys as f64, text::thousands(keys));
            let share = |keys: u64| {
                Cell::number(keys as f64, format!("{:.1}%", keys as f64 * 100.0 / sum.max(1) as f64))
            };
            let bar = |keys: u64| {
                let cells = (keys as u128 * BAR as u128).div_ceil(u128::from(most.max(1)));
                Cell::number(keys as f64, "#".repeat(usize::try_from(cells).unwrap_or(BAR)))
            };
            let range = String::from(stretch.range);
            let cells = vec![
                Cell::number(stretch.range.first().index() as f64, range.clone()),
                Cell::text(stretch.owner.as_ref().map(ToString::to_string).unwrap_or_default()),
                Cell::text(&stretch.state),
                keys.map(number).unwrap_or_default(),
                keys.map(share).unwrap_or_default(),
                keys.map(bar).unwrap_or_default(),
            ];
            let role = match stretch.state.as_str() {
                "" => Role::Text,
                "no owner" | "owner down" => Role::Bad,
                _ => Role::Warning,
            };
            (stretch, Row { role, ..Row::new(range, cells) })
        };
        let rows: Vec<_> = stretches.into_iter().map(row).collect();
        self.stretches.set(rows);
    }

    /// Stretches of one node that are not counted, or were too long ago.
    fn due(&self, node: &NodeId) -> Vec<SlotRange> {
        let is_due = |stretch: &&Stretch| {
            stretch.owner.as_ref() == Some(node)
                && self.keys.get(&stretch.range).is_none_or(|(_, at)| self.now.0 - at.0 > OLD_MS)
        };
        self.stretches.things().iter().filter(is_due).map(|stretch| stretch.range).take(AT_ONCE).collect()
    }
}

impl Content for SlotsPage {
    fn title(&self) -> String {
        if self.range.count() == SLOTS {
            "slots".to_owned()
        } else {
            format!("slots {}", String::from(self.range))
        }
    }

    fn grid(&self) -> Option<&Grid> {
        Some(self.stretches.grid())
    }

    fn grid_mut(&mut self) -> Option<&mut Grid> {
        Some(self.stretches.grid_mut())
    }

    fn status(&self) -> String {
        let (known, keys) = self
            .heat()
            .filter_map(|(_, keys)| keys)
            .fold((0, 0), |(known, sum), keys| (known + 1, sum + keys));
        format!("{} keys, {known} of {} counted", text::thousands(keys), self.stretches.things().len())
    }

    fn wants(&self, view: &ClusterView) -> Vec<(Topic, i64)> {
        let due = view.nodes.keys().filter(|id| !self.due(id).is_empty());
        due.map(|id| (Topic::Slots(id.clone()), 0)).collect()
    }

    fn question(&self, topic: &Topic) -> Option<Question> {
        let Topic::Slots(node) = topic else { return None };
        Some(Question::count_keys(Target::Node(node.clone()), self.due(node)))
    }

    fn take(&mut self, _topic: &Topic, question: &Question, replies: Vec<Value>, now: Millis) {
        self.now = now;
        for (range, reply) in question.ranges().iter().zip(&replies) {
            // A stock server does not count; it is not asked again and again.
            self.keys.insert(*range, (reply.as_i64().map_or(0, i64::unsigned_abs), now));
        }
        self.arrange(self.stretches.things().to_vec());
    }

    fn know(&mut self, known: Known<'_>) {
        self.now = known.now;
        let stretches = self.stretches(known.view);
        if stretches != self.stretches.things() {
            self.arrange(stretches);
        }
    }

    fn open(&mut self) -> Option<Kind> {
        let range = self.stretches.selected()?.range;
        Some(if range.count() == 1 {
            Kind::Keys(Box::new(KeysPage::of_slot(range.first())))
        } else {
            Kind::Slots(Box::new(Self::of(range)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screen::{pages::transcript::Transcript, sample};

    #[test]
    fn stretches_have_one_owner_and_open_into_slots_and_keys() {
        let view = sample::cluster();
        let transcript = Transcript::default();
        let known = Known { view: &view, transcript: &transcript, now: sample::NOW };
        let mut page = SlotsPage::default();
        page.know(known);
        // 128, and the borders of owners and of what moves within them.
        assert!((128..140).contains(&page.stretches.things().len()), "{}", page.stretches.things().len());
        assert_eq!(page.stretches.things().iter().map(|stretch| stretch.range.count()).sum::<usize>(), SLOTS);
        assert!(page.stretches.things().iter().any(|stretch| stretch.state == "moving to 5"));
        let node: NodeId = "1".parse().unwrap();
        let topic = Topic::Slots(node.clone());
        let question = page.question(&topic).unwrap();
        assert_eq!(question.ranges().len(), AT_ONCE);
        let counts = (0..16).map(|count| Value::Integer(count * 100)).collect();
        page.take(&topic, &question, counts, sample::NOW);
        assert!(page.status().starts_with("12,000 keys, 16 of"), "{}", page.status());
        assert_ne!(page.question(&topic).unwrap().ranges(), question.ranges(), "the next ones");
        page.stretches.grid_mut().select(1);
        let Some(Kind::Slots(mut one)) = page.open() else { panic!("a stretch opens") };
        one.know(known);
        assert_eq!((one.title().as_str(), one.stretches.things().len()), ("slots 128-255", 128));
        let Some(Kind::Keys(keys)) = one.open() else { panic!("a slot opens") };
        assert_eq!(keys.title(), "keys of slot 128");
    }
}
