//! The commands, one file per family: arguments in, store changed, one reply out. [`table`] collects them.

mod acl;
mod blocking;
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
mod latency;
mod lcs;
mod list;
mod list_move;
mod list_search;
mod object;
mod observe;
mod pubsub;
mod scan;
mod server;
mod string;
mod string_range;
mod support;
pub mod table;
mod tracking;
mod transaction;

pub(crate) use server::aging;
