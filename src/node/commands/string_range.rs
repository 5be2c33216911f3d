//! Parts of strings.

use std::ops::Range;

use super::support::{Outcome, integer, with_bytes};
use crate::{
    node::{
        context::{CommandError, Context, Handler},
        keyspace::{EventClass, Ttl, Value},
    },
    protocol::Request,
};

pub(super) const HANDLERS: &[(&str, Handler)] = &[
    ("append", append),
    ("getrange", getrange),
    ("setrange", setrange),
    ("strlen", strlen),
    ("substr", getrange),
];

/// Checks that a string made of so many bytes and so many more is not longer than `max`: `proto-max-bulk-len`.
fn grown_len(len: usize, more: usize, max: usize) -> Result<usize, CommandError> {
    len.checked_add(more)
        .filter(|&len| len <= max)
        .ok_or(CommandError::other("ERR string exceeds maximum allowed size (proto-max-bulk-len)"))
}

fn string_len(value: Value<'_>) -> usize {
    with_bytes(value, <[u8]>::len)
}

fn append(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let (key, access, added) = (ctx.key(request, 1), ctx.access(), request.arg(2));
    let max = ctx.node.config.max_string();
    let (db, reply) = ctx.db_and_reply();
    let len = match db.write_string(key, access)? {
        Some(mut entry) => {
            let old_len = entry.string().map_or(0, string_len);
            let len = grown_len(old_len, added.len(), max)?;
            entry.edit(len, |bytes| bytes[old_len..].copy_from_slice(added));
            len
        }
        None => {
            db.set(key, Value::of_string(added), Ttl::None, access);
            added.len()
        }
    };
    db.event(EventClass::String, "append", key.bytes);
    reply.integer(len as i64);
    Ok(())
}

fn strlen(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let (key, access) = (ctx.key(request, 1), ctx.access());
    let (db, reply) = ctx.db_and_reply();
    reply.integer(db.read_string(key, access)?.map_or(0, |value| string_len(value) as i64));
    Ok(())
}

/// The bytes from `start` to `end` inclusive, both counted from the end if negative.
fn range(start: i64, end: i64, len: usize) -> Range<usize> {
    let len = len as i64;
    if start < 0 && end < 0 && start > end {
        return 0..0;
    }
    let from_front = |index: i64| if index < 0 { (len.saturating_add(index)).max(0) } else { index };
    let (start, end) = (from_front(start), from_front(end).min(len - 1));
    match (usize::try_from(start), usize::try_from(end)) {
        (Ok(start), Ok(end)) if start <= end => start..end + 1,
        _ => 0..0,
    }
}

/// GETRANGE, and SUBSTR as it was called once.
fn getrange(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let (start, end) = (integer(request.arg(2))?, integer(request.arg(3))?);
    let (key, access) = (ctx.key(request, 1), ctx.access());
    let (db, reply) = ctx.db_and_reply();
    match db.read_string(key, access)? {
        Some(value) => {
            with_bytes(value, |bytes| reply.bulk(&bytes[range(start, end, bytes.len())]));
        }
        None => reply.bulk(b""),
    }
    Ok(())
}

fn setrange(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let offset = integer(request.arg(2))?;
    let offset = usize::try_from(offset).map_err(|_| CommandError::other("ERR offset is out of range"))?;
    let (key, access, new) = (ctx.key(request, 1), ctx.access(), request.arg(3));
    let max = ctx.node.config.max_string();
    let (db, reply) = ctx.db_and_reply();
    let old_len = db.write_string(key, access)?.and_then(|entry| entry.string().map(string_len));
    if new.is_empty() {
        reply.integer(old_len.unwrap_or(0) as i64);
        return Ok(());
    }
    let len = grown_len(offset, new.len(), max)?.max(old_len.unwrap_or(0));
    if old_len.is_none() {
        db.create(key, access);
    }
    if let Some(mut entry) = db.write(key, access) {
        entry.edit(len, |bytes| bytes[offset..offset + new.len()].copy_from_slice(new));
    }
    db.event(EventClass::String, "setrange", key.bytes);
    reply.integer(len as i64);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::range;

    #[test]
    fn ranges_of_redis() {
        for (start, end, len, expected) in [
            (0, -1, 5, 0..5),
            (-3, -1, 5, 2..5),
            (0, 100, 5, 0..5),
            (-100, 1, 5, 0..2),
            (-100, -50, 5, 0..1),
            (3, 1, 5, 0..0),
            (-1, -3, 5, 0..0),
            (5, 9, 5, 0..0),
            (0, -1, 0, 0..0),
            (i64::MIN, i64::MAX, 5, 0..5),
        ] {
            assert_eq!(range(start, end, len), expected, "{start} {end} of {len}");
        }
    }
}
