//! What is known of a stream, its groups and their consumers.

use super::{
    help::help as help_lines,
    stream_group::no_group,
    stream_ids::{reply_entries, reply_entry, reply_id},
    support::{Outcome, integer, is_word, wrong_subcommand},
};
use crate::{
    node::{
        context::{CommandError, Context, Handler},
        keyspace::Key,
        object::{
            Stream,
            stream::{Consumer, Entry, Group, StreamId},
        },
    },
    protocol::{Encoder, Request},
    time::Millis,
};

pub(super) const HANDLERS: &[(&str, Handler)] = &[
    ("xinfo|consumers", consumers),
    ("xinfo|groups", groups),
    ("xinfo|help", help),
    ("xinfo|stream", stream),
];

/// Entries that are shown of everything, unless more are asked for.
const SHOWN: usize = 10;

fn number(reply: &mut Encoder<'_>, name: &str, number: u64) {
    reply.bulk(name);
    reply.integer(number.cast_signed());
}

/// A number that may be unknown.
fn known(reply: &mut Encoder<'_>, name: &str, number: Option<i64>) {
    reply.bulk(name);
    match number {
        Some(number) => reply.integer(number),
        None => reply.null(),
    }
}

fn id(reply: &mut Encoder<'_>, name: &str, id: StreamId) {
    reply.bulk(name);
    reply_id(reply, id);
}

fn figures(reply: &mut Encoder<'_>, stream: &Stream) {
    number(reply, "length", stream.len());
    let chunks = stream.chunk_count() as u64;
    number(reply, "radix-tree-keys", chunks);
    // There is no such tree here: what one with a node for each chunk below its root would have.
    number(reply, "radix-tree-nodes", chunks + 1);
    id(reply, "last-generated-id", stream.last_id);
    id(reply, "max-deleted-entry-id", stream.max_deleted);
    number(reply, "entries-added", stream.entries_added);
    id(reply, "recorded-first-entry-id", stream.first().map_or(StreamId::MIN, |entry| entry.id));
}

/// How many entries `FULL` shows; 0 is all of them. `None`: it was not asked for.
fn full(request: Request<'_>) -> Result<Option<usize>, CommandError> {
    let words: Vec<&[u8]> = request.args_from(3).collect();
    match words.as_slice() {
        [] => Ok(None),
        [word] if is_word(word, "FULL") => Ok(Some(SHOWN)),
        [word, option, count] if is_word(word, "FULL") && is_word(option, "COUNT") => {
            // Less than nothing is what is usual.
            Ok(Some(usize::try_from(integer(count)?).unwrap_or(SHOWN)))
        }
        _ => Err(wrong_subcommand(request)),
    }
}

fn stream(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let (key, access) = (Key::new(request.arg(2)), ctx.access());
    let (db, reply) = ctx.db_and_reply();
    let stream = db.read_collection::<Stream>(key, access)?.ok_or(CommandError::NoSuchKey)?;
    let Some(shown) = full(request)? else {
        reply.map(10);
        figures(reply, stream);
        number(reply, "groups", stream.groups().len() as u64);
        for (name, entry) in [("first-entry", stream.first()), ("last-entry", stream.last())] {
            reply.bulk(name);
            match entry {
                Some(entry) => reply_entry(reply, entry),
                None => reply.null(),
            }
        }
        return Ok(());
    };
    let shown = if shown == 0 { usize::MAX } else { shown };
    reply.map(9);
    figures(reply, stream);
    reply.bulk("entries");
    let entries: Vec<Entry<'_>> = stream.range(StreamId::MIN, StreamId::MAX).take(shown).collect();
    reply_entries(reply, &entries);
    reply.bulk("groups");
    reply.array(stream.groups().len());
    for (name, group) in stream.groups() {
        reply.map(7);
        reply.bulk("name");
        reply.bulk(name);
        id(reply, "last-delivered-id", group.last_id);
        known(reply, "entries-read", group.entries_read.map(u64::cast_signed));
        known(reply, "lag", stream.lag(group));
        number(reply, "pel-count", group.pending().len() as u64);
        reply.bulk("pending");
        reply.array(group.pending().len().min(shown));
        for (id, pending) in group.pending().iter().take(shown) {
            reply.array(4);
            reply_id(reply, *id);
            reply.bulk(&*pending.consumer);
            reply.integer(pending.delivered.0);
            reply.integer(pending.count.cast_signed());
        }
        reply.bulk("consumers");
        reply.array(group.consumers().len());
        for (name, consumer) in group.consumers() {
            whole_consumer(reply, group, name, consumer, shown);
        }
    }
    Ok(())
}

fn whole_consumer(reply: &mut Encoder<'_>, group: &Group, name: &[u8], consumer: &Consumer, shown: usize) {
    reply.map(5);
    reply.bulk("name");
    reply.bulk(name);
    reply.bulk("seen-time");
    reply.integer(consumer.seen.0);
    reply.bulk("active-time");
    reply.integer(consumer.active.map_or(-1, |active| active.0));
    number(reply, "pel-count", consumer.pending().len() as u64);
    reply.bulk("pending");
    reply.array(consumer.pending().len().min(shown));
    for id in consumer.pending().iter().take(shown) {
        reply.array(3);
        reply_id(reply, *id);
        let pending = group.pending().get(id);
        reply.integer(pending.map_or(0, |pending| pending.delivered.0));
        reply.integer(pending.map_or(0, |pending| pending.count.cast_signed()));
    }
}

fn groups(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let (key, access) = (Key::new(request.arg(2)), ctx.access());
    let (db, reply) = ctx.db_and_reply();
    let stream = db.read_collection::<Stream>(key, access)?.ok_or(CommandError::NoSuchKey)?;
    reply.array(stream.groups().len());
    for (name, group) in stream.groups() {
        reply.map(6);
        reply.bulk("name");
        reply.bulk(name);
        number(reply, "consumers", group.consumers().len() as u64);
        number(reply, "pending", group.pending().len() as u64);
        id(reply, "last-delivered-id", group.last_id);
        known(reply, "entries-read", group.entries_read.map(u64::cast_signed));
        known(reply, "lag", stream.lag(group));
    }
    Ok(())
}

fn consumers(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let (key, access, now) = (Key::new(request.arg(2)), ctx.access(), ctx.now);
    let (db, reply) = ctx.db_and_reply();
    let stream = db.read_collection::<Stream>(key, access)?.ok_or(CommandError::NoSuchKey)?;
    let group = stream.group(request.arg(3)).ok_or_else(|| no_group(key.bytes, request.arg(3)))?;
    let since = |time: Millis| (now.0 - time.0).max(0);
    reply.array(group.consumers().len());
    for (name, consumer) in group.consumers() {
        reply.map(4);
        reply.bulk("name");
        reply.bulk(name);
        number(reply, "pending", consumer.pending().len() as u64);
        reply.bulk("idle");
        reply.integer(since(consumer.seen));
        reply.bulk("inactive");
        reply.integer(consumer.active.map_or(-1, since));
    }
    Ok(())
}

fn help(ctx: &mut Context<'_>, _: Request<'_>) -> Outcome {
    help_lines(
        ctx,
        "XINFO",
        &[
            ("CONSUMERS <key> <groupname>", "The consumers of a group."),
            ("GROUPS <key>", "The groups of a stream."),
            ("STREAM <key> [FULL [COUNT <count>]]", "Figures of a stream, or all of it."),
        ],
    );
    Ok(())
}
