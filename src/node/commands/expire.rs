//! When keys expire.

use super::{
    expiry::{Unit, invalid_expire_time},
    support::{Outcome, as_c_string, integer, is_word},
};
use crate::{
    node::{
        context::{CommandError, Context, Handler},
        keyspace::{EventClass, RecordRef},
    },
    protocol::Request,
    time::Millis,
};

pub(super) const HANDLERS: &[(&str, Handler)] = &[
    ("expire", expire),
    ("expireat", expireat),
    ("expiretime", expiretime),
    ("persist", persist),
    ("pexpire", pexpire),
    ("pexpireat", pexpireat),
    ("pexpiretime", pexpiretime),
    ("pttl", pttl),
    ("ttl", ttl),
];

fn expire(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    set_expiry(ctx, request, Unit::Seconds, "expire")
}

fn pexpire(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    set_expiry(ctx, request, Unit::Millis, "pexpire")
}

fn expireat(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    set_expiry(ctx, request, Unit::SecondsSince1970, "expireat")
}

fn pexpireat(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    set_expiry(ctx, request, Unit::MillisSince1970, "pexpireat")
}

/// Which present expiries are replaced.
#[derive(Clone, Copy, Default)]
struct Conditions {
    none: bool,
    some: bool,
    later: bool,
    earlier: bool,
}

impl Conditions {
    fn parse(request: Request<'_>) -> Result<Self, CommandError> {
        let mut conditions = Self::default();
        for word in request.args_from(3) {
            let condition = match word {
                word if is_word(word, "NX") => &mut conditions.none,
                word if is_word(word, "XX") => &mut conditions.some,
                word if is_word(word, "GT") => &mut conditions.later,
                word if is_word(word, "LT") => &mut conditions.earlier,
                word => {
                    let text = [b"ERR Unsupported option ", as_c_string(word)].concat();
                    return Err(CommandError::Bytes(text));
                }
            };
            *condition = true;
        }
        if conditions.none && (conditions.some || conditions.later || conditions.earlier) {
            return Err(CommandError::other(
                "ERR NX and XX, GT or LT options at the same time are not compatible",
            ));
        }
        if conditions.later && conditions.earlier {
            return Err(CommandError::other("ERR GT and LT options at the same time are not compatible"));
        }
        Ok(conditions)
    }

    /// No expiry counts as one that never comes.
    fn hold(self, current: Option<Millis>, new: Millis) -> bool {
        let fails = self.none && current.is_some()
            || self.some && current.is_none()
            || self.later && current.is_none_or(|current| new <= current)
            || self.earlier && current.is_some_and(|current| new >= current);
        !fails
    }
}

fn set_expiry(ctx: &mut Context<'_>, request: Request<'_>, unit: Unit, command: &str) -> Outcome {
    let conditions = Conditions::parse(request)?;
    // Any number leads to a time, in the past if it is negative.
    let expiry =
        unit.resolve(integer(request.arg(2))?, ctx.now).ok_or_else(|| invalid_expire_time(command))?;
    let (key, access, is_past) = (ctx.key(request, 1), ctx.access(), ctx.is_past(expiry));
    let (db, reply) = ctx.db_and_reply();
    let done = match db.write(key, access) {
        Some(mut entry) if conditions.hold(entry.expiry(), expiry) => {
            if is_past {
                db.delete(key, access.now);
                db.event(EventClass::Generic, "del", key.bytes);
            } else {
                entry.set_expiry(Some(expiry));
                db.event(EventClass::Generic, "expire", key.bytes);
            }
            true
        }
        _ => false,
    };
    reply.integer(i64::from(done));
    if done && ctx.is_heard() {
        tell_expiry(ctx, request, unit, expiry, is_past);
    }
    Ok(())
}

/// When it expires is told as a point in time, in milliseconds.
#[cold]
fn tell_expiry(ctx: &mut Context<'_>, request: Request<'_>, unit: Unit, expiry: Millis, is_past: bool) {
    if is_past {
        ctx.tell(&[ctx.expired_as(), request.arg(1)]);
    } else if unit != Unit::MillisSince1970 {
        let time = itoa::Buffer::new().format(expiry.0).to_owned();
        let mut words: Vec<&[u8]> = vec![b"PEXPIREAT", request.arg(1), time.as_bytes()];
        words.extend(request.args_from(3));
        ctx.tell(&words);
    }
}

fn persist(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let (key, access) = (ctx.key(request, 1), ctx.access());
    let (db, reply) = ctx.db_and_reply();
    let done = match db.write(key, access) {
        Some(mut entry) if entry.expiry().is_some() => {
            entry.set_expiry(None);
            db.event(EventClass::Generic, "persist", key.bytes);
            true
        }
        _ => false,
    };
    reply.integer(i64::from(done));
    Ok(())
}

/// Replies -2 without the key, -1 without an expiry, or what `show` makes of it.
fn reply_expiry(
    ctx: &mut Context<'_>,
    request: Request<'_>,
    show: impl Fn(Millis, Millis) -> i64,
) -> Outcome {
    let (key, access) = (ctx.key(request, 1), ctx.access());
    let (db, reply) = ctx.db_and_reply();
    reply.integer(match db.peek(key, access).map(RecordRef::expiry) {
        None => -2,
        Some(None) => -1,
        Some(Some(expiry)) => show(expiry, access.now),
    });
    Ok(())
}

/// To the nearest second, as Redis does.
fn rounded_seconds(millis: i64) -> i64 {
    millis / 1000 + i64::from(millis % 1000 >= 500)
}

fn ttl(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    reply_expiry(ctx, request, |expiry, now| rounded_seconds((expiry.0 - now.0).max(0)))
}

fn pttl(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    reply_expiry(ctx, request, |expiry, now| (expiry.0 - now.0).max(0))
}

fn expiretime(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    reply_expiry(ctx, request, |expiry, _| rounded_seconds(expiry.0))
}

fn pexpiretime(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    reply_expiry(ctx, request, |expiry, _| expiry.0)
}
