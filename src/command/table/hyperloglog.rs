//! Estimates of how many distinct elements were seen.

use super::words::*;

const fn row(name: &'static str, arity: i16, summary: &'static str) -> Row {
    command(Group::Hyperloglog, name, arity, summary).acl(&[Acl::HYPERLOGLOG])
}

pub(super) const COMMANDS: &[Row] = &[
    row("pfadd", -2, "")
        .since("2.8.9")
        .complexity("")
        .flags(&[WRITE, DENYOOM, FAST])
        .keys(&[at(1, &[RW, INSERT])])
        .args(&[key("key", 0), string("element").optional().multiple()]),
    row("pfcount", -2, "")
        .since("2.8.9")
        .complexity("")
        .flags(&[READONLY])
        .keys(&[range(1, -1, 1, &[RW, ACCESS]).notes("RW: counting may store the new estimate")])
        .args(&[key("key", 0).multiple()]),
    row("pfdebug", 3, "")
        .since("2.8.9")
        .complexity("")
        .flags(&[WRITE, DENYOOM, ADMIN])
        .keys(&[at(2, &[RW, ACCESS])])
        .internal()
        .args(&[string("subcommand"), key("key", 0)]),
    row("pfmerge", -2, "")
        .since("2.8.9")
        .complexity("")
        .flags(&[WRITE, DENYOOM])
        .keys(&[at(1, &[RW, ACCESS, INSERT]), range(2, -1, 1, &[RO, ACCESS])])
        .args(&[key("destkey", 0), key("sourcekey", 1).multiple()]),
    row("pfselftest", 1, "")
        .since("2.8.9")
        .complexity("")
        .flags(&[ADMIN])
        .refused("it is a self test of one node: connect to it")
        .internal(),
];
