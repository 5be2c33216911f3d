//! Transactions.

use super::words::*;

const fn row(name: &'static str, arity: i16, summary: &'static str) -> Row {
    command(Group::Transactions, name, arity, summary).acl(&[Acl::TRANSACTION])
}

pub(super) const COMMANDS: &[Row] = &[
    row("discard", 1, "")
        .since("2.0.0")
        .complexity("")
        .flags(&[NOSCRIPT, LOADING, STALE, FAST, ALLOW_BUSY])
        .refused("proxies do not keep transactions yet"),
    row("exec", 1, "")
        .since("1.2.0")
        .complexity("")
        .flags(&[NOSCRIPT, LOADING, STALE, SKIP_SLOWLOG])
        .refused("proxies do not keep transactions yet"),
    row("multi", 1, "")
        .since("1.2.0")
        .flags(&[NOSCRIPT, LOADING, STALE, FAST, ALLOW_BUSY])
        .refused("proxies do not keep transactions yet"),
    row("unwatch", 1, "")
        .since("2.2.0")
        .flags(&[NOSCRIPT, LOADING, STALE, FAST, ALLOW_BUSY])
        .refused("proxies do not keep transactions yet"),
    row("watch", -2, "")
        .since("2.2.0")
        .complexity("")
        .flags(&[NOSCRIPT, LOADING, STALE, FAST, ALLOW_BUSY])
        .keys(&[range(1, -1, 1, &[RO])])
        .refused("proxies do not keep transactions yet")
        .args(&[key("key", 0).multiple()]),
];
