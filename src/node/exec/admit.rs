//! Who may run what now, in the order and with the words of Redis.

use crate::{
    acl::{
        Denied,
        log::{Entry, Place, Reason},
    },
    command::{Flags, Spec},
    connection::{channels, pause},
    node::{
        caller::{Caller, Origin},
        persist::{ENDING, LOADING},
        state::NodeState,
    },
    protocol::{Request, Version},
    time::Millis,
};

/// What is to be done with a command that may run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::node) enum Admission {
    /// Run it.
    Run,
    /// Keep it for `EXEC`.
    Queue,
}

/// Lets a command pass, or says why not.
///
/// # Errors
/// The error to answer, its code first.
#[inline]
pub(in crate::node) fn admit(
    spec: &'static Spec,
    request: &Request<'_>,
    caller: &Caller,
    node: &NodeState,
) -> Result<Admission, String> {
    let is_plain = caller.transaction.is_none() && !caller.subscribed && !caller.monitoring;
    let is_free = !node.persist.is_loading() && !node.persist.is_ending();
    if caller.authenticated && is_plain && is_free && caller.user.check(spec, request).is_ok() {
        return Ok(Admission::Run);
    }
    admit_with_care(spec, request, caller, node)
}

#[cold]
fn admit_with_care(
    spec: &'static Spec,
    request: &Request<'_>,
    caller: &Caller,
    node: &NodeState,
) -> Result<Admission, String> {
    let in_transaction = caller.transaction.is_some();
    if !caller.authenticated && node.acl.login_required() && !spec.flags.has(Flags::NO_AUTH) {
        return Err("NOAUTH Authentication required.".into());
    }
    if in_transaction && spec.flags.has(Flags::NO_MULTI) {
        return Err("ERR Command not allowed inside a transaction".into());
    }
    if let Err(denied) = caller.user.check(spec, request) {
        let place = if in_transaction { Place::Multi } else { Place::Toplevel };
        note_denied(denied, place, spec, request, caller, node);
        return Err(denied.text(spec.name));
    }
    if caller.subscribed
        && caller.version == Version::Resp2
        && let Some(refusal) = channels::refusal(spec)
    {
        return Err(refusal);
    }
    let touches = spec.flags.has_any(Flags::of(&[Flags::WRITE, Flags::READONLY])) || pause::may_change(spec);
    if caller.monitoring && touches {
        return Err("ERR Replica can't interact with the keyspace".into());
    }
    if node.persist.is_loading() && !spec.flags.has(Flags::LOADING) {
        return Err(LOADING.into());
    }
    if node.persist.is_ending() && spec.flags.has_any(Flags::of(&[Flags::WRITE, Flags::ADMIN])) {
        return Err(ENDING.into());
    }
    let queued = in_transaction && !spec.is_never_queued();
    Ok(if queued { Admission::Queue } else { Admission::Run })
}

/// For `ACL LOG`: a client, or its script, was denied something.
#[cold]
pub(in crate::node) fn note_denied(
    denied: Denied,
    place: Place,
    spec: &'static Spec,
    request: &Request<'_>,
    caller: &Caller,
    node: &NodeState,
) {
    if place != Place::Lua {
        // The line of the client has the command that it is in, which this one is.
        caller.client.set_command(spec);
    }
    note(denied.blamed(spec.name, request), place, caller.user.name(), caller, node);
}

/// The same, when a client could not log in with a name.
#[cold]
pub(in crate::node) fn note_login(command: &[u8], user: &[u8], caller: &Caller, node: &NodeState) {
    let in_transaction = caller.transaction.is_some() || caller.origin == Origin::Transaction;
    let place = if in_transaction { Place::Multi } else { Place::Toplevel };
    note((Reason::Auth, command), place, user, caller, node);
}

fn note((reason, object): (Reason, &[u8]), place: Place, user: &[u8], caller: &Caller, node: &NodeState) {
    let at = Millis::now();
    let entry = Entry {
        count: 1,
        reason,
        place,
        object: object.to_vec(),
        user: user.to_vec(),
        at,
        client: caller.client.describe(at),
    };
    node.acl.log().add(entry, node.config.acl_log_most());
}
