//! Who may run what now, in the order and with the words of Redis.

use crate::{
    command::{Flags, Spec},
    node::{caller::Caller, pause, state::NodeState},
    protocol::Version,
};

/// What is to be done with a command that may run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// Run it.
    Run,
    /// Keep it for `EXEC`.
    Queue,
}

/// What a client of RESP2 with subscriptions may run: its connection carries nothing else.
const OF_SUBSCRIBERS: [&str; 9] = [
    "ping",
    "psubscribe",
    "punsubscribe",
    "quit",
    "reset",
    "ssubscribe",
    "subscribe",
    "sunsubscribe",
    "unsubscribe",
];

/// Lets a command pass, or says why not.
///
/// # Errors
/// The error to answer, its code first.
#[inline]
pub(super) fn admit(spec: &'static Spec, caller: &Caller, node: &NodeState) -> Result<Admission, String> {
    let is_plain = caller.transaction.is_none() && !caller.subscribed && !caller.monitoring;
    if caller.authenticated && caller.user.may_do_all() && is_plain {
        return Ok(Admission::Run);
    }
    admit_with_care(spec, caller, node)
}

#[cold]
fn admit_with_care(spec: &'static Spec, caller: &Caller, node: &NodeState) -> Result<Admission, String> {
    let in_transaction = caller.transaction.is_some();
    if !caller.authenticated && node.acl.login_required() && !spec.flags.has(Flags::NO_AUTH) {
        return Err("NOAUTH Authentication required.".into());
    }
    if in_transaction && spec.flags.has(Flags::NO_MULTI) {
        return Err("ERR Command not allowed inside a transaction".into());
    }
    may_run(spec, caller, node)?;
    if caller.subscribed && caller.version == Version::Resp2 && !OF_SUBSCRIBERS.contains(&spec.name) {
        return Err(format!(
            "ERR Can't execute '{}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context",
            spec.name
        ));
    }
    let touches = spec.flags.has_any(Flags::of(&[Flags::WRITE, Flags::READONLY])) || pause::may_change(spec);
    if caller.monitoring && touches {
        return Err("ERR Replica can't interact with the keyspace".into());
    }
    let queued = in_transaction && !spec.is_never_queued();
    Ok(if queued { Admission::Queue } else { Admission::Run })
}

/// Whether the caller's rights allow a command.
///
/// # Errors
/// The error to answer, its code first.
pub(in crate::node) fn may_run(spec: &'static Spec, caller: &Caller, node: &NodeState) -> Result<(), String> {
    if spec.flags.has(Flags::NO_AUTH) {
        return Ok(());
    }
    if !caller.authenticated && node.acl.login_required() {
        return Err("NOAUTH Authentication required.".into());
    }
    if !caller.user.may_run() {
        return Err(format!("NOPERM this user has no permissions to run the '{}' command", spec.name));
    }
    if !caller.user.may_use_keys() && spec.has_keys() {
        return Err("NOPERM this user has no permissions to access one of the keys used as arguments".into());
    }
    Ok(())
}
