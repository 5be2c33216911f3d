//! Streams: entries are added, shown, deleted and trimmed.

use super::{
    stream_ids::{automatic, end, reply_entries, reply_id, start, strict},
    support::{Outcome, integer, is_word, wrong_arity},
};
use crate::{
    node::{
        caller::Origin,
        context::{CommandError, Context, Handler},
        keyspace::EventClass,
        object::{
            Stream,
            stream::{Entry, Keep, StreamId, Trim},
        },
    },
    protocol::Request,
    time::Millis,
};

pub(super) const HANDLERS: &[(&str, Handler)] = &[
    ("xadd", xadd),
    ("xdel", xdel),
    ("xlen", xlen),
    ("xrange", xrange),
    ("xrevrange", xrevrange),
    ("xsetid", xsetid),
    ("xtrim", xtrim),
];

/// The ID that an entry is to have.
#[derive(Clone, Copy)]
enum Wanted {
    /// `*`.
    Next,
    /// `ms-*`.
    InMillisecond(u64),
    /// The whole of it.
    Exactly(StreamId),
}

impl Wanted {
    fn after(self, last: StreamId, now: Millis) -> Option<StreamId> {
        match self {
            Self::Next => {
                let ms = now.0.cast_unsigned();
                if ms > last.ms { Some(StreamId { ms, seq: 0 }) } else { last.next() }
            }
            Self::InMillisecond(ms) if ms == last.ms => Some(StreamId { ms, seq: last.seq.checked_add(1)? }),
            Self::InMillisecond(ms) => Some(StreamId { ms, seq: 0 }),
            Self::Exactly(id) => Some(id),
        }
        .filter(|&id| id > last)
    }
}

/// Options of `XADD` and `XTRIM`.
struct Options {
    create: bool,
    trim: Option<Trim>,
    id: Option<Wanted>,
    /// The argument behind the ID.
    next: usize,
    /// The argument that says how much to keep.
    threshold: usize,
}

impl Options {
    fn parse(ctx: &Context<'_>, request: Request<'_>, adds: bool) -> Result<Self, CommandError> {
        let chunk = ctx.node.config.stream_limits().entries;
        let mut options = Self { create: true, trim: None, id: None, next: 2, threshold: 0 };
        let mut limit = None;
        while let Some(word) = request.get(options.next) {
            let more = request.len() - 1 - options.next;
            options.next += 1;
            let is_length = is_word(word, "MAXLEN");
            if adds && word == b"*" {
                options.id = Some(Wanted::Next);
                break;
            } else if more > 0 && (is_length || is_word(word, "MINID")) {
                if options.trim.is_some() {
                    return Err(CommandError::other(
                        "ERR syntax error, MAXLEN and MINID options at the same time are not compatible",
                    ));
                }
                let operator = request.arg(options.next);
                let whole_chunks = more > 1 && operator == b"~";
                if whole_chunks || more > 1 && operator == b"=" {
                    options.next += 1;
                }
                let threshold = request.arg(options.next);
                options.threshold = options.next;
                options.next += 1;
                let keep = if is_length {
                    let keep = u64::try_from(integer(threshold)?);
                    Keep::Last(
                        keep.map_err(|_| CommandError::other("ERR The MAXLEN argument must be >= 0."))?,
                    )
                } else {
                    Keep::From(strict(threshold, 0)?)
                };
                options.trim = Some(Trim { keep, whole_chunks, limit: 0 });
            } else if more > 0 && is_word(word, "LIMIT") {
                let number = u64::try_from(integer(request.arg(options.next))?);
                limit =
                    Some(number.map_err(|_| CommandError::other("ERR The LIMIT argument must be >= 0."))?);
                options.next += 1;
            } else if adds && is_word(word, "NOMKSTREAM") {
                options.create = false;
            } else if adds {
                let (id, given) = automatic(word, 0, true)?;
                options.id = Some(if given { Wanted::Exactly(id) } else { Wanted::InMillisecond(id.ms) });
                break;
            } else {
                return Err(CommandError::Syntax);
            }
        }
        let Some(trim) = &mut options.trim else {
            if limit.is_some_and(|limit| limit > 0) {
                return Err(CommandError::other(
                    "ERR syntax error, LIMIT cannot be used without specifying a trimming strategy",
                ));
            }
            if !adds {
                return Err(CommandError::other(
                    "ERR syntax error, XTRIM must be called with a trimming strategy",
                ));
            }
            return Ok(options);
        };
        trim.limit = match limit {
            // A journal has the limit of a trimming that it tells as an exact one.
            Some(_) if !trim.whole_chunks && ctx.caller.origin == Origin::Load => 0,
            Some(_) if !trim.whole_chunks => {
                return Err(CommandError::other(
                    "ERR syntax error, LIMIT cannot be used without the special ~ option",
                ));
            }
            Some(limit) => limit,
            None if !trim.whole_chunks => 0,
            None if chunk == 0 => 10_000,
            None => (chunk as u64).saturating_mul(100).min(1_000_000),
        };
        Ok(options)
    }
}

impl Options {
    /// After a trimming that left more than was asked for: what is left, as its threshold would have been.
    fn kept(&self, stream: &Stream) -> Option<String> {
        let trim = self.trim.filter(|trim| trim.whole_chunks)?;
        Some(match trim.keep {
            Keep::Last(_) => stream.len().to_string(),
            // Whether or not the first entry has been deleted.
            Keep::From(_) => stream.packs().next().map(|(id, _)| id).unwrap_or_default().to_string(),
        })
    }

    /// Tells what was done exactly: how much an inexact trimming leaves is for chunks to decide, which others may have of other sizes.
    #[cold]
    fn tell<'w>(&self, ctx: &mut Context<'_>, mut words: Vec<&'w [u8]>, kept: Option<&'w str>) {
        if let Some(kept) = kept {
            words[self.threshold - 1] = b"=";
            words[self.threshold] = kept.as_bytes();
        }
        ctx.tell(&words);
    }
}

fn xadd(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let limits = ctx.node.config.stream_limits();
    let options = Options::parse(ctx, request, true)?;
    let words = request.len() - options.next.min(request.len());
    let Some(wanted) = options.id.filter(|_| words >= 2 && words.is_multiple_of(2)) else {
        return Err(wrong_arity("xadd"));
    };
    if matches!(wanted, Wanted::Exactly(StreamId::MIN)) {
        return Err(CommandError::other("ERR The ID specified in XADD must be greater than 0-0"));
    }
    let (key, access, now) = (ctx.key(request, 1), ctx.access(), ctx.now);
    let (db, reply) = ctx.db_and_reply();
    if !options.create && db.write_collection::<Stream>(key, access)?.is_none() {
        reply.null();
        return Ok(());
    }
    let mut stream = db.get_or_create::<Stream>(key, access)?;
    if stream.last_id == StreamId::MAX {
        return Err(CommandError::other(
            "ERR The stream has exhausted the last possible ID, unable to add more items",
        ));
    }
    let id = wanted.after(stream.last_id, now).ok_or(CommandError::other(
        "ERR The ID specified in XADD is equal or smaller than the target stream top item",
    ))?;
    let pairs = (0..words / 2).map(|pair| {
        let at = options.next + 2 * pair;
        (request.arg(at), request.arg(at + 1))
    });
    stream.add(id, pairs, limits).map_err(|error| CommandError::other(error.to_string()))?;
    let trimmed = options.trim.map_or(0, |trim| stream.trim(trim));
    let kept = options.kept(&stream);
    drop(stream);
    reply_id(reply, id);
    db.event(EventClass::Stream, "xadd", key.bytes);
    if trimmed > 0 {
        db.event(EventClass::Stream, "xtrim", key.bytes);
    }
    if (kept.is_some() || !matches!(wanted, Wanted::Exactly(_))) && ctx.is_heard() {
        let id = id.to_string();
        let mut words: Vec<&[u8]> = request.args().collect();
        if !matches!(wanted, Wanted::Exactly(_)) {
            words[options.next - 1] = id.as_bytes();
        }
        options.tell(ctx, words, kept.as_deref());
    }
    Ok(())
}

fn xtrim(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let options = Options::parse(ctx, request, false)?;
    let (key, access) = (ctx.key(request, 1), ctx.access());
    let (db, reply) = ctx.db_and_reply();
    let stream = db.write_collection::<Stream>(key, access)?;
    let (trimmed, kept) = match (stream, options.trim) {
        (Some(mut stream), Some(trim)) => {
            let trimmed =
                stream.count_changes(|stream| usize::try_from(stream.trim(trim)).unwrap_or(usize::MAX));
            (trimmed, options.kept(&stream))
        }
        _ => (0, None),
    };
    if trimmed > 0 {
        db.event(EventClass::Stream, "xtrim", key.bytes);
    }
    reply.integer(trimmed as i64);
    if trimmed > 0 && kept.is_some() && ctx.is_heard() {
        options.tell(ctx, request.args().collect(), kept.as_deref());
    }
    Ok(())
}

fn xlen(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let (key, access) = (ctx.key(request, 1), ctx.access());
    let (db, reply) = ctx.db_and_reply();
    let length = db.read_collection::<Stream>(key, access)?.map_or(0, Stream::len);
    reply.integer(length as i64);
    Ok(())
}

fn xrange(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    show(ctx, request, false)
}

fn xrevrange(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    show(ctx, request, true)
}

fn show(ctx: &mut Context<'_>, request: Request<'_>, back: bool) -> Outcome {
    let (first, last) = if back { (3, 2) } else { (2, 3) };
    let (first, last) = (start(request.arg(first))?, end(request.arg(last))?);
    let mut count = None;
    let mut words = request.args_from(4);
    while let Some(word) = words.next() {
        let number = words.next().filter(|_| is_word(word, "COUNT")).ok_or(CommandError::Syntax)?;
        count = Some(usize::try_from(integer(number)?).unwrap_or(0));
    }
    let (key, access) = (ctx.key(request, 1), ctx.access());
    let (db, reply) = ctx.db_and_reply();
    let Some(stream) = db.read_collection::<Stream>(key, access)? else {
        reply.array(0);
        return Ok(());
    };
    if count == Some(0) {
        reply.null_array();
        return Ok(());
    }
    let count = count.unwrap_or(usize::MAX);
    let entries: Vec<Entry<'_>> = if back {
        stream.range_back(first, last).take(count).collect()
    } else {
        stream.range(first, last).take(count).collect()
    };
    reply_entries(reply, &entries);
    Ok(())
}

fn xdel(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let (key, access) = (ctx.key(request, 1), ctx.access());
    let (db, reply) = ctx.db_and_reply();
    let mut deleted = 0;
    if let Some(mut stream) = db.write_collection::<Stream>(key, access)? {
        let ids = request.args_from(2).map(|id| strict(id, 0)).collect::<Result<Vec<_>, _>>()?;
        deleted = stream.count_changes(|stream| ids.into_iter().filter(|&id| stream.delete(id)).count());
    }
    if deleted > 0 {
        db.event(EventClass::Stream, "xdel", key.bytes);
    }
    reply.integer(deleted as i64);
    Ok(())
}

fn xsetid(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let id = strict(request.arg(2), 0)?;
    let (mut added, mut deleted) = (None, None);
    let mut words = request.args_from(3);
    while let Some(word) = words.next() {
        let value = words.next().ok_or(CommandError::Syntax)?;
        if is_word(word, "ENTRIESADDED") {
            let number = u64::try_from(integer(value)?);
            added = Some(number.map_err(|_| CommandError::other("ERR entries_added must be positive"))?);
        } else if is_word(word, "MAXDELETEDID") {
            let value = strict(value, 0)?;
            if id < value {
                return Err(CommandError::other(
                    "ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id",
                ));
            }
            deleted = Some(value);
        } else {
            return Err(CommandError::Syntax);
        }
    }
    let (key, access) = (ctx.key(request, 1), ctx.access());
    let (db, reply) = ctx.db_and_reply();
    let mut stream = db.write_collection::<Stream>(key, access)?.ok_or(CommandError::NoSuchKey)?;
    if stream.has_entries() {
        if stream.last().is_some_and(|last| id < last.id) {
            return Err(CommandError::other(
                "ERR The ID specified in XSETID is smaller than the target stream top item",
            ));
        }
        if added.is_some_and(|added| added < stream.len()) {
            return Err(CommandError::other(
                "ERR The entries_added specified in XSETID is smaller than the target stream length",
            ));
        }
    }
    stream.last_id = id;
    if let Some(added) = added {
        stream.entries_added = added;
    }
    if let Some(deleted) = deleted.filter(|&deleted| deleted != StreamId::MIN) {
        stream.max_deleted = deleted;
    }
    drop(stream);
    db.event(EventClass::Stream, "xsetid", key.bytes);
    reply.ok();
    Ok(())
}
