//! WAIT: how many others have what was written. A node has no replicas, and none can come while a client waits, so the answer is known
//! at once.

use super::support::{Outcome, integer};
use crate::{
    node::context::{CommandError, Context, Handler},
    protocol::{Request, number},
};

pub(super) const HANDLERS: &[(&str, Handler)] = &[("wait", wait)];

/// Milliseconds, which are only checked.
fn check_timeout(argument: &[u8]) -> Result<(), CommandError> {
    match number::parse_i64(argument) {
        None => Err(CommandError::other("ERR timeout is not an integer or out of range")),
        Some(..0) => Err(CommandError::other("ERR timeout is negative")),
        Some(_) => Ok(()),
    }
}

fn wait(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    integer(request.arg(1))?;
    check_timeout(request.arg(2))?;
    ctx.reply.integer(0);
    Ok(())
}
