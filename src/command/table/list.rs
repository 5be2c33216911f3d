//! Lists.

use super::words::*;

const fn row(name: &'static str, arity: i16, summary: &'static str) -> Row {
    command(Group::List, name, arity, summary).acl(&[Acl::LIST])
}

pub(super) const COMMANDS: &[Row] = &[
    row("blmove", 6, "")
        .since("6.2.0")
        .flags(&[WRITE, DENYOOM, NOSCRIPT, BLOCKING])
        .keys(&[at(1, &[RW, ACCESS, DELETE]), at(2, &[RW, INSERT])])
        .refused(route::BLOCKING)
        .args(&[
            key("source", 0),
            key("destination", 1),
            one_of("wherefrom", &[token("LEFT"), token("RIGHT")]),
            one_of("whereto", &[token("LEFT"), token("RIGHT")]),
            double("timeout"),
        ]),
    row("blmpop", -5, "")
        .since("7.0.0")
        .complexity("")
        .flags(&[WRITE, BLOCKING])
        .keys(&[counted(2, &[RW, ACCESS, DELETE])])
        .refused(route::BLOCKING)
        .args(&[
            double("timeout"),
            integer("numkeys"),
            key("key", 0).multiple(),
            one_of("where", &[token("LEFT"), token("RIGHT")]),
            integer("count").after("COUNT").optional(),
        ]),
    row("blpop", -3, "")
        .since("2.0.0")
        .complexity("")
        .flags(&[WRITE, NOSCRIPT, BLOCKING])
        .keys(&[range(1, -2, 1, &[RW, ACCESS, DELETE])])
        .refused(route::BLOCKING)
        .args(&[key("key", 0).multiple(), double("timeout")]),
    row("brpop", -3, "")
        .since("2.0.0")
        .complexity("")
        .flags(&[WRITE, NOSCRIPT, BLOCKING])
        .keys(&[range(1, -2, 1, &[RW, ACCESS, DELETE])])
        .refused(route::BLOCKING)
        .args(&[key("key", 0).multiple(), double("timeout")]),
    row("brpoplpush", 4, "")
        .since("2.2.0")
        .flags(&[WRITE, DENYOOM, NOSCRIPT, BLOCKING])
        .keys(&[at(1, &[RW, ACCESS, DELETE]), at(2, &[RW, INSERT])])
        .refused(route::BLOCKING)
        .deprecated("6.2.0", "BLMOVE with RIGHT LEFT")
        .args(&[key("source", 0), key("destination", 1), double("timeout")]),
    row("lindex", 3, "")
        .complexity("")
        .flags(&[READONLY])
        .keys(&[at(1, &[RO, ACCESS])])
        .args(&[key("key", 0), integer("index")]),
    row("linsert", 5, "")
        .since("2.2.0")
        .complexity("")
        .flags(&[WRITE, DENYOOM])
        .keys(&[at(1, &[RW, INSERT])])
        .args(&[
            key("key", 0),
            one_of("where", &[token("BEFORE"), token("AFTER")]),
            string("pivot"),
            string("element"),
        ]),
    row("llen", 2, "").flags(&[READONLY, FAST]).keys(&[at(1, &[RO])]).args(&[key("key", 0)]),
    row("lmove", 5, "")
        .since("6.2.0")
        .flags(&[WRITE, DENYOOM])
        .keys(&[at(1, &[RW, ACCESS, DELETE]), at(2, &[RW, INSERT])])
        .args(&[
            key("source", 0),
            key("destination", 1),
            one_of("wherefrom", &[token("LEFT"), token("RIGHT")]),
            one_of("whereto", &[token("LEFT"), token("RIGHT")]),
        ]),
    row("lmpop", -4, "")
        .since("7.0.0")
        .complexity("")
        .flags(&[WRITE])
        .keys(&[counted(1, &[RW, ACCESS, DELETE])])
        .args(&[
            integer("numkeys"),
            key("key", 0).multiple(),
            one_of("where", &[token("LEFT"), token("RIGHT")]),
            integer("count").after("COUNT").optional(),
        ]),
    row("lpop", -2, "")
        .complexity("")
        .flags(&[WRITE, FAST])
        .keys(&[at(1, &[RW, ACCESS, DELETE])])
        .args(&[key("key", 0), integer("count").optional().since("6.2.0")]),
    row("lpos", -3, "").since("6.0.6").complexity("").flags(&[READONLY]).keys(&[at(1, &[RO, ACCESS])]).args(
        &[
            key("key", 0),
            string("element"),
            integer("rank").after("RANK").optional(),
            integer("num-matches").after("COUNT").optional(),
            integer("len").after("MAXLEN").optional(),
        ],
    ),
    row("lpush", -3, "")
        .complexity("")
        .flags(&[WRITE, DENYOOM, FAST])
        .keys(&[at(1, &[RW, INSERT])])
        .args(&[key("key", 0), string("element").multiple()]),
    row("lpushx", -3, "")
        .since("2.2.0")
        .complexity("")
        .flags(&[WRITE, DENYOOM, FAST])
        .keys(&[at(1, &[RW, INSERT])])
        .args(&[key("key", 0), string("element").multiple()]),
    row("lrange", 4, "").complexity("").flags(&[READONLY]).keys(&[at(1, &[RO, ACCESS])]).args(&[
        key("key", 0),
        integer("start"),
        integer("stop"),
    ]),
    row("lrem", 4, "").complexity("").flags(&[WRITE]).keys(&[at(1, &[RW, DELETE])]).args(&[
        key("key", 0),
        integer("count"),
        string("element"),
    ]),
    row("lset", 4, "").complexity("").flags(&[WRITE, DENYOOM]).keys(&[at(1, &[RW, UPDATE])]).args(&[
        key("key", 0),
        integer("index"),
        string("element"),
    ]),
    row("ltrim", 4, "").complexity("").flags(&[WRITE]).keys(&[at(1, &[RW, DELETE])]).args(&[
        key("key", 0),
        integer("start"),
        integer("stop"),
    ]),
    row("rpop", -2, "")
        .complexity("")
        .flags(&[WRITE, FAST])
        .keys(&[at(1, &[RW, ACCESS, DELETE])])
        .args(&[key("key", 0), integer("count").optional().since("6.2.0")]),
    row("rpoplpush", 3, "")
        .since("1.2.0")
        .flags(&[WRITE, DENYOOM])
        .keys(&[at(1, &[RW, ACCESS, DELETE]), at(2, &[RW, INSERT])])
        .deprecated("6.2.0", "LMOVE with RIGHT LEFT")
        .args(&[key("source", 0), key("destination", 1)]),
    row("rpush", -3, "")
        .complexity("")
        .flags(&[WRITE, DENYOOM, FAST])
        .keys(&[at(1, &[RW, INSERT])])
        .args(&[key("key", 0), string("element").multiple()]),
    row("rpushx", -3, "")
        .since("2.2.0")
        .complexity("")
        .flags(&[WRITE, DENYOOM, FAST])
        .keys(&[at(1, &[RW, INSERT])])
        .args(&[key("key", 0), string("element").multiple()]),
];
