//! Sorted sets: taking the lowest or the highest members, waiting for them if need be.

use super::{
    blocking::{Nothing, is_meant, timeout, wait},
    support::{Outcome, gone, integer, is_word, positive},
};
use crate::{
    node::{
        caller::{Origin, Served, Taken},
        context::{CommandError, Context, Handler},
        keyspace::{Access, Db, EventClass, Key, WrongType},
        object::SortedSet,
    },
    protocol::{Encoder, Request, Version},
};

pub(super) const HANDLERS: &[(&str, Handler)] = &[
    ("bzmpop", bzmpop),
    ("bzpopmax", bzpopmax),
    ("bzpopmin", bzpopmin),
    ("zmpop", zmpop),
    ("zpopmax", zpopmax),
    ("zpopmin", zpopmin),
];

/// From which end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Lowest,
    Highest,
}

/// Members with their scores.
type Pairs = Vec<(Vec<u8>, f64)>;

/// Takes up to `count` members of a key; `None` if it has none.
fn take(
    db: &mut Db,
    key: Key<'_>,
    access: Access,
    end: End,
    count: usize,
) -> Result<Option<Pairs>, WrongType> {
    let Some(mut set) = db.write_collection::<SortedSet>(key, access)? else { return Ok(None) };
    let held = &mut *set;
    let taken: Vec<_> = (0..count).map_while(|_| held.pop(end == End::Highest)).collect();
    set.counts_as(taken.len());
    drop(set);
    let event = if end == End::Lowest { "zpopmin" } else { "zpopmax" };
    db.event(EventClass::SortedSet, event, key.bytes);
    gone(db, key, access);
    Ok(Some(taken))
}

fn reply_members(reply: &mut Encoder<'_>, members: &[(Vec<u8>, f64)], paired: bool) {
    reply.array(if paired { members.len() } else { 2 * members.len() });
    for (name, score) in members {
        if paired {
            reply.array(2);
        }
        reply.bulk(name);
        reply.double(*score);
    }
}

fn zpopmin(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    pop(ctx, request, End::Lowest)
}

fn zpopmax(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    pop(ctx, request, End::Highest)
}

fn pop(ctx: &mut Context<'_>, request: Request<'_>, end: End) -> Outcome {
    if request.len() > 3 {
        return Err(CommandError::Syntax);
    }
    let count = request.get(2).map(positive).transpose()?;
    let (key, access) = (ctx.key(request, 1), ctx.access());
    let (db, reply) = ctx.db_and_reply();
    if count == Some(0) {
        // Nothing is taken, and a wrong type is one all the same.
        db.write_collection::<SortedSet>(key, access)?;
        reply.array(0);
        return Ok(());
    }
    let taken = take(db, key, access, end, count.unwrap_or(1))?.unwrap_or_default();
    let paired = reply.version() == Version::Resp3 && count.is_some();
    reply_members(reply, &taken, paired);
    Ok(())
}

/// `numkeys key … MIN|MAX [COUNT count]`.
struct Multi {
    first: usize,
    end_of_keys: usize,
    end: End,
    count: usize,
}

impl Multi {
    /// `at` is the argument with the number of keys.
    fn parse(request: Request<'_>, at: usize) -> Result<Self, CommandError> {
        let at_least_one = |text, error| {
            integer(text)
                .ok()
                .and_then(|number| usize::try_from(number).ok())
                .filter(|&number| number > 0)
                .ok_or(error)
        };
        let keys =
            at_least_one(request.arg(at), CommandError::other("ERR numkeys should be greater than 0"))?;
        let first = at + 1;
        let end_of_keys =
            first.checked_add(keys).filter(|&end| end < request.len()).ok_or(CommandError::Syntax)?;
        let end = match request.arg(end_of_keys) {
            word if is_word(word, "MIN") => End::Lowest,
            word if is_word(word, "MAX") => End::Highest,
            _ => return Err(CommandError::Syntax),
        };
        let mut count = None;
        let mut words = request.args_from(end_of_keys + 1);
        while let Some(word) = words.next() {
            if !is_word(word, "COUNT") || count.is_some() {
                return Err(CommandError::Syntax);
            }
            let number = words.next().ok_or(CommandError::Syntax)?;
            count = Some(at_least_one(number, CommandError::other("ERR count should be greater than 0"))?);
        }
        Ok(Self { first, end_of_keys, end, count: count.unwrap_or(1) })
    }

    fn keys<'a>(&self, request: Request<'a>) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        (self.first..self.end_of_keys).map(move |index| request.arg(index))
    }
}

fn reply_key(reply: &mut Encoder<'_>, key: &[u8], members: &[(Vec<u8>, f64)]) {
    reply.array(2);
    reply.bulk(key);
    reply_members(reply, members, true);
}

/// What was taken from one set, by a command that says it in other words.
fn tell_pop(ctx: &mut Context<'_>, key: &[u8], end: End, count: Option<usize>) {
    if !ctx.is_heard() {
        return;
    }
    let name = if end == End::Lowest { &b"ZPOPMIN"[..] } else { b"ZPOPMAX" };
    match count {
        Some(count) => ctx.tell(&[name, key, itoa::Buffer::new().format(count).as_bytes()]),
        None => ctx.tell(&[name, key]),
    }
}

fn zmpop(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let what = Multi::parse(request, 1)?;
    let access = ctx.access();
    for key in what.keys(request) {
        let (db, reply) = ctx.db_and_reply();
        if let Some(taken) = take(db, Key::new(key), access, what.end, what.count)? {
            reply_key(reply, key, &taken);
            tell_pop(ctx, key, what.end, Some(taken.len()));
            return Ok(());
        }
    }
    ctx.reply.null_array();
    Ok(())
}

fn bzpopmin(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    blocking_pop(ctx, request, End::Lowest)
}

fn bzpopmax(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    blocking_pop(ctx, request, End::Highest)
}

fn blocking_pop(ctx: &mut Context<'_>, request: Request<'_>, end: End) -> Outcome {
    let last = request.len() - 1;
    let timeout = timeout(request.arg(last), ctx.now)?;
    let keys: Vec<&[u8]> = (1..last).map(|index| request.arg(index)).collect();
    let found = first_of(ctx, keys.iter().copied(), end, 1)?;
    match found {
        Some((key, taken)) => {
            ctx.reply.array(3);
            ctx.reply.bulk(key);
            for (name, score) in &taken {
                ctx.reply.bulk(name);
                ctx.reply.double(*score);
            }
            tell_pop(ctx, key, end, None);
            ctx.caller.served = Some(Served { key: key.into(), taken: Taken::Members(taken) });
            Ok(())
        }
        None => wait(ctx, request, timeout, Nothing::NullArray, keys.into_iter()),
    }
}

fn bzmpop(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let what = Multi::parse(request, 2)?;
    let timeout = timeout(request.arg(1), ctx.now)?;
    match first_of(ctx, what.keys(request), what.end, what.count)? {
        Some((key, taken)) => {
            reply_key(&mut ctx.reply, key, &taken);
            tell_pop(ctx, key, what.end, Some(taken.len()));
            ctx.caller.served = Some(Served { key: key.into(), taken: Taken::Members(taken) });
            Ok(())
        }
        None => wait(ctx, request, timeout, Nothing::NullArray, what.keys(request)),
    }
}

/// A key, and what was taken from it.
type Found<'k> = (&'k [u8], Pairs);

/// Takes from the first key that has members, of those that are meant.
fn first_of<'k>(
    ctx: &mut Context<'_>,
    keys: impl Iterator<Item = &'k [u8]>,
    end: End,
    count: usize,
) -> Result<Option<Found<'k>>, CommandError> {
    let (access, unblocked) = (ctx.access(), ctx.caller.origin == Origin::Unblocked);
    for key in keys.filter(|key| is_meant(ctx, key)).collect::<Vec<_>>() {
        match take(ctx.db(), Key::new(key), access, end, count) {
            Ok(Some(taken)) => return Ok(Some((key, taken))),
            Ok(None) => {}
            // What it waits for is not what came.
            Err(WrongType) if unblocked => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(None)
}
