//! When a page asks: each topic again after its time, one question of a topic at a time, and never more commands a second
//! than [`RATE`]. Time comes from outside.

use std::collections::BTreeMap;

use redis_cluster::{
    id::{NodeId, ProxyId},
    protocol::Value,
    slot::SlotRange,
    time::Millis,
};

use crate::session::{ClusterView, Target, past::AuditTail};

/// Commands a second that an open page sends to the cluster at most; a page that is not on top sends none.
pub const RATE: i64 = 200;
/// Figures whose answer takes long are asked for less often: an answer may be under way for this part of the time.
const PAUSE_FACTOR: i64 = 20;
/// Topics that are asked about so seldom are figures that replace one another.
const REPEATED_MS: i64 = 1_000;
/// So many times less often while the terminal has lost the focus.
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
    /// Keys of slots of a node.
    Slots(NodeId),
    /// What passed through a proxy.
    Passing(ProxyId),
}

/// What somebody is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Commands, sent together; each has a reply.
    Commands(Vec<Vec<Vec<u8>>>),
    /// How many keys a node has in each of these ranges; each has a number.
    CountKeys(Vec<SlotRange>),
    /// The registry for its audit log.
    Audit,
    /// The registry for members and routing at a revision.
    AsOf(u64),
}

/// What somebody said.
#[derive(Clone, Debug, PartialEq)]
pub enum Heard {
    /// Replies, one for each command or range.
    Replies(Vec<Value>),
    /// Of the registry.
    Past(Past),
}

/// What the registry knows of the past.
#[derive(Clone, Debug, PartialEq)]
pub enum Past {
    /// The newest lines of the audit log.
    Audit(AuditTail),
    /// The cluster at a revision; `None`: it no longer knows.
    AsOf(u64, Option<Box<ClusterView>>),
}

/// A request for somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// For whom; of no meaning where it is the registry.
    pub target: Target,
    /// What.
    pub request: Request,
}

impl Question {
    /// Some commands.
    #[must_use]
    pub fn of(target: Target, commands: Vec<Vec<Vec<u8>>>) -> Self {
        Self { target, request: Request::Commands(commands) }
    }

    /// One command.
    #[must_use]
    pub fn one(target: Target, words: &[&str]) -> Self {
        Self::of(target, vec![command(words)])
    }

    /// Keys of ranges.
    #[must_use]
    pub fn count_keys(target: Target, ranges: Vec<SlotRange>) -> Self {
        Self { target, request: Request::CountKeys(ranges) }
    }

    /// Something of the past.
    #[must_use]
    pub fn past(request: Request) -> Self {
        Self { target: Target::Cluster, request }
    }

    /// Its commands.
    #[must_use]
    pub fn commands(&self) -> &[Vec<Vec<u8>>] {
        match &self.request {
            Request::Commands(commands) => commands,
            Request::CountKeys(_) | Request::Audit | Request::AsOf(_) => &[],
        }
    }

    /// Its ranges.
    #[must_use]
    pub fn ranges(&self) -> &[SlotRange] {
        match &self.request {
            Request::CountKeys(ranges) => ranges,
            Request::Commands(_) | Request::Audit | Request::AsOf(_) => &[],
        }
    }

    /// What it costs: each command, each range, each look into the registry.
    #[must_use]
    pub fn cost(&self) -> usize {
        match &self.request {
            Request::Commands(commands) => commands.len(),
            Request::CountKeys(ranges) => ranges.len(),
            Request::Audit | Request::AsOf(_) => 1,
        }
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

/// A question under way.
#[derive(Clone, Debug)]
struct Asked {
    serial: u64,
    at: Millis,
    question: Question,
}

/// How far the asking about a topic is.
#[derive(Clone, Debug, Default)]
struct State {
    asked: Option<Asked>,
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

    /// A question goes out.
    pub fn asked(&mut self, topic: Topic, serial: u64, question: Question, now: Millis) {
        let cost = i64::try_from(question.cost()).unwrap_or(i64::MAX).saturating_mul(1_000) / RATE;
        self.open_at = Millis(self.open_at.0.max(now.0).saturating_add(cost));
        self.states.entry(topic).or_default().asked = Some(Asked { serial, at: now, question });
    }

    /// What a question that waits for its answer is about.
    #[must_use]
    pub fn topic_of(&self, serial: u64) -> Option<Topic> {
        let waits = |state: &State| state.asked.as_ref().is_some_and(|asked| asked.serial == serial);
        self.states.iter().find(|(_, state)| waits(state)).map(|(topic, _)| topic.clone())
    }

    /// An answer about a topic came, to this question; `None`: nobody waits for it any more.
    pub fn answered(
        &mut self,
        topic: &Topic,
        error: Option<&str>,
        every_ms: i64,
        now: Millis,
    ) -> Option<Question> {
        let state = self.states.get_mut(topic)?;
        let Asked { at, question, .. } = state.asked.take()?;
        let took = (now.0 - at.0).max(0);
        // What is asked once, part by part, is over the sooner; the rate is its limit.
        let factor = if every_ms >= REPEATED_MS { PAUSE_FACTOR } else { 1 };
        state.due = Millis(now.0 + every_ms.max(took.saturating_mul(factor)));
        match error {
            None => (state.heard_at, state.trouble) = (Some(now), None),
            Some(error) => {
                let since = state.trouble.as_ref().map_or(now, |trouble| trouble.since);
                state.trouble = Some(Trouble { since, error: error.to_owned() });
            }
        }
        Some(question)
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

    fn question(commands: usize) -> Question {
        Question::of(Target::Cluster, vec![command(&["PING"]); commands])
    }

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
                    asks.asked(topic.clone(), serial, question(commands), now);
                    sent += commands;
                    asks.answered(&topic, None, 0, now);
                }
            }
        }
        let most = usize::try_from(RATE).unwrap() * 10;
        assert!((most * 9 / 10..=most + 40).contains(&sent), "{sent}");
    }

    #[test]
    fn an_answer_that_takes_long_is_asked_for_seldom_and_an_outage_has_one_beginning() {
        let mut asks = Asks::default();
        asks.asked(Topic::Main, 1, question(1), Millis(1_000));
        assert_eq!(asks.due_in(&Topic::Main, Millis(60_000)), None, "one at a time");
        assert_eq!(asks.topic_of(1), Some(Topic::Main));
        assert_eq!(asks.answered(&Topic::Main, None, 1_000, Millis(1_500)), Some(question(1)));
        assert_eq!(asks.due_in(&Topic::Main, Millis(1_500)), Some(10_000));
        for (serial, at) in [(2, 12_000), (3, 15_000)] {
            asks.asked(Topic::Main, serial, question(1), Millis(at));
            asks.answered(&Topic::Main, Some("no answer"), 1_000, Millis(at));
        }
        assert_eq!(asks.trouble(&Topic::Main).unwrap().since, Millis(12_000));
        assert_eq!(asks.heard_at(&Topic::Main), Some(Millis(1_500)));
        assert_eq!(asks.topic_of(2), None, "nobody waits for that one");
    }
}
