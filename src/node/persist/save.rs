//! Writes the data into the node's file: at once, with everybody waiting, or in the background. In the background it also writes the bases
//! of the append-only log. There is one snapshot at a time, whatever it is for.
//!
//! In both cases a snapshot is walked slice by slice. In the background each slice holds the store's lock for some hundred
//! microseconds; compressing, writing and syncing happen on the thread of this module, without it.

use std::{
    io::{self, Write},
    path::PathBuf,
    sync::{Arc, OnceLock, Weak, mpsc},
    thread,
    time::Instant,
};

use super::{Figures, Running};
use crate::{
    connection::REDIS_VERSION,
    node::{
        Node,
        aof::rewrite::NewBase,
        keyspace::snapshot::{Outline, Slice},
        rdb::file::{Settings, Used, Writer},
        state::NodeState,
        store::Store,
    },
    time::Millis,
};

/// Why there is no new file.
#[derive(Debug, thiserror::Error)]
pub enum SaveError {
    /// The node has no directory.
    #[error("this node was started without --dir: it writes no files")]
    NoDirectory,
    /// One is being written.
    #[error("Background save already in progress")]
    Running,
    /// A base of the append-only log is being written.
    #[error(
        "Another child process is active (AOF?): can't BGSAVE right now. Use BGSAVE SCHEDULE in order to schedule a BGSAVE whenever \
         possible."
    )]
    Base,
    /// The data is not complete yet.
    #[error("the data is still being loaded")]
    Loading,
    /// The system says no.
    #[error("cannot write {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Its words.
        source: io::Error,
    },
    /// The thread that writes is not there.
    #[error("the thread that writes snapshots has ended")]
    NoThread,
}

/// What a snapshot becomes.
#[derive(Debug)]
enum Goal {
    /// The node's file.
    File(String),
    /// What the append-only log begins with.
    Base(NewBase),
}

/// What is to be written, and how.
#[derive(Debug)]
struct Plan {
    goal: Goal,
    settings: Settings,
    syncs_often: bool,
    outline: Outline,
    functions: Vec<Vec<u8>>,
    used_memory: u64,
    began: Millis,
    changes: u64,
    generation: u64,
}

impl Plan {
    /// Begins a snapshot of what there is now, for the node's file.
    fn for_file(store: &mut Store, node: &NodeState) -> Self {
        let name = node.config.get("dbfilename").unwrap_or_default();
        Self::begin(store, node, Goal::File(name))
    }

    fn begin(store: &mut Store, node: &NodeState, goal: Goal) -> Self {
        let began = Millis::now();
        let config = &node.config;
        let used = match config.get("maxmemory-policy").unwrap_or_default() {
            policy if policy.ends_with("lfu") => Used::Often(store.keyspace.aging(), began),
            policy if policy.ends_with("lru") => Used::Idle(began),
            _ => Used::Unsaid,
        };
        let outline = store.keyspace.begin_snapshot(used);
        let is = |name: &str| config.get(name).is_some_and(|value| value == "yes");
        let settings = Settings {
            has_expiring_fields: outline.has_expiring_fields,
            compresses: is("rdbcompression"),
            sums: is("rdbchecksum"),
        };
        let mut figures = node.persist.lock();
        figures.generation += 1;
        Self {
            settings,
            syncs_often: is(match goal {
                Goal::File(_) => "rdb-save-incremental-fsync",
                Goal::Base(_) => "aof-rewrite-incremental-fsync",
            }),
            goal,
            outline,
            functions: store.functions.sources().map(<[u8]>::to_vec).collect(),
            used_memory: node.used_memory(&store.keyspace),
            began,
            changes: store.keyspace.changes(),
            generation: figures.generation,
        }
    }

    /// Writes all slices. `None` from `next`: the snapshot is not wanted any more.
    fn write<W: Write>(&self, file: W, mut next: impl FnMut() -> Option<Slice>) -> io::Result<W> {
        let mut writer = Writer::new(file, self.settings)?;
        writer.aux("redis-ver", REDIS_VERSION)?;
        writer.aux("redis-bits", "64")?;
        writer.aux("ctime", &self.began.seconds().to_string())?;
        writer.aux("used-mem", &self.used_memory.to_string())?;
        writer.aux("aof-base", if matches!(self.goal, Goal::Base(_)) { "1" } else { "0" })?;
        self.functions.iter().try_for_each(|source| writer.function(source))?;
        let (mut selected, mut sized) = (None, Vec::new());
        loop {
            let slice = next().ok_or_else(unwanted)?;
            for (database, draft) in &slice.drafts {
                if selected != Some(*database) {
                    selected = Some(*database);
                    writer.select(*database)?;
                    if !sized.contains(database)
                        && let Some(part) = self.outline.parts.iter().find(|part| part.database == *database)
                    {
                        writer.sizes(part.keys, part.expiring)?;
                        sized.push(*database);
                    }
                }
                writer.draft(draft)?;
            }
            if slice.is_last {
                return writer.finish();
            }
        }
    }

    fn note_good(&self, node: &NodeState) {
        let mut figures = node.persist.lock();
        figures.last_save = self.began;
        figures.changes_then = self.changes;
        figures.last_ok = true;
        figures.saves += 1;
    }

    fn file(&self, node: &NodeState) -> PathBuf {
        match &self.goal {
            Goal::File(name) => {
                node.persist.directory().map(|directory| directory.path().join(name)).unwrap_or_default()
            }
            Goal::Base(base) => base.unfinished.clone(),
        }
    }
}

fn unwanted() -> io::Error {
    io::Error::other("another snapshot was begun, or the node ends")
}

/// Writes the data now. One in the background that was begun before is given up.
///
/// # Errors
/// See [`SaveError`].
pub fn save(store: &mut Store, node: &NodeState) -> Result<(), SaveError> {
    let directory = node.persist.directory().ok_or(SaveError::NoDirectory)?;
    if node.persist.is_loading() {
        return Err(SaveError::Loading);
    }
    let name = node.config.get("dbfilename").unwrap_or_default();
    let plan = Plan::begin(store, node, Goal::File(name.clone()));
    let write = |file| plan.write(file, || Some(store.keyspace.snapshot_slice()));
    let written = directory.replace(&name, plan.syncs_often, write, || Ok(()));
    node.freer.free(store.keyspace.abandon_snapshot());
    match written {
        Ok(bytes) => {
            plan.note_good(node);
            node.persist.failing.store(false, std::sync::atomic::Ordering::Relaxed);
            tracing::info!(file = %plan.file(node).display(), bytes, "saved");
            Ok(())
        }
        Err(source) => {
            let error = SaveError::Io { path: plan.file(node), source };
            tracing::error!(%error, "not saved");
            Err(error)
        }
    }
}

/// The bytes that a file would have.
///
/// # Errors
/// There is no such memory.
pub fn to_memory(store: &mut Store, node: &NodeState) -> io::Result<Vec<u8>> {
    let plan = Plan::for_file(store, node);
    plan.write(Vec::new(), || Some(store.keyspace.snapshot_slice()))
}

/// Begins to write the data in the background.
///
/// # Errors
/// See [`SaveError`].
pub fn begin(store: &mut Store, node: &NodeState) -> Result<(), SaveError> {
    may_begin(node)?;
    node.persist.lock().last_attempt = Some(Instant::now());
    let plan = Plan::for_file(store, node);
    run(store, node, plan)
}

/// Begins to write a base of the append-only log in the background.
///
/// # Errors
/// See [`SaveError`].
pub(in crate::node) fn begin_base(
    store: &mut Store,
    node: &NodeState,
    base: NewBase,
) -> Result<(), SaveError> {
    may_begin(node)?;
    let plan = Plan::begin(store, node, Goal::Base(base));
    run(store, node, plan)
}

/// Writes a base of the append-only log of a node that starts, and says how long it is.
///
/// # Errors
/// Those of the system.
pub(in crate::node) fn write_base(node: &Node, base: &NewBase) -> io::Result<u64> {
    let plan = Plan::begin(&mut node.store(), &node.state, Goal::Base(base.clone()));
    let write = |file| plan.write(file, || Some(node.store().keyspace.snapshot_slice()));
    let written = base.write(plan.syncs_often, write, || node.state.aof.rebase(base));
    node.state.freer.free(node.store().keyspace.abandon_snapshot());
    written
}

/// Whoever writes a snapshot in the background is to stop.
pub(in crate::node) fn give_up(store: &mut Store, node: &NodeState) {
    node.persist.lock().generation += 1;
    node.freer.free(store.keyspace.abandon_snapshot());
}

/// Whether a snapshot can be begun in the background.
///
/// # Errors
/// Why not.
pub(in crate::node) fn may_begin(node: &NodeState) -> Result<(), SaveError> {
    let persist = &node.persist;
    persist.directory().ok_or(SaveError::NoDirectory)?;
    if persist.is_loading() {
        return Err(SaveError::Loading);
    }
    match persist.lock().running {
        Some(running) if running.is_base => Err(SaveError::Base),
        Some(_) => Err(SaveError::Running),
        None => Ok(()),
    }
}

fn run(store: &mut Store, node: &NodeState, plan: Plan) -> Result<(), SaveError> {
    let persist = &node.persist;
    let sender = persist.jobs.0.get().ok_or(SaveError::NoThread)?;
    let keys = plan.outline.parts.iter().map(|part| part.keys as u64).sum();
    let is_base = matches!(plan.goal, Goal::Base(_));
    persist.lock().running = Some(Running { since: Instant::now(), keys, written: 0, held: 0, is_base });
    node.aof.shared.set_disturbed(true);
    if sender.send(plan).is_err() {
        persist.lock().running = None;
        node.aof.shared.set_disturbed(false);
        node.freer.free(store.keyspace.abandon_snapshot());
        return Err(SaveError::NoThread);
    }
    tracing::info!(
        keys,
        "{}",
        if is_base { "writing a base of the append-only file" } else { "saving in the background" }
    );
    Ok(())
}

/// With the housekeeping: begins a snapshot if one is due.
pub(in crate::node) fn begin_if_due(store: &mut Store, node: &NodeState, now: Millis) {
    let persist = &node.persist;
    if persist.directory().is_none() || persist.is_loading() {
        return;
    }
    let points = node.config.save_points();
    if persist.is_busy() {
        return;
    }
    let is_asked_for = std::mem::take(&mut persist.lock().is_scheduled);
    if (is_asked_for || persist.is_due(&points, store.keyspace.changes(), now))
        && let Err(error) = begin(store, node)
    {
        tracing::error!(%error, "not saved");
    }
}

/// The way to the thread that writes in the background.
#[derive(Debug, Default)]
pub(super) struct Jobs(OnceLock<mpsc::Sender<Plan>>);

/// Starts that thread; it ends with the node.
///
/// # Errors
/// The system gives no thread.
pub(in crate::node) fn start(name: &str, node: &Arc<Node>) -> io::Result<()> {
    let (sender, receiver) = mpsc::channel();
    let weak = Arc::downgrade(node);
    thread::Builder::new().name(format!("{name}-save")).spawn(move || serve(&weak, &receiver))?;
    // Nobody starts it twice.
    let _ = node.state.persist.jobs.0.set(sender);
    Ok(())
}

fn serve(node: &Weak<Node>, plans: &mpsc::Receiver<Plan>) {
    while let Ok(plan) = plans.recv() {
        let Some(node) = node.upgrade() else { return };
        write_in_background(&node, &plan);
    }
}

fn write_in_background(node: &Node, plan: &Plan) {
    let (state, persist) = (&node.state, &node.state.persist);
    let Some(directory) = persist.directory() else { return };
    let begun = Instant::now();
    let is_wanted = |figures: &Figures| figures.generation == plan.generation && !state.stop.is_cancelled();
    let next = || {
        let mut store = node.store();
        if !is_wanted(&persist.lock()) {
            return None;
        }
        let held = store.keyspace.snapshot_bytes();
        let mut slice = store.keyspace.snapshot_slice();
        drop(store);
        if let Some(running) = &mut persist.lock().running {
            running.written += slice.keys;
            running.held = running.held.max(held);
        }
        state.freer.free(std::mem::take(&mut slice.garbage));
        Some(slice)
    };
    let may = || {
        let figures = persist.lock();
        if is_wanted(&figures) { Ok(figures) } else { Err(unwanted()) }
    };
    let written = match &plan.goal {
        Goal::File(name) => directory.replace(name, plan.syncs_often, |file| plan.write(file, next), may),
        Goal::Base(base) => base.write(
            plan.syncs_often,
            |file| plan.write(file, next),
            || {
                let held = may()?;
                state.aof.rebase(base)?;
                drop(held);
                Ok(())
            },
        ),
    };
    let took = begun.elapsed();
    state.aof.shared.set_disturbed(false);
    let mut store = node.store();
    let is_ours = {
        let mut figures = persist.lock();
        let running = figures.running.take();
        if let (Goal::File(_), Some(running)) = (&plan.goal, running) {
            (figures.last_held, figures.last_took) = (running.held, Some(took));
        }
        figures.generation == plan.generation
    };
    if is_ours {
        state.freer.free(store.keyspace.abandon_snapshot());
    }
    if let Goal::Base(_) = plan.goal {
        match written {
            Err(_) if !is_ours || state.stop.is_cancelled() => state.aof.note_given_up(&mut store),
            _ => state.aof.note_rewritten(written, &mut store),
        }
        return;
    }
    match written {
        Ok(bytes) => {
            plan.note_good(state);
            tracing::info!(file = %plan.file(state).display(), bytes, ?took, "saved in the background");
        }
        Err(error) if !is_ours || state.stop.is_cancelled() => {
            tracing::info!(reason = %error, "a snapshot in the background was given up; it is begun again later");
            persist.schedule();
            return;
        }
        Err(source) => {
            persist.lock().last_ok = false;
            let error = SaveError::Io { path: plan.file(state), source };
            tracing::error!(%error, "not saved in the background");
        }
    }
    let failing = !persist.lock().last_ok;
    persist.failing.store(failing, std::sync::atomic::Ordering::Relaxed);
    store.note_restrictions(state);
}
