//! Setting and getting whole strings.

use super::{
    expiry::{self, Unit},
    support::{Outcome, is_word, reply_optional, with_bytes, with_value},
};
use crate::{
    node::{
        context::{CommandError, Context, Handler},
        keyspace::{Access, Db, Entry, EventClass, Key, RecordRef, Ttl},
    },
    protocol::Request,
    time::Millis,
};

pub(super) const HANDLERS: &[(&str, Handler)] = &[
    ("delifeq", delifeq),
    ("get", get),
    ("getdel", getdel),
    ("getex", getex),
    ("getset", getset),
    ("mget", mget),
    ("mset", mset),
    ("msetnx", msetnx),
    ("psetex", psetex),
    ("set", set),
    ("setex", setex),
    ("setnx", setnx),
];

fn get(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let (key, access) = (ctx.key(request, 1), ctx.access());
    let (db, reply) = ctx.db_and_reply();
    reply_optional(reply, db.read_string(key, access)?);
    Ok(())
}

/// When a SET happens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Condition<'a> {
    #[default]
    Always,
    IfAbsent,
    IfPresent,
    /// As Valkey has it since 8.1.
    IfEqual(&'a [u8]),
}

/// What follows key and value in SET, or the key in GETEX. An expiry stays text until the command wants it, because
/// Redis reports a wrong number later than a wrong word.
#[derive(Clone, Copy, Debug, Default)]
struct Options<'a> {
    condition: Condition<'a>,
    get: bool,
    keep_ttl: bool,
    persist: bool,
    expiry: Option<(Unit, &'a [u8])>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum OptionsOf {
    Set,
    Getex,
}

impl<'a> Options<'a> {
    fn parse(request: Request<'a>, first: usize, of: OptionsOf) -> Result<Self, CommandError> {
        let mut options = Self::default();
        let set = of == OptionsOf::Set;
        let mut words = request.args_from(first);
        while let Some(word) = words.next() {
            let unless = |other| options.condition == Condition::Always || options.condition == other;
            if set && is_word(word, "NX") && unless(Condition::IfAbsent) {
                options.condition = Condition::IfAbsent;
            } else if set && is_word(word, "XX") && unless(Condition::IfPresent) {
                options.condition = Condition::IfPresent;
            } else if set && is_word(word, "IFEQ") && options.condition == Condition::Always {
                options.condition = Condition::IfEqual(words.next().ok_or(CommandError::Syntax)?);
            } else if set && is_word(word, "GET") {
                options.get = true;
            } else if set && is_word(word, "KEEPTTL") && options.expiry.is_none() {
                options.keep_ttl = true;
            } else if !set && is_word(word, "PERSIST") && options.expiry.is_none() {
                options.persist = true;
            } else {
                let unit = Unit::of_word(word).ok_or(CommandError::Syntax)?;
                let number = words.next().ok_or(CommandError::Syntax)?;
                // The same option twice is accepted, the last one counts.
                let conflict = options.expiry.is_some_and(|(earlier, _)| earlier != unit);
                if conflict || options.keep_ttl || options.persist {
                    return Err(CommandError::Syntax);
                }
                options.expiry = Some((unit, number));
            }
        }
        Ok(options)
    }

    fn expiry(&self, now: Millis, command: &str) -> Result<Option<Millis>, CommandError> {
        self.expiry.map(|(unit, number)| expiry::parse(number, unit, now, command)).transpose()
    }
}

fn set(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let options =
        if request.len() == 3 { Options::default() } else { Options::parse(request, 3, OptionsOf::Set)? };
    let expiry = options.expiry(ctx.now, "set")?;
    let (key, access) = (ctx.key(request, 1), ctx.access());
    let (db, reply) = ctx.db_and_reply();
    let ttl = match expiry {
        Some(expiry) => Ttl::At(expiry),
        None if options.keep_ttl => Ttl::Keep,
        None => Ttl::None,
    };
    if options.get {
        reply_optional(reply, db.read_string(key, access)?);
    }
    let allowed = match options.condition {
        Condition::Always => true,
        Condition::IfAbsent => !db.contains(key, access.now),
        Condition::IfPresent => db.contains(key, access.now),
        Condition::IfEqual(expected) => has_value(db, key, access, expected)?,
    };
    if allowed {
        with_value(request, 2, |value| db.set(key, value, ttl, access));
        db.event(EventClass::String, "set", key.bytes);
        if expiry.is_some() {
            db.event(EventClass::Generic, "expire", key.bytes);
        }
    }
    match (options.get, allowed) {
        (true, _) => {}
        (false, true) => reply.ok(),
        (false, false) => reply.null(),
    }
    if request.len() > 3 && allowed && ctx.is_heard() {
        tell_set(ctx, request, &options, expiry);
    }
    Ok(())
}

/// When it expires is told as a point in time, and what only the client wanted to know not at all.
#[cold]
fn tell_set(ctx: &mut Context<'_>, request: Request<'_>, options: &Options<'_>, expiry: Option<Millis>) {
    let (key, value) = (request.arg(1), request.arg(2));
    if let Some(expiry) = expiry {
        ctx.tell(&[b"SET", key, value, b"PXAT", itoa::Buffer::new().format(expiry.0).as_bytes()]);
        return;
    }
    if let Condition::IfEqual(_) = options.condition {
        let words: &[&[u8]] = &[b"SET", key, value, b"KEEPTTL"];
        ctx.tell(if options.keep_ttl { words } else { &words[..3] });
        return;
    }
    if options.get {
        let wanted = request.args_from(3).filter(|word| !is_word(word, "GET"));
        let words: Vec<&[u8]> = request.args().take(3).chain(wanted).collect();
        ctx.tell(&words);
    }
}

/// A key that a command reads and takes away.
fn tell_taken(ctx: &mut Context<'_>, key: &[u8]) {
    let name = if ctx.node.config.frees_deleted_lazily() { &b"UNLINK"[..] } else { b"DEL" };
    ctx.tell(&[name, key]);
}

fn has_value(db: &mut Db, key: Key<'_>, access: Access, expected: &[u8]) -> Result<bool, CommandError> {
    let entry = db.write_string(key, access)?;
    let value = entry.as_ref().and_then(Entry::string);
    Ok(value.is_some_and(|value| with_bytes(value, |value| value == expected)))
}

/// As Valkey has it since 9.0.
fn delifeq(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let (key, access) = (ctx.key(request, 1), ctx.access());
    let (db, reply) = ctx.db_and_reply();
    let is_equal = has_value(db, key, access, request.arg(2))?;
    if is_equal {
        db.delete(key, access.now);
        db.event(EventClass::Generic, "del", key.bytes);
    }
    reply.integer(i64::from(is_equal));
    if is_equal && ctx.is_heard() {
        tell_taken(ctx, key.bytes);
    }
    Ok(())
}

fn setnx(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let (key, access) = (ctx.key(request, 1), ctx.access());
    let (db, reply) = ctx.db_and_reply();
    let absent = !db.contains(key, access.now);
    if absent {
        with_value(request, 2, |value| db.set(key, value, Ttl::None, access));
        db.event(EventClass::String, "set", key.bytes);
    }
    reply.integer(i64::from(absent));
    Ok(())
}

fn setex(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    set_expiring(ctx, request, Unit::Seconds, "setex")
}

fn psetex(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    set_expiring(ctx, request, Unit::Millis, "psetex")
}

fn set_expiring(ctx: &mut Context<'_>, request: Request<'_>, unit: Unit, command: &str) -> Outcome {
    let expiry = expiry::parse(request.arg(2), unit, ctx.now, command)?;
    let (key, access) = (ctx.key(request, 1), ctx.access());
    let db = ctx.db();
    with_value(request, 3, |value| db.set(key, value, Ttl::At(expiry), access));
    db.event(EventClass::String, "set", key.bytes);
    db.event(EventClass::Generic, "expire", key.bytes);
    ctx.reply.ok();
    if ctx.is_heard() {
        let time = itoa::Buffer::new().format(expiry.0).to_owned();
        ctx.tell(&[b"SET", key.bytes, request.arg(3), b"PXAT", time.as_bytes()]);
    }
    Ok(())
}

fn getset(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let (key, access) = (ctx.key(request, 1), ctx.access());
    let (db, reply) = ctx.db_and_reply();
    reply_optional(reply, db.read_string(key, access)?);
    with_value(request, 2, |value| db.set(key, value, Ttl::None, access));
    db.event(EventClass::String, "set", key.bytes);
    if ctx.is_heard() {
        ctx.tell(&[b"SET", key.bytes, request.arg(2)]);
    }
    Ok(())
}

fn getdel(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let (key, access) = (ctx.key(request, 1), ctx.access());
    let (db, reply) = ctx.db_and_reply();
    let found = db.read_string(key, access)?.is_some();
    let record = if found { db.remove(key, access.now) } else { None };
    reply_optional(reply, record.as_ref().and_then(|record| record.as_ref().string()));
    if found {
        db.event(EventClass::Generic, "del", key.bytes);
        if ctx.is_heard() {
            tell_taken(ctx, key.bytes);
        }
    }
    Ok(())
}

fn getex(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let options = Options::parse(request, 2, OptionsOf::Getex)?;
    let (key, access) = (ctx.key(request, 1), ctx.access());
    if ctx.db().read_string(key, access)?.is_none() {
        ctx.reply.null();
        return Ok(());
    }
    let expiry = options.expiry(access.now, "getex")?;
    let absolute = options.expiry.is_some_and(|(unit, _)| unit.is_absolute());
    let is_past = expiry.is_some_and(|expiry| ctx.is_past(expiry));
    let (db, reply) = ctx.db_and_reply();
    if absolute && is_past {
        let record = db.remove(key, access.now);
        reply_optional(reply, record.as_ref().and_then(|record| record.as_ref().string()));
        db.event(EventClass::Generic, "del", key.bytes);
        if ctx.is_heard() {
            ctx.tell(&[ctx.expired_as(), key.bytes]);
        }
        return Ok(());
    }
    if let Some(mut entry) = db.write(key, access) {
        reply_optional(reply, entry.string());
        let persists = options.persist && entry.expiry().is_some();
        if expiry.is_some() || persists {
            entry.set_expiry(expiry);
            let name = if persists { "persist" } else { "expire" };
            db.event(EventClass::Generic, name, key.bytes);
            if ctx.is_heard() {
                match expiry {
                    Some(expiry) => {
                        let time = itoa::Buffer::new().format(expiry.0).to_owned();
                        ctx.tell(&[b"PEXPIREAT", key.bytes, time.as_bytes()]);
                    }
                    None => ctx.tell(&[b"PERSIST", key.bytes]),
                }
            }
        }
    }
    Ok(())
}

fn mget(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let access = ctx.access();
    ctx.reply.array(request.len() - 1);
    ctx.each_key(request, 1, |ctx, key, _| {
        let (db, reply) = ctx.db_and_reply();
        reply_optional(reply, db.read(key, access).and_then(RecordRef::string));
    });
    Ok(())
}

/// MSET and MSETNX take keys and values in turn.
fn check_pairs(request: Request<'_>, command: &str) -> Outcome {
    if request.len().is_multiple_of(2) {
        return Err(CommandError::other(format!("ERR wrong number of arguments for '{command}' command")));
    }
    Ok(())
}

fn set_pairs(ctx: &mut Context<'_>, request: Request<'_>) {
    let access = ctx.access();
    ctx.each_key(request, 2, |ctx, key, index| {
        let db = ctx.db();
        with_value(request, index + 1, |value| db.set(key, value, Ttl::None, access));
        db.event(EventClass::String, "set", key.bytes);
    });
}

fn mset(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    check_pairs(request, "mset")?;
    set_pairs(ctx, request);
    ctx.reply.ok();
    Ok(())
}

fn msetnx(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    check_pairs(request, "msetnx")?;
    let (mut absent, now) = (true, ctx.now);
    ctx.each_key(request, 2, |ctx, key, _| absent &= !ctx.db().contains(key, now));
    if absent {
        set_pairs(ctx, request);
    }
    ctx.reply.integer(i64::from(absent));
    Ok(())
}
