//! Places: kept as sorted sets whose scores are cells of a grid.

use super::{
    support::{Outcome, double, is_word},
    zset::{When, put_all},
};
use crate::{
    node::{
        context::{CommandError, Context, Handler},
        geo::Point,
        object::SortedSet,
    },
    protocol::{Encoder, Request, Version},
};

pub(super) const HANDLERS: &[(&str, Handler)] =
    &[("geoadd", geoadd), ("geodist", geodist), ("geohash", geohash), ("geopos", geopos)];

/// Metres that one of a unit is.
pub(super) fn unit(argument: &[u8]) -> Result<f64, CommandError> {
    const UNITS: [(&str, f64); 4] = [("M", 1.0), ("KM", 1000.0), ("FT", 0.3048), ("MI", 1609.34)];
    UNITS
        .into_iter()
        .find(|(name, _)| is_word(argument, name))
        .map(|(_, metres)| metres)
        .ok_or(CommandError::other("ERR unsupported unit provided. please use M, KM, FT, MI"))
}

/// The point in arguments `at` and `at + 1`.
pub(super) fn point(request: Request<'_>, at: usize) -> Result<Point, CommandError> {
    let (longitude, latitude) = (double(request.arg(at))?, double(request.arg(at + 1))?);
    Point::new(longitude, latitude).ok_or_else(|| {
        CommandError::other(format!("ERR invalid longitude,latitude pair {longitude:.6},{latitude:.6}"))
    })
}

/// Replies with a distance: text with four digits behind the point.
pub(super) fn reply_distance(reply: &mut Encoder<'_>, distance: f64) {
    reply.bulk(format!("{distance:.4}"));
}

/// Replies with a point, all digits of it.
pub(super) fn reply_point(reply: &mut Encoder<'_>, point: Point) {
    reply.array(2);
    for degrees in [point.longitude, point.latitude] {
        let text = format!("{degrees:.17}");
        let text = text.trim_end_matches('0').trim_end_matches('.');
        let text = if text == "-0" { "0" } else { text };
        match reply.version() {
            Version::Resp2 => reply.bulk(text),
            Version::Resp3 => reply.raw(format!(",{text}\r\n").as_bytes()),
        }
    }
}

fn geoadd(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let (mut when, mut changed_too, mut first) = (When::default(), false, 2);
    while let Some(word) = request.get(first) {
        let flag = match word {
            word if is_word(word, "NX") => &mut when.new,
            word if is_word(word, "XX") => &mut when.known,
            word if is_word(word, "CH") => &mut changed_too,
            _ => break,
        };
        *flag = true;
        first += 1;
    }
    let words = request.len() - first;
    if !words.is_multiple_of(3) || words == 0 || when.new && when.known {
        return Err(CommandError::Syntax);
    }
    let places = (first..request.len())
        .step_by(3)
        .map(|at| Ok((point(request, at)?.score(), request.arg(at + 2))))
        .collect::<Result<Vec<_>, CommandError>>()?;
    let before = ctx.store.keyspace.changes_in(ctx.caller.database);
    put_all(ctx, request, &places, when, changed_too)?;
    if ctx.is_heard() && ctx.store.keyspace.changes_in(ctx.caller.database) != before {
        // Points are told as the scores that they have become.
        let scores: Vec<String> = places.iter().map(|(score, _)| format!("{score:.0}")).collect();
        let mut words = vec![&b"zadd"[..]];
        words.extend(request.args().take(first).skip(1));
        words.extend(scores.iter().zip(&places).flat_map(|(score, (_, member))| [score.as_bytes(), member]));
        ctx.tell(&words);
    }
    Ok(())
}

fn geodist(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let unit = match request.len() {
        4 => 1.0,
        5 => unit(request.arg(4))?,
        _ => return Err(CommandError::Syntax),
    };
    let (key, access) = (ctx.key(request, 1), ctx.access());
    let (db, reply) = ctx.db_and_reply();
    let set = db.read_collection::<SortedSet>(key, access)?;
    let place = |at| set.and_then(|set| set.score(request.arg(at))).map(Point::of_score);
    match (place(2), place(3)) {
        (Some(from), Some(to)) => reply_distance(reply, from.distance(to) / unit),
        _ => reply.null(),
    }
    Ok(())
}

/// Replies with something for each member that is asked for.
fn each(
    ctx: &mut Context<'_>,
    request: Request<'_>,
    show: impl Fn(&mut Encoder<'_>, Option<Point>),
) -> Outcome {
    let (key, access) = (ctx.key(request, 1), ctx.access());
    let (db, reply) = ctx.db_and_reply();
    let set = db.read_collection::<SortedSet>(key, access)?;
    let members = request.args_from(2);
    reply.array(members.len());
    members.for_each(|member| show(reply, set.and_then(|set| set.score(member)).map(Point::of_score)));
    Ok(())
}

fn geohash(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    each(ctx, request, |reply, place| match place {
        Some(place) => reply.bulk(place.geohash()),
        None => reply.null(),
    })
}

fn geopos(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    each(ctx, request, |reply, place| match place {
        Some(place) => reply_point(reply, place),
        None => reply.null_array(),
    })
}
