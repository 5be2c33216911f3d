//! Commands that wait for an element when there is none. A client that waits is in [`crate::node::blocked`]; what runs here for it later
//! is the same command again, on the key that got something.

use std::time::Duration;

use super::{
    list::took,
    list_move::{Move, Multi, end, tell_pop},
    support::{Outcome, reply_element},
};
use crate::{
    command::waiting,
    node::{
        caller::{Origin, Served, Taken},
        context::{CommandError, Context, Flow, Handler},
        keyspace::{Key, WrongType},
        object::{List, list::End},
    },
    protocol::{Args, Request, number::parse_i64},
    time::Millis,
};

pub(super) const HANDLERS: &[(&str, Handler)] = &[
    ("blmove", blmove),
    ("blmpop", blmpop),
    ("blpop", blpop),
    ("brpop", brpop),
    ("brpoplpush", brpoplpush),
    ("client|unblock", unblock),
];

/// Seconds with a fraction; 0 is for ever.
pub(super) fn timeout(argument: &[u8], now: Millis) -> Result<Option<Duration>, CommandError> {
    waiting::seconds(argument, now).map_err(|error| CommandError::other(error.to_string()))
}

/// What a command says that finds nothing and may not wait.
#[derive(Clone, Copy)]
pub(super) enum Nothing {
    /// No value.
    Null,
    /// No array.
    NullArray,
}

/// Nothing to take now: the client waits, unless it is one that never does.
pub(super) fn wait<'k>(
    ctx: &mut Context<'_>,
    request: Request<'_>,
    timeout: Option<Duration>,
    nothing: Nothing,
    keys: impl Iterator<Item = &'k [u8]>,
) -> Outcome {
    wait_as(ctx, Args::from(&request), timeout, nothing, keys)
}

/// The same, in a command whose arguments stand for what they were when it began.
pub(super) fn wait_as<'k>(
    ctx: &mut Context<'_>,
    args: Args,
    timeout: Option<Duration>,
    nothing: Nothing,
    keys: impl Iterator<Item = &'k [u8]>,
) -> Outcome {
    match ctx.caller.origin {
        // It goes on waiting where it is.
        Origin::Unblocked => ctx.flow = Flow::Blocked,
        Origin::Client if !ctx.caller.answers_all => {
            ctx.flow = Flow::Blocked;
            ctx.caller.patience = timeout;
            let (caller, row) = (ctx.caller.waiting(), ctx.row);
            ctx.store.block(caller, row, args, keys);
        }
        Origin::Client | Origin::Transaction | Origin::Script | Origin::Aside | Origin::Load => match nothing
        {
            Nothing::Null => ctx.reply.null(),
            Nothing::NullArray => ctx.reply.null_array(),
        },
    }
    Ok(())
}

/// Whether a key is to be looked at: all are, until one of them got something.
pub(super) fn is_meant(ctx: &Context<'_>, key: &[u8]) -> bool {
    ctx.caller.woken_by.as_ref().is_none_or(|woken_by| **woken_by == *key)
}

fn blpop(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    pop(ctx, request, End::Left)
}

fn brpop(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    pop(ctx, request, End::Right)
}

fn pop(ctx: &mut Context<'_>, request: Request<'_>, end: End) -> Outcome {
    let last = request.len() - 1;
    let timeout = timeout(request.arg(last), ctx.now)?;
    let access = ctx.access();
    let keys = || (1..last).map(|index| request.arg(index));
    for key in keys().filter(|key| is_meant(ctx, key)).map(Key::new).collect::<Vec<_>>() {
        let unblocked = ctx.caller.origin == Origin::Unblocked;
        let (db, reply) = ctx.db_and_reply();
        let mut list = match db.write_collection::<List>(key, access) {
            Ok(Some(list)) => list,
            Ok(None) => continue,
            Err(WrongType) if unblocked => continue,
            Err(error) => return Err(error.into()),
        };
        reply.array(2);
        reply.bulk(key.bytes);
        let mut taken = Vec::new();
        list.pop(end, |element| {
            reply_element(reply, element);
            taken.push(element.to_vec());
        });
        drop(list);
        took(db, key, end, access);
        tell_pop(ctx, key.bytes, end, None);
        ctx.caller.served =
            Some(Served { key: key.bytes.into(), taken: Taken::Elements { end, elements: taken } });
        return Ok(());
    }
    wait(ctx, request, timeout, Nothing::NullArray, keys())
}

fn blmpop(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let what = Multi::parse(request, 2)?;
    let timeout = timeout(request.arg(1), ctx.now)?;
    let access = ctx.access();
    let keys = || (what.first..what.end_of_keys).map(|index| request.arg(index));
    for key in keys().filter(|key| is_meant(ctx, key)).map(Key::new).collect::<Vec<_>>() {
        let (db, reply) = ctx.db_and_reply();
        let mut taken = Vec::new();
        match Multi::take(db, key, access, what.end, what.count, reply, |element| {
            taken.push(element.to_vec());
        }) {
            Ok(true) => {
                tell_pop(ctx, key.bytes, what.end, Some(taken.len()));
                ctx.caller.served = Some(Served {
                    key: key.bytes.into(),
                    taken: Taken::Elements { end: what.end, elements: taken },
                });
                return Ok(());
            }
            Ok(false) => {}
            Err(CommandError::WrongType(_)) if ctx.caller.origin == Origin::Unblocked => {}
            Err(error) => return Err(error),
        }
    }
    wait(ctx, request, timeout, Nothing::NullArray, keys())
}

fn blmove(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let ends = Move { from: end(request.arg(3))?, to: end(request.arg(4))? };
    let timeout = timeout(request.arg(5), ctx.now)?;
    run_move(ctx, request, ends, timeout)
}

fn brpoplpush(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let timeout = timeout(request.arg(3), ctx.now)?;
    run_move(ctx, request, Move { from: End::Right, to: End::Left }, timeout)
}

fn run_move(ctx: &mut Context<'_>, request: Request<'_>, ends: Move, timeout: Option<Duration>) -> Outcome {
    let (source, target) = (Key::new(request.arg(1)), Key::new(request.arg(2)));
    let (access, fill) = (ctx.access(), ctx.node.config.list_fill());
    let unblocked = ctx.caller.origin == Origin::Unblocked;
    let (db, reply) = ctx.db_and_reply();
    let source_is_other = unblocked && matches!(db.write_collection::<List>(source, access), Err(WrongType));
    if !source_is_other && let Some(element) = ends.run(db, source, target, access, fill)? {
        reply.bulk(element);
        if ctx.is_heard() {
            tell_move(ctx, request, ends);
        }
        return Ok(());
    }
    wait(ctx, request, timeout, Nothing::Null, std::iter::once(source.bytes))
}

/// An element that was moved, or waited for and moved: as it is done without waiting. Who waited is told of with the words of
/// Redis for the ends, who did not with its own.
fn tell_move(ctx: &mut Context<'_>, request: Request<'_>, ends: Move) {
    let (source, target) = (request.arg(1), request.arg(2));
    let name = |end| if end == End::Left { &b"left"[..] } else { b"right" };
    if ctx.row.spec.name == "brpoplpush" {
        ctx.tell(&[b"RPOPLPUSH", source, target]);
    } else if ctx.caller.origin == Origin::Unblocked {
        ctx.tell(&[b"LMOVE", source, target, name(ends.from), name(ends.to)]);
    } else {
        ctx.tell(&[b"LMOVE", source, target, request.arg(3), request.arg(4)]);
    }
}

fn unblock(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let with_error = match request.get(3).map(<[u8]>::to_ascii_lowercase).as_deref() {
        None | Some(b"timeout") => false,
        Some(b"error") => true,
        Some(_) => {
            return Err(CommandError::other("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR"));
        }
    };
    let id = parse_i64(request.arg(2)).ok_or(CommandError::NotInteger)?;
    let unblocked = u64::try_from(id).is_ok_and(|id| ctx.store.unblock(id, with_error, ctx.node, ctx.now));
    ctx.reply.integer(i64::from(unblocked));
    Ok(())
}
