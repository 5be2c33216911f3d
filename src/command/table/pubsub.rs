//! Channels.

use super::words::*;

const fn row(name: &'static str, arity: i16, summary: &'static str) -> Row {
    command(Group::Pubsub, name, arity, summary)
}

pub(super) const COMMANDS: &[Row] = &[
    row("psubscribe", -2, "Receive messages of channels that match patterns.")
        .since("2.0.0")
        .complexity("O(N), N the patterns")
        .flags(&[PUBSUB, NOSCRIPT, LOADING, STALE])
        .route(Route::Channels)
        .args(&[block("pattern", &[pattern("pattern")]).multiple()]),
    row("publish", 3, "Send a message to a channel.")
        .since("2.0.0")
        .complexity("O(N+M), N the subscribers of the channel, M all patterns")
        .flags(&[PUBSUB, LOADING, STALE, FAST])
        .route(Route::Channels)
        .args(&[string("channel"), string("message")]),
    row("pubsub", -2, "What is known about channels.")
        .since("2.8.0")
        .complexity("that of the subcommand")
        .route(Route::Channels)
        .subcommands(PUBSUB_SUBCOMMANDS),
    row("punsubscribe", -1, "Receive no more messages of patterns.")
        .since("2.0.0")
        .complexity("O(N+M), N the patterns of the client, M all patterns")
        .flags(&[PUBSUB, NOSCRIPT, LOADING, STALE])
        .route(Route::Channels)
        .args(&[pattern("pattern").optional().multiple()]),
    row("spublish", 3, "Send a message to a shard channel.")
        .since("7.0.0")
        .complexity("O(N), N the receivers")
        .flags(&[PUBSUB, LOADING, STALE, FAST])
        .keys(&[at(1, &[NOT_KEY])])
        .route(Route::Channels)
        .args(&[string("shardchannel"), string("message")]),
    row("ssubscribe", -2, "Receive messages of shard channels.")
        .since("7.0.0")
        .complexity("O(N), N the channels")
        .flags(&[PUBSUB, NOSCRIPT, LOADING, STALE])
        .keys(&[range(1, -1, 1, &[NOT_KEY])])
        .route(Route::Channels)
        .args(&[string("shardchannel").multiple()]),
    row("subscribe", -2, "Receive messages of channels.")
        .since("2.0.0")
        .complexity("O(N), N the channels")
        .flags(&[PUBSUB, NOSCRIPT, LOADING, STALE])
        .route(Route::Channels)
        .args(&[string("channel").multiple()]),
    row("sunsubscribe", -1, "Receive no more messages of shard channels.")
        .since("7.0.0")
        .complexity("O(N), N the subscribers of the channels")
        .flags(&[PUBSUB, NOSCRIPT, LOADING, STALE])
        .keys(&[range(1, -1, 1, &[NOT_KEY])])
        .route(Route::Channels)
        .args(&[string("shardchannel").optional().multiple()]),
    row("unsubscribe", -1, "Receive no more messages of channels.")
        .since("2.0.0")
        .complexity("O(N), N the subscribers of the channels")
        .flags(&[PUBSUB, NOSCRIPT, LOADING, STALE])
        .route(Route::Channels)
        .args(&[string("channel").optional().multiple()]),
];

const PUBSUB_SUBCOMMANDS: &[Row] = &[
    row("pubsub|channels", -2, "Channels that have subscribers.")
        .since("2.8.0")
        .complexity("O(N), N the channels")
        .flags(&[PUBSUB, LOADING, STALE])
        .route(Route::Channels)
        .args(&[pattern("pattern").optional()]),
    row("pubsub|help", 2, "List the subcommands of PUBSUB.")
        .since("6.2.0")
        .flags(&[LOADING, STALE])
        .route(Route::Local),
    row("pubsub|numpat", 2, "Number of patterns subscribed to.")
        .since("2.8.0")
        .flags(&[PUBSUB, LOADING, STALE])
        .route(Route::Channels),
    row("pubsub|numsub", -2, "Number of subscribers of channels.")
        .since("2.8.0")
        .complexity("O(N), N the channels asked for")
        .flags(&[PUBSUB, LOADING, STALE])
        .route(Route::Channels)
        .args(&[string("channel").optional().multiple()]),
    row("pubsub|shardchannels", -2, "Shard channels that have subscribers.")
        .since("7.0.0")
        .complexity("O(N), N the channels")
        .flags(&[PUBSUB, LOADING, STALE])
        .route(Route::Channels)
        .args(&[pattern("pattern").optional()]),
    row("pubsub|shardnumsub", -2, "Number of subscribers of shard channels.")
        .since("7.0.0")
        .complexity("O(N), N the channels asked for")
        .flags(&[PUBSUB, LOADING, STALE])
        .route(Route::Channels)
        .args(&[string("shardchannel").optional().multiple()]),
];
