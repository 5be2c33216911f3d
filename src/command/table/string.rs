//! Strings and counters.

use super::words::*;

const fn row(name: &'static str, arity: i16, summary: &'static str) -> Row {
    command(Group::String, name, arity, summary).acl(&[Acl::STRING])
}

pub(super) const COMMANDS: &[Row] = &[
    row("append", 3, "Add bytes to the end of a string, creating it if needed.")
        .since("2.0.0")
        .complexity("O(1) amortized")
        .flags(&[WRITE, DENYOOM, FAST])
        .keys(&[at(1, &[RW, INSERT])])
        .args(&[key("key", 0), string("value")]),
    row("decr", 2, "Subtract one from a counter, which begins at 0.")
        .flags(&[WRITE, DENYOOM, FAST])
        .keys(&[at(1, &[RW, ACCESS, UPDATE])])
        .args(&[key("key", 0)]),
    row("decrby", 3, "Subtract a number from a counter.")
        .flags(&[WRITE, DENYOOM, FAST])
        .keys(&[at(1, &[RW, ACCESS, UPDATE])])
        .args(&[key("key", 0), integer("decrement")]),
    row("delifeq", 3, "Delete a string if it has this value.")
        .since("9.0.0")
        .complexity("O(N), N the bytes of the value")
        .flags(&[WRITE, FAST])
        .keys(&[at(1, &[RW, ACCESS, DELETE])])
        .args(&[key("key", 0), string("value")]),
    row("get", 2, "Read a string.")
        .flags(&[READONLY, FAST])
        .keys(&[at(1, &[RO, ACCESS])])
        .args(&[key("key", 0)]),
    row("getdel", 2, "Read a string and delete its key.")
        .since("6.2.0")
        .flags(&[WRITE, FAST])
        .keys(&[at(1, &[RW, ACCESS, DELETE])])
        .args(&[key("key", 0)]),
    row("getex", -2, "Read a string and set or remove its time to live.")
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
    row("getrange", 4, "Read part of a string.")
        .since("2.4.0")
        .complexity("O(N), N the bytes returned")
        .flags(&[READONLY])
        .keys(&[at(1, &[RO, ACCESS])])
        .args(&[key("key", 0), integer("start"), integer("end")]),
    row("getset", 3, "Replace a string and answer with the old one.")
        .flags(&[WRITE, DENYOOM, FAST])
        .keys(&[at(1, &[RW, ACCESS, UPDATE])])
        .deprecated("6.2.0", "SET with GET")
        .args(&[key("key", 0), string("value")]),
    row("incr", 2, "Add one to a counter, which begins at 0.")
        .flags(&[WRITE, DENYOOM, FAST])
        .keys(&[at(1, &[RW, ACCESS, UPDATE])])
        .args(&[key("key", 0)]),
    row("incrby", 3, "Add a number to a counter.")
        .flags(&[WRITE, DENYOOM, FAST])
        .keys(&[at(1, &[RW, ACCESS, UPDATE])])
        .args(&[key("key", 0), integer("increment")]),
    row("incrbyfloat", 3, "Add a floating point number to a counter.")
        .since("2.6.0")
        .flags(&[WRITE, DENYOOM, FAST])
        .keys(&[at(1, &[RW, ACCESS, UPDATE])])
        .args(&[key("key", 0), double("increment")]),
    row("lcs", -3, "Longest common subsequence of two strings.")
        .takes_long()
        .since("7.0.0")
        .complexity("O(N*M), N and M the lengths of the strings")
        .flags(&[READONLY])
        .keys(&[range(1, 1, 1, &[RO, ACCESS])])
        .route(Route::Combined(Combine::Subsequence))
        .args(&[
            key("key1", 0),
            key("key2", 0),
            token("LEN").optional(),
            token("IDX").optional(),
            integer("len").after("MINMATCHLEN").optional(),
            token("WITHMATCHLEN").optional(),
        ]),
    row("mget", -2, "Read several strings.")
        .complexity("O(N), N the keys")
        .flags(&[READONLY, FAST])
        .tips(&["request_policy:multi_shard"])
        .keys(&[range(1, -1, 1, &[RO, ACCESS])])
        .route(Route::Split(Merge::ByKey))
        .args(&[key("key", 0).multiple()]),
    row("mset", -3, "Set several strings.")
        .since("1.0.1")
        .complexity("O(N), N the keys")
        .flags(&[WRITE, DENYOOM])
        .tips(&["request_policy:multi_shard", "response_policy:all_succeeded"])
        .keys(&[range(1, -1, 2, &[OW, UPDATE])])
        .route(Route::Split(Merge::AllSucceeded))
        .args(&[block("key_value", &[key("key", 0), string("value")]).multiple()]),
    row("msetnx", -3, "Set several strings, but only if none of the keys exists.")
        .since("1.0.1")
        .complexity("O(N), N the keys")
        .flags(&[WRITE, DENYOOM])
        .tips(&["request_policy:multi_shard", "response_policy:agg_min"])
        .keys(&[range(1, -1, 2, &[OW, INSERT])])
        .args(&[block("key_value", &[key("key", 0), string("value")]).multiple()]),
    row("psetex", 4, "Set a string that lives for some milliseconds.")
        .since("2.6.0")
        .flags(&[WRITE, DENYOOM])
        .keys(&[at(1, &[OW, UPDATE])])
        .args(&[key("key", 0), integer("milliseconds"), string("value")]),
    row("set", -3, "Set a string, whatever type the key held; options for conditions and time to live.")
        .flags(&[WRITE, DENYOOM])
        .keys(&[at(1, &[RW, ACCESS, UPDATE, VARIABLE_FLAGS]).notes("RW and ACCESS only with GET or IFEQ")])
        .keys_by_code(ByCode::Set)
        .args(&[
            key("key", 0),
            string("value"),
            one_of(
                "condition",
                &[token("NX"), token("XX"), string("comparison-value").after("IFEQ").since("8.1.0")],
            )
            .optional()
            .since("2.6.12"),
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
    row("setex", 4, "Set a string that lives for some seconds.")
        .since("2.0.0")
        .flags(&[WRITE, DENYOOM])
        .keys(&[at(1, &[OW, UPDATE])])
        .args(&[key("key", 0), integer("seconds"), string("value")]),
    row("setnx", 3, "Set a string only if the key does not exist.")
        .flags(&[WRITE, DENYOOM, FAST])
        .keys(&[at(1, &[OW, INSERT])])
        .args(&[key("key", 0), string("value")]),
    row("setrange", 4, "Overwrite part of a string, padding with zero bytes up to it.")
        .since("2.2.0")
        .complexity("O(N), N the bytes written")
        .flags(&[WRITE, DENYOOM])
        .keys(&[at(1, &[RW, UPDATE])])
        .args(&[key("key", 0), integer("offset"), string("value")]),
    row("strlen", 2, "Length of a string in bytes.")
        .since("2.2.0")
        .flags(&[READONLY, FAST])
        .keys(&[at(1, &[RO])])
        .args(&[key("key", 0)]),
    row("substr", 4, "Read part of a string (old name of GETRANGE).")
        .complexity("O(N), N the bytes returned")
        .flags(&[READONLY])
        .keys(&[at(1, &[RO, ACCESS])])
        .deprecated("2.0.0", "GETRANGE")
        .args(&[key("key", 0), integer("start"), integer("end")]),
];
