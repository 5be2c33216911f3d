//! Sorted sets.

use super::words::*;

const fn row(name: &'static str, arity: i16, summary: &'static str) -> Row {
    command(Group::SortedSet, name, arity, summary).acl(&[Acl::SORTEDSET])
}

pub(super) const COMMANDS: &[Row] = &[
    row("bzmpop", -5, "Take members from the first sorted set that has some, waiting if none has.")
        .since("7.0.0")
        .complexity("O(K+M*log(N)), K the keys, N the size of the set, M the members popped")
        .flags(&[WRITE, BLOCKING])
        .keys(&[counted(2, &[RW, ACCESS, DELETE])])
        .route(Route::Taken(Take::Members))
        .args(&[
            double("timeout"),
            integer("numkeys"),
            key("key", 0).multiple(),
            one_of("where", &[token("MIN"), token("MAX")]),
            integer("count").after("COUNT").optional(),
        ]),
    row("bzpopmax", -3, "Take the highest member of the first sorted set that has one, waiting if none has.")
        .since("5.0.0")
        .complexity("O(log(N)), N the size of the set")
        .flags(&[WRITE, NOSCRIPT, BLOCKING, FAST])
        .keys(&[range(1, -2, 1, &[RW, ACCESS, DELETE])])
        .route(Route::Taken(Take::Members))
        .args(&[key("key", 0).multiple(), double("timeout")]),
    row("bzpopmin", -3, "Take the lowest member of the first sorted set that has one, waiting if none has.")
        .since("5.0.0")
        .complexity("O(log(N)), N the size of the set")
        .flags(&[WRITE, NOSCRIPT, BLOCKING, FAST])
        .keys(&[range(1, -2, 1, &[RW, ACCESS, DELETE])])
        .route(Route::Taken(Take::Members))
        .args(&[key("key", 0).multiple(), double("timeout")]),
    row("zadd", -4, "Add members to a sorted set, or change their scores.")
        .since("1.2.0")
        .complexity("O(log(N)) per element, N the size of the set")
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
    row("zcard", 2, "Number of members of a sorted set.")
        .since("1.2.0")
        .flags(&[READONLY, FAST])
        .keys(&[at(1, &[RO])])
        .args(&[key("key", 0)]),
    row("zcount", 4, "Number of members with scores in a range.")
        .since("2.0.0")
        .complexity("O(log(N)), N the size of the set")
        .flags(&[READONLY, FAST])
        .keys(&[at(1, &[RO, ACCESS])])
        .args(&[key("key", 0), double("min"), double("max")]),
    row("zdiff", -3, "Members of the first sorted set that are in none of the others.")
        .takes_long()
        .since("6.2.0")
        .complexity("O(L+(N-K)*log(N)), L all members, N the first set, K the result")
        .flags(&[READONLY])
        .keys(&[counted(1, &[RO, ACCESS])])
        .route(Route::Combined(Combine::SortedSets(Algebra::Difference)))
        .args(&[integer("numkeys"), key("key", 0).multiple(), token("WITHSCORES").optional()]),
    row("zdiffstore", -4, "Store the members of the first sorted set that are in none of the others.")
        .takes_long()
        .since("6.2.0")
        .complexity("O(L+(N-K)*log(N)), L all members, N the first set, K the result")
        .flags(&[WRITE, DENYOOM])
        .keys(&[at(1, &[OW, UPDATE]), counted(2, &[RO, ACCESS])])
        .args(&[key("destination", 0), integer("numkeys"), key("key", 1).multiple()]),
    row("zincrby", 4, "Add to the score of a member.")
        .since("1.2.0")
        .complexity("O(log(N)), N the size of the set")
        .flags(&[WRITE, DENYOOM, FAST])
        .keys(&[at(1, &[RW, ACCESS, UPDATE])])
        .args(&[key("key", 0), integer("increment"), string("member")]),
    row("zinter", -3, "Members that are in all of the sorted sets, scores combined.")
        .takes_long()
        .since("6.2.0")
        .complexity("O(N*K+M*log(M)), N the smallest set, K the sets, M the result")
        .flags(&[READONLY])
        .keys(&[counted(1, &[RO, ACCESS])])
        .route(Route::Combined(Combine::SortedSets(Algebra::Intersection)))
        .args(&[
            integer("numkeys"),
            key("key", 0).multiple(),
            integer("weight").after("WEIGHTS").optional().multiple(),
            one_of("aggregate", &[token("SUM"), token("MIN"), token("MAX")]).after("AGGREGATE").optional(),
            token("WITHSCORES").optional(),
        ]),
    row("zintercard", -3, "Number of members that are in all of the sorted sets.")
        .takes_long()
        .since("7.0.0")
        .complexity("O(N*K), N the smallest set, K the sets")
        .flags(&[READONLY])
        .keys(&[counted(1, &[RO, ACCESS])])
        .route(Route::Combined(Combine::SortedSetsSize))
        .args(&[integer("numkeys"), key("key", 0).multiple(), integer("limit").after("LIMIT").optional()]),
    row("zinterstore", -4, "Store the members that are in all of the sorted sets, scores combined.")
        .takes_long()
        .since("2.0.0")
        .complexity("O(N*K+M*log(M)), N the smallest set, K the sets, M the result")
        .flags(&[WRITE, DENYOOM])
        .keys(&[at(1, &[OW, UPDATE]), counted(2, &[RO, ACCESS])])
        .args(&[
            key("destination", 0),
            integer("numkeys"),
            key("key", 1).multiple(),
            integer("weight").after("WEIGHTS").optional().multiple(),
            one_of("aggregate", &[token("SUM"), token("MIN"), token("MAX")]).after("AGGREGATE").optional(),
        ]),
    row("zlexcount", 4, "Number of members in a lexicographical range.")
        .since("2.8.9")
        .complexity("O(log(N)), N the size of the set")
        .flags(&[READONLY, FAST])
        .keys(&[at(1, &[RO, ACCESS])])
        .args(&[key("key", 0), string("min"), string("max")]),
    row("zmpop", -4, "Take the lowest or highest members of the first sorted set that has some.")
        .since("7.0.0")
        .complexity("O(K+M*log(N)), K the keys, N the size of the set, M the members popped")
        .flags(&[WRITE])
        .keys(&[counted(1, &[RW, ACCESS, DELETE])])
        .route(Route::Taken(Take::Members))
        .args(&[
            integer("numkeys"),
            key("key", 0).multiple(),
            one_of("where", &[token("MIN"), token("MAX")]),
            integer("count").after("COUNT").optional(),
        ]),
    row("zmscore", -3, "Scores of several members.")
        .since("6.2.0")
        .complexity("O(N), N the members asked for")
        .flags(&[READONLY, FAST])
        .keys(&[at(1, &[RO, ACCESS])])
        .args(&[key("key", 0), string("member").multiple()]),
    row("zpopmax", -2, "Remove the highest members and answer with them.")
        .since("5.0.0")
        .complexity("O(M*log(N)), N the size of the set, M the members popped")
        .flags(&[WRITE, FAST])
        .keys(&[at(1, &[RW, ACCESS, DELETE])])
        .args(&[key("key", 0), integer("count").optional()]),
    row("zpopmin", -2, "Remove the lowest members and answer with them.")
        .since("5.0.0")
        .complexity("O(M*log(N)), N the size of the set, M the members popped")
        .flags(&[WRITE, FAST])
        .keys(&[at(1, &[RW, ACCESS, DELETE])])
        .args(&[key("key", 0), integer("count").optional()]),
    row("zrandmember", -2, "Random members of a sorted set.")
        .since("6.2.0")
        .complexity("O(N), N the elements returned")
        .flags(&[READONLY])
        .tips(&["nondeterministic_output"])
        .keys(&[at(1, &[RO, ACCESS])])
        .args(&[
            key("key", 0),
            block("options", &[integer("count"), token("WITHSCORES").optional()]).optional(),
        ]),
    row("zrange", -4, "Members in a range of ranks, scores or names.")
        .since("1.2.0")
        .complexity("O(log(N)+M), N the size of the set, M the members returned")
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
    row("zrangebylex", -4, "Members in a lexicographical range.")
        .since("2.8.9")
        .complexity("O(log(N)+M), N the size of the set, M the members returned")
        .flags(&[READONLY])
        .keys(&[at(1, &[RO, ACCESS])])
        .deprecated("6.2.0", "ZRANGE with BYLEX")
        .args(&[
            key("key", 0),
            string("min"),
            string("max"),
            block("offset_count", &[integer("offset"), integer("count")]).after("LIMIT").optional(),
        ]),
    row("zrangebyscore", -4, "Members with scores in a range.")
        .since("1.0.5")
        .complexity("O(log(N)+M), N the size of the set, M the members returned")
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
    row("zrangestore", -5, "Store the members in a range of another sorted set.")
        .takes_long()
        .since("6.2.0")
        .complexity("O(log(N)+M), N the size of the set, M the members stored")
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
    row("zrank", 3, "Rank of a member, counted from the lowest score.")
        .since("2.0.0")
        .complexity("O(log(N)), N the size of the set")
        .flags(&[READONLY, FAST])
        .keys(&[at(1, &[RO, ACCESS])])
        .args(&[key("key", 0), string("member")]),
    row("zrem", -3, "Remove members from a sorted set.")
        .since("1.2.0")
        .complexity("O(M*log(N)), M the members removed, N the size of the set")
        .flags(&[WRITE, FAST])
        .keys(&[at(1, &[RW, DELETE])])
        .args(&[key("key", 0), string("member").multiple()]),
    row("zremrangebylex", 4, "Remove the members in a lexicographical range.")
        .since("2.8.9")
        .complexity("O(log(N)+M), N the size of the set, M the members removed")
        .flags(&[WRITE])
        .keys(&[at(1, &[RW, DELETE])])
        .args(&[key("key", 0), string("min"), string("max")]),
    row("zremrangebyrank", 4, "Remove the members in a range of ranks.")
        .since("2.0.0")
        .complexity("O(log(N)+M), N the size of the set, M the members removed")
        .flags(&[WRITE])
        .keys(&[at(1, &[RW, DELETE])])
        .args(&[key("key", 0), integer("start"), integer("stop")]),
    row("zremrangebyscore", 4, "Remove the members with scores in a range.")
        .since("1.2.0")
        .complexity("O(log(N)+M), N the size of the set, M the members removed")
        .flags(&[WRITE])
        .keys(&[at(1, &[RW, DELETE])])
        .args(&[key("key", 0), double("min"), double("max")]),
    row("zrevrange", -4, "Members in a range of ranks, highest score first.")
        .since("1.2.0")
        .complexity("O(log(N)+M), N the size of the set, M the members returned")
        .flags(&[READONLY])
        .keys(&[at(1, &[RO, ACCESS])])
        .deprecated("6.2.0", "ZRANGE with REV")
        .args(&[key("key", 0), integer("start"), integer("stop"), token("WITHSCORES").optional()]),
    row("zrevrangebylex", -4, "Members in a lexicographical range, last first.")
        .since("2.8.9")
        .complexity("O(log(N)+M), N the size of the set, M the members returned")
        .flags(&[READONLY])
        .keys(&[at(1, &[RO, ACCESS])])
        .deprecated("6.2.0", "ZRANGE with REV BYLEX")
        .args(&[
            key("key", 0),
            string("max"),
            string("min"),
            block("offset_count", &[integer("offset"), integer("count")]).after("LIMIT").optional(),
        ]),
    row("zrevrangebyscore", -4, "Members with scores in a range, highest first.")
        .since("2.2.0")
        .complexity("O(log(N)+M), N the size of the set, M the members returned")
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
    row("zrevrank", 3, "Rank of a member, counted from the highest score.")
        .since("2.0.0")
        .complexity("O(log(N)), N the size of the set")
        .flags(&[READONLY, FAST])
        .keys(&[at(1, &[RO, ACCESS])])
        .args(&[key("key", 0), string("member")]),
    row("zscan", -3, "Go through members and scores of a sorted set, some at a time.")
        .since("2.8.0")
        .complexity("O(1) per call, O(N) for all N elements")
        .flags(&[READONLY])
        .tips(&["nondeterministic_output"])
        .keys(&[at(1, &[RO, ACCESS])])
        .args(&[
            key("key", 0),
            integer("cursor"),
            pattern("pattern").after("MATCH").optional(),
            integer("count").after("COUNT").optional(),
        ]),
    row("zscore", 3, "Score of a member.")
        .since("1.2.0")
        .flags(&[READONLY, FAST])
        .keys(&[at(1, &[RO, ACCESS])])
        .args(&[key("key", 0), string("member")]),
    row("zunion", -3, "Members that are in any of the sorted sets, scores combined.")
        .takes_long()
        .since("6.2.0")
        .complexity("O(N+M*log(M)), N all members, M the result")
        .flags(&[READONLY])
        .keys(&[counted(1, &[RO, ACCESS])])
        .route(Route::Combined(Combine::SortedSets(Algebra::Union)))
        .args(&[
            integer("numkeys"),
            key("key", 0).multiple(),
            integer("weight").after("WEIGHTS").optional().multiple(),
            one_of("aggregate", &[token("SUM"), token("MIN"), token("MAX")]).after("AGGREGATE").optional(),
            token("WITHSCORES").optional(),
        ]),
    row("zunionstore", -4, "Store the members that are in any of the sorted sets, scores combined.")
        .takes_long()
        .since("2.0.0")
        .complexity("O(N+M*log(M)), N all members, M the result")
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
