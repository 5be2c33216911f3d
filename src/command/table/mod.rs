//! The rows: one file per group, in the groups' order; [`TABLE`] numbers them.

mod acl;
mod bitmap;
mod cluster;
mod connection;
mod generic;
mod geo;
mod hash;
mod hyperloglog;
mod introspection;
mod list;
mod pubsub;
mod scripting;
mod server;
mod set;
mod sorted_set;
mod stream;
mod string;
mod transactions;
mod words;

use super::{
    Spec,
    spec::{Row, count, count_commands, number},
};

const GROUPS: &[&[Row]] = &[
    string::COMMANDS,
    generic::COMMANDS,
    hash::COMMANDS,
    list::COMMANDS,
    set::COMMANDS,
    sorted_set::COMMANDS,
    stream::COMMANDS,
    geo::COMMANDS,
    hyperloglog::COMMANDS,
    bitmap::COMMANDS,
    pubsub::COMMANDS,
    transactions::COMMANDS,
    scripting::COMMANDS,
    connection::COMMANDS,
    server::COMMANDS,
    introspection::COMMANDS,
    acl::COMMANDS,
    cluster::COMMANDS,
];

/// Commands in [`TABLE`], before the subcommands.
pub const COMMANDS: usize = count_commands(GROUPS);

/// All commands, then all subcommands; [`Spec::index`] is the place here.
pub static TABLE: [Spec; count(GROUPS)] = number(GROUPS);
