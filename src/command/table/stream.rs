//! Streams and consumer groups.

use super::words::*;

const fn row(name: &'static str, arity: i16, summary: &'static str) -> Row {
    command(Group::Stream, name, arity, summary).acl(&[Acl::STREAM])
}

pub(super) const COMMANDS: &[Row] = &[
    row("xack", -4, "Tell a consumer group that entries have been dealt with.")
        .since("5.0.0")
        .complexity("O(N), N the IDs")
        .flags(&[WRITE, FAST])
        .keys(&[at(1, &[RW, UPDATE])])
        .args(&[key("key", 0), string("group"), string("id").multiple()]),
    row("xadd", -5, "Append an entry to a stream.")
        .since("5.0.0")
        .complexity("O(1), O(N) when N entries are trimmed")
        .flags(&[WRITE, DENYOOM, FAST])
        .tips(&["nondeterministic_output"])
        .keys(&[at(1, &[RW, UPDATE]).notes("UPDATE: adding may also trim")])
        .args(&[
            key("key", 0),
            token("NOMKSTREAM").optional().since("6.2.0"),
            block(
                "trim",
                &[
                    one_of("strategy", &[token("MAXLEN"), token("MINID").since("6.2.0")]),
                    one_of("operator", &[token("=").named("equal"), token("~").named("approximately")])
                        .optional(),
                    string("threshold"),
                    integer("count").after("LIMIT").optional().since("6.2.0"),
                ],
            )
            .optional(),
            one_of("id_or_auto", &[token("*").named("auto_id"), string("id")]),
            block("field_value", &[string("field"), string("value")]).multiple(),
        ]),
    row("xautoclaim", -6, "Take over entries that other consumers have left pending too long.")
        .since("6.2.0")
        .complexity("O(N), N the entries looked at")
        .flags(&[WRITE, FAST])
        .tips(&["nondeterministic_output"])
        .keys(&[at(1, &[RW, DELETE])])
        .args(&[
            key("key", 0),
            string("group"),
            string("consumer"),
            string("min-idle-time"),
            string("start"),
            integer("count").after("COUNT").optional(),
            token("JUSTID").optional(),
        ]),
    row("xclaim", -6, "Take over certain pending entries of other consumers.")
        .since("5.0.0")
        .complexity("O(log(N)) per ID, N the pending entries of the consumer")
        .flags(&[WRITE, FAST])
        .tips(&["nondeterministic_output"])
        .keys(&[at(1, &[RW, UPDATE])])
        .args(&[
            key("key", 0),
            string("group"),
            string("consumer"),
            string("min-idle-time"),
            string("id").multiple(),
            integer("ms").after("IDLE").optional(),
            unix_time("unix-time-milliseconds").after("TIME").optional(),
            integer("count").after("RETRYCOUNT").optional(),
            token("FORCE").optional(),
            token("JUSTID").optional(),
            string("id").after("LASTID").optional(),
        ]),
    row("xdel", -3, "Delete entries of a stream.")
        .since("5.0.0")
        .complexity("O(N), N the IDs")
        .flags(&[WRITE, FAST])
        .keys(&[at(1, &[RW, DELETE])])
        .args(&[key("key", 0), string("id").multiple()]),
    row("xgroup", -2, "Manage consumer groups.")
        .since("5.0.0")
        .complexity("that of the subcommand")
        .acl(&[])
        .route(Route::Local)
        .subcommands(XGROUP_SUBCOMMANDS),
    row("xinfo", -2, "What is known about a stream and its groups.")
        .since("5.0.0")
        .complexity("that of the subcommand")
        .acl(&[])
        .route(Route::Local)
        .subcommands(XINFO_SUBCOMMANDS),
    row("xlen", 2, "Number of entries of a stream.")
        .since("5.0.0")
        .flags(&[READONLY, FAST])
        .keys(&[at(1, &[RO])])
        .args(&[key("key", 0)]),
    row("xpending", -3, "Entries handed out by a group and not acknowledged.")
        .since("5.0.0")
        .complexity("O(N), N the entries returned; with IDLE, those looked at")
        .flags(&[READONLY])
        .tips(&["nondeterministic_output"])
        .keys(&[at(1, &[RO, ACCESS])])
        .args(&[
            key("key", 0),
            string("group"),
            block(
                "filters",
                &[
                    integer("min-idle-time").after("IDLE").optional().since("6.2.0"),
                    string("start"),
                    string("end"),
                    integer("count"),
                    string("consumer").optional(),
                ],
            )
            .optional(),
        ]),
    row("xrange", -4, "Entries in a range of IDs.")
        .since("5.0.0")
        .complexity("O(N), N the entries returned")
        .flags(&[READONLY])
        .keys(&[at(1, &[RO, ACCESS])])
        .args(&[key("key", 0), string("start"), string("end"), integer("count").after("COUNT").optional()]),
    row("xread", -4, "Entries after given IDs of several streams; can wait for them.")
        .since("5.0.0")
        .complexity("O(N) per stream, N the entries returned")
        .flags(&[READONLY, BLOCKING])
        .keys(&[half_after("STREAMS", 1, &[RO, ACCESS])])
        .route(Route::Combined(Combine::Streams))
        .args(&[
            integer("count").after("COUNT").optional(),
            integer("milliseconds").after("BLOCK").optional(),
            block("streams", &[key("key", 0).multiple(), string("id").multiple()]).after("STREAMS"),
        ]),
    row("xreadgroup", -7, "New or pending entries for a consumer of a group; can wait for them.")
        .since("5.0.0")
        .complexity("O(N) per stream, N the entries returned")
        .flags(&[WRITE, BLOCKING])
        .keys(&[half_after("STREAMS", 4, &[RO, ACCESS])])
        .route(Route::Taken(Take::Entries))
        .args(&[
            block("group_consumer", &[string("group"), string("consumer")]).after("GROUP"),
            integer("count").after("COUNT").optional(),
            integer("milliseconds").after("BLOCK").optional(),
            token("NOACK").optional(),
            block("streams", &[key("key", 0).multiple(), string("id").multiple()]).after("STREAMS"),
        ]),
    row("xrevrange", -4, "Entries in a range of IDs, last first.")
        .since("5.0.0")
        .complexity("O(N), N the entries returned")
        .flags(&[READONLY])
        .keys(&[at(1, &[RO, ACCESS])])
        .args(&[key("key", 0), string("end"), string("start"), integer("count").after("COUNT").optional()]),
    row("xsetid", -3, "Set the last ID of a stream.")
        .since("5.0.0")
        .flags(&[WRITE, DENYOOM, FAST])
        .keys(&[at(1, &[RW, UPDATE])])
        .args(&[
            key("key", 0),
            string("last-id"),
            integer("entries_added").after("ENTRIESADDED").optional().since("7.0.0"),
            string("max_deleted_entry_id").after("MAXDELETEDID").optional().since("7.0.0"),
        ]),
    row("xtrim", -4, "Remove the oldest entries of a stream.")
        .since("5.0.0")
        .complexity("O(N), N the entries removed")
        .flags(&[WRITE])
        .tips(&["nondeterministic_output"])
        .keys(&[at(1, &[RW, DELETE])])
        .args(&[
            key("key", 0),
            block(
                "trim",
                &[
                    one_of("strategy", &[token("MAXLEN"), token("MINID").since("6.2.0")]),
                    one_of("operator", &[token("=").named("equal"), token("~").named("approximately")])
                        .optional(),
                    string("threshold"),
                    integer("count").after("LIMIT").optional().since("6.2.0"),
                ],
            ),
        ]),
];

const XGROUP_SUBCOMMANDS: &[Row] = &[
    row("xgroup|create", -5, "Begin a new consumer group on a stream.")
        .since("5.0.0")
        .flags(&[WRITE, DENYOOM])
        .keys(&[at(2, &[RW, INSERT])])
        .args(&[
            key("key", 0),
            string("groupname"),
            one_of("id", &[string("id"), token("$").named("new_id")]),
            token("MKSTREAM").optional(),
            integer("entries_read").after("ENTRIESREAD").optional(),
        ]),
    row("xgroup|createconsumer", 5, "Add a consumer to a group.")
        .since("6.2.0")
        .flags(&[WRITE, DENYOOM])
        .keys(&[at(2, &[RW, INSERT])])
        .args(&[key("key", 0), string("groupname"), string("consumername")]),
    row("xgroup|delconsumer", 5, "Remove a consumer from a group.")
        .since("5.0.0")
        .flags(&[WRITE])
        .keys(&[at(2, &[RW, DELETE])])
        .args(&[key("key", 0), string("groupname"), string("consumername")]),
    row("xgroup|destroy", 4, "Delete a consumer group.")
        .since("5.0.0")
        .complexity("O(N), N the pending entries")
        .flags(&[WRITE])
        .keys(&[at(2, &[RW, DELETE])])
        .args(&[key("key", 0), string("groupname")]),
    row("xgroup|help", 2, "List the subcommands of XGROUP.")
        .since("5.0.0")
        .flags(&[LOADING, STALE])
        .route(Route::Local),
    row("xgroup|setid", -5, "Set up to which entry a group has been served.")
        .since("5.0.0")
        .flags(&[WRITE])
        .keys(&[at(2, &[RW, UPDATE])])
        .args(&[
            key("key", 0),
            string("groupname"),
            one_of("id", &[string("id"), token("$").named("new_id")]),
            integer("entries_read").after("ENTRIESREAD").optional(),
        ]),
];

const XINFO_SUBCOMMANDS: &[Row] = &[
    row("xinfo|consumers", 4, "The consumers of a group.")
        .since("5.0.0")
        .flags(&[READONLY])
        .tips(&["nondeterministic_output"])
        .keys(&[at(2, &[RO, ACCESS])])
        .args(&[key("key", 0), string("groupname")]),
    row("xinfo|groups", 3, "The groups of a stream.")
        .since("5.0.0")
        .flags(&[READONLY])
        .keys(&[at(2, &[RO, ACCESS])])
        .args(&[key("key", 0)]),
    row("xinfo|help", 2, "List the subcommands of XINFO.")
        .since("5.0.0")
        .flags(&[LOADING, STALE])
        .route(Route::Local),
    row("xinfo|stream", -3, "Figures of a stream, or all of it.")
        .since("5.0.0")
        .flags(&[READONLY])
        .keys(&[at(2, &[RO, ACCESS])])
        .args(&[
            key("key", 0),
            block("full", &[integer("count").after("COUNT").optional()]).after("FULL").optional(),
        ]),
];
