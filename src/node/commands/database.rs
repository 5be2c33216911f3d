//! Whole databases.

use super::support::{Outcome, int_or, is_word};
use crate::{
    node::context::{CommandError, Context, Handler},
    protocol::Request,
};

pub(super) const HANDLERS: &[(&str, Handler)] =
    &[("dbsize", dbsize), ("flushall", flushall), ("flushdb", flushdb), ("swapdb", swapdb)];

fn dbsize(ctx: &mut Context<'_>, _: Request<'_>) -> Outcome {
    let keys = ctx.db().len() as i64;
    ctx.reply.integer(keys);
    Ok(())
}

/// ASYNC and SYNC say how memory is freed. Both are fine with what is done here: nobody waits for it.
fn check_mode(request: Request<'_>) -> Outcome {
    match (request.len(), request.get(1)) {
        (1, _) => Ok(()),
        (2, Some(word)) if is_word(word, "ASYNC") || is_word(word, "SYNC") => Ok(()),
        _ => Err(CommandError::Syntax),
    }
}

fn flushdb(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    check_mode(request)?;
    ctx.store.touch_watched(ctx.caller.database, None, ctx.node, ctx.now);
    ctx.store.tell_flushed(ctx.node, ctx.now);
    ctx.store.blocked.touch_all();
    let garbage = ctx.db().clear();
    ctx.node.freer.free(garbage);
    ctx.tell_as_it_is(request);
    ctx.reply.ok();
    Ok(())
}

fn flushall(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    check_mode(request)?;
    for database in 0..ctx.store.keyspace.databases() {
        ctx.store.touch_watched(database, None, ctx.node, ctx.now);
    }
    ctx.store.tell_flushed(ctx.node, ctx.now);
    ctx.store.blocked.touch_all();
    ctx.node.freer.free(ctx.store.keyspace.clear());
    ctx.tell_as_it_is(request);
    ctx.reply.ok();
    Ok(())
}

fn swapdb(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let first = int_or(request.arg(1), "ERR invalid first DB index")?;
    let second = int_or(request.arg(2), "ERR invalid second DB index")?;
    let existing =
        |number: i32| usize::try_from(number).ok().filter(|&index| index < ctx.store.keyspace.databases());
    let (Some(first), Some(second)) = (existing(first), existing(second)) else {
        return Err(CommandError::other("ERR DB index is out of range"));
    };
    ctx.store.touch_watched(first, Some(second), ctx.node, ctx.now);
    ctx.store.touch_watched(second, Some(first), ctx.node, ctx.now);
    // What happened until now happened under the old numbers.
    ctx.store.note_changes(ctx.node, ctx.now);
    ctx.store.tell_gone(ctx.node);
    ctx.store.keyspace.swap(first, second);
    ctx.store.keyspace.count_changes(1);
    ctx.store.blocked.touch_all();
    ctx.reply.ok();
    Ok(())
}
