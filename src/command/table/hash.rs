//! Hashes.

use super::words::*;

const fn row(name: &'static str, arity: i16, summary: &'static str) -> Row {
    command(Group::Hash, name, arity, summary).acl(&[Acl::HASH])
}

pub(super) const COMMANDS: &[Row] = &[
    row("hdel", -3, "")
        .since("2.0.0")
        .complexity("")
        .flags(&[WRITE, FAST])
        .keys(&[at(1, &[RW, DELETE])])
        .args(&[key("key", 0), string("field").multiple()]),
    row("hexists", 3, "")
        .since("2.0.0")
        .flags(&[READONLY, FAST])
        .keys(&[at(1, &[RO])])
        .args(&[key("key", 0), string("field")]),
    row("hget", 3, "")
        .since("2.0.0")
        .flags(&[READONLY, FAST])
        .keys(&[at(1, &[RO, ACCESS])])
        .args(&[key("key", 0), string("field")]),
    row("hgetall", 2, "")
        .since("2.0.0")
        .complexity("")
        .flags(&[READONLY])
        .tips(&["nondeterministic_output_order"])
        .keys(&[at(1, &[RO, ACCESS])])
        .args(&[key("key", 0)]),
    row("hincrby", 4, "")
        .since("2.0.0")
        .flags(&[WRITE, DENYOOM, FAST])
        .keys(&[at(1, &[RW, ACCESS, UPDATE])])
        .args(&[key("key", 0), string("field"), integer("increment")]),
    row("hincrbyfloat", 4, "")
        .since("2.6.0")
        .flags(&[WRITE, DENYOOM, FAST])
        .keys(&[at(1, &[RW, ACCESS, UPDATE])])
        .args(&[key("key", 0), string("field"), double("increment")]),
    row("hkeys", 2, "")
        .since("2.0.0")
        .complexity("")
        .flags(&[READONLY])
        .tips(&["nondeterministic_output_order"])
        .keys(&[at(1, &[RO, ACCESS])])
        .args(&[key("key", 0)]),
    row("hlen", 2, "").since("2.0.0").flags(&[READONLY, FAST]).keys(&[at(1, &[RO])]).args(&[key("key", 0)]),
    row("hmget", -3, "")
        .since("2.0.0")
        .complexity("")
        .flags(&[READONLY, FAST])
        .keys(&[at(1, &[RO, ACCESS])])
        .args(&[key("key", 0), string("field").multiple()]),
    row("hmset", -4, "")
        .since("2.0.0")
        .complexity("")
        .flags(&[WRITE, DENYOOM, FAST])
        .keys(&[at(1, &[RW, UPDATE])])
        .deprecated("4.0.0", "HSET with several fields")
        .args(&[key("key", 0), block("field_value", &[string("field"), string("value")]).multiple()]),
    row("hrandfield", -2, "")
        .since("6.2.0")
        .complexity("")
        .flags(&[READONLY])
        .tips(&["nondeterministic_output"])
        .keys(&[at(1, &[RO, ACCESS])])
        .args(&[
            key("key", 0),
            block("options", &[integer("count"), token("WITHVALUES").optional()]).optional(),
        ]),
    row("hscan", -3, "")
        .since("2.8.0")
        .complexity("")
        .flags(&[READONLY])
        .tips(&["nondeterministic_output"])
        .keys(&[at(1, &[RO, ACCESS])])
        .args(&[
            key("key", 0),
            integer("cursor"),
            pattern("pattern").after("MATCH").optional(),
            integer("count").after("COUNT").optional(),
        ]),
    row("hset", -4, "")
        .since("2.0.0")
        .complexity("")
        .flags(&[WRITE, DENYOOM, FAST])
        .keys(&[at(1, &[RW, UPDATE])])
        .args(&[key("key", 0), block("field_value", &[string("field"), string("value")]).multiple()]),
    row("hsetnx", 4, "").since("2.0.0").flags(&[WRITE, DENYOOM, FAST]).keys(&[at(1, &[RW, INSERT])]).args(&[
        key("key", 0),
        string("field"),
        string("value"),
    ]),
    row("hstrlen", 3, "")
        .since("3.2.0")
        .flags(&[READONLY, FAST])
        .keys(&[at(1, &[RO])])
        .args(&[key("key", 0), string("field")]),
    row("hvals", 2, "")
        .since("2.0.0")
        .complexity("")
        .flags(&[READONLY])
        .tips(&["nondeterministic_output_order"])
        .keys(&[at(1, &[RO, ACCESS])])
        .args(&[key("key", 0)]),
];
