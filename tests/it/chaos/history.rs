//! Writers that remember what they were told, and what must therefore be there, at every next write and in the end: every
//! acknowledged write, no key that was deleted, no expiry that is longer, shorter or gone.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use redis_cluster::{client::Connection, protocol::Value, time::Millis};

/// How long keys live that are set to expire, but not during the test.
pub(super) const LONG_MS: i64 = 600_000;

/// Whether a key with an expiry between these times still has it, by its PTTL.
pub(super) fn expires_between(pttl: i64, asked: i64, answered: i64, from: i64, to: i64) -> bool {
    let no_longer = asked + pttl <= to.saturating_add(ROUNDING_MS);
    let no_shorter = answered + pttl >= from - ROUNDING_MS;
    pttl >= 0 && no_longer && no_shorter
}

/// Of one cluster.
const WRITERS: usize = 3;
/// Of one writer, at a time.
const KEYS: usize = 40;
/// How long a writer waits for a reply before it goes to the other proxy: longer than a lease, so than any move held up by
/// a dead one.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two writes of one writer: many clusters share the machine's cores.
const PACE: Duration = Duration::from_millis(1);
/// Clocks are read in milliseconds, rounded either way.
const ROUNDING_MS: i64 = 5;

/// What a key may look like.
#[derive(Clone, Copy, Debug)]
enum State {
    Absent,
    Value(u64),
    /// With the earliest and the latest time at which it may be gone.
    Expiring {
        value: u64,
        from: i64,
        to: i64,
    },
}

impl State {
    /// Whether these replies, asked for and received at these times, show it.
    fn allows(self, found: &Found) -> bool {
        match (self, found.value) {
            (Self::Absent, None) => true,
            (Self::Absent, Some(_)) | (Self::Value(_), None) => false,
            (Self::Value(value), Some(held)) => held == value && found.pttl == -1,
            (Self::Expiring { from, .. }, None) => found.answered >= from - ROUNDING_MS,
            // It went between the two questions.
            (Self::Expiring { value, from, .. }, Some(held)) if found.pttl == -2 => {
                held == value && found.answered >= from - ROUNDING_MS
            }
            (Self::Expiring { value, from, to }, Some(held)) => {
                held == value && expires_between(found.pttl, found.asked, found.answered, from, to)
            }
        }
    }
}

impl State {
    /// Whether a write that was sent and answered at these times may have found this.
    fn was(self, old: &Value, sent: i64, answered: i64) -> bool {
        let held = match old {
            // DEL tells only whether.
            Value::Integer(deleted) => Some(*deleted != 0),
            Value::Null => Some(false),
            _ => None,
        };
        let may_be_gone = |from: i64| answered >= from - ROUNDING_MS;
        let may_be_there = |to: i64| sent <= to.saturating_add(ROUNDING_MS);
        match (self, held) {
            (Self::Absent, held) => held == Some(false),
            (Self::Value(_), Some(held)) => held,
            (Self::Value(value), None) => old.as_i64() == Some(value as i64),
            (Self::Expiring { from, .. }, Some(false)) => may_be_gone(from),
            (Self::Expiring { to, .. }, Some(true)) => may_be_there(to),
            (Self::Expiring { value, to, .. }, None) => {
                old.as_i64() == Some(value as i64) && may_be_there(to)
            }
        }
    }
}

/// Whether an error says that nothing was done.
pub(super) fn did_not_run(error: &[u8]) -> bool {
    [&b"CLUSTERDOWN"[..], b"TRYAGAIN"].iter().any(|code| error.starts_with(code))
}

/// What was found of a key, and when.
#[derive(Debug)]
struct Found {
    value: Option<u64>,
    pttl: i64,
    asked: i64,
    answered: i64,
}

/// What one writer knows of one of its keys.
#[derive(Clone, Copy, Debug)]
struct Known {
    acknowledged: State,
    /// After a last write whose outcome is not known.
    perhaps: Option<State>,
}

const NOTHING: Known = Known { acknowledged: State::Absent, perhaps: None };

/// All writers of one cluster.
pub(super) struct History {
    stop: Arc<AtomicBool>,
    written: Arc<AtomicU64>,
    writers: Vec<tokio::task::JoinHandle<Vec<Known>>>,
}

impl History {
    /// Begins to write through these proxies.
    pub(super) fn begin(proxies: &[String]) -> Self {
        let mut history = Self { stop: Arc::default(), written: Arc::default(), writers: Vec::new() };
        for writer in 0..WRITERS {
            let (stop, written) = (Arc::clone(&history.stop), Arc::clone(&history.written));
            history.writers.push(tokio::spawn(write(writer, proxies.to_vec(), stop, written)));
        }
        history
    }

    /// Until the writers have had some more writes acknowledged.
    pub(super) async fn progress(&self) {
        assert!(self.writers.iter().all(|writer| !writer.is_finished()), "a writer has seen a fault");
        let goal = self.written.load(Ordering::Relaxed) + 300;
        let written = Arc::clone(&self.written);
        let reached = tokio::task::spawn_blocking(move || {
            cluster_fixture::within(Duration::from_secs(60), || written.load(Ordering::Relaxed) >= goal)
        });
        assert!(reached.await.unwrap(), "no writes are acknowledged any more");
    }

    /// Stops the writers and looks at every key through every proxy.
    pub(super) async fn verify(self, proxies: &[String]) {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Vec::new();
        for writer in self.writers {
            all.push(writer.await.unwrap());
        }
        for proxy in proxies {
            let mut connection = Connection::connect(proxy, Duration::from_secs(5)).await.unwrap();
            for (writer, known) in all.iter().enumerate() {
                for (key, known) in known.iter().enumerate() {
                    let name = name(writer, key);
                    let found = find(&mut connection, &name).await;
                    let allowed = known.acknowledged.allows(&found)
                        || known.perhaps.is_some_and(|state| state.allows(&found));
                    assert!(allowed, "{name} through {proxy}: {known:?}, but {found:?}");
                }
            }
        }
    }
}

async fn find(connection: &mut Connection, name: &str) -> Found {
    connection.queue(&["GET", name]);
    connection.queue(&["PTTL", name]);
    let asked = Millis::now().0;
    connection.flush().await.unwrap();
    let value = match connection.read().await.unwrap() {
        Value::Null => None,
        other => Some(other.as_i64().unwrap_or_else(|| panic!("{name}: {other:?}")).unsigned_abs()),
    };
    let pttl = connection.read().await.unwrap();
    let pttl = pttl.as_i64().unwrap_or_else(|| panic!("{name}: {pttl:?}"));
    Found { value, pttl, asked, answered: Millis::now().0 }
}

fn name(writer: usize, key: usize) -> String {
    format!("writer:{writer}:key:{key}")
}

/// Sets, sets with an expiry, and deletes keys in turn until told to stop; after an error, through the other proxy. A key
/// whose last write may still be on its way is not written again, because nothing orders writes over two connections: a
/// fresh one takes its place.
async fn write(
    writer: usize,
    addresses: Vec<String>,
    stop: Arc<AtomicBool>,
    written: Arc<AtomicU64>,
) -> Vec<Known> {
    let mut known = vec![NOTHING; KEYS];
    let mut in_use: Vec<usize> = (0..KEYS).collect();
    let mut connection: Option<Connection> = None;
    let (mut proxy, mut turn, mut number) = (writer, 0, 0);
    while !stop.load(Ordering::Relaxed) {
        tokio::time::sleep(PACE).await;
        let Some(open) = connection.as_mut() else {
            proxy += 1;
            connection =
                Connection::connect(&addresses[proxy % addresses.len()], Duration::from_secs(1)).await.ok();
            continue;
        };
        turn = (turn + 1) % KEYS;
        number += 1;
        let key = in_use[turn];
        let px = match number % 7 {
            0..4 => None,
            4 => Some(LONG_MS),
            _ => Some(1_000 + number as i64 % 3_000),
        };
        let deletes = number % 9 == 0;
        let name = name(writer, key);
        let command: Vec<String> = match px {
            _ if deletes => vec!["DEL".to_owned(), name],
            None => vec!["SET".to_owned(), name, number.to_string(), "GET".to_owned()],
            Some(px) => {
                ["SET", &name, &number.to_string(), "PX", &px.to_string(), "GET"].map(str::to_owned).to_vec()
            }
        };
        let sent = Millis::now().0;
        let state = |at: i64| match px {
            _ if deletes => State::Absent,
            None => State::Value(number),
            Some(px) => State::Expiring { value: number, from: sent + px, to: at.saturating_add(px) },
        };
        let reply = tokio::time::timeout(PATIENCE, open.call(&command)).await;
        match reply {
            Ok(Ok(old @ (Value::Bulk(_) | Value::Null | Value::Integer(_)))) => {
                let (before, now) = (known[key].acknowledged, Millis::now().0);
                assert!(
                    before.was(&old, sent, now),
                    "{command:?} at {sent} to {now} found {old:?}: {before:?}"
                );
                known[key] = Known { acknowledged: state(Millis::now().0), perhaps: None };
                written.fetch_add(1, Ordering::Relaxed);
                continue;
            }
            // It did not run.
            Ok(Ok(Value::Error(error))) if did_not_run(&error) => continue,
            Ok(Ok(Value::Error(_))) => {}
            Ok(Ok(other)) => panic!("{other:?}"),
            Ok(Err(_)) | Err(_) => connection = None,
        }
        known[key].perhaps = Some(state(i64::MAX));
        in_use[turn] = known.len();
        known.push(NOTHING);
    }
    known
}
