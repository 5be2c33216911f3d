//! The commands, one file per family: arguments in, keyspace changed, one reply out.

mod acl;
mod command;
mod connection;
mod counter;
mod database;
mod debug;
mod dump;
mod expire;
mod expiry;
mod help;
mod info;
mod key;
mod lcs;
mod object;
mod scan;
mod server;
mod string;
mod string_range;
mod support;

pub(crate) use server::aging;

use super::context::Handler;
pub use super::dispatch::is_implemented;

/// Every command this node has, by its name in the command table (`container|sub` for subcommands).
pub fn handlers() -> impl Iterator<Item = (&'static str, Handler)> {
    [
        acl::HANDLERS,
        command::HANDLERS,
        connection::HANDLERS,
        counter::HANDLERS,
        database::HANDLERS,
        debug::HANDLERS,
        dump::HANDLERS,
        expire::HANDLERS,
        info::HANDLERS,
        key::HANDLERS,
        lcs::HANDLERS,
        object::HANDLERS,
        scan::HANDLERS,
        server::HANDLERS,
        string::HANDLERS,
        string_range::HANDLERS,
    ]
    .into_iter()
    .flatten()
    .copied()
}
