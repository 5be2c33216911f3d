//! The server as a whole: data, persistence, replication.

use super::words::*;

const fn row(name: &'static str, arity: i16, summary: &'static str) -> Row {
    command(Group::Server, name, arity, summary)
}

pub(super) const COMMANDS: &[Row] = &[
    row("bgrewriteaof", 1, "Rewrite the append-only file in the background.")
        .flags(&[ADMIN, NOSCRIPT, NO_ASYNC_LOADING])
        .route(Route::Servers(Servers::Same)),
    row("bgsave", -1, "Save a snapshot in the background.")
        .flags(&[ADMIN, NOSCRIPT, NO_ASYNC_LOADING])
        .route(Route::Servers(Servers::Same))
        .args(&[token("SCHEDULE").optional().since("3.2.2")]),
    row("dbsize", 1, "Number of keys in the database.")
        .flags(&[READONLY, FAST])
        .acl(&[Acl::KEYSPACE])
        .tips(&["request_policy:all_shards", "response_policy:agg_sum"])
        .route(Route::AllNodes(Merge::KeyCount)),
    row("debug", -2, "Internals, for developers.")
        .complexity("that of the subcommand")
        .flags(&[ADMIN, NOSCRIPT, LOADING, STALE])
        .route(Route::Servers(Servers::Debug))
        .takes_long()
        .internal(),
    row("failover", -1, "Hand the master's role to a replica.")
        .since("6.2.0")
        .flags(&[ADMIN, NOSCRIPT, STALE])
        .refused(reason::STOPPING)
        .args(&[
            block("target", &[string("host"), integer("port"), token("FORCE").optional()])
                .after("TO")
                .optional(),
            token("ABORT").optional(),
            integer("milliseconds").after("TIMEOUT").optional(),
        ]),
    row("flushall", -1, "Delete the keys of all databases.")
        .complexity("O(N), N the keys of all databases")
        .flags(&[WRITE])
        .acl(&[Acl::KEYSPACE, Acl::DANGEROUS])
        .tips(&["request_policy:all_shards", "response_policy:all_succeeded"])
        .route(Route::AllNodes(Merge::AllSucceeded))
        .args(&[one_of("async", &[token("ASYNC").since("4.0.0"), token("SYNC").since("6.2.0")]).optional()]),
    row("flushdb", -1, "Delete the keys of the database.")
        .complexity("O(N), N the keys")
        .flags(&[WRITE])
        .acl(&[Acl::KEYSPACE, Acl::DANGEROUS])
        .tips(&["request_policy:all_shards", "response_policy:all_succeeded"])
        .route(Route::AllNodes(Merge::AllSucceeded))
        .args(&[one_of("async", &[token("ASYNC").since("4.0.0"), token("SYNC").since("6.2.0")]).optional()]),
    row("info", -1, "Figures of the server.")
        .flags(&[LOADING, STALE])
        .acl(&[Acl::DANGEROUS])
        .tips(&["nondeterministic_output", "request_policy:all_shards", "response_policy:special"])
        .route(Route::AllNodes(Merge::Info))
        .args(&[string("section").optional().multiple()]),
    row("lastsave", 1, "Unix time of the last good snapshot.")
        .flags(&[LOADING, STALE, FAST])
        .acl(&[Acl::ADMIN, Acl::DANGEROUS])
        .tips(&["nondeterministic_output"])
        .route(Route::Servers(Servers::Oldest)),
    row("lolwut", -1, "Version of the server and a picture.")
        .since("5.0.0")
        .complexity("")
        .flags(&[READONLY, FAST])
        .route(Route::OneNode)
        .args(&[integer("version").after("VERSION").optional()]),
    row("monitor", 1, "Show every command that the server executes.")
        .complexity("")
        .flags(&[ADMIN, NOSCRIPT, LOADING, STALE])
        .route(Route::Local),
    row("psync", -3, "Begin or continue replication (sent by replicas).")
        .since("2.8.0")
        .complexity("")
        .flags(&[ADMIN, NOSCRIPT, NO_ASYNC_LOADING, NO_MULTI])
        .refused(reason::REPLICATION)
        .args(&[string("replicationid"), integer("offset")]),
    row("replconf", -1, "Details of replication (sent by replicas).")
        .since("3.0.0")
        .flags(&[ADMIN, NOSCRIPT, LOADING, STALE, ALLOW_BUSY])
        .refused(reason::REPLICATION)
        .internal(),
    row("replicaof", 3, "Become a replica of a server, or a master.")
        .since("5.0.0")
        .flags(&[ADMIN, NOSCRIPT, STALE, NO_ASYNC_LOADING])
        .refused(reason::REPLICATION)
        .args(&[one_of(
            "args",
            &[
                block("host-port", &[string("host"), integer("port")]),
                block("no-one", &[token("NO"), token("ONE")]),
            ],
        )]),
    row("restore-asking", -4, "RESTORE as a node that imports a slot takes it.")
        .since("3.0.0")
        .complexity("O(N), N the size of the value; O(N*log(N)) for a sorted set")
        .flags(&[WRITE, DENYOOM, ASKING])
        .acl(&[Acl::KEYSPACE, Acl::DANGEROUS])
        .keys(&[at(1, &[OW, UPDATE])])
        .refused(reason::MOVING)
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
    row("role", 1, "Role of the server in replication.")
        .since("2.8.12")
        .flags(&[NOSCRIPT, LOADING, STALE, FAST])
        .acl(&[Acl::ADMIN, Acl::DANGEROUS])
        .route(Route::Local),
    row("save", 1, "Save a snapshot, stopping everything meanwhile.")
        .complexity("O(N), N the keys of all databases")
        .flags(&[ADMIN, NOSCRIPT, NO_ASYNC_LOADING, NO_MULTI])
        .route(Route::Servers(Servers::Succeeded)),
    row("shutdown", -1, "End the server, saving what is to be saved.")
        .complexity("O(N) when saving, N the keys")
        .flags(&[ADMIN, NOSCRIPT, LOADING, STALE, NO_MULTI, ALLOW_BUSY])
        .refused(reason::STOPPING)
        .args(&[
            one_of("nosave_save", &[token("NOSAVE"), token("SAVE")]).optional(),
            token("NOW").optional().since("7.0.0"),
            token("FORCE").optional().since("7.0.0"),
            token("ABORT").optional().since("7.0.0"),
        ]),
    row("slaveof", 3, "Become a replica of a server, or a master (old name of REPLICAOF).")
        .flags(&[ADMIN, NOSCRIPT, STALE, NO_ASYNC_LOADING])
        .refused(reason::REPLICATION)
        .deprecated("5.0.0", "REPLICAOF")
        .args(&[one_of(
            "args",
            &[
                block("host-port", &[string("host"), integer("port")]),
                block("no-one", &[token("NO"), token("ONE")]),
            ],
        )]),
    row("swapdb", 3, "Exchange two databases.")
        .since("4.0.0")
        .complexity("O(N), N the clients that watch or wait for keys of both")
        .flags(&[WRITE, FAST])
        .acl(&[Acl::KEYSPACE, Acl::DANGEROUS])
        .refused(reason::ALL_AT_ONCE)
        .args(&[integer("index1"), integer("index2")]),
    row("sync", 1, "Begin replication (sent by old replicas).")
        .complexity("")
        .flags(&[ADMIN, NOSCRIPT, NO_ASYNC_LOADING, NO_MULTI])
        .refused(reason::REPLICATION),
    row("time", 1, "The server's clock: seconds and microseconds.")
        .since("2.6.0")
        .flags(&[LOADING, STALE, FAST])
        .tips(&["nondeterministic_output"])
        .route(Route::Local),
];
