//! `import FILE`: the keys of an RDB file into a running cluster, by `RESTORE` through its proxies.
//!
//! The file is read twice: once as a whole, so that a damaged one is refused before anything is written, then key by key. Several
//! connections write, each with a bounded number of keys that wait for their replies; the reader waits for them.

use std::{
    collections::BTreeMap,
    fs::File,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use redis_cluster::{
    node::rdb::{
        self, Forms,
        file::{Item, ReadError, Reader},
    },
    protocol::Value,
    time::Millis,
};
use serde_json::json;
use tokio::sync::{Mutex, mpsc};
use tokio_util::sync::CancellationToken;

use super::{Line, meter::Meter};
use crate::{
    format::counted,
    language::{Conflict, quote_word},
    session::{
        Session,
        outcome::{Body, Outcome, Status},
    },
};

/// Connections that write.
const LINES: usize = 4;
/// Keys that a connection writes together at most, and bytes of them after which no more are added.
const KEYS_MAX: usize = 256;
const BYTES_MAX: usize = 256 << 10;
/// Lots that wait for a connection.
const WAITING: usize = 4;

/// What a file holds.
#[derive(Debug, Default)]
pub(super) struct Survey {
    /// Keys by database.
    pub(super) keys: BTreeMap<usize, u64>,
    pub(super) functions: Vec<Vec<u8>>,
    pub(super) bytes: u64,
    /// Collections of nothing, which no server loads.
    empty: u64,
}

/// What became of keys.
#[derive(Debug, Default)]
struct Counts {
    imported: AtomicU64,
    skipped: AtomicU64,
    expired: AtomicU64,
    /// Sent, and no reply came.
    unknown: AtomicU64,
}

/// A key on its way.
struct Restore {
    key: Vec<u8>,
    /// 0: none.
    expiry: i64,
    payload: Vec<u8>,
}

/// Keys that are sent together.
struct Lot {
    database: usize,
    keys: Vec<Restore>,
}

/// Runs `import`.
pub(in crate::session) async fn import(session: &Session, path: &Path, conflict: Conflict) -> Outcome {
    let words = format!("import {}", path.display());
    let remains = "what was written stays; the same with --skip completes it";
    let meter = Meter::new(words, remains, session);
    let work = async {
        let survey = survey(path).await?;
        from_file(session, path, &survey, conflict, &meter).await
    };
    match meter.follow(work).await {
        Ok(document) => Outcome::done(Body::Document(document)),
        Err(failure) => failure,
    }
}

/// Reads a file whole.
pub(super) async fn survey(path: &Path) -> Result<Survey, Outcome> {
    // Given up with whoever waits for it.
    let given_up = CancellationToken::new();
    let _guard = given_up.clone().drop_guard();
    let owned = path.to_owned();
    let surveyed = tokio::task::spawn_blocking(move || read_whole(&owned, &given_up)).await;
    let surveyed = surveyed.unwrap_or_else(|error| Err(error.to_string()));
    surveyed.map_err(|error| {
        let text = format!("{}: {error}; nothing was written", path.display());
        Outcome::failure(Status::Refused, text)
    })
}

fn read_whole(path: &Path, given_up: &CancellationToken) -> Result<Survey, String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let about = file.metadata().map_err(|error| error.to_string())?;
    if !about.is_file() {
        return Err("it is read twice, so it has to be a file".to_owned());
    }
    let mut survey = Survey { bytes: about.len(), ..Survey::default() };
    let said = |error: ReadError| error.to_string();
    let mut reader = Reader::new(file, Forms::default(), true).map_err(said)?;
    while let Some(item) = reader.next().map_err(said)? {
        match item {
            Item::Aux { .. } | Item::Sizes { .. } => {}
            Item::Function(source) => survey.functions.push(source),
            Item::Entry(entry) => *survey.keys.entry(entry.database).or_default() += 1,
        }
        if given_up.is_cancelled() {
            return Err("given up".to_owned());
        }
    }
    survey.empty = reader.empty();
    Ok(survey)
}

/// Writes what a survey has found; what there is to tell.
pub(super) async fn from_file(
    session: &Session,
    path: &Path,
    survey: &Survey,
    conflict: Conflict,
    meter: &Meter,
) -> Result<serde_json::Value, Outcome> {
    let keys: u64 = survey.keys.values().sum();
    meter.expect(keys);
    let mut line = Line::open(session).await?;
    let before = sizes(&mut line, survey).await?;
    let functions_skipped = functions(&mut line, &survey.functions, conflict).await?;
    let counts = Arc::new(Counts::default());
    let failure = write_all(session, path, conflict, meter, &counts).await?;
    let count = |counted: &AtomicU64| counted.load(Ordering::Relaxed);
    let (imported, skipped, expired) =
        (count(&counts.imported), count(&counts.skipped), count(&counts.expired));
    let failure = failure.or_else(|| {
        let found = imported + skipped + expired;
        let text = format!("it had {} when it was checked, and has {found} now", counted(keys, "key"));
        (found != keys).then_some((Status::ErrorReply, text))
    });
    if let Some((status, error)) = failure {
        let unknown = match count(&counts.unknown) {
            0 => String::new(),
            unknown => format!(", of {unknown} it is not known"),
        };
        let text = format!(
            "{}: {error}; of {} {imported} were written, {skipped} skipped, {expired} had expired{unknown}; what was \
             written stays, and the same with --skip completes it",
            path.display(),
            counted(keys, "key"),
        );
        return Err(Outcome::failure(status, text));
    }
    let after = sizes(&mut line, survey).await?;
    Ok(json!({
        "file": path.display().to_string(),
        "bytes": survey.bytes,
        "keys_in_file": keys,
        "imported": imported,
        "skipped": skipped,
        "expired": expired,
        "empty": survey.empty,
        "functions": survey.functions.len(),
        "functions_skipped": functions_skipped,
        "keys_before": before,
        "keys_after": after,
        "milliseconds": meter.took(),
    }))
}

/// Keys that the cluster has in the databases of the file. A database that it does not have is an error.
async fn sizes(line: &mut Line, survey: &Survey) -> Result<u64, Outcome> {
    let mut all = 0;
    for &database in survey.keys.keys() {
        let selected = line.select(database).await;
        selected.map_err(|outcome| {
            let error = outcome.error_text().unwrap_or_default();
            let text = format!("the file has keys in database {database}: {error}; nothing was written");
            Outcome::failure(Status::Refused, text)
        })?;
        all += line.size().await?;
    }
    Ok(all)
}

/// Loads libraries, before any key; how many were there already.
async fn functions(line: &mut Line, sources: &[Vec<u8>], conflict: Conflict) -> Result<usize, Outcome> {
    let mut skipped = 0;
    for source in sources {
        let payload = rdb::dump_functions(std::iter::once(source.as_slice()));
        let policy: &[u8] = if conflict == Conflict::Replace { b"REPLACE" } else { b"APPEND" };
        match line.ask(&[b"FUNCTION", b"RESTORE", &payload, policy]).await {
            Ok(_) => {}
            Err(outcome) => {
                let error = outcome.error_text().unwrap_or_default();
                if conflict == Conflict::Skip && error.contains("already exists") {
                    skipped += 1;
                    continue;
                }
                let text = format!("a library of functions: {error}; no key was written");
                return Err(Outcome::failure(outcome.status, text));
            }
        }
    }
    Ok(skipped)
}

/// Writes all keys. `Some`: why not all.
async fn write_all(
    session: &Session,
    path: &Path,
    conflict: Conflict,
    meter: &Meter,
    counts: &Arc<Counts>,
) -> Result<Option<(Status, String)>, Outcome> {
    let mut lines = Vec::with_capacity(LINES);
    for _ in 0..LINES {
        lines.push(Line::open(session).await?);
    }
    let (lots, waiting) = mpsc::channel(WAITING);
    let reading = {
        let (path, counts) = (path.to_owned(), Arc::clone(counts));
        // It ends with the lots' receiver.
        tokio::task::spawn_blocking(move || read_lots(&path, &counts, &lots))
    };
    let shared = Shared {
        waiting: Mutex::new(waiting),
        stop: CancellationToken::new(),
        failure: std::sync::Mutex::new(None),
        conflict,
        meter,
        counts,
    };
    futures::future::join_all(lines.into_iter().map(|line| shared.work(line))).await;
    let Shared { waiting, failure, .. } = shared;
    drop(waiting);
    let read = reading.await.unwrap_or_else(|error| Err(error.to_string()));
    let failure = failure.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    Ok(failure.or_else(|| read.err().map(|error| (Status::Refused, error))))
}

/// Reads the file into lots until its end, or until nobody wants them any more.
fn read_lots(path: &PathBuf, counts: &Counts, lots: &mpsc::Sender<Lot>) -> Result<(), String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let said = |error: ReadError| error.to_string();
    // Its checksum was right a moment ago.
    let mut reader = Reader::new(file, Forms::default(), false).map_err(said)?;
    let (mut lot, mut bytes) = (Lot { database: 0, keys: Vec::new() }, 0);
    let now = Millis::now();
    while let Some(item) = reader.next().map_err(said)? {
        let Item::Entry(entry) = item else { continue };
        if entry.expiry.is_some_and(|expiry| expiry <= now) {
            counts.expired.fetch_add(1, Ordering::Relaxed);
            continue;
        }
        if lot.keys.len() >= KEYS_MAX || bytes >= BYTES_MAX || lot.database != entry.database {
            let full = std::mem::replace(&mut lot, Lot { database: entry.database, keys: Vec::new() });
            bytes = 0;
            if !full.keys.is_empty() && lots.blocking_send(full).is_err() {
                return Ok(());
            }
        }
        let (key, expiry) = (entry.key.to_vec(), entry.expiry.map_or(0, |expiry| expiry.0));
        let payload = entry.into_payload();
        bytes += key.len() + payload.len();
        lot.keys.push(Restore { key, expiry, payload });
    }
    if !lot.keys.is_empty() {
        // Whoever does not want it any more has said why.
        let _ = lots.blocking_send(lot);
    }
    Ok(())
}

/// What the connections have in common.
struct Shared<'i> {
    waiting: Mutex<mpsc::Receiver<Lot>>,
    stop: CancellationToken,
    /// The first.
    failure: std::sync::Mutex<Option<(Status, String)>>,
    conflict: Conflict,
    meter: &'i Meter,
    counts: &'i Counts,
}

impl Shared<'_> {
    /// Writes lots until there are no more, or one of the connections has failed.
    async fn work(&self, mut line: Line) {
        while !self.stop.is_cancelled() {
            let next = async { self.waiting.lock().await.recv().await };
            let lot = tokio::select! { lot = next => lot, () = self.stop.cancelled() => None };
            let Some(lot) = lot else { return };
            if !self.write(&mut line, lot).await {
                return;
            }
        }
    }

    fn fail(&self, status: Status, text: String) {
        self.stop.cancel();
        let mut failure = self.failure.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        failure.get_or_insert((status, text));
    }

    /// Writes a lot and takes all its replies. False: the connection is of no use any more.
    async fn write(&self, line: &mut Line, lot: Lot) -> bool {
        if let Err(outcome) = line.select(lot.database).await {
            self.fail(outcome.status, outcome.error_text().unwrap_or_default());
            return false;
        }
        for Restore { key, expiry, payload } in &lot.keys {
            let expiry = expiry.to_string();
            let words: [&[u8]; 6] = [b"RESTORE", key, expiry.as_bytes(), payload, b"ABSTTL", b"REPLACE"];
            let used = if self.conflict == Conflict::Replace { 6 } else { 5 };
            line.connection.queue(&words[..used]);
        }
        let sent = line.flush().await;
        for (at, restore) in lot.keys.iter().enumerate() {
            let reply = match &sent {
                Ok(()) => line.read().await.map_err(|error| error.to_string()),
                Err(error) => Err(error.to_string()),
            };
            match reply {
                Ok(reply) => self.take(restore, &reply),
                Err(error) => {
                    self.counts.unknown.fetch_add((lot.keys.len() - at) as u64, Ordering::Relaxed);
                    self.fail(Status::Unreachable, format!("the connection to a proxy broke: {error}"));
                    return false;
                }
            }
        }
        true
    }

    fn take(&self, Restore { key, payload, .. }: &Restore, reply: &Value) {
        match reply.as_error() {
            None => {
                self.counts.imported.fetch_add(1, Ordering::Relaxed);
                self.meter.add(1, payload.len());
            }
            Some(error) if error.starts_with("BUSYKEY") => match self.conflict {
                Conflict::Skip => {
                    self.counts.skipped.fetch_add(1, Ordering::Relaxed);
                    self.meter.add(1, payload.len());
                }
                Conflict::Stop | Conflict::Replace => {
                    let text =
                        format!("key {} is in the cluster already (--skip or --replace?)", quote_word(key));
                    self.fail(Status::Refused, text);
                }
            },
            Some(error) => {
                self.fail(Status::ErrorReply, format!("key {} is answered with: {error}", quote_word(key)));
            }
        }
    }
}
