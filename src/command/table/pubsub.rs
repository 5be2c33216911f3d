//! Channels.

use super::words::*;

const fn row(name: &'static str, arity: i16, summary: &'static str) -> Row {
    command(Group::Pubsub, name, arity, summary)
}

pub(super) const COMMANDS: &[Row] = &[
    row("psubscribe", -2, "").since("2.0.0").complexity("").flags(&[PUBSUB, NOSCRIPT, LOADING, STALE]).refused("proxies do not carry subscriptions yet").args(&[block("pattern", &[pattern("pattern")]).multiple()]),
    row("publish", 3, "").since("2.0.0").complexity("").flags(&[PUBSUB, LOADING, STALE, FAST]).refused("proxies do not carry subscriptions yet, so a message would reach only those connected to one node").args(&[string("channel"), string("message")]),
    row("pubsub", -2, "").since("2.8.0").complexity("").refused("proxies do not carry subscriptions yet, so a message would reach only those connected to one node").subcommands(PUBSUB_SUBCOMMANDS),
    row("punsubscribe", -1, "").since("2.0.0").complexity("").flags(&[PUBSUB, NOSCRIPT, LOADING, STALE]).refused("proxies do not carry subscriptions yet").args(&[pattern("pattern").optional().multiple()]),
    row("spublish", 3, "").since("7.0.0").complexity("").flags(&[PUBSUB, LOADING, STALE, FAST]).keys(&[at(1, &[NOT_KEY])]).refused("proxies do not carry subscriptions yet, so a message would reach only those connected to one node").args(&[string("shardchannel"), string("message")]),
    row("ssubscribe", -2, "").since("7.0.0").complexity("").flags(&[PUBSUB, NOSCRIPT, LOADING, STALE]).keys(&[range(1, -1, 1, &[NOT_KEY])]).refused("proxies do not carry subscriptions yet").args(&[string("shardchannel").multiple()]),
    row("subscribe", -2, "").since("2.0.0").complexity("").flags(&[PUBSUB, NOSCRIPT, LOADING, STALE]).refused("proxies do not carry subscriptions yet").args(&[string("channel").multiple()]),
    row("sunsubscribe", -1, "").since("7.0.0").complexity("").flags(&[PUBSUB, NOSCRIPT, LOADING, STALE]).keys(&[range(1, -1, 1, &[NOT_KEY])]).refused("proxies do not carry subscriptions yet").args(&[string("shardchannel").optional().multiple()]),
    row("unsubscribe", -1, "").since("2.0.0").complexity("").flags(&[PUBSUB, NOSCRIPT, LOADING, STALE]).refused("proxies do not carry subscriptions yet").args(&[string("channel").optional().multiple()]),
];

const PUBSUB_SUBCOMMANDS: &[Row] = &[
    row("pubsub|channels", -2, "").since("2.8.0").complexity("").flags(&[PUBSUB, LOADING, STALE]).refused("proxies do not carry subscriptions yet, so a message would reach only those connected to one node").args(&[pattern("pattern").optional()]),
    row("pubsub|help", 2, "").since("6.2.0").flags(&[LOADING, STALE]).refused("proxies do not carry subscriptions yet, so a message would reach only those connected to one node"),
    row("pubsub|numpat", 2, "").since("2.8.0").flags(&[PUBSUB, LOADING, STALE]).refused("proxies do not carry subscriptions yet, so a message would reach only those connected to one node"),
    row("pubsub|numsub", -2, "").since("2.8.0").complexity("").flags(&[PUBSUB, LOADING, STALE]).refused("proxies do not carry subscriptions yet, so a message would reach only those connected to one node").args(&[string("channel").optional().multiple()]),
    row("pubsub|shardchannels", -2, "").since("7.0.0").complexity("").flags(&[PUBSUB, LOADING, STALE]).refused("proxies do not carry subscriptions yet, so a message would reach only those connected to one node").args(&[pattern("pattern").optional()]),
    row("pubsub|shardnumsub", -2, "").since("7.0.0").complexity("").flags(&[PUBSUB, LOADING, STALE]).refused("proxies do not carry subscriptions yet, so a message would reach only those connected to one node").args(&[string("shardchannel").optional().multiple()]),
];
