//! Strings and counters.

use super::words::*;

const fn row(name: &'static str, arity: i16, summary: &'static str) -> Row {
    command(Group::String, name, arity, summary).acl(&[Acl::STRING])
}

pub(super) const COMMANDS: &[Row] = &[
    row("append", 3, "")
        .since("2.0.0")
        .complexity("")
        .flags(&[WRITE, DENYOOM, FAST])
        .keys(&[at(1, &[RW, INSERT])])
        .args(&[key("key", 0), string("value")]),
    row("decr", 2, "")
        .flags(&[WRITE, DENYOOM, FAST])
        .keys(&[at(1, &[RW, ACCESS, UPDATE])])
        .args(&[key("key", 0)]),
    row("decrby", 3, "")
        .flags(&[WRITE, DENYOOM, FAST])
        .keys(&[at(1, &[RW, ACCESS, UPDATE])])
        .args(&[key("key", 0), integer("decrement")]),
    row("get", 2, "").flags(&[READONLY, FAST]).keys(&[at(1, &[RO, ACCESS])]).args(&[key("key", 0)]),
    row("getdel", 2, "")
        .since("6.2.0")
        .flags(&[WRITE, FAST])
        .keys(&[at(1, &[RW, ACCESS, DELETE])])
        .args(&[key("key", 0)]),
    row("getex", -2, "")
        .since("6.2.0")
        .flags(&[WRITE, FAST])
        .keys(&[at(1, &[RW, ACCESS, UPDATE]).notes("RW and UPDATE: the expiry may change")])
        .args(&[
            key("key", 0),
            one_of(
                "expiration",
                &[
                    integer("seconds").after("EX"),
                    integer("milliseconds").after("PX"),
                    unix_time("unix-time-seconds").after("EXAT"),
                    unix_time("unix-time-milliseconds").after("PXAT"),
                    token("PERSIST"),
                ],
            )
            .optional(),
        ]),
    row("getrange", 4, "")
        .since("2.4.0")
        .complexity("")
        .flags(&[READONLY])
        .keys(&[at(1, &[RO, ACCESS])])
        .args(&[key("key", 0), integer("start"), integer("end")]),
    row("getset", 3, "")
        .flags(&[WRITE, DENYOOM, FAST])
        .keys(&[at(1, &[RW, ACCESS, UPDATE])])
        .deprecated("6.2.0", "SET with GET")
        .args(&[key("key", 0), string("value")]),
    row("incr", 2, "")
        .flags(&[WRITE, DENYOOM, FAST])
        .keys(&[at(1, &[RW, ACCESS, UPDATE])])
        .args(&[key("key", 0)]),
    row("incrby", 3, "")
        .flags(&[WRITE, DENYOOM, FAST])
        .keys(&[at(1, &[RW, ACCESS, UPDATE])])
        .args(&[key("key", 0), integer("increment")]),
    row("incrbyfloat", 3, "")
        .since("2.6.0")
        .flags(&[WRITE, DENYOOM, FAST])
        .keys(&[at(1, &[RW, ACCESS, UPDATE])])
        .args(&[key("key", 0), double("increment")]),
    row("lcs", -3, "")
        .since("7.0.0")
        .complexity("")
        .flags(&[READONLY])
        .keys(&[range(1, 1, 1, &[RO, ACCESS])])
        .args(&[
            key("key1", 0),
            key("key2", 0),
            token("LEN").optional(),
            token("IDX").optional(),
            integer("len").after("MINMATCHLEN").optional(),
            token("WITHMATCHLEN").optional(),
        ]),
    row("mget", -2, "")
        .complexity("")
        .flags(&[READONLY, FAST])
        .tips(&["request_policy:multi_shard"])
        .keys(&[range(1, -1, 1, &[RO, ACCESS])])
        .route(Route::Split(Merge::ByKey))
        .args(&[key("key", 0).multiple()]),
    row("mset", -3, "")
        .since("1.0.1")
        .complexity("")
        .flags(&[WRITE, DENYOOM])
        .tips(&["request_policy:multi_shard", "response_policy:all_succeeded"])
        .keys(&[range(1, -1, 2, &[OW, UPDATE])])
        .route(Route::Split(Merge::AllSucceeded))
        .args(&[block("key_value", &[key("key", 0), string("value")]).multiple()]),
    row("msetnx", -3, "")
        .since("1.0.1")
        .complexity("")
        .flags(&[WRITE, DENYOOM])
        .tips(&["request_policy:multi_shard", "response_policy:agg_min"])
        .keys(&[range(1, -1, 2, &[OW, INSERT])])
        .args(&[block("key_value", &[key("key", 0), string("value")]).multiple()]),
    row("psetex", 4, "").since("2.6.0").flags(&[WRITE, DENYOOM]).keys(&[at(1, &[OW, UPDATE])]).args(&[
        key("key", 0),
        integer("milliseconds"),
        string("value"),
    ]),
    row("set", -3, "")
        .flags(&[WRITE, DENYOOM])
        .keys(&[at(1, &[RW, ACCESS, UPDATE, VARIABLE_FLAGS]).notes("RW and ACCESS only with GET")])
        .keys_by_code(ByCode::Set)
        .args(&[
            key("key", 0),
            string("value"),
            one_of("condition", &[token("NX"), token("XX")]).optional().since("2.6.12"),
            token("GET").optional().since("6.2.0"),
            one_of(
                "expiration",
                &[
                    integer("seconds").after("EX").since("2.6.12"),
                    integer("milliseconds").after("PX").since("2.6.12"),
                    unix_time("unix-time-seconds").after("EXAT").since("6.2.0"),
                    unix_time("unix-time-milliseconds").after("PXAT").since("6.2.0"),
                    token("KEEPTTL").since("6.0.0"),
                ],
            )
            .optional(),
        ]),
    row("setex", 4, "").since("2.0.0").flags(&[WRITE, DENYOOM]).keys(&[at(1, &[OW, UPDATE])]).args(&[
        key("key", 0),
        integer("seconds"),
        string("value"),
    ]),
    row("setnx", 3, "")
        .flags(&[WRITE, DENYOOM, FAST])
        .keys(&[at(1, &[OW, INSERT])])
        .args(&[key("key", 0), string("value")]),
    row("setrange", 4, "")
        .since("2.2.0")
        .complexity("")
        .flags(&[WRITE, DENYOOM])
        .keys(&[at(1, &[RW, UPDATE])])
        .args(&[key("key", 0), integer("offset"), string("value")]),
    row("strlen", 2, "").since("2.2.0").flags(&[READONLY, FAST]).keys(&[at(1, &[RO])]).args(&[key("key", 0)]),
    row("substr", 4, "")
        .complexity("")
        .flags(&[READONLY])
        .keys(&[at(1, &[RO, ACCESS])])
        .deprecated("2.0.0", "GETRANGE")
        .args(&[key("key", 0), integer("start"), integer("end")]),
];
