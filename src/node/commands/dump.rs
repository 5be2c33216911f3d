//! DUMP and RESTORE.

use super::support::{Outcome, integer, is_word};
use crate::{
    node::{
        context::{CommandError, Context, Handler},
        keyspace::{EventClass, Record, Value},
        rdb::{self, Restored},
    },
    protocol::Request,
    time::Millis,
};

pub(super) const HANDLERS: &[(&str, Handler)] = &[("dump", dump), ("restore", restore)];

fn dump(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let (key, access, compresses) = (ctx.key(request, 1), ctx.access(), ctx.node.config.compresses());
    let (db, reply) = ctx.db_and_reply();
    match db.read(key, access) {
        Some(record) if compresses => reply.bulk(rdb::dump(record.content())),
        Some(record) => reply.bulk(rdb::dump_uncompressed(record.content())),
        None => reply.null(),
    }
    Ok(())
}

#[derive(Default)]
struct Options {
    replace: bool,
    absolute: bool,
    idle_seconds: Option<i64>,
    frequency: Option<u8>,
}

impl Options {
    fn parse(request: Request<'_>) -> Result<Self, CommandError> {
        let mut options = Self::default();
        let mut words = request.args_from(4);
        while let Some(word) = words.next() {
            if is_word(word, "REPLACE") {
                options.replace = true;
            } else if is_word(word, "ABSTTL") {
                options.absolute = true;
            } else if is_word(word, "IDLETIME") && options.frequency.is_none() {
                let idle = integer(words.next().ok_or(CommandError::Syntax)?)?;
                if idle < 0 {
                    return Err(CommandError::other("ERR Invalid IDLETIME value, must be >= 0"));
                }
                options.idle_seconds = Some(idle);
            } else if is_word(word, "FREQ") && options.idle_seconds.is_none() {
                let frequency = integer(words.next().ok_or(CommandError::Syntax)?)?;
                options.frequency =
                    Some(u8::try_from(frequency).map_err(|_| {
                        CommandError::other("ERR Invalid FREQ value, must be >= 0 and <= 255")
                    })?);
            } else {
                return Err(CommandError::Syntax);
            }
        }
        Ok(options)
    }
}

fn restore(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let options = Options::parse(request)?;
    let (key, access, forms) = (ctx.key(request, 1), ctx.access(), ctx.node.config.forms());
    if !options.replace && ctx.db().read(key, access).is_some() {
        return Err(CommandError::other("BUSYKEY Target key name already exists."));
    }
    let ttl = integer(request.arg(2))?;
    if ttl < 0 {
        return Err(CommandError::other("ERR Invalid TTL value, must be >= 0"));
    }
    let value =
        rdb::restore(request.arg(3), forms).map_err(|error| CommandError::other(error.to_string()))?;
    let expiry = match ttl {
        0 => None,
        ttl if options.absolute => Some(Millis(ttl)),
        ttl => Some(Millis(access.now.0.saturating_add(ttl))),
    };
    let is_past = expiry.is_some_and(|expiry| ctx.is_past(expiry));
    let (db, reply) = ctx.db_and_reply();
    let mut is_deleted = false;
    if is_past {
        if db.delete(key, access.now) {
            db.event(EventClass::Generic, "del", key.bytes);
            is_deleted = true;
        }
    } else {
        let age = access.aging.restored(options.idle_seconds, options.frequency, access.now);
        db.put(match value {
            Restored::String(value) => Record::new(key.bytes, Value::of_string(&value), expiry, age),
            Restored::Object(object) => Record::of_object(key.bytes, object, expiry, age),
        });
        db.event(EventClass::Generic, "restore", key.bytes);
    }
    reply.ok();
    if !ctx.is_heard() {
        return Ok(());
    }
    if is_deleted {
        ctx.tell(&[b"DEL", key.bytes]);
    } else if let Some(expiry) = expiry.filter(|_| !is_past && !options.absolute) {
        let time = itoa::Buffer::new().format(expiry.0).to_owned();
        let mut words: Vec<&[u8]> = request.args().collect();
        words[2] = time.as_bytes();
        words.push(b"ABSTTL");
        ctx.tell(&words);
    }
    Ok(())
}
