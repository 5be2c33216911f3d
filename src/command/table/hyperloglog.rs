//! Estimates of how many distinct elements were seen.

use super::words::*;

const fn row(name: &'static str, arity: i16, summary: &'static str) -> Row {
    command(Group::Hyperloglog, name, arity, summary).acl(&[Acl::HYPERLOGLOG])
}

pub(super) const COMMANDS: &[Row] = &[
    row("pfadd", -2, "Count elements into an estimate of how many distinct ones there are.")
        .since("2.8.9")
        .complexity("O(N), N the elements")
        .flags(&[WRITE, DENYOOM, FAST])
        .keys(&[at(1, &[RW, INSERT])])
        .args(&[key("key", 0), string("element").optional().multiple()]),
    row("pfcount", -2, "Estimated number of distinct elements, of several keys together.")
        .since("2.8.9")
        .complexity("O(1) for one key, O(N) for N keys")
        .flags(&[READONLY])
        .keys(&[range(1, -1, 1, &[RW, ACCESS]).notes("RW: counting may store the new estimate")])
        .route(Route::Combined(Combine::HyperLogLogs))
        .args(&[key("key", 0).multiple()]),
    row("pfdebug", 3, "Look inside an estimate.")
        .since("2.8.9")
        .complexity("O(N), N the registers")
        .flags(&[WRITE, DENYOOM, ADMIN])
        .keys(&[at(2, &[RW, ACCESS])])
        .internal()
        .args(&[string("subcommand"), key("key", 0)]),
    row("pfmerge", -2, "Combine estimates into one.")
        .since("2.8.9")
        .complexity("O(N), N the keys")
        .flags(&[WRITE, DENYOOM])
        .keys(&[at(1, &[RW, ACCESS, INSERT]), range(2, -1, 1, &[RO, ACCESS])])
        .args(&[key("destkey", 0), key("sourcekey", 1).multiple()]),
    row("pfselftest", 1, "Test the estimator of the server.")
        .since("2.8.9")
        .complexity("O(N), N the registers")
        .flags(&[ADMIN])
        .route(Route::OneNode)
        .internal(),
];
