//! Where the console keeps things of its own.

use std::path::PathBuf;

/// Lines typed earlier: in the XDG state directory; `None` without a home.
#[must_use]
pub fn history_file() -> Option<PathBuf> {
    Some(of_user("XDG_STATE_HOME", ".local/state")?.join("redis_console/history"))
}

/// Options and keys of the operator's own: in the XDG configuration directory; `None` without a home.
#[must_use]
pub fn config_file() -> Option<PathBuf> {
    Some(of_user("XDG_CONFIG_HOME", ".config")?.join("redis_console/config"))
}

fn of_user(variable: &str, of_home: &str) -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set(variable).filter(|path| path.is_absolute()).or_else(|| Some(set("HOME")?.join(of_home)))
}
