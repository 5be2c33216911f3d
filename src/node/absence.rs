//! Why `redis_node` does not have a command that the table has: for its errors and for COMPAT.md.

use crate::command::{Group, Spec};

/// The reason, as the end of a sentence about the node. Only for commands that it does not have.
#[must_use]
pub fn absence(spec: &Spec) -> &'static str {
    match spec.group {
        Group::Hash
        | Group::List
        | Group::Set
        | Group::SortedSet
        | Group::Stream
        | Group::Geo
        | Group::Hyperloglog => "it keeps only strings and lists so far",
        Group::Bitmap => "it has no operations on bits yet",
        Group::Cluster => "nodes know nothing of each other; proxies share out the slots",
        Group::Scripting => "it runs no scripts yet",
        Group::String
        | Group::Generic
        | Group::Connection
        | Group::Server
        | Group::Pubsub
        | Group::Transactions => of_the_server(spec),
    }
}

fn of_the_server(spec: &Spec) -> &'static str {
    match spec.name.split('|').next().unwrap_or_default() {
        _ if spec.internal => "it is for Redis's own use",
        "sort" | "sort_ro" => "it does not sort yet",
        "migrate" => "moving keys is the cluster's work: `add` and `remove` in the console",
        "save" | "bgsave" | "bgrewriteaof" | "lastsave" => "it has no persistence yet",
        "sync" | "psync" | "replicaof" | "slaveof" | "failover" | "wait" | "replconf" => {
            "it has no replicas yet"
        }
        "module" => "it loads no modules",
        "acl" => "its users live in memory, and their rules are few",
        _ => "not yet",
    }
}
