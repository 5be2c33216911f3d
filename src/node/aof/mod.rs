//! The append-only file: every change is written down before the client that caused it hears of it, and read again at the next start.
//!
//! [`log`] is the text of it and [`reader`] its way back, [`manifest`] says which files there are and [`directory`] keeps them; those of
//! text are pure. [`journal`] takes effects from whoever holds the store, [`output`] writes them, [`syncer`] makes them last, [`load`]
//! runs them again, and [`rewrite`] begins anew with what there is, told in [`commands`] if that is wanted. Which effects there are: [`super::effects`]. Not here: what a
//! snapshot looks like.

pub mod commands;
pub mod directory;
pub mod journal;
pub mod load;
pub mod log;
pub mod manifest;
pub mod output;
pub mod reader;
pub mod rewrite;
pub mod syncer;

use std::{
    fs,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;

use self::{
    directory::Directory,
    journal::{Journal, Policy, Shared},
    load::{LoadError, Loaded},
    rewrite::RewriteError,
    syncer::Syncer,
};
use super::{
    Node,
    keyspace::ExpiredOnes,
    persist::{SaveError, save},
    state::NodeState,
    store::Store,
};

/// After a base that could not be written, none is tried for so long, unless somebody asks for it.
const AFTER_FAILURE: Duration = Duration::from_secs(60);

/// The append-only file of a node, as far as it is not the store's.
#[derive(Debug, Default)]
pub struct Aof {
    /// The way from the store to the file.
    pub shared: Arc<Shared>,
    files: Mutex<Option<Directory>>,
    figures: Mutex<Figures>,
    syncer: Mutex<Option<Syncer>>,
}

/// What `INFO` says of it.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    /// Since when a base is being written.
    pub begun: Option<Instant>,
    /// Bases that were written.
    pub rewrites: u64,
    /// Those that were not, since the last that was.
    pub failures: u64,
    /// How long the last one took.
    pub took: Option<Duration>,
    /// Bytes of the base.
    pub base_size: u64,
    /// What was loaded at the start.
    pub loaded: Loaded,
    failed: Option<Instant>,
    /// One is to be begun when nothing else runs.
    pub is_scheduled: bool,
    /// There is to be a log, whose first base is not on disk yet.
    pub begins: bool,
    /// The log was turned off while one was being written.
    is_unwanted: bool,
}

/// What a node that starts has of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::node) enum Found {
    /// There is to be none.
    Unwanted,
    /// It is to begin.
    Nothing,
    /// It is to be loaded.
    Log,
}

/// Why a node does not start with its log.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The directory cannot be used.
    #[error(transparent)]
    Directory(#[from] directory::DirectoryError),
    /// It cannot be loaded.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The first base cannot be written.
    #[error("appendonly: {}", .0.to_string().trim_start_matches("ERR "))]
    Rewrite(#[from] RewriteError),
    /// The system refused the thread that syncs.
    #[error("cannot start the thread that syncs the append-only file: {0}")]
    Thread(std::io::Error),
}

impl Aof {
    /// The directory, opened when it is needed for the first time.
    fn directory<'f>(
        &self,
        files: &'f mut Option<Directory>,
        node: &NodeState,
    ) -> Result<&'f mut Directory, RewriteError> {
        let text = |name| node.config.get(name).unwrap_or_default();
        if files.is_none() {
            let dir = text("dir");
            if dir.is_empty() {
                return Err(RewriteError::NoDirectory);
            }
            *files = Some(Directory::open(Path::new(&dir), &text("appenddirname"), &text("appendfilename"))?);
        }
        let directory = files.as_mut().ok_or(RewriteError::NoDirectory)?;
        directory.keeps_history = text("aof-disable-auto-gc") == "yes";
        Ok(directory)
    }

    /// Before anybody is served: what there is of a log, if the configuration wants one.
    ///
    /// # Errors
    /// The node must not start: it would go on without what it had.
    pub(in crate::node) fn open(&self, node: &NodeState) -> Result<Found, StartError> {
        let thread = Syncer::start(&format!("node-{}", node.id), &self.shared).map_err(StartError::Thread)?;
        *self.syncer.lock() = Some(thread);
        self.configure(node);
        if node.config.get("appendonly").is_none_or(|value| value != "yes") {
            return Ok(Found::Unwanted);
        }
        let mut files = self.files.lock();
        let directory = self.directory(&mut files, node)?;
        Ok(if directory.manifest.is_empty() { Found::Nothing } else { Found::Log })
    }

    /// Loads what there is, and goes on with it. Clients are told to wait meanwhile.
    ///
    /// # Errors
    /// The node must not go on.
    pub(in crate::node) fn load(&self, node: &Node) -> Result<(), StartError> {
        let begun = Instant::now();
        let paths = self.files.lock().as_ref().map(load::files).unwrap_or_default();
        let bytes = paths.iter().map(|path| fs::metadata(path).map_or(0, |data| data.len())).sum();
        node.state.persist.progress.set_total(bytes);
        tracing::info!(files = paths.len(), bytes, "loading the append-only file");
        let loaded = load::load(&paths, node)?;
        let (base_size, (file, length)) = {
            let mut files = self.files.lock();
            let directory = self.directory(&mut files, &node.state)?;
            directory.delete_history()?;
            (directory.sizes().0, directory.open_last()?)
        };
        *self.figures.lock() = Figures { base_size, loaded, ..Figures::default() };
        let mut store = node.store();
        let is_paused = store.pause.is_begun();
        store.keyspace.set_expired_ones(if is_paused { ExpiredOnes::StayHidden } else { ExpiredOnes::Go });
        store.set_journal(Some(Journal::open(Arc::clone(&self.shared), Arc::new(file), length)));
        let keyspace = &store.keyspace;
        let keys: usize = (0..keyspace.databases()).map(|index| keyspace.db(index).len()).sum();
        tracing::info!(
            keys,
            requests = loaded.requests,
            seconds = begun.elapsed().as_secs_f64(),
            "the append-only file is loaded"
        );
        Ok(())
    }

    /// After a parameter was set.
    pub fn configure(&self, node: &NodeState) {
        let text = |name| node.config.get(name).unwrap_or_default();
        self.shared.set_policy(Policy::of_word(&text("appendfsync")));
        self.shared.set_rests(text("no-appendfsync-on-rewrite") == "yes");
    }

    /// After `aof-disable-auto-gc` was set: what was kept because of it goes.
    ///
    /// # Errors
    /// The manifest cannot be written.
    pub fn delete_history(&self, node: &NodeState) -> Result<(), RewriteError> {
        let mut files = self.files.lock();
        if files.is_some() {
            self.directory(&mut files, node)?.delete_history()?;
        }
        Ok(())
    }

    /// `CONFIG SET appendonly`.
    ///
    /// # Errors
    /// It is as it was.
    pub fn turn(&self, on: bool, store: &mut Store, node: &NodeState) -> Result<(), RewriteError> {
        if node.persist.is_loading() {
            return Err(SaveError::Loading.into());
        }
        match (on, self.is_wanted()) {
            (true, false) => rewrite::begin_log(store, node),
            (false, true) => {
                self.forget_journal(store);
                let mut figures = self.figures.lock();
                (figures.begins, figures.is_scheduled) = (false, false);
                if figures.begun.take().is_some() {
                    figures.is_unwanted = true;
                    drop(figures);
                    save::give_up(store, node);
                }
                Ok(())
            }
            (true, true) | (false, false) => Ok(()),
        }
    }

    /// There is a log, or will be.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        self.shared.is_on() || self.figures.lock().begins
    }

    fn forget_journal(&self, store: &mut Store) {
        self.shared.close();
        store.set_journal(None);
    }

    /// A log that has no base has none of what is in it.
    fn forget_beginning(&self, figures: &Figures, store: &mut Store) {
        if figures.begins {
            self.forget_journal(store);
        }
    }

    /// What `INFO` says.
    #[must_use]
    pub fn figures(&self) -> Figures {
        self.figures.lock().clone()
    }

    /// Bytes of all files.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.files.lock().as_ref().map_or(0, |directory| {
            let (base, since) = directory.sizes();
            base + since
        })
    }

    /// Another snapshot was wanted at once: this one is begun again later. Or the log was turned off.
    pub(in crate::node) fn note_given_up(&self, store: &mut Store) {
        let mut figures = self.figures.lock();
        if std::mem::take(&mut figures.is_unwanted) {
            return;
        }
        self.forget_beginning(&figures, store);
        (figures.begun, figures.is_scheduled) = (None, true);
        tracing::info!("a new base of the append-only file is put off");
    }

    /// How writing a new base of so many bytes ended.
    pub(in crate::node) fn note_rewritten(&self, result: std::io::Result<u64>, store: &mut Store) {
        let mut figures = self.figures.lock();
        figures.took = figures.begun.take().map(|begun| begun.elapsed());
        figures.is_unwanted = false;
        match result {
            Ok(size) => {
                figures.rewrites += 1;
                (figures.failures, figures.failed, figures.base_size) = (0, None, size);
                figures.begins = false;
                tracing::info!(bytes = size, "the append-only file has a new base");
            }
            Err(error) => {
                self.forget_beginning(&figures, store);
                figures.failures += 1;
                figures.failed = Some(Instant::now());
                tracing::error!(%error, "the append-only file has no new base");
            }
        }
    }

    /// Whether a base is to be begun that waits for nothing but its turn.
    pub(in crate::node) fn wants_base(&self) -> bool {
        let figures = self.figures.lock();
        figures.begun.is_none() && (figures.is_scheduled || figures.begins && figures.failed.is_none())
    }

    /// A new base is to be begun soon.
    pub fn schedule(&self) {
        self.figures.lock().is_scheduled = true;
    }

    /// Now and then: begins a new base where the log has grown too much, or has a hole.
    pub(super) fn look(&self, store: &mut Store, node: &NodeState) {
        let figures = self.figures();
        if figures.begun.is_some() || node.persist.is_busy() || node.persist.is_loading() {
            return;
        }
        let is_asked_for = std::mem::take(&mut self.figures.lock().is_scheduled);
        let has_failed = figures.failed.is_some_and(|failed| failed.elapsed() < AFTER_FAILURE);
        let may_begin = self.shared.is_on() && !self.shared.is_failed();
        let is_due =
            figures.begins || may_begin && (self.shared.take_hole() || self.has_grown(&figures, node));
        if (is_asked_for || is_due && !has_failed)
            && let Err(error) = rewrite::begin(store, node)
        {
            // It is begun again all the same.
            self.figures.lock().begins = figures.begins;
            let text = error.to_string();
            let error = std::io::Error::other(text.trim_start_matches("ERR ").to_owned());
            self.note_rewritten(Err(error), store);
        }
    }

    /// `auto-aof-rewrite-percentage` and `-min-size`.
    fn has_grown(&self, figures: &Figures, node: &NodeState) -> bool {
        let number = |name| node.config.get(name).and_then(|value| value.parse::<u64>().ok()).unwrap_or(0);
        let (percent, least, size) =
            (number("auto-aof-rewrite-percentage"), number("auto-aof-rewrite-min-size"), self.size());
        let base = figures.base_size.max(1);
        percent > 0 && size >= least && size.saturating_sub(base) / base.div_ceil(100).max(1) >= percent
    }
}
