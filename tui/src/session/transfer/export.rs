//! `export FILE`: the keys of the cluster as one RDB file that a single redis-server loads.
//!
//! Keys are found by `SCAN` and fetched by `DUMP`, whose payloads go into the file as they are. Each key is of an instant of its own. One
//! that was there all the time is in the file, as `SCAN` promises, and once: `SCAN` may name it twice, and no server loads a file
//! that does.

use std::{
    collections::HashSet,
    fs::File,
    hash::{BuildHasher as _, RandomState},
    io,
    path::Path,
};

use redis_cluster::{
    connection::REDIS_VERSION,
    node::rdb::{
        self, Dumped,
        file::{Settings, Writer},
    },
    protocol::Value,
    time::Millis,
};
use serde_json::json;

use super::{Line, lost, meter::Meter, unfinished::Unfinished};
use crate::{
    language::quote_word,
    session::{
        Session,
        outcome::{Body, Outcome, Status},
    },
};

/// Keys that are asked for by one `SCAN`.
const PAGE: &[u8] = b"1000";
/// Keys that are fetched together at most, and bytes of their names: few enough that neither side waits for the other to read.
const KEYS_MAX: usize = 256;
const BYTES_MAX: usize = 8 << 10;

/// What became of an export.
pub(super) struct Exported {
    /// Keys by database.
    pub(super) keys: Vec<(usize, u64)>,
    pub(super) expiring: u64,
    /// Keys that were named and were gone when they were fetched.
    pub(super) gone: u64,
    pub(super) functions: usize,
    pub(super) version: u16,
    pub(super) bytes: u64,
}

/// Runs `export`.
pub(in crate::session) async fn export(session: &Session, path: &Path, newer: bool) -> Outcome {
    let words = format!("export {}", path.display());
    let meter = Meter::new(words, "no file was left", session);
    match meter.follow(to_file(session, path, newer, &meter)).await {
        Err(failure) => failure,
        Ok(exported) => Outcome::done(Body::Document(json!({
            "file": path.display().to_string(),
            "rdb_version": exported.version,
            "bytes": exported.bytes,
            "keys": exported.keys.iter().map(|(_, keys)| keys).sum::<u64>(),
            "expiring": exported.expiring,
            "gone_meanwhile": exported.gone,
            "functions": exported.functions,
            "milliseconds": meter.took(),
        }))),
    }
}

/// Writes the file, and gives it its name when it is on disk.
pub(super) async fn to_file(
    session: &Session,
    path: &Path,
    newer: bool,
    meter: &Meter,
) -> Result<Exported, Outcome> {
    let cannot = |error: io::Error| {
        Outcome::failure(Status::Refused, format!("cannot write {}: {error}", path.display()))
    };
    let (unfinished, file) = Unfinished::file(path).map_err(cannot)?;
    let settings = Settings { has_expiring_fields: newer, compresses: true, sums: true };
    let writer = Writer::new(file, settings).map_err(cannot)?;
    let mut export = Export {
        line: Line::open(session).await?,
        writer,
        version: settings.version(),
        hashers: [RandomState::new(), RandomState::new()],
        seen: HashSet::new(),
        meter,
        expiring: 0,
        gone: 0,
    };
    let (keys, functions) = export.run().await.map_err(|error| error.outcome(path))?;
    let Export { writer, expiring, gone, version, .. } = export;
    let synced = tokio::task::spawn_blocking(move || {
        let file = writer.finish()?;
        file.sync_all()?;
        let bytes = file.metadata()?.len();
        unfinished.finish()?;
        Ok(bytes)
    });
    let bytes = synced.await.unwrap_or_else(|error| Err(io::Error::other(error))).map_err(cannot)?;
    Ok(Exported { keys, expiring, gone, functions, version, bytes })
}

/// Why an export ends early.
enum Stopped {
    Cluster(Outcome),
    Disk(io::Error),
}

impl Stopped {
    fn outcome(self, path: &Path) -> Outcome {
        match self {
            Self::Cluster(outcome) => outcome,
            Self::Disk(error) => {
                let text = format!("cannot write {}: {error}; nothing was left there", path.display());
                Outcome::failure(Status::Refused, text)
            }
        }
    }
}

impl From<Outcome> for Stopped {
    fn from(outcome: Outcome) -> Self {
        Self::Cluster(outcome)
    }
}

impl From<io::Error> for Stopped {
    fn from(error: io::Error) -> Self {
        Self::Disk(error)
    }
}

struct Export<'m> {
    line: Line,
    writer: Writer<File>,
    version: u16,
    hashers: [RandomState; 2],
    /// Names of the database's keys, as 128 bits that nobody outside can foresee: two names with the same ones do not occur.
    seen: HashSet<u128>,
    meter: &'m Meter,
    expiring: u64,
    gone: u64,
}

impl Export<'_> {
    /// Keys by database, and libraries of functions.
    async fn run(&mut self) -> Result<(Vec<(usize, u64)>, usize), Stopped> {
        let databases = self.line.databases().await?;
        self.meter.expect(databases.iter().map(|(_, keys, _)| keys).sum());
        self.writer.aux("redis-ver", REDIS_VERSION)?;
        self.writer.aux("redis-bits", "64")?;
        self.writer.aux("ctime", &(Millis::now().0 / 1000).to_string())?;
        let functions = self.functions().await?;
        let mut counts = Vec::new();
        for (database, keys, expiring) in databases {
            self.line.select(database).await?;
            self.writer.select(database)?;
            let size = |figure: u64| usize::try_from(figure).unwrap_or_default();
            self.writer.sizes(size(keys), size(expiring))?;
            counts.push((database, self.database().await?));
        }
        Ok((counts, functions))
    }

    async fn functions(&mut self) -> Result<usize, Stopped> {
        self.line.connection.queue(&["FUNCTION", "DUMP"]);
        self.line.flush().await.map_err(|error| lost(&error))?;
        let reply = self.line.read().await.map_err(|error| lost(&error))?;
        let payload = match (&reply, reply.as_error()) {
            (Value::Bulk(payload), _) => payload,
            // Servers before Redis 7.0 have no functions.
            (_, Some(error)) if is_unknown_command(&error) => return Ok(0),
            (_, error) => {
                let error = error.unwrap_or_default();
                let text = format!("FUNCTION DUMP is answered with: {error}");
                return Err(Outcome::failure(Status::ErrorReply, text).into());
            }
        };
        let sources = rdb::restore_functions(payload)
            .map_err(|error| Outcome::failure(Status::ErrorReply, format!("FUNCTION DUMP: {error}")))?;
        for source in &sources {
            self.writer.function(source)?;
        }
        Ok(sources.len())
    }

    /// Writes all keys of the database that the line is in.
    async fn database(&mut self) -> Result<u64, Stopped> {
        self.seen.clear();
        let (mut written, mut cursor) = (0, b"0".to_vec());
        loop {
            let reply = self.line.ask(&[b"SCAN", &cursor, b"COUNT", PAGE]).await?;
            let Value::Array(parts) = &reply else { return Err(unexpected("SCAN").into()) };
            let [next, Value::Array(names)] = parts.as_slice() else {
                return Err(unexpected("SCAN").into());
            };
            let names: Vec<&[u8]> = names
                .iter()
                .filter_map(Value::as_bytes)
                .filter(|name| is_new(&mut self.seen, &self.hashers, name))
                .collect();
            let mut names = names.as_slice();
            while !names.is_empty() {
                let (together, rest) = names.split_at(together(names));
                written += self.fetch(together).await?;
                names = rest;
            }
            cursor = next.as_bytes().ok_or_else(|| unexpected("SCAN"))?.to_vec();
            if cursor == b"0" {
                return Ok(written);
            }
        }
    }

    /// Fetches and writes these; how many there were.
    async fn fetch(&mut self, names: &[&[u8]]) -> Result<u64, Stopped> {
        // Between two looks at the time to live that find the same, the value had it.
        for name in names {
            for word in [&b"PEXPIRETIME"[..], b"DUMP", b"PEXPIRETIME"] {
                self.line.connection.queue(&[word, name]);
            }
        }
        self.line.flush().await.map_err(|error| lost(&error))?;
        let (mut written, mut alone) = (0, Vec::new());
        for name in names {
            let (before, value) = (self.line.read().await, self.line.read().await);
            let (before, value) =
                (before.map_err(|error| lost(&error))?, value.map_err(|error| lost(&error))?);
            let after = self.line.read().await.map_err(|error| lost(&error))?;
            match (&before, &after) {
                (Value::Integer(before), Value::Integer(after)) if before == after => {
                    written += self.write(name, (*before >= 0).then_some(Millis(*before)), &value)?;
                }
                // Changed in between, or a server before Redis 7.0.
                _ => alone.push(*name),
            }
        }
        for name in alone {
            written += self.fetch_alone(name).await?;
        }
        Ok(written)
    }

    /// Value and time to live of one moment.
    async fn fetch_alone(&mut self, name: &[u8]) -> Result<u64, Stopped> {
        for words in [&[&b"MULTI"[..]][..], &[b"PTTL", name], &[b"DUMP", name], &[b"EXEC"]] {
            self.line.connection.queue(words);
        }
        self.line.flush().await.map_err(|error| lost(&error))?;
        for _ in 0..3 {
            self.line.read().await.map_err(|error| lost(&error))?;
        }
        let reply = self.line.read().await.map_err(|error| lost(&error))?;
        let parts = match &reply {
            Value::Array(parts) => parts.as_slice(),
            _ => &[],
        };
        let [Value::Integer(left), value] = parts else {
            let error = reply.as_error().unwrap_or("no reply of both commands".into());
            let text = format!("key {} cannot be fetched: {error}", quote_word(name));
            return Err(Outcome::failure(Status::ErrorReply, text).into());
        };
        let expiry = (*left >= 0).then(|| Millis(Millis::now().0.saturating_add(*left)));
        self.write(name, expiry, value)
    }

    fn write(&mut self, name: &[u8], expiry: Option<Millis>, value: &Value) -> Result<u64, Stopped> {
        let refused = |error: &dyn std::fmt::Display| {
            let text = format!("key {} cannot be exported: {error}", quote_word(name));
            Stopped::Cluster(Outcome::failure(Status::ErrorReply, text))
        };
        let payload = match value {
            Value::Bulk(payload) => payload,
            Value::Null => {
                self.gone += 1;
                return Ok(0);
            }
            other => return Err(refused(&other.as_error().unwrap_or("DUMP gives no payload".into()))),
        };
        let dumped = Dumped::of(payload).map_err(|error| refused(&error))?;
        if dumped.version() > self.version {
            let (needed, has) = (dumped.version(), self.version);
            return Err(refused(&format!(
                "its value is in a form of RDB version {needed}, and the file has {has}; `--rdb 12` makes one for Redis 7.4 and later"
            )));
        }
        self.expiring += u64::from(expiry.is_some());
        self.writer.dumped(name, expiry, dumped)?;
        self.meter.add(1, payload.len());
        Ok(1)
    }
}

fn is_new(seen: &mut HashSet<u128>, hashers: &[RandomState; 2], name: &[u8]) -> bool {
    let [high, low] = hashers.each_ref().map(|hasher| u128::from(hasher.hash_one(name)));
    seen.insert(high << 64 | low)
}

/// How many of these are fetched together; at least one.
fn together(names: &[&[u8]]) -> usize {
    let mut bytes = 0;
    let fit = names.iter().take(KEYS_MAX).take_while(|name| {
        bytes += name.len();
        bytes <= BYTES_MAX
    });
    fit.count().max(1)
}

fn is_unknown_command(error: &str) -> bool {
    error.to_ascii_lowercase().contains("unknown command")
}

fn unexpected(command: &str) -> Outcome {
    Outcome::failure(Status::ErrorReply, format!("{command} is answered with something else than Redis does"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_fetched_together_within_bounds() {
        let (short, long) = (b"k".as_slice(), vec![b'k'; BYTES_MAX + 1]);
        assert_eq!(together(&[short; 3]), 3);
        assert_eq!(together(&[short; 1000]), KEYS_MAX);
        assert_eq!(together(&[&long, short]), 1);
        assert_eq!(together(&[short, &long]), 1);
    }

    #[test]
    fn a_name_is_new_once() {
        let (mut seen, hashers) = (HashSet::new(), [RandomState::new(), RandomState::new()]);
        assert!(is_new(&mut seen, &hashers, b"a") && is_new(&mut seen, &hashers, b"b"));
        assert!(!is_new(&mut seen, &hashers, b"a"));
    }
}
