//! What a server says about itself: commands, configuration, latency, memory, slow log.

use super::words::*;

const fn row(name: &'static str, arity: i16, summary: &'static str) -> Row {
    command(Group::Server, name, arity, summary)
}

pub(super) const COMMANDS: &[Row] = &[
    row("command", -1, "").since("2.8.13").complexity("").flags(&[LOADING, STALE]).acl(&[Acl::CONNECTION]).tips(&["nondeterministic_output_order"]).route(Route::Local).subcommands(COMMAND_SUBCOMMANDS),
    row("config", -2, "").since("2.0.0").complexity("").refused("configuration is each daemon's own: connect to the node, or restart the proxy with other options").subcommands(CONFIG_SUBCOMMANDS),
    row("latency", -2, "").since("2.8.13").complexity("").refused("figures are of one node: connect to it, or use `show nodes` in the console").subcommands(LATENCY_SUBCOMMANDS),
    row("memory", -2, "").since("4.0.0").complexity("").refused("figures are of one node: connect to it, or use `show nodes` in the console").subcommands(MEMORY_SUBCOMMANDS),
    row("module", -2, "").since("4.0.0").complexity("").refused("modules are loaded into one node: connect to it").subcommands(MODULE_SUBCOMMANDS),
    row("slowlog", -2, "").since("2.2.12").complexity("").refused("figures are of one node: connect to it, or use `show nodes` in the console").subcommands(SLOWLOG_SUBCOMMANDS),
];

const COMMAND_SUBCOMMANDS: &[Row] = &[
    row("command|count", 2, "")
        .since("2.8.13")
        .flags(&[LOADING, STALE])
        .acl(&[Acl::CONNECTION])
        .route(Route::Local),
    row("command|docs", -2, "")
        .since("7.0.0")
        .complexity("")
        .flags(&[LOADING, STALE])
        .acl(&[Acl::CONNECTION])
        .tips(&["nondeterministic_output_order"])
        .route(Route::Local)
        .args(&[string("command-name").optional().multiple()]),
    row("command|getkeys", -4, "")
        .since("2.8.13")
        .complexity("")
        .flags(&[LOADING, STALE])
        .acl(&[Acl::CONNECTION])
        .route(Route::Local),
    row("command|getkeysandflags", -4, "")
        .since("7.0.0")
        .complexity("")
        .flags(&[LOADING, STALE])
        .acl(&[Acl::CONNECTION])
        .route(Route::Local),
    row("command|help", 2, "")
        .since("5.0.0")
        .flags(&[LOADING, STALE])
        .acl(&[Acl::CONNECTION])
        .route(Route::Local),
    row("command|info", -2, "")
        .since("2.8.13")
        .complexity("")
        .flags(&[LOADING, STALE])
        .acl(&[Acl::CONNECTION])
        .tips(&["nondeterministic_output_order"])
        .route(Route::Local)
        .args(&[string("command-name").optional().multiple()]),
    row("command|list", -2, "")
        .since("7.0.0")
        .complexity("")
        .flags(&[LOADING, STALE])
        .acl(&[Acl::CONNECTION])
        .tips(&["nondeterministic_output_order"])
        .route(Route::Local)
        .args(&[one_of(
            "filterby",
            &[
                string("module-name").after("MODULE"),
                string("category").after("ACLCAT"),
                pattern("pattern").after("PATTERN"),
            ],
        )
        .after("FILTERBY")
        .optional()]),
];

const CONFIG_SUBCOMMANDS: &[Row] = &[
    row("config|get", -3, "").since("2.0.0").complexity("").flags(&[ADMIN, NOSCRIPT, LOADING, STALE]).refused("configuration is each daemon's own: connect to the node, or restart the proxy with other options").args(&[block("parameter", &[string("parameter")]).multiple()]),
    row("config|help", 2, "").since("5.0.0").flags(&[LOADING, STALE]).refused("configuration is each daemon's own: connect to the node, or restart the proxy with other options"),
    row("config|resetstat", 2, "").since("2.0.0").flags(&[ADMIN, NOSCRIPT, LOADING, STALE]).refused("configuration is each daemon's own: connect to the node, or restart the proxy with other options"),
    row("config|rewrite", 2, "").since("2.8.0").flags(&[ADMIN, NOSCRIPT, LOADING, STALE]).refused("configuration is each daemon's own: connect to the node, or restart the proxy with other options"),
    row("config|set", -4, "").since("2.0.0").complexity("").flags(&[ADMIN, NOSCRIPT, LOADING, STALE]).tips(&["request_policy:all_nodes", "response_policy:all_succeeded"]).refused("configuration is each daemon's own: connect to the node, or restart the proxy with other options").args(&[block("parameter_value", &[string("parameter"), string("value")]).multiple()]),
];

const LATENCY_SUBCOMMANDS: &[Row] = &[
    row("latency|doctor", 2, "")
        .since("2.8.13")
        .flags(&[ADMIN, NOSCRIPT, LOADING, STALE])
        .tips(&["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"])
        .refused("figures are of one node: connect to it, or use `show nodes` in the console"),
    row("latency|graph", 3, "")
        .since("2.8.13")
        .flags(&[ADMIN, NOSCRIPT, LOADING, STALE])
        .tips(&["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"])
        .refused("figures are of one node: connect to it, or use `show nodes` in the console")
        .args(&[string("event")]),
    row("latency|help", 2, "")
        .since("2.8.13")
        .flags(&[LOADING, STALE])
        .refused("figures are of one node: connect to it, or use `show nodes` in the console"),
    row("latency|histogram", -2, "")
        .since("7.0.0")
        .complexity("")
        .flags(&[ADMIN, NOSCRIPT, LOADING, STALE])
        .tips(&["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"])
        .refused("figures are of one node: connect to it, or use `show nodes` in the console")
        .args(&[string("command").optional().multiple()]),
    row("latency|history", 3, "")
        .since("2.8.13")
        .flags(&[ADMIN, NOSCRIPT, LOADING, STALE])
        .tips(&["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"])
        .refused("figures are of one node: connect to it, or use `show nodes` in the console")
        .args(&[string("event")]),
    row("latency|latest", 2, "")
        .since("2.8.13")
        .flags(&[ADMIN, NOSCRIPT, LOADING, STALE])
        .tips(&["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"])
        .refused("figures are of one node: connect to it, or use `show nodes` in the console"),
    row("latency|reset", -2, "")
        .since("2.8.13")
        .flags(&[ADMIN, NOSCRIPT, LOADING, STALE])
        .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"])
        .refused("figures are of one node: connect to it, or use `show nodes` in the console")
        .args(&[string("event").optional().multiple()]),
];

const MEMORY_SUBCOMMANDS: &[Row] = &[
    row("memory|doctor", 2, "")
        .since("4.0.0")
        .tips(&["nondeterministic_output", "request_policy:all_shards", "response_policy:special"])
        .refused("figures are of one node: connect to it, or use `show nodes` in the console"),
    row("memory|help", 2, "")
        .since("4.0.0")
        .flags(&[LOADING, STALE])
        .refused("figures are of one node: connect to it, or use `show nodes` in the console"),
    row("memory|malloc-stats", 2, "")
        .since("4.0.0")
        .complexity("")
        .tips(&["nondeterministic_output", "request_policy:all_shards", "response_policy:special"])
        .refused("figures are of one node: connect to it, or use `show nodes` in the console"),
    row("memory|purge", 2, "")
        .since("4.0.0")
        .complexity("")
        .tips(&["request_policy:all_shards", "response_policy:all_succeeded"])
        .refused("figures are of one node: connect to it, or use `show nodes` in the console"),
    row("memory|stats", 2, "")
        .since("4.0.0")
        .tips(&["nondeterministic_output", "request_policy:all_shards", "response_policy:special"])
        .refused("figures are of one node: connect to it, or use `show nodes` in the console"),
    row("memory|usage", -3, "")
        .since("4.0.0")
        .complexity("")
        .flags(&[READONLY])
        .keys(&[at(2, &[RO])])
        .args(&[key("key", 0), integer("count").after("SAMPLES").optional()]),
];

const MODULE_SUBCOMMANDS: &[Row] = &[
    row("module|help", 2, "")
        .since("5.0.0")
        .flags(&[LOADING, STALE])
        .refused("modules are loaded into one node: connect to it"),
    row("module|list", 2, "")
        .since("4.0.0")
        .complexity("")
        .flags(&[ADMIN, NOSCRIPT])
        .tips(&["nondeterministic_output_order"])
        .refused("modules are loaded into one node: connect to it"),
    row("module|load", -3, "")
        .since("4.0.0")
        .flags(&[ADMIN, NOSCRIPT, NO_ASYNC_LOADING])
        .refused("modules are loaded into one node: connect to it")
        .args(&[string("path"), string("arg").optional().multiple()]),
    row("module|loadex", -3, "")
        .since("7.0.0")
        .flags(&[ADMIN, NOSCRIPT, NO_ASYNC_LOADING])
        .refused("modules are loaded into one node: connect to it")
        .args(&[
            string("path"),
            block("configs", &[string("name"), string("value")]).after("CONFIG").optional().multiple_token(),
            block("args", &[string("arg")]).after("ARGS").optional().multiple(),
        ]),
    row("module|unload", 3, "")
        .since("4.0.0")
        .flags(&[ADMIN, NOSCRIPT, NO_ASYNC_LOADING])
        .refused("modules are loaded into one node: connect to it")
        .args(&[string("name")]),
];

const SLOWLOG_SUBCOMMANDS: &[Row] = &[
    row("slowlog|get", -2, "")
        .since("2.2.12")
        .complexity("")
        .flags(&[ADMIN, LOADING, STALE])
        .tips(&["request_policy:all_nodes", "nondeterministic_output"])
        .refused("figures are of one node: connect to it, or use `show nodes` in the console")
        .args(&[integer("count").optional()]),
    row("slowlog|help", 2, "")
        .since("6.2.0")
        .flags(&[LOADING, STALE])
        .refused("figures are of one node: connect to it, or use `show nodes` in the console"),
    row("slowlog|len", 2, "")
        .since("2.2.12")
        .flags(&[ADMIN, LOADING, STALE])
        .tips(&["request_policy:all_nodes", "response_policy:agg_sum", "nondeterministic_output"])
        .refused("figures are of one node: connect to it, or use `show nodes` in the console"),
    row("slowlog|reset", 2, "")
        .since("2.2.12")
        .complexity("")
        .flags(&[ADMIN, LOADING, STALE])
        .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"])
        .refused("figures are of one node: connect to it, or use `show nodes` in the console"),
];
