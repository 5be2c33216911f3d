//! A log is read: its base, then everything that happened since, through the one door to commands.
//!
//! A crash cuts what was being written, so the last file may end in the middle of a request or of a transaction. What is whole is
//! loaded, the rest is cut off and told of. Damage anywhere else is not repaired: whoever starts the node is told where it is.
//! Meanwhile clients are told to wait.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read},
    path::{Path, PathBuf},
    time::Duration,
};

use super::{
    directory::Directory,
    reader::{self, Damage, Piece},
};
use crate::{
    command::resolve,
    node::{
        Node,
        caller::{Caller, Origin},
        commands::table::{self, Row},
        exclusive::Held,
        exec::{Stage, call},
        keyspace::ExpiredOnes,
        persist::{
            self,
            load::{Options, delay},
        },
        rdb::file::ReadError,
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
    /// A base that cannot be kept here.
    #[error(transparent)]
    Base(Box<persist::load::LoadError>),
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

/// The store, as a log fills it: held for a piece of the file at a time, so that clients can ask how far it is.
struct Filler<'a> {
    node: &'a Node,
    held: Option<Held<'a, Store>>,
    caller: Caller,
    output: Output,
    loaded: Loaded,
    /// Bytes of the files before this one.
    before: u64,
    /// `key-load-delay`, for tests: time that each request takes beside what it takes.
    delay: Duration,
}

impl<'a> Filler<'a> {
    fn new(node: &'a Node) -> Self {
        let mut caller = Caller::of_nobody(&node.state);
        caller.origin = Origin::Load;
        let delay = node.state.config.load_delay();
        Self {
            node,
            held: None,
            caller,
            output: Output::default(),
            loaded: Loaded::default(),
            before: 0,
            delay,
        }
    }

    fn row(args: &Args) -> Result<&'static Row, String> {
        let request = args.request().ok_or("a request without a name")?;
        let name = || String::from_utf8_lossy(request.name()).into_owned();
        let spec = resolve(&request).map_err(|error| format!("{name:?}: {error}", name = name()))?;
        table::row(spec).ok_or_else(|| format!("{:?} is a command that this node does not have", name()))
    }

    fn run_one(&mut self, args: &Args) -> Result<(), String> {
        let row = Self::row(args)?;
        let Some(request) = args.request() else { return Ok(()) };
        if !self.delay.is_zero() {
            self.release();
            delay(self.delay);
        }
        self.output.clear();
        let Self { node, held, caller, output, .. } = self;
        let store = held.get_or_insert_with(|| {
            let mut store = node.store();
            // A client's pause may have ended, and let them go.
            store.keyspace.set_expired_ones(ExpiredOnes::StaySeen);
            store
        });
        let mut stage = Stage { store, caller, node: &node.state, now: Millis::now() };
        let encoder = output.encoder(stage.caller.version);
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

    /// Others have the store for a moment.
    fn release(&mut self) {
        let Some(mut store) = self.held.take() else { return };
        let (node, now) = (&self.node.state, Millis::now());
        // Clients may have begun to listen.
        store.settle(node, now);
        store.broadcast(node, now);
        if let Some(garbage) = store.keyspace.take_garbage() {
            node.freer.free(garbage);
        }
    }
}

/// The files of a log that are to be read, in order.
#[must_use]
pub fn files(directory: &Directory) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> =
        directory.manifest.parts().map(|part| directory.path_of(&part.name)).collect();
    // A new file is named before anything is in it: one without anything behind a torn one says nothing.
    while paths.len() > 1
        && paths.last().is_some_and(|path| std::fs::metadata(path).is_ok_and(|data| data.len() == 0))
    {
        paths.pop();
    }
    paths
}

/// Fills a store that is empty from the files of a log.
///
/// # Errors
/// A file is damaged, or cannot be read. What the store has then is of no use.
pub fn load(paths: &[PathBuf], node: &Node) -> Result<Loaded, LoadError> {
    let mut filler = Filler::new(node);
    let may_cut = node.state.config.get("aof-load-truncated").is_some_and(|value| value == "yes");
    for (index, path) in paths.iter().enumerate() {
        let is_last = index + 1 == paths.len();
        let torn = read_file(path, &mut filler)?;
        filler.release();
        if let Some(at) = torn {
            filler.loaded.cut += cut(path, at, is_last, may_cut)?;
        }
        // Each begins in the first database, and outside of a transaction.
        filler.caller.select(0);
        filler.before += std::fs::metadata(path).map_or(0, |data| data.len());
    }
    Ok(filler.loaded)
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
fn read_file(path: &Path, filler: &mut Filler<'_>) -> Result<Option<u64>, LoadError> {
    let io_error = |what| move |error| LoadError::Io { what, path: path.to_owned(), error };
    let mut file = File::open(path).map_err(io_error("open"))?;
    let mut head = [0; SNAPSHOT.len()];
    let got = read_fully(&mut file, &mut head).map_err(io_error("read"))?;
    let whole = head[..got].chain(file);
    if head[..got] != *SNAPSHOT {
        return read_requests(path, whole, 0, filler);
    }
    let (state, progress) = (&filler.node.state, &filler.node.state.persist.progress);
    let options = Options {
        checks: true,
        keeps_expired: true,
        ..Options::of(state, &filler.node.store(), Millis::now())
    };
    let put = |insert: &mut dyn FnMut(&mut Store)| insert(&mut filler.node.store());
    let (_, rest) =
        persist::load::load_from(whole, path, options, Some(progress), state, put).map_err(|error| {
            match error {
                persist::load::LoadError::Read { source, .. } => {
                    LoadError::Snapshot { path: path.to_owned(), error: source }
                }
                other => LoadError::Base(Box::new(other)),
            }
        })?;
    read_requests(path, rest.bytes, rest.offset, filler)
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

/// Who is given the requests of a log.
pub(in crate::node) trait Sink {
    /// Takes a request.
    ///
    /// # Errors
    /// Why no log can have it.
    fn run(&mut self, args: &Args) -> Result<(), String>;

    /// So many bytes of the file are done.
    fn advance(&mut self, offset: u64);
}

impl Sink for Filler<'_> {
    fn run(&mut self, args: &Args) -> Result<(), String> {
        self.run_one(args)
    }

    fn advance(&mut self, offset: u64) {
        self.release();
        self.node.state.persist.progress.advance(self.before + offset);
    }
}

/// Has requests run, which begin at byte `offset` of the file. `Some`: where what is not whole begins, at its end.
///
/// # Errors
/// What is damaged, or what is said of a request.
pub(in crate::node) fn read_requests(
    path: &Path,
    mut rest: impl Read,
    mut offset: u64,
    sink: &mut impl Sink,
) -> Result<Option<u64>, LoadError> {
    let damaged = |at: u64, reason: String| LoadError::Damaged { path: path.to_owned(), at, reason };
    let mut window: Vec<u8> = Vec::with_capacity(CHUNK);
    let mut start = 0;
    let mut transaction: Option<Transaction> = None;
    let mut missing = 1;
    loop {
        window.drain(..start);
        start = 0;
        sink.advance(offset);
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
                step(args, offset, &mut transaction, sink).map_err(|reason| damaged(offset, reason))?;
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
    sink: &mut impl Sink,
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
        queue.iter().try_for_each(|args| sink.run(args))?;
    } else if let Some(transaction) = transaction {
        transaction.queue.push(args);
    } else {
        sink.run(&args)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
