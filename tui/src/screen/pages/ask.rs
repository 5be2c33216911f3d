//! When a page asks: each topic again after its time, one question of a topic at a time, and never more commands a second
//! than [`RATE`]. Time comes from outside.

use std::collections::BTreeMap;

use redis_cluster::{id::NodeId, time::Millis};

use crate::session::Target;

/// Commands a second that an open page sends to the cluster at most; a page that is not on top sends none.
pub const RATE: i64 = 100;
/// Figures whose answer takes long are asked for less often: an answer may be under way for this part of the time.
const PAUSE_FACTOR: i64 = 20;
/// The same while the terminal has lost the focus.
pub const UNFOCUSED_FACTOR: i64 = 5;

/// What a question is about, within its page.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Topic {
    /// What the page is about.
    Main,
    /// `CLIENT LIST`.
    Clients,
    /// `SLOWLOG GET`, of one node.
    SlowLog(NodeId),
    /// `CONFIG GET`.
    Config,
    /// `INFO commandstats latencystats`.
    Commands,
    /// The next part of a scan.
    Scan,
    /// Type, TTL, size of keys on the screen.
    Details,
    /// A window of a value.
    Value,
    /// How many there are.
    Count,
}

/// Commands for somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// For whom.
    pub target: Target,
    /// Sent together.
    pub commands: Vec<Vec<Vec<u8>>>,
}

impl Question {
    /// One command.
    #[must_use]
    pub fn one(target: Target, words: &[&str]) -> Self {
        Self { target, commands: vec![command(words)] }
    }
}

/// A command of plain words.
#[must_use]
pub fn command(words: &[&str]) -> Vec<Vec<u8>> {
    words.iter().map(|word| word.as_bytes().to_vec()).collect()
}

/// Why there is no answer, and since when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// The first failure of this outage.
    pub since: Millis,
    /// The last reason.
    pub error: String,
}

/// How far the asking about a topic is.
#[derive(Clone, Debug, Default)]
struct State {
    asked: Option<(u64, Millis)>,
    due: Millis,
    heard_at: Option<Millis>,
    trouble: Option<Trouble>,
}

/// The topics of a page.
#[derive(Clone, Debug, Default)]
pub struct Asks {
    states: BTreeMap<Topic, State>,
    /// When the next command may be sent.
    open_at: Millis,
}

impl Asks {
    /// Milliseconds until a topic may be asked about; `None` while an answer is awaited.
    #[must_use]
    pub fn due_in(&self, topic: &Topic, now: Millis) -> Option<i64> {
        let due = match self.states.get(topic) {
            Some(state) if state.asked.is_some() => return None,
            Some(state) => state.due,
            None => Millis(0),
        };
        Some((due.0.max(self.open_at.0) - now.0).max(0))
    }

    /// A question of so many commands goes out.
    pub fn asked(&mut self, topic: Topic, serial: u64, commands: usize, now: Millis) {
        let cost = i64::try_from(commands).unwrap_or(i64::MAX).saturating_mul(1_000) / RATE;
        self.open_at = Millis(self.open_at.0.max(now.0).saturating_add(cost));
        self.states.entry(topic).or_default().asked = Some((serial, now));
    }

    /// What a question that waits for its answer is about.
    #[must_use]
    pub fn topic_of(&self, serial: u64) -> Option<Topic> {
        let waits = |state: &State| state.asked.is_some_and(|(asked, _)| asked == serial);
        self.states.iter().find(|(_, state)| waits(state)).map(|(topic, _)| topic.clone())
    }

    /// An answer to a question came: its topic, unless nobody waits for it any more.
    pub fn answered(
        &mut self,
        serial: u64,
        error: Option<&str>,
        every_ms: i64,
        now: Millis,
    ) -> Option<Topic> {
        let (topic, state) = self
            .states
            .iter_mut()
            .find(|(_, state)| state.asked.is_some_and(|(asked, _)| asked == serial))?;
        let took = state.asked.take().map_or(0, |(_, at)| (now.0 - at.0).max(0));
        state.due = Millis(now.0 + every_ms.max(took.saturating_mul(PAUSE_FACTOR)));
        match error {
            None => (state.heard_at, state.trouble) = (Some(now), None),
            Some(error) => {
                let since = state.trouble.as_ref().map_or(now, |trouble| trouble.since);
                state.trouble = Some(Trouble { since, error: error.to_owned() });
            }
        }
        Some(topic.clone())
    }

    /// Everything is asked about again as soon as it may be.
    pub fn refresh(&mut self) {
        for state in self.states.values_mut() {
            state.due = Millis(0);
        }
    }

    /// What was heard about a topic is out of date, and so is an answer under way.
    pub fn forget(&mut self, topic: &Topic) {
        self.states.remove(topic);
    }

    /// When a topic was last heard about.
    #[must_use]
    pub fn heard_at(&self, topic: &Topic) -> Option<Millis> {
        self.states.get(topic)?.heard_at
    }

    /// Why a topic has no answer now.
    #[must_use]
    pub fn trouble(&self, topic: &Topic) -> Option<&Trouble> {
        self.states.get(topic)?.trouble.as_ref()
    }

    /// All troubles.
    pub fn troubles(&self) -> impl Iterator<Item = (&Topic, &Trouble)> {
        self.states.iter().filter_map(|(topic, state)| Some((topic, state.trouble.as_ref()?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_commands_go_out_in_a_second_than_the_rate_however_fast_answers_come() {
        let mut asks = Asks::default();
        let (mut sent, mut serial) = (0, 0);
        for ms in 0..10_000 {
            let now = Millis(1_000_000 + ms);
            for topic in [Topic::Scan, Topic::Details] {
                if asks.due_in(&topic, now) == Some(0) {
                    serial += 1;
                    let commands = if topic == Topic::Scan { 1 } else { 40 };
                    asks.asked(topic, serial, commands, now);
                    sent += commands;
                    asks.answered(serial, None, 0, now);
                }
            }
        }
        let most = usize::try_from(RATE).unwrap() * 10 + 40;
        assert!((900..=most).contains(&sent), "{sent}");
    }

    #[test]
    fn an_answer_that_takes_long_is_asked_for_seldom_and_an_outage_has_one_beginning() {
        let mut asks = Asks::default();
        asks.asked(Topic::Main, 1, 1, Millis(1_000));
        assert_eq!(asks.due_in(&Topic::Main, Millis(60_000)), None, "one at a time");
        assert_eq!(asks.answered(1, None, 1_000, Millis(1_500)), Some(Topic::Main));
        assert_eq!(asks.due_in(&Topic::Main, Millis(1_500)), Some(10_000));
        for (serial, at) in [(2, 12_000), (3, 15_000)] {
            asks.asked(Topic::Main, serial, 1, Millis(at));
            asks.answered(serial, Some("no answer"), 1_000, Millis(at));
        }
        assert_eq!(asks.trouble(&Topic::Main).unwrap().since, Millis(12_000));
        assert_eq!(asks.heard_at(&Topic::Main), Some(Millis(1_500)));
        assert_eq!(asks.answered(2, None, 0, Millis(20_000)), None, "nobody waits for that one");
    }
}
