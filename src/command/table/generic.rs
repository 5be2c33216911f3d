//! Keys of any type.

use super::words::*;

const fn row(name: &'static str, arity: i16, summary: &'static str) -> Row {
    command(Group::Generic, name, arity, summary).acl(&[Acl::KEYSPACE])
}

pub(super) const COMMANDS: &[Row] = &[
    row("copy", -3, "Copy a value to another key.")
        .since("6.2.0")
        .complexity("O(N), N the elements of a collection; O(1) for a string")
        .flags(&[WRITE, DENYOOM])
        .keys(&[at(1, &[RO, ACCESS]), at(2, &[OW, UPDATE])])
        .args(&[
            key("source", 0),
            key("destination", 1),
            integer("destination-db").after("DB").optional(),
            token("REPLACE").optional(),
        ]),
    row("del", -2, "Delete keys.")
        .complexity("O(N), N the keys; O(M) for a collection of M elements")
        .flags(&[WRITE])
        .tips(&["request_policy:multi_shard", "response_policy:agg_sum"])
        .keys(&[range(1, -1, 1, &[RM, DELETE])])
        .route(Route::Split(Merge::Sum))
        .args(&[key("key", 0).multiple()]),
    row("dump", 2, "Serialise a value in the form RESTORE takes.")
        .since("2.6.0")
        .complexity("O(N), N the size of the value")
        .flags(&[READONLY])
        .tips(&["nondeterministic_output"])
        .keys(&[at(1, &[RO, ACCESS])])
        .args(&[key("key", 0)]),
    row("exists", -2, "How many of the keys exist; one named twice counts twice.")
        .complexity("O(N), N the keys")
        .flags(&[READONLY, FAST])
        .tips(&["request_policy:multi_shard", "response_policy:agg_sum"])
        .keys(&[range(1, -1, 1, &[RO])])
        .route(Route::Split(Merge::Sum))
        .args(&[key("key", 0).multiple()]),
    row("expire", -3, "Give a key a time to live in seconds.")
        .flags(&[WRITE, FAST])
        .keys(&[at(1, &[RW, UPDATE])])
        .args(&[
            key("key", 0),
            integer("seconds"),
            one_of("condition", &[token("NX"), token("XX"), token("GT"), token("LT")])
                .optional()
                .since("7.0.0"),
        ]),
    row("expireat", -3, "Let a key expire at a Unix time in seconds.")
        .since("1.2.0")
        .flags(&[WRITE, FAST])
        .keys(&[at(1, &[RW, UPDATE])])
        .args(&[
            key("key", 0),
            unix_time("unix-time-seconds"),
            one_of("condition", &[token("NX"), token("XX"), token("GT"), token("LT")])
                .optional()
                .since("7.0.0"),
        ]),
    row("expiretime", 2, "Unix time in seconds at which a key expires.")
        .since("7.0.0")
        .flags(&[READONLY, FAST])
        .keys(&[at(1, &[RO, ACCESS])])
        .args(&[key("key", 0)]),
    row("keys", 2, "All keys that match a pattern.")
        .takes_long()
        .complexity("O(N), N the keys of the database")
        .flags(&[READONLY])
        .acl(&[Acl::KEYSPACE, Acl::DANGEROUS])
        .tips(&["request_policy:all_shards", "nondeterministic_output_order"])
        .route(Route::AllNodes(Merge::Keys))
        .args(&[pattern("pattern")]),
    row("migrate", -6, "Move keys to another server.")
        .since("2.6.0")
        .complexity("O(N), N the size of the values")
        .flags(&[WRITE])
        .acl(&[Acl::KEYSPACE, Acl::DANGEROUS])
        .tips(&["nondeterministic_output"])
        .keys(&[at(3, &[RW, ACCESS, DELETE]), all_after("KEYS", -2, &[RW, ACCESS, DELETE, INCOMPLETE])])
        .keys_by_code(ByCode::Migrate)
        .refused(reason::MOVING)
        .args(&[
            string("host"),
            integer("port"),
            one_of("key_or_empty_string", &[key("key", 0), token("").named("empty_string")]),
            integer("destination-db"),
            integer("timeout"),
            token("COPY").optional().since("3.0.0"),
            token("REPLACE").optional().since("3.0.0"),
            one_of(
                "authentication",
                &[
                    string("password").after("AUTH").optional().since("4.0.7"),
                    block("username_password", &[string("username"), string("password")])
                        .after("AUTH2")
                        .optional()
                        .since("6.0.0"),
                ],
            )
            .optional(),
            key("key", 1).after("KEYS").optional().multiple().since("3.0.6"),
        ]),
    row("move", 3, "Put a key into another database.")
        .flags(&[WRITE, FAST])
        .keys(&[at(1, &[RW, ACCESS, UPDATE])])
        .args(&[key("key", 0), integer("db")]),
    row("object", -2, "How a value is stored.")
        .since("2.2.3")
        .complexity("that of the subcommand")
        .acl(&[])
        .route(Route::Local)
        .subcommands(OBJECT_SUBCOMMANDS),
    row("persist", 2, "Remove the time to live of a key.")
        .since("2.2.0")
        .flags(&[WRITE, FAST])
        .keys(&[at(1, &[RW, UPDATE])])
        .args(&[key("key", 0)]),
    row("pexpire", -3, "Give a key a time to live in milliseconds.")
        .since("2.6.0")
        .flags(&[WRITE, FAST])
        .keys(&[at(1, &[RW, UPDATE])])
        .args(&[
            key("key", 0),
            integer("milliseconds"),
            one_of("condition", &[token("NX"), token("XX"), token("GT"), token("LT")])
                .optional()
                .since("7.0.0"),
        ]),
    row("pexpireat", -3, "Let a key expire at a Unix time in milliseconds.")
        .since("2.6.0")
        .flags(&[WRITE, FAST])
        .keys(&[at(1, &[RW, UPDATE])])
        .args(&[
            key("key", 0),
            unix_time("unix-time-milliseconds"),
            one_of("condition", &[token("NX"), token("XX"), token("GT"), token("LT")])
                .optional()
                .since("7.0.0"),
        ]),
    row("pexpiretime", 2, "Unix time in milliseconds at which a key expires.")
        .since("7.0.0")
        .flags(&[READONLY, FAST])
        .keys(&[at(1, &[RO, ACCESS])])
        .args(&[key("key", 0)]),
    row("pttl", 2, "Time a key has left, in milliseconds.")
        .since("2.6.0")
        .flags(&[READONLY, FAST])
        .tips(&["nondeterministic_output"])
        .keys(&[at(1, &[RO, ACCESS])])
        .args(&[key("key", 0)]),
    row("randomkey", 1, "Any one key.")
        .flags(&[READONLY])
        .tips(&["request_policy:all_shards", "nondeterministic_output"])
        .route(Route::AllNodes(Merge::RandomKey)),
    row("rename", 3, "Give a key another name, overwriting what has that name.")
        .flags(&[WRITE])
        .keys(&[at(1, &[RW, ACCESS, DELETE]), at(2, &[OW, UPDATE])])
        .args(&[key("key", 0), key("newkey", 1)]),
    row("renamenx", 3, "Give a key another name, unless that name is taken.")
        .flags(&[WRITE, FAST])
        .keys(&[at(1, &[RW, ACCESS, DELETE]), at(2, &[OW, INSERT])])
        .args(&[key("key", 0), key("newkey", 1)]),
    row("restore", -4, "Create a key from what DUMP gave.")
        .since("2.6.0")
        .complexity("O(N), N the size of the value; O(N*log(N)) for a sorted set")
        .flags(&[WRITE, DENYOOM])
        .acl(&[Acl::KEYSPACE, Acl::DANGEROUS])
        .keys(&[at(1, &[OW, UPDATE])])
        .args(&[
            key("key", 0),
            integer("ttl"),
            string("serialized-value"),
            token("REPLACE").optional().since("3.0.0"),
            token("ABSTTL").optional().since("5.0.0"),
            integer("seconds").after("IDLETIME").optional().since("5.0.0"),
            integer("frequency").after("FREQ").optional().since("5.0.0"),
        ]),
    row("scan", -2, "Go through the keys of the database, some at a time.")
        .since("2.8.0")
        .complexity("O(1) per call, O(N) for all N keys")
        .flags(&[READONLY])
        .tips(&["nondeterministic_output", "request_policy:special"])
        .route(Route::AllNodes(Merge::Scan))
        .args(&[
            integer("cursor"),
            pattern("pattern").after("MATCH").optional(),
            integer("count").after("COUNT").optional(),
            string("type").after("TYPE").optional().since("6.0.0"),
        ]),
    row("sort", -2, "Elements of a list, set or sorted set in order; can be stored.")
        .takes_long()
        .complexity("O(N+M*log(M)), N the elements, M those returned")
        .flags(&[WRITE, DENYOOM])
        .acl(&[Acl::SET, Acl::SORTEDSET, Acl::LIST, Acl::DANGEROUS])
        .keys(&[
            at(1, &[RO, ACCESS]),
            unknown(&[RO, ACCESS])
                .notes("keys that BY and GET make of elements; their names are in the data"),
            unknown(&[OW, UPDATE]).notes("STORE may stand anywhere among the options"),
        ])
        .keys_by_code(ByCode::Sort)
        .args(&[
            key("key", 0),
            pattern("pattern").after("BY").optional().found_by(1),
            block("offset_count", &[integer("offset"), integer("count")]).after("LIMIT").optional(),
            pattern("pattern").after("GET").optional().multiple_token().found_by(1),
            one_of("order", &[token("ASC"), token("DESC")]).optional(),
            token("ALPHA").named("sorting").optional(),
            key("destination", 2).after("STORE").optional(),
        ]),
    row("sort_ro", -2, "Elements of a list, set or sorted set in order.")
        .takes_long()
        .since("7.0.0")
        .complexity("O(N+M*log(M)), N the elements, M those returned")
        .flags(&[READONLY])
        .acl(&[Acl::SET, Acl::SORTEDSET, Acl::LIST, Acl::DANGEROUS])
        .keys(&[
            at(1, &[RO, ACCESS]),
            unknown(&[RO, ACCESS])
                .notes("keys that BY and GET make of elements; their names are in the data"),
        ])
        .keys_by_code(ByCode::SortRo)
        .args(&[
            key("key", 0),
            pattern("pattern").after("BY").optional().found_by(1),
            block("offset_count", &[integer("offset"), integer("count")]).after("LIMIT").optional(),
            pattern("pattern").after("GET").optional().multiple_token().found_by(1),
            one_of("order", &[token("ASC"), token("DESC")]).optional(),
            token("ALPHA").named("sorting").optional(),
        ]),
    row("touch", -2, "Refresh the last access of keys; how many of them exist.")
        .since("3.2.1")
        .complexity("O(N), N the keys")
        .flags(&[READONLY, FAST])
        .tips(&["request_policy:multi_shard", "response_policy:agg_sum"])
        .keys(&[range(1, -1, 1, &[RO])])
        .route(Route::Split(Merge::Sum))
        .args(&[key("key", 0).multiple()]),
    row("ttl", 2, "Time a key has left, in seconds.")
        .flags(&[READONLY, FAST])
        .tips(&["nondeterministic_output"])
        .keys(&[at(1, &[RO, ACCESS])])
        .args(&[key("key", 0)]),
    row("type", 2, "Type of the value of a key.")
        .flags(&[READONLY, FAST])
        .keys(&[at(1, &[RO])])
        .args(&[key("key", 0)]),
    row("unlink", -2, "Delete keys, freeing their memory in the background.")
        .since("4.0.0")
        .complexity("O(N), N the keys; their memory is freed in the background")
        .flags(&[WRITE, FAST])
        .tips(&["request_policy:multi_shard", "response_policy:agg_sum"])
        .keys(&[range(1, -1, 1, &[RM, DELETE])])
        .route(Route::Split(Merge::Sum))
        .args(&[key("key", 0).multiple()]),
    row("wait", 3, "Wait until replicas have the writes of this connection.")
        .since("3.0.0")
        .flags(&[NOSCRIPT])
        .acl(&[Acl::CONNECTION])
        .takes_long()
        .tips(&["request_policy:all_shards", "response_policy:agg_min"])
        .route(Route::AllNodes(Merge::Acknowledged))
        .args(&[integer("numreplicas"), integer("timeout")]),
    row("waitaof", 4, "Wait until files of this server and of replicas have the writes of this connection.")
        .since("7.2.0")
        .flags(&[NOSCRIPT])
        .acl(&[Acl::CONNECTION])
        .takes_long()
        .tips(&["request_policy:all_shards", "response_policy:agg_min"])
        .route(Route::AllNodes(Merge::Acknowledged))
        .args(&[integer("numlocal"), integer("numreplicas"), integer("timeout")]),
];

const OBJECT_SUBCOMMANDS: &[Row] = &[
    row("object|encoding", 3, "Internal form of a value.")
        .since("2.2.3")
        .flags(&[READONLY])
        .tips(&["nondeterministic_output"])
        .keys(&[at(2, &[RO])])
        .args(&[key("key", 0)]),
    row("object|freq", 3, "Access frequency of a key, logarithmic, under an LFU policy.")
        .since("4.0.0")
        .flags(&[READONLY])
        .tips(&["nondeterministic_output"])
        .keys(&[at(2, &[RO])])
        .args(&[key("key", 0)]),
    row("object|help", 2, "List the subcommands of OBJECT.")
        .since("6.2.0")
        .flags(&[LOADING, STALE])
        .route(Route::Local),
    row("object|idletime", 3, "Seconds since a key was last used.")
        .since("2.2.3")
        .flags(&[READONLY])
        .tips(&["nondeterministic_output"])
        .keys(&[at(2, &[RO])])
        .args(&[key("key", 0)]),
    row("object|refcount", 3, "References to a value.")
        .since("2.2.3")
        .flags(&[READONLY])
        .tips(&["nondeterministic_output"])
        .keys(&[at(2, &[RO])])
        .args(&[key("key", 0)]),
];
