//! WAIT and WAITAOF: how many others have what was written. A node has no replicas and no file yet, and none can come while a
//! client waits, so the answer is known at once.

use super::support::{Outcome, integer, positive};
use crate::{
    node::context::{CommandError, Context, Handler},
    protocol::{Request, number},
};

pub(super) const HANDLERS: &[(&str, Handler)] = &[("wait", wait), ("waitaof", waitaof)];

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

fn waitaof(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let files = integer(request.arg(1))?;
    if !(0..=1).contains(&files) {
        return Err(CommandError::other("ERR value is out of range, value must between 0 and 1"));
    }
    positive(request.arg(2))?;
    check_timeout(request.arg(3))?;
    if files > 0 {
        return Err(CommandError::other(
            "ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.",
        ));
    }
    ctx.reply.array(2);
    ctx.reply.integer(0);
    ctx.reply.integer(0);
    Ok(())
}
