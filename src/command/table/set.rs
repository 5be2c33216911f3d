//! Sets.

use super::words::*;

const fn row(name: &'static str, arity: i16, summary: &'static str) -> Row {
    command(Group::Set, name, arity, summary).acl(&[Acl::SET])
}

pub(super) const COMMANDS: &[Row] = &[
    row("sadd", -3, "")
        .complexity("")
        .flags(&[WRITE, DENYOOM, FAST])
        .keys(&[at(1, &[RW, INSERT])])
        .args(&[key("key", 0), string("member").multiple()]),
    row("scard", 2, "").flags(&[READONLY, FAST]).keys(&[at(1, &[RO])]).args(&[key("key", 0)]),
    row("sdiff", -2, "")
        .complexity("")
        .flags(&[READONLY])
        .tips(&["nondeterministic_output_order"])
        .keys(&[range(1, -1, 1, &[RO, ACCESS])])
        .args(&[key("key", 0).multiple()]),
    row("sdiffstore", -3, "")
        .complexity("")
        .flags(&[WRITE, DENYOOM])
        .keys(&[at(1, &[OW, UPDATE]), range(2, -1, 1, &[RO, ACCESS])])
        .args(&[key("destination", 0), key("key", 1).multiple()]),
    row("sinter", -2, "")
        .complexity("")
        .flags(&[READONLY])
        .tips(&["nondeterministic_output_order"])
        .keys(&[range(1, -1, 1, &[RO, ACCESS])])
        .args(&[key("key", 0).multiple()]),
    row("sintercard", -3, "")
        .since("7.0.0")
        .complexity("")
        .flags(&[READONLY])
        .keys(&[counted(1, &[RO, ACCESS])])
        .args(&[integer("numkeys"), key("key", 0).multiple(), integer("limit").after("LIMIT").optional()]),
    row("sinterstore", -3, "")
        .complexity("")
        .flags(&[WRITE, DENYOOM])
        .keys(&[at(1, &[RW, UPDATE]), range(2, -1, 1, &[RO, ACCESS])])
        .args(&[key("destination", 0), key("key", 1).multiple()]),
    row("sismember", 3, "")
        .flags(&[READONLY, FAST])
        .keys(&[at(1, &[RO])])
        .args(&[key("key", 0), string("member")]),
    row("smembers", 2, "")
        .complexity("")
        .flags(&[READONLY])
        .tips(&["nondeterministic_output_order"])
        .keys(&[at(1, &[RO, ACCESS])])
        .args(&[key("key", 0)]),
    row("smismember", -3, "")
        .since("6.2.0")
        .complexity("")
        .flags(&[READONLY, FAST])
        .keys(&[at(1, &[RO, ACCESS])])
        .args(&[key("key", 0), string("member").multiple()]),
    row("smove", 4, "")
        .flags(&[WRITE, FAST])
        .keys(&[at(1, &[RW, ACCESS, DELETE]), at(2, &[RW, INSERT])])
        .args(&[key("source", 0), key("destination", 1), string("member")]),
    row("spop", -2, "")
        .complexity("")
        .flags(&[WRITE, FAST])
        .tips(&["nondeterministic_output"])
        .keys(&[at(1, &[RW, ACCESS, DELETE])])
        .args(&[key("key", 0), integer("count").optional().since("3.2.0")]),
    row("srandmember", -2, "")
        .complexity("")
        .flags(&[READONLY])
        .tips(&["nondeterministic_output"])
        .keys(&[at(1, &[RO, ACCESS])])
        .args(&[key("key", 0), integer("count").optional().since("2.6.0")]),
    row("srem", -3, "")
        .complexity("")
        .flags(&[WRITE, FAST])
        .keys(&[at(1, &[RW, DELETE])])
        .args(&[key("key", 0), string("member").multiple()]),
    row("sscan", -3, "")
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
    row("sunion", -2, "")
        .complexity("")
        .flags(&[READONLY])
        .tips(&["nondeterministic_output_order"])
        .keys(&[range(1, -1, 1, &[RO, ACCESS])])
        .args(&[key("key", 0).multiple()]),
    row("sunionstore", -3, "")
        .complexity("")
        .flags(&[WRITE, DENYOOM])
        .keys(&[at(1, &[OW, UPDATE]), range(2, -1, 1, &[RO, ACCESS])])
        .args(&[key("destination", 0), key("key", 1).multiple()]),
];
