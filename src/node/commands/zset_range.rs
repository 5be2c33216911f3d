//! Sorted sets: parts of them, by rank, score and name.

use super::{
    set_combine::put_result,
    support::{Outcome, as_c_string, gone, integer, is_word},
    zset::Members,
};
use crate::{
    node::{
        context::{CommandError, Context, Handler},
        keyspace::{EventClass, Key},
        object::{
            Object, SortedSet, SortedSetRef,
            zset::{LexBound, LexRange, ScoreBound, ScoreRange},
        },
    },
    protocol::{Request, number::parse_f64},
};

pub(super) const HANDLERS: &[(&str, Handler)] = &[
    ("zcount", zcount),
    ("zlexcount", zlexcount),
    ("zrange", zrange),
    ("zrangebylex", zrangebylex),
    ("zrangebyscore", zrangebyscore),
    ("zrangestore", zrangestore),
    ("zremrangebylex", zremrangebylex),
    ("zremrangebyrank", zremrangebyrank),
    ("zremrangebyscore", zremrangebyscore),
    ("zrevrange", zrevrange),
    ("zrevrangebylex", zrevrangebylex),
    ("zrevrangebyscore", zrevrangebyscore),
];

/// What a part is chosen by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    Rank,
    Score,
    Name,
}

/// A part of a sorted set.
#[derive(Clone, Debug)]
enum Part {
    /// From one rank to another, counted from the end if negative.
    Rank(i64, i64),
    Score(ScoreRange),
    Name(LexRange),
}

fn score_bound(argument: &[u8]) -> Option<ScoreBound> {
    let (exclusive, number) = match argument {
        [b'(', number @ ..] => (true, number),
        number => (false, number),
    };
    // As `strtod` has it: nothing at all is 0, blanks may stand in front, and what rounds to zero or infinity is that.
    let number = as_c_string(number);
    let score = match number.trim_ascii_start() {
        b"" if !number.is_empty() => return None,
        b"" => 0.0,
        number => parse_f64(number).or_else(|| std::str::from_utf8(number).ok()?.parse().ok())?,
    };
    (!score.is_nan()).then_some(ScoreBound { score, exclusive })
}

fn lex_bound(argument: &[u8]) -> Option<LexBound> {
    match argument {
        b"-" => Some(LexBound::Lowest),
        b"+" => Some(LexBound::Highest),
        [b'[', name @ ..] => Some(LexBound::Inclusive(name.to_vec())),
        [b'(', name @ ..] => Some(LexBound::Exclusive(name.to_vec())),
        _ => None,
    }
}

impl Part {
    fn parse(by: By, min: &[u8], max: &[u8]) -> Result<Self, CommandError> {
        Ok(match by {
            By::Rank => Self::Rank(integer(min)?, integer(max)?),
            By::Score => match (score_bound(min), score_bound(max)) {
                (Some(min), Some(max)) => Self::Score(ScoreRange { min, max }),
                _ => return Err(CommandError::other("ERR min or max is not a float")),
            },
            By::Name => match (lex_bound(min), lex_bound(max)) {
                (Some(min), Some(max)) => Self::Name(LexRange { min, max }),
                _ => return Err(CommandError::other("ERR min or max not valid string range item")),
            },
        })
    }

    /// The ranks of its members, counted from the first; `backwards`: those of the part itself are counted from the last.
    fn ranks(&self, set: SortedSetRef<'_>, backwards: bool) -> std::ops::Range<usize> {
        match self {
            Self::Score(range) => set.ranks_by_score(range),
            Self::Name(range) => set.ranks_by_name(range),
            Self::Rank(start, end) => {
                let len = set.len() as i64;
                let from_first = |rank: i64| if rank < 0 { rank.saturating_add(len) } else { rank };
                let (start, end) = (from_first(*start).max(0), from_first(*end).min(len - 1));
                if start > end || start >= len {
                    return 0..0;
                }
                let (start, end) = if backwards { (len - 1 - end, len - 1 - start) } else { (start, end) };
                let place = |rank: i64| usize::try_from(rank).unwrap_or(0);
                place(start)..place(end) + 1
            }
        }
    }
}

/// A part, and how much of it is shown in which order.
struct Query {
    part: Part,
    backwards: bool,
    offset: i64,
    /// Negative: all.
    limit: i64,
    scores: bool,
}

impl Query {
    /// Of `key min max …`, where `min` is argument `at`. What is `None` is said by the options.
    fn parse(
        request: Request<'_>,
        at: usize,
        by: Option<By>,
        backwards: Option<bool>,
        stores: bool,
    ) -> Result<Self, CommandError> {
        let (mut by, mut backwards, known_order) = (by, backwards, backwards.is_some());
        let (mut scores, mut offset, mut limit) = (false, 0, -1);
        let known_by = by.is_some();
        let mut words = request.args_from(at + 2);
        while let Some(word) = words.next() {
            if is_word(word, "WITHSCORES") && !stores {
                scores = true;
            } else if is_word(word, "LIMIT") && words.len() >= 2 {
                offset = integer(words.next().unwrap_or_default())?;
                limit = integer(words.next().unwrap_or_default())?;
            } else if is_word(word, "REV") && !known_order && backwards.is_none() {
                backwards = Some(true);
            } else if is_word(word, "BYLEX") && !known_by && by.is_none() {
                by = Some(By::Name);
            } else if is_word(word, "BYSCORE") && !known_by && by.is_none() {
                by = Some(By::Score);
            } else {
                return Err(CommandError::Syntax);
            }
        }
        let (by, backwards) = (by.unwrap_or(By::Rank), backwards.unwrap_or(false));
        if limit != -1 && by == By::Rank {
            return Err(CommandError::other(
                "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX",
            ));
        }
        if scores && by == By::Name {
            return Err(CommandError::other(
                "ERR syntax error, WITHSCORES not supported in combination with BYLEX",
            ));
        }
        let (min, max) = (request.arg(at), request.arg(at + 1));
        let swapped = backwards && by != By::Rank;
        let part = if swapped { Part::parse(by, max, min) } else { Part::parse(by, min, max) }?;
        Ok(Self { part, backwards, offset, limit, scores })
    }

    /// The ranks that are shown, counted from the first member.
    fn ranks(&self, set: SortedSetRef<'_>) -> std::ops::Range<usize> {
        let ranks = self.part.ranks(set, self.backwards);
        if matches!(self.part, Part::Rank(..)) {
            return ranks;
        }
        // Redis never comes to the end of skipping a negative number.
        let skipped = usize::try_from(self.offset).unwrap_or(usize::MAX).min(ranks.len());
        let left = ranks.len() - skipped;
        let shown = usize::try_from(self.limit).unwrap_or(left).min(left);
        if self.backwards {
            let end = ranks.end - skipped;
            end - shown..end
        } else {
            let start = ranks.start + skipped;
            start..start + shown
        }
    }
}

fn reply(ctx: &mut Context<'_>, request: Request<'_>, by: Option<By>, backwards: Option<bool>) -> Outcome {
    let query = Query::parse(request, 2, by, backwards, false)?;
    let (key, access) = (ctx.key(request, 1), ctx.access());
    let (db, reply) = ctx.db_and_reply();
    let Some(set) = db.read_collection::<SortedSet>(key, access)? else {
        reply.array(0);
        return Ok(());
    };
    let ranks = query.ranks(set);
    let form = Members::new(query.scores, reply.version());
    form.begin(reply, ranks.len());
    set.range(ranks, query.backwards).for_each(|(member, score)| form.show(reply, member, score));
    Ok(())
}

fn zrange(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    reply(ctx, request, None, None)
}

fn zrevrange(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    reply(ctx, request, Some(By::Rank), Some(true))
}

fn zrangebyscore(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    reply(ctx, request, Some(By::Score), Some(false))
}

fn zrevrangebyscore(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    reply(ctx, request, Some(By::Score), Some(true))
}

fn zrangebylex(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    reply(ctx, request, Some(By::Name), Some(false))
}

fn zrevrangebylex(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    reply(ctx, request, Some(By::Name), Some(true))
}

fn zrangestore(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let query = Query::parse(request, 3, None, None, true)?;
    let (target, source) = (ctx.key(request, 1), Key::new(request.arg(2)));
    let (access, limits) = (ctx.access(), ctx.node.config.zset_limits());
    let (db, reply) = ctx.db_and_reply();
    let mut result = SortedSet::default();
    if let Some(set) = db.read_collection::<SortedSet>(source, access)? {
        for (member, score) in set.range(query.ranks(set), query.backwards) {
            member.with(|name| result.put(name, score, limits));
        }
    }
    let count = result.len();
    let result = (count > 0).then_some(Object::SortedSet(result));
    put_result(db, target, access, result, EventClass::SortedSet, "zrangestore");
    reply.integer(count as i64);
    Ok(())
}

fn zcount(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    count(ctx, request, By::Score)
}

fn zlexcount(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    count(ctx, request, By::Name)
}

fn count(ctx: &mut Context<'_>, request: Request<'_>, by: By) -> Outcome {
    let part = Part::parse(by, request.arg(2), request.arg(3))?;
    let (key, access) = (ctx.key(request, 1), ctx.access());
    let (db, reply) = ctx.db_and_reply();
    let set = db.read_collection::<SortedSet>(key, access)?;
    reply.integer(set.map_or(0, |set| part.ranks(set, false).len() as i64));
    Ok(())
}

fn zremrangebyrank(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    remove(ctx, request, By::Rank, "zremrangebyrank")
}

fn zremrangebyscore(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    remove(ctx, request, By::Score, "zremrangebyscore")
}

fn zremrangebylex(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    remove(ctx, request, By::Name, "zremrangebylex")
}

fn remove(ctx: &mut Context<'_>, request: Request<'_>, by: By, event: &'static str) -> Outcome {
    let part = Part::parse(by, request.arg(2), request.arg(3))?;
    let (key, access) = (ctx.key(request, 1), ctx.access());
    let (db, reply) = ctx.db_and_reply();
    let Some(mut set) = db.write_collection::<SortedSet>(key, access)? else {
        reply.integer(0);
        return Ok(());
    };
    let ranks = part.ranks(set.view(), false);
    let removed = if ranks.is_empty() { 0 } else { set.remove_ranks(ranks) };
    set.counts_as(removed);
    drop(set);
    if removed > 0 {
        db.event(EventClass::SortedSet, event, key.bytes);
        gone(db, key, access);
    }
    reply.integer(removed as i64);
    Ok(())
}
