//! Asking every member for its figures: one task each, so that one that is slow or stopped delays nobody else's.
//!
//! Membership decides which tasks run. Not here: what is kept of the answers (`figures`) and what they say of lost keys
//! (`losses`).

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    sync::mpsc,
    task::{AbortHandle, JoinSet},
    time::MissedTickBehavior,
};
use tokio_util::sync::CancellationToken;

use super::{
    daemon::Proxy,
    losses::{Observation, sight},
    observe,
    routing::{Login, Member},
};
use crate::{
    client::Connection,
    cluster::loss::Sight,
    id::NodeId,
    protocol::{Value, info},
    server::{counts::Spread, grpc::v1},
    time::Millis,
};

/// Between two polls of a member.
const INTERVAL: Duration = Duration::from_secs(1);
/// A member that takes longer does not answer. With [`INTERVAL`] before it, whoever watches hears of a member that stopped
/// within 3 seconds.
const PATIENCE: Duration = Duration::from_millis(1_500);
/// A rate is not told of less. An answer that came late is followed by the next one at once, and two commands within two
/// milliseconds are no thousand a second.
const RATE_OVER_US: u64 = 500_000;
/// How long a node takes is told of the requests since so many polls before.
const TIMES_OVER: usize = 5;

/// Asks all members again and again, until the proxy stops. What they say of their keys is offered to `observations`; while
/// nobody takes it there it is dropped, as the next answer says it again.
pub(super) async fn run(proxy: Arc<Proxy>, observations: mpsc::Sender<Observation>, stop: CancellationToken) {
    let mut changes = proxy.routing_changes();
    let mut tasks = JoinSet::new();
    let mut running: BTreeMap<NodeId, AbortHandle> = BTreeMap::new();
    loop {
        let routing = Arc::clone(&changes.borrow_and_update());
        running.retain(|id, task| {
            // One that ended saw its node gone, which may have come back before this was looked at.
            let keep = !task.is_finished() && routing.index_of(id).is_some();
            if !keep {
                task.abort();
            }
            keep
        });
        for (_, member) in routing.members() {
            running.entry(member.id.clone()).or_insert_with(|| {
                tasks.spawn(follow(Arc::clone(&proxy), member.id.clone(), observations.clone()))
            });
        }
        tokio::select! {
            () = stop.cancelled() => return,
            changed = changes.changed() => if changed.is_err() { return },
            Some(_) = tasks.join_next() => {}
        }
    }
}

/// Forgets the figures of a member when its task ends, in whatever way.
struct Forgets {
    proxy: Arc<Proxy>,
    id: NodeId,
}

impl Drop for Forgets {
    fn drop(&mut self) {
        self.proxy.live.forget(&self.id);
    }
}

/// Asks one member until it is none.
async fn follow(proxy: Arc<Proxy>, id: NodeId, observations: mpsc::Sender<Observation>) {
    let _forgets = Forgets { proxy: Arc::clone(&proxy), id: id.clone() };
    let mut timer = tokio::time::interval(INTERVAL);
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut link = None;
    let mut last: Option<Said> = None;
    let mut times: VecDeque<Spread> = VecDeque::with_capacity(TIMES_OVER);
    loop {
        timer.tick().await;
        let routing = proxy.routing();
        // Looked up each time: it may have another address or login by now.
        let Some(index) = routing.index_of(&id) else { return };
        let Some(member) = routing.member(index) else { return };
        let said = match tokio::time::timeout(PATIENCE, ask(member, &mut link)).await {
            Ok(Ok(said)) => Ok(said),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(format!("no answer within {} s", PATIENCE.as_secs_f64())),
        };
        match said {
            Ok(mut said) => {
                if last.as_ref().is_some_and(|last| last.run_id != said.run_id) {
                    // It may have another version by now.
                    proxy.shared.learned.forget();
                }
                let measured = rate(last.as_ref(), &said);
                said.figures.ops_per_second = measured.per_second;
                said.figures.errors_per_second = measured.errors_per_second;
                said.figures.hit_share = measured.hit_share;
                said.figures.latency = latency(&mut times, observe::times(&proxy.shared, index));
                if let Some(sight) = said.sight.take() {
                    let owns_slots = routing.owning().contains(&index);
                    let observation = Observation { node: id.clone(), sight, owns_slots };
                    // Full: the watcher waits for the registry.
                    let _ = observations.try_send(observation);
                }
                proxy.live.heard(&id, Ok(said.figures.clone()));
                if measured.ends {
                    last = Some(said);
                }
            }
            Err(error) => {
                link = None;
                proxy.live.heard(&id, Err(error));
            }
        }
    }
}

/// A connection to a member, logged in.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) login: Login,
    pub(super) connection: Connection,
}

impl Link {
    pub(super) async fn open(login: &Login) -> Result<Self, String> {
        let mut connection =
            Connection::connect(&login.socket.to_string(), PATIENCE).await.map_err(|e| e.to_string())?;
        let reply = connection.call(&["AUTH", &login.user, &login.secret]).await;
        if let Some(error) = reply.map_err(|error| error.to_string())?.as_error() {
            return Err(error.into_owned());
        }
        Ok(Self { login: login.clone(), connection })
    }
}

/// How long a node took of late, by what all that was ever sent to it took now and at the polls before.
fn latency(before: &mut VecDeque<Spread>, now: Spread) -> Option<v1::Latency> {
    let spread = now.since(before.front().unwrap_or(&now));
    if before.len() == TIMES_OVER {
        before.pop_front();
    }
    before.push_back(now);
    let microseconds = |percent| {
        let time = spread.percentile(percent)?;
        Some(u64::try_from(time.as_micros()).unwrap_or(u64::MAX))
    };
    Some(v1::Latency { p50_us: microseconds(50)?, p99_us: microseconds(99)? })
}

/// What a member said.
struct Said {
    figures: v1::NodeFigures,
    /// Of its keys.
    sight: Option<Sight>,
    /// Since it started.
    counts: Counts,
    /// By its own clock, microseconds since 1970; old servers do not tell.
    clock_us: Option<u64>,
    /// Of the process: another one counts from nothing.
    run_id: String,
}

/// What a member counts besides commands; `None`: it does not.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    errors: Option<u64>,
    hits: Option<u64>,
    misses: Option<u64>,
}

/// Asks one member, over the connection there is or a new one. A connection that was closed meanwhile is opened again
/// once: only a member that does not answer that either is down.
async fn ask(member: &Member, link: &mut Option<Link>) -> Result<Said, String> {
    let login = member.access.login()?;
    // Taken out: when this future is dropped for being late, the connection goes with it.
    if let Some(mut open) = link.take().filter(|open| open.login == *login)
        && let Ok(said) = info_of(member, &mut open.connection).await
    {
        *link = Some(open);
        return Ok(said);
    }
    let mut open = Link::open(login).await?;
    let said = info_of(member, &mut open.connection).await?;
    *link = Some(open);
    Ok(said)
}

async fn info_of(member: &Member, connection: &mut Connection) -> Result<Said, String> {
    let asked = Instant::now();
    let reply = connection.call(&["INFO"]).await.map_err(|error| error.to_string())?;
    let latency = asked.elapsed();
    if let Some(error) = reply.as_error() {
        return Err(error.into_owned());
    }
    let Value::Bulk(text) = &reply else { return Err("INFO answered no text".to_owned()) };
    let text = String::from_utf8_lossy(text);
    let mut said = read(&text);
    said.figures.id = member.id.to_string();
    said.figures.at_ms = Millis::now().0.unsigned_abs();
    said.figures.latency_us = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
    Ok(said)
}

/// What was found out about a rate.
struct Measured {
    /// Commands.
    per_second: f64,
    errors_per_second: Option<f64>,
    /// Of the reads.
    hit_share: Option<f64>,
    /// The next rate is measured from this answer on; else still from the one before.
    ends: bool,
}

/// What was done between two answers of the same process, by its own clock where it tells that; else what it says
/// itself. So neither a proxy nor a member that stood still for a while makes up a rate.
fn rate(before: Option<&Said>, now: &Said) -> Measured {
    let of_itself = Measured {
        per_second: now.figures.ops_per_second,
        errors_per_second: None,
        hit_share: None,
        ends: true,
    };
    let Some(before) = before.filter(|before| before.run_id == now.run_id) else {
        return of_itself;
    };
    let elapsed_us = match (before.clock_us, now.clock_us) {
        (Some(before), Some(now)) => now.checked_sub(before),
        _ => now.figures.at_ms.checked_sub(before.figures.at_ms).map(|ms| ms * 1_000),
    };
    match (elapsed_us, now.figures.commands.checked_sub(before.figures.commands)) {
        (Some(elapsed_us), Some(_)) if elapsed_us < RATE_OVER_US => {
            let figures = &before.figures;
            Measured {
                per_second: figures.ops_per_second,
                errors_per_second: figures.errors_per_second,
                hit_share: figures.hit_share,
                ends: false,
            }
        }
        (Some(elapsed_us), Some(commands)) => {
            let per_second = |count: u64| count as f64 * 1e6 / elapsed_us as f64;
            // `CONFIG RESETSTAT` sets these back alone.
            let more =
                |count: fn(&Counts) -> Option<u64>| count(&now.counts)?.checked_sub(count(&before.counts)?);
            let hits = more(|counts| counts.hits);
            let reads = hits.zip(more(|counts| counts.misses)).map(|(hits, misses)| hits + misses);
            Measured {
                per_second: per_second(commands),
                errors_per_second: more(|counts| counts.errors).map(per_second),
                hit_share: hits
                    .zip(reads)
                    .filter(|(_, reads)| *reads > 0)
                    .map(|(hits, reads)| hits as f64 / reads as f64),
                ends: true,
            }
        }
        // Its clock or its counters were set back.
        _ => of_itself,
    }
}

/// What a text of `INFO` says.
fn read(text: &str) -> Said {
    let version = info::version(text).unwrap_or_default();
    let mut figures = v1::NodeFigures { reachable: true, version, ..v1::NodeFigures::default() };
    let (mut clock_us, mut run_id, mut counts) = (None, String::new(), Counts::default());
    for (field, value) in info::fields(text) {
        let number = || value.trim().parse().unwrap_or_default();
        match field {
            "run_id" => value.clone_into(&mut run_id),
            "server_time_usec" => clock_us = value.trim().parse().ok(),
            "uptime_in_seconds" => figures.uptime_seconds = number(),
            "connected_clients" => figures.clients = number(),
            "used_memory" => figures.used_memory = number(),
            "maxmemory" => figures.max_memory = number(),
            "total_commands_processed" => figures.commands = number(),
            "total_error_replies" => counts.errors = value.trim().parse().ok(),
            "keyspace_hits" => counts.hits = value.trim().parse().ok(),
            "keyspace_misses" => counts.misses = value.trim().parse().ok(),
            "instantaneous_ops_per_sec" => figures.ops_per_second = value.trim().parse().unwrap_or_default(),
            _ => {
                if let Some(database) = info::database(field, value) {
                    figures.keys += database.keys;
                    figures.expires += database.expires;
                }
            }
        }
    }
    Said { figures, sight: sight(text), counts, clock_us, run_id }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::counts::Histogram;

    #[test]
    fn figures_from_info() {
        let said = read(
            "# Server\r\nredis_version:7.0.15\r\nrun_id:ab\r\nuptime_in_seconds:9\r\nserver_time_usec:5000000\r\n\
             # Memory\r\nused_memory:100\r\nmaxmemory:0\r\n# Stats\r\ntotal_commands_processed:77\r\n\
             # Keyspace\r\ndb0:keys=3,expires=1,avg_ttl=0\r\ndb2:keys=4,expires=0\r\n",
        );
        let figures = &said.figures;
        assert_eq!((figures.keys, figures.expires, figures.commands, figures.used_memory), (7, 1, 77, 100));
        assert_eq!((figures.version.as_str(), figures.uptime_seconds), ("redis 7.0.15", 9));
        assert_eq!((said.clock_us, said.run_id.as_str()), (Some(5_000_000), "ab"));
    }

    #[test]
    fn a_rate_is_by_the_members_own_clock_and_of_one_process() {
        let said = |run_id: &str, commands: u64, clock_us: Option<u64>, at_ms: u64| Said {
            figures: v1::NodeFigures { commands, at_ms, ops_per_second: 1.0, ..v1::NodeFigures::default() },
            sight: None,
            counts: Counts::default(),
            clock_us,
            run_id: run_id.to_owned(),
        };
        let mut first = said("a", 100, Some(1_000_000), 10);
        first.figures.ops_per_second = 7.0;
        for (before, now, expected, ends) in [
            (None, &first, 7.0, true),
            // The proxy stood still for 9 s, or its clock jumped: the member counted 2 s.
            (Some(&first), &said("a", 300, Some(3_000_000), 9_010), 100.0, true),
            (Some(&first), &said("b", 300, Some(3_000_000), 2_010), 1.0, true),
            (Some(&first), &said("a", 99, Some(3_000_000), 2_010), 1.0, true),
            (Some(&said("a", 100, None, 10)), &said("a", 300, None, 2_010), 100.0, true),
            (Some(&first), &said("a", 300, Some(999_999), 2_010), 1.0, true),
            // An answer that was late, and the next one.
            (Some(&first), &said("a", 102, Some(1_002_000), 12), 7.0, false),
            (Some(&first), &said("a", 300, Some(1_000_000), 2_010), 7.0, false),
        ] {
            let measured = rate(before, now);
            assert!((measured.per_second - expected).abs() < 1e-9 && measured.ends == ends, "{expected}");
        }
    }

    #[test]
    fn how_long_a_node_takes_is_of_the_last_seconds() {
        let times = Histogram::default();
        let mut before = VecDeque::new();
        let mut told = || latency(&mut before, times.read()).map(|latency| (latency.p50_us, latency.p99_us));
        times.record(Duration::from_secs(1), 1_000);
        assert_eq!(told(), None, "nobody knows when that was");
        times.record(Duration::from_micros(100), 100);
        for _ in 0..TIMES_OVER {
            assert_eq!(told(), Some((75, 99)));
        }
        assert_eq!(told(), None, "it was asked nothing since");
    }

    #[test]
    fn errors_and_reads_are_of_the_same_time_as_commands() {
        let said = |clock: u64, errors: u64, hits: u64, misses: u64| {
            read(&format!(
                "run_id:a\r\nserver_time_usec:{clock}\r\ntotal_commands_processed:{clock}\r\n\
                 total_error_replies:{errors}\r\nkeyspace_hits:{hits}\r\nkeyspace_misses:{misses}\r\n"
            ))
        };
        let told = |before: &Said, now: &Said| {
            let measured = rate(Some(before), now);
            (measured.errors_per_second, measured.hit_share)
        };
        let mut first = said(1_000_000, 10, 100, 100);
        assert_eq!(told(&first, &said(3_000_000, 16, 130, 110)), (Some(3.0), Some(0.75)));
        assert_eq!(told(&first, &said(3_000_000, 10, 100, 100)), (Some(0.0), None), "nobody read");
        assert_eq!(told(&first, &said(3_000_000, 0, 5, 5)), (None, None), "it was told to count anew");
        first.figures.errors_per_second = Some(0.5);
        assert_eq!(told(&first, &said(1_000_100, 99, 999, 999)), (Some(0.5), None), "too soon");
        let silent = read("run_id:a\r\nserver_time_usec:3000000\r\ntotal_commands_processed:3000000\r\n");
        assert_eq!(told(&first, &silent), (None, None));
    }
}
