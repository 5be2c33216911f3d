//! Lists.

use super::words::*;

const fn row(name: &'static str, arity: i16, summary: &'static str) -> Row {
    command(Group::List, name, arity, summary).acl(&[Acl::LIST])
}

pub(super) const COMMANDS: &[Row] = &[
    row("blmove", 6, "Take an element from one list and push it to another, waiting for one if need be.")
        .since("6.2.0")
        .flags(&[WRITE, DENYOOM, NOSCRIPT, BLOCKING])
        .keys(&[at(1, &[RW, ACCESS, DELETE]), at(2, &[RW, INSERT])])
        .args(&[
            key("source", 0),
            key("destination", 1),
            one_of("wherefrom", &[token("LEFT"), token("RIGHT")]),
            one_of("whereto", &[token("LEFT"), token("RIGHT")]),
            double("timeout"),
        ]),
    row("blmpop", -5, "Take elements from the first list that has some, waiting if none has.")
        .since("7.0.0")
        .complexity("O(N+M), N the keys, M the elements returned")
        .flags(&[WRITE, BLOCKING])
        .keys(&[counted(2, &[RW, ACCESS, DELETE])])
        .route(Route::Taken(Take::Elements))
        .args(&[
            double("timeout"),
            integer("numkeys"),
            key("key", 0).multiple(),
            one_of("where", &[token("LEFT"), token("RIGHT")]),
            integer("count").after("COUNT").optional(),
        ]),
    row("blpop", -3, "Take the first element of the first list that has one, waiting if none has.")
        .since("2.0.0")
        .complexity("O(N), N the keys")
        .flags(&[WRITE, NOSCRIPT, BLOCKING])
        .keys(&[range(1, -2, 1, &[RW, ACCESS, DELETE])])
        .route(Route::Taken(Take::Elements))
        .args(&[key("key", 0).multiple(), double("timeout")]),
    row("brpop", -3, "Take the last element of the first list that has one, waiting if none has.")
        .since("2.0.0")
        .complexity("O(N), N the keys")
        .flags(&[WRITE, NOSCRIPT, BLOCKING])
        .keys(&[range(1, -2, 1, &[RW, ACCESS, DELETE])])
        .route(Route::Taken(Take::Elements))
        .args(&[key("key", 0).multiple(), double("timeout")]),
    row(
        "brpoplpush",
        4,
        "Take the last element of one list and put it first in another, waiting for one if need be.",
    )
    .since("2.2.0")
    .flags(&[WRITE, DENYOOM, NOSCRIPT, BLOCKING])
    .keys(&[at(1, &[RW, ACCESS, DELETE]), at(2, &[RW, INSERT])])
    .deprecated("6.2.0", "BLMOVE with RIGHT LEFT")
    .args(&[key("source", 0), key("destination", 1), double("timeout")]),
    row("lindex", 3, "Element at a position of a list.")
        .complexity("O(N), N the elements before the place")
        .flags(&[READONLY])
        .keys(&[at(1, &[RO, ACCESS])])
        .args(&[key("key", 0), integer("index")]),
    row("linsert", 5, "Insert an element before or after another.")
        .since("2.2.0")
        .complexity("O(N), N the elements before the place")
        .flags(&[WRITE, DENYOOM])
        .keys(&[at(1, &[RW, INSERT])])
        .args(&[
            key("key", 0),
            one_of("where", &[token("BEFORE"), token("AFTER")]),
            string("pivot"),
            string("element"),
        ]),
    row("llen", 2, "Length of a list.").flags(&[READONLY, FAST]).keys(&[at(1, &[RO])]).args(&[key("key", 0)]),
    row("lmove", 5, "Take an element from one list and push it to another.")
        .since("6.2.0")
        .flags(&[WRITE, DENYOOM])
        .keys(&[at(1, &[RW, ACCESS, DELETE]), at(2, &[RW, INSERT])])
        .args(&[
            key("source", 0),
            key("destination", 1),
            one_of("wherefrom", &[token("LEFT"), token("RIGHT")]),
            one_of("whereto", &[token("LEFT"), token("RIGHT")]),
        ]),
    row("lmpop", -4, "Take elements from the first list that has some.")
        .since("7.0.0")
        .complexity("O(N+M), N the keys, M the elements returned")
        .flags(&[WRITE])
        .keys(&[counted(1, &[RW, ACCESS, DELETE])])
        .route(Route::Taken(Take::Elements))
        .args(&[
            integer("numkeys"),
            key("key", 0).multiple(),
            one_of("where", &[token("LEFT"), token("RIGHT")]),
            integer("count").after("COUNT").optional(),
        ]),
    row("lpop", -2, "Take elements from the head of a list.")
        .complexity("O(N), N the elements returned")
        .flags(&[WRITE, FAST])
        .keys(&[at(1, &[RW, ACCESS, DELETE])])
        .args(&[key("key", 0), integer("count").optional().since("6.2.0")]),
    row("lpos", -3, "Positions of an element in a list.")
        .since("6.0.6")
        .complexity("O(N), N the length of the list; less near its ends or with MAXLEN")
        .flags(&[READONLY])
        .keys(&[at(1, &[RO, ACCESS])])
        .args(&[
            key("key", 0),
            string("element"),
            integer("rank").after("RANK").optional(),
            integer("num-matches").after("COUNT").optional(),
            integer("len").after("MAXLEN").optional(),
        ]),
    row("lpush", -3, "Add elements at the head of a list.")
        .complexity("O(N), N the new elements")
        .flags(&[WRITE, DENYOOM, FAST])
        .keys(&[at(1, &[RW, INSERT])])
        .args(&[key("key", 0), string("element").multiple()]),
    row("lpushx", -3, "Add elements at the head of a list that exists.")
        .since("2.2.0")
        .complexity("O(N), N the new elements")
        .flags(&[WRITE, DENYOOM, FAST])
        .keys(&[at(1, &[RW, INSERT])])
        .args(&[key("key", 0), string("element").multiple()]),
    row("lrange", 4, "Part of a list.")
        .complexity("O(S+N), S the elements before the range, N those in it")
        .flags(&[READONLY])
        .keys(&[at(1, &[RO, ACCESS])])
        .args(&[key("key", 0), integer("start"), integer("stop")]),
    row("lrem", 4, "Remove elements equal to a value.")
        .complexity("O(N+M), N the length of the list, M the elements removed")
        .flags(&[WRITE])
        .keys(&[at(1, &[RW, DELETE])])
        .args(&[key("key", 0), integer("count"), string("element")]),
    row("lset", 4, "Replace the element at a position.")
        .complexity("O(N), N the length of the list; O(1) at its ends")
        .flags(&[WRITE, DENYOOM])
        .keys(&[at(1, &[RW, UPDATE])])
        .args(&[key("key", 0), integer("index"), string("element")]),
    row("ltrim", 4, "Keep only part of a list.")
        .complexity("O(N), N the elements removed")
        .flags(&[WRITE])
        .keys(&[at(1, &[RW, DELETE])])
        .args(&[key("key", 0), integer("start"), integer("stop")]),
    row("rpop", -2, "Take elements from the tail of a list.")
        .complexity("O(N), N the elements returned")
        .flags(&[WRITE, FAST])
        .keys(&[at(1, &[RW, ACCESS, DELETE])])
        .args(&[key("key", 0), integer("count").optional().since("6.2.0")]),
    row("rpoplpush", 3, "Take the last element of one list and put it first in another.")
        .since("1.2.0")
        .flags(&[WRITE, DENYOOM])
        .keys(&[at(1, &[RW, ACCESS, DELETE]), at(2, &[RW, INSERT])])
        .deprecated("6.2.0", "LMOVE with RIGHT LEFT")
        .args(&[key("source", 0), key("destination", 1)]),
    row("rpush", -3, "Add elements at the tail of a list.")
        .complexity("O(N), N the new elements")
        .flags(&[WRITE, DENYOOM, FAST])
        .keys(&[at(1, &[RW, INSERT])])
        .args(&[key("key", 0), string("element").multiple()]),
    row("rpushx", -3, "Add elements at the tail of a list that exists.")
        .since("2.2.0")
        .complexity("O(N), N the new elements")
        .flags(&[WRITE, DENYOOM, FAST])
        .keys(&[at(1, &[RW, INSERT])])
        .args(&[key("key", 0), string("element").multiple()]),
];
