//! When fields of hashes expire, and reading and writing them together with that.
//!
//! As Redis 7.4 (`HEXPIRE` and what belongs to it) and 8.0 (`HGETDEL`, `HGETEX`, `HSETEX`).

use super::{
    expiry::{Unit, invalid_expire_time},
    hash::reply_value,
    support::{Outcome, as_c_string, gone, integer, is_word, wrong_arity},
};
use crate::{
    node::{
        context::{CommandError, Context, Handler},
        keyspace::EventClass,
        object::Hash,
    },
    protocol::{Encoder, Request, number},
    time::Millis,
};

pub(super) const HANDLERS: &[(&str, Handler)] = &[
    ("hexpire", |ctx, request| set_deadlines(ctx, request, Unit::Seconds, "hexpire")),
    ("hexpireat", |ctx, request| set_deadlines(ctx, request, Unit::SecondsSince1970, "hexpireat")),
    ("hexpiretime", |ctx, request| show_deadlines(ctx, request, |deadline, _| seconds(deadline.0))),
    ("hgetdel", hgetdel),
    ("hgetex", hgetex),
    ("hpersist", hpersist),
    ("hpexpire", |ctx, request| set_deadlines(ctx, request, Unit::Millis, "hpexpire")),
    ("hpexpireat", |ctx, request| set_deadlines(ctx, request, Unit::MillisSince1970, "hpexpireat")),
    ("hpexpiretime", |ctx, request| show_deadlines(ctx, request, |deadline, _| deadline.0)),
    ("hpttl", |ctx, request| show_deadlines(ctx, request, |deadline, now| deadline.0 - now.0)),
    ("hsetex", hsetex),
    ("httl", |ctx, request| show_deadlines(ctx, request, |deadline, now| seconds(deadline.0 - now.0))),
];

/// The latest time at which a field can expire, in milliseconds: 46 bits, some 2,200 years from 1970 on.
const LATEST: i64 = 0x3FFF_FFFF_FFFF;

/// Replies for a field.
const NO_FIELD: i64 = -2;
const NO_DEADLINE: i64 = -1;
const NOT_MET: i64 = 0;
const DONE: i64 = 1;
const DELETED: i64 = 2;

/// Begun seconds.
fn seconds(millis: i64) -> i64 {
    (millis + 999) / 1000
}

/// Where the fields of a command are: behind `FIELDS` and their count.
#[derive(Clone, Copy)]
struct Fields {
    first: usize,
    count: usize,
}

impl Fields {
    /// Of a command whose last arguments they are, `FIELDS` being at `at`.
    fn at_end(request: Request<'_>, at: usize, no_count: &'static str) -> Result<Self, CommandError> {
        if !is_word(request.arg(at), "FIELDS") {
            return Err(CommandError::other(
                "ERR Mandatory argument FIELDS is missing or not at the right position",
            ));
        }
        let count = request.get(at + 1).and_then(count).ok_or(CommandError::other(no_count))?;
        if request.len() - (at + 2) != count {
            return Err(CommandError::other(
                "ERR The `numfields` parameter must match the number of arguments",
            ));
        }
        Ok(Self { first: at + 2, count })
    }

    /// The same for each of them, where there is no hash.
    fn reply_each<'a>(self, reply: &mut Encoder<'a>, with: impl Fn(&mut Encoder<'a>)) {
        reply.array(self.count);
        (0..self.count).for_each(|_| with(reply));
    }

    fn of(self, request: Request<'_>) -> impl Iterator<Item = &[u8]> {
        (self.first..self.first + self.count).map(move |at| request.arg(at))
    }
}

fn count(argument: &[u8]) -> Option<usize> {
    usize::try_from(number::parse_i64(argument)?).ok().filter(|count| *count > 0)
}

const NOT_POSITIVE: &str = "ERR Number of fields must be a positive integer";

/// The time that an argument says.
fn deadline(argument: &[u8], unit: Unit, now: Millis, command: &str) -> Result<Millis, CommandError> {
    let number = integer(argument)?;
    if number < 0 {
        return Err(CommandError::other("ERR invalid expire time, must be >= 0"));
    }
    let deadline = unit.resolve(number, now).filter(|deadline| deadline.0 <= LATEST);
    deadline.ok_or_else(|| invalid_expire_time(command))
}

/// Which present deadlines are replaced.
#[derive(Clone, Copy)]
enum Condition {
    Always,
    None,
    Some,
    Later,
    Earlier,
}

impl Condition {
    fn of_word(word: &[u8]) -> Option<Self> {
        [("NX", Self::None), ("XX", Self::Some), ("GT", Self::Later), ("LT", Self::Earlier)]
            .into_iter()
            .find_map(|(name, condition)| is_word(word, name).then_some(condition))
    }

    /// No deadline counts as one that never comes.
    fn holds(self, current: Option<Millis>, new: Millis) -> bool {
        match self {
            Self::Always => true,
            Self::None => current.is_none(),
            Self::Some => current.is_some(),
            Self::Later => current.is_some_and(|current| new > current),
            Self::Earlier => current.is_none_or(|current| new < current),
        }
    }
}

/// Lets a field that is there expire, or takes it out if the time has come.
fn expire(hash: &mut Hash, field: &[u8], deadline: Millis, is_past: bool) -> i64 {
    if is_past {
        hash.remove(field);
        DELETED
    } else {
        hash.set_deadline(field, deadline);
        DONE
    }
}

fn set_deadlines(ctx: &mut Context<'_>, request: Request<'_>, unit: Unit, command: &str) -> Outcome {
    let (key, access) = (ctx.key(request, 1), ctx.access());
    let deadline = deadline(request.arg(2), unit, ctx.now, command)?;
    let condition = Condition::of_word(request.arg(3));
    let at = if condition.is_some() { 4 } else { 3 };
    if at >= request.len() {
        return Err(wrong_arity(command));
    }
    let fields = Fields::at_end(request, at, "ERR Parameter `numFields` should be greater than 0")?;
    let condition = condition.unwrap_or(Condition::Always);
    let is_past = ctx.is_past(deadline);
    let (db, reply) = ctx.db_and_reply();
    let Some(mut hash) = db.write_collection::<Hash>(key, access)? else {
        fields.reply_each(reply, |reply| reply.integer(NO_FIELD));
        return Ok(());
    };
    let (mut updated, mut deleted) = (Vec::new(), Vec::new());
    reply.array(fields.count);
    hash.count_changes(|hash| {
        for field in fields.of(request) {
            let done = match hash.view().get(field).is_some() {
                false => NO_FIELD,
                true if !condition.holds(hash.view().deadline(field), deadline) => NOT_MET,
                true => expire(hash, field, deadline, is_past),
            };
            match done {
                DONE => updated.push(field),
                DELETED => deleted.push(field),
                _ => {}
            }
            reply.integer(done);
        }
        updated.len() + deleted.len()
    });
    drop(hash);
    if !updated.is_empty() {
        db.event(EventClass::Hash, "hexpire", key.bytes);
    }
    if !deleted.is_empty() {
        db.event(EventClass::Hash, "hdel", key.bytes);
        gone(db, key, access);
    }
    tell_fields(ctx, key.bytes, deadline, &updated, &deleted);
    Ok(())
}

/// Fields that expire at a time, and others that have gone.
fn tell_fields(ctx: &mut Context<'_>, key: &[u8], deadline: Millis, updated: &[&[u8]], gone: &[&[u8]]) {
    if !ctx.is_heard() {
        return;
    }
    if !updated.is_empty() {
        let (time, count) = (deadline.0.to_string(), updated.len().to_string());
        let mut words = vec![b"HPEXPIREAT", key, time.as_bytes(), b"FIELDS", count.as_bytes()];
        words.extend(updated);
        ctx.tell(&words);
    }
    if !gone.is_empty() {
        let mut words = vec![&b"HDEL"[..], key];
        words.extend(gone);
        ctx.tell(&words);
    }
}

/// Replies with something of the deadline of each field.
fn show_deadlines(ctx: &mut Context<'_>, request: Request<'_>, show: fn(Millis, Millis) -> i64) -> Outcome {
    let (key, access) = (ctx.key(request, 1), ctx.access());
    let (db, reply) = ctx.db_and_reply();
    let hash = db.read_collection::<Hash>(key, access)?;
    let fields = Fields::at_end(request, 2, NOT_POSITIVE)?;
    reply.array(fields.count);
    for field in fields.of(request) {
        reply.integer(match hash.and_then(|hash| hash.get(field).map(|_| hash.deadline(field))) {
            None => NO_FIELD,
            Some(None) => NO_DEADLINE,
            Some(Some(deadline)) => show(deadline, access.now),
        });
    }
    Ok(())
}

fn hpersist(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let (key, access) = (ctx.key(request, 1), ctx.access());
    let fields = Fields::at_end(request, 2, NOT_POSITIVE);
    let (db, reply) = ctx.db_and_reply();
    let Some(mut hash) = db.write_collection::<Hash>(key, access)? else {
        let fields = fields?;
        fields.reply_each(reply, |reply| reply.integer(NO_FIELD));
        return Ok(());
    };
    let fields = fields?;
    reply.array(fields.count);
    let persisted = hash.count_changes(|hash| {
        let of_field = |field: &[u8]| {
            let done = match hash.view().get(field).is_some() {
                false => NO_FIELD,
                true if hash.persist(field) => DONE,
                true => NO_DEADLINE,
            };
            reply.integer(done);
            done == DONE
        };
        fields.of(request).map(of_field).filter(|done| *done).count()
    });
    drop(hash);
    if persisted > 0 {
        db.event(EventClass::Hash, "hpersist", key.bytes);
    }
    Ok(())
}

fn hgetdel(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let (key, access) = (ctx.key(request, 1), ctx.access());
    let fields = Fields::at_end(request, 2, NOT_POSITIVE)?;
    let (db, reply) = ctx.db_and_reply();
    let Some(mut hash) = db.write_collection::<Hash>(key, access)? else {
        fields.reply_each(reply, Encoder::null);
        return Ok(());
    };
    reply.array(fields.count);
    let removed = hash.count_changes(|hash| {
        let take = |field: &[u8]| {
            reply_value(reply, hash.view().get(field));
            hash.remove(field)
        };
        fields.of(request).map(take).filter(|removed| *removed).count()
    });
    drop(hash);
    if removed > 0 {
        db.event(EventClass::Hash, "hdel", key.bytes);
        gone(db, key, access);
        if ctx.is_heard() {
            let words: Vec<&[u8]> = [&b"HDEL"[..], key.bytes].into_iter().chain(fields.of(request)).collect();
            ctx.tell(&words);
        }
    }
    Ok(())
}

/// What `HGETEX` and `HSETEX` do to deadlines.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Time {
    /// As if nothing were said: `HGETEX` leaves them, `HSETEX` takes them away.
    Unsaid,
    At(Millis),
    /// `PERSIST`
    Persist,
    /// `KEEPTTL`
    Keep,
}

/// Which fields have to be there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Present {
    Any,
    All,
    None,
}

struct Options {
    time: Time,
    present: Present,
    fields: Fields,
}

impl Options {
    /// Options and fields in any order; `width` arguments belong to a field.
    fn parse(
        ctx: &Context<'_>,
        request: Request<'_>,
        command: &str,
        width: usize,
    ) -> Result<Self, CommandError> {
        let (mut time, mut present, mut fields) = (Time::Unsaid, Present::Any, None);
        let other_time = if width == 1 { "PERSIST" } else { "KEEPTTL" };
        let mut at = 2;
        while let Some(word) = request.get(at) {
            at += 1;
            let mut say = |said| {
                if time != Time::Unsaid {
                    return Err(CommandError::other(format!(
                        "ERR Only one of EX, PX, EXAT, PXAT or {other_time} arguments can be specified"
                    )));
                }
                time = said;
                Ok(())
            };
            if is_word(word, "FIELDS") {
                if fields.is_some() {
                    return Err(CommandError::other("ERR FIELDS keyword specified multiple times"));
                }
                if request.len() < at + 1 + width {
                    return Err(wrong_arity(command));
                }
                let count =
                    count(request.arg(at)).ok_or(CommandError::other("ERR invalid number of fields"))?;
                let first = at + 1;
                let past = count.checked_mul(width).and_then(|wide| wide.checked_add(first));
                at = past.filter(|past| *past <= request.len()).ok_or_else(|| wrong_arity(command))?;
                fields = Some(Fields { first, count });
            } else if let Some(unit) = Unit::of_word(word) {
                let Some(argument) = request.get(at) else {
                    return Err(CommandError::other("ERR missing expire time"));
                };
                at += 1;
                say(Time::At(deadline(argument, unit, ctx.now, command)?))?;
            } else if is_word(word, other_time) {
                say(if width == 1 { Time::Persist } else { Time::Keep })?;
            } else if width == 2 && (is_word(word, "FNX") || is_word(word, "FXX")) {
                if present != Present::Any {
                    return Err(CommandError::other("ERR Only one of FXX or FNX arguments can be specified"));
                }
                present = if is_word(word, "FNX") { Present::None } else { Present::All };
            } else {
                let text = [b"ERR unknown argument: ", as_c_string(word)].concat();
                return Err(CommandError::Bytes(text));
            }
        }
        let fields = fields.ok_or(CommandError::other("ERR missing FIELDS argument"))?;
        Ok(Self { time, present, fields })
    }
}

fn hgetex(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let (key, access) = (ctx.key(request, 1), ctx.access());
    let Options { time, fields, .. } = Options::parse(ctx, request, "hgetex", 1)?;
    let is_past = matches!(time, Time::At(deadline) if ctx.is_past(deadline));
    let (db, reply) = ctx.db_and_reply();
    let Some(mut hash) = db.write_collection::<Hash>(key, access)? else {
        fields.reply_each(reply, Encoder::null);
        return Ok(());
    };
    reply.array(fields.count);
    let (mut updated, mut deleted) = (Vec::new(), Vec::new());
    hash.count_changes(|hash| {
        for field in fields.of(request) {
            let value = hash.view().get(field);
            let is_there = value.is_some();
            reply_value(reply, value);
            match time {
                Time::At(deadline) if is_there => match expire(hash, field, deadline, is_past) {
                    DELETED => deleted.push(field),
                    _ => updated.push(field),
                },
                Time::Persist if hash.persist(field) => updated.push(field),
                Time::Persist | Time::At(_) | Time::Unsaid | Time::Keep => {}
            }
        }
        updated.len() + deleted.len()
    });
    drop(hash);
    if !updated.is_empty() {
        let name = if time == Time::Persist { "hpersist" } else { "hexpire" };
        db.event(EventClass::Hash, name, key.bytes);
    }
    if !deleted.is_empty() {
        db.event(EventClass::Hash, "hdel", key.bytes);
        gone(db, key, access);
    }
    match time {
        Time::At(deadline) => tell_fields(ctx, key.bytes, deadline, &updated, &deleted),
        Time::Persist if !updated.is_empty() && ctx.is_heard() => {
            let count = updated.len().to_string();
            let mut words = vec![&b"HPERSIST"[..], key.bytes, b"FIELDS", count.as_bytes()];
            words.extend(updated);
            ctx.tell(&words);
        }
        Time::Persist | Time::Unsaid | Time::Keep => {}
    }
    Ok(())
}

fn hsetex(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let (key, access, limits) = (ctx.key(request, 1), ctx.access(), ctx.node.config.hash_limits());
    let Options { time, present, fields } = Options::parse(ctx, request, "hsetex", 2)?;
    let pairs = || (0..fields.count).map(|nth| fields.first + 2 * nth);
    let is_past = matches!(time, Time::At(deadline) if ctx.is_past(deadline));
    let (db, reply) = ctx.db_and_reply();
    let mut hash = db.get_or_create::<Hash>(key, access)?;
    let is_there = |at: usize| hash.view().get(request.arg(at)).is_some();
    let holds = match present {
        Present::Any => true,
        Present::All => pairs().all(is_there),
        Present::None => !pairs().any(is_there),
    };
    if !holds {
        drop(hash);
        reply.integer(0);
        return Ok(());
    }
    let held = &mut *hash;
    let mut deleted = false;
    for at in pairs() {
        let (field, value) = (request.arg(at), request.arg(at + 1));
        if time == Time::Keep {
            held.update(field, value, limits);
        } else {
            held.set(field, value, limits);
        }
        if let Time::At(deadline) = time {
            deleted |= expire(held, field, deadline, is_past) == DELETED;
        }
    }
    drop(hash);
    db.event(EventClass::Hash, "hset", key.bytes);
    if deleted {
        db.event(EventClass::Hash, "hdel", key.bytes);
        gone(db, key, access);
    } else if matches!(time, Time::At(_)) {
        db.event(EventClass::Hash, "hexpire", key.bytes);
    }
    reply.integer(1);
    if ctx.is_heard() && time != Time::Keep {
        let pairs = || pairs().map(|at| (request.arg(at), request.arg(at + 1)));
        let mut words = vec![&b"HSET"[..], key.bytes];
        words.extend(pairs().flat_map(|(field, value)| [field, value]));
        ctx.tell(&words);
        if let Time::At(deadline) = time {
            let fields: Vec<&[u8]> = pairs().map(|(field, _)| field).collect();
            let (updated, gone): (&[_], &[_]) = if is_past { (&[], &fields) } else { (&fields, &[]) };
            tell_fields(ctx, key.bytes, deadline, updated, gone);
        }
    }
    Ok(())
}
