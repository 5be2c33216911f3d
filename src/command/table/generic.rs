//! Keys of any type.

use super::words::*;

const fn row(name: &'static str, arity: i16, summary: &'static str) -> Row {
    command(Group::Generic, name, arity, summary).acl(&[Acl::KEYSPACE])
}

pub(super) const COMMANDS: &[Row] = &[
    row("copy", -3, "")
        .since("6.2.0")
        .complexity("")
        .flags(&[WRITE, DENYOOM])
        .keys(&[at(1, &[RO, ACCESS]), at(2, &[OW, UPDATE])])
        .args(&[
            key("source", 0),
            key("destination", 1),
            integer("destination-db").after("DB").optional(),
            token("REPLACE").optional(),
        ]),
    row("del", -2, "")
        .complexity("")
        .flags(&[WRITE])
        .tips(&["request_policy:multi_shard", "response_policy:agg_sum"])
        .keys(&[range(1, -1, 1, &[RM, DELETE])])
        .route(Route::Split(Merge::Sum))
        .args(&[key("key", 0).multiple()]),
    row("dump", 2, "")
        .since("2.6.0")
        .complexity("")
        .flags(&[READONLY])
        .tips(&["nondeterministic_output"])
        .keys(&[at(1, &[RO, ACCESS])])
        .args(&[key("key", 0)]),
    row("exists", -2, "")
        .complexity("")
        .flags(&[READONLY, FAST])
        .tips(&["request_policy:multi_shard", "response_policy:agg_sum"])
        .keys(&[range(1, -1, 1, &[RO])])
        .route(Route::Split(Merge::Sum))
        .args(&[key("key", 0).multiple()]),
    row("expire", -3, "").flags(&[WRITE, FAST]).keys(&[at(1, &[RW, UPDATE])]).args(&[
        key("key", 0),
        integer("seconds"),
        one_of("condition", &[token("NX"), token("XX"), token("GT"), token("LT")]).optional().since("7.0.0"),
    ]),
    row("expireat", -3, "").since("1.2.0").flags(&[WRITE, FAST]).keys(&[at(1, &[RW, UPDATE])]).args(&[
        key("key", 0),
        unix_time("unix-time-seconds"),
        one_of("condition", &[token("NX"), token("XX"), token("GT"), token("LT")]).optional().since("7.0.0"),
    ]),
    row("expiretime", 2, "")
        .since("7.0.0")
        .flags(&[READONLY, FAST])
        .keys(&[at(1, &[RO, ACCESS])])
        .args(&[key("key", 0)]),
    row("keys", 2, "")
        .complexity("")
        .flags(&[READONLY])
        .acl(&[Acl::KEYSPACE, Acl::DANGEROUS])
        .tips(&["request_policy:all_shards", "nondeterministic_output_order"])
        .route(Route::AllNodes(Merge::Special))
        .args(&[pattern("pattern")]),
    row("migrate", -6, "")
        .since("2.6.0")
        .complexity("")
        .flags(&[WRITE])
        .acl(&[Acl::KEYSPACE, Acl::DANGEROUS])
        .tips(&["nondeterministic_output"])
        .keys(&[at(3, &[RW, ACCESS, DELETE]), all_after("KEYS", -2, &[RW, ACCESS, DELETE, INCOMPLETE])])
        .keys_by_code(ByCode::Migrate)
        .refused("moving slots is what the cluster does itself: use `add` and `remove` in the console")
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
    row("move", 3, "")
        .flags(&[WRITE, FAST])
        .keys(&[at(1, &[RW, ACCESS, UPDATE])])
        .args(&[key("key", 0), integer("db")]),
    row("object", -2, "")
        .since("2.2.3")
        .complexity("")
        .acl(&[])
        .route(Route::Local)
        .subcommands(OBJECT_SUBCOMMANDS),
    row("persist", 2, "")
        .since("2.2.0")
        .flags(&[WRITE, FAST])
        .keys(&[at(1, &[RW, UPDATE])])
        .args(&[key("key", 0)]),
    row("pexpire", -3, "").since("2.6.0").flags(&[WRITE, FAST]).keys(&[at(1, &[RW, UPDATE])]).args(&[
        key("key", 0),
        integer("milliseconds"),
        one_of("condition", &[token("NX"), token("XX"), token("GT"), token("LT")]).optional().since("7.0.0"),
    ]),
    row("pexpireat", -3, "").since("2.6.0").flags(&[WRITE, FAST]).keys(&[at(1, &[RW, UPDATE])]).args(&[
        key("key", 0),
        unix_time("unix-time-milliseconds"),
        one_of("condition", &[token("NX"), token("XX"), token("GT"), token("LT")]).optional().since("7.0.0"),
    ]),
    row("pexpiretime", 2, "")
        .since("7.0.0")
        .flags(&[READONLY, FAST])
        .keys(&[at(1, &[RO, ACCESS])])
        .args(&[key("key", 0)]),
    row("pttl", 2, "")
        .since("2.6.0")
        .flags(&[READONLY, FAST])
        .tips(&["nondeterministic_output"])
        .keys(&[at(1, &[RO, ACCESS])])
        .args(&[key("key", 0)]),
    row("randomkey", 1, "")
        .flags(&[READONLY])
        .tips(&["request_policy:all_shards", "nondeterministic_output"])
        .route(Route::AllNodes(Merge::Special)),
    row("rename", 3, "")
        .flags(&[WRITE])
        .keys(&[at(1, &[RW, ACCESS, DELETE]), at(2, &[OW, UPDATE])])
        .args(&[key("key", 0), key("newkey", 1)]),
    row("renamenx", 3, "")
        .flags(&[WRITE, FAST])
        .keys(&[at(1, &[RW, ACCESS, DELETE]), at(2, &[OW, INSERT])])
        .args(&[key("key", 0), key("newkey", 1)]),
    row("restore", -4, "")
        .since("2.6.0")
        .complexity("")
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
    row("scan", -2, "")
        .since("2.8.0")
        .complexity("")
        .flags(&[READONLY])
        .tips(&["nondeterministic_output", "request_policy:special"])
        .route(Route::AllNodes(Merge::Special))
        .args(&[
            integer("cursor"),
            pattern("pattern").after("MATCH").optional(),
            integer("count").after("COUNT").optional(),
            string("type").after("TYPE").optional().since("6.0.0"),
        ]),
    row("sort", -2, "")
        .complexity("")
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
    row("sort_ro", -2, "")
        .since("7.0.0")
        .complexity("")
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
    row("touch", -2, "")
        .since("3.2.1")
        .complexity("")
        .flags(&[READONLY, FAST])
        .tips(&["request_policy:multi_shard", "response_policy:agg_sum"])
        .keys(&[range(1, -1, 1, &[RO])])
        .route(Route::Split(Merge::Sum))
        .args(&[key("key", 0).multiple()]),
    row("ttl", 2, "")
        .flags(&[READONLY, FAST])
        .tips(&["nondeterministic_output"])
        .keys(&[at(1, &[RO, ACCESS])])
        .args(&[key("key", 0)]),
    row("type", 2, "").flags(&[READONLY, FAST]).keys(&[at(1, &[RO])]).args(&[key("key", 0)]),
    row("unlink", -2, "")
        .since("4.0.0")
        .complexity("")
        .flags(&[WRITE, FAST])
        .tips(&["request_policy:multi_shard", "response_policy:agg_sum"])
        .keys(&[range(1, -1, 1, &[RM, DELETE])])
        .route(Route::Split(Merge::Sum))
        .args(&[key("key", 0).multiple()]),
    row("wait", 3, "")
        .since("3.0.0")
        .flags(&[NOSCRIPT])
        .acl(&[Acl::CONNECTION])
        .tips(&["request_policy:all_shards", "response_policy:agg_min"])
        .refused("replicas belong to one node, and the proxy does not know which node wrote last")
        .args(&[integer("numreplicas"), integer("timeout")]),
];

const OBJECT_SUBCOMMANDS: &[Row] = &[
    row("object|encoding", 3, "")
        .since("2.2.3")
        .flags(&[READONLY])
        .tips(&["nondeterministic_output"])
        .keys(&[at(2, &[RO])])
        .args(&[key("key", 0)]),
    row("object|freq", 3, "")
        .since("4.0.0")
        .flags(&[READONLY])
        .tips(&["nondeterministic_output"])
        .keys(&[at(2, &[RO])])
        .args(&[key("key", 0)]),
    row("object|help", 2, "").since("6.2.0").flags(&[LOADING, STALE]).route(Route::Local),
    row("object|idletime", 3, "")
        .since("2.2.3")
        .flags(&[READONLY])
        .tips(&["nondeterministic_output"])
        .keys(&[at(2, &[RO])])
        .args(&[key("key", 0)]),
    row("object|refcount", 3, "")
        .since("2.2.3")
        .flags(&[READONLY])
        .tips(&["nondeterministic_output"])
        .keys(&[at(2, &[RO])])
        .args(&[key("key", 0)]),
];
