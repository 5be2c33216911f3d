//! Sorted sets.

use super::words::*;

const fn row(name: &'static str, arity: i16, summary: &'static str) -> Row {
    command(Group::SortedSet, name, arity, summary).acl(&[Acl::SORTEDSET])
}

pub(super) const COMMANDS: &[Row] = &[
    row("bzmpop", -5, "")
        .since("7.0.0")
        .complexity("")
        .flags(&[WRITE, BLOCKING])
        .keys(&[counted(2, &[RW, ACCESS, DELETE])])
        .refused(route::BLOCKING)
        .args(&[
            double("timeout"),
            integer("numkeys"),
            key("key", 0).multiple(),
            one_of("where", &[token("MIN"), token("MAX")]),
            integer("count").after("COUNT").optional(),
        ]),
    row("bzpopmax", -3, "")
        .since("5.0.0")
        .complexity("")
        .flags(&[WRITE, NOSCRIPT, BLOCKING, FAST])
        .keys(&[range(1, -2, 1, &[RW, ACCESS, DELETE])])
        .refused(route::BLOCKING)
        .args(&[key("key", 0).multiple(), double("timeout")]),
    row("bzpopmin", -3, "")
        .since("5.0.0")
        .complexity("")
        .flags(&[WRITE, NOSCRIPT, BLOCKING, FAST])
        .keys(&[range(1, -2, 1, &[RW, ACCESS, DELETE])])
        .refused(route::BLOCKING)
        .args(&[key("key", 0).multiple(), double("timeout")]),
    row("zadd", -4, "")
        .since("1.2.0")
        .complexity("")
        .flags(&[WRITE, DENYOOM, FAST])
        .keys(&[at(1, &[RW, UPDATE])])
        .args(&[
            key("key", 0),
            one_of("condition", &[token("NX"), token("XX")]).optional().since("3.0.2"),
            one_of("comparison", &[token("GT"), token("LT")]).optional().since("6.2.0"),
            token("CH").named("change").optional().since("3.0.2"),
            token("INCR").named("increment").optional().since("3.0.2"),
            block("score_member", &[double("score"), string("member")]).multiple(),
        ]),
    row("zcard", 2, "").since("1.2.0").flags(&[READONLY, FAST]).keys(&[at(1, &[RO])]).args(&[key("key", 0)]),
    row("zcount", 4, "")
        .since("2.0.0")
        .complexity("")
        .flags(&[READONLY, FAST])
        .keys(&[at(1, &[RO, ACCESS])])
        .args(&[key("key", 0), double("min"), double("max")]),
    row("zdiff", -3, "")
        .since("6.2.0")
        .complexity("")
        .flags(&[READONLY])
        .keys(&[counted(1, &[RO, ACCESS])])
        .args(&[integer("numkeys"), key("key", 0).multiple(), token("WITHSCORES").optional()]),
    row("zdiffstore", -4, "")
        .since("6.2.0")
        .complexity("")
        .flags(&[WRITE, DENYOOM])
        .keys(&[at(1, &[OW, UPDATE]), counted(2, &[RO, ACCESS])])
        .args(&[key("destination", 0), integer("numkeys"), key("key", 1).multiple()]),
    row("zincrby", 4, "")
        .since("1.2.0")
        .complexity("")
        .flags(&[WRITE, DENYOOM, FAST])
        .keys(&[at(1, &[RW, ACCESS, UPDATE])])
        .args(&[key("key", 0), integer("increment"), string("member")]),
    row("zinter", -3, "")
        .since("6.2.0")
        .complexity("")
        .flags(&[READONLY])
        .keys(&[counted(1, &[RO, ACCESS])])
        .args(&[
            integer("numkeys"),
            key("key", 0).multiple(),
            integer("weight").after("WEIGHTS").optional().multiple(),
            one_of("aggregate", &[token("SUM"), token("MIN"), token("MAX")]).after("AGGREGATE").optional(),
            token("WITHSCORES").optional(),
        ]),
    row("zintercard", -3, "")
        .since("7.0.0")
        .complexity("")
        .flags(&[READONLY])
        .keys(&[counted(1, &[RO, ACCESS])])
        .args(&[integer("numkeys"), key("key", 0).multiple(), integer("limit").after("LIMIT").optional()]),
    row("zinterstore", -4, "")
        .since("2.0.0")
        .complexity("")
        .flags(&[WRITE, DENYOOM])
        .keys(&[at(1, &[OW, UPDATE]), counted(2, &[RO, ACCESS])])
        .args(&[
            key("destination", 0),
            integer("numkeys"),
            key("key", 1).multiple(),
            integer("weight").after("WEIGHTS").optional().multiple(),
            one_of("aggregate", &[token("SUM"), token("MIN"), token("MAX")]).after("AGGREGATE").optional(),
        ]),
    row("zlexcount", 4, "")
        .since("2.8.9")
        .complexity("")
        .flags(&[READONLY, FAST])
        .keys(&[at(1, &[RO, ACCESS])])
        .args(&[key("key", 0), string("min"), string("max")]),
    row("zmpop", -4, "")
        .since("7.0.0")
        .complexity("")
        .flags(&[WRITE])
        .keys(&[counted(1, &[RW, ACCESS, DELETE])])
        .args(&[
            integer("numkeys"),
            key("key", 0).multiple(),
            one_of("where", &[token("MIN"), token("MAX")]),
            integer("count").after("COUNT").optional(),
        ]),
    row("zmscore", -3, "")
        .since("6.2.0")
        .complexity("")
        .flags(&[READONLY, FAST])
        .keys(&[at(1, &[RO, ACCESS])])
        .args(&[key("key", 0), string("member").multiple()]),
    row("zpopmax", -2, "")
        .since("5.0.0")
        .complexity("")
        .flags(&[WRITE, FAST])
        .keys(&[at(1, &[RW, ACCESS, DELETE])])
        .args(&[key("key", 0), integer("count").optional()]),
    row("zpopmin", -2, "")
        .since("5.0.0")
        .complexity("")
        .flags(&[WRITE, FAST])
        .keys(&[at(1, &[RW, ACCESS, DELETE])])
        .args(&[key("key", 0), integer("count").optional()]),
    row("zrandmember", -2, "")
        .since("6.2.0")
        .complexity("")
        .flags(&[READONLY])
        .tips(&["nondeterministic_output"])
        .keys(&[at(1, &[RO, ACCESS])])
        .args(&[
            key("key", 0),
            block("options", &[integer("count"), token("WITHSCORES").optional()]).optional(),
        ]),
    row("zrange", -4, "")
        .since("1.2.0")
        .complexity("")
        .flags(&[READONLY])
        .keys(&[at(1, &[RO, ACCESS])])
        .args(&[
            key("key", 0),
            string("start"),
            string("stop"),
            one_of("sortby", &[token("BYSCORE"), token("BYLEX")]).optional().since("6.2.0"),
            token("REV").optional().since("6.2.0"),
            block("offset_count", &[integer("offset"), integer("count")])
                .after("LIMIT")
                .optional()
                .since("6.2.0"),
            token("WITHSCORES").optional(),
        ]),
    row("zrangebylex", -4, "")
        .since("2.8.9")
        .complexity("")
        .flags(&[READONLY])
        .keys(&[at(1, &[RO, ACCESS])])
        .deprecated("6.2.0", "ZRANGE with BYLEX")
        .args(&[
            key("key", 0),
            string("min"),
            string("max"),
            block("offset_count", &[integer("offset"), integer("count")]).after("LIMIT").optional(),
        ]),
    row("zrangebyscore", -4, "")
        .since("1.0.5")
        .complexity("")
        .flags(&[READONLY])
        .keys(&[at(1, &[RO, ACCESS])])
        .deprecated("6.2.0", "ZRANGE with BYSCORE")
        .args(&[
            key("key", 0),
            double("min"),
            double("max"),
            token("WITHSCORES").optional().since("2.0.0"),
            block("offset_count", &[integer("offset"), integer("count")]).after("LIMIT").optional(),
        ]),
    row("zrangestore", -5, "")
        .since("6.2.0")
        .complexity("")
        .flags(&[WRITE, DENYOOM])
        .keys(&[at(1, &[OW, UPDATE]), at(2, &[RO, ACCESS])])
        .args(&[
            key("dst", 0),
            key("src", 1),
            string("min"),
            string("max"),
            one_of("sortby", &[token("BYSCORE"), token("BYLEX")]).optional(),
            token("REV").optional(),
            block("offset_count", &[integer("offset"), integer("count")]).after("LIMIT").optional(),
        ]),
    row("zrank", 3, "")
        .since("2.0.0")
        .complexity("")
        .flags(&[READONLY, FAST])
        .keys(&[at(1, &[RO, ACCESS])])
        .args(&[key("key", 0), string("member")]),
    row("zrem", -3, "")
        .since("1.2.0")
        .complexity("")
        .flags(&[WRITE, FAST])
        .keys(&[at(1, &[RW, DELETE])])
        .args(&[key("key", 0), string("member").multiple()]),
    row("zremrangebylex", 4, "")
        .since("2.8.9")
        .complexity("")
        .flags(&[WRITE])
        .keys(&[at(1, &[RW, DELETE])])
        .args(&[key("key", 0), string("min"), string("max")]),
    row("zremrangebyrank", 4, "")
        .since("2.0.0")
        .complexity("")
        .flags(&[WRITE])
        .keys(&[at(1, &[RW, DELETE])])
        .args(&[key("key", 0), integer("start"), integer("stop")]),
    row("zremrangebyscore", 4, "")
        .since("1.2.0")
        .complexity("")
        .flags(&[WRITE])
        .keys(&[at(1, &[RW, DELETE])])
        .args(&[key("key", 0), double("min"), double("max")]),
    row("zrevrange", -4, "")
        .since("1.2.0")
        .complexity("")
        .flags(&[READONLY])
        .keys(&[at(1, &[RO, ACCESS])])
        .deprecated("6.2.0", "ZRANGE with REV")
        .args(&[key("key", 0), integer("start"), integer("stop"), token("WITHSCORES").optional()]),
    row("zrevrangebylex", -4, "")
        .since("2.8.9")
        .complexity("")
        .flags(&[READONLY])
        .keys(&[at(1, &[RO, ACCESS])])
        .deprecated("6.2.0", "ZRANGE with REV BYLEX")
        .args(&[
            key("key", 0),
            string("max"),
            string("min"),
            block("offset_count", &[integer("offset"), integer("count")]).after("LIMIT").optional(),
        ]),
    row("zrevrangebyscore", -4, "")
        .since("2.2.0")
        .complexity("")
        .flags(&[READONLY])
        .keys(&[at(1, &[RO, ACCESS])])
        .deprecated("6.2.0", "ZRANGE with REV BYSCORE")
        .args(&[
            key("key", 0),
            double("max"),
            double("min"),
            token("WITHSCORES").optional(),
            block("offset_count", &[integer("offset"), integer("count")]).after("LIMIT").optional(),
        ]),
    row("zrevrank", 3, "")
        .since("2.0.0")
        .complexity("")
        .flags(&[READONLY, FAST])
        .keys(&[at(1, &[RO, ACCESS])])
        .args(&[key("key", 0), string("member")]),
    row("zscan", -3, "")
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
    row("zscore", 3, "")
        .since("1.2.0")
        .flags(&[READONLY, FAST])
        .keys(&[at(1, &[RO, ACCESS])])
        .args(&[key("key", 0), string("member")]),
    row("zunion", -3, "")
        .since("6.2.0")
        .complexity("")
        .flags(&[READONLY])
        .keys(&[counted(1, &[RO, ACCESS])])
        .args(&[
            integer("numkeys"),
            key("key", 0).multiple(),
            integer("weight").after("WEIGHTS").optional().multiple(),
            one_of("aggregate", &[token("SUM"), token("MIN"), token("MAX")]).after("AGGREGATE").optional(),
            token("WITHSCORES").optional(),
        ]),
    row("zunionstore", -4, "")
        .since("2.0.0")
        .complexity("")
        .flags(&[WRITE, DENYOOM])
        .keys(&[at(1, &[OW, UPDATE]), counted(2, &[RO, ACCESS])])
        .args(&[
            key("destination", 0),
            integer("numkeys"),
            key("key", 1).multiple(),
            integer("weight").after("WEIGHTS").optional().multiple(),
            one_of("aggregate", &[token("SUM"), token("MIN"), token("MAX")]).after("AGGREGATE").optional(),
        ]),
];
