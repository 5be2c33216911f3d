//! How far a plan is, how fast, and how long it will take: from its record and the journals of its moves, whose figures and
//! times are the driver's.
//!
//! Pure. Not here: what is drawn of it.

use std::time::Duration;

use redis_cluster::cluster::plan::MoveRecord;

use super::view::{ClusterView, PlanView};

/// The rate is of the last so many milliseconds before the newest figure.
const RATE_OVER_MS: i64 = 10_000;

/// What a plan has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Headway {
    /// Keys that were copied, those of a move under way included.
    pub keys: u64,
    /// Bytes of their payloads.
    pub bytes: u64,
    /// Keys a second.
    pub keys_per_second: Option<f64>,
    /// Until it is done, milliseconds, at this rate.
    pub left_ms: Option<i64>,
    /// Since its first move began until its newest figure, milliseconds.
    pub took_ms: i64,
    /// The longest time that writes waited for one of its moves, milliseconds.
    pub longest_hold_ms: Option<i64>,
    /// Moves whose slots changed their owner.
    pub switched: usize,
    /// Moves that were given up.
    pub aborted: usize,
    /// Keys that were counted at both sides, with writes held, before those slots changed their owner: the same number at
    /// either, or the move would have been given up. `None`: some move tells of no such count.
    pub counted: Option<u64>,
}

/// See [`Headway`].
#[must_use]
pub fn headway(view: &ClusterView, plan: &PlanView) -> Headway {
    let mut so_far = Headway { counted: Some(0), ..Headway::default() };
    // Keys that had come by when.
    let mut points: Vec<(i64, u64)> = Vec::new();
    let mut began = None;
    for record in view.journal.values().filter(|record| record.plan.0 == plan.id) {
        began.get_or_insert(record.started_at_ms);
        so_far.longest_hold_ms = so_far.longest_hold_ms.max(record.freeze_ms);
        if record.state.starts_with("abort") {
            so_far.aborted += 1;
            continue;
        }
        so_far.keys += record.keys;
        so_far.bytes += record.bytes;
        if record.epoch.is_some() {
            so_far.switched += 1;
            so_far.counted = so_far.counted.zip(record.verified_keys).map(|(all, these)| all + these);
        }
        points.extend(measured_at(record).map(|at| (at, so_far.keys)));
    }
    // Journals of an older version, or of moves that were forgotten.
    if plan.keys_done > so_far.keys {
        (so_far.keys, so_far.counted) = (plan.keys_done, None);
    }
    if let (Some(began), Some(&(newest, keys))) = (began, points.last()) {
        so_far.took_ms = (newest - began).max(0);
        let before = points.iter().rev().find(|(at, _)| *at <= newest - RATE_OVER_MS);
        let (since, had) = before.copied().unwrap_or((began, 0));
        so_far.keys_per_second =
            (newest > since).then(|| keys.saturating_sub(had) as f64 * 1_000.0 / (newest - since) as f64);
        if !plan.state.is_final() {
            so_far.left_ms = left_ms(plan, &so_far);
        }
    }
    so_far
}

/// When a journal's number of keys was true.
fn measured_at(record: &MoveRecord) -> Option<i64> {
    record.counted_at_ms.or(record.ended_at_ms)
}

/// By the keys that are to come; where there are hardly any, by the slots.
fn left_ms(plan: &PlanView, so_far: &Headway) -> Option<i64> {
    // What is no length of time, such as anything at a rate of nothing, is not known.
    let whole = |ms: f64| {
        let time = Duration::try_from_secs_f64(ms / 1_000.0).ok()?;
        i64::try_from(time.as_millis()).ok()
    };
    if let (Some(expected), Some(rate)) =
        (plan.keys_expected.filter(|&keys| keys > 0), so_far.keys_per_second)
    {
        return whole(expected.saturating_sub(so_far.keys) as f64 * 1_000.0 / rate);
    }
    let left = plan.slots_total.saturating_sub(plan.slots_done);
    whole(so_far.took_ms as f64 * left as f64 / plan.slots_done as f64)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use redis_cluster::{cluster::plan::PlanId, id::Epoch};

    use super::*;
    use crate::{screen::sample, session::view::PlanState};

    fn record(id: u64, state: &str, from_ms: i64, keys: u64) -> MoveRecord {
        let ended = matches!(state, "done" | "aborted").then_some(from_ms + 900);
        MoveRecord {
            id,
            plan: PlanId(3),
            from: "2".parse().unwrap(),
            to: "5".parse().unwrap(),
            slots: Vec::new(),
            state: state.to_owned(),
            started_at_ms: from_ms,
            ended_at_ms: ended,
            keys,
            bytes: keys * 10,
            counted_at_ms: Some(from_ms + 800),
            deleted: 0,
            verified_keys: (state == "done").then_some(keys),
            verified_values: 0,
            frozen_at_ms: None,
            freeze_ms: (state == "done").then_some(i64::try_from(id).unwrap()),
            epoch: (state == "done").then_some(Epoch(1)),
            term: 1,
            reason: None,
        }
    }

    fn view(records: impl IntoIterator<Item = MoveRecord>) -> ClusterView {
        let mut view = sample::cluster();
        view.journal = records.into_iter().map(|record| (record.id, Arc::new(record))).collect();
        view
    }

    #[test]
    fn moves_add_up_and_the_rate_is_by_the_drivers_clock() {
        let mut view = view([
            record(1, "done", 1_000, 500),
            record(2, "aborted", 2_000, 400),
            record(3, "done", 3_000, 1_000),
            record(4, "frozen", 4_000, 300),
        ]);
        view.plans[0].keys_done = 1_500;
        view.plans[0].keys_expected = Some(3_600);
        let now = headway(&view, &view.plans[0]);
        assert_eq!((now.keys, now.bytes, now.switched, now.aborted), (1_800, 18_000, 2, 1));
        assert_eq!((now.counted, now.longest_hold_ms, now.took_ms), (Some(1_500), Some(3), 3_800));
        let rate = 1_800.0 * 1_000.0 / 3_800.0;
        assert!(now.keys_per_second.is_some_and(|is| (is - rate).abs() < 1e-9), "{now:?}");
        assert_eq!(now.left_ms, Some(3_800), "as many again");

        // Long ago it was faster.
        let mut first = record(1, "done", 1_000, 500_000);
        first.counted_at_ms = Some(2_000);
        let mut last = record(3, "frozen", 90_000, 1_000);
        last.counted_at_ms = Some(102_000);
        let now = headway(&super::tests::view([first, last]), &view.plans[0]);
        assert!(now.keys_per_second.is_some_and(|rate| (rate - 10.0).abs() < 1e-9), "{now:?}");
    }

    #[test]
    fn what_is_not_known_is_not_made_up() {
        let mut view = view([record(1, "planned", 1_000, 0)]);
        let plan = &mut view.plans[0];
        (plan.keys_done, plan.slots_done, plan.keys_expected) = (0, 0, None);
        let now = headway(&view, &view.plans[0]);
        assert_eq!((now.keys, now.left_ms, now.longest_hold_ms, now.counted), (0, None, None, Some(0)));

        // Slots without keys: by the slots.
        let mut moved = record(1, "done", 1_000, 0);
        moved.verified_keys = None;
        let mut view = super::tests::view([moved]);
        let plan = &mut view.plans[0];
        (plan.keys_done, plan.slots_done, plan.slots_total, plan.keys_expected) = (0, 100, 400, Some(0));
        let now = headway(&view, &view.plans[0]);
        assert_eq!((now.left_ms, now.counted), (Some(2_400), None));
        view.plans[0].state = PlanState::Done;
        assert_eq!(headway(&view, &view.plans[0]).left_ms, None);
    }
}
