//! A new base: what there is, written as a snapshot, so that what led there can go.
//!
//! At one moment, under the lock, the log goes on in a new file and a snapshot begins. What follows happens on the thread that writes snapshots
//! ([`save`]): the base is written and synced, takes the place of the old one in the manifest, and what came before it is deleted. Until then
//! the manifest has the old base with everything since, so a crash at any time loses nothing.
//!
//! A log that begins is the same: what happens is kept in a file from the moment of its base on, and both are in the manifest once the base
//! is on disk. If it cannot be written, both are forgotten, and a new one is begun later.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use super::{
    Aof, commands,
    directory::{Directory, DirectoryError, First},
    journal::Journal,
    manifest::{Form, Part},
};
use crate::node::{
    Node,
    persist::{SaveError, Synced, save},
    rdb::Forms,
    state::NodeState,
    store::Store,
};
use crate::time::Millis;

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

/// The log of a node that starts and has none: on disk before anybody is served.
///
/// # Errors
/// There is none.
pub(in crate::node) fn begin_first_log(node: &Node) -> Result<(), RewriteError> {
    let aof = &node.state.aof;
    let (file, base) = {
        let mut files = aof.files.lock();
        let directory = aof.directory(&mut files, &node.state)?;
        let (file, part) = directory.prepare()?;
        (file, NewBase::next(directory, First::Prepared(part), &node.state))
    };
    let length = save::write_base(node, &base)?;
    aof.figures.lock().base_size = length;
    node.store().set_journal(Some(Journal::open(Arc::clone(&aof.shared), Arc::new(file), 0)));
    Ok(())
}

/// `CONFIG SET appendonly yes`. While another snapshot is being written the log begins when that has ended.
///
/// # Errors
/// There is none.
pub fn begin_log(store: &mut Store, node: &NodeState) -> Result<(), RewriteError> {
    let aof = &node.aof;
    match save::may_begin(node) {
        Err(SaveError::Running | SaveError::Base) => {
            aof.figures.lock().begins = true;
            return Ok(());
        }
        other => other?,
    }
    let (file, base) = {
        let mut files = aof.files.lock();
        let directory = aof.directory(&mut files, node)?;
        let (file, part) = directory.prepare()?;
        (file, NewBase::next(directory, First::Prepared(part), node))
    };
    {
        let mut figures = aof.figures.lock();
        (figures.begins, figures.begun) = (true, Some(Instant::now()));
    }
    store.set_journal(Some(Journal::open(Arc::clone(&aof.shared), Arc::new(file), 0)));
    // In the same moment, so that the file has all that the base has not.
    save::begin_base(store, node, base).inspect_err(|_| {
        aof.forget_journal(store);
        let mut figures = aof.figures.lock();
        (figures.begins, figures.begun) = (false, None);
    })?;
    Ok(())
}

/// `BGREWRITEAOF`.
///
/// # Errors
/// Nothing was begun.
pub fn begin(store: &mut Store, node: &NodeState) -> Result<(), RewriteError> {
    let aof = &node.aof;
    let (is_running, begins) = {
        let figures = aof.figures.lock();
        (figures.begun.is_some(), figures.begins)
    };
    if is_running {
        return Err(RewriteError::Busy);
    }
    if begins {
        return begin_log(store, node);
    }
    save::may_begin(node)?;
    let mut files = aof.files.lock();
    let directory = aof.directory(&mut files, node)?;
    let first = match &mut store.journal {
        Some(journal) => {
            let (file, number) = directory.add()?;
            journal.go_on_in(Arc::new(file));
            First::Of(number)
        }
        None => {
            directory.make()?;
            First::Nothing
        }
    };
    let base = NewBase::next(directory, first, node);
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
    /// What goes on from it.
    first: First,
    told: Told,
}

/// How a base says what there was.
#[derive(Clone, Copy, Debug)]
enum Told {
    /// As a snapshot.
    Snapshot,
    /// As commands; with the time, where that is noted.
    Commands { stamp: Option<Millis>, forms: Forms },
}

impl NewBase {
    fn next(directory: &Directory, first: First, node: &NodeState) -> Self {
        let is = |name: &str| node.config.get(name).is_some_and(|value| value == "yes");
        let (form, told) = if is("aof-use-rdb-preamble") {
            (Form::Rdb, Told::Snapshot)
        } else {
            let stamp = is("aof-timestamp-enabled").then(Millis::now);
            (Form::Commands, Told::Commands { stamp, forms: node.config.forms() })
        };
        Self {
            unfinished: directory.unfinished_base(),
            part: directory.manifest.next_base(directory.log(), form),
            first,
            told,
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
            let length = match self.told {
                Told::Snapshot => Synced::create(&self.unfinished, syncs_often, write)?,
                Told::Commands { stamp, forms } => {
                    // The moment is over as soon as there is a snapshot of it; that is told in commands then, without anybody's waiting.
                    let snapshot = self.unfinished.with_extension("rdb");
                    let told = Synced::create(&snapshot, false, write).and_then(|_| {
                        let told = |out| commands::of_snapshot(File::open(&snapshot)?, forms, stamp, out);
                        Synced::create(&self.unfinished, syncs_often, told)
                    });
                    remove(&snapshot);
                    told?
                }
            };
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
                directory.rebase(&base.unfinished, part, &base.first).map_err(io::Error::other)
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
