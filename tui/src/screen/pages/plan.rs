//! A plan: what was asked for, how far it is, the phases of its moves, what happened.

use redis_cluster::{
    cluster::{
        plan::{GivenUp, MoveRecord},
        topology::Phase,
    },
    time::Millis,
};

use super::{Content, Known, Text};
use crate::{
    screen::{keymap::Context, text, theme::Role},
    session::{
        headway::{Headway, headway},
        view::{EventKind, PlanState, PlanView},
    },
};

/// What a phase means to whoever watches.
#[must_use]
pub fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Planned => "planned",
        Phase::Frozen => "copying, writes held",
        Phase::Switched => "switched, writes held",
        Phase::Open => "open, cleaning up",
        Phase::Aborting => "aborting",
    }
}

/// What it has moved so far, and what that meant for writes.
fn figures(plan: &PlanView, so_far: &Headway) -> Vec<(&'static str, String)> {
    let time = |ms: i64| text::duration_us(ms.unsigned_abs().saturating_mul(1_000));
    let mut figures = Vec::new();
    if plan.gives_up {
        figures.push(("given up", GivenUp::describe(plan.given_up)));
    }
    let expected = plan.keys_expected.map(|keys| format!(" of about {}", text::thousands(keys)));
    let keys = format!("{} copied{}", text::thousands(so_far.keys), expected.unwrap_or_default());
    figures.push(("keys", keys));
    figures.push(("bytes", text::short_bytes(so_far.bytes)));
    figures.extend(
        so_far
            .keys_per_second
            .map(|rate| ("rate", format!("{} keys/s", text::short_count(text::whole(rate))))),
    );
    figures.extend(so_far.left_ms.map(|ms| ("left", text::age(ms))));
    figures.extend(
        so_far.longest_hold_ms.map(|ms| ("writes held", format!("{} at most, for one move", time(ms)))),
    );
    let aborted = match so_far.aborted {
        0 => String::new(),
        aborted => format!(", {aborted} given up and tried again"),
    };
    figures.push(("moves", format!("{} switched{aborted}", so_far.switched)));
    if so_far.switched > 0 {
        let counted = match so_far.counted {
            Some(keys) => {
                format!("{} given = taken, counted at both sides with writes held", counted(keys, "key"))
            }
            None => "not counted at both sides".to_owned(),
        };
        figures.push(("receipt", counted));
    }
    figures
}

/// A move as its journal has it.
fn told(record: &MoveRecord) -> (Role, String) {
    let slots: usize = record.slots.iter().map(|range| range.count()).sum();
    let mut told = format!(
        "{}  move {}  {} -> {}  {}  {}",
        text::clock(Millis(record.started_at_ms)),
        record.id,
        record.from,
        record.to,
        record.state,
        counted(slots as u64, "slot"),
    );
    if record.keys > 0 {
        told.push_str(&format!("  {} {}", counted(record.keys, "key"), text::short_bytes(record.bytes)));
    }
    if let Some(ended) = record.ended_at_ms {
        told.push_str(&format!("  took {} ms", ended - record.started_at_ms));
    }
    if let Some(held) = record.freeze_ms {
        told.push_str(&format!("  held {held} ms"));
    }
    if let Some(reason) = &record.reason {
        told.push_str(&format!("  {reason}"));
    }
    (if record.state == "aborted" { Role::Warning } else { Role::Text }, told)
}

/// The page.
#[derive(Clone, Debug)]
pub struct PlanPage {
    id: u64,
    text: Text,
}

impl PlanPage {
    /// Of a plan by its number.
    #[must_use]
    pub fn new(id: u64) -> Self {
        Self { id, text: Text::default() }
    }
}

impl Content for PlanPage {
    fn title(&self) -> String {
        format!("plan {}", self.id)
    }

    fn context(&self) -> Context {
        Context::Text
    }

    fn text(&self) -> Option<&Text> {
        Some(&self.text)
    }

    fn text_mut(&mut self) -> Option<&mut Text> {
        Some(&mut self.text)
    }

    fn know(&mut self, known: Known<'_>) {
        // Once it is told of no more, what was known of it last stays.
        let Some(plan) = known.view.plans.iter().find(|plan| plan.id == self.id) else { return };
        let line = |name: &str, value: String| (Role::Text, format!("{}{value}", text::left(name, 12)));
        let spent = |from: Millis, to: Millis| text::age((to.0 - from.0).max(0));
        let mut lines = vec![
            (Role::Title, plan.words.clone()),
            (Role::Text, String::new()),
            line("state", plan.state.word().to_owned()),
            line(
                "asked",
                format!("{} ({} ago)", text::clock(plan.asked_at), spent(plan.asked_at, known.now)),
            ),
        ];
        lines.push(match &plan.state {
            PlanState::Done => line("took", spent(plan.asked_at, plan.changed_at)),
            PlanState::Failed(why) => (Role::Bad, format!("{}{why}", text::left("failed", 12))),
            PlanState::Waiting => line("waiting", spent(plan.asked_at, known.now)),
            PlanState::Running => line("running", spent(plan.asked_at, known.now)),
        });
        lines.push(line(
            "slots",
            format!(
                "{} of {}",
                text::thousands(plan.slots_done as u64),
                text::thousands(plan.slots_total as u64)
            ),
        ));
        let so_far = headway(known.view, plan);
        lines.extend(figures(plan, &so_far).into_iter().map(|(name, value)| line(name, value)));
        let moves = known.view.moves().iter().filter(|one| one.plan == self.id);
        for one in moves {
            let slots: usize = one.slots.iter().map(|range| range.count()).sum();
            let held = one.hold_ms.map(|ms| format!("  writes held {ms} ms at most")).unwrap_or_default();
            let slots = counted(slots as u64, "slot");
            let (from, to, phase, since) = (&one.from, &one.to, phase(one.phase), one.since);
            lines.push(line("now", format!("{from} -> {to}  {slots}  {phase}  since epoch {since}{held}")));
        }
        lines.push((Role::Text, String::new()));
        let journal = known.view.journal.values().rev().filter(|record| record.plan.0 == self.id);
        lines.extend(journal.map(|record| told(record)));
        lines.push((Role::Text, String::new()));
        let about =
            |kind| matches!(kind, EventKind::Plan | EventKind::Move | EventKind::Slots | EventKind::Member);
        let until = if plan.state.is_final() { plan.changed_at.0 + 2_000 } else { i64::MAX };
        let events = known.view.events.iter().rev();
        let events =
            events.filter(|event| about(event.kind) && (plan.asked_at.0 - 2_000..=until).contains(&event.at));
        lines.extend(events.take(200).map(|event| {
            (super::events::role_of(event.kind), format!("{}  {}", text::clock(Millis(event.at)), event.text))
        }));
        self.text.lines = lines;
    }
}

/// `1 key`, `2,000 keys`.
fn counted(count: u64, word: &str) -> String {
    format!("{} {}", text::thousands(count), text::plural(count, word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screen::sample;

    #[test]
    fn figures_of_a_plan_and_the_journal_of_its_moves() {
        let view = sample::cluster();
        let mut page = PlanPage::new(3);
        page.know(Known {
            view: &view,
            transcript: &crate::screen::pages::transcript::Transcript::default(),
            now: sample::NOW,
        });
        let lines: Vec<&str> = page.text.lines.iter().map(|(_, line)| line.as_str()).collect();
        for expected in [
            "keys        67,246 copied of about 2,496,000",
            "writes held 190ms at most, for one move",
            "receipt     66,000 keys given = taken, counted at both sides with writes held",
            "now         2 -> 5  608 slots  copying, writes held  since epoch 117",
        ] {
            assert!(lines.contains(&expected), "{expected}: {lines:#?}");
        }
        let moves: Vec<&&str> = lines.iter().filter(|line| line.contains("  move ")).collect();
        assert!(
            moves[0].contains("move 7  2 -> 5  frozen  608 slots  1,246 keys"),
            "the newest first: {moves:#?}"
        );
        assert!(
            moves[1].contains("move 6  2 -> 5  done  84 slots  66,000 keys")
                && moves[1].ends_with("held 190 ms")
        );
    }
}
