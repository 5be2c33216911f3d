//! Scripts: running them, and those that are kept to be run by their digest.

use super::{
    help::help as help_lines,
    support::{Outcome, integer, is_word},
};
use crate::{
    node::{
        caller::Origin,
        context::{CommandError, Context, Flow, Handler},
        exec::Stage,
        script::{BUSY_FUNCTION, BUSY_SCRIPT, Call, Digest, NotKilled},
    },
    protocol::{Args, Request, Version},
};

pub(super) const HANDLERS: &[(&str, Handler)] = &[
    ("eval", eval),
    ("eval_ro", eval_ro),
    ("evalsha", evalsha),
    ("evalsha_ro", evalsha_ro),
    ("script|debug", debug),
    ("script|exists", exists),
    ("script|flush", flush),
    ("script|help", help),
    ("script|kill", kill),
    ("script|load", load),
];

const NOT_INTEGER: &str = "ERR value is not an integer or out of range";

pub(super) fn failed(failure: crate::node::script::Failure) -> CommandError {
    match failure.is_counted {
        true => CommandError::Counted(failure.text),
        false => CommandError::Bytes(failure.text),
    }
}

fn eval(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    by_source(ctx, request, false)
}

fn eval_ro(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    by_source(ctx, request, true)
}

/// Whoever is shown all commands sees a script before what it does.
pub(super) fn show(ctx: &Context<'_>, request: Request<'_>) {
    if ctx.caller.origin != Origin::Aside {
        ctx.store.show_now(&request, ctx.caller, ctx.node);
    }
}

fn by_source(ctx: &mut Context<'_>, request: Request<'_>, read_only: bool) -> Outcome {
    show(ctx, request);
    let keys = key_count(request, NOT_INTEGER)?;
    let digest = ctx.store.scripts.load(request.arg(1), &ctx.node.script).map_err(failed)?;
    run(ctx, request, digest, keys, read_only)
}

fn evalsha(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    by_digest(ctx, request, false)
}

fn evalsha_ro(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    by_digest(ctx, request, true)
}

fn by_digest(ctx: &mut Context<'_>, request: Request<'_>, read_only: bool) -> Outcome {
    show(ctx, request);
    let unknown = CommandError::other("NOSCRIPT No matching script. Please use EVAL.");
    let Some(digest) = Digest::parse(request.arg(1)) else { return Err(unknown) };
    let keys = key_count(request, NOT_INTEGER)?;
    if !ctx.store.scripts.knows(&digest) {
        return Err(unknown);
    }
    run(ctx, request, digest, keys, read_only)
}

/// How many of the arguments are keys; `what` is said where there is no number.
pub(super) fn key_count(request: Request<'_>, what: &'static str) -> Result<usize, CommandError> {
    let count = integer(request.arg(2)).map_err(|_| CommandError::other(what))?;
    if count > request.len() as i64 - 3 {
        return Err(CommandError::other("ERR Number of keys can't be greater than number of args"));
    }
    usize::try_from(count).map_err(|_| CommandError::other("ERR Number of keys can't be negative"))
}

/// Has the command run where it keeps nobody waiting. `false`: it is to run here.
pub(super) fn run_aside(ctx: &mut Context<'_>, request: Request<'_>) -> bool {
    let taken = ctx.node.aside.take(ctx.caller, ctx.row, || Args::from(&request));
    if taken {
        ctx.flow = Flow::Aside;
    }
    taken
}

fn run(ctx: &mut Context<'_>, request: Request<'_>, digest: Digest, keys: usize, read_only: bool) -> Outcome {
    if !ctx.store.scripts.is_quick(&digest) && run_aside(ctx, request) {
        return Ok(());
    }
    let words: Vec<&[u8]> = request.args_from(3).collect();
    let (keys, arguments) = words.split_at(keys);
    let call = Call { keys, arguments, read_only, request };
    // The script works on the store that keeps it.
    let mut scripts = std::mem::take(&mut ctx.store.scripts);
    let mut caller = ctx.caller.waiting();
    caller.version = Version::Resp2;
    caller.origin = Origin::Script;
    let stage = Stage { store: &mut *ctx.store, caller: &mut caller, node: ctx.node, now: ctx.now };
    let mut reply = ctx.reply.reborrow();
    let ended = scripts.run(&digest, &call, stage, &mut reply);
    ctx.store.scripts = scripts;
    // What it selected was for itself.
    ctx.caller.select(ctx.caller.database);
    ctx.caller.client.set_command(ctx.row.spec);
    ended.map_err(failed)
}

fn load(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let digest = ctx.store.scripts.load(request.arg(2), &ctx.node.script).map_err(failed)?;
    ctx.reply.bulk(digest.as_str());
    Ok(())
}

fn exists(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let digests = request.args_from(2);
    ctx.reply.array(digests.len());
    for digest in digests {
        let known = Digest::parse(digest).is_some_and(|digest| ctx.store.scripts.knows(&digest));
        ctx.reply.integer(i64::from(known));
    }
    Ok(())
}

fn flush(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let known = match (request.len(), request.get(2)) {
        (2, _) => true,
        (3, Some(word)) => is_word(word, "SYNC") || is_word(word, "ASYNC"),
        _ => false,
    };
    if !known {
        return Err(CommandError::other("ERR SCRIPT FLUSH only support SYNC|ASYNC option"));
    }
    ctx.store.scripts.flush();
    ctx.reply.ok();
    Ok(())
}

fn debug(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    match request.arg(2) {
        word if is_word(word, "NO") => ctx.reply.ok(),
        word if is_word(word, "YES") || is_word(word, "SYNC") => {
            return Err(CommandError::other("ERR this server has no debugger for scripts"));
        }
        _ => return Err(CommandError::other("ERR Use SCRIPT DEBUG YES/SYNC/NO")),
    }
    Ok(())
}

fn kill(ctx: &mut Context<'_>, _: Request<'_>) -> Outcome {
    match ctx.node.script.kill(false) {
        Ok(()) => ctx.reply.ok(),
        Err(reason) => return Err(not_killed(reason)),
    }
    Ok(())
}

/// What `SCRIPT KILL` says that kills nothing.
pub(in crate::node) fn not_killed(reason: NotKilled) -> CommandError {
    CommandError::other(match reason {
        NotKilled::NotBusy => "NOTBUSY No scripts in execution right now.",
        NotKilled::IsScript => BUSY_SCRIPT,
        NotKilled::IsFunction => BUSY_FUNCTION,
        NotKilled::HasWritten => {
            "UNKILLABLE Sorry the script already executed write commands against the dataset. You can either wait the \
             script termination or kill the server in a hard way using the SHUTDOWN NOSAVE command."
        }
    })
}

fn help(ctx: &mut Context<'_>, _: Request<'_>) -> Outcome {
    help_lines(
        ctx,
        "SCRIPT",
        &[
            ("DEBUG (YES|SYNC|NO)", "This server has no debugger: NO changes nothing."),
            ("EXISTS <sha1> [<sha1> ...]", "For each digest 1 if its script is kept, else 0."),
            ("FLUSH [ASYNC|SYNC]", "Forget all scripts."),
            ("KILL", "End the script that runs, unless it has written."),
            ("LOAD <script>", "Keep a script and answer with its digest."),
        ],
    );
    Ok(())
}
