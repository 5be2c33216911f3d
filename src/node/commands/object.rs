//! OBJECT: how a key is kept.

use super::{help::help as help_lines, support::Outcome};
use crate::{
    node::{
        context::{CommandError, Context, Handler},
        keyspace::{Aging, Content, RecordRef, Value},
    },
    protocol::Request,
};

pub(super) const HANDLERS: &[(&str, Handler)] = &[
    ("object|encoding", encoding),
    ("object|freq", freq),
    ("object|help", help),
    ("object|idletime", idletime),
    ("object|refcount", refcount),
];

/// Strings up to this length lie in one block with their object in Redis.
const EMBEDDED_MAX: usize = 44;
/// Redis keeps one object of each number below, and shows its count of references as unlimited.
const SHARED_INTEGERS: i64 = 10_000;
const SHARED_REFERENCES: i64 = i32::MAX as i64;
/// Beside a record: its cell, at the usual load of a table.
pub(super) const CELL: usize = 10;

/// Replies with what `show` makes of the key in argument 2, or that there is none.
pub(super) fn reply_about(
    ctx: &mut Context<'_>,
    request: Request<'_>,
    show: impl FnOnce(RecordRef<'_>) -> Result<i64, CommandError>,
) -> Outcome {
    let (key, access) = (ctx.key(request, 2), ctx.access());
    let (db, reply) = ctx.db_and_reply();
    match db.peek(key, access) {
        Some(record) => reply.integer(show(record)?),
        None => reply.null(),
    }
    Ok(())
}

/// How a value is kept, in Redis's words.
pub(super) fn encoding_of(record: RecordRef<'_>) -> &'static str {
    match record.content() {
        Content::String(Value::Int(_)) => "int",
        Content::String(Value::Bytes(bytes)) if bytes.len() <= EMBEDDED_MAX && !record.is_edited() => {
            "embstr"
        }
        Content::String(_) => "raw",
        // Redis 7.0 has no other encoding for lists, however short.
        Content::List(_) => "quicklist",
        Content::Hash(hash) => hash.encoding(),
        Content::Set(set) => set.encoding(),
        Content::SortedSet(set) => set.encoding(),
        Content::Stream(_) => "stream",
    }
}

fn encoding(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let (key, access) = (ctx.key(request, 2), ctx.access());
    let (db, reply) = ctx.db_and_reply();
    match db.peek(key, access) {
        Some(record) => reply.bulk(encoding_of(record)),
        None => reply.null(),
    }
    Ok(())
}

fn refcount(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    reply_about(ctx, request, |record| {
        Ok(match record.content() {
            Content::String(Value::Int(number)) if (0..SHARED_INTEGERS).contains(&number) => {
                SHARED_REFERENCES
            }
            _ => 1,
        })
    })
}

const SWITCHING: &str = "Please note that when switching between policies at runtime LRU and LFU data will take some \
                         time to adjust.";

fn idletime(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let (aging, now) = (ctx.store.keyspace.aging(), ctx.now);
    reply_about(ctx, request, |record| match aging {
        Aging::Lru => Ok(Aging::idle_seconds(record.age(), now)),
        Aging::Lfu { .. } => Err(CommandError::other(format!(
            "ERR An LFU maxmemory policy is selected, idle time not tracked. {SWITCHING}"
        ))),
    })
}

fn freq(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let (aging, now) = (ctx.store.keyspace.aging(), ctx.now);
    reply_about(ctx, request, |record| match aging {
        Aging::Lfu { .. } => Ok(i64::from(aging.frequency(record.age(), now))),
        Aging::Lru => Err(CommandError::other(format!(
            "ERR An LFU maxmemory policy is not selected, access frequency not tracked. {SWITCHING}"
        ))),
    })
}

fn help(ctx: &mut Context<'_>, _: Request<'_>) -> Outcome {
    help_lines(
        ctx,
        "OBJECT",
        &[
            ("ENCODING <key>", "How the value is kept: int, embstr or raw for strings, quicklist for lists."),
            ("FREQ <key>", "Logarithmic access frequency; needs an LFU maxmemory-policy."),
            ("IDLETIME <key>", "Seconds since the key was used; needs a maxmemory-policy that is not LFU."),
            ("REFCOUNT <key>", "References to the value: 1, or 2147483647 for small integers."),
        ],
    );
    Ok(())
}
