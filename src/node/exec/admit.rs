//! Who may run what now, in the order and with the words of Redis.

use crate::{
    command::{Flags, Spec},
    node::{caller::Caller, state::NodeState},
};

/// Lets a command pass, or says why not.
///
/// # Errors
/// The error to answer, its code first.
pub(super) fn admit(spec: &'static Spec, caller: &Caller, node: &NodeState) -> Result<(), String> {
    if caller.authenticated && caller.user.may_do_all() {
        return Ok(());
    }
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
