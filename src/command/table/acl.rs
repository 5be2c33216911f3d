//! Access control lists.

use super::words::*;

const fn row(name: &'static str, arity: i16, summary: &'static str) -> Row {
    command(Group::Server, name, arity, summary)
}

pub(super) const COMMANDS: &[Row] = &[row("acl", -2, "")
    .since("6.0.0")
    .complexity("")
    .refused("users and rules are each daemon's own: connect to the node")
    .subcommands(ACL_SUBCOMMANDS)];

const ACL_SUBCOMMANDS: &[Row] = &[
    row("acl|cat", -2, "")
        .since("6.0.0")
        .complexity("")
        .flags(&[NOSCRIPT, LOADING, STALE])
        .refused("users and rules are each daemon's own: connect to the node")
        .args(&[string("categoryname").optional()]),
    row("acl|deluser", -3, "")
        .since("6.0.0")
        .complexity("")
        .flags(&[ADMIN, NOSCRIPT, LOADING, STALE])
        .refused("users and rules are each daemon's own: connect to the node")
        .args(&[string("username").multiple()]),
    row("acl|dryrun", -4, "")
        .since("7.0.0")
        .complexity("")
        .flags(&[ADMIN, NOSCRIPT, LOADING, STALE])
        .refused("users and rules are each daemon's own: connect to the node")
        .args(&[string("username"), string("command"), string("arg").optional().multiple()]),
    row("acl|genpass", -2, "")
        .since("6.0.0")
        .flags(&[NOSCRIPT, LOADING, STALE])
        .refused("users and rules are each daemon's own: connect to the node")
        .args(&[integer("bits").optional()]),
    row("acl|getuser", 3, "")
        .since("6.0.0")
        .complexity("")
        .flags(&[ADMIN, NOSCRIPT, LOADING, STALE])
        .refused("users and rules are each daemon's own: connect to the node")
        .args(&[string("username")]),
    row("acl|help", 2, "")
        .since("6.0.0")
        .flags(&[LOADING, STALE])
        .refused("users and rules are each daemon's own: connect to the node"),
    row("acl|list", 2, "")
        .since("6.0.0")
        .complexity("")
        .flags(&[ADMIN, NOSCRIPT, LOADING, STALE])
        .refused("users and rules are each daemon's own: connect to the node"),
    row("acl|load", 2, "")
        .since("6.0.0")
        .complexity("")
        .flags(&[ADMIN, NOSCRIPT, LOADING, STALE])
        .refused("users and rules are each daemon's own: connect to the node"),
    row("acl|log", -2, "")
        .since("6.0.0")
        .complexity("")
        .flags(&[ADMIN, NOSCRIPT, LOADING, STALE])
        .refused("users and rules are each daemon's own: connect to the node")
        .args(&[one_of("operation", &[integer("count"), token("RESET")]).optional()]),
    row("acl|save", 2, "")
        .since("6.0.0")
        .complexity("")
        .flags(&[ADMIN, NOSCRIPT, LOADING, STALE])
        .refused("users and rules are each daemon's own: connect to the node"),
    row("acl|setuser", -3, "")
        .since("6.0.0")
        .complexity("")
        .flags(&[ADMIN, NOSCRIPT, LOADING, STALE])
        .refused("users and rules are each daemon's own: connect to the node")
        .args(&[string("username"), string("rule").optional().multiple()]),
    row("acl|users", 2, "")
        .since("6.0.0")
        .complexity("")
        .flags(&[ADMIN, NOSCRIPT, LOADING, STALE])
        .refused("users and rules are each daemon's own: connect to the node"),
    row("acl|whoami", 2, "")
        .since("6.0.0")
        .flags(&[NOSCRIPT, LOADING, STALE])
        .refused("users and rules are each daemon's own: connect to the node"),
];
