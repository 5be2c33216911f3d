//! Redis Cluster: sharding by the servers themselves.

use super::words::*;

const fn row(name: &'static str, arity: i16, summary: &'static str) -> Row {
    command(Group::Cluster, name, arity, summary)
}

pub(super) const COMMANDS: &[Row] = &[
    row("asking", 1, "Let the next command use a slot that is being imported.")
        .since("3.0.0")
        .flags(&[FAST])
        .acl(&[Acl::CONNECTION])
        .route(Route::Local),
    row("cluster", -2, "Redis Cluster of this server.")
        .since("3.0.0")
        .complexity("that of the subcommand")
        .refused(reason::MEMBERSHIP)
        .subcommands(CLUSTER_SUBCOMMANDS),
    row("readonly", 1, "Accept reads from a replica on this connection.")
        .since("3.0.0")
        .flags(&[LOADING, STALE, FAST])
        .acl(&[Acl::CONNECTION])
        .route(Route::Local),
    row("readwrite", 1, "No reads from a replica any more.")
        .since("3.0.0")
        .flags(&[LOADING, STALE, FAST])
        .acl(&[Acl::CONNECTION])
        .route(Route::Local),
];

const CLUSTER_SUBCOMMANDS: &[Row] = &[
    row("cluster|addslots", -3, "Give slots to this server.")
        .since("3.0.0")
        .complexity("O(N), N the slots")
        .flags(&[ADMIN, STALE, NO_ASYNC_LOADING])
        .refused(reason::MEMBERSHIP)
        .args(&[integer("slot").multiple()]),
    row("cluster|addslotsrange", -4, "Give ranges of slots to this server.")
        .since("7.0.0")
        .complexity("O(N), N the slots")
        .flags(&[ADMIN, STALE, NO_ASYNC_LOADING])
        .refused(reason::MEMBERSHIP)
        .args(&[block("start-slot_end-slot", &[integer("start-slot"), integer("end-slot")]).multiple()]),
    row("cluster|bumpepoch", 2, "Raise the configuration epoch.")
        .since("3.0.0")
        .flags(&[ADMIN, STALE, NO_ASYNC_LOADING])
        .tips(&["nondeterministic_output"])
        .refused(reason::MEMBERSHIP),
    row("cluster|count-failure-reports", 3, "How many servers hold a server for failed.")
        .since("3.0.0")
        .complexity("O(N), N the reports")
        .flags(&[ADMIN, STALE])
        .tips(&["nondeterministic_output"])
        .route(Route::Local)
        .args(&[string("node-id")]),
    row("cluster|countkeysinslot", 3, "Number of keys in a slot.")
        .since("3.0.0")
        .flags(&[STALE])
        .route(Route::Local)
        .args(&[integer("slot")]),
    row("cluster|delslots", -3, "Take slots from this server.")
        .since("3.0.0")
        .complexity("O(N), N the slots")
        .flags(&[ADMIN, STALE, NO_ASYNC_LOADING])
        .refused(reason::MEMBERSHIP)
        .args(&[integer("slot").multiple()]),
    row("cluster|delslotsrange", -4, "Take ranges of slots from this server.")
        .since("7.0.0")
        .complexity("O(N), N the slots")
        .flags(&[ADMIN, STALE, NO_ASYNC_LOADING])
        .refused(reason::MEMBERSHIP)
        .args(&[block("start-slot_end-slot", &[integer("start-slot"), integer("end-slot")]).multiple()]),
    row("cluster|failover", -2, "Let this replica become master.")
        .since("3.0.0")
        .flags(&[ADMIN, STALE, NO_ASYNC_LOADING])
        .refused(reason::MEMBERSHIP)
        .args(&[one_of("options", &[token("FORCE"), token("TAKEOVER")]).optional()]),
    row("cluster|flushslots", 2, "Take all slots from this server.")
        .since("3.0.0")
        .flags(&[ADMIN, STALE, NO_ASYNC_LOADING])
        .refused(reason::MEMBERSHIP),
    row("cluster|forget", 3, "Remove a server from the table of servers.")
        .since("3.0.0")
        .flags(&[ADMIN, STALE, NO_ASYNC_LOADING])
        .refused(reason::MEMBERSHIP)
        .args(&[string("node-id")]),
    row("cluster|getkeysinslot", 4, "Keys in a slot.")
        .since("3.0.0")
        .complexity("O(N), N the keys asked for")
        .flags(&[STALE])
        .tips(&["nondeterministic_output"])
        .route(Route::Local)
        .args(&[integer("slot"), integer("count")]),
    row("cluster|help", 2, "List the subcommands of CLUSTER.")
        .since("5.0.0")
        .flags(&[LOADING, STALE])
        .route(Route::Local),
    row("cluster|info", 2, "State of the cluster.")
        .since("3.0.0")
        .flags(&[STALE])
        .tips(&["nondeterministic_output"])
        .route(Route::Local),
    row("cluster|keyslot", 3, "Slot of a key.")
        .since("3.0.0")
        .complexity("O(N), N the bytes of the key")
        .flags(&[STALE])
        .route(Route::Local)
        .args(&[string("key")]),
    row("cluster|links", 2, "Connections to the other servers.")
        .since("7.0.0")
        .complexity("O(N), N the servers")
        .flags(&[STALE])
        .tips(&["nondeterministic_output"])
        .route(Route::Local),
    row("cluster|meet", -4, "Join with another server.")
        .since("3.0.0")
        .flags(&[ADMIN, STALE, NO_ASYNC_LOADING])
        .refused(reason::MEMBERSHIP)
        .args(&[string("ip"), integer("port"), integer("cluster_bus_port").optional().since("4.0.0")]),
    row("cluster|myid", 2, "ID of this server.").since("3.0.0").flags(&[STALE]).route(Route::Local),
    row("cluster|myshardid", 2, "ID of this server's shard.")
        .since("7.2.0")
        .flags(&[STALE])
        .route(Route::Local),
    row("cluster|nodes", 2, "The table of servers.")
        .since("3.0.0")
        .complexity("O(N), N the servers")
        .flags(&[STALE])
        .tips(&["nondeterministic_output"])
        .route(Route::Local),
    row("cluster|replicas", 3, "Replicas of a master.")
        .since("5.0.0")
        .flags(&[ADMIN, STALE])
        .tips(&["nondeterministic_output"])
        .route(Route::Local)
        .args(&[string("node-id")]),
    row("cluster|replicate", 3, "Become a replica of a server.")
        .since("3.0.0")
        .flags(&[ADMIN, STALE, NO_ASYNC_LOADING])
        .refused(reason::MEMBERSHIP)
        .args(&[string("node-id")]),
    row("cluster|reset", -2, "Leave the cluster.")
        .since("3.0.0")
        .complexity("O(N), N the servers known")
        .flags(&[ADMIN, NOSCRIPT, STALE])
        .refused(reason::MEMBERSHIP)
        .args(&[one_of("hard_soft", &[token("HARD"), token("SOFT")]).optional()]),
    row("cluster|saveconfig", 2, "Write the cluster's configuration to disk.")
        .since("3.0.0")
        .flags(&[ADMIN, STALE, NO_ASYNC_LOADING])
        .refused(reason::MEMBERSHIP),
    row("cluster|set-config-epoch", 3, "Set the configuration epoch of a new server.")
        .since("3.0.0")
        .flags(&[ADMIN, STALE, NO_ASYNC_LOADING])
        .refused(reason::MEMBERSHIP)
        .args(&[integer("config-epoch")]),
    row("cluster|setslot", -4, "Change the owner or the migration of a slot.")
        .since("3.0.0")
        .flags(&[ADMIN, STALE, NO_ASYNC_LOADING])
        .refused(reason::MEMBERSHIP)
        .args(&[
            integer("slot"),
            one_of(
                "subcommand",
                &[
                    string("node-id").after("IMPORTING"),
                    string("node-id").after("MIGRATING"),
                    string("node-id").after("NODE"),
                    token("STABLE"),
                ],
            ),
        ]),
    row("cluster|shards", 2, "Slots and servers of each shard.")
        .since("7.0.0")
        .complexity("O(N), N the servers")
        .flags(&[STALE])
        .tips(&["nondeterministic_output"])
        .route(Route::Local),
    row("cluster|slaves", 3, "Replicas of a master (old name of CLUSTER REPLICAS).")
        .since("3.0.0")
        .flags(&[ADMIN, STALE])
        .tips(&["nondeterministic_output"])
        .route(Route::Local)
        .deprecated("5.0.0", "CLUSTER REPLICAS")
        .args(&[string("node-id")]),
    row("cluster|slots", 2, "Which servers have which slots.")
        .since("3.0.0")
        .complexity("O(N), N the servers")
        .flags(&[STALE])
        .tips(&["nondeterministic_output"])
        .route(Route::Local)
        .deprecated("7.0.0", "CLUSTER SHARDS"),
];
