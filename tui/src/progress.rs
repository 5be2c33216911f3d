//! What a long command is doing, on stderr: a line that is redrawn on a terminal, a line every few seconds elsewhere.

use std::{future::Future, time::Duration};

use redis_cluster::time::Millis;

use crate::{
    format::counted,
    output::Output,
    session::{ClusterView, Outcome, Session, view::Health},
};

/// Between two lines where stderr is not a terminal.
const QUIET_INTERVAL: Duration = Duration::from_secs(5);
/// Between two drawings on a terminal.
const LIVE_INTERVAL: Duration = Duration::from_millis(200);

/// Waits for a command of ours and tells how far it, or its plan, is.
pub async fn follow(
    session: &Session,
    output: &mut Output,
    command: impl Future<Output = Outcome>,
) -> Outcome {
    let live = output.can_redraw();
    let period = if live { LIVE_INTERVAL } else { QUIET_INTERVAL };
    let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + period, period);
    tokio::pin!(command);
    let mut view = session.view();
    let mut told = false;
    loop {
        tokio::select! {
            biased;
            outcome = &mut command => return outcome,
            Ok(_) = view.wait_for(|view| view.drives_here), if !told => {
                told = true;
                output.message("no proxy is alive: this console carries the plan out itself, as long as it waits");
            }
            _ = ticks.tick() => {
                if let Some(line) = describe(&session.now(), Millis::now()) {
                    if live { output.live(&line) } else { output.message(&line) }
                }
            }
        }
    }
}

/// One line about what is under way.
#[must_use]
pub fn describe(view: &ClusterView, now: Millis) -> Option<String> {
    let seconds = |since: Millis| (now.0 - since.0).max(0) / 1000;
    if let Health::Down { since, error, refused } = &view.registry.health {
        let what = if *refused { "does not let us in" } else { "does not answer" };
        return Some(format!("the registry {what} since {} s: {error}", seconds(*since)));
    }
    if let Some(transfer) = view.transfer.as_ref().filter(|transfer| !transfer.ended) {
        return Some(transfer.line(now));
    }
    let plan = view.plans.iter().find(|plan| !plan.state.is_final())?;
    let percent = (plan.slots_done * 100).checked_div(plan.slots_total).unwrap_or(0);
    let mut line = format!(
        "plan {} `{}` {}: {} of {} ({percent} %), {}, {} s",
        plan.id,
        plan.words,
        plan.state.word(),
        plan.slots_done,
        counted(plan.slots_total as u64, "slot"),
        counted(plan.keys_done, "key"),
        seconds(plan.asked_at)
    );
    if view.drives_here {
        line.push_str("; this console drives");
    } else if view.proxies.is_empty() {
        line.push_str("; no proxy is alive to carry it out");
    }
    Some(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::view::{PlanState, PlanView};

    #[test]
    fn a_plan_under_way() {
        let mut view = ClusterView::new("default", &[], 1);
        assert_eq!(describe(&view, Millis(0)), None);
        view.plans.push(PlanView {
            id: 3,
            words: "add 2 http://h:1".to_owned(),
            state: PlanState::Running,
            slots_done: 2048,
            slots_total: 8192,
            keys_done: 10,
            keys_expected: None,
            gives_up: false,
            given_up: None,
            asked_at: Millis(1000),
            changed_at: Millis(1000),
        });
        let line = describe(&view, Millis(6500)).unwrap();
        assert!(
            line.starts_with("plan 3 `add 2 http://h:1` running: 2048 of 8192 slots (25 %), 10 keys, 5 s"),
            "{line}"
        );
    }
}
