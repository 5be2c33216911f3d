//! The server as a whole: data, persistence, replication.

use super::words::*;

const fn row(name: &'static str, arity: i16, summary: &'static str) -> Row {
    command(Group::Server, name, arity, summary)
}

pub(super) const COMMANDS: &[Row] = &[
    row("bgrewriteaof", 1, "")
        .flags(&[ADMIN, NOSCRIPT, NO_ASYNC_LOADING])
        .refused("persistence is each node's own: connect to it"),
    row("bgsave", -1, "")
        .flags(&[ADMIN, NOSCRIPT, NO_ASYNC_LOADING])
        .refused("persistence is each node's own: connect to it")
        .args(&[token("SCHEDULE").optional().since("3.2.2")]),
    row("dbsize", 1, "")
        .flags(&[READONLY, FAST])
        .acl(&[Acl::KEYSPACE])
        .tips(&["request_policy:all_shards", "response_policy:agg_sum"])
        .route(Route::AllNodes(Merge::Sum)),
    row("debug", -2, "")
        .complexity("")
        .flags(&[ADMIN, NOSCRIPT, LOADING, STALE])
        .refused("it can stop or change the node it runs on: connect to that node")
        .internal(),
    row("failover", -1, "")
        .since("6.2.0")
        .flags(&[ADMIN, NOSCRIPT, STALE])
        .refused(
            "it would stop a node that others rely on: use `remove` in the console, or connect to the node",
        )
        .args(&[
            block("target", &[string("host"), integer("port"), token("FORCE").optional()])
                .after("TO")
                .optional(),
            token("ABORT").optional(),
            integer("milliseconds").after("TIMEOUT").optional(),
        ]),
    row("flushall", -1, "")
        .complexity("")
        .flags(&[WRITE])
        .acl(&[Acl::KEYSPACE, Acl::DANGEROUS])
        .tips(&["request_policy:all_shards", "response_policy:all_succeeded"])
        .route(Route::AllNodes(Merge::AllSucceeded))
        .args(&[one_of("async", &[token("ASYNC").since("4.0.0"), token("SYNC").since("6.2.0")]).optional()]),
    row("flushdb", -1, "")
        .complexity("")
        .flags(&[WRITE])
        .acl(&[Acl::KEYSPACE, Acl::DANGEROUS])
        .tips(&["request_policy:all_shards", "response_policy:all_succeeded"])
        .route(Route::AllNodes(Merge::AllSucceeded))
        .args(&[one_of("async", &[token("ASYNC").since("4.0.0"), token("SYNC").since("6.2.0")]).optional()]),
    row("info", -1, "")
        .flags(&[LOADING, STALE])
        .acl(&[Acl::DANGEROUS])
        .tips(&["nondeterministic_output", "request_policy:all_shards", "response_policy:special"])
        .route(Route::AllNodes(Merge::Special))
        .args(&[string("section").optional().multiple()]),
    row("lastsave", 1, "")
        .flags(&[LOADING, STALE, FAST])
        .acl(&[Acl::ADMIN, Acl::DANGEROUS])
        .tips(&["nondeterministic_output"])
        .refused("persistence is each node's own: connect to it"),
    row("lolwut", -1, "")
        .since("5.0.0")
        .complexity("")
        .flags(&[READONLY, FAST])
        .route(Route::Local)
        .args(&[integer("version").after("VERSION").optional()]),
    row("monitor", 1, "")
        .complexity("")
        .flags(&[ADMIN, NOSCRIPT, LOADING, STALE])
        .refused("it shows what one node executes: connect to that node"),
    row("psync", -3, "")
        .since("2.8.0")
        .complexity("")
        .flags(&[ADMIN, NOSCRIPT, NO_ASYNC_LOADING, NO_MULTI])
        .refused("replication is between servers: connect to the node")
        .args(&[string("replicationid"), integer("offset")]),
    row("replconf", -1, "")
        .since("3.0.0")
        .flags(&[ADMIN, NOSCRIPT, LOADING, STALE, ALLOW_BUSY])
        .refused("replication is between servers: connect to the node")
        .internal(),
    row("replicaof", 3, "")
        .since("5.0.0")
        .flags(&[ADMIN, NOSCRIPT, STALE, NO_ASYNC_LOADING])
        .refused("replication is between servers: connect to the node")
        .args(&[one_of(
            "args",
            &[
                block("host-port", &[string("host"), integer("port")]),
                block("no-one", &[token("NO"), token("ONE")]),
            ],
        )]),
    row("restore-asking", -4, "")
        .since("3.0.0")
        .complexity("")
        .flags(&[WRITE, DENYOOM, ASKING])
        .acl(&[Acl::KEYSPACE, Acl::DANGEROUS])
        .keys(&[at(1, &[OW, UPDATE])])
        .refused("moving slots is what the cluster does itself: use `add` and `remove` in the console")
        .internal()
        .args(&[
            key("key", 0),
            integer("ttl"),
            string("serialized-value"),
            token("REPLACE").optional().since("3.0.0"),
            token("ABSTTL").optional().since("5.0.0"),
            integer("seconds").after("IDLETIME").optional().since("5.0.0"),
            integer("frequency").after("FREQ").optional().since("5.0.0"),
        ]),
    row("role", 1, "")
        .since("2.8.12")
        .flags(&[NOSCRIPT, LOADING, STALE, FAST])
        .acl(&[Acl::ADMIN, Acl::DANGEROUS])
        .refused("replication is between servers: connect to the node"),
    row("save", 1, "")
        .complexity("")
        .flags(&[ADMIN, NOSCRIPT, NO_ASYNC_LOADING, NO_MULTI])
        .refused("persistence is each node's own: connect to it"),
    row("shutdown", -1, "")
        .complexity("")
        .flags(&[ADMIN, NOSCRIPT, LOADING, STALE, NO_MULTI, ALLOW_BUSY])
        .refused(
            "it would stop a node that others rely on: use `remove` in the console, or connect to the node",
        )
        .args(&[
            one_of("nosave_save", &[token("NOSAVE"), token("SAVE")]).optional(),
            token("NOW").optional().since("7.0.0"),
            token("FORCE").optional().since("7.0.0"),
            token("ABORT").optional().since("7.0.0"),
        ]),
    row("slaveof", 3, "")
        .flags(&[ADMIN, NOSCRIPT, STALE, NO_ASYNC_LOADING])
        .refused("replication is between servers: connect to the node")
        .deprecated("5.0.0", "REPLICAOF")
        .args(&[one_of(
            "args",
            &[
                block("host-port", &[string("host"), integer("port")]),
                block("no-one", &[token("NO"), token("ONE")]),
            ],
        )]),
    row("swapdb", 3, "")
        .since("4.0.0")
        .complexity("")
        .flags(&[WRITE, FAST])
        .acl(&[Acl::KEYSPACE, Acl::DANGEROUS])
        .refused("it would have to happen on all nodes at the same instant")
        .args(&[integer("index1"), integer("index2")]),
    row("sync", 1, "")
        .complexity("")
        .flags(&[ADMIN, NOSCRIPT, NO_ASYNC_LOADING, NO_MULTI])
        .refused("replication is between servers: connect to the node"),
    row("time", 1, "")
        .since("2.6.0")
        .flags(&[LOADING, STALE, FAST])
        .tips(&["nondeterministic_output"])
        .route(Route::Local),
];
