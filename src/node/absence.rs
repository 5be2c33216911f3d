//! Why `redis_node` does not have a command that the table has: for its errors and for COMPAT.md.

use crate::command::Spec;

/// The reason, as the end of a sentence about the node. Only for commands that it does not have.
#[must_use]
pub fn absence(spec: &Spec) -> &'static str {
    match spec.name.split('|').next().unwrap_or_default() {
        _ if spec.internal => "it is for Redis's own use",
        "migrate" => "moving keys is the cluster's work: `add` and `remove` in the console",
        "sync" | "psync" | "replicaof" | "slaveof" | "failover" | "replconf" => "it has no replicas yet",
        "module" => "it loads no modules",
        _ => "not yet",
    }
}
