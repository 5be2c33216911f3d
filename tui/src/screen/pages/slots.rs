//! Slots: stretches with owner, keys and how often they are asked for; a stretch opens into its slots, a slot into its keys.
//!
//! Nodes count keys. How often slots are asked for is what proxies tell of the requests they sample, so what is asked for seldom has no
//! figure.

use std::collections::BTreeMap;

use redis_cluster::{
    id::{NodeId, ProxyId},
    protocol::Value,
    slot::{SLOTS, SlotId, SlotRange},
    time::Millis,
};

use super::{
    Content, Kind, Known, Turn,
    ask::{Question, Topic},
    grid::{Cell, Column, Grid, Row, column},
    keys::KeysPage,
    listing::Listing,
    node::text_of,
};
use crate::{
    screen::{keymap::Context, text, theme::Role},
    session::{ClusterView, Target, passing},
};

/// Slots of a stretch.
const STRETCH: usize = 128;
/// Stretches that a node is asked about at once.
const AT_ONCE: usize = 16;
/// Counts are made anew after this time.
const OLD_MS: i64 = 5_000;
/// Between two looks at what passes through a proxy.
const PASSING_MS: i64 = 3_000;
/// Cells of the bar beside a count.
const BAR: usize = 30;

const COLUMNS: &[Column] = &[
    column("SLOTS", 11, false, 10),
    column("OWNER", 12, false, 9),
    column("STATE", 22, false, 5),
    column("KEYS", 13, true, 8),
    column("OPS/S", 8, true, 7),
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

/// What makes a slot hot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    Keys,
    Requests,
}

impl By {
    fn word(self) -> &'static str {
        match self {
            Self::Keys => "keys",
            Self::Requests => "op/s",
        }
    }
}

/// The page.
#[derive(Clone, Debug)]
pub struct SlotsPage {
    range: SlotRange,
    by: By,
    /// Requests a second, as each proxy sees them.
    rates: BTreeMap<ProxyId, BTreeMap<SlotId, f64>>,
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
        Self {
            range,
            by: By::Keys,
            rates: BTreeMap::new(),
            stretches: Listing::new(COLUMNS),
            keys: BTreeMap::new(),
            now: Millis(0),
        }
    }

    /// The slots that are shown.
    #[must_use]
    pub fn range(&self) -> SlotRange {
        self.range
    }

    /// How hot a slot of each stretch is in the mean, in order; `None`: not known.
    pub fn heat(&self) -> impl Iterator<Item = (SlotRange, Option<f64>)> {
        self.stretches.things().iter().map(|stretch| {
            (stretch.range, self.heat_of(stretch).map(|heat| heat / stretch.range.count() as f64))
        })
    }

    fn keys_of(&self, stretch: &Stretch) -> Option<u64> {
        self.keys.get(&stretch.range).map(|(keys, _)| *keys)
    }

    /// Requests a second through all proxies; `None`: none has told.
    fn rate_of(&self, stretch: &Stretch) -> Option<f64> {
        let range = stretch.range;
        let of_proxy = |rates: &BTreeMap<SlotId, f64>| -> f64 {
            rates.range(range.first()..=range.last()).map(|(_, rate)| rate).sum()
        };
        // A sum of nothing is -0 otherwise.
        (!self.rates.is_empty()).then(|| self.rates.values().fold(0.0, |sum, rates| sum + of_proxy(rates)))
    }

    fn heat_of(&self, stretch: &Stretch) -> Option<f64> {
        match self.by {
            By::Keys => self.keys_of(stretch).map(|keys| keys as f64),
            By::Requests => self.rate_of(stretch),
        }
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
        let heats = || stretches.iter().filter_map(|stretch| self.heat_of(stretch));
        let most = heats().fold(0.0, f64::max);
        let sum: f64 = heats().sum();
        let row = |stretch: Stretch| {
            let heat = self.heat_of(&stretch);
            let number = |keys: u64| Cell::number(keys as f64, text::thousands(keys));
            let rate = |rate: f64| Cell::number(rate, text::rate(rate));
            let share =
                |heat: f64| Cell::number(heat, format!("{:.1}%", heat * 100.0 / sum.max(f64::MIN_POSITIVE)));
            let bar = |heat: f64| {
                let cells = text::whole((heat * BAR as f64 / most.max(f64::MIN_POSITIVE)).ceil());
                Cell::number(heat, "#".repeat(usize::try_from(cells).unwrap_or(BAR).min(BAR)))
            };
            let range = String::from(stretch.range);
            let cells = vec![
                Cell::number(stretch.range.first().index() as f64, range.clone()),
                Cell::text(stretch.owner.as_ref().map(ToString::to_string).unwrap_or_default()),
                Cell::text(&stretch.state),
                self.keys_of(&stretch).map(number).unwrap_or_default(),
                self.rate_of(&stretch).map(rate).unwrap_or_default(),
                heat.map(share).unwrap_or_default(),
                heat.map(bar).unwrap_or_default(),
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
        let stretches = self.stretches.things();
        let counts = stretches.iter().filter_map(|stretch| self.keys_of(stretch));
        let (known, keys) = counts.fold((0, 0), |(known, sum), keys| (known + 1, sum + keys));
        let keys = format!("{} keys, {known} of {} counted", text::thousands(keys), stretches.len());
        let rates: Vec<f64> = stretches.iter().filter_map(|stretch| self.rate_of(stretch)).collect();
        let rate = match rates.as_slice() {
            [] => String::new(),
            rates => format!("  about {} op/s", text::rate(rates.iter().sum())),
        };
        format!("{keys}{rate}  heat by {}", self.by.word())
    }

    fn wants(&self, view: &ClusterView) -> Vec<(Topic, i64)> {
        let due = view.nodes.keys().filter(|id| !self.due(id).is_empty());
        let counts = due.map(|id| (Topic::Slots(id.clone()), 0));
        let rates = view.proxies.keys().map(|id| (Topic::Passing(id.clone()), PASSING_MS));
        counts.chain(rates).collect()
    }

    fn question(&self, topic: &Topic) -> Option<Question> {
        match topic {
            Topic::Slots(node) => Some(Question::count_keys(Target::Node(node.clone()), self.due(node))),
            Topic::Passing(proxy) => {
                Some(Question::one(Target::Proxy(proxy.clone()), &["INFO", passing::HOT_SLOTS]))
            }
            _ => None,
        }
    }

    fn take(&mut self, topic: &Topic, question: &Question, replies: Vec<Value>, now: Millis) {
        self.now = now;
        if let Topic::Passing(proxy) = topic {
            self.rates.insert(proxy.clone(), passing::slot_rates(&text_of(replies.first())));
        }
        for (range, reply) in question.ranges().iter().zip(&replies) {
            // A stock server does not count; it is not asked again and again.
            self.keys.insert(*range, (reply.as_i64().map_or(0, i64::unsigned_abs), now));
        }
        self.arrange(self.stretches.things().to_vec());
    }

    fn know(&mut self, known: Known<'_>) {
        self.now = known.now;
        self.rates.retain(|id, _| known.view.proxies.contains_key(id));
        let stretches = self.stretches(known.view);
        if stretches != self.stretches.things() {
            self.arrange(stretches);
        }
    }

    fn turn(&mut self, what: Turn) -> bool {
        if what == Turn::Look {
            self.by = match self.by {
                By::Keys => By::Requests,
                By::Requests => By::Keys,
            };
            self.arrange(self.stretches.things().to_vec());
        }
        false
    }

    fn context(&self) -> Context {
        Context::Slots
    }

    fn open(&mut self) -> Option<Kind> {
        let range = self.stretches.selected()?.range;
        Some(if range.count() == 1 {
            Kind::Keys(Box::new(KeysPage::of_slot(range.first())))
        } else {
            Kind::Slots(Box::new(Self { by: self.by, ..Self::of(range) }))
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
        // Heat is by keys, then by requests.
        let heat = |page: &SlotsPage, at: usize| {
            let row = page.stretches.grid().shown(at, 1).next().unwrap().clone();
            (row.cells[4].text.clone(), row.cells[5].text.clone(), row.cells[6].text.len())
        };
        assert_eq!(heat(&page, 15), (String::new(), "12.5%".to_owned(), BAR));
        let topic = Topic::Passing("p1".parse().unwrap());
        let question = page.question(&topic).unwrap();
        let told = "sampled_one_in:64\r\nsampled_over_ms:64000\r\nslots:0=30,1=10,128=40,16383=20\r\n";
        page.take(&topic, &question, vec![Value::Bulk(told.into())], sample::NOW);
        page.turn(Turn::Look);
        assert_eq!(heat(&page, 0), ("40".to_owned(), "40.0%".to_owned(), BAR));
        assert_eq!(heat(&page, 15), ("0".to_owned(), "0.0%".to_owned(), 0));
        assert!(page.status().ends_with("about 100 op/s  heat by op/s"), "{}", page.status());
        assert_eq!(page.heat().next().unwrap().1, Some(40.0 / 128.0));
        page.stretches.grid_mut().select(1);
        let Some(Kind::Slots(mut one)) = page.open() else { panic!("a stretch opens") };
        one.know(known);
        assert_eq!((one.title().as_str(), one.stretches.things().len()), ("slots 128-255", 128));
        let Some(Kind::Keys(keys)) = one.open() else { panic!("a slot opens") };
        assert_eq!(keys.title(), "keys of slot 128");
    }
}
