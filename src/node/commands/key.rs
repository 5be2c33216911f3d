//! Keys as such: presence, type, names, moves between databases.

use super::support::{Outcome, int, is_word};
use crate::{
    node::{
        context::{CommandError, Context, Handler},
        keyspace::{EventClass, Key, Record, type_name},
    },
    protocol::Request,
};

pub(super) const HANDLERS: &[(&str, Handler)] = &[
    ("copy", copy),
    ("del", del),
    ("exists", exists),
    ("move", move_),
    ("randomkey", randomkey),
    ("rename", rename),
    ("renamenx", renamenx),
    ("touch", touch),
    ("type", type_),
    ("unlink", del),
];

/// DEL, and UNLINK too: values that take long to free are freed elsewhere in either case.
fn del(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let now = ctx.now;
    let mut removed = 0;
    ctx.each_key(request, 1, |ctx, key, _| {
        let db = ctx.db();
        if db.delete(key, now) {
            db.event(EventClass::Generic, "del", key.bytes);
            removed += 1;
        }
    });
    ctx.reply.integer(removed);
    Ok(())
}

fn exists(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let access = ctx.access();
    let mut found = 0;
    ctx.each_key(request, 1, |ctx, key, _| found += i64::from(ctx.db().peek(key, access).is_some()));
    ctx.reply.integer(found);
    Ok(())
}

/// Looking is using, also for a client that does not want it otherwise.
fn touch(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let access = ctx.store.keyspace.access(ctx.now, true);
    let mut found = 0;
    ctx.each_key(request, 1, |ctx, key, _| found += i64::from(ctx.db().read(key, access).is_some()));
    ctx.reply.integer(found);
    Ok(())
}

fn type_(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let (key, access) = (ctx.key(request, 1), ctx.access());
    let (db, reply) = ctx.db_and_reply();
    reply.simple(db.peek(key, access).map_or("none", |record| type_name(record.content())));
    Ok(())
}

fn randomkey(ctx: &mut Context<'_>, _: Request<'_>) -> Outcome {
    let now = ctx.now;
    match ctx.db().random(now) {
        Some(key) => ctx.reply.bulk(key),
        None => ctx.reply.null(),
    }
    Ok(())
}

fn rename(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    rename_to(ctx, request, true)?;
    ctx.reply.ok();
    Ok(())
}

fn renamenx(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let renamed = rename_to(ctx, request, false)?;
    ctx.reply.integer(i64::from(renamed));
    Ok(())
}

fn rename_to(ctx: &mut Context<'_>, request: Request<'_>, replace: bool) -> Result<bool, CommandError> {
    let (access, from, to) = (ctx.access(), ctx.key(request, 1), ctx.key(request, 2));
    let db = ctx.db();
    if db.write(from, access).is_none() {
        return Err(CommandError::NoSuchKey);
    }
    if from.bytes == to.bytes || (!replace && db.contains(to, access.now)) {
        return Ok(false);
    }
    let before = db.changes();
    if let Some(record) = db.remove(from, access.now) {
        db.put(record.with_key(to.bytes));
        db.count_as(before, 1);
        db.event(EventClass::Generic, "rename_from", from.bytes);
        db.event(EventClass::Generic, "rename_to", to.bytes);
    }
    Ok(true)
}

/// A database number: an integer of 32 bits, and one of those that exist.
fn database(ctx: &Context<'_>, argument: &[u8]) -> Result<usize, CommandError> {
    let number = int(argument)?;
    usize::try_from(number)
        .ok()
        .filter(|&number| number < ctx.store.keyspace.databases())
        .ok_or(CommandError::other("ERR DB index is out of range"))
}

fn same_object() -> CommandError {
    CommandError::other("ERR source and destination objects are the same")
}

fn move_(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let target = database(ctx, request.arg(2))?;
    let source = ctx.caller.database;
    if source == target {
        return Err(same_object());
    }
    let (key, access) = (ctx.key(request, 1), ctx.access());
    let (source, target) = ctx.store.keyspace.two_mut(source, target);
    let movable = source.write(key, access).is_some() && !target.contains(key, access.now);
    if movable && let Some(record) = source.remove(key, access.now) {
        target.put(record);
        source.event(EventClass::Generic, "move_from", key.bytes);
        target.event(EventClass::Generic, "move_to", key.bytes);
    }
    ctx.reply.integer(i64::from(movable));
    Ok(())
}

fn copy(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let (mut target_database, mut replace) = (ctx.caller.database, false);
    let mut words = request.args_from(3);
    while let Some(word) = words.next() {
        if is_word(word, "REPLACE") {
            replace = true;
        } else if is_word(word, "DB") {
            target_database = database(ctx, words.next().ok_or(CommandError::Syntax)?)?;
        } else {
            return Err(CommandError::Syntax);
        }
    }
    let (from, to): (Key<'_>, Key<'_>) = (ctx.key(request, 1), ctx.key(request, 2));
    if target_database == ctx.caller.database && from.bytes == to.bytes {
        return Err(same_object());
    }
    let access = ctx.access();
    let copy: Option<Record> = ctx.db().read(from, access).map(|record| {
        let mut copy = record.to_record_as(to.bytes);
        copy.as_mut().set_age(access.aging.initial(access.now));
        copy
    });
    let target = ctx.store.keyspace.db_mut(target_database);
    let copied = match copy {
        Some(copy) if replace || !target.contains(to, access.now) => {
            target.put(copy);
            target.event(EventClass::Generic, "copy_to", to.bytes);
            true
        }
        _ => false,
    };
    ctx.reply.integer(i64::from(copied));
    Ok(())
}
