//! Which handler runs which command: the one place where a row of the command table meets the code behind it.

use std::sync::LazyLock;

use super::{
    acl, append_only, bitfield, bitmap, blocking, cluster, command, connection, counter, database, debug,
    dump, expire, function, geo, geo_search, hash, hash_expire, hyperloglog, hyperloglog_debug, info, key,
    latency, lcs, list, list_move, list_search, lolwut, memory, object, observe, persist, pubsub, replicas,
    scan, script, server, set, set_combine, sort, stream, stream_group, stream_info, stream_read, string,
    string_range, tracking, transaction, zset, zset_combine, zset_pop, zset_range,
};
use crate::{
    command::{Flags, Group, Spec, TABLE},
    node::context::Handler,
};

/// A command of this node.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Its row in the command table.
    pub spec: &'static Spec,
    /// What runs it.
    pub handler: Handler,
    /// The first argument is a key.
    pub keyed: bool,
    /// It takes about as long whatever it finds, if it has few arguments.
    pub is_quick: bool,
    /// It is about values that are no strings.
    pub of_collection: bool,
    /// It is quick, about keys, never waits, and leaves its client as it is.
    pub is_plain: bool,
    /// What it changes is to be told, see [`crate::node::effects`].
    pub has_effect: bool,
}

/// Every command this node has, by its name in the command table (`container|sub` for subcommands).
pub fn handlers() -> impl Iterator<Item = (&'static str, Handler)> {
    [
        acl::HANDLERS,
        append_only::HANDLERS,
        bitfield::HANDLERS,
        bitmap::HANDLERS,
        blocking::HANDLERS,
        cluster::HANDLERS,
        command::HANDLERS,
        connection::HANDLERS,
        counter::HANDLERS,
        database::HANDLERS,
        debug::HANDLERS,
        dump::HANDLERS,
        expire::HANDLERS,
        geo::HANDLERS,
        geo_search::HANDLERS,
        hash::HANDLERS,
        hash_expire::HANDLERS,
        hyperloglog::HANDLERS,
        hyperloglog_debug::HANDLERS,
        info::HANDLERS,
        key::HANDLERS,
        latency::HANDLERS,
        lcs::HANDLERS,
        list::HANDLERS,
        list_move::HANDLERS,
        list_search::HANDLERS,
        lolwut::HANDLERS,
        memory::HANDLERS,
        object::HANDLERS,
        observe::HANDLERS,
        persist::HANDLERS,
        pubsub::HANDLERS,
        replicas::HANDLERS,
        scan::HANDLERS,
        script::HANDLERS,
        function::HANDLERS,
        server::HANDLERS,
        set::HANDLERS,
        set_combine::HANDLERS,
        sort::HANDLERS,
        stream::HANDLERS,
        stream_group::HANDLERS,
        stream_info::HANDLERS,
        stream_read::HANDLERS,
        string::HANDLERS,
        string_range::HANDLERS,
        tracking::HANDLERS,
        transaction::HANDLERS,
        zset::HANDLERS,
        zset_combine::HANDLERS,
        zset_pop::HANDLERS,
        zset_range::HANDLERS,
    ]
    .into_iter()
    .flatten()
    .copied()
}

/// Not called fast by Redis, because they free what was there before; here that is done elsewhere.
const QUICK: [&str; 5] = ["getset", "psetex", "set", "setex", "setnx"];

/// By [`Spec::index`]; `None` where the table knows a command that this node does not have.
static ROWS: LazyLock<Box<[Option<Row>]>> = LazyLock::new(|| {
    let mut rows: Box<[Option<Row>]> = TABLE.iter().map(|_| None).collect();
    for (name, handler) in handlers() {
        let spec = TABLE.iter().find(|spec| spec.name == name);
        let spec = spec.unwrap_or_else(|| panic!("{name} is not in the command table"));
        let is_quick = spec.flags.has(Flags::FAST) || QUICK.contains(&name);
        let about_keys = spec.flags.has_any(Flags::WRITE.with(Flags::READONLY));
        rows[usize::from(spec.index)] = Some(Row {
            spec,
            handler,
            keyed: spec.legacy_keys().0 == 1,
            is_quick,
            of_collection: matches!(
                spec.group,
                Group::Geo | Group::Hash | Group::List | Group::Set | Group::SortedSet | Group::Stream
            ),
            is_plain: is_quick && about_keys && !spec.flags.has(Flags::BLOCKING),
            // `PFCOUNT` keeps what it has counted in the key.
            has_effect: spec.flags.has(Flags::WRITE) || spec.group == Group::Hyperloglog,
        });
    }
    rows
});

/// How this node runs a command, if it has it.
#[must_use]
pub fn row(spec: &Spec) -> Option<&'static Row> {
    ROWS[usize::from(spec.index)].as_ref()
}

/// Whether this node has the command.
#[must_use]
pub fn is_implemented(spec: &Spec) -> bool {
    row(spec).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_handler_has_a_row() {
        let mut seen = std::collections::HashSet::new();
        for (name, _) in handlers() {
            assert!(TABLE.iter().any(|spec| spec.name == name), "{name} is not in the command table");
            assert!(seen.insert(name), "{name} has two handlers");
        }
        assert_eq!(TABLE.iter().filter(|spec| is_implemented(spec)).count(), seen.len());
    }
}
