//! The start of a node: which of its files has the data, and reading that on a thread of its own while clients are told to wait.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, atomic::Ordering::Relaxed},
    thread,
    time::Instant,
};

use super::load::{self, LoadError, Loaded, Options};
use crate::{
    node::{Node, aof, state::NodeState, store::Store},
    server::Life,
    time::Millis,
};

/// What has the data.
#[derive(Debug)]
enum Source {
    /// The append-only file.
    Log,
    /// The node's snapshot; with it begins an append-only file, if there is to be one.
    Snapshot { path: PathBuf, begins_log: bool },
}

/// Why the data is not there.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Snapshot(#[from] LoadError),
    #[error(transparent)]
    Log(#[from] aof::StartError),
}

/// Has the data read, if there is any. When it is no good the node ends.
///
/// # Errors
/// The append-only file cannot be used, or the system gives no thread.
pub(in crate::node) fn start(name: &str, node: &Arc<Node>, life: Life) -> Result<(), aof::StartError> {
    let state = &node.state;
    let source = match (state.aof.open(state)?, snapshot(state)) {
        (aof::Found::Log, _) => Source::Log,
        (found, Some(path)) => Source::Snapshot { path, begins_log: found == aof::Found::Nothing },
        (found, None) => {
            if found == aof::Found::Nothing {
                aof::rewrite::begin_first_log(node)?;
            }
            state.persist.loaded.cancel();
            return Ok(());
        }
    };
    let node = Arc::clone(node);
    node.state.persist.progress.begin(0);
    node.store().note_restrictions(&node.state);
    let thread = thread::Builder::new().name(format!("{name}-load"));
    let spawned = thread.spawn(move || match load(&source, &node) {
        Ok(()) => {
            let mut store = node.store();
            node.state.persist.progress.active.store(false, Relaxed);
            store.note_restrictions(&node.state);
            node.state.persist.loaded.cancel();
        }
        Err(error) => life.fail(format!("the data cannot be loaded: {error}")),
    });
    spawned.map(drop).map_err(aof::StartError::Thread)
}

fn load(source: &Source, node: &Node) -> Result<(), Failure> {
    match source {
        Source::Log => node.state.aof.load(node)?,
        Source::Snapshot { path, begins_log } => {
            load_snapshot(path, node)?;
            if *begins_log {
                aof::rewrite::begin_first_log(node).map_err(aof::StartError::from)?;
            }
        }
    }
    Ok(())
}

fn load_snapshot(path: &Path, node: &Node) -> Result<(), LoadError> {
    let begun = Instant::now();
    tracing::info!(file = %path.display(), "loading");
    let (persist, options) = (&node.state.persist, Options::of(&node.state, &node.store(), Millis::now()));
    let put = |insert: &mut dyn FnMut(&mut Store)| insert(&mut node.store());
    let loaded = load::load(path, options, Some(&persist.progress), &node.state, put)?;
    let Loaded { keys, expired, empty } = loaded;
    (persist.lock().loaded, persist.lock().expired) = (keys, expired);
    tracing::info!(keys, expired, empty, took = ?begun.elapsed(), "loaded");
    Ok(())
}

/// Where the node's snapshot is, if it has one.
fn snapshot(node: &NodeState) -> Option<PathBuf> {
    let directory = node.persist.directory()?;
    let path = directory.path().join(node.config.get("dbfilename")?);
    path.exists().then_some(path)
}
