//! Bits of strings: one, all, the first of a kind, and strings combined bit by bit.

use super::support::{Outcome, int_or, integer, is_word, with_bytes};
use crate::{
    node::{
        context::{CommandError, Context, Handler},
        keyspace::{EventClass, Key, Ttl, Value},
        object::bits,
    },
    protocol::{Request, number::parse_i64},
};

pub(super) const HANDLERS: &[(&str, Handler)] =
    &[("bitcount", bitcount), ("bitop", bitop), ("bitpos", bitpos), ("getbit", getbit), ("setbit", setbit)];

/// The place of a bit of a string that may have so many bytes.
pub(super) fn place(argument: &[u8], max: usize) -> Result<u64, CommandError> {
    parse_i64(argument)
        .and_then(|place| u64::try_from(place).ok())
        .filter(|place| usize::try_from(place / 8).is_ok_and(|byte| byte < max))
        .ok_or(CommandError::other("ERR bit offset is not an integer or out of range"))
}

fn setbit(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let at = place(request.arg(2), ctx.node.config.max_string())?;
    let wrong = "ERR bit is not an integer or out of range";
    let on = match int_or(request.arg(3), wrong)? {
        0 => false,
        1 => true,
        _ => return Err(CommandError::other(wrong)),
    };
    let (key, access) = (ctx.key(request, 1), ctx.access());
    let (db, reply) = ctx.db_and_reply();
    let old = db.write_string(key, access)?.and_then(|entry| {
        entry.string().map(|value| with_bytes(value, |bytes| (bytes.len(), bits::get(bytes, at))))
    });
    let needed = usize::try_from(at / 8).unwrap_or(usize::MAX) + 1;
    let (len, was) = old.unwrap_or((0, false));
    // A bit that is so already changes nothing.
    if old.is_none() || len < needed || was != on {
        if old.is_none() {
            db.create(key, access);
        }
        if let Some(mut entry) = db.write(key, access) {
            entry.edit(len.max(needed), |bytes| bits::set(bytes, at, on));
        }
        db.event(EventClass::String, "setbit", key.bytes);
    }
    reply.integer(i64::from(was));
    Ok(())
}

fn getbit(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let at = place(request.arg(2), ctx.node.config.max_string())?;
    let (key, access) = (ctx.key(request, 1), ctx.access());
    let (db, reply) = ctx.db_and_reply();
    let value = db.read_string(key, access)?;
    reply.integer(value.map_or(0, |value| with_bytes(value, |bytes| i64::from(bits::get(bytes, at)))));
    Ok(())
}

/// `BYTE` or `BIT`: how many bits one step of a range is.
fn unit(word: Option<&[u8]>) -> Result<i64, CommandError> {
    match word {
        None => Ok(8),
        Some(word) if is_word(word, "BYTE") => Ok(8),
        Some(word) if is_word(word, "BIT") => Ok(1),
        Some(_) => Err(CommandError::Syntax),
    }
}

/// The first and the last bit of a range, counted from the end if negative; `None` if there is none in it.
fn range(start: i64, end: i64, unit: i64, len: usize) -> Option<(u64, u64)> {
    let steps = len as i64 * 8 / unit;
    let from_front = |index: i64| if index < 0 { index.saturating_add(steps).max(0) } else { index };
    let (start, end) = (from_front(start), from_front(end).min(steps - 1));
    let bits = |step: i64| u64::try_from(step * unit).ok();
    (start <= end).then(|| Some((bits(start)?, bits(end)? + bits(1)? - 1))).flatten()
}

fn bitcount(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let (key, access) = (ctx.key(request, 1), ctx.access());
    let (db, reply) = ctx.db_and_reply();
    let Some(value) = db.read_string(key, access)? else {
        reply.integer(0);
        return Ok(());
    };
    let part = match request.len() {
        2 => None,
        4 | 5 => {
            let (start, end) = (integer(request.arg(2))?, integer(request.arg(3))?);
            // Nothing is counted before the unit is looked at, as in Redis.
            if start < 0 && end < 0 && start > end {
                reply.integer(0);
                return Ok(());
            }
            Some((start, end, unit(request.get(4))?))
        }
        _ => return Err(CommandError::Syntax),
    };
    let count = with_bytes(value, |bytes| match part {
        None => bits::count(bytes),
        Some((start, end, unit)) => range(start, end, unit, bytes.len())
            .map_or(0, |(first, last)| bits::count_between(bytes, first, last)),
    });
    reply.integer(count.cast_signed());
    Ok(())
}

fn bitpos(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let on = match integer(request.arg(2))? {
        0 => false,
        1 => true,
        _ => return Err(CommandError::other("ERR The bit argument must be 1 or 0.")),
    };
    let (key, access) = (ctx.key(request, 1), ctx.access());
    let (db, reply) = ctx.db_and_reply();
    let Some(value) = db.read_string(key, access)? else {
        // What is not there is all zeros.
        reply.integer(if on { -1 } else { 0 });
        return Ok(());
    };
    if request.len() > 6 {
        return Err(CommandError::Syntax);
    }
    let start = request.get(3).map_or(Ok(0), integer)?;
    let unit = unit(request.get(5))?;
    let end = request.get(4).map(integer).transpose()?;
    let found = with_bytes(value, |bytes| {
        let (first, last) = range(start, end.unwrap_or(-1), unit, bytes.len())?;
        match bits::find(bytes, on, first, last) {
            // Behind the end zeros go on, unless an end was given.
            None if !on && end.is_none() => Some(bytes.len() as u64 * 8),
            found => found,
        }
    });
    reply.integer(found.map_or(-1, u64::cast_signed));
    Ok(())
}

/// How strings are combined.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Combine {
    And,
    Or,
    Xor,
    Not,
}

fn bitop(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let how = match request.arg(1) {
        word if is_word(word, "AND") => Combine::And,
        word if is_word(word, "OR") => Combine::Or,
        word if is_word(word, "XOR") => Combine::Xor,
        word if is_word(word, "NOT") => Combine::Not,
        _ => return Err(CommandError::Syntax),
    };
    if how == Combine::Not && request.len() != 4 {
        return Err(CommandError::other("ERR BITOP NOT must be called with a single source key."));
    }
    let (target, access) = (Key::new(request.arg(2)), ctx.access());
    let (db, reply) = ctx.db_and_reply();
    let mut result: Option<Vec<u8>> = None;
    for source in request.args_from(3) {
        let empty = Value::Bytes(b"");
        let value = db.read_string(Key::new(source), access)?.unwrap_or(empty);
        with_bytes(value, |bytes| match &mut result {
            None if how == Combine::Not => result = Some(bytes.iter().map(|byte| !byte).collect()),
            None => result = Some(bytes.to_vec()),
            Some(result) => {
                if result.len() < bytes.len() {
                    result.resize(bytes.len(), 0);
                }
                let (both, rest) = result.split_at_mut(bytes.len());
                match how {
                    Combine::And => {
                        both.iter_mut().zip(bytes).for_each(|(a, b)| *a &= b);
                        rest.fill(0);
                    }
                    Combine::Or => both.iter_mut().zip(bytes).for_each(|(a, b)| *a |= b),
                    Combine::Xor | Combine::Not => both.iter_mut().zip(bytes).for_each(|(a, b)| *a ^= b),
                }
            }
        });
    }
    let result = result.unwrap_or_default();
    if result.is_empty() {
        if db.delete(target, access.now) {
            db.event(EventClass::Generic, "del", target.bytes);
        }
    } else {
        let before = db.changes();
        // Kept as bytes, as Redis does, also where they are a number's.
        db.set(target, Value::Bytes(b""), Ttl::None, access);
        if let Some(mut entry) = db.write(target, access) {
            entry.edit(result.len(), |bytes| bytes.copy_from_slice(&result));
        }
        db.count_as(before, 1);
        db.event(EventClass::String, "set", target.bytes);
    }
    reply.integer(result.len() as i64);
    Ok(())
}
