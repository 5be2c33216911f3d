//! A new base: what there is, written as a snapshot, so that what led there can go.
//!
//! At one moment, under the lock, the log goes on in a new file and a snapshot begins. What follows happens on the thread that writes snapshots
//! ([`save`]): the base is written and synced, takes the place of the old one in the manifest, and what came before it is deleted. Until then
//! the manifest has the old base with everything since, so a crash at any time loses nothing. Only the first base of a log is written at once.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use super::{
    Aof,
    directory::{Directory, DirectoryError},
    journal::Journal,
    manifest::{Form, Part},
};
use crate::node::{
    persist::{SaveError, Synced, save},
    state::NodeState,
    store::Store,
};

/// Why no base can be begun.
#[derive(Debug, thiserror::Error)]
pub enum RewriteError {
    /// One is being written.
    #[error("ERR Background append only file rewriting already in progress")]
    Busy,
    /// There is nowhere to write it to.
    #[error("ERR this server keeps nothing: start it with --dir DIR")]
    NoDirectory,
    /// The system refused something.
    #[error("ERR {0}")]
    Directory(#[from] DirectoryError),
    /// The system refused something.
    #[error("ERR cannot write a base: {0}")]
    Io(#[from] io::Error),
    /// No snapshot can be begun.
    #[error("ERR {0}")]
    Snapshot(#[from] SaveError),
}

/// The first base of a log that has none: what the store has, on disk, and the log behind it.
///
/// # Errors
/// The log is as it was.
pub fn begin_log(store: &mut Store, node: &NodeState) -> Result<(), RewriteError> {
    let aof = &node.aof;
    if aof.figures.lock().begun.is_some() {
        // It would take the place of this one.
        return Err(RewriteError::Busy);
    }
    let mut files = aof.files.lock();
    let directory = aof.directory(&mut files, node)?;
    directory.make()?;
    let base = NewBase::next(directory, 0);
    let length = save::write_base(store, node, &base)?;
    // Whatever was logged before is of another time.
    let file = directory.begin(&base.unfinished, base.part)?;
    aof.figures.lock().base_size = length;
    store.set_journal(Some(Journal::open(Arc::clone(&aof.shared), Arc::new(file), 0)));
    Ok(())
}

/// `BGREWRITEAOF`.
///
/// # Errors
/// Nothing was begun.
pub fn begin(store: &mut Store, node: &NodeState) -> Result<(), RewriteError> {
    let aof = &node.aof;
    if aof.figures.lock().begun.is_some() {
        return Err(RewriteError::Busy);
    }
    save::may_begin(node)?;
    let mut files = aof.files.lock();
    let directory = aof.directory(&mut files, node)?;
    let first = match &mut store.journal {
        Some(journal) => {
            let (file, number) = directory.add()?;
            journal.go_on_in(Arc::new(file));
            number
        }
        None => {
            directory.make()?;
            u64::MAX
        }
    };
    let base = NewBase::next(directory, first);
    drop(files);
    aof.figures.lock().begun = Some(Instant::now());
    // In the same moment, so that the log behind it has all that it has not.
    save::begin_base(store, node, base).inspect_err(|_| aof.figures.lock().begun = None)?;
    Ok(())
}

/// A base that is being written.
#[derive(Clone, Debug)]
pub struct NewBase {
    /// Its file, until it is whole.
    pub(in crate::node) unfinished: PathBuf,
    /// What it will be.
    part: Part,
    /// The incremental file that goes on from it.
    first: u64,
}

impl NewBase {
    fn next(directory: &Directory, first: u64) -> Self {
        Self {
            unfinished: directory.unfinished_base(),
            part: directory.manifest.next_base(directory.log(), Form::Rdb),
            first,
        }
    }

    /// Lets `write` write it, and `install` begin the log with it once it is on disk.
    ///
    /// # Errors
    /// What they say, or the system. Nothing is left of it then.
    pub(in crate::node) fn write(
        &self,
        syncs_often: bool,
        write: impl FnOnce(Synced) -> io::Result<Synced>,
        install: impl FnOnce() -> io::Result<()>,
    ) -> io::Result<u64> {
        let written = (|| {
            let length = Synced::create(&self.unfinished, syncs_often, write)?;
            install()?;
            Ok(length)
        })();
        written.inspect_err(|_: &io::Error| remove(&self.unfinished))
    }
}

impl Aof {
    /// A new base is on disk: the log begins with it from here on.
    pub(in crate::node) fn rebase(&self, base: &NewBase) -> io::Result<()> {
        match self.files.lock().as_mut() {
            Some(directory) => {
                let part = base.part.clone();
                directory.rebase(&base.unfinished, part, base.first).map_err(io::Error::other)
            }
            None => Err(io::Error::other("the log has no directory any more")),
        }
    }
}

fn remove(path: &Path) {
    if let Err(error) = fs::remove_file(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(path = %path.display(), %error, "cannot delete an unfinished base");
    }
}
