//! Hashes.

use super::words::*;
use crate::command::Arg;

const fn row(name: &'static str, arity: i16, summary: &'static str) -> Row {
    command(Group::Hash, name, arity, summary).acl(&[Acl::HASH])
}

const CONDITION: Arg = one_of("condition", &[token("NX"), token("XX"), token("GT"), token("LT")]).optional();
const FIELDS: Arg = block("fields", &[integer("numfields"), string("field").multiple()]).after("FIELDS");
const SECONDS: Arg = integer("seconds").after("EX");
const MILLISECONDS: Arg = integer("milliseconds").after("PX");
const UNIX_SECONDS: Arg = unix_time("unix-time-seconds").after("EXAT");
const UNIX_MILLISECONDS: Arg = unix_time("unix-time-milliseconds").after("PXAT");

pub(super) const COMMANDS: &[Row] = &[
    row("hdel", -3, "Delete fields of a hash.")
        .since("2.0.0")
        .complexity("O(N), N the fields")
        .flags(&[WRITE, FAST])
        .keys(&[at(1, &[RW, DELETE])])
        .args(&[key("key", 0), string("field").multiple()]),
    row("hexists", 3, "Whether a hash has a field.")
        .since("2.0.0")
        .flags(&[READONLY, FAST])
        .keys(&[at(1, &[RO])])
        .args(&[key("key", 0), string("field")]),
    row("hexpire", -6, "Give fields of a hash a time to live in seconds.")
        .since("7.4.0")
        .complexity("O(N log M), N the fields, M those of the hash that expire")
        .flags(&[WRITE, DENYOOM, FAST])
        .keys(&[at(1, &[RW, UPDATE])])
        .args(&[key("key", 0), integer("seconds"), CONDITION, FIELDS]),
    row("hexpireat", -6, "Let fields of a hash expire at a Unix time in seconds.")
        .since("7.4.0")
        .complexity("O(N log M), N the fields, M those of the hash that expire")
        .flags(&[WRITE, DENYOOM, FAST])
        .keys(&[at(1, &[RW, UPDATE])])
        .args(&[key("key", 0), unix_time("unix-time-seconds"), CONDITION, FIELDS]),
    row("hexpiretime", -5, "When fields of a hash expire, as Unix time in seconds.")
        .since("7.4.0")
        .complexity("O(N), N the fields")
        .flags(&[READONLY, FAST])
        .keys(&[at(1, &[RO, ACCESS])])
        .args(&[key("key", 0), FIELDS]),
    row("hget", 3, "Value of a field.")
        .since("2.0.0")
        .flags(&[READONLY, FAST])
        .keys(&[at(1, &[RO, ACCESS])])
        .args(&[key("key", 0), string("field")]),
    row("hgetall", 2, "All fields and values of a hash.")
        .since("2.0.0")
        .complexity("O(N), N the size of the hash")
        .flags(&[READONLY])
        .tips(&["nondeterministic_output_order"])
        .keys(&[at(1, &[RO, ACCESS])])
        .args(&[key("key", 0)]),
    row("hgetdel", -5, "Read fields of a hash and delete them.")
        .since("8.0.0")
        .complexity("O(N), N the fields")
        .flags(&[WRITE, FAST])
        .keys(&[at(1, &[RW, ACCESS, DELETE])])
        .args(&[key("key", 0), FIELDS]),
    row("hgetex", -5, "Read fields of a hash and set or remove their time to live.")
        .since("8.0.0")
        .complexity("O(N), N the fields")
        .flags(&[WRITE, FAST])
        .keys(&[at(1, &[RW, ACCESS, UPDATE]).notes("RW and UPDATE: the expiry may change")])
        .args(&[
            key("key", 0),
            one_of("expiration", &[SECONDS, MILLISECONDS, UNIX_SECONDS, UNIX_MILLISECONDS, token("PERSIST")])
                .optional(),
            FIELDS,
        ]),
    row("hincrby", 4, "Add a number to the counter in a field.")
        .since("2.0.0")
        .flags(&[WRITE, DENYOOM, FAST])
        .keys(&[at(1, &[RW, ACCESS, UPDATE])])
        .args(&[key("key", 0), string("field"), integer("increment")]),
    row("hincrbyfloat", 4, "Add a floating point number to the counter in a field.")
        .since("2.6.0")
        .flags(&[WRITE, DENYOOM, FAST])
        .keys(&[at(1, &[RW, ACCESS, UPDATE])])
        .args(&[key("key", 0), string("field"), double("increment")]),
    row("hkeys", 2, "All fields of a hash.")
        .since("2.0.0")
        .complexity("O(N), N the size of the hash")
        .flags(&[READONLY])
        .tips(&["nondeterministic_output_order"])
        .keys(&[at(1, &[RO, ACCESS])])
        .args(&[key("key", 0)]),
    row("hlen", 2, "Number of fields of a hash.")
        .since("2.0.0")
        .flags(&[READONLY, FAST])
        .keys(&[at(1, &[RO])])
        .args(&[key("key", 0)]),
    row("hmget", -3, "Values of several fields.")
        .since("2.0.0")
        .complexity("O(N), N the fields")
        .flags(&[READONLY, FAST])
        .keys(&[at(1, &[RO, ACCESS])])
        .args(&[key("key", 0), string("field").multiple()]),
    row("hmset", -4, "Set several fields.")
        .since("2.0.0")
        .complexity("O(N), N the fields")
        .flags(&[WRITE, DENYOOM, FAST])
        .keys(&[at(1, &[RW, UPDATE])])
        .deprecated("4.0.0", "HSET with several fields")
        .args(&[key("key", 0), block("field_value", &[string("field"), string("value")]).multiple()]),
    row("hpersist", -5, "Let fields of a hash live for ever.")
        .since("7.4.0")
        .complexity("O(N), N the fields")
        .flags(&[WRITE, FAST])
        .keys(&[at(1, &[RW, UPDATE])])
        .args(&[key("key", 0), FIELDS]),
    row("hpexpire", -6, "Give fields of a hash a time to live in milliseconds.")
        .since("7.4.0")
        .complexity("O(N log M), N the fields, M those of the hash that expire")
        .flags(&[WRITE, DENYOOM, FAST])
        .keys(&[at(1, &[RW, UPDATE])])
        .args(&[key("key", 0), integer("milliseconds"), CONDITION, FIELDS]),
    row("hpexpireat", -6, "Let fields of a hash expire at a Unix time in milliseconds.")
        .since("7.4.0")
        .complexity("O(N log M), N the fields, M those of the hash that expire")
        .flags(&[WRITE, DENYOOM, FAST])
        .keys(&[at(1, &[RW, UPDATE])])
        .args(&[key("key", 0), unix_time("unix-time-milliseconds"), CONDITION, FIELDS]),
    row("hpexpiretime", -5, "When fields of a hash expire, as Unix time in milliseconds.")
        .since("7.4.0")
        .complexity("O(N), N the fields")
        .flags(&[READONLY, FAST])
        .keys(&[at(1, &[RO, ACCESS])])
        .args(&[key("key", 0), FIELDS]),
    row("hpttl", -5, "How long fields of a hash have to live, in milliseconds.")
        .since("7.4.0")
        .complexity("O(N), N the fields")
        .flags(&[READONLY, FAST])
        .keys(&[at(1, &[RO, ACCESS])])
        .args(&[key("key", 0), FIELDS]),
    row("hrandfield", -2, "Random fields of a hash.")
        .since("6.2.0")
        .complexity("O(N), N the fields returned")
        .flags(&[READONLY])
        .tips(&["nondeterministic_output"])
        .keys(&[at(1, &[RO, ACCESS])])
        .args(&[
            key("key", 0),
            block("options", &[integer("count"), token("WITHVALUES").optional()]).optional(),
        ]),
    row("hscan", -3, "Go through the fields of a hash, some at a time.")
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
    row("hset", -4, "Set fields of a hash.")
        .since("2.0.0")
        .complexity("O(N), N the fields")
        .flags(&[WRITE, DENYOOM, FAST])
        .keys(&[at(1, &[RW, UPDATE])])
        .args(&[key("key", 0), block("field_value", &[string("field"), string("value")]).multiple()]),
    row("hsetex", -6, "Set fields of a hash and their time to live.")
        .since("8.0.0")
        .complexity("O(N), N the fields")
        .flags(&[WRITE, DENYOOM, FAST])
        .keys(&[at(1, &[RW, UPDATE])])
        .args(&[
            key("key", 0),
            one_of("condition", &[token("FNX"), token("FXX")]).optional(),
            one_of("expiration", &[SECONDS, MILLISECONDS, UNIX_SECONDS, UNIX_MILLISECONDS, token("KEEPTTL")])
                .optional(),
            block(
                "fields",
                &[integer("numfields"), block("data", &[string("field"), string("value")]).multiple()],
            )
            .after("FIELDS"),
        ]),
    row("hsetnx", 4, "Set a field only if it does not exist.")
        .since("2.0.0")
        .flags(&[WRITE, DENYOOM, FAST])
        .keys(&[at(1, &[RW, INSERT])])
        .args(&[key("key", 0), string("field"), string("value")]),
    row("hstrlen", 3, "Length of the value of a field.")
        .since("3.2.0")
        .flags(&[READONLY, FAST])
        .keys(&[at(1, &[RO])])
        .args(&[key("key", 0), string("field")]),
    row("httl", -5, "How long fields of a hash have to live, in seconds.")
        .since("7.4.0")
        .complexity("O(N), N the fields")
        .flags(&[READONLY, FAST])
        .keys(&[at(1, &[RO, ACCESS])])
        .args(&[key("key", 0), FIELDS]),
    row("hvals", 2, "All values of a hash.")
        .since("2.0.0")
        .complexity("O(N), N the size of the hash")
        .flags(&[READONLY])
        .tips(&["nondeterministic_output_order"])
        .keys(&[at(1, &[RO, ACCESS])])
        .args(&[key("key", 0)]),
];
