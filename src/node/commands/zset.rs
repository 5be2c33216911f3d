//! Sorted sets: scores of members, one by one.

use super::{
    scan::{self, Elements, cursor_of_collection},
    support::{Chosen, Outcome, choose, double, gone, integer, is_word, reply_element},
};
use crate::{
    node::{
        context::{CommandError, Context, Handler},
        keyspace::EventClass,
        object::{
            Element, SortedSet,
            zset::{Limits, Put},
        },
    },
    protocol::{Encoder, Request, Version},
};

pub(super) const HANDLERS: &[(&str, Handler)] = &[
    ("zadd", zadd),
    ("zcard", zcard),
    ("zincrby", zincrby),
    ("zmscore", zmscore),
    ("zrandmember", zrandmember),
    ("zrank", zrank),
    ("zrem", zrem),
    ("zrevrank", zrevrank),
    ("zscan", zscan),
    ("zscore", zscore),
];

/// When a score is taken over.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct When {
    /// `NX`: only of members that are not there.
    pub(super) new: bool,
    /// `XX`: only of members that are.
    pub(super) known: bool,
    /// `GT`: a known member only gets a higher one.
    greater: bool,
    /// `LT`: a known member only gets a lower one.
    less: bool,
    /// `INCR`: it is added.
    add: bool,
}

/// What became of one pair.
enum Applied {
    /// The conditions did not hold.
    Nothing,
    /// What was put, and the score now.
    Put(Put, f64),
}

impl When {
    fn apply(
        self,
        set: &mut SortedSet,
        member: &[u8],
        score: f64,
        limits: Limits,
    ) -> Result<Applied, CommandError> {
        let Some(current) = set.view().score(member) else {
            if self.known {
                return Ok(Applied::Nothing);
            }
            return Ok(Applied::Put(set.put(member, score, limits), score));
        };
        if self.new {
            return Ok(Applied::Nothing);
        }
        let score = if self.add { current + score } else { score };
        if score.is_nan() {
            return Err(CommandError::other("ERR resulting score is not a number (NaN)"));
        }
        if self.greater && score <= current || self.less && score >= current {
            return Ok(Applied::Nothing);
        }
        Ok(Applied::Put(set.put(member, score, limits), score))
    }
}

fn zadd(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let (mut when, mut changed_too, mut first) = (When::default(), false, 2);
    while let Some(word) = request.get(first) {
        let flag = match word {
            word if is_word(word, "NX") => &mut when.new,
            word if is_word(word, "XX") => &mut when.known,
            word if is_word(word, "GT") => &mut when.greater,
            word if is_word(word, "LT") => &mut when.less,
            word if is_word(word, "INCR") => &mut when.add,
            word if is_word(word, "CH") => &mut changed_too,
            _ => break,
        };
        *flag = true;
        first += 1;
    }
    let words = request.len() - first.min(request.len());
    if words == 0 || !words.is_multiple_of(2) {
        return Err(CommandError::Syntax);
    }
    if when.new && when.known {
        return Err(CommandError::other("ERR XX and NX options at the same time are not compatible"));
    }
    if when.greater && when.less || when.new && (when.greater || when.less) {
        return Err(CommandError::other("ERR GT, LT, and/or NX options at the same time are not compatible"));
    }
    if when.add && words > 2 {
        return Err(CommandError::other("ERR INCR option supports a single increment-element pair"));
    }
    let pairs = pairs(request, first)?;
    put_all(ctx, request, &pairs, when, changed_too)
}

fn zincrby(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let pairs = pairs(request, 2)?;
    put_all(ctx, request, &pairs, When { add: true, ..When::default() }, false)
}

/// Scores and members, from argument `first` on.
fn pairs(request: Request<'_>, first: usize) -> Result<Vec<(f64, &[u8])>, CommandError> {
    let scores = request.args_from(first).step_by(2).map(double);
    scores.zip(request.args_from(first + 1).step_by(2)).map(|(score, member)| Ok((score?, member))).collect()
}

/// Puts scores of members into the key of argument 1, and replies as `ZADD`.
pub(super) fn put_all(
    ctx: &mut Context<'_>,
    request: Request<'_>,
    pairs: &[(f64, &[u8])],
    when: When,
    changed_too: bool,
) -> Outcome {
    let (key, access, limits) = (ctx.key(request, 1), ctx.access(), ctx.node.config.zset_limits());
    let (db, reply) = ctx.db_and_reply();
    if when.known && db.write_collection::<SortedSet>(key, access)?.is_none() {
        if when.add {
            reply.null();
        } else {
            reply.integer(0);
        }
        return Ok(());
    }
    let mut set = db.get_or_create::<SortedSet>(key, access)?;
    let (mut added, mut updated, mut result) = (0, 0, None);
    let mut outcome = Ok(());
    set.count_changes(|set| {
        for &(score, member) in pairs {
            match when.apply(set, member, score, limits) {
                Ok(Applied::Nothing) => {}
                Ok(Applied::Put(put, score)) => {
                    added += usize::from(put == Put::Added);
                    updated += usize::from(put == Put::Changed);
                    result = Some(score);
                }
                Err(error) => {
                    outcome = Err(error);
                    break;
                }
            }
        }
        added + updated
    });
    drop(set);
    if added + updated > 0 {
        db.event(EventClass::SortedSet, if when.add { "zincr" } else { "zadd" }, key.bytes);
    }
    outcome?;
    match (when.add, result) {
        (true, Some(score)) => reply.double(score),
        (true, None) => reply.null(),
        (false, _) => reply.integer((added + if changed_too { updated } else { 0 }) as i64),
    }
    Ok(())
}

fn zrem(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let (key, access) = (ctx.key(request, 1), ctx.access());
    let (db, reply) = ctx.db_and_reply();
    let Some(mut set) = db.write_collection::<SortedSet>(key, access)? else {
        reply.integer(0);
        return Ok(());
    };
    let removed =
        set.count_changes(|set| request.args_from(2).filter(|member| set.remove(member).is_some()).count());
    drop(set);
    if removed > 0 {
        db.event(EventClass::SortedSet, "zrem", key.bytes);
        gone(db, key, access);
    }
    reply.integer(removed as i64);
    Ok(())
}

fn zcard(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let (key, access) = (ctx.key(request, 1), ctx.access());
    let (db, reply) = ctx.db_and_reply();
    reply.integer(db.read_collection::<SortedSet>(key, access)?.map_or(0, |set| set.len() as i64));
    Ok(())
}

/// Replies with a score, or that there is none.
fn reply_score(reply: &mut Encoder<'_>, score: Option<f64>) {
    match score {
        Some(score) => reply.double(score),
        None => reply.null(),
    }
}

fn zscore(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let (key, access) = (ctx.key(request, 1), ctx.access());
    let (db, reply) = ctx.db_and_reply();
    let set = db.read_collection::<SortedSet>(key, access)?;
    reply_score(reply, set.and_then(|set| set.score(request.arg(2))));
    Ok(())
}

fn zmscore(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let (key, access) = (ctx.key(request, 1), ctx.access());
    let (db, reply) = ctx.db_and_reply();
    let set = db.read_collection::<SortedSet>(key, access)?;
    let members = request.args_from(2);
    reply.array(members.len());
    members.for_each(|member| reply_score(reply, set.and_then(|set| set.score(member))));
    Ok(())
}

fn zrank(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    rank(ctx, request, false)
}

fn zrevrank(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    rank(ctx, request, true)
}

fn rank(ctx: &mut Context<'_>, request: Request<'_>, backwards: bool) -> Outcome {
    let with_score = match (request.len(), request.get(3)) {
        (3, _) => false,
        (4, Some(word)) if is_word(word, "WITHSCORE") => true,
        _ => return Err(CommandError::Syntax),
    };
    let (key, access) = (ctx.key(request, 1), ctx.access());
    let (db, reply) = ctx.db_and_reply();
    let set = db.read_collection::<SortedSet>(key, access)?;
    let found = set.and_then(|set| {
        let (rank, score) = set.rank(request.arg(2))?;
        Some((if backwards { set.len() - 1 - rank } else { rank }, score))
    });
    match found {
        Some((rank, score)) if with_score => {
            reply.array(2);
            reply.integer(rank as i64);
            reply.double(score);
        }
        Some((rank, _)) => reply.integer(rank as i64),
        None if with_score => reply.null_array(),
        None => reply.null(),
    }
    Ok(())
}

/// Members as they are written, with their scores if they are wanted: pairs of their own in RESP3.
pub(super) struct Members {
    scores: bool,
    paired: bool,
}

impl Members {
    pub(super) fn new(scores: bool, version: Version) -> Self {
        Self { scores, paired: scores && version == Version::Resp3 }
    }

    pub(super) fn begin(&self, reply: &mut Encoder<'_>, count: usize) {
        reply.array(if self.scores && !self.paired { 2 * count } else { count });
    }

    pub(super) fn show(&self, reply: &mut Encoder<'_>, member: Element<'_>, score: f64) {
        if self.paired {
            reply.array(2);
        }
        reply_element(reply, member);
        if self.scores {
            reply.double(score);
        }
    }
}

fn zrandmember(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let count = request.get(2).map(Chosen::parse).transpose()?;
    let scores = match (request.len(), request.get(3)) {
        (..4, _) => false,
        (4, Some(word)) if is_word(word, "WITHSCORES") => true,
        _ => return Err(CommandError::Syntax),
    };
    if scores && integer(request.arg(2))?.unsigned_abs() > i64::MAX as u64 / 2 {
        return Err(CommandError::other("ERR value is out of range"));
    }
    let (key, access) = (ctx.key(request, 1), ctx.access());
    let (db, reply) = ctx.db_and_reply();
    let Some(set) = db.read_collection::<SortedSet>(key, access)? else {
        match count {
            Some(_) => reply.array(0),
            None => reply.null(),
        }
        return Ok(());
    };
    let form = Members::new(scores, reply.version());
    match count {
        None => drop(set.random(|member, _| reply_element(reply, member))),
        Some(Chosen::Again(count)) => {
            form.begin(reply, count);
            for _ in 0..count {
                set.random(|member, score| form.show(reply, member, score));
            }
        }
        Some(Chosen::Once(count)) => {
            let count = count.min(set.len());
            form.begin(reply, count);
            let random = || set.random(|member, score| (member.to_vec(), (member.to_vec(), score)));
            let all = set.iter().map(|(member, score)| (member.to_vec(), score));
            choose(count, set.len(), all, random, |(member, score)| {
                form.show(reply, Element::Bytes(&member), score);
            });
        }
    }
    Ok(())
}

fn zscan(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let cursor = cursor_of_collection(request)?;
    let (key, access) = (ctx.key(request, 1), ctx.access());
    let (db, reply) = ctx.db_and_reply();
    let Some(set) = db.read_collection::<SortedSet>(key, access)? else {
        scan::reply_nothing(reply);
        return Ok(());
    };
    let options = scan::Options::parse(request, 3, false)?;
    // Scores are text here, in RESP3 too.
    let mut found = Elements::new(&options, Version::Resp2);
    let next = set.scan(cursor, options.count, |member, score| {
        found.offer(member, |out| {
            out.double(score);
            1
        });
    });
    found.reply(reply, next);
    Ok(())
}
