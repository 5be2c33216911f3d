//! Scripts and functions.

use super::words::*;

const fn row(name: &'static str, arity: i16, summary: &'static str) -> Row {
    command(Group::Scripting, name, arity, summary).acl(&[Acl::SCRIPTING])
}

pub(super) const COMMANDS: &[Row] = &[
    row("eval", -3, "Run a Lua script.")
        .since("2.6.0")
        .complexity("that of the script")
        .flags(&[NOSCRIPT, STALE, SKIP_MONITOR, NO_MANDATORY_KEYS])
        .keys(&[counted(2, &[RW, ACCESS, UPDATE]).notes("scripts may do anything to their keys")])
        .route(Route::Scripted(Scripted::Source))
        .args(&[
            string("script"),
            integer("numkeys"),
            key("key", 0).optional().multiple(),
            string("arg").optional().multiple(),
        ]),
    row("eval_ro", -3, "Run a Lua script that only reads.")
        .since("7.0.0")
        .complexity("that of the script")
        .flags(&[READONLY, NOSCRIPT, STALE, SKIP_MONITOR, NO_MANDATORY_KEYS])
        .keys(&[counted(2, &[RO, ACCESS]).notes("scripts may read their keys in any way")])
        .route(Route::Scripted(Scripted::Source))
        .args(&[
            string("script"),
            integer("numkeys"),
            key("key", 0).optional().multiple(),
            string("arg").optional().multiple(),
        ]),
    row("evalsha", -3, "Run a stored Lua script by its digest.")
        .since("2.6.0")
        .complexity("that of the script")
        .flags(&[NOSCRIPT, STALE, SKIP_MONITOR, NO_MANDATORY_KEYS])
        .keys(&[counted(2, &[RW, ACCESS, UPDATE])])
        .route(Route::Scripted(Scripted::Digest))
        .args(&[
            string("sha1"),
            integer("numkeys"),
            key("key", 0).optional().multiple(),
            string("arg").optional().multiple(),
        ]),
    row("evalsha_ro", -3, "Run a stored Lua script that only reads, by its digest.")
        .since("7.0.0")
        .complexity("that of the script")
        .flags(&[READONLY, NOSCRIPT, STALE, SKIP_MONITOR, NO_MANDATORY_KEYS])
        .keys(&[counted(2, &[RO, ACCESS])])
        .route(Route::Scripted(Scripted::Digest))
        .args(&[
            string("sha1"),
            integer("numkeys"),
            key("key", 0).optional().multiple(),
            string("arg").optional().multiple(),
        ]),
    row("fcall", -3, "Call a function.")
        .since("7.0.0")
        .complexity("that of the function")
        .flags(&[NOSCRIPT, STALE, SKIP_MONITOR, NO_MANDATORY_KEYS])
        .keys(&[counted(2, &[RW, ACCESS, UPDATE]).notes("functions may do anything to their keys")])
        .route(Route::Scripted(Scripted::Function))
        .args(&[
            string("function"),
            integer("numkeys"),
            key("key", 0).optional().multiple(),
            string("arg").optional().multiple(),
        ]),
    row("fcall_ro", -3, "Call a function that only reads.")
        .since("7.0.0")
        .complexity("that of the function")
        .flags(&[READONLY, NOSCRIPT, STALE, SKIP_MONITOR, NO_MANDATORY_KEYS])
        .keys(&[counted(2, &[RO, ACCESS]).notes("functions may read their keys in any way")])
        .route(Route::Scripted(Scripted::Function))
        .args(&[
            string("function"),
            integer("numkeys"),
            key("key", 0).optional().multiple(),
            string("arg").optional().multiple(),
        ]),
    row("function", -2, "Manage libraries of functions.")
        .since("7.0.0")
        .complexity("that of the subcommand")
        .acl(&[])
        .route(Route::Local)
        .subcommands(FUNCTION_SUBCOMMANDS),
    row("script", -2, "Manage stored Lua scripts.")
        .since("2.6.0")
        .complexity("that of the subcommand")
        .acl(&[])
        .route(Route::Local)
        .subcommands(SCRIPT_SUBCOMMANDS),
];

const FUNCTION_SUBCOMMANDS: &[Row] = &[
    row("function|delete", 3, "Delete a library.")
        .since("7.0.0")
        .flags(&[WRITE, NOSCRIPT])
        .tips(&["request_policy:all_shards", "response_policy:all_succeeded"])
        .route(Route::Scripted(Scripted::Libraries))
        .args(&[string("library-name")]),
    row("function|dump", 2, "Serialise all libraries.")
        .since("7.0.0")
        .complexity("O(N), N the functions")
        .flags(&[NOSCRIPT])
        .route(Route::Scripted(Scripted::Show)),
    row("function|flush", -2, "Delete all libraries.")
        .since("7.0.0")
        .complexity("O(N), N the functions")
        .flags(&[WRITE, NOSCRIPT])
        .tips(&["request_policy:all_shards", "response_policy:all_succeeded"])
        .route(Route::Scripted(Scripted::Libraries))
        .args(&[one_of("async", &[token("ASYNC"), token("SYNC")]).optional()]),
    row("function|help", 2, "List the subcommands of FUNCTION.")
        .since("7.0.0")
        .flags(&[LOADING, STALE])
        .route(Route::Local),
    row("function|kill", 2, "Stop the function that is running.")
        .since("7.0.0")
        .flags(&[NOSCRIPT, ALLOW_BUSY])
        .tips(&["request_policy:all_shards", "response_policy:one_succeeded"])
        .route(Route::Scripted(Scripted::Kill)),
    row("function|list", -2, "The libraries and their functions.")
        .since("7.0.0")
        .complexity("O(N), N the functions")
        .flags(&[NOSCRIPT])
        .tips(&["nondeterministic_output_order"])
        .route(Route::Scripted(Scripted::Show))
        .args(&[
            string("library-name-pattern").after("LIBRARYNAME").optional(),
            token("WITHCODE").optional(),
        ]),
    row("function|load", -3, "Load a library.")
        .since("7.0.0")
        .complexity("O(N), N the bytes of code")
        .flags(&[WRITE, DENYOOM, NOSCRIPT])
        .tips(&["request_policy:all_shards", "response_policy:all_succeeded"])
        .route(Route::Scripted(Scripted::Libraries))
        .args(&[token("REPLACE").optional(), string("function-code")]),
    row("function|restore", -3, "Load libraries from what FUNCTION DUMP gave.")
        .since("7.0.0")
        .complexity("O(N), N the functions")
        .flags(&[WRITE, DENYOOM, NOSCRIPT])
        .tips(&["request_policy:all_shards", "response_policy:all_succeeded"])
        .route(Route::Scripted(Scripted::Libraries))
        .args(&[
            string("serialized-value"),
            one_of("policy", &[token("FLUSH"), token("APPEND"), token("REPLACE")]).optional(),
        ]),
    row("function|stats", 2, "Which function is running, and what engines there are.")
        .since("7.0.0")
        .flags(&[NOSCRIPT, ALLOW_BUSY])
        .tips(&["nondeterministic_output", "request_policy:all_shards", "response_policy:special"])
        .route(Route::Scripted(Scripted::Stats)),
];

const SCRIPT_SUBCOMMANDS: &[Row] = &[
    row("script|debug", 3, "Choose how EVAL is debugged on this connection.")
        .since("3.2.0")
        .flags(&[NOSCRIPT])
        .refused(reason::STEPS)
        .args(&[one_of("mode", &[token("YES"), token("SYNC"), token("NO")])]),
    row("script|exists", -3, "Which digests are of stored scripts.")
        .since("2.6.0")
        .complexity("O(N), N the digests")
        .flags(&[NOSCRIPT])
        .tips(&["request_policy:all_shards", "response_policy:agg_logical_and"])
        .route(Route::Scripted(Scripted::Exists))
        .args(&[string("sha1").multiple()]),
    row("script|flush", -2, "Forget all stored scripts.")
        .since("2.6.0")
        .complexity("O(N), N the scripts")
        .flags(&[NOSCRIPT])
        .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"])
        .route(Route::Scripted(Scripted::Flush))
        .args(&[one_of("async", &[token("ASYNC"), token("SYNC")]).optional().since("6.2.0")]),
    row("script|help", 2, "List the subcommands of SCRIPT.")
        .since("5.0.0")
        .flags(&[LOADING, STALE])
        .route(Route::Local),
    row("script|kill", 2, "Stop the script that is running.")
        .since("2.6.0")
        .flags(&[NOSCRIPT, ALLOW_BUSY])
        .tips(&["request_policy:all_shards", "response_policy:one_succeeded"])
        .route(Route::Scripted(Scripted::Kill)),
    row("script|load", 3, "Store a script and answer with its digest.")
        .since("2.6.0")
        .complexity("O(N), N the bytes of the script")
        .flags(&[NOSCRIPT, STALE])
        .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"])
        .route(Route::Scripted(Scripted::Load))
        .args(&[string("script")]),
];
