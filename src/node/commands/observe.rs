//! Watching what a node does and holding it still: `SLOWLOG`, `MONITOR`, `CLIENT PAUSE`.

use super::{help::help as help_lines, support::Outcome};
use crate::{
    connection::pause::Span,
    node::context::{CommandError, Context, Handler},
    protocol::{Request, number::parse_i64},
};

pub(super) const HANDLERS: &[(&str, Handler)] = &[
    ("client|pause", pause),
    ("client|unpause", unpause),
    ("monitor", monitor),
    ("slowlog|get", slowlog_get),
    ("slowlog|help", slowlog_help),
    ("slowlog|len", slowlog_len),
    ("slowlog|reset", slowlog_reset),
];

fn pause(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let span = Span::parse(&request, ctx.now).map_err(|refusal| CommandError::other(refusal.0))?;
    ctx.store.begin_pause(span);
    ctx.reply.ok();
    Ok(())
}

fn unpause(ctx: &mut Context<'_>, _: Request<'_>) -> Outcome {
    ctx.store.unpause();
    ctx.reply.ok();
    Ok(())
}

fn monitor(ctx: &mut Context<'_>, _: Request<'_>) -> Outcome {
    if ctx.caller.answers_all {
        return Err(CommandError::other("ERR a gRPC caller receives no messages: monitor over RESP"));
    }
    ctx.store.monitor(ctx.caller);
    ctx.reply.ok();
    Ok(())
}

fn slowlog_get(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    const TEN: i64 = 10;
    let count = request.get(2).map_or(Some(TEN), parse_i64).filter(|&count| count >= -1);
    let count = count.ok_or(CommandError::other("ERR count should be greater than or equal to -1"))?;
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let log = ctx.node.slow_log();
    let reply = &mut ctx.reply;
    reply.array(log.entries().len().min(count));
    for entry in log.entries().take(count) {
        reply.array(6);
        reply.integer(entry.id);
        reply.integer(entry.at.0 / 1000);
        reply.integer(i64::try_from(entry.took.as_micros()).unwrap_or(i64::MAX));
        reply.array(entry.arguments.len());
        entry.arguments.iter().for_each(|argument| reply.bulk(argument));
        reply.bulk(&entry.client.0);
        reply.bulk(&entry.client.1);
    }
    Ok(())
}

fn slowlog_len(ctx: &mut Context<'_>, _: Request<'_>) -> Outcome {
    let len = ctx.node.slow_log().entries().len();
    ctx.reply.integer(i64::try_from(len).unwrap_or(i64::MAX));
    Ok(())
}

fn slowlog_reset(ctx: &mut Context<'_>, _: Request<'_>) -> Outcome {
    ctx.node.slow_log().reset();
    ctx.reply.ok();
    Ok(())
}

fn slowlog_help(ctx: &mut Context<'_>, _: Request<'_>) -> Outcome {
    help_lines(
        ctx,
        "SLOWLOG",
        &[
            (
                "GET [<count>]",
                "The commands of late that took long, newest first; 10 of them, or all with -1.",
            ),
            ("LEN", "How many there are."),
            ("RESET", "Forgets them."),
        ],
    );
    Ok(())
}
