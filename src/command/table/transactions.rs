//! Transactions.

use super::words::*;

const fn row(name: &'static str, arity: i16, summary: &'static str) -> Row {
    command(Group::Transactions, name, arity, summary).acl(&[Acl::TRANSACTION])
}

pub(super) const COMMANDS: &[Row] = &[
    row("discard", 1, "Drop the queued commands and end the transaction.")
        .since("2.0.0")
        .complexity("O(N), N the queued commands")
        .flags(&[NOSCRIPT, LOADING, STALE, FAST, ALLOW_BUSY])
        .route(Route::Transaction),
    row("exec", 1, "Run the queued commands, if no watched key has changed.")
        .since("1.2.0")
        .complexity("that of the queued commands")
        .flags(&[NOSCRIPT, LOADING, STALE, SKIP_SLOWLOG])
        .route(Route::Transaction),
    row("multi", 1, "Queue the commands that follow until EXEC.")
        .since("1.2.0")
        .flags(&[NOSCRIPT, LOADING, STALE, FAST, ALLOW_BUSY])
        .route(Route::Transaction),
    row("unwatch", 1, "Watch no keys any more.")
        .since("2.2.0")
        .flags(&[NOSCRIPT, LOADING, STALE, FAST, ALLOW_BUSY])
        .route(Route::Transaction),
    row("watch", -2, "Let the next EXEC fail if one of the keys changes before.")
        .since("2.2.0")
        .complexity("O(N), N the keys")
        .flags(&[NOSCRIPT, LOADING, STALE, FAST, ALLOW_BUSY])
        .keys(&[range(1, -1, 1, &[RO])])
        .route(Route::Transaction)
        .args(&[key("key", 0).multiple()]),
];
