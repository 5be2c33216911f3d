//! The append-only file: `BGREWRITEAOF`, and waiting until it lasts.

use std::time::Duration;

use super::support::{Outcome, integer, positive};
use crate::{
    node::{
        aof::{journal::Journal, rewrite},
        caller::Origin,
        context::{CommandError, Context, Flow, Handler},
    },
    protocol::{Args, Request, number},
};

pub(super) const HANDLERS: &[(&str, Handler)] = &[("bgrewriteaof", bgrewriteaof), ("waitaof", waitaof)];

fn bgrewriteaof(ctx: &mut Context<'_>, _: Request<'_>) -> Outcome {
    // A transaction is logged whole, so a base cannot begin in the middle of one; and there is one snapshot at a time.
    if ctx.caller.origin == Origin::Transaction || ctx.node.persist.is_saving() {
        ctx.node.aof.schedule();
        ctx.reply.simple("Background append only file rewriting scheduled");
        return Ok(());
    }
    rewrite::begin(ctx.store, ctx.node).map_err(|error| CommandError::other(error.to_string()))?;
    ctx.reply.simple("Background append only file rewriting started");
    Ok(())
}

/// Milliseconds; 0 is for ever.
fn timeout(argument: &[u8]) -> Result<Option<Duration>, CommandError> {
    match number::parse_i64(argument).map(u64::try_from) {
        None => Err(CommandError::other("ERR timeout is not an integer or out of range")),
        Some(Err(_)) => Err(CommandError::other("ERR timeout is negative")),
        Some(Ok(0)) => Ok(None),
        Some(Ok(millis)) => Ok(Some(Duration::from_millis(millis))),
    }
}

/// There are no replicas, and none can come while a client waits: who asks for some too is answered as soon as the file lasts.
fn waitaof(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let files = integer(request.arg(1))?;
    if !(0..=1).contains(&files) {
        return Err(CommandError::other("ERR value is out of range, value must between 0 and 1"));
    }
    positive(request.arg(2))?;
    let timeout = timeout(request.arg(3))?;
    let journal = ctx.store.journal.as_ref().map(Journal::position);
    if files > 0 && journal.is_none() {
        return Err(CommandError::other(
            "ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.",
        ));
    }
    let position = journal.unwrap_or(0);
    let lasts = journal.is_some() && ctx.node.aof.shared.synced() >= position;
    let may_wait = ctx.caller.origin == Origin::Client && !ctx.caller.answers_all;
    if files > 0 && !lasts && may_wait {
        ctx.flow = Flow::Blocked;
        (ctx.caller.patience, ctx.caller.until_synced) = (timeout, Some(position));
        let (caller, row) = (ctx.caller.waiting(), ctx.row);
        ctx.store.block(caller, row, Args::from(&request), std::iter::empty());
        return Ok(());
    }
    ctx.reply.array(2);
    ctx.reply.integer(i64::from(lasts));
    ctx.reply.integer(0);
    Ok(())
}
