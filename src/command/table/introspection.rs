//! What a server says about itself: commands, configuration, latency, memory, slow log.

use super::words::*;

const fn row(name: &'static str, arity: i16, summary: &'static str) -> Row {
    command(Group::Server, name, arity, summary)
}

pub(super) const COMMANDS: &[Row] = &[
    row("command", -1, "All commands the server has.")
        .since("2.8.13")
        .complexity("O(N), N the commands")
        .flags(&[LOADING, STALE])
        .acl(&[Acl::CONNECTION])
        .tips(&["nondeterministic_output_order"])
        .route(Route::Local)
        .subcommands(COMMAND_SUBCOMMANDS),
    row("config", -2, "Settings of the server.")
        .since("2.0.0")
        .complexity("that of the subcommand")
        .route(Route::Local)
        .subcommands(CONFIG_SUBCOMMANDS),
    row("latency", -2, "What has been slow.")
        .since("2.8.13")
        .complexity("that of the subcommand")
        .route(Route::Local)
        .subcommands(LATENCY_SUBCOMMANDS),
    row("memory", -2, "What memory is used for.")
        .since("4.0.0")
        .complexity("that of the subcommand")
        .route(Route::Local)
        .subcommands(MEMORY_SUBCOMMANDS),
    row("module", -2, "Loadable modules.")
        .since("4.0.0")
        .complexity("that of the subcommand")
        .route(Route::Local)
        .subcommands(MODULE_SUBCOMMANDS),
    row("slowlog", -2, "Commands that took long.")
        .since("2.2.12")
        .complexity("that of the subcommand")
        .route(Route::Local)
        .subcommands(SLOWLOG_SUBCOMMANDS),
];

const COMMAND_SUBCOMMANDS: &[Row] = &[
    row("command|count", 2, "Number of commands.")
        .since("2.8.13")
        .flags(&[LOADING, STALE])
        .acl(&[Acl::CONNECTION])
        .route(Route::Local),
    row("command|docs", -2, "Documentation of commands.")
        .since("7.0.0")
        .complexity("O(N), N the commands asked for")
        .flags(&[LOADING, STALE])
        .acl(&[Acl::CONNECTION])
        .tips(&["nondeterministic_output_order"])
        .route(Route::Local)
        .args(&[string("command-name").optional().multiple()]),
    row("command|getkeys", -4, "Which arguments of a command are keys.")
        .since("2.8.13")
        .complexity("O(N), N the arguments")
        .flags(&[LOADING, STALE])
        .acl(&[Acl::CONNECTION])
        .route(Route::Local),
    row("command|getkeysandflags", -4, "Which arguments of a command are keys, and what happens to them.")
        .since("7.0.0")
        .complexity("O(N), N the arguments")
        .flags(&[LOADING, STALE])
        .acl(&[Acl::CONNECTION])
        .route(Route::Local),
    row("command|help", 2, "List the subcommands of COMMAND.")
        .since("5.0.0")
        .flags(&[LOADING, STALE])
        .acl(&[Acl::CONNECTION])
        .route(Route::Local),
    row("command|info", -2, "Properties of commands.")
        .since("2.8.13")
        .complexity("O(N), N the commands asked for")
        .flags(&[LOADING, STALE])
        .acl(&[Acl::CONNECTION])
        .tips(&["nondeterministic_output_order"])
        .route(Route::Local)
        .args(&[string("command-name").optional().multiple()]),
    row("command|list", -2, "Names of commands.")
        .since("7.0.0")
        .complexity("O(N), N the commands")
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
    row("config|get", -3, "Settings whose names match patterns.")
        .since("2.0.0")
        .complexity("O(N), N the settings")
        .flags(&[ADMIN, NOSCRIPT, LOADING, STALE])
        .route(Route::Servers(Servers::Settings))
        .args(&[block("parameter", &[string("parameter")]).multiple()]),
    row("config|help", 2, "List the subcommands of CONFIG.")
        .since("5.0.0")
        .flags(&[LOADING, STALE])
        .route(Route::Local),
    row("config|resetstat", 2, "Begin counting anew what INFO shows.")
        .since("2.0.0")
        .flags(&[ADMIN, NOSCRIPT, LOADING, STALE])
        .route(Route::Servers(Servers::Succeeded)),
    row("config|rewrite", 2, "Write the settings in force to the configuration file.")
        .since("2.8.0")
        .flags(&[ADMIN, NOSCRIPT, LOADING, STALE])
        .route(Route::Servers(Servers::Succeeded)),
    row("config|set", -4, "Change settings.")
        .since("2.0.0")
        .complexity("O(N), N the settings")
        .flags(&[ADMIN, NOSCRIPT, LOADING, STALE])
        .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"])
        .route(Route::Servers(Servers::Set))
        .args(&[block("parameter_value", &[string("parameter"), string("value")]).multiple()]),
];

const LATENCY_SUBCOMMANDS: &[Row] = &[
    row("latency|doctor", 2, "Advice about latency.")
        .since("2.8.13")
        .flags(&[ADMIN, NOSCRIPT, LOADING, STALE])
        .tips(&["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"])
        .route(Route::Servers(Servers::Texts)),
    row("latency|graph", 3, "A drawing of the spikes of an event.")
        .since("2.8.13")
        .flags(&[ADMIN, NOSCRIPT, LOADING, STALE])
        .tips(&["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"])
        .route(Route::Servers(Servers::Texts))
        .args(&[string("event")]),
    row("latency|help", 2, "List the subcommands of LATENCY.")
        .since("2.8.13")
        .flags(&[LOADING, STALE])
        .route(Route::Local),
    row("latency|histogram", -2, "Distribution of the time commands took.")
        .since("7.0.0")
        .complexity("O(N), N the commands with samples")
        .flags(&[ADMIN, NOSCRIPT, LOADING, STALE])
        .tips(&["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"])
        .route(Route::Servers(Servers::Histograms))
        .args(&[string("command").optional().multiple()]),
    row("latency|history", 3, "Spikes of an event over time.")
        .since("2.8.13")
        .flags(&[ADMIN, NOSCRIPT, LOADING, STALE])
        .tips(&["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"])
        .route(Route::Servers(Servers::History))
        .args(&[string("event")]),
    row("latency|latest", 2, "The last spike of each event.")
        .since("2.8.13")
        .flags(&[ADMIN, NOSCRIPT, LOADING, STALE])
        .tips(&["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"])
        .route(Route::Servers(Servers::Latest)),
    row("latency|reset", -2, "Forget the spikes of events.")
        .since("2.8.13")
        .flags(&[ADMIN, NOSCRIPT, LOADING, STALE])
        .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"])
        .route(Route::Servers(Servers::Sum))
        .args(&[string("event").optional().multiple()]),
];

const MEMORY_SUBCOMMANDS: &[Row] = &[
    row("memory|doctor", 2, "Advice about memory.")
        .since("4.0.0")
        .tips(&["nondeterministic_output", "request_policy:all_shards", "response_policy:special"])
        .route(Route::Servers(Servers::Texts)),
    row("memory|help", 2, "List the subcommands of MEMORY.")
        .since("4.0.0")
        .flags(&[LOADING, STALE])
        .route(Route::Local),
    row("memory|malloc-stats", 2, "Figures of the allocator.")
        .since("4.0.0")
        .complexity("O(N), N the allocated memory")
        .tips(&["nondeterministic_output", "request_policy:all_shards", "response_policy:special"])
        .route(Route::Servers(Servers::Texts)),
    row("memory|purge", 2, "Give unused memory back to the system.")
        .since("4.0.0")
        .complexity("O(N), N the allocated memory")
        .tips(&["request_policy:all_shards", "response_policy:all_succeeded"])
        .route(Route::Servers(Servers::Succeeded)),
    row("memory|stats", 2, "Memory by purpose.")
        .since("4.0.0")
        .tips(&["nondeterministic_output", "request_policy:all_shards", "response_policy:special"])
        .route(Route::Servers(Servers::Memory)),
    row("memory|usage", -3, "Bytes that a key and its value take.")
        .since("4.0.0")
        .complexity("O(N), N the samples")
        .flags(&[READONLY])
        .keys(&[at(2, &[RO])])
        .args(&[key("key", 0), integer("count").after("SAMPLES").optional()]),
];

const MODULE_SUBCOMMANDS: &[Row] = &[
    row("module|help", 2, "List the subcommands of MODULE.")
        .since("5.0.0")
        .flags(&[LOADING, STALE])
        .route(Route::Local),
    row("module|list", 2, "The loaded modules.")
        .since("4.0.0")
        .complexity("O(N), N the modules")
        .flags(&[ADMIN, NOSCRIPT])
        .tips(&["nondeterministic_output_order"])
        .route(Route::Servers(Servers::Same)),
    row("module|load", -3, "Load a module from a file.")
        .since("4.0.0")
        .flags(&[ADMIN, NOSCRIPT, NO_ASYNC_LOADING])
        .refused(reason::MODULES)
        .args(&[string("path"), string("arg").optional().multiple()]),
    row("module|loadex", -3, "Load a module from a file, with settings.")
        .since("7.0.0")
        .flags(&[ADMIN, NOSCRIPT, NO_ASYNC_LOADING])
        .refused(reason::MODULES)
        .args(&[
            string("path"),
            block("configs", &[string("name"), string("value")]).after("CONFIG").optional().multiple_token(),
            block("args", &[string("arg")]).after("ARGS").optional().multiple(),
        ]),
    row("module|unload", 3, "Unload a module by its name.")
        .since("4.0.0")
        .flags(&[ADMIN, NOSCRIPT, NO_ASYNC_LOADING])
        .refused(reason::MODULES)
        .args(&[string("name")]),
];

const SLOWLOG_SUBCOMMANDS: &[Row] = &[
    row("slowlog|get", -2, "Entries of the slow log, newest first.")
        .since("2.2.12")
        .complexity("O(N), N the entries returned")
        .flags(&[ADMIN, LOADING, STALE])
        .tips(&["request_policy:all_nodes", "nondeterministic_output"])
        .route(Route::Servers(Servers::SlowLog))
        .args(&[integer("count").optional()]),
    row("slowlog|help", 2, "List the subcommands of SLOWLOG.")
        .since("6.2.0")
        .flags(&[LOADING, STALE])
        .route(Route::Local),
    row("slowlog|len", 2, "Number of entries of the slow log.")
        .since("2.2.12")
        .flags(&[ADMIN, LOADING, STALE])
        .tips(&["request_policy:all_nodes", "response_policy:agg_sum", "nondeterministic_output"])
        .route(Route::Servers(Servers::Sum)),
    row("slowlog|reset", 2, "Forget all entries of the slow log.")
        .since("2.2.12")
        .complexity("O(N), N the entries")
        .flags(&[ADMIN, LOADING, STALE])
        .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"])
        .route(Route::Servers(Servers::Succeeded)),
];
