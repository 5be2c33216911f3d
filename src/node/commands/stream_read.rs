//! XREAD and XREADGROUP: entries behind given ones, of several streams, waiting for them if there are none. A group is handed each
//! entry once, and a consumer can ask again for what it holds.

use std::time::Duration;

use super::{
    blocking::{Nothing, is_meant, wait_as},
    stream_effects::{tell_claim, tell_group},
    stream_group::seen,
    stream_ids::{reply_entries, reply_entry, reply_id, strict},
    support::{Outcome, as_c_string, integer, is_word},
};
use crate::{
    command::waiting,
    node::{
        caller::Origin,
        context::{CommandError, Context, Handler},
        keyspace::{Key, WrongType},
        object::{
            Stream,
            stream::{Entry, StreamId},
        },
    },
    protocol::{Args, Request, Version},
    time::Millis,
};

pub(super) const HANDLERS: &[(&str, Handler)] = &[("xread", xread), ("xreadgroup", xreadgroup)];

/// Milliseconds that a reader waits; 0 is for ever.
fn timeout(argument: &[u8], now: Millis) -> Result<Option<Duration>, CommandError> {
    waiting::millis(argument, now).map_err(|error| CommandError::other(error.to_string()))
}

/// For whom a group's entries are read.
#[derive(Clone, Copy)]
struct Reader<'r> {
    group: &'r [u8],
    consumer: &'r [u8],
    /// What is handed out is not kept as pending.
    no_ack: bool,
}

fn xread(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    read(ctx, request, false)
}

fn xreadgroup(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    read(ctx, request, true)
}

fn read(ctx: &mut Context<'_>, request: Request<'_>, in_group: bool) -> Outcome {
    let (mut names, mut no_ack) = (None, false);
    let (mut count, mut block, mut first, mut at) = (usize::MAX, None, 0, 1);
    while let Some(word) = request.get(at) {
        let more = request.len() - 1 - at;
        if more > 0 && is_word(word, "BLOCK") {
            if ctx.caller.origin == Origin::Script {
                let name = if in_group { "xreadgroup" } else { "xread" };
                return Err(CommandError::other(format!(
                    "ERR {name} command is not allowed with BLOCK option from scripts"
                )));
            }
            block = Some(timeout(request.arg(at + 1), ctx.now)?);
            at += 2;
        } else if more > 0 && is_word(word, "COUNT") {
            count = usize::try_from(integer(request.arg(at + 1))?)
                .ok()
                .filter(|&count| count > 0)
                .unwrap_or(usize::MAX);
            at += 2;
        } else if more > 0 && is_word(word, "STREAMS") {
            first = at + 1;
            break;
        } else if more > 1 && is_word(word, "GROUP") {
            if in_group {
                names = Some((request.arg(at + 1), request.arg(at + 2)));
                at += 3;
                continue;
            }
            return Err(CommandError::other(
                "ERR The GROUP option is only supported by XREADGROUP. You called XREAD instead.",
            ));
        } else if is_word(word, "NOACK") {
            if in_group {
                no_ack = true;
                at += 1;
                continue;
            }
            return Err(CommandError::other(
                "ERR The NOACK option is only supported by XREADGROUP. You called XREAD instead.",
            ));
        } else {
            return Err(CommandError::Syntax);
        }
    }
    let words = request.len() - first;
    if first > 0 && !words.is_multiple_of(2) {
        return Err(CommandError::other(
            "ERR Unbalanced XREAD list of streams: for each stream key an ID or '$' must be specified.",
        ));
    }
    if first == 0 {
        return Err(CommandError::Syntax);
    }
    if in_group && names.is_none() {
        return Err(CommandError::other("ERR Missing GROUP option for XREADGROUP"));
    }
    let reader = names.map(|(group, consumer)| Reader { group, consumer, no_ack });
    let ids = first + words / 2;
    if in_group {
        // What becomes of it is told by itself.
        ctx.tell_nothing();
    }
    if let Some(reader) = reader {
        let after = group_positions(ctx, request, first, ids, reader)?;
        if reply_group(ctx, request, first, &after, count, reader)? {
            return Ok(());
        }
        let Some(patience) = block else {
            ctx.reply.null_array();
            return Ok(());
        };
        let keys = (first..ids).map(|index| request.arg(index));
        return wait_as(ctx, Args::from(&request), patience, Nothing::NullArray, keys);
    }
    let after = positions(ctx, request, first, ids)?;
    if reply_new(ctx, request, first, &after, count)? {
        return Ok(());
    }
    let Some(patience) = block else {
        ctx.reply.null_array();
        return Ok(());
    };
    // `$` is what it is now, however much comes while the client waits.
    let mut args = Args::new();
    let given = request.args().take(ids).map(<[u8]>::to_vec);
    for argument in given.chain(after.iter().map(|id| id.to_string().into_bytes())) {
        args.push(&argument).map_err(|error| CommandError::other(format!("ERR {error}")))?;
    }
    let keys = (first..ids).map(|index| request.arg(index));
    wait_as(ctx, args, patience, Nothing::NullArray, keys)
}

/// Behind which entry each stream is read.
fn positions(
    ctx: &mut Context<'_>,
    request: Request<'_>,
    first: usize,
    ids: usize,
) -> Result<Vec<StreamId>, CommandError> {
    let access = ctx.access();
    (first..ids)
        .zip(request.args_from(ids))
        .map(|(index, id)| match id {
            b"$" | b"+" => {
                let stream = ctx.db().read_collection::<Stream>(Key::new(request.arg(index)), access)?;
                let last = stream.map_or(StreamId::MIN, |stream| match stream.last() {
                    Some(entry) if id == b"+" => entry.id.previous().unwrap_or_default(),
                    _ => stream.last_id,
                });
                Ok(last)
            }
            b">" => Err(CommandError::other(
                "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> \
                 <consumer> option.",
            )),
            _ => strict(id, 0),
        })
        .collect()
}

/// Behind which entry each stream is read; `None` is behind what the group was handed.
fn group_positions(
    ctx: &mut Context<'_>,
    request: Request<'_>,
    first: usize,
    ids: usize,
    reader: Reader<'_>,
) -> Result<Vec<Option<StreamId>>, CommandError> {
    let access = ctx.access();
    let mut positions = Vec::new();
    for (index, id) in (first..ids).zip(request.args_from(ids)) {
        let key = Key::new(request.arg(index));
        let unblocked = ctx.caller.origin == Origin::Unblocked;
        let stream = match ctx.db().read_collection::<Stream>(key, access) {
            // What took its place is not what was waited for.
            Err(WrongType) if unblocked => None,
            found => found?,
        };
        let is_gone = stream.is_none();
        if stream.and_then(|stream| stream.group(reader.group)).is_none() {
            if unblocked {
                return Err(CommandError::other(if is_gone {
                    "UNBLOCKED the stream key no longer exists"
                } else {
                    "NOGROUP the consumer group this client was blocked on no longer exists"
                }));
            }
            return Err(CommandError::Bytes(
                [
                    b"NOGROUP No such key '",
                    as_c_string(key.bytes),
                    b"' or consumer group '",
                    as_c_string(reader.group),
                    b"' in XREADGROUP with GROUP option",
                ]
                .concat(),
            ));
        }
        positions.push(match id {
            b"$" => {
                return Err(CommandError::other(
                    "ERR The $ ID is meaningless in the context of XREADGROUP: you want to read the history of \
                     this consumer by specifying a proper ID, or use the > ID to get new messages. The $ ID \
                     would just return an empty result set.",
                ));
            }
            b">" => None,
            _ => Some(strict(id, 0)?),
        });
    }
    Ok(positions)
}

/// Hands out what is new to the group, or shows again what the consumer holds; `false` if there is nothing.
fn reply_group(
    ctx: &mut Context<'_>,
    request: Request<'_>,
    first: usize,
    after: &[Option<StreamId>],
    count: usize,
    reader: Reader<'_>,
) -> Result<bool, CommandError> {
    let (access, now) = (ctx.access(), ctx.now);
    let mut ready = Vec::new();
    for (index, &after) in (first..).zip(after) {
        let key = Key::new(request.arg(index));
        let Some(stream) = ctx.db().collection::<Stream>(key) else { continue };
        let Some(group) = stream.group(reader.group) else { continue };
        if after.is_some() || stream.has_entries_after(group.last_id) {
            ready.push((key, after));
        }
    }
    if ready.is_empty() {
        return Ok(false);
    }
    match ctx.reply.version() {
        Version::Resp2 => ctx.reply.array(ready.len()),
        Version::Resp3 => ctx.reply.map(ready.len()),
    }
    for (key, after) in ready {
        let is_new = seen(ctx.db(), key, access, reader.group, reader.consumer, now)?;
        if is_new && reader.no_ack && ctx.is_heard() {
            ctx.tell(&[b"XGROUP", b"CREATECONSUMER", key.bytes, reader.group, reader.consumer]);
        }
        let (db, reply) = ctx.db_and_reply();
        if reply.version() == Version::Resp2 {
            reply.array(2);
        }
        reply.bulk(key.bytes);
        let Some(mut stream) = db.write_collection::<Stream>(key, access)? else { continue };
        let ids = match after {
            None => hand_out(&mut stream, reader, count, now),
            Some(after) => show_again(&mut stream, reader, after, count, now),
        };
        reply.array(ids.len());
        for &id in &ids {
            match stream.get(id) {
                Some(entry) => reply_entry(reply, entry),
                // It was deleted while the consumer held it.
                None => {
                    reply.array(2);
                    reply_id(reply, id);
                    reply.null_array();
                }
            }
        }
        drop(stream);
        if after.is_none() && ctx.is_heard() {
            tell_handed_out(ctx, key, reader, &ids);
        }
    }
    Ok(true)
}

fn hand_out(stream: &mut Stream, reader: Reader<'_>, count: usize, now: Millis) -> Vec<StreamId> {
    let next = stream.group(reader.group).and_then(|group| group.last_id.next());
    let Some(next) = next else { return Vec::new() };
    let ids: Vec<StreamId> = stream.range(next, StreamId::MAX).take(count).map(|entry| entry.id).collect();
    for &id in &ids {
        let read = stream.group(reader.group).and_then(|group| stream.read_after(group, id));
        stream.change_group(reader.group, |group| {
            (group.last_id, group.entries_read) = (id, read);
            if !reader.no_ack {
                group.hand(id, reader.consumer, now, 1);
            }
            if let Some(consumer) = group.consumer_mut(reader.consumer) {
                consumer.active = Some(now);
            }
        });
    }
    ids
}

/// What a group was handed is told entry by entry, as claimed; without `XACK` to come, as where the group is then.
#[cold]
fn tell_handed_out(ctx: &mut Context<'_>, key: Key<'_>, reader: Reader<'_>, ids: &[StreamId]) {
    if ids.is_empty() {
        return;
    }
    if reader.no_ack {
        tell_group(ctx, key, reader.group);
    } else {
        // Each was the last at the time.
        ids.iter().for_each(|&id| tell_claim(ctx, key, reader.group, id, id));
    }
}

fn show_again(
    stream: &mut Stream,
    reader: Reader<'_>,
    after: StreamId,
    count: usize,
    now: Millis,
) -> Vec<StreamId> {
    let Some(next) = after.next() else { return Vec::new() };
    let consumer = stream.group(reader.group).and_then(|group| group.consumers().get(reader.consumer));
    let ids: Vec<StreamId> = consumer
        .into_iter()
        .flat_map(|consumer| consumer.pending().range(next..))
        .take(count)
        .copied()
        .collect();
    let there: Vec<StreamId> = ids.iter().copied().filter(|&id| stream.get(id).is_some()).collect();
    for id in there {
        stream.change_group(reader.group, |group| group.again(id, now));
    }
    ids
}

/// Replies with what is new, if anything is.
fn reply_new(
    ctx: &mut Context<'_>,
    request: Request<'_>,
    first: usize,
    after: &[StreamId],
    count: usize,
) -> Result<bool, CommandError> {
    let (access, unblocked) = (ctx.access(), ctx.caller.origin == Origin::Unblocked);
    let mut ready = Vec::new();
    for (index, &id) in (first..).zip(after) {
        let key = Key::new(request.arg(index));
        if !is_meant(ctx, key.bytes) {
            continue;
        }
        match ctx.db().read_collection::<Stream>(key, access) {
            Ok(Some(stream)) if stream.has_entries_after(id) => ready.push((key, id)),
            Ok(_) => {}
            Err(WrongType) if unblocked => {}
            Err(error) => return Err(error.into()),
        }
    }
    if ready.is_empty() {
        return Ok(false);
    }
    let (db, reply) = ctx.db_and_reply();
    match reply.version() {
        Version::Resp2 => reply.array(ready.len()),
        Version::Resp3 => reply.map(ready.len()),
    }
    for (key, id) in ready {
        if reply.version() == Version::Resp2 {
            reply.array(2);
        }
        reply.bulk(key.bytes);
        let stream = db.collection::<Stream>(key);
        let entries: Vec<Entry<'_>> = stream
            .zip(id.next())
            .map(|(stream, next)| stream.range(next, StreamId::MAX).take(count).collect())
            .unwrap_or_default();
        reply_entries(reply, &entries);
    }
    Ok(true)
}
