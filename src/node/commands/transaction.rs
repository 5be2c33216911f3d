//! `MULTI`, `EXEC` and `WATCH`. Queueing itself is where batches run, in [`crate::node::exec`].

use std::time::Instant;

use super::{script::run_aside, support::Outcome};
use crate::{
    acl::log::Place,
    node::{
        caller::Origin,
        clients::CHANGED,
        context::{CommandError, Context, Flow, Handler},
        exec::{self, Stage},
        keyspace::Key,
    },
    protocol::Request,
};

pub(super) const HANDLERS: &[(&str, Handler)] =
    &[("discard", discard), ("exec", exec), ("multi", multi), ("unwatch", unwatch), ("watch", watch)];

fn multi(ctx: &mut Context<'_>, _: Request<'_>) -> Outcome {
    if ctx.caller.transaction.is_some() {
        return Err(CommandError::other("ERR MULTI calls can not be nested"));
    }
    ctx.caller.begin_transaction();
    ctx.reply.ok();
    Ok(())
}

fn discard(ctx: &mut Context<'_>, _: Request<'_>) -> Outcome {
    if ctx.caller.transaction.is_none() {
        return Err(CommandError::other("ERR DISCARD without MULTI"));
    }
    ctx.caller.end_transaction(ctx.store);
    ctx.reply.ok();
    Ok(())
}

fn exec(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    if ctx.caller.transaction.is_none() {
        return Err(CommandError::other("ERR EXEC without MULTI"));
    }
    let has_scripts = ctx.caller.transaction.as_ref().is_some_and(|transaction| transaction.has_scripts());
    if has_scripts && run_aside(ctx, request) {
        return Ok(());
    }
    // A watched key whose time has come has changed, although nobody has looked at it since.
    let client = ctx.caller.client.id;
    for (database, key) in ctx.store.watched.of(client) {
        ctx.store.keyspace.db_mut(database).contains(Key::new(&key), ctx.now);
    }
    ctx.store.note_changes(ctx.node, ctx.now);
    let changed = ctx.store.watched.has_changed(client);
    let Some(transaction) = ctx.caller.end_transaction(ctx.store) else { return Ok(()) };
    if transaction.is_aborted() {
        return Err(CommandError::other("EXECABORT Transaction discarded because of previous errors."));
    }
    if changed {
        ctx.reply.null_array();
        return Ok(());
    }
    ctx.reply.array(transaction.len());
    let origin = std::mem::replace(&mut ctx.caller.origin, Origin::Transaction);
    for (row, args) in transaction.into_queue() {
        let request = args.request().expect("what was queued has a name");
        let mut reply = ctx.reply.reborrow();
        reply.set_version(ctx.caller.version);
        // Rights may have been taken away since it was queued.
        if let Err(denied) = ctx.caller.user.check(row.spec, &request) {
            exec::admit::note_denied(denied, Place::Multi, row.spec, &request, ctx.caller, ctx.node);
            let text = denied.text_at_exec();
            ctx.node.stats.command(row.spec).rejected.add(1);
            ctx.node.stats.error(text.as_bytes());
            reply.error(text);
            continue;
        }
        let since = Instant::now();
        let mut stage =
            Stage { store: &mut *ctx.store, caller: &mut *ctx.caller, node: ctx.node, now: ctx.now };
        let flow = exec::call(&mut stage, row, request, None, usize::MAX, reply);
        ctx.node.ran(row.spec, &request, since.elapsed(), ctx.now, &ctx.caller.client);
        ctx.store.show(row.spec, &request, ctx.caller, ctx.node);
        // Whoever waits is served after all of them; whoever listens hears of each.
        ctx.store.note_changes(ctx.node, ctx.now);
        if flow == Flow::Close {
            ctx.flow = flow;
        }
    }
    ctx.caller.origin = origin;
    Ok(())
}

fn watch(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    if ctx.caller.transaction.is_some() {
        return Err(CommandError::other("ERR WATCH inside MULTI is not allowed"));
    }
    for key in request.args_from(1) {
        // What has expired before is not a change to come.
        ctx.store.keyspace.db_mut(ctx.caller.database).contains(Key::new(key), ctx.now);
        ctx.store.note_changes(ctx.node, ctx.now);
        ctx.store.watch(&ctx.caller.client, ctx.caller.database, key);
    }
    ctx.reply.ok();
    Ok(())
}

fn unwatch(ctx: &mut Context<'_>, _: Request<'_>) -> Outcome {
    ctx.store.unwatch(&ctx.caller.client);
    ctx.caller.client.set_flag(CHANGED, false);
    ctx.reply.ok();
    Ok(())
}
