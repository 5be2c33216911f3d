//! Redis Cluster: sharding by the servers themselves.

use super::words::*;

const fn row(name: &'static str, arity: i16, summary: &'static str) -> Row {
    command(Group::Cluster, name, arity, summary)
}

pub(super) const COMMANDS: &[Row] = &[
    row("asking", 1, "")
        .since("3.0.0")
        .flags(&[FAST])
        .acl(&[Acl::CONNECTION])
        .refused("clients see one server here, without slots or redirections"),
    row("cluster", -2, "")
        .since("3.0.0")
        .complexity("")
        .refused("clients see one server here, without slots or redirections")
        .subcommands(CLUSTER_SUBCOMMANDS),
    row("readonly", 1, "")
        .since("3.0.0")
        .flags(&[LOADING, STALE, FAST])
        .acl(&[Acl::CONNECTION])
        .refused("clients see one server here, without slots or redirections"),
    row("readwrite", 1, "")
        .since("3.0.0")
        .flags(&[LOADING, STALE, FAST])
        .acl(&[Acl::CONNECTION])
        .refused("clients see one server here, without slots or redirections"),
];

const CLUSTER_SUBCOMMANDS: &[Row] = &[
    row("cluster|addslots", -3, "")
        .since("3.0.0")
        .complexity("")
        .flags(&[ADMIN, STALE, NO_ASYNC_LOADING])
        .refused("clients see one server here, without slots or redirections")
        .args(&[integer("slot").multiple()]),
    row("cluster|addslotsrange", -4, "")
        .since("7.0.0")
        .complexity("")
        .flags(&[ADMIN, STALE, NO_ASYNC_LOADING])
        .refused("clients see one server here, without slots or redirections")
        .args(&[block("start-slot_end-slot", &[integer("start-slot"), integer("end-slot")]).multiple()]),
    row("cluster|bumpepoch", 2, "")
        .since("3.0.0")
        .flags(&[ADMIN, STALE, NO_ASYNC_LOADING])
        .tips(&["nondeterministic_output"])
        .refused("clients see one server here, without slots or redirections"),
    row("cluster|count-failure-reports", 3, "")
        .since("3.0.0")
        .complexity("")
        .flags(&[ADMIN, STALE])
        .tips(&["nondeterministic_output"])
        .refused("clients see one server here, without slots or redirections")
        .args(&[string("node-id")]),
    row("cluster|countkeysinslot", 3, "")
        .since("3.0.0")
        .flags(&[STALE])
        .refused("clients see one server here, without slots or redirections")
        .args(&[integer("slot")]),
    row("cluster|delslots", -3, "")
        .since("3.0.0")
        .complexity("")
        .flags(&[ADMIN, STALE, NO_ASYNC_LOADING])
        .refused("clients see one server here, without slots or redirections")
        .args(&[integer("slot").multiple()]),
    row("cluster|delslotsrange", -4, "")
        .since("7.0.0")
        .complexity("")
        .flags(&[ADMIN, STALE, NO_ASYNC_LOADING])
        .refused("clients see one server here, without slots or redirections")
        .args(&[block("start-slot_end-slot", &[integer("start-slot"), integer("end-slot")]).multiple()]),
    row("cluster|failover", -2, "")
        .since("3.0.0")
        .flags(&[ADMIN, STALE, NO_ASYNC_LOADING])
        .refused("clients see one server here, without slots or redirections")
        .args(&[one_of("options", &[token("FORCE"), token("TAKEOVER")]).optional()]),
    row("cluster|flushslots", 2, "")
        .since("3.0.0")
        .flags(&[ADMIN, STALE, NO_ASYNC_LOADING])
        .refused("clients see one server here, without slots or redirections"),
    row("cluster|forget", 3, "")
        .since("3.0.0")
        .flags(&[ADMIN, STALE, NO_ASYNC_LOADING])
        .refused("clients see one server here, without slots or redirections")
        .args(&[string("node-id")]),
    row("cluster|getkeysinslot", 4, "")
        .since("3.0.0")
        .complexity("")
        .flags(&[STALE])
        .tips(&["nondeterministic_output"])
        .refused("clients see one server here, without slots or redirections")
        .args(&[integer("slot"), integer("count")]),
    row("cluster|help", 2, "")
        .since("5.0.0")
        .flags(&[LOADING, STALE])
        .refused("clients see one server here, without slots or redirections"),
    row("cluster|info", 2, "")
        .since("3.0.0")
        .flags(&[STALE])
        .tips(&["nondeterministic_output"])
        .refused("clients see one server here, without slots or redirections"),
    row("cluster|keyslot", 3, "")
        .since("3.0.0")
        .complexity("")
        .flags(&[STALE])
        .refused("clients see one server here, without slots or redirections")
        .args(&[string("key")]),
    row("cluster|links", 2, "")
        .since("7.0.0")
        .complexity("")
        .flags(&[STALE])
        .tips(&["nondeterministic_output"])
        .refused("clients see one server here, without slots or redirections"),
    row("cluster|meet", -4, "")
        .since("3.0.0")
        .flags(&[ADMIN, STALE, NO_ASYNC_LOADING])
        .refused("clients see one server here, without slots or redirections")
        .args(&[string("ip"), integer("port"), integer("cluster_bus_port").optional().since("4.0.0")]),
    row("cluster|myid", 2, "")
        .since("3.0.0")
        .flags(&[STALE])
        .refused("clients see one server here, without slots or redirections"),
    row("cluster|nodes", 2, "")
        .since("3.0.0")
        .complexity("")
        .flags(&[STALE])
        .tips(&["nondeterministic_output"])
        .refused("clients see one server here, without slots or redirections"),
    row("cluster|replicas", 3, "")
        .since("5.0.0")
        .flags(&[ADMIN, STALE])
        .tips(&["nondeterministic_output"])
        .refused("clients see one server here, without slots or redirections")
        .args(&[string("node-id")]),
    row("cluster|replicate", 3, "")
        .since("3.0.0")
        .flags(&[ADMIN, STALE, NO_ASYNC_LOADING])
        .refused("clients see one server here, without slots or redirections")
        .args(&[string("node-id")]),
    row("cluster|reset", -2, "")
        .since("3.0.0")
        .complexity("")
        .flags(&[ADMIN, NOSCRIPT, STALE])
        .refused("clients see one server here, without slots or redirections")
        .args(&[one_of("hard_soft", &[token("HARD"), token("SOFT")]).optional()]),
    row("cluster|saveconfig", 2, "")
        .since("3.0.0")
        .flags(&[ADMIN, STALE, NO_ASYNC_LOADING])
        .refused("clients see one server here, without slots or redirections"),
    row("cluster|set-config-epoch", 3, "")
        .since("3.0.0")
        .flags(&[ADMIN, STALE, NO_ASYNC_LOADING])
        .refused("clients see one server here, without slots or redirections")
        .args(&[integer("config-epoch")]),
    row("cluster|setslot", -4, "")
        .since("3.0.0")
        .flags(&[ADMIN, STALE, NO_ASYNC_LOADING])
        .refused("clients see one server here, without slots or redirections")
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
    row("cluster|shards", 2, "")
        .since("7.0.0")
        .complexity("")
        .flags(&[STALE])
        .tips(&["nondeterministic_output"])
        .refused("clients see one server here, without slots or redirections"),
    row("cluster|slaves", 3, "")
        .since("3.0.0")
        .flags(&[ADMIN, STALE])
        .tips(&["nondeterministic_output"])
        .refused("clients see one server here, without slots or redirections")
        .deprecated("5.0.0", "CLUSTER REPLICAS")
        .args(&[string("node-id")]),
    row("cluster|slots", 2, "")
        .since("3.0.0")
        .complexity("")
        .flags(&[STALE])
        .tips(&["nondeterministic_output"])
        .refused("clients see one server here, without slots or redirections")
        .deprecated("7.0.0", "CLUSTER SHARDS"),
];
