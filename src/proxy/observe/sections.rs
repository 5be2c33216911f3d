//! Sections of `INFO` of a proxy that have to be asked for by name: `slowrequests`, `hotkeys` and `hotslots`. They show keys or are long,
//! so they stand in no metrics and no log.

use std::time::{Duration, Instant};

use super::{
    keys::{self, Kind, SAMPLE, Seen},
    slow::SlowRequest,
};
use crate::{protocol::quote, proxy::shared::Shared};

/// Names that are asked for.
pub(in crate::proxy) const SLOW: &str = "slowrequests";
pub(in crate::proxy) const HOT: &str = "hotkeys";
pub(in crate::proxy) const SLOTS: &str = "hotslots";
/// All of these.
pub(in crate::proxy) const ALL: [&str; 3] = [SLOW, HOT, SLOTS];
/// Keys that are shown.
const SHOWN: usize = 32;

/// Names of fields and their values.
pub(in crate::proxy) type Fields = Vec<(String, String)>;

/// Requests that took long, newest first.
pub(in crate::proxy) fn slow(shared: &Shared) -> Fields {
    let threshold = shared
        .slow
        .threshold
        .map_or(-1, |threshold| i128::try_from(threshold.as_micros()).unwrap_or(i128::MAX));
    let mut fields = vec![("slow_threshold_us".to_owned(), threshold.to_string())];
    for (number, request) in shared.slow.entries() {
        fields.push((format!("slow{number}"), slow_line(&request)));
    }
    fields
}

/// The command stands last: it may hold any sign.
fn slow_line(request: &SlowRequest) -> String {
    format!(
        "at_ms={},took_us={},queue_us={},node_us={},write_us={},node={},others={},client={},command={}",
        request.at.0,
        request.took().as_micros(),
        request.queue.as_micros(),
        request.node.as_micros(),
        request.write.as_micros(),
        request.member.as_deref().unwrap_or_default(),
        request.others,
        request.client,
        request.command
    )
}

/// What all workers have seen of keys.
pub(super) fn seen(shared: &Shared, now: Instant) -> Seen {
    let guards: Vec<_> = shared.workers.iter().map(|worker| worker.traffic.keys()).collect();
    keys::together(guards.iter().map(|guard| &**guard), now)
}

/// Keys that are asked for most, and large requests and replies.
pub(in crate::proxy) fn hot(shared: &Shared, now: Instant) -> Fields {
    lines(&seen(shared, now))
}

/// How often keys of each slot are asked for.
pub(in crate::proxy) fn slots(shared: &Shared, now: Instant) -> Fields {
    let seen = seen(shared, now);
    let mut fields = samples(&seen);
    let counts: Vec<String> =
        seen.slots.iter().map(|(slot, count)| format!("{}={count}", slot.index())).collect();
    fields.push(("slots".to_owned(), counts.join(",")));
    fields
}

/// What figures of samples stand for.
fn samples(seen: &Seen) -> Fields {
    let window = if seen.sampled == 0 { Duration::ZERO } else { seen.over };
    vec![
        ("sampled_one_in".to_owned(), SAMPLE.to_string()),
        ("sampled_requests".to_owned(), seen.sampled.to_string()),
        ("sampled_over_ms".to_owned(), window.as_millis().to_string()),
    ]
}

fn lines(seen: &Seen) -> Fields {
    let mut fields = samples(seen);
    for (place, (key, count, error)) in seen.hot.iter().take(SHOWN).enumerate() {
        let value = format!(
            "per_second={:.0},samples={count},error={error},key={}",
            seen.per_second(*count),
            quote::repr(key)
        );
        fields.push((format!("hot{place}"), value));
    }
    for (place, large) in seen.large.iter().take(SHOWN).enumerate() {
        let kind = match large.kind {
            Kind::Request => "request",
            Kind::Reply => "reply",
        };
        let value = format!(
            "bytes={},of={kind},command={},key={}",
            large.bytes,
            large.command,
            quote::repr(&large.key)
        );
        fields.push((format!("big{place}"), value));
    }
    fields
}
