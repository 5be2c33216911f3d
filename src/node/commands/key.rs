//! Keys as such: presence, type, names.

use super::support::Outcome;
use crate::{
    node::context::{Context, Handler},
    protocol::Request,
};

pub(super) const HANDLERS: &[(&str, Handler)] =
    &[("del", del), ("exists", exists), ("touch", touch), ("unlink", del)];

/// DEL, and UNLINK too: a record is one block, freeing it takes no longer for a large value than for a small one.
fn del(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let now = ctx.now;
    let mut removed = 0;
    for index in 1..request.len() {
        let key = ctx.key(request, index);
        removed += i64::from(ctx.db().remove(key, now).is_some());
    }
    ctx.reply.integer(removed);
    Ok(())
}

fn exists(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let access = ctx.access();
    let mut found = 0;
    for index in 1..request.len() {
        let key = ctx.key(request, index);
        found += i64::from(ctx.db().peek(key, access).is_some());
    }
    ctx.reply.integer(found);
    Ok(())
}

/// Looking is using, also for a client that does not want it otherwise.
fn touch(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let access = ctx.keyspace.access(ctx.now, true);
    let mut found = 0;
    for index in 1..request.len() {
        let key = ctx.key(request, index);
        found += i64::from(ctx.db().read(key, access).is_some());
    }
    ctx.reply.integer(found);
    Ok(())
}
