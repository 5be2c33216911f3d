//! Access control lists.

use super::words::*;

const fn row(name: &'static str, arity: i16, summary: &'static str) -> Row {
    command(Group::Server, name, arity, summary)
}

pub(super) const COMMANDS: &[Row] = &[row("acl", -2, "Users and what they may do.")
    .since("6.0.0")
    .complexity("that of the subcommand")
    .route(Route::Local)
    .subcommands(ACL_SUBCOMMANDS)];

const ACL_SUBCOMMANDS: &[Row] = &[
    row("acl|cat", -2, "Categories, or the commands of one.")
        .since("6.0.0")
        .complexity("O(N), N the categories or commands")
        .flags(&[NOSCRIPT, LOADING, STALE])
        .route(Route::Local)
        .args(&[string("categoryname").optional()]),
    row("acl|deluser", -3, "Delete users and close their connections.")
        .since("6.0.0")
        .complexity("O(N), N the users")
        .flags(&[ADMIN, NOSCRIPT, LOADING, STALE])
        .route(Route::Local)
        .args(&[string("username").multiple()]),
    row("acl|dryrun", -4, "Whether a user might run a command, without running it.")
        .since("7.0.0")
        .flags(&[ADMIN, NOSCRIPT, LOADING, STALE])
        .route(Route::Local)
        .args(&[string("username"), string("command"), string("arg").optional().multiple()]),
    row("acl|genpass", -2, "A random password.")
        .since("6.0.0")
        .flags(&[NOSCRIPT, LOADING, STALE])
        .route(Route::Local)
        .args(&[integer("bits").optional()]),
    row("acl|getuser", 3, "The rules of a user.")
        .since("6.0.0")
        .complexity("O(N), N the rules of the user")
        .flags(&[ADMIN, NOSCRIPT, LOADING, STALE])
        .route(Route::Local)
        .args(&[string("username")]),
    row("acl|help", 2, "List the subcommands of ACL.")
        .since("6.0.0")
        .flags(&[LOADING, STALE])
        .route(Route::Local),
    row("acl|list", 2, "All users as lines of an ACL file.")
        .since("6.0.0")
        .complexity("O(N), N the users")
        .flags(&[ADMIN, NOSCRIPT, LOADING, STALE])
        .route(Route::Local),
    row("acl|load", 2, "Read the ACL file again.")
        .since("6.0.0")
        .complexity("O(N), N the users")
        .flags(&[ADMIN, NOSCRIPT, LOADING, STALE])
        .route(Route::Local),
    row("acl|log", -2, "What was denied lately.")
        .since("6.0.0")
        .complexity("O(N), N the entries returned")
        .flags(&[ADMIN, NOSCRIPT, LOADING, STALE])
        .route(Route::Local)
        .args(&[one_of("operation", &[integer("count"), token("RESET")]).optional()]),
    row("acl|save", 2, "Write the users to the ACL file.")
        .since("6.0.0")
        .complexity("O(N), N the users")
        .flags(&[ADMIN, NOSCRIPT, LOADING, STALE])
        .route(Route::Local),
    row("acl|setuser", -3, "Create or change a user.")
        .since("6.0.0")
        .complexity("O(N), N the rules")
        .flags(&[ADMIN, NOSCRIPT, LOADING, STALE])
        .route(Route::Local)
        .args(&[string("username"), string("rule").optional().multiple()]),
    row("acl|users", 2, "Names of all users.")
        .since("6.0.0")
        .complexity("O(N), N the users")
        .flags(&[ADMIN, NOSCRIPT, LOADING, STALE])
        .route(Route::Local),
    row("acl|whoami", 2, "User of this connection.")
        .since("6.0.0")
        .flags(&[NOSCRIPT, LOADING, STALE])
        .route(Route::Local),
];
