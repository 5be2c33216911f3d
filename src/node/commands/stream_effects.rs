//! What journals are told of groups: whom an entry belongs to, since when, and how often it was handed out, as a claim that leaves
//! nothing to a clock; and how far a group has read.

use crate::node::{
    context::Context,
    keyspace::Key,
    object::{
        Stream,
        stream::{Pending, StreamId},
    },
};

/// An entry that a consumer holds now; `last` is where the group was then.
pub(super) fn tell_claim(ctx: &mut Context<'_>, key: Key<'_>, group: &[u8], id: StreamId, last: StreamId) {
    let of_group = ctx.db().collection::<Stream>(key).and_then(|stream| stream.group(group));
    if let Some(pending) = of_group.and_then(|group| group.pending().get(&id)).cloned() {
        tell(ctx, key, group, (id, &pending), last);
    }
}

/// Entries and what became of them, those included that are held no more because they are no more.
pub(super) fn tell_claims(
    ctx: &mut Context<'_>,
    key: Key<'_>,
    group: &[u8],
    claimed: &[(StreamId, Option<Pending>)],
) {
    let of_group = ctx.db().collection::<Stream>(key).and_then(|stream| stream.group(group));
    let Some(last) = of_group.map(|group| group.last_id) else { return };
    for (id, pending) in claimed {
        if let Some(pending) = pending {
            tell(ctx, key, group, (*id, pending), last);
        }
    }
}

fn tell(
    ctx: &mut Context<'_>,
    key: Key<'_>,
    group: &[u8],
    (id, pending): (StreamId, &Pending),
    last: StreamId,
) {
    let (id, last) = (id.to_string(), last.to_string());
    let (delivered, count) = (pending.delivered.0.to_string(), pending.count.to_string());
    let words: [&[u8]; 14] = [
        b"XCLAIM",
        key.bytes,
        group,
        &pending.consumer,
        b"0",
        id.as_bytes(),
        b"TIME",
        delivered.as_bytes(),
        b"RETRYCOUNT",
        count.as_bytes(),
        b"FORCE",
        b"JUSTID",
        b"LASTID",
        last.as_bytes(),
    ];
    ctx.tell(&words);
}

/// How far a group has read.
pub(super) fn tell_group(ctx: &mut Context<'_>, key: Key<'_>, group: &[u8]) {
    let of_group = ctx.db().collection::<Stream>(key).and_then(|stream| stream.group(group));
    let Some((last, read)) = of_group.map(|group| (group.last_id, group.entries_read)) else { return };
    let read = read.map_or_else(|| "-1".to_owned(), |read| read.to_string());
    ctx.tell(&[
        b"XGROUP",
        b"SETID",
        key.bytes,
        group,
        last.to_string().as_bytes(),
        b"ENTRIESREAD",
        read.as_bytes(),
    ]);
}
