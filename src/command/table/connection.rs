//! The connection itself.

use super::words::*;

const fn row(name: &'static str, arity: i16, summary: &'static str) -> Row {
    command(Group::Connection, name, arity, summary).acl(&[Acl::CONNECTION])
}

pub(super) const COMMANDS: &[Row] = &[
    row("auth", -2, "Log in.")
        .complexity("O(N), N the passwords of the user")
        .flags(&[NOSCRIPT, LOADING, STALE, FAST, NO_AUTH, ALLOW_BUSY])
        .route(Route::Local)
        .args(&[string("username").optional().since("6.0.0"), string("password")]),
    row("client", -2, "Manage connections.")
        .since("2.4.0")
        .complexity("that of the subcommand")
        .acl(&[])
        .route(Route::Local)
        .subcommands(CLIENT_SUBCOMMANDS),
    row("echo", 2, "Answer with the argument.")
        .flags(&[LOADING, STALE, FAST])
        .route(Route::Local)
        .args(&[string("message")]),
    row("hello", -1, "Choose RESP2 or RESP3, and log in.")
        .since("6.0.0")
        .flags(&[NOSCRIPT, LOADING, STALE, FAST, NO_AUTH, ALLOW_BUSY])
        .route(Route::Local)
        .args(&[block(
            "arguments",
            &[
                integer("protover"),
                block("username_password", &[string("username"), string("password")])
                    .after("AUTH")
                    .optional(),
                string("clientname").after("SETNAME").optional(),
            ],
        )
        .optional()]),
    row("ping", -1, "Answer PONG, or with the argument.")
        .flags(&[FAST])
        .tips(&["request_policy:all_shards", "response_policy:all_succeeded"])
        .route(Route::Local)
        .args(&[string("message").optional()]),
    row("quit", -1, "End the connection after its replies are sent.")
        .flags(&[NOSCRIPT, LOADING, STALE, FAST, NO_AUTH, ALLOW_BUSY])
        .route(Route::Local),
    row("reset", 1, "Make the connection as it was when it was new.")
        .since("6.2.0")
        .flags(&[NOSCRIPT, LOADING, STALE, FAST, NO_AUTH, ALLOW_BUSY])
        .route(Route::Local),
    row("select", 2, "Choose the database of this connection.")
        .flags(&[LOADING, STALE, FAST])
        .route(Route::Local)
        .args(&[integer("index")]),
];

const CLIENT_SUBCOMMANDS: &[Row] = &[
    row("client|caching", 3, "Track, or do not track, the keys of the next command.")
        .since("6.0.0")
        .flags(&[NOSCRIPT, LOADING, STALE])
        .route(Route::Local)
        .args(&[one_of("mode", &[token("YES"), token("NO")])]),
    row("client|getname", 2, "Name of this connection.")
        .since("2.6.9")
        .flags(&[NOSCRIPT, LOADING, STALE])
        .route(Route::Local),
    row("client|getredir", 2, "Connection that receives the invalidations of this one.")
        .since("6.0.0")
        .flags(&[NOSCRIPT, LOADING, STALE])
        .route(Route::Local),
    row("client|help", 2, "List the subcommands of CLIENT.")
        .since("5.0.0")
        .flags(&[LOADING, STALE])
        .route(Route::Local),
    row("client|id", 2, "Number of this connection.")
        .since("5.0.0")
        .flags(&[NOSCRIPT, LOADING, STALE])
        .route(Route::Local),
    row("client|info", 2, "Figures of this connection.")
        .since("6.2.0")
        .flags(&[NOSCRIPT, LOADING, STALE])
        .tips(&["nondeterministic_output"])
        .route(Route::Local),
    row("client|kill", -3, "Close connections.")
        .since("2.4.0")
        .complexity("O(N), N the connections")
        .flags(&[ADMIN, NOSCRIPT, LOADING, STALE])
        .route(Route::Local)
        .args(&[one_of(
            "filter",
            &[
                string("ip:port").deprecated_since("2.8.12"),
                one_of(
                    "new-format",
                    &[
                        integer("client-id").after("ID").optional().since("2.8.12"),
                        one_of(
                            "normal_master_slave_pubsub",
                            &[
                                token("NORMAL"),
                                token("MASTER").since("3.2.0"),
                                token("SLAVE"),
                                token("REPLICA").since("5.0.0"),
                                token("PUBSUB"),
                            ],
                        )
                        .after("TYPE")
                        .optional()
                        .since("2.8.12"),
                        string("username").after("USER").optional(),
                        string("ip:port").after("ADDR").optional(),
                        string("ip:port").after("LADDR").optional().since("6.2.0"),
                        string("yes/no").after("SKIPME").optional(),
                    ],
                )
                .multiple(),
            ],
        )]),
    row("client|list", -2, "Figures of all connections.")
        .since("2.4.0")
        .complexity("O(N), N the connections")
        .flags(&[ADMIN, NOSCRIPT, LOADING, STALE])
        .tips(&["nondeterministic_output"])
        .route(Route::Local)
        .args(&[
            one_of(
                "normal_master_replica_pubsub",
                &[token("NORMAL"), token("MASTER"), token("REPLICA"), token("PUBSUB")],
            )
            .after("TYPE")
            .optional()
            .since("5.0.0"),
            block("id", &[integer("client-id").multiple()]).after("ID").optional().since("6.2.0"),
        ]),
    row("client|no-evict", 3, "Keep this connection even when clients take too much memory.")
        .since("7.0.0")
        .flags(&[ADMIN, NOSCRIPT, LOADING, STALE])
        .route(Route::Local)
        .args(&[one_of("enabled", &[token("ON"), token("OFF")])]),
    row("client|pause", -3, "Hold commands of clients for some time.")
        .since("2.9.50")
        .flags(&[ADMIN, NOSCRIPT, LOADING, STALE])
        .route(Route::Local)
        .args(&[
            integer("timeout"),
            one_of("mode", &[token("WRITE"), token("ALL")]).optional().since("6.2.0"),
        ]),
    row("client|reply", 3, "Send no replies to this connection, or send them again.")
        .since("3.2.0")
        .flags(&[NOSCRIPT, LOADING, STALE])
        .route(Route::Local)
        .args(&[one_of("on_off_skip", &[token("ON"), token("OFF"), token("SKIP")])]),
    row("client|setname", 3, "Name this connection.")
        .since("2.6.9")
        .flags(&[NOSCRIPT, LOADING, STALE])
        .route(Route::Local)
        .args(&[string("connection-name")]),
    row("client|tracking", -3, "Be told when keys that were read have changed.")
        .since("6.0.0")
        .complexity("O(N), N the prefixes")
        .flags(&[NOSCRIPT, LOADING, STALE])
        .route(Route::Local)
        .args(&[
            one_of("status", &[token("ON"), token("OFF")]),
            integer("client-id").after("REDIRECT").optional(),
            string("prefix").after("PREFIX").optional().multiple_token(),
            token("BCAST").optional(),
            token("OPTIN").optional(),
            token("OPTOUT").optional(),
            token("NOLOOP").optional(),
        ]),
    row("client|trackinginfo", 2, "What tracking does for this connection.")
        .since("6.2.0")
        .flags(&[NOSCRIPT, LOADING, STALE])
        .route(Route::Local),
    row("client|unblock", -3, "Wake a connection that waits in a blocking command.")
        .since("5.0.0")
        .complexity("O(log(N)), N the connections")
        .flags(&[ADMIN, NOSCRIPT, LOADING, STALE])
        .route(Route::Local)
        .args(&[
            integer("client-id"),
            one_of("timeout_error", &[token("TIMEOUT"), token("ERROR")]).optional(),
        ]),
    row("client|unpause", 2, "Let clients go on after CLIENT PAUSE.")
        .since("6.2.0")
        .complexity("O(N), N the paused clients")
        .flags(&[ADMIN, NOSCRIPT, LOADING, STALE])
        .route(Route::Local),
    row("client|setinfo", 4, "Tell the server name or version of the client library.")
        .since("7.2.0")
        .flags(&[LOADING, STALE, NOSCRIPT])
        .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"])
        .route(Route::Local)
        .args(&[one_of("attr", &[string("libname").after("LIB-NAME"), string("libver").after("LIB-VER")])]),
    row("client|no-touch", 3, "Read keys from here on without refreshing their idle time or frequency.")
        .since("7.2.0")
        .flags(&[LOADING, STALE, NOSCRIPT])
        .route(Route::Local)
        .args(&[one_of("enabled", &[token("ON"), token("OFF")])]),
];
