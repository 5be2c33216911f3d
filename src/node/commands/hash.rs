//! Hashes: setting, taking and looking at fields.

use super::{
    scan::{self, Elements, cursor_of_collection},
    support::{Chosen, Outcome, choose, gone, integer, is_word, reply_element, wrong_arity},
};
use crate::{
    node::{
        context::{CommandError, Context, Handler},
        keyspace::EventClass,
        object::{Element, Hash, HashRef},
    },
    protocol::{Encoder, Request, Version, extended::Extended},
};

pub(super) const HANDLERS: &[(&str, Handler)] = &[
    ("hdel", hdel),
    ("hexists", hexists),
    ("hget", hget),
    ("hgetall", hgetall),
    ("hincrby", hincrby),
    ("hincrbyfloat", hincrbyfloat),
    ("hkeys", hkeys),
    ("hlen", hlen),
    ("hmget", hmget),
    ("hmset", hmset),
    ("hrandfield", hrandfield),
    ("hscan", hscan),
    ("hset", hset),
    ("hsetnx", hsetnx),
    ("hstrlen", hstrlen),
    ("hvals", hvals),
];

fn hset(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let created = set_fields(ctx, request, "hset")?;
    ctx.reply.integer(created as i64);
    Ok(())
}

fn hmset(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    set_fields(ctx, request, "hmset")?;
    ctx.reply.ok();
    Ok(())
}

/// Sets all pairs; says how many fields are new.
fn set_fields(ctx: &mut Context<'_>, request: Request<'_>, name: &str) -> Result<usize, CommandError> {
    if !request.len().is_multiple_of(2) {
        return Err(wrong_arity(name));
    }
    let (key, access, limits) = (ctx.key(request, 1), ctx.access(), ctx.node.config.hash_limits());
    let db = ctx.db();
    let mut hash = db.get_or_create::<Hash>(key, access)?;
    let held = &mut *hash;
    let created = (2..request.len())
        .step_by(2)
        .map(|at| usize::from(held.set(request.arg(at), request.arg(at + 1), limits)))
        .sum();
    hash.counts_as(request.len() / 2 - 1);
    drop(hash);
    db.event(EventClass::Hash, "hset", key.bytes);
    Ok(created)
}

fn hsetnx(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let (key, access, limits) = (ctx.key(request, 1), ctx.access(), ctx.node.config.hash_limits());
    let (db, reply) = ctx.db_and_reply();
    let mut hash = db.get_or_create::<Hash>(key, access)?;
    let is_new = hash.view().get(request.arg(2)).is_none();
    if is_new {
        hash.set(request.arg(2), request.arg(3), limits);
    }
    drop(hash);
    if is_new {
        db.event(EventClass::Hash, "hset", key.bytes);
    }
    reply.integer(i64::from(is_new));
    Ok(())
}

/// Replies with a value, or that there is none.
pub(super) fn reply_value(reply: &mut Encoder<'_>, value: Option<Element<'_>>) {
    match value {
        Some(value) => reply_element(reply, value),
        None => reply.null(),
    }
}

fn hget(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let (key, access) = (ctx.key(request, 1), ctx.access());
    let (db, reply) = ctx.db_and_reply();
    let hash = db.read_collection::<Hash>(key, access)?;
    reply_value(reply, hash.and_then(|hash| hash.get(request.arg(2))));
    Ok(())
}

fn hmget(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let (key, access) = (ctx.key(request, 1), ctx.access());
    let (db, reply) = ctx.db_and_reply();
    let hash = db.read_collection::<Hash>(key, access)?;
    let fields = request.args_from(2);
    reply.array(fields.len());
    fields.for_each(|field| reply_value(reply, hash.and_then(|hash| hash.get(field))));
    Ok(())
}

/// Replies with something of all fields: `show` writes it, behind what `begin` writes.
fn reply_all(
    ctx: &mut Context<'_>,
    request: Request<'_>,
    begin: fn(&mut Encoder<'_>, usize),
    show: fn(&mut Encoder<'_>, Element<'_>, Element<'_>),
) -> Outcome {
    let (key, access) = (ctx.key(request, 1), ctx.access());
    let (db, reply) = ctx.db_and_reply();
    let Some(hash) = db.read_collection::<Hash>(key, access)? else {
        begin(reply, 0);
        return Ok(());
    };
    begin(reply, hash.len());
    hash.iter().for_each(|(field, value)| show(reply, field, value));
    Ok(())
}

fn begin_map(reply: &mut Encoder<'_>, pairs: usize) {
    reply.map(pairs);
}

fn begin_array(reply: &mut Encoder<'_>, elements: usize) {
    reply.array(elements);
}

fn hgetall(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    reply_all(ctx, request, begin_map, |reply, field, value| {
        reply_element(reply, field);
        reply_element(reply, value);
    })
}

fn hkeys(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    reply_all(ctx, request, begin_array, |reply, field, _| reply_element(reply, field))
}

fn hvals(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    reply_all(ctx, request, begin_array, |reply, _, value| reply_element(reply, value))
}

/// Replies with a number, which is 0 where there is no hash.
fn reply_count(
    ctx: &mut Context<'_>,
    request: Request<'_>,
    count: impl FnOnce(HashRef<'_>) -> usize,
) -> Outcome {
    let (key, access) = (ctx.key(request, 1), ctx.access());
    let (db, reply) = ctx.db_and_reply();
    reply.integer(db.read_collection::<Hash>(key, access)?.map_or(0, count) as i64);
    Ok(())
}

fn hlen(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let (key, access) = (ctx.key(request, 1), ctx.access());
    let (db, reply) = ctx.db_and_reply();
    reply.integer(db.read_collection::<Hash>(key, access)?.map_or(0, |hash| hash.len() as i64));
    Ok(())
}

fn hexists(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    reply_count(ctx, request, |hash| usize::from(hash.get(request.arg(2)).is_some()))
}

fn hstrlen(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    reply_count(ctx, request, |hash| hash.get(request.arg(2)).map_or(0, Element::text_len))
}

fn hdel(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let (key, access) = (ctx.key(request, 1), ctx.access());
    let (db, reply) = ctx.db_and_reply();
    let Some(mut hash) = db.write_collection::<Hash>(key, access)? else {
        reply.integer(0);
        return Ok(());
    };
    let removed = hash.count_changes(|hash| request.args_from(2).filter(|field| hash.remove(field)).count());
    drop(hash);
    if removed > 0 {
        db.event(EventClass::Hash, "hdel", key.bytes);
        gone(db, key, access);
    }
    reply.integer(removed as i64);
    Ok(())
}

fn hincrby(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let by = integer(request.arg(3))?;
    let (key, access, limits) = (ctx.key(request, 1), ctx.access(), ctx.node.config.hash_limits());
    let (db, reply) = ctx.db_and_reply();
    let mut hash = db.get_or_create::<Hash>(key, access)?;
    let value = match hash.view().get(request.arg(2)) {
        None => 0,
        Some(value) => {
            value.with(integer).map_err(|_| CommandError::other("ERR hash value is not an integer"))?
        }
    };
    let sum =
        value.checked_add(by).ok_or(CommandError::other("ERR increment or decrement would overflow"))?;
    hash.update(request.arg(2), itoa::Buffer::new().format(sum).as_bytes(), limits);
    drop(hash);
    db.event(EventClass::Hash, "hincrby", key.bytes);
    reply.integer(sum);
    Ok(())
}

fn hincrbyfloat(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let by = Extended::parse(request.arg(3)).ok_or(CommandError::NotFloat)?;
    if !by.is_finite() {
        return Err(CommandError::other("ERR value is NaN or Infinity"));
    }
    let (key, access, limits) = (ctx.key(request, 1), ctx.access(), ctx.node.config.hash_limits());
    let (db, reply) = ctx.db_and_reply();
    let mut hash = db.get_or_create::<Hash>(key, access)?;
    let value = match hash.view().get(request.arg(2)) {
        None => Extended::from(0),
        Some(value) => {
            value.with(Extended::parse).ok_or(CommandError::other("ERR hash value is not a float"))?
        }
    };
    let sum = value
        .checked_add(by)
        .ok_or(CommandError::other("ERR increment would produce NaN or Infinity"))?
        .to_text();
    hash.update(request.arg(2), sum.as_bytes(), limits);
    drop(hash);
    db.event(EventClass::Hash, "hincrbyfloat", key.bytes);
    reply.bulk(&sum);
    if ctx.is_heard() {
        ctx.tell(&[b"HSET", key.bytes, request.arg(2), sum.as_bytes()]);
    }
    Ok(())
}

/// Writes fields that chance chose, with their values if they are wanted: pairs of their own in RESP3.
struct Fields {
    values: bool,
    paired: bool,
}

impl Fields {
    fn begin(&self, reply: &mut Encoder<'_>, count: usize) {
        reply.array(if self.values && !self.paired { 2 * count } else { count });
    }

    fn show(&self, reply: &mut Encoder<'_>, field: Element<'_>, value: Element<'_>) {
        if self.paired {
            reply.array(2);
        }
        reply_element(reply, field);
        if self.values {
            reply_element(reply, value);
        }
    }
}

fn hrandfield(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let count = request.get(2).map(Chosen::parse).transpose()?;
    let values = match (request.len(), request.get(3)) {
        (..4, _) => false,
        (4, Some(word)) if is_word(word, "WITHVALUES") => true,
        _ => return Err(CommandError::Syntax),
    };
    if values && integer(request.arg(2))?.unsigned_abs() > i64::MAX as u64 / 2 {
        return Err(CommandError::other("ERR value is out of range"));
    }
    let (key, access) = (ctx.key(request, 1), ctx.access());
    let (db, reply) = ctx.db_and_reply();
    let Some(hash) = db.read_collection::<Hash>(key, access)? else {
        match count {
            Some(_) => reply.array(0),
            None => reply.null(),
        }
        return Ok(());
    };
    let form = Fields { values, paired: values && reply.version() == Version::Resp3 };
    match count {
        None => drop(hash.random(|field, _| reply_element(reply, field))),
        Some(Chosen::Again(count)) => {
            form.begin(reply, count);
            for _ in 0..count {
                hash.random(|field, value| form.show(reply, field, value));
            }
        }
        Some(Chosen::Once(count)) => {
            let count = count.min(hash.len());
            form.begin(reply, count);
            let pair = |field: Element<'_>, value: Element<'_>| (field.to_vec(), value.to_vec());
            let random = || hash.random(|field, value| (field.to_vec(), pair(field, value)));
            let all = hash.iter().map(|(field, value)| pair(field, value));
            choose(count, hash.len(), all, random, |(field, value)| {
                form.show(reply, Element::Bytes(&field), Element::Bytes(&value));
            });
        }
    }
    Ok(())
}

fn hscan(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let cursor = cursor_of_collection(request)?;
    let (key, access) = (ctx.key(request, 1), ctx.access());
    let (db, reply) = ctx.db_and_reply();
    let Some(hash) = db.read_collection::<Hash>(key, access)? else {
        scan::reply_nothing(reply);
        return Ok(());
    };
    let options = scan::Options::parse(request, 3, false)?;
    let mut found = Elements::new(&options, reply.version());
    let next = hash.scan(cursor, options.count, |field, value| {
        found.offer(field, |out| {
            if !options.names_only {
                reply_element(out, value);
            }
            usize::from(!options.names_only)
        });
    });
    found.reply(reply, next);
    Ok(())
}
