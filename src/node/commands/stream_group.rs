//! Consumer groups: made, moved and removed, and what their consumers are handed, hold and have dealt with.

use super::{
    help::help as help_lines,
    stream_effects::{tell_claims, tell_group},
    stream_ids::{end, loose, reply_entries, reply_entry, reply_id, start, strict},
    support::{Outcome, as_c_string, integer, is_word, wrong_subcommand},
};
use crate::{
    node::{
        context::{CommandError, Context, Handler},
        keyspace::{Access, Db, EventClass, Key},
        object::{
            Stream,
            stream::{Group, Pending, StreamId},
        },
    },
    protocol::Request,
    time::Millis,
};

pub(super) const HANDLERS: &[(&str, Handler)] = &[
    ("xack", xack),
    ("xautoclaim", xautoclaim),
    ("xclaim", xclaim),
    ("xgroup|create", create),
    ("xgroup|createconsumer", create_consumer),
    ("xgroup|delconsumer", delete_consumer),
    ("xgroup|destroy", destroy),
    ("xgroup|help", help),
    ("xgroup|setid", set_id),
    ("xpending", xpending),
];

/// Words of `XGROUP CREATE` with each of its options once. They may be repeated, and more is refused late, as in Redis.
const CREATE_WORDS: usize = 8;

/// Words of `XGROUP SETID` with its option once.
const SET_ID_WORDS: usize = 7;

/// An error with names in it that need not be text.
fn error(parts: &[&[u8]]) -> CommandError {
    CommandError::Bytes(parts.concat())
}

/// Neither the key nor, if it is there, the group.
fn no_key_or_group(key: &[u8], group: &[u8]) -> CommandError {
    let (key, group) = (as_c_string(key), as_c_string(group));
    error(&[b"NOGROUP No such key '", key, b"' or consumer group '", group, b"'"])
}

/// The key is there, and the group is not.
pub(super) fn no_group(key: &[u8], group: &[u8]) -> CommandError {
    let (key, group) = (as_c_string(key), as_c_string(group));
    error(&[b"NOGROUP No such consumer group '", group, b"' for key name '", key, b"'"])
}

fn no_stream() -> CommandError {
    CommandError::other(
        "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the \
         MKSTREAM option to create an empty stream automatically.",
    )
}

/// Options behind the ID of `XGROUP CREATE` and `SETID`: whether to make the stream, and what the group has read.
fn group_options(request: Request<'_>, creates: bool) -> Result<(bool, Option<u64>), CommandError> {
    let (mut make, mut read) = (false, None);
    let mut words = request.args_from(5);
    while let Some(word) = words.next() {
        if creates && is_word(word, "MKSTREAM") {
            make = true;
            continue;
        }
        let number = words.next().filter(|_| is_word(word, "ENTRIESREAD"));
        let Some(number) = number else {
            return Err(wrong_subcommand(request));
        };
        read = match integer(number)? {
            -1 => None,
            number => Some(
                u64::try_from(number)
                    .map_err(|_| CommandError::other("ERR value for ENTRIESREAD must be positive or -1"))?,
            ),
        };
    }
    Ok((make, read))
}

fn create(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let (make, read) = group_options(request, true)?;
    let (key, access) = (Key::new(request.arg(2)), ctx.access());
    let (name, id) = (request.arg(3), request.arg(4));
    let (db, reply) = ctx.db_and_reply();
    let last = db.write_collection::<Stream>(key, access)?.map(|stream| stream.last_id);
    if last.is_none() && !make {
        return Err(no_stream());
    }
    if request.len() > CREATE_WORDS {
        return Err(wrong_subcommand(request));
    }
    let id = if id == b"$" { last.unwrap_or_default() } else { strict(id, 0)? };
    let exists = db.collection::<Stream>(key).is_some_and(|stream| stream.group(name).is_some());
    if exists {
        return Err(CommandError::other("BUSYGROUP Consumer Group name already exists"));
    }
    db.get_or_create::<Stream>(key, access)?.add_group(name, Group::new(id, read));
    db.event(EventClass::Stream, "xgroup-create", key.bytes);
    reply.ok();
    Ok(())
}

fn set_id(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let (_, read) = group_options(request, false)?;
    let (key, access) = (Key::new(request.arg(2)), ctx.access());
    let name = request.arg(3);
    let (db, reply) = ctx.db_and_reply();
    let mut stream = db.write_collection::<Stream>(key, access)?.ok_or_else(no_stream)?;
    if stream.group(name).is_none() {
        return Err(no_group(key.bytes, name));
    }
    if request.len() > SET_ID_WORDS {
        return Err(wrong_subcommand(request));
    }
    let id = if request.arg(4) == b"$" { stream.last_id } else { loose(request.arg(4), 0)? };
    stream.change_group(name, |group| (group.last_id, group.entries_read) = (id, read));
    drop(stream);
    db.event(EventClass::Stream, "xgroup-setid", key.bytes);
    reply.ok();
    Ok(())
}

fn destroy(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let (key, access) = (Key::new(request.arg(2)), ctx.access());
    let (db, reply) = ctx.db_and_reply();
    let mut stream = db.write_collection::<Stream>(key, access)?.ok_or_else(no_stream)?;
    let removed = stream.count_changes(|stream| usize::from(stream.remove_group(request.arg(3))));
    drop(stream);
    if removed > 0 {
        db.event(EventClass::Stream, "xgroup-destroy", key.bytes);
    }
    reply.integer(removed as i64);
    Ok(())
}

fn create_consumer(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let (key, access, now) = (Key::new(request.arg(2)), ctx.access(), ctx.now);
    let (name, consumer) = (request.arg(3), request.arg(4));
    let (db, reply) = ctx.db_and_reply();
    let mut stream = db.write_collection::<Stream>(key, access)?.ok_or_else(no_stream)?;
    if stream.group(name).is_none() {
        return Err(no_group(key.bytes, name));
    }
    let added = stream.count_changes(|stream| {
        usize::from(stream.change_group(name, |group| group.add_consumer(consumer, now)) == Some(true))
    });
    drop(stream);
    if added > 0 {
        db.event(EventClass::Stream, "xgroup-createconsumer", key.bytes);
    }
    reply.integer(added as i64);
    Ok(())
}

fn delete_consumer(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let (key, access) = (Key::new(request.arg(2)), ctx.access());
    let (name, consumer) = (request.arg(3), request.arg(4));
    let (db, reply) = ctx.db_and_reply();
    let mut stream = db.write_collection::<Stream>(key, access)?.ok_or_else(no_stream)?;
    let group = stream.group(name).ok_or_else(|| no_group(key.bytes, name))?;
    let pending = if group.consumers().contains_key(consumer) {
        stream.change_group(name, |group| group.remove_consumer(consumer)).flatten()
    } else {
        None
    };
    drop(stream);
    if pending.is_some() {
        db.event(EventClass::Stream, "xgroup-delconsumer", key.bytes);
    }
    reply.integer(pending.unwrap_or(0) as i64);
    Ok(())
}

fn xack(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let (key, access) = (ctx.key(request, 1), ctx.access());
    let name = request.arg(2);
    let (db, reply) = ctx.db_and_reply();
    let Some(mut stream) =
        db.write_collection::<Stream>(key, access)?.filter(|stream| stream.group(name).is_some())
    else {
        reply.integer(0);
        return Ok(());
    };
    let ids = request.args_from(3).map(|id| strict(id, 0)).collect::<Result<Vec<_>, _>>()?;
    let done = stream.count_changes(|stream| {
        stream
            .change_group(name, |group| ids.into_iter().filter(|&id| group.acknowledge(id)).count())
            .unwrap_or(0)
    });
    reply.integer(done as i64);
    Ok(())
}

/// Milliseconds since an entry was handed out.
fn idle(pending: &Pending, now: Millis) -> i64 {
    now.0.saturating_sub(pending.delivered.0).max(0)
}

fn xpending(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let words = request.len();
    if words != 3 && !(6..=9).contains(&words) {
        return Err(CommandError::Syntax);
    }
    let (mut first, mut min_idle) = (3, 0);
    let mut range = None;
    if words > 3 {
        if is_word(request.arg(3), "IDLE") {
            min_idle = integer(request.arg(4))?;
            if words < 8 {
                return Err(CommandError::Syntax);
            }
            first = 5;
        }
        let count = usize::try_from(integer(request.arg(first + 2))?).unwrap_or(0);
        range = Some((start(request.arg(first))?, end(request.arg(first + 1))?, count));
    }
    let (key, access, now) = (ctx.key(request, 1), ctx.access(), ctx.now);
    let name = request.arg(2);
    let (db, reply) = ctx.db_and_reply();
    let group = db.read_collection::<Stream>(key, access)?.and_then(|stream| stream.group(name));
    let group = group.ok_or_else(|| no_key_or_group(key.bytes, name))?;
    let Some((from, to, count)) = range else {
        reply.array(4);
        reply.integer(group.pending().len() as i64);
        let ends = group.pending().first_key_value().zip(group.pending().last_key_value());
        let Some(((&lowest, _), (&highest, _))) = ends else {
            reply.null();
            reply.null();
            reply.null_array();
            return Ok(());
        };
        reply_id(reply, lowest);
        reply_id(reply, highest);
        let holders = || group.consumers().iter().filter(|(_, consumer)| !consumer.pending().is_empty());
        reply.array(holders().count());
        for (name, consumer) in holders() {
            reply.array(2);
            reply.bulk(name);
            reply.bulk(consumer.pending().len().to_string());
        }
        return Ok(());
    };
    let consumer = request.get(first + 3);
    if from > to {
        reply.array(0);
        return Ok(());
    }
    let old = |pending: &Pending| min_idle == 0 || idle(pending, now) >= min_idle;
    let rows: Vec<(StreamId, &Pending)> = match consumer {
        Some(consumer) => group
            .consumers()
            .get(consumer)
            .into_iter()
            .flat_map(|consumer| consumer.pending().range(from..=to))
            .filter_map(|&id| Some((id, group.pending().get(&id)?)))
            .filter(|(_, pending)| old(pending))
            .take(count)
            .collect(),
        None => group
            .pending()
            .range(from..=to)
            .map(|(&id, pending)| (id, pending))
            .filter(|(_, pending)| old(pending))
            .take(count)
            .collect(),
    };
    reply.array(rows.len());
    for (id, pending) in rows {
        reply.array(4);
        reply_id(reply, id);
        reply.bulk(&pending.consumer);
        reply.integer(idle(pending, now));
        reply.integer(pending.count.cast_signed());
    }
    Ok(())
}

/// Adds a consumer if it is not there, as reading and claiming do, and notes that it was seen. Whether it is new.
pub(super) fn seen(
    db: &mut Db,
    key: Key<'_>,
    access: Access,
    group: &[u8],
    consumer: &[u8],
    now: Millis,
) -> Result<bool, CommandError> {
    let Some(mut stream) = db.write_collection::<Stream>(key, access)? else { return Ok(false) };
    let added = stream.change_group(group, |group| {
        let added = group.add_consumer(consumer, now);
        if let Some(consumer) = group.consumer_mut(consumer) {
            consumer.seen = now;
        }
        added
    });
    // That it was seen is written with what it does.
    stream.counts_as(usize::from(added == Some(true)));
    drop(stream);
    if added == Some(true) {
        db.event(EventClass::Stream, "xgroup-createconsumer", key.bytes);
    }
    Ok(added == Some(true))
}

/// Options of `XCLAIM`.
struct Claim {
    ids: Vec<StreamId>,
    delivered: Millis,
    count: Option<u64>,
    force: bool,
    just_id: bool,
    last_id: Option<StreamId>,
}

impl Claim {
    fn parse(request: Request<'_>, now: Millis) -> Result<Self, CommandError> {
        let ids: Vec<StreamId> = request.args_from(5).map_while(|id| strict(id, 0).ok()).collect();
        let mut words = request.args_from(5 + ids.len());
        let mut claim =
            Self { ids, delivered: now, count: None, force: false, just_id: false, last_id: None };
        let number = |argument: &[u8], name: &str| {
            integer(argument)
                .map_err(|_| CommandError::other(format!("ERR Invalid {name} option argument for XCLAIM")))
        };
        while let Some(word) = words.next() {
            let more = words.len() > 0;
            if is_word(word, "FORCE") {
                claim.force = true;
            } else if is_word(word, "JUSTID") {
                claim.just_id = true;
            } else if more && is_word(word, "IDLE") {
                let idle = number(words.next().unwrap_or_default(), "IDLE")?;
                claim.delivered = Millis(now.0.saturating_sub(idle));
            } else if more && is_word(word, "TIME") {
                claim.delivered = Millis(number(words.next().unwrap_or_default(), "TIME")?);
            } else if more && is_word(word, "RETRYCOUNT") {
                let count = number(words.next().unwrap_or_default(), "RETRYCOUNT")?;
                claim.count = u64::try_from(count).ok();
            } else if more && is_word(word, "LASTID") {
                claim.last_id = Some(strict(words.next().unwrap_or_default(), 0)?);
            } else {
                return Err(error(&[b"ERR Unrecognized XCLAIM option '", word, b"'"]));
            }
        }
        if claim.delivered.0 < 0 || claim.delivered > now {
            claim.delivered = now;
        }
        Ok(claim)
    }
}

fn xclaim(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let (key, access, now) = (ctx.key(request, 1), ctx.access(), ctx.now);
    let (name, consumer) = (request.arg(2), request.arg(3));
    let db = ctx.db();
    let stream = db.read_collection::<Stream>(key, access)?.filter(|stream| stream.group(name).is_some());
    if stream.is_none() {
        return Err(no_key_or_group(key.bytes, name));
    }
    let min_idle = integer(request.arg(4))
        .map_err(|_| CommandError::other("ERR Invalid min-idle-time argument for XCLAIM"))?;
    let claim = Claim::parse(request, now)?;
    ctx.tell_nothing();
    let (db, reply) = ctx.db_and_reply();
    let mut taken = Vec::new();
    let mut known = false;
    let Some(mut stream) = db.write_collection::<Stream>(key, access)? else { return Ok(()) };
    let mut created = false;
    let mut effects = Vec::new();
    let mut is_moved = false;
    if let Some(last) = claim.last_id {
        stream.change_group(name, |group| {
            is_moved = last > group.last_id;
            group.last_id = group.last_id.max(last);
        });
    }
    for &id in &claim.ids {
        let exists = stream.get(id).is_some();
        stream.change_group(name, |group| {
            let pending = group.pending().get(&id).cloned();
            if !exists {
                if group.acknowledge(id) {
                    effects.push((id, pending));
                }
                return;
            }
            if pending.is_none() && !claim.force {
                return;
            }
            if pending.as_ref().is_some_and(|pending| min_idle > 0 && idle(pending, now) < min_idle) {
                return;
            }
            if !known {
                created = group.add_consumer(consumer, now);
                known = true;
            }
            // What is made up by FORCE counts as handed out once.
            let before = pending.map_or(1, |pending| pending.count);
            let count = claim.count.unwrap_or(before + u64::from(!claim.just_id));
            group.hand(id, consumer, claim.delivered, count);
            if let Some(consumer) = group.consumer_mut(consumer) {
                (consumer.seen, consumer.active) = (now, Some(now));
            }
            effects.push((id, group.pending().get(&id).cloned()));
            taken.push(id);
        });
    }
    stream.counts_as(effects.len() + usize::from(created) + usize::from(is_moved && effects.is_empty()));
    drop(stream);
    if created {
        db.event(EventClass::Stream, "xgroup-createconsumer", key.bytes);
    }
    reply.array(taken.len());
    let stream = db.collection::<Stream>(key);
    for id in taken {
        match stream.and_then(|stream| stream.get(id)).filter(|_| !claim.just_id) {
            Some(entry) => reply_entry(reply, entry),
            None => reply_id(reply, id),
        }
    }
    if ctx.is_heard() {
        tell_claims(ctx, key, name, &effects);
        if is_moved && effects.is_empty() {
            tell_group(ctx, key, name);
        }
    }
    Ok(())
}

fn xautoclaim(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    /// Entries looked at for each that is wanted.
    const ATTEMPTS: usize = 10;
    let min_idle = integer(request.arg(4))
        .map_err(|_| CommandError::other("ERR Invalid min-idle-time argument for XAUTOCLAIM"))?;
    let from = start(request.arg(5))?;
    let (mut count, mut just_id) = (100_usize, false);
    let mut words = request.args_from(6);
    while let Some(word) = words.next() {
        if words.len() > 0 && is_word(word, "COUNT") {
            count = integer(words.next().unwrap_or_default())
                .ok()
                .filter(|count| (1..=i64::MAX / 16).contains(count))
                .and_then(|count| usize::try_from(count).ok())
                .ok_or(CommandError::other("ERR COUNT must be > 0"))?;
        } else if is_word(word, "JUSTID") {
            just_id = true;
        } else {
            return Err(CommandError::Syntax);
        }
    }
    let (key, access, now) = (ctx.key(request, 1), ctx.access(), ctx.now);
    let (name, consumer) = (request.arg(2), request.arg(3));
    let db = ctx.db();
    let stream = db.read_collection::<Stream>(key, access)?.filter(|stream| stream.group(name).is_some());
    if stream.is_none() {
        return Err(no_key_or_group(key.bytes, name));
    }
    ctx.tell_nothing();
    let (db, reply) = ctx.db_and_reply();
    seen(db, key, access, name, consumer, now)?;
    let mut effects = Vec::new();
    let Some(mut stream) = db.write_collection::<Stream>(key, access)? else { return Ok(()) };
    let (mut taken, mut deleted, mut attempts) = (Vec::new(), Vec::new(), count * ATTEMPTS);
    let mut next = Some(from);
    let mut cursor = StreamId::MIN;
    while let Some(at) = next {
        let found = stream.group(name).and_then(|group| group.pending().range(at..).next());
        let Some((&id, pending)) = found else { break };
        if attempts == 0 || count == 0 {
            cursor = id;
            break;
        }
        attempts -= 1;
        next = id.next();
        let (young, before) = (min_idle > 0 && idle(pending, now) < min_idle, pending.count);
        if stream.get(id).is_none() {
            let pending = pending.clone();
            effects.push((id, Some(pending)));
            stream.change_group(name, |group| group.acknowledge(id));
            deleted.push(id);
            count -= 1;
        } else if !young {
            stream.change_group(name, |group| {
                group.hand(id, consumer, now, before + u64::from(!just_id));
                if let Some(consumer) = group.consumer_mut(consumer) {
                    consumer.active = Some(now);
                }
                effects.push((id, group.pending().get(&id).cloned()));
            });
            taken.push(id);
            count -= 1;
        }
    }
    stream.counts_as(effects.len());
    drop(stream);
    reply.array(3);
    reply_id(reply, cursor);
    let stream = db.collection::<Stream>(key);
    if just_id {
        reply.array(taken.len());
        taken.into_iter().for_each(|id| reply_id(reply, id));
    } else {
        let entries: Vec<_> =
            taken.into_iter().filter_map(|id| stream.and_then(|stream| stream.get(id))).collect();
        reply_entries(reply, &entries);
    }
    reply.array(deleted.len());
    deleted.into_iter().for_each(|id| reply_id(reply, id));
    if ctx.is_heard() {
        tell_claims(ctx, key, name, &effects);
    }
    Ok(())
}

fn help(ctx: &mut Context<'_>, _: Request<'_>) -> Outcome {
    help_lines(
        ctx,
        "XGROUP",
        &[
            (
                "CREATE <key> <groupname> <id|$> [option]",
                "A new group. Options: MKSTREAM, ENTRIESREAD <entries>.",
            ),
            ("CREATECONSUMER <key> <groupname> <consumer>", "A new consumer of a group."),
            ("DELCONSUMER <key> <groupname> <consumer>", "Remove a consumer and what it holds."),
            ("DESTROY <key> <groupname>", "Remove a group."),
            ("SETID <key> <groupname> <id|$> [ENTRIESREAD entries]", "From where a group reads on."),
        ],
    );
    Ok(())
}
