//! Sets.

use super::words::*;

const fn row(name: &'static str, arity: i16, summary: &'static str) -> Row {
    command(Group::Set, name, arity, summary).acl(&[Acl::SET])
}

pub(super) const COMMANDS: &[Row] = &[
    row("sadd", -3, "Add members to a set.")
        .complexity("O(N), N the new elements")
        .flags(&[WRITE, DENYOOM, FAST])
        .keys(&[at(1, &[RW, INSERT])])
        .args(&[key("key", 0), string("member").multiple()]),
    row("scard", 2, "Number of members of a set.")
        .flags(&[READONLY, FAST])
        .keys(&[at(1, &[RO])])
        .args(&[key("key", 0)]),
    row("sdiff", -2, "Members of the first set that are in none of the others.")
        .takes_long()
        .complexity("O(N), N the members of all sets")
        .flags(&[READONLY])
        .tips(&["nondeterministic_output_order"])
        .keys(&[range(1, -1, 1, &[RO, ACCESS])])
        .route(Route::Combined(Combine::Sets(Algebra::Difference)))
        .args(&[key("key", 0).multiple()]),
    row("sdiffstore", -3, "Store the members of the first set that are in none of the others.")
        .takes_long()
        .complexity("O(N), N the members of all sets")
        .flags(&[WRITE, DENYOOM])
        .keys(&[at(1, &[OW, UPDATE]), range(2, -1, 1, &[RO, ACCESS])])
        .args(&[key("destination", 0), key("key", 1).multiple()]),
    row("sinter", -2, "Members that are in all of the sets.")
        .takes_long()
        .complexity("O(N*M), N the smallest set, M the sets")
        .flags(&[READONLY])
        .tips(&["nondeterministic_output_order"])
        .keys(&[range(1, -1, 1, &[RO, ACCESS])])
        .route(Route::Combined(Combine::Sets(Algebra::Intersection)))
        .args(&[key("key", 0).multiple()]),
    row("sintercard", -3, "Number of members that are in all of the sets.")
        .takes_long()
        .since("7.0.0")
        .complexity("O(N*M), N the smallest set, M the sets")
        .flags(&[READONLY])
        .keys(&[counted(1, &[RO, ACCESS])])
        .route(Route::Combined(Combine::SetsSize))
        .args(&[integer("numkeys"), key("key", 0).multiple(), integer("limit").after("LIMIT").optional()]),
    row("sinterstore", -3, "Store the members that are in all of the sets.")
        .takes_long()
        .complexity("O(N*M), N the smallest set, M the sets")
        .flags(&[WRITE, DENYOOM])
        .keys(&[at(1, &[RW, UPDATE]), range(2, -1, 1, &[RO, ACCESS])])
        .args(&[key("destination", 0), key("key", 1).multiple()]),
    row("sismember", 3, "Whether a set has a member.")
        .flags(&[READONLY, FAST])
        .keys(&[at(1, &[RO])])
        .args(&[key("key", 0), string("member")]),
    row("smembers", 2, "All members of a set.")
        .complexity("O(N), N the members")
        .flags(&[READONLY])
        .tips(&["nondeterministic_output_order"])
        .keys(&[at(1, &[RO, ACCESS])])
        .args(&[key("key", 0)]),
    row("smismember", -3, "For each of several members, whether a set has it.")
        .since("6.2.0")
        .complexity("O(N), N the members asked for")
        .flags(&[READONLY, FAST])
        .keys(&[at(1, &[RO, ACCESS])])
        .args(&[key("key", 0), string("member").multiple()]),
    row("smove", 4, "Take a member out of one set and add it to another.")
        .flags(&[WRITE, FAST])
        .keys(&[at(1, &[RW, ACCESS, DELETE]), at(2, &[RW, INSERT])])
        .args(&[key("source", 0), key("destination", 1), string("member")]),
    row("spop", -2, "Remove random members of a set and answer with them.")
        .complexity("O(N), N the members removed")
        .flags(&[WRITE, FAST])
        .tips(&["nondeterministic_output"])
        .keys(&[at(1, &[RW, ACCESS, DELETE])])
        .args(&[key("key", 0), integer("count").optional().since("3.2.0")]),
    row("srandmember", -2, "Random members of a set.")
        .complexity("O(N), N the members returned")
        .flags(&[READONLY])
        .tips(&["nondeterministic_output"])
        .keys(&[at(1, &[RO, ACCESS])])
        .args(&[key("key", 0), integer("count").optional().since("2.6.0")]),
    row("srem", -3, "Remove members from a set.")
        .complexity("O(N), N the members")
        .flags(&[WRITE, FAST])
        .keys(&[at(1, &[RW, DELETE])])
        .args(&[key("key", 0), string("member").multiple()]),
    row("sscan", -3, "Go through the members of a set, some at a time.")
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
    row("sunion", -2, "Members that are in any of the sets.")
        .takes_long()
        .complexity("O(N), N the members of all sets")
        .flags(&[READONLY])
        .tips(&["nondeterministic_output_order"])
        .keys(&[range(1, -1, 1, &[RO, ACCESS])])
        .route(Route::Combined(Combine::Sets(Algebra::Union)))
        .args(&[key("key", 0).multiple()]),
    row("sunionstore", -3, "Store the members that are in any of the sets.")
        .takes_long()
        .complexity("O(N), N the members of all sets")
        .flags(&[WRITE, DENYOOM])
        .keys(&[at(1, &[OW, UPDATE]), range(2, -1, 1, &[RO, ACCESS])])
        .args(&[key("destination", 0), key("key", 1).multiple()]),
];
