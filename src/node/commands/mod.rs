//! The commands, one file per family: arguments in, keyspace changed, one reply out.

mod expiry;
mod key;
mod string;
mod support;

use super::context::Handler;

/// Every command this node has, by its name in the command table (`container|sub` for subcommands).
pub fn handlers() -> impl Iterator<Item = (&'static str, Handler)> {
    [key::HANDLERS, string::HANDLERS].into_iter().flatten().copied()
}
