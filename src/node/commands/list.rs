//! Lists: adding, taking and looking at elements.

use super::support::{Outcome, gone, integer, is_word, positive, reply_element, wrong_arity};
use crate::{
    node::{
        context::{CommandError, Context, Handler},
        keyspace::{Access, Db, EventClass, Key},
        object::{
            Element, List,
            list::{End, Fill},
        },
    },
    protocol::Request,
};

pub(super) const HANDLERS: &[(&str, Handler)] = &[
    ("lindex", lindex),
    ("linsert", linsert),
    ("llen", llen),
    ("lpop", lpop),
    ("lpush", lpush),
    ("lpushx", lpushx),
    ("lrange", lrange),
    ("lrem", lrem),
    ("lset", lset),
    ("ltrim", ltrim),
    ("rpop", rpop),
    ("rpush", rpush),
    ("rpushx", rpushx),
];

/// What taking from an end is called in events.
pub(super) fn popped(end: End) -> &'static str {
    match end {
        End::Left => "lpop",
        End::Right => "rpop",
    }
}

/// What adding to an end is called in events.
pub(super) fn pushed(end: End) -> &'static str {
    match end {
        End::Left => "lpush",
        End::Right => "rpush",
    }
}

fn lpush(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    push(ctx, request, End::Left)
}

fn rpush(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    push(ctx, request, End::Right)
}

fn push(ctx: &mut Context<'_>, request: Request<'_>, end: End) -> Outcome {
    let (key, access, fill) = (ctx.key(request, 1), ctx.access(), ctx.node.config.list_fill());
    let (db, reply) = ctx.db_and_reply();
    let len = push_all(db, key, access, end, request.args_from(2), fill)?;
    reply.integer(len as i64);
    Ok(())
}

/// Adds elements one after the other to a list, which is made where there is none. Says how long it is then.
pub(super) fn push_all<'v>(
    db: &mut Db,
    key: Key<'_>,
    access: Access,
    end: End,
    values: impl Iterator<Item = &'v [u8]>,
    fill: Fill,
) -> Result<usize, CommandError> {
    let mut list = db.get_or_create::<List>(key, access)?;
    let held = &mut *list;
    let pushed_now = values.map(|value| held.push(end, value, fill)).count();
    let len = held.len();
    list.counts_as(pushed_now);
    drop(list);
    db.event(EventClass::List, pushed(end), key.bytes);
    Ok(len)
}

fn lpushx(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    push_existing(ctx, request, End::Left)
}

fn rpushx(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    push_existing(ctx, request, End::Right)
}

fn push_existing(ctx: &mut Context<'_>, request: Request<'_>, end: End) -> Outcome {
    let (key, access) = (ctx.key(request, 1), ctx.access());
    if ctx.db().write_collection::<List>(key, access)?.is_none() {
        ctx.reply.integer(0);
        return Ok(());
    }
    push(ctx, request, end)
}

fn lpop(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    pop(ctx, request, End::Left, "lpop")
}

fn rpop(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    pop(ctx, request, End::Right, "rpop")
}

fn pop(ctx: &mut Context<'_>, request: Request<'_>, end: End, name: &str) -> Outcome {
    if request.len() > 3 {
        return Err(wrong_arity(name));
    }
    let count = match request.get(2) {
        None => None,
        Some(count) => Some(positive(count)?),
    };
    let (key, access) = (ctx.key(request, 1), ctx.access());
    let (db, reply) = ctx.db_and_reply();
    let Some(mut list) = db.write_collection::<List>(key, access)? else {
        match count {
            Some(_) => reply.null_array(),
            None => reply.null(),
        }
        return Ok(());
    };
    let taken = match count {
        Some(0) => {
            reply.array(0);
            return Ok(());
        }
        Some(count) => {
            let taken = count.min(list.len());
            reply.array(taken);
            taken
        }
        None => 1,
    };
    let held = &mut *list;
    for _ in 0..taken {
        held.pop(end, |element| reply_element(reply, element));
    }
    list.counts_as(taken);
    drop(list);
    took(db, key, end, access);
    Ok(())
}

/// After elements were taken: what that is called, and that nothing is left.
pub(super) fn took(db: &mut Db, key: Key<'_>, end: End, access: Access) {
    db.event(EventClass::List, popped(end), key.bytes);
    gone(db, key, access);
}

fn llen(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let (key, access) = (ctx.key(request, 1), ctx.access());
    let (db, reply) = ctx.db_and_reply();
    reply.integer(db.read_collection::<List>(key, access)?.map_or(0, |list| list.len() as i64));
    Ok(())
}

/// Counted from the end if negative; `None` in front of the first.
pub(super) fn index_from_front(index: i64, len: usize) -> Option<usize> {
    if index >= 0 {
        return Some(usize::try_from(index).unwrap_or(usize::MAX));
    }
    len.checked_sub(usize::try_from(index.unsigned_abs()).unwrap_or(usize::MAX))
}

fn lindex(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let (key, access) = (ctx.key(request, 1), ctx.access());
    let (db, reply) = ctx.db_and_reply();
    let Some(list) = db.read_collection::<List>(key, access)? else {
        reply.null();
        return Ok(());
    };
    let index = index_from_front(integer(request.arg(2))?, list.len());
    match index.and_then(|index| list.get(index)) {
        Some(element) => reply_element(reply, element),
        None => reply.null(),
    }
    Ok(())
}

/// From `start` to `end` inclusive, both counted from the end if negative: where it begins, and how many that are.
fn range(start: i64, end: i64, len: usize) -> (usize, usize) {
    let start = index_from_front(start, len).unwrap_or(0);
    match index_from_front(end, len) {
        Some(end) if start <= end && start < len => (start, end.min(len - 1) - start + 1),
        _ => (0, 0),
    }
}

fn lrange(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let (start, end) = (integer(request.arg(2))?, integer(request.arg(3))?);
    let (key, access) = (ctx.key(request, 1), ctx.access());
    let (db, reply) = ctx.db_and_reply();
    let Some(list) = db.read_collection::<List>(key, access)? else {
        reply.array(0);
        return Ok(());
    };
    let (start, count) = range(start, end, list.len());
    reply.array(count);
    list.iter(start, End::Right).take(count).for_each(|element| reply_element(reply, element));
    Ok(())
}

fn lset(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let (key, access, fill) = (ctx.key(request, 1), ctx.access(), ctx.node.config.list_fill());
    let (db, reply) = ctx.db_and_reply();
    let mut list = db.write_collection::<List>(key, access)?.ok_or(CommandError::NoSuchKey)?;
    let index = index_from_front(integer(request.arg(2))?, list.len()).filter(|&index| index < list.len());
    let index = index.ok_or(CommandError::other("ERR index out of range"))?;
    list.set(index, request.arg(3), fill);
    drop(list);
    db.event(EventClass::List, "lset", key.bytes);
    reply.ok();
    Ok(())
}

fn linsert(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let behind = match request.arg(2) {
        word if is_word(word, "AFTER") => 1,
        word if is_word(word, "BEFORE") => 0,
        _ => return Err(CommandError::Syntax),
    };
    let (key, access, fill) = (ctx.key(request, 1), ctx.access(), ctx.node.config.list_fill());
    let (db, reply) = ctx.db_and_reply();
    let Some(mut list) = db.write_collection::<List>(key, access)? else {
        reply.integer(0);
        return Ok(());
    };
    let pivot = Element::of(request.arg(3));
    let Some(at) = list.view().iter(0, End::Right).position(|element| element == pivot) else {
        reply.integer(-1);
        return Ok(());
    };
    list.insert(at + behind, request.arg(4), fill);
    let len = list.len();
    drop(list);
    db.event(EventClass::List, "linsert", key.bytes);
    reply.integer(len as i64);
    Ok(())
}

fn lrem(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let count = integer(request.arg(2))?;
    let (key, access) = (ctx.key(request, 1), ctx.access());
    let (db, reply) = ctx.db_and_reply();
    let Some(mut list) = db.write_collection::<List>(key, access)? else {
        reply.integer(0);
        return Ok(());
    };
    let from = if count < 0 { End::Right } else { End::Left };
    let most = match count {
        0 => usize::MAX,
        count => usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX),
    };
    let value = Element::of(request.arg(3));
    // Looking is not changing: nobody is to be told of a list that stays as it is.
    let removed = if list.view().iter(0, End::Right).any(|element| element == value) {
        list.remove_equal(request.arg(3), most, from)
    } else {
        0
    };
    list.counts_as(removed);
    drop(list);
    if removed > 0 {
        db.event(EventClass::List, "lrem", key.bytes);
        gone(db, key, access);
    }
    reply.integer(removed as i64);
    Ok(())
}

fn ltrim(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let (start, end) = (integer(request.arg(2))?, integer(request.arg(3))?);
    let (key, access) = (ctx.key(request, 1), ctx.access());
    let (db, reply) = ctx.db_and_reply();
    reply.ok();
    let Some(mut list) = db.write_collection::<List>(key, access)? else { return Ok(()) };
    let len = list.len();
    let (start, count) = range(start, end, len);
    let held = &mut *list;
    held.remove(start + count, len - start - count);
    held.remove(0, start);
    list.counts_as(len - count);
    drop(list);
    db.event(EventClass::List, "ltrim", key.bytes);
    gone(db, key, access);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::range;

    #[test]
    fn ranges_of_redis() {
        for (start, end, len, expected) in [
            (0, -1, 5, (0, 5)),
            (-3, -1, 5, (2, 3)),
            (0, 100, 5, (0, 5)),
            (-100, 1, 5, (0, 2)),
            (3, 1, 5, (0, 0)),
            (5, 9, 5, (0, 0)),
            (0, -6, 5, (0, 0)),
            (i64::MIN, i64::MAX, 5, (0, 5)),
            (0, -1, 0, (0, 0)),
        ] {
            assert_eq!(range(start, end, len), expected, "{start} {end} of {len}");
        }
    }
}
