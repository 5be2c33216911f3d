//! Strings that are numbers.

use super::support::{Outcome, integer, with_bytes};
use crate::{
    node::{
        context::{CommandError, Context, Handler},
        keyspace::{Entry, EventClass, Ttl, Value},
    },
    protocol::{Request, extended::Extended},
};

pub(super) const HANDLERS: &[(&str, Handler)] =
    &[("decr", decr), ("decrby", decrby), ("incr", incr), ("incrby", incrby), ("incrbyfloat", incrbyfloat)];

fn incr(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    add(ctx, request, 1)
}

fn decr(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    add(ctx, request, -1)
}

fn incrby(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    add(ctx, request, integer(request.arg(2))?)
}

fn decrby(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let by = integer(request.arg(2))?.checked_neg();
    add(ctx, request, by.ok_or(CommandError::other("ERR decrement would overflow"))?)
}

fn add(ctx: &mut Context<'_>, request: Request<'_>, by: i64) -> Outcome {
    let (key, access) = (ctx.key(request, 1), ctx.access());
    let (db, reply) = ctx.db_and_reply();
    let sum = match db.write_string(key, access)? {
        Some(mut entry) => {
            let value = match entry.string() {
                Some(Value::Int(number)) => number,
                Some(value) => with_bytes(value, integer)?,
                None => 0,
            };
            let sum = value
                .checked_add(by)
                .ok_or(CommandError::other("ERR increment or decrement would overflow"))?;
            entry.set_value(Value::Int(sum));
            sum
        }
        None => {
            db.set(key, Value::Int(by), Ttl::None, access);
            by
        }
    };
    db.event(EventClass::String, "incrby", key.bytes);
    reply.integer(sum);
    Ok(())
}

fn incrbyfloat(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let (key, access) = (ctx.key(request, 1), ctx.access());
    let float = |text: &[u8]| Extended::parse(text).ok_or(CommandError::NotFloat);
    let (db, reply) = ctx.db_and_reply();
    let mut entry = db.write_string(key, access)?;
    let value = match entry.as_ref().and_then(Entry::string) {
        Some(Value::Int(number)) => Extended::from(number),
        Some(value) => with_bytes(value, float)?,
        None => Extended::from(0),
    };
    let sum = value
        .checked_add(float(request.arg(2))?)
        .ok_or(CommandError::other("ERR increment would produce NaN or Infinity"))?;
    let text = sum.to_text();
    // Kept as text even when whole, as Redis does until it is set anew.
    let value = Value::Bytes(text.as_bytes());
    match &mut entry {
        Some(entry) => entry.set_value(value),
        None => db.set(key, value, Ttl::None, access),
    }
    db.event(EventClass::String, "incrbyfloat", key.bytes);
    reply.bulk(&text);
    if ctx.is_heard() {
        ctx.tell(&[b"SET", key.bytes, text.as_bytes(), b"KEEPTTL"]);
    }
    Ok(())
}
