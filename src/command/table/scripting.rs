//! Scripts and functions.

use super::words::*;

const fn row(name: &'static str, arity: i16, summary: &'static str) -> Row {
    command(Group::Scripting, name, arity, summary).acl(&[Acl::SCRIPTING])
}

pub(super) const COMMANDS: &[Row] = &[
    row("eval", -3, "")
        .since("2.6.0")
        .complexity("")
        .flags(&[NOSCRIPT, STALE, SKIP_MONITOR, NO_MANDATORY_KEYS])
        .keys(&[counted(2, &[RW, ACCESS, UPDATE]).notes("scripts may do anything to their keys")])
        .args(&[
            string("script"),
            integer("numkeys"),
            key("key", 0).optional().multiple(),
            string("arg").optional().multiple(),
        ]),
    row("eval_ro", -3, "")
        .since("7.0.0")
        .complexity("")
        .flags(&[READONLY, NOSCRIPT, STALE, SKIP_MONITOR, NO_MANDATORY_KEYS])
        .keys(&[counted(2, &[RO, ACCESS]).notes("scripts may read their keys in any way")])
        .args(&[
            string("script"),
            integer("numkeys"),
            key("key", 0).optional().multiple(),
            string("arg").optional().multiple(),
        ]),
    row("evalsha", -3, "")
        .since("2.6.0")
        .complexity("")
        .flags(&[NOSCRIPT, STALE, SKIP_MONITOR, NO_MANDATORY_KEYS])
        .keys(&[counted(2, &[RW, ACCESS, UPDATE])])
        .args(&[
            string("sha1"),
            integer("numkeys"),
            key("key", 0).optional().multiple(),
            string("arg").optional().multiple(),
        ]),
    row("evalsha_ro", -3, "")
        .since("7.0.0")
        .complexity("")
        .flags(&[READONLY, NOSCRIPT, STALE, SKIP_MONITOR, NO_MANDATORY_KEYS])
        .keys(&[counted(2, &[RO, ACCESS])])
        .args(&[
            string("sha1"),
            integer("numkeys"),
            key("key", 0).optional().multiple(),
            string("arg").optional().multiple(),
        ]),
    row("fcall", -3, "")
        .since("7.0.0")
        .complexity("")
        .flags(&[NOSCRIPT, STALE, SKIP_MONITOR, NO_MANDATORY_KEYS])
        .keys(&[counted(2, &[RW, ACCESS, UPDATE]).notes("functions may do anything to their keys")])
        .args(&[
            string("function"),
            integer("numkeys"),
            key("key", 0).optional().multiple(),
            string("arg").optional().multiple(),
        ]),
    row("fcall_ro", -3, "")
        .since("7.0.0")
        .complexity("")
        .flags(&[READONLY, NOSCRIPT, STALE, SKIP_MONITOR, NO_MANDATORY_KEYS])
        .keys(&[counted(2, &[RO, ACCESS]).notes("functions may read their keys in any way")])
        .args(&[
            string("function"),
            integer("numkeys"),
            key("key", 0).optional().multiple(),
            string("arg").optional().multiple(),
        ]),
    row("function", -2, "")
        .since("7.0.0")
        .complexity("")
        .acl(&[])
        .refused("functions are stored by each node: connect to all of them")
        .subcommands(FUNCTION_SUBCOMMANDS),
    row("script", -2, "")
        .since("2.6.0")
        .complexity("")
        .acl(&[])
        .refused("scripts are stored by each node; send EVAL with its keys instead")
        .subcommands(SCRIPT_SUBCOMMANDS),
];

const FUNCTION_SUBCOMMANDS: &[Row] = &[
    row("function|delete", 3, "")
        .since("7.0.0")
        .flags(&[WRITE, NOSCRIPT])
        .tips(&["request_policy:all_shards", "response_policy:all_succeeded"])
        .refused("functions are stored by each node: connect to all of them")
        .args(&[string("library-name")]),
    row("function|dump", 2, "")
        .since("7.0.0")
        .complexity("")
        .flags(&[NOSCRIPT])
        .refused("functions are stored by each node: connect to all of them"),
    row("function|flush", -2, "")
        .since("7.0.0")
        .complexity("")
        .flags(&[WRITE, NOSCRIPT])
        .tips(&["request_policy:all_shards", "response_policy:all_succeeded"])
        .refused("functions are stored by each node: connect to all of them")
        .args(&[one_of("async", &[token("ASYNC"), token("SYNC")]).optional()]),
    row("function|help", 2, "")
        .since("7.0.0")
        .flags(&[LOADING, STALE])
        .refused("functions are stored by each node: connect to all of them"),
    row("function|kill", 2, "")
        .since("7.0.0")
        .flags(&[NOSCRIPT, ALLOW_BUSY])
        .tips(&["request_policy:all_shards", "response_policy:one_succeeded"])
        .refused("functions are stored by each node: connect to all of them"),
    row("function|list", -2, "")
        .since("7.0.0")
        .complexity("")
        .flags(&[NOSCRIPT])
        .tips(&["nondeterministic_output_order"])
        .refused("functions are stored by each node: connect to all of them")
        .args(&[
            string("library-name-pattern").after("LIBRARYNAME").optional(),
            token("WITHCODE").optional(),
        ]),
    row("function|load", -3, "")
        .since("7.0.0")
        .complexity("")
        .flags(&[WRITE, DENYOOM, NOSCRIPT])
        .tips(&["request_policy:all_shards", "response_policy:all_succeeded"])
        .refused("functions are stored by each node: connect to all of them")
        .args(&[token("REPLACE").optional(), string("function-code")]),
    row("function|restore", -3, "")
        .since("7.0.0")
        .complexity("")
        .flags(&[WRITE, DENYOOM, NOSCRIPT])
        .tips(&["request_policy:all_shards", "response_policy:all_succeeded"])
        .refused("functions are stored by each node: connect to all of them")
        .args(&[
            string("serialized-value"),
            one_of("policy", &[token("FLUSH"), token("APPEND"), token("REPLACE")]).optional(),
        ]),
    row("function|stats", 2, "")
        .since("7.0.0")
        .flags(&[NOSCRIPT, ALLOW_BUSY])
        .tips(&["nondeterministic_output", "request_policy:all_shards", "response_policy:special"])
        .refused("functions are stored by each node: connect to all of them"),
];

const SCRIPT_SUBCOMMANDS: &[Row] = &[
    row("script|debug", 3, "")
        .since("3.2.0")
        .flags(&[NOSCRIPT])
        .refused("scripts are stored by each node; send EVAL with its keys instead")
        .args(&[one_of("mode", &[token("YES"), token("SYNC"), token("NO")])]),
    row("script|exists", -3, "")
        .since("2.6.0")
        .complexity("")
        .flags(&[NOSCRIPT])
        .tips(&["request_policy:all_shards", "response_policy:agg_logical_and"])
        .refused("scripts are stored by each node; send EVAL with its keys instead")
        .args(&[string("sha1").multiple()]),
    row("script|flush", -2, "")
        .since("2.6.0")
        .complexity("")
        .flags(&[NOSCRIPT])
        .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"])
        .refused("scripts are stored by each node; send EVAL with its keys instead")
        .args(&[one_of("async", &[token("ASYNC"), token("SYNC")]).optional().since("6.2.0")]),
    row("script|help", 2, "")
        .since("5.0.0")
        .flags(&[LOADING, STALE])
        .refused("scripts are stored by each node; send EVAL with its keys instead"),
    row("script|kill", 2, "")
        .since("2.6.0")
        .flags(&[NOSCRIPT, ALLOW_BUSY])
        .tips(&["request_policy:all_shards", "response_policy:one_succeeded"])
        .refused("scripts are stored by each node; send EVAL with its keys instead"),
    row("script|load", 3, "")
        .since("2.6.0")
        .complexity("")
        .flags(&[NOSCRIPT, STALE])
        .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"])
        .refused("scripts are stored by each node; send EVAL with its keys instead")
        .args(&[string("script")]),
];
