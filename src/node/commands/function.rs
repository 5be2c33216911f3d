//! Functions: libraries of them, and calling them.

use super::{
    help::help as help_lines,
    script::{failed, key_count, not_killed, run_aside, show},
    support::{Outcome, as_c_string, is_word, wrong_subcommand},
};
use crate::{
    node::{
        caller::Origin,
        context::{CommandError, Context, Handler},
        exec::Stage,
        script::{Call, Policy, write_stats},
    },
    protocol::{
        Request, Version,
        glob::{self, Case},
    },
};

pub(super) const HANDLERS: &[(&str, Handler)] = &[
    ("fcall", fcall),
    ("fcall_ro", fcall_ro),
    ("function|delete", delete),
    ("function|dump", dump),
    ("function|flush", flush),
    ("function|help", help),
    ("function|kill", kill),
    ("function|list", list),
    ("function|load", load),
    ("function|restore", restore),
    ("function|stats", stats),
];

fn fcall(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    call(ctx, request, false)
}

fn fcall_ro(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    call(ctx, request, true)
}

fn call(ctx: &mut Context<'_>, request: Request<'_>, read_only: bool) -> Outcome {
    show(ctx, request);
    let name = request.arg(1);
    if !ctx.store.functions.knows(name) {
        return Err(CommandError::other("ERR Function not found"));
    }
    let keys = key_count(request, "ERR Bad number of keys provided")?;
    if !ctx.store.functions.is_quick(name) && run_aside(ctx, request) {
        return Ok(());
    }
    let words: Vec<&[u8]> = request.args_from(3).collect();
    let (keys, arguments) = words.split_at(keys);
    let call = Call { keys, arguments, read_only, request };
    // The function works on the store that keeps it.
    let mut functions = std::mem::take(&mut ctx.store.functions);
    let mut caller = ctx.caller.waiting();
    caller.version = Version::Resp2;
    caller.origin = Origin::Script;
    let stage = Stage { store: &mut *ctx.store, caller: &mut caller, node: ctx.node, now: ctx.now };
    let mut reply = ctx.reply.reborrow();
    let ended = functions.call(name, &call, stage, &mut reply);
    ctx.store.functions = functions;
    // What it selected was for itself.
    ctx.caller.select(ctx.caller.database);
    ctx.caller.client.set_command(ctx.row.spec);
    ended.map_err(failed)
}

fn load(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let last = request.len() - 1;
    let mut replace = false;
    for word in request.args_from(2).take(last - 2) {
        if !is_word(word, "REPLACE") {
            return Err(CommandError::Bytes([b"ERR Unknown option given: ", as_c_string(word)].concat()));
        }
        replace = true;
    }
    let name = ctx.store.functions.load(request.arg(last), replace, &ctx.node.script).map_err(failed)?;
    ctx.store.keyspace.count_changes(1);
    ctx.reply.bulk(name);
    Ok(())
}

fn delete(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    ctx.store.functions.delete(request.arg(2)).map_err(failed)?;
    ctx.store.keyspace.count_changes(1);
    ctx.reply.ok();
    Ok(())
}

fn flush(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    match (request.len(), request.get(2)) {
        (2, _) => {}
        (3, Some(word)) if is_word(word, "SYNC") || is_word(word, "ASYNC") => {}
        (3, _) => return Err(CommandError::other("ERR FUNCTION FLUSH only supports SYNC|ASYNC option")),
        _ => return Err(wrong_subcommand(request)),
    }
    ctx.store.functions.flush();
    ctx.store.keyspace.count_changes(1);
    ctx.reply.ok();
    Ok(())
}

fn list(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let (mut with_code, mut pattern) = (false, None);
    let mut words = request.args_from(2);
    while let Some(word) = words.next() {
        if !with_code && is_word(word, "WITHCODE") {
            with_code = true;
        } else if pattern.is_none() && is_word(word, "LIBRARYNAME") {
            let given = words.next();
            pattern =
                Some(given.ok_or_else(|| CommandError::other("ERR library name argument was not given"))?);
        } else {
            return Err(CommandError::Bytes([b"ERR Unknown argument ", as_c_string(word)].concat()));
        }
    }
    let is_meant = |name: &[u8]| pattern.is_none_or(|pattern| glob::matches(pattern, name, Case::Ignored));
    ctx.store.functions.list(is_meant, with_code, &mut ctx.reply);
    Ok(())
}

fn dump(ctx: &mut Context<'_>, _: Request<'_>) -> Outcome {
    ctx.reply.bulk(ctx.store.functions.dump());
    Ok(())
}

fn restore(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let policy = match (request.len(), request.get(3)) {
        (3, _) => Policy::Append,
        (4, Some(word)) if is_word(word, "APPEND") => Policy::Append,
        (4, Some(word)) if is_word(word, "REPLACE") => Policy::Replace,
        (4, Some(word)) if is_word(word, "FLUSH") => Policy::Flush,
        (4, _) => {
            return Err(CommandError::other(
                "ERR Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE.",
            ));
        }
        _ => return Err(wrong_subcommand(request)),
    };
    ctx.store.functions.restore(request.arg(2), policy, &ctx.node.script).map_err(failed)?;
    ctx.store.keyspace.count_changes(1);
    ctx.reply.ok();
    Ok(())
}

fn kill(ctx: &mut Context<'_>, _: Request<'_>) -> Outcome {
    match ctx.node.script.kill(true) {
        Ok(()) => ctx.reply.ok(),
        Err(reason) => return Err(not_killed(reason)),
    }
    Ok(())
}

fn stats(ctx: &mut Context<'_>, _: Request<'_>) -> Outcome {
    let counts = ctx.store.functions.count();
    // Whoever asks has the data: nothing runs.
    write_stats(&ctx.node.script, None, counts, &mut ctx.reply);
    Ok(())
}

fn help(ctx: &mut Context<'_>, _: Request<'_>) -> Outcome {
    help_lines(
        ctx,
        "FUNCTION",
        &[
            ("DELETE <library>", "Delete a library."),
            ("DUMP", "All libraries, for FUNCTION RESTORE."),
            ("FLUSH [ASYNC|SYNC]", "Delete all libraries."),
            ("KILL", "End the function that runs, unless it has written."),
            ("LIST [LIBRARYNAME <pattern>] [WITHCODE]", "The libraries and their functions."),
            (
                "LOAD [REPLACE] <code>",
                "Load a library: #!lua name=<library>, then code that registers functions.",
            ),
            ("RESTORE <payload> [FLUSH|APPEND|REPLACE]", "Load what FUNCTION DUMP gave."),
            ("STATS", "The function that runs, and how many there are."),
        ],
    );
    Ok(())
}
