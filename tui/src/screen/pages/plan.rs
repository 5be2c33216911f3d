//! A plan: what was asked for, how far it is, the phases of its moves, what happened.

use redis_cluster::{cluster::topology::Phase, time::Millis};

use super::{Content, Known, Text};
use crate::{
    screen::{keymap::Context, text, theme::Role},
    session::view::{EventKind, PlanState},
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
        lines.push(line("keys", format!("{} copied", text::thousands(plan.keys_done))));
        let moves = known.view.moves().iter().filter(|one| one.plan == self.id);
        for one in moves {
            let slots: usize = one.slots.iter().map(|range| range.count()).sum();
            let held = one.hold_ms.map(|ms| format!("  held writes {ms} ms")).unwrap_or_default();
            lines.push(line(
                "move",
                format!(
                    "{} -> {}  {} {}  {}  since epoch {}{held}",
                    one.from,
                    one.to,
                    text::thousands(slots as u64),
                    text::plural(slots, "slot"),
                    phase(one.phase),
                    one.since
                ),
            ));
        }
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
