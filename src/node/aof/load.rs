//! A log is read: its base, then everything that happened since, through the one door to commands.
//!
//! A crash cuts what was being written, so the last file may end in the middle of a request or of a transaction. What is whole is
//! loaded, the rest is cut off and told of. Damage anywhere else is not repaired: whoever starts the node is told where it is.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read},
    path::{Path, PathBuf},
};

use super::{
    directory::Directory,
    reader::{self, Damage, Piece},
};
use crate::{
    command::resolve,
    node::{
        caller::{Caller, Origin},
        commands::table::{self, Row},
        exec::{Stage, call},
        keyspace::{ExpiredOnes, Key, Record, Value},
        rdb::{
            Forms, Restored,
            file::{Entry, Item, ReadError, Reader},
        },
        state::NodeState,
        store::Store,
    },
    protocol::{Args, Output},
    time::Millis,
};

/// Bytes that are read at once.
const CHUNK: usize = 256 << 10;
/// What a snapshot begins with.
const SNAPSHOT: &[u8] = b"REDIS";

/// What came of loading.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    /// Requests that were run.
    pub requests: u64,
    /// Requests that answered an error.
    pub refused: u64,
    /// Bytes that a crash had left behind the last whole request or transaction.
    pub cut: u64,
}

/// Why a log is not loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A file cannot be read.
    #[error("cannot {what} {}: {error}", path.display())]
    Io {
        /// What was to be done.
        what: &'static str,
        /// With which file.
        path: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// A base that is no snapshot.
    #[error("the base {} is damaged: {error}. Restore it from a copy", path.display())]
    Snapshot {
        /// Which file.
        path: PathBuf,
        /// Where and how.
        error: ReadError,
    },
    /// Something that no log has.
    #[error(
        "{} is damaged at byte {at}: {reason}. What is before that byte is whole: make a copy of the file and cut it there \
         (truncate -s {at}), which loses what follows, or restore it", path.display()
    )]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// From which byte on.
        at: u64,
        /// What is wrong.
        reason: String,
    },
    /// A file ends too early, and more follows or it is not to be cut.
    #[error("{} ends in the middle of a request or transaction that begins at byte {at}: {hint}", path.display())]
    Cut {
        /// Which file.
        path: PathBuf,
        /// Where what is not whole begins.
        at: u64,
        /// What to do.
        hint: &'static str,
    },
}

/// Where requests come from.
trait Sink {
    fn run(&mut self, args: &Args) -> Result<(), String>;
    fn put(&mut self, item: Item<'_>) -> Result<(), String>;
    /// In which forms values are to be kept.
    fn forms(&self) -> Forms;
}

/// The store, as a log fills it.
struct Filler<'a> {
    store: &'a mut Store,
    node: &'a NodeState,
    caller: Caller,
    output: Output,
    loaded: Loaded,
}

impl Filler<'_> {
    fn row(args: &Args) -> Result<&'static Row, String> {
        let request = args.request().ok_or("a request without a name")?;
        let name = || String::from_utf8_lossy(request.name()).into_owned();
        let spec = resolve(&request).map_err(|error| format!("{name:?}: {error}", name = name()))?;
        table::row(spec).ok_or_else(|| format!("{:?} is a command that this node does not have", name()))
    }
}

impl Sink for Filler<'_> {
    fn forms(&self) -> Forms {
        self.node.config.forms()
    }

    fn run(&mut self, args: &Args) -> Result<(), String> {
        let row = Self::row(args)?;
        let Some(request) = args.request() else { return Ok(()) };
        self.output.clear();
        let mut stage =
            Stage { store: self.store, caller: &mut self.caller, node: self.node, now: Millis::now() };
        let encoder = self.output.encoder(stage.caller.version);
        call(&mut stage, row, request, None, usize::MAX, encoder);
        self.loaded.requests += 1;
        if self.output.piece(0).first() == Some(&b'-') {
            if self.loaded.refused == 0 {
                tracing::warn!(command = row.spec.name, reply = %String::from_utf8_lossy(self.output.piece(0)).trim_end(),
                    "a request of the append-only file was refused, and is passed over");
            }
            self.loaded.refused += 1;
        }
        Ok(())
    }

    fn put(&mut self, item: Item<'_>) -> Result<(), String> {
        match item {
            Item::Aux { .. } => Ok(()),
            Item::Sizes { database, .. } if database >= self.store.keyspace.databases() => {
                Err(format!("there is no database {database}"))
            }
            Item::Sizes { .. } => Ok(()),
            Item::Function(source) => {
                let loaded = self.store.functions.load(&source, true, &self.node.script);
                loaded.map(drop).map_err(|failure| String::from_utf8_lossy(&failure.text).into_owned())
            }
            Item::Entry(entry) => self.put_entry(entry),
        }
    }
}

impl Filler<'_> {
    fn put_entry(&mut self, entry: Entry<'_>) -> Result<(), String> {
        let Entry { database, key, value, expiry, idle, frequency } = entry;
        let access = self.store.keyspace.access(Millis::now(), false);
        if database >= self.store.keyspace.databases() {
            return Err(format!("there is no database {database}"));
        }
        let age = access.aging.restored(idle, frequency, access.now);
        let key = Key::new(key);
        self.store.keyspace.db_mut(database).put(match value {
            Restored::String(value) => Record::new(key.bytes, Value::of_string(&value), expiry, age),
            Restored::Object(object) => Record::of_object(key.bytes, object, expiry, age),
        });
        Ok(())
    }
}

/// Fills a store that is empty from the log in a directory.
///
/// # Errors
/// A file is damaged, or cannot be read. What the store has then is of no use.
pub fn load(directory: &Directory, store: &mut Store, node: &NodeState) -> Result<Loaded, LoadError> {
    store.keyspace.set_expired_ones(ExpiredOnes::StaySeen);
    let mut caller = Caller::of_nobody(node);
    caller.origin = Origin::Load;
    let mut filler = Filler { store, node, caller, output: Output::default(), loaded: Loaded::default() };
    let may_cut = node.config.get("aof-load-truncated").is_some_and(|value| value == "yes");
    let mut paths: Vec<PathBuf> =
        directory.manifest.parts().map(|part| directory.path_of(&part.name)).collect();
    // A new file is named before anything is in it: one without anything behind a torn one says nothing.
    while paths.len() > 1
        && paths.last().is_some_and(|path| std::fs::metadata(path).is_ok_and(|data| data.len() == 0))
    {
        paths.pop();
    }
    for (index, path) in paths.iter().enumerate() {
        let is_last = index + 1 == paths.len();
        let torn = read_file(path, &mut filler)?;
        if let Some(at) = torn {
            filler.loaded.cut += cut(path, at, is_last, may_cut)?;
        }
        // Each begins in the first database, and outside of a transaction.
        filler.caller.select(0);
        if let Some(garbage) = filler.store.keyspace.take_garbage() {
            node.freer.free(garbage);
        }
    }
    let loaded = filler.loaded;
    store.keyspace.set_expired_ones(ExpiredOnes::Go);
    Ok(loaded)
}

/// Takes away what a crash left at the end of a file; how much that was.
fn cut(path: &Path, at: u64, is_last: bool, may_cut: bool) -> Result<u64, LoadError> {
    let refuse = |hint| Err(LoadError::Cut { path: path.to_owned(), at, hint });
    if !is_last {
        return refuse(
            "files that follow go on from there. Restore it from a copy, or move what follows away",
        );
    }
    if !may_cut {
        return refuse("set aof-load-truncated to yes to load what is before it");
    }
    let error = |error| LoadError::Io { what: "cut", path: path.to_owned(), error };
    let file = OpenOptions::new().write(true).open(path).map_err(error)?;
    let length = file.metadata().map_err(error)?.len();
    file.set_len(at).and_then(|()| file.sync_all()).map_err(error)?;
    tracing::warn!(
        path = %path.display(), at, bytes = length - at,
        "the append-only file ended in the middle of a request or transaction, which was never acknowledged as synced: cut there"
    );
    Ok(length - at)
}

/// Reads a file. `Some`: where what is not whole begins, at its end.
fn read_file(path: &Path, sink: &mut impl Sink) -> Result<Option<u64>, LoadError> {
    let io_error = |what| move |error| LoadError::Io { what, path: path.to_owned(), error };
    let mut file = File::open(path).map_err(io_error("open"))?;
    let mut head = [0; SNAPSHOT.len()];
    let got = read_fully(&mut file, &mut head).map_err(io_error("read"))?;
    let head = &head[..got];
    if head == SNAPSHOT {
        let snapshot = |error| LoadError::Snapshot { path: path.to_owned(), error };
        let whole = head.chain(file);
        let mut reader = Reader::new(whole, sink.forms(), true).map_err(snapshot)?;
        loop {
            let at = reader.offset();
            let Some(item) = reader.next().map_err(snapshot)? else { break };
            sink.put(item).map_err(|reason| LoadError::Damaged { path: path.to_owned(), at, reason })?;
        }
        let at = reader.offset();
        return read_requests(path, reader.into_rest(), at, &mut |args| sink.run(args));
    }
    read_requests(path, head.chain(file), 0, &mut |args| sink.run(args))
}

fn read_fully(file: &mut File, bytes: &mut [u8]) -> io::Result<usize> {
    let mut got = 0;
    while got < bytes.len() {
        match file.read(&mut bytes[got..]) {
            Ok(0) => break,
            Ok(read) => got += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(got)
}

/// Has requests run, which begin at byte `offset` of the file. `Some`: where what is not whole begins, at its end.
///
/// # Errors
/// What is damaged, or what `run` says of a request.
pub(in crate::node) fn read_requests(
    path: &Path,
    mut rest: impl Read,
    mut offset: u64,
    run: &mut dyn FnMut(&Args) -> Result<(), String>,
) -> Result<Option<u64>, LoadError> {
    let damaged = |at: u64, reason: String| LoadError::Damaged { path: path.to_owned(), at, reason };
    let mut window: Vec<u8> = Vec::with_capacity(CHUNK);
    let mut start = 0;
    let mut transaction: Option<Transaction> = None;
    let mut missing = 1;
    loop {
        window.drain(..start);
        start = 0;
        let wanted = missing.max(CHUNK) as u64;
        let read = (&mut rest).take(wanted).read_to_end(&mut window);
        let read = read.map_err(|error| LoadError::Io { what: "read", path: path.to_owned(), error })?;
        if read == 0 {
            let begin = transaction.map(|transaction| transaction.begin);
            return Ok(begin.or((!window.is_empty()).then_some(offset)));
        }
        while start < window.len() {
            let piece = reader::next(&window[start..]).map_err(|Damage { at, expected }| {
                damaged(offset + at as u64, format!("expected {expected}"))
            })?;
            let (args, length) = match piece {
                Piece::Cut(more) => {
                    missing = more;
                    break;
                }
                Piece::Note(length) => (None, length),
                Piece::Request(args, length) => (Some(args), length),
            };
            if let Some(args) = args {
                step(args, offset, &mut transaction, run).map_err(|reason| damaged(offset, reason))?;
            }
            start += length;
            offset += length as u64;
        }
    }
}

/// What came since a `MULTI`.
struct Transaction {
    /// Where that is.
    begin: u64,
    queue: Vec<Args>,
}

/// Runs a request, or what it ends. A transaction is run when all of it is there.
fn step(
    args: Args,
    at: u64,
    transaction: &mut Option<Transaction>,
    run: &mut dyn FnMut(&Args) -> Result<(), String>,
) -> Result<(), String> {
    let is = |word: &str| {
        args.request().is_some_and(|request| request.name().eq_ignore_ascii_case(word.as_bytes()))
    };
    if is("MULTI") {
        if transaction.is_some() {
            return Err("a transaction in a transaction".to_owned());
        }
        *transaction = Some(Transaction { begin: at, queue: Vec::new() });
    } else if is("EXEC") {
        let queue = transaction.take().ok_or("EXEC without MULTI")?.queue;
        queue.iter().try_for_each(run)?;
    } else if let Some(transaction) = transaction {
        transaction.queue.push(args);
    } else {
        run(&args)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
