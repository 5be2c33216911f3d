//! The commands, one file per family: arguments in, keyspace changed, one reply out.

mod command;
mod counter;
mod database;
mod dump;
mod expire;
mod expiry;
mod key;
mod lcs;
mod object;
mod scan;
mod string;
mod string_range;
mod support;

pub use command::is_implemented;

use super::context::Handler;

/// Every command this node has, by its name in the command table (`container|sub` for subcommands).
pub fn handlers() -> impl Iterator<Item = (&'static str, Handler)> {
    [
        command::HANDLERS,
        counter::HANDLERS,
        database::HANDLERS,
        dump::HANDLERS,
        expire::HANDLERS,
        key::HANDLERS,
        lcs::HANDLERS,
        object::HANDLERS,
        scan::HANDLERS,
        string::HANDLERS,
        string_range::HANDLERS,
    ]
    .into_iter()
    .flatten()
    .copied()
}
