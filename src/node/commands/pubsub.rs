//! Channels: subscribing, and sending messages.

use std::sync::Arc;

use super::{
    help::help as help_lines,
    support::{Outcome, wrong_subcommand},
};
use crate::{
    connection::channels::{self, Kind, Message},
    node::{
        clients::Client,
        context::{CommandError, Context, Handler},
    },
    protocol::{
        Request,
        glob::{Case, Glob},
    },
};

pub(super) const HANDLERS: &[(&str, Handler)] = &[
    ("psubscribe", |ctx, request| subscribe(ctx, request, Kind::Pattern)),
    ("publish", publish),
    ("pubsub|channels", |ctx, request| active(ctx, request, Kind::Channel)),
    ("pubsub|help", help),
    ("pubsub|numpat", numpat),
    ("pubsub|numsub", |ctx, request| numsub(ctx, request, Kind::Channel)),
    ("pubsub|shardchannels", |ctx, request| active(ctx, request, Kind::Shard)),
    ("pubsub|shardnumsub", |ctx, request| numsub(ctx, request, Kind::Shard)),
    ("punsubscribe", |ctx, request| unsubscribe(ctx, request, Kind::Pattern)),
    ("spublish", spublish),
    ("ssubscribe", |ctx, request| subscribe(ctx, request, Kind::Shard)),
    ("subscribe", |ctx, request| subscribe(ctx, request, Kind::Channel)),
    ("sunsubscribe", |ctx, request| unsubscribe(ctx, request, Kind::Shard)),
    ("unsubscribe", |ctx, request| unsubscribe(ctx, request, Kind::Channel)),
];

fn confirm(ctx: &mut Context<'_>, event: &str, name: Option<&[u8]>, kind: Kind) {
    let count = ctx.store.channels.confirmed(kind, ctx.caller.client.id);
    channels::confirm(&mut ctx.reply, event, name, count);
}

fn subscribe(ctx: &mut Context<'_>, request: Request<'_>, kind: Kind) -> Outcome {
    if ctx.caller.answers_all {
        return Err(CommandError::other("ERR a gRPC caller receives no messages: subscribe over RESP"));
    }
    for name in request.args_from(1) {
        ctx.store.subscribe(kind, ctx.caller, name);
        confirm(ctx, kind.subscribed(), Some(name), kind);
    }
    Ok(())
}

fn unsubscribe(ctx: &mut Context<'_>, request: Request<'_>, kind: Kind) -> Outcome {
    let names: Vec<Box<[u8]>> = match request.len() {
        1 => ctx.store.channels.names(kind, ctx.caller.client.id),
        _ => request.args_from(1).map(Box::from).collect(),
    };
    if names.is_empty() {
        confirm(ctx, kind.unsubscribed(), None, kind);
    }
    for name in names {
        ctx.store.unsubscribe(kind, ctx.caller, &name);
        confirm(ctx, kind.unsubscribed(), Some(&name), kind);
    }
    Ok(())
}

fn publish(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    send(ctx, request, Kind::Channel)
}

fn spublish(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    send(ctx, request, Kind::Shard)
}

fn send(ctx: &mut Context<'_>, request: Request<'_>, kind: Kind) -> Outcome {
    let (own, limits) = (ctx.caller.client.id, ctx.node.config.output_limits());
    let (channel, payload, now) = (request.arg(1), request.arg(2), ctx.now);
    let reply = &mut ctx.reply;
    let mut deliver = |client: &Arc<Client>, message: &mut Message<'_>| {
        let message = message.bytes(client.version());
        // Its own message is in front of the reply, whatever else waits for it.
        if client.id == own { reply.raw(message) } else { client.deliver(message, &limits, now) }
    };
    let received = match kind {
        Kind::Shard => ctx.store.channels.publish_to_shard(channel, payload, &mut deliver),
        Kind::Channel | Kind::Pattern => ctx.store.channels.publish(channel, payload, &mut deliver),
    };
    ctx.reply.integer(i64::try_from(received).unwrap_or(i64::MAX));
    Ok(())
}

fn active(ctx: &mut Context<'_>, request: Request<'_>, kind: Kind) -> Outcome {
    if request.len() > 3 {
        return Err(wrong_subcommand(request));
    }
    let glob = request.get(2).map(|pattern| Glob::new(pattern, Case::Exact));
    let fits = |name: &&[u8]| glob.as_ref().is_none_or(|glob| glob.matches(name));
    let names: Vec<&[u8]> = ctx.store.channels.active(kind).filter(fits).collect();
    ctx.reply.array(names.len());
    names.iter().for_each(|name| ctx.reply.bulk(name));
    Ok(())
}

fn numsub(ctx: &mut Context<'_>, request: Request<'_>, kind: Kind) -> Outcome {
    ctx.reply.array(2 * (request.len() - 2));
    for name in request.args_from(2) {
        let subscribers = ctx.store.channels.subscribers(kind, name).len();
        ctx.reply.bulk(name);
        ctx.reply.integer(i64::try_from(subscribers).unwrap_or(i64::MAX));
    }
    Ok(())
}

fn numpat(ctx: &mut Context<'_>, _: Request<'_>) -> Outcome {
    ctx.reply.integer(i64::try_from(ctx.store.channels.patterns()).unwrap_or(i64::MAX));
    Ok(())
}

fn help(ctx: &mut Context<'_>, _: Request<'_>) -> Outcome {
    help_lines(
        ctx,
        "PUBSUB",
        &[
            ("CHANNELS [<pattern>]", "Channels that have subscribers, patterns left out."),
            ("NUMPAT", "How many patterns are subscribed to."),
            ("NUMSUB [<channel> ...]", "How many are subscribed to these channels, patterns left out."),
            ("SHARDCHANNELS [<pattern>]", "Shard channels that have subscribers."),
            ("SHARDNUMSUB [<shardchannel> ...]", "How many are subscribed to these shard channels."),
        ],
    );
    Ok(())
}
