//! Where the console keeps things of its own.

use std::path::PathBuf;

/// Lines typed earlier: in the XDG state directory; `None` without a home.
#[must_use]
pub fn history_file() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let state = set("XDG_STATE_HOME")
        .filter(|path| path.is_absolute())
        .or_else(|| Some(set("HOME")?.join(".local/state")))?;
    Some(state.join("redis_console/history"))
}
