//! Reads an RDB file into the keyspace.
//!
//! One thread reads, checks and makes records; the caller's puts them where they belong. So two cores work, and the store is locked
//! for a batch at a time.

use std::{
    fs::File,
    io::{self, Chain, Cursor, Read},
    path::{Path, PathBuf},
    sync::mpsc,
    thread,
    time::Duration,
};

use super::Progress;
use crate::{
    node::{
        keyspace::{Aging, Record, Value},
        rdb::{
            Forms, Restored,
            file::{Entry, Item, ReadError, Reader},
        },
        state::NodeState,
        store::Store,
    },
    time::Millis,
};

/// Records that are put into the keyspace at once: some hundred microseconds.
const BATCH: usize = 512;
/// Batches that wait for it.
const BATCHES: usize = 16;

/// Why a file is not loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The system says no.
    #[error("cannot open {}: {source}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// The file is no good.
    #[error(
        "{}: {source}; `redis_node --check` says what the file holds until there. Put a good copy in its place, or move it away to start empty",
        path.display()
    )]
    Read {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: ReadError,
    },
    /// A database that the node does not have.
    #[error("{} has keys of database {database}: this node has {most} databases", path.display())]
    Database {
        /// The file.
        path: PathBuf,
        /// The database.
        database: usize,
        /// How many there are.
        most: usize,
    },
    /// A key is there already.
    #[error("{} has a key of database {database} twice, or one that is there already", path.display())]
    Twice {
        /// The file.
        path: PathBuf,
        /// The database.
        database: usize,
    },
    /// A library is not accepted.
    #[error("{} has a library of functions that cannot be loaded: {reason}", path.display())]
    Function {
        /// The file.
        path: PathBuf,
        /// The answer of FUNCTION LOAD.
        reason: String,
    },
    /// The system refused the thread that reads.
    #[error("cannot start the thread that reads the data: {0}")]
    Thread(io::Error),
}

/// How what is read is kept.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Which forms values have.
    pub forms: Forms,
    /// What keys note of their use.
    pub aging: Aging,
    /// Whether the checksum is looked at.
    pub checks: bool,
    /// The clock: keys whose time has come are not loaded.
    pub now: Millis,
    /// Keys whose time has come are loaded all the same: what follows the file says what became of them.
    pub keeps_expired: bool,
    /// Keys that are there already are replaced.
    pub replaces: bool,
    /// Databases that there are.
    pub databases: usize,
    /// `key-load-delay`, for tests: time that each key takes beside what it takes.
    pub delay: Duration,
}

impl Options {
    /// As a node is configured.
    #[must_use]
    pub fn of(node: &NodeState, store: &Store, now: Millis) -> Self {
        Self {
            forms: node.config.forms(),
            aging: store.keyspace.aging(),
            checks: node.config.get("rdbchecksum").is_some_and(|value| value == "yes"),
            now,
            keeps_expired: false,
            replaces: false,
            databases: store.keyspace.databases(),
            delay: node.config.load_delay(),
        }
    }

    fn record(&self, entry: Entry<'_>) -> Record {
        let age = match (self.aging, entry.frequency, entry.idle) {
            (Aging::Lfu { .. }, Some(frequency), _) => Aging::with_frequency(frequency, self.now),
            (Aging::Lru, _, Some(idle)) => Aging::with_idle_seconds(idle, self.now),
            _ => self.aging.initial(self.now),
        };
        match entry.value {
            Restored::String(std::borrow::Cow::Owned(text)) => {
                let text = bytes::Bytes::from(text);
                let value = match Value::of_string(&text) {
                    Value::Bytes(_) => Value::Shared(&text),
                    number => number,
                };
                Record::new(entry.key, value, entry.expiry, age)
            }
            Restored::String(text) => Record::new(entry.key, Value::of_string(&text), entry.expiry, age),
            Restored::Object(object) => Record::of_object(entry.key, object, entry.expiry, age),
        }
    }
}

/// What was loaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    /// Keys.
    pub keys: u64,
    /// Keys that were not, because their time had come.
    pub expired: u64,
    /// Keys that were not, because there was nothing in them.
    pub empty: u64,
}

/// What comes after a snapshot in something that goes on.
#[derive(Debug)]
pub struct Rest<R> {
    /// Where it begins.
    pub offset: u64,
    /// Its bytes.
    pub bytes: Chain<Cursor<Vec<u8>>, R>,
}

/// Some of a file.
#[derive(Default)]
struct Batch {
    records: Vec<(usize, Record)>,
    functions: Vec<Vec<u8>>,
}

/// Reads an RDB file; `put` gives the store to what it is given, for each batch anew.
///
/// # Errors
/// See [`LoadError`]; what was loaded by then is there.
pub fn load(
    path: &Path,
    options: Options,
    progress: Option<&Progress>,
    node: &NodeState,
    put: impl FnMut(&mut dyn FnMut(&mut Store)),
) -> Result<Loaded, LoadError> {
    let open = |source| LoadError::Open { path: path.to_owned(), source };
    let file = File::open(path).map_err(open)?;
    if let Some(progress) = progress {
        progress.set_total(file.metadata().map_err(open)?.len());
    }
    load_from(file, path, options, progress, node, put).map(|(loaded, _)| loaded)
}

/// The same from anywhere; errors say that it is `path`. Gives back what follows.
///
/// # Errors
/// As [`load`].
pub fn load_from<R: Read + Send>(
    file: R,
    path: &Path,
    options: Options,
    progress: Option<&Progress>,
    node: &NodeState,
    mut put: impl FnMut(&mut dyn FnMut(&mut Store)),
) -> Result<(Loaded, Rest<R>), LoadError> {
    thread::scope(|scope| {
        let (sender, batches) = mpsc::sync_channel(BATCHES);
        let reading = thread::Builder::new()
            .name("load".into())
            .spawn_scoped(scope, move || read(file, path, options, progress, &sender))
            .map_err(LoadError::Thread)?;
        let mut failure = None;
        while failure.is_none()
            && let Ok(batch) = batches.recv()
        {
            let mut batch = Some(batch);
            put(&mut |store| {
                let Some(batch) = batch.take() else { return };
                failure = insert(store, batch, path, options, node).err();
            });
        }
        // Who reads notices that nobody takes any more.
        drop(batches);
        let read = reading.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        match failure {
            Some(failure) => Err(failure),
            None => {
                let (loaded, reader) = read?;
                Ok((loaded, Rest { offset: reader.offset(), bytes: reader.into_rest() }))
            }
        }
    })
}

fn insert(
    store: &mut Store,
    batch: Batch,
    path: &Path,
    options: Options,
    node: &NodeState,
) -> Result<(), LoadError> {
    for source in batch.functions {
        store.functions.load(&source, options.replaces, &node.script).map_err(|failure| {
            LoadError::Function {
                path: path.to_owned(),
                reason: String::from_utf8_lossy(&failure.text).into_owned(),
            }
        })?;
    }
    for (database, record) in batch.records {
        if !store.keyspace.db_mut(database).load(record, options.replaces) {
            return Err(LoadError::Twice { path: path.to_owned(), database });
        }
    }
    Ok(())
}

fn read<R: Read>(
    file: R,
    path: &Path,
    options: Options,
    progress: Option<&Progress>,
    batches: &mpsc::SyncSender<Batch>,
) -> Result<(Loaded, Reader<R>), LoadError> {
    let failed = |source| LoadError::Read { path: path.to_owned(), source };
    let mut reader = Reader::new(file, options.forms, options.checks).map_err(failed)?;
    let (mut loaded, mut batch) = (Loaded::default(), Batch::default());
    while let Some(item) = reader.next().map_err(failed)? {
        match item {
            Item::Entry(entry) => {
                let database = entry.database;
                if database >= options.databases {
                    return Err(LoadError::Database {
                        path: path.to_owned(),
                        database,
                        most: options.databases,
                    });
                }
                if !options.keeps_expired && entry.expiry.is_some_and(|expiry| expiry < options.now) {
                    loaded.expired += 1;
                    continue;
                }
                loaded.keys += 1;
                if !options.delay.is_zero() {
                    delay(options.delay);
                }
                batch.records.push((database, options.record(entry)));
            }
            Item::Function(source) => batch.functions.push(source),
            Item::Aux { name, value } => tracing::debug!(
                name = %name.escape_ascii(), value = %value.escape_ascii(), "the file says of itself"
            ),
            Item::Sizes { .. } => {}
        }
        if batch.records.len() >= BATCH {
            if let Some(progress) = progress {
                progress.advance(reader.offset());
            }
            let records = Vec::with_capacity(BATCH);
            if batches.send(std::mem::replace(&mut batch, Batch { records, ..Batch::default() })).is_err() {
                // Whoever takes them knows why.
                return Ok((loaded, reader));
            }
        }
    }
    loaded.empty = reader.empty();
    drop(batches.send(batch));
    Ok((loaded, reader))
}

/// `key-load-delay`.
#[cold]
#[expect(clippy::disallowed_methods, reason = "to take its time is what it is for")]
pub(in crate::node) fn delay(time: Duration) {
    thread::sleep(time);
}
